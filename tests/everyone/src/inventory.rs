//! What a process has: descriptors, and mappings.
#![allow(unsafe_code)]

use nix::libc;
use std::{fs, io};

/// Lets all threads allocate from one heap. The C library would reserve address space for one heap
/// after the other, whenever threads get into each other's way.
pub(crate) fn use_one_heap() -> Result<(), &'static str> {
    // SAFETY: this process has one thread, and the call sets a number.
    match unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) } {
        1 => Ok(()),
        _ => Err("the C library has other heaps"),
    }
}

/// Without what the standard library and the C library hold for themselves.
#[derive(PartialEq)]
pub(crate) struct Inventory {
    descriptors: Vec<String>,
    /// Mappings of memory files.
    maps: Vec<String>,
    /// Address space that is reserved and used for nothing, in bytes.
    reserved: u64,
}

impl Inventory {
    pub(crate) fn now() -> io::Result<Self> {
        let mut descriptors = Vec::new();
        for entry in fs::read_dir("/proc/self/fd")? {
            let path = entry?.path();
            // The directory that is just being read is closed by now.
            if let Ok(file) = fs::read_link(&path) {
                if !file.starts_with("/proc") {
                    descriptors.push(format!("{} of {}", path.display(), file.display()));
                }
            }
        }
        descriptors.sort();
        let (mut maps, mut reserved) = (Vec::new(), 0);
        for line in fs::read_to_string("/proc/self/maps")?.lines() {
            if line.contains("/memfd:") {
                maps.push(line.to_owned());
            } else if line.contains(" ---p 00000000 00:00 0") {
                reserved += len(line).unwrap_or(0);
            }
        }
        Ok(Self {
            descriptors,
            maps,
            reserved,
        })
    }

    /// What was not there before, or is no longer there.
    pub(crate) fn difference(&self, after: &Self) -> Option<String> {
        let differing = |before: &[String], after: &[String]| {
            let gone = before.iter().filter(|one| !after.contains(one));
            let new = after.iter().filter(|one| !before.contains(one));
            gone.map(|one| format!("gone: {one}"))
                .chain(new.map(|one| format!("left: {one}")))
                .collect::<Vec<_>>()
        };
        let mut all = differing(&self.descriptors, &after.descriptors);
        all.extend(differing(&self.maps, &after.maps));
        if self.reserved != after.reserved {
            let (before, after) = (self.reserved, after.reserved);
            all.push(format!("{after} bytes are reserved, and {before} were"));
        }
        (self != after).then(|| all.join("; "))
    }
}

/// Whether this memory belongs to a shared mapping.
pub(crate) fn is_shared(map: &[u8]) -> io::Result<bool> {
    let start = format!("{:x}-", map.as_ptr().addr());
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut lines = maps.lines().filter(|line| line.starts_with(&start));
    Ok(lines.any(|line| line.contains("r--s ")))
}

/// How long the mapping of a line in `/proc/self/maps` is.
fn len(line: &str) -> Option<u64> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some(address(end)? - address(start)?)
}
