//! Claims about transfers and sizes that reach a limit: of the number types, of the process, of
//! one call, of a file that must not grow, and of repeated signals.

use crate::{
    Verdict, World,
    attacks::{LARGEST_PAGE, NoMemory},
    children::{self, Supervisor},
    kernel::{self, PAGE},
    parties,
    raw::{self, Alarms, Buffer, Interrupted, Response, Which},
    world,
};
use core::time::Duration;
use owned_memfd::{
    CreateError, Errno, OwnedMemFd, SealedMemFd, Seals, SeekFrom, TransferCause, TransferError,
    VerifyErrorKind,
    fd::{AsRawFd, OwnedFd},
};
use rustix::{fs::OFlags, process::Resource};

claims!(
    the_largest_length_is_that_of_the_kernels_type,
    a_length_beyond_the_kernels_type_is_refused,
    a_length_beyond_the_kernels_type_is_refused_before_the_call,
    an_offset_beyond_the_kernels_type_is_refused,
    an_end_beyond_the_kernels_type_is_refused,
    a_write_stops_at_the_processs_limit,
    a_file_does_not_become_longer_than_the_processs_limit,
    a_copy_that_ends_at_the_processs_limit_is_whole,
    a_copy_of_nothing_at_the_processs_limit_is_no_error,
    more_than_one_call_moves_is_written_by_several,
    a_short_count_is_carried_on,
    a_call_that_moves_nothing_ends_the_transfer,
    a_write_at_a_closed_end_is_refused_and_inside_it_works,
    a_write_across_a_closed_end_says_what_it_wrote,
    interrupted_transfers_carry_on,
    single_calls_report_an_interruption,
    a_write_that_is_interrupted_all_the_time_arrives_whole,
    an_allocation_under_a_timer_ends,
    an_allocation_that_is_always_interrupted_gives_up,
    an_allocation_goes_on_in_halves_down_to_64_kib_and_then_gives_up,
    what_needs_memory_is_an_error_where_it_has_run_out,
);

const MAX: u64 = i64::MAX as u64;

/// The most that one call transfers, with pages of 4 KiB. With larger pages it is less.
const MOST: usize = 0x7fff_f000;

fn the_largest_length_is_that_of_the_kernels_type(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let file = ok!(kernel::sealable());
    ok!(file.set_len(MAX));
    same!(file.len(), Ok(MAX));
    same!(file.seek(SeekFrom::End(0)), Ok(MAX));
    same!(file.seek(SeekFrom::Start(MAX)), Ok(MAX));
    refused!(
        file.seek(SeekFrom::End(1)),
        Errno::EINVAL | Errno::EOVERFLOW
    );
    ok!(file.set_len(0));
    same!(file.len(), Ok(0));
    Ok(())
}

fn a_length_beyond_the_kernels_type_is_refused(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let file = ok!(kernel::holding(b"0123"));
    refuses_lengths_beyond(&file)?;
    same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    Ok(())
}

fn refuses_lengths_beyond(file: &OwnedMemFd) -> Verdict {
    for beyond in [MAX + 1, MAX + 2, u64::MAX - 1, u64::MAX] {
        refused!(file.set_len(beyond), Errno::EINVAL);
        refused!(file.allocate(0, beyond), Errno::EINVAL);
        refused!(file.allocate(beyond, 1), Errno::EINVAL);
        refused!(file.punch_hole(0, beyond), Errno::EINVAL);
        refused!(file.punch_hole(beyond, 1), Errno::EINVAL);
        refused!(file.seek(SeekFrom::Start(beyond)), Errno::EINVAL);
    }
    Ok(())
}

fn a_length_beyond_the_kernels_type_is_refused_before_the_call(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    ok!(kernel::allow_any_length());
    let file = ok!(kernel::sealable());
    // With this filter the kernel's error would be ENOSYS. EINVAL shows that the library made no
    // call.
    for number in [sc::nr::FTRUNCATE, sc::nr::FALLOCATE, sc::nr::LSEEK] {
        ok!(raw::refuse(Which::All(number), Errno::ENOSYS));
    }
    refused!(file.set_len(MAX), Errno::ENOSYS);
    refused!(file.allocate(0, MAX), Errno::ENOSYS);
    refused!(file.punch_hole(0, MAX), Errno::ENOSYS);
    refused!(file.seek(SeekFrom::Start(MAX)), Errno::ENOSYS);
    refuses_lengths_beyond(&file)
}

