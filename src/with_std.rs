//! The feature `std`: errors as `std::io::Error`, the traits for input and output, and conversions
//! to and from std's types.
//!
//! Everything here can also be done without std.
#![allow(unsafe_code)]

mod command;

#[cfg(feature = "boot")]
use crate::boot::BootError;
use crate::{
    errno::Errno,
    exec::ExecError,
    memfd::{OwnedMemFd, SealError},
    options::{self, CreateError, Name, TryCreateError},
    path::NumberedPath,
    proof::{MapError, VerifyError, VerifyErrorKind},
    sealed::SealedMemFd,
    shared::AccessError,
    socket::{AddressError, ReceiveError},
    stream::{Reader, Writer},
    transfer::{TransferCause, TransferError},
};
use core::fmt;
use std::{
    borrow::Cow,
    boxed::Box,
    ffi::{CStr, CString, OsStr, OsString},
    fs::File,
    io::{self, BufRead, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write},
    mem::ManuallyDrop,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileExt},
    },
    path::{Path, PathBuf},
    process::Stdio,
    string::String,
    vec::Vec,
};

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.raw_os_error())
    }
}

impl From<TransferError> for io::Error {
    /// The kernel's error, whose count of bytes is lost. Another cause is inside, with the kind
    /// that belongs to its errno, or `UnexpectedEof` for the end of the file.
    fn from(error: TransferError) -> Self {
        match (error.cause, error.errno()) {
            (TransferCause::Kernel(errno), _) => errno.into(),
            (_, Some(errno)) => Self::new(Self::from(errno).kind(), error),
            (_, None) => Self::new(io::ErrorKind::UnexpectedEof, error),
        }
    }
}

impl From<CreateError> for io::Error {
    /// The kernel's error, or that of the [`VerifyErrorKind`]. The others are inside, with the kind
    /// that belongs to their errno: `InvalidInput`, or `StorageFull` without huge pages.
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Kernel(errno) => errno.into(),
            CreateError::Verify(kind) => kind.into(),
            cause => Self::new(Self::from(Errno::from(cause)).kind(), cause),
        }
    }
}

impl<E: Into<Self>> From<TryCreateError<E>> for io::Error {
    /// That of the error inside.
    fn from(error: TryCreateError<E>) -> Self {
        match error {
            TryCreateError::Create(error) => error.into(),
            TryCreateError::Fill(error) => error.into(),
        }
    }
}

impl From<VerifyErrorKind> for io::Error {
    /// The kernel's error, also for `ProbeFailed`. `Seal` is inside, with the kind that belongs to
    /// its errno. What this crate rejects is `InvalidInput`, and inside.
    fn from(kind: VerifyErrorKind) -> Self {
        match kind {
            VerifyErrorKind::Kernel(errno) | VerifyErrorKind::ProbeFailed(errno) => errno.into(),
            VerifyErrorKind::Seal(cause) => Self::new(Self::from(Errno::from(cause)).kind(), kind),
            rejected => Self::new(io::ErrorKind::InvalidInput, rejected),
        }
    }
}

impl From<MapError> for io::Error {
    /// The kernel's error, or that of the [`VerifyErrorKind`]. A range out of bounds, and a map of
    /// another file, are `InvalidInput`.
    fn from(error: MapError) -> Self {
        match error {
            MapError::Kernel(errno) => errno.into(),
            MapError::Verify(kind) => kind.into(),
            range => Self::new(io::ErrorKind::InvalidInput, range),
        }
    }
}

impl From<AccessError> for io::Error {
    /// `InvalidInput`.
    fn from(error: AccessError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

impl From<ExecError> for io::Error {
    /// The kernel's error. The others are inside, with the kind that belongs to their errno.
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Kernel(errno) => errno.into(),
            cause => Self::new(Self::from(Errno::from(cause)).kind(), cause),
        }
    }
}

#[cfg(feature = "boot")]
impl From<BootError> for io::Error {
    /// The kernel's error. The other one is inside, with the kind that belongs to its errno.
    fn from(error: BootError) -> Self {
        match error {
            BootError::Kernel(errno) => errno.into(),
            cause => Self::new(Self::from(Errno::from(cause)).kind(), cause),
        }
    }
}

