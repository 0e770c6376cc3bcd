//! Signals that interrupt system calls, all the time.
#![allow(unsafe_code)]

use crate::board::THREADS;
use nix::{
    sys::{
        signal::{
            SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction,
        },
        timer::{Expiration, Timer, TimerSetTimeFlags},
    },
    time::ClockId,
};
use std::{
    error::Error,
    ffi::c_int,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The time from one signal of a process to the next.
const PERIOD: Duration = Duration::from_micros(40);

/// How many signals this process has got.
pub(crate) static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    SIGNALS.fetch_add(1, Relaxed);
}

/// Handles the signal, without `SA_RESTART`: a system call that it interrupts returns `EINTR`.
pub(crate) fn prepare() -> Result<(), Box<dyn Error + Send + Sync>> {
    let handler = SigHandler::Handler(count);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing but an atomic operation.
    unsafe { sigaction(Signal::SIGALRM, &action) }?;
    Ok(())
}

/// Signals for this thread, until dropped. Those of a process's threads together come in the
/// period: the kernel would give the signals of a single timer to whichever thread it prefers.
pub(crate) fn on_this_thread() -> Result<Timer, Box<dyn Error + Send + Sync>> {
    let event = SigEvent::new(SigevNotify::SigevThreadId {
        signal: Signal::SIGALRM,
        thread_id: rustix::thread::gettid().as_raw_nonzero().get(),
        si_value: 0,
    });
    let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, event)?;
    let period = PERIOD * u32::try_from(THREADS)?;
    timer.set(
        Expiration::Interval(period.into()),
        TimerSetTimeFlags::empty(),
    )?;
    Ok(timer)
}
