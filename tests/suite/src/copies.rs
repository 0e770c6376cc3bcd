//! Claims about maps of a proof that can be written, of which nobody else sees a byte, and about
//! those that can be executed, which nobody can write.

use crate::{
    Stop, Verdict, World, attacks,
    attacks::{LARGEST_PAGE, NoMemory},
    children::{self, Child, PATIENCE, Steps},
    claim::Text,
    immutable,
    kernel::{self, PAGE, READ},
    mapping::{byte, hole, huge_numbered, mappings, numbered, permissions},
    ranges::leaves_its_neighbours,
    raw::{self, Descriptors, Mapping, Stores, Which},
    world::{self, EXTENT},
};
use owned_memfd::{CopyMap, Errno, ExecMap, OwnedMemFd, SealedMemFd, Seals, fd::AsFd};
use rustix::mm::{MprotectFlags, ProtFlags};

/// A reason for which claims are skipped.
pub(crate) const NO_CODE: &str = "nothing that is in a memory file may be mapped for executing";

claims!(
    a_copy_is_the_content_and_can_be_written,
    a_copy_is_private,
    what_is_stored_in_a_copy_is_seen_by_nobody_else,
    what_a_child_stores_in_a_copy_stays_there,
    what_is_stored_after_a_fork_stays_in_the_parent,
    a_copy_changes_neither_file_nor_seals,
    a_copy_outlives_the_descriptor,
    a_copy_of_nothing_maps_nothing,
    a_copy_ends_where_the_content_does,
    what_stands_beside_a_copy_stays,
    a_copy_says_what_the_kernel_says,
    a_copy_is_refused_where_memory_is_promised_and_has_run_out,
    a_copy_on_huge_pages_is_like_any_other,
    a_copy_on_huge_pages_has_the_pages_for_its_stores,
    a_copy_without_huge_pages_is_an_error_and_no_signal,
    code_runs,
    code_cannot_be_written,
    code_is_not_changed_through_proc,
    code_outlives_the_descriptor,
    code_of_nothing_maps_nothing,
    holes_in_code_are_filled,
    holes_in_code_are_an_error_where_memory_has_run_out,
    code_that_may_not_be_mapped_is_refused,
    code_is_shared_where_it_can_be,
    what_stands_beside_code_stays,
    code_on_huge_pages_runs,
);

fn holds_numbers(bytes: &[u8], len: usize) -> Verdict {
    same!(bytes.len(), len);
    for (index, found) in bytes.iter().enumerate() {
        holds!(*found == byte(index), "not so at {index}");
    }
    Ok(())
}

fn a_copy_is_the_content_and_can_be_written(_: &World) -> Verdict {
    for len in [1, 100, PAGE, PAGE + 1, LARGEST_PAGE + 9, EXTENT + 5] {
        let sealed = ok!(numbered(len));
        let mut copy: CopyMap = ok!(sealed.map_copy());
        holds_numbers(&copy, len)?;
        copy.fill(0);
        holds!(copy.iter().all(|byte| *byte == 0));
        // Every way to get the bytes returns the same memory.
        copy[len - 1] = 7;
        same!(AsRef::<[u8]>::as_ref(&copy)[len - 1], 7);
        copy.as_mut()[len - 1] = 8;
        same!(copy[len - 1], 8);
        let start = copy.as_ptr();
        same!(copy.as_mut_ptr().cast_const(), start);
        let shown = Text::of(format_args!("{copy:?}"));
        let expected = Text::of(format_args!("CopyMap {{ start: {start:?}, len: {len} }}"));
        same!(shown.as_str(), expected.as_str());
        holds_numbers(&ok!(sealed.map()), len)?;
    }
    Ok(())
}

fn a_copy_is_private(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let copy = ok!(ok!(numbered(PAGE)).map_copy());
    same!(permissions(&copy)?, *b"rw-p");
    Ok(())
}

