//! The lifecycle of `bare` with memfile.

use memfile::{CreateOptions, MemFile, Seal};
use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

static PAGE: [u8; 4096] = [7; 4096];

fn main() -> ExitCode {
    ExitCode::from(u8::from(run().is_err()))
}

fn run() -> io::Result<()> {
    let seals = Seal::Shrink | Seal::Grow | Seal::Write;
    let mut file = MemFile::create_cstr(c"page", CreateOptions::new().allow_sealing(true))?;
    if file.write(&PAGE)? != PAGE.len() {
        return Err(ErrorKind::WriteZero.into());
    }
    file.add_seals(seals)?;
    if file.get_seals()? == seals {
        Ok(())
    } else {
        Err(ErrorKind::Other.into())
    }
}
