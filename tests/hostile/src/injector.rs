//! Makes things happen to the calls of a trial.

use crate::{
    injections::{Effect, Injection, Row},
    orders::Injected,
    tracer::{Call, Meddler},
};
use nix::libc;
use std::{fmt, mem::offset_of, ptr};

/// How often from then on a call is interrupted: as long as it is, some functions go on, as they
/// promise. One gives up after half of that.
const INTERRUPTIONS: usize = 64;
/// How often from then on a call is short or lies.
const MOST: usize = 8;

/// Something that happens to a call of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Which call it is: how many the library has made before.
    pub site: usize,
    pub row: &'static Row,
    pub injection: Injection,
    /// Whether it happens to all such calls after it, too.
    pub from_then_on: bool,
}

impl Fault {
    /// The same, from then on.
    #[must_use]
    pub fn from_then_on(self) -> Self {
        Self {
            from_then_on: true,
            ..self
        }
    }
}

impl fmt::Display for Fault {
    /// As `faults` takes it: the site and the injection.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.from_then_on { "+" } else { "" };
        write!(f, "{} {}{more}", self.site, self.injection.name())
    }
}

/// Makes faults happen, and lists the calls.
#[derive(Default)]
pub struct Injector<'a> {
    faults: &'a [Fault],
    /// How often a fault from then on has happened.
    happened: usize,
    /// What happens to the call that is being made.
    current: Option<(&'static Row, Injection)>,
    /// The calls, in their order.
    pub calls: Vec<&'static Row>,
    /// A call that the table does not have.
    pub unknown: Option<i64>,
}

impl<'a> Injector<'a> {
    #[must_use]
    pub fn new(faults: &'a [Fault]) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    /// What is to happen to this call.
    fn choose(&mut self, nth: usize, row: &'static Row) -> Option<Injection> {
        let is_such = |fault: &&Fault| ptr::eq(fault.row, row);
        let mut such = self.faults.iter().filter(is_such);
        let fault =
            such.find(|fault| fault.site == nth || fault.from_then_on && fault.site < nth)?;
        let most = match fault.injection.kind {
            Injected::Error(libc::EINTR) => INTERRUPTIONS,
            Injected::Error(_) => usize::MAX,
            _ => MOST,
        };
        self.happened += 1;
        (self.happened <= most).then_some(fault.injection)
    }
}

impl Meddler for Injector<'_> {
    fn entry(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        let Some(row) = Row::of(call.number(), call.arguments()) else {
            self.unknown = Some(call.number());
            return Ok(());
        };
        self.calls.push(row);
        let injection = self.choose(call.nth, row);
        self.current = injection.map(|injection| (row, injection));
        let Some(injection) = injection else {
            return hurry(row, call);
        };
        if matches!(injection.effect, Effect::Path(_)) && is_empty_path(call)? {
            // It leads to the descriptor itself.
            return Ok(());
        }
        if !matches!(injection.effect, Effect::Instead(_)) {
            hurry(row, call)?;
        }
        call.orders.inject(injection.kind);
        match injection.effect {
            // Linux has released the number, whatever it returns.
            Effect::Instead(_) if row.is_close() => {}
            Effect::Instead(result) => {
                if row.keeps_mapping(call.arguments()) {
                    call.orders.keep_mapping();
                }
                call.skip(result);
            }
            Effect::Argument(which, change) => {
                call.set_argument(which, change(call.arguments()[which]));
            }
            Effect::Part(change) => {
                let message = call.arguments()[1];
                let part = call.word(message + offset_of!(libc::msghdr, msg_iov) as u64)?;
                let len = part + offset_of!(libc::iovec, iov_len) as u64;
                call.set_word(len, change(call.word(len)?))?;
            }
            // The worker is a fork of this process, and has the string at the same address.
            Effect::Path(path) => call.set_argument(1, path.as_ptr().addr() as u64),
            // What is changed afterwards.
            _ => {}
        }
        Ok(())
    }

    fn exit(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        let Some((row, injection)) = self.current.take() else {
            return Ok(());
        };
        if let Effect::Instead(result) = injection.effect {
            if row.is_close() {
                call.set_result(result);
            }
        }
        if call.result() < 0 {
            return Ok(());
        }
        let (address, change) = match injection.effect {
            Effect::Result(change) => {
                call.set_result(change(call.result()));
                return Ok(());
            }
            Effect::Written(which, offset, change) => {
                (call.arguments()[which] + offset as u64, change)
            }
            Effect::Message(offset, change) => (call.arguments()[1] + offset as u64, change),
            Effect::Control(offset, change) => {
                let message = call.arguments()[1];
                let len = offset_of!(libc::msghdr, msg_controllen);
                if call.word(message + len as u64)? < size_of::<libc::cmsghdr>() as u64 {
                    return Ok(());
                }
                let control = offset_of!(libc::msghdr, msg_control);
                (call.word(message + control as u64)? + offset as u64, change)
            }
            _ => return Ok(()),
        };
        call.set_word(address, change(call.word(address)?))
    }
}

/// Lets a call that is made not wait for long: nobody is there to wait for.
fn hurry(row: &Row, call: &mut Call<'_>) -> nix::Result<()> {
    if row.is_sleep() {
        call.skip(0);
    }
    if let Some(which) = row.timeout() {
        let time = call.arguments()[which];
        // A second and more.
        if time != 0 && call.word(time)? > 0 {
            call.set_word(time, 0)?;
            call.set_word(time + 8, 0)?;
        }
    }
    Ok(())
}

/// Whether the path of a call that has one is empty.
fn is_empty_path(call: &Call<'_>) -> nix::Result<bool> {
    Ok(call.word(call.arguments()[1])?.to_le_bytes()[0] == 0)
}
