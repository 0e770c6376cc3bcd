//! Claims about a ring of records in memory that two processes share, which `examples/ring.rs` is
//! too: what one side sends, the other receives, and a peer that does what it likes causes only
//! errors, and those in time.

use crate::{
    Stop, Verdict, World, attacks,
    children::{Child, PATIENCE, Steps},
    kernel,
    raw::{self, Alarms, Descriptors, Interrupted},
};
use core::{
    sync::atomic::Ordering::{Relaxed, SeqCst},
    time::Duration,
};
use owned_memfd::{AccessError, Errno, SharedAtomic, SharedAtomicMut, SharedMapMut};
use rustix::process::Signal;

claims!(
    records_of_every_length_arrive_in_order,
    no_wake_up_is_lost,
    a_record_can_cross_the_end_anywhere,
    indexes_wrap_around,
    what_is_too_large_is_not_sent,
    a_peer_that_does_nothing_is_a_timeout,
    a_peer_that_only_wakes_is_a_timeout,
    a_peer_that_goes_on_by_too_little_is_a_timeout,
    a_peer_that_dies_leaves_what_it_has_sent,
    what_the_peer_publishes_is_checked,
    a_hostile_sender_causes_only_errors,
    a_hostile_receiver_causes_only_errors,
);

/// The bytes of a record's length.
const PREFIX: u32 = 4;
/// Where the indexes are, in a map of their own.
const WRITTEN: usize = 0;
const READ: usize = 128;
const INDEXES: usize = 256;
/// The longest record on pages of 4 KiB. On larger ones, only some lengths are sent.
const ROOM: usize = 2 * kernel::PAGE;

/// Why a side of a ring stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The peer's index is not within the ring.
    Index,
    /// A record is longer than what is written, or than the room for it.
    Length,
    TooLarge,
    TimedOut,
    /// Never: every access is within the maps.
    Access(AccessError),
    Kernel(Errno),
}

impl From<AccessError> for Fault {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

/// The memory of a ring: twice its data, and the two indexes.
struct Memory {
    data: SharedMapMut,
    indexes: SharedMapMut,
}

impl Memory {
    /// A ring of one page, or of the smallest number of pages that can hold 4 KiB.
    fn new() -> Result<Self, Stop> {
        let capacity = ok!(attacks::page_size());
        let file = ok!(kernel::sealable());
        ok!(file.set_len((capacity + INDEXES) as u64));
        Ok(Self {
            data: ok!(file.map_mirrored_mut(..capacity)),
            indexes: ok!(file.map_shared_mut(capacity..)),
        })
    }

    fn capacity(&self) -> u32 {
        (self.data.len() / 2) as u32
    }

    /// The longest record.
    fn largest(&self) -> u32 {
        self.capacity() / 2 - PREFIX
    }

    fn index(&self, at: usize) -> Result<SharedAtomicMut<'_, u32>, Stop> {
        Ok(ok!(self.indexes.atomic_mut(at)))
    }

    /// Both indexes are this from now on.
    fn start_at(&self, index: u32) -> Verdict {
        self.index(WRITTEN)?.store(index, SeqCst);
        self.index(READ)?.store(index, SeqCst);
        Ok(())
    }

    fn sender(&self, index: u32) -> Result<Side<'_>, Stop> {
        Ok(Side {
            data: &self.data,
            index,
            published: self.index(WRITTEN)?,
            peer: *self.index(READ)?,
            capacity: self.capacity(),
            lead: self.capacity(),
        })
    }

    fn receiver(&self, index: u32) -> Result<Side<'_>, Stop> {
        Ok(Side {
            data: &self.data,
            index,
            published: self.index(READ)?,
            peer: *self.index(WRITTEN)?,
            capacity: self.capacity(),
            lead: 0,
        })
    }
}

/// One side of a ring, as in `examples/ring.rs`.
struct Side<'map> {
    data: &'map SharedMapMut,
    index: u32,
    published: SharedAtomicMut<'map, u32>,
    peer: SharedAtomic<'map, u32>,
    capacity: u32,
    lead: u32,
}

