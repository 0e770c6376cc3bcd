//! The lifecycle of `bare` with memfd.

use memfd::{FileSeal, MemfdOptions};
use std::{io::Write, process::ExitCode};

static PAGE: [u8; 4096] = [7; 4096];

fn main() -> ExitCode {
    ExitCode::from(u8::from(run().is_none()))
}

fn run() -> Option<()> {
    let seals = [
        FileSeal::SealShrink,
        FileSeal::SealGrow,
        FileSeal::SealWrite,
    ];
    let options = MemfdOptions::new().allow_sealing(true);
    let file = options.create("page").ok()?;
    if file.as_file().write(&PAGE).ok()? != PAGE.len() {
        return None;
    }
    file.add_seals(&seals).ok()?;
    let found = file.seals().ok()?;
    (found.len() == seals.len() && seals.iter().all(|seal| found.contains(seal))).then_some(())
}
