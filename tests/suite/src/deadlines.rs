//! Claims about receiving for a limited time.

use crate::{
    Verdict, World,
    children::{self, Child, PATIENCE, Steps, Supervisor},
    claim::Text,
    kernel, parties,
    passing::{CONNECTIONS, KINDS, do_not_wait, sealed},
    raw::{self, Alarms, Descriptors as Table, Interrupted, Response, Which},
    world,
};
use core::{error::Error, time::Duration};
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd,
    fd::{AsFd, OwnedFd},
    socket::{self, ReceiveError, ReceivedFds, SocketType},
};
use rustix::{net, process::Pid};

claims!(
    what_is_there_is_received_whatever_the_time,
    bytes_and_descriptors_are_received_in_time,
    what_comes_in_time_is_received,
    no_time_is_too_long,
    waiting_ends_when_the_time_is_over_and_not_before,
    no_wait_is_longer_than_what_is_left_of_the_time,
    no_time_tries_once_and_does_not_wait,
    a_time_that_is_over_leaves_the_room_empty,
    signals_neither_lengthen_nor_shorten_the_time,
    a_message_that_another_reader_takes_does_not_end_the_time,
    a_reader_that_comes_second_waits_no_longer_than_its_time,
    a_socket_that_does_not_wait_waits_for_this,
    a_time_of_the_sockets_own_does_not_matter,
    the_end_of_a_connection_ends_the_time,
    the_end_of_a_connection_that_comes_later_ends_the_time,
    a_signal_before_the_last_message_loses_nothing,
    a_reset_connection_ends_the_time,
    a_datagram_socket_that_is_shut_ends_the_time,
    datagrams_without_a_sender_end_with_the_time,
    what_is_no_socket_is_refused_at_once,
    a_socket_without_a_connection_is_refused_at_once,
    an_internet_socket_has_its_time_too,
    what_is_no_file_is_refused_in_time,
    closing_what_came_can_take_longer_than_the_time,
    a_clock_or_a_poll_that_fails_is_the_error,
    the_end_of_the_time_says_what_it_is,
);

/// A time that ends soon.
const SOON: Duration = Duration::from_millis(30);

/// Receives bytes without a descriptor.
fn bytes_within(socket: &OwnedFd, time: Duration) -> Result<usize, ReceiveError> {
    let mut none = ReceivedFds::<0>::new();
    socket::receive_timeout(socket, &mut [0; 8], &mut none, time)
}

/// Not less than this time has passed, and not far more: a machine may be slow. How long a wait is
/// asked for, `no_wait_is_longer_than_what_is_left_of_the_time` shows.
fn lasted(time: Duration, before: Duration) -> Verdict {
    let now = raw::now();
    holds!(now >= before + time, "over before {time:?}");
    holds!(now < before + time + PATIENCE, "over long after {time:?}");
    Ok(())
}

type Way = fn(&OwnedFd, Duration) -> Result<(), ReceiveError>;

/// Each way of receiving.
const WAYS: [Way; 3] = [
    |socket, time| bytes_within(socket, time).map(drop),
    |socket, time| SealedMemFd::receive_timeout(socket, 7, time).map(drop),
    |socket, time| OwnedMemFd::receive_timeout(socket, time).map(drop),
];

/// Nothing comes, in each way of receiving, which takes as long as was asked for.
fn takes_its_time(socket: &OwnedFd, time: Duration) -> Verdict {
    for way in WAYS {
        let before = raw::now();
        refused!(way(socket, time), ReceiveError::TimedOut);
        lasted(time, before)?;
    }
    Ok(())
}

/// The waits of a traced process, as the kernel is asked for them.
#[derive(Default)]
struct Waits {
    count: u32,
    /// How much the next one may take at most.
    most: Option<Duration>,
    /// When the process was seen to begin the wait that it is in.
    began: Option<Duration>,
}

