//! Programs, modules, block devices and kernels. Nothing is ever executed or loaded.

use super::{calls, paths};
use crate::{
    kernel::{Kernel, Object, Outcome},
    socket::bytes,
};
use linux_raw_sys::loop_device::{LOOP_CONFIGURE, LOOP_CTL_GET_FREE, loop_config};
use std::ffi::{CStr, CString, c_char, c_void};

/// `AT_EXECVE_CHECK`
const CHECK: u32 = 0x10000;

/// The strings of a list that ends in null.
///
/// # Safety
/// It is one.
unsafe fn strings(list: *const *const c_char) -> Vec<CString> {
    let mut strings = Vec::new();
    loop {
        // SAFETY: null is still to come.
        let entry = unsafe { list.add(strings.len()) };
        // SAFETY: as above.
        let string = unsafe { entry.read() };
        if string.is_null() {
            return strings;
        }
        // SAFETY: each is a C string.
        strings.push(unsafe { CStr::from_ptr(string) }.to_owned());
    }
}

/// Executes what a path leads to, which is why it fails.
///
/// # Safety
/// Both are lists of strings that end in null.
unsafe fn execute(
    kernel: &mut Kernel,
    directory: u32,
    path: &CStr,
    args: *const *const c_char,
    env: *const *const c_char,
    flags: u32,
) -> Outcome {
    let found = paths::find(kernel, directory, path)?;
    // SAFETY: the caller says so.
    let lists = unsafe { [strings(args), strings(env)] };
    let file = found.file().ok_or(libc::EACCES)?;
    if file.mode.get() & 0o111 == 0 {
        return Err(libc::EACCES);
    }
    if flags & CHECK != 0 {
        return Ok(0);
    }
    kernel.executed = Some(lists);
    let is_script = file.content().starts_with(b"#!");
    if is_script && path.is_empty() && *kernel.close_on_exec(directory)? {
        return Err(libc::ENOENT);
    }
    Err(libc::ENOEXEC)
}

calls! {
    fn execve(kernel; path: *const c_char, args: *const *const c_char, env: *const *const c_char) {
        // SAFETY: it ends in NUL.
        let path = unsafe { CStr::from_ptr(path) };
        // SAFETY: the library has these lists.
        unsafe { execute(kernel, libc::AT_FDCWD as u32, path, args, env, 0) }
    }
    fn execveat(kernel; directory: u32, path: *const c_char, args: *const *const c_char, env: *const *const c_char, flags: u32) {
        // SAFETY: it ends in NUL.
        let path = unsafe { CStr::from_ptr(path) };
        // SAFETY: the library has these lists.
        unsafe { execute(kernel, directory, path, args, env, flags) }
    }
    fn finit_module(kernel; fd: u32, parameters: *const c_char, _flags: u32) {
        // SAFETY: it ends in NUL.
        let _read = unsafe { CStr::from_ptr(parameters) }.to_owned();
        let open = kernel.get(fd)?;
        let is_module = open.file().ok_or(libc::EINVAL)?.content().starts_with(b"\x7fELF");
        if is_module { Ok(0) } else { Err(libc::ENOEXEC) }
    }
    fn kexec_file_load(kernel; image: u32, initrd: u32, len: usize, command_line: *const c_char, flags: u32) {
        // SAFETY: the library has so many bytes there.
        let command_line = unsafe { bytes(command_line.cast(), len) };
        CString::from_vec_with_nul(command_line).map_err(|_| libc::EINVAL)?;
        kernel.get(image)?;
        // `KEXEC_FILE_NO_INITRAMFS`
        if flags & 4 == 0 {
            kernel.get(initrd)?;
        }
        Ok(0)
    }
    fn ioctl(kernel; fd: u32, request: u32, argument: *const c_void) {
        let open = kernel.get(fd)?;
        match (&open.object, request) {
            (Object::LoopControl, LOOP_CTL_GET_FREE) => Ok(0),
            (Object::Loop, LOOP_CONFIGURE) => {
                // SAFETY: the library has filled in all of it.
                unsafe { bytes(argument.cast(), size_of::<loop_config>()) };
                // SAFETY: as above.
                let config = unsafe { &*argument.cast::<loop_config>() };
                kernel.get(config.fd)?;
                Ok(0)
            }
            _ => Err(libc::ENOTTY),
        }
    }
}
