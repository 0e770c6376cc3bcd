//! A memory file whose content is proven immutable, and maps of it.
//!
//! The references to mapped bytes that are made here rest on the proof.
#![allow(unsafe_code)]

use crate::{
    errno::Errno,
    fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    flags::Seals,
    memfd::{BorrowedMemFd, OwnedMemFd},
    path::NumberedPath,
    proof::{MapError, Proof, VerifyErrorKind, range_within},
    region::{MapMode, Region, Source},
};
use core::{
    fmt,
    ops::{Deref, DerefMut, RangeBounds},
    ptr, slice,
};

/// A memory file whose contents are proven immutable.
///
/// The kernel was asked through this very descriptor, and said that the file has both
/// [`Seals::WRITE`] and [`Seals::SHRINK`]. From then on no process can change the first
/// [`len`](Self::len) bytes, whatever rights and descriptors it has. So [`map`](Self::map)
/// returns them as a plain `&[u8]`, without `unsafe`.
///
/// A file without [`Seals::GROW`] can still get longer. `len` stays the length at which it was
/// proven. The kernel would read beyond it, so [`exec`](Self::exec), and `load_module` and
/// `attach_loop` of the feature `boot`, reject such a file.
///
/// Since Linux 3.17, unless a method says otherwise.
///
/// ```
/// use owned_memfd::SealedMemFd;
///
/// let sealed = SealedMemFd::copy_from_slice(c"greeting", b"hello")?;
/// let bytes = sealed.map()?;
/// assert_eq!(&bytes[..], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The guide says [what is guaranteed, and on what that rests](crate::guide::soundness).
///
/// A file without the proof cannot be mapped, and the compiler says what to do instead:
///
/// ```compile_fail,E0277
/// let file = owned_memfd::MemFdOptions::new().create(c"open").unwrap();
/// let bytes = file.map().unwrap();
/// ```
///
/// and nothing else makes the proof:
///
/// ```compile_fail,E0451
/// let sealed = owned_memfd::SealedMemFd { proof: todo!() };
/// ```
#[doc(alias = "SealedFile")]
#[doc(alias = "into_raw_fd")]
#[repr(transparent)]
pub struct SealedMemFd {
    proof: Proof,
}

/// # Mapping and reading
impl SealedMemFd {
    #[inline(always)]
    pub(crate) const fn from_proof(proof: Proof) -> Self {
        Self { proof }
    }

