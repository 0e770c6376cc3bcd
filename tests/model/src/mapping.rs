//! The model of what maps a file: which part of it, and whether the kernel lets it.

use crate::{
    file::{NO_WRITE, Open},
    rules::{Rules, Wrong},
};
use owned_memfd::{AccessError, Errno, MapError, Seals, VerifyErrorKind};
use std::{
    ops::{Bound, RangeBounds},
    rc::Rc,
};

/// Every page size divides this: where a map begins in the file is rounded down to it.
const LARGEST_PAGE: u64 = 64 << 10;
/// No machine has so many bytes of addresses.
const TOO_LONG: u64 = 1 << 60;

/// The range that the library finds within `len` bytes.
pub(crate) fn range_within(
    range: &(Bound<usize>, Bound<usize>),
    len: u64,
) -> Result<(u64, u64), MapError> {
    let start = match range.start_bound() {
        Bound::Unbounded => 0,
        Bound::Included(&start) => start as u128,
        Bound::Excluded(&before) => before as u128 + 1,
    };
    let end = match range.end_bound() {
        Bound::Unbounded => u128::from(len),
        Bound::Included(&last) => last as u128 + 1,
        Bound::Excluded(&end) => end as u128,
    };
    let number = |bound: u128| usize::try_from(bound).unwrap_or(usize::MAX);
    let (start, end, bound) = (number(start), number(end), number(start.max(end)));
    if bound as u64 > len {
        let len = len as usize;
        return Err(MapError::OutOfBounds { bound, len });
    }
    if start > end {
        return Err(MapError::Reversed { start, end });
    }
    Ok((start as u64, (end - start) as u64))
}

/// A part of a file that is mapped, shared with it.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) open: Open,
    /// Where it begins in the file.
    offset: u64,
    /// How many bytes of the file it has.
    len: u64,
    /// It can be written.
    writes: bool,
    /// It shows the range twice.
    mirrored: bool,
    /// Counts it, if it could write.
    _writer: Option<Rc<()>>,
}

/// How a part of a file is mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) writes: bool,
    pub(crate) mirrored: bool,
}

impl Mapping {
    /// What mapping a range of a file makes, of which the library knows that it cannot shrink.
    pub(crate) fn new(
        rules: &Rules,
        open: &Open,
        range: &(Bound<usize>, Bound<usize>),
        how: How,
    ) -> Result<Self, MapError> {
        if how.writes {
            // Whether that is possible does not matter, if the file has the seal.
            let _ = open.add_seals(rules, Seals::SHRINK);
        }
        let len = unshrinkable(open)?;
        let (offset, len) = range_within(range, len)?;
        Ok(Self::of_range(rules, open, offset, len, how)?)
    }

    fn of_range(
        rules: &Rules,
        open: &Open,
        offset: u64,
        len: u64,
        how: How,
    ) -> Result<Self, Errno> {
        let How { writes, mirrored } = how;
        let mut writer = None;
        if len > 0 {
            let page = rules.behaviour.page as u64;
            if mirrored && offset % page != 0 {
                return Err(Errno::EINVAL);
            }
            if !has_room(
                page,
                offset,
                if mirrored { len.saturating_mul(3) } else { len },
            ) {
                return Err(Errno::ENOMEM);
            }
            writer = may_map(rules, open, writes)?;
            if mirrored && len % page != 0 {
                return Err(Errno::EINVAL);
            }
        }
        Ok(Self {
            open: open.clone(),
            offset,
            len,
            writes,
            mirrored,
            _writer: writer,
        })
    }

