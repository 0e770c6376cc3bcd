//! Memory that others write at the same time.
//!
//! The only references to mapped bytes that are made here are to single atomic bytes.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    fd::{AsFd, BorrowedFd},
    flags::Seals,
    memfd::OwnedMemFd,
    proof::{Unshrinkable, VerifyError, VerifyErrorKind},
    region::{MapMode, Region},
};
use core::{
    fmt,
    ops::Deref,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

/// The bytes of a region that others may be writing, accessed one relaxed atomic at a time. That
/// is defined whatever the others do: wider accesses would mix sizes with theirs, and a plain
/// copy would be a race.
struct Bytes<'a>(&'a Region);

impl Bytes<'_> {
    /// The bytes from `offset` on, at most `most`.
    fn from(&self, offset: usize, most: usize) -> impl Iterator<Item = &AtomicU8> {
        let end = offset.saturating_add(most).min(self.0.len());
        (offset..end).map(|index| {
            // SAFETY: `index` is below the length of the region.
            let byte = unsafe { self.0.start().add(index) };
            // SAFETY: the byte stays mapped as long as the region is borrowed, and stays in the
            // file, which cannot shrink. Nobody in this process makes a reference to it that is
            // not atomic, unless nobody can write the file. Of a mapping for reading, bytes are
            // only loaded.
            unsafe { byte.cast::<AtomicU8>().as_ref() }
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: usize) -> usize {
        let bytes = self.from(offset, buffer.len());
        buffer
            .iter_mut()
            .zip(bytes)
            .map(|(to, from)| *to = from.load(Relaxed))
            .count()
    }

    fn write_at(&self, bytes: &[u8], offset: usize) -> usize {
        let to = self.from(offset, bytes.len());
        bytes
            .iter()
            .zip(to)
            .map(|(&from, to)| to.store(from, Relaxed))
            .count()
    }
}

/// Mapping memory that others write.
impl OwnedMemFd {
    /// Maps the whole file for reading what others write at the same time.
    ///
    /// The file must already have [`Seals::SHRINK`]; this adds no seal. While a map lives that
    /// was made from a descriptor open for writing, the file cannot be sealed against writing.
    /// Map a descriptor from [`reopen_read_only`](Self::reopen_read_only) to avoid that.
    ///
    /// # Errors
    /// - [`VerifyErrorKind::MissingSeals`]: the file lacks [`Seals::SHRINK`].
    /// - [`VerifyErrorKind::NotMemFd`], [`VerifyErrorKind::PathOnly`]: it has no seals.
    /// - [`VerifyErrorKind::TooLarge`]: it is longer than `isize::MAX`.
    /// - `EACCES`: the descriptor is not open for reading.
    /// - `EAGAIN`: what `mlockall` locks from then on is above `RLIMIT_MEMLOCK`.
    /// - `ENOMEM`: no room for the mapping, or too few huge pages.
    /// - `EPERM`: [`Seals::WRITE`] is on the file, and the kernel is an old one. Such a file
    ///   cannot change: map it as a [`SealedMemFd`](crate::SealedMemFd).
    /// - Any error of `fstatfs`, if a seccomp filter forbids that call.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_SHARED")]
    pub fn map_shared(&self) -> Result<SharedMap, VerifyErrorKind> {
        let region = Unshrinkable::of(self.as_fd())?.map(MapMode::SharedRead)?;
        Ok(SharedMap { region })
    }

    /// Maps the whole file for reading and writing while others do the same.
    ///
    /// It adds [`Seals::SHRINK`] if the file does not have it. A mapped file cannot be sealed
    /// for good, so the map owns it until [`unmap`](SharedMapMut::unmap):
    ///
    /// ```compile_fail,E0382
    /// let file = owned_memfd::MemFdOptions::new().create(c"ring").unwrap();
    /// let ring = file.map_shared_mut().unwrap();
    /// let sealed = file.seal();
    /// ```
    ///
    /// # Errors
    /// The memory file comes back. A seal that was added stays.
    /// - [`VerifyErrorKind::MissingSeals`]: the file lacks [`Seals::SHRINK`], and it cannot be
    ///   added: sealing is closed, or the descriptor is not open for writing.
    /// - [`VerifyErrorKind::NotMemFd`], [`VerifyErrorKind::PathOnly`]: it has no seals.
    /// - [`VerifyErrorKind::TooLarge`]: it is longer than `isize::MAX`.
    /// - `EACCES`: the descriptor is not open for reading and writing.
    /// - `EAGAIN`: what `mlockall` locks from then on is above `RLIMIT_MEMLOCK`.
    /// - `ENOMEM`: no room for the mapping, or too few huge pages.
    /// - `EPERM`: [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`] is on the file.
    /// - Any error of `fstatfs`, if a seccomp filter forbids that call.
    ///
    /// Since Linux 3.17.
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_SHARED")]
    pub fn map_shared_mut(self) -> Result<SharedMapMut, VerifyError<Self>> {
        // Only whether it is there counts, and that is asked next.
        let _ = self.add_seals(Seals::SHRINK);
        let region =
            Unshrinkable::of(self.as_fd()).and_then(|file| Ok(file.map(MapMode::SharedWrite)?));
        match region {
            Ok(region) => Ok(SharedMapMut {
                map: SharedMap { region },
                file: self,
            }),
            Err(kind) => Err(VerifyError::new(self, kind)),
        }
    }
}

/// A memory file mapped for reading what others write at the same time.
///
/// Its length is stable, its bytes are not. [`OwnedMemFd::map_shared`] makes it, and it outlives
/// the descriptor.
///
/// Touching a hole when memory has run out raises `SIGBUS`; see [`SharedMapMut`].
pub struct SharedMap {
    region: Region,
}

impl SharedMap {
    /// The length of the mapping, in bytes: that of the file when it was mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether the length is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address of the first byte, for accesses of your own; dangling if the length is 0.
    ///
    /// It is valid for reading [`len`](Self::len) bytes as long as this value lives. Others may
    /// write them at any time: no reference to them is sound, and every access must be atomic or
    /// volatile assembly.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.start().as_ptr()
    }

    /// Copies bytes from `offset` into `buffer` and returns how many; fewer than its length only
    /// at the end.
    #[must_use = "fewer bytes than asked for may have been copied"]
    pub fn read_at(&self, buffer: &mut [u8], offset: usize) -> usize {
        Bytes(&self.region).read_at(buffer, offset)
    }
}

