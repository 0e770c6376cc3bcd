//! Creating files, reading and writing them, and their seals.

use super::{calls, paths};
use crate::{
    file::{File, PAGE},
    kernel::{Kernel, Object, Open},
    transfer::{copy, offset, set_offset, take},
};
use linux_raw_sys::general::{rlimit64, stat, statfs};
use std::{
    ffi::{CStr, c_char},
    mem,
};

const CREATE_FLAGS: u32 = 0x1f | 63 << 26;
const ALL_SEALS: u32 = 0x3f;
const LONGEST_NAME: usize = 249;

fn add_seals(kernel: &mut Kernel, fd: u32, mut seals: u32) -> Result<usize, i32> {
    let open = kernel.get(fd)?;
    if !open.can_write() {
        return Err(libc::EPERM);
    }
    let file = open.file().ok_or(libc::EINVAL)?;
    let present = file.seals.get().ok_or(libc::EINVAL)?;
    if seals & !ALL_SEALS != 0 {
        return Err(libc::EINVAL);
    }
    if present & libc::F_SEAL_SEAL as u32 != 0 {
        return Err(libc::EPERM);
    }
    if seals & libc::F_SEAL_EXEC as u32 != 0 && file.mode.get() & 0o111 != 0 {
        seals |= (libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE) as u32
            | libc::F_SEAL_FUTURE_WRITE as u32;
    }
    let adds_write = seals & !present & libc::F_SEAL_WRITE as u32 != 0;
    if adds_write && file.writers.get() > 0 {
        return Err(libc::EBUSY);
    }
    file.seals.set(Some(present | seals));
    Ok(0)
}

/// A description of what is open.
pub fn describe(open: &Open) -> stat {
    // SAFETY: it is made of integers.
    let mut found: stat = unsafe { mem::zeroed() };
    found.st_blksize = PAGE as _;
    match &open.object {
        Object::File(file) => {
            found.st_dev = file.device;
            found.st_ino = file.inode;
            found.st_mode = libc::S_IFREG | file.mode.get();
            found.st_size = file.len() as _;
            found.st_blksize = file.page as _;
        }
        Object::Pipe(_) => found.st_mode = libc::S_IFIFO,
        Object::Socket(_) => found.st_mode = libc::S_IFSOCK,
        Object::Process => found.st_mode = libc::S_IFDIR,
        Object::LoopControl => found.st_mode = libc::S_IFCHR,
        Object::Loop => found.st_mode = libc::S_IFBLK,
    }
    found
}

