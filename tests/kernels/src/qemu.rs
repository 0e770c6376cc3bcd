//! Running a machine: within a time, with a second chance, and with its console kept.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Many times what a boot takes.
const PATIENCE: Duration = Duration::from_secs(400);
/// How long it may take to notice that a machine has ended.
const POLL: Duration = Duration::from_millis(50);

/// How QEMU ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Status(i32),
    /// It was killed by a signal.
    Signal,
    /// It was killed because it ran out of time.
    Hung,
}

impl Ending {
    /// Whether this says nothing about the machine: QEMU did not start it, or did not bring it
    /// to an end.
    fn is_no_result(self) -> bool {
        matches!(self, Self::Status(1) | Self::Signal | Self::Hung)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "with status {status}"),
            Self::Signal => f.write_str("by a signal"),
            Self::Hung => f.write_str("by running out of time"),
        }
    }
}

/// What a machine left.
#[derive(Debug)]
pub struct Console {
    pub text: String,
    pub ending: Ending,
    /// What is to be said of the first attempt, if this is the second.
    pub first_attempt: Option<String>,
}

/// Runs a machine to its end. If that says nothing about the machine, it runs once more.
/// What it prints is in the file `console` too.
pub fn boot(command: impl Fn() -> Command, console: &Path) -> io::Result<Console> {
    boot_within(PATIENCE, command, console)
}

fn boot_within(
    patience: Duration,
    command: impl Fn() -> Command,
    console: &Path,
) -> io::Result<Console> {
    let (mut text, mut ending) = attempt(patience, command(), console)?;
    let mut first_attempt = None;
    if ending.is_no_result() {
        let last = text.lines().last().unwrap_or("(nothing)");
        first_attempt = Some(format!(
            "the first attempt ended {ending}; its last line:\n  {last}"
        ));
        (text, ending) = attempt(patience, command(), console)?;
    }
    Ok(Console {
        text,
        ending,
        first_attempt,
    })
}

fn attempt(patience: Duration, mut command: Command, path: &Path) -> io::Result<(String, Ending)> {
    let console = File::create(path)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .spawn()?;
    let deadline = Instant::now() + patience;
    let ending = loop {
        if let Some(status) = child.try_wait()? {
            break status.code().map_or(Ending::Signal, Ending::Status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            break Ending::Hung;
        }
        thread::sleep(POLL);
    };
    let text = fs::read(path)?;
    Ok((String::from_utf8_lossy(&text).replace('\r', ""), ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, process};

    /// Runs a script instead of QEMU, with a time limit and a file of its own as `$0`.
    fn shell(name: &str, seconds: u64, script: &str) -> Console {
        let file = env::temp_dir().join(format!("kernels-{}-{name}", process::id()));
        let console_file = file.with_extension("console");
        let command = || {
            let mut command = Command::new("sh");
            command.args(["-c", script]).arg(&file);
            command
        };
        let console = boot_within(Duration::from_secs(seconds), command, &console_file).unwrap();
        for left in [file, console_file] {
            let _ = fs::remove_file(left);
        }
        console
    }

    #[test]
    fn a_console_has_both_streams_and_no_carriage_returns() {
        let console = shell(
            "streams",
            60,
            r"printf 'one\r\n'; printf 'two\r\n' >&2; exit 85",
        );
        assert_eq!(console.text, "one\ntwo\n");
        assert_eq!(console.ending, Ending::Status(85));
        assert_eq!(console.first_attempt, None);
    }

    #[test]
    fn a_machine_that_hangs_is_started_once_more() {
        let console = shell("hangs", 2, "echo one more >>$0; wc -l <$0; exec sleep 60");
        assert_eq!(console.ending, Ending::Hung);
        assert_eq!(console.text, "2\n");
        let first = console.first_attempt.unwrap();
        assert_eq!(
            first,
            "the first attempt ended by running out of time; its last line:\n  1"
        );
    }

    #[test]
    fn a_second_attempt_counts() {
        let console = shell("second", 60, "test ! -e $0 || exit 85; touch $0; exit 1");
        assert_eq!(console.ending, Ending::Status(85));
        let first = console.first_attempt.unwrap();
        assert_eq!(
            first,
            "the first attempt ended with status 1; its last line:\n  (nothing)"
        );
    }

    #[test]
    fn what_the_machine_itself_ended_with_stands() {
        for status in [0, 3, 87] {
            let console = shell(
                "stands",
                60,
                &format!("test ! -e $0 || exit 85; touch $0; exit {status}"),
            );
            assert_eq!(console.ending, Ending::Status(status));
            assert_eq!(console.first_attempt, None);
        }
    }

    #[test]
    fn a_signal_is_no_result_of_the_machine() {
        let console = shell("signal", 60, "kill -KILL $$");
        assert_eq!(console.ending, Ending::Signal);
        assert!(console.first_attempt.is_some());
    }
}