impl Waits {
    /// Looks at a process that enters or leaves a system call. No wait is longer than the one
    /// before, less what passed between; the first one is at most `time`. The process was stopped
    /// before this began, and goes on after it ended: a slow machine makes this weaker, not wrong.
    fn look(&mut self, pid: Pid, time: Duration) -> Verdict {
        match ok!(raw::call_at(pid)) {
            Some((sc::nr::PPOLL, [_, _, timespec, ..])) => {
                let wait = Duration::new(
                    ok!(raw::peek(pid, timespec)),
                    ok!(raw::peek(pid, timespec + 8)) as u32,
                );
                let most = self.most.unwrap_or(time);
                holds!(wait <= most, "wait {}: {wait:?} of {most:?}", self.count);
                self.count += 1;
                self.most = Some(wait);
                self.began = Some(raw::now());
            }
            Some(_) => {}
            None => {
                if let (Some(most), Some(began)) = (self.most, self.began.take()) {
                    // It began no later, and ends no sooner.
                    self.most = Some((most + began).saturating_sub(raw::now()));
                }
            }
        }
        Ok(())
    }
}

/// What each way of receiving fails with, at once. With all the time that there is, it would
/// otherwise wait until the claim is ended.
fn fails_at_once(socket: &impl AsFd, is_expected: impl Fn(&ReceiveError) -> bool) -> Verdict {
    let mut descriptors = ReceivedFds::<1>::new();
    for time in [Duration::ZERO, PATIENCE, Duration::MAX] {
        let results = [
            socket::receive_timeout(socket, &mut [0], &mut descriptors, time).map(drop),
            SealedMemFd::receive_timeout(socket, 7, time).map(drop),
            OwnedMemFd::receive_timeout(socket, time).map(drop),
        ];
        for result in results {
            match result {
                Err(error) if is_expected(&error) => {}
                result => fail!("{time:?}: {result:?}"),
            }
        }
    }
    Ok(())
}

// What arrives.

fn what_is_there_is_received_whatever_the_time(_: &World) -> Verdict {
    let file = ok!(sealed(b"content"));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        for time in [
            Duration::ZERO,
            Duration::from_nanos(1),
            PATIENCE,
            Duration::MAX,
        ] {
            ok!(file.send(&one));
            let received = ok!(SealedMemFd::receive_timeout(&other, 7, time));
            same!(&ok!(received.map())[..], b"content");
            same!(kernel::close_on_exec(&received), Ok(true));
            ok!(file.send(&one));
            let received = ok!(OwnedMemFd::receive_timeout(&other, time));
            same!(kernel::identity(&received), kernel::identity(&file));
            refused!(bytes_within(&other, Duration::ZERO), ReceiveError::TimedOut);
        }
    }
    Ok(())
}

fn bytes_and_descriptors_are_received_in_time(_: &World) -> Verdict {
    let files = [ok!(kernel::holding(b"1")), ok!(kernel::holding(b"2"))];
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let sent = files.each_ref().map(AsFd::as_fd);
        same!(socket::send(&one, b"some bytes", &sent), Ok(10));
        let (mut room, mut descriptors) = ([0; 64], ReceivedFds::<2>::new());
        same!(
            ok!(socket::receive_timeout(
                &other,
                &mut room,
                &mut descriptors,
                PATIENCE
            )),
            10
        );
        same!(&room[..10], b"some bytes");
        same!(descriptors.len(), 2);
        for (received, sent) in descriptors.zip(&files) {
            same!(kernel::identity(&received), kernel::identity(sent));
            same!(kernel::close_on_exec(&received), Ok(true));
        }
    }
    Ok(())
}

/// A file arrives that another process sends only when this one waits, as far as that can be told.
fn comes_later(time: Duration) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let child = ok!(Child::start(Table::Copied, || {
            let file = ok!(sealed(b"late"));
            kernel::sleep(SOON);
            ok!(file.send(&one));
            Ok(())
        }));
        let received = ok!(SealedMemFd::receive_timeout(&other, 4, time));
        same!(&ok!(received.map())[..], b"late");
        child.finish(PATIENCE)?;
    }
    Ok(())
}

fn what_comes_in_time_is_received(_: &World) -> Verdict {
    comes_later(PATIENCE)
}

fn no_time_is_too_long(_: &World) -> Verdict {
    for time in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_secs(u64::MAX / 1_000_000_000),
        Duration::from_secs(u64::MAX / 1_000_000_000 + 1),
        Duration::from_nanos(u64::MAX),
        Duration::from_secs(i64::MAX as u64),
        // In nanoseconds, this is a multiple of 2^64.
        Duration::from_secs(1 << 55),
    ] {
        comes_later(time)?;
    }
    Ok(())
}

