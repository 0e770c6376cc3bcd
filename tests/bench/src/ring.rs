//! A ring of records with one producer and one consumer, for any memory that both have mapped.
//!
//! `head` and `tail` count the bytes that were ever produced and consumed. A record is its length
//! and its bytes, from a multiple of 8 on. A consumer copies a record out before it looks at it.

use crate::measure::Failure;
use std::{hint, thread};

/// Where `head` is, where `tail` is, where a reply is, and where the records begin: far enough
/// apart not to share lines of a cache.
pub(crate) const HEAD: usize = 0;
pub(crate) const TAIL: usize = 128;
pub(crate) const REPLY: usize = 256;
const RECORDS: usize = 4096;

/// The memory of a ring. Offsets of numbers are multiples of 4.
pub(crate) trait Memory {
    fn head(&self) -> u32;
    fn set_head(&self, head: u32);
    fn tail(&self) -> u32;
    fn set_tail(&self, tail: u32);
    /// A number that `head` or `tail` publishes.
    fn number(&self, offset: usize) -> Result<u32, Failure>;
    fn set_number(&self, offset: usize, number: u32) -> Result<(), Failure>;
    fn copy_in(&self, bytes: &[u8], offset: usize) -> Result<(), Failure>;
    fn copy_out(&self, buffer: &mut [u8], offset: usize) -> Result<(), Failure>;
    fn wait_for_head(&self, other_than: u32) -> Result<(), Failure>;
    fn wait_for_tail(&self, other_than: u32) -> Result<(), Failure>;
    fn wake_consumer(&self) -> Result<(), Failure>;
    fn wake_producer(&self) -> Result<(), Failure>;
}

/// How one side waits for the other.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Waiting {
    /// It looks again and again: each side has a core of its own.
    Looking,
    /// It sleeps in the kernel.
    Asleep,
}

pub(crate) struct Ring<M> {
    pub(crate) memory: M,
    waiting: Waiting,
    mask: usize,
    head: u32,
    tail: u32,
}

/// How many bytes a ring has for records of this length: a few of them, and a power of two.
pub(crate) fn capacity(record: usize) -> usize {
    (4 * record).next_power_of_two().max(64 * 1024)
}

/// How long the memory of such a ring is.
pub(crate) fn memory_len(record: usize) -> usize {
    RECORDS + capacity(record)
}

impl<M: Memory> Ring<M> {
    pub(crate) fn new(memory: M, record: usize, waiting: Waiting) -> Self {
        Self {
            memory,
            waiting,
            mask: capacity(record) - 1,
            head: 0,
            tail: 0,
        }
    }

    /// How much of the ring is in use. The other side may have written anything.
    fn used(&self) -> Result<usize, Failure> {
        let used = self.head.wrapping_sub(self.tail) as usize;
        if used > self.mask + 1 {
            return Err("the other side broke the ring".into());
        }
        Ok(used)
    }

    pub(crate) fn push(&mut self, record: &[u8]) -> Result<(), Failure> {
        let needed = 8 + record.len().next_multiple_of(8);
        while self.mask + 1 - self.used()? < needed {
            self.wait_for_tail()?;
        }
        let start = self.head as usize;
        self.memory
            .set_number(RECORDS + (start & self.mask), u32::try_from(record.len())?)?;
        let at = (start + 8) & self.mask;
        // Up to the end, and on from the start.
        let (first, second) = record.split_at(record.len().min(self.mask + 1 - at));
        self.memory.copy_in(first, RECORDS + at)?;
        if !second.is_empty() {
            self.memory.copy_in(second, RECORDS)?;
        }
        self.head = self.head.wrapping_add(u32::try_from(needed)?);
        self.memory.set_head(self.head);
        if self.waiting == Waiting::Asleep {
            self.memory.wake_consumer()?;
        }
        Ok(())
    }

    /// Copies the next record out, through `buffer` if it does not fit into it, and hands what is
    /// there to `with`.
    pub(crate) fn pull(
        &mut self,
        buffer: &mut [u8],
        mut with: impl FnMut(&[u8]),
    ) -> Result<(), Failure> {
        while self.used()? == 0 {
            self.wait_for_head()?;
        }
        let start = self.tail as usize;
        let len = self.memory.number(RECORDS + (start & self.mask))? as usize;
        let needed = 8 + len.next_multiple_of(8);
        if needed > self.used()? {
            return Err("the other side broke a record".into());
        }
        let mut done = 0;
        while done < len {
            let at = (start + 8 + done) & self.mask;
            // Up to the end, and on from the start.
            let count = (len - done).min(self.mask + 1 - at).min(buffer.len());
            let piece = &mut buffer[..count];
            self.memory.copy_out(piece, RECORDS + at)?;
            with(piece);
            done += count;
        }
        self.tail = self.tail.wrapping_add(u32::try_from(needed)?);
        Ok(())
    }

    /// Gives the room of what was pulled back.
    pub(crate) fn release(&mut self) -> Result<(), Failure> {
        self.memory.set_tail(self.tail);
        if self.waiting == Waiting::Asleep {
            self.memory.wake_producer()?;
        }
        Ok(())
    }

    /// Waits until all that was pushed has been released.
    pub(crate) fn drain(&mut self) -> Result<(), Failure> {
        while self.used()? != 0 {
            self.wait_for_tail()?;
        }
        Ok(())
    }

    fn wait_for_tail(&mut self) -> Result<(), Failure> {
        let before = self.tail;
        for tries in 0_u32.. {
            self.tail = self.memory.tail();
            if self.tail != before {
                break;
            }
            match self.waiting {
                Waiting::Looking => look_again(tries)?,
                Waiting::Asleep => self.memory.wait_for_tail(before)?,
            }
        }
        Ok(())
    }

    fn wait_for_head(&mut self) -> Result<(), Failure> {
        let before = self.head;
        for tries in 0_u32.. {
            self.head = self.memory.head();
            if self.head != before {
                break;
            }
            match self.waiting {
                Waiting::Looking => look_again(tries)?,
                Waiting::Asleep => self.memory.wait_for_head(before)?,
            }
        }
        Ok(())
    }
}

fn look_again(tries: u32) -> Result<(), Failure> {
    match tries {
        0..1000 => hint::spin_loop(),
        // Somebody else may have the core of the other side.
        1000..100_000_000 => thread::yield_now(),
        _ => return Err("the other side is gone".into()),
    }
    Ok(())
}
