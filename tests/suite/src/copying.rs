//! Claims about `copy_from`: everything that can be read arrives, the copy happens in the kernel
//! if it can, and the count says how much arrived.

use crate::{
    Verdict, World,
    children::{self, Child},
    kernel::{self, PAGE},
    raw::{self, Alarms, Descriptors, Interrupted, Which},
    world,
};
use core::time::Duration;
use owned_memfd::{
    Errno, MemFdFlags, OwnedMemFd, Seals, SeekFrom, TransferCause, TransferError, fd::OwnedFd,
};
use rustix::{fs::OFlags, process::Resource};

claims!(
    a_memory_file_is_copied,
    an_ordinary_file_is_copied,
    a_file_of_proc_is_copied,
    a_pipe_is_copied_until_its_end,
    a_pipe_that_goes_on_is_copied_as_far_as_asked,
    a_socket_is_copied,
    a_device_is_copied_as_far_as_asked,
    both_offsets_move_and_nothing_before_them_is_touched,
    nothing_is_asked_of_the_source_for_nothing,
    a_copy_that_is_complete_asks_for_nothing_more,
    the_kernel_copies_by_itself_where_it_can,
    without_the_kernels_help_it_is_the_same,
    much_is_copied_whole,
    a_file_copied_to_its_own_end_repeats,
    a_file_copied_onto_itself_ends,
    an_appending_file_is_appended_to,
    a_sealed_file_takes_nothing_and_the_source_loses_nothing,
    a_file_that_cannot_be_written_takes_nothing_and_the_source_loses_nothing,
    a_file_that_cannot_grow_takes_what_fits_or_nothing,
    a_processs_limit_stops_it_with_the_right_count,
    what_cannot_be_read_is_refused_with_the_kernels_reason,
    an_empty_pipe_that_does_not_wait_is_eagain,
    an_interruption_comes_back_with_what_was_copied,
);

const ALL: u64 = u64::MAX;

/// A pipe that holds these bytes, and its writing end.
fn pipe_with(content: &[u8]) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = kernel::pipe()?;
    kernel::write(&write, content)?;
    Ok((read, write))
}

fn socket_with(content: &[u8]) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = kernel::socket_pair()?;
    kernel::write(&write, content)?;
    Ok((read, write))
}

fn a_memory_file_is_copied(_: &World) -> Verdict {
    let source = ok!(kernel::holding(b"from memory"));
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&source, ALL), Ok(11));
    same!(kernel::holds_exactly(&file, b"from memory"), Ok(true));
    // The source is at its end now, so nothing more is copied.
    same!(file.copy_from(&source, ALL), Ok(0));
    same!(file.len(), Ok(11));
    Ok(())
}

/// Copies all of `source`, which must support reads at an offset, and compares.
fn is_copied_whole(source: &OwnedFd) -> Verdict {
    let file = ok!(kernel::sealable());
    let count = ok!(file.copy_from(source, ALL));
    let (mut theirs, mut ours) = ([0; PAGE], [0; PAGE]);
    let mut done = 0;
    loop {
        let read = ok!(kernel::pread(source, &mut theirs, done));
        if read == 0 {
            break;
        }
        ok!(file.read_exact_at(&mut ours[..read], done));
        holds!(
            ours[..read] == theirs[..read],
            "different after {done} bytes"
        );
        done += read as u64;
    }
    holds!(done > 0, "the source is empty");
    same!(count, done);
    same!(file.len(), Ok(done));
    Ok(())
}

fn an_ordinary_file_is_copied(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    is_copied_whole(&ok!(kernel::program()))
}

fn a_file_of_proc_is_copied(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    for path in [c"/proc/version", c"/proc/filesystems", c"/proc/devices"] {
        is_copied_whole(&ok!(kernel::open(path, OFlags::RDONLY)))?;
    }
    // Copying starts at the source's offset.
    let version = ok!(kernel::open(c"/proc/version", OFlags::RDONLY));
    let mut start = [0; 6];
    same!(kernel::read(&version, &mut start), Ok(6));
    same!(&start, b"Linux ");
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&version, 7), Ok(7));
    same!(kernel::holds_exactly(&file, b"version"), Ok(true));
    Ok(())
}

fn a_pipe_is_copied_until_its_end(_: &World) -> Verdict {
    let (pipe, other_end) = ok!(pipe_with(b"from a pipe"));
    drop(other_end);
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&pipe, ALL), Ok(11));
    same!(kernel::holds_exactly(&file, b"from a pipe"), Ok(true));
    Ok(())
}

