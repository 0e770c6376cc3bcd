//! Claims about maps of 2 MiB and more: they begin where the kernel can use huge pages, and making
//! huge pages of small ones changes no byte.

use crate::{
    Stop, Verdict, World, attacks,
    attacks::{LARGEST_PAGE, NoMemory},
    children::{self, Child, PATIENCE, calls_of, patiently},
    copies::NO_CODE,
    kernel::{self, PAGE, READ},
    mapping::byte,
    raw::{self, Descriptors, Mapping, Stores, Which},
    shared::shared,
    world::{self, EXTENT},
};
use core::{mem::forget, sync::atomic::Ordering};
use owned_memfd::{
    Errno, ExecMap, MemFdOptions, OwnedMemFd, SealedMap, SealedMemFd, Seals, SharedMap,
};

// The reasons for which claims are skipped.
pub(crate) const LARGE_ANYWAY: &str = "memory files are on large pages anyway (shmem_enabled)";
pub(crate) const PLACES: &str = "the emulator places mappings in its own way";

claims!(
    a_map_from_2_mib_on_begins_where_huge_pages_can,
    a_small_map_is_made_by_one_call_and_goes_by_one,
    a_large_map_is_made_by_three_calls_at_most,
    a_shared_map_becomes_huge_and_keeps_its_bytes,
    what_others_write_meanwhile_is_not_lost,
    a_view_becomes_huge,
    what_was_never_touched_becomes_huge_too,
    a_sealed_map_becomes_huge_and_keeps_its_bytes,
    a_receivers_map_becomes_huge,
    a_sparse_file_takes_memory_only_when_it_is_asked_to,
    only_whole_extents_become_huge,
    a_hole_keeps_no_other_part_small,
    what_was_stored_in_a_copy_stays,
    code_becomes_huge_and_runs,
    a_mirrored_map_keeps_its_bytes,
    a_file_whose_pages_are_moved_is_sealed,
    what_cannot_become_huge_is_an_error_and_stays,
    what_the_kernel_says_is_said,
    huge_pages_of_a_pool_stay,
    what_becomes_huge_without_memory_is_an_error_and_no_signal,
);

/// A file of such bytes that are on small pages.
fn small(len: usize) -> Result<SealedMemFd, Stop> {
    let file = ok!(kernel::sealable());
    fill(&file, len)?;
    Ok(ok!(file.seal()))
}

fn fill(file: &OwnedMemFd, len: usize) -> Verdict {
    let mut piece = ok!(raw::Buffer::new(LARGEST_PAGE));
    for start in (0..len).step_by(LARGEST_PAGE) {
        let piece = &mut piece[..(len - start).min(LARGEST_PAGE)];
        for (index, slot) in piece.iter_mut().enumerate() {
            *slot = byte(start + index);
        }
        ok!(file.write_all_at(piece, start as u64));
    }
    Ok(())
}

fn is_right(bytes: &[u8], offset: usize) -> Verdict {
    let wrong = bytes
        .iter()
        .enumerate()
        .position(|(index, found)| *found != byte(offset + index));
    same!((offset, wrong), (offset, None));
    Ok(())
}

fn is_right_shared(map: &SharedMap, offset: usize) -> Verdict {
    let mut piece = [0; 4096];
    for start in (0..map.len()).step_by(piece.len()) {
        let len = (map.len() - start).min(piece.len());
        ok!(map.read_exact_at(&mut piece[..len], start));
        is_right(&piece[..len], offset + start)?;
    }
    Ok(())
}

/// Reads a byte of each extent. Some kernels say that they cannot collapse what has not been touched.
fn touch(map: &SharedMap) -> Verdict {
    for at in (0..map.len()).step_by(EXTENT) {
        ok!(map.read_exact_at(&mut [0], at));
    }
    Ok(())
}

fn may_be_executed(result: Result<ExecMap, Errno>) -> Result<ExecMap, Stop> {
    match result {
        Err(Errno::EACCES | Errno::EPERM) => Err(Stop::Skipped(NO_CODE)),
        result => Ok(ok!(result)),
    }
}

