//! Descriptors of files that are not memory files. Each is shown to a claim in turn.

use crate::{Stop, Verdict, World, booting, claim::Text, kernel, raw, world};
use core::ffi::CStr;
use owned_memfd::{Errno, fd::OwnedFd};
use rustix::fs::{FileType, OFlags};

/// What a read can wait for without end and every kernel has: pipes, a socket, and files of the
/// kernel's own.
pub(crate) fn blocking_files(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    let (read_end, write_end) = ok!(kernel::pipe());
    show(read_end)?;
    show(write_end)?;
    let (socket, _other_end) = ok!(kernel::socket_pair());
    show(socket)?;
    show(ok!(kernel::event_counter()))?;
    show(ok!(kernel::event_set()))?;
    show(ok!(kernel::watch_list()))
}

/// A descriptor of a process.
pub(crate) fn process(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    match kernel::this_process() {
        Err(Errno::ENOSYS) => Err(Stop::Skipped(world::NO_PROCESS_DESCRIPTORS)),
        process => show(ok!(process)),
    }
}

/// A pipe with a name.
pub(crate) fn named_pipe(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    needs!(world.tmpfs, world::NO_TMPFS);
    let path = name_in(c"/dev/shm")?;
    ok!(kernel::named_pipe(path.path()));
    let pipe = kernel::open(path.path(), OFlags::RDWR);
    ok!(kernel::unlink(path.path()));
    show(ok!(pipe))
}

/// Character devices.
pub(crate) fn devices(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    needs!(world.devices, world::NO_DEVICES);
    for path in [c"/dev/null", c"/dev/zero"] {
        show(ok!(kernel::open(path, OFlags::RDWR)))?;
    }
    Ok(())
}

/// A character device that nothing can be read from yet.
pub(crate) fn terminal(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    let terminal = kernel::open(c"/dev/ptmx", OFlags::RDWR | OFlags::NOCTTY);
    needs!(terminal.is_ok(), world::NO_TERMINALS);
    show(ok!(terminal))
}

/// A machine of the suite's own gets one.
pub(crate) fn block_device(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    if world.machine {
        booting::loops(world)?;
    }
    let device = kernel::open(c"/dev/loop0", OFlags::RDONLY);
    needs!(device.is_ok(), world::NO_BLOCK_DEVICE);
    show(ok!(device))
}

pub(crate) fn directory(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    show(ok!(kernel::open(c"/", OFlags::RDONLY | OFlags::DIRECTORY)))
}

pub(crate) fn is_directory(fd: &OwnedFd) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(kernel::stat(fd)?.st_mode) == FileType::Directory)
}

/// Files of other file systems, and a directory.
pub(crate) fn ordinary_files(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    show(ok!(kernel::program()))?;
    for path in [c"/proc/version", c"/proc/self/fd"] {
        show(ok!(kernel::open(path, OFlags::RDONLY)))?;
    }
    // A file that was deleted or never linked has no name, like a memory file, but is not one.
    if let Ok(file) = kernel::open(c"/tmp", OFlags::TMPFILE | OFlags::RDWR) {
        show(file)?;
    }
    Ok(())
}

/// Files and the directory of a tmpfs, mounted by somebody: the kernel returns seals for them, too.
pub(crate) fn files_of_a_tmpfs(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    needs!(world.tmpfs, world::NO_TMPFS);
    files_of_a_mount(c"/dev/shm", show)
}

/// The same for a hugetlbfs, whose files are on huge pages.
pub(crate) fn files_of_a_hugetlbfs(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    needs!(world.hugetlbfs, world::NO_HUGETLBFS);
    files_of_a_mount(c"/dev/hugepages", show)
}

fn files_of_a_mount(directory: &CStr, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    // The kernel returns a seal for it.
    let nameless = ok!(kernel::open(directory, OFlags::TMPFILE | OFlags::RDWR));
    same!(raw::seals(&nameless), Ok(1));
    same!(kernel::links(&nameless), Ok(0));
    show(nameless)?;

    let path = name_in(directory)?;
    let path = path.path();
    let named = ok!(kernel::open(
        path,
        OFlags::CREATE | OFlags::EXCL | OFlags::RDWR
    ));
    let deleted = ok!(kernel::dup(&named));
    let verdict = show(named);
    ok!(kernel::unlink(path));
    verdict?;
    same!(raw::seals(&deleted), Ok(1));
    show(deleted)?;
    show(ok!(kernel::open(directory, OFlags::RDONLY)))
}

/// A path that nobody else uses.
fn name_in(directory: &CStr) -> Result<Text, Stop> {
    Ok(Text::of(format_args!(
        "{}/owned-memfd-suite-{}\0",
        ok!(directory.to_str()),
        rustix::process::getpid().as_raw_nonzero()
    )))
}

/// `memfd_secret` memory, which has no seals.
pub(crate) fn secret_memory(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    match raw::memfd_secret() {
        Ok(fd) => show(fd),
        Err(Errno::ENOSYS | Errno::EPERM) => Err(Stop::Skipped(world::NO_SECRET_MEMORY)),
        Err(error) => fail!("memfd_secret fails with {error:?}"),
    }
}
