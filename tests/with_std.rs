//! Claims about the feature `std`: errors, I/O traits, conversions.
//!
//! The claims that need no std are in `tests/suite`. They also run with this feature, and so use
//! the common API in both modes.
#![cfg(feature = "std")]

use owned_memfd::{
    CreateError, Errno, MemFdOptions, OwnedMemFd, Seals, TransferError, VerifyErrorKind,
    fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
};
use std::{
    error::Error,
    fs::File,
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt},
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
            errno: None
        }
    );
    assert_eq!(io::Error::from(ended).kind(), ErrorKind::UnexpectedEof);

    file.add_seals(Seals::WRITE)?;
    let refused = file.write_all(b"x").unwrap_err();
    assert_eq!(io::Error::from(refused).raw_os_error(), Some(1));
    Ok(())
}

#[test]
fn a_refused_name_becomes_invalid_input_with_its_cause() {
    let error = MemFdOptions::new().create("a\0b").unwrap_err();
    let error = io::Error::from(error);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "the name has a NUL at byte 1");
}

#[test]
fn the_io_traits_work_on_an_owner_and_on_a_reference() -> Outcome {
    fn round_trip(file: &mut (impl Read + Write + Seek)) -> io::Result<String> {
        file.write_all(b"hello, world")?;
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
fn file_ext_reads_and_writes_by_position() -> Outcome {
    fn by_position(file: &impl FileExt) -> io::Result<[u8; 4]> {
        file.write_all_at(b"data", 10)?;
        let mut content = [0; 4];
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
fn a_child_reads_its_standard_input_from_a_memory_file() -> Outcome {
    let file = memfd()?;
    file.write_all(b"from memory")?;
    file.seek(SeekFrom::Start(0))?;
    let output = Command::new("cat").stdin(Stdio::from(file)).output()?;
    assert_eq!(output.stdout, b"from memory");
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
