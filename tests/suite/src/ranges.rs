//! Claims about which part of a memory file a shared map shows: any range that lies in the file,
//! several at once, and the file cannot shrink under any of them.

use crate::{
    Stop, Verdict, World, attacks,
    attacks::{LARGEST_PAGE, Neighbour},
    children::{self, Child},
    kernel::{self, PAGE},
    mapping::mappings,
    raw::{self, Descriptors, Which},
    shared::shared,
    world::{self, EXTENT},
};
use core::ops::{Bound, RangeBounds};
use owned_memfd::{Errno, MapError, OwnedMemFd, SealedMemFd, Seals, SharedMap};

claims!(
    a_range_may_be_of_any_kind,
    a_range_that_is_not_one_of_the_file_is_refused,
    a_range_may_begin_and_end_anywhere,
    a_range_of_nothing_maps_nothing,
    several_ranges_show_the_same_bytes,
    a_range_outlives_the_descriptor,
    a_range_leaves_the_file_usable,
    what_stands_beside_a_shared_range_stays,
    ranges_that_touch_are_unmapped_one_by_one,
    a_shared_range_on_huge_pages_may_begin_and_end_anywhere,
    a_shared_range_without_huge_pages_is_an_error_and_no_crash,
    what_is_cut_while_it_is_mapped_is_never_a_signal,
);

/// The byte of a test file at an index. No two pages are alike.
pub(crate) fn byte(index: usize) -> u8 {
    (index % 251 + index / PAGE) as u8
}

/// A sealable file of `len` such bytes, and the seal that a map needs.
pub(crate) fn numbered(len: usize) -> Result<OwnedMemFd, Stop> {
    let file = ok!(kernel::sealable());
    let mut piece = [0; 1024];
    for start in (0..len).step_by(piece.len()) {
        let piece = &mut piece[..(len - start).min(1024)];
        for (index, slot) in piece.iter_mut().enumerate() {
            *slot = byte(start + index);
        }
        ok!(file.write_all_at(piece, start as u64));
    }
    ok!(file.add_seals(Seals::SHRINK));
    Ok(file)
}

/// The map shows the bytes of such a file from `offset` on.
pub(crate) fn is_numbered(map: &SharedMap, offset: usize, len: usize) -> Verdict {
    same!((map.len(), map.is_empty()), (len, len == 0));
    let mut piece = [0; 1024];
    for start in (0..len).step_by(piece.len()) {
        let piece = &mut piece[..(len - start).min(1024)];
        ok!(map.read_exact_at(piece, start));
        for (index, found) in piece.iter().enumerate() {
            let at = offset + start + index;
            holds!(*found == byte(at), "not so at {at}, from {offset}");
        }
    }
    Ok(())
}

fn a_range_may_be_of_any_kind(_: &World) -> Verdict {
    const LEN: usize = 3 * PAGE + 100;

    fn is(
        file: &OwnedMemFd,
        range: impl RangeBounds<usize> + Clone,
        offset: usize,
        len: usize,
    ) -> Verdict {
        is_numbered(&ok!(file.map_shared(range.clone())), offset, len)?;
        is_numbered(&*ok!(file.map_shared_mut(range.clone())), offset, len)?;
        let sealed = ok!(ok!(file.try_clone()).seal());
        let map = ok!(sealed.map_range(range));
        same!(map.len(), len);
        holds!((0..len).all(|index| map[index] == byte(offset + index)));
        Ok(())
    }

    let of = || numbered(LEN);
    is(&of()?, .., 0, LEN)?;
    is(&of()?, 5.., 5, LEN - 5)?;
    is(&of()?, LEN.., LEN, 0)?;
    is(&of()?, ..PAGE, 0, PAGE)?;
    is(&of()?, ..=PAGE, 0, PAGE + 1)?;
    is(&of()?, 7..PAGE + 7, 7, PAGE)?;
    is(&of()?, 7..=7, 7, 1)?;
    is(&of()?, 0..=3 * PAGE + 99, 0, LEN)?;
    is(&of()?, (Bound::Excluded(6), Bound::Included(9)), 7, 3)?;
    is(&of()?, (Bound::Excluded(LEN - 1), Bound::Unbounded), LEN, 0)?;
    is(&of()?, (Bound::Included(&9), Bound::Excluded(&11)), 9, 2)?;
    // As slices have it: it ends where it begins.
    #[allow(clippy::reversed_empty_ranges)]
    is(&of()?, 8..=7, 8, 0)
}

