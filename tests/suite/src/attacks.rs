//! What the claims about sealed files need beside `raw` and `kernel`: attacks on a file and on
//! memory, neighbours of a mapping, and huge pages. This module has the unsafe code of those
//! claims.
#![allow(unsafe_code)]
// Arguments and results are register contents: see `call`.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

use crate::{
    Stop, Verdict, World, children,
    claim::Text,
    kernel::{self, PAGE, READ, WRITE},
    raw::{Buffer, Mapping, Stores, call, errno, lend, take},
    world,
};
use core::{
    ffi::CStr,
    ptr::{self, NonNull},
};
use linux_raw_sys::{general, ptrace};
use owned_memfd::{
    Errno, MemFdFlags, OwnedMemFd, SealedMemFd, Seals,
    fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd},
};
use rustix::{
    mm::{self, MapFlags, MprotectFlags},
    process::{Pid, WaitOptions},
};

// The reasons for which claims are skipped.
pub(crate) const NO_POOL: &str = "no huge pages are reserved (vm.nr_hugepages)";
pub(crate) const HUGE_PAGES_UNMAPPED: &str = "the emulator maps no huge pages";
pub(crate) const NO_USERFAULTFD: &str = "no userfaultfd, or not for this process";
pub(crate) const NO_MEMORY_WRITES: &str = "the emulator writes no memory by address";
pub(crate) const NO_UNTRACED_WRITES: &str =
    "the kernel lets only a debugger, or nobody, write so into memory that is not writable";
pub(crate) const NO_UPROBES: &str = "no uprobes in this kernel, or not for this process";
pub(crate) const NO_IO_URING: &str = "no io_uring, or not for this process";
pub(crate) const NO_AIO: &str = "no io_submit in this kernel, or not for this process";
pub(crate) const NO_NEIGHBOURS: &str = "nothing can be mapped at a given address";
pub(crate) const NO_LOCKS: &str = "not privileged to lock memory";
pub(crate) const PRIVATE_MAPS: &str = "sealed files are mapped privately here";
pub(crate) const NO_INIT: &str = "there is no /init, as in an initramfs";

/// The largest page size of any supported CPU; every other page size divides it.
pub(crate) const LARGEST_PAGE: usize = 64 * 1024;

/// The number of an `ioctl` request: `_IOWR(kind, number, size)`, asm-generic/ioctl.h.
const fn request(kind: u8, number: usize, size: usize) -> usize {
    (3 << 30) | (size << 16) | ((kind as usize) << 8) | number
}

// Seals.

