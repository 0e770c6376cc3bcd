//! Claims about integers in memory that others write at the same time: where they may lie, what each
//! operation does, and what is seen of the operations of other processes and threads.

use crate::{
    Stop, Verdict, World, attacks,
    attacks::LARGEST_PAGE,
    children::{Child, PATIENCE},
    claim::Text,
    kernel::PAGE,
    raw::{self, Descriptors, Shared},
    shared::shared,
};
use core::{
    cell::Cell,
    fmt::Debug,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use owned_memfd::{AccessError, OwnedMemFd, SharedAtomicInt, SharedInt, SharedMap, SharedMapMut};

/// A reason for which a claim is skipped: QEMU has a barrier before `stlr` and one after `ldar`, and
/// none between them.
pub(crate) const LOADS_OVERTAKE: &str =
    "the emulator lets a load-acquire overtake a store-release before it, as no such CPU does";

claims!(
    an_integer_lies_in_the_map_at_a_multiple_of_its_size,
    the_alignment_is_that_of_the_address,
    every_order_of_every_operation_acts,
    an_operation_changes_only_its_integer,
    an_exchange_needs_the_whole_integer_to_be_equal,
    an_integer_is_loaded_where_nothing_can_be_written,
    an_integer_is_the_bytes_of_the_file,
    an_integer_shows_its_value,
    a_clone_of_an_integer_is_the_same_integer,
    loads_are_never_torn,
    copies_are_torn_only_between_bytes,
    what_is_released_is_complete_where_it_is_acquired,
    what_is_swapped_is_complete_where_it_is_acquired,
    of_two_that_store_and_then_load_one_sees_the_other,
    additions_of_processes_are_exact,
    exchanges_of_processes_are_exact,
    a_lock_by_swap_lets_in_one_process,
    additions_of_threads_and_processes_are_exact,
);

const ORDERS: [Ordering; 5] = [
    Ordering::Relaxed,
    Ordering::Acquire,
    Ordering::Release,
    Ordering::AcqRel,
    Ordering::SeqCst,
];

/// What the claims need of integers of each size.
trait Number: SharedInt + Debug + PartialEq {
    const MAX: Self;
    fn bytes(self) -> [u8; 8];
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Number for $number {
            const MAX: Self = <$number>::MAX;

            fn bytes(self) -> [u8; 8] {
                let mut bytes = [0; 8];
                bytes[..size_of::<Self>()].copy_from_slice(&self.to_ne_bytes());
                bytes
            }
        }
    )+};
}

numbers!(u8, u16, u32, u64);

/// A number that differs from others that are near.
trait From64: Number {
    fn cut(value: u64) -> Self;
}

macro_rules! cut {
    ($($number:ty),+) => {$(
        impl From64 for $number {
            fn cut(value: u64) -> Self {
                value as Self
            }
        }
    )+};
}

cut!(u8, u16, u32, u64);

/// Checks every offset of a map, and some that are far outside.
fn is_there<T: From64>(map: &SharedMapMut) -> Verdict {
    let (len, size) = (map.len(), size_of::<T>());
    let far = [
        usize::MAX,
        usize::MAX - size + 1,
        usize::MAX - size,
        isize::MAX as usize,
    ];
    let near = (0..len.min(80)).chain(len.saturating_sub(20)..=len + 9);
    for offset in near.chain(far) {
        let address = map.as_ptr().addr().wrapping_add(offset);
        let expected = if offset.checked_add(size).is_none_or(|end| end > len) {
            Some(AccessError::OutOfBounds { len })
        } else if address % size != 0 {
            Some(AccessError::Misaligned { align: size })
        } else {
            None
        };
        same!((offset, map.atomic::<T>(offset).err()), (offset, expected));
        let found = map.atomic_mut::<T>(offset);
        same!((offset, found.as_ref().err()), (offset, expected.as_ref()));
        if let Ok(integer) = found {
            let value = T::cut(0x0123_4567_89ab_cdef ^ offset as u64);
            integer.store(value, Ordering::Relaxed);
            same!(ok!(map.atomic::<T>(offset)).load(Ordering::Relaxed), value);
            let mut bytes = [0; 8];
            ok!(map.read_exact_at(&mut bytes[..size], offset));
            same!(bytes, value.bytes());
        }
    }
    Ok(())
}

