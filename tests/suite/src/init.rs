//! What the program that runs as process 1 of a test kernel (`tests/freestanding`) and the
//! program that boots the kernel (`tests/kernels`) agree on.

use core::ffi::CStr;

/// The first argument of process 1, from the kernel's command line: without it, the program
/// leaves the machine alone.
pub const ARGUMENT: &CStr = c"machine";

/// The second argument, which is a prefix of the names of claims, if those about kexec are to
/// run. After they have passed, the machine boots a second kernel.
pub const KEXEC: &str = "kexec::";

/// The exit status of QEMU if no claim failed. QEMU exits with 0 if the machine is switched
/// off or reset or its kernel panics, and with 1 if it fails itself. On x86, a status that the
/// guest chooses is odd.
pub const PASSED: u16 = 85;

/// The claims about process 1 itself, in the order in which they are printed. They cannot be
/// functions of this crate.
pub const CLAIMS: [&str; 4] = [
    RUNS_WITHOUT_PROC,
    RUNS_BY_PROC,
    RUNS_FROM_MEMORY,
    RUNS_AS_SECOND_KERNEL,
];
pub const RUNS_WITHOUT_PROC: &str = "init::a_memory_file_runs_before_anything_is_mounted";
pub const RUNS_BY_PROC: &str = "init::where_a_missing_dev_fd_forbids_that_proc_allows_it";
pub const RUNS_FROM_MEMORY: &str = "init::process_1_runs_from_a_sealed_memory_file";
pub const RUNS_AS_SECOND_KERNEL: &str = "kexec::a_machine_goes_on_with_what_was_loaded";

// The reasons for which these are skipped.
pub const DEV_FD_NOT_WANTED: &str = "nothing in this kernel wants a /dev/fd";
pub const DEV_FD_WANTED: &str = "TOMOYO in this kernel wants a /dev/fd, and the refusal says so";
pub const NOT_ABOUT_KEXEC: &str = "only the claims about kexec end so";
