//! Claims about `SealedMap`: it shows exactly the file's bytes, exists exactly as long as it
//! should, and affects no memory beside it.

use crate::{
    Stop, Verdict, World, attacks,
    attacks::{LARGEST_PAGE, Neighbour},
    children::{self, Supervisor},
    claim::Text,
    kernel::{self, PAGE, READ, WRITE},
    parties::{self, Ended},
    raw::{self, Buffer, Descriptors, Mapping, Response, Stores, Which},
    world,
};
use owned_memfd::{
    Errno, HugePageSize, MapError, MemFdOptions, OwnedMemFd, SealedMap, SealedMemFd, Seals,
    fd::OwnedFd,
};
use rustix::{fs::OFlags, mm::MlockAllFlags, process::Resource};

/// A reason for which a claim is skipped.
pub(crate) const SHARED_MAPS_ARE_MADE: &str =
    "this kernel maps write-sealed files shared for reading, as all but some 5.x do";

claims!(
    a_map_is_the_content,
    a_map_is_exactly_as_long_as_the_content,
    a_map_outlives_the_descriptor,
    a_map_of_nothing_maps_nothing,
    a_map_of_a_hole_takes_no_memory,
    a_map_shows_its_length_and_not_its_bytes,
    a_map_is_shared_and_read_only,
    a_map_is_private_where_shared_ones_are_refused,
    a_map_is_shared_where_this_kernel_shares_only_read_only_descriptors,
    a_map_is_shared_by_opening_the_file_again,
    a_map_is_private_where_the_file_cannot_be_opened_again,
    a_map_is_of_no_descriptor_whose_seals_are_unknown,
    a_map_is_private_where_proc_is_false,
    a_map_is_there_in_a_child_and_goes_alone,
    a_map_without_room_is_refused,
    what_pages_a_file_is_on_is_asked_only_if_they_can_be_huge,
    a_range_may_begin_and_end_anywhere,
    a_range_out_of_bounds_is_refused_without_a_call,
    a_range_of_nothing_maps_nothing,
    what_stands_beside_a_map_stays,
    what_stands_beside_a_range_stays,
    a_map_is_unmapped_once,
    many_cycles_leave_nothing_behind,
    populating_makes_every_page_present,
    populating_says_what_the_kernel_says,
    populating_without_the_advice_is_the_same,
    populating_without_the_advice_undoes_no_lock,
    populating_a_private_map_without_the_advice_leaves_nothing_locked,
    reading_by_position_is_bounded_by_the_content,
    a_map_on_huge_pages_is_like_any_other,
    a_range_on_huge_pages_may_begin_and_end_anywhere,
    what_stands_beside_a_map_on_huge_pages_stays,
    many_cycles_on_huge_pages_leave_nothing_behind,
    a_map_without_huge_pages_is_an_error_and_no_crash,
    a_map_of_huge_pages_fails_where_they_are_missing_and_not_before,
    a_map_of_the_last_huge_pages_needs_no_others,
    a_map_on_huge_pages_is_made_or_refused_whole,
    populating_where_memory_has_run_out_is_an_error,
    a_hole_is_a_signal_where_memory_has_run_out,
);

/// The byte of a test file at an index. No two pages are alike.
pub(crate) fn byte(index: usize) -> u8 {
    (index % 251 + index / PAGE) as u8
}

/// A sealed file of `len` such bytes.
pub(crate) fn numbered(len: usize) -> Result<SealedMemFd, owned_memfd::CreateError> {
    SealedMemFd::create_with(c"numbered", len, number)
}

fn number(bytes: &mut [u8]) {
    for (index, slot) in bytes.iter_mut().enumerate() {
        *slot = byte(index);
    }
}

/// The map holds the bytes of such a file from `offset` on.
fn is_numbered(map: &SealedMap, offset: usize, len: usize) -> Verdict {
    same!(map.len(), len);
    for (index, found) in map.iter().enumerate() {
        holds!(
            *found == byte(offset + index),
            "not so at {index} from {offset}"
        );
    }
    Ok(())
}

