//! Claims about what each seal forbids and what it still allows, for every way to change a file.

use crate::{
    Stop, Verdict, World,
    attacks::{self, Reading},
    children::{self, Child, PATIENCE, Steps},
    kernel::{self, PAGE, READ, WRITE},
    parties::{DELIVER, SLOWLY, SlowFile},
    raw::{self, Descriptors, Mapping, Stores},
    world,
};
use owned_memfd::{
    Errno, MemFdFlags, MemFdOptions, OwnedMemFd, SealError, Seals, SeekFrom, TransferCause,
    TransferError, VerifyErrorKind,
};
use rustix::{
    fs::OFlags,
    mm::{MprotectFlags, ProtFlags},
};

claims!(
    write_forbids_every_write_but_that_of_nothing,
    write_forbids_writing_at_and_across_the_end,
    write_forbids_new_writable_shared_mappings,
    write_allows_private_mappings_whose_stores_stay_private,
    write_allows_reading_mappings_that_never_become_writable,
    write_forbids_punching_holes,
    write_forbids_every_copy_within_the_kernel,
    write_allows_changing_the_length_and_allocating,
    write_waits_for_shared_mappings_but_not_for_private_ones,
    write_does_not_wait_for_a_readers_mappings,
    write_waits_for_pages_that_a_pipe_holds,
    write_waits_for_a_file_system_to_fill_its_pages,
    write_is_added_with_all_or_nothing,
    write_waits_for_a_childs_mapping,
    write_does_not_wait_for_what_is_kept_from_children,
    mappings_are_counted_right_whatever_goes_first,
    seals_leave_the_metadata_alone,
    future_write_leaves_old_mappings_alone,
    future_write_forbids_what_is_new,
    future_write_forbids_it_to_a_file_opened_again,
    future_write_leaves_second_mappings_of_old_ones,
    future_write_keeps_private_stores_private_across_a_fork,
    shrink_forbids_to_cut,
    shrink_does_not_protect_the_content,
    shrink_lets_an_empty_file_be_opened_and_cut,
    grow_forbids_to_lengthen,
    grow_forbids_to_allocate_past_the_end,
    grow_does_not_protect_the_content,
    shrink_and_grow_together_fix_the_length,
    a_fully_sealed_file_still_answers,
    exec_forbids_chmod_to_make_a_file_executable,
    exec_on_an_executable_file_seals_its_content_too,
    exec_does_not_prevent_executable_mappings,
    exec_on_a_file_that_one_kind_of_user_may_execute_seals_its_content_too,
    an_executable_file_made_without_sealing_is_not_sealed,
    a_file_made_not_executable_refuses_chmod,
    write_on_huge_pages_waits_for_shared_mappings_but_not_for_private_ones,
    write_on_huge_pages_waits_for_a_childs_mapping,
    write_on_huge_pages_waits_for_pages_that_a_pipe_holds,
    write_on_huge_pages_forbids_what_changes_the_content,
    write_on_huge_pages_allows_private_mappings_whose_stores_stay_private,
    future_write_on_huge_pages_forbids_what_is_new,
    future_write_on_huge_pages_leaves_old_mappings_alone,
    shrink_and_grow_on_huge_pages_fix_the_length,
    exec_on_an_executable_file_on_huge_pages_seals_its_content_too,
);

/// Two pages of the byte 7.
fn two_pages() -> Result<OwnedMemFd, Errno> {
    kernel::holding(&[7; 2 * PAGE])
}

/// The effect of a write seal on writing.
fn refuses_writes(file: &OwnedMemFd, len: u64) -> Verdict {
    let stopped = Err(TransferError {
        done: 0,
        cause: TransferCause::Sealed(ok!(file.seals()) & (Seals::WRITE | Seals::FUTURE_WRITE)),
    });
    same!(file.seek(SeekFrom::Start(0)), Ok(0));
    refused!(file.write(b"x"), Errno::EPERM);
    refused!(file.write_at(b"x", 0), Errno::EPERM);
    refused!(kernel::writev(file, b"x", b"y"), Errno::EPERM);
    same!(file.write_all(b"x"), stopped);
    same!(file.write_all_at(b"x", len), stopped);
    same!(file.write(b""), Ok(0));
    same!(file.write_at(b"", 0), Ok(0));
    ok!(file.write_all(b""));
    same!(file.seek(SeekFrom::Current(0)), Ok(0));
    same!(file.len(), Ok(len));
    Ok(())
}

