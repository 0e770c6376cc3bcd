//! Runs each operation of the library while its system calls fail, lie, or meet another process.
//!
//! A worker, which is a process of its own, runs trials of one operation; a tracer stops it at
//! each system call of the library. Whoever asks for a trial decides what happens there: that is a
//! [`Meddler`](tracer::Meddler).

#[cfg(not(all(
    target_os = "linux",
    target_arch = "x86_64",
    target_env = "gnu",
    not(target_feature = "crt-static")
)))]
compile_error!(
    "the tracer knows the registers of x86_64, and tells the library from a shared libc"
);

// What the tracer and its worker tell each other.
pub mod orders;
// One run of an operation, as the operation sees it.
pub mod trial;
// What an operation checks of its result.
pub mod checks;
// Each operation of the library, and what must hold whatever the kernel does.
pub mod operations;
// The process that runs trials, and what it may keep.
mod worker;
// Stops a worker at each call of the library.
pub mod tracer;
// What can happen to each system call.
pub mod injections;
// Makes it happen.
pub mod injector;
// All trials of an operation.
pub mod faults;
// Operations that do wrong, which must be noticed.
pub mod wrong;
// What another process can do.
pub mod steps;
// Another process, which does that between two calls.
pub mod company;
// What the programs have in common.
pub mod program;
