//! Sealing.

use crate::trial::{Operation, Trial};
use owned_memfd::{Errno, MemFdOptions};

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "seal",
    run: seal,
}];

fn seal(trial: &mut Trial) -> Result<(), String> {
    let file = MemFdOptions::new()
        .create(c"file")
        .map_err(|error| error.to_string())?;
    match trial.call(|| file.seal()) {
        Ok(_) => Ok(()),
        Err(error) => trial.explains(Errno::from(error)),
    }
}
