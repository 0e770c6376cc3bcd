//! Hands a file to three programs, none of which can change it, or see it change.
//!
//! ```text
//! cargo run --features std --example handoff [FILE]
//! ```
//!
//! It loads FILE, by default its own program, into a memory file and seals that. `wc` then gets it
//! as standard input, `cmp` by the number of a descriptor, and a receiver over a socket. The
//! receiver trusts nobody: it verifies the file, maps it, and shows that a write fails.
//!
//! While a large file is loaded, a terminal shows how far it is.

use owned_memfd::{MemFdOptions, SealedMemFd, socket};
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{self, Command};
use std::{env, error::Error, fs, fs::File, time::Duration};

const HELP: &str = "\
usage: handoff [FILE]
Seals a copy of FILE in memory, and hands it to other programs. Without FILE, its own program.
";
/// The most bytes that the receiver takes from a sender whom it does not trust.
const LIMIT: usize = 16 << 30;

fn main() {
    let Err(error) = run() else { return };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "handoff: {error}");
    process::exit(1);
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    match &arguments[..] {
        [] => hand_over(&env::current_exe()?),
        [option] if option == "--help" => Ok(io::stdout().write_all(HELP.as_bytes())?),
        [option] if option == "--receive" => receive(),
        [file] => hand_over(file.as_ref()),
        _ => Err("one FILE at most: see --help".into()),
    }
}

fn hand_over(path: &Path) -> Result<(), Box<dyn Error>> {
    let (mut out, name) = (io::stdout(), path.display());
    let sealed = load(path).map_err(|error| format!("cannot load {name}: {error}"))?;
    writeln!(out, "sealed {} bytes in memory", sealed.len())?;

    // As standard input: for any program.
    let mut wc = Command::new("wc");
    let output = wc.arg("-c").stdin(sealed.try_clone()?).output();
    let output = output.map_err(|error| format!("wc: {error}"))?;
    output.status.success().then_some(()).ok_or("wc failed")?;
    let count = String::from_utf8_lossy(&output.stdout);
    writeln!(out, "wc counts {} on its standard input", count.trim_end())?;

    // By number: this child, and no other, inherits the descriptor.
    let mut cmp = Command::new("cmp");
    let number = sealed.pass_to(&mut cmp)?;
    let inherited = format!("/proc/self/fd/{number}");
    // After `./`, a name such as `-` or `-s` is one of a file.
    let file = Path::new(".").join(path);
    let compared = cmp.arg(file).arg(&inherited).status();
    match compared.map_err(|error| format!("cmp: {error}"))?.code() {
        Some(0) => writeln!(out, "cmp finds the same bytes in {inherited}")?,
        Some(1) => return Err(format!("{name} has changed since").into()),
        _ => return Err("cmp failed".into()),
    }

    // Over a socket, to a process that may run already. Here it is one of this program.
    let (here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
    let mut receiver = Command::new(env::current_exe()?);
    let mut receiver = receiver.arg("--receive").stdin(there).spawn()?;
    let sent = sealed.send(here);
    // Whether it was sent or not, so that nothing of this is still running at the end.
    let has_received = receiver.wait()?.success();
    sent?;
    Ok(has_received.then_some(()).ok_or("the receiver failed")?)
}

/// Copies the file piece by piece, to say how far it is. `copy_from_file` does it in one call.
fn load(path: &Path) -> Result<SealedMemFd, Box<dyn Error>> {
    // Before it is opened: that could wait, as for a FIFO without a writer.
    let about = fs::metadata(path)?;
    about.is_file().then_some(()).ok_or("not a regular file")?;
    let (mut source, len) = (File::open(path)?, usize::try_from(about.len())?);
    // The pieces are large, so that the writer needs no buffer.
    let mut writer = MemFdOptions::new().writer_with_capacity("handoff", len, &mut [])?;
    let mut piece = vec![0; 1 << 20];
    let shows = len > piece.len() && io::stderr().is_terminal();
    let mut copy = || {
        while let count @ 1.. = source.read(&mut piece)? {
            writer.write_all(&piece[..count])?;
            if shows {
                let done = writer.len() >> 20;
                let _ = write!(io::stderr(), "\rloaded {done} of {} MiB", len >> 20);
            }
        }
        io::Result::Ok(())
    };
    let copied = copy();
    if shows {
        // The line is erased, whatever comes next.
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    copied?;
    Ok(writer.finish()?)
}

fn receive() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let file = SealedMemFd::receive_timeout(io::stdin(), LIMIT, Duration::from_secs(5))?;
    // Verified: nobody can change the bytes, so that they are a `&[u8]`.
    let bytes = file.map()?;
    writeln!(out, "received {} bytes for good", bytes.len())?;
    let refused = file.as_memfd().write_all_at(b"x", 0).err();
    let error = refused.ok_or("the sealed file was written")?;
    Ok(writeln!(out, "a write fails: {error}")?)
}
