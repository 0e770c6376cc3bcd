//! What a claim is, and how it ends. The macros that end one are in `macros`.

use crate::{World, children, kernel};
use core::{
    ffi::CStr,
    fmt::{self, Write},
    time::Duration,
};
use rustix::process::Resource;

/// How long a claim may take. Emulators are slow.
const TIME: Duration = Duration::from_secs(120);

/// How long a file may become. A library that does not stop writing must not take the machine's
/// memory, and the other claims with it.
const LENGTH: u64 = 3 << 30;

/// One statement about the library. It either holds on this machine or does not.
pub struct Claim {
    /// `module::statement`
    pub name: &'static str,
    body: fn(&World) -> Verdict,
}

/// How a claim ended: it held, it failed, or it was skipped.
pub type Verdict = Result<(), Stop>;

/// Why a claim did not hold.
#[derive(Debug)]
pub enum Stop {
    /// The claim is false.
    Failed(Failure),
    /// This machine lacks something, which is named here.
    Skipped(&'static str),
}

/// What was found instead of what was claimed, and where.
#[derive(Debug)]
pub struct Failure {
    file: &'static str,
    line: u32,
    text: Text,
}

impl Claim {
    /// A claim with the path of its function, `suite::module::statement`.
    pub(crate) const fn new(path: &'static str, body: fn(&World) -> Verdict) -> Self {
        let (_, name) = path.as_bytes().split_at("suite::".len());
        match core::str::from_utf8(name) {
            Ok(name) => Self { name, body },
            Err(_) => panic!("the crate's name is not `suite`"),
        }
    }

    /// Runs the claim in a process of its own and waits for it. The claim fails if the process has
    /// not exactly the same descriptors open at the end as at the start.
    #[allow(clippy::missing_errors_doc)]
    pub fn run(&self, world: &World) -> Verdict {
        children::within(TIME, || {
            ok!(kernel::limit(Resource::Fsize, LENGTH));
            let before = kernel::open_descriptors();
            (self.body)(world)?;
            same!(kernel::open_descriptors(), before);
            Ok(())
        })
    }

    /// Runs the claim within this process, as a part of another one.
    pub(crate) fn go_on_with(&self, world: &World) -> Verdict {
        match (self.body)(world) {
            // If one part is skipped, the others may still run.
            Err(Stop::Skipped(_)) => Ok(()),
            verdict => verdict,
        }
    }
}

impl Failure {
    pub(crate) fn new(file: &'static str, line: u32, text: fmt::Arguments<'_>) -> Self {
        let mut failure = Self {
            file,
            line,
            text: Text::default(),
        };
        // A text that is too long is cut.
        let _ = failure.text.write_fmt(text);
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.text.as_str(), self.file, self.line)
    }
}

/// A text of limited length: there is no heap.
#[derive(Clone)]
pub(crate) struct Text {
    bytes: [u8; 400],
    len: usize,
}

impl Text {
    /// The text that `value` prints.
    pub(crate) fn of(value: impl fmt::Display) -> Self {
        let mut text = Self::default();
        // A text that is too long is cut.
        let _ = write!(text, "{value}");
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole characters are ever added.
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// The path that was written, with its NUL. One that was cut, or has no NUL, is empty.
    pub(crate) fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; 400],
            len: 0,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            let Some(room) = self.bytes.get_mut(self.len..self.len + letter.len_utf8()) else {
                return Err(fmt::Error);
            };
            letter.encode_utf8(room);
            self.len += letter.len_utf8();
        }
        Ok(())
    }
}
