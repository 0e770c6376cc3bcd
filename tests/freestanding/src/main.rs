//! Runs every claim of the suite in a program that has neither libc nor std, and prints how
//! each ended. The exit status is 0 if none failed and one at least was true.
#![no_std]
#![no_main]

mod entry;
#[cfg(feature = "memory")]
mod memory;
mod output;

use output::{Stream, exit};
use suite::{Stop, World};

/// What the program does; the answer is its exit status.
fn run() -> i32 {
    let world = World::probe();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for claim in suite::claims() {
        match claim.run(&world) {
            Ok(()) => {
                passed += 1;
                say!(Stream::Out, "ok {}", claim.name);
            }
            Err(Stop::Failed(failure)) => {
                failed += 1;
                say!(Stream::Out, "FAILED {}: {failure}", claim.name);
            }
            Err(Stop::Skipped(reason)) => {
                skipped += 1;
                say!(Stream::Out, "skip {}: {reason}", claim.name);
            }
        }
    }
    say!(
        Stream::Out,
        "{passed} passed, {failed} failed, {skipped} skipped"
    );
    i32::from(failed > 0 || passed == 0)
}

/// A panic ends the process that it is in, which is that of one claim or this program's.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say!(Stream::Error, "{info}");
    exit(101)
}
