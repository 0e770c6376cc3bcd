//! The other side of a transfer: a sender that sends what the library never would, a socket that
//! delivers more than descriptors, a small program, written in machine code, and a file system.
#![allow(unsafe_code)]

use crate::{
    Stop, Verdict, World,
    children::{self, Child, PATIENCE, Steps},
    claim::Text,
    kernel::{self, PAGE},
    raw::{self, Buffer, Descriptors, Handover, Shared, adopt, call, errno, lend, number},
    world,
};
use core::{
    convert::Infallible,
    ffi::{CStr, c_char},
    mem::MaybeUninit,
    time::Duration,
};
use linux_raw_sys::{general, net};
use owned_memfd::{
    Errno, MemFdOptions, OwnedMemFd,
    exec::{Args, ExecError},
    fd::{AsFd, BorrowedFd, OwnedFd},
};
use rustix::{
    io::{IoSlice, IoSliceMut},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType, sockopt,
    },
    process::{Pid, Signal, WaitOptions},
};

pub(crate) const NO_CLOSING: &str =
    "the emulator leaves descriptors open for which there is no room";
pub(crate) const NO_PIDFD_MESSAGES: &str = "no SO_PASSPIDFD before Linux 6.5, or an emulator";
pub(crate) const NO_PASSRIGHTS: &str = "no SO_PASSRIGHTS before Linux 6.16, or an emulator";
pub(crate) const NO_PROGRAMS: &str = "no program in a memory file can be executed here";
pub const NO_EXECVEAT: &str = "the emulator has no execveat";
pub(crate) const NO_CHECK: &str = "no AT_EXECVE_CHECK before Linux 6.14, or an emulator";
pub(crate) const NO_LOOPBACK: &str = "no internet sockets, or no way to connect them";

// Sockets.

/// Sends bytes and any number of descriptors, without the library.
pub(crate) fn send(
    socket: &impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    // One more than a kernel accepts.
    const MOST: usize = 254;

    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    let mut numbers = [const { MaybeUninit::<rustix::fd::BorrowedFd<'_>>::uninit() }; MOST];
    for (slot, descriptor) in numbers.iter_mut().zip(descriptors) {
        slot.write(lend(descriptor));
    }
    let count = descriptors.len().min(MOST);
    // SAFETY: the loop has written that many.
    let numbers = unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), count) };
    if count > 0 && !control.push(SendAncillaryMessage::ScmRights(numbers)) {
        return Err(Errno::ENOBUFS);
    }
    let bytes = [IoSlice::new(bytes)];
    rustix::net::sendmsg(lend(socket), &bytes, &mut control, SendFlags::empty()).map_err(errno)
}

/// The type of a socket.
pub(crate) fn kind(socket: &impl AsFd) -> Result<SocketType, Errno> {
    sockopt::socket_type(lend(socket)).map_err(errno)
}

/// Ends what comes from the peer.
pub(crate) fn end_reading(socket: &impl AsFd) -> Result<(), Errno> {
    rustix::net::shutdown(lend(socket), rustix::net::Shutdown::Read).map_err(errno)
}

/// Closes one direction of a connection.
pub(crate) fn end_writing(socket: &impl AsFd) -> Result<(), Errno> {
    rustix::net::shutdown(lend(socket), rustix::net::Shutdown::Write).map_err(errno)
}

/// From now on a call waits no longer for a message.
pub(crate) fn wait_at_most(socket: &impl AsFd, time: Duration) -> Result<(), Errno> {
    sockopt::set_socket_timeout(lend(socket), sockopt::Timeout::Recv, Some(time)).map_err(errno)
}

/// From now on the socket delivers the sender's credentials with each message.
pub(crate) fn pass_credentials(socket: &impl AsFd) -> Result<(), Errno> {
    sockopt::set_socket_passcred(lend(socket), true).map_err(errno)
}

/// From now on the socket delivers a pidfd of the sender with each message.
pub(crate) fn pass_pidfd(socket: &impl AsFd) -> Result<(), Errno> {
    set_option(socket, net::SO_PASSPIDFD, 1)
}

/// From now on nobody can send a descriptor to the socket.
pub(crate) fn take_no_descriptors(socket: &impl AsFd) -> Result<(), Errno> {
    set_option(socket, net::SO_PASSRIGHTS, 0)
}