impl From<ReceiveError> for io::Error {
    /// The kernel's error, or that of the [`VerifyErrorKind`]. The end of the connection is
    /// `UnexpectedEof`, that of the time `TimedOut`, everything else `InvalidData`. A descriptor in
    /// it is dropped.
    fn from(error: ReceiveError) -> Self {
        let kind = match error {
            ReceiveError::Kernel(errno) => return errno.into(),
            ReceiveError::Verify(error) => return error.into(),
            ReceiveError::Closed => io::ErrorKind::UnexpectedEof,
            ReceiveError::TimedOut => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl From<AddressError> for io::Error {
    /// `InvalidInput`.
    fn from(error: AddressError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

impl<T> From<VerifyError<T>> for io::Error {
    /// The error of the [`VerifyErrorKind`]. The value is dropped.
    fn from(error: VerifyError<T>) -> Self {
        error.kind().into()
    }
}

impl From<SealError> for io::Error {
    /// The kernel's error. What explains it is inside, with the kind that belongs to its errno.
    fn from(error: SealError) -> Self {
        match error {
            SealError::Kernel(errno) => errno.into(),
            cause => Self::new(Self::from(Errno::from(cause)).kind(), cause),
        }
    }
}

/// Does with a memory file what std does with its own files better than by its defaults: what goes
/// to several buffers in one call, and what makes room for the whole file first.
fn with_file<T>(file: &OwnedMemFd, act: impl FnOnce(&mut &File) -> io::Result<T>) -> io::Result<T> {
    // SAFETY: the descriptor is not -1, and is open as long as `file` is borrowed, which is longer
    // than `act` can keep what it gets. What is made of its number here is no owner, since it is
    // never dropped.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(file.as_raw_fd()) });
    act(&mut &*file)
}

impl Read for &OwnedMemFd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(OwnedMemFd::read(self, buffer)?)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        with_file(self, |file| file.read_vectored(buffers))
    }

    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        with_file(self, |file| file.read_to_end(buffer))
    }

    fn read_to_string(&mut self, buffer: &mut String) -> io::Result<usize> {
        with_file(self, |file| file.read_to_string(buffer))
    }
}

impl Write for &OwnedMemFd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(OwnedMemFd::write(self, bytes)?)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        with_file(self, |file| file.write_vectored(buffers))
    }

    /// An error says why the file cannot be written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Ok(OwnedMemFd::write_all(self, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &OwnedMemFd {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        Ok(OwnedMemFd::seek(self, to)?)
    }
}

impl Read for OwnedMemFd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Read::read_vectored(&mut &*self, buffers)
    }

    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        Read::read_to_end(&mut &*self, buffer)
    }

    fn read_to_string(&mut self, buffer: &mut String) -> io::Result<usize> {
        Read::read_to_string(&mut &*self, buffer)
    }
}

impl Write for OwnedMemFd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, bytes)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut &*self, buffers)
    }

    /// An error says why the file cannot be written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(&mut &*self, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for OwnedMemFd {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        Seek::seek(&mut &*self, to)
    }
}

impl FileExt for OwnedMemFd {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(OwnedMemFd::read_at(self, buffer, offset)?)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(OwnedMemFd::write_at(self, bytes, offset)?)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Ok(OwnedMemFd::read_exact_at(self, buffer, offset)?)
    }

    /// An error says why the file cannot be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        Ok(OwnedMemFd::write_all_at(self, bytes, offset)?)
    }
}

impl FileExt for SealedMemFd {
    /// Reads at most up to the [`len`](SealedMemFd::len) that was proven.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // An offset that is no `usize` is after the end of any file.
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(SealedMemFd::read_at(self, buffer, offset)?)
    }

    /// `PermissionDenied`: the seals forbid it.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(self.as_memfd().write_at(bytes, offset)?)
    }

    /// `PermissionDenied`, and which seal forbids it.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        Ok(self.as_memfd().write_all_at(bytes, offset)?)
    }
}

impl Write for Writer<'_> {
    /// Writes all of `bytes`, as [`write_all`](Writer::write_all).
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Writer::write_all(self, bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Ok(Writer::write_all(self, bytes)?)
    }

    /// As [`write_fmt`](Writer::write_fmt). std's own panics if what is formatted fails.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        Ok(Writer::write_fmt(self, text)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(Writer::flush(self)?)
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(Reader::read(self, buffer)?)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        Ok(Reader::read_exact(self, buffer)?)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(Reader::fill_buf(self)?)
    }

    fn consume(&mut self, count: usize) {
        Reader::consume(self, count);
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        Ok(Reader::seek(self, to)?)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.position())
    }
}

