//! Memory that others write at the same time: maps of it, copies, and atomic operations.
//!
//! No reference to mapped bytes is made here. Every access is a function of `sys`, which the CPU's
//! file in `arch` does in assembly.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    fd::AsFd,
    flags::Seals,
    memfd::OwnedMemFd,
    proof::{MapError, Unshrinkable, range_within},
    region::{MapMode, Region},
    sys::shared::{self as access, AtomicInt, Int},
};
use core::{
    fmt,
    marker::PhantomData,
    ops::{Deref, RangeBounds},
    ptr::NonNull,
    sync::atomic::Ordering,
    time::Duration,
};

/// # Mapping memory that others write
impl OwnedMemFd {
    /// Maps a range of the file, in bytes, for reading what others write at the same time.
    ///
    /// The range may begin anywhere, and others may be mapped beside it or over it. The map
    /// outlives the descriptor.
    ///
    /// The file must already have [`Seals::SHRINK`]; this adds no seal. While a map lives that
    /// was made from a descriptor open for writing, the file cannot be sealed against writing.
    /// Map a descriptor from [`reopen_read_only`](Self::reopen_read_only) to avoid that.
    ///
    /// # Errors
    /// - [`MapError::OutOfBounds`], [`MapError::Reversed`]: the range does not lie in the file.
    /// - [`MissingSeals`](crate::VerifyErrorKind::MissingSeals): the file lacks
    ///   [`Seals::SHRINK`].
    /// - [`NotMemFd`](crate::VerifyErrorKind::NotMemFd),
    ///   [`PathOnly`](crate::VerifyErrorKind::PathOnly): it has no seals.
    /// - [`TooLarge`](crate::VerifyErrorKind::TooLarge): it is longer than `isize::MAX`.
    /// - `EACCES`: the descriptor is not open for reading.
    /// - `EAGAIN`: what `mlockall` locks from then on is above `RLIMIT_MEMLOCK`.
    /// - `ENOMEM`, `EOVERFLOW`: no room for the mapping, or too few huge pages.
    /// - `EPERM`: [`Seals::WRITE`] is on the file, and the kernel is an old one. Such a file
    ///   cannot change: map it as a [`SealedMemFd`](crate::SealedMemFd).
    /// - Any error of `fstatfs`, if a seccomp filter forbids that call. It is made if the blocks of
    ///   the file are 64 KiB or larger, as on huge pages.
    ///
    /// Since Linux 3.17.
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_SHARED")]
    pub fn map_shared(&self, range: impl RangeBounds<usize>) -> Result<SharedMap, MapError> {
        let file = Unshrinkable::of(self.as_fd())?;
        let (offset, len) = range_within(&range, file.len)?;
        let region = Region::new(file.source, offset as u64, len, MapMode::SharedRead)?;
        Ok(SharedMap { region })
    }

    /// Maps a range of the file, in bytes, for reading and writing while others do the same.
    ///
    /// It adds [`Seals::SHRINK`] if the file does not have it. The rest is as in
    /// [`map_shared`](Self::map_shared). Compute a range from numbers that come from elsewhere with
    /// `checked_add`: `offset..offset + len` can overflow. While the map lives, the file
    /// cannot be sealed against writing: that is `EBUSY`.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let file = MemFdOptions::new().create(c"pool")?;
    /// file.set_len(8192)?;
    /// let (left, right) = (file.map_shared_mut(..4096)?, file.map_shared_mut(4000..)?);
    /// left.write_all_at(b"hello", 4000)?;
    /// let mut found = [0; 5];
    /// right.read_exact_at(&mut found, 0)?;
    /// assert_eq!(&found, b"hello");
    ///
    /// drop((left, right));
    /// let sealed = file.seal()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A seal that was added stays.
    /// - [`MapError::OutOfBounds`], [`MapError::Reversed`]: the range does not lie in the file.
    /// - [`MissingSeals`](crate::VerifyErrorKind::MissingSeals): the file lacks
    ///   [`Seals::SHRINK`], and it cannot be added: sealing is closed, or the descriptor is not
    ///   open for writing.
    /// - [`NotMemFd`](crate::VerifyErrorKind::NotMemFd),
    ///   [`PathOnly`](crate::VerifyErrorKind::PathOnly): it has no seals.
    /// - [`TooLarge`](crate::VerifyErrorKind::TooLarge): it is longer than `isize::MAX`.
    /// - `EACCES`: the descriptor is not open for reading and writing.
    /// - `EAGAIN`: what `mlockall` locks from then on is above `RLIMIT_MEMLOCK`.
    /// - `ENOMEM`, `EOVERFLOW`: no room for the mapping, or too few huge pages.
    /// - `EPERM`: [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`] is on the file.
    /// - Any error of `fstatfs`, as in [`map_shared`](Self::map_shared).
    ///
    /// Since Linux 3.17.
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_SHARED")]
    #[doc(alias = "PROT_WRITE")]
    pub fn map_shared_mut(&self, range: impl RangeBounds<usize>) -> Result<SharedMapMut, MapError> {
        let file = self.keep_len()?;
        let (offset, len) = range_within(&range, file.len)?;
        let region = Region::new(file.source, offset as u64, len, MapMode::SharedWrite)?;
        Ok(SharedMapMut(SharedMap { region }))
    }

