//! The system calls that the claims need and rustix lacks or marks unsafe, each in a function that
//! is safe to call, and conversions between rustix's descriptors and the library's. `attacks` and
//! `parties` have those that only the claims about sealed files and about other processes and
//! programs need. There is no other unsafe code in the suite.
#![allow(unsafe_code)]

use crate::{claim::Text, kernel};
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem::{ManuallyDrop, MaybeUninit, offset_of},
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};
use linux_raw_sys::{general, ptrace};
use owned_memfd::{
    Errno, OwnedMemFd,
    fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
};
use rustix::{
    fs::OFlags,
    mm::{self, MapFlags, MprotectFlags, MremapFlags, ProtFlags},
    process::Pid,
};

/// Issues one system call.
///
/// Never inlined: the kernel overwrites vector registers on aarch64 and riscv64, and `sc` does not
/// declare that. Callers do not expect vector registers to survive a real function call.
///
/// # Safety
/// The arguments are what this call takes, and its pointers are valid for what it does.
#[inline(never)]
pub(crate) unsafe fn call(number: usize, arguments: [usize; 6]) -> Result<usize, Errno> {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: the caller's own promise.
    let result = unsafe { sc::syscall6(number, first, second, third, fourth, fifth, sixth) };
    match result as isize {
        error @ -4095..=-1 => Err(Errno::from_raw_os_error(-(error as i32))),
        _ => Ok(result),
    }
}

/// Issues a system call whose arguments are numbers.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {{
        let mut arguments = [0; 6];
        let given: &[usize] = &[$($argument as usize),*];
        arguments[..given.len()].copy_from_slice(given);
        call(sc::nr::$number, arguments)
    }};
}

/// Issues a system call inline, which nobody should do: the caller may lose what it has in vector
/// registers. The call has no arguments and cannot fail.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn call_inlined() -> bool {
    // SAFETY: no pointers. What happens to its registers is for the caller to check.
    let parent = unsafe { sc::syscall!(GETPPID) };
    parent > 0
}

// Descriptors.

/// Converts rustix's error to the library's.
pub(crate) fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw_os_error(error.raw_os_error())
}

/// Lends a descriptor of the library to rustix.
pub(crate) fn lend<T: AsFd + ?Sized>(fd: &T) -> rustix::fd::BorrowedFd<'_> {
    // SAFETY: `fd` is borrowed for as long as the result lives, and so is what it lends.
    unsafe { rustix::fd::BorrowedFd::borrow_raw(fd.as_fd().as_raw_fd()) }
}

/// Gives a descriptor of rustix to the library.
pub(crate) fn adopt(fd: rustix::fd::OwnedFd) -> OwnedFd {
    take(rustix::fd::IntoRawFd::into_raw_fd(fd))
}

/// Takes a number that `into_raw_fd` or the kernel gave away.
///
/// Not marked unsafe: a wrong number can fail a claim, but cannot affect memory.
pub(crate) fn take(number: RawFd) -> OwnedFd {
    // SAFETY: the number comes from code that gave it away.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// `from_raw_fd` of a number that stays a number.
pub(crate) fn plain_number(number: RawFd) -> RawFd {
    // SAFETY: a number owns nothing.
    unsafe { RawFd::from_raw_fd(number) }
}

/// A descriptor as a memory file, whatever it really is.
pub(crate) fn disguise(fd: OwnedFd) -> OwnedMemFd {
    let number = owned_memfd::fd::IntoRawFd::into_raw_fd(fd);
    // SAFETY: the number was just given away. Nothing in the library that is safe to call
    // rests on its being a memory file; the kernel refuses what it cannot do.
    unsafe { OwnedMemFd::from_raw_fd(number) }
}

/// `duplicate_onto` for a number that is closed in this process, or that the claim itself owns.
pub(crate) fn duplicate_onto(file: &OwnedMemFd, number: RawFd) -> Result<(), Errno> {
    // SAFETY: the claim keeps the number for this.
    unsafe { file.duplicate_onto(number) }
}

/// Closes a number without asking its owner, if it has one.
pub(crate) fn close(number: RawFd) {
    // SAFETY: the claims do this in a process that ends without using the number again.
    let _ = unsafe { call!(CLOSE, number) };
}

/// The descriptor's number.
pub(crate) fn number(fd: &impl AsFd) -> RawFd {
    fd.as_fd().as_raw_fd()
}

/// Whether a number is open, whatever owns it.
pub(crate) fn is_open(number: RawFd) -> bool {
    // SAFETY: no pointer is passed.
    unsafe { call!(FCNTL, number, general::F_GETFD) }.is_ok()
}

// Calls with arguments that the library's types do not allow.

/// `memfd_create` with any pointer and any register content.
pub(crate) fn memfd_create(name: *const u8, flags: usize) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel only reads the name, and returns EFAULT where it cannot.
    let number = unsafe { call!(MEMFD_CREATE, name.expose_provenance(), flags) }?;
    Ok(take(number as RawFd))
}

