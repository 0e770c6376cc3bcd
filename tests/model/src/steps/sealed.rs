//! Sealed files, and maps of what they hold.

use super::{
    Done,
    files::{self, any_operation, operate},
    shared::{any_range, no_room},
};
use crate::{
    bytes::content,
    edges,
    file::At,
    mapping::{has_room, range_within},
    rules::{Rules, Wrong},
    state::{
        Descriptor, FILES, Fixed, FixedReal, MAPS, SEALED, SealedPair, State, Verdict, both,
        same_bytes,
    },
};
use owned_memfd::{
    BorrowedMemFd, BorrowedSealedMemFd, Errno, MapError, OwnedMemFd, VerifyErrorKind,
};
use proptest::{prelude::*, prop_assert_eq, sample::select};
use std::ops::Bound;

/// A step about the sealed file in this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    sealed: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Clone {
        to: usize,
    },
    Drop,
    IntoFile {
        to: usize,
    },
    RequireLen(Option<usize>),
    ReadAt {
        len: usize,
        at: usize,
    },
    /// What is done with the file without the proof.
    AsFile {
        lent: bool,
        what: files::What,
    },
    Map {
        to: usize,
        kind: Kind,
    },
    MapRange {
        to: usize,
        lent: bool,
        range: (Bound<usize>, Bound<usize>),
    },
    /// About the map in this place.
    OfMap {
        map: usize,
        what: OfMap,
    },
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Map,
    Copy,
    Exec,
}

#[derive(Clone, Copy, Debug)]
enum OfMap {
    Drop,
    Populate,
    Collapse,
    Write { seed: u8, at: usize, len: usize },
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..SEALED, any_what()).prop_map(|(sealed, what)| Step { sealed, what })
}

fn any_what() -> BoxedStrategy<What> {
    let number = || edges::number().prop_map(|number| number as usize);
    let kind = select(vec![Kind::Map, Kind::Copy, Kind::Exec]);
    let of_map = prop_oneof![
        1 => Just(OfMap::Drop),
        1 => Just(OfMap::Populate),
        1 => Just(OfMap::Collapse),
        3 => (any::<u8>(), number(), edges::count())
            .prop_map(|(seed, at, len)| OfMap::Write { seed, at, len }),
    ];
    prop_oneof![
        1 => (0..SEALED).prop_map(|to| What::Clone { to }),
        1 => Just(What::Drop),
        1 => (0..FILES).prop_map(|to| What::IntoFile { to }),
        1 => prop::option::of(number()).prop_map(What::RequireLen),
        3 => (edges::count(), number()).prop_map(|(len, at)| What::ReadAt { len, at }),
        4 => (any::<bool>(), any_operation()).prop_map(|(lent, what)| What::AsFile { lent, what }),
        5 => (0..MAPS, kind).prop_map(|(to, kind)| What::Map { to, kind }),
        3 => (0..MAPS, any::<bool>(), any_range())
            .prop_map(|(to, lent, range)| What::MapRange { to, lent, range }),
        4 => (0..MAPS, of_map).prop_map(|(map, what)| What::OfMap { map, what }),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        let rules = state.rules;
        if let What::OfMap { map, what } = self.what {
            return what.take(state, map);
        }
        let Some(pair) = &state.sealed[self.sealed] else {
            return Ok(false);
        };
        let SealedPair {
            real, open, len, ..
        } = pair;
        match &self.what {
            What::Clone { to } => {
                let open = open.cloned(rules);
                let clone = both(real.try_clone(), Ok(open))?.map(|(real, open)| SealedPair {
                    real,
                    open,
                    len: *len,
                    close_on_exec: true,
                });
                state.sealed[*to] = clone;
            }
            What::Drop => state.sealed[self.sealed] = None,
            What::IntoFile { to } => {
                let old = state.sealed[self.sealed].take();
                state.files[*to] = old.map(|old| Descriptor {
                    real: OwnedMemFd::from(old.real),
                    open: old.open,
                    close_on_exec: old.close_on_exec,
                });
            }
            What::RequireLen(required) => {
                let len = *len as usize;
                let required = required.unwrap_or(len);
                let expected = if required == len {
                    Ok(())
                } else {
                    Err(VerifyErrorKind::WrongLen { len, required })
                };
                prop_assert_eq!(real.require_len(required), expected);
            }
            What::ReadAt { len: count, at } => {
                let mut found = vec![0; *count];
                let read = real.read_at(&mut found, *at);
                // At most what was proven: the file may be longer.
                let most = len.saturating_sub(*at as u64).min(*count as u64);
                let expected = match most {
                    0 => Ok(Vec::new()),
                    most => open.read(most as usize, At::Position(*at as u64)),
                };
                if let Some((count, expected)) = both(read, expected)? {
                    same_bytes(&found[..count], &expected)?;
                }
            }
            What::AsFile { lent: false, what } => operate(what, real.as_memfd(), open, rules)?,
            What::AsFile { lent: true, what } => {
                let lent = BorrowedMemFd::from(BorrowedSealedMemFd::from(real));
                operate(what, &lent, open, rules)?;
            }
            What::Map { to, kind } => {
                let whole = (Bound::Unbounded, Bound::Unbounded);
                let model = mapped(rules, pair, &whole);
                let real = match kind {
                    Kind::Map => real.map().map(FixedReal::Map),
                    Kind::Copy => real.map_copy().map(FixedReal::Copy),
                    Kind::Exec => real.map_exec().map(FixedReal::Exec),
                };
                let real = real.map_err(MapError::from).map_err(no_room);
                state.fixed[*to] = both(real, model)?.map(|(real, bytes)| Fixed { real, bytes });
            }
            What::MapRange { to, lent, range } => {
                let model = mapped(rules, pair, range);
                let real = if *lent {
                    BorrowedSealedMemFd::from(real).map_range(*range)
                } else {
                    real.map_range(*range)
                };
                let real = real.map(FixedReal::Map).map_err(no_room);
                state.fixed[*to] = both(real, model)?.map(|(real, bytes)| Fixed { real, bytes });
            }
            What::OfMap { .. } => unreachable!("done above"),
        }
        Ok(true)
    }
}

