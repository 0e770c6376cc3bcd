//! Claims about making sealed files: sealing your own file, building in place, copying from
//! memory, and copying a file that its sender did not seal.

use crate::{
    Verdict, World, attacks,
    children::{self, Child, PATIENCE, Steps, Supervisor},
    kernel::{self, PAGE, READ, WRITE},
    raw::{self, Buffer, Descriptors, Mapping, Response, Stores, Which},
    strangers,
    world::{self, EXTENT},
};
use core::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use owned_memfd::{
    CreateError, Errno, HugePageSize, MemFdOptions, OwnedMemFd, SealError, SealedMemFd, Seals,
    SeekFrom, TryCreateError, VerifyErrorKind,
    fd::{AsFd, AsRawFd, OwnedFd},
};
use rustix::{fs::OFlags, process::Resource};

claims!(
    a_file_is_sealed_for_good,
    sealing_moves_no_offset,
    a_child_finds_all_of_a_new_file_on_its_standard_input,
    a_file_that_is_sealed_enough_needs_no_more,
    a_file_that_others_map_is_not_sealed_and_handed_back,
    a_file_that_cannot_be_sealed_is_handed_back,
    what_is_no_memory_file_is_not_sealed,
    pinned_pages_are_refused_with_their_cause_until_released,
    pages_that_a_ring_has_pinned_are_refused_until_released,
    a_page_that_is_in_use_for_a_moment_is_waited_for,
    a_mapping_is_not_waited_for_and_a_page_not_for_ever,
    without_a_clock_sealing_is_tried_twice,
    sealing_while_another_process_maps_in_a_loop_ends,
    a_copy_of_memory_is_sealed_and_exact,
    a_copy_of_nothing_is_empty,
    a_copy_of_much_is_whole,
    a_copy_with_a_wrong_name_is_refused,
    a_copy_above_the_processs_limit_is_refused,
    a_build_is_written_in_place,
    a_small_build_makes_no_mapping,
    a_build_starts_with_zeros_and_keeps_what_is_written,
    a_build_of_nothing_is_empty,
    a_build_has_its_memory_before_it_is_written,
    a_build_without_room_is_refused_before_it_is_written,
    a_small_build_without_room_is_refused_and_leaves_nothing,
    a_build_that_cannot_be_filled_leaves_nothing,
    a_build_beyond_a_slice_is_refused_before_it_is_written,
    a_build_with_a_wrong_name_is_refused_before_it_is_written,
    a_build_whose_length_is_changed_between_calls_is_right_or_refused,
    a_build_of_huge_pages_whose_length_is_changed_is_right_or_refused,
    a_build_is_not_inherited,
    a_build_waits_for_a_moments_mapping,
    a_build_does_not_wait_for_ever,
    a_build_does_not_wait_for_a_page_for_ever,
    a_file_of_the_librarys_own_is_sealed_in_nine_tries,
    a_build_keeps_to_its_options,
    a_build_on_huge_pages_is_like_any_other,
    a_build_of_a_part_of_a_huge_page_is_refused_or_exact,
    a_build_of_more_huge_pages_than_there_are_is_refused,
    what_is_sealed_is_not_copied,
    what_is_not_sealed_is_copied_and_stays_as_it_was,
    what_is_sealed_against_future_writing_is_copied,
    a_copy_has_no_offset_to_mind,
    a_copy_is_as_long_as_allowed_and_no_longer,
    a_copy_of_a_giant_ends_at_the_limit,
    a_copy_of_a_file_that_changes_its_length_keeps_to_the_limit,
    a_copy_of_a_file_that_gets_longer_meanwhile_is_not_a_part_of_it,
    a_copy_is_the_same_without_the_kernels_help,
    a_copy_goes_on_after_an_interruption,
    a_copy_that_is_held_for_too_long_is_refused,
    a_copy_of_a_file_on_huge_pages_is_an_ordinary_one,
    what_is_sealed_and_too_long_is_not_copied,
    what_can_block_is_not_copied_and_not_waited_for,
    a_descriptor_of_a_process_is_not_copied_and_not_waited_for,
    a_named_pipe_is_not_copied_and_not_waited_for,
    a_character_device_is_not_copied,
    a_terminal_is_not_copied_and_not_waited_for,
    a_directory_is_not_copied,
    a_block_device_is_not_copied,
    a_descriptor_without_access_is_not_copied,
    secret_memory_cannot_be_read_and_is_not_copied,
    a_regular_file_that_cannot_be_read_is_not_copied,
    an_ordinary_file_is_copied,
    a_file_that_says_it_is_empty_is_copied_whole,
    a_copy_of_an_ordinary_file_that_changes_meanwhile_is_what_was_read,
    an_ordinary_giant_is_not_read,
    a_file_of_an_unknown_kind_is_not_copied,
    a_file_of_a_tmpfs_is_copied,
    a_copy_of_a_file_is_sealed_and_exact,
    a_copy_of_a_file_has_the_options_that_it_is_made_with,
    a_copy_of_a_file_is_as_long_as_allowed_and_no_longer,
    what_is_no_regular_file_is_neither_read_nor_waited_for,
    a_file_that_cannot_be_read_is_not_copied,
    a_copy_of_a_file_is_not_made_on_huge_pages_from_a_pool,
    what_cannot_be_read_is_not_copied,
);

const ALL: Seals = Seals::WRITE
    .union(Seals::SHRINK)
    .union(Seals::GROW)
    .union(Seals::SEAL);

/// The longest content that is built without a mapping.
const SMALL: usize = 2048;

/// The file is completely sealed and holds exactly this.
fn is_sealed_with(sealed: &SealedMemFd, content: &[u8]) -> Verdict {
    holds!(ok!(sealed.seals()).contains(ALL));
    same!(sealed.len(), content.len());
    holds!(*ok!(sealed.map()) == *content);
    same!(kernel::holds_exactly(sealed, content), Ok(true));
    same!(kernel::close_on_exec(sealed), Ok(true));
    Ok(())
}

const BUSY: VerifyErrorKind = VerifyErrorKind::Seal(SealError::MappedOrPinned);
const READ_ONLY: VerifyErrorKind = VerifyErrorKind::Seal(SealError::ReadOnly);
const CLOSED: VerifyErrorKind = VerifyErrorKind::Seal(SealError::SealingClosed);

/// A child that gets the file as its standard input reads this, by the offset.
fn a_child_reads(sealed: &SealedMemFd, content: &[u8]) -> Verdict {
    children::apart(|| {
        ok!(raw::duplicate_onto(sealed.as_memfd(), 0));
        let input = raw::take(0);
        let mut room = [0; 2 * SMALL];
        let mut len = 0;
        loop {
            match ok!(kernel::read(&input, &mut room[len..])) {
                0 => break,
                count => len += count,
            }
        }
        holds!(room[..len] == *content, "{len} bytes");
        Ok(())
    })
}

fn sealing_moves_no_offset(_: &World) -> Verdict {
    let source = ok!(kernel::holding(b"0123"));
    let written = ok!(kernel::sealable());
    ok!(written.write_all(b"0123"));
    let copied = ok!(kernel::sealable());
    same!(copied.copy_from(&source, u64::MAX), Ok(4));
    for file in [written, copied] {
        let Ok(sealed) = file.seal() else {
            fail!("it is not sealed");
        };
        same!(sealed.as_memfd().seek(SeekFrom::Current(0)), Ok(4));
        a_child_reads(&sealed, b"")?;
        same!(sealed.as_memfd().seek(SeekFrom::Start(0)), Ok(0));
        a_child_reads(&sealed, b"0123")?;
    }
    // By position, nothing moves it before either.
    let file = ok!(kernel::sealable());
    ok!(file.write_all_at(b"0123", 0));
    match file.seal() {
        Ok(sealed) => a_child_reads(&sealed, b"0123"),
        Err(refused) => fail!("{:?}", refused.kind()),
    }
}

fn a_child_finds_all_of_a_new_file_on_its_standard_input(_: &World) -> Verdict {
    let options = MemFdOptions::new();
    // Built on the stack, and through a mapping.
    for len in [1, SMALL, SMALL + 1] {
        let content = &[7; SMALL + 1][..len];
        a_child_reads(&ok!(options.copy_from_slice("claim", content)), content)?;
        let fill = |bytes: &mut [u8]| bytes.copy_from_slice(content);
        a_child_reads(&ok!(options.create_with("claim", len, fill)), content)?;
        for buffer in [0, 10, SMALL] {
            let mut room = [0; SMALL];
            let mut writer = ok!(options.writer("claim", &mut room[..buffer]));
            ok!(writer.write_all(content));
            a_child_reads(&ok!(writer.finish()), content)?;
        }
        let sender = ok!(kernel::sealable());
        ok!(sender.write_all(content));
        a_child_reads(&ok!(options.copy_from_file("claim", &sender, len)), content)?;
        a_child_reads(
            &ok!(SealedMemFd::verify_or_copy(sender.into(), len)),
            content,
        )?;
    }
    Ok(())
}

