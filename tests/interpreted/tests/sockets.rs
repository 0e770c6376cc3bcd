//! Descriptors over sockets, on a kernel that does what Linux does, and with senders that do what
//! they can.
#![cfg(miri)]

use interpreted::{Forged, Machine};
use linux_raw_sys::net::SOL_SOCKET;
use owned_memfd::{
    Errno, MemFdOptions, OwnedMemFd, SealedMemFd, Seals, VerifyErrorKind,
    fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    socket::{
        self, MAX_DESCRIPTORS, ReceiveError, ReceivedFds, SocketAddr,
        SocketType::{self, Datagram, SeqPacket, Stream},
    },
};
use std::{thread, time::Duration};

/// `SCM_CREDENTIALS`
const CREDENTIALS: u32 = 2;
/// `SCM_PIDFD`
const PIDFD: u32 = 4;

fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socket::socket_pair(kind).unwrap()
}

fn sealed() -> SealedMemFd {
    SealedMemFd::copy_from_slice("note", b"hello").unwrap()
}

#[test]
fn a_sealed_file_arrives() {
    let _machine = Machine::new();
    for kind in [Stream, Datagram, SeqPacket] {
        let (here, there) = pair(kind);
        sealed().send(&here).unwrap();
        let received = SealedMemFd::receive(&there, 100).unwrap();
        assert_eq!(&received.map().unwrap()[..], b"hello");
        assert_eq!(received.as_memfd().close_on_exec(), Ok(true));
    }
}

#[test]
fn a_file_that_both_write_arrives() {
    let _machine = Machine::new();
    let (here, there) = pair(SeqPacket);
    let file = MemFdOptions::new().create("both").unwrap();
    file.set_len(10).unwrap();
    file.add_seals(Seals::SHRINK).unwrap();
    file.send(&here).unwrap();
    let timeout = Duration::from_secs(1);
    let received = OwnedMemFd::receive_timeout(&there, timeout).unwrap();
    let (ours, theirs) = (
        file.map_shared(..).unwrap(),
        received.map_shared_mut(..).unwrap(),
    );
    theirs.write_all_at(b"hi", 0).unwrap();
    let mut found = [0; 2];
    ours.read_exact_at(&mut found, 0).unwrap();
    assert_eq!(&found, b"hi");
}

#[test]
fn as_many_descriptors_arrive_as_the_kernel_takes() {
    let _machine = Machine::new();
    let (here, there) = pair(SeqPacket);
    let file = sealed();
    let sent = [file.as_fd(); MAX_DESCRIPTORS];
    assert_eq!(socket::send(&here, b"all", &sent), Ok(3));
    let mut fds = ReceivedFds::<MAX_DESCRIPTORS>::new();
    let mut buffer = [0; 8];
    assert_eq!(socket::receive(&there, &mut buffer, &mut fds).unwrap(), 3);
    assert_eq!(fds.len(), MAX_DESCRIPTORS);
    // Half of them are taken, and the rest is closed with what held it.
    assert_eq!(fds.by_ref().take(100).count(), 100);
    assert_eq!(fds.len(), 153);
}

#[test]
fn what_was_received_before_is_closed() {
    let _machine = Machine::new();
    let (here, there) = pair(SeqPacket);
    let file = sealed();
    let mut fds = ReceivedFds::<2>::new();
    for _ in 0..2 {
        socket::send(&here, b"x", &[file.as_fd(), here.as_fd()]).unwrap();
        assert_eq!(socket::receive(&there, &mut [0], &mut fds).unwrap(), 1);
        assert_eq!(fds.len(), 2);
    }
    assert_eq!(format!("{fds:?}"), "ReceivedFds { len: 2, .. }");
}