fn an_integer_lies_in_the_map_at_a_multiple_of_its_size(_: &World) -> Verdict {
    const LEN: usize = 3 * LARGEST_PAGE;
    let (file, _whole) = shared(LEN)?;
    for start in [
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        PAGE - 1,
        LARGEST_PAGE - 3,
        LARGEST_PAGE + 5,
    ] {
        for len in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, PAGE, PAGE + 1] {
            let map = ok!(file.map_shared_mut(start..start + len));
            is_there::<u8>(&map)?;
            is_there::<u16>(&map)?;
            is_there::<u32>(&map)?;
            is_there::<u64>(&map)?;
        }
    }
    Ok(())
}

/// Not that of the offset in the map, nor of the one in the file alone.
fn the_alignment_is_that_of_the_address(_: &World) -> Verdict {
    let (file, whole) = shared(LARGEST_PAGE)?;
    let odd = ok!(file.map_shared_mut(3..));
    let wrong = Some(AccessError::Misaligned { align: 8 });
    same!(odd.atomic::<u64>(0).err(), wrong);
    same!(odd.atomic_mut::<u64>(8).err(), wrong);
    let (inner, outer) = (ok!(odd.atomic_mut::<u64>(5)), ok!(whole.atomic::<u64>(8)));
    inner.store(u64::MAX - 7, Ordering::Relaxed);
    same!(outer.load(Ordering::Relaxed), u64::MAX - 7);
    same!(
        Text::of(AccessError::Misaligned { align: 8 }).as_str(),
        "the address is not a multiple of 8"
    );
    same!(
        Text::of(AccessError::OutOfBounds { len: 9 }).as_str(),
        "this goes beyond the 9 bytes of the map"
    );
    Ok(())
}

fn loads_and_stores<T: From64>(map: &SharedMapMut, offset: usize) -> Verdict {
    let integer = ok!(map.atomic_mut::<T>(offset));
    for store in ORDERS {
        for load in ORDERS {
            for value in [
                0,
                1,
                0x80,
                0x8000,
                1 << 31,
                1 << 63,
                u64::MAX,
                0x0123_4567_89ab_cdef,
            ] {
                let value = T::cut(value);
                integer.store(value, store);
                same!((load, integer.load(load)), (load, value));
            }
        }
    }
    Ok(())
}

fn exchanges<T>(map: &SharedMapMut, offset: usize) -> Verdict
where
    T: From64 + SharedAtomicInt,
{
    let integer = ok!(map.atomic_mut::<T>(offset));
    let [zero, one, many] = [0, 1, 0xfedc_ba98_7654_3210].map(T::cut);
    for order in ORDERS {
        integer.store(zero, Ordering::Relaxed);
        same!((order, integer.swap(many, order)), (order, zero));
        same!(integer.swap(T::MAX, order), many);
        same!(integer.load(Ordering::Relaxed), T::MAX);
        // It wraps around.
        same!((order, integer.fetch_add(one, order)), (order, T::MAX));
        same!(integer.fetch_add(many, order), zero);
        same!(integer.fetch_add(T::MAX, order), many);
        same!(integer.fetch_add(one, order), T::cut(0xfedc_ba98_7654_320f));
        same!(integer.load(Ordering::Relaxed), many);
        for failure in ORDERS {
            integer.store(one, Ordering::Relaxed);
            let exchange = |from, to| integer.compare_exchange(from, to, order, failure);
            same!((failure, exchange(one, many)), (failure, Ok(one)));
            same!((failure, exchange(one, zero)), (failure, Err(many)));
            same!(integer.load(Ordering::Relaxed), many);
            same!(exchange(many, T::MAX), Ok(many));
            same!(exchange(zero, zero), Err(T::MAX));
            same!(exchange(T::MAX, T::MAX), Ok(T::MAX));
            same!(integer.load(Ordering::Relaxed), T::MAX);
        }
    }
    Ok(())
}