    /// Maps a range of the file, in bytes, twice in a row, for reading what others write at the
    /// same time.
    ///
    /// In a map of `2 * n` bytes, the bytes at `i` and at `i + n` are the same byte of the file. A
    /// record in a ring of `n` bytes can thus be copied in one piece wherever it begins. The rest
    /// is as in [`map_shared`](Self::map_shared), except that the map cannot grow, and that the
    /// range must be made of whole pages: multiples of 64 KiB are that on every machine, unless the
    /// file is on huge pages.
    ///
    /// # Errors
    /// As [`map_shared`](Self::map_shared), and:
    /// - `EINVAL`: the start or the length of the range is not a multiple of the page, which
    ///   has 4 KiB, or on some aarch64 machines 16 or 64 KiB, or is a huge one.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_FIXED")]
    #[doc(alias = "MAP_SHARED")]
    pub fn map_mirrored(&self, range: impl RangeBounds<usize>) -> Result<SharedMap, MapError> {
        let file = Unshrinkable::of(self.as_fd())?;
        let (offset, len) = range_within(&range, file.len)?;
        let region = Region::new_mirrored(file.source, offset as u64, len, MapMode::SharedRead)?;
        Ok(SharedMap { region })
    }

    /// Maps a range of the file, in bytes, twice in a row, for reading and writing while others do
    /// the same.
    ///
    /// As [`map_mirrored`](Self::map_mirrored), and it adds [`Seals::SHRINK`] if the file does not
    /// have it.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// const LEN: usize = 64 * 1024;
    /// let file = MemFdOptions::new().create(c"ring")?;
    /// file.set_len(LEN as u64)?;
    /// let ring = file.map_mirrored_mut(..)?;
    /// ring.write_all_at(b"across the end", LEN - 6)?;
    /// let mut found = [0; 8];
    /// ring.read_exact_at(&mut found, 0)?;
    /// assert_eq!(&found, b" the end");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`map_shared_mut`](Self::map_shared_mut), and:
    /// - `EINVAL`: the start or the length of the range is not a multiple of the page, which
    ///   has 4 KiB, or on some aarch64 machines 16 or 64 KiB, or is a huge one.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_FIXED")]
    #[doc(alias = "MAP_SHARED")]
    pub fn map_mirrored_mut(
        &self,
        range: impl RangeBounds<usize>,
    ) -> Result<SharedMapMut, MapError> {
        let file = self.keep_len()?;
        let (offset, len) = range_within(&range, file.len)?;
        let region = Region::new_mirrored(file.source, offset as u64, len, MapMode::SharedWrite)?;
        Ok(SharedMapMut(SharedMap { region }))
    }

