//! Wrong on purpose: what the library allocated is forgotten. `ci/leak.sh` demands that this is
//! reported.

use owned_memfd::exec::OwnedArgs;
use std::{ffi::NulError, mem};

fn main() -> Result<(), NulError> {
    mem::forget(OwnedArgs::new(["never freed"])?);
    Ok(())
}
