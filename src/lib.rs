#![doc = include_str!("../README.md")]
#![no_std]
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

#[macro_use]
#[path = "../arch/mod.rs"]
mod arch;

cfg_if! {
    if #[cfg(supported)] {
        #[cfg(feature = "boot")]
        pub mod boot;
        mod errno;
        pub mod exec;
        pub mod fd;
        mod flags;
        mod map;
        mod memfd;
        mod options;
        mod path;
        pub mod socket;
        mod sealed;
        mod sys;
        #[cfg(feature = "std")]
        mod with_std;

        pub use errno::{Errno, TransferError, VerifyErrorKind, VerifyError};
        pub use flags::{HugePageSize, MemFdFlags, Seals};
        pub use map::{SharedMapMut, SharedMap};
        pub use memfd::{OwnedMemFd, SealError, SeekFrom};
        pub use options::{CreateError, MemFdOptions, Name};
        pub use path::NumberedPath;
        pub use sealed::{SealedMap, MapError, SealedMemFd};
    }
}