fn an_offset_beyond_the_kernels_type_is_refused(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    let mut buffer = [0; 4];
    let stopped = TransferError {
        done: 0,
        cause: TransferCause::Kernel(Errno::EINVAL),
    };
    for beyond in [MAX + 1, u64::MAX] {
        refused!(file.read_at(&mut buffer, beyond), Errno::EINVAL);
        refused!(file.write_at(b"x", beyond), Errno::EINVAL);
        same!(file.read_exact_at(&mut buffer, beyond), Err(stopped));
        same!(file.write_all_at(b"x", beyond), Err(stopped));
    }
    same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    Ok(())
}

fn an_end_beyond_the_kernels_type_is_refused(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let file = ok!(kernel::holding(b"0123"));
    refused!(file.allocate(MAX, 1), Errno::EFBIG);
    refused!(file.allocate(1, MAX), Errno::EFBIG);
    refused!(file.write_at(b"x", MAX), Errno::EINVAL | Errno::EFBIG);
    refused!(
        file.write_all_at(b"xy", MAX - 1),
        TransferError {
            done: 0 | 1,
            cause: TransferCause::Kernel(_)
        }
    );
    same!(file.seek(SeekFrom::Start(MAX)), Ok(MAX));
    refused!(file.write(b"x"), Errno::EINVAL | Errno::EFBIG);
    same!(file.len().map(|len| len <= MAX), Ok(true));
    Ok(())
}

/// Limits the length of this process's files to `len` bytes, and ignores the signal that exceeding
/// the limit sends.
fn limit_files_to(len: u64) -> Result<(), Errno> {
    raw::ignore(linux_raw_sys::general::SIGXFSZ)?;
    kernel::limit(Resource::Fsize, len)
}

fn a_write_stops_at_the_processs_limit(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(limit_files_to(10_000));
    same!(file.write_at(&[1; 100], 9_950), Ok(50));
    refused!(file.write_at(b"x", 10_000), Errno::EFBIG);
    refused!(file.write_at(b"x", 20_000), Errno::EFBIG);
    same!(file.len(), Ok(10_000));
    // The error says how much was written.
    ok!(file.set_len(0));
    let stopped = TransferError {
        done: 10_000,
        cause: TransferCause::Kernel(Errno::EFBIG),
    };
    same!(file.write_all(&[2; 12_000]), Err(stopped));
    same!(file.len(), Ok(10_000));
    same!(file.seek(SeekFrom::Current(0)), Ok(10_000));
    let stopped = TransferError {
        done: 1_000,
        cause: TransferCause::Kernel(Errno::EFBIG),
    };
    same!(file.write_all_at(&[3; 1_001], 9_000), Err(stopped));
    ok!(file.write_all_at(&[4; 1_000], 9_000));
    Ok(())
}

fn a_file_does_not_become_longer_than_the_processs_limit(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.set_len(20_000));
    ok!(limit_files_to(10_000));
    refused!(file.set_len(20_001), Errno::EFBIG);
    ok!(file.set_len(5_000));
    refused!(file.set_len(10_001), Errno::EFBIG);
    ok!(file.set_len(10_000));
    refused!(file.allocate(0, 10_001), Errno::EFBIG);
    ok!(file.allocate(0, 10_000));
    same!(file.len(), Ok(10_000));
    Ok(())
}

/// From now on the longest file has `len` bytes, and making it longer kills.
fn kill_above(len: u64) -> Result<(), Errno> {
    parties::stop_ignoring(linux_raw_sys::general::SIGXFSZ)?;
    kernel::limit(Resource::Fsize, len)
}

