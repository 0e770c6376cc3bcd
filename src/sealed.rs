//! The proof that a memory file cannot change, and its bytes as a plain `&[u8]`.
//!
//! `verify` is the only place where the proof is made: whatever makes a `SealedMemFd` ends
//! in it, and only a clone takes it over. The references to mapped bytes that stand here rest
//! on that proof, except for the one that `create_with` lends out before there is anybody to share
//! the file with.
#![allow(unsafe_code)]

use crate::{
    errno::{Errno, VerifyError, VerifyErrorKind},
    fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    flags::{MemFdFlags, Seals},
    map::{Mode, Region, mappable_len},
    memfd::{MAX_COUNT, OwnedMemFd, check_identity},
    options::{CreateError, MemFdOptions, Name},
    sys,
};
use core::{
    fmt,
    mem::MaybeUninit,
    ops::Deref,
    slice,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

/// A memory file of which it is proven that its content cannot change.
///
/// [`Seals::WRITE`] and [`Seals::SHRINK`] are on it, and this very descriptor was asked. No
/// process can change the first [`len`](Self::len) bytes any more, whatever rights it has
/// and whatever descriptors it holds. So [`map`](Self::map) gives a plain `&[u8]`, without
/// `unsafe`.
///
/// A file that lacks [`Seals::GROW`] can still get longer. That changes nothing here: the
/// length is the one at which it was proven, whatever the file does later.
///
/// ```
/// use owned_memfd::SealedMemFd;
///
/// let sealed = SealedMemFd::copy_from_slice(c"greeting", b"hello")?;
/// let bytes = sealed.map()?;
/// assert_eq!(&bytes[..], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The crate's documentation says under Soundness what is guaranteed, and what that rests
/// on.
///
/// What is not proven cannot be mapped:
///
/// ```compile_fail,E0599
/// let file = owned_memfd::MemFdOptions::new().create(c"open").unwrap();
/// let bytes = file.map().unwrap();
/// ```
///
/// and there is no other way to a proof:
///
/// ```compile_fail,E0451
/// let file = owned_memfd::MemFdOptions::new().create(c"open").unwrap();
/// let sealed = owned_memfd::SealedMemFd { file, len: 7 };
/// ```
pub struct SealedMemFd {
    file: OwnedMemFd,
    len: usize,
}

/// The seals without which bytes could change, or go away under a mapping.
const PROOF: Seals = Seals::WRITE.union(Seals::SHRINK);

/// The seals that `seal` adds: the proof, a length that is final, and no more seals. On huge
/// pages some kernels let a private mapping lengthen the file all the same.
const EVERYTHING: Seals = PROOF.union(Seals::GROW).union(Seals::SEAL);

/// The proof, and the only maker of a `SealedMemFd` from what is none yet.
///
/// The order makes it one. Seals are only ever added, so those that are read here hold from
/// now on; the length that is asked for afterwards can therefore not get less; and a mapping
/// that is made later still shows what is there now.
#[inline(always)]
fn verify(file: OwnedMemFd, max_len: usize) -> Result<SealedMemFd, VerifyError<OwnedMemFd>> {
    match prove(file.as_fd(), max_len) {
        Ok(len) => Ok(SealedMemFd { file, len }),
        Err(kind) => Err(VerifyError::new(file, kind)),
    }
}

#[inline(always)]
fn prove(fd: BorrowedFd<'_>, max_len: usize) -> Result<usize, VerifyErrorKind> {
    let seals = sys::memfd::get_seals(fd).map(Seals::from_bits_retain);
    match seals {
        Ok(seals) if seals & PROOF.union(Seals::FUTURE_WRITE) == PROOF => {}
        other => doubt(fd, other)?,
    }
    mappable_len(fd, max_len)
}

/// Looks closely at an answer that is not plainly the proof, and says what is wrong with it
/// if anything is.
#[cold]
fn doubt(fd: BorrowedFd<'_>, seals: Result<Seals, Errno>) -> Result<(), VerifyErrorKind> {
    let seals = match seals {
        Ok(seals) => seals,
        // A better reason may be found, but whatever is found: nothing is proven.
        Err(errno) => return Err(check_identity(fd).err().unwrap_or(errno.into())),
    };
    if seals.contains(PROOF) {
        // The kernels with the bug set WRITE without looking for writable mappings when they
        // set EXEC on an executable file, and always set FUTURE_WRITE with it.
        return if seals.contains(Seals::EXEC) && forges_seals() {
            Err(VerifyErrorKind::ForgeableSeals)
        } else {
            Ok(())
        };
    }
    // Every tmpfs file answers, but none other than a memory file can be sealed like that.
    check_identity(fd)?;
    if seals.contains(Seals::FUTURE_WRITE) && !seals.contains(Seals::WRITE) {
        Err(VerifyErrorKind::FutureWriteOnly)
    } else {
        Err(VerifyErrorKind::MissingSeals(PROOF.difference(seals)))
    }
}

/// Whether this kernel has CVE-2026-63952, found out by trying, once in a process.
fn forges_seals() -> bool {
    const UNKNOWN: u8 = 0;
    const SOUND: u8 = 1;
    const FORGES: u8 = 2;
    // Only ever written with what every other attempt would write too.
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);

    if ANSWER.load(Relaxed) == UNKNOWN {
        match try_to_forge() {
            Ok(forged) => ANSWER.store(if forged { FORGES } else { SOUND }, Relaxed),
            // Cannot be told now, as where vm.memfd_noexec forbids executable files.
            Err(_) => return true,
        }
    }
    ANSWER.load(Relaxed) != SOUND
}

