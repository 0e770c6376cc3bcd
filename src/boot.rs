//! Kernel modules, loop devices and the next kernel from memory files, for early boot.
//!
//! [`OwnedMemFd::load_module`] loads a kernel module from a memory file.
//! [`OwnedMemFd::attach_loop`] exposes a file that holds an image as a [`LoopDevice`], which can be
//! mounted. [`SealedMemFd`] has both methods too. [`kexec_file_load`] loads the kernel that is to
//! be booted next.
//!
//! Nothing here is needed to run the next init. Process 1 puts that program into an
//! [executable](crate::MemFdOptions::executable) memory file, seals it and calls
//! [`SealedMemFd::exec`](crate::exec). The program is then process 1, and keeps running when every
//! earlier file system is gone. `/proc` need not be mounted. If `exec` returns, it has failed, and
//! process 1 continues: if it ends, the kernel panics. A dynamically linked program finds its
//! linker by a path, so the new root directory has to be in place by then. The files of an
//! initramfs use memory until they are removed.
//!
//! ```no_run
//! use owned_memfd::{Errno, SealedMemFd, boot::BootError};
//!
//! fn attach(module: &[u8], image: &[u8]) -> Result<(), Errno> {
//!     match SealedMemFd::copy_from_slice(c"loop.ko", module)?.load_module(c"max_part=0") {
//!         Ok(()) | Err(BootError::Kernel(Errno::EEXIST)) => {}
//!         Err(error) => return Err(error.into()),
//!     }
//!     let device = SealedMemFd::copy_from_slice(c"root.squashfs", image)?.attach_loop()?;
//!     let path = device.path();
//!     // mount(path, c"/root", c"squashfs", MS_RDONLY): the device then stays as long as
//!     // it is mounted.
//! #   let _ = path;
//!     Ok(())
//! }
//! ```

use crate::{
    errno::Errno,
    fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    flags::Seals,
    memfd::OwnedMemFd,
    path::{NumberedPath, PathStart},
    sealed::SealedMemFd,
    sys,
};
use core::{ffi::CStr, fmt};
use linux_raw_sys::general as raw;

