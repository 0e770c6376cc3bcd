//! Goes on from a sealed copy of its own program.
//!
//! Container runtimes do this against CVE-2019-5736: a process that opens `/proc/PID/exe` then
//! gets a file that nobody can write, and not the program on the disk.
//!
//! ```text
//! cargo run --features std --example reexec [ARGUMENT…]
//! ```

use owned_memfd::exec::{OwnedArgs, ensure_sealed};
use std::{
    env,
    error::Error,
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

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
    ensure_sealed(
        OwnedArgs::current().as_args(),
        OwnedArgs::environment().as_args(),
    )?;
    // From here on, /proc/self/exe is the copy.
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    writeln!(
        io::stdout(),
        "reexec: running from a sealed copy with {arguments:?}"
    )?;
    Ok(())
}