fn a_pipe_that_goes_on_is_copied_as_far_as_asked(_: &World) -> Verdict {
    // The writing end stays open, so a read of one byte too many would wait for ever.
    let (pipe, _other_end) = ok!(pipe_with(b"0123456789"));
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&pipe, 4), Ok(4));
    same!(file.copy_from(&pipe, 6), Ok(6));
    same!(kernel::holds_exactly(&file, b"0123456789"), Ok(true));
    Ok(())
}

fn a_socket_is_copied(_: &World) -> Verdict {
    let (socket, other_end) = ok!(socket_with(b"from a socket"));
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&socket, 4), Ok(4));
    drop(other_end);
    same!(file.copy_from(&socket, ALL), Ok(9));
    same!(kernel::holds_exactly(&file, b"from a socket"), Ok(true));
    Ok(())
}

fn a_device_is_copied_as_far_as_asked(world: &World) -> Verdict {
    needs!(world.devices, world::NO_DEVICES);
    let zero = ok!(kernel::open(c"/dev/zero", OFlags::RDONLY));
    let file = ok!(kernel::sealable());
    ok!(file.write_all(b"x"));
    same!(file.copy_from(&zero, 5000), Ok(5000));
    same!(file.len(), Ok(5001));
    let null = ok!(kernel::open(c"/dev/null", OFlags::RDONLY));
    same!(file.copy_from(&null, ALL), Ok(0));
    same!(file.len(), Ok(5001));
    Ok(())
}

fn both_offsets_move_and_nothing_before_them_is_touched(_: &World) -> Verdict {
    let source = ok!(kernel::holding(b"0123456789"));
    let file = ok!(kernel::holding(b"----------"));
    same!(source.seek(SeekFrom::Start(2)), Ok(2));
    same!(file.seek(SeekFrom::Start(4)), Ok(4));
    same!(file.copy_from(&source, 3), Ok(3));
    same!(kernel::holds_exactly(&file, b"----234---"), Ok(true));
    same!(source.seek(SeekFrom::Current(0)), Ok(5));
    same!(file.seek(SeekFrom::Current(0)), Ok(7));
    same!(file.copy_from(&source, ALL), Ok(5));
    same!(kernel::holds_exactly(&file, b"----23456789"), Ok(true));
    same!(source.seek(SeekFrom::Current(0)), Ok(10));
    same!(file.seek(SeekFrom::Current(0)), Ok(12));
    same!(kernel::holds_exactly(&source, b"0123456789"), Ok(true));
    Ok(())
}

fn nothing_is_asked_of_the_source_for_nothing(_: &World) -> Verdict {
    // A read of an empty pipe would wait.
    let (pipe, _other_end) = ok!(kernel::pipe());
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&pipe, 0), Ok(0));
    same!(file.len(), Ok(0));
    Ok(())
}

/// What cannot be copied by the first of the kernel's calls is tried with the next, but not what is
/// complete.
fn a_copy_that_is_complete_asks_for_nothing_more(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let (source, file) = (ok!(kernel::holding(b"0123")), ok!(kernel::sealable()));
    for number in [
        sc::nr::SENDFILE,
        sc::nr::SPLICE,
        sc::nr::READ,
        sc::nr::WRITE,
    ] {
        ok!(raw::refuse(Which::All(number), Errno::EIO));
    }
    same!(file.copy_from(&source, 4), Ok(4));
    ok!(raw::refuse(Which::All(sc::nr::COPY_FILE_RANGE), Errno::EIO));
    same!(file.copy_from(&source, 0), Ok(0));
    same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    Ok(())
}

fn the_kernel_copies_by_itself_where_it_can(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let memory = ok!(kernel::holding(b"0123456789"));
    let (pipe, _other_end) = ok!(pipe_with(b"0123456789"));
    let version = world
        .proc
        .then(|| kernel::open(c"/proc/version", OFlags::RDONLY));
    let file = ok!(kernel::sealable());
    // These calls would move the content through this process.
    for number in [
        sc::nr::READ,
        sc::nr::WRITE,
        sc::nr::PREAD64,
        sc::nr::PWRITE64,
    ] {
        ok!(raw::refuse(Which::All(number), Errno::EIO));
    }
    same!(file.copy_from(&memory, 10), Ok(10));
    same!(file.copy_from(&pipe, 10), Ok(10));
    same!(file.len(), Ok(20));
    if let Some(version) = version {
        same!(file.copy_from(&ok!(version), 10), Ok(10));
        same!(file.len(), Ok(30));
    }
    Ok(())
}

