//! Tests of how `arch` accesses memory that others write, and of the typed functions of `sys` over
//! that.
//!
//! No claim can call these functions, so they are compiled into this program once more. Miri runs
//! it too, without what needs the kernel, and with the functions that the library has for Miri
//! (`ci/miri.sh`).
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::inline_always,
    reason = "as in src/lib.rs"
)]

#[macro_use]
#[allow(dead_code, unused_imports, reason = "Miri needs a part of it")]
#[path = "../arch/mod.rs"]
mod arch;
#[allow(dead_code, unreachable_pub, reason = "the tests need a part of it")]
#[path = "../src/errno.rs"]
mod errno;
#[allow(dead_code, unreachable_pub, reason = "Miri needs a part of it")]
#[path = "../src/sys/shared.rs"]
mod shared;

use shared::{AtomicInt, Int, copy_in, copy_out};
use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    fmt::Debug,
    hint,
    ptr::NonNull,
    sync::{
        Barrier,
        atomic::{
            AtomicUsize,
            Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst},
        },
    },
    thread,
};

const ORDERINGS: [Ordering; 5] = [Relaxed, Acquire, Release, AcqRel, SeqCst];

/// How often something is tried that depends on what threads do at the same time.
const ROUNDS: u32 = if cfg!(miri) { 50 } else { 20_000 };

/// How often each of four threads changes a number. That takes longer than a scheduler lets one
/// thread run before the next.
const CHANGES: u32 = if cfg!(miri) { 50 } else { 500_000 };

/// Zeroed memory at the start of a page, to which there is no reference.
struct Room(NonNull<u8>, Layout);

// SAFETY: the tests access it only with the functions that they test.
unsafe impl Sync for Room {}

impl Room {
    fn new(len: usize) -> Self {
        let layout = Layout::from_size_align(len, 4096).unwrap();
        // SAFETY: no length here is 0.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        Self(start, layout)
    }

    /// The address of the number at `offset`, of a type with this size and alignment.
    fn at<T>(&self, offset: usize) -> NonNull<T> {
        assert!(offset + size_of::<T>() <= self.1.size());
        // SAFETY: it lies in the room.
        let at = unsafe { self.0.add(offset) }.cast();
        assert!(at.is_aligned());
        at
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(self.0.as_ptr(), self.1) };
    }
}

/// So many bytes, none of which is 0. Those that are near each other differ.
fn content(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| (index * 7 + index / 256) as u8 | 1)
        .collect()
}

/// Copies `len` bytes from `content` into the room and out of it, and looks at 64 on both sides.
fn copies(room: &Room, content: &[u8], zeros: &[u8], from: usize, to: usize, len: usize) {
    let to = 64 + to;
    let source = &content[from..from + len];
    let what = || format!("{len} bytes from {from} to {to}");
    // SAFETY: the room is longer, and nobody else uses it.
    unsafe { copy_in(room.at(to), source) };
    let mut all = vec![0; to + len + 64];
    // SAFETY: as above.
    unsafe { copy_out(&mut all, room.at(0)) };
    assert!(all[..to] == zeros[..to], "{} in: before", what());
    assert!(all[to..to + len] == *source, "{} in", what());
    assert!(all[to + len..] == zeros[..64], "{} in: after", what());

    let back = 64 + from;
    all.fill(0);
    all.resize(back + len + 64, 0);
    // SAFETY: as above.
    unsafe { copy_out(&mut all[back..back + len], room.at(to)) };
    assert!(all[..back] == zeros[..back], "{} out: before", what());
    assert!(all[back..back + len] == *source, "{} out", what());
    assert!(all[back + len..] == zeros[..64], "{} out: after", what());
    // SAFETY: as above.
    unsafe { copy_in(room.at(to), &zeros[..len]) };
}

#[test]
fn copies_of_every_length_and_alignment_are_exact() {
    let (room, content, zeros) = (Room::new(4096), content(4096), vec![0; 4096]);
    let (lengths, offsets) = if cfg!(miri) { (67, 7) } else { (1, 1) };
    for len in (0..=600).step_by(lengths) {
        for from in (0..16).step_by(offsets) {
            for to in (0..16).step_by(offsets) {
                copies(&room, &content, &zeros, from, to, len);
            }
        }
    }
}

