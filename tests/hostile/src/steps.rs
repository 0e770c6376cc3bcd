//! What another process does with the files of a worker, between any two calls of the library.
#![allow(unsafe_code)]

use crate::{
    orders::{Injected, Orders, Verdict},
    program::COPY_LINK,
    tracer::{Call, Meddler, Tracer},
    trial::Operation,
};
use nix::{
    fcntl::{FallocateFlags, FcntlArg, Flock, FlockArg, OFlag, SealFlag, fallocate, fcntl},
    libc,
    sys::{
        mman::{MapFlags, ProtFlags, mmap, munmap},
        ptrace,
    },
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
    ptr::{self, NonNull},
};

/// What a step is done with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A memory file.
    Memory,
    /// A Unix socket.
    Socket,
}

/// One thing that another process does.
pub struct Step {
    pub name: &'static str,
    kind: Kind,
    /// Whether bytes, the length, the shared offset or what is received may be others afterwards.
    changes: bool,
    act: fn(&mut Theirs) -> io::Result<()>,
}

/// A descriptor of the worker, as another process gets it.
struct Theirs {
    /// The same open file, by `pidfd_getfd`.
    shared: File,
    /// Another open file of the same inode, by `/proc/PID/fd`.
    opened: File,
    /// What a step keeps until the trial ends.
    kept: Vec<Kept>,
}

/// What another process holds of a file.
enum Kept {
    File(File),
    Lock(Flock<File>),
    Map(Map),
}

/// The first page of a file, mapped shared for writing.
struct Map {
    start: NonNull<c_void>,
    file: File,
}

const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