// The time.

fn waiting_ends_when_the_time_is_over_and_not_before(_: &World) -> Verdict {
    for kind in KINDS {
        // The other end stays open: nothing shows that nobody will send.
        let (_one, other) = ok!(socket::socket_pair(kind));
        for time in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_micros(999),
            SOON,
        ] {
            takes_its_time(&other, time)?;
        }
    }
    // More than a second has two parts.
    let (_one, other) = ok!(socket::socket_pair(SocketType::Stream));
    let (before, time) = (raw::now(), Duration::new(1, 1));
    refused!(bytes_within(&other, time), ReceiveError::TimedOut);
    lasted(time, before)
}

/// However slow a machine is, this shows what the time on a clock cannot.
fn no_wait_is_longer_than_what_is_left_of_the_time(world: &World) -> Verdict {
    // On a slow machine, a short time is over after one wait.
    const TIMES: [Duration; 3] = [
        Duration::from_millis(60),
        Duration::from_millis(600),
        Duration::from_secs(6),
    ];

    needs!(world.tracing, world::NO_TRACING);
    let (_one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    for way in WAYS {
        let mut most = 0;
        for time in TIMES {
            let child = ok!(Child::start(Table::Copied, || {
                ok!(raw::be_traced());
                // Each signal ends a wait.
                let _alarms = ok!(Alarms::every(Duration::from_millis(2), Interrupted::Fails));
                refused!(way(&other, time), ReceiveError::TimedOut);
                Ok(())
            }));
            let (pid, mut waits, mut verdict) = (child.pid(), Waits::default(), Ok(()));
            child.finish_in_steps(|| {
                if verdict.is_ok() {
                    verdict = waits.look(pid, time);
                }
            })?;
            verdict?;
            most = waits.count;
            if most > 1 {
                break;
            }
        }
        holds!(most > 1, "{most} waits");
    }
    Ok(())
}

fn no_time_tries_once_and_does_not_wait(world: &World) -> Verdict {
    needs!(world.tracing, world::NO_TRACING);
    let (one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    let calls = children::calls_of(|| {
        refused!(bytes_within(&other, Duration::ZERO), ReceiveError::TimedOut);
        Ok(())
    })?;
    same!(calls, 1);
    // What is there is not waited for, either.
    same!(socket::send(&one, b"x", &[]), Ok(1));
    let calls = children::calls_of(|| {
        same!(ok!(bytes_within(&other, PATIENCE)), 1);
        Ok(())
    })?;
    same!(calls, 1);
    Ok(())
}

fn a_time_that_is_over_leaves_the_room_empty(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let (one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    let before = kernel::open_descriptors();
    let mut descriptors = ReceivedFds::<2>::new();
    for time in [Duration::ZERO, Duration::from_millis(1)] {
        ok!(socket::send(&one, b"x", &[file.as_fd(); 2]));
        ok!(socket::receive(&other, &mut [0], &mut descriptors));
        same!(descriptors.len(), 2);
        let result = socket::receive_timeout(&other, &mut [0], &mut descriptors, time);
        refused!(result, ReceiveError::TimedOut);
        same!(descriptors.len(), 0);
        same!(kernel::open_descriptors(), before);
    }
    Ok(())
}

fn signals_neither_lengthen_nor_shorten_the_time(_: &World) -> Verdict {
    for calls in [Interrupted::Fails, Interrupted::Restarts] {
        for kind in KINDS {
            let (_one, other) = ok!(socket::socket_pair(kind));
            // Each signal comes before the whole time is over. If it began anew, it never ended.
            let alarms = ok!(Alarms::every(Duration::from_millis(2), calls));
            takes_its_time(&other, Duration::from_millis(60))?;
            holds!(alarms.count() > 3);
        }
    }
    Ok(())
}

/// The poll says that there is a message, and another reader has it.
fn a_message_that_another_reader_takes_does_not_end_the_time(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let taken = [Response::Value(1); 5];
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        children::apart(|| {
            let supervisor = Supervisor::of(Which::All(sc::nr::PPOLL), &taken)?;
            takes_its_time(&other, SOON)?;
            holds!(supervisor.calls() > 5);
            Ok(())
        })?;
        children::apart(|| {
            // Without an end of the time, what comes afterwards is received.
            let supervisor = Supervisor::of(Which::All(sc::nr::PPOLL), &taken)?;
            let child = ok!(Child::start(Table::Copied, || {
                let deadline = raw::now() + PATIENCE;
                while supervisor.calls() < 5 {
                    holds!(raw::now() < deadline, "nobody polls");
                    kernel::sleep(Duration::from_micros(200));
                }
                same!(socket::send(&one, b"x", &[]), Ok(1));
                Ok(())
            }));
            same!(ok!(bytes_within(&other, Duration::MAX)), 1);
            child.finish(PATIENCE)
        })?;
    }
    Ok(())
}

/// The same, of two readers that do race for one message.
fn a_reader_that_comes_second_waits_no_longer_than_its_time(_: &World) -> Verdict {
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        for _ in 0..8 {
            let steps = ok!(Steps::new());
            let read = || {
                steps.reach(1);
                match bytes_within(&other, SOON) {
                    Ok(1) => Ok(1),
                    Err(ReceiveError::TimedOut) => Ok(0),
                    result => fail!("{result:?}"),
                }
            };
            let mut child = ok!(Child::start(Table::Copied, || {
                let count = read()?;
                steps.reach(2 + count);
                Ok(())
            }));
            child.reaches(1, &steps)?;
            same!(socket::send(&one, b"x", &[]), Ok(1));
            let count = match bytes_within(&other, SOON) {
                Ok(1) => 1,
                Err(ReceiveError::TimedOut) => 0,
                result => fail!("{result:?}"),
            };
            child.finish(PATIENCE)?;
            holds!(steps.has_reached(2));
            // A child that is slow to start may leave it for later, but nobody gets it twice.
            let theirs = u32::from(steps.has_reached(3));
            let rest = u32::from(bytes_within(&other, Duration::ZERO).is_ok());
            same!(count + theirs + rest, 1);
        }
    }
    Ok(())
}

fn a_socket_that_does_not_wait_waits_for_this(_: &World) -> Verdict {
    for kind in KINDS {
        let (_one, other) = ok!(socket::socket_pair(kind));
        do_not_wait(&other)?;
        takes_its_time(&other, SOON)?;
    }
    Ok(())
}

fn a_time_of_the_sockets_own_does_not_matter(_: &World) -> Verdict {
    for kind in KINDS {
        let (_one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::wait_at_most(&other, Duration::from_millis(1)));
        takes_its_time(&other, SOON)?;
        ok!(parties::wait_at_most(&other, PATIENCE * 3));
        takes_its_time(&other, Duration::from_millis(1))?;
    }
    Ok(())
}

// What ends it.

fn the_end_of_a_connection_ends_the_time(_: &World) -> Verdict {
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(ok!(sealed(b"last")).send(&one));
        drop(one);
        same!(
            ok!(SealedMemFd::receive_timeout(&other, 4, Duration::MAX)).len(),
            4
        );
        fails_at_once(&other, |error| matches!(error, ReceiveError::Closed))?;

        let (one, other) = ok!(socket::socket_pair(kind));
        ok!(parties::end_writing(&one));
        fails_at_once(&other, |error| matches!(error, ReceiveError::Closed))?;
    }
    Ok(())
}

