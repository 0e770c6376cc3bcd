//! A ring of records between two processes that do not trust each other, without `unsafe`.
//!
//! `cargo run --release --features std --example ring` starts itself again, as the receiver, with the
//! memory file as standard input.
//!
//! The peer can write anything anywhere at any time. So each side keeps its own index to itself and
//! only publishes it. What the peer writes is copied once, and the copy is checked and used.
#![forbid(unsafe_code)]
use owned_memfd::{Errno, MemFdOptions, OwnedMemFd, SharedAtomic, SharedAtomicMut, SharedMapMut};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use std::{env, error::Error, io, io::Write, os::fd::AsFd, process::Command};

/// In bytes: whole pages, and a power of two, so that positions go on where an index wraps around.
const CAPACITY: u32 = 512 << 10;
const HALF: u32 = CAPACITY / 2; // A sender sleeps until so much is free, and is woken less often.
const PREFIX: u32 = 4; // Of a record: its length.

/// One side of the ring. An index counts the bytes that a side is done with, and wraps around.
struct Side<'map> {
    data: &'map SharedMapMut,
    published: SharedAtomicMut<'map, u32>,
    peer: SharedAtomic<'map, u32>,
    index: u32,
    /// How far this side may be ahead of the peer.
    lead: u32,
}

impl Side<'_> {
    /// Sends a record of at most `HALF - PREFIX` bytes, once there is room for it.
    fn send(&mut self, record: &[u8]) -> Result<(), Box<dyn Error>> {
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
    fn receive(&mut self, room: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
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
    fn wait(&self, mut needed: u32, enough: u32) -> Result<u32, Box<dyn Error>> {
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
    fn pass(&mut self, len: u32, enough: u32) -> Result<(), Box<dyn Error>> {
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

fn main() -> Result<(), Box<dyn Error>> {
    let received = OwnedMemFd::try_from(io::stdin().as_fd().try_clone_to_owned()?);
    let (ours, theirs, lead) = [(0, 128, CAPACITY), (128, 0, 0)][usize::from(received.is_ok())];
    let file = received.or_else(|_| MemFdOptions::new().create("ring"))?;
    // The data, and then the indexes, each in cache lines of its own.
    file.allocate(0, u64::from(CAPACITY) + 256)?;
    let data = &file.map_mirrored_mut(..CAPACITY as usize)?;
    let indexes = file.map_shared_mut(CAPACITY as usize..)?;
    let (published, peer) = (indexes.atomic_mut(ours)?, indexes.atomic(theirs)?);
    #[rustfmt::skip]
    let mut side = Side { data, published, peer, index: 0, lead };
    let (start, mut room) = (Instant::now(), vec![7; 1024]);
    if lead > 0 {
        let mut child = Command::new(env::current_exe()?).stdin(file).spawn()?;
        (0..1 << 18).try_for_each(|_| side.send(&room))?;
        // It ends by its own deadline, if not by an error.
        let has_received = child.wait()?.success();
        has_received.then_some(()).ok_or("the receiver failed")?;
    } else {
        (0..1 << 18).try_for_each(|_| side.receive(&mut room))?;
        writeln!(io::stdout(), "262144 records in {:?}", start.elapsed())?;
    }
    Ok(())
}
