//! Sends and receives memory files and other descriptors over Unix sockets.
//!
//! - [`SealedMemFd::send`] and [`SealedMemFd::receive`] send a file, and receive and verify one.
//!   [`OwnedMemFd`] has both for files that both sides write.
//! - [`send`] and [`receive`] also carry bytes, and up to [`MAX_DESCRIPTORS`] descriptors.
//! - [`send_to`] sends to an address, as journald wants it.
//!
//! Control data is built and parsed on the stack. Every descriptor that a message brings is owned
//! from the moment it is found, so that none leaks.
//!
//! # Closing what a stranger sent
//! Closing a descriptor can wait, and as long as its sender likes: that of a file of FUSE for
//! whoever serves it, and the last one of a TCP socket for as long as its `SO_LINGER` says. That of
//! a memory file waits for nobody. This crate closes what came and is not returned, and you close
//! what was rejected. No timeout limits either: a thread that must never wait lets another one
//! receive.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    fd::{self, AsFd, AsRawFd, BorrowedFd, OwnedFd},
    memfd::OwnedMemFd,
    options::Name,
    proof::VerifyError,
    sealed::SealedMemFd,
    sys,
};
use core::{fmt, mem::MaybeUninit, ptr, slice, time::Duration};
use linux_raw_sys::net;

/// The most descriptors that one message carries: the kernel's `SCM_MAX_FD`.
#[doc(alias = "SCM_MAX_FD")]
pub const MAX_DESCRIPTORS: usize = 253;

/// `SCM_PIDFD`, include/linux/socket.h: the kernel adds a descriptor of the sender's process to
/// a message if the receiver asked for it with `SO_PASSPIDFD`. Since Linux 6.5.
const SCM_PIDFD: u32 = 4;

/// Room for other control messages that a socket may be set to bring: credentials, a security
/// label, a time stamp.
const OTHER_MESSAGES: usize = 512;

/// One control message of descriptors, as the kernel defines it.
#[repr(C, align(8))]
struct Rights<const N: usize> {
    header: MaybeUninit<net::cmsghdr>,
    numbers: [MaybeUninit<i32>; N],
}

impl<const N: usize> Rights<N> {
    /// `CMSG_LEN`: without the padding after an odd number of descriptors, which has room for one
    /// more.
    const LEN: usize = size_of::<net::cmsghdr>() + N * size_of::<i32>();

    // Filled where it stays. Moved, it would be a call of `memcpy`.
    #[inline(always)]
    const fn new() -> Self {
        Self {
            header: MaybeUninit::uninit(),
            numbers: [const { MaybeUninit::uninit() }; N],
        }
    }

    /// Makes it the message that sends these descriptors, as the kernel takes it. Without
    /// descriptors there is none.
    #[inline(always)]
    fn fill(&mut self, descriptors: &[BorrowedFd<'_>; N]) -> &[MaybeUninit<u8>] {
        const {
            assert!(
                N <= MAX_DESCRIPTORS,
                "the kernel takes 253 descriptors at most"
            );
        };
        self.header.write(net::cmsghdr {
            cmsg_len: Self::LEN,
            cmsg_level: net::SOL_SOCKET as i32,
            cmsg_type: net::SCM_RIGHTS as i32,
        });
        for (number, descriptor) in self.numbers.iter_mut().zip(descriptors) {
            number.write(descriptor.as_raw_fd());
        }
        let len = if N == 0 { 0 } else { Self::LEN };
        // SAFETY: this has at least that many bytes, and any byte is a `MaybeUninit<u8>`.
        unsafe { slice::from_raw_parts(ptr::from_ref(self).cast(), len) }
    }
}

/// The type of a Unix socket: a stream, datagrams or sequenced packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketType {
    /// A stream of bytes without boundaries: `SOCK_STREAM`.
    #[doc(alias = "SOCK_STREAM")]
    Stream,
    /// Messages; one that does not fit is truncated: `SOCK_DGRAM`. A receiver does not notice
    /// that the other side has closed, and waits for ever.
    #[doc(alias = "SOCK_DGRAM")]
    Datagram,
    /// Messages, on a connection whose end the receiver notices: `SOCK_SEQPACKET`.
    #[doc(alias = "SOCK_SEQPACKET")]
    SeqPacket,
}

/// Makes two connected Unix sockets, close-on-exec.
///
/// ```
/// use owned_memfd::{SealedMemFd, socket};
///
/// let (here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
/// SealedMemFd::copy_from_slice(c"note", b"hello")?.send(&here)?;
///
/// let received = SealedMemFd::receive(&there, 1 << 20)?;
/// assert_eq!(&received.map()?[..], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
///
/// See [`socketpair(2)`](https://man7.org/linux/man-pages/man2/socketpair.2.html).
#[doc(alias = "socketpair")]
#[doc(alias = "AF_UNIX")]
#[doc(alias = "SOCK_CLOEXEC")]
pub fn socket_pair(socket_type: SocketType) -> Result<(OwnedFd, OwnedFd), Errno> {
    sys::socket::socket_pair(match socket_type {
        SocketType::Stream => net::SOCK_STREAM,
        SocketType::Datagram => net::SOCK_DGRAM,
        SocketType::SeqPacket => net::SOCK_SEQPACKET,
    })
}

