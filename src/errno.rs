//! Error numbers: decoding, names, messages.
//!
//! No system call is made here, and nothing here knows which call a number came from.

use core::{fmt, ptr::NonNull};
use linux_raw_sys::errno as raw;

/// An error number of the kernel, such as `EPERM`.
///
/// `Display` prints the message, `Debug` the name. Every error type of this crate converts to
/// `Errno`, so that a function which returns `Result<_, Errno>` can use `?` throughout; details
/// that only the other type has are lost then. Only with the feature `std` does each also become a
/// `std::io::Error`: if the compiler misses that conversion, turn the feature on. See `errno(3)`.
///
/// ```
/// use owned_memfd::Errno;
///
/// assert_eq!(Errno::EPERM.to_string(), "operation not permitted");
/// assert_eq!(format!("{:?}", Errno::EPERM), "EPERM");
/// assert_eq!(Errno::EPERM.raw_os_error(), 1);
/// ```
// The kernel's own negative number, so that what it returns becomes an `Errno` without work.
// Without a niche: a test for one costs instructions, and the sign already tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Errno(i32);

impl Errno {
    /// Another name of [`Errno::EAGAIN`].
    pub const EWOULDBLOCK: Self = Self::EAGAIN;
    /// Another name of [`Errno::EDEADLK`].
    pub const EDEADLOCK: Self = Self::EDEADLK;
    /// Another name of [`Errno::EOPNOTSUPP`].
    pub const ENOTSUP: Self = Self::EOPNOTSUPP;

    /// The error with this positive number, as in C's `errno` and
    /// `std::io::Error::raw_os_error`.
    #[must_use]
    pub const fn from_raw_os_error(number: i32) -> Self {
        Self(number.wrapping_neg())
    }

    /// The positive number, as for `std::io::Error::from_raw_os_error`.
    #[must_use]
    pub const fn raw_os_error(self) -> i32 {
        self.0.wrapping_neg()
    }

    // The ways to read what a call returned. A register holds 64 bits. A call that returns a C
    // `int` means the low 32 of them. Testing just what is meant is the shortest code.

    /// Decodes a count, an offset or a length.
    #[inline(always)]
    pub(crate) const fn decode(returned: usize) -> Result<usize, Self> {
        if (returned as isize) < 0 {
            Err(Self(returned as i32))
        } else {
            Ok(returned)
        }
    }

    /// Decodes a C `int`: a set of bits or a descriptor.
    #[inline(always)]
    pub(crate) const fn decode_int(returned: usize) -> Result<u32, Self> {
        let returned = returned as i32;
        if returned < 0 {
            Err(Self(returned))
        } else {
            Ok(returned as u32)
        }
    }

    /// Decodes an address. The highest 4095 of them are errors.
    #[inline(always)]
    pub(crate) fn decode_pointer(returned: *mut u8) -> Result<NonNull<u8>, Self> {
        match NonNull::new(returned) {
            Some(start) if returned.addr() <= usize::MAX - 4095 => Ok(start),
            _ => Err(Self(returned.addr() as i32)),
        }
    }

    /// Decodes the value of a call that returns only on failure.
    #[inline(always)]
    pub(crate) const fn from_failure(returned: usize) -> Self {
        Self(returned as i32)
    }

    /// Decodes success without a value.
    #[inline(always)]
    pub(crate) const fn decode_unit(returned: usize) -> Result<(), Self> {
        let returned = returned as i32;
        if returned < 0 {
            Err(Self(returned))
        } else {
            Ok(())
        }
    }
}

/// What a transfer returned, not yet decoded: loops compare it as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Returned(pub(crate) usize);

impl Returned {
    /// What the kernel returns if it has transferred `bytes` bytes.
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
