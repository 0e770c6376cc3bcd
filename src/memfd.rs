//! `OwnedMemFd`: an anonymous memory file, and what is done with it through its descriptor.
//! `BorrowedMemFd`: the same through a descriptor that somebody lends.
//!
//! Transfers that take more than one call stand in `transfer`, creation that depends on the kernel
//! in `options`, mapping in `shared` and `sealed`, and the judgement of strangers' descriptors in
//! `proof`.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    fd::{self, AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    flags::{MemFdFlags, Seals},
    path::{NumberedPath, PathStart},
    sys,
};
use core::{ffi::CStr, fmt, mem::MaybeUninit, ops::Deref, ptr, slice};
use linux_raw_sys::general as raw;

#[cfg(feature = "std")]
pub use std::io::SeekFrom;

/// From where [`OwnedMemFd::seek`] counts. As `std::io::SeekFrom`.
#[cfg(not(feature = "std"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// This many bytes from the start of the file.
    Start(u64),
    /// This many bytes from the end of the file.
    End(i64),
    /// This many bytes from the current offset.
    Current(i64),
}

/// The descriptors of this thread. Since Linux 3.17.
const THREAD_FD: PathStart = PathStart::new(*b"/proc/thread-self/fd/\0\0\0\0\0\0\0\0\0\0\0");
/// The descriptors of the first thread of this process.
const PROC_FD: PathStart = PathStart::new(*b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

/// An anonymous memory file, closed when it is dropped.
///
/// Everyone who holds a descriptor of the same file can do the same things to it, unless a seal
/// forbids them. A [`try_clone`](Self::try_clone) and a descriptor in another process share one
/// offset, which `read`, `write` and `seek` move. `read_at` and `write_at` neither use nor move
/// it. They share `O_APPEND` too: once somebody has set it, every write goes to the end of the
/// file, even that of `write_at`.
///
/// No method tries again unless its documentation says so: a call that a signal interrupts is an
/// error (`EINTR`). Since Linux 3.17, unless a method says otherwise.
///
/// Any method can also return `EBADF` (the descriptor was not opened for this access), `ENOMEM`
/// (the control group's memory limit is reached) or `EIO` (a page of memory has failed).
///
/// ```
/// use owned_memfd::{MemFdFlags, OwnedMemFd, Seals};
///
/// let file = OwnedMemFd::create(c"note", MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING)?;
/// file.write_all(b"hello")?;
/// file.add_seals(Seals::SHRINK | Seals::GROW | Seals::WRITE)?;
///
/// let mut content = [0; 5];
/// file.read_exact_at(&mut content, 0)?;
/// assert_eq!(&content, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Memfd")]
#[doc(alias = "MemFile")]
#[doc(alias = "from_raw_fd")]
#[doc(alias = "into_raw_fd")]
#[repr(transparent)]
pub struct OwnedMemFd(OwnedFd);

/// A borrowed memory file: its owner keeps the descriptor open for `'fd`.
///
/// All methods of [`OwnedMemFd`] that borrow it work on it. Dropping it closes nothing.
///
/// ```
/// use owned_memfd::{BorrowedMemFd, MemFdOptions, fd::{AsFd, OwnedFd}};
///
/// let fd = OwnedFd::from(MemFdOptions::new().create(c"lent")?);
/// let file = BorrowedMemFd::try_from(fd.as_fd())?;
/// file.write_all(b"hello")?;
/// assert_eq!(file.len()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It does not outlive the descriptor:
///
/// ```compile_fail,E0505
/// use owned_memfd::{BorrowedMemFd, MemFdOptions, fd::{AsFd, OwnedFd}};
///
/// let fd = OwnedFd::from(MemFdOptions::new().create(c"lent").unwrap());
/// let file = BorrowedMemFd::try_from(fd.as_fd()).unwrap();
/// drop(fd);
/// file.len().unwrap();
/// ```
///
/// nor does the reference to which it dereferences:
///
/// ```compile_fail,E0505
/// use owned_memfd::{BorrowedMemFd, MemFdOptions, OwnedMemFd};
///
/// let file = MemFdOptions::new().create(c"lent").unwrap();
/// let borrowed = BorrowedMemFd::from(&file);
/// let reference: &OwnedMemFd = &borrowed;
/// drop(file);
/// reference.len().unwrap();
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct BorrowedMemFd<'fd>(BorrowedFd<'fd>);