fn every_order_of_every_operation_acts(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    for offset in [0, 8, PAGE - 8] {
        loads_and_stores::<u8>(&map, offset)?;
        loads_and_stores::<u16>(&map, offset)?;
        loads_and_stores::<u32>(&map, offset)?;
        loads_and_stores::<u64>(&map, offset)?;
        exchanges::<u32>(&map, offset)?;
        exchanges::<u64>(&map, offset)?;
    }
    // A byte and its neighbours.
    loads_and_stores::<u8>(&map, 3)?;
    loads_and_stores::<u16>(&map, 6)?;
    exchanges::<u32>(&map, 4)
}

fn changes_only<T>(map: &SharedMapMut, change: fn(&SharedMapMut, usize) -> Verdict) -> Verdict {
    let size = size_of::<T>();
    for offset in (0..64).step_by(size) {
        ok!(map.write_all_at(&[0xa5; 80], 0));
        change(map, offset)?;
        let mut found = [0; 80];
        ok!(map.read_exact_at(&mut found, 0));
        for (index, found) in found.iter().enumerate() {
            let is_its = (offset..offset + size).contains(&index);
            holds!(
                is_its || *found == 0xa5,
                "{found:#x} at {index}, from {offset}"
            );
        }
    }
    Ok(())
}

fn an_operation_changes_only_its_integer(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    changes_only::<u8>(&map, loads_and_stores::<u8>)?;
    changes_only::<u16>(&map, loads_and_stores::<u16>)?;
    changes_only::<u32>(&map, loads_and_stores::<u32>)?;
    changes_only::<u64>(&map, loads_and_stores::<u64>)?;
    changes_only::<u32>(&map, exchanges::<u32>)?;
    changes_only::<u64>(&map, exchanges::<u64>)
}

fn an_exchange_needs_the_whole_integer_to_be_equal(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    let order = Ordering::SeqCst;
    let integer = ok!(map.atomic_mut::<u32>(4));
    for bit in 0..32 {
        // A sign bit too: some CPUs keep numbers of 32 bits with their sign.
        for value in [0, 1 << 31, u32::MAX, 0x7fff_ffff] {
            integer.store(value, order);
            let other = value ^ (1 << bit);
            same!(integer.compare_exchange(other, 7, order, order), Err(value));
            same!(integer.load(order), value);
            same!(
                integer.compare_exchange(value, other, order, order),
                Ok(value)
            );
            same!(integer.swap(0, order), other);
        }
    }
    let integer = ok!(map.atomic_mut::<u64>(8));
    for bit in 0..64 {
        for value in [0, 1 << 63, u64::MAX, 1 << 31] {
            integer.store(value, order);
            let other = value ^ (1 << bit);
            same!(integer.compare_exchange(other, 7, order, order), Err(value));
            same!(integer.load(order), value);
            same!(
                integer.compare_exchange(value, other, order, order),
                Ok(value)
            );
            same!(integer.swap(0, order), other);
        }
    }
    Ok(())
}

/// A load that wrote would kill the process.
fn an_integer_is_loaded_where_nothing_can_be_written(_: &World) -> Verdict {
    fn is_loaded<T: From64>(map: &SharedMap, value: u64) -> Verdict {
        for order in ORDERS {
            same!(ok!(map.atomic::<T>(8)).load(order), T::cut(value));
        }
        Ok(())
    }

    const VALUE: u64 = 0xfedc_ba98_7654_3210;
    let (file, map) = shared(PAGE)?;
    ok!(map.atomic_mut(8)).store(VALUE, Ordering::SeqCst);
    let view = ok!(file.map_shared(..));
    holds!(!ok!(attacks::is_writable(view.as_ptr())));
    is_loaded::<u8>(&view, VALUE)?;
    is_loaded::<u16>(&view, VALUE)?;
    is_loaded::<u32>(&view, VALUE)?;
    is_loaded::<u64>(&view, VALUE)?;
    // Both halves of a mirrored map.
    let (file, map) = shared(LARGEST_PAGE)?;
    ok!(map.atomic_mut(8)).store(VALUE, Ordering::SeqCst);
    let ring = ok!(file.map_mirrored(..));
    is_loaded::<u64>(&ring, VALUE)?;
    for order in ORDERS {
        same!(ok!(ring.atomic::<u64>(LARGEST_PAGE + 8)).load(order), VALUE);
    }
    Ok(())
}

