//! Claims about opening a file again where a kernel, or what is mounted on `/proc`, leaves only one
//! way: it is this very file that is opened, or none.

use crate::{
    Verdict, World, children,
    claim::Text,
    kernel, parties,
    raw::{self, Which},
    world,
};
use owned_memfd::{Errno, OwnedMemFd, fd::AsRawFd};
use rustix::fs::{Mode, OFlags};

claims!(
    an_empty_path_is_enough,
    a_kernel_may_refuse_an_empty_path_in_either_way,
    a_path_through_what_is_no_directory_is_no_end,
    another_file_of_the_same_file_system_is_not_opened,
    a_file_with_the_same_number_is_not_opened,
);

/// Opening the file again opens this very file, for reading.
fn is_opened_again(file: &OwnedMemFd) -> Verdict {
    let reader = ok!(file.reopen_read_only());
    same!(kernel::identity(&reader), kernel::identity(file));
    let access = ok!(kernel::status_flags(&reader)) & OFlags::ACCMODE;
    same!(access, OFlags::RDONLY);
    Ok(())
}

/// The same, or it fails where the file may not be opened by its handle either.
fn is_opened_again_or_refused(world: &World, file: &OwnedMemFd) -> Verdict {
    if world.handles {
        return is_opened_again(file);
    }
    holds!(file.reopen_read_only().is_err());
    Ok(())
}

/// A kernel that can open a file by its empty path needs nothing else for it.
fn an_empty_path_is_enough(world: &World) -> Verdict {
    needs!(world.empty_path, world::NO_EMPTY_PATH);
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.filters, world::NO_FILTERS);
    ok!(parties::hide(c"/proc"));
    for number in [sc::nr::NAME_TO_HANDLE_AT, sc::nr::OPEN_BY_HANDLE_AT] {
        ok!(raw::refuse(Which::All(number), Errno::EPERM));
    }
    is_opened_again(&ok!(kernel::holding(b"0123")))
}

/// From now on this kernel does not open a file by its empty path.
fn refuse_empty_paths(error: Errno) -> Verdict {
    // O_EMPTYPATH, include/uapi/asm-generic/fcntl.h.
    let which = Which::WithBits(sc::nr::OPENAT, 2, 1 << 26);
    ok!(raw::refuse(which, error));
    Ok(())
}

fn a_kernel_may_refuse_an_empty_path_in_either_way(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.filters, world::NO_FILTERS);
    for error in [Errno::ENOENT, Errno::EINVAL] {
        children::apart(|| {
            refuse_empty_paths(error)?;
            is_opened_again(&ok!(kernel::holding(b"0123")))
        })?;
    }
    Ok(())
}

/// Covers `/proc` with an empty tmpfs, in which `/proc/real` is what was covered. If the kernel
/// opens a file by its empty path, it does not from now on.
fn with_false_proc(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    if world.empty_path {
        needs!(world.filters, world::NO_FILTERS);
        refuse_empty_paths(Errno::ENOENT)?;
    }
    ok!(rustix::process::chdir(c"/proc"));
    ok!(parties::hide(c"/proc"));
    ok!(rustix::fs::mkdir(c"/proc/real", Mode::RWXU));
    ok!(rustix::mount::mount_bind(c".", c"/proc/real"));
    Ok(())
}

/// The same, with a directory for descriptors under both of its names.
fn with_false_descriptors(world: &World) -> Verdict {
    with_false_proc(world)?;
    for directory in [c"/proc/self", c"/proc/self/fd"] {
        ok!(rustix::fs::mkdir(directory, Mode::RWXU));
    }
    ok!(rustix::fs::symlink(c"self", c"/proc/thread-self"));
    Ok(())
}

fn a_path_through_what_is_no_directory_is_no_end(world: &World) -> Verdict {
    with_false_proc(world)?;
    let file = ok!(kernel::holding(b"0123"));
    for path in [c"/proc/self", c"/proc/thread-self"] {
        drop(ok!(kernel::open(path, OFlags::CREATE | OFlags::RDWR)));
    }
    is_opened_again_or_refused(world, &file)
}

fn another_file_of_the_same_file_system_is_not_opened(world: &World) -> Verdict {
    with_false_descriptors(world)?;
    let (file, decoy) = (
        ok!(kernel::holding(b"0123")),
        ok!(kernel::holding(b"false")),
    );
    let target = Text::of(format_args!("/proc/real/self/fd/{}", decoy.as_raw_fd()));
    let path = Text::of(format_args!("/proc/self/fd/{}", file.as_raw_fd()));
    ok!(rustix::fs::symlink(target.as_str(), path.as_str()));
    let (ours, theirs) = (ok!(kernel::identity(&file)), ok!(kernel::identity(&decoy)));
    same!(ours.0, theirs.0);
    let found = ok!(kernel::reopen(&file, OFlags::RDONLY));
    same!(kernel::identity(&found), Ok(theirs));
    is_opened_again_or_refused(world, &file)
}

fn a_file_with_the_same_number_is_not_opened(world: &World) -> Verdict {
    // A tmpfs counts its files by itself. A file that is made and removed counts too.
    const MOST: u64 = 300_000;

    with_false_descriptors(world)?;
    let file = ok!(kernel::holding(b"0123"));
    let (device, wanted) = ok!(kernel::identity(&file));
    let next = || kernel::open(c"/proc", OFlags::TMPFILE | OFlags::RDWR);
    let (_, now) = ok!(kernel::identity(&ok!(next())));
    needs!(now < wanted && wanted - now < MOST, world::HIGH_NUMBERS);
    for _ in now + 1..wanted {
        drop(ok!(next()));
    }
    let flags = OFlags::CREATE | OFlags::RDWR;
    let decoy = ok!(kernel::open(&file.proc_path(), flags));
    let (other_device, number) = ok!(kernel::identity(&decoy));
    holds!(other_device != device);
    same!(number, wanted);
    is_opened_again_or_refused(world, &file)
}