/// The mappings of this process, in a form that can be compared.
pub(crate) fn mappings() -> Result<(usize, u64), Errno> {
    let file = kernel::open(c"/proc/self/maps", OFlags::RDONLY)?;
    let (mut len, mut hash) = (0, 0xcbf2_9ce4_8422_2325_u64);
    let mut piece = [0; PAGE];
    loop {
        let count = kernel::read(&file, &mut piece)?;
        if count == 0 {
            return Ok((len, hash));
        }
        len += count;
        for byte in &piece[..count] {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

fn a_map_is_the_content(_: &World) -> Verdict {
    let sealed = ok!(numbered(3 * PAGE));
    let map = ok!(sealed.map());
    is_numbered(&map, 0, 3 * PAGE)?;
    // Every way to get the map's bytes returns the same memory.
    let bytes: &[u8] = map.as_ref();
    same!(bytes.as_ptr(), map.as_ptr());
    same!(bytes.len(), map.len());
    is_numbered(&ok!(sealed.map()), 0, 3 * PAGE)
}

fn a_map_is_exactly_as_long_as_the_content(_: &World) -> Verdict {
    for near in [100, PAGE, 4 * PAGE, LARGEST_PAGE, 2 * LARGEST_PAGE] {
        for len in [near - 1, near, near + 1] {
            let sealed = ok!(numbered(len));
            is_numbered(&ok!(sealed.map()), 0, len)?;
        }
    }
    Ok(())
}

fn a_map_outlives_the_descriptor(_: &World) -> Verdict {
    let before = kernel::open_descriptors();
    let map = ok!(ok!(numbered(PAGE)).map());
    let range = ok!(ok!(numbered(PAGE)).map_range(10..110));
    same!(kernel::open_descriptors(), before);
    is_numbered(&map, 0, PAGE)?;
    is_numbered(&range, 10, 100)
}

fn a_map_of_a_hole_takes_no_memory(world: &World) -> Verdict {
    const LEN: usize = 16 * LARGEST_PAGE;
    let file = ok!(kernel::sealable());
    ok!(file.set_len(LEN as u64));
    let sealed = ok!(file.seal());
    let map = ok!(sealed.map());
    same!(kernel::memory_of(&sealed), Ok(0));
    // Only populating takes it.
    needs!(world.advice, world::NO_ADVICE);
    ok!(map.populate());
    same!(kernel::memory_of(&sealed), Ok(LEN as u64));
    Ok(())
}

fn a_map_shows_its_length_and_not_its_bytes(_: &World) -> Verdict {
    let sealed = ok!(numbered(1234));
    let map = ok!(sealed.map());
    let start = map.as_ptr();
    let shown = Text::of(format_args!("{map:?}"));
    let expected = Text::of(format_args!("SealedMap {{ start: {start:?}, len: 1234 }}"));
    same!(shown.as_str(), expected.as_str());
    let file = ok!(sealed.try_clone()).into_memfd();
    let expected = Text::of(format_args!("SealedMemFd {{ file: {file:?}, len: 1234 }}"));
    let shown = Text::of(format_args!("{:?}", ok!(SealedMemFd::try_from(file))));
    same!(shown.as_str(), expected.as_str());
    Ok(())
}

fn a_map_of_nothing_maps_nothing(world: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b""));
    let map = ok!(sealed.map());
    same!(*map, []);
    ok!(map.populate());
    same!(ok!(sealed.map_range(..0)).len(), 0);
    needs!(world.filters, world::NO_FILTERS);
    for number in [sc::nr::MMAP, sc::nr::MUNMAP, sc::nr::MADVISE] {
        ok!(raw::refuse(Which::All(number), Errno::EIO));
    }
    let again = ok!(sealed.map());
    ok!(again.populate());
    same!(*again, []);
    Ok(())
}

/// What `/proc` says about the mapping that begins at the first byte, such as `r--s`.
pub(crate) fn permissions(map: &[u8]) -> Result<[u8; 4], Stop> {
    let maps = ok!(kernel::open(c"/proc/self/maps", OFlags::RDONLY));
    permissions_in(&maps, map)
}

/// The same from `/proc/self/maps`, which was opened before and is not read yet.
fn permissions_in(maps: &OwnedFd, map: &[u8]) -> Result<[u8; 4], Stop> {
    let at = Text::of(format_args!("{:x}-", map.as_ptr().addr()));
    let mut text = ok!(Buffer::new(16 * PAGE));
    let mut len = 0;
    loop {
        match ok!(kernel::read(maps, &mut text[len..])) {
            0 => break,
            count => len += count,
        }
    }
    for line in text[..len].split(|byte| *byte == b'\n') {
        if line.starts_with(at.as_str().as_bytes()) {
            let permissions = line.split(|byte| *byte == b' ').nth(1);
            return Ok(ok!(permissions.unwrap_or_default().try_into()));
        }
    }
    fail!("{at:?} is in none of {len} bytes")
}

fn a_map_is_shared_and_read_only(world: &World) -> Verdict {
    let sealed = ok!(numbered(PAGE));
    let map = ok!(sealed.map());
    if world.proc {
        same!(permissions(&map)?, *b"r--s");
    }
    // The kernel cannot write there.
    same!(attacks::is_writable(map.as_ptr()), Ok(false));
    is_numbered(&map, 0, PAGE)
}

fn a_map_is_private_where_shared_ones_are_refused(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let sealed = ok!(numbered(PAGE));
    // Some kernels treat every shared mapping as one that may write.
    let shared = Which::WithBits(sc::nr::MMAP, 3, linux_raw_sys::general::MAP_SHARED);
    ok!(raw::refuse(shared, Errno::EPERM));
    refused!(
        Mapping::of(&sealed, PAGE, Stores::Shared, READ),
        Errno::EPERM
    );
    let map = ok!(sealed.map());
    if world.proc {
        same!(permissions(&map)?, *b"r--p");
    }
    is_numbered(&map, 0, PAGE)?;
    is_numbered(&ok!(sealed.map_range(9..18)), 9, 9)
}

fn a_map_is_shared_where_this_kernel_shares_only_read_only_descriptors(world: &World) -> Verdict {
    let sealed = ok!(numbered(PAGE));
    match Mapping::of(&sealed, PAGE, Stores::Shared, READ) {
        Err(Errno::EPERM) => {}
        Err(error) => fail!("{error:?}"),
        Ok(_) => return Err(Stop::Skipped(SHARED_MAPS_ARE_MADE)),
    }
    needs!(world.proc, world::NO_PROC);
    let before = kernel::open_descriptors();
    let map = ok!(sealed.map());
    same!(permissions(&map)?, *b"r--s");
    same!(attacks::is_writable(map.as_ptr()), Ok(false));
    is_numbered(&map, 0, PAGE)?;
    is_numbered(&ok!(sealed.map_range(9..18)), 9, 9)?;
    same!(kernel::open_descriptors(), before);
    Ok(())
}

/// From now on the first attempt to map something as the library maps sealed files fails with
/// `EPERM`, as on kernels that refuse that to a descriptor which is open for writing.
fn refuse_the_first_shared_map(world: &World) -> Result<Supervisor, Stop> {
    use linux_raw_sys::general::{MAP_NORESERVE, MAP_SHARED};

    needs!(world.supervisors, world::NO_SUPERVISORS);
    let shared = Which::Equal(sc::nr::MMAP, 3, MAP_SHARED | MAP_NORESERVE);
    Supervisor::of(shared, &[Response::Error(Errno::EPERM)])
}

fn a_map_is_shared_by_opening_the_file_again(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let sealed = ok!(numbered(2 * PAGE));
    let first = refuse_the_first_shared_map(world)?;
    let before = kernel::open_descriptors();
    let map = ok!(sealed.map());
    same!(kernel::open_descriptors(), before);
    same!(first.calls(), 2);
    same!(permissions(&map)?, *b"r--s");
    is_numbered(&map, 0, 2 * PAGE)
}

fn a_map_is_private_where_the_file_cannot_be_opened_again(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let sealed = ok!(numbered(2 * PAGE));
    let maps = ok!(kernel::open(c"/proc/self/maps", OFlags::RDONLY));
    let first = refuse_the_first_shared_map(world)?;
    for opening in [sc::nr::OPENAT, sc::nr::OPEN_BY_HANDLE_AT] {
        ok!(raw::refuse(Which::All(opening), Errno::EPERM));
    }
    let map = ok!(sealed.map());
    same!(first.calls(), 1);
    same!(permissions_in(&maps, &map)?, *b"r--p");
    same!(attacks::is_writable(map.as_ptr()), Ok(false));
    is_numbered(&map, 0, 2 * PAGE)
}

fn a_map_is_of_no_descriptor_whose_seals_are_unknown(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let sealed = ok!(numbered(2 * PAGE));
    let maps = ok!(kernel::open(c"/proc/self/maps", OFlags::RDONLY));
    let first = refuse_the_first_shared_map(world)?;
    let seals = Which::Equal(sc::nr::FCNTL, 1, linux_raw_sys::general::F_GET_SEALS);
    ok!(raw::refuse(seals, Errno::EPERM));
    let map = ok!(sealed.map());
    same!(first.calls(), 1);
    same!(permissions_in(&maps, &map)?, *b"r--p");
    is_numbered(&map, 0, 2 * PAGE)
}

fn a_map_is_private_where_proc_is_false(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(!world.empty_path, world::NO_NEED_OF_PROC);
    let sealed = ok!(numbered(2 * PAGE));
    let maps = ok!(kernel::open(c"/proc/self/maps", OFlags::RDONLY));
    // Another file with other content stands where this one would be opened again.
    ok!(parties::hide(c"/proc"));
    ok!(parties::false_directories(&["thread-self", "self"]));
    for path in parties::paths_of(&sealed) {
        let decoy = ok!(kernel::open(path.path(), OFlags::CREATE | OFlags::RDWR));
        same!(kernel::write(&decoy, &[9; 2 * PAGE]), Ok(2 * PAGE));
    }
    ok!(kernel::renounce_privileges());
    let first = refuse_the_first_shared_map(world)?;
    let map = ok!(sealed.map());
    same!(first.calls(), 1);
    same!(permissions_in(&maps, &map)?, *b"r--p");
    is_numbered(&map, 0, 2 * PAGE)
}

fn a_map_is_there_in_a_child_and_goes_alone(_: &World) -> Verdict {
    let sealed = ok!(numbered(2 * PAGE));
    let map = ok!(sealed.map());
    children::apart(|| {
        is_numbered(&map, 0, 2 * PAGE)?;
        let again = ok!(sealed.map());
        is_numbered(&again, 0, 2 * PAGE)
    })?;
    is_numbered(&map, 0, 2 * PAGE)
}

fn a_map_without_room_is_refused(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    // More than any address space has.
    let file = ok!(kernel::sealable());
    ok!(file.set_len(1 << 62));
    let sealed = ok!(file.seal());
    refused!(sealed.map(), Errno::ENOMEM);
    refused!(
        sealed.map_range(1..=1 << 61),
        MapError::Kernel(Errno::ENOMEM)
    );
    // A part of the file can be mapped, wherever it is.
    let start = (1 << 61) + 1;
    same!(*ok!(sealed.map_range(start..start + PAGE)), [0; PAGE]);
    Ok(())
}

/// Only where the blocks of a file are as large as a huge page can be.
fn what_pages_a_file_is_on_is_asked_only_if_they_can_be_huge(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let sealed = ok!(numbered(PAGE));
    let block = ok!(kernel::stat(&sealed)).st_blksize as usize;
    ok!(raw::refuse(Which::All(sc::nr::FSTATFS), Errno::EXDEV));
    if block >= LARGEST_PAGE {
        refused!(sealed.map(), Errno::EXDEV);
        refused!(sealed.map_range(1..3), MapError::Kernel(Errno::EXDEV));
    } else {
        is_numbered(&ok!(sealed.map()), 0, PAGE)?;
        is_numbered(&ok!(sealed.map_range(1..3)), 1, 2)?;
    }
    Ok(())
}

fn a_range_may_begin_and_end_anywhere(_: &World) -> Verdict {
    const LEN: usize = 3 * LARGEST_PAGE + 100;
    let sealed = ok!(numbered(LEN));
    let corners = [0, PAGE, 4 * PAGE, LARGEST_PAGE, 2 * LARGEST_PAGE, LEN];
    for corner in corners {
        for offset in corner.saturating_sub(2)..=(corner + 2).min(LEN) {
            for len in [
                0,
                1,
                2,
                3,
                PAGE,
                LARGEST_PAGE,
                LARGEST_PAGE + 1,
                LEN - offset,
            ] {
                if len <= LEN - offset {
                    is_numbered(&ok!(sealed.map_range(offset..offset + len)), offset, len)?;
                }
            }
        }
    }
    Ok(())
}

fn a_range_out_of_bounds_is_refused_without_a_call(world: &World) -> Verdict {
    const LEN: usize = PAGE + 100;
    let sealed = ok!(numbered(LEN));
    // Not the rest of the last page, not a whole page, and no range that wraps around.
    let out = [
        (0, LEN + 1),
        (1, LEN),
        (LEN, 1),
        (LEN + 1, 0),
        (LEN - 1, 2),
        (0, 2 * PAGE),
        (2 * PAGE, 0),
        (usize::MAX, 0),
        (usize::MAX, 1),
        (0, usize::MAX),
        (1, usize::MAX),
        (usize::MAX, usize::MAX),
        (LEN, usize::MAX - LEN + 1),
        (usize::MAX - LARGEST_PAGE + 1, LARGEST_PAGE),
        (isize::MAX as usize + 1, isize::MAX as usize + 1),
    ];
    if world.filters {
        for number in [sc::nr::MMAP, sc::nr::FSTATFS, sc::nr::FSTAT] {
            ok!(raw::refuse(Which::All(number), Errno::EIO));
        }
    }
    for (offset, len) in out {
        let (range, len) = (offset..offset.wrapping_add(len), LEN);
        let (start, end) = (range.start, range.end);
        let bound = start.max(end);
        let out = if bound > len {
            MapError::OutOfBounds { bound, len }
        } else {
            MapError::Reversed { start, end }
        };
        same!(sealed.map_range(range).err(), Some(out));
    }
    Ok(())
}

fn a_range_of_nothing_maps_nothing(world: &World) -> Verdict {
    let sealed = ok!(numbered(PAGE));
    if world.filters {
        ok!(raw::refuse(Which::All(sc::nr::MMAP), Errno::EIO));
        refused!(sealed.map_range(..1), MapError::Kernel(Errno::EIO));
    }
    for offset in [0, 1, PAGE - 1, PAGE] {
        same!(*ok!(sealed.map_range(offset..offset)), []);
    }
    Ok(())
}

/// The pages directly before `start` and directly after `end` stay mapped when the map is dropped,
/// and the mapping between them does not.
fn leaves_its_neighbours(map: SealedMap, start: usize, end: usize) -> Verdict {
    let at = |address: usize| map.as_ptr().with_addr(address);
    let mut neighbours = 0;
    let (before, behind) = (at(start - PAGE), at(end));
    let ours = [Neighbour::at(before), Neighbour::at(behind)];
    // A page that was mapped there already must stay, too.
    let others = [
        ok!(attacks::is_mapped(before)),
        ok!(attacks::is_mapped(behind)),
    ];
    let (first, last) = (at(start), at(end - 1));
    holds!(ok!(attacks::is_mapped(first)));
    drop(map);
    for neighbour in ours.iter().flatten() {
        holds!(neighbour.is_there());
        neighbours += 1;
    }
    let still = [
        ok!(attacks::is_mapped(before)),
        ok!(attacks::is_mapped(behind)),
    ];
    same!(still, others);
    holds!(!ok!(attacks::is_mapped(first)));
    holds!(!ok!(attacks::is_mapped(last)));
    needs!(
        neighbours > 0 || others.contains(&true),
        attacks::NO_NEIGHBOURS
    );
    Ok(())
}

fn what_stands_beside_a_map_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    // Lengths below, at and above a page, where rounding to a wrong page size would show.
    for len in [1, page - 1, page, page + 1, 2 << 20, (2 << 20) + 1] {
        let sealed = ok!(numbered(len));
        let map = ok!(sealed.map());
        let start = map.as_ptr().addr();
        leaves_its_neighbours(map, start, start + len.next_multiple_of(page))?;
    }
    Ok(())
}

