//! Every way to judge a descriptor, and whether what the library says of it is so. The kernel is
//! asked with calls that are not the library's, but for the bug that forges seals.

use crate::files::{Forged, Identity, identity, len};
use arbitrary::Arbitrary;
use owned_memfd::{
    BorrowedSealedMemFd, Errno, OwnedMemFd, SealedMemFd, VerifyErrorKind, has_cve_2026_63952,
};
use rustix::fs::{FileType, OFlags, SealFlags};
use std::os::fd::{AsFd, OwnedFd};

/// What the receiver does with a descriptor.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Judge {
    Verify(Limit),
    VerifyOrCopy(Limit),
    Borrow(Limit),
    Take,
    Close,
}

/// How long a file may be.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Limit {
    Bytes(u16),
    Any,
}

impl Limit {
    pub fn bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.into(),
            Self::Any => usize::MAX,
        }
    }
}

/// The longest file that a case copies. The kernel would copy a terabyte, in its time.
const LONGEST_COPY: usize = 1 << 18;

/// A file that is shorter can be mapped.
const MAPPABLE: u64 = 1 << 40;

/// How much is read of each end of a file.
const END: usize = 4096;

/// What the kernel says of a descriptor.
pub struct Facts {
    pub identity: Identity,
    len: u64,
    /// Whether no byte of it can change, and it cannot get shorter.
    is_fixed: bool,
    is_path: bool,
    is_huge: bool,
    /// If it can be read by position.
    ends: Option<Ends>,
}

/// The first and last bytes of a file.
#[derive(PartialEq)]
struct Ends {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Ends {
    fn of(fd: impl AsFd, len: u64) -> Option<Self> {
        let read = |from| {
            let mut bytes = vec![0; END];
            let count = rustix::io::pread(&fd, &mut bytes, from).ok()?;
            bytes.truncate(count);
            Some(bytes)
        };
        Some(Self {
            first: read(0)?,
            last: read(len.saturating_sub(END as u64))?,
        })
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            first: bytes[..bytes.len().min(END)].to_vec(),
            last: bytes[bytes.len().saturating_sub(END)..].to_vec(),
        }
    }
}

impl Facts {
    pub fn of(fd: impl AsFd) -> Self {
        let needed = SealFlags::WRITE | SealFlags::SHRINK;
        let forgeable = SealFlags::from_bits_retain(libc::F_SEAL_EXEC.cast_unsigned())
            | SealFlags::FUTURE_WRITE;
        let seals = rustix::fs::fcntl_get_seals(&fd).unwrap_or(SealFlags::empty());
        let is_believed = !seals.contains(forgeable) || has_cve_2026_63952() == Ok(false);
        let len = len(&fd);
        let flags = rustix::fs::fcntl_getfl(&fd).unwrap_or(OFlags::empty());
        let is_path = flags.contains(OFlags::PATH);
        let found = rustix::fs::fstat(&fd).expect("fstat always works");
        let is_regular = FileType::from_raw_mode(found.st_mode).is_file();
        Self {
            identity: identity(&fd),
            len,
            is_fixed: seals.contains(needed) && is_believed,
            is_path,
            is_huge: found.st_blksize > 1 << 16,
            ends: if is_regular { Ends::of(&fd, len) } else { None },
        }
    }

    /// Whether the library must say that it is proven.
    fn is_proven_within(&self, limit: usize) -> bool {
        let longest = limit.min(isize::MAX.cast_unsigned()) as u64;
        self.is_fixed && self.len <= longest
    }
}

