//! Descriptor types: std's own with the feature `std`, and the same names without it.
//!
//! An `OwnedFd` closes its descriptor, a `BorrowedFd` cannot outlive its owner, and `AsFd` is what
//! lends one. Without the feature they are this crate's, with std's names, signatures and traits
//! and nothing else, so that code compiles in both modes.
#![allow(unsafe_code)]

#[cfg(feature = "std")]
#[doc(no_inline)]
// Without the feature, the names are there all the same.
#[cfg_attr(docsrs, doc(auto_cfg(hide(feature = "std"))))]
pub use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

#[cfg(not(feature = "std"))]
pub use ours::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::{arch, errno::Errno};
use linux_raw_sys::general as raw;

/// Takes ownership of a descriptor that a system call has just returned.
///
/// # Safety
/// The descriptor is open, and nobody else owns it.
#[inline(always)]
pub(crate) unsafe fn take(number: u32) -> OwnedFd {
    // SAFETY: the caller promises both.
    unsafe { OwnedFd::from_raw_fd(number as RawFd) }
}

/// Closes a descriptor and returns what the kernel says to it, which a drop ignores.
#[inline(always)]
pub(crate) fn close(fd: OwnedFd) -> Result<(), Errno> {
    let number = fd.into_raw_fd();
    // SAFETY: no pointers. The descriptor was owned by this function, and nobody else has its
    // number.
    Errno::decode_unit(unsafe { arch::close(number as u32) })
}

/// A close-on-exec duplicate. Its number is at least 3, as with std, so that it never becomes
/// somebody's standard input.
#[inline(always)]
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    duplicate_from(fd, 3)
}

/// A close-on-exec duplicate with the lowest free number that is not below `first`.
#[inline(always)]
pub(crate) fn duplicate_from(fd: BorrowedFd<'_>, first: u32) -> Result<OwnedFd, Errno> {
    let number = fd.as_raw_fd() as u32;
    // SAFETY: no pointers: the command takes a number for its argument.
    let returned = unsafe { arch::fcntl_with(number, raw::F_DUPFD_CLOEXEC, first) };
    let fd = Errno::decode_int(returned)?;
    // SAFETY: the kernel has just made this descriptor.
    Ok(unsafe { take(fd) })
}

#[cfg(not(feature = "std"))]
mod ours {
    use crate::{arch, errno::Errno};
    use core::{fmt, marker::PhantomData, mem::ManuallyDrop, num::NonZeroU32};

    /// The number of a descriptor, without ownership. As `std::os::fd::RawFd`.
    pub type RawFd = i32;

    /// The number with every bit inverted. No descriptor is -1, so this is never zero, and an
    /// `Option` of an owner stays four bytes.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    struct Number(NonZeroU32);

    impl Number {
        /// # Safety
        /// The descriptor is not -1.
        #[inline(always)]
        const unsafe fn new(fd: RawFd) -> Self {
            // SAFETY: only -1 inverts to 0, and the caller promises that it is not -1.
            Self(unsafe { NonZeroU32::new_unchecked(!fd as u32) })
        }

        #[inline(always)]
        const fn get(self) -> RawFd {
            !self.0.get() as RawFd
        }
    }

    /// A descriptor that is closed when it is dropped. As `std::os::fd::OwnedFd`.
    ///
    /// Every number from 0 up is valid: a program that runs before anything is opened gets
    /// 0 first.
    ///
    /// Unlike std's, this type is not a C `int`. In the signature of a foreign function, use
    /// [`RawFd`] with [`IntoRawFd`] and [`FromRawFd`].
    #[repr(transparent)]
    pub struct OwnedFd(Number);

    impl OwnedFd {
        /// Makes another descriptor of the same open file, close-on-exec. As
        /// `std::os::fd::OwnedFd::try_clone`, apart from the type of the error.
        ///
        /// # Errors
        /// - `EMFILE`: the process has too many open files.
        ///
        /// See [`F_DUPFD_CLOEXEC(2const)`].
        ///
        /// [`F_DUPFD_CLOEXEC(2const)`]: https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html
        #[doc(alias = "dup")]
        #[doc(alias = "F_DUPFD_CLOEXEC")]
        pub fn try_clone(&self) -> Result<Self, Errno> {
            self.as_fd().try_clone_to_owned()
        }
    }

