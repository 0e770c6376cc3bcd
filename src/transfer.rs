//! What takes more than one system call: transfers of everything, allocation that a signal
//! interrupts, and both ways to copy a file.

use crate::{
    errno::{Errno, Returned},
    extents::Extents,
    fd::{AsFd, BorrowedFd},
    flags::Seals,
    memfd::{OwnedMemFd, signed},
    sys,
};
use core::{fmt, mem::MaybeUninit};
use linux_raw_sys::general as raw;

/// The most bytes that one call moves: the kernel's `MAX_RW_COUNT` on the smallest pages.
const MAX_COUNT: u64 = 0x7fff_f000;

/// The size of the buffer on the stack through which bytes are copied where the kernel does not
/// copy them itself.
const BUFFER: usize = 2048;

/// # Reading and writing all bytes
impl OwnedMemFd {
    /// Reads from `offset`, in bytes from the start, until `buffer` is full.
    ///
    /// It continues after `EINTR` and after a short count.
    ///
    /// # Errors
    /// [`TransferError::done`] says how many bytes were read, [`TransferError::cause`] why no more.
    /// - [`TransferCause::EndOfFile`]: the file ends first.
    /// - `EINVAL`: the offset is above `i64::MAX`.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    #[doc(alias = "pread")]
    #[inline]
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), TransferError> {
        let first = sys::memfd::read_at(self.as_fd(), buffer, offset);
        if first == Returned::count(buffer.len()) {
            return Ok(());
        }
        continue_transfer(first, buffer.len(), TransferCause::EndOfFile, |done| {
            let rest = buffer.get_mut(done..).unwrap_or_default();
            sys::memfd::read_at(self.as_fd(), rest, offset.wrapping_add(done as u64))
        })
        .map_err(|error| error.explained(None, Some(self.as_fd())))
    }

    /// Writes all of `bytes` at the offset and moves it.
    ///
    /// It continues after `EINTR` and after a short count.
    ///
    /// # Errors
    /// [`TransferError::done`] says how many bytes were written, [`TransferError::cause`] why no
    /// more.
    /// - `EFBIG`: at `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless it is
    ///   ignored.
    /// - `EINVAL`: the file is on huge pages, which can be written only through a mapping; or the
    ///   offset, or the end, is above `i64::MAX`.
    /// - `ENOSPC`: no memory for the content, or the kernel wrote nothing and gave no reason.
    /// - `EPERM`: forbidden by [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`], or by
    ///   [`Seals::GROW`] past the end of the file or, on some kernels, across it.
    ///
    /// See [`write(2)`](https://man7.org/linux/man-pages/man2/write.2.html).
    #[doc(alias = "write")]
    #[inline(always)]
    pub fn write_all(&self, bytes: &[u8]) -> Result<(), TransferError> {
        let first = sys::memfd::write(self.as_fd(), bytes);
        if first == Returned::count(bytes.len()) {
            return Ok(());
        }
        continue_transfer(first, bytes.len(), NOTHING_WRITTEN, |done| {
            sys::memfd::write(self.as_fd(), bytes.get(done..).unwrap_or_default())
        })
        .map_err(|error| error.explained(Some(self.as_fd()), None))
    }

    /// Writes all of `bytes` at `offset`, in bytes from the start.
    ///
    /// It continues after `EINTR` and after a short count.
    ///
    /// # Errors
    /// As [`write_all`](Self::write_all), and:
    /// - `EINVAL`: the offset, or the end, is above `i64::MAX`.
    ///
    /// See [`pwrite(2)`](https://man7.org/linux/man-pages/man2/pwrite.2.html).
    #[doc(alias = "pwrite")]
    #[inline]
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<(), TransferError> {
        let first = sys::memfd::write_at(self.as_fd(), bytes, offset);
        if first == Returned::count(bytes.len()) {
            return Ok(());
        }
        continue_transfer(first, bytes.len(), NOTHING_WRITTEN, |done| {
            let rest = bytes.get(done..).unwrap_or_default();
            sys::memfd::write_at(self.as_fd(), rest, offset.wrapping_add(done as u64))
        })
        .map_err(|error| error.explained(Some(self.as_fd()), None))
    }
}