    /// Sees to it that the file cannot shrink.
    fn keep_len(&self) -> Result<Unshrinkable<'_>, MapError> {
        // Only whether it is there counts, and that is asked next.
        let _ = self.add_seals(Seals::SHRINK);
        Ok(Unshrinkable::of(self.as_fd())?)
    }

    /// Seals the file so that it can be given to others who may only read: adds
    /// [`Seals::FUTURE_WRITE`] and [`Seals::GROW`].
    ///
    /// Maps that exist can still write, and nobody can make another one: map the file with
    /// [`map_shared_mut`](Self::map_shared_mut) first. Readers use
    /// [`map_shared`](Self::map_shared). A reader that maps for writing all the same cannot use the
    /// file, such as a Wayland compositor that gets a pool of pixels.
    ///
    /// Give readers a read-only descriptor, from [`reopen_read_only`](Self::reopen_read_only). With
    /// a writable one, a reader could add [`Seals::SEAL`] and stop you from sealing the file
    /// later. Also call [`set_mode(0o444)`](Self::set_mode) first: a new file's mode is 0666, by
    /// which other users may open it for writing through `/proc`. Nothing stops root and processes
    /// of your own user from that.
    ///
    /// When you have written everything, drop the maps and [`seal`](Self::seal) the file. On
    /// kernels with CVE-2026-63952 ([`has_cve_2026_63952`](crate::has_cve_2026_63952))
    /// that fails if it also has [`Seals::EXEC`], as files have that
    /// [`MemFdOptions`](crate::MemFdOptions) made not executable: its seals are then the same as
    /// those of a forged file. Copy the content into a new file there.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let file = MemFdOptions::new().create(c"pool")?;
    /// file.set_len(4096)?;
    /// let ours = file.map_shared_mut(..)?;
    /// # if file.seal_for_readers() == Err(owned_memfd::Errno::EINVAL) { return Ok(()) }
    /// file.seal_for_readers()?;
    ///
    /// let theirs = file.map_shared(..)?;
    /// assert!(file.map_shared_mut(..).is_err());
    /// ours.write_all_at(b"hello", 0)?;
    /// let mut seen = [0; 5];
    /// theirs.read_exact_at(&mut seen, 0)?;
    /// assert_eq!(&seen, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - `EINVAL`: before Linux 5.1. (On huge pages the seal holds since 5.13.)
    /// - `EPERM`: sealing is closed, or the descriptor is not open for writing.
    ///
    /// Since Linux 5.1.
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[doc(alias = "F_SEAL_FUTURE_WRITE")]
    #[doc(alias = "F_ADD_SEALS")]
    pub fn seal_for_readers(&self) -> Result<(), Errno> {
        self.add_seals(Seals::FUTURE_WRITE.union(Seals::GROW))
    }
}

/// A map of a memory file for reading what others write at the same time.
///
/// Its length is stable, its bytes are not. [`OwnedMemFd::map_shared`] makes it, and it outlives
/// the descriptor.
///
/// Touching a hole when memory has run out raises `SIGBUS`; see [`SharedMapMut`].
#[doc(alias = "munmap")]
pub struct SharedMap {
    region: Region,
}

