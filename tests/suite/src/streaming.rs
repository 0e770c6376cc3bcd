//! Claims about streams: writing a sealed file piece by piece, and reading one.

use crate::{
    Verdict, World, attacks,
    children::{self, Supervisor},
    claim::Text,
    kernel::{self, PAGE},
    raw::{self, Response, Which},
    world::{self, EXTENT},
};
use core::fmt::{self, Write};
use owned_memfd::{
    CreateError, Errno, HugePageSize, MemFdOptions, OwnedMemFd, SealedMemFd, Seals, SeekFrom,
    TransferCause, TransferError, Writer,
    fd::{AsRawFd, OwnedFd},
};
use rustix::{fs::OFlags, process::Resource};

claims!(
    pieces_of_any_size_make_the_same_file,
    a_flush_in_between_changes_nothing,
    a_writer_without_pieces_makes_an_empty_file,
    a_writer_keeps_to_its_options,
    a_writer_writes_in_pieces_of_its_buffer,
    an_interrupted_writer_carries_on,
    the_first_error_is_the_last_one,
    an_error_of_what_was_buffered_is_that_of_finish,
    a_text_that_cannot_be_written_has_a_cause,
    a_text_that_is_an_error_itself_ends_nothing,
    a_writer_stops_at_the_processs_limit,
    a_writer_that_is_dropped_leaves_nothing,
    a_file_on_huge_pages_has_no_writer,
    a_written_file_whose_length_is_changed_is_refused,
    a_writer_has_no_offset_to_mind,
    a_stream_shows_how_far_it_is,
    reads_of_any_size_give_the_same_bytes,
    a_reader_reads_in_pieces_of_its_buffer,
    an_interrupted_read_carries_on_until_it_is_exact,
    a_reader_ends_at_what_was_proven,
    a_reader_has_no_offset_to_mind,
    a_reader_goes_where_it_is_told,
    a_place_within_the_buffer_is_not_read_again,
    a_reader_without_a_buffer_reads_and_lends_nothing,
    what_is_open_only_for_writing_is_not_read,
);

const LEN: usize = 10_000;

fn content() -> [u8; LEN] {
    core::array::from_fn(|at| kernel::pattern(at as u64))
}

/// Writes the content in pieces of this size, and flushes after each that `flushes` says.
fn written(
    buffer: &mut [u8],
    piece: usize,
    flushes: impl Fn(usize) -> bool,
) -> Result<SealedMemFd, CreateError> {
    let mut writer = MemFdOptions::new().writer(c"suite", buffer)?;
    let mut len = 0;
    for (index, piece) in content().chunks(piece).enumerate() {
        writer.write_all(piece)?;
        if flushes(index) {
            writer.flush()?;
        }
        len += piece.len() as u64;
        if writer.len() != len || writer.is_empty() {
            return Err(Errno::EIO.into());
        }
    }
    writer.finish()
}

const PIECES: [usize; 12] = [1, 3, 7, 8, 9, 99, 100, 101, 4095, 4096, 4097, LEN];
const BUFFERS: [usize; 9] = [0, 1, 2, 7, 8, 100, 4096, 5000, LEN + 1];

fn pieces_of_any_size_make_the_same_file(_: &World) -> Verdict {
    let mut buffer = [0; LEN + 1];
    for piece in PIECES {
        for size in BUFFERS {
            let sealed = ok!(written(&mut buffer[..size], piece, |_| false));
            same!(sealed.len(), LEN);
            same!(kernel::holds_exactly(&sealed, &content()), Ok(true));
            let all = Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL;
            holds!(ok!(sealed.seals()).contains(all));
        }
    }
    Ok(())
}

fn a_flush_in_between_changes_nothing(world: &World) -> Verdict {
    let mut buffer = [0; LEN + 1];
    for size in BUFFERS {
        for every in [1, 2, 5] {
            let sealed = ok!(written(&mut buffer[..size], 99, |index| index % every == 0));
            same!(kernel::holds_exactly(&sealed, &content()), Ok(true));
        }
    }
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let supervisor = Supervisor::of(PWRITE, &[])?;
    ok!(written(&mut buffer[..LEN], 99, |_| true));
    // Only the whole buffer was written.
    same!(supervisor.calls(), 1);
    Ok(())
}

