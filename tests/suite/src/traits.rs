//! Claims about the traits and types of other crates: embedded-io, rustix and `stable_deref_trait`.
//! This file compiles unchanged with std's descriptors and with those of both crates.

use crate::{
    Verdict, World,
    children::Supervisor,
    copies, kernel,
    raw::{self, Response, Which},
    world,
};
use embedded_io::{BufRead, Error, ErrorKind, Read, ReadExactError, Seek, SeekFrom, Write};
use owned_memfd::{
    BorrowedMemFd, BorrowedSealedMemFd, CopyMap, Errno, ExecMap, MemFdOptions, OwnedMemFd,
    SealedMap, SealedMemFd, Seals, VerifyErrorKind,
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    socket::{self, SocketType},
};
use rustix::{fd, fs::OFlags, process::Resource};
use stable_deref_trait::StableDeref;

claims!(
    every_errno_has_its_kind,
    a_file_is_read_written_and_sought_through_the_traits,
    a_write_that_writes_nothing_is_an_error,
    reading_exactly_continues_after_a_signal,
    a_writer_and_a_reader_have_the_traits,
    a_reader_that_cannot_read_says_why,
    an_error_number_of_rustix_is_the_same_number,
    rustixs_descriptors_keep_their_number_and_have_one_owner,
    what_is_no_memory_file_goes_back_to_rustix,
    rustix_takes_our_descriptors_and_we_take_its,
    a_map_that_moves_keeps_its_bytes_where_they_are,
    code_that_moves_stays_where_it_is,
);

const KINDS: [(Errno, ErrorKind); 20] = [
    (Errno::EPERM, ErrorKind::PermissionDenied),
    (Errno::EACCES, ErrorKind::PermissionDenied),
    (Errno::ENOENT, ErrorKind::NotFound),
    (Errno::EINTR, ErrorKind::Interrupted),
    (Errno::ENOMEM, ErrorKind::OutOfMemory),
    (Errno::EEXIST, ErrorKind::AlreadyExists),
    (Errno::EINVAL, ErrorKind::InvalidInput),
    (Errno::EPIPE, ErrorKind::BrokenPipe),
    (Errno::ENOSYS, ErrorKind::Unsupported),
    (Errno::EOPNOTSUPP, ErrorKind::Unsupported),
    (Errno::EADDRINUSE, ErrorKind::AddrInUse),
    (Errno::EADDRNOTAVAIL, ErrorKind::AddrNotAvailable),
    (Errno::ECONNABORTED, ErrorKind::ConnectionAborted),
    (Errno::ECONNRESET, ErrorKind::ConnectionReset),
    (Errno::ENOTCONN, ErrorKind::NotConnected),
    (Errno::ETIMEDOUT, ErrorKind::TimedOut),
    (Errno::ECONNREFUSED, ErrorKind::ConnectionRefused),
    // No more bytes fit. `Write::write` asks for this kind.
    (Errno::ENOSPC, ErrorKind::WriteZero),
    (Errno::EFBIG, ErrorKind::WriteZero),
    (Errno::EDQUOT, ErrorKind::WriteZero),
];

// tests/crates compares them with what std says.
fn every_errno_has_its_kind(_: &World) -> Verdict {
    for number in -1..=4096 {
        let errno = Errno::from_raw_os_error(number);
        let known = KINDS.iter().find(|(known, _)| *known == errno);
        let kind = known.map_or(ErrorKind::Other, |(_, kind)| *kind);
        holds!(errno.kind() == kind, "{errno:?} is {:?}", errno.kind());
    }
    Ok(())
}

/// Everything that the traits do, on an owner or a reference.
fn used(mut file: impl Read<Error = Errno> + Write + Seek) -> Verdict {
    same!(file.write(b""), Ok(0));
    same!(file.write(b"hello"), Ok(5));
    ok!(file.write_all(b", world"));
    ok!(write!(file, " of {}", 4));
    ok!(file.flush());
    same!(file.stream_position(), Ok(17));
    let mut bytes = [0; 8];
    same!(file.read(&mut bytes), Ok(0));
    same!(file.seek(SeekFrom::End(-4)), Ok(13));
    same!(file.read(&mut bytes), Ok(4));
    same!(&bytes[..4], b"of 4");
    same!(file.seek(SeekFrom::Start(7)), Ok(7));
    ok!(file.seek_relative(-2));
    ok!(file.read_exact(&mut bytes));
    same!(&bytes, b", world ");
    same!(
        file.read_exact(&mut bytes),
        Err(ReadExactError::UnexpectedEof)
    );
    same!(file.read_exact(&mut []), Ok(()));
    same!(file.seek(SeekFrom::Current(-18)), Err(Errno::EINVAL));
    ok!(file.rewind());
    same!(file.read(&mut bytes), Ok(8));
    same!(&bytes, b"hello, w");
    Ok(())
}