impl Map {
    fn new(file: &File) -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let file = file.try_clone()?;
        // SAFETY: a new mapping, which replaces no other and to which nothing refers.
        let start = unsafe { mmap(None, PAGE, access, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(Self { start, file })
    }

    /// Writes the first byte, if the file has one.
    fn write(&self) -> io::Result<()> {
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
    let (kind, changes) = (Kind::Memory, true);
    Step {
        name,
        kind,
        changes,
        act,
    }
}

const fn keeping(name: &'static str, act: fn(&mut Theirs) -> io::Result<()>) -> Step {
    let (kind, changes) = (Kind::Memory, false);
    Step {
        name,
        kind,
        changes,
        act,
    }
}

const fn on_socket(name: &'static str, act: fn(&mut Theirs) -> io::Result<()>) -> Step {
    let (kind, changes) = (Kind::Socket, true);
    Step {
        name,
        kind,
        changes,
        act,
    }
}

fn add_seals(file: &File, seals: Seals) -> io::Result<()> {
    let seals = SealFlag::from_bits_retain(seals.bits().cast_signed());
    fcntl(file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(())
}

fn punch(file: &File) -> io::Result<()> {
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
    fn get(worker: Pid, number: i32, kind: Kind) -> io::Result<Self> {
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
fn descriptors(worker: Pid) -> io::Result<Vec<(i32, Kind)>> {
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

/// Which kinds of files the worker has at each boundary: before each call, and at the end of each
/// region of the library's.
#[derive(Default)]
struct Profile {
    /// The call is `None` at the end of a region.
    boundaries: Vec<(Option<i64>, Vec<Kind>)>,
}

impl Profile {
    fn add(&mut self, worker: Pid, call: Option<i64>) -> nix::Result<()> {
        let found = descriptors(worker).map_err(errno)?;
        let kinds = found.into_iter().map(|(_, kind)| kind).collect();
        self.boundaries.push((call, kinds));
        Ok(())
    }
}

impl Profile {
    /// The boundaries at which the worker has a file.
    fn boundaries(&self, full: bool) -> Vec<(usize, &[Kind])> {
        let call = |at: usize| self.boundaries.get(at).and_then(|(call, _)| *call);
        let is_repeated = |at: usize| {
            let here = call(at);
            here.is_some() && at > 0 && here == call(at - 1) && here == call(at + 1)
        };
        let all = self.boundaries.iter().enumerate();
        let all = all.filter(|(at, (_, kinds))| !kinds.is_empty() && (full || !is_repeated(*at)));
        all.map(|(at, (_, kinds))| (at, &kinds[..])).collect()
    }
}

impl Meddler for Profile {
    fn entry(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        self.add(call.worker, Some(call.number()))
    }

    fn end(&mut self, worker: Pid) -> nix::Result<()> {
        self.add(worker, None)
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it is what an error is mapped with"
)]
fn errno(error: io::Error) -> nix::Error {
    nix::Error::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Another process, which does steps at boundaries.
struct Company<'a> {
    orders: &'a Orders,
    /// At which boundary it does what, in order.
    steps: &'a [(usize, &'a Step)],
    boundary: usize,
    kept: Vec<Kept>,
}

impl<'a> Company<'a> {
    fn new(orders: &'a Orders, steps: &'a [(usize, &'a Step)]) -> Self {
        Self {
            orders,
            steps,
            boundary: 0,
            kept: Vec::new(),
        }
    }

    fn meet(&mut self, worker: Pid) -> nix::Result<()> {
        let here = self.boundary;
        self.boundary += 1;
        for (_, step) in self.steps.iter().filter(|(boundary, _)| *boundary == here) {
            for (number, _) in descriptors(worker)
                .map_err(errno)?
                .into_iter()
                .filter(|(_, kind)| *kind == step.kind)
            {
                self.orders.inject(if step.changes {
                    Injected::Change
                } else {
                    Injected::Step
                });
                let mut theirs = Theirs::get(worker, number, step.kind).map_err(errno)?;
                // What a seal forbids, fails.
                let _ = (step.act)(&mut theirs);
                self.kept.append(&mut theirs.kept);
            }
        }
        Ok(())
    }

    /// Tries everything that could change a file that is sealed, by what was kept and anew.
    fn try_to_change(&self, worker: Pid) -> io::Result<()> {
        for kept in &self.kept {
            match kept {
                Kept::File(file) => change(file),
                Kept::Lock(file) => change(file),
                Kept::Map(map) => map.write()?,
            }
        }
        for (number, kind) in descriptors(worker)? {
            if kind == Kind::Memory {
                let theirs = Theirs::get(worker, number, kind)?;
                change(&theirs.shared);
                change(&theirs.opened);
            }
        }
        poke_read_only_maps(worker)
    }
}

/// Each of these fails if the file is sealed.
fn change(file: &File) {
    if let Ok(map) = Map::new(file) {
        let _ = map.write();
    }
    let _ = file.write_all_at(b"Y", 0);
    let _ = punch(file);
    let _ = file.set_len(1);
    let _ = file.set_len(0);
}

/// Writes into the worker's memory, as a debugger does, where a file is mapped shared and only for
/// reading.
fn poke_read_only_maps(worker: Pid) -> io::Result<()> {
    let maps = fs::read_to_string(format!("/proc/{worker}/maps"))?;
    let is_of_trial = |line: &&str| line.contains("/memfd:") && !line.ends_with(COPY_LINK);
    for line in maps.lines().filter(is_of_trial) {
        let mut words = line.split_ascii_whitespace();
        let (Some(addresses), Some("r--s" | "r-xs")) = (words.next(), words.next()) else {
            continue;
        };
        let start = addresses.split('-').next().unwrap_or_default();
        if let Ok(start) = usize::from_str_radix(start, 16) {
            let _ = ptrace::write(worker, ptr::with_exposed_provenance_mut(start), 0x5959);
        }
    }
    Ok(())
}

impl Meddler for Company<'_> {
    fn entry(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        self.meet(call.worker)?;
        // What waits for another process to go waits in vain, and so need not wait.
        if call.number() == libc::SYS_nanosleep {
            call.skip(0);
        }
        Ok(())
    }

    fn exit(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        // What a mapping was to replace may be gone or not, so nobody unmaps it.
        let flags = call.arguments()[3];
        let is_over = flags & u64::from(libc::MAP_FIXED.cast_unsigned()) != 0;
        if call.number() == libc::SYS_mmap && is_over && call.result() < 0 {
            self.orders.keep_mapping();
        }
        Ok(())
    }

    fn end(&mut self, worker: Pid) -> nix::Result<()> {
        self.meet(worker)
    }

    fn attack(&mut self, worker: Pid) -> nix::Result<()> {
        self.try_to_change(worker).map_err(errno)
    }
}

/// How far after a first step a second one is done, in boundaries.
const WINDOW: usize = 3;

/// All trials of one operation.
pub struct Visits {
    operation: Operation,
    orders: &'static Orders,
    tracer: Tracer,
    /// At how many boundaries the worker has a file, if nobody does anything.
    pub boundaries: usize,
    /// How many trials there were in which something was done.
    pub steps: usize,
    pub failures: Vec<String>,
}

impl Visits {
    #[must_use]
    pub fn new(operation: Operation, orders: &'static Orders) -> Self {
        Self {
            operation,
            orders,
            tracer: Tracer::new(operation, orders),
            boundaries: 0,
            steps: 0,
            failures: Vec::new(),
        }
    }

    /// Runs the operation alone, then with each step at each boundary; with `full`, also with
    /// each step at the same and the next boundaries. Else, where a call is made many times in a
    /// row, only the first and the last times count.
    ///
    /// # Errors
    /// That of tracing, like below.
    pub fn run(&mut self, full: bool) -> nix::Result<()> {
        let mut profile = Profile::default();
        // What the library finds out once, it keeps: the second trial is like all later ones.
        for _ in 0..2 {
            profile = Profile::default();
            if let Err(broken) = self.tracer.trial(&mut profile)? {
                self.failures
                    .push(format!("{}: {broken}", self.operation.name));
                return Ok(());
            }
        }
        let boundaries = profile.boundaries(full);
        self.boundaries = boundaries.len();
        let all: Vec<(usize, &Step)> = boundaries
            .iter()
            .flat_map(|(boundary, kinds)| {
                let possible = STEPS.iter().filter(|step| kinds.contains(&step.kind));
                possible.map(|step| (*boundary, step))
            })
            .collect();
        for &first in &all {
            self.check(&[first])?;
            if full {
                let near = first.0..=first.0 + WINDOW;
                for &second in all.iter().filter(|(boundary, _)| near.contains(boundary)) {
                    self.check(&[first, second])?;
                }
            }
        }
        Ok(())
    }

    /// Runs the operation with these steps.
    ///
    /// # Errors
    /// As above.
    pub fn visit(&mut self, steps: &[(usize, &Step)]) -> nix::Result<Verdict> {
        self.tracer.trial(&mut Company::new(self.orders, steps))
    }

    fn check(&mut self, steps: &[(usize, &Step)]) -> nix::Result<()> {
        self.steps += 1;
        if let Err(broken) = self.visit(steps)? {
            let steps = steps
                .iter()
                .map(|(boundary, step)| format!(" {boundary} {}", step.name));
            let (name, steps) = (self.operation.name, steps.collect::<String>());
            self.failures
                .push(format!("{name}: {broken}\n  again: steps {name}{steps}"));
        }
        Ok(())
    }
}
