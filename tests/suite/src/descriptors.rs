//! Claims about getting another descriptor of a file, giving a descriptor away, and taking one
//! from elsewhere.

use crate::{
    Stop, Verdict, World,
    children::{self, Child, PATIENCE, Steps},
    claim::Text,
    kernel::{self, PAGE},
    parties,
    raw::{self, Descriptors, Mapping, Response, Which, number},
    strangers, world,
};
use core::ffi::CStr;
use owned_memfd::{
    BorrowedMemFd, Errno, HugePageSize, MemFdFlags, MemFdOptions, OwnedMemFd, SealError,
    SealedMemFd, Seals, SeekFrom, VerifyErrorKind,
    fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd},
};
use rustix::{
    fs::OFlags,
    mount::{MountPropagationFlags, UnmountFlags},
    process::Resource,
    thread::UnshareFlags,
};

pub(crate) const NO_SYSTEM_V: &str = "no System V segments in this kernel";
pub(crate) const NO_MAP_FILES: &str =
    "not privileged to open /proc/PID/map_files, or it is not there";

claims!(
    a_clone_is_another_number_of_the_same_open_file,
    a_clone_is_closed_on_exec_and_never_a_standard_stream,
    a_clone_in_a_full_table_is_emfile,
    a_file_opened_again_has_an_offset_of_its_own,
    a_file_opened_again_is_only_read,
    a_file_is_opened_again_in_a_full_table_with_emfile,
    a_file_is_opened_again_without_proc,
    a_file_is_opened_again_by_an_empty_path_alone,
    an_empty_path_may_be_refused_in_either_way,
    a_path_through_what_is_no_directory_is_not_the_last_way,
    a_false_proc_is_not_believed,
    a_false_proc_with_a_file_of_the_same_number_is_not_believed,
    what_stands_at_a_false_path_is_not_opened,
    a_path_that_changes_meanwhile_is_not_believed,
    a_file_is_opened_again_where_only_the_process_has_a_path,
    a_thread_with_descriptors_of_its_own_opens_its_own_file_again,
    a_file_that_is_opened_again_waits_as_others_do,
    a_file_with_a_lease_is_not_opened_again_and_is_not_waited_for,
    without_proc_and_privilege_opening_again_is_refused,
    the_mode_stops_others_from_opening_again,
    a_reader_whom_the_mode_does_not_stop_can_close_sealing,
    another_process_opens_the_file_by_its_number,
    a_number_becomes_a_duplicate,
    a_number_that_was_open_is_closed_first,
    its_own_number_only_stays_open_on_exec,
    a_number_that_cannot_be_is_refused,
    the_path_of_a_descriptor_leads_to_it,
    the_path_of_any_number_is_written_right,
    close_on_exec_is_what_was_set,
    closing_tells_what_the_kernel_says,
    a_memory_file_is_taken_from_elsewhere,
    a_memory_file_on_huge_pages_is_taken_from_elsewhere,
    a_file_received_over_a_socket_shares_the_offset,
    what_is_no_regular_file_is_not_taken,
    a_descriptor_of_a_process_is_not_taken,
    a_character_device_is_not_taken,
    a_block_device_is_not_taken,
    what_is_an_ordinary_file_is_not_taken,
    a_file_of_a_tmpfs_is_not_taken,
    a_file_of_a_hugetlbfs_is_not_taken,
    a_descriptor_without_access_is_not_taken,
    secret_memory_is_not_taken,
    shared_memory_without_a_descriptor_is_taken_and_never_sealed,
    the_descriptor_that_is_not_taken_is_handed_back,
    taking_a_descriptor_leaves_it_as_it_was,
    a_memory_file_is_borrowed_and_stays_its_owners,
    what_is_no_memory_file_is_not_borrowed,
    a_descriptor_of_a_process_is_not_borrowed,
    a_character_device_is_not_borrowed,
    a_block_device_is_not_borrowed,
    what_is_an_ordinary_file_is_not_borrowed,
    a_file_of_a_tmpfs_is_not_borrowed,
    a_kernel_that_answers_nothing_is_not_taken_for_a_yes,
    where_nothing_can_be_created_seals_are_the_proof,
);

fn a_clone_is_another_number_of_the_same_open_file(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::GROW));
    let clone = ok!(file.try_clone());
    holds!(clone.as_raw_fd() != file.as_raw_fd());
    same!(clone.len(), Ok(4));
    same!(clone.seals(), file.seals());
    // Both share one offset.
    same!(file.seek(SeekFrom::Start(2)), Ok(2));
    same!(clone.seek(SeekFrom::Current(0)), Ok(2));
    same!(clone.read(&mut [0]), Ok(1));
    same!(file.seek(SeekFrom::Current(0)), Ok(3));
    // The clone stays usable without the original.
    drop(file);
    ok!(clone.write_all_at(b"x", 0));
    Ok(())
}

fn a_clone_is_closed_on_exec_and_never_a_standard_stream(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.set_close_on_exec(false));
    same!(kernel::close_on_exec(&ok!(file.try_clone())), Ok(true));
    same!(kernel::close_on_exec(&file), Ok(false));
    children::apart(|| {
        for number in 0..3 {
            raw::close(number);
        }
        holds!(ok!(file.try_clone()).as_raw_fd() >= 3);
        Ok(())
    })
}