/// Bounds that are not those of a range of `len` bytes, whatever the pages are.
fn outside(len: usize) -> [(Bound<usize>, Bound<usize>); 17] {
    use Bound::{Excluded, Included, Unbounded};

    const MAX: usize = usize::MAX;
    [
        (Unbounded, Included(len)),
        (Unbounded, Excluded(len + 1)),
        (Unbounded, Included(MAX)),
        (Unbounded, Excluded(MAX)),
        (Included(len + 1), Unbounded),
        (Excluded(len), Unbounded),
        (Excluded(MAX), Unbounded),
        (Included(MAX), Unbounded),
        (Included(2), Excluded(1)),
        (Included(3), Included(1)),
        (Excluded(1), Excluded(1)),
        (Included(len), Excluded(0)),
        (Included(MAX), Included(MAX)),
        (Excluded(MAX), Included(MAX)),
        (Included(MAX), Excluded(len)),
        (Included(1), Included(MAX)),
        // What is not page for page the end of the file, but in its last page.
        (Included(0), Excluded(len.next_multiple_of(PAGE))),
    ]
}

/// What is wrong with such a range. A bound that no number has is the largest.
fn why_outside((start, end): (Bound<usize>, Bound<usize>), len: usize) -> MapError {
    let start = match start {
        Bound::Unbounded => 0,
        Bound::Included(first) => first,
        Bound::Excluded(before) => before.saturating_add(1),
    };
    let end = match end {
        Bound::Unbounded => len,
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => end,
    };
    let bound = start.max(end);
    if bound > len {
        MapError::OutOfBounds { bound, len }
    } else {
        MapError::Reversed { start, end }
    }
}

fn a_range_that_is_not_one_of_the_file_is_refused(world: &World) -> Verdict {
    const LEN: usize = PAGE + 100;
    let file = numbered(LEN)?;
    let proven = ok!(numbered(LEN)?.seal());
    if world.filters {
        ok!(raw::refuse(Which::All(sc::nr::MMAP), Errno::EIO));
    }
    for range in outside(LEN) {
        let out = Some(why_outside(range, LEN));
        same!(file.map_shared(range).err(), out);
        same!(file.map_shared_mut(range).err(), out);
        same!(file.map_mirrored(range).err(), out);
        same!(file.map_mirrored_mut(range).err(), out);
        same!(proven.map_range(range).err(), out);
    }
    // The bound that is wrong, and not the other one.
    for (start, end, bound) in [(7, LEN + 9, LEN + 9), (LEN + 8, LEN + 2, LEN + 8)] {
        let out = MapError::OutOfBounds { bound, len: LEN };
        same!(proven.map_range(start..end).err(), Some(out));
    }
    let out = MapError::Reversed { start: 7, end: 3 };
    same!(
        proven
            .map_range((Bound::Included(7), Bound::Excluded(3)))
            .err(),
        Some(out)
    );
    // The kernel is asked only for one that is.
    needs!(world.filters, world::NO_FILTERS);
    refused!(file.map_shared(..), MapError::Kernel(Errno::EIO));
    refused!(file.map_shared_mut(..), MapError::Kernel(Errno::EIO));
    Ok(())
}

fn a_range_may_begin_and_end_anywhere(_: &World) -> Verdict {
    const LEN: usize = 3 * LARGEST_PAGE + 100;
    let file = numbered(LEN)?;
    for corner in [0, PAGE, LARGEST_PAGE, 2 * LARGEST_PAGE, LEN] {
        for offset in corner.saturating_sub(2)..=(corner + 2).min(LEN) {
            for len in [0, 1, 3, PAGE, LARGEST_PAGE + 1, LEN - offset] {
                if len <= LEN - offset {
                    let range = offset..offset + len;
                    is_numbered(&ok!(file.map_shared(range.clone())), offset, len)?;
                    is_numbered(&*ok!(file.map_shared_mut(range)), offset, len)?;
                }
            }
        }
    }
    // What is written there is written there.
    let (offset, len) = (LARGEST_PAGE - 1, LARGEST_PAGE + 3);
    let map = ok!(file.map_shared_mut(offset..offset + len));
    ok!(map.write_all_at(b"ab", 0));
    ok!(map.write_all_at(b"yz", len - 2));
    let (mut first, mut last) = ([0; 4], [0; 4]);
    ok!(file.read_exact_at(&mut first, offset as u64 - 1));
    ok!(file.read_exact_at(&mut last, (offset + len) as u64 - 3));
    same!(first, [byte(offset - 1), b'a', b'b', byte(offset + 2)]);
    let end = offset + len;
    same!(last, [byte(end - 3), b'y', b'z', byte(end)]);
    Ok(())
}