fn a_file_is_read_written_and_sought_through_the_traits(_: &World) -> Verdict {
    let mut file = ok!(kernel::sealable());
    used(&file)?;
    ok!(file.set_len(0));
    ok!(Seek::rewind(&mut file));
    used(&mut file)?;
    ok!(file.set_len(0));
    ok!(Seek::rewind(&mut file));
    used(file)
}

fn a_write_that_writes_nothing_is_an_error(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let mut file = ok!(kernel::sealable());
    // The kernel says that it wrote 0 bytes.
    ok!(raw::refuse(
        Which::Equal(sc::nr::WRITE, 0, file.as_raw_fd() as u32),
        Errno::from_raw_os_error(0),
    ));
    same!(OwnedMemFd::write(&file, b"x"), Ok(0));
    let refused = Write::write(&mut &file, b"x");
    same!(refused, Err(Errno::ENOSPC));
    same!(
        refused.map_err(|error| error.kind()),
        Err(ErrorKind::WriteZero)
    );
    same!(Write::write(&mut file, b"x"), Err(Errno::ENOSPC));
    same!(Write::write_all(&mut file, b"x"), Err(Errno::ENOSPC));
    same!(Write::write(&mut file, b""), Ok(0));
    Ok(())
}

fn reading_exactly_continues_after_a_signal(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let mut file = ok!(kernel::holding(b"0123456"));
    let read = Which::Equal(sc::nr::READ, 0, file.as_raw_fd() as u32);
    let responses = [
        Response::Error(Errno::EINTR),
        Response::Value(0),
        Response::Error(Errno::EINTR),
        Response::LetThrough,
        Response::LetThrough,
        Response::LetThrough,
        Response::Error(Errno::EIO),
    ];
    let supervisor = Supervisor::of(read, &responses)?;
    let mut bytes = [0; 4];
    let ended = Err(ReadExactError::UnexpectedEof);
    same!(Read::read_exact(&mut file, &mut bytes), ended);
    same!(Read::read_exact(&mut file, &mut bytes), Ok(()));
    same!(&bytes, b"0123");
    same!(Read::read_exact(&mut file, &mut bytes), ended);
    same!(&bytes, b"4563");
    let failed = Err(ReadExactError::Other(Errno::EIO));
    same!(Read::read_exact(&mut file, &mut bytes), failed);
    same!(supervisor.calls(), 7);
    Ok(())
}

fn a_writer_and_a_reader_have_the_traits(_: &World) -> Verdict {
    fn filled(mut writer: impl Write<Error = Errno>) -> Result<(), Errno> {
        if writer.write(b"hello")? != 5 || writer.write(b"")? != 0 {
            return Err(Errno::EIO);
        }
        writer.write_all(b", world")?;
        writer.flush()?;
        write!(writer, " of {}", 4).map_err(|_| Errno::EIO)
    }
    fn read(mut reader: impl BufRead<Error = Errno> + Seek) -> Verdict {
        let mut bytes = [0; 8];
        ok!(reader.read_exact(&mut bytes));
        same!(&bytes, b"hello, w");
        same!(reader.stream_position(), Ok(8));
        same!(reader.fill_buf(), Ok(&b"orld"[..]));
        reader.consume(3);
        same!(reader.stream_position(), Ok(11));
        same!(reader.read(&mut bytes), Ok(1));
        same!(bytes[0], b'd');
        same!(reader.seek(SeekFrom::End(-4)), Ok(13));
        same!(
            reader.read_exact(&mut bytes),
            Err(ReadExactError::UnexpectedEof)
        );
        same!(reader.read(&mut bytes), Ok(0));
        same!(reader.fill_buf(), Ok(&b""[..]));
        same!(reader.seek(SeekFrom::Current(-18)), Err(Errno::EINVAL));
        Ok(())
    }
    let mut buffer = [0; 12];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(filled(&mut writer));
    let sealed = ok!(writer.finish());
    same!(
        kernel::holds_exactly(&sealed, b"hello, world of 4"),
        Ok(true)
    );
    read(sealed.reader(&mut [0; 12]))?;

    ok!(raw::ignore(linux_raw_sys::general::SIGXFSZ));
    ok!(kernel::limit(Resource::Fsize, 4));
    let mut failing = ok!(MemFdOptions::new().writer(c"suite", &mut []));
    same!(Write::write(&mut failing, b"hello"), Err(Errno::EFBIG));
    same!(Write::write(&mut failing, b""), Err(Errno::EFBIG));
    same!(Write::write_all(&mut failing, b"x"), Err(Errno::EFBIG));
    same!(Write::flush(&mut failing), Err(Errno::EFBIG));
    Ok(())
}

