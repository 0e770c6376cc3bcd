//! Claims about descriptors over Unix sockets: exactly what was sent arrives, and no message of a
//! stranger leaves a descriptor open.

use crate::{
    Verdict, World,
    children::{self, Child, PATIENCE, Steps, Supervisor},
    claim::Text,
    kernel,
    parties::{self, Ended},
    raw::{self, Alarms, Descriptors as Table, Interrupted, Which, number},
    world,
};
use core::{error::Error, time::Duration};
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd, Seals, VerifyErrorKind,
    fd::{AsFd, BorrowedFd, OwnedFd},
    socket::{self, ReceiveError, ReceivedFds, SocketType},
};
use rustix::{fs::OFlags, net};

claims!(
    a_pair_of_sockets_is_connected_and_close_on_exec,
    a_pair_of_sockets_is_of_the_kind_that_was_asked_for,
    a_pair_of_sockets_that_cannot_be_made_leaves_nothing_open,
    bytes_and_descriptors_arrive_on_every_kind,
    bytes_arrive_without_descriptors,
    a_descriptor_that_is_sent_stays_ours,
    descriptors_arrive_close_on_exec,
    descriptors_arrive_in_their_order,
    descriptors_that_are_not_taken_are_closed,
    room_is_emptied_before_it_is_filled,
    an_error_leaves_the_room_empty,
    the_descriptors_of_two_messages_never_come_together,
    as_many_descriptors_pass_as_the_kernel_takes,
    another_process_gets_a_file_and_maps_it,
    a_file_that_both_sides_write_passes,
    only_a_memory_file_is_received_as_one,
    another_process_gives_a_file_and_is_gone,
    a_received_file_shares_the_offset_which_nobody_needs,
    two_descriptors_where_one_is_wanted_are_too_many,
    ten_descriptors_where_one_is_wanted_are_too_many,
    one_descriptor_more_than_there_is_room_for_is_too_many,
    more_descriptors_than_any_room_are_too_many,
    a_full_table_loses_descriptors_and_says_so,
    a_table_with_one_place_loses_the_second_and_closes_the_first,
    a_message_that_is_too_long_is_cut_and_says_so,
    a_stream_keeps_what_there_was_no_room_for,
    the_end_of_a_connection_shows,
    half_a_connection_ends_too,
    what_was_sent_before_the_end_still_arrives,
    an_empty_datagram_is_not_the_end,
    datagrams_have_no_end,
    an_empty_message_brings_its_descriptors,
    without_room_for_a_byte_nothing_is_received,
    an_empty_message_on_a_connection_looks_like_the_end,
    a_stream_needs_a_byte_for_descriptors,
    a_closed_peer_is_an_error_and_no_signal,
    a_peer_that_closes_without_reading_resets_the_connection,
    what_is_no_unix_socket_is_refused,
    a_socket_without_a_connection_is_refused,
    a_receiver_that_takes_no_descriptors_is_sent_none,
    an_internet_socket_takes_no_descriptor_and_no_byte_with_one,
    a_socket_whose_family_cannot_be_asked_for_takes_no_descriptor,
    a_socket_that_does_not_wait_says_so,
    a_full_stream_takes_a_part_and_the_descriptor_once,
    a_message_longer_than_the_socket_allows_is_refused,
    a_signal_interrupts_what_is_bare,
    a_signal_does_not_interrupt_receiving_a_file,
    a_signal_does_not_interrupt_sending_a_file,
    credentials_are_skipped,
    other_messages_take_no_room_from_descriptors,
    a_descriptor_of_the_senders_process_does_not_stay_open,
    a_descriptor_of_the_senders_process_is_closed_if_its_number_is_0,
    a_descriptor_of_the_senders_process_that_failed_is_none,
    data_without_a_descriptor_is_no_file,
    what_is_no_memory_file_is_refused_and_given_back,
    an_unsealed_file_is_refused_and_given_back,
    a_longer_file_than_wanted_is_refused_and_given_back,
    a_refusal_leaves_the_connection_as_it_was,
    every_refusal_says_what_it_is,
);

pub(crate) const KINDS: [SocketType; 3] = [
    SocketType::Stream,
    SocketType::Datagram,
    SocketType::SeqPacket,
];

/// The kinds of sockets that keep messages apart.
const MESSAGES: [SocketType; 2] = [SocketType::Datagram, SocketType::SeqPacket];

/// The kinds of sockets that show when the other end is closed.
pub(crate) const CONNECTIONS: [SocketType; 2] = [SocketType::Stream, SocketType::SeqPacket];

pub(crate) fn do_not_wait(socket: &OwnedFd) -> Verdict {
    ok!(kernel::set_status_flags(socket, OFlags::NONBLOCK));
    Ok(())
}

/// Both descriptors refer to the same file.
pub(crate) fn same_file(one: &impl AsFd, other: &impl AsFd) -> Verdict {
    same!(kernel::identity(one), kernel::identity(other));
    Ok(())
}

pub(crate) fn sealed(content: &[u8]) -> Result<SealedMemFd, Errno> {
    let file = kernel::holding(content)?;
    file.seal().map_err(|_| Errno::EIO)
}

/// Nothing is left in the socket.
pub(crate) fn is_drained(socket: &OwnedFd) -> Verdict {
    do_not_wait(socket)?;
    let mut none = ReceivedFds::<1>::new();
    refused!(
        socket::receive(socket, &mut [0], &mut none),
        ReceiveError::Kernel(Errno::EAGAIN)
    );
    Ok(())
}

// The pair.

fn a_pair_of_sockets_is_connected_and_close_on_exec(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        for (from, to) in [(&one, &other), (&other, &one)] {
            same!(kernel::close_on_exec(from), Ok(true));
            same!(kernel::write(from, b"hello"), Ok(5));
            let mut room = [0; 8];
            same!(kernel::read(to, &mut room), Ok(5));
            same!(&room[..5], b"hello");
        }
    }
    Ok(())
}

fn a_pair_of_sockets_is_of_the_kind_that_was_asked_for(_: &World) -> Verdict {
    let types = [
        net::SocketType::STREAM,
        net::SocketType::DGRAM,
        net::SocketType::SEQPACKET,
    ];
    for (kind, expected) in KINDS.into_iter().zip(types) {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(parties::kind(&one), Ok(expected));
        same!(parties::kind(&other), Ok(expected));
    }
    Ok(())
}

fn a_pair_of_sockets_that_cannot_be_made_leaves_nothing_open(_: &World) -> Verdict {
    let place = ok!(kernel::sealable());
    ok!(kernel::fill_the_table());
    drop(place);
    let before = kernel::open_descriptors();
    // One number is free, and two are needed.
    same!(
        socket::socket_pair(SocketType::Stream).err(),
        Some(Errno::EMFILE)
    );
    same!(kernel::open_descriptors(), before);
    Ok(())
}