/// From now on the socket delivers the sender's security label, if a security module has one, and
/// the times of each message.
pub(crate) fn pass_labels_and_times(socket: &impl AsFd) -> Result<(), Errno> {
    // SOF_TIMESTAMPING_RX_SOFTWARE and SOF_TIMESTAMPING_SOFTWARE, linux/net_tstamp.h.
    const TIMES: i32 = (1 << 3) | (1 << 4);

    set_option(socket, net::SO_PASSSEC, 1)?;
    set_option(socket, net::SO_TIMESTAMP_NEW, 1)?;
    set_option(socket, net::SO_TIMESTAMPING_NEW, TIMES)
}

fn set_option(socket: &impl AsFd, option: u32, value: i32) -> Result<(), Errno> {
    // SAFETY: the kernel reads one `int`.
    unsafe {
        call(
            sc::nr::SETSOCKOPT,
            [
                number(socket) as usize,
                net::SOL_SOCKET as usize,
                option as usize,
                (&raw const value).expose_provenance(),
                size_of::<i32>(),
                0,
            ],
        )
    }
    .map(drop)
}

/// Whether pidfds of the sender arrive. An emulator may know the socket option but not the
/// message.
pub(crate) fn brings_pidfds() -> bool {
    let Ok((one, other)) = kernel::socket_pair() else {
        return false;
    };
    if pass_pidfd(&other).is_err() || send(&one, b"?", &[]).is_err() {
        return false;
    }
    let before = kernel::open_descriptors();
    let mut room = [MaybeUninit::uninit(); 128];
    children::apart(|| {
        let mut control = RecvAncillaryBuffer::new(&mut room);
        let mut byte = [0];
        let mut bytes = [IoSliceMut::new(&mut byte)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        ok!(rustix::net::recvmsg(
            lend(&other),
            &mut bytes,
            &mut control,
            flags
        ));
        // rustix does not know this message, and leaves its descriptor open.
        holds!(kernel::open_descriptors() != before);
        Ok(())
    })
    .is_ok()
}

/// Whether descriptors that do not fit are closed, as every kernel does: a receiver with room for
/// one or two gets ten.
pub(crate) fn closes_what_does_not_fit() -> bool {
    children::apart(|| {
        let (one, other) = ok!(kernel::socket_pair());
        let before = kernel::open_descriptors();
        ok!(send(&one, b"?", &[one.as_fd(); 10]));
        drop(ok!(kernel::receive(&other)));
        same!(kernel::open_descriptors(), before);
        Ok(())
    })
    .is_ok()
}

/// A Unix socket without a connection.
pub(crate) fn unconnected(kind: SocketType) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .map(adopt)
        .map_err(errno)
}

/// Gives a Unix socket an abstract name.
pub(crate) fn name(socket: &impl AsFd, name: &[u8]) -> Result<(), Errno> {
    let address = rustix::net::SocketAddrUnix::new_abstract_name(name).map_err(errno)?;
    rustix::net::bind(lend(socket), &address).map_err(errno)
}

/// Connects a Unix socket to the one of this abstract name.
pub(crate) fn connect(socket: &impl AsFd, name: &[u8]) -> Result<(), Errno> {
    let address = rustix::net::SocketAddrUnix::new_abstract_name(name).map_err(errno)?;
    rustix::net::connect(lend(socket), &address).map_err(errno)
}

/// A Unix socket that is bound to a path, which goes with it.
pub(crate) struct Bound {
    pub(crate) socket: OwnedFd,
    path: Text,
}

impl Bound {
    /// The path has this name, in the tmpfs of the claims, and a number that only this process has.
    pub(crate) fn new(kind: SocketType, name: &str) -> Result<Self, Errno> {
        let number = rustix::process::getpid().as_raw_nonzero();
        let path = Text::of(format_args!("/dev/shm/{number}-{name}\0"));
        let socket = unconnected(kind)?;
        let address = rustix::net::SocketAddrUnix::new(path.path()).map_err(errno)?;
        rustix::net::bind(lend(&socket), &address).map_err(errno)?;
        Ok(Self { socket, path })
    }

    pub(crate) fn path(&self) -> &CStr {
        self.path.path()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // A claim may have removed it.
        let _ = kernel::unlink(self.path());
    }
}

/// Whether a Unix socket has no name.
pub(crate) fn is_unnamed(socket: &impl AsFd) -> Result<bool, Errno> {
    let address = rustix::net::getsockname(lend(socket)).map_err(errno)?;
    Ok(address.addr_len() as usize == size_of::<net::__kernel_sa_family_t>())
}

