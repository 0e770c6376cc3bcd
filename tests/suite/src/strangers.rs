//! Descriptors of files that are not memory files. Each is shown to a claim in turn.

use crate::{Stop, Verdict, World, claim::Text, kernel, raw, world};
use core::ffi::CStr;
use owned_memfd::{Errno, fd::OwnedFd};
use rustix::fs::OFlags;

/// What a read can wait for without end: pipes, a socket, character devices, and files of the
/// kernel's own.
pub(crate) fn blocking_files(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    let (read_end, write_end) = ok!(kernel::pipe());
    show(read_end)?;
    show(write_end)?;
    let (socket, _other_end) = ok!(kernel::socket_pair());
    show(socket)?;
    show(ok!(kernel::event_counter()))?;
    show(ok!(kernel::event_set()))?;
    show(ok!(kernel::watch_list()))?;
    // Not every kernel has these.
    if let Ok(process) = kernel::this_process() {
        show(process)?;
    }
    if world.tmpfs {
        let path = name_in(c"/dev/shm")?;
        ok!(kernel::named_pipe(path.path()));
        let pipe = kernel::open(path.path(), OFlags::RDWR);
        ok!(kernel::unlink(path.path()));
        show(ok!(pipe))?;
    }
    for path in [c"/dev/ptmx", c"/dev/tty", c"/dev/null", c"/dev/zero"] {
        match kernel::open(path, OFlags::RDWR | OFlags::NOCTTY) {
            Ok(device) => show(device)?,
            Err(error) => holds!(
                !world.devices || path != c"/dev/zero",
                "no /dev/zero: {error:?}"
            ),
        }
    }
    Ok(())
}

/// A directory and, where there is one, a block device.
pub(crate) fn no_bytes(show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    if let Ok(device) = kernel::open(c"/dev/loop0", OFlags::RDONLY) {
        show(device)?;
    }
    show(ok!(kernel::open(c"/", OFlags::RDONLY | OFlags::DIRECTORY)))
}

/// Files of other file systems.
pub(crate) fn ordinary_files(world: &World, show: impl Fn(OwnedFd) -> Verdict) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    show(ok!(kernel::program()))?;
    show(ok!(kernel::open(c"/proc/version", OFlags::RDONLY)))?;
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
    show(deleted)
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