/// Runs `copy` in a process in which no file may become longer than `len`: once as this kernel
/// copies, and then without the ways in which it does that by itself.
fn with_and_without_help(world: &World, len: u64, copy: impl Fn() -> Verdict) -> Verdict {
    let ways: &[&[usize]] = &[
        &[],
        &[sc::nr::COPY_FILE_RANGE],
        &[sc::nr::COPY_FILE_RANGE, sc::nr::SENDFILE],
        &[sc::nr::COPY_FILE_RANGE, sc::nr::SENDFILE, sc::nr::SPLICE],
    ];
    for way in ways.iter().take(if world.filters { 4 } else { 1 }) {
        children::apart(|| {
            for number in *way {
                ok!(raw::refuse(Which::All(*number), Errno::EINVAL));
            }
            ok!(kill_above(len));
            copy()
        })?;
    }
    Ok(())
}

fn a_copy_that_ends_at_the_processs_limit_is_whole(world: &World) -> Verdict {
    const LEN: u64 = 10_000;
    with_and_without_help(world, LEN, || {
        let memory = ok!(kernel::holding(&[7; LEN as usize]));
        let file = ok!(kernel::sealable());
        same!(file.copy_from(&memory, u64::MAX), Ok(LEN));
        same!(kernel::holds_exactly(&file, &[7; LEN as usize]), Ok(true));
        // Nothing is left, and nothing is an error.
        same!(file.copy_from(&memory, u64::MAX), Ok(0));
        let sealed = ok!(SealedMemFd::verify_or_copy(memory.into(), usize::MAX));
        same!(*ok!(sealed.map()), [7; LEN as usize]);
        for make in [kernel::pipe, kernel::socket_pair] {
            let (read_end, write_end) = ok!(make());
            same!(
                kernel::write(&write_end, &[7; LEN as usize]),
                Ok(LEN as usize)
            );
            drop(write_end);
            let file = ok!(kernel::sealable());
            same!(file.copy_from(&read_end, u64::MAX), Ok(LEN));
            same!(file.copy_from(&read_end, u64::MAX), Ok(0));
        }
        Ok(())
    })?;
    needs!(world.proc, world::NO_PROC);
    // An ordinary file, which the kernel copies in another way, and one of proc, whose length it
    // does not know.
    for open in [
        || kernel::program(),
        || kernel::open(c"/proc/version", OFlags::RDONLY),
    ] {
        let file = ok!(kernel::sealable());
        let len = ok!(file.copy_from(ok!(open()), u64::MAX));
        with_and_without_help(world, len, || {
            let file = ok!(kernel::sealable());
            let source = ok!(open());
            same!(file.copy_from(&source, u64::MAX), Ok(len));
            same!(file.copy_from(&source, u64::MAX), Ok(0));
            Ok(())
        })?;
    }
    Ok(())
}

fn a_copy_of_nothing_at_the_processs_limit_is_no_error(world: &World) -> Verdict {
    let full = ok!(kernel::holding(b"0123"));
    for (file, at) in [(&ok!(kernel::sealable()), 0), (&full, 4), (&full, 5)] {
        same!(file.seek(SeekFrom::Start(at)), Ok(at));
        with_and_without_help(world, at.min(4), || {
            let (pipe, writer) = ok!(kernel::pipe());
            drop(writer);
            same!(file.copy_from(&pipe, u64::MAX), Ok(0));
            same!(file.copy_from(ok!(kernel::sealable()), 9), Ok(0));
            let empty = ok!(kernel::sealable());
            ok!(SealedMemFd::verify_or_copy(empty.into(), 9));
            ok!(SealedMemFd::copy_from_slice(c"empty", b""));
            Ok(())
        })?;
    }
    Ok(())
}

fn more_than_one_call_moves_is_written_by_several(world: &World) -> Verdict {
    const LEN: usize = MOST + 65536;
    needs!(world.free_memory >= 3 << 30, world::LITTLE_MEMORY);
    let mut bytes = ok!(Buffer::new(LEN));
    bytes[LEN - 1] = 9;
    let file = ok!(kernel::sealable());
    ok!(file.write_all(&bytes));
    same!(file.len(), Ok(LEN as u64));
    same!(file.seek(SeekFrom::Current(0)), Ok(LEN as u64));
    let mut last = [0; 2];
    ok!(file.read_exact_at(&mut last, LEN as u64 - 2));
    same!(last, [0, 9]);
    Ok(())
}