/// Makes a datagram socket for [`send_to`], without a name or a peer, close-on-exec.
///
/// # Errors
/// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
///
/// See [`socket(2)`](https://man7.org/linux/man-pages/man2/socket.2.html).
#[doc(alias = "socket")]
#[doc(alias = "SOCK_DGRAM")]
#[doc(alias = "AF_UNIX")]
pub fn datagram_socket() -> Result<OwnedFd, Errno> {
    sys::socket::socket(net::SOCK_DGRAM)
}

/// The address of a Unix socket, for [`send_to`]: a path or an abstract name.
///
/// `Display` prints an abstract name with an `@` before it.
///
/// ```
/// use owned_memfd::socket::{AddressError, SocketAddr};
///
/// let journal = SocketAddr::from_pathname("/run/systemd/journal/socket")?;
/// assert_eq!(journal.to_string(), "/run/systemd/journal/socket");
/// assert_eq!(SocketAddr::from_abstract_name("service")?.to_string(), "@service");
/// assert_eq!(SocketAddr::from_pathname("a\0b"), Err(AddressError::HasNul { at: 1 }));
/// # Ok::<(), AddressError>(())
/// ```
#[doc(alias = "sockaddr_un")]
#[doc(alias = "AF_UNIX")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketAddr<'a> {
    // At most `LONGEST` bytes.
    name: &'a [u8],
    kind: AddressKind,
}

// A whole word. What is after a `bool` in an address would be copied by a call of `memcpy` on
// riscv64, which a program without libc need not have.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
enum AddressKind {
    Pathname,
    Abstract,
}

/// The longest path or abstract name of a socket. The address has one byte more, for a NUL.
const LONGEST: usize = net::UNIX_PATH_MAX as usize - 1;

impl<'a> SocketAddr<'a> {
    /// The address of a socket that is bound to this path: a `&str`, or what else [`Name`] says.
    ///
    /// # Errors
    /// Nothing is asked of the kernel: whether there is such a socket, sending shows.
    /// - [`AddressError::Empty`]: the path has no byte.
    /// - [`AddressError::TooLong`]: it has more than 107 bytes.
    /// - [`AddressError::HasNul`]: there is a NUL in it, at which the kernel would cut it.
    #[doc(alias = "UNIX_PATH_MAX")]
    pub fn from_pathname(path: impl Name + 'a) -> Result<Self, AddressError> {
        let address = Self::from_bytes(path.into_slice(), AddressKind::Pathname)?;
        if address.name.is_empty() {
            return Err(AddressError::Empty);
        }
        match address.name.iter().position(|&byte| byte == 0) {
            Some(at) => Err(AddressError::HasNul { at }),
            None => Ok(address),
        }
    }

    /// The address of a socket with this abstract name: any bytes, also none, or what else
    /// [`Name`] says.
    ///
    /// It belongs to no file system, but to the network namespace. Anybody there may take it.
    ///
    /// # Errors
    /// - [`AddressError::TooLong`]: the name has more than 107 bytes.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    pub fn from_abstract_name(name: impl Name + 'a) -> Result<Self, AddressError> {
        Self::from_bytes(name.into_slice(), AddressKind::Abstract)
    }

    fn is_abstract(self) -> bool {
        self.kind == AddressKind::Abstract
    }

    fn from_bytes(name: &'a [u8], kind: AddressKind) -> Result<Self, AddressError> {
        let (len, max_len) = (name.len(), LONGEST);
        if len > max_len {
            return Err(AddressError::TooLong { len, max_len });
        }
        Ok(Self { name, kind })
    }
}

impl fmt::Display for SocketAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.is_abstract() { "@" } else { "" };
        write!(f, "{at}{}", self.name.escape_ascii())
    }
}

impl fmt::Debug for SocketAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_abstract() {
            "abstract"
        } else {
            "pathname"
        };
        write!(f, "\"{}\" ({kind})", self.name.escape_ascii())
    }
}

/// Why a path or a name is not the address of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The path is empty.
    Empty,
    /// The path or the name is longer than an address.
    TooLong {
        /// Its length, in bytes.
        len: usize,
        /// The most bytes that it may have.
        max_len: usize,
    },
    /// There is a NUL in the path.
    HasNul {
        /// How many bytes stand before it.
        at: usize,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the path of the socket is empty"),
            Self::TooLong { len, max_len } => write!(
                f,
                "the address of the socket has {len} bytes, and {max_len} are allowed"
            ),
            Self::HasNul { at } => write!(f, "the path of the socket has a NUL at byte {at}"),
        }
    }
}

impl core::error::Error for AddressError {}

impl From<AddressError> for Errno {
    /// `TooLong` is `ENAMETOOLONG`, the others are `EINVAL`.
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::TooLong { .. } => Self::ENAMETOOLONG,
            AddressError::Empty | AddressError::HasNul { .. } => Self::EINVAL,
        }
    }
}

