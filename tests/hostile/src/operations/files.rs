//! Creating and writing.

use crate::trial::{Operation, Trial};
use owned_memfd::{Errno, MemFdOptions};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "create",
        run: create,
    },
    Operation {
        name: "write_all",
        run: write_all,
    },
];

fn create(trial: &mut Trial) -> Result<(), String> {
    match trial.call(|| MemFdOptions::new().create(c"file")) {
        Ok(_) => Ok(()),
        Err(error) => trial.explains(Errno::from(error)),
    }
}

fn write_all(trial: &mut Trial) -> Result<(), String> {
    let file = MemFdOptions::new()
        .create(c"file")
        .map_err(|error| error.to_string())?;
    match trial.call(|| file.write_all(b"content")) {
        Ok(()) => Ok(()),
        Err(error) => trial.explains(Errno::from(error)),
    }
}
