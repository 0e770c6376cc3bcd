//! Transfers of everything, allocation, and copying from other files.

use super::{LARGE, SMALL, open, operations, own, pipe_with};
use crate::{
    checks::{Named, THEY_SEALED, content_of, holds, ready, same, stat_of},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{Errno, OwnedMemFd, TransferCause, TransferError, fd::AsFd};
use std::{io::Write, os::unix::net::UnixStream};

operations! { "transfer":
    read_exact_at, read_beyond_the_end, write_all, write_all_at, allocate, explain_write_error,
    copy_from_memory, copy_from_large_memory, copy_from_procfs, copy_from_a_pipe,
    copy_from_a_socket, copy_from_nothing,
}

/// Where the kernel copies to an offset that no byte can have.
const THEY_MOVED_FAR: Named = Named::Race(
    Errno::EFBIG,
    "another process has moved the offset to the end of all offsets",
);

/// A cause as the error of a transfer has it.
fn errno_of(trial: &mut Trial, error: TransferError) -> Errno {
    // Of a read that came to the end, it is the errno of the conversion.
    let errno = trial.call(|| error.errno());
    errno.unwrap_or(Errno::from(error))
}

fn read_exact_at(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mut buffer = [0xee; 8];
    let read = trial.call(|| file.read_exact_at(&mut buffer, 7));
    trial.goes_on(&read)?;
    match read {
        Ok(()) => trial.has_read(&buffer, buffer.len(), &SMALL[7..]),
        Err(error) => {
            // As many as it says are there.
            trial.has_read(&buffer, error.done as usize, &SMALL[7..])?;
            let named = [
                Named::Race(
                    Errno::EIO,
                    "another process has cut the file: it ends first",
                ),
                Named::Short(Errno::EIO, "a read of nothing is the end of the file"),
            ];
            let errno = errno_of(trial, error);
            trial.explains(errno, &named)
        }
    }
}

fn read_beyond_the_end(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mut buffer = [0xee; 32];
    match trial.call(|| file.read_exact_at(&mut buffer, 0)) {
        // Another process has lengthened the file.
        Ok(()) => holds(trial.may_differ(), || "more bytes than there are".into()),
        Err(error) => {
            trial.has_read(&buffer, error.done as usize, SMALL)?;
            if error.cause == TransferCause::EndOfFile {
                let is_whole = error.done == SMALL.len() as u64;
                let is_told = trial.has_short() || trial.has_lie();
                return holds(is_whole || trial.may_differ() || is_told, || {
                    format!("the end after {} bytes", error.done)
                });
            }
            let errno = errno_of(trial, error);
            trial.explains(errno, &[])
        }
    }
}

/// What was written is there, also if it stopped.
fn is_written(trial: &mut Trial, file: &OwnedMemFd, written: Result<(), TransferError>) -> Verdict {
    trial.goes_on(&written)?;
    let Err(error) = written else {
        return trial.contains(file, SMALL);
    };
    let named = [
        THEY_SEALED,
        Named::Short(Errno::ENOSPC, "the kernel wrote nothing and gave no reason"),
        Named::Race(
            Errno::EINVAL,
            "another process has moved the offset to the end of all offsets",
        ),
    ];
    let found = content_of(file)?;
    let done = SMALL.get(..error.done as usize).unwrap_or_default();
    holds(found.starts_with(done) || trial.may_differ(), || {
        format!("{} bytes are said to be written: {found:?}", error.done)
    })?;
    let errno = errno_of(trial, error);
    trial.explains(errno, &named)
}

fn write_all(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"")?;
    let written = trial.call(|| file.write_all(SMALL));
    is_written(trial, &file, written)
}

fn write_all_at(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"")?;
    let written = trial.call(|| file.write_all_at(SMALL, 0));
    is_written(trial, &file, written)
}

fn allocate(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"")?;
    let allocated = trial.call(|| file.allocate(0, 3 << 20));
    trial.judge(allocated, &[THEY_SEALED], |()| {
        let stat = stat_of(&file)?;
        let is_there = stat.st_size == 3 << 20 && stat.st_blocks >= (3 << 20) / 512;
        holds(is_there || trial.may_differ() || trial.has_lie(), || {
            format!("{} bytes in {} blocks", stat.st_size, stat.st_blocks)
        })
    })
}