/// A file that is a hole but for some bytes.
fn marked(len: usize) -> Result<OwnedMemFd, Stop> {
    let file = ok!(kernel::sealable());
    ok!(file.set_len(len as u64));
    for at in (0..len).step_by(EXTENT - PAGE) {
        ok!(file.write_all_at(&[byte(at)], at as u64));
    }
    Ok(file)
}

/// A map of such a file from `offset` on shows those bytes, and begins where huge pages can.
fn is_placed(start: *const u8, offset: usize, len: usize, get: impl Fn(usize) -> u8) -> Verdict {
    let misalignment = start.addr().wrapping_sub(offset) % EXTENT;
    same!((offset, len, misalignment), (offset, len, 0));
    for at in (0..offset + len).step_by(EXTENT - PAGE) {
        if at >= offset {
            same!((at, get(at - offset)), (at, byte(at)));
        }
    }
    Ok(())
}

fn a_map_from_2_mib_on_begins_where_huge_pages_can(world: &World) -> Verdict {
    const LEN: usize = 4 * EXTENT;

    needs!(world.is_of_a_kernel(), PLACES);
    for len in [EXTENT, EXTENT + 1, 2 * EXTENT - 1, LEN + 5] {
        let sealed = ok!(marked(len)?.seal());
        // Many at the same time, so that no place is free by chance.
        let maps: [SealedMap; 3] = [ok!(sealed.map()), ok!(sealed.map()), ok!(sealed.map())];
        for map in &maps {
            is_placed(map.as_ptr(), 0, len, |at| map[at])?;
        }
        let copy = ok!(sealed.map_copy());
        is_placed(copy.as_ptr(), 0, len, |at| copy[at])?;
        if let Ok(code) = may_be_executed(sealed.map_exec()) {
            is_placed(code.as_ptr(), 0, len, |at| code[at])?;
        }
    }
    let file = marked(LEN)?;
    ok!(file.add_seals(Seals::SHRINK));
    let sealed = ok!(marked(LEN)?.seal());
    let get = |map: &SharedMap, at| {
        let mut found = [0];
        let _ = map.read_exact_at(&mut found, at);
        found[0]
    };
    for offset in [
        0,
        1,
        PAGE - 1,
        LARGEST_PAGE + 1,
        EXTENT - 1,
        EXTENT,
        EXTENT + 9,
    ] {
        for len in [EXTENT, EXTENT + 1, 2 * EXTENT] {
            let range = offset..offset + len;
            let map = ok!(sealed.map_range(range.clone()));
            is_placed(map.as_ptr(), offset, len, |at| map[at])?;
            let view = ok!(file.map_shared(range.clone()));
            let map = ok!(file.map_shared_mut(range));
            for map in [&view, &*map] {
                is_placed(map.as_ptr(), offset, len, |at| get(map, at))?;
            }
        }
    }
    // Of these, the place that the kernel itself prefers is not always one.
    for offset in [0, LARGEST_PAGE] {
        for len in [EXTENT, EXTENT + LARGEST_PAGE, 2 * EXTENT] {
            let ring = ok!(file.map_mirrored(offset..offset + len));
            is_placed(ring.as_ptr(), offset, len, |at| get(&ring, at))?;
            is_placed(ring.as_ptr(), offset, len, |at| get(&ring, len + at))?;
        }
    }
    Ok(())
}

/// A proof of the same file whose maps are made at the first attempt: some kernels share what is
/// sealed only with a descriptor that is not open for writing.
fn shared_at_once(sealed: SealedMemFd) -> Result<SealedMemFd, Stop> {
    match Mapping::of(&sealed, PAGE, Stores::Shared, READ) {
        Err(Errno::EPERM) => {
            let again = ok!(sealed.into_memfd().reopen_read_only());
            Ok(ok!(SealedMemFd::try_from(again)))
        }
        _ => Ok(sealed),
    }
}