fn a_writer_without_pieces_makes_an_empty_file(_: &World) -> Verdict {
    for capacity in [0, 1, 5 << 20, usize::MAX] {
        let mut buffer = [0; 8];
        let options = MemFdOptions::new();
        let mut writer = ok!(options.writer_with_capacity("suite", capacity, &mut buffer));
        holds!(writer.is_empty());
        ok!(writer.write_all(b""));
        ok!(writer.flush());
        let sealed = ok!(writer.finish());
        same!(sealed.len(), 0);
        same!(attacks::allocated(&sealed), Ok(0));
    }
    Ok(())
}

fn a_writer_keeps_to_its_options(world: &World) -> Verdict {
    let number = ok!(attacks::next_number());
    let close_on_exec = || attacks::borrow(number, kernel::close_on_exec);
    for inherited in [false, true] {
        let options = MemFdOptions::new()
            .close_on_exec(!inherited)
            .sealable(false);
        let mut buffer = [0; 8];
        let mut writer = ok!(options.writer(c"suite", &mut buffer));
        ok!(writer.write_all(b"0123456789"));
        // Whoever is executed now cannot write it.
        same!(close_on_exec(), Ok(true));
        let sealed = ok!(writer.finish());
        same!(sealed.as_raw_fd(), number);
        same!(close_on_exec(), Ok(!inherited));
        holds!(ok!(sealed.seals()).contains(Seals::SEAL | Seals::WRITE));
        same!(kernel::mode(&sealed), Ok(0o666));
    }
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let options = MemFdOptions::new().executable(true);
    let sealed = ok!(ok!(options.writer(c"suite", &mut [])).finish());
    same!(kernel::mode(&sealed), Ok(0o777));
    let sealed = ok!(options.copy_from_slice(c"suite", b"x"));
    same!(kernel::mode(&sealed), Ok(0o777));
    Ok(())
}

const PWRITE: Which = Which::All(sc::nr::PWRITE64);
const PREAD: Which = Which::All(sc::nr::PREAD64);

fn a_writer_writes_in_pieces_of_its_buffer(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let supervisor = Supervisor::of(PWRITE, &[])?;
    let mut buffer = [0; 100];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    let mut takes = |len: usize, calls: u32| {
        let before = supervisor.calls();
        ok!(writer.write_all(&[7; LEN][..len]));
        same!(supervisor.calls() - before, calls);
        Ok(())
    };
    takes(99, 0)?;
    // What fills the buffer is written.
    takes(1, 1)?;
    // A large piece is written as it is, but for the rest.
    takes(5050, 1)?;
    takes(40, 0)?;
    // First the buffer.
    takes(1010, 2)?;
    takes(100, 1)?;
    let before = supervisor.calls();
    let sealed = ok!(writer.finish());
    same!(supervisor.calls() - before, 0);
    same!(sealed.len(), 6300);
    // Without a buffer, each piece is written.
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut []));
    for _ in 0..3 {
        let before = supervisor.calls();
        ok!(writer.write_all(b"x"));
        same!(supervisor.calls() - before, 1);
    }
    Ok(())
}

fn an_interrupted_writer_carries_on(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    // The kernel reports 3 bytes, and really writes the rest.
    let responses = [
        Response::Error(Errno::EINTR),
        Response::Value(3),
        Response::Error(Errno::EINTR),
    ];
    let supervisor = Supervisor::of(PWRITE, &responses)?;
    let mut buffer = [0; 8];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(writer.write_all(b"0123"));
    same!(supervisor.calls(), 0);
    let sealed = ok!(writer.finish());
    same!(supervisor.calls(), 4);
    same!(kernel::holds_exactly(&sealed, b"\0\0\x003"), Ok(true));
    Ok(())
}

