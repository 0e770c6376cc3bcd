//! `x86_64`: `syscall`. The kernel changes `rax`, `rcx` and `r11`, all of which `sc` declares,
//! and keeps every vector, mask and tile register. A call can be inlined into its caller.
//!
//! Memory that others write: every load is an acquire load, every store a release store, and
//! every locked instruction is sequentially consistent. Accesses may be misaligned at no great
//! cost, and SSE2 is always there.

use core::{
    arch::asm,
    sync::atomic::Ordering::{self, Relaxed, Release},
};

/// Gives the function of a system call the attribute that this CPU needs.
macro_rules! system_call {
    ($($function:tt)*) => {
        #[inline(always)]
        $($function)*
    };
}

/// From this length on, a string instruction is faster than a loop, although it takes some 30
/// cycles to start.
const LONG: usize = 2048;
/// From this length on, about that of the cache of one core, a loop is faster again,
const CACHED: usize = 512 << 10;
/// and from this one on, which the caches do not keep, the string instruction.
const UNCACHED: usize = 4 << 20;

/// Copies `len` bytes from `from` to `to`. The two ranges do not overlap.
///
/// Up to 128 bytes are loaded as a whole before they are stored, from both ends, and meet or
/// overlap in the middle. Of more, the first and the last 64 are copied so. What is between them
/// is a loop with aligned stores, or from [`LONG`] up to [`CACHED`], and from [`UNCACHED`] on, a
/// string instruction: by words, which also CPUs without fast ones for bytes (ERMS) do well. It
/// stays a loop where the destination lies
/// less than 64 bytes after the source, both as offsets in a page, as an allocation of the C
/// library does after a page: AMD's Zen 3 is 7 to 20 times slower there with string instructions.
#[allow(clippy::too_many_lines, reason = "one instruction a line")]
#[inline(never)]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller has both ranges, and nothing outside of them is touched. All registers
    // that change are named, and the flags are not said to stay.
    unsafe {
        asm!(
            "cmp rdx, 16",
            "jb 6f",
            "movups xmm0, [rsi]",
            "movups xmm1, [rsi + rdx - 16]",
            "cmp rdx, 32",
            "ja 2f",
            // 16 to 32
            "movups [rdi], xmm0",
            "movups [rdi + rdx - 16], xmm1",
            "jmp 9f",
            "2:",
            "movups xmm2, [rsi + 16]",
            "movups xmm3, [rsi + rdx - 32]",
            "cmp rdx, 64",
            "ja 3f",
            // 33 to 64
            "movups [rdi], xmm0",
            "movups [rdi + 16], xmm2",
            "movups [rdi + rdx - 32], xmm3",
            "movups [rdi + rdx - 16], xmm1",
            "jmp 9f",
            "3:",
            // The first 64 and, to be stored at the end, the last 64.
            "movups xmm4, [rsi + 32]",
            "movups xmm5, [rsi + 48]",
            "movups xmm6, [rsi + rdx - 64]",
            "movups xmm7, [rsi + rdx - 48]",
            "lea rax, [rdi + rdx - 64]",
            "movups [rdi], xmm0",
            "movups [rdi + 16], xmm2",
            "movups [rdi + 32], xmm4",
            "movups [rdi + 48], xmm5",
            "cmp rdx, 128",
            "jbe 5f",
            // On to where the destination is next a multiple of 64.
            "mov rcx, rdi",
            "or rdi, 63",
            "inc rdi",
            "sub rcx, rdi",
            "sub rsi, rcx",
            "cmp rdx, {LONG}",
            "jae 8f",
            "4:",
            "movups xmm0, [rsi]",
            "movups xmm2, [rsi + 16]",
            "movups xmm4, [rsi + 32]",
            "movups xmm5, [rsi + 48]",
            "add rsi, 64",
            "movaps [rdi], xmm0",
            "movaps [rdi + 16], xmm2",
            "movaps [rdi + 32], xmm4",
            "movaps [rdi + 48], xmm5",
            "add rdi, 64",
            "cmp rdi, rax",
            "jb 4b",
            "5:",
            "movups [rax], xmm6",
            "movups [rax + 16], xmm7",
            "movups [rax + 32], xmm3",
            "movups [rax + 48], xmm1",
            "jmp 9f",
            "6:",
            "cmp edx, 8",
            "jb 7f",
            // 8 to 15
            "mov rax, [rsi]",
            "mov rcx, [rsi + rdx - 8]",
            "mov [rdi], rax",
            "mov [rdi + rdx - 8], rcx",
            "jmp 9f",
            "7:",
            "cmp edx, 4",
            "jb 7f",
            // 4 to 7
            "mov eax, [rsi]",
            "mov ecx, [rsi + rdx - 4]",
            "mov [rdi], eax",
            "mov [rdi + rdx - 4], ecx",
            "jmp 9f",
            "7:",
            "test edx, edx",
            "jz 9f",
            // 1 to 3: the last, the first, and the one in the middle.
            "movzx eax, byte ptr [rsi + rdx - 1]",
            "movzx ecx, byte ptr [rsi]",
            "mov [rdi + rdx - 1], al",
            "mov [rdi], cl",
            "shr edx, 1",
            "movzx eax, byte ptr [rsi + rdx]",
            "mov [rdi + rdx], al",
            "jmp 9f",
            "8:",
            // The difference of both as offsets in a page, less 1.
            "mov ecx, edi",
            "sub ecx, esi",
            "dec ecx",
            "and ecx, 4095",
            "cmp ecx, 63",
            "jae 8f",
            "jmp 4b",
            "8:",
            "sub rdx, {CACHED}",
            "cmp rdx, {UNCACHED} - {CACHED}",
            "jae 8f",
            "jmp 4b",
            "8:",
            // As many words as reach into the last 64 bytes.
            "lea rcx, [rax + 7]",
            "sub rcx, rdi",
            "shr rcx, 3",
            "rep movsq",
            "jmp 5b",
            "9:",
            LONG = const LONG,
            CACHED = const CACHED,
            UNCACHED = const UNCACHED,
            inout("rdi") to => _,
            inout("rsi") from => _,
            inout("rdx") len => _,
            out("rax") _,
            out("rcx") _,
            out("xmm0") _,
            out("xmm1") _,
            out("xmm2") _,
            out("xmm3") _,
            out("xmm4") _,
            out("xmm5") _,
            out("xmm6") _,
            out("xmm7") _,
            options(nostack),
        );
    }
}