/// `memfd_secret`: it looks like a memory file, but is none in the library's sense.
pub(crate) fn memfd_secret() -> Result<OwnedFd, Errno> {
    // SAFETY: no pointer is passed.
    let number = unsafe { call(general::__NR_memfd_secret as usize, [0; 6]) }?;
    Ok(take(number as RawFd))
}

/// `F_GET_SEALS`, without the library.
pub(crate) fn seals(fd: &impl AsFd) -> Result<u32, Errno> {
    // SAFETY: no pointer is passed.
    let seals = unsafe { call!(FCNTL, number(fd), general::F_GET_SEALS) }?;
    Ok(seals as u32)
}

/// `F_WRLCK` of `F_SETLEASE`: opening the file first asks this process, by SIGIO.
pub(crate) fn take_lease(fd: &impl AsFd) -> Result<(), Errno> {
    // SAFETY: no pointer is passed.
    unsafe { call!(FCNTL, number(fd), general::F_SETLEASE, general::F_WRLCK) }?;
    Ok(())
}

/// `F_UNLCK` of `F_SETLEASE`.
pub(crate) fn end_lease(fd: &impl AsFd) -> Result<(), Errno> {
    // SAFETY: no pointer is passed.
    unsafe { call!(FCNTL, number(fd), general::F_SETLEASE, general::F_UNLCK) }?;
    Ok(())
}

/// Whether this process may open files by their handles. The handle that it tries belongs to no
/// file, so the error tells.
pub(crate) fn may_open_by_handle(fd: &impl AsFd) -> bool {
    // A file_handle of 8 bytes of type 1 (linux/fs.h).
    let handle: [u32; 4] = [8, 1, 0, 0];
    // SAFETY: the kernel reads one handle.
    let result = unsafe {
        call!(
            OPEN_BY_HANDLE_AT,
            number(fd),
            handle.as_ptr().expose_provenance(),
            general::O_CLOEXEC
        )
    };
    matches!(result, Err(Errno::ESTALE | Errno::EINVAL))
}

/// `O_EMPTYPATH`, include/uapi/asm-generic/fcntl.h, since Linux 7.2.
pub(crate) const EMPTY_PATH: u32 = 1 << 26;

/// Whether `openat` with an empty path reopens a descriptor's own file.
pub(crate) fn opens_by_empty_path(fd: &impl AsFd) -> bool {
    // SAFETY: the path is static and ends in NUL.
    let result = unsafe {
        call!(
            OPENAT,
            number(fd),
            c"".as_ptr().expose_provenance(),
            general::O_CLOEXEC | EMPTY_PATH
        )
    };
    result.map(|number| take(number as RawFd)).is_ok()
}

/// Whether this process can attach a file to a loop device: it does so, and the device goes again.
/// Other processes may take the same number first, so it tries a few times.
pub(crate) fn attaches_loops(file: &impl AsFd) -> bool {
    // linux/loop.h.
    const LOOP_CONFIGURE: u32 = 0x4c0a;
    const LOOP_CTL_GET_FREE: u32 = 0x4c82;
    const LO_FLAGS_AUTOCLEAR: u32 = 4;
    // struct loop_config, of words: the file, and the flags in the middle of the eighth word.
    let mut config = [0_u64; 38];
    config[0] = number(file) as u64;
    config[7] = u64::from(LO_FLAGS_AUTOCLEAR) << 32;

    let attach = || {
        let control = kernel::open(c"/dev/loop-control", OFlags::RDONLY)?;
        // SAFETY: no pointer is passed.
        let free = unsafe { call!(IOCTL, number(&control), LOOP_CTL_GET_FREE) }?;
        let path = Text::of(format_args!("/dev/loop{free}\0"));
        let device = kernel::open(path.path(), OFlags::RDWR)?;
        let config = config.as_ptr().expose_provenance();
        // SAFETY: the kernel reads one configuration.
        unsafe { call!(IOCTL, number(&device), LOOP_CONFIGURE, config) }?;
        kernel::pread(&device, &mut [0], 0)
    };
    (0..8).any(|_| attach() == Ok(1))
}

/// Whether the kernel has modules. It is asked to load one from no file.
pub(crate) fn has_modules() -> bool {
    // SAFETY: the parameters are static and end in NUL; nothing is loaded.
    let result = unsafe {
        call!(
            FINIT_MODULE,
            usize::MAX,
            c"".as_ptr().expose_provenance(),
            0
        )
    };
    result != Err(Errno::ENOSYS)
}

/// Whether the kernel can load another kernel. It is asked to load one from no file.
pub(crate) fn has_kexec() -> bool {
    // SAFETY: no pointer is passed, and nothing is loaded.
    let result = unsafe { call!(KEXEC_FILE_LOAD, usize::MAX, usize::MAX, 0, 0, 0) };
    result != Err(Errno::ENOSYS)
}

/// Unloads the kernel that `kexec_file_load` loaded, if there is one.
pub(crate) fn unload_kernel() -> Result<(), Errno> {
    // `KEXEC_FILE_UNLOAD`, linux/kexec.h.
    // SAFETY: no pointer is passed.
    unsafe { call!(KEXEC_FILE_LOAD, usize::MAX, usize::MAX, 0, 0, 1) }?;
    Ok(())
}

