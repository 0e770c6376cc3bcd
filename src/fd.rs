//! Descriptors: who owns one, and for how long a borrowed one lives.
//!
//! With the `std` feature these are std's own types; without it they are ours, with std's
//! names, signatures and traits and nothing besides, so that one consumer compiles in both
//! modes. What is done with a descriptor stands in `memfd`, not here.
#![allow(unsafe_code)]

#[cfg(feature = "std")]
pub use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

#[cfg(not(feature = "std"))]
pub use ours::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Takes ownership of a descriptor that a system call has just answered.
///
/// # Safety
/// The descriptor is open, and nobody else owns it.
#[inline(always)]
pub(crate) unsafe fn take(answer: u32) -> OwnedFd {
    // SAFETY: the caller's own promise.
    unsafe { OwnedFd::from_raw_fd(answer as RawFd) }
}

#[cfg(not(feature = "std"))]
mod ours {
    use crate::sys;
    use core::{fmt, marker::PhantomData, mem::ManuallyDrop, num::NonZeroU32};

    /// A descriptor's number, which says nothing of its lifetime. As `std::os::fd::RawFd`.
    pub type RawFd = i32;

    /// The number with every bit inverted: of -1, which no descriptor has, that is the zero
    /// by which an `Option` of an owner stays four bytes.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    struct Number(NonZeroU32);

    impl Number {
        /// # Safety
        /// The descriptor is not -1.
        #[inline(always)]
        const unsafe fn new(fd: RawFd) -> Self {
            // SAFETY: the caller's promise: only -1 inverts to 0.
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
    /// Unlike std's, this type is not a C `int` in a foreign function's signature: there,
    /// use [`RawFd`], [`IntoRawFd`] and [`FromRawFd`].
    #[repr(transparent)]
    pub struct OwnedFd(Number);

    /// A descriptor that somebody else keeps open for `'fd`. As `std::os::fd::BorrowedFd`.
    ///
    /// Unlike std's, this type is not a C `int` in a foreign function's signature.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub struct BorrowedFd<'fd>(Number, PhantomData<&'fd OwnedFd>);

    impl BorrowedFd<'_> {
        /// Borrows a number.
        ///
        /// # Safety
        /// The descriptor stays open for the lifetime that the caller gives it, and is not
        /// -1.
        #[must_use]
        pub const unsafe fn borrow_raw(fd: RawFd) -> Self {
            // SAFETY: the caller's promise: not -1.
            Self(unsafe { Number::new(fd) }, PhantomData)
        }
    }

    /// What has a descriptor to lend. As `std::os::fd::AsFd`.
    pub trait AsFd {
        /// Lends the descriptor.
        fn as_fd(&self) -> BorrowedFd<'_>;
    }

    /// What has a descriptor's number to show. As `std::os::fd::AsRawFd`.
    pub trait AsRawFd {
        /// The number, still owned by `self`.
        fn as_raw_fd(&self) -> RawFd;
    }

    /// What can be made from a descriptor's number. As `std::os::fd::FromRawFd`.
    pub trait FromRawFd {
        /// Takes ownership of the number.
        ///
        /// # Safety
        /// The descriptor is open, nobody else owns it, and it is not -1.
        unsafe fn from_raw_fd(fd: RawFd) -> Self;
    }

    /// What can give its descriptor's number away. As `std::os::fd::IntoRawFd`.
    pub trait IntoRawFd {
        /// The number, which the caller now owns and closes.
        fn into_raw_fd(self) -> RawFd;
    }

    impl Drop for OwnedFd {
        #[inline(always)]
        fn drop(&mut self) {
            // The error is ignored, as std does: Linux has released the number whatever it
            // answers, so that there is nothing to do again, and a memory file has nothing
            // left to write back.
            // SAFETY: this value owns the descriptor and is going away.
            let _ = unsafe { sys::close(self.0.get()) };
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
            // SAFETY: the caller's promise: not -1.
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
