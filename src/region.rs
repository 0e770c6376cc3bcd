//! A mapped range of a file, which unmaps itself.
//!
//! A region gives out its address and makes no reference to the bytes there. `shared` and
//! `sealed` do that, each with its own reason why it may.
#![allow(unsafe_code)]

use crate::{errno::Errno, fd::BorrowedFd, sys};
use core::{
    fmt,
    ptr::{self, NonNull},
};
use linux_raw_sys::general as raw;

/// How a region is mapped.
#[derive(Clone, Copy)]
pub(crate) enum MapMode {
    /// For reading what cannot change, shared with the file: not even a debugger can change what
    /// is seen.
    SealedRead,
    /// The same, where the kernel does not share such a file: a debugger or a uprobe can change
    /// this process's copy of a page.
    PrivateRead,
    /// As `SealedRead`, and for executing.
    SealedExec,
    /// As `PrivateRead`, and for executing.
    PrivateExec,
    /// For reading, and for writing into copies of the pages, which nobody else sees.
    CopyOnWrite,
    /// For reading, including what others write.
    SharedRead,
    /// For reading and writing, visible to all.
    SharedWrite,
}

impl MapMode {
    /// The protection and the flags of the mapping.
    ///
    /// Without `MAP_NORESERVE` a mapping of huge pages reserves them: a shared one for holes, so
    /// that an empty pool would be `ENOMEM` even if nobody touches any, and a private one for
    /// copies, which are made only if it can be written.
    #[inline(always)]
    const fn bits(self) -> (u32, u32) {
        let sealed = raw::MAP_SHARED | raw::MAP_NORESERVE;
        let private = raw::MAP_PRIVATE | raw::MAP_NORESERVE;
        match self {
            Self::SealedRead => (raw::PROT_READ, sealed),
            Self::PrivateRead => (raw::PROT_READ, private),
            Self::SealedExec => (raw::PROT_READ | raw::PROT_EXEC, sealed),
            Self::PrivateExec => (raw::PROT_READ | raw::PROT_EXEC, private),
            Self::CopyOnWrite => (raw::PROT_READ | raw::PROT_WRITE, raw::MAP_PRIVATE),
            Self::SharedRead => (raw::PROT_READ, raw::MAP_SHARED),
            Self::SharedWrite => (raw::PROT_READ | raw::PROT_WRITE, raw::MAP_SHARED),
        }
    }
}

/// Every ordinary page size divides this, so that a mapping may begin at its multiples.
const LARGEST_PAGE: u32 = 64 * 1024;
/// The size of an ordinary page, at least.
pub(crate) const SMALLEST_PAGE: u32 = 4 * 1024;

/// The length and the alignment of what a kernel with pages of 4 KiB can collapse into one huge
/// page.
pub(crate) const EXTENT: usize = 2 << 20;

/// A file of which a range is to be mapped.
#[derive(Clone, Copy)]
pub(crate) struct Source<'fd> {
    pub(crate) fd: BorrowedFd<'fd>,
    /// The size of a block of the file, as `fstat` tells.
    pub(crate) block: u32,
    /// The number of its inode, for [`Region::is_of`], or 0.
    pub(crate) inode: u64,
}

impl Source<'_> {
    #[inline(always)]
    fn identify(self) -> Result<Identity, Errno> {
        // A block is as large as a huge page. None of those is smaller, and one of 16 GiB is so
        // large that nothing that could be a page is left of its size.
        let shift = match self.block {
            SMALLEST_PAGE..LARGEST_PAGE => 0,
            _ => self.huge_page_shift()?,
        };
        Ok(Identity((self.inode << 8) | u64::from(shift)))
    }

    /// The binary logarithm of the size of the file's huge pages, or 0.
    ///
    /// A mapping of huge pages begins and ends at a multiple of their size, and the kernel
    /// unmaps no less. Only the type of the file system tells: with `shmem_enabled=always` an
    /// ordinary memory file, too, has a block size of 2 MiB, and unmapping that much would take
    /// the neighbour away.
    #[cold]
    fn huge_page_shift(self) -> Result<u32, Errno> {
        let file_system = sys::memfd::stat_fs(self.fd)?;
        Ok(if file_system.magic == raw::HUGETLBFS_MAGIC {
            file_system.block.trailing_zeros()
        } else {
            0
        })
    }
}