fn a_reader_that_cannot_read_says_why(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let writer: OwnedFd = ok!(kernel::reopen(&file, OFlags::WRONLY));
    ok!(file.seal());
    let sealed = ok!(SealedMemFd::verify(writer, 4));
    let mut buffer = [0; 2];
    let failed = Err(ReadExactError::Other(Errno::EBADF));
    let mut reader = sealed.reader(&mut buffer);
    same!(Read::read_exact(&mut reader, &mut [0; 4]), failed);
    same!(Read::read(&mut reader, &mut [0; 4]), Err(Errno::EBADF));
    Ok(())
}

fn an_error_number_of_rustix_is_the_same_number(_: &World) -> Verdict {
    for number in 1..=4095 {
        let errno = Errno::from_raw_os_error(number);
        let rustixs = rustix::io::Errno::from(errno);
        same!(rustixs.raw_os_error(), number);
        same!(Errno::from(rustixs), errno);
    }
    // These are no errors of any kernel's.
    for number in [
        i32::MIN,
        -4096,
        -1,
        0,
        4096,
        65_535,
        65_536,
        65_537,
        i32::MAX,
    ] {
        let errno = Errno::from_raw_os_error(number);
        same!(rustix::io::Errno::from(errno), rustix::io::Errno::INVAL);
    }
    let file = ok!(kernel::holding(b"four"));
    same!(len_of_twice(&file), Ok(8));
    ok!(file.add_seals(Seals::SHRINK));
    same!(len_of_twice(&file), Err(Errno::EPERM));
    Ok(())
}

/// Calls both crates in one function that returns our error, and fails if the file cannot be cut.
fn len_of_twice(file: &OwnedMemFd) -> Result<u64, Errno> {
    let len = rustix::fs::fstat(file)?.st_size as u64;
    rustix::fs::ftruncate(file, len - 1)?;
    rustix::fs::ftruncate(file, len)?;
    Ok(file.len()? + len)
}

// What is lent lives as long as its owner, not as long as what lent it.