fn what_is_stored_in_a_copy_is_seen_by_nobody_else(_: &World) -> Verdict {
    const LEN: usize = LARGEST_PAGE + 9;
    let sealed = ok!(numbered(LEN));
    let before = ok!(sealed.map());
    let mut first = ok!(sealed.map_copy());
    let mut second = ok!(sealed.map_copy());
    let file = ok!(sealed.try_clone()).into_memfd();
    // Some kernels do not share a sealed file with such a descriptor.
    let view = file.map_shared(..).ok();
    first.fill(0xa1);
    second[LEN - 1] = 0xb2;
    let third = ok!(sealed.map_copy());
    holds!(first.iter().all(|byte| *byte == 0xa1));
    holds_numbers(&second[..LEN - 1], LEN - 1)?;
    same!(second[LEN - 1], 0xb2);
    holds_numbers(&third, LEN)?;
    holds_numbers(&before, LEN)?;
    holds_numbers(&ok!(sealed.map()), LEN)?;
    let mut read = ok!(raw::Buffer::new(LEN));
    ok!(file.read_exact_at(&mut read, 0));
    holds_numbers(&read, LEN)?;
    if let Some(view) = view {
        ok!(view.read_exact_at(&mut read, 0));
        holds_numbers(&read, LEN)?;
    }
    // A page goes back when its copy is dropped.
    drop(first);
    holds_numbers(&ok!(sealed.map_copy()), LEN)
}

fn what_a_child_stores_in_a_copy_stays_there(_: &World) -> Verdict {
    const LEN: usize = 3 * PAGE;
    let sealed = ok!(numbered(LEN));
    let mut copy = ok!(sealed.map_copy());
    // A page that is the copy's own already, and others.
    copy[0] = 0xee;
    let copy = core::cell::RefCell::new(copy);
    children::apart(|| {
        let mut copy = copy.borrow_mut();
        same!(copy[0], 0xee);
        copy.fill(0xcc);
        holds_numbers(&ok!(sealed.map()), LEN)
    })?;
    let copy = copy.borrow();
    same!(copy[0], 0xee);
    holds!((1..LEN).all(|index| copy[index] == byte(index)));
    holds_numbers(&ok!(sealed.map()), LEN)
}

fn what_is_stored_after_a_fork_stays_in_the_parent(_: &World) -> Verdict {
    const LEN: usize = 3 * PAGE;
    let sealed = ok!(numbered(LEN));
    let mut copy = ok!(sealed.map_copy());
    copy[0] = 0xee;
    let steps = ok!(Steps::new());
    let bytes = &copy;
    let child = ok!(Child::start(Descriptors::Copied, || {
        steps.wait_for(1)?;
        same!(bytes[0], 0xee);
        holds!((1..LEN).all(|index| bytes[index] == byte(index)));
        holds_numbers(&ok!(sealed.map()), LEN)
    }));
    copy.fill(0xdd);
    steps.reach(1);
    child.finish(PATIENCE)?;
    holds!(copy.iter().all(|byte| *byte == 0xdd));
    Ok(())
}

fn a_copy_changes_neither_file_nor_seals(_: &World) -> Verdict {
    let sealed = ok!(numbered(2 * PAGE));
    let (seals, len) = (sealed.seals(), sealed.len());
    let size = ok!(kernel::stat(&sealed)).st_size;
    let mut copy = ok!(sealed.map_copy());
    copy.fill(1);
    same!(sealed.seals(), seals);
    same!(
        (sealed.len(), ok!(kernel::stat(&sealed)).st_size),
        (len, size)
    );
    // The proof can be made again while the copy is there.
    let again = ok!(SealedMemFd::try_from(sealed.into_memfd()));
    holds_numbers(&ok!(again.map()), 2 * PAGE)?;
    holds!(copy.iter().all(|byte| *byte == 1));
    // A copy of a file that is not sealed at its end prevents no seal.
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(Seals::WRITE | Seals::SHRINK));
    let sealed = ok!(SealedMemFd::verify(ok!(kernel::dup(&file)), 4));
    let mut copy = ok!(sealed.map_copy());
    copy[0] = b'x';
    ok!(file.add_seals(Seals::GROW | Seals::SEAL));
    same!(*ok!(sealed.map()), *b"0123");
    Ok(())
}

fn a_copy_outlives_the_descriptor(_: &World) -> Verdict {
    let before = kernel::open_descriptors();
    let mut copy = ok!(ok!(numbered(2 * PAGE)).map_copy());
    same!(kernel::open_descriptors(), before);
    copy[0] = 9;
    same!(copy[1], byte(1));
    holds!((PAGE..2 * PAGE).all(|index| copy[index] == byte(index)));
    let at = copy.as_ptr();
    drop(copy);
    holds!(!ok!(attacks::is_mapped(at)));
    Ok(())
}

