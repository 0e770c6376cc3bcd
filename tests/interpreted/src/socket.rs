//! Unix sockets, and what is on its way between two of them.

use crate::{
    kernel::{Kernel, Open, Outcome},
    machine::Forged,
};
use linux_raw_sys::{general::iovec, net};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    mem::offset_of,
    rc::{Rc, Weak},
    slice,
};

pub struct Socket {
    /// `SOCK_STREAM` and the like.
    pub kind: u32,
    pub inbox: RefCell<VecDeque<Message>>,
    pub peer: RefCell<Weak<Socket>>,
    /// Whether it has, or had, a peer: only then it can end.
    pub is_connected: Cell<bool>,
}

pub enum Message {
    Sent {
        bytes: Vec<u8>,
        descriptors: Vec<Rc<Open>>,
    },
    Forged(Forged),
}

const HEADER: usize = size_of::<net::cmsghdr>();

impl Socket {
    pub fn new(kind: u32) -> Rc<Self> {
        Rc::new(Self {
            kind,
            inbox: RefCell::default(),
            peer: RefCell::default(),
            is_connected: Cell::new(false),
        })
    }

    pub fn pair(kind: u32) -> [Rc<Self>; 2] {
        let pair = [Self::new(kind), Self::new(kind)];
        for (one, other) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            *one.peer.borrow_mut() = Rc::downgrade(other);
            one.is_connected.set(true);
        }
        pair
    }

    /// Whether nothing more can come.
    pub fn has_ended(&self) -> bool {
        self.is_connected.get()
            && self.kind != net::SOCK_DGRAM
            && self.peer.borrow().strong_count() == 0
    }

    pub fn is_readable(&self) -> bool {
        !self.inbox.borrow().is_empty() || self.has_ended()
    }
}

/// The bytes at an address that the library gave, all of which it has written.
///
/// # Safety
/// It has.
pub unsafe fn bytes(start: *const u8, len: usize) -> Vec<u8> {
    if len == 0 {
        return Vec::new();
    }
    // SAFETY: as the caller says.
    unsafe { slice::from_raw_parts(start, len) }.to_vec()
}

/// The parts of a message.
unsafe fn parts(message: &net::msghdr) -> Vec<iovec> {
    // SAFETY: the library says how many there are.
    unsafe { slice::from_raw_parts(message.msg_iov.cast::<iovec>(), message.msg_iovlen) }.to_vec()
}

impl Kernel {
    /// The descriptors in the control data of a message that is sent.
    ///
    /// # Safety
    /// The library has written it.
    unsafe fn rights(&self, message: &net::msghdr) -> Result<Vec<Rc<Open>>, i32> {
        // SAFETY: as the caller says.
        let control = unsafe { bytes(message.msg_control.cast(), message.msg_controllen) };
        if control.is_empty() {
            return Ok(Vec::new());
        }
        let word = |at: usize| u32::from_ne_bytes(control[at..at + 4].try_into().unwrap());
        let len = word(offset_of!(net::cmsghdr, cmsg_len)) as usize;
        let kind = [
            word(offset_of!(net::cmsghdr, cmsg_level)),
            word(offset_of!(net::cmsghdr, cmsg_type)),
        ];
        // The library sends one control message, and nothing after it.
        if len != control.len() || kind != [net::SOL_SOCKET, net::SCM_RIGHTS] {
            return Err(libc::EINVAL);
        }
        let numbers = control[HEADER..].chunks_exact(4);
        if numbers.len() > 253 {
            return Err(libc::EINVAL);
        }
        let numbers = numbers.map(|number| u32::from_ne_bytes(number.try_into().unwrap()));
        numbers.map(|number| self.get(number)).collect()
    }

    /// # Safety
    /// The library has filled in the message.
    pub unsafe fn send(&mut self, number: u32, message: *const net::msghdr) -> Outcome {
        // SAFETY: as the caller says.
        let message = unsafe { &*message };
        let open = self.get(number)?;
        let socket = open.socket()?;
        let to = if message.msg_name.is_null() {
            let peer = socket.peer.borrow();
            peer.upgrade().ok_or(if socket.is_connected.get() {
                libc::EPIPE
            } else {
                libc::ENOTCONN
            })?
        } else {
            // SAFETY: as the caller says.
            let name = unsafe { bytes(message.msg_name.cast(), message.msg_namelen as usize) };
            let named = self.names.get(&name[2..]).and_then(Weak::upgrade);
            named.ok_or(libc::ECONNREFUSED)?
        };
        // SAFETY: as the caller says.
        let descriptors = unsafe { self.rights(message) }?;
        let mut sent = Vec::new();
        // SAFETY: as the caller says.
        for part in unsafe { parts(message) } {
            // SAFETY: as the caller says.
            sent.extend(unsafe { bytes(part.iov_base.cast(), part.iov_len as usize) });
        }
        let len = sent.len();
        if len > 0 || !descriptors.is_empty() || socket.kind != net::SOCK_STREAM {
            let bytes = sent;
            to.inbox
                .borrow_mut()
                .push_back(Message::Sent { bytes, descriptors });
        }
        Ok(len)
    }

