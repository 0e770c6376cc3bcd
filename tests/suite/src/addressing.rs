//! Claims about sending to the address of a socket, over one that has no connection.

use crate::{
    Verdict, World,
    children::{self, Child, PATIENCE},
    claim::Text,
    kernel,
    parties::{self, Bound},
    passing::{CONNECTIONS, OFTEN, do_not_wait, is_drained, same_file, sealed},
    raw::{self, Alarms, Descriptors as Table, Interrupted, Which},
    world,
};
use core::{error::Error, ffi::CStr};
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd,
    fd::{AsFd, OwnedFd},
    socket::{self, AddressError, ReceivedFds, SocketAddr, SocketType},
};
use rustix::{fs::OFlags, net};

claims!(
    a_datagram_socket_has_no_name_and_no_peer_and_is_close_on_exec,
    a_datagram_socket_that_cannot_be_made_leaves_nothing_open,
    a_file_arrives_at_a_path_without_a_byte,
    a_file_arrives_at_an_abstract_name_without_a_byte,
    any_bytes_are_an_abstract_name,
    a_path_has_at_most_107_bytes,
    what_is_no_address_is_refused,
    an_address_shows_what_it_is,
    bytes_and_descriptors_go_to_an_address,
    each_message_goes_to_its_own_address,
    a_file_that_both_sides_write_goes_to_an_address,
    another_process_gets_a_file_at_its_address,
    a_missing_address_is_an_error,
    a_receiver_that_is_closed_is_an_error_and_no_signal,
    an_address_without_permission_is_an_error,
    a_receiver_with_another_peer_takes_nothing,
    a_socket_that_is_not_for_datagrams_sends_nothing_to_an_address,
    what_is_no_unix_socket_sends_nothing_to_an_address,
    a_socket_that_cannot_be_asked_sends_nothing_to_an_address,
    a_full_receiver_is_waited_for_or_an_error,
    a_message_longer_than_the_socket_allows_is_refused_at_an_address,
    a_signal_interrupts_only_what_is_bare,
);

/// The longest path and the longest abstract name, in bytes.
const LONGEST: usize = 107;

fn path(of: &CStr) -> Result<SocketAddr<'_>, AddressError> {
    SocketAddr::from_pathname(of.to_bytes())
}

/// An abstract name that only this process has.
fn own_name(of: &str) -> Text {
    let number = rustix::process::getpid().as_raw_nonzero();
    Text::of(format_args!("suite-{number}-{of}"))
}

/// A socket of this abstract name.
fn named(name: &[u8]) -> Result<OwnedFd, Errno> {
    let socket = parties::unconnected(net::SocketType::DGRAM)?;
    parties::name(&socket, name)?;
    Ok(socket)
}

/// A message without a byte comes, with this file alone, and no further one.
fn brings(socket: &OwnedFd, file: &SealedMemFd) -> Verdict {
    let (mut room, mut descriptors) = ([7; 8], ReceivedFds::<4>::new());
    same!(ok!(socket::receive(socket, &mut room, &mut descriptors)), 0);
    same!(room, [7; 8]);
    same!(descriptors.len(), 1);
    for received in descriptors {
        same_file(&received, file)?;
    }
    is_drained(socket)?;
    ok!(kernel::set_status_flags(socket, OFlags::empty()));
    Ok(())
}

fn a_datagram_socket_has_no_name_and_no_peer_and_is_close_on_exec(_: &World) -> Verdict {
    let socket = ok!(socket::datagram_socket());
    same!(parties::kind(&socket), Ok(net::SocketType::DGRAM));
    same!(kernel::close_on_exec(&socket), Ok(true));
    same!(parties::is_unnamed(&socket), Ok(true));
    same!(socket::send(&socket, b"x", &[]), Err(Errno::ENOTCONN));
    // Sending to an address does not change that.
    let name = own_name("peer");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let address = ok!(SocketAddr::from_abstract_name(name.as_str()));
    same!(socket::send_to(&socket, b"x", &[], address), Ok(1));
    same!(parties::is_unnamed(&socket), Ok(true));
    same!(socket::send(&socket, b"x", &[]), Err(Errno::ENOTCONN));
    drop(receiver);
    Ok(())
}

