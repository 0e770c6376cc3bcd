//! The machine on which is measured, and what else it does meanwhile.

use crate::measure::Failure;
use rustix::{
    system::uname,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use std::{env, fs, process::Command, sync::OnceLock};

/// The cores that this program may use, found out before it pins itself.
static CORES: OnceLock<Vec<usize>> = OnceLock::new();

pub(crate) fn cores() -> Result<&'static [usize], Failure> {
    if CORES.get().is_none() {
        let set = sched_getaffinity(None)?;
        let _ = CORES.set(
            (0..CpuSet::MAX_CPU)
                .filter(|&core| set.is_set(core))
                .collect(),
        );
    }
    Ok(CORES.get().map_or(&[], Vec::as_slice))
}

/// Stays on this core.
pub(crate) fn pin(core: usize) -> Result<(), Failure> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The value of the first line of a file in `/proc` that begins with this name.
fn value(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What is chosen of the kernel's `[this] that`.
fn setting(path: &str) -> String {
    read(path)
        .and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned()))
        .unwrap_or_else(|| "not known to this kernel".into())
}

/// A line for each thing that others need to know to compare what they measure.
pub(crate) fn describe() -> Result<Vec<String>, Failure> {
    let cpu = value("/proc/cpuinfo", "model name")
        .or_else(|| value("/proc/cpuinfo", "uarch"))
        .or_else(|| value("/proc/cpuinfo", "CPU part"))
        .unwrap_or_else(|| "unknown".into());
    let rustc = Command::new("rustc").arg("--version").output()?.stdout;
    let rustc = String::from_utf8(rustc)?;
    // Not the day of its release.
    let rustc = rustc.split('(').next().unwrap_or_default().trim();
    let huge = "/sys/kernel/mm/transparent_hugepage";
    let kernel = uname();
    Ok(vec![
        format!(
            "CPU: {cpu}, {}, {} cores",
            env::consts::ARCH,
            cores()?.len()
        ),
        format!(
            "memory: {}",
            value("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".into())
        ),
        format!("kernel: Linux {}", kernel.release().to_string_lossy()),
        format!("toolchain: {rustc}, release profile"),
        format!(
            "transparent huge pages: enabled={}, shmem_enabled={}, defrag={}",
            setting(&format!("{huge}/enabled")),
            setting(&format!("{huge}/shmem_enabled")),
            setting(&format!("{huge}/defrag")),
        ),
        format!("peers: {}", peers()),
    ])
}

/// The versions of the peers.
fn peers() -> String {
    let lock = include_str!("../Cargo.lock");
    let names = [
        "ipc-channel",
        "memfd",
        "memfile",
        "memmap2",
        "rustix",
        "shmem-ipc",
    ];
    let mut found = Vec::new();
    for name in names {
        // Another version of one may be there for the sake of a peer: ours is the newest.
        let version = lock
            .split("[[package]]")
            .filter(|package| package.contains(&format!("\nname = \"{name}\"\n")))
            .filter_map(|package| package.split("version = \"").nth(1)?.split('"').next())
            .last();
        found.push(format!("{name} {}", version.unwrap_or("?")));
    }
    found.join(", ")
}

/// How much of the machine's time others have used.
pub(crate) struct Others {
    start: (u64, u64),
}

impl Others {
    pub(crate) fn watch() -> Result<Self, Failure> {
        Ok(Self { start: times()? })
    }

    /// In percent of one core.
    pub(crate) fn percent(&self, seconds: f64) -> Result<f64, Failure> {
        let (busy, own) = times()?;
        let others = (busy - self.start.0).saturating_sub(own - self.start.1);
        // The kernel counts in hundredths of a second.
        #[expect(clippy::cast_precision_loss, reason = "there are few of them")]
        Ok(others as f64 / seconds)
    }
}

/// The time for which the machine was busy, or another one had its cores, and that of this program
/// with the second processes that have ended.
fn times() -> Result<(u64, u64), Failure> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().ok_or("/proc/stat is empty")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; the rest is in user and nice too.
    let busy = fields.iter().take(8).sum::<u64>() - fields[3] - fields[4];
    let own = fs::read_to_string("/proc/self/stat")?;
    let own = own.rsplit_once(')').ok_or("/proc/self/stat has no name")?.1;
    let own = own
        .split_whitespace()
        .skip(11)
        .take(4)
        .flat_map(str::parse::<u64>);
    Ok((busy, own.sum()))
}

/// How many programs want to run, on average over a minute.
pub(crate) fn load() -> Result<f64, Failure> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().parse()?)
}
