//! Maps of memory that others write: copies, growing, and the same bytes twice.

use super::Done;
use crate::{
    bytes::content,
    edges,
    mapping::{How, Mapping},
    rules::Rules,
    state::{FILES, MAPS, SharedPair, SharedReal, State, Verdict, both, same_bytes},
};
use owned_memfd::{Errno, MapError};
use proptest::{prelude::*, prop_assert_eq};
use std::ops::Bound;

/// A step about the map in this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    map: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Map {
        file: usize,
        range: (Bound<usize>, Bound<usize>),
        how: How,
    },
    Drop,
    Read {
        at: usize,
        len: usize,
    },
    Write {
        seed: u8,
        at: usize,
        len: usize,
    },
    Grow {
        file: usize,
        len: usize,
    },
    Collapse,
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..MAPS, any_what()).prop_map(|(map, what)| Step { map, what })
}

fn any_what() -> BoxedStrategy<What> {
    let at = || edges::number().prop_map(|at| at as usize);
    prop_oneof![
        6 => (0..FILES, any_range(), any_how())
            .prop_map(|(file, range, how)| What::Map { file, range, how }),
        1 => Just(What::Drop),
        3 => (at(), edges::count()).prop_map(|(at, len)| What::Read { at, len }),
        4 => (any::<u8>(), at(), edges::count())
            .prop_map(|(seed, at, len)| What::Write { seed, at, len }),
        3 => (0..FILES, at()).prop_map(|(file, len)| What::Grow { file, len }),
        1 => Just(What::Collapse),
    ]
    .boxed()
}

pub(crate) fn any_range() -> BoxedStrategy<(Bound<usize>, Bound<usize>)> {
    let bound = || {
        let number = || edges::number().prop_map(|number| number as usize);
        prop_oneof![
            Just(Bound::Unbounded),
            number().prop_map(Bound::Included),
            number().prop_map(Bound::Excluded),
        ]
    };
    let pages = (0_usize..3, 1_usize..4).prop_map(|(start, count)| {
        (
            Bound::Included(start * 4096),
            Bound::Excluded((start + count) * 4096),
        )
    });
    prop_oneof![
        2 => Just((Bound::Unbounded, Bound::Unbounded)),
        1 => pages,
        2 => (bound(), bound()),
    ]
    .boxed()
}

fn any_how() -> impl Strategy<Value = How> {
    (any::<bool>(), prop::bool::weighted(0.3))
        .prop_map(|(writes, mirrored)| How { writes, mirrored })
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        let rules = state.rules;
        if let What::Map { file, range, how } = self.what {
            let Some(file) = &state.files[file] else {
                return Ok(false);
            };
            let real = match (how.writes, how.mirrored) {
                (false, false) => file.real.map_shared(range).map(SharedReal::Read),
                (true, false) => file.real.map_shared_mut(range).map(SharedReal::Write),
                (false, true) => file.real.map_mirrored(range).map(SharedReal::Read),
                (true, true) => file.real.map_mirrored_mut(range).map(SharedReal::Write),
            };
            let model = Mapping::new(rules, &file.open, &range, how);
            state.shared[self.map] = both(real.map_err(no_room), model)?
                .map(|(real, mapping)| SharedPair { real, mapping });
            return Ok(true);
        }
        let Some(pair) = &mut state.shared[self.map] else {
            return Ok(false);
        };
        match self.what {
            What::Drop => state.shared[self.map] = None,
            What::Grow { file, len } => {
                let Some(file) = &state.files[file] else {
                    return Ok(false);
                };
                if pair.mapping.is_at_the_end_of_all() {
                    return Ok(false);
                }
                let real = match &mut pair.real {
                    SharedReal::Read(map) => map.grow(&file.real, len),
                    SharedReal::Write(map) => map.grow(&file.real, len),
                };
                let model = pair.mapping.grow(rules, &file.open, len);
                prop_assert_eq!(real.map_err(no_room), model);
            }
            _ => operate(&self.what, pair, rules)?,
        }
        Ok(true)
    }
}

/// Which error it is where there is no room differs: the library says that both mean that.
pub(crate) fn no_room(error: MapError) -> MapError {
    match error {
        MapError::Kernel(Errno::EOVERFLOW) => Errno::ENOMEM.into(),
        error => error,
    }
}

/// What neither makes a map nor drops or lengthens it.
fn operate(what: &What, pair: &SharedPair, rules: &Rules) -> Verdict {
    let SharedPair { real, mapping } = pair;
    match *what {
        What::Read { at, len } => {
            let mut found = vec![0; len];
            let result = real.read_exact_at(&mut found, at);
            if let Some(((), expected)) = both(result, mapping.read(rules, at, len))? {
                same_bytes(&found, &expected)?;
            }
        }
        What::Write { seed, at, len } => {
            let SharedReal::Write(real) = real else {
                return Ok(());
            };
            let bytes = content(seed, len);
            prop_assert_eq!(
                real.write_all_at(&bytes, at),
                mapping.write(rules, at, &bytes)
            );
        }
        What::Collapse => {
            let expected = match mapping.len() {
                0 => Ok(()),
                _ => rules.behaviour.collapse,
            };
            prop_assert_eq!(real.collapse(), expected);
        }
        What::Map { .. } | What::Drop | What::Grow { .. } => unreachable!("done by the caller"),
    }
    Ok(())
}
