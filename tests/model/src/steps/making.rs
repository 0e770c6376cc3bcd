//! Making sealed files: by sealing, verifying, copying, and filling in place.

use super::{
    Done,
    files::{Options, any_options},
};
use crate::{
    bytes::content,
    edges,
    file::{LAST, Open},
    rules::Rules,
    sealing,
    state::{Descriptor, FILES, MOST, SEALED, SealedPair, State, Verdict},
};
use owned_memfd::{
    BorrowedSealedMemFd, CreateError, Errno, OwnedMemFd, SealedMemFd, TryCreateError, VerifyError,
    VerifyErrorKind,
    fd::{AsFd, OwnedFd},
};
use proptest::{prelude::*, prop_assert, prop_assert_eq, sample::select};
use std::{
    env,
    fs::{self, File},
    io, process,
};

/// A step whose sealed file, if there is one, comes to this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    to: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Seal {
        file: usize,
    },
    Verify {
        file: usize,
        max: usize,
        how: How,
    },
    VerifyLent {
        file: usize,
        max: usize,
        how: How,
    },
    VerifyOrCopy {
        file: usize,
        max: usize,
    },
    CopyOf {
        source: Source,
        max: usize,
        how: Copying,
    },
    CopyFromSlice {
        options: Options,
        seed: u8,
        len: usize,
    },
    CopyFromFile {
        options: Options,
        file: usize,
        max: usize,
    },
    CreateWith {
        options: Options,
        seed: u8,
        len: usize,
    },
    TryCreateWith {
        options: Options,
        len: usize,
    },
}

/// By which method a file is verified: those other than the first have no limit.
#[derive(Clone, Copy, Debug)]
enum How {
    Verify,
    OfDescriptor,
    OfFile,
}

/// A file that is no memory file.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// It says that it is empty, and is not.
    Proc,
    /// One with a name in a directory, until it is there.
    Regular { seed: u8, len: usize },
}

/// How such a file is copied.
#[derive(Clone, Copy, Debug)]
enum Copying {
    VerifyOrCopy,
    CopyFromFile(Options),
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..SEALED, any_what()).prop_map(|(to, what)| Step { to, what })
}

