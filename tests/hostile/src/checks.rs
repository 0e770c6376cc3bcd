//! What an operation checks of its result. All of it is asked of the kernel itself, outside of the
//! calls with which the tracer meddles.
#![allow(unsafe_code)]

use crate::{
    orders::{Injected, Verdict},
    trial::Trial,
};
use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    sys::{
        stat::{FileStat, fstat},
        uio::pread,
    },
    unistd::{Whence, lseek},
};
use owned_memfd::{
    Errno, MemFdOptions, OwnedMemFd, SealedMemFd, Seals,
    fd::{AsFd, AsRawFd},
};
use std::{
    fmt::{Debug, Display},
    os::fd::BorrowedFd,
};

/// An error that an operation may return besides the injected one, and why.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    /// In every trial: this is what the operation is about, or the machine is so.
    Always(Errno, &'static str),
    /// After a fault, which leads there.
    Fault(Errno, &'static str),
    /// After a call that did less than it was asked for, or a lie.
    Short(Errno, &'static str),
    /// After another process's step.
    Race(Errno, &'static str),
}

/// What a lie leads to: the library asks again before it claims anything.
pub const NOT_SEALED: Named = Named::Fault(Errno::EPERM, "the seals that it asks for are missing");
/// What the library itself says of a file, a socket or a program that is not as it must be, which
/// is how one looks after a lie. It makes no others up.
const AFTER_A_LIE: &[(Errno, &str)] = &[
    (Errno::EBADF, "the descriptor is not open so"),
    (
        Errno::EINTR,
        "the call was made, but it is said to be interrupted",
    ),
    (
        Errno::EAGAIN,
        "what it waits for was taken, but it was not told",
    ),
    (Errno::EINVAL, "the file is of another kind"),
    (Errno::EPERM, "the seals are others"),
    (Errno::EBUSY, "the length is another one"),
    (Errno::EFBIG, "the length is more than was allowed"),
    (Errno::ENODEV, "the file system is another one"),
    (Errno::ENOSPC, "nothing was written"),
    (
        Errno::EIO,
        "nothing was read, or more than there is room for",
    ),
    (Errno::ESTALE, "the handle is of another file"),
    (Errno::ENOEXEC, "the program is not whole"),
    (Errno::EPIPE, "the connection has ended"),
    (Errno::EMSGSIZE, "the message was cut"),
    (Errno::EMFILE, "its descriptors were cut"),
    (Errno::EAFNOSUPPORT, "the socket is of another family"),
    (
        Errno::from_raw_os_error(0),
        "the program is said to be executed, but goes on",
    ),
];
/// A seal of another process's.
pub const THEY_SEALED: Named = Named::Race(Errno::EPERM, "another process has sealed the file");
/// A map or a change of another process's.
pub const THEY_HOLD_IT: Named = Named::Race(
    Errno::EBUSY,
    "another process maps the file, or has changed its length",
);

/// What a step of the preparation returned, with which nobody meddles.
///
/// # Errors
/// It failed.
pub fn ready<T>(step: Result<T, impl Display>) -> Result<T, String> {
    step.map_err(|error| format!("the preparation failed: {error}"))
}

/// Demands what must be so.
///
/// # Errors
/// It is not so, which `otherwise` describes.
pub fn holds(is_so: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

/// Demands that both are the same.
///
/// # Errors
/// They are not.
#[allow(
    clippy::needless_pass_by_value,
    reason = "most callers have a value, not a reference"
)]
pub fn same<T: PartialEq<U> + Debug, U: Debug>(found: T, expected: U, what: &str) -> Verdict {
    let is_same = found == expected;
    holds(is_same, || {
        format!("{what}: {found:?} instead of {expected:?}")
    })
}

/// The descriptor as one of std's, which it is not without the feature.
pub(crate) fn std_fd(file: &impl AsFd) -> BorrowedFd<'_> {
    // SAFETY: the file keeps it open for as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(file.as_fd().as_raw_fd()) }
}

/// # Errors
/// It cannot be asked, like below.
pub fn stat_of(file: &impl AsFd) -> Result<FileStat, String> {
    ready(fstat(std_fd(file)))
}

/// The offset of the open file.
///
/// # Errors
/// As above.
pub fn offset_of(file: &impl AsFd) -> Result<i64, String> {
    ready(lseek(std_fd(file), 0, Whence::SeekCur))
}

/// The permission bits of a file.
///
/// # Errors
/// As above.
pub fn mode_of(file: &impl AsFd) -> Result<u32, String> {
    Ok(stat_of(file)?.st_mode & 0o777)
}

/// The seals of a file.
///
/// # Errors
/// As above.
pub fn seals_of(file: &impl AsFd) -> Result<Seals, String> {
    let seals = ready(fcntl(std_fd(file), FcntlArg::F_GET_SEALS))?;
    Ok(Seals::from_bits_retain(seals.cast_unsigned()))
}

/// The flags of the open file.
///
/// # Errors
/// As above.
pub fn status_of(file: &impl AsFd) -> Result<OFlag, String> {
    let flags = ready(fcntl(std_fd(file), FcntlArg::F_GETFL))?;
    Ok(OFlag::from_bits_retain(flags))
}

/// Whether an executed program does not inherit the descriptor.
///
/// # Errors
/// As above.
pub fn is_close_on_exec(file: &impl AsFd) -> Result<bool, String> {
    let flags = ready(fcntl(std_fd(file), FcntlArg::F_GETFD))?;
    Ok(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC))
}