/// Sends bytes and descriptors over a connected Unix socket, and returns how many bytes were sent.
///
/// A file lends its descriptor by [`as_fd`](AsFd::as_fd). [`ReceivedFds`] shows the other side.
///
/// ```
/// use owned_memfd::{SealedMemFd, fd::AsFd, socket};
///
/// let (here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
/// let sealed = SealedMemFd::copy_from_slice(c"image", b"pixels")?;
/// assert_eq!(socket::send(&here, b"draw", &[sealed.as_fd()])?, 4);
/// # drop(there);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A stream may accept only part of `bytes`. The descriptors travel with the first byte, so send
/// the rest without them. Messages can carry descriptors without a byte. A stream cannot: that is
/// an error here. Without descriptors, sending no byte over a stream does nothing.
///
/// More than [`MAX_DESCRIPTORS`] do not compile:
///
/// ```compile_fail
/// use owned_memfd::{fd::AsFd, socket};
///
/// let (here, _there) = socket::socket_pair(socket::SocketType::SeqPacket).unwrap();
/// socket::send(&here, b"x", &[here.as_fd(); 254]).unwrap();
/// ```
///
/// A socket that is not a Unix socket would lose the descriptors without an error. So with
/// descriptors, this first asks for the socket's family (`SO_DOMAIN`) and, with descriptors and no
/// byte, for its type (`SO_TYPE`).
///
/// # Errors
/// - `EAFNOSUPPORT`: with descriptors, and the socket is not a Unix socket. Nothing was sent. If
///   the family cannot be asked for, as in a sandbox, that is the error, and nothing was sent
///   either.
/// - `EAGAIN`: the socket is non-blocking and full.
/// - `EINTR`: a signal came before anything was sent.
/// - `EINVAL`: with descriptors but no byte, and the socket is a stream. Nothing was sent.
/// - `EMSGSIZE`: a message is longer than the socket allows.
/// - `ENOTCONN`: the socket is not connected.
/// - `ENOTSOCK`: it is no socket.
/// - `EPERM`: the other side takes no descriptors: its `SO_PASSRIGHTS` is off. Since Linux 6.16.
/// - `EPIPE`, `ECONNRESET`, and with datagrams `ECONNREFUSED` and then `ENOTCONN`: the other
///   side is closed. No `SIGPIPE` is raised.
/// - `ETOOMANYREFS`: this user has too many descriptors in flight.
///
/// See [`sendmsg(2)`](https://man7.org/linux/man-pages/man2/sendmsg.2.html) and
/// [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
#[doc(alias = "sendmsg")]
#[doc(alias = "SCM_RIGHTS")]
#[doc(alias = "MSG_NOSIGNAL")]
#[doc(alias = "SO_DOMAIN")]
pub fn send<const N: usize>(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>; N],
) -> Result<usize, Errno> {
    let socket = socket.as_fd();
    if N != 0 {
        check_unix(socket)?;
        if bytes.is_empty() && sys::socket::kind(socket)? == net::SOCK_STREAM {
            return Err(Errno::EINVAL);
        }
    }
    let mut rights = Rights::new();
    sys::socket::send_message(socket, bytes, rights.fill(descriptors))
}