fn without_the_kernels_help_it_is_the_same(world: &World) -> Verdict {
    const HELP: [usize; 3] = [sc::nr::COPY_FILE_RANGE, sc::nr::SENDFILE, sc::nr::SPLICE];
    needs!(world.filters, world::NO_FILTERS);
    for error in [Errno::ENOSYS, Errno::EINVAL, Errno::EPERM] {
        children::apart(|| {
            for number in HELP {
                ok!(raw::refuse(Which::All(number), error));
            }
            a_memory_file_is_copied(world)?;
            a_pipe_is_copied_until_its_end(world)?;
            a_pipe_that_goes_on_is_copied_as_far_as_asked(world)?;
            a_socket_is_copied(world)?;
            both_offsets_move_and_nothing_before_them_is_touched(world)?;
            nothing_is_asked_of_the_source_for_nothing(world)?;
            a_sealed_file_takes_nothing_and_the_source_loses_nothing(world)?;
            if world.proc {
                a_file_of_proc_is_copied(world)?;
            }
            Ok(())
        })?;
    }
    // `copy_from` returns any other error instead of trying the next call.
    let (source, file) = (ok!(kernel::holding(b"0123")), ok!(kernel::sealable()));
    ok!(raw::refuse(Which::All(sc::nr::COPY_FILE_RANGE), Errno::EIO));
    let stopped = TransferError {
        done: 0,
        cause: TransferCause::Kernel(Errno::EIO),
    };
    same!(file.copy_from(&source, ALL), Err(stopped));
    same!(file.len(), Ok(0));
    Ok(())
}

/// Writes `len` bytes of the pattern, in pieces of odd length.
fn write_pattern(to: &OwnedFd, len: u64) -> Verdict {
    let mut done = 0;
    let mut piece = [0; 3001];
    while done < len {
        for (at, byte) in (done..len).zip(&mut piece) {
            *byte = kernel::pattern(at);
        }
        let most = (len - done).min(piece.len() as u64) as usize;
        done += ok!(kernel::write(to, &piece[..most])) as u64;
    }
    Ok(())
}

fn holds_pattern(file: &OwnedMemFd, len: u64) -> Verdict {
    same!(file.len(), Ok(len));
    let mut piece = [0; PAGE];
    let mut done = 0;
    while done < len {
        let count = ok!(file.read_at(&mut piece, done));
        let right = (done..)
            .zip(&piece[..count])
            .all(|(at, byte)| *byte == kernel::pattern(at));
        holds!(right && count > 0, "wrong bytes after {done}");
        done += count as u64;
    }
    Ok(())
}

fn much_is_copied_whole(_: &World) -> Verdict {
    // More than a pipe, a socket and the buffer on the stack can hold, and not a multiple of any
    // of them.
    const LEN: u64 = (3 << 20) + 12_345;
    let source = OwnedFd::from(ok!(kernel::sealable()));
    write_pattern(&source, LEN)?;
    let source = raw::disguise(source);
    same!(source.seek(SeekFrom::Start(0)), Ok(0));
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&source, ALL), Ok(LEN));
    holds_pattern(&file, LEN)?;

    for make in [kernel::pipe, kernel::socket_pair] {
        let (read_end, write_end) = ok!(make());
        let writer = ok!(Child::start(Descriptors::Copied, || write_pattern(
            &write_end, LEN
        )));
        drop(write_end);
        let file = ok!(kernel::sealable());
        same!(file.copy_from(&read_end, ALL), Ok(LEN));
        holds_pattern(&file, LEN)?;
        writer.finish(children::PATIENCE)?;
    }
    Ok(())
}

fn a_file_copied_to_its_own_end_repeats(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let source = ok!(kernel::reopen(&file, OFlags::RDONLY));
    same!(file.seek(SeekFrom::End(0)), Ok(4));
    same!(file.copy_from(&source, 4), Ok(4));
    same!(kernel::holds_exactly(&file, b"01230123"), Ok(true));
    // More than the file held when the copy began.
    same!(file.copy_from(&source, 12), Ok(12));
    same!(
        kernel::holds_exactly(&file, b"01230123012301230123"),
        Ok(true)
    );
    Ok(())
}

fn a_file_copied_onto_itself_ends(_: &World) -> Verdict {
    // Reading and writing share one offset. The result is of no use, but the copy ends, and the
    // bytes before the offset stay.
    let file = ok!(kernel::holding(b"0123456789"));
    same!(file.seek(SeekFrom::Start(4)), Ok(4));
    let (Ok(done) | Err(TransferError { done, .. })) = file.copy_from(&file, 20);
    holds!(done <= 20);
    holds!(ok!(file.len()) <= 64);
    let mut start = [0; 4];
    ok!(file.read_exact_at(&mut start, 0));
    same!(&start, b"0123");
    Ok(())
}

