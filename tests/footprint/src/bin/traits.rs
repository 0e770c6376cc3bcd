//! What `surface` does for the functions of the crate, for the traits of other crates that it
//! implements: all are called except those that print, and it links only if none can panic or
//! needs a function of a C library.
#![no_std]
#![no_main]

use core::hint::black_box;
use embedded_io::{BufRead, Error, ErrorKind, Read, Seek, SeekFrom, Write};
use owned_memfd::{
    BorrowedMemFd, BorrowedSealedMemFd, Errno, MemFdOptions, OwnedMemFd, SealedMemFd,
    fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};
use rustix::fd;

footprint::program!(main);

fn main() -> i32 {
    let mut done = 0;
    let errno = Errno::from_raw_os_error(black_box(1));
    done += i32::from(errno.kind() == ErrorKind::PermissionDenied);
    // The way back has an assertion of rustix's, which is never false; but only link-time
    // optimization removes it.
    done += Errno::from(black_box(rustix::io::Errno::PERM)).raw_os_error();
    if let Ok(mut file) = MemFdOptions::new().create(c"x") {
        done += use_file(&mut &file) + use_file(&mut file);
    }
    done + streams() + descriptors()
}

fn use_file(file: &mut (impl Read + Write + Seek)) -> i32 {
    let mut buffer = [0; 1];
    let mut done = 0;
    done += i32::from(file.write(black_box(b"x")).is_ok());
    done += i32::from(file.write_all(black_box(b"x")).is_ok());
    done += i32::from(file.flush().is_ok());
    done += i32::from(file.seek(black_box(SeekFrom::End(-2))).is_ok());
    done += i32::from(file.read(&mut buffer).is_ok());
    done += i32::from(file.read_exact(&mut buffer).is_ok());
    done += i32::from(file.seek_relative(black_box(-1)).is_ok());
    done += i32::from(file.stream_position().is_ok());
    done + i32::from(file.rewind().is_ok())
}

fn streams() -> i32 {
    let mut buffer = [0; 8];
    let mut done = 0;
    let Ok(mut writer) = MemFdOptions::new().writer(c"x", &mut buffer) else {
        return done;
    };
    done += i32::from(Write::write(&mut writer, black_box(b"x")).is_ok());
    done += i32::from(Write::write_all(&mut writer, black_box(b"x")).is_ok());
    done += i32::from(Write::flush(&mut writer).is_ok());
    let Ok(sealed) = writer.finish() else {
        return done;
    };
    let mut byte = [0; 1];
    let mut reader = sealed.reader(&mut buffer);
    done += i32::from(Read::read(&mut reader, &mut byte).is_ok());
    done += i32::from(Read::read_exact(&mut reader, &mut byte).is_ok());
    done += i32::from(BufRead::fill_buf(&mut reader).is_ok_and(<[u8]>::is_empty));
    BufRead::consume(&mut reader, black_box(1));
    done += i32::from(Seek::seek(&mut reader, black_box(SeekFrom::Start(1))).is_ok());
    done + i32::from(Seek::stream_position(&mut reader).is_ok())
}

/// A descriptor that is not open.
fn closed<T: FromRawFd>() -> T {
    // SAFETY: not -1, and nobody has so many descriptors.
    unsafe { T::from_raw_fd(black_box(i32::MAX)) }
}

/// Lends a descriptor of either crate's to the other one, and counts it.
fn lend(ours: impl fd::AsFd, rustixs: impl AsFd) -> i32 {
    let number = rustixs.as_fd().as_raw_fd();
    i32::from(fd::AsRawFd::as_raw_fd(&ours.as_fd()) == number)
}

fn descriptors() -> i32 {
    let ours: OwnedFd = closed();
    let mut done = lend(ours.as_fd(), fd::BorrowedFd::from(ours.as_fd()));
    done += lend(&ours, ours.as_fd());
    let rustixs = fd::OwnedFd::from(ours);
    let lent = rustixs.as_fd();
    done += lend(lent, &rustixs);
    done += lend(BorrowedFd::from(fd::BorrowedFd::from(lent)), &rustixs);
    done += i32::from(OwnedFd::from(rustixs).as_raw_fd() == 0);

    let file: OwnedMemFd = closed();
    done += lend(&file, &file);
    if let Ok(lent) = BorrowedMemFd::try_from(fd::BorrowedFd::from(file.as_fd())) {
        done += lend(lent, fd::BorrowedFd::from(lent));
    }
    done += match OwnedMemFd::try_from(fd::OwnedFd::from(file)) {
        Ok(_) => 1,
        Err(error) => fd::AsRawFd::as_raw_fd(error.get_ref()),
    };
    if let Ok(sealed) = SealedMemFd::copy_from_slice(c"x", b"x") {
        done += lend(&sealed, &sealed);
        if let Ok(lent) = BorrowedSealedMemFd::try_from(fd::BorrowedFd::from(sealed.as_fd())) {
            done += lend(lent, sealed.as_fd());
            done += fd::AsRawFd::as_raw_fd(&fd::BorrowedFd::from(lent));
        }
        done += i32::from(SealedMemFd::try_from(fd::OwnedFd::from(sealed)).is_ok());
    }
    let file = SealedMemFd::try_from(closed::<OwnedFd>());
    if let Some(device) = file.ok().and_then(|file| file.attach_loop().ok()) {
        done += lend(&device, &device);
        drop(fd::OwnedFd::from(device));
    }
    done
}
