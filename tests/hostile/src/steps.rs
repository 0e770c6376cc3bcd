//! What another process can do with the files of a worker.
#![allow(unsafe_code)]

use crate::program::COPY_LINK;
use nix::{
    fcntl::{FallocateFlags, FcntlArg, Flock, FlockArg, OFlag, SealFlag, fallocate, fcntl},
    libc,
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
    unistd::Pid,
};
use owned_memfd::Seals;
use std::{
    ffi::c_void,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Seek, SeekFrom},
    num::NonZeroUsize,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::{fs::FileExt, fs::PermissionsExt, net::UnixDatagram},
    },
    ptr::NonNull,
};

/// What a step is done with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A memory file.
    Memory,
    /// A Unix socket.
    Socket,
}

/// One thing that another process does.
pub struct Step {
    pub name: &'static str,
    pub(crate) kind: Kind,
    /// Whether bytes, the length, the shared offset or what is received may be others afterwards.
    pub(crate) changes: bool,
    /// Whether the step ends what was there at each boundary before: a map of the file.
    pub(crate) unmaps: bool,
    pub(crate) act: fn(&mut Theirs) -> io::Result<()>,
}

/// A descriptor of the worker, as another process gets it.
pub(crate) struct Theirs {
    /// The same open file, by `pidfd_getfd`.
    pub(crate) shared: File,
    /// Another open file of the same inode, by `/proc/PID/fd`.
    pub(crate) opened: File,
    /// What a step keeps until the trial ends.
    pub(crate) kept: Vec<Kept>,
}

/// What another process holds of a file.
pub(crate) enum Kept {
    File(File),
    Lock(Flock<File>),
    Map(Map),
}

/// The first page of a file, mapped shared for writing.
pub(crate) struct Map {
    start: NonNull<c_void>,
    file: File,
}

const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

impl Map {
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let file = file.try_clone()?;
        // SAFETY: a new mapping, which replaces no other and to which nothing refers.
        let start = unsafe { mmap(None, PAGE, access, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(Self { start, file })
    }

    /// Writes the first byte, if the file has one.
    pub(crate) fn write(&self) -> io::Result<()> {
        // Else it would be a SIGBUS here. Nobody cuts it meanwhile: the worker is stopped.
        if self.file.metadata()?.len() > 0 {
            // SAFETY: the byte is mapped for writing, and the file has it.
            unsafe { self.start.cast::<u8>().write_volatile(b'M') };
        }
        Ok(())
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing refers into it.
        let _ = unsafe { munmap(self.start, PAGE.get()) };
    }
}

/// Steps that add one seal, or several.
macro_rules! seal {
    ($name:literal, $seals:expr) => {
        Step {
            name: $name,
            kind: Kind::Memory,
            changes: false,
            unmaps: false,
            act: |file| add_seals(&file.opened, $seals),
        }
    };
}

/// All steps.
pub const STEPS: &[Step] = &[
    changing("cut", |file| file.opened.set_len(0)),
    changing("cut-a-byte", |file| {
        let len = file.opened.metadata()?.len();
        file.opened.set_len(len.saturating_sub(1))
    }),
    changing("grow-a-byte", |file| {
        file.opened.set_len(file.opened.metadata()?.len() + 1)
    }),
    changing("grow-a-page", |file| {
        file.opened.set_len(file.opened.metadata()?.len() + 4096)
    }),
    changing("write", |file| file.opened.write_all_at(b"X", 0)),
    changing("punch", |file| punch(&file.opened)),
    changing("map-and-write", |file| {
        let map = Map::new(&file.opened)?;
        map.write()?;
        file.kept.push(Kept::Map(map));
        Ok(())
    }),
    changing("offset-in-the-middle", |file| file.seek(7)),
    changing("offset-at-the-end", |file| {
        file.seek(file.opened.metadata()?.len())
    }),
    changing("offset-at-the-end-of-all", |file| {
        file.seek(i64::MAX.cast_unsigned())
    }),
    changing("append", |file| set_status(&file.shared, OFlag::O_APPEND)),
    keeping("non-blocking", |file| {
        set_status(&file.shared, OFlag::O_NONBLOCK)
    }),
    seal!("seal-seal", Seals::SEAL),
    seal!("seal-shrink", Seals::SHRINK),
    seal!("seal-grow", Seals::GROW),
    seal!("seal-write", Seals::WRITE),
    seal!("seal-future-write", Seals::FUTURE_WRITE),
    seal!("seal-exec", Seals::EXEC),
    seal!(
        "seal-final",
        Seals::KNOWN
            .difference(Seals::FUTURE_WRITE)
            .difference(Seals::EXEC)
    ),
    seal!("seal-all", Seals::KNOWN),
    keeping("map", |file| {
        let map = Map::new(&file.opened)?;
        file.kept.push(Kept::Map(map));
        Ok(())
    }),
    keeping("map-and-unmap", |file| Map::new(&file.opened).map(drop)),
    Step {
        name: "unmap",
        kind: Kind::Memory,
        changes: false,
        unmaps: true,
        act: |_| Ok(()),
    },
    keeping("open", |file| {
        let opened = file.opened.try_clone()?;
        file.kept.push(Kept::File(opened));
        Ok(())
    }),
    keeping("mode-none", |file| {
        file.opened.set_permissions(Permissions::from_mode(0o000))
    }),
    keeping("mode-all", |file| {
        file.opened.set_permissions(Permissions::from_mode(0o777))
    }),
    keeping("lock", |file| {
        let lock = Flock::lock(file.opened.try_clone()?, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, errno)| errno)?;
        file.kept.push(Kept::Lock(lock));
        Ok(())
    }),
    on_socket("send", |socket| {
        socket.as_socket(|s| s.send(b"theirs").map(drop))
    }),
    on_socket("send-descriptors", |socket| {
        send_descriptors(&socket.shared)
    }),
    on_socket("steal", |socket| {
        socket.as_socket(|s| s.recv(&mut [0; 64]).map(drop))
    }),
    on_socket("shut-down", |socket| {
        socket.as_socket(|s| s.shutdown(std::net::Shutdown::Both))
    }),
];

