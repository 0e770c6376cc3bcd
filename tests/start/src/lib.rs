//! How the test programs without libc start and end: `_start` for each CPU.
//!
//! The kernel enters a program at `_start`, and prepares only the stack: `sp` is aligned to 16
//! bytes, as a call requires on all three CPUs, and points to the number of arguments. After
//! that number stand a pointer to each argument, a null pointer, the environment, another null
//! pointer, and the auxiliary vector. All other registers are unspecified.
#![no_std]

/// Makes a program of `$main: extern "C" fn(*const usize) -> i32`: calls it with the stack
/// pointer that the kernel left, and exits with what it returns.
///
/// The number of a system call goes into `eax`, `x8` or `a7`, and its first argument into `edi`,
/// `x0` or `a0`. `exit_group` ends every thread of the process and does not return.
#[macro_export]
macro_rules! start {
    ($main:path) => {
        #[cfg(target_arch = "x86_64")]
        ::core::arch::global_asm!(
            // Other files can refer to `_start`; the linker takes it for the entry point.
            ".globl _start",
            "_start:",
            // Zero the frame pointer: this is the outermost frame, so a debugger that follows
            // frame pointers ends here.
            "xor ebp, ebp",
            // First argument of `main`: the stack pointer, as the kernel left it.
            "mov rdi, rsp",
            // Call `main`. This pushes a return address, so `main` finds the stack 8 bytes
            // below a multiple of 16, as after any call.
            "call {main}",
            // First argument of `exit_group`: the status that `main` returned. `eax` gets what
            // was in `edi`; exchanging them is one byte shorter than copying.
            "xchg edi, eax",
            // 231 is the number of `exit_group` on x86_64.
            "mov eax, 231",
            // Enter the kernel. Nothing follows, since this call does not return.
            "syscall",
            main = sym $main,
        );

        #[cfg(target_arch = "aarch64")]
        ::core::arch::global_asm!(
            // Other files can refer to `_start`; the linker takes it for the entry point.
            ".globl _start",
            "_start:",
            // Zero the frame pointer: this is the outermost frame, so a debugger that follows
            // frame pointers ends here.
            "mov x29, xzr",
            // Zero the return address too, for a debugger that looks at it before the call.
            "mov x30, xzr",
            // First argument of `main`: the stack pointer, as the kernel left it.
            "mov x0, sp",
            // Call `main`.
            "bl {main}",
            // First argument of `exit_group`: the status that `main` returned is in `x0`
            // already. 94 is the number of `exit_group` on aarch64.
            "mov x8, #94",
            // Enter the kernel. Nothing follows, since this call does not return.
            "svc #0",
            main = sym $main,
        );

        #[cfg(target_arch = "riscv64")]
        ::core::arch::global_asm!(
            // Other files can refer to `_start`; the linker takes it for the entry point.
            ".globl _start",
            "_start:",
            // Point `gp` to the middle of the small data. The linker may shorten the address of
            // any symbol near it to an offset from `gp`. It must not do so in the instruction
            // that sets `gp`: `norelax` forbids that, until `pop` restores the options.
            ".option push",
            ".option norelax",
            "la gp, __global_pointer$",
            ".option pop",
            // Zero the frame pointer: this is the outermost frame, so a debugger that follows
            // frame pointers ends here.
            "mv s0, zero",
            // Zero the return address too, for a debugger that looks at it before the call.
            "mv ra, zero",
            // First argument of `main`: the stack pointer, as the kernel left it.
            "mv a0, sp",
            // Call `main`.
            "call {main}",
            // First argument of `exit_group`: the status that `main` returned is in `a0`
            // already. 94 is the number of `exit_group` on riscv64.
            "li a7, 94",
            // Enter the kernel. Nothing follows, since this call does not return.
            "ecall",
            main = sym $main,
        );
    };
}
