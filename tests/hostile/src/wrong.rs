//! Operations that do wrong when a call fails, as the library must not. A check that does not
//! notice each of them notices nothing.
#![allow(unsafe_code)]

use crate::{
    checks::{content_of, holds, ready, seals_of, std_fd},
    orders::Verdict,
    trial::{Operation, Trial},
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use owned_memfd::{Errno, OwnedMemFd, Seals};
use std::{mem, num::NonZeroUsize, process};

/// An operation that does wrong, and how that is noticed: a part of what is said about it.
pub struct Wrong {
    pub operation: Operation,
    pub noticed: &'static str,
}

/// All of them, by what they do.
pub const OPERATIONS: &[Wrong] = &[
    wrong("leaks", leaks, "leaked"),
    wrong("maps", maps, "leaked"),
    wrong("closes", closes, "too much"),
    wrong("panics", panics, "panicked"),
    wrong("claims", claims, "claimed to be sealed"),
    wrong("invents", invents, "failed with EDOM after [Error(9)]"),
    wrong("fails", fails, "failed with EPERM after []"),
    wrong("repeats", repeats, "hangs: "),
    wrong("spins", spins, "hangs: runs for more than"),
    wrong("dies", dies, "killed by SIGABRT"),
    wrong("exits", exits, "exited with 7"),
];

/// What does wrong when another process does something.
pub const IN_COMPANY: &[Wrong] = &[
    wrong("trusts-a-length", trusts_a_length, "killed by SIGBUS"),
    wrong("trusts-bytes", trusts_bytes, "bytes have changed"),
    wrong(
        "expects-nobody",
        expects_nobody,
        "failed with EPERM after [Step]",
    ),
];

const fn wrong(name: &'static str, run: fn(&mut Trial) -> Verdict, noticed: &'static str) -> Wrong {
    let operation = Operation { name, run };
    Wrong { operation, noticed }
}

/// Does this when a call of the library has failed with `EBADF`.
fn when_failed(trial: &mut Trial, wrong: impl FnOnce(OwnedMemFd) -> Verdict) -> Verdict {
    let file = trial.file(b"content")?;
    match trial.call(|| file.seals()) {
        Err(Errno::EBADF) => wrong(file),
        _ => Ok(()),
    }
}

fn leaks(trial: &mut Trial) -> Verdict {
    when_failed(trial, |file| {
        mem::forget(file);
        Ok(())
    })
}

fn maps(trial: &mut Trial) -> Verdict {
    when_failed(trial, |file| {
        mem::forget(ready(ready(file.seal())?.map())?);
        Ok(())
    })
}

fn closes(trial: &mut Trial) -> Verdict {
    when_failed(trial, |_| ready(nix::unistd::close(0)))
}

fn panics(trial: &mut Trial) -> Verdict {
    when_failed(trial, |_| panic!("as it must not"))
}

/// Claims what the kernel only says that it has done.
fn claims(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"content")?;
    match trial.call(|| file.add_seals(Seals::WRITE)) {
        Ok(()) => {
            let seals = seals_of(&file)?;
            holds(seals.contains(Seals::WRITE), || {
                trial.unsound(format!("claimed to be sealed, but it has {seals:?}"))
            })
        }
        Err(_) => Ok(()),
    }
}

fn invents(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"content")?;
    let result = trial.call(|| file.seals().map_err(|_| Errno::EDOM));
    trial.judge(result, &[], |_| Ok(()))
}

/// Fails although nothing has happened.
fn fails(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(b"content")?;
    let result = trial.call(|| sealed.as_memfd().write(b"more"));
    trial.judge(result, &[], |_| Ok(()))
}

fn repeats(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"content")?;
    trial.call(|| while file.seals() == Err(Errno::EBADF) {});
    Ok(())
}

fn spins(trial: &mut Trial) -> Verdict {
    when_failed(trial, |_| {
        loop {
            std::hint::spin_loop();
        }
    })
}

fn dies(trial: &mut Trial) -> Verdict {
    when_failed(trial, |_| process::abort())
}

fn exits(trial: &mut Trial) -> Verdict {
    when_failed(trial, |_| process::exit(7))
}

/// Reads a map of as many bytes as the file had before.
fn trusts_a_length(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"content")?;
    let Ok(len) = trial.call(|| file.len()) else {
        return Ok(());
    };
    let (Some(len), access) = (NonZeroUsize::new(len as usize), ProtFlags::PROT_READ) else {
        return Ok(());
    };
    // SAFETY: a new mapping, which replaces no other.
    let map = ready(unsafe { mmap(None, len, access, MapFlags::MAP_SHARED, std_fd(&file), 0) })?;
    // SAFETY: it is not safe: another process can cut the file. That is what is to be noticed.
    let first = unsafe { map.cast::<u8>().read_volatile() };
    // SAFETY: the mapping was made above, and nothing refers into it.
    ready(unsafe { munmap(map, len.get()) })?;
    holds(first == b'c' || trial.may_differ(), || {
        "another byte".into()
    })
}

/// Takes the bytes of a file for final that nobody has sealed.
fn trusts_bytes(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"content")?;
    let before = trial.call(|| file.len()).map(|_| content_of(&file));
    trial.attack();
    holds(before == Ok(content_of(&file)), || {
        "bytes have changed".into()
    })
}

fn expects_nobody(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"content")?;
    let written = trial.call(|| file.write(b"CONTENT"));
    trial.judge(written, &[], |_| Ok(()))
}
