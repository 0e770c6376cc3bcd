//! What others do with the same files. All that is unsafe here is what they ask for and we do not.
#![allow(unsafe_code)]

use crate::{
    measure::Failure,
    ring::{HEAD, Memory, TAIL},
};
use memmap2::{Mmap, MmapMut, MmapOptions, MmapRaw};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create},
    io::{pread, read, write},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
    thread::futex,
};
use shmem_ipc::sharedring::{Receiver, Sender};
use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

/// The seals that the crate's `seal` adds.
pub(crate) const FINAL: SealFlags = SealFlags::WRITE
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

pub(crate) fn create() -> Result<OwnedFd, Failure> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    Ok(memfd_create(c"peer", flags)?)
}

pub(crate) fn create_on_huge_pages() -> Result<OwnedFd, Failure> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    Ok(memfd_create(c"peer", flags)?)
}

pub(crate) fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        bytes = &bytes[write(&fd, bytes)?..];
    }
    Ok(())
}

pub(crate) fn seal(fd: impl AsFd) -> Result<(), Failure> {
    Ok(fcntl_add_seals(fd, FINAL)?)
}

/// What a careful receiver does by hand: asks for the seals, then for the length.
pub(crate) fn proven_len(fd: impl AsFd) -> Result<usize, Failure> {
    if !fcntl_get_seals(&fd)?.contains(SealFlags::WRITE | SealFlags::SHRINK) {
        return Err("the file is not sealed".into());
    }
    Ok(usize::try_from(fstat(&fd)?.st_size)?)
}

pub(crate) fn map(fd: impl AsFd, len: usize) -> Result<Mmap, Failure> {
    let fd = std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd());
    // SAFETY: the file is sealed against writing and shrinking, and has that length.
    Ok(unsafe { MmapOptions::new().len(len).map(fd) }?)
}

pub(crate) fn map_mut(fd: BorrowedFd<'_>, len: usize) -> Result<MmapMut, Failure> {
    let fd = std::os::fd::AsRawFd::as_raw_fd(&fd);
    // SAFETY: nobody else has the file, which has that length.
    Ok(unsafe { MmapOptions::new().len(len).map_mut(fd) }?)
}

/// Hands each piece of the file to `with`.
pub(crate) fn read_by_position(
    fd: impl AsFd,
    len: usize,
    buffer: &mut [u8],
    mut with: impl FnMut(&[u8]),
) -> Result<(), Failure> {
    let mut at = 0;
    while at < len {
        let read = pread(&fd, &mut *buffer, at as u64)?;
        if read == 0 {
            return Err("the file is shorter than it was".into());
        }
        with(&buffer[..read]);
        at += read;
    }
    Ok(())
}

pub(crate) fn send(socket: impl AsFd, fd: BorrowedFd<'_>) -> Result<(), Failure> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    let fds = [fd];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err("no room for a descriptor".into());
    }
    sendmsg(
        socket,
        &[IoSlice::new(b"\0")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives one descriptor, or none at the end.
pub(crate) fn receive(socket: impl AsFd) -> Result<Option<OwnedFd>, Failure> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let mut byte = [0];
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if message.flags.contains(ReturnFlags::CTRUNC) {
        return Err("a descriptor was lost".into());
    }
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    }))
}

pub(crate) fn read_u64(fd: impl AsFd) -> Result<Option<u64>, Failure> {
    let mut bytes = [0; 8];
    match read(fd, &mut bytes)? {
        0 => Ok(None),
        8 => Ok(Some(u64::from_ne_bytes(bytes))),
        other => Err(format!("{other} bytes came, not 8").into()),
    }
}

/// A writable map to which others write too, used through raw pointers.
pub(crate) struct Raw(MmapRaw);

