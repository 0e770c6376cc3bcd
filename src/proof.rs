//! The proof: judges a descriptor. Is it a memory file, what do its seals prove, how long may
//! it be, and can this kernel be believed?
//!
//! [`Proof`] is the only thing from which a `SealedMemFd` is made. Only [`Proof::of`] makes one of
//! a file, and [`Proof::try_clone`] one of another descriptor of the same open file. A proof owns
//! or borrows the descriptor that was asked, so that it is never about another one.
#![forbid(unsafe_code)]

use crate::{
    errno::Errno,
    fd::{AsFd, BorrowedFd, OwnedFd},
    flags::{HugePageSize, MemFdFlags, Seals},
    memfd::{BorrowedMemFd, OwnedMemFd, SealError},
    region::{MapMode, Region, SMALLEST_PAGE, Source},
    sys,
};
use core::{
    fmt,
    ops::{Bound, RangeBounds},
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};
use linux_raw_sys::general as raw;

/// The seals without which bytes could change, or disappear under a mapping.
pub(crate) const PROOF_SEALS: Seals = Seals::WRITE.union(Seals::SHRINK);

/// A memory file, owned or borrowed, whose first `len` bytes are proven immutable.
///
/// With a `BorrowedMemFd` it has the same layout: `BorrowedSealedMemFd` relies on that.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Proof<F = OwnedMemFd> {
    file: F,
    // The size of its blocks, which tells a mapping about its pages.
    block: u32,
    len: usize,
}

impl<F: AsFd> Proof<F> {
    /// Proves that the content of `file` can no longer change, and that it has at most
    /// `max_len` bytes. Adds no seal.
    ///
    /// The order makes this a proof. Seals are never removed, so those that are read here stay.
    /// The length that is read after them can therefore not get smaller. And a mapping that is
    /// made later still shows what is there now.
    #[inline(always)]
    pub(crate) fn of(file: F, max_len: usize) -> Result<Self, VerifyError<F>> {
        Self::judged(file, max_len, explain_no_proof)
    }

    #[inline(always)]
    fn judged(
        file: F,
        max_len: usize,
        explain: impl FnOnce(BorrowedFd<'_>, Errno) -> VerifyErrorKind,
    ) -> Result<Self, VerifyError<F>> {
        match judge(file.as_fd(), max_len, explain) {
            Ok((len, block)) => Ok(Self { file, block, len }),
            Err(kind) => Err(VerifyError::of(file, kind)),
        }
    }
}

impl<F> Proof<F> {
    /// The file, of which nobody can change the first [`len`](Self::len) bytes.
    pub(crate) const fn file(&self) -> &F {
        &self.file
    }

    /// The length at which the content was proven, in bytes. At most `isize::MAX`.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl Proof {
    /// [`of`](Self::of) a memory file whose seals have just been added or read. If they cannot be
    /// read now, that says nothing about the file.
    #[inline(always)]
    pub(crate) fn of_sealed(file: OwnedMemFd) -> Result<Self, VerifyError<OwnedMemFd>> {
        Self::judged(file, usize::MAX, |_, errno| errno.into())
    }

    /// The same proof, of the descriptor that is lent.
    pub(crate) fn borrowed(&self) -> Proof<BorrowedMemFd<'_>> {
        Proof {
            file: (&self.file).into(),
            block: self.block,
            len: self.len,
        }
    }

    /// The proof of another descriptor of the same open file.
    pub(crate) fn try_clone(&self) -> Result<Self, Errno> {
        let file = self.file.try_clone()?;
        Ok(Self { file, ..*self })
    }

    /// Whether the file has the seals of a proof. That is not the proof: this does not ask whether
    /// the kernel can be believed about them.
    pub(crate) fn may_be_of(file: &OwnedMemFd) -> bool {
        file.seals().is_ok_and(|seals| seals.contains(PROOF_SEALS))
    }

