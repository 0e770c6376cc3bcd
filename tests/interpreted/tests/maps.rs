//! Maps of what cannot change, on a kernel that does what Linux does.
#![cfg(miri)]

use interpreted::Machine;
use owned_memfd::{Errno, HugePageSize, MapError, MemFdOptions, SealedMemFd};

/// More than one huge page.
const LARGE: usize = (2 << 20) + 5;

fn sealed(content: &[u8]) -> SealedMemFd {
    SealedMemFd::copy_from_slice("content", content).unwrap()
}

#[test]
fn every_range_of_a_file_is_mapped() {
    let _machine = Machine::new();
    // Longer than the largest page, so that a range can begin on the second one.
    let content = b"0123456789".repeat(7000);
    let sealed = sealed(&content);
    for start in [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 69_999, 70_000] {
        for len in [0, 1, 100, 70_000] {
            let end = (start + len).min(content.len());
            let map = sealed.map_range(start..end).unwrap();
            assert_eq!(&map[..], &content[start..end]);
        }
    }
    assert_eq!(sealed.map().unwrap().as_ref(), &content[..]);
    let beyond = MapError::OutOfBounds {
        bound: 70_001,
        len: 70_000,
    };
    assert_eq!(sealed.map_range(..=70_000).unwrap_err(), beyond);
}

#[test]
fn an_empty_file_is_mapped_as_nothing() {
    let _machine = Machine::new();
    let sealed = sealed(b"");
    assert_eq!(&sealed.map().unwrap()[..], b"");
    assert_eq!(&sealed.map_copy().unwrap()[..], b"");
    assert_eq!(&sealed.map_exec().unwrap()[..], b"");
    sealed.map().unwrap().populate().unwrap();
}

#[test]
fn a_map_outlives_its_file_and_moves_between_threads() {
    let _machine = Machine::new();
    let map = sealed(b"hello").map().unwrap();
    let found = std::thread::spawn(move || map.to_vec()).join().unwrap();
    assert_eq!(found, b"hello");
}

#[test]
fn maps_of_one_file_are_read_by_threads_at_once() {
    let _machine = Machine::new();
    let sealed = sealed(&[7; 100]);
    let map = sealed.map().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let own = sealed.map_range(50..).unwrap();
                assert_eq!(&map[50..], &own[..]);
                map.populate().unwrap();
            });
        }
    });
}

#[test]
fn a_copy_changes_and_the_file_does_not() {
    let _machine = Machine::new();
    let sealed = sealed(b"hello");
    let mut copy = sealed.map_copy().unwrap();
    copy[0] = b'J';
    copy.as_mut().reverse();
    assert_eq!(&copy[..], b"olleJ");
    assert_eq!(&sealed.map().unwrap()[..], b"hello");
}

#[test]
fn code_is_made_present() {
    let machine = Machine::new();
    let sealed = sealed(b"\xc3");
    assert_eq!(&sealed.map_exec().unwrap()[..], b"\xc3");
    // Before Linux 5.14, by locking a second mapping of the same.
    machine.fails("madvise", libc::EINVAL);
    assert_eq!(&sealed.map_exec().unwrap()[..], b"\xc3");
    sealed.map().unwrap().populate().unwrap();
    machine.fails("mremap", libc::EINVAL);
    sealed.map().unwrap().populate().unwrap();
}

#[test]
fn a_file_that_is_not_shared_is_opened_again_or_mapped_privately() {
    let machine = Machine::new();
    let sealed = sealed(b"hello");
    machine.set(|settings| settings.shares_sealed = false);
    assert_eq!(&sealed.map().unwrap()[..], b"hello");
    assert_eq!(&sealed.map_exec().unwrap()[..], b"hello");
    machine.fails("openat", libc::EMFILE);
    assert_eq!(&sealed.map_range(1..3).unwrap()[..], b"el");
}

#[test]
fn large_content_is_filled_and_mapped_at_an_aligned_address() {
    let _machine = Machine::new();
    let sealed = MemFdOptions::new().create_with("large", LARGE, |bytes| {
        bytes[LARGE - 1] = 1;
    });
    let sealed = sealed.unwrap();
    let map = sealed.map_range(1..).unwrap();
    assert_eq!(map[LARGE - 2], 1);
    map.collapse().unwrap();
    assert_eq!(sealed.map_copy().unwrap()[LARGE - 1], 1);
}

#[test]
fn a_large_stream_prepares_each_huge_page() {
    let _machine = Machine::new();
    let content = vec![1; LARGE];
    let mut buffer = [0; 16];
    let options = MemFdOptions::new();
    let writer = options.writer_with_capacity("large", LARGE, &mut buffer);
    let mut writer = writer.unwrap();
    writer.write_all(&content).unwrap();
    assert_eq!(writer.finish().unwrap().len(), LARGE);
}

#[test]
fn a_file_on_huge_pages_is_mapped_in_whole_pages() {
    let _machine = Machine::new();
    let options = MemFdOptions::new().huge_pages(HugePageSize::DEFAULT);
    let sealed = options
        .create_with("huge", 2 << 20, |bytes| bytes[5] = 1)
        .unwrap();
    assert_eq!(&sealed.map_range(4..7).unwrap()[..], [0, 1, 0]);
    assert_eq!(sealed.map_copy().unwrap()[5], 1);
    assert_eq!(sealed.as_memfd().page_size(), Ok(2 << 20));
}

#[test]
fn a_mapping_that_fails_leaves_nothing() {
    let machine = Machine::new();
    let sealed = sealed(b"hello");
    machine.fails("mmap", libc::ENOMEM);
    assert_eq!(sealed.map().unwrap_err(), Errno::ENOMEM);
    assert_eq!(sealed.map_copy().unwrap_err(), Errno::ENOMEM);
    assert_eq!(sealed.map_exec().unwrap_err(), Errno::ENOMEM);
}

#[test]
fn a_stable_reference_lives_as_long_as_its_map() {
    use stable_deref_trait::StableDeref;

    /// A map, and a part of it that is kept beside it.
    struct Parsed<M: StableDeref> {
        word: *const [u8],
        map: M,
    }

    fn parse<M: StableDeref<Target = [u8]>>(map: M) -> Vec<u8> {
        let word: *const [u8] = &map[1..3];
        let parsed = Box::new(Parsed { word, map });
        // SAFETY: the map has moved, and its bytes have not.
        let word = unsafe { &*parsed.word }.to_vec();
        drop(parsed.map);
        word
    }

    let _machine = Machine::new();
    let sealed = sealed(b"hello");
    assert_eq!(parse(sealed.map().unwrap()), b"el");
    assert_eq!(parse(sealed.map_copy().unwrap()), b"el");
    assert_eq!(parse(sealed.map_exec().unwrap()), b"el");
}