    /// The length at which the content was proven, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.proof.len()
    }

    /// Whether the length is 0.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Demands exactly this length, in bytes, as where a protocol announces the size of what it
    /// sends.
    ///
    /// ```
    /// use owned_memfd::{SealedMemFd, VerifyErrorKind};
    ///
    /// let sealed = SealedMemFd::copy_from_slice(c"keymap", b"xkb_keymap {};")?;
    /// sealed.require_len(14)?;
    /// assert_eq!(
    ///     sealed.require_len(4096).unwrap_err().to_string(),
    ///     "the file is 14 bytes long, and must be 4096"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`VerifyErrorKind::WrongLen`]: the content was proven at another length. No call is made.
    pub fn require_len(&self, len: usize) -> Result<(), VerifyErrorKind> {
        if self.len() == len {
            Ok(())
        } else {
            Err(VerifyErrorKind::WrongLen {
                len: self.len(),
                required: len,
            })
        }
    }

    /// Maps the whole content, as a `&[u8]`.
    ///
    /// Below 2 MiB this is one system call, except on the kernels that [`SealedMap`] names. From
    /// 2 MiB on, the map begins where the kernel can use huge pages, if it has room there. That
    /// takes up to two calls more.
    ///
    /// # Errors
    /// - `EACCES`: the descriptor is open only for writing.
    /// - `EAGAIN`: after `mlockall(MCL_FUTURE)`, the mapping is above `RLIMIT_MEMLOCK`.
    /// - `EFAULT`: there are too few huge pages for the holes of a file on huge pages.
    /// - `ENOMEM`: no room for the mapping.
    /// - Any error of `fstatfs`, if a seccomp filter forbids that call. It is made if the blocks of
    ///   the file are 64 KiB or larger, as on huge pages.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_SHARED")]
    #[doc(alias = "PROT_READ")]
    pub fn map(&self) -> Result<SealedMap, Errno> {
        self.map_within(0, self.len())
    }

    /// Maps a range of the content, in bytes. It need not be aligned.
    ///
    /// ```
    /// use owned_memfd::SealedMemFd;
    ///
    /// let sealed = SealedMemFd::copy_from_slice(c"greeting", b"hello, world")?;
    /// assert_eq!(&sealed.map_range(7..)?[..], b"world");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`MapError::OutOfBounds`], [`MapError::Reversed`]: the range does not lie in the content.
    ///   No call is made.
    /// - `EOVERFLOW`: no room for the mapping.
    /// - Those of [`map`](Self::map).
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    pub fn map_range(&self, range: impl RangeBounds<usize>) -> Result<SealedMap, MapError> {
        let (offset, len) = range_within(&range, self.len())?;
        Ok(self.map_within(offset, len)?)
    }

    /// The only maker of a `SealedMap`. The range lies within the proven length.
    fn map_within(&self, offset: usize, len: usize) -> Result<SealedMap, Errno> {
        let region = self.map_sealed(offset, len, MapMode::SealedRead, MapMode::PrivateRead)?;
        // A sender can leave the whole file a hole. Where the pool of huge pages is empty, as on
        // nearly every machine, touching it would kill. Huge pages that are present stay so.
        if region.is_on_huge_pages() {
            region.populate()?;
        }
        Ok(SealedMap { region })
    }

    /// Maps the whole content for reading and writing, copy-on-write: what is written stays in the
    /// map.
    ///
    /// The file never changes, nor does any other map of it. A page is copied when it is first
    /// written. To go back to the content, drop the map and make another one.
    ///
    /// ```
    /// use owned_memfd::SealedMemFd;
    ///
    /// let template = SealedMemFd::copy_from_slice(c"template", b"hello")?;
    /// let mut copy = template.map_copy()?;
    /// copy[0] = b'j';
    /// assert_eq!(&copy[..], b"jello");
    /// assert_eq!(&template.map()?[..], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`map`](Self::map), and:
    /// - `ENOMEM`: by strict overcommit, or too few huge pages, to copy every page.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "MAP_PRIVATE")]
    #[doc(alias = "cow")]
    #[doc(alias = "PROT_WRITE")]
    pub fn map_copy(&self) -> Result<CopyMap, Errno> {
        let region = Region::new(self.proof.source(), 0, self.len(), MapMode::CopyOnWrite)?;
        if region.is_on_huge_pages() {
            region.populate()?;
        }
        Ok(CopyMap { region })
    }

    /// Maps the whole content for reading and executing.
    ///
    /// Every page is made present, and the instruction caches of the CPUs are made to agree with
    /// the content, which not all CPUs do by themselves. The map is safe to have. Calling into
    /// it is not.
    ///
    /// ```no_run
    /// use owned_memfd::SealedMemFd;
    ///
    /// // For x86_64: mov eax, 42; ret
    /// const CODE: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3];
    /// let code = SealedMemFd::copy_from_slice(c"jit", CODE)?.map_exec()?;
    /// // SAFETY: a function of this type begins there.
    /// let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(code.as_ptr()) };
    /// assert_eq!(function(), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`map`](Self::map), and:
    /// - `EACCES`: a security module forbids it.
    /// - `EFAULT`, or before Linux 5.14 `ENOMEM`: a page cannot be allocated.
    /// - `EPERM`: the kernel mounts memory files so that nothing of them is executed.
    ///
    /// See [`mmap(2)`](https://man7.org/linux/man-pages/man2/mmap.2.html).
    #[doc(alias = "mmap")]
    #[doc(alias = "PROT_EXEC")]
    #[doc(alias = "jit")]
    #[doc(alias = "riscv_flush_icache")]
    #[doc(alias = "__clear_cache")]
    pub fn map_exec(&self) -> Result<ExecMap, Errno> {
        let region = self.map_sealed(0, self.len(), MapMode::SealedExec, MapMode::PrivateExec)?;
        region.populate()?;
        region.make_executable()?;
        Ok(ExecMap { region })
    }

    /// Maps a range, within the proven length, so that nobody can change what is seen there; else
    /// as `private` says.
    fn map_sealed(
        &self,
        offset: usize,
        len: usize,
        shared: MapMode,
        private: MapMode,
    ) -> Result<Region, Errno> {
        match Region::new(self.proof.source(), offset as u64, len, shared) {
            Ok(region) => Ok(region),
            Err(Errno::EPERM) => self.map_elsewhere(offset, len, shared, private),
            Err(errno) => Err(errno),
        }
    }

    /// Some kernels do not share a file that is sealed against writing with a descriptor that is
    /// open for writing. They do with one that is not.
    #[cold]
    fn map_elsewhere(
        &self,
        offset: usize,
        len: usize,
        shared: MapMode,
        private: MapMode,
    ) -> Result<Region, Errno> {
        let (offset, source) = (offset as u64, self.proof.source());
        if let Ok(file) = self.as_memfd().reopen_read_only() {
            let reopened = Source {
                fd: file.as_fd(),
                ..source
            };
            // It is the same file, and so has the seals. What is mapped is asked itself.
            if Proof::may_be_of(&file) {
                if let Ok(region) = Region::new(reopened, offset, len, shared) {
                    return Ok(region);
                }
            }
        }
        Region::new(source, offset, len, private)
    }

    /// Reads from `offset`, in bytes from the start, and returns how many bytes; 0 at the end.
    ///
    /// It neither uses nor moves the descriptor's offset, which a sender may share.
    ///
    /// # Errors
    /// - `EBADF`: the descriptor is open only for writing.
    /// - `EINTR`: a signal came before any byte was read.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    #[doc(alias = "pread")]
    pub fn read_at(&self, buffer: &mut [u8], offset: usize) -> Result<usize, Errno> {
        let Some(rest @ 1..) = self.len().checked_sub(offset) else {
            return Ok(0);
        };
        let most = rest.min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        self.as_memfd().read_at(buffer, offset as u64)
    }

    /// The seals on the file, which include those of the proof.
    ///
    /// # Errors
    /// None.
    ///
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    #[doc(alias = "F_GET_SEALS")]
    #[doc(alias = "fcntl")]
    pub fn seals(&self) -> Result<Seals, Errno> {
        self.as_memfd().seals()
    }

    /// Makes another descriptor of the same open file, close-on-exec, with the same proof.
    ///
    /// # Errors
    /// - `EMFILE`: the process has too many open files.
    ///
    /// See [`F_DUPFD_CLOEXEC(2const)`](https://man7.org/linux/man-pages/man2/F_DUPFD.2const.html).
    #[doc(alias = "dup")]
    #[doc(alias = "F_DUPFD_CLOEXEC")]
    #[doc(alias = "fcntl")]
    pub fn try_clone(&self) -> Result<Self, Errno> {
        self.proof.try_clone().map(Self::from_proof)
    }

    /// The path `/proc/self/fd/N`, which names this descriptor in this process as long as it is
    /// open.
    ///
    /// [`OwnedMemFd::proc_path`] says for which threads.
    #[doc(alias = "/proc/self/fd")]
    #[must_use]
    pub fn proc_path(&self) -> NumberedPath {
        self.as_memfd().proc_path()
    }

    /// The memory file, for what can be done with it besides: its mode, its offset, close-on-exec.
    ///
    /// Nothing that is done with it touches the proven bytes.
    ///
    /// ```
    /// use owned_memfd::SealedMemFd;
    ///
    /// let sealed = SealedMemFd::copy_from_slice(c"greeting", b"hello")?;
    /// assert!(sealed.as_memfd().close_on_exec()?);
    /// assert!(sealed.as_memfd().write_all_at(b"j", 0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn as_memfd(&self) -> &OwnedMemFd {
        self.proof.file()
    }

    /// The memory file, if nothing of it is beyond what was proven, for what hands the file itself
    /// to the kernel.
    pub(crate) fn whole_file(&self) -> Result<Option<&OwnedMemFd>, Errno> {
        self.proof.whole_file()
    }

    /// Gives back the memory file, without the proof.
    #[must_use = "dropping it closes the file"]
    pub fn into_memfd(self) -> OwnedMemFd {
        self.proof.into_file()
    }
}

