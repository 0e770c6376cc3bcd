//! Claims about the feature `std`: errors, I/O traits, conversions.
//!
//! The claims that need no std are in `tests/suite`. They also run with this feature, and so use
//! the common API in both modes.
#![cfg(feature = "std")]

use owned_memfd::{
    AccessError, BorrowedSealedMemFd, CreateError, Errno, MapError, MemFdOptions, Name, OwnedMemFd,
    SealError, SealedMemFd, Seals, TransferCause, TransferError, TryCreateError, VerifyErrorKind,
    exec::ExecError,
    fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    socket::{self, AddressError, ReceiveError, SocketAddr, SocketType},
};
use std::{
    borrow::Cow,
    error::Error,
    ffi::{CString, OsStr},
    fs::File,
    io::{self, BufRead, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

type Outcome = Result<(), Box<dyn Error>>;

fn memfd() -> Result<OwnedMemFd, CreateError> {
    MemFdOptions::new().create("claim")
}

#[test]
fn the_descriptor_types_are_those_of_std() -> Outcome {
    fn takes_std(fd: std::os::fd::OwnedFd) -> std::os::fd::OwnedFd {
        fd
    }
    let file = memfd()?;
    let number = file.as_raw_fd();
    let fd: OwnedFd = takes_std(file.into());
    assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&fd), number);
    Ok(())
}

#[test]
fn every_errno_becomes_the_io_error_with_its_number() {
    for number in 1..=133 {
        let errno = Errno::from_raw_os_error(number);
        assert_eq!(io::Error::from(errno).raw_os_error(), Some(number));
    }
    assert_eq!(io::Error::from(Errno::EINTR).kind(), ErrorKind::Interrupted);
}

#[test]
fn a_stopped_transfer_becomes_the_kernels_reason_or_the_end_of_the_file() -> Outcome {
    let file = memfd()?;
    let ended = file.read_exact_at(&mut [0; 1], 0).unwrap_err();
    assert_eq!(
        ended,
        TransferError {
            done: 0,
            cause: TransferCause::EndOfFile
        }
    );
    assert_eq!(io::Error::from(ended).kind(), ErrorKind::UnexpectedEof);

    file.add_seals(Seals::WRITE)?;
    let refused = file.write_all(b"x").unwrap_err();
    let said = "the file is sealed with F_SEAL_WRITE";
    is_our_own::<TransferError>(refused, ErrorKind::PermissionDenied, said);
    Ok(())
}

#[test]
fn a_refused_name_becomes_invalid_input_with_its_cause() {
    let error = MemFdOptions::new().create("a\0b").unwrap_err();
    let error = io::Error::from(error);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "the name has a NUL at byte 1");
}

/// Every reason of this crate's own for rejecting a file.
const REJECTED: [VerifyErrorKind; 11] = [
    VerifyErrorKind::NotMemFd,
    VerifyErrorKind::NotRegular,
    VerifyErrorKind::CanChange,
    VerifyErrorKind::CanBlock,
    VerifyErrorKind::PathOnly,
    VerifyErrorKind::WriteOnly,
    VerifyErrorKind::MissingSeals(Seals::WRITE),
    VerifyErrorKind::FutureWriteOnly,
    VerifyErrorKind::ForgeableSeals,
    VerifyErrorKind::TooLarge { len: 2, max_len: 1 },
    VerifyErrorKind::WrongLen {
        len: 2,
        required: 1,
    },
];

/// An errno by which no error of the crate's own is known.
const KERNEL: Errno = Errno::EXDEV;

#[track_caller]
fn is_the_kernels(error: impl Into<io::Error>) {
    assert_eq!(error.into().raw_os_error(), Some(KERNEL.raw_os_error()));
}

/// Becomes an error of this kind with this very cause inside, which `T` is the type of.
#[track_caller]
fn is_our_own<T: Error + 'static>(error: impl Into<io::Error>, kind: ErrorKind, said: &str) {
    let error = error.into();
    assert_eq!(error.raw_os_error(), None);
    assert_eq!(error.kind(), kind);
    assert_eq!(error.to_string(), said);
    assert!(
        error
            .get_ref()
            .is_some_and(<dyn Error + Send + Sync>::is::<T>)
    );
}

