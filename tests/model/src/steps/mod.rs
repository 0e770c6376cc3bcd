//! The steps: each does one operation of the library, and the same in the model, and compares what
//! both return. A module for each part of the library has its steps and how they are chosen.

mod between;
mod files;
mod integers;
mod making;
mod sealed;
mod shared;
pub(crate) mod sockets;
pub(crate) mod streams;
#[cfg(feature = "std")]
mod traits;

use crate::state::{State, Verdict};
use proptest::prelude::*;

/// One operation with its arguments.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Compares everything, as is done at the end of a sequence too. As a step of its own it stays
    /// where it was when others are left out.
    Compare,
    File(files::Step),
    Between(between::Step),
    #[cfg(feature = "std")]
    Traits(traits::Step),
    Shared(shared::Step),
    Integer(integers::Step),
    Make(making::Step),
    Sealed(sealed::Step),
    Stream(streams::Step),
    Socket(sockets::Step),
}

/// Any step. This is boxed, and so are the choices in it: each choice keeps all that it could have
/// been, to shrink to that, and otherwise is moved whole, tens of kilobytes for a step.
pub(crate) fn any_step() -> BoxedStrategy<Step> {
    let steps = prop_oneof![
        1 => Just(Step::Compare),
        6 => files::any_step().prop_map(Step::File),
        1 => between::any_step().prop_map(Step::Between),
        3 => shared::any_step().prop_map(Step::Shared),
        1 => integers::any_step().prop_map(Step::Integer),
        2 => making::any_step().prop_map(Step::Make),
        3 => sealed::any_step().prop_map(Step::Sealed),
        2 => streams::any_step().prop_map(Step::Stream),
        2 => sockets::any_step().prop_map(Step::Socket),
    ]
    .boxed();
    #[cfg(feature = "std")]
    let steps = prop_oneof![20 => steps, 1 => traits::any_step().prop_map(Step::Traits)].boxed();
    steps
}

/// Whether a step did an operation: what it is about may not be there.
pub(crate) type Done = bool;

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        match self {
            Self::Compare => {
                state.compare()?;
                Ok(false)
            }
            Self::File(step) => step.take(state),
            Self::Between(step) => step.take(state),
            #[cfg(feature = "std")]
            Self::Traits(step) => step.take(state),
            Self::Shared(step) => step.take(state),
            Self::Integer(step) => step.take(state),
            Self::Make(step) => step.take(state),
            Self::Sealed(step) => step.take(state),
            Self::Stream(step) => step.take(state),
            Self::Socket(step) => step.take(state),
        }
    }
}