impl SharedMap {
    /// The length of the map, in bytes.
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
    /// It is valid for reading [`len`](Self::len) bytes as long as this value lives and does not
    /// grow. Others may write them at any time: no reference to them is sound, and every access
    /// must be atomic or volatile assembly.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.start().as_ptr()
    }

    /// Copies the bytes from `offset` on into `buffer`, as fast as the CPU can.
    ///
    /// If others are writing them meanwhile, each byte is an old or a new one.
    ///
    /// # Errors
    /// - [`AccessError::OutOfBounds`]: `buffer` is longer than the map after `offset`. Nothing was
    ///   copied.
    #[inline]
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: usize) -> Result<(), AccessError> {
        let from = self.at(offset, buffer.len())?;
        // SAFETY: the map has so many bytes there. They stay mapped as long as it is borrowed, and
        // stay in the file, which cannot shrink.
        unsafe { access::copy_out(buffer, from) };
        Ok(())
    }

    /// The integer at `offset`, in bytes, for loading it while others store it.
    ///
    /// # Errors
    /// - [`AccessError::OutOfBounds`]: it does not lie in the map.
    /// - [`AccessError::Misaligned`]: its address is not a multiple of its size.
    #[inline]
    pub fn atomic<T: SharedInt>(&self, offset: usize) -> Result<SharedAtomic<'_, T>, AccessError> {
        let at = self.at(offset, size_of::<T>())?.cast::<T>();
        if !at.is_aligned() {
            let align = align_of::<T>();
            return Err(AccessError::Misaligned { align });
        }
        Ok(SharedAtomic {
            at,
            map: PhantomData,
        })
    }

    /// Where `len` bytes from `offset` on lie, if they lie in the map.
    #[inline]
    fn at(&self, offset: usize, len: usize) -> Result<NonNull<u8>, AccessError> {
        match self.len().checked_sub(offset) {
            // SAFETY: the offset is at most the length of the map.
            Some(rest) if len <= rest => Ok(unsafe { self.region.start().add(offset) }),
            _ => Err(AccessError::OutOfBounds { len: self.len() }),
        }
    }

    /// Lengthens the map to `len` bytes, counted from where it begins in `file`, from which it was
    /// mapped. The file must be long enough.
    ///
    /// The map may move to another address. It works also after
    /// [`seal_for_readers`](OwnedMemFd::seal_for_readers), when nobody can map the file for
    /// writing any more, unless it is on huge pages or the map was empty. A map never gets
    /// shorter: a smaller `len` changes nothing.
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let file = MemFdOptions::new().create(c"pool")?;
    /// file.set_len(4096)?;
    /// let mut map = file.map_shared_mut(..)?;
    /// file.set_len(16384)?;
    /// map.grow(&file, 16384)?;
    /// map.write_all_at(b"more", 16380)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The map stays as it was.
    /// - [`MapError::OtherFile`]: the map is not one of `file`.
    /// - [`MapError::OutOfBounds`]: the file is shorter than the map would be.
    /// - `EAGAIN`: what is locked is above `RLIMIT_MEMLOCK`.
    /// - `EFAULT`: a part of the map was locked, protected or advised by itself.
    /// - `EINVAL`: the map is a mirrored one; or, on newer kernels, no address space has room for
    ///   `len`.
    /// - `ENOMEM`: no room for the mapping, or too few huge pages.
    /// - `EPERM`: for writing, after `seal_for_readers`: on huge pages, or if the map was empty.
    /// - What [`OwnedMemFd::map_shared`] says of the seals and the descriptor of `file`.
    ///
    /// See [`mremap(2)`](https://man7.org/linux/man-pages/man2/mremap.2.html).
    #[doc(alias = "mremap")]
    #[doc(alias = "MREMAP_MAYMOVE")]
    pub fn grow(&mut self, file: &OwnedMemFd, len: usize) -> Result<(), MapError> {
        self.grow_as(file, len, MapMode::SharedRead)
    }

    fn grow_as(&mut self, file: &OwnedMemFd, len: usize, mode: MapMode) -> Result<(), MapError> {
        let file = Unshrinkable::of(file.as_fd())?;
        if self.region.is_mirrored() {
            return Err(Errno::EINVAL.into());
        }
        if !self.region.is_of(file.source)? {
            return Err(MapError::OtherFile);
        }
        let bound = (self.region.offset() as usize).saturating_add(len);
        if bound > file.len {
            let len = file.len;
            return Err(MapError::OutOfBounds { bound, len });
        }
        if len > self.len() {
            self.region.grow(file.source, len, mode)?;
        }
        Ok(())
    }

    /// Moves the file's pages into huge pages, which makes reading and writing faster.
    ///
    /// The kernel does so for each 2 MiB of the file that begin at a multiple of 2 MiB and lie in
    /// the map; it is 32 or 512 MiB where pages have 16 or 64 KiB. It needs no setting and no pool,
    /// and everybody who maps the file gains.
    ///
    /// It fills holes, and they count for this process's control group: at worst all of the
    /// map becomes memory. So nothing does this by itself. Others can still punch holes.
    ///
    /// # Errors
    /// Nothing is lost: at worst some of the pages stay small. After `EAGAIN` and `EINVAL`, the
    /// others are huge.
    /// - `EAGAIN`: a page is in use. Try again.
    /// - `EBUSY`: the control group has no room for a huge page.
    /// - `EINVAL`: before Linux 6.1; no 2 MiB lie in the map; a whole huge page would be a hole;
    ///   the map does not begin where the kernel needs it, as after [`grow`](Self::grow); the file
    ///   is on huge pages already; or the kernel has no such pages. On Linux 6.1, also if no byte
    ///   of some of these 2 MiB has been accessed through this map.
    /// - `ENOMEM`: no huge page is free.
    ///
    /// Since Linux 6.1.
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_COLLAPSE`.
    #[doc(alias = "MADV_COLLAPSE")]
    #[doc(alias = "madvise")]
    pub fn collapse(&self) -> Result<(), Errno> {
        self.region.collapse()
    }
}

impl fmt::Debug for SharedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.region.show("SharedMap", f)
    }
}

/// A map of a memory file for reading and writing while others do the same.
///
/// It dereferences to a [`SharedMap`] for reading. [`OwnedMemFd::map_shared_mut`] makes it, and
/// it outlives the descriptor. The file cannot shrink, so every byte stays. To seal the file
/// against writing, drop the map first.
///
/// # Order
/// A copy moves each byte by itself, in any order: if another process writes the same bytes at
/// that time, the result is a mixture. What says that a record is complete is a
/// [`SharedAtomicMut`], stored with [`Ordering::Release`] after the bytes and loaded with
/// [`Ordering::Acquire`] before them, as among threads. A process that need not be trusted can
/// write anything at any time: copy what it wrote, and check the copy.
///
/// # `SIGBUS`
/// When memory has run out, touching a byte that has no page yet raises `SIGBUS`; above the limit
/// of a control group, the kernel kills a process of the group instead. To prevent that,
/// [`allocate`](OwnedMemFd::allocate) the file first; others can still punch holes into it.
///
/// # Fork
/// A forked child inherits the mapping. Until it executes another program or ends, the file
/// cannot be sealed against writing.
///
/// ```
/// use owned_memfd::MemFdOptions;
/// use std::sync::atomic::Ordering;
///
/// let file = MemFdOptions::new().create(c"mailbox")?;
/// file.set_len(4096)?;
/// let ours = file.map_shared_mut(..)?;
/// let theirs = file.map_shared_mut(..)?;
///
/// ours.write_all_at(b"hello", 64)?;
/// ours.atomic_mut::<u32>(0)?.store(5, Ordering::Release);
///
/// let len = theirs.atomic::<u32>(0)?.load(Ordering::Acquire);
/// let mut message = vec![0; len as usize];
/// theirs.read_exact_at(&mut message, 64)?;
/// assert_eq!(message, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "munmap")]
// Never DerefMut: a map for reading could be swapped in.
pub struct SharedMapMut(SharedMap);