#[test]
fn the_kernels_errno_keeps_its_number_in_every_error() {
    is_the_kernels(KERNEL);
    is_the_kernels(TransferError {
        done: 1,
        cause: TransferCause::Kernel(KERNEL),
    });
    is_the_kernels(VerifyErrorKind::Kernel(KERNEL));
    is_the_kernels(CreateError::Kernel(KERNEL));
    is_the_kernels(CreateError::Verify(VerifyErrorKind::Kernel(KERNEL)));
    is_the_kernels(MapError::Kernel(KERNEL));
    is_the_kernels(ExecError::Kernel(KERNEL));
    is_the_kernels(ReceiveError::Kernel(KERNEL));
    is_the_kernels(SealError::Kernel(KERNEL));
    is_the_kernels(VerifyErrorKind::ProbeFailed(KERNEL));
    #[cfg(feature = "boot")]
    is_the_kernels(owned_memfd::boot::BootError::Kernel(KERNEL));
}

#[test]
fn an_explanation_has_the_kind_of_the_error_that_it_explains() {
    for (error, number) in [
        (SealError::ReadOnly, 1),
        (SealError::SealingClosed, 1),
        (SealError::MappedOrPinned, 16),
        (SealError::UnknownSeal, 22),
        (SealError::NotMemFd, 22),
    ] {
        let kind = io::Error::from_raw_os_error(number).kind();
        is_our_own::<SealError>(error, kind, &error.to_string());
        if error != SealError::NotMemFd {
            let error = VerifyErrorKind::from(error);
            is_our_own::<VerifyErrorKind>(error, kind, &error.to_string());
        }
    }
}

#[test]
fn an_error_that_gives_a_value_back_becomes_that_of_its_kind() -> Outcome {
    let (here, there) = socket::socket_pair(SocketType::SeqPacket)?;
    let no_memfd = |error: io::Error| {
        let said = VerifyErrorKind::CanBlock.to_string();
        is_our_own::<VerifyErrorKind>(error, ErrorKind::InvalidInput, &said);
    };
    no_memfd(
        SealedMemFd::verify(here.try_clone()?, 1)
            .unwrap_err()
            .into(),
    );
    socket::send(&here, b"x", &[here.as_fd()])?;
    no_memfd(SealedMemFd::receive(&there, 1).unwrap_err().into());

    // It is not sealed, and cannot be read to be copied.
    let file = memfd()?;
    let unreadable = || -> io::Result<_> {
        let path = file.proc_path().to_string();
        let file = File::options().write(true).open(path)?;
        Ok(SealedMemFd::verify_or_copy(file.into(), 1).unwrap_err())
    };
    let said = VerifyErrorKind::WriteOnly.to_string();
    is_our_own::<VerifyErrorKind>(unreadable()?, ErrorKind::InvalidInput, &said);
    let received = ReceiveError::Verify(unreadable()?);
    is_our_own::<VerifyErrorKind>(received, ErrorKind::InvalidInput, &said);
    Ok(())
}

