//! What can happen to each system call: errors, short results, and lies.
//!
//! - *Errors* are those of the call's man page, whatever it says about when they happen, and those
//!   that any call can return in a sandbox.
//! - *Short* results are those of a call that moves bytes: it moves fewer, and says so, or none.
//! - *Lies* are results that are not true. Sandboxes tell them: a seccomp filter makes a call
//!   return 0 without doing it, a supervisor ends in the middle of a call, and a kernel in user
//!   space, such as gVisor, ignores flags that it does not know. After some, the library takes the
//!   kernel's word for what it says, and nothing is asked of the file: [`Injected::Trusted`]. After
//!   others, nobody knows of the descriptors that the call made: [`Injected::Hidden`].
//! - A *step* of another process's is one: it has mounted another file where a path leads.
//!
//! What memory safety rests on is never lied about: that a read wrote as many bytes as it says,
//! that a descriptor or a mapping that is returned is new, and that a structure is written. So no
//! control message is longer than it was: what comes after its end would be taken for descriptors.

use crate::orders::Injected::{self, Hidden, Lie, Short, Step, Trusted};
use Effect::{Argument, Control, Instead, Message, Part, Path, Result, Written};
use nix::{errno::Errno, libc};
use std::{ffi::CStr, mem::offset_of};

mod table;

pub use table::ROWS;

/// A call, or one command of a call, and what can happen to it.
#[derive(Debug)]
pub struct Row {
    /// As in arch/mod.rs, and the command.
    pub name: &'static str,
    number: libc::c_long,
    /// What the argument is that tells the command.
    command: Option<(usize, i32)>,
    /// Those of the man page.
    errors: &'static [i32],
    others: &'static [&'static [Injection]],
}

/// What happens to a call.
#[derive(Clone, Copy, Debug)]
pub struct Injection {
    /// One word; that of an error is its own.
    name: &'static str,
    pub kind: Injected,
    pub effect: Effect,
}

/// How it is done. A function gets what is there, and returns what the tracer puts there.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// The call is not made, and returns this.
    Instead(i64),
    /// The call is made with this argument changed.
    Argument(usize, fn(u64) -> u64),
    /// The call is made with this path, unless its own is empty.
    Path(&'static CStr),
    /// The call is made with the length of the first part of its message changed.
    Part(fn(u64) -> u64),
    /// The call is made, and its result is changed unless it failed.
    Result(fn(i64) -> i64),
    /// The call is made, and unless it failed, a word is changed that it wrote: so many bytes
    /// after the address in an argument.
    Written(usize, usize, fn(u64) -> u64),
    /// The same, of the message that it received.
    Message(usize, fn(u64) -> u64),
    /// The same, of the first control message there, if there is one.
    Control(usize, fn(u64) -> u64),
}

impl Injection {
    const fn short(name: &'static str, effect: Effect) -> Self {
        let kind = Short;
        Self { name, kind, effect }
    }

    const fn lie(name: &'static str, effect: Effect) -> Self {
        let kind = Lie;
        Self { name, kind, effect }
    }

    const fn trusted(name: &'static str, effect: Effect) -> Self {
        let kind = Trusted;
        Self { name, kind, effect }
    }

    const fn hidden(name: &'static str, effect: Effect) -> Self {
        let kind = Hidden;
        Self { name, kind, effect }
    }

    /// What another process does to the world.
    const fn step(name: &'static str, effect: Effect) -> Self {
        let kind = Step;
        Self { name, kind, effect }
    }

    fn error(errno: i32) -> Self {
        Self {
            name: "",
            kind: Injected::Error(errno),
            effect: Instead(-i64::from(errno)),
        }
    }

    /// In one word, such as `EPERM`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.kind {
            Injected::Error(errno) => format!("{:?}", Errno::from_raw(errno)),
            _ => self.name.into(),
        }
    }
}

impl Row {
    /// The row of a call.
    #[must_use]
    pub fn of(number: i64, arguments: [u64; 6]) -> Option<&'static Self> {
        ROWS.iter().find(|row| {
            let is_command = |(which, command): (usize, i32)| {
                // The kernel takes the low half of the register.
                arguments[which] & 0xffff_ffff == u64::from(command.cast_unsigned())
            };
            row.number == number && row.command.is_none_or(is_command)
        })
    }

    /// Everything that can happen to the call.
    #[must_use]
    pub fn injections(&self) -> Vec<Injection> {
        // In a sandbox any call is unknown or forbidden; any call may be interrupted.
        let common = [
            libc::ENOSYS,
            libc::EPERM,
            libc::EINTR,
            libc::EAGAIN,
            libc::ENOMEM,
        ];
        let mut errors = [self.errors, &common].concat();
        errors.sort_unstable();
        errors.dedup();
        let others = self.others.iter().copied().flatten().copied();
        errors
            .into_iter()
            .map(Injection::error)
            .chain(others)
            .collect()
    }

    /// Whether it is this call, which is never left undone: Linux closes what it is told to.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.number == libc::SYS_close
    }

    /// Whether a mapping may stay if this call with these arguments fails: it is to go, or to be
    /// replaced, and then nobody knows whether it went.
    #[must_use]
    pub fn keeps_mapping(&self, arguments: [u64; 6]) -> bool {
        self.number == libc::SYS_munmap
            || self.number == libc::SYS_mmap && arguments[3] & libc::MAP_FIXED as u64 != 0
    }

    /// Whether it only waits.
    #[must_use]
    pub fn is_sleep(&self) -> bool {
        self.number == libc::SYS_nanosleep
    }

    /// Whether it waits for something, and if so, which argument points to the time.
    #[must_use]
    pub fn timeout(&self) -> Option<usize> {
        (self.number == libc::SYS_ppoll).then_some(2)
    }
}

/// The calls of arch/mod.rs that are missing here, so that nothing would happen to them.
#[must_use]
pub fn missing() -> Vec<&'static str> {
    const LIST: &str = include_str!("../../../arch/mod.rs");

    let mut missing = Vec::new();
    for line in LIST.lines() {
        // fn NAME = NUMBER(…) -> …;
        let Some((name, number)) = line
            .trim_start()
            .strip_prefix("fn ")
            .and_then(|line| line.split_once(" = "))
        else {
            continue;
        };
        // That of riscv64 alone, which this machine does not make.
        let is_here =
            |row: &&Row| row.name.split('(').next() == Some(name.trim_end_matches("_with"));
        if !number.starts_with("__NR_riscv") && !ROWS.iter().any(|row| is_here(&row)) {
            missing.push(name);
        }
    }
    missing
}
