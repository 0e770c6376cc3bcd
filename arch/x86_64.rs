//! `x86_64`: `syscall`. The kernel changes `rax`, `rcx` and `r11`, all of which `sc` declares,
//! and keeps every vector, mask and tile register. A call can be inlined into its caller.

/// Gives the function of a system call the attribute that this CPU needs.
macro_rules! system_call {
    ($($function:tt)*) => {
        #[inline(always)]
        $($function)*
    };
}