#[test]
fn every_error_of_the_crates_own_has_a_kind_and_is_inside() {
    for kind in REJECTED {
        let said = kind.to_string();
        is_our_own::<VerifyErrorKind>(kind, ErrorKind::InvalidInput, &said);
        let nested = CreateError::Verify(kind);
        is_our_own::<VerifyErrorKind>(nested, ErrorKind::InvalidInput, &said);
        let nested = MapError::Verify(kind);
        is_our_own::<VerifyErrorKind>(nested, ErrorKind::InvalidInput, &said);
    }
    for error in [
        CreateError::NameHasNul { at: 1 },
        CreateError::NameTooLong { len: 250 },
        CreateError::TooLong { len: usize::MAX },
        CreateError::PartialHugePage {
            len: 1,
            page_size: 2,
        },
        CreateError::WriteOnHugePages,
    ] {
        is_our_own::<CreateError>(error, ErrorKind::InvalidInput, &error.to_string());
    }
    let error = CreateError::NoHugePages { len: 1 };
    is_our_own::<CreateError>(error, ErrorKind::StorageFull, &error.to_string());
    let failed = TryCreateError::Fill(error);
    is_our_own::<CreateError>(failed, ErrorKind::StorageFull, &error.to_string());
    is_the_kernels(TryCreateError::<Errno>::Create(KERNEL.into()));
    is_the_kernels(TryCreateError::Fill(KERNEL));
    let error = MapError::OutOfBounds { bound: 2, len: 1 };
    is_our_own::<MapError>(error, ErrorKind::InvalidInput, &error.to_string());
    let error = AccessError::OutOfBounds { len: 1 };
    is_our_own::<AccessError>(error, ErrorKind::InvalidInput, &error.to_string());
    let error = AddressError::Empty;
    is_our_own::<AddressError>(error, ErrorKind::InvalidInput, &error.to_string());
    let ended = TransferError {
        done: 1,
        cause: TransferCause::EndOfFile,
    };
    is_our_own::<TransferError>(ended, ErrorKind::UnexpectedEof, &ended.to_string());
    for error in [
        ExecError::NotExecutable,
        ExecError::ExecutableFileBusy,
        ExecError::InvalidExecutable,
        ExecError::ScriptCloseOnExec,
        ExecError::NoInterpreter,
        ExecError::NoDevFd,
        ExecError::HugePages,
        ExecError::UnprovenLength,
    ] {
        let kind = io::Error::from(Errno::from(error)).kind();
        is_our_own::<ExecError>(error, kind, &error.to_string());
    }
    #[cfg(feature = "boot")]
    {
        let error = owned_memfd::boot::BootError::UnprovenLength;
        is_our_own::<owned_memfd::boot::BootError>(
            error,
            ErrorKind::FileTooLarge,
            &error.to_string(),
        );
    }
    for (error, kind) in [
        (ReceiveError::Closed, ErrorKind::UnexpectedEof),
        (ReceiveError::TimedOut, ErrorKind::TimedOut),
        (ReceiveError::NoDescriptor, ErrorKind::InvalidData),
        (ReceiveError::TooManyDescriptors, ErrorKind::InvalidData),
        (ReceiveError::ControlTruncated, ErrorKind::InvalidData),
        (ReceiveError::DataTruncated, ErrorKind::InvalidData),
    ] {
        let said = error.to_string();
        is_our_own::<ReceiveError>(error, kind, &said);
    }
}

#[test]
fn the_io_traits_work_on_an_owner_and_on_a_reference() -> Outcome {
    fn round_trip(file: &mut (impl Read + Write + Seek)) -> io::Result<String> {
        assert_eq!(file.write(b"hello, world")?, 12);
        file.seek(SeekFrom::Start(10))?;
        let mut bytes = [0; 5];
        assert_eq!(file.read(&mut bytes)?, 2);
        assert_eq!(&bytes[..2], b"ld");
        file.seek(SeekFrom::Start(7))?;
        file.write_all(b"there")?;
        file.flush()?;
        file.rewind()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }
    let mut file = memfd()?;
    assert_eq!(round_trip(&mut &file)?, "hello, there");
    file.set_len(0)?;
    Seek::rewind(&mut file)?;
    assert_eq!(round_trip(&mut file)?, "hello, there");
    Ok(())
}

