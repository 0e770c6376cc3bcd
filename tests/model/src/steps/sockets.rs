//! Descriptors in messages, some of which stay on their way.

use super::Done;
use crate::{
    bytes::content,
    file::Open,
    queue::{Kind, Message, Queue},
    rules::Rules,
    sealing,
    state::{Descriptor, FILES, SEALED, SOCKETS, SealedPair, State, Verdict, both, same_bytes},
};
use owned_memfd::{
    OwnedMemFd, SealedMemFd,
    fd::{AsFd, OwnedFd},
    socket::{self, ReceiveError, ReceivedFds},
};
use proptest::{prelude::*, prop_assert_eq, sample::select};
use std::time::Duration;

/// A step about the pair of sockets in this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pair: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Make(Kind),
    /// Closes the socket that sends, or the one that receives.
    Close {
        sender: bool,
    },
    /// As a file, or with these bytes.
    Send {
        file: usize,
        bytes: Option<(u8, usize)>,
    },
    SendTwo {
        files: [usize; 2],
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
        files: [usize; 2],
        two: bool,
    },
}

/// Two sockets, and what is on its way from the first to the second.
pub(crate) struct Pair {
    here: Option<OwnedFd>,
    there: Option<OwnedFd>,
    queue: Queue,
}

/// More could wait until there is room.
const MOST: usize = 6;

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..SOCKETS, any_what()).prop_map(|(pair, what)| Step { pair, what })
}

