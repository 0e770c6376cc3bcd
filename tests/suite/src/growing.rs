//! Claims about maps that grow: only with their own file and within it, and what fails leaves the
//! map as it was.

use crate::{
    Verdict, World, attacks,
    attacks::{LARGEST_PAGE, Neighbour},
    children,
    kernel::{self, PAGE},
    mapping::mappings,
    raw::{self, Which},
    shared::{self, shared},
    world,
};
use owned_memfd::{Errno, MapError, OwnedMemFd, Seals, SharedMapMut, VerifyErrorKind};
use rustix::{mm::MlockAllFlags, process::Resource};

claims!(
    what_a_map_grows_by_is_the_file,
    a_map_at_any_offset_grows,
    a_map_of_nothing_grows,
    a_map_for_reading_stays_one,
    a_map_grows_by_any_descriptor_of_its_file,
    a_map_does_not_grow_by_another_file,
    a_map_does_not_grow_beyond_its_file,
    a_map_never_gets_shorter,
    a_mirrored_map_does_not_grow,
    a_map_without_room_moves,
    a_map_that_cannot_grow_stays,
    a_map_above_a_limit_stays,
    a_map_that_may_not_be_locked_stays,
    sealed_for_readers_a_map_still_grows,
    a_map_on_huge_pages_grows,
    a_map_grows_by_no_file_on_other_pages,
    a_map_without_huge_pages_to_grow_by_stays,
    a_map_that_grew_is_unmapped_as_a_whole,
);

/// The map can be written and read at both ends, through the file too.
fn works(file: &OwnedMemFd, map: &SharedMapMut, offset: usize) -> Verdict {
    for at in [0, map.len() - 1] {
        let mut found = [0];
        for value in [b"a", b"b"] {
            ok!(map.write_all_at(value, at));
            ok!(file.read_exact_at(&mut found, (offset + at) as u64));
            same!(&found, value);
            ok!(map.read_exact_at(&mut found, at));
            same!(&found, value);
        }
    }
    holds!(map.write_all_at(b"x", map.len()).is_err());
    holds!(map.atomic::<u8>(map.len()).is_err());
    Ok(())
}

fn what_a_map_grows_by_is_the_file(_: &World) -> Verdict {
    let (file, mut map) = shared(100)?;
    ok!(map.write_all_at(b"0123", 96));
    ok!(file.set_len(1 << 20));
    ok!(file.write_all_at(b"4567", 100));
    for len in [101, PAGE, PAGE + 1, LARGEST_PAGE, 3 * LARGEST_PAGE, 1 << 20] {
        ok!(map.grow(&file, len));
        same!(map.len(), len);
        works(&file, &map, 0)?;
        // What is at the start of the file is there, and no other map is needed.
        let other = ok!(file.map_shared(..));
        ok!(map.write_all_at(&len.to_le_bytes(), 8));
        let mut found = [0; 8];
        ok!(other.read_exact_at(&mut found, 8));
        same!(found, len.to_le_bytes());
    }
    let mut found = [0; 8];
    ok!(map.read_exact_at(&mut found, 96));
    same!(&found[..4], b"0123");
    Ok(())
}

fn a_map_at_any_offset_grows(_: &World) -> Verdict {
    const LEN: usize = 4 * LARGEST_PAGE;
    let (file, _whole) = shared(LEN)?;
    for offset in [
        1,
        PAGE - 1,
        PAGE,
        LARGEST_PAGE - 1,
        LARGEST_PAGE,
        LARGEST_PAGE + 7,
    ] {
        for len in [0, 1, PAGE, LARGEST_PAGE] {
            let mut map = ok!(file.map_shared_mut(offset..offset + len));
            for more in [len + 1, len + PAGE, len + LARGEST_PAGE, LEN - offset] {
                ok!(map.grow(&file, more));
                same!(map.len(), more.max(len));
                works(&file, &map, offset)?;
            }
        }
    }
    Ok(())
}