#[test]
fn several_buffers_are_read_and_written_in_one_call() -> Outcome {
    fn by_several(file: &mut (impl Read + Write + Seek)) -> Outcome {
        let pieces = [b"hello".as_slice(), b"", b", world"].map(IoSlice::new);
        assert_eq!(file.write_vectored(&pieces)?, 12);
        file.rewind()?;
        let (mut one, mut other) = ([0; 5], [0; 100]);
        let mut rooms = [&mut one[..], &mut other[..]].map(IoSliceMut::new);
        assert_eq!(file.read_vectored(&mut rooms)?, 12);
        assert_eq!((&one, &other[..7]), (b"hello", b", world".as_slice()));
        assert_eq!(file.stream_position()?, 12);
        Ok(())
    }
    let mut file = memfd()?;
    by_several(&mut &file)?;
    Seek::rewind(&mut file)?;
    by_several(&mut file)?;
    file.add_seals(Seals::WRITE)?;
    let refused = file.write_vectored(&[IoSlice::new(b"x")]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    // Nothing of this closes the file.
    assert_eq!(file.len()?, 12);
    Ok(())
}

#[test]
fn a_whole_file_is_read_into_room_for_it() -> Outcome {
    const LEN: usize = (1 << 20) + 1;

    fn whole(file: &mut (impl Read + Seek)) -> Outcome {
        file.rewind()?;
        let mut bytes = Vec::new();
        assert_eq!(file.read_to_end(&mut bytes)?, LEN);
        assert!(bytes.iter().all(|byte| *byte == b'x'));
        // Doubling would have ended here.
        assert!(bytes.capacity() < 2 << 20, "{}", bytes.capacity());
        file.seek(SeekFrom::End(-2))?;
        let mut text = String::from("the end: ");
        assert_eq!(file.read_to_string(&mut text)?, 2);
        assert_eq!(text, "the end: xx");
        Ok(())
    }
    let mut file = memfd()?;
    file.write_all(&vec![b'x'; LEN])?;
    whole(&mut &file)?;
    whole(&mut file)
}

#[test]
fn file_ext_reads_what_was_proven_and_writes_nothing() -> Outcome {
    fn at(file: &impl FileExt, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 10];
        let count = file.read_at(&mut bytes, offset)?;
        bytes.truncate(count);
        Ok(bytes)
    }
    let file = memfd()?;
    file.write_all(b"0123")?;
    file.add_seals(Seals::WRITE | Seals::SHRINK)?;
    let sealed = SealedMemFd::try_from(file.try_clone()?)?;
    // What it becomes longer by was not proven.
    file.set_len(100)?;
    assert_eq!(at(&sealed, 0)?, b"0123");
    assert_eq!(at(&sealed, 3)?, b"3");
    for offset in [4, 5, 99, u64::MAX] {
        assert_eq!(at(&sealed, offset)?, b"");
    }
    let ended = FileExt::read_exact_at(&sealed, &mut [0; 5], 0).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::UnexpectedEof);
    for offset in [0, 3, 50, 1000] {
        let refused = FileExt::write_at(&sealed, b"x", offset).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(1), "{offset}");
    }
    assert_eq!((&file).stream_position()?, 4, "the offset stays");
    Ok(())
}

