//! The machines that a kernel is booted in: what each runs, and the command that starts it.

use crate::{
    initramfs::{self, Member},
    kernels::{self, Cpu, Kernel},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};
use suite::init::{ARGUMENT, KEXEC};

/// The prefix of every claim.
const ALL: &str = "";
/// The prefix of the claims about vector registers.
const VECTORS: &str = "vectors::";

/// Megabytes, for two kernels and what the second one is loaded from.
const MEMORY: &str = "512";

/// What a machine shows if all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The claims whose names begin with this, and the status of success.
    Claims(&'static str),
    /// This line on its console, or one that begins so, and then the end of the machine without a
    /// status.
    Line(String),
}

/// A machine that is ready to be started.
#[derive(Debug)]
pub struct Machine {
    pub name: String,
    pub shows: Shows,
    /// What its kernel is called in its package.
    pub release: String,
    kernel_name: String,
    cpu: Cpu,
    kernel: PathBuf,
    initramfs: PathBuf,
    /// Of `/init`, if that is no program of the claims.
    arguments: String,
}

/// Writes the initial RAM disks of the machines that boot this kernel, and returns the machines.
pub fn of(kernel: &Kernel, directory: &Path) -> Result<Vec<Machine>, String> {
    let Kernel { name, cpu, .. } = kernel;
    let maker = Maker { kernel, directory };
    let programs = directory.join(cpu.debian());
    let version = kernels::version(name);
    let newest = version == "newest";

    let claims = member("init", &programs.join("freestanding"))?;
    let mut machines = vec![maker.make(
        name.clone(),
        Shows::Claims(ALL),
        &[
            claims.clone(),
            member("boot/image.squashfs", &directory.join("image.squashfs"))?,
            member("boot/loop.ko", &kernel.directory.join("loop.ko"))?,
            member("boot/squashfs.ko", &kernel.directory.join("squashfs.ko"))?,
        ],
    )?];
    if newest {
        for (variant, path) in entries(&programs.join("vectors"))? {
            machines.push(maker.make(
                format!("{name}-{variant}"),
                Shows::Claims(VECTORS),
                &[member("init", &path)?],
            )?);
        }
    }
    // Debian's kernels have kexec_file_load for this CPU only. The second kernel is the first
    // one again, with an initial RAM disk of its own.
    if newest && *cpu == Cpu::Amd64 {
        machines.push(maker.make(
            format!("{name}-kexec"),
            Shows::Claims(KEXEC),
            &[
                claims.clone(),
                member("boot/vmlinuz", &kernel.directory.join("vmlinuz"))?,
                ("boot/initrd", initramfs::archive(&[claims])),
            ],
        )?);
    }
    if newest || version.ends_with("-old") {
        machines.push(maker.make(
            format!("example-{name}"),
            Shows::Line(
                "program: runs from memory as process 1, configured by: one = 1".to_owned(),
            ),
            &[member("init", &programs.join("init"))?],
        )?);
    }
    if newest {
        machines.push(maker.make(
            format!("broken-{name}"),
            Shows::Line("init: cannot run Cargo.toml: it is not a program: ENOEXEC".to_owned()),
            &[member("init", &programs.join("broken"))?],
        )?);
    }
    Ok(machines)
}

/// What the machines of a kernel have in common.
struct Maker<'a> {
    kernel: &'a Kernel,
    directory: &'a Path,
}

impl Maker<'_> {
    fn make(&self, name: String, shows: Shows, members: &[Member]) -> Result<Machine, String> {
        let initramfs = self.directory.join(format!("{name}.cpio"));
        fs::write(&initramfs, initramfs::archive(members))
            .map_err(|error| format!("{}: {error}", initramfs.display()))?;
        Ok(Machine {
            name,
            shows,
            release: self.kernel.release.clone(),
            kernel_name: self.kernel.name.clone(),
            cpu: self.kernel.cpu,
            kernel: self.kernel.directory.join("vmlinuz"),
            initramfs,
            arguments: String::new(),
        })
    }
}

/// Writes the initial RAM disk of a machine that boots this kernel with another program as `/init`,
/// which gets these arguments and prints a line that begins with `shows`. Returns the machine.
pub fn with_program(
    kernel: &Kernel,
    directory: &Path,
    shows: &str,
    arguments: &str,
) -> Result<Machine, String> {
    let program = directory.join(kernel.cpu.debian()).join("program");
    let maker = Maker { kernel, directory };
    let shows = Shows::Line(shows.to_owned());
    let machine = maker.make(kernel.name.clone(), shows, &[member("init", &program)?])?;
    Ok(Machine {
        arguments: arguments.to_owned(),
        ..machine
    })
}

impl Machine {
    /// What `suite::skips` calls it: `KERNEL`, or `KERNEL/VARIANT`.
    pub fn place(&self) -> String {
        match self.name.strip_prefix(&self.kernel_name) {
            Some(variant) => self.kernel_name.clone() + &variant.replacen('-', "/", 1),
            None => self.name.clone(),
        }
    }

    /// The command that runs the machine to its end, with the console on its standard output.
    /// QEMU is killed if the thread that started it ends, so that it never outlives this
    /// program.
    ///
    /// The models of the CPUs are those that are fastest to emulate.
    pub fn command(&self) -> Command {
        let (qemu, options, console): (_, &[_], _) = match self.cpu {
            Cpu::Amd64 => (
                "qemu-system-x86_64",
                &[
                    "-M",
                    "pc",
                    "-cpu",
                    "qemu64",
                    "-device",
                    "isa-debug-exit,iobase=0xf4,iosize=4",
                ],
                "ttyS0",
            ),
            // Authenticated pointers take long to emulate, and no claim is about them.
            Cpu::Arm64 => (
                "qemu-system-aarch64",
                &["-M", "virt", "-cpu", "max,pauth=off"],
                "ttyAMA0",
            ),
            Cpu::Riscv64 => (
                "qemu-system-riscv64",
                &["-M", "virt", "-cpu", "rv64,v=true"],
                "ttyS0",
            ),
        };
        let arguments = match &self.shows {
            Shows::Claims(prefix) => format!("{} {prefix}", ARGUMENT.to_string_lossy()),
            Shows::Line(_) => self.arguments.clone(),
        };
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", qemu])
            .args(options);
        if self.cpu != Cpu::Amd64 {
            command.args([
                "-semihosting-config",
                "enable=on,userspace=on,target=native",
            ]);
        }
        command
            .args([
                "-accel",
                "tcg",
                "-m",
                MEMORY,
                "-smp",
                "1",
                "-nodefaults",
                "-no-user-config",
            ])
            .args([
                "-display",
                "none",
                "-monitor",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
            ])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .arg("-append")
            .arg(format!(
                "console={console} loglevel=1 panic=-1 secretmem.enable=1 -- {arguments}"
            ));
        command
    }
}

/// A file of an initial RAM disk, with the content of another file.
fn member(path: &'static str, file: &Path) -> Result<Member, String> {
    let content = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok((path, content))
}

/// The names and paths of what a directory holds, in the order of the names.
fn entries(directory: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let read = || -> io::Result<Vec<_>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            entries.push((
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            ));
        }
        entries.sort();
        Ok(entries)
    };
    read().map_err(|error| format!("{}: {error}", directory.display()))
}
