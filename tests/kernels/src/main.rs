//! Boots kernels in QEMU with the claims of `tests/suite` as process 1, judges the consoles,
//! and prints what held on which kernel. `ci/boot.sh` prepares what this program needs and runs
//! it.
//!
//! Its argument is a directory with these files; CPU is Debian's name of it:
//!
//! - `kernels`: what `ci/kernels.sh` printed.
//! - `image.squashfs`: the image that the claims about loop devices attach.
//! - `CPU/freestanding`: the claims, as a program.
//! - `CPU/vectors/VARIANT`: the claims about vector registers, as programs that use these.
//! - `CPU/init`, `CPU/broken`: `examples/init`, with a program in it and with something else.
//!
//! With more arguments, `SHOWS` and those of `/init`, it boots another program instead, which is in
//! `CPU/program`: it must print a line that begins with `SHOWS`, which is printed here too, after
//! the kernel's name.
//!
//! The initial RAM disks and the consoles are written into the same directory.

mod initramfs;
mod judge;
mod kernels;
mod machine;
mod qemu;
mod queue;
mod rules;
mod table;

use judge::Outcome;
use kernels::Fetched;
use machine::{Machine, Shows};
use rules::Run;
use std::{env, error::Error, fs, path::Path, process::ExitCode, thread};
use table::Table;

/// How many lines of a console are printed after a failure.
const TAIL: usize = 20;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let result = match &arguments[..] {
        [directory] => run(Path::new(directory)),
        [directory, shows, arguments @ ..] => {
            program(Path::new(directory), shows, &arguments.join(" "))
        }
        [] => {
            eprintln!(
                "usage: kernels DIRECTORY [SHOWS ARGUMENT…] (see ci/boot.sh and ci/model.sh)"
            );
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::from(2)
        }
    }
}

/// Boots and prints everything, and returns whether nothing failed.
fn run(directory: &Path) -> Result<bool, Box<dyn Error>> {
    rules::check()?;

    let mut well = true;
    let mut machines = Vec::new();
    let list = directory.join("kernels");
    let list = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    for line in list.lines() {
        match Fetched::parse(line)? {
            Fetched::Kernel(kernel) => machines.extend(machine::of(&kernel, directory)?),
            Fetched::Failed { name, reason } => {
                well = false;
                println!("boot, {name}: 0 passed, 1 failed, 0 skipped\n  {reason}");
            }
            Fetched::Skipped { name, reason } => {
                println!("boot, {name}: 0 passed, 0 failed, 1 skipped\n  {reason}");
                for claim in rules::shown_by(&name) {
                    println!("  not shown: {claim}");
                }
            }
        }
    }

    let at_once = thread::available_parallelism()?.get();
    let consoles = queue::run(&machines, at_once, |machine| {
        let console = directory.join(format!("{}.console", machine.name));
        qemu::boot(|| machine.command(), &console)
    });

    let claims: Vec<_> = suite::names().collect();
    let mut table = Table::default();
    let mut runs = Vec::new();
    let mut examples = Examples::default();
    for (machine, console) in machines.iter().zip(consoles) {
        let console = console.map_err(|error| format!("{}: {error}", machine.name))?;
        let passed = match &machine.shows {
            Shows::Claims(prefix) => {
                let place = machine.place();
                let outcomes = judge::claims(&claims, prefix, &place, &console);
                let passed = report(&machine.name, &outcomes);
                let title = format!("{}, {}", machine.name, machine.release);
                table.add(title, outcomes.clone());
                runs.push(Run { place, outcomes });
                passed
            }
            Shows::Line(line) => examples.count(judge::line(line, &console)),
        };
        if let Some(attempt) = &console.first_attempt {
            println!("  {}: {attempt}", machine.name);
        }
        if !passed {
            well = false;
            show(machine, &console.text);
        }
    }
    if examples.passed + examples.failed > 0 {
        let Examples { passed, failed } = examples;
        println!("boot, examples/init: {passed} passed, {failed} failed, 0 skipped");
    }
    let missing = rules::missing(&runs);
    if !missing.is_empty() {
        well = false;
        println!(
            "boot, what the kernels show: 0 passed, {} failed, 0 skipped",
            missing.len()
        );
    }
    for line in missing {
        println!("  {line}");
    }
    for line in rules::useless(&runs) {
        println!("  tests/suite/src/skips.rs: {line}");
    }
    print!("{table}");
    Ok(well)
}

/// Boots another program as `/init`, and returns whether each kernel showed the line.
fn program(directory: &Path, shows: &str, arguments: &str) -> Result<bool, Box<dyn Error>> {
    let mut well = true;
    for line in fs::read_to_string(directory.join("kernels"))?.lines() {
        let kernel = match Fetched::parse(line)? {
            Fetched::Kernel(kernel) => kernel,
            Fetched::Failed { name, reason } => {
                well = false;
                println!("{name} failed: {reason}");
                continue;
            }
            Fetched::Skipped { name, reason } => {
                println!("{name} skipped: {reason}");
                continue;
            }
        };
        let machine = machine::with_program(&kernel, directory, shows, arguments)?;
        let console = directory.join(format!("{}.console", machine.name));
        let console = qemu::boot(|| machine.command(), &console)?;
        if let Some(line) = judge::beginning(shows, &console) {
            println!("{} {line}", machine.name);
        } else {
            well = false;
            show(&machine, &console.text);
        }
    }
    Ok(well)
}

/// How many boots of `examples/init` did what they should.
#[derive(Default)]
struct Examples {
    passed: usize,
    failed: usize,
}

impl Examples {
    fn count(&mut self, passed: bool) -> bool {
        *(if passed {
            &mut self.passed
        } else {
            &mut self.failed
        }) += 1;
        passed
    }
}

/// Prints how many claims passed, failed and were skipped, and returns whether none failed.
fn report(name: &str, outcomes: &[(String, Outcome)]) -> bool {
    let count = |wanted: fn(&Outcome) -> bool| {
        outcomes
            .iter()
            .filter(|(_, outcome)| wanted(outcome))
            .count()
    };
    let passed = count(|outcome| matches!(outcome, Outcome::Passed));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    println!("boot, {name}: {passed} passed, {failed} failed, {skipped} skipped");
    failed == 0
}

/// Prints the end of a console on standard error.
fn show(machine: &Machine, console: &str) {
    eprintln!("failed: {}, of which the last lines are:", machine.name);
    let lines: Vec<_> = console.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        eprintln!("{line}");
    }
}
