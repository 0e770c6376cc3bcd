//! Threads and processes that use the same files and sockets, under signals and attack: no map of
//! a proven file ever changes, nothing is lost, and nothing is left.
//!
//! `everyone [--full] [--seed NUMBER]`: for 20 seconds, or ten minutes and ten million comparisons.
//! `ci/everyone.sh` runs it.

mod attacks;
mod board;
mod inventory;
mod operations;
mod pattern;
mod post;
mod storm;
mod supervise;
mod work;

use std::{env, error::Error, process::ExitCode, time::Duration};

/// What a part of the run comes to. The error says what is wrong.
type Outcome<T = ()> = Result<T, String>;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut time, mut checks, mut seed) = (Duration::from_secs(20), 100_000, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--full" => (time, checks) = (Duration::from_secs(600), 10_000_000),
            "--seed" => {
                let number = arguments.next().ok_or("a seed is missing")?;
                let digits = number.strip_prefix("0x").unwrap_or(&number);
                seed = Some(u64::from_str_radix(digits, 16)?);
            }
            _ => return Err(format!("unknown: {argument}").into()),
        }
    }
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let is_right = supervise::run(time, checks, seed)?;
    Ok(ExitCode::from(u8::from(!is_right)))
}
