//! For early boot: modules, block devices and kernels from memory files. Feature `boot`.
//!
//! [`OwnedMemFd::load_module`] gives a module to the kernel, and
//! [`OwnedMemFd::attach_loop`] makes a file that holds an image a [`LoopDevice`], which can
//! be mounted; a [`SealedMemFd`] does the same. [`kexec_file_load`] loads the kernel that is to be
//! booted next.
//!
//! The next init needs nothing from here: process 1 puts the program into a memory file that
//! is [executable](crate::MemFdOptions::executable), seals it and calls
//! [`SealedMemFd::exec`](crate::exec). The program is then process 1 itself, and runs on when
//! every file system that was there before is gone. `/proc` need not be mounted. Where
//! `exec` answers, it was refused, and process 1 goes on: if it ends, the kernel panics. A
//! program that is dynamically linked finds its linker by a path, as ever, so that the root
//! directory has to be the new one by then. What an initramfs holds is memory until it is
//! removed.
//!
//! ```no_run
//! use owned_memfd::{Errno, SealedMemFd};
//!
//! fn attach(module: &[u8], image: &[u8]) -> Result<(), Errno> {
//!     match SealedMemFd::copy_from_slice(c"loop.ko", module)?.load_module(c"max_part=0") {
//!         Ok(()) | Err(Errno::EEXIST) => {}
//!         Err(errno) => return Err(errno),
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
    path::NumberedPath,
    sealed::SealedMemFd,
    sys,
};
use core::{ffi::CStr, fmt};
use linux_raw_sys::general as raw;

