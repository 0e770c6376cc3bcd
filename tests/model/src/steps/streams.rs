//! Streams: several that write, and several that read, alive beside everything else.

use super::{
    Done,
    files::{Options, any_options, any_seek},
};
use crate::{
    bytes::content,
    edges,
    file::{LAST, Open},
    rules::Wrong,
    sealing,
    state::{READERS, SEALED, SealedPair, State, Verdict, WRITERS, both, same_bytes},
};
use owned_memfd::{Errno, Reader, SealedMemFd, SeekFrom, TransferCause, TransferError, Writer};
use proptest::{prelude::*, prop_assert, prop_assert_eq};
use self_cell::{MutBorrow, self_cell};

/// A step about the stream in this place.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write { writer: usize, what: Writing },
    Read { reader: usize, what: Reading },
}

#[derive(Clone, Debug)]
pub(crate) enum Writing {
    Open {
        options: Options,
        capacity: usize,
        buffer: usize,
    },
    All {
        seed: u8,
        len: usize,
    },
    Text {
        number: u64,
    },
    Flush,
    Finish {
        to: usize,
    },
    Drop,
}

#[derive(Clone, Debug)]
pub(crate) enum Reading {
    Open { sealed: usize, buffer: usize },
    Some { len: usize },
    Exact { len: usize },
    Fill { consume: usize },
    Seek(SeekFrom),
    Drop,
}

/// A writer, which goes when it is finished.
type Writes<'a> = Option<Writer<'a>>;

self_cell!(
    struct WithBuffer {
        owner: MutBorrow<Vec<u8>>,
        #[covariant]
        dependent: Writes,
    }
);

/// What a writer has written, and the file that it will make.
pub(crate) struct WriterPair {
    real: WithBuffer,
    options: Options,
    written: Vec<u8>,
}

/// What a reader reads, and through what.
struct Source {
    file: SealedMemFd,
    buffer: MutBorrow<Vec<u8>>,
}

self_cell!(
    struct WithSource {
        owner: Source,
        #[covariant]
        dependent: Reader,
    }
);

/// A reader, and where it is in what it reads.
pub(crate) struct ReaderPair {
    real: WithSource,
    open: Open,
    len: u64,
    position: u64,
    has_buffer: bool,
}

pub(crate) fn any_step() -> BoxedStrategy<Step> {
    prop_oneof![
        (0..WRITERS, any_writing()).prop_map(|(writer, what)| Step::Write { writer, what }),
        (0..READERS, any_reading()).prop_map(|(reader, what)| Step::Read { reader, what }),
    ]
    .boxed()
}

fn any_writing() -> BoxedStrategy<Writing> {
    prop_oneof![
        2 => (any_options(), edges::count(), edges::count())
            .prop_map(|(options, capacity, buffer)| Writing::Open { options, capacity, buffer }),
        4 => (any::<u8>(), edges::count()).prop_map(|(seed, len)| Writing::All { seed, len }),
        1 => any::<u64>().prop_map(|number| Writing::Text { number }),
        1 => Just(Writing::Flush),
        2 => (0..SEALED).prop_map(|to| Writing::Finish { to }),
        1 => Just(Writing::Drop),
    ]
    .boxed()
}

fn any_reading() -> BoxedStrategy<Reading> {
    prop_oneof![
        3 => (0..SEALED, edges::count())
            .prop_map(|(sealed, buffer)| Reading::Open { sealed, buffer }),
        3 => edges::count().prop_map(|len| Reading::Some { len }),
        2 => edges::count().prop_map(|len| Reading::Exact { len }),
        2 => edges::count().prop_map(|consume| Reading::Fill { consume }),
        2 => any_seek().prop_map(Reading::Seek),
        1 => Just(Reading::Drop),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        match self {
            Self::Write { writer, what } => what.take(state, *writer),
            Self::Read { reader, what } => what.take(state, *reader),
        }
    }
}

impl Writing {
    #[allow(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is for one lifetime of a writer only"
    )]
    fn take(&self, state: &mut State<'_>, place: usize) -> Verdict<Done> {
        let rules = state.rules;
        if let Self::Open {
            options,
            capacity,
            buffer,
        } = *self
        {
            let name = options.name();
            let real = WithBuffer::try_new(MutBorrow::new(vec![0; buffer]), |buffer| {
                let buffer = buffer.borrow_mut();
                let options = options.real();
                match capacity {
                    0 => options.writer(name.as_str(), buffer),
                    _ => options.writer_with_capacity(name.as_str(), capacity, buffer),
                }
                .map(Some)
            });
            let made = both(real, options.create_sealable(rules))?;
            state.writers[place] = made.map(|(real, _)| WriterPair {
                real,
                options,
                written: Vec::new(),
            });
            return Ok(true);
        }
        let Some(WriterPair {
            real,
            options,
            written,
        }) = &mut state.writers[place]
        else {
            return Ok(false);
        };
        match *self {
            Self::All { seed, len } => {
                let bytes = content(seed, len);
                written.extend_from_slice(&bytes);
                prop_assert_eq!(with(real, |writer| writer.write_all(&bytes)), Some(Ok(())));
            }
            Self::Text { number } => {
                written.extend_from_slice(format!("{number:x} {number}").as_bytes());
                let result = with(real, |writer| write!(writer, "{number:x} {number}"));
                prop_assert_eq!(result, Some(Ok(())));
            }
            Self::Flush => prop_assert_eq!(with(real, |writer| writer.flush()), Some(Ok(()))),
            Self::Finish { to } => {
                let writer = real.with_dependent_mut(|_, writer| writer.take());
                let finished = writer.map(Writer::finish);
                let model = sealing::sealed(options.create_sealable(rules), written);
                let inherits = options.inherits();
                state.writers[place] = None;
                let Some(finished) = finished else {
                    return Err(TestCaseError::fail("the writer is gone"));
                };
                state.sealed[to] = SealedPair::of(finished, model, inherits)?;
            }
            Self::Drop => state.writers[place] = None,
            Self::Open { .. } => unreachable!("done above"),
        }
        Ok(true)
    }
}