fn is_untouched(file: &OwnedMemFd) -> Verdict {
    same!(kernel::holds_exactly(file, &[7; 2 * PAGE]), Ok(true));
    Ok(())
}

fn write_forbids_every_write_but_that_of_nothing(_: &World) -> Verdict {
    let file = ok!(two_pages());
    same!(file.write(&[7]), Ok(1));
    same!(kernel::writev(&file, &[7], &[7]), Ok(2));
    ok!(file.add_seals(Seals::WRITE));
    refuses_writes(&file, 2 * PAGE as u64)?;
    is_untouched(&file)
}

fn write_forbids_writing_at_and_across_the_end(_: &World) -> Verdict {
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::WRITE));
    let end = 2 * PAGE as u64;
    for offset in [end - 1, end, end + 1, end + 100_000] {
        refused!(file.write_at(b"xyz", offset), Errno::EPERM);
    }
    is_untouched(&file)
}

fn write_forbids_new_writable_shared_mappings(world: &World) -> Verdict {
    let file = ok!(two_pages());
    let map = |file: &OwnedMemFd, allowed| Mapping::of(file, PAGE, Stores::Shared, allowed).err();
    same!(map(&file, READ | WRITE), None);
    same!(map(&file, WRITE), None);
    ok!(file.add_seals(Seals::WRITE));
    same!(map(&file, READ | WRITE), Some(Errno::EPERM));
    same!(map(&file, WRITE), Some(Errno::EPERM));
    needs!(world.proc, world::NO_PROC);
    let again = raw::disguise(ok!(kernel::reopen(&file, OFlags::RDWR)));
    same!(map(&again, READ | WRITE), Some(Errno::EPERM));
    let reader = ok!(file.reopen_read_only());
    same!(map(&reader, READ | WRITE), Some(Errno::EACCES));
    is_untouched(&file)
}

fn write_allows_private_mappings_whose_stores_stay_private(_: &World) -> Verdict {
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::WRITE));
    let private = ok!(Mapping::of(&file, PAGE, Stores::Private, READ | WRITE));
    private.put(0, 1);
    same!(private.get(0), 1);
    is_untouched(&file)?;
    children::apart(|| {
        private.put(0, 2);
        same!(private.get(0), 2);
        Ok(())
    })?;
    same!(private.get(0), 1);
    is_untouched(&file)
}

// Some kernels refuse the mapping to a descriptor that is open for writing.
fn write_allows_reading_mappings_that_never_become_writable(world: &World) -> Verdict {
    let writable = MprotectFlags::READ | MprotectFlags::WRITE;
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::WRITE));
    match Mapping::of(&file, PAGE, Stores::Shared, READ) {
        Ok(mapping) => {
            same!(mapping.get(0), 7);
            refused!(mapping.allow(writable), Errno::EACCES);
        }
        Err(error) => same!(error, Errno::EPERM),
    }
    let private = ok!(Mapping::of(&file, PAGE, Stores::Private, READ));
    same!(private.get(0), 7);
    ok!(private.allow(writable));
    private.put(0, 1);
    is_untouched(&file)?;
    needs!(world.proc, world::NO_PROC);
    let reader = ok!(file.reopen_read_only());
    let mapping = ok!(Mapping::of(&reader, PAGE, Stores::Shared, READ));
    same!(mapping.get(0), 7);
    refused!(mapping.allow(writable), Errno::EACCES);
    Ok(())
}

fn write_forbids_punching_holes(world: &World) -> Verdict {
    let file = ok!(two_pages());
    let mapping = ok!(Mapping::of(&file, 2 * PAGE, Stores::Private, READ));
    ok!(file.add_seals(Seals::WRITE));
    refused!(file.punch_hole(0, PAGE as u64), Errno::EPERM);
    refused!(file.punch_hole(10, 1), Errno::EPERM);
    if world.advice {
        refused!(
            mapping.remove(),
            Errno::EPERM | Errno::EACCES | Errno::EINVAL
        );
    }
    is_untouched(&file)?;
    // Without the seal, the same call succeeds.
    let file = ok!(two_pages());
    ok!(file.punch_hole(0, 2 * PAGE as u64));
    same!(kernel::holds_exactly(&file, &[0; 2 * PAGE]), Ok(true));
    Ok(())
}

