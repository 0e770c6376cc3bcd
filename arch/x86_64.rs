//! `x86_64`: `syscall`. The kernel destroys `rax`, `rcx` and `r11`, which `sc` declares, and
//! preserves every vector, mask and tile register: a call may stand inside its caller.

macro_rules! system_calls {
    ($($(#[$doc:meta])* fn $call:ident = $number:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointers are valid for what the man page says that the kernel does with them.
        #[inline(always)]
        pub(crate) unsafe fn $call($($name: $kind),*) -> $answer {
            // SAFETY: the caller vouches for the pointers; `sc` names each register that
            // the kernel changes.
            unsafe { sc::syscall!($number $(, $name)*) as $answer }
        }
    )*};
}
