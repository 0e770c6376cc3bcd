//! One run of an operation, as the operation sees it.
#![allow(unsafe_code)]

use crate::orders::{Injected, Orders, Verdict};
use std::arch::asm;

/// An operation of the library, and what must hold whatever the kernel does.
#[derive(Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    pub run: fn(&mut Trial) -> Verdict,
}

/// One run of an operation.
pub struct Trial {
    orders: &'static Orders,
}

/// What a worker tells its tracer by stopping: a breakpoint with this number in a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Marker {
    /// A trial has ended, if one has begun, and the next one may begin.
    Ready = 0x5245_4144,
    /// What follows is the library's.
    Begin = 0x4245_4749,
    /// What follows is no longer.
    End = 0x454e_4420,
    /// Whoever meddles tries to change what has been sealed.
    Attack = 0x4154_5443,
}

impl Marker {
    pub(crate) fn of(register: u64) -> Option<Self> {
        let all = [Self::Ready, Self::Begin, Self::End, Self::Attack];
        all.into_iter().find(|marker| *marker as u64 == register)
    }

    /// Stops until the tracer goes on.
    #[inline]
    pub(crate) fn stop(self) {
        // SAFETY: the breakpoint changes nothing. The tracer takes its signal away.
        unsafe { asm!("int3", in("rax") self as u64, options(nostack)) };
    }
}

/// Ends what is the library's, also if that panics.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        Marker::End.stop();
    }
}

impl Trial {
    pub(crate) fn new(orders: &'static Orders) -> Self {
        Self { orders }
    }

    /// Calls the library. The tracer meddles with the system calls of this, and with no others.
    #[inline(never)]
    pub fn call<T>(&mut self, call: impl FnOnce() -> T) -> T {
        Marker::Begin.stop();
        let end = End;
        let returned = call();
        drop(end);
        returned
    }

    /// What has happened to calls of the library in this trial, so far.
    pub fn injected(&self) -> impl Iterator<Item = Injected> + use<> {
        self.orders.injected()
    }

    /// What does not hold, although it must even if the kernel lies.
    #[must_use]
    pub fn unsound(&self, what: impl Into<String>) -> String {
        self.orders.set_unsound();
        what.into()
    }

    /// Makes this the only trial of its process: the library keeps something for as long as the
    /// process lives.
    pub fn alone(&mut self) {
        self.orders.set_alone();
    }

    /// Lets another process, if one meddles, try again to change what has been sealed.
    pub fn attack(&self) {
        Marker::Attack.stop();
    }
}
