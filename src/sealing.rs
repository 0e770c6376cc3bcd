//! Making sealed files: sealing your own, copying, filling in place, and verifying or copying
//! somebody else's.
//!
//! Each way ends in the proof. The only reference to mapped bytes that is made here is the one
//! that `create_with` lends out before the file is sealed.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    extents::Extents,
    fd::{AsFd, BorrowedFd, OwnedFd},
    flags::Seals,
    memfd::{OwnedMemFd, SealError},
    options::{CreateError, MemFdOptions, Name, TryCreateError},
    proof::{PROOF_SEALS, Proof, VerifyError, VerifyErrorKind, check_len, limit, not_regular},
    region::{EXTENT, MapMode, Region, Source},
    sealed::SealedMemFd,
    sys,
    transfer::{access_mode, copy_by_position, write_on},
};
use core::{convert::Infallible, mem::MaybeUninit, ptr, slice};
use linux_raw_sys::general as raw;

/// The seals that make a file final: the proof, a fixed length, and no more seals. On huge pages
/// some kernels still let a private mapping lengthen the file.
const FINAL_SEALS: Seals = PROOF_SEALS.union(Seals::GROW).union(Seals::SEAL);

/// # Sealing
impl OwnedMemFd {
    /// Seals the file for good, and proves that its content can no longer change.
    ///
    /// If the kernel is using a page of the file, this tries again, for about 0.7 s in all.
    ///
    /// It adds [`Seals::WRITE`], [`Seals::SHRINK`], [`Seals::GROW`] and [`Seals::SEAL`]. If that
    /// fails, but the seals that the file has are enough for the proof, this succeeds.
    ///
    /// The offset stays where it is, since others may share it: after [`write`](Self::write) and
    /// [`copy_from`](Self::copy_from), at the end. A program that gets the descriptor and reads it
    /// would find nothing, so go back to the start before. Every other way to make a sealed file
    /// leaves the offset there. With the feature `std`, so does turning the file into a `Stdio`.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, SeekFrom};
    ///
    /// let file = MemFdOptions::new().create(c"input")?;
    /// file.write_all(b"hello")?;
    /// let sealed = file.seal()?;
    /// // For whoever reads it without a position.
    /// sealed.as_memfd().seek(SeekFrom::Start(0))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The memory file comes back. Seals that were added stay. [`VerifyErrorKind::Seal`] has one of
    /// these causes, and its message says which:
    /// - [`MappedOrPinned`](crate::SealError::MappedOrPinned), which is `EBUSY`: somebody has the
    ///   file mapped shared and could write through the mapping, which is returned at once. Or one
    ///   of its pages is still in use after four tries, such as in a pipe or in a transfer; in each
    ///   of these the kernel itself waits up to 0.2 s. Only the time tells the two causes apart.
    ///   [`add_seals`](Self::add_seals) is a single try.
    /// - [`ReadOnly`](crate::SealError::ReadOnly),
    ///   [`SealingClosed`](crate::SealError::SealingClosed), which are `EPERM`: the descriptor is
    ///   not open for writing, or sealing is closed.
    ///
    /// And:
    /// - [`VerifyErrorKind::ForgeableSeals`]: the file also has [`Seals::EXEC`] and
    ///   [`Seals::FUTURE_WRITE`], and the kernel has CVE-2026-63952.
    /// - [`VerifyErrorKind::ProbeFailed`]: the file has these seals, and the test for that
    ///   bug failed with this error.
    /// - [`VerifyErrorKind::TooLarge`]: the file is longer than `isize::MAX`.
    ///
    /// Since Linux 3.17.
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[doc(alias = "F_ADD_SEALS")]
    #[doc(alias = "fcntl")]
    #[inline(always)]
    pub fn seal(self) -> Result<SealedMemFd, VerifyError<Self>> {
        seal(self, Patience::WithTheKernel)
    }
}

/// Seals a file and proves it, with as much patience as its owner may have.
#[inline(always)]
fn seal(file: OwnedMemFd, patience: Patience) -> Result<SealedMemFd, VerifyError<OwnedMemFd>> {
    if let Err(errno) = file.add_seals(FINAL_SEALS) {
        if let Err(cause) = seal_anyway(&file, errno, patience) {
            return Err(VerifyError::of(file, cause.into()));
        }
    }
    Proof::of_sealed(file).map(SealedMemFd::from_proof)
}