fn an_integer_is_the_bytes_of_the_file(_: &World) -> Verdict {
    let (file, map) = shared(PAGE)?;
    ok!(file.write_all_at(&0x0123_4567_89ab_cdef_u64.to_ne_bytes(), 16));
    let relaxed = Ordering::Relaxed;
    same!(
        ok!(map.atomic::<u64>(16)).load(relaxed),
        0x0123_4567_89ab_cdef
    );
    // Of other sizes, the first bytes.
    same!(ok!(map.atomic::<u32>(16)).load(relaxed), 0x89ab_cdef);
    same!(ok!(map.atomic::<u16>(16)).load(relaxed), 0xcdef);
    same!(ok!(map.atomic::<u8>(16)).load(relaxed), 0xef);
    ok!(map.atomic_mut::<u32>(20)).store(0x1122_3344, relaxed);
    let mut found = [0; 8];
    ok!(file.read_exact_at(&mut found, 16));
    same!(u64::from_ne_bytes(found), 0x1122_3344_89ab_cdef);
    Ok(())
}

fn an_integer_shows_its_value(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    let integer = ok!(map.atomic_mut::<u32>(8));
    integer.store(4321, Ordering::SeqCst);
    same!(Text::of(format_args!("{integer:?}")).as_str(), "4321");
    let (copied, loaded) = (integer, *integer);
    integer.store(7, Ordering::SeqCst);
    same!(
        Text::of(format_args!("{copied:?} {loaded:?}")).as_str(),
        "7 7"
    );
    Ok(())
}

fn a_clone_of_an_integer_is_the_same_integer(_: &World) -> Verdict {
    fn clone_of<T: Clone>(integer: &T) -> T {
        integer.clone()
    }
    let (_file, map) = shared(PAGE)?;
    let integer = ok!(map.atomic_mut::<u32>(8));
    clone_of(&integer).store(4321, Ordering::SeqCst);
    same!(integer.load(Ordering::SeqCst), 4321);
    same!(clone_of(&*integer).load(Ordering::SeqCst), 4321);
    Ok(())
}

// What several see of each other.

/// How long processes act at the same time.
const TIME: Duration = Duration::from_millis(150);

/// Lets others run who are waited for, if this has gone on for long.
fn spin(turns: &mut u32) {
    *turns += 1;
    if *turns % 64 == 0 {
        rustix::thread::sched_yield();
    } else {
        core::hint::spin_loop();
    }
}

/// Waits until the integer has at least this value, and fails if it never does.
fn reaches(map: &SharedMap, offset: usize, value: u32, order: Ordering) -> Verdict {
    let integer = ok!(map.atomic::<u32>(offset));
    let (deadline, mut turns) = (raw::now() + PATIENCE, 0);
    while integer.load(order) < value {
        spin(&mut turns);
        holds!(
            turns % 4096 != 0 || raw::now() < deadline,
            "{value} is never reached at {offset}"
        );
    }
    Ok(())
}

/// While another process does `change` again and again, `check` holds for as long, and until it has
/// seen enough.
fn while_others(
    file: &OwnedMemFd,
    change: impl Fn(&SharedMapMut, u32) -> Verdict,
    check: impl Fn(&SharedMap) -> Verdict,
    seen: &[Cell<u32>; 2],
) -> Verdict {
    const STOP: usize = LARGEST_PAGE - 8;
    let ours = ok!(file.map_shared_mut(..));
    let stop = ok!(ours.atomic_mut::<u32>(STOP));
    stop.store(0, Ordering::SeqCst);
    let other = ok!(Child::start(Descriptors::Copied, || {
        let map = ok!(file.map_shared_mut(..));
        let stop = ok!(map.atomic::<u32>(STOP));
        let mut turn = 0_u32;
        while stop.load(Ordering::Relaxed) == 0 {
            for _ in 0..64 {
                change(&map, turn)?;
                turn = turn.wrapping_add(1);
            }
        }
        Ok(())
    }));
    let end = raw::now() + TIME;
    let saw_all = || seen.iter().all(|seen| seen.get() > 0);
    let mut verdict = Ok(());
    while verdict.is_ok() && (raw::now() < end || !saw_all()) {
        if raw::now() > end + PATIENCE {
            verdict = failure!("it was never changed: {seen:?}");
        }
        for _ in 0..64 {
            verdict = check(&ours);
            if verdict.is_err() {
                break;
            }
        }
    }
    stop.store(1, Ordering::SeqCst);
    verdict?;
    other.finish(PATIENCE)
}

