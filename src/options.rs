//! Creation options that behave the same on every kernel.
//!
//! `OwnedMemFd::create` takes the kernel's own flags instead, without a policy.

use crate::{
    errno::Errno,
    fd::AsFd,
    flags::{HugePageSize, MemFdFlags, Seals},
    memfd::{OwnedMemFd, nul_terminated},
    proof::VerifyErrorKind,
    sys,
};
use core::{ffi::CStr, fmt, mem::MaybeUninit};

/// The longest name that the kernel takes, in bytes, without its NUL: `NAME_MAX` less the
/// `memfd:` that the kernel puts before it.
const NAME_MAX: usize = 249;

/// Options for creating a memory file, which is then the same on every kernel.
///
/// The defaults are close-on-exec, sealable and not executable. The file is what you asked for on
/// every kernel, or creation fails:
///
/// - The execute flags exist since Linux 6.3. If the kernel, or a seccomp filter, does not know
///   them (`EINVAL`), the file is created without them. Its mode is then set to match, and
///   [`Seals::EXEC`] is added if the kernel knows that seal.
/// - Newer kernels make every file sealable that is not executable. `sealable(false)` then adds
///   [`Seals::SEAL`].
/// - If `vm.memfd_noexec` makes an executable file impossible, or one without
///   [`exec_seal`](Self::exec_seal), creating one is `EACCES`.
///
/// ```
/// use owned_memfd::{MemFdOptions, Seals};
///
/// let file = MemFdOptions::new().create(c"settings")?;
/// file.write_all(b"sealed soon")?;
/// file.add_seals(Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL)?;
/// assert!(file.write_all(b"too late").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "MemfdOptions")]
#[doc(alias = "CreateOptions")]
#[must_use = "options create nothing until a method that takes a name is called"]
pub struct MemFdOptions {
    flags: MemFdFlags,
    collapse: bool,
    exec_seal: bool,
}

/// # Options, and creating an empty file
impl MemFdOptions {
    /// Close-on-exec, sealable, not executable, on pages of the usual size.
    pub const fn new() -> Self {
        Self {
            flags: MemFdFlags::CLOEXEC
                .union(MemFdFlags::ALLOW_SEALING)
                .union(MemFdFlags::NOEXEC_SEAL),
            collapse: true,
            exec_seal: true,
        }
    }

    /// Whether the file may be executed: its mode is 0777, or else 0666.
    ///
    /// On kernels that know it, a file that may not be executed has [`Seals::EXEC`], unless
    /// [`exec_seal`](Self::exec_seal) declines. That is hygiene, not a boundary: the file's owner
    /// can still make it executable, as is said there.
    #[doc(alias = "MFD_EXEC")]
    #[doc(alias = "MFD_NOEXEC_SEAL")]
    #[doc(alias = "memfd_noexec")]
    pub const fn executable(self, yes: bool) -> Self {
        let flags = self
            .flags
            .difference(MemFdFlags::EXEC.union(MemFdFlags::NOEXEC_SEAL));
        Self {
            flags: flags.union(if yes {
                MemFdFlags::EXEC
            } else {
                MemFdFlags::NOEXEC_SEAL
            }),
            ..self
        }
    }

    /// Whether a file that may not be executed has [`Seals::EXEC`], on kernels that know it. By
    /// default, it has.
    ///
    /// Some receivers compare the seals of a file with exactly `0xf`, those that
    /// [`OwnedMemFd::seal`] adds: systemd-journald before version 254 is one. For them, say no: the
    /// mode is 0666 all the same. It has no effect on a file that may be executed.
    ///
    /// Before Linux 6.3 no file has the seal. Since then `vm.memfd_noexec=2` makes a file without
    /// it impossible, and creating one is `EACCES`; so does 1, where a seccomp filter hides the
    /// execute flags.
    ///
    /// ```
    /// use owned_memfd::{MemFdOptions, Seals};
    ///
    /// let options = MemFdOptions::new().exec_seal(false);
    /// # let forbidden = Some(owned_memfd::Errno::EACCES.into());
    /// # if options.create(c"entry").err() == forbidden { return Ok(()) }
    /// let sealed = options.copy_from_slice(c"entry", b"MESSAGE=hello\n")?;
    /// assert_eq!(sealed.seals()?.bits(), 0xf);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "F_SEAL_EXEC")]
    #[doc(alias = "MFD_NOEXEC_SEAL")]
    #[doc(alias = "memfd_noexec")]
    pub const fn exec_seal(self, yes: bool) -> Self {
        Self {
            exec_seal: yes,
            ..self
        }
    }

