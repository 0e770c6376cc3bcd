//! The lifecycle of `bare`, with each `Result` compared as a whole.
#![no_std]
#![no_main]

use footprint::PAGE;
use owned_memfd::{MemFdFlags, OwnedMemFd, Seals};

footprint::program!(main);

fn main() -> i32 {
    let seals = Seals::SHRINK | Seals::GROW | Seals::WRITE;
    let flags = MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING;
    let Ok(file) = OwnedMemFd::create(c"page", flags) else {
        return 1;
    };
    i32::from(
        !(file.write(&PAGE) == Ok(PAGE.len())
            && file.add_seals(seals).is_ok()
            && file.seals() == Ok(seals)),
    )
}
