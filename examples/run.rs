//! Runs a program from memory.
//!
//! ```text
//! cargo run --features std --example run -- PROGRAM [ARGUMENT…]
//! ```
//!
//! It makes a sealed copy of the program in memory, and replaces itself by that. Nobody can change
//! what runs, and it has no path.
//!
//! PROGRAM may have 256 MiB: a file that never ends would fill all memory.

use owned_memfd::{MemFdOptions, exec::OwnedArgs};
use std::{
    convert::Infallible,
    env,
    error::Error,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::ExitCode,
};

/// The most bytes that are loaded.
const LIMIT: usize = 256 << 20;

fn main() -> ExitCode {
    let error = match env::args_os().nth(1) {
        Some(program) => {
            let program = Path::new(&program);
            let Err(error) = run(program);
            format!("{}: {error}", program.display())
        }
        None => "no program: run PROGRAM [ARGUMENT…]".into(),
    };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "run: {error}");
    ExitCode::FAILURE
}

fn run(program: &Path) -> Result<Infallible, Box<dyn Error>> {
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
