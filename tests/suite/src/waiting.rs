//! Claims about waiting for an integer of a shared map to change, and about waking those who do.

use crate::{
    Verdict, World, attacks,
    attacks::LARGEST_PAGE,
    children::{self, Child, PATIENCE, Steps},
    kernel::{self, PAGE},
    raw::{self, Alarms, Descriptors, Interrupted},
    shared::shared,
    world,
};
use core::{sync::atomic::Ordering, time::Duration};
use owned_memfd::{Errno, OwnedMemFd, SharedAtomic, SharedMapMut};

claims!(
    waiting_ends_when_another_process_wakes,
    what_is_not_expected_is_not_waited_for,
    waiting_ends_when_the_time_is_over_and_not_before,
    no_time_is_too_long,
    a_signal_ends_waiting,
    a_signal_that_restarts_calls_ends_only_waiting_with_a_timeout,
    signals_lose_no_wake,
    as_many_are_woken_as_asked_for,
    who_waits_for_another_integer_is_not_woken,
    a_map_for_reading_suffices,
    a_wake_reaches_every_map_of_the_file,
    a_wake_reaches_both_halves_of_a_mirrored_map,
    a_wake_reaches_another_thread,
    waiting_in_a_hole_without_memory_is_an_error,
);

const AT: usize = 64;

fn at(map: &SharedMapMut) -> SharedAtomic<'_, u32> {
    map.atomic::<u32>(AT).unwrap_or_else(|_| unreachable!())
}

/// Wakes until `count` of those who wait have been woken.
fn wake(integer: SharedAtomic<'_, u32>, count: u32) -> Verdict {
    let (deadline, mut woken) = (raw::now() + PATIENCE, 0);
    while woken < count {
        holds!(raw::now() < deadline, "only {woken} of {count} wait");
        woken += ok!(integer.wake(count - woken));
        kernel::sleep(Duration::from_micros(200));
    }
    same!(woken, count);
    Ok(())
}

fn waiting_ends_when_another_process_wakes(_: &World) -> Verdict {
    let (file, map) = shared(PAGE)?;
    for timeout in [None, Some(PATIENCE)] {
        // Each process maps the file itself.
        let other = ok!(Child::start(Descriptors::Copied, || {
            let map = ok!(file.map_shared_mut(..));
            same!(at(&map).wait(0, timeout), Ok(()));
            // It was woken, which is not because the integer changed.
            same!(at(&map).load(Ordering::Relaxed), 0);
            Ok(())
        }));
        wake(at(&map), 1)?;
        other.finish(PATIENCE)?;
        // Nobody is left.
        same!(at(&map).wake(1), Ok(0));
    }
    Ok(())
}

fn what_is_not_expected_is_not_waited_for(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    ok!(map.atomic_mut::<u32>(AT)).store(1 << 31, Ordering::SeqCst);
    for expected in [0, 1, (1 << 31) + 1, u32::MAX] {
        for timeout in [None, Some(Duration::ZERO), Some(PATIENCE)] {
            same!(at(&map).wait(expected, timeout), Err(Errno::EAGAIN));
        }
    }
    same!(
        at(&map).wait(1 << 31, Some(Duration::from_millis(1))),
        Err(Errno::ETIMEDOUT)
    );
    Ok(())
}

fn waiting_ends_when_the_time_is_over_and_not_before(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    for time in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(999),
        Duration::from_millis(30),
        Duration::from_nanos(100_999_999),
        Duration::new(1, 1),
    ] {
        let before = raw::now();
        same!(at(&map).wait(0, Some(time)), Err(Errno::ETIMEDOUT));
        let waited = raw::now().saturating_sub(before);
        holds!(waited >= time, "{waited:?} instead of {time:?}");
        holds!(waited < time + PATIENCE, "{waited:?} instead of {time:?}");
    }
    Ok(())
}

fn no_time_is_too_long(_: &World) -> Verdict {
    let (file, map) = shared(PAGE)?;
    for time in [
        Duration::MAX,
        Duration::new(u64::MAX, 0),
        Duration::new(i64::MAX as u64 + 1, 999_999_999),
        Duration::new(i64::MAX as u64, 999_999_999),
        Duration::new(i64::MAX as u64 / 1_000_000_000 + 1, 0),
        Duration::from_secs(1 << 33),
    ] {
        let other = ok!(Child::start(Descriptors::Copied, || {
            let map = ok!(file.map_shared_mut(..));
            same!((time, at(&map).wait(0, Some(time))), (time, Ok(())));
            Ok(())
        }));
        wake(at(&map), 1)?;
        other.finish(PATIENCE)?;
    }
    Ok(())
}

fn a_signal_ends_waiting(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    let alarms = ok!(Alarms::every(Duration::from_millis(20), Interrupted::Fails));
    for timeout in [None, Some(PATIENCE)] {
        let before = alarms.count();
        same!(at(&map).wait(0, timeout), Err(Errno::EINTR));
        holds!(alarms.count() > before);
    }
    Ok(())
}

