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
    AccessError, Errno, MapError, OwnedMemFd, SealError, SealedMemFd, Seals, SharedMapMut,
    VerifyErrorKind,
};
use rustix::{fs::OFlags, mm::MlockAllFlags, process::Resource};

/// A reason for which a claim is skipped.
pub(crate) const LOCKS_THE_EMULATOR: &str = "the emulator's own memory would be locked too";

claims!(
    what_is_shared_cannot_be_cut,
    what_one_side_writes_the_other_reads,
    accesses_are_bounded_by_the_length,
    a_file_that_grows_is_shared_at_its_old_length,
    nothing_can_be_shared,
    what_could_be_cut_is_not_shared,
    what_is_sealed_is_not_shared,
    what_is_not_open_for_both_is_not_shared,
    what_is_no_memory_file_is_not_shared,
    what_may_not_be_locked_is_not_shared,
    what_pages_are_shared_is_asked_only_if_they_can_be_huge,
    what_is_shared_is_sealed_only_when_it_is_no_longer,
    unmapping_leaves_nothing_mapped,
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

/// A new file of `len` bytes, and a shared mapping of it.
pub(crate) fn shared(len: usize) -> Result<(OwnedMemFd, SharedMapMut), crate::Stop> {
    let file = ok!(kernel::sealable());
    ok!(file.set_len(len as u64));
    let shared = ok!(file.map_shared_mut(..));
    Ok((file, shared))
}

/// Sharing fails for this reason, and changes nothing but at most a seal.
fn is_not_shared(file: &OwnedMemFd, reason: impl Into<MapError>) -> Verdict {
    let len = file.len();
    same!(file.map_shared_mut(..).err(), Some(reason.into()));
    same!(file.len(), len);
    Ok(())
}

fn what_is_shared_cannot_be_cut(world: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; 2 * PAGE]));
    let before = ok!(file.seals());
    let shared = ok!(file.map_shared_mut(..));
    same!(file.seals(), Ok(before | Seals::SHRINK));
    for len in [0, PAGE as u64, 2 * PAGE as u64 - 1] {
        refused!(file.set_len(len), Errno::EPERM);
    }
    if world.proc {
        refused!(
            kernel::reopen(&file, OFlags::RDWR | OFlags::TRUNC),
            Errno::EPERM
        );
    }
    // The content can be anything, but can be read.
    ok!(file.punch_hole(0, PAGE as u64));
    let mut found = [9; 2];
    ok!(shared.read_exact_at(&mut found, PAGE - 1));
    same!(found, [0, 7]);
    Ok(())
}