impl<'fd> BorrowedMemFd<'fd> {
    /// Takes a descriptor that may be no memory file's. Methods then return errors.
    pub(crate) const fn from_fd_unchecked(fd: BorrowedFd<'fd>) -> Self {
        Self(fd)
    }
}

impl Deref for BorrowedMemFd<'_> {
    type Target = OwnedMemFd;

    #[inline]
    fn deref(&self) -> &OwnedMemFd {
        // SAFETY: both types are transparent: `BorrowedFd` and `OwnedFd` have the representation of
        // a descriptor's number, never -1, as std documents of its own and as `fd` defines those
        // of this crate. The reference is shared, so that nobody can move the owner out of it or
        // drop it, and ends before `'fd` does.
        unsafe { &*ptr::from_ref(self).cast::<OwnedMemFd>() }
    }
}

impl<'fd> From<&'fd OwnedMemFd> for BorrowedMemFd<'fd> {
    #[inline]
    fn from(file: &'fd OwnedMemFd) -> Self {
        Self(file.as_fd())
    }
}

impl<'fd> From<BorrowedMemFd<'fd>> for BorrowedFd<'fd> {
    #[inline]
    fn from(file: BorrowedMemFd<'fd>) -> Self {
        file.0
    }
}

impl AsFd for BorrowedMemFd<'_> {
    #[inline(always)]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0
    }
}

impl AsRawFd for BorrowedMemFd<'_> {
    #[inline(always)]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl fmt::Debug for BorrowedMemFd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.as_raw_fd();
        f.debug_struct("BorrowedMemFd").field("fd", &fd).finish()
    }
}

/// # Creating
impl OwnedMemFd {
    /// Creates a memory file with exactly one `memfd_create`.
    ///
    /// `name` appears in `/proc/PID/fd` and `/proc/PID/maps`. It need not be unique, and opens
    /// nothing. This checks nothing itself: for flags that work on every kernel, use
    /// [`MemFdOptions`](crate::MemFdOptions).
    ///
    /// # Errors
    /// - `EACCES`: [`MemFdFlags::EXEC`], which `vm.memfd_noexec=2` forbids.
    /// - `EINVAL`: a flag that this kernel does not know, two that exclude each other, or a
    ///   name of more than 249 bytes.
    /// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
    /// - `ENODEV`: this machine has no huge pages of that size.
    /// - `ENOMEM`: no memory for the file.
    /// - `ENOSYS`, `EPERM`: the kernel is built without memory files, or a seccomp filter
    ///   forbids the call.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[inline(always)]
    pub fn create(name: &CStr, flags: MemFdFlags) -> Result<Self, Errno> {
        sys::memfd::memfd_create(name, flags.bits()).map(Self)
    }

    /// Takes a descriptor that may be no memory file's. Methods then return errors.
    #[inline(always)]
    pub(crate) const fn from_fd_unchecked(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

/// # Reading and writing
impl OwnedMemFd {
    /// Reads at the offset, moves it, and returns how many bytes; 0 at the end of the file.
    ///
    /// # Errors
    /// - `EINTR`: a signal came before any byte was read.
    /// - `EINVAL`: the offset, or the end, is above `i64::MAX`. Whoever shares the offset can move
    ///   it there.
    ///
    /// See [`read(2)`](https://man7.org/linux/man-pages/man2/read.2.html).
    #[inline(always)]
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        sys::memfd::read(self.as_fd(), buffer)
    }

    /// Reads at `offset`, in bytes from the start, and returns how many bytes; 0 at or after
    /// the end of the file.
    ///
    /// A hole reads as zeros and stays a hole.
    ///
    /// # Errors
    /// - `EINTR`: a signal came before any byte was read.
    /// - `EINVAL`: the offset is above `i64::MAX`.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    #[doc(alias = "pread")]
    #[inline(always)]
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        sys::memfd::read_at(self.as_fd(), buffer, offset).decode()
    }