/// `/dev/loop`, with room for a number.
const DEV_LOOP: PathStart =
    PathStart::new(*b"/dev/loop\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

/// # Early boot
impl OwnedMemFd {
    /// Loads the kernel module that the file holds, and returns when it has started.
    ///
    /// `parameters` are those of the module, such as `c"name=value other=1"`. A parameter that it
    /// does not know is ignored, and named in the kernel's log.
    ///
    /// The kernel reads the file once into memory of its own, and checks and loads that copy. If
    /// the file is written meanwhile, the copy may mix old and new bytes: seal the file first. If
    /// several callers load the same file at the same time, newer kernels load it once. All of them
    /// get that result, and the parameters of one of them are used.
    ///
    /// A compressed module, such as `.ko.xz`, is `ENOEXEC`: decompress it when you fill the memory
    /// file.
    ///
    /// # Errors
    /// - `EACCES`: the policy of a security module, such as IMA, forbids it.
    /// - `EBADF`: the descriptor is not open for reading.
    /// - `EBUSY`: somebody else is unloading this module, or was just loading it and failed. Or a
    ///   module that it uses does not finish starting within 30 seconds.
    /// - `EEXIST`: the module is loaded already.
    /// - `EFBIG`: above `i32::MAX` bytes.
    /// - `EINTR`: a signal came while somebody else was loading this module, which continues.
    /// - `EINVAL`: the file is empty, a parameter has a value that the module does not accept, or
    ///   this kernel has other versions of what the module uses, or the module built in.
    /// - `EKEYREJECTED`, `EBADMSG`: the module's signature is wrong, even if the kernel demands
    ///   none. Or it demands one, and there is none, or none that it knows.
    /// - `ENOENT`: the module uses a symbol that nothing provides. Load the modules that it depends
    ///   on first.
    /// - `ENOEXEC`: it is not a module, or it is compressed, truncated, or for another kernel or
    ///   CPU.
    /// - `ENOMEM`: no memory for it.
    /// - `ENOSYS`: the kernel is built without modules.
    /// - `EPERM`: the process lacks `CAP_SYS_MODULE`, `kernel.modules_disabled` is set,
    ///   `module_blacklist=` names the module, the kernel is locked down and the module not signed,
    ///   or a security module forbids it. `LoadPin` forbids everything that is not on the one disk
    ///   that it trusts.
    /// - `ETXTBSY`: somebody holds a descriptor of the file that was opened for writing. The one
    ///   that created the file does not count.
    /// - Any errno that the module itself returns when it starts, such as `ENODEV` if the machine
    ///   has no such device.
    ///
    /// Since Linux 3.8.
    /// See [`finit_module(2)`](https://man7.org/linux/man-pages/man2/init_module.2.html).
    #[doc(alias = "finit_module")]
    #[doc(alias = "insmod")]
    #[inline]
    pub fn load_module(&self, parameters: &CStr) -> Result<(), Errno> {
        sys::boot::load_module(self.as_fd(), parameters)
    }

    /// Exposes the file as a block device, for example to mount the file system that it holds.
    ///
    /// The device is read-only if the file has [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`], or if
    /// this descriptor is read-only. Otherwise writes to the device reach the file, at the latest
    /// on sync or close. Seal the file before attaching it. If it is sealed while attached, writes
    /// fail with `EIO`. If it is truncated while attached, reads past its new end return `EIO` or
    /// zeros. Under `FUTURE_WRITE`, mappings that were made earlier can still write.
    ///
    /// The device has whole sectors of 512 bytes. Bytes of the file after the last whole sector are
    /// not there: pad an image that needs them. The device keeps its size when the file gets
    /// longer.
    ///
    /// The kernel says which number is free, and another process may take it first. This then asks
    /// again, and gives up after 32 attempts.
    ///
    /// # Errors
    /// - `EACCES`, `EPERM`: the process may not open `/dev/loop-control` or the device.
    /// - `EBADF`: the descriptor is not open for reading.
    /// - `EBUSY`, `ENXIO`: others were faster each time.
    /// - `EINVAL`: before Linux 5.8. Or the file is on huge pages, which newer kernels accept only
    ///   through a descriptor from [`reopen_read_only`](Self::reopen_read_only).
    /// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
    /// - `ENODEV`: the kernel has no loop devices: its module is not loaded.
    /// - `ENOENT`: the same, or nothing is mounted on `/dev`, or something in which new devices do
    ///   not appear, unlike in a devtmpfs.
    /// - `ENOMEM`, `ENOSPC`: no memory, or no number, for another device.
    ///
    /// Since Linux 5.8.
    /// See [`loop(4)`](https://man7.org/linux/man-pages/man4/loop.4.html).
    #[doc(alias = "losetup")]
    #[doc(alias = "LOOP_CONFIGURE")]
    #[doc(alias = "ioctl")]
    #[doc(alias = "LOOP_CTL_GET_FREE")]
    #[doc(alias = "LO_FLAGS_AUTOCLEAR")]
    pub fn attach_loop(&self) -> Result<LoopDevice, Errno> {
        const ATTEMPTS: u32 = 32;

        // Kernels accept it, and some then cannot read the file.
        if sys::memfd::get_status_flags(self.as_fd())? & raw::O_ACCMODE == raw::O_WRONLY {
            return Err(Errno::EBADF);
        }
        let sealed = self.seals()?;
        let is_read_only = sealed.intersects(Seals::WRITE.union(Seals::FUTURE_WRITE));
        let control = sys::boot::open_read_only(c"/dev/loop-control")?;
        let mut attempts = 1;
        loop {
            match attach(self.as_fd(), is_read_only, control.as_fd()) {
                // Somebody else has attached it since, or is removing it.
                Err(Errno::EBUSY | Errno::ENXIO) if attempts < ATTEMPTS => attempts += 1,
                result => return result,
            }
        }
    }
}

/// Attaches the file once, to the number that is free now.
fn attach(
    file: BorrowedFd<'_>,
    is_read_only: bool,
    control: BorrowedFd<'_>,
) -> Result<LoopDevice, Errno> {
    let number = sys::boot::free_loop(control)?;
    let path = DEV_LOOP.with_number(number);
    let fd = if is_read_only {
        sys::boot::open_read_only(&path)?
    } else {
        sys::boot::open_read_write(&path)?
    };
    sys::boot::configure_loop(fd.as_fd(), file)?;
    Ok(LoopDevice { fd, number })
}

/// Loads the kernel that is to be booted next, with its initial RAM disk and its command line.
///
/// It replaces one that was loaded before. On failure the earlier one stays.
///
/// This only loads the kernel. To boot it, stop your services, sync and unmount file systems, then
/// call `reboot(LINUX_REBOOT_CMD_KEXEC)`, which needs `CAP_SYS_BOOT`. That skips firmware and boot
/// loader, and ends this process. The files can be closed before: the kernel reads each of them
/// once into memory of its own. While this call lasts, that takes twice their size.
///
/// The kernel is in the format that boot loaders take: a `bzImage` on `x86_64`, otherwise an
/// `Image`. Decompress a compressed `Image` when you fill the memory file, even one that
/// decompresses itself under EFI. Only the header of the kernel is checked: one that is truncated
/// or damaged after it is loaded. `command_line` is complete: nothing of the running kernel's is
/// added, `console=` for example.
///
/// The kernel reads both files to their ends. They are sealed, so it reads what you have verified,
/// and nothing else. The running kernel checks a signature only if it is configured, locked down or
/// told by IMA to demand one, and only that of the kernel. You always vouch for the RAM disk and
/// the command line.
///
/// # Errors
/// - [`BootError::UnprovenLength`]: one of the files may be longer than was proven. Nothing is
///   loaded.
/// - `EACCES`: the policy of a security module, such as IMA, forbids it.
/// - `EADDRNOTAVAIL`: there is no place in the machine's memory where the parts fit in one piece.
/// - `EBADF`: one of the descriptors is not open for reading.
/// - `EBUSY`: somebody else is just loading a kernel, or booting one.
/// - `EFBIG`: one of the files has more than 4 GiB, on older kernels more than `i32::MAX` bytes.
/// - `EINVAL`: one of the files is empty; the parts take more than half of the machine's memory; or
///   on `x86_64`, the command line is longer than the loaded kernel accepts (other CPUs truncate
///   it). On the other CPUs also for what is not a kernel, and for a kernel whose page size or byte
///   order the CPU does not have.
/// - `EKEYREJECTED`, `EBADMSG`, `ELIBBAD`, `ENODATA`, `ENOKEY`, `ENOPKG`: the kernel demands a
///   signature, and there is none, or none that it knows and that is right.
/// - `ENOEXEC`: it is not a kernel, or it is compressed or for another CPU.
/// - `ENOMEM`: no memory for it.
/// - `ENOSYS`: the kernel is built without `CONFIG_KEXEC_FILE`.
/// - `EPERM`: the process lacks `CAP_SYS_BOOT`, `kernel.kexec_load_disabled` is set or
///   `kernel.kexec_load_limit_reboot` used up, the running kernel is locked down and the other one
///   not signed, or a security module forbids it. `LoadPin` forbids everything that is not on the
///   one disk that it trusts.
/// - `ETXTBSY`: somebody holds a descriptor of one of the files that was opened for writing. The
///   one that created the file does not count.
///
/// Since Linux 3.17; on `aarch64` 5.0; on `riscv64` 5.19 for an ELF file, 6.16 for an `Image`.
/// See [`kexec_file_load(2)`](https://man7.org/linux/man-pages/man2/kexec_file_load.2.html).
#[doc(alias = "KEXEC_FILE_NO_INITRAMFS")]
pub fn kexec_file_load(
    kernel: &SealedMemFd,
    initrd: Option<&SealedMemFd>,
    command_line: &CStr,
) -> Result<(), BootError> {
    let kernel = whole(kernel)?.as_fd();
    let initrd = match initrd {
        Some(initrd) => Some(whole(initrd)?.as_fd()),
        None => None,
    };
    Ok(sys::boot::kexec_file_load(kernel, initrd, command_line)?)
}

/// The file, which the kernel may read to its end.
fn whole(sealed: &SealedMemFd) -> Result<&OwnedMemFd, BootError> {
    sealed.whole_file()?.ok_or(BootError::UnprovenLength)
}

/// # Early boot
impl SealedMemFd {
    /// Loads the kernel module that the file holds. Nobody can change what is loaded.
    ///
    /// `parameters` are as in [`OwnedMemFd::load_module`].
    ///
    /// # Errors
    /// - [`BootError::UnprovenLength`]: the file may be longer than was proven. Nothing is loaded.
    /// - Otherwise as [`OwnedMemFd::load_module`].
    ///
    /// Since Linux 3.8.
    /// See [`finit_module(2)`](https://man7.org/linux/man-pages/man2/init_module.2.html).
    #[doc(alias = "finit_module")]
    #[doc(alias = "insmod")]
    pub fn load_module(&self, parameters: &CStr) -> Result<(), BootError> {
        Ok(whole(self)?.load_module(parameters)?)
    }

    /// Exposes the file as a read-only block device. Nobody can change what it shows.
    ///
    /// [`OwnedMemFd::attach_loop`] says more about the device.
    ///
    /// # Errors
    /// - [`BootError::UnprovenLength`]: the file may be longer than was proven. Nothing is
    ///   attached.
    /// - Otherwise as [`OwnedMemFd::attach_loop`].
    ///
    /// Since Linux 5.8.
    /// See [`loop(4)`](https://man7.org/linux/man-pages/man4/loop.4.html).
    #[doc(alias = "losetup")]
    #[doc(alias = "LOOP_CONFIGURE")]
    #[doc(alias = "ioctl")]
    #[doc(alias = "LOOP_CTL_GET_FREE")]
    #[doc(alias = "LO_FLAGS_AUTOCLEAR")]
    pub fn attach_loop(&self) -> Result<LoopDevice, BootError> {
        Ok(whole(self)?.attach_loop()?)
    }
}

/// Why a sealed file was not loaded or attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootError {
    /// The file lacks [`Seals::GROW`], or is longer than it was when it was proven, or is on huge
    /// pages, where that seal does not hold on some kernels. The kernel reads a file to its end,
    /// and would load more than what was proven.
    ///
    /// To go on, copy what was proven: [`SealedMemFd::copy_from_slice`] of its
    /// [`map`](SealedMemFd::map).
    UnprovenLength,
    /// The kernel returned this error.
    Kernel(Errno),
}

