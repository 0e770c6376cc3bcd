//! Mappings of files.

use crate::{
    file::{self, File, HUGE_PAGE, PAGE},
    kernel::{Kernel, Open},
};
use std::{ops::Range, ptr, rc::Rc};

/// A mapping, until all of it is unmapped.
pub struct Mapping {
    /// Null until it has its memory.
    start: *mut u8,
    len: usize,
    /// What has been unmapped of it.
    unmapped: Vec<Range<usize>>,
    file: Rc<File>,
    offset: usize,
    is_shared: bool,
    could_write: bool,
    /// Whether it is the memory of the file, and not a copy.
    is_of_file: bool,
}

impl Mapping {
    fn new(
        open: &Open,
        len: usize,
        protection: i32,
        flags: i32,
        offset: usize,
        shares_sealed: bool,
    ) -> Result<Self, i32> {
        let file = open.file().ok_or(libc::ENODEV)?;
        let page = if file.is_huge() { HUGE_PAGE } else { PAGE };
        if len == 0 || offset % page != 0 {
            return Err(libc::EINVAL);
        }
        let is_shared = flags & libc::MAP_SHARED != 0;
        let writes = is_shared && protection & libc::PROT_WRITE != 0;
        if !open.can_read() || writes && !open.can_write() {
            return Err(libc::EACCES);
        }
        if writes && file.has(libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE) {
            return Err(libc::EPERM);
        }
        let is_final = file.has(libc::F_SEAL_WRITE);
        if is_shared && is_final && open.can_write() && !shares_sealed {
            return Err(libc::EPERM);
        }
        let mut mapping = Self {
            start: ptr::null_mut(),
            len: len.next_multiple_of(if file.is_huge() { HUGE_PAGE } else { 1 }),
            unmapped: Vec::new(),
            file: file.clone(),
            offset,
            is_shared,
            could_write: is_shared && open.can_write() && !is_final,
            is_of_file: is_shared && protection != libc::PROT_NONE && !is_final,
        };
        mapping.begin(if mapping.is_of_file { len } else { mapping.len })?;
        Ok(mapping)
    }

    /// Takes its memory.
    fn begin(&mut self, len: usize) -> Result<(), i32> {
        self.len = len;
        if self.is_of_file {
            self.start = self.file.map(self.offset, len)?;
        } else {
            self.start = file::allocate(len);
            // SAFETY: it has just been allocated with this length.
            unsafe { self.file.read(self.offset, self.start, len) };
        }
        if self.could_write {
            self.file.writers.set(self.file.writers.get() + 1);
        }
        Ok(())
    }

    /// Gives its memory back.
    fn end(&mut self) {
        if self.could_write {
            self.file.writers.set(self.file.writers.get() - 1);
        }
        if self.is_of_file {
            self.file.unmap();
        } else {
            // SAFETY: `begin` has allocated it so. Whoever still uses it is what Miri is to find.
            unsafe { file::free(self.start, self.len) };
        }
    }

    /// Where `start` lies in it, if `len` bytes from there do.
    fn at(&self, start: *const u8, len: usize) -> Option<usize> {
        let at = start.addr().checked_sub(self.start.addr())?;
        (at < self.len && at.checked_add(len)? <= self.len).then_some(at)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.start.is_null() {
            self.end();
        }
    }
}

/// A pointer of the library's leads to `len` bytes of a mapping, by its provenance too.
///
/// # Safety
/// It does, or Miri says that it does not.
unsafe fn check(start: *const u8, len: usize) {
    // SAFETY: as the caller says. Nothing is written.
    unsafe { file::narrow(start.cast_mut(), len) };
}

/// The flags that the library may give.
const FLAGS: i32 = libc::MAP_SHARED | libc::MAP_PRIVATE | libc::MAP_NORESERVE | libc::MAP_FIXED;