fn a_short_count_is_carried_on(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(kernel::holding(b"--------"));
    children::apart(|| {
        // The kernel reports 3 bytes written and then 1, and really writes the rest.
        let responses = [Response::Value(3), Response::Value(1)];
        let supervisor = Supervisor::of(Which::All(sc::nr::PWRITE64), &responses)?;
        ok!(file.write_all_at(b"01234567", 0));
        same!(supervisor.calls(), 3);
        same!(kernel::holds_exactly(&file, b"----4567"), Ok(true));
        Ok(())
    })?;
    children::apart(|| {
        let responses = [Response::Value(3), Response::Value(1)];
        let supervisor = Supervisor::of(Which::All(sc::nr::PREAD64), &responses)?;
        let mut buffer = *b"........";
        ok!(file.read_exact_at(&mut buffer, 0));
        same!(supervisor.calls(), 3);
        same!(&buffer, b"....4567");
        Ok(())
    })?;
    children::apart(|| {
        let responses = [Response::Value(3), Response::Value(1)];
        let supervisor = Supervisor::of(Which::All(sc::nr::WRITE), &responses)?;
        ok!(file.write_all(b"01234567"));
        same!(supervisor.calls(), 3);
        // The first two calls did not reach the kernel, so they did not move the offset.
        same!(file.seek(SeekFrom::Current(0)), Ok(4));
        Ok(())
    })
}

fn a_call_that_moves_nothing_ends_the_transfer(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(kernel::holding(b"--------"));
    let responses = [Response::Value(3), Response::Value(0)];
    let stopped_with = |cause| Err(TransferError { done: 3, cause });
    let no_space = stopped_with(TransferCause::Kernel(Errno::ENOSPC));
    let ended = stopped_with(TransferCause::EndOfFile);
    children::apart(|| {
        let supervisor = Supervisor::of(Which::All(sc::nr::PWRITE64), &responses)?;
        same!(file.write_all_at(b"01234567", 0), no_space);
        same!(supervisor.calls(), 2);
        Ok(())
    })?;
    children::apart(|| {
        let supervisor = Supervisor::of(Which::All(sc::nr::PREAD64), &responses)?;
        same!(file.read_exact_at(&mut [0; 8], 0), ended);
        same!(supervisor.calls(), 2);
        Ok(())
    })?;
    children::apart(|| {
        let supervisor = Supervisor::of(Which::All(sc::nr::WRITE), &responses)?;
        same!(file.write_all(b"01234567"), no_space);
        same!(supervisor.calls(), 2);
        Ok(())
    })?;
    children::apart(|| {
        // Nothing at all from the first call.
        let _supervisor = Supervisor::of(Which::All(sc::nr::PWRITE64), &[Response::Value(0)])?;
        refused!(
            SealedMemFd::copy_from_slice("claim", b"0123"),
            CreateError::Kernel(Errno::ENOSPC)
        );
        Ok(())
    })
}

/// A file of two pages of zeros that cannot grow any more.
fn closed_at_two_pages() -> Result<OwnedMemFd, Errno> {
    let file = kernel::sealable()?;
    file.set_len(2 * PAGE as u64)?;
    file.add_seals(Seals::GROW)?;
    Ok(file)
}

fn a_write_at_a_closed_end_is_refused_and_inside_it_works(_: &World) -> Verdict {
    let file = ok!(closed_at_two_pages());
    let end = 2 * PAGE as u64;
    let stopped = TransferError {
        done: 0,
        cause: TransferCause::Sealed(Seals::GROW),
    };
    for offset in [end, end + 1, end + 100_000] {
        refused!(file.write_at(b"x", offset), Errno::EPERM);
        same!(file.write_all_at(b"x", offset), Err(stopped));
        same!(file.write_at(b"", offset), Ok(0));
    }
    same!(file.seek(SeekFrom::End(0)), Ok(end));
    same!(file.write_all(b"x"), Err(stopped));
    same!(file.len(), Ok(end));

    ok!(file.write_all_at(&[1; 2 * PAGE], 0));
    ok!(file.write_all_at(b"x", end - 1));
    same!(file.seek(SeekFrom::Start(0)), Ok(0));
    ok!(file.write_all(&[2; 2 * PAGE]));
    same!(file.len(), Ok(end));
    Ok(())
}

