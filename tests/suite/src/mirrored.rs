//! Claims about maps that show the same pages twice in a row.

use crate::{
    Stop, Verdict, World, attacks,
    attacks::LARGEST_PAGE,
    children,
    kernel::{self, PAGE, READ, WRITE},
    mapping::mappings,
    ranges::{byte, leaves_its_neighbours, numbered},
    raw::{self, Mapping, Response, Stores, Which},
    shared::shared,
    world,
};
use owned_memfd::{
    AccessError, Errno, MapError, OwnedMemFd, SealError, Seals, SharedMap, VerifyErrorKind,
};

claims!(
    both_halves_are_the_same_bytes,
    a_mirrored_map_for_reading_shows_what_is_written,
    any_whole_pages_can_be_mirrored,
    what_is_not_whole_pages_is_not_mirrored,
    what_could_be_cut_is_not_mirrored,
    what_cannot_be_written_is_not_mirrored_for_writing,
    a_mirrored_map_is_bounded_by_both_halves,
    what_stands_beside_a_mirrored_map_stays,
    a_mirrored_map_is_made_or_refused_whole,
    what_cannot_be_mirrored_is_refused_before_anything_is_replaced,
    a_mirrored_map_prevents_sealing_until_it_is_gone,
    huge_pages_can_be_mirrored,
    huge_pages_are_mirrored_only_whole,
);

fn both_halves_are_the_same_bytes(_: &World) -> Verdict {
    const LEN: usize = LARGEST_PAGE;
    let (file, plain) = shared(LEN)?;
    let ring = ok!(file.map_mirrored_mut(..));
    same!(ring.len(), 2 * LEN);
    let text = b"across the seam";
    let mut found = [0; 15];
    // Written in one half or across the seam, and read everywhere.
    for at in [0, 1, LEN - 7, LEN - 1, LEN, LEN + 3, 2 * LEN - 15] {
        ok!(file.punch_hole(0, LEN as u64));
        ok!(ring.write_all_at(text, at));
        for again in [at % LEN, at % LEN + LEN] {
            if again + text.len() <= 2 * LEN {
                ok!(ring.read_exact_at(&mut found, again));
                same!(&found, text);
            }
        }
        for (index, letter) in text.iter().enumerate() {
            let mut found = [0];
            ok!(plain.read_exact_at(&mut found, (at + index) % LEN));
            same!(found, [*letter]);
        }
    }
    // What others write is in both.
    ok!(plain.write_all_at(b"both", LEN - 2 - 2));
    for at in [LEN - 4, 2 * LEN - 4] {
        ok!(ring.read_exact_at(&mut found[..4], at));
        same!(&found[..4], b"both");
    }
    // An integer in one half is the one in the other.
    let (one, two) = (
        ok!(ring.atomic_mut::<u64>(8)),
        ok!(ring.atomic_mut::<u64>(LEN + 8)),
    );
    one.store(7, core::sync::atomic::Ordering::SeqCst);
    same!(two.fetch_add(1, core::sync::atomic::Ordering::SeqCst), 7);
    same!(one.load(core::sync::atomic::Ordering::SeqCst), 8);
    Ok(())
}

fn a_mirrored_map_for_reading_shows_what_is_written(_: &World) -> Verdict {
    const LEN: usize = 2 * LARGEST_PAGE;
    let file = numbered(LEN)?;
    let ring = ok!(file.map_mirrored(..));
    is_mirrored(&ring, 0, LEN)?;
    let writer = ok!(file.map_shared_mut(LEN - 4..));
    ok!(writer.write_all_at(b"last", 0));
    let mut found = [0; 5];
    for at in [LEN - 4, 2 * LEN - 4] {
        ok!(ring.read_exact_at(&mut found[..4], at));
        same!(&found[..4], b"last");
    }
    ok!(ring.read_exact_at(&mut found, LEN - 4));
    same!(found[4], byte(0));
    for at in [0, LEN - 1, LEN, 2 * LEN - 1] {
        holds!(!ok!(attacks::is_writable(ring.as_ptr().wrapping_add(at))));
    }
    Ok(())
}

