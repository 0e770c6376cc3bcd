//! A ring of records between two processes that do not trust each other, without `unsafe`.
//!
//! `cargo run --release --features std --example ring` starts itself again with a memory file as
//! standard input. That process receives records, checks each, and prints how fast they came.
//!
//! The peer can write anything anywhere at any time. So each side keeps its own index to itself and
//! only publishes it. What the peer writes is copied once, and the copy is checked and used.
#![forbid(unsafe_code)]

use owned_memfd::{Errno, MemFdOptions, OwnedMemFd, SharedAtomic, SharedAtomicMut, SharedMapMut};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use std::{env, error::Error, io, io::Write, ops::Range, os::fd::AsFd, process};

/// In bytes: whole pages, and a power of two, so that positions go on where an index wraps around.
const CAPACITY: u32 = 512 << 10;
/// A sender that has too little room waits for this much, so as not to wake for each record.
const HALF: u32 = CAPACITY / 2;
/// The bytes of a record's length, which comes before the record.
const PREFIX: u32 = 4;
/// The indexes come after the data, each in cache lines of its own.
const INDEXES: Range<usize> = CAPACITY as usize..CAPACITY as usize + 256;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One side of the ring. An index counts the bytes that a side is done with, and wraps around.
struct Side<'map> {
    data: &'map SharedMapMut,
    index: u32,
    published: SharedAtomicMut<'map, u32>,
    peer: SharedAtomic<'map, u32>,
    /// How far this side may be ahead of the peer.
    lead: u32,
}

impl Side<'_> {
    /// Sends a record, once there is room for it.
    fn send(&mut self, record: &[u8], deadline: Instant) -> Result<()> {
        let len = u32::try_from(record.len())?;
        if len > HALF - PREFIX {
            return Err("the record is too large".into());
        }
        self.wait(PREFIX + len, HALF, deadline)?;
        let position = (self.index % CAPACITY) as usize;
        self.data.write_all_at(&len.to_le_bytes(), position)?;
        self.data.write_all_at(record, position + PREFIX as usize)?;
        self.pass(PREFIX + len, PREFIX)
    }

    /// Receives the next record into `room`, which never grows beyond the capacity.
    fn receive<'a>(&mut self, room: &'a mut Vec<u8>, deadline: Instant) -> Result<&'a [u8]> {
        let usable = self.wait(PREFIX, PREFIX, deadline)?;
        let position = (self.index % CAPACITY) as usize;
        let mut len = [0; PREFIX as usize];
        self.data.read_exact_at(&mut len, position)?;
        let len = u32::from_le_bytes(len);
        if len > usable - PREFIX {
            return Err("a record is longer than what was written".into());
        }
        room.resize(len as usize, 0);
        self.data.read_exact_at(room, position + PREFIX as usize)?;
        self.pass(PREFIX + len, HALF)?;
        Ok(room)
    }

    /// Waits for `needed` bytes to use, or if it must sleep, for `enough`. Returns how many it has.
    fn wait(&self, mut needed: u32, enough: u32, deadline: Instant) -> Result<u32> {
        loop {
            let seen = self.peer.load(SeqCst);
            match self.usable(seen) {
                usable if usable > CAPACITY => return Err("the peer's index is wrong".into()),
                usable if usable >= needed => return Ok(usable),
                _ => needed = enough,
            }
            // Computed each time: the peer can wake this side as often as it likes.
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Err("the peer took too long".into());
            };
            match self.peer.wait(seen, Some(left)) {
                Ok(()) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ETIMEDOUT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Passes `len` bytes to the peer, and wakes it if only now it has `enough`.
    fn pass(&mut self, len: u32, enough: u32) -> Result<()> {
        self.index = self.index.wrapping_add(len);
        // Each side stores its index and then loads the other's. SeqCst: if both do so at the same
        // time, at least one sees the other's new index, so they never both sleep.
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

fn main() {
    if let Err(error) = run() {
        // Not eprintln!, which panics where it cannot print, as to a full disk.
        let _ = writeln!(io::stderr(), "ring: {error}");
        process::exit(1);
    }
}

fn run() -> Result<()> {
    let stdin = OwnedMemFd::try_from(io::stdin().as_fd().try_clone_to_owned()?);
    let sends = stdin.is_err();
    let file = stdin.or_else(|_| MemFdOptions::new().create("ring"))?;
    file.allocate(0, INDEXES.end as u64)?;
    let data = file.map_mirrored_mut(..INDEXES.start)?;
    let indexes = file.map_shared_mut(INDEXES)?;
    let (ours, theirs) = if sends { (0, 128) } else { (128, 0) };
    let mut side = Side {
        data: &data,
        index: 0,
        published: indexes.atomic_mut(ours)?,
        peer: indexes.atomic(theirs)?,
        lead: if sends { CAPACITY } else { 0 },
    };
    let mut receiver = process::Command::new(env::current_exe()?);
    let receiver = sends.then(|| receiver.stdin(file).spawn()).transpose()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 17).collect();
    let (mut room, mut out) = (Vec::new(), io::stdout());
    for (len, count) in [(64_u32, 1_u32 << 19), (1024, 1 << 17), (65536, 1 << 13)] {
        let start = Instant::now();
        for number in 0..count {
            let record = &bytes[number as usize % 251..][..len as usize];
            if sends {
                side.send(record, deadline)?;
            } else if side.receive(&mut room, deadline)? != record {
                return Err("this is not the record that was sent".into());
            }
        }
        if !sends {
            let speed = f64::from(count) / start.elapsed().as_secs_f64();
            writeln!(out, "{speed:.0} records of {len} bytes per second")?;
        }
    }
    match receiver.map(|mut child| child.wait()).transpose()? {
        Some(status) if !status.success() => Err("the receiver failed".into()),
        _ => Ok(()),
    }
}
