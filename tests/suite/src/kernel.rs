//! System calls that the claims make besides the library's: they prepare a test, attack a file in
//! ways that the library does not offer, and check the outcome independently. They use the
//! library's types and no unsafe code, which is in `raw`.

use crate::{
    claim::Text,
    raw::{self, Mapping, adopt, errno, lend, number},
    world::EXTENT,
};
use core::{ffi::CStr, fmt, time::Duration};
use owned_memfd::{
    Errno, MemFdFlags, OwnedMemFd,
    fd::{AsFd, OwnedFd},
};
use rustix::{
    event::EventfdFlags,
    fs::{AtFlags, FallocateFlags, FileType, Gid, Mode, OFlags, Stat, Timestamps, Uid, XattrFlags},
    io::{FdFlags, IoSlice, IoSliceMut},
    mm::ProtFlags,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    },
    pipe::{PipeFlags, SpliceFlags},
    process::{PidfdFlags, Resource, Rlimit},
    thread::{CapabilitySet, CapabilitySets, Timespec},
};

/// The size of the smallest page of any supported CPU: a mapping of it touches one page.
pub(crate) const PAGE: usize = 4096;

pub(crate) const READ: ProtFlags = ProtFlags::READ;
pub(crate) const WRITE: ProtFlags = ProtFlags::WRITE;

/// An empty, sealable memory file.
pub(crate) fn sealable() -> Result<OwnedMemFd, Errno> {
    OwnedMemFd::create(c"suite", MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING)
}

/// A sealable memory file with this content and the offset at its start.
pub(crate) fn holding(content: &[u8]) -> Result<OwnedMemFd, Errno> {
    let file = sealable()?;
    match file.write_at(content, 0)? {
        count if count == content.len() => Ok(file),
        _ => Err(Errno::EIO),
    }
}

/// Whether the file holds exactly this.
pub(crate) fn holds_exactly(file: &impl AsFd, content: &[u8]) -> Result<bool, Errno> {
    let mut piece = [0; 512];
    let mut done = 0;
    loop {
        let count = pread(file, &mut piece, done as u64)?;
        if count == 0 {
            return Ok(done == content.len());
        }
        if content.get(done..done + count) != Some(&piece[..count]) {
            return Ok(false);
        }
        done += count;
    }
}

/// A byte that differs from those at nearby positions.
pub(crate) fn pattern(at: u64) -> u8 {
    (at % 251) as u8
}

pub(crate) fn sleep(time: Duration) {
    // Waking up early does no harm.
    let _ = rustix::thread::nanosleep(&Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: i64::from(time.subsec_nanos()),
    });
}

// Descriptors.

/// Which of the 256 lowest numbers are open, as bits that can be compared.
pub(crate) fn open_descriptors() -> [u64; 4] {
    let mut open = [0; 4];
    for number in 0..256 {
        if raw::is_open(number) {
            open[number as usize / 64] |= 1 << (number % 64);
        }
    }
    open
}

/// An ordinary duplicate, not close-on-exec.
pub(crate) fn dup(fd: &impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::io::dup(lend(fd)).map(adopt).map_err(errno)
}

pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(errno)?;
    Ok((adopt(read), adopt(write)))
}

pub(crate) fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (one, other) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(errno)?;
    Ok((adopt(one), adopt(other)))
}

pub(crate) fn event_counter() -> Result<OwnedFd, Errno> {
    rustix::event::eventfd(0, EventfdFlags::CLOEXEC)
        .map(adopt)
        .map_err(errno)
}

/// A set of events to wait for, of `epoll`.
pub(crate) fn event_set() -> Result<OwnedFd, Errno> {
    rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC)
        .map(adopt)
        .map_err(errno)
}

/// A list of watched files, of `inotify`.
pub(crate) fn watch_list() -> Result<OwnedFd, Errno> {
    rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC)
        .map(adopt)
        .map_err(errno)
}

