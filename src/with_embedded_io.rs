//! The feature `embedded-io-07`: the traits of embedded-io 0.7, for code that reads and writes
//! without std.
//!
//! Everything here can also be done without it.
#![forbid(unsafe_code)]

use crate::{
    errno::Errno,
    memfd::{OwnedMemFd, SeekFrom},
    stream::{Reader, Writer},
};
use embedded_io::{BufRead, Error, ErrorKind, ErrorType, Read, ReadExactError, Seek, Write};

impl Error for Errno {
    /// The kind that std gives the number, where embedded-io has it. What says that the file can
    /// take no more bytes is `WriteZero`: `ENOSPC`, `EFBIG` and `EDQUOT`.
    fn kind(&self) -> ErrorKind {
        match *self {
            Self::ENOENT => ErrorKind::NotFound,
            Self::EPERM | Self::EACCES => ErrorKind::PermissionDenied,
            Self::ECONNREFUSED => ErrorKind::ConnectionRefused,
            Self::ECONNRESET => ErrorKind::ConnectionReset,
            Self::ECONNABORTED => ErrorKind::ConnectionAborted,
            Self::ENOTCONN => ErrorKind::NotConnected,
            Self::EADDRINUSE => ErrorKind::AddrInUse,
            Self::EADDRNOTAVAIL => ErrorKind::AddrNotAvailable,
            Self::EPIPE => ErrorKind::BrokenPipe,
            Self::EEXIST => ErrorKind::AlreadyExists,
            Self::EINVAL => ErrorKind::InvalidInput,
            Self::ETIMEDOUT => ErrorKind::TimedOut,
            Self::EINTR => ErrorKind::Interrupted,
            Self::ENOSYS | Self::EOPNOTSUPP => ErrorKind::Unsupported,
            Self::ENOMEM => ErrorKind::OutOfMemory,
            Self::ENOSPC | Self::EFBIG | Self::EDQUOT => ErrorKind::WriteZero,
            _ => ErrorKind::Other,
        }
    }
}

const fn seek_from(to: embedded_io::SeekFrom) -> SeekFrom {
    match to {
        embedded_io::SeekFrom::Start(offset) => SeekFrom::Start(offset),
        embedded_io::SeekFrom::End(distance) => SeekFrom::End(distance),
        embedded_io::SeekFrom::Current(distance) => SeekFrom::Current(distance),
    }
}

impl ErrorType for &OwnedMemFd {
    type Error = Errno;
}

impl Read for &OwnedMemFd {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        OwnedMemFd::read(self, buffer)
    }

    /// Reads at the offset until `buffer` is full, and moves it. It continues after `EINTR`.
    fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<(), ReadExactError<Errno>> {
        while !buffer.is_empty() {
            match OwnedMemFd::read(self, buffer) {
                Ok(0) => return Err(ReadExactError::UnexpectedEof),
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

impl Write for &OwnedMemFd {
    /// As [`OwnedMemFd::write`], and `ENOSPC` if the kernel writes nothing and gives no reason.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        match OwnedMemFd::write(self, bytes) {
            Ok(0) if !bytes.is_empty() => Err(Errno::ENOSPC),
            written => written,
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        Ok(OwnedMemFd::write_all(self, bytes)?)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Seek for &OwnedMemFd {
    fn seek(&mut self, to: embedded_io::SeekFrom) -> Result<u64, Errno> {
        OwnedMemFd::seek(self, seek_from(to))
    }
}

impl ErrorType for OwnedMemFd {
    type Error = Errno;
}

impl Read for OwnedMemFd {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        Read::read(&mut &*self, buffer)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ReadExactError<Errno>> {
        Read::read_exact(&mut &*self, buffer)
    }
}

impl Write for OwnedMemFd {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        Write::write(&mut &*self, bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        Write::write_all(&mut &*self, bytes)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Seek for OwnedMemFd {
    fn seek(&mut self, to: embedded_io::SeekFrom) -> Result<u64, Errno> {
        Seek::seek(&mut &*self, to)
    }
}

impl ErrorType for Writer<'_> {
    type Error = Errno;
}

impl Write for Writer<'_> {
    /// Writes all of `bytes`, as [`write_all`](Writer::write_all).
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        Writer::write_all(self, bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        Writer::write_all(self, bytes)
    }

    fn flush(&mut self) -> Result<(), Errno> {
        Writer::flush(self)
    }
}

impl ErrorType for Reader<'_> {
    type Error = Errno;
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        Reader::read(self, buffer)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ReadExactError<Errno>> {
        Reader::read_exact(self, buffer).map_err(|error| match error.errno() {
            Some(errno) => ReadExactError::Other(errno),
            None => ReadExactError::UnexpectedEof,
        })
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> Result<&[u8], Errno> {
        Reader::fill_buf(self)
    }

    fn consume(&mut self, count: usize) {
        Reader::consume(self, count);
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: embedded_io::SeekFrom) -> Result<u64, Errno> {
        Reader::seek(self, seek_from(to))
    }

    fn stream_position(&mut self) -> Result<u64, Errno> {
        Ok(self.position())
    }
}