/// What is worth another try when a file is busy.
#[derive(Clone, Copy, PartialEq)]
enum Patience {
    /// Only what the kernel has waited for itself: it uses a page, and may be just moving it. A
    /// mapping that could write is somebody's, and stays.
    WithTheKernel,
    /// Everything: the file is our own, and nobody else should hold anything of it. But a child
    /// that another thread has just forked holds what we hold until it executes its program.
    WithEverybody,
}

impl Patience {
    /// How many more tries there are.
    const fn tries(self) -> u32 {
        match self {
            Self::WithTheKernel => 3,
            Self::WithEverybody => 8,
        }
    }
}

/// The seals were not added. If the file is only busy, this tries again. In the end, the seals that
/// the file has may be enough. If not, why they were not added says more than what is missing.
#[cold]
fn seal_anyway(file: &OwnedMemFd, errno: Errno, patience: Patience) -> Result<(), SealError> {
    match add_seals_again(file.as_fd(), errno, patience) {
        Err(errno) if !Proof::may_be_of(file) => Err(file.explain_seal_error(errno)),
        _ => Ok(()),
    }
}

/// Tries again as long as the file is busy and that is worth it, and returns the last error.
///
/// The kernel waits for its pages 0.15 s and more in each try. Before a try on a file of our own,
/// this sleeps, from one to 128 ms: a quarter of a second in all.
// Never inlined, although there may be one caller only: the usual path would save registers for it.
#[cold]
#[inline(never)]
fn add_seals_again(fd: BorrowedFd<'_>, mut errno: Errno, patience: Patience) -> Result<(), Errno> {
    let mut tries = 0;
    while errno == Errno::EBUSY && tries < patience.tries() {
        if patience == Patience::WithEverybody {
            // If a signal interrupts this, the next try only comes sooner.
            let _ = sys::sealing::sleep(1_000_000 << tries);
        }
        let before = sys::sealing::clock();
        match sys::memfd::add_seals(fd, FINAL_SEALS.bits()) {
            Ok(()) => return Ok(()),
            Err(again) => errno = again,
        }
        if patience == Patience::WithTheKernel && !has_waited_since(before) {
            break;
        }
        tries += 1;
    }
    Err(errno)
}

/// Whether the call since then took so long that the kernel must have waited for a page. It waits
/// in steps of 10 to 80 ms, and not at all for a mapping.
fn has_waited_since(before: Result<u64, Errno>) -> bool {
    const WAITED: u64 = 50_000_000;

    match (before, sys::sealing::clock()) {
        (Ok(before), Ok(after)) => after.saturating_sub(before) >= WAITED,
        _ => false,
    }
}