    /// Writes at the offset, moves it, and returns how many bytes.
    ///
    /// These may be fewer than given. One call moves at most 2 GiB less a page. It stops early
    /// at `RLIMIT_FSIZE`, when memory runs out, and on some kernels at the end of a file with
    /// [`Seals::GROW`]. [`write_all`](Self::write_all) continues.
    ///
    /// # Errors
    /// [`explain_write_error`](Self::explain_write_error) tells the causes of one errno apart.
    ///
    /// - `EFBIG`: at `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless it is
    ///   ignored.
    /// - `EINTR`: a signal came before any byte was written.
    /// - `EINVAL`: the file is on huge pages, which can be written only through a mapping; or the
    ///   offset, or the end, is above `i64::MAX`. Whoever shares the offset can move it there.
    /// - `ENOSPC`: no memory for the content.
    /// - `EPERM`: forbidden by [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`], or by
    ///   [`Seals::GROW`] past the end of the file or, on some kernels, across it.
    ///
    /// See [`write(2)`](https://man7.org/linux/man-pages/man2/write.2.html).
    #[inline(always)]
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        sys::memfd::write(self.as_fd(), bytes).decode()
    }

    /// Writes at `offset`, in bytes from the start, and returns how many bytes.
    ///
    /// # Errors
    /// As [`write`](Self::write), also explained by
    /// [`explain_write_error`](Self::explain_write_error), and:
    /// - `EINVAL`: the offset, or the end, is above `i64::MAX`.
    ///
    /// See [`pwrite(2)`](https://man7.org/linux/man-pages/man2/pwrite.2.html).
    #[doc(alias = "pwrite")]
    #[inline(always)]
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
        sys::memfd::write_at(self.as_fd(), bytes, offset).decode()
    }

    /// Moves the offset and returns the new one, in bytes from the start.
    ///
    /// # Errors
    /// - `EINVAL`: the offset would be negative or above `i64::MAX`.
    ///
    /// See [`lseek(2)`](https://man7.org/linux/man-pages/man2/lseek.2.html).
    #[doc(alias = "lseek")]
    #[doc(alias = "SEEK_SET")]
    #[doc(alias = "SEEK_END")]
    #[doc(alias = "SEEK_CUR")]
    #[inline]
    pub fn seek(&self, to: SeekFrom) -> Result<u64, Errno> {
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (signed(offset)?, raw::SEEK_SET),
            SeekFrom::End(offset) => (offset, raw::SEEK_END),
            SeekFrom::Current(offset) => (offset, raw::SEEK_CUR),
        };
        sys::memfd::seek(self.as_fd(), offset, whence)
    }
}

