//! aarch64: `svc 0`. At every call the kernel clears the SVE predicates, FFR and the high bits
//! of the Z registers, and leaves streaming mode. `sc` declares none of that, but the C ABI
//! allows any function to do it. So each call is a function that is never inlined, whatever
//! features its callers are built with.
//!
//! Memory that others write: loads and stores acquire and release by themselves. What reads and
//! writes at once is one instruction where the program is built for CPUs that have it (LSE), and
//! a loop of an exclusive load and store otherwise. Ordinary memory may be accessed misaligned,
//! except for those.

use super::stronger;
use core::{
    arch::asm,
    sync::atomic::Ordering::{self, Acquire, Relaxed, Release},
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
/// Up to 128 bytes are loaded as a whole before they are stored, from both ends, and meet or
/// overlap in the middle. Of more, the first and the last 64 are copied so. What is between them
/// is a loop with aligned stores.
#[inline(never)]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller has both ranges, and nothing outside of them is touched. All registers
    // that change are named, and the flags are not said to stay.
    unsafe {
        asm!(
            "add {from_end}, {from}, {len}",
            "add {to_end}, {to}, {len}",
            "cmp {len}, #16",
            "b.lo 6f",
            "cmp {len}, #64",
            "b.hi 3f",
            "cmp {len}, #32",
            "b.hi 2f",
            // 16 to 32
            "ldr q0, [{from}]",
            "ldr q1, [{from_end}, #-16]",
            "str q0, [{to}]",
            "str q1, [{to_end}, #-16]",
            "b 9f",
            "2:",
            // 33 to 64
            "ldp q0, q1, [{from}]",
            "ldp q2, q3, [{from_end}, #-32]",
            "stp q0, q1, [{to}]",
            "stp q2, q3, [{to_end}, #-32]",
            "b 9f",
            "3:",
            // The first 64 and, to be stored at the end, the last 64.
            "ldp q0, q1, [{from}]",
            "ldp q2, q3, [{from}, #32]",
            "ldp q4, q5, [{from_end}, #-64]",
            "ldp q6, q7, [{from_end}, #-32]",
            "stp q0, q1, [{to}]",
            "stp q2, q3, [{to}, #32]",
            "cmp {len}, #128",
            "b.ls 5f",
            // On to where the destination is next a multiple of 64.
            "orr {a}, {to}, #63",
            "add {a}, {a}, #1",
            "sub {to}, {a}, {to}",
            "add {from}, {from}, {to}",
            "mov {to}, {a}",
            "sub {b}, {to_end}, #64",
            "4:",
            "ldp q0, q1, [{from}]",
            "ldp q2, q3, [{from}, #32]",
            "add {from}, {from}, #64",
            "stp q0, q1, [{to}]",
            "stp q2, q3, [{to}, #32]",
            "add {to}, {to}, #64",
            "cmp {to}, {b}",
            "b.lo 4b",
            "5:",
            "stp q4, q5, [{to_end}, #-64]",
            "stp q6, q7, [{to_end}, #-32]",
            "b 9f",
            "6:",
            "tbz {len}, #3, 7f",
            // 8 to 15
            "ldr {a}, [{from}]",
            "ldr {b}, [{from_end}, #-8]",
            "str {a}, [{to}]",
            "str {b}, [{to_end}, #-8]",
            "b 9f",
            "7:",
            "tbz {len}, #2, 8f",
            // 4 to 7
            "ldr {a:w}, [{from}]",
            "ldr {b:w}, [{from_end}, #-4]",
            "str {a:w}, [{to}]",
            "str {b:w}, [{to_end}, #-4]",
            "b 9f",
            "8:",
            "cbz {len}, 9f",
            // 1 to 3: the first, the one in the middle, and the last.
            "lsr {len}, {len}, #1",
            "ldrb {a:w}, [{from}]",
            "ldrb {b:w}, [{from}, {len}]",
            "ldrb {from:w}, [{from_end}, #-1]",
            "strb {a:w}, [{to}]",
            "strb {b:w}, [{to}, {len}]",
            "strb {from:w}, [{to_end}, #-1]",
            "9:",
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            len = inout(reg) len => _,
            from_end = out(reg) _,
            to_end = out(reg) _,
            a = out(reg) _,
            b = out(reg) _,
            out("v0") _,
            out("v1") _,
            out("v2") _,
            out("v3") _,
            out("v4") _,
            out("v5") _,
            out("v6") _,
            out("v7") _,
            options(nostack),
        );
    }
}

