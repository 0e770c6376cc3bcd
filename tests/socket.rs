//! Claims about passing files to other software: Python, rustix and memmap2.
//!
//! The claims that need no std are in `tests/suite`.

use memmap2::Mmap;
use owned_memfd::{
    OwnedMemFd, SealedMemFd, Seals, VerifyErrorKind,
    fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
    socket::{self, ReceiveError, ReceivedFds, SocketType},
};
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::{Resource, getrlimit},
};
use std::{
    error::Error,
    io::IoSliceMut,
    mem::MaybeUninit,
    process::{Command, Stdio},
};

type Outcome = Result<(), Box<dyn Error>>;

const KINDS: [(SocketType, &str); 3] = [
    (SocketType::Stream, "STREAM"),
    (SocketType::Datagram, "DGRAM"),
    (SocketType::SeqPacket, "SEQPACKET"),
];

/// Converts the library's descriptor to std's, which may be the same type.
fn to_std(fd: impl IntoRawFd) -> std::os::fd::OwnedFd {
    // SAFETY: `into_raw_fd` gives the descriptor up.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(fd.into_raw_fd()) }
}

/// Converts another crate's descriptor to the library's.
fn to_ours(fd: impl std::os::fd::IntoRawFd) -> OwnedFd {
    // SAFETY: `into_raw_fd` gives the descriptor up.
    unsafe { OwnedFd::from_raw_fd(fd.into_raw_fd()) }
}

/// Lends another crate's descriptor to the library.
fn lend(fd: &impl std::os::fd::AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: the descriptor stays open as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) }
}

/// Lends the library's descriptor to another crate.
fn borrow(fd: &impl AsFd) -> std::os::fd::BorrowedFd<'_> {
    // SAFETY: the descriptor stays open as long as it is borrowed.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd.as_fd().as_raw_fd()) }
}

/// Runs a Python program until it exits, with the socket as its standard input.
fn python(socket: OwnedFd, kind: &str, program: &str) -> Outcome {
    let start = format!(
        "import fcntl, mmap, os, socket\n\
         peer = socket.socket(socket.AF_UNIX, socket.SOCK_{kind}, fileno=0)\n"
    );
    let output = Command::new("python3")
        .args(["-c", &(start + program)])
        .stdin(Stdio::from(to_std(socket)))
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}: {errors}");
    Ok(())
}

#[test]
fn python_gets_what_we_send() -> Outcome {
    for (kind, name) in KINDS {
        let (here, there) = socket::socket_pair(kind)?;
        SealedMemFd::copy_from_slice(c"ours", b"from Rust")?.send(&here)?;
        python(
            there,
            name,
            r#"
data, (fd,), flags, _ = socket.recv_fds(peer, 10, 4)
assert data == b"\0", data
assert flags & ~0x40000000 == 0, flags
assert os.pread(fd, 100, 0) == b"from Rust"
assert os.readlink(f"/proc/self/fd/{fd}") == "/memfd:ours (deleted)"
wanted = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & wanted == wanted
for change in (lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 0), lambda: os.ftruncate(fd, 99)):
    try:
        change()
    except PermissionError:
        pass
    else:
        raise AssertionError("changed")
with mmap.mmap(fd, 9, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
    assert mapped[:] == b"from Rust"
"#,
        )?;
    }
    Ok(())
}

#[test]
fn we_get_and_prove_what_python_sends() -> Outcome {
    for (kind, name) in KINDS {
        let (here, there) = socket::socket_pair(kind)?;
        python(
            there,
            name,
            r#"
fd = os.memfd_create("theirs", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
os.write(fd, b"from Python")
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)
socket.send_fds(peer, [b"!"], [fd])
"#,
        )?;
        let received = SealedMemFd::receive(&here, 100)?;
        assert_eq!(&received.map()?[..], b"from Python");
        let name = std::fs::read_link(format!("/proc/self/fd/{}", received.as_raw_fd()))?;
        assert_eq!(name.to_str(), Some("/memfd:theirs (deleted)"));
    }
    Ok(())
}

#[test]
fn what_python_sends_unsealed_is_refused() -> Outcome {
    for (kind, name) in KINDS {
        let (here, there) = socket::socket_pair(kind)?;
        python(
            there,
            name,
            r#"
fd = os.memfd_create("theirs", os.MFD_ALLOW_SEALING)
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
socket.send_fds(peer, [b"!"], [fd])
read, write = os.pipe()
socket.send_fds(peer, [b"!"], [read])
socket.send_fds(peer, [b"!"], [read, write, fd])
peer.send(b"!")
"#,
        )?;
        let missing = VerifyErrorKind::MissingSeals(Seals::WRITE);
        for expected in [missing, VerifyErrorKind::CanBlock] {
            match SealedMemFd::receive(&here, 100) {
                Err(ReceiveError::Verify(error)) => assert_eq!(error.kind(), expected),
                other => panic!("{other:?}"),
            }
        }
        let refused = SealedMemFd::receive(&here, 100);
        assert!(matches!(refused, Err(ReceiveError::TooManyDescriptors)));
        let refused = SealedMemFd::receive(&here, 100);
        assert!(matches!(refused, Err(ReceiveError::NoDescriptor)));
    }
    Ok(())
}