/// Sealing fails for this reason and leaves the file as it was.
fn is_not_sealed(file: OwnedMemFd, reason: VerifyErrorKind) -> Result<OwnedMemFd, crate::Stop> {
    let number = file.as_raw_fd();
    let before = (file.seals(), file.len());
    match file.seal() {
        Ok(sealed) => fail!("sealed with {:?}", sealed.seals()),
        Err(refused) => {
            same!(refused.kind(), reason);
            same!(refused.get_ref().as_raw_fd(), number);
            same!((refused.get_ref().seals(), refused.get_ref().len()), before);
            Ok(refused.into_inner())
        }
    }
}

fn a_file_is_sealed_for_good(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    let (number, other) = (file.as_raw_fd(), ok!(file.try_clone()));
    let sealed = ok!(file.seal());
    same!(sealed.as_raw_fd(), number);
    is_sealed_with(&sealed, b"0123")?;
    refused!(other.write_at(b"x", 0), Errno::EPERM);
    refused!(other.set_len(3), Errno::EPERM);
    refused!(other.set_len(5), Errno::EPERM);
    refused!(other.add_seals(Seals::FUTURE_WRITE), Errno::EPERM);
    // Sealing it again succeeds.
    is_sealed_with(&ok!(other.seal()), b"0123")
}

fn a_file_that_is_sealed_enough_needs_no_more(world: &World) -> Verdict {
    // Each of these sets includes `SEAL`, so nothing can be added to it.
    for more in [Seals::SEAL, Seals::SEAL | Seals::GROW] {
        let file = ok!(kernel::holding(b"0123"));
        let seals = ok!(file.seals()) | Seals::WRITE | Seals::SHRINK | more;
        ok!(file.add_seals(seals));
        let sealed = ok!(file.seal());
        same!(sealed.seals(), Ok(seals));
        same!(*ok!(sealed.map()), *b"0123");
    }
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::WRITE | Seals::SHRINK));
    let sealed = ok!(ok!(file.reopen_read_only()).seal());
    same!(*ok!(sealed.map()), *b"0123");
    // If more seals can be added, `seal` adds them.
    is_sealed_with(&ok!(file.seal()), b"0123")
}

fn a_file_that_others_map_is_not_sealed_and_handed_back(_: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; PAGE]));
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    let file = is_not_sealed(file, BUSY)?;
    same!(
        file.explain_seal_error(Errno::EBUSY),
        SealError::MappedOrPinned
    );
    ok!(file.write_all_at(b"8", 0));
    // A mapping in another process counts too, even if that process holds no descriptor of the
    // file.
    let steps = ok!(Steps::new());
    let other = ok!(Child::start(Descriptors::Copied, || {
        raw::close(file.as_raw_fd());
        steps.wait_for(1)
    }));
    drop(mapping);
    let file = is_not_sealed(file, BUSY)?;
    steps.reach(1);
    other.finish(PATIENCE)?;
    holds!(ok!(ok!(file.seal()).map()).starts_with(b"8\x07"));
    Ok(())
}

fn a_file_that_cannot_be_sealed_is_handed_back(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let reader = is_not_sealed(ok!(file.reopen_read_only()), READ_ONLY)?;
    same!(reader.explain_seal_error(Errno::EPERM), SealError::ReadOnly);
    // One of the two seals alone is not enough.
    for seal in [Seals::WRITE, Seals::SHRINK] {
        let file = ok!(kernel::holding(b"0123"));
        ok!(file.add_seals(seal | Seals::SEAL));
        let file = is_not_sealed(file, CLOSED)?;
        same!(
            file.explain_seal_error(Errno::EPERM),
            SealError::SealingClosed
        );
    }
    let file = ok!(MemFdOptions::new().sealable(false).create(c"suite"));
    is_not_sealed(file, CLOSED)?;
    Ok(())
}

fn what_is_no_memory_file_is_not_sealed(world: &World) -> Verdict {
    let (_read_end, write_end) = ok!(kernel::pipe());
    let Err(refused) = raw::disguise(write_end).seal() else {
        fail!("a pipe is sealed");
    };
    same!(refused.kind(), VerifyErrorKind::NotMemFd);
    needs!(world.tmpfs, world::NO_TMPFS);
    let file = ok!(kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR));
    is_not_sealed(raw::disguise(file), CLOSED)?;
    Ok(())
}

/// Runs this until it ends within `limit`, five times at most: a busy machine can delay a run, but
/// not each.
fn ends_within(limit: Duration, mut run: impl FnMut() -> Verdict) -> Verdict {
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let before = raw::now();
        run()?;
        shortest = shortest.min(raw::now().saturating_sub(before));
        if shortest < limit {
            return Ok(());
        }
    }
    fail!("takes {shortest:?}")
}

/// Sealing fails while pages are pinned, after a bounded time and with the cause. Once `release` has
/// run, it succeeds.
fn waits_for_pages(file: OwnedMemFd, release: impl FnOnce() -> Verdict) -> Verdict {
    let mut file = Some(file);
    // Four tries of 0.16 s.
    ends_within(Duration::from_secs(2), || {
        if let Some(given) = file.take() {
            file = Some(is_not_sealed(given, BUSY)?);
        }
        Ok(())
    })?;
    let Some(file) = file else {
        fail!("not handed back");
    };
    same!(
        file.explain_seal_error(Errno::EBUSY),
        SealError::MappedOrPinned
    );
    release()?;
    is_sealed_with(&ok!(file.seal()), &[7; PAGE])
}

fn pinned_pages_are_refused_with_their_cause_until_released(_: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; PAGE]));
    let (read_end, write_end) = ok!(kernel::pipe());
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    holds!(ok!(mapping.pin_into(&write_end)) == PAGE);
    // Unmapping does not unpin the page.
    drop(mapping);
    waits_for_pages(file, || {
        same!(kernel::read(&read_end, &mut [0; PAGE]), Ok(PAGE));
        Ok(())
    })
}

fn pages_that_a_ring_has_pinned_are_refused_until_released(_: &World) -> Verdict {
    let ring = attacks::Ring::new();
    needs!(
        !matches!(ring, Err(Errno::ENOSYS | Errno::EPERM)),
        attacks::NO_IO_URING
    );
    let ring = ok!(ring);
    let file = ok!(kernel::holding(&[7; PAGE]));
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    ok!(ring.pin(&mapping, PAGE));
    drop(mapping);
    waits_for_pages(file, || {
        ok!(ring.unpin());
        Ok(())
    })
}

/// A file with a page in the pipe that comes with it. Unmapping does not unpin the page.
fn with_a_page_in_use() -> Result<(OwnedMemFd, (OwnedFd, OwnedFd)), Errno> {
    let file = kernel::holding(&[7; PAGE])?;
    let (read_end, write_end) = kernel::pipe()?;
    let mapping = Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE)?;
    match mapping.pin_into(&write_end)? {
        PAGE => Ok((file, (read_end, write_end))),
        _ => Err(Errno::EIO),
    }
}

fn a_page_that_is_in_use_for_a_moment_is_waited_for(_: &World) -> Verdict {
    let (file, (read_end, _write_end)) = ok!(with_a_page_in_use());
    let steps = ok!(Steps::new());
    let user = ok!(Child::start(Descriptors::Copied, || {
        steps.reach(1);
        // Longer than the kernel waits in one try.
        kernel::sleep(Duration::from_millis(250));
        same!(kernel::read(&read_end, &mut [0; PAGE]), Ok(PAGE));
        Ok(())
    }));
    steps.wait_for(1)?;
    is_sealed_with(&ok!(file.seal()), &[7; PAGE])?;
    user.finish(PATIENCE)
}

/// Which calls seal a file against writing.
const SEALING: Which = Which::Sealing(Seals::WRITE.bits());