fn a_datagram_socket_that_cannot_be_made_leaves_nothing_open(_: &World) -> Verdict {
    ok!(kernel::fill_the_table());
    let before = kernel::open_descriptors();
    same!(socket::datagram_socket().err(), Some(Errno::EMFILE));
    same!(kernel::open_descriptors(), before);
    Ok(())
}

// What arrives.

fn a_file_arrives_at_a_path_without_a_byte(world: &World) -> Verdict {
    needs!(world.tmpfs, world::NO_TMPFS);
    let file = ok!(sealed(b"an entry"));
    let receiver = ok!(Bound::new(net::SocketType::DGRAM, "journal"));
    let socket = ok!(socket::datagram_socket());
    let to = ok!(path(receiver.path()));
    for _ in 0..3 {
        ok!(file.send_to(&socket, to));
        brings(&receiver.socket, &file)?;
    }
    ok!(file.send_to(&socket, to));
    let theirs = ok!(SealedMemFd::receive(&receiver.socket, 8));
    same!(&ok!(theirs.map())[..], b"an entry");
    Ok(())
}

fn a_file_arrives_at_an_abstract_name_without_a_byte(_: &World) -> Verdict {
    let file = ok!(sealed(b"an entry"));
    let name = own_name("journal");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let socket = ok!(socket::datagram_socket());
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    ok!(file.send_to(&socket, to));
    brings(&receiver, &file)?;
    ok!(file.send_to(&socket, to));
    let theirs = ok!(SealedMemFd::receive(&receiver, 8));
    same!(&ok!(theirs.map())[..], b"an entry");
    Ok(())
}

fn any_bytes_are_an_abstract_name(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let socket = ok!(socket::datagram_socket());
    // Names that a NUL, or one byte more or less, makes others. All of them exist at once.
    let own = own_name("a\0b");
    let own = own.as_str().as_bytes();
    let mut longest = [0xff; LONGEST];
    longest[..own.len()].copy_from_slice(own);
    let mut nuls = longest;
    nuls[own.len()..].fill(0);
    let names = [
        own,
        &own[..own.len() - 1],
        &own[..own.len() - 2],
        &longest,
        &longest[..LONGEST - 1],
        &nuls,
        &nuls[..LONGEST - 1],
        &nuls[..=own.len()],
    ];
    let mut receivers = [const { None }; 8];
    for (receiver, name) in receivers.iter_mut().zip(names) {
        *receiver = Some(ok!(named(name)));
    }
    for (receiver, name) in receivers.iter().flatten().zip(names) {
        for other in receivers.iter().flatten() {
            is_drained(other)?;
        }
        ok!(file.send_to(&socket, ok!(SocketAddr::from_abstract_name(name))));
        brings(receiver, &file)?;
    }
    // The one without a byte may be another process's.
    if let Ok(receiver) = named(b"") {
        ok!(file.send_to(&socket, ok!(SocketAddr::from_abstract_name(b""))));
        brings(&receiver, &file)?;
    }
    Ok(())
}

fn a_path_has_at_most_107_bytes(world: &World) -> Verdict {
    needs!(world.tmpfs, world::NO_TMPFS);
    let file = ok!(sealed(b"content"));
    let socket = ok!(socket::datagram_socket());
    let start = ok!(Bound::new(net::SocketType::DGRAM, ""));
    let start = start.path().count_bytes();
    for len in [LONGEST, LONGEST - 1, start + 1] {
        let mut text = [0; LONGEST];
        text[..len - start].fill(b'x');
        let name = ok!(core::str::from_utf8(&text[..len - start]));
        let receiver = ok!(Bound::new(net::SocketType::DGRAM, name));
        same!(receiver.path().count_bytes(), len);
        ok!(file.send_to(&socket, ok!(path(receiver.path()))));
        brings(&receiver.socket, &file)?;
    }
    Ok(())
}

