//! Claims about memory that others write at the same time: its length is fixed, its bytes are read
//! as they are, and the file cannot be proven immutable until the sharing ends.

use crate::{
    Verdict, World, attacks,
    children::{Child, PATIENCE, Steps},
    claim::Text,
    kernel::{self, PAGE, READ, WRITE},
    raw::{self, Descriptors, Mapping, Stores, Which},
    world,
};
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd, Seals, SharedMapMut, VerifyErrorKind,
    fd::{AsFd, AsRawFd},
};
use rustix::{fs::OFlags, mm::MlockAllFlags, process::Resource};

/// A reason for which a claim is skipped.
pub(crate) const LOCKS_THE_EMULATOR: &str = "the emulator's own memory would be locked too";

claims!(
    what_is_shared_cannot_be_cut,
    what_one_side_writes_the_other_reads,
    transfers_are_bounded_by_the_length,
    a_file_that_grows_is_shared_at_its_old_length,
    nothing_can_be_shared,
    what_could_be_cut_is_not_shared,
    what_is_sealed_is_not_shared,
    what_is_not_open_for_both_is_not_shared,
    what_is_no_memory_file_is_not_shared,
    what_may_not_be_locked_is_not_shared,
    what_cannot_be_asked_for_its_pages_is_not_shared,
    what_is_shared_is_sealed_only_when_it_is_no_longer,
    unmapping_gives_the_file_back_and_leaves_nothing_mapped,
    what_stands_beside_shared_memory_stays,
    sealed_for_readers_only_what_is_mapped_writes,
    sealed_for_readers_it_is_no_proof_until_it_is_over,
    sealing_for_readers_needs_the_right_to,
    a_view_shows_what_an_old_mapping_writes,
    a_view_of_a_readers_descriptor_does_not_hinder_sealing,
    a_view_outlives_the_descriptor,
    a_view_adds_no_seal_and_needs_one,
    a_view_of_nothing_is_empty,
    shared_huge_pages_are_like_any_other,
);

/// A shared mapping of a new file of `len` bytes.
fn shared(len: usize) -> Result<SharedMapMut, crate::Stop> {
    let file = ok!(kernel::sealable());
    ok!(file.set_len(len as u64));
    match file.map_shared_mut() {
        Ok(shared) => Ok(shared),
        Err(refused) => fail!("refused: {:?}", refused.kind()),
    }
}

/// Sharing fails for this reason. The error returns the file, changed at most by the seal.
fn is_not_shared(file: OwnedMemFd, reason: VerifyErrorKind) -> Result<OwnedMemFd, crate::Stop> {
    let number = file.as_raw_fd();
    let len = file.len();
    match file.map_shared_mut() {
        Ok(shared) => fail!("shared, and not refused with {reason:?}: {shared:?}"),
        Err(refused) => {
            same!(refused.kind(), reason);
            same!(refused.get_ref().as_raw_fd(), number);
            same!(refused.get_ref().len(), len);
            Ok(refused.into_inner())
        }
    }
}

fn what_is_shared_cannot_be_cut(world: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; 2 * PAGE]));
    let other = ok!(file.try_clone());
    let before = ok!(other.seals());
    let Ok(shared) = file.map_shared_mut() else {
        fail!("not shared");
    };
    same!(other.seals(), Ok(before | Seals::SHRINK));
    for len in [0, PAGE as u64, 2 * PAGE as u64 - 1] {
        refused!(other.set_len(len), Errno::EPERM);
    }
    if world.proc {
        refused!(
            kernel::reopen(&shared, OFlags::RDWR | OFlags::TRUNC),
            Errno::EPERM
        );
    }
    // The content can be anything, but can be read.
    ok!(other.punch_hole(0, PAGE as u64));
    let mut found = [9; 2];
    same!(shared.read_at(&mut found, PAGE - 1), 2);
    same!(found, [0, 7]);
    Ok(())
}

