//! Operations that make sealed files, and that prove files which others have.

use super::{content, giving, hold, is_of_others, made, one, refused, why};
use crate::{Outcome, pattern, post::LONGEST, work::Thread};
use owned_memfd::{
    BorrowedSealedMemFd, Errno, MemFdOptions, OwnedMemFd, SealedMemFd, TransferCause,
    TransferError, TryCreateError, VerifyErrorKind,
};
use std::os::fd::{AsFd, OwnedFd};

pub(super) fn copy_from_slice(thread: &mut Thread) -> Outcome<bool> {
    let content = content(thread);
    let options = MemFdOptions::new()
        .exec_seal(thread.rng.bool())
        .collapse(thread.rng.bool());
    match made(thread, options.copy_from_slice(c"copy", &content))? {
        Some(file) => hold(thread, file, &content),
        None => Ok(false),
    }
}

pub(super) fn create_with(thread: &mut Thread) -> Outcome<bool> {
    let content = content(thread);
    let gives_up = thread.rng.u8(..8) == 0;
    let options = MemFdOptions::new();
    let result = options.try_create_with(c"filled", content.len(), |bytes| {
        if gives_up {
            return Err("given up");
        }
        bytes.copy_from_slice(&content);
        Ok(())
    });
    let result = match result {
        Err(TryCreateError::Fill(_)) if gives_up => return Ok(false),
        Err(TryCreateError::Fill(error)) => return Err(error.to_owned()),
        Err(TryCreateError::Create(error)) => Err(error),
        Ok(file) => Ok(file),
    };
    match made(thread, result)? {
        Some(file) => hold(thread, file, &content),
        None => Ok(false),
    }
}

pub(super) fn writer(thread: &mut Thread) -> Outcome<bool> {
    let content = content(thread);
    let mut buffer = vec![0; thread.rng.usize(..10_000)];
    let capacity = thread.rng.usize(..=2 * content.len());
    let options = MemFdOptions::new();
    let mut writer = options
        .writer_with_capacity(c"written", capacity, &mut buffer)
        .map_err(why)?;
    let mut rest = &content[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(thread.rng.usize(1..=rest.len()));
        match writer.write_all(piece) {
            Ok(()) => rest = after,
            // `finish` must return it again.
            Err(Errno::EPERM) => break,
            Err(errno) => return Err(why(errno)),
        }
    }
    let result = writer.finish();
    if !rest.is_empty() && result.is_ok() {
        return Err("a writer that failed was finished".to_owned());
    }
    match made(thread, result)? {
        Some(file) => hold(thread, file, &content),
        None => Ok(false),
    }
}

/// A file is written that others can seal.
fn written(thread: &Thread, written: Result<(), TransferError>) -> Outcome<Option<()>> {
    match written {
        Ok(()) => Ok(Some(())),
        Err(error) if matches!(error.cause, TransferCause::Sealed(_)) => Ok(refused(thread)),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// A file that is written, and that everyone can change.
pub(super) fn draft(thread: &mut Thread, content: &[u8]) -> Outcome<Option<OwnedMemFd>> {
    let file = MemFdOptions::new().create(c"draft").map_err(why)?;
    let (first, second) = content.split_at(thread.rng.usize(..=content.len()));
    if written(thread, file.write_all(first))?.is_none() {
        return Ok(None);
    }
    let at = first.len() as u64;
    Ok(written(thread, file.write_all_at(second, at))?.map(|()| file))
}

pub(super) fn copy_from_file(thread: &mut Thread) -> Outcome<bool> {
    let content = content(thread);
    let Some(draft) = draft(thread, &content)? else {
        return Ok(false);
    };
    let result = MemFdOptions::new().copy_from_file(c"copied", &draft, LONGEST);
    match made(thread, result)? {
        Some(file) => hold(thread, file, &content),
        None => Ok(false),
    }
}

pub(super) fn seal(thread: &mut Thread) -> Outcome<bool> {
    let content = content(thread);
    let Some(draft) = draft(thread, &content)? else {
        return Ok(false);
    };
    if thread.rng.bool() {
        giving::lend_to_attackers(thread, draft.as_fd());
    }
    match draft.seal() {
        Ok(file) => hold(thread, file, &content),
        Err(error) if is_of_others(error.kind()) => {
            refused::<()>(thread);
            // It comes back open.
            error.into_inner().len().map(|_| false).map_err(why)
        }
        Err(error) => Err(format!("{error:?}")),
    }
}

pub(super) fn verify(thread: &mut Thread) -> Outcome<bool> {
    let Some(one) = one(thread) else {
        return Ok(false);
    };
    let held = &thread.held[one];
    let borrowed = BorrowedSealedMemFd::verify(&held.file, LONGEST).map_err(why)?;
    pattern::compare(&borrowed.map().map_err(why)?, &held.expected)?;
    let fd = OwnedFd::from(held.file.try_clone().map_err(why)?);
    let file = if thread.rng.bool() {
        SealedMemFd::verify(fd, LONGEST).map_err(why)?
    } else {
        SealedMemFd::try_from(fd).map_err(why)?
    };
    let expected = held.expected.clone();
    hold(thread, file, &expected)
}

pub(super) fn verify_or_copy(thread: &mut Thread) -> Outcome<bool> {
    let content = content(thread);
    let Some(draft) = draft(thread, &content)? else {
        return Ok(false);
    };
    match SealedMemFd::verify_or_copy(draft.into(), LONGEST) {
        Ok(file) => hold(thread, file, &content),
        Err(error) => match error.kind() {
            VerifyErrorKind::Kernel(Errno::EBUSY | Errno::EPERM) => {
                refused::<()>(thread);
                Ok(false)
            }
            kind if is_of_others(kind) => {
                refused::<()>(thread);
                Ok(false)
            }
            kind => Err(format!("{kind:?}")),
        },
    }
}
