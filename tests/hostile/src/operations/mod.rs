//! Each public operation of the library, and what must hold whatever the kernel and other processes
//! do. A file here is about the module of `src` that has its name.
//!
//! `tests/boundaries` demands that each public function is called here, within a `trial.call(…)`.
#![allow(unsafe_code)]

mod boot;
mod exec;
mod fd;
mod memfd;
mod options;
mod proof;
mod sealed;
mod sealing;
mod shared;
mod socket;
mod stream;
mod transfer;
mod values;
#[cfg(feature = "std")]
mod with_std;

use crate::{checks::ready, trial::Operation};
use nix::{fcntl::OFlag, unistd::pipe2};
use owned_memfd::fd::{FromRawFd, OwnedFd};
use std::{fs::File, os::fd::IntoRawFd, sync::LazyLock};

/// All of them.
pub fn all() -> impl Iterator<Item = Operation> {
    // Once for all workers, which are forks of this process.
    LazyLock::force(&LARGE);
    LazyLock::force(&PAGE);
    let lists: &[&[Operation]] = &[
        memfd::OPERATIONS,
        transfer::OPERATIONS,
        options::OPERATIONS,
        proof::OPERATIONS,
        sealing::OPERATIONS,
        sealed::OPERATIONS,
        shared::OPERATIONS,
        stream::OPERATIONS,
        socket::OPERATIONS,
        exec::OPERATIONS,
        boot::OPERATIONS,
        fd::OPERATIONS,
        values::OPERATIONS,
        #[cfg(feature = "std")]
        with_std::OPERATIONS,
    ];
    lists.iter().copied().flatten().copied()
}

/// Lists the functions of a module as operations, by their names.
macro_rules! operations {
    ($module:literal: $($operation:ident,)*) => {
        pub(super) const OPERATIONS: &[crate::trial::Operation] = &[$(crate::trial::Operation {
            name: concat!($module, "::", stringify!($operation)),
            run: $operation,
        }),*];
    };
}
use operations;

/// The content of a small file.
const SMALL: &[u8] = b"hello, stranger";
/// The content of a file that `create_with` fills in place.
static PAGE: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(4096));
/// The content of a file with a whole huge page and a part of another one.
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| pattern((2 << 20) + 5000));

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// The library's descriptor, which is std's own only with the feature.
fn own(fd: impl IntoRawFd) -> OwnedFd {
    // SAFETY: the number is just given up.
    unsafe { OwnedFd::from_raw_fd(fd.into_raw_fd()) }
}

/// A file that is no memory file, for reading.
fn open(path: &str) -> Result<OwnedFd, String> {
    Ok(own(ready(File::open(path))?))
}

/// The end of a pipe from which these bytes can be read.
fn pipe_with(bytes: &[u8]) -> Result<OwnedFd, String> {
    let (source, end) = ready(pipe2(OFlag::O_CLOEXEC))?;
    ready(nix::unistd::write(&end, bytes))?;
    Ok(own(source))
}
