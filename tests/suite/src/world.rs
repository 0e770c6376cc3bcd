//! What this machine can do, found out once by trying. A claim that needs something that is
//! missing is skipped, for one of the reasons below and for no other kind of reason.
//!
//! Every kernel can do much of this; only emulators of system calls cannot.

use crate::{
    children::{self, Child, Supervisor},
    kernel::{self, PAGE, READ, WRITE},
    raw::{self, Descriptors, Mapping, Response, Stores, Which},
};
use owned_memfd::{Errno, MemFdFlags, Seals, fd::AsFd};
use rustix::{
    fs::OFlags,
    mm::ProtFlags,
    mount::{MountPropagationFlags, UnmountFlags},
    process::Resource,
    thread::{Uid, UnshareFlags},
};

/// What this machine can do.
// Each field is a separate fact.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug)]
pub struct World {
    /// `/proc` shows this process.
    pub(crate) proc: bool,
    /// `/dev` has the usual devices.
    pub(crate) devices: bool,
    /// `/dev/shm` is a tmpfs in which files can be made.
    pub(crate) tmpfs: bool,
    /// `/dev/hugepages` is a hugetlbfs in which files can be made.
    pub(crate) hugetlbfs: bool,
    /// `vm.memfd_noexec` does not change how files are created.
    pub(crate) exec_is_free: bool,
    /// The flags and the seal about execution of Linux 6.3.
    pub(crate) exec_flags: bool,
    /// Memory files have access control lists.
    pub(crate) access_lists: bool,
    /// `F_SEAL_FUTURE_WRITE` of Linux 5.1.
    pub(crate) future_write: bool,
    /// `memfd_create` checks the flags first, and reads the name byte by byte.
    pub(crate) kernel_reads_names: bool,
    /// `madvise` has an effect.
    pub(crate) advice: bool,
    /// Small pages of a memory file can be made a huge one, also by those who can only read them.
    pub(crate) collapse: bool,
    /// `mremap` can make a second mapping of the same pages.
    pub(crate) duplicate_mappings: bool,
    /// Two processes can share a descriptor table.
    pub(crate) shared_descriptors: bool,
    /// A seccomp filter can decide the result of a system call.
    pub(crate) filters: bool,
    /// Another process can decide it.
    pub(crate) supervisors: bool,
    /// A process can stop its child at each system call.
    pub(crate) tracing: bool,
    /// This process may get mounts of its own.
    pub(crate) own_mounts: bool,
    /// In mounts of its own, it may also unmount what was mounted there before.
    pub(crate) unmounts: bool,
    /// This process may become another user.
    pub(crate) other_users: bool,
    /// This process may have more descriptors open than one message can carry.
    pub(crate) many_descriptors: bool,
    /// This process may get a pid namespace of its own, with its own `vm.memfd_noexec`.
    pub(crate) own_noexec: bool,
    /// Files can be opened by their handles.
    pub(crate) handles: bool,
    /// `openat` opens a descriptor's own file again by an empty path.
    pub(crate) empty_path: bool,
    /// Memory files on huge pages can be created and read.
    pub(crate) huge_pages: bool,
    /// `MADV_COLLAPSE` makes huge pages of ordinary memory files, and only it does.
    pub(crate) huge_by_collapse: bool,
    /// `/sys` lists the sizes of huge pages.
    pub(crate) huge_page_list: bool,
    /// How much memory is available, in bytes.
    pub(crate) free_memory: u64,
    /// This process may attach files to loop devices.
    pub(crate) loop_devices: bool,
    /// The kernel has modules.
    pub(crate) modules: bool,
    /// The kernel has `kexec_file_load`.
    pub(crate) kexec: bool,
    /// The machine exists only for the claims, which may change settings of the whole machine.
    pub(crate) machine: bool,
}