/// A Unix socket that waits for connections.
pub(crate) fn listening(kind: SocketType) -> Result<OwnedFd, Errno> {
    let socket = unconnected(kind)?;
    // The kernel chooses an abstract name that is free.
    let address = rustix::net::SocketAddrUnix::new_unnamed();
    rustix::net::bind(lend(&socket), &address).map_err(errno)?;
    rustix::net::listen(lend(&socket), 1).map_err(errno)?;
    Ok(socket)
}

/// A socket that is not a Unix one.
pub(crate) fn internet_socket() -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map(adopt)
    .map_err(errno)
}

/// Two connected internet sockets of this type, of this machine.
pub(crate) fn internet_pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd), Errno> {
    let connect = || {
        use rustix::net::{Ipv4Addr, SocketAddrV4, bind, connect, getsockname, listen};

        let new =
            || rustix::net::socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None);
        let (one, other) = (new()?, new()?);
        bind(&other, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        if kind == SocketType::STREAM {
            listen(&other, 1)?;
        }
        connect(&one, &getsockname(&other)?)?;
        let other = if kind == SocketType::STREAM {
            rustix::net::accept_with(&other, SocketFlags::CLOEXEC)?
        } else {
            other
        };
        Ok((adopt(one), adopt(other)))
    };
    connect().or_else(|_: rustix::io::Errno| {
        // Nobody has started this machine's network. This process may have one of its own.
        raw::unshare(rustix::thread::UnshareFlags::NEWNET)?;
        start_loopback()?;
        connect().map_err(errno)
    })
}

/// Makes closing the socket wait as long as this for what was sent to arrive.
pub(crate) fn linger(socket: &impl AsFd, time: Duration) -> Result<(), Errno> {
    rustix::net::sockopt::set_socket_linger(lend(socket), Some(time)).map_err(errno)
}

/// Starts the network device that leads back to its own machine.
fn start_loopback() -> Result<(), Errno> {
    // SIOCSIFFLAGS, linux/sockios.h; IFF_UP, linux/if.h.
    const SET_FLAGS: usize = 0x8914;
    const UP: u8 = 1;

    // The kernel's ifreq: 16 bytes of the name, and 24 that begin with the flags.
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16] = UP;
    let socket = internet_socket()?;
    // SAFETY: the kernel reads one ifreq.
    unsafe {
        call(
            sc::nr::IOCTL,
            [
                number(&socket) as usize,
                SET_FLAGS,
                request.as_ptr().expose_provenance(),
                0,
                0,
                0,
            ],
        )
    }
    .map(drop)
}

/// Restores the default action of a signal, which ends the process.
pub(crate) fn stop_ignoring(signal: u32) -> Result<(), Errno> {
    // SAFETY: all fields are integers or optional pointers, for which zero is valid; a handler
    // of zero is SIG_DFL.
    let action: general::kernel_sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel reads one action.
    unsafe {
        call(
            sc::nr::RT_SIGACTION,
            [
                signal as usize,
                (&raw const action).expose_provenance(),
                0,
                size_of::<u64>(),
                0,
                0,
            ],
        )
    }
    .map(drop)
}

// Programs.

/// A program that writes its arguments and its environment, each with its NUL, to descriptor 1,
/// and exits with the number of its arguments. It uses only what the kernel leaves on its stack:
/// the number, the arguments, the environment, and the auxiliary vector. The entry `AT_EXECFN`
/// (31) of that vector is the string that follows the last string of the environment.
///
/// There is one for each CPU, since an emulator's kernel runs programs of another CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    machine: u16,
    code: &'static [u8],
}

/// Where the program is loaded: above `vm.mmap_min_addr` and at a multiple of every page size.
const ADDRESS: u64 = 0x40_0000;
const HEADER: usize = 64;
const PART: usize = 56;
/// The space for the whole file.
const PROGRAM: usize = 512;

