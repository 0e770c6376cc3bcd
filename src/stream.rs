//! Streams: writing a sealed file piece by piece, and reading one, through a buffer that the caller
//! gives.
//!
//! Both go by position, and never by the offset of the descriptor.
#![forbid(unsafe_code)]

use crate::{
    errno::Errno,
    extents::Extents,
    fd::AsFd,
    memfd::{OwnedMemFd, SeekFrom},
    options::{CreateError, MemFdOptions, Name},
    sealed::SealedMemFd,
    sealing::seal_own,
    sys::shared::copy,
    transfer::{TransferCause, TransferError, write_on},
};
use core::fmt;

/// # Creating a sealed file piece by piece
impl MemFdOptions {
    /// Creates a memory file that is written piece by piece, and sealed by [`Writer::finish`].
    ///
    /// `buffer` collects small pieces; 64 KiB of it are enough for the full speed. What fills it
    /// goes straight to the file. With an empty buffer every piece does, in a call of its own.
    ///
    /// A writer is the fastest way to make small content, and any content that comes in pieces.
    /// [`create_with`](Self::create_with) is faster from 2 MiB on for content that is made in
    /// place. What is in memory already is for [`copy_from_slice`](Self::copy_from_slice).
    ///
    /// ```
    /// use owned_memfd::MemFdOptions;
    ///
    /// let mut buffer = [0; 4096];
    /// let mut writer = MemFdOptions::new().writer(c"report", &mut buffer)?;
    /// for line in 1..=3 {
    ///     writeln!(writer, "line {line}")?;
    /// }
    /// let sealed = writer.finish()?;
    /// assert_eq!(&sealed.map()?[..], b"line 1\nline 2\nline 3\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`create`](Self::create), and:
    /// - [`CreateError::WriteOnHugePages`]: with [`huge_pages`](Self::huge_pages). Such a file can
    ///   be written only through a mapping, as by [`create_with`](Self::create_with). No call is
    ///   made.
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[inline(always)]
    pub fn writer(self, name: impl Name, buffer: &mut [u8]) -> Result<Writer<'_>, CreateError> {
        self.writer_with_capacity(name, 0, buffer)
    }

    /// Creates a memory file that is written piece by piece, when its length is known, or nearly.
    ///
    /// The file may become longer or shorter than `capacity` bytes, which only decides which parts
    /// of it are worth huge pages: see [`collapse`](Self::collapse). Nothing is allocated before it
    /// is written, except for the rest of one huge page. Else it is like [`writer`](Self::writer).
    ///
    /// # Errors
    /// As [`writer`](Self::writer).
    ///
    /// Since Linux 3.17.
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "memfd_create")]
    #[inline(always)]
    pub fn writer_with_capacity(
        self,
        name: impl Name,
        capacity: usize,
        buffer: &mut [u8],
    ) -> Result<Writer<'_>, CreateError> {
        if self.has_huge_pages() {
            return Err(CreateError::WriteOnHugePages);
        }
        // Close-on-exec until it is sealed: a program that is executed meanwhile could write it.
        let file = self.sealable(true).close_on_exec(true).create(name)?;
        Ok(Writer {
            file,
            extents: Extents::new(self.collapses(), capacity as u64),
            progress: Progress::new(self.is_inherited()),
            buffer,
        })
    }
}

/// Writes a new memory file piece by piece, through a buffer, and seals it.
///
/// [`MemFdOptions::writer`] makes it. [`finish`](Self::finish) seals the file and returns it. If
/// the writer is dropped before, the file is gone.
///
/// After an error the file lacks some of what was written. So every later call returns the same
/// error and writes nothing more, and `finish` too.
///
/// `write!` and `writeln!` need no trait, and return the cause of an error: they call
/// [`write_fmt`](Self::write_fmt). The methods of [`core::fmt::Write`], and of
/// `std::io::Write` with the feature `std`, do the same as those here.
///
/// # Trust
/// Until the file is sealed, it can be changed by everyone who may open this process's
/// `/proc/PID/fd`: [`MemFdOptions::create_with`] says who that is.
#[must_use = "what was written is gone without `finish`"]
// Four words move in registers; more would be a call of `memcpy` on riscv64, which a program
// without libc need not have.
pub struct Writer<'a> {
    file: OwnedMemFd,
    extents: Extents,
    progress: Progress,
    /// The file is written in pieces of its size. So it holds what comes after the last multiple of
    /// that.
    buffer: &'a mut [u8],
}