/// A file, and how it is mapped: from bit 8 on the number of its inode, bit 7 whether the range is
/// mapped twice, below that the binary logarithm of the size of its huge pages, or 0.
///
/// The kernel keeps all memory files with pages of one size on one mount, and counts their inodes
/// up from 1: never to the bits that are cut off here. Before Linux 5.9, and on huge pages, a
/// number comes again after 2^32 files were created. Whoever keeps one file for so long, and then
/// takes another one for it, gets its bytes, or a `SIGBUS`.
#[derive(Clone, Copy, PartialEq)]
struct Identity(u64);

impl Identity {
    const MIRRORED: u64 = 1 << 7;

    const fn is_mirrored(self) -> bool {
        self.0 & Self::MIRRORED != 0
    }

    /// The size of the pages, if they are huge ones.
    const fn huge_page(self) -> Option<usize> {
        match self.0 & 63 {
            0 => None,
            shift => Some(1 << shift),
        }
    }
}

/// What is mapped around the range that was asked for:
///
/// ```text
///            offset in the file
///            v
/// |<- lead ->|<------ range ------>|<- rest ->|
/// a multiple of a page             a multiple of a page
/// ```
#[derive(Clone, Copy)]
struct Range {
    offset: u64,
    len: usize,
    identity: Identity,
}

impl Range {
    /// How many bytes the mapping has before the range: less than the largest huge page.
    const fn lead(self) -> usize {
        let page = match self.identity.huge_page() {
            Some(page) => page,
            None => LARGEST_PAGE as usize,
        };
        if self.identity.is_mirrored() {
            0
        } else {
            self.offset as usize & (page - 1)
        }
    }

    /// The length of the mapping. The kernel itself rounds it up to ordinary pages.
    const fn mapped_len(self) -> usize {
        let rest = match self.identity.huge_page() {
            Some(page) => page - 1,
            None => 0,
        };
        (self.lead() + self.len + rest) & !rest
    }

    /// Maps it near `hint`, and returns where the range begins.
    #[inline(always)]
    fn map(self, fd: BorrowedFd<'_>, hint: *mut u8, mode: MapMode) -> Result<NonNull<u8>, Errno> {
        let lead = self.lead();
        let offset = self.offset - lead as u64;
        let (protection, flags) = mode.bits();
        let mapping = sys::region::map(fd, hint, self.mapped_len(), protection, flags, offset)?;
        // SAFETY: the lead is less than the length of the mapping, which the kernel has just
        // made.
        Ok(unsafe { mapping.add(lead) })
    }

    /// By how much a range that begins there would have to begin earlier, so that extents of the
    /// file are extents in memory.
    fn misalignment(self, start: NonNull<u8>) -> usize {
        start.addr().get().wrapping_sub(self.offset as usize) % EXTENT
    }

    /// Where to map the range so that it is aligned, if a mapping of it, whose range begins at
    /// `start`, makes room.
    fn aligned_below(self, start: NonNull<u8>) -> *mut u8 {
        let mapping = start.as_ptr().wrapping_sub(self.lead());
        mapping.wrapping_sub(self.misalignment(start))
    }
}

/// A mapped range of a file, unmapped on drop. An empty one maps nothing.
// Four words move in registers. Of five, or in a `Result` that stores its error in the place of the
// second one, moving becomes on riscv64 a call of `memcpy`, which a program without libc need not
// have. So the start, which is never null, is not a type that says so.
pub(crate) struct Region {
    start: *mut u8,
    range: Range,
}

