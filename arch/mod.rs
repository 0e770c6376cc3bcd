//! How the CPU enters the kernel: the one list of the system calls that the crate makes,
//! the choice of the file that turns it into functions, and what a supported target is.
//!
//! What an architecture provides is one macro, `system_calls!`, that makes of each line of
//! the list an `unsafe fn` which issues that call with `sc` and returns the kernel's answer
//! undecoded. Nothing of `src` is used here; nothing is checked, decided or decoded here;
//! and `sc` is named nowhere else.
//!
//! The crate's assumption that a 64-bit length or offset fits one register stands here
//! alone: a 32-bit CPU would split them in a file of its own.
#![allow(unsafe_code)]

/// Drops its items: this is not a supported target, unless the next definition, where
/// there is one, says otherwise.
///
/// It is spelled as the well-known macro of that name because rustfmt follows `mod` items
/// inside that one only.
#[allow(unused_macros)]
macro_rules! cfg_if {
    (if #[cfg(supported)] { $($kept:item)* } $(else { $($otherwise:item)* })?) => {
        $($($otherwise)*)?
    };
}

/// Keeps its items: this is a supported target. `Cargo.toml` asks for the dependencies
/// under this same condition.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    target_pointer_width = "64",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    ),
))]
macro_rules! cfg_if {
    (if #[cfg(supported)] { $($kept:item)* } $(else { $($otherwise:item)* })?) => {
        $($kept)*
    };
}

cfg_if! {
    if #[cfg(supported)] {
        #[cfg(target_arch = "x86_64")]
        #[macro_use]
        mod x86_64;
        #[cfg(target_arch = "aarch64")]
        #[macro_use]
        mod aarch64;
        #[cfg(target_arch = "riscv64")]
        #[macro_use]
        mod riscv64;

        use core::ffi::{c_char, c_void};
        use linux_raw_sys::general::{__kernel_timespec, stat, statfs};
        use linux_raw_sys::net::msghdr;

        // Descriptors are unsigned so that they go into the register as they are, without
        // a sign extension. `fcntl` stands here twice: where the kernel reads no third
        // argument, none is loaded.
        system_calls! {
            /// `memfd_create(2)`
            fn memfd_create = MEMFD_CREATE(name: *const c_char, flags: u32) -> usize;
            /// `fcntl(2)`, for the commands without an argument
            fn fcntl = FCNTL(fd: u32, command: u32) -> usize;
            /// `fcntl(2)`, for the commands with a number as their argument
            fn fcntl_with = FCNTL(fd: u32, command: u32, argument: u32) -> usize;
            /// `close(2)`
            fn close = CLOSE(fd: u32) -> usize;
            /// `dup3(2)`
            fn dup3 = DUP3(fd: u32, number: u32, flags: u32) -> usize;
            /// `read(2)`
            fn read = READ(fd: u32, buffer: *mut u8, len: usize) -> usize;
            /// `write(2)`
            fn write = WRITE(fd: u32, bytes: *const u8, len: usize) -> usize;
            /// `pread(2)`
            fn pread = PREAD64(fd: u32, buffer: *mut u8, len: usize, offset: u64) -> usize;
            /// `pwrite(2)`
            fn pwrite = PWRITE64(fd: u32, bytes: *const u8, len: usize, offset: u64) -> usize;
            /// `lseek(2)`
            fn lseek = LSEEK(fd: u32, offset: i64, whence: u32) -> usize;
            /// `ftruncate(2)`
            fn ftruncate = FTRUNCATE(fd: u32, len: u64) -> usize;
            /// `fallocate(2)`
            fn fallocate = FALLOCATE(fd: u32, mode: u32, offset: u64, len: u64) -> usize;
            /// `fchmod(2)`
            fn fchmod = FCHMOD(fd: u32, mode: u32) -> usize;
            /// `fstat(2)`
            fn fstat = FSTAT(fd: u32, answer: *mut stat) -> usize;
            /// `fstatfs(2)`
            fn fstatfs = FSTATFS(fd: u32, answer: *mut statfs) -> usize;
            /// `copy_file_range(2)`
            fn copy_file_range = COPY_FILE_RANGE(source: u32, source_offset: *mut u64, target: u32, target_offset: *mut u64, len: usize, flags: u32) -> usize;
            /// `sendfile(2)`
            fn sendfile = SENDFILE(target: u32, source: u32, source_offset: *mut u64, len: usize) -> usize;
            /// `splice(2)`
            fn splice = SPLICE(source: u32, source_offset: *mut u64, target: u32, target_offset: *mut u64, len: usize, flags: u32) -> usize;
            /// `openat(2)`, for opening what exists
            fn openat = OPENAT(directory: u32, path: *const c_char, flags: u32) -> usize;
            /// `name_to_handle_at(2)`
            fn name_to_handle_at = NAME_TO_HANDLE_AT(directory: u32, path: *const c_char, handle: *mut c_void, mount: *mut i32, flags: u32) -> usize;
            /// `open_by_handle_at(2)`
            fn open_by_handle_at = OPEN_BY_HANDLE_AT(mount: u32, handle: *const c_void, flags: u32) -> usize;
            /// `mmap(2)`, of a file
            fn mmap = MMAP(hint: *mut u8, len: usize, protection: u32, flags: u32, fd: u32, offset: u64) -> *mut u8;
            /// `munmap(2)`
            fn munmap = MUNMAP(start: *mut u8, len: usize) -> usize;
            /// `madvise(2)`
            fn madvise = MADVISE(start: *mut u8, len: usize, advice: u32) -> usize;
            /// `mlock(2)`
            fn mlock = MLOCK(start: *const u8, len: usize) -> usize;
            /// `munlock(2)`
            fn munlock = MUNLOCK(start: *const u8, len: usize) -> usize;
            /// `nanosleep(2)`
            fn nanosleep = NANOSLEEP(time: *const __kernel_timespec, rest: *mut __kernel_timespec) -> usize;
            /// `socketpair(2)`
            fn socketpair = SOCKETPAIR(family: u32, kind: u32, protocol: u32, pair: *mut u32) -> usize;
            /// `sendmsg(2)`
            fn sendmsg = SENDMSG(socket: u32, message: *const msghdr, flags: u32) -> usize;
            /// `recvmsg(2)`
            fn recvmsg = RECVMSG(socket: u32, message: *mut msghdr, flags: u32) -> usize;
            /// `execve(2)`
            fn execve = EXECVE(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> usize;
            /// `execveat(2)`
            fn execveat = EXECVEAT(directory: u32, path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char, flags: u32) -> usize;
            /// `finit_module(2)`
            #[cfg(feature = "boot")]
            fn finit_module = FINIT_MODULE(fd: u32, parameters: *const c_char, flags: u32) -> usize;
            /// `kexec_file_load(2)`
            #[cfg(feature = "boot")]
            fn kexec_file_load = KEXEC_FILE_LOAD(kernel: u32, initrd: u32, len: usize, command_line: *const c_char, flags: u32) -> usize;
            /// `ioctl(2)`, for the requests that write nothing
            #[cfg(feature = "boot")]
            fn ioctl = IOCTL(fd: u32, request: u32, argument: *const c_void) -> usize;
        }
    } else {
        compile_error!(
            "owned-memfd supports Linux and Android on 64-bit x86_64 (not x32), aarch64 and riscv64"
        );
    }
}
