//! What a sequence leaves: nothing.

use crate::state::Verdict;
use proptest::prop_assert_eq;
use std::{fs, io};

/// What this process has of descriptors and of mappings of memory files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inventory {
    descriptors: usize,
    maps: usize,
}

impl Inventory {
    pub(crate) fn take() -> io::Result<Self> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        Ok(Self {
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            maps: maps.lines().filter(|line| line.contains("/memfd:")).count(),
        })
    }

    /// That there is now neither more nor less.
    pub(crate) fn is_unchanged(&self) -> Verdict {
        let now = Self::take().map_err(|error| {
            proptest::test_runner::TestCaseError::fail(format!("/proc/self: {error}"))
        })?;
        prop_assert_eq!(&now, self, "what is left");
        Ok(())
    }
}
