//! The lifecycle of `bare` with nix.

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
    unistd::write,
};
use std::process::ExitCode;

static PAGE: [u8; 4096] = [7; 4096];

fn main() -> ExitCode {
    ExitCode::from(u8::from(run().is_err()))
}

fn run() -> Result<(), Errno> {
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = memfd_create(c"page", flags)?;
    if write(&file, &PAGE)? != PAGE.len() {
        return Err(Errno::EIO);
    }
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    if fcntl(&file, FcntlArg::F_GET_SEALS)? == seals.bits() {
        Ok(())
    } else {
        Err(Errno::EIO)
    }
}
