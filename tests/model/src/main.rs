//! Takes random steps with the library and with a plain model of it, and compares what both return
//! and what they hold.
//!
//! Usage: `model [--steps N] [--seed SEED] [--regressions FILE] [--notice N]`. A failure prints the
//! fewest steps that show it, and the seed, with which it comes again; with a file for regressions,
//! what failed once is tried first each time. With `--notice`, models with a rule that is wrong must
//! be noticed before, each within so many steps. As process 1 of a kernel that exists for it, the
//! program mounts `/proc` first; the kernel panics when it ends.

mod behaviour;
mod bytes;
mod edges;
mod file;
mod left;
mod mapping;
mod queue;
mod rules;
mod runs;
mod sealing;
mod state;
mod steps;

use behaviour::Behaviour;
use rules::Rules;
use rustix::{fs::Mode, mount::MountFlags};
use std::{env, process::ExitCode};

/// What the command line says.
struct Arguments {
    steps: u64,
    seed: u64,
    regressions: Option<&'static str>,
    notice: Option<u64>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            steps: 50_000,
            seed: runs::new_seed(),
            regressions: None,
            notice: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name}: no value"))?;
            let number = |text: &str| match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16),
                None => text.parse(),
            };
            let wrong = |error| format!("{name} {value}: {error}");
            match name.as_str() {
                "--steps" => parsed.steps = number(&value).map_err(wrong)?,
                "--notice" => parsed.notice = Some(number(&value).map_err(wrong)?),
                "--seed" => parsed.seed = number(&value).map_err(wrong)?,
                "--regressions" => parsed.regressions = Some(value.leak()),
                _ => return Err(format!("{name}: unknown")),
            }
        }
        Ok(parsed)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if rustix::process::getpid().is_init() {
        if let Err(error) = mount_proc() {
            println!("/proc is not mounted: {error}");
            return ExitCode::FAILURE;
        }
    }
    let rules = Rules::right(Behaviour::try_out());
    let noticed = match arguments.notice {
        Some(within) => runs::notices_what_is_wrong(&rules, within),
        None => Ok(()),
    };
    let result = noticed.and_then(|()| runs::compare(&rules, &arguments));
    match result {
        Ok(steps) => {
            println!(
                "model: {steps} steps, 0 failures, seed {:#x}",
                arguments.seed
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}\nseed {:#x}", arguments.seed);
            ExitCode::FAILURE
        }
    }
}

/// Mounts `/proc`, where what a sequence leaves is looked up.
fn mount_proc() -> rustix::io::Result<()> {
    match rustix::fs::mkdir("/proc", Mode::from(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    rustix::mount::mount("none", "/proc", "proc", MountFlags::empty(), None)
}