/// `F_ADD_SEALS`, without the library.
pub(crate) fn add_seals(fd: &impl AsFd, seals: u32) -> Result<(), Errno> {
    // SAFETY: no pointer is passed.
    unsafe { call!(FCNTL, number(fd), general::F_ADD_SEALS, seals) }?;
    Ok(())
}

/// Gives the process its own descriptor table, mounts, or the like.
pub(crate) fn unshare(what: rustix::thread::UnshareFlags) -> Result<(), Errno> {
    // SAFETY: a claim's process has one thread, which alone uses its descriptors.
    unsafe { rustix::thread::unshare_unsafe(what) }.map_err(errno)
}

/// The monotonic clock.
pub(crate) fn now() -> Duration {
    let mut time = general::__kernel_timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec.
    let result = unsafe {
        call!(
            CLOCK_GETTIME,
            general::CLOCK_MONOTONIC,
            (&raw mut time).expose_provenance()
        )
    };
    debug_assert!(result.is_ok());
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

// Processes.

/// Whether a new process gets a copy of the descriptor table or shares it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Descriptors {
    Copied,
    Shared,
}

/// Starts a copy of this process, which runs `body` and exits with what it returns.
///
/// `body` must only compute and make system calls: other threads of the parent may have held
/// locks.
pub(crate) fn fork(descriptors: Descriptors, body: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    /// Ends the child even if `body` unwinds, which must not reach the callers of the parent.
    struct Exit(i32);
    impl Drop for Exit {
        fn drop(&mut self) {
            // SAFETY: no pointer is passed, and the call does not return.
            let _ = unsafe { call!(EXIT_GROUP, self.0) };
        }
    }
    const UNWOUND: i32 = 102;

    let mut flags = general::SIGCHLD;
    if descriptors == Descriptors::Shared {
        flags |= general::CLONE_FILES;
    }
    // SAFETY: without CLONE_VM the child has its own memory and continues on a copy of this
    // stack; the other arguments are not read.
    let pid = unsafe { call!(CLONE, flags) }?;
    if let Some(pid) = Pid::from_raw(pid as i32) {
        return Ok(pid);
    }
    let mut exit = Exit(UNWOUND);
    exit.0 = body();
    drop(exit);
    unreachable!("exit_group returned");
}

/// What a thread runs, and what that returned.
struct Task<F, T> {
    body: Option<F>,
    result: Option<T>,
}

/// Runs `body` in a second thread of this process, and waits for its end. The threads share their
/// descriptors until one of them leaves.
pub(crate) fn in_thread<T>(body: impl FnOnce() -> T) -> Result<T, Errno> {
    beside(body, || ()).map(|(result, ())| result)
}

/// Runs `body` in a second thread of this process and `here` in this one at the same time, and waits
/// for the end of both.
pub(crate) fn beside<T, U>(
    body: impl FnOnce() -> T,
    here: impl FnOnce() -> U,
) -> Result<(T, U), Errno> {
    fn start<F: FnOnce() -> T, T, U>(
        task: &mut Task<F, T>,
        here: impl FnOnce() -> U,
    ) -> Result<U, Errno> {
        /// Where a thread begins, and ends.
        extern "C" fn run<F: FnOnce() -> T, T>(task: *mut c_void) -> ! {
            // SAFETY: `start` gives a pointer to the task, which it leaves alone until the thread
            // is over.
            let task = unsafe { &mut *task.cast::<Task<F, T>>() };
            task.result = task.body.take().map(|body| body());
            loop {
                // SAFETY: no pointer is passed.
                let _ = unsafe { call!(EXIT, 0) };
            }
        }

        const STACK: usize = 1 << 19;
        /// A multiple of every page size. A stack that does not suffice ends the process there.
        const GUARD: usize = 1 << 16;
        // An emulator accepts exactly these.
        const FLAGS: u32 = general::CLONE_VM
            | general::CLONE_FS
            | general::CLONE_FILES
            | general::CLONE_SIGHAND
            | general::CLONE_THREAD
            | general::CLONE_SYSVSEM
            | general::CLONE_CHILD_CLEARTID;

        let stack = Mapping::zeros(GUARD + STACK)?;
        stack.forbid(0, GUARD)?;
        let lives = AtomicU32::new(1);
        let top = stack.address(GUARD + STACK).expose_provenance();
        let task = ptr::from_mut(task).expose_provenance();
        let run = run::<F, T> as extern "C" fn(*mut c_void) -> !;
        // SAFETY: the stack is the thread's alone, and outlives it, as do the task and `lives`,
        // since the loop below waits until the kernel has set that to 0.
        let result = unsafe { clone_thread(FLAGS, top, lives.as_ptr(), run, task) };
        if let error @ -4095..=-1 = result as isize {
            return Err(Errno::from_raw_os_error(-(error as i32)));
        }
        let result = here();
        while lives.load(Ordering::Acquire) != 0 {
            rustix::thread::sched_yield();
        }
        Ok(result)
    }

    let mut task = Task {
        body: Some(body),
        result: None,
    };
    let other = start(&mut task, here)?;
    let result = task.result.ok_or(Errno::ECHILD)?;
    Ok((result, other))
}

