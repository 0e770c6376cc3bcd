//! Child processes that run a part of a claim, and how parent and child take turns. Every wait in
//! this module has a time limit, except for a process that is killed.

use crate::{
    Stop, Verdict, kernel,
    raw::{self, Descriptors, Handover, Held, Response, Shared, Which},
};
use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use owned_memfd::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

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

/// A process that runs a part of a claim. If it is dropped before `finish`, it is killed.
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
            // The child must not outlive a parent that is killed. If this call fails, it may.
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

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the process, at most `limit`, and returns its verdict.
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

    /// The verdict of the process, if it has ended.
    fn look(&mut self) -> Option<Verdict> {
        let status = match rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => status,
            Ok(None) | Err(rustix::io::Errno::INTR) => return None,
            Err(error) => return Some(failure!("waitpid fails with {error:?}")),
        };
        Some(self.judge(status))
    }

    /// The verdict of the process, which has ended.
    fn judge(&mut self, status: WaitStatus) -> Verdict {
        self.over = true;
        if let Some(signal) = status.terminating_signal() {
            fail!("killed by signal {signal}");
        }
        let verdict = self.verdict.take();
        verdict.unwrap_or_else(|| failure!("exited with {:?} before its end", status.exit_status()))
    }

    /// Calls `between` whenever the process enters or leaves a system call, until it ends, and
    /// returns its verdict. The process must have called `raw::be_traced`.
    pub(crate) fn finish_in_steps(mut self, mut between: impl FnMut()) -> Verdict {
        // SIGTRAP, and the bit that tells a system call from a signal.
        const CALL: i32 = 5 | 0x80;

        loop {
            let status = ok!(change_of(self.pid, WaitOptions::empty()));
            let signal = match status.stopping_signal() {
                None => return self.judge(status),
                Some(CALL) => {
                    between();
                    0
                }
                // The stop with which it begins.
                Some(signal) if signal == Signal::STOP.as_raw() => {
                    ok!(raw::mark_calls(self.pid));
                    0
                }
                Some(signal) => signal,
            };
            ok!(raw::run_to_next_call(self.pid, signal));
        }
    }
}

/// How many system calls `body` makes, in a process of its own.
pub(crate) fn calls_of(body: impl Fn() -> Verdict) -> Result<u32, Stop> {
    let stops = |body: &dyn Fn() -> Verdict| {
        let mut stops = 0;
        let child = ok!(Child::start(Descriptors::Copied, || {
            ok!(raw::be_traced());
            body()
        }));
        child.finish_in_steps(|| stops += 1)?;
        Ok(stops)
    };
    let others: u32 = stops(&|| Ok(()))?;
    // It stops before and after each call.
    Ok((stops(&body)? - others) / 2)
}

/// Tries again while the kernel says that it may work later.
pub(crate) fn patiently(mut action: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    let mut attempts = 0..50;
    loop {
        match action() {
            Err(Errno::EAGAIN) if attempts.next().is_some() => {
                kernel::sleep(Duration::from_millis(2));
            }
            result => return result,
        }
    }
}

/// Waits until a process ends, or stops if this process traces it or the options ask for that.
pub(crate) fn change_of(pid: Pid, options: WaitOptions) -> Result<WaitStatus, Errno> {
    let deadline = raw::now() + PATIENCE;
    while raw::now() < deadline {
        match rustix::process::waitpid(Some(pid), options | WaitOptions::NOHANG) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {
                kernel::sleep(Duration::from_micros(20));
            }
            Err(error) => return Err(raw::errno(error)),
        }
    }
    Err(Errno::ETIMEDOUT)
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.over {
            // There is nothing better to do about a child that cannot be killed.
            let _ = rustix::process::kill_process(self.pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

/// The steps that two processes take in turns: one side announces each step and the other waits
/// for it.
pub(crate) struct Steps(Shared<AtomicU32>);

impl Steps {
    pub(crate) fn new() -> Result<Self, Errno> {
        Shared::new(AtomicU32::new(0)).map(Self)
    }

    pub(crate) fn reach(&self, step: u32) {
        self.0.store(step, Ordering::Release);
    }

    pub(crate) fn has_reached(&self, step: u32) -> bool {
        self.0.load(Ordering::Acquire) >= step
    }

    /// Waits until the parent reaches a step. The parent outlives its children.
    pub(crate) fn wait_for(&self, step: u32) -> Verdict {
        let deadline = raw::now() + PATIENCE;
        while !self.has_reached(step) {
            holds!(raw::now() < deadline, "step {step} is never reached");
            kernel::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

/// A second process that decides the system calls of this process that `which` selects: the first
/// ones as `responses` say. It lets all others through to the kernel.
pub(crate) struct Supervisor {
    _child: Child,
    _held: Held,
    calls: Shared<AtomicU32>,
}

impl Supervisor {
    pub(crate) fn of(which: Which, responses: &[Response]) -> Result<Self, Stop> {
        let calls = ok!(Shared::new(AtomicU32::new(0)));
        let held = ok!(raw::hold(which));
        let child = ok!(Child::start(Descriptors::Copied, || loop {
            ok!(held.respond(|| {
                let call = calls.fetch_add(1, Ordering::AcqRel) as usize;
                responses.get(call).copied().unwrap_or(Response::LetThrough)
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