    /// What is mapped of it: at most the proven bytes.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            fd: self.file.as_fd(),
            block: self.block,
            inode: 0,
        }
    }

    /// The file, if the proof is about all of it, and for good: it cannot grow and is as long as
    /// it was when it was proven.
    ///
    /// That is more than it takes to map the proven bytes. Who reads the file itself, as the
    /// kernel does when it executes one, reads it to its end, wherever that is by then.
    ///
    /// It is never said of huge pages: some kernels let a private mapping lengthen such a file,
    /// whatever seals it has.
    pub(crate) fn whole_file(&self) -> Result<Option<&OwnedMemFd>, Errno> {
        if sys::memfd::stat_fs(self.file.as_fd())?.magic == raw::HUGETLBFS_MAGIC {
            return Ok(None);
        }
        // The seal first: the length that is read after it is the last one.
        let is_fixed = self.file.seals()?.contains(Seals::GROW);
        let is_whole = is_fixed && self.file.len()? == self.len as u64;
        Ok(is_whole.then_some(&self.file))
    }

    /// The file without the proof.
    pub(crate) fn into_file(self) -> OwnedMemFd {
        self.file
    }
}

#[inline(always)]
fn judge(
    fd: BorrowedFd<'_>,
    max_len: usize,
    explain: impl FnOnce(BorrowedFd<'_>, Errno) -> VerifyErrorKind,
) -> Result<(usize, u32), VerifyErrorKind> {
    let seals = match sys::memfd::get_seals(fd) {
        Ok(seals) => Seals::from_bits_retain(seals),
        Err(errno) => return Err(explain(fd, errno)),
    };
    if seals & PROOF_SEALS.union(Seals::FUTURE_WRITE) != PROOF_SEALS {
        recheck_seals(seals)?;
    }
    let found = sys::memfd::stat(fd)?;
    let len = check_len(found.len, max_len)?;
    Ok((len, found.block))
}

/// Looks closely at seals that are not plainly the proof, and returns what is wrong with them,
/// if anything is.
// Never inlined, although there may be one caller only: the usual path would save registers for it.
#[cold]
#[inline(never)]
fn recheck_seals(seals: Seals) -> Result<(), VerifyErrorKind> {
    if !seals.contains(PROOF_SEALS) {
        return if seals.contains(Seals::FUTURE_WRITE) && !seals.contains(Seals::WRITE) {
            Err(VerifyErrorKind::FutureWriteOnly)
        } else {
            Err(VerifyErrorKind::MissingSeals(PROOF_SEALS.difference(seals)))
        };
    }
    // When a kernel with the bug sets EXEC on an executable file, it sets WRITE without looking
    // for writable mappings, and always FUTURE_WRITE too.
    if !seals.contains(Seals::EXEC) {
        return Ok(());
    }
    match has_cve_2026_63952() {
        Ok(false) => Ok(()),
        Ok(true) => Err(VerifyErrorKind::ForgeableSeals),
        Err(errno) => Err(VerifyErrorKind::ProbeFailed(errno)),
    }
}

/// Whether this kernel has CVE-2026-63952, with which the seals of a file can be forged.
///
/// This is found out by trying, with a memory file of its own. The process keeps the result, and
/// later calls make no system call. Verifying a file calls this if the file has both
/// [`Seals::EXEC`] and [`Seals::FUTURE_WRITE`], which few senders set. A process that is about to
/// enter a sandbox, where the calls are not allowed, calls it before:
///
/// ```
/// match owned_memfd::has_cve_2026_63952() {
///     // No file makes this process try it any more.
///     Ok(_) => {}
///     // Verifying such a file tries again. If the filter returns an error then, the file is
///     // rejected. If it kills, whoever sends such a file kills this process.
///     Err(errno) => eprintln!("not tried yet: {errno}"),
/// }
/// ```
///
/// The calls are `memfd_create`, `fstat`, `mmap`, `fcntl` with `F_ADD_SEALS`, `munmap` and `close`,
/// and `fsetxattr` where an executable file cannot be created.
///
/// # Errors
/// It could not be tried, and the next call tries again. Nothing follows from an error.
/// - `EINVAL`: the kernel does not know [`Seals::EXEC`], or a seccomp filter hides that.
/// - `EMFILE`, `ENFILE`: the process, or the machine, has too many open files.
/// - `ENOMEM`: no memory for a file or a mapping.
/// - `EOPNOTSUPP`: `vm.memfd_noexec` is 2, and the kernel is built without access control lists for
///   memory files.
/// - `EPERM`, `ENOSYS`, and whatever else a seccomp filter or a security module returns.
#[doc(alias = "CVE-2026-63952")]
pub fn has_cve_2026_63952() -> Result<bool, Errno> {
    const UNKNOWN: u8 = 0;
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;
    // Every attempt that writes this writes the same.
    static RESULT: AtomicU8 = AtomicU8::new(UNKNOWN);

    match RESULT.load(Relaxed) {
        UNKNOWN => {
            let is_present = probe_cve_2026_63952()?;
            RESULT.store(if is_present { PRESENT } else { ABSENT }, Relaxed);
            Ok(is_present)
        }
        known => Ok(known == PRESENT),
    }
}

/// Seals an executable file against writing while it is mapped for writing, in the only way in
/// which some kernels allow that. Returns whether this one does.
fn probe_cve_2026_63952() -> Result<bool, Errno> {
    let flags = MemFdFlags::CLOEXEC.union(MemFdFlags::ALLOW_SEALING);
    let create = |exec| OwnedMemFd::create(c"owned-memfd", flags.union(exec));
    let file = match create(MemFdFlags::EXEC) {
        // vm.memfd_noexec forbids executable files.
        Err(Errno::EACCES) => create(MemFdFlags::NOEXEC_SEAL),
        // A seccomp filter, or the kernel, does not know these flags.
        Err(Errno::EINVAL) => create(MemFdFlags::empty()),
        file => file,
    }?;
    // What is forbidden is only to create an executable file. An access control list makes one of
    // any file, even if its execute bits are sealed.
    if sys::memfd::stat(file.as_fd())?.mode & 0o111 == 0 {
        sys::memfd::set_acl(file.as_fd(), &EXECUTABLE)?;
    }
    // The file stays empty, since more may be above RLIMIT_FSIZE, which kills. The bug is about
    // the mapping.
    let source = Source {
        fd: file.as_fd(),
        block: SMALLEST_PAGE,
        inode: 0,
    };
    let _mapping = Region::new(source, 0, 1, MapMode::SharedWrite)?;
    match file.add_seals(Seals::EXEC) {
        Ok(()) => Ok(true),
        Err(Errno::EBUSY) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// An access control list that says what mode 0711 says, `linux/posix_acl_xattr.h`: the version,
/// and entries of a tag, permissions, and no user or group.
const EXECUTABLE: [u8; 28] = *b"\
    \x02\0\0\0\
    \x01\0\x07\0\xff\xff\xff\xff\
    \x04\0\x01\0\xff\xff\xff\xff\
    \x20\0\x01\0\xff\xff\xff\xff";

/// The longest that a file may be: `max_len`, but at most `isize::MAX`, which no slice exceeds.
#[inline(always)]
pub(crate) fn limit(max_len: usize) -> u64 {
    max_len.min(isize::MAX as usize) as u64
}

/// The length, if it is within the limit.
#[inline(always)]
pub(crate) fn check_len(len: u64, max_len: usize) -> Result<usize, VerifyErrorKind> {
    if len > limit(max_len) {
        let max_len = limit(max_len) as usize;
        return Err(VerifyErrorKind::TooLarge { len, max_len });
    }
    Ok(len as usize)
}

/// A file that keeps at least `len` bytes, since it cannot shrink.
pub(crate) struct Unshrinkable<'fd> {
    pub(crate) source: Source<'fd>,
    pub(crate) len: usize,
}

impl<'fd> Unshrinkable<'fd> {
    /// As in [`Proof::of`], the seals are read before the length.
    pub(crate) fn of(fd: BorrowedFd<'fd>) -> Result<Self, VerifyErrorKind> {
        let seals = sys::memfd::get_seals(fd).map_err(|errno| explain_no_seals(fd, errno))?;
        let seals = Seals::from_bits_retain(seals);
        if !seals.contains(Seals::SHRINK) {
            return Err(VerifyErrorKind::MissingSeals(Seals::SHRINK));
        }
        let found = sys::memfd::stat(fd)?;
        let len = check_len(found.len, usize::MAX)?;
        let source = Source {
            fd,
            block: found.block,
            inode: found.inode,
        };
        Ok(Self { source, len })
    }
}

/// The offset and the length of a range, if it lies within `len` bytes.
#[inline]
pub(crate) fn range_within(
    range: &impl RangeBounds<usize>,
    len: usize,
) -> Result<(usize, usize), MapError> {
    let start = match range.start_bound() {
        Bound::Unbounded => Some(0),
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&before) => before.checked_add(1),
    };
    let end = match range.end_bound() {
        Bound::Unbounded => Some(len),
        Bound::Included(&last) => last.checked_add(1),
        Bound::Excluded(&end) => Some(end),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= len => Ok((start, end - start)),
        (start, end) => {
            // A bound that no number has is beyond every file.
            let (start, end) = (start.unwrap_or(usize::MAX), end.unwrap_or(usize::MAX));
            Err(if start.max(end) > len {
                let bound = start.max(end);
                MapError::OutOfBounds { bound, len }
            } else {
                MapError::Reversed { start, end }
            })
        }
    }
}

/// Why a descriptor has no seals.
fn explain_no_seals(fd: BorrowedFd<'_>, errno: Errno) -> VerifyErrorKind {
    match errno {
        Errno::EINVAL => VerifyErrorKind::NotMemFd,
        Errno::EBADF
            if sys::memfd::get_status_flags(fd).is_ok_and(|flags| flags & raw::O_PATH != 0) =>
        {
            VerifyErrorKind::PathOnly
        }
        errno => errno.into(),
    }
}

/// Why a descriptor has no seals, and which kind of file could be copied instead.
#[cold]
fn explain_no_proof(fd: BorrowedFd<'_>, errno: Errno) -> VerifyErrorKind {
    match explain_no_seals(fd, errno) {
        VerifyErrorKind::NotMemFd => match sys::memfd::kind(fd) {
            Ok(raw::S_IFREG) => VerifyErrorKind::CanChange,
            Ok(kind) => not_regular(kind),
            Err(_) => VerifyErrorKind::NotMemFd,
        },
        kind => kind,
    }
}

/// What is wrong with a file that is of this kind (`S_IFIFO` and the like), and not a regular one.
pub(crate) const fn not_regular(kind: u32) -> VerifyErrorKind {
    match kind {
        // The kernel's own files, such as those of epoll, have no kind.
        0 | raw::S_IFIFO | raw::S_IFSOCK | raw::S_IFCHR => VerifyErrorKind::CanBlock,
        _ => VerifyErrorKind::NotRegular,
    }
}

/// Whether `fd` is a memory file: an inode on the mount that the kernel keeps for its own
/// shared memory, or one on huge pages.
///
/// That it has seals does not prove that: every file of a tmpfs has one. This makes good errors.
/// Nothing that must be sound depends on it.
fn check_memfd(fd: BorrowedFd<'_>) -> Result<(), VerifyErrorKind> {
    match sys::memfd::get_seals(fd).map(Seals::from_bits_retain) {
        Ok(Seals::SEAL) => {}
        // A file of a mounted file system has exactly that seal and can get no other.
        Ok(_) => return Ok(()),
        Err(errno) => return Err(explain_no_seals(fd, errno)),
    }
    // No other file system than these two has seals.
    let file_system = sys::memfd::stat_fs(fd)?;
    let pages = if file_system.magic == raw::HUGETLBFS_MAGIC {
        HugePageSize::from_bytes(file_system.block)
            .map_or(MemFdFlags::HUGETLB, MemFdFlags::huge_pages)
    } else {
        MemFdFlags::empty()
    };
    // The kernel keeps one mount for all memory files with pages of one size. A new file shows
    // which. NOEXEC_SEAL, if the kernel knows it, is allowed by every vm.memfd_noexec.
    let flags = pages | MemFdFlags::CLOEXEC;
    let fresh = match OwnedMemFd::create(c"owned-memfd", flags | MemFdFlags::NOEXEC_SEAL) {
        Err(Errno::EINVAL) => OwnedMemFd::create(c"owned-memfd", flags)?,
        result => result?,
    };
    if sys::memfd::stat(fresh.as_fd())?.device == sys::memfd::stat(fd)?.device {
        Ok(())
    } else {
        Err(VerifyErrorKind::NotMemFd)
    }
}

impl TryFrom<OwnedFd> for OwnedMemFd {
    type Error = VerifyError<OwnedFd>;

    /// Takes a descriptor if it is one of a memory file. For one that somebody lends, see
    /// [`BorrowedMemFd`].
    ///
    /// This says nothing about its seals, or about what others do with the file meanwhile. Shared
    /// anonymous memory and System V segments that were opened through `/proc/PID/map_files` pass
    /// too, since the kernel keeps them together with memory files. They can never be sealed.
    ///
    /// # Errors
    /// The descriptor comes back, open and unchanged. Closing it [can
    /// wait](crate::socket#closing-what-a-stranger-sent).
    /// - [`VerifyErrorKind::NotMemFd`]: it is a pipe, socket, directory, device, an ordinary
    ///   file, or a file of a tmpfs, which has a seal too.
    /// - [`VerifyErrorKind::PathOnly`]: it is open with `O_PATH`.
    /// - [`VerifyErrorKind::Kernel`]: a call failed with this error. A file that has
    ///   [`Seals::SEAL`] and no other seal is compared with one that is created for that. So
    ///   `EMFILE` (the process has too many open files) and `EPERM` (a seccomp filter) mean that it
    ///   cannot be told.
    fn try_from(fd: OwnedFd) -> Result<Self, VerifyError<OwnedFd>> {
        match check_memfd(fd.as_fd()) {
            Ok(()) => Ok(Self::from_fd_unchecked(fd)),
            Err(kind) => Err(VerifyError::of(fd, kind)),
        }
    }
}

impl<'fd> TryFrom<BorrowedFd<'fd>> for BorrowedMemFd<'fd> {
    type Error = VerifyErrorKind;

    /// Borrows a descriptor if it is one of a memory file, as
    /// [`OwnedMemFd`](OwnedMemFd#impl-TryFrom<OwnedFd>-for-OwnedMemFd) takes one.
    ///
    /// # Errors
    /// - [`VerifyErrorKind::NotMemFd`]: it is a pipe, socket, directory, device, an ordinary
    ///   file, or a file of a tmpfs, which has a seal too.
    /// - [`VerifyErrorKind::PathOnly`]: it is open with `O_PATH`.
    /// - [`VerifyErrorKind::Kernel`]: a call failed with this error.
    fn try_from(fd: BorrowedFd<'fd>) -> Result<Self, VerifyErrorKind> {
        check_memfd(fd)?;
        Ok(Self::from_fd_unchecked(fd))
    }
}