/// A descriptor of this process.
pub(crate) fn this_process() -> Result<OwnedFd, Errno> {
    rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .map(adopt)
        .map_err(errno)
}

pub(crate) fn open(path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::open(path, flags | OFlags::CLOEXEC, mode)
        .map(adopt)
        .map_err(errno)
}

/// Opens the file of a descriptor again, with an offset of its own.
pub(crate) fn reopen(fd: &impl AsFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = Text::of(format_args!("/proc/self/fd/{}\0", number(fd)));
    open(path.path(), flags)
}

/// Opens what is mapped, with which it need not have a descriptor in common.
pub(crate) fn open_mapped(mapping: &Mapping) -> Result<OwnedFd, Errno> {
    let (start, end) = mapping.range();
    let path = Text::of(format_args!("/proc/self/map_files/{start:x}-{end:x}\0"));
    open(path.path(), OFlags::RDWR)
}

/// The link of a descriptor in `/proc`.
pub(crate) fn link_of<'a>(fd: &impl AsFd, room: &'a mut [u8; 512]) -> Result<&'a [u8], Errno> {
    let path = Text::of(format_args!("/proc/self/fd/{}", number(fd)));
    let count =
        rustix::fs::readlinkat_raw(rustix::fs::CWD, path.as_str(), &mut room[..]).map_err(errno)?;
    Ok(&room[..count])
}

/// This process's number in the mounted `/proc`, which may show another pid namespace.
pub(crate) fn number_in_proc(room: &mut [u8; 16]) -> Result<&str, Errno> {
    let count =
        rustix::fs::readlinkat_raw(rustix::fs::CWD, c"/proc/self", &mut room[..]).map_err(errno)?;
    core::str::from_utf8(&room[..count]).map_err(|_| Errno::EINVAL)
}

/// Whether a descriptor is close-on-exec, without the library.
pub(crate) fn close_on_exec(fd: &impl AsFd) -> Result<bool, Errno> {
    let flags = rustix::io::fcntl_getfd(lend(fd)).map_err(errno)?;
    Ok(flags.contains(FdFlags::CLOEXEC))
}

pub(crate) fn status_flags(fd: &impl AsFd) -> Result<OFlags, Errno> {
    rustix::fs::fcntl_getfl(lend(fd)).map_err(errno)
}

pub(crate) fn set_status_flags(fd: &impl AsFd, flags: OFlags) -> Result<(), Errno> {
    rustix::fs::fcntl_setfl(lend(fd), flags).map_err(errno)
}

// Files.

pub(crate) fn stat(fd: &impl AsFd) -> Result<Stat, Errno> {
    rustix::fs::fstat(lend(fd)).map_err(errno)
}

pub(crate) fn mode(fd: &impl AsFd) -> Result<u32, Errno> {
    Ok(stat(fd)?.st_mode & 0o7777)
}

/// Which file it is: its file system's number and its own.
pub(crate) fn identity(fd: &impl AsFd) -> Result<(u64, u64), Errno> {
    stat(fd).map(|stat| (stat.st_dev as u64, stat.st_ino as u64))
}

/// How many directories list the file.
pub(crate) fn links(fd: &impl AsFd) -> Result<u64, Errno> {
    stat(fd).map(|stat| stat.st_nlink as u64)
}

/// How much memory the file takes, in bytes.
pub(crate) fn memory_of(fd: &impl AsFd) -> Result<u64, Errno> {
    stat(fd).map(|stat| stat.st_blocks as u64 * 512)
}

/// The file's block size: the page size, or the huge page size.
pub(crate) fn piece_size(fd: &impl AsFd) -> Result<u64, Errno> {
    stat(fd).map(|stat| stat.st_blksize as u64)
}

/// Whether the file is on a tmpfs, as memory files are.
pub(crate) fn is_on_tmpfs(fd: &impl AsFd) -> Result<bool, Errno> {
    Ok(kind_of_system(fd)? == linux_raw_sys::general::TMPFS_MAGIC)
}

