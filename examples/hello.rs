//! Seals a text in a memory file, and reads it: bytes that nobody can change any more.
//!
//! `cargo run --example hello` prints the text, and the error that any later write gets.

use owned_memfd::MemFdOptions;
use std::io::{self, Write};
use std::{error::Error, process};

fn main() {
    let Err(error) = hello() else { return };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "hello: {error}");
    process::exit(1);
}

fn hello() -> Result<(), Box<dyn Error>> {
    let file = MemFdOptions::new().create("greeting")?;
    file.write_all(b"hello, memory\n")?;
    // From here on nobody can change the bytes: no other process, and not root.
    let sealed = file.seal()?;
    io::stdout().write_all(&sealed.map()?)?;

    let refused = sealed.as_memfd().write_all_at(b"J", 0).err();
    let error = refused.ok_or("the sealed file was written")?;
    Ok(writeln!(io::stdout(), "a later write fails: {error}")?)
}
