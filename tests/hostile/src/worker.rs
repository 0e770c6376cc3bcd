//! The process that runs trials, and what it may keep.

use crate::{
    orders::{Orders, Verdict},
    trial::{Marker, Operation, Trial},
};
use nix::unistd::alarm;
use std::{
    any::Any,
    collections::BTreeSet,
    fs, io, mem,
    panic::{self, AssertUnwindSafe},
    process,
};

/// Runs trials of an operation, each when the tracer says so.
pub(crate) fn run(operation: Operation, orders: &'static Orders) -> ! {
    // A panic is the verdict, and not something to print.
    panic::set_hook(Box::new(|panic| {
        orders.report(&format!("panicked: {panic}"));
    }));
    // Nothing is kept between two trials, so what is there after one is there before the next.
    let mut kept = Kept::now().unwrap_or_default();
    loop {
        Marker::Ready.stop();
        // Whatever the trial waits for, it ends: this signal is not handled.
        alarm::set(orders.seconds());
        match panic::catch_unwind(AssertUnwindSafe(|| trial(operation, orders, &mut kept))) {
            Ok(Ok(())) => {}
            Ok(Err(broken)) => orders.report(&broken),
            // The hook has said it.
            Err(panic) => drop::<Box<dyn Any + Send>>(panic),
        }
        alarm::cancel();
        if orders.is_alone() {
            process::exit(0);
        }
    }
}

fn trial(operation: Operation, orders: &'static Orders, kept: &mut Kept) -> Verdict {
    let verdict = (operation.run)(&mut Trial::new(orders));
    // What the library says after a lie may be wrong.
    if orders.is_unsound() || !orders.has_lie() {
        verdict?;
    }
    let after = Kept::now().map_err(|error| error.to_string())?;
    let before = mem::replace(kept, after);
    if orders.has_hidden() {
        return Ok(());
    }
    before.is_all(kept, orders.kept())
}

/// What a trial must not leave behind.
#[derive(Default)]
struct Kept {
    descriptors: BTreeSet<String>,
    /// The lines of /proc/self/maps that are of files.
    mappings: BTreeSet<String>,
}

impl Kept {
    fn now() -> io::Result<Self> {
        let mut descriptors = BTreeSet::new();
        for entry in fs::read_dir("/proc/self/fd")? {
            descriptors.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        // ADDRESSES ACCESS OFFSET DEVICE INODE PATH; memory without a file has no inode, and
        // belongs to the allocator.
        let mappings = fs::read_to_string("/proc/self/maps")?;
        let of_files = |line: &&str| line.split_ascii_whitespace().nth(4) != Some("0");
        let mappings = mappings
            .lines()
            .filter(of_files)
            .map(String::from)
            .collect();
        Ok(Self {
            descriptors,
            mappings,
        })
    }

    /// Whether nothing else is there `after`, apart from so many mappings that could not go.
    fn is_all(&self, after: &Self, unmapped: usize) -> Verdict {
        let mut changed: Vec<&String> = self
            .descriptors
            .symmetric_difference(&after.descriptors)
            .collect();
        let more = after.mappings.len() > self.mappings.len() + unmapped;
        if more || unmapped == 0 {
            changed.extend(self.mappings.symmetric_difference(&after.mappings));
        }
        if changed.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "leaked, or closed or unmapped too much: {changed:?}"
            ))
        }
    }
}