fn an_appending_file_is_appended_to(_: &World) -> Verdict {
    // `sendfile` and `copy_file_range` reject a file that is opened for appending.
    let file = ok!(kernel::holding(b"0123"));
    ok!(kernel::set_status_flags(&file, OFlags::APPEND));
    same!(file.copy_from(ok!(kernel::holding(b"ab")), ALL), Ok(2));
    let (pipe, other_end) = ok!(pipe_with(b"cd"));
    drop(other_end);
    same!(file.copy_from(&pipe, ALL), Ok(2));
    same!(kernel::holds_exactly(&file, b"0123abcd"), Ok(true));
    Ok(())
}

/// Copies from a source of each kind. Each copy must fail with `error`, and each source must still
/// have its content.
fn takes_nothing(file: &OwnedMemFd, cause: TransferCause, proc: bool) -> Verdict {
    let stopped = Err(TransferError { done: 0, cause });
    let memory = ok!(kernel::holding(b"0123"));
    let mut buffer = [0; 4];
    same!(file.copy_from(&memory, ALL), stopped);
    same!(file.copy_from(&memory, 4), stopped);
    same!(memory.seek(SeekFrom::Current(0)), Ok(0));
    for source in [ok!(pipe_with(b"0123")), ok!(socket_with(b"0123"))] {
        let (read_end, _write_end) = source;
        same!(file.copy_from(&read_end, ALL), stopped);
        same!(kernel::read(&read_end, &mut buffer), Ok(4));
        same!(&buffer, b"0123");
    }
    if proc {
        let version = ok!(kernel::open(c"/proc/version", OFlags::RDONLY));
        same!(file.copy_from(&version, ALL), stopped);
        let program = ok!(kernel::program());
        same!(file.copy_from(&program, ALL), stopped);
    }
    Ok(())
}

fn a_sealed_file_takes_nothing_and_the_source_loses_nothing(world: &World) -> Verdict {
    for seal in [Seals::WRITE, Seals::FUTURE_WRITE] {
        if seal == Seals::FUTURE_WRITE && !world.future_write {
            continue;
        }
        let file = ok!(kernel::holding(b"sealed"));
        ok!(file.add_seals(seal));
        takes_nothing(&file, TransferCause::Sealed(seal), world.proc)?;
        same!(kernel::holds_exactly(&file, b"sealed"), Ok(true));
        // A copy of 0 bytes succeeds.
        same!(file.copy_from(ok!(kernel::holding(b"x")), 0), Ok(0));
    }
    Ok(())
}

fn a_file_that_cannot_be_written_takes_nothing_and_the_source_loses_nothing(
    world: &World,
) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"read only"));
    let reader = ok!(file.reopen_read_only());
    takes_nothing(&reader, TransferCause::ReadOnly, world.proc)?;
    same!(kernel::holds_exactly(&file, b"read only"), Ok(true));
    Ok(())
}

fn a_file_that_cannot_grow_takes_what_fits_or_nothing(world: &World) -> Verdict {
    // A source, and the writing end that keeps a stream from ending.
    type Source = fn() -> Result<(OwnedFd, OwnedFd), Errno>;
    let closed = || {
        let file = kernel::holding(b"----")?;
        file.add_seals(Seals::GROW)?;
        file.seek(SeekFrom::Start(2))?;
        Ok::<_, Errno>(file)
    };
    let sources: [Source; 3] = [
        || Ok((kernel::holding(b"abcd")?.into(), kernel::pipe()?.0)),
        || pipe_with(b"abcd"),
        || socket_with(b"abcd"),
    ];
    for source in sources {
        // A file takes what fits if it is asked for no more.
        let file = ok!(closed());
        let (read_end, _write_end) = ok!(source());
        same!(file.copy_from(&read_end, 2), Ok(2));
        same!(kernel::holds_exactly(&file, b"--ab"), Ok(true));

        let file = ok!(closed());
        let (read_end, write_end) = ok!(source());
        drop(write_end);
        let Err(TransferError { done, cause }) = file.copy_from(&read_end, ALL) else {
            fail!("four bytes are copied into room for two");
        };
        same!(cause, TransferCause::Sealed(Seals::GROW));
        let content: &[u8] = match done {
            0 => b"----",
            1 => b"--a-",
            2 => b"--ab",
            _ => fail!("{done} bytes are copied into room for two"),
        };
        same!(kernel::holds_exactly(&file, content), Ok(true));
        same!(file.seek(SeekFrom::Current(0)), Ok(2 + done));
    }
    if world.devices {
        let file = ok!(closed());
        let zero = ok!(kernel::open(c"/dev/zero", OFlags::RDONLY));
        refused!(
            file.copy_from(&zero, ALL),
            TransferError {
                done: 0..=2,
                cause: TransferCause::Sealed(Seals::GROW)
            }
        );
        same!(file.len(), Ok(4));
    }
    Ok(())
}