fn a_mapping_is_not_waited_for_and_a_page_not_for_ever(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let supervisor = Supervisor::of(SEALING, &[])?;
    // How many tries there are, each of which the other process counts.
    let tries = |file, reason| {
        let before = supervisor.calls();
        let file = is_not_sealed(file, reason)?;
        Ok::<_, crate::Stop>((file, supervisor.calls() - before))
    };
    let mut file = ok!(kernel::holding(&[7; PAGE]));
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    // The second try shows that the kernel does not wait. If a busy machine delays it for 50 ms, the
    // library takes that for the kernel's waiting, and tries again.
    let mut fewest = u32::MAX;
    for _ in 0..100 {
        let before = raw::now();
        let (same, count) = tries(file, BUSY)?;
        let took = raw::now().saturating_sub(before);
        file = same;
        fewest = fewest.min(count);
        holds!(
            count <= 2 || took >= (count - 2) * Duration::from_millis(50),
            "{count} tries in {took:?}"
        );
        if fewest <= 2 {
            break;
        }
    }
    same!(fewest, 2);
    let before = supervisor.calls();
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    same!(supervisor.calls(), before + 1);
    drop(mapping);
    ok!(file.seal());
    same!(supervisor.calls(), before + 2);

    let (file, _pipe) = ok!(with_a_page_in_use());
    let (file, count) = tries(file, BUSY)?;
    same!(count, 4);
    let before = supervisor.calls();
    refused!(file.add_seals(Seals::WRITE), Errno::EBUSY);
    same!(supervisor.calls(), before + 1);
    // Another error is returned at once.
    let file = ok!(MemFdOptions::new().sealable(false).create(c"suite"));
    same!(tries(file, CLOSED)?.1, 1);
    Ok(())
}

fn without_a_clock_sealing_is_tried_twice(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let (file, _pipe) = ok!(with_a_page_in_use());
    let supervisor = Supervisor::of(SEALING, &[])?;
    ok!(raw::refuse(Which::All(sc::nr::CLOCK_GETTIME), Errno::EPERM));
    is_not_sealed(file, BUSY)?;
    same!(supervisor.calls(), 2);
    Ok(())
}

fn sealing_while_another_process_maps_in_a_loop_ends(_: &World) -> Verdict {
    const TRIES: usize = 500;
    let mut file = ok!(kernel::holding(&[7; PAGE]));
    let steps = ok!(Steps::new());
    let hostile = ok!(Child::start(Descriptors::Copied, || {
        loop {
            match Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE) {
                Ok(mapping) => mapping.put(0, 7),
                // The file was sealed first.
                Err(error) => {
                    same!(error, Errno::EPERM);
                    return Ok(());
                }
            }
            steps.reach(1);
        }
    }));
    steps.wait_for(1)?;
    let before = raw::now();
    for _ in 0..TRIES {
        match file.seal() {
            Ok(sealed) => {
                is_sealed_with(&sealed, &[7; PAGE])?;
                return hostile.finish(PATIENCE);
            }
            Err(refused) => {
                same!(refused.kind(), BUSY);
                file = refused.into_inner();
            }
        }
    }
    // Each attempt ends, whoever wins.
    holds!(raw::now().saturating_sub(before) < Duration::from_secs(100));
    drop(hostile);
    is_sealed_with(&ok!(file.seal()), &[7; PAGE])
}

fn a_copy_of_memory_is_sealed_and_exact(world: &World) -> Verdict {
    let mut content = *b"0123";
    let sealed = ok!(SealedMemFd::copy_from_slice(c"settings", &content));
    content[0] = b'x';
    is_sealed_with(&sealed, b"0123")?;
    same!(content[0], b'x');
    is_sealed_with(
        &ok!(SealedMemFd::copy_from_slice("settings", b"0123")),
        b"0123",
    )?;
    same!(kernel::mode(&sealed), Ok(0o666));
    needs!(world.proc, world::NO_PROC);
    let mut room = [0; 512];
    let link = ok!(kernel::link_of(&sealed, &mut room));
    holds!(link.starts_with(b"/memfd:settings"));
    Ok(())
}

fn a_copy_of_nothing_is_empty(_: &World) -> Verdict {
    is_sealed_with(&ok!(SealedMemFd::copy_from_slice(c"", b"")), b"")
}

fn a_copy_of_much_is_whole(_: &World) -> Verdict {
    const LEN: usize = (3 << 20) + 1;
    let mut content = ok!(Buffer::new(LEN));
    for page in content.chunks_mut(PAGE) {
        page[0] = 7;
    }
    let sealed = ok!(SealedMemFd::copy_from_slice(c"much", &content));
    is_sealed_with(&sealed, &content)
}

fn a_copy_with_a_wrong_name_is_refused(_: &World) -> Verdict {
    let long = [b'x'; 250];
    refused!(
        SealedMemFd::copy_from_slice(ok!(core::str::from_utf8(&long)), b"x"),
        CreateError::NameTooLong { len: 250 }
    );
    refused!(
        SealedMemFd::copy_from_slice("a\0b", b"x"),
        CreateError::NameHasNul { at: 1 }
    );
    Ok(())
}

fn a_copy_above_the_processs_limit_is_refused(_: &World) -> Verdict {
    ok!(raw::ignore(linux_raw_sys::general::SIGXFSZ));
    ok!(kernel::limit(Resource::Fsize, 10));
    is_sealed_with(
        &ok!(SealedMemFd::copy_from_slice(c"ten", &[7; 10])),
        &[7; 10],
    )?;
    refused!(
        SealedMemFd::copy_from_slice(c"more", &[7; 11]),
        CreateError::Kernel(Errno::EFBIG)
    );
    Ok(())
}

fn a_build_is_written_in_place(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    // The library makes no call that would copy bytes into the file.
    for number in [sc::nr::WRITE, sc::nr::PWRITE64, sc::nr::WRITEV] {
        ok!(raw::refuse(Which::All(number), Errno::EIO));
    }
    for len in [SMALL + 1, EXTENT + 1] {
        let sealed = ok!(SealedMemFd::create_with(c"suite", len, |bytes| {
            bytes[..4].copy_from_slice(b"0123");
            bytes[len - 1] = 9;
        }));
        let map = ok!(sealed.map());
        same!((map.len(), map[len - 1]), (len, 9));
        same!(map[..4], *b"0123");
    }
    Ok(())
}

/// Two small things are needed less than a mapping costs: it must not be there.
fn a_small_build_makes_no_mapping(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    for number in [sc::nr::MMAP, sc::nr::FALLOCATE, sc::nr::FTRUNCATE] {
        ok!(raw::refuse(Which::All(number), Errno::EIO));
    }
    for len in [1, 7, 8, 9, 100, SMALL - 1, SMALL] {
        let mut zeros = false;
        let sealed = ok!(SealedMemFd::create_with(c"suite", len, |bytes| {
            zeros = bytes.len() == len && bytes.iter().all(|byte| *byte == 0);
            bytes.fill(7);
        }));
        holds!(zeros);
        same!(kernel::holds_exactly(&sealed, &[7; SMALL][..len]), Ok(true));
        // Its offset is at the start, as that of every other one.
        let mut first = [0];
        same!(kernel::read(&sealed, &mut first), Ok(1));
    }
    Ok(())
}

fn a_build_starts_with_zeros_and_keeps_what_is_written(_: &World) -> Verdict {
    for len in [
        1,
        100,
        SMALL,
        SMALL + 1,
        PAGE - 1,
        PAGE,
        PAGE + 1,
        2 * attacks::LARGEST_PAGE + 3,
        EXTENT - 1,
        EXTENT,
        EXTENT + 1,
        2 * EXTENT + PAGE,
    ] {
        let mut seen = None;
        let sealed = ok!(SealedMemFd::create_with("suite", len, |bytes| {
            seen = Some((bytes.len(), bytes.iter().all(|byte| *byte == 0)));
            bytes[len - 1] = 9;
            bytes[0] = 7;
        }));
        same!(seen, Some((len, true)));
        same!(sealed.len(), len);
        holds!(ok!(sealed.seals()).contains(ALL));
        let map = ok!(sealed.map());
        same!(map.len(), len);
        same!(map[0], 7);
        holds!(len == 1 || map[len - 1] == 9);
        holds!(map.iter().filter(|byte| **byte != 0).count() == len.min(2));
    }
    Ok(())
}

fn a_build_of_nothing_is_empty(_: &World) -> Verdict {
    let mut calls = 0;
    let sealed = ok!(SealedMemFd::create_with(c"suite", 0, |bytes| {
        calls += 1 + bytes.len();
    }));
    same!(calls, 1);
    is_sealed_with(&sealed, b"")
}

