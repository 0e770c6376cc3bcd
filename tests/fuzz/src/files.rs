//! Forged files: what a sender may pass off as a memory file that nobody can change.

use crate::process;
use arbitrary::Arbitrary;
use rustix::{
    fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags},
    mm::{MapFlags, ProtFlags},
};
use std::{
    env,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    ptr,
};

/// A file, as it is made and opened.
#[derive(Arbitrary, Clone, Debug)]
pub enum Forgery {
    Memory {
        sealable: bool,
        execution: Execution,
        huge: bool,
        len: Length,
        /// A page of it stays mapped for writing, from before it is sealed.
        mapped: bool,
        /// The seals that are added one by one, as far as the kernel allows.
        seals: u8,
        access: Access,
    },
    Regular {
        tmpfs: bool,
        len: u16,
        access: Access,
    },
    Secret,
    Proc,
    Directory,
    Pipe {
        writing: bool,
    },
    Socket,
    Device(Device),
    Event,
    Epoll,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Execution {
    Unsaid,
    Allowed,
    Sealed,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Access {
    ReadWrite,
    Read,
    Write,
    Path,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Device {
    Null,
    Zero,
    Full,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Length {
    Odd(u16),
    Pages { count: u8, more: i8 },
    Sparse(u64),
}

impl Length {
    fn bytes(self) -> u64 {
        match self {
            Self::Odd(len) => len.into(),
            Self::Pages { count, more } => {
                (u64::from(count % 16) * 4096).saturating_add_signed(more.into())
            }
            Self::Sparse(len) => len,
        }
    }
}

/// What the sender goes on doing to a file.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Attack {
    Write,
    Store,
    Cut,
    Grow,
    Punch,
    Reopen,
    Remap,
    Seal(u8),
}

/// All that can change bytes, what cuts them off last.
const ATTACKS: [Attack; 7] = [
    Attack::Store,
    Attack::Write,
    Attack::Reopen,
    Attack::Remap,
    Attack::Punch,
    Attack::Grow,
    Attack::Cut,
];

/// The device and the inode, which tell one file from another.
pub type Identity = (u64, u64);

/// Which file it is.
pub fn identity(fd: impl AsFd) -> Identity {
    let found = rustix::fs::fstat(fd).expect("fstat always works");
    (found.st_dev, found.st_ino)
}

/// A forged file, with what the sender keeps of it.
pub struct Forged {
    /// What is sent.
    pub sent: OwnedFd,
    pub identity: Identity,
    /// Whether it is a memory file, whatever its seals are.
    pub is_memory: bool,
    /// Open for reading and writing, if the sender can have that.
    kept: Option<OwnedFd>,
    mapping: Option<Mapping>,
    is_huge: bool,
}

impl Forged {
    /// Makes the file, or nothing where this machine cannot have one.
    pub fn new(forgery: &Forgery) -> Option<Self> {
        let plain = |sent: OwnedFd| Self {
            identity: identity(&sent),
            sent,
            is_memory: false,
            kept: None,
            mapping: None,
            is_huge: false,
        };
        let open = |path: &str, flags| rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::RUSR);
        let sent = match forgery {
            Forgery::Memory { .. } => return Self::memory(forgery),
            Forgery::Regular { tmpfs, len, access } => {
                let directory = if *tmpfs {
                    "/dev/shm".into()
                } else {
                    env::temp_dir()
                };
                let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
                let file = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR).ok()?;
                fill(&file, (*len).into());
                return Some(Self {
                    sent: reopen(file.as_fd(), *access)?,
                    kept: Some(file.try_clone().ok()?),
                    ..plain(file)
                });
            }
            Forgery::Secret => process::secret_memory()?,
            // It says that it has no byte, and has some, which stay the same.
            Forgery::Proc => open("/proc/version", OFlags::RDONLY).ok()?,
            Forgery::Directory => open("/", OFlags::DIRECTORY).ok()?,
            Forgery::Pipe { writing } => {
                let (read, write) =
                    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
                if *writing { write } else { read }
            }
            Forgery::Socket => rustix::net::socket_with(
                rustix::net::AddressFamily::UNIX,
                rustix::net::SocketType::STREAM,
                rustix::net::SocketFlags::CLOEXEC,
                None,
            )
            .ok()?,
            Forgery::Device(device) => {
                let path = match device {
                    Device::Null => "/dev/null",
                    Device::Zero => "/dev/zero",
                    Device::Full => "/dev/full",
                };
                open(path, OFlags::RDWR).ok()?
            }
            Forgery::Event => {
                rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).ok()?
            }
            Forgery::Epoll => {
                rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).ok()?
            }
        };
        Some(plain(sent))
    }

    fn memory(forgery: &Forgery) -> Option<Self> {
        let &Forgery::Memory {
            sealable,
            execution,
            huge,
            len,
            mapped,
            seals,
            access,
        } = forgery
        else {
            return None;
        };
        let mut flags = MemfdFlags::CLOEXEC;
        flags.set(MemfdFlags::ALLOW_SEALING, sealable);
        flags.set(MemfdFlags::HUGETLB, huge);
        flags |= match execution {
            Execution::Unsaid => MemfdFlags::empty(),
            Execution::Allowed => MemfdFlags::EXEC,
            Execution::Sealed => MemfdFlags::NOEXEC_SEAL,
        };
        let file = rustix::fs::memfd_create(c"forged", flags).ok()?;
        fill(&file, len.bytes());
        let mapping = if mapped && !huge {
            Mapping::new(&file)
        } else {
            None
        };
        add_seals(&file, seals);
        Some(Self {
            sent: reopen(file.as_fd(), access)?,
            identity: identity(&file),
            is_memory: true,
            kept: Some(file),
            mapping,
            is_huge: huge,
        })
    }

    /// Does what the kernel allows.
    pub fn attack(&self, attack: Attack) {
        let Some(file) = &self.kept else { return };
        let len = len(file);
        // Whether it works is not the question: only whether it shows.
        match attack {
            Attack::Write => write_ends(file, len),
            Attack::Store => self.store(len),
            Attack::Cut => drop(rustix::fs::ftruncate(file, 0)),
            Attack::Grow => drop(rustix::fs::ftruncate(file, len.saturating_add(1))),
            Attack::Punch => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                let _ = rustix::fs::fallocate(file, flags, 0, 4096);
            }
            Attack::Reopen => {
                if let Some(another) = reopen(file.as_fd(), Access::ReadWrite) {
                    write_ends(&another, len);
                }
            }
            Attack::Remap if !self.is_huge => {
                if let Some(mapping) = Mapping::new(file) {
                    mapping.store();
                }
            }
            Attack::Remap => {}
            Attack::Seal(seals) => add_seals(file, seals),
        }
    }

    /// Does all that could change the content.
    pub fn attack_in_every_way(&self) {
        for attack in ATTACKS {
            self.attack(attack);
        }
    }

    fn store(&self, len: u64) {
        // Where the file was cut, a store would be a signal.
        if let Some(mapping) = self.mapping.as_ref().filter(|_| len > 0) {
            mapping.store();
        }
    }
}

