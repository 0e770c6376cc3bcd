//! The feature `rustix-1`: error numbers and, without `std`, descriptors to and from rustix 1.
//!
//! With this crate's feature `std`, the descriptors of both crates are std's, so that there is
//! nothing to convert. Without it, rustix's are its own, or std's if another crate turns on
//! rustix's `std`. What stands here is the same for both.
#![allow(unsafe_code)]

use crate::errno::Errno;

impl From<rustix::io::Errno> for Errno {
    /// The error with the same number.
    fn from(errno: rustix::io::Errno) -> Self {
        Self::from_raw_os_error(errno.raw_os_error())
    }
}

impl From<Errno> for rustix::io::Errno {
    /// The error with the same number. No kernel returns a number outside `1..=4095`, and rustix
    /// has none: it becomes `EINVAL`.
    fn from(errno: Errno) -> Self {
        match errno.raw_os_error() {
            number @ 1..=4095 => Self::from_raw_os_error(number),
            _ => Self::INVAL,
        }
    }
}

#[cfg(not(feature = "std"))]
mod descriptors {
    #[cfg(feature = "boot")]
    use crate::boot::LoopDevice;
    use crate::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
        memfd::{BorrowedMemFd, OwnedMemFd},
        proof::{VerifyError, VerifyErrorKind},
        sealed::{BorrowedSealedMemFd, SealedMemFd},
    };
    use rustix::fd;

    impl From<OwnedFd> for fd::OwnedFd {
        fn from(fd: OwnedFd) -> Self {
            let number = fd.into_raw_fd();
            // SAFETY: an `OwnedFd` is open and not -1, and has just given the descriptor away.
            unsafe { fd::FromRawFd::from_raw_fd(number) }
        }
    }

    impl From<fd::OwnedFd> for OwnedFd {
        fn from(fd: fd::OwnedFd) -> Self {
            let number = fd::IntoRawFd::into_raw_fd(fd);
            // SAFETY: rustix's `OwnedFd`, or std's, is open and not -1, and has just given the
            // descriptor away.
            unsafe { Self::from_raw_fd(number) }
        }
    }

    impl<'fd> From<BorrowedFd<'fd>> for fd::BorrowedFd<'fd> {
        fn from(fd: BorrowedFd<'fd>) -> Self {
            // SAFETY: a `BorrowedFd` is open for `'fd`, and not -1.
            unsafe { Self::borrow_raw(fd.as_raw_fd()) }
        }
    }

    impl<'fd> From<fd::BorrowedFd<'fd>> for BorrowedFd<'fd> {
        fn from(fd: fd::BorrowedFd<'fd>) -> Self {
            let number = fd::AsRawFd::as_raw_fd(&fd);
            // SAFETY: rustix's `BorrowedFd`, or std's, is open for `'fd`, and not -1.
            unsafe { Self::borrow_raw(number) }
        }
    }

    // For what of this crate takes any `impl AsFd`.

    impl AsFd for fd::OwnedFd {
        fn as_fd(&self) -> BorrowedFd<'_> {
            // Through the number: rustix's `as_fd` has an assertion.
            let number = fd::AsRawFd::as_raw_fd(self);
            // SAFETY: rustix's `OwnedFd`, or std's, is open for as long as it is borrowed, and not
            // -1.
            unsafe { BorrowedFd::borrow_raw(number) }
        }
    }

    impl AsFd for fd::BorrowedFd<'_> {
        fn as_fd(&self) -> BorrowedFd<'_> {
            (*self).into()
        }
    }

    // For what of rustix takes any `impl AsFd`, or an `OwnedFd`.

    macro_rules! lend {
        ($owner:ty) => {
            impl fd::AsFd for $owner {
                fn as_fd(&self) -> fd::BorrowedFd<'_> {
                    AsFd::as_fd(self).into()
                }
            }
        };
    }

    macro_rules! give {
        ($owner:ty) => {
            lend!($owner);

            impl From<$owner> for fd::OwnedFd {
                fn from(owner: $owner) -> Self {
                    OwnedFd::from(owner).into()
                }
            }
        };
    }

    lend!(OwnedFd);
    lend!(BorrowedFd<'_>);
    lend!(BorrowedMemFd<'_>);
    lend!(BorrowedSealedMemFd<'_>);
    give!(OwnedMemFd);
    give!(SealedMemFd);
    #[cfg(feature = "boot")]
    give!(LoopDevice);

    impl TryFrom<fd::OwnedFd> for OwnedMemFd {
        type Error = VerifyError<fd::OwnedFd>;

        /// As from this crate's [`OwnedFd`].
        fn try_from(fd: fd::OwnedFd) -> Result<Self, Self::Error> {
            Self::try_from(OwnedFd::from(fd)).map_err(|error| error.map(fd::OwnedFd::from))
        }
    }

    impl<'fd> From<BorrowedMemFd<'fd>> for fd::BorrowedFd<'fd> {
        fn from(file: BorrowedMemFd<'fd>) -> Self {
            BorrowedFd::from(file).into()
        }
    }

    impl<'fd> TryFrom<fd::BorrowedFd<'fd>> for BorrowedMemFd<'fd> {
        type Error = VerifyErrorKind;

        /// As from this crate's [`BorrowedFd`].
        fn try_from(fd: fd::BorrowedFd<'fd>) -> Result<Self, VerifyErrorKind> {
            Self::try_from(BorrowedFd::from(fd))
        }
    }

    impl<'fd> From<BorrowedSealedMemFd<'fd>> for fd::BorrowedFd<'fd> {
        fn from(file: BorrowedSealedMemFd<'fd>) -> Self {
            BorrowedFd::from(file).into()
        }
    }

    impl<'fd> TryFrom<fd::BorrowedFd<'fd>> for BorrowedSealedMemFd<'fd> {
        type Error = VerifyErrorKind;

        /// As from this crate's [`BorrowedFd`].
        fn try_from(fd: fd::BorrowedFd<'fd>) -> Result<Self, VerifyErrorKind> {
            Self::try_from(BorrowedFd::from(fd))
        }
    }

    impl TryFrom<fd::OwnedFd> for SealedMemFd {
        type Error = VerifyError<fd::OwnedFd>;

        /// As from this crate's [`OwnedFd`].
        fn try_from(fd: fd::OwnedFd) -> Result<Self, Self::Error> {
            Self::try_from(OwnedFd::from(fd)).map_err(|error| error.map(fd::OwnedFd::from))
        }
    }
}