/// The content of a file, from its start to its end.
///
/// # Errors
/// As above.
pub fn content_of(file: &impl AsFd) -> Result<Vec<u8>, String> {
    let len = ready(usize::try_from(stat_of(file)?.st_size))?;
    let mut bytes = vec![0; len];
    let mut done = 0;
    while let Some(rest @ [_, ..]) = bytes.get_mut(done..) {
        match ready(pread(std_fd(file), rest, done as i64))? {
            0 => return Err(format!("{len} bytes long, but only {done} are there")),
            count => done += count,
        }
    }
    Ok(bytes)
}

impl Trial {
    /// A memory file with this content that can be sealed, with its offset at the start.
    ///
    /// # Errors
    /// It cannot be made, like below.
    pub fn file(&self, content: &[u8]) -> Result<OwnedMemFd, String> {
        let file = ready(MemFdOptions::new().create(c"trial"))?;
        ready(file.write_all_at(content, 0))?;
        Ok(file)
    }

    /// A sealed memory file with this content.
    ///
    /// # Errors
    /// As above.
    pub fn sealed(&self, content: &[u8]) -> Result<SealedMemFd, String> {
        ready(SealedMemFd::copy_from_slice(c"trial", content))
    }

    fn has(&self, what: impl Fn(Injected) -> bool) -> bool {
        self.injected().any(what)
    }

    /// Whether a call was made to fail, or to do less.
    #[must_use]
    pub fn has_fault(&self) -> bool {
        self.has(|what| !matches!(what, Injected::Step | Injected::Change))
    }

    /// Whether a call was made to do less than it was asked for.
    #[must_use]
    pub fn has_short(&self) -> bool {
        self.has(|what| what == Injected::Short)
    }

    /// Whether the kernel was made to say what is not true.
    #[must_use]
    pub fn has_lie(&self) -> bool {
        self.has(Injected::is_lie)
    }

    /// Whether another process has done something with the files of this one.
    #[must_use]
    pub fn has_company(&self) -> bool {
        self.has(|what| matches!(what, Injected::Step | Injected::Change))
    }

    /// Whether the content of a file that is not sealed may be another one than was meant: another
    /// process has changed it, or the kernel lies where its word is taken.
    #[must_use]
    pub fn may_differ(&self) -> bool {
        self.has(|what| matches!(what, Injected::Change | Injected::Trusted))
    }

    /// Demands that what a result claims is true, or that its error explains what has happened.
    ///
    /// # Errors
    /// It does not, like below.
    pub fn judge<T, E: Into<Errno>>(
        &self,
        result: Result<T, E>,
        named: &[Named],
        is_true: impl FnOnce(T) -> Verdict,
    ) -> Verdict {
        match result {
            Ok(value) => is_true(value),
            Err(error) => self.explains(error, named),
        }
    }

