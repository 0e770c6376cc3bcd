//! The system calls, as functions that `arch/interpreted.rs` declares. Their list is that of
//! `arch/mod.rs`: Miri names one that is missing here.
//!
//! The library vouches for each pointer, as of a call that enters the kernel. Miri checks that.

mod files;
mod memory;
mod paths;
mod programs;
mod sockets;

/// Defines system calls that return a number. The body is what the kernel does, and an error in it
/// is an errno.
macro_rules! calls {
    ($(fn $call:ident($kernel:ident; $($name:ident: $kind:ty),*) $body:block)*) => {$(
        #[unsafe(export_name = concat!("owned_memfd_", stringify!($call)))]
        unsafe fn $call($($name: $kind),*) -> usize {
            crate::kernel::enter(stringify!($call), |$kernel| $body)
        }
    )*};
}

use calls;