/// One more call where the blocks of the file are as large as a huge page can be.
fn questions(file: &SealedMemFd) -> Result<u32, Stop> {
    let block = ok!(kernel::stat(file)).st_blksize as usize;
    Ok(u32::from(block >= LARGEST_PAGE))
}

fn a_small_map_is_made_by_one_call_and_goes_by_one(world: &World) -> Verdict {
    needs!(world.tracing, world::NO_TRACING);
    for len in [1, PAGE, LARGEST_PAGE + 1, EXTENT - 1] {
        let sealed = shared_at_once(small(len)?)?;
        let questions = questions(&sealed)?;
        let made = calls_of(|| {
            forget(ok!(sealed.map()));
            Ok(())
        })?;
        same!((len, made), (len, 1 + questions));
        let made = calls_of(|| {
            forget(ok!(sealed.map_copy()));
            forget(ok!(sealed.map_range(..len)));
            Ok(())
        })?;
        same!((len, made), (len, 2 + 2 * questions));
        let gone = calls_of(|| {
            drop(ok!(sealed.map()));
            Ok(())
        })?;
        same!((len, gone), (len, 2 + questions));
    }
    // Accesses make none.
    let (_file, map) = shared(PAGE)?;
    let accesses = calls_of(|| {
        ok!(map.write_all_at(b"x", 7));
        ok!(map.read_exact_at(&mut [0; 9], 7));
        ok!(map.atomic_mut::<u32>(0)).fetch_add(1, Ordering::SeqCst);
        same!(ok!(map.atomic::<u32>(8)).wake(0), Ok(0));
        Ok(())
    })?;
    same!(accesses, 0);
    Ok(())
}

fn a_large_map_is_made_by_three_calls_at_most(world: &World) -> Verdict {
    needs!(world.tracing, world::NO_TRACING);
    for len in [EXTENT, EXTENT + 1, 4 * EXTENT] {
        let sealed = shared_at_once(small(len)?)?;
        let questions = questions(&sealed)?;
        for start in [0, 1] {
            if start + EXTENT > len {
                continue;
            }
            let most = 3 + questions;
            let made = calls_of(|| {
                forget(ok!(sealed.map_range(start..)));
                Ok(())
            })?;
            holds!((1..=most).contains(&made), "{made} calls for {len}");
            let gone = calls_of(|| {
                drop(ok!(sealed.map_range(start..)));
                Ok(())
            })?;
            same!(gone, made + 1);
            let made = calls_of(|| {
                forget(ok!(sealed.map_copy()));
                Ok(())
            })?;
            holds!((1..=most).contains(&made), "{made} calls for {len}");
        }
    }
    Ok(())
}

fn a_shared_map_becomes_huge_and_keeps_its_bytes(world: &World) -> Verdict {
    const LEN: usize = 3 * EXTENT + 9;
    needs!(world.collapse, world::NO_COLLAPSE);
    needs!(world.proc, world::NO_PROC);
    let (file, map) = shared(LEN)?;
    fill(&file, LEN)?;
    let view = ok!(file.map_shared(..));
    touch(&map)?;
    touch(&view)?;
    ok!(patiently(|| map.collapse()));
    is_right_shared(&map, 0)?;
    is_right_shared(&view, 0)?;
    same!(attacks::mapped_hugely(map.as_ptr())?, 3 * EXTENT as u64);
    // Again.
    ok!(patiently(|| map.collapse()));
    // Other maps of the same pages gain, at the latest those that are made from then on.
    let late = ok!(file.map_shared(..));
    is_right_shared(&late, 0)?;
    same!(attacks::mapped_hugely(late.as_ptr())?, 3 * EXTENT as u64);
    ok!(map.write_all_at(b"0123", EXTENT - 2));
    let mut found = [0; 4];
    ok!(view.read_exact_at(&mut found, EXTENT - 2));
    same!(&found, b"0123");
    // Others can still punch holes.
    ok!(file.punch_hole(0, PAGE as u64));
    ok!(view.read_exact_at(&mut found, PAGE - 2));
    same!(found, [0, 0, byte(PAGE), byte(PAGE + 1)]);
    Ok(())
}

