//! Runs programs from memory files, and continues from a sealed copy of the running program.
//!
//! - [`SealedMemFd::exec`] executes a file in place of this program.
//! - [`ensure_sealed`] continues from a sealed copy of the running program.
#![cfg_attr(
    feature = "std",
    doc = "- [`SealedMemFd::spawn`] executes a file in a child process.",
    doc = "- [`OwnedArgs`] makes the lists of arguments from strings of std."
)]
#![allow(unsafe_code)]

#[cfg(feature = "std")]
mod with_std;

#[cfg(feature = "std")]
pub use with_std::OwnedArgs;

use crate::{
    errno::Errno,
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    memfd::OwnedMemFd,
    options::MemFdOptions,
    path::{NumberedPath, PathStart},
    proof::VerifyErrorKind,
    sealed::SealedMemFd,
    sys,
};
use core::{
    convert::Infallible,
    ffi::{CStr, c_char},
    fmt,
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull,
};
use linux_raw_sys::general as raw;

/// One argument, or one `NAME=value` of the environment: a pointer to a C string.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Arg<'a>(NonNull<c_char>, PhantomData<&'a CStr>);

impl<'a> Arg<'a> {
    /// Makes an argument of this string.
    #[must_use]
    pub const fn new(text: &'a CStr) -> Self {
        // SAFETY: the pointer of a reference is not null.
        let start = unsafe { NonNull::new_unchecked(text.as_ptr().cast_mut()) };
        Self(start, PhantomData)
    }
}

impl<'a> From<&'a CStr> for Arg<'a> {
    fn from(text: &'a CStr) -> Self {
        Self::new(text)
    }
}

// SAFETY: an `Arg` is a `&CStr` in another form, and only ever read.
unsafe impl Send for Arg<'_> {}
// SAFETY: as above.
unsafe impl Sync for Arg<'_> {}

impl fmt::Debug for Arg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the pointer is that of a C string, which outlives this value.
        unsafe { CStr::from_ptr(self.0.as_ptr()) }.fmt(f)
    }
}

/// The arguments or the environment of a program, in the form that the kernel takes.
///
/// The list has any length, and needs neither a heap nor a copy. With the feature `std`, an
/// `OwnedArgs` makes one of strings.
///
/// ```
/// use owned_memfd::exec::{Arg, Args};
///
/// let list = [Some(Arg::new(c"ls")), Some(Arg::new(c"-l")), None];
/// let args = Args::new(&list).unwrap();
/// # let _ = args;
/// ```
#[doc(alias = "argv")]
#[doc(alias = "envp")]
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Args<'a>(NonNull<Option<Arg<'a>>>, PhantomData<&'a [Option<Arg<'a>>]>);

impl<'a> Args<'a> {
    /// No argument, or an empty environment.
    pub const EMPTY: Args<'static> = Args::ended(&[None]);

    /// Makes a list that ends at the first `None`. Returns `None` if the last element is not
    /// `None`: the kernel would not find the end.
    #[must_use]
    pub const fn new(list: &'a [Option<Arg<'a>>]) -> Option<Self> {
        match list {
            [.., None] => Some(Self::ended(list)),
            _ => None,
        }
    }

    /// The last element of `list` is `None`.
    const fn ended(list: &'a [Option<Arg<'a>>]) -> Self {
        // SAFETY: the pointer of a slice is not null.
        let start = unsafe { NonNull::new_unchecked(list.as_ptr().cast_mut()) };
        Self(start, PhantomData)
    }

    /// Takes the list at this address. In this form the kernel gives a program its own arguments
    /// and environment.
    ///
    /// # Safety
    /// `list` is not null. It points to pointers to C strings, and a null pointer follows the last
    /// of them. All of them and the strings stay valid and unchanged for `'a`.
    #[must_use]
    pub const unsafe fn from_ptr(list: *const *const c_char) -> Self {
        // SAFETY: the caller promises that it is not null.
        let start = unsafe { NonNull::new_unchecked(list.cast_mut().cast()) };
        Self(start, PhantomData)
    }

    fn as_ptr(self) -> *const *const c_char {
        // `Option<Arg>` is the pointer, null for `None`.
        self.0.as_ptr().cast_const().cast()
    }
}