fn a_map_of_nothing_grows(world: &World) -> Verdict {
    let (file, mut map) = shared(0)?;
    ok!(map.grow(&file, 0));
    holds!(map.is_empty());
    ok!(file.set_len(100));
    ok!(map.grow(&file, 100));
    works(&file, &map, 0)?;
    let mut end = ok!(file.map_shared_mut(100..));
    ok!(file.set_len(2 * PAGE as u64));
    ok!(end.grow(&file, 2 * PAGE - 100));
    works(&file, &end, 100)?;
    // Nothing is mapped that could write.
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let mut none = ok!(file.map_shared_mut(..0));
    ok!(file.seal_for_readers());
    refused!(none.grow(&file, PAGE), MapError::Kernel(Errno::EPERM));
    holds!(none.is_empty());
    Ok(())
}

fn a_map_for_reading_stays_one(_: &World) -> Verdict {
    let (file, whole) = shared(LARGEST_PAGE)?;
    for start in [0, 5] {
        for len in [0, 10] {
            let mut view = ok!(file.map_shared(start..start + len));
            ok!(view.grow(&file, LARGEST_PAGE - start));
            ok!(whole.write_all_at(b"end", LARGEST_PAGE - 3));
            let mut found = [0; 3];
            ok!(view.read_exact_at(&mut found, LARGEST_PAGE - start - 3));
            same!(&found, b"end");
            for at in [0, view.len() - 1] {
                holds!(!ok!(attacks::is_writable(view.as_ptr().wrapping_add(at))));
            }
        }
    }
    Ok(())
}

fn a_map_grows_by_any_descriptor_of_its_file(world: &World) -> Verdict {
    let (file, mut map) = shared(PAGE)?;
    ok!(file.set_len(4 * PAGE as u64));
    ok!(map.grow(&ok!(file.try_clone()), 2 * PAGE));
    works(&file, &map, 0)?;
    needs!(world.proc, world::NO_PROC);
    // What was mapped for writing stays so.
    ok!(map.grow(&ok!(file.reopen_read_only()), 3 * PAGE));
    works(&file, &map, 0)?;
    let again = raw::disguise(ok!(kernel::reopen(&file, rustix::fs::OFlags::RDWR)));
    drop(file);
    ok!(map.grow(&again, 4 * PAGE));
    works(&again, &map, 0)
}

fn a_map_does_not_grow_by_another_file(world: &World) -> Verdict {
    let (file, mut map) = shared(PAGE)?;
    let (other, mut others) = shared(4 * PAGE)?;
    let (twin, _) = shared(PAGE)?;
    ok!(file.set_len(4 * PAGE as u64));
    let start = map.as_ptr();
    for file in [&other, &twin] {
        // Not even if it need not grow.
        for len in [0, PAGE, PAGE + 1, 4 * PAGE, usize::MAX] {
            same!(map.grow(file, len), Err(MapError::OtherFile));
        }
    }
    same!(others.grow(&file, 4 * PAGE), Err(MapError::OtherFile));
    let unsealed = ok!(kernel::holding(&[7; 4 * PAGE]));
    let missing = VerifyErrorKind::MissingSeals(Seals::SHRINK);
    same!(map.grow(&unsealed, 2 * PAGE), Err(missing.into()));
    same!(ok!(unsealed.seals()).contains(Seals::SHRINK), false);
    let (read_end, _write_end) = ok!(kernel::pipe());
    let none = MapError::Verify(VerifyErrorKind::NotMemFd);
    same!(map.grow(&raw::disguise(read_end), 2 * PAGE), Err(none));
    same!((map.as_ptr(), map.len()), (start, PAGE));
    works(&file, &map, 0)?;
    needs!(world.tmpfs, world::NO_TMPFS);
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR;
    let on_tmpfs = raw::disguise(ok!(kernel::open(c"/dev/shm", flags)));
    same!(map.grow(&on_tmpfs, 0), Err(missing.into()));
    Ok(())
}