fn a_clone_in_a_full_table_is_emfile(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(kernel::fill_the_table());
    refused!(file.try_clone(), Errno::EMFILE);
    Ok(())
}

fn a_file_opened_again_has_an_offset_of_its_own(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    same!(file.seek(SeekFrom::Start(3)), Ok(3));
    has_an_offset_of_its_own(&file, &ok!(file.reopen_read_only()))
}

fn has_an_offset_of_its_own(file: &OwnedMemFd, reader: &OwnedMemFd) -> Verdict {
    let before = file.seek(SeekFrom::Current(0));
    same!(reader.seek(SeekFrom::Current(0)), Ok(0));
    let mut found = [0; 2];
    same!(reader.read(&mut found), Ok(2));
    same!(&found, b"01");
    same!(reader.seek(SeekFrom::Current(0)), Ok(2));
    same!(file.seek(SeekFrom::Current(0)), before);
    // It also reads what is written later.
    ok!(file.write_all_at(b"new", 2));
    same!(reader.read(&mut found), Ok(2));
    same!(&found, b"ne");
    Ok(())
}

fn a_file_opened_again_is_only_read(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let reader = ok!(file.reopen_read_only());
    is_only_read(&file, &reader)
}

fn is_only_read(file: &OwnedMemFd, reader: &OwnedMemFd) -> Verdict {
    same!(
        ok!(kernel::status_flags(reader)) & OFlags::ACCMODE,
        OFlags::RDONLY
    );
    same!(kernel::close_on_exec(reader), Ok(true));
    same!(kernel::identity(reader), kernel::identity(file));
    refused!(reader.write(b"x"), Errno::EBADF);
    refused!(reader.write_at(b"x", 0), Errno::EBADF);
    refused!(reader.set_len(0), Errno::EINVAL);
    refused!(reader.allocate(0, 1), Errno::EBADF);
    refused!(reader.punch_hole(0, 1), Errno::EBADF);
    refused!(reader.add_seals(Seals::WRITE), Errno::EPERM);
    same!(reader.len(), file.len());
    Ok(())
}

fn a_file_is_opened_again_in_a_full_table_with_emfile(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::sealable());
    ok!(kernel::fill_the_table());
    refused!(file.reopen_read_only(), Errno::EMFILE);
    Ok(())
}

/// Gives this process mounts of its own, so that it changes nobody else's.
fn with_own_mounts() -> Verdict {
    ok!(raw::unshare(UnshareFlags::NEWNS));
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    ok!(rustix::mount::mount_change("/", private));
    Ok(())
}

/// Makes `/proc` inaccessible, whatever is mounted on it and in it.
fn without_proc() -> Verdict {
    with_own_mounts()?;
    while kernel::open(c"/proc/self", OFlags::PATH).is_ok() {
        ok!(rustix::mount::unmount("/proc", UnmountFlags::DETACH));
    }
    Ok(())
}

fn a_file_is_opened_again_without_proc(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.unmounts, world::NO_UNMOUNTS);
    needs!(
        world.handles || world.empty_path,
        world::NO_WAY_WITHOUT_PROC
    );
    without_proc()?;
    let file = ok!(kernel::holding(b"0123"));
    refused!(kernel::reopen(&file, OFlags::RDONLY), Errno::ENOENT);
    let reader = ok!(file.reopen_read_only());
    has_an_offset_of_its_own(&file, &reader)?;
    is_only_read(&file, &reader)
}

/// From now on `openat` does not open a file again by its descriptor alone, as before Linux 7.2.
fn without_empty_path(world: &World) -> Verdict {
    if world.empty_path {
        needs!(world.filters, world::NO_FILTERS);
        let which = Which::WithBits(sc::nr::OPENAT, 2, raw::EMPTY_PATH);
        ok!(raw::refuse(which, Errno::ENOENT));
    }
    Ok(())
}

/// The file is not opened again by a path, and no other file is.
fn is_not_found(world: &World, file: &OwnedMemFd) -> Verdict {
    match file.reopen_read_only() {
        Ok(reader) => {
            holds!(world.handles);
            same!(kernel::identity(&reader), kernel::identity(file));
        }
        Err(error) => {
            holds!(!world.handles, "{error:?}");
            holds!(matches!(error, Errno::ENOENT | Errno::EPERM), "{error:?}");
        }
    }
    Ok(())
}

/// A kernel that can open a file by its empty path needs nothing else for it.
fn a_file_is_opened_again_by_an_empty_path_alone(world: &World) -> Verdict {
    needs!(world.empty_path, world::NO_EMPTY_PATH);
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.filters, world::NO_FILTERS);
    ok!(parties::hide(c"/proc"));
    for number in [sc::nr::NAME_TO_HANDLE_AT, sc::nr::OPEN_BY_HANDLE_AT] {
        ok!(raw::refuse(Which::All(number), Errno::EPERM));
    }
    is_opened_again(&ok!(kernel::holding(b"0123")))
}

