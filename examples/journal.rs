//! Writes one entry of any length into systemd's journal.
//!
//! ```text
//! cargo run --features std --example journal -- MESSAGE=hello PRIORITY=6
//! ```
//!
//! `journalctl -n 1 -o verbose` then shows it. Without a field MESSAGE, that is read from standard
//! input, and may have many lines.
//!
//! The entry is a sealed memory file in journald's native protocol. Its descriptor is sent without a
//! byte, which is how journald takes what is longer than a datagram.

use owned_memfd::socket::{self, SocketAddr};
use owned_memfd::{MemFdOptions, SealedMemFd};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::{env, error::Error, ffi::OsStr, process};

const HELP: &str = "\
usage: journal [--to ADDRESS] [FIELD=VALUE…]
Writes an entry into the journal. MESSAGE is read from standard input if it is not given.
FIELD is of A to Z, 0 to 9 and _, begins with a letter, and has at most 64 of them.
ADDRESS is a path or @NAME; it is /run/systemd/journal/socket if it is not given.
";
const JOURNAL: &[u8] = b"/run/systemd/journal/socket";
/// The longest message that is read. A device that never ends would fill all memory.
const LIMIT: u64 = 256 << 20;

fn main() {
    let Err(error) = run() else { return };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "journal: {error}");
    process::exit(1);
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<_> = env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        return Ok(io::stdout().write_all(HELP.as_bytes())?);
    }
    let to = match arguments.first() {
        Some(first) if first == "--to" => {
            let to = arguments.drain(..2.min(arguments.len())).nth(1);
            to.ok_or("no address after --to")?
        }
        _ => OsStr::from_bytes(JOURNAL).into(),
    };
    let shown = to.to_string_lossy();
    let address = match to.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(path),
    };
    let address = address.map_err(|error| format!("{shown}: {error}"))?;
    let sealed = entry(&arguments)?;
    let sent = sealed.send_to(socket::datagram_socket()?, address);
    Ok(sent.map_err(|errno| format!("cannot send to {shown}: {errno}"))?)
}

/// The sealed file that holds the entry.
fn entry(fields: &[impl AsRef<OsStr>]) -> Result<SealedMemFd, Box<dyn Error>> {
    let (mut buffer, mut has_message) = ([0; 4096], false);
    // Before systemd 254, journald takes a file only with exactly the seals 0xf.
    let options = MemFdOptions::new().exec_seal(false);
    let mut entry = options.writer("journal-entry", &mut buffer)?;
    for field in fields {
        let field = field.as_ref();
        let (name, value) = split(field.as_bytes())
            .ok_or_else(|| format!("{}: no field: see --help", field.to_string_lossy()))?;
        has_message |= name == b"MESSAGE";
        put(&mut entry, name, value)?;
    }
    if !has_message {
        let mut message = Vec::new();
        io::stdin().take(LIMIT + 1).read_to_end(&mut message)?;
        if message.len() as u64 > LIMIT {
            return Err(format!("a message of more than {LIMIT} bytes").into());
        }
        put(
            &mut entry,
            b"MESSAGE",
            message.strip_suffix(b"\n").unwrap_or(&message),
        )?;
    }
    Ok(entry.finish()?)
}

/// Splits a field. journald drops one with a name that this does not take.
fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = field.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&field[..at], &field[at + 1..]);
    let may_be = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    let is_name = matches!(name, [b'A'..=b'Z', ..]) && name.len() <= 64;
    (is_name && name.iter().all(may_be)).then_some((name, value))
}

/// Writes a field: in a line or, if the value has several, with the length before it.
fn put(entry: &mut impl Write, name: &[u8], value: &[u8]) -> io::Result<()> {
    entry.write_all(name)?;
    if value.contains(&b'\n') {
        entry.write_all(b"\n")?;
        entry.write_all(&(value.len() as u64).to_le_bytes())?;
    } else {
        entry.write_all(b"=")?;
    }
    entry.write_all(value)?;
    entry.write_all(b"\n")
}