fn a_map_grows_by_no_file_on_other_pages(world: &World) -> Verdict {
    let (file, size) = attacks::huge_holes(world)?;
    ok!(file.add_seals(Seals::SHRINK));
    let (small, mut map) = shared(PAGE)?;
    for len in [PAGE, PAGE + 1, size] {
        same!(map.grow(&file, len), Err(MapError::OtherFile));
    }
    works(&small, &map, 0)?;
    let mut huge = ok!(file.map_shared(..0));
    same!(huge.grow(&small, 1), Err(MapError::OtherFile));
    Ok(())
}

fn a_map_does_not_grow_beyond_its_file(world: &World) -> Verdict {
    const LEN: usize = PAGE + 100;
    let (file, mut whole) = shared(LEN)?;
    let mut end = ok!(file.map_shared_mut(PAGE..));
    let mut none = ok!(file.map_shared(LEN..));
    let out = |bound| Err(MapError::OutOfBounds { bound, len: LEN });
    if world.filters {
        ok!(raw::refuse(Which::All(sc::nr::MREMAP), Errno::EIO));
    }
    let more = [
        1,
        PAGE,
        2 * PAGE,
        isize::MAX as usize - LEN,
        isize::MAX as usize,
    ];
    for more in more.into_iter().chain([usize::MAX - LEN]) {
        same!(whole.grow(&file, LEN + more), out(LEN + more));
        same!(end.grow(&file, 100 + more), out(LEN + more));
        same!(none.grow(&file, more), out(LEN + more));
    }
    same!(end.grow(&file, usize::MAX), out(usize::MAX));
    // A range that wraps around.
    same!(end.grow(&file, usize::MAX - PAGE + 1), out(usize::MAX));
    same!((whole.len(), end.len(), none.len()), (LEN, 100, 0));
    works(&file, &whole, 0)?;
    works(&file, &end, PAGE)
}

fn a_map_never_gets_shorter(world: &World) -> Verdict {
    const LEN: usize = 3 * PAGE + 9;
    let (file, mut map) = shared(LEN)?;
    ok!(file.set_len(8 * PAGE as u64));
    let mut view = ok!(file.map_shared(1..LEN));
    let starts = (map.as_ptr(), view.as_ptr());
    if world.filters {
        for number in [sc::nr::MREMAP, sc::nr::MMAP, sc::nr::MUNMAP] {
            ok!(raw::refuse(Which::All(number), Errno::EIO));
        }
    }
    for len in [LEN, LEN - 1, PAGE, 1, 0] {
        ok!(map.grow(&file, len));
        ok!(view.grow(&file, len.min(LEN - 1)));
        same!((map.len(), view.len()), (LEN, LEN - 1));
    }
    same!((map.as_ptr(), view.as_ptr()), starts);
    works(&file, &map, 0)
}

fn a_mirrored_map_does_not_grow(_: &World) -> Verdict {
    let (file, _whole) = shared(2 * LARGEST_PAGE)?;
    let invalid = Err(MapError::Kernel(Errno::EINVAL));
    let mut ring = ok!(file.map_mirrored_mut(..LARGEST_PAGE));
    let mut view = ok!(file.map_mirrored(..LARGEST_PAGE));
    for len in [0, LARGEST_PAGE, 2 * LARGEST_PAGE, 3 * LARGEST_PAGE] {
        same!(ring.grow(&file, len), invalid);
        same!(view.grow(&file, len), invalid);
    }
    same!(
        (ring.len(), view.len()),
        (2 * LARGEST_PAGE, 2 * LARGEST_PAGE)
    );
    works(&file, &ring, 0).err();
    let mut none = ok!(file.map_mirrored_mut(..0));
    same!(none.grow(&file, LARGEST_PAGE), invalid);
    Ok(())
}

