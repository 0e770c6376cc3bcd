//! Executing a file.

use super::{
    filled,
    memfd::{REOPENED, Stat, open, open_from},
    number,
};
use crate::{
    arch,
    errno::Errno,
    fd::{BorrowedFd, OwnedFd},
};
use core::{
    ffi::{CStr, c_char},
    mem::MaybeUninit,
};
use linux_raw_sys::general as raw;

/// `e_machine` in the header of a program for this CPU.
pub(crate) const MACHINE: u16 = arch::MACHINE;

/// Executes the file in place of this program; returns only on failure.
///
/// # Safety
/// Both lists are of C strings and end in null.
#[inline]
pub(crate) unsafe fn execute(
    fd: BorrowedFd<'_>,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Errno {
    let (fd, path, flags) = (number(fd), c"".as_ptr(), raw::AT_EMPTY_PATH);
    // SAFETY: the path ends in NUL and is static; the caller vouches for the lists.
    Errno::from_failure(unsafe { arch::execveat(fd, path, args, env, flags) })
}

/// As [`execute`], by the file's path.
///
/// # Safety
/// Both lists are of C strings and end in null.
#[inline]
pub(crate) unsafe fn execute_path(
    path: &CStr,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Errno {
    // SAFETY: `path` ends in NUL; the caller vouches for the lists.
    Errno::from_failure(unsafe { arch::execve(path.as_ptr(), args, env) })
}

/// Asks whether the caller may [`execute`] the file, whatever its content.
///
/// # Safety
/// Both lists are of C strings and end in null.
#[inline]
pub(crate) unsafe fn may_execute(
    fd: BorrowedFd<'_>,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Result<(), Errno> {
    let (fd, path) = (number(fd), c"".as_ptr());
    let flags = raw::AT_EMPTY_PATH | raw::AT_EXECVE_CHECK;
    // SAFETY: the path ends in NUL and is static; the caller vouches for the lists. With
    // this flag nothing is executed.
    Errno::decode_unit(unsafe { arch::execveat(fd, path, args, env, flags) })
}

/// Finds the directory at `path`, which is absolute. It is not opened for anything.
#[inline(always)]
pub(crate) fn find_directory(path: &CStr) -> Result<OwnedFd, Errno> {
    open(path, raw::O_PATH | raw::O_DIRECTORY)
}

/// Opens `path` from this directory, as [`REOPENED`] says.
#[inline(always)]
pub(crate) fn reopen_at(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    open_from(number(directory), path, REOPENED)
}

/// Asks what `path` leads to from this directory. Nothing is opened.
#[inline(always)]
pub(crate) fn stat_at(directory: BorrowedFd<'_>, path: &CStr) -> Result<Stat, Errno> {
    super::memfd::stat_from(number(directory), path, 0)
}

/// Whether there is a symbolic link at `path` in this directory.
#[inline(always)]
pub(crate) fn is_link(directory: BorrowedFd<'_>, path: &CStr) -> Result<bool, Errno> {
    let found = super::memfd::stat_from(number(directory), path, raw::AT_SYMLINK_NOFOLLOW)?;
    Ok(found.mode & raw::S_IFMT == raw::S_IFLNK)
}

/// The number of the mount that `path` from this directory, or the directory itself, lies in.
/// `None` if the kernel does not tell: before Linux 5.8, or in a sandbox.
#[inline(always)]
pub(crate) fn mount_of(directory: BorrowedFd<'_>, path: &CStr) -> Option<u64> {
    let flags = raw::AT_EMPTY_PATH | raw::AT_SYMLINK_NOFOLLOW;
    let (directory, path, mask) = (number(directory), path.as_ptr(), raw::STATX_MNT_ID);
    let mut room = MaybeUninit::<raw::statx>::uninit();
    let start = room.as_mut_ptr();
    // An emulator may write less than the kernel does.
    // SAFETY: the field is within `room`.
    let id = unsafe { &raw mut (*start).stx_mnt_id };
    // SAFETY: as above, and nobody else has `room`.
    unsafe { id.write(0) };
    // SAFETY: the path ends in NUL and outlives the call, which only reads it. `room` is large
    // enough for the structure that the kernel writes.
    Errno::decode_unit(unsafe { arch::statx(directory, path, flags, mask, start) }).ok()?;
    // SAFETY: the kernel has said that it wrote the structure, which begins with the mask.
    let known = unsafe { start.cast::<u32>().read() };
    // SAFETY: written above.
    (known & mask != 0).then(|| unsafe { id.read() })
}

/// Reads the link at `path` in this directory: as many bytes of it as there is room for.
#[inline(always)]
pub(crate) fn read_link<'a>(
    directory: BorrowedFd<'_>,
    path: &CStr,
    room: &'a mut [MaybeUninit<u8>],
) -> Result<&'a [u8], Errno> {
    let (directory, path, start) = (number(directory), path.as_ptr(), room.as_mut_ptr().cast());
    // SAFETY: the path ends in NUL and outlives the call, which only reads it. The kernel writes at
    // most `len` bytes to `room`, borrowed for the call.
    let returned = unsafe { arch::readlinkat(directory, path, start, room.len()) };
    // SAFETY: the kernel has said how many bytes it wrote.
    unsafe { filled(room, returned) }
}
