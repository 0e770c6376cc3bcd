//! A memory file whose content is proven immutable, and maps of it.
//!
//! The references to mapped bytes that are made here rest on the proof.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    flags::Seals,
    memfd::OwnedMemFd,
    proof::Proof,
    region::{MapMode, Region},
};
use core::{fmt, ops::Deref, slice};

/// A memory file whose contents are proven immutable.
///
/// The kernel was asked through this very descriptor, and said that the file has both
/// [`Seals::WRITE`] and [`Seals::SHRINK`]. From then on no process can change the first
/// [`len`](Self::len) bytes, whatever rights and descriptors it has. So [`map`](Self::map)
/// returns them as a plain `&[u8]`, without `unsafe`.
///
/// A file without [`Seals::GROW`] can still get longer. `len` stays the length at which it was
/// proven. The kernel would read beyond it, so [`exec`](Self::exec) and the methods of `boot`
/// reject such a file.
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
/// The crate's documentation says under Soundness what is guaranteed, and on what that rests.
///
/// A file without the proof cannot be mapped:
///
/// ```compile_fail,E0599
/// let file = owned_memfd::MemFdOptions::new().create(c"open").unwrap();
/// let bytes = file.map().unwrap();
/// ```
///
/// and nothing else makes the proof:
///
/// ```compile_fail,E0451
/// let sealed = owned_memfd::SealedMemFd { proof: todo!() };
/// ```
pub struct SealedMemFd {
    proof: Proof,
}

impl SealedMemFd {
    #[inline(always)]
    pub(crate) const fn new(proof: Proof) -> Self {
        Self { proof }
    }

    /// The length at which the content was proven, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.proof.len()
    }

    /// Whether the length is 0.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Maps the whole content.
    ///
    /// # Errors
    /// - `EACCES`: the descriptor is open only for writing.
    /// - `EAGAIN`: after `mlockall(MCL_FUTURE)`, the mapping is above `RLIMIT_MEMLOCK`.
    /// - `EFAULT`: there are too few huge pages for the holes of a file on huge pages.
    /// - `ENOMEM`: no room for the mapping.
    /// - Any error of `fstatfs`, if a seccomp filter forbids that call.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    pub fn map(&self) -> Result<SealedMap, Errno> {
        self.map_within(0, self.len())
    }

    /// Maps `len` bytes of the content from `offset`, which need not be aligned.
    ///
    /// # Errors
    /// - [`MapError::OutOfBounds`]: the range ends after the content. No call is made.
    /// - `EACCES`: the descriptor is open only for writing.
    /// - `EAGAIN`: after `mlockall(MCL_FUTURE)`, the mapping is above `RLIMIT_MEMLOCK`.
    /// - `EFAULT`: there are too few huge pages for the holes of a file on huge pages.
    /// - `ENOMEM`, `EOVERFLOW`: no room for the mapping.
    /// - Any error of `fstatfs`, if a seccomp filter forbids that call.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    pub fn map_range(&self, offset: usize, len: usize) -> Result<SealedMap, MapError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len() => Ok(self.map_within(offset, len)?),
            _ => Err(MapError::OutOfBounds { len: self.len() }),
        }
    }

    /// The only maker of a `SealedMap`. The range lies within the proven length.
    fn map_within(&self, offset: usize, len: usize) -> Result<SealedMap, Errno> {
        let region = match Region::new(self.as_fd(), offset as u64, len, MapMode::SealedRead) {
            Err(Errno::EPERM) => self.map_elsewhere(offset, len),
            region => region,
        }?;
        // A sender can leave the whole file a hole. Where the pool of huge pages is empty, as on
        // nearly every machine, touching it would kill. Huge pages that are present stay so.
        if region.is_on_huge_pages() {
            region.populate()?;
        }
        Ok(SealedMap { region })
    }

    /// Some kernels do not share a file that is sealed against writing with a descriptor that is
    /// open for writing. They do with one that is not.
    #[cold]
    fn map_elsewhere(&self, offset: usize, len: usize) -> Result<Region, Errno> {
        let offset = offset as u64;
        match self.as_memfd().reopen_read_only() {
            // It is the same file, and so has the seals. What is mapped is asked itself.
            Ok(file) if Proof::may_be_of(&file) => {
                Region::new(file.as_fd(), offset, len, MapMode::SealedRead)
            }
            _ => Err(Errno::EPERM),
        }
        .or_else(|_| Region::new(self.as_fd(), offset, len, MapMode::PrivateRead))
    }

    /// Reads from `offset`, in bytes from the start, and returns how many bytes; 0 at the end.
    ///
    /// It neither uses nor moves the descriptor's offset, which a sender may share.
    ///
    /// # Errors
    /// - `EBADF`: the descriptor is open only for writing.
    /// - `EINTR`: a signal came before any byte was read.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    #[doc(alias = "pread")]
    pub fn read_at(&self, buffer: &mut [u8], offset: usize) -> Result<usize, Errno> {
        let Some(rest @ 1..) = self.len().checked_sub(offset) else {
            return Ok(0);
        };
        let most = rest.min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        self.as_memfd().read_at(buffer, offset as u64)
    }

    /// The seals on the file, which include those of the proof.
    ///
    /// # Errors
    /// None.
    ///
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    #[doc(alias = "F_GET_SEALS")]
    pub fn seals(&self) -> Result<Seals, Errno> {
        self.as_memfd().seals()
    }

    /// Makes another descriptor of the same open file, close-on-exec, with the same proof.
    ///
    /// # Errors
    /// - `EMFILE`: the process has too many open files.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    #[doc(alias = "dup")]
    #[doc(alias = "F_DUPFD_CLOEXEC")]
    pub fn try_clone(&self) -> Result<Self, Errno> {
        self.proof.try_clone().map(Self::new)
    }

    /// The memory file, for what this crate does with it.
    pub(crate) const fn as_memfd(&self) -> &OwnedMemFd {
        self.proof.file()
    }

    /// The memory file, if nothing of it is beyond what was proven, for what hands the file itself
    /// to the kernel.
    pub(crate) fn whole_file(&self) -> Result<Option<&OwnedMemFd>, Errno> {
        self.proof.whole_file()
    }

    /// Gives back the memory file, without the proof.
    #[must_use = "dropping it closes the file"]
    pub fn into_memfd(self) -> OwnedMemFd {
        self.proof.into_file()
    }
}