impl SharedMapMut {
    /// The address of the first byte, for accesses of your own; dangling if the length is 0.
    ///
    /// It is valid for [`len`](SharedMap::len) bytes as long as this value lives and does not grow.
    /// Others may write them at any time: no reference to them is sound, and every access must
    /// be atomic or volatile assembly.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.start().as_ptr()
    }

    /// Copies `bytes` to `offset`, as fast as the CPU can.
    ///
    /// # Errors
    /// - [`AccessError::OutOfBounds`]: `bytes` are more than the map has after `offset`. Nothing
    ///   was copied.
    #[inline]
    pub fn write_all_at(&self, bytes: &[u8], offset: usize) -> Result<(), AccessError> {
        let to = self.at(offset, bytes.len())?;
        // SAFETY: the map has so many bytes there, which may be written. They stay mapped as long
        // as it is borrowed, and stay in the file, which cannot shrink.
        unsafe { access::copy_in(to, bytes) };
        Ok(())
    }

    /// The integer at `offset`, in bytes, for loading, storing and changing it while others do the
    /// same.
    ///
    /// # Errors
    /// - [`AccessError::OutOfBounds`]: it does not lie in the map.
    /// - [`AccessError::Misaligned`]: its address is not a multiple of its size.
    #[inline]
    pub fn atomic_mut<T: SharedInt>(
        &self,
        offset: usize,
    ) -> Result<SharedAtomicMut<'_, T>, AccessError> {
        self.atomic(offset).map(SharedAtomicMut)
    }

    /// Lengthens the map to `len` bytes, counted from where it begins in `file`. As
    /// [`SharedMap::grow`], and the map stays one for writing.
    ///
    /// # Errors
    /// As [`SharedMap::grow`].
    ///
    /// See [`mremap(2)`](https://man7.org/linux/man-pages/man2/mremap.2.html).
    #[doc(alias = "mremap")]
    #[doc(alias = "MREMAP_MAYMOVE")]
    pub fn grow(&mut self, file: &OwnedMemFd, len: usize) -> Result<(), MapError> {
        self.0.grow_as(file, len, MapMode::SharedWrite)
    }
}

impl Deref for SharedMapMut {
    type Target = SharedMap;

    /// The same mapping, for reading.
    fn deref(&self) -> &SharedMap {
        &self.0
    }
}