#[test]
fn more_descriptors_than_asked_for_are_closed() {
    let machine = Machine::new();
    let (_here, there) = pair(Stream);
    let file = sealed();
    // What this much room has is counted; what it has not is lost.
    for count in [2, 3, 60, MAX_DESCRIPTORS] {
        machine.flood(there.as_raw_fd(), file.as_raw_fd(), count);
        let error = SealedMemFd::receive(&there, 100).unwrap_err();
        assert!(
            matches!(error, ReceiveError::TooManyDescriptors),
            "{error:?}"
        );
        machine.flood(there.as_raw_fd(), file.as_raw_fd(), count);
        let mut none = ReceivedFds::<0>::new();
        let error = socket::receive(&there, &mut [0], &mut none).unwrap_err();
        assert!(
            matches!(error, ReceiveError::TooManyDescriptors),
            "{error:?}"
        );
    }
}

#[test]
fn a_message_without_a_descriptor_is_an_error() {
    let _machine = Machine::new();
    let (here, there) = pair(SeqPacket);
    socket::send(&here, b"x", &[]).unwrap();
    let error = SealedMemFd::receive(&there, 100).unwrap_err();
    assert!(matches!(error, ReceiveError::NoDescriptor));
    socket::send(&here, b"xy", &[sealed().as_fd()]).unwrap();
    let error = SealedMemFd::receive(&there, 100).unwrap_err();
    assert!(matches!(error, ReceiveError::DataTruncated));
    drop(here);
    let error = OwnedMemFd::receive(&there).unwrap_err();
    assert!(matches!(error, ReceiveError::Closed));
}

#[test]
fn a_descriptor_that_is_not_wanted_comes_back() {
    let machine = Machine::new();
    let (here, there) = pair(SeqPacket);
    // SAFETY: the machine has just opened it for this.
    let regular = unsafe { OwnedFd::from_raw_fd(machine.regular_file(b"text")) };
    socket::send(&here, b"x", &[regular.as_fd()]).unwrap();
    match SealedMemFd::receive(&there, 100).unwrap_err() {
        ReceiveError::Verify(error) => assert_eq!(error.kind(), VerifyErrorKind::CanChange),
        error => panic!("{error:?}"),
    }
    socket::send(&here, b"x", &[here.as_fd()]).unwrap();
    let error = OwnedMemFd::receive(&there).unwrap_err();
    assert!(matches!(error, ReceiveError::Verify(_)));
}

#[test]
fn a_stream_brings_descriptors_with_the_first_byte() {
    let _machine = Machine::new();
    let (here, there) = pair(Stream);
    socket::send(&here, b"hello", &[sealed().as_fd()]).unwrap();
    let mut fds = ReceivedFds::<1>::new();
    let mut buffer = [0; 3];
    assert_eq!(socket::receive(&there, &mut buffer, &mut fds).unwrap(), 3);
    assert_eq!(fds.len(), 1);
    let mut none = ReceivedFds::<0>::new();
    assert_eq!(socket::receive(&there, &mut buffer, &mut none).unwrap(), 2);
    assert_eq!(socket::send(&here, b"", &[]), Ok(0));
    assert_eq!(
        socket::send(&here, b"", &[here.as_fd()]),
        Err(Errno::EINVAL)
    );
}

#[test]
fn a_datagram_reaches_an_address() {
    let machine = Machine::new();
    let longest = "n".repeat(107);
    for name in ["", "name", &longest] {
        for is_abstract in [true, false] {
            let (address, bound) = match is_abstract {
                true => (SocketAddr::from_abstract_name(name), format!("\0{name}")),
                false if name.is_empty() => continue,
                false => (SocketAddr::from_pathname(name), format!("{name}\0")),
            };
            let number = machine.bound_socket(bound.as_bytes());
            // SAFETY: the machine has just opened it for this.
            let there = unsafe { OwnedFd::from_raw_fd(number) };
            let here = socket::datagram_socket().unwrap();
            sealed().send_to(&here, address.unwrap()).unwrap();
            let received = SealedMemFd::receive(&there, 100).unwrap();
            assert_eq!(received.len(), 5);
        }
    }
    let nobody = SocketAddr::from_abstract_name("nobody").unwrap();
    let here = socket::datagram_socket().unwrap();
    assert_eq!(sealed().send_to(&here, nobody), Err(Errno::ECONNREFUSED));
}