/// From 2048 bytes on, `x86_64` may copy in another way, which depends on the difference of both
/// addresses within a page.
#[test]
#[cfg(not(miri))]
fn long_copies_are_exact() {
    let most = (1 << 20) + 64;
    let (room, content, zeros) = (Room::new(most + 4096), content(most), vec![0; most]);
    for len in [1000, 2047, 2048, 2049, 2111, 2112, 2113, 4096, 5001] {
        for from in 0..16 {
            for to in (0..80).chain([1000, 2048]) {
                copies(&room, &content, &zeros, from, to, len);
            }
        }
    }
    for len in [65_536, 100_003, 1 << 20] {
        for (from, to) in [(0, 0), (0, 5), (5, 0), (3, 35), (1, 9), (16, 17)] {
            copies(&room, &content, &zeros, from, to, len);
        }
    }
}

/// Stores and loads the two values at places whose neighbours must stay.
fn is_loaded_and_stored<T: Int + Debug + PartialEq>(values: [T; 2]) {
    let room = Room::new(64);
    let size = size_of::<T>();
    for order in ORDERINGS {
        for offset in (8..24).step_by(size) {
            let at = room.at::<T>(offset);
            for value in values {
                // SAFETY: it lies in the room, and nobody else uses that.
                unsafe { copy_in(room.at(0), &[0xaa; 64]) };
                // SAFETY: as above.
                unsafe { T::store(at, value, order) };
                // SAFETY: as above.
                assert_eq!(unsafe { T::load(at, order) }, value, "{order:?}");
                let mut around = [0; 64];
                // SAFETY: as above.
                unsafe { copy_out(&mut around, room.at(0)) };
                assert!(around[..offset].iter().all(|&byte| byte == 0xaa));
                assert!(around[offset + size..].iter().all(|&byte| byte == 0xaa));
            }
        }
    }
}

#[test]
fn numbers_are_loaded_and_stored_with_every_ordering() {
    is_loaded_and_stored([0x81_u8, 0x7e]);
    is_loaded_and_stored([0x8123_u16, 0x7edc]);
    is_loaded_and_stored([0x8123_4567_u32, 0x7edc_ba98]);
    is_loaded_and_stored([0x8123_4567_89ab_cdef_u64, 0x7edc_ba98_7654_3210]);
}

/// Exchanges the two values at a place whose neighbours must stay.
fn is_exchanged<T: AtomicInt + Debug + PartialEq>([one, other]: [T; 2], sum: T) {
    let room = Room::new(64);
    let size = size_of::<T>();
    // SAFETY: it lies in the room, and nobody else uses that.
    unsafe { copy_in(room.at(0), &[0xaa; 64]) };
    let at = room.at::<T>(2 * size);
    // SAFETY: as above, throughout.
    let store = |value| unsafe { T::store(at, value, Relaxed) };
    // SAFETY: as above.
    let holds = |value| assert_eq!(unsafe { T::load(at, Relaxed) }, value);
    for order in ORDERINGS {
        store(one);
        // SAFETY: as above.
        assert_eq!(unsafe { T::swap(at, other, order) }, one, "{order:?}");
        holds(other);
        // SAFETY: as above.
        let before = unsafe { T::fetch_add(at, one, order) };
        assert_eq!(before, other, "{order:?}");
        holds(sum);
        for failure in ORDERINGS {
            store(one);
            // SAFETY: as above.
            let exchange =
                |current, new| unsafe { T::compare_exchange(at, current, new, order, failure) };
            assert_eq!(exchange(one, other), Ok(one), "{order:?}, {failure:?}");
            holds(other);
            assert_eq!(exchange(one, sum), Err(other), "{order:?}, {failure:?}");
            holds(other);
        }
    }
    let mut around = [0; 64];
    // SAFETY: as above.
    unsafe { copy_out(&mut around, room.at(0)) };
    assert!(around[..2 * size].iter().all(|&byte| byte == 0xaa));
    assert!(around[3 * size..].iter().all(|&byte| byte == 0xaa));
}

#[test]
fn numbers_are_exchanged_with_every_ordering() {
    // The sums wrap around.
    is_exchanged([0x8000_0001_u32, 0xffff_fffe], 0x7fff_ffff);
    is_exchanged(
        [0x8000_0000_8000_0001_u64, 0xffff_ffff_ffff_fffe],
        0x8000_0000_7fff_ffff,
    );
    is_exchanged([1_u32, 2], 3);
    is_exchanged([1_u64, 2], 3);
}