/// Seals an executable file against writing while it is mapped for writing, in the one way
/// in which some kernels allow it.
fn try_to_forge() -> Result<bool, Errno> {
    let flags = MemFdFlags::CLOEXEC
        .union(MemFdFlags::ALLOW_SEALING)
        .union(MemFdFlags::EXEC);
    let file = OwnedMemFd::create(c"owned-memfd", flags)?;
    // An empty file, since a longer one may be more than RLIMIT_FSIZE, which kills. It is
    // the mapping that counts.
    let _mapped = Region::new(file.as_fd(), 0, 1, Mode::SharedWrite)?;
    match file.add_seals(Seals::EXEC) {
        Ok(()) => Ok(true),
        Err(Errno::EBUSY) => Ok(false),
        Err(errno) => Err(errno),
    }
}

impl OwnedMemFd {
    /// Seals the file for good and proves that it cannot change.
    ///
    /// Adds [`Seals::WRITE`], [`Seals::SHRINK`], [`Seals::GROW`] and [`Seals::SEAL`]. If
    /// that is refused but the seals already on the file are proof enough, it succeeds.
    ///
    /// # Errors
    /// The memory file, and the reason. Seals that were added stay.
    /// - `EBUSY`: somebody has the file mapped shared and could write through it, or the
    ///   kernel still uses its pages; in the latter case it takes 0.2 s to answer.
    ///   [`explain_seal_error`](Self::explain_seal_error) says what is known of it. This
    ///   does not try again.
    /// - `EPERM`: the descriptor is not open for writing, or sealing is closed.
    /// - [`VerifyErrorKind::ForgeableSeals`]: it also has [`Seals::EXEC`] and
    ///   [`Seals::FUTURE_WRITE`], and the kernel CVE-2026-63952.
    /// - [`VerifyErrorKind::TooLarge`]: longer than `isize::MAX`.
    ///
    /// Since Linux 3.17.
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[inline(always)]
    pub fn seal(self) -> Result<SealedMemFd, VerifyError<Self>> {
        match self.add_seals(EVERYTHING) {
            Ok(()) => verify(self, usize::MAX),
            Err(errno) => self.seal_refused(errno),
        }
    }

    #[cold]
    fn seal_refused(self, errno: Errno) -> Result<SealedMemFd, VerifyError<Self>> {
        match self.seals() {
            Ok(seals) if seals.contains(PROOF) => verify(self, usize::MAX),
            _ => Err(VerifyError::new(self, errno.into())),
        }
    }
}

