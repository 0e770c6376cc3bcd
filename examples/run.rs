//! Runs a program from memory.
//!
//! ```text
//! cargo run --features std --example run -- /bin/echo hello
//! ```
//!
//! It makes a sealed copy of the program, and replaces itself by that. Nobody can change what runs,
//! and it has no path: `cargo run --features std --example run -- /bin/readlink /proc/self/exe`
//! prints `/memfd:program (deleted)`. Scripts run too.

use owned_memfd::{MemFdOptions, exec::OwnedArgs};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{convert::Infallible, env, error::Error, fs, fs::File, process};

const HELP: &str = "\
usage: run PROGRAM [ARGUMENT…]
Runs a sealed copy of the file PROGRAM, which may be a script, from memory.
";
/// The most bytes that are loaded.
const LIMIT: usize = 256 << 20;

fn main() {
    let Err(error) = run() else { return };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "run: {error}");
    process::exit(1);
}

fn run() -> Result<(), Box<dyn Error>> {
    let program = env::args_os().nth(1).map(PathBuf::from);
    let program = program.ok_or("no program: see --help")?;
    if program == Path::new("--help") {
        return Ok(io::stdout().write_all(HELP.as_bytes())?);
    }
    let Err(error) = execute(&program);
    Err(format!("cannot run {}: {error}", program.display()).into())
}

/// Returns only by an error: the program takes this one's place. It inherits that SIGPIPE is ignored,
/// as std sets it. A child of `SealedMemFd::spawn` does not.
fn execute(program: &Path) -> Result<Infallible, Box<dyn Error>> {
    // Before it is opened: that could wait, as for a FIFO without a writer.
    let is_file = fs::metadata(program)?.is_file();
    is_file.then_some(()).ok_or("not a regular file")?;
    let file = File::open(program)?;
    // A script's interpreter opens the script through the descriptor, which must stay open.
    let mut start = [0; 2];
    let is_script = file.read_at(&mut start, 0)? == 2 && &start == b"#!";
    let sealed = MemFdOptions::new()
        .executable(true)
        .close_on_exec(!is_script)
        .copy_from_file("program", file, LIMIT)?;
    let args = OwnedArgs::new(env::args_os().skip(1))?;
    Ok(sealed.exec(args.as_args(), OwnedArgs::environment().as_args())?)
}