// SAFETY: an `Args` is a `&[Option<Arg>]` in another form, and only ever read.
unsafe impl Send for Args<'_> {}
// SAFETY: as above.
unsafe impl Sync for Args<'_> {}

/// # Executing
impl OwnedMemFd {
    /// Executes the file in place of this program. It returns only on failure.
    ///
    /// Prefer [`SealedMemFd::exec`]. If the file is not sealed, the running program's code can be
    /// modified through the descriptor that created the file.
    ///
    /// Create the file with [`MemFdOptions::executable`](crate::MemFdOptions::executable).
    ///
    /// As with every program, descriptors without close-on-exec stay open, including this one,
    /// and ignored signals stay ignored.
    ///
    /// # Errors
    /// As [`ExecError`] says.
    ///
    /// Since Linux 3.19. Before, and if the call is missing, as under QEMU user-mode, it goes
    /// through `/proc`, if a path there leads to this file. Only whoever controls what is mounted
    /// on `/proc` could put another file there between that check and the execution: root, or the
    /// owner of this process's user namespace. The interpreter of a script trusts them too: it
    /// opens the script by a path, in `/dev/fd` or `/proc`.
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html).
    #[doc(alias = "execveat")]
    #[doc(alias = "fexecve")]
    #[doc(alias = "execve")]
    #[doc(alias = "AT_EMPTY_PATH")]
    pub fn exec(&self, args: Args<'_>, env: Args<'_>) -> Result<Infallible, ExecError> {
        let fd = self.as_fd();
        if is_on_huge_pages(fd) {
            return Err(ExecError::HugePages);
        }
        let (args, env) = (args.as_ptr(), env.as_ptr());
        // SAFETY: each is the pointer of an `Args`, which is a list of C strings that ends in null.
        let errno = unsafe { sys::exec::execute(fd, args, env) };
        let error = self.explain_exec_error(errno);
        match error {
            // The call is missing. By a path the kernel would start a script's interpreter, which
            // would find the descriptor closed.
            ExecError::Kernel(Errno::ENOSYS) if self.is_closed_script() => {
                return Err(ExecError::ScriptCloseOnExec);
            }
            // TOMOYO looks for the file at a path in /dev/fd, which early boot does not have. It
            // may find it in /proc.
            ExecError::Kernel(Errno::ENOSYS) | ExecError::NoDevFd => {}
            _ => return Err(error),
        }
        let Some(path) = self.find_path() else {
            return Err(error);
        };
        // SAFETY: as above.
        Err(match unsafe { sys::exec::execute_path(&path, args, env) } {
            // The path exists.
            Errno::ENOENT => ExecError::NoInterpreter,
            errno => self.explain_exec_error(errno),
        })
    }

    /// Asks the kernel whether it would execute the file: whether its mode, the mount and the
    /// security modules permit that. The content is not looked at, so a script whose descriptor is
    /// close-on-exec passes too.
    ///
    /// # Errors
    /// As [`ExecError`] says, and:
    /// - `EINVAL`: before Linux 6.14, which does not support this check.
    /// - `ENOSYS`: the call is missing, as under QEMU user-mode.
    ///
    /// Since Linux 6.14.
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html), under
    /// `AT_EXECVE_CHECK`.
    #[doc(alias = "AT_EXECVE_CHECK")]
    #[doc(alias = "execveat")]
    pub fn check_exec(&self) -> Result<(), ExecError> {
        const NAME: [Option<Arg<'static>>; 2] = [Some(Arg::new(c"check")), None];

        let fd = self.as_fd();
        if is_on_huge_pages(fd) {
            return Err(ExecError::HugePages);
        }
        let args = Args::new(&NAME).unwrap_or(Args::EMPTY);
        // SAFETY: each is the pointer of an `Args`, which is a list of C strings that ends in null.
        unsafe { sys::exec::may_execute(fd, args.as_ptr(), Args::EMPTY.as_ptr()) }
            .map_err(|errno| self.explain_exec_error(errno))
    }

    /// What an errno from executing this file means.
    fn explain_exec_error(&self, errno: Errno) -> ExecError {
        match errno {
            Errno::EACCES => ExecError::NotExecutable,
            Errno::ETXTBSY => ExecError::ExecutableFileBusy,
            Errno::ENOEXEC => explain_no_program(self.as_fd()),
            Errno::ENOENT if self.is_closed_script() => ExecError::ScriptCloseOnExec,
            Errno::ENOENT => match sys::memfd::stat_path(c"/dev/fd") {
                Err(Errno::ENOENT) => ExecError::NoDevFd,
                _ => ExecError::NoInterpreter,
            },
            errno => ExecError::Kernel(errno),
        }
    }

    /// Whether the file is a script that its interpreter could not open.
    fn is_closed_script(&self) -> bool {
        self.is_script() && self.close_on_exec() == Ok(true)
    }

    /// Whether the file is a script that names an interpreter.
    pub(crate) fn is_script(&self) -> bool {
        // As much as the kernel looks at: `BINPRM_BUF_SIZE`, include/uapi/linux/binfmts.h.
        let mut room = [const { MaybeUninit::uninit() }; 256];
        let Ok([b'#', b'!', line @ ..]) = sys::transfer::read_at_uninit(self.as_fd(), &mut room, 0)
        else {
            return false;
        };
        // Without the name of an interpreter it is not a script.
        let name = line.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        name.is_some_and(|byte| !matches!(byte, b'\n' | 0))
    }
}