impl Raw {
    pub(crate) fn map(fd: impl AsFd) -> Result<Self, Failure> {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd());
        Ok(Self(MmapOptions::new().map_raw(fd)?))
    }

    /// Not checked: as fast as it can be, and as dangerous.
    #[inline]
    pub(crate) fn write(&self, bytes: &[u8], offset: usize) {
        // SAFETY: the callers stay within the map. (That others may write there at the same time is
        // a data race, which this crate exists to avoid.)
        let to = unsafe { self.0.as_mut_ptr().add(offset) };
        // SAFETY: as above.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
    }

    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8], offset: usize) {
        // SAFETY: as in `write`.
        let from = unsafe { self.0.as_ptr().add(offset) };
        // SAFETY: as in `write`.
        unsafe { ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), buffer.len()) }
    }

    #[inline]
    fn atomic(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the callers stay within the map.
        let at = unsafe { self.0.as_mut_ptr().add(offset) };
        // SAFETY: it stays mapped as long as `self` is borrowed, and the callers' offsets are
        // multiples of 4.
        unsafe { AtomicU32::from_ptr(at.cast()) }
    }

    fn wait(&self, offset: usize, expected: u32) -> Result<(), Failure> {
        match futex::wait(
            self.atomic(offset),
            futex::Flags::empty(),
            expected,
            Some(&futex::Timespec {
                tv_sec: 5,
                tv_nsec: 0,
            }),
        ) {
            Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn wake(&self, offset: usize) -> Result<(), Failure> {
        futex::wake(self.atomic(offset), futex::Flags::empty(), 1)?;
        Ok(())
    }
}

impl Memory for Raw {
    #[inline]
    fn head(&self) -> u32 {
        self.atomic(HEAD).load(Ordering::Acquire)
    }

    #[inline]
    fn set_head(&self, head: u32) {
        self.atomic(HEAD).store(head, Ordering::Release);
    }

    #[inline]
    fn tail(&self) -> u32 {
        self.atomic(TAIL).load(Ordering::Acquire)
    }

    #[inline]
    fn set_tail(&self, tail: u32) {
        self.atomic(TAIL).store(tail, Ordering::Release);
    }

    #[inline]
    fn number(&self, offset: usize) -> Result<u32, Failure> {
        Ok(self.atomic(offset).load(Ordering::Relaxed))
    }

    #[inline]
    fn set_number(&self, offset: usize, number: u32) -> Result<(), Failure> {
        self.atomic(offset).store(number, Ordering::Relaxed);
        Ok(())
    }

    #[inline]
    fn copy_in(&self, bytes: &[u8], offset: usize) -> Result<(), Failure> {
        self.write(bytes, offset);
        Ok(())
    }

    #[inline]
    fn copy_out(&self, buffer: &mut [u8], offset: usize) -> Result<(), Failure> {
        self.read(buffer, offset);
        Ok(())
    }

    fn wait_for_head(&self, other_than: u32) -> Result<(), Failure> {
        self.wait(HEAD, other_than)
    }

    fn wait_for_tail(&self, other_than: u32) -> Result<(), Failure> {
        self.wait(TAIL, other_than)
    }

    fn wake_consumer(&self) -> Result<(), Failure> {
        self.wake(HEAD)
    }

    fn wake_producer(&self) -> Result<(), Failure> {
        self.wake(TAIL)
    }
}

/// Copies words into a ring of `shmem-ipc` until all are there.
pub(crate) fn send_words(to: &mut Sender<u64>, mut words: &[u64]) -> Result<(), Failure> {
    while !words.is_empty() {
        to.block_until_writable()?;
        let mut sent = 0;
        to.send_raw(|room, count| {
            sent = count.min(words.len());
            // SAFETY: the ring has room for `count` words there, which the other side does not
            // read before it is told of them.
            unsafe { ptr::copy_nonoverlapping(words.as_ptr(), room, sent) };
            sent
        })?;
        words = &words[sent..];
    }
    Ok(())
}

/// Adds up the next `count` words of a ring of `shmem-ipc`.
pub(crate) fn receive_words(from: &mut Receiver<u64>, mut count: usize) -> Result<u64, Failure> {
    let mut sum = 0_u64;
    while count > 0 {
        from.block_until_readable()?;
        let read = |words: &[u64]| {
            let words = &words[..words.len().min(count)];
            sum = words.iter().fold(sum, |sum, &word| sum.wrapping_add(word));
            count -= words.len();
            words.len()
        };
        // SAFETY: the sender is this program too, and does not write words that it has sent.
        unsafe { from.receive_trusted(read) }?;
    }
    Ok(sum)
}