fn what_one_side_writes_the_other_reads(_: &World) -> Verdict {
    const LEN: usize = 2 * PAGE + 9;
    let shared = shared(LEN)?;
    let steps = ok!(Steps::new());
    let other = ok!(Child::start(Descriptors::Copied, || {
        let mapping = ok!(Mapping::of(&shared, LEN, Stores::Shared, READ | WRITE));
        steps.wait_for(1)?;
        same!(mapping.get(PAGE - 1), b'0');
        same!(mapping.get(PAGE + 2), b'3');
        mapping.put(PAGE, b'x');
        steps.reach(2);
        steps.wait_for(3)
    }));
    same!(shared.len(), LEN);
    holds!(!shared.is_empty());
    let region = Text::of(format_args!(
        "SharedMap {{ region: Region {{ start: {:?}, len: {LEN}, .. }} }}",
        shared.as_ptr()
    ));
    let shown = Text::of(format_args!("{:?}", &*shared));
    same!(shown.as_str(), region.as_str());
    let shown = Text::of(format_args!("{shared:?}"));
    holds!(shown.as_str().contains(region.as_str()), "{shown:?}");
    same!(shared.write_at(b"0123", PAGE - 1), 4);
    steps.reach(1);
    steps.wait_for(2)?;
    let mut found = [9; 6];
    same!(shared.read_at(&mut found, PAGE - 2), 6);
    same!(&found, b"\x000x23\0");
    // Reading the file returns the same bytes.
    let mut found = [9; 4];
    same!(kernel::pread(&shared, &mut found, PAGE as u64 - 1), Ok(4));
    same!(&found, b"0x23");
    // The pointer leads to mapped memory.
    holds!(ok!(attacks::is_mapped(shared.as_ptr())));
    steps.reach(3);
    other.finish(PATIENCE)
}

fn transfers_are_bounded_by_the_length(_: &World) -> Verdict {
    const LEN: usize = 100;
    let shared = shared(LEN)?;
    let view = ok!(raw::disguise(ok!(kernel::dup(&shared))).map_shared());
    let mut found = [9; 2 * LEN];
    for (offset, count) in [
        (0, LEN),
        (1, LEN - 1),
        (LEN - 1, 1),
        (LEN, 0),
        (LEN + 1, 0),
        (usize::MAX - 1, 0),
        (usize::MAX, 0),
    ] {
        same!(shared.write_at(&[7; 2 * LEN], offset), count);
        same!(shared.read_at(&mut found, offset), count);
        same!(view.read_at(&mut found, offset), count);
        holds!(found[..count].iter().all(|byte| *byte == 7));
    }
    same!(found[LEN..], [9; LEN]);
    same!(shared.write_at(b"", 5), 0);
    same!(shared.read_at(&mut [], 5), 0);
    // The rest of the last page must stay zero: it shows when the file grows.
    let file = shared.unmap();
    ok!(file.set_len(2 * LEN as u64));
    let mut behind = [9; LEN];
    ok!(file.read_exact_at(&mut behind, LEN as u64));
    same!(behind, [0; LEN]);
    Ok(())
}

fn a_file_that_grows_is_shared_at_its_old_length(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let shared = shared(100)?;
    let view = ok!(raw::disguise(ok!(kernel::dup(&shared))).map_shared());
    let file = raw::disguise(ok!(kernel::dup(&shared)));
    ok!(file.set_len(1 << 32));
    same!((shared.len(), view.len()), (100, 100));
    same!(shared.write_at(b"xx", 99), 1);
    same!(view.read_at(&mut [0; 2], 99), 1);
    Ok(())
}

fn nothing_can_be_shared(_: &World) -> Verdict {
    let shared = shared(0)?;
    holds!(shared.is_empty() && !shared.as_ptr().is_null());
    same!(shared.read_at(&mut [0; 4], 0), 0);
    same!(shared.write_at(b"x", 0), 0);
    same!(shared.unmap().len(), Ok(0));
    Ok(())
}

fn what_could_be_cut_is_not_shared(world: &World) -> Verdict {
    let missing = VerifyErrorKind::MissingSeals(Seals::SHRINK);
    let file = ok!(OwnedMemFd::create(
        c"suite",
        owned_memfd::MemFdFlags::CLOEXEC
    ));
    if world.exec_is_free {
        let file = is_not_shared(file, missing)?;
        refused!(
            file.map_shared(),
            VerifyErrorKind::MissingSeals(Seals::SHRINK)
        );
    }
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::GROW | Seals::SEAL));
    is_not_shared(file, missing)?;
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let before = file.seals();
    is_not_shared(ok!(file.reopen_read_only()), missing)?;
    same!(file.seals(), before);
    Ok(())
}