fn write_forbids_every_copy_within_the_kernel(_: &World) -> Verdict {
    type Copy = fn(&OwnedMemFd, &OwnedMemFd, usize) -> Result<usize, Errno>;
    let copies: [Copy; 2] = [kernel::sendfile, kernel::copy_file_range];
    let (read_end, write_end) = ok!(kernel::pipe());
    same!(kernel::write(&write_end, b"0123"), Ok(4));
    let (open, file) = (ok!(two_pages()), ok!(two_pages()));
    ok!(file.add_seals(Seals::WRITE));
    for copy in copies {
        let source = ok!(kernel::holding(b"0123"));
        same!(copy(&source, &open, 2), Ok(2));
        refused!(copy(&source, &file, 2), Errno::EPERM);
    }
    same!(kernel::splice(&read_end, &open, 2), Ok(2));
    refused!(kernel::splice(&read_end, &file, 2), Errno::EPERM);
    is_untouched(&file)
}

fn write_allows_changing_the_length_and_allocating(world: &World) -> Verdict {
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::WRITE));
    let page = PAGE as u64;
    ok!(file.set_len(page));
    ok!(file.set_len(3 * page));
    refused!(file.write_at(b"x", 3 * page), Errno::EPERM);
    ok!(file.allocate(0, 4 * page));
    same!(file.len(), Ok(4 * page));
    let mut byte = [1];
    ok!(file.read_exact_at(&mut byte, 2 * page));
    same!(byte, [0]);
    needs!(world.proc, world::NO_PROC);
    drop(ok!(kernel::reopen(&file, OFlags::RDWR | OFlags::TRUNC)));
    same!(file.len(), Ok(0));
    Ok(())
}

fn write_waits_for_shared_mappings_but_not_for_private_ones(_: &World) -> Verdict {
    let nothing = rustix::mm::ProtFlags::empty();
    for allowed in [READ | WRITE, WRITE, READ, nothing] {
        let file = ok!(two_pages());
        let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, allowed));
        refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
        holds!(!ok!(file.seals()).contains(Seals::WRITE));
        ok!(file.write_all_at(&[7], 0));
        drop(mapping);
        ok!(file.add_seals(Seals::WRITE));
    }
    let file = ok!(two_pages());
    let private = ok!(Mapping::of(&file, PAGE, Stores::Private, READ | WRITE));
    private.put(0, 1);
    ok!(file.add_seals(Seals::WRITE));
    private.put(1, 2);
    is_untouched(&file)
}

fn write_does_not_wait_for_a_readers_mappings(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(two_pages());
    let reader = ok!(file.reopen_read_only());
    let mapping = ok!(Mapping::of(&reader, PAGE, Stores::Shared, READ));
    same!(mapping.get(0), 7);
    ok!(file.add_seals(Seals::WRITE));
    same!(mapping.get(0), 7);
    Ok(())
}

fn write_waits_for_pages_that_a_pipe_holds(_: &World) -> Verdict {
    let file = ok!(two_pages());
    let (read_end, write_end) = ok!(kernel::pipe());
    same!(kernel::splice(&file, &write_end, PAGE), Ok(PAGE));
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    ok!(file.add_seals(Seals::SHRINK | Seals::GROW));
    same!(kernel::read(&read_end, &mut [0; PAGE]), Ok(PAGE));
    ok!(file.add_seals(Seals::WRITE));
    Ok(())
}

fn write_waits_for_a_file_system_to_fill_its_pages(world: &World) -> Verdict {
    let steps = ok!(Steps::new());
    let mut slow = SlowFile::mount(world, &steps)?;
    let file = ok!(two_pages());
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    let reading = match Reading::start(&slow, &mapping, PAGE) {
        Err(Errno::ENOSYS) => return Err(Stop::Skipped(attacks::NO_AIO)),
        result => ok!(result),
    };
    slow.is_asked(&steps)?;
    // Nothing is mapped any more, but the file system will write into the pages.
    drop(mapping);
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    let Err(refused) = file.seal() else {
        fail!("sealed while its pages are filled");
    };
    same!(
        refused.kind(),
        VerifyErrorKind::Seal(SealError::MappedOrPinned)
    );
    let file = refused.into_inner();
    is_untouched(&file)?;
    steps.reach(DELIVER);
    same!(reading.finish(), Ok(PAGE));
    let sealed = ok!(file.seal());
    let map = ok!(sealed.map());
    holds!(map[..PAGE] == [SLOWLY; PAGE]);
    holds!(map[PAGE..] == [7; PAGE]);
    slow.unmount()
}

