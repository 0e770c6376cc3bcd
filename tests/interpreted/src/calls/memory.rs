//! Mappings.

use super::calls;
use crate::kernel::enter_for_address;

#[unsafe(export_name = "owned_memfd_mmap")]
unsafe fn mmap(
    hint: *mut u8,
    len: usize,
    protection: u32,
    flags: u32,
    fd: u32,
    offset: u64,
) -> *mut u8 {
    enter_for_address("mmap", |kernel| {
        // SAFETY: the library vouches for what `MAP_FIXED` replaces.
        unsafe { kernel.map(hint, len, protection, flags, fd, offset) }
    })
}

#[unsafe(export_name = "owned_memfd_mremap")]
unsafe fn mremap(start: *mut u8, len: usize, new_len: usize, flags: u32) -> *mut u8 {
    assert_eq!(flags, libc::MREMAP_MAYMOVE as u32);
    enter_for_address("mremap", |kernel| {
        // SAFETY: the library owns the mapping.
        unsafe { kernel.remap(start, len, new_len) }
    })
}

calls! {
    fn munmap(kernel; start: *mut u8, len: usize) {
        // SAFETY: the library owns the mapping.
        unsafe { kernel.unmap(start, len) }
    }
    fn madvise(kernel; start: *mut u8, len: usize, advice: u32) {
        const KNOWN: [i32; 4] = [
            libc::MADV_DONTFORK,
            libc::MADV_POPULATE_READ,
            libc::MADV_POPULATE_WRITE,
            libc::MADV_COLLAPSE,
        ];
        assert!(KNOWN.contains(&(advice as i32)), "another advice could change bytes");
        // SAFETY: the library owns the mapping.
        unsafe { kernel.touch(start, len) }
    }
    fn mlock(kernel; start: *const u8, len: usize) {
        // SAFETY: the library owns the mapping.
        unsafe { kernel.touch(start, len) }
    }
    fn munlock(kernel; start: *const u8, len: usize) {
        // SAFETY: the library owns the mapping.
        unsafe { kernel.touch(start, len) }
    }
}
