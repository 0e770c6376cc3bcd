//! The lifecycle of `policy`, with a proof that the content cannot change. It takes one more
//! system call, to get the length.
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