fn write_is_added_with_all_or_nothing(_: &World) -> Verdict {
    let file = ok!(two_pages());
    let before = ok!(file.seals());
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    refused!(
        file.add_seals(Seals::WRITE | Seals::SHRINK | Seals::SEAL),
        Errno::EBUSY
    );
    same!(file.seals(), Ok(before));
    ok!(file.set_len(2 * PAGE as u64 - 1));
    ok!(file.add_seals(Seals::SHRINK));
    same!(file.seals(), Ok(before | Seals::SHRINK));
    mapping.put(0, 8);
    same!(file.read_at(&mut [0], 0), Ok(1));
    Ok(())
}

/// A child's copy of the mapping, which could write, is in the way of the seal. This process's own is
/// gone by then.
fn waits_for_a_child(file: &OwnedMemFd, mapping: Mapping) -> Verdict {
    let steps = ok!(Steps::new());
    let child = ok!(Child::start(Descriptors::Copied, || steps.wait_for(1)));
    drop(mapping);
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    steps.reach(1);
    child.finish(PATIENCE)?;
    ok!(file.add_seals(Seals::WRITE));
    Ok(())
}

fn write_waits_for_a_childs_mapping(_: &World) -> Verdict {
    let file = ok!(two_pages());
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    waits_for_a_child(&file, mapping)
}

fn write_does_not_wait_for_what_is_kept_from_children(world: &World) -> Verdict {
    needs!(world.advice, world::NO_ADVICE);
    let file = ok!(two_pages());
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    ok!(mapping.keep_from_children());
    let steps = ok!(Steps::new());
    let child = ok!(Child::start(Descriptors::Copied, || steps.wait_for(1)));
    drop(mapping);
    ok!(file.add_seals(Seals::WRITE));
    steps.reach(1);
    child.finish(PATIENCE)
}

fn mappings_are_counted_right_whatever_goes_first(_: &World) -> Verdict {
    for reader_first in [true, false] {
        let file = ok!(two_pages());
        let reader = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ));
        let writer = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
        let (one, two) = if reader_first {
            (reader, writer)
        } else {
            (writer, reader)
        };
        drop(one);
        refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
        drop(two);
        ok!(file.add_seals(Seals::WRITE));
    }
    Ok(())
}

fn seals_leave_the_metadata_alone(_: &World) -> Verdict {
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL));
    ok!(file.set_mode(0o400));
    same!(kernel::mode(&file), Ok(0o400));
    ok!(kernel::reset_times(&file));
    same!(ok!(kernel::stat(&file)).st_mtime, 0);
    is_untouched(&file)
}

fn future_write_leaves_old_mappings_alone(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let file = ok!(two_pages());
    let old = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    let reading = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ));
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    old.put(0, 8);
    let mut byte = [0];
    ok!(file.read_exact_at(&mut byte, 0));
    same!(byte, [8]);
    // A mapping from before the seal can even become writable afterwards.
    ok!(reading.allow(MprotectFlags::READ | MprotectFlags::WRITE));
    reading.put(0, 9);
    ok!(file.read_exact_at(&mut byte, 0));
    same!(byte, [9]);
    // While that mapping exists, the write seal cannot be added.
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    Ok(())
}

/// The effect of the future-write seal on a descriptor.
fn refuses_future_writes(file: &OwnedMemFd) -> Verdict {
    let map = |stores, allowed| Mapping::of(file, PAGE, stores, allowed);
    refuses_writes(file, 2 * PAGE as u64)?;
    refused!(map(Stores::Shared, READ | WRITE), Errno::EPERM);
    refused!(map(Stores::Shared, WRITE), Errno::EPERM);
    let reading = ok!(map(Stores::Shared, READ));
    same!(reading.get(0), 7);
    refused!(
        reading.allow(MprotectFlags::READ | MprotectFlags::WRITE),
        Errno::EACCES
    );
    let private = ok!(map(Stores::Private, READ | WRITE));
    private.put(0, 8);
    refused!(file.punch_hole(0, PAGE as u64), Errno::EPERM);
    is_untouched(file)
}

fn future_write_forbids_what_is_new(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    refuses_future_writes(&file)
}

fn future_write_forbids_it_to_a_file_opened_again(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    needs!(world.proc, world::NO_PROC);
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    refuses_future_writes(&raw::disguise(ok!(kernel::reopen(&file, OFlags::RDWR))))
}

