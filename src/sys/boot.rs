//! Early boot: modules, loop devices and the next kernel.

use super::{memfd, number};
use crate::{
    arch,
    errno::Errno,
    fd::{BorrowedFd, OwnedFd},
};
use core::{ffi::CStr, mem::MaybeUninit, ptr};
use linux_raw_sys::{general as raw, loop_device};

/// `KEXEC_FILE_NO_INITRAMFS`, include/uapi/linux/kexec.h.
const KEXEC_FILE_NO_INITRAMFS: u32 = 4;

/// Opens `path`, which is absolute, read-only and close-on-exec.
#[inline(always)]
pub(crate) fn open_read_only(path: &CStr) -> Result<OwnedFd, Errno> {
    memfd::open(path, raw::O_RDONLY)
}

/// Opens `path`, which is absolute, for reading and writing, close-on-exec.
#[inline(always)]
pub(crate) fn open_read_write(path: &CStr) -> Result<OwnedFd, Errno> {
    memfd::open(path, raw::O_RDWR)
}

/// Loads the module that the file holds, without flags.
#[inline(always)]
pub(crate) fn load_module(fd: BorrowedFd<'_>, parameters: &CStr) -> Result<(), Errno> {
    // SAFETY: `parameters` ends in NUL and outlives the call, which only reads it.
    Errno::decode_unit(unsafe { arch::finit_module(number(fd), parameters.as_ptr(), 0) })
}

/// Loads the kernel that the machine can boot next without a reset.
#[inline(always)]
pub(crate) fn kexec_file_load(
    kernel: BorrowedFd<'_>,
    initrd: Option<BorrowedFd<'_>>,
    command_line: &CStr,
) -> Result<(), Errno> {
    let (initrd, flags) = match initrd {
        Some(initrd) => (number(initrd), 0),
        // With this flag the kernel ignores the number.
        None => (0, KEXEC_FILE_NO_INITRAMFS),
    };
    let (len, command_line) = (command_line.count_bytes() + 1, command_line.as_ptr());
    // SAFETY: `len` bytes with the NUL outlive the call, which only reads them.
    Errno::decode_unit(unsafe {
        arch::kexec_file_load(number(kernel), initrd, len, command_line, flags)
    })
}

/// The number of a loop device that has no file. The kernel makes one if there is none.
#[inline(always)]
pub(crate) fn free_loop(control: BorrowedFd<'_>) -> Result<u32, Errno> {
    let request = loop_device::LOOP_CTL_GET_FREE;
    // SAFETY: the request has no argument.
    Errno::decode_int(unsafe { arch::ioctl(number(control), request, ptr::null()) })
}

/// Gives a loop device a file, until nobody has the device open. It is read-only if either of them
/// is open only for reading.
#[inline]
pub(crate) fn configure_loop(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> Result<(), Errno> {
    const SIZE: usize = size_of::<loop_device::loop_config>();
    const { assert!(SIZE % 8 == 0) };

    let mut config = MaybeUninit::<loop_device::loop_config>::uninit();
    let words = config.as_mut_ptr().cast::<u64>();
    for index in 0..SIZE / 8 {
        // SAFETY: the structure has that many words.
        let word = unsafe { words.add(index) };
        // Plain zeros would become a call of `memset`, which a program without libc need not
        // have.
        // SAFETY: as above; the structure is aligned for its own `u64` fields.
        unsafe { word.write_volatile(0) };
    }
    // SAFETY: the structure is whole words, all of which have been written. Its fields are
    // integers, for which zero is valid.
    let config = unsafe { config.assume_init_mut() };
    config.fd = number(file);
    config.info.lo_flags = loop_device::LO_FLAGS_AUTOCLEAR as u32;
    let request = loop_device::LOOP_CONFIGURE;
    let config = ptr::from_ref(config).cast();
    // SAFETY: a loop device reads one structure, which outlives the call, and writes nothing.
    // Another device can be at `/dev/loopN` only if somebody put it there who may make devices.
    Errno::decode_unit(unsafe { arch::ioctl(number(device), request, config) })
}