impl Side<'_> {
    fn send(&mut self, record: &[u8], deadline: Duration) -> Result<(), Fault> {
        let half = self.capacity / 2;
        let len = record.len() as u32;
        if record.len() > (half - PREFIX) as usize {
            return Err(Fault::TooLarge);
        }
        self.wait(PREFIX + len, half, deadline)?;
        let position = (self.index % self.capacity) as usize;
        self.data.write_all_at(&len.to_le_bytes(), position)?;
        self.data.write_all_at(record, position + PREFIX as usize)?;
        self.pass(PREFIX + len, PREFIX)
    }

    fn receive<'a>(&mut self, room: &'a mut [u8], deadline: Duration) -> Result<&'a [u8], Fault> {
        let usable = self.wait(PREFIX, PREFIX, deadline)?;
        let position = (self.index % self.capacity) as usize;
        let mut len = [0; PREFIX as usize];
        self.data.read_exact_at(&mut len, position)?;
        let len = u32::from_le_bytes(len);
        if len > usable - PREFIX {
            return Err(Fault::Length);
        }
        let record = room.get_mut(..len as usize).ok_or(Fault::Length)?;
        self.data
            .read_exact_at(record, position + PREFIX as usize)?;
        self.pass(PREFIX + len, self.capacity / 2)?;
        Ok(record)
    }

    /// Waits for `needed` bytes to use, or if it must sleep, for `enough`. Returns how many it has.
    fn wait(&self, mut needed: u32, enough: u32, deadline: Duration) -> Result<u32, Fault> {
        loop {
            let seen = self.peer.load(SeqCst);
            match self.usable(seen) {
                usable if usable > self.capacity => return Err(Fault::Index),
                usable if usable >= needed => return Ok(usable),
                _ => needed = enough,
            }
            let left = deadline.saturating_sub(raw::now());
            if left.is_zero() {
                return Err(Fault::TimedOut);
            }
            match self.peer.wait(seen, Some(left)) {
                Ok(()) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ETIMEDOUT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Passes `len` bytes to the peer, and wakes it if only now it has `enough`.
    fn pass(&mut self, len: u32, enough: u32) -> Result<(), Fault> {
        self.index = self.index.wrapping_add(len);
        self.published.store(self.index, SeqCst);
        let usable = self.usable(self.peer.load(SeqCst));
        let theirs = self.capacity.wrapping_sub(usable);
        if theirs >= enough && theirs.wrapping_sub(len) < enough {
            self.published.wake(1)?;
        }
        Ok(())
    }

    fn usable(&self, peer: u32) -> u32 {
        peer.wrapping_add(self.lead).wrapping_sub(self.index)
    }
}

fn patience() -> Duration {
    raw::now() + PATIENCE
}

/// The record of a number, in `room`.
fn record(number: u32, room: &mut [u8]) -> &[u8] {
    for (byte, at) in room.iter_mut().zip(u64::from(number)..) {
        *byte = kernel::pattern(at);
    }
    room
}

/// Sends and receives records of these lengths, in two processes.
fn exchange(memory: &Memory, index: u32, lengths: impl Iterator<Item = u32> + Clone) -> Verdict {
    memory.start_at(index)?;
    // One for all: whoever sleeps until it, since nobody woke it, fails in the next call.
    let deadline = patience();
    let sender = ok!(Child::start(Descriptors::Copied, || {
        let mut sender = memory.sender(index)?;
        let mut room = [0; ROOM];
        for (number, len) in (0..).zip(lengths.clone()) {
            let record = record(number, &mut room[..len as usize]);
            ok!(sender.send(record, deadline));
        }
        Ok(())
    }));
    let mut receiver = memory.receiver(index)?;
    let (mut room, mut expected) = ([9; ROOM], [0; ROOM]);
    for (number, len) in (0..).zip(lengths) {
        let found = ok!(receiver.receive(&mut room, deadline));
        same!(found.len(), len as usize);
        holds!(
            found == record(number, &mut expected[..len as usize]),
            "record {number}"
        );
    }
    sender.finish(PATIENCE)
}

/// Two million bytes on pages of 4 KiB.
fn records_of_every_length_arrive_in_order(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let largest = memory.largest().min(ROOM as u32);
    exchange(&memory, 0, 0..=largest)?;
    exchange(&memory, 0, (0..=largest).rev())
}

/// Each side sleeps for each record: there is one at a time, in a ring for each direction.
fn no_wake_up_is_lost(world: &World) -> Verdict {
    let rounds = if world.is_of_a_kernel() { 5_000 } else { 2_000 };
    let (there, back) = (Memory::new()?, Memory::new()?);
    let deadline = patience();
    let other = ok!(Child::start(Descriptors::Copied, || {
        let (mut receiver, mut sender) = (there.receiver(0)?, back.sender(0)?);
        let mut room = [0; ROOM];
        for _ in 0..rounds {
            let record = ok!(receiver.receive(&mut room, deadline));
            ok!(sender.send(record, deadline));
        }
        Ok(())
    }));
    let (mut sender, mut receiver) = (there.sender(0)?, back.receiver(0)?);
    let mut room = [0; ROOM];
    for round in 0..rounds {
        ok!(sender.send(&u32::to_le_bytes(round), deadline));
        same!(
            *ok!(receiver.receive(&mut room, deadline)),
            round.to_le_bytes()
        );
    }
    other.finish(PATIENCE)
}

fn a_record_can_cross_the_end_anywhere(_: &World) -> Verdict {
    const LEN: u32 = 100;
    let memory = Memory::new()?;
    let (mut room, mut expected) = ([9; ROOM], [0; LEN as usize]);
    for before in 0..=PREFIX + LEN {
        let index = memory.capacity() - before;
        memory.start_at(index)?;
        let (mut sender, mut receiver) = (memory.sender(index)?, memory.receiver(index)?);
        let record = record(before, &mut expected);
        ok!(sender.send(record, patience()));
        ok!(sender.send(&[], patience()));
        same!(ok!(receiver.receive(&mut room, patience())), record);
        same!(ok!(receiver.receive(&mut room, patience())), &[]);
    }
    Ok(())
}

fn indexes_wrap_around(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let largest = memory.largest().min(ROOM as u32);
    let lengths = (0..200).map(|number: u32| number.wrapping_mul(0x9e37_79b1) % (largest + 1));
    exchange(&memory, 0_u32.wrapping_sub(50 * largest), lengths)
}

fn what_is_too_large_is_not_sent(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let half = memory.capacity() as usize / 2;
    let mut sender = memory.sender(0)?;
    let (mut room, bytes) = ([9; 4], ok!(raw::Buffer::new(half)));
    for len in [half - PREFIX as usize + 1, half] {
        same!(sender.send(&bytes[..len], patience()), Err(Fault::TooLarge));
    }
    same!(memory.index(WRITTEN)?.load(SeqCst), 0);
    ok!(sender.send(&bytes[..half - PREFIX as usize], patience()));
    ok!(sender.send(&bytes[..half - PREFIX as usize], patience()));
    // The receiver has less room.
    let mut receiver = memory.receiver(0)?;
    same!(receiver.receive(&mut room, patience()), Err(Fault::Length));
    Ok(())
}

/// Both sides report that the peer took too long, and neither too soon nor much too late. The
/// receiver's ring is empty, the sender's full.
fn time_out(memory: &Memory) -> Verdict {
    const TIME: Duration = Duration::from_millis(100);
    let (mut sender, mut receiver) = (memory.sender(memory.capacity())?, memory.receiver(0)?);
    let mut room = [0; ROOM];
    for sends in [true, false] {
        let start = raw::now();
        let fault = if sends {
            sender.send(b"0123", start + TIME).err()
        } else {
            receiver.receive(&mut room, start + TIME).err()
        };
        let took = raw::now().saturating_sub(start);
        same!(fault, Some(Fault::TimedOut));
        holds!(took >= TIME && took < PATIENCE / 4, "after {took:?}");
    }
    Ok(())
}

fn a_peer_that_does_nothing_is_a_timeout(_: &World) -> Verdict {
    let memory = Memory::new()?;
    time_out(&memory)?;
    // Signals neither prolong nor shorten it.
    let alarms = ok!(Alarms::every(Duration::from_millis(3), Interrupted::Fails));
    time_out(&memory)?;
    holds!(alarms.count() > 1);
    Ok(())
}

fn a_peer_that_only_wakes_is_a_timeout(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let steps = ok!(Steps::new());
    let mut peer = ok!(Child::start(Descriptors::Copied, || {
        let mut woken = 0_u32;
        loop {
            for index in [memory.index(WRITTEN)?, memory.index(READ)?] {
                woken = woken.saturating_add(ok!(index.wake(1)));
            }
            if woken > 10 {
                steps.reach(1);
            }
        }
    }));
    for _ in 0..20 {
        time_out(&memory)?;
        if steps.has_reached(1) {
            break;
        }
    }
    // It did wake this side.
    peer.reaches(1, &steps)
}

/// Its index is always another one, so that nobody ever sleeps.
fn a_peer_that_goes_on_by_too_little_is_a_timeout(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let _peer = ok!(Child::start(Descriptors::Copied, || {
        let indexes = [memory.index(WRITTEN)?, memory.index(READ)?];
        loop {
            for more in 0..PREFIX {
                for index in indexes {
                    index.store(more, Relaxed);
                }
            }
        }
    }));
    time_out(&memory)
}

fn a_peer_that_dies_leaves_what_it_has_sent(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let steps = ok!(Steps::new());
    let mut peer = ok!(Child::start(Descriptors::Copied, || {
        let mut sender = memory.sender(0)?;
        for record in [&b"first"[..], b"", b"third"] {
            ok!(sender.send(record, patience()));
        }
        // A record that it does not publish any more.
        let position = sender.index as usize;
        ok!(memory.data.write_all_at(&u32::MAX.to_le_bytes(), position));
        steps.reach(1);
        steps.wait_for(2)
    }));
    peer.reaches(1, &steps)?;
    ok!(rustix::process::kill_process(peer.pid(), Signal::KILL).map_err(raw::errno));
    holds!(peer.finish(PATIENCE).is_err());
    let mut receiver = memory.receiver(0)?;
    let mut room = [0; ROOM];
    for record in [&b"first"[..], b"", b"third"] {
        same!(ok!(receiver.receive(&mut room, patience())), record);
    }
    let deadline = raw::now() + Duration::from_millis(50);
    same!(receiver.receive(&mut room, deadline), Err(Fault::TimedOut));
    Ok(())
}

fn what_the_peer_publishes_is_checked(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let capacity = memory.capacity();
    let mut room = [9; ROOM];
    for start in [0, capacity - 6, 0_u32.wrapping_sub(6)] {
        let (written, read) = (memory.index(WRITTEN)?, memory.index(READ)?);
        let position = (start % capacity) as usize;
        // So many bytes are written, and the record says that it has so many.
        for (bytes, len, expected) in [
            (PREFIX, 0, Ok(0)),
            (PREFIX, 1, Err(Fault::Length)),
            (PREFIX + 5, 5, Ok(5)),
            (PREFIX + 5, 6, Err(Fault::Length)),
            (PREFIX + 5, u32::MAX, Err(Fault::Length)),
            (PREFIX + 5, 0_u32.wrapping_sub(PREFIX), Err(Fault::Length)),
            (capacity, capacity - PREFIX + 1, Err(Fault::Length)),
            (capacity + 1, 0, Err(Fault::Index)),
            (u32::MAX, 0, Err(Fault::Index)),
        ] {
            written.store(start.wrapping_add(bytes), Relaxed);
            ok!(memory.data.write_all_at(&u32::to_le_bytes(len), position));
            let mut receiver = memory.receiver(start)?;
            let found = receiver.receive(&mut room, patience());
            same!(found.map(<[u8]>::len), expected);
            // What it has taken is published, and nothing else is.
            let taken = expected.map_or(0, |len| PREFIX + len as u32);
            same!(receiver.index, start.wrapping_add(taken));
        }
        // The receiver cannot have read more than is written, nor leave more than the ring holds.
        for (behind, expected) in [
            (0, Ok(())),
            (capacity - PREFIX, Ok(())),
            (capacity + 1, Err(Fault::Index)),
            (u32::MAX, Err(Fault::Index)),
        ] {
            read.store(start.wrapping_sub(behind), Relaxed);
            same!(memory.sender(start)?.send(&[], patience()), expected);
        }
    }
    Ok(())
}

/// Numbers without a pattern.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit
    }
}

