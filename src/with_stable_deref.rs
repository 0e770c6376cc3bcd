//! The feature `stable-deref-1`: maps whose bytes are borrowed by what owns the map, as with yoke.
#![allow(unsafe_code)]

use crate::sealed::{CopyMap, ExecMap, SealedMap};
use stable_deref_trait::StableDeref;

// SAFETY: every `deref` returns the bytes of the map's region, at the address and with the length
// that the region was made with. They are mapped memory, not part of the value that moves, and stay
// mapped until the value is dropped. No method changes the region, and the seals ensure that nobody
// changes the bytes.
unsafe impl StableDeref for SealedMap {}

// SAFETY: as of a `SealedMap`. `deref_mut` returns the same bytes at the same address, and nothing
// that is done with plain bytes can move them. Only `deref_mut` writes them.
unsafe impl StableDeref for CopyMap {}

// SAFETY: as of a `SealedMap`.
unsafe impl StableDeref for ExecMap {}