/// What no memory file is before it is sealed, so that the compiler says what to do.
///
/// The lifetime makes that a question at each call. Without one it would be an error here.
#[diagnostic::on_unimplemented(
    message = "a memory file that is not sealed cannot be mapped as `&[u8]`: its bytes could change",
    label = "seal it: `file.seal()?.map()?`",
    note = "for memory that others go on writing, call `map_shared` or `map_shared_mut`",
    note = "for a file from somebody else, `SealedMemFd::verify` shows that it is sealed"
)]
pub trait Proven<'file> {}

impl OwnedMemFd {
    /// [`SealedMemFd::map`] of a file that is not sealed: nobody can call this.
    #[doc(hidden)]
    #[allow(
        clippy::missing_errors_doc,
        clippy::unused_self,
        reason = "nobody can call it"
    )]
    pub fn map<'file>(&'file self) -> Result<SealedMap, Errno>
    where
        Self: Proven<'file>,
    {
        Err(Errno::EPERM)
    }
}

impl From<SealedMemFd> for OwnedMemFd {
    /// The memory file, without the proof.
    fn from(sealed: SealedMemFd) -> Self {
        sealed.into_memfd()
    }
}

impl From<SealedMemFd> for OwnedFd {
    /// The descriptor, without the proof.
    fn from(sealed: SealedMemFd) -> Self {
        sealed.into_memfd().into()
    }
}

