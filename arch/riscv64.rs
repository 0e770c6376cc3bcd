//! riscv64: `ecall`. The kernel overwrites `v0` to `v31` and the vector type at every call,
//! and `sc` declares none of that. A function call is where the C ABI, too, lets a callee
//! do that: so each call is a function of its own that is never inlined, whatever features
//! its callers are built with.

macro_rules! system_calls {
    ($($(#[$doc:meta])* fn $call:ident = $number:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointers are valid for what the man page says that the kernel does with them.
        #[inline(never)]
        pub(crate) unsafe fn $call($($name: $kind),*) -> $answer {
            // SAFETY: the caller vouches for the pointers; nothing but the arguments is
            // live here that the kernel could change unseen.
            unsafe { sc::syscall!($number $(, $name)*) as $answer }
        }
    )*};
}
