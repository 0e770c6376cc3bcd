//! What this kernel, or this emulator, does: found out by trying, and without the library, so that
//! one that does not work does not look like a kernel that lacks something.
#![allow(unsafe_code)]

use owned_memfd::{Errno, Seals};
use rustix::{
    fd::OwnedFd,
    fs::{MemfdFlags, Mode, OFlags, SealFlags},
    io::Errno as Error,
    mm::{self, MapFlags, ProtFlags},
};
use std::ptr;

/// The differences between the kernels that the model knows.
#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(crate) struct Behaviour {
    /// The size of a page, in bytes.
    pub(crate) page: usize,
    /// The seals that can be added.
    pub(crate) seals: Seals,
    /// The flags of creation about execution are known, since Linux 6.3.
    pub(crate) exec_flags: bool,
    /// A file can be created executable: `vm.memfd_noexec` is not 2.
    pub(crate) executable: bool,
    /// A file that is created without a flag about that is executable.
    pub(crate) plain_is_executable: bool,
    /// CVE-2026-63952: the seals that `EXEC` implies are set while the file is mapped for writing.
    pub(crate) forges: bool,
    /// A write is checked against the end of a file that cannot grow in pieces that end at
    /// multiples of this: a page, or as much as a huge page on kernels that write so much at once.
    pub(crate) piece: u64,
    /// A shared map for reading that is made after `FUTURE_WRITE` counts as one that could write.
    pub(crate) reader_counts: bool,
    /// The same of a file with `WRITE` is refused, through a descriptor that could write.
    pub(crate) no_shared_reader: bool,
    /// This process may open a file whatever its mode says.
    pub(crate) opens_everything: bool,
    /// What `MADV_COLLAPSE` of less than a huge page returns.
    pub(crate) collapse: Result<(), Errno>,
}

impl Behaviour {
    pub(crate) fn try_out() -> Self {
        let page = rustix::param::page_size();
        let exec_flags = create(MemfdFlags::EXEC) != Some(Error::INVAL);
        Self {
            page,
            seals: known_seals(),
            exec_flags,
            executable: create(MemfdFlags::EXEC) != Some(Error::ACCESS),
            plain_is_executable: mode(&new_file()) & 0o111 != 0,
            forges: exec_flags && forges(),
            piece: piece(page),
            reader_counts: reader_counts(),
            no_shared_reader: no_shared_reader(),
            opens_everything: opens_everything(),
            collapse: collapse(),
        }
    }
}

/// A file that can be sealed.
fn new_file() -> OwnedFd {
    rustix::fs::memfd_create(c"tried", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
        .expect("a memory file is created")
}

/// The error of creating a file with this flag.
fn create(flag: MemfdFlags) -> Option<Error> {
    rustix::fs::memfd_create(c"tried", MemfdFlags::CLOEXEC | flag).err()
}

fn mode(file: &OwnedFd) -> u32 {
    rustix::fs::fstat(file).expect("a file has a mode").st_mode
}

fn seal(file: &OwnedFd, seals: Seals) -> Result<(), Error> {
    rustix::fs::fcntl_add_seals(file, SealFlags::from_bits_retain(seals.bits()))
}

fn known_seals() -> Seals {
    Seals::KNOWN
        .iter()
        .filter(|&one| seal(&new_file(), one).is_ok())
        .collect()
}

/// Maps the first page of the file, and keeps it mapped while `then` runs.
fn with_map<T>(
    file: &OwnedFd,
    protection: ProtFlags,
    then: impl FnOnce(*mut core::ffi::c_void) -> T,
) -> Result<T, Error> {
    let len = rustix::param::page_size();
    // SAFETY: a new mapping replaces no other.
    let start = unsafe { mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0) }?;
    let result = then(start);
    // SAFETY: it was made above, and nothing refers into it.
    unsafe { mm::munmap(start, len) }?;
    Ok(result)
}

fn forges() -> bool {
    let file = new_file();
    rustix::fs::fchmod(&file, Mode::RWXU).expect("the mode is changed");
    let sealed = with_map(&file, ProtFlags::READ | ProtFlags::WRITE, |_| {
        seal(&file, Seals::EXEC)
    });
    sealed.expect("an empty file is mapped").is_ok()
}

fn piece(page: usize) -> u64 {
    const HUGE_PAGE: u64 = 2 << 20;

    let file = new_file();
    rustix::fs::ftruncate(&file, 2 * page as u64).expect("the length is set");
    seal(&file, Seals::GROW).expect("the seal is added");
    match rustix::io::pwrite(&file, &vec![1; 3 * page], 0) {
        Ok(_) => page as u64,
        Err(_) => HUGE_PAGE,
    }
}

fn reader_counts() -> bool {
    let file = new_file();
    if seal(&file, Seals::FUTURE_WRITE).is_err() {
        return true;
    }
    let sealed = with_map(&file, ProtFlags::READ, |_| seal(&file, Seals::WRITE));
    sealed.expect("the file is mapped for reading").is_err()
}

fn no_shared_reader() -> bool {
    let file = new_file();
    seal(&file, Seals::WRITE).expect("the seal is added");
    with_map(&file, ProtFlags::READ, |_| ()).is_err()
}

fn opens_everything() -> bool {
    use rustix::fd::AsRawFd;

    let file = new_file();
    rustix::fs::fchmod(&file, Mode::empty()).expect("the mode is changed");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

/// `MADV_COLLAPSE`, include/uapi/asm-generic/mman-common.h, which libc does not name for musl.
const MADV_COLLAPSE: libc::c_int = 25;

fn collapse() -> Result<(), Errno> {
    let file = new_file();
    let page = rustix::param::page_size();
    let advised = with_map(&file, ProtFlags::READ, |start| {
        // SAFETY: the advice changes no byte of the mapping, which has a page.
        match unsafe { libc::madvise(start, page, MADV_COLLAPSE) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    });
    advised.expect("an empty file is mapped").map_err(|error| {
        Errno::from_raw_os_error(error.raw_os_error().expect("the kernel returned it"))
    })
}