fn a_signal_that_restarts_calls_ends_only_waiting_with_a_timeout(world: &World) -> Verdict {
    // An emulator's own signals interrupt its calls.
    needs!(world.is_of_a_kernel(), world::NO_ADVICE);
    let (file, map) = shared(PAGE)?;
    let steps = ok!(Steps::new());
    let mut other = ok!(Child::start(Descriptors::Copied, || {
        let map = ok!(file.map_shared_mut(..));
        let alarms = ok!(Alarms::every(
            Duration::from_millis(5),
            Interrupted::Restarts
        ));
        same!(at(&map).wait(0, Some(PATIENCE)), Err(Errno::EINTR));
        let before = alarms.count();
        steps.reach(1);
        same!(at(&map).wait(0, None), Ok(()));
        holds!(alarms.count() > before + 2);
        Ok(())
    }));
    other.reaches(1, &steps)?;
    kernel::sleep(Duration::from_millis(100));
    wake(at(&map), 1)?;
    other.finish(PATIENCE)
}

/// Two processes take turns, each interrupted by a timer of its own.
fn signals_lose_no_wake(world: &World) -> Verdict {
    const ROUNDS: u32 = 400;

    fn take_turns(file: &OwnedMemFd, me: u32, interval: Duration, calls: Interrupted) -> Verdict {
        let map = ok!(file.map_shared_mut(..));
        let turn = ok!(map.atomic_mut::<u32>(AT));
        let alarms = ok!(Alarms::every(interval, calls));
        let deadline = raw::now() + PATIENCE;
        for round in 0..ROUNDS {
            let mine = 2 * round + me;
            loop {
                let found = turn.load(Ordering::Acquire);
                if found == mine {
                    break;
                }
                let left = deadline.saturating_sub(raw::now());
                match turn.wait(found, Some(left)) {
                    Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                    Err(error) => fail!("{error:?} in round {round}"),
                }
            }
            // Some rounds take as long as a signal needs to come.
            if round % 50 == 0 {
                let before = alarms.count();
                while alarms.count() == before {
                    holds!(raw::now() < deadline, "no signal comes");
                    kernel::sleep(interval);
                }
            }
            turn.store(mine + 1, Ordering::Release);
            ok!(turn.wake(1));
        }
        Ok(())
    }

    // Emulated signals take their time.
    let unit = if world.is_of_a_kernel() { 1 } else { 3 };
    for calls in [Interrupted::Fails, Interrupted::Restarts] {
        let (file, map) = shared(PAGE)?;
        let other = ok!(Child::start(Descriptors::Copied, || {
            take_turns(&file, 1, Duration::from_micros(2300 * unit), calls)
        }));
        take_turns(&file, 0, Duration::from_micros(3100 * unit), calls)?;
        other.finish(PATIENCE)?;
        same!(at(&map).load(Ordering::SeqCst), 2 * ROUNDS);
    }
    Ok(())
}

