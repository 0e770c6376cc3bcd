//! The kernels: which there are, and what `ci/kernels.sh` found of them.

use std::{fs, path::PathBuf};

/// The list that `ci/kernels.sh` reads too.
const LIST: &str = include_str!("../kernels.txt");

/// The names of all kernels of the list.
pub fn names() -> impl Iterator<Item = &'static str> {
    lines().map(|(_, name)| name)
}

/// The names of those that every change must pass on.
pub fn required() -> impl Iterator<Item = &'static str> {
    lines().filter_map(|(when, name)| (when == "required").then_some(name))
}

/// The first two words of each line.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    LIST.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?))
        })
}

/// The version in a kernel's name, which is what follows its CPU.
pub fn version(name: &str) -> &str {
    name.split_once('-').map_or("", |(_, version)| version)
}

/// A CPU that kernels are booted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    Amd64,
    Arm64,
    Riscv64,
}

impl Cpu {
    fn parse(name: &str) -> Option<Self> {
        [Self::Amd64, Self::Arm64, Self::Riscv64]
            .into_iter()
            .find(|cpu| cpu.debian() == name)
    }

    /// What Debian calls it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Riscv64 => "riscv64",
        }
    }
}

/// A kernel that can be booted.
#[derive(Debug)]
pub struct Kernel {
    pub name: String,
    pub cpu: Cpu,
    /// What it is called in its package.
    pub release: String,
    /// Where the kernel, `vmlinuz`, and its modules are.
    pub directory: PathBuf,
}

/// What `ci/kernels.sh` says of a kernel.
#[derive(Debug)]
pub enum Fetched {
    Kernel(Kernel),
    Failed { name: String, reason: String },
    Skipped { name: String, reason: String },
}

impl Fetched {
    /// Reads a line of `ci/kernels.sh`: a name, a CPU, `fetched`, `failed` or `skipped`, and
    /// the directory or the reason.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut fields = line.splitn(4, ' ');
        let mut field = || {
            fields
                .next()
                .ok_or_else(|| format!("not a line of ci/kernels.sh: {line}"))
        };
        let (name, cpu, state, rest) = (field()?.to_owned(), field()?, field()?, field()?);
        if !names().any(|known| known == name) {
            return Err(format!("tests/kernels/kernels.txt has no kernel {name}"));
        }
        let reason = rest.to_owned();
        match state {
            "failed" => Ok(Self::Failed { name, reason }),
            "skipped" => Ok(Self::Skipped { name, reason }),
            "fetched" => {
                let cpu =
                    Cpu::parse(cpu).ok_or_else(|| format!("{name}: no CPU is called {cpu}"))?;
                let directory = PathBuf::from(rest);
                let release = fs::read_to_string(directory.join("release"))
                    .map_err(|error| format!("{name}: its release: {error}"))?;
                Ok(Self::Kernel(Kernel {
                    name,
                    cpu,
                    release: release.trim().to_owned(),
                    directory,
                }))
            }
            _ => Err(format!("not a line of ci/kernels.sh: {line}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_kernels_by_cpu_and_version() {
        assert!(names().count() > 0);
        for name in names() {
            assert!(!version(name).is_empty(), "{name}");
        }
        assert_eq!(version("x86_64-5.10-old"), "5.10-old");
    }

    #[test]
    fn a_kernel_that_is_not_there_has_a_reason() {
        let parsed = Fetched::parse("arm64-6.12 arm64 failed no such package is known");
        assert!(matches!(
            parsed,
            Ok(Fetched::Failed { name, reason })
                if name == "arm64-6.12" && reason == "no such package is known"
        ));
        let parsed = Fetched::parse("arm64-6.12 arm64 skipped no archive");
        assert!(matches!(parsed, Ok(Fetched::Skipped { .. })));
    }

    #[test]
    fn other_lines_are_errors() {
        for line in [
            "",
            "arm64-6.12 arm64 failed",
            "arm64-6.12 arm64 lost because",
            "arm64-6.11 arm64 skipped because",
            "arm64-6.12 sparc fetched /",
            "arm64-6.12 arm64 fetched /nowhere",
        ] {
            assert!(Fetched::parse(line).is_err(), "{line}");
        }
    }
}