/// A load and a store of this type: how their instructions end, and how a register of its size is
/// written.
macro_rules! loads_and_stores {
    ($($load:ident, $store:ident: $type:ty, $suffix:literal, $register:literal;)*) => {$(
        #[inline(always)]
        pub(crate) unsafe fn $load(from: *const $type, order: Ordering) -> $type {
            let value: $type;
            match order {
                // SAFETY: the caller has these bytes, and only they are read.
                Relaxed => unsafe {
                    asm!(
                        concat!("ldr", $suffix, " ", $register, ", [{from}]"),
                        value = out(reg) value,
                        from = in(reg) from,
                        options(nostack, preserves_flags),
                    );
                },
                // SAFETY: as above; the address is a multiple of the size.
                _ => unsafe {
                    asm!(
                        concat!("ldar", $suffix, " ", $register, ", [{from}]"),
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
                        concat!("str", $suffix, " ", $register, ", [{to}]"),
                        to = in(reg) to,
                        value = in(reg) value,
                        options(nostack, preserves_flags),
                    );
                },
                // SAFETY: as above; the address is a multiple of the size.
                _ => unsafe {
                    asm!(
                        concat!("stlr", $suffix, " ", $register, ", [{to}]"),
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
    load_u8, store_u8: u8, "b", "{value:w}";
    load_u16, store_u16: u16, "h", "{value:w}";
    load_u32, store_u32: u32, "", "{value:w}";
    load_u64, store_u64: u64, "", "{value}";
}

/// `ordered!(order, instructions!, …)`: the instructions with what acquires, `a` or nothing, and
/// what releases, `l` or nothing, before the other arguments.
macro_rules! ordered {
    ($order:expr, $instructions:ident!, $($argument:tt)*) => {
        match $order {
            Relaxed => $instructions!("", "", $($argument)*),
            Acquire => $instructions!("a", "", $($argument)*),
            Release => $instructions!("", "l", $($argument)*),
            _ => $instructions!("a", "l", $($argument)*),
        }
    };
}

// Each is either one instruction or a loop. `w` or `x` says how the registers are written.

#[cfg(target_feature = "lse")]
macro_rules! swaps {
    ($acquire:literal, $release:literal, $size:literal, $at:ident, $value:ident, $old:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written.
        unsafe {
            asm!(
                concat!("swp", $acquire, $release, " {value:", $size, "}, {old:", $size, "}, [{at}]"),
                at = in(reg) $at,
                value = in(reg) $value,
                old = lateout(reg) $old,
                options(nostack, preserves_flags),
            )
        }
    };
}

#[cfg(not(target_feature = "lse"))]
macro_rules! swaps {
    ($acquire:literal, $release:literal, $size:literal, $at:ident, $value:ident, $old:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written.
        unsafe {
            asm!(
                "2:",
                concat!("ld", $acquire, "xr {old:", $size, "}, [{at}]"),
                concat!("st", $release, "xr {failed:w}, {value:", $size, "}, [{at}]"),
                "cbnz {failed:w}, 2b",
                at = in(reg) $at,
                value = in(reg) $value,
                old = out(reg) $old,
                failed = out(reg) _,
                options(nostack, preserves_flags),
            )
        }
    };
}

#[cfg(target_feature = "lse")]
macro_rules! compares {
    ($acquire:literal, $release:literal, $size:literal, $at:ident, $current:ident, $new:ident, $found:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written.
        unsafe {
            asm!(
                concat!("cas", $acquire, $release, " {found:", $size, "}, {new:", $size, "}, [{at}]"),
                at = in(reg) $at,
                new = in(reg) $new,
                found = inout(reg) $current => $found,
                options(nostack, preserves_flags),
            )
        }
    };
}

#[cfg(not(target_feature = "lse"))]
macro_rules! compares {
    ($acquire:literal, $release:literal, $size:literal, $at:ident, $current:ident, $new:ident, $found:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written. The flags change.
        unsafe {
            asm!(
                "2:",
                concat!("ld", $acquire, "xr {found:", $size, "}, [{at}]"),
                concat!("cmp {found:", $size, "}, {current:", $size, "}"),
                "b.ne 3f",
                concat!("st", $release, "xr {failed:w}, {new:", $size, "}, [{at}]"),
                "cbnz {failed:w}, 2b",
                "3:",
                at = in(reg) $at,
                current = in(reg) $current,
                new = in(reg) $new,
                found = out(reg) $found,
                failed = out(reg) _,
                options(nostack),
            )
        }
    };
}

#[cfg(target_feature = "lse")]
macro_rules! adds {
    ($acquire:literal, $release:literal, $size:literal, $at:ident, $value:ident, $old:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written.
        unsafe {
            asm!(
                concat!("ldadd", $acquire, $release, " {value:", $size, "}, {old:", $size, "}, [{at}]"),
                at = in(reg) $at,
                value = in(reg) $value,
                old = lateout(reg) $old,
                options(nostack, preserves_flags),
            )
        }
    };
}

#[cfg(not(target_feature = "lse"))]
macro_rules! adds {
    ($acquire:literal, $release:literal, $size:literal, $at:ident, $value:ident, $old:ident) => {
        // SAFETY: the caller has these bytes, at a multiple of their size, and only they are
        // read and written.
        unsafe {
            asm!(
                "2:",
                concat!("ld", $acquire, "xr {old:", $size, "}, [{at}]"),
                concat!("add {sum:", $size, "}, {old:", $size, "}, {value:", $size, "}"),
                concat!("st", $release, "xr {failed:w}, {sum:", $size, "}, [{at}]"),
                "cbnz {failed:w}, 2b",
                at = in(reg) $at,
                value = in(reg) $value,
                old = out(reg) $old,
                sum = out(reg) _,
                failed = out(reg) _,
                options(nostack, preserves_flags),
            )
        }
    };
}

/// What reads and writes this type at once.
macro_rules! exchanges {
    ($($swap:ident, $compare_exchange:ident, $fetch_add:ident: $type:ty, $size:literal;)*) => {$(
        #[inline(always)]
        pub(crate) unsafe fn $swap(at: *mut $type, value: $type, order: Ordering) -> $type {
            let old: $type;
            ordered!(order, swaps!, $size, at, value, old);
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
            ordered!(stronger(success, failure), compares!, $size, at, current, new, found);
            if found == current { Ok(found) } else { Err(found) }
        }

        #[inline(always)]
        pub(crate) unsafe fn $fetch_add(at: *mut $type, value: $type, order: Ordering) -> $type {
            let old: $type;
            ordered!(order, adds!, $size, at, value, old);
            old
        }
    )*};
}

exchanges! {
    swap_u32, compare_exchange_u32, fetch_add_u32: u32, "w";
    swap_u64, compare_exchange_u64, fetch_add_u64: u64, "x";
}

/// Writes the lines of the data cache back to where instructions are fetched from, and drops those
/// of the instruction caches, on all CPUs. `CTR_EL0` has the logarithms of their sizes in words of
/// four bytes: in bits 16 to 19, and 0 to 3.
#[inline(never)]
pub(crate) unsafe fn make_executable(start: *const u8, len: usize) -> usize {
    // SAFETY: the caller has these bytes, and the operations change none. They touch the lines
    // that the range lies in.
    unsafe {
        asm!(
            "cbz {len}, 4f",
            "add {end}, {start}, {len}",
            "mrs {sizes}, ctr_el0",
            "ubfx {line}, {sizes}, #16, #4",
            "mov {len}, #4",
            "lsl {line}, {len}, {line}",
            "neg {at}, {line}",
            "and {at}, {at}, {start}",
            "2:",
            "dc cvau, {at}",
            "add {at}, {at}, {line}",
            "cmp {at}, {end}",
            "b.lo 2b",
            "dsb ish",
            "and {line}, {sizes}, #15",
            "lsl {line}, {len}, {line}",
            "neg {at}, {line}",
            "and {at}, {at}, {start}",
            "3:",
            "ic ivau, {at}",
            "add {at}, {at}, {line}",
            "cmp {at}, {end}",
            "b.lo 3b",
            "dsb ish",
            "isb",
            "4:",
            start = in(reg) start,
            len = inout(reg) len => _,
            end = out(reg) _,
            sizes = out(reg) _,
            line = out(reg) _,
            at = out(reg) _,
            options(nostack),
        );
    }
    0
}