// Some kernels write up to the end of the file, and others reject the whole write.
fn a_write_across_a_closed_end_says_what_it_wrote(_: &World) -> Verdict {
    let end = 2 * PAGE as u64;
    for (offset, len) in [
        (0, 3 * PAGE),
        (end - 10, 20),
        (PAGE as u64, 2 * PAGE),
        (1, 2 * PAGE),
    ] {
        let fits = end - offset;
        let bytes = [b'x'; 3 * PAGE];
        let bytes = &bytes[..len];

        let file = ok!(closed_at_two_pages());
        match file.write_at(bytes, offset) {
            Ok(count) => holds!(
                count > 0 && count as u64 <= fits,
                "{count} of {fits} that fit"
            ),
            Err(error) => same!(error, Errno::EPERM),
        }
        same!(file.len(), Ok(end));

        let by_position = ok!(closed_at_two_pages());
        let at_the_offset = ok!(closed_at_two_pages());
        same!(at_the_offset.seek(SeekFrom::Start(offset)), Ok(offset));
        for (file, result) in [
            (&by_position, by_position.write_all_at(bytes, offset)),
            (&at_the_offset, at_the_offset.write_all(bytes)),
        ] {
            let Err(TransferError { done, cause }) = result else {
                fail!("{len} bytes at {offset} of {end} are said to be written");
            };
            same!(cause, TransferCause::Sealed(Seals::GROW));
            holds!(done <= fits, "{done} of {fits} that fit");
            same!(file.len(), Ok(end));
            // The bytes reported as written are in the file, and no others.
            let mut piece = [0; 2 * PAGE];
            ok!(file.read_exact_at(&mut piece, 0));
            let start = offset as usize;
            let written = start + done as usize;
            holds!(piece[start..written].iter().all(|byte| *byte == b'x'));
            holds!(piece[written..].iter().all(|byte| *byte == 0));
        }
        same!(
            at_the_offset.seek(SeekFrom::Current(0)).map(|at| at <= end),
            Ok(true)
        );
    }
    Ok(())
}

fn interrupted_transfers_carry_on(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(kernel::holding(b"--------"));
    let responses = [
        Response::Error(Errno::EINTR),
        Response::Error(Errno::EINTR),
        Response::Value(2),
        Response::Error(Errno::EINTR),
    ];
    children::apart(|| {
        let supervisor = Supervisor::of(Which::All(sc::nr::PWRITE64), &responses)?;
        ok!(file.write_all_at(b"01234567", 0));
        same!(supervisor.calls(), 5);
        same!(kernel::holds_exactly(&file, b"--234567"), Ok(true));
        Ok(())
    })?;
    children::apart(|| {
        let supervisor = Supervisor::of(Which::All(sc::nr::WRITE), &responses)?;
        ok!(file.write_all(b"01234567"));
        same!(supervisor.calls(), 5);
        same!(kernel::holds_exactly(&file, b"23456767"), Ok(true));
        Ok(())
    })?;
    children::apart(|| {
        let supervisor = Supervisor::of(Which::All(sc::nr::PREAD64), &responses)?;
        let mut buffer = *b"........";
        ok!(file.read_exact_at(&mut buffer, 0));
        same!(supervisor.calls(), 5);
        same!(&buffer, b"..456767");
        Ok(())
    })
}

fn single_calls_report_an_interruption(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(kernel::holding(b"0123"));
    for number in [
        sc::nr::READ,
        sc::nr::WRITE,
        sc::nr::PREAD64,
        sc::nr::PWRITE64,
        sc::nr::FTRUNCATE,
    ] {
        ok!(raw::refuse(Which::All(number), Errno::EINTR));
    }
    refused!(file.read(&mut [0]), Errno::EINTR);
    refused!(file.write(b"x"), Errno::EINTR);
    refused!(file.read_at(&mut [0], 0), Errno::EINTR);
    refused!(file.write_at(b"x", 0), Errno::EINTR);
    refused!(file.set_len(0), Errno::EINTR);
    Ok(())
}