/// How many bytes were written, or why no more are.
#[derive(Clone, Copy)]
struct Progress(u64);

impl Progress {
    /// The rest is an error number.
    const FAILED: u64 = 1 << 63;
    /// An executed program inherits the descriptor, once the file is sealed.
    const INHERITED: u64 = 1 << 62;
    /// The rest.
    const COUNT: u64 = Self::INHERITED - 1;

    #[inline(always)]
    const fn new(is_inherited: bool) -> Self {
        Self(if is_inherited { Self::INHERITED } else { 0 })
    }

    const fn is_inherited(self) -> bool {
        self.0 & Self::INHERITED != 0
    }

    #[inline(always)]
    const fn get(self) -> Result<u64, Errno> {
        let count = self.0 & Self::COUNT;
        if self.0 & Self::FAILED != 0 {
            return Err(Errno::from_raw_os_error(count as i32));
        }
        Ok(count)
    }

    /// No file has as many bytes as would not fit.
    const fn add(&mut self, count: usize) {
        self.0 = self.0.wrapping_add(count as u64);
    }

    const fn fail(&mut self, errno: Errno) {
        self.0 = Self::FAILED | errno.raw_os_error() as u64;
    }
}

impl Writer<'_> {
    /// Writes all of `bytes`: into the buffer if there is room, or else to the file.
    ///
    /// It continues after `EINTR` and after a short count.
    ///
    /// # Errors
    /// An error may be about bytes that an earlier call put into the buffer. It is final, as
    /// [`Writer`] says.
    /// - `EFBIG`: at `RLIMIT_FSIZE`. The signal `SIGXFSZ` kills the process unless it is ignored.
    /// - `ENOSPC`: no memory for the content.
    /// - `EPERM`: another process has sealed the file.
    ///
    /// See [`pwrite(2)`](https://man7.org/linux/man-pages/man2/pwrite.2.html).
    #[doc(alias = "pwrite")]
    #[inline]
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let buffered = self.buffered(self.progress.get()?);
        match self.buffer.get_mut(buffered..) {
            Some(room) if bytes.len() < room.len() => {
                self.progress.add(copy(room, bytes));
                Ok(())
            }
            _ => self.write_through(bytes),
        }
    }

    /// Writes formatted text. `write!` and `writeln!` call this, also where a trait with such a
    /// method is in scope.
    ///
    /// # Errors
    /// - Those of [`write_all`](Self::write_all).
    /// - `EINVAL`: what was to be formatted returned an error of its own. It may have written a
    ///   part. This is not final.
    #[inline]
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), Errno> {
        fmt::write(self, text).map_err(|_| self.progress.get().err().unwrap_or(Errno::EINVAL))
    }

    /// Writes bytes that fill the buffer, or more.
    #[inline(never)]
    fn write_through(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        let written = self.progress.get()?;
        let buffered = self.buffered(written);
        if buffered > 0 {
            let room = self.buffer.get_mut(buffered..).unwrap_or_default();
            let count = copy(room, bytes);
            self.write_out(written - buffered as u64, None)?;
            self.progress.add(count);
            bytes = bytes.get(count..).unwrap_or_default();
        }
        // What fills the buffer need not be copied there.
        let rest = bytes.len().checked_rem(self.buffer.len()).unwrap_or(0);
        let whole = bytes.len() - rest;
        let (whole, rest) = bytes.split_at_checked(whole).unwrap_or((bytes, &[]));
        self.write_out(self.progress.get()?, Some(whole))?;
        self.progress.add(whole.len() + copy(self.buffer, rest));
        Ok(())
    }

    /// Writes the bytes, or else the buffer, to the file at `at`.
    fn write_out(&mut self, mut at: u64, bytes: Option<&[u8]>) -> Result<(), Errno> {
        let bytes = bytes.unwrap_or(self.buffer);
        write_on(&self.file, &mut self.extents, &mut at, bytes)
            .inspect_err(|errno| self.progress.fail(*errno))
    }

    /// How many of the bytes are in the buffer.
    #[inline(always)]
    const fn buffered(&self, written: u64) -> usize {
        match written.checked_rem(self.buffer.len() as u64) {
            Some(buffered) => buffered as usize,
            None => 0,
        }
    }

    /// Writes nothing: nobody gets what was written before [`finish`](Self::finish) seals it. So
    /// bytes stay in the buffer until it is full, or until then.
    ///
    /// # Errors
    /// - The error of an earlier call, if one failed.
    #[inline]
    pub const fn flush(&mut self) -> Result<(), Errno> {
        match self.progress.get() {
            Ok(_) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// How many bytes were written so far, those in the buffer included; 0 after an error.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.progress.get().unwrap_or(0)
    }

    /// Whether nothing was written so far, or an error came.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes what is left in the buffer, seals the file for good as by [`OwnedMemFd::seal`], and
    /// returns it, close-on-exec or not as the options say.
    ///
    /// # Errors
    /// The file is gone.
    /// - The error of an earlier call, if one failed.
    /// - Those of [`write_all`](Self::write_all).
    /// - `EBUSY`: a child that was forked meanwhile holds the file for a quarter of a second, or
    ///   one of its pages is in use for about 2 s; or another process has changed its length
    ///   since the last write.
    ///
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[doc(alias = "F_ADD_SEALS")]
    #[inline]
    pub fn finish(mut self) -> Result<SealedMemFd, CreateError> {
        let written = self.progress.get()?;
        let buffered = self.buffered(written);
        let bytes = self.buffer.get(..buffered).unwrap_or_default();
        let mut at = written - buffered as u64;
        write_on(&self.file, &mut self.extents, &mut at, bytes)?;
        self.extents.end(&self.file, written)?;
        seal_own(self.file, written, self.progress.is_inherited())
    }
}