// What arrives.

fn bytes_and_descriptors_arrive_on_every_kind(_: &World) -> Verdict {
    let (first, second) = (ok!(kernel::holding(b"1")), ok!(kernel::holding(b"2")));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(
            socket::send(&one, b"some bytes", &[first.as_fd(), second.as_fd()]),
            Ok(10)
        );
        let (mut room, mut descriptors) = ([0; 64], ReceivedFds::<2>::new());
        same!(
            ok!(socket::receive(&other, &mut room, &mut descriptors)),
            10
        );
        same!(&room[..10], b"some bytes");
        same!(&room[10..], &[0; 54]);
        same!(descriptors.len(), 2);
        for sent in [&first, &second] {
            let Some(received) = descriptors.next() else {
                fail!("one is missing");
            };
            same_file(&received, sent)?;
            holds!(number(&received) != number(sent));
        }
        same!(descriptors.next().is_none(), true);
        is_drained(&other)?;
    }
    Ok(())
}

fn bytes_arrive_without_descriptors(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(socket::send(&one, b"bytes", &[]), Ok(5));
        let (mut room, mut descriptors) = ([0; 64], ReceivedFds::<2>::new());
        same!(ok!(socket::receive(&other, &mut room, &mut descriptors)), 5);
        same!(&room[..5], b"bytes");
        same!(descriptors.len(), 0);
        // A receiver without room for descriptors can receive bytes.
        same!(socket::send(&one, b"bytes", &[]), Ok(5));
        let mut none = ReceivedFds::<0>::new();
        same!(ok!(socket::receive(&other, &mut room, &mut none)), 5);
        same!(none.next().is_none(), true);
    }
    Ok(())
}

fn a_descriptor_that_is_sent_stays_ours(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    let file = ok!(sealed(b"ours"));
    ok!(file.send(&one));
    same!(&ok!(file.map())[..], b"ours");
    // This is so even after the other side has closed its descriptor.
    drop(ok!(SealedMemFd::receive(&other, 4)));
    same!(&ok!(file.map())[..], b"ours");
    same!(raw::is_open(number(&file)), true);
    Ok(())
}

fn descriptors_arrive_close_on_exec(_: &World) -> Verdict {
    // The sender's descriptors are not close-on-exec. The receiver decides.
    let file = ok!(kernel::dup(&ok!(kernel::sealable())));
    same!(kernel::close_on_exec(&file), Ok(false));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(socket::send(&one, b"x", &[file.as_fd(); 3]));
        let mut descriptors = ReceivedFds::<3>::new();
        ok!(socket::receive(&other, &mut [0], &mut descriptors));
        for received in descriptors {
            same!(kernel::close_on_exec(&received), Ok(true));
        }
    }
    Ok(())
}

fn descriptors_arrive_in_their_order(_: &World) -> Verdict {
    let files = [
        ok!(kernel::sealable()),
        ok!(kernel::sealable()),
        ok!(kernel::sealable()),
        ok!(kernel::sealable()),
        ok!(kernel::sealable()),
    ];
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    ok!(socket::send(&one, b"x", &files.each_ref().map(AsFd::as_fd)));
    let mut descriptors = ReceivedFds::<8>::new();
    ok!(socket::receive(&other, &mut [0], &mut descriptors));
    for (left, sent) in (1..=5).rev().zip(&files) {
        same!(descriptors.size_hint(), (left, Some(left)));
        same!(descriptors.len(), left);
        let Some(received) = descriptors.next() else {
            fail!("one is missing");
        };
        same_file(&received, sent)?;
    }
    same!(descriptors.size_hint(), (0, Some(0)));
    same!(
        Text::of(format_args!("{descriptors:?}")).as_str(),
        "ReceivedFds { len: 0, .. }"
    );
    // The iterator keeps returning `None`.
    same!(descriptors.next().is_none(), true);
    same!(descriptors.next().is_none(), true);
    Ok(())
}

