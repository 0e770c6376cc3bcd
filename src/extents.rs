//! Huge pages for a new file that is going to be filled.
//!
//! Filling 2 MiB takes an eighth of the time if they are one huge page, and not 512 small ones.
//! `MADV_COLLAPSE` (Linux 6.1) makes one, whatever the machine's settings are. All of it is best
//! effort: where the kernel refuses, the pages stay small.
//!
//! Nothing is ever touched through a mapping here, so a shortage of memory is no signal.

use crate::{
    errno::Errno,
    fd::AsFd,
    memfd::OwnedMemFd,
    region::{self, MapMode, Region, Source},
    sys,
};

/// The length and the alignment of what becomes one huge page.
const EXTENT: u64 = region::EXTENT as u64;

/// Which extents of a file become huge pages while it is written from its start to its end.
///
/// From bit 3 on: how many whole extents it is expected to have.
pub(crate) struct Extents(u32);

impl Extents {
    /// The kernel refused, or the options forbid it.
    const OFF: u32 = 1;
    /// The file was lengthened for an extent, and may still be longer than what was written.
    const AHEAD: u32 = 1 << 1;
    /// The expected length ends within an extent.
    const TAIL: u32 = 1 << 2;

    /// `capacity` is the expected length, or 0 if unknown.
    #[inline(always)]
    pub(crate) const fn new(on: bool, capacity: u64) -> Self {
        if !on {
            return Self(Self::OFF);
        }
        let whole = capacity / EXTENT;
        // More than memory can hold is as good as that.
        let whole = if whole < 1 << 28 {
            whole as u32
        } else {
            1 << 28
        };
        let has_tail = capacity % EXTENT != 0;
        Self((whole << 3) | if has_tail { Self::TAIL } else { 0 })
    }

    const fn has(&self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// Prepares an extent if one begins at `at`, which is the end of what was written. Returns how
    /// many bytes to write there before asking again.
    ///
    /// `in_hand` is how many bytes are ready to be written, or 0 if unknown.
    #[inline(always)]
    pub(crate) fn before(&mut self, file: &OwnedMemFd, at: u64, in_hand: u64) -> u64 {
        if self.has(Self::OFF) {
            return u64::MAX;
        }
        let into = at % EXTENT;
        if into == 0 {
            self.begin(file, at, in_hand);
        }
        EXTENT - into
    }

    /// An extent begins at `at`. It becomes a huge page if it is going to be filled: by what is in
    /// hand, or within the expected length. Or if the file gets longer than expected, and has an
    /// extent already.
    #[cold]
    #[inline(never)]
    fn begin(&mut self, file: &OwnedMemFd, at: u64, in_hand: u64) {
        let (index, expected) = (at / EXTENT, u64::from(self.0 >> 3));
        let is_filled = in_hand >= EXTENT || index < expected;
        let is_expected = index < expected || index == expected && self.has(Self::TAIL);
        let is_next = in_hand > 0 && index > 0 && !is_expected;
        if (is_filled || is_next) && self.prepare(file, at).is_err() {
            self.0 |= Self::OFF;
        }
    }

    /// Makes one extent a huge page, which the file gets long enough for.
    fn prepare(&mut self, file: &OwnedMemFd, start: u64) -> Result<(), Errno> {
        let end = start.wrapping_add(EXTENT);
        // Above the limit, the signal `SIGXFSZ` kills.
        if !sys::transfer::file_len_limit().is_ok_and(|limit| end <= limit) {
            return Err(Errno::EFBIG);
        }
        file.set_len(end)?;
        self.0 |= Self::AHEAD;
        // It is an ordinary file of our own.
        let source = Source {
            fd: file.as_fd(),
            block: region::SMALLEST_PAGE,
            inode: 0,
        };
        // A child that another thread forks meanwhile keeps the mapping. If it was shared and could
        // write, that would prevent sealing. What is collapsed is the file all the same.
        Region::new(source, start, region::EXTENT, MapMode::PrivateRead)?.collapse_holes()
    }

    /// Cuts the file to the `written` bytes that it has, so that it keeps no more memory. It is
    /// `EBUSY` if another process has changed its length.
    #[inline(always)]
    pub(crate) fn end(&self, file: &OwnedMemFd, written: u64) -> Result<(), Errno> {
        if self.has(Self::AHEAD) {
            return cut(file, written);
        }
        Ok(())
    }
}

/// Cuts a file that is longer than what was written, up to the end of an extent.
#[cold]
#[inline(never)]
fn cut(file: &OwnedMemFd, written: u64) -> Result<(), Errno> {
    let len = sys::memfd::stat(file.as_fd())?.len;
    if len == written {
        return Ok(());
    }
    // If it was shorter, cutting would lengthen it by zeros.
    let is_ahead = len > written && len - written <= EXTENT;
    if !is_ahead || len % EXTENT != 0 {
        return Err(Errno::EBUSY);
    }
    file.set_len(written)
}
