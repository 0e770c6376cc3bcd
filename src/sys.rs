//! One typed function for each system call, and no policy: each makes exactly one call and
//! decodes its answer. Only this file calls `arch`.
//!
//! Constants are `linux-raw-sys`'s; the few it lacks are named here with the kernel header
//! that they are from.
#![allow(unsafe_code)]

use crate::{
    arch,
    errno::{Answer, Errno},
    fd::{self, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};
use core::{
    ffi::{CStr, c_char},
    mem::MaybeUninit,
    ptr::{self, NonNull},
};
#[cfg(feature = "boot")]
use linux_raw_sys::loop_device;
use linux_raw_sys::{general as raw, net};

/// `O_EMPTYPATH`, include/uapi/asm-generic/fcntl.h: `openat` reopens the descriptor itself.
/// Since Linux 7.2; before, an empty path is `ENOENT`.
const O_EMPTYPATH: u32 = 1 << 26;
/// `KEXEC_FILE_NO_INITRAMFS`, include/uapi/linux/kexec.h.
#[cfg(feature = "boot")]
const KEXEC_FILE_NO_INITRAMFS: u32 = 4;
/// `MAX_HANDLE_SZ`, include/linux/exportfs.h.
const MAX_HANDLE_SIZE: usize = 128;

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

/// The number as the kernel takes it: never negative, so never sign-extended.
#[inline(always)]
fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// Takes what a call that makes a descriptor has answered.
///
/// # Safety
/// The answer is that of such a call.
#[inline(always)]
unsafe fn take(answer: usize) -> Result<OwnedFd, Errno> {
    let fd = Errno::decode(answer)?;
    // SAFETY: the kernel has just made this descriptor and given it to us alone.
    Ok(unsafe { fd::take(fd as u32) })
}

/// The text as the kernel takes it, in `room`. The error is the index of a NUL inside the
/// text, or of the NUL behind it where that has no room.
#[inline]
pub(crate) fn nul_terminated<'a>(
    text: &str,
    room: &'a mut [MaybeUninit<u8>],
) -> Result<&'a CStr, usize> {
    let mut len = 0;
    // A loop that may end early stays a loop: a plain copy would become a call of `memcpy`,
    // which a program without libc need not have.
    for (slot, byte) in room.iter_mut().zip(text.bytes().chain([0])) {
        slot.write(byte);
        len += 1;
        if byte == 0 {
            break;
        }
    }
    if len != text.len() + 1 {
        return Err(len.saturating_sub(1));
    }
    // SAFETY: the loop has written the first `len` bytes.
    let text = unsafe { filled(room, len) };
    // SAFETY: the last of them is NUL, and no other: the loop ended with the first one.
    Ok(unsafe { CStr::from_bytes_with_nul_unchecked(text) })
}

#[inline(always)]
pub(crate) fn memfd_create(name: &CStr, flags: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: `name` ends in NUL and outlives the call, which only reads it.
    let answer = unsafe { arch::memfd_create(name.as_ptr(), flags) };
    // SAFETY: `memfd_create` makes a descriptor.
    unsafe { take(answer) }
}

/// # Safety
/// The caller owns the descriptor and does not use it again.
#[inline(always)]
pub(crate) unsafe fn close(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: no pointers; the caller owns the descriptor.
    Errno::decode_unit(unsafe { arch::close(fd as u32) })
}

#[inline(always)]
fn fcntl(fd: BorrowedFd<'_>, command: u32) -> Result<u32, Errno> {
    // SAFETY: no pointers. The commands used here only answer.
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

/// A close-on-exec duplicate with a number of at least `lowest`.
#[inline(always)]
pub(crate) fn duplicate(fd: BorrowedFd<'_>, lowest: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: `F_DUPFD_CLOEXEC` makes a descriptor.
    unsafe { take(fcntl_with(fd, raw::F_DUPFD_CLOEXEC, lowest)) }
}

/// Makes `onto` a duplicate that an executed program inherits.
///
/// # Safety
/// Whoever owns `onto`, which this closes, agrees.
#[inline(always)]
pub(crate) unsafe fn duplicate_onto(fd: BorrowedFd<'_>, onto: RawFd) -> Result<(), Errno> {
    // SAFETY: no pointers; the caller answers for `onto`.
    Errno::decode_unit(unsafe { arch::dup3(number(fd), onto as u32, 0) })
}

#[inline(always)]
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    Errno::decode(unsafe { arch::read(number(fd), buffer.as_mut_ptr(), buffer.len()) })
}