fn the_end_of_a_connection_that_comes_later_ends_the_time(_: &World) -> Verdict {
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let child = ok!(Child::start(Table::Copied, || {
            kernel::sleep(SOON);
            ok!(parties::end_writing(&one));
            Ok(())
        }));
        refused!(
            SealedMemFd::receive_timeout(&other, 7, Duration::MAX),
            ReceiveError::Closed
        );
        child.finish(PATIENCE)?;
    }
    Ok(())
}

/// The poll says that a message is there and that it is the last one. Then comes a signal.
fn a_signal_before_the_last_message_loses_nothing(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let responses = [
        Response::Error(Errno::EAGAIN),
        Response::Error(Errno::EINTR),
        Response::Error(Errno::EINTR),
    ];
    for kind in CONNECTIONS {
        for time in [PATIENCE, Duration::MAX] {
            let (one, other) = ok!(socket::socket_pair(kind));
            same!(socket::send(&one, b"last", &[]), Ok(4));
            ok!(parties::end_writing(&one));
            children::apart(|| {
                let supervisor = Supervisor::of(Which::All(sc::nr::RECVMSG), &responses)?;
                same!(ok!(bytes_within(&other, time)), 4);
                same!(supervisor.calls(), 4);
                refused!(bytes_within(&other, time), ReceiveError::Closed);
                Ok(())
            })?;
        }
    }
    // Signals without an end do not make it longer.
    let (_one, other) = ok!(socket::socket_pair(SocketType::Stream));
    children::apart(|| {
        ok!(raw::refuse(Which::All(sc::nr::RECVMSG), Errno::EINTR));
        let before = raw::now();
        refused!(bytes_within(&other, SOON), ReceiveError::TimedOut);
        lasted(SOON, before)?;
        refused!(bytes_within(&other, Duration::ZERO), ReceiveError::TimedOut);
        Ok(())
    })
}

