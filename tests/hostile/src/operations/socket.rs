//! Sending and receiving descriptors. No side waits for the other one for ever: what is received
//! has been sent before, and other processes may take it away.

use super::{SMALL, operations, own};
use crate::{
    checks::{Named, holds, is_close_on_exec, ready, same, stat_of},
    orders::Verdict,
    trial::Trial,
};
use nix::{
    sys::{
        socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt},
        time::TimeVal,
    },
    unistd::gettid,
};
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd,
    fd::{AsFd, OwnedFd},
    socket::{self, MAX_DESCRIPTORS, ReceiveError, ReceivedFds, SocketAddr, SocketType},
};
use std::{os::fd as std_fd, os::unix::net::UnixStream, time::Duration};

operations! { "socket":
    pair, datagram, addresses, send_bytes, send_descriptors, send_nothing, send_to_an_address,
    receive_bytes, receive_descriptors, receive_too_many, receive_the_end, receive_in_time,
    receive_too_late, drop_received, send_sealed, send_sealed_to, receive_sealed,
    receive_sealed_in_time, receive_unsealed, send_file, send_file_to, receive_file,
    receive_file_in_time, receive_no_file,
}

/// Two connected sockets, of which no one waits longer than this.
fn connected() -> Result<(OwnedFd, OwnedFd), String> {
    let (here, there) = ready(UnixStream::pair())?;
    for end in [&here, &there] {
        ready(end.set_read_timeout(Some(Duration::from_millis(50))))?;
        ready(end.set_write_timeout(Some(Duration::from_millis(50))))?;
    }
    Ok((own(here), own(there)))
}

/// What another process may have done to the connection.
const THEY_ENDED_IT: [Named; 5] = [
    Named::Race(Errno::EPIPE, "another process has shut the connection down"),
    Named::Race(
        Errno::EAGAIN,
        "another process has taken the message, and none came in time",
    ),
    Named::Race(
        Errno::ENOMSG,
        "another process has sent a byte without a descriptor",
    ),
    Named::Race(
        Errno::EMFILE,
        "another process has sent more descriptors than are wanted",
    ),
    Named::Race(
        Errno::ETIMEDOUT,
        "another process has taken the message, and none came in time",
    ),
];
/// What a fault of receiving leads to.
const LOST: [Named; 3] = [
    Named::Fault(
        Errno::ETIMEDOUT,
        "nothing seems to be there, and then the time is over",
    ),
    Named::Fault(Errno::ENOMSG, "the descriptor was lost"),
    Named::Fault(Errno::EMFILE, "control messages were cut off"),
];

fn pair(trial: &mut Trial) -> Verdict {
    for kind in [
        SocketType::Stream,
        SocketType::Datagram,
        SocketType::SeqPacket,
    ] {
        let pair = trial.call(|| socket::socket_pair(kind));
        let failed = pair.is_err();
        trial.judge(pair, &[], |(here, there)| {
            let are_kept = !is_close_on_exec(&here)? || !is_close_on_exec(&there)?;
            holds(!are_kept, || "not close-on-exec".into())
        })?;
        if failed {
            break;
        }
    }
    Ok(())
}

fn datagram(trial: &mut Trial) -> Verdict {
    let made = trial.call(socket::datagram_socket);
    trial.judge(made, &[], |socket| {
        holds(is_close_on_exec(&socket)?, || "not close-on-exec".into())
    })
}

fn addresses(trial: &mut Trial) -> Verdict {
    let path = trial.call(|| SocketAddr::from_pathname("/run/journal"));
    same(ready(path)?.to_string(), "/run/journal", "a path")?;
    let name = trial.call(|| SocketAddr::from_abstract_name("name"));
    same(ready(name)?.to_string(), "@name", "an abstract name")
}

fn send_bytes(trial: &mut Trial) -> Verdict {
    let (here, _there) = connected()?;
    let sent = trial.call(|| socket::send(&here, SMALL, &[]));
    trial.judge(sent, &THEY_ENDED_IT, |count| {
        holds(
            count == SMALL.len() || trial.has_short() || trial.has_lie(),
            || format!("{count} bytes"),
        )
    })
}

