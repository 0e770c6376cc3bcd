//! What threads do with files. Each operation says which errors it may have: those that the
//! library documents for a file that others may open before it is sealed, and `EINTR` where it
//! says so.

mod children;
mod giving;
mod making;
mod using;

use crate::{Outcome, board::Number, pattern, work::Thread};
use owned_memfd::{CreateError, Errno, SealError, SealedMemFd, VerifyErrorKind};

type Operation = fn(&mut Thread) -> Outcome<bool>;

/// The name of each operation, how often it is chosen, and the operation. It returns whether it
/// did what it is for, and was not only refused.
pub(crate) const OPERATIONS: &[(&str, u32, Operation)] = &[
    ("copy_from_slice", 20, making::copy_from_slice),
    ("create_with", 20, making::create_with),
    ("writer", 20, making::writer),
    ("copy_from_file", 10, making::copy_from_file),
    ("seal", 20, making::seal),
    ("verify", 20, making::verify),
    ("verify_or_copy", 10, making::verify_or_copy),
    ("views", 20, using::views),
    ("read", 20, using::read),
    ("share", 10, using::share),
    ("lock", 20, using::lock),
    ("send", 20, giving::send),
    ("send_to", 10, giving::send_to),
    ("send_several", 10, giving::send_several),
    ("there_and_back", 10, giving::there_and_back),
    ("lend", 20, giving::lend),
    ("fork", 4, children::fork_a_child),
    ("spawn", 1, children::spawn),
    ("pass_to", 1, children::pass_to),
    ("drop", 10, using::drop_some),
];

/// An operation at random, by its index.
pub(crate) fn choose(rng: &mut fastrand::Rng) -> usize {
    let all: u32 = OPERATIONS.iter().map(|operation| operation.1).sum();
    let mut chosen = rng.u32(..all);
    let here = OPERATIONS.iter().position(|operation| {
        let here = chosen < operation.1;
        chosen = chosen.saturating_sub(operation.1);
        here
    });
    here.unwrap_or(0)
}

#[allow(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
fn why(error: impl ToString) -> String {
    error.to_string()
}

/// Content that nobody else has: mostly small, sometimes some pages, seldom huge pages.
fn content(thread: &mut Thread) -> Vec<u8> {
    let rng = &mut thread.rng;
    let len = match rng.u8(..64) {
        0 => 2 << 20,
        1..4 => rng.usize(..200_000),
        4..16 => rng.usize(..20_000),
        16..32 => 4096,
        _ => rng.usize(..3000),
    };
    pattern::content(rng.u32(..), len)
}

// What may go wrong.

/// A file of our own that was not made: only because an attacker has held it or sealed it.
fn made(thread: &Thread, made: Result<SealedMemFd, CreateError>) -> Outcome<Option<SealedMemFd>> {
    match made {
        Ok(file) => Ok(Some(file)),
        Err(CreateError::Kernel(Errno::EBUSY | Errno::EPERM)) => Ok(refused(thread)),
        Err(CreateError::Verify(kind)) if is_of_others(kind) => Ok(refused(thread)),
        Err(error) => Err(format!("{error:?}")),
    }
}

fn refused<T>(thread: &Thread) -> Option<T> {
    thread.board().add(Number::Refused, 1);
    None
}

/// Why a file cannot be sealed that others can open.
fn is_of_others(kind: VerifyErrorKind) -> bool {
    match kind {
        VerifyErrorKind::Seal(cause) => {
            matches!(cause, SealError::MappedOrPinned | SealError::SealingClosed)
        }
        // Only on kernels where these seals can be forged.
        VerifyErrorKind::ForgeableSeals => owned_memfd::has_cve_2026_63952() == Ok(true),
        _ => false,
    }
}

/// Holds a file that was to have this content. Others may have changed it before it was sealed.
fn hold(thread: &mut Thread, file: SealedMemFd, intended: &[u8]) -> Outcome<bool> {
    thread.hold(file)?;
    let is_intended = thread
        .held
        .last()
        .is_some_and(|held| held.expected == intended);
    if !is_intended {
        thread.board().add(Number::Spoilt, 1);
    }
    Ok(is_intended)
}

/// A call may have been interrupted: then nothing happened.
fn interrupted<T>(thread: &Thread, result: Result<T, Errno>) -> Outcome<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::EINTR) => {
            thread.board().add(Number::Interrupted, 1);
            Ok(None)
        }
        Err(errno) => Err(why(errno)),
    }
}

/// One of the files that this thread holds.
fn one(thread: &mut Thread) -> Option<usize> {
    let count = thread.held.len();
    (count > 0).then(|| thread.rng.usize(..count))
}
