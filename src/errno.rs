//! The kernel's refusals: the decoding of its answers, their names and messages, and the
//! two shapes in which a refusal gives back what the caller put in.
//!
//! No system call is made here, and nothing here knows which call an answer came from.

use core::{fmt, ptr::NonNull};
use linux_raw_sys::errno as raw;

/// The kernel's reason for refusing a system call.
///
/// `Display` gives the message, `Debug` the name. Follows `errno(3)`. Every error of this
/// crate becomes one by `?`, which loses what only the crate's own type says.
///
/// ```
/// use owned_memfd::Errno;
///
/// assert_eq!(Errno::EPERM.to_string(), "operation not permitted");
/// assert_eq!(format!("{:?}", Errno::EPERM), "EPERM");
/// assert_eq!(Errno::EPERM.raw_os_error(), 1);
/// ```
// The kernel's own negative number, so that an answer becomes an `Errno` without work; and
// without a niche, since testing for one costs instructions where the sign already tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Errno(i32);

impl Errno {
    /// The same reason under its other name: [`Errno::EAGAIN`].
    pub const EWOULDBLOCK: Self = Self::EAGAIN;
    /// The same reason under its other name: [`Errno::EDEADLK`].
    pub const EDEADLOCK: Self = Self::EDEADLK;
    /// The same reason under its other name: [`Errno::EOPNOTSUPP`].
    pub const ENOTSUP: Self = Self::EOPNOTSUPP;

    /// The reason with this positive number, as `errno` and
    /// `std::io::Error::raw_os_error` give it.
    #[must_use]
    pub const fn from_raw_os_error(number: i32) -> Self {
        Self(number.wrapping_neg())
    }

    /// The positive number, as `errno` and `std::io::Error::from_raw_os_error` have it.
    #[must_use]
    pub const fn raw_os_error(self) -> i32 {
        self.0.wrapping_neg()
    }

    // The ways to read an answer. A register holds 64 bits, of which a call that
    // answers a C `int` means the low 32; testing just what is meant is the shortest code.

    /// An answer that is a count, an offset or a length.
    #[inline(always)]
    pub(crate) const fn decode(answer: usize) -> Result<usize, Self> {
        if (answer as isize) < 0 {
            Err(Self(answer as i32))
        } else {
            Ok(answer)
        }
    }

    /// An answer that is a C `int`: a set of bits or a descriptor.
    #[inline(always)]
    pub(crate) const fn decode_int(answer: usize) -> Result<u32, Self> {
        let answer = answer as i32;
        if answer < 0 {
            Err(Self(answer))
        } else {
            Ok(answer as u32)
        }
    }

    /// An answer that is an address: the kernel refuses with the highest 4095 of them.
    #[inline(always)]
    pub(crate) fn decode_pointer(answer: *mut u8) -> Result<NonNull<u8>, Self> {
        match NonNull::new(answer) {
            Some(start) if answer.addr() <= usize::MAX - 4095 => Ok(start),
            _ => Err(Self(answer.addr() as i32)),
        }
    }

    /// What a call returned that does not return when it succeeds.
    #[inline(always)]
    pub(crate) const fn from_failure(answer: usize) -> Self {
        Self(answer as i32)
    }

    /// An answer that says nothing but done or refused.
    #[inline(always)]
    pub(crate) const fn decode_unit(answer: usize) -> Result<(), Self> {
        let answer = answer as i32;
        if answer < 0 {
            Err(Self(answer))
        } else {
            Ok(())
        }
    }
}

/// The kernel's answer to a transfer, not yet decoded: loops compare it as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Returned(pub(crate) usize);

impl Returned {
    /// What the kernel answers when it has transferred `bytes` bytes.
    #[inline(always)]
    pub(crate) const fn count(bytes: usize) -> Self {
        Self(bytes)
    }

    #[inline(always)]
    pub(crate) const fn decode(self) -> Result<usize, Errno> {
        Errno::decode(self.0)
    }
}

