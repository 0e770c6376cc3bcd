//! Runs the claims of `tests/suite`, which need no std, under `cargo test`.
//!
//! A claim that this machine lacks something for is ignored, and the reason is printed.

use libtest_mimic::{Arguments, Completion, Trial};
use std::{process::ExitCode, sync::OnceLock};
use suite::{Stop, World};

fn main() -> ExitCode {
    static WORLD: OnceLock<World> = OnceLock::new();

    let mut arguments = Arguments::from_args();
    // A claim runs in a child of this process, which must not have the locks of other threads.
    arguments.test_threads = Some(1);
    let trials = suite::claims()
        .map(|claim| {
            Trial::ignorable_test(claim.name, || {
                match claim.run(WORLD.get_or_init(World::probe)) {
                    Ok(()) => Ok(Completion::Completed),
                    Err(Stop::Failed(failure)) => Err(failure.into()),
                    Err(Stop::Skipped(reason)) => {
                        // Where each driver's account is read from.
                        println!("\nskip {}: {reason}", claim.name);
                        Ok(Completion::ignored_with(reason))
                    }
                }
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