/// Starts a thread that calls `run` with `task` on a stack of its own. Returns what the kernel
/// returns. Never inlined, for the reason that `call` gives.
///
/// # Safety
/// Below `stack`, which is a multiple of 16, is memory for the thread alone. `run` may be called
/// with `task`. All of it and `lives`, which the kernel sets to 0 at the end of the thread, is
/// valid until then.
#[inline(never)]
unsafe fn clone_thread(
    flags: u32,
    stack: usize,
    lives: *mut u32,
    run: extern "C" fn(*mut c_void) -> !,
    task: usize,
) -> usize {
    let result;
    // SAFETY: the caller's own promise. The new thread leaves this code for `run`, and the old one
    // finds its registers as the kernel keeps them.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") sc::nr::CLONE => result,
            in("rdi") flags as usize,
            in("rsi") stack,
            in("rdx") 0_usize,
            in("r10") lives,
            in("r8") 0_usize,
            in("r12") task,
            in("r13") run,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") sc::nr::CLONE,
            inlateout("x0") flags as usize => result,
            in("x1") stack,
            in("x2") 0_usize,
            in("x3") 0_usize,
            in("x4") lives,
            in("x20") task,
            in("x21") run,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "riscv64")]
    unsafe {
        core::arch::asm!(
            "ecall",
            "bnez a0, 2f",
            "mv s0, zero",
            "mv a0, s2",
            "jalr s3",
            "ebreak",
            "2:",
            in("a7") sc::nr::CLONE,
            inlateout("a0") flags as usize => result,
            in("a1") stack,
            in("a2") 0_usize,
            in("a3") 0_usize,
            in("a4") lives,
            in("s2") task,
            in("s3") run,
        );
    }
    result
}

/// Lets the parent trace this process, and stops until it does.
pub(crate) fn be_traced() -> Result<(), Errno> {
    allow_tracing()?;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)
        .map_err(errno)
}

/// Lets the parent trace this process.
pub(crate) fn allow_tracing() -> Result<(), Errno> {
    // SAFETY: no pointer is passed.
    unsafe { call!(PTRACE, ptrace::PTRACE_TRACEME) }.map(drop)
}

/// Makes the stops of a traced process at its system calls differ from those for signals, and ends
/// it with its tracer.
pub(crate) fn mark_calls(pid: Pid) -> Result<(), Errno> {
    let options = ptrace::PTRACE_O_TRACESYSGOOD | ptrace::PTRACE_O_EXITKILL;
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: no pointer is passed.
    unsafe { call!(PTRACE, ptrace::PTRACE_SETOPTIONS, pid, 0, options) }.map(drop)
}

/// Lets a traced process run until it enters or leaves a system call, with a signal or 0.
pub(crate) fn run_to_next_call(pid: Pid, signal: i32) -> Result<(), Errno> {
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: no pointer is passed.
    unsafe { call!(PTRACE, ptrace::PTRACE_SYSCALL, pid, 0, signal) }.map(drop)
}

/// The number and the arguments of the system call that a traced process is about to make; `None`
/// if it stopped elsewhere.
pub(crate) fn call_at(pid: Pid) -> Result<Option<(usize, [u64; 6])>, Errno> {
    // SAFETY: all fields are integers.
    let mut info: ptrace::ptrace_syscall_info = unsafe { core::mem::zeroed() };
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: the kernel writes no more than the size that it is told.
    unsafe {
        call!(
            PTRACE,
            ptrace::PTRACE_GET_SYSCALL_INFO,
            pid,
            size_of_val(&info),
            (&raw mut info).expose_provenance()
        )
    }?;
    if u32::from(info.op) != ptrace::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(None);
    }
    // SAFETY: the kernel has written this variant; all others are integers too.
    let entry = unsafe { info.__bindgen_anon_1.entry };
    Ok(Some((entry.nr as usize, entry.args)))
}

/// The register-sized number in the memory of a traced process.
pub(crate) fn peek(pid: Pid, address: u64) -> Result<u64, Errno> {
    let mut value = 0_u64;
    let pid = pid.as_raw_nonzero().get();
    // SAFETY: the kernel writes one number.
    unsafe {
        call!(
            PTRACE,
            ptrace::PTRACE_PEEKDATA,
            pid,
            address,
            (&raw mut value).expose_provenance()
        )
    }?;
    Ok(value)
}

/// A value in memory that this process shares with the children that it starts afterwards.
pub(crate) struct Shared<T> {
    at: NonNull<T>,
}