/// Judges a received descriptor. `files` are all that the sender has.
pub fn judge(fd: OwnedFd, how: Judge, files: &[Forged]) {
    let facts = Facts::of(&fd);
    match how {
        Judge::Verify(limit) => match SealedMemFd::verify(fd, limit.bytes()) {
            Ok(sealed) => is_sealed(sealed, &facts, limit.bytes(), files),
            Err(error) => {
                is_refused(error.kind(), &facts, limit.bytes());
                came_back(error.get_ref(), &facts);
            }
        },
        Judge::Borrow(limit) => match BorrowedSealedMemFd::verify(&fd, limit.bytes()) {
            Ok(sealed) => {
                let sealed = sealed.try_clone().expect("there is room for a descriptor");
                is_sealed(sealed, &facts, limit.bytes(), files);
            }
            Err(kind) => is_refused(kind, &facts, limit.bytes()),
        },
        Judge::VerifyOrCopy(limit) => {
            let limit = limit.bytes().min(LONGEST_COPY);
            match SealedMemFd::verify_or_copy(fd, limit) {
                Ok(sealed) if identity(&sealed) == facts.identity => {
                    is_sealed(sealed, &facts, limit, files);
                }
                Ok(copy) => {
                    assert!(
                        !facts.is_proven_within(limit),
                        "what is proven is not copied"
                    );
                    assert!(copy.len() <= limit);
                    let ends = facts.ends.expect("what is copied can be read");
                    let map = copy.map().expect("a copy can be mapped");
                    assert!(Ends::of_bytes(&map).first == ends.first);
                    let facts = Facts::of(&copy);
                    is_sealed(copy, &facts, limit, files);
                }
                Err(error) => {
                    is_refused(error.kind(), &facts, limit);
                    came_back(error.get_ref(), &facts);
                }
            }
        }
        Judge::Take => {
            let known = files.iter().find(|file| file.identity == facts.identity);
            match OwnedMemFd::try_from(fd) {
                Ok(file) => {
                    assert_eq!(identity(&file), facts.identity);
                    assert!(known.is_none_or(|file| file.is_memory), "{file:?}");
                }
                Err(error) => {
                    let is_memory = known.is_some_and(|file| file.is_memory);
                    assert!(!is_memory || facts.is_path, "{:?}", error.kind());
                    came_back(error.get_ref(), &facts);
                }
            }
        }
        Judge::Close => drop(fd),
    }
}

/// What is claimed to be immutable is, whatever the sender does from now on.
pub fn is_sealed(sealed: SealedMemFd, facts: &Facts, limit: usize, files: &[Forged]) {
    assert!(facts.is_proven_within(limit), "{sealed:?} is not proven");
    assert_eq!(identity(&sealed), facts.identity);
    assert_eq!(sealed.len() as u64, facts.len);
    let attack = || {
        for file in files.iter().filter(|file| file.identity == facts.identity) {
            file.attack_in_every_way();
        }
    };
    attack();
    let map = match sealed.map() {
        Ok(map) => map,
        Err(errno) => {
            match errno {
                Errno::EACCES => assert!(facts.ends.is_none(), "it is open for reading"),
                Errno::ENOMEM => assert!(facts.len > MAPPABLE, "there is room"),
                _ => assert!(facts.is_huge, "{errno:?}"),
            }
            return;
        }
    };
    assert_eq!(map.len(), sealed.len());
    let Some(ends) = &facts.ends else {
        // Of no byte, no call is made.
        assert!(map.is_empty(), "what can be mapped can be read");
        return;
    };
    assert!(Ends::of_bytes(&map) == *ends, "the map has other bytes");
    attack();
    drop(sealed);
    attack();
    assert!(Ends::of_bytes(&map) == *ends, "bytes have changed");
}

/// What is refused could not be proven, and the reason is the right one.
pub fn is_refused(kind: VerifyErrorKind, facts: &Facts, limit: usize) {
    assert!(!facts.is_proven_within(limit), "{kind:?}");
    match kind {
        VerifyErrorKind::PathOnly => assert!(facts.is_path),
        VerifyErrorKind::TooLarge { len, max_len } => {
            assert!(len > max_len as u64);
            assert!(max_len <= limit);
        }
        VerifyErrorKind::MissingSeals(_) | VerifyErrorKind::FutureWriteOnly => {
            assert!(!facts.is_fixed);
        }
        _ => {}
    }
    // Each has a text and a number.
    assert!(!kind.to_string().is_empty());
    assert!(Errno::from(kind).raw_os_error() > 0);
}

/// A refused descriptor is the one that was handed in, and open.
fn came_back(fd: &OwnedFd, facts: &Facts) {
    assert_eq!(identity(fd), facts.identity);
}