fn what_stands_beside_a_range_stays(_: &World) -> Verdict {
    let page = ok!(attacks::page_size());
    let sealed = ok!(numbered((2 << 20) + 4 * LARGEST_PAGE));
    for offset in [0, 1, page, LARGEST_PAGE - 1, LARGEST_PAGE, (2 << 20) + 3] {
        for len in [1, page, page + 1, LARGEST_PAGE] {
            let map = ok!(sealed.map_range(offset..offset + len));
            let start = map.as_ptr().addr();
            // The mapping starts at a multiple of the largest page size.
            let first = start - offset % LARGEST_PAGE;
            leaves_its_neighbours(map, first, (start + len).next_multiple_of(page))?;
        }
    }
    Ok(())
}

fn a_map_is_unmapped_once(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let sealed = ok!(numbered(PAGE));
    children::apart(|| {
        let supervisor = children::Supervisor::of(Which::All(sc::nr::MUNMAP), &[])?;
        let map = ok!(sealed.map());
        let range = ok!(sealed.map_range(10..20));
        let nothing = ok!(sealed.map_range(10..10));
        let none = supervisor.calls();
        drop(map);
        let one = supervisor.calls();
        drop((range, nothing));
        let two = supervisor.calls();
        // Dropping the supervisor would make such a call, and wait for itself.
        core::mem::forget(supervisor);
        same!((none, one, two), (0, 1, 2));
        Ok(())
    })
}