fn a_build_has_its_memory_before_it_is_written(_: &World) -> Verdict {
    const LEN: usize = 3 << 20;
    let number = ok!(attacks::next_number());
    let mut allocated = Ok(0);
    let sealed = ok!(SealedMemFd::create_with(c"suite", LEN, |_| {
        allocated = attacks::borrow(number, attacks::allocated);
    }));
    same!(sealed.as_raw_fd(), number);
    holds!(ok!(allocated) >= LEN as u64);
    Ok(())
}

/// The build fails for this reason, before the caller's function runs.
fn is_not_built(options: MemFdOptions, name: &str, len: usize, reason: CreateError) -> Verdict {
    let mut called = false;
    let built = options.create_with(name, len, |_| called = true);
    same!(built.err(), Some(reason));
    holds!(!called);
    Ok(())
}

fn a_build_without_room_is_refused_before_it_is_written(world: &World) -> Verdict {
    let options = MemFdOptions::new();
    ok!(raw::ignore(linux_raw_sys::general::SIGXFSZ));
    children::apart(|| {
        ok!(kernel::limit(Resource::Fsize, 3 * EXTENT as u64));
        let refused = CreateError::Kernel(Errno::EFBIG);
        is_not_built(options, "x", 3 * EXTENT + 1, refused)?;
        ok!(kernel::limit(Resource::Fsize, SMALL as u64));
        is_not_built(options, "x", SMALL + 1, refused)
    })?;
    needs!(world.filters, world::NO_FILTERS);
    // There is no memory, no address space for a mapping, or no way to keep the mapping out of
    // children.
    for (number, error) in [
        (sc::nr::FALLOCATE, Errno::ENOSPC),
        (sc::nr::MMAP, Errno::ENOMEM),
        (sc::nr::MADVISE, Errno::EINVAL),
    ] {
        let before = kernel::open_descriptors();
        children::apart(|| {
            ok!(raw::refuse(Which::All(number), error));
            for len in [SMALL + 1, EXTENT] {
                is_not_built(options, "x", len, CreateError::Kernel(error))?;
            }
            same!(kernel::open_descriptors(), before);
            Ok(())
        })?;
    }
    Ok(())
}

fn a_build_that_cannot_be_filled_leaves_nothing(world: &World) -> Verdict {
    #[derive(Debug, PartialEq)]
    struct Wrong(usize);

    let held = || {
        // An emulator maps memory of its own at any time.
        let mapped = world.is_of_a_kernel().then(kernel::mapped_memory);
        (kernel::open_descriptors(), mapped)
    };
    let options = MemFdOptions::new();
    for len in [0, 1, SMALL, SMALL + 1, EXTENT] {
        let before = held();
        let failed = options.try_create_with(c"suite", len, |bytes| {
            bytes.fill(7);
            Err(Wrong(bytes.len()))
        });
        same!(failed.err(), Some(TryCreateError::Fill(Wrong(len))));
        same!(held(), before);
        let sealed = ok!(options.try_create_with(c"suite", len, |bytes| {
            bytes.fill(7);
            Ok::<(), Wrong>(())
        }));
        holds!(ok!(sealed.seals()).contains(ALL));
        same!(sealed.len(), len);
        holds!(ok!(sealed.map()).iter().all(|byte| *byte == 7));
    }
    let mut called = false;
    let failed = options.try_create_with("a\0b", 1, |_| {
        called = true;
        Err(Wrong(0))
    });
    let reason = TryCreateError::Create(CreateError::NameHasNul { at: 1 });
    same!(failed.err(), Some(reason));
    holds!(!called);
    Ok(())
}

fn a_small_build_without_room_is_refused_and_leaves_nothing(world: &World) -> Verdict {
    ok!(raw::ignore(linux_raw_sys::general::SIGXFSZ));
    let before = kernel::open_descriptors();
    let is_refused = |len, error| {
        let built = SealedMemFd::create_with("x", len, |bytes| bytes.fill(7));
        same!(built.err(), Some(CreateError::Kernel(error)));
        same!(kernel::open_descriptors(), before);
        Ok(())
    };
    children::apart(|| {
        ok!(kernel::limit(Resource::Fsize, 100));
        is_refused(101, Errno::EFBIG)?;
        is_refused(SMALL, Errno::EFBIG)?;
        ok!(SealedMemFd::create_with("x", 100, |_| {}));
        Ok(())
    })?;
    needs!(world.filters, world::NO_FILTERS);
    ok!(raw::refuse(Which::All(sc::nr::PWRITE64), Errno::ENOSPC));
    is_refused(1, Errno::ENOSPC)
}

fn a_build_beyond_a_slice_is_refused_before_it_is_written(_: &World) -> Verdict {
    let beyond = isize::MAX as usize + 1;
    for len in [beyond, beyond + PAGE, usize::MAX] {
        is_not_built(MemFdOptions::new(), "x", len, CreateError::TooLong { len })?;
    }
    Ok(())
}

fn a_build_with_a_wrong_name_is_refused_before_it_is_written(_: &World) -> Verdict {
    let reason = CreateError::NameHasNul { at: 1 };
    is_not_built(MemFdOptions::new(), "a\0b", 4, reason)
}