/// Writes anything into the indexes, the lengths and the data, and wakes everybody, for ever.
fn scribble(memory: &Memory) -> Verdict {
    let mut random = Random(0x9e37_79b9);
    let indexes = [memory.index(WRITTEN)?, memory.index(READ)?];
    loop {
        let index = indexes[random.below(2) as usize];
        let other = indexes[random.below(2) as usize];
        match random.below(8) {
            0 => index.store(random.next(), Relaxed),
            // One that is possible, or just not.
            1..4 => {
                let ahead = random.below(memory.capacity() + 2);
                index.store(other.load(Relaxed).wrapping_add(ahead), Relaxed);
            }
            // A length, where the next one is expected.
            4 | 5 => {
                let position = other.load(Relaxed) % memory.capacity();
                let len = random.next() >> random.below(32);
                ok!(memory
                    .data
                    .write_all_at(&len.to_le_bytes(), position as usize));
            }
            6 => {
                let bytes = [random.next() as u8; 64];
                let position = random.below(memory.capacity()) as usize;
                ok!(memory.data.write_all_at(&bytes, position));
            }
            _ => {
                ok!(index.wake(u32::MAX));
            }
        }
    }
}

/// What a side under attack has met.
#[derive(Debug, Default)]
struct Met {
    nothing: u32,
    index: u32,
    length: u32,
    time_out: u32,
}