impl AsFd for SealedMemFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_memfd().as_fd()
    }
}

impl AsRawFd for SealedMemFd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_memfd().as_raw_fd()
    }
}

impl IntoRawFd for SealedMemFd {
    fn into_raw_fd(self) -> RawFd {
        self.into_memfd().into_raw_fd()
    }
}

impl fmt::Debug for SealedMemFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMemFd")
            .field("file", self.as_memfd())
            .field("len", &self.len())
            .finish()
    }
}

/// A borrowed memory file whose contents are proven immutable: its owner keeps the descriptor open
/// for `'fd`.
///
/// All methods of [`SealedMemFd`] that borrow it work on it. Dropping it closes nothing. A map
/// of it outlives both. Without the proof, it is a [`BorrowedMemFd`].
///
/// ```
/// use owned_memfd::{BorrowedSealedMemFd, SealedMemFd, fd::OwnedFd};
///
/// let fd = OwnedFd::from(SealedMemFd::copy_from_slice(c"greeting", b"hello")?);
/// let file = BorrowedSealedMemFd::verify(&fd, 1024)?;
/// assert_eq!(&file.map()?[..], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It does not outlive the descriptor:
///
/// ```compile_fail,E0505
/// use owned_memfd::{BorrowedSealedMemFd, SealedMemFd, fd::OwnedFd};
///
/// let fd = OwnedFd::from(SealedMemFd::copy_from_slice(c"greeting", b"hello").unwrap());
/// let file = BorrowedSealedMemFd::verify(&fd, 1024).unwrap();
/// drop(fd);
/// file.map().unwrap();
/// ```
///
/// nor does the reference to which it dereferences, which nobody can own:
///
/// ```compile_fail,E0505
/// use owned_memfd::{BorrowedSealedMemFd, SealedMemFd, fd::OwnedFd};
///
/// let fd = OwnedFd::from(SealedMemFd::copy_from_slice(c"greeting", b"hello").unwrap());
/// let file = BorrowedSealedMemFd::verify(&fd, 1024).unwrap();
/// let reference: &SealedMemFd = &file;
/// drop(fd);
/// reference.map().unwrap();
/// ```
///
/// ```compile_fail,E0507
/// use owned_memfd::{BorrowedSealedMemFd, SealedMemFd, fd::OwnedFd};
///
/// let fd = OwnedFd::from(SealedMemFd::copy_from_slice(c"greeting", b"hello").unwrap());
/// let file = BorrowedSealedMemFd::verify(&fd, 1024).unwrap();
/// let owned: SealedMemFd = *file;
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct BorrowedSealedMemFd<'fd> {
    proof: Proof<BorrowedMemFd<'fd>>,
}

impl<'fd> BorrowedSealedMemFd<'fd> {
    /// Verifies a descriptor that somebody lends: that its file is immutable and at most `max_len`
    /// bytes long. Adds no seal, and makes the calls of [`SealedMemFd::verify`].
    ///
    /// `fd` is asked once for its descriptor, and that one is judged and kept. What a later
    /// [`as_fd`](AsFd::as_fd) would return does not matter.
    ///
    /// # Errors
    /// As [`SealedMemFd::verify`].
    ///
    /// Since Linux 3.17.
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    #[doc(alias = "F_GET_SEALS")]
    #[doc(alias = "fcntl")]
    pub fn verify(fd: &'fd (impl AsFd + ?Sized), max_len: usize) -> Result<Self, VerifyErrorKind> {
        Self::verify_fd(fd.as_fd(), max_len)
    }

