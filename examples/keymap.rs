//! Reads keymaps as a Wayland client does, from a compositor that it need not trust.
//!
//! ```text
//! cargo run --features std --example keymap
//! ```
//!
//! The event `wl_keyboard.keymap` brings a descriptor and a size. weston's is of a sealed memory
//! file, sway's of a file of a tmpfs without seals. If a client maps the latter, it is killed by
//! `SIGBUS` should the file get shorter. If it reads from the descriptor's offset, which all clients
//! share, only the first client finds anything. A sealed file, or a sealed copy, has neither trap.
//!
//! A thread plays the compositor. It sends a keymap that is sealed, one that is not, and one that
//! is shorter than it says. The first two are read, and the third is rejected.

use owned_memfd::socket::{self, ReceiveError, ReceivedFds};
use owned_memfd::{MemFdOptions, SealedMemFd, fd::AsFd, fd::OwnedFd};
use std::io::{self, Write};
use std::{env, error::Error, process, thread, time::Duration};

const HELP: &str = "\
usage: keymap
Reads three keymaps, which a thread of its own sends as Wayland compositors do.
";
/// The most bytes that a client takes. Those of a usual layout are about 64 KiB.
const LIMIT: usize = 1 << 20;
/// A keymap of one key. It ends in a zero, which its size counts.
const KEYMAP: &str = "xkb_keymap {
xkb_keycodes { <AC01> = 38; };
xkb_types { };
xkb_compatibility { };
xkb_symbols { key <AC01> { [ a ] }; };
};
\0";

fn main() {
    let Err(error) = run() else { return };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "keymap: {error}");
    process::exit(1);
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    match env::args_os().nth(1) {
        None => {}
        Some(option) if option == "--help" => return Ok(out.write_all(HELP.as_bytes())?),
        Some(_) => return Err("an unknown argument: see --help".into()),
    }
    let (client, server) = socket::socket_pair(socket::SocketType::SeqPacket)?;
    let compositor = thread::spawn(move || compositor(&server).map_err(|error| error.to_string()));
    loop {
        let (mut size, mut fds) = ([0; 4], ReceivedFds::<1>::new());
        // No event takes longer than this to come. Copying a file can, if the sender serves it: see
        // `verify_or_copy`.
        let timeout = Duration::from_secs(5);
        let count = match socket::receive_timeout(&client, &mut size, &mut fds, timeout) {
            Err(ReceiveError::Closed) => break,
            received => received?,
        };
        if count != size.len() {
            return Err("an event without a whole size".into());
        }
        let fd = fds.next().ok_or("an event without a keymap")?;
        match read(fd, u32::from_ne_bytes(size)) {
            Ok(text) => writeln!(out, "a keymap of {} lines", text.lines().count())?,
            Err(error) => writeln!(out, "no keymap: {error}")?,
        }
    }
    Ok(compositor.join().map_err(|_| "the compositor panicked")??)
}

/// What a client does with the event.
fn read(fd: OwnedFd, size: u32) -> Result<String, Box<dyn Error>> {
    // A sealed file is taken as it is. Any other is copied, by position and up to its end.
    let file = SealedMemFd::verify_or_copy(fd, LIMIT)?;
    // Not earlier: until it was verified, the sender could change the length.
    file.require_len(size as usize)?;
    // No SIGBUS, and no other text later. The protocol asks for a private mapping, as a shared one
    // may be refused: this falls back to one.
    let bytes = file.map()?;
    let text = bytes
        .strip_suffix(b"\0")
        .ok_or("it has no zero at its end")?;
    Ok(String::from_utf8(text.to_vec())?)
}

/// What compositors send, and what one might.
fn compositor(client: &OwnedFd) -> Result<(), Box<dyn Error>> {
    let event = |file: &dyn AsFd, size: usize| -> Result<(), Box<dyn Error>> {
        let size = u32::try_from(size)?.to_ne_bytes();
        socket::send(client, &size, &[file.as_fd()])?;
        Ok(())
    };
    let sealed = SealedMemFd::copy_from_slice("sealed", KEYMAP.as_bytes())?;
    event(&sealed, KEYMAP.len())?;

    let unsealed = MemFdOptions::new().create("unsealed")?;
    unsealed.write_all(KEYMAP.as_bytes())?;
    event(&unsealed, KEYMAP.len())?;

    let short = SealedMemFd::copy_from_slice("short", b"xkb_keymap {\0")?;
    event(&short, KEYMAP.len())
}