/// Whether the file is on a hugetlbfs, as memory files on huge pages are.
pub(crate) fn is_on_hugetlbfs(fd: &impl AsFd) -> Result<bool, Errno> {
    Ok(kind_of_system(fd)? == linux_raw_sys::general::HUGETLBFS_MAGIC)
}

fn kind_of_system(fd: &impl AsFd) -> Result<u32, Errno> {
    let result = rustix::fs::fstatfs(lend(fd)).map_err(errno)?;
    Ok(result.f_type as u32)
}

pub(crate) fn read(fd: &impl AsFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    rustix::io::read(lend(fd), buffer).map_err(errno)
}

pub(crate) fn pread(fd: &impl AsFd, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    rustix::io::pread(lend(fd), buffer, offset).map_err(errno)
}

pub(crate) fn write(fd: &impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::io::write(lend(fd), bytes).map_err(errno)
}

pub(crate) fn writev(fd: &impl AsFd, one: &[u8], two: &[u8]) -> Result<usize, Errno> {
    rustix::io::writev(lend(fd), &[IoSlice::new(one), IoSlice::new(two)]).map_err(errno)
}

/// `ftruncate`, without the library.
pub(crate) fn truncate(fd: &impl AsFd, len: u64) -> Result<(), Errno> {
    rustix::fs::ftruncate(lend(fd), len).map_err(errno)
}

/// `fallocate` that keeps the length of the file.
pub(crate) fn allocate_keeping_size(fd: &impl AsFd, offset: u64, len: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(lend(fd), FallocateFlags::KEEP_SIZE, offset, len).map_err(errno)
}

/// Sets access and modification time to the start of 1970.
pub(crate) fn reset_times(fd: &impl AsFd) -> Result<(), Errno> {
    let start = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: start,
        last_modification: start,
    };
    rustix::fs::futimens(lend(fd), &times).map_err(errno)
}

/// Allows everybody to execute the file, by an access control list instead of `chmod`.
///
/// # Errors
///
/// Fails as the kernel does, such as with `EOPNOTSUPP` if it has no access control lists of memory
/// files.
pub fn allow_execution(fd: &impl AsFd) -> Result<(), Errno> {
    // The version of the format, and three entries of tag, permissions and nobody's id: the
    // owner, the group and others may do everything (linux/posix_acl_xattr.h).
    const VERSION: [u8; 4] = [2, 0, 0, 0];
    const ENTRIES: [[u8; 8]; 3] = [
        [0x01, 0, 7, 0, 0xff, 0xff, 0xff, 0xff],
        [0x04, 0, 7, 0, 0xff, 0xff, 0xff, 0xff],
        [0x20, 0, 7, 0, 0xff, 0xff, 0xff, 0xff],
    ];

    let mut list = [0; 28];
    list[..4].copy_from_slice(&VERSION);
    list[4..].copy_from_slice(ENTRIES.as_flattened());
    let name = c"system.posix_acl_access";
    rustix::fs::fsetxattr(lend(fd), name, &list, XattrFlags::empty()).map_err(errno)
}

pub(crate) fn unlink(path: &CStr) -> Result<(), Errno> {
    rustix::fs::unlinkat(rustix::fs::CWD, path, AtFlags::empty()).map_err(errno)
}

/// Makes a pipe that has a name.
pub(crate) fn named_pipe(path: &CStr) -> Result<(), Errno> {
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0).map_err(errno)
}

pub(crate) fn directory(path: &CStr) -> Result<(), Errno> {
    rustix::fs::mkdir(path, Mode::RWXU).map_err(errno)
}

pub(crate) fn remove_directory(path: &CStr) -> Result<(), Errno> {
    rustix::fs::unlinkat(rustix::fs::CWD, path, AtFlags::REMOVEDIR).map_err(errno)
}

