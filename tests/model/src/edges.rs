//! Numbers near which something changes, as arguments of the steps. They shrink to the first.

use proptest::{prelude::*, sample::select};

/// The page of most machines. On one with larger pages, these are sizes like others.
const PAGE: u64 = 4096;

/// How many bytes to move at once.
pub(crate) fn count() -> impl Strategy<Value = usize> {
    let edges = [0, 1, 2, 7, 64, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE];
    select(edges.map(|edge| edge as usize).to_vec())
}

/// A length or an offset: up to some pages, or rarely one that is at the end of all numbers.
pub(crate) fn number() -> BoxedStrategy<u64> {
    prop_oneof![30 => small(), 1 => select(HUGE.to_vec())].boxed()
}

/// A length or an offset of a file that has some pages.
pub(crate) fn small() -> BoxedStrategy<u64> {
    let edges = [
        0,
        1,
        2,
        3,
        8,
        100,
        PAGE - 1,
        PAGE,
        PAGE + 1,
        2 * PAGE - 1,
        2 * PAGE,
    ];
    prop_oneof![
        3 => select(edges.to_vec()),
        1 => select(vec![3 * PAGE + 5, 16 * PAGE - 1, 16 * PAGE, 16 * PAGE + 1]),
        1 => 0..4 * PAGE,
    ]
    .boxed()
}

const MOST: u64 = i64::MAX as u64;
const HUGE: [u64; 6] = [
    MOST - PAGE,
    MOST - 1,
    MOST,
    MOST + 1,
    u64::MAX - 1,
    u64::MAX,
];

/// By how much an offset moves.
pub(crate) fn distance() -> BoxedStrategy<i64> {
    prop_oneof![
        20 => -5000_i64..5000,
        20 => select(vec![0, 1, -1, 4096, -4096]),
        1 => select(vec![i64::MAX, i64::MIN, i64::MAX - 4096]),
    ]
    .boxed()
}