const PROGRAMS: [Program; 3] = [
    Program {
        // EM_X86_64
        machine: 62,
        code: &[
            0x48, 0x8b, 0x1c, 0x24, //              mov rbx, [rsp]
            0x48, 0x8b, 0x74, 0x24, 0x08, //        mov rsi, [rsp + 8]
            0x48, 0x8d, 0x7c, 0xdc, 0x10, //        lea rdi, [rsp + rbx * 8 + 16]
            0x48, 0x8b, 0x07, //                 1: mov rax, [rdi]
            0x48, 0x83, 0xc7, 0x08, //              add rdi, 8
            0x48, 0x85, 0xc0, //                    test rax, rax
            0x75, 0xf4, //                          jnz 1b
            0x48, 0x8b, 0x07, //                 2: mov rax, [rdi]
            0x48, 0x83, 0xc7, 0x10, //              add rdi, 16
            0x83, 0xf8, 0x1f, //                    cmp eax, 31
            0x75, 0xf4, //                          jne 2b
            0x48, 0x8b, 0x57, 0xf8, //              mov rdx, [rdi - 8]
            0x48, 0x29, 0xf2, //                    sub rdx, rsi
            0xbf, 0x01, 0x00, 0x00, 0x00, //        mov edi, 1
            0xb8, 0x01, 0x00, 0x00, 0x00, //        mov eax, 1          write
            0x0f, 0x05, //                          syscall
            0x89, 0xdf, //                          mov edi, ebx
            0xb8, 0xe7, 0x00, 0x00, 0x00, //        mov eax, 231        exit_group
            0x0f, 0x05, //                          syscall
        ],
    },
    Program {
        // EM_AARCH64
        machine: 183,
        code: &[
            0xf4, 0x03, 0x40, 0xf9, //    ldr x20, [sp]
            0xe9, 0x23, 0x00, 0x91, //    add x9, sp, #8
            0x21, 0x01, 0x40, 0xf9, //    ldr x1, [x9]
            0x29, 0x0d, 0x14, 0x8b, //    add x9, x9, x20, lsl #3
            0x29, 0x21, 0x00, 0x91, //    add x9, x9, #8
            0x2a, 0x85, 0x40, 0xf8, // 1: ldr x10, [x9], #8
            0xea, 0xff, 0xff, 0xb5, //    cbnz x10, 1b
            0x2a, 0x2d, 0xc1, 0xa8, // 2: ldp x10, x11, [x9], #16
            0x5f, 0x7d, 0x00, 0xf1, //    cmp x10, #31
            0xc1, 0xff, 0xff, 0x54, //    b.ne 2b
            0x62, 0x01, 0x01, 0xcb, //    sub x2, x11, x1
            0x20, 0x00, 0x80, 0xd2, //    mov x0, #1
            0x08, 0x08, 0x80, 0xd2, //    mov x8, #64         write
            0x01, 0x00, 0x00, 0xd4, //    svc #0
            0xe0, 0x03, 0x14, 0xaa, //    mov x0, x20
            0xc8, 0x0b, 0x80, 0xd2, //    mov x8, #94         exit_group
            0x01, 0x00, 0x00, 0xd4, //    svc #0
        ],
    },
    Program {
        // EM_RISCV
        machine: 243,
        code: &[
            0x03, 0x34, 0x01, 0x00, //    ld s0, 0(sp)
            0x83, 0x35, 0x81, 0x00, //    ld a1, 8(sp)
            0x93, 0x12, 0x34, 0x00, //    slli t0, s0, 3
            0xb3, 0x82, 0x22, 0x00, //    add t0, t0, sp
            0x93, 0x82, 0x02, 0x01, //    addi t0, t0, 16
            0x03, 0xb3, 0x02, 0x00, // 1: ld t1, 0(t0)
            0x93, 0x82, 0x82, 0x00, //    addi t0, t0, 8
            0xe3, 0x1c, 0x03, 0xfe, //    bnez t1, 1b
            0x93, 0x03, 0xf0, 0x01, //    li t2, 31
            0x03, 0xb3, 0x02, 0x00, // 2: ld t1, 0(t0)
            0x93, 0x82, 0x02, 0x01, //    addi t0, t0, 16
            0xe3, 0x1c, 0x73, 0xfe, //    bne t1, t2, 2b
            0x03, 0xb6, 0x82, 0xff, //    ld a2, -8(t0)
            0x33, 0x06, 0xb6, 0x40, //    sub a2, a2, a1
            0x13, 0x05, 0x10, 0x00, //    li a0, 1
            0x93, 0x08, 0x00, 0x04, //    li a7, 64           write
            0x73, 0x00, 0x00, 0x00, //    ecall
            0x13, 0x05, 0x04, 0x00, //    mv a0, s0
            0x93, 0x08, 0xe0, 0x05, //    li a7, 94           exit_group
            0x73, 0x00, 0x00, 0x00, //    ecall
        ],
    },
];

