//! The program as `/init` of a test kernel in QEMU. It continues from a memory file before
//! anything is mounted, mounts what the claims need, runs them, and ends QEMU with a status that
//! means nothing else.
//!
//! It does nothing of this on any other machine: see `looks_like_ours` and `is_ours`.

use crate::{
    Tally,
    entry::Arguments,
    output::{Stream, exit},
    say,
};
use core::{convert::Infallible, ffi::CStr};
use owned_memfd::{
    Errno, MemFdOptions, SealedMemFd,
    boot::kexec_file_load,
    exec::{Arg, Args, ExecError},
    fd::{FromRawFd, OwnedFd},
};
use rustix::{
    fd::IntoRawFd,
    fs::{CWD, Mode, OFlags},
    mount::MountFlags,
    system::RebootCommand,
};
use suite::{
    World,
    init::{
        ARGUMENT, DEV_FD_NOT_WANTED, DEV_FD_WANTED, KEXEC, NOT_ABOUT_KEXEC, PASSED,
        RUNS_AS_SECOND_KERNEL, RUNS_BY_PROC, RUNS_FROM_MEMORY, RUNS_WITHOUT_PROC,
    },
};

/// The first argument of the program that runs from a memory file. The next one says how it was
/// executed.
const FROM_MEMORY: &CStr = c"from-memory";
const WITHOUT_PROC: &CStr = c"without-proc";
const BY_PROC: &CStr = c"by-proc";

/// The first argument in a second kernel. The next one is the first kernel's boot id.
const SECOND_KERNEL: &CStr = c"second-kernel";

/// Takes the machine over and ends it, or prints why it does not.
pub fn run(mut arguments: Arguments) -> i32 {
    const NOT_OURS: &str = "not process 1 of a test kernel: this machine stays as it is";

    if !looks_like_ours() {
        say!(Stream::Error, "{NOT_OURS}");
        return 2;
    }
    // If process 1 ends, the kernel panics, which is no success.
    let first = arguments.next();
    if first != Some(FROM_MEMORY) && first != Some(SECOND_KERNEL) {
        let Err(failure) = bare(first);
        failure.say();
        return 1;
    }
    let second = arguments.next();
    if second != Some(BY_PROC) {
        if let Err(failure) = mount("proc", "/proc") {
            failure.say();
            return 1;
        }
    }
    if !is_ours() {
        say!(Stream::Error, "{NOT_OURS}");
        return 2;
    }
    end(if first == Some(FROM_MEMORY) {
        mounted(second, arguments.next())
    } else {
        second_kernel(second)
    })
}

/// Whether this is process 1 in an initramfs: that is all that can be seen before anything is
/// mounted.
fn looks_like_ours() -> bool {
    // linux/magic.h: `RAMFS_MAGIC`, `TMPFS_MAGIC`.
    let initramfs = [0x8584_58f6, 0x0102_1994];
    rustix::process::getpid().is_init()
        && rustix::fs::statfs(c"/").is_ok_and(|root| initramfs.contains(&root.f_type))
}

/// Whether the kernel was started for this program. A kernel that runs a container, whose process
/// 1 may look the same, was not.
fn is_ours() -> bool {
    let mut line = [0; 512];
    read(c"/proc/cmdline", &mut line).is_ok_and(|len| {
        let line = &line[..len];
        line[end_of_own(line)..]
            .strip_prefix(SEPARATOR)
            .is_some_and(|arguments| arguments.starts_with(ARGUMENT.to_bytes()))
    })
}

/// What stands in the kernel's command line between its own arguments and those of `/init`.
const SEPARATOR: &[u8] = b" -- ";

/// Where the kernel's own arguments end in its command line.
fn end_of_own(line: &[u8]) -> usize {
    line.windows(SEPARATOR.len())
        .position(|part| part == SEPARATOR)
        .unwrap_or(line.len())
}

/// What failed before the claims could run.
struct Failure {
    what: &'static str,
    why: Errno,
}

impl Failure {
    fn say(&self) {
        say!(Stream::Out, "FAILED {}: {}", self.what, self.why);
    }
}

/// Adds to an error what failed.
trait Failing<T> {
    fn during(self, what: &'static str) -> Result<T, Failure>;
}

impl<T, E: Into<Errno>> Failing<T> for Result<T, E> {
    fn during(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            what,
            why: error.into(),
        })
    }
}

/// Converts rustix's error to the library's.
fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw_os_error(error.raw_os_error())
}