fn descriptors_that_are_not_taken_are_closed(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let (one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    let before = kernel::open_descriptors();
    for taken in 0..=4 {
        ok!(socket::send(&one, b"x", &[file.as_fd(); 4]));
        let mut descriptors = ReceivedFds::<4>::new();
        ok!(socket::receive(&other, &mut [0], &mut descriptors));
        holds!(kernel::open_descriptors() != before);
        for kept in descriptors.by_ref().take(taken) {
            // A descriptor that was taken belongs to whoever took it, and is open.
            same!(raw::is_open(number(&kept)), true);
        }
        same!(descriptors.len(), 4 - taken);
        drop(descriptors);
        same!(kernel::open_descriptors(), before);
    }
    // A descriptor that was taken outlives `descriptors`.
    ok!(socket::send(&one, b"x", &[file.as_fd(); 4]));
    let mut descriptors = ReceivedFds::<4>::new();
    ok!(socket::receive(&other, &mut [0], &mut descriptors));
    let kept = descriptors.nth(1);
    drop(descriptors);
    same!(
        kept.as_ref().map(kernel::identity),
        Some(kernel::identity(&file))
    );
    Ok(())
}

fn room_is_emptied_before_it_is_filled(_: &World) -> Verdict {
    let (first, second) = (ok!(kernel::sealable()), ok!(kernel::sealable()));
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    let before = kernel::open_descriptors();
    let mut descriptors = ReceivedFds::<2>::new();
    ok!(socket::send(&one, b"x", &[first.as_fd(); 2]));
    ok!(socket::receive(&other, &mut [0], &mut descriptors));
    // Here the list still holds one descriptor.
    drop(descriptors.next());
    for _ in 0..3 {
        ok!(socket::send(&one, b"x", &[second.as_fd(); 2]));
        ok!(socket::receive(&other, &mut [0], &mut descriptors));
        same!(descriptors.len(), 2);
    }
    for received in descriptors.by_ref() {
        same_file(&received, &second)?;
    }
    ok!(socket::send(&one, b"x", &[second.as_fd(); 2]));
    ok!(socket::receive(&other, &mut [0], &mut descriptors));
    // Here it still holds both, and the next message brings none.
    ok!(socket::send(&one, b"x", &[]));
    ok!(socket::receive(&other, &mut [0], &mut descriptors));
    same!(descriptors.len(), 0);
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn an_error_leaves_the_room_empty(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let (one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    let before = kernel::open_descriptors();
    let mut descriptors = ReceivedFds::<2>::new();
    let put_two_into = |room: &mut ReceivedFds<2>| {
        ok!(socket::send(&one, b"x", &[file.as_fd(); 2]));
        ok!(socket::receive(&other, &mut [0], room));
        Ok(())
    };
    // The errors: too many descriptors, a message that is too long, no message, and a closed
    // connection.
    put_two_into(&mut descriptors)?;
    ok!(socket::send(&one, b"x", &[file.as_fd(); 3]));
    let result = socket::receive(&other, &mut [0], &mut descriptors);
    refused!(result, ReceiveError::TooManyDescriptors);
    same!(descriptors.len(), 0);
    same!(kernel::open_descriptors(), before);

    put_two_into(&mut descriptors)?;
    ok!(socket::send(&one, b"xx", &[file.as_fd(); 2]));
    let result = socket::receive(&other, &mut [0], &mut descriptors);
    refused!(result, ReceiveError::DataTruncated);
    same!(descriptors.next().is_none(), true);
    same!(kernel::open_descriptors(), before);

    put_two_into(&mut descriptors)?;
    do_not_wait(&other)?;
    let result = socket::receive(&other, &mut [0], &mut descriptors);
    refused!(result, ReceiveError::Kernel(Errno::EAGAIN));
    same!(descriptors.len(), 0);
    same!(kernel::open_descriptors(), before);

    put_two_into(&mut descriptors)?;
    ok!(parties::end_writing(&one));
    let result = socket::receive(&other, &mut [0], &mut descriptors);
    refused!(result, ReceiveError::Closed);
    same!(descriptors.len(), 0);
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn the_descriptors_of_two_messages_never_come_together(_: &World) -> Verdict {
    let (first, second) = (ok!(kernel::sealable()), ok!(kernel::sealable()));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(socket::send(&one, b"aa", &[first.as_fd()]), Ok(2));
        same!(socket::send(&one, b"bb", &[second.as_fd()]), Ok(2));
        for (expected, sent) in [(b"aa", &first), (b"bb", &second)] {
            // Each receive has room for both messages.
            let (mut room, mut descriptors) = ([0; 64], ReceivedFds::<4>::new());
            same!(ok!(socket::receive(&other, &mut room, &mut descriptors)), 2);
            same!(&room[..2], expected);
            same!(descriptors.len(), 1);
            for received in descriptors {
                same_file(&received, sent)?;
            }
        }
    }
    Ok(())
}

fn as_many_descriptors_pass_as_the_kernel_takes(world: &World) -> Verdict {
    const MOST: usize = socket::MAX_DESCRIPTORS;

    needs!(world.many_descriptors, world::FEW_DESCRIPTORS);
    same!(MOST, 253);
    let file = ok!(kernel::sealable());
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(socket::send(&one, b"x", &[file.as_fd(); MOST]), Ok(1));
        let mut descriptors = ReceivedFds::<MOST>::new();
        same!(ok!(socket::receive(&other, &mut [0], &mut descriptors)), 1);
        same!(descriptors.len(), MOST);
        for received in descriptors {
            same_file(&received, &file)?;
            same!(kernel::close_on_exec(&received), Ok(true));
        }
        // One more fails. The library does not compile such a call.
        refused!(
            parties::send(&one, b"x", &[file.as_fd(); MOST + 1]),
            Errno::EINVAL
        );
    }
    Ok(())
}

// Between processes.

const CONTENT: &[u8] = b"what one process gives another, proven not to change";

fn another_process_gets_a_file_and_maps_it(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        // The file is created after the process, which therefore inherits no descriptor of it.
        let steps = ok!(Steps::new());
        let child = ok!(Child::start(Table::Copied, || {
            steps.wait_for(1)?;
            let received = ok!(SealedMemFd::receive(&other, CONTENT.len()));
            same!(&ok!(received.map())[..], CONTENT);
            same!(kernel::close_on_exec(&received), Ok(true));
            refused!(received.into_memfd().write_at(b"x", 0), Errno::EPERM);
            Ok(())
        }));
        ok!(ok!(sealed(CONTENT)).send(&one));
        steps.reach(1);
        child.finish(PATIENCE)?;
    }
    Ok(())
}

fn a_file_that_both_sides_write_passes(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let child = ok!(Child::start(Table::Copied, || {
            let file = ok!(OwnedMemFd::receive(&other));
            same!(kernel::close_on_exec(&file), Ok(true));
            same!(file.write_at(b"there", 5), Ok(5));
            ok!(file.send(&other));
            Ok(())
        }));
        let file = ok!(kernel::holding(b"here-"));
        ok!(file.send(&one));
        child.finish(PATIENCE)?;
        same!(kernel::holds_exactly(&file, b"here-there"), Ok(true));
        same_file(&ok!(OwnedMemFd::receive(&one)), &file)?;
        // A sealed file is a memory file too.
        let file = ok!(sealed(b"content"));
        ok!(file.send(&one));
        same_file(&ok!(OwnedMemFd::receive(&other)), &file)?;
        is_drained(&other)?;
    }
    Ok(())
}

fn only_a_memory_file_is_received_as_one(world: &World) -> Verdict {
    let (read, _write) = ok!(kernel::pipe());
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let before = kernel::open_descriptors();
        ok!(socket::send(&one, b"x", &[read.as_fd()]));
        match OwnedMemFd::receive(&other) {
            Err(ReceiveError::Verify(error)) => same_file(error.get_ref(), &read)?,
            other => fail!("{other:?}"),
        }
        ok!(socket::send(&one, b"x", &[]));
        refused!(OwnedMemFd::receive(&other), ReceiveError::NoDescriptor);
        ok!(socket::send(&one, b"x", &[read.as_fd(); 2]));
        refused!(
            OwnedMemFd::receive(&other),
            ReceiveError::TooManyDescriptors
        );
        same!(kernel::open_descriptors(), before);
    }
    needs!(world.tmpfs, world::NO_TMPFS);
    let on_tmpfs = ok!(kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR));
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    ok!(socket::send(&one, b"x", &[on_tmpfs.as_fd()]));
    refused!(OwnedMemFd::receive(&other), ReceiveError::Verify(_));
    Ok(())
}

fn another_process_gives_a_file_and_is_gone(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        children::apart(|| {
            ok!(ok!(sealed(CONTENT)).send(&one));
            Ok(())
        })?;
        let received = ok!(SealedMemFd::receive(&other, CONTENT.len()));
        same!(&ok!(received.map())[..], CONTENT);
    }
    Ok(())
}