fn send_descriptors(trial: &mut Trial) -> Verdict {
    let (here, there) = connected()?;
    let file = trial.file(SMALL)?;
    let sent = trial.call(|| socket::send(&here, b"x", &[file.as_fd(), there.as_fd()]));
    trial.judge(sent, &THEY_ENDED_IT, |count| {
        if trial.has_company() || trial.has_lie() || trial.has_short() {
            return Ok(());
        }
        same(count, 1, "the bytes")?;
        let mut descriptors = ReceivedFds::<2>::new();
        ready(socket::receive(&there, &mut [0], &mut descriptors))?;
        same(descriptors.len(), 2, "the descriptors that came")
    })
}

/// A stream takes no descriptor without a byte.
fn send_nothing(trial: &mut Trial) -> Verdict {
    let (here, _there) = connected()?;
    let sent = trial.call(|| socket::send(&here, b"", &[here.as_fd()]));
    let rejected = [Named::Always(
        Errno::EINVAL,
        "a stream has no empty message",
    )];
    trial.judge(sent, &rejected, |count| {
        holds(trial.has_lie(), || format!("{count} bytes of none"))
    })
}

/// A socket with an abstract name of its own.
fn bound() -> Result<(OwnedFd, String), String> {
    let receiver = ready(socket(
        AddressFamily::Unix,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    ))?;
    let name = format!("owned-memfd-hostile-{}", gettid());
    let address = ready(UnixAddr::new_abstract(name.as_bytes()))?;
    ready(bind(std_fd::AsRawFd::as_raw_fd(&receiver), &address))?;
    ready(setsockopt(
        &receiver,
        sockopt::ReceiveTimeout,
        &TimeVal::new(0, 50_000),
    ))?;
    Ok((own(receiver), name))
}

/// What sending to an address can meet.
const NOT_SENT: [Named; 2] = [
    Named::Race(Errno::EPIPE, "another process has ended the receiving"),
    Named::Fault(Errno::EOPNOTSUPP, "it seems to be no socket for datagrams"),
];

fn send_to_an_address(trial: &mut Trial) -> Verdict {
    let (_receiver, name) = bound()?;
    let sender = ready(socket::datagram_socket())?;
    let file = trial.file(SMALL)?;
    let address = ready(SocketAddr::from_abstract_name(&name[..]))?;
    let sent = trial.call(|| socket::send_to(&sender, SMALL, &[file.as_fd()], address));
    trial.judge(sent, &NOT_SENT, |count| {
        holds(
            count == SMALL.len() || trial.has_short() || trial.has_lie(),
            || format!("{count} bytes"),
        )
    })
}

/// Two sockets, one of which has got a message with these files.
fn got<const N: usize>(files: &[&OwnedMemFd; N]) -> Result<(OwnedFd, OwnedFd), String> {
    let (here, there) = connected()?;
    ready(socket::send(&here, b"x", &files.map(AsFd::as_fd)))?;
    Ok((here, there))
}

fn receive_bytes(trial: &mut Trial) -> Verdict {
    let (here, there) = connected()?;
    ready(socket::send(&here, SMALL, &[]))?;
    let mut buffer = [0xee; 32];
    let mut descriptors = ReceivedFds::<{ MAX_DESCRIPTORS }>::default();
    let received = trial.call(|| socket::receive(&there, &mut buffer, &mut descriptors));
    let named = [&THEY_ENDED_IT[..], &LOST].concat();
    trial.judge(received, &named, |count| {
        // It may be a message of theirs.
        if trial.has_company() {
            return Ok(());
        }
        trial.has_read(&buffer, count, SMALL)
    })
}

fn receive_descriptors(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let (_here, there) = got(&[&file, &file])?;
    let mut buffer = [0xee; 1];
    let mut descriptors = trial.call(ReceivedFds::<2>::new);
    let received = trial.call(|| socket::receive(&there, &mut buffer, &mut descriptors));
    if received.is_err() {
        same(descriptors.len(), 0, "the descriptors of an error")?;
    }
    let named = [&THEY_ENDED_IT[..], &LOST].concat();
    trial.judge(received, &named, |count| {
        if trial.has_company() {
            return Ok(());
        }
        same(
            (count, descriptors.len()),
            (1, 2),
            "the byte and the descriptors",
        )?;
        for received in descriptors {
            same(
                stat_of(&received)?.st_ino,
                stat_of(&file)?.st_ino,
                "the file",
            )?;
            holds(is_close_on_exec(&received)?, || "not close-on-exec".into())?;
        }
        Ok(())
    })
}