fn to_rustix(fd: BorrowedFd<'_>) -> fd::BorrowedFd<'_> {
    fd.into()
}

fn and_back(fd: fd::BorrowedFd<'_>) -> BorrowedFd<'_> {
    fd.into()
}

fn rustixs_descriptors_keep_their_number_and_have_one_owner(_: &World) -> Verdict {
    let before = kernel::open_descriptors();
    let ours = OwnedFd::from(ok!(kernel::holding(b"content")));
    let number = ours.as_raw_fd();
    let rustixs = fd::OwnedFd::from(ours);
    same!(fd::AsRawFd::as_raw_fd(&rustixs), number);
    holds!(raw::is_open(number));
    let ours = OwnedFd::from(rustixs);
    same!(ours.as_raw_fd(), number);
    holds!(raw::is_open(number));

    let lent = fd::BorrowedFd::from(ours.as_fd());
    same!(fd::AsRawFd::as_raw_fd(&lent), number);
    same!(BorrowedFd::from(lent).as_raw_fd(), number);
    holds!(raw::is_open(number));

    same!(and_back(to_rustix(ours.as_fd())).as_raw_fd(), number);
    let lent = ok!(BorrowedMemFd::try_from(to_rustix(ours.as_fd())));
    same!(lent.len(), Ok(7));
    same!(ok!(rustix::fs::fstat(lent)).st_size, 7);
    same!(and_back(lent.into()).as_raw_fd(), number);

    let file = ok!(OwnedMemFd::try_from(fd::OwnedFd::from(ours)).map_err(|error| error.kind()));
    same!(file.as_raw_fd(), number);
    let rustixs = fd::OwnedFd::from(file);
    same!(fd::AsRawFd::as_raw_fd(&rustixs), number);
    drop(rustixs);
    holds!(!raw::is_open(number));

    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"sealed"));
    let number = sealed.as_raw_fd();
    let rustixs = fd::OwnedFd::from(sealed);
    let sealed = ok!(SealedMemFd::try_from(rustixs).map_err(|error| error.kind()));
    same!(sealed.as_raw_fd(), number);
    let lent = ok!(BorrowedSealedMemFd::try_from(to_rustix(sealed.as_fd())));
    same!(lent.len(), 6);
    same!(ok!(rustix::fs::fstat(lent)).st_size, 6);
    same!(and_back(lent.into()).as_raw_fd(), number);
    same!(kernel::holds_exactly(&sealed, b"sealed"), Ok(true));
    drop(sealed);
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn what_is_no_memory_file_goes_back_to_rustix(_: &World) -> Verdict {
    let (end, _other): (fd::OwnedFd, _) = ok!(rustix::pipe::pipe());
    let number = fd::AsRawFd::as_raw_fd(&end);
    let Err(error) = OwnedMemFd::try_from(end) else {
        fail!("a pipe is taken for a memory file")
    };
    same!(error.kind(), VerifyErrorKind::NotMemFd);
    let end: fd::OwnedFd = error.into_inner();
    same!(fd::AsRawFd::as_raw_fd(&end), number);
    holds!(raw::is_open(number));
    let Err(error) = SealedMemFd::try_from(end) else {
        fail!("a pipe is taken for a sealed file")
    };
    same!(error.kind(), VerifyErrorKind::CanBlock);
    let end: fd::OwnedFd = error.into_inner();
    holds!(raw::is_open(number));
    drop(end);
    holds!(!raw::is_open(number));
    Ok(())
}

fn rustix_takes_our_descriptors_and_we_take_its(_: &World) -> Verdict {
    fn inode(fd: impl fd::AsFd) -> Result<u64, Errno> {
        Ok(rustix::fs::fstat(fd)?.st_ino)
    }
    let file = ok!(kernel::sealable());
    let number = file.as_raw_fd();
    same!(rustix::io::write(&file, b"from rustix"), Ok(11));
    let own = ok!(inode(&file));
    let sealed = ok!(file.seal());
    same!(inode(&sealed), Ok(own));
    same!(inode(sealed.as_fd()), Ok(own));
    let owned = OwnedFd::from(sealed);
    same!(inode(&owned), Ok(own));
    same!(inode(owned), Ok(own));
    holds!(!raw::is_open(number));

    let (here, there) = ok!(rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    ));
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"sealed"));
    ok!(sealed.send(&here));
    let received = ok!(SealedMemFd::receive(fd::AsFd::as_fd(&there), 6));
    same!(kernel::holds_exactly(&received, b"sealed"), Ok(true));
    // Our sockets go to rustix.
    let (here, there) = ok!(socket::socket_pair(SocketType::Stream));
    same!(rustix::io::write(&here, b"byte"), Ok(4));
    let mut bytes = [0; 4];
    same!(rustix::io::read(&there, &mut bytes[..]), Ok(4));
    same!(&bytes, b"byte");
    Ok(())
}

/// Moves a map to other places, and looks at its bytes through a pointer from the first one.
fn stays<T: StableDeref<Target = [u8]>>(map: T) -> Verdict {
    let (start, len) = (map.as_ptr(), map.len());
    let mut first = Some(map);
    let mut second = [None, None];
    for place in &mut second {
        *place = first.take();
        holds!(
            place
                .as_ref()
                .is_some_and(|map| map.as_ptr() == start && map.len() == len)
        );
        first = place.take();
    }
    holds!(first.is_some_and(|map| map.as_ptr() == start && map.len() == len));
    Ok(())
}

fn a_map_that_moves_keeps_its_bytes_where_they_are(_: &World) -> Verdict {
    for len in [0, 1, 5000] {
        let content = [7; 5000];
        let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &content[..len]));
        stays::<SealedMap>(ok!(sealed.map()))?;
        let mut copy = ok!(sealed.map_copy());
        copy.fill(8);
        let start = copy.as_mut_ptr().cast_const();
        holds!(copy.as_ptr() == start, "the bytes to be written are others");
        stays::<CopyMap>(copy)?;
    }
    Ok(())
}

fn code_that_moves_stays_where_it_is(_: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"no code"));
    stays::<ExecMap>(copies::mapped(&sealed)?)
}