// The reasons for which claims are skipped.
pub(crate) const NO_PROC: &str = "/proc is not mounted";
pub(crate) const NO_DEVICES: &str = "/dev has no devices";
pub(crate) const NO_TERMINALS: &str = "/dev/ptmx is not there, or not for this process";
pub(crate) const NO_BLOCK_DEVICE: &str = "/dev/loop0 is not there, or not for this process";
pub(crate) const NO_PROCESS_DESCRIPTORS: &str = "no pidfd_open before Linux 5.3";
pub(crate) const NO_TMPFS: &str = "/dev/shm is no tmpfs in which files can be made";
pub(crate) const NO_HUGETLBFS: &str = "/dev/hugepages is no hugetlbfs in which files can be made";
pub(crate) const NOEXEC_SET: &str = "vm.memfd_noexec is set, which changes what creation does";
pub(crate) const NO_EXEC_FLAGS: &str = "no MFD_EXEC and MFD_NOEXEC_SEAL before Linux 6.3";
pub(crate) const NO_ACCESS_LISTS: &str = "no access control lists of memory files in this kernel";
pub(crate) const NO_FUTURE_WRITE: &str = "no F_SEAL_FUTURE_WRITE before Linux 5.1";
pub(crate) const NAMES_COPIED: &str = "the emulator copies the name before the kernel looks";
pub(crate) const NO_ADVICE: &str = "the emulator's madvise does nothing";
pub(crate) const NO_COLLAPSE: &str =
    "no MADV_COLLAPSE before Linux 6.1, or no huge pages to be had by it, or an emulator";
pub(crate) const NO_DUPLICATES: &str = "the emulator's mremap makes no second mapping";
pub(crate) const NO_SHARED_DESCRIPTORS: &str =
    "the emulator's processes cannot share descriptors without sharing memory";
pub(crate) const NO_FILTERS: &str = "no seccomp filters";
pub(crate) const NO_SUPERVISORS: &str = "no seccomp user notification";
pub(crate) const NO_TRACING: &str = "no process may trace another here";
pub const NO_OWN_MOUNTS: &str = "not privileged to have mounts of its own";
pub(crate) const NO_UNMOUNTS: &str = "not privileged to unmount /proc in mounts of its own";
pub(crate) const NO_OTHER_USERS: &str = "not privileged to become another user";
pub(crate) const FEW_DESCRIPTORS: &str = "not allowed 300 open descriptors (ulimit -n)";
pub(crate) const NO_OWN_NOEXEC: &str =
    "not privileged to set vm.memfd_noexec in a process namespace of its own, or no such setting";
pub(crate) const NO_WAY_WITHOUT_PROC: &str =
    "not privileged to open files by their handles, and no O_EMPTYPATH before Linux 7.2";
pub(crate) const NO_NEED_OF_PROC: &str = "nothing depends on /proc since Linux 7.2";
pub(crate) const NO_SAME_NUMBER: &str =
    "no file of a fresh tmpfs gets the number that a memory file has here";
pub(crate) const NO_LEASES: &str = "this process may not take leases on such files";
pub(crate) const NO_EMPTY_PATH: &str = "no O_EMPTYPATH before Linux 7.2";
pub(crate) const NO_SECRET_MEMORY: &str = "no memfd_secret in this kernel, or not for this process";
pub(crate) const NO_HUGE_PAGES: &str = "no huge pages in this kernel";
pub(crate) const NOT_HUGE_BY_COLLAPSE: &str =
    "no huge pages are mapped after MADV_COLLAPSE, or they are without it";
pub(crate) const NO_HUGE_PAGE_LIST: &str = "/sys/kernel/mm/hugepages is not there";
pub(crate) const NO_OWN_MACHINE: &str = "this machine is not the test's own";
pub(crate) const VECTORS_KEPT: &str = "this CPU's kernels keep every vector register";
pub(crate) const VECTORS_EMULATED: &str = "the emulator keeps every vector register";
pub(crate) const NO_VECTORS: &str = "built without vectors";
pub(crate) const LITTLE_MEMORY: &str = "less than 3 GiB of free memory";
pub(crate) const NO_MODULES: &str = "no modules in this kernel";
pub(crate) const NO_KEXEC: &str = "no kexec_file_load in this kernel";