/// Writes all of `bytes` at `at`, where a new file ends, and moves that.
#[inline]
pub(crate) fn write_on(
    file: &OwnedMemFd,
    extents: &mut Extents,
    at: &mut u64,
    mut bytes: &[u8],
) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let most = extents.before(file, *at, bytes.len() as u64);
        let count = bytes.len().min(most as usize);
        let (piece, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
        file.write_all_at(piece, *at)?;
        *at += count as u64;
        bytes = rest;
    }
    Ok(())
}

/// Continues a transfer of `len` bytes after its first call. `step` gets the number of bytes
/// that are done and makes the next call, until all are.
///
/// `EINTR` does not end it. A call that moves nothing does, so that it always ends, and `nothing`
/// is the cause of that.
// The callers look for the complete transfer first. It is nearly always that, and then costs no
// more than a bare call and its check.
#[inline]
fn continue_transfer(
    mut returned: Returned,
    len: usize,
    nothing: TransferCause,
    mut step: impl FnMut(usize) -> Returned,
) -> Result<(), TransferError> {
    let mut done = 0;
    loop {
        let stopped = match returned.decode() {
            Ok(count) if done + count >= len => return Ok(()),
            Ok(0) => Some(nothing),
            Ok(count) => {
                done += count;
                None
            }
            Err(Errno::EINTR) => None,
            Err(errno) => Some(TransferCause::Kernel(errno)),
        };
        if let Some(cause) = stopped {
            let done = done as u64;
            return Err(TransferError { done, cause });
        }
        returned = step(done);
    }
}

/// # Allocating
impl OwnedMemFd {
    /// Allocates the memory of `len` bytes from `offset`, and lengthens the file if it is shorter.
    /// Writing there, also through a mapping, then allocates nothing.
    ///
    /// Up to Linux 6.1, any signal interrupts an allocation and undoes it: a timer could
    /// prevent it for ever. After `EINTR` this continues in smaller and smaller pieces, and
    /// gives up after 32 interruptions in a row.
    ///
    /// # Errors
    /// [`explain_write_error`](Self::explain_write_error) tells the causes of one errno apart.
    ///
    /// - `EBADF`: the descriptor is not open for writing.
    /// - `EFBIG`: above `RLIMIT_FSIZE`, or the end is above `i64::MAX`.
    /// - `EINTR`: interrupted too often. A part may be allocated.
    /// - `EINVAL`: `len` is 0, or `offset` or `len` is above `i64::MAX`. In the latter case no
    ///   call is made.
    /// - `ENOSPC`: not enough huge pages, or more than the kernel allows for memory files.
    ///   Without strict overcommit, a length far above the machine's memory makes the kernel
    ///   kill processes first: limit a length that comes from elsewhere.
    /// - `EPERM`: the file would get longer, which [`Seals::GROW`] forbids.
    ///
    /// See [`fallocate(2)`](https://man7.org/linux/man-pages/man2/fallocate.2.html).
    #[doc(alias = "fallocate")]
    #[doc(alias = "posix_fallocate")]
    #[inline]
    pub fn allocate(&self, offset: u64, len: u64) -> Result<(), Errno> {
        signed(offset)?;
        signed(len)?;
        match sys::memfd::fallocate(self.as_fd(), 0, offset, len) {
            Err(Errno::EINTR) => allocate_in_pieces(self.as_fd(), offset, len),
            result => result,
        }
    }
}

