//! riscv64: `ecall`. At every call the kernel overwrites `v0` to `v31` and the vector type.
//! `sc` declares none of that, but the C ABI allows any function to do it. So each call is a
//! function that is never inlined, whatever features its callers are built with.
//!
//! Memory that others write: loads and stores are ordered by fences, as the psABI maps them with
//! trailing ones. Nothing is accessed misaligned, which this CPU may leave to a slow trap.

use super::stronger;
use core::{
    arch::asm,
    sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release},
};

/// Gives the function of a system call the attribute that this CPU needs.
macro_rules! system_call {
    ($($function:tt)*) => {
        #[inline(never)]
        $($function)*
    };
}

/// Copies `len` bytes from `from` to `to`. The two ranges do not overlap.
///
/// The destination is aligned first. Words are then loaded and stored where that aligns the source
/// too. Otherwise each word is put together from two aligned ones, which both lie in the source.
/// Fewer than 8 bytes, or than 32 if they are aligned differently, are moved one by one, and so
/// are the at most 15 at either end.
#[allow(clippy::too_many_lines, reason = "one instruction a line")]
#[inline(never)]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller has both ranges, and nothing outside of them is touched. All registers
    // that change are named.
    unsafe {
        asm!(
            "add {end}, {from}, {len}",
            "xor {shift}, {to}, {from}",
            "andi {shift}, {shift}, 7",
            "li {a}, 8",
            "beqz {shift}, 2f",
            "li {a}, 32",
            "2:",
            "bltu {len}, {a}, 8f",
            // One by one up to where the destination is aligned. Where the word of the source
            // that is then loaded first would begin before it, 8 bytes more.
            "neg {a}, {to}",
            "andi {a}, {a}, 7",
            "add {b}, {from}, {a}",
            "andi {b}, {b}, 7",
            "bgeu {a}, {b}, 2f",
            "addi {a}, {a}, 8",
            "2:",
            "add {a}, {from}, {a}",
            "beq {from}, {a}, 4f",
            "3:",
            "lb {b}, 0({from})",
            "addi {from}, {from}, 1",
            "sb {b}, 0({to})",
            "addi {to}, {to}, 1",
            "bne {from}, {a}, 3b",
            "4:",
            "bnez {shift}, 6f",
            // Both are aligned. 64 bytes at a time,
            "addi {len}, {end}, -63",
            "bgeu {from}, {len}, 5f",
            "4:",
            "ld {a}, 0({from})",
            "ld {b}, 8({from})",
            "ld {c}, 16({from})",
            "ld {d}, 24({from})",
            "sd {a}, 0({to})",
            "sd {b}, 8({to})",
            "sd {c}, 16({to})",
            "sd {d}, 24({to})",
            "ld {a}, 32({from})",
            "ld {b}, 40({from})",
            "ld {c}, 48({from})",
            "ld {d}, 56({from})",
            "addi {from}, {from}, 64",
            "sd {a}, 32({to})",
            "sd {b}, 40({to})",
            "sd {c}, 48({to})",
            "sd {d}, 56({to})",
            "addi {to}, {to}, 64",
            "bltu {from}, {len}, 4b",
            "5:",
            // then 8.
            "addi {len}, {end}, -7",
            "bgeu {from}, {len}, 8f",
            "5:",
            "ld {a}, 0({from})",
            "addi {from}, {from}, 8",
            "sd {a}, 0({to})",
            "addi {to}, {to}, 8",
            "bltu {from}, {len}, 5b",
            "j 8f",
            "6:",
            // `from` lies so many bits in the word `a`, and the next one is `left` bits from it.
            "andi {b}, {from}, 7",
            "sub {from}, {from}, {b}",
            "slli {shift}, {b}, 3",
            "neg {left}, {shift}",
            "ld {a}, 0({from})",
            // 32 bytes at a time, while the five words that they are in end in the source,
            "addi {len}, {end}, -39",
            "bgeu {from}, {len}, 6f",
            "3:",
            "ld {c}, 8({from})",
            "ld {d}, 16({from})",
            "srl {a}, {a}, {shift}",
            "sll {e}, {c}, {left}",
            "or {a}, {a}, {e}",
            "sd {a}, 0({to})",
            "srl {c}, {c}, {shift}",
            "sll {e}, {d}, {left}",
            "or {c}, {c}, {e}",
            "sd {c}, 8({to})",
            "ld {c}, 24({from})",
            "ld {a}, 32({from})",
            "srl {d}, {d}, {shift}",
            "sll {e}, {c}, {left}",
            "or {d}, {d}, {e}",
            "sd {d}, 16({to})",
            "srl {c}, {c}, {shift}",
            "sll {e}, {a}, {left}",
            "or {c}, {c}, {e}",
            "sd {c}, 24({to})",
            "addi {from}, {from}, 32",
            "addi {to}, {to}, 32",
            "bltu {from}, {len}, 3b",
            "6:",
            // then 8, while the two do.
            "addi {len}, {end}, -15",
            "bgeu {from}, {len}, 7f",
            "6:",
            "ld {c}, 8({from})",
            "srl {a}, {a}, {shift}",
            "addi {from}, {from}, 8",
            "sll {d}, {c}, {left}",
            "or {a}, {a}, {d}",
            "sd {a}, 0({to})",
            "addi {to}, {to}, 8",
            "mv {a}, {c}",
            "bltu {from}, {len}, 6b",
            "7:",
            "add {from}, {from}, {b}",
            "8:",
            "beq {from}, {end}, 9f",
            "8:",
            "lb {a}, 0({from})",
            "addi {from}, {from}, 1",
            "sb {a}, 0({to})",
            "addi {to}, {to}, 1",
            "bne {from}, {end}, 8b",
            "9:",
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            len = inout(reg) len => _,
            end = out(reg) _,
            shift = out(reg) _,
            left = out(reg) _,
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            e = out(reg) _,
            options(nostack),
        );
    }
}

