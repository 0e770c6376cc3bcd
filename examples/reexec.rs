//! Re-executes itself from a sealed copy of its own program.
//!
//! Container runtimes do this against CVE-2019-5736: a process that opens `/proc/PID/exe` then
//! gets a file that nobody can write, and not the program on the disk.
//!
//! ```text
//! cargo run --example reexec [ARGUMENT…]
//! ```
//!
//! The program asks the kernel whether it already runs from such a copy, and does not rely on a
//! variable, which others could set. If the copy is not found to be sealed, it fails and does not
//! try again for ever. Nor does it copy more than 256 MiB: in a copy of this code, raise the limit if
//! the program is larger.

use owned_memfd::{
    MemFdOptions, SealedMemFd,
    exec::{Arg, Args},
    fd::{FromRawFd, OwnedFd},
};
use std::{
    env,
    error::Error,
    ffi::{CString, OsString},
    fs::File,
    io::{self, Write},
    os::{fd::IntoRawFd, unix::ffi::OsStringExt},
    process::{self, ExitCode},
};

/// The variable that prevents a third execution: it holds the id of this process. Other
/// processes may inherit it, but have another id.
const GUARD: &str = "OWNED_MEMFD_REEXEC";

/// The most bytes that are copied.
const LIMIT: u64 = 256 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not eprintln!, which panics where it cannot print, as to a full disk.
            let _ = writeln!(io::stderr(), "reexec: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    run_from_a_sealed_copy()?;
    // From here on, /proc/self/exe is the copy.
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    writeln!(
        io::stdout(),
        "reexec: running from a sealed copy with {arguments:?}"
    )?;
    Ok(())
}

fn run_from_a_sealed_copy() -> Result<(), Box<dyn Error>> {
    let exe = File::open("/proc/self/exe")?;
    // SAFETY: `into_raw_fd` gave the descriptor up.
    let exe = unsafe { OwnedFd::from_raw_fd(exe.into_raw_fd()) };
    let exe = match SealedMemFd::try_from(exe) {
        Ok(_) => return Ok(()),
        Err(refused) => refused.into_inner(),
    };
    let number = process::id().to_string();
    if env::var_os(GUARD).is_some_and(|guard| guard == *number) {
        return Err("the copy that was executed is not sealed".into());
    }
    let copy = MemFdOptions::new().executable(true).create("reexec")?;
    if copy.copy_from(exe, LIMIT + 1)? > LIMIT {
        return Err(format!("the program has more than {LIMIT} bytes").into());
    }

    let text = |text: OsString| CString::new(text.into_vec());
    let arguments: Vec<CString> = env::args_os().map(text).collect::<Result<_, _>>()?;
    let environment: Vec<CString> = env::vars_os()
        .filter(|(name, _)| name != GUARD)
        .chain([(GUARD.into(), number.into())])
        .map(|(name, value)| text([name, value].join("=".as_ref())))
        .collect::<Result<_, _>>()?;
    let (arguments, environment) = (ended(&arguments), ended(&environment));
    let (Some(arguments), Some(environment)) = (Args::new(&arguments), Args::new(&environment))
    else {
        return Err("a list without an end".into());
    };
    Err(copy
        .seal()?
        .exec(arguments, environment)
        .unwrap_err()
        .into())
}

/// The list with `None` at its end, as the kernel requires.
fn ended(list: &[CString]) -> Vec<Option<Arg<'_>>> {
    list.iter()
        .map(|text| Some(Arg::new(text)))
        .chain([None])
        .collect()
}