// SAFETY: mapped memory belongs to no thread. Whoever makes references to it justifies them.
unsafe impl Send for Region {}
// SAFETY: as above; a shared region gives out nothing but its address.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `len` bytes from `offset`. The caller ensures that they lie in the file, and that
    /// `offset + len` and `len` are at most `isize::MAX`.
    #[inline]
    pub(crate) fn new(
        source: Source<'_>,
        offset: u64,
        len: usize,
        mode: MapMode,
    ) -> Result<Self, Errno> {
        let identity = source.identify()?;
        let range = Range {
            offset,
            len,
            identity,
        };
        if len == 0 {
            return Ok(Self::new_at(NonNull::dangling(), range));
        }
        let start = range.map(source.fd, ptr::null_mut(), mode)?;
        let region = Self::new_at(start, range);
        if len >= EXTENT && range.misalignment(start) != 0 {
            return region.align(source.fd, mode);
        }
        Ok(region)
    }

    /// Maps the range again, a little below, so that the kernel can use huge pages. If it prefers
    /// another address, that is where the range stays.
    #[cold]
    fn align(self, fd: BorrowedFd<'_>, mode: MapMode) -> Result<Self, Errno> {
        let range = self.range;
        let hint = range.aligned_below(self.start());
        drop(self);
        let start = match range.map(fd, hint, mode) {
            Ok(start) => start,
            // Another thread may have taken what was there.
            Err(_) => range.map(fd, ptr::null_mut(), mode)?,
        };
        Ok(Self::new_at(start, range))
    }

    /// Maps `len` bytes from `offset` twice, the second time where the first one ends. It is
    /// `EINVAL` if either is no multiple of a page. The rest is as in [`new`](Self::new).
    pub(crate) fn new_mirrored(
        source: Source<'_>,
        offset: u64,
        len: usize,
        mode: MapMode,
    ) -> Result<Self, Errno> {
        let Identity(identity) = source.identify()?;
        let identity = Identity(identity | Identity::MIRRORED);
        let range = Range {
            offset,
            len: len.saturating_mul(2),
            identity,
        };
        if len == 0 {
            return Ok(Self::new_at(NonNull::dangling(), range));
        }
        let (fd, nowhere) = (source.fd, ptr::null_mut());
        // Here the kernel says what it has against the range. If it first said so below, it would
        // have unmapped by then what was to be replaced, and another thread may map there.
        let once = Range { len, ..range };
        let _once = Self::new_at(once.map(fd, nowhere, mode)?, once);
        // What reserves the address is a mapping of the file too, so that it begins at a multiple
        // of its pages, whatever these are. It is one of what follows the range, so that this has
        // to begin at such a multiple too.
        let flags = raw::MAP_SHARED | raw::MAP_NORESERVE;
        let end = offset + len as u64;
        let reserve = |hint| sys::region::map(fd, hint, range.len, raw::PROT_NONE, flags, end);
        let mut start = reserve(nowhere)?;
        if len >= EXTENT && range.misalignment(start) != 0 {
            // As in `align`.
            let hint = range.aligned_below(start);
            // SAFETY: the kernel has just made it, and nothing refers into it.
            unsafe { sys::region::unmap(start, range.len) }?;
            start = reserve(hint).or_else(|_| reserve(nowhere))?;
        }
        // SAFETY: the mapping that the kernel has just made is twice as long.
        let second = unsafe { start.add(len) };
        let (protection, flags) = mode.bits();
        for (half, other) in [(start, second), (second, start)] {
            // SAFETY: the `len` bytes there were mapped above, and nothing refers into them yet.
            let mapped = unsafe { sys::region::map_over(half, fd, len, protection, flags, offset) };
            if let Err(errno) = mapped {
                // Nobody knows whose this half is now, so it stays as it is.
                // SAFETY: the other one was mapped above, and nothing refers into it.
                let _ = unsafe { sys::region::unmap(other, len) };
                return Err(errno);
            }
        }
        Ok(Self::new_at(start, range))
    }

    const fn new_at(start: NonNull<u8>, range: Range) -> Self {
        Self {
            start: start.as_ptr(),
            range,
        }
    }

    /// The first byte that was asked for; dangling if the length is 0.
    pub(crate) const fn start(&self) -> NonNull<u8> {
        // SAFETY: every maker of a region has been given a pointer that is not null.
        unsafe { NonNull::new_unchecked(self.start) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.range.len
    }

    /// Where in the file the range begins.
    pub(crate) const fn offset(&self) -> u64 {
        self.range.offset
    }

    /// The whole mapping, if there is one.
    fn mapping(&self) -> Option<(NonNull<u8>, usize)> {
        if self.len() == 0 {
            return None;
        }
        // SAFETY: the range begins so many bytes after the start of the mapping.
        let start = unsafe { self.start().sub(self.range.lead()) };
        Some((start, self.range.mapped_len()))
    }

    /// Whether the pages are huge ones.
    pub(crate) const fn is_on_huge_pages(&self) -> bool {
        self.range.identity.huge_page().is_some()
    }

    /// Whether the range is mapped twice.
    pub(crate) const fn is_mirrored(&self) -> bool {
        self.range.identity.is_mirrored()
    }

    /// Whether it was mapped from that file, once. Its inode must have been known.
    pub(crate) fn is_of(&self, source: Source<'_>) -> Result<bool, Errno> {
        Ok(source.identify()? == self.range.identity)
    }

    /// Lengthens the range to `len` bytes, and moves it if there is no room; on failure it stays.
    /// The caller ensures that it was mapped once, and the rest is as in [`new`](Self::new).
    pub(crate) fn grow(
        &mut self,
        source: Source<'_>,
        len: usize,
        mode: MapMode,
    ) -> Result<(), Errno> {
        let range = Range { len, ..self.range };
        match self.mapping() {
            // The kernel lengthens no mapping of huge pages.
            Some((start, old_len)) if !self.is_on_huge_pages() => {
                // SAFETY: this region owns the mapping, and is borrowed alone: nothing refers into
                // it. What is added lies in the file.
                let mapping = unsafe { sys::region::lengthen(start, old_len, range.mapped_len()) }?;
                // SAFETY: the lead is less than the length of the mapping.
                self.start = unsafe { mapping.add(range.lead()) }.as_ptr();
                self.range = range;
            }
            _ => *self = Self::new(source, range.offset, len, mode)?,
        }
        Ok(())
    }

    /// Gives the kernel advice about the whole mapping, if there is one.
    ///
    /// # Safety
    /// The advice changes no byte of the mapping.
    unsafe fn advise(&self, advice: u32) -> Result<(), Errno> {
        match self.mapping() {
            // SAFETY: this region owns the mapping. The rest is the caller's own promise.
            Some((start, len)) => unsafe { sys::region::advise(start, len, advice) },
            None => Ok(()),
        }
    }

    /// Keeps the mapping out of forked children, where it would prevent sealing.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        // SAFETY: MADV_DONTFORK changes no byte.
        unsafe { self.advise(raw::MADV_DONTFORK) }
    }

    /// Makes every page present, or returns why one cannot be.
    pub(crate) fn populate(&self) -> Result<(), Errno> {
        let Some((start, len)) = self.mapping() else {
            return Ok(());
        };
        // SAFETY: this region owns the mapping, and MADV_POPULATE_READ changes no byte of it.
        match unsafe { sys::region::advise(start, len, raw::MADV_POPULATE_READ) } {
            // Before Linux 5.14.
            Err(Errno::EINVAL) => populate_by_locking(start, len),
            result => result,
        }
    }

    /// Makes every page of a mapping for writing present, so that no store has to. Since Linux
    /// 5.14.
    pub(crate) fn populate_to_write(&self) -> Result<(), Errno> {
        // SAFETY: MADV_POPULATE_WRITE changes no byte.
        unsafe { self.advise(raw::MADV_POPULATE_WRITE) }
    }

    /// Makes the CPUs execute what is mapped: their caches may have what was there before. Every
    /// page must be present.
    pub(crate) fn make_executable(&self) -> Result<(), Errno> {
        match self.mapping() {
            // SAFETY: the region keeps those bytes mapped for reading, and the caller has made them
            // present.
            Some((start, len)) => unsafe { sys::region::make_executable(start, len) },
            None => Ok(()),
        }
    }

    /// Makes huge pages of the extents of a range that begins with one, even if they are holes. The
    /// last part of an extent stays as it is.
    ///
    /// First a page of each is made present here: the kernel collapses no hole, and Linux 6.1 none
    /// of which nothing is mapped. Where memory has run out, that is an error and no signal.
    pub(crate) fn collapse_holes(&self) -> Result<(), Errno> {
        let whole = self.len() - self.len() % EXTENT;
        for at in (0..whole).step_by(EXTENT) {
            // SAFETY: the range is longer than that.
            let extent = unsafe { self.start().add(at) };
            // SAFETY: this region owns the mapping, and MADV_POPULATE_READ changes no byte of it.
            unsafe { sys::region::advise(extent, 1, raw::MADV_POPULATE_READ) }?;
        }
        collapse(self.start(), self.len())
    }

    /// Makes huge pages of the extents of the file that lie in the mapping as a whole. If that
    /// fails for some of them, this still tries the others, unless there is no memory.
    pub(crate) fn collapse(&self) -> Result<(), Errno> {
        let Some((start, len)) = self.mapping() else {
            return Ok(());
        };
        let result = collapse(start, len);
        if !matches!(result, Err(Errno::EINVAL | Errno::EAGAIN)) {
            return result;
        }
        // The kernel has stopped at an extent that is a hole, for example.
        let first = start.align_offset(EXTENT);
        for at in (first..len).step_by(EXTENT) {
            if len - at < EXTENT {
                break;
            }
            // SAFETY: it is less than the length of the mapping.
            let extent = unsafe { start.add(at) };
            if let Err(errno @ (Errno::EBUSY | Errno::ENOMEM)) = collapse(extent, EXTENT) {
                return Err(errno);
            }
        }
        result
    }
}

