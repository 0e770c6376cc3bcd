//! Passes a file's content to another process, so that both can rely on it never changing.
//!
//! ```text
//! cargo run --example handoff [FILE]
//! ```
//!
//! It makes a sealed copy of FILE (by default this crate's README) in memory, and starts
//! itself as a child, which gets the file in two ways. First, the child inherits the
//! descriptor, opens its file again, checks the seals, tries to break them, and reads the
//! content. Second, it receives the descriptor over a socket, as from a process that it does not
//! trust, verifies that the file cannot change, and maps it.
//!
//! FILE may have 256 MiB: a file that never ends would fill all memory.

use owned_memfd::{
    Errno, MemFdOptions, OwnedMemFd, SealedMemFd, Seals,
    fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
    socket,
};
use std::{
    env,
    error::Error,
    fs::{File, OpenOptions},
    hash::{DefaultHasher, Hasher},
    io::{self, Write},
    os::{fd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

/// The variable that tells the child which descriptor it inherits, and the content's digest.
const INHERITED: &str = "OWNED_MEMFD_HANDOFF";

/// The most bytes that are loaded, and accepted from the sender.
const LIMIT: usize = 256 << 20;

/// With these seals, neither content nor length can change, and no seal can be added.
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
            // Not eprintln!, which panics where it cannot print, as to a full disk.
            let _ = writeln!(io::stderr(), "handoff: {error}");
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
    let sealed = MemFdOptions::new()
        .copy_from_file("handoff", lend(&source), LIMIT)
        .map_err(|error| about_path(error.to_string()))?;
    let len = sealed.len();
    writeln!(out, "parent: loaded {len} bytes of {}", path.display())?;
    writeln!(out, "parent: sealed with {}", sealed.seals()?)?;
    let digest = digest(&sealed.map()?);
    writeln!(out, "parent: its digest is {digest:016x}")?;

    let mut child = Command::new(env::current_exe()?);
    let inherited = sealed.try_clone()?.into_memfd();
    child.env(INHERITED, format!("{} {digest}", inherited.as_raw_fd()));
    // This clears close-on-exec in the child only. If it were cleared here, every other program
    // that this process starts meanwhile would inherit the file too.
    // SAFETY: the closure runs between fork and exec. It makes one system call and allocates
    // nothing.
    unsafe {
        child.pre_exec(move || inherited.set_close_on_exec(false).map_err(into_io));
    }
    let (here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
    let mut child = child.stdin(into_stdio(there)).spawn()?;
    sealed.send(&here)?;

    let status = child.wait()?;
    writeln!(out, "parent: the child ended with {status}")?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn child(inherited: &str) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout();
    let (number, expected) = inherited.split_once(' ').ok_or("no digest")?;
    let (number, expected): (u32, u64) = (number.parse()?, expected.parse()?);

    // The number comes from outside, where anybody can set the variable. To own or to borrow a
    // descriptor by such a number would be undefined behaviour; to open its file again is not.
    let path = format!("/proc/self/fd/{number}");
    let inherited = OpenOptions::new().read(true).write(true).open(path)?;
    let file = OwnedMemFd::try_from(into_owned(inherited))?;
    writeln!(out, "child:  descriptor {number} is a memory file")?;
    try_to_break(&file)?;
    let content = read(&file)?;
    writeln!(out, "child:  read {} bytes back", content.len())?;

    let stdin = io::stdin();
    let received = SealedMemFd::receive(lend(&stdin), LIMIT)?;
    let bytes = received.map()?;
    writeln!(
        out,
        "child:  received {} bytes that are proven not to change",
        bytes.len()
    )?;
    let digest = digest(&bytes);
    writeln!(out, "child:  their digest is {digest:016x}")?;
    if digest != expected || *bytes != *content {
        return Err("that is not what the parent sealed".into());
    }
    Ok(ExitCode::SUCCESS)
}

fn try_to_break(file: &OwnedMemFd) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let (seals, len) = (file.seals()?, file.len()?);
    if !seals.contains(IMMUTABLE) {
        return Err(format!("only sealed with {seals}").into());
    }
    writeln!(out, "child:  sealed with {seals}")?;

    let mut attempts = vec![
        ("write", file.write_all_at(b"x", 0).map_err(Errno::from)),
        ("grow", file.set_len(len + 1)),
    ];
    if len > 0 {
        attempts.push(("shrink", file.set_len(len - 1)));
    }
    for (what, result) in attempts {
        match result {
            Err(errno @ Errno::EPERM) => {
                writeln!(out, "child:  tried to {what}: {errno}")?;
            }
            result => return Err(format!("tried to {what}: {result:?}").into()),
        }
    }
    Ok(())
}

fn read(file: &OwnedMemFd) -> Result<Vec<u8>, Box<dyn Error>> {
    let len = usize::try_from(file.len()?)?;
    if len > LIMIT {
        return Err(format!("the file has {len} bytes, more than {LIMIT}").into());
    }
    let mut content = vec![0; len];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

// Conversions between std's descriptors and the crate's. With the feature `std`, these are the
// same types.

fn lend(file: &impl fd::AsFd) -> BorrowedFd<'_> {
    // SAFETY: the descriptor stays open as long as its owner is borrowed.
    unsafe { BorrowedFd::borrow_raw(fd::AsRawFd::as_raw_fd(&file.as_fd())) }
}

fn into_owned(file: File) -> OwnedFd {
    // SAFETY: `into_raw_fd` gave the descriptor up.
    unsafe { OwnedFd::from_raw_fd(fd::IntoRawFd::into_raw_fd(file)) }
}

fn into_stdio(socket: OwnedFd) -> Stdio {
    // SAFETY: `into_raw_fd` gave the descriptor up.
    unsafe { <fd::OwnedFd as fd::FromRawFd>::from_raw_fd(socket.into_raw_fd()) }.into()
}

fn into_io(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}
