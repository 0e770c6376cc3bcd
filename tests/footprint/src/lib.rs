//! What every program here has in common: how it starts, how it ends, and that it does not
//! panic.
#![no_std]

use core::panic::PanicInfo;

#[doc(hidden)]
pub use start;

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

/// Makes a program of `fn main() -> i32`, which returns the exit status.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        extern "C" fn start(_: *const usize) -> i32 {
            $main()
        }

        $crate::start::start!(start);
    };
}