fn what_others_write_meanwhile_is_not_lost(world: &World) -> Verdict {
    const LEN: usize = 2 * EXTENT;
    const ROUNDS: u32 = 3000;
    // What is huge becomes small where a hole is punched, so that there is always something to do.
    const HOLE: u64 = EXTENT as u64 + PAGE as u64;

    needs!(world.collapse, world::NO_COLLAPSE);
    let (file, map) = shared(LEN)?;
    let other = ok!(Child::start(Descriptors::Copied, || {
        let map = ok!(file.map_shared_mut(..));
        for _ in 0..ROUNDS {
            for place in [0, PAGE, EXTENT - 8, LEN - 8] {
                ok!(map.atomic_mut::<u64>(place)).fetch_add(1, Ordering::Relaxed);
            }
        }
        ok!(map.atomic_mut::<u32>(64)).store(1, Ordering::Release);
        Ok(())
    }));
    let over = ok!(map.atomic::<u32>(64));
    while over.load(Ordering::Acquire) == 0 {
        match map.collapse() {
            Ok(()) | Err(Errno::EAGAIN | Errno::EBUSY | Errno::EINVAL | Errno::ENOMEM) => {}
            Err(error) => fail!("{error:?}"),
        }
        ok!(file.punch_hole(HOLE, PAGE as u64));
        kernel::sleep(core::time::Duration::from_micros(100));
    }
    other.finish(PATIENCE)?;
    for place in [0, PAGE, EXTENT - 8, LEN - 8] {
        let found = ok!(map.atomic::<u64>(place)).load(Ordering::Relaxed);
        same!((place, found), (place, u64::from(ROUNDS)));
    }
    Ok(())
}

fn a_view_becomes_huge(world: &World) -> Verdict {
    needs!(world.collapse, world::NO_COLLAPSE);
    needs!(world.proc, world::NO_PROC);
    let (file, map) = shared(EXTENT)?;
    fill(&file, EXTENT)?;
    drop(map);
    let view = ok!(ok!(file.reopen_read_only()).map_shared(..));
    touch(&view)?;
    ok!(patiently(|| view.collapse()));
    is_right_shared(&view, 0)?;
    same!(attacks::mapped_hugely(view.as_ptr())?, EXTENT as u64);
    Ok(())
}

/// Some kernels say that they cannot, and have done it.
fn what_was_never_touched_becomes_huge_too(world: &World) -> Verdict {
    needs!(world.collapse, world::NO_COLLAPSE);
    let file = sparse(2)?;
    let map = ok!(file.map_shared_mut(..));
    let result = patiently(|| map.collapse());
    holds!(matches!(result, Ok(()) | Err(Errno::EINVAL)), "{result:?}");
    let huge = 2 * EXTENT as u64;
    same!((result, kernel::memory_of(&file)), (result, Ok(huge)));
    touch(&map)?;
    ok!(patiently(|| map.collapse()));
    ok!(map.write_all_at(b"y", 1));
    let mut found = [0; 3];
    ok!(map.read_exact_at(&mut found, 0));
    same!(&found, b"xy\0");
    Ok(())
}

fn a_sealed_map_becomes_huge_and_keeps_its_bytes(world: &World) -> Verdict {
    const LEN: usize = 2 * EXTENT + 5;
    needs!(world.collapse, world::NO_COLLAPSE);
    needs!(world.proc, world::NO_PROC);
    let sealed = small(LEN)?;
    let map = ok!(sealed.map());
    let other = ok!(sealed.map());
    let bytes = &map[..];
    is_right(bytes, 0)?;
    ok!(patiently(|| map.collapse()));
    is_right(bytes, 0)?;
    is_right(&other, 0)?;
    same!(attacks::mapped_hugely(map.as_ptr())?, 2 * EXTENT as u64);
    same!(attacks::mapped_hugely(other.as_ptr())?, 2 * EXTENT as u64);
    // It can still be proven.
    let again = ok!(SealedMemFd::try_from(sealed.into_memfd()));
    is_right(&ok!(again.map()), 0)
}

