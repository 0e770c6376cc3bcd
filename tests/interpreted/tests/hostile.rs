//! A kernel that lies, and senders. Nothing of this is undefined behaviour.
//!
//! The library promises that whatever is on the other side of a descriptor: what a sender, or
//! whoever else has the file, can cause. A test says so if it is about that. All others are about a
//! kernel, or a sandbox that makes calls in its place, that returns what the man page excludes. Of
//! that nothing is promised, but where it costs nothing the library is as robust.
#![cfg(miri)]

use interpreted::{Forged, Machine};
use linux_raw_sys::{
    general::{STATX_MNT_ID, pollfd, stat, statfs, statx},
    net::{MSG_CTRUNC, MSG_TRUNC, SCM_RIGHTS, SOL_SOCKET},
};
use owned_memfd::{
    BorrowedSealedMemFd, Errno, MapError, MemFdOptions, OwnedMemFd, SealedMemFd, Seals, SeekFrom,
    VerifyErrorKind,
    exec::{Arg, Args, ExecError, ensure_sealed},
    fd::{AsRawFd, FromRawFd, OwnedFd},
    socket::{self, ReceiveError, ReceivedFds, SocketType::SeqPacket},
};
use std::{cell::Cell, time::Duration};

/// What a call may return where it should return a count.
const COUNTS: [usize; 5] = [
    1 << 20,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    isize::MAX as usize,
];

fn sealed() -> SealedMemFd {
    SealedMemFd::copy_from_slice("content", b"hello").unwrap()
}

fn file(len: u64) -> OwnedMemFd {
    let file = MemFdOptions::new().create("content").unwrap();
    file.set_len(len).unwrap();
    file
}

/// Receives a forged message, with room for two descriptors.
fn receive(machine: &Machine, message: Forged) -> Result<usize, ReceiveError> {
    let (_here, there) = socket::socket_pair(SeqPacket).unwrap();
    machine.forge(there.as_raw_fd(), message);
    let mut fds = ReceivedFds::<2>::new();
    socket::receive(&there, &mut [0; 4], &mut fds)?;
    Ok(fds.count())
}

/// The number of a new descriptor, which a message brings.
fn number(machine: &Machine) -> u32 {
    machine.regular_file(b"sent") as u32
}

/// A sender can send any number of descriptors with any number of bytes, none of either too.
#[test]
fn a_sender_sends_what_it_likes() {
    let machine = Machine::new();
    for (bytes, count, flags) in [(0, 2, 0), (1, 1, 0), (4, 0, 0), (9, 2, MSG_TRUNC)] {
        let numbers: Vec<u32> = (0..count).map(|_| number(&machine)).collect();
        let control = match count {
            0 => Vec::new(),
            _ => Forged::rights(&numbers),
        };
        let bytes = vec![0; bytes];
        let forged = Forged {
            bytes,
            control,
            flags,
            ..Forged::default()
        };
        match receive(&machine, forged) {
            Ok(received) => assert_eq!(received, count),
            Err(error) => assert!(matches!(error, ReceiveError::DataTruncated)),
        }
    }
}

/// A receiver whose table of descriptors is full gets some, and the flag: a sender can cause it.
#[test]
fn a_truncated_message_closes_what_it_brought() {
    let machine = Machine::new();
    for numbers in [
        vec![],
        vec![number(&machine)],
        vec![number(&machine), number(&machine)],
    ] {
        let control = Forged::rights(&numbers);
        let forged = Forged {
            flags: MSG_CTRUNC,
            ..Forged::with(control)
        };
        let error = receive(&machine, forged).unwrap_err();
        assert!(matches!(error, ReceiveError::ControlTruncated));
    }
}

