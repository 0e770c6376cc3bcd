//! Another process, which does steps between any two calls of the library.

use crate::{
    orders::{Injected, Orders, Verdict},
    program::COPY_LINK,
    steps::{Kept, Kind, Map, STEPS, Step, Theirs, descriptors, punch},
    tracer::{Call, Meddler, Tracer},
    trial::Operation,
};
use nix::{libc, sys::ptrace, unistd::Pid};
use std::{
    fmt::{self, Write},
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    ptr,
};

/// A step at a boundary.
#[derive(Clone, Copy)]
pub struct Visit {
    pub boundary: usize,
    pub step: &'static Step,
    /// With which of the descriptors that it can be done with, in their order, if not with all.
    pub which: Option<usize>,
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.boundary, self.step.name)?;
        match self.which {
            Some(which) => write!(f, "@{which}"),
            None => Ok(()),
        }
    }
}

/// Which kinds of files the worker has at each boundary: before each call, and at the end of each
/// region of the library's.
#[derive(Default)]
struct Profile {
    /// The call is `None` at the end of a region.
    boundaries: Vec<(Option<i64>, Vec<Kind>)>,
}

impl Profile {
    fn add(&mut self, worker: Pid, call: Option<i64>) -> nix::Result<()> {
        let found = descriptors(worker).map_err(errno)?;
        let kinds = found.into_iter().map(|(_, kind)| kind).collect();
        self.boundaries.push((call, kinds));
        Ok(())
    }
}

impl Profile {
    /// The boundaries at which the worker has a file.
    fn boundaries(&self, full: bool) -> Vec<(usize, &[Kind])> {
        let call = |at: usize| self.boundaries.get(at).and_then(|(call, _)| *call);
        let is_repeated = |at: usize| {
            let here = call(at);
            here.is_some() && at > 0 && here == call(at - 1) && here == call(at + 1)
        };
        let all = self.boundaries.iter().enumerate();
        let all = all.filter(|(at, (_, kinds))| !kinds.is_empty() && (full || !is_repeated(*at)));
        all.map(|(at, (_, kinds))| (at, &kinds[..])).collect()
    }
}

impl Meddler for Profile {
    fn entry(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        self.add(call.worker, Some(call.number()))
    }

    fn end(&mut self, worker: Pid) -> nix::Result<()> {
        self.add(worker, None)
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it is what an error is mapped with"
)]
fn errno(error: io::Error) -> nix::Error {
    nix::Error::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Another process, which does steps at boundaries.
struct Company<'a> {
    orders: &'a Orders,
    /// What it does, in order.
    visits: &'a [Visit],
    boundary: usize,
    kept: Vec<Kept>,
    /// What is unmapped at a later boundary.
    mapped: Vec<Map>,
}

impl<'a> Company<'a> {
    fn new(orders: &'a Orders, visits: &'a [Visit]) -> Self {
        Self {
            orders,
            visits,
            boundary: 0,
            kept: Vec::new(),
            mapped: Vec::new(),
        }
    }

    fn meet(&mut self, worker: Pid) -> nix::Result<()> {
        let here = self.boundary;
        self.boundary += 1;
        for visit in self.visits {
            let is_here = visit.boundary == here;
            if is_here && visit.step.unmaps {
                self.mapped.clear();
            } else if is_here || visit.step.unmaps && here < visit.boundary {
                self.act(worker, visit).map_err(errno)?;
            }
        }
        Ok(())
    }

    /// Does a step, or maps what is to be unmapped later.
    fn act(&mut self, worker: Pid, visit: &Visit) -> io::Result<()> {
        let step = visit.step;
        let mut found = descriptors(worker)?;
        found.retain(|(_, kind)| *kind == step.kind);
        for (at, (number, kind)) in found.into_iter().enumerate() {
            if visit.which.is_some_and(|which| which != at) {
                continue;
            }
            self.orders.inject(if step.changes {
                Injected::Change
            } else {
                Injected::Step
            });
            let mut theirs = Theirs::get(worker, number, kind)?;
            // What a seal forbids, fails.
            if step.unmaps {
                self.mapped.extend(Map::new(&theirs.opened));
            } else {
                let _ = (step.act)(&mut theirs);
            }
            self.kept.append(&mut theirs.kept);
        }
        Ok(())
    }

    /// Tries everything that could change a file that is sealed, by what was kept and anew.
    fn try_to_change(&self, worker: Pid) -> io::Result<()> {
        for kept in &self.kept {
            match kept {
                Kept::File(file) => change(file),
                Kept::Lock(file) => change(file),
                Kept::Map(map) => map.write()?,
            }
        }
        for (number, kind) in descriptors(worker)? {
            if kind == Kind::Memory {
                let theirs = Theirs::get(worker, number, kind)?;
                change(&theirs.shared);
                change(&theirs.opened);
            }
        }
        poke_read_only_maps(worker)
    }
}

/// Each of these fails if the file is sealed.
fn change(file: &File) {
    if let Ok(map) = Map::new(file) {
        let _ = map.write();
    }
    let _ = file.write_all_at(b"Y", 0);
    let _ = punch(file);
    let _ = file.set_len(1);
    let _ = file.set_len(0);
}