/// Making one.
impl SealedMemFd {
    /// Makes a sealed memory file with a copy of `content`.
    ///
    /// `name` is as for [`MemFdOptions::create`]; the file is close-on-exec and not
    /// executable.
    ///
    /// # Errors
    /// As [`MemFdOptions::create`], and:
    /// - `EFBIG`: above `RLIMIT_FSIZE`; where `SIGXFSZ` is not ignored, it kills the
    ///   process.
    /// - `ENOSPC`: no memory for the content.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    pub fn copy_from_slice(name: impl Name, content: &[u8]) -> Result<Self, CreateError> {
        let file = MemFdOptions::new().create(name)?;
        // Where the kernel gives no reason it has taken nothing, and has no room.
        file.write_all(content)
            .map_err(|stopped| stopped.errno.unwrap_or(Errno::ENOSPC))?;
        seal_patiently(file)
    }

    /// Makes a sealed memory file of `len` bytes, which `fill` writes in place.
    ///
    /// As [`MemFdOptions::create_with`] with [`MemFdOptions::new`].
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
    pub fn create_with(
        name: impl Name,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Self, CreateError> {
        MemFdOptions::new().create_with(name, len, fill)
    }

    /// Takes a descriptor from a sender who need not be trusted, if its file is proven not
    /// to change and is at most `max_len` bytes long.
    ///
    /// A descriptor that is open only for reading will do; one that is open only for writing
    /// is proven too, but can be neither read nor mapped. What the sender does meanwhile,
    /// with this file or with any other descriptor of it, changes nothing.
    ///
    /// # Errors
    /// The descriptor, open and unchanged, and the reason:
    /// - [`VerifyErrorKind::NotMemFd`]: a pipe, socket, directory, device, an ordinary file, or one
    ///   of a tmpfs, which has seals too.
    /// - [`VerifyErrorKind::PathOnly`]: it is open with `O_PATH`.
    /// - [`VerifyErrorKind::MissingSeals`]: it lacks [`Seals::WRITE`] or [`Seals::SHRINK`].
    /// - [`VerifyErrorKind::FutureWriteOnly`]: mappings made earlier still write.
    /// - [`VerifyErrorKind::ForgeableSeals`]: this kernel cannot be believed about these seals.
    /// - [`VerifyErrorKind::TooLarge`]: longer than `max_len`, or than `isize::MAX`.
    /// - [`VerifyErrorKind::Kernel`]: the kernel refused to say.
    ///
    /// Since Linux 3.17.
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    pub fn verify(fd: OwnedFd, max_len: usize) -> Result<Self, VerifyError<OwnedFd>> {
        verify(OwnedMemFd::believe(fd), max_len).map_err(|refused| refused.map(OwnedFd::from))
    }

    /// As [`verify`](Self::verify), and if only seals are missing makes a sealed copy of up
    /// to `max_len` bytes: for senders that did not seal.
    ///
    /// The copy is what the file held at some moment for each byte; if the sender writes
    /// meanwhile, that is nobody's complete content. It is read by position, from the
    /// start to the end that is found by reading, and the sender's descriptor is closed.
    ///
    /// # Errors
    /// The descriptor, open and unchanged, and the reason: as [`verify`](Self::verify), but
    /// for the reasons about seals; and as [`SealedMemFd::copy_from_slice`]. Where the file turns out
    /// longer than it said, [`VerifyErrorKind::TooLarge`] tells how much had been read by then.
    ///
    /// Since Linux 3.17.
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    pub fn verify_or_copy(fd: OwnedFd, max_len: usize) -> Result<Self, VerifyError<OwnedFd>> {
        let unverified = match Self::verify(fd, max_len) {
            Err(error) => error,
            sealed => return sealed,
        };
        let kind = unverified.kind();
        let fd = unverified.into_inner();
        let kind = match kind {
            // Each of them is only given for what is a memory file.
            VerifyErrorKind::MissingSeals(_)
            | VerifyErrorKind::FutureWriteOnly
            | VerifyErrorKind::ForgeableSeals => match copy(fd.as_fd(), max_len) {
                Ok(sealed) => return Ok(sealed),
                Err(kind) => kind,
            },
            kind => kind,
        };
        Err(VerifyError::new(fd, kind))
    }
}