impl<T: Sync> Shared<T> {
    pub(crate) fn new(value: T) -> Result<Self, Errno> {
        // SAFETY: a new mapping, where the kernel finds room.
        let at = unsafe {
            mm::mmap_anonymous(
                ptr::null_mut(),
                size_of::<T>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        }
        .map_err(errno)?;
        let at = NonNull::new(at.cast::<T>()).ok_or(Errno::ENOMEM)?;
        // SAFETY: the mapping is writable, page-aligned and large enough.
        unsafe { at.write(value) };
        Ok(Self { at })
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value was written in `new`, and the mapping lives as long as `self`.
        unsafe { self.at.as_ref() }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: this is the mapping of `new`, and no reference into it is left.
        let unmapped = unsafe { mm::munmap(self.at.as_ptr().cast(), size_of::<T>()) };
        debug_assert!(unmapped.is_ok());
    }
}

/// A place where one process leaves a value for another.
pub(crate) struct Handover<T> {
    value: UnsafeCell<MaybeUninit<T>>,
    there: AtomicBool,
}

// SAFETY: `there` orders the one write before the reads, and nobody writes after it.
unsafe impl<T: Send> Sync for Handover<T> {}

impl<T> Handover<T> {
    pub(crate) const fn new() -> Self {
        Self {
            value: UnsafeCell::new(MaybeUninit::uninit()),
            there: AtomicBool::new(false),
        }
    }

    /// Leaves the value. Only the first call has an effect.
    pub(crate) fn put(&self, value: T) {
        if !self.there.load(Ordering::Acquire) {
            // SAFETY: nobody reads before `there` is true, and only one process puts.
            unsafe { self.value.get().write(MaybeUninit::new(value)) };
            self.there.store(true, Ordering::Release);
        }
    }

    /// Takes the value, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        if !self.there.swap(false, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: nobody writes any more.
        let value = unsafe { &*self.value.get() };
        // SAFETY: `put` wrote it, and `there` being false again lets nobody else read it.
        Some(unsafe { value.assume_init_read() })
    }
}

// Memory.

/// Whether stores into a mapping reach the file.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Stores {
    Shared,
    Private,
}

/// A mapping, which is unmapped when dropped. Its bytes may change at any time, so every access is
/// volatile.
pub(crate) struct Mapping {
    at: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps the first `len` bytes of a file.
    pub(crate) fn of(
        file: &impl AsFd,
        len: usize,
        stores: Stores,
        allowed: ProtFlags,
    ) -> Result<Self, Errno> {
        let flags = match stores {
            Stores::Shared => MapFlags::SHARED,
            Stores::Private => MapFlags::PRIVATE,
        };
        // SAFETY: a new mapping, where the kernel finds room.
        let at = unsafe { mm::mmap(ptr::null_mut(), len, allowed, flags, lend(file), 0) };
        Self::at(at, len)
    }

    /// The same at an address that is a multiple of `align`. What is before and after it stays
    /// reserved.
    pub(crate) fn aligned(
        file: &impl AsFd,
        len: usize,
        align: usize,
        allowed: ProtFlags,
    ) -> Result<Self, Errno> {
        let room = ManuallyDrop::new(Self::zeros(len + align)?);
        let start = room.at.addr().get();
        let at = room.address(start.next_multiple_of(align) - start);
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: within the mapping that was just made, into which there are no references.
        let at = unsafe { mm::mmap(at.cast_mut().cast(), len, allowed, flags, lend(file), 0) };
        Self::at(at, len)
    }

    /// The same without the promise that there is memory for it. On huge pages, that needs none.
    pub(crate) fn unreserved(
        file: &impl AsFd,
        len: usize,
        stores: Stores,
        allowed: ProtFlags,
    ) -> Result<Self, Errno> {
        let flags = match stores {
            Stores::Shared => MapFlags::SHARED,
            Stores::Private => MapFlags::PRIVATE,
        } | MapFlags::NORESERVE;
        // SAFETY: a new mapping, where the kernel finds room.
        let at = unsafe { mm::mmap(ptr::null_mut(), len, allowed, flags, lend(file), 0) };
        Self::at(at, len)
    }

