//! Making sealed files, and verifying or copying somebody else's.

use super::{LARGE, PAGE, SMALL, open, operations, pipe_with};
use crate::{
    checks::{
        NOT_SEALED, Named, THEY_HOLD_IT, THEY_SEALED, content_of, holds, is_close_on_exec, ready,
        same,
    },
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{
    CreateError, Errno, HugePageSize, MemFdOptions, OwnedMemFd, SealedMemFd, Seals, TryCreateError,
    VerifyError,
    fd::{AsRawFd, OwnedFd},
};

operations! { "sealing":
    seal, seal_what_is_sealed, copy_nothing, copy_small, copy_page, copy_large,
    copy_large_on_small_pages, copy_inherited, copy_to_huge_pages, create_with_nothing,
    create_with_small, create_with_page, create_with_large, create_with_large_on_small_pages,
    create_with_huge_pages, fill_fails, fill_fails_in_place, copy_from_memory,
    copy_from_large_memory, copy_from_procfs, copy_from_a_pipe, verify_sealed, verify_unsealed,
    verify_another, try_from_fd, try_from_file, verify_or_copy_sealed, verify_or_copy_unsealed,
    verify_or_copy_large, verify_or_copy_another, verify_or_copy_a_pipe,
}

/// What a file of our own that is not sealed yet can meet.
const OWN: &[Named] = &[
    NOT_SEALED,
    THEY_SEALED,
    THEY_HOLD_IT,
    Named::Fault(Errno::ENOSPC, "the kernel wrote nothing and gave no reason"),
    Named::Fault(Errno::EBUSY, "the file is not as long as what was written"),
];

fn is_made(trial: &Trial, made: Result<SealedMemFd, CreateError>, expected: &[u8]) -> Verdict {
    trial.judge(made, OWN, |sealed| trial.is_sealed(&sealed, expected))
}

fn seal(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    seal_file(trial, file)
}

fn seal_what_is_sealed(trial: &mut Trial) -> Verdict {
    let file = trial.sealed(SMALL)?.into_memfd();
    seal_file(trial, file)
}

fn seal_file(trial: &mut Trial, file: OwnedMemFd) -> Verdict {
    let number = file.as_raw_fd();
    match trial.call(|| file.seal()) {
        Ok(sealed) => trial.is_sealed(&sealed, SMALL),
        Err(error) => {
            trial.came_back(error.get_ref(), number)?;
            trial.contains(error.get_ref(), SMALL)?;
            let named = [
                NOT_SEALED,
                THEY_SEALED,
                THEY_HOLD_IT,
                Named::Fault(Errno::EINVAL, "a file without seals can change"),
            ];
            trial.explains(error, &named)
        }
    }
}

fn copy_nothing(trial: &mut Trial) -> Verdict {
    let made = trial.call(|| SealedMemFd::copy_from_slice(c"copy", b""));
    is_made(trial, made, b"")
}

fn copy_small(trial: &mut Trial) -> Verdict {
    let made = trial.call(|| SealedMemFd::copy_from_slice("copy", SMALL));
    is_made(trial, made, SMALL)
}

fn copy_page(trial: &mut Trial) -> Verdict {
    let made = trial.call(|| MemFdOptions::new().copy_from_slice("copy", &PAGE));
    is_made(trial, made, &PAGE)
}

fn copy_large(trial: &mut Trial) -> Verdict {
    let made = trial.call(|| MemFdOptions::new().copy_from_slice("copy", &LARGE));
    is_made(trial, made, &LARGE)
}

fn copy_large_on_small_pages(trial: &mut Trial) -> Verdict {
    let options = MemFdOptions::new().collapse(false);
    let made = trial.call(|| options.copy_from_slice("copy", &LARGE));
    is_made(trial, made, &LARGE)
}

fn copy_inherited(trial: &mut Trial) -> Verdict {
    let options = MemFdOptions::new().close_on_exec(false);
    let made = trial.call(|| options.copy_from_slice("copy", SMALL));
    trial.judge(made, OWN, |sealed| {
        let is_inherited = !is_close_on_exec(&sealed)?;
        holds(is_inherited || trial.has_lie(), || "close-on-exec".into())?;
        trial.is_sealed(&sealed, SMALL)
    })
}

/// What a machine without such pages, or with none that are free, returns.
const NO_HUGE_PAGES: [Named; 3] = [
    Named::Always(Errno::ENODEV, "this machine has no huge pages of 2 MiB"),
    Named::Always(Errno::ENOSPC, "no huge pages are free"),
    Named::Fault(Errno::ENOMEM, "they were not made ready, and none are free"),
];

fn is_made_on_huge_pages(trial: &Trial, made: Result<SealedMemFd, CreateError>) -> Verdict {
    let named = [OWN, &NO_HUGE_PAGES].concat();
    trial.judge(made, &named, |sealed| {
        trial.is_sealed(&sealed, &LARGE[..2 << 20])
    })
}

fn copy_to_huge_pages(trial: &mut Trial) -> Verdict {
    let options = MemFdOptions::new().huge_pages(HugePageSize::MB_2);
    let made = trial.call(|| options.copy_from_slice("copy", &LARGE[..2 << 20]));
    is_made_on_huge_pages(trial, made)
}

fn create_with_nothing(trial: &mut Trial) -> Verdict {
    let made = trial.call(|| SealedMemFd::create_with("made", 0, |_| {}));
    is_made(trial, made, b"")
}

fn create_with_small(trial: &mut Trial) -> Verdict {
    let made = trial.call(|| {
        SealedMemFd::create_with("made", SMALL.len(), |bytes| bytes.copy_from_slice(SMALL))
    });
    is_made(trial, made, SMALL)
}

fn create_with(trial: &mut Trial, options: MemFdOptions, content: &[u8]) -> Verdict {
    let made = trial.call(|| {
        options.create_with("made", content.len(), |bytes| {
            bytes.copy_from_slice(content);
        })
    });
    is_made(trial, made, content)
}

fn create_with_page(trial: &mut Trial) -> Verdict {
    create_with(trial, MemFdOptions::new(), &PAGE)
}

fn create_with_large(trial: &mut Trial) -> Verdict {
    create_with(trial, MemFdOptions::new(), &LARGE)
}

fn create_with_large_on_small_pages(trial: &mut Trial) -> Verdict {
    create_with(trial, MemFdOptions::new().collapse(false), &LARGE)
}

fn create_with_huge_pages(trial: &mut Trial) -> Verdict {
    let options = MemFdOptions::new().huge_pages(HugePageSize::MB_2);
    let made = trial.call(|| {
        options.create_with("made", 2 << 20, |bytes| {
            bytes.copy_from_slice(&LARGE[..2 << 20]);
        })
    });
    is_made_on_huge_pages(trial, made)
}

/// What was filled in vain is gone, and the error of filling comes back.
fn fill(trial: &mut Trial, len: usize) -> Verdict {
    let filled = trial
        .call(|| MemFdOptions::new().try_create_with("made", len, |_| Err::<(), _>("no content")));
    match filled {
        Ok(_) => Err("it was not filled".into()),
        Err(TryCreateError::Fill(error)) => same(error, "no content", "the error of filling"),
        Err(TryCreateError::Create(error)) => trial.explains(error, OWN),
    }
}

fn fill_fails(trial: &mut Trial) -> Verdict {
    fill(trial, SMALL.len())
}

fn fill_fails_in_place(trial: &mut Trial) -> Verdict {
    fill(trial, PAGE.len())
}

/// What a source that is somebody else's adds.
const THEIRS: Named = Named::Race(Errno::EFBIG, "another process has lengthened the source");

fn copy_from(
    trial: &mut Trial,
    source: impl Into<OwnedFd>,
    expected: &[u8],
    named: &[Named],
) -> Verdict {
    let source = source.into();
    let options = MemFdOptions::new();
    let made = trial.call(|| options.copy_from_file("copy", &source, expected.len()));
    trial.judge(made, &[OWN, named, &[THEIRS]].concat(), |sealed| {
        trial.is_sealed(&sealed, expected)
    })
}

fn copy_from_memory(trial: &mut Trial) -> Verdict {
    let source = trial.file(SMALL)?;
    copy_from(trial, source, SMALL, &[])
}

fn copy_from_large_memory(trial: &mut Trial) -> Verdict {
    let source = trial.file(&LARGE)?;
    copy_from(trial, source, &LARGE, &[])
}

fn copy_from_procfs(trial: &mut Trial) -> Verdict {
    let expected = ready(std::fs::read("/proc/sys/kernel/ostype"))?;
    let source = open("/proc/sys/kernel/ostype")?;
    copy_from(trial, source, &expected, &[])
}

fn copy_from_a_pipe(trial: &mut Trial) -> Verdict {
    let source = pipe_with(SMALL)?;
    let never = [Named::Always(
        Errno::EINVAL,
        "reading a pipe can wait for ever",
    )];
    copy_from(trial, source, b"", &never)
}

/// Judges what came of a descriptor of somebody else's, which comes back with an error.
fn is_verified(
    trial: &Trial,
    verified: Result<SealedMemFd, VerifyError<OwnedFd>>,
    number: i32,
    expected: &[u8],
    named: &[Named],
) -> Verdict {
    match verified {
        Ok(sealed) => trial.is_sealed(&sealed, expected),
        Err(error) => {
            trial.came_back(error.get_ref(), number)?;
            // A kernel that hides that a file has seals leaves a regular file.
            let hidden = [
                Named::Fault(Errno::EINVAL, "a file without seals can change"),
                Named::Fault(Errno::EPERM, "the seals are missing"),
                THEIRS,
            ];
            trial.explains(error, &[named, &hidden].concat())
        }
    }
}

fn verify(trial: &mut Trial, fd: impl Into<OwnedFd>, named: &[Named]) -> Verdict {
    let fd = fd.into();
    let number = fd.as_raw_fd();
    let verified = trial.call(|| SealedMemFd::verify(fd, SMALL.len()));
    is_verified(trial, verified, number, SMALL, named)
}

fn verify_sealed(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    verify(trial, sealed, &[])
}

fn verify_unsealed(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    verify(
        trial,
        file,
        &[Named::Always(Errno::EPERM, "the seals are missing")],
    )
}

fn verify_another(trial: &mut Trial) -> Verdict {
    let file = open("/bin/true")?;
    verify(
        trial,
        file,
        &[Named::Always(Errno::EINVAL, "it is no memory file")],
    )
}

fn try_from_fd(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(trial.sealed(SMALL)?);
    let number = fd.as_raw_fd();
    let verified = trial.call(|| SealedMemFd::try_from(fd));
    is_verified(trial, verified, number, SMALL, &[])
}

/// A file that can still get longer is proven at the length that it has.
fn try_from_file(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    ready(file.add_seals(Seals::WRITE | Seals::SHRINK))?;
    let number = file.as_raw_fd();
    match trial.call(|| SealedMemFd::try_from(file)) {
        Ok(sealed) => {
            same(
                &content_of(&sealed)?[..SMALL.len()],
                SMALL,
                "the bytes that were sealed before",
            )?;
            trial.is_sealed(&sealed, SMALL)
        }
        Err(error) => {
            trial.came_back(error.get_ref(), number)?;
            trial.explains(
                error,
                &[Named::Fault(
                    Errno::EINVAL,
                    "a file without seals can change",
                )],
            )
        }
    }
}

fn verify_or_copy(
    trial: &mut Trial,
    fd: impl Into<OwnedFd>,
    expected: &[u8],
    named: &[Named],
) -> Verdict {
    let fd = fd.into();
    let number = fd.as_raw_fd();
    let verified = trial.call(|| SealedMemFd::verify_or_copy(fd, expected.len()));
    is_verified(trial, verified, number, expected, &[OWN, named].concat())
}

fn verify_or_copy_sealed(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    verify_or_copy(trial, sealed, SMALL, &[])
}

fn verify_or_copy_unsealed(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    verify_or_copy(trial, file, SMALL, &[])
}

fn verify_or_copy_large(trial: &mut Trial) -> Verdict {
    let file = trial.file(&LARGE)?;
    verify_or_copy(trial, file, &LARGE, &[])
}

fn verify_or_copy_another(trial: &mut Trial) -> Verdict {
    let expected = ready(std::fs::read("/proc/sys/kernel/ostype"))?;
    let file = open("/proc/sys/kernel/ostype")?;
    verify_or_copy(trial, file, &expected, &[])
}

fn verify_or_copy_a_pipe(trial: &mut Trial) -> Verdict {
    let fd = pipe_with(SMALL)?;
    verify_or_copy(
        trial,
        fd,
        b"",
        &[Named::Always(Errno::EINVAL, "reading can wait for ever")],
    )
}