/// # Size, memory and mode
impl OwnedMemFd {
    /// The length of the file, in bytes.
    ///
    /// # Errors
    /// None for a memory file.
    ///
    /// See [`fstat(2)`](https://man7.org/linux/man-pages/man2/fstat.2.html).
    #[doc(alias = "fstat")]
    #[inline]
    #[allow(
        clippy::len_without_is_empty,
        reason = "the kernel is asked, and may return an error"
    )]
    pub fn len(&self) -> Result<u64, Errno> {
        sys::memfd::stat(self.as_fd()).map(|stat| stat.len)
    }

    /// Sets the length of the file, in bytes: truncates it, or lengthens it with a hole that
    /// reads as zeros. The offset stays.
    ///
    /// # Errors
    /// [`explain_write_error`](Self::explain_write_error) tells the causes of one errno apart.
    ///
    /// - `EFBIG`: above `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless it is
    ///   ignored.
    /// - `EINVAL`: above `i64::MAX`, where no call is made; not a multiple of the huge page; or
    ///   the descriptor is not open for writing.
    /// - `EPERM`: forbidden by [`Seals::SHRINK`] or [`Seals::GROW`].
    ///
    /// See [`ftruncate(2)`](https://man7.org/linux/man-pages/man2/ftruncate.2.html).
    #[doc(alias = "ftruncate")]
    #[doc(alias = "truncate")]
    #[inline]
    pub fn set_len(&self, len: u64) -> Result<(), Errno> {
        signed(len)?;
        sys::memfd::set_len(self.as_fd(), len)
    }

    /// Frees the memory behind `len` bytes at `offset`. They read as zeros afterwards. The length
    /// of the file stays.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let file = MemFdOptions::new().create(c"cache")?;
    /// file.write_all(b"old and new")?;
    /// file.punch_hole(0, 4)?;
    /// let mut content = [0; 11];
    /// file.read_exact_at(&mut content, 0)?;
    /// assert_eq!(&content, b"\0\0\0\0and new");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`explain_write_error`](Self::explain_write_error) tells the causes of one errno apart.
    ///
    /// - `EBADF`: the descriptor is not open for writing.
    /// - `EFBIG`: the end is above `i64::MAX`.
    /// - `EINVAL`: `len` is 0, or `offset` or `len` is above `i64::MAX`. In the latter case no
    ///   call is made.
    /// - `EPERM`: forbidden by [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`].
    ///   [`Seals::SHRINK`] does not forbid it.
    ///
    /// See [`fallocate(2)`](https://man7.org/linux/man-pages/man2/fallocate.2.html).
    #[doc(alias = "fallocate")]
    #[doc(alias = "FALLOC_FL_PUNCH_HOLE")]
    #[doc(alias = "FALLOC_FL_KEEP_SIZE")]
    #[inline]
    pub fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Errno> {
        signed(offset)?;
        signed(len)?;
        let mode = raw::FALLOC_FL_PUNCH_HOLE | raw::FALLOC_FL_KEEP_SIZE;
        sys::memfd::fallocate(self.as_fd(), mode, offset, len)
    }

    /// The permission bits of the file, such as 0o666: the lowest twelve of its mode.
    ///
    /// # Errors
    /// None for a memory file.
    ///
    /// See [`fstat(2)`](https://man7.org/linux/man-pages/man2/fstat.2.html).
    #[doc(alias = "fstat")]
    #[inline]
    pub fn mode(&self) -> Result<u32, Errno> {
        sys::memfd::stat(self.as_fd()).map(|stat| stat.mode & 0o7777)
    }

    /// The size of the pages that the file was created for, in bytes: that of the machine's pages,
    /// or of its huge pages if it is on those.
    ///
    /// The length of a file on huge pages is a multiple of it. Huge pages that come from
    /// [`collapse`](crate::SealedMap::collapse) do not change it.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let file = MemFdOptions::new().create(c"pages")?;
    /// file.set_len(3 * file.page_size()? as u64)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// None for a memory file.
    ///
    /// See [`fstatfs(2)`](https://man7.org/linux/man-pages/man2/fstatfs.2.html).
    #[doc(alias = "fstatfs")]
    #[inline]
    pub fn page_size(&self) -> Result<usize, Errno> {
        sys::memfd::stat_fs(self.as_fd()).map(|found| found.block as usize)
    }

    /// Sets the permission bits of the file, such as 0o600.
    ///
    /// They decide who may open the file again through `/proc`, and whether it may be executed.
    /// They restrict neither its owner nor a privileged process. Only a seal does.
    ///
    /// # Errors
    /// - `EPERM`: [`Seals::EXEC`] forbids changes of the execute bits, or the caller does not own
    ///   the file.
    ///
    /// See [`fchmod(2)`](https://man7.org/linux/man-pages/man2/fchmod.2.html).
    #[doc(alias = "fchmod")]
    #[inline]
    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        sys::memfd::set_mode(self.as_fd(), mode)
    }
}