#[test]
fn the_io_traits_report_a_seals_refusal() -> Outcome {
    let mut file = memfd()?;
    file.add_seals(Seals::WRITE)?;
    let refused = Write::write(&mut file, b"x").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    let refused = FileExt::write_at(&file, b"x", 0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    Ok(())
}

#[test]
fn the_io_traits_say_why_a_file_cannot_be_written() -> Outcome {
    let sealed = "the file is sealed with F_SEAL_WRITE";
    let says = |error: io::Error, kind, said: &str| is_our_own::<TransferError>(error, kind, said);
    let mut file = memfd()?;
    file.write_all_at(b"content", 0)?;
    let mut reader = file.reopen_read_only()?;
    file.add_seals(Seals::WRITE)?;
    let errors = [
        Write::write_all(&mut &file, b"x"),
        Write::write_all(&mut file, b"x"),
        FileExt::write_all_at(&file, b"x", 0),
    ];
    for error in errors {
        says(error.unwrap_err(), ErrorKind::PermissionDenied, sealed);
    }
    // This one lacks more than the seal's permission.
    let expected = io::Error::from(reader.write_all(b"x").unwrap_err());
    let (kind, said) = (expected.kind(), expected.to_string());
    says(expected, kind, &said);
    says(
        Write::write_all(&mut reader, b"x").unwrap_err(),
        kind,
        &said,
    );
    let ended = FileExt::read_exact_at(&file, &mut [0; 8], 0).unwrap_err();
    let said = io::Error::from(file.read_exact_at(&mut [0; 8], 0).unwrap_err()).to_string();
    says(ended, ErrorKind::UnexpectedEof, &said);
    let file = SealedMemFd::copy_from_slice("claim", b"content")?;
    let refused = FileExt::write_all_at(&file, b"x", 0).unwrap_err();
    says(refused, ErrorKind::PermissionDenied, sealed);
    Ok(())
}

#[test]
fn a_value_that_cannot_be_formatted_is_an_error_of_the_writer() -> Outcome {
    struct Fails;

    impl std::fmt::Display for Fails {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }

    fn through_the_trait(writer: &mut impl Write) -> io::Error {
        write!(writer, "text {Fails}").unwrap_err()
    }

    let mut buffer = [0; 100];
    let mut writer = MemFdOptions::new().writer("claim", &mut buffer)?;
    assert_eq!(through_the_trait(&mut writer).raw_os_error(), Some(22));
    // It is not final.
    assert_eq!(*writer.finish()?.map()?, *b"text ");
    Ok(())
}

#[test]
fn file_ext_reads_and_writes_by_position() -> Outcome {
    fn by_position(file: &impl FileExt) -> io::Result<[u8; 4]> {
        file.write_all_at(b"data", 10)?;
        let mut content = [0; 4];
        assert_eq!(file.read_at(&mut content, 12)?, 2);
        assert_eq!(&content[..2], b"ta");
        file.read_exact_at(&mut content, 10)?;
        Ok(content)
    }
    let mut file = memfd()?;
    assert_eq!(&by_position(&file)?, b"data");
    assert_eq!(file.stream_position()?, 0, "the offset stays");
    Ok(())
}

#[test]
fn conversions_to_and_from_std_keep_the_descriptor() -> Outcome {
    let file = memfd()?;
    file.write_all(b"content")?;
    let number = file.as_raw_fd();

    let mut std_file = File::from(file);
    assert_eq!(std_file.as_raw_fd(), number);
    let mut text = String::new();
    std_file.rewind()?;
    std_file.read_to_string(&mut text)?;
    assert_eq!(text, "content");

    let file = OwnedMemFd::try_from(std_file)?;
    assert_eq!(file.as_raw_fd(), number);
    let file = OwnedMemFd::try_from(OwnedFd::from(file))?;
    assert_eq!(file.as_raw_fd(), number);

    let raw = file.into_raw_fd();
    // SAFETY: `into_raw_fd` has just given the descriptor up.
    let file = unsafe { OwnedMemFd::from_raw_fd(raw) };
    assert_eq!(file.as_raw_fd(), number);
    assert_eq!(file.len()?, 7);
    Ok(())
}

#[test]
fn a_file_that_is_no_memory_file_is_handed_back_open() -> Outcome {
    let directory = File::open("/")?;
    let (number, inode) = (directory.as_raw_fd(), directory.metadata()?.ino());
    let refused = OwnedMemFd::try_from(directory).unwrap_err();
    assert_eq!(refused.kind(), VerifyErrorKind::NotMemFd);
    assert_eq!(refused.get_ref().as_raw_fd(), number);
    assert_eq!(refused.into_inner().metadata()?.ino(), inode);

    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    let number = stdout.as_raw_fd();
    let refused = OwnedMemFd::try_from(stdout).unwrap_err();
    assert_eq!(refused.get_ref().as_raw_fd(), number);
    Ok(())
}

#[test]
fn every_string_of_std_is_a_name() -> Outcome {
    fn shows_as(name: impl Name, expected: &[u8]) -> Outcome {
        let file = MemFdOptions::new().create(name)?;
        let link = std::fs::read_link(file.proc_path())?;
        let expected = [b"/memfd:", expected, b" (deleted)"].concat();
        assert_eq!(link.as_os_str().as_bytes(), expected);
        Ok(())
    }
    let text = String::from("text");
    shows_as(&text, b"text")?;
    shows_as(&CString::new("text")?, b"text")?;
    let odd = OsStr::from_bytes(b"\xff odd");
    shows_as(odd, b"\xff odd")?;
    shows_as(&odd.to_os_string(), b"\xff odd")?;
    shows_as(Path::new("a/b"), b"a/b")?;
    shows_as(&PathBuf::from("a/b"), b"a/b")?;
    shows_as(&b"bytes".to_vec(), b"bytes")?;
    shows_as(&Cow::Borrowed("lent"), b"lent")?;
    shows_as(&Cow::<str>::Owned(text.clone()), b"text")?;
    shows_as(&Box::<str>::from("boxed"), b"boxed")?;
    let error = MemFdOptions::new().create(Path::new("a\0b")).unwrap_err();
    assert_eq!(error, CreateError::NameHasNul { at: 1 });
    let error = MemFdOptions::new().create(&"n".repeat(250)).unwrap_err();
    assert_eq!(error, CreateError::NameTooLong { len: 250 });
    Ok(())
}

#[test]
fn every_string_is_an_address() -> Outcome {
    let path = "/run/socket";
    let expected = SocketAddr::from_pathname(path)?;
    for address in [
        SocketAddr::from_pathname(c"/run/socket"),
        SocketAddr::from_pathname(b"/run/socket"),
        SocketAddr::from_pathname(path.as_bytes()),
        SocketAddr::from_pathname(Path::new(path)),
        SocketAddr::from_pathname(&PathBuf::from(path)),
        SocketAddr::from_pathname(OsStr::new(path)),
        SocketAddr::from_pathname(&CString::new(path)?),
        SocketAddr::from_pathname(&String::from(path)),
    ] {
        assert_eq!(address, Ok(expected));
    }
    let name = SocketAddr::from_abstract_name(&CString::new("name")?)?.to_string();
    assert_eq!(name, "@name");
    assert_eq!(
        SocketAddr::from_pathname(Path::new("a\0b")),
        Err(AddressError::HasNul { at: 1 })
    );
    Ok(())
}

#[test]
fn the_path_of_a_descriptor_is_taken_for_a_path() -> Outcome {
    let file = memfd()?;
    file.write_all(b"from memory")?;
    let path = file.proc_path();
    assert_eq!(std::fs::read(path)?, b"from memory");
    assert_eq!(AsRef::<OsStr>::as_ref(&path), &*path.to_string());
    assert_eq!(AsRef::<Path>::as_ref(&path), Path::new(&path.to_string()));
    Ok(())
}

#[test]
fn a_child_reads_its_standard_input_from_a_memory_file() -> Outcome {
    let file = memfd()?;
    file.write_all(b"from memory")?;
    file.seek(SeekFrom::Start(0))?;
    let output = Command::new("cat").stdin(Stdio::from(file)).output()?;
    assert_eq!(output.stdout, b"from memory");
    Ok(())
}

/// A number near the limit: no other test has it, unless it asks for the same `place`.
fn high_number(place: i32) -> Result<RawFd, Box<dyn Error>> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Ok(RawFd::try_from(limit.unwrap_or(1024).min(1024))? - place)
}