/// # Creating, and verifying what somebody sent
impl SealedMemFd {
    /// Makes a sealed memory file with a copy of `content`.
    ///
    /// `name` is as in [`MemFdOptions::create`]. The file is close-on-exec and not executable. For
    /// other options, see [`MemFdOptions::copy_from_slice`].
    ///
    /// # Trust
    /// Until the file is sealed, it can be changed by everyone who may open this process's
    /// `/proc/PID/fd`; [`MemFdOptions::create_with`] says who that is. What this returns cannot
    /// change any more. If such a process is not trusted, compare the bytes of [`map`](Self::map)
    /// with `content`: they are what everyone will read.
    ///
    /// # Errors
    /// As [`MemFdOptions::create`], and:
    /// - `EBUSY`: a child that was forked meanwhile holds the file for a quarter of a second, or
    ///   one of its pages is in use for about 2 s; or another process has changed its length.
    /// - `EFBIG`: above `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless it is
    ///   ignored.
    /// - `ENOSPC`: no memory for the content.
    /// - `EPERM`: another process has sealed the file.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    pub fn copy_from_slice(name: impl Name, content: &[u8]) -> Result<Self, CreateError> {
        MemFdOptions::new().copy_from_slice(name, content)
    }

    /// Makes a sealed memory file of `len` bytes, which `fill` writes in place.
    ///
    /// The same as [`MemFdOptions::create_with`] with the default options.
    ///
    /// ```
    /// use owned_memfd::SealedMemFd;
    ///
    /// let sealed = SealedMemFd::create_with(c"squares", 10, |bytes| {
    ///     for (n, byte) in (0..).zip(bytes) {
    ///         *byte = n * n;
    ///     }
    /// })?;
    /// assert_eq!(sealed.map()?[9], 81);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`MemFdOptions::create_with`].
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[doc(alias = "mmap")]
    #[doc(alias = "MADV_POPULATE_WRITE")]
    pub fn create_with(
        name: impl Name,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Self, CreateError> {
        MemFdOptions::new().create_with(name, len, fill)
    }

    /// Verifies that the file of a descriptor is immutable and at most `max_len` bytes long, and
    /// takes it.
    ///
    /// The sender need not be trusted. This adds no seal. What owns a descriptor becomes an
    /// [`OwnedFd`] by `into`, such as an [`OwnedMemFd`] or a `File` of std.
    ///
    /// A read-only descriptor is enough. A write-only one is accepted, but cannot be read or
    /// mapped. Once this returns, nothing that the sender does can change the bytes. To verify a
    /// descriptor that you only borrow, see
    /// [`BorrowedSealedMemFd`](crate::BorrowedSealedMemFd::verify).
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, SealedMemFd, VerifyErrorKind, fd::OwnedFd};
    ///
    /// // What a sender may have sent.
    /// let good = OwnedFd::from(SealedMemFd::copy_from_slice(c"note", b"hello")?);
    /// let bad = OwnedFd::from(MemFdOptions::new().create(c"note")?);
    ///
    /// let received = SealedMemFd::verify(good, 1 << 20)?;
    /// assert_eq!(&received.map()?[..], b"hello");
    ///
    /// let error = SealedMemFd::verify(bad, 1 << 20).unwrap_err();
    /// assert!(matches!(error.kind(), VerifyErrorKind::MissingSeals(_)));
    /// let bad = error.into_inner();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The descriptor comes back, open and unchanged. Closing it [can
    /// wait](crate::socket#closing-what-a-stranger-sent).
    /// - [`VerifyErrorKind::CanChange`]: it is a regular file, but no memory file.
    /// - [`VerifyErrorKind::CanBlock`]: it is a pipe, a socket, a character device, or one of the
    ///   kernel's own files, such as that of `eventfd`.
    /// - [`VerifyErrorKind::NotRegular`]: it is a directory or a block device.
    /// - [`VerifyErrorKind::NotMemFd`]: before Linux 4.11, it is any file that has no seals.
    /// - [`VerifyErrorKind::PathOnly`]: it is open with `O_PATH`.
    /// - [`VerifyErrorKind::MissingSeals`]: the file lacks [`Seals::WRITE`] or
    ///   [`Seals::SHRINK`]. A file of a tmpfs always does.
    /// - [`VerifyErrorKind::FutureWriteOnly`]: mappings that were made earlier can still write.
    /// - [`VerifyErrorKind::ForgeableSeals`]: this kernel cannot be believed about these seals.
    /// - [`VerifyErrorKind::ProbeFailed`]: the test for that bug failed with this error. Try
    ///   again, or test beforehand.
    /// - [`VerifyErrorKind::TooLarge`]: the file is longer than `max_len`, or than `isize::MAX`.
    /// - [`VerifyErrorKind::Kernel`]: a call failed with this error.
    ///
    /// # System calls
    /// For a process in a sandbox: this makes `fcntl` with `F_GET_SEALS`, and `fstat`; if the first
    /// is `EBADF`, `fcntl` with `F_GETFL`; if it is `EINVAL`, `fstatat`, and if that is an error,
    /// [`NotMemFd`](VerifyErrorKind::NotMemFd) is returned; and for a file with the seals that
    /// CVE-2026-63952 forges, those of [`has_cve_2026_63952`](crate::has_cve_2026_63952), unless
    /// that has succeeded once in this process. Where those calls kill, call it beforehand.
    ///
    /// [`map`](Self::map) makes `mmap`; where a block of the file is 64 KiB or more, first
    /// `fstatfs`; from 2 MiB on perhaps `mmap` once more and `munmap`; on huge pages `madvise`, or
    /// before Linux 5.14 `mremap`, `mlock`, `munlock` and `munmap`; and on the kernels that
    /// [`SealedMap`](crate::SealedMap) names, what opens the file again. Dropping a map makes
    /// `munmap`. With std's debug assertions, closing a descriptor also makes `fcntl` with
    /// `F_GETFD`.
    ///
    /// Since Linux 3.17.
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    #[doc(alias = "F_GET_SEALS")]
    #[doc(alias = "fcntl")]
    #[doc(alias = "from_fd")]
    pub fn verify(fd: OwnedFd, max_len: usize) -> Result<Self, VerifyError<OwnedFd>> {
        match Proof::of(OwnedMemFd::from_fd_unchecked(fd), max_len) {
            Ok(proof) => Ok(Self::from_proof(proof)),
            Err(error) => Err(error.map(OwnedFd::from)),
        }
    }

    /// Verifies a descriptor, or makes a sealed copy of its file, of at most `max_len` bytes.
    ///
    /// It is for senders that do not seal, or send a file of a tmpfs or a disk. A regular file
    /// whose seals are no proof is copied. That is so for
    /// [`CanChange`](VerifyErrorKind::CanChange), [`MissingSeals`](VerifyErrorKind::MissingSeals),
    /// [`FutureWriteOnly`](VerifyErrorKind::FutureWriteOnly),
    /// [`ForgeableSeals`](VerifyErrorKind::ForgeableSeals) and
    /// [`ProbeFailed`](VerifyErrorKind::ProbeFailed). A sender can thus make this create a file.
    ///
    /// The copy is not a snapshot: if the sender writes during the copy, it may mix old and new
    /// bytes. It reads from position 0 to the end of the file that reading finds, whatever length
    /// the file says it has, and does not use the offset, which the sender may share. It continues
    /// after `EINTR`. On success the sender's descriptor is closed, which [can
    /// wait](crate::socket#closing-what-a-stranger-sent).
    ///
    /// Copying can wait, and as long as the sender likes: a file of FUSE or a network file system
    /// is read from whoever serves it, and the kernel has a few regular files that wait, such as
    /// `/proc/kmsg`. Only for a memory file or one of a tmpfs it waits for nobody. To take nothing
    /// else, call [`verify`](Self::verify) first, and this only for what it rejects with
    /// [`MissingSeals`](VerifyErrorKind::MissingSeals),
    /// [`FutureWriteOnly`](VerifyErrorKind::FutureWriteOnly),
    /// [`ForgeableSeals`](VerifyErrorKind::ForgeableSeals) or
    /// [`ProbeFailed`](VerifyErrorKind::ProbeFailed).
    ///
    /// The copy is filled on huge pages where that is possible, as
    /// [`MemFdOptions::collapse`] says. To forbid that, [`verify`](Self::verify), and copy what is
    /// not sealed with a [`writer`](MemFdOptions::writer).
    ///
    /// Until the copy is sealed, it can be changed by those of whom
    /// [`copy_from_slice`](Self::copy_from_slice) says so. What this returns cannot change any
    /// more.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, SealedMemFd};
    ///
    /// let sent = MemFdOptions::new().create(c"not sealed")?;
    /// sent.write_all(b"hello")?;
    /// let received = SealedMemFd::verify_or_copy(sent.into(), 1 << 20)?;
    /// assert_eq!(&received.map()?[..], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The descriptor comes back, open and unchanged. The errors are those of
    /// [`verify`](Self::verify), except for those about seals, and those of
    /// [`MemFdOptions::create`]. If the file turns out longer than it said,
    /// [`VerifyErrorKind::TooLarge`] says how much had been read by then. And:
    /// - [`VerifyErrorKind::WriteOnly`]: the descriptor is open only for writing.
    /// - `EBUSY`: a child that was forked meanwhile holds the copy for a quarter of a second, or
    ///   one of its pages is in use for about 2 s; or another process has changed its length.
    /// - `EFBIG`: the copy is above `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless
    ///   it is ignored.
    /// - `EINVAL`, `ESPIPE`: it cannot be read by position, as memory of `memfd_secret`, or a file
    ///   that is open with `O_DIRECT`.
    /// - `ENOSPC`: no memory for the copy.
    /// - `EPERM`: another process has sealed the copy.
    /// - Any other error of reading the file.
    ///
    /// Since Linux 3.17.
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    #[doc(alias = "F_GET_SEALS")]
    #[doc(alias = "copy_file_range")]
    pub fn verify_or_copy(fd: OwnedFd, max_len: usize) -> Result<Self, VerifyError<OwnedFd>> {
        let error = match Self::verify(fd, max_len) {
            Err(error) => error,
            verified => return verified,
        };
        match error.kind() {
            // A regular file: no other has seals.
            VerifyErrorKind::CanChange
            | VerifyErrorKind::MissingSeals(_)
            | VerifyErrorKind::FutureWriteOnly
            | VerifyErrorKind::ForgeableSeals
            | VerifyErrorKind::ProbeFailed(_) => copy_of_theirs(error.get_ref().as_fd(), max_len)
                .map_err(|kind| VerifyError::of(error.into_inner(), kind)),
            _ => Err(error),
        }
    }
}