fn as_many_are_woken_as_asked_for(_: &World) -> Verdict {
    let (file, map) = shared(PAGE)?;
    let woken = ok!(map.atomic_mut::<u32>(8));
    let sleeper = || {
        Child::start(Descriptors::Copied, || {
            let map = ok!(file.map_shared_mut(..));
            same!(at(&map).wait(0, Some(PATIENCE)), Ok(()));
            ok!(map.atomic_mut::<u32>(8)).fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    };
    // One of two, although both may be woken.
    let (one, two) = (ok!(sleeper()), ok!(sleeper()));
    kernel::sleep(Duration::from_millis(50));
    same!(at(&map).wake(0), Ok(0));
    kernel::sleep(Duration::from_millis(20));
    same!(woken.load(Ordering::SeqCst), 0);
    wake(at(&map), 1)?;
    kernel::sleep(Duration::from_millis(50));
    same!(woken.load(Ordering::SeqCst), 1);
    wake(at(&map), 1)?;
    one.finish(PATIENCE)?;
    two.finish(PATIENCE)?;
    same!(woken.load(Ordering::SeqCst), 2);
    // All at once.
    for many in [u32::MAX, 1 << 31, i32::MAX as u32, 3] {
        woken.store(0, Ordering::SeqCst);
        let three = [ok!(sleeper()), ok!(sleeper()), ok!(sleeper())];
        let (deadline, mut count) = (raw::now() + PATIENCE, 0);
        while count < 3 {
            kernel::sleep(Duration::from_millis(20));
            count += ok!(at(&map).wake(many));
            holds!(raw::now() < deadline, "{count} woken by {many}");
        }
        same!(count, 3);
        for sleeper in three {
            sleeper.finish(PATIENCE)?;
        }
        same!(woken.load(Ordering::SeqCst), 3);
    }
    Ok(())
}

fn who_waits_for_another_integer_is_not_woken(_: &World) -> Verdict {
    let (file, map) = shared(2 * PAGE)?;
    let (others, _) = shared(2 * PAGE)?;
    let elsewhere = ok!(others.map_shared_mut(..));
    let other = ok!(Child::start(Descriptors::Copied, || {
        let map = ok!(file.map_shared_mut(..));
        // It ends when the claim is over, and only then.
        same!(at(&map).wait(0, Some(PATIENCE)), Ok(()));
        same!(ok!(map.atomic::<u32>(8)).load(Ordering::SeqCst), 1);
        Ok(())
    }));
    kernel::sleep(Duration::from_millis(50));
    for offset in [AT - 4, AT + 4, AT + PAGE] {
        same!(ok!(map.atomic::<u32>(offset)).wake(u32::MAX), Ok(0));
    }
    // The same offset of another file.
    same!(at(&elsewhere).wake(u32::MAX), Ok(0));
    // A store alone wakes nobody.
    ok!(map.atomic_mut::<u32>(AT)).store(1, Ordering::SeqCst);
    kernel::sleep(Duration::from_millis(50));
    ok!(map.atomic_mut::<u32>(AT)).store(0, Ordering::SeqCst);
    ok!(map.atomic_mut::<u32>(8)).store(1, Ordering::SeqCst);
    wake(at(&map), 1)?;
    other.finish(PATIENCE)
}

fn a_map_for_reading_suffices(_: &World) -> Verdict {
    let (file, map) = shared(PAGE)?;
    // A hole, and a page that is there.
    for is_hole in [true, false] {
        if !is_hole {
            ok!(map.write_all_at(b"x", 0));
        }
        let steps = ok!(Steps::new());
        let mut other = ok!(Child::start(Descriptors::Copied, || {
            let view = ok!(file.map_shared(..));
            holds!(!ok!(attacks::is_writable(view.as_ptr())));
            let integer = ok!(view.atomic::<u32>(AT));
            same!(integer.wait(1, None), Err(Errno::EAGAIN));
            same!(
                integer.wait(0, Some(Duration::from_millis(1))),
                Err(Errno::ETIMEDOUT)
            );
            steps.reach(1);
            same!(integer.wait(0, None), Ok(()));
            Ok(())
        }));
        other.reaches(1, &steps)?;
        let view = ok!(file.map_shared(..));
        wake(ok!(view.atomic::<u32>(AT)), 1)?;
        other.finish(PATIENCE)?;
    }
    Ok(())
}

fn a_wake_reaches_every_map_of_the_file(_: &World) -> Verdict {
    // The same place of the file, at other addresses and offsets.
    const PLACE: usize = LARGEST_PAGE + 12;

    let (file, map) = shared(3 * LARGEST_PAGE)?;
    let other = ok!(Child::start(Descriptors::Copied, || {
        let part = ok!(file.map_shared_mut(LARGEST_PAGE + 4..));
        same!(ok!(part.atomic::<u32>(8)).wait(0, None), Ok(()));
        // The map that was inherited.
        same!(ok!(map.atomic::<u32>(PLACE)).wait(0, None), Ok(()));
        Ok(())
    }));
    let view = ok!(file.map_shared(8..LARGEST_PAGE + 16));
    wake(ok!(view.atomic::<u32>(PLACE - 8)), 1)?;
    let mut grown = ok!(file.map_shared_mut(LARGEST_PAGE..=LARGEST_PAGE));
    ok!(grown.grow(&file, 2 * LARGEST_PAGE));
    wake(ok!(grown.atomic::<u32>(12)), 1)?;
    other.finish(PATIENCE)
}

fn a_wake_reaches_both_halves_of_a_mirrored_map(_: &World) -> Verdict {
    const LEN: usize = LARGEST_PAGE;
    let (file, map) = shared(LEN)?;
    let other = ok!(Child::start(Descriptors::Copied, || {
        let ring = ok!(file.map_mirrored_mut(..));
        for half in [0, LEN] {
            same!(ok!(ring.atomic::<u32>(half + AT)).wait(0, None), Ok(()));
        }
        same!(at(&map).wait(0, None), Ok(()));
        Ok(())
    }));
    let ring = ok!(file.map_mirrored(..));
    for half in [LEN, 0, LEN] {
        wake(ok!(ring.atomic::<u32>(half + AT)), 1)?;
    }
    other.finish(PATIENCE)
}

fn a_wake_reaches_another_thread(_: &World) -> Verdict {
    let (_file, map) = shared(PAGE)?;
    let results = raw::beside(|| at(&map).wait(0, Some(PATIENCE)), || wake(at(&map), 1));
    let (waited, woke) = ok!(results);
    same!(waited, Ok(()));
    woke
}

fn waiting_in_a_hole_without_memory_is_an_error(world: &World) -> Verdict {
    let machine = attacks::NoMemory::prepare(world)?;
    let (_file, map) = shared(PAGE)?;
    ok!(machine.begin());
    let results = (
        at(&map).wait(0, Some(Duration::from_millis(1))),
        at(&map).wake(1),
    );
    drop(machine);
    same!(results, (Err(Errno::EFAULT), Err(Errno::EFAULT)));
    // When there is memory again, it is a page of zeros.
    children::apart(|| {
        same!(at(&map).wait(1, None), Err(Errno::EAGAIN));
        same!(at(&map).wake(1), Ok(0));
        Ok(())
    })
}
