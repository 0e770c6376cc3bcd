//! The lifecycle of `bare`, with the crate's conveniences: options that hold on every kernel, and
//! `write_all`.
#![no_std]
#![no_main]

use footprint::PAGE;
use owned_memfd::{MemFdOptions, Seals};

footprint::program!(main);

fn main() -> i32 {
    i32::from(run().is_none())
}

#[inline(always)]
fn run() -> Option<()> {
    let seals = Seals::SHRINK | Seals::GROW | Seals::WRITE;
    let file = MemFdOptions::new().create(c"page").ok()?;
    file.write_all(&PAGE).ok()?;
    file.add_seals(seals).ok()?;
    file.seals().ok()?.contains(seals).then_some(())
}