fn receive_too_many(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let (_here, there) = got(&[&file, &file])?;
    let mut descriptors = ReceivedFds::<1>::new();
    let received = trial.call(|| socket::receive(&there, &mut [0], &mut descriptors));
    same(descriptors.len(), 0, "the descriptors of an error")?;
    match received {
        Err(ReceiveError::TooManyDescriptors) => Ok(()),
        Err(error) => trial.explains(error, &[&THEY_ENDED_IT[..], &LOST].concat()),
        Ok(count) => holds(trial.has_company(), || {
            format!("{count} bytes without descriptors")
        }),
    }
}

fn receive_the_end(trial: &mut Trial) -> Verdict {
    let (here, there) = connected()?;
    drop(here);
    let mut descriptors = ReceivedFds::<1>::new();
    let received = trial.call(|| socket::receive(&there, &mut [0], &mut descriptors));
    let ended = [Named::Always(Errno::EPIPE, "the other side is closed")];
    trial.judge(received, &ended, |count| {
        // Asked for the end, the kernel did not say that this is no datagram.
        holds(count == 0 && trial.has_lie() || trial.has_company(), || {
            format!("{count} bytes")
        })
    })
}

fn receive_in_time(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let (_here, there) = got(&[&file])?;
    let mut descriptors = ReceivedFds::<1>::new();
    let time = Duration::from_millis(30);
    let received = trial.call(|| socket::receive_timeout(&there, &mut [0], &mut descriptors, time));
    let named = [&THEY_ENDED_IT[..], &LOST].concat();
    trial.judge(received, &named, |count| {
        let is_whole = (count, descriptors.len()) == (1, 1);
        holds(is_whole || trial.has_company() || trial.has_short(), || {
            format!("{count} bytes")
        })
    })
}

fn receive_too_late(trial: &mut Trial) -> Verdict {
    let (_here, there) = connected()?;
    let mut descriptors = ReceivedFds::<1>::new();
    let time = Duration::from_millis(3);
    let received = trial.call(|| socket::receive_timeout(&there, &mut [0], &mut descriptors, time));
    let late = [Named::Always(Errno::ETIMEDOUT, "nothing comes")];
    trial.judge(received, &[&late[..], &THEY_ENDED_IT].concat(), |count| {
        holds(trial.has_company() || trial.has_lie(), || {
            format!("{count} bytes")
        })
    })
}

fn drop_received(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let (_here, there) = got(&[&file, &file])?;
    let mut descriptors = ReceivedFds::<2>::new();
    ready(socket::receive(&there, &mut [0], &mut descriptors))?;
    let first = trial.call(|| descriptors.next());
    trial.call(|| drop(descriptors));
    same(first.is_some(), true, "the first descriptor")
}

fn send_sealed(trial: &mut Trial) -> Verdict {
    let (here, there) = connected()?;
    let sealed = trial.sealed(SMALL)?;
    let sent = trial.call(|| sealed.send(&here));
    trial.goes_on(&sent)?;
    trial.judge(sent, &THEY_ENDED_IT, |()| {
        if trial.has_company() || trial.has_lie() || trial.has_short() {
            return Ok(());
        }
        trial.is_sealed(&ready(SealedMemFd::receive(&there, 1 << 20))?, SMALL)
    })
}

fn send_file(trial: &mut Trial) -> Verdict {
    let (here, there) = connected()?;
    let file = trial.file(SMALL)?;
    let sent = trial.call(|| file.send(&here));
    trial.judge(sent, &THEY_ENDED_IT, |()| {
        if trial.has_company() || trial.has_lie() || trial.has_short() {
            return Ok(());
        }
        trial.contains(&ready(OwnedMemFd::receive(&there))?, SMALL)
    })
}

