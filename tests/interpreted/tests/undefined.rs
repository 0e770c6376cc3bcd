//! What is undefined behaviour, so that Miri must find it: `ci/miri.sh` runs each test by itself,
//! and none may pass. If one did, the other tests of this package would prove nothing.
//!
//! No test is of a mapping that is misaligned or shorter than asked for: the model makes none.
#![cfg(miri)]

use interpreted::{Forged, Machine};
use owned_memfd::{
    MemFdOptions, SealedMemFd, Seals, SharedMapMut,
    fd::AsRawFd,
    socket::{self, ReceivedFds, SocketType::SeqPacket},
};

fn sealed() -> SealedMemFd {
    SealedMemFd::copy_from_slice("content", b"hello").unwrap()
}

fn shared(len: u64) -> (owned_memfd::OwnedMemFd, SharedMapMut) {
    let file = MemFdOptions::new().create("content").unwrap();
    file.set_len(len).unwrap();
    file.add_seals(Seals::SHRINK).unwrap();
    let map = file.map_shared_mut(..10).unwrap();
    (file, map)
}

#[test]
fn a_map_is_read_after_it_was_unmapped() {
    let _machine = Machine::new();
    let map = sealed().map().unwrap();
    let start = map.as_ptr();
    drop(map);
    // SAFETY: none. It is unmapped.
    let _byte = unsafe { start.read() };
}

#[test]
fn a_shared_map_is_read_after_it_was_unmapped() {
    let _machine = Machine::new();
    let (_file, map) = shared(10);
    let start = map.as_ptr();
    drop(map);
    // SAFETY: none. It is unmapped.
    let _byte = unsafe { start.read() };
}

#[test]
fn a_map_is_read_where_it_was_before_it_grew() {
    let _machine = Machine::new();
    let (file, mut map) = shared(20);
    let start = map.as_ptr();
    map.grow(&file, 20).unwrap();
    // SAFETY: none. It has moved.
    let _byte = unsafe { start.read() };
}

#[test]
fn a_map_is_read_beyond_its_end() {
    let _machine = Machine::new();
    let map = sealed().map().unwrap();
    // SAFETY: none. There is no such byte.
    let _byte = unsafe { map.as_ptr().add(map.len()).read() };
}

#[test]
fn a_sealed_map_is_written() {
    let _machine = Machine::new();
    let map = sealed().map().unwrap();
    let bytes: &[u8] = &map;
    let start = bytes.as_ptr().cast_mut();
    // SAFETY: none. It is borrowed shared.
    unsafe { start.write(0) };
    assert_eq!(bytes[0], 0);
}

/// What the kernel says that it has written, the library takes for written.
#[test]
fn a_kernel_says_that_it_wrote_a_control_message() {
    let machine = Machine::new();
    let (_here, there) = socket::socket_pair(SeqPacket).unwrap();
    let control_len = Some(24);
    let forged = Forged {
        control_len,
        ..Forged::with(Vec::new())
    };
    machine.forge(there.as_raw_fd(), forged);
    let _ = socket::receive(&there, &mut [0], &mut ReceivedFds::<1>::new());
}

/// What only Stacked Borrows finds: a map has no more of the file than was asked for. With Tree
/// Borrows the pointer of a shared map may be used for all of the file.
mod stacked {
    use super::{Machine, MemFdOptions, Seals, shared};

    #[test]
    fn a_shared_map_is_read_beyond_its_end() {
        let _machine = Machine::new();
        let (_file, map) = shared(9010);
        // SAFETY: none. The file has this byte, and the map does not.
        let _byte = unsafe { map.as_ptr().add(9000).read() };
    }

    #[test]
    fn a_shared_map_is_read_before_its_start() {
        // What is mapped begins at a multiple of this.
        const START: usize = 64 << 10;

        let _machine = Machine::new();
        let file = MemFdOptions::new().create("content").unwrap();
        file.set_len(START as u64 + 10).unwrap();
        file.add_seals(Seals::SHRINK).unwrap();
        let map = file.map_shared_mut(START..).unwrap();
        // SAFETY: none. The file has this byte, and the map does not.
        let _byte = unsafe { map.as_ptr().sub(3).read() };
    }
}
