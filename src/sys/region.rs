//! Mappings.

use super::number;
use crate::{arch, errno::Errno, fd::BorrowedFd};
use core::ptr::{self, NonNull};
use linux_raw_sys::general as raw;

/// Maps `len` bytes of the file from `offset`, where the kernel likes.
#[inline(always)]
pub(crate) fn map(
    fd: BorrowedFd<'_>,
    offset: u64,
    len: usize,
    protection: u32,
    flags: u32,
) -> Result<NonNull<u8>, Errno> {
    // SAFETY: without a hint and MAP_FIXED a new mapping replaces no other.
    Errno::decode_pointer(unsafe {
        arch::mmap(ptr::null_mut(), len, protection, flags, number(fd), offset)
    })
}

/// # Safety
/// The caller owns the mapping of `len` bytes at `start`, and nothing refers into it.
#[inline(always)]
pub(crate) unsafe fn unmap(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: the caller owns the mapping, and promises that nothing refers into it.
    Errno::decode_unit(unsafe { arch::munmap(start.as_ptr(), len) })
}

/// Maps what the shared mapping at `start` shows a second time, where the kernel likes: `len`
/// bytes. For a private mapping this is `EINVAL`.
#[inline(always)]
pub(crate) fn map_again(start: NonNull<u8>, len: usize) -> Result<NonNull<u8>, Errno> {
    // SAFETY: with an old length of 0 the old mapping stays as it is, and without MREMAP_FIXED the
    // new one replaces no other. The kernel checks the address itself.
    Errno::decode_pointer(unsafe { arch::mremap(start.as_ptr(), 0, len, raw::MREMAP_MAYMOVE) })
}

/// # Safety
/// The caller owns the mapping of `len` bytes at `start`, and the advice changes none of
/// the bytes that are seen through it.
#[inline(always)]
pub(crate) unsafe fn advise(start: NonNull<u8>, len: usize, advice: u32) -> Result<(), Errno> {
    // SAFETY: the caller owns the mapping, and promises that the advice changes none of its bytes.
    Errno::decode_unit(unsafe { arch::madvise(start.as_ptr(), len, advice) })
}

/// Makes the pages of a mapping present, and keeps them present until [`unlock`].
#[inline(always)]
pub(crate) fn lock(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: `mlock` changes no byte, and checks the address itself.
    Errno::decode_unit(unsafe { arch::mlock(start.as_ptr(), len) })
}

#[inline(always)]
pub(crate) fn unlock(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: `munlock` changes no byte, and checks the address itself.
    Errno::decode_unit(unsafe { arch::munlock(start.as_ptr(), len) })
}

/// Lets the CPUs execute what has been stored in the `len` bytes at `start`: their instruction
/// caches follow.
///
/// # Safety
/// So many bytes are mapped there for reading.
#[allow(dead_code, reason = "until it is used")]
#[inline(always)]
pub(crate) unsafe fn make_executable(start: NonNull<u8>, len: usize) {
    // SAFETY: the caller vouches for the bytes, of which none changes.
    unsafe { arch::make_executable(start.as_ptr(), len) }
}
