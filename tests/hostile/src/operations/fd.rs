//! Descriptors. With the feature `std` they are std's own, which calls libc.
#![allow(unsafe_code)]

use super::{SMALL, operations};
use crate::{
    checks::{holds, is_close_on_exec, same, stat_of},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

operations! { "fd":
    try_clone, try_clone_to_owned, numbers, drop_descriptor,
}

fn is_clone(fd: &OwnedFd, clone: &OwnedFd) -> Verdict {
    same(stat_of(clone)?.st_ino, stat_of(fd)?.st_ino, "the file")?;
    holds(is_close_on_exec(clone)?, || "not close-on-exec".into())
}

fn try_clone(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(trial.file(SMALL)?);
    match trial.call(|| fd.try_clone()) {
        Ok(clone) => is_clone(&fd, &clone),
        Err(error) => is_injected(trial, &error),
    }
}

fn try_clone_to_owned(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(trial.file(SMALL)?);
    // SAFETY: the descriptor is open, and stays so.
    let lent = trial.call(|| unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) });
    match trial.call(|| lent.try_clone_to_owned()) {
        Ok(clone) => is_clone(&fd, &clone),
        Err(error) => is_injected(trial, &error),
    }
}

/// The error of a descriptor that is std's own.
#[cfg(feature = "std")]
fn is_injected(trial: &Trial, error: &std::io::Error) -> Verdict {
    let errno = error.raw_os_error().unwrap_or_default();
    trial.explains(owned_memfd::Errno::from_raw_os_error(errno), &[])
}

#[cfg(not(feature = "std"))]
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "as above, where it is not so small"
)]
fn is_injected(trial: &Trial, error: &owned_memfd::Errno) -> Verdict {
    trial.explains(*error, &[])
}

/// No call is made.
fn numbers(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(trial.file(SMALL)?);
    let number = fd.as_fd().as_raw_fd();
    let given_up = trial.call(|| fd.into_raw_fd());
    // SAFETY: it has just been given up.
    let fd = trial.call(|| unsafe { OwnedFd::from_raw_fd(given_up) });
    same((given_up, fd.as_raw_fd()), (number, number), "the number")
}

fn drop_descriptor(trial: &mut Trial) -> Verdict {
    let fd = OwnedFd::from(trial.file(SMALL)?);
    trial.call(|| drop(fd));
    Ok(())
}
