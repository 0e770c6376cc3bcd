//! A model of the kernel, so that the library's own unsafe code runs under Miri.
//!
//! Under Miri, `arch/interpreted.rs` declares each system call as a foreign function. `calls` defines
//! them here, and does what Linux does, as far as the library can tell: descriptors, memory files
//! and their seals, mappings, sockets, `/proc` and the rest. All memory is real: a mapping is
//! allocated, and what the kernel reads and writes for a call is read and written through the
//! pointers that the library gave. So Miri sees each byte that the library promises to the kernel,
//! and each that the kernel promises to the library.
//!
//! What is shared with a file is the file's own allocation. With Stacked Borrows the pointer of each
//! such mapping is for no byte before or after it. With Tree Borrows it is for the whole
//! allocation. That goes with the file's last mapping: Miri does not find who uses a mapping that is
//! unmapped while another one of the file is left. Any other mapping is an allocation of its own.
//!
//! A test makes a [`Machine`], through which it can also make the kernel [lie](Machine::returns).
//!
//! # What differs from Linux
//! - One byte has one address. The two halves of a mirrored map are copies of the file, and two
//!   shared maps of the same bytes are at the same address.
//! - What is mapped of a file that is sealed against writing is a copy, which is gone when it is
//!   unmapped. Nobody can tell, and Miri finds whoever still uses it.
//! - A mapping is as long as asked for. Linux maps the rest of the page too.
//! - A file has at most 64 MiB, and 64 KiB while others have it mapped.
//! - Nothing is ever executed.
//!
//! Without Miri there is nothing in this package.
#![cfg(miri)]

mod calls;
mod file;
mod kernel;
mod machine;
mod mapping;
mod socket;
mod transfer;

pub use machine::{Forged, Machine};
