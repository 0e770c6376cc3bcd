//! Operations that use what is sealed, and memory that others write.

use super::{interrupted, one, refused, why};
use crate::{
    Outcome,
    board::Number,
    pattern,
    work::{Held, Thread},
};
use owned_memfd::{AccessError, Errno, MapError, MemFdOptions, VerifyErrorKind};
use std::sync::atomic::Ordering::SeqCst;

pub(super) fn views(thread: &mut Thread) -> Outcome<bool> {
    let Some(one) = one(thread) else {
        return Ok(false);
    };
    let Held {
        file,
        map,
        expected,
    } = &thread.held[one];
    let (from, to) = (thread.rng.usize(..=expected.len()), expected.len());
    let range = file.map_range(from..to).map_err(why)?;
    pattern::compare(&range, &expected[from..])?;
    range.populate().map_err(why)?;
    let mut copy = file.map_copy().map_err(why)?;
    pattern::compare(&copy, expected)?;
    copy.fill(0x55);
    pattern::compare(&file.map_exec().map_err(why)?, expected)?;
    pattern::compare(map, expected)?;
    if !copy.iter().all(|byte| *byte == 0x55) {
        return Err("a private copy has changed".to_owned());
    }
    match map.collapse() {
        Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY | Errno::EINVAL | Errno::ENOMEM) => Ok(true),
        Err(errno) => Err(format!("collapse: {errno}")),
    }
}

pub(super) fn read(thread: &mut Thread) -> Outcome<bool> {
    let Some(one) = one(thread) else {
        return Ok(false);
    };
    let held = &thread.held[one];
    let mut found = vec![0; held.expected.len()];
    let exactly = held.file.as_memfd().read_exact_at(&mut found, 0);
    exactly.map_err(why)?;
    pattern::compare(&found, &held.expected)?;
    let mut buffer = [0; 512];
    let mut reader = held.file.reader(&mut buffer);
    reader.read_exact(&mut found).map_err(why)?;
    pattern::compare(&found, &held.expected)?;
    let mut at = 0;
    while at < found.len() {
        let Some(count) = interrupted(thread, held.file.read_at(&mut found[at..], at))? else {
            continue;
        };
        at += count;
    }
    pattern::compare(&found, &held.expected)?;
    Ok(true)
}

/// Memory that this thread writes, and that everyone may: only what the kernel and the library say
/// about it is compared.
pub(super) fn share(thread: &mut Thread) -> Outcome<bool> {
    let len = 4096 * thread.rng.usize(1..4);
    let longer = len + 4096 * thread.rng.usize(1..4);
    match write_and_grow(len, longer) {
        Ok(()) => Ok(true),
        // Sealed, or cut before the first map, or closed to sealing when it could still be cut.
        Err(
            MapError::Kernel(Errno::EPERM)
            | MapError::OutOfBounds { .. }
            | MapError::Verify(VerifyErrorKind::MissingSeals(_)),
        ) => {
            refused::<()>(thread);
            Ok(false)
        }
        Err(error) => Err(format!("{error:?}")),
    }
}

fn write_and_grow(len: usize, longer: usize) -> Result<(), MapError> {
    let inside = |error: AccessError| MapError::Kernel(error.into());
    let file = MemFdOptions::new().create(c"shared").map_err(Errno::from)?;
    file.set_len(len as u64)?;
    let mut map = file.map_shared_mut(..len)?;
    map.write_all_at(b"hello", len - 5).map_err(inside)?;
    let counter = map.atomic_mut::<u64>(64).map_err(inside)?;
    counter.fetch_add(1, SeqCst);
    file.set_len(longer as u64)?;
    map.grow(&file, longer)?;
    map.write_all_at(b"more", longer - 4).map_err(inside)?;
    map.read_exact_at(&mut [0; 5], len - 5).map_err(inside)
}

/// Counts under a lock that all threads share. It is counted there without atomic operations, and so
/// is right only if no two were there at once.
pub(super) fn lock(thread: &mut Thread) -> Outcome<bool> {
    let board = thread.board();
    let counted = board.locked(|| {
        let count = board.get(Number::Ledger);
        board.set(Number::Ledger, count + 1);
    });
    counted.map_err(why)?;
    board.add(Number::Entries, 1);
    Ok(true)
}

#[allow(clippy::unnecessary_wraps, reason = "it is one of the operations")]
pub(super) fn drop_some(thread: &mut Thread) -> Outcome<bool> {
    let count = thread.rng.usize(..=thread.held.len());
    thread.held.truncate(count);
    Ok(true)
}