    /// Demands that an error is the injected one, or one of those that are named, or after a lie one
    /// of the library's own.
    ///
    /// # Errors
    /// As above.
    pub fn explains(&self, error: impl Into<Errno>, named: &[Named]) -> Verdict {
        let errno = error.into();
        let is_named = named.iter().any(|named| match *named {
            Named::Always(known, _) => known == errno,
            Named::Fault(known, _) => known == errno && self.has_fault(),
            Named::Short(known, _) => known == errno && (self.has_short() || self.has_lie()),
            Named::Race(known, _) => known == errno && self.has_company(),
        });
        let is_of_lie = AFTER_A_LIE.iter().any(|(known, _)| *known == errno) && self.has_lie();
        let is_injected = self.has(|what| what == Injected::Error(errno.raw_os_error()));
        holds(is_named || is_of_lie || is_injected, || {
            let injected: Vec<_> = self.injected().collect();
            self.unsound(format!("failed with {errno:?} after {injected:?}"))
        })
    }

    /// Demands that an operation that goes on after `EINTR` has done so, if nothing else happened.
    ///
    /// # Errors
    /// As above.
    pub fn goes_on<T, E>(&self, result: &Result<T, E>) -> Verdict {
        let is_interrupted = |what| what == Injected::Error(Errno::EINTR.raw_os_error());
        let is_only_interrupted = self.has(is_interrupted) && self.injected().all(is_interrupted);
        holds(result.is_ok() || !is_only_interrupted, || {
            "it does not go on after EINTR".into()
        })
    }

    /// Demands that a value that was handed in came back: the same descriptor, still open.
    ///
    /// # Errors
    /// As above.
    pub fn came_back(&self, file: &impl AsFd, number: i32) -> Verdict {
        same(file.as_fd().as_raw_fd(), number, "what came back")?;
        stat_of(file).map(drop)
    }

    /// Demands these bytes, unless they may differ.
    ///
    /// # Errors
    /// As above.
    pub fn same_bytes(&self, found: &[u8], expected: &[u8], what: &str) -> Verdict {
        if self.may_differ() || found == expected {
            return Ok(());
        }
        let mut both = found.iter().zip(expected);
        let at = both.position(|(found, expected)| found != expected);
        let (len, expected) = (found.len(), expected.len());
        Err(format!(
            "{what}: {len} bytes of {expected}, of which the first wrong one is {at:?}"
        ))
    }

    /// Demands that the file has this content.
    ///
    /// # Errors
    /// As above.
    pub fn contains(&self, file: &impl AsFd, expected: &[u8]) -> Verdict {
        self.same_bytes(&content_of(file)?, expected, "the content")
    }

    /// Demands that as many bytes as were claimed were read, and that they are those of the
    /// content.
    ///
    /// # Errors
    /// As above.
    pub fn has_read(&self, buffer: &[u8], count: usize, content: &[u8]) -> Verdict {
        let Some(found) = buffer.get(..count) else {
            return Err(format!("{count} bytes are more than there is room for"));
        };
        match content.get(..count) {
            Some(expected) => self.same_bytes(found, expected, "what was read"),
            None => holds(self.may_differ(), || {
                format!("{count} bytes are more than there are")
            }),
        }
    }

    /// Demands that what is claimed to be sealed is sealed, has its proven length, and has the
    /// bytes that were meant; and that these stay, whatever others do.
    ///
    /// # Errors
    /// As above.
    pub fn is_sealed(&self, sealed: &SealedMemFd, expected: &[u8]) -> Verdict {
        let seals = seals_of(sealed)?;
        if self.has(|what| what == Injected::Trusted) {
            return Ok(());
        }
        holds(seals.contains(Seals::WRITE | Seals::SHRINK), || {
            self.unsound(format!("claimed to be sealed, but it has {seals:?}"))
        })?;
        let before = content_of(sealed)?;
        let Some(proven) = before.get(..sealed.len()) else {
            return Err(format!(
                "{} bytes were proven, {} are there",
                sealed.len(),
                before.len()
            ));
        };
        self.same_bytes(proven, expected, "the sealed content")?;
        let map = ready(sealed.map())?;
        holds(&map[..] == proven, || "the map has other bytes".into())?;
        if !self.has_company() {
            return Ok(());
        }
        self.attack();
        let after = content_of(sealed)?;
        holds(after.get(..sealed.len()) == Some(proven), || {
            self.unsound("sealed bytes have changed")
        })?;
        holds(&map[..] == proven, || {
            self.unsound("mapped bytes have changed")
        })
    }
}
