//! Runs each operation while another process does something with its files between two calls; see
//! ci/steps.sh.
//!
//! ```text
//! steps [--full] [OPERATION]        all steps; with --full, also each second one after a first
//! steps OPERATION BOUNDARY STEP…    the trial with these steps, such as `1 cut`
//! ```
//!
//! A boundary is a number: the first one is before the first call of the library, and there is one
//! at each end of what is the library's.

use hostile::{
    operations,
    orders::Orders,
    program::run_from_memory,
    steps::{STEPS, Step, Visits},
    trial::Operation,
    wrong,
};
use std::{env, process::ExitCode};

/// How many failures of one operation are printed.
const PRINTED: usize = 5;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = run_from_memory().map_err(Failure::from);
    let result = result.and_then(|()| match arguments[..] {
        [] => all(false, ""),
        ["--full"] => all(true, ""),
        [name] => all(false, name),
        ["--full", name] => all(true, name),
        [name, ref steps @ ..] => one(name, steps),
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("steps: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one trial, and prints what it found.
fn one(name: &str, steps: &[&str]) -> Result<bool, Failure> {
    let ours = wrong::IN_COMPANY.iter().map(|wrong| wrong.operation);
    let mut both = operations::all().chain(ours);
    let operation = both.find(|operation| operation.name == name);
    let operation = operation.ok_or_else(|| format!("there is no operation {name}"))?;
    let steps: Result<Vec<_>, _> = steps.chunks(2).map(parse).collect();
    let verdict = Visits::new(operation, Orders::new()?).visit(&steps?)?;
    println!(
        "{name}: {}",
        verdict.as_ref().err().map_or("holds", |broken| broken)
    );
    Ok(verdict.is_ok())
}

fn parse(words: &[&str]) -> Result<(usize, &'static Step), Failure> {
    let &[boundary, name] = words else {
        return Err("a step is a boundary and a name".into());
    };
    let step = STEPS.iter().find(|step| step.name == name);
    Ok((
        boundary.parse()?,
        step.ok_or_else(|| format!("there is no step {name}"))?,
    ))
}

/// Runs all trials of the operations whose names begin so.
fn all(pairs: bool, prefix: &str) -> Result<bool, Failure> {
    let orders = Orders::new()?;
    notices_what_is_wrong(orders)?;
    let (mut operations, mut boundaries, mut steps, mut failures) = (0, 0, 0, 0);
    for operation in operations::all().filter(|operation| operation.name.starts_with(prefix)) {
        let visits = visits(operation, orders, pairs)?;
        operations += 1;
        boundaries += visits.boundaries;
        steps += visits.steps;
        failures += visits.failures.len();
        for failure in visits.failures.iter().take(PRINTED) {
            println!("{failure}");
        }
        if visits.failures.len() > PRINTED {
            println!(
                "{}: {} failures in all",
                operation.name,
                visits.failures.len()
            );
        }
    }
    println!(
        "{operations} operations, {boundaries} boundaries, {steps} steps, {failures} failures"
    );
    Ok(failures == 0 && steps > 0)
}

fn visits(operation: Operation, orders: &'static Orders, pairs: bool) -> nix::Result<Visits> {
    let mut visits = Visits::new(operation, orders);
    visits.run(pairs)?;
    Ok(visits)
}

/// Runs the operations that do wrong in company. Each must be found out.
fn notices_what_is_wrong(orders: &'static Orders) -> Result<(), Failure> {
    for wrong in wrong::IN_COMPANY {
        let failures = visits(wrong.operation, orders, false)?.failures;
        if !failures
            .iter()
            .any(|failure| failure.contains(wrong.noticed))
        {
            let (name, noticed) = (wrong.operation.name, wrong.noticed);
            return Err(format!("{name} is not noticed: {noticed}, but {failures:?}").into());
        }
    }
    Ok(())
}
