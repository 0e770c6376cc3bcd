//! Writing a sealed file piece by piece, and reading one.

use super::{LARGE, SMALL, operations};
use crate::{
    checks::{NOT_SEALED, Named, THEY_HOLD_IT, THEY_SEALED, holds, same},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{CreateError, Errno, MemFdOptions, Reader, SealedMemFd, SeekFrom, Writer};

operations! { "stream":
    write, write_nothing, write_unbuffered, write_large, write_large_with_capacity,
    write_less_than_capacity, write_inherited, format, write_on_after_an_error, drop_writer, read,
    read_unbuffered, read_exact, fill_buf, seek,
}

/// What a file of our own that is not sealed yet can meet.
const OWN: &[Named] = &[
    NOT_SEALED,
    THEY_SEALED,
    THEY_HOLD_IT,
    Named::Fault(Errno::ENOSPC, "the kernel wrote nothing and gave no reason"),
    Named::Fault(Errno::EBUSY, "the file is not as long as what was written"),
];

/// Writes pieces of this size, and finishes.
fn write_pieces(
    trial: &mut Trial,
    options: MemFdOptions,
    room: usize,
    content: &[u8],
    piece: usize,
) -> Verdict {
    let mut buffer = vec![0; room];
    let made = trial.call(|| {
        let mut writer: Writer<'_> = options.writer("piecewise", &mut buffer)?;
        for piece in content.chunks(piece) {
            writer.write_all(piece)?;
        }
        writer.finish()
    });
    trial.judge(made, OWN, |sealed| trial.is_sealed(&sealed, content))
}

fn write(trial: &mut Trial) -> Verdict {
    write_pieces(trial, MemFdOptions::new(), 8, SMALL, 3)
}

fn write_nothing(trial: &mut Trial) -> Verdict {
    write_pieces(trial, MemFdOptions::new(), 8, b"", 1)
}

fn write_unbuffered(trial: &mut Trial) -> Verdict {
    write_pieces(trial, MemFdOptions::new(), 0, SMALL, 8)
}

fn write_large(trial: &mut Trial) -> Verdict {
    write_pieces(trial, MemFdOptions::new(), 64 * 1024, &LARGE, 500_000)
}

fn with_capacity(trial: &mut Trial, capacity: usize, content: &[u8]) -> Verdict {
    let mut buffer = vec![0; 64 * 1024];
    let options = MemFdOptions::new();
    let made = trial.call(|| {
        let mut writer = options.writer_with_capacity("piecewise", capacity, &mut buffer)?;
        for piece in content.chunks(500_000) {
            writer.write_all(piece)?;
        }
        writer.finish()
    });
    trial.judge(made, OWN, |sealed| trial.is_sealed(&sealed, content))
}

fn write_large_with_capacity(trial: &mut Trial) -> Verdict {
    with_capacity(trial, LARGE.len(), &LARGE)
}

/// What was made ready in vain is cut off.
fn write_less_than_capacity(trial: &mut Trial) -> Verdict {
    with_capacity(trial, 4 << 20, &LARGE)
}

fn write_inherited(trial: &mut Trial) -> Verdict {
    let options = MemFdOptions::new().close_on_exec(false);
    write_pieces(trial, options, 8, SMALL, 15)
}

fn format(trial: &mut Trial) -> Verdict {
    let mut buffer = [0; 8];
    let made = trial.call(|| {
        let mut writer = MemFdOptions::new().writer("formatted", &mut buffer)?;
        writer.write_fmt(format_args!("{}, {}", "hello", "stranger"))?;
        let (len, is_empty) = (writer.len(), writer.is_empty());
        writer.flush()?;
        Ok::<_, CreateError>((writer.finish()?, len, is_empty))
    });
    trial.judge(made, OWN, |(sealed, len, is_empty)| {
        same(
            (len, is_empty),
            (SMALL.len() as u64, false),
            "what was written",
        )?;
        trial.is_sealed(&sealed, SMALL)
    })
}

/// An error is final: no later call writes, and what lacks something is never sealed.
fn write_on_after_an_error(trial: &mut Trial) -> Verdict {
    let mut buffer = [0; 4];
    let (written, made) = trial.call(|| {
        let mut writer = match MemFdOptions::new().writer("piecewise", &mut buffer) {
            Ok(writer) => writer,
            Err(error) => return (Err(Errno::from(error)), Err(error)),
        };
        let mut written = Ok(());
        for piece in SMALL.chunks(3) {
            written = written.and(writer.write_all(piece));
        }
        (written, writer.finish())
    });
    if let (Err(first), Ok(_)) = (written, &made) {
        return Err(format!("finished after {first:?}"));
    }
    if let (Err(first), Err(last)) = (written, &made) {
        same(Errno::from(*last), first, "the error of finishing")?;
    }
    trial.judge(made, OWN, |sealed| trial.is_sealed(&sealed, SMALL))
}

fn drop_writer(trial: &mut Trial) -> Verdict {
    let mut buffer = [0; 4];
    let written = trial.call(|| {
        let mut writer = MemFdOptions::new().writer("piecewise", &mut buffer)?;
        writer.write_all(SMALL)?;
        Ok::<(), CreateError>(())
    });
    trial.judge(written, OWN, Ok)
}

/// Reads to the end, and demands that whatever was read are the bytes at the position.
fn read_pieces(trial: &mut Trial, room: usize) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut buffer = vec![0; room];
    let mut reader = sealed.reader(&mut buffer);
    let mut all = Vec::new();
    loop {
        let mut piece = [0xee; 4];
        let position = reader.position();
        same(position, all.len() as u64, "the position")?;
        match trial.call(|| reader.read(&mut piece)) {
            Ok(0) => break,
            Ok(count) => {
                trial.has_read(&piece, count, &SMALL[all.len()..])?;
                all.extend_from_slice(&piece[..count]);
            }
            Err(errno) => return trial.explains(errno, &[]),
        }
    }
    holds(all == SMALL || trial.has_short() || trial.has_lie(), || {
        format!("the end after {} bytes", all.len())
    })
}