/// Every call fails with this error and writes nothing.
fn has_failed(mut writer: Writer<'_>, error: Errno) -> Verdict {
    same!(writer.write_all(b"x"), Err(error));
    same!(writer.write_all(b""), Err(error));
    same!(writer.write_all(&[7; LEN]), Err(error));
    same!(writer.flush(), Err(error));
    holds!(writer.write_str("x").is_err());
    same!((writer.len(), writer.is_empty()), (0, true));
    same!(writer.finish().err(), Some(CreateError::Kernel(error)));
    Ok(())
}

fn the_first_error_is_the_last_one(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let before = kernel::open_descriptors();
    for error in [
        Errno::ENOSPC,
        Errno::EPERM,
        Errno::EFBIG,
        Errno::from_raw_os_error(4095),
    ] {
        for size in [0, 1, 8, 100] {
            children::apart(|| {
                // Nothing but the first call fails, and there is no second one.
                let supervisor = Supervisor::of(PWRITE, &[Response::Error(error)])?;
                let mut buffer = [0; 100];
                let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer[..size]));
                same!(writer.write_all(&[7; 101]), Err(error));
                has_failed(writer, error)?;
                same!(supervisor.calls(), 1);
                Ok(())
            })?;
        }
    }
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn an_error_of_what_was_buffered_is_that_of_finish(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    ok!(raw::refuse(PWRITE, Errno::ENOSPC));
    let before = kernel::open_descriptors();
    let mut buffer = [0; 8];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(writer.write_all(b"0123"));
    same!(
        writer.finish().err(),
        Some(CreateError::Kernel(Errno::ENOSPC))
    );
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn a_text_that_cannot_be_written_has_a_cause(world: &World) -> Verdict {
    let mut buffer = [0; 8];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    holds!(write!(writer, "{}-{:>20}-true", 12, "é").is_ok());
    let sealed = ok!(writer.finish());
    let text = "12-                   é-true";
    same!(kernel::holds_exactly(&sealed, text.as_bytes()), Ok(true));
    needs!(world.filters, world::NO_FILTERS);
    ok!(raw::refuse(PWRITE, Errno::ENOSPC));
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    same!(write!(writer, "{text}"), Err(Errno::ENOSPC));
    same!(writeln!(writer), Err(Errno::ENOSPC));
    has_failed(writer, Errno::ENOSPC)
}

fn a_text_that_is_an_error_itself_ends_nothing(_: &World) -> Verdict {
    struct Wrong;
    impl fmt::Display for Wrong {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a part")?;
            Err(fmt::Error)
        }
    }
    let mut buffer = [0; 8];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    same!(write!(writer, "{Wrong}, not this"), Err(Errno::EINVAL));
    ok!(writeln!(writer, " and more"));
    let sealed = ok!(writer.finish());
    same!(
        kernel::holds_exactly(&sealed, b"a part and more\n"),
        Ok(true)
    );
    Ok(())
}

fn a_writer_stops_at_the_processs_limit(_: &World) -> Verdict {
    ok!(raw::ignore(linux_raw_sys::general::SIGXFSZ));
    ok!(kernel::limit(Resource::Fsize, 1000));
    let mut buffer = [0; 99];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(writer.write_all(&[7; 1000]));
    same!(ok!(writer.finish()).len(), 1000);
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(writer.write_all(&[7; 1001]));
    let refused = writer.finish().err();
    same!(refused, Some(CreateError::Kernel(Errno::EFBIG)));
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    same!(writer.write_all(&[7; 1090]), Err(Errno::EFBIG));
    has_failed(writer, Errno::EFBIG)
}

