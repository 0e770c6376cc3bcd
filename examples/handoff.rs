//! Hands a file's content to another process so that both can rely on it never changing.
//!
//! ```text
//! cargo run --example handoff [FILE]
//! ```
//!
//! Loads FILE (this crate's README if none is given) into a memory file, seals it, and
//! starts itself as a child that inherits the descriptor. The child checks the seals, tries
//! to break them, and reads the content back.

use owned_memfd::{
    Errno, MemFdOptions, OwnedMemFd, Seals,
    fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};
use std::{
    env,
    error::Error,
    fs::File,
    hash::{DefaultHasher, Hasher},
    io::{self, Write},
    os::{fd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, ExitCode},
};

/// Tells the child the descriptor that it inherits and the digest of its content.
const INHERITED: &str = "OWNED_MEMFD_HANDOFF";

/// Immutable: neither content nor length can change, and no seal can be added.
const IMMUTABLE: Seals = Seals::WRITE
    .union(Seals::SHRINK)
    .union(Seals::GROW)
    .union(Seals::SEAL);

fn main() -> ExitCode {
    let result = match env::var(INHERITED) {
        Ok(inherited) => child(&inherited),
        Err(_) => parent(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("handoff: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parent() -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout();
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let path = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| readme.into()));
    let about_path = |error: String| format!("{}: {error}", path.display());

    let source = File::open(&path).map_err(|error| about_path(error.to_string()))?;
    let file = MemFdOptions::new().create("handoff")?;
    let len = file
        .copy_from(lend(&source), u64::MAX)
        .map_err(|stopped| about_path(stopped.to_string()))?;
    writeln!(out, "parent: loaded {len} bytes of {}", path.display())?;

    file.add_seals(IMMUTABLE)
        .map_err(|errno| file.explain_seal_error(errno))?;
    writeln!(out, "parent: sealed with {}", file.seals()?)?;
    let digest = digest(&file)?;
    writeln!(out, "parent: its digest is {digest:016x}")?;

    let mut child = Command::new(env::current_exe()?);
    let inherited = file.try_clone()?;
    child.env(INHERITED, format!("{} {digest}", inherited.as_raw_fd()));
    // Close-on-exec is cleared in the child alone: cleared here, it would hand the file to
    // every other program that this process starts meanwhile.
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe {
        child.pre_exec(move || inherited.set_close_on_exec(false).map_err(into_io));
    }
    let status = child.status()?;
    writeln!(out, "parent: the child ended with {status}")?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn child(inherited: &str) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout();
    let (number, expected) = inherited.split_once(' ').ok_or("no digest")?;
    let (number, expected): (RawFd, u64) = (number.parse()?, expected.parse()?);
    // SAFETY: the parent left this descriptor open for us, and nothing else here owns it.
    let inherited = unsafe { OwnedFd::from_raw_fd(number) };
    let file = OwnedMemFd::try_from(inherited)?;
    writeln!(out, "child:  descriptor {number} is a memory file")?;

    let (seals, len) = (file.seals()?, file.len()?);
    if !seals.contains(IMMUTABLE) {
        return Err(format!("only sealed with {seals}").into());
    }
    writeln!(out, "child:  sealed with {seals}")?;

    let mut attempts = vec![
        (
            "write",
            file.write_all_at(b"x", 0).map_err(|stopped| stopped.reason),
        ),
        ("grow", file.set_len(len + 1).map_err(Some)),
    ];
    if len > 0 {
        attempts.push(("shrink", file.set_len(len - 1).map_err(Some)));
    }
    for (what, answer) in attempts {
        match answer {
            Err(Some(errno @ Errno::EPERM)) => {
                writeln!(out, "child:  tried to {what}: {errno}")?;
            }
            answer => return Err(format!("tried to {what}: {answer:?}").into()),
        }
    }

    writeln!(out, "child:  read {len} bytes back")?;
    let digest = digest(&file)?;
    writeln!(out, "child:  their digest is {digest:016x}")?;
    if digest != expected {
        return Err("that is not what the parent sealed".into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads by position: the offset is shared with the other process.
fn digest(file: &OwnedMemFd) -> Result<u64, Errno> {
    let (mut hasher, mut buffer, mut offset) = (DefaultHasher::new(), [0; 8192], 0);
    loop {
        match file.read_at(&mut buffer, offset)? {
            0 => return Ok(hasher.finish()),
            count => {
                hasher.write(&buffer[..count]);
                offset += count as u64;
            }
        }
    }
}

/// std's file as the crate takes it with and without its feature `std`.
fn lend(file: &File) -> BorrowedFd<'_> {
    // SAFETY: the file stays open as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(fd::AsRawFd::as_raw_fd(file)) }
}

fn into_io(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}
