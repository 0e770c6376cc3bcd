//! What the feature `std` adds: child processes, and std's traits and types.

use super::{SMALL, operations};
use crate::{
    checks::{Named, content_of, holds, offset_of, ready, same},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{
    Errno, MemFdOptions, OwnedMemFd, SealedMemFd, VerifyError,
    exec::{ExecError, OwnedArgs},
    fd::{AsRawFd, OwnedFd, RawFd},
};
use std::{
    fs::File,
    io::{self, BufRead, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    process::{Command, Stdio},
};

operations! { "std":
    owned_args, pass_to, pass_to_as, pass_to_as_taken, pass_sealed_to, pass_sealed_to_as, spawn,
    spawn_script, spawn_no_program, spawn_with_variables, read, read_at, write, write_at, seek,
    write_sealed, writer, reader, stdio, take_file, take_sealed_file,
}

fn owned_args(trial: &mut Trial) -> Verdict {
    let made = trial.call(|| OwnedArgs::new(["program", "-v"]));
    let shown = format!("{:?}", ready(made)?);
    same(shown, r#"["program", "-v"]"#, "the arguments")?;
    let all = trial.call(|| (OwnedArgs::current(), OwnedArgs::environment()));
    trial.call(|| (all.0.as_args(), all.1.as_args()));
    let nul = trial.call(|| OwnedArgs::new(["a\0b"]).is_err());
    same(nul, true, "an argument with a NUL")
}

/// What is inside an error of std's.
fn errno_of(error: &io::Error) -> Errno {
    if let Some(number) = error.raw_os_error() {
        return Errno::from_raw_os_error(number);
    }
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ExecError>());
    cause.map_or(Errno::EINVAL, |cause| Errno::from(*cause))
}

fn judge<T>(
    trial: &Trial,
    result: io::Result<T>,
    named: &[Named],
    is_true: impl FnOnce(T) -> Verdict,
) -> Verdict {
    trial.judge(result.map_err(|error| errno_of(&error)), named, is_true)
}

/// That the file is what has this number in this process, where it is reserved.
fn is_reserved(trial: &Trial, number: RawFd) -> Verdict {
    let reserved = ready(File::open(format!("/proc/self/fd/{number}")))?;
    trial.same_bytes(&content_of(&reserved)?, SMALL, "the content")
}

fn pass_to(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mut command = Command::new("true");
    let passed = trial.call(|| file.pass_to(&mut command));
    judge(trial, passed, &[], |number| is_reserved(trial, number))
}

fn pass_to_as(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mut command = Command::new("true");
    let passed = trial.call(|| file.pass_to_as(&mut command, 77));
    judge(trial, passed, &[], |()| is_reserved(trial, 77))
}

fn pass_to_as_taken(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mut command = Command::new("true");
    let taken = file.as_raw_fd();
    let passed = trial.call(|| file.pass_to_as(&mut command, taken));
    let busy = [Named::Always(Errno::EBUSY, "the number is open")];
    judge(trial, passed, &busy, |()| {
        Err("the number of an open file was given".into())
    })
}

fn pass_sealed_to(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut command = Command::new("true");
    let passed = trial.call(|| sealed.pass_to(&mut command));
    judge(trial, passed, &[], |number| is_reserved(trial, number))
}

fn pass_sealed_to_as(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut command = Command::new("true");
    let passed = trial.call(|| sealed.pass_to_as(&mut command, 77));
    judge(trial, passed, &[], |()| is_reserved(trial, 77))
}

/// Starts a child, and demands that it ends well.
fn spawn_content(trial: &mut Trial, content: &[u8], named: &[Named]) -> Verdict {
    let options = MemFdOptions::new().executable(true);
    let sealed = ready(options.copy_from_slice("program", content))?;
    let env = OwnedArgs::environment();
    let mut command = Command::new("true");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let spawned = trial.call(|| sealed.spawn(command, env));
    let unproven = [
        Named::Fault(Errno::EFBIG, "the file may be longer than was proven"),
        Named::Fault(Errno::EINVAL, "the file seems to be on huge pages"),
        Named::Fault(
            Errno::ENOENT,
            "it does not seem to be a script, whose descriptor stays open",
        ),
        Named::Race(Errno::EACCES, "another process has changed the mode"),
        Named::Race(Errno::ETXTBSY, "another process has it open for writing"),
    ];
    judge(trial, spawned, &[named, &unproven].concat(), |mut child| {
        let status = ready(child.wait())?;
        holds(status.success(), || {
            format!("the child ended with {status}")
        })
    })
}

fn spawn(trial: &mut Trial) -> Verdict {
    spawn_content(trial, &ready(std::fs::read("/bin/true"))?, &[])
}

fn spawn_script(trial: &mut Trial) -> Verdict {
    spawn_content(trial, b"#!/bin/true\n", &[])
}

fn spawn_no_program(trial: &mut Trial) -> Verdict {
    spawn_content(
        trial,
        SMALL,
        &[Named::Always(Errno::ENOEXEC, "it is no program")],
    )
}

fn spawn_with_variables(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut command = Command::new("true");
    command.env("A", "b");
    let spawned = trial.call(|| sealed.spawn(command, OwnedArgs::environment()));
    let rejected = [Named::Always(
        Errno::EINVAL,
        "the command has variables of its own",
    )];
    judge(trial, spawned, &rejected, |_| {
        Err("the command's variables are lost".into())
    })
}

/// The shared offset can be where no byte can be, and the file can be sealed.
const THEY_MEDDLED: [Named; 2] = [
    Named::Race(
        Errno::EINVAL,
        "another process has moved the offset to the end of all offsets",
    ),
    Named::Race(Errno::EPERM, "another process has sealed the file"),
];

fn read(trial: &mut Trial) -> Verdict {
    let mut file = trial.file(SMALL)?;
    let mut buffer = [0xee; 5];
    let read = trial.call(|| Read::read(&mut file, &mut buffer));
    judge(trial, read, &THEY_MEDDLED, |count| {
        trial.has_read(&buffer, count, SMALL)
    })?;
    let mut text = Vec::new();
    let read = trial.call(|| file.read_to_end(&mut text));
    judge(trial, read, &THEY_MEDDLED, |_| {
        holds(SMALL.ends_with(&text) || trial.may_differ(), || {
            format!("{text:?}")
        })
    })
}

fn read_at(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut buffer = [0xee; 32];
    let read = trial.call(|| FileExt::read_at(&sealed, &mut buffer, 7));
    judge(trial, read, &[], |count| {
        trial.has_read(&buffer, count, &SMALL[7..])
    })
}

fn write(trial: &mut Trial) -> Verdict {
    let mut file = trial.file(b"")?;
    let written = trial.call(|| Write::write_all(&mut file, SMALL));
    let reason = Named::Fault(Errno::ENOSPC, "the kernel wrote nothing and gave no reason");
    // Why, is in an error of the library's, of which only the kind is known here.
    let sealed = Named::Race(Errno::EINVAL, "another process has sealed the file");
    judge(
        trial,
        written,
        &[&THEY_MEDDLED[..], &[reason, sealed]].concat(),
        |()| trial.contains(&file, SMALL),
    )
}

fn write_at(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"")?;
    let written = trial.call(|| FileExt::write_at(&file, SMALL, 0));
    judge(trial, written, &THEY_MEDDLED, |count| {
        trial.contains(&file, SMALL.get(..count).unwrap_or_default())
    })
}

fn seek(trial: &mut Trial) -> Verdict {
    let mut file = trial.file(SMALL)?;
    let sought = trial.call(|| Seek::seek(&mut file, SeekFrom::End(-1)));
    judge(trial, sought, &THEY_MEDDLED, |offset| {
        holds(offset == 14 || trial.may_differ(), || format!("{offset}"))
    })
}

fn write_sealed(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let written = trial.call(|| FileExt::write_at(&sealed, b"x", 0));
    let is_sealed = [Named::Always(Errno::EPERM, "it is sealed")];
    judge(trial, written, &is_sealed, |count| {
        holds(count == 0 || trial.has_lie(), || {
            "a sealed file was written".into()
        })
    })?;
    trial.is_sealed(&sealed, SMALL)
}

fn writer(trial: &mut Trial) -> Verdict {
    let mut buffer = [0; 4];
    let made = trial.call(|| {
        let mut writer = MemFdOptions::new().writer("piecewise", &mut buffer)?;
        Write::write_all(&mut writer, &SMALL[..7])?;
        Write::write_fmt(&mut writer, format_args!("{}", "stranger"))?;
        Write::flush(&mut writer)?;
        Ok(writer.finish()?)
    });
    let named = [
        Named::Fault(Errno::ENOSPC, "the kernel wrote nothing and gave no reason"),
        Named::Fault(Errno::EINVAL, "the file could not be verified"),
        Named::Fault(Errno::EBUSY, "the file is not as long as what was written"),
        Named::Race(
            Errno::EINVAL,
            "another process has sealed the file, or maps it",
        ),
        Named::Race(Errno::EBUSY, "another process has changed its length"),
    ];
    judge(
        trial,
        made,
        &[&THEY_MEDDLED[..], &named].concat(),
        |sealed| trial.is_sealed(&sealed, SMALL),
    )
}

fn reader(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut room = [0; 8];
    let mut reader = sealed.reader(&mut room);
    let mut text = Vec::new();
    let read = trial.call(|| {
        Seek::seek(&mut reader, SeekFrom::Start(2))?;
        let consumed = BufRead::fill_buf(&mut reader)?.len().min(5);
        BufRead::consume(&mut reader, consumed);
        reader.read_to_end(&mut text)
    });
    judge(trial, read, &[], |_| {
        holds(text == SMALL[7..] || trial.has_fault(), || {
            format!("{text:?}")
        })
    })
}

/// Gives the file to a child from its start.
fn stdio(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    ready(file.seek(owned_memfd::SeekFrom::End(0)))?;
    let sealed = ready(file.seal())?;
    let clone = ready(sealed.try_clone())?;
    let stdio = trial.call(|| Stdio::from(sealed));
    let offset = offset_of(&clone)?;
    drop(stdio);
    // Nobody can be told that it could not be moved.
    holds(
        offset == 0 || trial.has_fault() || trial.has_company(),
        || format!("the child begins at {offset}"),
    )
}

/// What was taken or comes back is the same descriptor.
fn is_taken<T: AsRawFd>(
    trial: &Trial,
    taken: Result<T, VerifyError<File>>,
    number: i32,
) -> Verdict {
    match taken {
        Ok(taken) => {
            same(taken.as_raw_fd(), number, "the descriptor")?;
            Ok(())
        }
        Err(error) => {
            trial.came_back(error.get_ref(), number)?;
            let named = [
                Named::Fault(Errno::EINVAL, "it seems to be no memory file"),
                Named::Fault(Errno::EPERM, "the seals are missing"),
            ];
            trial.explains(error, &named)
        }
    }
}

fn take_file(trial: &mut Trial) -> Verdict {
    let file = File::from(trial.file(SMALL)?);
    let number = file.as_raw_fd();
    let taken = trial.call(|| OwnedMemFd::try_from(file));
    is_taken(trial, taken, number)
}

fn take_sealed_file(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let file = trial.call(|| File::from(OwnedFd::from(sealed)));
    let number = file.as_raw_fd();
    let taken = trial.call(|| SealedMemFd::try_from(file));
    is_taken(trial, taken, number)
}
