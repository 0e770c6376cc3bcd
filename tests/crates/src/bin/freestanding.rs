//! A static program without libc and std that does what the library of this package does, and says
//! so.
#![no_std]
#![no_main]

#[allow(
    unsafe_code,
    unreachable_pub,
    reason = "the functions that the compiler calls"
)]
#[path = "../../../freestanding/src/memory.rs"]
mod memory;

use core::panic::PanicInfo;
use crates::everything;
use rustix::process::Signal;

start::start!(start);

/// Returns what the program exits with: 0, or the number of the error.
extern "C" fn start(_: *const usize) -> i32 {
    match everything() {
        Ok(()) => {
            say(b"everything works without std\n");
            0
        }
        Err(errno) => errno.raw_os_error(),
    }
}

fn say(line: &[u8]) {
    // SAFETY: nobody closes the standard output of this program.
    #[expect(unsafe_code, reason = "rustix's standard output is")]
    let out = unsafe { rustix::stdio::stdout() };
    let _ = rustix::io::write(out, line);
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::ABORT);
    }
}

/// Returns 0, which means "unknown", for every entry of the auxiliary vector: see the program in
/// tests/freestanding, which has the same.
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn getauxval(_kind: u64) -> u64 {
    0
}