fn a_range_of_nothing_maps_nothing(world: &World) -> Verdict {
    let file = numbered(PAGE)?;
    if world.filters {
        for number in [sc::nr::MMAP, sc::nr::MUNMAP, sc::nr::MADVISE] {
            ok!(raw::refuse(Which::All(number), Errno::EIO));
        }
    }
    for offset in [0, 1, PAGE - 1, PAGE] {
        for map in [
            ok!(file.map_shared(offset..offset)),
            ok!(file.map_mirrored(offset..offset)),
        ] {
            holds!(map.is_empty() && !map.as_ptr().is_null());
            ok!(map.read_exact_at(&mut [], 0));
            holds!(map.read_exact_at(&mut [0], 0).is_err());
            holds!(map.atomic::<u8>(0).is_err());
            ok!(map.collapse());
        }
    }
    Ok(())
}

fn several_ranges_show_the_same_bytes(_: &World) -> Verdict {
    let (file, whole) = shared(2 * LARGEST_PAGE)?;
    let left = ok!(file.map_shared_mut(..LARGEST_PAGE + 10));
    let right = ok!(file.map_shared_mut(LARGEST_PAGE - 10..));
    let inner = ok!(file.map_shared(LARGEST_PAGE - 5..LARGEST_PAGE + 5));
    let mut found = [0; 10];
    ok!(left.write_all_at(b"0123456789", LARGEST_PAGE - 5));
    ok!(right.read_exact_at(&mut found, 5));
    same!(&found, b"0123456789");
    ok!(right.write_all_at(b"ab", 9));
    ok!(inner.read_exact_at(&mut found, 0));
    same!(&found, b"0123ab6789");
    ok!(whole.read_exact_at(&mut found, LARGEST_PAGE - 5));
    same!(&found, b"0123ab6789");
    // Each goes alone.
    drop((left, whole));
    ok!(right.write_all_at(b"cd", 13));
    ok!(inner.read_exact_at(&mut found, 0));
    same!(&found, b"0123ab67cd");
    drop(right);
    ok!(inner.read_exact_at(&mut found, 0));
    same!(&found, b"0123ab67cd");
    Ok(())
}

fn a_range_outlives_the_descriptor(_: &World) -> Verdict {
    let file = numbered(LARGEST_PAGE)?;
    let before = kernel::open_descriptors();
    let map = ok!(file.map_shared_mut(7..PAGE + 9));
    // A descriptor that goes at once.
    let view = ok!(ok!(file.try_clone()).map_shared(9..PAGE));
    let ring = ok!(ok!(file.try_clone()).map_mirrored(..));
    same!(kernel::open_descriptors(), before);
    drop(file);
    is_numbered(&map, 7, PAGE + 2)?;
    is_numbered(&view, 9, PAGE - 9)?;
    ok!(map.write_all_at(b"x", 2));
    let mut found = [0];
    ok!(view.read_exact_at(&mut found, 0));
    same!(&found, b"x");
    ok!(ring.read_exact_at(&mut found, LARGEST_PAGE + 9));
    same!(&found, b"x");
    Ok(())
}