fn are_never_torn<T: From64>(file: &OwnedMemFd) -> Verdict {
    // At the start and the end of a page, and of a line of a cache.
    const PLACES: [usize; 4] = [0, 56, 64, PAGE - 8];
    let seen = [const { Cell::new(0) }; 2];
    let values = [0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa].map(T::cut);
    let map = ok!(file.map_shared_mut(..));
    for place in PLACES {
        ok!(map.atomic_mut::<T>(place)).store(values[0], Ordering::SeqCst);
    }
    while_others(
        file,
        |map, turn| {
            for place in PLACES {
                ok!(map.atomic_mut::<T>(place)).store(values[turn as usize % 2], Ordering::Relaxed);
            }
            Ok(())
        },
        |map| {
            for place in PLACES {
                let found = ok!(map.atomic::<T>(place)).load(Ordering::Relaxed);
                let Some(index) = values.iter().position(|value| *value == found) else {
                    fail!("{found:?} at {place}");
                };
                seen[index].set(1);
            }
            Ok(())
        },
        &seen,
    )
}

fn loads_are_never_torn(_: &World) -> Verdict {
    let (file, _map) = shared(LARGEST_PAGE)?;
    are_never_torn::<u8>(&file)?;
    are_never_torn::<u16>(&file)?;
    are_never_torn::<u32>(&file)?;
    are_never_torn::<u64>(&file)
}

fn copies_are_torn_only_between_bytes(_: &World) -> Verdict {
    let (file, _map) = shared(LARGEST_PAGE)?;
    for (offset, len) in [(0, 16), (3, 100), (PAGE - 50, 1000), (1, 8)] {
        let seen = [const { Cell::new(0) }; 2];
        ok!(ok!(file.map_shared_mut(..)).write_all_at(&[0x55; 1000][..len], offset));
        while_others(
            &file,
            |map, turn| {
                let bytes = [[0x55; 1000], [0xaa; 1000]][turn as usize % 2];
                ok!(map.write_all_at(&bytes[..len], offset));
                Ok(())
            },
            |map| {
                let mut found = [0; 1000];
                ok!(map.read_exact_at(&mut found[..len], offset));
                for byte in &found[..len] {
                    match byte {
                        0x55 => seen[0].set(1),
                        0xaa => seen[1].set(1),
                        other => fail!("{other:#x} was never written"),
                    }
                }
                Ok(())
            },
            &seen,
        )?;
    }
    Ok(())
}

// Where the two that follow keep their integers, and the bytes that they announce.
const SENT: usize = 0;
const TAKEN: usize = 128;
const BYTES: usize = 4 * PAGE + 3;

/// One process copies bytes into the map and says so by `announce`. The other one waits for that and
/// copies them out. They are always complete.
fn is_complete(announce: fn(&SharedMapMut, u32) -> Verdict, acquire: Ordering) -> Verdict {
    const MOST: usize = 2048;
    /// The other one must have come so far when the time is over.
    const LEAST: u32 = 100;

    let (file, map) = shared(LARGEST_PAGE)?;
    let len = |round: u32| 1 + (round as usize * 37) % MOST;
    let end = raw::now() + 4 * TIME;
    let over = ok!(Shared::new(AtomicU32::new(0)));
    let other = ok!(Child::start(Descriptors::Copied, || {
        let map = ok!(file.map_shared_mut(..));
        for round in 1.. {
            reaches(&map, SENT, round, acquire)?;
            if over.load(Ordering::Acquire) == round {
                break;
            }
            let mut found = [0; MOST];
            let found = &mut found[..len(round)];
            ok!(map.read_exact_at(found, BYTES));
            for (index, found) in found.iter().enumerate() {
                let sent = (round as u8).wrapping_add(index as u8);
                holds!(
                    *found == sent,
                    "{found} at {index} in round {round}, not {sent}"
                );
            }
            ok!(map.atomic_mut::<u32>(TAKEN)).store(round, Ordering::Release);
        }
        Ok(())
    }));
    for round in 1.. {
        let is_last = round > LEAST && raw::now() > end;
        if is_last {
            over.store(round, Ordering::Release);
        }
        let mut bytes = [0; MOST];
        for (index, slot) in bytes.iter_mut().enumerate() {
            *slot = (round as u8).wrapping_add(index as u8);
        }
        ok!(map.write_all_at(&bytes[..len(round)], BYTES));
        announce(&map, round)?;
        if is_last {
            break;
        }
        if reaches(&map, TAKEN, round, Ordering::Acquire).is_err() {
            break;
        }
    }
    other.finish(PATIENCE)
}