impl Met {
    /// Lets one side do `once` at a time, until each thing that can happen has happened.
    fn everything(
        mut self,
        length: bool,
        mut once: impl FnMut(Duration) -> Result<(), Fault>,
    ) -> Verdict {
        const TIME: Duration = Duration::from_millis(2);
        let end = patience();
        while self.nothing < 100 || self.index < 100 || length && self.length < 100 {
            let start = raw::now();
            holds!(start < end, "only {self:?}");
            match once(start + TIME) {
                Ok(()) => self.nothing += 1,
                Err(Fault::Index) => self.index += 1,
                Err(Fault::Length) if length => self.length += 1,
                Err(Fault::TimedOut) => self.time_out += 1,
                Err(fault) => fail!("{fault:?}"),
            }
            let took = raw::now().saturating_sub(start);
            holds!(took < PATIENCE / 4, "after {took:?}");
        }
        Ok(())
    }
}

fn a_hostile_sender_causes_only_errors(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let _peer = ok!(Child::start(Descriptors::Copied, || scribble(&memory)));
    let mut receiver = memory.receiver(0)?;
    let mut room = [0; ROOM];
    Met::default().everything(true, |deadline| {
        let found = receiver.receive(&mut room, deadline).map(drop);
        if found.is_err() {
            // To go on, it believes what the peer says.
            receiver.index = receiver.peer.load(Relaxed);
            receiver.published.store(receiver.index, SeqCst);
        }
        found
    })
}

fn a_hostile_receiver_causes_only_errors(_: &World) -> Verdict {
    let memory = Memory::new()?;
    let _peer = ok!(Child::start(Descriptors::Copied, || scribble(&memory)));
    let mut sender = memory.sender(0)?;
    let bytes = [7; ROOM];
    let mut random = Random(1);
    Met::default().everything(false, |deadline| {
        let len = random.below(memory.largest().min(ROOM as u32) + 1);
        let sent = sender.send(&bytes[..len as usize], deadline);
        if sent.is_err() {
            sender.index = sender.peer.load(Relaxed);
            sender.published.store(sender.index, SeqCst);
        }
        sent
    })
}