const fn changing(name: &'static str, act: fn(&mut Theirs) -> io::Result<()>) -> Step {
    step(name, Kind::Memory, true, act)
}

const fn keeping(name: &'static str, act: fn(&mut Theirs) -> io::Result<()>) -> Step {
    step(name, Kind::Memory, false, act)
}

const fn on_socket(name: &'static str, act: fn(&mut Theirs) -> io::Result<()>) -> Step {
    step(name, Kind::Socket, true, act)
}

const fn step(
    name: &'static str,
    kind: Kind,
    changes: bool,
    act: fn(&mut Theirs) -> io::Result<()>,
) -> Step {
    Step {
        name,
        kind,
        changes,
        unmaps: false,
        act,
    }
}

fn add_seals(file: &File, seals: Seals) -> io::Result<()> {
    let seals = SealFlag::from_bits_retain(seals.bits().cast_signed());
    fcntl(file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(())
}

pub(crate) fn punch(file: &File) -> io::Result<()> {
    let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    Ok(fallocate(file, mode, 0, 4096)?)
}

fn set_status(file: &File, flag: OFlag) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags | flag))?;
    Ok(())
}

/// Two descriptors, which is one more than most receivers take.
fn send_descriptors(socket: &File) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

    let numbers = [socket.as_raw_fd(); 2];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[io::IoSlice::new(b"t")],
        &[ControlMessage::ScmRights(&numbers)],
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

impl Theirs {
    /// The worker's descriptor with this number.
    pub(crate) fn get(worker: Pid, number: i32, kind: Kind) -> io::Result<Self> {
        let pidfd = call(libc::SYS_pidfd_open, [worker.as_raw(), 0, 0])?;
        let shared = call(libc::SYS_pidfd_getfd, [pidfd.as_raw_fd(), number, 0])?;
        let opened = match kind {
            Kind::Memory => {
                let path = format!("/proc/{worker}/fd/{number}");
                let mut options = OpenOptions::new();
                // Its mode may forbid it.
                let opened = options.read(true).write(true).open(path);
                opened.or_else(|_| shared.try_clone())?
            }
            Kind::Socket => shared.try_clone()?,
        };
        Ok(Self {
            shared,
            opened,
            kept: Vec::new(),
        })
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.shared.seek(SeekFrom::Start(offset)).map(drop)
    }

    /// Does something with a socket, which never waits. A worker may wait all the same.
    fn as_socket(&self, act: impl FnOnce(&UnixDatagram) -> io::Result<()>) -> io::Result<()> {
        let flags = OFlag::from_bits_retain(fcntl(&self.shared, FcntlArg::F_GETFL)?);
        let socket = UnixDatagram::from(std::os::fd::OwnedFd::from(self.shared.try_clone()?));
        socket.set_nonblocking(true)?;
        let result = act(&socket);
        fcntl(&self.shared, FcntlArg::F_SETFL(flags))?;
        result
    }
}

/// A call of which the result is a new descriptor.
fn call(number: i64, arguments: [i32; 3]) -> io::Result<File> {
    let [first, second, third] = arguments;
    // SAFETY: both calls take numbers only.
    let returned = unsafe { libc::syscall(number, first, second, third) };
    match i32::try_from(returned) {
        // SAFETY: the kernel has just made it.
        Ok(fd @ 0..) => Ok(unsafe { File::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The descriptors of a process that a step can be done with.
pub(crate) fn descriptors(worker: Pid) -> io::Result<Vec<(i32, Kind)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{worker}/fd"))? {
        let path = entry?.path();
        let Ok(link) = fs::read_link(&path) else {
            continue;
        };
        let link = link.to_string_lossy();
        let kind = if link.starts_with("/memfd:") && link != COPY_LINK {
            Kind::Memory
        } else if link.starts_with("socket:") {
            Kind::Socket
        } else {
            continue;
        };
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        found.extend(number.map(|number| (number, kind)));
    }
    Ok(found)
}
