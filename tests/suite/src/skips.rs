//! Where a claim may be skipped, and for which reasons. What is not allowed here is a failure.
//!
//! This is the only list of reasons. A driver that is told its place applies it: the scripts of `ci`
//! tell `tests/suite.rs` and `tests/freestanding`, and `tests/kernels` applies it to what a machine
//! printed. Without a place, as with `cargo test` by hand, each skip is only reported. How many tests
//! may be skipped in all, `ci/common.sh` says.

use crate::{
    Stop, Verdict, attacks, booting, collapsing, copies, descriptors,
    init::{
        DEV_FD_NOT_WANTED, DEV_FD_WANTED, NOT_ABOUT_KEXEC, RUNS_AS_SECOND_KERNEL, RUNS_BY_PROC,
        RUNS_WITHOUT_PROC,
    },
    integers, kexec, mapping, parties, proving, shared, world,
};

/// Any machine that the scripts run the tests on: also an old one, or a container, or as an ordinary
/// user. Nothing is an emulator's fault there.
pub const HOST: &str = "host";
/// QEMU user-mode on such a machine. What is allowed on [`HOST`] is allowed here too.
pub const EMULATED: &str = "emulated";
/// Where no reason is allowed, which shows that a skip can fail.
pub const NOWHERE: &str = "nowhere";
// All other places are machines of tests/kernels: the name of a kernel for the machine that runs
// every claim, and `KERNEL/VARIANT` for those that run some. They are the tests' own, and lack only
// what their kernels lack.

/// Every kernel, on the machine that runs every claim.
const EVERY_KERNEL: &str = "*-*";

