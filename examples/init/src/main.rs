//! An `/init` that carries a program: it puts it into a memory file, seals that, and runs what
//! nobody can change any more, in its own place and with its own arguments and environment.
//!
//! It needs nothing to be mounted and no descriptor to be open. Where the kernel found no
//! console, the memory file is descriptor 0, which is as good as any.
//!
//! If it fails, it says why in one line on the console, and ends with the errno as its status.
//! Since it is process 1 the kernel then panics: it prints that status too, for those who did
//! not see the line (`exitcode=0x00000800` is 8, `ENOEXEC`), and waits or restarts as `panic=`
//! on its command line says. Nobody can take that for success.
//!
//! The program is in memory twice, in the file `/init` and in the memory file. One that is
//! large may remove the first.
#![no_std]
#![no_main]

mod sys;

use core::{
    ffi::{CStr, c_char},
    panic::{Location, PanicInfo},
};
use owned_memfd::{
    Errno, MemFdOptions,
    exec::{Args, ExecError},
};
use sys::number;

/// What build.rs has put there.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/program"));

/// Where the kernel starts this program: on top of its stack are the count of the arguments,
/// the arguments, a null pointer, the environment, and another null pointer.
///
/// # Safety
/// `stack` is that.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the caller has it from the kernel, which has put the count there.
    let count = unsafe { stack.read() };
    let arguments: *const *const c_char = stack.wrapping_add(1).cast();
    let environment = arguments.wrapping_add(count).wrapping_add(1);
    // SAFETY: likewise the list, which nobody changes.
    let arguments = unsafe { Args::from_ptr(arguments) };
    // SAFETY: as above.
    let environment = unsafe { Args::from_ptr(environment) };
    run(arguments, environment)
}

fn run(arguments: Args<'_>, environment: Args<'_>) -> ! {
    let file = MemFdOptions::new()
        .executable(true)
        .create(c"program")
        .unwrap_or_else(|error| fail("cannot create the memory file", error));
    file.write_all(PROGRAM)
        .unwrap_or_else(|error| fail("cannot write the memory file", error));
    // Proven by asking the kernel: what is looked at from here on is what runs. A program that
    // came from elsewhere would now have its signature checked, on the bytes of `sealed.map()`.
    let sealed = file
        .seal()
        .unwrap_or_else(|error| fail("cannot seal the memory file", error));

    let Err(mut error) = sealed.exec(arguments, environment);
    // The security module TOMOYO, as in Debian's 5.10, wants a path, which the library finds in
    // /proc. So early there is none. Whoever is not process 1 leaves the mounts alone.
    if error == ExecError::NoDevFd && sys::process_id() == 1 {
        mount_proc();
        Err(error) = sealed.exec(arguments, environment);
    }
    match error {
        ExecError::NoDevFd | ExecError::NoInterpreter => {
            fail("the program's interpreter or /dev/fd is missing", error)
        }
        ExecError::ScriptCloseOnExec => fail("cannot run a script", error),
        _ => fail("cannot run the program", error),
    }
}

/// Mounts what the program would mount first of all. If that fails, so does the next attempt
/// to run it, which then says so.
fn mount_proc() {
    /// `MS_NOSUID`, `MS_NODEV` and `MS_NOEXEC`, include/uapi/linux/mount.h.
    const FLAGS: usize = 2 | 4 | 8;

    let address = |text: &'static CStr| text.as_ptr().expose_provenance();
    let (path, proc) = (address(c"/proc"), address(c"proc"));
    // SAFETY: the path ends in NUL and is static; as it is absolute, the directory counts for
    // nothing.
    unsafe { sys::system_call(number::MKDIRAT, 0, path, 0o555, 0, 0) };
    // SAFETY: the three strings end in NUL and are static; there are no options.
    unsafe { sys::system_call(number::MOUNT, proc, path, proc, FLAGS, 0) };
}

fn fail(what: &str, errno: impl Into<Errno>) -> ! {
    let errno = errno.into();
    let name = errno.name().unwrap_or("an errno without a name");
    sys::say(&["init: ", what, ": ", name, "\n"]);
    sys::exit(errno.raw_os_error().unsigned_abs())
}

/// Not linked as long as nothing panics.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let file = info.location().map_or("an unknown file", Location::file);
    sys::say(&["init: panic in ", file, "\n"]);
    sys::exit(101)
}