/// A file with this content, and no descriptor's offset but its own.
fn file_of(content: &[u8]) -> Result<OwnedMemFd, Box<dyn Error>> {
    let file = memfd()?;
    file.write_all_at(content, 0)?;
    Ok(file)
}

#[test]
fn children_get_several_files_under_the_numbers_that_are_returned() -> Outcome {
    let mut command = Command::new("cat");
    for content in ["one, ", "two, ", "three"] {
        let file = file_of(content.as_bytes())?;
        let number = file.pass_to(&mut command)?;
        assert!(number >= 3 && number != file.as_raw_fd(), "{number}");
        command.arg(format!("/proc/self/fd/{number}"));
        // The command has a descriptor of its own.
        file.close()?;
    }
    for _ in 0..2 {
        assert_eq!(command.output()?.stdout, b"one, two, three");
    }
    Ok(())
}

#[test]
fn a_sealed_file_is_passed_and_named_as_an_open_one_is() -> Outcome {
    let file = SealedMemFd::copy_from_slice("claim", b"sealed")?;
    let lent = BorrowedSealedMemFd::from(&file);
    let mut command = Command::new("cat");
    let numbers = [file.pass_to(&mut command)?, high_number(4)?];
    lent.pass_to_as(&mut command, numbers[1])?;
    command.args(numbers.map(|number| format!("/proc/self/fd/{number}")));
    assert_eq!(command.output()?.stdout, b"sealedsealed");
    assert_eq!(std::fs::read(file.proc_path())?, b"sealed");
    Ok(())
}

#[test]
fn a_file_that_is_passed_to_one_child_reaches_no_other() -> Outcome {
    let file = file_of(b"for one")?;
    let mut command = Command::new("test");
    let number = file.pass_to(&mut command)?;
    let path = format!("/proc/self/fd/{number}");
    command.args(["-e", &path]);
    assert!(command.status()?.success());
    // While the command has it, and after its child has got it.
    let status = Command::new("test").args(["-e", &path]).status()?;
    assert!(!status.success(), "{path}");
    assert_eq!(file.close_on_exec(), Ok(true));
    Ok(())
}

#[test]
fn a_child_gets_a_file_under_exactly_the_number_that_is_asked_for() -> Outcome {
    let number = high_number(1)?;
    let file = file_of(b"by number")?;
    let mut command = Command::new("cat");
    file.pass_to_as(&mut command, number)?;
    command.arg(format!("/proc/self/fd/{number}"));
    let output = command.output()?;
    assert_eq!(output.stdout, b"by number");

    // It is reserved as long as the command lives, and not longer.
    let mut other = Command::new("cat");
    let refused = file.pass_to_as(&mut other, number).unwrap_err();
    let expected = [Errno::EBUSY, Errno::EMFILE].map(|errno| Some(errno.raw_os_error()));
    assert!(expected.contains(&refused.raw_os_error()), "{refused}");
    drop(command);
    file.pass_to_as(&mut other, number)?;
    Ok(())
}