/// Builds a file of `len` bytes, while another process sets its length to `to` after each number of
/// system calls in turn, and then after every call. A page that is cut off while it is written would
/// kill the builder.
fn is_right_or_refused(options: MemFdOptions, len: usize, to: usize) -> Verdict {
    let number = ok!(attacks::next_number());
    let refusals = ok!(raw::Shared::new(AtomicU32::new(0)));
    let mut attacked = Some(0);
    loop {
        // The other process has the same descriptors, as if it had opened `/proc/PID/fd`.
        let builder = ok!(Child::start(Descriptors::Shared, || {
            ok!(raw::be_traced());
            match options.create_with(c"suite", len, |bytes| bytes.fill(7)) {
                Ok(sealed) => {
                    same!(sealed.len(), len);
                    holds!(ok!(sealed.seals()).contains(ALL));
                    holds!(ok!(sealed.map()).iter().all(|byte| *byte == 7));
                }
                Err(error) => {
                    same!(error, CreateError::Kernel(Errno::EBUSY));
                    refusals.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        }));
        let mut at = 0;
        builder.finish_in_steps(|| {
            if attacked.is_none_or(|attacked| attacked == at) {
                // The file may not be there yet, be sealed, or be gone.
                let _ = attacks::borrow(number, |fd| kernel::truncate(fd, to as u64));
            }
            at += 1;
        })?;
        let Some(before) = attacked else {
            holds!(refusals.load(Ordering::Relaxed) > 0, "none is refused");
            return Ok(());
        };
        attacked = (before < at).then_some(before + 1);
    }
}

fn a_build_whose_length_is_changed_between_calls_is_right_or_refused(world: &World) -> Verdict {
    needs!(world.tracing, world::NO_TRACING);
    let len = 2 * attacks::LARGEST_PAGE;
    for to in [0, attacks::LARGEST_PAGE, 3 * attacks::LARGEST_PAGE] {
        is_right_or_refused(MemFdOptions::new(), len, to)?;
    }
    // Of a small file nothing is mapped, but its length counts too.
    is_right_or_refused(MemFdOptions::new(), 0, 1)?;
    for to in [0, SMALL + 1] {
        is_right_or_refused(MemFdOptions::new(), SMALL, to)?;
    }
    Ok(())
}

fn a_build_of_huge_pages_whose_length_is_changed_is_right_or_refused(world: &World) -> Verdict {
    needs!(world.tracing, world::NO_TRACING);
    let size = attacks::huge_page_size(world, 2)?;
    for to in [0, 2 * size] {
        is_right_or_refused(on_huge_pages(), size, to)?;
    }
    Ok(())
}

fn a_build_is_not_inherited(world: &World) -> Verdict {
    needs!(world.advice, world::NO_ADVICE);
    let steps = ok!(Steps::new());
    let mut child = None;
    let before = raw::now();
    let sealed = ok!(SealedMemFd::create_with(c"suite", 2 * PAGE, |bytes| {
        bytes.fill(7);
        let start = bytes.as_ptr();
        child = Some(Child::start(Descriptors::Copied, || {
            same!(attacks::is_mapped(start), Ok(false));
            steps.reach(1);
            steps.wait_for(2)
        }));
        // The child keeps running while the file is sealed.
        let _ = steps.wait_for(1);
    }));
    is_sealed_with(&sealed, &[7; 2 * PAGE])?;
    holds!(raw::now().saturating_sub(before) < Duration::from_secs(10));
    steps.reach(2);
    let Some(child) = child else {
        fail!("never built");
    };
    ok!(child).finish(PATIENCE)
}

/// Builds while another process has mapped the file for writing, and keeps it mapped for `time`.
fn built_while_mapped(time: Duration) -> Result<Result<SealedMemFd, CreateError>, crate::Stop> {
    let number = ok!(attacks::next_number());
    let steps = ok!(Steps::new());
    let mut child = None;
    let built = SealedMemFd::create_with(c"suite", PAGE, |bytes| {
        bytes.fill(7);
        child = Some(Child::start(Descriptors::Copied, || {
            attacks::borrow(number, |fd| {
                let mapping = ok!(Mapping::of(fd, PAGE, Stores::Shared, READ | WRITE));
                steps.reach(1);
                kernel::sleep(time);
                same!(mapping.get(0), 7);
                Ok(())
            })
        }));
        let _ = steps.wait_for(1);
    });
    let Some(child) = child else {
        fail!("never built");
    };
    match built {
        Ok(_) => ok!(child).finish(PATIENCE)?,
        // This kills the child, which would sleep for long.
        Err(_) => drop(child),
    }
    Ok(built)
}

fn a_build_waits_for_a_moments_mapping(_: &World) -> Verdict {
    let sealed = ok!(built_while_mapped(Duration::from_millis(15))?);
    is_sealed_with(&sealed, &[7; PAGE])
}

fn a_build_does_not_wait_for_ever(_: &World) -> Verdict {
    // A quarter of a second, between nine tries.
    ends_within(Duration::from_secs(3), || {
        let built = built_while_mapped(Duration::from_secs(60))?;
        same!(built.err(), Some(CreateError::Verify(BUSY)));
        Ok(())
    })
}

fn a_build_does_not_wait_for_a_page_for_ever(_: &World) -> Verdict {
    // Nine tries of 0.16 s, and a quarter of a second between them.
    ends_within(Duration::from_secs(4), || {
        let number = ok!(attacks::next_number());
        let mut pipe = None;
        let built = SealedMemFd::create_with(c"suite", PAGE, |bytes| {
            bytes.fill(7);
            pipe = attacks::borrow(number, |fd| {
                let pipe = kernel::pipe()?;
                Mapping::of(fd, PAGE, Stores::Shared, READ | WRITE)?.pin_into(&pipe.1)?;
                Ok::<_, Errno>(pipe)
            })
            .ok();
        });
        holds!(pipe.is_some());
        same!(built.err(), Some(CreateError::Verify(BUSY)));
        Ok(())
    })
}

fn a_file_of_the_librarys_own_is_sealed_in_nine_tries(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let busy = Response::Error(Errno::EBUSY);
    children::apart(|| {
        let supervisor = Supervisor::of(SEALING, &[busy; 100])?;
        let copied = SealedMemFd::copy_from_slice(c"suite", b"x");
        same!(copied.err(), Some(CreateError::Verify(BUSY)));
        same!(supervisor.calls(), 9);
        Ok(())
    })?;
    children::apart(|| {
        // The last one succeeds.
        let supervisor = Supervisor::of(SEALING, &[busy; 8])?;
        is_sealed_with(&ok!(SealedMemFd::copy_from_slice(c"suite", b"x")), b"x")?;
        same!(supervisor.calls(), 9);
        Ok(())
    })
}

fn a_build_keeps_to_its_options(world: &World) -> Verdict {
    let options = MemFdOptions::new().close_on_exec(false).sealable(false);
    let sealed = ok!(options.create_with(c"suite", 4, |bytes| bytes.fill(7)));
    same!(kernel::close_on_exec(&sealed), Ok(false));
    holds!(ok!(sealed.seals()).contains(ALL));
    same!(kernel::mode(&sealed), Ok(0o666));
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let options = MemFdOptions::new().executable(true);
    let sealed = ok!(options.create_with(c"suite", 4, |bytes| bytes.fill(7)));
    is_sealed_with(&sealed, &[7; 4])?;
    same!(kernel::mode(&sealed), Ok(0o777));
    Ok(())
}

fn on_huge_pages() -> MemFdOptions {
    MemFdOptions::new().huge_pages(HugePageSize::DEFAULT)
}

fn a_build_on_huge_pages_is_like_any_other(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    for len in [size, 2 * size] {
        let mut zeros = false;
        let sealed = ok!(on_huge_pages().create_with(c"suite", len, |bytes| {
            zeros = bytes.len() == len && bytes.iter().all(|byte| *byte == 0);
            bytes.fill(7);
        }));
        holds!(zeros);
        same!(sealed.len(), len);
        holds!(ok!(sealed.seals()).contains(ALL));
        let map = ok!(sealed.map());
        same!(map.len(), len);
        holds!(map.iter().all(|byte| *byte == 7));
    }
    // Where nothing can be written, a slice is copied in place.
    let page = ok!(on_huge_pages().create_with(c"suite", size, |bytes| bytes.fill(7)));
    let content = ok!(page.map());
    let copy = ok!(on_huge_pages().copy_from_slice(c"suite", &content));
    holds!(*ok!(copy.map()) == *content);
    let empty = ok!(on_huge_pages().create_with(c"suite", 0, |_| {}));
    is_sealed_with(&empty, b"")
}

fn a_build_of_a_part_of_a_huge_page_is_refused_or_exact(world: &World) -> Verdict {
    let page_size = attacks::huge_page_size(world, 1)?;
    let mut called = false;
    match on_huge_pages().create_with(c"suite", 100, |_| called = true) {
        Ok(sealed) => {
            same!(sealed.len(), 100);
            same!(ok!(sealed.map()).len(), 100);
        }
        Err(error) => {
            same!(
                error,
                CreateError::PartialHugePage {
                    len: 100,
                    page_size
                }
            );
            holds!(!called);
        }
    }
    Ok(())
}

fn a_build_of_more_huge_pages_than_there_are_is_refused(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    let all = ok!(attacks::take_all_huge_pages(size));
    let none = CreateError::NoHugePages { len: size };
    is_not_built(on_huge_pages(), "x", size, none)?;
    drop(all);
    ok!(on_huge_pages().create_with(c"x", size, |_| {}));
    Ok(())
}

fn inode(fd: &impl AsFd) -> Result<u64, Errno> {
    Ok(kernel::stat(fd)?.st_ino)
}

fn what_is_sealed_is_not_copied(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::WRITE | Seals::SHRINK));
    let (number, node) = (file.as_raw_fd(), ok!(inode(&file)));
    let sealed = ok!(SealedMemFd::verify_or_copy(file.into(), 4));
    same!(sealed.as_raw_fd(), number);
    same!(inode(&sealed), Ok(node));
    holds!(!ok!(sealed.seals()).contains(Seals::SEAL));
    Ok(())
}

fn what_is_not_sealed_is_copied_and_stays_as_it_was(_: &World) -> Verdict {
    let sender = ok!(kernel::holding(&[7; 3 * PAGE + 5]));
    let before = sender.seals();
    let mapping = ok!(Mapping::of(&sender, PAGE, Stores::Shared, READ | WRITE));
    let descriptor = ok!(kernel::dup(&sender));
    let number = descriptor.as_raw_fd();
    let sealed = ok!(SealedMemFd::verify_or_copy(descriptor, usize::MAX));
    holds!(inode(&sealed) != inode(&sender));
    // The sender's descriptor is closed.
    holds!(sealed.as_raw_fd() == number || !raw::is_open(number));
    mapping.put(0, 8);
    ok!(sender.set_len(1));
    is_sealed_with(&sealed, &[7; 3 * PAGE + 5])?;
    same!(sender.seals(), before);
    same!(sender.len(), Ok(1));
    // An empty file is copied too.
    let empty: OwnedFd = ok!(kernel::sealable()).into();
    is_sealed_with(&ok!(SealedMemFd::verify_or_copy(empty, 0)), b"")
}

fn what_is_sealed_against_future_writing_is_copied(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let sender = ok!(kernel::holding(&[7; PAGE]));
    let mapping = ok!(Mapping::of(&sender, PAGE, Stores::Shared, READ | WRITE));
    ok!(sender.add_seals(Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL));
    let sealed = ok!(SealedMemFd::verify_or_copy(ok!(kernel::dup(&sender)), PAGE));
    mapping.put(0, 8);
    is_sealed_with(&sealed, &[7; PAGE])
}