fn a_copy_of_nothing_maps_nothing(world: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b""));
    if world.filters {
        for number in [sc::nr::MMAP, sc::nr::MUNMAP, sc::nr::MADVISE] {
            ok!(raw::refuse(Which::All(number), Errno::EIO));
        }
    }
    let mut copy = ok!(sealed.map_copy());
    same!(*copy, []);
    copy.fill(1);
    ok!(copy.collapse());
    Ok(())
}

fn a_copy_ends_where_the_content_does(_: &World) -> Verdict {
    // The proof is about less than the file has by now.
    let (sealed, sender) = ok!(attacks::growable(b"0123"));
    ok!(sender.set_len(3 * PAGE as u64));
    let mut copy = ok!(sealed.map_copy());
    same!(*copy, *b"0123");
    copy.fill(b'x');
    same!(kernel::holds_exactly(&sender, b"x"), Ok(false));
    let mut found = [0; 5];
    ok!(sender.read_exact_at(&mut found, 0));
    same!(&found, b"0123\0");
    same!(*ok!(sealed.map()), *b"0123");
    Ok(())
}

fn what_stands_beside_a_copy_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    for len in [1, page, page + 1, EXTENT, EXTENT + 1] {
        let copy = ok!(ok!(numbered(len)).map_copy());
        let at = copy.as_ptr();
        let end = (at.addr() + len).next_multiple_of(page);
        leaves_its_neighbours(copy, at, at.addr(), end)?;
    }
    Ok(())
}

fn a_copy_says_what_the_kernel_says(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let sealed = ok!(numbered(PAGE));
    for error in [Errno::ENOMEM, Errno::EAGAIN, Errno::EPERM] {
        children::apart(|| {
            ok!(raw::refuse(Which::All(sc::nr::MMAP), error));
            same!(sealed.map_copy().err(), Some(error));
            Ok(())
        })?;
    }
    holds_numbers(&ok!(sealed.map_copy()), PAGE)
}

fn a_copy_is_refused_where_memory_is_promised_and_has_run_out(world: &World) -> Verdict {
    let machine = NoMemory::prepare(world)?;
    let sealed = ok!(numbered(16 * PAGE));
    ok!(machine.begin());
    let results = (sealed.map_copy().err(), sealed.map().err());
    drop(machine);
    same!(results, (Some(Errno::ENOMEM), None));
    let mut copy = ok!(sealed.map_copy());
    // What has been promised is there.
    let machine = NoMemory::prepare(world)?;
    ok!(machine.begin());
    copy.fill(7);
    drop(machine);
    holds!(copy.iter().all(|byte| *byte == 7));
    Ok(())
}

fn a_copy_on_huge_pages_is_like_any_other(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 3)?;
    let sealed = ok!(huge_numbered(size));
    let mut copy = ok!(sealed.map_copy());
    let other = ok!(sealed.map_copy());
    holds_numbers(&copy, size)?;
    copy.fill(3);
    holds_numbers(&other, size)?;
    holds_numbers(&ok!(sealed.map()), size)?;
    same!(
        kernel::stat(&sealed).map(|it| it.st_size as usize),
        Ok(size)
    );
    drop((sealed, other));
    holds!(copy.iter().all(|byte| *byte == 3));
    let at = copy.as_ptr();
    leaves_its_neighbours(copy, at, at.addr(), at.addr() + size)
}

fn a_copy_on_huge_pages_has_the_pages_for_its_stores(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 3)?;
    // One page that is there, and a hole.
    let file = ok!(attacks::huge());
    ok!(file.set_len(2 * size as u64));
    ok!(ok!(file.map_shared_mut(..)).write_all_at(b"0123", 0));
    let sealed = ok!(file.seal());
    let mut copy = ok!(sealed.map_copy());
    let all = ok!(attacks::take_all_huge_pages(size));
    same!(copy[..4], *b"0123");
    copy.fill(5);
    holds!(copy.iter().all(|byte| *byte == 5));
    drop(all);
    same!(ok!(sealed.map())[..4], *b"0123");
    Ok(())
}

