//! The page that a tracer and its worker share.
#![allow(unsafe_code)]

use nix::{
    errno::Errno,
    sys::mman::{MapFlags, ProtFlags, mmap_anonymous},
};
use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed},
};

/// What a trial found: nothing, or what does not hold.
pub type Verdict = Result<(), String>;

/// What has happened to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Injected {
    /// It failed so, and did nothing.
    Error(i32),
    /// It did less than it was asked for, or nothing, and said so.
    Short,
    /// It said what is not true, and the library should not mind.
    Lie,
    /// It said what is not true, where the library takes the kernel's word for it.
    Trusted,
    /// It made descriptors and did not say so. Nobody can close what nobody knows of.
    Hidden,
    /// Before it, another process has done something that changes no byte and no length.
    Step,
    /// Before it, another process may have changed the bytes or the length of a file.
    Change,
}

impl Injected {
    /// Whether the kernel said what is not true.
    pub(crate) fn is_lie(self) -> bool {
        matches!(self, Self::Lie | Self::Trusted | Self::Hidden)
    }
}

/// How many different things happen to the calls of one trial at most.
const MOST: usize = 4;
/// How long a verdict is at most.
const TEXT: usize = 2048;

/// The page. Either process touches it only while the other one is stopped or waits, so that no
/// order is needed among these.
pub struct Orders {
    /// What has happened to calls of this trial: an error, or one of the others as a negative
    /// number.
    injected: [AtomicI32; MOST],
    /// How many mappings may have stayed because a call was made to fail that was to unmap them.
    kept: AtomicU32,
    /// For how many seconds a trial may run.
    seconds: AtomicU32,
    /// Whether the worker ends after this trial.
    alone: AtomicBool,
    /// Whether the verdict is about what must hold even if the kernel lies.
    unsound: AtomicBool,
    /// The verdict: the length of the text, which is 0 if everything holds.
    len: AtomicUsize,
    text: [AtomicU8; TEXT],
}

impl Orders {
    /// Makes the page. It stays for as long as this process and those that it forks.
    pub fn new() -> Result<&'static Self, Errno> {
        let len = const { NonZeroUsize::new(size_of::<Self>()).unwrap() };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, which replaces no other.
        let start = unsafe { mmap_anonymous(None, len, access, MapFlags::MAP_SHARED) }?;
        // SAFETY: the mapping is large enough, begins at a page, and is never unmapped. It consists
        // of zeros, which are values of these types, and atomics may be written by others.
        Ok(unsafe { start.cast::<Self>().as_ref() })
    }

    /// Begins a trial that may take so many seconds.
    pub(crate) fn clear(&self, seconds: u32) {
        for slot in &self.injected {
            slot.store(0, Relaxed);
        }
        self.kept.store(0, Relaxed);
        self.seconds.store(seconds, Relaxed);
        self.alone.store(false, Relaxed);
        self.unsound.store(false, Relaxed);
        self.len.store(0, Relaxed);
    }

    /// Says what has happened to a call.
    pub fn inject(&self, what: Injected) {
        let what = match what {
            Injected::Error(errno) => errno,
            Injected::Short => -1,
            Injected::Lie => -2,
            Injected::Trusted => -3,
            Injected::Step => -4,
            Injected::Change => -5,
            Injected::Hidden => -6,
        };
        for slot in &self.injected {
            let there = slot.load(Relaxed);
            if there == what {
                return;
            }
            if there == 0 {
                slot.store(what, Relaxed);
                return;
            }
        }
    }

    /// What has happened to calls of this trial, so far.
    pub fn injected(&self) -> impl Iterator<Item = Injected> {
        let all = self.injected.iter().map(|slot| slot.load(Relaxed));
        all.take_while(|what| *what != 0).map(|what| match what {
            -1 => Injected::Short,
            -2 => Injected::Lie,
            -3 => Injected::Trusted,
            -4 => Injected::Step,
            -5 => Injected::Change,
            -6 => Injected::Hidden,
            errno => Injected::Error(errno),
        })
    }

    /// Whether the kernel was made to say what is not true.
    pub(crate) fn has_lie(&self) -> bool {
        self.injected().any(Injected::is_lie)
    }

    /// Whether there may be descriptors of which the library does not know.
    pub(crate) fn has_hidden(&self) -> bool {
        self.injected().any(|what| what == Injected::Hidden)
    }

    /// Says that a mapping may have stayed.
    pub fn keep_mapping(&self) {
        self.kept.fetch_add(1, Relaxed);
    }

    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Relaxed) as usize
    }

    pub(crate) fn seconds(&self) -> u32 {
        self.seconds.load(Relaxed)
    }

    /// Says that the worker is to end after this trial.
    pub(crate) fn set_alone(&self) {
        self.alone.store(true, Relaxed);
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.alone.load(Relaxed)
    }

    /// Says that what does not hold must hold even if the kernel lies.
    pub(crate) fn set_unsound(&self) {
        self.unsound.store(true, Relaxed);
    }

    pub(crate) fn is_unsound(&self) -> bool {
        self.unsound.load(Relaxed)
    }

    /// Says what the trial found. Of a long text the end is lost.
    pub(crate) fn report(&self, verdict: &str) {
        let mut len = 0;
        for (slot, byte) in self.text.iter().zip(verdict.bytes()) {
            slot.store(byte, Relaxed);
            len += 1;
        }
        self.len.store(len, Relaxed);
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let text = self.text.iter().take(self.len.load(Relaxed));
        let text: Vec<u8> = text.map(|byte| byte.load(Relaxed)).collect();
        if text.is_empty() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&text).into_owned())
        }
    }
}
