//! Files through their descriptors: creating, reading, writing, lengths, modes and seals.

use super::Done;
use crate::{
    bytes::{Bytes, content},
    edges,
    file::{At, File, Open},
    rules::Rules,
    state::{Descriptor, FILES, State, Verdict, both, same_bytes},
};
use owned_memfd::{
    BorrowedMemFd, CreateError, Errno, MemFdFlags, MemFdOptions, OwnedMemFd, Seals, SeekFrom,
    fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd},
};
use proptest::{prelude::*, prop_assert_eq, sample::select};

/// A step about the descriptor in this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    place: usize,
    through: Through,
    what: What,
}

/// Through what the operation is called.
#[derive(Clone, Copy, Debug)]
enum Through {
    Owner,
    Borrowed,
    /// A descriptor that somebody lends, and that is looked at first.
    Lent,
}

/// What is done through it.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Create(Options),
    CreateBare {
        flags: MemFdFlags,
        name: usize,
    },
    Clone {
        to: usize,
    },
    Reopen {
        to: usize,
    },
    Convert(Conversion),
    Close,
    SetCloseOnExec(bool),
    Read {
        len: usize,
        at: Option<u64>,
    },
    ReadExact {
        len: usize,
        at: u64,
    },
    Write {
        seed: u8,
        len: usize,
        at: Option<u64>,
    },
    WriteAll {
        seed: u8,
        len: usize,
        at: Option<u64>,
    },
    Seek(SeekFrom),
    SetLen(u64),
    Allocate {
        at: u64,
        len: u64,
    },
    PunchHole {
        at: u64,
        len: u64,
    },
    SetMode(u32),
    AddSeals(Seals),
    SealForReaders,
    ExplainSeal(Errno),
    ExplainWrite(Errno),
    /// What never changes: the size of its pages, and where its path leads.
    Ask,
}

/// How `MemFdOptions` makes a file.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "as the library has them")]
pub(crate) struct Options {
    executable: bool,
    exec_seal: bool,
    sealable: bool,
    close_on_exec: bool,
    collapse: bool,
    /// The length of its name.
    name: usize,
}

/// What a descriptor becomes, and then is a file again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conversion {
    Descriptor,
    Number,
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let through = select(vec![Through::Owner, Through::Borrowed, Through::Lent]);
    (0..FILES, through, any_what()).prop_map(|(place, through, what)| Step {
        place,
        through,
        what,
    })
}

fn any_what() -> BoxedStrategy<What> {
    prop_oneof![
        6 => any_options().prop_map(What::Create),
        1 => (any_flags(), any_name()).prop_map(|(flags, name)| What::CreateBare { flags, name }),
        3 => (0..FILES).prop_map(|to| What::Clone { to }),
        2 => (0..FILES).prop_map(|to| What::Reopen { to }),
        1 => select(vec![Conversion::Descriptor, Conversion::Number]).prop_map(What::Convert),
        1 => Just(What::Close),
        1 => any::<bool>().prop_map(What::SetCloseOnExec),
        33 => any_operation(),
    ]
    .boxed()
}

/// What makes no descriptor, and closes none.
pub(crate) fn any_operation() -> BoxedStrategy<What> {
    let at = || prop::option::of(edges::number());
    prop_oneof![
        4 => (edges::count(), at()).prop_map(|(len, at)| What::Read { len, at }),
        2 => (edges::count(), edges::number()).prop_map(|(len, at)| What::ReadExact { len, at }),
        4 => (any::<u8>(), edges::count(), at())
            .prop_map(|(seed, len, at)| What::Write { seed, len, at }),
        4 => (any::<u8>(), edges::count(), at())
            .prop_map(|(seed, len, at)| What::WriteAll { seed, len, at }),
        3 => any_seek().prop_map(What::Seek),
        5 => edges::number().prop_map(What::SetLen),
        // Not more than some pages: the kernel would allocate all of them.
        2 => (edges::number(), edges::small()).prop_map(|(at, len)| What::Allocate { at, len }),
        1 => select(vec![i64::MAX as u64, u64::MAX])
            .prop_map(|len| What::Allocate { at: 1 << 62, len: len | 1 << 62 }),
        2 => (edges::number(), edges::number()).prop_map(|(at, len)| What::PunchHole { at, len }),
        2 => select(vec![0, 0o111, 0o200, 0o600, 0o666, 0o777, 0o1777, 0o100_644])
            .prop_map(What::SetMode),
        3 => any_seals().prop_map(What::AddSeals),
        1 => Just(What::SealForReaders),
        1 => any_errno().prop_map(What::ExplainSeal),
        1 => any_errno().prop_map(What::ExplainWrite),
        1 => Just(What::Ask),
    ]
    .boxed()
}

