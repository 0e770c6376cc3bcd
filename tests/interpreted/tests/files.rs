//! Creating, filling, sealing and reading files, on a kernel that does what Linux does.
#![cfg(miri)]

use interpreted::Machine;
use owned_memfd::{
    BorrowedMemFd, BorrowedSealedMemFd, CreateError, Errno, MemFdFlags, MemFdOptions, OwnedMemFd,
    SealError, SealedMemFd, Seals, SeekFrom, TransferCause, TransferError, TryCreateError,
    VerifyErrorKind,
    fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
    has_cve_2026_63952,
};

/// A file with these bytes, and its offset after them.
fn file(content: &[u8]) -> OwnedMemFd {
    let file = MemFdOptions::new().create(c"content").unwrap();
    file.write_all(content).unwrap();
    file
}

/// Takes the descriptor with this number.
fn take(number: i32) -> OwnedFd {
    // SAFETY: the machine has just opened it for the caller.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[test]
fn a_name_is_passed_on_as_it_is() {
    let _machine = Machine::new();
    let longest = "n".repeat(249);
    for name in ["", "name", &longest] {
        MemFdOptions::new().create(name).unwrap();
        MemFdOptions::new().create(name.as_bytes()).unwrap();
    }
    MemFdOptions::new().create(b"bytes").unwrap();
    let error = MemFdOptions::new().create("a\0b").unwrap_err();
    assert_eq!(error, CreateError::NameHasNul { at: 1 });
    let error = MemFdOptions::new().create(&*"n".repeat(250)).unwrap_err();
    assert_eq!(error, CreateError::NameTooLong { len: 250 });
}

#[test]
fn a_file_is_created_with_every_option() {
    let machine = Machine::new();
    for executable in [false, true] {
        for exec_seal in [false, true] {
            let options = MemFdOptions::new()
                .executable(executable)
                .exec_seal(exec_seal)
                .close_on_exec(exec_seal);
            let file = options.create(c"options").unwrap();
            assert_eq!(file.mode().unwrap() & 0o111 != 0, executable);
            assert_eq!(file.close_on_exec().unwrap(), exec_seal);
        }
    }
    assert_eq!(
        OwnedMemFd::create(c"raw", MemFdFlags::all()).unwrap_err(),
        Errno::EINVAL
    );
    machine.fails("memfd_create", libc::EMFILE);
    let error = MemFdOptions::new().create(c"none").unwrap_err();
    assert_eq!(error, CreateError::Kernel(Errno::EMFILE));
}

#[test]
fn what_is_written_is_read() {
    let _machine = Machine::new();
    let file = file(b"hello");
    assert_eq!(file.write_at(b"J", 0), Ok(1));
    assert_eq!(file.write(b"!"), Ok(1));
    file.write_all_at(b"world", 8).unwrap();
    assert_eq!(file.seek(SeekFrom::Start(1)), Ok(1));
    let mut found = [0xaa; 20];
    assert_eq!(file.read(&mut found), Ok(12));
    assert_eq!(&found[..12], b"ello!\0\0world");
    assert_eq!(file.read_at(&mut found, 100), Ok(0));
    file.read_exact_at(&mut found[..5], 0).unwrap();
    assert_eq!(&found[..5], b"Jello");
    let error = file.read_exact_at(&mut found, 0).unwrap_err();
    assert_eq!(
        error,
        TransferError {
            done: 13,
            cause: TransferCause::EndOfFile
        }
    );
    file.punch_hole(1, 3).unwrap();
    file.allocate(0, 20).unwrap();
    assert_eq!(file.len(), Ok(20));
    file.set_len(3).unwrap();
    assert_eq!(file.read_at(&mut found, 0), Ok(3));
    assert_eq!(&found[..3], b"J\0\0");
    file.close().unwrap();
}

#[test]
fn nothing_can_be_read_into_nothing() {
    let _machine = Machine::new();
    let file = file(b"hello");
    assert_eq!(file.read(&mut []), Ok(0));
    assert_eq!(file.write(&[]), Ok(0));
    file.read_exact_at(&mut [], 2).unwrap();
    file.write_all(&[]).unwrap();
}

#[test]
fn a_sealed_file_is_proven_and_cannot_be_written() {
    let _machine = Machine::new();
    let sealed = file(b"hello").seal().unwrap();
    assert_eq!(sealed.len(), 5);
    sealed.require_len(5).unwrap();
    let mut found = [0xaa; 8];
    assert_eq!(sealed.read_at(&mut found, 3), Ok(2));
    assert_eq!(&found[..3], b"lo\xaa");
    let file = sealed.as_memfd();
    let sealed_with = TransferCause::Sealed(Seals::WRITE);
    assert_eq!(file.write_all(b"no").unwrap_err().cause, sealed_with);
    assert_eq!(
        file.explain_seal_error(Errno::EPERM),
        SealError::SealingClosed
    );
    assert_eq!(&sealed.try_clone().unwrap().map().unwrap()[..], b"hello");
}

#[test]
fn a_borrowed_descriptor_is_verified_and_lent() {
    let _machine = Machine::new();
    let sealed = SealedMemFd::copy_from_slice("lent", b"hello").unwrap();
    let borrowed = BorrowedSealedMemFd::verify(&sealed, 5).unwrap();
    assert_eq!(borrowed.len(), 5);
    assert_eq!(&borrowed.map().unwrap()[..], b"hello");
    let again = BorrowedSealedMemFd::from(&sealed);
    assert_eq!(again.as_raw_fd(), sealed.as_raw_fd());
    let memfd = BorrowedMemFd::from(again);
    assert_eq!(memfd.seals(), sealed.seals());
    let error = BorrowedSealedMemFd::verify(&sealed, 4).unwrap_err();
    assert_eq!(error, VerifyErrorKind::TooLarge { len: 5, max_len: 4 });
}

#[test]
fn what_is_not_sealed_comes_back() {
    let machine = Machine::new();
    let number = machine.pipe(b"");
    for (fd, kind) in [
        (take(number), VerifyErrorKind::CanBlock),
        (
            take(machine.regular_file(b"text")),
            VerifyErrorKind::CanChange,
        ),
        (
            file(b"open").into(),
            VerifyErrorKind::MissingSeals(Seals::WRITE | Seals::SHRINK),
        ),
    ] {
        let number = fd.as_raw_fd();
        let error = SealedMemFd::verify(fd, 100).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.into_inner().into_raw_fd(), number);
        drop(take(number));
    }
}

