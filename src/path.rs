//! Paths that end in a number, such as `/proc/self/fd/3`, made without a heap.

use core::{ffi::CStr, fmt, ops::Deref};

/// A path that ends in a number: `/proc/self/fd/N` or `/dev/loopN`.
///
/// It dereferences to a `CStr`, and `Display` prints it. With the feature `std`, what takes a path
/// or a program's name takes it as it is.
/// [`OwnedMemFd::proc_path`](crate::OwnedMemFd::proc_path) returns one.
// Aligned and padded to whole registers. Moved byte by byte it would become, on riscv64, a call
// of `memcpy`, which a program without libc need not have.
#[derive(Clone, Copy)]
#[repr(align(8))]
pub struct NumberedPath([u8; 32]);

/// The start of such a path, a constant. It knows its length, which need not be counted again.
pub(crate) struct PathStart {
    path: NumberedPath,
    len: usize,
}

impl PathStart {
    /// `start` has NULs up to its end: room for ten digits and the NUL that ends the path.
    pub(crate) const fn new(start: [u8; 32]) -> Self {
        let len = match CStr::from_bytes_until_nul(&start) {
            Ok(start) => start.count_bytes(),
            Err(_) => 0,
        };
        Self {
            path: NumberedPath(start),
            len,
        }
    }

    /// The path that ends in this number.
    #[inline(always)]
    pub(crate) fn with_number(&self, number: u32) -> NumberedPath {
        let mut path = self.path;
        path.put_number(self.len, number);
        path
    }
}

impl NumberedPath {
    /// Writes the number at `start`, in at most ten digits.
    fn put_number(&mut self, start: usize, number: u32) {
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = number;
        for slot in self.0.iter_mut().skip(start).take(digits).rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

impl Deref for NumberedPath {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        // There is a NUL: at most ten digits follow the start.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

impl AsRef<CStr> for NumberedPath {
    fn as_ref(&self) -> &CStr {
        self
    }
}

impl fmt::Display for NumberedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is ASCII.
        f.write_str(self.to_str().unwrap_or_default())
    }
}

impl fmt::Debug for NumberedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
