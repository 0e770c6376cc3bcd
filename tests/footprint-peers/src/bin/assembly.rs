//! The lifecycle of `bare` in assembly, with a check of each call that can tell something.
//!
//! The kernel keeps every register but the result's and, on x86_64, `rcx` and `r11`. So what the
//! next call needs again is not loaded again.
#![no_std]
#![no_main]

use footprint::PAGE;

unsafe extern "C" {
    /// Below. It needs no argument.
    fn lifecycle(_: *const usize) -> i32;
}

footprint::start::start!(lifecycle);

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    "lifecycle:",
    // memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING)
    "mov eax, 319",
    "mov edi, offset .Lname",
    "mov esi, 3",
    "syscall",
    "test eax, eax",
    "js 2f",
    // write(file, page, 4096)
    "mov edi, eax",
    "mov eax, 1",
    "mov esi, offset {page}",
    "mov edx, 4096",
    "syscall",
    "cmp eax, edx",
    "jne 1f",
    // fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
    "mov eax, 72",
    "mov esi, 1033",
    "mov edx, 14",
    "syscall",
    "test eax, eax",
    "jnz 1f",
    // fcntl(file, F_GET_SEALS)
    "mov eax, 72",
    "mov esi, 1034",
    "syscall",
    "cmp eax, edx",
    "jne 1f",
    // close(file)
    "mov eax, 3",
    "syscall",
    "xor eax, eax",
    "ret",
    "1:",
    "mov eax, 3",
    "syscall",
    "2:",
    "mov eax, 1",
    "ret",
    ".section .rodata, \"a\"",
    ".Lname: .asciz \"page\"",
    ".text",
    page = sym PAGE,
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    "lifecycle:",
    // memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING)
    "adr x0, .Lname",
    "mov w1, #3",
    "mov w8, #279",
    "svc #0",
    "tbnz w0, #31, 2f",
    // write(file, page, 4096)
    "mov w9, w0",
    "adr x1, {page}",
    "mov w2, #4096",
    "mov w8, #64",
    "svc #0",
    "cmp w0, w2",
    "b.ne 1f",
    // fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
    "mov w0, w9",
    "mov w1, #1033",
    "mov w2, #14",
    "mov w8, #25",
    "svc #0",
    "cbnz w0, 1f",
    // fcntl(file, F_GET_SEALS)
    "mov w0, w9",
    "mov w1, #1034",
    "svc #0",
    "cmp w0, w2",
    "b.ne 1f",
    // close(file)
    "mov w0, w9",
    "mov w8, #57",
    "svc #0",
    "mov w0, #0",
    "ret",
    "1:",
    "mov w0, w9",
    "mov w8, #57",
    "svc #0",
    "2:",
    "mov w0, #1",
    "ret",
    ".section .rodata, \"a\"",
    ".Lname: .asciz \"page\"",
    ".text",
    page = sym PAGE,
);

#[cfg(target_arch = "riscv64")]
core::arch::global_asm!(
    "lifecycle:",
    // memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING)
    "la a0, .Lname",
    "li a1, 3",
    "li a7, 279",
    "ecall",
    "bltz a0, 2f",
    // write(file, page, 4096)
    "mv t0, a0",
    "la a1, {page}",
    "li a2, 4096",
    "li a7, 64",
    "ecall",
    "bne a0, a2, 1f",
    // fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
    "mv a0, t0",
    "li a1, 1033",
    "li a2, 14",
    "li a7, 25",
    "ecall",
    "bnez a0, 1f",
    // fcntl(file, F_GET_SEALS)
    "mv a0, t0",
    "li a1, 1034",
    "ecall",
    "bne a0, a2, 1f",
    // close(file)
    "mv a0, t0",
    "li a7, 57",
    "ecall",
    "li a0, 0",
    "ret",
    "1:",
    "mv a0, t0",
    "li a7, 57",
    "ecall",
    "2:",
    "li a0, 1",
    "ret",
    ".section .rodata, \"a\"",
    ".Lname: .asciz \"page\"",
    ".text",
    page = sym PAGE,
);
