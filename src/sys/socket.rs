//! Sockets: one, a pair of them, and messages with control data.

use super::{number, take};
use crate::{
    arch,
    errno::Errno,
    fd::{self, BorrowedFd, OwnedFd},
};
use core::{
    mem::{MaybeUninit, offset_of},
    ptr,
};
use linux_raw_sys::{general as raw, net};

/// Makes a Unix socket of this type (such as `SOCK_DGRAM`), close-on-exec.
#[inline(always)]
pub(crate) fn socket(kind: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointers.
    let returned = unsafe { arch::socket(net::AF_UNIX, kind | raw::O_CLOEXEC, 0) };
    // SAFETY: `socket` makes a descriptor.
    unsafe { take(returned) }
}

/// Makes two connected Unix sockets of this type (such as `SOCK_STREAM`), close-on-exec.
#[inline(always)]
pub(crate) fn socket_pair(kind: u32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut pair = [0; 2];
    let kind = kind | raw::O_CLOEXEC;
    // SAFETY: `pair` has room for the two numbers that the kernel writes.
    Errno::decode_unit(unsafe { arch::socketpair(net::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
    let [one, other] = pair;
    // SAFETY: the kernel has just made this descriptor and given it to us alone.
    let one = unsafe { fd::take(one) };
    // SAFETY: as above.
    let other = unsafe { fd::take(other) };
    Ok((one, other))
}

/// The address family of a socket: `AF_UNIX` and the like.
#[inline]
pub(crate) fn family(socket: BorrowedFd<'_>) -> Result<u32, Errno> {
    option(socket, net::SO_DOMAIN)
}

/// The type of a socket: `SOCK_STREAM` and the like.
#[inline]
pub(crate) fn kind(socket: BorrowedFd<'_>) -> Result<u32, Errno> {
    option(socket, net::SO_TYPE)
}

/// An option that is a number.
fn option(socket: BorrowedFd<'_>, option: u32) -> Result<u32, Errno> {
    let (mut found, mut len) = (0_u32, size_of::<u32>() as u32);
    let (level, value) = (net::SOL_SOCKET, (&raw mut found).cast());
    // SAFETY: `found` has as much room as `len` says. The kernel writes to both at most.
    let returned = unsafe { arch::getsockopt(number(socket), level, option, value, &raw mut len) };
    Errno::decode_unit(returned)?;
    Ok(found)
}

/// Sends bytes with control data. A socket without a reader is an error, not a signal.
#[inline]
pub(crate) fn send_message(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    control: &[MaybeUninit<u8>],
) -> Result<usize, Errno> {
    let mut part = part(bytes);
    let message = message(&mut part, control.as_ptr().cast_mut(), control.len());
    // SAFETY: the kernel reads the message, its one part and the control data, which all
    // outlive the call; `sendmsg` writes nothing.
    Errno::decode(unsafe { arch::sendmsg(number(socket), &raw const message, net::MSG_NOSIGNAL) })
}

/// The length of the path in an address.
const ADDRESS: usize = net::UNIX_PATH_MAX as usize;

/// `struct sockaddr_un`, include/uapi/linux/un.h. Of the path only what is sent is written.
#[repr(C)]
struct Address {
    family: u16,
    path: [MaybeUninit<u8>; ADDRESS],
}

/// Sends bytes with control data to the socket of this name: a path, or an abstract name.
#[inline]
pub(crate) fn send_message_to(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    control: &[MaybeUninit<u8>],
    name: &[u8],
    is_abstract: bool,
) -> Result<usize, Errno> {
    // Made where it stays. Moved, it would be a call of `memcpy`.
    let mut address = Address {
        family: net::AF_UNIX as u16,
        path: [const { MaybeUninit::uninit() }; ADDRESS],
    };
    // A NUL stands before an abstract name, and after a path.
    let (nul, start) = if is_abstract { (0, 1) } else { (name.len(), 0) };
    let fits = address.path.get_mut(nul).filter(|_| name.len() < ADDRESS);
    fits.ok_or(Errno::ENAMETOOLONG)?.write(0);
    let room = address.path.get_mut(start..).unwrap_or_default();
    // SAFETY: `room` is `ADDRESS` bytes long or one less, and `name` at least one less. No byte of
    // one is part of the other.
    unsafe { arch::copy(room.as_mut_ptr().cast(), name.as_ptr(), name.len()) };

    let mut part = part(bytes);
    let mut message = message(&mut part, control.as_ptr().cast_mut(), control.len());
    message.msg_name = (&raw mut address).cast();
    message.msg_namelen = (offset_of!(Address, path) + name.len() + 1) as i32;
    // SAFETY: the kernel reads the message, its one part, the control data and so many bytes of
    // the address, which have been written. All of them outlive the call; `sendmsg` writes
    // nothing.
    Errno::decode(unsafe { arch::sendmsg(number(socket), &raw const message, net::MSG_NOSIGNAL) })
}

/// How much [`receive_message`] wrote, and the `MSG_` flags.
pub(crate) struct Received {
    pub(crate) len: usize,
    pub(crate) control: usize,
    pub(crate) flags: u32,
}

/// Receives bytes with control data, as the `MSG_` flags say. Descriptors are close-on-exec from
/// the start.
#[inline]
pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [MaybeUninit<u8>],
    flags: u32,
) -> Result<Received, Errno> {
    let mut part = raw::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len() as _,
    };
    let mut message = message(&mut part, control.as_mut_ptr(), control.len());
    // SAFETY: the kernel writes at most as much to the one part and to the control buffer as
    // the message says that there is room; both, and the message, outlive the call.
    let returned = unsafe {
        arch::recvmsg(
            number(socket),
            &raw mut message,
            flags | net::MSG_CMSG_CLOEXEC,
        )
    };
    let len = Errno::decode(returned)?;
    let (control, flags) = (message.msg_controllen, message.msg_flags);
    Ok(Received {
        len,
        control,
        flags,
    })
}

/// Waits until there is something to receive, or the end of it, or a signal, for so many
/// nanoseconds at most. Returns whether nothing more can come after what is there.
#[inline]
pub(crate) fn wait_readable(socket: BorrowedFd<'_>, nanoseconds: u64) -> Result<bool, Errno> {
    let mut entry = raw::pollfd {
        fd: number(socket) as i32,
        events: (raw::POLLIN | raw::POLLRDHUP) as i16,
        revents: 0,
    };
    let mut time = raw::__kernel_timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    };
    // SAFETY: the kernel reads and writes one entry and the time, which outlive the call. There is
    // no set of signals.
    let returned = unsafe {
        arch::ppoll(
            &raw mut entry,
            1,
            &raw mut time,
            ptr::null(),
            size_of::<u64>(),
        )
    };
    Errno::decode_unit(returned)?;
    Ok(entry.revents as u32 & raw::POLLRDHUP != 0)
}

/// Bytes that are sent, as the kernel describes them.
fn part(bytes: &[u8]) -> raw::iovec {
    raw::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len() as _,
    }
}

fn message(
    part: &mut raw::iovec,
    control: *mut MaybeUninit<u8>,
    control_len: usize,
) -> net::msghdr {
    net::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: ptr::from_mut(part).cast(),
        msg_iovlen: 1,
        msg_control: control.cast(),
        msg_controllen: control_len,
        msg_flags: 0,
    }
}
