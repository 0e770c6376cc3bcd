//! Executing a memory file. Each of these files is one that the kernel does not execute, or gets
//! more arguments than it takes, so that each call returns.
#![allow(unsafe_code)]

use super::{SMALL, operations};
use crate::{
    checks::{Named, holds, ready},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{
    Errno, MemFdOptions, OwnedMemFd, SealedMemFd, Seals,
    exec::{self, Arg, Args},
};
use std::ffi::CString;

operations! { "exec":
    args, exec_text, exec_script, exec_truncated, exec_too_many_arguments, exec_sealed,
    exec_longer, check_exec, check_exec_sealed, ensure_sealed,
}

const NAME: [Option<Arg<'static>>; 2] = [Some(Arg::new(c"program")), None];

/// An executable file with this content.
fn program(content: &[u8]) -> Result<OwnedMemFd, String> {
    let file = ready(MemFdOptions::new().executable(true).create(c"program"))?;
    ready(file.write_all_at(content, 0))?;
    Ok(file)
}

fn arguments() -> Result<Args<'static>, String> {
    ready(Args::new(&NAME).ok_or("a list that ends"))
}

/// What the kernel is asked about a file that it has not executed.
const UNEXPLAINED: [Named; 3] = [
    Named::Fault(Errno::ENOENT, "an interpreter, or /dev/fd, is missing"),
    Named::Fault(Errno::EINVAL, "the file seems to be on huge pages"),
    Named::Fault(
        Errno::ENOEXEC,
        "executed through /proc, it is no program either",
    ),
];
const NO_PROGRAM: Named = Named::Always(Errno::ENOEXEC, "it is no program");
const THEY_CHANGED_THE_MODE: Named =
    Named::Race(Errno::EACCES, "another process has changed the mode");
/// A writer that is not the one who created it.
const THEY_WRITE: Named = Named::Race(Errno::ETXTBSY, "another process has it open for writing");

fn args(trial: &mut Trial) -> Verdict {
    let list = trial.call(|| [Some(Arg::new(c"a")), None]);
    let made = trial.call(|| Args::new(&list).is_some());
    let endless = trial.call(|| Args::new(&list[..1]).is_none());
    let pointers = [c"a".as_ptr(), std::ptr::null()];
    // SAFETY: C strings that end in null, and live longer.
    let taken = trial.call(|| unsafe { Args::from_ptr(pointers.as_ptr()) });
    holds(made && endless, || {
        format!("only a list that ends is one: {taken:?}")
    })
}

fn exec_file(trial: &mut Trial, content: &[u8], named: &[Named]) -> Verdict {
    let file = program(content)?;
    // What another process lengthens may become a program that runs.
    ready(file.add_seals(Seals::GROW))?;
    let args = arguments()?;
    let Err(error) = trial.call(|| file.exec(args, Args::EMPTY));
    let all = [named, &UNEXPLAINED, &[THEY_CHANGED_THE_MODE, THEY_WRITE]].concat();
    trial.explains(error, &all)
}

fn exec_text(trial: &mut Trial) -> Verdict {
    exec_file(trial, SMALL, &[NO_PROGRAM])
}

fn exec_script(trial: &mut Trial) -> Verdict {
    let closed = Named::Always(Errno::ENOENT, "its interpreter would find it closed");
    let changed = Named::Race(Errno::ENOEXEC, "another process has made no script of it");
    exec_file(trial, b"#!/bin/true\n", &[closed, changed])
}

fn exec_truncated(trial: &mut Trial) -> Verdict {
    let program = ready(std::fs::read("/proc/self/exe"))?;
    exec_file(trial, &program[..100], &[NO_PROGRAM])
}

/// More than the kernel takes, so that even a program is not executed.
fn too_long() -> Vec<CString> {
    vec![
        CString::from(c"program"),
        CString::new(vec![b'x'; 256 * 1024]).unwrap_or_default(),
    ]
}

const TOO_LONG: Named = Named::Always(Errno::E2BIG, "an argument is too long");

fn exec_too_many_arguments(trial: &mut Trial) -> Verdict {
    let content = ready(std::fs::read("/bin/true"))?;
    let sealed = ready(
        MemFdOptions::new()
            .executable(true)
            .copy_from_slice("true", &content),
    )?;
    let strings = too_long();
    let list = [
        Some(Arg::from(&*strings[0])),
        Some(Arg::from(&*strings[1])),
        None,
    ];
    let args = ready(Args::new(&list).ok_or("a list that ends"))?;
    let Err(error) = trial.call(|| sealed.exec(args, Args::EMPTY));
    let named = [
        TOO_LONG,
        THEY_CHANGED_THE_MODE,
        THEY_WRITE,
        Named::Fault(Errno::EFBIG, "the file may be longer than was proven"),
    ];
    trial.explains(error, &[&named[..], &UNEXPLAINED].concat())
}

fn sealed_program(content: &[u8]) -> Result<SealedMemFd, String> {
    ready(ready(program(content))?.seal())
}

fn exec_sealed(trial: &mut Trial) -> Verdict {
    let sealed = sealed_program(SMALL)?;
    let args = arguments()?;
    let Err(error) = trial.call(|| sealed.exec(args, Args::EMPTY));
    let unproven = Named::Fault(Errno::EFBIG, "the file may be longer than was proven");
    let named = [NO_PROGRAM, THEY_CHANGED_THE_MODE, THEY_WRITE, unproven];
    trial.explains(error, &[&named[..], &UNEXPLAINED].concat())
}

/// A file that can get longer is never executed.
fn exec_longer(trial: &mut Trial) -> Verdict {
    let file = program(SMALL)?;
    ready(file.add_seals(Seals::WRITE | Seals::SHRINK))?;
    let sealed = ready(SealedMemFd::verify(file.into(), 1 << 20))?;
    let args = arguments()?;
    let Err(error) = trial.call(|| sealed.exec(args, Args::EMPTY));
    let named = [
        Named::Always(Errno::EFBIG, "the file may be longer than was proven"),
        Named::Fault(Errno::EINVAL, "the file seems to be on huge pages"),
        Named::Race(
            Errno::ENOEXEC,
            "another process has ended that: it is no program",
        ),
        THEY_CHANGED_THE_MODE,
        THEY_WRITE,
    ];
    trial.explains(error, &named)
}

/// Before Linux 6.14, the kernel cannot be asked.
const NOT_KNOWN: Named = Named::Always(Errno::EINVAL, "this kernel does not support the check");

fn check_exec(trial: &mut Trial) -> Verdict {
    let file = program(SMALL)?;
    let checked = trial.call(|| file.check_exec());
    let named = [NOT_KNOWN, THEY_CHANGED_THE_MODE, THEY_WRITE];
    trial.judge(checked, &[&named[..], &UNEXPLAINED].concat(), Ok)
}

fn check_exec_sealed(trial: &mut Trial) -> Verdict {
    let sealed = sealed_program(SMALL)?;
    let checked = trial.call(|| sealed.check_exec());
    let unproven = Named::Fault(Errno::EFBIG, "the file may be longer than was proven");
    let named = [NOT_KNOWN, THEY_CHANGED_THE_MODE, THEY_WRITE, unproven];
    trial.judge(checked, &[&named[..], &UNEXPLAINED].concat(), Ok)
}

fn ensure_sealed(trial: &mut Trial) -> Verdict {
    let strings = too_long();
    let list = [
        Some(Arg::from(&*strings[0])),
        Some(Arg::from(&*strings[1])),
        None,
    ];
    let args = ready(Args::new(&list).ok_or("a list that ends"))?;
    let ensured = trial.call(|| exec::ensure_sealed(args, Args::EMPTY));
    let named = [
        TOO_LONG,
        THEY_CHANGED_THE_MODE,
        THEY_WRITE,
        Named::Fault(Errno::ENOENT, "/proc does not show this process"),
        Named::Fault(Errno::EPERM, "the seals that it asks for are missing"),
        Named::Fault(Errno::EBUSY, "the copy is not as long as what was written"),
        Named::Fault(Errno::ENOSPC, "the kernel wrote nothing and gave no reason"),
        Named::Fault(Errno::EFBIG, "the copy may be longer than was proven"),
        Named::Race(Errno::ENOENT, "something else is mounted there"),
        Named::Race(Errno::EINVAL, "it leads to what is no program"),
        Named::Race(Errno::EPERM, "another process has sealed the copy"),
        Named::Race(
            Errno::EBUSY,
            "another process maps the copy, or has changed its length",
        ),
    ];
    trial.judge(ensured, &[&named[..], &UNEXPLAINED].concat(), |sealed| {
        Err(format!("this program is no sealed one: {sealed:?}"))
    })
}