/// A sealed copy of what the file holds, read by position and up to its end as reading finds
/// it: neither offset nor size is the sender's to choose.
fn copy(source: BorrowedFd<'_>, max_len: usize) -> Result<SealedMemFd, VerifyErrorKind> {
    let limit = max_len.min(isize::MAX as usize) as u64;
    // Whatever size the file has later: one that is too large now need not be read.
    mappable_len(source, max_len)?;
    let file = MemFdOptions::new()
        .create(c"copy")
        .map_err(VerifyErrorKind::from)?;
    let mut offset = 0;
    // One byte more than allowed shows that there is more.
    while offset <= limit {
        let most = (limit - offset).saturating_add(1).min(MAX_COUNT) as usize;
        match sys::transfer::copy_file_range_at(source, &mut offset, file.as_fd(), most) {
            // Not always the end; only `read_at` below is believed.
            Ok(0)
            | Err(
                Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EPERM | Errno::EXDEV,
            ) => break,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let mut room = [const { MaybeUninit::uninit() }; 2048];
    while offset <= limit {
        let most = (limit - offset).saturating_add(1).min(room.len() as u64) as usize;
        let room = room.get_mut(..most).unwrap_or_default();
        match sys::transfer::read_at_uninit(source, room, offset) {
            Ok([]) => break,
            Ok(bytes) => {
                file.write_all(bytes)
                    .map_err(|stopped| stopped.errno.unwrap_or(Errno::ENOSPC))?;
                offset += bytes.len() as u64;
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    if offset > limit {
        return Err(VerifyErrorKind::TooLarge { len: offset });
    }
    Ok(seal_patiently(file)?)
}

/// Seals a file of our own, of which nobody else should hold anything.
///
/// But a child that another thread has just forked holds what we hold until it executes its
/// program, and the kernel may be moving a page: both pass. This waits for them, eight times
/// and no longer than a quarter of a second, besides what the kernel itself waits.
fn seal_patiently(mut file: OwnedMemFd) -> Result<SealedMemFd, CreateError> {
    const LONGEST: u32 = 128_000_000;

    let mut nanoseconds = 1_000_000;
    loop {
        match file.seal() {
            Ok(sealed) => return Ok(sealed),
            Err(refused) if refused.kind() == VerifyErrorKind::Kernel(Errno::EBUSY) => {
                if nanoseconds > LONGEST {
                    return Err(Errno::EBUSY.into());
                }
                file = refused.into_inner();
                // Interrupted, it only tries again sooner.
                let _ = sys::sealing::sleep(nanoseconds);
                nanoseconds *= 2;
            }
            Err(refused) => return Err(refused.kind().into()),
        }
    }
}

impl MemFdOptions {
    /// Makes a sealed memory file of `len` bytes, which `fill` writes in place: they are
    /// zeros when it gets them, and nothing is copied afterwards.
    ///
    /// All memory is allocated first, so that there is none to run out of while `fill`
    /// writes. If `fill` panics, nothing is left behind. Afterwards the file is sealed as
    /// by [`OwnedMemFd::seal`], whatever [`sealable`](Self::sealable) says.
    ///
    /// # Trust
    /// While `fill` runs, the file is not sealed, and may be written by whoever may open
    /// this process's `/proc/PID/fd`: its own threads, and processes of the same user,
    /// unless the process is not dumpable. As with `/proc/PID/mem`, who does so writes into
    /// memory that this process takes for its own.
    ///
    /// # Errors
    /// As [`create`](Self::create), and:
    /// - `EBUSY`: a child that was forked meanwhile holds the file for too long.
    /// - `EFBIG`: above `RLIMIT_FSIZE`; where `SIGXFSZ` is not ignored, it kills the
    ///   process.
    /// - `EINVAL`: above `isize::MAX`, or not a multiple of the huge page.
    /// - `ENOMEM`: no room for the mapping.
    /// - `ENOSPC`: not enough huge pages, or more than a limit of the kernel's on memory
    ///   files. Without strict overcommit, a length far beyond the machine's memory makes the
    ///   kernel kill processes first: bound a length that comes from elsewhere.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    pub fn create_with(
        self,
        name: impl Name,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<SealedMemFd, CreateError> {
        // Close-on-exec until it is sealed: a program that is executed meanwhile could write.
        let memfd = self.sealable(true).close_on_exec(true).create(name)?;
        if len > 0 {
            // First, since allocating a part of a huge page would lengthen the file to all
            // of it, where this is refused.
            memfd.set_len(len as u64)?;
            memfd.allocate(0, len as u64)?;
        }
        let region = Region::new(memfd.as_fd(), 0, len, Mode::SharedWrite)?;
        region.keep_from_children()?;
        // SAFETY: the region has `len` bytes, not above `isize::MAX`, which a file cannot
        // exceed; the kernel has zeroed them; and nobody else has them, since no other
        // process has the file, but for those whom the documentation says that this trusts.
        fill(unsafe { slice::from_raw_parts_mut(region.start().as_ptr(), len) });
        drop(region);
        let sealed = seal_patiently(memfd)?;
        if self.is_inherited() {
            sealed.file.set_close_on_exec(false)?;
        }
        Ok(sealed)
    }
}

/// Using one.
impl SealedMemFd {
    /// The length in bytes at which the content was proven.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the length is 0.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Maps the whole content.
    ///
    /// # Errors
    /// - `EACCES`: the descriptor is open only for writing.
    /// - `EFAULT`: there are too few huge pages for the holes of a file on huge pages.
    /// - `ENOMEM`: no room for the mapping.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    pub fn map(&self) -> Result<SealedMap, Errno> {
        self.map_within(0, self.len)
    }

    /// Maps `len` bytes of the content from `offset`, which need not be aligned.
    ///
    /// # Errors
    /// - [`MapError::OutOfBounds`]: the content ends before; no call was made.
    /// - `EACCES`: the descriptor is open only for writing.
    /// - `EFAULT`: there are too few huge pages for the holes of a file on huge pages.
    /// - `ENOMEM`, `EOVERFLOW`: no room for the mapping.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    pub fn map_range(&self, offset: usize, len: usize) -> Result<SealedMap, MapError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(self.map_within(offset, len)?),
            _ => Err(MapError::OutOfBounds { len: self.len }),
        }
    }

    /// The one maker of a `SealedMap`: the range lies within the proven length.
    fn map_within(&self, offset: usize, len: usize) -> Result<SealedMap, Errno> {
        let region = Region::new(self.as_fd(), offset as u64, len, Mode::PrivateRead)?;
        // A sender can leave all of a file a hole, and where the pool of huge pages is empty,
        // as it is nearly everywhere, touching that would kill. Huge pages that are present
        // stay so.
        if region.is_on_huge_pages() {
            region.populate()?;
        }
        Ok(SealedMap { region })
    }

    /// Reads from `offset` and answers how many bytes; 0 at the end. Neither uses nor moves
    /// the descriptor's offset, which a sender may share.
    ///
    /// # Errors
    /// - `EBADF`: the descriptor is open only for writing.
    /// - `EINTR`: a signal came before any byte was read.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    pub fn read_at(&self, buffer: &mut [u8], offset: usize) -> Result<usize, Errno> {
        let Some(rest @ 1..) = self.len.checked_sub(offset) else {
            return Ok(0);
        };
        let most = rest.min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        self.file.read_at(buffer, offset as u64)
    }

    /// The seals on the file: at least those of the proof.
    ///
    /// # Errors
    /// None.
    ///
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    pub fn seals(&self) -> Result<Seals, Errno> {
        self.file.seals()
    }

    /// Another descriptor of the same open file, close-on-exec, with the same proof.
    ///
    /// # Errors
    /// - `EMFILE`: the process has too many open files.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    pub fn try_clone(&self) -> Result<Self, Errno> {
        // The proof is of the file, and the clone is of the same.
        let (file, len) = (self.file.try_clone()?, self.len);
        Ok(Self { file, len })
    }

    /// The memory file, for what is done to it here.
    pub(crate) const fn as_memfd(&self) -> &OwnedMemFd {
        &self.file
    }

    /// The memory file, without the proof.
    #[must_use = "dropping it closes the file"]
    pub fn into_memfd(self) -> OwnedMemFd {
        self.file
    }
}

