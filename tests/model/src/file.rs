//! The model of a memory file, and of what is open of it. Each operation returns what the library
//! must return.

use crate::{
    bytes::Bytes,
    rules::{Rules, Wrong},
};
use owned_memfd::{Errno, SealError, Seals, SeekFrom, TransferCause, TransferError};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// The largest offset.
pub(crate) const LAST: u64 = i64::MAX as u64;
/// The seals that forbid every write.
pub(crate) const NO_WRITE: Seals = Seals::WRITE.union(Seals::FUTURE_WRITE);
/// What the kernel adds with `EXEC` to an executable file.
const WITH_EXEC: Seals = NO_WRITE.union(Seals::SHRINK).union(Seals::GROW);

/// A memory file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) bytes: Bytes,
    pub(crate) seals: Seals,
    pub(crate) mode: u32,
    /// Each map that could write keeps one of these.
    writers: Rc<()>,
}

impl File {
    pub(crate) fn new(bytes: Bytes, mode: u32, seals: Seals) -> Self {
        let writers = Rc::new(());
        Self {
            bytes,
            seals,
            mode,
            writers,
        }
    }

    /// For a map that could write, to be dropped with it.
    pub(crate) fn writer(&self) -> Rc<()> {
        Rc::clone(&self.writers)
    }

    fn is_mapped(&self) -> bool {
        Rc::strong_count(&self.writers) > 1
    }
}

/// An open file: what a descriptor and its clones share.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    file: Rc<RefCell<File>>,
    offset: Rc<Cell<u64>>,
    /// It is open for writing too.
    pub(crate) writes: bool,
}

/// Where a transfer begins.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// At the offset, which it moves.
    Offset,
    /// Here.
    Position(u64),
}

impl Open {
    /// The first descriptor of a new file.
    pub(crate) fn new(file: File) -> Self {
        Self {
            file: Rc::new(RefCell::new(file)),
            offset: Rc::default(),
            writes: true,
        }
    }