fn a_writer_that_is_dropped_leaves_nothing(_: &World) -> Verdict {
    let before = kernel::open_descriptors();
    let mut buffer = [0; 8];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(writer.write_all(b"0123456789"));
    holds!(kernel::open_descriptors() != before);
    drop(writer);
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn a_file_on_huge_pages_has_no_writer(world: &World) -> Verdict {
    if world.filters {
        // No call is made.
        ok!(raw::refuse(Which::All(sc::nr::MEMFD_CREATE), Errno::EIO));
    }
    let options = MemFdOptions::new().huge_pages(HugePageSize::DEFAULT);
    let mut buffer = [0; 8];
    let refused = options.writer(c"suite", &mut buffer).err();
    same!(refused, Some(CreateError::WriteOnHugePages));
    Ok(())
}

fn a_written_file_whose_length_is_changed_is_refused(_: &World) -> Verdict {
    let number = ok!(attacks::next_number());
    // With a capacity, the file was lengthened beyond what was written.
    for capacity in [0, 2 * EXTENT] {
        for len in [0, 3, 5, 1 << 20, 2 * EXTENT, 2 * EXTENT + 4] {
            let options = MemFdOptions::new();
            let mut writer = ok!(options.writer_with_capacity(c"suite", capacity, &mut []));
            ok!(writer.write_all(b"0123"));
            ok!(attacks::borrow(number, |fd| kernel::truncate(
                fd, len as u64
            )));
            let refused = writer.finish().err();
            let busy = Some(CreateError::Kernel(Errno::EBUSY));
            same!((capacity, len, refused), (capacity, len, busy));
        }
    }
    Ok(())
}

fn a_writer_has_no_offset_to_mind(_: &World) -> Verdict {
    let number = ok!(attacks::next_number());
    let mut buffer = [0; 3];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(writer.write_all(b"0123"));
    let other: OwnedMemFd = raw::disguise(ok!(attacks::borrow(number, kernel::dup)));
    same!(other.seek(SeekFrom::Current(0)), Ok(0));
    same!(other.seek(SeekFrom::Start(9)), Ok(9));
    ok!(writer.write_all(b"45678"));
    let sealed = ok!(writer.finish());
    same!(kernel::holds_exactly(&sealed, b"012345678"), Ok(true));
    same!(other.seek(SeekFrom::Current(0)), Ok(9));
    Ok(())
}

fn a_stream_shows_how_far_it_is(_: &World) -> Verdict {
    let mut buffer = [0; 4];
    let mut writer = ok!(MemFdOptions::new().writer(c"suite", &mut buffer));
    ok!(writer.write_all(b"12345"));
    let shown = Text::of(format_args!("{writer:?}"));
    holds!(shown.as_str().starts_with("Writer { file: "), "{shown:?}");
    holds!(shown.as_str().contains("progress: Ok(5)"), "{shown:?}");
    let sealed = ok!(writer.finish());
    let mut reader = sealed.reader(&mut buffer);
    // More than its buffer holds.
    ok!(reader.read_exact(&mut [0; 5]));
    let shown = Text::of(format_args!("{reader:?}"));
    holds!(shown.as_str().starts_with("Reader { file: "), "{shown:?}");
    holds!(shown.as_str().contains("position: 5"), "{shown:?}");
    Ok(())
}

fn reads_of_any_size_give_the_same_bytes(_: &World) -> Verdict {
    let content = content();
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &content));
    let mut buffer = [0; LEN + 1];
    for size in BUFFERS {
        for piece in PIECES {
            let mut reader = sealed.reader(&mut buffer[..size]);
            let (mut bytes, mut done) = ([0; LEN], 0);
            loop {
                same!(reader.position(), done as u64);
                let end = LEN.min(done + piece);
                let count = ok!(reader.read(&mut bytes[done..end]));
                if count == 0 {
                    break;
                }
                done += count;
            }
            holds!(done == LEN && bytes == content, "{size}, {piece}");
            let mut reader = sealed.reader(&mut buffer[..size]);
            let mut bytes = [0; LEN];
            for piece in bytes.chunks_mut(piece) {
                ok!(reader.read_exact(piece));
            }
            holds!(bytes == content, "{size}, {piece}");
            // At the end, nothing more.
            same!(reader.read(&mut [0; 9]), Ok(0));
            let ended = TransferError {
                done: 0,
                cause: TransferCause::EndOfFile,
            };
            same!(reader.read_exact(&mut [0]), Err(ended));
            ok!(reader.read_exact(&mut []));
        }
    }
    let mut reader = sealed.reader(&mut buffer[..100]);
    ok!(reader.seek(SeekFrom::End(-3)));
    let ended = TransferError {
        done: 3,
        cause: TransferCause::EndOfFile,
    };
    same!(reader.read_exact(&mut [0; 4]), Err(ended));
    Ok(())
}