    /// Verifies a descriptor as [`verify`](Self::verify) does. What this returns lives as long as
    /// the descriptor is lent, not only as long as the `BorrowedFd` is borrowed.
    ///
    /// ```
    /// use owned_memfd::{BorrowedSealedMemFd, VerifyErrorKind, fd::BorrowedFd};
    ///
    /// fn first(fds: [BorrowedFd<'_>; 2]) -> Result<BorrowedSealedMemFd<'_>, VerifyErrorKind> {
    ///     BorrowedSealedMemFd::verify_fd(fds[0], 1024)
    /// }
    /// # let sealed = owned_memfd::SealedMemFd::copy_from_slice(c"first", b"hello")?;
    /// # use owned_memfd::fd::AsFd;
    /// # assert_eq!(first([sealed.as_fd(); 2])?.len(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`SealedMemFd::verify`].
    ///
    /// Since Linux 3.17.
    /// See [`F_GET_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_GET_SEALS.2const.html).
    #[doc(alias = "F_GET_SEALS")]
    #[doc(alias = "fcntl")]
    pub fn verify_fd(fd: BorrowedFd<'fd>, max_len: usize) -> Result<Self, VerifyErrorKind> {
        match Proof::of(BorrowedMemFd::from_fd_unchecked(fd), max_len) {
            Ok(proof) => Ok(Self { proof }),
            Err(error) => Err(error.kind()),
        }
    }
}

impl Deref for BorrowedSealedMemFd<'_> {
    type Target = SealedMemFd;

    fn deref(&self) -> &SealedMemFd {
        // SAFETY: both types are transparent, about a `Proof` in the layout of C. Its fields have
        // the same types but for the first one, and a `BorrowedMemFd` has the layout of the
        // `OwnedMemFd` to which it dereferences. The reference is shared, so that nobody can move
        // the owner out of it or drop it, and ends before `'fd` does.
        unsafe { &*ptr::from_ref(self).cast::<SealedMemFd>() }
    }
}

impl<'fd> From<&'fd SealedMemFd> for BorrowedSealedMemFd<'fd> {
    /// The same file, lent, with its proof. No call is made.
    fn from(sealed: &'fd SealedMemFd) -> Self {
        Self {
            proof: sealed.proof.borrowed(),
        }
    }
}

impl<'fd> TryFrom<BorrowedFd<'fd>> for BorrowedSealedMemFd<'fd> {
    type Error = VerifyErrorKind;

    /// As [`BorrowedSealedMemFd::verify`], without a limit of the caller's.
    fn try_from(fd: BorrowedFd<'fd>) -> Result<Self, VerifyErrorKind> {
        Self::verify_fd(fd, usize::MAX)
    }
}

impl<'fd> From<BorrowedSealedMemFd<'fd>> for BorrowedFd<'fd> {
    fn from(file: BorrowedSealedMemFd<'fd>) -> Self {
        BorrowedMemFd::from(file).into()
    }
}

impl<'fd> From<BorrowedSealedMemFd<'fd>> for BorrowedMemFd<'fd> {
    /// The memory file, without the proof.
    fn from(file: BorrowedSealedMemFd<'fd>) -> Self {
        *file.proof.file()
    }
}

impl AsFd for BorrowedSealedMemFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.proof.file().as_fd()
    }
}

impl AsRawFd for BorrowedSealedMemFd<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.proof.file().as_raw_fd()
    }
}

impl fmt::Debug for BorrowedSealedMemFd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BorrowedSealedMemFd")
            .field("file", self.as_memfd())
            .field("len", &self.len())
            .finish()
    }
}