    /// Receives what is there. `None` if there is nothing yet.
    ///
    /// # Safety
    /// The library has filled in the message, and has the room that it names.
    pub unsafe fn receive(
        &mut self,
        number: u32,
        message: *mut net::msghdr,
        flags: u32,
    ) -> Option<Outcome> {
        let open = match self.get(number) {
            Ok(open) => open,
            Err(errno) => return Some(Err(errno)),
        };
        let socket = match open.socket() {
            Ok(socket) => socket,
            Err(errno) => return Some(Err(errno)),
        };
        if socket.kind != net::SOCK_DGRAM && !socket.is_connected.get() {
            return Some(Err(libc::EINVAL));
        }
        let found = socket.inbox.borrow_mut().pop_front();
        // SAFETY: as the caller says.
        let mut header = unsafe { message.read() };
        let control = header.msg_control.cast::<u8>();
        let room = header.msg_controllen;
        (header.msg_controllen, header.msg_flags) = (0, 0);
        let len = match found {
            None if socket.has_ended() => 0,
            None if flags & net::MSG_DONTWAIT != 0 => return Some(Err(libc::EAGAIN)),
            None => return None,
            Some(Message::Forged(forged)) => {
                let count = forged.control.len().min(room);
                // SAFETY: the library has so much room there.
                unsafe { control.copy_from_nonoverlapping(forged.control.as_ptr(), count) };
                header.msg_controllen = forged.control_len.unwrap_or(count);
                header.msg_flags = forged.flags;
                // SAFETY: as the caller says.
                let len = unsafe { scatter(&header, &forged.bytes) };
                forged.returned.unwrap_or(len)
            }
            Some(Message::Sent { bytes, descriptors }) => {
                // SAFETY: the library has so much room there.
                unsafe { self.deliver(descriptors, control, room, &mut header) };
                // SAFETY: as the caller says.
                let len = unsafe { scatter(&header, &bytes) };
                if socket.kind != net::SOCK_STREAM && len < bytes.len() {
                    header.msg_flags |= net::MSG_TRUNC;
                } else if len < bytes.len() {
                    let (bytes, descriptors) = (bytes[len..].to_vec(), Vec::new());
                    let rest = Message::Sent { bytes, descriptors };
                    socket.inbox.borrow_mut().push_front(rest);
                }
                len
            }
        };
        // SAFETY: the caller has it for that.
        unsafe { self.write("recvmsg", message, header) };
        Some(Ok(len))
    }

    /// Makes descriptors of what comes with a message, and says so in its control data: as many as
    /// there is room and numbers for.
    ///
    /// # Safety
    /// There is so much room for control data.
    unsafe fn deliver(
        &mut self,
        descriptors: Vec<Rc<Open>>,
        control: *mut u8,
        room: usize,
        header: &mut net::msghdr,
    ) {
        if descriptors.is_empty() {
            return;
        }
        let most = room.saturating_sub(HEADER) / size_of::<i32>();
        let mut numbers = Vec::new();
        let wanted = descriptors.len();
        for open in descriptors.into_iter().take(most) {
            match self.add(open, true, 0) {
                Ok(number) => numbers.push(number as u32),
                Err(_) => break,
            }
        }
        if numbers.len() < wanted {
            header.msg_flags |= net::MSG_CTRUNC;
        }
        if numbers.is_empty() {
            return;
        }
        let written = Forged::message(net::SOL_SOCKET, net::SCM_RIGHTS, &numbers);
        // SAFETY: the caller has the room, and these numbers fit.
        unsafe { control.copy_from_nonoverlapping(written.as_ptr(), written.len()) };
        // The padding counts, and is not written.
        header.msg_controllen = written.len().next_multiple_of(8).min(room);
    }
}

/// Writes the bytes to the parts of a message, and returns how many there was room for.
///
/// # Safety
/// The library has this room.
unsafe fn scatter(header: &net::msghdr, mut bytes: &[u8]) -> usize {
    let mut len = 0;
    // SAFETY: as the caller says.
    for part in unsafe { parts(header) } {
        let (piece, rest) = bytes.split_at(bytes.len().min(part.iov_len as usize));
        // SAFETY: the part has the room.
        unsafe {
            part.iov_base
                .cast::<u8>()
                .copy_from_nonoverlapping(piece.as_ptr(), piece.len())
        };
        len += piece.len();
        bytes = rest;
    }
    len
}
