//! Operations that start children: forked ones, and programs.
#![allow(unsafe_code)]

use super::{made, one, refused, why};
use crate::{
    Outcome,
    board::Number,
    pattern,
    work::{Held, Thread},
};
use nix::{
    libc,
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use owned_memfd::{
    BorrowedSealedMemFd, MemFdOptions, SealedMemFd,
    exec::{ExecError, OwnedArgs},
};
use std::process::{Command, Stdio};

/// Forks this process, threads and all. The child has inherited the maps, and only calls what needs
/// no heap: the library needs none.
pub(super) fn fork_a_child(thread: &mut Thread) -> Outcome<bool> {
    // SAFETY: the child only compares, makes system calls by the library, and ends.
    let forked = unsafe { fork() };
    match forked.map_err(why)? {
        ForkResult::Child => {
            let status = i32::from(!is_right_in_a_child(&thread.held));
            // SAFETY: ends the process, without what others have registered for its end.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => loop {
            match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, 0)) => return Ok(true),
                Ok(status) => return Err(format!("the child: {status:?}")),
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(why(errno)),
            }
        },
    }
}

fn is_right_in_a_child(held: &[Held]) -> bool {
    held.iter().all(|held| {
        let verified = BorrowedSealedMemFd::verify(&held.file, held.expected.len());
        let map = verified.map(|file| file.map());
        held.map[..] == held.expected
            && map.is_ok_and(|map| map.is_ok_and(|map| map[..] == held.expected))
    }) && SealedMemFd::copy_from_slice(c"child", b"a child's").is_ok_and(|file| file.len() == 9)
}

pub(super) fn spawn(thread: &mut Thread) -> Outcome<bool> {
    let program = &thread.world.program;
    let options = MemFdOptions::new().executable(true);
    let Some(file) = made(thread, options.copy_from_slice(c"program", program))? else {
        return Ok(false);
    };
    if file.map().map_err(why)?[..] != program[..] {
        thread.board().add(Number::Spoilt, 1);
        return Ok(false);
    }
    let child = file.spawn(Command::new("true"), OwnedArgs::environment());
    let cause = |error: &std::io::Error| {
        error
            .get_ref()
            .and_then(|cause| cause.downcast_ref().copied())
    };
    match child {
        Ok(mut child) => match child.wait().map_err(why)? {
            status if status.success() => Ok(true),
            status => Err(format!("the program: {status}")),
        },
        // An attacker has it open for writing, or has changed its mode.
        Err(error) => match cause(&error) {
            Some(ExecError::ExecutableFileBusy | ExecError::NotExecutable) => {
                refused::<()>(thread);
                Ok(false)
            }
            _ => Err(why(error)),
        },
    }
}

/// A child reads a file that it inherits by number.
pub(super) fn pass_to(thread: &mut Thread) -> Outcome<bool> {
    let Some(one) = one(thread) else {
        return Ok(false);
    };
    let held = &thread.held[one];
    let mut command = Command::new("cat");
    let number = held.file.pass_to(&mut command).map_err(why)?;
    let path = format!("/proc/self/fd/{number}");
    let child = command
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(why)?;
    if !child.status.success() {
        // No mode that an attacker sets keeps the owner from reading it.
        return Err(format!("cat: {}", String::from_utf8_lossy(&child.stderr)));
    }
    pattern::compare(&child.stdout, &held.expected)?;
    Ok(true)
}