pub(crate) const NOEXEC: &core::ffi::CStr = c"/proc/sys/vm/memfd_noexec";

impl World {
    /// The same, for a machine that exists only for the claims.
    #[must_use]
    pub fn of_own_machine(self) -> Self {
        Self {
            machine: true,
            ..self
        }
    }

    /// Whether a real kernel executes the system calls, and not an emulator. An emulator's
    /// `madvise` has no effect.
    pub(crate) fn is_of_a_kernel(&self) -> bool {
        self.advice
    }

    /// Whether a mapping can be kept out of children.
    #[must_use]
    pub fn keeps_from_children(&self) -> bool {
        self.advice
    }

    /// Tries everything.
    #[must_use]
    pub fn probe() -> Self {
        // This does not use the functions that the claims are about: a library that does not work
        // must not look like a machine that lacks something.
        let create = |flags: MemFdFlags| {
            let flags = flags | MemFdFlags::CLOEXEC;
            raw::memfd_create(c"probe".as_ptr().cast(), flags.bits() as usize)
        };
        let sealable = || create(MemFdFlags::ALLOW_SEALING);
        let file = sealable();
        Self {
            proc: file.as_ref().is_ok_and(|file| {
                kernel::reopen(file, OFlags::RDONLY)
                    .is_ok_and(|again| kernel::identity(&again) == kernel::identity(file))
            }),
            devices: kernel::open(c"/dev/zero", OFlags::RDONLY).is_ok(),
            tmpfs: kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR)
                .is_ok_and(|file| kernel::is_on_tmpfs(&file) == Ok(true)),
            hugetlbfs: kernel::open(c"/dev/hugepages", OFlags::TMPFILE | OFlags::RDWR)
                .is_ok_and(|file| kernel::is_on_hugetlbfs(&file) == Ok(true)),
            exec_is_free: create(MemFdFlags::empty())
                .is_ok_and(|file| kernel::mode(&file) == Ok(0o777)),
            exec_flags: create(MemFdFlags::NOEXEC_SEAL).is_ok(),
            access_lists: sealable().is_ok_and(|file| kernel::allow_execution(&file).is_ok()),
            future_write: sealable()
                .is_ok_and(|file| raw::add_seals(&file, Seals::FUTURE_WRITE.bits()).is_ok()),
            kernel_reads_names: raw::memfd_create(core::ptr::null(), 0x100).err()
                == Some(Errno::EINVAL),
            advice: Mapping::zeros(PAGE)
                .is_ok_and(|page| page.advise_nonsense() == Err(Errno::EINVAL)),
            collapse: works(|| collapses(READ | WRITE)) && works(|| collapses(READ)),
            duplicate_mappings: file.as_ref().is_ok_and(|file| {
                kernel::truncate(file, PAGE as u64).is_ok()
                    && Mapping::of(file, PAGE, Stores::Shared, READ | WRITE)
                        .and_then(|mapping| mapping.duplicate())
                        .is_ok()
            }),
            shared_descriptors: Child::start(Descriptors::Shared, || Ok(()))
                .is_ok_and(|child| child.finish(children::PATIENCE).is_ok()),
            filters: works(|| {
                ok!(raw::refuse(Which::All(sc::nr::GETPPID), Errno::EIO));
                Ok(())
            }),
            supervisors: works(|| {
                let responses = [Response::Error(Errno::EIO)];
                let supervisor = Supervisor::of(Which::All(sc::nr::FTRUNCATE), &responses)?;
                let file = ok!(sealable());
                refused!(kernel::truncate(&file, 1), Errno::EIO);
                ok!(kernel::truncate(&file, 1));
                same!(supervisor.calls(), 2);
                Ok(())
            }),
            tracing: works(|| {
                ok!(raw::allow_tracing());
                Ok(())
            }),
            own_mounts: works(get_own_mounts),
            unmounts: works(|| {
                get_own_mounts()?;
                ok!(rustix::mount::unmount("/proc", UnmountFlags::DETACH));
                Ok(())
            }),
            other_users: works(|| {
                // The one that claims become: it must not be this one already.
                let other = Uid::from_raw(65534);
                holds!(rustix::process::getuid() != other);
                ok!(rustix::thread::set_thread_uid(other));
                Ok(())
            }),
            many_descriptors: rustix::process::getrlimit(Resource::Nofile)
                .current
                .is_none_or(|limit| limit >= 300),
            own_noexec: works(|| {
                ok!(raw::unshare(UnshareFlags::NEWPID));
                children::apart(|| {
                    let now = ok!(kernel::read_number(NOEXEC));
                    ok!(kernel::write_number(NOEXEC, now));
                    Ok(())
                })
            }),
            handles: file.as_ref().is_ok_and(raw::may_open_by_handle),
            empty_path: file.as_ref().is_ok_and(raw::opens_by_empty_path),
            huge_pages: create(MemFdFlags::HUGETLB).is_ok(),
            huge_by_collapse: sealable().is_ok_and(|file| becomes_huge(&file)),
            huge_page_list: kernel::open(c"/sys/kernel/mm/hugepages", OFlags::DIRECTORY).is_ok(),
            free_memory: kernel::free_memory(),
            loop_devices: works(|| {
                let file = ok!(sealable());
                ok!(kernel::truncate(&file, 512));
                holds!(raw::attaches_loops(&file));
                Ok(())
            }),
            modules: raw::has_modules(),
            kexec: raw::has_kexec(),
            machine: false,
        }
    }
}