/// As [`read`], into memory that holds nothing yet; answers the part that now does.
#[inline(always)]
pub(crate) fn read_uninit<'a>(
    fd: BorrowedFd<'_>,
    buffer: &'a mut [MaybeUninit<u8>],
) -> Result<&'a [u8], Errno> {
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    let answer = unsafe { arch::read(number(fd), start, buffer.len()) };
    // SAFETY: the kernel has said how many bytes it wrote.
    Ok(unsafe { filled(buffer, Errno::decode(answer)?) })
}

/// As [`read_at`], into memory that holds nothing yet; answers the part that now does.
#[inline(always)]
pub(crate) fn read_at_uninit<'a>(
    fd: BorrowedFd<'_>,
    buffer: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> Result<&'a [u8], Errno> {
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    let answer = unsafe { arch::pread(number(fd), start, buffer.len(), offset) };
    // SAFETY: the kernel has said how many bytes it wrote.
    Ok(unsafe { filled(buffer, Errno::decode(answer)?) })
}

/// # Safety
/// The first `count` bytes of `buffer` have been written.
#[inline(always)]
unsafe fn filled(buffer: &[MaybeUninit<u8>], count: usize) -> &[u8] {
    // SAFETY: the caller's own promise; the answer borrows the buffer.
    unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast(), count) }
}

