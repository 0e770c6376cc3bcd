//! How the CPU enters the kernel and accesses memory that others write, and what a supported
//! target is.
//!
//! The list of system calls stands here, once. [`system_calls!`] makes an `unsafe fn` of each
//! line, which issues that call with `sc` and returns the kernel's value as it is. The file of
//! each CPU says what differs there: whether such a function can be inlined, and how memory that
//! is not only Rust's is copied, loaded, stored and exchanged.
//!
//! Nothing here checks, decides or decodes anything, and nothing of `src` is used. `sc` is named
//! nowhere else.
//!
//! Each length or offset is one 64-bit register. A 32-bit CPU would have to split them.
#![allow(unsafe_code)]

/// Drops its items: this is not a supported target, unless the definition below replaces this
/// one.
///
/// It has the name of the well-known macro because rustfmt follows `mod` items inside a macro
/// only if it has that name.
#[allow(unused_macros)]
macro_rules! cfg_if {
    (if #[cfg(supported)] { $($kept:item)* } $(else { $($otherwise:item)* })?) => {
        $($($otherwise)*)?
    };
}

/// Keeps its items: this is a supported target. `Cargo.toml` has the same condition for the
/// dependencies.
///
/// Unikraft calls itself Linux and is not. Other values of `target_env` than these are not tested.
#[cfg(all(
    any(
        target_os = "android",
        all(
            target_os = "linux",
            any(target_env = "gnu", target_env = "musl"),
            not(target_vendor = "unikraft")
        )
    ),
    target_endian = "little",
    target_pointer_width = "64",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
macro_rules! cfg_if {
    (if #[cfg(supported)] { $($kept:item)* } $(else { $($otherwise:item)* })?) => {
        $($kept)*
    };
}