impl fmt::Debug for SharedMapMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.region.show("SharedMapMut", f)
    }
}

/// An atomic integer in a [`SharedMap`], for loading, waiting and waking.
///
/// It is a `u8`, `u16`, `u32` or `u64`; a `u32` is also a futex. Others may be storing it. It is
/// loaded as `core::sync::atomic` does it, and always as a whole. Each process sees it in its CPU's
/// byte order, which is little-endian on all that this crate supports.
pub struct SharedAtomic<'map, T> {
    at: NonNull<T>,
    map: PhantomData<&'map SharedMap>,
}

// SAFETY: every access to the integer is atomic, by whichever thread. It is copied, never borrowed.
unsafe impl<T: SharedInt> Send for SharedAtomic<'_, T> {}
// SAFETY: as above.
unsafe impl<T: SharedInt> Sync for SharedAtomic<'_, T> {}

impl<T> Clone for SharedAtomic<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedAtomic<'_, T> {}

impl<T: SharedInt> SharedAtomic<'_, T> {
    /// Loads the integer.
    ///
    /// An `order` that a load cannot have, [`Ordering::Release`] or [`Ordering::AcqRel`], acts as
    /// [`Ordering::SeqCst`].
    #[inline]
    #[must_use]
    pub fn load(self, order: Ordering) -> T {
        // SAFETY: the integer lies in the map, which is borrowed, and its address is a multiple of
        // its size.
        unsafe { T::load(self.at, order) }
    }
}

impl SharedAtomic<'_, u32> {
    /// Sleeps while the integer is `expected`, until another process or thread
    /// [`wake`](Self::wake)s whoever waits for it; at most for `timeout`, if there is one.
    ///
    /// It can also return without a wake, so check the integer again. Whoever shares the memory can
    /// wake it as often as they like: to end by a deadline, compute what is left of it each time.
    ///
    /// ```
    /// use owned_memfd::{Errno, SharedAtomic};
    /// use std::{sync::atomic::Ordering, time::Instant};
    ///
    /// /// Waits until the integer is no longer `seen`, and returns what it is then.
    /// fn changed(cell: SharedAtomic<'_, u32>, seen: u32, until: Instant) -> Result<u32, Errno> {
    ///     loop {
    ///         match cell.load(Ordering::Acquire) {
    ///             now if now != seen => return Ok(now),
    ///             _ => {}
    ///         }
    ///         let left = until.checked_duration_since(Instant::now());
    ///         match cell.wait(seen, Some(left.ok_or(Errno::ETIMEDOUT)?)) {
    ///             Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => {}
    ///             Err(errno) => return Err(errno),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// - `EAGAIN`: the integer is not `expected`, so that this did not sleep.
    /// - `EFAULT`: the integer lies in a hole, and no memory can be allocated.
    /// - `EINTR`: a signal came. Without a timeout, one whose handler has `SA_RESTART` does not end
    ///   this.
    /// - `ETIMEDOUT`: the timeout has passed.
    ///
    /// See [`futex(2)`](https://man7.org/linux/man-pages/man2/futex.2.html).
    #[doc(alias = "futex")]
    #[doc(alias = "FUTEX_WAIT")]
    pub fn wait(self, expected: u32, timeout: Option<Duration>) -> Result<(), Errno> {
        access::futex_wait(self.at, expected, timeout)
    }

    /// Wakes at most `count` of those who [`wait`](Self::wait) for the integer, in any process, and
    /// returns how many: `u32::MAX` wakes all. A map for reading is enough.
    ///
    /// # Errors
    /// - `EFAULT`: the integer lies in a hole, and no memory can be allocated.
    ///
    /// See [`futex(2)`](https://man7.org/linux/man-pages/man2/futex.2.html).
    #[doc(alias = "futex")]
    #[doc(alias = "FUTEX_WAKE")]
    pub fn wake(self, count: u32) -> Result<u32, Errno> {
        access::futex_wake(self.at, count)
    }
}

impl<T: SharedInt + fmt::Debug> fmt::Debug for SharedAtomic<'_, T> {
    /// The value that it has now.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load(Ordering::Relaxed).fmt(f)
    }
}