/// What the kernel can collapse into one huge page where its small ones have 4 KiB.
pub(crate) const EXTENT: usize = 2 << 20;

/// Whether the pages of a new file are small, and huge once they are collapsed.
fn becomes_huge(file: &impl AsFd) -> bool {
    let (huge, small) = (Ok(EXTENT), Ok(0));
    kernel::truncate(file, EXTENT as u64).is_ok()
        && kernel::huge_bytes(file, EXTENT) == small
        && Mapping::aligned(file, EXTENT, EXTENT, READ | WRITE)
            .and_then(|mapping| {
                // Linux 6.1 collapses nothing of which nothing is mapped.
                mapping.get(0);
                children::patiently(|| mapping.collapse())
            })
            .is_ok()
        && kernel::huge_bytes(file, EXTENT) == huge
}

/// Collapses a file of which one page is there.
fn collapses(allowed: ProtFlags) -> crate::Verdict {
    let file = ok!(kernel::holding(b"x"));
    ok!(kernel::truncate(&file, EXTENT as u64));
    if !allowed.contains(WRITE) {
        ok!(raw::add_seals(&file, Seals::WRITE.bits()));
    }
    let mapping = ok!(Mapping::aligned(&file, EXTENT, EXTENT, allowed));
    // Some kernels say no where nothing of the mapping has been touched.
    same!(mapping.get(0), b'x');
    ok!(children::patiently(|| mapping.collapse()));
    holds!(ok!(kernel::memory_of(&file)) >= EXTENT as u64);
    Ok(())
}

/// Gives this process mounts of its own.
fn get_own_mounts() -> crate::Verdict {
    ok!(raw::unshare(UnshareFlags::NEWNS));
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    ok!(rustix::mount::mount_change("/", private));
    Ok(())
}

/// Whether something works, tried in a process that ends afterwards.
fn works(body: impl FnOnce() -> crate::Verdict) -> bool {
    children::apart(body).is_ok()
}