/// # Seals
impl OwnedMemFd {
    /// The seals on the file, including those that this crate has no name for.
    ///
    /// # Errors
    /// None for a memory file.
    ///
    /// Since Linux 3.17.
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    #[doc(alias = "F_GET_SEALS")]
    #[doc(alias = "fcntl")]
    #[inline(always)]
    pub fn seals(&self) -> Result<Seals, Errno> {
        sys::memfd::get_seals(self.as_fd()).map(Seals::from_bits_retain)
    }

    /// Adds seals to the file: all of them or, on an error, none. Seals that the file has already
    /// may be among them.
    ///
    /// They hold at once, for everybody who has the file, and nobody can remove them.
    ///
    /// # Errors
    /// [`explain_seal_error`](Self::explain_seal_error) tells the causes of one errno apart.
    ///
    /// - `EBUSY`: [`Seals::WRITE`], while somebody has the file mapped shared and could write
    ///   through the mapping, or the kernel still uses its pages, for which it first waits up to
    ///   0.2 s.
    /// - `EINVAL`: this kernel does not know one of the seals.
    /// - `EPERM`: the descriptor is not open for writing, or [`Seals::SEAL`] is on the file.
    ///
    /// Since Linux 3.17; [`Seals`] names the version of each.
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[doc(alias = "F_ADD_SEALS")]
    #[doc(alias = "fcntl")]
    #[inline(always)]
    pub fn add_seals(&self, seals: Seals) -> Result<(), Errno> {
        sys::memfd::add_seals(self.as_fd(), seals.bits())
    }

    /// Explains why [`add_seals`](Self::add_seals) returned `errno`, as far as the kernel can
    /// still tell.
    ///
    /// This asks the kernel now. If others have changed the file since, it describes the file as
    /// it is now.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, SealError, Seals};
    ///
    /// let file = MemFdOptions::new().sealable(false).create(c"open")?;
    /// let errno = file.add_seals(Seals::WRITE).unwrap_err();
    /// assert_eq!(file.explain_seal_error(errno), SealError::SealingClosed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain_seal_error(&self, errno: Errno) -> SealError {
        match errno {
            Errno::EBUSY => SealError::MappedOrPinned,
            Errno::EINVAL => match self.seals() {
                Ok(_) => SealError::UnknownSeal,
                Err(_) => SealError::NotMemFd,
            },
            // In the order in which the kernel looks.
            Errno::EPERM => match (sys::memfd::get_status_flags(self.as_fd()), self.seals()) {
                (Ok(flags), _) if flags & raw::O_ACCMODE == raw::O_RDONLY => SealError::ReadOnly,
                (_, Ok(seals)) if seals.contains(Seals::SEAL) => SealError::SealingClosed,
                _ => SealError::Kernel(errno),
            },
            errno => SealError::Kernel(errno),
        }
    }
}

/// # Descriptors
impl OwnedMemFd {
    /// Makes another descriptor of the same open file, close-on-exec. It shares the offset.
    ///
    /// Its number is at least 3, as with `std::fs::File::try_clone`, so that a clone never becomes
    /// somebody's standard input. For an offset of its own, see
    /// [`reopen_read_only`](Self::reopen_read_only).
    ///
    /// # Errors
    /// - `EMFILE`: the process has too many open files.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    #[doc(alias = "dup")]
    #[doc(alias = "F_DUPFD_CLOEXEC")]
    #[doc(alias = "fcntl")]
    #[inline]
    pub fn try_clone(&self) -> Result<Self, Errno> {
        fd::duplicate(self.as_fd()).map(Self)
    }