    pub(crate) fn file(&self) -> std::cell::Ref<'_, File> {
        self.file.borrow()
    }

    pub(crate) fn file_mut(&self) -> std::cell::RefMut<'_, File> {
        self.file.borrow_mut()
    }

    pub(crate) fn is_of_same_file(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.file, &other.file)
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset.get()
    }

    /// What another descriptor of it has.
    pub(crate) fn cloned(&self, rules: &Rules) -> Self {
        let mut clone = self.clone();
        if rules.is(Wrong::OwnOffset) {
            clone.offset = Rc::new(Cell::new(self.offset()));
        }
        clone
    }

    /// The same file, opened again.
    pub(crate) fn reopened(&self, rules: &Rules) -> Result<Self, Errno> {
        if self.file().mode & 0o400 == 0 && !rules.behaviour.opens_everything {
            return Err(Errno::EACCES);
        }
        Ok(Self {
            file: Rc::clone(&self.file),
            offset: Rc::default(),
            writes: false,
        })
    }

    pub(crate) fn read(&self, len: usize, at: At) -> Result<Vec<u8>, Errno> {
        let start = self.start(at);
        within(start, len)?;
        let found = self.file().bytes.read(start, len);
        if let At::Offset = at {
            self.offset.set(start + found.len() as u64);
        }
        Ok(found)
    }

    pub(crate) fn read_exact_at(&self, len: usize, offset: u64) -> Result<Vec<u8>, TransferError> {
        let stopped = |done, cause| TransferError { done, cause };
        let found = self
            .read(len, At::Position(offset))
            .map_err(|errno| stopped(0, TransferCause::Kernel(errno)))?;
        if found.len() < len {
            return Err(stopped(found.len() as u64, TransferCause::EndOfFile));
        }
        Ok(found)
    }

    fn start(&self, at: At) -> u64 {
        match at {
            At::Offset => self.offset(),
            At::Position(offset) => offset,
        }
    }

    pub(crate) fn write(&self, rules: &Rules, bytes: &[u8], at: At) -> Result<usize, Errno> {
        let start = self.start(at);
        // Of a position, the kernel looks at its sign first.
        within(start, 0)?;
        if !self.writes {
            return Err(Errno::EBADF);
        }
        within(start, bytes.len())?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut file = self.file_mut();
        if file.seals.intersects(NO_WRITE) {
            return Err(Errno::EPERM);
        }
        let room = room(rules, &file, start, bytes.len());
        if room == 0 {
            return Err(Errno::EPERM);
        }
        file.bytes.write(start, &bytes[..room]);
        if let At::Offset = at {
            self.offset.set(start + room as u64);
        }
        Ok(room)
    }

    /// Whether anything at all can be written.
    pub(crate) fn may_write(&self) -> Result<(), Errno> {
        if !self.writes {
            return Err(Errno::EBADF);
        }
        if self.file().seals.intersects(NO_WRITE) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    pub(crate) fn write_all(
        &self,
        rules: &Rules,
        bytes: &[u8],
        at: At,
    ) -> Result<(), TransferError> {
        let mut done = 0;
        loop {
            let next = match at {
                At::Offset => at,
                At::Position(offset) => At::Position(offset.wrapping_add(done as u64)),
            };
            match self.write(rules, &bytes[done..], next) {
                Ok(count) => done += count,
                Err(errno) => {
                    let done = done as u64;
                    let cause = self.explain_transfer(errno);
                    return Err(TransferError { done, cause });
                }
            }
            if done == bytes.len() {
                return Ok(());
            }
        }
    }

    /// Why a transfer to this file returned `errno`.
    pub(crate) fn explain_transfer(&self, errno: Errno) -> TransferCause {
        let seals = self.file().seals;
        match errno {
            Errno::EBADF if !self.writes => TransferCause::ReadOnly,
            Errno::EPERM if seals.intersects(NO_WRITE) => TransferCause::Sealed(seals & NO_WRITE),
            Errno::EPERM if seals.contains(Seals::GROW) => TransferCause::Sealed(Seals::GROW),
            errno => TransferCause::Kernel(errno),
        }
    }

    pub(crate) fn explain_write_error(&self, errno: Errno) -> TransferCause {
        let forbidding = self.file().seals & NO_WRITE.union(Seals::SHRINK).union(Seals::GROW);
        match errno {
            Errno::EPERM if !forbidding.is_empty() => TransferCause::Sealed(forbidding),
            Errno::EBADF | Errno::EINVAL if !self.writes => TransferCause::ReadOnly,
            errno => TransferCause::Kernel(errno),
        }
    }

    pub(crate) fn seek(&self, to: SeekFrom) -> Result<u64, Errno> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(distance) => self.file().bytes.len().checked_add_signed(distance),
            SeekFrom::Current(distance) => self.offset().checked_add_signed(distance),
        };
        match target {
            Some(offset) if offset <= LAST => {
                self.offset.set(offset);
                Ok(offset)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn set_len(&self, rules: &Rules, len: u64) -> Result<(), Errno> {
        if len > LAST || !self.writes {
            return Err(Errno::EINVAL);
        }
        let mut file = self.file_mut();
        let (old, seals) = (file.bytes.len(), file.seals);
        if len < old && seals.contains(Seals::SHRINK) || len > old && seals.contains(Seals::GROW) {
            return Err(Errno::EPERM);
        }
        if rules.is(Wrong::KeepsWhatIsCut) {
            file.bytes.set_len_only(len);
        } else {
            file.bytes.set_len(len);
        }
        Ok(())
    }

    pub(crate) fn allocate(&self, offset: u64, len: u64) -> Result<(), Errno> {
        let end = self.range_of_allocation(offset, len)?;
        let mut file = self.file_mut();
        let old = file.bytes.len();
        if end > old && file.seals.contains(Seals::GROW) {
            return Err(Errno::EPERM);
        }
        file.bytes.set_len(old.max(end));
        Ok(())
    }

    pub(crate) fn punch_hole(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.range_of_allocation(offset, len)?;
        let mut file = self.file_mut();
        if file.seals.intersects(NO_WRITE) {
            return Err(Errno::EPERM);
        }
        file.bytes.zero(offset, len);
        Ok(())
    }

    /// The end of a range whose memory is allocated or freed.
    fn range_of_allocation(&self, offset: u64, len: u64) -> Result<u64, Errno> {
        if offset > LAST || len > LAST || len == 0 {
            return Err(Errno::EINVAL);
        }
        if !self.writes {
            return Err(Errno::EBADF);
        }
        let end = offset + len;
        if end > LAST {
            return Err(Errno::EFBIG);
        }
        Ok(end)
    }

    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        let mut file = self.file_mut();
        if file.seals.contains(Seals::EXEC) && (mode ^ file.mode) & 0o111 != 0 {
            return Err(Errno::EPERM);
        }
        file.mode = mode & 0o7777;
        Ok(())
    }

    pub(crate) fn add_seals(&self, rules: &Rules, seals: Seals) -> Result<(), Errno> {
        if !self.writes {
            return Err(Errno::EPERM);
        }
        if !rules.behaviour.seals.contains(seals) {
            return Err(Errno::EINVAL);
        }
        let mut file = self.file_mut();
        if file.seals.contains(Seals::SEAL) && !rules.is(Wrong::OpenForSeals) {
            return Err(Errno::EPERM);
        }
        let all = if seals.contains(Seals::EXEC) && file.mode & 0o111 != 0 {
            seals | WITH_EXEC
        } else {
            seals
        };
        let looked_at = if rules.behaviour.forges { seals } else { all };
        if looked_at.difference(file.seals).contains(Seals::WRITE)
            && file.is_mapped()
            && !rules.is(Wrong::NeverBusy)
        {
            return Err(Errno::EBUSY);
        }
        file.seals |= all;
        Ok(())
    }

    pub(crate) fn explain_seal_error(&self, errno: Errno) -> SealError {
        match errno {
            Errno::EBUSY => SealError::MappedOrPinned,
            Errno::EINVAL => SealError::UnknownSeal,
            Errno::EPERM if !self.writes => SealError::ReadOnly,
            Errno::EPERM if self.file().seals.contains(Seals::SEAL) => SealError::SealingClosed,
            errno => SealError::Kernel(errno),
        }
    }
}

/// That a transfer stays where offsets are.
fn within(offset: u64, len: usize) -> Result<(), Errno> {
    match offset.checked_add(len as u64) {
        Some(end) if offset <= LAST && end <= LAST => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// How many of `len` bytes can be written at `start`: the kernel writes in pieces, and none of them
/// beyond the end of a file that cannot grow.
fn room(rules: &Rules, file: &File, start: u64, len: usize) -> usize {
    let end = start + len as u64;
    let size = file.bytes.len();
    if !file.seals.contains(Seals::GROW) || end <= size {
        return len;
    }
    let piece = rules.behaviour.piece;
    let whole = (size / piece * piece).saturating_sub(start);
    usize::try_from(whole).map_or(len, |whole| whole.min(len))
}