fn what_one_side_writes_the_other_reads(_: &World) -> Verdict {
    const LEN: usize = 2 * PAGE + 9;
    let (file, shared) = shared(LEN)?;
    let steps = ok!(Steps::new());
    let other = ok!(Child::start(Descriptors::Copied, || {
        let mapping = ok!(Mapping::of(&file, LEN, Stores::Shared, READ | WRITE));
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
        "{{ start: {:?}, len: {LEN} }}",
        shared.as_ptr()
    ));
    for (shown, name) in [
        (Text::of(format_args!("{:?}", &*shared)), "SharedMap {"),
        (Text::of(format_args!("{shared:?}")), "SharedMapMut {"),
    ] {
        holds!(shown.as_str().starts_with(name), "{shown:?}");
        holds!(shown.as_str().contains(region.as_str()), "{shown:?}");
    }
    ok!(shared.write_all_at(b"0123", PAGE - 1));
    steps.reach(1);
    steps.wait_for(2)?;
    let mut found = [9; 6];
    ok!(shared.read_exact_at(&mut found, PAGE - 2));
    same!(&found, b"\x000x23\0");
    // Reading the file returns the same bytes.
    let mut found = [9; 4];
    same!(kernel::pread(&file, &mut found, PAGE as u64 - 1), Ok(4));
    same!(&found, b"0x23");
    // The pointers lead to mapped memory.
    same!(shared.as_ptr(), shared.as_mut_ptr().cast_const());
    holds!(ok!(attacks::is_mapped(shared.as_ptr())));
    steps.reach(3);
    other.finish(PATIENCE)
}

fn accesses_are_bounded_by_the_length(_: &World) -> Verdict {
    const LEN: usize = 100;
    let (file, shared) = shared(LEN)?;
    let view = ok!(file.map_shared(..));
    let out = AccessError::OutOfBounds { len: LEN };
    let mut found = [9; LEN + 1];
    for (offset, len) in [(0, LEN), (0, 0), (1, LEN - 1), (LEN - 1, 1), (LEN, 0)] {
        ok!(shared.write_all_at(&[7; LEN][..len], offset));
        ok!(shared.read_exact_at(&mut found[..len], offset));
        ok!(view.read_exact_at(&mut found[..len], offset));
        holds!(found[..len].iter().all(|byte| *byte == 7));
    }
    let mut found = [9; LEN + 1];
    for (offset, len) in [
        (0, LEN + 1),
        (1, LEN),
        (LEN - 1, 2),
        (LEN, 1),
        (LEN + 1, 0),
        (usize::MAX - 1, 2),
        (usize::MAX, 1),
        (usize::MAX, 0),
    ] {
        same!(shared.write_all_at(&[8; LEN + 1][..len], offset), Err(out));
        same!(shared.read_exact_at(&mut found[..len], offset), Err(out));
        same!(view.read_exact_at(&mut found[..len], offset), Err(out));
    }
    // Nothing was copied.
    same!(found, [9; LEN + 1]);
    let mut found = [9; LEN];
    ok!(shared.read_exact_at(&mut found, 0));
    same!(found, [7; LEN]);
    // The rest of the last page must stay zero: it shows when the file grows.
    ok!(file.set_len(2 * LEN as u64));
    let mut behind = [9; LEN];
    ok!(file.read_exact_at(&mut behind, LEN as u64));
    same!(behind, [0; LEN]);
    Ok(())
}

fn a_file_that_grows_is_shared_at_its_old_length(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let (file, shared) = shared(100)?;
    let view = ok!(file.map_shared(..));
    ok!(file.set_len(1 << 32));
    same!((shared.len(), view.len()), (100, 100));
    holds!(shared.write_all_at(b"xx", 99).is_err());
    holds!(view.read_exact_at(&mut [0; 2], 99).is_err());
    Ok(())
}

fn nothing_can_be_shared(_: &World) -> Verdict {
    let (file, shared) = shared(0)?;
    holds!(shared.is_empty() && !shared.as_ptr().is_null());
    ok!(shared.read_exact_at(&mut [], 0));
    holds!(shared.read_exact_at(&mut [0; 4], 0).is_err());
    holds!(shared.write_all_at(b"x", 0).is_err());
    same!(file.len(), Ok(0));
    Ok(())
}

fn what_could_be_cut_is_not_shared(world: &World) -> Verdict {
    let missing = VerifyErrorKind::MissingSeals(Seals::SHRINK);
    let file = ok!(OwnedMemFd::create(
        c"suite",
        owned_memfd::MemFdFlags::CLOEXEC
    ));
    if world.exec_is_free {
        is_not_shared(&file, missing)?;
        same!(file.map_shared(..).err(), Some(missing.into()));
    }
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::GROW | Seals::SEAL));
    is_not_shared(&file, missing)?;
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let before = file.seals();
    is_not_shared(&ok!(file.reopen_read_only()), missing)?;
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
        is_not_shared(&file, Errno::EPERM)?;
    }
    Ok(())
}

fn what_is_not_open_for_both_is_not_shared(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    for access in [OFlags::RDONLY, OFlags::WRONLY] {
        let again = raw::disguise(ok!(kernel::reopen(&file, access)));
        is_not_shared(&again, Errno::EACCES)?;
    }
    Ok(())
}

fn what_is_no_memory_file_is_not_shared(world: &World) -> Verdict {
    let (read_end, _write_end) = ok!(kernel::pipe());
    let pipe = raw::disguise(read_end);
    let reason = Some(MapError::Verify(VerifyErrorKind::NotMemFd));
    same!(pipe.map_shared_mut(..).err(), reason);
    same!(pipe.map_shared(..).err(), reason);
    same!(pipe.map_mirrored(..).err(), reason);
    needs!(world.tmpfs, world::NO_TMPFS);
    let file = ok!(kernel::open(c"/dev/shm", OFlags::TMPFILE | OFlags::RDWR));
    ok!(kernel::write(&file, b"0123"));
    let missing = VerifyErrorKind::MissingSeals(Seals::SHRINK);
    is_not_shared(&raw::disguise(file), missing)
}

