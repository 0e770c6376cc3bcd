//! Running a memory file: the arguments as the kernel takes them, the ways to execute, and
//! what a refusal means.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    fd::{AsFd, BorrowedFd},
    memfd::OwnedMemFd,
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

/// One argument, or one `NAME=value` of the environment, as the kernel takes it: a pointer
/// to a C string.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Arg<'a>(NonNull<c_char>, PhantomData<&'a CStr>);

impl<'a> Arg<'a> {
    /// The argument that this string is.
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

/// A list of arguments, or an environment, as the kernel takes it: without a heap, without a
/// copy and of any length.
///
/// ```
/// use owned_memfd::exec::{Arg, Args};
///
/// let list = [Some(Arg::new(c"ls")), Some(Arg::new(c"-l")), None];
/// let args = Args::new(&list).unwrap();
/// # let _ = args;
/// ```
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Args<'a>(NonNull<Option<Arg<'a>>>, PhantomData<&'a [Option<Arg<'a>>]>);

impl<'a> Args<'a> {
    /// No argument, or an empty environment.
    pub const EMPTY: Args<'static> = Args::ended(&[None]);

    /// The list up to its first `None`. There is no list if the last is not `None`, by which
    /// the kernel knows the end.
    #[must_use]
    pub const fn new(list: &'a [Option<Arg<'a>>]) -> Option<Self> {
        match list {
            [.., None] => Some(Self::ended(list)),
            _ => None,
        }
    }

    /// The last of the list is `None`.
    const fn ended(list: &'a [Option<Arg<'a>>]) -> Self {
        // SAFETY: the pointer of a slice is not null.
        let start = unsafe { NonNull::new_unchecked(list.as_ptr().cast_mut()) };
        Self(start, PhantomData)
    }

    /// The list at this address, as a program without libc gets its own arguments and
    /// environment from the kernel.
    ///
    /// # Safety
    /// `list` is not null and points to pointers to C strings, the last of which is followed
    /// by a null pointer. They and the strings stay and do not change for `'a`.
    #[must_use]
    pub const unsafe fn from_ptr(list: *const *const c_char) -> Self {
        // SAFETY: the caller's promise: not null.
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

impl OwnedMemFd {
    /// Executes the file in place of this program, and returns only if that fails: the file
    /// is then still ours.
    ///
    /// Seal a file before it is executed, which [`SealedMemFd::exec`] knows to be done: the
    /// text of a running program can otherwise be written through the descriptor that
    /// created it. For the file to be executable, create it with
    /// [`MemFdOptions::executable`](crate::MemFdOptions::executable).
    ///
    /// As for every program that is executed, descriptors without close-on-exec stay open,
    /// this one too, and signals that are ignored stay ignored.
    ///
    /// # Errors
    /// As [`ExecError`] says.
    ///
    /// Since Linux 3.19; before, and where the call is not there, as under QEMU user-mode,
    /// by way of `/proc`.
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html).
    pub fn exec(&self, args: Args<'_>, env: Args<'_>) -> Result<Infallible, ExecError> {
        let fd = self.as_fd();
        if is_on_huge_pages(fd) {
            return Err(ExecError::HugePages);
        }
        let (args, env) = (args.as_ptr(), env.as_ptr());
        // SAFETY: both are lists of C strings that end in null.
        let first = unsafe { sys::exec::execute(fd, args, env) };
        let by_path = match self.explain_exec_error(first) {
            // Not on this kernel; but by a path it would start a script's interpreter, which
            // then finds nothing there.
            ExecError::Kernel(Errno::ENOSYS) if self.is_closed_script() => {
                return Err(ExecError::ScriptCloseOnExec);
            }
            // TOMOYO looks for the file at a path in /dev/fd, which early boot does not
            // have, and may find it in /proc.
            ExecError::Kernel(Errno::ENOSYS) | ExecError::NoDevFd => self.proc_path(),
            error => return Err(error),
        };
        // SAFETY: as above.
        let second = unsafe { sys::exec::execute_path(&by_path, args, env) };
        // Is it the path that does not exist, or what the program asks for?
        let no_path = || sys::memfd::open_read_only(&by_path).err() == Some(Errno::ENOENT);
        Err(match (first, second) {
            (Errno::ENOSYS, Errno::ENOENT) if no_path() => Errno::ENOSYS.into(),
            (_, second) => self.explain_exec_error(second),
        })
    }

    /// Asks the kernel whether it would execute the file: its mode, the mount's and the
    /// security modules' permission. It does not look at the content.
    ///
    /// # Errors
    /// As [`ExecError`] says, and `EINVAL` before Linux 6.14, which cannot be asked, or
    /// `ENOSYS` where the call is not there, as under QEMU user-mode.
    ///
    /// Since Linux 6.14.
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html), under
    /// `AT_EXECVE_CHECK`.
    pub fn check_exec(&self) -> Result<(), ExecError> {
        const NAME: [Option<Arg<'static>>; 2] = [Some(Arg::new(c"check")), None];

        let fd = self.as_fd();
        if is_on_huge_pages(fd) {
            return Err(ExecError::HugePages);
        }
        let args = Args::new(&NAME).unwrap_or(Args::EMPTY);
        // SAFETY: both are lists of C strings that end in null.
        unsafe { sys::exec::may_execute(fd, args.as_ptr(), Args::EMPTY.as_ptr()) }
            .map_err(|errno| self.explain_exec_error(errno))
    }

    /// What an errno of executing this file means.
    fn explain_exec_error(&self, errno: Errno) -> ExecError {
        match errno {
            Errno::EACCES => ExecError::NotExecutable,
            Errno::ETXTBSY => ExecError::ExecutableFileBusy,
            Errno::ENOEXEC => ExecError::InvalidExecutable,
            Errno::ENOENT if self.is_closed_script() => ExecError::ScriptCloseOnExec,
            Errno::ENOENT => match sys::memfd::open_read_only(c"/dev/fd") {
                Err(Errno::ENOENT) => ExecError::NoDevFd,
                _ => ExecError::NoInterpreter,
            },
            errno => ExecError::Kernel(errno),
        }
    }

    /// Whether it is a script that its interpreter could not open.
    fn is_closed_script(&self) -> bool {
        // As much as the kernel looks at: `BINPRM_BUF_SIZE`, include/uapi/linux/binfmts.h.
        let mut room = [const { MaybeUninit::uninit() }; 256];
        let Ok([b'#', b'!', line @ ..]) = sys::transfer::read_at_uninit(self.as_fd(), &mut room, 0)
        else {
            return false;
        };
        // Without the name of an interpreter it is no script.
        let name = line.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        name.is_some_and(|byte| !matches!(byte, b'\n' | 0)) && self.close_on_exec() == Ok(true)
    }
}

