//! The program's entry: the arguments that the kernel left on the stack.

use crate::run;
use core::ffi::{CStr, c_char};

start::start!(start);

/// The arguments, without the program's own name.
#[derive(Clone)]
pub struct Arguments(&'static [*const c_char]);

impl Iterator for Arguments {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        // SAFETY: each pointer is to a C string that lives as long as the process.
        Some(unsafe { CStr::from_ptr(*first) })
    }
}

extern "C" fn start(stack: *const usize) -> i32 {
    // SAFETY: the stack pointer that the kernel left points to the number of arguments.
    let count = unsafe { stack.read() };
    // SAFETY: that many pointers follow the number.
    let list = unsafe { stack.add(1) }.cast();
    // SAFETY: as above; nothing writes there.
    let list = unsafe { core::slice::from_raw_parts(list, count) };
    let mut arguments = Arguments(list);
    arguments.next();
    run(arguments)
}

/// Returns 0, which means "unknown", for every entry of the auxiliary vector.
///
/// The compiler's support code for atomic operations has a constructor that calls this to find
/// out which atomic instructions the CPU has, and links only if it exists. No constructor runs
/// here.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
extern "C" fn getauxval(_kind: u64) -> u64 {
    0
}
