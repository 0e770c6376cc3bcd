//! Everything that can happen to the calls of an operation, one or two things at a time.

use crate::{
    injections::Row,
    injector::{Fault, Injector},
    orders::{Orders, Verdict},
    tracer::Tracer,
    trial::Operation,
};
use std::{fmt::Write, ptr};

/// All trials of one operation.
pub struct Examination {
    operation: Operation,
    tracer: Tracer,
    /// How many calls of the operation something happens to.
    pub sites: usize,
    /// To how many nothing happens: they are in the middle of a loop.
    pub in_loops: usize,
    /// How many trials there were in which something happened.
    pub injections: usize,
    pub failures: Vec<String>,
}

impl Examination {
    #[must_use]
    pub fn new(operation: Operation, orders: &'static Orders) -> Self {
        Self {
            operation,
            tracer: Tracer::new(operation, orders),
            sites: 0,
            in_loops: 0,
            injections: 0,
            failures: Vec::new(),
        }
    }

    /// Lets trials run for so many seconds only.
    #[must_use]
    pub fn seconds(mut self, seconds: u32) -> Self {
        self.tracer = self.tracer.seconds(seconds);
        self
    }

    /// Runs the operation undisturbed, then with each fault at each call: once, and if the call is
    /// made again after that, from then on. With `pairs`, also with each fault at each later call,
    /// unless the operation has long loops: that would take hours.
    pub fn run(&mut self, pairs: bool) -> nix::Result<()> {
        // What the library finds out once, it keeps: the second trial is like all later ones.
        self.check(&[])?;
        let calls = self.check(&[])?;
        self.sites = ends(&calls, 0).len();
        self.in_loops = calls.len() - self.sites;
        for first in all(&calls, 0) {
            let calls = self.check(&[first])?;
            let mut later = calls.iter().skip(first.site + 1);
            if later.any(|row| ptr::eq(*row, first.row)) {
                self.check(&[first.from_then_on()])?;
            }
            if pairs && self.in_loops == 0 {
                for second in all(&calls, first.site + 1) {
                    self.check(&[first, second])?;
                }
            }
        }
        Ok(())
    }

    /// Runs a trial, and returns its calls. If it fails, that is kept, and these are none.
    fn check(&mut self, faults: &[Fault]) -> nix::Result<Vec<&'static Row>> {
        self.injections += usize::from(!faults.is_empty());
        let (verdict, calls) = self.trial(faults)?;
        let Err(broken) = verdict else {
            return Ok(calls);
        };
        let (mut words, mut command) = (String::new(), String::new());
        for fault in faults {
            let _ = write!(words, "{} of call {}, ", fault.row.name, fault.site);
            let _ = write!(command, " {fault}");
        }
        let name = self.operation.name;
        self.failures.push(format!(
            "{name}: {words}{broken}\n  again: faults {name}{command}"
        ));
        Ok(Vec::new())
    }

    /// Runs one trial with these faults, and returns what it found, and its calls.
    pub fn trial(&mut self, faults: &[Fault]) -> nix::Result<(Verdict, Vec<&'static Row>)> {
        let mut injector = Injector::new(faults);
        let verdict = self.tracer.trial(&mut injector)?;
        let calls = injector.calls;
        // After a first one, time may decide how often the library asks again.
        let is_met = |fault: &Fault| {
            calls
                .get(fault.site)
                .is_some_and(|row| ptr::eq(*row, fault.row))
        };
        let verdict = match (
            injector.unknown,
            faults.first().filter(|fault| !is_met(fault)),
        ) {
            _ if verdict.is_err() => verdict,
            (Some(number), _) => Err(format!("call number {number} is not in src/injections")),
            (_, Some(fault)) => Err(format!(
                "{} was not made as call {}",
                fault.row.name, fault.site
            )),
            _ => Ok(()),
        };
        Ok((verdict, calls))
    }

    /// The faults that are written as `SITE FAULT`, such as `1 EINTR` or `1 EINTR+`, for all such
    /// calls from then on.
    pub fn parse(&mut self, words: &[&str]) -> Result<Vec<Fault>, String> {
        let mut faults = Vec::new();
        self.trial(&[]).map_err(|errno| errno.to_string())?.0?;
        for pair in words.chunks(2) {
            // What comes after a fault depends on it.
            let (_, calls) = self.trial(&faults).map_err(|errno| errno.to_string())?;
            let &[site, name] = pair else {
                return Err("after a site, the name of a fault is missing".into());
            };
            let (name, from_then_on) = name
                .strip_suffix('+')
                .map_or((name, false), |name| (name, true));
            let site = site
                .parse()
                .map_err(|_| format!("{site} is not the number of a call"))?;
            let found = all(&calls, site)
                .find(|fault| fault.site == site && fault.injection.name() == name);
            let fault = found.ok_or_else(|| {
                let row = calls.get(site).map_or("none", |row| row.name);
                format!("call {site} is {row}, to which no {name} happens")
            })?;
            faults.push(if from_then_on {
                fault.from_then_on()
            } else {
                fault
            });
        }
        Ok(faults)
    }
}

/// To how many calls of one kind something happens, counted from the first and from the last one.
/// Those between them are taken for a loop.
const ENDS: usize = 2;

/// Each fault at each of these calls, from this one on, apart from those in the middle of a loop.
fn all(calls: &[&'static Row], first: usize) -> impl Iterator<Item = Fault> + use<> {
    ends(calls, first).into_iter().flat_map(|(site, row)| {
        let injections = row.injections().into_iter();
        injections.map(move |injection| Fault {
            site,
            row,
            injection,
            from_then_on: false,
        })
    })
}

/// These calls, from this one on, apart from those in the middle of a loop.
fn ends(calls: &[&'static Row], first: usize) -> Vec<(usize, &'static Row)> {
    let calls = calls.get(first..).unwrap_or_default();
    let has_few =
        |calls: &[&Row], row| calls.iter().filter(|call| ptr::eq(**call, row)).count() <= ENDS;
    let mut ends = Vec::new();
    for (index, row) in calls.iter().copied().enumerate() {
        if has_few(&calls[..=index], row) || has_few(&calls[index..], row) {
            ends.push((first + index, row));
        }
    }
    ends
}