    /// The length of the map, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len as usize * if self.mirrored { 2 } else { 1 }
    }

    /// Whether the kernel may not have room where the map is in the file: that differs.
    pub(crate) fn is_at_the_end_of_all(&self) -> bool {
        self.offset > TOO_LONG
    }

    /// Lengthens it, or returns why not.
    pub(crate) fn grow(&mut self, rules: &Rules, open: &Open, len: usize) -> Result<(), MapError> {
        let file_len = unshrinkable(open)?;
        if self.mirrored {
            return Err(Errno::EINVAL.into());
        }
        if !self.open.is_of_same_file(open) {
            return Err(MapError::OtherFile);
        }
        let bound = (self.offset as usize).saturating_add(len);
        if bound as u64 > file_len {
            let len = file_len as usize;
            return Err(MapError::OutOfBounds { bound, len });
        }
        if len as u64 <= self.len {
            return Ok(());
        }
        if self.len == 0 {
            let how = How {
                writes: self.writes,
                mirrored: false,
            };
            *self = Self::of_range(rules, open, self.offset, len as u64, how)?;
        } else if len as u64 > TOO_LONG {
            return Err(Errno::ENOMEM.into());
        }
        self.len = len as u64;
        Ok(())
    }

    /// Where in the file the byte at `at` of the map is.
    fn place(&self, rules: &Rules, at: usize) -> u64 {
        let at = if self.mirrored && !rules.is(Wrong::NoMirror) {
            at as u64 % self.len
        } else {
            at as u64
        };
        self.offset + at
    }

    /// That so many bytes are there.
    fn check(&self, at: usize, count: usize) -> Result<(), AccessError> {
        match at.checked_add(count) {
            Some(end) if end <= self.len() => Ok(()),
            _ => Err(AccessError::OutOfBounds { len: self.len() }),
        }
    }

    pub(crate) fn read(
        &self,
        rules: &Rules,
        at: usize,
        count: usize,
    ) -> Result<Vec<u8>, AccessError> {
        self.check(at, count)?;
        let file = self.open.file();
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let place = self.place(rules, at + bytes.len());
            let left = count - bytes.len();
            // Up to the end of the range; the rest is at its start again.
            let most = (self.offset + self.len)
                .saturating_sub(place)
                .min(left as u64);
            let piece = file.bytes.read(place, (most as usize).max(1));
            // What is not there is not what the map shows either.
            bytes.extend(if piece.is_empty() {
                vec![0; left]
            } else {
                piece
            });
        }
        Ok(bytes)
    }

    pub(crate) fn write(&self, rules: &Rules, at: usize, bytes: &[u8]) -> Result<(), AccessError> {
        self.check(at, bytes.len())?;
        let mut file = self.open.file_mut();
        for (at, byte) in (at..).zip(bytes) {
            file.bytes.write(self.place(rules, at), &[*byte]);
        }
        Ok(())
    }

    /// That an integer of this size can be accessed there.
    pub(crate) fn check_integer(&self, at: usize, size: usize) -> Result<(), AccessError> {
        self.check(at, size)?;
        if (self.offset + at as u64) % size as u64 != 0 {
            return Err(AccessError::Misaligned { align: size });
        }
        Ok(())
    }
}

/// The length of a file that cannot shrink.
fn unshrinkable(open: &Open) -> Result<u64, VerifyErrorKind> {
    let file = open.file();
    if !file.seals.contains(Seals::SHRINK) {
        return Err(VerifyErrorKind::MissingSeals(Seals::SHRINK));
    }
    Ok(file.bytes.len())
}

/// Whether there are so many addresses, and the kernel can number the pages.
pub(crate) fn has_room(page: u64, offset: u64, len: u64) -> bool {
    let start = offset - offset % LARGEST_PAGE;
    let end = u128::from(offset) + u128::from(len);
    let mapped = (end - u128::from(start)).next_multiple_of(u128::from(page));
    len < TOO_LONG && u128::from(start) + mapped <= (1 << 63) - u128::from(page)
}

/// Whether the kernel maps the file, and what counts a map of it that could write.
fn may_map(rules: &Rules, open: &Open, writes: bool) -> Result<Option<Rc<()>>, Errno> {
    if writes && !open.writes {
        return Err(Errno::EACCES);
    }
    let file = open.file();
    let kernel = &rules.behaviour;
    if writes && file.seals.intersects(NO_WRITE)
        || !writes && open.writes && file.seals.contains(Seals::WRITE) && kernel.no_shared_reader
    {
        return Err(Errno::EPERM);
    }
    // A map for reading could be made one for writing, if its descriptor and the seals allow that.
    let counts = open.writes && (kernel.reader_counts || !file.seals.intersects(NO_WRITE));
    Ok(counts.then(|| file.writer()))
}