/// Unlike a memory file, a pipe makes a writer wait, so a real signal can interrupt it.
/// `write_all` reacts the same.
fn a_write_that_is_interrupted_all_the_time_arrives_whole(_: &World) -> Verdict {
    const TOTAL: usize = 1 << 20;
    const PIECE: usize = 1 << 14;
    let (read_end, write_end) = ok!(kernel::pipe());
    // The child reads slowly enough to keep the writer waiting, and counts.
    let reader = ok!(children::Child::start(raw::Descriptors::Copied, || {
        let mut buffer = [0; PIECE];
        let mut total = 0;
        while total < TOTAL {
            kernel::sleep(Duration::from_millis(1));
            let count = ok!(kernel::read(&read_end, &mut buffer));
            holds!(count > 0, "the pipe ends after {total} bytes");
            let right = (total..total + count)
                .zip(&buffer)
                .all(|(at, byte)| *byte == kernel::pattern(at as u64));
            holds!(right, "wrong bytes between {total} and {}", total + count);
            total += count;
        }
        Ok(())
    }));
    let pipe = raw::disguise(write_end);
    let mut bytes = ok!(Buffer::new(TOTAL));
    for (at, byte) in (0..).zip(&mut bytes[..]) {
        *byte = kernel::pattern(at);
    }
    let alarms = ok!(Alarms::every(Duration::from_millis(2), Interrupted::Fails));
    ok!(pipe.write_all(&bytes));
    let interruptions = alarms.count();
    drop(alarms);
    holds!(interruptions > 3, "only {interruptions} signals came");
    reader.finish(children::PATIENCE)
}

fn an_allocation_under_a_timer_ends(world: &World) -> Verdict {
    // Large enough for many ticks of the timer, and not too large for a small machine.
    let len = (world.free_memory / 8).clamp(16 << 20, 256 << 20);
    let file = ok!(kernel::sealable());
    for calls in [Interrupted::Restarts, Interrupted::Fails] {
        ok!(file.set_len(0));
        let alarms = ok!(Alarms::every(Duration::from_millis(1), calls));
        let result = file.allocate(0, len);
        let interruptions = alarms.count();
        drop(alarms);
        ok!(result);
        same!(file.len(), Ok(len));
        holds!(ok!(kernel::memory_of(&file)) >= len);
        // Several signals that are pending when a call ends count as one.
        holds!(interruptions > 0, "no signal came");
    }
    Ok(())
}

fn an_allocation_that_is_always_interrupted_gives_up(world: &World) -> Verdict {
    const LEN: u64 = 1 << 20;
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(kernel::sealable());
    children::apart(|| {
        ok!(raw::refuse(Which::All(sc::nr::FALLOCATE), Errno::EINTR));
        refused!(file.allocate(0, LEN), Errno::EINTR);
        refused!(file.allocate(0, MAX), Errno::EINTR);
        Ok(())
    })?;
    same!(file.len(), Ok(0));
    // A call that is interrupted a few times succeeds, and leaves no part out.
    children::apart(|| {
        let responses = [Response::Error(Errno::EINTR); 10];
        let supervisor = Supervisor::of(Which::All(sc::nr::FALLOCATE), &responses)?;
        ok!(file.allocate(PAGE as u64, LEN));
        holds!(supervisor.calls() > 10);
        Ok(())
    })?;
    same!(file.len(), Ok(PAGE as u64 + LEN));
    holds!(ok!(kernel::memory_of(&file)) >= LEN);
    Ok(())
}

/// Here the kernel interrupts every allocation of a length with one of these bits.
fn an_allocation_goes_on_in_halves_down_to_64_kib_and_then_gives_up(world: &World) -> Verdict {
    const LEN: u64 = 1 << 20;
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let interrupted = |bits: u32| Which::WithBits(sc::nr::FALLOCATE, 3, bits);
    let file = ok!(kernel::sealable());
    for (bits, calls) in [(!0xf_ffff, 2), (!0x1_ffff, 16)] {
        children::apart(|| {
            let supervisor = Supervisor::of(Which::All(sc::nr::FALLOCATE), &[])?;
            ok!(raw::refuse(interrupted(bits), Errno::EINTR));
            ok!(file.allocate(PAGE as u64, LEN));
            // Those that were not interrupted.
            same!(supervisor.calls(), calls);
            Ok(())
        })?;
        same!(file.len(), Ok(PAGE as u64 + LEN));
        holds!(ok!(kernel::memory_of(&file)) >= LEN);
        ok!(file.set_len(0));
    }
    children::apart(|| {
        ok!(raw::refuse(interrupted(!0xffff), Errno::EINTR));
        refused!(file.allocate(0, LEN), Errno::EINTR);
        // What is smaller than a piece was never too large.
        ok!(file.allocate(0, 0xffff));
        Ok(())
    })?;
    // It goes on after 32 interruptions in a row, and not after one more.
    children::apart(|| {
        let responses = [Response::Error(Errno::EINTR); 40];
        let supervisor = Supervisor::of(Which::All(sc::nr::FALLOCATE), &responses)?;
        refused!(file.allocate(0, LEN), Errno::EINTR);
        same!(supervisor.calls(), 33);
        Ok(())
    })
}

