//! The system calls that both programs here need, and the code that differs between CPUs: how a
//! program starts, how it enters the kernel, and the numbers of the system calls.
#![allow(dead_code, reason = "each of the two programs uses a part")]

use core::{arch::global_asm, mem::MaybeUninit};

// `_start` is where the kernel enters the program. The kernel prepares only the stack: the stack
// pointer is aligned to 16 bytes, as a call requires on all three CPUs, and points to what
// `crate::start` describes. All other registers are unspecified.
//
// `system_call` is a C function, so its arguments are in the registers for those of a function.
// It moves them to the registers for a system call. It must not be inlined: on aarch64 and
// riscv64 the kernel overwrites vector registers, which callers expect of a function only.
#[cfg(target_arch = "x86_64")]
global_asm!(
    // The linker takes this symbol for the entry point.
    ".globl _start",
    "_start:",
    // Zero the frame pointer: this is the outermost frame, so a debugger that follows frame
    // pointers ends here.
    "xor ebp, ebp",
    // First argument of `start`: the stack pointer, as the kernel left it.
    "mov rdi, rsp",
    // Call `start`, which does not return. This pushes a return address, so `start` finds the
    // stack 8 bytes below a multiple of 16, as after any call.
    "call {start}",
    // Never reached. If it were, this would be an illegal instruction.
    "ud2",
    ".globl system_call",
    "system_call:",
    // The number of the system call.
    "mov eax, edi",
    // Its first three arguments. Each move reads a register before the next one overwrites it.
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    // The fourth one goes into `r10`, since `syscall` overwrites `rcx`.
    "mov r10, r8",
    // The fifth one.
    "mov r8, r9",
    // Enter the kernel, which leaves its result in `rax`, where a function returns it.
    "syscall",
    "ret",
    start = sym crate::start,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    // The linker takes this symbol for the entry point.
    ".globl _start",
    "_start:",
    // Zero the frame pointer: this is the outermost frame, so a debugger that follows frame
    // pointers ends here.
    "mov x29, xzr",
    // Zero the return address too, for a debugger that looks at it before the call.
    "mov x30, xzr",
    // First argument of `start`: the stack pointer, as the kernel left it.
    "mov x0, sp",
    // Call `start`, which does not return.
    "bl {start}",
    // Never reached. If it were, this would be a trap.
    "brk #1",
    ".globl system_call",
    "system_call:",
    // The number of the system call.
    "mov x8, x0",
    // Its five arguments. Each move reads a register before the next one overwrites it.
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "mov x3, x4",
    "mov x4, x5",
    // Enter the kernel, which leaves its result in `x0`, where a function returns it.
    "svc #0",
    "ret",
    start = sym crate::start,
);

#[cfg(target_arch = "riscv64")]
global_asm!(
    // The linker takes this symbol for the entry point.
    ".globl _start",
    "_start:",
    // Point `gp` to the middle of the small data. The linker may shorten the address of any
    // symbol near it to an offset from `gp`. It must not do so in the instruction that sets
    // `gp`: `norelax` forbids that, until `pop` restores the options.
    ".option push",
    ".option norelax",
    "la gp, __global_pointer$",
    ".option pop",
    // Zero the frame pointer: this is the outermost frame, so a debugger that follows frame
    // pointers ends here.
    "mv s0, zero",
    // Zero the return address too, for a debugger that looks at it before the call.
    "mv ra, zero",
    // First argument of `start`: the stack pointer, as the kernel left it.
    "mv a0, sp",
    // Call `start`, which does not return.
    "call {start}",
    // Never reached. If it were, this would be an illegal instruction.
    "unimp",
    ".globl system_call",
    "system_call:",
    // The number of the system call.
    "mv a7, a0",
    // Its five arguments. Each move reads a register before the next one overwrites it.
    "mv a0, a1",
    "mv a1, a2",
    "mv a2, a3",
    "mv a3, a4",
    "mv a4, a5",
    // Enter the kernel, which leaves its result in `a0`, where a function returns it.
    "ecall",
    "ret",
    start = sym crate::start,
);

unsafe extern "C" {
    /// Makes the system call of this number, and returns the kernel's result.
    ///
    /// # Safety
    /// The arguments are those that the call's man page describes, and zero after them.
    pub fn system_call(number: u32, a: usize, b: usize, c: usize, d: usize, e: usize) -> usize;
}

/// The numbers of the system calls, which `x86_64` does not share with other CPUs:
/// `unistd_64.h`.
#[cfg(target_arch = "x86_64")]
pub mod number {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const IOCTL: u32 = 16;
    pub const GETPID: u32 = 39;
    pub const FCNTL: u32 = 72;
    pub const MOUNT: u32 = 165;
    pub const REBOOT: u32 = 169;
    pub const EXIT_GROUP: u32 = 231;
    pub const MKDIRAT: u32 = 258;
    pub const DUP3: u32 = 292;
}

/// The numbers of the system calls, which all newer CPUs share: `asm-generic/unistd.h`.
#[cfg(not(target_arch = "x86_64"))]
pub mod number {
    pub const DUP3: u32 = 24;
    pub const FCNTL: u32 = 25;
    pub const IOCTL: u32 = 29;
    pub const MKDIRAT: u32 = 34;
    pub const MOUNT: u32 = 40;
    pub const READ: u32 = 63;
    pub const WRITE: u32 = 64;
    pub const EXIT_GROUP: u32 = 94;
    pub const REBOOT: u32 = 142;
    pub const GETPID: u32 = 172;
}

/// Prints a line of at most 256 bytes on descriptor 2, which is the console if the kernel found
/// one. It makes a single call, so that no message of the kernel comes in between.
///
/// Process 1 then waits until the line is sent: the buffer of a serial line is lost when the
/// kernel panics or the power goes off.
pub fn say(pieces: &[&str]) {
    /// Waits like `tcdrain(3)` if its argument is 1: include/uapi/asm-generic/ioctls.h.
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

/// Reads the start of a file that this process has inherited, unless somebody could change it.
/// Another descriptor of that number, as of a terminal, would be somebody else's.
pub fn read_sealed(fd: usize, room: &mut [MaybeUninit<u8>]) -> Option<&[u8]> {
    /// `F_GET_SEALS`, include/uapi/linux/fcntl.h.
    const GET_SEALS: usize = 1034;
    /// `F_SEAL_SHRINK` and `F_SEAL_WRITE`.
    const PROOF: usize = 2 | 8;

    // SAFETY: no pointers.
    let seals = unsafe { system_call(number::FCNTL, fd, GET_SEALS, 0, 0, 0) };
    let start = room.as_mut_ptr().expose_provenance();
    // SAFETY: the kernel writes to the room, which is borrowed alone.
    let read = || unsafe { system_call(number::READ, fd, start, room.len(), 0, 0) };
    // An error is a number above all seals, and above all lengths.
    let len = (seals & !63 == 0 && seals & PROOF == PROOF).then(read)?;
    let bytes = room.get(..len)?;
    // SAFETY: the kernel has written these bytes.
    Some(unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) })
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
