//! Processes that try to change every memory file of the workers, by every interface of the kernel
//! that another process of the same user has.
#![allow(unsafe_code)]

use crate::{
    board::{Board, Number, Phase, WORKERS},
    post::Post,
};
use nix::{
    sys::uio::{RemoteIoVec, process_vm_writev},
    unistd::Pid,
};
use rustix::{
    fs::{self, FallocateFlags, Mode, OFlags, SealFlags},
    io::{self, Errno},
    mm::{self, Advice, MapFlags, MprotectFlags, ProtFlags},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    pipe::{self, SpliceFlags},
};
use std::{
    ffi::c_void,
    fs::{read_dir, read_link},
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsRawFd, OwnedFd},
    ptr, thread,
    time::Duration,
};

/// What is done with a file, or with memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Attack {
    Write,
    Map,
    Protect,
    Remove,
    Truncate,
    Reopen,
    Grow,
    Punch,
    Allocate,
    Splice,
    Sendfile,
    CopyRange,
    /// Into a pipe whose buffer is the file's page: what CVE-2022-0847 allowed. Changes nothing.
    DirtyPipe,
    Append,
    Mode,
    Seal,
    /// A mapping that could write stays for a while, so that nobody can seal the file.
    Hold,
    /// A page is in a pipe for a while.
    Pin,
    /// `process_vm_writev` and `/proc/PID/mem`, at an address of another process.
    Memory,
    ProcMem,
}

impl Attack {
    pub(crate) const ALL: [Self; 20] = [
        Self::Write,
        Self::Map,
        Self::Protect,
        Self::Remove,
        Self::Truncate,
        Self::Reopen,
        Self::Grow,
        Self::Punch,
        Self::Allocate,
        Self::Splice,
        Self::Sendfile,
        Self::CopyRange,
        Self::DirtyPipe,
        Self::Append,
        Self::Mode,
        Self::Seal,
        Self::Hold,
        Self::Pin,
        Self::Memory,
        Self::ProcMem,
    ];

    /// Whether it is about memory of another process, which the kernel may forbid between two
    /// processes of the same user.
    pub(crate) fn is_on_memory(self) -> bool {
        matches!(self, Self::Memory | Self::ProcMem)
    }
}

/// What attackers write.
const GARBAGE: [u8; 64] = [0xee; 64];
/// How long they make a file at most.
const LONGEST: u64 = 1 << 20;

/// One of the threads that attack.
pub(crate) struct Attacker<'a> {
    pub(crate) board: &'a Board,
    pub(crate) post: &'a Post,
    pub(crate) rng: fastrand::Rng,
    /// Files that workers have sent: the same open files as theirs.
    taken: Vec<OwnedFd>,
    /// A memory file of garbage.
    source: OwnedFd,
}

impl<'a> Attacker<'a> {
    pub(crate) fn new(board: &'a Board, post: &'a Post, rng: fastrand::Rng) -> io::Result<Self> {
        let source = fs::memfd_create(c"source", fs::MemfdFlags::CLOEXEC)?;
        io::write(&source, &GARBAGE)?;
        let taken = Vec::new();
        Ok(Self {
            board,
            post,
            rng,
            taken,
            source,
        })
    }

    pub(crate) fn attack_until_the_end(&mut self) {
        while self.board.phase() == Phase::Work {
            let worker = self.rng.usize(..WORKERS);
            let pid = self.board.get(Number::Pid(worker));
            if let Some(pid) = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
            {
                self.attack_memory(worker, pid);
                if let Some(file) = self.open_one_of(pid) {
                    self.attack(&file);
                }
            }
            self.take();
            if !self.taken.is_empty() {
                let file = self.taken.swap_remove(self.rng.usize(..self.taken.len()));
                self.attack(&file);
                if self.taken.len() < 32 {
                    self.taken.push(file);
                }
            }
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Opens one of the memory files that the process has open.
    fn open_one_of(&mut self, pid: rustix::process::Pid) -> Option<OwnedFd> {
        let directory = format!("/proc/{pid}/fd");
        let numbers = read_dir(directory)
            .ok()?
            .flatten()
            .map(|entry| entry.path());
        let files: Vec<_> = numbers
            .filter(|path| read_link(path).is_ok_and(|file| is_memory_file(&file)))
            .collect();
        let path = self.rng.choice(&files)?;
        let file = fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()?;
        // Another file may have got the number by now, and no other is to be attacked.
        let ours = read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
        let is_nameless = fs::fstat(&file).ok()?.st_nlink == 0;
        let has_seals = fs::fcntl_get_seals(&file).is_ok();
        (is_memory_file(&ours) && is_nameless && has_seals).then_some(file)
    }

    /// Receives what the workers have lent.
    fn take(&mut self) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0; 1];
        let mut bytes = [IoSliceMut::new(&mut byte)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        if rustix::net::recvmsg(&self.post.lent.1, &mut bytes, &mut control, flags).is_ok() {
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(files) = message {
                    self.taken.extend(files);
                }
            }
        }
    }