/// Does what CVE-2026-63952 allows: adds the write seal to a file that is mapped for writing.
/// Returns `None` if the kernel refuses, as a fixed one does.
pub(crate) fn forge(content: &[u8]) -> Result<Option<(OwnedMemFd, Mapping)>, Errno> {
    let file = executable_anyhow(content)?;
    let mapping = Mapping::of(&file, content.len(), Stores::Shared, READ | WRITE)?;
    match file.add_seals(Seals::EXEC) {
        Ok(()) => Ok(Some((file, mapping))),
        Err(Errno::EBUSY) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An executable, sealable memory file with this content, also where `vm.memfd_noexec` forbids to
/// create one.
pub(crate) fn executable_anyhow(content: &[u8]) -> Result<OwnedMemFd, Errno> {
    match executable(content) {
        Err(Errno::EACCES) => {
            let file = kernel::holding(content)?;
            kernel::allow_execution(&file)?;
            Ok(file)
        }
        file => file,
    }
}

/// What `content` was proven to be, and its sender, who can still make the file longer.
pub(crate) fn growable(content: &[u8]) -> Result<(SealedMemFd, OwnedMemFd), Errno> {
    let sender = kernel::holding(content)?;
    sender.add_seals(Seals::WRITE | Seals::SHRINK)?;
    let sealed = SealedMemFd::verify(kernel::dup(&sender)?, content.len())?;
    Ok((sealed, sender))
}

/// Runs `check` with files of `content` whose length is not proven: one that can still grow, one
/// that has grown to `len`, and one that was sealed against growing after that. Then runs
/// `control` with one that was sealed against growing before.
pub(crate) fn with_unproven_lengths(
    content: &[u8],
    len: u64,
    check: impl Fn(&SealedMemFd) -> Verdict,
    control: impl Fn(&SealedMemFd) -> Verdict,
) -> Verdict {
    let (sealed, sender) = ok!(growable(content));
    check(&sealed)?;
    ok!(sender.set_len(len));
    check(&sealed)?;
    ok!(sender.add_seals(Seals::GROW));
    check(&sealed)?;
    same!(sealed.len(), content.len());
    let (sealed, sender) = ok!(growable(content));
    ok!(sender.add_seals(Seals::GROW));
    control(&sealed)
}

/// An executable, sealable memory file with this content.
pub(crate) fn executable(content: &[u8]) -> Result<OwnedMemFd, Errno> {
    let flags = MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING | MemFdFlags::EXEC;
    let file = OwnedMemFd::create(c"suite", flags)?;
    match file.write_at(content, 0)? {
        count if count == content.len() => Ok(file),
        _ => Err(Errno::EIO),
    }
}

// Descriptors.

/// The number that the next descriptor of this process gets.
pub(crate) fn next_number() -> Result<RawFd, Errno> {
    Ok(kernel::event_counter()?.as_raw_fd())
}

/// Lends `action` the descriptor of a number that another part of this process owns, and leaves it
/// open.
pub(crate) fn borrow<T>(number: RawFd, action: impl FnOnce(&OwnedFd) -> T) -> T {
    let fd = take(number);
    let result = action(&fd);
    let _ = fd.into_raw_fd();
    result
}

/// How many bytes of memory the file takes.
pub(crate) fn allocated(fd: &impl AsFd) -> Result<u64, Errno> {
    Ok(u64::try_from(kernel::stat(fd)?.st_blocks).unwrap_or(0) * 512)
}

// Memory.

/// This machine's page size, found by trying which offset into a mapping `mprotect` accepts.
pub(crate) fn page_size() -> Result<usize, Errno> {
    let mapping = Mapping::zeros(2 * LARGEST_PAGE)?;
    let mut size = PAGE;
    while mapping.forbid_from(size) == Err(Errno::EINVAL) && size < LARGEST_PAGE {
        size *= 2;
    }
    Ok(size)
}

/// Whether the kernel can read a byte there.
pub(crate) fn is_mapped(address: *const u8) -> Result<bool, Errno> {
    let (_read_end, write_end) = kernel::pipe()?;
    let number = write_end.as_raw_fd() as usize;
    // SAFETY: the kernel reads one byte, and returns EFAULT where it cannot.
    match unsafe {
        call(
            sc::nr::WRITE,
            [number, address.expose_provenance(), 1, 0, 0, 0],
        )
    } {
        Ok(_) => Ok(true),
        Err(Errno::EFAULT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the kernel can write a byte there. It is asked to do so.
///
/// Not marked unsafe: the claims call it only for memory of which they claim that it is not
/// writable.
pub(crate) fn is_writable(address: *const u8) -> Result<bool, Errno> {
    let file = kernel::holding(b"x")?;
    let number = file.as_raw_fd() as usize;
    // SAFETY: the kernel writes one byte, or returns EFAULT; see above.
    match unsafe {
        call(
            sc::nr::READ,
            [number, address.expose_provenance(), 1, 0, 0, 0],
        )
    } {
        Ok(_) => Ok(true),
        Err(Errno::EFAULT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Changes the permissions of the pages from an address on.
///
/// Not marked unsafe: the claims call it only for memory of which they claim that this is refused.
pub(crate) fn allow(start: *const u8, len: usize, allowed: MprotectFlags) -> Result<(), Errno> {
    // SAFETY: see above.
    unsafe { mm::mprotect(start.cast_mut().cast(), len, allowed) }.map_err(errno)
}

/// How much of the mapping that begins there is mapped by huge page table entries, in bytes. They are
/// those of a file.
pub(crate) fn mapped_hugely(start: *const u8) -> Result<u64, Stop> {
    let smaps = ok!(kernel::open(
        c"/proc/self/smaps",
        rustix::fs::OFlags::RDONLY
    ));
    let mut text = ok!(Buffer::new(1 << 20));
    let mut len = 0;
    loop {
        match ok!(kernel::read(&smaps, &mut text[len..])) {
            0 => break,
            count => len += count,
        }
    }
    let head = Text::of(format_args!("{:x}-", start.addr()));
    let number = |line: &[u8]| {
        let line = line.strip_prefix(b"ShmemPmdMapped:")?.trim_ascii();
        let digits = line.strip_suffix(b" kB")?;
        core::str::from_utf8(digits).ok()?.parse::<u64>().ok()
    };
    let mut is_it = false;
    for line in text[..len].split(|byte| *byte == b'\n') {
        is_it |= line.starts_with(head.as_str().as_bytes());
        if let (true, Some(kilobytes)) = (is_it, number(line)) {
            return Ok(kilobytes * 1024);
        }
    }
    fail!("{head:?} is in none of {len} bytes")
}

/// Machine code of a function that returns 42.
#[cfg(target_arch = "x86_64")]
pub(crate) const RETURNS_42: [u8; 6] = [0xb8, 42, 0, 0, 0, 0xc3];
#[cfg(target_arch = "aarch64")]
pub(crate) const RETURNS_42: [u8; 8] = [0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];
#[cfg(target_arch = "riscv64")]
pub(crate) const RETURNS_42: [u8; 8] = [0x13, 0x05, 0xa0, 0x02, 0x67, 0x80, 0x00, 0x00];

/// Calls the function that is there.
///
/// Not marked unsafe: the claims call it only where the code above is.
pub(crate) fn run(code: &[u8]) -> i32 {
    assert!(code.starts_with(&RETURNS_42));
    // SAFETY: a function of this type begins there; see above.
    let function: extern "C" fn() -> i32 = unsafe { core::mem::transmute(code.as_ptr()) };
    function()
}

/// Whether a page is mapped shared: only such a page can be mapped a second time.
pub(crate) fn is_shared(page: *const u8) -> bool {
    // SAFETY: the old mapping stays as it is.
    let again = unsafe { mm::mremap(page.cast_mut().cast(), 0, PAGE, mm::MremapFlags::MAYMOVE) };
    // SAFETY: exactly the new mapping, into which there is no reference.
    again.is_ok_and(|again| unsafe { mm::munmap(again, PAGE) }.is_ok())
}

/// A page of the byte 9 at an address where nothing was mapped.
pub(crate) struct Neighbour(NonNull<u8>);

impl Neighbour {
    /// Returns `None` if something is mapped there already, or if the kernel chooses another
    /// address.
    pub(crate) fn at(address: *const u8) -> Option<Self> {
        let wanted = address.cast_mut().cast();
        // SAFETY: MAP_FIXED_NOREPLACE replaces nothing; a kernel that does not know it takes
        // the address for a hint.
        let at = unsafe {
            mm::mmap_anonymous(
                wanted,
                PAGE,
                READ | WRITE,
                MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE,
            )
        };
        let page = Self(NonNull::new(at.ok()?.cast())?);
        if page.0.as_ptr() != wanted.cast() {
            return None;
        }
        // SAFETY: a page of our own, to which nobody has a reference.
        unsafe { page.0.write_bytes(9, PAGE) };
        Some(page)
    }

    /// Whether the page is still there. If nothing is mapped there any more, the process dies.
    pub(crate) fn is_there(&self) -> bool {
        (0..PAGE).all(|index| {
            // SAFETY: within the page.
            let byte = unsafe { self.0.add(index) };
            // SAFETY: a page of our own, unless somebody unmapped it.
            unsafe { byte.read_volatile() == 9 }
        })
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // SAFETY: a page of our own, to which nobody has a reference.
        let unmapped = unsafe { mm::munmap(self.0.as_ptr().cast(), PAGE) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Writes into the memory of a process by address: `process_vm_writev`.
///
/// Not marked unsafe: the claims call it only for memory of which they claim that it cannot be
/// written this way, or for a mapping of their own.
pub(crate) fn write_memory(pid: i32, address: *const u8, bytes: &[u8]) -> Result<usize, Errno> {
    // The kernel's iovecs.
    let from = [bytes.as_ptr().expose_provenance(), bytes.len()];
    let to = [address.expose_provenance(), bytes.len()];
    let arguments = [
        pid as usize,
        from.as_ptr().expose_provenance(),
        1,
        to.as_ptr().expose_provenance(),
        1,
        0,
    ];
    // SAFETY: the kernel reads two iovecs and the bytes; what it writes is said above.
    unsafe { call(sc::nr::PROCESS_VM_WRITEV, arguments) }
}

/// Writes into this process's memory through `/proc/self/mem`, even where it is not writable.
pub(crate) fn write_own_memory(address: *const u8, bytes: &[u8]) -> Result<usize, Errno> {
    write_by_path(c"/proc/self/mem", address, bytes)
}

/// Writes into the memory of another process through `/proc/PID/mem`, even where it is not
/// writable.
pub(crate) fn write_memory_of(pid: i32, address: *const u8, bytes: &[u8]) -> Result<usize, Errno> {
    let path = Text::of(format_args!("/proc/{pid}/mem\0"));
    write_by_path(path.path(), address, bytes)
}

fn write_by_path(path: &CStr, address: *const u8, bytes: &[u8]) -> Result<usize, Errno> {
    let memory = kernel::open(path, rustix::fs::OFlags::RDWR)?;
    let offset = address.expose_provenance() as u64;
    rustix::io::pwrite(lend(&memory), bytes, offset).map_err(errno)
}

/// A child of this process that is stopped by a debugger, until dropped: this process.
pub(crate) struct Debugged(Pid);

impl Debugged {
    pub(crate) fn stop(child: Pid) -> Result<Self, Errno> {
        const SEIZE: u32 = ptrace::PTRACE_SEIZE;
        ask_to_trace(SEIZE, child, 0, 0)?;
        let debugged = Self(child);
        ask_to_trace(ptrace::PTRACE_INTERRUPT, child, 0, 0)?;
        children::change_of(child, WaitOptions::UNTRACED)?;
        Ok(debugged)
    }

    /// Writes a word into its memory, even where it is not writable.
    pub(crate) fn poke(&self, address: *const u8, word: usize) -> Result<(), Errno> {
        let address = address.expose_provenance();
        ask_to_trace(ptrace::PTRACE_POKEDATA, self.0, address, word)
    }
}

impl Drop for Debugged {
    fn drop(&mut self) {
        // If this fails, the child does not go on, and the claim that waits for it fails.
        let _ = ask_to_trace(ptrace::PTRACE_DETACH, self.0, 0, 0);
    }
}

/// `ptrace`, for a request that returns nothing.
fn ask_to_trace(what: u32, child: Pid, address: usize, data: usize) -> Result<(), Errno> {
    let child = child.as_raw_nonzero().get() as usize;
    // SAFETY: of this process, the kernel reads and writes nothing. Of the child, it writes memory
    // of which the claims say that it cannot be written so, or a mapping of their own.
    unsafe { call(sc::nr::PTRACE, [what as usize, child, address, data, 0, 0]) }?;
    Ok(())
}

/// An instruction that does nothing, as often as it fits into four bytes. A breakpoint can
/// replace it.
#[cfg(target_arch = "x86_64")]
pub(crate) const NOTHING: [u8; 4] = [0x90; 4];
#[cfg(target_arch = "aarch64")]
pub(crate) const NOTHING: [u8; 4] = 0xd503_201f_u32.to_le_bytes();
#[cfg(target_arch = "riscv64")]
pub(crate) const NOTHING: [u8; 4] = 0x0000_0013_u32.to_le_bytes();

/// A breakpoint of the kernel at the start of a file, for all processes: a uprobe. The kernel
/// writes it into private mappings of the file, until this is dropped.
pub(crate) struct Uprobe(#[allow(dead_code, reason = "it is only kept open")] OwnedFd);

impl Uprobe {
    pub(crate) fn on(path: &CStr) -> Result<Self, Errno> {
        // struct perf_event_attr of 72 bytes, linux/perf_event.h: the type and the size are in the
        // first word, and the last two are the path and the offset.
        const SIZE: u64 = 72;
        let kind = kernel::read_number(c"/sys/bus/event_source/devices/uprobe/type")?;
        let path = path.as_ptr().expose_provenance() as u64;
        let event = [kind | (SIZE << 32), 0, 0, 0, 0, 0, 0, path, 0];
        let arguments = [
            event.as_ptr().expose_provenance(),
            // Of any process, on the first CPU.
            usize::MAX,
            0,
            usize::MAX,
            // `PERF_FLAG_FD_CLOEXEC`.
            8,
            0,
        ];
        // SAFETY: the kernel reads the event and the path. Into which memory it writes is said
        // above: the claims have no other mappings of the file.
        let number = unsafe { call(sc::nr::PERF_EVENT_OPEN, arguments) }?;
        Ok(Self(take(number as RawFd)))
    }
}

/// A `userfaultfd`: it handles page faults and fills holes.
pub(crate) struct Faults(OwnedFd);

impl Faults {
    pub(crate) fn new() -> Result<Self, Errno> {
        const FLAGS: u32 = general::UFFD_USER_MODE_ONLY | general::O_CLOEXEC;
        const API: u64 = general::UFFD_API as u64;
        // SAFETY: no pointer is passed.
        let number = unsafe { call(sc::nr::USERFAULTFD, [FLAGS as usize, 0, 0, 0, 0, 0]) }?;
        let faults = Self(take(number as RawFd));
        faults.ask(0x3f, &mut [API, 0, 0])?;
        Ok(faults)
    }

    /// Registers the mapping, so that faults of missing pages come here.
    pub(crate) fn register(&self, address: *const u8, len: usize) -> Result<(), Errno> {
        const MISSING: u64 = general::UFFDIO_REGISTER_MODE_MISSING as u64;
        let start = address.expose_provenance() as u64;
        self.ask(0, &mut [start, len as u64, MISSING, 0])
    }

    /// Fills a hole of the mapping with a copy of `source`.
    pub(crate) fn fill(
        &self,
        address: *const u8,
        source: &Mapping,
        len: usize,
    ) -> Result<(), Errno> {
        let start = address.expose_provenance() as u64;
        let from = source.address(0).expose_provenance() as u64;
        self.ask(3, &mut [start, from, len as u64, 0, 0])
    }

    fn ask<const N: usize>(&self, number: usize, words: &mut [u64; N]) -> Result<(), Errno> {
        let arguments = [
            self.0.as_raw_fd() as usize,
            request(0xaa, number, size_of_val(words)),
            words.as_mut_ptr().expose_provenance(),
            0,
            0,
            0,
        ];
        // SAFETY: the kernel reads and writes the words. What it fills is a mapping of the
        // claim's own.
        unsafe { call(sc::nr::IOCTL, arguments) }?;
        Ok(())
    }
}

/// An `io_uring` that pins memory as its registered buffers.
pub(crate) struct Ring(OwnedFd);

impl Ring {
    pub(crate) fn new() -> Result<Self, Errno> {
        // struct io_uring_params, linux/io_uring.h.
        let mut params = [0_u64; 15];
        let at = params.as_mut_ptr().expose_provenance();
        // SAFETY: the kernel reads and writes the parameters.
        let number = unsafe { call(sc::nr::IO_URING_SETUP, [1, at, 0, 0, 0, 0]) }?;
        Ok(Self(take(number as RawFd)))
    }

    /// Pins the first `len` bytes of the mapping until `unpin`, even after it is unmapped.
    pub(crate) fn pin(&self, mapping: &Mapping, len: usize) -> Result<(), Errno> {
        const REGISTER_BUFFERS: usize = 0;
        // The kernel's iovec.
        let piece = [mapping.address(0).expose_provenance(), len];
        self.register(REGISTER_BUFFERS, piece.as_ptr().expose_provenance(), 1)
    }

    pub(crate) fn unpin(&self) -> Result<(), Errno> {
        const UNREGISTER_BUFFERS: usize = 1;
        self.register(UNREGISTER_BUFFERS, 0, 0)
    }

    fn register(&self, what: usize, argument: usize, count: usize) -> Result<(), Errno> {
        let ring = self.0.as_raw_fd() as usize;
        // SAFETY: the kernel reads the iovec, if there is one, and only pins what it names.
        unsafe {
            call(
                sc::nr::IO_URING_REGISTER,
                [ring, what, argument, count, 0, 0],
            )
        }?;
        Ok(())
    }
}

/// A read that goes on while this process does other things: one of the kernel's `io_submit`. It
/// is waited for when dropped, so whoever delivers the bytes must be able to.
pub(crate) struct Reading {
    context: usize,
}

impl Reading {
    /// Starts to read the first `len` bytes of a file into a mapping. The mapping may go away
    /// meanwhile: the kernel holds its pages.
    pub(crate) fn start(from: &impl AsFd, into: &Mapping, len: usize) -> Result<Self, Errno> {
        let mut context = 0_usize;
        let at = (&raw mut context).expose_provenance();
        // SAFETY: the kernel writes one word.
        unsafe { call(sc::nr::IO_SETUP, [1, at, 0, 0, 0, 0]) }?;
        let reading = Self { context };
        // struct iocb of linux/aio_abi.h: its third word has the operation, `IOCB_CMD_PREAD`, in
        // the lower half, and the descriptor in the upper one.
        let file = u64::from(from.as_fd().as_raw_fd().unsigned_abs()) << 32;
        let buffer = into.address(0).expose_provenance() as u64;
        let block = [0, 0, file, buffer, len as u64, 0, 0, 0];
        let blocks = [block.as_ptr().expose_provenance()];
        let arguments = [context, 1, blocks.as_ptr().expose_provenance(), 0, 0, 0];
        // SAFETY: the kernel reads one pointer and the block there. It writes into a mapping of the
        // claim's own, to which there are no references.
        unsafe { call(sc::nr::IO_SUBMIT, arguments) }?;
        Ok(reading)
    }

    /// Waits until everything is read, and returns how much that is.
    pub(crate) fn finish(self) -> Result<usize, Errno> {
        // struct io_event: two words of the caller's own, and the result.
        let mut event = [0_i64; 4];
        let time = [20_i64, 0];
        let arguments = [
            self.context,
            1,
            1,
            event.as_mut_ptr().expose_provenance(),
            time.as_ptr().expose_provenance(),
            0,
        ];
        // SAFETY: the kernel reads one time and writes one event.
        match unsafe { call(sc::nr::IO_GETEVENTS, arguments) }? {
            0 => Err(Errno::ETIMEDOUT),
            _ => usize::try_from(event[2]).map_err(|_| Errno::from_raw_os_error(-event[2] as i32)),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // SAFETY: no pointer is passed. The kernel waits for what it still writes.
        let destroyed = unsafe { call(sc::nr::IO_DESTROY, [self.context, 0, 0, 0, 0, 0]) };
        debug_assert!(destroyed.is_ok());
    }
}

/// Maps `len` bytes of a file privately for writing, and unmaps them. On huge pages, this can
/// lengthen even a file that is sealed against growing.
pub(crate) fn map_privately_and_beyond(fd: &impl AsFd, len: usize) -> Result<(), Errno> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping, where the kernel finds room.
    let at = unsafe { mm::mmap(ptr::null_mut(), len, READ | WRITE, flags, lend(fd), 0) };
    let at = at.map_err(errno)?;
    // SAFETY: exactly that mapping, into which there is no reference.
    unsafe { mm::munmap(at, len) }.map_err(errno)
}

// Huge pages.

/// An empty, sealable memory file on huge pages of the machine's default size.
pub(crate) fn huge() -> Result<OwnedMemFd, Errno> {
    let flags = MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING | MemFdFlags::HUGETLB;
    OwnedMemFd::create(c"suite", flags)
}

/// A sealable memory file of two huge pages, which are holes, and their size. None is needed for
/// that. Skips the claim if huge pages cannot be mapped.
pub(crate) fn huge_holes(world: &World) -> Result<(OwnedMemFd, usize), Stop> {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let file = ok!(huge());
    let size = ok!(kernel::piece_size(&file)) as usize;
    ok!(file.set_len(2 * size as u64));
    match Mapping::unreserved(&file, size, Stores::Shared, READ) {
        Err(Errno::EINVAL) => Err(Stop::Skipped(HUGE_PAGES_UNMAPPED)),
        result => {
            drop(ok!(result));
            Ok((file, size))
        }
    }
}

/// The default size of huge pages. Skips the claim unless `count` of them can be allocated and one
/// can be mapped.
pub(crate) fn huge_page_size(world: &World, count: u64) -> Result<usize, Stop> {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let file = ok!(huge());
    let size = ok!(rustix::fs::fstatfs(lend(&file))).f_bsize as u64;
    match file.allocate(0, count * size) {
        Err(Errno::ENOSPC) => return Err(Stop::Skipped(NO_POOL)),
        result => ok!(result),
    }
    match Mapping::of(&file, size as usize, Stores::Shared, READ | WRITE) {
        Err(Errno::EINVAL) => Err(Stop::Skipped(HUGE_PAGES_UNMAPPED)),
        result => {
            drop(ok!(result));
            Ok(size as usize)
        }
    }
}

/// Takes every free huge page, until the file is dropped.
pub(crate) fn take_all_huge_pages(size: usize) -> Result<OwnedMemFd, Errno> {
    let file = huge()?;
    let mut taken = 0;
    while taken < 1 << 16 {
        match file.allocate(taken * size as u64, size as u64) {
            Ok(()) => taken += 1,
            Err(Errno::ENOSPC) => return Ok(file),
            Err(error) => return Err(error),
        }
    }
    Err(Errno::E2BIG)
}

/// A machine without free memory that does not overcommit: it refuses whatever is not allocated
/// yet. Dropping this restores its settings.
pub(crate) struct NoMemory([Setting; 4]);

/// A setting of the machine: its value before, and its value without free memory.
struct Setting {
    path: &'static CStr,
    before: u64,
    without: u64,
}

impl NoMemory {
    /// Notes the settings, to be able to restore them. The machine must be the suite's own.
    pub(crate) fn prepare(world: &World) -> Result<Self, Stop> {
        needs!(world.machine, world::NO_OWN_MACHINE);
        let setting = |path, without| {
            kernel::read_number(path).map(|before| Setting {
                path,
                before,
                without,
            })
        };
        Ok(Self([
            ok!(setting(c"/proc/sys/vm/overcommit_kbytes", 1)),
            ok!(setting(c"/proc/sys/vm/admin_reserve_kbytes", 0)),
            ok!(setting(c"/proc/sys/vm/user_reserve_kbytes", 0)),
            // `OVERCOMMIT_NEVER`: this is set last and restored first.
            ok!(setting(c"/proc/sys/vm/overcommit_memory", 2)),
        ]))
    }

    /// From now on there is no free memory.
    pub(crate) fn begin(&self) -> Result<(), Errno> {
        self.0
            .iter()
            .try_for_each(|setting| kernel::write_number(setting.path, setting.without))
    }
}

impl Drop for NoMemory {
    fn drop(&mut self) {
        for setting in self.0.iter().rev() {
            // If this fails, the next claims will fail.
            let _ = kernel::write_number(setting.path, setting.before);
        }
    }
}