fn what_is_released_is_complete_where_it_is_acquired(_: &World) -> Verdict {
    is_complete(
        |map, round| {
            ok!(map.atomic_mut::<u32>(SENT)).store(round, Ordering::Release);
            Ok(())
        },
        Ordering::Acquire,
    )?;
    // Those that the operation lacks are stronger.
    is_complete(
        |map, round| {
            ok!(map.atomic_mut::<u32>(SENT)).store(round, Ordering::Acquire);
            Ok(())
        },
        Ordering::Release,
    )
}

fn what_is_swapped_is_complete_where_it_is_acquired(_: &World) -> Verdict {
    is_complete(
        |map, round| {
            let sent = ok!(map.atomic_mut::<u32>(SENT));
            same!(sent.swap(round, Ordering::Release), round - 1);
            Ok(())
        },
        Ordering::Acquire,
    )?;
    is_complete(
        |map, round| {
            let sent = ok!(map.atomic_mut::<u32>(SENT));
            same!(sent.fetch_add(1, Ordering::Release), round - 1);
            Ok(())
        },
        Ordering::SeqCst,
    )?;
    is_complete(
        |map, round| {
            let sent = ok!(map.atomic_mut::<u32>(SENT));
            let result =
                sent.compare_exchange(round - 1, round, Ordering::Release, Ordering::Relaxed);
            same!(result, Ok(round - 1));
            Ok(())
        },
        Ordering::Acquire,
    )
}

/// Each of two processes stores into its own integers, and after each one loads the other's. With
/// `SeqCst`, not both find what was there before.
fn of_two_that_store_and_then_load_one_sees_the_other(world: &World) -> Verdict {
    const READY: [usize; 2] = [0, 128];
    const DONE: [usize; 2] = [256, 384];
    /// How many integers each has. Nothing waits between them, so that the processes meet somewhere.
    const MANY: usize = 2000;
    const VALUES: [usize; 2] = [LARGEST_PAGE, 2 * LARGEST_PAGE];
    const FOUND: [usize; 2] = [3 * LARGEST_PAGE, 4 * LARGEST_PAGE];
    const LEAST: u32 = 20;

    fn take_part(file: &OwnedMemFd, me: usize, store: Ordering, load: Ordering) -> Verdict {
        let map = ok!(file.map_shared_mut(..));
        let at = |offset: usize| map.atomic_mut::<u32>(offset);
        let other = 1 - me;
        let end = raw::now() + 2 * TIME;
        for round in 1.. {
            ok!(at(READY[me])).store(round, Ordering::SeqCst);
            reaches(&map, READY[other], round, Ordering::SeqCst)?;
            for index in 0..MANY {
                let mine = ok!(at(VALUES[me] + 4 * index));
                let theirs = ok!(at(VALUES[other] + 4 * index));
                let found = ok!(at(FOUND[me] + 4 * index));
                // Nothing is between these, or the store would be over anyway.
                mine.store(round, store);
                let value = theirs.load(load);
                found.store(value, Ordering::Relaxed);
            }
            // The first one says when it is enough: `u32::MAX` is every round.
            let is_over = me == 0 && round > LEAST && raw::now() > end;
            let done = if is_over { u32::MAX } else { round };
            ok!(at(DONE[me])).store(done, Ordering::SeqCst);
            reaches(&map, DONE[other], round, Ordering::SeqCst)?;
            for index in 0..MANY {
                let found = FOUND.map(|found| map.atomic::<u32>(found + 4 * index));
                let found = found.map(|it| it.map(|it| it.load(Ordering::Relaxed)));
                holds!(
                    found.contains(&Ok(round)),
                    "both find the old value at {index} in round {round}: {found:?}"
                );
            }
            if is_over || ok!(at(DONE[other])).load(Ordering::SeqCst) == u32::MAX {
                break;
            }
        }
        Ok(())
    }

    needs!(
        world.is_of_a_kernel() || cfg!(not(target_arch = "aarch64")),
        LOADS_OVERTAKE
    );
    for (store, load) in [
        (Ordering::SeqCst, Ordering::SeqCst),
        (Ordering::Acquire, Ordering::Release),
        (Ordering::AcqRel, Ordering::AcqRel),
    ] {
        let (file, _map) = shared(5 * LARGEST_PAGE)?;
        let other = ok!(Child::start(Descriptors::Copied, || {
            take_part(&file, 1, store, load)
        }));
        take_part(&file, 0, store, load)?;
        other.finish(PATIENCE)?;
    }
    Ok(())
}

