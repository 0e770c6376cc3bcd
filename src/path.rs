//! Paths that end in a number, such as `/proc/self/fd/3`, made without a heap.

use core::{ffi::CStr, fmt, ops::Deref};

/// A path that ends in a number: `/proc/self/fd/N` or `/dev/loopN`.
///
/// It dereferences to a `CStr`, and `Display` prints it.
/// [`OwnedMemFd::proc_path`](crate::OwnedMemFd::proc_path) returns one.
// Aligned and padded to whole registers. Moved byte by byte it would become, on riscv64, a call
// of `memcpy`, which a program without libc need not have.
#[derive(Clone, Copy)]
#[repr(align(8))]
pub struct NumberedPath([u8; 32]);

impl NumberedPath {
    /// A path without its number. `start` has NULs up to its end: room for ten digits and the
    /// NUL that ends the path.
    pub(crate) const fn starting_with(start: [u8; 32]) -> Self {
        Self(start)
    }

    /// The path with this number at its end.
    pub(crate) fn with_number(mut self, number: u32) -> Self {
        let len = self.count_bytes();
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = number;
        for slot in self.0.iter_mut().skip(len).take(digits).rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self
    }
}

impl Deref for NumberedPath {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        // There is a NUL: at most ten digits follow the start.
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
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
