//! Output and exit: `write` and `exit_group`.

use core::fmt::{self, Write};

/// Standard output or standard error.
#[derive(Clone, Copy)]
pub enum Stream {
    Out = 1,
    Error = 2,
}

/// A line, collected and written in one call, so that the lines of two processes do not mix.
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

    /// Writes what was collected.
    pub fn flush(&mut self) {
        let mut rest = self.bytes.get(..self.len).unwrap_or_default();
        while !rest.is_empty() {
            // This is 0, an error or a count. If output fails, there is no way to report that.
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

/// Prints one line.
#[macro_export]
macro_rules! say {
    ($stream:expr, $($text:tt)+) => {{
        use core::fmt::Write as _;
        let mut line = $crate::output::Line::new($stream);
        let _ = writeln!(line, $($text)+);
        line.flush();
    }};
}

// Never inlined: the kernel overwrites vector registers on aarch64 and riscv64, and `sc` does not
// declare that. Callers do not expect vector registers to survive a real function call.
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