fn what_is_sealed_is_not_shared(world: &World) -> Verdict {
    for seal in [Seals::WRITE, Seals::FUTURE_WRITE] {
        if seal == Seals::FUTURE_WRITE && !world.future_write {
            continue;
        }
        let file = ok!(kernel::holding(b"0123"));
        ok!(file.add_seals(seal));
        is_not_shared(file, VerifyErrorKind::Kernel(Errno::EPERM))?;
    }
    Ok(())
}

fn what_is_not_open_for_both_is_not_shared(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    for access in [OFlags::RDONLY, OFlags::WRONLY] {
        let again = raw::disguise(ok!(kernel::reopen(&file, access)));
        is_not_shared(again, VerifyErrorKind::Kernel(Errno::EACCES))?;
    }
    Ok(())
}

fn what_is_no_memory_file_is_not_shared(world: &World) -> Verdict {
    let (read_end, _write_end) = ok!(kernel::pipe());
    let Err(refused) = raw::disguise(read_end).map_shared_mut() else {
        fail!("a pipe is shared");
    };
    same!(refused.kind(), VerifyErrorKind::NotMemFd);
    refused!(refused.into_inner().map_shared(), VerifyErrorKind::NotMemFd);
    needs!(world.tmpfs, world::NO_TMPFS);
    let file = ok!(kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR));
    ok!(kernel::write(&file, b"0123"));
    let missing = VerifyErrorKind::MissingSeals(Seals::SHRINK);
    is_not_shared(raw::disguise(file), missing)?;
    Ok(())
}

fn what_may_not_be_locked_is_not_shared(world: &World) -> Verdict {
    needs!(world.is_of_a_kernel(), LOCKS_THE_EMULATOR);
    let file = ok!(kernel::sealable());
    ok!(file.set_len(16 * PAGE as u64));
    ok!(file.add_seals(Seals::SHRINK));
    ok!(kernel::limit(Resource::Memlock, PAGE as u64));
    ok!(kernel::renounce_privileges());
    ok!(rustix::mm::mlockall(MlockAllFlags::FUTURE));
    let again = VerifyErrorKind::Kernel(Errno::EAGAIN);
    let file = is_not_shared(file, again)?;
    same!(file.map_shared().err(), Some(again));
    Ok(())
}

fn what_cannot_be_asked_for_its_pages_is_not_shared(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    ok!(raw::refuse(Which::All(sc::nr::FSTATFS), Errno::EXDEV));
    let forbidden = VerifyErrorKind::Kernel(Errno::EXDEV);
    let file = is_not_shared(file, forbidden)?;
    same!(file.map_shared().err(), Some(forbidden));
    Ok(())
}

fn what_is_shared_is_sealed_only_when_it_is_no_longer(_: &World) -> Verdict {
    let shared = shared(4)?;
    same!(shared.write_at(b"0123", 0), 4);
    // Another descriptor of the file cannot be sealed either.
    let Err(refused) = raw::disguise(ok!(kernel::dup(&shared))).seal() else {
        fail!("sealed while it is shared");
    };
    same!(refused.kind(), VerifyErrorKind::Kernel(Errno::EBUSY));
    let Err(refused) = SealedMemFd::try_from(ok!(kernel::dup(&shared))) else {
        fail!("proven while it is shared");
    };
    same!(refused.kind(), VerifyErrorKind::MissingSeals(Seals::WRITE));
    same!(shared.write_at(b"x", 0), 1);
    let sealed = ok!(shared.unmap().seal());
    same!(*ok!(sealed.map()), *b"x123");
    Ok(())
}