fn a_received_file_shares_the_offset_which_nobody_needs(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    let file = ok!(sealed(b"content"));
    ok!(file.send(&one));
    let received = ok!(SealedMemFd::receive(&other, 7));
    let ours = file.into_memfd();
    same!(ours.seek(owned_memfd::SeekFrom::Start(3)), Ok(3));
    // Both share one offset. Reading the proven file neither uses nor moves it.
    same!(&ok!(received.map())[..], b"content");
    let mut room = [0; 7];
    same!(received.read_at(&mut room, 0), Ok(7));
    same!(&room, b"content");
    same!(ours.seek(owned_memfd::SeekFrom::Current(0)), Ok(3));
    let theirs = received.into_memfd();
    same!(theirs.seek(owned_memfd::SeekFrom::Current(0)), Ok(3));
    same!(theirs.seek(owned_memfd::SeekFrom::Start(5)), Ok(5));
    same!(ours.seek(owned_memfd::SeekFrom::Current(0)), Ok(5));
    Ok(())
}

// What a stranger sends.

/// After too many descriptors, all are closed, and the next message arrives as usual.
fn too_many<const N: usize>(kind: SocketType, sent: usize) -> Verdict {
    const MOST: usize = socket::MAX_DESCRIPTORS;

    let file = ok!(kernel::sealable());
    let many = [file.as_fd(); MOST];
    let (one, other) = ok!(socket::socket_pair(kind));
    let before = kernel::open_descriptors();
    same!(parties::send(&one, b"x", &many[..sent]), Ok(1));
    same!(socket::send(&one, b"y", &[]), Ok(1));
    let (mut byte, mut descriptors) = ([0], ReceivedFds::<N>::new());
    let result = socket::receive(&other, &mut byte, &mut descriptors);
    refused!(result, ReceiveError::TooManyDescriptors);
    same!(descriptors.len(), 0);
    same!(kernel::open_descriptors(), before);
    same!(ok!(socket::receive(&other, &mut byte, &mut descriptors)), 1);
    same!(byte, *b"y");
    Ok(())
}

/// So many descriptors come where one is wanted.
fn more_than_one(sent: usize) -> Verdict {
    for kind in KINDS {
        too_many::<1>(kind, sent)?;

        let file = ok!(sealed(b""));
        let (one, other) = ok!(socket::socket_pair(kind));
        let before = kernel::open_descriptors();
        let many = [file.as_fd(); 10];
        same!(parties::send(&one, b"x", &many[..sent]), Ok(1));
        let result = SealedMemFd::receive(&other, 10);
        refused!(result, ReceiveError::TooManyDescriptors);
        same!(kernel::open_descriptors(), before);
    }
    Ok(())
}

/// The kernel pads the control data of one descriptor, so that a second one has room.
fn two_descriptors_where_one_is_wanted_are_too_many(_: &World) -> Verdict {
    more_than_one(2)
}

fn ten_descriptors_where_one_is_wanted_are_too_many(_: &World) -> Verdict {
    more_than_one(10)
}

/// The kernel pads the control data of an odd number of descriptors, which leaves room for one
/// more.
fn one_descriptor_more_than_there_is_room_for_is_too_many(world: &World) -> Verdict {
    for kind in KINDS {
        too_many::<0>(kind, 1)?;
        too_many::<1>(kind, 2)?;
        too_many::<2>(kind, 3)?;
        too_many::<3>(kind, 4)?;
    }
    needs!(world.many_descriptors, world::FEW_DESCRIPTORS);
    for kind in KINDS {
        too_many::<252>(kind, 253)?;
    }
    Ok(())
}

fn more_descriptors_than_any_room_are_too_many(_: &World) -> Verdict {
    needs!(parties::closes_what_does_not_fit(), parties::NO_CLOSING);
    for kind in KINDS {
        too_many::<0>(kind, 253)?;
        too_many::<1>(kind, 253)?;
    }
    Ok(())
}

/// Receives in each way while `free` numbers are left for descriptors.
fn with_room_in_the_table(free: usize) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in KINDS {
        children::apart(|| {
            let (one, other) = ok!(socket::socket_pair(kind));
            for _ in 0..3 {
                ok!(parties::send(&one, b"x", &[file.as_fd(); 2]));
            }
            ok!(file.send(&one));
            let mut places = [Some(ok!(kernel::sealable())), Some(ok!(kernel::sealable()))];
            ok!(kernel::fill_the_table());
            places[..free].fill_with(|| None);
            let before = kernel::open_descriptors();
            for _ in 0..3 {
                let mut descriptors = ReceivedFds::<2>::new();
                let result = socket::receive(&other, &mut [0], &mut descriptors);
                refused!(result, ReceiveError::ControlTruncated);
                same!(descriptors.len(), 0);
                same!(kernel::open_descriptors(), before);
            }
            let result = SealedMemFd::receive(&other, 7);
            if free > 0 {
                same!(&ok!(ok!(result).map())[..], b"content");
            } else {
                refused!(result, ReceiveError::ControlTruncated);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn a_full_table_loses_descriptors_and_says_so(_: &World) -> Verdict {
    with_room_in_the_table(0)
}

fn a_table_with_one_place_loses_the_second_and_closes_the_first(_: &World) -> Verdict {
    with_room_in_the_table(1)
}

fn a_message_that_is_too_long_is_cut_and_says_so(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in MESSAGES {
        let (one, other) = ok!(socket::socket_pair(kind));
        let before = kernel::open_descriptors();
        for len in [3, 1] {
            same!(socket::send(&one, b"four", &[file.as_fd()]), Ok(4));
            same!(socket::send(&one, b"next", &[]), Ok(4));
            let (mut room, mut descriptors) = ([0; 4], ReceivedFds::<1>::new());
            let result = socket::receive(&other, &mut room[..len], &mut descriptors);
            refused!(result, ReceiveError::DataTruncated);
            same!(descriptors.len(), 0);
            same!(kernel::open_descriptors(), before);
            // The rest of a message that did not fit is lost; the next message is complete.
            same!(ok!(socket::receive(&other, &mut room, &mut descriptors)), 4);
            same!(&room, b"next");
        }
        same!(socket::send(&one, b"two", &[file.as_fd()]), Ok(3));
        refused!(SealedMemFd::receive(&other, 7), ReceiveError::DataTruncated);
        same!(kernel::open_descriptors(), before);
    }
    Ok(())
}

fn a_stream_keeps_what_there_was_no_room_for(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    same!(socket::send(&one, b"first", &[file.as_fd()]), Ok(5));
    let (mut room, mut descriptors) = ([0; 3], ReceivedFds::<1>::new());
    // The descriptor arrives with the first byte, and only once.
    same!(ok!(socket::receive(&other, &mut room, &mut descriptors)), 3);
    same!(&room, b"fir");
    same!(descriptors.len(), 1);
    same!(ok!(socket::receive(&other, &mut room, &mut descriptors)), 2);
    same!(&room[..2], b"st");
    same!(descriptors.len(), 0);
    is_drained(&other)
}

// The end.

fn the_end_of_a_connection_shows(_: &World) -> Verdict {
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        drop(one);
        for _ in 0..2 {
            let mut descriptors = ReceivedFds::<1>::new();
            let result = socket::receive(&other, &mut [0], &mut descriptors);
            refused!(result, ReceiveError::Closed);
            refused!(SealedMemFd::receive(&other, 1), ReceiveError::Closed);
        }
    }
    Ok(())
}

fn half_a_connection_ends_too(_: &World) -> Verdict {
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::end_writing(&one));
        refused!(SealedMemFd::receive(&other, 1), ReceiveError::Closed);
        refused!(socket::send(&one, b"x", &[]), Errno::EPIPE);
        // The other direction keeps working.
        ok!(ok!(sealed(b"back")).send(&other));
        same!(ok!(SealedMemFd::receive(&one, 4)).len(), 4);
    }
    Ok(())
}

fn what_was_sent_before_the_end_still_arrives(_: &World) -> Verdict {
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(ok!(sealed(b"last")).send(&one));
        drop(one);
        same!(
            &ok!(ok!(SealedMemFd::receive(&other, 4)).map())[..],
            b"last"
        );
        refused!(SealedMemFd::receive(&other, 4), ReceiveError::Closed);
    }
    Ok(())
}