/// Four threads each change one number so many times.
fn in_four_threads<T: Int>(change: impl Fn(NonNull<T>, Ordering) + Sync) -> T {
    let room = Room::new(64);
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                for round in 0..CHANGES {
                    change(room.at(8), ORDERINGS[round as usize % ORDERINGS.len()]);
                }
            });
        }
    });
    // SAFETY: it lies in the room, which is only accessed so.
    unsafe { T::load(room.at(8), Relaxed) }
}

#[test]
fn threads_that_add_to_one_number_lose_nothing() {
    // SAFETY: the number is valid, and only accessed so.
    let total = in_four_threads(|at, order| _ = unsafe { u32::fetch_add(at, 1, order) });
    assert_eq!(total, 4 * CHANGES);
    // SAFETY: as above.
    let total = in_four_threads(|at, order| _ = unsafe { u64::fetch_add(at, 1 << 32, order) });
    assert_eq!(total, u64::from(4 * CHANGES) << 32);
}

/// Adds by comparing and exchanging.
fn add<T: AtomicInt>(at: NonNull<T>, order: Ordering, sum: impl Fn(T) -> T) {
    // SAFETY: the number is valid, and only accessed so.
    let mut current = unsafe { T::load(at, order) };
    loop {
        // SAFETY: as above.
        match unsafe { T::compare_exchange(at, current, sum(current), order, order) } {
            Ok(_) => break,
            Err(found) => current = found,
        }
    }
}

#[test]
fn threads_that_exchange_one_number_lose_nothing() {
    let total = in_four_threads(|at, order| add(at, order, |value: u32| value + 1));
    assert_eq!(total, 4 * CHANGES);
    let total = in_four_threads(|at, order| add(at, order, |value: u64| value + (1 << 32)));
    assert_eq!(total, u64::from(4 * CHANGES) << 32);
}

#[test]
fn what_is_swapped_is_handed_to_one_thread_only() {
    let room = Room::new(64);
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    // SAFETY: it lies in the room, which is only accessed so.
                    let held = unsafe { u32::swap(room.at(8), 1, AcqRel) };
                    if held == 0 {
                        // Between both, the number is this thread's.
                        assert_eq!(taken.swap(1, Relaxed), 0);
                        taken.store(0, Relaxed);
                        // SAFETY: as above.
                        unsafe { u32::store(room.at(8), 0, Release) };
                    }
                    hint::spin_loop();
                }
            });
        }
    });
}

/// A thread stores the two values in turn, and this one loads.
fn is_never_torn<T: Int + Debug + PartialEq + Sync>(values: [T; 2]) {
    let room = Room::new(64);
    // SAFETY: it lies in the room, which is only accessed so.
    unsafe { T::store(room.at(8), values[0], Relaxed) };
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                let order = ORDERINGS[round as usize % ORDERINGS.len()];
                // SAFETY: as above.
                unsafe { T::store(room.at(8), values[round as usize % 2], order) };
            }
        });
        for round in 0..ROUNDS {
            let order = ORDERINGS[round as usize % ORDERINGS.len()];
            // SAFETY: as above.
            let found = unsafe { T::load(room.at(8), order) };
            assert!(values.contains(&found), "{found:?}");
        }
    });
}

#[test]
fn a_number_is_never_loaded_half() {
    is_never_torn([0_u16, !0]);
    is_never_torn([0_u32, !0]);
    is_never_torn([0_u64, !0]);
}

#[test]
fn what_was_stored_before_a_release_is_seen_after_an_acquire() {
    let room = Room::new(128);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                // SAFETY: it lies in the room, which is only accessed so.
                unsafe { u32::store(room.at(0), round, Relaxed) };
                // SAFETY: as above.
                unsafe { u32::store(room.at(64), round, Release) };
            }
        });
        loop {
            // SAFETY: as above.
            let published = unsafe { u32::load(room.at(64), Acquire) };
            // SAFETY: as above.
            assert!(unsafe { u32::load(room.at(0), Relaxed) } >= published);
            if published == ROUNDS {
                break;
            }
            hint::spin_loop();
        }
    });
}