/// A load and a store of this type: their instructions, between fences.
macro_rules! loads_and_stores {
    ($($load:ident, $store:ident: $type:ty, $from:literal, $to:literal;)*) => {$(
        #[inline(always)]
        pub(crate) unsafe fn $load(from: *const $type, order: Ordering) -> $type {
            let value: $type;
            match order {
                // SAFETY: the caller has these bytes, and only they are read.
                Relaxed => unsafe {
                    asm!(
                        $from,
                        value = out(reg) value,
                        from = in(reg) from,
                        options(nostack, preserves_flags),
                    );
                },
                // SAFETY: as above.
                Acquire => unsafe {
                    asm!(
                        $from,
                        "fence r, rw",
                        value = out(reg) value,
                        from = in(reg) from,
                        options(nostack, preserves_flags),
                    );
                },
                // SAFETY: as above.
                _ => unsafe {
                    asm!(
                        "fence rw, rw",
                        $from,
                        "fence r, rw",
                        value = out(reg) value,
                        from = in(reg) from,
                        options(nostack, preserves_flags),
                    );
                },
            }
            value
        }

        #[inline(always)]
        pub(crate) unsafe fn $store(to: *mut $type, value: $type, order: Ordering) {
            match order {
                // SAFETY: the caller has these bytes, and only they are written.
                Relaxed => unsafe {
                    asm!(
                        $to,
                        to = in(reg) to,
                        value = in(reg) value,
                        options(nostack, preserves_flags),
                    );
                },
                // SAFETY: as above.
                Release => unsafe {
                    asm!(
                        "fence rw, w",
                        $to,
                        to = in(reg) to,
                        value = in(reg) value,
                        options(nostack, preserves_flags),
                    );
                },
                // SAFETY: as above.
                _ => unsafe {
                    asm!(
                        "fence rw, w",
                        $to,
                        "fence rw, rw",
                        to = in(reg) to,
                        value = in(reg) value,
                        options(nostack, preserves_flags),
                    );
                },
            }
        }
    )*};
}