#[inline(always)]
pub(crate) fn read_at(fd: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Answer {
    // SAFETY: the kernel writes at most `len` bytes to `buffer`, borrowed for the call.
    Answer(unsafe { arch::pread(number(fd), buffer.as_mut_ptr(), buffer.len(), offset) })
}

#[inline(always)]
pub(crate) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Answer {
    // SAFETY: the kernel reads at most `len` bytes of `bytes`, borrowed for the call.
    Answer(unsafe { arch::write(number(fd), bytes.as_ptr(), bytes.len()) })
}

#[inline(always)]
pub(crate) fn write_at(fd: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> Answer {
    // SAFETY: the kernel reads at most `len` bytes of `bytes`, borrowed for the call.
    Answer(unsafe { arch::pwrite(number(fd), bytes.as_ptr(), bytes.len(), offset) })
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

/// What is asked of a file. Not the kernel's whole structure, which is large to move.
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) len: u64,
}

#[inline(always)]
pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<Stat, Errno> {
    let mut answer = MaybeUninit::<raw::stat>::uninit();
    // SAFETY: `answer` has room for the structure that the kernel writes.
    Errno::decode_unit(unsafe { arch::fstat(number(fd), answer.as_mut_ptr()) })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    let answer = unsafe { answer.assume_init_ref() };
    Ok(Stat {
        device: answer.st_dev,
        inode: answer.st_ino,
        len: answer.st_size as u64,
    })
}

/// What is asked of a file system.
pub(crate) struct StatFs {
    /// `TMPFS_MAGIC` and the like.
    pub(crate) magic: u32,
    /// The size of a block, in bytes.
    pub(crate) block: u64,
}

#[inline(always)]
pub(crate) fn stat_fs(fd: BorrowedFd<'_>) -> Result<StatFs, Errno> {
    let mut answer = MaybeUninit::<raw::statfs>::uninit();
    // SAFETY: `answer` has room for the structure that the kernel writes.
    Errno::decode_unit(unsafe { arch::fstatfs(number(fd), answer.as_mut_ptr()) })?;
    // SAFETY: the kernel has said that it wrote the whole structure.
    let answer = unsafe { answer.assume_init_ref() };
    Ok(StatFs {
        magic: answer.f_type as u32,
        block: answer.f_bsize as u64,
    })
}

/// Copies from the one's offset to the other's within the kernel.
#[inline(always)]
pub(crate) fn copy_file_range(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    let (from, to) = (number(source), number(target));
    let at = ptr::null_mut();
    // SAFETY: null offsets mean the descriptors' own; there is no other pointer.
    Errno::decode(unsafe { arch::copy_file_range(from, at, to, at, len, 0) })
}

/// Copies from `offset` of the one, which it moves on, to the other's own offset within the
/// kernel.
#[inline(always)]
pub(crate) fn copy_file_range_at(
    source: BorrowedFd<'_>,
    offset: &mut u64,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    let (from, to) = (number(source), number(target));
    // SAFETY: the kernel reads and writes `offset`, borrowed for the call; the null offset
    // means the descriptor's own.
    Errno::decode(unsafe { arch::copy_file_range(from, offset, to, ptr::null_mut(), len, 0) })
}

/// Copies from the one's offset to the other's within the kernel.
#[inline(always)]
pub(crate) fn sendfile(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    // SAFETY: a null offset means the descriptor's own; there is no other pointer.
    Errno::decode(unsafe { arch::sendfile(number(target), number(source), ptr::null_mut(), len) })
}

/// Copies from a pipe to the file's offset within the kernel.
#[inline(always)]
pub(crate) fn splice(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    len: usize,
) -> Result<usize, Errno> {
    let (from, to) = (number(source), number(target));
    let at = ptr::null_mut();
    // SAFETY: null offsets mean the descriptors' own; there is no other pointer.
    Errno::decode(unsafe { arch::splice(from, at, to, at, len, 0) })
}

/// Opens `path`, which is absolute, read-only and close-on-exec.
#[inline(always)]
pub(crate) fn open_read_only(path: &CStr) -> Result<OwnedFd, Errno> {
    open(path, raw::O_RDONLY)
}

/// As [`open_read_only`], for writing too.
#[cfg(feature = "boot")]
#[inline(always)]
pub(crate) fn open_read_write(path: &CStr) -> Result<OwnedFd, Errno> {
    open(path, raw::O_RDWR)
}

#[inline(always)]
fn open(path: &CStr, access: u32) -> Result<OwnedFd, Errno> {
    let directory = raw::AT_FDCWD as u32;
    // SAFETY: `path` ends in NUL and outlives the call, which only reads it.
    let answer = unsafe { arch::openat(directory, path.as_ptr(), access | raw::O_CLOEXEC) };
    // SAFETY: `openat` makes a descriptor.
    unsafe { take(answer) }
}

/// Opens the file of `fd` again, read-only and close-on-exec, where the kernel has
/// `O_EMPTYPATH`.
#[inline(always)]
pub(crate) fn reopen_read_only(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = raw::O_RDONLY | raw::O_CLOEXEC | O_EMPTYPATH;
    // SAFETY: the path ends in NUL and is static.
    let answer = unsafe { arch::openat(number(fd), c"".as_ptr(), flags) };
    // SAFETY: `openat` makes a descriptor.
    unsafe { take(answer) }
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
    let answer = unsafe { arch::name_to_handle_at(number(fd), path, to, &raw mut mount, flags) };
    Errno::decode_unit(answer)
}

/// Opens a file of `fd`'s file system by its handle, read-only and close-on-exec.
#[inline(always)]
pub(crate) fn open_by_handle(fd: BorrowedFd<'_>, handle: &FileHandle) -> Result<OwnedFd, Errno> {
    let start = ptr::from_ref(handle).cast();
    let flags = raw::O_RDONLY | raw::O_CLOEXEC;
    // SAFETY: the handle is one that the kernel made, and outlives the call, which only
    // reads it.
    let answer = unsafe { arch::open_by_handle_at(number(fd), start, flags) };
    // SAFETY: `open_by_handle_at` makes a descriptor.
    unsafe { take(answer) }
}

/// Maps `len` bytes of the file from `offset`, where the kernel likes.
#[inline(always)]
pub(crate) fn map(
    fd: BorrowedFd<'_>,
    offset: u64,
    len: usize,
    protection: u32,
    flags: u32,
) -> Result<NonNull<u8>, Errno> {
    // SAFETY: without a hint and MAP_FIXED a new mapping replaces no other.
    Errno::decode_pointer(unsafe {
        arch::mmap(ptr::null_mut(), len, protection, flags, number(fd), offset)
    })
}

/// # Safety
/// The caller owns the mapping of `len` bytes at `start`, and nothing refers into it.
#[inline(always)]
pub(crate) unsafe fn unmap(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: the caller's own promise.
    Errno::decode_unit(unsafe { arch::munmap(start.as_ptr(), len) })
}

/// # Safety
/// The caller owns the mapping of `len` bytes at `start`, and the advice changes none of
/// the bytes that are seen through it.
#[inline(always)]
pub(crate) unsafe fn advise(start: NonNull<u8>, len: usize, advice: u32) -> Result<(), Errno> {
    // SAFETY: the caller's own promise.
    Errno::decode_unit(unsafe { arch::madvise(start.as_ptr(), len, advice) })
}

/// Makes the pages of a mapping present, and keeps them so until [`unlock`].
#[inline(always)]
pub(crate) fn lock(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: `mlock` changes no byte, and checks the address itself.
    Errno::decode_unit(unsafe { arch::mlock(start.as_ptr(), len) })
}

#[inline(always)]
pub(crate) fn unlock(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: `munlock` changes no byte, and checks the address itself.
    Errno::decode_unit(unsafe { arch::munlock(start.as_ptr(), len) })
}

/// Sleeps for so many nanoseconds, less than a second, or until a signal comes.
#[inline(always)]
pub(crate) fn sleep(nanoseconds: u32) -> Result<(), Errno> {
    let time = raw::__kernel_timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds.into(),
    };
    // SAFETY: the kernel reads `time`, which outlives the call, and writes nothing.
    Errno::decode_unit(unsafe { arch::nanosleep(&raw const time, ptr::null_mut()) })
}