/// Makes a file, sends it to itself, verifies, maps and drops it.
fn cycle(
    ours: &OwnedFd,
    theirs: &OwnedFd,
    make: &impl Fn() -> Result<OwnedMemFd, Errno>,
) -> Verdict {
    let sealed = ok!(ok!(make()).seal());
    ok!(kernel::send(theirs, &sealed));
    let received = ok!(SealedMemFd::verify(ok!(kernel::receive(ours)), 1 << 30));
    let map = ok!(received.map());
    let range = ok!(received.map_range(1..received.len()));
    same!(map[1], range[0]);
    // Failed calls leave nothing behind either.
    holds!(received.map_range(2..=usize::MAX).is_err());
    holds!(SealedMemFd::verify(ok!(kernel::dup(&received)), 0).is_err());
    Ok(())
}

fn leave_nothing_behind(
    count: u32,
    len: usize,
    make: impl Fn() -> Result<OwnedMemFd, Errno>,
) -> Verdict {
    let (ours, theirs) = ok!(kernel::socket_pair());
    // These first cycles let the stack grow.
    for _ in 0..3 {
        cycle(&ours, &theirs, &make)?;
        ok!(mappings());
    }
    let (descriptors, mapped) = (kernel::open_descriptors(), ok!(mappings()));
    for _ in 0..count {
        cycle(&ours, &theirs, &make)?;
    }
    same!(kernel::open_descriptors(), descriptors);
    same!(mappings(), Ok(mapped));
    // This check does notice one mapping more.
    let _one = ok!(Mapping::of(&ok!(make()), len, Stores::Private, READ));
    holds!(ok!(mappings()) != mapped);
    Ok(())
}