/// A sealed copy of somebody else's file.
fn copy_of_theirs(source: BorrowedFd<'_>, max_len: usize) -> Result<SealedMemFd, VerifyErrorKind> {
    let expected = sys::memfd::stat(source)?.len;
    let copy = sealed_copy(MemFdOptions::new(), c"copy", source, expected, max_len);
    copy.map_err(|error| match error {
        CreateError::Verify(kind) => kind,
        error => Errno::from(error).into(),
    })
}

/// A sealed copy of what the file holds, if that is at most `max_len` bytes.
fn sealed_copy(
    options: MemFdOptions,
    name: impl Name,
    source: BorrowedFd<'_>,
    expected: u64,
    max_len: usize,
) -> Result<SealedMemFd, CreateError> {
    // Whatever length the file has later: one that is too large now need not be read.
    check_len(expected, max_len)?;
    // Close-on-exec until it is sealed: a program that is executed meanwhile could write it.
    let file = options.sealable(true).close_on_exec(true).create(name)?;
    let mut extents = Extents::new(options.collapses(), expected);
    let len = copy_by_position(source, &file, limit(max_len), &mut extents)
        .map_err(|errno| explain_no_copy(source, errno))?;
    check_len(len, max_len)?;
    extents.end(&file, len)?;
    seal_own(file, len, options.is_inherited())
}