/// Two connected Unix sockets of this kind (`SOCK_STREAM` and the like), close-on-exec.
#[inline(always)]
pub(crate) fn socket_pair(kind: u32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut pair = [0; 2];
    let kind = kind | raw::O_CLOEXEC;
    // SAFETY: `pair` has room for the two numbers that the kernel writes.
    Errno::decode_unit(unsafe { arch::socketpair(net::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
    let [one, other] = pair;
    // SAFETY: the kernel has just made this descriptor and given it to us alone.
    let one = unsafe { fd::take(one) };
    // SAFETY: as above.
    let other = unsafe { fd::take(other) };
    Ok((one, other))
}

/// Sends bytes with control data; a socket without a reader is an error, not a signal.
#[inline]
pub(crate) fn send_message(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    control: &[MaybeUninit<u8>],
) -> Result<usize, Errno> {
    let mut part = raw::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len() as _,
    };
    let message = message(&mut part, control.as_ptr().cast_mut(), control.len());
    // SAFETY: the kernel reads the message, its one part and the control data, which all
    // outlive the call; `sendmsg` writes nothing.
    Errno::decode(unsafe { arch::sendmsg(number(socket), &raw const message, net::MSG_NOSIGNAL) })
}

/// What [`receive_message`] wrote where, and its `MSG_` flags.
pub(crate) struct Received {
    pub(crate) len: usize,
    pub(crate) control: usize,
    pub(crate) flags: u32,
}

/// Receives bytes with control data; descriptors are close-on-exec from the start.
#[inline]
pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [MaybeUninit<u8>],
) -> Result<Received, Errno> {
    let mut part = raw::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len() as _,
    };
    let mut message = message(&mut part, control.as_mut_ptr(), control.len());
    // SAFETY: the kernel writes at most as much to the one part and to the control buffer as
    // the message says that there is room; both, and the message, outlive the call.
    let answer = unsafe { arch::recvmsg(number(socket), &raw mut message, net::MSG_CMSG_CLOEXEC) };
    let len = Errno::decode(answer)?;
    let (control, flags) = (message.msg_controllen, message.msg_flags);
    Ok(Received {
        len,
        control,
        flags,
    })
}

fn message(
    part: &mut raw::iovec,
    control: *mut MaybeUninit<u8>,
    control_len: usize,
) -> net::msghdr {
    net::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: ptr::from_mut(part).cast(),
        msg_iovlen: 1,
        msg_control: control.cast(),
        msg_controllen: control_len,
        msg_flags: 0,
    }
}

/// Executes the file in place of this program; returns only if that is refused.
///
/// # Safety
/// Both lists are of C strings and end in null.
#[inline]
pub(crate) unsafe fn execute(
    fd: BorrowedFd<'_>,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Errno {
    let (fd, path, flags) = (number(fd), c"".as_ptr(), raw::AT_EMPTY_PATH);
    // SAFETY: the path ends in NUL and is static; the caller vouches for the lists.
    Errno::refusal(unsafe { arch::execveat(fd, path, args, env, flags) })
}