#[test]
fn forgeable_seals_are_judged_by_a_probe() {
    let _machine = Machine::new();
    assert_eq!(has_cve_2026_63952(), Ok(false));
    let file = file(b"text");
    file.add_seals(Seals::FUTURE_WRITE).unwrap();
    assert_eq!(file.seal().unwrap().len(), 4);
}

#[test]
fn what_was_mapped_for_writing_is_sealed_afterwards() {
    let _machine = Machine::new();
    let file = file(b"busy");
    let map = file.map_shared_mut(..).unwrap();
    let error = file.seal().unwrap_err();
    assert_eq!(
        error.kind(),
        VerifyErrorKind::Seal(SealError::MappedOrPinned)
    );
    drop(map);
    error.into_inner().seal().unwrap();
}

#[test]
fn content_is_filled_in_place() {
    let _machine = Machine::new();
    for len in [0, 1, 7, 8, 9, 2048, 2049, 5000] {
        let expected = b"0123456789".repeat(500);
        let sealed = SealedMemFd::create_with("filled", len, |bytes| {
            assert_eq!(bytes, &vec![0; len]);
            bytes.copy_from_slice(&expected[..len]);
        });
        let map = sealed.unwrap().map().unwrap();
        assert_eq!(&map[..], &expected[..len], "{len} bytes");
    }
}

#[test]
fn nothing_is_left_of_what_cannot_be_filled() {
    let _machine = Machine::new();
    for len in [10, 5000] {
        let filled = MemFdOptions::new().try_create_with("none", len, |_| Err(len));
        assert_eq!(filled.unwrap_err(), TryCreateError::Fill(len));
        let panicked = std::panic::catch_unwind(|| {
            SealedMemFd::create_with("none", len, |_| std::panic::resume_unwind(Box::new(())))
        });
        assert!(panicked.is_err());
    }
}

#[test]
fn a_file_is_copied_from_every_kind_of_source() {
    let machine = Machine::new();
    let text = b"text".repeat(1000);
    let memory = file(&text);
    let regular = take(machine.regular_file(&text));
    for source in [memory.as_fd(), regular.as_fd()] {
        let copy = MemFdOptions::new().copy_from_file("copy", source, 5000);
        assert_eq!(&copy.unwrap().map().unwrap()[..], &text[..]);
        let error = MemFdOptions::new().copy_from_file("copy", source, 3999);
        assert!(matches!(
            error.unwrap_err(),
            CreateError::Verify(VerifyErrorKind::TooLarge { .. })
        ));
    }
    let target = file(b"");
    memory.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(target.copy_from(&memory, u64::MAX), Ok(4000));
    assert_eq!(target.copy_from(&regular, 10), Ok(10));
    assert_eq!(
        target.copy_from(take(machine.pipe(b"piped")), u64::MAX),
        Ok(5)
    );
    assert_eq!(target.len(), Ok(4015));
    // Where the kernel copies nothing, bytes go through a buffer.
    for call in ["copy_file_range", "sendfile", "splice"] {
        machine.fails(call, libc::EINVAL);
    }
    memory.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(target.copy_from(&memory, u64::MAX), Ok(4000));
    assert_eq!(target.copy_from(take(machine.pipe(&text)), 3000), Ok(3000));
    assert_eq!(
        &machine.content(target.as_raw_fd())[4015..][..4000],
        &text[..]
    );
    let copy = MemFdOptions::new().copy_from_file("copy", &memory, 5000);
    assert_eq!(&copy.unwrap().map().unwrap()[..], &text[..]);
    let copy = SealedMemFd::verify_or_copy(regular, 5000).unwrap();
    assert_eq!(&copy.map().unwrap()[..], &text[..]);
}

