//! This program, which goes on from a copy of itself.

use nix::{
    errno::Errno,
    sys::memfd::{MFdFlags, memfd_create},
    unistd::fexecve,
};
use std::{
    convert::Infallible,
    env,
    ffi::{CStr, CString},
    fs::File,
    io,
    os::unix::ffi::OsStringExt,
};

/// The name of the copy.
const COPY: &CStr = c"hostile";
/// Where links to the copy lead.
pub const COPY_LINK: &str = "/memfd:hostile (deleted)";

/// Goes on from a copy of this program that is a memory file. The library can copy that in a few
/// calls, where `ensure_sealed` copies the program that runs: the kernel does it, which it does not
/// between two file systems.
///
/// # Errors
/// The program cannot be copied or executed.
pub fn run_from_memory() -> io::Result<()> {
    let program = env::current_exe()?;
    if program.to_str() == Some(COPY_LINK) {
        return Ok(());
    }
    let copy = memfd_create(COPY, MFdFlags::MFD_CLOEXEC)?;
    let mut copy = File::from(copy);
    io::copy(&mut File::open(program)?, &mut copy)?;
    let args = c_strings(env::args_os().map(OsStringExt::into_vec))?;
    let env = env::vars_os().map(|(name, value)| [name, value].join("=".as_ref()));
    let env = c_strings(env.map(OsStringExt::into_vec))?;
    match fexecve(copy, &args, &env) {
        Ok::<Infallible, Errno>(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

fn c_strings(strings: impl Iterator<Item = Vec<u8>>) -> io::Result<Vec<CString>> {
    let strings: Result<_, _> = strings.map(CString::new).collect();
    Ok(strings?)
}