/// Mostly one that is made: the longest has 249 bytes.
fn any_name() -> BoxedStrategy<usize> {
    prop_oneof![10 => 0_usize..3, 1 => select(vec![248, 249, 250, 251, 4096])].boxed()
}

pub(crate) fn any_options() -> impl Strategy<Value = Options> {
    let yes = any::<bool>;
    (
        yes(),
        yes(),
        prop::bool::weighted(0.9),
        yes(),
        yes(),
        any_name(),
    )
        .prop_map(
            |(executable, exec_seal, sealable, close_on_exec, collapse, name)| Options {
                executable,
                exec_seal,
                sealable,
                close_on_exec,
                collapse,
                name,
            },
        )
}

fn any_flags() -> BoxedStrategy<MemFdFlags> {
    let flags = [
        MemFdFlags::CLOEXEC,
        MemFdFlags::ALLOW_SEALING,
        MemFdFlags::NOEXEC_SEAL,
        MemFdFlags::EXEC,
    ];
    let known = prop::sample::subsequence(flags.to_vec(), 0..=flags.len())
        .prop_map(|chosen| chosen.into_iter().collect::<MemFdFlags>());
    prop_oneof![10 => known, 1 => Just(MemFdFlags::from_bits_retain(0x100))].boxed()
}

pub(crate) fn any_seals() -> BoxedStrategy<Seals> {
    let all: Vec<_> = Seals::KNOWN.iter().collect();
    // SEAL ends what can happen, so it is rare.
    let some = prop::sample::subsequence(all[1..].to_vec(), 0..=3)
        .prop_map(|chosen| chosen.into_iter().collect::<Seals>());
    prop_oneof![
        20 => some,
        1 => Just(Seals::SEAL),
        1 => Just(Seals::from_bits_retain(0x40)),
    ]
    .boxed()
}

fn any_errno() -> impl Strategy<Value = Errno> {
    select(vec![
        Errno::EPERM,
        Errno::EINVAL,
        Errno::EBADF,
        Errno::EBUSY,
        Errno::ENOSPC,
    ])
}

pub(crate) fn any_seek() -> BoxedStrategy<SeekFrom> {
    prop_oneof![
        edges::number().prop_map(SeekFrom::Start),
        edges::distance().prop_map(SeekFrom::End),
        edges::distance().prop_map(SeekFrom::Current),
    ]
    .boxed()
}

impl Options {
    /// Those of what has none.
    pub(crate) const DEFAULT: Self = Self {
        executable: false,
        exec_seal: true,
        sealable: true,
        close_on_exec: true,
        collapse: true,
        name: 0,
    };

    /// What creating a file makes that is going to be sealed, whatever the options say of that.
    pub(crate) fn create_sealable(self, rules: &Rules) -> Result<File, CreateError> {
        let sealable = true;
        Self { sealable, ..self }.create(rules)
    }

    pub(crate) fn real(self) -> MemFdOptions {
        MemFdOptions::new()
            .executable(self.executable)
            .exec_seal(self.exec_seal)
            .sealable(self.sealable)
            .close_on_exec(self.close_on_exec)
            .collapse(self.collapse)
    }

    pub(crate) fn name(self) -> String {
        "n".repeat(self.name)
    }

    pub(crate) fn inherits(self) -> bool {
        !self.close_on_exec
    }

    /// What creating such a file makes.
    pub(crate) fn create(self, rules: &Rules) -> Result<File, CreateError> {
        let Self { name: len, .. } = self;
        if len > 249 {
            return Err(CreateError::NameTooLong { len });
        }
        let kernel = &rules.behaviour;
        let (mode, exec_seal) = match (self.executable, self.exec_seal) {
            (true, _) if kernel.executable => (0o777, Seals::empty()),
            (false, true) => (0o666, Seals::EXEC & kernel.seals),
            (false, false) if kernel.executable => (0o666, Seals::empty()),
            _ => return Err(CreateError::Kernel(Errno::EACCES)),
        };
        let seal = if self.sealable {
            Seals::empty()
        } else {
            Seals::SEAL
        };
        Ok(File::new(Bytes::default(), mode, exec_seal | seal))
    }
}