fn many_cycles_leave_nothing_behind(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    // The count is exact, so one cycle's leftover shows. A tenth of the cycles is enough on an
    // emulated machine, which takes ten times as long.
    let cycles = if world.machine { 1_000 } else { 10_000 };
    leave_nothing_behind(cycles, PAGE, || kernel::holding(&[7; PAGE + 1]))
}

/// A sealed file that is a single hole.
pub(crate) fn hole(len: u64) -> Result<OwnedMemFd, Errno> {
    let file = kernel::sealable()?;
    file.set_len(len)?;
    file.add_seals(Seals::WRITE | Seals::SHRINK)?;
    Ok(file)
}

fn populating_makes_every_page_present(world: &World) -> Verdict {
    const LEN: usize = 16 * LARGEST_PAGE;
    needs!(world.advice, world::NO_ADVICE);
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(LEN as u64))));
    let map = ok!(sealed.map());
    same!(attacks::allocated(&sealed), Ok(0));
    let part = ok!(sealed.map_range(3..4));
    ok!(part.populate());
    // The file may be on large pages, so one call can allocate more than a page.
    holds!(ok!(attacks::allocated(&sealed)) > 0);
    ok!(map.populate());
    holds!(ok!(attacks::allocated(&sealed)) >= LEN as u64);
    holds!(map.iter().all(|byte| *byte == 0));
    // The length is not a multiple of the page size.
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(LEN as u64 + 1))));
    ok!(ok!(sealed.map()).populate());
    holds!(ok!(attacks::allocated(&sealed)) > LEN as u64);
    Ok(())
}