/// # Executing
impl SealedMemFd {
    /// Executes the file in place of this program. It returns only on failure.
    ///
    /// Nobody can change what runs, except as [`OwnedMemFd::exec`] says of `/proc`, through which
    /// it goes where `execveat` is missing. Create the file with
    /// [`MemFdOptions::executable`](crate::MemFdOptions::executable).
    ///
    /// The kernel reads the file to its end, so all of it must be proven. A file without
    /// [`Seals::GROW`](crate::Seals::GROW) may be longer by now, and so is
    /// [`ExecError::UnprovenLength`]. To run what was proven, copy it:
    ///
    /// ```no_run
    /// use owned_memfd::{MemFdOptions, SealedMemFd, exec::Args};
    /// use std::{convert::Infallible, error::Error};
    ///
    /// fn run(received: &SealedMemFd, args: Args<'_>) -> Result<Infallible, Box<dyn Error>> {
    ///     let content = received.map()?;
    ///     let program = MemFdOptions::new()
    ///         .executable(true)
    ///         // A script needs it: its interpreter opens this descriptor.
    ///         .close_on_exec(!content.starts_with(b"#!"))
    ///         .create_with(c"program", content.len(), |bytes| bytes.copy_from_slice(&content))?;
    ///     Ok(program.exec(args, Args::EMPTY)?)
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`ExecError`] says.
    ///
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html).
    #[doc(alias = "execveat")]
    #[doc(alias = "fexecve")]
    #[doc(alias = "execve")]
    #[doc(alias = "AT_EMPTY_PATH")]
    pub fn exec(&self, args: Args<'_>, env: Args<'_>) -> Result<Infallible, ExecError> {
        self.to_execute()?.exec(args, env)
    }

    /// Asks the kernel whether it would execute the file: whether its mode, the mount and the
    /// security modules permit that. The content is not looked at, so a script whose descriptor is
    /// close-on-exec passes too.
    ///
    /// # Errors
    /// As [`ExecError`] says, and:
    /// - `EINVAL`: before Linux 6.14, which does not support this check.
    /// - `ENOSYS`: the call is missing, as under QEMU user-mode.
    ///
    /// Since Linux 6.14.
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html), under
    /// `AT_EXECVE_CHECK`.
    #[doc(alias = "AT_EXECVE_CHECK")]
    #[doc(alias = "execveat")]
    pub fn check_exec(&self) -> Result<(), ExecError> {
        self.to_execute()?.check_exec()
    }

    /// The file, which the kernel may read to its end.
    pub(crate) fn to_execute(&self) -> Result<&OwnedMemFd, ExecError> {
        match self.whole_file()? {
            Some(file) => Ok(file),
            None if is_on_huge_pages(self.as_fd()) => Err(ExecError::HugePages),
            None => Err(ExecError::UnprovenLength),
        }
    }
}