impl From<Errno> for BootError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnprovenLength => f.write_str(
                "the file may be longer than what was proven: copy that into a file of your own",
            ),
            Self::Kernel(errno) => errno.fmt(f),
        }
    }
}

impl core::error::Error for BootError {}

impl From<BootError> for Errno {
    /// The kernel's error, or `EFBIG` for a file that may be longer than was proven.
    fn from(error: BootError) -> Self {
        match error {
            BootError::Kernel(errno) => errno,
            BootError::UnprovenLength => Self::EFBIG,
        }
    }
}

/// A loop device: a block device whose content is a memory file.
///
/// [`OwnedMemFd::attach_loop`] and [`SealedMemFd::attach_loop`] make it.
/// The kernel keeps the file, so its descriptor can be closed. The device detaches from the file
/// when its last user closes or unmounts it: once it is mounted, you can drop this.
///
/// A kernel without `CONFIG_BLK_DEV_WRITE_MOUNTED` mounts no device that is open for writing, and
/// this is, unless the device is read-only. There, open the path for reading, drop this, and mount.
pub struct LoopDevice {
    fd: OwnedFd,
    number: u32,
}

impl LoopDevice {
    /// The number `N` of `/dev/loopN`.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The path `/dev/loopN`, by which it is mounted.
    #[must_use]
    pub fn path(&self) -> NumberedPath {
        DEV_LOOP.with_number(self.number)
    }
}

impl AsFd for LoopDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for LoopDevice {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl IntoRawFd for LoopDevice {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}

impl From<LoopDevice> for OwnedFd {
    fn from(device: LoopDevice) -> Self {
        device.fd
    }
}

impl fmt::Debug for LoopDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopDevice")
            .field("fd", &self.as_raw_fd())
            .field("number", &self.number)
            .finish()
    }
}
