//! System calls: one typed function for each, and no policy. A function makes one call, and decodes
//! what the kernel returns, except for transfers that loops continue.
//!
//! A call stands in the file that is named after the module that uses it, or the first of several.
//! Nothing that is not a system call stands here.
//!
//! Constants come from `linux-raw-sys`. The few that it lacks are defined where they are used, with
//! the kernel header that they are from.
#![allow(unsafe_code)]

#[cfg(feature = "boot")]
pub(crate) mod boot;
pub(crate) mod exec;
pub(crate) mod memfd;
pub(crate) mod region;
pub(crate) mod sealing;
pub(crate) mod shared;
pub(crate) mod socket;
pub(crate) mod transfer;

use crate::{
    errno::Errno,
    fd::{self, AsRawFd, BorrowedFd, OwnedFd},
};
use core::mem::MaybeUninit;

/// The descriptor's number as the kernel takes it. It is never negative, and so never
/// sign-extended.
#[inline(always)]
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// Takes ownership of the descriptor that a call has returned.
///
/// # Safety
/// `returned` comes from a call that makes a descriptor.
#[inline(always)]
unsafe fn take(returned: usize) -> Result<OwnedFd, Errno> {
    let fd = Errno::decode(returned)?;
    // SAFETY: the kernel has just made this descriptor for the caller, which says so.
    Ok(unsafe { fd::take(fd as u32) })
}

/// The bytes of `buffer` that a call has written, which returned how many. `EIO`: it says that these
/// are more than there is room for, as no kernel does.
///
/// # Safety
/// So many have been written.
#[inline(always)]
unsafe fn filled(buffer: &[MaybeUninit<u8>], returned: usize) -> Result<&[u8], Errno> {
    let count = Errno::decode(returned)?;
    let bytes = buffer.get(..count).ok_or(Errno::EIO)?;
    // SAFETY: the bytes lie in the buffer, which the returned slice borrows, and the caller
    // promises that they have been written.
    Ok(unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) })
}
