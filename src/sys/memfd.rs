//! Creating a memory file, and asking and changing it through its descriptor.

use super::{number, take};
use crate::{
    arch,
    errno::{Errno, Returned},
    fd::{BorrowedFd, OwnedFd, RawFd},
};
use core::{ffi::CStr, mem::MaybeUninit, ptr};
use linux_raw_sys::general as raw;

/// `O_EMPTYPATH`, include/uapi/asm-generic/fcntl.h: `openat` reopens the descriptor itself.
/// Since Linux 7.2; before, an empty path is `ENOENT`.
const O_EMPTYPATH: u32 = 1 << 26;
/// How a file is opened again: read-only, close-on-exec, and without waiting for anything.
pub(super) const REOPENED: u32 = raw::O_RDONLY | raw::O_CLOEXEC | raw::O_NONBLOCK;
/// `MAX_HANDLE_SZ`, include/linux/exportfs.h.
const MAX_HANDLE_SIZE: usize = 128;

#[inline(always)]
pub(crate) fn memfd_create(name: &CStr, flags: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: `name` ends in NUL and outlives the call, which only reads it.
    let returned = unsafe { arch::memfd_create(name.as_ptr(), flags) };
    // SAFETY: `memfd_create` makes a descriptor.
    unsafe { take(returned) }
}

#[inline(always)]
fn fcntl(fd: BorrowedFd<'_>, command: u32) -> Result<u32, Errno> {
    // SAFETY: no pointers. The commands used here change nothing.
    Errno::decode_int(unsafe { arch::fcntl(number(fd), command) })
}

#[inline(always)]
fn fcntl_with(fd: BorrowedFd<'_>, command: u32, argument: u32) -> usize {
    // SAFETY: the commands used here take a number for their argument, not a pointer, and
    // change no other descriptor.
    unsafe { arch::fcntl_with(number(fd), command, argument) }
}

#[inline(always)]
pub(crate) fn get_seals(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    fcntl(fd, raw::F_GET_SEALS)
}

#[inline(always)]
pub(crate) fn add_seals(fd: BorrowedFd<'_>, seals: u32) -> Result<(), Errno> {
    Errno::decode_unit(fcntl_with(fd, raw::F_ADD_SEALS, seals))
}

/// The descriptor's flags: `FD_CLOEXEC`.
#[inline(always)]
pub(crate) fn get_fd_flags(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    fcntl(fd, raw::F_GETFD)
}

#[inline(always)]
pub(crate) fn set_fd_flags(fd: BorrowedFd<'_>, flags: u32) -> Result<(), Errno> {
    Errno::decode_unit(fcntl_with(fd, raw::F_SETFD, flags))
}

/// The open file's flags: `O_RDWR`, `O_PATH` and the like.
#[inline(always)]
pub(crate) fn get_status_flags(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    fcntl(fd, raw::F_GETFL)
}

/// Sets those of the open file's flags that can change: `O_NONBLOCK` and the like.
#[inline(always)]
pub(crate) fn set_status_flags(fd: BorrowedFd<'_>, flags: u32) -> Result<(), Errno> {
    Errno::decode_unit(fcntl_with(fd, raw::F_SETFL, flags))
}

/// Makes `onto` a duplicate that an executed program inherits.
///
/// # Safety
/// Whoever owns `onto`, which this closes, agrees.
#[inline(always)]
pub(crate) unsafe fn duplicate_onto(fd: BorrowedFd<'_>, onto: RawFd) -> Result<(), Errno> {
    // SAFETY: no pointers; the caller promises that `onto` may be replaced.
    Errno::decode_unit(unsafe { arch::dup3(number(fd), onto as u32, 0) })
}

#[inline(always)]
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    Errno::decode(unsafe { arch::read(number(fd), buffer.as_mut_ptr(), buffer.len()) })
}