fn a_receivers_map_becomes_huge(world: &World) -> Verdict {
    needs!(world.collapse, world::NO_COLLAPSE);
    needs!(world.proc, world::NO_PROC);
    let (ours, theirs) = ok!(kernel::socket_pair());
    let sender = ok!(Child::start(Descriptors::Copied, || {
        ok!(kernel::send(&theirs, &small(EXTENT)?));
        Ok(())
    }));
    let received = ok!(SealedMemFd::verify(ok!(kernel::receive(&ours)), EXTENT));
    sender.finish(PATIENCE)?;
    let map = ok!(received.map());
    is_right(&map, 0)?;
    same!(attacks::mapped_hugely(map.as_ptr())?, 0);
    ok!(patiently(|| map.collapse()));
    is_right(&map, 0)?;
    same!(attacks::mapped_hugely(map.as_ptr())?, EXTENT as u64);
    Ok(())
}

/// A file of `extents`, each with one page that is there.
fn sparse(extents: usize) -> Result<OwnedMemFd, Stop> {
    let file = ok!(kernel::sealable());
    ok!(file.set_len((extents * EXTENT) as u64));
    for extent in 0..extents {
        ok!(file.write_all_at(b"x", (extent * EXTENT) as u64));
    }
    Ok(file)
}

fn a_sparse_file_takes_memory_only_when_it_is_asked_to(world: &World) -> Verdict {
    const LEN: usize = 3 * EXTENT;
    let sealed = ok!(sparse(3)?.seal());
    let before = ok!(kernel::memory_of(&sealed));
    let (ours, theirs) = ok!(kernel::socket_pair());
    ok!(kernel::send(&theirs, &sealed));
    let received = ok!(SealedMemFd::verify(ok!(kernel::receive(&ours)), LEN));
    let map = ok!(received.map());
    let copy = ok!(received.map_copy());
    same!((map.len(), map[EXTENT], map[0]), (LEN, b'x', b'x'));
    same!(map[2 * EXTENT], b'x');
    same!(kernel::memory_of(&received), Ok(before));
    // Nor does a shared map of a file that is not sealed.
    let file = sparse(2)?;
    let mut shared = ok!(file.map_shared_mut(..EXTENT));
    ok!(shared.grow(&file, 2 * EXTENT));
    let view = ok!(file.map_shared(..));
    drop((copy, view));
    same!(kernel::memory_of(&file), Ok(before / 3 * 2));
    needs!(world.collapse, world::NO_COLLAPSE);
    ok!(patiently(|| map.collapse()));
    same!(kernel::memory_of(&received), Ok(LEN as u64));
    holds!((1..EXTENT).all(|index| map[index] == 0));
    touch(&shared)?;
    ok!(patiently(|| shared.collapse()));
    same!(kernel::memory_of(&file), Ok(2 * EXTENT as u64));
    Ok(())
}

fn only_whole_extents_become_huge(world: &World) -> Verdict {
    needs!(world.collapse, world::NO_COLLAPSE);
    let file = sparse(4)?;
    let before = ok!(kernel::memory_of(&file));
    needs!(before < EXTENT as u64, LARGE_ANYWAY);
    // From within the first to within the last.
    let map = ok!(file.map_shared_mut(LARGEST_PAGE..4 * EXTENT - LARGEST_PAGE));
    for at in (0..map.len()).step_by(PAGE) {
        if (at + LARGEST_PAGE) % EXTENT == 0 {
            ok!(map.read_exact_at(&mut [0], at));
        }
    }
    ok!(patiently(|| map.collapse()));
    let page = before / 4;
    same!(ok!(kernel::memory_of(&file)), 2 * EXTENT as u64 + 2 * page);
    // In a map that has none, it is an error.
    let map = ok!(file.map_shared_mut(LARGEST_PAGE..LARGEST_PAGE + EXTENT));
    refused!(map.collapse(), Errno::EINVAL);
    Ok(())
}

