//! Descriptors of files that are not memory files. Each is shown to a claim in turn.

use crate::{Stop, Verdict, World, claim::Text, kernel, raw, world};
use core::ffi::CStr;
use owned_memfd::{Errno, fd::OwnedFd};
use rustix::fs::OFlags;

/// Pipes, a socket, an event counter and a directory.
pub(crate) fn no_regular_files(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    let (read_end, write_end) = ok!(kernel::pipe());
    show(read_end)?;
    show(write_end)?;
    let (socket, _other_end) = ok!(kernel::socket_pair());
    show(socket)?;
    show(ok!(kernel::event_counter()))?;
    let root = ok!(kernel::open(c"/", OFlags::RDONLY | OFlags::DIRECTORY));
    show(root)
}

/// Files of other file systems.
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

/// Files of a tmpfs, mounted by somebody: the kernel returns seals for them, too.
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

    let path = Text::of(format_args!(
        "{}/owned-memfd-suite-{}\0",
        ok!(directory.to_str()),
        rustix::process::getpid().as_raw_nonzero()
    ));
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

/// Devices.
pub(crate) fn devices(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    needs!(world.devices, world::NO_DEVICES);
    for path in [c"/dev/null", c"/dev/zero"] {
        show(ok!(kernel::open(path, OFlags::RDWR)))?;
    }
    Ok(())
}

/// `memfd_secret` memory, which has no seals.
pub(crate) fn secret_memory(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    match raw::memfd_secret() {
        Ok(fd) => show(fd),
        Err(Errno::ENOSYS | Errno::EPERM) => Err(Stop::Skipped(world::NO_SECRET_MEMORY)),
        Err(error) => fail!("memfd_secret fails with {error:?}"),
    }
}
