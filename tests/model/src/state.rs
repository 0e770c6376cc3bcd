//! Everything that is alive at once: what the library made, each beside its model.

use crate::{
    file::Open,
    mapping::Mapping,
    rules::Rules,
    steps::{
        sockets::Pair,
        streams::{ReaderPair, WriterPair},
    },
};
use owned_memfd::{
    CopyMap, CreateError, ExecMap, OwnedMemFd, SealedMap, SealedMemFd, SharedMap, SharedMapMut,
};
use proptest::{prop_assert_eq, test_runner::TestCaseError};
use std::ops::Deref;

/// What a step, or a comparison, ends with.
pub(crate) type Verdict<T = ()> = Result<T, TestCaseError>;

/// How many of each kind there can be.
pub(crate) const FILES: usize = 5;
pub(crate) const MAPS: usize = 4;
pub(crate) const SEALED: usize = 3;
pub(crate) const WRITERS: usize = 2;
pub(crate) const READERS: usize = 2;
pub(crate) const SOCKETS: usize = 2;

/// A descriptor, and its model.
pub(crate) struct Descriptor {
    pub(crate) real: OwnedMemFd,
    pub(crate) open: Open,
    pub(crate) close_on_exec: bool,
}

/// A sealed file, and its model.
pub(crate) struct SealedPair {
    pub(crate) real: SealedMemFd,
    pub(crate) open: Open,
    /// The length at which it was proven.
    pub(crate) len: u64,
    pub(crate) close_on_exec: bool,
}

/// The bytes of a sealed file, mapped, and what they must be.
pub(crate) struct Fixed {
    pub(crate) real: FixedReal,
    pub(crate) bytes: Vec<u8>,
}

/// A map as the library has it.
pub(crate) enum FixedReal {
    Map(SealedMap),
    Copy(CopyMap),
    Exec(ExecMap),
}

impl Deref for FixedReal {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Copy(map) => map,
            Self::Exec(map) => map,
        }
    }
}

/// A map of memory that others write, and its model.
pub(crate) struct SharedPair {
    pub(crate) real: SharedReal,
    pub(crate) mapping: Mapping,
}

/// A map as the library has it.
pub(crate) enum SharedReal {
    Read(SharedMap),
    Write(SharedMapMut),
}

impl Deref for SharedReal {
    type Target = SharedMap;

    fn deref(&self) -> &SharedMap {
        match self {
            Self::Read(map) => map,
            Self::Write(map) => map,
        }
    }
}

/// Everything that is alive.
pub(crate) struct State<'r> {
    pub(crate) rules: &'r Rules,
    pub(crate) files: [Option<Descriptor>; FILES],
    pub(crate) shared: [Option<SharedPair>; MAPS],
    pub(crate) sealed: [Option<SealedPair>; SEALED],
    pub(crate) fixed: [Option<Fixed>; MAPS],
    pub(crate) writers: [Option<WriterPair>; WRITERS],
    pub(crate) readers: [Option<ReaderPair>; READERS],
    pub(crate) sockets: [Option<Pair>; SOCKETS],
}

impl<'r> State<'r> {
    pub(crate) fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            files: Default::default(),
            shared: Default::default(),
            sealed: Default::default(),
            fixed: Default::default(),
            writers: Default::default(),
            readers: Default::default(),
            sockets: Default::default(),
        }
    }

    /// Compares everything with its model.
    pub(crate) fn compare(&self) -> Verdict {
        for file in self.files.iter().flatten() {
            file.compare()?;
        }
        for map in self.shared.iter().flatten() {
            map.compare(self.rules)?;
        }
        for sealed in self.sealed.iter().flatten() {
            sealed.compare()?;
        }
        for map in self.fixed.iter().flatten() {
            same_bytes(&map.real, &map.bytes)?;
        }
        for writer in self.writers.iter().flatten() {
            writer.compare()?;
        }
        for reader in self.readers.iter().flatten() {
            reader.compare()?;
        }
        Ok(())
    }
}

