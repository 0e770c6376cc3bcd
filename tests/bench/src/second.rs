//! The second process: this program again, on the other core, with a socket as its input.

use crate::{
    content::{PIECE, sum},
    machine,
    measure::Failure,
    ours, peers,
    ring::{Memory, REPLY, Ring, Waiting},
};
use ipc_channel::ipc::{self, IpcReceiver, IpcSender, IpcSharedMemory};
use owned_memfd::{
    OwnedMemFd, SealedMemFd,
    fd::{AsFd, BorrowedFd, OwnedFd},
    socket::{self, ReceivedFds},
};
use shmem_ipc::sharedring;
use std::{
    env,
    fs::File,
    hint::black_box,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    process::{self, Command, Stdio},
};

/// What the second process does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    ReceiveOurs,
    ReceivePeers,
    IpcChannel,
    RingOurs,
    RingPeers,
    MessagesOurs,
    MessagesShmemIpc,
}

impl Role {
    const ALL: [Self; 7] = [
        Self::ReceiveOurs,
        Self::ReceivePeers,
        Self::IpcChannel,
        Self::RingOurs,
        Self::RingPeers,
        Self::MessagesOurs,
        Self::MessagesShmemIpc,
    ];
}

/// Memory in one direction, sums in the other.
pub(crate) type IpcEnds = (IpcSender<IpcSharedMemory>, IpcReceiver<u64>);

pub(crate) struct Second {
    process: process::Child,
    pub(crate) socket: UnixStream,
}

impl Second {
    pub(crate) fn start(role: Role, size: usize, name: &str) -> Result<Self, Failure> {
        let (socket, there) = UnixStream::pair()?;
        let core = machine::cores()?.get(1).ok_or("this needs two cores")?;
        let process = Command::new(env::current_exe()?)
            .args(["--second", &format!("{role:?}"), name])
            .args([size.to_string(), core.to_string()])
            .stdin(Stdio::from(OwnedFd::from(there)))
            .spawn()?;
        Ok(Self { process, socket })
    }

    /// Hands over what the second process needs.
    pub(crate) fn give<const N: usize>(&self, fds: &[BorrowedFd<'_>; N]) -> Result<(), Failure> {
        socket::send(&self.socket, b"\0", fds)?;
        Ok(())
    }

    pub(crate) fn tell(&self, number: u64) -> Result<(), Failure> {
        Ok((&self.socket).write_all(&number.to_ne_bytes())?)
    }

    pub(crate) fn reply(&self) -> Result<u64, Failure> {
        let mut bytes = [0; 8];
        (&self.socket).read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl Drop for Second {
    /// It ends when the socket does. If it waits elsewhere, nobody else would wake it.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn take<const N: usize>(socket: &UnixStream) -> Result<[OwnedFd; N], Failure> {
    let mut fds = ReceivedFds::<N>::new();
    socket::receive(socket, &mut [0], &mut fds)?;
    let fds: Vec<OwnedFd> = fds.collect();
    fds.try_into()
        .map_err(|_| "fewer descriptors came than expected".into())
}

/// Runs as the second process, until the first one closes the socket.
pub(crate) fn run(role: &str, name: &str, size: &str, core: &str) -> Result<(), Failure> {
    machine::pin(core.parse()?)?;
    let size = size.parse()?;
    let role = Role::ALL
        .into_iter()
        .find(|known| format!("{known:?}") == role)
        .ok_or("no such role")?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    match role {
        Role::ReceiveOurs => loop {
            let sealed = match SealedMemFd::receive(&socket, size) {
                Ok(sealed) => sealed,
                Err(socket::ReceiveError::Closed) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let sum = sum(&sealed.map()?);
            (&socket).write_all(&sum.to_ne_bytes())?;
        },
        Role::ReceivePeers => {
            while let Some(fd) = peers::receive(&socket)? {
                let len = peers::proven_len(&fd)?;
                let sum = sum(&peers::map(&fd, len)?);
                (&socket).write_all(&sum.to_ne_bytes())?;
            }
            Ok(())
        }
        Role::IpcChannel => {
            let (memory, received) = ipc::channel::<IpcSharedMemory>()?;
            let (reply, replies) = ipc::channel()?;
            IpcSender::<IpcEnds>::connect(name.into())?.send((memory, replies))?;
            while let Ok(memory) = received.recv() {
                reply.send(sum(&memory))?;
            }
            Ok(())
        }
        Role::RingOurs => {
            let [fd] = take(&socket)?;
            let map = ours::map_shared(&OwnedMemFd::try_from(fd)?)?;
            consume(&socket, ours::Shared::new(&map)?, size)
        }
        Role::RingPeers => {
            let [fd] = take(&socket)?;
            consume(&socket, peers::Raw::map(&fd)?, size)
        }
        Role::MessagesOurs => {
            let [fd] = take(&socket)?;
            let map = ours::map_shared(&OwnedMemFd::try_from(fd)?)?;
            let mut ring = Ring::new(ours::Shared::new(&map)?, size, Waiting::Asleep);
            // It reads a piece while that is in a cache.
            let mut buffer = vec![0; size.min(PIECE)];
            loop {
                let mut all = 0_u64;
                ring.pull(&mut buffer, |piece| all = all.wrapping_add(sum(piece)))?;
                ring.memory.copy_in(&all.to_ne_bytes(), REPLY)?;
                ring.release()?;
            }
        }
        Role::MessagesShmemIpc => {
            let [memory, empty, full, back, back_empty, back_full] = take(&socket)?.map(File::from);
            let mut messages = sharedring::Receiver::open(words(size), memory, empty, full)?;
            let mut replies = sharedring::Sender::open(REPLIES, back, back_empty, back_full)?;
            loop {
                let sum = peers::receive_words(&mut messages, size / 8)?;
                peers::send_words(&mut replies, &[sum])?;
            }
        }
    }
}

/// How many words a ring of `shmem-ipc` has for messages of this size: as many as ours.
pub(crate) fn words(size: usize) -> usize {
    crate::ring::capacity(size) / 8
}

/// How many words the ring for replies has.
pub(crate) const REPLIES: usize = 64;

/// Consumes as many records as it is asked for, each time, and replies with how many bytes they
/// had.
fn consume(mut socket: &UnixStream, memory: impl Memory, size: usize) -> Result<(), Failure> {
    let mut ring = Ring::new(memory, size, Waiting::Looking);
    let mut buffer = vec![0; size];
    while let Some(count) = peers::read_u64(socket)? {
        let mut all = 0_u64;
        // Nothing is measured before it is awake.
        socket.write_all(&all.to_ne_bytes())?;
        for _ in 0..count {
            ring.pull(&mut buffer, |piece| {
                all = all.wrapping_add(black_box(piece).len() as u64);
            })?;
            ring.release()?;
        }
        socket.write_all(&all.to_ne_bytes())?;
    }
    Ok(())
}