#[test]
fn a_stream_writes_what_it_is_given() {
    let _machine = Machine::new();
    for room in [0, 1, 5, 64] {
        let mut buffer = vec![0; room];
        let mut writer = MemFdOptions::new().writer("stream", &mut buffer).unwrap();
        let mut expected = Vec::new();
        for piece in [
            &b"a"[..],
            b"",
            b"bcd",
            b"a longer piece than some buffers",
            b"e",
        ] {
            writer.write_all(piece).unwrap();
            expected.extend_from_slice(piece);
        }
        write!(writer, "{} and {:?}", 1, "text").unwrap();
        expected.extend_from_slice(b"1 and \"text\"");
        writer.flush().unwrap();
        assert_eq!(writer.len(), expected.len() as u64);
        let sealed = writer.finish().unwrap();
        assert_eq!(
            &sealed.map().unwrap()[..],
            &expected[..],
            "{room} bytes of buffer"
        );
    }
}

#[test]
fn a_stream_reads_what_there_is() {
    let _machine = Machine::new();
    let content: Vec<u8> = (0..100).collect();
    let sealed = SealedMemFd::copy_from_slice("stream", &content).unwrap();
    for room in [1, 7, 200] {
        let mut buffer = vec![0; room];
        let mut reader = sealed.reader(&mut buffer);
        let mut found = [0; 30];
        reader.read_exact(&mut found).unwrap();
        assert_eq!(&found[..], &content[..30]);
        assert_eq!(reader.fill_buf().unwrap()[0], 30);
        reader.consume(1);
        assert_eq!(reader.seek(SeekFrom::Current(-5)), Ok(26));
        assert_eq!(reader.read(&mut found[..3]).unwrap().min(1), 1);
        assert_eq!(found[0], 26);
        assert_eq!(reader.seek(SeekFrom::End(-1)), Ok(99));
        let error = reader.read_exact(&mut found).unwrap_err();
        assert_eq!(
            error,
            TransferError {
                done: 1,
                cause: TransferCause::EndOfFile
            }
        );
    }
}

#[test]
fn a_file_is_opened_again_in_every_way() {
    let machine = Machine::new();
    let file = file(b"hello");
    let is_reopened = || {
        let again = file.reopen_read_only().unwrap();
        let mut found = [0; 5];
        assert_eq!(again.read(&mut found), Ok(5));
        assert_eq!(&found, b"hello");
        assert_eq!(again.write(b"no").unwrap_err(), Errno::EBADF);
    };
    is_reopened();
    machine.set(|settings| settings.empty_path = false);
    is_reopened();
    machine.set(|settings| settings.proc = false);
    is_reopened();
    machine.fails("open_by_handle_at", libc::EPERM);
    assert_eq!(file.reopen_read_only().unwrap_err(), Errno::EPERM);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    assert_eq!(file.proc_path().to_string(), path);
    assert_eq!(file.proc_path().to_bytes(), path.as_bytes());
}

#[test]
fn a_descriptor_is_duplicated_and_given_away() {
    let _machine = Machine::new();
    let file = file(b"hello");
    let clone = file.try_clone().unwrap();
    assert!(clone.as_raw_fd() >= 3);
    assert_eq!(clone.close_on_exec(), Ok(true));
    // SAFETY: nothing has this number.
    unsafe { file.duplicate_onto(100) }.unwrap();
    // SAFETY: it has just been made for this.
    let onto = unsafe { OwnedMemFd::from_raw_fd(100) };
    assert_eq!(onto.close_on_exec(), Ok(false));
    assert_eq!(onto.len(), Ok(5));
    let number = clone.into_raw_fd();
    drop(take(number));
    let memory = OwnedMemFd::try_from(OwnedFd::from(file)).unwrap();
    assert_eq!(
        BorrowedMemFd::try_from(memory.as_fd()).unwrap().len(),
        Ok(5)
    );
}