impl fmt::Write for Writer<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("file", &self.file)
            .field("progress", &self.progress.get())
            .finish_non_exhaustive()
    }
}

/// # Reading piece by piece
impl SealedMemFd {
    /// Reads the content piece by piece, from its start, through `buffer`.
    ///
    /// It goes by position: it neither uses nor moves the descriptor's offset, which a sender may
    /// share. It ends at the [`len`](Self::len) that was proven, even if the file gets longer.
    ///
    /// A read that is as large as the buffer goes straight to the caller. With an empty buffer
    /// every read does. [`map`](Self::map) is faster from 2 MiB on, if the file is on huge pages,
    /// and where the content is needed more than once.
    ///
    /// ```
    /// use owned_memfd::SealedMemFd;
    ///
    /// let sealed = SealedMemFd::copy_from_slice(c"greeting", b"hello, world")?;
    /// let mut buffer = [0; 64];
    /// let mut reader = sealed.reader(&mut buffer);
    /// let mut word = [0; 5];
    /// reader.read_exact(&mut word)?;
    /// assert_eq!(&word, b"hello");
    /// assert_eq!(reader.fill_buf()?, b", world");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "pread")]
    #[inline]
    #[must_use]
    pub const fn reader<'a>(&'a self, buffer: &'a mut [u8]) -> Reader<'a> {
        Reader {
            file: self,
            position: 0,
            buffer,
            start: 0,
            end: 0,
        }
    }
}

