//! The functions that the compiler inserts calls of, with the names and contracts of C. The
//! library defines none of them, so a program provides its own.
//!
//! An optimizer replaces a loop that copies bytes by a call of `memcpy`, which here would call
//! itself without end. So each step of a loop passes its index through `opaque`.

use core::{arch::asm, ffi::c_int};

/// Returns the same value, which the optimizer does not know.
#[inline]
fn opaque(index: usize) -> usize {
    let mut hidden = index;
    // SAFETY: no instruction at all, and the value stays.
    unsafe { asm!("/* {0} */", inout(reg) hidden, options(nomem, nostack, preserves_flags)) };
    hidden
}

/// Copies `len` bytes between ranges that do not overlap.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    let mut index = 0;
    while index < len {
        // SAFETY: the caller vouches for `len` bytes of both.
        unsafe { copy_byte(to, from, index) };
        index = opaque(index + 1);
    }
    to
}

/// Copies `len` bytes between ranges that may overlap.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if to.addr() <= from.addr() {
        // SAFETY: the caller's own promise; upwards, no byte is overwritten before it is read.
        return unsafe { memcpy(to, from, len) };
    }
    let mut index = len;
    while index > 0 {
        index = opaque(index - 1);
        // SAFETY: the caller vouches for `len` bytes of both.
        unsafe { copy_byte(to, from, index) };
    }
    to
}

/// Copies byte `index`.
///
/// # Safety
/// Both have that many bytes and one more.
#[inline]
unsafe fn copy_byte(to: *mut u8, from: *const u8, index: usize) {
    // SAFETY: within `from`.
    let from = unsafe { from.add(index) };
    // SAFETY: within `to`.
    let to = unsafe { to.add(index) };
    // SAFETY: as above.
    let byte = unsafe { from.read() };
    // SAFETY: as above.
    unsafe { to.write(byte) };
}

/// Sets `len` bytes.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // C's contract: as unsigned char.
pub unsafe extern "C" fn memset(to: *mut u8, value: c_int, len: usize) -> *mut u8 {
    let mut index = 0;
    while index < len {
        // SAFETY: the caller vouches for `len` bytes.
        let at = unsafe { to.add(index) };
        // SAFETY: as above.
        unsafe { at.write(value as u8) };
        index = opaque(index + 1);
    }
    to
}

/// Compares `len` bytes: negative, zero or positive.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, len: usize) -> c_int {
    let mut index = 0;
    while index < len {
        // SAFETY: the caller vouches for `len` bytes.
        let a = unsafe { byte_at(one, index) };
        // SAFETY: as above.
        let b = unsafe { byte_at(other, index) };
        if a != b {
            return c_int::from(a) - c_int::from(b);
        }
        index = opaque(index + 1);
    }
    0
}

/// Compares `len` bytes: zero, if they are equal.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, len: usize) -> c_int {
    // SAFETY: the caller's own promise.
    unsafe { memcmp(one, other, len) }
}

/// Counts the bytes before the first NUL.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut index = 0;
    // SAFETY: the caller vouches for every byte up to the NUL.
    while unsafe { byte_at(text, index) } != 0 {
        index = opaque(index + 1);
    }
    index
}

/// Reads byte `index`.
///
/// # Safety
/// There is one.
#[inline]
unsafe fn byte_at(from: *const u8, index: usize) -> u8 {
    // SAFETY: the caller's own promise.
    let at = unsafe { from.add(index) };
    // SAFETY: as above.
    unsafe { at.read() }
}