/// The map shows `len` bytes of a numbered file from `offset` on, twice.
fn is_mirrored(ring: &SharedMap, offset: usize, len: usize) -> Verdict {
    same!(ring.len(), 2 * len);
    let mut piece = [0; 1024];
    for start in (0..2 * len).step_by(piece.len()) {
        ok!(ring.read_exact_at(&mut piece, start));
        for (index, found) in piece.iter().enumerate() {
            let at = start + index;
            holds!(*found == byte(offset + at % len), "not so at {at}");
        }
    }
    Ok(())
}

fn any_whole_pages_can_be_mirrored(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    let file = numbered(40 * page)?;
    let before = file.len();
    for first in [0, 1, 15, 16, 17] {
        for count in [1, 2, 15, 16, 17] {
            let range = first * page..(first + count) * page;
            is_mirrored(
                &ok!(file.map_mirrored(range.clone())),
                first * page,
                count * page,
            )?;
            is_mirrored(
                &*ok!(file.map_mirrored_mut(range)),
                first * page,
                count * page,
            )?;
        }
    }
    // Other maps of the same pages, at the same time.
    let rings = [ok!(file.map_mirrored(..)), ok!(file.map_mirrored(page..))];
    is_mirrored(&rings[0], 0, 40 * page)?;
    is_mirrored(&rings[1], page, 39 * page)?;
    same!(file.len(), before);
    Ok(())
}

fn what_is_not_whole_pages_is_not_mirrored(world: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    let file = numbered(8 * page)?;
    let before = if world.proc { mappings().ok() } else { None };
    let odd = [
        (0, 1),
        (0, page - 1),
        (0, page / 2),
        (0, page + 1),
        (0, page + page / 2),
        (0, 2 * page - 1),
        (1, page),
        (page - 1, page),
        (page / 2, page),
        (page / 2, page / 2),
        (page + 1, page - 1),
        (7 * page + 1, page - 1),
    ];
    for (offset, len) in odd {
        let range = offset..offset + len;
        let invalid = Some(MapError::Kernel(Errno::EINVAL));
        same!(file.map_mirrored(range.clone()).err(), invalid);
        same!(file.map_mirrored_mut(range).err(), invalid);
    }
    // Nothing is left mapped.
    if world.proc {
        same!(mappings().ok(), before);
    }
    // A file that does not end with a page.
    let (file, _) = shared(2 * page + 1)?;
    refused!(file.map_mirrored(..), MapError::Kernel(Errno::EINVAL));
    refused!(file.map_mirrored(..3 * page), MapError::OutOfBounds { .. });
    same!(ok!(file.map_mirrored(..2 * page)).len(), 4 * page);
    Ok(())
}

/// A sealable file of `LARGEST_PAGE` bytes.
fn whole_pages() -> Result<OwnedMemFd, Stop> {
    let file = ok!(kernel::sealable());
    ok!(file.set_len(LARGEST_PAGE as u64));
    Ok(file)
}

fn what_could_be_cut_is_not_mirrored(_: &World) -> Verdict {
    let missing = Some(VerifyErrorKind::MissingSeals(Seals::SHRINK).into());
    let file = whole_pages()?;
    same!(file.map_mirrored(..).err(), missing);
    ok!(file.map_mirrored_mut(..));
    holds!(ok!(file.seals()).contains(Seals::SHRINK));
    ok!(file.map_mirrored(..));
    let file = whole_pages()?;
    ok!(file.add_seals(Seals::SEAL));
    same!(file.map_mirrored_mut(..).err(), missing);
    Ok(())
}