#[test]
fn a_number_that_cannot_be_reserved_is_refused_and_opens_nothing() -> Outcome {
    fn refused(file: &OwnedMemFd, number: RawFd) -> Option<i32> {
        let refused = file.pass_to_as(&mut Command::new("true"), number);
        refused.unwrap_err().raw_os_error()
    }
    let file = memfd()?;
    let invalid = Some(Errno::EINVAL.raw_os_error());
    for number in [i32::MIN, -1, 0, 1, 2, i32::MAX] {
        assert_eq!(refused(&file, number), invalid, "{number}");
    }
    let busy = Some(Errno::EBUSY.raw_os_error());
    assert_eq!(refused(&file, file.as_raw_fd()), busy);
    // What it was duplicated to instead is closed again.
    let (first, next) = (high_number(3)?, high_number(2)?);
    let mut command = Command::new("true");
    file.pass_to_as(&mut command, first)?;
    for _ in 0..2 {
        assert_eq!(refused(&file, first), busy);
        file.pass_to_as(&mut Command::new("true"), next)?;
    }
    Ok(())
}

#[test]
fn a_program_that_does_not_exist_is_an_error_and_leaves_what_was_passed_alone() -> Outcome {
    let mut tried = 0;
    // One of these is the number that std's pipe would get.
    for offset in (0..6).cycle().take(60) {
        let file = memfd()?;
        let lowest = file.try_clone()?;
        let number = lowest.as_raw_fd() + offset;
        drop(lowest);
        let mut command = Command::new("/nowhere/program");
        // Another test may just have it.
        if file.pass_to_as(&mut command, number).is_ok() {
            let missing = command.spawn().map(drop).unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            assert_eq!(file.len(), Ok(0), "{offset}");
            tried += 1;
        }
    }
    assert!(tried > 0, "no number stays free");
    Ok(())
}

/// The files that each way of making one makes with this content, by name.
fn made_in_every_way(content: &[u8]) -> Result<Vec<(&'static str, SealedMemFd)>, Box<dyn Error>> {
    let options = MemFdOptions::new();
    let mut room = [0; 1000];
    let mut writer = options.writer("claim", &mut room)?;
    writer.write_all(content)?;
    let unsealed = memfd()?;
    unsealed.write_all(content)?;
    Ok(vec![
        (
            "copy_from_slice",
            options.copy_from_slice("claim", content)?,
        ),
        (
            "create_with",
            options.create_with("claim", content.len(), |bytes| {
                bytes.copy_from_slice(content);
            })?,
        ),
        ("writer", writer.finish()?),
        (
            "verify_or_copy",
            SealedMemFd::verify_or_copy(unsealed.try_clone()?.into(), usize::MAX)?,
        ),
        (
            "copy_from_file",
            options.copy_from_file("claim", &unsealed, usize::MAX)?,
        ),
    ])
}

#[test]
fn a_child_reads_all_of_a_sealed_file() -> Outcome {
    let reads = |stdin: Stdio| Command::new("cat").stdin(stdin).output();
    for len in [5, 100_000, (3 << 20) + 5] {
        let content: Vec<u8> = (0..=250).cycle().take(len).collect();
        // As it is.
        for (way, sealed) in made_in_every_way(&content)? {
            let output = reads(OwnedFd::from(sealed).into())?;
            assert!(output.stdout == content, "{way}, {len} bytes");
        }
        for (way, sealed) in made_in_every_way(&content)? {
            let output = reads(sealed.into())?;
            assert!(output.stdout == content, "{way}, {len} bytes");
        }
        // What moved the offset before: its owner, or the one that it came from.
        let written = memfd()?;
        Write::write_all(&mut &written, &content)?;
        assert!(reads(written.seal()?.into())?.stdout == content);
        let source = memfd()?;
        source.write_all_at(&content, 0)?;
        let copied = memfd()?;
        copied.copy_from(&source, u64::MAX)?;
        assert!(reads(copied.seal()?.into())?.stdout == content);
        let received = source.seal()?;
        assert_eq!(received.as_memfd().stream_position()?, len as u64);
        let received = SealedMemFd::verify(received.into(), usize::MAX)?;
        assert!(reads(received.into())?.stdout == content);
    }
    Ok(())
}