fn any_what() -> BoxedStrategy<What> {
    let max = || edges::number().prop_map(|max| max as usize);
    let how = || select(vec![How::Verify, How::OfDescriptor, How::OfFile]);
    let source = prop_oneof![
        Just(Source::Proc),
        (any::<u8>(), edges::count()).prop_map(|(seed, len)| Source::Regular { seed, len }),
    ];
    let copying = prop_oneof![
        Just(Copying::VerifyOrCopy),
        any_options().prop_map(Copying::CopyFromFile)
    ];
    prop_oneof![
        4 => (0..FILES).prop_map(|file| What::Seal { file }),
        4 => (0..FILES, max(), how()).prop_map(|(file, max, how)| What::Verify { file, max, how }),
        1 => (0..FILES, max(), how())
            .prop_map(|(file, max, how)| What::VerifyLent { file, max, how }),
        2 => (0..FILES, max()).prop_map(|(file, max)| What::VerifyOrCopy { file, max }),
        2 => (source, max(), copying)
            .prop_map(|(source, max, how)| What::CopyOf { source, max, how }),
        2 => (any_options(), any::<u8>(), edges::count())
            .prop_map(|(options, seed, len)| What::CopyFromSlice { options, seed, len }),
        2 => (any_options(), 0..FILES, max())
            .prop_map(|(options, file, max)| What::CopyFromFile { options, file, max }),
        2 => (any_options(), any::<u8>(), max())
            .prop_map(|(options, seed, len)| What::CreateWith { options, seed, len }),
        1 => (any_options(), max()).prop_map(|(options, len)| What::TryCreateWith { options, len }),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        match self.what {
            What::Seal { file } | What::Verify { file, .. } | What::VerifyOrCopy { file, .. } => {
                let Some(descriptor) = state.files[file].take() else {
                    return Ok(false);
                };
                match self.consume(state.rules, descriptor)? {
                    Ok(sealed) => state.sealed[self.to] = Some(sealed),
                    Err(descriptor) => state.files[file] = Some(descriptor),
                }
            }
            What::VerifyLent { file, max, how } => {
                let Some(Descriptor { real, open, .. }) = &state.files[file] else {
                    return Ok(false);
                };
                let (real, max) = match how {
                    How::Verify => (BorrowedSealedMemFd::verify(real, max), max),
                    How::OfDescriptor => (BorrowedSealedMemFd::verify_fd(real.as_fd(), max), max),
                    How::OfFile => (BorrowedSealedMemFd::try_from(real.as_fd()), usize::MAX),
                };
                let model = sealing::verify(state.rules, open, max);
                prop_assert_eq!(real.map(|lent| lent.len() as u64), model);
            }
            What::CopyOf { source, max, how } => {
                state.sealed[self.to] = source.copy(state.rules, max, how)?;
            }
            What::CopyFromFile { options, file, max } => {
                let Some(Descriptor { real, open, .. }) = &state.files[file] else {
                    return Ok(false);
                };
                let max = bearable(max, open);
                let real = options
                    .real()
                    .copy_from_file(options.name().as_str(), real, max);
                let len = open.file().bytes.len();
                let model = sealing::check_len(len, max)
                    .map_err(CreateError::from)
                    .and_then(|len| {
                        let content = open.file().bytes.read(0, len as usize);
                        sealing::sealed(options.create_sealable(state.rules), &content)
                    });
                state.sealed[self.to] = SealedPair::of(real, model, options.inherits())?;
            }
            _ => state.sealed[self.to] = self.fill(state.rules)?,
        }
        Ok(true)
    }

    /// What takes a descriptor, and gives it back if it makes no sealed file.
    fn consume(
        &self,
        rules: &Rules,
        descriptor: Descriptor,
    ) -> Verdict<Result<SealedPair, Descriptor>> {
        let Descriptor {
            real,
            open,
            close_on_exec,
        } = descriptor;
        let rejected =
            |error: VerifyError<OwnedFd>| (error.kind(), Rejected::Fd(error.into_inner()));
        let of_file =
            |error: VerifyError<OwnedMemFd>| (error.kind(), Rejected::File(error.into_inner()));
        let same = |len| (open.clone(), len, close_on_exec);
        let (real, model) = match self.what {
            What::Seal { .. } => {
                let model = sealing::seal(rules, &open).map(same);
                (real.seal().map_err(of_file), model)
            }
            What::Verify { max, how, .. } => {
                let (real, max) = match how {
                    How::Verify => (SealedMemFd::verify(real.into(), max).map_err(rejected), max),
                    How::OfDescriptor => {
                        let fd = OwnedFd::from(real);
                        (SealedMemFd::try_from(fd).map_err(rejected), usize::MAX)
                    }
                    How::OfFile => (SealedMemFd::try_from(real).map_err(of_file), usize::MAX),
                };
                (real, sealing::verify(rules, &open, max).map(same))
            }
            What::VerifyOrCopy { max, .. } => {
                let max = bearable(max, &open);
                let real = SealedMemFd::verify_or_copy(real.into(), max).map_err(rejected);
                let model = match sealing::verify(rules, &open, max) {
                    Ok(len) => Ok(same(len)),
                    Err(kind @ VerifyErrorKind::TooLarge { .. }) => Err(kind),
                    Err(_) => sealing::check_len(open.file().bytes.len(), max).map(|len| {
                        let content = open.file().bytes.read(0, len as usize);
                        let copy = sealing::sealed(Options::DEFAULT.create(rules), &content);
                        (copy.expect("files of this kind are made"), len, true)
                    }),
                };
                (real, model)
            }
            _ => unreachable!("done by the caller"),
        };
        match (real, model) {
            (Ok(real), Ok((open, len, close_on_exec))) => Ok(Ok(SealedPair {
                real,
                open,
                len,
                close_on_exec,
            })),
            (Err((kind, rejected)), Err(model)) => {
                prop_assert_eq!(kind, model);
                let real = rejected.file()?;
                Ok(Err(Descriptor {
                    real,
                    open,
                    close_on_exec,
                }))
            }
            (real, model) => {
                let real = real.map_err(|(kind, _)| kind);
                let model = model.map(|(_, len, _)| len);
                Err(TestCaseError::fail(format!(
                    "{real:?} instead of {model:?}"
                )))
            }
        }
    }

    /// What needs nothing that is there.
    fn fill(&self, rules: &Rules) -> Verdict<Option<SealedPair>> {
        match self.what {
            What::CopyFromSlice { options, seed, len } => {
                let content = content(seed, len);
                let real = options
                    .real()
                    .copy_from_slice(options.name().as_str(), &content);
                let model = sealing::sealed(options.create_sealable(rules), &content);
                SealedPair::of(real, model, options.inherits())
            }
            What::CreateWith { options, seed, len } => {
                let mut zeros = true;
                let name = options.name();
                let real = options.real().create_with(name.as_str(), len, |bytes| {
                    zeros = bytes.iter().all(|byte| *byte == 0);
                    bytes.copy_from_slice(&content(seed, len));
                });
                prop_assert!(zeros, "the bytes are zeros first");
                let model = options.create_sealable(rules).and_then(|file| {
                    check_fill(len)?;
                    sealing::sealed(Ok(file), &content(seed, len))
                });
                SealedPair::of(real, model, options.inherits())
            }
            What::TryCreateWith { options, len } => {
                let name = options.name();
                let fails = |_: &mut [u8]| Err("not filled");
                let real = options.real().try_create_with(name.as_str(), len, fails);
                let model = match options.create_sealable(rules).and_then(|_| check_fill(len)) {
                    Ok(()) => TryCreateError::Fill("not filled"),
                    Err(error) => TryCreateError::Create(error),
                };
                prop_assert_eq!(real.err(), Some(model));
                Ok(None)
            }
            _ => unreachable!("done by the caller"),
        }
    }
}

