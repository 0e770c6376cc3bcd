//! What both programs here need of the kernel, and what differs between the CPUs: how a
//! program is entered, how it calls the kernel, and the numbers of the calls.
#![allow(dead_code, reason = "each of the two programs uses a part")]

use core::{arch::global_asm, mem::MaybeUninit};

// `_start` passes on what the kernel has put on the stack. The outermost frame has no caller:
// what would point to it is zero.
//
// `system_call` is a function and not inlined: on aarch64 and riscv64 the kernel destroys vector
// registers at every call, which a caller expects of a function and of nothing else.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "call {start}",
    "ud2",
    ".globl system_call",
    "system_call:",
    "mov eax, edi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov r10, r8",
    "mov r8, r9",
    "syscall",
    "ret",
    start = sym crate::start,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "bl {start}",
    "brk #1",
    ".globl system_call",
    "system_call:",
    "mov x8, x0",
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "mov x3, x4",
    "mov x4, x5",
    "svc #0",
    "ret",
    start = sym crate::start,
);

#[cfg(target_arch = "riscv64")]
global_asm!(
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
    ".globl system_call",
    "system_call:",
    "mv a7, a0",
    "mv a0, a1",
    "mv a1, a2",
    "mv a2, a3",
    "mv a3, a4",
    "mv a4, a5",
    "ecall",
    "ret",
    start = sym crate::start,
);

unsafe extern "C" {
    /// Makes the system call of this number, and gives the kernel's answer.
    ///
    /// # Safety
    /// The arguments are what the call's man page wants, and zero behind those.
    pub fn system_call(number: u32, a: usize, b: usize, c: usize, d: usize, e: usize) -> usize;
}

/// The numbers that `x86_64` has of its own: `unistd_64.h`.
#[cfg(target_arch = "x86_64")]
pub mod number {
    pub const WRITE: u32 = 1;
    pub const IOCTL: u32 = 16;
    pub const GETPID: u32 = 39;
    pub const MOUNT: u32 = 165;
    pub const REBOOT: u32 = 169;
    pub const EXIT_GROUP: u32 = 231;
    pub const MKDIRAT: u32 = 258;
}

/// The numbers that all newer CPUs share: `asm-generic/unistd.h`.
#[cfg(not(target_arch = "x86_64"))]
pub mod number {
    pub const IOCTL: u32 = 29;
    pub const MKDIRAT: u32 = 34;
    pub const MOUNT: u32 = 40;
    pub const WRITE: u32 = 64;
    pub const EXIT_GROUP: u32 = 94;
    pub const REBOOT: u32 = 142;
    pub const GETPID: u32 = 172;
}

/// Says a line of at most 256 bytes on descriptor 2, which is the console if the kernel found
/// one. In one call, so that the kernel's own messages do not come in between.
///
/// As process 1, waits until it is out: what is left in a serial line's buffer does not survive
/// a panic or the power.
pub fn say(pieces: &[&str]) {
    /// include/uapi/asm-generic/ioctls.h; with 1, as `tcdrain(3)`.
    const TCSBRK: usize = 0x5409;

    let mut line = [const { MaybeUninit::<u8>::uninit() }; 256];
    let mut len = 0;
    let bytes = pieces.iter().flat_map(|piece| piece.bytes());
    for (slot, byte) in line.iter_mut().zip(bytes) {
        slot.write(byte);
        len += 1;
    }
    let start = line.as_ptr().expose_provenance();
    // SAFETY: the kernel reads the first `len` bytes, which have been written.
    unsafe { system_call(number::WRITE, 2, start, len, 0, 0) };
    if process_id() == 1 {
        // SAFETY: no pointers.
        unsafe { system_call(number::IOCTL, 2, TCSBRK, 1, 0, 0) };
    }
}

/// The number of this process.
pub fn process_id() -> usize {
    // SAFETY: no pointers.
    unsafe { system_call(number::GETPID, 0, 0, 0, 0, 0) }
}

/// Ends this process.
pub fn exit(status: u32) -> ! {
    loop {
        // SAFETY: no pointers; and this does not return.
        unsafe { system_call(number::EXIT_GROUP, status as usize, 0, 0, 0, 0) };
    }
}