/// A descriptor that was rejected, still open, and why it was.
///
/// Dropping it closes the descriptor, which [can
/// wait](crate::socket#closing-what-a-stranger-sent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "dropping this closes the descriptor that it gives back"]
pub struct VerifyError<T> {
    value: T,
    kind: VerifyErrorKind,
}

impl<T> VerifyError<T> {
    #[inline]
    pub(crate) const fn of(value: T, kind: VerifyErrorKind) -> Self {
        Self { value, kind }
    }

    /// Why it was rejected.
    #[must_use]
    pub const fn kind(&self) -> VerifyErrorKind {
        self.kind
    }

    /// The value that was handed in.
    pub const fn get_ref(&self) -> &T {
        &self.value
    }

    /// Gives back the value that was handed in.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The same error, with what `convert` makes of the value.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> VerifyError<U> {
        VerifyError::of(convert(self.value), self.kind)
    }
}

impl<T> fmt::Display for VerifyError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<T: fmt::Debug> core::error::Error for VerifyError<T> {}

impl<T> From<VerifyError<T>> for Errno {
    /// The errno of the [`VerifyErrorKind`]. The value is dropped.
    fn from(error: VerifyError<T>) -> Self {
        error.kind.into()
    }
}

/// Why a descriptor was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
// Of whole words. What begins in the middle of one is moved by a call of `memcpy` on riscv64,
// which a program without libc need not have.
#[repr(u64)]
pub enum VerifyErrorKind {
    /// The kernel returned this error: one that the method lists, or one of a seccomp filter's,
    /// which may refuse any call.
    Kernel(Errno),
    /// It is not a memory file. Verifying says this only where the kernel does not tell what else
    /// it is; otherwise see [`CanChange`](Self::CanChange), [`CanBlock`](Self::CanBlock) and
    /// [`NotRegular`](Self::NotRegular).
    NotMemFd,
    /// It is a directory or a block device, and so neither a memory file nor one to copy.
    NotRegular,
    /// It is a regular file that has no seals, as on a disk or in `/proc`. It can change, and no
    /// seal can prevent that. [`verify_or_copy`](crate::SealedMemFd::verify_or_copy) copies it. A
    /// file of a tmpfs has seals, but never those of a proof: that is
    /// [`MissingSeals`](Self::MissingSeals).
    CanChange,
    /// It is a pipe, a socket, a terminal or another character device, or one of the kernel's own
    /// files, such as those of `eventfd` and `epoll`. Reading it can wait for ever, so it is never
    /// copied.
    CanBlock,
    /// It is open with `O_PATH`, which allows no operation on the file itself.
    PathOnly,
    /// It is open only for writing, and so cannot be copied.
    WriteOnly,
    /// It lacks these seals: without [`Seals::WRITE`] its content could change, and without
    /// [`Seals::SHRINK`] it could get shorter. The sender may
    /// still add them. [`verify_or_copy`](crate::SealedMemFd::verify_or_copy) copies such a file.
    MissingSeals(Seals),
    /// It has [`Seals::FUTURE_WRITE`] instead of [`Seals::WRITE`]: older mappings can still
    /// write.
    FutureWriteOnly,
    /// It has both [`Seals::EXEC`] and [`Seals::FUTURE_WRITE`]. Kernels with CVE-2026-63952 set
    /// both together with a [`Seals::WRITE`] that does not hold, and this kernel is one of them. No
    /// seal that is added makes up for that: copy the content into a new file, as
    /// [`verify_or_copy`](crate::SealedMemFd::verify_or_copy) does.
    ForgeableSeals,
    /// It has both [`Seals::EXEC`] and [`Seals::FUTURE_WRITE`], and whether this kernel has
    /// CVE-2026-63952 could not be tried, for this reason. If that goes away, try again.
    /// [`has_cve_2026_63952`] can be called beforehand.
    ProbeFailed(Errno),
    /// It could not be sealed, for this reason.
    Seal(SealError),
    /// It is longer than the caller's limit, or than `isize::MAX`, which no slice exceeds.
    TooLarge {
        /// The length of the file, in bytes.
        len: u64,
        /// The limit, in bytes.
        max_len: usize,
    },
    /// It does not have the length that [`require_len`](crate::SealedMemFd::require_len) demands.
    WrongLen {
        /// The length at which the content was proven, in bytes.
        len: usize,
        /// The length that was demanded, in bytes.
        required: usize,
    },
}

