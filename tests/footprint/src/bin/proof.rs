//! The lifecycle of `policy`, with the proof that the content cannot change: one more system
//! call, for the length at which that is proven.
#![no_std]
#![no_main]

use footprint::PAGE;
use owned_memfd::MemFdOptions;

footprint::program!(main);

fn main() -> i32 {
    i32::from(run().is_none())
}

#[inline(always)]
fn run() -> Option<()> {
    let file = MemFdOptions::new().create(c"page").ok()?;
    file.write_all(&PAGE).ok()?;
    let sealed = file.seal().ok()?;
    (sealed.len() == PAGE.len()).then_some(())
}
