//! Where the kernel enters the program. It finds nothing prepared but a stack.

use crate::{output::exit, run};

// The outermost frame has no caller: what would point to it is zero. The kernel aligns the
// stack as each CPU's calling convention asks for; what it left there, the arguments and the
// environment, is not needed.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
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
    "call {start}",
    "unimp",
    start = sym start,
);

extern "C" fn start() -> ! {
    exit(run())
}

/// Which atomic instructions this CPU has is asked here by a constructor of the compiler's own
/// support code, which is linked in as soon as anything is counted atomically. Nothing here
/// runs constructors; and that nothing is known is an answer too.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
extern "C" fn getauxval(_kind: u64) -> u64 {
    0
}