impl From<SealedMemFd> for OwnedFd {
    fn from(sealed: SealedMemFd) -> Self {
        sealed.into_memfd().into()
    }
}

impl AsFd for SealedMemFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_memfd().as_fd()
    }
}

impl AsRawFd for SealedMemFd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_memfd().as_raw_fd()
    }
}

impl IntoRawFd for SealedMemFd {
    fn into_raw_fd(self) -> RawFd {
        self.into_memfd().into_raw_fd()
    }
}

impl fmt::Debug for SealedMemFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMemFd")
            .field("file", self.as_memfd())
            .field("len", &self.len())
            .finish()
    }
}

/// The bytes of a sealed memory file, mapped: a `&[u8]` that nobody can change.
///
/// The mapping is shared with the file, so nothing that writes into a process's memory changes the
/// bytes either: no uprobe on the file, no `ptrace`, no `process_vm_writev`, no `/proc/self/mem`.
///
/// Some kernels, the last one Linux 6.12.8, refuse to share a sealed file with a descriptor that is
/// open for writing (`EPERM`). There, the file is opened again as by
/// [`OwnedMemFd::reopen_read_only`] and mapped through that descriptor. If that fails, as with
/// neither `/proc` nor `CAP_DAC_READ_SEARCH`, the mapping is private. Then a uprobe of root's, a
/// debugger, and whoever writes to `/proc/PID/mem`, this process itself included, can change
/// its copy of a page.
///
/// It outlives the [`SealedMemFd`], and is unmapped on drop. There is one exception. The kernel
/// merges maps of ranges that follow each other in the file and in memory. When one of them is
/// dropped from between two others, and the process has as many mappings as `vm.max_map_count`
/// allows, it stays mapped. Nothing refers to it any more.
///
/// No slice of it outlives the map:
///
/// ```compile_fail,E0505
/// let map = owned_memfd::SealedMemFd::copy_from_slice(c"text", b"text").unwrap().map().unwrap();
/// let bytes: &[u8] = &map;
/// drop(map);
/// assert_eq!(bytes, b"text");
/// ```
///
/// # `SIGBUS`
/// A hole is a part of the file that was never written. Its page is allocated when it is touched
/// first. That touch raises `SIGBUS` if memory has run out: by strict overcommit, or an empty pool
/// of huge pages. [`populate`](Self::populate) turns that into an error. A page whose memory has
/// failed raises `SIGBUS` too.
///
/// A control group's limit is no error and no `SIGBUS`: if the hole does not fit into `memory.max`,
/// the kernel kills a process of the group by `SIGKILL`, whether the hole is touched or populated.
/// A process that has such a limit can read a file that it received with [`SealedMemFd::read_at`],
/// which allocates nothing for a hole.
pub struct SealedMap {
    region: Region,
}

impl SealedMap {
    /// Makes every page present now, so that no later touch has to allocate one.
    ///
    /// The holes that it fills count for this process's control group, as if they were touched:
    /// above the group's limit this does not return an error, but the kernel kills.
    /// [`SealedMemFd::read_at`] reads them without allocating. Where there is swap, a page may
    /// leave memory again.
    ///
    /// Before Linux 5.14 this locks a second mapping of the same pages for a moment, so that it
    /// undoes no lock of yours on this one. Where a map is private, it locks and unlocks this one:
    /// lock it after that, not before.
    ///
    /// # Errors
    /// - `EFAULT`: a page cannot be allocated.
    /// - `EHWPOISON`: the memory of a page has failed.
    /// - `ENOMEM`, `EPERM`, `EAGAIN`: before Linux 5.14: a page cannot be allocated, there is no
    ///   room for the second mapping, or it stays because of `vm.max_map_count`, or
    ///   `RLIMIT_MEMLOCK` is too small.
    ///
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_POPULATE_READ`.
    #[doc(alias = "MADV_POPULATE_READ")]
    pub fn populate(&self) -> Result<(), Errno> {
        self.region.populate()
    }
}

impl Deref for SealedMap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let start = self.region.start().as_ptr();
        // SAFETY: the region is mapped, and the file has every byte of it: the proof found
        // SHRINK and then a length, at most `isize::MAX`, within which both callers of
        // `map_within` stay.
        // Nobody can change the bytes, since the proof found WRITE: the kernel promises that.
        // They stay mapped as long as `self` is borrowed.
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
    /// The range ends after the content.
    OutOfBounds {
        /// The length of the content, in bytes.
        len: usize,
    },
    /// The kernel returned this error.
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
            Self::OutOfBounds { len } => write!(f, "the range ends after {len} bytes of content"),
            Self::Kernel(errno) => errno.fmt(f),
        }
    }
}

impl core::error::Error for MapError {}

impl From<MapError> for Errno {
    /// The kernel's error, or `EINVAL` for a range out of bounds.
    fn from(error: MapError) -> Self {
        match error {
            MapError::Kernel(errno) => errno,
            MapError::OutOfBounds { .. } => Self::EINVAL,
        }
    }
}
