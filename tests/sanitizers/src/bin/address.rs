//! Wrong on purpose: the library reads bytes that are freed. `ci/address.sh` demands that this is
//! reported.

use owned_memfd::socket::{AddressError, SocketAddr};
use std::slice;

fn main() -> Result<(), AddressError> {
    let name = b"freed".to_vec();
    // SAFETY: none. The bytes are read after they are freed.
    let bytes = unsafe { slice::from_raw_parts(name.as_ptr(), name.len()) };
    let address = SocketAddr::from_abstract_name(bytes)?;
    drop(name);
    println!("{address}");
    Ok(())
}