/// Why a file could not be copied.
#[cold]
fn explain_no_copy(source: BorrowedFd<'_>, errno: Errno) -> VerifyErrorKind {
    if errno == Errno::EBADF && access_mode(Some(source)) == raw::O_WRONLY {
        VerifyErrorKind::WriteOnly
    } else {
        errno.into()
    }
}

/// Seals a file of our own, which has `len` bytes unless another process has changed that. Until
/// then it is close-on-exec.
pub(crate) fn seal_own(
    file: OwnedMemFd,
    len: u64,
    is_inherited: bool,
) -> Result<SealedMemFd, CreateError> {
    let sealed = seal(file, Patience::WithEverybody).map_err(|error| error.kind())?;
    if sealed.len() as u64 != len {
        return Err(Errno::EBUSY.into());
    }
    if is_inherited {
        sealed.as_memfd().set_close_on_exec(false)?;
    }
    Ok(sealed)
}

/// # Creating a sealed file
impl MemFdOptions {
    /// Makes a sealed memory file with a copy of `content`.
    ///
    /// The file is sealed as by [`OwnedMemFd::seal`], whatever [`sealable`](Self::sealable) says.
    /// For content that is not in memory yet, see [`create_with`](Self::create_with) and
    /// [`writer`](Self::writer), which save the copy.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// // A child process inherits it.
    /// let options = MemFdOptions::new().close_on_exec(false);
    /// let sealed = options.copy_from_slice(c"settings", b"colour = blue")?;
    /// assert_eq!(&sealed.map()?[..], b"colour = blue");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Trust
    /// As [`SealedMemFd::copy_from_slice`].
    ///
    /// # Errors
    /// As [`SealedMemFd::copy_from_slice`]. With [`huge_pages`](Self::huge_pages), as
    /// [`create_with`](Self::create_with).
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    pub fn copy_from_slice(
        self,
        name: impl Name,
        content: &[u8],
    ) -> Result<SealedMemFd, CreateError> {
        if self.has_huge_pages() {
            return self.create_with(name, content.len(), |bytes| {
                sys::shared::copy(bytes, content);
            });
        }
        // Close-on-exec until it is sealed: a program that is executed meanwhile could write it.
        let file = self.sealable(true).close_on_exec(true).create(name)?;
        let mut extents = Extents::new(self.collapses(), content.len() as u64);
        let mut written = 0;
        write_on(&file, &mut extents, &mut written, content)?;
        seal_own(file, written, self.is_inherited())
    }