fn any_what() -> BoxedStrategy<What> {
    let kind = select(vec![Kind::SeqPacket, Kind::Datagram, Kind::Stream]);
    let len = || select(vec![1_usize, 2, 64, 4096]);
    let max = || select(vec![0, 1, 4096, usize::MAX]);
    let files = || [0..FILES, 0..FILES];
    prop_oneof![
        4 => kind.prop_map(What::Make),
        1 => any::<bool>().prop_map(|sender| What::Close { sender }),
        6 => (0..FILES, prop::option::of((any::<u8>(), len())))
            .prop_map(|(file, bytes)| What::Send { file, bytes }),
        3 => files().prop_map(|files| What::SendTwo { files }),
        4 => (0..SEALED).prop_map(|sealed| What::SendSealed { sealed }),
        3 => (any::<u8>(), len()).prop_map(|(seed, len)| What::SendBytes { seed, len }),
        4 => (0..FILES, any::<bool>()).prop_map(|(file, waits)| What::Receive { file, waits }),
        4 => (0..SEALED, max(), any::<bool>())
            .prop_map(|(sealed, max, waits)| What::ReceiveSealed { sealed, max, waits }),
        6 => (len(), files(), any::<bool>())
            .prop_map(|(room, files, two)| What::ReceiveBytes { room, files, two }),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        if let What::Make(kind) = self.what {
            let made = both(socket::socket_pair(kind.into()), Ok(()))?;
            state.sockets[self.pair] = made.map(|((here, there), ())| Pair {
                here: Some(here),
                there: Some(there),
                queue: Queue::new(kind),
            });
            return Ok(true);
        }
        // It is put back, unless the sequence ends here.
        let Some(mut pair) = state.sockets[self.pair].take() else {
            return Ok(false);
        };
        let done = match self.what {
            What::Close { sender } => pair.close(sender),
            What::Receive { .. } | What::ReceiveSealed { .. } | What::ReceiveBytes { .. } => {
                self.receive(state, &mut pair)?
            }
            _ => self.send(state, &mut pair)?,
        };
        state.sockets[self.pair] = Some(pair);
        Ok(done)
    }

    fn send(&self, state: &State<'_>, pair: &mut Pair) -> Verdict<Done> {
        let rules = state.rules;
        let Pair {
            here: Some(here),
            queue,
            ..
        } = pair
        else {
            return Ok(false);
        };
        if queue.len() == MOST {
            return Ok(false);
        }
        let file = |place: usize| state.files[place].as_ref();
        let (sent, bytes, files) = match self.what {
            What::Send { file: place, bytes } => {
                let Some(Descriptor { real, open, .. }) = file(place) else {
                    return Ok(false);
                };
                let files = vec![open.cloned(rules)];
                match bytes {
                    None => (real.send(&*here).map(|()| 1), vec![0], files),
                    Some((seed, len)) => {
                        let bytes = content(seed, len);
                        let sent = socket::send(&*here, &bytes, &[real.as_fd()]);
                        (sent, bytes, files)
                    }
                }
            }
            What::SendTwo { files: [one, two] } => {
                let (Some(one), Some(two)) = (file(one), file(two)) else {
                    return Ok(false);
                };
                let descriptors = [one.real.as_fd(), two.real.as_fd()];
                let files = vec![one.open.cloned(rules), two.open.cloned(rules)];
                (socket::send(&*here, &[2], &descriptors), vec![2], files)
            }
            What::SendSealed { sealed } => {
                let Some(SealedPair { real, open, .. }) = &state.sealed[sealed] else {
                    return Ok(false);
                };
                let sent = real.send(&*here).map(|()| 1);
                (sent, vec![0], vec![open.cloned(rules)])
            }
            What::SendBytes { seed, len } => {
                let bytes = content(seed, len);
                (socket::send(&*here, &bytes, &[]), bytes, Vec::new())
            }
            _ => unreachable!("done by the caller"),
        };
        prop_assert_eq!(sent, queue.send(bytes, files));
        Ok(true)
    }

    fn receive(&self, state: &mut State<'_>, pair: &mut Pair) -> Verdict<Done> {
        let rules = state.rules;
        let Pair {
            there: Some(there),
            queue,
            ..
        } = pair
        else {
            return Ok(false);
        };
        let is_empty = queue.len() == 0;
        match self.what {
            What::Receive { file, waits } => {
                let real = if waits || is_empty {
                    OwnedMemFd::receive_timeout(&*there, Duration::ZERO)
                } else {
                    OwnedMemFd::receive(&*there)
                };
                if let Some((real, open)) = received(real, one(rules, queue))? {
                    state.files[file] = Some(new(real, open));
                }
            }
            What::ReceiveSealed { sealed, max, waits } => {
                let real = if waits || is_empty {
                    SealedMemFd::receive_timeout(&*there, max, Duration::ZERO)
                } else {
                    SealedMemFd::receive(&*there, max)
                };
                let model =
                    one(rules, queue).and_then(|open| match sealing::verify(rules, &open, max) {
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
            What::ReceiveBytes { room, files, two } => {
                let take = if two { bytes::<2> } else { bytes::<1> };
                let made = take(rules, there, queue, room)?;
                for (place, descriptor) in files.into_iter().zip(made) {
                    state.files[place] = Some(descriptor);
                }
            }
            _ => unreachable!("done by the caller"),
        }
        Ok(true)
    }
}

impl Pair {
    fn close(&mut self, sender: bool) -> Done {
        let (socket, close): (_, fn(&mut Queue)) = if sender {
            (&mut self.here, Queue::close_sender)
        } else {
            (&mut self.there, Queue::close_receiver)
        };
        let was_open = socket.take().is_some();
        if was_open {
            close(&mut self.queue);
        }
        was_open
    }
}

/// A descriptor that has come.
fn new(real: OwnedMemFd, open: Open) -> Descriptor {
    Descriptor {
        real,
        open,
        close_on_exec: true,
    }
}

/// What receiving one descriptor with at most one byte takes, or the name of the error.
fn one(rules: &Rules, queue: &mut Queue) -> Result<Open, String> {
    let mut message = queue.receive(rules, 1, 1)?;
    message.files.pop().ok_or_else(|| "NoDescriptor".to_owned())
}

/// Receives bytes and up to `N` files.
fn bytes<const N: usize>(
    rules: &Rules,
    there: &OwnedFd,
    queue: &mut Queue,
    room: usize,
) -> Verdict<Vec<Descriptor>> {
    let (mut buffer, mut fds) = (vec![0; room], ReceivedFds::<N>::new());
    let real = if queue.len() == 0 {
        socket::receive_timeout(there, &mut buffer, &mut fds, Duration::ZERO)
    } else {
        socket::receive(there, &mut buffer, &mut fds)
    };
    let model = queue.receive(rules, room, N).map_err(str::to_owned);
    let Some((count, Message { bytes, files })) = received(real, model)? else {
        prop_assert_eq!(fds.len(), 0, "what came has been closed");
        return Ok(Vec::new());
    };
    same_bytes(&buffer[..count], &bytes)?;
    prop_assert_eq!(fds.len(), files.len());
    let made = fds.zip(files).map(|(fd, open)| {
        OwnedMemFd::try_from(fd)
            .map(|real| new(real, open))
            .map_err(|error| TestCaseError::fail(error.to_string()))
    });
    made.collect()
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