#[test]
fn a_control_message_lies_about_its_length() {
    let machine = Machine::new();
    let (level, kind) = (SOL_SOCKET, SCM_RIGHTS);
    for len in [0, 1, 8, 15, 16, 17, 19] {
        // It has no number, whatever is after it.
        let control = Forged::lying(len, level, kind, &[0, 1]);
        assert_eq!(
            receive(&machine, Forged::with(control)).unwrap(),
            0,
            "{len}"
        );
    }
    for len in [20, 21, 22, 23] {
        let control = Forged::lying(len, level, kind, &[number(&machine)]);
        assert_eq!(
            receive(&machine, Forged::with(control)).unwrap(),
            1,
            "{len}"
        );
    }
    for len in [
        25,
        1 << 12,
        u32::MAX as usize,
        isize::MAX as usize,
        usize::MAX - 7,
        usize::MAX,
    ] {
        // It ends where the control data does.
        let control = Forged::lying(len, level, kind, &[number(&machine)]);
        assert_eq!(
            receive(&machine, Forged::with(control)).unwrap(),
            1,
            "{len}"
        );
    }
}

#[test]
fn control_data_ends_anywhere() {
    let machine = Machine::new();
    let whole = Forged::rights(&[number(&machine)]);
    for len in 0..whole.len() {
        let control = whole[..len].to_vec();
        assert_eq!(
            receive(&machine, Forged::with(control)).unwrap(),
            0,
            "{len}"
        );
    }
    assert_eq!(receive(&machine, Forged::with(whole)).unwrap(), 1);
}

#[test]
fn control_data_is_longer_than_its_room() {
    let machine = Machine::new();
    for len in [4096, u32::MAX as usize, isize::MAX as usize, usize::MAX] {
        let fd = sealed();
        let control = Forged::rights(&[fd.as_raw_fd() as u32]);
        let forged = Forged {
            control_len: Some(len),
            ..Forged::with(control)
        };
        // Nothing of it is believed.
        assert_eq!(receive(&machine, forged).unwrap(), 0);
    }
}

#[test]
fn control_messages_of_no_known_kind_are_skipped() {
    let machine = Machine::new();
    for (level, kind) in [
        (0, SCM_RIGHTS),
        (SOL_SOCKET, 0),
        (SOL_SOCKET, 99),
        (u32::MAX, u32::MAX),
    ] {
        let mut control = Forged::message(level, kind, &[0, 1]);
        control.extend(Forged::rights(&[number(&machine)]));
        assert_eq!(receive(&machine, Forged::with(control)).unwrap(), 1);
    }
}

#[test]
fn descriptors_come_in_several_messages() {
    let machine = Machine::new();
    let mut control = Forged::rights(&[number(&machine), number(&machine)]);
    control.extend(Forged::rights(&[]));
    assert_eq!(receive(&machine, Forged::with(control.clone())).unwrap(), 2);
    let mut control = Forged::rights(&[number(&machine), number(&machine)]);
    control.extend(Forged::rights(&[number(&machine), number(&machine)]));
    let error = receive(&machine, Forged::with(control)).unwrap_err();
    assert!(matches!(error, ReceiveError::TooManyDescriptors));
}

#[test]
fn numbers_that_are_no_descriptors_are_not_taken() {
    let machine = Machine::new();
    for lie in [-1, -2, -9, i32::MIN] {
        let control = Forged::rights(&[lie as u32, number(&machine)]);
        assert_eq!(receive(&machine, Forged::with(control)).unwrap(), 1);
        let control = Forged::rights(&[number(&machine), lie as u32]);
        let message = Forged::with(control);
        let (_here, there) = socket::socket_pair(SeqPacket).unwrap();
        machine.forge(there.as_raw_fd(), message);
        let error = SealedMemFd::receive(&there, 10).unwrap_err();
        assert!(matches!(error, ReceiveError::Verify(_)), "{error:?}");
    }
}

