//! One lifecycle with direct calls and `?`: create, write a page, seal, get the seals, close.
#![no_std]
#![no_main]

use footprint::PAGE;
use owned_memfd::{Errno, MemFdFlags, OwnedMemFd, Seals};

footprint::program!(main);

fn main() -> i32 {
    i32::from(run().is_err())
}

#[inline(always)]
fn run() -> Result<(), Errno> {
    let seals = Seals::SHRINK | Seals::GROW | Seals::WRITE;
    let file = OwnedMemFd::create(c"page", MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING)?;
    if file.write(&PAGE)? != PAGE.len() {
        return Err(Errno::EIO);
    }
    file.add_seals(seals)?;
    if file.seals()? == seals {
        Ok(())
    } else {
        Err(Errno::EIO)
    }
}
