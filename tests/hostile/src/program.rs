//! What both programs do: they go on from a copy of themselves, and try operations side by side.

use crate::{operations, orders::Orders, trial::Operation};
use nix::{
    errno::Errno,
    sys::memfd::{MFdFlags, memfd_create},
    unistd::fexecve,
};
use std::{
    convert::Infallible,
    env,
    ffi::{CStr, CString},
    fs::File,
    io,
    os::unix::ffi::OsStringExt,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

/// Why a program could not try an operation.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The name of the copy.
const COPY: &CStr = c"hostile";
/// Where links to the copy lead.
pub const COPY_LINK: &str = "/memfd:hostile (deleted)";

/// Goes on from a copy of this program that is a memory file. The library can copy that in a few
/// calls, where `ensure_sealed` copies the program that runs: the kernel does it, which it does not
/// between two file systems.
///
/// # Errors
/// The program cannot be copied or executed.
fn run_from_memory() -> io::Result<()> {
    let program = env::current_exe()?;
    if program.to_str() == Some(COPY_LINK) {
        return Ok(());
    }
    let copy = memfd_create(COPY, MFdFlags::MFD_CLOEXEC)?;
    let mut copy = File::from(copy);
    io::copy(&mut File::open(program)?, &mut copy)?;
    let args = c_strings(env::args_os().map(OsStringExt::into_vec))?;
    let env = env::vars_os().map(|(name, value)| [name, value].join("=".as_ref()));
    let env = c_strings(env.map(OsStringExt::into_vec))?;
    match fexecve(copy, &args, &env) {
        Ok::<Infallible, Errno>(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

fn c_strings(strings: impl Iterator<Item = Vec<u8>>) -> io::Result<Vec<CString>> {
    let strings: Result<_, _> = strings.map(CString::new).collect();
    Ok(strings?)
}

/// Tries the operations whose names begin so, and returns how many they are. Each thread traces
/// workers of its own.
///
/// # Errors
/// No name begins so, or one of the tries failed.
pub fn try_each(
    prefix: &str,
    attempt: impl Fn(Operation, &'static Orders) -> Result<(), Failure> + Sync,
) -> Result<usize, Failure> {
    let mut operations: Vec<Operation> = operations::all().collect();
    operations.retain(|operation| operation.name.starts_with(prefix));
    if operations.is_empty() {
        return Err(format!("no operation has a name that begins with {prefix:?}").into());
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Failure> {
        let orders = Orders::new()?;
        while let Some(operation) = operations.get(next.fetch_add(1, Relaxed)) {
            attempt(*operation, orders)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let count = thread::available_parallelism()?.get();
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread has panicked")??;
        }
        Ok(operations.len())
    })
}

/// How many failures of one operation are printed.
const PRINTED: usize = 5;

/// Prints the failures of an operation, or the first ones.
pub fn print_failures(operation: Operation, failures: &[String]) {
    for failure in failures.iter().take(PRINTED) {
        println!("{failure}");
    }
    if failures.len() > PRINTED {
        println!("{}: {} failures in all", operation.name, failures.len());
    }
}

/// Runs a program: `all` with whether two things happen at a time, and how the names of the
/// operations begin; or `one` with a name and what happens. Both find out whether everything holds.
#[must_use]
pub fn run(
    program: &str,
    all: fn(bool, &str) -> Result<bool, Failure>,
    one: fn(&str, &[&str]) -> Result<bool, Failure>,
) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = run_from_memory().map_err(Failure::from);
    let result = result.and_then(|()| match arguments[..] {
        [] => all(false, ""),
        ["--full"] => all(true, ""),
        [name] => all(false, name),
        ["--full", name] => all(true, name),
        [name, ref more @ ..] => one(name, more),
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {error}");
            if error.is::<Errno>() {
                eprintln!(
                    "A process must be allowed to trace its children (ptrace). A container allows \
                     that with --cap-add SYS_PTRACE, or with a seccomp profile."
                );
            }
            ExitCode::FAILURE
        }
    }
}
