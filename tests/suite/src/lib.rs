//! The claims about owned-memfd that need no std, in a form that every driver can run: under
//! `cargo test`, in a static binary without libc, under an emulator, and as `/init`.
//!
//! A claim is a function; each module below holds the claims about one part of the library
//! and ends its list with `claims!`. A claim runs in a process of its own, so that it may
//! change whatever belongs to a process, and so that a crash is one failed claim.
//!
//! "Row N" beside a claim is the row of the project's table of kernel behaviour that it
//! covers. A claim accepts two answers only where maintained kernels really differ.
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

mod booting;
mod building;
mod copying;
mod creating;
mod descriptors;
mod errno;
mod executing;
mod fd;
mod flags;
mod immutable;
mod io;
mod kexec;
mod limits;
mod mapping;
mod options;
mod passing;
mod proving;
mod sealing;
mod seals;
mod shared;
mod sharing;
mod vectors;

pub mod init;

pub use claim::{Claim, Failure, Stop, Verdict};
pub use world::World;

/// Every claim of the suite, in the order of the library's own dependency chain; in a program
/// that is built with vectors, those about vectors, since the others make calls that are not
/// safe there.
pub fn claims() -> impl Iterator<Item = &'static Claim> {
    let lists: &[&[Claim]] = if cfg!(vectors) {
        &[vectors::CLAIMS]
    } else {
        &[
            errno::CLAIMS,
            flags::CLAIMS,
            fd::CLAIMS,
            creating::CLAIMS,
            options::CLAIMS,
            io::CLAIMS,
            limits::CLAIMS,
            copying::CLAIMS,
            seals::CLAIMS,
            sealing::CLAIMS,
            sharing::CLAIMS,
            shared::CLAIMS,
            proving::CLAIMS,
            building::CLAIMS,
            mapping::CLAIMS,
            immutable::CLAIMS,
            passing::CLAIMS,
            executing::CLAIMS,
            booting::CLAIMS,
            kexec::CLAIMS,
            descriptors::CLAIMS,
            vectors::CLAIMS,
        ]
    };
    lists.iter().copied().flatten()
}

/// The name of every claim that a machine of the tests' own can be asked for: those about
/// process 1, then those of [`claims`].
pub fn names() -> impl Iterator<Item = &'static str> {
    init::CLAIMS
        .into_iter()
        .chain(claims().map(|claim| claim.name))
}