    /// Opens the same file again, read-only and close-on-exec, with an offset of its own.
    ///
    /// Through that descriptor the file can be neither written nor sealed. It is no boundary by
    /// itself: its holder can open the file for writing through `/proc`, if the file's mode and
    /// owner allow that, and then write and seal it. The mode of a new file, 0666, allows it to
    /// everybody; after [`set_mode(0o444)`](Self::set_mode), only root and processes of the same
    /// user can do that.
    ///
    /// It never returns another file, whatever is mounted on `/proc`. `/proc` need not be mounted
    /// on Linux 7.2 and later, or if the process has `CAP_DAC_READ_SEARCH`, as in early boot.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, Seals};
    ///
    /// let file = MemFdOptions::new().create(c"pool")?;
    /// file.write_all(b"hello")?;
    /// let reader = file.reopen_read_only()?;
    /// assert!(reader.write_all(b"no").is_err());
    /// assert!(reader.add_seals(Seals::SEAL).is_err());
    ///
    /// let mut content = [0; 5];
    /// // It begins at its own offset.
    /// assert_eq!(reader.read(&mut content)?, 5);
    /// assert_eq!(&content, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - `EACCES`: the file's mode forbids it.
    /// - `EAGAIN`: somebody has a lease on the file (`F_SETLEASE`), and is now asked to end it.
    /// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
    /// - `EPERM`, `EOPNOTSUPP`, `ENOSYS`: no path in `/proc` leads to the file, and opening it
    ///   without one is not permitted to this process, not possible for this kind of file, or not
    ///   in this kernel.
    ///
    /// See [`proc_pid_fd(5)`](https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html) and
    /// [`open_by_handle_at(2)`](https://man7.org/linux/man-pages/man2/open_by_handle_at.2.html).
    #[doc(alias = "open_by_handle_at")]
    #[doc(alias = "O_EMPTYPATH")]
    #[doc(alias = "openat")]
    #[doc(alias = "name_to_handle_at")]
    #[doc(alias = "O_RDONLY")]
    pub fn reopen_read_only(&self) -> Result<Self, Errno> {
        let fd = self.as_fd();
        let reopened = match sys::memfd::reopen_read_only(fd) {
            Err(Errno::ENOENT | Errno::EINVAL) => match self.reopen_by_path() {
                Err(Errno::ENOENT) => {
                    let mut handle = sys::memfd::FileHandle::new();
                    sys::memfd::get_handle(fd, &mut handle).and_then(|()| {
                        // SAFETY: `get_handle` has just filled it.
                        unsafe { sys::memfd::open_by_handle(fd, &handle) }
                    })
                }
                result => result,
            },
            result => result,
        }?;
        // It was opened without waiting, which would otherwise stay a property of it.
        sys::memfd::set_status_flags(reopened.as_fd(), 0)?;
        Ok(Self(reopened))
    }

    /// Opens the file by its path. `ENOENT` unless a path leads to this very file.
    fn reopen_by_path(&self) -> Result<OwnedFd, Errno> {
        let path = self.find_path().ok_or(Errno::ENOENT)?;
        let reopened = sys::memfd::reopen_path(&path)?;
        // It may have changed since it was asked.
        let (ours, found) = (
            sys::memfd::stat(self.as_fd())?,
            sys::memfd::stat(reopened.as_fd())?,
        );
        if ours.is_same_file(&found) {
            Ok(reopened)
        } else {
            Err(Errno::ENOENT)
        }
    }

    /// The path in `/proc` that leads to this very file, found without opening anything: anything
    /// may be mounted there, and the first thread may have other descriptors than this one.
    #[cold]
    pub(crate) fn find_path(&self) -> Option<NumberedPath> {
        let number = self.as_raw_fd().unsigned_abs();
        let ours = sys::memfd::stat(self.as_fd()).ok()?;
        let leads_here = |path: &NumberedPath| {
            sys::memfd::stat_path(path).is_ok_and(|found| ours.is_same_file(&found))
        };
        let path = THREAD_FD.with_number(number);
        if leads_here(&path) {
            return Some(path);
        }
        let path = PROC_FD.with_number(number);
        leads_here(&path).then_some(path)
    }

