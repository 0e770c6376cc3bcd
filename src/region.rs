//! A mapped range of a file, which unmaps itself.
//!
//! A region gives out its address and makes no reference to the bytes there. `shared` and
//! `sealed` do that, each with its own reason why it may.
#![allow(unsafe_code)]

use crate::{errno::Errno, fd::BorrowedFd, sys};
use core::{fmt, ptr::NonNull};
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
    /// For reading, including what others write.
    SharedRead,
    /// For reading and writing, visible to all.
    SharedWrite,
}

/// A mapped range of a file, unmapped on drop. An empty one maps nothing.
pub(crate) struct Region {
    // The range that was asked for.
    start: NonNull<u8>,
    len: usize,
    // What is mapped besides. Three words move in registers; of four, moving becomes on riscv64
    // a call of `memcpy`, which a program without libc need not have.
    padding: Padding,
}

/// What a mapping has before and after the range that was asked for:
///
/// ```text
/// |<- lead ->|<------ range ------>|<- rest ->|
/// a multiple of a page             a multiple of a page
/// ```
#[derive(Clone, Copy)]
struct Padding(u64);

impl Padding {
    /// The mapping begins `lead` bytes before the range, less than the largest huge page, and
    /// its length is a multiple of `page`, a power of two.
    const fn new(lead: u64, page: u64) -> Self {
        Self((lead << 8) | page.trailing_zeros() as u64)
    }

    const fn lead(self) -> usize {
        (self.0 >> 8) as usize
    }

    /// Whether the pages are huge ones. The length of other mappings is a multiple of 1.
    const fn has_huge_pages(self) -> bool {
        self.0 & 63 != 0
    }

    /// The length of the mapping around a range of `len` bytes.
    const fn mapped_len(self, len: usize) -> usize {
        let rest = (1 << (self.0 & 63)) - 1;
        (self.lead() + len + rest) & !rest
    }
}

// SAFETY: mapped memory belongs to no thread. Whoever makes references to it justifies them.
unsafe impl Send for Region {}
// SAFETY: as above; a shared region gives out nothing but its address.
unsafe impl Sync for Region {}

impl Region {
    /// Every ordinary page size divides this, so that a mapping may begin at its multiples.
    const LARGEST_PAGE: u64 = 64 * 1024;

    /// Maps `len` bytes from `offset`. The caller ensures that they lie in the file, and that
    /// `offset + len` and `len` are at most `isize::MAX`.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        mode: MapMode,
    ) -> Result<Self, Errno> {
        if len == 0 {
            return Ok(Self {
                start: NonNull::dangling(),
                len,
                padding: Padding::new(0, 1),
            });
        }
        // A mapping of huge pages begins and ends at a multiple of their size, and the kernel
        // unmaps no less. Only the type of the file system tells: with shmem_enabled=always an
        // ordinary memory file, too, has a block size of 2 MiB, and unmapping that much would
        // take the neighbour away.
        let file_system = sys::memfd::stat_fs(fd)?;
        let (first, last) = if file_system.magic == raw::HUGETLBFS_MAGIC {
            (file_system.block, file_system.block)
        } else {
            (Self::LARGEST_PAGE, 1)
        };
        let padding = Padding::new(offset & (first - 1), last);
        let (protection, flags) = match mode {
            // Without MAP_NORESERVE a mapping of huge pages would reserve them: a shared one for
            // holes, so that an empty pool would be ENOMEM even if nobody touches any, and a
            // private one for copies that a read-only mapping never makes.
            MapMode::SealedRead => (raw::PROT_READ, raw::MAP_SHARED | raw::MAP_NORESERVE),
            MapMode::PrivateRead => (raw::PROT_READ, raw::MAP_PRIVATE | raw::MAP_NORESERVE),
            MapMode::SharedRead => (raw::PROT_READ, raw::MAP_SHARED),
            MapMode::SharedWrite => (raw::PROT_READ | raw::PROT_WRITE, raw::MAP_SHARED),
        };
        let lead = padding.lead();
        let mapping = sys::region::map(
            fd,
            offset - lead as u64,
            padding.mapped_len(len),
            protection,
            flags,
        )?;
        // SAFETY: the lead is less than the length of the mapping, which the kernel has just
        // made.
        let start = unsafe { mapping.add(lead) };
        Ok(Self {
            start,
            len,
            padding,
        })
    }

    /// The first byte that was asked for; dangling if the length is 0.
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
        // SAFETY: the range begins so many bytes after the start of the mapping.
        let start = unsafe { self.start.sub(self.padding.lead()) };
        Some((start, self.padding.mapped_len(self.len)))
    }

    /// Whether the pages are huge ones.
    pub(crate) const fn is_on_huge_pages(&self) -> bool {
        self.len != 0 && self.padding.has_huge_pages()
    }

    /// Keeps the mapping out of forked children, where it would prevent sealing.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        let Some((start, len)) = self.mapping() else {
            return Ok(());
        };
        // SAFETY: this region owns the mapping, and MADV_DONTFORK changes no byte of it.
        unsafe { sys::region::advise(start, len, raw::MADV_DONTFORK) }
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

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address and the length, not the bytes: there may be gigabytes.
        f.debug_struct("Region")
            .field("start", &self.start)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