fn future_write_leaves_second_mappings_of_old_ones(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    needs!(world.duplicate_mappings, world::NO_DUPLICATES);
    let file = ok!(two_pages());
    let old = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    let second = ok!(old.duplicate());
    drop(old);
    second.put(0, 8);
    let mut byte = [0];
    ok!(file.read_exact_at(&mut byte, 0));
    same!(byte, [8]);
    Ok(())
}

fn future_write_keeps_private_stores_private_across_a_fork(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    let private = ok!(Mapping::of(&file, PAGE, Stores::Private, READ | WRITE));
    // One mapping has its own copy of the page before the fork. The other gets it in the child.
    let untouched = ok!(Mapping::of(&file, PAGE, Stores::Private, READ | WRITE));
    private.put(0, 1);
    children::apart(|| {
        for mapping in [&private, &untouched] {
            mapping.put(0, 2);
            same!(mapping.get(0), 2);
        }
        is_untouched(&file)
    })?;
    same!(private.get(0), 1);
    same!(untouched.get(0), 7);
    is_untouched(&file)
}

fn shrink_forbids_to_cut(world: &World) -> Verdict {
    let page = PAGE as u64;
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::SHRINK));
    for len in [0, page, 2 * page - 1] {
        refused!(file.set_len(len), Errno::EPERM);
    }
    ok!(file.set_len(2 * page));
    ok!(file.set_len(3 * page));
    refused!(file.set_len(3 * page - 1), Errno::EPERM);
    same!(file.len(), Ok(3 * page));
    needs!(world.proc, world::NO_PROC);
    refused!(
        kernel::reopen(&file, OFlags::RDWR | OFlags::TRUNC),
        Errno::EPERM
    );
    same!(file.len(), Ok(3 * page));
    Ok(())
}

fn shrink_does_not_protect_the_content(_: &World) -> Verdict {
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::SHRINK));
    ok!(file.write_all_at(&[1], 0));
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    mapping.put(1, 2);
    ok!(file.punch_hole(PAGE as u64, PAGE as u64));
    let mut found = [9; 3];
    ok!(file.read_exact_at(&mut found, 0));
    same!(found, [1, 2, 7]);
    ok!(file.read_exact_at(&mut found, 2 * PAGE as u64 - 3));
    same!(found, [0; 3]);
    Ok(())
}

fn shrink_lets_an_empty_file_be_opened_and_cut(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::SHRINK));
    ok!(kernel::reopen(&file, OFlags::RDWR | OFlags::TRUNC));
    ok!(file.write_all(b"x"));
    refused!(
        kernel::reopen(&file, OFlags::RDWR | OFlags::TRUNC),
        Errno::EPERM
    );
    Ok(())
}

fn grow_forbids_to_lengthen(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let page = PAGE as u64;
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::GROW));
    for len in [2 * page + 1, 3 * page, 1 << 40] {
        refused!(file.set_len(len), Errno::EPERM);
    }
    ok!(file.set_len(2 * page));
    ok!(file.set_len(page));
    refused!(file.set_len(2 * page), Errno::EPERM);
    same!(file.len(), Ok(page));
    Ok(())
}

fn grow_forbids_to_allocate_past_the_end(_: &World) -> Verdict {
    let page = PAGE as u64;
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::GROW));
    for (offset, len) in [(0, 3 * page), (2 * page, 1), (1 << 20, page)] {
        refused!(file.allocate(offset, len), Errno::EPERM);
        refused!(
            kernel::allocate_keeping_size(&file, offset, len),
            Errno::EPERM
        );
    }
    ok!(file.allocate(0, 2 * page));
    ok!(kernel::allocate_keeping_size(&file, page, page));
    is_untouched(&file)
}

fn grow_does_not_protect_the_content(_: &World) -> Verdict {
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::GROW));
    ok!(file.write_all_at(&[1], 2 * PAGE as u64 - 1));
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    mapping.put(0, 2);
    let mut found = [9];
    ok!(file.read_exact_at(&mut found, 0));
    same!(found, [2]);
    ok!(file.punch_hole(0, PAGE as u64));
    ok!(file.read_exact_at(&mut found, 0));
    same!(found, [0]);
    Ok(())
}

fn shrink_and_grow_together_fix_the_length(_: &World) -> Verdict {
    let page = PAGE as u64;
    let file = ok!(two_pages());
    ok!(file.add_seals(Seals::SHRINK | Seals::GROW));
    for len in [0, 1, 2 * page - 1, 2 * page + 1, 3 * page] {
        refused!(file.set_len(len), Errno::EPERM);
    }
    ok!(file.set_len(2 * page));
    ok!(file.write_all_at(&[7], 0));
    is_untouched(&file)
}