fn a_copy_without_huge_pages_is_an_error_and_no_signal(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let size = attacks::huge_page_size(world, 1)?;
    let sealed = ok!(huge_numbered(size));
    // The file has its page, and none is left for a copy of it.
    let all = ok!(attacks::take_all_huge_pages(size));
    let before = ok!(mappings());
    same!(sealed.map_copy().err(), Some(Errno::ENOMEM));
    same!(ok!(mappings()), before);
    holds_numbers(&ok!(sealed.map()), size)?;
    drop(all);
    ok!(sealed.map_copy());
    Ok(())
}

// Code.

/// A sealed file with the code and then `len - 8` bytes of nothing.
fn code(len: usize) -> Result<SealedMemFd, Stop> {
    let file = ok!(kernel::holding(&attacks::RETURNS_42));
    ok!(file.set_len(len as u64));
    Ok(ok!(file.seal()))
}

/// The code of such a file, if code can be mapped here without the library.
pub(crate) fn mapped(sealed: &SealedMemFd) -> Result<ExecMap, Stop> {
    may_be_mapped(sealed)?;
    Ok(ok!(sealed.map_exec()))
}

fn may_be_mapped(sealed: &impl AsFd) -> Verdict {
    match Mapping::unreserved(sealed, PAGE, Stores::Private, READ | ProtFlags::EXEC) {
        Err(Errno::EACCES | Errno::EPERM) => Err(Stop::Skipped(NO_CODE)),
        Err(Errno::EINVAL) => Err(Stop::Skipped(attacks::HUGE_PAGES_UNMAPPED)),
        result => {
            drop(ok!(result));
            Ok(())
        }
    }
}

fn code_runs(_: &World) -> Verdict {
    for len in [
        attacks::RETURNS_42.len(),
        PAGE,
        LARGEST_PAGE + 1,
        EXTENT + 1,
    ] {
        let sealed = code(len)?;
        let map = mapped(&sealed)?;
        same!(map.len(), len);
        same!(AsRef::<[u8]>::as_ref(&map).as_ptr(), map.as_ptr());
        let shown = Text::of(format_args!("{map:?}"));
        let expected = Text::of(format_args!(
            "ExecMap {{ start: {:?}, len: {len} }}",
            map.as_ptr()
        ));
        same!(shown.as_str(), expected.as_str());
        same!(attacks::run(&map), 42);
        same!(attacks::run(&ok!(sealed.map_exec())), 42);
        // In a child, too.
        children::apart(|| {
            same!(attacks::run(&map), 42);
            Ok(())
        })?;
    }
    Ok(())
}

fn code_cannot_be_written(world: &World) -> Verdict {
    let sealed = code(LARGEST_PAGE)?;
    let map = mapped(&sealed)?;
    holds!(!ok!(attacks::is_writable(map.as_ptr())));
    for allowed in [
        MprotectFlags::WRITE,
        MprotectFlags::READ | MprotectFlags::WRITE,
        MprotectFlags::READ | MprotectFlags::WRITE | MprotectFlags::EXEC,
    ] {
        refused!(
            attacks::allow(map.as_ptr(), LARGEST_PAGE, allowed),
            Errno::EACCES
        );
    }
    same!(attacks::run(&map), 42);
    needs!(world.proc, world::NO_PROC);
    same!(permissions(&map)?, *b"r-xs");
    // A map for reading cannot become writable either.
    let plain = ok!(sealed.map());
    let write = MprotectFlags::READ | MprotectFlags::WRITE;
    refused!(attacks::allow(plain.as_ptr(), PAGE, write), Errno::EACCES);
    Ok(())
}

fn code_is_not_changed_through_proc(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let map = mapped(&code(PAGE)?)?;
    let first = map.as_ptr();
    let page = ok!(Mapping::zeros(PAGE));
    // Some kernels let nobody write so. Elsewhere it works on memory that is the process's own.
    ok!(page.allow(MprotectFlags::READ));
    needs!(
        immutable::writes_memory()
            && attacks::write_own_memory(page.address(0), b"x") == Ok(1)
            && page.get(0) == b'x',
        attacks::NO_UNTRACED_WRITES
    );
    refused!(
        attacks::write_own_memory(first, b"x"),
        Errno::EIO | Errno::EFAULT
    );
    same!(attacks::run(&map), 42);
    Ok(())
}