fn an_empty_path_may_be_refused_in_either_way(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.filters, world::NO_FILTERS);
    for error in [Errno::ENOENT, Errno::EINVAL] {
        children::apart(|| {
            let which = Which::WithBits(sc::nr::OPENAT, 2, raw::EMPTY_PATH);
            ok!(raw::refuse(which, error));
            is_opened_again(&ok!(kernel::holding(b"0123")))
        })?;
    }
    Ok(())
}

fn a_path_through_what_is_no_directory_is_not_the_last_way(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    without_empty_path(world)?;
    ok!(parties::hide(c"/proc"));
    let file = ok!(kernel::holding(b"0123"));
    for path in [c"/proc/self", c"/proc/thread-self"] {
        drop(ok!(kernel::open(path, OFlags::CREATE | OFlags::RDWR)));
    }
    is_not_found(world, &file)
}

/// Opening the file again opens this very file, for reading.
fn is_opened_again(file: &OwnedMemFd) -> Verdict {
    let reader = ok!(file.reopen_read_only());
    same!(kernel::identity(&reader), kernel::identity(file));
    let access = ok!(kernel::status_flags(&reader)) & OFlags::ACCMODE;
    same!(access, OFlags::RDONLY);
    Ok(())
}

/// What stands at a path of the library's instead of the file.
#[derive(Clone, Copy, PartialEq)]
enum Decoy {
    File,
    /// Another memory file, which is on the same device.
    MemFd,
    /// A pipe that nobody writes: opening it waits for ever.
    Pipe,
}

/// In a `/proc` that is false.
fn put_decoy(path: &CStr, decoy: Decoy, other: &OwnedMemFd) -> Verdict {
    match decoy {
        Decoy::File => drop(ok!(kernel::open(path, OFlags::CREATE | OFlags::RDWR))),
        Decoy::MemFd => {
            let target = Text::of(format_args!("/proc/real/self/fd/{}\0", number(other)));
            ok!(kernel::link(target.path(), path));
        }
        Decoy::Pipe => ok!(kernel::named_pipe(path)),
    }
    Ok(())
}

const DECOYS: [Decoy; 3] = [Decoy::File, Decoy::MemFd, Decoy::Pipe];

fn a_false_proc_is_not_believed(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    without_empty_path(world)?;
    ok!(parties::falsify_proc());
    ok!(parties::false_directories(&["self", "thread-self"]));
    let file = ok!(kernel::holding(b"0123"));
    let other = ok!(kernel::holding(b"false"));
    for decoy in DECOYS {
        for path in &parties::paths_of(&file) {
            let path = path.path();
            put_decoy(path, decoy, &other)?;
            children::apart(|| is_not_found(world, &file))?;
            ok!(kernel::unlink(path));
        }
    }
    Ok(())
}

/// Only the devices differ.
fn a_false_proc_with_a_file_of_the_same_number_is_not_believed(world: &World) -> Verdict {
    const MOST: u64 = 20_000;

    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    without_empty_path(world)?;
    ok!(parties::hide(c"/proc"));
    ok!(parties::false_directories(&["self", "thread-self"]));
    // The false one numbers its files one after the other, from the first.
    let next = || {
        let file = kernel::open(c"/proc", OFlags::TMPFILE | OFlags::RDWR)?;
        kernel::identity(&file).map(|(_, number)| number + 1)
    };
    let mut file = ok!(kernel::holding(b"0123"));
    needs!(
        ok!(kernel::identity(&file)).1 <= MOST,
        world::NO_SAME_NUMBER
    );
    for _ in 0..MOST {
        let wanted = ok!(kernel::identity(&file)).1;
        let next = ok!(next());
        if next > wanted {
            file = ok!(kernel::holding(b"0123"));
        } else if next == wanted {
            let [one, other] = parties::paths_of(&file);
            put_decoy(one.path(), Decoy::File, &file)?;
            ok!(kernel::link(one.path(), other.path()));
            let decoy = ok!(kernel::open(other.path(), OFlags::RDONLY));
            same!(ok!(kernel::identity(&decoy)).1, wanted);
            return is_not_found(world, &file);
        }
    }
    Err(Stop::Skipped(world::NO_SAME_NUMBER))
}

fn what_stands_at_a_false_path_is_not_opened(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    without_empty_path(world)?;
    ok!(parties::hide(c"/proc"));
    ok!(parties::false_directories(&["self", "thread-self"]));
    let file = ok!(kernel::holding(b"0123"));
    // If a decoy is opened, this process gets a signal.
    let flags = OFlags::CREATE | OFlags::RDWR;
    let [one, other] = parties::paths_of(&file);
    let decoys = [
        ok!(kernel::open(one.path(), flags)),
        ok!(kernel::open(other.path(), flags)),
    ];
    for decoy in &decoys {
        needs!(raw::take_lease(decoy).is_ok(), world::NO_LEASES);
    }
    is_not_found(world, &file)
}

