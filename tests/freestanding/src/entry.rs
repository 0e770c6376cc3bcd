//! Where the kernel enters the program. It finds nothing prepared but a stack, on which its
//! arguments are.

use crate::{output::exit, run};
use core::ffi::{CStr, c_char};

// The outermost frame has no caller: what would point to it is zero. The kernel aligns the
// stack as each CPU's calling convention asks for, and leaves there the number of the arguments
// and then a pointer to each.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "call {start}",
    "ud2",
    start = sym start,
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "bl {start}",
    "brk #1",
    start = sym start,
);

#[cfg(target_arch = "riscv64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    // Small data is addressed from here; the linker must not do so in setting it up.
    ".option push",
    ".option norelax",
    "la gp, __global_pointer$",
    ".option pop",
    "mv s0, zero",
    "mv ra, zero",
    "mv a0, sp",
    "call {start}",
    "unimp",
    start = sym start,
);

/// The arguments, without the program's own name.
#[derive(Clone)]
pub struct Arguments(&'static [*const c_char]);

impl Iterator for Arguments {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        // SAFETY: the kernel has put a C string at each, for as long as the process lives.
        Some(unsafe { CStr::from_ptr(*first) })
    }
}

extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the kernel has left the number of the arguments where the stack begins.
    let count = unsafe { stack.read() };
    // SAFETY: ... and behind it that many pointers.
    let list = unsafe { stack.add(1) }.cast();
    // SAFETY: as above; nothing writes there.
    let list = unsafe { core::slice::from_raw_parts(list, count) };
    let mut arguments = Arguments(list);
    arguments.next();
    exit(run(arguments))
}

/// Which atomic instructions this CPU has is asked here by a constructor of the compiler's own
/// support code, which is linked in as soon as anything is counted atomically. Nothing here
/// runs constructors; and that nothing is known is an answer too.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
extern "C" fn getauxval(_kind: u64) -> u64 {
    0
}
