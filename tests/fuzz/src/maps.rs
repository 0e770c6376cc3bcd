//! Files and maps of them, against a vector: any ranges, offsets and lengths, those that no file has
//! among them.

use arbitrary::Arbitrary;
use owned_memfd::{
    AccessError, CopyMap, Errno, MapError, MemFdOptions, OwnedMemFd, SealedMap, SealedMemFd,
    SharedMapMut, TransferCause,
};
use std::{
    ops::{Bound, Range},
    sync::atomic::Ordering::SeqCst,
};

#[derive(Arbitrary, Debug)]
pub struct Case {
    len: u32,
    steps: Vec<Step>,
    sealed_steps: Vec<SealedStep>,
}

/// A number that is often near one that matters.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Near { page: u8, more: i8 },
    Any(u64),
    FromTheTop(u16),
}

impl Place {
    fn number(self) -> u64 {
        match self {
            Self::Near { page, more } => {
                (u64::from(page % 32) * 4096).saturating_add_signed(more.into())
            }
            Self::Any(number) => number,
            Self::FromTheTop(below) => u64::MAX - u64::from(below),
        }
    }

    fn index(self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }
}

type Bounds = (Bound<usize>, Bound<usize>);

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Area {
    start: Limit,
    end: Limit,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Limit {
    None,
    Included(Place),
    Excluded(Place),
}

impl Limit {
    fn bound(self) -> Bound<usize> {
        match self {
            Self::None => Bound::Unbounded,
            Self::Included(place) => Bound::Included(place.index()),
            Self::Excluded(place) => Bound::Excluded(place.index()),
        }
    }
}

impl Area {
    fn bounds(self) -> Bounds {
        (self.start.bound(), self.end.bound())
    }

    /// The range, if a file of this length has it.
    fn within(self, len: usize) -> Option<Range<usize>> {
        let (start, end) = self.bounds();
        let start = match start {
            Bound::Unbounded => 0,
            Bound::Included(start) => start,
            Bound::Excluded(before) => before.checked_add(1)?,
        };
        let end = match end {
            Bound::Unbounded => len,
            Bound::Included(last) => last.checked_add(1)?,
            Bound::Excluded(end) => end,
        };
        (start <= end && end <= len).then_some(start..end)
    }
}

/// With a file that can be written. Once it is mapped, it cannot shrink.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    SetLen(Place),
    Write { offset: Place, byte: u8, len: u16 },
    Read { offset: Place, len: u16 },
    Punch { offset: Place, len: Place },
    Map(Area),
    Mirror(Area),
    OnMap { map: u8, step: MapStep },
}

/// With one of its maps.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum MapStep {
    Grow(Place),
    Store { offset: Place, byte: u8, len: u16 },
    Load { offset: Place, len: u16 },
    Add { offset: Place, value: u32 },
}

/// With one that is sealed.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum SealedStep {
    Map(Area),
    Copy { at: Place, byte: u8 },
    Read { offset: Place, len: u16 },
}

const STEPS: usize = 48;
const MAPS: usize = 6;
/// The longest file: what is longer is not compared.
const LEN: u64 = 1 << 18;

/// A file, its maps, and what it must contain.
struct World {
    file: OwnedMemFd,
    content: Vec<u8>,
    maps: Vec<Mapped>,
    /// It has the seal that a map needs.
    keeps_len: bool,
}

struct Mapped {
    map: SharedMapMut,
    range: Range<usize>,
    is_mirrored: bool,
}