fn send_sealed_to(trial: &mut Trial) -> Verdict {
    let (receiver, name) = bound()?;
    let sender = ready(socket::datagram_socket())?;
    let sealed = trial.sealed(SMALL)?;
    let address = ready(SocketAddr::from_abstract_name(&name[..]))?;
    let sent = trial.call(|| sealed.send_to(&sender, address));
    trial.goes_on(&sent)?;
    trial.judge(sent, &NOT_SENT, |()| {
        if trial.has_company() || trial.has_lie() || trial.has_short() {
            return Ok(());
        }
        trial.is_sealed(&ready(SealedMemFd::receive(&receiver, 1 << 20))?, SMALL)
    })
}

fn send_file_to(trial: &mut Trial) -> Verdict {
    let (receiver, name) = bound()?;
    let sender = ready(socket::datagram_socket())?;
    let file = trial.file(SMALL)?;
    let address = ready(SocketAddr::from_abstract_name(&name[..]))?;
    let sent = trial.call(|| file.send_to(&sender, address));
    trial.judge(sent, &NOT_SENT, |()| {
        if trial.has_company() || trial.has_lie() || trial.has_short() {
            return Ok(());
        }
        trial.contains(&ready(OwnedMemFd::receive(&receiver))?, SMALL)
    })
}

/// What a file that is received can be taken for.
const REJECTED: [Named; 3] = [
    Named::Fault(Errno::EINVAL, "it seems to be no memory file"),
    Named::Fault(Errno::EPERM, "the seals are missing"),
    Named::Race(Errno::EFBIG, "another process has lengthened the file"),
];

/// Judges what was received. The descriptor of a file that was rejected is still open.
fn is_received<T>(
    trial: &Trial,
    received: Result<T, ReceiveError>,
    named: &[Named],
    is_true: impl FnOnce(T) -> Verdict,
) -> Verdict {
    if let Err(ReceiveError::Verify(rejected)) = &received {
        stat_of(rejected.get_ref())?;
    }
    trial.judge(
        received,
        &[named, &THEY_ENDED_IT, &LOST, &REJECTED].concat(),
        is_true,
    )
}

fn receive_sealed(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let (_here, there) = got(&[sealed.as_memfd()])?;
    let received = trial.call(|| SealedMemFd::receive(&there, 1 << 20));
    is_received(trial, received, &[], |received| {
        trial.is_sealed(&received, SMALL)
    })
}

fn receive_sealed_in_time(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let (_here, there) = got(&[sealed.as_memfd()])?;
    let time = Duration::from_millis(30);
    let received = trial.call(|| SealedMemFd::receive_timeout(&there, 1 << 20, time));
    is_received(trial, received, &[], |received| {
        trial.is_sealed(&received, SMALL)
    })
}

fn receive_unsealed(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let (_here, there) = got(&[&file])?;
    let received = trial.call(|| SealedMemFd::receive(&there, SMALL.len()));
    let unsealed = [Named::Always(Errno::EPERM, "it is not sealed")];
    is_received(trial, received, &unsealed, |received| {
        holds(trial.has_company(), || "nobody has sealed it".into())?;
        trial.is_sealed(&received, SMALL)
    })
}

fn receive_file(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let (_here, there) = got(&[&file])?;
    let received = trial.call(|| OwnedMemFd::receive(&there));
    is_received(trial, received, &[], |received| {
        trial.contains(&received, SMALL)
    })
}

fn receive_file_in_time(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let (_here, there) = got(&[&file])?;
    let received = trial.call(|| OwnedMemFd::receive_timeout(&there, Duration::from_millis(30)));
    is_received(trial, received, &[], |received| {
        trial.contains(&received, SMALL)
    })
}

fn receive_no_file(trial: &mut Trial) -> Verdict {
    let (here, there) = connected()?;
    ready(socket::send(&here, b"x", &[there.as_fd()]))?;
    let received = trial.call(|| OwnedMemFd::receive(&there));
    let no_file = [Named::Always(Errno::EINVAL, "it is a socket")];
    is_received(trial, received, &no_file, |_| {
        // Another process has sent a file before.
        holds(trial.has_company(), || {
            "a socket is taken for a memory file".into()
        })
    })
}
