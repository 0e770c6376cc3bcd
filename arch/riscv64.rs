//! riscv64: `ecall`. At every call the kernel overwrites `v0` to `v31` and the vector type.
//! `sc` declares none of that, but the C ABI allows any function to do it. So each call is a
//! function that is never inlined, whatever features its callers are built with.

/// Gives the function of a system call the attribute that this CPU needs.
macro_rules! system_call {
    ($($function:tt)*) => {
        #[inline(never)]
        $($function)*
    };
}
