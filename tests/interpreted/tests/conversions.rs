//! The traits and types of std and of other crates, as far as they enter the kernel through this
//! crate.
#![cfg(miri)]

use interpreted::Machine;
use owned_memfd::{Errno, MemFdOptions, SealedMemFd};

fn sealed() -> SealedMemFd {
    SealedMemFd::copy_from_slice("content", b"hello").unwrap()
}

#[test]
fn embedded_io_reads_writes_and_seeks() {
    use embedded_io::{BufRead, Read, Seek, SeekFrom, Write};

    let _machine = Machine::new();
    let file = MemFdOptions::new().create("embedded").unwrap();
    let mut found = [0; 8];
    Write::write_all(&mut &file, b"hello").unwrap();
    assert_eq!(Seek::seek(&mut &file, SeekFrom::End(-4)), Ok(1));
    assert_eq!(Read::read(&mut &file, &mut found), Ok(4));
    let (mut buffer, sealed) = ([0; 3], sealed());
    let mut reader = sealed.reader(&mut buffer);
    assert_eq!(BufRead::fill_buf(&mut reader).unwrap(), b"hel");
    BufRead::consume(&mut reader, 1);
    assert_eq!(Seek::seek(&mut reader, SeekFrom::Current(2)), Ok(3));
    Read::read_exact(&mut reader, &mut found[..2]).unwrap();
    assert_eq!(&found[..2], b"lo");
    let mut writer = MemFdOptions::new().writer("embedded", &mut buffer).unwrap();
    Write::write_all(&mut writer, b"hello").unwrap();
    assert_eq!(writer.finish().unwrap().len(), 5);
}

#[test]
fn error_numbers_are_those_of_rustix() {
    assert_eq!(
        rustix::io::Errno::from(Errno::EPERM),
        rustix::io::Errno::PERM
    );
    assert_eq!(Errno::from(rustix::io::Errno::PERM), Errno::EPERM);
    for number in [0, -1, 4096, i32::MIN, i32::MAX] {
        let errno = Errno::from_raw_os_error(number);
        assert_eq!(rustix::io::Errno::from(errno), rustix::io::Errno::INVAL);
    }
}

#[cfg(not(feature = "std"))]
#[test]
fn descriptors_go_to_rustix_and_back() {
    use owned_memfd::{BorrowedMemFd, BorrowedSealedMemFd, OwnedMemFd, fd::AsFd};
    use rustix::fd as theirs;

    let _machine = Machine::new();
    let sealed = sealed();
    let lent: theirs::BorrowedFd<'_> = sealed.as_fd().into();
    assert_eq!(BorrowedSealedMemFd::try_from(lent).unwrap().len(), 5);
    assert_eq!(BorrowedMemFd::try_from(lent).unwrap().len(), Ok(5));
    assert_eq!(
        theirs::AsRawFd::as_raw_fd(&theirs::AsFd::as_fd(&sealed)),
        theirs::AsRawFd::as_raw_fd(&lent)
    );
    let given: theirs::OwnedFd = sealed.into();
    assert_eq!(BorrowedSealedMemFd::verify(&given, 5).unwrap().len(), 5);
    let memory = OwnedMemFd::try_from(given).unwrap();
    let given: theirs::OwnedFd = memory.into();
    let sealed = SealedMemFd::try_from(given).unwrap();
    assert_eq!(&sealed.map().unwrap()[..], b"hello");
    // It closes itself.
    let _given: theirs::OwnedFd = sealed.into();
}

#[cfg(feature = "std")]
mod with_std {
    use super::*;
    use owned_memfd::{
        OwnedMemFd,
        exec::{Args, ExecError, OwnedArgs},
    };
    use std::{
        borrow::Cow,
        ffi::{CString, OsStr},
        fs::File,
        io::{BufRead, Read, Seek, SeekFrom, Write},
        os::unix::fs::FileExt,
        path::Path,
    };

    #[test]
    fn std_reads_writes_and_seeks() {
        let _machine = Machine::new();
        let file = MemFdOptions::new().create("std").unwrap();
        let mut found = [0; 8];
        Write::write_all(&mut &file, b"hello").unwrap();
        assert_eq!(Seek::seek(&mut &file, SeekFrom::Start(1)).unwrap(), 1);
        assert_eq!(Read::read(&mut &file, &mut found).unwrap(), 4);
        FileExt::write_all_at(&file, b"J", 0).unwrap();
        FileExt::read_exact_at(&file, &mut found[..5], 0).unwrap();
        assert_eq!(&found[..5], b"Jello");
        let sealed = file.seal().unwrap();
        assert_eq!(FileExt::read_at(&sealed, &mut found, u64::MAX).unwrap(), 0);
        let mut buffer = [0; 3];
        let mut reader = sealed.reader(&mut buffer);
        let mut line = Vec::new();
        assert_eq!(reader.read_until(b'o', &mut line).unwrap(), 5);
        assert_eq!(line, b"Jello");
        reader.rewind().unwrap();
        line.clear();
        assert_eq!(reader.read_to_end(&mut line).unwrap(), 5);
        let mut writer = MemFdOptions::new().writer("std", &mut buffer).unwrap();
        std::io::copy(&mut &b"copied"[..], &mut writer).unwrap();
        assert_eq!(&writer.finish().unwrap().map().unwrap()[..], b"copied");
    }

    #[test]
    fn a_file_of_std_is_taken_and_given() {
        let _machine = Machine::new();
        let file = File::from(sealed());
        let sealed = SealedMemFd::try_from(file).unwrap();
        let file = File::from(sealed.into_memfd());
        let memory = OwnedMemFd::try_from(file).unwrap();
        assert_eq!(memory.len().unwrap(), 5);
    }

    #[test]
    fn every_string_is_a_name() {
        let _machine = Machine::new();
        let options = MemFdOptions::new();
        options.create(&String::from("name")).unwrap();
        options.create(&CString::from(c"name")).unwrap();
        options.create(OsStr::new("name")).unwrap();
        options.create(Path::new("name")).unwrap();
        options.create(&Vec::from("name")).unwrap();
        options.create(&Cow::from("name")).unwrap();
    }

    #[test]
    fn arguments_own_their_strings() {
        let machine = Machine::new();
        let made = OwnedArgs::new(["ls", "-l", ""]).unwrap();
        let clone = made.clone();
        drop(made);
        let env: OwnedArgs = [c"A=1".to_owned()].into_iter().collect();
        let options = MemFdOptions::new().executable(true);
        let program = options.copy_from_slice("program", b"text").unwrap();
        let error = program.exec(clone.as_args(), env.as_args());
        assert_eq!(error, Err(ExecError::InvalidExecutable));
        let [args, env] = machine.executed().unwrap();
        assert_eq!(args, [c"ls", c"-l", c""].map(CString::from));
        assert_eq!(env, [CString::from(c"A=1")]);
        assert_eq!(format!("{clone:?}"), r#"["ls", "-l", ""]"#);
        assert!(OwnedArgs::new(["kept", "a\0b"]).is_err());
        let (own, environment) = (OwnedArgs::current(), OwnedArgs::environment());
        let error = program.exec(own.as_args(), environment.as_args());
        assert_eq!(error, Err(ExecError::InvalidExecutable));
        assert!(program.exec(Args::EMPTY, Args::EMPTY).is_err());
    }
}
