//! What every program here has in common: how it starts, how it ends, and that it does not
//! panic.
#![no_std]

use core::panic::PanicInfo;

unsafe extern "C" {
    /// Defined nowhere: a program into which any code that can panic is linked does not
    /// link.
    fn code_that_panics_is_linked() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: never linked, and so never run.
    unsafe { code_that_panics_is_linked() }
}

/// What `core` names where it is not optimized as one with the program. Nothing unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The content of a lifecycle: one page.
pub static PAGE: [u8; 4096] = [7; 4096];

/// Makes a program of `fn main() -> i32`, whose answer is its exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        extern "C" fn start() -> i32 {
            $main()
        }

        #[cfg(target_arch = "x86_64")]
        core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "and rsp, -16",
            "call {start}",
            "mov edi, eax",
            "mov eax, 231",
            "syscall",
            start = sym start,
        );
        #[cfg(target_arch = "aarch64")]
        core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "bl {start}",
            "mov x8, 94",
            "svc 0",
            start = sym start,
        );
        #[cfg(target_arch = "riscv64")]
        core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "call {start}",
            "li a7, 94",
            "ecall",
            start = sym start,
        );
    };
}