loads_and_stores! {
    load_u8, store_u8: u8, "lbu {value}, 0({from})", "sb {value}, 0({to})";
    load_u16, store_u16: u16, "lhu {value}, 0({from})", "sh {value}, 0({to})";
    load_u32, store_u32: u32, "lw {value}, 0({from})", "sw {value}, 0({to})";
    load_u64, store_u64: u64, "ld {value}, 0({from})", "sd {value}, 0({to})";
}

/// `amo!(order, operation, at, value, old)`: one instruction that reads and writes at once.
macro_rules! amo {
    ($order:literal, $operation:expr, $at:ident, $value:ident, $old:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written.
        unsafe {
            asm!(
                concat!($operation, $order, " {old}, {value}, ({at})"),
                at = in(reg) $at,
                value = in(reg) $value,
                old = lateout(reg) $old,
                options(nostack, preserves_flags),
            )
        }
    };
    ($order:expr, $operation:expr, $at:ident, $value:ident, $old:ident) => {
        match $order {
            Relaxed => amo!("", $operation, $at, $value, $old),
            Acquire => amo!(".aq", $operation, $at, $value, $old),
            Release => amo!(".rl", $operation, $at, $value, $old),
            _ => amo!(".aqrl", $operation, $at, $value, $old),
        }
    };
}

/// `compares!(size, load's order, store's order, at, current, new, found)`: a loop of a
/// load that reserves and a store on that condition. The load extends the sign of 32 bits, which
/// the current value has to come with.
macro_rules! compares {
    ($size:literal, $acquire:literal, $release:literal, $at:ident, $current:expr, $new:ident, $found:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written.
        unsafe {
            asm!(
                "2:",
                concat!("lr.", $size, $acquire, " {found}, ({at})"),
                "bne {found}, {current}, 3f",
                concat!("sc.", $size, $release, " {failed}, {new}, ({at})"),
                "bnez {failed}, 2b",
                "3:",
                at = in(reg) $at,
                current = in(reg) $current,
                new = in(reg) $new,
                found = out(reg) $found,
                failed = out(reg) _,
                options(nostack, preserves_flags),
            )
        }
    };
}

/// What reads and writes this type at once.
macro_rules! exchanges {
    ($($swap:ident, $compare_exchange:ident, $fetch_add:ident: $type:ty, $signed:ty, $size:literal;)*) => {$(
        #[inline(always)]
        pub(crate) unsafe fn $swap(at: *mut $type, value: $type, order: Ordering) -> $type {
            let old: $type;
            amo!(order, concat!("amoswap.", $size), at, value, old);
            old
        }

        #[inline(always)]
        pub(crate) unsafe fn $compare_exchange(
            at: *mut $type,
            current: $type,
            new: $type,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$type, $type> {
            let found: $type;
            let extended = i64::from(current as $signed);
            match stronger(success, failure) {
                Relaxed => compares!($size, "", "", at, extended, new, found),
                Acquire => compares!($size, ".aq", "", at, extended, new, found),
                Release => compares!($size, "", ".rl", at, extended, new, found),
                AcqRel => compares!($size, ".aq", ".rl", at, extended, new, found),
                _ => compares!($size, ".aqrl", ".rl", at, extended, new, found),
            }
            if found == current { Ok(found) } else { Err(found) }
        }

        #[inline(always)]
        pub(crate) unsafe fn $fetch_add(at: *mut $type, value: $type, order: Ordering) -> $type {
            let old: $type;
            amo!(order, concat!("amoadd.", $size), at, value, old);
            old
        }
    )*};
}

exchanges! {
    swap_u32, compare_exchange_u32, fetch_add_u32: u32, i32, "w";
    swap_u64, compare_exchange_u64, fetch_add_u64: u64, i64, "d";
}

/// The kernel makes the instruction caches of all CPUs that run this process follow.
#[inline(always)]
pub(crate) unsafe fn make_executable(start: *const u8, len: usize) -> usize {
    // SAFETY: the call changes no byte.
    unsafe { super::riscv_flush_icache(start, start.wrapping_add(len), 0) }
}
