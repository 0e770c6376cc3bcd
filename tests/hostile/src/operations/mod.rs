//! Each operation of the library, and what must hold whatever the kernel does.

mod files;
mod sealing;

use crate::trial::Operation;

/// All of them.
pub fn all() -> impl Iterator<Item = Operation> {
    [files::OPERATIONS, sealing::OPERATIONS]
        .into_iter()
        .flatten()
        .copied()
}
