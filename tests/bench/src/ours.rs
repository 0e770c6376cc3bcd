//! What this crate does, without unsafe code.
#![forbid(unsafe_code)]

use crate::{
    content::{PIECE, produce, sum},
    measure::Failure,
    ring::{HEAD, Memory, TAIL},
};
pub(crate) use owned_memfd::SharedMapMut;
use owned_memfd::{
    Errno, HugePageSize, MemFdOptions, OwnedMemFd, SealedMemFd, SharedAtomicMut, fd::OwnedFd,
};
use std::{hint::black_box, sync::atomic::Ordering, time::Duration};

/// A file of zeros whose memory is there.
pub(crate) fn allocated(options: MemFdOptions, len: usize) -> Result<OwnedMemFd, Failure> {
    let file = options.create(c"shared")?;
    file.set_len(len as u64)?;
    file.allocate(0, len as u64)?;
    Ok(file)
}

pub(crate) fn map_shared(file: &OwnedMemFd) -> Result<SharedMapMut, Failure> {
    Ok(file.map_shared_mut(..)?)
}

pub(crate) fn on_huge_pages() -> MemFdOptions {
    MemFdOptions::new().huge_pages(HugePageSize::DEFAULT)
}

pub(crate) fn fill_in_place(
    options: MemFdOptions,
    len: usize,
    piece: &[u8],
) -> Result<SealedMemFd, Failure> {
    Ok(options.create_with(c"ours", len, |bytes| produce(piece, bytes))?)
}

/// With the length, or 0 if it is not known.
pub(crate) fn fill_by_writer(
    capacity: usize,
    len: usize,
    piece: &[u8],
    buffer: &mut [u8],
    made: &mut [u8],
) -> Result<SealedMemFd, Failure> {
    let mut writer = MemFdOptions::new().writer_with_capacity(c"ours", capacity, buffer)?;
    let mut rest = len;
    while rest > 0 {
        let made = &mut made[..rest.min(PIECE)];
        produce(piece, made);
        writer.write_all(made)?;
        rest -= made.len();
    }
    Ok(writer.finish()?)
}

/// As a writer, by hand.
pub(crate) fn fill_by_pieces(
    len: usize,
    piece: &[u8],
    buffer: &mut [u8],
) -> Result<SealedMemFd, Failure> {
    let file = MemFdOptions::new().create(c"ours")?;
    let mut rest = len;
    while rest > 0 {
        let made = &mut buffer[..rest.min(PIECE)];
        produce(piece, made);
        file.write_all(made)?;
        rest -= made.len();
    }
    Ok(file.seal()?)
}

pub(crate) fn copy(content: &[u8]) -> Result<SealedMemFd, Failure> {
    Ok(SealedMemFd::copy_from_slice(c"ours", content)?)
}

pub(crate) fn copy_in_place(content: &[u8]) -> Result<SealedMemFd, Failure> {
    Ok(SealedMemFd::create_with(c"ours", content.len(), |bytes| {
        bytes.copy_from_slice(content);
    })?)
}

pub(crate) fn read_mapped(fd: OwnedFd) -> Result<u64, Failure> {
    let map = SealedMemFd::verify(fd, usize::MAX)?.map()?;
    Ok(sum(&map))
}

pub(crate) fn read_often(fd: OwnedFd, times: usize, collapse: bool) -> Result<u64, Failure> {
    let map = SealedMemFd::verify(fd, usize::MAX)?.map()?;
    if collapse {
        // Where the machine has no huge page left, the map is read as it is.
        let _ = map.collapse();
    }
    for _ in 1..times {
        black_box(sum(&map));
    }
    Ok(sum(&map))
}

pub(crate) fn read_by_position(fd: OwnedFd, buffer: &mut [u8]) -> Result<u64, Failure> {
    let sealed = SealedMemFd::verify(fd, usize::MAX)?;
    let (mut at, mut all) = (0, 0_u64);
    loop {
        match sealed.read_at(buffer, at)? {
            0 => return Ok(all),
            read => {
                all = all.wrapping_add(sum(&buffer[..read]));
                at += read;
            }
        }
    }
}

pub(crate) fn read_by_reader(fd: OwnedFd, buffer: &mut [u8]) -> Result<u64, Failure> {
    let sealed = SealedMemFd::verify(fd, usize::MAX)?;
    let mut reader = sealed.reader(buffer);
    let mut all = 0_u64;
    loop {
        let read = reader.fill_buf()?;
        if read.is_empty() {
            return Ok(all);
        }
        all = all.wrapping_add(sum(read));
        let len = read.len();
        reader.consume(len);
    }
}

/// A shared map with the numbers of a ring.
pub(crate) struct Shared<'a> {
    map: &'a SharedMapMut,
    head: SharedAtomicMut<'a, u32>,
    tail: SharedAtomicMut<'a, u32>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(map: &'a SharedMapMut) -> Result<Self, Failure> {
        Ok(Self {
            map,
            head: map.atomic_mut(HEAD)?,
            tail: map.atomic_mut(TAIL)?,
        })
    }
}

fn wait(at: SharedAtomicMut<'_, u32>, other_than: u32) -> Result<(), Failure> {
    match at.wait(other_than, Some(Duration::from_secs(5))) {
        Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

impl Memory for Shared<'_> {
    #[inline]
    fn head(&self) -> u32 {
        self.head.load(Ordering::Acquire)
    }

    #[inline]
    fn set_head(&self, head: u32) {
        self.head.store(head, Ordering::Release);
    }

    #[inline]
    fn tail(&self) -> u32 {
        self.tail.load(Ordering::Acquire)
    }

    #[inline]
    fn set_tail(&self, tail: u32) {
        self.tail.store(tail, Ordering::Release);
    }

    #[inline]
    fn number(&self, offset: usize) -> Result<u32, Failure> {
        Ok(self.map.atomic::<u32>(offset)?.load(Ordering::Relaxed))
    }

    #[inline]
    fn set_number(&self, offset: usize, number: u32) -> Result<(), Failure> {
        let at = self.map.atomic_mut::<u32>(offset)?;
        at.store(number, Ordering::Relaxed);
        Ok(())
    }

    #[inline]
    fn copy_in(&self, bytes: &[u8], offset: usize) -> Result<(), Failure> {
        Ok(self.map.write_all_at(bytes, offset)?)
    }

    #[inline]
    fn copy_out(&self, buffer: &mut [u8], offset: usize) -> Result<(), Failure> {
        Ok(self.map.read_exact_at(buffer, offset)?)
    }

    fn wait_for_head(&self, other_than: u32) -> Result<(), Failure> {
        wait(self.head, other_than)
    }

    fn wait_for_tail(&self, other_than: u32) -> Result<(), Failure> {
        wait(self.tail, other_than)
    }

    fn wake_consumer(&self) -> Result<(), Failure> {
        self.head.wake(1)?;
        Ok(())
    }

    fn wake_producer(&self) -> Result<(), Failure> {
        self.tail.wake(1)?;
        Ok(())
    }
}
