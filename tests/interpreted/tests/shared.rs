//! Memory that others write at the same time, on a kernel that does what Linux does.
#![cfg(miri)]

use interpreted::Machine;
use owned_memfd::{AccessError, Errno, MapError, MemFdOptions, OwnedMemFd, Seals, SharedMap};
use std::{
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    thread,
    time::Duration,
};

fn file(len: u64) -> OwnedMemFd {
    let file = MemFdOptions::new().create(c"shared").unwrap();
    file.set_len(len).unwrap();
    file.add_seals(Seals::SHRINK).unwrap();
    file
}

fn read<const N: usize>(map: &SharedMap, offset: usize) -> [u8; N] {
    let mut found = [0xaa; N];
    map.read_exact_at(&mut found, offset).unwrap();
    found
}

#[test]
fn both_sides_see_what_either_writes() {
    let _machine = Machine::new();
    let file = file(5000);
    let (ours, theirs) = (
        file.map_shared_mut(..).unwrap(),
        file.map_shared_mut(1..).unwrap(),
    );
    let readers = file.map_shared(2..10).unwrap();
    ours.write_all_at(b"hello", 2).unwrap();
    theirs.write_all_at(b"J", 1).unwrap();
    assert_eq!(&read(&readers, 0), b"Jello\0\0\0");
    file.write_all_at(b"!", 7).unwrap();
    assert_eq!(&read(&ours, 2), b"Jello!");
    drop((ours, file));
    assert_eq!(&read(&theirs, 1), b"Jello!");
    assert_eq!(&read(&readers, 0), b"Jello!");
}

#[test]
fn nothing_beyond_a_map_is_accessed() {
    let _machine = Machine::new();
    let file = file(100);
    let map = file.map_shared_mut(10..20).unwrap();
    let beyond = Err(AccessError::OutOfBounds { len: 10 });
    for offset in [10, 11, usize::MAX] {
        assert_eq!(map.write_all_at(b"x", offset), beyond);
        assert_eq!(map.read_exact_at(&mut [0], offset), beyond);
    }
    assert_eq!(map.write_all_at(b"longer than it", 0), beyond);
    map.write_all_at(b"", 10).unwrap();
    assert_eq!(map.atomic::<u64>(3).map(|_| ()), beyond);
    // 10 + 1 is not a multiple of 4.
    let misaligned = AccessError::Misaligned { align: 4 };
    assert_eq!(map.atomic::<u32>(1).map(|_| ()), Err(misaligned));
    assert_eq!(map.atomic::<u32>(2).unwrap().load(Relaxed), 0);
    assert_eq!(
        file.map_shared(50..50).unwrap().read_exact_at(&mut [], 0),
        Ok(())
    );
}

