//! Transfers into uninitialized memory, and within the kernel.

use super::{filled, number};
use crate::{arch, errno::Errno, fd::BorrowedFd};
use core::{mem::MaybeUninit, ptr};
use linux_raw_sys::general as raw;

/// Reads at the offset into uninitialized memory, and returns the part that is now initialized.
#[inline(always)]
pub(crate) fn read_uninit<'a>(
    fd: BorrowedFd<'_>,
    buffer: &'a mut [MaybeUninit<u8>],
) -> Result<&'a [u8], Errno> {
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    let returned = unsafe { arch::read(number(fd), start, buffer.len()) };
    // SAFETY: the kernel has said how many bytes it wrote.
    unsafe { filled(buffer, returned) }
}

/// Reads at `offset` into uninitialized memory, and returns the part that is now initialized.
#[inline(always)]
pub(crate) fn read_at_uninit<'a>(
    fd: BorrowedFd<'_>,
    buffer: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> Result<&'a [u8], Errno> {
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    let returned = unsafe { arch::pread(number(fd), start, buffer.len(), offset) };
    // SAFETY: the kernel has said how many bytes it wrote.
    unsafe { filled(buffer, returned) }
}

/// How long a file may become that this process writes: `RLIMIT_FSIZE`.
#[inline(always)]
pub(crate) fn file_len_limit() -> Result<u64, Errno> {
    let mut room = MaybeUninit::<raw::rlimit64>::uninit();
    // SAFETY: the kernel reads nothing, and `room` is large enough for the structure that it
    // writes.
    Errno::decode_unit(unsafe {
        arch::prlimit64(0, raw::RLIMIT_FSIZE, ptr::null(), room.as_mut_ptr())
    })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    Ok(unsafe { room.assume_init_ref() }.rlim_cur)
}

/// Copies within the kernel, from the offset of `source` to that of `target`.
#[inline(always)]
pub(crate) fn copy_file_range(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    let (from, to) = (number(source), number(target));
    let at = ptr::null_mut();
    // SAFETY: null offsets mean the descriptors' own; there is no other pointer.
    Errno::decode(unsafe { arch::copy_file_range(from, at, to, at, len, 0) })
}

/// Copies within the kernel, from `offset`, which it moves, to the same place in `target`.
#[inline(always)]
pub(crate) fn copy_file_range_at(
    source: BorrowedFd<'_>,
    offset: &mut u64,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    let (from, to) = (number(source), number(target));
    let mut same = *offset;
    // SAFETY: the kernel reads and writes the two offsets, borrowed for the call.
    Errno::decode(unsafe { arch::copy_file_range(from, offset, to, &raw mut same, len, 0) })
}

/// Copies within the kernel, from the offset of `source` to that of `target`.
#[inline(always)]
pub(crate) fn sendfile(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    // SAFETY: a null offset means the descriptor's own; there is no other pointer.
    Errno::decode(unsafe { arch::sendfile(number(target), number(source), ptr::null_mut(), len) })
}

/// Copies within the kernel, from a pipe to the offset of `target`.
#[inline(always)]
pub(crate) fn splice(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    let (from, to) = (number(source), number(target));
    let at = ptr::null_mut();
    // SAFETY: null offsets mean the descriptors' own; there is no other pointer.
    Errno::decode(unsafe { arch::splice(from, at, to, at, len, 0) })
}