/// The name of the copies that [`ensure_sealed`] executes.
const COPY: &CStr = c"owned-memfd-sealed-exe";
/// Where a link of `/proc` to a copy leads.
const COPY_LINK: &[u8] = b"/memfd:owned-memfd-sealed-exe (deleted)";

/// Executes the running program again from a sealed copy, unless it runs from one already.
///
/// If the program runs from a sealed memory file already, this returns it. Otherwise it makes a
/// sealed copy of the program and executes that in place of this process, with these arguments and
/// this environment: the program starts again, calls this again, and is then given the proof. Call
/// it first thing in `main`, before there are threads or temporary files.
///
/// From then on, nobody can change the program's file: not through `/proc/PID/exe` either, which
/// a process in a container may open for writing (CVE-2019-5736). The libraries that a dynamic
/// program loads are files like before.
///
#[cfg_attr(
    feature = "std",
    doc = "```no_run",
    doc = "use owned_memfd::exec::{OwnedArgs, ensure_sealed};",
    doc = "",
    doc = "fn main() -> Result<(), Box<dyn std::error::Error>> {",
    doc = "    let (args, env) = (OwnedArgs::current(), OwnedArgs::environment());",
    doc = "    let program = ensure_sealed(args.as_args(), env.as_args())?;",
    doc = "    println!(\"{} bytes that nobody can change\", program.len());",
    doc = "    Ok(())",
    doc = "}",
    doc = "```"
)]
///
/// # What the copy has and lacks
/// It is the same process, with the descriptors that are not close-on-exec. It has no path:
/// `/proc/self/exe` leads to `/memfd:owned-memfd-sealed-exe (deleted)`, so what the program looks
/// for beside its own file is not found, such as libraries by `$ORIGIN`. Capabilities that the
/// program's file gives are gone. A program that was started through a dynamic linker, as by
/// `/lib/ld.so PROGRAM`, is a file that the linker reads: the copy is one of the linker, which then
/// misses its own arguments. Likewise, the program of a script is its interpreter.
///
/// Under QEMU user-mode, the program is the emulator. If that is for another CPU than this program,
/// it is [`ExecError::OtherMachine`], and nothing is executed. An emulator for the same CPU cannot
/// be told from a program: a copy of it is executed, with the arguments of yours.
///
/// # Why this ends
/// No variable says that this is the copy: others could set it. This asks `/proc` where the program
/// runs from, and first makes sure that `/proc/self` is of a procfs and shows this very process,
/// and that since Linux 5.8 nothing is mounted over what it asks. If not, it executes nothing.
/// Whoever controls what is mounted there can make this fail, or execute another program, or change
/// the mounts each time that it is asked: root, or the owner of this process's user namespace.
///
/// # Errors
/// As [`ExecError`] says, and:
/// - [`ExecError::NoProc`]: `/proc` is not mounted, or does not show this process.
/// - [`ExecError::OtherMachine`]: an emulator runs the program, and is what `/proc` shows.
/// - [`ExecError::UnsealedCopy`]: the program runs from a memory file with the name of such a copy,
///   which is not sealed: somebody else made it.
/// - `EACCES`: the program's file cannot be read, or `vm.memfd_noexec` forbids the copy.
/// - `EBUSY`, `EMFILE`, `ENFILE`, `ENOMEM`, `ENOSPC`: as [`MemFdOptions::copy_from_file`]. No
///   memory is left for the copy, or too many files are open.
/// - `EFBIG`: the program's file gets longer meanwhile, or is above `RLIMIT_FSIZE`.
///
/// Since Linux 3.17.
/// See [`proc_pid_exe(5)`](https://man7.org/linux/man-pages/man5/proc_pid_exe.5.html).
#[doc(alias = "CVE-2019-5736")]
#[doc(alias = "/proc/self/exe")]
pub fn ensure_sealed(args: Args<'_>, env: Args<'_>) -> Result<SealedMemFd, ExecError> {
    let process = own_process()?;
    let exe = sys::exec::reopen_at(process.as_fd(), c"exe")?;
    let exe = match SealedMemFd::verify(exe, usize::MAX) {
        Ok(sealed) => return Ok(sealed),
        Err(error) => match error.kind() {
            // Nothing is known of the file, so a copy might not be known either.
            VerifyErrorKind::Kernel(errno) => return Err(errno.into()),
            _ => error.into_inner(),
        },
    };
    if is_copy(process.as_fd(), exe.as_fd())? {
        return Err(ExecError::UnsealedCopy);
    }
    // What is for another CPU is not this program, but an emulator that runs it.
    if let emulator @ ExecError::OtherMachine { .. } = explain_no_program(exe.as_fd()) {
        return Err(emulator);
    }
    // A file system that serves a file without an end keeps this no longer.
    let len = sys::memfd::stat(exe.as_fd())?.len;
    let copy = MemFdOptions::new()
        .executable(true)
        .copy_from_file(COPY, &exe, usize::try_from(len).unwrap_or(usize::MAX))
        .map_err(Errno::from)?;
    drop(exe);
    let Err(error) = copy.exec(args, env);
    Err(error)
}

