//! Files through std's traits, where these do more than call the methods of the library.

use super::Done;
use crate::{
    bytes::content,
    edges,
    file::At,
    state::{Descriptor, FILES, MOST, State, Verdict, both, same_bytes},
};
use owned_memfd::Errno;
use proptest::{prelude::*, prop_assert_eq};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

/// A step about the descriptor in this place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    place: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    ReadToEnd,
    ReadVectored { lens: [usize; 2] },
    WriteVectored { seed: u8, lens: [usize; 2] },
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    (0..FILES, any_what()).prop_map(|(place, what)| Step { place, what })
}

fn any_what() -> BoxedStrategy<What> {
    let lens = || [edges::count(), edges::count()];
    prop_oneof![
        Just(What::ReadToEnd),
        lens().prop_map(|lens| What::ReadVectored { lens }),
        (any::<u8>(), lens()).prop_map(|(seed, lens)| What::WriteVectored { seed, lens }),
    ]
    .boxed()
}

impl Step {
    pub(crate) fn take(&self, state: &State<'_>) -> Verdict<Done> {
        // Where what std asks for in one read ends before the last offset.
        const FAR: u64 = 1 << 60;

        let Some(Descriptor { real, open, .. }) = &state.files[self.place] else {
            return Ok(false);
        };
        let mut real = real;
        match self.what {
            What::ReadToEnd => {
                let left = open.file().bytes.len().saturating_sub(open.offset());
                if left > MOST as u64 || open.offset() > FAR {
                    return Ok(false);
                }
                let mut found = Vec::new();
                let count = real.read_to_end(&mut found).map_err(|error| errno(&error));
                if let Some((count, expected)) = both(count, open.read(left as usize, At::Offset))?
                {
                    prop_assert_eq!(count, expected.len());
                    same_bytes(&found, &expected)?;
                }
            }
            What::ReadVectored { lens: [one, two] } => {
                let mut found = vec![0; one + two];
                let (first, second) = found.split_at_mut(one);
                let mut buffers = [first, second].map(IoSliceMut::new);
                let count = real
                    .read_vectored(&mut buffers)
                    .map_err(|error| errno(&error));
                let expected = open.read(one + two, At::Offset);
                if let Some((count, expected)) = both(count, expected)? {
                    same_bytes(&found[..count], &expected)?;
                }
            }
            What::WriteVectored {
                seed,
                lens: [one, two],
            } => {
                let bytes = content(seed, one + two);
                let (first, second) = bytes.split_at(one);
                let count = real
                    .write_vectored(&[first, second].map(IoSlice::new))
                    .map_err(|error| errno(&error));
                prop_assert_eq!(count, open.write(state.rules, &bytes, At::Offset));
            }
        }
        Ok(true)
    }
}

/// The kernel's error, of which std's is made; or 0, if it is another one.
fn errno(error: &io::Error) -> Errno {
    Errno::from_raw_os_error(error.raw_os_error().unwrap_or_default())
}