fn a_hole_keeps_no_other_part_small(world: &World) -> Verdict {
    needs!(world.collapse, world::NO_COLLAPSE);
    let file = ok!(kernel::sealable());
    ok!(file.set_len(4 * EXTENT as u64));
    for at in [EXTENT, 3 * EXTENT] {
        ok!(file.write_all_at(&[byte(at)], at as u64));
    }
    needs!(ok!(kernel::memory_of(&file)) < EXTENT as u64, LARGE_ANYWAY);
    let map = ok!(file.map_shared_mut(..));
    for at in [EXTENT, 3 * EXTENT] {
        ok!(map.read_exact_at(&mut [0], at));
    }
    let two = 2 * EXTENT as u64;
    ok!(patiently(|| {
        match (map.collapse(), kernel::memory_of(&file)) {
            // The holes stay holes, and are what is wrong.
            (Err(Errno::EINVAL), memory) if memory == Ok(two) => Ok(()),
            (Err(Errno::EINVAL), _) => Err(Errno::EAGAIN),
            (result, _) => result.and(Err(Errno::EIO)),
        }
    }));
    for at in [EXTENT, 3 * EXTENT] {
        same!(
            map.atomic::<u8>(at)
                .map(|cell| cell.load(Ordering::Relaxed)),
            Ok(byte(at))
        );
    }
    Ok(())
}

fn what_was_stored_in_a_copy_stays(world: &World) -> Verdict {
    const LEN: usize = 2 * EXTENT;
    needs!(world.collapse, world::NO_COLLAPSE);
    let sealed = small(LEN)?;
    let mut copy = ok!(sealed.map_copy());
    copy[PAGE] = 0xa5;
    copy[LEN - 1] = 0xa6;
    // It may be refused: pages of the copy's own are not the file's.
    let result = patiently(|| copy.collapse());
    holds!(
        matches!(
            result,
            Ok(()) | Err(Errno::EINVAL | Errno::EAGAIN | Errno::EBUSY)
        ),
        "{result:?}"
    );
    same!((copy[PAGE], copy[LEN - 1]), (0xa5, 0xa6));
    is_right(&copy[..PAGE], 0)?;
    is_right(&copy[PAGE + 1..LEN - 1], PAGE + 1)?;
    is_right(&ok!(sealed.map()), 0)?;
    // One that was not written yet, and is written afterwards.
    let mut copy = ok!(sealed.map_copy());
    let _ = patiently(|| copy.collapse());
    is_right(&copy, 0)?;
    copy.fill(1);
    holds!(copy.iter().all(|byte| *byte == 1));
    is_right(&ok!(sealed.map()), 0)
}

fn code_becomes_huge_and_runs(world: &World) -> Verdict {
    needs!(world.collapse, world::NO_COLLAPSE);
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(&attacks::RETURNS_42));
    ok!(file.set_len(EXTENT as u64));
    let map = may_be_executed(ok!(file.seal()).map_exec())?;
    same!(attacks::run(&map), 42);
    ok!(patiently(|| map.collapse()));
    same!(attacks::mapped_hugely(map.as_ptr())?, EXTENT as u64);
    same!(attacks::run(&map), 42);
    Ok(())
}

fn a_mirrored_map_keeps_its_bytes(world: &World) -> Verdict {
    needs!(world.advice, world::NO_ADVICE);
    let (file, map) = shared(EXTENT)?;
    fill(&file, EXTENT)?;
    drop(map);
    let ring = ok!(file.map_mirrored_mut(..));
    if world.is_of_a_kernel() {
        same!(ring.as_ptr().addr() % EXTENT, 0);
    }
    let _ = patiently(|| ring.collapse());
    let view = ok!(file.map_shared(..));
    let _ = patiently(|| view.collapse());
    is_right_shared(&view, 0)?;
    ok!(ring.write_all_at(&[byte(EXTENT - 1), byte(0)], EXTENT - 1));
    let mut found = [0; 2];
    for at in [0, PAGE, EXTENT - 2] {
        for half in [0, EXTENT] {
            ok!(ring.read_exact_at(&mut found, half + at));
            is_right(&found, at)?;
        }
    }
    Ok(())
}