    /// The path `/proc/self/fd/N`, which names this descriptor in this process as long as it is
    /// open.
    ///
    /// The path names what the first thread has open under that number, and leads nowhere once that
    /// thread has ended. All threads of a process share their descriptors, except one that called
    /// `unshare(CLONE_FILES)`: it must not use the path, which would lead to another file or to
    /// none.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let file = MemFdOptions::new().create(c"settings")?;
    /// file.write_all(b"colour = blue")?;
    /// // For what insists on a path.
    /// let path = file.proc_path().to_string();
    /// assert_eq!(std::fs::read_to_string(path)?, "colour = blue");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "/proc/self/fd")]
    #[must_use]
    pub fn proc_path(&self) -> NumberedPath {
        PROC_FD.with_number(self.as_raw_fd().unsigned_abs())
    }

    /// Makes `number` a descriptor of the same open file, which an executed program inherits, and
    /// closes what was open there.
    ///
    /// If it is this descriptor's own number, this only clears close-on-exec.
    ///
    /// Call it in a child, between `fork` and `exec`. At any other moment another thread may be
    /// opening something that gets this number, or starting a program that inherits it.
    ///
    /// In `pre_exec` of a `std::process::Command`, `number` may be the pipe through which std tells
    /// the parent that `exec` failed: it has the lowest number that is free when the child is
    /// started. std then writes its message into this file, and the parent takes the child for
    /// started. With the feature `std`, `pass_to_as` gives a child a file under a number without
    /// that danger.
    ///
    /// # Errors
    /// - `EBADF`: `number` is negative or above `RLIMIT_NOFILE`.
    /// - `EBUSY`: another thread is just opening something that gets this number.
    ///
    /// See [`dup3(2)`](https://man7.org/linux/man-pages/man2/dup.2.html).
    ///
    /// # Safety
    /// The owner of the descriptor `number` agrees to its being replaced: nothing that still
    /// expects its own file there uses it afterwards.
    #[doc(alias = "dup2")]
    #[doc(alias = "dup3")]
    #[inline]
    pub unsafe fn duplicate_onto(&self, number: RawFd) -> Result<(), Errno> {
        if number == self.as_raw_fd() {
            self.set_close_on_exec(false)
        } else {
            // SAFETY: the caller promises that the owner of `number` agrees.
            unsafe { sys::memfd::duplicate_onto(self.as_fd(), number) }
        }
    }

    /// Whether the descriptor is closed when the process executes another program.
    ///
    /// # Errors
    /// None for an open descriptor.
    ///
    /// See [`F_GETFD(2const)`](https://man7.org/linux/man-pages/man2/F_GETFD.2const.html).
    #[doc(alias = "FD_CLOEXEC")]
    #[doc(alias = "F_GETFD")]
    #[doc(alias = "fcntl")]
    #[inline]
    pub fn close_on_exec(&self) -> Result<bool, Errno> {
        sys::memfd::get_fd_flags(self.as_fd()).map(|flags| flags & raw::FD_CLOEXEC != 0)
    }

    /// Sets whether the descriptor is closed when the process executes another program.
    ///
    /// Clear it in the child, between `fork` and `exec`. In the parent, every program that another
    /// thread starts meanwhile would inherit the descriptor too.
    ///
    /// # Errors
    /// None for an open descriptor.
    ///
    /// See [`F_SETFD(2const)`](https://man7.org/linux/man-pages/man2/F_GETFD.2const.html).
    #[doc(alias = "FD_CLOEXEC")]
    #[doc(alias = "F_SETFD")]
    #[doc(alias = "fcntl")]
    #[inline]
    pub fn set_close_on_exec(&self, yes: bool) -> Result<(), Errno> {
        // FD_CLOEXEC is the only flag of a descriptor that Linux has.
        sys::memfd::set_fd_flags(self.as_fd(), if yes { raw::FD_CLOEXEC } else { 0 })
    }

    /// Closes the descriptor and returns the kernel's error, which a drop ignores.
    ///
    /// # Errors
    /// None for a memory file. The descriptor is closed in any case.
    ///
    /// See [`close(2)`](https://man7.org/linux/man-pages/man2/close.2.html).
    #[inline]
    pub fn close(self) -> Result<(), Errno> {
        fd::close(self.0)
    }
}

