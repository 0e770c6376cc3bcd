//! What the programs here have in common: how they start and end, a panic handler that does not
//! link, and the page that they write.
#![no_std]

use core::panic::PanicInfo;

#[doc(hidden)]
pub use start;

unsafe extern "C" {
    /// Defined nowhere: a program that links any code that can panic fails to link.
    fn code_that_panics_is_linked() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: never linked, and so never run.
    unsafe { code_that_panics_is_linked() }
}

/// `core` refers to this symbol if it is not optimized together with the program. Nothing unwinds.
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