    /// Makes a sealed memory file with a copy of a file's content, of at most `max_len` bytes.
    ///
    /// `file` is any regular file: of a disk, of `/proc`, or another memory file. It is read from
    /// position 0 to its end, and its offset is neither used nor moved. This continues after
    /// `EINTR`. If somebody writes the file meanwhile, the copy may mix old and new bytes.
    /// Otherwise it is like [`copy_from_slice`](Self::copy_from_slice).
    ///
    /// Reading can wait, as long as whoever serves the file likes:
    /// [`SealedMemFd::verify_or_copy`] says for which regular files.
    ///
    /// Where the kernel does not copy from another file system by itself, as from a disk since Linux
    /// 5.19, this reads and writes 2 KiB at a time. That is slow for a large file. The fastest way
    /// is to read it in [`try_create_with`](Self::try_create_with), if its length is known;
    /// [`OwnedMemFd::copy_from`] and a [`writer`](Self::writer) with a buffer of 64 KiB are in
    /// between.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let draft = MemFdOptions::new().create(c"draft")?;
    /// draft.write_all(b"colour = blue")?;
    /// // With the feature `std`, also a `std::fs::File`.
    /// let sealed = MemFdOptions::new().copy_from_file(c"settings", &draft, 1 << 20)?;
    /// draft.write_all(b" or red")?;
    /// assert_eq!(&sealed.map()?[..], b"colour = blue");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Trust
    /// As [`SealedMemFd::copy_from_slice`].
    ///
    /// # Errors
    /// As [`SealedMemFd::copy_from_slice`], and:
    /// - [`CreateError::Verify`] with [`VerifyErrorKind::CanBlock`]: `file` is a pipe, a socket, a
    ///   character device or the like. It is not read. With [`VerifyErrorKind::NotRegular`]: it is
    ///   a directory or a block device. With [`VerifyErrorKind::WriteOnly`]: it is not open for
    ///   reading. With [`VerifyErrorKind::TooLarge`]: it is longer than `max_len`. Nothing is left
    ///   of the copy.
    /// - [`CreateError::WriteOnHugePages`]: with [`huge_pages`](Self::huge_pages), which can be
    ///   written only through a mapping. No call is made.
    /// - Any other error of reading `file`.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[doc(alias = "copy_file_range")]
    pub fn copy_from_file(
        self,
        name: impl Name,
        file: impl AsFd,
        max_len: usize,
    ) -> Result<SealedMemFd, CreateError> {
        if self.has_huge_pages() {
            return Err(CreateError::WriteOnHugePages);
        }
        let source = file.as_fd();
        let found = sys::memfd::stat(source)?;
        // Anything else may have no end, or make this wait for ever.
        match found.kind() {
            raw::S_IFREG => {}
            kind => return Err(not_regular(kind).into()),
        }
        sealed_copy(self, name, source, found.len, max_len)
    }

