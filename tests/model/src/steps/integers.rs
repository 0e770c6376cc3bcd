//! Integers in memory that others write.

use super::Done;
use crate::{
    edges,
    mapping::Mapping,
    rules::Rules,
    state::{MAPS, SharedPair, SharedReal, State, Verdict, both},
};
use owned_memfd::{AccessError, Errno, SharedMapMut};
use proptest::{prelude::*, prop_assert_eq, sample::select};
use std::{
    sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst},
    time::Duration,
};

/// A step about an integer in the map in this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    map: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Small {
        at: usize,
        wide: bool,
        store: Option<u16>,
        order: Ordering,
    },
    Integer {
        at: usize,
        wide: bool,
        change: Change,
        order: Ordering,
    },
    Wait {
        at: usize,
        expected: Option<u32>,
    },
    Wake {
        at: usize,
        count: u32,
    },
}

/// What is done to an integer.
#[derive(Clone, Copy, Debug)]
enum Change {
    Load,
    Store(u64),
    Swap(u64),
    Add(u64),
    /// If it is this one, or else what it is.
    Exchange(Option<u64>, u64),
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..MAPS, any_what()).prop_map(|(map, what)| Step { map, what })
}

fn any_what() -> BoxedStrategy<What> {
    let at = || edges::number().prop_map(|at| at as usize);
    prop_oneof![
        1 => (at(), any::<bool>(), prop::option::of(any::<u16>()), any_order())
            .prop_map(|(at, wide, store, order)| What::Small { at, wide, store, order }),
        4 => (at(), any::<bool>(), any_change(), any_order())
            .prop_map(|(at, wide, change, order)| What::Integer { at, wide, change, order }),
        1 => (at(), prop::option::of(any::<u32>()))
            .prop_map(|(at, expected)| What::Wait { at, expected }),
        1 => (at(), any::<u32>()).prop_map(|(at, count)| What::Wake { at, count }),
    ]
    .boxed()
}

fn any_order() -> impl Strategy<Value = Ordering> {
    select(vec![Relaxed, Acquire, Release, AcqRel, SeqCst])
}

fn any_change() -> BoxedStrategy<Change> {
    let value = || prop_oneof![Just(1), Just(u64::MAX), any::<u64>()];
    prop_oneof![
        Just(Change::Load),
        value().prop_map(Change::Store),
        value().prop_map(Change::Swap),
        value().prop_map(Change::Add),
        (prop::option::of(value()), value()).prop_map(|(is, new)| Change::Exchange(is, new)),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        let rules = state.rules;
        let Some(pair) = &state.shared[self.map] else {
            return Ok(false);
        };
        let SharedPair { real, mapping } = pair;
        match self.what {
            What::Small {
                at,
                wide,
                store,
                order,
            } => {
                let (size, value) = if wide {
                    (2, store)
                } else {
                    (1, store.map(|it| it & 0xff))
                };
                let old = mapping
                    .check_integer(at, size)
                    .map(|()| integer(mapping, rules, at, size));
                let found = if wide {
                    real.atomic::<u16>(at).map(|it| it.load(order).into())
                } else {
                    real.atomic::<u8>(at).map(|it| it.load(order).into())
                };
                prop_assert_eq!(found, old);
                if let (SharedReal::Write(real), Some(value), Ok(_)) = (real, value, old) {
                    let stored = if wide {
                        real.atomic_mut::<u16>(at).map(|it| it.store(value, order))
                    } else {
                        real.atomic_mut::<u8>(at)
                            .map(|it| it.store(value as u8, order))
                    };
                    let bytes = &u64::from(value).to_le_bytes()[..size];
                    prop_assert_eq!(stored, mapping.write(rules, at, bytes));
                }
            }
            What::Integer {
                at,
                wide,
                change,
                order,
            } => {
                let size = if wide { 8 } else { 4 };
                let old = mapping
                    .check_integer(at, size)
                    .map(|()| integer(mapping, rules, at, size));
                match real {
                    SharedReal::Read(real) => {
                        let found = if wide {
                            real.atomic::<u64>(at).map(|it| it.load(order))
                        } else {
                            real.atomic::<u32>(at).map(|it| it.load(order).into())
                        };
                        prop_assert_eq!(found, old);
                    }
                    SharedReal::Write(real) => {
                        let (expected, new) = match old {
                            Ok(old) => {
                                let (returned, new) = change.of(old, wide);
                                (Ok(returned), Some(new))
                            }
                            Err(error) => (Err(error), None),
                        };
                        prop_assert_eq!(
                            change.apply(real, at, wide, old.unwrap_or(0), order),
                            expected
                        );
                        if let Some(new) = new {
                            let bytes = &new.to_le_bytes()[..size];
                            prop_assert_eq!(mapping.write(rules, at, bytes), Ok(()));
                        }
                    }
                }
            }
            What::Wait { at, expected } => {
                let old = mapping
                    .check_integer(at, 4)
                    .map(|()| integer(mapping, rules, at, 4) as u32);
                if let Some((cell, old)) = both(real.atomic::<u32>(at), old)? {
                    let expected = expected.unwrap_or(old);
                    let errno = if expected == old {
                        Errno::ETIMEDOUT
                    } else {
                        Errno::EAGAIN
                    };
                    prop_assert_eq!(cell.wait(expected, Some(Duration::ZERO)), Err(errno));
                }
            }
            What::Wake { at, count } => {
                if let Some((cell, ())) =
                    both(real.atomic::<u32>(at), mapping.check_integer(at, 4))?
                {
                    prop_assert_eq!(cell.wake(count), Ok(0));
                }
            }
        }
        Ok(true)
    }
}

/// The integer of so many bytes that is there.
fn integer(mapping: &Mapping, rules: &Rules, at: usize, size: usize) -> u64 {
    let mut bytes = [0; 8];
    if let Ok(found) = mapping.read(rules, at, size) {
        bytes[..size].copy_from_slice(&found);
    }
    u64::from_le_bytes(bytes)
}

impl Change {
    /// What it returns, and the integer after it.
    fn of(self, old: u64, wide: bool) -> (u64, u64) {
        let fits = |value: u64| if wide { value } else { value & 0xffff_ffff };
        let (returned, new) = match self {
            Self::Load => (old, old),
            Self::Store(new) => (0, new),
            Self::Swap(new) | Self::Exchange(None, new) => (old, new),
            Self::Add(value) => (old, old.wrapping_add(value)),
            Self::Exchange(Some(is), new) => (old, if fits(is) == old { new } else { old }),
        };
        (returned, fits(new))
    }

    /// Does it, and returns what it returns.
    fn apply(
        self,
        map: &SharedMapMut,
        at: usize,
        wide: bool,
        old: u64,
        order: Ordering,
    ) -> Result<u64, AccessError> {
        macro_rules! apply {
            ($int:ty) => {{
                let cell = map.atomic_mut::<$int>(at)?;
                u64::from(match self {
                    Self::Load => cell.load(order),
                    Self::Store(new) => {
                        cell.store(new as $int, order);
                        0
                    }
                    Self::Swap(new) => cell.swap(new as $int, order),
                    Self::Add(value) => cell.fetch_add(value as $int, order),
                    Self::Exchange(is, new) => {
                        let is = is.unwrap_or(old) as $int;
                        let (Ok(it) | Err(it)) =
                            cell.compare_exchange(is, new as $int, order, order);
                        it
                    }
                })
            }};
        }
        Ok(if wide { apply!(u64) } else { apply!(u32) })
    }
}
