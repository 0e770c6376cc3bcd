//! Memory that others write at the same time.

use super::operations;
use crate::{
    checks::{Named, THEY_HOLD_IT, THEY_SEALED, holds, ready, same, seals_of},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{AccessError, Errno, MapError, OwnedMemFd, Seals, SharedMap, SharedMapMut};
use std::{ops::Deref, sync::atomic::Ordering::SeqCst, time::Duration};

operations! { "shared":
    map_shared, map_shared_mut, map_nothing, map_large, map_out_of_bounds, map_mirrored,
    map_mirrored_mut, map_large_mirrored, seal_for_readers, grow, grow_mut, grow_nothing, collapse,
    drop_map, access, atomics, wait, wake,
}

/// A ring, or the first part of a pool.
const LEN: usize = 64 * 1024;

/// A file of so many zeros that cannot shrink.
fn pool(trial: &Trial, len: usize) -> Result<OwnedMemFd, String> {
    let file = trial.file(b"")?;
    ready(file.set_len(len as u64))?;
    ready(file.add_seals(Seals::SHRINK))?;
    Ok(file)
}

/// What mapping can meet.
const NOT_MAPPED: [Named; 3] = [
    Named::Fault(Errno::EPERM, "the seals that it asks for are missing"),
    Named::Fault(
        Errno::EINVAL,
        "the file has no seals, and so is no memory file",
    ),
    THEY_SEALED,
];

/// Demands that a map is as long as it says and can be read everywhere. The seal keeps every byte.
fn is_map(trial: &Trial, map: &SharedMap, len: usize) -> Verdict {
    same(
        (map.len(), map.is_empty()),
        (len, len == 0),
        "the length of the map",
    )?;
    let mut bytes = vec![0xee; len];
    same(map.read_exact_at(&mut bytes, 0), Ok(()), "reading it")?;
    trial.same_bytes(&bytes, &vec![0; len], "the map")
}

fn has_no_end(file: &OwnedMemFd) -> Verdict {
    let seals = seals_of(file)?;
    holds(seals.contains(Seals::SHRINK), || {
        format!("mapped, but it has only {seals:?}")
    })
}

fn map_with<M: Deref<Target = SharedMap>>(
    trial: &mut Trial,
    len: usize,
    map: impl FnOnce(&OwnedMemFd) -> Result<M, MapError>,
) -> Verdict {
    let file = pool(trial, len)?;
    let mapped = trial.call(|| map(&file));
    trial.judge(mapped, &NOT_MAPPED, |map| {
        has_no_end(&file)?;
        is_map(trial, &map, len)
    })
}

fn map_shared(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let mapped = trial.call(|| file.map_shared(..LEN));
    trial.judge(mapped, &NOT_MAPPED, |map| {
        has_no_end(&file)?;
        is_map(trial, &map, LEN)
    })
}

fn map_nothing(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let mapped = trial.call(|| file.map_shared(LEN..LEN));
    trial.judge(mapped, &NOT_MAPPED, |map| is_map(trial, &map, 0))
}

fn map_out_of_bounds(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let mapped = trial.call(|| file.map_shared(..=LEN));
    let beyond = [Named::Always(
        Errno::EINVAL,
        "the range goes beyond the file",
    )];
    trial.judge(mapped, &[&NOT_MAPPED[..], &beyond].concat(), |_| {
        holds(trial.may_differ(), || {
            "the map is longer than the file".into()
        })
    })
}

/// It adds the seal itself.
fn map_shared_mut(trial: &mut Trial) -> Verdict {
    let file = trial.file(&[0; 4096])?;
    let mapped = trial.call(|| file.map_shared_mut(1..4096));
    let cut = [
        Named::Race(
            Errno::EINVAL,
            "another process has cut the file, which is too short",
        ),
        // The seal was refused or ignored, and then found missing.
        Named::Fault(Errno::EPERM, "the file can shrink"),
    ];
    trial.judge(mapped, &[&NOT_MAPPED[..], &cut].concat(), |map| {
        has_no_end(&file)?;
        is_map(trial, &map, 4095)
    })
}

fn map_large(trial: &mut Trial) -> Verdict {
    map_with(trial, 3 << 20, |file| file.map_shared_mut(..3 << 20))
}

fn map_mirrored(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let mapped = trial.call(|| file.map_mirrored(..LEN));
    trial.judge(mapped, &NOT_MAPPED, |ring| is_map(trial, &ring, 2 * LEN))
}

fn map_mirrored_mut(trial: &mut Trial) -> Verdict {
    ring(trial, LEN)
}

fn map_large_mirrored(trial: &mut Trial) -> Verdict {
    ring(trial, 2 << 20)
}

fn ring(trial: &mut Trial, len: usize) -> Verdict {
    let file = pool(trial, len)?;
    let mapped = trial.call(|| file.map_mirrored_mut(..len));
    trial.judge(mapped, &NOT_MAPPED, |ring| {
        is_map(trial, &ring, 2 * len)?;
        // Both halves are the same bytes.
        ready(ring.write_all_at(b"across", len - 3))?;
        let mut found = [0; 3];
        ready(ring.read_exact_at(&mut found, 0))?;
        same(&found, b"oss", "the first bytes of the ring")
    })
}

fn seal_for_readers(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"")?;
    let sealed = trial.call(|| file.seal_for_readers());
    trial.judge(sealed, &[THEY_SEALED, THEY_HOLD_IT], |()| {
        let seals = seals_of(&file)?;
        let wanted = Seals::FUTURE_WRITE | Seals::GROW;
        holds(seals.contains(wanted) || trial.has_lie(), || {
            format!("it has {seals:?}")
        })
    })
}