fn read(trial: &mut Trial) -> Verdict {
    read_pieces(trial, 8)
}

fn read_unbuffered(trial: &mut Trial) -> Verdict {
    read_pieces(trial, 0)
}

fn read_exact(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut room = [0; 8];
    let mut buffer = [0xee; 15];
    let (read, position) = trial.call(|| {
        let mut reader: Reader<'_> = sealed.reader(&mut room);
        (reader.read_exact(&mut buffer), reader.position())
    });
    trial.goes_on(&read)?;
    match read {
        Ok(()) => trial.has_read(&buffer, buffer.len(), SMALL),
        Err(error) => {
            same(position, error.done, "the position")?;
            trial.has_read(&buffer, error.done as usize, SMALL)?;
            trial.explains(
                error,
                &[Named::Short(Errno::EIO, "a read of nothing is the end")],
            )
        }
    }
}

fn fill_buf(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut room = [0; 8];
    let mut reader = sealed.reader(&mut room);
    let filled = trial.call(|| reader.fill_buf().map(<[u8]>::to_vec));
    trial.judge(filled, &[], |bytes| {
        holds(SMALL.starts_with(&bytes), || format!("{bytes:?}"))
    })?;
    // It may be that nothing is in the buffer.
    trial.call(|| reader.consume(5));
    let position = trial.call(|| reader.position());
    holds(position == 5 || trial.has_fault(), || {
        format!("the position is {position}")
    })
}

fn seek(trial: &mut Trial) -> Verdict {
    let sealed: SealedMemFd = trial.sealed(SMALL)?;
    let mut room = [0; 8];
    let mut reader = sealed.reader(&mut room);
    let mut buffer = [0xee; 8];
    let read = trial.call(|| {
        reader.seek(SeekFrom::End(-8))?;
        reader.read(&mut buffer)
    });
    trial.judge(read, &[], |count| {
        trial.has_read(&buffer, count, b"stranger")
    })?;
    let before = reader.position();
    same(
        reader.seek(SeekFrom::Current(-100)),
        Err(Errno::EINVAL),
        "a negative position",
    )?;
    same(reader.position(), before, "the position stays")
}