impl Program {
    /// The program that this machine's kernel executes, found by trying. This does not use the
    /// library: a library that does not work must not look like a machine that lacks something.
    pub(crate) fn of_this_machine() -> Option<Self> {
        PROGRAMS.into_iter().find(|program| {
            let mut room = [0; PROGRAM];
            let image = program.image(None, &mut room);
            // With MFD_EXEC if the kernel knows it.
            let Ok(file) = raw::memfd_create(c"probe".as_ptr().cast(), 0x10)
                .or_else(|_| raw::memfd_create(c"probe".as_ptr().cast(), 0))
            else {
                return false;
            };
            if kernel::write(&file, image) != Ok(image.len()) {
                return false;
            }
            let Ok(pid) = raw::fork(Descriptors::Copied, || {
                raw::close(1);
                execute(&file);
                100
            }) else {
                return false;
            };
            wait(pid) == Ok(Ended::Exited(1))
        })
    }

    /// The program for the CPU that this was compiled for, whatever the kernel executes.
    pub(crate) const fn of_this_cpu() -> Self {
        let [x86_64, aarch64, riscv64] = PROGRAMS;
        if cfg!(target_arch = "x86_64") {
            x86_64
        } else if cfg!(target_arch = "aarch64") {
            aarch64
        } else {
            riscv64
        }
    }

    /// The CPU, as its files name it.
    pub(crate) const fn machine(self) -> u16 {
        self.machine
    }

    /// The program as an executable, sealable memory file.
    pub(crate) fn file(self) -> Result<OwnedMemFd, Errno> {
        let mut room = [0; PROGRAM];
        executable(self.image(None, &mut room))
    }

    /// Writes the program into a file.
    pub(crate) fn copy_to(self, file: &OwnedMemFd) -> Result<(), Errno> {
        let mut room = [0; PROGRAM];
        file.write_all_at(self.image(None, &mut room), 0)
            .map_err(|stopped| stopped.errno().unwrap_or(Errno::ENOSPC))
    }

    /// The same program, if it needed a dynamic linker of this name.
    pub(crate) fn linked_by(self, linker: &CStr) -> Result<OwnedMemFd, Errno> {
        let mut room = [0; PROGRAM];
        executable(self.image(Some(linker), &mut room))
    }

    /// The first `len` bytes of the program's file.
    pub(crate) fn cut_to(self, len: usize) -> Result<OwnedMemFd, Errno> {
        let mut room = [0; PROGRAM];
        executable(&self.image(None, &mut room)[..len])
    }

    /// The ELF file: a header, one segment or two, and the code.
    fn image<'a>(self, linker: Option<&CStr>, room: &'a mut [u8; PROGRAM]) -> &'a [u8] {
        // PT_LOAD and PT_INTERP, PF_R and PF_X, of elf.h.
        const LOAD: u32 = 1;
        const INTERPRETER: u32 = 3;
        const READ_AND_EXECUTE: u32 = 5;

        let name = linker.map_or(&b""[..], CStr::to_bytes_with_nul);
        let parts = if linker.is_some() { 2 } else { 1 };
        let start = HEADER + parts * PART;
        let len = start + self.code.len();
        let end = len + name.len();

        let mut elf = Writer { room, at: 0 };
        // 64 bits, little-endian, version 1; ET_EXEC.
        elf.put(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        elf.put(&2_u16.to_le_bytes());
        elf.put(&self.machine.to_le_bytes());
        elf.put(&1_u32.to_le_bytes());
        // Entry point, program headers, no section headers, no flags.
        elf.put(&(ADDRESS + start as u64).to_le_bytes());
        elf.put(&(HEADER as u64).to_le_bytes());
        elf.put(&[0; 12]);
        elf.put(&(HEADER as u16).to_le_bytes());
        elf.put(&(PART as u16).to_le_bytes());
        elf.put(&(parts as u16).to_le_bytes());
        elf.put(&[0; 6]);

        let mut part = |kind: u32, from: usize, len: usize| {
            elf.put(&kind.to_le_bytes());
            elf.put(&READ_AND_EXECUTE.to_le_bytes());
            elf.put(&(from as u64).to_le_bytes());
            elf.put(&(ADDRESS + from as u64).to_le_bytes());
            elf.put(&(ADDRESS + from as u64).to_le_bytes());
            elf.put(&(len as u64).to_le_bytes());
            elf.put(&(len as u64).to_le_bytes());
            elf.put(&0x1_0000_u64.to_le_bytes());
        };
        if linker.is_some() {
            part(INTERPRETER, len, name.len());
        }
        part(LOAD, 0, end);
        elf.put(self.code);
        elf.put(name);
        &room[..end]
    }
}

