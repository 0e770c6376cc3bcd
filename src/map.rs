//! Mappings: the region that unmaps itself, and memory that others write at the same time.
//!
//! No reference to mapped bytes is made here. Bytes that cannot change are `sealed`'s, where
//! the proof of that stands.
#![allow(unsafe_code)]

use crate::{
    errno::{Errno, VerifyError, VerifyErrorKind},
    fd::{AsFd, BorrowedFd},
    flags::Seals,
    memfd::OwnedMemFd,
    sys,
};
use core::{
    fmt,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};
use linux_raw_sys::general as raw;

/// How a region is mapped.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// Readable, and no other process sees a change that a debugger makes.
    PrivateRead,
    /// Readable: what others write shows.
    SharedRead,
    /// Readable and writable: what is written shows everywhere.
    SharedWrite,
}

/// A mapped range of a file, unmapped when it is dropped. An empty one maps nothing.
pub(crate) struct Region {
    // What was asked for.
    start: NonNull<u8>,
    len: usize,
    // The mapping that holds it. Three words are moved in registers; of four, moving becomes
    // on riscv64 a call of `memcpy`, which a program without libc need not have.
    around: Around,
}

/// What a mapping has around the range that was asked for.
#[derive(Clone, Copy)]
struct Around(u64);

impl Around {
    /// The mapping begins `lead` bytes before the range, which is less than the largest huge
    /// page, and ends at a multiple of `page`, a power of two.
    const fn new(lead: u64, page: u64) -> Self {
        Self((lead << 8) | page.trailing_zeros() as u64)
    }

    const fn lead(self) -> usize {
        (self.0 >> 8) as usize
    }

    /// Only a mapping of huge pages ends at a multiple of more than a byte.
    const fn has_huge_pages(self) -> bool {
        self.0 & 63 != 0
    }

    /// The length of the mapping around a range of `len` bytes.
    const fn mapped(self, len: usize) -> usize {
        let rest = (1 << (self.0 & 63)) - 1;
        (self.lead() + len + rest) & !rest
    }
}

// SAFETY: a region is memory that belongs to no thread; what is done with its bytes answers
// for itself.
unsafe impl Send for Region {}
// SAFETY: as above; a shared region gives out nothing but its address.
unsafe impl Sync for Region {}

impl Region {
    /// Every page size there is divides this, so that a mapping may begin at its multiples.
    const LARGEST_PAGE: u64 = 64 * 1024;

