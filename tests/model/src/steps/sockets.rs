//! Descriptors in messages, some of which stay on their way.

use super::Done;
use crate::{
    bytes::content,
    file::Open,
    rules::Wrong,
    sealing,
    state::{Descriptor, FILES, SEALED, SOCKETS, SealedPair, State, Verdict, both, same_bytes},
};
use owned_memfd::{
    OwnedMemFd, SealedMemFd,
    fd::{AsFd, OwnedFd},
    socket::{self, ReceiveError, ReceivedFds, SocketType},
};
use proptest::{prelude::*, prop_assert_eq, sample::select};
use std::{collections::VecDeque, time::Duration};

/// A step about the pair of sockets in this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pair: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Make(Messages),
    Drop,
    /// As a file, or with these bytes.
    Send {
        file: usize,
        bytes: Option<(u8, usize)>,
    },
    SendSealed {
        sealed: usize,
    },
    /// Bytes alone.
    SendBytes {
        seed: u8,
        len: usize,
    },
    Receive {
        file: usize,
        waits: bool,
    },
    ReceiveSealed {
        sealed: usize,
        max: usize,
        waits: bool,
    },
    ReceiveBytes {
        room: usize,
        file: usize,
    },
}

/// The types of sockets that keep messages apart.
#[derive(Clone, Copy, Debug)]
enum Messages {
    SeqPacket,
    Datagram,
}

/// Two sockets, and what is on its way from the first to the second.
pub(crate) struct Pair {
    here: OwnedFd,
    there: OwnedFd,
    queue: VecDeque<(Vec<u8>, Option<Open>)>,
}

/// More could wait until there is room.
const MOST: usize = 6;

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..SOCKETS, any_what()).prop_map(|(pair, what)| Step { pair, what })
}

