//! An `/init` that carries a program and its configuration, both as sealed memory files.
//!
//! It copies the program into a memory file that nobody can change any more, and replaces itself by
//! the program, which gets the same arguments and environment. The program reads the
//! configuration, if there is one, from descriptor 3. If that number is open, it is replaced.
//!
//! It needs no mounted file system and no open descriptor. If the kernel found no console, the
//! memory file gets descriptor 0, which works like any other.
//!
//! If it fails, it prints in one line on the console which program it could not run and why, and
//! exits with the errno as its status. build.rs finds most reasons before: a program for another
//! CPU, or one that is cut off, is not built in. When process 1 exits, the kernel panics. It prints
//! the status too (`exitcode=0x00000800` is 8, `ENOEXEC`), and then waits or restarts, as `panic=`
//! on its command line says.
//!
//! The program is in memory twice: in the file `/init` and in the memory file. A large program
//! may remove `/init`.
#![no_std]
#![no_main]

mod sys;

use core::{
    ffi::{CStr, c_char},
    panic::{Location, PanicInfo},
};
use owned_memfd::{
    Errno, MemFdOptions, SealedMemFd,
    exec::{Args, ExecError},
    fd::{AsRawFd, RawFd},
};
use sys::number;

/// The program that build.rs provides.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/program"));

/// The name of the file that it was.
const NAME: &str = env!("INIT_PROGRAM_NAME");

/// The configuration that build.rs provides. It may be empty.
static CONFIG: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/config"));

/// The descriptor from which the program reads it.
const CONFIG_FD: RawFd = 3;

/// Runs the program with the arguments and the environment that the kernel left on the stack.
///
/// # Safety
/// `stack` is the stack pointer from the kernel. It points to the number of arguments, which the
/// arguments, a null pointer, the environment, and another null pointer follow.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the caller promises that the number of arguments is there.
    let count = unsafe { stack.read() };
    let arguments: *const *const c_char = stack.wrapping_add(1).cast();
    let environment = arguments.wrapping_add(count).wrapping_add(1);
    // SAFETY: the same holds for the list, which nothing changes.
    let arguments = unsafe { Args::from_ptr(arguments) };
    // SAFETY: as above.
    let environment = unsafe { Args::from_ptr(environment) };
    run(arguments, environment)
}

fn run(arguments: Args<'_>, environment: Args<'_>) -> ! {
    // Before the program's file, which then cannot take its number.
    let _config = (!CONFIG.is_empty()).then(hand_over_config);
    // If the program came from elsewhere, this would be the place to check a signature, on the
    // bytes of `sealed.map()`: they cannot change any more.
    let sealed = memory_file(MemFdOptions::new().executable(true), c"program", PROGRAM)
        .unwrap_or_else(|error| fail("cannot make the memory file of ", "", error));

    let Err(mut error) = sealed.exec(arguments, environment);
    // The security module TOMOYO, as in Debian's 5.10, requires a path, which the library finds
    // in /proc. That is not mounted so early. Only process 1 mounts it.
    if error == ExecError::NoDevFd && sys::process_id() == 1 {
        mount_proc();
        Err(error) = sealed.exec(arguments, environment);
    }
    let why = match error {
        ExecError::Empty => "it is empty: ",
        ExecError::Truncated => "it is cut off: ",
        ExecError::OtherMachine { .. } => "it is for another CPU: ",
        ExecError::InvalidExecutable => "it is not a program: ",
        ExecError::ScriptCloseOnExec => "it is a script: ",
        ExecError::NotExecutable => "it may not be executed: ",
        ExecError::NoInterpreter => "its interpreter is missing: ",
        ExecError::NoDevFd => "its interpreter or /dev/fd is missing: ",
        _ => "",
    };
    fail("cannot run ", why, error)
}

/// Makes a sealed file, which is read from its start.
fn memory_file(options: MemFdOptions, name: &CStr, bytes: &[u8]) -> Result<SealedMemFd, Errno> {
    let file = options.create(name)?;
    file.write_all_at(bytes, 0)?;
    Ok(file.seal()?)
}

/// Makes the file of the configuration, which the program inherits.
fn hand_over_config() -> SealedMemFd {
    let file = memory_file(MemFdOptions::new(), c"config", CONFIG)
        .unwrap_or_else(|error| fail("cannot make the configuration of ", "", error));
    // It has that number, unless the kernel has found no console and opened nothing.
    let handed_over = if file.as_raw_fd() == CONFIG_FD {
        file.as_memfd().set_close_on_exec(false)
    } else {
        duplicate(file.as_raw_fd(), CONFIG_FD)
    };
    handed_over.unwrap_or_else(|error| fail("cannot hand over the configuration of ", "", error));
    file
}

/// Makes the number `to` a descriptor of the same file, which the program inherits. Nothing here
/// owns one of that number.
fn duplicate(from: RawFd, to: RawFd) -> Result<(), Errno> {
    let (from, to) = (from.unsigned_abs() as usize, to.unsigned_abs() as usize);
    // SAFETY: no pointers, and the caller says that nothing owns what is replaced.
    let result = unsafe { sys::system_call(number::DUP3, from, to, 0, 0, 0) };
    if result == to {
        return Ok(());
    }
    // The kernel returns the errno as a negative number.
    let errno = i32::try_from(result.wrapping_neg());
    Err(errno.map_or(Errno::EINVAL, Errno::from_raw_os_error))
}

/// Mounts `/proc`, which the program would mount first anyway. If that fails, the next attempt
/// to run the program fails too, and reports it.
fn mount_proc() {
    /// `MS_NOSUID`, `MS_NODEV` and `MS_NOEXEC`, include/uapi/linux/mount.h.
    const FLAGS: usize = 2 | 4 | 8;

    let address = |text: &'static CStr| text.as_ptr().expose_provenance();
    let (path, proc) = (address(c"/proc"), address(c"proc"));
    // SAFETY: the path ends in NUL and is static. It is absolute, so the directory has no
    // effect.
    unsafe { sys::system_call(number::MKDIRAT, 0, path, 0o555, 0, 0) };
    // SAFETY: the three strings end in NUL and are static; there are no options.
    unsafe { sys::system_call(number::MOUNT, proc, path, proc, FLAGS, 0) };
}

fn fail(what: &str, why: &str, errno: impl Into<Errno>) -> ! {
    let errno = errno.into();
    let name = errno.name().unwrap_or("an errno without a name");
    sys::say(&["init: ", what, NAME, ": ", why, name, "\n"]);
    sys::exit(errno.raw_os_error().unsigned_abs())
}

/// Not linked unless some code can panic.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let file = info.location().map_or("an unknown file", Location::file);
    sys::say(&["init: panic in ", file, "\n"]);
    sys::exit(101)
}