fn a_processs_limit_stops_it_with_the_right_count(world: &World) -> Verdict {
    ok!(raw::ignore(linux_raw_sys::general::SIGXFSZ));
    let memory = ok!(kernel::sealable());
    ok!(memory.set_len(20_000));
    ok!(kernel::limit(Resource::Fsize, 10_000));
    let stopped = Err(TransferError {
        done: 10_000,
        cause: TransferCause::Kernel(Errno::EFBIG),
    });
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&memory, ALL), stopped);
    same!(file.len(), Ok(10_000));
    // From a socket, the copy goes through a buffer. Only a part of that buffer fits.
    let (socket, _other_end) = ok!(socket_with(&[7; 12_000]));
    let file = ok!(kernel::sealable());
    same!(file.copy_from(&socket, ALL), stopped);
    same!(file.len(), Ok(10_000));
    if world.devices {
        let zero = ok!(kernel::open(c"/dev/zero", OFlags::RDONLY));
        let file = ok!(kernel::sealable());
        same!(file.copy_from(&zero, 30_000), stopped);
        same!(file.len(), Ok(10_000));
    }
    Ok(())
}

fn what_cannot_be_read_is_refused_with_the_kernels_reason(world: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let refused = |source: &OwnedFd, cause| {
        let stopped = TransferError { done: 0, cause };
        same!(file.copy_from(source, ALL), Err(stopped));
        same!(file.len(), Ok(0));
        Ok(())
    };
    let (_read_end, write_end) = ok!(kernel::pipe());
    refused(&write_end, TransferCause::WriteOnly)?;
    let root = ok!(kernel::open(c"/", OFlags::RDONLY));
    refused(&root, TransferCause::Kernel(Errno::EISDIR))?;
    let root = ok!(kernel::open(c"/", OFlags::PATH));
    refused(&root, TransferCause::Kernel(Errno::EBADF))?;
    needs!(world.proc, world::NO_PROC);
    let write_only = ok!(kernel::reopen(&ok!(kernel::holding(b"x")), OFlags::WRONLY));
    refused(&write_only, TransferCause::WriteOnly)
}

fn an_empty_pipe_that_does_not_wait_is_eagain(_: &World) -> Verdict {
    let (pipe, other_end) = ok!(pipe_with(b"0123"));
    ok!(kernel::set_status_flags(&pipe, OFlags::NONBLOCK));
    let file = ok!(kernel::sealable());
    let stopped = TransferError {
        done: 4,
        cause: TransferCause::Kernel(Errno::EAGAIN),
    };
    same!(file.copy_from(&pipe, ALL), Err(stopped));
    same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    // Without a writer, the pipe ends.
    drop(other_end);
    same!(file.copy_from(&pipe, ALL), Ok(0));
    Ok(())
}

fn an_interruption_comes_back_with_what_was_copied(_: &World) -> Verdict {
    const MEMFD: MemFdFlags = MemFdFlags::CLOEXEC;
    for make in [kernel::pipe, kernel::socket_pair] {
        let (read_end, write_end) = ok!(make());
        ok!(kernel::write(&write_end, b"0123"));
        let file = ok!(OwnedMemFd::create(c"copy", MEMFD));
        let alarms = ok!(Alarms::every(
            Duration::from_millis(100),
            Interrupted::Fails
        ));
        let stopped = TransferError {
            done: 4,
            cause: TransferCause::Kernel(Errno::EINTR),
        };
        same!(file.copy_from(&read_end, ALL), Err(stopped));
        holds!(alarms.count() > 0);
        drop(alarms);
        // The caller continues where the copy stopped.
        ok!(kernel::write(&write_end, b"4567"));
        drop(write_end);
        same!(file.copy_from(&read_end, ALL), Ok(4));
        same!(kernel::holds_exactly(&file, b"01234567"), Ok(true));
    }
    Ok(())
}