/// The path of a descriptor, seen from the directory of its process in `/proc`.
fn path_of(fd: BorrowedFd<'_>) -> NumberedPath {
    const FD: PathStart =
        PathStart::new(*b"fd/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    FD.with_number(fd.as_raw_fd().unsigned_abs())
}

/// The directory of this process in `/proc`, whatever else may be mounted there.
fn own_process() -> Result<OwnedFd, ExecError> {
    let process = match sys::exec::find_directory(c"/proc/self") {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Err(ExecError::NoProc),
        found => found?,
    };
    if sys::memfd::stat_fs(process.as_fd())?.magic != raw::PROC_SUPER_MAGIC {
        return Err(ExecError::NoProc);
    }
    // What only this process has.
    let own = MemFdOptions::new()
        .create(c"owned-memfd")
        .map_err(Errno::from)?;
    let path = path_of(own.as_fd());
    let ours = sys::memfd::stat(own.as_fd())?;
    let is_own = sys::exec::stat_at(process.as_fd(), &path).is_ok_and(|at| ours.is_same_file(&at));
    let mount = sys::exec::mount_of(process.as_fd(), c"");
    let has_nothing_on_it = |path| sys::exec::mount_of(process.as_fd(), path) == mount;
    let is_link = sys::exec::is_link(process.as_fd(), c"exe") == Ok(true);
    if is_own && is_link && has_nothing_on_it(&path) && has_nothing_on_it(c"exe") {
        Ok(process)
    } else {
        Err(ExecError::NoProc)
    }
}

/// Whether the descriptor's file has the name of the copies. `process` is this one.
fn is_copy(process: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut room = [const { MaybeUninit::uninit() }; 64];
    let name = sys::exec::read_link(process, &path_of(fd), &mut room)?;
    // Byte by byte: comparing slices would call `bcmp`, and moving longer iterators `memcpy`, which
    // a program without libc need not have.
    Ok(name.iter().eq(COPY_LINK))
}

/// Why a file was not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecError {
    /// `EACCES`: the file's mode has no execute bit, because of `vm.memfd_noexec` or
    /// [`MemFdOptions`]'s default. Or a security module forbids it, or the
    /// program's interpreter may not be executed.
    NotExecutable,
    /// `ETXTBSY`: somebody holds a descriptor of the file that was opened for writing. The one
    /// that created the file does not count.
    ExecutableFileBusy,
    /// `ENOEXEC`: the file is empty.
    Empty,
    /// `ENOEXEC`: the file is the beginning of a program. Its headers are past its end. A program
    /// of which more is there than the headers is executed, and crashes.
    Truncated,
    /// `ENOEXEC`: the file is a program for another CPU, or for another word size or byte order
    /// of this one.
    OtherMachine {
        /// The CPU: `e_machine` in the file's header, an `EM_` constant of `elf.h`.
        machine: u16,
    },
    /// `ENOEXEC`: the file is nothing that this kernel can execute, such as a text without `#!`.
    /// Or it is a script, and that is true of its interpreter.
    InvalidExecutable,
    /// `ENOENT`: a script (`#!`) whose descriptor is close-on-exec. Its interpreter opens it by
    /// that descriptor, and would find it closed. Create the file with
    /// [`close_on_exec(false)`](crate::MemFdOptions::close_on_exec), or clear the flag with
    /// [`set_close_on_exec`](OwnedMemFd::set_close_on_exec) while no other thread runs.
    ScriptCloseOnExec,
    /// `ENOENT`: the program's interpreter does not exist: a dynamic linker, or that of a script.
    NoInterpreter,
    /// `ENOENT`, and there is no `/dev/fd`, where the security module TOMOYO looks for the file,
    /// and no path in `/proc` leads to it. Or the program's interpreter does not exist.
    NoDevFd,
    /// The file is on huge pages. The kernel would kill the process half-way.
    HugePages,
    /// Of [`SealedMemFd`] only: the file lacks [`Seals::GROW`](crate::Seals::GROW), or is longer
    /// than it was when it was proven. The kernel would execute more than that.
    /// [`SealedMemFd::exec`] shows how to copy what was proven.
    UnprovenLength,
    /// Of [`ensure_sealed`] only: `/proc` is not mounted, or does not show this process.
    NoProc,
    /// Of [`ensure_sealed`] only: this program runs from a memory file with the name of the copies
    /// that the function makes, but it is not sealed.
    UnsealedCopy,
    /// The kernel returned another error: `E2BIG` (too many arguments), `ENOSYS` (there is no
    /// `execveat`, and no path in `/proc` leads to the file), or what `execve(2)` lists.
    Kernel(Errno),
}