fn a_file_with_a_lease_is_not_opened_again_and_is_not_waited_for(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    // The descriptor that created a file does not count as one that writes, and so has no lease.
    let writer = ok!(kernel::reopen(&file, OFlags::RDWR));
    needs!(raw::take_lease(&writer).is_ok(), world::NO_LEASES);
    // It comes to whoever has the lease, and would end this process.
    ok!(raw::ignore(linux_raw_sys::general::SIGIO));
    refused!(file.reopen_read_only(), Errno::EAGAIN);
    ok!(raw::end_lease(&writer));
    ok!(file.reopen_read_only());
    Ok(())
}

/// Each path leads to the file when the library asks, and to another one when it opens the path.
fn a_path_that_changes_meanwhile_is_not_believed(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(kernel::holding(b"0123"));
    let other = ok!(kernel::holding(b"false"));
    for decoy in DECOYS {
        children::apart(|| {
            ok!(parties::falsify_proc());
            ok!(kernel::link(c"real/thread-self", c"/proc/thread-self"));
            ok!(kernel::link(c"real/self", c"/proc/self"));
            ok!(parties::false_directories(&["false"]));
            ok!(kernel::link(c"false", c"/proc/next"));
            let path = Text::of(format_args!("/proc/false/fd/{}\0", number(&file)));
            put_decoy(path.path(), decoy, &other)?;

            let held = ok!(raw::hold(Which::All(sc::nr::OPENAT)));
            let _child = ok!(Child::start(Descriptors::Copied, || {
                // Without the path that is empty.
                ok!(held.respond(|| Response::Error(Errno::ENOENT)));
                let mut renamed = Ok(());
                ok!(held.respond(|| {
                    renamed = kernel::rename(c"/proc/next", c"/proc/thread-self");
                    Response::LetThrough
                }));
                ok!(renamed);
                loop {
                    ok!(held.respond(|| Response::LetThrough));
                }
            }));
            is_not_found(world, &file)?;
            // It has been renamed.
            refused!(kernel::rename(c"/proc/next", c"/proc/self"), Errno::ENOENT);
            Ok(())
        })?;
    }
    Ok(())
}

fn a_file_is_opened_again_where_only_the_process_has_a_path(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let is_opened_again = || {
        without_empty_path(world)?;
        without_handles(world)?;
        let reader = ok!(file.reopen_read_only());
        is_only_read(&file, &reader)
    };
    ok!(parties::falsify_proc());
    ok!(kernel::link(c"real/self", c"/proc/self"));
    // A thread has no path of its own before Linux 3.17.
    children::apart(is_opened_again)?;
    ok!(parties::false_directories(&["thread-self"]));
    children::apart(is_opened_again)?;
    let [of_thread, _] = parties::paths_of(&file);
    put_decoy(of_thread.path(), Decoy::Pipe, &file)?;
    children::apart(is_opened_again)
}

/// From now on no file is opened by its handle, if that can be forbidden.
fn without_handles(world: &World) -> Verdict {
    if world.filters {
        let which = Which::All(sc::nr::OPEN_BY_HANDLE_AT);
        ok!(raw::refuse(which, Errno::EPERM));
    }
    Ok(())
}

fn a_thread_with_descriptors_of_its_own_opens_its_own_file_again(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    // What the first thread has under the same number.
    let place = ok!(kernel::holding(b"false"));
    ok!(raw::in_thread(|| {
        without_empty_path(world)?;
        without_handles(world)?;
        let own = ok!(parties::take_place(&file, &place));
        let reader = ok!(own.reopen_read_only());
        is_only_read(&own, &reader)?;
        same!(kernel::holds_exactly(&reader, b"0123"), Ok(true));
        // The path that others are given is the first thread's.
        let other = ok!(kernel::open(&own.proc_path(), OFlags::RDONLY));
        same!(kernel::holds_exactly(&other, b"false"), Ok(true));
        Ok(())
    }))
}

fn a_file_that_is_opened_again_waits_as_others_do(world: &World) -> Verdict {
    needs!(
        world.proc || world.handles || world.empty_path,
        world::NO_WAY_WITHOUT_PROC
    );
    let file = ok!(kernel::sealable());
    let reader = ok!(file.reopen_read_only());
    let flags = ok!(kernel::status_flags(&reader));
    holds!(!flags.contains(OFlags::NONBLOCK), "{flags:?}");
    // The flag is that descriptor's: the first one keeps what it has.
    ok!(kernel::set_status_flags(&file, OFlags::NONBLOCK));
    let reader = ok!(file.reopen_read_only());
    holds!(!ok!(kernel::status_flags(&reader)).contains(OFlags::NONBLOCK));
    holds!(ok!(kernel::status_flags(&file)).contains(OFlags::NONBLOCK));
    Ok(())
}

fn without_proc_and_privilege_opening_again_is_refused(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.unmounts, world::NO_UNMOUNTS);
    needs!(world.other_users, world::NO_OTHER_USERS);
    needs!(!world.empty_path, world::NO_NEED_OF_PROC);
    without_proc()?;
    let file = ok!(kernel::holding(b"0123"));
    ok!(rustix::thread::set_thread_uid(
        rustix::thread::Uid::from_raw(65534)
    ));
    refused!(file.reopen_read_only(), Errno::ENOENT | Errno::EPERM);
    // The file itself stays usable.
    ok!(file.write_all_at(b"x", 0));
    Ok(())
}