fn a_range_leaves_the_file_usable(_: &World) -> Verdict {
    let file = numbered(2 * PAGE)?;
    let map = ok!(file.map_shared_mut(10..20));
    ok!(file.set_len(4 * PAGE as u64));
    ok!(file.write_all_at(b"hello", 12));
    let mut found = [0; 5];
    ok!(map.read_exact_at(&mut found, 2));
    same!(&found, b"hello");
    let clone = ok!(file.try_clone());
    same!(clone.len(), Ok(4 * PAGE as u64));
    let Err(refused) = clone.seal() else {
        fail!("sealed while it is mapped");
    };
    same!(
        refused.kind(),
        owned_memfd::VerifyErrorKind::Seal(owned_memfd::SealError::MappedOrPinned)
    );
    drop(map);
    let sealed: SealedMemFd = ok!(file.seal());
    same!(ok!(sealed.map())[12..17], *b"hello");
    Ok(())
}

/// The pages directly before `start` and directly after `end` stay mapped when `map` is dropped,
/// and the mapping between them does not.
pub(crate) fn leaves_its_neighbours<T>(
    map: T,
    pointer: *const u8,
    start: usize,
    end: usize,
) -> Verdict {
    let at = |address: usize| pointer.with_addr(address);
    let beside = [at(start - PAGE), at(end)];
    let ours = beside.map(Neighbour::at);
    // A page that was mapped there already must stay, too.
    let mut there = [false; 2];
    for (slot, page) in there.iter_mut().zip(beside) {
        *slot = ok!(attacks::is_mapped(page));
    }
    holds!(ok!(attacks::is_mapped(at(start))));
    holds!(ok!(attacks::is_mapped(at(end - 1))));
    drop(map);
    for neighbour in ours.iter().flatten() {
        holds!(neighbour.is_there());
    }
    for (was, page) in there.iter().zip(beside) {
        same!(attacks::is_mapped(page), Ok(*was));
    }
    holds!(!ok!(attacks::is_mapped(at(start))));
    holds!(!ok!(attacks::is_mapped(at(end - 1))));
    needs!(there.contains(&true), attacks::NO_NEIGHBOURS);
    Ok(())
}

fn what_stands_beside_a_shared_range_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    let file = numbered(EXTENT + 4 * LARGEST_PAGE)?;
    for offset in [0, 1, page, LARGEST_PAGE - 1, LARGEST_PAGE, EXTENT + 3] {
        for len in [1, page, page + 1, LARGEST_PAGE] {
            let map = ok!(file.map_shared_mut(offset..offset + len));
            let at = map.as_ptr();
            // The mapping starts at a multiple of the largest page size.
            let first = at.addr() - offset % LARGEST_PAGE;
            let end = (at.addr() + len).next_multiple_of(page);
            leaves_its_neighbours(map, at, first, end)?;
        }
    }
    for offset in [0, 1, page + 1] {
        let map = ok!(file.map_shared(offset..offset + EXTENT));
        let at = map.as_ptr();
        let end = (at.addr() + EXTENT).next_multiple_of(page);
        leaves_its_neighbours(map, at, at.addr() - offset, end)?;
    }
    Ok(())
}

/// The kernel merges mappings that follow each other in the file and in memory.
fn ranges_that_touch_are_unmapped_one_by_one(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = numbered(8 * LARGEST_PAGE)?;
    let before = ok!(mappings());
    let map = |index: usize| {
        let start = index * LARGEST_PAGE;
        file.map_shared(start..start + LARGEST_PAGE)
    };
    let mut maps = [7, 6, 5, 4, 3, 2, 1, 0].map(|index| map(index).ok());
    // From the middle, then the ends.
    for gone in [4, 3, 0, 7, 6, 1, 5, 2] {
        maps[gone] = None;
        for (index, map) in maps.iter().enumerate() {
            if let Some(map) = map {
                is_numbered(map, (7 - index) * LARGEST_PAGE, LARGEST_PAGE)?;
            }
        }
    }
    same!(ok!(mappings()), before);
    Ok(())
}