// What is an address.

fn what_is_no_address_is_refused(_: &World) -> Verdict {
    let long = [b'x'; LONGEST + 2];
    same!(SocketAddr::from_pathname(""), Err(AddressError::Empty));
    for len in [LONGEST + 1, LONGEST + 2] {
        let error = AddressError::TooLong {
            len,
            max_len: LONGEST,
        };
        same!(SocketAddr::from_pathname(&long[..len]), Err(error));
        same!(SocketAddr::from_abstract_name(&long[..len]), Err(error));
    }
    for len in [1, LONGEST - 1, LONGEST] {
        holds!(SocketAddr::from_pathname(&long[..len]).is_ok());
        holds!(SocketAddr::from_abstract_name(&long[..len]).is_ok());
        for at in [0, len / 2, len - 1] {
            let mut cut = long;
            cut[at] = 0;
            let error = AddressError::HasNul { at };
            same!(SocketAddr::from_pathname(&cut[..len]), Err(error));
            holds!(SocketAddr::from_abstract_name(&cut[..len]).is_ok());
        }
    }
    let too_long = AddressError::TooLong {
        len: 200,
        max_len: LONGEST,
    };
    for (error, errno, text) in [
        (
            AddressError::Empty,
            Errno::EINVAL,
            "the path of the socket is empty",
        ),
        (
            AddressError::HasNul { at: 3 },
            Errno::EINVAL,
            "the path of the socket has a NUL at byte 3",
        ),
        (
            too_long,
            Errno::ENAMETOOLONG,
            "the address of the socket has 200 bytes, and 107 are allowed",
        ),
    ] {
        same!(Errno::from(error), errno);
        same!(Text::of(error).as_str(), text);
        holds!(error.source().is_none());
    }
    Ok(())
}

fn an_address_shows_what_it_is(_: &World) -> Verdict {
    let path = ok!(SocketAddr::from_pathname("/run/\n"));
    let name = ok!(SocketAddr::from_abstract_name("run\0"));
    same!(Text::of(path).as_str(), "/run/\\n");
    same!(Text::of(name).as_str(), "@run\\x00");
    let shown = Text::of(format_args!("{path:?} {name:?}"));
    same!(
        shown.as_str(),
        "\"/run/\\n\" (pathname) \"run\\x00\" (abstract)"
    );
    // A path is no abstract name of the same bytes.
    let same = ok!(SocketAddr::from_abstract_name("/run/\n"));
    holds!(path != same);
    holds!(same == ok!(SocketAddr::from_abstract_name(b"/run/\n")));
    Ok(())
}

// To whom.

fn bytes_and_descriptors_go_to_an_address(world: &World) -> Verdict {
    const MOST: usize = socket::MAX_DESCRIPTORS;

    let name = own_name("all");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let socket = ok!(socket::datagram_socket());
    let (first, second) = (ok!(kernel::holding(b"1")), ok!(kernel::holding(b"2")));
    same!(
        socket::send_to(&socket, b"bytes", &[first.as_fd(), second.as_fd()], to),
        Ok(5)
    );
    let (mut room, mut descriptors) = ([0; 8], ReceivedFds::<2>::new());
    same!(
        ok!(socket::receive(&receiver, &mut room, &mut descriptors)),
        5
    );
    same!(&room[..5], b"bytes");
    same!(descriptors.len(), 2);
    for sent in [&first, &second] {
        let Some(theirs) = descriptors.next() else {
            fail!("one is missing");
        };
        same_file(&theirs, sent)?;
    }
    same!(socket::send_to(&socket, b"only bytes", &[], to), Ok(10));
    let mut room = [0; 10];
    same!(kernel::read(&receiver, &mut room), Ok(10));
    same!(&room, b"only bytes");

    needs!(world.many_descriptors, world::FEW_DESCRIPTORS);
    same!(
        socket::send_to(&socket, b"", &[first.as_fd(); MOST], to),
        Ok(0)
    );
    let mut descriptors = ReceivedFds::<MOST>::new();
    same!(
        ok!(socket::receive(&receiver, &mut [0], &mut descriptors)),
        0
    );
    same!(descriptors.len(), MOST);
    for received in descriptors {
        same_file(&received, &first)?;
    }
    Ok(())
}

