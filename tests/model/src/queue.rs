//! The model of what is on its way from a socket to its peer.

use crate::{
    file::Open,
    rules::{Rules, Wrong},
};
use owned_memfd::{Errno, socket::SocketType};
use std::collections::VecDeque;

/// What is sent at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) files: Vec<Open>,
}

/// One direction of a pair of sockets.
#[derive(Debug)]
pub(crate) struct Queue {
    kind: Kind,
    messages: VecDeque<Message>,
    sender_is_closed: bool,
    receiver_is_closed: bool,
    /// What the next send returns, if it is not what all further ones do.
    error: Option<Errno>,
}

/// The types of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    SeqPacket,
    Datagram,
    Stream,
}

impl From<Kind> for SocketType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::SeqPacket => Self::SeqPacket,
            Kind::Datagram => Self::Datagram,
            Kind::Stream => Self::Stream,
        }
    }
}

impl Queue {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            messages: VecDeque::new(),
            sender_is_closed: false,
            receiver_is_closed: false,
            error: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn close_sender(&mut self) {
        self.sender_is_closed = true;
    }

    /// Closes the receiver, with all that is on its way to it.
    pub(crate) fn close_receiver(&mut self) {
        self.receiver_is_closed = true;
        self.error = match self.kind {
            Kind::Datagram => Some(Errno::ECONNREFUSED),
            Kind::SeqPacket if !self.messages.is_empty() => Some(Errno::ECONNRESET),
            Kind::SeqPacket | Kind::Stream => None,
        };
        self.messages.clear();
    }

    pub(crate) fn send(&mut self, bytes: Vec<u8>, files: Vec<Open>) -> Result<usize, Errno> {
        if self.receiver_is_closed {
            return Err(self.error.take().unwrap_or(match self.kind {
                Kind::Datagram => Errno::ENOTCONN,
                Kind::SeqPacket | Kind::Stream => Errno::EPIPE,
            }));
        }
        let len = bytes.len();
        self.messages.push_back(Message { bytes, files });
        Ok(len)
    }

    /// What receiving up to so many bytes and files takes, or the name of the error.
    pub(crate) fn receive(
        &mut self,
        rules: &Rules,
        room: usize,
        most: usize,
    ) -> Result<Message, &'static str> {
        let Some(mut message) = self.messages.pop_front() else {
            return Err(match self.kind {
                Kind::SeqPacket | Kind::Stream if self.sender_is_closed => "Closed",
                _ => "TimedOut",
            });
        };
        if self.kind == Kind::Stream && !rules.is(Wrong::KeepsApart) {
            self.glue(&mut message, room);
        }
        if rules.is(Wrong::LosesMessages) {
            self.messages.pop_front();
        }
        if message.files.len() > most {
            return Err("TooManyDescriptors");
        }
        if message.bytes.len() > room {
            return Err("DataTruncated");
        }
        Ok(message)
    }

    /// Takes what a stream gives with a first message: the bytes of those after it too, as long as
    /// there is room, up to and with one that has files. What is left stays without them.
    fn glue(&mut self, message: &mut Message, room: usize) {
        while message.bytes.len() < room && message.files.is_empty() {
            let Some(next) = self.messages.pop_front() else {
                return;
            };
            message.bytes.extend(next.bytes);
            message.files = next.files;
        }
        if message.bytes.len() > room {
            let bytes = message.bytes.split_off(room);
            let files = Vec::new();
            self.messages.push_front(Message { bytes, files });
        }
    }
}
