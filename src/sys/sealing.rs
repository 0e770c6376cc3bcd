//! Waiting for a file that is in use.

use crate::{arch, errno::Errno};
use core::{mem::MaybeUninit, ptr};
use linux_raw_sys::general as raw;

/// Sleeps for so many nanoseconds, less than a second, or until a signal comes.
#[inline(always)]
pub(crate) fn sleep(nanoseconds: u32) -> Result<(), Errno> {
    let time = raw::__kernel_timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds.into(),
    };
    // SAFETY: the kernel reads `time`, which outlives the call, and writes nothing.
    Errno::decode_unit(unsafe { arch::nanosleep(&raw const time, ptr::null_mut()) })
}

/// The time since some moment in the past, in nanoseconds.
#[inline(always)]
pub(crate) fn clock() -> Result<u64, Errno> {
    let mut room = MaybeUninit::<raw::__kernel_timespec>::uninit();
    // SAFETY: `room` is large enough for the structure that the kernel writes.
    Errno::decode_unit(unsafe { arch::clock_gettime(raw::CLOCK_MONOTONIC, room.as_mut_ptr()) })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    let time = unsafe { room.assume_init_ref() };
    let nanoseconds = (time.tv_sec as u64).wrapping_mul(1_000_000_000);
    Ok(nanoseconds.wrapping_add(time.tv_nsec as u64))
}