const PROCESSES: usize = 3;

/// Runs `count` again and again in several processes at once, this one included, each with a map of
/// its own, and returns how often in all.
fn in_processes(
    file: &OwnedMemFd,
    count: impl Fn(&SharedMapMut, u32) -> Verdict,
) -> Result<u32, Stop> {
    /// A process goes on for a while without looking at the time.
    const AT_LEAST: u32 = 1000;

    let there = ok!(Shared::new(AtomicU32::new(0)));
    let counted = ok!(Shared::new(AtomicU32::new(0)));
    let run = || {
        let map = ok!(file.map_shared_mut(..));
        let (deadline, mut turns) = (raw::now() + PATIENCE, 0);
        // They begin together.
        there.fetch_add(1, Ordering::SeqCst);
        while there.load(Ordering::SeqCst) < PROCESSES as u32 {
            spin(&mut turns);
            holds!(turns % 4096 != 0 || raw::now() < deadline, "one is missing");
        }
        let (end, mut count_of_this) = (raw::now() + 2 * TIME, 0);
        while count_of_this == 0 || raw::now() < end {
            for _ in 0..AT_LEAST {
                count(&map, count_of_this)?;
                count_of_this += 1;
            }
        }
        counted.fetch_add(count_of_this, Ordering::SeqCst);
        Ok(())
    };
    let one = ok!(Child::start(Descriptors::Copied, run));
    let two = ok!(Child::start(Descriptors::Copied, run));
    run()?;
    one.finish(PATIENCE)?;
    two.finish(PATIENCE)?;
    Ok(counted.load(Ordering::SeqCst))
}

fn additions_of_processes_are_exact(_: &World) -> Verdict {
    // Side by side, so that each operation must leave the others alone.
    let (file, map) = shared(PAGE)?;
    let all = in_processes(&file, |map, turn| {
        let order = ORDERS[turn as usize % ORDERS.len()];
        ok!(map.atomic_mut::<u32>(8)).fetch_add(1, order);
        ok!(map.atomic_mut::<u32>(12)).fetch_add(3, order);
        ok!(map.atomic_mut::<u64>(16)).fetch_add(u64::from(u32::MAX), order);
        Ok(())
    })?;
    let relaxed = Ordering::Relaxed;
    same!(ok!(map.atomic::<u32>(8)).load(relaxed), all);
    same!(
        ok!(map.atomic::<u32>(12)).load(relaxed),
        all.wrapping_mul(3)
    );
    let expected = u64::from(all) * u64::from(u32::MAX);
    same!(ok!(map.atomic::<u64>(16)).load(relaxed), expected);
    Ok(())
}

