//! What all processes know of each other: numbers in memory that each of them inherits.

use crate::{attacks::Attack, operations::OPERATIONS, post::ROUTES};
use owned_memfd::{MemFdOptions, SharedAtomicMut, SharedMapMut};
use std::{error::Error, sync::atomic::Ordering::SeqCst, time::Duration};

/// The processes that use files, and the threads of each: one only receives.
pub(crate) const WORKERS: usize = 6;
/// The processes that attack them, with as many threads.
pub(crate) const ATTACKERS: usize = 2;
pub(crate) const THREADS: usize = 3;

/// A number on the board, each in a place of its own.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    /// What everyone is to do: a `Phase`.
    Phase,
    /// Threads that may still send.
    Senders,
    /// Threads that still attack.
    Attackers,
    Signals,
    /// Calls that returned `EINTR`.
    Interrupted,
    /// Comparisons of a whole map.
    Checks,
    /// Maps that were compared.
    Maps,
    /// Files that were not made because an attacker got in between, as is documented.
    Refused,
    /// Files whose content an attacker changed before they were sealed.
    Spoilt,
    /// Changes that were seen, of files that can change.
    Noticed,
    /// What is counted under a lock, without atomic operations; see `ledger`.
    Ledger,
    /// How often that was done.
    Entries,
    /// How often an operation did what it is for.
    Done(usize),
    /// How often an attack was tried, and how often it changed a file that can change.
    Tried(Attack),
    Landed(Attack),
    /// How often the kernel allowed no process to do that to another.
    Forbidden(Attack),
    /// What was sent on a route, and what was received: messages, and the sum of their digests.
    Sent(usize),
    SentSum(usize),
    Received(usize),
    ReceivedSum(usize),
    /// What a thread is doing, and how much it has done; of all threads of workers.
    Doing(usize),
    Steps(usize),
    /// Where a process has a map of a sealed file, and one of a file that can change, for as long
    /// as there are attackers; and who it is.
    SealedMap(usize),
    OpenMap(usize),
    Pid(usize),
}

/// What everyone is to do.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Phase {
    Work,
    /// Nothing new is begun.
    End,
    /// Somebody failed, and the others need not be right.
    Failed,
}

impl Number {
    /// Its place on the board, in numbers of eight bytes.
    fn place(self) -> usize {
        // Each array has this much room.
        const ROOM: usize = 64;
        const _: () = assert!(OPERATIONS.len() <= ROOM && WORKERS * THREADS <= ROOM);
        const _: () = assert!(ROUTES <= ROOM && Attack::ALL.len() <= ROOM);

        let array = |array: usize, index: usize| ROOM * (1 + array) + index;
        match self {
            Self::Phase => 0,
            Self::Senders => 1,
            Self::Attackers => 2,
            Self::Signals => 3,
            Self::Interrupted => 4,
            Self::Checks => 5,
            Self::Maps => 6,
            Self::Refused => 7,
            Self::Spoilt => 8,
            Self::Noticed => 9,
            Self::Ledger => 10,
            Self::Entries => 11,
            Self::Done(index) => array(0, index),
            Self::Tried(attack) => array(1, attack as usize),
            Self::Landed(attack) => array(2, attack as usize),
            Self::Sent(route) => array(3, route),
            Self::SentSum(route) => array(4, route),
            Self::Received(route) => array(5, route),
            Self::ReceivedSum(route) => array(6, route),
            Self::Doing(thread) => array(7, thread),
            Self::Steps(thread) => array(8, thread),
            Self::SealedMap(worker) => array(9, worker),
            Self::OpenMap(worker) => array(10, worker),
            Self::Pid(worker) => array(11, worker),
            Self::Forbidden(attack) => array(12, attack as usize),
        }
    }
}

/// The board. No process has it open, so that nobody finds it among the files to attack.
pub(crate) struct Board(SharedMapMut);

/// Two pages of numbers, and where the word of the lock is: in a page of its own.
const LEN: u64 = 3 * 4096;
const LOCK: usize = 2 * 4096;

impl Board {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let file = MemFdOptions::new().create(c"board")?;
        file.set_len(LEN)?;
        file.allocate(0, LEN)?;
        Ok(Self(file.map_shared_mut(..)?))
    }

    fn at(&self, number: Number) -> SharedAtomicMut<'_, u64> {
        let place = self.0.atomic_mut(8 * number.place());
        place.expect("each number has its place on the board")
    }

    pub(crate) fn get(&self, number: Number) -> u64 {
        self.at(number).load(SeqCst)
    }

    pub(crate) fn set(&self, number: Number, value: u64) {
        self.at(number).store(value, SeqCst);
    }

    pub(crate) fn add(&self, number: Number, count: u64) {
        self.at(number).fetch_add(count, SeqCst);
    }

    pub(crate) fn take_one(&self, number: Number) {
        self.at(number).fetch_add(u64::MAX, SeqCst);
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.get(Number::Phase) {
            0 => Phase::Work,
            1 => Phase::End,
            _ => Phase::Failed,
        }
    }

    /// A failure is never taken back.
    pub(crate) fn enter(&self, phase: Phase) {
        if self.phase() != Phase::Failed {
            self.set(Number::Phase, phase as u64);
        }
    }

    /// Runs this while no other thread of any process does, by a lock of the library's integers,
    /// `wait` and `wake`. Returns the errors of `wait` that were not expected.
    pub(crate) fn locked(&self, action: impl FnOnce()) -> Result<(), owned_memfd::Errno> {
        use owned_memfd::Errno;
        // 0: free, 1: taken, 2: taken, and somebody waits.
        let word = self.0.atomic_mut::<u32>(LOCK);
        let word = word.expect("the lock has its place on the board");
        let mut taken = word.compare_exchange(0, 1, SeqCst, SeqCst).is_ok();
        while !taken {
            taken = word.swap(2, SeqCst) == 0;
            if !taken {
                match word.wait(2, Some(Duration::from_millis(20))) {
                    Ok(()) | Err(Errno::EAGAIN | Errno::ETIMEDOUT) => {}
                    Err(Errno::EINTR) => self.add(Number::Interrupted, 1),
                    Err(errno) => return Err(errno),
                }
            }
        }
        action();
        if word.swap(0, SeqCst) == 2 {
            word.wake(1)?;
        }
        Ok(())
    }
}