#[cold]
fn allocate_in_pieces(fd: BorrowedFd<'_>, mut offset: u64, mut len: u64) -> Result<(), Errno> {
    // A piece that takes tens of microseconds, which fits between the ticks of any timer.
    const SMALLEST: u64 = 64 * 1024;
    const PATIENCE: u32 = 32;

    let (mut piece, mut interruptions) = (len, 1);
    while len > 0 {
        piece = piece.min(len);
        match sys::memfd::fallocate(fd, 0, offset, piece) {
            Err(Errno::EINTR) if interruptions < PATIENCE => {
                interruptions += 1;
                piece = (piece / 2).max(SMALLEST);
            }
            result => {
                result?;
                interruptions = 0;
                offset = offset.wrapping_add(piece);
                len -= piece;
            }
        }
    }
    Ok(())
}

/// # Copying
impl OwnedMemFd {
    /// Copies up to `len` bytes from `source` to this file, moves the offsets of both, and
    /// returns how many. These are fewer only if `source` ends. `u64::MAX` copies all there is.
    ///
    /// `source` is anything that can be read: a file, a pipe, a socket, another memory file.
    /// The copy happens in the kernel if possible, otherwise through a 2 KiB buffer on the
    /// stack, where it continues after an `EINTR` of writing. If it fails, up to 2 KiB that were
    /// read from `source` may be lost.
    ///
    /// A file that cannot be written is an error even if `source` is at its end. Copying a file
    /// to its own end never finishes unless you pass a `len`.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, SeekFrom};
    ///
    /// let draft = MemFdOptions::new().create(c"draft")?;
    /// draft.write_all(b"hello, world")?;
    /// draft.seek(SeekFrom::Start(7))?;
    /// // With the feature `std`, also a `std::fs::File`, a pipe or a `TcpStream`.
    /// let copy = MemFdOptions::new().create(c"copy")?;
    /// assert_eq!(copy.copy_from(&draft, u64::MAX)?, 5);
    /// assert_eq!(&copy.seal()?.map()?[..], b"world");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransferError::done`] says how many bytes were copied.
    /// - `EAGAIN`: `source` is non-blocking and has nothing now.
    /// - `EBADF`: `source` is not open for reading, or this descriptor not for writing.
    /// - `EFBIG`: above `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless it is
    ///   ignored. Or the end is above `i64::MAX`, as whoever shares the offset can make it.
    /// - `EINTR`: a signal came.
    /// - `EINVAL`: this file is on huge pages, which can be written only through a mapping; or an
    ///   offset, or an end, is above `i64::MAX`.
    /// - `EISDIR`: `source` is a directory.
    /// - `ENOSPC`: no memory for the content.
    /// - `EPERM`: forbidden by [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`], or by
    ///   [`Seals::GROW`] past the end of this file or, on some kernels, across it.
    /// - Any other error of reading `source`.
    ///
    /// See [`copy_file_range(2)`](https://man7.org/linux/man-pages/man2/copy_file_range.2.html),
    /// [`sendfile(2)`](https://man7.org/linux/man-pages/man2/sendfile.2.html) and
    /// [`splice(2)`](https://man7.org/linux/man-pages/man2/splice.2.html).
    #[doc(alias = "copy_file_range")]
    #[doc(alias = "sendfile")]
    #[doc(alias = "splice")]
    #[inline]
    pub fn copy_from(&self, source: impl AsFd, len: u64) -> Result<u64, TransferError> {
        let source = source.as_fd();
        copy_by_offset(source, self, len)
            .map_err(|error| error.explained(Some(self.as_fd()), Some(source)))
    }
}

/// How long a file may become to which the kernel copies by itself.
///
/// At that length many kernels do not look for the end of the source first: where nothing is left
/// to copy, too, the error is `EFBIG`, and the signal `SIGXFSZ` kills. From there on the source is
/// read instead. If the limit is not known, only the kernel looks at it.
fn longest_by_the_kernel() -> u64 {
    sys::transfer::file_len_limit().unwrap_or(u64::MAX)
}

/// Whether the offset of the file has reached this one.
fn is_at_or_after(file: &OwnedMemFd, offset: u64) -> bool {
    sys::memfd::seek(file.as_fd(), 0, raw::SEEK_CUR).is_ok_and(|at| at >= offset)
}

