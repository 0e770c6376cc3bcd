//! What is asked of the kernel about this process, and the calls that rustix lacks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    fs, io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
};

/// How many descriptors are open.
pub fn open_descriptors() -> usize {
    // One of them is the directory's.
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// A file of `memfd_secret`, where the kernel has them.
pub fn secret_memory() -> Option<OwnedFd> {
    // SAFETY: no pointers.
    let number = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let number = i32::try_from(number).ok().filter(|number| *number >= 0)?;
    // SAFETY: the kernel has just made this descriptor and given it to us alone.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends bytes and control data as they are, without waiting.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], control: &[u8]) -> io::Result<usize> {
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let message = libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: &raw mut part,
        msg_iovlen: 1,
        msg_control: control.as_ptr().cast_mut().cast(),
        msg_controllen: control.len(),
        msg_flags: 0,
    };
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the kernel reads the message, its part and its control data, and writes nothing.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Runs `body` while this process may open only so many descriptors more.
pub fn with_room_for<T>(more: Option<u8>, body: impl FnOnce() -> T) -> T {
    let Some(more) = more else { return body() };
    let before = getrlimit(Resource::Nofile);
    let next = fs::File::open("/").map_or(0, |file| file.as_raw_fd().unsigned_abs());
    let fewer = Rlimit {
        current: Some(u64::from(next) + u64::from(more)),
        maximum: before.maximum,
    };
    let is_set = setrlimit(Resource::Nofile, fewer).is_ok();
    let result = body();
    if is_set {
        setrlimit(Resource::Nofile, before).expect("a limit that was allowed is allowed");
    }
    result
}

/// Sets an option of a socket that is a switch, where the kernel knows it.
pub fn switch_on(socket: BorrowedFd<'_>, option: i32) {
    let on = 1_i32;
    let (value, len) = (ptr::from_ref(&on).cast(), size_of_val(&on));
    let len = libc::socklen_t::try_from(len).unwrap_or_default();
    // SAFETY: the kernel reads the number, which has that length.
    let _ = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, len) };
}