/// What `memfd_create` with these flags makes.
fn create_bare(rules: &Rules, flags: MemFdFlags, name: usize) -> Result<File, Errno> {
    let kernel = &rules.behaviour;
    let about_exec = flags & MemFdFlags::EXEC.union(MemFdFlags::NOEXEC_SEAL);
    let both = about_exec == MemFdFlags::EXEC.union(MemFdFlags::NOEXEC_SEAL);
    if !MemFdFlags::KNOWN.contains(flags) || both || !about_exec.is_empty() && !kernel.exec_flags {
        return Err(Errno::EINVAL);
    }
    if flags.contains(MemFdFlags::EXEC) && !kernel.executable {
        return Err(Errno::EACCES);
    }
    if name > 249 {
        return Err(Errno::EINVAL);
    }
    let is_executable =
        flags.contains(MemFdFlags::EXEC) || about_exec.is_empty() && kernel.plain_is_executable;
    let (mode, seals) = match (is_executable, flags.contains(MemFdFlags::ALLOW_SEALING)) {
        (false, _) => (0o666, Seals::EXEC),
        (true, true) => (0o777, Seals::empty()),
        (true, false) => (0o777, Seals::SEAL),
    };
    Ok(File::new(Bytes::default(), mode, seals))
}

impl Step {
    pub(crate) fn take(&self, state: &mut State<'_>) -> Verdict<Done> {
        let rules = state.rules;
        match self.what {
            What::Create(options) => {
                let real = options.real().create(options.name().as_str());
                let model = options.create(rules);
                let close_on_exec = !options.inherits();
                state.files[self.place] = both(real, model)?.map(|(real, file)| Descriptor {
                    real,
                    open: Open::new(file),
                    close_on_exec,
                });
                return Ok(true);
            }
            What::CreateBare { flags, name } => {
                let text = std::ffi::CString::new("n".repeat(name)).expect("there is no NUL");
                let real = OwnedMemFd::create(&text, flags);
                let model = create_bare(rules, flags, name);
                let close_on_exec = flags.contains(MemFdFlags::CLOEXEC);
                state.files[self.place] = both(real, model)?.map(|(real, file)| Descriptor {
                    real,
                    open: Open::new(file),
                    close_on_exec,
                });
                return Ok(true);
            }
            _ => {}
        }
        let Some(descriptor) = &mut state.files[self.place] else {
            return Ok(false);
        };
        let new = match self.what {
            What::Clone { to } => {
                let open = descriptor.open.cloned(rules);
                Some((to, both(descriptor.real.try_clone(), Ok(open))?))
            }
            What::Reopen { to } => {
                let open = descriptor.open.reopened(rules);
                Some((to, both(descriptor.real.reopen_read_only(), open)?))
            }
            _ => None,
        };
        if let Some((to, made)) = new {
            state.files[to] = made.map(|(real, open)| Descriptor {
                real,
                open,
                close_on_exec: true,
            });
            return Ok(true);
        }
        match self.what {
            What::Close => {
                let closed = state.files[self.place].take().map(|old| old.real.close());
                prop_assert_eq!(closed, Some(Ok(())));
            }
            What::Convert(how) => {
                let old = state.files[self.place].take().expect("it was there");
                let real = convert(old.real, how)?;
                state.files[self.place] = Some(Descriptor { real, ..old });
            }
            What::SetCloseOnExec(yes) => {
                prop_assert_eq!(descriptor.real.set_close_on_exec(yes), Ok(()));
                descriptor.close_on_exec = yes;
            }
            _ => {
                let Descriptor { real, open, .. } = descriptor;
                match self.through {
                    Through::Owner => operate(&self.what, real, open, rules)?,
                    Through::Borrowed => {
                        operate(&self.what, &BorrowedMemFd::from(&*real), open, rules)?;
                    }
                    Through::Lent => {
                        let borrowed = BorrowedMemFd::try_from(real.as_fd());
                        let borrowed = borrowed
                            .map_err(|kind| TestCaseError::fail(format!("not lent: {kind}")))?;
                        operate(&self.what, &borrowed, open, rules)?;
                    }
                }
            }
        }
        Ok(true)
    }
}