fn a_copy_has_no_offset_to_mind(world: &World) -> Verdict {
    let sender = ok!(kernel::holding(b"0123456789"));
    for at in [0, 4, 10, 1000] {
        same!(sender.seek(SeekFrom::Start(at)), Ok(at));
        let sealed = ok!(SealedMemFd::verify_or_copy(ok!(kernel::dup(&sender)), 10));
        is_sealed_with(&sealed, b"0123456789")?;
        same!(sender.seek(SeekFrom::Current(0)), Ok(at));
    }
    needs!(world.proc, world::NO_PROC);
    let reader = ok!(kernel::reopen(&sender, OFlags::RDONLY));
    is_sealed_with(&ok!(SealedMemFd::verify_or_copy(reader, 10)), b"0123456789")
}

fn a_copy_is_as_long_as_allowed_and_no_longer(_: &World) -> Verdict {
    let mut fd: OwnedFd = ok!(kernel::holding(&[7; 5000])).into();
    for limit in [0, 1, PAGE, 4999] {
        let number = fd.as_raw_fd();
        let Err(refused) = SealedMemFd::verify_or_copy(fd, limit) else {
            fail!("5000 bytes are copied within {limit}");
        };
        same!(refused.get_ref().as_raw_fd(), number);
        match refused.kind() {
            VerifyErrorKind::TooLarge { len, max_len } => same!((len, max_len), (5000, limit)),
            reason => fail!("{reason:?}"),
        }
        fd = refused.into_inner();
    }
    is_sealed_with(&ok!(SealedMemFd::verify_or_copy(fd, 5000)), &[7; 5000])
}

fn a_copy_of_a_giant_ends_at_the_limit(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let giant = ok!(kernel::sealable());
    ok!(giant.set_len(i64::MAX as u64));
    let Err(refused) = SealedMemFd::verify_or_copy(giant.into(), PAGE) else {
        fail!("2^63 bytes are copied");
    };
    holds!(matches!(refused.kind(), VerifyErrorKind::TooLarge { .. }));
    // The library has read none of it.
    same!(attacks::allocated(refused.get_ref()), Ok(0));
    Ok(())
}

fn a_copy_of_a_file_that_changes_its_length_keeps_to_the_limit(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let sender = ok!(kernel::holding(&[7; PAGE]));
    let steps = ok!(Steps::new());
    let hostile = ok!(Child::start(Descriptors::Copied, || loop {
        for len in [1, PAGE as u64, 1 << 20, i64::MAX as u64, 0] {
            ok!(sender.set_len(len));
        }
        steps.reach(1);
    }));
    steps.wait_for(1)?;
    for _ in 0..300 {
        match SealedMemFd::verify_or_copy(ok!(kernel::dup(&sender)), 3 * PAGE) {
            Ok(sealed) => {
                holds!(sealed.len() <= 3 * PAGE);
                holds!(ok!(sealed.seals()).contains(ALL));
                same!(ok!(sealed.map()).len(), sealed.len());
            }
            Err(refused) => holds!(
                matches!(refused.kind(), VerifyErrorKind::TooLarge { .. }),
                "{:?}",
                refused.kind()
            ),
        }
    }
    drop(hostile);
    Ok(())
}

/// A file is not copied if it gets longer than allowed just before the call `at` of this number.
fn is_not_copied_if_it_grows_before(number: usize, at: u32) -> Verdict {
    let sender = ok!(kernel::holding(&[7; PAGE]));
    let descriptor = ok!(kernel::dup(&sender));
    let held = ok!(raw::hold(Which::All(number)));
    let growing = ok!(Child::start(Descriptors::Copied, || {
        for call in 1.. {
            ok!(held.respond(|| {
                if call == at {
                    // The copy shows whether this has worked.
                    let _ = sender.set_len(2 * PAGE as u64);
                }
                Response::LetThrough
            }));
        }
        Ok(())
    }));
    let Err(refused) = SealedMemFd::verify_or_copy(descriptor, PAGE) else {
        fail!("a part of the file is taken for all of it");
    };
    let len = PAGE as u64 + 1;
    let reason = VerifyErrorKind::TooLarge { len, max_len: PAGE };
    same!(refused.kind(), reason);
    drop(growing);
    Ok(())
}

/// The library has asked for the length before, and found it allowed.
fn a_copy_of_a_file_that_gets_longer_meanwhile_is_not_a_part_of_it(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    children::apart(|| {
        // What the kernel copies by itself. The second call looks for the end.
        ok!(raw::refuse(Which::All(sc::nr::PREAD64), Errno::EIO));
        is_not_copied_if_it_grows_before(sc::nr::COPY_FILE_RANGE, 2)
    })?;
    children::apart(|| {
        // What goes through a buffer, which is full just at the limit.
        let error = Errno::ENOSYS;
        ok!(raw::refuse(Which::All(sc::nr::COPY_FILE_RANGE), error));
        is_not_copied_if_it_grows_before(sc::nr::PREAD64, 1)
    })
}

fn a_copy_is_the_same_without_the_kernels_help(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    for error in [
        Errno::ENOSYS,
        Errno::EXDEV,
        Errno::EINVAL,
        Errno::EOPNOTSUPP,
        // A file that the kernel swaps to.
        Errno::ETXTBSY,
        // Another process has got the copy's descriptor, and makes it append.
        Errno::EBADF,
    ] {
        children::apart(|| {
            let sender = ok!(kernel::holding(&[7; 5000]));
            same!(sender.seek(SeekFrom::Start(9)), Ok(9));
            ok!(raw::refuse(Which::All(sc::nr::COPY_FILE_RANGE), error));
            let copy = |limit| {
                SealedMemFd::verify_or_copy(kernel::dup(&sender)?, limit).map_err(|refused| {
                    match refused.kind() {
                        VerifyErrorKind::TooLarge { .. } => Errno::EFBIG,
                        _ => Errno::EIO,
                    }
                })
            };
            is_sealed_with(&ok!(copy(5000)), &[7; 5000])?;
            is_sealed_with(&ok!(copy(usize::MAX)), &[7; 5000])?;
            refused!(copy(4999), Errno::EFBIG);
            same!(sender.seek(SeekFrom::Current(0)), Ok(9));
            Ok(())
        })?;
    }
    Ok(())
}

fn a_copy_goes_on_after_an_interruption(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let sender = ok!(kernel::holding(&[7; 5000]));
    let interrupted = [Response::Error(Errno::EINTR); 2];
    let is_copied = |call, calls| {
        let supervisor = Supervisor::of(Which::All(call), &interrupted)?;
        let sealed = ok!(SealedMemFd::verify_or_copy(ok!(kernel::dup(&sender)), 5000));
        holds!(supervisor.calls() >= calls);
        is_sealed_with(&sealed, &[7; 5000])
    };
    children::apart(|| is_copied(sc::nr::COPY_FILE_RANGE, 3))?;
    for call in [sc::nr::PREAD64, sc::nr::PWRITE64] {
        children::apart(|| {
            // Through the buffer.
            ok!(raw::refuse(
                Which::All(sc::nr::COPY_FILE_RANGE),
                Errno::EXDEV
            ));
            is_copied(call, 5)
        })?;
    }
    Ok(())
}

fn a_copy_that_is_held_for_too_long_is_refused(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let sender = ok!(kernel::holding(&[7; 100]));
    let number = sender.as_raw_fd();
    // Only these seals: before Linux 6.3, creating a file adds another one.
    let seals = Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL;
    ok!(raw::refuse(
        Which::Equal(sc::nr::FCNTL, 2, seals.bits()),
        Errno::EBUSY
    ));
    let Err(refused) = SealedMemFd::verify_or_copy(sender.into(), 100) else {
        fail!("sealed while nobody may seal");
    };
    same!(refused.kind(), BUSY);
    same!(refused.get_ref().as_raw_fd(), number);
    Ok(())
}

fn a_copy_of_a_file_on_huge_pages_is_an_ordinary_one(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let file = ok!(attacks::huge());
    // Reading a hole allocates no huge page.
    ok!(file.set_len(32 << 20));
    let sealed = ok!(SealedMemFd::verify_or_copy(
        ok!(kernel::dup(&file)),
        32 << 20
    ));
    same!(sealed.len(), 32 << 20);
    same!(kernel::is_on_tmpfs(&sealed), Ok(true));
    holds!(
        ok!(sealed.map())
            .iter()
            .step_by(PAGE)
            .all(|byte| *byte == 0)
    );
    let Err(refused) = SealedMemFd::verify_or_copy(file.into(), PAGE) else {
        fail!("32 MiB are copied within a page");
    };
    holds!(matches!(refused.kind(), VerifyErrorKind::TooLarge { .. }));
    Ok(())
}

