//! Mappings.

use super::number;
use crate::{arch, errno::Errno, fd::BorrowedFd};
use core::ptr::NonNull;
use linux_raw_sys::general as raw;

/// Maps `len` bytes of the file from `offset`: at `hint` if there is room, else where the kernel
/// likes.
#[inline(always)]
pub(crate) fn map(
    fd: BorrowedFd<'_>,
    hint: *mut u8,
    len: usize,
    protection: u32,
    flags: u32,
    offset: u64,
) -> Result<NonNull<u8>, Errno> {
    // SAFETY: without MAP_FIXED a new mapping replaces no other.
    Errno::decode_pointer(unsafe { arch::mmap(hint, len, protection, flags, number(fd), offset) })
}

/// Maps `len` bytes of the file from `offset` in place of what is mapped at `start`.
///
/// # Safety
/// The caller owns the mapping of `len` bytes at `start`, and nothing refers into it.
#[inline(always)]
pub(crate) unsafe fn map_over(
    start: NonNull<u8>,
    fd: BorrowedFd<'_>,
    len: usize,
    protection: u32,
    flags: u32,
    offset: u64,
) -> Result<NonNull<u8>, Errno> {
    let flags = flags | raw::MAP_FIXED;
    // SAFETY: the caller owns what this replaces, and promises that nothing refers into it.
    Errno::decode_pointer(unsafe {
        arch::mmap(start.as_ptr(), len, protection, flags, number(fd), offset)
    })
}

/// Lengthens the mapping of `len` bytes at `start`, and moves it if there is no room.
///
/// # Safety
/// The caller owns the mapping, and nothing refers into it.
#[inline(always)]
pub(crate) unsafe fn lengthen(
    start: NonNull<u8>,
    len: usize,
    new_len: usize,
) -> Result<NonNull<u8>, Errno> {
    // SAFETY: the caller owns the mapping, and promises that nothing refers into it. Without
    // MREMAP_FIXED it takes no other's place.
    Errno::decode_pointer(unsafe {
        arch::mremap(start.as_ptr(), len, new_len, raw::MREMAP_MAYMOVE)
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
#[inline(always)]
pub(crate) unsafe fn make_executable(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: the caller vouches for the bytes, of which none changes.
    Errno::decode_unit(unsafe { arch::make_executable(start.as_ptr(), len) })
}