/// Appends to the bytes of an ELF file.
struct Writer<'a> {
    room: &'a mut [u8; PROGRAM],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

/// An executable, sealable, close-on-exec memory file with this content.
pub(crate) fn executable(content: &[u8]) -> Result<OwnedMemFd, Errno> {
    let file = MemFdOptions::new()
        .executable(true)
        .create(c"program")
        .map_err(|_| Errno::EACCES)?;
    match file.write_at(content, 0)? {
        count if count == content.len() => Ok(file),
        _ => Err(Errno::EIO),
    }
}

/// Executes a file with one argument, without the library.
fn execute(file: &impl AsFd) {
    let args = [c"probe".as_ptr(), core::ptr::null()];
    let path = Text::of(format_args!("/proc/self/fd/{}\0", number(file)));
    // SAFETY: a path that ends in NUL, and two lists that end in null.
    let _ = unsafe {
        call(
            sc::nr::EXECVE,
            [
                path.path().as_ptr().expose_provenance(),
                args.as_ptr().expose_provenance(),
                args[1..].as_ptr().expose_provenance(),
                0,
                0,
                0,
            ],
        )
    };
}

/// Whether `execveat` exists: QEMU user-mode has none.
#[must_use]
pub fn has_execveat() -> bool {
    // No descriptor has this number.
    execveat(-1) != Errno::ENOSYS
}

/// Executes a descriptor's file without arguments, and returns the error if the kernel refuses.
pub(crate) fn execveat(number: i32) -> Errno {
    // SAFETY: the kernel reads an empty path.
    let result = unsafe {
        call(
            sc::nr::EXECVEAT,
            [
                number as usize,
                c"".as_ptr().expose_provenance(),
                0,
                0,
                general::AT_EMPTY_PATH as usize,
                0,
            ],
        )
    };
    // A successful call does not return.
    result.err().unwrap_or(Errno::EINVAL)
}

/// Whether `/dev/fd` exists, by which the kernel names the file that it executes.
pub(crate) fn dev_fd() -> bool {
    kernel::open(c"/dev/fd", rustix::fs::OFlags::DIRECTORY).is_ok()
}

/// A list in the kernel's form.
pub(crate) fn args<const N: usize>(list: &[*const c_char; N]) -> Args<'_> {
    assert!(list.last().is_some_and(|last| last.is_null()));
    // SAFETY: it ends in null; its strings are the claim's own, and static.
    unsafe { Args::from_ptr(list.as_ptr()) }
}

/// `dup2` to a number that the executed program will use.
pub(crate) fn give_number(fd: &impl AsFd, to: i32) -> Result<(), Errno> {
    // SAFETY: this is done in a child, which uses the number for nothing else.
    unsafe { call(sc::nr::DUP3, [number(fd) as usize, to as usize, 0, 0, 0, 0]) }.map(drop)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ended {
    Exited(i32),
    Killed(i32),
}

/// Waits for a process, and kills it if it takes too long.
pub(crate) fn wait(pid: Pid) -> Result<Ended, Errno> {
    let deadline = raw::now() + PATIENCE;
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => {
                return status
                    .exit_status()
                    .map(Ended::Exited)
                    .or(status.terminating_signal().map(Ended::Killed))
                    .ok_or(Errno::ECHILD);
            }
            Ok(None) if raw::now() > deadline => {
                // The outcome then names the signal.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(errno(error)),
        }
        kernel::sleep(core::time::Duration::from_micros(200));
    }
}

/// The outcome of an attempt to execute a file.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The file was executed, and ended like this.
    Ran(Ended),
    /// The attempt failed, and the process continued.
    Refused(ExecError),
}

/// A process that executes a file.
pub(crate) struct Execution {
    pid: Pid,
    error: Shared<Handover<ExecError>>,
}

impl Execution {
    /// Starts a process with `output` as descriptor 1.
    pub(crate) fn start(
        output: &impl AsFd,
        exec: impl FnOnce() -> Result<Infallible, ExecError>,
    ) -> Result<Self, Errno> {
        let error = Shared::new(Handover::new())?;
        let pid = raw::fork(Descriptors::Copied, || {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if give_number(output, 1).is_err() {
                return 103;
            }
            let Err(refusal) = exec();
            error.put(refusal);
            0
        })?;
        Ok(Self { pid, error })
    }

