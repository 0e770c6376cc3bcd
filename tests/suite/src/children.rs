//! Other processes: children that run a part of a claim, and how the two sides take turns.
//! Every wait here has an end.

use crate::{
    Stop, Verdict, kernel,
    raw::{self, Answer, Descriptors, Handover, Held, Shared, Which},
};
use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use owned_memfd::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

/// How long one side of a claim waits for the other.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` in a process of its own, for at most `limit`.
pub(crate) fn within(limit: Duration, body: impl FnOnce() -> Verdict) -> Verdict {
    ok!(Child::start(Descriptors::Copied, body)).finish(limit)
}

/// Runs `body` in a process of its own.
pub(crate) fn apart(body: impl FnOnce() -> Verdict) -> Verdict {
    within(PATIENCE, body)
}

/// A process that runs a part of a claim. Dropped before it is finished, it is killed.
pub(crate) struct Child {
    pid: Pid,
    verdict: Shared<Handover<Verdict>>,
    over: bool,
}

impl Child {
    pub(crate) fn start(
        descriptors: Descriptors,
        body: impl FnOnce() -> Verdict,
    ) -> Result<Self, Errno> {
        let verdict = Shared::new(Handover::new())?;
        let pid = raw::fork(descriptors, || {
            // Not left behind where the parent is killed; where this is refused, it may be.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            verdict.put(body());
            0
        })?;
        Ok(Self {
            pid,
            verdict,
            over: false,
        })
    }

    /// What the process found, which is now over.
    pub(crate) fn finish(mut self, limit: Duration) -> Verdict {
        let deadline = raw::now() + limit;
        let mut pause = Duration::from_micros(50);
        loop {
            if let Some(verdict) = self.look() {
                return verdict;
            }
            holds!(raw::now() < deadline, "not over after {limit:?}");
            kernel::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    /// Waits until the process reaches a step.
    pub(crate) fn reaches(&mut self, step: u32, steps: &Steps) -> Verdict {
        let deadline = raw::now() + PATIENCE;
        while !steps.has_reached(step) {
            if let Some(verdict) = self.look() {
                verdict?;
                fail!("over before step {step}");
            }
            holds!(raw::now() < deadline, "step {step} is never reached");
            kernel::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// What the process found, if it is over.
    fn look(&mut self) -> Option<Verdict> {
        let status = match rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => status,
            Ok(None) | Err(rustix::io::Errno::INTR) => return None,
            Err(error) => return Some(failure!("waitpid fails with {error:?}")),
        };
        self.over = true;
        if let Some(signal) = status.terminating_signal() {
            return Some(failure!("killed by signal {signal}"));
        }
        let verdict = self.verdict.take();
        Some(
            verdict.unwrap_or_else(|| {
                failure!("exited with {:?} before its end", status.exit_status())
            }),
        )
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.over {
            // Nothing better can be done about a child that cannot be killed.
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

/// The steps that two processes take in turns: each is announced by one side and awaited by
/// the other.
pub(crate) struct Steps(Shared<AtomicU32>);

impl Steps {
    pub(crate) fn new() -> Result<Self, Errno> {
        Shared::new(AtomicU32::new(0)).map(Self)
    }

    pub(crate) fn reach(&self, step: u32) {
        self.0.store(step, Ordering::Release);
    }

    fn has_reached(&self, step: u32) -> bool {
        self.0.load(Ordering::Acquire) >= step
    }

    /// Waits until the parent, which outlives its children, reaches a step.
    pub(crate) fn wait_for(&self, step: u32) -> Verdict {
        let deadline = raw::now() + PATIENCE;
        while !self.has_reached(step) {
            holds!(raw::now() < deadline, "step {step} is never reached");
            kernel::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

/// Answers the calls of this process that `which` names from a second process: the first ones
/// as `answers` say, all others by the kernel itself.
pub(crate) struct Overseer {
    _child: Child,
    _held: Held,
    calls: Shared<AtomicU32>,
}

impl Overseer {
    pub(crate) fn of(which: Which, answers: &[Answer]) -> Result<Self, Stop> {
        let calls = ok!(Shared::new(AtomicU32::new(0)));
        let held = ok!(raw::hold(which));
        let child = ok!(Child::start(Descriptors::Copied, || loop {
            ok!(held.answer(|| {
                let call = calls.fetch_add(1, Ordering::AcqRel) as usize;
                answers.get(call).copied().unwrap_or(Answer::LetThrough)
            }));
        }));
        Ok(Self {
            _child: child,
            _held: held,
            calls,
        })
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Acquire)
    }
}