impl fmt::Display for VerifyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(errno) => errno.fmt(f),
            Self::NotMemFd => f.write_str("the descriptor is not that of a memory file"),
            Self::NotRegular => {
                f.write_str("the file is a directory or a block device, not a regular file")
            }
            Self::CanChange => f.write_str(
                "the descriptor is that of a regular file, not of a memory file: \
                 no seal can keep it from changing",
            ),
            Self::CanBlock => f.write_str(
                "the file is a pipe, a socket, a device or the like, \
                 from which a read can wait for ever",
            ),
            Self::PathOnly => f.write_str("the descriptor is open with O_PATH"),
            Self::WriteOnly => f.write_str("the descriptor is not open for reading"),
            Self::MissingSeals(seals) => {
                let what = match (seals.contains(Seals::WRITE), seals.contains(Seals::SHRINK)) {
                    (false, _) => "it could get shorter",
                    (_, false) => "its content could change",
                    _ => "its content could change or disappear",
                };
                write!(
                    f,
                    "the file is not sealed with {seals}, without which {what}"
                )
            }
            Self::FutureWriteOnly => f.write_str(
                "the file is sealed with F_SEAL_FUTURE_WRITE, but not with F_SEAL_WRITE: \
                 older mappings can still write",
            ),
            Self::ForgeableSeals => f.write_str(
                "the file is sealed with F_SEAL_EXEC and F_SEAL_FUTURE_WRITE, \
                 which CVE-2026-63952 forges, and this kernel has it",
            ),
            Self::ProbeFailed(errno) => write!(
                f,
                "cannot tell whether this kernel has CVE-2026-63952, \
                 which forges these seals: {errno}"
            ),
            Self::Seal(cause) => write!(f, "the file cannot be sealed: {cause}"),
            Self::TooLarge { len, max_len } => write!(
                f,
                "the file is {len} bytes long, more than the {max_len} that are allowed"
            ),
            Self::WrongLen { len, required } => {
                write!(f, "the file is {len} bytes long, and must be {required}")
            }
        }
    }
}