fn an_empty_datagram_is_not_the_end(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::Datagram));
    for _ in 0..2 {
        same!(socket::send(&one, b"", &[]), Ok(0));
    }
    let mut descriptors = ReceivedFds::<1>::new();
    same!(ok!(socket::receive(&other, &mut [0], &mut descriptors)), 0);
    refused!(SealedMemFd::receive(&other, 4), ReceiveError::NoDescriptor);
    ok!(ok!(sealed(b"last")).send(&one));
    same!(ok!(SealedMemFd::receive(&other, 4)).len(), 4);
    Ok(())
}

fn datagrams_have_no_end(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::Datagram));
    ok!(ok!(sealed(b"last")).send(&one));
    drop(one);
    same!(ok!(SealedMemFd::receive(&other, 4)).len(), 4);
    is_drained(&other)
}

fn an_empty_message_brings_its_descriptors(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in MESSAGES {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(socket::send(&one, b"", &[file.as_fd()]), Ok(0));
        let mut descriptors = ReceivedFds::<1>::new();
        same!(ok!(socket::receive(&other, &mut [0], &mut descriptors)), 0);
        same!(descriptors.len(), 1);
        same!(socket::send(&one, b"", &[file.as_fd()]), Ok(0));
        same!(ok!(SealedMemFd::receive(&other, 7)).len(), 7);
    }
    Ok(())
}

fn without_room_for_a_byte_nothing_is_received(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let before = kernel::open_descriptors();
        ok!(file.send(&one));
        let mut descriptors = ReceivedFds::<1>::new();
        for _ in 0..2 {
            let time = Duration::MAX;
            for result in [
                socket::receive(&other, &mut [], &mut descriptors),
                socket::receive_timeout(&other, &mut [], &mut descriptors, time),
                socket::receive_timeout(&other, &mut [], &mut descriptors, Duration::ZERO),
            ] {
                refused!(result, ReceiveError::Kernel(Errno::EINVAL));
                same!(descriptors.len(), 0);
            }
        }
        // The message is still there.
        same!(ok!(socket::receive(&other, &mut [0], &mut descriptors)), 1);
        same!(descriptors.len(), 1);
        // What was in it goes, as with every error.
        refused!(
            socket::receive(&other, &mut [], &mut descriptors),
            ReceiveError::Kernel(Errno::EINVAL)
        );
        same!(kernel::open_descriptors(), before);
    }
    Ok(())
}

fn an_empty_message_on_a_connection_looks_like_the_end(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    same!(socket::send(&one, b"", &[]), Ok(0));
    refused!(SealedMemFd::receive(&other, 1), ReceiveError::Closed);
    // But the socket is still connected.
    ok!(ok!(sealed(b"more")).send(&one));
    same!(ok!(SealedMemFd::receive(&other, 4)).len(), 4);
    Ok(())
}

fn a_stream_needs_a_byte_for_descriptors(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    same!(socket::send(&one, b"", &[file.as_fd()]), Err(Errno::EINVAL));
    // The kernel would lose it without an error, and say so of no byte without a descriptor.
    same!(parties::send(&one, b"", &[file.as_fd()]), Ok(0));
    same!(socket::send(&one, b"", &[]), Ok(0));
    is_drained(&other)?;
    same!(socket::send(&one, b"x", &[file.as_fd()]), Ok(1));
    let mut descriptors = ReceivedFds::<2>::new();
    same!(ok!(socket::receive(&other, &mut [0], &mut descriptors)), 1);
    same!(descriptors.len(), 1);
    Ok(())
}

fn a_closed_peer_is_an_error_and_no_signal(_: &World) -> Verdict {
    const SIGPIPE: u32 = linux_raw_sys::general::SIGPIPE;

    // A program that uses std ignores the signal.
    ok!(parties::stop_ignoring(SIGPIPE));
    let file = ok!(sealed(b"content"));
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        drop(other);
        for _ in 0..2 {
            same!(socket::send(&one, b"x", &[]), Err(Errno::EPIPE));
            same!(socket::send(&one, b"x", &[file.as_fd()]), Err(Errno::EPIPE));
            same!(file.send(&one), Err(Errno::EPIPE));
        }
    }
    // A datagram socket reports this once, and has no peer afterwards.
    let (one, other) = ok!(socket::socket_pair(SocketType::Datagram));
    drop(other);
    same!(file.send(&one), Err(Errno::ECONNREFUSED));
    same!(file.send(&one), Err(Errno::ENOTCONN));
    // A plain `write`, which does not suppress the signal, does get it.
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    drop(other);
    let pid = ok!(raw::fork(Table::Copied, || i32::from(
        kernel::write(&one, b"x").is_err()
    )));
    same!(parties::wait(pid), Ok(Ended::Killed(SIGPIPE as i32)));
    Ok(())
}

fn a_peer_that_closes_without_reading_resets_the_connection(_: &World) -> Verdict {
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(socket::send(&one, b"never read", &[]), Ok(10));
        drop(other);
        refused!(
            SealedMemFd::receive(&one, 1),
            ReceiveError::Kernel(Errno::ECONNRESET)
        );
        refused!(SealedMemFd::receive(&one, 1), ReceiveError::Closed);
        same!(socket::send(&one, b"x", &[]).err(), Some(Errno::EPIPE));
    }
    Ok(())
}