/// A load and a store of this type, and how a register of its size is written.
macro_rules! loads_and_stores {
    ($($load:ident, $store:ident: $type:ty, $move:literal, $class:ident, $register:literal;)*) => {$(
        #[inline(always)]
        pub(crate) unsafe fn $load(from: *const $type, _: Ordering) -> $type {
            let value: u64;
            // SAFETY: the caller has these bytes, and only they are read.
            unsafe {
                asm!(
                    $move,
                    value = out(reg) value,
                    from = in(reg) from,
                    options(nostack, preserves_flags),
                );
            }
            value as $type
        }

        #[inline(always)]
        pub(crate) unsafe fn $store(to: *mut $type, value: $type, order: Ordering) {
            match order {
                // SAFETY: the caller has these bytes, and only they are written.
                Relaxed | Release => unsafe {
                    asm!(
                        concat!("mov [{to}], ", $register),
                        to = in(reg) to,
                        value = in($class) value,
                        options(nostack, preserves_flags),
                    );
                },
                // SAFETY: as above; no later load can pass an exchange.
                _ => unsafe {
                    asm!(
                        concat!("xchg [{to}], ", $register),
                        to = in(reg) to,
                        value = inout($class) value => _,
                        options(nostack, preserves_flags),
                    );
                },
            }
        }
    )*};
}

loads_and_stores! {
    load_u8, store_u8: u8, "movzx {value:e}, byte ptr [{from}]", reg_byte, "{value}";
    load_u16, store_u16: u16, "movzx {value:e}, word ptr [{from}]", reg, "{value:x}";
    load_u32, store_u32: u32, "mov {value:e}, [{from}]", reg, "{value:e}";
    load_u64, store_u64: u64, "mov {value}, [{from}]", reg, "{value}";
}

/// What reads and writes this type at once, and how a register of its size is written.
macro_rules! exchanges {
    ($($swap:ident, $compare_exchange:ident, $fetch_add:ident: $type:ty, $register:literal;)*) => {$(
        #[inline(always)]
        pub(crate) unsafe fn $swap(at: *mut $type, mut value: $type, _: Ordering) -> $type {
            // SAFETY: the caller has these bytes, and only they are read and written.
            unsafe {
                asm!(
                    concat!("xchg [{at}], ", $register),
                    at = in(reg) at,
                    value = inout(reg) value,
                    options(nostack, preserves_flags),
                );
            }
            value
        }

        #[inline(always)]
        pub(crate) unsafe fn $compare_exchange(
            at: *mut $type,
            current: $type,
            new: $type,
            _: Ordering,
            _: Ordering,
        ) -> Result<$type, $type> {
            let found: $type;
            // SAFETY: the caller has these bytes, and only they are read and written. The flags
            // change.
            unsafe {
                asm!(
                    concat!("lock cmpxchg [{at}], ", $register),
                    at = in(reg) at,
                    value = in(reg) new,
                    inout("rax") current => found,
                    options(nostack),
                );
            }
            if found == current { Ok(found) } else { Err(found) }
        }

        #[inline(always)]
        pub(crate) unsafe fn $fetch_add(at: *mut $type, mut value: $type, _: Ordering) -> $type {
            // SAFETY: the caller has these bytes, and only they are read and written. The flags
            // change.
            unsafe {
                asm!(
                    concat!("lock xadd [{at}], ", $register),
                    at = in(reg) at,
                    value = inout(reg) value,
                    options(nostack),
                );
            }
            value
        }
    )*};
}

exchanges! {
    swap_u32, compare_exchange_u32, fetch_add_u32: u32, "{value:e}";
    swap_u64, compare_exchange_u64, fetch_add_u64: u64, "{value}";
}

/// Nothing is to be done: instruction caches follow what is stored.
#[inline(always)]
pub(crate) unsafe fn make_executable(_start: *const u8, _len: usize) -> usize {
    0
}