fn what_cannot_be_written_is_not_mirrored_for_writing(world: &World) -> Verdict {
    let refused = |file: &OwnedMemFd, error: Errno| {
        let before = if world.proc { mappings().ok() } else { None };
        same!(
            file.map_mirrored_mut(..).err(),
            Some(MapError::Kernel(error))
        );
        if world.proc {
            same!(mappings().ok(), before);
        }
        Ok(())
    };
    let file = numbered(LARGEST_PAGE)?;
    ok!(file.add_seals(Seals::WRITE));
    refused(&file, Errno::EPERM)?;
    if world.future_write {
        let file = numbered(LARGEST_PAGE)?;
        ok!(file.add_seals(Seals::FUTURE_WRITE));
        refused(&file, Errno::EPERM)?;
        is_mirrored(&ok!(file.map_mirrored(..)), 0, LARGEST_PAGE)?;
    }
    needs!(world.proc, world::NO_PROC);
    let file = numbered(LARGEST_PAGE)?;
    refused(&ok!(file.reopen_read_only()), Errno::EACCES)
}

fn a_mirrored_map_is_bounded_by_both_halves(_: &World) -> Verdict {
    const LEN: usize = LARGEST_PAGE;
    let (file, _) = shared(3 * LEN)?;
    let ring = ok!(file.map_mirrored_mut(LEN..2 * LEN));
    let out = Err(AccessError::OutOfBounds { len: 2 * LEN });
    ok!(ring.write_all_at(&[], 2 * LEN));
    for (offset, len) in [
        (2 * LEN - 1, 2),
        (2 * LEN, 1),
        (2 * LEN + 1, 0),
        (1, 2 * LEN),
    ] {
        let mut bytes = ok!(raw::Buffer::new(2 * LEN));
        same!(ring.write_all_at(&bytes[..len], offset), out);
        same!(ring.read_exact_at(&mut bytes[..len], offset), out);
    }
    same!(ring.read_exact_at(&mut [0], usize::MAX), out);
    // What is beside it in the file is not its.
    let mut around = [7; 2];
    ok!(ring.write_all_at(&[9; 4], LEN - 2));
    ok!(file.read_exact_at(&mut around[..1], LEN as u64 - 1));
    ok!(file.read_exact_at(&mut around[1..], 2 * LEN as u64));
    same!(around, [0; 2]);
    Ok(())
}

fn what_stands_beside_a_mirrored_map_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    let file = numbered(20 * page)?;
    for (first, count) in [(0, 1), (1, 1), (3, 2), (1, 17)] {
        let range = first * page..(first + count) * page;
        let ring = ok!(file.map_mirrored(range.clone()));
        let at = ring.as_ptr();
        leaves_its_neighbours(ring, at, at.addr(), at.addr() + 2 * count * page)?;
        let ring = ok!(file.map_mirrored_mut(range));
        let at = ring.as_ptr();
        leaves_its_neighbours(ring, at, at.addr(), at.addr() + 2 * count * page)?;
    }
    Ok(())
}

/// Whichever of its calls fails. What the kernel refuses to replace may be another thread's by then,
/// so it is left alone: at most that half is still mapped.
fn a_mirrored_map_is_made_or_refused_whole(world: &World) -> Verdict {
    use linux_raw_sys::general::{MAP_FIXED, MAP_NORESERVE, MAP_SHARED};

    needs!(world.proc, world::NO_PROC);
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let page = ok!(attacks::page_size());
    let file = numbered(LARGEST_PAGE)?;
    let refused = [
        Response::Error(Errno::ENOMEM),
        Response::LetThrough,
        Response::Error(Errno::ENOMEM),
    ];
    for (which, responses, mapped) in [
        (Which::Equal(sc::nr::MMAP, 3, MAP_SHARED), &refused[..1], 0),
        (
            Which::Equal(sc::nr::MMAP, 3, MAP_SHARED | MAP_NORESERVE),
            &refused[..1],
            0,
        ),
        (
            Which::WithBits(sc::nr::MMAP, 3, MAP_FIXED),
            &refused[..1],
            LARGEST_PAGE / page,
        ),
        (
            Which::WithBits(sc::nr::MMAP, 3, MAP_FIXED),
            &refused[1..],
            LARGEST_PAGE / page,
        ),
    ] {
        children::apart(|| {
            let supervisor = children::Supervisor::of(which, responses)?;
            let before = ok!(kernel::mapped_memory());
            let result = file.map_mirrored_mut(..).err();
            let after = ok!(kernel::mapped_memory());
            same!(result, Some(MapError::Kernel(Errno::ENOMEM)));
            same!(after - before, mapped as u64);
            // Then it works.
            is_mirrored(&*ok!(file.map_mirrored_mut(..)), 0, LARGEST_PAGE)?;
            same!(kernel::mapped_memory(), Ok(after));
            holds!(supervisor.calls() >= responses.len() as u32);
            Ok(())
        })?;
    }
    Ok(())
}

