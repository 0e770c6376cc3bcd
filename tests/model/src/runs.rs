//! Runs: sequences of steps, until there were enough.

use crate::{
    Arguments,
    left::Inventory,
    rules::{Rules, Wrong},
    state::{State, Verdict},
    steps::{Step, any_step},
};
use proptest::{
    prelude::*,
    test_runner::{
        Config, FailurePersistence, FileFailurePersistence, RngAlgorithm, TestError, TestRng,
        TestRunner,
    },
};
use std::{cell::Cell, time::SystemTime};

/// The most steps of a sequence.
const LONGEST: usize = 120;

/// A seed that no other run has.
pub(crate) fn new_seed() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    now.as_nanos() as u64
}

/// Compares sequences that have at least so many steps in all, and returns how many they had; or
/// the fewest steps that show a difference.
pub(crate) fn compare(rules: &Rules, arguments: &Arguments) -> Result<u64, String> {
    let regressions = arguments
        .regressions
        .map(|path| Box::new(FileFailurePersistence::Direct(path)) as Box<dyn FailurePersistence>);
    sequences(rules, arguments.steps, arguments.seed, regressions).map_err(|error| match error {
        TestError::Abort(reason) => format!("given up: {reason}"),
        TestError::Fail(reason, steps) => {
            let steps: Vec<_> = steps.iter().map(|step| format!("\n  {step:?}")).collect();
            format!("{reason}\nafter these steps:{}", steps.concat())
        }
    })
}

/// With a model that has a rule that is wrong, a run of so many steps fails, and shows that with a
/// few of them.
pub(crate) fn notices_what_is_wrong(rules: &Rules, within: u64) -> Result<(), String> {
    const FEW: usize = 8;
    // The same each time: whether few steps are found is no matter of chance.
    const SEED: u64 = 1;

    for wrong in Wrong::ALL {
        match sequences(&rules.with(wrong), within, SEED, None) {
            Err(TestError::Fail(_, steps)) if steps.len() <= FEW => {}
            result => return Err(format!("{wrong:?} is not shown by a few steps: {result:?}")),
        }
    }
    Ok(())
}

fn sequences(
    rules: &Rules,
    least: u64,
    seed: u64,
    mut regressions: Option<Box<dyn FailurePersistence>>,
) -> Result<u64, TestError<Vec<Step>>> {
    let before = Inventory::take().map_err(|error| TestError::Abort(error.to_string().into()))?;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let taken = Cell::new(0);
    while taken.get() < least {
        let config = Config {
            // Sequences are half as long on average, and what has nothing to do is no step.
            cases: (least - taken.get()).div_ceil(LONGEST as u64) as u32,
            failure_persistence: regressions.take(),
            max_shrink_iters: 100_000,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, rng);
        runner.run(&prop::collection::vec(any_step(), 1..=LONGEST), |steps| {
            let count = sequence(rules, &steps)?;
            taken.set(taken.get() + count);
            before.is_unchanged()
        })?;
        rng = runner.new_rng();
    }
    Ok(taken.get())
}

/// Takes the steps, and returns how many of them did an operation.
fn sequence(rules: &Rules, steps: &[Step]) -> Verdict<u64> {
    let mut state = State::new(rules);
    let mut count = 0;
    for step in steps {
        count += u64::from(step.take(&mut state)?);
    }
    state.compare()?;
    Ok(count)
}