// What the kernel refuses.

fn what_is_no_unix_socket_is_refused(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    let mut descriptors = ReceivedFds::<1>::new();
    same!(file.send(&file).err(), Some(Errno::ENOTSOCK));
    refused!(
        SealedMemFd::receive(&file, 7),
        ReceiveError::Kernel(Errno::ENOTSOCK)
    );
    refused!(
        socket::receive(&file, &mut [0], &mut descriptors),
        ReceiveError::Kernel(Errno::ENOTSOCK)
    );
    if let Ok(socket) = parties::internet_socket() {
        same!(file.send(&socket), Err(Errno::EAFNOSUPPORT));
    }
    Ok(())
}

fn an_internet_socket_takes_no_descriptor_and_no_byte_with_one(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in [net::SocketType::STREAM, net::SocketType::DGRAM] {
        let Ok((one, other)) = parties::internet_pair(kind) else {
            return Err(crate::Stop::Skipped(parties::NO_LOOPBACK));
        };
        same!(file.send(&one), Err(Errno::EAFNOSUPPORT));
        same!(
            socket::send(&one, b"lost", &[file.as_fd(), file.as_fd()]),
            Err(Errno::EAFNOSUPPORT)
        );
        // Without a descriptor nothing is lost. These are the first bytes that come.
        same!(socket::send(&one, b"bytes", &[]), Ok(5));
        let mut room = [0; 64];
        same!(kernel::read(&other, &mut room), Ok(5));
        same!(&room[..5], b"bytes");
        is_drained(&other)?;
    }
    Ok(())
}

fn a_socket_whose_family_cannot_be_asked_for_takes_no_descriptor(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(sealed(b"content"));
    for error in [Errno::EPERM, Errno::ENOSYS] {
        children::apart(|| {
            ok!(raw::refuse(Which::All(sc::nr::GETSOCKOPT), error));
            for kind in KINDS {
                let (one, other) = ok!(socket::socket_pair(kind));
                same!(file.send(&one), Err(error));
                same!(socket::send(&one, b"lost", &[file.as_fd()]), Err(error));
                // Without a descriptor it does not matter.
                same!(socket::send(&one, b"bytes", &[]), Ok(5));
                let mut room = [0; 64];
                same!(kernel::read(&other, &mut room), Ok(5));
                same!(&room[..5], b"bytes");
                is_drained(&other)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn a_socket_without_a_connection_is_refused(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for (kind, reason) in [
        (net::SocketType::STREAM, Errno::EINVAL),
        (net::SocketType::SEQPACKET, Errno::ENOTCONN),
    ] {
        for socket in [parties::unconnected(kind), parties::listening(kind)] {
            let socket = ok!(socket);
            same!(file.send(&socket), Err(Errno::ENOTCONN));
            match SealedMemFd::receive(&socket, 7) {
                Err(ReceiveError::Kernel(errno)) => same!(errno, reason),
                result => fail!("{kind:?}: {result:?}"),
            }
        }
    }
    let socket = ok!(parties::unconnected(net::SocketType::DGRAM));
    same!(file.send(&socket), Err(Errno::ENOTCONN));
    Ok(())
}

fn a_receiver_that_takes_no_descriptors_is_sent_none(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        needs!(
            parties::take_no_descriptors(&other).is_ok(),
            parties::NO_PASSRIGHTS
        );
        same!(file.send(&one), Err(Errno::EPERM));
        is_drained(&other)?;
        same!(socket::send(&one, b"x", &[]), Ok(1));
        refused!(SealedMemFd::receive(&other, 7), ReceiveError::NoDescriptor);
    }
    Ok(())
}

fn a_socket_that_does_not_wait_says_so(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        is_drained(&other)?;
        refused!(
            SealedMemFd::receive(&other, 7),
            ReceiveError::Kernel(Errno::EAGAIN)
        );
        do_not_wait(&one)?;
        let mut sent = 0;
        let refusal = loop {
            match file.send(&one) {
                Ok(()) if sent < 100_000 => sent += 1,
                Ok(()) => fail!("{sent} messages fit"),
                Err(errno) => break errno,
            }
        };
        // A process without privileges may first have too many descriptors in flight.
        holds!(matches!(refusal, Errno::EAGAIN | Errno::ETOOMANYREFS));
        // Each descriptor that was sent arrives, and no other.
        for _ in 0..sent {
            same!(ok!(SealedMemFd::receive(&other, 7)).len(), 7);
        }
        is_drained(&other)?;
    }
    Ok(())
}

fn a_full_stream_takes_a_part_and_the_descriptor_once(_: &World) -> Verdict {
    const LEN: usize = 4 << 20;

    let file = ok!(kernel::sealable());
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    do_not_wait(&one)?;
    let bytes = ok!(raw::Buffer::new(LEN));
    let first = ok!(socket::send(&one, &bytes, &[file.as_fd()]));
    holds!(first > 0 && first < LEN, "{first} bytes were taken");
    refused!(
        socket::send(&one, &bytes[first..], &[file.as_fd()]),
        Errno::EAGAIN
    );
    let (mut sent, mut received, mut files) = (first, 0, 0);
    let mut room = [0; 8192];
    loop {
        let mut descriptors = ReceivedFds::<1>::new();
        received += ok!(socket::receive(&other, &mut room, &mut descriptors));
        files += descriptors.len();
        // The rest is sent without descriptors.
        while sent < LEN {
            match socket::send(&one, &bytes[sent..], &[]) {
                Ok(count) => sent += count,
                Err(Errno::EAGAIN) => break,
                Err(errno) => fail!("sending the rest fails with {errno:?}"),
            }
        }
        if received == LEN {
            break;
        }
    }
    same!(files, 1);
    is_drained(&other)
}

fn a_message_longer_than_the_socket_allows_is_refused(_: &World) -> Verdict {
    const LEN: usize = 64 << 20;

    let zeros = ok!(raw::Buffer::new(LEN));
    let file = ok!(kernel::sealable());
    for kind in MESSAGES {
        let (one, other) = ok!(socket::socket_pair(kind));
        let result = socket::send(&one, &zeros, &[file.as_fd()]);
        same!(result, Err(Errno::EMSGSIZE));
        is_drained(&other)?;
    }
    Ok(())
}

// Signals.

pub(crate) const OFTEN: Duration = Duration::from_millis(10);

fn a_signal_interrupts_what_is_bare(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    fill(&one)?;
    let alarms = ok!(Alarms::every(OFTEN, Interrupted::Fails));
    let mut descriptors = ReceivedFds::<1>::new();
    refused!(
        socket::receive(&one, &mut [0], &mut descriptors),
        ReceiveError::Kernel(Errno::EINTR)
    );
    same!(
        socket::send(&one, b"x", &[other.as_fd()]),
        Err(Errno::EINTR)
    );
    holds!(alarms.count() > 0);
    Ok(())
}

/// Fills the socket, and makes sending wait for room again.
fn fill(socket: &OwnedFd) -> Verdict {
    do_not_wait(socket)?;
    for piece in [4096, 1] {
        while socket::send(socket, &[0; 4096][..piece], &[]).is_ok() {}
    }
    ok!(kernel::set_status_flags(socket, OFlags::empty()));
    Ok(())
}

fn a_signal_does_not_interrupt_receiving_a_file(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let steps = ok!(Steps::new());
        let child = ok!(Child::start(Table::Copied, || {
            let file = ok!(sealed(b"late"));
            steps.wait_for(1)?;
            kernel::sleep(OFTEN * 10);
            ok!(file.send(&one));
            Ok(())
        }));
        let alarms = ok!(Alarms::every(OFTEN, Interrupted::Fails));
        steps.reach(1);
        let received = ok!(SealedMemFd::receive(&other, 4));
        holds!(alarms.count() > 0);
        drop(alarms);
        same!(&ok!(received.map())[..], b"late");
        child.finish(PATIENCE)?;
    }
    Ok(())
}

fn a_signal_does_not_interrupt_sending_a_file(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    fill(&one)?;
    let file = ok!(sealed(b"waits"));
    let steps = ok!(Steps::new());
    let child = ok!(Child::start(Table::Copied, || {
        steps.wait_for(1)?;
        kernel::sleep(OFTEN * 10);
        loop {
            let (mut room, mut descriptors) = ([0; 4096], ReceivedFds::<1>::new());
            ok!(socket::receive(&other, &mut room, &mut descriptors));
            if descriptors.len() == 1 {
                return Ok(());
            }
        }
    }));
    let alarms = ok!(Alarms::every(OFTEN, Interrupted::Fails));
    steps.reach(1);
    ok!(file.send(&one));
    holds!(alarms.count() > 0);
    drop(alarms);
    child.finish(PATIENCE)
}

// What else a socket brings.

/// A file arrives alone, and as often as one message can carry it. No other descriptor stays open.
fn one_and_most_arrive(one: &impl AsFd, other: &impl AsFd) -> Verdict {
    const MOST: usize = socket::MAX_DESCRIPTORS;

    let file = ok!(sealed(b"content"));
    let before = kernel::open_descriptors();
    ok!(file.send(one));
    drop(ok!(SealedMemFd::receive(other, 7)));
    same!(kernel::open_descriptors(), before);

    ok!(socket::send(one, b"x", &[file.as_fd(); MOST]));
    let mut descriptors = ReceivedFds::<MOST>::new();
    same!(ok!(socket::receive(other, &mut [0], &mut descriptors)), 1);
    same!(descriptors.len(), MOST);
    for received in descriptors {
        same_file(&received, &file)?;
    }
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn credentials_are_skipped(world: &World) -> Verdict {
    needs!(world.many_descriptors, world::FEW_DESCRIPTORS);
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::pass_credentials(&other));
        one_and_most_arrive(&one, &other)?;

        // Credentials alone do not count as a descriptor.
        ok!(socket::send(&one, b"x", &[]));
        refused!(SealedMemFd::receive(&other, 7), ReceiveError::NoDescriptor);
    }
    Ok(())
}

fn a_descriptor_of_the_senders_process_does_not_stay_open(_: &World) -> Verdict {
    needs!(parties::brings_pidfds(), parties::NO_PIDFD_MESSAGES);
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::pass_pidfd(&other));
        ok!(parties::pass_credentials(&other));
        let file = ok!(sealed(b"content"));
        let before = kernel::open_descriptors();
        for _ in 0..3 {
            ok!(file.send(&one));
            let received = ok!(SealedMemFd::receive(&other, 7));
            same!(&ok!(received.map())[..], b"content");
            drop(received);
            same!(kernel::open_descriptors(), before);
        }
        // The pidfd does not count as a descriptor that was sent.
        ok!(socket::send(&one, b"x", &[]));
        refused!(SealedMemFd::receive(&other, 7), ReceiveError::NoDescriptor);
        ok!(socket::send(&one, b"x", &[file.as_fd(); 3]));
        let mut descriptors = ReceivedFds::<3>::new();
        same!(ok!(socket::receive(&other, &mut [0], &mut descriptors)), 1);
        for received in descriptors {
            same_file(&received, &file)?;
        }
        same!(kernel::open_descriptors(), before);
    }
    Ok(())
}