    /// A descriptor that somebody else keeps open for `'fd`. As `std::os::fd::BorrowedFd`.
    ///
    /// Unlike std's, this type is not a C `int`. In the signature of a foreign function, use
    /// [`RawFd`].
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub struct BorrowedFd<'fd>(Number, PhantomData<&'fd OwnedFd>);

    impl BorrowedFd<'_> {
        /// Borrows the descriptor with this number.
        ///
        /// # Safety
        /// The descriptor stays open for the lifetime `'fd`, and is not -1.
        #[must_use]
        pub const unsafe fn borrow_raw(fd: RawFd) -> Self {
            // SAFETY: the caller promises that it is not -1.
            Self(unsafe { Number::new(fd) }, PhantomData)
        }

        /// Makes another descriptor of the same open file, close-on-exec. As
        /// `std::os::fd::BorrowedFd::try_clone_to_owned`, apart from the type of the error.
        ///
        /// # Errors
        /// - `EMFILE`: the process has too many open files.
        ///
        /// See [`F_DUPFD_CLOEXEC(2const)`].
        ///
        /// [`F_DUPFD_CLOEXEC(2const)`]: https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html
        #[doc(alias = "dup")]
        #[doc(alias = "F_DUPFD_CLOEXEC")]
        pub fn try_clone_to_owned(&self) -> Result<OwnedFd, Errno> {
            super::duplicate(*self)
        }
    }

    /// A type that can lend a descriptor. As `std::os::fd::AsFd`.
    #[diagnostic::on_unimplemented(
        note = "without the feature `std`, `owned_memfd::fd` has types and traits of its own",
        note = "for std's descriptors, turn on the feature `std` of owned-memfd",
        note = "for rustix's descriptors, turn on its feature `rustix-1`"
    )]
    pub trait AsFd {
        /// Lends the descriptor.
        fn as_fd(&self) -> BorrowedFd<'_>;
    }

    /// A type that can show the number of a descriptor. As `std::os::fd::AsRawFd`.
    pub trait AsRawFd {
        /// The number. `self` still owns the descriptor.
        fn as_raw_fd(&self) -> RawFd;
    }

    /// A type that can be made from the number of a descriptor. As `std::os::fd::FromRawFd`.
    pub trait FromRawFd {
        /// Takes ownership of the descriptor with this number.
        ///
        /// # Safety
        /// The descriptor is open, nobody else owns it, and it is not -1.
        unsafe fn from_raw_fd(fd: RawFd) -> Self;
    }

    /// A type that can give its descriptor away. As `std::os::fd::IntoRawFd`.
    pub trait IntoRawFd {
        /// The number of the descriptor, which the caller now owns and closes.
        fn into_raw_fd(self) -> RawFd;
    }

    impl Drop for OwnedFd {
        #[inline(always)]
        fn drop(&mut self) {
            // The error is ignored, as in std: Linux has released the number in any case, so
            // there is nothing to try again, and a memory file has nothing to write back.
            // SAFETY: no pointers. This value owns the descriptor and is going away.
            let _ = unsafe { arch::close(self.0.get() as u32) };
        }
    }

    impl AsFd for OwnedFd {
        #[inline(always)]
        fn as_fd(&self) -> BorrowedFd<'_> {
            BorrowedFd(self.0, PhantomData)
        }
    }

    impl AsFd for BorrowedFd<'_> {
        #[inline(always)]
        fn as_fd(&self) -> BorrowedFd<'_> {
            *self
        }
    }

    impl<T: AsFd + ?Sized> AsFd for &T {
        #[inline(always)]
        fn as_fd(&self) -> BorrowedFd<'_> {
            T::as_fd(self)
        }
    }

    impl<T: AsFd + ?Sized> AsFd for &mut T {
        #[inline(always)]
        fn as_fd(&self) -> BorrowedFd<'_> {
            T::as_fd(self)
        }
    }

    impl AsRawFd for OwnedFd {
        #[inline(always)]
        fn as_raw_fd(&self) -> RawFd {
            self.0.get()
        }
    }

    impl AsRawFd for BorrowedFd<'_> {
        #[inline(always)]
        fn as_raw_fd(&self) -> RawFd {
            self.0.get()
        }
    }

    impl AsRawFd for RawFd {
        #[inline(always)]
        fn as_raw_fd(&self) -> RawFd {
            *self
        }
    }

    impl FromRawFd for OwnedFd {
        #[inline(always)]
        unsafe fn from_raw_fd(fd: RawFd) -> Self {
            // SAFETY: the caller promises that it is not -1.
            Self(unsafe { Number::new(fd) })
        }
    }

    impl FromRawFd for RawFd {
        #[inline(always)]
        unsafe fn from_raw_fd(fd: RawFd) -> Self {
            fd
        }
    }

    impl IntoRawFd for OwnedFd {
        #[inline(always)]
        fn into_raw_fd(self) -> RawFd {
            ManuallyDrop::new(self).0.get()
        }
    }

    impl IntoRawFd for RawFd {
        #[inline(always)]
        fn into_raw_fd(self) -> RawFd {
            self
        }
    }

    impl fmt::Debug for OwnedFd {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("OwnedFd")
                .field("fd", &self.0.get())
                .finish()
        }
    }

    impl fmt::Debug for BorrowedFd<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("BorrowedFd")
                .field("fd", &self.0.get())
                .finish()
        }
    }
}
