//! Files: memory files, and a regular file without seals.

use std::{
    alloc::{self, Layout},
    cell::{Cell, UnsafeCell},
    ptr,
    rc::Rc,
};

/// The size of a page.
pub const PAGE: usize = 4096;
/// The size of a huge page.
pub const HUGE_PAGE: usize = 2 << 20;
/// How much of a file can be mapped before it must move.
const ROOM: usize = 64 << 10;
/// The longest that a file gets.
const LONGEST: usize = 64 << 20;

pub struct File {
    pub name: String,
    pub inode: u64,
    /// The mount: memory files with pages of one size are on one.
    pub device: u64,
    pub page: usize,
    /// The permission bits.
    pub mode: Cell<u32>,
    /// `None` if it can have none, since it is no memory file.
    pub seals: Cell<Option<u32>>,
    /// How many mappings could write.
    pub writers: Cell<usize>,
    memory: Cell<*mut u8>,
    room: Cell<usize>,
    len: Cell<usize>,
    /// How many mappings are of this very memory.
    maps: Cell<usize>,
}

/// Pages for so many bytes, at least one.
fn layout(room: usize) -> Layout {
    Layout::from_size_align(room.max(1), PAGE).unwrap()
}

/// Allocates zeros.
pub fn allocate(room: usize) -> *mut u8 {
    // SAFETY: at least one byte.
    unsafe { alloc::alloc_zeroed(layout(room)) }
}

/// # Safety
/// [`allocate`] has made it with this `room`, and nobody uses it.
pub unsafe fn free(memory: *mut u8, room: usize) {
    // SAFETY: as the caller says.
    unsafe { alloc::dealloc(memory, layout(room)) };
}

/// A pointer for these bytes only, through which others may write too.
///
/// Stacked Borrows gives it a tag of its own, which is on no byte before or after them. Tree Borrows
/// does not: there it is for all that `start` is for.
///
/// # Safety
/// `start` may be used for `len` bytes, or Miri says that it may not.
pub unsafe fn narrow(start: *mut u8, len: usize) -> *mut u8 {
    // One cell: Miri would visit each cell of a slice.
    let bytes = ptr::slice_from_raw_parts_mut(start, len) as *const UnsafeCell<[u8]>;
    // SAFETY: as the caller says. Others may write what is in a cell.
    let bytes: &UnsafeCell<[u8]> = unsafe { &*bytes };
    bytes.get().cast()
}

impl File {
    pub fn new(name: &str, inode: u64, huge: bool, mode: u32, seals: Option<u32>) -> Rc<Self> {
        Rc::new(Self {
            name: name.to_owned(),
            inode,
            device: if seals.is_none() {
                30
            } else if huge {
                20
            } else {
                10
            },
            page: if huge { HUGE_PAGE } else { PAGE },
            mode: Cell::new(mode),
            seals: Cell::new(seals),
            writers: Cell::new(0),
            memory: Cell::new(allocate(ROOM)),
            room: Cell::new(ROOM),
            len: Cell::new(0),
            maps: Cell::new(0),
        })
    }

    pub fn is_huge(&self) -> bool {
        self.page == HUGE_PAGE
    }

    pub fn has(&self, seals: i32) -> bool {
        self.seals.get().is_some_and(|all| all & seals as u32 != 0)
    }

    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// Moves the content to memory of this size. What still points to the old one points nowhere.
    fn move_to(&self, room: usize) {
        assert_eq!(self.maps.get(), 0, "it is mapped");
        let memory = allocate(room);
        let len = self.len().min(room);
        // SAFETY: both have so many bytes.
        unsafe { ptr::copy_nonoverlapping(self.memory.get(), memory, len) };
        // SAFETY: the file has allocated it, and nobody has it mapped.
        unsafe { free(self.memory.get(), self.room.get()) };
        self.memory.set(memory);
        self.room.set(room);
    }

    /// Makes room for so many bytes.
    fn reserve(&self, len: usize) -> Result<(), i32> {
        if len > LONGEST {
            return Err(libc::EFBIG);
        }
        if len > self.room.get() {
            if self.maps.get() > 0 {
                return Err(libc::ENOSPC);
            }
            self.move_to(len.next_multiple_of(PAGE));
        }
        Ok(())
    }

    /// Seals are the caller's to check.
    pub fn set_len(&self, len: usize) -> Result<(), i32> {
        self.reserve(len)?;
        if let Some(lost) = self.len().checked_sub(len) {
            self.zero(len, lost);
        }
        self.len.set(len);
        Ok(())
    }

    pub fn zero(&self, offset: usize, len: usize) {
        let count = self.len().saturating_sub(offset).min(len);
        if count > 0 {
            // SAFETY: the memory has so many bytes there.
            let start = unsafe { self.memory.get().add(offset) };
            // SAFETY: as above.
            unsafe { start.write_bytes(0, count) };
        }
    }

    /// Reads what the file has there into `to`, and returns how many bytes.
    ///
    /// # Safety
    /// `to` has room for `len` bytes.
    pub unsafe fn read(&self, offset: usize, to: *mut u8, len: usize) -> usize {
        let count = self.len().saturating_sub(offset).min(len);
        if count > 0 {
            // SAFETY: the memory has so many bytes there.
            let from = unsafe { self.memory.get().add(offset) };
            // SAFETY: the caller has room for more, and no pointer into this memory.
            unsafe { ptr::copy_nonoverlapping(from, to, count) };
        }
        count
    }

    /// Writes `len` bytes, which lengthen the file, and returns how many.
    ///
    /// # Safety
    /// `from` has so many.
    pub unsafe fn write(&self, offset: usize, from: *const u8, len: usize) -> Result<usize, i32> {
        let end = offset.checked_add(len).ok_or(libc::EFBIG)?;
        if end > self.len() {
            self.set_len(end)?;
        }
        if len > 0 {
            // SAFETY: the memory is long enough now.
            let to = unsafe { self.memory.get().add(offset) };
            // SAFETY: the caller has so many, and no pointer into this memory.
            unsafe { ptr::copy_nonoverlapping(from, to, len) };
        }
        Ok(len)
    }

    /// All of it.
    pub fn content(&self) -> Vec<u8> {
        let mut content = vec![0; self.len()];
        // SAFETY: it has room for all of it.
        unsafe { self.read(0, content.as_mut_ptr(), content.len()) };
        content
    }

    /// Maps the memory from `offset` on. The pointer is for these bytes, and no others of the file.
    pub fn map(&self, offset: usize, len: usize) -> Result<*mut u8, i32> {
        self.reserve(offset.checked_add(len).ok_or(libc::ENOMEM)?)?;
        self.maps.set(self.maps.get() + 1);
        // SAFETY: the memory is long enough now.
        let start = unsafe { self.memory.get().add(offset) };
        // SAFETY: as above.
        Ok(unsafe { narrow(start, len) })
    }

    /// Ends a mapping. With the last one the memory moves, so that Miri finds whoever still uses it.
    pub fn unmap(&self) {
        self.maps.set(self.maps.get() - 1);
        if self.maps.get() == 0 {
            self.move_to(self.room.get());
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the file has allocated it, and each mapping owns the file.
        unsafe { free(self.memory.get(), self.room.get()) };
    }
}