/// Sends bytes and descriptors over a datagram socket to the socket of this address, and returns
/// how many bytes were sent.
///
/// The socket need not be connected or have a name: [`datagram_socket`] makes one that suffices.
/// `bytes` may be empty, also with descriptors. If the receiver's queue is full, this waits until
/// there is room, unless the socket is non-blocking or has an `SO_SNDTIMEO`.
///
/// This first asks for the socket's family and type (`SO_DOMAIN`, `SO_TYPE`): some other sockets
/// would ignore the address and send to their peer.
///
/// More than [`MAX_DESCRIPTORS`] do not compile.
///
/// ```no_run
/// use owned_memfd::{SealedMemFd, fd::AsFd, socket};
///
/// let file = SealedMemFd::copy_from_slice("request", b"what is to be done")?;
/// let service = socket::SocketAddr::from_pathname("/run/service/socket")?;
/// socket::send_to(socket::datagram_socket()?, b"please", &[file.as_fd()], service)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// - `EACCES`: no permission to write to the path's socket, or to search its directories.
/// - `EAFNOSUPPORT`: the socket is not a Unix socket. Nothing was sent. If the family or the type
///   cannot be asked for, as in a sandbox, that is the error, and nothing was sent either.
/// - `EAGAIN`: the socket is non-blocking, and the receiver's queue is full.
/// - `ECONNREFUSED`: no socket is bound to the address any more, or has this abstract name, or the
///   path is not one of a socket.
/// - `EINTR`: a signal came before anything was sent.
/// - `EMSGSIZE`: the message is longer than the socket allows.
/// - `ENOENT`, `ENOTDIR`, `ELOOP`: there is no such path.
/// - `ENOTSOCK`: `socket` is no socket.
/// - `EOPNOTSUPP`: it is a socket, but not for datagrams. Nothing was sent.
/// - `EPERM`: the receiver is connected to somebody else, or takes no descriptors: its
///   `SO_PASSRIGHTS` is off, since Linux 6.16.
/// - `EPIPE`: the receiver has ended its receiving. No `SIGPIPE` is raised.
/// - `EPROTOTYPE`: the socket of this address is not for datagrams.
/// - `ETOOMANYREFS`: this user has too many descriptors in flight.
///
/// See [`sendmsg(2)`](https://man7.org/linux/man-pages/man2/sendmsg.2.html) and
/// [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
#[doc(alias = "sendto")]
#[doc(alias = "sendmsg")]
#[doc(alias = "SCM_RIGHTS")]
pub fn send_to<const N: usize>(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>; N],
    to: SocketAddr<'_>,
) -> Result<usize, Errno> {
    let socket = socket.as_fd();
    check_unix(socket)?;
    if sys::socket::kind(socket)? != net::SOCK_DGRAM {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut rights = Rights::new();
    let control = rights.fill(descriptors);
    sys::socket::send_message_to(socket, bytes, control, to.name, to.is_abstract())
}

/// Only a Unix socket passes descriptors on. Others lose them without an error.
fn check_unix(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    match sys::socket::family(socket)? {
        net::AF_UNIX => Ok(()),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// Receives bytes and descriptors over a connected Unix socket, and returns how many bytes came.
///
/// The descriptors go into `descriptors`, which closes what it held before; [`ReceivedFds`] shows
/// how. There may be fewer than it has room for, and none at all. They are close-on-exec from the
/// start. Other control messages are skipped. After an error `descriptors` is empty: what came has
/// been closed, which [can wait](crate::socket#closing-what-a-stranger-sent).
///
/// `buffer` must not be empty, on any socket: receiving 0 bytes and no descriptor means that the
/// connection was closed. On a [`SocketType::SeqPacket`] socket an empty message looks the same, so
/// do not rely on it with an untrusted sender. On a datagram socket it is an empty message, and
/// `Ok(0)`; only for that, this asks for the socket's type (`SO_TYPE`) and polls it.
///
/// A stream may bring only a part of what was sent, and the descriptors with the first byte of
/// that. Receive the rest with other `descriptors`, such as a `ReceivedFds::<0>`, which accepts
/// none.
///
/// # Errors
/// - [`ReceiveError::Closed`]: the other side is closed and nothing is left.
/// - [`ReceiveError::TooManyDescriptors`]: more than `N` came.
/// - [`ReceiveError::ControlTruncated`]: descriptors or other control messages were lost. The
///   process has too many open files, or the socket is set to bring more than there is room for.
/// - [`ReceiveError::DataTruncated`]: a message was longer than `buffer`.
/// - `EAGAIN`: the socket is non-blocking and has nothing now, or its `SO_RCVTIMEO` has passed.
/// - `ECONNRESET`: the other side closed without reading what was sent to it. It is returned once;
///   then comes what the other side had sent, or the end.
/// - `EINTR`: a signal came before anything was received.
/// - `EINVAL`: `buffer` is empty, and nothing was received; or a [`SocketType::Stream`] socket is
///   not connected, but new, or listens.
/// - `ENOTCONN`: the same of a [`SocketType::SeqPacket`] socket.
///
/// See [`recvmsg(2)`](https://man7.org/linux/man-pages/man2/recvmsg.2.html) and
/// [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
#[doc(alias = "recvmsg")]
#[doc(alias = "SCM_RIGHTS")]
#[doc(alias = "MSG_CMSG_CLOEXEC")]
pub fn receive<const N: usize>(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut ReceivedFds<N>,
) -> Result<usize, ReceiveError> {
    Ok(receive_with(socket.as_fd(), buffer, descriptors, 0)?)
}

/// Receives bytes and descriptors over a connected Unix socket, and waits no longer than `timeout`.
///
/// It receives as [`receive`] does. The time is that in all, however many signals come: `EINTR`
/// does not end it. It does not matter whether the socket is non-blocking, or has an `SO_RCVTIMEO`.
/// Only closing descriptors for which there is no room [can take
/// longer](crate::socket#closing-what-a-stranger-sent).
/// If another reader takes the message first, this waits for the next one. With [`Duration::ZERO`],
/// it only takes what is there; with [`Duration::MAX`], it waits for ever.
///
/// ```
/// use owned_memfd::socket::{self, ReceiveError};
/// use std::time::Duration;
///
/// let (_here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
/// let mut fds = socket::ReceivedFds::<1>::new();
/// let result = socket::receive_timeout(&there, &mut [0], &mut fds, Duration::from_millis(10));
/// assert!(matches!(result, Err(ReceiveError::TimedOut)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`receive`], without `EAGAIN` and `EINTR`, and:
/// - [`ReceiveError::TimedOut`]: nothing came in time.
/// - [`ReceiveError::Closed`] is also returned for a datagram socket that has been shut down for
///   reading.
/// - `EINVAL`: also if it must wait and `RLIMIT_NOFILE` is 0.
///
/// See [`recvmsg(2)`](https://man7.org/linux/man-pages/man2/recvmsg.2.html) and
/// [`ppoll(2)`](https://man7.org/linux/man-pages/man2/ppoll.2.html).
#[doc(alias = "recvmsg")]
#[doc(alias = "ppoll")]
#[doc(alias = "deadline")]
#[doc(alias = "MSG_DONTWAIT")]
pub fn receive_timeout<const N: usize>(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut ReceivedFds<N>,
    timeout: Duration,
) -> Result<usize, ReceiveError> {
    Ok(receive_within(
        socket.as_fd(),
        buffer,
        descriptors,
        timeout,
    )?)
}

fn receive_within<const N: usize>(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    descriptors: &mut ReceivedFds<N>,
    timeout: Duration,
) -> Result<usize, Failed> {
    let mut wait = Wait::new(timeout);
    loop {
        // What is readable by the poll may be gone by now.
        let waited = match receive_with(socket, buffer, descriptors, net::MSG_DONTWAIT) {
            Err(Failed::Kernel(Errno::EAGAIN)) => wait.on(socket)?,
            // That says nothing about what is there.
            Err(Failed::Kernel(Errno::EINTR)) => wait.again()?,
            result => return result,
        };
        match waited {
            Waited::Readable => {}
            Waited::Over => return Err(Failed::TimedOut),
            Waited::Ended => return Err(Failed::Closed),
        }
    }
}

/// Waiting for a message for some time in all.
struct Wait {
    nanoseconds: u64,
    deadline: Option<u64>,
    // Nothing more comes.
    has_ended: bool,
}

/// Why waiting is over.
enum Waited {
    /// Perhaps there is a message.
    Readable,
    /// The time is over.
    Over,
    /// There is no message, and no more will come.
    Ended,
}

impl Wait {
    fn new(timeout: Duration) -> Self {
        // Saturated, it is some centuries.
        let nanoseconds = timeout.as_secs().saturating_mul(1_000_000_000);
        Self {
            nanoseconds: nanoseconds.saturating_add(timeout.subsec_nanos().into()),
            deadline: None,
            has_ended: false,
        }
    }

    /// Waits for what remains of the time. The socket has just had no message.
    fn on(&mut self, socket: BorrowedFd<'_>) -> Result<Waited, Errno> {
        if self.has_ended {
            return Ok(Waited::Ended);
        }
        let left = self.left()?;
        if left == 0 {
            return Ok(Waited::Over);
        }
        match sys::socket::wait_readable(socket, left) {
            Ok(has_ended) => self.has_ended = has_ended,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        Ok(Waited::Readable)
    }

    /// Does not wait. A signal has come before it was known whether there is a message.
    fn again(&mut self) -> Result<Waited, Errno> {
        Ok(match self.left()? {
            0 => Waited::Over,
            _ => Waited::Readable,
        })
    }

    /// What remains of the time, in nanoseconds. It is computed anew after each call: whoever can
    /// send signals, or take messages away, must not make it longer.
    fn left(&mut self) -> Result<u64, Errno> {
        if self.nanoseconds == 0 {
            return Ok(0);
        }
        let now = sys::sealing::clock()?;
        let deadline = *self
            .deadline
            .get_or_insert(now.saturating_add(self.nanoseconds));
        Ok(deadline.saturating_sub(now))
    }
}

fn receive_with<const N: usize>(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    descriptors: &mut ReceivedFds<N>,
    flags: u32,
) -> Result<usize, Failed> {
    descriptors.close();
    // Without room for a byte, a stream's bytes would look like its end.
    if buffer.is_empty() {
        return Err(Failed::Kernel(Errno::EINVAL));
    }
    let mut room = MaybeUninit::<(Rights<N>, [u64; OTHER_MESSAGES / 8])>::uninit();
    let len = size_of_val(&room);
    // SAFETY: `room` has that many bytes, and any byte is a `MaybeUninit<u8>`. It is aligned
    // as the kernel's structures are, since one of them is in it.
    let control = unsafe { slice::from_raw_parts_mut(room.as_mut_ptr().cast(), len) };
    let received = sys::socket::receive_message(socket, buffer, control, flags)?;

    let mut excess = false;
    let mut messages = Messages {
        rest: control.get(..received.control).unwrap_or_default(),
    };
    while let Some((header, mut content)) = messages.next() {
        let kind = (header.cmsg_level as u32, header.cmsg_type as u32);
        let is_wanted = kind == (net::SOL_SOCKET, net::SCM_RIGHTS);
        if !is_wanted && kind != (net::SOL_SOCKET, SCM_PIDFD) {
            continue;
        }
        while let Some(number) = next_number(&mut content) {
            // If the kernel could not make the descriptor of a process, it sends the errno, which
            // is negative.
            if (number as i32) < 0 {
                continue;
            }
            // SAFETY: the kernel has just made this descriptor and given it to us alone.
            let fd = unsafe { fd::take(number) };
            // The caller has no use for that of a process, so it is closed.
            excess |= is_wanted && descriptors.push(fd).is_err();
        }
    }
    let error = if excess {
        Failed::TooManyDescriptors
    } else if received.flags & net::MSG_CTRUNC != 0 {
        Failed::ControlTruncated
    } else if received.flags & net::MSG_TRUNC != 0 {
        Failed::DataTruncated
    } else if received.len == 0 && descriptors.len() == 0 && is_end(socket) {
        Failed::Closed
    } else {
        return Ok(received.len);
    };
    descriptors.close();
    Err(error)
}

/// Whether a message without bytes and descriptors is the end. A connection ends so. A datagram can
/// be empty, and anybody may have sent it, unless the socket has been shut down for reading.
#[cold]
fn is_end(socket: BorrowedFd<'_>) -> bool {
    sys::socket::kind(socket) != Ok(net::SOCK_DGRAM)
        || !matches!(
            sys::socket::wait_readable(socket, 0),
            Ok(false) | Err(Errno::EINTR)
        )
}

/// The control messages that the kernel has written.
struct Messages<'a> {
    rest: &'a [MaybeUninit<u8>],
}

impl<'a> Messages<'a> {
    fn next(&mut self) -> Option<(net::cmsghdr, &'a [MaybeUninit<u8>])> {
        let (header, _) = self.rest.split_at_checked(size_of::<net::cmsghdr>())?;
        let header: *const net::cmsghdr = header.as_ptr().cast();
        // SAFETY: the kernel has written a whole header here, since that many bytes are left of
        // what it says that it wrote. The header is aligned to a word: the first is at the start
        // of the buffer, which is aligned, and each further one is where `CMSG_ALIGN` puts it.
        let header = unsafe { header.read() };
        // A message that was truncated has its full length here, and ends where the buffer does.
        let end = header.cmsg_len.min(self.rest.len());
        let content = self.rest.get(size_of::<net::cmsghdr>()..end)?;
        // `CMSG_ALIGN`: the next one begins at a multiple of a word.
        self.rest = self.rest.get(end.next_multiple_of(8)..).unwrap_or_default();
        Some((header, content))
    }
}

/// Takes the first number out of a control message of descriptors.
fn next_number(content: &mut &[MaybeUninit<u8>]) -> Option<u32> {
    let (number, rest) = content.split_first_chunk::<{ size_of::<u32>() }>()?;
    *content = rest;
    let number: *const u32 = number.as_ptr().cast();
    // SAFETY: the kernel has written the whole message. Its numbers of four bytes begin after the
    // header, at a multiple of a word.
    Some(unsafe { number.read() })
}

/// Up to `N` received descriptors, in the order in which they were sent.
///
/// It is an iterator, and closes what is left when it is dropped, which [can
/// wait](crate::socket#closing-what-a-stranger-sent).
///
/// ```
/// use owned_memfd::{SealedMemFd, fd::AsFd, socket};
///
/// let (here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
/// let head = SealedMemFd::copy_from_slice(c"head", b"hello")?;
/// let body = SealedMemFd::copy_from_slice(c"body", b"world")?;
/// socket::send(&here, b"two files", &[head.as_fd(), body.as_fd()])?;
///
/// let (mut bytes, mut fds) = ([0; 64], socket::ReceivedFds::<2>::new());
/// let len = socket::receive(&there, &mut bytes, &mut fds)?;
/// assert_eq!(&bytes[..len], b"two files");
/// for (fd, content) in fds.zip([b"hello", b"world"]) {
///     assert_eq!(&SealedMemFd::verify(fd, 1 << 20)?.map()?[..], content);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReceivedFds<const N: usize> {
    // Owned from `taken` to `count`.
    numbers: [MaybeUninit<OwnedFd>; N],
    taken: usize,
    count: usize,
}

impl<const N: usize> ReceivedFds<N> {
    /// Makes room for `N` descriptors.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            numbers: [const { MaybeUninit::uninit() }; N],
            taken: 0,
            count: 0,
        }
    }

    /// Closes what is in it.
    fn close(&mut self) {
        self.for_each(drop);
        (self.taken, self.count) = (0, 0);
    }

    /// The descriptor comes back if there is no room for it.
    fn push(&mut self, fd: OwnedFd) -> Result<(), OwnedFd> {
        match self.numbers.get_mut(self.count) {
            Some(slot) => {
                slot.write(fd);
                self.count += 1;
                Ok(())
            }
            None => Err(fd),
        }
    }
}