fn each_message_goes_to_its_own_address(_: &World) -> Verdict {
    let names = [own_name("one"), own_name("two")];
    let [one, two] = names.each_ref().map(|name| name.as_str().as_bytes());
    let receivers = [ok!(named(one)), ok!(named(two))];
    let files = [ok!(sealed(b"for one")), ok!(sealed(b"for two"))];
    let addresses = [one, two].map(SocketAddr::from_abstract_name);
    let addresses = [ok!(addresses[0]), ok!(addresses[1])];
    let socket = ok!(socket::datagram_socket());
    let connected = ok!(parties::unconnected(net::SocketType::DGRAM));
    ok!(parties::connect(&connected, one));
    for socket in [&socket, &connected] {
        for index in [0, 1, 1, 0] {
            ok!(files[index].send_to(socket, addresses[index]));
            brings(&receivers[index], &files[index])?;
            is_drained(&receivers[1 - index])?;
        }
    }
    // The connection is still there.
    same!(socket::send(&connected, b"x", &[]), Ok(1));
    same!(kernel::read(&receivers[0], &mut [0; 2]), Ok(1));
    Ok(())
}

fn a_file_that_both_sides_write_goes_to_an_address(_: &World) -> Verdict {
    let name = own_name("shared");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let address = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let file = ok!(kernel::sealable());
    ok!(file.send_to(ok!(socket::datagram_socket()), address));
    let theirs = ok!(OwnedMemFd::receive(&receiver));
    ok!(theirs.write_all(b"theirs"));
    same!(kernel::holds_exactly(&file, b"theirs"), Ok(true));
    Ok(())
}

fn another_process_gets_a_file_at_its_address(_: &World) -> Verdict {
    let name = own_name("process");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let child = ok!(Child::start(Table::Copied, || {
        let theirs = ok!(SealedMemFd::receive(&receiver, 7));
        same!(&ok!(theirs.map())[..], b"content");
        Ok(())
    }));
    // The socket may be gone before the message is received.
    ok!(ok!(sealed(b"content")).send_to(ok!(socket::datagram_socket()), to));
    child.finish(PATIENCE)
}

// What the kernel refuses.

fn a_missing_address_is_an_error(world: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let socket = ok!(socket::datagram_socket());
    let refuses = |to: SocketAddr<'_>, error| {
        for _ in 0..2 {
            same!(file.send_to(&socket, to), Err(error));
            same!(socket::send_to(&socket, b"x", &[], to), Err(error));
        }
        Ok(())
    };
    let name = own_name("missing");
    let abstract_name = ok!(SocketAddr::from_abstract_name(name.as_str()));
    refuses(abstract_name, Errno::ECONNREFUSED)?;
    let stream = ok!(parties::unconnected(net::SocketType::STREAM));
    ok!(parties::name(&stream, name.as_str().as_bytes()));
    // Some kernels look for a name of the same type only.
    for _ in 0..2 {
        refused!(
            file.send_to(&socket, abstract_name),
            Errno::EPROTOTYPE | Errno::ECONNREFUSED
        );
    }

    needs!(world.tmpfs, world::NO_TMPFS);
    let missing = ok!(SocketAddr::from_pathname("/dev/shm/missing/socket"));
    refuses(missing, Errno::ENOENT)?;
    let mut receiver = ok!(Bound::new(net::SocketType::DGRAM, "closed"));
    ok!(file.send_to(&socket, ok!(path(receiver.path()))));
    receiver.socket = ok!(socket::datagram_socket());
    refuses(ok!(path(receiver.path())), Errno::ECONNREFUSED)?;
    let within = Text::of(format_args!(
        "{}/within",
        receiver.path().to_str().unwrap_or_default()
    ));
    let within = ok!(SocketAddr::from_pathname(within.as_str()));
    refuses(within, Errno::ENOTDIR)?;
    let stream = ok!(Bound::new(net::SocketType::STREAM, "stream"));
    refuses(ok!(path(stream.path())), Errno::EPROTOTYPE)?;
    let directory = ok!(SocketAddr::from_pathname("/dev/shm"));
    refuses(directory, Errno::ECONNREFUSED)
}

