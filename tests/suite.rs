//! Runs the claims of `tests/suite` under `cargo test`.
//!
//! A claim is ignored if this machine lacks something that it needs. The reason is printed.

use libtest_mimic::{Arguments, Completion, Trial};
use std::{process::ExitCode, sync::OnceLock};
use suite::{Stop, World};

fn main() -> ExitCode {
    static WORLD: OnceLock<World> = OnceLock::new();

    let mut arguments = Arguments::from_args();
    // A claim runs in a child of this process, where locks of other threads would stay locked.
    arguments.test_threads = Some(1);
    let trials = suite::claims()
        .map(|claim| {
            Trial::ignorable_test(claim.name, || {
                match claim.run(WORLD.get_or_init(World::probe)) {
                    Ok(()) => Ok(Completion::Completed),
                    Err(Stop::Failed(failure)) => Err(failure.into()),
                    Err(Stop::Skipped(reason)) => {
                        // `driver` in ci/common.sh collects these lines.
                        println!("\nskip {}: {reason}", claim.name);
                        Ok(Completion::ignored_with(reason))
                    }
                }
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
