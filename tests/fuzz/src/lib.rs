//! Fuzz targets of owned-memfd.
//!
//! Each of these modules is a target. Its case is made of the fuzzer's bytes, runs the library and
//! panics where the library is wrong; what is right, the kernel says, or a plain model.
//!
//! - [`senders`]: forged messages and files, against every way to receive and verify.
//! - [`streams`]: a writer and a reader, against a vector and std's cursor.
//! - [`maps`]: ranges, offsets and lengths of files and maps, against a vector.
//! - [`parsing`]: addresses, names, programs, arguments and numbers.
//!
//! `ci/fuzz.sh` runs them. tests/README.md says how to run one for longer.
#![allow(
    clippy::missing_panics_doc,
    reason = "a panic is how a target reports what it has found"
)]

mod files;
mod judging;
pub mod maps;
pub mod parsing;
mod process;
pub mod senders;
pub mod streams;