fn unmapping_gives_the_file_back_and_leaves_nothing_mapped(_: &World) -> Verdict {
    let shared = shared(PAGE)?;
    let (number, at) = (shared.as_fd().as_raw_fd(), shared.as_ptr());
    holds!(ok!(attacks::is_mapped(at)));
    let file = shared.unmap();
    same!(file.as_raw_fd(), number);
    holds!(!ok!(attacks::is_mapped(at)));
    // The file is shared again, and dropped.
    let Ok(again) = file.map_shared_mut() else {
        fail!("not shared again");
    };
    let at = again.as_ptr();
    drop(again);
    holds!(!ok!(attacks::is_mapped(at)));
    holds!(!raw::is_open(number));
    Ok(())
}

fn what_stands_beside_shared_memory_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    for len in [1, page, page + 1, 2 << 20] {
        let shared = shared(len)?;
        let behind = shared.as_ptr().wrapping_add(len.next_multiple_of(page));
        let ours = attacks::Neighbour::at(behind);
        let there = ok!(attacks::is_mapped(behind));
        let last = shared.as_ptr().wrapping_add(len - 1);
        holds!(ok!(attacks::is_mapped(last)));
        drop(shared);
        same!(attacks::is_mapped(behind), Ok(there));
        holds!(ours.is_none_or(|neighbour| neighbour.is_there()));
        holds!(!ok!(attacks::is_mapped(last)));
    }
    Ok(())
}

fn sealed_for_readers_only_what_is_mapped_writes(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let shared = shared(PAGE)?;
    ok!(shared.seal_for_readers());
    let reader = raw::disguise(ok!(kernel::dup(&shared)));
    let seals = ok!(reader.seals());
    holds!(seals.contains(Seals::FUTURE_WRITE | Seals::GROW | Seals::SHRINK));
    refused!(reader.write_at(b"x", 0), Errno::EPERM);
    refused!(reader.set_len(2 * PAGE as u64), Errno::EPERM);
    refused!(
        Mapping::of(&reader, PAGE, Stores::Shared, READ | WRITE),
        Errno::EPERM
    );
    let view = ok!(reader.map_shared());
    let mut found = [9; 4];
    same!(view.read_at(&mut found, 0), 4);
    same!(found, [0; 4]);
    same!(shared.write_at(b"0123", 0), 4);
    same!(view.read_at(&mut found, 0), 4);
    same!(&found, b"0123");
    // A second call succeeds too.
    ok!(shared.seal_for_readers());
    let file = shared.unmap();
    is_not_shared(file, VerifyErrorKind::Kernel(Errno::EPERM))?;
    Ok(())
}

fn sealed_for_readers_it_is_no_proof_until_it_is_over(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let shared = shared(4)?;
    ok!(shared.seal_for_readers());
    let Err(refused) = SealedMemFd::try_from(ok!(kernel::dup(&shared))) else {
        fail!("proven while it is written");
    };
    same!(refused.kind(), VerifyErrorKind::FutureWriteOnly);
    same!(shared.write_at(b"0123", 0), 4);
    // No execute bit of this file was ever sealed.
    let sealed = ok!(shared.unmap().seal());
    same!(*ok!(sealed.map()), *b"0123");
    holds!(ok!(sealed.seals()).contains(Seals::FUTURE_WRITE | Seals::WRITE));
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    // The execute bits of this file are sealed, and it has all the seals that a forgery shows.
    let file = ok!(owned_memfd::MemFdOptions::new().create(c"suite"));
    ok!(file.write_all(b"0123"));
    let Ok(shared) = file.map_shared_mut() else {
        fail!("not shared");
    };
    ok!(shared.seal_for_readers());
    let forges = ok!(attacks::forge(b"x")).is_some();
    match shared.unmap().seal() {
        Ok(sealed) => {
            holds!(!forges);
            same!(*ok!(sealed.map()), *b"0123");
        }
        Err(refused) => {
            same!(refused.kind(), VerifyErrorKind::ForgeableSeals);
            holds!(forges);
        }
    }
    Ok(())
}

fn sealing_for_readers_needs_the_right_to(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK | Seals::SEAL));
    let Ok(shared) = file.map_shared_mut() else {
        fail!("not shared");
    };
    refused!(shared.seal_for_readers(), Errno::EPERM | Errno::EINVAL);
    same!(shared.write_at(b"x", 0), 1);
    Ok(())
}