impl core::error::Error for VerifyErrorKind {}

impl From<Errno> for VerifyErrorKind {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<SealError> for VerifyErrorKind {
    fn from(cause: SealError) -> Self {
        match cause {
            SealError::Kernel(errno) => Self::Kernel(errno),
            SealError::NotMemFd => Self::NotMemFd,
            cause => Self::Seal(cause),
        }
    }
}

impl From<VerifyErrorKind> for Errno {
    /// The kernel's error, also for `ProbeFailed` and `Seal`. `PathOnly` and `WriteOnly` are
    /// `EBADF`, `TooLarge` is `EFBIG`, those about seals are `EPERM`, and the others `EINVAL`.
    fn from(kind: VerifyErrorKind) -> Self {
        match kind {
            VerifyErrorKind::Kernel(errno) | VerifyErrorKind::ProbeFailed(errno) => errno,
            VerifyErrorKind::Seal(cause) => cause.into(),
            VerifyErrorKind::NotMemFd
            | VerifyErrorKind::NotRegular
            | VerifyErrorKind::CanChange
            | VerifyErrorKind::CanBlock
            | VerifyErrorKind::WrongLen { .. } => Self::EINVAL,
            VerifyErrorKind::PathOnly | VerifyErrorKind::WriteOnly => Self::EBADF,
            VerifyErrorKind::MissingSeals(_)
            | VerifyErrorKind::FutureWriteOnly
            | VerifyErrorKind::ForgeableSeals => Self::EPERM,
            VerifyErrorKind::TooLarge { .. } => Self::EFBIG,
        }
    }
}

/// Why a range of a file was not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
// As `VerifyErrorKind`.
#[repr(u64)]
pub enum MapError {
    /// The range begins or ends after the file does.
    OutOfBounds {
        /// Where it does so: the larger one of its bounds, in bytes from the start of the file.
        bound: usize,
        /// The length of the file, in bytes.
        len: usize,
    },
    /// The range ends before its own start.
    Reversed {
        /// The start of the range, in bytes from the start of the file.
        start: usize,
        /// Its end.
        end: usize,
    },
    /// The map is one of another file.
    OtherFile,
    /// The file was rejected.
    Verify(VerifyErrorKind),
    /// The kernel returned this error.
    Kernel(Errno),
}

impl From<Errno> for MapError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<VerifyErrorKind> for MapError {
    fn from(kind: VerifyErrorKind) -> Self {
        match kind {
            VerifyErrorKind::Kernel(errno) => Self::Kernel(errno),
            kind => Self::Verify(kind),
        }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds { bound, len } => write!(
                f,
                "the range goes to byte {bound}, beyond the {len} bytes of the file"
            ),
            Self::Reversed { start, end } => write!(
                f,
                "the range ends at byte {end}, before it begins at byte {start}"
            ),
            Self::OtherFile => f.write_str("the map is one of another file"),
            Self::Verify(kind) => kind.fmt(f),
            Self::Kernel(errno) => errno.fmt(f),
        }
    }
}

impl core::error::Error for MapError {}

impl From<MapError> for Errno {
    /// The kernel's error, or that of `Verify`. The others are `EINVAL`.
    fn from(error: MapError) -> Self {
        match error {
            MapError::Kernel(errno) => errno,
            MapError::Verify(kind) => kind.into(),
            MapError::OutOfBounds { .. } | MapError::Reversed { .. } | MapError::OtherFile => {
                Self::EINVAL
            }
        }
    }
}