/// Copies from the offset of `source`, which may be a stream, and moves it.
///
/// Bytes that are read from a stream are gone from it. So this asks first whether the target can be
/// written, and it does not try again after an interruption: the caller knows `done` and can.
fn copy_by_offset(
    source: BorrowedFd<'_>,
    target: &OwnedMemFd,
    len: u64,
) -> Result<u64, TransferError> {
    type Engine = fn(BorrowedFd<'_>, BorrowedFd<'_>, usize) -> Result<usize, Errno>;
    // From a memory file; from a file or procfs; from a pipe.
    const ENGINES: [Engine; 3] = [
        sys::transfer::copy_file_range,
        sys::transfer::sendfile,
        sys::transfer::splice,
    ];

    let mut done = 0;
    let stopped = |done, errno| TransferError {
        done,
        cause: TransferCause::Kernel(errno),
    };
    let longest = longest_by_the_kernel();
    'by_the_kernel: for engine in ENGINES {
        while done < len {
            if longest < u64::MAX && is_at_or_after(target, longest) {
                break 'by_the_kernel;
            }
            match engine(source, target.as_fd(), (len - done).min(MAX_COUNT) as usize) {
                // Not for this pair of descriptors, not on this kernel, or not by this process's
                // seccomp filter. Nor is 0 always the end: copy_file_range returns it for procfs
                // on some kernels. Only the loop below decides.
                Ok(0)
                | Err(
                    Errno::EBADF
                    | Errno::EINVAL
                    | Errno::EISDIR
                    | Errno::ENOSYS
                    | Errno::EOPNOTSUPP
                    | Errno::EPERM
                    | Errno::ESPIPE
                    | Errno::EXDEV,
                ) => break,
                // Whatever a sandbox returns.
                Ok(count) => done = done.saturating_add(count as u64),
                Err(errno) => return Err(stopped(done, errno)),
            }
        }
    }
    if done < len {
        // Writing nothing at all still fails on a read-only descriptor.
        let errno = match (target.write(&[]), target.seals()) {
            (Err(errno), _) | (_, Err(errno)) => Some(errno),
            (_, Ok(seals)) => seals
                .intersects(Seals::WRITE.union(Seals::FUTURE_WRITE))
                .then_some(Errno::EPERM),
        };
        if let Some(errno) = errno {
            return Err(stopped(done, errno));
        }
    }
    let mut room = [const { MaybeUninit::uninit() }; BUFFER];
    while done < len {
        let most = (len - done).min(room.len() as u64) as usize;
        let room = room.get_mut(..most).unwrap_or_default();
        match sys::transfer::read_uninit(source, room) {
            Ok([]) => break,
            Ok(bytes) => match target.write_all(bytes) {
                Ok(()) => done += bytes.len() as u64,
                Err(rest) => {
                    return Err(TransferError {
                        done: done + rest.done,
                        ..rest
                    });
                }
            },
            Err(errno) => return Err(stopped(done, errno)),
        }
    }
    Ok(done)
}