#[inline(always)]
pub(crate) fn read_at(fd: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Returned {
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    Returned(unsafe { arch::pread(number(fd), buffer.as_mut_ptr(), buffer.len(), offset) })
}

#[inline(always)]
pub(crate) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Returned {
    // SAFETY: the kernel reads at most `len` bytes of `bytes`, borrowed for the call.
    Returned(unsafe { arch::write(number(fd), bytes.as_ptr(), bytes.len()) })
}

#[inline(always)]
pub(crate) fn write_at(fd: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> Returned {
    // SAFETY: the kernel reads at most `len` bytes of `bytes`, borrowed for the call.
    Returned(unsafe { arch::pwrite(number(fd), bytes.as_ptr(), bytes.len(), offset) })
}

#[inline(always)]
pub(crate) fn seek(fd: BorrowedFd<'_>, offset: i64, whence: u32) -> Result<u64, Errno> {
    // SAFETY: no pointers.
    Errno::decode(unsafe { arch::lseek(number(fd), offset, whence) }).map(|at| at as u64)
}

#[inline(always)]
pub(crate) fn set_len(fd: BorrowedFd<'_>, len: u64) -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::decode_unit(unsafe { arch::ftruncate(number(fd), len) })
}

#[inline(always)]
pub(crate) fn fallocate(fd: BorrowedFd<'_>, mode: u32, offset: u64, len: u64) -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::decode_unit(unsafe { arch::fallocate(number(fd), mode, offset, len) })
}

#[inline(always)]
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::decode_unit(unsafe { arch::fchmod(number(fd), mode) })
}

/// Replaces the access control list, and the mode that it implies.
#[inline(always)]
pub(crate) fn set_acl(fd: BorrowedFd<'_>, list: &[u8]) -> Result<(), Errno> {
    let name = c"system.posix_acl_access".as_ptr();
    // SAFETY: the name ends in NUL and is static; `list` outlives the call, which only reads both.
    Errno::decode_unit(unsafe { arch::fsetxattr(number(fd), name, list.as_ptr(), list.len(), 0) })
}

/// What is asked of a file. Not the kernel's whole structure, which is large to move.
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) len: u64,
    pub(crate) mode: u32,
    /// The size of a block, in bytes.
    pub(crate) block: u32,
}

impl Stat {
    #[inline(always)]
    const fn of(found: &raw::stat) -> Self {
        Self {
            device: found.st_dev,
            inode: found.st_ino,
            len: found.st_size as u64,
            mode: found.st_mode,
            block: found.st_blksize as u32,
        }
    }

    /// What kind of file it is: `S_IFREG` and the like, or 0 for the kernel's own.
    #[inline(always)]
    pub(crate) const fn kind(&self) -> u32 {
        self.mode & raw::S_IFMT
    }