/// Sealing needs every page to be used by nobody else.
fn a_file_whose_pages_are_moved_is_sealed(world: &World) -> Verdict {
    needs!(world.collapse, world::NO_COLLAPSE);
    for _ in 0..20 {
        let file = sparse(2)?;
        let map = ok!(file.map_shared_mut(..));
        touch(&map)?;
        ok!(patiently(|| map.collapse()));
        ok!(map.write_all_at(b"y", EXTENT));
        drop(map);
        let sealed = ok!(file.seal());
        same!(ok!(sealed.map())[EXTENT], b'y');
        holds!(ok!(sealed.seals()).contains(Seals::WRITE));
    }
    Ok(())
}

fn what_cannot_become_huge_is_an_error_and_stays(world: &World) -> Verdict {
    // Whether the kernel can or not.
    let sealed = small(EXTENT)?;
    let map = ok!(sealed.map());
    let copy = ok!(sealed.map_copy());
    for result in [map.collapse(), copy.collapse()] {
        holds!(
            matches!(
                result,
                Ok(()) | Err(Errno::EINVAL | Errno::EAGAIN | Errno::EBUSY | Errno::ENOMEM)
            ),
            "{result:?}"
        );
    }
    is_right(&map, 0)?;
    is_right(&copy, 0)?;
    needs!(world.advice, world::NO_ADVICE);
    // No extent lies in it.
    for len in [1, PAGE, EXTENT - LARGEST_PAGE] {
        let sealed = small(len)?;
        let map = ok!(sealed.map());
        refused!(map.collapse(), Errno::EINVAL);
        is_right(&map, 0)?;
    }
    // A hole stays one.
    let file = ok!(kernel::sealable());
    ok!(file.set_len(EXTENT as u64));
    let map = ok!(file.map_shared_mut(..));
    refused!(map.collapse(), Errno::EINVAL);
    same!(kernel::memory_of(&file), Ok(0));
    Ok(())
}

fn what_the_kernel_says_is_said(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let sealed = small(EXTENT)?;
    let (map, copy) = (ok!(sealed.map()), ok!(sealed.map_copy()));
    let (_file, shared) = shared(EXTENT)?;
    let code = may_be_executed(sealed.map_exec())?;
    for error in [Errno::EAGAIN, Errno::EBUSY, Errno::EINVAL, Errno::ENOMEM] {
        children::apart(|| {
            ok!(raw::refuse(Which::All(sc::nr::MADVISE), error));
            same!(map.collapse(), Err(error));
            same!(copy.collapse(), Err(error));
            same!(shared.collapse(), Err(error));
            same!(code.collapse(), Err(error));
            is_right(&map, 0)
        })?;
    }
    Ok(())
}

fn huge_pages_of_a_pool_stay(world: &World) -> Verdict {
    needs!(world.advice, world::NO_ADVICE);
    let size = attacks::huge_page_size(world, 1)?;
    let sealed = ok!(MemFdOptions::new()
        .huge_pages(owned_memfd::HugePageSize::DEFAULT)
        .create_with(c"huge", size, |bytes| bytes.fill(7)));
    let map = ok!(sealed.map());
    refused!(map.collapse(), Errno::EINVAL);
    holds!(map.iter().all(|byte| *byte == 7));
    Ok(())
}

fn what_becomes_huge_without_memory_is_an_error_and_no_signal(world: &World) -> Verdict {
    let machine = NoMemory::prepare(world)?;
    let file = sparse(2)?;
    let map = ok!(file.map_shared_mut(..));
    let before = ok!(kernel::memory_of(&file));
    ok!(machine.begin());
    let result = map.collapse();
    let mut found = [0];
    let read = map.read_exact_at(&mut found, EXTENT);
    drop(machine);
    holds!(result.is_err(), "{result:?}");
    same!((read, found), (Ok(()), *b"x"));
    same!(kernel::memory_of(&file), Ok(before));
    Ok(())
}