/// The bytes of a sealed memory file, mapped: a `&[u8]` that nobody can change.
///
/// It outlives the [`SealedMemFd`] and is unmapped when it is dropped, but not before:
///
/// ```compile_fail,E0505
/// let map = owned_memfd::SealedMemFd::copy_from_slice(c"text", b"text").unwrap().map().unwrap();
/// let bytes: &[u8] = &map;
/// drop(map);
/// assert_eq!(bytes, b"text");
/// ```
///
/// Nor are the bytes that `create_with` lends there any longer when the file is sealed:
///
/// ```compile_fail,E0521
/// let mut kept: &mut [u8] = &mut [];
/// let sealed = owned_memfd::SealedMemFd::create_with(c"text", 4, |bytes| kept = bytes).unwrap();
/// kept[0] = 1;
/// ```
///
/// # `SIGBUS`
/// A part of the file that was never written, a hole, gets its page when it is touched
/// first. If memory has run out, by strict overcommit, a control group's limit or an empty
/// pool of huge pages, that touch raises `SIGBUS`; so does a page whose memory fails.
/// [`populate`](Self::populate) turns the first into an error.
pub struct SealedMap {
    region: Region,
}

impl SealedMap {
    /// Makes every page present now, so that the next touch does not have to allocate one.
    ///
    /// The holes that it fills are charged to this process's control group, as touching them
    /// would be; [`SealedMemFd::read_at`] reads them without allocating. Where there is
    /// swap, a page may leave memory again.
    ///
    /// # Errors
    /// - `EFAULT`: a page cannot be had.
    /// - `EHWPOISON`: a page's memory has failed.
    /// - `ENOMEM`, `EPERM`, `EAGAIN`: before Linux 5.14, where this locks the pages for a
    ///   moment: a page cannot be had, or `RLIMIT_MEMLOCK` is too small.
    ///
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_POPULATE_READ`.
    pub fn populate(&self) -> Result<(), Errno> {
        self.region.populate()
    }
}

impl Deref for SealedMap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let start = self.region.start().as_ptr();
        // SAFETY: the region is mapped and its file has every byte of it, since `verify`
        // found SHRINK, and then a length that `map_within`'s callers keep to and that is
        // at most `isize::MAX`. Nobody can change the bytes, since it found WRITE: that is
        // the kernel's promise. They stay mapped as long as `self` is borrowed.
        unsafe { slice::from_raw_parts(start, self.region.len()) }
    }
}

impl AsRef<[u8]> for SealedMap {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for SealedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMap")
            .field("region", &self.region)
            .finish()
    }
}

/// Why a range was not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// The range ends behind the content.
    OutOfBounds {
        /// The length of the content, in bytes.
        len: usize,
    },
    /// The kernel refused.
    Kernel(Errno),
}

impl From<Errno> for MapError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds { len } => write!(f, "the range ends behind {len} bytes of content"),
            Self::Kernel(errno) => errno.fmt(f),
        }
    }
}

impl core::error::Error for MapError {}

impl From<MapError> for Errno {
    /// The kernel's reason; a range out of bounds is `EINVAL`.
    fn from(error: MapError) -> Self {
        match error {
            MapError::Kernel(errno) => errno,
            MapError::OutOfBounds { .. } => Self::EINVAL,
        }
    }
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

    /// As [`SealedMemFd::verify`], without a limit of the caller's. Adds no seal.
    fn try_from(file: OwnedMemFd) -> Result<Self, VerifyError<OwnedMemFd>> {
        verify(file, usize::MAX)
    }
}

impl From<SealedMemFd> for OwnedFd {
    fn from(sealed: SealedMemFd) -> Self {
        sealed.file.into()
    }
}

impl AsFd for SealedMemFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for SealedMemFd {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl IntoRawFd for SealedMemFd {
    fn into_raw_fd(self) -> RawFd {
        self.file.into_raw_fd()
    }
}

impl fmt::Debug for SealedMemFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMemFd")
            .field("file", &self.file)
            .field("len", &self.len)
            .finish()
    }
}