fn what_is_sealed_and_too_long_is_not_copied(world: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &[7; 100]));
    if world.filters {
        // Not even an attempt is made to create a file.
        ok!(raw::refuse(Which::All(sc::nr::MEMFD_CREATE), Errno::EIO));
    }
    let Err(refused) = SealedMemFd::verify_or_copy(sealed.into(), 99) else {
        fail!("100 bytes are copied within 99");
    };
    let reason = VerifyErrorKind::TooLarge {
        len: 100,
        max_len: 99,
    };
    same!(refused.kind(), reason);
    Ok(())
}

/// The descriptor is not copied for this reason, and comes back. An empty pipe whose other end is
/// open, and much else that is shown here, would be waited for without end.
fn is_not_copied(fd: OwnedFd, reason: VerifyErrorKind) -> Verdict {
    let number = fd.as_raw_fd();
    let Err(refused) = SealedMemFd::verify_or_copy(fd, 100) else {
        fail!("copied, and not refused with {reason:?}");
    };
    same!(refused.kind(), reason);
    same!(refused.get_ref().as_raw_fd(), number);
    Ok(())
}

fn what_can_block_is_not_copied_and_not_waited_for(_: &World) -> Verdict {
    strangers::blocking_files(|fd| is_not_copied(fd, VerifyErrorKind::CanBlock))
}

fn a_descriptor_of_a_process_is_not_copied_and_not_waited_for(_: &World) -> Verdict {
    strangers::process(|fd| is_not_copied(fd, VerifyErrorKind::CanBlock))
}

fn a_named_pipe_is_not_copied_and_not_waited_for(world: &World) -> Verdict {
    strangers::named_pipe(world, |fd| is_not_copied(fd, VerifyErrorKind::CanBlock))
}

fn a_character_device_is_not_copied(world: &World) -> Verdict {
    strangers::devices(world, |fd| is_not_copied(fd, VerifyErrorKind::CanBlock))
}

fn a_terminal_is_not_copied_and_not_waited_for(_: &World) -> Verdict {
    strangers::terminal(|fd| is_not_copied(fd, VerifyErrorKind::CanBlock))
}

fn a_directory_is_not_copied(_: &World) -> Verdict {
    strangers::directory(|fd| is_not_copied(fd, VerifyErrorKind::NotRegular))
}

fn a_block_device_is_not_copied(world: &World) -> Verdict {
    strangers::block_device(world, |fd| is_not_copied(fd, VerifyErrorKind::NotRegular))
}

fn a_descriptor_without_access_is_not_copied(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let path = ok!(kernel::reopen(&ok!(kernel::sealable()), OFlags::PATH));
    is_not_copied(path, VerifyErrorKind::PathOnly)?;
    let program = ok!(kernel::reopen(&ok!(kernel::program()), OFlags::PATH));
    is_not_copied(program, VerifyErrorKind::PathOnly)
}

fn secret_memory_cannot_be_read_and_is_not_copied(_: &World) -> Verdict {
    strangers::secret_memory(|fd| {
        ok!(kernel::truncate(&fd, PAGE as u64));
        let Err(refused) = SealedMemFd::verify_or_copy(fd, PAGE) else {
            fail!("copied");
        };
        // There is nothing to read, or on some kernels no position.
        holds!(
            matches!(
                refused.kind(),
                VerifyErrorKind::Kernel(Errno::EINVAL | Errno::ESPIPE)
            ),
            "{:?}",
            refused.kind()
        );
        Ok(())
    })
}

/// A regular file that cannot be read: what was copied so far is gone.
fn a_regular_file_that_cannot_be_read_is_not_copied(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let namespace = ok!(kernel::open(c"/proc/self/ns/mnt", OFlags::RDONLY));
    let before = kernel::open_descriptors();
    let number = namespace.as_raw_fd();
    is_not_copied(namespace, VerifyErrorKind::Kernel(Errno::EINVAL))?;
    holds!(!raw::is_open(number));
    let namespace = ok!(kernel::open(c"/proc/self/ns/mnt", OFlags::RDONLY));
    same!(kernel::open_descriptors(), before);
    drop(namespace);
    Ok(())
}

/// Copies a file whose descriptor has an offset and appends, and compares. The offset stays.
fn is_copied_by_position(fd: OwnedFd) -> Verdict {
    let (mut first, mut found) = ([0; 7], [0; PAGE]);
    ok!(kernel::set_status_flags(&fd, OFlags::APPEND));
    same!(kernel::read(&fd, &mut first), Ok(7));
    let sender = raw::disguise(ok!(kernel::dup(&fd)));
    let reason = match raw::seals(&fd) {
        Ok(_) => VerifyErrorKind::MissingSeals(Seals::WRITE | Seals::SHRINK),
        Err(_) => VerifyErrorKind::CanChange,
    };
    let Err(refused) = SealedMemFd::verify(fd, usize::MAX) else {
        fail!("proven");
    };
    same!(refused.kind(), reason);
    let sealed = ok!(SealedMemFd::verify_or_copy(
        refused.into_inner(),
        usize::MAX
    ));
    same!(sender.seek(SeekFrom::Current(0)), Ok(7));
    holds!(ok!(sealed.seals()).contains(ALL));
    let bytes = ok!(sealed.map());
    let mut at = 0;
    loop {
        let count = ok!(kernel::pread(&sender, &mut found, at as u64));
        same!(bytes.get(at..at + count), Some(&found[..count]));
        at += count;
        if count == 0 {
            break;
        }
    }
    same!(at, bytes.len());
    holds!(at >= 7);
    // All of that is needed, and no more.
    let Err(refused) = SealedMemFd::verify_or_copy(ok!(kernel::dup(&sender)), at - 1) else {
        fail!("{at} bytes are copied within one less");
    };
    let reason = VerifyErrorKind::TooLarge {
        len: at as u64,
        max_len: at - 1,
    };
    same!(refused.kind(), reason);
    same!(
        ok!(SealedMemFd::verify_or_copy(refused.into_inner(), at)).len(),
        at
    );
    same!(sender.seek(SeekFrom::Current(0)), Ok(7));
    Ok(())
}

fn an_ordinary_file_is_copied(world: &World) -> Verdict {
    strangers::ordinary_files(world, |fd| {
        if ok!(strangers::is_directory(&fd)) {
            return is_not_copied(fd, VerifyErrorKind::NotRegular);
        }
        if raw::disguise(ok!(kernel::dup(&fd))).len() == Ok(0) {
            // A new one. One of `/proc` says the same, and is not empty.
            let _ = kernel::write(&fd, b"0123456789");
        }
        same!(
            raw::disguise(ok!(kernel::dup(&fd))).seek(SeekFrom::Start(0)),
            Ok(0)
        );
        is_copied_by_position(fd)
    })
}

/// The kernel says of each of these that it is empty, and that it is a regular file.
fn a_file_that_says_it_is_empty_is_copied_whole(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    for path in [c"/proc/version", c"/proc/filesystems", c"/proc/devices"] {
        let file = ok!(kernel::open(path, OFlags::RDONLY));
        same!(raw::disguise(ok!(kernel::dup(&file))).len(), Ok(0));
        is_copied_by_position(file)?;
    }
    Ok(())
}

/// A file without a name, on the file system of `/tmp`.
fn a_file_on_a_disk() -> Result<OwnedFd, Errno> {
    kernel::open(c"/tmp", OFlags::TMPFILE | OFlags::RDWR)
}

