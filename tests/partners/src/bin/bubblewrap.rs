//! Gives bubblewrap its arguments, and files for its sandbox, as sealed memory files.
//!
//! It reads all of them from the descriptors' own offsets.

use owned_memfd::{MemFdOptions, SealedMemFd};
use partners::{Outcome, content, holds, run};
use std::process::{Command, Stdio};

/// The numbers under which bubblewrap gets what it is given.
const ARGUMENTS: i32 = 7;
const FILES: [(i32, &str, &str); 3] = [
    (8, "--ro-bind-data", "/tmp/read-only"),
    (9, "--bind-data", "/tmp/bound"),
    (10, "--file", "/tmp/copied"),
];

fn main() -> Outcome {
    let content = content(300_000);
    let mut arguments = Vec::new();
    let mut argument = |text: &str| {
        arguments.extend_from_slice(text.as_bytes());
        arguments.push(0);
    };
    for text in ["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"] {
        argument(text);
    }
    for text in ["--tmpfs", "/tmp"] {
        argument(text);
    }
    for (number, option, path) in FILES {
        for text in [option, &number.to_string(), path] {
            argument(text);
        }
    }

    // As most programs make them: with one call, and piece by piece.
    let mut buffer = [0; 4096];
    let mut writer = MemFdOptions::new().writer("arguments", &mut buffer)?;
    writer.write_all(&arguments)?;
    let mut given = vec![(ARGUMENTS, writer.finish()?.into_memfd().into())];
    for (number, option, _) in FILES {
        let file = SealedMemFd::copy_from_slice(option, &content)?;
        given.push((number, file.into_memfd().into()));
    }

    let mut bubblewrap = Command::new("bwrap");
    bubblewrap
        .args(["--args", &ARGUMENTS.to_string(), "cat"])
        .args(FILES.map(|(_, _, path)| path))
        .stdin(Stdio::null());
    let output = run(&mut bubblewrap, given)?;
    holds(
        output.stdout == content.repeat(FILES.len()),
        format!(
            "the sandbox reads {} bytes that are not those of three files",
            output.stdout.len()
        ),
    )
}
