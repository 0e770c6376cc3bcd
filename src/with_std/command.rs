//! A child process that executes a sealed file.
#![allow(unsafe_code)]

#[cfg(doc)]
use crate::exec::ExecError;
use crate::{errno::Errno, exec::OwnedArgs, sealed::SealedMemFd};
use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    process::Command,
};

impl SealedMemFd {
    /// Makes a `Command` whose child executes this file, through a descriptor: without a path, and
    /// without `/proc`.
    ///
    /// The child gets `args` and `env`. Everything else is the `Command`'s: its standard input and
    /// output, its directory, user and group. Its own program, arguments and environment are not
    /// used, and what `pre_exec` adds later does not run.
    ///
    /// The `Command` has a descriptor of its own, which is close-on-exec, so this one may be closed.
    /// A script works too: in the child that descriptor stays open, by whose path, in `/dev/fd`, the
    /// interpreter opens the script.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, exec::OwnedArgs};
    /// use std::fs::File;
    ///
    /// let options = MemFdOptions::new().executable(true);
    /// let echo = options.copy_from_file(c"echo", File::open("/bin/echo")?, 64 << 20)?;
    /// let args = OwnedArgs::new(["echo", "from", "memory"])?;
    /// let output = echo.command(args, OwnedArgs::environment())?.output()?;
    /// assert_eq!(output.stdout, b"from memory\n");
    ///
    /// let script = options.copy_from_slice(c"script", b"#!/bin/sh\necho \"a script, $1\"\n")?;
    /// let args = OwnedArgs::new(["script", "too"])?;
    /// let output = script.command(args, OwnedArgs::environment())?.output()?;
    /// assert_eq!(output.stdout, b"a script, too\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What insists on a path runs a program or a script by [`proc_path`](crate::OwnedMemFd::proc_path),
    /// which every child can use that inherits the descriptor:
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    /// use std::process::Command;
    ///
    /// let options = MemFdOptions::new().executable(true).close_on_exec(false);
    /// let script = options.copy_from_slice(c"script", b"#!/bin/sh\necho \"$1, by its path\"\n")?;
    /// let script = script.into_memfd();
    /// let output = Command::new(script.proc_path().to_str()?).arg("run").output()?;
    /// assert_eq!(output.stdout, b"run, by its path\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - `EMFILE`: the process has too many open files.
    /// - [`ExecError::HugePages`] and [`ExecError::UnprovenLength`], inside an `io::Error`.
    ///
    /// What else [`ExecError`] lists is returned where the `Command` starts the child, as its bare
    /// errno, since a child can hand nothing else to its parent: `ENOEXEC` for what is no program,
    /// `EACCES` for a file that is not executable, `ENOENT` for a missing interpreter.
    ///
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html).
    #[doc(alias = "execveat")]
    #[doc(alias = "fexecve")]
    #[doc(alias = "spawn")]
    pub fn command(&self, args: OwnedArgs, env: OwnedArgs) -> io::Result<Command> {
        self.to_execute()?;
        // Its number is at least 3: the child's standard input and output do not replace it.
        let file = self.try_clone()?;
        let is_script = file.as_memfd().is_script();
        let name = args.strings().next().unwrap_or_default();
        let mut command = Command::new(OsStr::from_bytes(name.to_bytes()));
        let execute = move || {
            if is_script {
                // Only in the child.
                file.as_memfd().set_close_on_exec(false)?;
            }
            let Err(error) = file.exec(args.as_args(), env.as_args());
            // Without a heap, and with a number: std hands that to the parent.
            Err(io::Error::from(Errno::from(error)))
        };
        // SAFETY: the closure makes system calls and nothing else. It allocates nothing, takes no
        // lock, and does not panic. What it owns is dropped with the `Command`, in the parent.
        unsafe { command.pre_exec(execute) };
        Ok(command)
    }
}