fn a_fully_sealed_file_still_answers(_: &World) -> Verdict {
    let file = ok!(two_pages());
    let all = Seals::SEAL | Seals::SHRINK | Seals::GROW | Seals::WRITE;
    ok!(file.add_seals(all));
    holds!(ok!(file.seals()).contains(all));
    same!(file.len(), Ok(2 * PAGE as u64));
    let mut found = [0];
    same!(file.read(&mut found), Ok(1));
    same!(found, [7]);
    let clone = ok!(file.try_clone());
    same!(clone.seek(SeekFrom::Current(0)), Ok(1));
    is_untouched(&clone)
}

fn exec_forbids_chmod_to_make_a_file_executable(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let flags = MemFdFlags::EXEC | MemFdFlags::ALLOW_SEALING | MemFdFlags::CLOEXEC;
    let file = ok!(OwnedMemFd::create(c"exec", flags));
    same!(kernel::mode(&file), Ok(0o777));
    ok!(file.set_mode(0o644));
    ok!(file.add_seals(Seals::EXEC));
    same!(file.seals(), Ok(Seals::EXEC));
    for mode in [0o600, 0o666, 0o644] {
        ok!(file.set_mode(mode));
        same!(kernel::mode(&file), Ok(mode));
    }
    for mode in [0o777, 0o670, 0o605, 0o700, 0o100] {
        refused!(file.set_mode(mode), Errno::EPERM);
    }
    same!(kernel::mode(&file), Ok(0o644));
    ok!(file.write_all(b"x"));
    ok!(file.set_len(100));
    ok!(file.set_len(0));
    Ok(())
}

/// A file of this mode, with some execute bits, to which the seal that fixes them is added.
fn executable_and_sealed(world: &World, mode: u32) -> Result<OwnedMemFd, Stop> {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let flags = MemFdFlags::EXEC | MemFdFlags::ALLOW_SEALING | MemFdFlags::CLOEXEC;
    let file = ok!(OwnedMemFd::create(c"exec", flags));
    ok!(file.set_mode(mode));
    ok!(file.write_all(b"0123"));
    ok!(file.add_seals(Seals::EXEC));
    let content = Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE;
    same!(file.seals(), Ok(Seals::EXEC | content));
    same!(kernel::mode(&file), Ok(mode));
    refuses_writes(&file, 4)?;
    refused!(file.set_len(3), Errno::EPERM);
    refused!(file.set_len(5), Errno::EPERM);
    Ok(file)
}

fn exec_on_an_executable_file_seals_its_content_too(world: &World) -> Verdict {
    let file = executable_and_sealed(world, 0o777)?;
    for mode in [0o666, 0o776, 0o700, 0o644, 0] {
        refused!(file.set_mode(mode), Errno::EPERM);
    }
    ok!(file.set_mode(0o755));
    same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    Ok(())
}

fn exec_does_not_prevent_executable_mappings(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    let file = ok!(MemFdOptions::new().create(c"data"));
    ok!(file.write_all(b"0123"));
    holds!(ok!(file.seals()).contains(Seals::EXEC));
    for stores in [Stores::Shared, Stores::Private] {
        let mapping = ok!(Mapping::of(&file, PAGE, stores, READ | ProtFlags::EXEC));
        same!(mapping.get(3), b'3');
    }
    Ok(())
}

fn exec_on_a_file_that_one_kind_of_user_may_execute_seals_its_content_too(
    world: &World,
) -> Verdict {
    for (mode, others) in [
        (0o700, [0o600, 0o755, 0o770]),
        (0o100, [0, 0o010, 0o001]),
        (0o010, [0, 0o100, 0o001]),
        (0o001, [0, 0o100, 0o010]),
        (0o711, [0o600, 0o700, 0o701]),
    ] {
        let file = executable_and_sealed(world, mode)?;
        for other in others {
            refused!(file.set_mode(other), Errno::EPERM);
        }
        ok!(file.set_mode(mode | 0o600));
        same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    }
    Ok(())
}

fn an_executable_file_made_without_sealing_is_not_sealed(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let file = ok!(OwnedMemFd::create(c"exec", MemFdFlags::EXEC));
    same!(kernel::mode(&file), Ok(0o777));
    same!(file.seals(), Ok(Seals::SEAL));
    refused!(file.add_seals(Seals::EXEC), Errno::EPERM);
    for mode in [0o644, 0o777] {
        ok!(file.set_mode(mode));
        same!(kernel::mode(&file), Ok(mode));
    }
    Ok(())
}