/// Whether a file of this length can be filled in place. The steps ask for no length between those
/// that can and those for which no machine has addresses.
fn check_fill(len: usize) -> Result<(), CreateError> {
    if len <= MOST {
        Ok(())
    } else if len as u64 <= LAST {
        Err(CreateError::Kernel(Errno::ENOMEM))
    } else {
        Err(CreateError::TooLong { len })
    }
}

/// What comes back with an error.
enum Rejected {
    Fd(OwnedFd),
    File(OwnedMemFd),
}

impl Rejected {
    fn file(self) -> Verdict<OwnedMemFd> {
        match self {
            Self::File(file) => Ok(file),
            Self::Fd(fd) => OwnedMemFd::try_from(fd)
                .map_err(|error| TestCaseError::fail(format!("what came back: {error}"))),
        }
    }
}

/// A limit with which a copy of the file ends: a file may have 2^63 bytes.
fn bearable(max: usize, source: &Open) -> usize {
    if source.file().bytes.len() > MOST as u64 {
        max.min(MOST)
    } else {
        max
    }
}

impl Source {
    /// A copy of it that is sealed.
    fn copy(self, rules: &Rules, max: usize, how: Copying) -> Verdict<Option<SealedPair>> {
        let (source, content) = self
            .open()
            .map_err(|error| TestCaseError::fail(format!("{self:?}: {error}")))?;
        let (found, is_known) = match self {
            // One more byte than may be there is read.
            Self::Proc => (content.len().min(max.saturating_add(1)), false),
            Self::Regular { len, .. } => (len, true),
        };
        let fits = sealing::check_len(found as u64, max).map_err(CreateError::from);
        // What is too long by its length is not copied.
        let model = |options: Options| {
            if is_known {
                fits?;
            }
            let file = options.create_sealable(rules)?;
            fits?;
            sealing::sealed(Ok(file), &content)
        };
        match how {
            Copying::VerifyOrCopy => {
                let real = SealedMemFd::verify_or_copy(source, max);
                let real = real.map_err(|error| CreateError::from(error.kind()));
                SealedPair::of(real, model(Options::DEFAULT), false)
            }
            Copying::CopyFromFile(options) => {
                let name = options.name();
                let real = options.real().copy_from_file(name.as_str(), &source, max);
                SealedPair::of(real, model(options), options.inherits())
            }
        }
    }

    /// Opens it, and returns what is in it.
    fn open(self) -> io::Result<(OwnedFd, Vec<u8>)> {
        const PROC: &str = "/proc/sys/kernel/ostype";

        let (file, content) = match self {
            Self::Proc => (File::open(PROC)?, fs::read(PROC)?),
            Self::Regular { seed, len } => {
                let content = content(seed, len);
                let directory = env::temp_dir();
                fs::create_dir_all(&directory)?;
                let path = directory.join(format!("owned-memfd-model-{}", process::id()));
                fs::write(&path, &content)?;
                let file = File::open(&path);
                fs::remove_file(&path)?;
                (file?, content)
            }
        };
        Ok((ours(rustix::fd::OwnedFd::from(file)), content))
    }
}

/// A descriptor of std's as the library has it, which is the same with the feature `std`.
fn ours(fd: impl Into<OwnedFd>) -> OwnedFd {
    fd.into()
}