fn exchanges_of_processes_are_exact(_: &World) -> Verdict {
    fn add<T: SharedAtomicInt + PartialEq>(
        map: &SharedMapMut,
        offset: usize,
        order: Ordering,
        more: impl Fn(T) -> T,
    ) -> Verdict {
        let integer = ok!(map.atomic_mut::<T>(offset));
        let mut current = integer.load(Ordering::Relaxed);
        while let Err(found) =
            integer.compare_exchange(current, more(current), order, Ordering::Relaxed)
        {
            // It never fails if it finds what it wants.
            holds!(found != current);
            current = found;
        }
        Ok(())
    }

    let (file, map) = shared(PAGE)?;
    let all = in_processes(&file, |map, turn| {
        let order = ORDERS[turn as usize % ORDERS.len()];
        add::<u32>(map, 8, order, |value| value.wrapping_add(1))?;
        add::<u64>(map, 16, order, |value| value.wrapping_add(1 << 20))
    })?;
    same!(ok!(map.atomic::<u32>(8)).load(Ordering::Relaxed), all);
    let expected = u64::from(all) << 20;
    same!(ok!(map.atomic::<u64>(16)).load(Ordering::Relaxed), expected);
    Ok(())
}

fn a_lock_by_swap_lets_in_one_process(_: &World) -> Verdict {
    let (file, map) = shared(LARGEST_PAGE)?;
    let all = in_processes(&file, |map, _| {
        let lock = ok!(map.atomic_mut::<u32>(64));
        let (deadline, mut turns) = (raw::now() + PATIENCE, 0);
        while lock.swap(1, Ordering::Acquire) != 0 {
            spin(&mut turns);
            holds!(turns % 4096 != 0 || raw::now() < deadline, "never unlocked");
        }
        // Copies, which are not atomic, across two pages.
        let mut count = [0; 4];
        ok!(map.read_exact_at(&mut count, PAGE - 3));
        let count = u32::from_ne_bytes(count) + 1;
        ok!(map.write_all_at(&count.to_ne_bytes(), PAGE - 3));
        lock.store(0, Ordering::Release);
        Ok(())
    })?;
    let mut count = [0; 4];
    ok!(map.read_exact_at(&mut count, PAGE - 3));
    same!(u32::from_ne_bytes(count), all);
    Ok(())
}

/// Four threads of each process, which use one map and one of their own.
fn additions_of_threads_and_processes_are_exact(_: &World) -> Verdict {
    const PLACE: usize = 1000;
    const STEP: u32 = 100;

    let (file, map) = shared(LARGEST_PAGE)?;
    let counted = ok!(Shared::new(AtomicU32::new(0)));
    let run = |map: &SharedMapMut| {
        let end = raw::now() + 2 * TIME;
        let count = || {
            let integer = ok!(map.atomic_mut::<u32>(8));
            let wide = ok!(map.atomic_mut::<u64>(16));
            let mut done = 0;
            while done == 0 || raw::now() < end {
                for turn in 0..STEP {
                    integer.fetch_add(1, Ordering::Relaxed);
                    let mut current = wide.load(Ordering::Relaxed);
                    while let Err(found) = wide.compare_exchange(
                        current,
                        current + 1,
                        Ordering::AcqRel,
                        Ordering::Relaxed,
                    ) {
                        current = found;
                    }
                    let mut found = [0; 100];
                    ok!(map.write_all_at(&[turn as u8; 100], PLACE));
                    ok!(map.read_exact_at(&mut found, PLACE));
                    holds!(
                        found.iter().all(|byte| u32::from(*byte) < STEP),
                        "{found:?}"
                    );
                }
                done += STEP;
            }
            counted.fetch_add(done, Ordering::SeqCst);
            Ok(())
        };
        let (one, others) = ok!(raw::beside(count, || {
            raw::beside(count, || raw::beside(count, count))
        }));
        let (two, others) = ok!(others);
        let (three, four) = ok!(others);
        one.and(two).and(three).and(four)
    };
    let other = ok!(Child::start(Descriptors::Copied, || {
        run(&ok!(file.map_shared_mut(..)))
    }));
    run(&map)?;
    other.finish(PATIENCE)?;
    let all = counted.load(Ordering::SeqCst);
    same!(ok!(map.atomic::<u32>(8)).load(Ordering::Relaxed), all);
    same!(
        ok!(map.atomic::<u64>(16)).load(Ordering::Relaxed),
        u64::from(all)
    );
    Ok(())
}