    /// Maps zeros that belong to no file. They take no memory until they are written.
    pub(crate) fn zeros(len: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping, where the kernel finds room.
        let at = unsafe {
            mm::mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        Self::at(at, len)
    }

    /// Maps shared zeros, which the kernel keeps as a file without a descriptor.
    pub(crate) fn shared_zeros(len: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping, where the kernel finds room.
        let at = unsafe {
            mm::mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        };
        Self::at(at, len)
    }

    /// Maps a new System V segment, which goes with its last mapping.
    pub(crate) fn system_v(len: usize) -> Result<Self, Errno> {
        // IPC_PRIVATE and IPC_RMID, linux/ipc.h.
        const NEW: usize = 0;
        const REMOVE: usize = 0;
        // SAFETY: no pointer is passed.
        let segment = unsafe { call!(SHMGET, NEW, len, 0o600) }?;
        // SAFETY: a new mapping, where the kernel finds room.
        let at = unsafe { call!(SHMAT, segment, 0, 0) };
        // SAFETY: no pointer is passed.
        unsafe { call!(SHMCTL, segment, REMOVE, 0) }?;
        let at = NonNull::new(ptr::with_exposed_provenance_mut(at?)).ok_or(Errno::ENOMEM)?;
        Ok(Self { at, len })
    }

    fn at(at: rustix::io::Result<*mut c_void>, len: usize) -> Result<Self, Errno> {
        let at = NonNull::new(at.map_err(errno)?.cast::<u8>()).ok_or(Errno::ENOMEM)?;
        Ok(Self { at, len })
    }

    /// The address of byte `index`, for calls that take any pointer.
    pub(crate) fn address(&self, index: usize) -> *const u8 {
        assert!(index <= self.len);
        // SAFETY: within the mapping, or one byte past it.
        unsafe { self.at.add(index) }.as_ptr()
    }

    /// The addresses of its first byte and of its end.
    pub(crate) fn range(&self) -> (usize, usize) {
        let start = self.at.addr().get();
        (start, start + self.len)
    }

    pub(crate) fn get(&self, index: usize) -> u8 {
        assert!(index < self.len);
        // SAFETY: within the mapping; where it cannot be read, the process dies.
        let at = unsafe { self.at.add(index) };
        // SAFETY: as above.
        unsafe { at.read_volatile() }
    }

    pub(crate) fn put(&self, index: usize, value: u8) {
        assert!(index < self.len);
        // SAFETY: within the mapping; where it cannot be written, the process dies.
        let at = unsafe { self.at.add(index) };
        // SAFETY: as above.
        unsafe { at.write_volatile(value) };
    }

    /// Changes the mapping's permissions.
    pub(crate) fn allow(&self, allowed: MprotectFlags) -> Result<(), Errno> {
        // SAFETY: exactly this mapping, into which there are no references.
        unsafe { mm::mprotect(self.at.as_ptr().cast(), self.len, allowed) }.map_err(errno)
    }

    /// Makes the mapping inaccessible from byte `start` on, which must be the start of a page.
    pub(crate) fn forbid_from(&self, start: usize) -> Result<(), Errno> {
        self.forbid(start, self.len)
    }

    /// Makes the bytes from `start` to `end` inaccessible. `start` must be the start of a page.
    fn forbid(&self, start: usize, end: usize) -> Result<(), Errno> {
        assert!(start <= end && end <= self.len);
        // SAFETY: within the mapping.
        let at = unsafe { self.at.add(start) };
        let nothing = MprotectFlags::empty();
        // SAFETY: a part of this mapping, into which there are no references.
        unsafe { mm::mprotect(at.as_ptr().cast(), end - start, nothing) }.map_err(errno)
    }

    /// `mremap` with an old size of 0, which makes a second mapping of the same pages.
    pub(crate) fn duplicate(&self) -> Result<Self, Errno> {
        // SAFETY: the old mapping stays as it is.
        let at = unsafe { mm::mremap(self.at.as_ptr().cast(), 0, self.len, MremapFlags::MAYMOVE) };
        Self::at(at, self.len)
    }

    /// Keeps the mapping out of children that are started afterwards.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        self.advise(mm::Advice::LinuxDontFork)
    }

    /// Frees the pages, in the file too.
    pub(crate) fn remove(&self) -> Result<(), Errno> {
        self.advise(mm::Advice::LinuxRemove)
    }

    fn advise(&self, advice: mm::Advice) -> Result<(), Errno> {
        // SAFETY: exactly this mapping, into which there are no references.
        unsafe { mm::madvise(self.at.as_ptr().cast(), self.len, advice) }.map_err(errno)
    }

    /// `MADV_COLLAPSE`: makes huge pages of it.
    pub(crate) fn collapse(&self) -> Result<(), Errno> {
        // SAFETY: this changes no byte.
        unsafe {
            call!(
                MADVISE,
                self.at.as_ptr().expose_provenance(),
                self.len,
                general::MADV_COLLAPSE
            )
        }
        .map(drop)
    }

    /// `madvise` with advice that no kernel knows.
    pub(crate) fn advise_nonsense(&self) -> Result<usize, Errno> {
        // SAFETY: a kernel refuses this and does nothing.
        unsafe {
            call!(
                MADVISE,
                self.at.as_ptr().expose_provenance(),
                self.len,
                0x7fff
            )
        }
    }