fn a_receiver_that_is_closed_is_an_error_and_no_signal(_: &World) -> Verdict {
    ok!(parties::stop_ignoring(linux_raw_sys::general::SIGPIPE));
    let file = ok!(sealed(b"content"));
    let socket = ok!(socket::datagram_socket());
    let name = own_name("closing");
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let receiver = ok!(named(name.as_str().as_bytes()));
    ok!(file.send_to(&socket, to));
    ok!(parties::end_reading(&receiver));
    same!(file.send_to(&socket, to), Err(Errno::EPIPE));
    same!(socket::send_to(&socket, b"x", &[], to), Err(Errno::EPIPE));
    drop(receiver);
    same!(file.send_to(&socket, to), Err(Errno::ECONNREFUSED));
    // The same socket serves whoever takes the address next.
    let receiver = ok!(named(name.as_str().as_bytes()));
    ok!(file.send_to(&socket, to));
    brings(&receiver, &file)
}

fn an_address_without_permission_is_an_error(world: &World) -> Verdict {
    needs!(world.tmpfs, world::NO_TMPFS);
    needs!(world.other_users, world::NO_OTHER_USERS);
    let file = ok!(sealed(b"content"));
    let receiver = ok!(Bound::new(net::SocketType::DGRAM, "private"));
    ok!(rustix::fs::chmod(receiver.path(), rustix::fs::Mode::RUSR));
    let socket = ok!(socket::datagram_socket());
    children::apart(|| {
        ok!(kernel::become_nobody());
        let to = ok!(path(receiver.path()));
        same!(file.send_to(&socket, to), Err(Errno::EACCES));
        Ok(())
    })
}

fn a_receiver_with_another_peer_takes_nothing(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let (ours, theirs) = (own_name("ours"), own_name("theirs"));
    let receiver = ok!(named(ours.as_str().as_bytes()));
    let peer = ok!(named(theirs.as_str().as_bytes()));
    ok!(parties::connect(&receiver, theirs.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(ours.as_str()));
    let socket = ok!(socket::datagram_socket());
    same!(file.send_to(&socket, to), Err(Errno::EPERM));
    is_drained(&receiver)?;
    ok!(file.send_to(&peer, to));
    brings(&receiver, &file)
}

/// A socket for packets would ignore the address, and send to its peer.
fn a_socket_that_is_not_for_datagrams_sends_nothing_to_an_address(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let name = own_name("other");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(file.send_to(&one, to), Err(Errno::EOPNOTSUPP));
        for bytes in [&b"x"[..], b""] {
            same!(
                socket::send_to(&one, bytes, &[file.as_fd()], to),
                Err(Errno::EOPNOTSUPP)
            );
            same!(
                socket::send_to(&one, bytes, &[], to),
                Err(Errno::EOPNOTSUPP)
            );
        }
        is_drained(&other)?;
        is_drained(&receiver)?;
    }
    // A connected pair for datagrams sends to the address, and not to the peer.
    let (one, other) = ok!(socket::socket_pair(SocketType::Datagram));
    ok!(file.send_to(&one, to));
    is_drained(&other)?;
    brings(&receiver, &file)
}