impl Case {
    pub fn run(self) {
        let file = MemFdOptions::new()
            .create("maps")
            .expect("there is room for a file");
        let len = u64::from(self.len) % LEN;
        file.set_len(len).expect("there is memory");
        let mut world = World {
            file,
            content: vec![0; usize::try_from(len).unwrap_or_default()],
            maps: Vec::new(),
            keeps_len: false,
        };
        for step in self.steps.into_iter().take(STEPS) {
            world.step(step);
        }
        let World {
            file,
            content,
            maps,
            ..
        } = world;
        drop(maps);
        let sealed = file.seal().expect("no map is left");
        for step in self.sealed_steps.into_iter().take(STEPS) {
            step.run(&sealed, &content);
        }
        let map: SealedMap = sealed.map().expect("it can be mapped");
        assert!(*map == *content);
    }
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::SetLen(len) => self.set_len(len.number()),
            Step::Write { offset, byte, len } => {
                self.write(offset.number(), &vec![byte; len.into()]);
            }
            Step::Read { offset, len } => {
                let mut found = vec![0; len.into()];
                let result = self.file.read_exact_at(&mut found, offset.number());
                let expected = span(&self.content, offset.index(), found.len());
                assert!(
                    found.is_empty() || result.is_ok() == expected.is_some(),
                    "{result:?}"
                );
                assert!(expected.is_none_or(|expected| expected == found));
            }
            Step::Punch { offset, len } => {
                let (from, len) = (offset.number(), len.number());
                let is_punched = self.file.punch_hole(from, len).is_ok();
                let end = from
                    .checked_add(len)
                    .filter(|end| i64::try_from(*end).is_ok());
                assert_eq!(is_punched, len > 0 && end.is_some());
                if let (true, Some(end)) = (is_punched, end) {
                    let clip = |at: u64| {
                        usize::try_from(at)
                            .unwrap_or(usize::MAX)
                            .min(self.content.len())
                    };
                    let (from, end) = (clip(from), clip(end));
                    self.content[from..end].fill(0);
                }
            }
            Step::Map(area) => {
                let range = area.within(self.content.len());
                let map = self.file.map_shared_mut(area.bounds());
                self.keeps_len = true;
                self.has_mapped(map, range, false);
            }
            Step::Mirror(area) => {
                let range = area.within(self.content.len());
                let is_of_pages = |range: &Range<usize>| {
                    range.start.is_multiple_of(4096) && range.end.is_multiple_of(4096)
                };
                let map = self.file.map_mirrored_mut(area.bounds());
                self.keeps_len = true;
                // Whether nothing begins at a page is left open.
                if range.as_ref().is_none_or(|range| !range.is_empty()) {
                    self.has_mapped(map, range.filter(is_of_pages), true);
                }
            }
            Step::OnMap { map, step } => {
                let count = self.maps.len().max(1);
                if let Some(mapped) = self.maps.get_mut(usize::from(map) % count) {
                    mapped.step(step, &self.file, &mut self.content);
                }
            }
        }
    }

    fn set_len(&mut self, len: u64) {
        if len >= LEN && i64::try_from(len).is_ok() {
            return;
        }
        let is_longer = len >= self.content.len() as u64;
        let result = self.file.set_len(len);
        match result {
            Ok(()) => {
                assert!(is_longer || !self.keeps_len);
                self.content
                    .resize(usize::try_from(len).unwrap_or_default(), 0);
            }
            Err(Errno::EPERM) => assert!(self.keeps_len && !is_longer),
            Err(errno) => assert!(i64::try_from(len).is_err(), "{errno}"),
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        // At such an offset no file has a byte.
        let is_nowhere = i64::try_from(offset).is_err();
        if !is_nowhere && offset >= LEN {
            return;
        }
        match self.file.write_all_at(bytes, offset) {
            Ok(()) if bytes.is_empty() => {}
            Ok(()) => {
                let from = usize::try_from(offset).expect("no file is so long");
                let end = from + bytes.len();
                self.content.resize(self.content.len().max(end), 0);
                self.content[from..end].copy_from_slice(bytes);
            }
            Err(error) => {
                assert_eq!(error.cause, TransferCause::Kernel(Errno::EINVAL));
                assert!(is_nowhere);
            }
        }
    }

    fn has_mapped(
        &mut self,
        map: Result<SharedMapMut, MapError>,
        range: Option<Range<usize>>,
        is_mirrored: bool,
    ) {
        match (map, range) {
            (Ok(map), Some(range)) => {
                let times = if is_mirrored { 2 } else { 1 };
                assert_eq!(map.len(), times * range.len());
                if self.maps.len() < MAPS {
                    self.maps.push(Mapped {
                        map,
                        range,
                        is_mirrored,
                    });
                }
            }
            (Ok(_), None) => panic!("no file has this range"),
            (Err(error), range) => assert!(range.is_none_or(|range| range.is_empty()), "{error}"),
        }
    }
}