fn populating_says_what_the_kernel_says(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    for error in [Errno::EFAULT, Errno::EHWPOISON, Errno::ENOMEM] {
        children::apart(|| {
            let map = ok!(ok!(numbered(PAGE)).map());
            ok!(raw::refuse(Which::All(sc::nr::MADVISE), error));
            same!(map.populate(), Err(error));
            is_numbered(&map, 0, PAGE)
        })?;
    }
    // Without `MADV_POPULATE_READ`, and without a second mapping or permission to lock memory.
    for call in [sc::nr::MREMAP, sc::nr::MLOCK] {
        children::apart(|| {
            let map = ok!(ok!(numbered(PAGE)).map());
            ok!(raw::refuse(Which::All(sc::nr::MADVISE), Errno::EINVAL));
            ok!(raw::refuse(Which::All(call), Errno::ENOMEM));
            same!(map.populate(), Err(Errno::ENOMEM));
            is_numbered(&map, 0, PAGE)
        })?;
    }
    Ok(())
}

fn populating_without_the_advice_is_the_same(world: &World) -> Verdict {
    const LEN: usize = 4 * LARGEST_PAGE;
    needs!(world.filters, world::NO_FILTERS);
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(LEN as u64))));
    let map = ok!(sealed.map());
    ok!(raw::refuse(Which::All(sc::nr::MADVISE), Errno::EINVAL));
    ok!(map.populate());
    holds!(ok!(attacks::allocated(&sealed)) >= LEN as u64);
    // Nothing stays locked: the limit allows to lock the same amount again and again.
    ok!(kernel::limit(Resource::Memlock, LEN as u64));
    for _ in 0..4 {
        ok!(ok!(sealed.map()).populate());
        ok!(map.populate());
    }
    Ok(())
}

fn populating_a_private_map_without_the_advice_leaves_nothing_locked(world: &World) -> Verdict {
    const LEN: usize = 4 * LARGEST_PAGE;
    needs!(world.filters, world::NO_FILTERS);
    needs!(world.proc, world::NO_PROC);
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(LEN as u64))));
    let shared = Which::WithBits(sc::nr::MMAP, 3, linux_raw_sys::general::MAP_SHARED);
    ok!(raw::refuse(shared, Errno::EPERM));
    let map = ok!(sealed.map());
    holds!(!attacks::is_shared(map.as_ptr()));
    let locked = kernel::locked_memory();
    holds!(locked.is_some());
    ok!(raw::refuse(Which::All(sc::nr::MADVISE), Errno::EINVAL));
    match map.populate() {
        Err(Errno::EPERM | Errno::ENOMEM) => return Err(Stop::Skipped(attacks::NO_LOCKS)),
        result => ok!(result),
    }
    same!(kernel::locked_memory(), locked);
    holds!(ok!(attacks::allocated(&sealed)) >= LEN as u64);
    Ok(())
}