/// A number comes twice, or is one that nobody has open. Each is taken for a descriptor, and closed
/// as often as it came: std ends the process then.
#[cfg(not(feature = "std"))]
#[test]
fn numbers_that_are_not_new_are_closed_each_time() {
    let machine = Machine::new();
    let closed = std::rc::Rc::new(Cell::new(0));
    let count = closed.clone();
    machine.returns("close", move |value| {
        count.set(count.get() + 1);
        value
    });
    let number = number(&machine);
    let control = Forged::rights(&[number, number]);
    assert_eq!(receive(&machine, Forged::with(control)).unwrap(), 2);
    // Two sockets, and the number twice.
    assert_eq!(closed.get(), 4);
    for lie in [1000, i32::MAX as u32] {
        let control = Forged::rights(&[lie]);
        closed.set(0);
        assert_eq!(receive(&machine, Forged::with(control)).unwrap(), 1);
        assert_eq!(closed.get(), 3);
    }
}

#[test]
fn a_message_is_longer_than_its_room() {
    let machine = Machine::new();
    for count in COUNTS {
        let control = Forged::rights(&[number(&machine)]);
        let forged = Forged {
            returned: Some(count),
            ..Forged::with(control)
        };
        assert_eq!(receive(&machine, forged).unwrap(), 1);
    }
}

#[test]
fn a_poll_returns_what_was_not_asked() {
    for revents in [0, -1, 0x2000, 0x20, i16::MIN] {
        let machine = Machine::new();
        machine.writes::<pollfd>("ppoll", move |entry| entry.revents = revents);
        machine.returns("ppoll", |_| 7);
        let (_here, there) = socket::socket_pair(SeqPacket).unwrap();
        let timeout = Duration::from_millis(1);
        let error = OwnedMemFd::receive_timeout(&there, timeout).unwrap_err();
        assert!(matches!(
            error,
            ReceiveError::TimedOut | ReceiveError::Closed
        ));
    }
}

#[test]
fn a_clock_runs_backwards() {
    use linux_raw_sys::general::__kernel_timespec;

    let machine = Machine::new();
    machine.writes::<__kernel_timespec>("clock_gettime", |time| time.tv_sec = -1 - time.tv_sec);
    let (_here, there) = socket::socket_pair(SeqPacket).unwrap();
    let timeout = Duration::from_millis(1);
    let error = OwnedMemFd::receive_timeout(&there, timeout).unwrap_err();
    assert!(matches!(error, ReceiveError::TimedOut));
}

#[test]
fn more_is_read_than_there_is_room_for() {
    for count in COUNTS {
        let machine = Machine::new();
        let (file, sealed) = (file(10), sealed());
        let target = MemFdOptions::new().create("target").unwrap();
        for call in ["copy_file_range", "sendfile", "splice"] {
            machine.fails(call, libc::EINVAL);
        }
        for call in ["read", "pread"] {
            machine.returns(call, move |_| count);
        }
        let mut buffer = [0; 4];
        assert_eq!(file.read(&mut buffer), Ok(count));
        assert_eq!(file.read_at(&mut buffer, 0), Ok(count));
        assert_eq!(sealed.read_at(&mut buffer, 0), Ok(count));
        let mut reader = sealed.reader(&mut buffer);
        // Nothing of it is believed.
        assert_eq!(reader.fill_buf(), Ok(&b""[..]));
        reader.consume(usize::MAX);
        let _ = (reader.read(&mut [0; 2]), reader.seek(SeekFrom::Current(-1)));
        let _ = reader.read_exact(&mut [0; 9]);
        // Through a buffer that is not initialized, an end that is none is an error.
        let error = target.copy_from(&file, 9).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EIO));
        let error = MemFdOptions::new().copy_from_file("copy", &file, 10);
        assert_eq!(Errno::from(error.unwrap_err()), Errno::EIO);
    }
}

#[test]
fn more_is_written_than_there_was() {
    for count in COUNTS {
        let machine = Machine::new();
        let file = file(0);
        for call in ["write", "pwrite"] {
            machine.returns(call, move |_| count);
        }
        file.write_all(b"hello").unwrap();
        file.write_all_at(b"hello", 3).unwrap();
        let mut buffer = [0; 4];
        let mut writer = MemFdOptions::new().writer("stream", &mut buffer).unwrap();
        writer.write_all(b"hello").unwrap();
        // The file is as long as it is, since what was written was written.
        assert_eq!(writer.finish().unwrap().len(), 5);
    }
}