/// Makes it something else, and a file again.
#[allow(unsafe_code)]
fn convert(file: OwnedMemFd, how: Conversion) -> Verdict<OwnedMemFd> {
    match how {
        Conversion::Descriptor => OwnedMemFd::try_from(OwnedFd::from(file))
            .map_err(|error| TestCaseError::fail(format!("not taken: {error}"))),
        Conversion::Number => {
            let number = file.into_raw_fd();
            // SAFETY: it was given away here, and so is open and nobody else's.
            Ok(unsafe { OwnedMemFd::from_raw_fd(number) })
        }
    }
}

/// An operation that makes no descriptor and keeps this one.
pub(crate) fn operate(what: &What, real: &OwnedMemFd, open: &Open, rules: &Rules) -> Verdict {
    match *what {
        What::Read { len, at } => {
            let mut found = vec![0; len];
            let count = match at {
                None => real.read(&mut found),
                Some(offset) => real.read_at(&mut found, offset),
            };
            let expected = open.read(len, at.map_or(At::Offset, At::Position));
            if let Some((count, expected)) = both(count, expected)? {
                same_bytes(&found[..count], &expected)?;
            }
        }
        What::ReadExact { len, at } => {
            let mut found = vec![0; len];
            let result = real.read_exact_at(&mut found, at);
            if let Some(((), expected)) = both(result, open.read_exact_at(len, at))? {
                same_bytes(&found, &expected)?;
            }
        }
        What::Write { seed, len, at } => {
            let bytes = content(seed, len);
            let count = match at {
                None => real.write(&bytes),
                Some(offset) => real.write_at(&bytes, offset),
            };
            let expected = open.write(rules, &bytes, at.map_or(At::Offset, At::Position));
            prop_assert_eq!(count, expected);
        }
        What::WriteAll { seed, len, at } => {
            let bytes = content(seed, len);
            let result = match at {
                None => real.write_all(&bytes),
                Some(offset) => real.write_all_at(&bytes, offset),
            };
            let expected = open.write_all(rules, &bytes, at.map_or(At::Offset, At::Position));
            prop_assert_eq!(result, expected);
        }
        What::Seek(to) => prop_assert_eq!(real.seek(to), open.seek(to)),
        What::SetLen(len) => prop_assert_eq!(real.set_len(len), open.set_len(rules, len)),
        What::Allocate { at, len } => {
            prop_assert_eq!(real.allocate(at, len), open.allocate(at, len));
        }
        What::PunchHole { at, len } => {
            prop_assert_eq!(real.punch_hole(at, len), open.punch_hole(at, len));
        }
        What::SetMode(mode) => prop_assert_eq!(real.set_mode(mode), open.set_mode(mode)),
        What::AddSeals(seals) => {
            prop_assert_eq!(real.add_seals(seals), open.add_seals(rules, seals));
        }
        What::SealForReaders => {
            let seals = Seals::FUTURE_WRITE | Seals::GROW;
            prop_assert_eq!(real.seal_for_readers(), open.add_seals(rules, seals));
        }
        What::ExplainSeal(errno) => {
            prop_assert_eq!(
                real.explain_seal_error(errno),
                open.explain_seal_error(errno)
            );
        }
        What::ExplainWrite(errno) => {
            prop_assert_eq!(
                real.explain_write_error(errno),
                open.explain_write_error(errno)
            );
        }
        What::Ask => {
            prop_assert_eq!(real.page_size(), Ok(rules.behaviour.page));
            let path = real.proc_path();
            let opened = rustix::fs::stat(&*path).map(|stat| (stat.st_dev, stat.st_ino));
            let own = rustix::fs::fstat(real).map(|stat| (stat.st_dev, stat.st_ino));
            prop_assert_eq!(opened, own);
        }
        What::Create(_)
        | What::CreateBare { .. }
        | What::Clone { .. }
        | What::Reopen { .. }
        | What::Convert(_)
        | What::Close
        | What::SetCloseOnExec(_) => unreachable!("done by the caller"),
    }
    Ok(())
}