impl From<Errno> for ExecError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotExecutable => "the file is not executable",
            Self::ExecutableFileBusy => "the file is open for writing elsewhere",
            Self::Empty => "the file is empty, and not a program",
            Self::Truncated => "the program's file is cut off within its headers",
            Self::OtherMachine {
                machine: sys::exec::MACHINE,
            } => "the program is for another word size or byte order of this CPU",
            Self::OtherMachine { machine } => {
                return write!(
                    f,
                    "the program is for another CPU: its ELF machine is {machine}{}, this one is {}{}",
                    name_of_machine(*machine),
                    sys::exec::MACHINE,
                    name_of_machine(sys::exec::MACHINE)
                );
            }
            Self::InvalidExecutable => "neither a program for this kernel nor a script (#!)",
            Self::ScriptCloseOnExec => "a script needs a descriptor that is not close-on-exec",
            Self::NoInterpreter => "the program's interpreter does not exist",
            Self::NoDevFd => {
                "there is no /dev/fd, or the program's interpreter does not exist: mount /proc and try again"
            }
            Self::HugePages => "a file on huge pages cannot be executed",
            Self::UnprovenLength => {
                "the file may be longer than what was proven: copy that into an executable file of your own"
            }
            Self::NoProc => "/proc is not mounted, or does not show this process",
            Self::UnsealedCopy => "the program runs from a copy of itself that is not sealed",
            Self::Kernel(errno) => return errno.fmt(f),
        })
    }
}

