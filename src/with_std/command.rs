//! Child processes: one that gets a file by number, and one that executes a sealed file.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    exec::{ExecError, OwnedArgs},
    fd::{self, AsFd, AsRawFd, OwnedFd, RawFd},
    memfd::OwnedMemFd,
    sealed::SealedMemFd,
    sys,
};
use core::iter;
use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
};

/// # Child processes
impl OwnedMemFd {
    /// Lets each child that the command starts inherit the file, and returns the number under which
    /// the child finds it.
    ///
    /// The number is the lowest one from 3 up that is free in this process. It stays reserved here,
    /// by a close-on-exec duplicate that the `Command` owns, until the `Command` is dropped. So
    /// this descriptor may be closed, children that others start meanwhile do not get the file, and
    /// nothing that std opens for the child has that number.
    ///
    /// Call it once for each file. A `Command` of another crate lends std's: tokio's by
    /// `as_std_mut`. The child shares the descriptor's offset: after
    /// [`write_all`](Self::write_all), [`seek`](Self::seek) to the start first, or pass a
    /// descriptor from [`reopen_read_only`](Self::reopen_read_only).
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    /// use std::process::Command;
    ///
    /// let file = MemFdOptions::new().create("message")?;
    /// file.write_all_at(b"by number", 0)?;
    /// let mut command = Command::new("cat");
    /// let number = file.pass_to(&mut command)?;
    /// let output = command.arg(format!("/proc/self/fd/{number}")).output()?;
    /// assert_eq!(output.stdout, b"by number");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - `EMFILE`: the process has too many open files.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    #[doc(alias = "fd_mappings")]
    #[doc(alias = "pass_fds")]
    #[doc(alias = "preserved_fds")]
    #[doc(alias = "pre_exec")]
    #[doc(alias = "fcntl")]
    #[doc(alias = "F_DUPFD_CLOEXEC")]
    pub fn pass_to(&self, command: &mut Command) -> io::Result<RawFd> {
        let fd = fd::duplicate(self.as_fd())?;
        let number = fd.as_raw_fd();
        inherit(fd, command);
        Ok(number)
    }

    /// Lets each child that the command starts inherit the file under this number.
    ///
    /// This is [`pass_to`](Self::pass_to) for a program that expects a certain number, which must
    /// be free in this process as well: it is reserved until the `Command` is dropped. For 0, 1 and
    /// 2, give the file to the `Command` as [`Stdio`](std::process::Stdio).
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    /// use std::process::Command;
    ///
    /// let file = MemFdOptions::new().create("message")?;
    /// file.write_all_at(b"number 77", 0)?;
    /// let mut command = Command::new("cat");
    /// file.pass_to_as(&mut command, 77)?;
    /// let output = command.arg("/proc/self/fd/77").output()?;
    /// assert_eq!(output.stdout, b"number 77");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - `EBUSY`: this process has that number open. It may be this descriptor's own, or reserved
    ///   for another `Command`.
    /// - `EINVAL`: `number` is below 3, or not below `RLIMIT_NOFILE`.
    /// - `EMFILE`: every number from this one up is open.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    #[doc(alias = "fd_mappings")]
    #[doc(alias = "pre_exec")]
    #[doc(alias = "dup2")]
    #[doc(alias = "fcntl")]
    #[doc(alias = "F_DUPFD_CLOEXEC")]
    pub fn pass_to_as(&self, command: &mut Command, number: RawFd) -> io::Result<()> {
        let first = u32::try_from(number).ok().filter(|number| *number >= 3);
        let fd = fd::duplicate_from(self.as_fd(), first.ok_or(Errno::EINVAL)?)?;
        if fd.as_raw_fd() != number {
            return Err(Errno::EBUSY.into());
        }
        inherit(fd, command);
        Ok(())
    }
}

/// Lets the children of the command inherit the descriptor, which the command then owns.
fn inherit(fd: OwnedFd, command: &mut Command) {
    // Nothing that std has opened for the child before this can have that number: it is open.
    let inherit = move || Ok(sys::memfd::set_fd_flags(fd.as_fd(), 0)?);
    // SAFETY: the closure makes one system call, on a descriptor that it owns. It allocates
    // nothing, takes no lock, and does not panic. What it owns is dropped with the `Command`, in
    // the parent.
    unsafe { command.pre_exec(inherit) };
}

/// # Child processes
impl SealedMemFd {
    /// Lets each child that the command starts inherit the file, and returns the number under which
    /// the child finds it.
    ///
    /// [`OwnedMemFd::pass_to`] says for how long that number is reserved, and what to do about the
    /// offset, which the child shares.
    ///
    /// ```
    /// use owned_memfd::SealedMemFd;
    /// use std::process::Command;
    ///
    /// let file = SealedMemFd::copy_from_slice("message", b"by number")?;
    /// let mut command = Command::new("cat");
    /// let number = file.pass_to(&mut command)?;
    /// let output = command.arg(format!("/proc/self/fd/{number}")).output()?;
    /// assert_eq!(output.stdout, b"by number");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - `EMFILE`: the process has too many open files.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    #[doc(alias = "fd_mappings")]
    #[doc(alias = "pass_fds")]
    #[doc(alias = "preserved_fds")]
    #[doc(alias = "pre_exec")]
    #[doc(alias = "fcntl")]
    #[doc(alias = "F_DUPFD_CLOEXEC")]
    pub fn pass_to(&self, command: &mut Command) -> io::Result<RawFd> {
        self.as_memfd().pass_to(command)
    }