/// Where the kernel refuses a mapping that replaces another one, it may leave a gap, in which another
/// thread may map something. Whoever unmaps the whole then unmaps that, too. So it must have
/// refused before anything is replaced.
fn what_cannot_be_mirrored_is_refused_before_anything_is_replaced(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.filters, world::NO_FILTERS);
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let file = numbered(LARGEST_PAGE)?;
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    let before = ok!(mappings());
    // What is mapped cannot be unmapped any more, so it shows.
    ok!(raw::refuse(Which::All(sc::nr::MUNMAP), Errno::EIO));
    refused!(file.map_mirrored_mut(..), MapError::Kernel(Errno::EPERM));
    same!(ok!(mappings()), before);
    Ok(())
}

fn a_mirrored_map_prevents_sealing_until_it_is_gone(_: &World) -> Verdict {
    let (file, map) = shared(LARGEST_PAGE)?;
    drop(map);
    let ring = ok!(file.map_mirrored_mut(..));
    let Err(refused) = file.seal() else {
        fail!("sealed while it can be written");
    };
    same!(
        refused.kind(),
        VerifyErrorKind::Seal(SealError::MappedOrPinned)
    );
    drop(ring);
    ok!(refused.into_inner().seal());
    Ok(())
}

fn huge_pages_can_be_mirrored(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(2 * size as u64));
    for (range, len) in [
        (0..size, size),
        (size..2 * size, size),
        (0..2 * size, 2 * size),
    ] {
        let ring = ok!(file.map_mirrored_mut(range.clone()));
        let view = ok!(file.map_mirrored(range));
        same!((ring.len(), view.len()), (2 * len, 2 * len));
        ok!(ring.write_all_at(b"0123", len - 2));
        let mut found = [0; 2];
        ok!(view.read_exact_at(&mut found, 2 * len - 2));
        same!(&found, b"01");
        ok!(view.read_exact_at(&mut found, 0));
        same!(&found, b"23");
        let at = ring.as_ptr();
        leaves_its_neighbours(ring, at, at.addr(), at.addr() + 2 * len)?;
    }
    same!(file.len(), Ok(2 * size as u64));
    // The pages of both halves are the same ones: that many suffice.
    let all = ok!(attacks::take_all_huge_pages(size));
    let ring = ok!(file.map_mirrored_mut(..));
    ok!(ring.write_all_at(b"x", 4 * size - 1));
    drop(all);
    Ok(())
}

fn huge_pages_are_mirrored_only_whole(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let (file, size) = attacks::huge_holes(world)?;
    ok!(file.add_seals(Seals::SHRINK));
    let before = ok!(mappings());
    for (offset, len) in [
        (0, PAGE),
        (0, size / 2),
        (0, size + size / 2),
        (0, size - PAGE),
        (PAGE, size),
        (size / 2, size / 2),
        (size - 1, 1),
    ] {
        let range = offset..offset + len;
        // With an empty pool, the error may be that.
        refused!(
            file.map_mirrored(range.clone()),
            MapError::Kernel(Errno::EINVAL | Errno::ENOMEM)
        );
        refused!(
            file.map_mirrored_mut(range),
            MapError::Kernel(Errno::EINVAL | Errno::ENOMEM)
        );
        same!(ok!(mappings()), before);
    }
    same!(file.len(), Ok(2 * size as u64));
    drop(Mapping::of(&file, size, Stores::Shared, READ | WRITE));
    Ok(())
}