macro_rules! errnos {
    ($($name:ident: $message:literal,)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`: ", $message)]
                pub const $name: Self = Self::from_raw_os_error(raw::$name as i32);
            )*

            /// The name, as `EPERM`; `None` for a number that Linux gives no name.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            const fn message(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($message),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM: "operation not permitted",
    ENOENT: "no such file or directory",
    ESRCH: "no such process",
    EINTR: "interrupted system call",
    EIO: "input/output error",
    ENXIO: "no such device or address",
    E2BIG: "argument list too long",
    ENOEXEC: "exec format error",
    EBADF: "bad file descriptor",
    ECHILD: "no child processes",
    EAGAIN: "resource temporarily unavailable",
    ENOMEM: "cannot allocate memory",
    EACCES: "permission denied",
    EFAULT: "bad address",
    ENOTBLK: "block device required",
    EBUSY: "device or resource busy",
    EEXIST: "file exists",
    EXDEV: "invalid cross-device link",
    ENODEV: "no such device",
    ENOTDIR: "not a directory",
    EISDIR: "is a directory",
    EINVAL: "invalid argument",
    ENFILE: "too many open files in system",
    EMFILE: "too many open files",
    ENOTTY: "inappropriate ioctl for device",
    ETXTBSY: "text file busy",
    EFBIG: "file too large",
    ENOSPC: "no space left on device",
    ESPIPE: "illegal seek",
    EROFS: "read-only file system",
    EMLINK: "too many links",
    EPIPE: "broken pipe",
    EDOM: "numerical argument out of domain",
    ERANGE: "numerical result out of range",
    EDEADLK: "resource deadlock avoided",
    ENAMETOOLONG: "file name too long",
    ENOLCK: "no locks available",
    ENOSYS: "function not implemented",
    ENOTEMPTY: "directory not empty",
    ELOOP: "too many levels of symbolic links",
    ENOMSG: "no message of desired type",
    EIDRM: "identifier removed",
    ECHRNG: "channel number out of range",
    EL2NSYNC: "level 2 not synchronized",
    EL3HLT: "level 3 halted",
    EL3RST: "level 3 reset",
    ELNRNG: "link number out of range",
    EUNATCH: "protocol driver not attached",
    ENOCSI: "no CSI structure available",
    EL2HLT: "level 2 halted",
    EBADE: "invalid exchange",
    EBADR: "invalid request descriptor",
    EXFULL: "exchange full",
    ENOANO: "no anode",
    EBADRQC: "invalid request code",
    EBADSLT: "invalid slot",
    EBFONT: "bad font file format",
    ENOSTR: "device not a stream",
    ENODATA: "no data available",
    ETIME: "timer expired",
    ENOSR: "out of streams resources",
    ENONET: "machine is not on the network",
    ENOPKG: "package not installed",
    EREMOTE: "object is remote",
    ENOLINK: "link has been severed",
    EADV: "advertise error",
    ESRMNT: "srmount error",
    ECOMM: "communication error on send",
    EPROTO: "protocol error",
    EMULTIHOP: "multihop attempted",
    EDOTDOT: "RFS specific error",
    EBADMSG: "bad message",
    EOVERFLOW: "value too large for defined data type",
    ENOTUNIQ: "name not unique on network",
    EBADFD: "file descriptor in bad state",
    EREMCHG: "remote address changed",
    ELIBACC: "cannot access a needed shared library",
    ELIBBAD: "accessing a corrupted shared library",
    ELIBSCN: ".lib section in a.out corrupted",
    ELIBMAX: "attempting to link in too many shared libraries",
    ELIBEXEC: "cannot exec a shared library directly",
    EILSEQ: "invalid or incomplete multibyte or wide character",
    ERESTART: "interrupted system call should be restarted",
    ESTRPIPE: "streams pipe error",
    EUSERS: "too many users",
    ENOTSOCK: "socket operation on non-socket",
    EDESTADDRREQ: "destination address required",
    EMSGSIZE: "message too long",
    EPROTOTYPE: "protocol wrong type for socket",
    ENOPROTOOPT: "protocol not available",
    EPROTONOSUPPORT: "protocol not supported",
    ESOCKTNOSUPPORT: "socket type not supported",
    EOPNOTSUPP: "operation not supported",
    EPFNOSUPPORT: "protocol family not supported",
    EAFNOSUPPORT: "address family not supported by protocol",
    EADDRINUSE: "address already in use",
    EADDRNOTAVAIL: "cannot assign requested address",
    ENETDOWN: "network is down",
    ENETUNREACH: "network is unreachable",
    ENETRESET: "network dropped connection on reset",
    ECONNABORTED: "software caused connection abort",
    ECONNRESET: "connection reset by peer",
    ENOBUFS: "no buffer space available",
    EISCONN: "transport endpoint is already connected",
    ENOTCONN: "transport endpoint is not connected",
    ESHUTDOWN: "cannot send after transport endpoint shutdown",
    ETOOMANYREFS: "too many references: cannot splice",
    ETIMEDOUT: "connection timed out",
    ECONNREFUSED: "connection refused",
    EHOSTDOWN: "host is down",
    EHOSTUNREACH: "no route to host",
    EALREADY: "operation already in progress",
    EINPROGRESS: "operation now in progress",
    ESTALE: "stale file handle",
    EUCLEAN: "structure needs cleaning",
    ENOTNAM: "not a XENIX named type file",
    ENAVAIL: "no XENIX semaphores available",
    EISNAM: "is a named type file",
    EREMOTEIO: "remote I/O error",
    EDQUOT: "disk quota exceeded",
    ENOMEDIUM: "no medium found",
    EMEDIUMTYPE: "wrong medium type",
    ECANCELED: "operation canceled",
    ENOKEY: "required key not available",
    EKEYEXPIRED: "key has expired",
    EKEYREVOKED: "key has been revoked",
    EKEYREJECTED: "key was rejected by service",
    EOWNERDEAD: "owner died",
    ENOTRECOVERABLE: "state not recoverable",
    ERFKILL: "operation not possible due to RF-kill",
    EHWPOISON: "memory page has hardware error",
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.raw_os_error()),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => f.write_str(message),
            None => write!(f, "unknown error {}", self.raw_os_error()),
        }
    }
}

impl core::error::Error for Errno {}