impl<const N: usize> Default for ReceivedFds<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Iterator for ReceivedFds<N> {
    type Item = OwnedFd;

    fn next(&mut self) -> Option<OwnedFd> {
        if self.len() == 0 {
            return None;
        }
        let slot = self.numbers.get(self.taken)?;
        self.taken += 1;
        // SAFETY: `push` has written a descriptor here, since `taken` was below `count`. It has
        // not been given out, and will not be again: `taken` is now past it.
        Some(unsafe { slot.assume_init_read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.taken;
        (left, Some(left))
    }
}

impl<const N: usize> ExactSizeIterator for ReceivedFds<N> {}

impl<const N: usize> Drop for ReceivedFds<N> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<const N: usize> fmt::Debug for ReceivedFds<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedFds")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Why nothing was received, or what came was rejected.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The other side is closed and nothing is left.
    Closed,
    /// A message came without a descriptor.
    NoDescriptor,
    /// A message came with more descriptors than asked for. All of them are closed.
    TooManyDescriptors,
    /// Descriptors or other control messages were lost on their way into this process. Those that
    /// came are closed.
    #[doc(alias = "MSG_CTRUNC")]
    ControlTruncated,
    /// The message was longer than the buffer. Its descriptors are closed.
    #[doc(alias = "MSG_TRUNC")]
    DataTruncated,
    /// Nothing came in time.
    TimedOut,
    /// The descriptor is not that of a memory file, or of one that is proven immutable if that was
    /// asked for. It comes back.
    Verify(VerifyError<OwnedFd>),
    /// The kernel returned this error.
    Kernel(Errno),
}

impl From<Errno> for ReceiveError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

/// A [`ReceiveError`] before there is a descriptor.
// Moving the larger type through each step would become, on riscv64, calls of `memcpy`, which a
// program without libc need not have.
#[derive(Clone, Copy)]
enum Failed {
    Closed,
    NoDescriptor,
    TooManyDescriptors,
    ControlTruncated,
    DataTruncated,
    TimedOut,
    Kernel(Errno),
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<Failed> for ReceiveError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Closed => Self::Closed,
            Failed::NoDescriptor => Self::NoDescriptor,
            Failed::TooManyDescriptors => Self::TooManyDescriptors,
            Failed::ControlTruncated => Self::ControlTruncated,
            Failed::DataTruncated => Self::DataTruncated,
            Failed::TimedOut => Self::TimedOut,
            Failed::Kernel(errno) => Self::Kernel(errno),
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the other side is closed",
            Self::NoDescriptor => "a message came without a descriptor",
            Self::TooManyDescriptors => "a message came with more descriptors than asked for",
            Self::ControlTruncated => "descriptors or other control messages were lost",
            Self::DataTruncated => "the message is longer than the buffer",
            Self::TimedOut => "nothing came in time",
            Self::Verify(error) => return error.fmt(f),
            Self::Kernel(errno) => return errno.fmt(f),
        })
    }
}

