#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
