//! Forged senders: sequences of messages with any bytes, control data and files, over each type of
//! Unix socket, and a receiver that takes them in every way, with any room and limits.

use crate::{
    files::{Attack, Forged, Forgery, Identity, identity},
    judging::{Facts, Judge, Limit, is_refused, is_sealed, judge},
    process,
};
use arbitrary::Arbitrary;
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd,
    socket::{self, ReceiveError, ReceivedFds, SocketType},
};
use rustix::io::FdFlags;
use std::{
    collections::VecDeque,
    mem,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{
        Once,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Descriptors that forged senders have sent.
static FORGED: AtomicU64 = AtomicU64::new(0);

extern "C" fn report() {
    eprintln!("forged descriptors: {}", FORGED.load(Relaxed));
}

/// A sender and a receiver.
#[derive(Arbitrary, Debug)]
pub struct Case {
    kind: Kind,
    options: Options,
    files: Vec<Forgery>,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Kind {
    Stream,
    Datagram,
    SeqPacket,
}

/// What else the receiver's socket is set to bring.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the kernel's"
)]
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Options {
    credentials: bool,
    process: bool,
    security: bool,
    time: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// One file with one byte, and whoever takes that.
    Pass {
        file: u8,
        receive: Receive,
    },
    Send(Message),
    Receive(Receive),
    Attack {
        file: u8,
        attack: Attack,
    },
    HangUp,
}

#[derive(Arbitrary, Debug)]
struct Message {
    bytes: Vec<u8>,
    controls: Vec<Control>,
}

#[derive(Arbitrary, Debug)]
enum Control {
    /// These files, again and again.
    Rights {
        files: Vec<u8>,
        times: u8,
    },
    /// The descriptors of the connection itself.
    Ends,
    Credentials {
        own: bool,
        user: u32,
    },
    Raw {
        len: Option<u64>,
        level: i32,
        kind: i32,
        content: Vec<u8>,
    },
}

#[derive(Arbitrary, Debug)]
struct Receive {
    way: Way,
    /// Without it, the socket does not wait.
    timeout: Option<u8>,
    /// How many descriptors the process may have more.
    room: Option<u8>,
}

#[derive(Arbitrary, Debug)]
enum Way {
    Any {
        bytes: u8,
        slots: Slots,
        judges: Vec<Judge>,
    },
    Sealed(Limit),
    Owned,
}

#[derive(Arbitrary, Debug)]
enum Slots {
    None,
    One,
    Three,
    Most,
}

impl Message {
    fn with(file: u8) -> Self {
        let rights = Control::Rights {
            files: vec![file],
            times: 0,
        };
        Self {
            bytes: vec![0],
            controls: vec![rights],
        }
    }
}

/// The most that a case has of each.
const FILES: usize = 8;
const STEPS: usize = 24;
const CONTROLS: usize = 4;

/// What was sent and not yet received.
struct Sent {
    bytes: Vec<u8>,
    /// Which files, in their order; unknown if the control data may have had others.
    files: Option<Vec<Identity>>,
}

struct World {
    kind: Kind,
    files: Vec<Forged>,
    sender: Option<OwnedFd>,
    receiver: OwnedFd,
    pending: VecDeque<Sent>,
}

impl Case {
    pub fn run(self) {
        static START: Once = Once::new();
        START.call_once(|| {
            // SAFETY: the function has no arguments and stays as long as the program.
            let registered = unsafe { libc::atexit(report) };
            assert_eq!(registered, 0);
            // What is kept for the process is made now.
            let _ = owned_memfd::has_cve_2026_63952();
        });
        let before = process::open_descriptors();
        self.run_in_world();
        assert_eq!(process::open_descriptors(), before, "descriptors stay open");
    }

    fn run_in_world(self) {
        let mut world = World::new(self.kind, self.options, &self.files);
        for step in self.steps.into_iter().take(STEPS) {
            match step {
                Step::Pass { file, receive } => {
                    world.send(Message::with(file));
                    world.receive(receive);
                }
                Step::Send(message) => world.send(message),
                Step::Receive(receive) => world.receive(receive),
                Step::Attack { file, attack } => {
                    if let Some(file) = world.file(file) {
                        file.attack(attack);
                    }
                }
                Step::HangUp => world.sender = None,
            }
        }
    }
}

impl World {
    fn new(kind: Kind, options: Options, files: &[Forgery]) -> Self {
        let pair = socket::socket_pair(match kind {
            Kind::Stream => SocketType::Stream,
            Kind::Datagram => SocketType::Datagram,
            Kind::SeqPacket => SocketType::SeqPacket,
        });
        let (sender, receiver) = pair.expect("there are sockets");
        for (option, is_set) in [
            (libc::SO_PASSCRED, options.credentials),
            (libc::SO_PASSPIDFD, options.process),
            (libc::SO_PASSSEC, options.security),
            (libc::SO_TIMESTAMP, options.time),
        ] {
            if is_set {
                process::switch_on(receiver.as_fd(), option);
            }
        }
        rustix::io::ioctl_fionbio(&receiver, true).expect("a socket need not wait");
        Self {
            kind,
            files: files.iter().take(FILES).filter_map(Forged::new).collect(),
            sender: Some(sender),
            receiver,
            pending: VecDeque::new(),
        }
    }

    fn file(&self, index: u8) -> Option<&Forged> {
        self.files.get(usize::from(index) % self.files.len().max(1))
    }

    fn send(&mut self, message: Message) {
        let Some(sender) = &self.sender else { return };
        let (mut control, mut count) = (Vec::new(), 0);
        let mut files = Some(Vec::new());
        for part in message.controls.into_iter().take(CONTROLS) {
            match part {
                Control::Rights {
                    files: indices,
                    times,
                } => {
                    let numbers: Vec<_> = indices
                        .iter()
                        .filter_map(|index| self.file(*index))
                        .flat_map(|file| vec![file; usize::from(times % 64) + 1])
                        .collect();
                    count += numbers.len() as u64;
                    if let Some(files) = &mut files {
                        files.extend(numbers.iter().map(|file| file.identity));
                    }
                    let numbers = numbers.iter().map(|file| file.sent.as_raw_fd());
                    append_rights(&mut control, numbers);
                }
                Control::Ends => {
                    count += 2;
                    if let Some(files) = &mut files {
                        files.extend([identity(sender), identity(&self.receiver)]);
                    }
                    let numbers = [sender.as_raw_fd(), self.receiver.as_raw_fd()];
                    append_rights(&mut control, numbers);
                }
                Control::Credentials { own, user } => {
                    let user = if own {
                        rustix::process::getuid().as_raw()
                    } else {
                        user
                    };
                    let user = user.cast_signed();
                    let process = rustix::process::getpid().as_raw_nonzero().get();
                    let content = bytes_of([process, user, user]);
                    append(
                        &mut control,
                        libc::SOL_SOCKET,
                        libc::SCM_CREDENTIALS,
                        None,
                        &content,
                    );
                }
                Control::Raw {
                    len,
                    level,
                    kind,
                    content,
                } => {
                    files = None;
                    append(&mut control, level, kind, len, &content);
                }
            }
        }
        let Ok(sent) = process::send(sender.as_fd(), &message.bytes, &control) else {
            return;
        };
        if sent == 0 && self.kind == Kind::Stream {
            return;
        }
        FORGED.fetch_add(count, Relaxed);
        self.pending.push_back(Sent {
            bytes: message.bytes,
            files,
        });
    }

    fn receive(&mut self, receive: Receive) {
        let timeout = receive
            .timeout
            .map(|time| Duration::from_micros(time.into()));
        match receive.way {
            Way::Any {
                bytes,
                slots,
                judges,
            } => {
                let mut buffer = vec![0; bytes.into()];
                let room = receive.room;
                match slots {
                    Slots::None => self.receive_any::<0>(&mut buffer, timeout, room, &judges),
                    Slots::One => self.receive_any::<1>(&mut buffer, timeout, room, &judges),
                    Slots::Three => self.receive_any::<3>(&mut buffer, timeout, room, &judges),
                    Slots::Most => self.receive_any::<{ socket::MAX_DESCRIPTORS }>(
                        &mut buffer,
                        timeout,
                        room,
                        &judges,
                    ),
                }
            }
            Way::Sealed(limit) => {
                let received = process::with_room_for(receive.room, || match timeout {
                    None => SealedMemFd::receive(&self.receiver, limit.bytes()),
                    Some(time) => SealedMemFd::receive_timeout(&self.receiver, limit.bytes(), time),
                });
                let sent = self.take(received.as_ref().err());
                match received {
                    Ok(sealed) => {
                        self.is_what_was_sent(sent.as_ref(), &[identity(&sealed)]);
                        let facts = Facts::of(&sealed);
                        is_sealed(sealed, &facts, limit.bytes(), &self.files);
                    }
                    Err(ReceiveError::Verify(error)) => {
                        self.is_what_was_sent(sent.as_ref(), &[identity(error.get_ref())]);
                        if receive.room.is_none() {
                            let facts = Facts::of(error.get_ref());
                            is_refused(error.kind(), &facts, limit.bytes());
                        }
                    }
                    Err(error) => is_explained(error),
                }
            }
            Way::Owned => {
                let received = process::with_room_for(receive.room, || match timeout {
                    None => OwnedMemFd::receive(&self.receiver),
                    Some(time) => OwnedMemFd::receive_timeout(&self.receiver, time),
                });
                let sent = self.take(received.as_ref().err());
                match received {
                    Ok(file) => {
                        self.is_what_was_sent(sent.as_ref(), &[identity(&file)]);
                        judge(file.into(), Judge::Take, &self.files);
                    }
                    Err(ReceiveError::Verify(error)) => {
                        self.is_what_was_sent(sent.as_ref(), &[identity(error.get_ref())]);
                        if receive.room.is_none() {
                            judge(error.into_inner(), Judge::Take, &self.files);
                        }
                    }
                    Err(error) => is_explained(error),
                }
            }
        }
    }

    fn receive_any<const N: usize>(
        &mut self,
        buffer: &mut [u8],
        timeout: Option<Duration>,
        room: Option<u8>,
        judges: &[Judge],
    ) {
        let mut descriptors = ReceivedFds::<N>::new();
        let received = process::with_room_for(room, || match timeout {
            None => socket::receive(&self.receiver, buffer, &mut descriptors),
            Some(time) => socket::receive_timeout(&self.receiver, buffer, &mut descriptors, time),
        });
        let sent = self.take(received.as_ref().err());
        let count = match received {
            Ok(count) => count,
            Err(error) => {
                assert_eq!(descriptors.len(), 0, "after an error there is none");
                is_explained(error);
                return;
            }
        };
        let descriptors: Vec<_> = descriptors.collect();
        let identities: Vec<_> = descriptors.iter().map(identity).collect();
        self.is_what_was_sent(sent.as_ref(), &identities);
        if let Some(sent) = sent {
            assert_eq!(buffer[..count], sent.bytes);
        }
        // The first ones, each in a way of its own. All are closed.
        for (index, fd) in descriptors.into_iter().enumerate() {
            let flags = rustix::io::fcntl_getfd(&fd).expect("it is open");
            assert!(flags.contains(FdFlags::CLOEXEC));
            match judges.get(index) {
                Some(how) => judge(fd, *how, &self.files),
                None => drop(fd),
            }
        }
    }

    /// The message that a call has taken, if it is known which: a stream has none.
    fn take(&mut self, error: Option<&ReceiveError>) -> Option<Sent> {
        let is_left = match error {
            Some(ReceiveError::TimedOut | ReceiveError::Kernel(_)) => true,
            _ => self.kind == Kind::Stream,
        };
        if is_left {
            None
        } else {
            self.pending.pop_front()
        }
    }

    /// The descriptors are those of the message, complete and in their order.
    fn is_what_was_sent(&self, sent: Option<&Sent>, received: &[Identity]) {
        if let Some(Sent {
            files: Some(files), ..
        }) = sent
        {
            assert_eq!(received, files);
        } else {
            assert!(
                sent.is_some() || self.kind == Kind::Stream,
                "nothing was sent"
            );
        }
    }
}

/// Each error has a text and a number.
fn is_explained(error: ReceiveError) {
    assert!(!error.to_string().is_empty());
    assert!(Errno::from(error).raw_os_error() > 0);
}

fn bytes_of(numbers: impl IntoIterator<Item = i32>) -> Vec<u8> {
    numbers.into_iter().flat_map(i32::to_ne_bytes).collect()
}

/// Appends the message that sends these descriptors.
fn append_rights(control: &mut Vec<u8>, numbers: impl IntoIterator<Item = i32>) {
    let (level, kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    append(control, level, kind, None, &bytes_of(numbers));
}

/// Appends a control message, which may lie about its length.
fn append(control: &mut Vec<u8>, level: i32, kind: i32, len: Option<u64>, content: &[u8]) {
    let true_len = mem::size_of::<libc::cmsghdr>() + content.len();
    control.extend(len.unwrap_or(true_len as u64).to_ne_bytes());
    control.extend(level.to_ne_bytes());
    control.extend(kind.to_ne_bytes());
    control.extend(content);
    control.resize(control.len().next_multiple_of(mem::size_of::<usize>()), 0);
}