    /// Whether seals can be added. If not, [`Seals::SEAL`] is on the file from the start.
    #[doc(alias = "MFD_ALLOW_SEALING")]
    #[doc(alias = "allow_sealing")]
    pub const fn sealable(self, yes: bool) -> Self {
        self.with(MemFdFlags::ALLOW_SEALING, yes)
    }

    /// Whether the descriptor is closed when the process executes another program.
    #[doc(alias = "MFD_CLOEXEC")]
    pub const fn close_on_exec(self, yes: bool) -> Self {
        self.with(MemFdFlags::CLOEXEC, yes)
    }

    /// Uses huge pages of this size.
    ///
    /// The length of such a file is a multiple of the size. It can be written only through a
    /// mapping: `write` is `EINVAL`. Its pages come from a pool that the administrator reserves.
    /// An empty pool is an error when the content is allocated, not at creation.
    #[doc(alias = "MFD_HUGETLB")]
    #[doc(alias = "hugetlb")]
    #[doc(alias = "hugetlbfs")]
    pub const fn huge_pages(self, size: HugePageSize) -> Self {
        // An earlier size is a number, not a flag: no bit of it may stay.
        Self {
            flags: self
                .flags
                .intersection(MemFdFlags::KNOWN)
                .union(MemFdFlags::huge_pages(size)),
            ..self
        }
    }

