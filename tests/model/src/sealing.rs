//! The model of sealing for good, of the proof, and of copies that are sealed.

use crate::{
    bytes::Bytes,
    file::{File, LAST, NO_WRITE, Open},
    rules::Rules,
};
use owned_memfd::{CreateError, SealError, Seals, VerifyErrorKind};

const PROOF: Seals = Seals::WRITE.union(Seals::SHRINK);
/// The seals of a file that is sealed for good.
pub(crate) const FINAL: Seals = PROOF.union(Seals::GROW).union(Seals::SEAL);

/// The length at which the file is proven immutable, or why it is not.
pub(crate) fn verify(rules: &Rules, open: &Open, max_len: usize) -> Result<u64, VerifyErrorKind> {
    let file = open.file();
    let seals = file.seals;
    if !seals.contains(PROOF) {
        return Err(if seals & NO_WRITE == Seals::FUTURE_WRITE {
            VerifyErrorKind::FutureWriteOnly
        } else {
            VerifyErrorKind::MissingSeals(PROOF.difference(seals))
        });
    }
    if rules.behaviour.forges && seals.contains(Seals::EXEC | Seals::FUTURE_WRITE) {
        return Err(VerifyErrorKind::ForgeableSeals);
    }
    check_len(file.bytes.len(), max_len)
}

/// The length, if it is within the limit.
pub(crate) fn check_len(len: u64, max_len: usize) -> Result<u64, VerifyErrorKind> {
    let max_len = max_len.min(LAST as usize);
    if len > max_len as u64 {
        return Err(VerifyErrorKind::TooLarge { len, max_len });
    }
    Ok(len)
}

/// Seals the file for good, and proves it.
pub(crate) fn seal(rules: &Rules, open: &Open) -> Result<u64, VerifyErrorKind> {
    match open.add_seals(rules, FINAL) {
        Err(errno) if !open.file().seals.contains(PROOF) => {
            Err(match open.explain_seal_error(errno) {
                SealError::Kernel(errno) => VerifyErrorKind::Kernel(errno),
                cause => VerifyErrorKind::Seal(cause),
            })
        }
        _ => verify(rules, open, usize::MAX),
    }
}

/// A new file with this content that is sealed for good, if it can be created.
pub(crate) fn sealed(
    created: Result<File, CreateError>,
    content: &[u8],
) -> Result<Open, CreateError> {
    let mut file = created?;
    let mut bytes = Bytes::default();
    bytes.write(0, content);
    file.bytes = bytes;
    file.seals |= FINAL;
    Ok(Open::new(file))
}
