//! What the program says, and how it ends: `write` and `exit_group`.

use core::fmt::{self, Write};

/// Where to.
#[derive(Clone, Copy)]
pub enum Stream {
    Out = 1,
    Error = 2,
}

/// Lines are collected and written in one call, so that those of two processes do not mix.
pub struct Line {
    stream: Stream,
    bytes: [u8; 1024],
    len: usize,
}

impl Line {
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            bytes: [0; 1024],
            len: 0,
        }
    }

    /// Writes out what was collected.
    pub fn flush(&mut self) {
        let mut rest = self.bytes.get(..self.len).unwrap_or_default();
        while !rest.is_empty() {
            // Zero, an error, or how many were written; without output there is nobody to
            // tell of an error.
            let written = write(self.stream, rest);
            if written == 0 || written > rest.len() {
                break;
            }
            rest = &rest[written..];
        }
        self.len = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len == self.bytes.len() {
                self.flush();
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// Says one line.
#[macro_export]
macro_rules! say {
    ($stream:expr, $($text:tt)+) => {{
        use core::fmt::Write as _;
        let mut line = $crate::output::Line::new($stream);
        let _ = writeln!(line, $($text)+);
        line.flush();
    }};
}

// Never inlined, since `sc` does not declare the vector registers that the kernel destroys on
// aarch64 and riscv64, and which no caller expects to survive a real call.
#[inline(never)]
fn write(stream: Stream, bytes: &[u8]) -> usize {
    // SAFETY: the kernel reads the bytes, which are borrowed for the call.
    unsafe { sc::syscall!(WRITE, stream as usize, bytes.as_ptr(), bytes.len()) }
}

/// Ends the process.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: no pointers; and this does not return.
        unsafe { sc::syscall!(EXIT_GROUP, status) };
    }
}