fn the_mode_stops_others_from_opening_again(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.other_users, world::NO_OTHER_USERS);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.set_mode(0o444));
    ok!(rustix::thread::set_thread_uid(
        rustix::thread::Uid::from_raw(65534)
    ));
    // A process that changed its user cannot read its own entries in `/proc` until it declares
    // itself dumpable.
    ok!(rustix::process::set_dumpable_behavior(
        rustix::process::DumpableBehavior::Dumpable
    ));
    ok!(file.reopen_read_only());
    refused!(kernel::reopen(&file, OFlags::RDWR), Errno::EACCES);
    // Only the owner can change the mode.
    refused!(file.set_mode(0o666), Errno::EPERM);
    Ok(())
}

/// The documentation warns of it.
fn a_reader_whom_the_mode_does_not_stop_can_close_sealing(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.other_users, world::NO_OTHER_USERS);
    let file = ok!(MemFdOptions::new().create(c"suite"));
    let reader = ok!(file.reopen_read_only());
    children::apart(|| {
        ok!(kernel::become_nobody());
        ok!(rustix::process::set_dumpable_behavior(
            rustix::process::DumpableBehavior::Dumpable
        ));
        refused!(reader.add_seals(Seals::SEAL), Errno::EPERM);
        let writer = ok!(kernel::reopen(&reader, OFlags::RDWR));
        ok!(raw::add_seals(&writer, Seals::SEAL.bits()));
        Ok(())
    })?;
    let error = match file.seal() {
        Err(error) => error,
        Ok(sealed) => fail!("{sealed:?}"),
    };
    same!(
        error.kind(),
        VerifyErrorKind::Seal(SealError::SealingClosed)
    );
    Ok(())
}

fn another_process_opens_the_file_by_its_number(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    same!(file.seek(SeekFrom::Start(4)), Ok(4));
    let mut room = [0; 16];
    let this_process = ok!(kernel::number_in_proc(&mut room));
    let path = Text::of(format_args!(
        "/proc/{this_process}/fd/{}\0",
        file.as_raw_fd()
    ));
    let steps = ok!(Steps::new());
    let mut child = ok!(Child::start(Descriptors::Copied, || {
        // The child must not use the descriptor that it inherited.
        raw::close(file.as_raw_fd());
        let path = path.path();
        let reader = ok!(kernel::open(path, OFlags::RDONLY));
        let mut found = [0; 8];
        same!(kernel::read(&reader, &mut found), Ok(4));
        same!(&found[..4], b"0123");
        steps.reach(1);
        steps.wait_for(2)?;
        // It reads on from its own offset, including what was written since.
        same!(kernel::read(&reader, &mut found), Ok(2));
        same!(&found[..2], b"45");
        refused!(kernel::write(&reader, b"x"), Errno::EBADF);
        Ok(())
    }));
    child.reaches(1, &steps)?;
    same!(file.seek(SeekFrom::Current(0)), Ok(4));
    ok!(file.write_all(b"45"));
    steps.reach(2);
    child.finish(PATIENCE)?;
    same!(file.seek(SeekFrom::Current(0)), Ok(6));
    Ok(())
}

/// A number that is open only to be passed to `duplicate_onto`.
fn a_number() -> Result<i32, Errno> {
    Ok(OwnedFd::from(kernel::sealable()?).into_raw_fd())
}

fn a_number_becomes_a_duplicate(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    let number = ok!(a_number());
    raw::close(number);
    ok!(raw::duplicate_onto(&file, number));
    let duplicate = raw::disguise(raw::take(number));
    same!(kernel::close_on_exec(&duplicate), Ok(false));
    same!(kernel::close_on_exec(&file), Ok(true));
    same!(file.seek(SeekFrom::Start(3)), Ok(3));
    same!(duplicate.seek(SeekFrom::Current(0)), Ok(3));
    same!(kernel::identity(&duplicate), kernel::identity(&file));
    Ok(())
}

fn a_number_that_was_open_is_closed_first(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let (read_end, write_end) = ok!(kernel::pipe());
    let number = write_end.into_raw_fd();
    ok!(raw::duplicate_onto(&file, number));
    // Replacing the number closed the pipe's writing end.
    same!(kernel::read(&read_end, &mut [0]), Ok(0));
    let duplicate = raw::take(number);
    same!(kernel::identity(&duplicate), kernel::identity(&file));
    // This is how a program gets its standard streams.
    children::apart(|| {
        ok!(raw::duplicate_onto(&file, 0));
        ok!(kernel::write(&raw::disguise(raw::take(0)), b"x"));
        same!(file.len(), Ok(1));
        Ok(())
    })
}

fn its_own_number_only_stays_open_on_exec(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    same!(kernel::close_on_exec(&file), Ok(true));
    for _ in 0..2 {
        ok!(raw::duplicate_onto(&file, file.as_raw_fd()));
        same!(kernel::close_on_exec(&file), Ok(false));
        same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    }
    Ok(())
}

