//! What files hold: words that name the file and their position in it.

/// The content of a file: each word of eight bytes is the file's number and its own.
pub(crate) fn content(file: u32, len: usize) -> Vec<u8> {
    let words = (0..len.div_ceil(8) as u64).map(|position| u64::from(file) << 32 | position);
    let mut content: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    content.truncate(len);
    content
}

/// A number by which two contents of a run differ, all but certainly.
pub(crate) fn digest(content: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |digest: u64, word: u64| (digest ^ word).wrapping_mul(ODD).rotate_left(29);
    let words = content.chunks_exact(8);
    let rest = words.remainder();
    let digest = words.fold(content.len() as u64, |digest, word| {
        let word = word
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        mix(digest, word)
    });
    rest.iter()
        .fold(digest, |digest, byte| mix(digest, u64::from(*byte)))
}

/// Compares the whole of what is there with what was there. The error says where they differ.
pub(crate) fn compare(found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let same = found
        .iter()
        .zip(expected)
        .take_while(|(found, expected)| found == expected);
    let at = same.count();
    let word = |bytes: &[u8]| bytes[at..bytes.len().min(at + 8)].to_vec();
    Err(format!(
        "of {} bytes, byte {at} has changed: {:02x?} instead of {:02x?}",
        found.len(),
        word(found),
        word(expected)
    ))
}