impl Kernel {
    /// # Safety
    /// With `MAP_FIXED`, `hint` is where the caller has so much mapped, and nothing refers to that.
    pub unsafe fn map(
        &mut self,
        hint: *mut u8,
        len: usize,
        protection: u32,
        flags: u32,
        number: u32,
        offset: u64,
    ) -> Result<*mut u8, i32> {
        let (protection, flags) = (protection as i32, flags as i32);
        assert_eq!(flags & !FLAGS, 0, "the model knows no other flags");
        let open = self.get(number)?;
        let shares_sealed = self.settings.shares_sealed;
        let offset = offset as usize;
        let mapping = Mapping::new(&open, len, protection, flags, offset, shares_sealed)?;
        if flags & libc::MAP_FIXED == 0 {
            let start = mapping.start;
            self.mappings.push(mapping);
            return Ok(start);
        }
        // One byte has one address: what is mapped over another mapping becomes a copy.
        // SAFETY: the caller has this mapped.
        unsafe { check(hint, len) };
        self.find(hint, len).ok_or(libc::ENOMEM)?;
        // SAFETY: as above.
        unsafe { mapping.file.read(mapping.offset, hint, len) };
        Ok(hint)
    }

    /// The mapping of which these bytes are all, or in which they lie.
    fn find(&mut self, start: *const u8, len: usize) -> Option<&mut Mapping> {
        let mut mappings = self.mappings.iter();
        let is_all = |mapping: &Mapping| mapping.start.addr() == start.addr() && mapping.len == len;
        let found = mappings.position(is_all).or_else(|| {
            self.mappings
                .iter()
                .position(|mapping| mapping.at(start, len).is_some())
        });
        self.mappings.get_mut(found?)
    }

    /// # Safety
    /// The caller has it mapped, and nothing refers to it.
    pub unsafe fn unmap(&mut self, start: *mut u8, len: usize) -> Result<usize, i32> {
        // SAFETY: the caller has this mapped.
        unsafe { check(start, len) };
        let mapping = self.find(start, len).expect("what is unmapped is mapped");
        let at = mapping.at(start, len).unwrap();
        mapping.unmapped.push(at..at + len);
        // A mapping of the same bytes is at the same address.
        let is_gone = |mapping: &Mapping| {
            mapping.unmapped.iter().map(Range::len).sum::<usize>() >= mapping.len
        };
        self.mappings.retain(|mapping| !is_gone(mapping));
        Ok(0)
    }

    /// # Safety
    /// As [`unmap`](Self::unmap), unless `len` is 0.
    pub unsafe fn remap(
        &mut self,
        start: *mut u8,
        len: usize,
        new_len: usize,
    ) -> Result<*mut u8, i32> {
        // SAFETY: the caller has this mapped.
        unsafe { check(start, len) };
        let mapping = self.find(start, len).ok_or(libc::EFAULT)?;
        if len == 0 {
            // A second mapping of the same.
            if !mapping.is_shared {
                return Err(libc::EINVAL);
            }
            let offset = mapping.offset + mapping.at(start, 0).unwrap();
            let mut second = Mapping {
                start: ptr::null_mut(),
                len: new_len,
                unmapped: Vec::new(),
                file: mapping.file.clone(),
                offset,
                ..*mapping
            };
            second.begin(new_len)?;
            let start = second.start;
            self.mappings.push(second);
            return Ok(start);
        }
        assert_eq!(mapping.at(start, len), Some(0), "all of it is lengthened");
        mapping.end();
        if let Err(errno) = mapping.begin(new_len) {
            mapping.begin(len)?;
            return Err(errno);
        }
        Ok(mapping.start)
    }

    /// # Safety
    /// The caller has it mapped.
    pub unsafe fn touch(&mut self, start: *const u8, len: usize) -> Result<usize, i32> {
        // SAFETY: the caller has this mapped.
        unsafe { check(start, len) };
        self.find(start, len).map(|_| 0).ok_or(libc::ENOMEM)
    }
}