/// A reason, and the places where it is allowed. A `*` stands for any text.
pub type Line = (&'static str, &'static [&'static str]);

/// What is allowed. When all kernels were booted that a pattern names, `tests/kernels` reports it
/// if nothing is skipped there for this reason.
pub const ALLOWED: &[Line] = &[
    // What a machine lacks that is not the tests' own.
    (world::NO_OWN_MACHINE, &[HOST]),
    (world::NO_PROC, &[HOST]),
    (world::NO_DEVICES, &[HOST]),
    (world::NO_TERMINALS, &[HOST]),
    (world::NO_BLOCK_DEVICE, &[HOST]),
    (world::NO_TMPFS, &[HOST]),
    (world::NO_HUGETLBFS, &[HOST]),
    (world::NO_OWN_MOUNTS, &[HOST]),
    (world::NO_UNMOUNTS, &[HOST]),
    (world::NO_OTHER_USERS, &[HOST]),
    (world::NO_OWN_NOEXEC, &[HOST, "*-5.10*", "*-6.1"]),
    (world::NOEXEC_SET, &[HOST]),
    (world::FEW_DESCRIPTORS, &[HOST]),
    (world::NO_WAY_WITHOUT_PROC, &[HOST]),
    (attacks::NO_POOL, &[HOST]),
    (copies::NO_CODE, &[HOST]),
    (collapsing::LARGE_ANYWAY, &[HOST]),
    (attacks::NO_IO_URING, &[HOST]),
    (attacks::NO_INIT, &[HOST]),
    (parties::NO_PROGRAMS, &[HOST]),
    (booting::NOT_CLOSED, &[HOST]),
    (booting::NOT_ATTACHED, &[HOST]),
    (booting::NO_IMAGE, &[HOST]),
    (booting::NO_NODES, &[HOST]),
    (world::NO_TRACING, &[HOST]),
    (world::NO_LEASES, &[HOST]),
    (world::NO_SAME_NUMBER, &[HOST]),
    (attacks::NO_UPROBES, &[HOST]),
    (attacks::NO_AIO, &[HOST]),
    (attacks::NO_LOCKS, &[HOST]),
    (descriptors::NO_SYSTEM_V, &[HOST]),
    (descriptors::NO_MAP_FILES, &[HOST]),
    (parties::NO_LOOPBACK, &[HOST]),
    // What some kernels lack.
    (world::NO_EXEC_FLAGS, &[HOST, "*-5.10*", "*-6.1"]),
    (world::NO_FUTURE_WRITE, &[HOST]),
    (world::NO_PROCESS_DESCRIPTORS, &[HOST]),
    (world::NOT_HUGE_BY_COLLAPSE, &[HOST, "*-5.10*"]),
    (world::NO_HUGE_PAGES, &[HOST]),
    (world::NO_HUGE_PAGE_LIST, &[HOST]),
    (world::NO_SECRET_MEMORY, &[HOST, "*-5.10*"]),
    (world::NO_MODULES, &[HOST]),
    (world::NO_KEXEC, &[HOST, "arm64-*", "riscv64-*"]),
    (world::NO_COLLAPSE, &[HOST, "*-5.10*"]),
    (attacks::NO_USERFAULTFD, &[HOST, "*-5.10*"]),
    (parties::NO_PIDFD_MESSAGES, &[HOST, "*-5.10*", "*-6.1"]),
    (parties::NO_CHECK, &[HOST, "*-5.10*", "*-6.1", "*-6.12*"]),
    (
        parties::NO_PASSRIGHTS,
        &[HOST, "*-5.10*", "*-6.1", "*-6.12*"],
    ),
    // The installer's 6.12 may be what is booted, and has FUSE as a module.
    (parties::NO_FUSE, &[HOST, "*-5.10*", "*-6.1", "*-6.12"]),
    (world::NO_ACCESS_LISTS, &[HOST]),
    (world::NO_EMPTY_PATH, &[HOST, "*-5.10*", "*-6.*"]),
    (attacks::NO_UNTRACED_WRITES, &[HOST, "*-newest"]),
    // What others have.
    (world::NO_NEED_OF_PROC, &[HOST, "*-newest"]),
    (
        mapping::SHARED_MAPS_ARE_MADE,
        &[HOST, "*-5.10", "*-5.10-new", "*-6.*", "*-newest"],
    ),
    (proving::NO_FORGERY, &[HOST, "*-6.12", "*-newest"]),
    (proving::FORGERY, &[HOST, "*-6.12.43"]),
    (booting::MODULES, &[HOST, EVERY_KERNEL]),
    (kexec::KEXEC, &[HOST, "x86_64-*", "x86_64-newest/kexec"]),
    (
        DEV_FD_NOT_WANTED,
        &["*-5.10", "*-5.10-new", "*-6.*", "*-newest"],
    ),
    (DEV_FD_WANTED, &["*-5.10-old"]),
    // What needs another machine, CPU or program.
    (world::LITTLE_MEMORY, &[HOST, EVERY_KERNEL]),
    (world::VECTORS_KEPT, &[HOST, "x86_64-*"]),
    (world::NO_VECTORS, &[HOST, "arm64-*", "riscv64-*"]),
    (kexec::NO_KERNEL, &["x86_64-*"]),
    (kexec::ANY_LENGTH, &[HOST, "arm64-*", "riscv64-*"]),
    (NOT_ABOUT_KEXEC, &[EVERY_KERNEL]),
    // What QEMU user-mode does not pass on.
    (world::NAMES_COPIED, &[EMULATED]),
    (world::NO_ADVICE, &[EMULATED]),
    (world::NO_DUPLICATES, &[EMULATED]),
    (world::NO_SHARED_DESCRIPTORS, &[EMULATED]),
    (world::NO_FILTERS, &[EMULATED]),
    (world::NO_SUPERVISORS, &[EMULATED]),
    (world::VECTORS_EMULATED, &[EMULATED]),
    (attacks::HUGE_PAGES_UNMAPPED, &[EMULATED]),
    (attacks::NO_MEMORY_WRITES, &[EMULATED]),
    (attacks::NO_NEIGHBOURS, &[EMULATED]),
    (parties::NO_CLOSING, &[EMULATED]),
    (parties::NO_EXECVEAT, &[EMULATED]),
    (shared::LOCKS_THE_EMULATOR, &[EMULATED]),
    (integers::LOADS_OVERTAKE, &[EMULATED]),
    (collapsing::PLACES, &[EMULATED]),
];

/// A claim, and the kernels that are there to show it.
pub type Shown = (&'static str, &'static [&'static str]);

/// Claims that must pass on each of these kernels that is booted. `tests/kernels` names them if such
/// a kernel was asked for and cannot be had. If all kernels are booted that every change must pass on,
/// each other claim must pass on one of them.
pub const SHOWN: &[Shown] = &[
    (
        RUNS_WITHOUT_PROC,
        &["x86_64-newest", "arm64-newest", "riscv64-newest"],
    ),
    (RUNS_BY_PROC, &["x86_64-5.10-old"]),
    (RUNS_AS_SECOND_KERNEL, &["x86_64-newest"]),
    (
        "vectors::a_bare_inlined_call_loses_the_vector_state",
        &["arm64-newest", "riscv64-newest"],
    ),
    (
        "proving::forged_seals_are_refused_where_they_can_be_forged",
        &["x86_64-6.12.43"],
    ),
    (
        "mapping::a_map_is_shared_where_this_kernel_shares_only_read_only_descriptors",
        &["x86_64-5.10-old"],
    ),
    // It needs 3 GiB, which is more than such a machine has. A host with so much shows it.
    (
        "limits::more_than_one_call_moves_is_written_by_several",
        &[],
    ),
    // Debian builds every kernel with modules.
    (
        "booting::no_module_is_loaded_by_a_kernel_without_modules",
        &[],
    ),
];

/// Whether a claim may be skipped there for this reason.
#[must_use]
pub fn allows(place: &str, reason: &str) -> bool {
    ALLOWED
        .iter()
        .filter(|(allowed, _)| *allowed == reason)
        .any(|(_, places)| {
            places
                .iter()
                .any(|pattern| matches(pattern, place) || (place == EMULATED && *pattern == HOST))
        })
}

/// Whether a pattern of a line is about this place. A `*` stands for any text without a `/`.
#[must_use]
pub fn matches(pattern: &str, place: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == place,
        Some((head, tail)) => place.strip_prefix(head).is_some_and(|rest| {
            let end = rest.find('/').unwrap_or(rest.len());
            (0..=end).any(|at| rest.get(at..).is_some_and(|rest| matches(tail, rest)))
        }),
    }
}

/// A driver's place by its name, or none for the empty name.
///
/// # Errors
///
/// Fails if no place of a driver has this name.
pub fn place(name: &str) -> Result<Option<&'static str>, &'static str> {
    match name {
        "" => Ok(None),
        _ => match [HOST, EMULATED, NOWHERE]
            .into_iter()
            .find(|place| *place == name)
        {
            None => Err("no such place: see tests/suite/src/skips.rs"),
            place => Ok(place),
        },
    }
}

/// The verdict at a place: a skip that is not allowed there is a failure.
///
/// # Errors
///
/// Fails and skips as the claim did.
pub fn bounded(verdict: Verdict, place: Option<&str>) -> Verdict {
    match (verdict, place) {
        (Err(Stop::Skipped(reason)), Some(place)) if !allows(place, reason) => {
            failure!("must not be skipped on {place}: {reason}")
        }
        (verdict, _) => verdict,
    }
}