impl From<OwnedMemFd> for File {
    fn from(file: OwnedMemFd) -> Self {
        OwnedFd::from(file).into()
    }
}

impl From<OwnedMemFd> for Stdio {
    /// The file for a child process, which reads and writes from the offset that the descriptor
    /// has: after `write`, that is the end. [`seek`](OwnedMemFd::seek) to the start first, or
    /// [`seal`](OwnedMemFd::seal) the file.
    fn from(file: OwnedMemFd) -> Self {
        OwnedFd::from(file).into()
    }
}

impl From<SealedMemFd> for File {
    /// The file, without the proof. It is read from the offset that the descriptor has.
    fn from(sealed: SealedMemFd) -> Self {
        OwnedFd::from(sealed).into()
    }
}

impl From<SealedMemFd> for Stdio {
    /// The file for a child process, which reads it from its start.
    ///
    /// This moves the offset to the start: whoever filled the file by `write` left it at the end,
    /// where a child would find nothing. Who shares the descriptor, such as the sender of a file
    /// that was received, can move it again at any moment. For a child that such a sender must not
    /// confuse, give it [`reopen_read_only`](OwnedMemFd::reopen_read_only) instead, which has an
    /// offset of its own. To keep the offset, give it the [`OwnedFd`].
    ///
    /// The child reads the file to its end. One that was received without [`Seals::GROW`] may be
    /// longer by now than what was proven: give the child a copy, from
    /// [`copy_from_slice`](crate::MemFdOptions::copy_from_slice) of a map.
    ///
    /// [`Seals::GROW`]: crate::Seals::GROW
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    /// use std::process::Command;
    ///
    /// let file = MemFdOptions::new().create("input")?;
    /// file.write_all(b"hello")?;
    /// let output = Command::new("cat").stdin(file.seal()?).output()?;
    /// assert_eq!(output.stdout, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from(sealed: SealedMemFd) -> Self {
        // A memory file has no reason to refuse.
        let _ = sealed.as_memfd().seek(SeekFrom::Start(0));
        OwnedFd::from(sealed).into()
    }
}

impl TryFrom<File> for SealedMemFd {
    type Error = VerifyError<File>;

    /// As [`SealedMemFd::verify`], without a limit of the caller's. An error gives the file back.
    fn try_from(file: File) -> Result<Self, VerifyError<File>> {
        Self::try_from(OwnedFd::from(file)).map_err(|error| error.map(File::from))
    }
}

impl AsRef<OsStr> for NumberedPath {
    fn as_ref(&self) -> &OsStr {
        OsStr::from_bytes(self.to_bytes())
    }
}

impl AsRef<Path> for NumberedPath {
    fn as_ref(&self) -> &Path {
        Path::new::<OsStr>(self.as_ref())
    }
}

/// A name is what `$to` makes of it, which is one already.
macro_rules! names {
    ($($name:ty: $to:ident,)*) => {
        $(
            impl Name for &$name {}

            impl options::sealed::Name for &$name {
                fn pass_to<T>(
                    self,
                    create: impl FnOnce(&CStr) -> Result<T, CreateError>,
                ) -> Result<T, CreateError> {
                    self.$to().pass_to(create)
                }

                fn into_slice<'a>(self) -> &'a [u8]
                where
                    Self: 'a,
                {
                    self.$to().into_slice()
                }
            }
        )*
    };
}

names! {
    String: as_bytes,
    CString: as_c_str,
    OsStr: as_bytes,
    OsString: as_bytes,
    Path: as_os_str,
    PathBuf: as_os_str,
    Vec<u8>: as_slice,
    Cow<'_, str>: as_bytes,
    Box<str>: as_bytes,
}

impl TryFrom<File> for OwnedMemFd {
    type Error = VerifyError<File>;

    /// Takes a file if it is a memory file. Otherwise the error gives it back.
    fn try_from(file: File) -> Result<Self, VerifyError<File>> {
        Self::try_from(OwnedFd::from(file)).map_err(|error| error.map(File::from))
    }
}