impl Mapped {
    fn step(&mut self, step: MapStep, file: &OwnedMemFd, content: &mut [u8]) {
        match step {
            MapStep::Grow(len) => {
                let end = self.range.start.saturating_add(len.index());
                match self.map.grow(file, len.index()) {
                    Ok(()) => {
                        assert!(!self.is_mirrored);
                        self.range.end = self.range.end.max(end);
                        assert!(self.range.end <= content.len());
                        assert_eq!(self.map.len(), self.range.len());
                    }
                    Err(error) => assert!(self.is_mirrored || end > content.len(), "{error}"),
                }
            }
            MapStep::Store { offset, byte, len } => {
                let (offset, bytes) = (offset.index(), vec![byte; len.into()]);
                let result = self.map.write_all_at(&bytes, offset);
                let places = self.places(offset, bytes.len());
                assert_eq!(result.is_ok(), places.is_some(), "{result:?}");
                for place in places.into_iter().flatten() {
                    content[place] = byte;
                }
            }
            MapStep::Load { offset, len } => {
                let (offset, mut found) = (offset.index(), vec![0; len.into()]);
                let result = self.map.read_exact_at(&mut found, offset);
                let places = self.places(offset, found.len());
                assert_eq!(result.is_ok(), places.is_some(), "{result:?}");
                for (place, byte) in places.into_iter().flatten().zip(found) {
                    assert_eq!(content[place], byte);
                }
            }
            MapStep::Add { offset, value } => {
                let offset = offset.index();
                let places = self.places(offset, 4);
                let address = self.map.as_ptr().addr().wrapping_add(offset);
                match (self.map.atomic_mut::<u32>(offset), places) {
                    (Ok(number), Some(places)) => {
                        assert!(address.is_multiple_of(4));
                        let mut bytes = [0; 4];
                        for (byte, place) in bytes.iter_mut().zip(&places) {
                            *byte = content[*place];
                        }
                        let before = u32::from_ne_bytes(bytes);
                        assert_eq!(number.fetch_add(value, SeqCst), before);
                        let after = before.wrapping_add(value);
                        assert_eq!(number.load(SeqCst), after);
                        for (byte, place) in after.to_ne_bytes().into_iter().zip(places) {
                            content[place] = byte;
                        }
                    }
                    (Err(AccessError::Misaligned { .. }), _) => {
                        assert!(!address.is_multiple_of(4));
                    }
                    (Err(_), places) => assert_eq!(places, None),
                    (Ok(_), None) => panic!("no map has this integer"),
                }
            }
        }
    }

    /// Where in the file the bytes of a part of the map stand, if the map has that part.
    fn places(&self, from: usize, len: usize) -> Option<Vec<usize>> {
        let end = from.checked_add(len).filter(|end| *end <= self.map.len())?;
        let place = |at| self.range.start + at % self.range.len().max(1);
        Some((from..end).map(place).collect())
    }
}

impl SealedStep {
    fn run(self, sealed: &SealedMemFd, content: &[u8]) {
        match self {
            Self::Map(area) => {
                match (sealed.map_range(area.bounds()), area.within(content.len())) {
                    (Ok(map), Some(range)) => assert!(*map == content[range]),
                    (Ok(_), None) => panic!("no file has this range"),
                    (Err(error), range) => {
                        assert!(range.is_none());
                        assert!(matches!(
                            error,
                            MapError::OutOfBounds { .. } | MapError::Reversed { .. }
                        ));
                    }
                }
            }
            Self::Copy { at, byte } => {
                let mut copy: CopyMap = sealed.map_copy().expect("there is memory");
                assert!(*copy == *content);
                if let Some(found) = copy.get_mut(at.index()) {
                    *found = byte;
                }
            }
            Self::Read { offset, len } => {
                let mut found = vec![0; len.into()];
                let count = sealed
                    .read_at(&mut found, offset.index())
                    .expect("it can be read");
                let rest = content.get(offset.index()..).unwrap_or_default();
                assert_eq!(count, rest.len().min(found.len()));
                assert_eq!(found[..count], rest[..count]);
            }
        }
    }
}

/// These bytes, if they are all there.
fn span(content: &[u8], from: usize, len: usize) -> Option<&[u8]> {
    content.get(from..from.checked_add(len)?)
}