    pub(crate) fn finish(self) -> Result<Outcome, Errno> {
        let ended = wait(self.pid)?;
        Ok(self
            .error
            .take()
            .map_or(Outcome::Ran(ended), Outcome::Refused))
    }
}

/// Executes a file in a new process and returns the outcome.
pub(crate) fn outcome(
    output: &impl AsFd,
    file: &OwnedMemFd,
    args: Args<'_>,
    env: Args<'_>,
) -> Result<Outcome, Errno> {
    Execution::start(output, || file.exec(args, env))?.finish()
}

// Mounts.

/// Mounts an empty file system over a directory, for this process only.
pub(crate) fn hide(path: &CStr) -> Result<(), Errno> {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

    raw::unshare(rustix::thread::UnshareFlags::NEWNS)?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(errno)?;
    mount(c"none", path, c"tmpfs", MountFlags::empty(), None).map_err(errno)
}

/// Mounts a false `/proc`, for this process only, in which the real one is `/proc/real`.
pub(crate) fn falsify_proc() -> Result<(), Errno> {
    rustix::process::chdir(c"/proc").map_err(errno)?;
    hide(c"/proc")?;
    kernel::directory(c"/proc/real")?;
    rustix::mount::mount_bind(c".", c"/proc/real").map_err(errno)?;
    rustix::process::chdir(c"/").map_err(errno)
}

/// Mounts what is at one path over what is at another one, for this process only: symbolic links
/// themselves, and not what they lead to.
pub(crate) fn mount_over(source: &CStr, target: &CStr) -> Result<(), Errno> {
    use rustix::{
        fs::OFlags,
        mount::{MountPropagationFlags, mount_bind, mount_change},
    };

    raw::unshare(rustix::thread::UnshareFlags::NEWNS)?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(errno)?;
    // In the new mounts, which `open` looks into from here on.
    let [source, target] =
        [source, target].map(|path| kernel::open(path, OFlags::PATH | OFlags::NOFOLLOW));
    let (source, target) = (source?, target?);
    let path = |fd: &OwnedFd| Text::of(format_args!("/proc/self/fd/{}\0", number(fd)));
    mount_bind(path(&source).path(), path(&target).path()).map_err(errno)
}

/// Makes the directories of a false `/proc`.
pub(crate) fn false_directories(of: &[&str]) -> Result<(), Errno> {
    for who in of {
        for below in ["", "/fd"] {
            kernel::directory(Text::of(format_args!("/proc/{who}{below}\0")).path())?;
        }
    }
    Ok(())
}

/// Gives this thread descriptors of its own, in which the file has the number of `place`, and
/// returns it. The other threads keep `place`.
pub(crate) fn take_place(file: &OwnedMemFd, place: &OwnedMemFd) -> Result<OwnedMemFd, Errno> {
    raw::unshare(rustix::thread::UnshareFlags::FILES)?;
    raw::duplicate_onto(file, number(place))?;
    Ok(raw::disguise(raw::take(number(place))))
}

/// Where the library may look for the file of a descriptor.
pub(crate) fn paths_of(file: &impl AsFd) -> [Text; 2] {
    ["thread-self", "self"].map(|who| Text::of(format_args!("/proc/{who}/fd/{}\0", number(file))))
}

// A file system whose files this program serves: FUSE.

pub(crate) const NO_FUSE: &str = "no FUSE in this kernel, or not for this process";

/// The directory that a served file system is mounted in. Nothing else of this process needs it.
const PLACE: &CStr = c"/tmp";
const SERVED: &CStr = c"/tmp/served";

/// A file of one page of the byte `SLOWLY`, at `SERVED`, that takes its time: a reader waits until
/// it is told to deliver.
pub(crate) struct SlowFile {
    file: OwnedFd,
    server: Child,
}

/// What a slow file consists of.
pub(crate) const SLOWLY: u8 = 3;

/// The steps of a slow file: the kernel has asked for its bytes; it may have them.
pub(crate) const ASKED: u32 = 1;
pub(crate) const DELIVER: u32 = 2;