impl fmt::Debug for SharedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMap")
            .field("region", &self.region)
            .finish()
    }
}

/// A memory file mapped for reading and writing while others do the same.
///
/// It owns the file and the mapping, and dereferences to a [`SharedMap`] for reading. The file
/// cannot shrink, so every byte stays. To seal the file against writing, [`unmap`](Self::unmap)
/// it first.
///
/// Each byte is read and written by itself. A number of several bytes that another process is
/// writing may be read half old and half new. The two sides have to agree on how they say that
/// something is complete.
///
/// When memory has run out, touching a byte that has no page yet raises `SIGBUS`; above the limit
/// of a control group, the kernel kills a process of the group instead. To prevent that,
/// [`allocate`](OwnedMemFd::allocate) the file first; others can still punch holes into it.
///
/// A forked child inherits the mapping. Until it executes another program or ends, the file
/// cannot be sealed against writing.
///
/// ```
/// use owned_memfd::MemFdOptions;
///
/// let file = MemFdOptions::new().create(c"ring")?;
/// file.set_len(4096)?;
/// let ring = file.map_shared_mut()?;
/// assert_eq!(ring.write_at(b"hello", 10), 5);
///
/// let mut content = [0; 5];
/// assert_eq!(ring.read_at(&mut content, 10), 5);
/// assert_eq!(&content, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedMapMut {
    // Before the file, so that it is unmapped first.
    map: SharedMap,
    file: OwnedMemFd,
}

impl SharedMapMut {
    /// The address of the first byte, for accesses of your own; dangling if the length is 0.
    ///
    /// It is valid for [`len`](SharedMap::len) bytes as long as this value lives. Others may
    /// write them at any time: no reference to them is sound, and every access must be atomic or
    /// volatile assembly.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.map.region.start().as_ptr()
    }

    /// Copies `bytes` to `offset` and returns how many; fewer than given only at the end.
    #[must_use = "fewer bytes than given may have been copied"]
    pub fn write_at(&self, bytes: &[u8], offset: usize) -> usize {
        Bytes(&self.map.region).write_at(bytes, offset)
    }

    /// Seals the file so that it can be given to others who may only read: adds
    /// [`Seals::FUTURE_WRITE`] and [`Seals::GROW`]. This mapping can still write.
    ///
    /// Give readers a read-only descriptor, from
    /// [`reopen_read_only`](OwnedMemFd::reopen_read_only). With a writable one, a reader could
    /// add [`Seals::SEAL`] and stop you from sealing the file later. Readers map it with
    /// [`OwnedMemFd::map_shared`].
    ///
    /// When you have written everything, [`unmap`](Self::unmap) and [`seal`](OwnedMemFd::seal)
    /// the file. On kernels with CVE-2026-63952 ([`has_cve_2026_63952`](crate::has_cve_2026_63952))
    /// that fails if it also has [`Seals::EXEC`], as files have that
    /// [`MemFdOptions`](crate::MemFdOptions) made not executable: its seals are then the same as
    /// those of a forged file. Copy the content into a new file there.
    ///
    /// # Errors
    /// - `EINVAL`: before Linux 5.1. (On huge pages the seal holds since 5.13.)
    /// - `EPERM`: sealing is closed.
    ///
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[doc(alias = "F_SEAL_FUTURE_WRITE")]
    pub fn seal_for_readers(&self) -> Result<(), Errno> {
        self.file.add_seals(Seals::FUTURE_WRITE.union(Seals::GROW))
    }

    /// Unmaps the file and gives it back.
    #[doc(alias = "munmap")]
    #[must_use = "dropping it closes the file as well"]
    pub fn unmap(self) -> OwnedMemFd {
        self.file
    }
}

impl Deref for SharedMapMut {
    type Target = SharedMap;

    /// The same mapping, for reading.
    fn deref(&self) -> &SharedMap {
        &self.map
    }
}

impl AsFd for SharedMapMut {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for SharedMapMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMapMut")
            .field("map", &self.map)
            .field("file", &self.file)
            .finish()
    }
}