    /// Whether both are of one file, as long as both are open.
    pub(crate) const fn is_same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

#[inline(always)]
pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<Stat, Errno> {
    let mut room = MaybeUninit::<raw::stat>::uninit();
    // SAFETY: `room` is large enough for the structure that the kernel writes.
    Errno::decode_unit(unsafe { arch::fstat(number(fd), room.as_mut_ptr()) })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    Ok(Stat::of(unsafe { room.assume_init_ref() }))
}

/// What kind of file this is: `S_IFREG` and the like, or 0 for the kernel's own, which have none.
///
/// It never waits for whoever serves the file system, as `stat` may: a kind does not change. Before
/// Linux 4.11 it is `EINVAL`.
#[inline(always)]
pub(crate) fn kind(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    let flags = raw::AT_EMPTY_PATH | raw::AT_STATX_DONT_SYNC;
    let mut room = MaybeUninit::<raw::stat>::uninit();
    // SAFETY: the path ends in NUL and is static. `room` is large enough for the structure that
    // the kernel writes.
    Errno::decode_unit(unsafe {
        arch::fstatat(number(fd), c"".as_ptr(), room.as_mut_ptr(), flags)
    })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    Ok(unsafe { room.assume_init_ref() }.st_mode & raw::S_IFMT)
}

/// Asks what `path`, which is absolute, leads to. Nothing is opened.
#[inline(always)]
pub(crate) fn stat_path(path: &CStr) -> Result<Stat, Errno> {
    stat_from(raw::AT_FDCWD as u32, path, 0)
}

/// Asks what `path` from this directory leads to. Nothing is opened.
#[inline(always)]
pub(super) fn stat_from(directory: u32, path: &CStr, flags: u32) -> Result<Stat, Errno> {
    let path = path.as_ptr();
    let mut room = MaybeUninit::<raw::stat>::uninit();
    // SAFETY: the path ends in NUL and outlives the call, which only reads it. `room` is large
    // enough for the structure that the kernel writes.
    Errno::decode_unit(unsafe { arch::fstatat(directory, path, room.as_mut_ptr(), flags) })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    Ok(Stat::of(unsafe { room.assume_init_ref() }))
}

/// What is asked of a file system.
pub(crate) struct StatFs {
    /// `HUGETLBFS_MAGIC` and the like.
    pub(crate) magic: u32,
    /// The size of a block, in bytes.
    pub(crate) block: u64,
}

#[inline(always)]
pub(crate) fn stat_fs(fd: BorrowedFd<'_>) -> Result<StatFs, Errno> {
    let mut room = MaybeUninit::<raw::statfs>::uninit();
    // SAFETY: `room` is large enough for the structure that the kernel writes.
    Errno::decode_unit(unsafe { arch::fstatfs(number(fd), room.as_mut_ptr()) })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    let found = unsafe { room.assume_init_ref() };
    Ok(StatFs {
        magic: found.f_type as u32,
        block: found.f_bsize as u64,
    })
}

/// Opens `path`, which is absolute, as [`REOPENED`] says.
#[inline(always)]
pub(crate) fn reopen_path(path: &CStr) -> Result<OwnedFd, Errno> {
    open(path, REOPENED)
}

/// Opens `path`, which is absolute, close-on-exec.
#[inline(always)]
pub(super) fn open(path: &CStr, access: u32) -> Result<OwnedFd, Errno> {
    open_from(raw::AT_FDCWD as u32, path, access)
}

/// Opens `path` from this directory, close-on-exec.
#[inline(always)]
pub(super) fn open_from(directory: u32, path: &CStr, access: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: `path` ends in NUL and outlives the call, which only reads it.
    let returned = unsafe { arch::openat(directory, path.as_ptr(), access | raw::O_CLOEXEC) };
    // SAFETY: `openat` makes a descriptor.
    unsafe { take(returned) }
}

/// Opens the file of `fd` again, as [`REOPENED`] says, where the kernel has `O_EMPTYPATH`.
#[inline(always)]
pub(crate) fn reopen_read_only(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = REOPENED | O_EMPTYPATH;
    // SAFETY: the path ends in NUL and is static.
    let returned = unsafe { arch::openat(number(fd), c"".as_ptr(), flags) };
    // SAFETY: `openat` makes a descriptor.
    unsafe { take(returned) }
}

/// `struct file_handle`, include/linux/fs.h, with room for every file system's handle.
#[repr(C)]
pub(crate) struct FileHandle {
    bytes: u32,
    kind: i32,
    handle: MaybeUninit<[u8; MAX_HANDLE_SIZE]>,
}

impl FileHandle {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self {
            bytes: MAX_HANDLE_SIZE as u32,
            kind: 0,
            handle: MaybeUninit::uninit(),
        }
    }
}

/// Fills in the handle by which [`open_by_handle`] finds the file again.
#[inline(always)]
pub(crate) fn get_handle(fd: BorrowedFd<'_>, handle: &mut FileHandle) -> Result<(), Errno> {
    let mut mount = 0;
    let (path, to, flags) = (
        c"".as_ptr(),
        ptr::from_mut(handle).cast(),
        raw::AT_EMPTY_PATH,
    );
    // SAFETY: the path ends in NUL and is static; `handle` has the room that its first
    // field states, and `mount` that of an `int`.
    let returned = unsafe { arch::name_to_handle_at(number(fd), path, to, &raw mut mount, flags) };
    Errno::decode_unit(returned)
}

/// Opens a file of `fd`'s file system by its handle, as [`REOPENED`] says.
///
/// # Safety
/// [`get_handle`] has filled the handle.
#[inline(always)]
pub(crate) unsafe fn open_by_handle(
    fd: BorrowedFd<'_>,
    handle: &FileHandle,
) -> Result<OwnedFd, Errno> {
    let start = ptr::from_ref(handle).cast();
    // SAFETY: the caller promises that the kernel has filled the handle. It outlives the call,
    // which only reads it.
    let returned = unsafe { arch::open_by_handle_at(number(fd), start, REOPENED) };
    // SAFETY: `open_by_handle_at` makes a descriptor.
    unsafe { take(returned) }
}