impl SlowFile {
    /// Mounts it, for this process only, and opens it for reading past all caches.
    pub(crate) fn mount(world: &World, steps: &Steps) -> Result<Self, Stop> {
        use rustix::{fs::OFlags, mount};

        needs!(world.own_mounts, world::NO_OWN_MOUNTS);
        let Ok(device) = kernel::open(c"/dev/fuse", OFlags::RDWR) else {
            return Err(Stop::Skipped(NO_FUSE));
        };
        ok!(hide(PLACE));
        drop(ok!(kernel::open(SERVED, OFlags::CREATE | OFlags::RDWR)));
        // What is mounted is not a directory but a file.
        let options = Text::of(format_args!(
            "fd={},rootmode=100000,user_id=0,group_id=0\0",
            number(&device)
        ));
        let flags = mount::MountFlags::NOSUID | mount::MountFlags::NODEV;
        match mount::mount(c"none", SERVED, c"fuse", flags, Some(options.path())).map_err(errno) {
            Err(Errno::EPERM | Errno::ENODEV) => return Err(Stop::Skipped(NO_FUSE)),
            result => ok!(result),
        }
        let server = ok!(Child::start(Descriptors::Copied, || serve(&device, steps)));
        drop(device);
        let file = ok!(kernel::open(SERVED, OFlags::RDONLY | OFlags::DIRECT));
        Ok(Self { file, server })
    }

    /// Waits until the kernel asks for its bytes.
    pub(crate) fn is_asked(&mut self, steps: &Steps) -> Verdict {
        self.server.reaches(ASKED, steps)
    }

    pub(crate) fn unmount(self) -> Verdict {
        drop(self.file);
        let flags = rustix::mount::UnmountFlags::empty();
        ok!(rustix::mount::unmount(SERVED, flags));
        self.server.finish(PATIENCE)
    }
}

impl AsFd for SlowFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Does what the kernel asks for, as linux/fuse.h describes it, until the file is unmounted.
fn serve(device: &OwnedFd, steps: &Steps) -> Verdict {
    const GETATTR: u32 = 3;
    const OPEN: u32 = 14;
    const READ: u32 = 15;
    const RELEASE: u32 = 18;
    const INIT: u32 = 26;

    // The kernel wants room for the longest request.
    let mut request = ok!(Buffer::new(64 * 1024));
    loop {
        match kernel::read(device, &mut request) {
            Err(Errno::ENODEV) => return Ok(()),
            result => ok!(result),
        };
        let word = |at: usize| {
            let bytes = request[at..][..4].try_into().unwrap_or_default();
            u32::from_ne_bytes(bytes)
        };
        let id = [word(8), word(12)];
        match word(4) {
            // The version, no reading ahead, `FUSE_ASYNC_DIO`, and the longest write.
            INIT => reply(
                device,
                id,
                0,
                &[
                    7,
                    31,
                    0,
                    1 << 15,
                    0,
                    PAGE as u32,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                ],
            )?,
            // For how long that is so; number, length and blocks of 512 bytes; three times; mode,
            // links, owner, group, device, block size and flags.
            GETATTR => reply(
                device,
                id,
                0,
                &[
                    0,
                    0,
                    0,
                    0,
                    1,
                    0,
                    PAGE as u32,
                    0,
                    8,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0o100_644,
                    1,
                    0,
                    0,
                    0,
                    PAGE as u32,
                    0,
                ],
            )?,
            // A number of our own, and flags.
            OPEN => reply(device, id, 0, &[0, 0, 0, 0])?,
            RELEASE => reply(device, id, 0, &[])?,
            READ => {
                steps.reach(ASKED);
                steps.wait_for(DELIVER)?;
                reply(device, id, 0, &[u32::from_ne_bytes([SLOWLY; 4]); PAGE / 4])?;
            }
            _ => reply(device, id, -Errno::ENOSYS.raw_os_error(), &[])?,
        }
    }
}

fn reply(device: &OwnedFd, id: [u32; 2], error: i32, words: &[u32]) -> Verdict {
    const HEADER: usize = 16;
    let len = HEADER + 4 * words.len();
    let mut bytes = [0; HEADER + PAGE];
    let header = [len as u32, error as u32, id[0], id[1]];
    for (place, word) in bytes.chunks_exact_mut(4).zip(header.iter().chain(words)) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    match kernel::write(device, &bytes[..len]) {
        // Nobody waits for it any more, since the file is just being unmounted.
        Err(Errno::ENOENT) if words.is_empty() => {}
        written => same!(written, Ok(len)),
    }
    Ok(())
}
