//! Two hundred senders and two hundred receivers in one process: every message arrives once, in
//! order and complete, and no descriptor stays open. Where a process may have few descriptors
//! (`ulimit -n`), there are fewer.
//!
//! This is the only test of its program, since it counts the open descriptors.

use owned_memfd::{
    SealedMemFd,
    fd::{AsFd, OwnedFd},
    socket::{self, ReceiveError, ReceivedFds, SocketType},
};
use rustix::process::{Resource, getrlimit};
use std::{
    env,
    error::Error,
    fs,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const MOST: usize = 200;

/// How many pairs there are. Each has two sockets, a file that is sent, and two that are received.
fn pairs() -> usize {
    // What the process has besides.
    const OTHERS: u64 = 20;

    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < OTHERS + 5 * MOST as u64 => {
            usize::try_from(limit.saturating_sub(OTHERS) / 5).map_or(MOST, |pairs| pairs.max(1))
        }
        _ => MOST,
    }
}

/// How long the test runs, in seconds. `ci/test.sh --full` asks for more.
fn time() -> Result<Duration, Box<dyn Error + Send + Sync>> {
    let seconds = env::var("OWNED_MEMFD_CROWD").map_or(Ok(1), |seconds| seconds.parse())?;
    Ok(Duration::from_secs(seconds))
}

#[test]
fn two_hundred_senders_and_receivers_lose_and_leak_nothing() -> Outcome {
    let pairs = pairs();
    let before = open_descriptors()?;
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = Instant::now() + time()?;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for pair in 0..pairs {
            let kind = [SocketType::Stream, SocketType::SeqPacket][pair % 2];
            let (here, there) = socket::socket_pair(kind)?;
            let (sent, received) = (&sent, &received);
            threads.push(scope.spawn(move || send(&here, pair, end, sent)));
            threads.push(scope.spawn(move || receive(&there, pair, received)));
        }
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Outcome::Ok(())
    })?;
    assert_eq!(sent.load(Relaxed), received.load(Relaxed));
    assert!(sent.load(Relaxed) >= 2 * pairs as u64);
    assert_eq!(open_descriptors()?, before);
    Ok(())
}

/// Messages alternate between a file alone, and bytes with the same file twice. The sender waits
/// for a reply, so the number of descriptors in flight stays below the limit.
fn send(socket: &OwnedFd, pair: usize, end: Instant, sent: &AtomicU64) -> Outcome {
    let mut result = [0; 8];
    for message in 0_u64.. {
        // One of each kind is sent, however slow this machine is.
        if message >= 2 && Instant::now() > end {
            break;
        }
        let file = SealedMemFd::copy_from_slice(c"message", &content(pair, message))?;
        if message % 2 == 0 {
            file.send(socket)?;
        } else {
            let bytes = message.to_le_bytes();
            let count = socket::send(socket, &bytes, &[file.as_fd(), file.as_fd()])?;
            assert_eq!(count, bytes.len());
        }
        sent.fetch_add(1, Relaxed);
        drop(file);
        let count = socket::receive(socket, &mut result, &mut ReceivedFds::<0>::new())?;
        assert_eq!(result[..count], message.to_le_bytes());
    }
    Ok(())
}

fn receive(socket: &OwnedFd, pair: usize, received: &AtomicU64) -> Outcome {
    for message in 0_u64.. {
        let expected = content(pair, message);
        if message % 2 == 0 {
            match SealedMemFd::receive(socket, expected.len()) {
                Ok(file) => assert_eq!(&file.map()?[..], expected),
                Err(ReceiveError::Closed) => break,
                Err(error) => return Err(error.to_string().into()),
            }
        } else {
            let (mut bytes, mut descriptors) = ([0; 16], ReceivedFds::<2>::new());
            match socket::receive(socket, &mut bytes, &mut descriptors) {
                Ok(count) => assert_eq!(bytes[..count], message.to_le_bytes()),
                Err(ReceiveError::Closed) => break,
                Err(error) => return Err(error.to_string().into()),
            }
            assert_eq!(descriptors.len(), 2);
            // This takes one of the descriptors; the other is closed when dropped.
            let file = descriptors.next().ok_or("no file")?;
            let file = SealedMemFd::verify(file, expected.len()).map_err(|no| no.to_string())?;
            assert_eq!(&file.map()?[..], expected);
        }
        received.fetch_add(1, Relaxed);
        socket::send(socket, &message.to_le_bytes(), &[])?;
    }
    Ok(())
}

/// The content of a message, which no other message has: from a few bytes up to more than a page.
fn content(pair: usize, message: u64) -> Vec<u8> {
    let mut content = format!("message {message} of {pair}\n").into_bytes();
    let more = message.wrapping_mul(97) % 9000;
    content.extend((0..more).map(|_| b'.'));
    content
}

fn open_descriptors() -> Result<usize, std::io::Error> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}