/// The CPU of a program, in brackets, if people are likely to meet it.
fn name_of_machine(machine: u16) -> &'static str {
    // EM_386, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV: include/uapi/linux/elf-em.h.
    match machine {
        3 => " (i386)",
        40 => " (arm)",
        62 => " (x86_64)",
        183 => " (aarch64)",
        243 => " (riscv)",
        _ => "",
    }
}

impl core::error::Error for ExecError {}

impl From<ExecError> for Errno {
    /// The kernel's error, `EINVAL` for a file on huge pages, or `EFBIG` for one that may be
    /// longer than was proven. Of [`ensure_sealed`], `ENOENT` for [`NoProc`](ExecError::NoProc),
    /// and `ELOOP` for [`UnsealedCopy`](ExecError::UnsealedCopy).
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::NotExecutable => Self::EACCES,
            ExecError::ExecutableFileBusy => Self::ETXTBSY,
            ExecError::Empty
            | ExecError::Truncated
            | ExecError::OtherMachine { .. }
            | ExecError::InvalidExecutable => Self::ENOEXEC,
            ExecError::ScriptCloseOnExec
            | ExecError::NoInterpreter
            | ExecError::NoDevFd
            | ExecError::NoProc => Self::ENOENT,
            ExecError::UnsealedCopy => Self::ELOOP,
            ExecError::HugePages => Self::EINVAL,
            ExecError::UnprovenLength => Self::EFBIG,
            ExecError::Kernel(errno) => errno,
        }
    }
}

/// What the kernel takes for no program.
#[cold]
fn explain_no_program(fd: BorrowedFd<'_>) -> ExecError {
    // `Elf64_Ehdr`, include/uapi/linux/elf.h. Where its fields are, and what they are here.
    const HEADER: usize = 64;
    const CLASS: usize = 4;
    const CLASS_64: u8 = 2;
    const ORDER: usize = 5;
    const LITTLE_ENDIAN: u8 = 1;
    const BIG_ENDIAN: u8 = 2;
    const MACHINE: usize = 18;
    const PARTS_OFFSET: usize = 32;
    const PART_SIZE: usize = 54;
    const PARTS: usize = 56;

    let mut room = [const { MaybeUninit::uninit() }; HEADER];
    let (Ok(start), Ok(found)) = (
        sys::transfer::read_at_uninit(fd, &mut room, 0),
        sys::memfd::stat(fd),
    ) else {
        return ExecError::InvalidExecutable;
    };
    if start.is_empty() {
        return ExecError::Empty;
    }
    if start
        .iter()
        .zip(b"\x7fELF")
        .any(|(found, magic)| found != magic)
    {
        return ExecError::InvalidExecutable;
    }
    let byte = |at: usize| start.get(at).copied().unwrap_or_default();
    let number = |at: usize, len: usize| {
        let bytes = (at..at + len).rev().map(byte);
        bytes.fold(0, |number, byte| number << 8 | u64::from(byte))
    };
    if start.len() >= MACHINE + 2 {
        let machine = number(MACHINE, 2) as u16;
        let machine = match byte(ORDER) {
            BIG_ENDIAN => machine.swap_bytes(),
            _ => machine,
        };
        if (machine, byte(CLASS), byte(ORDER)) != (sys::exec::MACHINE, CLASS_64, LITTLE_ENDIAN) {
            return ExecError::OtherMachine { machine };
        }
    }
    let parts_end = number(PARTS_OFFSET, 8).saturating_add(number(PART_SIZE, 2) * number(PARTS, 2));
    if start.len() < HEADER || parts_end > found.len {
        return ExecError::Truncated;
    }
    ExecError::InvalidExecutable
}

/// Whether the file is on huge pages. If that cannot be told, as in a sandbox, the kernel decides.
fn is_on_huge_pages(fd: BorrowedFd<'_>) -> bool {
    sys::memfd::stat_fs(fd).is_ok_and(|file_system| file_system.magic == raw::HUGETLBFS_MAGIC)
}
