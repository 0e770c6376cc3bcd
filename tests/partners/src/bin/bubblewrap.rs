//! Gives bubblewrap its arguments, and files for its sandbox, as sealed memory files.
//!
//! It reads all of them from the descriptors' own offsets.

use owned_memfd::{MemFdOptions, SealedMemFd};
use partners::{Outcome, content, holds, run};
use std::process::{Command, Stdio};

/// How bubblewrap gets each file, and where its sandbox finds it.
const FILES: [(&str, &str); 3] = [
    ("--ro-bind-data", "/tmp/read-only"),
    ("--bind-data", "/tmp/bound"),
    ("--file", "/tmp/copied"),
];

fn main() -> Outcome {
    let content = content(300_000);
    let mut bubblewrap = Command::new("bwrap");

    // As most programs make them: with one call, and piece by piece.
    let mut buffer = [0; 4096];
    let mut arguments = MemFdOptions::new().writer("arguments", &mut buffer)?;
    for argument in ["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"] {
        write!(arguments, "{argument}\0")?;
    }
    write!(arguments, "--tmpfs\0/tmp\0")?;
    for (option, path) in FILES {
        let file = SealedMemFd::copy_from_slice(option, &content)?;
        let number = file.pass_to(&mut bubblewrap)?;
        write!(arguments, "{option}\0{number}\0{path}\0")?;
    }
    let arguments = arguments.finish()?;
    let number = arguments.pass_to(&mut bubblewrap)?;

    bubblewrap
        .args(["--args", &number.to_string(), "cat"])
        .args(FILES.map(|(_, path)| path))
        .stdin(Stdio::null());
    let output = run(&mut bubblewrap)?;
    holds(
        output.stdout == content.repeat(FILES.len()),
        format!(
            "the sandbox reads {} bytes that are not those of three files",
            output.stdout.len()
        ),
    )
}