cfg_if! {
    if #[cfg(supported)] {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        #[macro_use]
        mod x86_64;
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        #[macro_use]
        mod aarch64;
        #[cfg(all(target_arch = "riscv64", not(miri)))]
        #[macro_use]
        mod riscv64;
        #[cfg(miri)]
        #[macro_use]
        mod interpreted;

        #[cfg(all(target_arch = "aarch64", not(miri)))]
        use aarch64 as cpu;
        #[cfg(miri)]
        use interpreted as cpu;
        #[cfg(all(target_arch = "riscv64", not(miri)))]
        use riscv64 as cpu;
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        use x86_64 as cpu;

        // Access to memory that others write at the same time: each CPU's file has all of these.
        // No reference to such bytes is ever made. The caller has the bytes mapped for what is
        // done, and those of a number lie at a multiple of its size. Nothing else is touched.
        //
        // A copy says nothing about the order of its bytes. What is done with a number is done at
        // once, in the order that is asked for, as compilers map it, so that it goes together
        // with the atomics of C, C++ and Rust. An ordering that an operation lacks acts as
        // SeqCst, and a load is never more than a load.
        //
        // `make_executable` stands between storing bytes and executing them as instructions. It
        // returns what the kernel does, or 0.
        pub(crate) use cpu::{
            compare_exchange_u32, compare_exchange_u64, copy, fetch_add_u32, fetch_add_u64,
            load_u8, load_u16, load_u32, load_u64, make_executable, store_u8, store_u16, store_u32,
            store_u64, swap_u32, swap_u64,
        };

        /// `e_machine` in the header of a program for this CPU: `EM_X86_64`, `EM_AARCH64` or
        /// `EM_RISCV`, include/uapi/linux/elf-em.h.
        pub(crate) const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
            62
        } else if cfg!(target_arch = "aarch64") {
            183
        } else {
            243
        };

        /// The ordering of a compare-exchange that has one for both of its ends, which is at
        /// least as strong as either. A failure stores nothing: what releases acts as `SeqCst`.
        #[cfg(any(miri, not(target_arch = "x86_64")))]
        fn stronger(success: Ordering, failure: Ordering) -> Ordering {
            match (success, failure) {
                (_, Relaxed) => success,
                (Relaxed | Acquire, Acquire) => Acquire,
                (Release | AcqRel, Acquire) => AcqRel,
                _ => SeqCst,
            }
        }

        /// Makes a function of each line of the list.
        macro_rules! system_calls {
            ($($(#[$doc:meta])* fn $call:ident = $number:ident $(by $syscall:ident)? ($($name:ident: $kind:ty),*) -> $returned:ty;)*) => {$(
                system_call! {
                    $(#[$doc])*
                    ///
                    /// # Safety
                    /// The pointers are valid for what the man page says that the kernel does
                    /// with them.
                    pub(crate) unsafe fn $call($($name: $kind),*) -> $returned {
                        // SAFETY: the caller vouches for the pointers. `sc` names each register
                        // that the kernel changes, except for those that the file of this CPU
                        // speaks of and keeps out of the callers' sight.
                        unsafe { enter!($number $(by $syscall)?; $($name),*) as $returned }
                    }
                }
            )*};
        }

        /// Makes a call whose number `sc` knows, or `linux-raw-sys` does.
        #[cfg_attr(miri, allow(unused_macros, reason = "Miri enters no kernel"))]
        macro_rules! enter {
            ($number:ident; $($name:ident),*) => {
                sc::syscall!($number $(, $name)*)
            };
            ($number:ident by $syscall:ident; $($name:ident),*) => {
                sc::$syscall(linux_raw_sys::general::$number as usize $(, $name as usize)*)
            };
        }

        use core::ffi::{c_char, c_void};
        #[cfg(any(miri, not(target_arch = "x86_64")))]
        use core::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};
        use linux_raw_sys::general::{__kernel_timespec, pollfd, rlimit64, stat, statfs, statx};
        use linux_raw_sys::net::msghdr;

        // The names on the right are those of `sc`, which knows the calls up to Linux 5.12. A
        // newer one, or one that it lacks, takes its number from `linux-raw-sys` (`__NR_…`).
        //
        // Descriptors are unsigned so that they go into a register without a sign extension.
        // `fcntl` stands here twice, so that no third argument is loaded for a command that
        // has none.
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
            /// `fsetxattr(2)`
            fn fsetxattr = FSETXATTR(fd: u32, name: *const c_char, value: *const u8, len: usize, flags: u32) -> usize;
            /// `fstat(2)`
            fn fstat = FSTAT(fd: u32, stat: *mut stat) -> usize;
            /// `fstatat(2)`
            fn fstatat = NEWFSTATAT(directory: u32, path: *const c_char, stat: *mut stat, flags: u32) -> usize;
            /// `fstatfs(2)`
            fn fstatfs = FSTATFS(fd: u32, stat: *mut statfs) -> usize;
            /// `copy_file_range(2)`
            fn copy_file_range = COPY_FILE_RANGE(source: u32, source_offset: *mut u64, target: u32, target_offset: *mut u64, len: usize, flags: u32) -> usize;
            /// `sendfile(2)`
            fn sendfile = SENDFILE(target: u32, source: u32, source_offset: *mut u64, len: usize) -> usize;
            /// `splice(2)`
            fn splice = SPLICE(source: u32, source_offset: *mut u64, target: u32, target_offset: *mut u64, len: usize, flags: u32) -> usize;
            /// `prlimit64(2)`
            fn prlimit64 = PRLIMIT64(pid: u32, resource: u32, new: *const rlimit64, old: *mut rlimit64) -> usize;
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
            /// `mremap(2)`, without a new address
            fn mremap = MREMAP(start: *mut u8, len: usize, new_len: usize, flags: u32) -> *mut u8;
            /// `madvise(2)`
            fn madvise = MADVISE(start: *mut u8, len: usize, advice: u32) -> usize;
            /// `mlock(2)`
            fn mlock = MLOCK(start: *const u8, len: usize) -> usize;
            /// `munlock(2)`
            fn munlock = MUNLOCK(start: *const u8, len: usize) -> usize;
            /// `clock_gettime(2)`
            fn clock_gettime = CLOCK_GETTIME(clock: u32, time: *mut __kernel_timespec) -> usize;
            /// `nanosleep(2)`
            fn nanosleep = NANOSLEEP(time: *const __kernel_timespec, rest: *mut __kernel_timespec) -> usize;
            /// `futex(2)`, for waiting and waking
            fn futex = FUTEX(word: *const u32, operation: u32, value: u32, timeout: *const __kernel_timespec) -> usize;
            /// `socket(2)`
            fn socket = SOCKET(family: u32, kind: u32, protocol: u32) -> usize;
            /// `socketpair(2)`
            fn socketpair = SOCKETPAIR(family: u32, kind: u32, protocol: u32, pair: *mut u32) -> usize;
            /// `getsockopt(2)`
            fn getsockopt = GETSOCKOPT(socket: u32, level: u32, option: u32, value: *mut c_void, len: *mut u32) -> usize;
            /// `sendmsg(2)`
            fn sendmsg = SENDMSG(socket: u32, message: *const msghdr, flags: u32) -> usize;
            /// `recvmsg(2)`
            fn recvmsg = RECVMSG(socket: u32, message: *mut msghdr, flags: u32) -> usize;
            /// `ppoll(2)`, which writes how much of the time is left
            fn ppoll = PPOLL(entries: *mut pollfd, count: usize, time: *mut __kernel_timespec, signals: *const u64, size: usize) -> usize;
            /// `statx(2)`
            fn statx = STATX(directory: u32, path: *const c_char, flags: u32, mask: u32, stat: *mut statx) -> usize;
            /// `readlinkat(2)`
            fn readlinkat = READLINKAT(directory: u32, path: *const c_char, buffer: *mut u8, len: usize) -> usize;
            /// `execve(2)`
            fn execve = EXECVE(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> usize;
            /// `execveat(2)`
            fn execveat = EXECVEAT(directory: u32, path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char, flags: u32) -> usize;
        }

        // What only this CPU has.
        #[cfg(all(target_arch = "riscv64", not(miri)))]
        system_calls! {
            /// `riscv_flush_icache(2)`
            fn riscv_flush_icache = __NR_riscv_flush_icache by syscall3(start: *const u8, end: *const u8, flags: usize) -> usize;
        }

        // What is needed only in early boot.
        #[cfg(feature = "boot")]
        system_calls! {
            /// `finit_module(2)`
            fn finit_module = FINIT_MODULE(fd: u32, parameters: *const c_char, flags: u32) -> usize;
            /// `kexec_file_load(2)`
            fn kexec_file_load = KEXEC_FILE_LOAD(kernel: u32, initrd: u32, len: usize, command_line: *const c_char, flags: u32) -> usize;
            /// `ioctl(2)`, for the requests that write nothing
            fn ioctl = IOCTL(fd: u32, request: u32, argument: *const c_void) -> usize;
        }
    } else {
        compile_error!(
            "owned-memfd supports Linux (gnu and musl) and Android on 64-bit little-endian x86_64 (not x32), aarch64 and riscv64"
        );
    }
}
