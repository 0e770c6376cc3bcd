//! Reading and writing what is open.

use crate::{
    file::File,
    kernel::{Object, Open},
};
use std::{cell::Cell, mem, rc::Rc};

/// Whether seals forbid writing up to `end`.
fn check_write(file: &File, end: u64) -> Result<(), i32> {
    let grows = end > file.len() as u64;
    if file.has(libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE)
        || grows && file.has(libc::F_SEAL_GROW)
    {
        return Err(libc::EPERM);
    }
    if file.is_huge() {
        return Err(libc::EINVAL);
    }
    Ok(())
}

impl Open {
    /// The descriptor's file, if it is one that can be written.
    pub fn writable(&self) -> Result<&Rc<File>, i32> {
        let file = self.file().ok_or(libc::EINVAL)?;
        if self.can_write() {
            Ok(file)
        } else {
            Err(libc::EBADF)
        }
    }

    /// # Safety
    /// `from` has `len` bytes.
    pub unsafe fn write_at(&self, from: *const u8, len: usize, offset: u64) -> Result<usize, i32> {
        let file = self.writable()?;
        let end = offset.checked_add(len as u64).ok_or(libc::EINVAL)?;
        i64::try_from(end).map_err(|_| libc::EINVAL)?;
        if len == 0 {
            return Ok(0);
        }
        check_write(file, end)?;
        // SAFETY: the caller says so.
        unsafe { file.write(offset as usize, from, len) }
    }

    /// # Safety
    /// `to` has room for `len` bytes.
    pub unsafe fn read_at(&self, to: *mut u8, len: usize, offset: u64) -> Result<usize, i32> {
        if !self.can_read() {
            return Err(libc::EBADF);
        }
        i64::try_from(offset).map_err(|_| libc::EINVAL)?;
        match &self.object {
            // SAFETY: the caller says so.
            Object::File(file) => Ok(unsafe { file.read(offset as usize, to, len) }),
            _ => Err(libc::ESPIPE),
        }
    }

    /// # Safety
    /// `to` has room for `len` bytes.
    pub unsafe fn read(&self, to: *mut u8, len: usize) -> Result<usize, i32> {
        let Object::Pipe(bytes) = &self.object else {
            // SAFETY: the caller says so.
            let count = unsafe { self.read_at(to, len, self.offset.get()) }?;
            self.offset.set(self.offset.get() + count as u64);
            return Ok(count);
        };
        let taken = take(&mut bytes.borrow_mut(), len);
        let count = taken.len();
        // SAFETY: the caller says so.
        unsafe { to.copy_from_nonoverlapping(taken.as_ptr(), count) };
        Ok(count)
    }

    /// Writes at the offset, and moves it.
    ///
    /// # Safety
    /// `from` has `len` bytes.
    pub unsafe fn write(&self, from: *const u8, len: usize) -> Result<usize, i32> {
        // SAFETY: the caller says so.
        let count = unsafe { self.write_at(from, len, self.offset.get()) }?;
        self.offset.set(self.offset.get() + count as u64);
        Ok(count)
    }
}

/// Takes up to `len` bytes out of a pipe.
pub fn take(bytes: &mut Vec<u8>, len: usize) -> Vec<u8> {
    let rest = bytes.split_off(bytes.len().min(len));
    mem::replace(bytes, rest)
}

/// Copies within the kernel.
pub fn copy(
    from: &Open,
    at: &Cell<u64>,
    to: &Open,
    to_at: &Cell<u64>,
    len: usize,
) -> Result<usize, i32> {
    to.writable()?;
    let file = from.file().ok_or(libc::EINVAL)?;
    let count = file.len().saturating_sub(at.get() as usize).min(len);
    let mut bytes = vec![0; count];
    // SAFETY: they are so many.
    unsafe { from.read_at(bytes.as_mut_ptr(), count, at.get()) }?;
    // SAFETY: as above.
    unsafe { to.write_at(bytes.as_ptr(), count, to_at.get()) }?;
    at.set(at.get() + count as u64);
    to_at.set(to_at.get() + count as u64);
    Ok(count)
}

/// # Safety
/// `at` is null, or points to an offset.
pub unsafe fn offset(at: *mut u64, open: &Open) -> Cell<u64> {
    Cell::new(if at.is_null() {
        open.offset.get()
    } else {
        // SAFETY: the caller says so.
        unsafe { at.read() }
    })
}

/// # Safety
/// As of [`offset`].
pub unsafe fn set_offset(at: *mut u64, open: &Open, value: &Cell<u64>) {
    if at.is_null() {
        open.offset.set(value.get());
    } else {
        // SAFETY: the caller says so.
        unsafe { at.write(value.get()) };
    }
}
