//! What several processes do with one memory file at the same time, each on the CPU that it was built
//! for: they count, hand bytes on, and wait for each other. `ci/freestanding.sh` lets one process of
//! each CPU take part.

use crate::{
    Stop, Verdict, kernel,
    raw::{self, Buffer},
};
use core::{ffi::CStr, sync::atomic::Ordering, time::Duration};
use owned_memfd::{Errno, MemFdOptions, OwnedMemFd, SharedMapMut, fd::AsRawFd};
use rustix::fs::OFlags;

/// The argument with which a driver takes part.
pub const ARGUMENT: &CStr = c"--meet";

/// How long one process waits for the others, which may be emulated.
const PATIENCE: Duration = Duration::from_secs(60);

const LEN: usize = 1 << 16;

// Where the integers are, each by itself, and the bytes.
const THERE: usize = 0;
const OVER: usize = 64;
const ADDED: usize = 128;
const ADDED_WIDE: usize = 136;
const EXCHANGED: usize = 192;
const EXCHANGED_WIDE: usize = 200;
const LOCK: usize = 256;
const COUNTED: usize = 320 + 3;
const TURN: usize = 384;
/// How often each process has counted: its integer is the only one that nobody else changes.
const COUNTS: [usize; 4] = [448, 512, 576, 640];
const BYTES: usize = 4096 - 11;

/// For how long each process counts, and how often before it looks at the time.
const TIME: Duration = Duration::from_secs(1);
const COUNT: u32 = 1000;
/// How often the bytes go round.
const ROUNDS: u32 = 200;

/// Takes part as one of `of` processes, which are counted from 0. `place` is the path of the memory file;
/// without one, it is made, and `announce` is told the numbers of this process and of the descriptor.
#[allow(clippy::missing_errors_doc)]
pub fn attend(of: u32, who: u32, place: Option<&CStr>, announce: impl FnOnce(i32, i32)) -> Verdict {
    let file = if let Some(path) = place {
        raw::disguise(ok!(kernel::open(path, OFlags::RDWR)))
    } else {
        let file = ok!(MemFdOptions::new().create(c"meeting"));
        ok!(file.set_len(LEN as u64));
        let process = rustix::process::getpid().as_raw_nonzero();
        announce(process.get(), file.as_raw_fd());
        file
    };
    Meeting { file, of }.take_part(who)
}

/// A memory file that processes have in common.
struct Meeting {
    file: OwnedMemFd,
    of: u32,
}

impl Meeting {
    fn take_part(&self, who: u32) -> Verdict {
        let map = ok!(self.file.map_shared_mut(..));
        self.gather(&map, THERE)?;
        let counted = count(&map)?;
        let own = COUNTS.get(who as usize).copied().unwrap_or(LEN);
        ok!(map.atomic_mut::<u32>(own)).store(counted, Ordering::Release);
        self.hand_on(&map, who)?;
        self.gather(&map, OVER)?;
        let narrow = |at| map.atomic::<u32>(at).map(|it| it.load(Ordering::Relaxed));
        let mut all = 0;
        for count in COUNTS {
            all += ok!(narrow(count));
        }
        let wide = |at| map.atomic::<u64>(at).map(|it| it.load(Ordering::Relaxed));
        same!(narrow(ADDED), Ok(all));
        same!(wide(ADDED_WIDE), Ok(u64::from(all) << 20));
        same!(narrow(EXCHANGED), Ok(all));
        same!(wide(EXCHANGED_WIDE), Ok(u64::from(all) << 20));
        let mut counted = [0; 4];
        ok!(map.read_exact_at(&mut counted, COUNTED));
        same!(u32::from_ne_bytes(counted), all);
        Ok(())
    }

    /// Waits until every process has come here.
    fn gather(&self, map: &SharedMapMut, at: usize) -> Verdict {
        let here = ok!(map.atomic_mut::<u32>(at));
        here.fetch_add(1, Ordering::AcqRel);
        ok!(here.wake(u32::MAX));
        sleep_until(map, at, |count| count >= self.of)
    }

    /// The processes take turns: each finds the bytes of the one before it, and leaves its own.
    fn hand_on(&self, map: &SharedMapMut, who: u32) -> Verdict {
        const MOST: usize = 3000;

        let mut bytes = ok!(Buffer::new(MOST));
        let turn = ok!(map.atomic_mut::<u32>(TURN));
        let len = |turn: u32| 1 + turn as usize * 97 % MOST;
        let byte = |turn: u32, index: usize| (turn as usize * 7 + index) as u8;
        for round in 0..ROUNDS {
            let mine = round * self.of + who;
            sleep_until(map, TURN, |turn| turn >= mine)?;
            if mine > 0 {
                let found = &mut bytes[..len(mine - 1)];
                ok!(map.read_exact_at(found, BYTES));
                let wrong = found
                    .iter()
                    .enumerate()
                    .position(|(index, found)| *found != byte(mine - 1, index));
                same!((mine, wrong), (mine, None));
            }
            let left = &mut bytes[..len(mine)];
            for (index, slot) in left.iter_mut().enumerate() {
                *slot = byte(mine, index);
            }
            ok!(map.write_all_at(left, BYTES));
            turn.store(mine + 1, Ordering::Release);
            ok!(turn.wake(u32::MAX));
        }
        Ok(())
    }
}

/// Sleeps until the integer is as wanted.
fn sleep_until(map: &SharedMapMut, at: usize, wanted: impl Fn(u32) -> bool) -> Verdict {
    let integer = ok!(map.atomic::<u32>(at));
    let deadline = raw::now() + PATIENCE;
    loop {
        let found = integer.load(Ordering::Acquire);
        if wanted(found) {
            return Ok(());
        }
        match integer.wait(found, Some(deadline.saturating_sub(raw::now()))) {
            Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => fail!("{error:?} while {found} is at {at}"),
        }
    }
}

/// Counts in every way that there is, as all others do, and returns how often.
fn count(map: &SharedMapMut) -> Result<u32, Stop> {
    const MORE: u64 = 1 << 20;

    let added = ok!(map.atomic_mut::<u32>(ADDED));
    let added_wide = ok!(map.atomic_mut::<u64>(ADDED_WIDE));
    let exchanged = ok!(map.atomic_mut::<u32>(EXCHANGED));
    let exchanged_wide = ok!(map.atomic_mut::<u64>(EXCHANGED_WIDE));
    let lock = ok!(map.atomic_mut::<u32>(LOCK));
    let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
    let deadline = raw::now() + PATIENCE;
    let (end, mut done) = (raw::now() + TIME, 0);
    while done % COUNT != 0 || raw::now() < end {
        done += 1;
        added.fetch_add(1, Ordering::Relaxed);
        added_wide.fetch_add(MORE, Ordering::SeqCst);
        let mut found = exchanged.load(failure);
        while let Err(other) = exchanged.compare_exchange(found, found + 1, success, failure) {
            found = other;
        }
        let mut found = exchanged_wide.load(failure);
        while let Err(other) =
            exchanged_wide.compare_exchange(found, found + MORE, success, failure)
        {
            found = other;
        }
        // One at a time: these bytes are not atomic.
        while lock.swap(1, Ordering::Acquire) != 0 {
            rustix::thread::sched_yield();
            holds!(raw::now() < deadline, "never unlocked");
        }
        let mut counted = [0; 4];
        ok!(map.read_exact_at(&mut counted, COUNTED));
        let counted = u32::from_ne_bytes(counted) + 1;
        ok!(map.write_all_at(&counted.to_ne_bytes(), COUNTED));
        lock.store(0, Ordering::Release);
    }
    Ok(done)
}
