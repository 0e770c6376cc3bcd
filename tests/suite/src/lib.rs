//! The claims about owned-memfd that need no std, as a `no_std` library that every driver runs:
//! `cargo test`, a static program without libc, the same program under an emulator, and as
//! `/init` of a test kernel.
//!
//! A claim is a function that returns whether one statement about the library holds. Each module
//! of claims is about one part of the library, and lists its claims with `claims!`. A claim runs
//! in a process of its own, so it may change anything that belongs to a process, and a crash is
//! one failed claim.
//!
//! tests/README.md explains how to add a claim, how to skip one, and how to run one.
#![no_std]
#![allow(
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    reason = "registers have one width; what the kernel counts has a type for each call and CPU"
)]
#![allow(
    clippy::large_enum_variant,
    clippy::result_large_err,
    reason = "there is no heap for the text of a failure"
)]

#[macro_use]
mod macros;

mod attacks;
mod children;
mod claim;
mod kernel;
mod parties;
mod raw;
mod strangers;
mod world;

/// Declares the modules of claims, and lists their claims in the same order.
///
/// The name and the syntax are those of the crate `cfg-if`, for rustfmt: only in a macro of that
/// name does it find modules to format.
macro_rules! cfg_if {
    (if #[cfg(all())] { $(mod $module:ident;)+ }) => {
        $(mod $module;)+

        const MODULES: &[&[Claim]] = &[$($module::CLAIMS),+];
    };
}

// In the order in which the parts of the library depend on each other.
cfg_if! {
    if #[cfg(all())] {
        mod errno;
        mod flags;
        mod fd;
        mod creating;
        mod options;
        mod io;
        mod limits;
        mod copying;
        mod seals;
        mod sealing;
        mod sharing;
        mod shared;
        mod ranges;
        mod growing;
        mod mirrored;
        mod integers;
        mod waiting;
        mod ring;
        mod proving;
        mod building;
        mod filling;
        mod streaming;
        mod mapping;
        mod immutable;
        mod copies;
        mod collapsing;
        mod passing;
        mod addressing;
        mod deadlines;
        mod executing;
        mod booting;
        mod kexec;
        mod descriptors;
        mod vectors;
        mod traits;
    }
}

pub mod init;
pub mod meeting;
pub mod skips;

pub use claim::{Claim, Failure, Stop, Verdict};
pub use kernel::allow_execution;
pub use parties::{NO_EXECVEAT, has_execveat};
pub use world::{NO_OWN_MOUNTS, World};

/// Every claim of the suite.
///
/// A program that is built with vector instructions gets only the claims about vector registers:
/// the others make system calls in a way that is not safe there.
pub fn claims() -> impl Iterator<Item = &'static Claim> {
    let modules: &[&[Claim]] = if cfg!(vectors) {
        &[vectors::CLAIMS]
    } else {
        MODULES
    };
    modules.iter().copied().flatten()
}

/// The name of every claim that a machine of the tests' own can be asked for: those about
/// process 1, then those of [`claims`].
pub fn names() -> impl Iterator<Item = &'static str> {
    init::CLAIMS
        .into_iter()
        .chain(claims().map(|claim| claim.name))
}
