//! What leads to a file: paths in `/proc` and `/dev`, and handles.

use super::calls;
use crate::kernel::{Kernel, Object, Open};
use linux_raw_sys::general::statx;
use std::{
    ffi::{CStr, c_char, c_void},
    mem,
    rc::Rc,
};

/// `O_EMPTYPATH`
const EMPTY_PATH: u32 = 1 << 26;

/// What a path leads to, from a directory.
pub fn find(kernel: &Kernel, directory: u32, path: &CStr) -> Result<Rc<Open>, i32> {
    let path = path.to_str().map_err(|_| libc::ENOENT)?;
    let new = |object| Ok(Open::new(object, libc::O_RDWR as u32));
    let numbered = |start: &str| path.strip_prefix(start)?.parse().ok();
    let is_absolute = path.starts_with('/');
    if path.starts_with("/proc") && !kernel.settings.proc {
        return Err(libc::ENOENT);
    }
    if !is_absolute && !path.is_empty() {
        // The only directory that anybody opens is `/proc/self`.
        let open = kernel.get(directory)?;
        if !matches!(open.object, Object::Process) {
            return Err(libc::ENOTDIR);
        }
    }
    match path {
        "" => kernel.get(directory),
        "/proc/self" => new(Object::Process),
        "/dev/fd" => new(Object::Process),
        "/dev/loop-control" => new(Object::LoopControl),
        "/dev/loop0" => new(Object::Loop),
        "exe" => kernel.get(kernel.settings.program.ok_or(libc::ENOENT)?),
        _ => {
            let starts = ["/proc/self/fd/", "/proc/thread-self/fd/", "fd/"];
            let number = starts.into_iter().find_map(numbered);
            kernel
                .get(number.ok_or(libc::ENOENT)?)
                .map_err(|_| libc::ENOENT)
        }
    }
}

/// Opens again what has been found.
fn open(kernel: &mut Kernel, found: &Open, flags: u32) -> Result<usize, i32> {
    let object = match &found.object {
        Object::File(file) => Object::File(file.clone()),
        Object::Process => Object::Process,
        Object::LoopControl => Object::LoopControl,
        Object::Loop => Object::Loop,
        Object::Pipe(_) | Object::Socket(_) => return Err(libc::ENXIO),
    };
    let close_on_exec = flags & libc::O_CLOEXEC as u32 != 0;
    kernel.open(object, flags & !EMPTY_PATH, close_on_exec)
}

calls! {
    fn openat(kernel; directory: u32, path: *const c_char, flags: u32) {
        // SAFETY: it ends in NUL.
        let path = unsafe { CStr::from_ptr(path) };
        if path.is_empty() && !(kernel.settings.empty_path && flags & EMPTY_PATH != 0) {
            return Err(libc::ENOENT);
        }
        let found = find(kernel, directory, path)?;
        open(kernel, &found, flags)
    }
    fn name_to_handle_at(kernel; directory: u32, path: *const c_char, handle: *mut c_void, mount: *mut i32, _flags: u32) {
        // SAFETY: it ends in NUL.
        let path = unsafe { CStr::from_ptr(path) };
        let found = find(kernel, directory, path)?;
        let inode = found.file().ok_or(libc::EOPNOTSUPP)?.inode;
        let words = handle.cast::<u32>();
        // SAFETY: it begins with its length.
        if unsafe { words.read() } < 8 {
            return Err(libc::EOVERFLOW);
        }
        for (at, word) in [8, 1, inode as u32, (inode >> 32) as u32].into_iter().enumerate() {
            // SAFETY: it has a length, a type, and room for more than the inode.
            unsafe { words.add(at).write(word) };
        }
        // SAFETY: the library has the room.
        unsafe { mount.write(1) };
        Ok(0)
    }
    fn open_by_handle_at(kernel; mount: u32, handle: *const c_void, flags: u32) {
        kernel.get(mount)?;
        // SAFETY: `name_to_handle_at` has written so many words.
        let [len, kind, low, high] = unsafe { handle.cast::<[u32; 4]>().read() };
        if [len, kind] != [8, 1] {
            return Err(libc::ESTALE);
        }
        let inode = u64::from(low) | u64::from(high) << 32;
        let mut all = kernel.all();
        let found = all.find(|open| open.file().is_some_and(|file| file.inode == inode));
        let found = found.ok_or(libc::ESTALE)?.clone();
        drop(all);
        open(kernel, &found, flags)
    }
    fn statx(kernel; directory: u32, path: *const c_char, _flags: u32, mask: u32, stat: *mut statx) {
        // SAFETY: it ends in NUL.
        find(kernel, directory, unsafe { CStr::from_ptr(path) })?;
        // SAFETY: it is made of integers.
        let mut found: statx = unsafe { mem::zeroed() };
        (found.stx_mask, found.stx_mnt_id) = (mask, 1);
        // SAFETY: the library has the room.
        unsafe { kernel.write("statx", stat, found) };
        Ok(0)
    }
    fn readlinkat(kernel; directory: u32, path: *const c_char, buffer: *mut u8, len: usize) {
        // SAFETY: it ends in NUL.
        let found = find(kernel, directory, unsafe { CStr::from_ptr(path) })?;
        let file = found.file().ok_or(libc::EINVAL)?;
        let link = format!("/memfd:{} (deleted)", file.name);
        let count = link.len().min(len);
        // SAFETY: the library has so much room there.
        unsafe { buffer.copy_from_nonoverlapping(link.as_ptr(), count) };
        Ok(count)
    }
}