fn a_copy_of_an_ordinary_file_that_changes_meanwhile_is_what_was_read(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let copy_while = |len: u64, limit| {
        let sender = match a_file_on_a_disk() {
            Ok(file) => raw::disguise(file),
            Err(_) => ok!(kernel::sealable()),
        };
        ok!(sender.write_all(&[7; PAGE]));
        let descriptor = ok!(kernel::dup(&sender));
        // Through the buffer, of which one read does not take the whole file.
        let error = Errno::EXDEV;
        ok!(raw::refuse(Which::All(sc::nr::COPY_FILE_RANGE), error));
        let held = ok!(raw::hold(Which::All(sc::nr::PREAD64)));
        let changing = ok!(Child::start(Descriptors::Copied, || {
            for call in 0.. {
                ok!(held.respond(|| {
                    if call == 1 {
                        // The copy shows whether this has worked.
                        let _ = sender.set_len(len);
                    }
                    Response::LetThrough
                }));
            }
            Ok(())
        }));
        let copied = SealedMemFd::verify_or_copy(descriptor, limit).map_err(|error| error.kind());
        drop(changing);
        Ok(copied)
    };
    children::apart(|| {
        // It is cut.
        let sealed = ok!(copy_while(1, 2 * PAGE)?);
        holds!(sealed.len() > 1 && sealed.len() < PAGE);
        same!(*ok!(sealed.map()), [7; PAGE][..sealed.len()]);
        Ok(())
    })?;
    children::apart(|| {
        // It grows, within the limit.
        let sealed = ok!(copy_while(PAGE as u64 + 5, 2 * PAGE)?);
        let mut grown = [7; PAGE + 5];
        grown[PAGE..].fill(0);
        holds!(*ok!(sealed.map()) == grown);
        Ok(())
    })?;
    children::apart(|| {
        // It grows beyond the limit.
        let reason = VerifyErrorKind::TooLarge {
            len: PAGE as u64 + 1,
            max_len: PAGE,
        };
        same!(copy_while(1 << 20, PAGE)?.err(), Some(reason));
        Ok(())
    })
}

fn an_ordinary_giant_is_not_read(world: &World) -> Verdict {
    needs!(world.tmpfs, world::NO_TMPFS);
    ok!(kernel::allow_any_length());
    let most = i64::MAX as u64;
    let giant = ok!(kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR));
    ok!(kernel::truncate(&giant, most));
    if world.filters {
        // Not even an attempt is made to create a file.
        ok!(raw::refuse(Which::All(sc::nr::MEMFD_CREATE), Errno::EIO));
    }
    let Err(refused) = SealedMemFd::verify_or_copy(giant, PAGE) else {
        fail!("2^63 bytes are copied");
    };
    let reason = VerifyErrorKind::TooLarge {
        len: most,
        max_len: PAGE,
    };
    same!(refused.kind(), reason);
    Ok(())
}

/// Where the kernel does not tell what kind of file it is, it is not copied.
fn a_file_of_an_unknown_kind_is_not_copied(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    needs!(world.proc, world::NO_PROC);
    let version = ok!(kernel::open(c"/proc/version", OFlags::RDONLY));
    let (pipe, _other_end) = ok!(kernel::pipe());
    // As before Linux 4.11.
    ok!(raw::refuse(Which::All(sc::nr::NEWFSTATAT), Errno::EINVAL));
    is_not_copied(version, VerifyErrorKind::NotMemFd)?;
    is_not_copied(pipe, VerifyErrorKind::NotMemFd)
}

fn a_file_of_a_tmpfs_is_copied(world: &World) -> Verdict {
    needs!(world.tmpfs, world::NO_TMPFS);
    let file = ok!(kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR));
    same!(kernel::write(&file, b"0123"), Ok(4));
    let Err(refused) = SealedMemFd::verify_or_copy(ok!(kernel::dup(&file)), 3) else {
        fail!("4 bytes are copied within 3");
    };
    let reason = VerifyErrorKind::TooLarge { len: 4, max_len: 3 };
    same!(refused.kind(), reason);
    let copy = ok!(SealedMemFd::verify_or_copy(ok!(kernel::dup(&file)), 4));
    ok!(kernel::truncate(&file, 0));
    same!(*ok!(copy.map()), *b"0123");
    Ok(())
}

fn a_copy_of_a_file_is_sealed_and_exact(world: &World) -> Verdict {
    let sender = ok!(kernel::holding(&[7; 3 * PAGE + 5]));
    let before = sender.seals();
    for at in [0, 4, 1 << 20] {
        same!(sender.seek(SeekFrom::Start(at)), Ok(at));
        let options = MemFdOptions::new();
        let sealed = ok!(options.copy_from_file("claim", &sender, 3 * PAGE + 5));
        is_sealed_with(&sealed, &[7; 3 * PAGE + 5])?;
        same!(sender.seek(SeekFrom::Current(0)), Ok(at));
    }
    same!(sender.seals(), before);
    let empty = ok!(kernel::sealable());
    let sealed = ok!(MemFdOptions::new().copy_from_file(c"claim", empty.as_fd(), 0));
    is_sealed_with(&sealed, b"")?;
    needs!(world.proc, world::NO_PROC);
    // Its length is not known: the kernel says 0.
    let version = ok!(kernel::open(c"/proc/version", OFlags::RDONLY));
    let mut room = [0; PAGE];
    let len = ok!(kernel::pread(&version, &mut room, 0));
    holds!(len > 0);
    let sealed = ok!(MemFdOptions::new().copy_from_file(c"claim", &version, len));
    is_sealed_with(&sealed, &room[..len])?;
    let refused = MemFdOptions::new().copy_from_file(c"claim", &version, len - 1);
    holds!(matches!(
        refused,
        Err(CreateError::Verify(VerifyErrorKind::TooLarge { .. }))
    ));
    Ok(())
}

fn a_copy_of_a_file_has_the_options_that_it_is_made_with(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let source = ok!(kernel::holding(b"0123"));
    for yes in [false, true] {
        let options = MemFdOptions::new().executable(yes).close_on_exec(!yes);
        let sealed = ok!(options.sealable(false).copy_from_file(c"claim", &source, 4));
        same!(*ok!(sealed.map()), *b"0123");
        holds!(ok!(sealed.seals()).contains(ALL));
        same!(kernel::close_on_exec(&sealed), Ok(!yes));
        same!(kernel::mode(&sealed), Ok(if yes { 0o777 } else { 0o666 }));
    }
    Ok(())
}

fn a_copy_of_a_file_is_as_long_as_allowed_and_no_longer(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let options = MemFdOptions::new();
    let file = ok!(kernel::holding(&[7; 5000]));
    for limit in [0, 1, PAGE, 4999] {
        match options.copy_from_file(c"claim", &file, limit) {
            Err(CreateError::Verify(VerifyErrorKind::TooLarge { len, .. })) => same!(len, 5000),
            other => fail!("{limit}: {other:?}"),
        }
    }
    let sealed = ok!(options.copy_from_file(c"claim", &file, 5000));
    is_sealed_with(&sealed, &[7; 5000])?;
    ok!(file.set_len(i64::MAX as u64));
    match options.copy_from_file(c"claim", &file, PAGE) {
        Err(CreateError::Verify(VerifyErrorKind::TooLarge { .. })) => Ok(()),
        other => fail!("{other:?}"),
    }
}

fn what_is_no_regular_file_is_neither_read_nor_waited_for(_: &World) -> Verdict {
    // An empty pipe that has a writer: a read of it would never end.
    let (read_end, _write_end) = ok!(kernel::pipe());
    let (socket, _other_end) = ok!(kernel::socket_pair());
    let root = ok!(kernel::open(c"/", OFlags::RDONLY | OFlags::DIRECTORY));
    let refused = |fd| {
        let copy = MemFdOptions::new().copy_from_file(c"claim", &fd, usize::MAX);
        copy.err()
    };
    for fd in [read_end, socket, ok!(kernel::event_counter())] {
        let kind = VerifyErrorKind::CanBlock;
        same!(refused(fd), Some(CreateError::Verify(kind)));
    }
    let kind = VerifyErrorKind::NotRegular;
    same!(refused(root), Some(CreateError::Verify(kind)));
    Ok(())
}

fn a_file_that_cannot_be_read_is_not_copied(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let writer = ok!(kernel::reopen(
        &ok!(kernel::holding(b"0123")),
        OFlags::WRONLY
    ));
    let refused = MemFdOptions::new().copy_from_file(c"claim", &writer, 4);
    let kind = VerifyErrorKind::WriteOnly;
    same!(refused.err(), Some(CreateError::Verify(kind)));
    Ok(())
}

fn a_copy_of_a_file_is_not_made_on_huge_pages_from_a_pool(_: &World) -> Verdict {
    let source = ok!(kernel::holding(b"0123"));
    let options = MemFdOptions::new().huge_pages(HugePageSize::DEFAULT);
    let refused = options.copy_from_file(c"claim", &source, 4);
    same!(refused.err(), Some(CreateError::WriteOnHugePages));
    Ok(())
}

fn what_cannot_be_read_is_not_copied(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let writer = ok!(kernel::reopen(&file, OFlags::WRONLY));
    let number = writer.as_raw_fd();
    let Err(refused) = SealedMemFd::verify_or_copy(writer, 100) else {
        fail!("what cannot be read is copied");
    };
    same!(refused.kind(), VerifyErrorKind::WriteOnly);
    same!(refused.get_ref().as_raw_fd(), number);
    Ok(())
}
