//! Executing a file.

use super::number;
use crate::{arch, errno::Errno, fd::BorrowedFd};
use core::ffi::{CStr, c_char};
use linux_raw_sys::general as raw;

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