#[test]
fn bytes_and_many_descriptors_pass_to_python_and_back() -> Outcome {
    // Where a process may have few descriptors (`ulimit -n`), these are fewer.
    if getrlimit(Resource::Nofile)
        .current
        .is_some_and(|limit| limit < 300)
    {
        descriptors_pass_to_python_and_back::<16>()
    } else {
        descriptors_pass_to_python_and_back::<253>()
    }
}

fn descriptors_pass_to_python_and_back<const MANY: usize>() -> Outcome {
    for (kind, name) in KINDS {
        let (here, there) = socket::socket_pair(kind)?;
        let file = SealedMemFd::copy_from_slice(c"many", b"content")?;
        socket::send(&here, b"some bytes", &[file.as_fd(); MANY])?;
        let echo = here.as_fd();
        python(
            there,
            name,
            &format!(
                r#"
data, fds, _, _ = socket.recv_fds(peer, 100, 253)
assert data == b"some bytes", data
assert len(fds) == {MANY}, len(fds)
assert len({{os.fstat(fd).st_ino for fd in fds}}) == 1
socket.send_fds(peer, [b"more", b" bytes"], fds)
"#
            ),
        )?;
        let (mut room, mut descriptors) = ([0; 100], ReceivedFds::<MANY>::new());
        let count = socket::receive(echo, &mut room, &mut descriptors)?;
        assert_eq!(&room[..count], b"more bytes");
        assert_eq!(descriptors.len(), MANY);
        for received in descriptors {
            assert_eq!(&SealedMemFd::try_from(received)?.map()?[..], b"content");
        }
    }
    Ok(())
}

#[test]
fn a_file_that_rustix_sealed_is_proven() -> Outcome {
    let file = memfd_create("rustix", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::io::write(&file, b"from rustix")?;
    let unsealed = file.try_clone()?;
    assert!(SealedMemFd::try_from(to_ours(unsealed)).is_err());
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK)?;

    // Directly, and through a socket.
    let (here, there) = socket::socket_pair(SocketType::SeqPacket)?;
    assert_eq!(socket::send(&here, b"!", &[lend(&file)])?, 1);
    let proven = SealedMemFd::try_from(to_ours(file))?;
    assert_eq!(&proven.map()?[..], b"from rustix");
    let received = SealedMemFd::receive(&there, 11)?;
    assert_eq!(&received.map()?[..], b"from rustix");
    Ok(())
}

#[test]
fn rustix_gets_what_we_send() -> Outcome {
    let (here, there) = socket::socket_pair(SocketType::Stream)?;
    let file = SealedMemFd::copy_from_slice(c"ours", b"for rustix")?;
    socket::send(&here, b"hello", &[file.as_fd(), file.as_fd()])?;
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let mut bytes = [0; 16];
    let received = rustix::net::recvmsg(
        borrow(&there),
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    assert_eq!(&bytes[..received.bytes], b"hello");
    let mut count = 0;
    for message in control.drain() {
        let RecvAncillaryMessage::ScmRights(files) = message else {
            panic!("something else came");
        };
        for file in files {
            let seals = rustix::fs::fcntl_get_seals(&file)?;
            assert!(seals.contains(SealFlags::WRITE | SealFlags::SHRINK));
            count += 1;
        }
    }
    assert_eq!(count, 2);
    Ok(())
}

#[test]
fn memmap2_maps_what_we_sealed() -> Outcome {
    let content = vec![7; 100_000];
    let file = SealedMemFd::copy_from_slice(c"ours", &content)?;
    // SAFETY: nobody can change the file any more.
    let mapped = unsafe { Mmap::map(file.as_raw_fd())? };
    assert_eq!(&mapped[..], content);
    // SAFETY: as above.
    assert!(unsafe { memmap2::MmapMut::map_mut(file.as_raw_fd()) }.is_err());
    drop(file);
    assert_eq!(&mapped[..], content);
    Ok(())
}

#[test]
fn we_wait_for_memmap2_to_let_go() -> Outcome {
    let file = OwnedMemFd::create(
        c"theirs",
        owned_memfd::MemFdFlags::CLOEXEC | owned_memfd::MemFdFlags::ALLOW_SEALING,
    )?;
    file.set_len(10)?;
    // SAFETY: this process alone has the file, and changes it only by this mapping.
    let mut mapped = unsafe { memmap2::MmapMut::map_mut(file.as_raw_fd())? };
    mapped.copy_from_slice(b"by memmap2");
    let refused = file.seal().unwrap_err();
    assert_eq!(
        refused.kind(),
        VerifyErrorKind::Seal(owned_memfd::SealError::MappedOrPinned)
    );
    drop(mapped);
    assert_eq!(&refused.into_inner().seal()?.map()?[..], b"by memmap2");
    Ok(())
}

#[test]
fn a_socket_of_stds_is_as_good() -> Outcome {
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    SealedMemFd::copy_from_slice(c"ours", b"content")?.send(lend(&here))?;
    assert_eq!(SealedMemFd::receive(lend(&there), 7)?.len(), 7);

    let (here, there) = std::os::unix::net::UnixDatagram::pair()?;
    SealedMemFd::copy_from_slice(c"ours", b"content")?.send(lend(&here))?;
    assert_eq!(SealedMemFd::receive(lend(&there), 7)?.len(), 7);
    Ok(())
}