/// Makes a link at `path` that leads to `target`.
pub(crate) fn link(target: &CStr, path: &CStr) -> Result<(), Errno> {
    rustix::fs::symlink(target, path).map_err(errno)
}

pub(crate) fn rename(from: &CStr, to: &CStr) -> Result<(), Errno> {
    rustix::fs::rename(from, to).map_err(errno)
}

// Copying within the kernel.

pub(crate) fn splice(from: &impl AsFd, to: &impl AsFd, len: usize) -> Result<usize, Errno> {
    let flags = SpliceFlags::empty();
    rustix::pipe::splice(lend(from), None, lend(to), None, len, flags).map_err(errno)
}

pub(crate) fn sendfile(from: &impl AsFd, to: &impl AsFd, len: usize) -> Result<usize, Errno> {
    rustix::fs::sendfile(lend(to), lend(from), None, len).map_err(errno)
}

pub(crate) fn copy_file_range(
    from: &impl AsFd,
    to: &impl AsFd,
    len: usize,
) -> Result<usize, Errno> {
    rustix::fs::copy_file_range(lend(from), None, lend(to), None, len).map_err(errno)
}

// Handing descriptors over.

/// Sends a descriptor with one byte.
pub(crate) fn send(socket: &impl AsFd, fd: &impl AsFd) -> Result<(), Errno> {
    let mut room = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    let fds = [lend(fd)];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::ENOBUFS);
    }
    let bytes = [IoSlice::new(b"!")];
    rustix::net::sendmsg(lend(socket), &bytes, &mut control, SendFlags::empty())
        .map(|_| ())
        .map_err(errno)
}

/// Receives one descriptor, close-on-exec.
pub(crate) fn receive(socket: &impl AsFd) -> Result<OwnedFd, Errno> {
    let mut room = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(
        lend(socket),
        &mut bytes,
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .map_err(errno)?;
    let fds = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fds.map(adopt).ok_or(Errno::ENOMSG)
}

// Limits and settings.

/// Sets a soft limit of this process, at most to the hard limit.
pub(crate) fn limit(resource: Resource, to: u64) -> Result<(), Errno> {
    let maximum = rustix::process::getrlimit(resource).maximum;
    let new = Rlimit {
        current: Some(maximum.map_or(to, |maximum| to.min(maximum))),
        maximum,
    };
    rustix::process::setrlimit(resource, new).map_err(errno)
}

/// Gives up every capability of this process.
pub(crate) fn renounce_privileges() -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    rustix::thread::set_capabilities(None, sets).map_err(errno)
}

/// Becomes a user who has only everybody's rights.
pub(crate) fn become_nobody() -> Result<(), Errno> {
    // The user that the kernel shows for users without a number.
    const NOBODY: u32 = 65_534;

    rustix::thread::set_thread_groups(&[]).map_err(errno)?;
    rustix::thread::set_thread_gid(Gid::from_raw(NOBODY)).map_err(errno)?;
    rustix::thread::set_thread_uid(Uid::from_raw(NOBODY)).map_err(errno)
}

/// Allows this process to make files of any length.
pub(crate) fn allow_any_length() -> Result<(), Errno> {
    limit(Resource::Fsize, u64::MAX)
}

/// Fills the table of descriptors: the next one fails until one is closed.
pub(crate) fn fill_the_table() -> Result<(), Errno> {
    let lowest_free = number(&sealable()?);
    limit(Resource::Nofile, lowest_free as u64)
}

/// The executable file of this program, or of its emulator: one that always exists.
pub(crate) fn program() -> Result<OwnedFd, Errno> {
    let program = open(c"/proc/self/exe", OFlags::RDONLY)?;
    // Process 1 runs from a memory file, which is not an ordinary file.
    if link_of(&program, &mut [0; 512])?.starts_with(b"/memfd:") {
        return open(c"/init", OFlags::RDONLY);
    }
    Ok(program)
}

