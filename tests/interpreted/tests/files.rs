#![cfg(miri)]
use interpreted::Machine;
use owned_memfd::*;
#[test]
fn smoke() {
    let _machine = Machine::new();
    let sealed = SealedMemFd::copy_from_slice("x", b"hello").unwrap();
    assert_eq!(&sealed.map().unwrap()[..], b"hello");
}
