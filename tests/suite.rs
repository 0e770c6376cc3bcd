//! Runs the claims of `tests/suite` under `cargo test`.
//!
//! A claim is ignored if this machine lacks something that it needs. The reason is printed. With
//! `OWNED_MEMFD_PLACE`, which the scripts in `ci` set, a skip that `suite::skips` does not allow
//! there is a failure.

use libtest_mimic::{Arguments, Completion, Trial};
use std::{env, process::ExitCode, sync::OnceLock};
use suite::{Stop, World, skips};

fn main() -> ExitCode {
    static WORLD: OnceLock<World> = OnceLock::new();

    let name = env::var("OWNED_MEMFD_PLACE").unwrap_or_default();
    let place = match skips::place(&name) {
        Ok(place) => place,
        Err(error) => {
            eprintln!("OWNED_MEMFD_PLACE={name}: {error}");
            return ExitCode::from(2);
        }
    };
    let mut arguments = Arguments::from_args();
    // A claim runs in a child of this process, where locks of other threads would stay locked.
    arguments.test_threads = Some(1);
    let trials = suite::claims()
        .map(|claim| {
            Trial::ignorable_test(claim.name, move || {
                let verdict = claim.run(WORLD.get_or_init(World::probe));
                match skips::bounded(verdict, place) {
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
