//! The guide: a page for each job, from the first sealed file to the kernel's bugs.
//!
//! | to | read |
//! |---|---|
//! | make a file that cannot change, and pass it on | [`seal_and_share`] |
//! | take one from a process that is not trusted | [`receive_from_strangers`] |
//! | exchange data through memory that both sides write | [`shared_memory`] |
//! | run a program from memory, or a copy of this one | [`run_from_memory`] |
//! | do without std and libc, and link that | [`no_std_and_linking`] |
//! | be `/init` | [`early_boot`] |
//! | know what an older kernel does | [`kernels`] |
//! | know what is promised, and by whom | [`soundness`] |
//! | use tokio, bytes, zerocopy and the like with it | [`with_other_crates`] |
//! | come from another crate or language | [`moving_over`] |
//!
//! Every example is compiled, and run where that is possible: by the tests of the documentation, or
//! by the check that the page names. This module exists only in the documentation.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "a build without these features has no such items"
)]
#![cfg_attr(
    all(feature = "boot", feature = "std"),
    deny(rustdoc::broken_intra_doc_links)
)]

// What the pages link to.
use crate::{
    errno::Errno,
    exec::ExecError,
    flags::{HugePageSize, MemFdFlags, Seals},
    memfd::{BorrowedMemFd, OwnedMemFd, SealError},
    options::MemFdOptions,
    proof::{VerifyError, VerifyErrorKind, has_cve_2026_63952},
    sealed::{BorrowedSealedMemFd, SealedMap, SealedMemFd},
    shared::{SharedAtomic, SharedMap, SharedMapMut},
    socket,
    stream::{Reader, Writer},
};

#[doc = include_str!("guide/seal_and_share.md")]
pub mod seal_and_share {}

#[doc = include_str!("guide/receive_from_strangers.md")]
pub mod receive_from_strangers {}

#[doc = include_str!("guide/shared_memory.md")]
pub mod shared_memory {}

#[doc = include_str!("guide/run_from_memory.md")]
pub mod run_from_memory {}

#[doc = include_str!("guide/no_std_and_linking.md")]
pub mod no_std_and_linking {}

#[doc = include_str!("guide/early_boot.md")]
pub mod early_boot {}

#[doc = include_str!("guide/kernels.md")]
pub mod kernels {}

#[doc = include_str!("guide/soundness.md")]
pub mod soundness {}

#[doc = include_str!("guide/with_other_crates.md")]
pub mod with_other_crates {}

#[doc = include_str!("guide/moving_over.md")]
pub mod moving_over {}