/// Copies `source` from its start to `target`, which is empty, and returns how many bytes: at most
/// one more than `limit`, which shows that there are more than that. The offset of `target` stays.
///
/// `source` is the file of somebody who need not be trusted. It is read by position and up to
/// the end that reading finds, since the offset and the length are the sender's to change. Its
/// content stays where it is, so this tries again after an interruption.
pub(crate) fn copy_by_position(
    source: BorrowedFd<'_>,
    target: &OwnedMemFd,
    limit: u64,
    extents: &mut Extents,
) -> Result<u64, Errno> {
    let longest = longest_by_the_kernel();
    let mut offset = 0;
    // How many bytes the next call may read: one more than the limit in all.
    let mut most = |offset: u64| {
        let extent = extents.before(target, offset, 0);
        (limit - offset)
            .saturating_add(1)
            .min(MAX_COUNT)
            .min(extent) as usize
    };
    // The target, which was empty, is written up to this.
    while offset <= limit && offset < longest {
        let (before, most) = (offset, most(offset));
        match sys::transfer::copy_file_range_at(source, &mut offset, target.as_fd(), most) {
            // Nothing was copied, whatever was returned.
            Ok(_) if offset == before => break,
            // Not always the end. Only the loop below decides.
            Err(
                Errno::EBADF
                | Errno::EINVAL
                | Errno::ENOSYS
                | Errno::EOPNOTSUPP
                | Errno::EPERM
                | Errno::ETXTBSY
                | Errno::EXDEV,
            ) => break,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let mut room = [const { MaybeUninit::uninit() }; BUFFER];
    while offset <= limit {
        let most = most(offset).min(room.len());
        let room = room.get_mut(..most).unwrap_or_default();
        match sys::transfer::read_at_uninit(source, room, offset) {
            Ok([]) => break,
            Ok(bytes) => {
                target.write_all_at(bytes, offset)?;
                offset += bytes.len() as u64;
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(offset)
}

/// # Explaining errors
impl OwnedMemFd {
    /// Explains why [`write`](Self::write), [`write_at`](Self::write_at),
    /// [`set_len`](Self::set_len), [`punch_hole`](Self::punch_hole) or
    /// [`allocate`](Self::allocate) returned `errno`, as far as the kernel can still tell.
    ///
    /// This asks the kernel now. If others have changed the file since, it describes the file as
    /// it is now. The errno does not say which call it is from, so
    /// [`TransferCause::Sealed`] has every seal of the file that forbids one of them. On huge
    /// pages, `EINVAL` of `set_len` can also mean that the length is not a multiple of a page.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, Seals, TransferCause};
    ///
    /// let file = MemFdOptions::new().create(c"fixed")?;
    /// file.add_seals(Seals::GROW)?;
    /// let errno = file.set_len(4096).unwrap_err();
    /// let cause = file.explain_write_error(errno);
    /// assert_eq!(cause, TransferCause::Sealed(Seals::GROW));
    /// assert_eq!(cause.to_string(), "the file is sealed with F_SEAL_GROW");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain_write_error(&self, errno: Errno) -> TransferCause {
        const FORBIDDING: Seals = Seals::WRITE
            .union(Seals::FUTURE_WRITE)
            .union(Seals::SHRINK)
            .union(Seals::GROW);

        let fd = self.as_fd();
        match errno {
            Errno::EPERM => match self.seals() {
                Ok(seals) if seals.intersects(FORBIDDING) => {
                    TransferCause::Sealed(seals & FORBIDDING)
                }
                _ => TransferCause::Kernel(errno),
            },
            // What `set_len` returns.
            Errno::EINVAL if access_mode(Some(fd)) == raw::O_RDONLY => TransferCause::ReadOnly,
            errno => {
                let cause = TransferCause::Kernel(errno);
                TransferError { done: 0, cause }
                    .explained(Some(fd), None)
                    .cause
            }
        }
    }
}

/// The kernel wrote nothing, and gave no reason.
const NOTHING_WRITTEN: TransferCause = TransferCause::Kernel(Errno::ENOSPC);

/// Why a read, a write or a copy stopped before its end, and after how many bytes.
///
/// ```
/// use owned_memfd::{MemFdOptions, TransferCause};
///
/// let file = MemFdOptions::new().create(c"short")?;
/// file.write_all(b"hello")?;
/// let error = file.read_exact_at(&mut [0; 8], 0).unwrap_err();
/// assert_eq!((error.done, error.cause), (5, TransferCause::EndOfFile));
/// assert_eq!(error.to_string(), "stopped after 5 bytes: the file ends here");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferError {
    /// How many bytes were transferred.
    pub done: u64,
    /// Why no more were.
    pub cause: TransferCause,
}

/// Why a read, a write or a copy stopped.
///
/// The kernel returns the same errno for several causes. It is asked after the failure, so that
/// this describes the file as it is then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferCause {
    /// A read came to the end of the file.
    EndOfFile,
    /// The descriptor to write to is not open for writing: `EBADF`, or `EINVAL` of
    /// [`set_len`](OwnedMemFd::set_len).
    ReadOnly,
    /// The descriptor to read from is not open for reading: `EBADF`.
    WriteOnly,
    /// The file has these seals, which forbid it: `EPERM`. [`Seals::GROW`] alone forbids what would
    /// make the file longer, and [`Seals::SHRINK`] what would make it shorter.
    Sealed(Seals),
    /// The file is on huge pages, and can be written only through a mapping: `EINVAL`.
    HugePages,
    /// The kernel returned this error.
    Kernel(Errno),
}

impl TransferError {
    /// The kernel's error, or `None` if a read came to the end of the file. A write always has one.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self.cause {
            TransferCause::EndOfFile => None,
            TransferCause::ReadOnly | TransferCause::WriteOnly => Some(Errno::EBADF),
            TransferCause::Sealed(_) => Some(Errno::EPERM),
            TransferCause::HugePages => Some(Errno::EINVAL),
            TransferCause::Kernel(errno) => Some(errno),
        }
    }

    /// The same error, with the cause of the kernel's errno, as far as the files can still tell.
    // Rare, but inlined: for a call, the usual path would save registers, and keep the descriptor
    // in memory.
    #[inline(always)]
    pub(crate) fn explained(
        self,
        target: Option<BorrowedFd<'_>>,
        source: Option<BorrowedFd<'_>>,
    ) -> Self {
        let TransferCause::Kernel(errno) = self.cause else {
            return self;
        };
        let cause = match (errno, target) {
            (Errno::EBADF, _) if access_mode(target) == raw::O_RDONLY => TransferCause::ReadOnly,
            (Errno::EBADF, _) if access_mode(source) == raw::O_WRONLY => TransferCause::WriteOnly,
            (Errno::EPERM, Some(target)) => {
                const WRITE: u32 = Seals::WRITE.union(Seals::FUTURE_WRITE).bits();
                let seals = sys::memfd::get_seals(target).unwrap_or(0);
                let write = seals & WRITE;
                match (write, seals & Seals::GROW.bits()) {
                    (0, 0) => self.cause,
                    (0, grow) => TransferCause::Sealed(Seals::from_bits_retain(grow)),
                    _ => TransferCause::Sealed(Seals::from_bits_retain(write)),
                }
            }
            (Errno::EINVAL, Some(target))
                if sys::memfd::stat_fs(target)
                    .is_ok_and(|found| found.magic == raw::HUGETLBFS_MAGIC) =>
            {
                TransferCause::HugePages
            }
            _ => self.cause,
        };
        Self { cause, ..self }
    }
}

