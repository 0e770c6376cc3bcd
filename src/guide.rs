//! The guide: a page for each job, from the first sealed file to the kernel's bugs.
//!
//! Every example here is compiled and run by the tests, unless the page names another check that
//! does so.
//!
//! This module exists only in the documentation.

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

#[doc = include_str!("guide/moving_over.md")]
pub mod moving_over {}
