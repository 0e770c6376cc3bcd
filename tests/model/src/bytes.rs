//! The content of a file: its length, and those of its bytes that were ever written.

use std::collections::BTreeMap;

/// How many bytes are kept together. It is no page: nothing here depends on the machine.
const PIECE: u64 = 1024;

/// Bytes that read as zeros until they are written. A file can have nearly 2^63 of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bytes {
    pieces: BTreeMap<u64, Vec<u8>>,
    len: u64,
}

impl Bytes {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Up to `count` bytes from `offset` on: fewer at the end.
    pub(crate) fn read(&self, offset: u64, count: usize) -> Vec<u8> {
        let count = self.len.saturating_sub(offset).min(count as u64);
        let mut found = vec![0; usize::try_from(count).expect("less than was asked for")];
        for (&index, piece) in self.touched(offset, count) {
            for (at, byte) in (index * PIECE..).zip(piece) {
                if at >= offset && at - offset < count {
                    found[usize::try_from(at - offset).expect("checked")] = *byte;
                }
            }
        }
        found
    }

    /// Stores bytes, and lengthens the file if they go beyond its end.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (at, byte) in (offset..).zip(bytes) {
            let piece = self
                .pieces
                .entry(at / PIECE)
                .or_insert_with(|| vec![0; PIECE as usize]);
            piece[(at % PIECE) as usize] = *byte;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    /// Makes `count` bytes from `offset` on zeros. The length stays.
    pub(crate) fn zero(&mut self, offset: u64, count: u64) {
        let end = offset.saturating_add(count);
        let indices: Vec<u64> = self.touched(offset, count).map(|(&at, _)| at).collect();
        for index in indices {
            let start = index * PIECE;
            let piece = self.pieces.get_mut(&index).expect("it was just found");
            for (at, byte) in (start..).zip(piece) {
                if at >= offset && at < end {
                    *byte = 0;
                }
            }
        }
    }

    /// Cuts the file, or lengthens it with zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.zero(len, self.len - len);
        }
        self.len = len;
    }

    /// Only the length, as if what is cut off stayed: what a wrong model does.
    pub(crate) fn set_len_only(&mut self, len: u64) {
        self.len = len;
    }

    fn touched(&self, offset: u64, count: u64) -> impl Iterator<Item = (&u64, &Vec<u8>)> {
        let first = offset / PIECE;
        let last = offset.saturating_add(count) / PIECE;
        self.pieces.range(first..=last)
    }
}

/// `len` bytes that differ from each other, from the zeros of a hole, and with `seed`.
pub(crate) fn content(seed: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at % 251 + at / 251 + usize::from(seed)) as u8 | 1)
        .collect()
}