fn a_map_without_room_moves(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    let (file, mut map) = shared(100)?;
    ok!(map.write_all_at(b"0123", 96));
    ok!(file.set_len(4 * LARGEST_PAGE as u64));
    let start = map.as_ptr();
    let after = start.wrapping_add(page);
    let neighbour = Neighbour::at(after);
    holds!(ok!(attacks::is_mapped(after)));
    ok!(map.grow(&file, 4 * LARGEST_PAGE));
    works(&file, &map, 0)?;
    let mut found = [0; 4];
    ok!(map.read_exact_at(&mut found, 96));
    same!(&found, b"0123");
    holds!(neighbour.is_none_or(|neighbour| neighbour.is_there()));
    holds!(map.as_ptr() != start);
    // It has left nothing.
    holds!(!ok!(attacks::is_mapped(start)));
    Ok(())
}

/// A map that cannot grow because of one of these errors stays where it is, and works.
fn stays(file: &OwnedMemFd, map: &mut SharedMapMut, len: usize, errors: &[Errno]) -> Verdict {
    let (start, before) = (map.as_ptr(), map.len());
    let maps = ok!(mappings());
    let result = map.grow(file, len);
    let expected = |error: &Errno| result == Err((*error).into());
    holds!(errors.iter().any(expected), "{result:?}");
    same!((map.as_ptr(), map.len()), (start, before));
    same!(ok!(mappings()), maps);
    works(file, map, 0)
}

fn a_map_that_cannot_grow_stays(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.filters, world::NO_FILTERS);
    let (file, mut map) = shared(PAGE)?;
    let mut none = ok!(file.map_shared(..0));
    ok!(file.set_len(4 * LARGEST_PAGE as u64));
    for (number, error) in [
        (sc::nr::FSTAT, Errno::EXDEV),
        (sc::nr::FCNTL, Errno::EBADF),
        (sc::nr::MREMAP, Errno::ENOMEM),
    ] {
        children::apart(|| {
            ok!(raw::refuse(Which::All(number), error));
            let (start, before) = (map.as_ptr(), map.len());
            same!(map.grow(&file, LARGEST_PAGE), Err(error.into()));
            same!((map.as_ptr(), map.len()), (start, before));
            works(&file, &map, 0)
        })?;
    }
    ok!(raw::refuse(Which::All(sc::nr::MREMAP), Errno::ENOMEM));
    stays(&file, &mut map, LARGEST_PAGE, &[Errno::ENOMEM])?;
    // A map of nothing is made, not lengthened.
    ok!(none.grow(&file, PAGE));
    ok!(raw::refuse(Which::All(sc::nr::MMAP), Errno::ENOMEM));
    let mut none = ok!(file.map_shared(..0));
    same!(none.grow(&file, PAGE), Err(Errno::ENOMEM.into()));
    holds!(none.is_empty());
    Ok(())
}

fn a_map_above_a_limit_stays(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.is_of_a_kernel(), shared::LOCKS_THE_EMULATOR);
    ok!(kernel::allow_any_length());
    let (file, mut map) = shared(PAGE)?;
    ok!(file.set_len(1 << 40));
    ok!(kernel::limit(Resource::As, 1 << 36));
    stays(&file, &mut map, 1 << 40, &[Errno::ENOMEM])?;
    // More than any address space has.
    ok!(file.set_len(1 << 62));
    ok!(kernel::limit(Resource::As, u64::MAX));
    // Since Linux 6.17 or so that is an invalid length.
    stays(&file, &mut map, 1 << 62, &[Errno::ENOMEM, Errno::EINVAL])?;
    ok!(map.grow(&file, LARGEST_PAGE));
    works(&file, &map, 0)
}

fn a_map_that_may_not_be_locked_stays(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.is_of_a_kernel(), shared::LOCKS_THE_EMULATOR);
    let (file, _whole) = shared(4 * LARGEST_PAGE)?;
    ok!(kernel::limit(Resource::Memlock, LARGEST_PAGE as u64));
    ok!(kernel::renounce_privileges());
    ok!(rustix::mm::mlockall(MlockAllFlags::FUTURE));
    let mut map = ok!(file.map_shared_mut(..PAGE));
    stays(&file, &mut map, 2 * LARGEST_PAGE, &[Errno::EAGAIN])
}