fn a_file_made_not_executable_refuses_chmod(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    for more in [MemFdFlags::CLOEXEC, MemFdFlags::ALLOW_SEALING] {
        let file = ok!(OwnedMemFd::create(c"data", MemFdFlags::NOEXEC_SEAL | more));
        same!(kernel::mode(&file), Ok(0o666));
        same!(file.seals(), Ok(Seals::EXEC));
        refused!(file.set_mode(0o777), Errno::EPERM);
        same!(kernel::mode(&file), Ok(0o666));
        // Both flags allow sealing.
        ok!(file.write_all(b"x"));
        ok!(file.add_seals(Seals::WRITE));
        refused!(file.write(b"x"), Errno::EPERM);
    }
    Ok(())
}

// Huge pages. What writes is refused with or without seals: `io` has that.

fn write_on_huge_pages_waits_for_shared_mappings_but_not_for_private_ones(
    world: &World,
) -> Verdict {
    let nothing = rustix::mm::ProtFlags::empty();
    for allowed in [READ | WRITE, WRITE, READ, nothing] {
        let (file, size) = attacks::huge_holes(world)?;
        let before = ok!(file.seals());
        let mapping = ok!(Mapping::unreserved(&file, size, Stores::Shared, allowed));
        refused!(file.add_seals(Seals::WRITE | Seals::SHRINK), Errno::EBUSY);
        same!(file.seals(), Ok(before));
        ok!(file.add_seals(Seals::SHRINK));
        drop(mapping);
        ok!(file.add_seals(Seals::WRITE));
    }
    let (file, size) = attacks::huge_holes(world)?;
    let _private = ok!(Mapping::unreserved(
        &file,
        size,
        Stores::Private,
        READ | WRITE
    ));
    ok!(file.add_seals(Seals::WRITE));
    if world.proc {
        let (file, size) = attacks::huge_holes(world)?;
        let reader = ok!(file.reopen_read_only());
        let _mapping = ok!(Mapping::unreserved(&reader, size, Stores::Shared, READ));
        ok!(file.add_seals(Seals::WRITE));
    }
    Ok(())
}

fn write_on_huge_pages_waits_for_a_childs_mapping(world: &World) -> Verdict {
    let (file, size) = attacks::huge_holes(world)?;
    let mapping = ok!(Mapping::unreserved(
        &file,
        size,
        Stores::Shared,
        READ | WRITE
    ));
    waits_for_a_child(&file, mapping)
}

/// A file of one huge page, filled with the byte 7.
fn filled_huge_page(world: &World) -> Result<(OwnedMemFd, usize), Stop> {
    let size = attacks::huge_page_size(world, 1)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    let mapping = ok!(Mapping::of(&file, size, Stores::Shared, READ | WRITE));
    for index in [0, PAGE, size - 1] {
        mapping.put(index, 7);
    }
    drop(mapping);
    is_huge_page_untouched(&file, size)?;
    Ok((file, size))
}

fn is_huge_page_untouched(file: &OwnedMemFd, size: usize) -> Verdict {
    same!(file.len(), Ok(size as u64));
    for index in [0, PAGE, size - 1] {
        let mut byte = [0];
        ok!(file.read_exact_at(&mut byte, index as u64));
        same!(byte, [7]);
    }
    Ok(())
}

fn write_on_huge_pages_waits_for_pages_that_a_pipe_holds(world: &World) -> Verdict {
    let (file, size) = filled_huge_page(world)?;
    let (read_end, write_end) = ok!(kernel::pipe());
    let mapping = ok!(Mapping::of(&file, size, Stores::Shared, READ | WRITE));
    let pinned = ok!(mapping.pin_into(&write_end));
    holds!(pinned > 0);
    drop(mapping);
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    drop((read_end, write_end));
    ok!(file.add_seals(Seals::WRITE));
    is_huge_page_untouched(&file, size)
}

