//! The bytes that are moved.

/// What comes from a cache when a file is filled, as from a producer that makes one piece after
/// the other.
pub(crate) const PIECE: usize = 64 * 1024;

pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(12);
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

/// Produces the next bytes of a content: copies of the same piece, one after the other.
pub(crate) fn produce(piece: &[u8], bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(piece.len()) {
        chunk.copy_from_slice(&piece[..chunk.len()]);
    }
}

/// Reads all bytes: adds them up as words, as fast as memory allows.
// Never inlined, so that it is the same code for everybody.
#[inline(never)]
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    let sum = words.by_ref().fold(0_u64, |sum, word| {
        sum.wrapping_add(u64::from_ne_bytes(word.try_into().unwrap_or_default()))
    });
    let rest = words.remainder().iter().map(|&byte| u64::from(byte));
    sum.wrapping_add(rest.sum())
}