fn populating_without_the_advice_undoes_no_lock(world: &World) -> Verdict {
    const LEN: usize = 4 * LARGEST_PAGE;
    needs!(world.filters, world::NO_FILTERS);
    needs!(world.proc, world::NO_PROC);
    needs!(
        rustix::mm::mlockall(MlockAllFlags::FUTURE).is_ok(),
        attacks::NO_LOCKS
    );
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(LEN as u64))));
    let Ok(map) = sealed.map() else {
        return Err(Stop::Skipped(attacks::NO_LOCKS));
    };
    needs!(attacks::is_shared(map.as_ptr()), attacks::PRIVATE_MAPS);
    let Some(locked) = kernel::locked_memory() else {
        fail!("/proc does not say what is locked");
    };
    holds!(locked >= LEN as u64);
    ok!(raw::refuse(Which::All(sc::nr::MADVISE), Errno::EINVAL));
    let before = ok!(mappings());
    for result in [Ok(()), Err(Errno::ENOMEM)] {
        same!(map.populate(), result);
        same!(kernel::locked_memory(), Some(locked));
        // The second mapping is gone.
        same!(mappings(), Ok(before));
        ok!(raw::refuse(Which::All(sc::nr::MLOCK), Errno::ENOMEM));
    }
    Ok(())
}

fn reading_by_position_is_bounded_by_the_content(_: &World) -> Verdict {
    let sealed = ok!(numbered(PAGE + 100));
    let mut found = [0; 200];
    same!(sealed.read_at(&mut found, 10), Ok(200));
    holds!(
        found
            .iter()
            .enumerate()
            .all(|(index, found)| *found == byte(10 + index))
    );
    same!(sealed.read_at(&mut found, PAGE), Ok(100));
    same!(sealed.read_at(&mut [], 0), Ok(0));
    let beyond = isize::MAX as usize;
    for offset in [PAGE + 100, PAGE + 101, beyond, beyond + 1, usize::MAX] {
        same!(sealed.read_at(&mut found, offset), Ok(0));
    }
    Ok(())
}

pub(crate) fn huge_numbered(len: usize) -> Result<SealedMemFd, owned_memfd::CreateError> {
    MemFdOptions::new()
        .huge_pages(HugePageSize::DEFAULT)
        .create_with(c"huge", len, number)
}

fn a_map_on_huge_pages_is_like_any_other(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    let sealed = ok!(huge_numbered(2 * size));
    let map = ok!(sealed.map());
    is_numbered(&map, 0, 2 * size)?;
    ok!(map.populate());
    // A second map of the same pages needs no more pages.
    let all = ok!(attacks::take_all_huge_pages(size));
    is_numbered(&ok!(sealed.map()), 0, 2 * size)?;
    drop((sealed, all));
    is_numbered(&map, 0, 2 * size)
}

fn a_range_on_huge_pages_may_begin_and_end_anywhere(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    let sealed = ok!(huge_numbered(2 * size));
    for offset in [
        0,
        1,
        PAGE,
        LARGEST_PAGE,
        size - 1,
        size,
        size + 1,
        2 * size - 1,
    ] {
        for len in [1, PAGE, size, 2 * size - offset] {
            if len <= 2 * size - offset {
                let map = ok!(sealed.map_range(offset..offset + len));
                same!(map[0], byte(offset));
                same!(map[len - 1], byte(offset + len - 1));
                same!(map.len(), len);
            }
        }
    }
    refused!(
        sealed.map_range(size..=2 * size),
        MapError::OutOfBounds { .. }
    );
    Ok(())
}

fn what_stands_beside_a_map_on_huge_pages_stays(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 2)?;
    let sealed = ok!(huge_numbered(2 * size));
    for (offset, len) in [
        (0, 2 * size),
        (0, 1),
        (size, size),
        (size - 1, 2),
        (size + 5, 9),
    ] {
        let map = ok!(sealed.map_range(offset..offset + len));
        let start = map.as_ptr().addr();
        leaves_its_neighbours(
            map,
            start & !(size - 1),
            (start + len).next_multiple_of(size),
        )?;
    }
    Ok(())
}