fn a_reader_reads_in_pieces_of_its_buffer(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let content = content();
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &content));
    let supervisor = Supervisor::of(PREAD, &[])?;
    let mut buffer = [0; 1000];
    let mut reader = sealed.reader(&mut buffer);
    let mut reads = |len: usize, calls: u32| {
        let before = supervisor.calls();
        let mut bytes = [0; LEN];
        let at = reader.position() as usize;
        ok!(reader.read_exact(&mut bytes[..len]));
        same!(supervisor.calls() - before, calls);
        holds!(bytes[..len] == content[at..at + len]);
        Ok(())
    };
    reads(1, 1)?;
    reads(999, 0)?;
    // A large read goes to the caller, after what is in the buffer.
    reads(3000, 1)?;
    reads(500, 1)?;
    reads(2500, 1)?;
    reads(1, 1)?;
    Ok(())
}

fn an_interrupted_read_carries_on_until_it_is_exact(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"0123"));
    for size in [0, 2, 100] {
        children::apart(|| {
            let interrupted = Response::Error(Errno::EINTR);
            let _supervisor = Supervisor::of(PREAD, &[interrupted, interrupted])?;
            let mut buffer = [0; 100];
            let mut reader = sealed.reader(&mut buffer[..size]);
            let mut bytes = [0; 4];
            same!(reader.read(&mut bytes), Err(Errno::EINTR));
            ok!(reader.read_exact(&mut bytes));
            same!(&bytes, b"0123");
            Ok(())
        })?;
    }
    Ok(())
}

fn a_reader_ends_at_what_was_proven(_: &World) -> Verdict {
    let (sealed, sender) = ok!(attacks::growable(b"0123"));
    ok!(sender.set_len(PAGE as u64));
    let mut buffer = [0; 64];
    for size in [0, 1, 3, 4, 5, 64] {
        let mut reader = sealed.reader(&mut buffer[..size]);
        let mut bytes = [9; 8];
        let mut done = 0;
        while let count @ 1.. = ok!(reader.read(&mut bytes[done..])) {
            done += count;
        }
        same!((done, &bytes), (4, b"0123\x09\x09\x09\x09"));
        same!(reader.seek(SeekFrom::End(0)), Ok(4));
        same!(reader.seek(SeekFrom::End(1)), Ok(5));
        same!(reader.read(&mut bytes), Ok(0));
    }
    Ok(())
}

fn a_reader_has_no_offset_to_mind(_: &World) -> Verdict {
    let sender = ok!(kernel::holding(b"0123456789"));
    let other = ok!(sender.try_clone());
    let sealed = ok!(sender.seal());
    let mut buffer = [0; 3];
    let mut reader = sealed.reader(&mut buffer);
    let mut bytes = [0; 10];
    for (index, byte) in bytes.iter_mut().enumerate() {
        same!(other.seek(SeekFrom::Start(7)), Ok(7));
        ok!(reader.read_exact(core::slice::from_mut(byte)));
        same!(reader.position(), index as u64 + 1);
        same!(other.seek(SeekFrom::Current(0)), Ok(7));
    }
    same!(&bytes, b"0123456789");
    Ok(())
}