/// A map of a sealed memory file: a `&[u8]` that nobody can change.
///
/// The mapping is shared with the file, so nothing that writes into a process's memory changes the
/// bytes either: no uprobe on the file, no `ptrace`, no `process_vm_writev`, no `/proc/self/mem`.
///
/// Some kernels, the last one Linux 6.12.8, refuse to share a sealed file with a descriptor that is
/// open for writing (`EPERM`). There, the file is opened again as by
/// [`OwnedMemFd::reopen_read_only`] and mapped through that descriptor. If that fails, as with
/// neither `/proc` nor `CAP_DAC_READ_SEARCH`, the mapping is private. Then a uprobe of root's, a
/// debugger, and whoever writes to `/proc/PID/mem`, this process itself included, can change
/// its copy of a page.
///
/// It outlives the [`SealedMemFd`], and is unmapped on drop. There is one exception. The kernel
/// merges maps of ranges that follow each other in the file and in memory. When one of them is
/// dropped from between two others, and the process has as many mappings as `vm.max_map_count`
/// allows, it stays mapped. Nothing refers to it any more.
///
/// No slice of it outlives the map:
///
/// ```compile_fail,E0505
/// let map = owned_memfd::SealedMemFd::copy_from_slice(c"text", b"text").unwrap().map().unwrap();
/// let bytes: &[u8] = &map;
/// drop(map);
/// assert_eq!(bytes, b"text");
/// ```
///
/// # `SIGBUS`
/// A hole is a part of the file that was never written. Its page is allocated when it is touched
/// first. That touch raises `SIGBUS` if memory has run out: by strict overcommit, or an empty pool
/// of huge pages. [`populate`](Self::populate) turns that into an error. A page whose memory has
/// failed raises `SIGBUS` too.
///
/// A control group's limit is no error and no `SIGBUS`: if the hole does not fit into `memory.max`,
/// the kernel kills a process of the group by `SIGKILL`, whether the hole is touched or populated.
/// A process that has such a limit can read a file that it received with [`SealedMemFd::read_at`],
/// which allocates nothing for a hole.
#[doc(alias = "Mmap")]
#[doc(alias = "munmap")]
pub struct SealedMap {
    region: Region,
}

impl SealedMap {
    /// Makes every page present now, so that no later touch has to allocate one.
    ///
    /// The holes that it fills count for this process's control group, as if they were touched:
    /// above the group's limit this does not return an error, but the kernel kills.
    /// [`SealedMemFd::read_at`] reads them without allocating. Where there is swap, a page may
    /// leave memory again.
    ///
    /// Before Linux 5.14 this locks a second mapping of the same pages for a moment, so that it
    /// undoes no lock of yours on this one. Where a map is private, it locks and unlocks this one:
    /// lock it after that, not before.
    ///
    /// # Errors
    /// - `EFAULT`: a page cannot be allocated.
    /// - `EHWPOISON`: the memory of a page has failed.
    /// - `ENOMEM`, `EPERM`, `EAGAIN`: before Linux 5.14: a page cannot be allocated, there is no
    ///   room for the second mapping, or it stays because of `vm.max_map_count`, or
    ///   `RLIMIT_MEMLOCK` is too small.
    ///
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_POPULATE_READ`.
    #[doc(alias = "MADV_POPULATE_READ")]
    #[doc(alias = "madvise")]
    #[doc(alias = "MAP_POPULATE")]
    #[doc(alias = "mlock")]
    #[doc(alias = "munlock")]
    pub fn populate(&self) -> Result<(), Errno> {
        self.region.populate()
    }

    /// Moves the file's pages into huge pages, which makes reading up to three times faster.
    ///
    /// The kernel does so for each 2 MiB of the file that begin at a multiple of 2 MiB and lie in
    /// the map; it is 32 or 512 MiB where pages have 16 or 64 KiB. It needs no setting and no pool,
    /// and everybody who maps the file gains. A file that this crate made has huge pages already,
    /// unless its maker declined.
    ///
    /// It fills holes, and they count for this process's control group: of a file that came from
    /// a sender who need not be trusted, that can be all of its [`len`](SealedMemFd::len). So
    /// nothing does this by itself.
    ///
    /// # Errors
    /// Nothing is lost: at worst some of the pages stay small. After `EAGAIN` and `EINVAL`, the
    /// others are huge.
    /// - `EAGAIN`: a page is in use. Try again.
    /// - `EBUSY`: the control group has no room for a huge page.
    /// - `EINVAL`: before Linux 6.1; no 2 MiB lie in the map; a whole huge page would be a hole;
    ///   the map could not begin where the kernel needs it; the file is on huge pages already; or
    ///   the kernel has no such pages. On Linux 6.1, also if no byte of some of these 2 MiB has
    ///   been accessed through this map.
    /// - `ENOMEM`: no huge page is free.
    ///
    /// Since Linux 6.1.
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_COLLAPSE`.
    #[doc(alias = "MADV_COLLAPSE")]
    #[doc(alias = "madvise")]
    pub fn collapse(&self) -> Result<(), Errno> {
        self.region.collapse()
    }
}