fn a_shared_range_on_huge_pages_may_begin_and_end_anywhere(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(2 * size as u64));
    let whole = ok!(file.map_shared_mut(..));
    for offset in [0, 1, PAGE, LARGEST_PAGE, size - 1, size, size + 1] {
        for len in [1, PAGE, size, 2 * size - offset] {
            if len <= 2 * size - offset {
                let map = ok!(file.map_shared_mut(offset..offset + len));
                same!(map.len(), len);
                ok!(map.write_all_at(b"a", 0));
                ok!(map.write_all_at(b"z", len - 1));
                let mut found = [0; 2];
                ok!(whole.read_exact_at(&mut found[..1], offset));
                ok!(whole.read_exact_at(&mut found[1..], offset + len - 1));
                same!(&found, if len == 1 { b"zz" } else { b"az" });
                let at = map.as_ptr();
                let (start, end) = (at.addr() & !(size - 1), at.addr() + len);
                leaves_its_neighbours(map, at, start, end.next_multiple_of(size))?;
            }
        }
    }
    refused!(
        file.map_shared(size..=2 * size),
        MapError::OutOfBounds { .. }
    );
    Ok(())
}

fn a_shared_range_without_huge_pages_is_an_error_and_no_crash(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    ok!(file.add_seals(Seals::SHRINK));
    let all = ok!(attacks::take_all_huge_pages(size));
    let none = MapError::Kernel(Errno::ENOMEM);
    same!(file.map_shared(1..2).err(), Some(none));
    same!(file.map_shared_mut(..).err(), Some(none));
    same!(file.map_mirrored(..).err(), Some(none));
    same!(file.map_mirrored_mut(..).err(), Some(none));
    drop(all);
    let map = ok!(file.map_shared_mut(..));
    // What was mapped is reserved: nobody else gets it, and touching it is no signal.
    let _all = ok!(attacks::take_all_huge_pages(size));
    ok!(map.write_all_at(b"x", size - 1));
    Ok(())
}

/// Maps a file of `LEN` bytes while another process cuts it after each number of system calls in
/// turn. A map that was handed out before the file kept its length would kill.
fn is_kept_or_refused(action: fn(&OwnedMemFd) -> Verdict) -> Verdict {
    let mut attacked = 0;
    loop {
        let file = ok!(kernel::sealable());
        ok!(file.set_len(LEN as u64));
        let child = ok!(Child::start(Descriptors::Shared, || {
            ok!(raw::be_traced());
            action(&file)
        }));
        let mut at = 0;
        child.finish_in_steps(|| {
            if attacked == at {
                // It may be kept from shrinking by then.
                let _ = kernel::truncate(&file, 0);
            }
            at += 1;
        })?;
        if attacked >= at {
            return Ok(());
        }
        attacked += 1;
    }
}

const LEN: usize = 2 * LARGEST_PAGE;

fn what_is_cut_while_it_is_mapped_is_never_a_signal(world: &World) -> Verdict {
    needs!(world.tracing, world::NO_TRACING);
    is_kept_or_refused(|file| match file.map_shared_mut(..) {
        Ok(map) => {
            holds!(map.is_empty() || map.len() == LEN);
            if !map.is_empty() {
                ok!(map.write_all_at(b"x", map.len() - 1));
            }
            Ok(())
        }
        Err(error) => fail!("{error:?}"),
    })?;
    is_kept_or_refused(|file| match file.map_shared_mut(1..LEN) {
        Ok(map) => {
            ok!(map.write_all_at(b"x", LEN - 2));
            Ok(())
        }
        Err(MapError::OutOfBounds { len: 0, .. }) => Ok(()),
        Err(error) => fail!("{error:?}"),
    })?;
    is_kept_or_refused(|file| match file.map_mirrored_mut(..LEN) {
        Ok(map) => {
            ok!(map.write_all_at(b"x", 2 * LEN - 1));
            Ok(())
        }
        Err(MapError::OutOfBounds { len: 0, .. }) => Ok(()),
        Err(error) => fail!("{error:?}"),
    })?;
    // This one adds no seal.
    is_kept_or_refused(|file| match file.map_shared(..) {
        Ok(map) => fail!("mapped {} bytes", map.len()),
        Err(MapError::Verify(_)) => Ok(()),
        Err(error) => fail!("{error:?}"),
    })?;
    // The control: what is cut is a signal.
    let file = ok!(kernel::holding(&[7; 2 * PAGE]));
    let map = ok!(raw::Mapping::of(
        &file,
        2 * PAGE,
        raw::Stores::Shared,
        kernel::READ
    ));
    ok!(kernel::truncate(&file, 0));
    holds!(
        children::apart(|| {
            map.get(PAGE);
            Ok(())
        })
        .is_err()
    );
    Ok(())
}