fn write_on_huge_pages_forbids_what_changes_the_content(world: &World) -> Verdict {
    let (open, size) = filled_huge_page(world)?;
    let (file, _) = filled_huge_page(world)?;
    ok!(file.add_seals(Seals::WRITE));
    let map = |file: &OwnedMemFd, allowed| Mapping::of(file, size, Stores::Shared, allowed).err();
    for allowed in [READ | WRITE, WRITE] {
        same!(map(&open, allowed), None);
        same!(map(&file, allowed), Some(Errno::EPERM));
    }
    match Mapping::unreserved(&file, size, Stores::Shared, READ) {
        Ok(mapping) => {
            same!(mapping.get(0), 7);
            refused!(
                mapping.allow(MprotectFlags::READ | MprotectFlags::WRITE),
                Errno::EACCES
            );
        }
        Err(error) => same!(error, Errno::EPERM),
    }
    refused!(file.punch_hole(0, size as u64), Errno::EPERM);
    is_huge_page_untouched(&file, size)?;
    ok!(open.punch_hole(0, size as u64));
    let mut byte = [9];
    ok!(open.read_exact_at(&mut byte, 0));
    same!(byte, [0]);
    Ok(())
}

fn write_on_huge_pages_allows_private_mappings_whose_stores_stay_private(world: &World) -> Verdict {
    attacks::huge_page_size(world, 3)?;
    let (file, size) = filled_huge_page(world)?;
    ok!(file.add_seals(Seals::WRITE));
    let private = ok!(Mapping::of(&file, size, Stores::Private, READ | WRITE));
    private.put(0, 1);
    is_huge_page_untouched(&file, size)?;
    children::apart(|| {
        private.put(0, 2);
        same!(private.get(0), 2);
        Ok(())
    })?;
    same!(private.get(0), 1);
    is_huge_page_untouched(&file, size)
}

fn future_write_on_huge_pages_forbids_what_is_new(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let (file, size) = attacks::huge_holes(world)?;
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    let map = |stores, allowed| Mapping::unreserved(&file, size, stores, allowed);
    refused!(map(Stores::Shared, READ | WRITE), Errno::EPERM);
    refused!(map(Stores::Shared, WRITE), Errno::EPERM);
    let reading = ok!(map(Stores::Shared, READ));
    refused!(
        reading.allow(MprotectFlags::READ | MprotectFlags::WRITE),
        Errno::EACCES
    );
    drop(ok!(map(Stores::Private, READ | WRITE)));
    refused!(file.punch_hole(0, size as u64), Errno::EPERM);
    // Some kernels let the write seal wait even for this mapping, which never can write.
    drop(reading);
    ok!(file.add_seals(Seals::WRITE));
    Ok(())
}

fn future_write_on_huge_pages_leaves_old_mappings_alone(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let (file, size) = filled_huge_page(world)?;
    let old = ok!(Mapping::of(&file, size, Stores::Shared, READ | WRITE));
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    old.put(0, 8);
    let mut byte = [0];
    ok!(file.read_exact_at(&mut byte, 0));
    same!(byte, [8]);
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    Ok(())
}

fn shrink_and_grow_on_huge_pages_fix_the_length(world: &World) -> Verdict {
    let (file, size) = attacks::huge_holes(world)?;
    let size = size as u64;
    ok!(file.add_seals(Seals::SHRINK));
    for len in [0, size] {
        refused!(file.set_len(len), Errno::EPERM);
    }
    ok!(file.set_len(3 * size));
    refused!(file.set_len(2 * size), Errno::EPERM);
    ok!(file.add_seals(Seals::GROW));
    refused!(file.set_len(4 * size), Errno::EPERM);
    refused!(file.allocate(3 * size, size), Errno::EPERM);
    ok!(file.set_len(3 * size));
    // The content is not protected.
    ok!(file.punch_hole(0, size));
    same!(file.len(), Ok(3 * size));
    Ok(())
}

fn exec_on_an_executable_file_on_huge_pages_seals_its_content_too(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let flags = MemFdFlags::EXEC | MemFdFlags::ALLOW_SEALING | MemFdFlags::HUGETLB;
    for (mode, content) in [
        (0o644, Seals::empty()),
        (
            0o100,
            Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE,
        ),
    ] {
        let file = ok!(OwnedMemFd::create(c"exec", flags | MemFdFlags::CLOEXEC));
        ok!(file.set_mode(mode));
        ok!(file.add_seals(Seals::EXEC));
        same!(file.seals(), Ok(Seals::EXEC | content));
        // No kernel fixes the execute bits of such a file.
        same!(file.set_mode(0o755), Ok(()));
        let size = ok!(kernel::piece_size(&file));
        let grows = file.set_len(size).err();
        same!(grows, (!content.is_empty()).then_some(Errno::EPERM));
    }
    Ok(())
}