/// `/dev/loop`, with room for a number.
const DEV_LOOP: NumberedPath =
    NumberedPath::starting_with(*b"/dev/loop\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

impl OwnedMemFd {
    /// Loads the kernel module that the file holds, with its parameters as
    /// `c"name=value other=1"`, and returns when it has started.
    ///
    /// The kernel reads the file once, to memory of its own, and checks and loads that copy.
    /// What is written to the file while it reads may be in it or not: seal the file before.
    /// A parameter that the module does not know is ignored, and named in the kernel's log.
    /// Where several load one file at the same time, newer kernels do it once: all get that
    /// answer, and one's parameters count.
    ///
    /// A compressed module, such as `.ko.xz`, is `ENOEXEC`: it is to be decompressed when the
    /// memory file is filled.
    ///
    /// # Errors
    /// - `EACCES`: the policy of a security module, such as IMA, refuses.
    /// - `EBADF`: the descriptor is not open for reading.
    /// - `EBUSY`: somebody else unloads this module, or was just loading it and failed; or
    ///   one that it uses does not come to the end of its start, within 30 seconds.
    /// - `EEXIST`: the module is loaded already.
    /// - `EFBIG`: above `i32::MAX` bytes.
    /// - `EINTR`: a signal came while somebody else loads this module, which goes on.
    /// - `EINVAL`: the file is empty; a parameter has a value that the module does not take;
    ///   this kernel has other versions of what the module uses, or the module built in.
    /// - `EKEYREJECTED`, `EBADMSG`: the module's signature is not right, whether the kernel
    ///   demands one or not; or it demands one, and there is none, or none that it knows.
    /// - `ENOENT`: the module uses what nothing has: load those that it depends on before.
    /// - `ENOEXEC`: it is no module, or one that is compressed, cut off, or of another kernel
    ///   or CPU.
    /// - `ENOMEM`: no memory for it.
    /// - `ENOSYS`: the kernel is built without modules.
    /// - `EPERM`: the process lacks `CAP_SYS_MODULE`, `kernel.modules_disabled` is set,
    ///   `module_blacklist=` names the module, the kernel is locked down and the module not
    ///   signed, or a security module refuses: `LoadPin` does, of everything that is not on
    ///   the one disk that it trusts.
    /// - `ETXTBSY`: somebody holds a descriptor of the file that was opened for writing. The
    ///   one that created it does not count.
    /// - And what the module itself says when it starts, such as `ENODEV` where the machine has
    ///   no such device.
    ///
    /// Since Linux 3.8.
    /// See [`finit_module(2)`](https://man7.org/linux/man-pages/man2/init_module.2.html).
    #[doc(alias = "finit_module")]
    #[inline]
    pub fn load_module(&self, parameters: &CStr) -> Result<(), Errno> {
        sys::boot::load_module(self.as_fd(), parameters)
    }

    /// Makes the file a block device, from which what the file holds can be mounted.
    ///
    /// The device is read-only if [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`] is on the file
    /// or if this descriptor is open only for reading. Else what is written to the device
    /// reaches the file, at the latest when the device is synchronized or closed. Seal the
    /// file before: one that is sealed while it is attached makes that fail with `EIO`, and
    /// what is read of the device is what the file has then, or `EIO` or zeros where it was
    /// cut; under `FUTURE_WRITE`, mappings made earlier still write.
    ///
    /// The device has whole sectors of 512 bytes: what the file has behind the last of them
    /// is not there, and an image that needs it is to be padded. It keeps its size when the
    /// file gets longer.
    ///
    /// The kernel says which number is free, and another process may take that first: this
    /// then asks again, and gives up after 32 attempts.
    ///
    /// # Errors
    /// - `EACCES`, `EPERM`: the process may not open `/dev/loop-control` or the device.
    /// - `EBADF`: the descriptor is not open for reading.
    /// - `EBUSY`, `ENXIO`: others were faster each time.
    /// - `EINVAL`: before Linux 5.8. Or the file is on huge pages, which newer kernels take
    ///   by a descriptor from [`reopen_read_only`](Self::reopen_read_only) only.
    /// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
    /// - `ENODEV`: the kernel has no loop devices: its module is not loaded.
    /// - `ENOENT`: likewise, or there is nothing mounted on `/dev`, or something that does
    ///   not have each new device, as a devtmpfs has.
    /// - `ENOMEM`, `ENOSPC`: no memory, or no number, for another device.
    ///
    /// Since Linux 5.8.
    /// See [`loop(4)`](https://man7.org/linux/man-pages/man4/loop.4.html).
    #[doc(alias = "losetup")]
    #[doc(alias = "LOOP_CONFIGURE")]
    pub fn attach_loop(&self) -> Result<LoopDevice, Errno> {
        const ATTEMPTS: u32 = 32;

        // Kernels take it, and some then read nothing of it.
        if sys::memfd::get_status_flags(self.as_fd())? & raw::O_ACCMODE == raw::O_WRONLY {
            return Err(Errno::EBADF);
        }
        let sealed = self.seals()?;
        let is_read_only = sealed.intersects(Seals::WRITE.union(Seals::FUTURE_WRITE));
        let control = sys::memfd::open_read_only(c"/dev/loop-control")?;
        let mut attempts = 1;
        loop {
            match attach(self.as_fd(), is_read_only, control.as_fd()) {
                // Bound by somebody else since, or being removed.
                Err(Errno::EBUSY | Errno::ENXIO) if attempts < ATTEMPTS => attempts += 1,
                answer => return answer,
            }
        }
    }
}

/// One attempt, at the number that is free now.
fn attach(
    file: BorrowedFd<'_>,
    is_read_only: bool,
    control: BorrowedFd<'_>,
) -> Result<LoopDevice, Errno> {
    let number = sys::boot::free_loop(control)?;
    let path = DEV_LOOP.with_number(number);
    let fd = if is_read_only {
        sys::memfd::open_read_only(&path)?
    } else {
        sys::boot::open_read_write(&path)?
    };
    sys::boot::configure_loop(fd.as_fd(), file)?;
    Ok(LoopDevice { fd, number })
}

/// Loads the kernel that is to be booted next, with its initial RAM disk and its command
/// line: `kexec_file_load`. It replaces one that was loaded before; where it is refused, that
/// one stays.
///
/// Nothing else happens yet: the caller ends what runs, synchronizes and unmounts what is to
/// last, and calls `reboot(LINUX_REBOOT_CMD_KEXEC)`, which needs `CAP_SYS_BOOT`. Firmware and
/// boot loader have no part in that, and nothing is left of this process. The files may be
/// closed before: the kernel has read each of them once, to memory of its own, which takes
/// their size twice while this call lasts.
///
/// The kernel is one as boot loaders take it: a `bzImage` on `x86_64`; elsewhere an `Image`,
/// which is to be decompressed when the memory file is filled, also where it is one that
/// decompresses itself under EFI. Only its header is looked at: one that is cut off or damaged
/// behind that is loaded. The command line is the whole of it: nothing of the running kernel's
/// is added, `console=` for one.
///
/// The files are sealed, so that what the caller has verified is what the kernel reads. It
/// checks a signature itself only where it is made to demand one, by its configuration, by
/// being locked down or by IMA, and then the kernel's alone: who vouches for the RAM disk and
/// the command line is always the caller.
///
/// # Errors
/// - `EACCES`: the policy of a security module, such as IMA, refuses.
/// - `EADDRNOTAVAIL`: no place in the machine's memory where the parts would lie in one piece.
/// - `EBADF`: one of the descriptors is not open for reading.
/// - `EBUSY`: somebody else is just loading a kernel, or booting one.
/// - `EFBIG`: one of the files has more than 4 GiB, on older kernels more than `i32::MAX` bytes.
/// - `EINVAL`: one of the files is empty; the parts take more than half of the machine's memory;
///   on `x86_64`, the command line is longer than the kernel to be loaded takes, which on the
///   others cuts it. There it is also the answer to what is no kernel, and to one whose page size
///   or byte order the CPU does not have.
/// - `EKEYREJECTED`, `EBADMSG`, `ELIBBAD`, `ENODATA`, `ENOKEY`, `ENOPKG`: the kernel demands a
///   signature, and there is none, or none that it knows and that is right.
/// - `ENOEXEC`: it is no kernel, or one that is compressed or of another CPU.
/// - `ENOMEM`: no memory for it.
/// - `ENOSYS`: the kernel is built without `CONFIG_KEXEC_FILE`.
/// - `EPERM`: the process lacks `CAP_SYS_BOOT`, `kernel.kexec_load_disabled` is set or
///   `kernel.kexec_load_limit_reboot` used up, the running kernel is locked down and the other
///   not signed, or a security module refuses: `LoadPin` does, of everything that is not on the
///   one disk that it trusts.
/// - `ETXTBSY`: somebody holds a descriptor of one of the files that was opened for writing.
///   The one that created it does not count.
///
/// Since Linux 3.17; on `aarch64` 5.0; on `riscv64` 5.19 for an ELF file, 6.16 for an `Image`.
/// See [`kexec_file_load(2)`](https://man7.org/linux/man-pages/man2/kexec_file_load.2.html).
#[inline]
pub fn kexec_file_load(
    kernel: &SealedMemFd,
    initrd: Option<&SealedMemFd>,
    command_line: &CStr,
) -> Result<(), Errno> {
    sys::boot::kexec_file_load(kernel.as_fd(), initrd.map(AsFd::as_fd), command_line)
}

impl SealedMemFd {
    /// Loads the kernel module that the file holds.
    ///
    /// Nobody can change what is loaded. As [`OwnedMemFd::load_module`].
    ///
    /// # Errors
    /// As [`OwnedMemFd::load_module`].
    ///
    /// Since Linux 3.8.
    /// See [`finit_module(2)`](https://man7.org/linux/man-pages/man2/init_module.2.html).
    #[inline]
    pub fn load_module(&self, parameters: &CStr) -> Result<(), Errno> {
        self.as_memfd().load_module(parameters)
    }

    /// Makes the file a block device that is read-only and shows what cannot change.
    ///
    /// As [`OwnedMemFd::attach_loop`].
    ///
    /// # Errors
    /// As [`OwnedMemFd::attach_loop`].
    ///
    /// Since Linux 5.8.
    /// See [`loop(4)`](https://man7.org/linux/man-pages/man4/loop.4.html).
    pub fn attach_loop(&self) -> Result<LoopDevice, Errno> {
        self.as_memfd().attach_loop()
    }
}

/// A block device whose content is a memory file. [`OwnedMemFd::attach_loop`] makes it.
///
/// The kernel keeps the file: its descriptor may be closed. It detaches the device from the
/// file when nobody has it open or mounted any more: once it is mounted, this can be dropped.
///
/// A kernel without `CONFIG_BLK_DEV_WRITE_MOUNTED` mounts no device that is open for writing,
/// as this is unless the device is read-only: there, open the path for reading, drop this,
/// and mount.
pub struct LoopDevice {
    fd: OwnedFd,
    number: u32,
}

impl LoopDevice {
    /// The number: `N` of `/dev/loopN`.
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
