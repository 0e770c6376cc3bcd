//! What a program does with owned-memfd, rustix, embedded-io and `stable_deref_trait` together,
//! without `unsafe`.
//!
//! This compiles unchanged whether owned-memfd has std or not, and whether rustix has: `ci/crates.sh`
//! builds and runs it with each combination, and in a program without libc.
#![no_std]
#![forbid(unsafe_code)]
#![allow(
    clippy::useless_conversion,
    reason = "where both crates have std, their types are the same"
)]

use embedded_io::{Read, Seek, SeekFrom, Write};
use owned_memfd::{
    BorrowedMemFd, Errno, MemFdOptions, OwnedMemFd, SealedMemFd,
    fd::{AsFd, BorrowedFd, OwnedFd},
};
use rustix::{
    fd,
    net::{AddressFamily, SocketFlags, SocketType},
};
use stable_deref_trait::StableDeref;

/// The guide's page about these crates, whose examples are run as tests of this documentation. In
/// the library itself they are empty: it has no feature of that name.
#[cfg(all(doctest, feature = "graph"))]
#[doc = include_str!("../../../src/guide/with_other_crates.md")]
pub struct Page;

/// What was done, or failed.
pub type Outcome = Result<(), Errno>;

/// `EIO` unless the condition holds.
fn check(condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(Errno::EIO) }
}

/// Does everything.
///
/// # Errors
/// The first error of either crate, or `EIO` where one returned something else than expected.
pub fn everything() -> Outcome {
    let file = MemFdOptions::new().create("crates")?;
    write_and_read(&file)?;
    lend(&file)?;
    let file = give_and_take(file)?;
    let sealed = file.seal()?;
    pass(&sealed)?;
    own(sealed)
}

fn write_and_read(mut file: impl Read<Error = Errno> + Write + Seek) -> Outcome {
    file.write_all(b"hello, ")?;
    write!(file, "{}", 12345).map_err(|_| Errno::EIO)?;
    check(file.seek(SeekFrom::Start(7))? == 7)?;
    let mut bytes = [0; 5];
    file.read_exact(&mut bytes).map_err(|_| Errno::EIO)?;
    check(bytes == *b"12345" && file.read(&mut bytes)? == 0)
}

/// Functions of each crate take what the other one lends. `?` converts both errors.
fn lend(file: &OwnedMemFd) -> Outcome {
    fn length(file: impl fd::AsFd) -> Result<i64, rustix::io::Errno> {
        Ok(rustix::fs::fstat(file)?.st_size)
    }
    check(length(file)? == 12 && length(file.as_fd())? == 12)?;
    let lent: fd::BorrowedFd<'_> = file.as_fd().into();
    let back: BorrowedFd<'_> = lent.into();
    let borrowed = BorrowedMemFd::try_from(back)?;
    check(borrowed.len()? == 12 && length(borrowed)? == 12)
}

fn give_and_take(file: OwnedMemFd) -> Result<OwnedMemFd, Errno> {
    let given: fd::OwnedFd = file.into();
    let file = OwnedMemFd::try_from(given)?;
    let ours: OwnedFd = file.into();
    let given: fd::OwnedFd = ours.into();
    rustix::fs::ftruncate(&given, 5)?;
    let back: OwnedFd = given.into();
    Ok(OwnedMemFd::try_from(back)?)
}

/// A socket of rustix's is as good as one of ours.
fn pass(sealed: &SealedMemFd) -> Outcome {
    let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    let (here, there) = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None)?;
    sealed.send(&here)?;
    let received = SealedMemFd::receive(&there, 5)?;
    check(&received.map()?[..] == b"hello")?;
    check(no_file().is_err_and(|error| error == rustix::io::Errno::INVAL))
}

/// This crate's error through a function that returns rustix's.
fn no_file() -> Result<SealedMemFd, rustix::io::Errno> {
    let (reader, _writer): (fd::OwnedFd, _) = rustix::pipe::pipe()?;
    SealedMemFd::verify(reader.into(), 5).map_err(|error| Errno::from(error).into())
}

/// The bytes are where they were when their owner moves.
fn own(sealed: SealedMemFd) -> Outcome {
    fn moved<T: StableDeref<Target = [u8]>>(map: T) -> (*const u8, Option<T>) {
        (map.as_ptr(), Some(map))
    }
    let (start, map) = moved(sealed.map()?);
    check(map.is_some_and(|map| map.as_ptr() == start && &map[..] == b"hello"))?;
    let given: fd::OwnedFd = sealed.into();
    let sealed = SealedMemFd::try_from(given)?;
    check(sealed.len() == 5)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::any::TypeId;

    #[test]
    fn every_combination_of_features_does_the_same() {
        super::everything().unwrap();
    }

    #[test]
    fn this_is_the_combination_that_was_asked_for() {
        let std = TypeId::of::<std::os::fd::OwnedFd>();
        let ours = TypeId::of::<owned_memfd::fd::OwnedFd>();
        let rustixs = TypeId::of::<rustix::fd::OwnedFd>();
        let has_std = cfg!(feature = "std");
        assert_eq!(ours == std, has_std);
        assert_eq!(rustixs == std, has_std || cfg!(feature = "rustix-std"));
    }
}