impl SealedMemFd {
    /// Executes the file in place of this program, and returns only if that fails: the file
    /// is then still ours.
    ///
    /// Nobody can change what runs. For the file to be executable, create it with
    /// [`MemFdOptions::executable`](crate::MemFdOptions::executable).
    ///
    /// # Errors
    /// As [`OwnedMemFd::exec`].
    ///
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html).
    pub fn exec(&self, args: Args<'_>, env: Args<'_>) -> Result<Infallible, ExecError> {
        self.as_memfd().exec(args, env)
    }

    /// As [`OwnedMemFd::check_exec`].
    ///
    /// # Errors
    /// As [`OwnedMemFd::check_exec`].
    ///
    /// Since Linux 6.14.
    /// See [`execveat(2)`](https://man7.org/linux/man-pages/man2/execveat.2.html), under
    /// `AT_EXECVE_CHECK`.
    pub fn check_exec(&self) -> Result<(), ExecError> {
        self.as_memfd().check_exec()
    }
}

/// Why a file was not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecError {
    /// `EACCES`: the file's mode has no execute bit, as where `vm.memfd_noexec` or
    /// [`MemFdOptions`](crate::MemFdOptions)'s default made it so; or a security module
    /// refuses; or its interpreter may not be executed.
    NotExecutable,
    /// `ETXTBSY`: somebody holds a descriptor of the file that was opened for writing. The
    /// one that created it does not count.
    ExecutableFileBusy,
    /// `ENOEXEC`: it is empty, or nothing that this kernel knows how to execute. A program
    /// that is cut off further behind is executed, and dies.
    InvalidExecutable,
    /// `ENOENT`, of a script (`#!`) whose descriptor is close-on-exec: its interpreter, which
    /// opens it by that descriptor, would find it closed.
    ScriptCloseOnExec,
    /// `ENOENT`: there is no interpreter of that name, a dynamic linker or that of a script.
    NoInterpreter,
    /// `ENOENT`, and there is no `/dev/fd`: where the security module TOMOYO is active, it
    /// looks for the file there. Or there is no interpreter of that name.
    NoDevFd,
    /// The file is on huge pages: the kernel would kill the process half-way.
    HugePages,
    /// The kernel refused otherwise: `E2BIG` for too many arguments, `ENOSYS` where neither
    /// `execveat` nor `/proc` is there, and what `execve(2)` lists.
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
            Self::InvalidExecutable => "not a program",
            Self::ScriptCloseOnExec => "a script on a close-on-exec descriptor",
            Self::NoInterpreter => "the program's interpreter does not exist",
            Self::NoDevFd => "there is no /dev/fd, or the program's interpreter does not exist",
            Self::HugePages => "a file on huge pages cannot be executed",
            Self::Kernel(errno) => return errno.fmt(f),
        })
    }
}

impl core::error::Error for ExecError {}

impl From<ExecError> for Errno {
    /// The kernel's errno; of a file on huge pages, `EINVAL`.
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::NotExecutable => Self::EACCES,
            ExecError::ExecutableFileBusy => Self::ETXTBSY,
            ExecError::InvalidExecutable => Self::ENOEXEC,
            ExecError::ScriptCloseOnExec | ExecError::NoInterpreter | ExecError::NoDevFd => {
                Self::ENOENT
            }
            ExecError::HugePages => Self::EINVAL,
            ExecError::Kernel(errno) => errno,
        }
    }
}

/// Where that cannot be told, as in a sandbox, the kernel is to decide.
fn is_on_huge_pages(fd: BorrowedFd<'_>) -> bool {
    sys::memfd::stat_fs(fd).is_ok_and(|file_system| file_system.magic == raw::HUGETLBFS_MAGIC)
}