fn a_reset_connection_ends_the_time(_: &World) -> Verdict {
    for kind in CONNECTIONS {
        let (one, other) = ok!(socket::socket_pair(kind));
        same!(socket::send(&one, b"never read", &[]), Ok(10));
        drop(other);
        refused!(
            SealedMemFd::receive_timeout(&one, 1, Duration::MAX),
            ReceiveError::Kernel(Errno::ECONNRESET)
        );
        fails_at_once(&one, |error| matches!(error, ReceiveError::Closed))?;
    }
    Ok(())
}

/// The kernel says of such a socket that it is readable, and then that nothing is there. A time in
/// which this process turned around would end, if not for ever, only after a year.
fn a_datagram_socket_that_is_shut_ends_the_time(_: &World) -> Verdict {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    let (one, other) = ok!(socket::socket_pair(SocketType::Datagram));
    same!(socket::send(&one, b"before", &[]), Ok(6));
    ok!(parties::end_reading(&other));
    same!(ok!(bytes_within(&other, YEAR)), 6);
    refused!(bytes_within(&other, YEAR), ReceiveError::Closed);
    refused!(
        SealedMemFd::receive_timeout(&other, 7, YEAR),
        ReceiveError::Closed
    );
    // A socket that waits as long as it takes says the same.
    refused!(SealedMemFd::receive(&other, 7), ReceiveError::Closed);

    let (_one, other) = ok!(socket::socket_pair(SocketType::Datagram));
    let child = ok!(Child::start(Table::Copied, || {
        kernel::sleep(SOON);
        ok!(parties::end_reading(&other));
        Ok(())
    }));
    refused!(bytes_within(&other, YEAR), ReceiveError::Closed);
    child.finish(PATIENCE)
}

fn datagrams_without_a_sender_end_with_the_time(_: &World) -> Verdict {
    let (one, other) = ok!(socket::socket_pair(SocketType::Datagram));
    drop(one);
    takes_its_time(&other, SOON)?;
    takes_its_time(&ok!(socket::datagram_socket()), SOON)
}

// What is refused.

fn what_is_no_socket_is_refused_at_once(_: &World) -> Verdict {
    let is_expected = |error: &ReceiveError| matches!(error, ReceiveError::Kernel(Errno::ENOTSOCK));
    fails_at_once(&ok!(sealed(b"content")), is_expected)?;
    // Polls say that one of these can be read, and the other one never.
    let (full, to_full) = ok!(kernel::pipe());
    ok!(kernel::write(&to_full, b"readable"));
    fails_at_once(&full, is_expected)?;
    let (empty, _to_empty) = ok!(kernel::pipe());
    fails_at_once(&empty, is_expected)
}

fn a_socket_without_a_connection_is_refused_at_once(_: &World) -> Verdict {
    for (kind, reason) in [
        (net::SocketType::STREAM, Errno::EINVAL),
        (net::SocketType::SEQPACKET, Errno::ENOTCONN),
    ] {
        for socket in [parties::unconnected(kind), parties::listening(kind)] {
            fails_at_once(
                &ok!(socket),
                |error| matches!(error, ReceiveError::Kernel(errno) if *errno == reason),
            )?;
        }
    }
    Ok(())
}