#[test]
fn integers_are_changed_in_place() {
    let _machine = Machine::new();
    let file = file(64);
    let map = file.map_shared_mut(..).unwrap();
    map.atomic_mut::<u8>(0).unwrap().store(0x81, Release);
    map.atomic_mut::<u16>(2).unwrap().store(0x8182, SeqCst);
    let cell = map.atomic_mut::<u32>(4).unwrap();
    assert_eq!(cell.swap(5, AcqRel), 0);
    assert_eq!(cell.compare_exchange(5, 6, AcqRel, Acquire), Ok(5));
    assert_eq!(cell.compare_exchange(5, 7, Release, Relaxed), Err(6));
    assert_eq!(cell.fetch_add(u32::MAX, Relaxed), 6);
    let wide = map.atomic_mut::<u64>(8).unwrap();
    assert_eq!(wide.fetch_add(1 << 40, SeqCst), 0);
    assert_eq!(format!("{cell:?} {wide:?}"), format!("5 {}", 1_u64 << 40));
    assert_eq!(
        read(&map, 0),
        [0x81, 0, 0x82, 0x81, 5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    );
}

#[test]
fn a_map_grows_where_it_is_and_elsewhere() {
    let _machine = Machine::new();
    let file = file(100);
    let mut map = file.map_shared_mut(..).unwrap();
    map.write_all_at(b"kept", 96).unwrap();
    file.set_len(50_000).unwrap();
    let before = map.as_ptr();
    // Nobody else has it mapped: the model moves it.
    map.grow(&file, 50_000).unwrap();
    assert_ne!(map.as_ptr(), before);
    assert_eq!(&read(&map, 96), b"kept\0");
    let other = file.map_shared(..).unwrap();
    file.set_len(60_000).unwrap();
    let before = map.as_ptr();
    map.grow(&file, 60_000).unwrap();
    assert_eq!(map.as_ptr(), before);
    map.write_all_at(b"end", 59_997).unwrap();
    assert_eq!(&read(&other, 96), b"kept\0");
    map.grow(&file, 5).unwrap();
    assert_eq!(map.len(), 60_000);
}

#[test]
fn an_empty_map_and_a_part_of_a_file_grow() {
    let _machine = Machine::new();
    let file = file(70_000);
    let mut empty = file.map_shared(70_000..).unwrap();
    // It begins on the second of the largest pages.
    let mut part = file.map_shared_mut(65_540..65_550).unwrap();
    part.write_all_at(b"part", 6).unwrap();
    empty.grow(&file, 0).unwrap();
    part.grow(&file, 4460).unwrap();
    assert_eq!(&read(&part, 6), b"part");
    let bound = 65_540 + 4461;
    let beyond = MapError::OutOfBounds { bound, len: 70_000 };
    assert_eq!(part.grow(&file, 4461), Err(beyond));
    let mut start = file.map_shared(..0).unwrap();
    start.grow(&file, 10).unwrap();
    assert_eq!(start.len(), 10);
}

#[test]
fn a_map_that_cannot_grow_stays() {
    let machine = Machine::new();
    let file = file(100);
    let mut map = file.map_shared_mut(..10).unwrap();
    map.write_all_at(b"kept", 0).unwrap();
    let other = MemFdOptions::new().create(c"other").unwrap();
    other.set_len(100).unwrap();
    other.add_seals(Seals::SHRINK).unwrap();
    assert_eq!(map.grow(&other, 20), Err(MapError::OtherFile));
    machine.fails("mremap", libc::ENOMEM);
    assert_eq!(map.grow(&file, 100), Err(Errno::ENOMEM.into()));
    assert_eq!(map.len(), 10);
    assert_eq!(&read(&map, 0), b"kept");
}

#[test]
fn readers_map_what_only_the_writer_can_write() {
    let _machine = Machine::new();
    let file = file(100);
    let mut map = file.map_shared_mut(..50).unwrap();
    file.seal_for_readers().unwrap();
    let reader = file.reopen_read_only().unwrap();
    assert_eq!(reader.map_shared_mut(..).unwrap_err(), Errno::EACCES.into());
    let seen = reader.map_shared(..).unwrap();
    map.write_all_at(b"seen", 0).unwrap();
    map.grow(&file, 100).unwrap();
    assert_eq!(&read(&seen, 0), b"seen");
    drop(map);
    let sealed = file.seal().unwrap();
    assert_eq!(&sealed.map().unwrap()[..4], b"seen");
    assert_eq!(&read(&seen, 0), b"seen");
}

#[test]
fn a_mirrored_map_has_both_halves() {
    let machine = Machine::new();
    const LEN: usize = 8192;
    let file = file(LEN as u64);
    file.write_all_at(b"start", 0).unwrap();
    file.write_all_at(b"end", 8189).unwrap();
    let ring = file.map_mirrored_mut(..).unwrap();
    assert_eq!(ring.len(), 2 * LEN);
    assert_eq!(&read(&ring, LEN - 3), b"endstart");
    assert_eq!(&read(&ring, 2 * LEN - 3), b"end");
    ring.write_all_at(b"across", LEN - 3).unwrap();
    assert_eq!(&read(&ring, LEN - 3), b"across");
    drop(ring);
    assert!(file.map_mirrored(..0).unwrap().is_empty());
    assert_eq!(file.map_mirrored(1..).unwrap_err(), Errno::EINVAL.into());
    assert_eq!(file.map_mirrored(..).unwrap().len(), 2 * LEN);
    machine.fails("mmap", libc::ENOMEM);
    assert_eq!(file.map_mirrored(..).unwrap_err(), Errno::ENOMEM.into());
}

#[test]
fn a_large_ring_is_reserved_again_at_an_aligned_address() {
    let _machine = Machine::new();
    let file = file(4 << 20);
    let ring = file.map_mirrored(..2 << 20).unwrap();
    assert_eq!(ring.len(), 4 << 20);
    assert_eq!(file.map_shared_mut(..).unwrap().collapse(), Ok(()));
}

#[test]
fn threads_hand_a_record_over() {
    let _machine = Machine::new();
    let file = file(4096);
    let (ours, theirs) = (
        file.map_shared_mut(..).unwrap(),
        file.map_shared(..).unwrap(),
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            ours.write_all_at(b"record", 64).unwrap();
            ours.atomic_mut::<u32>(0).unwrap().store(1, Release);
            let _ = ours.atomic::<u32>(0).unwrap().wake(u32::MAX);
        });
        let cell = theirs.atomic::<u32>(0).unwrap();
        while cell.load(Acquire) == 0 {
            match cell.wait(0, None) {
                Ok(()) | Err(Errno::EAGAIN) => {}
                Err(errno) => panic!("{errno}"),
            }
        }
        assert_eq!(&read(&theirs, 64), b"record");
    });
}

#[test]
fn threads_count_together() {
    let _machine = Machine::new();
    let file = file(64);
    let map = file.map_shared_mut(..).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let cell = map.atomic_mut::<u64>(8).unwrap();
                for _ in 0..20 {
                    cell.fetch_add(1, Relaxed);
                }
            });
        }
    });
    assert_eq!(map.atomic::<u64>(8).unwrap().load(Relaxed), 60);
}

#[test]
fn a_wait_ends() {
    let _machine = Machine::new();
    let file = file(64);
    let map = file.map_shared_mut(..).unwrap();
    let cell = map.atomic_mut::<u32>(4).unwrap();
    assert_eq!(cell.wait(1, None), Err(Errno::EAGAIN));
    let timeout = Duration::from_millis(10);
    assert_eq!(cell.wait(0, Some(timeout)), Err(Errno::ETIMEDOUT));
    assert_eq!(cell.wake(u32::MAX), Ok(0));
    assert_eq!(cell.wake(0), Ok(0));
}