/// A socket can be set to bring all of these at once. What a security label takes depends on the
/// security module.
fn other_messages_take_no_room_from_descriptors(world: &World) -> Verdict {
    needs!(world.many_descriptors, world::FEW_DESCRIPTORS);
    let pidfds = parties::brings_pidfds();
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::pass_credentials(&other));
        // An emulator may know fewer of them.
        let _ = parties::pass_labels_and_times(&other);
        if pidfds {
            ok!(parties::pass_pidfd(&other));
        }
        one_and_most_arrive(&one, &other)?;
    }
    Ok(())
}

/// In a program that starts without open descriptors, the first one that comes has the number 0.
fn a_descriptor_of_the_senders_process_is_closed_if_its_number_is_0(_: &World) -> Verdict {
    needs!(parties::brings_pidfds(), parties::NO_PIDFD_MESSAGES);
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::pass_pidfd(&other));
        ok!(socket::send(&one, b"x", &[]));
        children::apart(|| {
            raw::close(0);
            let mut none = ReceivedFds::<0>::new();
            same!(ok!(socket::receive(&other, &mut [0], &mut none)), 1);
            same!(raw::is_open(0), false);
            Ok(())
        })?;
    }
    Ok(())
}

/// If the kernel cannot create the pidfd, the message has an error in its place: a negative
/// number, which is no descriptor.
fn a_descriptor_of_the_senders_process_that_failed_is_none(world: &World) -> Verdict {
    needs!(parties::brings_pidfds(), parties::NO_PIDFD_MESSAGES);
    needs!(world.supervisors, world::NO_SUPERVISORS);
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::pass_pidfd(&other));
        ok!(socket::send(&one, b"x", &[]));
        let file = ok!(kernel::sealable());
        ok!(socket::send(&one, b"y", &[file.as_fd()]));
        children::apart(|| {
            // Code that takes the error for a descriptor would close it.
            let number = Errno::EMFILE.raw_os_error().wrapping_neg() as u32;
            let which = Which::Equal(sc::nr::CLOSE, 0, number);
            let supervisor = Supervisor::of(which, &[])?;
            ok!(kernel::fill_the_table());
            let mut descriptors = ReceivedFds::<1>::new();
            same!(ok!(socket::receive(&other, &mut [0], &mut descriptors)), 1);
            same!(descriptors.len(), 0);
            let result = socket::receive(&other, &mut [0], &mut descriptors);
            refused!(result, ReceiveError::ControlTruncated);
            same!(descriptors.len(), 0);
            same!(supervisor.calls(), 0);
            Ok(())
        })?;
    }
    Ok(())
}