fn what_needs_memory_is_an_error_where_it_has_run_out(world: &World) -> Verdict {
    let machine = NoMemory::prepare(world)?;
    let file = ok!(kernel::sealable());
    let grown = ok!(kernel::sealable());
    ok!(grown.set_len(PAGE as u64));
    // Each file has room for one page more, and each copy needs two.
    let filling = || -> Result<OwnedMemFd, Errno> {
        let file = kernel::sealable()?;
        file.allocate(0, LARGEST_PAGE as u64)?;
        file.seek(SeekFrom::Start((LARGEST_PAGE - PAGE) as u64))?;
        Ok(file)
    };
    let (by_memory, by_pipe, by_program) = (ok!(filling()), ok!(filling()), ok!(filling()));
    let memory = ok!(kernel::holding(&[7; 2 * PAGE]));
    let (pipe, writer) = ok!(kernel::pipe());
    same!(kernel::write(&writer, &[7; 2 * PAGE]), Ok(2 * PAGE));
    let program = ok!(kernel::program());
    let unsealed = OwnedFd::from(ok!(kernel::holding(b"x")));
    let number = unsealed.as_raw_fd();
    ok!(machine.begin());
    let allocated = file.allocate(0, PAGE as u64);
    let written = file.write_at(b"x", 0);
    let all_written = file.write_all(b"x");
    let filled = grown.write_at(b"x", 0);
    let copied = SealedMemFd::copy_from_slice("copy", b"x");
    let built = SealedMemFd::create_with("built", PAGE, |bytes| bytes[0] = 1);
    let filled_up = [
        by_memory.copy_from(&memory, 2 * PAGE as u64),
        by_pipe.copy_from(&pipe, 2 * PAGE as u64),
        by_program.copy_from(&program, 2 * PAGE as u64),
    ];
    let full = [
        file.copy_from(&memory, 1),
        file.copy_from(&pipe, 1),
        file.copy_from(&program, 1),
    ];
    let sealed = SealedMemFd::verify_or_copy(unsealed, 1);
    let len = file.len();
    drop(machine);
    let stopped = |done| TransferError {
        done,
        cause: TransferCause::Kernel(Errno::ENOSPC),
    };
    refused!(allocated, Errno::ENOSPC);
    refused!(written, Errno::ENOSPC);
    same!(all_written, Err(stopped(0)));
    refused!(filled, Errno::ENOSPC);
    refused!(copied, CreateError::Kernel(Errno::ENOSPC));
    refused!(built, CreateError::Kernel(Errno::ENOSPC));
    same!(filled_up, [Err(stopped(PAGE as u64)); 3]);
    same!(full, [Err(stopped(0)); 3]);
    match sealed {
        Err(refused) => {
            same!(refused.kind(), VerifyErrorKind::Kernel(Errno::ENOSPC));
            same!(refused.get_ref().as_raw_fd(), number);
            same!(kernel::holds_exactly(refused.get_ref(), b"x"), Ok(true));
        }
        Ok(_) => fail!("a copy is made"),
    }
    same!(len, Ok(0));
    for file in [&by_memory, &by_pipe] {
        let mut bytes = [0; PAGE];
        ok!(file.read_exact_at(&mut bytes, (LARGEST_PAGE - PAGE) as u64));
        same!(bytes, [7; PAGE]);
        same!(file.len(), Ok(LARGEST_PAGE as u64));
    }
    // With memory available again, the write succeeds, so memory was the cause.
    ok!(file.write_all(b"x"));
    Ok(())
}