    /// Makes a sealed memory file of `len` bytes, which `fill` writes in place.
    ///
    /// The bytes are zeros when `fill` gets them, at an address of which no alignment is promised,
    /// and nothing is copied afterwards. All memory is allocated first, so that it cannot run out
    /// while `fill` writes. If `fill` panics, nothing is left behind. If it can fail, call
    /// [`try_create_with`](Self::try_create_with). Afterwards the file is sealed
    /// as by [`OwnedMemFd::seal`], whatever [`sealable`](Self::sealable) says.
    ///
    /// This is the fastest way to make content of 2 MiB and more, where the kernel gives the file
    /// huge pages: see [`collapse`](Self::collapse). Below that, mapping the file takes longer than
    /// writing it, up to twice as long: a [`writer`](Self::writer) is faster, and
    /// [`copy_from_slice`](Self::copy_from_slice) for what is in memory already. Only content of up
    /// to 2 KiB is as fast here, since it is not mapped: `fill` gets bytes on the stack, which are
    /// written to the file afterwards.
    ///
    /// The bytes are lent only until the file is sealed:
    ///
    /// ```compile_fail,E0521
    /// let mut kept: &mut [u8] = &mut [];
    /// let options = owned_memfd::MemFdOptions::new();
    /// let sealed = options.create_with(c"text", 4, |bytes| kept = bytes).unwrap();
    /// kept[0] = 1;
    /// ```
    ///
    /// # Trust
    /// Until the file is sealed, its content can be written by everyone who may open this process's
    /// `/proc/PID/fd`: its own threads, and processes of the same user, unless the process is not
    /// dumpable. Above 2 KiB, the bytes that `fill` gets are those of the file. Such a writer can
    /// then modify memory that this process has mutably borrowed, exactly as through
    /// `/proc/PID/mem`, which std's documentation puts [outside of what Rust can guarantee]. It can
    /// also punch a hole, which `fill` then allocates again: that raises `SIGBUS` if memory has run
    /// out. It cannot change the length while `fill` runs.
    ///
    /// [outside of what Rust can guarantee]: https://doc.rust-lang.org/std/os/unix/io/index.html#procselfmem-and-similar-os-features
    ///
    /// # Errors
    /// As [`create`](Self::create), and the following. If `len` is above 2 KiB, only the last step,
    /// sealing the file, can still fail after `fill` has run.
    /// - `EAGAIN`: after `mlockall(MCL_FUTURE)`, the mapping is above `RLIMIT_MEMLOCK`.
    /// - `EBUSY`: a child that was forked meanwhile holds the file for a quarter of a second, or
    ///   one of its pages is in use for about 2 s; or another process has changed its length.
    /// - `EFBIG`: above `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless it is
    ///   ignored.
    /// - [`CreateError::TooLong`]: `len` is above `isize::MAX`.
    /// - [`CreateError::PartialHugePage`], [`CreateError::NoHugePages`]: with
    ///   [`huge_pages`](Self::huge_pages), `len` is not a multiple of a page, or fewer are free.
    /// - `ENOMEM`: no room for the mapping.
    /// - `ENOSPC`: more than the kernel allows for memory files. Without strict overcommit, a
    ///   length far above the machine's memory makes the kernel kill processes first: limit a
    ///   length that comes from elsewhere.
    /// - `EPERM`: another process has sealed the file.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[doc(alias = "mmap")]
    #[doc(alias = "MADV_POPULATE_WRITE")]
    pub fn create_with(
        self,
        name: impl Name,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<SealedMemFd, CreateError> {
        let filled = self.try_create_with(name, len, |bytes| {
            fill(bytes);
            Ok::<(), Infallible>(())
        });
        filled.map_err(|error| match error {
            TryCreateError::Create(error) => error,
            TryCreateError::Fill(never) => match never {},
        })
    }

    /// Makes a sealed memory file of `len` bytes, which `fill` writes in place, or of which it says
    /// that it cannot.
    ///
    /// If `fill` returns an error, nothing is left behind. Otherwise this is
    /// [`create_with`](Self::create_with), which says whom it trusts.
    ///
    /// ```
    /// use core::str::Utf8Error;
    /// use owned_memfd::{MemFdOptions, TryCreateError};
    ///
    /// let decode = |from: &[u8]| {
    ///     MemFdOptions::new().try_create_with(c"text", from.len(), |bytes| {
    ///         bytes.copy_from_slice(core::str::from_utf8(from)?.as_bytes());
    ///         Ok::<(), Utf8Error>(())
    ///     })
    /// };
    /// assert_eq!(&decode(b"hello")?.map()?[..], b"hello");
    /// assert!(matches!(decode(b"\xff"), Err(TryCreateError::Fill(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`TryCreateError::Fill`]: what `fill` returned.
    /// - [`TryCreateError::Create`]: as [`create_with`](Self::create_with).
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[doc(alias = "mmap")]
    #[doc(alias = "MADV_POPULATE_WRITE")]
    pub fn try_create_with<E>(
        self,
        name: impl Name,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<SealedMemFd, TryCreateError<E>> {
        // Close-on-exec until it is sealed: a program that is executed meanwhile could write it.
        let memfd = self.sealable(true).close_on_exec(true).create(name)?;
        if len <= SMALL && !self.has_huge_pages() {
            fill_on_the_stack(&memfd, len, fill)?;
        } else {
            self.fill_in_place(&memfd, len, fill)?;
        }
        Ok(seal_own(memfd, len as u64, self.is_inherited())?)
    }

    /// Fills a new file through a mapping.
    fn fill_in_place<E>(
        self,
        memfd: &OwnedMemFd,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), TryCreateError<E>> {
        if len > 0 {
            // First the length: allocating a part of a huge page would lengthen the file to all
            // of it, where setting that length is an error.
            let explain = |errno| self.explain_len(memfd, len, errno);
            memfd.set_len(len as u64).map_err(explain)?;
            if self.has_huge_pages() {
                memfd.allocate(0, len as u64).map_err(explain)?;
            }
        }
        // Whoever may open this process's `/proc/PID/fd` could have changed the length until here.
        // A page that was cut off would be a SIGBUS when it is touched.
        memfd.add_seals(Seals::SHRINK.union(Seals::GROW))?;
        let found = sys::memfd::stat(memfd.as_fd())?;
        if found.len != len as u64 {
            return Err(Errno::EBUSY.into());
        }
        let source = Source {
            fd: memfd.as_fd(),
            block: found.block,
            inode: 0,
        };
        let region = Region::new(source, 0, len, MapMode::SharedWrite)?;
        region.keep_from_children()?;
        if !self.has_huge_pages() {
            if len >= EXTENT && self.collapses() {
                // Best effort.
                let _ = region.collapse_holes();
            }
            // All that is not there yet. Where memory has run out, this is an error, and touching
            // would be a signal.
            memfd.allocate(0, len as u64)?;
            // One call is faster than a fault for each page. Before Linux 5.14 it is EINVAL.
            let _ = region.populate_to_write();
        }
        // SAFETY: the region has `len` bytes, at most `isize::MAX`, which no file exceeds. The file
        // has them too, since it can no longer shrink. The kernel has zeroed them. Nobody else has
        // them, since no other process has the file, except for those of whom the documentation
        // says that this trusts them.
        fill(unsafe { slice::from_raw_parts_mut(region.start().as_ptr(), len) })
            .map_err(TryCreateError::Fill)
    }

    /// Why a file cannot have this length.
    #[cold]
    fn explain_len(self, memfd: &OwnedMemFd, len: usize, errno: Errno) -> CreateError {
        match errno {
            Errno::EINVAL if len > isize::MAX as usize => CreateError::TooLong { len },
            Errno::EINVAL if self.has_huge_pages() => memfd
                .page_size()
                .map_or(CreateError::Kernel(errno), |page_size| {
                    CreateError::PartialHugePage { len, page_size }
                }),
            Errno::ENOSPC if self.has_huge_pages() => CreateError::NoHugePages { len },
            errno => CreateError::Kernel(errno),
        }
    }
}

/// The longest content that is filled on the stack and then written. A mapping would take longer.
const SMALL: usize = 2048;

/// Fills a new file that is small.
#[inline]
fn fill_on_the_stack<E>(
    memfd: &OwnedMemFd,
    len: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> Result<(), TryCreateError<E>> {
    let mut room = [const { MaybeUninit::<u64>::uninit() }; SMALL / 8];
    for word in room.iter_mut().take(len.div_ceil(8)) {
        // Volatile, since a loop of plain stores would become a call of `memset`, which a program
        // without libc need not have.
        // SAFETY: the word is borrowed for the store.
        unsafe { ptr::write_volatile(word, MaybeUninit::new(0)) };
    }
    // SAFETY: the loop has written the first `len` bytes of `room`, which is borrowed for as long
    // as the slice lives, and `len` is at most its size.
    let bytes = unsafe { slice::from_raw_parts_mut(room.as_mut_ptr().cast(), len) };
    fill(bytes).map_err(TryCreateError::Fill)?;
    memfd.write_all_at(bytes, 0).map_err(Errno::from)?;
    Ok(())
}

impl TryFrom<OwnedFd> for SealedMemFd {
    type Error = VerifyError<OwnedFd>;

    /// As [`SealedMemFd::verify`], without a limit of the caller's.
    fn try_from(fd: OwnedFd) -> Result<Self, VerifyError<OwnedFd>> {
        Self::verify(fd, usize::MAX)
    }
}

impl TryFrom<OwnedMemFd> for SealedMemFd {
    type Error = VerifyError<OwnedMemFd>;

    /// As [`SealedMemFd::verify`], without a limit of the caller's.
    fn try_from(file: OwnedMemFd) -> Result<Self, VerifyError<OwnedMemFd>> {
        Proof::of(file, usize::MAX).map(Self::from_proof)
    }
}