fn what_is_no_unix_socket_sends_nothing_to_an_address(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let to = ok!(SocketAddr::from_abstract_name("nobody"));
    let (read, write) = ok!(kernel::pipe());
    same!(file.send_to(&file, to), Err(Errno::ENOTSOCK));
    same!(file.send_to(&read, to), Err(Errno::ENOTSOCK));
    same!(socket::send_to(&write, b"x", &[], to), Err(Errno::ENOTSOCK));
    for kind in [net::SocketType::DGRAM, net::SocketType::STREAM] {
        let Ok((one, other)) = parties::internet_pair(kind) else {
            return Err(crate::Stop::Skipped(parties::NO_LOOPBACK));
        };
        same!(file.send_to(&one, to), Err(Errno::EAFNOSUPPORT));
        same!(
            socket::send_to(&one, b"lost", &[], to),
            Err(Errno::EAFNOSUPPORT)
        );
        is_drained(&other)?;
    }
    Ok(())
}

fn a_socket_that_cannot_be_asked_sends_nothing_to_an_address(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(sealed(b"content"));
    let name = own_name("filtered");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let socket = ok!(socket::datagram_socket());
    // The options: the family, and the type.
    for option in [linux_raw_sys::net::SO_DOMAIN, linux_raw_sys::net::SO_TYPE] {
        children::apart(|| {
            ok!(raw::refuse(
                Which::Equal(sc::nr::GETSOCKOPT, 2, option),
                Errno::EPERM
            ));
            same!(file.send_to(&socket, to), Err(Errno::EPERM));
            same!(socket::send_to(&socket, b"x", &[], to), Err(Errno::EPERM));
            is_drained(&receiver)
        })?;
    }
    Ok(())
}

fn a_full_receiver_is_waited_for_or_an_error(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let name = own_name("full");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let socket = ok!(socket::datagram_socket());
    do_not_wait(&socket)?;
    let mut sent = 0;
    // Bytes: a process without privileges may have too many descriptors in flight first.
    while socket::send_to(&socket, b"x", &[], to).is_ok() {
        sent += 1;
        holds!(sent < 100_000, "{sent} messages fit");
    }
    holds!(sent > 0);
    same!(file.send_to(&socket, to), Err(Errno::EAGAIN));
    ok!(kernel::set_status_flags(&socket, OFlags::empty()));
    let child = ok!(Child::start(Table::Copied, || {
        ok!(file.send_to(&socket, to));
        Ok(())
    }));
    for _ in 0..sent {
        same!(kernel::read(&receiver, &mut [0; 2]), Ok(1));
    }
    same!(ok!(SealedMemFd::receive(&receiver, 7)).len(), 7);
    child.finish(PATIENCE)?;
    is_drained(&receiver)
}

fn a_message_longer_than_the_socket_allows_is_refused_at_an_address(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let name = own_name("long");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let zeros = ok!(raw::Buffer::new(64 << 20));
    let socket = ok!(socket::datagram_socket());
    let result = socket::send_to(&socket, &zeros, &[file.as_fd()], to);
    same!(result, Err(Errno::EMSGSIZE));
    is_drained(&receiver)
}

fn a_signal_interrupts_only_what_is_bare(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let name = own_name("signals");
    let receiver = ok!(named(name.as_str().as_bytes()));
    let to = ok!(SocketAddr::from_abstract_name(name.as_str()));
    let socket = ok!(socket::datagram_socket());
    do_not_wait(&socket)?;
    while socket::send_to(&socket, b"x", &[], to).is_ok() {}
    ok!(kernel::set_status_flags(&socket, OFlags::empty()));
    let alarms = ok!(Alarms::every(OFTEN, Interrupted::Fails));
    same!(
        socket::send_to(&socket, b"x", &[file.as_fd()], to),
        Err(Errno::EINTR)
    );
    drop(alarms);

    let child = ok!(Child::start(Table::Copied, || {
        kernel::sleep(OFTEN * 10);
        loop {
            let mut descriptors = ReceivedFds::<1>::new();
            ok!(socket::receive(&receiver, &mut [0], &mut descriptors));
            if descriptors.len() == 1 {
                return Ok(());
            }
        }
    }));
    let alarms = ok!(Alarms::every(OFTEN, Interrupted::Fails));
    ok!(file.send_to(&socket, to));
    holds!(alarms.count() > 0);
    drop(alarms);
    child.finish(PATIENCE)
}