#[test]
fn more_is_copied_than_was_asked_for() {
    for count in COUNTS {
        let machine = Machine::new();
        let (source, target) = (file(10), file(0));
        for call in ["copy_file_range", "sendfile", "splice"] {
            machine.returns(call, move |_| count);
        }
        let _ = target.copy_from(&source, 5);
        let _ = MemFdOptions::new().copy_from_file("copy", &source, 10);
    }
}

#[test]
fn a_link_is_longer_than_its_room() {
    for count in COUNTS {
        let machine = Machine::new();
        let exe = OwnedFd::from(file(10));
        let number = exe.as_raw_fd() as u32;
        machine.set(|settings| settings.program = Some(number));
        machine.returns("readlinkat", move |_| count);
        let list = [Some(Arg::new(c"again")), None];
        let error = ensure_sealed(Args::new(&list).unwrap(), Args::EMPTY).unwrap_err();
        assert_eq!(error, ExecError::Kernel(Errno::EIO));
    }
}

/// Whoever serves a file system says how long its files are. Of memory files only a kernel can lie.
#[test]
fn a_file_has_a_length_that_no_file_has() {
    for len in [-1, i64::MIN, i64::MAX] {
        let machine = Machine::new();
        let (file, sealed) = (file(10), sealed());
        file.add_seals(Seals::SHRINK).unwrap();
        // SAFETY: the machine has just opened it for this.
        let regular = unsafe { OwnedFd::from_raw_fd(machine.regular_file(b"text")) };
        machine.writes::<stat>("fstat", move |found| found.st_size = len);
        let copy = MemFdOptions::new().copy_from_file("copy", &regular, 100);
        assert!(copy.is_err());
        assert!(SealedMemFd::verify_or_copy(regular, 100).is_err());
        let error = BorrowedSealedMemFd::verify(&sealed, usize::MAX);
        if len < 0 {
            assert!(matches!(
                error.unwrap_err(),
                VerifyErrorKind::TooLarge { .. }
            ));
            assert!(matches!(
                file.map_shared(..).unwrap_err(),
                MapError::Verify(VerifyErrorKind::TooLarge { .. })
            ));
        } else {
            // It could not be mapped.
            let _ = error.unwrap().map_range(..0).unwrap();
        }
    }
}

#[test]
fn a_file_has_blocks_that_no_file_has() {
    for (block, page, is_mapped) in [
        (0, 0, true),
        (-1, 1, true),
        (1 << 16, 3, true),
        // No memory is as large as such a page.
        (1, i64::MIN, false),
        (2 << 20, 1 << 40, false),
    ] {
        let machine = Machine::new();
        let file = file(4096);
        file.add_seals(Seals::SHRINK).unwrap();
        machine.writes::<stat>("fstat", move |found| found.st_blksize = block);
        machine.writes::<statfs>("fstatfs", move |found| {
            found.f_type = libc::HUGETLBFS_MAGIC;
            found.f_bsize = page;
        });
        assert_eq!(file.map_shared(..).is_ok(), is_mapped, "{page}");
        assert_eq!(file.map_mirrored(..).is_ok(), is_mapped, "{page}");
    }
}

#[test]
fn seals_have_bits_that_nobody_knows() {
    let machine = Machine::new();
    let sealed = sealed();
    machine.returns("fcntl", |seals| seals | 0x7fff_ffc0);
    let found = BorrowedSealedMemFd::verify(&sealed, 5).unwrap();
    assert_eq!(&found.map().unwrap()[..], b"hello");
    assert!(sealed.seals().unwrap().contains(Seals::WRITE));
    let _ = format!("{:?} {}", sealed.seals(), sealed.seals().unwrap());
}

