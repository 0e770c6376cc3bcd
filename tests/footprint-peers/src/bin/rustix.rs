//! The lifecycle of `bare` with rustix, whose system calls are its own.
//!
//! Its descriptors assert that they are not -1, so code that panics is linked, other than with
//! `footprint`.
#![no_std]
#![no_main]

use core::panic::PanicInfo;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create},
    io::{Errno, write},
};

static PAGE: [u8; 4096] = [7; 4096];

start::start!(main);

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// As in tests/footprint.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

extern "C" fn main(_: *const usize) -> i32 {
    i32::from(run().is_err())
}

#[inline(always)]
fn run() -> Result<(), Errno> {
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    let file = memfd_create(c"page", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    if write(&file, &PAGE)? != PAGE.len() {
        return Err(Errno::IO);
    }
    fcntl_add_seals(&file, seals)?;
    if fcntl_get_seals(&file)? == seals {
        Ok(())
    } else {
        Err(Errno::IO)
    }
}