fn explain_write_error(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let file = sealed.as_memfd();
    for errno in [Errno::EPERM, Errno::EBADF, Errno::EINVAL, Errno::ENOSPC] {
        let cause = trial.call(|| file.explain_write_error(errno));
        let is_known = match cause {
            TransferCause::Sealed(seals) => errno == Errno::EPERM && !seals.is_empty(),
            // Where the kernel does not tell.
            TransferCause::Kernel(kept) => {
                kept == errno && (errno != Errno::EPERM || trial.has_fault())
            }
            TransferCause::ReadOnly | TransferCause::HugePages => trial.has_lie(),
            _ => false,
        };
        holds(is_known, || format!("{errno:?} is explained by {cause:?}"))?;
    }
    Ok(())
}

/// Copies all there is, and compares it with what the source has.
fn copy(trial: &mut Trial, source: &impl AsFd, expected: &[u8]) -> Verdict {
    let file = trial.file(b"")?;
    match trial.call(|| file.copy_from(source, u64::MAX)) {
        Ok(count) => {
            let found = content_of(&file)?;
            if trial.may_differ() {
                return Ok(());
            }
            // A read that returns nothing is the end: it cannot be told from one.
            let is_all = count == expected.len() as u64 || trial.has_lie();
            holds(is_all, || format!("{count} bytes of {}", expected.len()))?;
            holds(
                expected.starts_with(&found) && found.len() as u64 >= count,
                || format!("{count} bytes were copied, {} are there", found.len()),
            )
        }
        Err(error) => {
            let found = content_of(&file)?;
            let done = expected.get(..error.done as usize).unwrap_or_default();
            holds(found.starts_with(done) || trial.may_differ(), || {
                format!("{} bytes are said to be copied", error.done)
            })?;
            let named = [
                THEY_SEALED,
                Named::Short(Errno::ENOSPC, "the kernel wrote nothing and gave no reason"),
                Named::Race(
                    Errno::EINVAL,
                    "another process has moved the offset to the end of all offsets",
                ),
                THEY_MOVED_FAR,
            ];
            let errno = errno_of(trial, error);
            trial.explains(errno, &named)
        }
    }
}

fn copy_from_memory(trial: &mut Trial) -> Verdict {
    let source = trial.file(SMALL)?;
    copy(trial, &source, SMALL)
}

fn copy_from_large_memory(trial: &mut Trial) -> Verdict {
    let source = trial.file(&LARGE)?;
    copy(trial, &source, &LARGE)
}

fn copy_from_procfs(trial: &mut Trial) -> Verdict {
    let expected = ready(std::fs::read("/proc/sys/kernel/ostype"))?;
    let source = open("/proc/sys/kernel/ostype")?;
    copy(trial, &source, &expected)
}

fn copy_from_a_pipe(trial: &mut Trial) -> Verdict {
    let source = pipe_with(SMALL)?;
    copy(trial, &source, SMALL)
}

fn copy_from_a_socket(trial: &mut Trial) -> Verdict {
    let (source, mut end) = ready(UnixStream::pair())?;
    ready(end.write_all(SMALL))?;
    drop(end);
    copy(trial, &own(source), SMALL)
}

/// A file that cannot be written is an error even if nothing is to be copied.
fn copy_from_nothing(trial: &mut Trial) -> Verdict {
    let source = trial.file(b"")?;
    let file = trial.sealed(SMALL)?.into_memfd();
    match trial.call(|| file.copy_from(&source, 1)) {
        // Another process has made something of nothing, or a seal was hidden.
        Ok(count) => {
            same(count, 0, "the bytes that were copied")?;
            holds(trial.has_lie(), || "a sealed file was written".into())
        }
        Err(error) => {
            same(error.done, 0, "the bytes that were copied")?;
            let errno = errno_of(trial, error);
            let sealed = Named::Always(Errno::EPERM, "the file is sealed");
            trial.explains(errno, &[sealed, THEY_MOVED_FAR])
        }
    }
}