calls! {
    fn memfd_create(kernel; name: *const c_char, flags: u32) {
        if name.is_null() {
            return Err(libc::EFAULT);
        }
        // SAFETY: it ends in NUL.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        let exec = flags & (libc::MFD_EXEC | libc::MFD_NOEXEC_SEAL);
        if flags & !CREATE_FLAGS != 0
            || exec == libc::MFD_EXEC | libc::MFD_NOEXEC_SEAL
            || name.len() > LONGEST_NAME
        {
            return Err(libc::EINVAL);
        }
        let (mode, seals) = match flags {
            _ if flags & libc::MFD_NOEXEC_SEAL != 0 => (0o666, libc::F_SEAL_EXEC as u32),
            _ if flags & libc::MFD_ALLOW_SEALING != 0 => (0o777, 0),
            _ => (0o777, libc::F_SEAL_SEAL as u32),
        };
        let huge = flags & libc::MFD_HUGETLB != 0;
        let file = File::new(&name, kernel.new_inode(), huge, mode, Some(seals));
        let close_on_exec = flags & libc::MFD_CLOEXEC != 0;
        kernel.open(Object::File(file), libc::O_RDWR as u32, close_on_exec)
    }
    fn fcntl(kernel; fd: u32, command: u32) {
        let open = kernel.get(fd)?;
        match command as i32 {
            libc::F_GETFD => Ok(usize::from(*kernel.close_on_exec(fd)?)),
            libc::F_GETFL => Ok(open.flags.get() as usize),
            libc::F_GET_SEALS if open.is_path() => Err(libc::EBADF),
            libc::F_GET_SEALS => {
                let seals = open.file().and_then(|file| file.seals.get());
                seals.map(|seals| seals as usize).ok_or(libc::EINVAL)
            }
            _ => Err(libc::EINVAL),
        }
    }
    fn fcntl_with(kernel; fd: u32, command: u32, argument: u32) {
        let open = kernel.get(fd)?;
        match command as i32 {
            libc::F_SETFD => {
                *kernel.close_on_exec(fd)? = argument & libc::FD_CLOEXEC as u32 != 0;
                Ok(0)
            }
            libc::F_SETFL => {
                let access = open.flags.get() & libc::O_ACCMODE as u32;
                open.flags.set(access | argument);
                Ok(0)
            }
            libc::F_DUPFD_CLOEXEC => kernel.add(open, true, argument),
            libc::F_ADD_SEALS => add_seals(kernel, fd, argument),
            _ => Err(libc::EINVAL),
        }
    }
    fn close(kernel; fd: u32) {
        kernel.close(fd)
    }
    fn dup3(kernel; fd: u32, number: u32, flags: u32) {
        let open = kernel.get(fd)?;
        if fd == number || flags != 0 {
            return Err(libc::EINVAL);
        }
        kernel.replace(number, open)
    }
    fn read(kernel; fd: u32, buffer: *mut u8, len: usize) {
        // SAFETY: the library has so much room there.
        unsafe { kernel.get(fd)?.read(buffer, len) }
    }
    fn write(kernel; fd: u32, bytes: *const u8, len: usize) {
        // SAFETY: the library has so many bytes there.
        unsafe { kernel.get(fd)?.write(bytes, len) }
    }
    fn pread(kernel; fd: u32, buffer: *mut u8, len: usize, offset: u64) {
        // SAFETY: the library has so much room there.
        unsafe { kernel.get(fd)?.read_at(buffer, len, offset) }
    }
    fn pwrite(kernel; fd: u32, bytes: *const u8, len: usize, offset: u64) {
        // SAFETY: the library has so many bytes there.
        unsafe { kernel.get(fd)?.write_at(bytes, len, offset) }
    }
    fn lseek(kernel; fd: u32, offset: i64, whence: u32) {
        let open = kernel.get(fd)?;
        let file = open.file().ok_or(libc::ESPIPE)?;
        let from = match whence as i32 {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => open.offset.get() as i64,
            _ => file.len() as i64,
        };
        let to = from.checked_add(offset).ok_or(libc::EINVAL)?;
        let to = u64::try_from(to).map_err(|_| libc::EINVAL)?;
        open.offset.set(to);
        Ok(to as usize)
    }
    fn ftruncate(kernel; fd: u32, len: u64) {
        let open = kernel.get(fd)?;
        let file = open.writable().map_err(|_| libc::EINVAL)?;
        let is_short = len < file.len() as u64;
        let is_longer = len > file.len() as u64;
        if is_short && file.has(libc::F_SEAL_SHRINK) || is_longer && file.has(libc::F_SEAL_GROW) {
            return Err(libc::EPERM);
        }
        if file.is_huge() && len % file.page as u64 != 0 {
            return Err(libc::EINVAL);
        }
        file.set_len(len as usize)?;
        Ok(0)
    }
    fn fallocate(kernel; fd: u32, mode: u32, offset: u64, len: u64) {
        let open = kernel.get(fd)?;
        let file = open.writable()?;
        let end = offset.checked_add(len).ok_or(libc::EFBIG)?;
        if len == 0 {
            return Err(libc::EINVAL);
        }
        if mode as i32 & libc::FALLOC_FL_PUNCH_HOLE != 0 {
            if file.has(libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE) {
                return Err(libc::EPERM);
            }
            file.zero(offset as usize, len as usize);
        } else if end > file.len() as u64 {
            if file.has(libc::F_SEAL_GROW) {
                return Err(libc::EPERM);
            }
            file.set_len(end as usize)?;
        }
        Ok(0)
    }
    fn fchmod(kernel; fd: u32, mode: u32) {
        let open = kernel.get(fd)?;
        let file = open.file().ok_or(libc::EINVAL)?;
        if file.has(libc::F_SEAL_EXEC) && (mode ^ file.mode.get()) & 0o111 != 0 {
            return Err(libc::EPERM);
        }
        file.mode.set(mode & 0o7777);
        Ok(0)
    }
    fn fsetxattr(kernel; fd: u32, name: *const c_char, value: *const u8, len: usize, _flags: u32) {
        // SAFETY: it ends in NUL.
        let name = unsafe { CStr::from_ptr(name) };
        // SAFETY: the library has so many bytes there.
        let list = unsafe { crate::socket::bytes(value, len) };
        // What this crate sets is the mode 0711.
        if name != c"system.posix_acl_access" || list.len() != 28 {
            return Err(libc::EOPNOTSUPP);
        }
        let open = kernel.get(fd)?;
        open.file().ok_or(libc::EINVAL)?.mode.set(0o711);
        Ok(0)
    }
    fn fstat(kernel; fd: u32, stat: *mut stat) {
        let found = describe(&*kernel.get(fd)?);
        // SAFETY: the library has the room.
        unsafe { kernel.write("fstat", stat, found) };
        Ok(0)
    }
    fn fstatfs(kernel; fd: u32, stat: *mut statfs) {
        let open = kernel.get(fd)?;
        // SAFETY: it is made of integers.
        let mut found: statfs = unsafe { mem::zeroed() };
        let (magic, block) = match &open.object {
            Object::File(file) if file.seals.get().is_none() => (libc::EXT4_SUPER_MAGIC, PAGE),
            Object::File(file) if file.is_huge() => (libc::HUGETLBFS_MAGIC, file.page),
            Object::File(_) => (libc::TMPFS_MAGIC, PAGE),
            _ => (libc::PROC_SUPER_MAGIC, PAGE),
        };
        (found.f_type, found.f_bsize) = (magic as _, block as _);
        // SAFETY: the library has the room.
        unsafe { kernel.write("fstatfs", stat, found) };
        Ok(0)
    }
    fn copy_file_range(kernel; source: u32, source_offset: *mut u64, target: u32, target_offset: *mut u64, len: usize, _flags: u32) {
        let (from, to) = (kernel.get(source)?, kernel.get(target)?);
        // SAFETY: the library has an offset there, or none.
        let at = unsafe { offset(source_offset, &from) };
        // SAFETY: as above.
        let to_at = unsafe { offset(target_offset, &to) };
        let count = copy(&from, &at, &to, &to_at, len)?;
        // SAFETY: as above.
        unsafe { set_offset(source_offset, &from, &at) };
        // SAFETY: as above.
        unsafe { set_offset(target_offset, &to, &to_at) };
        Ok(count)
    }
    fn sendfile(kernel; target: u32, source: u32, _source_offset: *mut u64, len: usize) {
        let (from, to) = (kernel.get(source)?, kernel.get(target)?);
        copy(&from, &from.offset, &to, &to.offset, len)
    }
    fn splice(kernel; source: u32, _source_offset: *mut u64, target: u32, _target_offset: *mut u64, len: usize, _flags: u32) {
        let (from, to) = (kernel.get(source)?, kernel.get(target)?);
        let Object::Pipe(bytes) = &from.object else {
            return Err(libc::EINVAL);
        };
        let moved = take(&mut bytes.borrow_mut(), len);
        // SAFETY: they are so many.
        unsafe { to.write(moved.as_ptr(), moved.len()) }
    }
    fn prlimit64(kernel; _pid: u32, _resource: u32, new: *const rlimit64, old: *mut rlimit64) {
        assert!(new.is_null(), "the library sets no limit");
        let limit = rlimit64 { rlim_cur: u64::MAX, rlim_max: u64::MAX };
        // SAFETY: the library has the room.
        unsafe { kernel.write("prlimit64", old, limit) };
        Ok(0)
    }
    fn fstatat(kernel; directory: u32, path: *const c_char, stat: *mut stat, flags: u32) {
        // SAFETY: it ends in NUL.
        let path = unsafe { CStr::from_ptr(path) };
        let found = paths::find(kernel, directory, path)?;
        let mut found = describe(&found);
        if flags as i32 & libc::AT_SYMLINK_NOFOLLOW != 0 && !path.is_empty() {
            found.st_mode = libc::S_IFLNK;
        }
        // SAFETY: the library has the room.
        unsafe { kernel.write("fstatat", stat, found) };
        Ok(0)
    }
}