    /// Some attacks on a file, in a random order. Whether one was granted says little: a file that
    /// is sealed still has a mode, and can be given its own length. What counts is what the
    /// workers see.
    fn attack(&mut self, file: &OwnedFd) {
        for _ in 0..self.rng.usize(1..4) {
            let attack = Attack::ALL[self.rng.usize(..Attack::ALL.len())];
            // Else too many files would be sealed before they are of use.
            let is_rare = attack == Attack::Seal && self.rng.bool();
            if attack.is_on_memory() || is_rare {
                continue;
            }
            let can_change = fs::fcntl_get_seals(file)
                .is_ok_and(|seals| !seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE));
            let granted = self.granted(attack, file).is_ok();
            self.board.add(Number::Tried(attack), 1);
            self.board
                .add(Number::Landed(attack), u64::from(granted && can_change));
        }
    }

    fn granted(&mut self, attack: Attack, file: &OwnedFd) -> io::Result<()> {
        let len = fs::fstat(file)?.st_size.unsigned_abs();
        let at = if len == 0 { 0 } else { self.rng.u64(..len) };
        let page = at & !4095;
        let count = GARBAGE.len();
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        match attack {
            Attack::Write => io::pwrite(file, &GARBAGE, at).map(drop),
            Attack::Map => Mapped::new(file, page, protection)?.fill(at - page),
            Attack::Protect => {
                let mapped = Mapped::new(file, page, ProtFlags::READ)?;
                mapped.protect()?;
                mapped.fill(at - page)
            }
            Attack::Remove => Mapped::new(file, page, protection)?.remove(),
            Attack::Truncate => fs::ftruncate(file, at),
            Attack::Reopen => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                let flags = OFlags::RDWR | OFlags::TRUNC | OFlags::CLOEXEC;
                fs::open(path, flags, Mode::empty()).map(drop)
            }
            Attack::Grow => fs::ftruncate(file, LONGEST.min(len + self.rng.u64(1..9000)).max(len)),
            Attack::Punch => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                fs::fallocate(file, flags, page, 4096)
            }
            Attack::Allocate => {
                let to = LONGEST.min(len + 4096);
                fs::fallocate(file, FallocateFlags::empty(), page.min(to - 1), 4096)
            }
            Attack::Splice => {
                let (from, to) = pipe::pipe_with(pipe::PipeFlags::CLOEXEC)?;
                io::write(&to, &GARBAGE)?;
                let mut at = at;
                pipe::splice(
                    &from,
                    None,
                    file,
                    Some(&mut at),
                    count,
                    SpliceFlags::NONBLOCK,
                )
                .map(drop)
            }
            Attack::Sendfile => fs::sendfile(file, &self.source, Some(&mut 0), count).map(drop),
            Attack::CopyRange => {
                let mut at = at;
                fs::copy_file_range(&self.source, Some(&mut 0), file, Some(&mut at), count)
                    .map(drop)
            }
            Attack::DirtyPipe => {
                let (_from, to) = pipe::pipe_with(pipe::PipeFlags::CLOEXEC)?;
                let mut at = at;
                pipe::splice(file, Some(&mut at), &to, None, 1, SpliceFlags::NONBLOCK)?;
                io::write(&to, &GARBAGE).map(drop)
            }
            Attack::Append => {
                let flags = fs::fcntl_getfl(file)?;
                fs::fcntl_setfl(file, flags | OFlags::APPEND)?;
                let written = io::write(file, &GARBAGE[..8]);
                fs::fcntl_setfl(file, flags)?;
                written.map(drop)
            }
            Attack::Mode => {
                let modes = [0o777, 0o666, 0o600];
                fs::fchmod(file, Mode::from_raw_mode(modes[self.rng.usize(..3)]))
            }
            Attack::Seal => {
                let seals = [
                    SealFlags::SEAL,
                    SealFlags::GROW,
                    SealFlags::SHRINK,
                    SealFlags::WRITE,
                    SealFlags::FUTURE_WRITE,
                ];
                fs::fcntl_add_seals(file, seals[self.rng.usize(..seals.len())])
            }
            Attack::Hold => {
                let _mapped = Mapped::new(file, page, protection)?;
                thread::sleep(Duration::from_micros(self.rng.u64(..3000)));
                Ok(())
            }
            Attack::Pin => {
                let (_from, to) = pipe::pipe_with(pipe::PipeFlags::CLOEXEC)?;
                let mut at = page;
                pipe::splice(file, Some(&mut at), &to, None, 4096, SpliceFlags::NONBLOCK)?;
                thread::sleep(Duration::from_micros(self.rng.u64(..3000)));
                Ok(())
            }
            // Of a process, and not of a file: `attack_memory`.
            Attack::Memory | Attack::ProcMem => Err(Errno::INVAL),
        }
    }

    /// Writes where a worker has mapped a sealed file, and a file that can change. These mappings
    /// stay as long as there are attackers: nothing else is ever there.
    fn attack_memory(&mut self, worker: usize, pid: rustix::process::Pid) {
        for map in [Number::SealedMap(worker), Number::OpenMap(worker)] {
            let address = usize::try_from(self.board.get(map)).unwrap_or(0);
            if address == 0 {
                continue;
            }
            let attack = [Attack::Memory, Attack::ProcMem][self.rng.usize(..2)];
            let granted = match attack {
                Attack::Memory => write_memory(pid, address),
                _ => write_by_path(pid, address),
            };
            let is_forbidden = matches!(granted, Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS));
            let can_change = matches!(map, Number::OpenMap(_));
            let has_landed = granted.is_ok() && can_change;
            self.board.add(Number::Tried(attack), 1);
            self.board
                .add(Number::Forbidden(attack), u64::from(is_forbidden));
            self.board
                .add(Number::Landed(attack), u64::from(has_landed));
        }
    }
}