/// Two threads each store to their own number and load that of the other. With `SeqCst`, at least
/// one of them sees the other's.
fn one_of_two_sees_the_other(store: Ordering, load: Ordering) {
    let room = Room::new(2 * 8 * ROUNDS as usize);
    let arrived = AtomicUsize::new(0);
    let seen = thread::scope(|scope| {
        let threads = [0, 1].map(|this| {
            let (room, arrived) = (&room, &arrived);
            scope.spawn(move || {
                let rounds = (0..ROUNDS as usize).map(|round| {
                    arrived.fetch_add(1, Relaxed);
                    let mut spins = 0;
                    while arrived.load(Relaxed) < 2 * (round + 1) {
                        spins += 1;
                        // The other thread may wait for this CPU.
                        if spins % 1000 == 0 {
                            thread::yield_now();
                        }
                        hint::spin_loop();
                    }
                    let numbers = [16 * round, 16 * round + 8];
                    // SAFETY: it lies in the room, which is only accessed so.
                    unsafe { u32::store(room.at(numbers[this]), 1, store) };
                    // SAFETY: as above.
                    unsafe { u32::load(room.at(numbers[1 - this]), load) }
                });
                rounds.collect::<Vec<_>>()
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for (round, (one, other)) in seen[0].iter().zip(&seen[1]).enumerate() {
        assert!(one + other > 0, "{store:?} and {load:?}, round {round}");
    }
}

#[test]
fn an_ordering_that_an_operation_lacks_acts_as_seqcst() {
    for (store, load) in [
        (SeqCst, SeqCst),
        (AcqRel, AcqRel),
        (Acquire, Release),
        (SeqCst, Release),
    ] {
        one_of_two_sees_the_other(store, load);
    }
}

#[cfg(not(miri))]
mod with_kernel {
    use super::*;
    use crate::{
        errno::Errno,
        shared::{futex_wait, futex_wake},
    };
    use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};
    use std::{
        ptr,
        time::{Duration, Instant},
    };

    /// Pages between others that fault.
    struct Island(*mut u8);

    impl Island {
        /// The length, and that of what faults on either side: no page is larger.
        const LEN: usize = 1 << 16;

        fn new() -> Self {
            let (len, protection) = (3 * Self::LEN, ProtFlags::empty());
            // SAFETY: a new mapping, which replaces no other.
            let start =
                unsafe { mm::mmap_anonymous(ptr::null_mut(), len, protection, MapFlags::PRIVATE) };
            let island = Self(start.unwrap().cast());
            island.protect(MprotectFlags::READ | MprotectFlags::WRITE);
            island
        }

        fn start(&self) -> NonNull<u8> {
            NonNull::new(self.0.wrapping_add(Self::LEN)).unwrap()
        }

        /// The last `len` bytes.
        fn last(&self, len: usize) -> NonNull<u8> {
            // SAFETY: they lie in these pages.
            unsafe { self.start().add(Self::LEN - len) }
        }

        fn protect(&self, protection: MprotectFlags) {
            let start = self.start().as_ptr().cast();
            // SAFETY: nothing refers to these pages.
            unsafe { mm::mprotect(start, Self::LEN, protection) }.unwrap();
        }
    }

    impl Drop for Island {
        fn drop(&mut self) {
            // SAFETY: the mapping is this value's, and nothing refers to it.
            unsafe { mm::munmap(self.0.cast(), 3 * Self::LEN) }.unwrap();
        }
    }

    #[test]
    fn nothing_beyond_either_end_is_touched() {
        let (source, target) = (Island::new(), Island::new());
        let content = content(Island::LEN);
        // SAFETY: so long is the source, and nobody else uses it.
        unsafe { copy_in(source.start(), &content) };
        let mut copied = content.clone();
        let all = Island::LEN;
        let lengths = (0..=600).chain(2030..2130).chain(all - 70..=all);
        for len in lengths {
            for (from, expected) in [
                (source.start(), &content[..len]),
                (source.last(len), &content[all - len..]),
            ] {
                for to in [target.start(), target.last(len)] {
                    // SAFETY: both have so many bytes.
                    unsafe { arch::copy(to.as_ptr(), from.as_ptr(), len) };
                    // SAFETY: as above.
                    unsafe { copy_out(&mut copied[..len], to) };
                    assert!(copied[..len] == *expected, "{len} bytes");
                }
            }
        }
    }

    fn is_loaded<T: Int + Debug + PartialEq>(island: &Island, value: T) {
        island.protect(MprotectFlags::READ | MprotectFlags::WRITE);
        for at in [island.start().cast(), island.last(size_of::<T>()).cast()] {
            // SAFETY: it lies in the pages, which nobody else uses.
            unsafe { T::store(at, value, SeqCst) };
        }
        island.protect(MprotectFlags::READ);
        for order in ORDERINGS {
            for at in [island.start().cast(), island.last(size_of::<T>()).cast()] {
                // SAFETY: as above.
                assert_eq!(unsafe { T::load(at, order) }, value);
            }
        }
    }

    #[test]
    fn a_load_never_writes() {
        let island = Island::new();
        is_loaded(&island, 0x81_u8);
        is_loaded(&island, 0x8123_u16);
        is_loaded(&island, 0x8123_4567_u32);
        is_loaded(&island, 0x8123_4567_89ab_cdef_u64);
    }

    #[test]
    fn what_was_stored_can_be_executed() {
        // A function that returns 42.
        #[cfg(target_arch = "x86_64")]
        let code = [0xb8, 42, 0, 0, 0, 0xc3];
        #[cfg(target_arch = "aarch64")]
        let code = [0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];
        #[cfg(target_arch = "riscv64")]
        let code = [0x13, 0x05, 0xa0, 0x02, 0x67, 0x80, 0, 0];

        let island = Island::new();
        // SAFETY: the pages are longer, and nobody else uses them.
        unsafe { copy_in(island.start(), &code) };
        island.protect(MprotectFlags::READ | MprotectFlags::EXEC);
        for len in [0, 1, code.len(), Island::LEN] {
            // SAFETY: the pages have so many bytes.
            unsafe { arch::make_executable(island.start().as_ptr(), len) };
        }
        let start = island.start().as_ptr();
        // SAFETY: there is a function, of this type.
        let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(start) };
        assert_eq!(function(), 42);
    }

    #[test]
    fn a_wait_ends_at_once_if_the_number_differs() {
        let room = Room::new(64);
        for timeout in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
            assert_eq!(futex_wait(room.at(8), 1, timeout), Err(Errno::EAGAIN));
        }
    }

    #[test]
    fn a_wait_ends_after_its_timeout() {
        let room = Room::new(64);
        for timeout in [Duration::ZERO, Duration::from_millis(30)] {
            let start = Instant::now();
            let result = futex_wait(room.at(8), 0, Some(timeout));
            assert_eq!(result, Err(Errno::ETIMEDOUT));
            assert!(start.elapsed() >= timeout);
        }
    }

    #[test]
    fn a_wake_ends_no_more_waits_than_it_says() {
        let room = Room::new(64);
        let ended = AtomicUsize::new(0);
        thread::scope(|scope| {
            for timeout in [None, Some(Duration::from_secs(60)), None] {
                let (room, ended) = (&room, &ended);
                scope.spawn(move || {
                    assert_eq!(futex_wait(room.at(8), 0, timeout), Ok(()));
                    ended.fetch_add(1, Relaxed);
                });
            }
            for expected in 1..=3 {
                assert_eq!(futex_wake(room.at(8), 0), Ok(0));
                // Nobody says when a thread waits.
                while futex_wake(room.at(8), 1).unwrap() == 0 {
                    thread::yield_now();
                }
                while ended.load(Relaxed) < expected {
                    thread::yield_now();
                }
            }
        });
        assert_eq!(futex_wake(room.at(8), 1), Ok(0));
    }

    #[test]
    fn a_wake_of_any_number_ends_all_waits() {
        let room = Room::new(64);
        let two_at_once = || {
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| futex_wait(room.at(8), 0, None));
                }
                // Nobody says when both wait, so another time they may.
                thread::sleep(Duration::from_millis(10));
                let most = futex_wake(room.at(8), u32::MAX).unwrap();
                let mut woken = most;
                while woken < 2 {
                    woken += futex_wake(room.at(8), u32::MAX).unwrap();
                }
                most == 2
            })
        };
        assert!((0..100).any(|_| two_at_once()));
    }
}
