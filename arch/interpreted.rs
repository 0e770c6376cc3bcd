//! Miri, which sees no assembly and enters no kernel: the accesses to memory that others write,
//! out of what `core` has, and system calls that are functions of the program.
//!
//! A copy is no atomic access here. So Miri reports a race where others really write at the same
//! time, which the assembly does not have.
//!
//! A system call is a foreign function with the same arguments, such as `owned_memfd_read`. A
//! program that has none stops at the first call with Miri's error, which names the function.
//! `tests/interpreted` defines all of them: a model of the kernel, for the tests of this crate.

use super::stronger;
use core::{
    ptr,
    sync::atomic::{
        AtomicU8, AtomicU16, AtomicU32, AtomicU64,
        Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst},
    },
};

/// Declares the function of a system call in place of one that enters the kernel. Its pointers stay
/// pointers, so that Miri knows what they may access.
macro_rules! system_call {
    (
        $(#[$attribute:meta])*
        pub(crate) unsafe fn $call:ident($($name:ident: $kind:ty),*) -> $returned:ty $enter:block
    ) => {
        unsafe extern "Rust" {
            $(#[$attribute])*
            #[link_name = concat!("owned_memfd_", stringify!($call))]
            pub(crate) fn $call($($name: $kind),*) -> $returned;
        }
    };
}

/// Copies `len` bytes from `from` to `to`. The two ranges do not overlap.
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller has both ranges, which do not overlap.
    unsafe { ptr::copy_nonoverlapping(from, to, len) }
}

/// The ordering, or SeqCst in place of one that a load lacks.
fn of_load(order: Ordering) -> Ordering {
    match order {
        Relaxed | Acquire => order,
        _ => SeqCst,
    }
}

/// The ordering, or SeqCst in place of one that a store lacks.
fn of_store(order: Ordering) -> Ordering {
    match order {
        Relaxed | Release => order,
        _ => SeqCst,
    }
}

/// The ordering of a failure that goes with an ordering of both.
fn of_failure(both: Ordering) -> Ordering {
    match both {
        Relaxed | Release => Relaxed,
        Acquire | AcqRel => Acquire,
        _ => SeqCst,
    }
}

macro_rules! loads_and_stores {
    ($($load:ident, $store:ident: $type:ty, $atomic:ident;)*) => {$(
        pub(crate) unsafe fn $load(from: *const $type, order: Ordering) -> $type {
            // SAFETY: the caller has these bytes, at a multiple of their size.
            let atomic = unsafe { $atomic::from_ptr(from.cast_mut()) };
            atomic.load(of_load(order))
        }

        pub(crate) unsafe fn $store(to: *mut $type, value: $type, order: Ordering) {
            // SAFETY: the caller has these bytes, at a multiple of their size.
            let atomic = unsafe { $atomic::from_ptr(to) };
            atomic.store(value, of_store(order));
        }
    )*};
}

loads_and_stores! {
    load_u8, store_u8: u8, AtomicU8;
    load_u16, store_u16: u16, AtomicU16;
    load_u32, store_u32: u32, AtomicU32;
    load_u64, store_u64: u64, AtomicU64;
}

macro_rules! exchanges {
    ($($swap:ident, $compare_exchange:ident, $fetch_add:ident: $type:ty, $atomic:ident;)*) => {$(
        pub(crate) unsafe fn $swap(at: *mut $type, value: $type, order: Ordering) -> $type {
            // SAFETY: the caller has these bytes, at a multiple of their size.
            let atomic = unsafe { $atomic::from_ptr(at) };
            atomic.swap(value, order)
        }

        pub(crate) unsafe fn $compare_exchange(
            at: *mut $type,
            current: $type,
            new: $type,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$type, $type> {
            // SAFETY: the caller has these bytes, at a multiple of their size.
            let atomic = unsafe { $atomic::from_ptr(at) };
            let both = stronger(success, failure);
            atomic.compare_exchange(current, new, both, of_failure(both))
        }

        pub(crate) unsafe fn $fetch_add(at: *mut $type, value: $type, order: Ordering) -> $type {
            // SAFETY: the caller has these bytes, at a multiple of their size.
            let atomic = unsafe { $atomic::from_ptr(at) };
            atomic.fetch_add(value, order)
        }
    )*};
}

exchanges! {
    swap_u32, compare_exchange_u32, fetch_add_u32: u32, AtomicU32;
    swap_u64, compare_exchange_u64, fetch_add_u64: u64, AtomicU64;
}

/// Nothing is executed here.
pub(crate) unsafe fn make_executable(_start: *const u8, _len: usize) -> usize {
    0
}
