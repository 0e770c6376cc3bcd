//! One function for each way to access memory that others write. `ci/access.sh` takes them apart.
//!
//! The accesses are compiled into this program once more, so that each function is one of them and
//! nothing else.
#![no_std]
#![no_main]
#![allow(
    clippy::cast_possible_wrap,
    clippy::inline_always,
    reason = "as in src/lib.rs"
)]

#[macro_use]
#[allow(
    dead_code,
    unexpected_cfgs,
    unused_imports,
    reason = "a part of it is taken apart"
)]
#[path = "../../../../arch/mod.rs"]
mod arch;

use core::{
    arch::asm,
    hint::black_box,
    sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst},
};

footprint::program!(main);

/// Makes a function of each access. All of them have the same type, so that `main` can list them.
macro_rules! accesses {
    ($($name:ident = |$at:ident, $value:ident| $access:expr;)*) => {
        $(
            #[inline(never)]
            unsafe fn $name($at: *mut u32, $value: u32) -> u32 {
                // SAFETY: without an instruction. With another text in each function, the
                // compiler makes none of two.
                unsafe { asm!(concat!("// ", stringify!($name)), options(nomem, nostack)) };
                // SAFETY: nobody calls this.
                unsafe { $access }
            }
        )*

        const ACCESSES: &[unsafe fn(*mut u32, u32) -> u32] = &[$($name),*];
    };
}

accesses! {
    load_relaxed = |at, _value| arch::load_u32(at, Relaxed);
    load_acquire = |at, _value| arch::load_u32(at, Acquire);
    load_release = |at, _value| arch::load_u32(at, Release);
    load_acqrel = |at, _value| arch::load_u32(at, AcqRel);
    load_seqcst = |at, _value| arch::load_u32(at, SeqCst);

    store_relaxed = |at, value| { arch::store_u32(at, value, Relaxed); 0 };
    store_acquire = |at, value| { arch::store_u32(at, value, Acquire); 0 };
    store_release = |at, value| { arch::store_u32(at, value, Release); 0 };
    store_acqrel = |at, value| { arch::store_u32(at, value, AcqRel); 0 };
    store_seqcst = |at, value| { arch::store_u32(at, value, SeqCst); 0 };

    swap_relaxed = |at, value| arch::swap_u32(at, value, Relaxed);
    swap_acquire = |at, value| arch::swap_u32(at, value, Acquire);
    swap_release = |at, value| arch::swap_u32(at, value, Release);
    swap_acqrel = |at, value| arch::swap_u32(at, value, AcqRel);
    swap_seqcst = |at, value| arch::swap_u32(at, value, SeqCst);

    add_relaxed = |at, value| arch::fetch_add_u32(at, value, Relaxed);
    add_acquire = |at, value| arch::fetch_add_u32(at, value, Acquire);
    add_release = |at, value| arch::fetch_add_u32(at, value, Release);
    add_acqrel = |at, value| arch::fetch_add_u32(at, value, AcqRel);
    add_seqcst = |at, value| arch::fetch_add_u32(at, value, SeqCst);

    // By the orderings of success and of failure.
    exchange_relaxed_relaxed = |at, value| exchanged(at, value, Relaxed, Relaxed);
    exchange_relaxed_acquire = |at, value| exchanged(at, value, Relaxed, Acquire);
    exchange_acquire_relaxed = |at, value| exchanged(at, value, Acquire, Relaxed);
    exchange_release_relaxed = |at, value| exchanged(at, value, Release, Relaxed);
    exchange_release_acquire = |at, value| exchanged(at, value, Release, Acquire);
    exchange_acqrel_acquire = |at, value| exchanged(at, value, AcqRel, Acquire);
    exchange_relaxed_release = |at, value| exchanged(at, value, Relaxed, Release);
    exchange_relaxed_seqcst = |at, value| exchanged(at, value, Relaxed, SeqCst);
    exchange_seqcst_relaxed = |at, value| exchanged(at, value, SeqCst, Relaxed);

    copy_one = |at, value| copied(at, value, 1);
    copy_many = |at, value| copied(at, value, value as usize);

    wait = |at, value| arch::futex(at, 0, value, core::ptr::null()) as u32;

    make_executable = |at, value| {
        arch::make_executable(at.cast(), value as usize);
        0
    };
}

#[inline(always)]
unsafe fn exchanged(at: *mut u32, value: u32, success: Ordering, failure: Ordering) -> u32 {
    // SAFETY: nobody calls this.
    match unsafe { arch::compare_exchange_u32(at, 1, value, success, failure) } {
        Ok(found) | Err(found) => found,
    }
}

#[inline(always)]
unsafe fn copied(from: *const u32, value: u32, len: usize) -> u32 {
    let to = value as usize as *mut u8;
    // SAFETY: nobody calls this.
    unsafe { arch::copy(to, from.cast(), len) };
    0
}

fn main() -> i32 {
    black_box(ACCESSES).len() as i32
}