fn what_may_not_be_locked_is_not_shared(world: &World) -> Verdict {
    needs!(world.is_of_a_kernel(), LOCKS_THE_EMULATOR);
    let file = ok!(kernel::sealable());
    ok!(file.set_len(16 * PAGE as u64));
    ok!(file.add_seals(Seals::SHRINK));
    ok!(kernel::limit(Resource::Memlock, PAGE as u64));
    ok!(kernel::renounce_privileges());
    ok!(rustix::mm::mlockall(MlockAllFlags::FUTURE));
    is_not_shared(&file, Errno::EAGAIN)?;
    same!(file.map_shared(..).err(), Some(Errno::EAGAIN.into()));
    Ok(())
}

/// Only where the blocks of a file are as large as a huge page can be.
fn what_pages_are_shared_is_asked_only_if_they_can_be_huge(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    let block = ok!(kernel::stat(&file)).st_blksize as usize;
    ok!(raw::refuse(Which::All(sc::nr::FSTATFS), Errno::EXDEV));
    if block >= attacks::LARGEST_PAGE {
        is_not_shared(&file, Errno::EXDEV)?;
        same!(file.map_shared(..).err(), Some(Errno::EXDEV.into()));
    } else {
        same!(ok!(file.map_shared_mut(..)).len(), 4);
        same!(ok!(file.map_shared(..)).len(), 4);
    }
    Ok(())
}

fn what_is_shared_is_sealed_only_when_it_is_no_longer(_: &World) -> Verdict {
    let (file, shared) = shared(4)?;
    ok!(shared.write_all_at(b"0123", 0));
    // Another descriptor of the file cannot be sealed either.
    let Err(refused) = ok!(file.try_clone()).seal() else {
        fail!("sealed while it is shared");
    };
    same!(
        refused.kind(),
        VerifyErrorKind::Seal(SealError::MappedOrPinned)
    );
    let Err(refused) = SealedMemFd::try_from(ok!(kernel::dup(&file))) else {
        fail!("proven while it is shared");
    };
    same!(refused.kind(), VerifyErrorKind::MissingSeals(Seals::WRITE));
    ok!(shared.write_all_at(b"x", 0));
    drop(shared);
    let sealed = ok!(file.seal());
    same!(*ok!(sealed.map()), *b"x123");
    Ok(())
}

fn unmapping_leaves_nothing_mapped(_: &World) -> Verdict {
    let (file, first) = shared(PAGE)?;
    let at = first.as_ptr();
    holds!(ok!(attacks::is_mapped(at)));
    drop(first);
    holds!(!ok!(attacks::is_mapped(at)));
    // The file is shared again, and dropped.
    let again = ok!(file.map_shared_mut(..));
    drop(file);
    let at = again.as_ptr();
    ok!(again.write_all_at(b"0123", PAGE - 4));
    holds!(ok!(attacks::is_mapped(at)));
    drop(again);
    holds!(!ok!(attacks::is_mapped(at)));
    Ok(())
}

fn what_stands_beside_shared_memory_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    for len in [1, page, page + 1, 2 << 20] {
        let (_file, shared) = shared(len)?;
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
    let (file, shared) = shared(PAGE)?;
    ok!(file.seal_for_readers());
    let reader = ok!(file.try_clone());
    let seals = ok!(reader.seals());
    holds!(seals.contains(Seals::FUTURE_WRITE | Seals::GROW | Seals::SHRINK));
    refused!(reader.write_at(b"x", 0), Errno::EPERM);
    refused!(reader.set_len(2 * PAGE as u64), Errno::EPERM);
    refused!(
        Mapping::of(&reader, PAGE, Stores::Shared, READ | WRITE),
        Errno::EPERM
    );
    let view = ok!(reader.map_shared(..));
    let mut found = [9; 4];
    ok!(view.read_exact_at(&mut found, 0));
    same!(found, [0; 4]);
    ok!(shared.write_all_at(b"0123", 0));
    ok!(view.read_exact_at(&mut found, 0));
    same!(&found, b"0123");
    // A second call succeeds too.
    ok!(file.seal_for_readers());
    drop(shared);
    is_not_shared(&file, Errno::EPERM)
}