fn sealed_for_readers_a_map_still_grows(world: &World) -> Verdict {
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let (file, mut map) = shared(PAGE)?;
    let mut odd = ok!(file.map_shared_mut(7..PAGE));
    ok!(file.set_len(4 * LARGEST_PAGE as u64));
    ok!(file.seal_for_readers());
    refused!(file.map_shared_mut(..), MapError::Kernel(Errno::EPERM));
    for len in [PAGE + 1, LARGEST_PAGE, 4 * LARGEST_PAGE] {
        ok!(map.grow(&file, len));
        works(&file, &map, 0)?;
    }
    ok!(odd.grow(&file, 4 * LARGEST_PAGE - 7));
    works(&file, &odd, 7)?;
    // It can still not be proven, and is when the maps are gone.
    let Err(refused) = file.seal() else {
        fail!("sealed while it can be written");
    };
    drop((map, odd));
    ok!(refused.into_inner().seal());
    Ok(())
}

fn a_map_on_huge_pages_grows(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    let mut map = ok!(file.map_shared_mut(1..10));
    ok!(map.write_all_at(b"0123", 0));
    ok!(map.grow(&file, size - 1));
    works(&file, &map, 1).err();
    let mut found = [0; 3];
    ok!(map.read_exact_at(&mut found, 1));
    same!(&found, b"123");
    same!(
        map.grow(&file, size),
        Err(MapError::OutOfBounds {
            bound: size + 1,
            len: size
        })
    );
    ok!(file.set_len(2 * size as u64));
    ok!(map.grow(&file, 2 * size - 1));
    ok!(map.write_all_at(b"end", 2 * size - 4));
    same!(map.len(), 2 * size - 1);
    let mut view = ok!(file.map_shared(..1));
    ok!(view.grow(&file, 2 * size));
    ok!(view.read_exact_at(&mut found, 2 * size - 3));
    same!(&found, b"end");
    let at = map.as_ptr();
    holds!(ok!(attacks::is_mapped(at)));
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let mut small = ok!(file.map_shared_mut(..10));
    ok!(file.seal_for_readers());
    ok!(view.grow(&file, 2 * size));
    refused!(small.grow(&file, 2 * size), MapError::Kernel(Errno::EPERM));
    same!(small.len(), 10);
    ok!(small.write_all_at(b"still", 0));
    drop(map);
    holds!(!ok!(attacks::is_mapped(at)));
    Ok(())
}

fn a_map_without_huge_pages_to_grow_by_stays(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(2 * size as u64));
    let mut map = ok!(file.map_shared_mut(..10));
    ok!(map.write_all_at(b"0123", 0));
    let _all = ok!(attacks::take_all_huge_pages(size));
    let start = map.as_ptr();
    refused!(map.grow(&file, 2 * size), MapError::Kernel(Errno::ENOMEM));
    same!((map.as_ptr(), map.len()), (start, 10));
    let mut found = [0; 4];
    ok!(map.read_exact_at(&mut found, 0));
    same!(&found, b"0123");
    Ok(())
}

fn a_map_that_grew_is_unmapped_as_a_whole(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let (file, map) = shared(8 * LARGEST_PAGE)?;
    drop(map);
    let before = ok!(mappings());
    for offset in [0, 1, LARGEST_PAGE + 1] {
        for len in [0, 1, PAGE, LARGEST_PAGE] {
            let mut map = ok!(file.map_shared_mut(offset..offset + len));
            ok!(map.grow(&file, len + 1));
            ok!(map.grow(&file, 6 * LARGEST_PAGE));
            holds!(ok!(mappings()) != before);
            drop(map);
            same!(ok!(mappings()), before);
        }
    }
    Ok(())
}