/// Why a map stays as it was.
const NOT_GROWN: [Named; 2] = [
    Named::Fault(
        Errno::EINVAL,
        "the file seems to be another one, or to be too short",
    ),
    Named::Fault(Errno::EPERM, "the seals that it asks for are missing"),
];

/// A file that is longer than what of it is mapped. Nobody can change its length.
fn longer_pool(trial: &Trial) -> Result<OwnedMemFd, String> {
    let file = pool(trial, 2 * LEN)?;
    ready(file.add_seals(Seals::GROW))?;
    Ok(file)
}

fn grow(trial: &mut Trial) -> Verdict {
    let file = longer_pool(trial)?;
    let mut map = ready(file.map_shared(..LEN))?;
    let grown = trial.call(|| map.grow(&file, 2 * LEN));
    let len = if grown.is_ok() { 2 * LEN } else { LEN };
    is_map(trial, &map, len)?;
    trial.judge(grown, &NOT_GROWN, Ok)
}

fn grow_mut(trial: &mut Trial) -> Verdict {
    let file = longer_pool(trial)?;
    let mut map = ready(file.map_shared_mut(4096..LEN))?;
    let grown = trial.call(|| map.grow(&file, 2 * LEN - 4096));
    let len = if grown.is_ok() { 2 * LEN } else { LEN };
    is_map(trial, &map, len - 4096)?;
    ready(map.write_all_at(b"x", len - 4097))?;
    trial.judge(grown, &NOT_GROWN, Ok)
}

fn grow_nothing(trial: &mut Trial) -> Verdict {
    let file = longer_pool(trial)?;
    let mut map = ready(file.map_shared_mut(..0))?;
    let grown = trial.call(|| map.grow(&file, LEN));
    is_map(trial, &map, if grown.is_ok() { LEN } else { 0 })?;
    trial.judge(grown, &[&NOT_GROWN[..], &[THEY_SEALED]].concat(), Ok)
}

fn collapse(trial: &mut Trial) -> Verdict {
    let file = pool(trial, 3 << 20)?;
    let map = ready(file.map_shared(..3 << 20))?;
    let collapsed = trial.call(|| map.collapse());
    is_map(trial, &map, 3 << 20)?;
    let refused = [
        Named::Always(Errno::EINVAL, "it is a hole, or no huge page can be there"),
        Named::Always(Errno::EAGAIN, "a page is in use"),
        Named::Always(Errno::ENOMEM, "no huge page is free"),
        Named::Always(Errno::EBUSY, "the control group has no room"),
    ];
    trial.judge(collapsed, &refused, Ok)
}

/// An error of unmapping has nobody to be told to.
fn drop_map(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let map: SharedMapMut = ready(file.map_shared_mut(..LEN))?;
    trial.call(|| drop(map));
    Ok(())
}

/// No call is made, and nothing beyond the map is touched.
fn access(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let map = ready(file.map_shared_mut(..LEN))?;
    let mut buffer = [0; 4];
    let done = trial.call(|| {
        map.write_all_at(b"text", LEN - 4)
            .and_then(|()| map.read_exact_at(&mut buffer, LEN - 4))
    });
    same(done, Ok(()), "the last bytes")?;
    trial.same_bytes(&buffer, b"text", "what was read back")?;
    let beyond = trial.call(|| map.write_all_at(b"text", LEN - 3));
    same(
        beyond,
        Err(AccessError::OutOfBounds { len: LEN }),
        "a byte too much",
    )?;
    let (start, len, is_empty) = trial.call(|| (map.as_ptr(), map.len(), map.is_empty()));
    let writable = trial.call(|| map.as_mut_ptr());
    same(
        (start, len, is_empty),
        (writable.cast_const(), LEN, false),
        "the map",
    )
}

fn atomics(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let map = ready(file.map_shared_mut(..LEN))?;
    let found = trial.call(|| {
        let cell = map.atomic_mut::<u32>(8)?;
        cell.store(1, SeqCst);
        let numbers = [
            cell.swap(2, SeqCst),
            cell.fetch_add(3, SeqCst),
            cell.compare_exchange(5, 6, SeqCst, SeqCst).unwrap_or(0),
            map.atomic::<u32>(8)?.load(SeqCst),
        ];
        Ok(numbers)
    });
    let expected = Ok::<_, AccessError>([1, 2, 5, 6]);
    holds(found == expected || trial.may_differ(), || {
        format!("{found:?}")
    })?;
    let odd = trial.call(|| map.atomic::<u64>(12).err());
    same(
        odd,
        Some(AccessError::Misaligned { align: 8 }),
        "an odd address",
    )
}

fn wait(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let map = ready(file.map_shared(..LEN))?;
    let cell = ready(map.atomic::<u32>(0))?;
    let waited = trial.call(|| cell.wait(0, Some(Duration::from_millis(1))));
    let named = [
        Named::Always(Errno::ETIMEDOUT, "nobody wakes it"),
        Named::Race(Errno::EAGAIN, "another process has changed the integer"),
    ];
    trial.judge(waited, &named, |()| {
        holds(trial.has_fault(), || "somebody has woken it".into())
    })
}

fn wake(trial: &mut Trial) -> Verdict {
    let file = pool(trial, LEN)?;
    let map = ready(file.map_shared(..LEN))?;
    let cell = ready(map.atomic::<u32>(0))?;
    let woken = trial.call(|| cell.wake(u32::MAX));
    trial.judge(woken, &[], |count| same(count, 0, "those who were woken"))
}