#[test]
fn conversions_of_a_sealed_file_keep_the_descriptor() -> Outcome {
    let sealed = SealedMemFd::copy_from_slice("claim", b"content")?;
    let number = sealed.as_raw_fd();
    let mut file = File::from(sealed);
    assert_eq!(file.as_raw_fd(), number);
    assert_eq!(io::read_to_string(&mut file)?, "content");
    let sealed = SealedMemFd::try_from(file)?;
    assert_eq!(sealed.as_raw_fd(), number);
    assert_eq!(&sealed.map()?[..], b"content");
    let directory = File::open("/")?;
    let number = directory.as_raw_fd();
    let refused = SealedMemFd::try_from(directory).unwrap_err();
    assert_eq!(refused.kind(), VerifyErrorKind::NotRegular);
    assert_eq!(refused.into_inner().as_raw_fd(), number);
    Ok(())
}

#[test]
fn another_process_reads_through_a_descriptor_with_its_own_offset() -> Outcome {
    let mut file = memfd()?;
    Write::write_all(&mut file, b"written before, ")?;
    let reader = file.reopen_read_only()?;
    Write::write_all(&mut file, b"written after")?;
    let output = Command::new("cat").stdin(Stdio::from(reader)).output()?;
    assert_eq!(output.stdout, b"written before, written after");
    assert_eq!(file.stream_position()?, 29, "our offset stays");
    Ok(())
}

#[test]
fn close_on_exec_decides_what_a_started_program_inherits() -> Outcome {
    let closed = memfd()?;
    let inherited = MemFdOptions::new().close_on_exec(false).create("claim")?;
    for (file, expected) in [(&inherited, true), (&closed, false)] {
        let path = file.proc_path().to_string();
        let status = Command::new("test").args(["-e", &path]).status()?;
        assert_eq!(status.success(), expected, "{path}");
    }
    Ok(())
}

/// A hundred lines, by the traits of std alone.
fn lines(buffer: &mut [u8]) -> Result<SealedMemFd, Box<dyn Error>> {
    let mut writer = MemFdOptions::new().writer("claim", buffer)?;
    for line in 0..100 {
        Write::write_fmt(&mut writer, format_args!("line {line}"))?;
        // The trait is in scope, and not meant.
        let cause: Result<(), Errno> = writeln!(writer);
        cause?;
    }
    Write::flush(&mut writer)?;
    Ok(writer.finish()?)
}

#[test]
fn a_writer_and_a_reader_have_the_traits_of_std() -> Outcome {
    let text = (0..100).fold(String::new(), |text, line| format!("{text}line {line}\n"));
    for size in [0, 1, 7, 100, 10_000] {
        let mut buffer = vec![0; size];
        let sealed = lines(&mut buffer)?;
        assert_eq!(*sealed.map()?, *text.as_bytes());
        let mut all = String::new();
        sealed.reader(&mut buffer).read_to_string(&mut all)?;
        assert_eq!(all, text);
        let mut reader = sealed.reader(&mut buffer);
        if size == 0 {
            let refused = BufRead::fill_buf(&mut reader).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(22));
            continue;
        }
        for (line, expected) in reader.by_ref().lines().zip(text.lines()) {
            assert_eq!(line?, expected);
        }
        assert_eq!(reader.stream_position()?, text.len() as u64);
        assert_eq!(
            Seek::seek(&mut reader, SeekFrom::End(-3))?,
            text.len() as u64 - 3
        );
        let mut end = [0; 3];
        Read::read_exact(&mut reader, &mut end)?;
        assert_eq!(&end, b"99\n");
        let ended = Read::read_exact(&mut reader, &mut end).unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::UnexpectedEof);
        // From one file into another.
        reader.rewind()?;
        let mut room = vec![0; size];
        let mut writer = MemFdOptions::new().writer("copy", &mut room)?;
        assert_eq!(io::copy(&mut reader, &mut writer)?, text.len() as u64);
        // All of it, however small the buffer is.
        assert_eq!(writer.write(b"the end")?, 7);
        assert_eq!(
            *writer.finish()?.map()?,
            *format!("{text}the end").as_bytes()
        );
    }
    Ok(())
}