impl core::error::Error for ReceiveError {}

impl From<ReceiveError> for Errno {
    /// The kernel's error, or that of `Verify`. `Closed` is `EPIPE`, `NoDescriptor` is `ENOMSG`,
    /// `DataTruncated` is `EMSGSIZE`, `TimedOut` is `ETIMEDOUT`, and where descriptors were lost it
    /// is `EMFILE`.
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Closed => Self::EPIPE,
            ReceiveError::NoDescriptor => Self::ENOMSG,
            ReceiveError::TooManyDescriptors | ReceiveError::ControlTruncated => Self::EMFILE,
            ReceiveError::DataTruncated => Self::EMSGSIZE,
            ReceiveError::TimedOut => Self::ETIMEDOUT,
            ReceiveError::Verify(error) => error.into(),
            ReceiveError::Kernel(errno) => errno,
        }
    }
}

/// # Sending and receiving
impl SealedMemFd {
    /// Sends the descriptor over a connected Unix socket, together with one byte without meaning.
    /// It tries again after `EINTR`.
    ///
    /// # Errors
    /// As [`send`], without `EINTR`. `EAFNOSUPPORT`: it is not a Unix socket, and nothing was sent.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "sendmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send(&self, socket: impl AsFd) -> Result<(), Errno> {
        self.as_memfd().send(socket)
    }

    /// Sends the descriptor over a datagram socket to the socket of this address, without a byte.
    /// It tries again after `EINTR`.
    ///
    /// It is what systemd's journal takes for an entry that is longer than a message. Before
    /// systemd 254, the journal takes a file only with exactly the seals that a file has of which
    /// [`exec_seal(false)`](crate::MemFdOptions::exec_seal) was asked.
    ///
    /// ```no_run
    /// use owned_memfd::{MemFdOptions, socket};
    ///
    /// let options = MemFdOptions::new().exec_seal(false);
    /// let entry = options.copy_from_slice("entry", b"MESSAGE=hello\nPRIORITY=6\n")?;
    /// let journal = socket::SocketAddr::from_pathname("/run/systemd/journal/socket")?;
    /// entry.send_to(socket::datagram_socket()?, journal)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`send_to`], without `EINTR`.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "sendmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    #[doc(alias = "journald")]
    pub fn send_to(&self, socket: impl AsFd, to: SocketAddr<'_>) -> Result<(), Errno> {
        self.as_memfd().send_to(socket, to)
    }

    /// Receives one descriptor over a Unix socket, together with one byte without meaning or none,
    /// and verifies that its file is immutable and at most `max_len` bytes long.
    ///
    /// It tries again after `EINTR`, and an `SO_RCVTIMEO` of the socket then begins anew: signals
    /// that keep coming make it wait for ever. [`receive_timeout`](Self::receive_timeout) does not.
    /// From a stream it takes one byte, and nothing else that may have come with the descriptor. A
    /// datagram socket need not be connected: anybody may send to its address, with
    /// [`send_to`](Self::send_to).
    ///
    /// The calls that this makes are `recvmsg`, those of [`SealedMemFd::verify`], and `close` for
    /// every descriptor that it does not return, which [can
    /// wait](crate::socket#closing-what-a-stranger-sent); for an empty message also `getsockopt`
    /// and `ppoll`.
    ///
    /// # Errors
    /// As [`receive`], without `EINTR`, and:
    /// - [`ReceiveError::NoDescriptor`]: a message came without one.
    /// - [`ReceiveError::Verify`]: as [`SealedMemFd::verify`], with the descriptor.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "recvmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    pub fn receive(socket: impl AsFd, max_len: usize) -> Result<Self, ReceiveError> {
        let fd = receive_one(socket.as_fd())?;
        Self::verify(fd, max_len).map_err(ReceiveError::Verify)
    }

    /// Receives and verifies a file as [`receive`](Self::receive) does, but waits no longer than
    /// `timeout` for it. Closing what else came [can take
    /// longer](crate::socket#closing-what-a-stranger-sent).
    ///
    /// ```
    /// use owned_memfd::{SealedMemFd, socket};
    /// use std::time::Duration;
    ///
    /// let (here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
    /// SealedMemFd::copy_from_slice(c"note", b"hello")?.send(&here)?;
    /// let received = SealedMemFd::receive_timeout(&there, 1 << 20, Duration::from_secs(5))?;
    /// assert_eq!(&received.map()?[..], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`receive_timeout`], and:
    /// - [`ReceiveError::NoDescriptor`]: a message came without one.
    /// - [`ReceiveError::Verify`]: as [`SealedMemFd::verify`], with the descriptor.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "recvmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    #[doc(alias = "ppoll")]
    pub fn receive_timeout(
        socket: impl AsFd,
        max_len: usize,
        timeout: Duration,
    ) -> Result<Self, ReceiveError> {
        let fd = receive_one_within(socket.as_fd(), timeout)?;
        Self::verify(fd, max_len).map_err(ReceiveError::Verify)
    }
}