fn many_cycles_on_huge_pages_leave_nothing_behind(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let size = attacks::huge_page_size(world, 1)?;
    leave_nothing_behind(100, size, || {
        let file = attacks::huge()?;
        file.set_len(size as u64)?;
        let mapping = Mapping::of(&file, size, Stores::Shared, READ | WRITE)?;
        mapping.put(1, 7);
        Ok(file)
    })
}

// An empty pool of huge pages takes the place of exhausted memory.
fn a_map_without_huge_pages_is_an_error_and_no_crash(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    needs!(world.advice, world::NO_ADVICE);
    let file = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    let sealed = ok!(file.seal());
    let all = ok!(attacks::take_all_huge_pages(size));
    // A hostile sender's file is one hole: touching it would kill the process.
    refused!(sealed.map(), Errno::EFAULT | Errno::ENOMEM);
    refused!(
        sealed.map_range(1..2),
        MapError::Kernel(Errno::EFAULT | Errno::ENOMEM)
    );
    drop(all);
    let map = ok!(sealed.map());
    ok!(map.populate());
    same!(map[size - 1], 0);
    Ok(())
}

fn a_map_of_huge_pages_fails_where_they_are_missing_and_not_before(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let (file, size) = attacks::huge_holes(world)?;
    // Nothing is left, if there was anything.
    let _all = ok!(attacks::take_all_huge_pages(size));
    let sealed = ok!(file.seal());
    // The library goes on from the mapping to making its pages present. Nothing does that here.
    ok!(raw::refuse(Which::All(sc::nr::MADVISE), Errno::EINVAL));
    ok!(raw::refuse(Which::All(sc::nr::MLOCK), Errno::EXDEV));
    refused!(sealed.map(), Errno::EXDEV);
    refused!(sealed.map_range(1..2), MapError::Kernel(Errno::EXDEV));
    Ok(())
}

fn a_map_of_the_last_huge_pages_needs_no_others(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    let file = ok!(attacks::take_all_huge_pages(size));
    let len = ok!(file.len()) as usize;
    let sealed = ok!(file.seal());
    let map = ok!(sealed.map());
    same!(map.len(), len);
    same!(map[len - 1], 0);
    same!(ok!(sealed.map_range(len - 9..)).len(), 9);
    Ok(())
}

/// Whatever the pool holds. On most machines it is empty.
fn a_map_on_huge_pages_is_made_or_refused_whole(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    needs!(world.advice, world::NO_ADVICE);
    needs!(world.proc, world::NO_PROC);
    let file = ok!(attacks::huge());
    let size = ok!(kernel::piece_size(&file));
    ok!(file.set_len(size));
    let sealed = ok!(file.seal());
    let before = ok!(mappings());
    for (offset, len) in [(0, size as usize), (1, 1)] {
        match sealed.map_range(offset..offset + len) {
            Ok(map) => same!(map[0], 0),
            Err(MapError::Kernel(Errno::EFAULT | Errno::ENOMEM)) => {}
            Err(error) => fail!("refused with {error:?}"),
        }
        same!(ok!(mappings()), before);
    }
    Ok(())
}

fn populating_where_memory_has_run_out_is_an_error(world: &World) -> Verdict {
    let machine = attacks::NoMemory::prepare(world)?;
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(4 * LARGEST_PAGE as u64))));
    let map = ok!(sealed.map());
    ok!(machine.begin());
    let result = map.populate();
    let read = sealed.read_at(&mut [1; 16], LARGEST_PAGE);
    drop(machine);
    // Before `MADV_POPULATE_READ` of Linux 5.14, `mlock` reports the error.
    refused!(result, Errno::EFAULT | Errno::ENOMEM);
    // Reading at an offset allocates no memory.
    same!(read, Ok(16));
    ok!(map.populate());
    same!(map[LARGEST_PAGE], 0);
    Ok(())
}

// `populate` exists to prevent this.
fn a_hole_is_a_signal_where_memory_has_run_out(world: &World) -> Verdict {
    const SIGBUS: i32 = linux_raw_sys::general::SIGBUS as i32;
    let machine = attacks::NoMemory::prepare(world)?;
    let sealed = ok!(SealedMemFd::try_from(ok!(hole(PAGE as u64))));
    let map = ok!(sealed.map());
    let pid = ok!(raw::fork(Descriptors::Copied, || {
        if machine.begin().is_err() {
            return 1;
        }
        i32::from(map[0])
    }));
    let ended = parties::wait(pid);
    drop(machine);
    same!(ended, Ok(Ended::Killed(SIGBUS)));
    same!(map[0], 0);
    Ok(())
}