/// The most bytes of a file that are compared: no file that is written has more at its start.
pub(crate) const MOST: usize = 256 << 10;
/// And at its end.
const END: u64 = 16 << 10;

impl Descriptor {
    #[allow(
        clippy::seek_from_current,
        reason = "std's `stream_position` is not there without std"
    )]
    fn compare(&self) -> Verdict {
        let Self { real, open, .. } = self;
        prop_assert_eq!(real.close_on_exec(), Ok(self.close_on_exec));
        prop_assert_eq!(
            real.seek(owned_memfd::SeekFrom::Current(0)),
            Ok(open.offset()),
            "the offset"
        );
        compare_file(real, open)
    }
}

impl SealedPair {
    /// A new sealed file and its model, if there must be one.
    pub(crate) fn of(
        real: Result<SealedMemFd, CreateError>,
        model: Result<Open, CreateError>,
        inherits: bool,
    ) -> Verdict<Option<Self>> {
        Ok(both(real, model)?.map(|(real, open)| {
            let len = open.file().bytes.len();
            Self {
                real,
                open,
                len,
                close_on_exec: !inherits,
            }
        }))
    }

    fn compare(&self) -> Verdict {
        let Self { real, open, .. } = self;
        prop_assert_eq!(real.len() as u64, self.len, "the proven length");
        prop_assert_eq!(real.is_empty(), self.len == 0);
        prop_assert_eq!(real.seals(), Ok(open.file().seals));
        prop_assert_eq!(real.as_memfd().close_on_exec(), Ok(self.close_on_exec));
        compare_file(real.as_memfd(), open)
    }
}

impl SharedPair {
    fn compare(&self, rules: &Rules) -> Verdict {
        let Self { real, mapping } = self;
        prop_assert_eq!(real.len(), mapping.len(), "the length of the map");
        prop_assert_eq!(real.is_empty(), mapping.len() == 0);
        let expected = mapping.read(rules, 0, mapping.len());
        let mut found = vec![0; real.len()];
        prop_assert_eq!(real.read_exact_at(&mut found, 0), Ok(()));
        same_bytes(&found, &expected.unwrap_or_default())
    }
}

/// Compares a file with its model, without its offset.
pub(crate) fn compare_file(real: &OwnedMemFd, open: &Open) -> Verdict {
    let file = open.file();
    prop_assert_eq!(real.len(), Ok(file.bytes.len()), "the length");
    prop_assert_eq!(real.seals(), Ok(file.seals), "the seals");
    prop_assert_eq!(real.mode(), Ok(file.mode), "the mode");
    // A longer file has something at its very end, if at all.
    for start in [0, file.bytes.len().saturating_sub(END)] {
        let expected = file.bytes.read(start, MOST);
        let mut found = vec![0; expected.len()];
        prop_assert_eq!(real.read_exact_at(&mut found, start), Ok(()));
        same_bytes(&found, &expected)?;
        if file.bytes.len() <= MOST as u64 {
            break;
        }
    }
    Ok(())
}

/// Both values, if there must be any, after comparing the errors.
pub(crate) fn both<T, M, E: PartialEq + std::fmt::Debug>(
    real: Result<T, E>,
    model: Result<M, E>,
) -> Verdict<Option<(T, M)>> {
    match (real, model) {
        (Ok(real), Ok(model)) => Ok(Some((real, model))),
        (real, model) => {
            prop_assert_eq!(real.err(), model.err());
            Ok(None)
        }
    }
}

/// That bytes are the same, or else where they first differ: all of them would be much to print.
pub(crate) fn same_bytes(found: &[u8], expected: &[u8]) -> Verdict {
    prop_assert_eq!(found.len(), expected.len(), "so many bytes");
    let differ = found
        .iter()
        .zip(expected)
        .position(|(one, other)| one != other);
    if let Some(at) = differ {
        return Err(TestCaseError::fail(format!(
            "byte {at} is {}, and must be {}",
            found[at], expected[at]
        )));
    }
    Ok(())
}