fn a_reader_goes_where_it_is_told(_: &World) -> Verdict {
    let content = content();
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &content));
    let mut buffer = [0; 100];
    for size in [0, 1, 7, 100] {
        let mut reader = sealed.reader(&mut buffer[..size]);
        let (mut at, mut seed) = (0_usize, 1_usize);
        // Places near and far, each way to name them, and reads of less and of more than a buffer.
        for step in 0..5000_usize {
            seed = seed.wrapping_mul(0x5_deec_e66d).wrapping_add(11);
            let chosen = (seed >> 24) % 30_000;
            let to = match chosen % 5 {
                0 | 1 => at.saturating_sub(chosen % 150),
                2 => (at + chosen % 99).min(LEN),
                3 => at,
                _ => chosen % LEN,
            };
            let told = match step % 4 {
                0 => SeekFrom::Start(to as u64),
                1 => SeekFrom::End(to as i64 - LEN as i64),
                _ => SeekFrom::Current(to as i64 - at as i64),
            };
            same!(reader.seek(told), Ok(to as u64));
            let mut bytes = [0; 150];
            let len = (chosen / 5 % 150).min(LEN - to);
            ok!(reader.read_exact(&mut bytes[..len]));
            holds!(bytes[..len] == content[to..to + len], "{size}, {step}");
            at = to + len;
            same!(reader.position(), at as u64);
        }
        for beyond in [SeekFrom::Start(u64::MAX), SeekFrom::Start(1 << 63)] {
            same!(reader.seek(beyond), Err(Errno::EINVAL));
        }
        for beyond in [i64::MIN, -1 - at as i64, i64::MAX] {
            same!(reader.seek(SeekFrom::Current(beyond)), Err(Errno::EINVAL));
        }
        same!(
            reader.seek(SeekFrom::End(-1 - LEN as i64)),
            Err(Errno::EINVAL)
        );
        // It stays where it was.
        same!(reader.position(), at as u64);
        same!(
            reader.seek(SeekFrom::Start(i64::MAX as u64)),
            Ok(i64::MAX as u64)
        );
        same!(reader.read(&mut [0; 9]), Ok(0));
    }
    Ok(())
}

fn a_place_within_the_buffer_is_not_read_again(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &content()));
    let supervisor = Supervisor::of(PREAD, &[])?;
    let mut buffer = [0; 100];
    let mut reader = sealed.reader(&mut buffer);
    ok!(reader.seek(SeekFrom::Start(1000)));
    for (to, calls) in [(1000, 1), (1099, 1), (1050, 1), (1100, 2), (1099, 3)] {
        ok!(reader.seek(SeekFrom::Start(to)));
        let mut byte = [0];
        ok!(reader.read_exact(&mut byte));
        same!(byte[0], kernel::pattern(to));
        same!((to, supervisor.calls()), (to, calls));
    }
    Ok(())
}

fn a_reader_without_a_buffer_reads_and_lends_nothing(_: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"0123456789"));
    let mut reader = sealed.reader(&mut []);
    same!(reader.fill_buf(), Err(Errno::EINVAL));
    reader.consume(5);
    same!(reader.position(), 0);
    let mut bytes = [0; 4];
    same!(reader.read(&mut bytes), Ok(4));
    same!(&bytes, b"0123");
    let mut buffer = [0; 4];
    let mut reader = sealed.reader(&mut buffer);
    let mut seen = 0;
    for lent in [b"0123".as_slice(), b"123", b"4567", b"89", b"", b""] {
        same!(reader.fill_buf(), Ok(lent));
        // More than is there is all there is.
        let count = if lent == b"0123" { 1 } else { usize::MAX };
        reader.consume(count);
        seen += count.min(lent.len());
        same!(reader.position(), seen as u64);
    }
    Ok(())
}

fn what_is_open_only_for_writing_is_not_read(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let writer: OwnedFd = ok!(kernel::reopen(&file, OFlags::WRONLY));
    ok!(file.seal());
    let sealed = ok!(SealedMemFd::verify(writer, 4));
    let mut buffer = [0; 2];
    let mut reader = sealed.reader(&mut buffer);
    same!(reader.read(&mut [0]), Err(Errno::EBADF));
    same!(reader.fill_buf(), Err(Errno::EBADF));
    let stopped = TransferError {
        done: 0,
        cause: TransferCause::WriteOnly,
    };
    same!(reader.read_exact(&mut [0; 4]), Err(stopped));
    Ok(())
}