/// For what a descriptor is open; if there is none, or the kernel does not tell, for everything.
#[inline(always)]
pub(crate) fn access_mode(fd: Option<BorrowedFd<'_>>) -> u32 {
    match fd.map(sys::memfd::get_status_flags) {
        Some(Ok(flags)) => flags & raw::O_ACCMODE,
        _ => raw::O_RDWR,
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.done > 0 {
            write!(f, "stopped after {} bytes: ", self.done)?;
        }
        self.cause.fmt(f)
    }
}

impl fmt::Display for TransferCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndOfFile => f.write_str("the file ends here"),
            Self::ReadOnly => f.write_str("the descriptor is not open for writing"),
            Self::WriteOnly => f.write_str("the descriptor is not open for reading"),
            Self::Sealed(seals) => write!(f, "the file is sealed with {seals}"),
            Self::HugePages => f.write_str(
                "the file is on huge pages, which can be written only through a mapping",
            ),
            Self::Kernel(errno) => errno.fmt(f),
        }
    }
}

impl core::error::Error for TransferError {}

impl core::error::Error for TransferCause {}

impl From<TransferError> for Errno {
    /// The kernel's error, or `EIO` for the end of the file. The count of bytes is lost.
    fn from(error: TransferError) -> Self {
        error.errno().unwrap_or(Self::EIO)
    }
}
