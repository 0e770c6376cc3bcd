//! What is done between two descriptors: copying, and making one lead where another does.

use super::Done;
use crate::{
    edges,
    file::{At, Open},
    rules::{Rules, Wrong},
    state::{Descriptor, FILES, MOST, State, Verdict},
};
use owned_memfd::{Seals, TransferError, fd::AsRawFd};
use proptest::{prelude::*, prop_assert_eq};

/// A step about the descriptors in these places.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    from: usize,
    to: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Copies up to so many bytes.
    Copy(u64),
    DuplicateOnto,
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..FILES, 0..FILES, any_what()).prop_map(|(from, to, what)| Step { from, to, what })
}

fn any_what() -> BoxedStrategy<What> {
    prop_oneof![
        4 => edges::number().prop_map(What::Copy),
        1 => Just(What::DuplicateOnto),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        let (Some(source), Some(target)) = (&state.files[self.from], &state.files[self.to]) else {
            return Ok(false);
        };
        match self.what {
            What::Copy(len) => {
                let Some(copied) = copy(state.rules, &source.open, &target.open, len) else {
                    return Ok(false);
                };
                prop_assert_eq!(target.real.copy_from(&source.real, len), copied);
            }
            What::DuplicateOnto => {
                let number = target.real.as_raw_fd();
                prop_assert_eq!(duplicate_onto(source, number), Ok(()));
                let open = source.open.cloned(state.rules);
                if let Some(target) = &mut state.files[self.to] {
                    target.open = open;
                    target.close_on_exec = false;
                }
            }
        }
        Ok(true)
    }
}

#[allow(unsafe_code)]
fn duplicate_onto(source: &Descriptor, number: i32) -> Result<(), owned_memfd::Errno> {
    // SAFETY: its owner is one of the files of the state, which lends it to nobody now.
    unsafe { source.real.duplicate_onto(number) }
}

/// What copying returns, which it does in the model; none, if that is not foretold: within one
/// file, of more bytes than are compared, or beyond the end of a file that cannot grow.
fn copy(
    rules: &Rules,
    source: &Open,
    target: &Open,
    len: u64,
) -> Option<Result<u64, TransferError>> {
    // No offset that is reached by copying is near the last one.
    const FAR: u64 = 1 << 60;

    let left = source.file().bytes.len().saturating_sub(source.offset());
    let count = left.min(len);
    let (start, end) = (target.offset(), target.offset() + count);
    let cannot_grow = target.file().seals.contains(Seals::GROW) && end > target.file().bytes.len();
    if source.is_of_same_file(target) || count > MOST as u64 || cannot_grow {
        return None;
    }
    if source.offset() > FAR || start > FAR {
        return None;
    }
    if len == 0 {
        return Some(Ok(0));
    }
    // It fails even if there is nothing to copy.
    if let Err(errno) = target.may_write() {
        let cause = target.explain_transfer(errno);
        return Some(Err(TransferError { done: 0, cause }));
    }
    let from = if rules.is(Wrong::CopyStays) {
        At::Position(source.offset())
    } else {
        At::Offset
    };
    let bytes = source.read(count as usize, from).ok()?;
    Some(target.write_all(rules, &bytes, At::Offset).map(|()| count))
}