    /// Whether to fill the file on huge pages where that is possible. By default, it is tried.
    ///
    /// It is about [`create_with`](Self::create_with), [`copy_from_slice`](Self::copy_from_slice)
    /// and [`writer`](Self::writer), and every 2 MiB of a file that they fill as a whole. Such a
    /// part becomes one huge page before it is filled, which then takes a fraction of the time; so
    /// does reading it through a mapping. Unlike [`huge_pages`](Self::huge_pages), this needs no
    /// pool and no setting, and the file is an ordinary one.
    ///
    /// Where the kernel refuses, the pages have the usual size, and nothing is an error: before
    /// Linux 6.1, with `shmem_enabled=deny`, without transparent huge pages, on pages other than
    /// of 4 KiB, without 2 MiB of memory in one piece, or at the limit of a control group. After
    /// the first refusal, the rest of the file is not tried.
    ///
    /// A file takes no more memory by this, except that a [`Writer`](crate::Writer) can have up to
    /// 2 MiB more than was written, until it is finished. Where free memory is fragmented, the
    /// kernel moves other pages to make room; at the limit of a control group it reclaims some. In
    /// a virtual machine that gets its memory from the host only when it touches it, the first use
    /// of a huge page can cost more than it saves. Say no where a file must not cause that. The
    /// copy of [`SealedMemFd::verify_or_copy`](crate::SealedMemFd::verify_or_copy) has no options,
    /// and is always tried.
    ///
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_COLLAPSE`.
    #[doc(alias = "MADV_COLLAPSE")]
    #[doc(alias = "THP")]
    #[doc(alias = "madvise")]
    pub const fn collapse(self, yes: bool) -> Self {
        Self {
            collapse: yes,
            ..self
        }
    }

    /// Whether parts of the file may become huge pages.
    pub(crate) const fn collapses(self) -> bool {
        self.collapse
    }

    /// Whether the file is on huge pages from a pool.
    pub(crate) const fn has_huge_pages(self) -> bool {
        self.flags.contains(MemFdFlags::HUGETLB)
    }

    /// Whether an executed program inherits the descriptor.
    pub(crate) const fn is_inherited(self) -> bool {
        !self.flags.contains(MemFdFlags::CLOEXEC)
    }

    const fn with(self, flag: MemFdFlags, yes: bool) -> Self {
        let flags = self.flags.difference(flag);
        Self {
            flags: if yes { flags.union(flag) } else { flags },
            ..self
        }
    }

    /// Creates the memory file: empty, open for reading and writing.
    ///
    /// `name` is a `&CStr`, a `&str`, bytes, or what else [`Name`] says, of at most 249 bytes. It
    /// appears in `/proc/PID/fd` and `/proc/PID/maps`. It need not be unique, and opens nothing:
    /// unlike what `shm_open` makes, the file is reached only through a descriptor.
    ///
    /// # Errors
    /// - [`CreateError::NameHasNul`], [`CreateError::NameTooLong`]: no call is made.
    /// - `EACCES`: an executable file, or one without [`exec_seal`](Self::exec_seal), which
    ///   `vm.memfd_noexec=2` forbids, or 1 if a seccomp filter does not know the execute flags; or
    ///   a security module forbids it.
    /// - `EINVAL`: huge pages before Linux 4.16.
    /// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
    /// - `ENODEV`: this machine has no huge pages of that size.
    /// - `ENOMEM`: no memory for the file.
    /// - `ENOSYS`, `EPERM`: the kernel is built without memory files, or a seccomp filter
    ///   forbids the call. If a file is made but cannot be given the mode and the seals that were
    ///   asked for, that error is returned, and the file is gone.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[doc(alias = "shm_open")]
    #[inline]
    pub fn create(self, name: impl Name) -> Result<OwnedMemFd, CreateError> {
        name.pass_to(|name| self.create_named(name))
    }

    #[inline(always)]
    fn create_named(self, name: &CStr) -> Result<OwnedMemFd, CreateError> {
        let file = if self.exec_seal || self.flags.contains(MemFdFlags::EXEC) {
            match OwnedMemFd::create(name, self.flags) {
                Ok(file) => file,
                Err(Errno::EINVAL) => create_without_exec_flags(name, self.flags)?,
                Err(errno) => return Err(errno.into()),
            }
        } else {
            create_without_exec_seal(name, self.flags)?
        };
        // Without ALLOW_SEALING the kernel creates the file with F_SEAL_SEAL, unless NOEXEC_SEAL,
        // or a sysctl that implies it, has allowed sealing after all.
        if !self.flags.contains(MemFdFlags::ALLOW_SEALING) && !file.seals()?.contains(Seals::SEAL) {
            file.add_seals(Seals::SEAL)?;
        }
        Ok(file)
    }
}

/// Creates the file where the execute flags may be unknown: before Linux 6.3, or to a seccomp
/// filter on a kernel that has them. `vm.memfd_noexec` then decides which of them the kernel
/// implies.
// Inlined, so that the usual path keeps no registers for a call. What is asked for is a constant
// nearly always, and decides which half is left.
#[inline(always)]
fn create_without_exec_flags(name: &CStr, flags: MemFdFlags) -> Result<OwnedMemFd, Errno> {
    let plain = flags
        .difference(MemFdFlags::EXEC)
        .difference(MemFdFlags::NOEXEC_SEAL);
    if flags.contains(MemFdFlags::EXEC) {
        let file = OwnedMemFd::create(name, plain)?;
        // What the kernel itself returns if it may make no such file.
        return match sys::memfd::stat(file.as_fd())?.mode & 0o111 {
            0 => Err(Errno::EACCES),
            _ => Ok(file),
        };
    }
    // A file that is not sealable could not get the seal.
    let file = OwnedMemFd::create(name, plain.union(MemFdFlags::ALLOW_SEALING))?;
    // First the mode: on an executable file the kernel adds other seals with this one.
    file.set_mode(0o666)?;
    match file.add_seals(Seals::EXEC) {
        // The kernel is older than the seal.
        Ok(()) | Err(Errno::EINVAL) => Ok(file),
        Err(errno) => Err(errno),
    }
}

/// Creates a file that is not executable, and does not have the seal about that: an executable one
/// of which the mode is changed. Nobody else has it meanwhile.
#[cold]
#[inline(never)]
fn create_without_exec_seal(name: &CStr, flags: MemFdFlags) -> Result<OwnedMemFd, Errno> {
    let plain = flags.difference(MemFdFlags::NOEXEC_SEAL);
    let file = match OwnedMemFd::create(name, plain.union(MemFdFlags::EXEC)) {
        // The flags may be unknown, as above.
        Err(Errno::EINVAL) => OwnedMemFd::create(name, plain),
        result => result,
    }?;
    // Without a flag, `vm.memfd_noexec` may imply the seal.
    if file.seals()?.contains(Seals::EXEC) {
        return Err(Errno::EACCES);
    }
    file.set_mode(0o666)?;
    Ok(file)
}

impl Default for MemFdOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a memory file was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// The name has a NUL inside, and the kernel would cut it off there.
    NameHasNul {
        /// The index of its first NUL, in bytes.
        at: usize,
    },
    /// The name is longer than the 249 bytes that the kernel takes.
    NameTooLong {
        /// The length of the name, in bytes.
        len: usize,
    },
    /// The content is longer than any file can be.
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// With [`huge_pages`](MemFdOptions::huge_pages), the length is not a multiple of a page.
    PartialHugePage {
        /// The length that was asked for, in bytes.
        len: usize,
        /// The size of a huge page of the file, in bytes.
        page_size: usize,
    },
    /// With [`huge_pages`](MemFdOptions::huge_pages), fewer pages are free than the file needs.
    NoHugePages {
        /// The length that was asked for, in bytes.
        len: usize,
    },
    /// A [`writer`](MemFdOptions::writer) or a [`copy_from_file`](MemFdOptions::copy_from_file)
    /// with [`huge_pages`](MemFdOptions::huge_pages). Such a file can be written only through a
    /// mapping, as by [`create_with`](MemFdOptions::create_with).
    WriteOnHugePages,
    /// The kernel returned this error; [`MemFdOptions::create`] says why. Or
    /// [`MemFdOptions::create_with`], if that was called.
    Kernel(Errno),
    /// The file was made, but it could not be sealed or verified. Or the one that
    /// [`MemFdOptions::copy_from_file`] was to copy was rejected.
    Verify(VerifyErrorKind),
}

impl From<Errno> for CreateError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<VerifyErrorKind> for CreateError {
    fn from(kind: VerifyErrorKind) -> Self {
        match kind {
            VerifyErrorKind::Kernel(errno) => Self::Kernel(errno),
            kind => Self::Verify(kind),
        }
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameHasNul { at } => write!(f, "the name has a NUL at byte {at}"),
            Self::NameTooLong { len } => {
                write!(f, "the name has {len} bytes, more than {NAME_MAX}")
            }
            Self::TooLong { len } => {
                write!(f, "{len} bytes are more than a file can have: {}", i64::MAX)
            }
            Self::PartialHugePage { len, page_size } => write!(
                f,
                "{len} bytes are not a multiple of a huge page, which has {page_size} bytes"
            ),
            Self::NoHugePages { len } => write!(
                f,
                "not enough huge pages are free for {len} bytes: vm.nr_hugepages reserves them"
            ),
            Self::WriteOnHugePages => f.write_str(
                "a file on huge pages can be written only through a mapping, as by create_with",
            ),
            Self::Kernel(errno) => errno.fmt(f),
            Self::Verify(kind) => kind.fmt(f),
        }
    }
}

impl core::error::Error for CreateError {}

impl From<CreateError> for Errno {
    /// The kernel's error, or that of `Verify`. `NoHugePages` is `ENOSPC`, and the others are
    /// `EINVAL`, as in the kernel.
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Kernel(errno) => errno,
            CreateError::Verify(kind) => kind.into(),
            CreateError::NoHugePages { .. } => Self::ENOSPC,
            CreateError::NameHasNul { .. }
            | CreateError::NameTooLong { .. }
            | CreateError::TooLong { .. }
            | CreateError::PartialHugePage { .. }
            | CreateError::WriteOnHugePages => Self::EINVAL,
        }
    }
}

/// Why a memory file was not created by [`MemFdOptions::try_create_with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryCreateError<E> {
    /// The file could not be made.
    Create(CreateError),
    /// It could not be filled: this is what `fill` returned.
    Fill(E),
}

impl<E> From<Errno> for TryCreateError<E> {
    fn from(errno: Errno) -> Self {
        Self::Create(errno.into())
    }
}

impl<E> From<CreateError> for TryCreateError<E> {
    fn from(error: CreateError) -> Self {
        Self::Create(error)
    }
}

impl<E: fmt::Display> fmt::Display for TryCreateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(error) => error.fmt(f),
            Self::Fill(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for TryCreateError<E> {}

impl<E: Into<Self>> From<TryCreateError<E>> for Errno {
    /// That of the error inside.
    fn from(error: TryCreateError<E>) -> Self {
        match error {
            TryCreateError::Create(error) => error.into(),
            TryCreateError::Fill(error) => error.into(),
        }
    }
}

/// A name for a memory file, or a path of a socket: a `&CStr`, a `&str` or bytes.
///
/// The name of a memory file is copied to the stack unless it is a `&CStr`.
///
/// With the feature `std` also a reference to a `String`, `CString`, `OsStr`, `OsString`, `Path`,
/// `PathBuf`, `Vec<u8>`, `Cow<str>` or `Box<str>`. A name need not be UTF-8.
pub trait Name: sealed::Name {}

impl Name for &CStr {}
impl Name for &str {}
impl Name for &[u8] {}
impl<const N: usize> Name for &[u8; N] {}

pub(crate) mod sealed {
    use super::{CStr, CreateError, MaybeUninit, NAME_MAX, nul_terminated};

    pub trait Name {
        /// Calls `create` with the name, if the kernel would accept it.
        fn pass_to<T>(
            self,
            create: impl FnOnce(&CStr) -> Result<T, CreateError>,
        ) -> Result<T, CreateError>;

        /// Its bytes, without a NUL that ends it.
        fn into_slice<'a>(self) -> &'a [u8]
        where
            Self: 'a;
    }

    impl Name for &CStr {
        #[inline(always)]
        fn pass_to<T>(
            self,
            create: impl FnOnce(&CStr) -> Result<T, CreateError>,
        ) -> Result<T, CreateError> {
            let len = self.count_bytes();
            if len > NAME_MAX {
                return Err(CreateError::NameTooLong { len });
            }
            create(self)
        }

        #[inline]
        fn into_slice<'a>(self) -> &'a [u8]
        where
            Self: 'a,
        {
            self.to_bytes()
        }
    }

    impl Name for &[u8] {
        #[inline]
        fn pass_to<T>(
            self,
            create: impl FnOnce(&CStr) -> Result<T, CreateError>,
        ) -> Result<T, CreateError> {
            let len = self.len();
            if len > NAME_MAX {
                return Err(CreateError::NameTooLong { len });
            }
            let mut room = [const { MaybeUninit::uninit() }; NAME_MAX + 1];
            match nul_terminated(self, &mut room) {
                Ok(name) => create(name),
                Err(at) => Err(CreateError::NameHasNul { at }),
            }
        }

        #[inline]
        fn into_slice<'a>(self) -> &'a [u8]
        where
            Self: 'a,
        {
            self
        }
    }

    impl<const N: usize> Name for &[u8; N] {
        #[inline]
        fn pass_to<T>(
            self,
            create: impl FnOnce(&CStr) -> Result<T, CreateError>,
        ) -> Result<T, CreateError> {
            self.as_slice().pass_to(create)
        }

        #[inline]
        fn into_slice<'a>(self) -> &'a [u8]
        where
            Self: 'a,
        {
            self
        }
    }

    impl Name for &str {
        #[inline]
        fn pass_to<T>(
            self,
            create: impl FnOnce(&CStr) -> Result<T, CreateError>,
        ) -> Result<T, CreateError> {
            self.as_bytes().pass_to(create)
        }

        #[inline]
        fn into_slice<'a>(self) -> &'a [u8]
        where
            Self: 'a,
        {
            self.as_bytes()
        }
    }
}
