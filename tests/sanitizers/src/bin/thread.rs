//! Wrong on purpose: the library reads bytes that another thread writes. `ci/thread.sh` demands that
//! this is reported.

use owned_memfd::socket::{AddressError, SocketAddr};
use std::{slice, sync::atomic::AtomicU8, thread};

fn main() -> Result<(), AddressError> {
    static BYTE: AtomicU8 = AtomicU8::new(b'a');

    // SAFETY: none. The byte changes while it is borrowed.
    let bytes = unsafe { slice::from_raw_parts(BYTE.as_ptr(), 1) };
    let address = SocketAddr::from_abstract_name(bytes)?;
    thread::scope(|scope| {
        scope.spawn(|| BYTE.store(b'b', std::sync::atomic::Ordering::Relaxed));
        println!("{address}");
    });
    Ok(())
}