    /// Pins the pages in a pipe until it is read.
    pub(crate) fn pin_into(&self, pipe: &impl AsFd) -> Result<usize, Errno> {
        // The kernel's iovec.
        let piece = [self.at.as_ptr().expose_provenance(), self.len];
        // SAFETY: the kernel reads one iovec and takes references to the pages it names.
        unsafe {
            call!(
                VMSPLICE,
                number(pipe),
                piece.as_ptr().expose_provenance(),
                1,
                0
            )
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly this mapping, into which no reference is left.
        let unmapped = unsafe { mm::munmap(self.at.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Zeros in this process's own memory, as a slice. They take no memory until they are written.
pub(crate) struct Buffer(Mapping);

impl Buffer {
    pub(crate) fn new(len: usize) -> Result<Self, Errno> {
        Mapping::zeros(len).map(Self)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: readable memory of this process alone, which `self` lends for reading.
        unsafe { core::slice::from_raw_parts(self.0.at.as_ptr(), self.0.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: writable memory of this process alone, which `self` lends for writing.
        unsafe { core::slice::from_raw_parts_mut(self.0.at.as_ptr(), self.0.len) }
    }
}

// Signals.

static ALARMS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_alarm(_signal: i32) {
    ALARMS.fetch_add(1, Ordering::Relaxed);
}

// Only x86_64 requires the program to provide the code that returns from a handler.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".pushsection .text.suite_return_from_handler,\"ax\",@progbits",
    ".globl suite_return_from_handler",
    ".hidden suite_return_from_handler",
    "suite_return_from_handler:",
    "mov eax, {rt_sigreturn}",
    "syscall",
    ".popsection",
    rt_sigreturn = const sc::nr::RT_SIGRETURN,
);

/// What an interrupted call does once the handler has returned.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Interrupted {
    Fails,
    Restarts,
}

/// Catches SIGALRM at an interval and counts it, until dropped.
pub(crate) struct Alarms(());

impl Alarms {
    pub(crate) fn every(interval: Duration, calls: Interrupted) -> Result<Self, Errno> {
        // SAFETY: all fields are integers or optional pointers, for which zero is valid.
        let mut action: general::kernel_sigaction = unsafe { core::mem::zeroed() };
        action.sa_handler_kernel = Some(count_alarm);
        if calls == Interrupted::Restarts {
            action.sa_flags |= u64::from(general::SA_RESTART);
        }
        #[cfg(target_arch = "x86_64")]
        {
            unsafe extern "C" {
                fn suite_return_from_handler();
            }
            action.sa_flags |= u64::from(general::SA_RESTORER);
            action.sa_restorer = Some(suite_return_from_handler);
        }
        // SAFETY: the kernel reads one action, whose handler only counts.
        unsafe {
            call!(
                RT_SIGACTION,
                general::SIGALRM,
                (&raw const action).expose_provenance(),
                0,
                size_of::<u64>()
            )
        }?;
        ALARMS.store(0, Ordering::Relaxed);
        Self::set(interval)?;
        Ok(Self(()))
    }

    /// How many signals there were.
    #[allow(clippy::unused_self)]
    pub(crate) fn count(&self) -> u32 {
        ALARMS.load(Ordering::Relaxed)
    }

    fn set(interval: Duration) -> Result<(), Errno> {
        let time = general::timeval {
            tv_sec: interval.as_secs() as _,
            tv_usec: interval.subsec_micros().into(),
        };
        let timer = general::itimerval {
            it_interval: time,
            it_value: time,
        };
        // SAFETY: the kernel reads one timer.
        unsafe {
            call!(
                SETITIMER,
                general::ITIMER_REAL,
                (&raw const timer).expose_provenance(),
                0
            )
        }?;
        Ok(())
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        let stopped = Self::set(Duration::ZERO);
        debug_assert!(stopped.is_ok());
    }
}

/// Ignores a signal.
pub(crate) fn ignore(signal: u32) -> Result<(), Errno> {
    // SAFETY: all fields are integers or optional pointers, for which zero is valid.
    let mut action: general::kernel_sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: SIG_IGN is the number 1 in the place of a function, which is never called.
    action.sa_handler_kernel = unsafe { core::mem::transmute::<usize, Option<_>>(1) };
    // SAFETY: the kernel reads one action.
    unsafe {
        call!(
            RT_SIGACTION,
            signal,
            (&raw const action).expose_provenance(),
            0,
            size_of::<u64>()
        )
    }?;
    Ok(())
}

// Seccomp: it makes this kernel behave as it otherwise never does.

/// The calls that a filter selects. It looks only at the low 32 bits of an argument.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    /// Every call of that number.
    All(usize),
    /// Calls whose argument of that index has one of these bits.
    WithBits(usize, u32, u32),
    /// Calls whose argument of that index is equal to this.
    Equal(usize, u32, u32),
    /// `fcntl` that adds one of these seals.
    Sealing(u32),
}

// The instructions of the kernel's filter machine that are needed (linux/bpf_common.h).
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Applies `verdict` to the selected calls of this process and its future children. Returns a
/// listener's descriptor if `flags` request one.
fn filter(which: Which, verdict: u32, flags: u32) -> Result<usize, Errno> {
    let load = |offset: usize| (LOAD_WORD, 0, 0, offset as u32);
    let argument = |index: u32| load(offset_of!(ptrace::seccomp_data, args) + index as usize * 8);
    let (number, look, jump) = match which {
        Which::All(number) => (number, load(0), (JUMP_IF_EQUAL, 0, 1, number as u32)),
        Which::WithBits(number, index, bits) => {
            (number, argument(index), (JUMP_IF_BITS, 0, 1, bits))
        }
        Which::Equal(number, index, value) => {
            (number, argument(index), (JUMP_IF_EQUAL, 0, 1, value))
        }
        Which::Sealing(seals) => (sc::nr::FCNTL, argument(2), (JUMP_IF_BITS, 0, 1, seals)),
    };
    // The command of `fcntl` says what its argument means.
    let (command, value) = match which {
        Which::Sealing(_) => (argument(1), general::F_ADD_SEALS),
        _ => (load(offset_of!(ptrace::seccomp_data, nr)), number as u32),
    };
    let mut program = [
        load(offset_of!(ptrace::seccomp_data, nr)),
        (JUMP_IF_EQUAL, 0, 5, number as u32),
        command,
        (JUMP_IF_EQUAL, 0, 3, value),
        look,
        jump,
        (RETURN, 0, 0, verdict),
        (RETURN, 0, 0, ptrace::SECCOMP_RET_ALLOW),
    ]
    .map(|(code, jt, jf, k)| ptrace::sock_filter { code, jt, jf, k });
    install(&mut program, flags)
}

/// Installs a filter.
fn install(program: &mut [ptrace::sock_filter], flags: u32) -> Result<usize, Errno> {
    let program = ptrace::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: no pointer is passed.
    unsafe { call!(PRCTL, linux_raw_sys::prctl::PR_SET_NO_NEW_PRIVS, 1) }?;
    // SAFETY: the kernel copies the program and its instructions.
    unsafe {
        call!(
            SECCOMP,
            ptrace::SECCOMP_SET_MODE_FILTER,
            flags,
            (&raw const program).expose_provenance()
        )
    }
}

/// From now on the selected calls fail with `error`, in this process and its future children.
pub(crate) fn refuse(which: Which, error: Errno) -> Result<(), Errno> {
    let error = error.raw_os_error() as u32;
    filter(which, ptrace::SECCOMP_RET_ERRNO | error, 0)?;
    Ok(())
}

/// From now on any call but these kills this process.
pub(crate) fn allow_only(numbers: &[usize]) -> Result<(), Errno> {
    const MOST: usize = 16;

    let step = |(code, jt, jf, k)| ptrace::sock_filter { code, jt, jf, k };
    let kill = (RETURN, 0, 0, ptrace::SECCOMP_RET_KILL_PROCESS);
    let mut program = [step(kill); MOST + 3];
    program[0] = step((LOAD_WORD, 0, 0, offset_of!(ptrace::seccomp_data, nr) as u32));
    // Each of these jumps to the last instruction.
    for (index, number) in numbers.iter().enumerate() {
        let over = MOST - index;
        program[1 + index] = step((JUMP_IF_EQUAL, over as u8, 0, *number as u32));
    }
    program[MOST + 2] = step((RETURN, 0, 0, ptrace::SECCOMP_RET_ALLOW));
    install(&mut program, 0)?;
    Ok(())
}

/// From now on the selected calls wait until `Held::respond` decides about them.
pub(crate) fn hold(which: Which) -> Result<Held, Errno> {
    let listener = filter(
        which,
        ptrace::SECCOMP_RET_USER_NOTIF,
        ptrace::SECCOMP_FILTER_FLAG_NEW_LISTENER,
    )?;
    Ok(Held(take(listener as RawFd)))
}

/// The calls that wait for a decision.
pub(crate) struct Held(OwnedFd);

/// The decision about a call.
#[derive(Clone, Copy)]
pub(crate) enum Response {
    /// It fails with this error.
    Error(Errno),
    /// The kernel does not execute it. It returns this value.
    Value(i64),
    /// The kernel executes it.
    LetThrough,
}

impl Held {
    /// Waits for the next call and decides about it.
    pub(crate) fn respond(&self, choose: impl FnOnce() -> Response) -> Result<(), Errno> {
        // _IOWR('!', number, size), from linux/seccomp.h and asm-generic/ioctl.h.
        const fn request(number: u32, size: usize) -> u32 {
            (3 << 30) | ((size as u32) << 16) | ((b'!' as u32) << 8) | number
        }
        // SAFETY: all fields are integers. The kernel wants zeros here.
        let mut question: ptrace::seccomp_notif = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel writes one question.
        unsafe {
            call!(
                IOCTL,
                self.0.as_raw_fd(),
                request(0, size_of::<ptrace::seccomp_notif>()),
                (&raw mut question).expose_provenance()
            )
        }?;
        let mut response = ptrace::seccomp_notif_resp {
            id: question.id,
            val: 0,
            error: 0,
            flags: 0,
        };
        match choose() {
            Response::Error(error) => response.error = -error.raw_os_error(),
            Response::Value(value) => response.val = value,
            Response::LetThrough => response.flags = ptrace::SECCOMP_USER_NOTIF_FLAG_CONTINUE,
        }
        // SAFETY: the kernel reads one response.
        unsafe {
            call!(
                IOCTL,
                self.0.as_raw_fd(),
                request(1, size_of::<ptrace::seccomp_notif_resp>()),
                (&raw const response).expose_provenance()
            )
        }?;
        Ok(())
    }
}