fn any_what() -> BoxedStrategy<What> {
    let len = || select(vec![1_usize, 2, 64, 4096]);
    let max = || select(vec![0, 1, 4096, usize::MAX]);
    prop_oneof![
        2 => select(vec![Messages::SeqPacket, Messages::Datagram]).prop_map(What::Make),
        1 => Just(What::Drop),
        4 => (0..FILES, prop::option::of((any::<u8>(), len())))
            .prop_map(|(file, bytes)| What::Send { file, bytes }),
        2 => (0..SEALED).prop_map(|sealed| What::SendSealed { sealed }),
        1 => (any::<u8>(), len()).prop_map(|(seed, len)| What::SendBytes { seed, len }),
        2 => (0..FILES, any::<bool>()).prop_map(|(file, waits)| What::Receive { file, waits }),
        2 => (0..SEALED, max(), any::<bool>())
            .prop_map(|(sealed, max, waits)| What::ReceiveSealed { sealed, max, waits }),
        2 => (len(), 0..FILES).prop_map(|(room, file)| What::ReceiveBytes { room, file }),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        let rules = state.rules;
        if let What::Make(messages) = self.what {
            let made = socket::socket_pair(match messages {
                Messages::SeqPacket => SocketType::SeqPacket,
                Messages::Datagram => SocketType::Datagram,
            });
            state.sockets[self.pair] = both(made, Ok(()))?.map(|((here, there), ())| Pair {
                here,
                there,
                queue: VecDeque::new(),
            });
            return Ok(true);
        }
        let Some(pair) = &mut state.sockets[self.pair] else {
            return Ok(false);
        };
        match self.what {
            What::Drop => state.sockets[self.pair] = None,
            What::Send { .. } | What::SendSealed { .. } | What::SendBytes { .. }
                if pair.queue.len() == MOST =>
            {
                return Ok(false);
            }
            What::Send { file, bytes } => {
                let Some(Descriptor { real, open, .. }) = &state.files[file] else {
                    return Ok(false);
                };
                let bytes = bytes.map(|(seed, len)| content(seed, len));
                let sent = match &bytes {
                    None => real.send(&pair.here).map(|()| 1),
                    Some(bytes) => socket::send(&pair.here, bytes, &[real.as_fd()]),
                };
                let bytes = bytes.unwrap_or(vec![0]);
                prop_assert_eq!(sent, Ok(bytes.len()));
                pair.queue.push_back((bytes, Some(open.cloned(rules))));
            }
            What::SendSealed { sealed } => {
                let Some(SealedPair { real, open, .. }) = &state.sealed[sealed] else {
                    return Ok(false);
                };
                prop_assert_eq!(real.send(&pair.here), Ok(()));
                pair.queue.push_back((vec![0], Some(open.cloned(rules))));
            }
            What::SendBytes { seed, len } => {
                let bytes = content(seed, len);
                prop_assert_eq!(socket::send(&pair.here, &bytes, &[]), Ok(len));
                pair.queue.push_back((bytes, None));
            }
            What::Receive { file, waits } => {
                let real = if waits || pair.queue.is_empty() {
                    OwnedMemFd::receive_timeout(&pair.there, Duration::ZERO)
                } else {
                    OwnedMemFd::receive(&pair.there)
                };
                if let Some((real, open)) = received(real, pair.one())? {
                    state.files[file] = Some(Descriptor {
                        real,
                        open,
                        close_on_exec: true,
                    });
                }
            }
            What::ReceiveSealed { sealed, max, waits } => {
                let real = if waits || pair.queue.is_empty() {
                    SealedMemFd::receive_timeout(&pair.there, max, Duration::ZERO)
                } else {
                    SealedMemFd::receive(&pair.there, max)
                };
                let model = pair
                    .one()
                    .and_then(|open| match sealing::verify(rules, &open, max) {
                        Ok(len) => Ok((open, len)),
                        Err(kind) => Err(format!("Verify({kind:?})")),
                    });
                if let Some((real, (open, len))) = received(real, model)? {
                    state.sealed[sealed] = Some(SealedPair {
                        real,
                        open,
                        len,
                        close_on_exec: true,
                    });
                }
            }
            What::ReceiveBytes { room, file } => {
                if pair.queue.is_empty() {
                    return Ok(false);
                }
                let (mut buffer, mut fds) = (vec![0; room], ReceivedFds::<1>::new());
                let real = socket::receive(&pair.there, &mut buffer, &mut fds);
                let model = match pair.queue.pop_front() {
                    Some((bytes, _)) if bytes.len() > room => Err("DataTruncated".to_owned()),
                    Some(message) => Ok(message),
                    None => Err("TimedOut".to_owned()),
                };
                let Some((count, (bytes, open))) = received(real, model)? else {
                    prop_assert_eq!(fds.len(), 0, "what came has been closed");
                    return Ok(true);
                };
                same_bytes(&buffer[..count], &bytes)?;
                prop_assert_eq!(fds.len(), usize::from(open.is_some()));
                if let (Some(fd), Some(open)) = (fds.next(), open) {
                    let real = OwnedMemFd::try_from(fd)
                        .map_err(|error| TestCaseError::fail(error.to_string()))?;
                    state.files[file] = Some(Descriptor {
                        real,
                        open,
                        close_on_exec: true,
                    });
                }
                if rules.is(Wrong::LosesMessages) {
                    pair.queue.pop_front();
                }
            }
            What::Make(_) => unreachable!("done above"),
        }
        Ok(true)
    }
}

impl Pair {
    /// What receiving one descriptor with at most one byte takes from the queue, or the name of the
    /// error.
    fn one(&mut self) -> Result<Open, String> {
        match self.queue.pop_front() {
            None => Err("TimedOut".to_owned()),
            Some((bytes, _)) if bytes.len() > 1 => Err("DataTruncated".to_owned()),
            Some((_, None)) => Err("NoDescriptor".to_owned()),
            Some((_, Some(open))) => Ok(open),
        }
    }
}

/// Both values, if there must be any, after comparing the errors by their names.
fn received<T, M>(
    real: Result<T, ReceiveError>,
    model: Result<M, String>,
) -> Verdict<Option<(T, M)>> {
    let real = real.map_err(|error| match error {
        ReceiveError::Verify(error) => format!("Verify({:?})", error.kind()),
        error => format!("{error:?}"),
    });
    both(real, model)
}