fn sealed_for_readers_it_is_no_proof_until_it_is_over(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let (file, map) = shared(4)?;
    ok!(file.seal_for_readers());
    let Err(refused) = SealedMemFd::try_from(ok!(kernel::dup(&file))) else {
        fail!("proven while it is written");
    };
    same!(refused.kind(), VerifyErrorKind::FutureWriteOnly);
    ok!(map.write_all_at(b"0123", 0));
    drop(map);
    // No execute bit of this file was ever sealed.
    let sealed = ok!(file.seal());
    same!(*ok!(sealed.map()), *b"0123");
    holds!(ok!(sealed.seals()).contains(Seals::FUTURE_WRITE | Seals::WRITE));
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    // The execute bits of this file are sealed, and it has all the seals that a forgery shows.
    let file = ok!(owned_memfd::MemFdOptions::new().create(c"suite"));
    ok!(file.write_all(b"0123"));
    let map = ok!(file.map_shared_mut(..));
    ok!(file.seal_for_readers());
    let forges = ok!(attacks::forge(b"x")).is_some();
    drop(map);
    match file.seal() {
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
    let shared = ok!(file.map_shared_mut(..));
    refused!(file.seal_for_readers(), Errno::EPERM | Errno::EINVAL);
    ok!(shared.write_all_at(b"x", 0));
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
    let view = ok!(file.map_shared(..));
    let file = match SealedMemFd::try_from(file) {
        Ok(_) => fail!("proven while it is written"),
        Err(refused) => refused.into_inner(),
    };
    let mut found = [9];
    ok!(view.read_exact_at(&mut found, PAGE - 1));
    same!(found, [7]);
    steps.reach(1);
    steps.wait_for(2)?;
    ok!(view.read_exact_at(&mut found, PAGE - 1));
    same!(found, [8]);
    drop(file);
    writer.finish(PATIENCE)
}

fn a_view_of_a_readers_descriptor_does_not_hinder_sealing(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(ok!(file.reopen_read_only()).map_shared(..));
    let sealed = ok!(file.seal());
    let mut found = [0; 4];
    ok!(view.read_exact_at(&mut found, 0));
    same!(&found, b"0123");
    // A view through a writable descriptor does prevent sealing.
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(file.map_shared(..));
    let Err(refused) = file.seal() else {
        fail!("sealed while a mapping could become writable");
    };
    same!(
        refused.kind(),
        VerifyErrorKind::Seal(SealError::MappedOrPinned)
    );
    drop(view);
    ok!(refused.into_inner().seal());
    drop(sealed);
    Ok(())
}

fn a_view_outlives_the_descriptor(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(file.map_shared(..));
    drop(file);
    let mut found = [0; 3];
    ok!(view.read_exact_at(&mut found, 1));
    same!(&found, b"123");
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
    let missing = MapError::Verify(VerifyErrorKind::MissingSeals(Seals::SHRINK));
    same!(file.map_shared(..).err(), Some(missing));
    same!(file.map_mirrored(..).err(), Some(missing));
    same!(file.seals(), Ok(before));
    ok!(file.add_seals(Seals::SHRINK));
    ok!(file.map_shared(..));
    same!(file.seals(), Ok(before | Seals::SHRINK));
    Ok(())
}

fn a_view_of_nothing_is_empty(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::SHRINK));
    let view = ok!(file.map_shared(..));
    holds!(view.is_empty() && !view.as_ptr().is_null());
    holds!(view.read_exact_at(&mut [0; 4], 0).is_err());
    Ok(())
}

fn shared_huge_pages_are_like_any_other(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    let shared = ok!(file.map_shared_mut(..));
    same!(shared.len(), size);
    let view = ok!(file.map_shared(..));
    ok!(shared.write_all_at(b"0123", size - 4));
    let mut found = [0; 4];
    ok!(view.read_exact_at(&mut found, size - 4));
    same!(&found, b"0123");
    let (at, ours) = (
        shared.as_ptr(),
        attacks::Neighbour::at(shared.as_ptr().wrapping_add(size)),
    );
    drop(view);
    drop(shared);
    let sealed = ok!(file.seal());
    holds!(!ok!(attacks::is_mapped(at)));
    holds!(ours.is_none_or(|neighbour| neighbour.is_there()));
    holds!(ok!(sealed.map()).ends_with(b"0123"));
    Ok(())
}