/// Before anything is mounted: continues from a sealed copy of this program.
fn bare(filter: Option<&CStr>) -> Result<Infallible, Failure> {
    let options = MemFdOptions::new().executable(true);
    let program = sealed_copy(c"/init", "init", options).during("the copy of /init")?;
    let go_on = |how| {
        let arguments = [
            Some(Arg::new(c"init")),
            Some(Arg::new(ARGUMENT)),
            Some(Arg::new(FROM_MEMORY)),
            Some(Arg::new(how)),
            filter.map(Arg::new),
            None,
        ];
        // The list ends with `None`.
        let arguments = Args::new(&arguments).unwrap_or(Args::EMPTY);
        let Err(error) = program.exec(arguments, Args::EMPTY);
        error
    };
    match go_on(WITHOUT_PROC) {
        ExecError::NoDevFd => {}
        error => Err(error).during(RUNS_WITHOUT_PROC)?,
    }
    mount("proc", "/proc")?;
    Err(go_on(BY_PROC)).during(RUNS_BY_PROC)
}

fn sealed_copy(path: &CStr, name: &str, options: MemFdOptions) -> Result<SealedMemFd, Errno> {
    let source =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    let len = rustix::fs::fstat(&source).map_err(errno)?.st_size;
    // SAFETY: the number is given away here.
    let source = unsafe { OwnedFd::from_raw_fd(source.into_raw_fd()) };
    let copy = options.create(name)?;
    // A length is not negative.
    copy.copy_from(&source, len.unsigned_abs())?;
    Ok(copy.seal()?)
}

/// In the program that runs from memory: mounts file systems, and runs the claims.
fn mounted(how: Option<&CStr>, filter: Option<&CStr>) -> bool {
    if let Err(failure) = furnish() {
        failure.say();
        return false;
    }
    let filter = filter.map_or(&b""[..], CStr::to_bytes);
    let mut tally = Tally::default();
    if filter.is_empty() {
        if how == Some(WITHOUT_PROC) {
            tally.passed(RUNS_WITHOUT_PROC);
            tally.skipped(RUNS_BY_PROC, DEV_FD_NOT_WANTED);
        } else {
            tally.skipped(RUNS_WITHOUT_PROC, DEV_FD_WANTED);
            tally.passed(RUNS_BY_PROC);
        }
        let mut room = [0; 64];
        match rustix::fs::readlinkat_raw(CWD, c"/proc/self/exe", &mut room) {
            Ok(len) if room[..len] == *b"/memfd:init (deleted)" => tally.passed(RUNS_FROM_MEMORY),
            Ok(len) => tally.failed(RUNS_FROM_MEMORY, room[..len].escape_ascii()),
            Err(error) => tally.failed(RUNS_FROM_MEMORY, errno(error)),
        }
        tally.skipped(RUNS_AS_SECOND_KERNEL, NOT_ABOUT_KEXEC);
    }
    // Which skips are allowed is judged by tests/kernels, which knows the machine.
    tally.run(&World::probe().of_own_machine(), filter, None);
    let passed = tally.conclude();
    if passed && filter == KEXEC.as_bytes() {
        let Err(failure) = go_on_with_second_kernel();
        failure.say();
        return false;
    }
    passed
}

/// Loads the kernel of `/boot` with the initrd there, and starts it. Its command line is that of
/// this kernel, except for the arguments of `/init`.
fn go_on_with_second_kernel() -> Result<Infallible, Failure> {
    let options = MemFdOptions::new();
    let kernel = sealed_copy(c"/boot/vmlinuz", "kernel", options).during("the copy of a kernel")?;
    let initrd = sealed_copy(c"/boot/initrd", "initrd", options).during("the copy of its disk")?;

    let mut boot = [0; BOOT_ID];
    boot_id(&mut boot).during("reading the boot's name")?;
    let mut line = [0; 512];
    let len = read(c"/proc/cmdline", &mut line).during("reading the command line")?;
    let mut end = end_of_own(&line[..len]);
    for part in [
        SEPARATOR,
        ARGUMENT.to_bytes(),
        b" ",
        SECOND_KERNEL.to_bytes(),
        b" ",
        &boot,
        b"\0",
    ] {
        line[end..][..part.len()].copy_from_slice(part);
        end += part.len();
    }
    let line = CStr::from_bytes_until_nul(&line).unwrap_or_default();

    kexec_file_load(&kernel, Some(&initrd), line).during("loading a second kernel")?;
    drain();
    rustix::system::reboot(RebootCommand::Kexec)
        .map_err(errno)
        .during("going on with it")?;
    Err(Errno::ENOSYS).during("not coming back from that")
}

/// In the second kernel: checks that this is not the boot whose id is given.
fn second_kernel(first: Option<&CStr>) -> bool {
    let mut second = [0; BOOT_ID];
    let mut tally = Tally::default();
    match (first.map(CStr::to_bytes), boot_id(&mut second)) {
        (Some(first), Ok(())) if first.len() == BOOT_ID && first != second => {
            tally.passed(RUNS_AS_SECOND_KERNEL);
        }
        (_, Ok(())) => tally.failed(RUNS_AS_SECOND_KERNEL, "it is the first one"),
        (_, Err(error)) => tally.failed(RUNS_AS_SECOND_KERNEL, error),
    }
    tally.conclude()
}