/// Makes huge pages of what lies in `len` bytes of a region's mapping from `start` on.
fn collapse(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: the region owns them, and MADV_COLLAPSE changes no byte of it: it copies them into
    // one page, and fills holes with the zeros that they read as.
    unsafe { sys::region::advise(start, len, raw::MADV_COLLAPSE) }
}

/// Locking also makes every page present, and they stay so after unlocking. But that would also
/// undo a lock of the caller's, such as by `mlockall`. So a second mapping is locked.
#[cold]
fn populate_by_locking(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    match sys::region::map_again(start, len) {
        Ok(second) => {
            let locked = sys::region::lock(second, len);
            // SAFETY: the kernel has just made this mapping, and nothing refers into it.
            let unmapped = unsafe { sys::region::unmap(second, len) };
            locked.and(unmapped)
        }
        // A private mapping cannot be mapped again, nor huge pages before Linux 5.16. Those are
        // never locked.
        Err(Errno::EINVAL) => {
            sys::region::lock(start, len)?;
            sys::region::unlock(start, len)
        }
        Err(errno) => Err(errno),
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some((start, len)) = self.mapping() {
            // Nobody is left to be told of an error. The only one is ENOMEM, where the kernel has
            // merged the mapping with a neighbour and the process has too many mappings to split
            // them again. It stays mapped then.
            // SAFETY: this region owns the mapping and is going away. Whoever lends its bytes
            // out borrows the region.
            let _ = unsafe { sys::region::unmap(start, len) };
        }
    }
}

impl Region {
    /// Shows the address and the length of the map that has this name, not the bytes: there may be
    /// gigabytes.
    pub(crate) fn show(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("start", &self.start)
            .field("len", &self.range.len)
            .finish()
    }
}