fn a_number_that_cannot_be_is_refused(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    for number in [-1, i32::MIN, i32::MAX] {
        refused!(raw::duplicate_onto(&file, number), Errno::EBADF);
    }
    ok!(kernel::limit(Resource::Nofile, 50));
    refused!(raw::duplicate_onto(&file, 50), Errno::EBADF);
    ok!(raw::duplicate_onto(&file, 49));
    drop(raw::take(49));
    same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    Ok(())
}

fn the_path_of_a_descriptor_leads_to_it(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let again = ok!(kernel::open(&file.proc_path(), OFlags::RDONLY));
    same!(kernel::identity(&again), kernel::identity(&file));
    Ok(())
}

fn the_path_of_any_number_is_written_right(_: &World) -> Verdict {
    // Writing the path makes no system call, so any number will do, whether it is open or not.
    for number in [0, 1, 9, 10, 11, 99, 100, 1_234_567_890, i32::MAX] {
        let file = core::mem::ManuallyDrop::new(raw::disguise(raw::take(number)));
        let path = file.proc_path();
        let expected = Text::of(format_args!("/proc/self/fd/{number}"));
        same!(Text::of(path).as_str(), expected.as_str());
        same!(path.to_bytes(), expected.as_str().as_bytes());
        let text: &CStr = path.as_ref();
        same!(text, &*path);
        same!(
            Text::of(format_args!("{path:?}")).as_str(),
            Text::of(format_args!("{:?}", &*path)).as_str()
        );
    }
    Ok(())
}

fn close_on_exec_is_what_was_set(_: &World) -> Verdict {
    let file = ok!(OwnedMemFd::create(c"exec", MemFdFlags::empty()));
    same!(file.close_on_exec(), Ok(false));
    for yes in [true, true, false, false, true] {
        ok!(file.set_close_on_exec(yes));
        same!(file.close_on_exec(), Ok(yes));
        same!(kernel::close_on_exec(&file), Ok(yes));
    }
    // A duplicate has a flag of its own.
    let dup = raw::disguise(ok!(kernel::dup(&file)));
    same!(dup.close_on_exec(), Ok(false));
    same!(file.close_on_exec(), Ok(true));
    Ok(())
}

fn closing_tells_what_the_kernel_says(_: &World) -> Verdict {
    ok!(ok!(kernel::sealable()).close());
    children::apart(|| {
        let file = ok!(kernel::sealable());
        raw::close(file.as_raw_fd());
        refused!(file.close(), Errno::EBADF);
        Ok(())
    })
}

/// Converts a descriptor to a memory file, and fails with the reason if it is rejected.
fn taken(fd: OwnedFd) -> Result<OwnedMemFd, Stop> {
    match OwnedMemFd::try_from(fd) {
        Ok(file) => Ok(file),
        Err(refused) => fail!("refused: {:?}", refused.kind()),
    }
}

fn a_memory_file_is_taken_from_elsewhere(world: &World) -> Verdict {
    let flags = MemFdFlags::CLOEXEC;
    for flags in [flags, flags | MemFdFlags::ALLOW_SEALING] {
        let file = ok!(OwnedMemFd::create(c"elsewhere", flags));
        ok!(file.write_all(b"0123"));
        let dup = taken(ok!(kernel::dup(&file)))?;
        same!(dup.len(), Ok(4));
        if world.proc {
            for flags in [OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR] {
                let again = taken(ok!(kernel::reopen(&file, flags)))?;
                same!(again.len(), Ok(4));
            }
        }
        let number = file.as_raw_fd();
        same!(taken(file.into())?.as_raw_fd(), number);
    }
    // A completely sealed file and an empty one are accepted too.
    let sealed = ok!(kernel::sealable());
    ok!(sealed.add_seals(Seals::SEAL | Seals::WRITE | Seals::SHRINK | Seals::GROW));
    taken(sealed.into())?;
    taken(ok!(MemFdOptions::new().create("options")).into())?;
    Ok(())
}

fn a_memory_file_on_huge_pages_is_taken_from_elsewhere(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let mut sizes = 0;
    for power in 1..64 {
        let size = HugePageSize::from_bytes(1 << power).unwrap_or(HugePageSize::DEFAULT);
        let flags = MemFdFlags::huge_pages(size) | MemFdFlags::CLOEXEC;
        if let Ok(file) = OwnedMemFd::create(c"huge", flags) {
            taken(file.into())?;
            sizes += 1;
        }
    }
    holds!(sizes > 0);
    Ok(())
}

fn a_file_received_over_a_socket_shares_the_offset(_: &World) -> Verdict {
    let (one, other) = ok!(kernel::socket_pair());
    let file = ok!(kernel::holding(b"0123456789"));
    ok!(file.set_close_on_exec(false));
    ok!(kernel::send(&one, &file));
    let received = taken(ok!(kernel::receive(&other)))?;
    holds!(received.as_raw_fd() != file.as_raw_fd());
    same!(kernel::close_on_exec(&received), Ok(true));
    same!(file.seek(SeekFrom::Start(4)), Ok(4));
    same!(received.seek(SeekFrom::Current(0)), Ok(4));
    // Reading by position does not disturb the sender.
    let mut found = [0; 4];
    ok!(received.read_exact_at(&mut found, 1));
    same!(&found, b"1234");
    same!(file.seek(SeekFrom::Current(0)), Ok(4));
    same!(received.read(&mut found), Ok(4));
    same!(file.seek(SeekFrom::Current(0)), Ok(8));
    Ok(())
}

