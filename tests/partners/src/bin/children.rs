//! Gives files to child processes: as standard input, by number, and as scripts.
//!
//! `cat`, `sh`, `bash` and `busybox` read them from the descriptor's own offset, which every way of
//! making a file must leave at the start, but for writing and sealing.

use owned_memfd::{MemFdOptions, SealedMemFd, SeekFrom};
use partners::{Outcome, content, holds, run};
use std::{
    error::Error,
    fs::File,
    io::{Read, Seek, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

/// Makes a sealed file with this content.
type Make = fn(&[u8]) -> Result<SealedMemFd, Box<dyn Error>>;

/// Every way that leaves the offset at the start.
const WAYS: &[(&str, Make)] = &[
    ("copy_from_slice", |content| {
        Ok(SealedMemFd::copy_from_slice(c"child", content)?)
    }),
    ("create_with", |content| {
        let fill = |bytes: &mut [u8]| bytes.copy_from_slice(content);
        Ok(SealedMemFd::create_with(c"child", content.len(), fill)?)
    }),
    ("writer", |content| {
        let mut buffer = [0; 4096];
        let mut writer = MemFdOptions::new().writer(c"child", &mut buffer)?;
        writer.write_all(content)?;
        Ok(writer.finish()?)
    }),
    ("writer_with_capacity", |content| {
        let mut buffer = [0; 4096];
        let mut writer =
            MemFdOptions::new().writer_with_capacity(c"child", content.len(), &mut buffer)?;
        writer.write_all(content)?;
        Ok(writer.finish()?)
    }),
    ("write_all_at and seal", |content| {
        let file = MemFdOptions::new().create(c"child")?;
        file.write_all_at(content, 0)?;
        Ok(file.seal()?)
    }),
    ("map_shared_mut and seal", |content| {
        let file = MemFdOptions::new().create(c"child")?;
        file.set_len(content.len() as u64)?;
        file.map_shared_mut(..)?.write_all_at(content, 0)?;
        Ok(file.seal()?)
    }),
    ("verify", |content| {
        let file = SealedMemFd::copy_from_slice(c"child", content)?;
        Ok(SealedMemFd::verify(file.into(), content.len())?)
    }),
    ("verify_or_copy", |content| {
        Ok(SealedMemFd::verify_or_copy(
            theirs(content)?.into(),
            content.len(),
        )?)
    }),
    ("inherited", |content| {
        let options = MemFdOptions::new().close_on_exec(false);
        Ok(options.copy_from_slice(c"child", content)?)
    }),
    ("executable", |content| {
        let options = MemFdOptions::new().executable(true);
        Ok(options.copy_from_slice(c"child", content)?)
    }),
    ("exec_seal", |content| {
        let options = MemFdOptions::new().exec_seal(false);
        Ok(options.copy_from_slice(c"child", content)?)
    }),
    ("copy_from_file", |content| {
        let options = MemFdOptions::new();
        Ok(options.copy_from_file(c"child", theirs(content)?, content.len())?)
    }),
];

/// Every way that leaves the offset at the end, as `seal` says. It is moved back for a child that
/// gets the file by number. As standard input, the conversion to `Stdio` does so.
const WRITTEN: &[(&str, Make)] = &[
    ("write_all and seal", |content| {
        let file = MemFdOptions::new().create(c"child")?;
        file.write_all(content)?;
        Ok(file.seal()?)
    }),
    ("std's write_all and seal", |content| {
        let mut file = MemFdOptions::new().create(c"child")?;
        Write::write_all(&mut file, content)?;
        Ok(file.seal()?)
    }),
    ("copy_from a file and seal", |content| {
        let file = MemFdOptions::new().create(c"child")?;
        file.copy_from(&from_start(content)?, u64::MAX)?;
        Ok(file.seal()?)
    }),
    ("copy_from a socket and seal", |content| {
        let (source, mut sink) = UnixStream::pair()?;
        let file = MemFdOptions::new().create(c"child")?;
        std::thread::scope(|scope| {
            scope.spawn(move || sink.write_all(content));
            file.copy_from(&source, u64::MAX)
        })?;
        Ok(file.seal()?)
    }),
];

/// A file that others have written, and left at its end.
fn theirs(content: &[u8]) -> Result<File, Box<dyn Error>> {
    let mut file = File::from(MemFdOptions::new().create(c"theirs")?);
    file.write_all(content)?;
    Ok(file)
}

/// The same, moved back to its start.
fn from_start(content: &[u8]) -> Result<File, Box<dyn Error>> {
    let mut file = theirs(content)?;
    file.rewind()?;
    Ok(file)
}

/// Commands that print the file: its standard input, or descriptor 7.
const STANDARD_INPUT: &[&[&str]] = &[
    &["cat"],
    &["sh", "-c", "cat"],
    &["busybox", "cat"],
    &["busybox", "sh", "-c", "cat"],
];
const BY_NUMBER: &[&[&str]] = &[
    &["cat", "/proc/self/fd/7"],
    &["sh", "-c", "cat <&7"],
    &["bash", "-c", "cat <&7"],
    &["busybox", "cat", "/proc/self/fd/7"],
    &["busybox", "sh", "-c", "busybox cat <&7"],
    // From the start each time: this opens the file again.
    &["sh", "-c", "cat /proc/self/fd/7 >/dev/null; cat <&7"],
];

/// What the scripts print: all of their arguments.
const SCRIPT: &[u8] = b"#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\n";
const WORDS: [&str; 2] = ["two words", "-x"];
const PRINTED: &[u8] = b"<two words><-x>";

fn main() -> Outcome {
    // With and without huge pages and mappings.
    for content in [content(7), content(3 << 20)] {
        for (way, make) in WAYS {
            prints_input(way, *make, &content)?;
            prints_number(way, *make, &content, false)?;
        }
        for (way, make) in WRITTEN {
            prints_input(way, *make, &content)?;
            prints_number(way, *make, &content, true)?;
        }
    }
    for (way, make) in [WAYS, WRITTEN].concat() {
        runs(way, make)?;
    }
    executes()
}

/// Splits a command into its program and its arguments.
fn command(words: &[&str]) -> Result<Command, Box<dyn Error>> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Every child prints its standard input.
fn prints_input(way: &str, make: Make, content: &[u8]) -> Outcome {
    for words in STANDARD_INPUT {
        let mut child = command(words)?;
        let output = run(child.stdin(make(content)?))?;
        same(way, words, content, &output.stdout)?;
    }
    Ok(())
}

/// Every child prints its descriptor 7, if the offset is moved back where that is necessary.
fn prints_number(way: &str, make: Make, content: &[u8], move_back: bool) -> Outcome {
    let make = || {
        let file = make(content)?;
        if move_back {
            file.as_memfd().seek(SeekFrom::Start(0))?;
        }
        Ok::<_, Box<dyn Error>>(file)
    };
    for words in BY_NUMBER {
        let mut child = command(words)?;
        make()?.pass_to_as(&mut child, 7)?;
        let output = run(&mut child)?;
        same(way, words, content, &output.stdout)?;
    }
    // Two children share the offset of one descriptor; one that opens the file again has its own.
    let first = make()?;
    let second = first.as_memfd().reopen_read_only()?;
    for file in [OwnedFd::from(first), second.into()] {
        let output = run(command(&["cat"])?.stdin(file))?;
        same(way, &["cat", "again"], content, &output.stdout)?;
    }
    Ok(())
}

/// A shell runs the file as a script: from its standard input, and by its path.
fn runs(way: &str, make: Make) -> Outcome {
    for words in [
        &["sh", "-s", "--"][..],
        &["bash", "-s", "--"],
        &["busybox", "sh", "-s", "--"],
    ] {
        let mut child = command(words)?;
        let output = run(child.args(WORDS).stdin(make(SCRIPT)?))?;
        same(way, words, PRINTED, &output.stdout)?;
    }
    let words = ["sh", "/proc/self/fd/7"];
    let mut child = command(&words)?;
    make(SCRIPT)?.pass_to_as(&mut child, 7)?;
    let output = run(child.args(WORDS))?;
    same(way, &words, PRINTED, &output.stdout)
}

/// The kernel runs the file as a script, which its interpreter opens by its path.
fn executes() -> Outcome {
    let options = MemFdOptions::new().executable(true).close_on_exec(false);
    let script = options.copy_from_slice(c"script", SCRIPT)?;
    let path = script.proc_path();
    let path = path.to_str()?;
    let output = run(command(&[path])?.args(WORDS))?;
    same("executable", &[path], PRINTED, &output.stdout)?;
    // It has not been moved by that.
    let mut rest = Vec::new();
    File::from(script).read_to_end(&mut rest)?;
    same("executable", &["nothing"], SCRIPT, &rest)
}

fn same(way: &str, words: &[&str], expected: &[u8], printed: &[u8]) -> Outcome {
    holds(
        printed == expected,
        format!(
            "{way}: {words:?} prints {} bytes, not the {} of the file",
            printed.len(),
            expected.len()
        ),
    )
}
