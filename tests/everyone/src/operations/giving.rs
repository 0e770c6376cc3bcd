//! Operations that send files, to everyone and to the attackers.

use super::{content, hold, making, one, why};
use crate::{
    Outcome,
    post::{ADDRESS, STREAM},
    work::Thread,
};
use owned_memfd::{
    Errno, SealedMemFd,
    socket::{self, SocketType},
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::{
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd},
};

pub(super) fn send(thread: &mut Thread) -> Outcome<bool> {
    send_on(thread, STREAM)
}

pub(super) fn send_to(thread: &mut Thread) -> Outcome<bool> {
    send_on(thread, ADDRESS)
}

/// Sends a file so often that it must sometimes wait for a receiver, if it is a small one.
fn send_on(thread: &mut Thread, route: usize) -> Outcome<bool> {
    const SMALL: usize = 4096;

    let Some(one) = one(thread) else {
        return Ok(false);
    };
    let (world, file) = (thread.world, &thread.held[one].file);
    let most = if file.len() > SMALL { 1 } else { 40 };
    for _ in 0..thread.rng.usize(1..=most) {
        if !world.post.send(&world.board, route, file)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn send_several(thread: &mut Thread) -> Outcome<bool> {
    let count = thread.held.len().min(thread.rng.usize(1..=3));
    if count == 0 {
        return Ok(false);
    }
    let files: Vec<_> = thread.held[..count].iter().map(|held| &held.file).collect();
    let world = thread.world;
    world.post.send_several(&world.board, &files)
}

/// Sends a file to itself, over a socket of its own.
pub(super) fn there_and_back(thread: &mut Thread) -> Outcome<bool> {
    let Some(one) = one(thread) else {
        return Ok(false);
    };
    let kinds = [
        SocketType::Stream,
        SocketType::SeqPacket,
        SocketType::Datagram,
    ];
    let kind = kinds[thread.rng.usize(..kinds.len())];
    let (here, there) = socket::socket_pair(kind).map_err(why)?;
    let held = &thread.held[one];
    match held.file.send(&here) {
        Err(Errno::ETOOMANYREFS) => return Ok(false),
        result => result.map_err(why)?,
    }
    let file = SealedMemFd::receive(&there, held.expected.len()).map_err(why)?;
    file.require_len(held.expected.len()).map_err(why)?;
    let expected = held.expected.clone();
    hold(thread, file, &expected)
}

/// Gives attackers a descriptor, so that they share the open file: a sealed one, or one that they
/// can change.
pub(super) fn lend(thread: &mut Thread) -> Outcome<bool> {
    if thread.rng.bool() {
        let content = content(thread);
        let draft = making::draft(thread, &content)?;
        return Ok(draft.is_some_and(|draft| lend_to_attackers(thread, draft.as_fd())));
    }
    match one(thread) {
        Some(one) => Ok(lend_to_attackers(thread, thread.held[one].file.as_fd())),
        None => Ok(false),
    }
}

pub(super) fn lend_to_attackers(thread: &Thread, file: BorrowedFd<'_>) -> bool {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file];
    let socket = &thread.world.post.lent.0;
    control.push(SendAncillaryMessage::ScmRights(&files))
        && rustix::net::sendmsg(
            socket,
            &[IoSlice::new(b"x")],
            &mut control,
            SendFlags::empty(),
        )
        .is_ok()
}
