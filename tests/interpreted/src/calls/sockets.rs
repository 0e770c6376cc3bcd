//! Sockets, and waiting.

use super::calls;
use crate::{
    kernel::{Object, enter, enter_waiting},
    socket::Socket,
};
use linux_raw_sys::{
    general::{__kernel_timespec, POLLIN, POLLRDHUP, pollfd},
    net,
};
use std::{
    ffi::c_void,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// The types of sockets.
const KINDS: u32 = 0xf;

/// # Safety
/// `time` is null, or points to one.
unsafe fn duration(time: *const __kernel_timespec) -> Option<Duration> {
    if time.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
    let time = unsafe { time.read() };
    assert!(
        (0..1_000_000_000).contains(&time.tv_nsec),
        "a time is normal"
    );
    Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

fn since_start() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[unsafe(export_name = "owned_memfd_recvmsg")]
unsafe fn recvmsg(socket: u32, message: *mut net::msghdr, flags: u32) -> usize {
    enter_waiting("recvmsg", None, |kernel| {
        // SAFETY: the library has filled in the message, and has the room that it names.
        unsafe { kernel.receive(socket, message, flags) }
    })
}

#[unsafe(export_name = "owned_memfd_ppoll")]
unsafe fn ppoll(
    entries: *mut pollfd,
    count: usize,
    time: *mut __kernel_timespec,
    signals: *const u64,
    _size: usize,
) -> usize {
    assert!(
        count == 1 && signals.is_null(),
        "the library asks for no more"
    );
    // SAFETY: the library has one there.
    let timeout = unsafe { duration(time) };
    let start = Instant::now();
    // SAFETY: as above.
    let mut entry = unsafe { entries.read() };
    let returned = enter_waiting("ppoll", timeout, |kernel| {
        let open = match kernel.get(entry.fd as u32) {
            Ok(open) => open,
            Err(errno) => return Some(Err(errno)),
        };
        let socket = match open.socket() {
            Ok(socket) => socket,
            Err(errno) => return Some(Err(errno)),
        };
        entry.revents = 0;
        if socket.is_readable() {
            entry.revents |= POLLIN as i16;
        }
        if socket.has_ended() {
            entry.revents |= POLLRDHUP as i16;
        }
        (entry.revents != 0).then_some(Ok(1))
    });
    enter("ppoll's entry", |kernel| {
        // SAFETY: the library has one there.
        unsafe { kernel.write("ppoll", entries, entry) };
        Ok(0)
    });
    if let Some(timeout) = timeout {
        let left = timeout.saturating_sub(start.elapsed());
        let left = __kernel_timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        // SAFETY: the library has one there, and the kernel writes what is left.
        unsafe { time.write(left) };
    }
    // No entry is ready.
    if returned == (libc::ETIMEDOUT as usize).wrapping_neg() {
        return 0;
    }
    returned
}

#[unsafe(export_name = "owned_memfd_futex")]
unsafe fn futex(
    word: *const u32,
    operation: u32,
    value: u32,
    timeout: *const __kernel_timespec,
) -> usize {
    let key = word.addr();
    if operation == libc::FUTEX_WAKE as u32 {
        return enter("futex", |kernel| {
            let Some((waiting, woken)) = kernel.waiters.get_mut(&key) else {
                return Ok(0);
            };
            let count = (*waiting - *woken).min(value as usize);
            *woken += count;
            Ok(count)
        });
    }
    // SAFETY: the library has one there, or null.
    let timeout = unsafe { duration(timeout) };
    let mut is_waiting = false;
    let returned = enter_waiting("futex", timeout, |kernel| {
        if !is_waiting {
            // SAFETY: the library has a number there, which others may write.
            let number = unsafe { AtomicU32::from_ptr(word.cast_mut()) };
            if number.load(SeqCst) != value {
                return Some(Err(libc::EAGAIN));
            }
            kernel.waiters.entry(key).or_default().0 += 1;
            is_waiting = true;
            return None;
        }
        let (_, woken) = kernel.waiters.get_mut(&key)?;
        *woken = woken.checked_sub(1)?;
        Some(Ok(0))
    });
    if is_waiting {
        enter("futex's end", |kernel| {
            let (waiting, _) = kernel.waiters.get_mut(&key).ok_or(libc::EINVAL)?;
            *waiting -= 1;
            Ok(0)
        });
    }
    returned
}

#[unsafe(export_name = "owned_memfd_nanosleep")]
unsafe fn nanosleep(time: *const __kernel_timespec, rest: *mut __kernel_timespec) -> usize {
    assert!(rest.is_null(), "the library asks for no rest");
    // SAFETY: the library has one there.
    thread::sleep(unsafe { duration(time) }.unwrap());
    0
}

calls! {
    fn clock_gettime(kernel; _clock: u32, time: *mut __kernel_timespec) {
        let now = since_start();
        let now = __kernel_timespec {
            tv_sec: now.as_secs() as i64,
            tv_nsec: now.subsec_nanos().into(),
        };
        // SAFETY: the library has the room.
        unsafe { kernel.write("clock_gettime", time, now) };
        Ok(0)
    }
    fn socket(kernel; family: u32, kind: u32, _protocol: u32) {
        if family != net::AF_UNIX {
            return Err(libc::EAFNOSUPPORT);
        }
        let close_on_exec = kind & libc::SOCK_CLOEXEC as u32 != 0;
        let socket = Socket::new(kind & KINDS);
        kernel.open(Object::Socket(socket), libc::O_RDWR as u32, close_on_exec)
    }
    fn socketpair(kernel; _family: u32, kind: u32, _protocol: u32, pair: *mut u32) {
        let close_on_exec = kind & libc::SOCK_CLOEXEC as u32 != 0;
        let mut numbers = [0; 2];
        for (number, socket) in numbers.iter_mut().zip(Socket::pair(kind & KINDS)) {
            let open = kernel.open(Object::Socket(socket), libc::O_RDWR as u32, close_on_exec)?;
            *number = open as u32;
        }
        // SAFETY: the library has room for two.
        unsafe { kernel.write("socketpair", pair.cast::<[u32; 2]>(), numbers) };
        Ok(0)
    }
    fn getsockopt(kernel; socket: u32, level: u32, option: u32, value: *mut c_void, len: *mut u32) {
        let open = kernel.get(socket)?;
        let socket = open.socket()?;
        // SAFETY: the library says how much room it has.
        if level != net::SOL_SOCKET || unsafe { len.read() } != 4 {
            return Err(libc::EINVAL);
        }
        let found = match option {
            net::SO_DOMAIN => net::AF_UNIX,
            net::SO_TYPE => socket.kind,
            _ => return Err(libc::ENOPROTOOPT),
        };
        // SAFETY: as above.
        unsafe { kernel.write("getsockopt", value.cast(), found) };
        Ok(0)
    }
    fn sendmsg(kernel; socket: u32, message: *const net::msghdr, _flags: u32) {
        // SAFETY: the library has filled in the message.
        unsafe { kernel.send(socket, message) }
    }
}