/// Reads a sealed memory file piece by piece, through a buffer.
///
/// [`SealedMemFd::reader`] makes it.
/// The methods of `std::io::Read`, `BufRead` and `Seek`, with the feature `std`, do the same as
/// those here.
pub struct Reader<'a> {
    file: &'a SealedMemFd,
    /// Where the next byte that the caller gets stands in the file.
    position: usize,
    buffer: &'a mut [u8],
    /// The bytes from `start` to `end` of the buffer are those at the position.
    start: usize,
    end: usize,
}

impl Reader<'_> {
    /// Reads at the position, moves it, and returns how many bytes; 0 at the end of the content.
    ///
    /// These may be fewer than `buffer` holds, also before the end: as many as are in the reader's
    /// buffer.
    ///
    /// # Errors
    /// - `EBADF`: the descriptor is open only for writing.
    /// - `EINTR`: a signal came before any byte was read.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    #[doc(alias = "pread")]
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        if self.start == self.end {
            if buffer.len() >= self.buffer.len() {
                // The buffer no longer ends at the position.
                (self.start, self.end) = (0, 0);
                let count = self.file.read_at(buffer, self.position)?;
                self.position += count;
                return Ok(count);
            }
            self.fill_buf()?;
        }
        let count = copy(buffer, self.buffered());
        self.consume(count);
        Ok(count)
    }

    /// Reads at the position until `buffer` is full, and moves the position.
    ///
    /// It continues after `EINTR` and after a short count.
    ///
    /// # Errors
    /// [`TransferError::done`] says how many bytes were read.
    /// - [`TransferCause::EndOfFile`]: the content ends first.
    /// - `EBADF`: the descriptor is open only for writing.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    #[doc(alias = "pread")]
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), TransferError> {
        let mut done = 0;
        while let Some(rest @ [_, ..]) = buffer.get_mut(done..) {
            let cause = match self.read(rest) {
                Ok(0) => TransferCause::EndOfFile,
                Ok(count) => {
                    done += count;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                Err(errno) => TransferCause::Kernel(errno),
            };
            let done = done as u64;
            let error = TransferError { done, cause };
            return Err(error.explained(None, Some(self.file.as_fd())));
        }
        Ok(())
    }

    /// The bytes at the position that are in the buffer, which is filled first if it has none;
    /// nothing at the end of the content. [`consume`](Self::consume) moves the position over them.
    ///
    /// # Errors
    /// - `EBADF`: the descriptor is open only for writing.
    /// - `EINTR`: a signal came before any byte was read.
    /// - `EINVAL`: the buffer is empty.
    ///
    /// See [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html).
    #[doc(alias = "pread")]
    #[inline]
    pub fn fill_buf(&mut self) -> Result<&[u8], Errno> {
        if self.start == self.end {
            if self.buffer.is_empty() {
                return Err(Errno::EINVAL);
            }
            (self.start, self.end) = (0, 0);
            self.end = self.file.read_at(self.buffer, self.position)?;
        }
        Ok(self.buffered())
    }

    /// Moves the position over `count` bytes of the buffer, or over all of them if they are fewer.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.position += count;
    }

    /// Where the next byte stands, from the start of the content. It can be after its end.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position as u64
    }

    /// Moves the position, and returns it. It may be after the end, where nothing is read.
    ///
    /// The end is that of the content that was proven. Bytes in the buffer are kept if the position
    /// stays among them.
    ///
    /// # Errors
    /// - `EINVAL`: the position would be negative or above `i64::MAX`. It stays where it was.
    #[inline]
    pub fn seek(&mut self, to: SeekFrom) -> Result<u64, Errno> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => (self.file.len() as u64).checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position().checked_add_signed(distance),
        };
        let Some(position) = position.filter(|position| i64::try_from(*position).is_ok()) else {
            return Err(Errno::EINVAL);
        };
        let target = position as usize;
        // Where the buffer begins in the file.
        let first = self.position - self.start;
        match target.checked_sub(first) {
            Some(start) if start <= self.end => self.start = start,
            _ => (self.start, self.end) = (0, 0),
        }
        self.position = target;
        Ok(position)
    }

    #[inline]
    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("file", &self.file)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