/// # Sending and receiving
/// This is for files that both sides write. A file that only the receiver reads is better sent
/// sealed: see [`SealedMemFd::send`].
impl OwnedMemFd {
    /// Sends the descriptor over a connected Unix socket, together with one byte without meaning.
    /// It tries again after `EINTR`.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, OwnedMemFd, Seals, socket};
    ///
    /// let (here, there) = socket::socket_pair(socket::SocketType::SeqPacket)?;
    /// let file = MemFdOptions::new().create("shared")?;
    /// file.set_len(4096)?;
    /// // Neither side can make it shorter than what the other has mapped.
    /// file.add_seals(Seals::SHRINK | Seals::GROW | Seals::SEAL)?;
    /// file.send(&here)?;
    ///
    /// let received = OwnedMemFd::receive(&there)?;
    /// received.map_shared_mut(..)?.write_all_at(b"hello", 0)?;
    /// let mut bytes = [0; 5];
    /// file.read_exact_at(&mut bytes, 0)?;
    /// assert_eq!(&bytes, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`send`], without `EINTR`. `EAFNOSUPPORT`: it is not a Unix socket, and nothing was sent.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "sendmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send(&self, socket: impl AsFd) -> Result<(), Errno> {
        let socket = socket.as_fd();
        loop {
            match send(socket, b"\0", &[self.as_fd()]) {
                Err(Errno::EINTR) => {}
                // One byte is sent or not.
                result => return result.map(|_| ()),
            }
        }
    }

    /// Sends the descriptor over a datagram socket to the socket of this address, in a message
    /// without a byte. It tries again after `EINTR`.
    ///
    /// [`SealedMemFd::send_to`] shows how.
    ///
    /// # Errors
    /// As [`send_to`], without `EINTR`.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "sendmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send_to(&self, socket: impl AsFd, to: SocketAddr<'_>) -> Result<(), Errno> {
        let socket = socket.as_fd();
        loop {
            match send_to(socket, b"", &[self.as_fd()], to) {
                Err(Errno::EINTR) => {}
                result => return result.map(|_| ()),
            }
        }
    }

    /// Receives one descriptor over a connected Unix socket, together with one byte without
    /// meaning, and checks that it is one of a memory file.
    ///
    /// It tries again after `EINTR`, and an `SO_RCVTIMEO` of the socket then begins anew, as
    /// [`SealedMemFd::receive`] says. From a stream it takes one byte, and nothing else that may
    /// have come with the descriptor. The sender may still have the file, and change it. Closing
    /// what else came [can wait](crate::socket#closing-what-a-stranger-sent).
    ///
    /// # Errors
    /// As [`receive`], without `EINTR`, and:
    /// - [`ReceiveError::NoDescriptor`]: a message came without one.
    /// - [`ReceiveError::Verify`]: as `OwnedMemFd::try_from`, with the descriptor.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "recvmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    pub fn receive(socket: impl AsFd) -> Result<Self, ReceiveError> {
        let fd = receive_one(socket.as_fd())?;
        Self::try_from(fd).map_err(ReceiveError::Verify)
    }

    /// Receives a file as [`receive`](Self::receive) does, but waits no longer than `timeout` for
    /// it. Closing what else came [can take longer](crate::socket#closing-what-a-stranger-sent).
    ///
    /// # Errors
    /// As [`receive_timeout`], and:
    /// - [`ReceiveError::NoDescriptor`]: a message came without one.
    /// - [`ReceiveError::Verify`]: as `OwnedMemFd::try_from`, with the descriptor.
    ///
    /// See [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "recvmsg")]
    #[doc(alias = "SCM_RIGHTS")]
    #[doc(alias = "ppoll")]
    pub fn receive_timeout(socket: impl AsFd, timeout: Duration) -> Result<Self, ReceiveError> {
        let fd = receive_one_within(socket.as_fd(), timeout)?;
        Self::try_from(fd).map_err(ReceiveError::Verify)
    }
}

/// Receives one descriptor, with at most one byte.
fn receive_one(socket: BorrowedFd<'_>) -> Result<OwnedFd, Failed> {
    let mut descriptors = ReceivedFds::<1>::new();
    loop {
        match receive_with(socket, &mut [0], &mut descriptors, 0) {
            Err(Failed::Kernel(Errno::EINTR)) => {}
            result => {
                result?;
                return descriptors.next().ok_or(Failed::NoDescriptor);
            }
        }
    }
}

/// The same, within this time.
fn receive_one_within(socket: BorrowedFd<'_>, timeout: Duration) -> Result<OwnedFd, Failed> {
    let mut descriptors = ReceivedFds::<1>::new();
    receive_within(socket, &mut [0], &mut descriptors, timeout)?;
    descriptors.next().ok_or(Failed::NoDescriptor)
}