/// Does something with the writer, which is there until it is finished.
fn with<T>(real: &mut WithBuffer, act: impl FnOnce(&mut Writer<'_>) -> T) -> Option<T> {
    real.with_dependent_mut(|_, writer| writer.as_mut().map(act))
}

impl WriterPair {
    pub(crate) fn compare(&self) -> Verdict {
        let len = self.written.len() as u64;
        let writer = self.real.borrow_dependent().as_ref();
        prop_assert_eq!(writer.map(Writer::len), Some(len), "so much was written");
        prop_assert_eq!(writer.map(Writer::is_empty), Some(len == 0));
        Ok(())
    }
}

impl Reading {
    fn take(&self, state: &mut State<'_>, place: usize) -> Verdict<Done> {
        let rules = state.rules;
        if let Self::Open { sealed, buffer } = *self {
            let Some(SealedPair {
                real, open, len, ..
            }) = &state.sealed[sealed]
            else {
                return Ok(false);
            };
            let Some((file, open)) = both(real.try_clone(), Ok(open.cloned(rules)))? else {
                return Ok(true);
            };
            let source = Source {
                file,
                buffer: MutBorrow::new(vec![0; buffer]),
            };
            state.readers[place] = Some(ReaderPair {
                real: WithSource::new(source, |source| {
                    source.file.reader(source.buffer.borrow_mut())
                }),
                open,
                len: *len,
                position: 0,
                has_buffer: buffer > 0,
            });
            return Ok(true);
        }
        let Some(pair) = &mut state.readers[place] else {
            return Ok(false);
        };
        let act = |real: &mut WithSource, len| {
            let mut found = vec![0; len];
            let result = real.with_dependent_mut(|_, reader| reader.read(&mut found));
            (result, found)
        };
        match *self {
            Self::Some { len } => {
                let (result, found) = act(&mut pair.real, len);
                let expected = pair.left(len);
                let Ok(count) = result else {
                    prop_assert_eq!(result, Ok(expected.len()));
                    return Ok(true);
                };
                // As many as are in the buffer, but none only at the end.
                prop_assert_eq!(count == 0, expected.is_empty());
                prop_assert!(count <= expected.len(), "{count} bytes were read");
                same_bytes(&found[..count], &expected[..count])?;
                pair.position += count as u64;
            }
            Self::Exact { len } => {
                let mut found = vec![0; len];
                let result = pair
                    .real
                    .with_dependent_mut(|_, reader| reader.read_exact(&mut found));
                let expected = pair.left(len);
                let done = expected.len() as u64;
                let cause = TransferCause::EndOfFile;
                let ends = (expected.len() < len).then_some(TransferError { done, cause });
                prop_assert_eq!(result.err(), ends);
                same_bytes(&found[..expected.len()], &expected)?;
                pair.position += done;
            }
            Self::Fill { consume } => {
                let filled = pair
                    .real
                    .with_dependent_mut(|_, reader| reader.fill_buf().map(<[u8]>::to_vec));
                let expected = pair.left(filled.as_ref().map_or(1, Vec::len).max(1));
                match filled {
                    Err(errno) => {
                        prop_assert!(!pair.has_buffer, "the buffer is empty: {errno}");
                        prop_assert_eq!(errno, Errno::EINVAL);
                    }
                    Ok(found) => {
                        same_bytes(&found, &expected)?;
                        let count = consume.min(found.len());
                        pair.real
                            .with_dependent_mut(|_, reader| reader.consume(consume));
                        pair.position += count as u64;
                    }
                }
            }
            Self::Seek(to) => {
                let target = match to {
                    SeekFrom::Start(position) => Some(position),
                    SeekFrom::End(distance) => pair.len.checked_add_signed(distance),
                    SeekFrom::Current(distance) => pair.position.checked_add_signed(distance),
                };
                let expected = target.filter(|at| *at <= LAST).ok_or(Errno::EINVAL);
                let result = pair.real.with_dependent_mut(|_, reader| reader.seek(to));
                prop_assert_eq!(result, expected);
                pair.position = expected.unwrap_or(pair.position);
                if rules.is(Wrong::SeekRewinds) {
                    pair.position = 0;
                }
            }
            Self::Drop => state.readers[place] = None,
            Self::Open { .. } => unreachable!("done above"),
        }
        Ok(true)
    }
}

impl ReaderPair {
    /// Up to `count` bytes at the position, within what was proven.
    fn left(&self, count: usize) -> Vec<u8> {
        let most = self.len.saturating_sub(self.position).min(count as u64);
        self.open.file().bytes.read(self.position, most as usize)
    }

    pub(crate) fn compare(&self) -> Verdict {
        let position = self.real.borrow_dependent().position();
        prop_assert_eq!(position, self.position, "the position");
        Ok(())
    }
}
