//! Runs every claim of the suite in a program that has neither libc nor std, and prints how each
//! ended. The exit status is 0 if at least one passed and none failed.
//!
//! With an argument, it runs only the claims whose names begin with it. Before that, `--place PLACE`
//! makes every skip a failure that `suite::skips` does not allow there. With `--list`, it prints
//! the names. With `--meet`, it does with processes of other CPUs what `suite::meeting` says; with
//! `--journal`, what `journal` says. As `/init` of a test kernel, see `machine`.
#![no_std]
#![no_main]

mod entry;
mod journal;
mod machine;
#[cfg(feature = "memory")]
mod memory;
mod output;

use entry::Arguments;
use output::{Stream, exit};
use suite::{Stop, World, meeting, skips::bounded};

/// Runs the program, and returns its exit status.
fn run(mut arguments: Arguments) -> i32 {
    let mut first = arguments.next();
    if first == Some(suite::init::ARGUMENT) {
        return machine::run(arguments);
    }
    if first == Some(c"--list") {
        for name in suite::names() {
            say!(Stream::Out, "{name}");
        }
        return 0;
    }
    if first == Some(meeting::ARGUMENT) {
        return meet(arguments);
    }
    if first == Some(c"--journal") {
        return match journal::send(arguments) {
            Ok(()) => 0,
            Err(errno) => {
                say!(Stream::Error, "cannot send to journald: {errno}");
                1
            }
        };
    }
    let mut place = None;
    if first == Some(c"--place") {
        let name = arguments.next().and_then(|name| name.to_str().ok());
        match suite::skips::place(name.unwrap_or("?")) {
            Ok(known) => place = known,
            Err(error) => {
                say!(Stream::Error, "{error}");
                return 2;
            }
        }
        first = arguments.next();
    }
    let mut tally = Tally::default();
    tally.run(
        &World::probe(),
        first.map_or(b"", |filter| filter.to_bytes()),
        place,
    );
    i32::from(!tally.conclude())
}

/// Takes part in a meeting of as many processes as the next argument says. Without more arguments it
/// is the first one, and prints where the others find the memory file. They are told their numbers,
/// from 1 on, and that place.
fn meet(mut arguments: Arguments) -> i32 {
    let mut next = || arguments.next();
    let number = |text: Option<&core::ffi::CStr>| text?.to_str().ok()?.parse::<u32>().ok();
    let Some(of) = number(next()) else {
        say!(Stream::Error, "of how many?");
        return 2;
    };
    let (who, place) = (number(next()).unwrap_or(0), next());
    let verdict = meeting::attend(of, who, place, |process, fd| {
        say!(Stream::Out, "/proc/{process}/fd/{fd}");
    });
    let mut tally = Tally::default();
    let name = "meeting::processes_of_every_cpu_share_one_memory_file";
    match verdict {
        Ok(()) => tally.passed(name),
        Err(Stop::Failed(failure)) => tally.failed(name, failure),
        Err(Stop::Skipped(reason)) => tally.skipped(name, reason),
    }
    i32::from(!tally.conclude())
}

/// How many claims passed, failed and were skipped.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Tally {
    fn passed(&mut self, claim: &str) {
        self.passed += 1;
        say!(Stream::Out, "ok {claim}");
    }

    fn failed(&mut self, claim: &str, failure: impl core::fmt::Display) {
        self.failed += 1;
        say!(Stream::Out, "FAILED {claim}: {failure}");
    }

    fn skipped(&mut self, claim: &str, reason: &str) {
        self.skipped += 1;
        say!(Stream::Out, "skip {claim}: {reason}");
    }

    /// Runs the claims of the suite whose names begin with `filter`, at a place if it is known.
    fn run(&mut self, world: &World, filter: &[u8], place: Option<&str>) {
        let chosen = |name: &str| name.as_bytes().starts_with(filter);
        for claim in suite::claims().filter(|claim| chosen(claim.name)) {
            match bounded(claim.run(world), place) {
                Ok(()) => self.passed(claim.name),
                Err(Stop::Failed(failure)) => self.failed(claim.name, failure),
                Err(Stop::Skipped(reason)) => self.skipped(claim.name, reason),
            }
        }
    }

    /// Prints the counts. Returns whether none failed and at least one passed.
    fn conclude(&self) -> bool {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        say!(
            Stream::Out,
            "{passed} passed, {failed} failed, {skipped} skipped"
        );
        *failed == 0 && *passed > 0
    }
}

/// A panic ends its process: that of one claim, or this program's.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say!(Stream::Error, "{info}");
    exit(101)
}