    /// Maps `len` bytes from `offset`. The caller answers for their lying within the file,
    /// and for `offset + len` and `len` being no more than `isize::MAX`.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        mode: Mode,
    ) -> Result<Self, Errno> {
        if len == 0 {
            let (start, around) = (NonNull::dangling(), Around::new(0, 1));
            return Ok(Self { start, len, around });
        }
        // A mapping of huge pages begins and ends at a multiple of theirs, and the kernel
        // refuses to unmap less. Only the file system's type tells: with
        // shmem_enabled=always a plain memory file, too, names 2 MiB as its block size, and
        // unmapping as much would take the neighbour away.
        let file_system = sys::memfd::stat_fs(fd)?;
        let (first, last) = if file_system.magic == raw::HUGETLBFS_MAGIC {
            (file_system.block, file_system.block)
        } else {
            (Self::LARGEST_PAGE, 1)
        };
        let around = Around::new(offset & (first - 1), last);
        let (protection, flags) = match mode {
            // A private mapping of huge pages would reserve them a second time, for copies
            // that a mapping which cannot be written never makes.
            Mode::PrivateRead => (raw::PROT_READ, raw::MAP_PRIVATE | raw::MAP_NORESERVE),
            Mode::SharedRead => (raw::PROT_READ, raw::MAP_SHARED),
            Mode::SharedWrite => (raw::PROT_READ | raw::PROT_WRITE, raw::MAP_SHARED),
        };
        let lead = around.lead();
        let whole = sys::region::map(
            fd,
            offset - lead as u64,
            around.mapped(len),
            protection,
            flags,
        )?;
        // SAFETY: the lead is less than the length of the mapping.
        let start = unsafe { whole.add(lead) };
        Ok(Self { start, len, around })
    }

    /// The first byte that was asked for; dangling when the length is 0.
    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The whole mapping, if there is one.
    fn mapping(&self) -> Option<(NonNull<u8>, usize)> {
        if self.len == 0 {
            return None;
        }
        // SAFETY: the range begins so far into the mapping.
        let whole = unsafe { self.start.sub(self.around.lead()) };
        Some((whole, self.around.mapped(self.len)))
    }

    /// Whether the pages are huge ones.
    pub(crate) const fn is_on_huge_pages(&self) -> bool {
        self.len != 0 && self.around.has_huge_pages()
    }

    /// Keeps the mapping out of a forked child, where it would stand in the way of sealing.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        let Some((start, len)) = self.mapping() else {
            return Ok(());
        };
        // SAFETY: this region owns the mapping, and MADV_DONTFORK changes no byte of it.
        unsafe { sys::region::advise(start, len, raw::MADV_DONTFORK) }
    }

    /// Makes every page present, or says why one cannot be.
    pub(crate) fn populate(&self) -> Result<(), Errno> {
        let Some((start, len)) = self.mapping() else {
            return Ok(());
        };
        // SAFETY: this region owns the mapping, and MADV_POPULATE_READ changes no byte.
        match unsafe { sys::region::advise(start, len, raw::MADV_POPULATE_READ) } {
            // Before Linux 5.14. Locking, too, makes every page present; they stay so when
            // they are unlocked.
            Err(Errno::EINVAL) => {
                sys::region::lock(start, len)?;
                sys::region::unlock(start, len)
            }
            answer => answer,
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some((start, len)) = self.mapping() {
            // Nobody is left to tell of an error. There is one, if the kernel had joined the
            // mapping with its neighbours and the process has too many to part them: it
            // stays then.
            // SAFETY: this region owns the mapping and is going away, and whoever lends
            // its bytes out borrows it.
            let _ = unsafe { sys::region::unmap(start, len) };
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Where and how much, not the bytes: there may be gigabytes.
        f.debug_struct("Region")
            .field("start", &self.start)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The bytes of a region that others may be writing, one relaxed atomic at a time: the one
/// access that is defined whatever they do. Wider ones would mix sizes with theirs, and a
/// plain copy would race.
struct Bytes<'a>(&'a Region);

impl Bytes<'_> {
    /// The bytes from `offset` on, at most `most`.
    fn from(&self, offset: usize, most: usize) -> impl Iterator<Item = &AtomicU8> {
        let end = offset.saturating_add(most).min(self.0.len);
        (offset..end).map(|index| {
            // SAFETY: `index` is below the length of the region.
            let byte = unsafe { self.0.start.add(index) };
            // SAFETY: the byte stays mapped as long as the region is borrowed, and stays in
            // the file, which cannot shrink. Nobody in this process makes a reference to it
            // that is not atomic, except to a file that nobody can write; and what is
            // mapped for reading is only loaded from.
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

/// Checks that the file cannot shrink and answers the length that it had then.
///
/// This order makes the length one that the file keeps at least.
fn len_of_unshrinkable(fd: BorrowedFd<'_>) -> Result<usize, VerifyErrorKind> {
    let seals = Seals::from_bits_retain(sys::memfd::get_seals(fd)?);
    if !seals.contains(Seals::SHRINK) {
        return Err(VerifyErrorKind::MissingSeals(Seals::SHRINK));
    }
    mappable_len(fd, usize::MAX)
}

/// The length of the file, if it is at most `limit` and a slice can be as long.
#[inline(always)]
pub(crate) fn mappable_len(fd: BorrowedFd<'_>, limit: usize) -> Result<usize, VerifyErrorKind> {
    let len = sys::memfd::stat(fd)?.len;
    if len > limit.min(isize::MAX as usize) as u64 {
        return Err(VerifyErrorKind::TooLarge { len });
    }
    Ok(len as usize)
}

/// A memory file mapped for reading and writing, which others may write at the same time.
///
/// It owns file and mapping, reads as a [`SharedMap`] does, and also writes. The file cannot
/// shrink, so that every byte of it stays; it can
/// be sealed against writing only when it is no longer mapped, by
/// [`unmap`](Self::unmap)ping it.
///
/// Each byte is read and written by itself: a number of several bytes that another process
/// writes meanwhile may be read half old and half new. To agree on when something is
/// complete is up to the two sides.
///
/// A file on which memory runs out raises `SIGBUS` where a byte is touched that has no page
/// yet: [`OwnedMemFd::allocate`] it first. Others may punch holes into it again.
///
/// A forked child inherits the mapping: until it executes another program or ends, the file
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
    view: SharedMap,
    file: OwnedMemFd,
}

impl OwnedMemFd {
    /// Maps the whole file for memory that others write at the same time.
    ///
    /// Adds [`Seals::SHRINK`], if it is not on the file yet. A file that is mapped cannot be
    /// sealed for good, and is not there to be asked:
    ///
    /// ```compile_fail,E0382
    /// let file = owned_memfd::MemFdOptions::new().create(c"ring").unwrap();
    /// let ring = file.map_shared_mut().unwrap();
    /// let sealed = file.seal();
    /// ```
    ///
    /// # Errors
    /// The memory file, and the reason. A seal that was added stays.
    /// - [`VerifyErrorKind::MissingSeals`]: it has no [`Seals::SHRINK`] and sealing is closed, or the
    ///   descriptor is not open for writing.
    /// - [`VerifyErrorKind::TooLarge`]: longer than `isize::MAX`.
    /// - `EACCES`: the descriptor is not open for reading and writing.
    /// - `ENOMEM`: no room for the mapping, or too few huge pages.
    /// - `EPERM`: [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`] is on the file.
    ///
    /// Since Linux 3.17.
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    pub fn map_shared_mut(self) -> Result<SharedMapMut, VerifyError<Self>> {
        // Whether it was added or not, whether it is there is what counts.
        let _ = self.add_seals(Seals::SHRINK);
        let fd = self.as_fd();
        let region =
            len_of_unshrinkable(fd).and_then(|len| Ok(Region::new(fd, 0, len, Mode::SharedWrite)?));
        match region {
            Ok(region) => Ok(SharedMapMut {
                view: SharedMap { region },
                file: self,
            }),
            Err(kind) => Err(VerifyError::new(self, kind)),
        }
    }

    /// Maps the whole file for reading what others write at the same time.
    ///
    /// The file must have [`Seals::SHRINK`] already; this adds none. While a view lives that
    /// was made from a descriptor open for writing, the file cannot be sealed against
    /// writing: make it from [`reopen_read_only`](Self::reopen_read_only)'s.
    ///
    /// # Errors
    /// - [`VerifyErrorKind::MissingSeals`]: it has no [`Seals::SHRINK`].
    /// - [`VerifyErrorKind::TooLarge`]: longer than `isize::MAX`.
    /// - `ENOMEM`: no room for the mapping, or too few huge pages.
    /// - `EPERM`: [`Seals::WRITE`] is on the file and the kernel is old; such a file cannot
    ///   change, and is [`SealedMemFd`](crate::SealedMemFd)'s to map.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    pub fn map_shared(&self) -> Result<SharedMap, VerifyErrorKind> {
        let fd = self.as_fd();
        let len = len_of_unshrinkable(fd)?;
        let region = Region::new(fd, 0, len, Mode::SharedRead)?;
        Ok(SharedMap { region })
    }
}

impl SharedMapMut {
    /// The address of the first byte, for accesses of the caller's own; dangling when the
    /// length is 0.
    ///
    /// It is valid for [`len`](SharedMap::len) bytes as long as this value lives. Others may
    /// write them at any time: no reference to them is sound, and every access must be
    /// atomic or volatile assembly.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.view.region.start().as_ptr()
    }

    /// Copies `bytes` to `offset` and answers how many; fewer only at the end.
    #[must_use = "fewer bytes than given may have been copied"]
    pub fn write_at(&self, bytes: &[u8], offset: usize) -> usize {
        Bytes(&self.view.region).write_at(bytes, offset)
    }

    /// Seals the file so that it can be handed to those who may only read: adds
    /// [`Seals::FUTURE_WRITE`] and [`Seals::GROW`]. This mapping still writes.
    ///
    /// Hand out a descriptor that is open only for reading: through any other, a reader could
    /// close sealing before it is your turn. A reader maps it with
    /// [`OwnedMemFd::map_shared`]. When it is written no more,
    /// [`unmap`](Self::unmap) and [`seal`](OwnedMemFd::seal) it; but a file that also has
    /// [`Seals::EXEC`], as one that [`MemFdOptions`](crate::MemFdOptions) made has, then
    /// shows the same seals as a forgery and is refused on kernels with CVE-2026-63952.
    ///
    /// # Errors
    /// - `EINVAL`: before Linux 5.1. (On huge pages the seal holds since 5.13.)
    /// - `EPERM`: sealing is closed.
    ///
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    pub fn seal_for_readers(&self) -> Result<(), Errno> {
        self.file.add_seals(Seals::FUTURE_WRITE.union(Seals::GROW))
    }

    /// Unmaps the file and gives it back.
    #[must_use = "dropping it closes the file as well"]
    pub fn unmap(self) -> OwnedMemFd {
        self.file
    }
}

impl Deref for SharedMapMut {
    type Target = SharedMap;

    /// What can be read, as by who only reads.
    fn deref(&self) -> &SharedMap {
        &self.view
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
            .field("view", &self.view)
            .field("file", &self.file)
            .finish()
    }
}

/// A memory file mapped for reading what others write at the same time.
///
/// Its length is stable and its bytes are not. [`OwnedMemFd::map_shared`] makes it; it
/// outlives the descriptor. Touching a hole when memory has run out raises `SIGBUS`, as for
/// [`SharedMapMut`].
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

    /// The address of the first byte, for accesses of the caller's own; dangling when the
    /// length is 0.
    ///
    /// It is valid for reading [`len`](Self::len) bytes as long as this value lives. Others
    /// may write them at any time: no reference to them is sound, and every access must be
    /// atomic or volatile assembly.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.start().as_ptr()
    }

    /// Copies bytes from `offset` on into `buffer` and answers how many; fewer only at the
    /// end.
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