fn code_outlives_the_descriptor(_: &World) -> Verdict {
    let before = kernel::open_descriptors();
    let map = mapped(&code(2 * PAGE)?)?;
    same!(kernel::open_descriptors(), before);
    same!(attacks::run(&map), 42);
    let at = map.as_ptr();
    drop(map);
    holds!(!ok!(attacks::is_mapped(at)));
    Ok(())
}

fn code_of_nothing_maps_nothing(world: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b""));
    if world.filters {
        for number in [sc::nr::MMAP, sc::nr::MUNMAP, sc::nr::MADVISE] {
            ok!(raw::refuse(Which::All(number), Errno::EIO));
        }
    }
    let map = ok!(sealed.map_exec());
    same!(*map, []);
    ok!(map.collapse());
    Ok(())
}

fn holes_in_code_are_filled(world: &World) -> Verdict {
    const LEN: usize = 16 * LARGEST_PAGE;
    needs!(world.advice, world::NO_ADVICE);
    let sealed = code(LEN)?;
    holds!(ok!(attacks::allocated(&sealed)) <= LEN as u64);
    let map = mapped(&sealed)?;
    holds!(ok!(attacks::allocated(&sealed)) >= LEN as u64);
    holds!(
        map[attacks::RETURNS_42.len()..]
            .iter()
            .all(|byte| *byte == 0)
    );
    Ok(())
}

fn holes_in_code_are_an_error_where_memory_has_run_out(world: &World) -> Verdict {
    let machine = NoMemory::prepare(world)?;
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(4 * LARGEST_PAGE as u64))));
    may_be_mapped(&sealed)?;
    let before = ok!(mappings());
    ok!(machine.begin());
    let result = sealed.map_exec().err();
    drop(machine);
    // Before `MADV_POPULATE_READ` of Linux 5.14, `mlock` reports the error.
    holds!(
        matches!(result, Some(Errno::EFAULT | Errno::ENOMEM)),
        "{result:?}"
    );
    same!(ok!(mappings()), before);
    ok!(sealed.map_exec());
    Ok(())
}

fn code_that_may_not_be_mapped_is_refused(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let sealed = code(PAGE)?;
    may_be_mapped(&sealed)?;
    let executing = Which::WithBits(sc::nr::MMAP, 2, ProtFlags::EXEC.bits());
    for error in [Errno::EACCES, Errno::EPERM, Errno::ENOMEM] {
        children::apart(|| {
            ok!(raw::refuse(executing, error));
            same!(sealed.map_exec().err(), Some(error));
            // Only that.
            ok!(sealed.map());
            Ok(())
        })?;
    }
    // What cannot be made present is not handed out.
    for error in [Errno::EFAULT, Errno::ENOMEM, Errno::EHWPOISON] {
        children::apart(|| {
            ok!(raw::refuse(Which::All(sc::nr::MADVISE), error));
            same!(sealed.map_exec().err(), Some(error));
            Ok(())
        })?;
    }
    Ok(())
}

fn code_is_shared_where_it_can_be(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    needs!(world.proc, world::NO_PROC);
    let sealed = code(PAGE)?;
    same!(permissions(&mapped(&sealed)?)?, *b"r-xs");
    let shared = Which::WithBits(sc::nr::MMAP, 3, linux_raw_sys::general::MAP_SHARED);
    ok!(raw::refuse(shared, Errno::EPERM));
    let map = ok!(sealed.map_exec());
    same!(permissions(&map)?, *b"r-xp");
    same!(attacks::run(&map), 42);
    Ok(())
}

fn what_stands_beside_code_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    for len in [8, page, page + 1, EXTENT + 1] {
        let map = mapped(&code(len)?)?;
        let at = map.as_ptr();
        let end = (at.addr() + len).next_multiple_of(page);
        leaves_its_neighbours(map, at, at.addr(), end)?;
    }
    Ok(())
}

fn code_on_huge_pages_runs(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    let file: OwnedMemFd = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    ok!(ok!(file.map_shared_mut(..)).write_all_at(&attacks::RETURNS_42, 0));
    let sealed = ok!(file.seal());
    let map = mapped(&sealed)?;
    same!(attacks::run(&map), 42);
    let at = map.as_ptr();
    leaves_its_neighbours(map, at, at.addr(), at.addr() + size)
}
