//! Anonymous memory files (memfd): create, fill, seal, verify, map, share, hand over and run them,
//! without libc, heap or std.
//!
//! Mapping a file is `unsafe` in Rust, because somebody may change or truncate the file while you
//! read it. A sealed memory file is an exception: the kernel promises that its bytes stay as they
//! are. This crate turns that promise into a type, [`SealedMemFd`], which you get only after the
//! kernel has confirmed the seals.
//!
#![doc = include_str!("life.svg")]
//!
//! ```
//! use owned_memfd::SealedMemFd;
//!
//! let sealed = SealedMemFd::copy_from_slice("greeting", b"hello, stranger")?;
//! // Over a socket, to a child, … Whoever receives it asks the kernel, not the sender:
//! let received = SealedMemFd::verify(sealed.into(), 1 << 20)?;
//! assert_eq!(&received.map()?[..], b"hello, stranger");
//! # Ok::<(), owned_memfd::Errno>(())
//! ```
//!
//! # What is where
//!
//! | to | use |
//! |---|---|
//! | make a file that is the same on every kernel | [`MemFdOptions`], or the bare call: [`OwnedMemFd::create`] |
//! | fill it | [`OwnedMemFd::write_all`], [`copy_from`](OwnedMemFd::copy_from), [`allocate`](OwnedMemFd::allocate) |
//! | seal it | [`OwnedMemFd::seal`]; [`add_seals`](OwnedMemFd::add_seals) for single [`Seals`] |
//! | do all of that at once | [`SealedMemFd::copy_from_slice`], [`SealedMemFd::create_with`], [`MemFdOptions::copy_from_file`], [`Writer`] |
//! | take a file from a stranger | [`SealedMemFd::verify`], [`SealedMemFd::verify_or_copy`], [`BorrowedSealedMemFd`] |
//! | read it | [`SealedMemFd::map`], [`SealedMemFd::map_copy`], [`Reader`] |
//! | share memory that both sides write | [`OwnedMemFd::map_shared_mut`], [`SharedMap`], [`SharedAtomic`] |
//! | send and receive it | [`socket`], [`SealedMemFd::send`], [`SealedMemFd::receive`] |
//! | run it | [`exec`], [`SealedMemFd::exec`], [`SealedMemFd::map_exec`] |
#![cfg_attr(feature = "boot", doc = "| load it into the kernel | [`boot`] |")]
//!
//! The [`guide`] has a page for each of these jobs, for [programs without
//! libc](guide::no_std_and_linking), for [tokio, bytes, zerocopy and
//! others](guide::with_other_crates), and for those who [come from another
//! crate](guide::moving_over). What is promised, and on what that rests, is under
//! [soundness](guide::soundness).
//!
//! # Features
//!
//! None is on by default. Everything that needs none works without std, heap and libc.
//!
//! | feature | adds |
//! |---|---|
//! | `std` | `OwnedFd`, `BorrowedFd` and `AsFd` are std's own; every error becomes an `io::Error`; `Read`, `BufRead`, `Write`, `Seek` and `FileExt`; conversions to and from `File`, and to `Stdio`; `pass_to` and `spawn` for child processes |
//! | `boot` | kernel modules, loop devices and the next kernel from memory files |
//! | `embedded-io-07` | embedded-io 0.7: `Read`, `Write` and `Seek` for [`OwnedMemFd`], also by reference, `Read`, `BufRead` and `Seek` for [`Reader`], `Write` for [`Writer`], and the kind of every [`Errno`] |
//! | `rustix-1` | rustix 1: [`Errno`] both ways; without `std` also `OwnedFd` and `BorrowedFd` both ways, rustix's `AsFd` for the files here, and this crate's for rustix's descriptors |
//! | `stable-deref-1` | `StableDeref` of `stable_deref_trait` 1 for [`SealedMap`], [`CopyMap`] and [`ExecMap`], as yoke and others need to borrow from a map that they own |
//!
//! Types have the same names and signatures with `std` and without it, so code that uses only the
//! common API compiles in both modes. A library must not implement a trait for both std's
//! descriptor types and those of [`fd`]: with `std` they are the same. `core::fmt::Write` for
//! [`Writer`] needs no feature.
//!
//! The last three are for programs that use these crates anyway, alone or together. `std` turns on
//! rustix's `std` if `rustix-1` is on: then the descriptors of both crates are std's own, and need
//! no conversion. Without `std`, they are converted, also if another crate has turned on rustix's
//! `std`.
//!
//! # Platforms
//!
//! Linux (gnu and musl) and Android on 64-bit, little-endian `x86_64` (not x32), aarch64 and
//! riscv64. On every other target the crate does not compile, and says so. Memory files exist since
//! Linux 3.17; what came later, and what happens before, is under [kernels](guide::kernels). Rust
//! 1.85 or newer.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
// A condition of std's own, on methods of slices, which a map has.
#![cfg_attr(
    docsrs,
    allow(unexpected_cfgs),
    doc(auto_cfg(hide(no_global_oom_handling)))
)]
#![deny(unsafe_code)]
#![allow(
    clippy::inline_always,
    reason = "a call is a few instructions, and at opt-level s and z nothing less inlines them"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "registers have one width; the kernel's types differ from ours in sign and name"
)]