fn a_view_shows_what_an_old_mapping_writes(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let (ours, theirs) = ok!(kernel::socket_pair());
    let steps = ok!(Steps::new());
    let writer = ok!(Child::start(Descriptors::Copied, || {
        let file = ok!(kernel::holding(&[7; PAGE]));
        let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
        ok!(file.add_seals(Seals::FUTURE_WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL));
        ok!(kernel::send(&theirs, &file));
        steps.wait_for(1)?;
        mapping.put(PAGE - 1, 8);
        steps.reach(2);
        Ok(())
    }));
    let file = match OwnedMemFd::try_from(ok!(kernel::receive(&ours))) {
        Ok(file) => file,
        Err(refused) => fail!("{:?}", refused.kind()),
    };
    let view = ok!(file.map_shared());
    let file = match SealedMemFd::try_from(file) {
        Ok(_) => fail!("proven while it is written"),
        Err(refused) => refused.into_inner(),
    };
    let mut found = [9];
    same!(view.read_at(&mut found, PAGE - 1), 1);
    same!(found, [7]);
    steps.reach(1);
    steps.wait_for(2)?;
    same!(view.read_at(&mut found, PAGE - 1), 1);
    same!(found, [8]);
    drop(file);
    writer.finish(PATIENCE)
}

fn a_view_of_a_readers_descriptor_does_not_hinder_sealing(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(ok!(file.reopen_read_only()).map_shared());
    let sealed = ok!(file.seal());
    let mut found = [0; 4];
    same!(view.read_at(&mut found, 0), 4);
    same!(&found, b"0123");
    // A view through a writable descriptor does prevent sealing.
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(file.map_shared());
    let Err(refused) = file.seal() else {
        fail!("sealed while a mapping could become writable");
    };
    same!(refused.kind(), VerifyErrorKind::Kernel(Errno::EBUSY));
    drop(view);
    ok!(refused.into_inner().seal());
    drop(sealed);
    Ok(())
}

fn a_view_outlives_the_descriptor(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(file.map_shared());
    drop(file);
    let mut found = [0; 9];
    same!(view.read_at(&mut found, 1), 3);
    same!(&found[..4], b"123\0");
    same!(view.len(), 4);
    holds!(!view.is_empty());
    let at = view.as_ptr();
    holds!(ok!(attacks::is_mapped(at)));
    holds!(!ok!(attacks::is_writable(at)));
    drop(view);
    holds!(!ok!(attacks::is_mapped(at)));
    Ok(())
}

fn a_view_adds_no_seal_and_needs_one(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    let before = ok!(file.seals());
    refused!(
        file.map_shared(),
        VerifyErrorKind::MissingSeals(Seals::SHRINK)
    );
    same!(file.seals(), Ok(before));
    ok!(file.add_seals(Seals::SHRINK));
    ok!(file.map_shared());
    same!(file.seals(), Ok(before | Seals::SHRINK));
    Ok(())
}

fn a_view_of_nothing_is_empty(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(file.map_shared());
    holds!(view.is_empty() && !view.as_ptr().is_null());
    same!(view.read_at(&mut [0; 4], 0), 0);
    Ok(())
}

fn shared_huge_pages_are_like_any_other(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    let Ok(shared) = file.map_shared_mut() else {
        fail!("not shared");
    };
    same!(shared.len(), size);
    let view = ok!(raw::disguise(ok!(kernel::dup(&shared))).map_shared());
    same!(shared.write_at(b"0123", size - 4), 4);
    let mut found = [0; 5];
    same!(view.read_at(&mut found, size - 4), 4);
    same!(&found, b"0123\0");
    let (at, ours) = (
        shared.as_ptr(),
        attacks::Neighbour::at(shared.as_ptr().wrapping_add(size)),
    );
    drop(view);
    let sealed = ok!(shared.unmap().seal());
    holds!(!ok!(attacks::is_mapped(at)));
    holds!(ours.is_none_or(|neighbour| neighbour.is_there()));
    holds!(ok!(sealed.map()).ends_with(b"0123"));
    Ok(())
}
