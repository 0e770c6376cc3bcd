//! Runs each operation while another process does something with its files between two calls; see
//! ci/steps.sh.
//!
//! ```text
//! steps [--full] [OPERATION]        all steps; with --full, also each second one after a first
//! steps OPERATION BOUNDARY STEP…    the trial with these steps, such as `1 cut` or `1 cut@0`
//! ```
//!
//! A boundary is a number: the first one is before the first call of the library, and there is one
//! at each end of what is the library's. With `@`, the step is done with one descriptor only, counted
//! among those of its kind.

use hostile::{
    company::{Visit, Visits},
    operations,
    orders::Orders,
    program::{Failure, print_failures, run, try_each},
    steps::STEPS,
    trial::Operation,
    wrong,
};
use std::{process::ExitCode, sync::Mutex};

fn main() -> ExitCode {
    run("steps", all, one)
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

fn parse(words: &[&str]) -> Result<Visit, Failure> {
    let &[boundary, step] = words else {
        return Err("a step is a boundary and a name".into());
    };
    let (name, which) = match step.split_once('@') {
        Some((name, which)) => (name, Some(which.parse()?)),
        None => (step, None),
    };
    let step = STEPS.iter().find(|step| step.name == name);
    Ok(Visit {
        boundary: boundary.parse()?,
        step: step.ok_or_else(|| format!("there is no step {name}"))?,
        which,
    })
}

/// Runs all trials of the operations whose names begin so.
fn all(pairs: bool, prefix: &str) -> Result<bool, Failure> {
    notices_what_is_wrong(Orders::new()?)?;
    let sum = Mutex::new([0; 4]);
    let operations = try_each(prefix, |operation, orders| {
        let visits = visits(operation, orders, pairs)?;
        print_failures(operation, &visits.failures);
        let mut sum = sum.lock().map_err(|_| "another thread has panicked")?;
        sum[0] += visits.boundaries;
        sum[1] += visits.in_loops;
        sum[2] += visits.steps;
        sum[3] += visits.failures.len();
        Ok(())
    })?;
    let [boundaries, in_loops, steps, failures] = sum.into_inner()?;
    println!(
        "{operations} operations, {boundaries} boundaries, {steps} steps, {failures} failures; \
         {in_loops} calls in the middle of loops left out"
    );
    Ok(failures == 0)
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
