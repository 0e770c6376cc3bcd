//! One side of a ring of records, in memory that the other side writes too.
//!
//! The peer can write anything anywhere at any time. So each side keeps its own index to itself and
//! only publishes it. What the peer writes is copied once, and the copy is checked and used.

use owned_memfd::{Errno, SharedAtomic, SharedAtomicMut, SharedMapMut};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use std::{error::Error, result};

type Result<T> = result::Result<T, Box<dyn Error>>;

/// In bytes: whole pages, and a power of two, so that positions go on where an index wraps around.
pub(crate) const CAPACITY: u32 = 512 << 10;
/// A sender sleeps until so much is free. Like this, it is woken less often.
const HALF: u32 = CAPACITY / 2;
/// Before each record, its length.
const PREFIX: u32 = 4;

/// One side of the ring. An index counts the bytes that a side is done with, and wraps around.
pub(crate) struct Side<'map> {
    /// Mapped twice in a row, so that no record is split where the ring ends.
    data: &'map SharedMapMut,
    published: SharedAtomicMut<'map, u32>,
    peer: SharedAtomic<'map, u32>,
    index: u32,
    /// How far this side may be ahead of the peer.
    lead: u32,
}

impl<'map> Side<'map> {
    /// The indexes stand in cache lines of their own.
    pub(crate) fn sender(data: &'map SharedMapMut, indexes: &'map SharedMapMut) -> Result<Self> {
        let (published, peer) = (indexes.atomic_mut(0)?, indexes.atomic(128)?);
        Ok(Self {
            data,
            published,
            peer,
            index: 0,
            lead: CAPACITY,
        })
    }

    pub(crate) fn receiver(data: &'map SharedMapMut, indexes: &'map SharedMapMut) -> Result<Self> {
        let (published, peer) = (indexes.atomic_mut(128)?, indexes.atomic(0)?);
        Ok(Self {
            data,
            published,
            peer,
            index: 0,
            lead: 0,
        })
    }

    /// Sends a record of at most `HALF - PREFIX` bytes, once there is room for it.
    pub(crate) fn send(&mut self, record: &[u8]) -> Result<()> {
        let len = u32::try_from(record.len())?;
        if len > HALF - PREFIX {
            return Err("the record is too long".into());
        }
        self.wait(PREFIX + len, HALF)?;
        let position = (self.index % CAPACITY) as usize;
        self.data.write_all_at(&len.to_le_bytes(), position)?;
        self.data.write_all_at(record, position + PREFIX as usize)?;
        self.pass(PREFIX + len, PREFIX)
    }

    /// Receives the next record into `room`, which never grows beyond the capacity.
    pub(crate) fn receive(&mut self, room: &mut Vec<u8>) -> Result<()> {
        let usable = self.wait(PREFIX, PREFIX)?;
        let position = (self.index % CAPACITY) as usize;
        let mut len = [0; PREFIX as usize];
        self.data.read_exact_at(&mut len, position)?;
        let len = u32::from_le_bytes(len);
        if len > usable - PREFIX {
            return Err("a record is longer than what was written".into());
        }
        room.resize(len as usize, 0);
        self.data.read_exact_at(room, position + PREFIX as usize)?;
        self.pass(PREFIX + len, HALF)
    }

    /// Waits for `needed` bytes or, if it must sleep, for `enough`. Returns how many it may use.
    fn wait(&self, mut needed: u32, enough: u32) -> Result<u32> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let seen = self.peer.load(SeqCst);
            match self.usable(seen) {
                usable if usable > CAPACITY => return Err("the peer's index is wrong".into()),
                usable if usable >= needed => return Ok(usable),
                _ => needed = enough,
            }
            // Computed each time: the peer can wake this side as often as it likes.
            let left = deadline.checked_duration_since(Instant::now());
            let left = left.ok_or("the peer took too long")?;
            match self.peer.wait(seen, Some(left)) {
                Ok(()) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ETIMEDOUT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Passes `len` bytes to the peer, and wakes it if only now it has `enough`.
    fn pass(&mut self, len: u32, enough: u32) -> Result<()> {
        self.index = self.index.wrapping_add(len);
        // Each side stores its index and then loads the other's. SeqCst: if both do so at once, at
        // least one sees the other's new index, so they never both sleep.
        self.published.store(self.index, SeqCst);
        let theirs = CAPACITY.wrapping_sub(self.usable(self.peer.load(SeqCst)));
        if theirs >= enough && theirs.wrapping_sub(len) < enough {
            self.published.wake(1)?;
        }
        Ok(())
    }

    fn usable(&self, peer: u32) -> u32 {
        peer.wrapping_add(self.lead).wrapping_sub(self.index)
    }
}
