//! Wrong on purpose: the library reads bytes that another thread writes. `ci/thread.sh` demands that
//! this is reported.

use owned_memfd::socket::{AddressError, SocketAddr};
use std::{
    cell::UnsafeCell,
    slice,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

/// Bytes that threads share as if they were locked.
struct Shared(UnsafeCell<[u8; 8]>);

// SAFETY: none. Nothing keeps the threads apart.
unsafe impl Sync for Shared {}

impl Shared {
    fn start(&self) -> *mut u8 {
        self.0.get().cast()
    }
}

fn main() -> Result<(), AddressError> {
    let shared = Shared(UnsafeCell::new(*b"an owner"));
    // SAFETY: none. A byte changes while it is borrowed.
    let bytes = unsafe { slice::from_raw_parts(shared.start(), 8) };
    let address = SocketAddr::from_abstract_name(bytes)?;
    // It says which is first, and orders nothing.
    let is_read = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_read.load(Relaxed) {
                thread::yield_now();
            }
            // SAFETY: none, as above.
            unsafe { shared.start().write(b'A') };
        });
        println!("{address}");
        is_read.store(true, Relaxed);
    });
    Ok(())
}