/// The length of a boot id, which is a UUID.
const BOOT_ID: usize = 36;

/// The random id that the kernel gave this boot.
fn boot_id(id: &mut [u8; BOOT_ID]) -> Result<(), Errno> {
    match read(c"/proc/sys/kernel/random/boot_id", id)? {
        BOOT_ID => Ok(()),
        _ => Err(Errno::EIO),
    }
}

/// Reads the start of a file with a single `read`.
fn read(path: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    let file =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    rustix::io::read(&file, buffer).map_err(errno)
}

/// How many huge pages of the default size are reserved for the claims.
const HUGE_PAGES: &[u8] = b"16";

/// Mounts the file systems that the claims need, and reserves huge pages.
fn furnish() -> Result<(), Failure> {
    mount("sysfs", "/sys")?;
    mount("devtmpfs", "/dev")?;
    mount("devpts", "/dev/pts")?;
    mount("tmpfs", "/dev/shm")?;
    mount("hugetlbfs", "/dev/hugepages")?;
    mount("tmpfs", "/tmp")?;
    rustix::fs::symlink(c"/proc/self/fd", c"/dev/fd")
        .map_err(errno)
        .during("the link /dev/fd")?;
    reserve().map_err(errno).during("reserving huge pages")
}

/// Mounts a file system of that kind: an empty one, or the kernel's only one.
fn mount(kind: &'static str, place: &'static str) -> Result<(), Failure> {
    match rustix::fs::mkdir(place, Mode::from(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => Err(errno(error)).during(place)?,
    }
    rustix::mount::mount("none", place, kind, MountFlags::empty(), None)
        .map_err(errno)
        .during(place)
}

/// Reserves the huge pages. Fails if there are fewer than requested, since claims would be
/// skipped.
fn reserve() -> Result<(), rustix::io::Errno> {
    let pool = rustix::fs::open(
        c"/proc/sys/vm/nr_hugepages",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::io::write(&pool, HUGE_PAGES)?;
    let mut room = [0; 16];
    let len = rustix::io::pread(&pool, &mut room, 0)?;
    if room[..len].trim_ascii() == HUGE_PAGES {
        Ok(())
    } else {
        Err(rustix::io::Errno::NOMEM)
    }
}

/// The exit status of QEMU if a claim failed. The comment of `PASSED` says which are possible.
const FAILED: u16 = 87;

/// Ends the machine.
fn end(passed: bool) -> ! {
    drain();
    stop(if passed { PASSED } else { FAILED });
    // Nothing reacted. The kernel panics now, which is no success.
    exit(1)
}

/// Waits until the serial line has sent its buffer, which would be lost with the kernel.
fn drain() {
    // SAFETY: nothing closes it.
    let console = unsafe { rustix::stdio::stdout() };
    let _ = rustix::termios::tcdrain(console);
}

/// Through the device `isa-debug-exit`, whose exit status is twice what is written, plus one.
#[cfg(target_arch = "x86_64")]
fn stop(status: u16) {
    const PORT: u16 = 0xf4;
    // SAFETY: no pointers; this program may use the port of its own machine.
    if unsafe { sc::syscall!(IOPERM, PORT, 4, 1) } != 0 {
        return;
    }
    // SAFETY: the port may be used, and the device changes nothing in this program's memory.
    unsafe {
        core::arch::asm!("out dx, eax", in("dx") PORT, in("eax") u32::from(status / 2), options(nomem, nostack, preserves_flags));
    };
}

/// Through semihosting: `SYS_EXIT_EXTENDED` with `ADP_Stopped_ApplicationExit`.
#[cfg(not(target_arch = "x86_64"))]
fn stop(status: u16) {
    let request = [0x2_0026, usize::from(status)];
    semihost(0x20, &request);
}

#[cfg(target_arch = "aarch64")]
fn semihost(operation: usize, request: &[usize; 2]) {
    // SAFETY: QEMU reads the request. Where nothing listens, the instruction ends the process.
    unsafe {
        core::arch::asm!("hlt #0xf000", inout("x0") operation => _, in("x1") request, options(readonly, nostack));
    };
}

#[cfg(target_arch = "riscv64")]
fn semihost(operation: usize, request: &[usize; 2]) {
    // SAFETY: as the three uncompressed instructions are in one page, QEMU takes them for a
    // request, which it reads. Where nothing listens, they end the process.
    unsafe {
        core::arch::asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inout("a0") operation => _, in("a1") request, options(readonly, nostack),
        );
    };
}