/// An atomic integer in a [`SharedMapMut`], for storing and exchanging.
///
/// It is a `u8`, `u16`, `u32` or `u64`. Others may be storing it too. It dereferences to a
/// [`SharedAtomic`] for loading, waiting and waking. Its operations are those that
/// `core::sync::atomic` has by these names, and also atomic among processes. `u32` and `u64` have
/// all of them, `u8` and `u16` can be loaded and stored.
///
/// ```
/// use owned_memfd::MemFdOptions;
/// use std::sync::atomic::Ordering;
///
/// let file = MemFdOptions::new().create(c"counters")?;
/// file.set_len(4096)?;
/// let map = file.map_shared_mut(..)?;
/// let counter = map.atomic_mut::<u64>(8)?;
/// counter.store(41, Ordering::Relaxed);
/// assert_eq!(counter.fetch_add(1, Ordering::AcqRel), 41);
/// assert_eq!(counter.compare_exchange(42, 0, Ordering::AcqRel, Ordering::Acquire), Ok(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedAtomicMut<'map, T>(SharedAtomic<'map, T>);

impl<T> Clone for SharedAtomicMut<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedAtomicMut<'_, T> {}

impl<T: SharedInt> SharedAtomicMut<'_, T> {
    /// Stores the integer.
    ///
    /// An `order` that a store cannot have, [`Ordering::Acquire`] or [`Ordering::AcqRel`], acts as
    /// [`Ordering::SeqCst`].
    #[inline]
    pub fn store(self, value: T, order: Ordering) {
        // SAFETY: the integer lies in a map for writing, which is borrowed, and its address is a
        // multiple of its size.
        unsafe { T::store(self.0.at, value, order) }
    }
}

impl<T: SharedAtomicInt> SharedAtomicMut<'_, T> {
    /// Stores `value` and returns the previous one.
    #[inline]
    pub fn swap(self, value: T, order: Ordering) -> T {
        // SAFETY: as in `store`.
        unsafe { T::swap(self.0.at, value, order) }
    }

    /// Stores `new` if the integer is `current`, and returns the previous one.
    ///
    /// The stronger of both orders counts in both cases. A `failure` that a load cannot have acts
    /// as [`Ordering::SeqCst`].
    ///
    /// # Errors
    /// The integer, if it is not `current`. It never fails if it is.
    #[inline]
    pub fn compare_exchange(
        self,
        current: T,
        new: T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<T, T> {
        // SAFETY: as in `store`.
        unsafe { T::compare_exchange(self.0.at, current, new, success, failure) }
    }

    /// Adds `value`, wrapping around, and returns the previous integer.
    #[inline]
    pub fn fetch_add(self, value: T, order: Ordering) -> T {
        // SAFETY: as in `store`.
        unsafe { T::fetch_add(self.0.at, value, order) }
    }
}

impl<'map, T> Deref for SharedAtomicMut<'map, T> {
    type Target = SharedAtomic<'map, T>;

    /// The same integer, for loading.
    #[inline]
    fn deref(&self) -> &SharedAtomic<'map, T> {
        &self.0
    }
}

impl<T: SharedInt + fmt::Debug> fmt::Debug for SharedAtomicMut<'_, T> {
    /// The value that it has now.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An integer that a [`SharedAtomic`] can be: `u8`, `u16`, `u32` or `u64`.
pub trait SharedInt: Int {}

impl SharedInt for u8 {}
impl SharedInt for u16 {}
impl SharedInt for u32 {}
impl SharedInt for u64 {}

/// An integer that a [`SharedAtomicMut`] can change in one step: `u32` or `u64`.
pub trait SharedAtomicInt: SharedInt + AtomicInt {}

impl SharedAtomicInt for u32 {}
impl SharedAtomicInt for u64 {}

/// Why bytes or an integer of a shared map were not accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// It does not lie in the map as a whole.
    OutOfBounds {
        /// The length of the map, in bytes.
        len: usize,
    },
    /// The address of the integer is not a multiple of its size.
    Misaligned {
        /// The size of the integer, in bytes.
        align: usize,
    },
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds { len } => write!(f, "this goes beyond the {len} bytes of the map"),
            Self::Misaligned { align } => write!(f, "the address is not a multiple of {align}"),
        }
    }
}

impl core::error::Error for AccessError {}

impl From<AccessError> for Errno {
    /// `EINVAL`.
    fn from(_: AccessError) -> Self {
        Self::EINVAL
    }
}