/// The descriptor is rejected for this reason, and the error returns it open and unchanged.
fn is_refused(fd: OwnedFd, reason: VerifyErrorKind) -> Verdict {
    let number = fd.as_raw_fd();
    let before = (kernel::status_flags(&fd), kernel::close_on_exec(&fd));
    match OwnedMemFd::try_from(fd) {
        Ok(file) => fail!("taken: {file:?}"),
        Err(refused) => {
            same!(refused.kind(), reason);
            let fd: OwnedFd = refused.into_inner();
            same!(fd.as_raw_fd(), number);
            holds!(raw::is_open(number));
            same!(
                (kernel::status_flags(&fd), kernel::close_on_exec(&fd)),
                before
            );
            drop(fd);
            holds!(!raw::is_open(number));
        }
    }
    Ok(())
}

fn what_is_no_regular_file_is_not_taken(_: &World) -> Verdict {
    strangers::directory(|fd| is_refused(fd, VerifyErrorKind::NotMemFd))?;
    strangers::blocking_files(|fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn a_descriptor_of_a_process_is_not_taken(_: &World) -> Verdict {
    strangers::process(|fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn a_character_device_is_not_taken(world: &World) -> Verdict {
    strangers::devices(world, |fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn a_block_device_is_not_taken(world: &World) -> Verdict {
    strangers::block_device(world, |fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn what_is_an_ordinary_file_is_not_taken(world: &World) -> Verdict {
    strangers::ordinary_files(world, |fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn a_file_of_a_tmpfs_is_not_taken(world: &World) -> Verdict {
    strangers::named_pipe(world, |fd| is_refused(fd, VerifyErrorKind::NotMemFd))?;
    strangers::files_of_a_tmpfs(world, |fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn a_file_of_a_hugetlbfs_is_not_taken(world: &World) -> Verdict {
    strangers::files_of_a_hugetlbfs(world, |fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn a_descriptor_without_access_is_not_taken(world: &World) -> Verdict {
    is_refused(
        ok!(kernel::open(c"/", OFlags::PATH)),
        VerifyErrorKind::PathOnly,
    )?;
    needs!(world.proc, world::NO_PROC);
    // This is so even for a memory file.
    let file = ok!(kernel::sealable());
    is_refused(
        ok!(kernel::reopen(&file, OFlags::PATH)),
        VerifyErrorKind::PathOnly,
    )
}

fn secret_memory_is_not_taken(_: &World) -> Verdict {
    strangers::secret_memory(|fd| is_refused(fd, VerifyErrorKind::NotMemFd))
}

fn shared_memory_without_a_descriptor_is_taken_and_never_sealed(_: &World) -> Verdict {
    for mapping in [Mapping::shared_zeros(PAGE), Mapping::system_v(PAGE)] {
        needs!(!matches!(mapping, Err(Errno::ENOSYS)), NO_SYSTEM_V);
        let mapping = ok!(mapping);
        let opened = kernel::open_mapped(&mapping);
        needs!(
            !matches!(opened, Err(Errno::EPERM | Errno::ENOENT)),
            NO_MAP_FILES
        );
        let file = taken(ok!(opened))?;
        ok!(file.write_all(b"x"));
        same!(mapping.get(0), b'x');
        same!(file.seals(), Ok(Seals::SEAL));
        for seal in [Seals::WRITE, Seals::SHRINK] {
            refused!(file.add_seals(seal), Errno::EPERM);
        }
        let Err(refused) = SealedMemFd::verify(file.into(), PAGE) else {
            fail!("proven");
        };
        let missing = VerifyErrorKind::MissingSeals(Seals::WRITE | Seals::SHRINK);
        same!(refused.kind(), missing);
    }
    Ok(())
}

fn the_descriptor_that_is_not_taken_is_handed_back(_: &World) -> Verdict {
    let (read_end, write_end) = ok!(kernel::pipe());
    let Err(refused) = OwnedMemFd::try_from(write_end) else {
        fail!("a pipe is taken");
    };
    // The error returns the pipe in working order.
    same!(kernel::write(refused.get_ref(), b"x"), Ok(1));
    same!(kernel::read(&read_end, &mut [0]), Ok(1));
    Ok(())
}

fn taking_a_descriptor_leaves_it_as_it_was(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123456789"));
    same!(file.seek(SeekFrom::Start(7)), Ok(7));
    ok!(file.set_close_on_exec(false));
    let file = taken(file.into())?;
    same!(file.seek(SeekFrom::Current(0)), Ok(7));
    same!(file.close_on_exec(), Ok(false));
    same!(kernel::holds_exactly(&file, b"0123456789"), Ok(true));
    Ok(())
}

fn a_memory_file_is_borrowed_and_stays_its_owners(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let number = file.as_raw_fd();
    let fd = OwnedFd::from(file);
    let borrowed = ok!(BorrowedMemFd::try_from(fd.as_fd()));
    let copy = borrowed;
    same!(borrowed.as_raw_fd(), number);
    ok!(copy.write_all(b"0123"));
    same!(borrowed.len(), Ok(4));
    // As a reference to the owner, for whatever takes one.
    let reference: &OwnedMemFd = &borrowed;
    same!(reference.as_raw_fd(), number);
    same!(kernel::holds_exactly(reference, b"0123"), Ok(true));
    let clone = ok!(reference.try_clone());
    holds!(clone.as_raw_fd() != number);
    // Neither a borrow nor its copy closes anything.
    let lent: BorrowedFd<'_> = borrowed.into();
    same!(lent.as_raw_fd(), number);
    same!(copy.as_fd().as_raw_fd(), number);
    holds!(raw::is_open(number));
    // From an owner, nothing is asked.
    let owner = raw::disguise(fd);
    let again = BorrowedMemFd::from(&owner);
    same!(again.as_raw_fd(), number);
    same!(again.len(), Ok(4));
    let said = Text::of(format_args!("{again:?}"));
    same!(
        said.as_str(),
        Text::of(format_args!("BorrowedMemFd {{ fd: {number} }}")).as_str()
    );
    same!(size_of::<Option<BorrowedMemFd<'_>>>(), 4);
    drop(owner);
    holds!(!raw::is_open(number));
    Ok(())
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "this is how strangers are shown"
)]
fn is_not_borrowed(fd: OwnedFd) -> Verdict {
    let number = fd.as_raw_fd();
    same!(
        BorrowedMemFd::try_from(fd.as_fd()).err(),
        Some(VerifyErrorKind::NotMemFd)
    );
    holds!(raw::is_open(number));
    Ok(())
}

fn what_is_no_memory_file_is_not_borrowed(_: &World) -> Verdict {
    strangers::blocking_files(is_not_borrowed)?;
    strangers::directory(is_not_borrowed)?;
    let path_only = ok!(kernel::open(c"/", OFlags::PATH));
    same!(
        BorrowedMemFd::try_from(path_only.as_fd()).err(),
        Some(VerifyErrorKind::PathOnly)
    );
    Ok(())
}

fn a_descriptor_of_a_process_is_not_borrowed(_: &World) -> Verdict {
    strangers::process(is_not_borrowed)
}

fn a_character_device_is_not_borrowed(world: &World) -> Verdict {
    strangers::devices(world, is_not_borrowed)
}

fn a_block_device_is_not_borrowed(world: &World) -> Verdict {
    strangers::block_device(world, is_not_borrowed)
}

fn what_is_an_ordinary_file_is_not_borrowed(world: &World) -> Verdict {
    strangers::ordinary_files(world, is_not_borrowed)
}

fn a_file_of_a_tmpfs_is_not_borrowed(world: &World) -> Verdict {
    strangers::named_pipe(world, is_not_borrowed)?;
    strangers::files_of_a_tmpfs(world, is_not_borrowed)
}

fn a_kernel_that_answers_nothing_is_not_taken_for_a_yes(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    // A file with the execute seal is a memory file for certain.
    needs!(world.exec_is_free, world::NOEXEC_SET);
    for number in [sc::nr::FCNTL, sc::nr::FSTAT, sc::nr::FSTATFS] {
        children::apart(|| {
            // This file has exactly the one seal that a tmpfs file has too.
            let file = ok!(OwnedMemFd::create(c"claim", MemFdFlags::empty()));
            let fd = OwnedFd::from(file);
            let number_of_fd = fd.as_raw_fd();
            ok!(raw::refuse(Which::All(number), Errno::EIO));
            let Err(refused) = OwnedMemFd::try_from(fd) else {
                fail!("taken without a look");
            };
            same!(refused.kind(), VerifyErrorKind::Kernel(Errno::EIO));
            same!(refused.get_ref().as_raw_fd(), number_of_fd);
            Ok(())
        })?;
    }
    Ok(())
}

fn where_nothing_can_be_created_seals_are_the_proof(world: &World) -> Verdict {
    // As above.
    needs!(world.exec_is_free, world::NOEXEC_SET);
    children::apart(|| {
        let sealable = OwnedFd::from(ok!(kernel::sealable()));
        let closed = OwnedFd::from(ok!(OwnedMemFd::create(c"claim", MemFdFlags::empty())));
        // A tmpfs file shows nothing that a memory file with only F_SEAL_SEAL could not show too.
        let strange = kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR);
        ok!(kernel::fill_the_table());
        taken(sealable)?;
        // Dropping it freed one descriptor; now none is free again.
        ok!(kernel::fill_the_table());
        is_refused(closed, VerifyErrorKind::Kernel(Errno::EMFILE))?;
        if world.tmpfs {
            is_refused(ok!(strange), VerifyErrorKind::Kernel(Errno::EMFILE))?;
        }
        Ok(())
    })
}