/// A text with the NUL that ends it, in `room`. The error is the index of the first NUL in the
/// text or, if it does not fit, where there is no room.
#[inline]
pub(crate) fn nul_terminated<'a>(
    text: &[u8],
    room: &'a mut [MaybeUninit<u8>],
) -> Result<&'a CStr, usize> {
    let mut len = 0;
    // A loop that may end early stays a loop. A plain copy would become a call of `memcpy`,
    // which a program without libc need not have.
    for (slot, byte) in room.iter_mut().zip(text.iter().copied().chain([0])) {
        slot.write(byte);
        len += 1;
        if byte == 0 {
            break;
        }
    }
    if len != text.len() + 1 {
        return Err(len.saturating_sub(1));
    }
    // SAFETY: the loop has written the first `len` bytes of `room`, which is borrowed for as
    // long as the slice lives.
    let text = unsafe { slice::from_raw_parts(room.as_ptr().cast(), len) };
    // SAFETY: the last of them is NUL and no other is, since the loop ended at the first one.
    Ok(unsafe { CStr::from_bytes_with_nul_unchecked(text) })
}

/// A length or offset as the kernel's signed type has it; above `i64::MAX` it would be
/// negative, which the kernel calls `EINVAL`.
#[inline(always)]
pub(crate) fn signed(value: u64) -> Result<i64, Errno> {
    i64::try_from(value).map_err(|_| Errno::EINVAL)
}

/// Why a seal was not added, from [`OwnedMemFd::seal`] or [`OwnedMemFd::explain_seal_error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The descriptor is not open for writing. Another one of the file may be.
    ReadOnly,
    /// [`Seals::SEAL`] is on the file: sealing was never allowed, or has been closed.
    SealingClosed,
    /// Somebody has the file mapped shared and could write through the mapping, here or in
    /// another process. Or the kernel still uses its pages, for direct or asynchronous input and
    /// output or an undrained pipe. Both can end: try again then.
    MappedOrPinned,
    /// This kernel does not know one of the seals.
    UnknownSeal,
    /// It is not a memory file, or one that cannot have seals.
    NotMemFd,
    /// The kernel returned this error, and the file does not explain it, or no longer does.
    Kernel(Errno),
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "the descriptor is not open for writing",
            Self::SealingClosed => "sealing was never allowed or has been closed by F_SEAL_SEAL",
            Self::MappedOrPinned => {
                "somebody has it mapped for writing, or the kernel is using a page of it"
            }
            Self::UnknownSeal => "this kernel does not know one of the seals",
            Self::NotMemFd => "not a memory file",
            // The kernel's message is about other files, so this adds the error's name.
            Self::Kernel(errno) => return write!(f, "{errno} ({errno:?})"),
        })
    }
}

impl core::error::Error for SealError {}

impl From<SealError> for Errno {
    /// The errno that [`OwnedMemFd::add_seals`] returns for this cause.
    fn from(error: SealError) -> Self {
        match error {
            SealError::ReadOnly | SealError::SealingClosed => Self::EPERM,
            SealError::MappedOrPinned => Self::EBUSY,
            SealError::UnknownSeal | SealError::NotMemFd => Self::EINVAL,
            SealError::Kernel(errno) => errno,
        }
    }
}

impl From<OwnedMemFd> for OwnedFd {
    #[inline]
    fn from(file: OwnedMemFd) -> Self {
        file.0
    }
}

impl AsFd for OwnedMemFd {
    #[inline(always)]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for OwnedMemFd {
    #[inline(always)]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl IntoRawFd for OwnedMemFd {
    #[inline(always)]
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl FromRawFd for OwnedMemFd {
    /// Takes ownership of the descriptor with this number.
    ///
    /// # Safety
    /// The descriptor is open, nobody else owns it, and it is not -1. If it is not a memory
    /// file's, methods return errors, and nothing worse happens.
    #[inline(always)]
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        // SAFETY: the caller promises that it is open, owned by nobody else and not -1.
        Self(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl fmt::Debug for OwnedMemFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.as_raw_fd();
        f.debug_struct("OwnedMemFd").field("fd", &fd).finish()
    }
}