fn an_internet_socket_has_its_time_too(_: &World) -> Verdict {
    for kind in [net::SocketType::STREAM, net::SocketType::DGRAM] {
        let Ok((one, other)) = parties::internet_pair(kind) else {
            return Err(crate::Stop::Skipped(parties::NO_LOOPBACK));
        };
        takes_its_time(&other, SOON)?;
        same!(socket::send(&one, b"bytes", &[]), Ok(5));
        same!(ok!(bytes_within(&other, PATIENCE)), 5);
        same!(socket::send(&one, b"x", &[]), Ok(1));
        refused!(
            SealedMemFd::receive_timeout(&other, 7, PATIENCE),
            ReceiveError::NoDescriptor
        );
    }
    Ok(())
}

/// The documentation warns of it: whoever sends a socket says how long closing it takes.
fn closing_what_came_can_take_longer_than_the_time(_: &World) -> Verdict {
    const LINGERS: Duration = Duration::from_secs(1);

    let Ok((sent, _peer)) = parties::internet_pair(net::SocketType::STREAM) else {
        return Err(crate::Stop::Skipped(parties::NO_LOOPBACK));
    };
    ok!(parties::linger(&sent, LINGERS));
    // Its peer reads nothing, so that the end stays behind what was sent before.
    do_not_wait(&sent)?;
    while socket::send(&sent, &[0; 4096], &[]).is_ok() {}
    let (one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    same!(socket::send(&one, b"x", &[sent.as_fd()]), Ok(1));
    drop(sent);
    let before = raw::now();
    refused!(bytes_within(&other, SOON), ReceiveError::TooManyDescriptors);
    lasted(LINGERS, before)
}

fn what_is_no_file_is_refused_in_time(_: &World) -> Verdict {
    let (read, _write) = ok!(kernel::pipe());
    let unsealed = ok!(kernel::holding(b"content"));
    for kind in KINDS {
        let (one, other) = ok!(socket::socket_pair(kind));
        let before = kernel::open_descriptors();
        same!(socket::send(&one, b"x", &[]), Ok(1));
        refused!(
            SealedMemFd::receive_timeout(&other, 7, PATIENCE),
            ReceiveError::NoDescriptor
        );
        same!(socket::send(&one, b"x", &[]), Ok(1));
        refused!(
            OwnedMemFd::receive_timeout(&other, PATIENCE),
            ReceiveError::NoDescriptor
        );
        for file in [unsealed.as_fd(), read.as_fd()] {
            same!(socket::send(&one, b"x", &[file]), Ok(1));
            match SealedMemFd::receive_timeout(&other, 7, PATIENCE) {
                Err(ReceiveError::Verify(error)) => {
                    same!(kernel::identity(error.get_ref()), kernel::identity(&file));
                }
                result => fail!("{result:?}"),
            }
        }
        same!(socket::send(&one, b"x", &[read.as_fd()]), Ok(1));
        refused!(
            OwnedMemFd::receive_timeout(&other, PATIENCE),
            ReceiveError::Verify(_)
        );
        same!(kernel::open_descriptors(), before);
    }
    Ok(())
}

fn a_clock_or_a_poll_that_fails_is_the_error(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let (_one, other) = ok!(socket::socket_pair(SocketType::SeqPacket));
    for call in [sc::nr::CLOCK_GETTIME, sc::nr::PPOLL] {
        children::apart(|| {
            ok!(raw::refuse(Which::All(call), Errno::EPERM));
            refused!(
                bytes_within(&other, PATIENCE),
                ReceiveError::Kernel(Errno::EPERM)
            );
            // Without waiting, neither is asked.
            refused!(bytes_within(&other, Duration::ZERO), ReceiveError::TimedOut);
            Ok(())
        })?;
    }
    Ok(())
}

fn the_end_of_the_time_says_what_it_is(_: &World) -> Verdict {
    let error = ReceiveError::TimedOut;
    same!(Text::of(&error).as_str(), "nothing came in time");
    holds!(error.source().is_none());
    same!(Errno::from(error), Errno::ETIMEDOUT);
    Ok(())
}