/// The length of a file.
pub fn len(file: impl AsFd) -> u64 {
    rustix::fs::fstat(file).map_or(0, |found| found.st_size.unsigned_abs())
}

/// Gives a file a length, and its first and last bytes values.
fn fill(file: &OwnedFd, len: u64) {
    if rustix::fs::ftruncate(file, len).is_ok() {
        let start = b"The quick brown fox jumps over the lazy dog";
        let most = usize::try_from(len).map_or(start.len(), |len| len.min(start.len()));
        let _ = rustix::io::pwrite(file, &start[..most], 0);
        if let Some(last) = len.checked_sub(1) {
            let _ = rustix::io::pwrite(file, b"!", last);
        }
    }
}

fn write_ends(file: &OwnedFd, len: u64) {
    let _ = rustix::io::pwrite(file, b"\xff", 0);
    let _ = rustix::io::pwrite(file, b"\xff", len.saturating_sub(1));
}

/// One by one: the kernel adds all that are asked for, or none.
fn add_seals(file: &OwnedFd, seals: u8) {
    for bit in 0..6 {
        let seal = u32::from(seals) & 1 << bit;
        if seal != 0 {
            let _ = rustix::fs::fcntl_add_seals(file, SealFlags::from_bits_retain(seal));
        }
    }
}

/// Another open file of the same file.
fn reopen(file: BorrowedFd<'_>, access: Access) -> Option<OwnedFd> {
    let flags = match access {
        Access::ReadWrite => OFlags::RDWR,
        Access::Read => OFlags::RDONLY,
        Access::Write => OFlags::WRONLY,
        Access::Path => OFlags::PATH,
    };
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// The first page of a file, mapped for writing.
struct Mapping(*mut u8);

impl Mapping {
    const LEN: usize = 4096;

    /// None for a file without a byte, and where the kernel forbids it.
    fn new(file: &OwnedFd) -> Option<Self> {
        if len(file) == 0 {
            return None;
        }
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses a place where nothing else is.
        let start = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                Self::LEN,
                protection,
                MapFlags::SHARED,
                file,
                0,
            )
        };
        Some(Self(start.ok()?.cast()))
    }

    /// Changes the first byte. The file must have one.
    fn store(&self) {
        // SAFETY: the mapping is as long, and Rust has no reference to what is in it: the library's
        // are those of maps of their own, and that they do not change is what is tried here.
        unsafe { self.0.write_volatile(0xee) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's alone.
        let unmapped = unsafe { rustix::mm::munmap(self.0.cast(), Self::LEN) };
        unmapped.expect("a mapping is unmapped");
    }
}