impl Deref for SealedMap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let start = self.region.start().as_ptr();
        // SAFETY: the region is mapped, and the file has every byte of it: the proof found
        // SHRINK and then a length, at most `isize::MAX`, within which both callers of
        // `map_within` stay.
        // Nobody can change the bytes, since the proof found WRITE: the kernel promises that.
        // They stay mapped as long as `self` is borrowed.
        unsafe { slice::from_raw_parts(start, self.region.len()) }
    }
}

impl AsRef<[u8]> for SealedMap {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for SealedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.region.show("SealedMap", f)
    }
}

/// A copy-on-write map of a sealed memory file: a `&mut [u8]` whose changes nobody else sees.
///
/// [`SealedMemFd::map_copy`] makes it, and it outlives the [`SealedMemFd`]. A forked child has a
/// copy of its own from then on.
///
/// As with all private memory of a process, whoever may write to its `/proc/PID/mem`, such as a
/// debugger, can change these bytes.
///
/// # `SIGBUS`
/// Touching a hole that has never been written, or writing a page, allocates memory. Reading a hole
/// raises `SIGBUS` if memory has run out. See [`SealedMap`]. Huge pages are reserved for this
/// process alone: in a forked child, writing one raises `SIGBUS` if the pool is empty.
#[doc(alias = "MmapMut")]
#[doc(alias = "cow")]
#[doc(alias = "munmap")]
pub struct CopyMap {
    region: Region,
}

impl CopyMap {
    /// Moves the file's pages into huge pages, except where this map has copies of its own. Best
    /// called before the first write. See [`SealedMap::collapse`].
    ///
    /// # Errors
    /// As [`SealedMap::collapse`], and `EINVAL` where a page was written.
    ///
    /// Since Linux 6.1.
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_COLLAPSE`.
    #[doc(alias = "MADV_COLLAPSE")]
    #[doc(alias = "madvise")]
    pub fn collapse(&self) -> Result<(), Errno> {
        self.region.collapse()
    }
}

impl Deref for CopyMap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let start = self.region.start().as_ptr();
        // SAFETY: as of a `SealedMap` for the pages that were not written. The others are this
        // map's own, and nobody writes them while `self` is borrowed.
        unsafe { slice::from_raw_parts(start, self.region.len()) }
    }
}

impl DerefMut for CopyMap {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.region.start().as_ptr();
        // SAFETY: as above; and the mapping is private, so that what is written through this
        // reference is seen by nobody else. `self` is borrowed alone.
        unsafe { slice::from_raw_parts_mut(start, self.region.len()) }
    }
}

impl AsRef<[u8]> for CopyMap {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for CopyMap {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for CopyMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.region.show("CopyMap", f)
    }
}

/// A map of a sealed memory file for executing: code that nobody can change.
///
/// [`SealedMemFd::map_exec`] makes it, and it outlives the [`SealedMemFd`]. What was said of
/// [`SealedMap`] about who can change the bytes is true here too.
///
/// To call a function, turn its address into a function pointer, which is `unsafe`. The pointer is
/// valid as long as the map lives: nothing else keeps the code mapped.
#[doc(alias = "jit")]
#[doc(alias = "munmap")]
pub struct ExecMap {
    region: Region,
}

impl ExecMap {
    /// Moves the file's pages into huge pages, which saves entries of the CPU's table for
    /// instructions. See [`SealedMap::collapse`].
    ///
    /// # Errors
    /// As [`SealedMap::collapse`].
    ///
    /// Since Linux 6.1.
    /// See [`madvise(2)`](https://man7.org/linux/man-pages/man2/madvise.2.html), under
    /// `MADV_COLLAPSE`.
    #[doc(alias = "MADV_COLLAPSE")]
    #[doc(alias = "madvise")]
    pub fn collapse(&self) -> Result<(), Errno> {
        self.region.collapse()
    }
}

impl Deref for ExecMap {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let start = self.region.start().as_ptr();
        // SAFETY: as of a `SealedMap`.
        unsafe { slice::from_raw_parts(start, self.region.len()) }
    }
}

impl AsRef<[u8]> for ExecMap {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for ExecMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.region.show("ExecMap", f)
    }
}