#[cfg(feature = "std")]
extern crate std;

// The order of the `mod` lines is the architecture: a module uses only modules above it, and only
// `fd` and `sys` use `arch`. ci/boundaries.sh reads it from here.

// The CPUs: the one list of system calls, and what a supported target is.
#[macro_use]
#[path = "../arch/mod.rs"]
mod arch;

cfg_if! {
    if #[cfg(supported)] {
        // Errno: numbers, names, decoding.
        mod errno;
        // The flags of creation, the seals, the sizes of huge pages.
        mod flags;
        // A path that ends in a number.
        mod path;
        // A descriptor: taking, lending and closing it.
        pub mod fd;
        // System calls: one typed function for each, in files named after their users.
        mod sys;
        // A mapped range of a file, which unmaps itself.
        mod region;
        // OwnedMemFd: what is done with a memory file through its descriptor.
        mod memfd;
        // Judges a descriptor, and makes the proof of which a SealedMemFd consists.
        mod proof;
        // Huge pages for a new file that is going to be filled.
        mod extents;
        // What takes more than one call: transfers of everything, and both ways to copy.
        mod transfer;
        // MemFdOptions: creation that means the same on every kernel.
        mod options;
        // Memory that others write at the same time.
        mod shared;
        // SealedMemFd, the same of a descriptor that somebody lends, and maps of it.
        mod sealed;
        // Making sealed files: sealing, copying, filling in place, verifying.
        mod sealing;
        // Streams: writing a sealed file piece by piece, and reading one.
        mod stream;
        // Descriptors over Unix sockets.
        pub mod socket;
        // Running a memory file.
        pub mod exec;
        // Modules, block devices and kernels from memory files.
        #[cfg(feature = "boot")]
        pub mod boot;
        // std's errors, traits and types.
        #[cfg(feature = "std")]
        mod with_std;
        // embedded-io's traits.
        #[cfg(feature = "embedded-io-07")]
        mod with_embedded_io;
        // rustix's descriptors and error numbers.
        #[cfg(feature = "rustix-1")]
        mod with_rustix;
        // stable_deref_trait's marker of maps.
        #[cfg(feature = "stable-deref-1")]
        mod with_stable_deref;
        // The guide, a page for each job. It has no code.
        #[cfg(doc)]
        pub mod guide;

        pub use errno::Errno;
        pub use flags::{HugePageSize, MemFdFlags, Seals};
        pub use memfd::{BorrowedMemFd, OwnedMemFd, SealError, SeekFrom};
        pub use options::{CreateError, MemFdOptions, Name, TryCreateError};
        pub use path::NumberedPath;
        pub use proof::{MapError, VerifyError, VerifyErrorKind, has_cve_2026_63952};
        pub use sealed::{BorrowedSealedMemFd, CopyMap, ExecMap, SealedMap, SealedMemFd};
        pub use shared::{AccessError, SharedMap, SharedMapMut};
        pub use shared::{SharedAtomic, SharedAtomicInt, SharedAtomicMut, SharedInt};
        pub use stream::{Reader, Writer};
        pub use transfer::{TransferCause, TransferError};
    }
}

// README's code is compiled and run by the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