/// The bytes that a map of a range of a sealed file shows.
fn mapped(
    rules: &Rules,
    sealed: &SealedPair,
    range: &(Bound<usize>, Bound<usize>),
) -> Result<Vec<u8>, MapError> {
    let (offset, len) = range_within(range, sealed.len)?;
    if len > 0 && !has_room(rules.behaviour.page as u64, offset, len) {
        return Err(Errno::ENOMEM.into());
    }
    Ok(sealed.open.file().bytes.read(offset, len as usize))
}

impl OfMap {
    fn take(self, state: &mut State<'_>, map: usize) -> Verdict<Done> {
        let rules = state.rules;
        let Some(Fixed { real, bytes }) = &mut state.fixed[map] else {
            return Ok(false);
        };
        match (self, real) {
            (Self::Drop, _) => state.fixed[map] = None,
            (Self::Populate, FixedReal::Map(real)) => prop_assert_eq!(real.populate(), Ok(())),
            (Self::Collapse, real) => {
                let expected = match bytes.len() {
                    0 => Ok(()),
                    _ => rules.behaviour.collapse,
                };
                let collapsed = match real {
                    FixedReal::Map(map) => map.collapse(),
                    FixedReal::Copy(map) => map.collapse(),
                    FixedReal::Exec(map) => map.collapse(),
                };
                prop_assert_eq!(collapsed, expected);
            }
            (Self::Write { seed, at, len }, FixedReal::Copy(real)) => {
                let at = at.min(bytes.len());
                let len = len.min(bytes.len() - at);
                let new = content(seed, len);
                real[at..at + len].copy_from_slice(&new);
                bytes[at..at + len].copy_from_slice(&new);
                if rules.is(Wrong::SharedCopy) {
                    for sealed in state.sealed.iter().flatten() {
                        sealed.open.file_mut().bytes.zero(0, len as u64);
                    }
                }
            }
            (Self::Populate | Self::Write { .. }, _) => return Ok(false),
        }
        Ok(true)
    }
}