/// Writes into the worker's memory, as a debugger does, where a file is mapped shared and only for
/// reading.
fn poke_read_only_maps(worker: Pid) -> io::Result<()> {
    let maps = fs::read_to_string(format!("/proc/{worker}/maps"))?;
    let is_of_trial = |line: &&str| line.contains("/memfd:") && !line.ends_with(COPY_LINK);
    for line in maps.lines().filter(is_of_trial) {
        let mut words = line.split_ascii_whitespace();
        let (Some(addresses), Some("r--s" | "r-xs")) = (words.next(), words.next()) else {
            continue;
        };
        let start = addresses.split('-').next().unwrap_or_default();
        if let Ok(start) = usize::from_str_radix(start, 16) {
            let _ = ptrace::write(worker, ptr::with_exposed_provenance_mut(start), 0x5959);
        }
    }
    Ok(())
}

impl Meddler for Company<'_> {
    fn entry(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        self.meet(call.worker)?;
        // What waits for another process to go waits in vain, and so need not wait.
        if call.number() == libc::SYS_nanosleep {
            call.skip(0);
        }
        Ok(())
    }

    fn exit(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        // What a mapping was to replace may be gone or not, so nobody unmaps it.
        let flags = call.arguments()[3];
        let is_over = flags & u64::from(libc::MAP_FIXED.cast_unsigned()) != 0;
        if call.number() == libc::SYS_mmap && is_over && call.result() < 0 {
            self.orders.keep_mapping();
        }
        Ok(())
    }

    fn end(&mut self, worker: Pid) -> nix::Result<()> {
        self.meet(worker)
    }

    fn attack(&mut self, worker: Pid) -> nix::Result<()> {
        self.try_to_change(worker).map_err(errno)
    }
}

/// How far after a first step a second one is done, in boundaries.
const WINDOW: usize = 3;

/// All trials of one operation.
pub struct Visits {
    operation: Operation,
    orders: &'static Orders,
    tracer: Tracer,
    /// At how many boundaries the worker has a file, if nobody does anything.
    pub boundaries: usize,
    /// At how many it does not come: they are in the middle of a loop.
    pub in_loops: usize,
    /// How many trials there were in which something was done.
    pub steps: usize,
    pub failures: Vec<String>,
}

impl Visits {
    #[must_use]
    pub fn new(operation: Operation, orders: &'static Orders) -> Self {
        Self {
            operation,
            orders,
            tracer: Tracer::new(operation, orders),
            boundaries: 0,
            in_loops: 0,
            steps: 0,
            failures: Vec::new(),
        }
    }

    /// Runs the operation alone, then with each step at each boundary, on all files and on each one
    /// of several; with `full`, also with each step at the same and the next boundaries. Else, where
    /// a call is made many times in a row, only the first and the last times count.
    ///
    /// # Errors
    /// That of tracing, like below.
    pub fn run(&mut self, full: bool) -> nix::Result<()> {
        let mut profile = Profile::default();
        // What the library finds out once, it keeps: the second trial is like all later ones.
        for _ in 0..2 {
            profile = Profile::default();
            if let Err(broken) = self.tracer.trial(&mut profile)? {
                self.failures
                    .push(format!("{}: {broken}", self.operation.name));
                return Ok(());
            }
        }
        let boundaries = profile.boundaries(full);
        self.boundaries = boundaries.len();
        self.in_loops = profile.boundaries(true).len() - boundaries.len();
        let mut all = Vec::new();
        for (boundary, kinds) in boundaries {
            for step in STEPS {
                let count = kinds.iter().filter(|kind| **kind == step.kind).count();
                let mut add = |which| {
                    all.push(Visit {
                        boundary,
                        step,
                        which,
                    });
                };
                if count > 0 {
                    add(None);
                }
                if count > 1 && !step.unmaps {
                    (0..count).map(Some).for_each(add);
                }
            }
        }
        for &first in &all {
            self.check(&[first])?;
            if full && first.which.is_none() {
                let near = first.boundary..=first.boundary + WINDOW;
                let is_near =
                    |second: &&Visit| second.which.is_none() && near.contains(&second.boundary);
                for &second in all.iter().filter(is_near) {
                    self.check(&[first, second])?;
                }
            }
        }
        Ok(())
    }

    /// Runs the operation with these steps.
    ///
    /// # Errors
    /// As above.
    pub fn visit(&mut self, visits: &[Visit]) -> nix::Result<Verdict> {
        self.tracer.trial(&mut Company::new(self.orders, visits))
    }

    fn check(&mut self, visits: &[Visit]) -> nix::Result<()> {
        self.steps += 1;
        if let Err(broken) = self.visit(visits)? {
            let (name, mut again) = (self.operation.name, String::new());
            for visit in visits {
                // Into a string, this cannot fail.
                let _ = write!(again, " {visit}");
            }
            self.failures
                .push(format!("{name}: {broken}\n  again: steps {name}{again}"));
        }
        Ok(())
    }
}
