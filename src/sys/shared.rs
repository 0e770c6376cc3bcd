//! Memory that others write at the same time: copies, numbers that are accessed at once, and
//! waiting for one of them to change. No reference to such bytes is ever made.

use crate::{arch, errno::Errno};
use core::{
    ptr::{self, NonNull},
    sync::atomic::Ordering,
    time::Duration,
};
use linux_raw_sys::general as raw;

/// Fills the buffer with the bytes at `from`. Those that others write meanwhile may be old or new,
/// each by itself.
///
/// # Safety
/// So many bytes are mapped there for reading, and none of them belongs to the buffer.
#[inline(always)]
pub(crate) unsafe fn copy_out(buffer: &mut [u8], from: NonNull<u8>) {
    // SAFETY: the buffer has room for its length, and the caller vouches for the other bytes.
    unsafe { arch::copy(buffer.as_mut_ptr(), from.as_ptr(), buffer.len()) }
}

/// Writes the bytes to `to`. Others may see each of them at another time.
///
/// # Safety
/// So many bytes are mapped there for writing, and none of them belongs to `bytes`.
#[inline(always)]
pub(crate) unsafe fn copy_in(to: NonNull<u8>, bytes: &[u8]) {
    // SAFETY: `bytes` has its length, and the caller vouches for the other bytes.
    unsafe { arch::copy(to.as_ptr(), bytes.as_ptr(), bytes.len()) }
}

/// Copies as many bytes as both have, and returns how many. Not by a call of `memcpy`, which a
/// program without libc need not have.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let count = to.len().min(from.len());
    // SAFETY: both have so many bytes, and no byte of one is part of the other.
    unsafe { arch::copy(to.as_mut_ptr(), from.as_ptr(), count) }
    count
}

/// A number that is loaded and stored at once. An ordering that the operation lacks acts as
/// `SeqCst`.
pub trait Int: Copy {
    /// # Safety
    /// The number is mapped there for reading, at a multiple of its size.
    unsafe fn load(from: NonNull<Self>, order: Ordering) -> Self;

    /// # Safety
    /// The number is mapped there for writing, at a multiple of its size.
    unsafe fn store(to: NonNull<Self>, value: Self, order: Ordering);
}

/// A number that is read and changed at once.
pub trait AtomicInt: Int {
    /// # Safety
    /// The number is mapped there for reading and writing, at a multiple of its size.
    unsafe fn swap(at: NonNull<Self>, value: Self, order: Ordering) -> Self;

    /// Stores `new` if it finds `current`. Either way it returns what it finds.
    ///
    /// # Safety
    /// The number is mapped there for reading and writing, at a multiple of its size.
    unsafe fn compare_exchange(
        at: NonNull<Self>,
        current: Self,
        new: Self,
        success: Ordering,
        failure: Ordering,
    ) -> Result<Self, Self>;

    /// Adds `value`, wrapping around, and returns what was there before.
    ///
    /// # Safety
    /// The number is mapped there for reading and writing, at a multiple of its size.
    unsafe fn fetch_add(at: NonNull<Self>, value: Self, order: Ordering) -> Self;
}

macro_rules! ints {
    ($($int:ty: $load:ident, $store:ident;)*) => {$(
        impl Int for $int {
            #[inline(always)]
            unsafe fn load(from: NonNull<Self>, order: Ordering) -> Self {
                // SAFETY: the caller vouches for the number.
                unsafe { arch::$load(from.as_ptr(), order) }
            }

            #[inline(always)]
            unsafe fn store(to: NonNull<Self>, value: Self, order: Ordering) {
                // SAFETY: the caller vouches for the number.
                unsafe { arch::$store(to.as_ptr(), value, order) }
            }
        }
    )*};
}

ints! {
    u8: load_u8, store_u8;
    u16: load_u16, store_u16;
    u32: load_u32, store_u32;
    u64: load_u64, store_u64;
}

macro_rules! atomic_ints {
    ($($int:ty: $swap:ident, $compare_exchange:ident, $fetch_add:ident;)*) => {$(
        impl AtomicInt for $int {
            #[inline(always)]
            unsafe fn swap(at: NonNull<Self>, value: Self, order: Ordering) -> Self {
                // SAFETY: the caller vouches for the number.
                unsafe { arch::$swap(at.as_ptr(), value, order) }
            }

            #[inline(always)]
            unsafe fn compare_exchange(
                at: NonNull<Self>,
                current: Self,
                new: Self,
                success: Ordering,
                failure: Ordering,
            ) -> Result<Self, Self> {
                // SAFETY: the caller vouches for the number.
                unsafe { arch::$compare_exchange(at.as_ptr(), current, new, success, failure) }
            }

            #[inline(always)]
            unsafe fn fetch_add(at: NonNull<Self>, value: Self, order: Ordering) -> Self {
                // SAFETY: the caller vouches for the number.
                unsafe { arch::$fetch_add(at.as_ptr(), value, order) }
            }
        }
    )*};
}

atomic_ints! {
    u32: swap_u32, compare_exchange_u32, fetch_add_u32;
    u64: swap_u64, compare_exchange_u64, fetch_add_u64;
}

/// Waits as long as `at` has this value, until somebody wakes it: any process that has the memory
/// mapped. Without a timeout, a signal with `SA_RESTART` does not end it.
///
/// The kernel reads the number itself, and checks the address.
#[inline(always)]
pub(crate) fn futex_wait(
    at: NonNull<u32>,
    expected: u32,
    timeout: Option<Duration>,
) -> Result<(), Errno> {
    let timeout = timeout.map(|timeout| raw::__kernel_timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let time = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the kernel reads the number and the time, which outlives the call, and writes
    // nothing.
    Errno::decode_unit(unsafe { arch::futex(at.as_ptr(), raw::FUTEX_WAIT, expected, time) })
}

/// Wakes at most so many of those that wait, in all processes, and returns how many.
///
/// The kernel checks the address.
#[inline(always)]
pub(crate) fn futex_wake(at: NonNull<u32>, count: u32) -> Result<u32, Errno> {
    // For 0 the kernel wakes one.
    if count == 0 {
        return Ok(0);
    }
    // The kernel's number has a sign.
    let count = count.min(i32::MAX as u32);
    // SAFETY: the kernel writes nothing.
    Errno::decode_int(unsafe { arch::futex(at.as_ptr(), raw::FUTEX_WAKE, count, ptr::null()) })
}