// What a file must be.

/// Receiving the file fails for this reason. The error returns the descriptor unchanged.
fn is_refused(fd: BorrowedFd<'_>, max_len: usize, expected: VerifyErrorKind) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let before = kernel::open_descriptors();
        same!(parties::send(&one, b"x", &[fd]), Ok(1));
        match SealedMemFd::receive(&other, max_len) {
            Err(ReceiveError::Verify(error)) => {
                same!(error.kind(), expected);
                same_file(error.get_ref(), &fd)?;
                same!(kernel::close_on_exec(error.get_ref()), Ok(true));
            }
            other => fail!("{other:?}"),
        }
        same!(kernel::open_descriptors(), before);
    }
    Ok(())
}

fn data_without_a_descriptor_is_no_file(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(parties::send(&one, b"x", &[]), Ok(1));
        refused!(SealedMemFd::receive(&other, 7), ReceiveError::NoDescriptor);
        ok!(ok!(sealed(b"content")).send(&one));
        same!(ok!(SealedMemFd::receive(&other, 7)).len(), 7);
    }
    Ok(())
}

fn what_is_no_memory_file_is_refused_and_given_back(world: &World) -> Verdict {
    let (read, write) = ok!(kernel::pipe());
    is_refused(read.as_fd(), usize::MAX, VerifyErrorKind::CanBlock)?;
    is_refused(write.as_fd(), usize::MAX, VerifyErrorKind::CanBlock)?;
    let counter = ok!(kernel::event_counter());
    is_refused(counter.as_fd(), usize::MAX, VerifyErrorKind::CanBlock)?;
    needs!(world.proc, world::NO_PROC);
    let path_only = ok!(kernel::reopen(&ok!(sealed(b"x")), OFlags::PATH));
    is_refused(path_only.as_fd(), usize::MAX, VerifyErrorKind::PathOnly)?;
    needs!(world.tmpfs, world::NO_TMPFS);
    let on_tmpfs = ok!(kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR));
    let missing = VerifyErrorKind::MissingSeals(Seals::WRITE | Seals::SHRINK);
    is_refused(on_tmpfs.as_fd(), usize::MAX, missing)
}

fn an_unsealed_file_is_refused_and_given_back(world: &World) -> Verdict {
    let missing = VerifyErrorKind::MissingSeals;
    let file = ok!(kernel::holding(b"content"));
    is_refused(file.as_fd(), 7, missing(Seals::WRITE | Seals::SHRINK))?;
    ok!(file.add_seals(Seals::GROW));
    is_refused(file.as_fd(), 7, missing(Seals::WRITE | Seals::SHRINK))?;
    ok!(file.add_seals(Seals::SHRINK));
    is_refused(file.as_fd(), 7, missing(Seals::WRITE))?;

    let file = ok!(kernel::holding(b"content"));
    ok!(file.add_seals(Seals::WRITE));
    is_refused(file.as_fd(), 7, missing(Seals::SHRINK))?;
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let file = ok!(kernel::holding(b"content"));
    ok!(file.add_seals(Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW));
    is_refused(file.as_fd(), 7, VerifyErrorKind::FutureWriteOnly)
}

fn a_longer_file_than_wanted_is_refused_and_given_back(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for limit in [0, 6] {
        let reason = VerifyErrorKind::TooLarge {
            len: 7,
            max_len: limit,
        };
        is_refused(file.as_fd(), limit, reason)?;
    }
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    ok!(file.send(&one));
    same!(ok!(SealedMemFd::receive(&other, 7)).len(), 7);
    ok!(ok!(sealed(b"")).send(&one));
    same!(ok!(SealedMemFd::receive(&other, 0)).len(), 0);
    Ok(())
}

fn a_refusal_leaves_the_connection_as_it_was(_: &World) -> Verdict {
    let (read, _write) = ok!(kernel::pipe());
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(parties::send(&one, b"x", &[read.as_fd()]), Ok(1));
        same!(parties::send(&one, b"x", &[read.as_fd(); 10]), Ok(1));
        same!(parties::send(&one, b"x", &[]), Ok(1));
        ok!(ok!(sealed(b"good")).send(&one));
        refused!(SealedMemFd::receive(&other, 4), ReceiveError::Verify(_));
        refused!(
            SealedMemFd::receive(&other, 4),
            ReceiveError::TooManyDescriptors
        );
        refused!(SealedMemFd::receive(&other, 4), ReceiveError::NoDescriptor);
        same!(
            &ok!(ok!(SealedMemFd::receive(&other, 4)).map())[..],
            b"good"
        );
    }
    Ok(())
}

fn every_refusal_says_what_it_is(_: &World) -> Verdict {
    let (read, _write) = ok!(kernel::pipe());
    let (one, other) = ok!(socket::socket_pair(SocketType::Stream));
    ok!(parties::send(&one, b"x", &[read.as_fd()]));
    let Err(refused) = SealedMemFd::receive(&other, 1) else {
        fail!("a pipe is accepted");
    };
    let said = Text::of(VerifyErrorKind::CanBlock);
    same!(Text::of(&refused).as_str(), said.as_str());
    holds!(refused.source().is_none());
    let kernel = ReceiveError::from(Errno::EAGAIN);
    same!(
        Text::of(&kernel).as_str(),
        "resource temporarily unavailable"
    );
    holds!(kernel.source().is_none());
    let own = [
        ReceiveError::Closed,
        ReceiveError::NoDescriptor,
        ReceiveError::TooManyDescriptors,
        ReceiveError::ControlTruncated,
        ReceiveError::DataTruncated,
        ReceiveError::TimedOut,
    ];
    for (index, error) in own.iter().enumerate() {
        holds!(error.source().is_none());
        let text = Text::of(error);
        holds!(!text.as_str().is_empty());
        for other in &own[..index] {
            holds!(Text::of(other).as_str() != text.as_str());
        }
    }
    Ok(())
}