#[test]
fn waiting_ends_in_time_or_with_a_message() {
    let _machine = Machine::new();
    let (here, there) = pair(SeqPacket);
    let timeout = Duration::from_millis(5);
    let error = SealedMemFd::receive_timeout(&there, 100, timeout).unwrap_err();
    assert!(matches!(error, ReceiveError::TimedOut));
    thread::scope(|scope| {
        scope.spawn(|| sealed().send(&here).unwrap());
        let received = SealedMemFd::receive_timeout(&there, 100, Duration::MAX);
        assert_eq!(received.unwrap().len(), 5);
    });
    drop(here);
    let error = SealedMemFd::receive_timeout(&there, 100, timeout).unwrap_err();
    assert!(matches!(error, ReceiveError::Closed));
}

/// A socket may be set to bring more than descriptors. Linux writes each of them as a message of its
/// own, and cuts the last one where the room ends.
#[test]
fn other_control_messages_are_skipped() {
    let machine = Machine::new();
    let (_here, there) = pair(SeqPacket);
    let number = sealed().as_memfd().try_clone().unwrap();
    let file = std::mem::ManuallyDrop::new(number);
    let mut control = Forged::message(SOL_SOCKET, CREDENTIALS, &[1, 2, 3]);
    control.resize(control.len().next_multiple_of(8), 0xaa);
    control.extend(Forged::rights(&[file.as_raw_fd() as u32]));
    control.resize(control.len().next_multiple_of(8), 0xaa);
    // The kernel could not make one.
    control.extend(Forged::message(SOL_SOCKET, PIDFD, &[-24_i32 as u32]));
    machine.forge(there.as_raw_fd(), Forged::with(control));
    assert_eq!(SealedMemFd::receive(&there, 100).unwrap().len(), 5);
    // A descriptor of a process is closed.
    let process = machine.regular_file(b"");
    let control = Forged::message(SOL_SOCKET, PIDFD, &[process as u32]);
    machine.forge(there.as_raw_fd(), Forged::with(control));
    let error = SealedMemFd::receive(&there, 100).unwrap_err();
    assert!(matches!(error, ReceiveError::NoDescriptor));
}

/// The receiver's table of descriptors is full, or its room for control data is.
#[test]
fn what_was_truncated_is_closed() {
    let machine = Machine::new();
    let (_here, there) = pair(SeqPacket);
    for control in [
        Vec::new(),
        Forged::rights(&[machine.regular_file(b"") as u32]),
    ] {
        let flags = linux_raw_sys::net::MSG_CTRUNC;
        let forged = Forged {
            flags,
            ..Forged::with(control)
        };
        machine.forge(there.as_raw_fd(), forged);
        let error = SealedMemFd::receive(&there, 100).unwrap_err();
        assert!(matches!(error, ReceiveError::ControlTruncated));
    }
}

#[test]
fn a_message_with_nothing_in_it_is_the_end_of_a_connection_only() {
    let machine = Machine::new();
    for (kind, is_end) in [(Stream, true), (SeqPacket, true), (Datagram, false)] {
        let (_here, there) = pair(kind);
        machine.forge(there.as_raw_fd(), Forged::default());
        let mut fds = ReceivedFds::<1>::new();
        match socket::receive(&there, &mut [0], &mut fds) {
            Err(ReceiveError::Closed) => assert!(is_end),
            received => assert_eq!((received.unwrap(), is_end), (0, false)),
        }
    }
    let (_here, there) = pair(SeqPacket);
    let error = socket::receive(&there, &mut [], &mut ReceivedFds::<1>::new()).unwrap_err();
    assert!(matches!(error, ReceiveError::Kernel(Errno::EINVAL)));
}
