//! Passes records through memory to a process that need not be trusted, and that need not trust us.
//!
//! ```text
//! cargo run --release --features std --example ring
//! ```
//!
//! It starts itself again as the receiver, which gets the memory file as its standard input, and
//! says how long the records have taken. `side.rs` is the ring, to be copied.

mod side;

use owned_memfd::{MemFdOptions, OwnedMemFd};
use side::{CAPACITY, Side};
use std::process::{self, Command};
use std::{env, error::Error, io, io::Write, os::fd::AsFd, time::Instant};

const HELP: &str = "\
usage: ring
Passes 262144 records of 1 KiB through memory to a process of its own.
";
const LEN: u64 = CAPACITY as u64 + 256;
const RECORDS: u32 = 1 << 18;

fn main() {
    let Err(error) = run() else { return };
    // Not eprintln!, which panics where it cannot print, as to a full disk.
    let _ = writeln!(io::stderr(), "ring: {error}");
    process::exit(1);
}

fn run() -> Result<(), Box<dyn Error>> {
    match env::args_os().nth(1) {
        None => send(),
        Some(option) if option == "--receive" => receive(),
        Some(option) if option == "--help" => Ok(io::stdout().write_all(HELP.as_bytes())?),
        Some(_) => Err("an unknown argument: see --help".into()),
    }
}

fn send() -> Result<(), Box<dyn Error>> {
    let file = MemFdOptions::new().create("ring")?;
    // The data, and then the indexes. Both sides allocate, so that no access lacks the memory.
    file.allocate(0, LEN)?;
    let data = file.map_mirrored_mut(..CAPACITY as usize)?;
    let indexes = file.map_shared_mut(CAPACITY as usize..)?;
    let mut side = Side::sender(&data, &indexes)?;

    let mut receiver = Command::new(env::current_exe()?);
    let mut receiver = receiver.arg("--receive").stdin(file).spawn()?;
    let record = [7; 1024];
    let sent = (0..RECORDS).try_for_each(|_| side.send(&record));
    // Whether all was sent or not: it ends by its own deadline, if not by an error.
    let has_received = receiver.wait()?.success();
    sent?;
    Ok(has_received.then_some(()).ok_or("the receiver failed")?)
}

fn receive() -> Result<(), Box<dyn Error>> {
    let file = OwnedMemFd::try_from(io::stdin().as_fd().try_clone_to_owned()?)?;
    file.allocate(0, LEN)?;
    let data = file.map_mirrored_mut(..CAPACITY as usize)?;
    let indexes = file.map_shared_mut(CAPACITY as usize..)?;
    let mut side = Side::receiver(&data, &indexes)?;

    let (start, mut record) = (Instant::now(), Vec::new());
    for _ in 0..RECORDS {
        side.receive(&mut record)?;
    }
    Ok(writeln!(
        io::stdout(),
        "{RECORDS} records in {:?}",
        start.elapsed()
    )?)
}
