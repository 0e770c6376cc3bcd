//! Goes on from a sealed copy of its own program.
//!
//! ```text
//! cargo run --features std --example reexec [ARGUMENT…]
//! ```
//!
//! Container runtimes do this against CVE-2019-5736: a process in the container that opens the
//! runtime's `/proc/PID/exe` then gets a file that nobody can write, and not the program on the disk.
//!
//! It prints where it runs from, and the arguments, which are the same as before.

use owned_memfd::exec::{OwnedArgs, ensure_sealed};
use std::io::{self, Write};
use std::{env, error::Error, ffi::OsString, fs, process};

const HELP: &str = "\
usage: reexec [ARGUMENT…]
Starts again from a sealed copy of its program, and prints the arguments.
";

fn main() {
    let Err(error) = run() else { return };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "reexec: {error}");
    process::exit(1);
}

fn run() -> Result<(), Box<dyn Error>> {
    // First thing in the program, before there are threads: all of it runs once more. Then this
    // returns the copy, and from here on /proc/self/exe is that.
    let (args, env) = (OwnedArgs::current(), OwnedArgs::environment());
    let program = ensure_sealed(args.as_args(), env.as_args())?;

    let mut out = io::stdout();
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--help") {
        return Ok(out.write_all(HELP.as_bytes())?);
    }
    let exe = fs::read_link("/proc/self/exe")?;
    writeln!(out, "running from {}", exe.display())?;
    writeln!(out, "sealed with {}", program.seals()?)?;
    Ok(writeln!(out, "arguments: {arguments:?}")?)
}
