//! Runs a program from memory.
//!
//! ```text
//! cargo run --example run -- PROGRAM [ARGUMENT…]
//! ```
//!
//! It copies the program into a memory file, seals the file, and replaces itself by the
//! program. Nobody can change what runs, and it has no path.
//!
//! PROGRAM may have 256 MiB. Without a limit, a device that never ends would fill all memory.

use owned_memfd::{
    MemFdOptions, SealedMemFd,
    exec::{Arg, Args},
    fd::BorrowedFd,
};
use std::{
    convert::Infallible,
    env,
    error::Error,
    ffi::{CString, NulError, OsString},
    fs::File,
    io::{self, Write},
    os::{fd::AsRawFd, unix::ffi::OsStringExt},
    path::Path,
    process::ExitCode,
};

/// The most bytes that are loaded.
const LIMIT: u64 = 256 << 20;

fn main() -> ExitCode {
    let Err(error) = run();
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "run: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<Infallible, Box<dyn Error>> {
    let arguments: Vec<CString> = env::args_os()
        .skip(1)
        .map(c_string)
        .collect::<Result<_, _>>()?;
    let program = env::args_os()
        .nth(1)
        .ok_or("no program: run PROGRAM [ARGUMENT…]")?;
    let program = Path::new(&program);
    let sealed = load(program).map_err(|error| format!("{}: {error}", program.display()))?;

    let environment: Vec<CString> = env::vars_os()
        .map(|(name, value)| c_string([name, value].join("=".as_ref())))
        .collect::<Result<_, _>>()?;
    let (arguments, environment) = (ended(&arguments), ended(&environment));
    let (Some(arguments), Some(environment)) = (Args::new(&arguments), Args::new(&environment))
    else {
        return Err("a list without an end".into());
    };
    let error = sealed.exec(arguments, environment).unwrap_err();
    Err(format!("{}: {error}", program.display()).into())
}

fn load(program: &Path) -> Result<SealedMemFd, Box<dyn Error>> {
    let source = File::open(program)?;
    let file = MemFdOptions::new().executable(true).create("program")?;
    // SAFETY: the file stays open as long as it is borrowed.
    let lent = unsafe { BorrowedFd::borrow_raw(source.as_raw_fd()) };
    if file.copy_from(lent, LIMIT + 1)? > LIMIT {
        return Err(format!("more than {LIMIT} bytes").into());
    }

    // A script's interpreter opens the script through the descriptor, which must stay open.
    let mut start = [0; 2];
    if file.read_at(&mut start, 0)? == 2 && &start == b"#!" {
        file.set_close_on_exec(false)?;
    }
    Ok(file.seal()?)
}

fn c_string(text: OsString) -> Result<CString, NulError> {
    CString::new(text.into_vec())
}

/// The list with `None` at its end, as the kernel requires.
fn ended(list: &[CString]) -> Vec<Option<Arg<'_>>> {
    list.iter()
        .map(|text| Some(Arg::new(text)))
        .chain([None])
        .collect()
}
