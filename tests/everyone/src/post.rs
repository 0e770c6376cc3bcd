//! Sockets that all processes share, and the accounts of what was sent and received.

use crate::{
    Outcome,
    board::{Board, Number},
    pattern,
};
use owned_memfd::{
    Errno, SealedMemFd,
    socket::{self, ReceiveError, ReceivedFds, SocketAddr, SocketType},
};
use rustix::net::{self, AddressFamily, SocketAddrUnix, sockopt};
use std::{
    error::Error,
    os::fd::{AsFd, OwnedFd},
    process,
    time::Duration,
};

/// The ways from one process to another.
pub(crate) const ROUTES: usize = 3;
pub(crate) const STREAM: usize = 0;
pub(crate) const PACKETS: usize = 1;
pub(crate) const ADDRESS: usize = 2;

/// The longest file that is sent.
pub(crate) const LONGEST: usize = 4 << 20;
/// A message of `PACKETS` has up to so many files.
const MOST: usize = 3;

pub(crate) struct Post {
    /// Where to send, and where to receive, for each route.
    from: [OwnedFd; ROUTES],
    to: [OwnedFd; ROUTES],
    name: String,
    /// For the attackers. Nobody counts what they get.
    pub(crate) lent: (OwnedFd, OwnedFd),
}

impl Post {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let stream = socket::socket_pair(SocketType::Stream)?;
        let packets = socket::socket_pair(SocketType::SeqPacket)?;
        let named = socket::datagram_socket()?;
        let name = format!("everyone-{}", process::id());
        net::bind(&named, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
        let (lent, taken) = net::socketpair(
            AddressFamily::UNIX,
            net::SocketType::DGRAM,
            net::SocketFlags::NONBLOCK | net::SocketFlags::CLOEXEC,
            None,
        )?;
        let post = Self {
            from: [stream.0, packets.0, socket::datagram_socket()?],
            to: [stream.1, packets.1, named],
            name,
            lent: (lent, taken),
        };
        // So that senders often have to wait.
        for socket in &post.from {
            sockopt::set_socket_send_buffer_size(socket, 16 << 10)?;
        }
        Ok(post)
    }

    /// Sends a file alone. Returns whether it was sent.
    pub(crate) fn send(&self, board: &Board, route: usize, file: &SealedMemFd) -> Outcome<bool> {
        let digest = digest(file)?;
        let result = if route == ADDRESS {
            let to = SocketAddr::from_abstract_name(self.name.as_str());
            file.send_to(&self.from[route], to.map_err(|error| error.to_string())?)
        } else {
            file.send(&self.from[route])
        };
        Self::sent(board, route, digest, result)
    }

    /// Sends one to three files in a message that says what they hold.
    pub(crate) fn send_several(&self, board: &Board, files: &[&SealedMemFd]) -> Outcome<bool> {
        let (socket, mut sum) = (&self.from[PACKETS], 0_u64);
        for file in files {
            sum = sum.wrapping_add(digest(file)?);
        }
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&sum.to_le_bytes());
        bytes[8..].copy_from_slice(&(files.len() as u64).to_le_bytes());
        let result = match files {
            [one] => socket::send(socket, &bytes, &[one.as_fd()]),
            [one, two] => socket::send(socket, &bytes, &[one.as_fd(), two.as_fd()]),
            [one, two, three] => {
                socket::send(socket, &bytes, &[one.as_fd(), two.as_fd(), three.as_fd()])
            }
            _ => return Err("a message has one to three files".to_owned()),
        };
        if let Err(Errno::EINTR) = result {
            board.add(Number::Interrupted, 1);
            return Ok(false);
        }
        if let Ok(count) = result {
            if count != bytes.len() {
                return Err(format!("{count} bytes of a message were sent"));
            }
        }
        Self::sent(board, PACKETS, sum, result.map(|_| ()))
    }

    fn sent(board: &Board, route: usize, digest: u64, result: Result<(), Errno>) -> Outcome<bool> {
        match result {
            Ok(()) => {
                board.add(Number::Sent(route), 1);
                board.add(Number::SentSum(route), digest);
                Ok(true)
            }
            // This user has too many descriptors in flight.
            Err(Errno::ETOOMANYREFS) => Ok(false),
            Err(errno) => Err(format!("sending on route {route}: {errno}")),
        }
    }

    /// Receives what comes within a moment.
    pub(crate) fn receive(
        &self,
        board: &Board,
        route: usize,
        patient: bool,
    ) -> Outcome<Vec<SealedMemFd>> {
        let files = if route == PACKETS {
            self.receive_several(board, patient)?
        } else {
            self.receive_one(route)?.into_iter().collect()
        };
        if !files.is_empty() {
            let mut sum = 0_u64;
            for file in &files {
                sum = sum.wrapping_add(digest(file)?);
            }
            board.add(Number::Received(route), 1);
            board.add(Number::ReceivedSum(route), sum);
        }
        Ok(files)
    }

    fn receive_one(&self, route: usize) -> Outcome<Option<SealedMemFd>> {
        match SealedMemFd::receive_timeout(&self.to[route], LONGEST, MOMENT) {
            Ok(file) => Ok(Some(file)),
            Err(ReceiveError::TimedOut) => Ok(None),
            Err(error) => Err(format!("receiving on route {route}: {error}")),
        }
    }

    /// `patient` waits in the call itself, which a signal interrupts.
    fn receive_several(&self, board: &Board, patient: bool) -> Outcome<Vec<SealedMemFd>> {
        let (socket, mut bytes) = (&self.to[PACKETS], [0; 32]);
        let mut descriptors = ReceivedFds::<MOST>::new();
        let result = if patient {
            socket::receive(socket, &mut bytes, &mut descriptors)
        } else {
            socket::receive_timeout(socket, &mut bytes, &mut descriptors, MOMENT)
        };
        let count = match result {
            Ok(count) => count,
            Err(ReceiveError::TimedOut) if !patient => return Ok(Vec::new()),
            Err(ReceiveError::Kernel(Errno::EINTR)) if patient => {
                board.add(Number::Interrupted, 1);
                return Ok(Vec::new());
            }
            Err(error) => return Err(format!("receiving several files: {error}")),
        };
        let mut files = Vec::new();
        let mut found = [0_u64; 2];
        for fd in descriptors {
            let file = SealedMemFd::verify(fd, LONGEST).map_err(|error| error.to_string())?;
            found[0] = found[0].wrapping_add(digest(&file)?);
            found[1] += 1;
            files.push(file);
        }
        let found = found.map(u64::to_le_bytes).concat();
        if bytes[..count] != found {
            let said = &bytes[..count];
            return Err(format!(
                "a message says {said:x?}, and its files {found:x?}"
            ));
        }
        Ok(files)
    }
}

/// How long a receiver waits.
const MOMENT: Duration = Duration::from_millis(5);

fn digest(file: &SealedMemFd) -> Outcome<u64> {
    let map = file.map().map_err(|errno| format!("mapping: {errno}"))?;
    Ok(pattern::digest(&map))
}
