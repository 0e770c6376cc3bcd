//! What is allowed where, apart from the order of the modules.

/// Modules that may have unsafe code, with all their files.
const UNSAFE: [&str; 10] = [
    "arch", "fd", "sys", "region", "memfd", "shared", "sealed", "sealing", "socket", "exec",
];

/// Whether the module may have unsafe code. The `with_*` modules implement the traits of
/// others, some of which are unsafe.
pub fn may_be_unsafe(module: &str) -> bool {
    UNSAFE.contains(&module) || module.starts_with("with_")
}

/// Modules that may use `arch`; to the others, `sys` speaks for it.
pub const ARCH_USERS: [&str; 2] = ["fd", "sys"];

/// The only macro of `arch` that other modules may use.
pub const FOR_MODULES: &str = "cfg_if";

/// The file outside `arch` that may name CPUs: a program without libc has to know how its
/// CPU starts it.
pub const KNOWS_CPUS: &str = "examples/init/src/sys.rs";

/// How many lines an example with std has at most.
pub const LONGEST_EXAMPLE: usize = 119;

/// Macros that panic when the program runs. In a constant they fail when it is compiled.
pub const PANICKING_MACROS: [&str; 10] = [
    "panic",
    "unreachable",
    "todo",
    "unimplemented",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
];

/// Methods that panic. Whether others do is for `ci/footprint.sh` to see, which links the
/// library without a panic handler.
pub const PANICKING_METHODS: [&str; 6] = [
    "unwrap",
    "expect",
    "unwrap_err",
    "expect_err",
    "split_at",
    "split_at_mut",
];

/// Attributes and macros that define a symbol for the linker.
pub const SYMBOLS: [&str; 4] = ["no_mangle", "export_name", "linkage", "global_asm"];