    /// Lets each child that the command starts inherit the file under this number.
    ///
    /// This is [`pass_to`](Self::pass_to) for a program that expects a certain number, as
    /// [`OwnedMemFd::pass_to_as`] says.
    ///
    /// # Errors
    /// - `EBUSY`: this process has that number open. It may be this descriptor's own, or reserved
    ///   for another `Command`.
    /// - `EINVAL`: `number` is below 3, or not below `RLIMIT_NOFILE`.
    /// - `EMFILE`: every number from this one up is open.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    #[doc(alias = "fd_mappings")]
    #[doc(alias = "pre_exec")]
    #[doc(alias = "dup2")]
    #[doc(alias = "fcntl")]
    #[doc(alias = "F_DUPFD_CLOEXEC")]
    pub fn pass_to_as(&self, command: &mut Command, number: RawFd) -> io::Result<()> {
        self.as_memfd().pass_to_as(command, number)
    }

    /// Starts a child that executes this file, through a descriptor: without a path, and without
    /// `/proc`.
    ///
    /// The command's program is the name that the program sees as its own, and is not looked for.
    /// Its arguments, streams, directory, user, group and hooks (`pre_exec`) are those of the
    /// child. The environment is `env` and nothing else: with `env` or `env_remove`, the command is
    /// rejected. What a `Command` shows to nobody has no effect: `env_clear` and `arg0`.
    ///
    /// A script works too: in the child a descriptor stays open, by whose path, in `/dev/fd`, the
    /// interpreter opens the script.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, exec::OwnedArgs};
    /// use std::{fs::File, process::{Command, Stdio}};
    ///
    /// let options = MemFdOptions::new().executable(true);
    /// let echo = options.copy_from_file(c"echo", File::open("/bin/echo")?, 64 << 20)?;
    /// let mut command = Command::new("echo");
    /// command.args(["from", "memory"]).stdout(Stdio::piped());
    /// let child = echo.spawn(command, OwnedArgs::environment())?;
    /// assert_eq!(child.wait_with_output()?.stdout, b"from memory\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What insists on a path runs a program or a script by [`proc_path`](Self::proc_path), which
    /// every child can use that inherits the descriptor:
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    /// use std::process::Command;
    ///
    /// let options = MemFdOptions::new().executable(true).close_on_exec(false);
    /// let script = options.copy_from_slice(c"script", b"#!/bin/sh\necho \"$1, by its path\"\n")?;
    /// let output = Command::new(script.proc_path()).arg("run").output()?;
    /// assert_eq!(output.stdout, b"run, by its path\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - `InvalidInput`: the command has variables of its own, or a NUL in a string. Nothing was
    ///   started.
    /// - `EMFILE`: the process has too many open files.
    /// - As [`ExecError`] says, inside an `io::Error` of the kind of its errno; of
    ///   [`ExecError::Kernel`], the errno itself.
    /// - Those of [`Command::spawn`], and of the command's own hooks.
    ///
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html).
    #[doc(alias = "execveat")]
    #[doc(alias = "fexecve")]
    #[doc(alias = "Command")]
    #[doc(alias = "posix_spawn")]
    pub fn spawn(&self, mut command: Command, env: OwnedArgs) -> io::Result<Child> {
        if command.get_envs().next().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the command has environment variables of its own: give them in `env`",
            ));
        }
        self.to_execute()?;
        let name = iter::once(command.get_program());
        let args = OwnedArgs::new(name.chain(command.get_args()))?;
        // Its number is at least 3: the child's standard input and output do not replace it.
        let file = self.try_clone()?;
        let is_script = file.as_memfd().is_script();
        let execute = move || {
            if is_script {
                // Only in the child.
                file.as_memfd().set_close_on_exec(false)?;
            }
            let Err(error) = file.exec(args.as_args(), env.as_args());
            // Without a heap, and with a number: std hands that to the parent.
            Err(io::Error::from_raw_os_error(number(error)))
        };
        // SAFETY: the closure makes system calls and nothing else. It allocates nothing, takes no
        // lock, and does not panic. What it owns is dropped with the `Command`, in the parent.
        unsafe { command.pre_exec(execute) };
        command.spawn().map_err(|error| {
            let cause = error.raw_os_error().and_then(cause);
            cause.map_or(error, io::Error::from)
        })
    }
}

/// The errors by which an execution can fail, apart from those with a number of their own. A child
/// tells its parent the place.
const CAUSES: [ExecError; 10] = [
    ExecError::NotExecutable,
    ExecError::ExecutableFileBusy,
    ExecError::Empty,
    ExecError::Truncated,
    ExecError::InvalidExecutable,
    ExecError::ScriptCloseOnExec,
    ExecError::NoInterpreter,
    ExecError::NoDevFd,
    ExecError::HugePages,
    ExecError::UnprovenLength,
];
/// The number of the first of them. No errno has it or those after it.
const FIRST: i32 = 1 << 24;
/// The number of `OtherMachine`, to which the machine is added.
const OTHER_MACHINE: i32 = 1 << 25;

/// The number by which a child tells its parent this error.
fn number(error: ExecError) -> i32 {
    if let ExecError::OtherMachine { machine } = error {
        return OTHER_MACHINE + i32::from(machine);
    }
    let known = (FIRST..).zip(CAUSES).find(|(_, cause)| *cause == error);
    known.map_or_else(|| Errno::from(error).raw_os_error(), |(number, _)| number)
}

/// The error of this number, if it is not an errno.
fn cause(number: i32) -> Option<ExecError> {
    if let Ok(machine) = u16::try_from(number.saturating_sub(OTHER_MACHINE)) {
        return Some(ExecError::OtherMachine { machine });
    }
    let known = (FIRST..).zip(CAUSES).find(|(known, _)| *known == number);
    known.map(|(_, cause)| cause)
}
