//! Waiting for a file that is in use.

use crate::{arch, errno::Errno};
use core::ptr;
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