#[test]
fn a_mapping_is_where_nothing_can_be() {
    // The null page, and all that is an error.
    for address in [0, usize::MAX, usize::MAX - 4094] {
        let machine = Machine::new();
        let (sealed, file) = (sealed(), file(4096));
        let mut map = file.map_shared_mut(..).unwrap();
        machine.instead("mmap", address);
        assert!(sealed.map().is_err());
        assert!(sealed.map_copy().is_err());
        assert!(sealed.map_exec().is_err());
        assert!(file.map_shared(..).is_err());
        assert!(file.map_mirrored(..).is_err());
        assert!(
            MemFdOptions::new()
                .create_with("filled", 4096, |_| ())
                .is_err()
        );
        machine.instead("mremap", address);
        file.set_len(8192).unwrap();
        assert!(map.grow(&file, 8192).is_err());
        map.write_all_at(b"kept", 4000).unwrap();
    }
}

#[test]
fn errors_have_numbers_that_no_error_has() {
    // A negative number is an error, whatever it is.
    for number in [
        0_usize.wrapping_sub(4096),
        1 << 63 | 1 << 31,
        0_usize.wrapping_sub(1 << 31),
    ] {
        for call in ["memfd_create", "fcntl", "fstat", "recvmsg"] {
            let machine = Machine::new();
            let (_here, there) = socket::socket_pair(SeqPacket).unwrap();
            let sealed = sealed();
            machine.instead(call, number);
            if let Err(error) = MemFdOptions::new().create("none") {
                let _ = format!("{error} {error:?}");
            }
            if let Err(error) = BorrowedSealedMemFd::verify(&sealed, 5) {
                let _ = format!("{error} {error:?}");
            }
            if call == "recvmsg" {
                let error = SealedMemFd::receive(&there, 5).unwrap_err();
                let _ = format!("{error} {error:?}");
            }
        }
    }
}

#[test]
fn what_should_fail_succeeds() {
    let machine = Machine::new();
    let options = MemFdOptions::new().executable(true);
    let program = options.copy_from_slice("program", b"text").unwrap();
    machine.instead("execveat", 0);
    machine.instead("execve", 0);
    assert!(program.exec(Args::EMPTY, Args::EMPTY).is_err());
    // Nothing is sealed.
    machine.instead("fcntl_with", 0);
    assert!(file(10).seal().is_err());
    assert!(SealedMemFd::create_with("unsealed", 10, |_| ()).is_err());
}

/// Makes each mount that the kernel tells of another one, and says in `mask` whether it is told.
fn find_program_on_mounts(mask: u32) -> ExecError {
    let machine = Machine::new();
    let exe = OwnedFd::from(file(10));
    let number = exe.as_raw_fd() as u32;
    machine.set(|settings| settings.program = Some(number));
    let mount = Cell::new(0);
    machine.writes::<statx>("statx", move |found| {
        mount.set(mount.get() + 1);
        (found.stx_mask, found.stx_mnt_id) = (mask, mount.get());
    });
    ensure_sealed(Args::EMPTY, Args::EMPTY).unwrap_err()
}

#[test]
fn a_mount_is_only_believed_if_it_is_told() {
    for mask in [STATX_MNT_ID, u32::MAX] {
        assert_eq!(find_program_on_mounts(mask), ExecError::NoProc);
    }
    for mask in [0, !STATX_MNT_ID] {
        let error = find_program_on_mounts(mask);
        assert_eq!(error, ExecError::InvalidExecutable);
    }
}

#[test]
fn a_limit_is_not_told() {
    let machine = Machine::new();
    let exe = OwnedFd::from(file(10));
    let number = exe.as_raw_fd() as u32;
    machine.set(|settings| settings.program = Some(number));
    machine.fails("prlimit64", libc::ENOSYS);
    let error = ensure_sealed(Args::EMPTY, Args::EMPTY).unwrap_err();
    assert_eq!(error, ExecError::InvalidExecutable);
}