fn is_memory_file(link: &std::path::Path) -> bool {
    link.as_os_str().as_encoded_bytes().starts_with(b"/memfd:")
}

fn write_memory(pid: rustix::process::Pid, address: usize) -> io::Result<()> {
    let to = RemoteIoVec {
        base: address,
        len: GARBAGE.len(),
    };
    let pid = Pid::from_raw(pid.as_raw_nonzero().get());
    match process_vm_writev(pid, &[IoSlice::new(&GARBAGE)], &[to]) {
        Ok(_) => Ok(()),
        Err(errno) => Err(Errno::from_raw_os_error(errno as i32)),
    }
}

fn write_by_path(pid: rustix::process::Pid, address: usize) -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let memory = fs::open(format!("/proc/{pid}/mem"), flags, Mode::empty())?;
    io::pwrite(memory, &GARBAGE, address as u64).map(drop)
}

/// A page of a file, mapped shared.
struct Mapped(*mut c_void);

const PAGE: usize = 4096;

impl Mapped {
    fn new(file: &OwnedFd, offset: u64, protection: ProtFlags) -> io::Result<Self> {
        // SAFETY: at an address of the kernel's choice; nothing is replaced.
        unsafe {
            mm::mmap(
                ptr::null_mut(),
                PAGE,
                protection,
                MapFlags::SHARED,
                file,
                offset,
            )
        }
        .map(Self)
    }

    fn protect(&self) -> io::Result<()> {
        let flags = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: a mapping of our own, into which there is no reference.
        unsafe { mm::mprotect(self.0, PAGE, flags) }
    }

    fn remove(&self) -> io::Result<()> {
        // SAFETY: as above.
        unsafe { mm::madvise(self.0, PAGE, Advice::LinuxRemove) }
    }

    /// Writes into the mapping, by the kernel: where the file has been cut, that is an error and
    /// no signal.
    fn fill(&self, at: u64) -> io::Result<()> {
        let at = usize::try_from(at).unwrap_or(0).min(PAGE - GARBAGE.len());
        // A process may always write its own memory by this path.
        write_by_path(rustix::process::getpid(), self.0.addr() + at)
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: as above.
        let unmapped = unsafe { mm::munmap(self.0, PAGE) };
        debug_assert!(unmapped.is_ok());
    }
}
