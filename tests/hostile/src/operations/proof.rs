//! Judging descriptors.

use super::{SMALL, open, operations};
use crate::{
    checks::{Named, THEY_HOLD_IT, THEY_SEALED, holds, ready, same},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{
    BorrowedMemFd, Errno, MemFdOptions, OwnedMemFd, SealedMemFd, Seals,
    fd::{AsFd, AsRawFd, OwnedFd},
};

operations! { "proof":
    take, take_unsealable, take_another, lend, reject, forged_seals, cve_2026_63952,
}

/// What a file is that has one seal, the kernel tells by a file that is made for that.
const NOT_KNOWN: Named = Named::Fault(Errno::EINVAL, "it cannot be told to be a memory file");

/// Takes a descriptor, which comes back if it is rejected.
fn take_fd(trial: &mut Trial, fd: OwnedFd, named: &[Named]) -> Verdict {
    let number = fd.as_raw_fd();
    match trial.call(|| OwnedMemFd::try_from(fd)) {
        Ok(file) => same(file.as_raw_fd(), number, "the descriptor"),
        Err(error) => {
            trial.came_back(error.get_ref(), number)?;
            trial.explains(error, named)
        }
    }
}

fn take(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(trial.file(SMALL)?);
    take_fd(trial, fd, &[NOT_KNOWN])
}

fn take_unsealable(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(ready(
        MemFdOptions::new()
            .executable(true)
            .sealable(false)
            .create("x"),
    )?);
    take_fd(trial, fd, &[NOT_KNOWN])
}

fn take_another(trial: &mut Trial) -> Verdict {
    let fd = open("/bin/true")?;
    take_fd(
        trial,
        fd,
        &[Named::Always(Errno::EINVAL, "it is no memory file")],
    )
}

fn lend(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let lent = trial.call(|| BorrowedMemFd::try_from(file.as_fd()));
    trial.judge(lent, &[NOT_KNOWN], |lent| {
        same(lent.as_raw_fd(), file.as_raw_fd(), "the descriptor")
    })
}

fn reject(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(trial.file(SMALL)?);
    let number = fd.as_raw_fd();
    let Err(error) = trial.call(|| SealedMemFd::verify(fd, 1 << 20)) else {
        return holds(trial.has_company(), || "nobody has sealed it".into());
    };
    let (kind, lent) = trial.call(|| (error.kind(), error.get_ref().as_raw_fd()));
    same(lent, number, "the descriptor that comes back")?;
    let fd = trial.call(|| error.into_inner());
    trial.came_back(&fd, number)?;
    let named = [
        Named::Always(Errno::EPERM, "the seals are missing"),
        Named::Fault(Errno::EINVAL, "it is a file that can change"),
        Named::Race(Errno::EFBIG, "another process has lengthened the file"),
    ];
    trial.explains(kind, &named)
}

/// Seals that CVE-2026-63952 forges: the kernel is tried.
fn forged_seals(trial: &mut Trial) -> Verdict {
    // As above.
    trial.alone();
    let file = trial.file(SMALL)?;
    let seals = Seals::FUTURE_WRITE | Seals::EXEC;
    ready(file.add_seals(seals))?;
    let sealed = trial.call(|| file.seal());
    match sealed {
        Ok(sealed) => trial.is_sealed(&sealed, SMALL),
        Err(error) => {
            let named = [
                Named::Always(Errno::EPERM, "the kernel has the bug"),
                THEY_HOLD_IT,
                Named::Fault(Errno::EPERM, "the kernel seems to have the bug"),
            ];
            trial.explains(error.kind(), &named)
        }
    }
}

fn cve_2026_63952(trial: &mut Trial) -> Verdict {
    // The process keeps what it has found out.
    trial.alone();
    let found = trial.call(owned_memfd::has_cve_2026_63952);
    let refused = Named::Race(Errno::EACCES, "another process has changed the mode");
    trial.judge(found, &[THEY_SEALED, refused], |_| Ok(()))
}