/// Reads a number from a file in `/proc` or `/sys`.
pub(crate) fn read_number(path: &CStr) -> Result<u64, Errno> {
    let file = open(path, OFlags::RDONLY)?;
    let mut text = [0; 32];
    let count = read(&file, &mut text)?;
    core::str::from_utf8(&text[..count])
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or(Errno::EINVAL)
}

/// How much memory is available, in bytes.
pub(crate) fn free_memory() -> u64 {
    // Without /proc: free memory, which is less, because it does not include caches.
    amount(c"/proc/meminfo", "MemAvailable:").unwrap_or_else(|| {
        let memory = rustix::system::sysinfo();
        memory.freeram as u64 * u64::from(memory.mem_unit)
    })
}

/// How much of this process's memory is locked, in bytes.
pub(crate) fn locked_memory() -> Option<u64> {
    amount(c"/proc/self/status", "VmLck:")
}

/// How much address space this process has mapped, in pages.
pub(crate) fn mapped_memory() -> Result<u64, Errno> {
    let mut text = [0; 128];
    let count = read(&open(c"/proc/self/statm", OFlags::RDONLY)?, &mut text)?;
    core::str::from_utf8(&text[..count])
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .ok_or(Errno::EINVAL)
}

/// How much of the mapping that begins at this address is mapped by huge pages, in bytes.
pub(crate) fn mapped_huge(start: *const u8) -> Result<u64, Errno> {
    let file = open(c"/proc/self/smaps", OFlags::RDONLY)?;
    let head = Text::of(format_args!("{:x}-", start.addr()));
    let (mut line, mut len, mut is_there) = ([0; 512], 0, false);
    let mut piece = [0; 512];
    loop {
        let count = read(&file, &mut piece)?;
        if count == 0 {
            return Err(Errno::ENOENT);
        }
        for byte in &piece[..count] {
            if *byte != b'\n' {
                if let Some(slot) = line.get_mut(len) {
                    *slot = *byte;
                    len += 1;
                }
                continue;
            }
            let text = core::str::from_utf8(&line[..len]).unwrap_or_default();
            len = 0;
            is_there |= text.starts_with(head.as_str());
            let amount = text
                .strip_prefix("ShmemPmdMapped:")
                .and_then(|amount| amount.strip_suffix("kB"));
            if let (true, Some(amount)) = (is_there, amount) {
                let kilobytes: u64 = amount.trim().parse().map_err(|_| Errno::EINVAL)?;
                return Ok(kilobytes * 1024);
            }
        }
    }
}

/// How many bytes of the first `len` of a file are on huge pages, found by touching them.
pub(crate) fn huge_bytes(file: &impl AsFd, len: usize) -> Result<usize, Errno> {
    let mapping = Mapping::aligned(file, len, EXTENT, READ)?;
    for at in (0..len).step_by(EXTENT) {
        mapping.get(at);
    }
    Ok(mapped_huge(mapping.address(0))? as usize)
}

/// The amount of memory that a file in `/proc` names, in bytes.
fn amount(path: &CStr, name: &str) -> Option<u64> {
    let mut text = [0; 2048];
    open(path, OFlags::RDONLY)
        .and_then(|file| read(&file, &mut text))
        .ok()
        .and_then(|count| core::str::from_utf8(&text[..count]).ok())
        .and_then(|text| text.split_once(name))
        .and_then(|(_, rest)| rest.split_once("kB"))
        .and_then(|(number, _)| number.trim().parse::<u64>().ok())
        .map(|kilobytes| kilobytes * 1024)
}

/// Writes a number to a file in `/proc` or `/sys`.
pub(crate) fn write_number(path: &CStr, value: impl fmt::Display) -> Result<(), Errno> {
    let file = open(path, OFlags::WRONLY)?;
    write(&file, Text::of(value).as_str().as_bytes()).map(|_| ())
}