/// As [`execute`], by the file's path.
///
/// # Safety
/// Both lists are of C strings and end in null.
#[inline]
pub(crate) unsafe fn execute_path(
    path: &CStr,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Errno {
    // SAFETY: `path` ends in NUL; the caller vouches for the lists.
    Errno::refusal(unsafe { arch::execve(path.as_ptr(), args, env) })
}

/// Whether [`execute`] would be refused for who asks and what is asked, whatever the content.
///
/// # Safety
/// Both lists are of C strings and end in null.
#[inline]
pub(crate) unsafe fn may_execute(
    fd: BorrowedFd<'_>,
    args: *const *const c_char,
    env: *const *const c_char,
) -> Result<(), Errno> {
    let (fd, path) = (number(fd), c"".as_ptr());
    let flags = raw::AT_EMPTY_PATH | raw::AT_EXECVE_CHECK;
    // SAFETY: the path ends in NUL and is static; the caller vouches for the lists. With
    // this flag nothing is executed.
    Errno::decode_unit(unsafe { arch::execveat(fd, path, args, env, flags) })
}

/// Loads the module that the file holds, without flags.
#[cfg(feature = "boot")]
#[inline(always)]
pub(crate) fn load_module(fd: BorrowedFd<'_>, parameters: &CStr) -> Result<(), Errno> {
    // SAFETY: `parameters` ends in NUL and outlives the call, which only reads it.
    Errno::decode_unit(unsafe { arch::finit_module(number(fd), parameters.as_ptr(), 0) })
}

/// Loads what the files hold as what the machine can go on with, without a reset.
#[cfg(feature = "boot")]
#[inline(always)]
pub(crate) fn kexec_file_load(
    kernel: BorrowedFd<'_>,
    initrd: Option<BorrowedFd<'_>>,
    command_line: &CStr,
) -> Result<(), Errno> {
    let (initrd, flags) = match initrd {
        Some(initrd) => (number(initrd), 0),
        // With this flag the number is not looked at.
        None => (0, KEXEC_FILE_NO_INITRAMFS),
    };
    let (len, command_line) = (command_line.count_bytes() + 1, command_line.as_ptr());
    // SAFETY: `len` bytes with the NUL outlive the call, which only reads them.
    Errno::decode_unit(unsafe {
        arch::kexec_file_load(number(kernel), initrd, len, command_line, flags)
    })
}

/// The number of a loop device that is bound to no file, which the kernel makes if there is
/// none.
#[cfg(feature = "boot")]
#[inline(always)]
pub(crate) fn free_loop(control: BorrowedFd<'_>) -> Result<u32, Errno> {
    let request = loop_device::LOOP_CTL_GET_FREE;
    // SAFETY: the request has no argument.
    Errno::decode_int(unsafe { arch::ioctl(number(control), request, ptr::null()) })
}

/// Binds a loop device to a file, until nobody has the device open any more. It is read-only
/// if either of them is open only for reading.
#[cfg(feature = "boot")]
#[inline]
pub(crate) fn configure_loop(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> Result<(), Errno> {
    const SIZE: usize = size_of::<loop_device::loop_config>();
    const { assert!(SIZE % 8 == 0) };

    let mut config = MaybeUninit::<loop_device::loop_config>::uninit();
    let words = config.as_mut_ptr().cast::<u64>();
    for index in 0..SIZE / 8 {
        // SAFETY: so many words are in the structure.
        let word = unsafe { words.add(index) };
        // Plain zeros would become a call of `memset`, which a program without libc need not
        // have.
        // SAFETY: as above; the structure is aligned for its own `u64` fields.
        unsafe { word.write_volatile(0) };
    }
    // SAFETY: it is whole words, each of which has been written; the fields are integers, of
    // which zero is one.
    let config = unsafe { config.assume_init_mut() };
    config.fd = number(file);
    config.info.lo_flags = loop_device::LO_FLAGS_AUTOCLEAR as u32;
    let request = loop_device::LOOP_CONFIGURE;
    let config = ptr::from_ref(config).cast();
    // SAFETY: a loop device reads one structure, which outlives the call, and writes nothing;
    // that `/dev/loopN` is one is for who may make devices to see to.
    Errno::decode_unit(unsafe { arch::ioctl(number(device), request, config) })
}
