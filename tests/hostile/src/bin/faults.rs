//! Runs each operation with each fault at each of its system calls; see ci/faults.sh.
//!
//! ```text
//! faults [--full] [OPERATION]    all faults; with --full, also each second one after a first
//! faults OPERATION SITE FAULT…   the trial with these faults, such as `1 EINTR` or `1 EINTR+`
//! ```
//!
//! A site is a number: how many calls the library has made before. With `+`, the fault happens to
//! all such calls from then on.

use hostile::{
    faults::Examination,
    injections, operations,
    orders::Orders,
    program::{Failure, print_failures, run, try_each},
    wrong,
};
use std::{process::ExitCode, sync::Mutex};

fn main() -> ExitCode {
    run("faults", all, one)
}

/// Runs one trial, and prints its calls and what it found.
fn one(name: &str, faults: &[&str]) -> Result<bool, Failure> {
    let ours = wrong::OPERATIONS.iter().map(|wrong| wrong.operation);
    let found = operations::all()
        .chain(ours)
        .find(|operation| operation.name == name);
    let operation = found.ok_or_else(|| format!("there is no operation {name}"))?;
    let mut examination = Examination::new(operation, Orders::new()?);
    let faults = examination.parse(faults)?;
    let (verdict, calls) = examination.trial(&faults)?;
    for (site, row) in calls.iter().enumerate() {
        println!("{site} {}", row.name);
    }
    println!(
        "{name}: {}",
        verdict.as_ref().err().map_or("holds", |broken| broken)
    );
    Ok(verdict.is_ok())
}

/// Runs all trials of the operations whose names begin so.
fn all(pairs: bool, prefix: &str) -> Result<bool, Failure> {
    let missing = injections::missing();
    if !missing.is_empty() {
        return Err(format!("src/injections lacks what arch/mod.rs lists: {missing:?}").into());
    }
    notices_what_is_wrong()?;

    let sum = Mutex::new([0; 4]);
    let operations = try_each(prefix, |operation, orders| {
        let mut examination = Examination::new(operation, orders);
        examination.run(pairs)?;
        let failures = &examination.failures;
        print_failures(operation, failures);
        if pairs {
            // It takes hours.
            let (name, injections) = (operation.name, examination.injections);
            println!(
                "{name}: {injections} injections, {} failures",
                failures.len()
            );
        }
        let mut sum = sum.lock().map_err(|_| "another thread has panicked")?;
        sum[0] += examination.sites;
        sum[1] += examination.in_loops;
        sum[2] += examination.injections;
        sum[3] += failures.len();
        Ok(())
    })?;

    let [sites, in_loops, injections, failures] = sum.into_inner()?;
    println!(
        "{operations} operations, {sites} sites, {injections} injections, {failures} failures; \
         {in_loops} calls in the middle of loops left out"
    );
    Ok(failures == 0 && injections > 0)
}

/// Runs the operations that do wrong when something happens to a call. Each must be found out.
fn notices_what_is_wrong() -> Result<(), Failure> {
    let orders = Orders::new()?;
    for wrong in wrong::OPERATIONS {
        let mut examination = Examination::new(wrong.operation, orders).seconds(1);
        examination.run(false)?;
        let failures = &examination.failures;
        if !failures
            .iter()
            .any(|failure| failure.contains(wrong.noticed))
        {
            let name = wrong.operation.name;
            return Err(format!("an operation that {name} is not noticed: {failures:?}").into());
        }
    }
    Ok(())
}
