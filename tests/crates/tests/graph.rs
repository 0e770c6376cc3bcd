//! Each test uses another crate with a memory file, as its own documentation says.

use owned_memfd::{
    BorrowedMemFd, CopyMap, Errno, MemFdOptions, OwnedMemFd, SealedMap, SealedMemFd, Seals,
};
use std::{
    error::Error,
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::fd::{AsFd, AsRawFd},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

type Outcome = Result<(), Box<dyn Error>>;

fn sealed(content: &[u8]) -> Result<SealedMemFd, Box<dyn Error>> {
    Ok(SealedMemFd::copy_from_slice("crates", content)?)
}

#[test]
fn object_parses_a_program_in_a_sealed_map() -> Outcome {
    use object::{Object, ObjectSection, ObjectSymbol};

    let program = std::fs::read("/proc/self/exe")?;
    let map = sealed(&program)?.map()?;
    let parsed = object::File::parse(&map[..])?;
    assert!(parsed.is_64() && parsed.is_little_endian());
    assert_eq!(parsed.format(), object::BinaryFormat::Elf);
    let text = parsed.section_by_name(".text").ok_or("no code")?;
    let range = text.address()..text.address() + text.size();
    let main = parsed.symbols().find(|symbol| symbol.name() == Ok("main"));
    assert!(range.contains(&main.ok_or("no main")?.address()));
    // What it lends is the map itself.
    let code = text.data()?;
    assert!(map.as_ptr_range().contains(&code.as_ptr()));
    assert!(object::File::parse(&map[..9]).is_err());
    Ok(())
}

#[test]
fn zerocopy_sees_a_header_and_records() -> Outcome {
    use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, little_endian::U32};

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy)]
    #[repr(C)]
    struct Record {
        key: U32,
        value: [u8; 4],
    }

    #[derive(FromBytes, Immutable, KnownLayout)]
    #[repr(C)]
    struct Table {
        magic: [u8; 4],
        count: U32,
        records: [Record],
    }

    let records = [1_u32, 2, 3].map(|key| Record {
        key: key.into(),
        value: *b"four",
    });
    let mut content = b"recs\x03\0\0\0".to_vec();
    content.extend_from_slice(records.as_bytes());
    let map = sealed(&content)?.map()?;
    let table = Table::ref_from_bytes(&map).map_err(|error| error.to_string())?;
    assert_eq!(&table.magic, b"recs");
    assert_eq!(table.count.get() as usize, table.records.len());
    assert_eq!(table.records[2].key, 3);
    assert!(Table::ref_from_bytes(&map[..5]).is_err());

    // In place.
    let mut copy = sealed(&content)?.map_copy()?;
    let (_, bytes) = copy.split_at_mut(8);
    let first = Record::mut_from_bytes(&mut bytes[..8]).map_err(|error| error.to_string())?;
    first.key.set(9);
    assert_eq!(copy[8], 9);
    let built = MemFdOptions::new().create_with("crates", content.len(), |bytes| {
        bytes.copy_from_slice(&content);
        let (head, _) = Record::mut_from_prefix(bytes).unwrap_or_else(|_| unreachable!());
        head.key.set(7);
    })?;
    assert_eq!(built.map()?[0], 7);
    Ok(())
}

#[test]
fn bytemuck_casts_what_is_mapped() -> Outcome {
    let numbers: Vec<u64> = (0..1000).map(|number| number * 3).collect();
    let map = sealed(bytemuck::cast_slice(&numbers))?.map()?;
    assert_eq!(bytemuck::try_cast_slice::<u8, u64>(&map), Ok(&numbers[..]));
    // Not every range is aligned; that is an error.
    assert!(bytemuck::try_cast_slice::<u8, u64>(&map[1..9]).is_err());
    let mut copy = sealed(bytemuck::cast_slice(&numbers))?.map_copy()?;
    bytemuck::cast_slice_mut::<u8, u64>(&mut copy)[999] = u64::MAX;
    assert_eq!(copy[7999], 0xff);
    Ok(())
}

#[test]
fn bytes_owns_a_map_and_shares_it() -> Outcome {
    let map = sealed(b"hello, world")?.map()?;
    let start = map.as_ptr();
    let all = bytes::Bytes::from_owner(map);
    assert_eq!(all.as_ptr(), start, "nothing is copied");
    let world = all.slice(7..);
    let other = thread::spawn(move || world == b"world"[..]);
    drop(all);
    assert!(other.join().is_ok_and(|equal| equal));
    Ok(())
}

#[test]
#[expect(
    unsafe_code,
    reason = "memmap2 cannot know that nobody changes the file"
)]
fn memmap2_sees_the_same_bytes() -> Outcome {
    let proven = sealed(b"the same bytes")?;
    // SAFETY: the file is sealed.
    let theirs = unsafe { memmap2::Mmap::map(&proven) }?;
    assert_eq!(theirs[..], proven.map()?[..]);

    let file = MemFdOptions::new().create("crates")?;
    file.set_len(4096)?;
    // SAFETY: nobody but this test has the file.
    let mut theirs = unsafe { memmap2::MmapMut::map_mut(&file) }?;
    let ours = file.map_shared_mut(..)?;
    theirs[..4].copy_from_slice(b"here");
    let mut bytes = [0; 4];
    ours.read_exact_at(&mut bytes, 0)?;
    assert_eq!(&bytes, b"here");
    ours.write_all_at(b"back", 4)?;
    assert_eq!(&theirs[..8], b"hereback");
    // The kernel does not seal a file that memmap2 may still write.
    drop(ours);
    let error = file.seal().err().ok_or("sealed while it is mapped")?;
    let file = error.into_inner();
    drop(theirs);
    assert_eq!(&file.seal()?.map()?[..8], b"hereback");
    Ok(())
}

#[tokio::test]
async fn tokio_receives_a_sealed_file_when_it_comes() -> Outcome {
    use owned_memfd::socket::{self, SocketType};
    use tokio::{io::Interest, net::UnixStream};

    let (here, there) = UnixStream::pair()?;
    let receive = || SealedMemFd::receive(&there, 100).map_err(io::Error::from);
    let receiving = there.async_io(Interest::READABLE, receive);
    let sending = async {
        // Let the other one find nothing first.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let file = sealed(b"some time later")?;
        let send = || Ok(file.send(&here)?);
        here.async_io(Interest::WRITABLE, send).await?;
        Ok::<(), Box<dyn Error>>(())
    };
    let (received, sent) = tokio::join!(receiving, sending);
    sent?;
    let received = received?;
    assert_eq!(&received.map()?[..], b"some time later");

    // The same with a socket of this crate's.
    let (here, there) = socket::socket_pair(SocketType::Stream)?;
    let there = std::os::unix::net::UnixStream::from(there);
    there.set_nonblocking(true)?;
    let empty = SealedMemFd::receive(&there, 100).map_err(io::Error::from);
    assert_eq!(empty.unwrap_err().kind(), ErrorKind::WouldBlock);
    let there = UnixStream::from_std(there)?;
    let sender = thread::spawn(move || {
        let file = SealedMemFd::copy_from_slice("crates", b"from a thread")?;
        file.send(&here)?;
        Ok::<(), owned_memfd::CreateError>(())
    });
    let receive = || SealedMemFd::receive(&there, 100).map_err(io::Error::from);
    let received = there.async_io(Interest::READABLE, receive).await?;
    assert_eq!(&received.map()?[..], b"from a thread");
    sender.join().map_err(|_| "the sender panicked")??;
    Ok(())
}

#[test]
fn command_fds_gives_a_file_to_a_child_by_number() -> Outcome {
    use command_fds::{CommandFdExt, FdMapping};

    let first = sealed(b"first, ")?;
    let second = MemFdOptions::new().create("crates")?;
    second.write_all_at(b"second", 0)?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "cat <&7 && cat <&3"])
        .fd_mappings(vec![
            FdMapping {
                parent_fd: first.into(),
                child_fd: 7,
            },
            FdMapping {
                parent_fd: second.into(),
                child_fd: 3,
            },
        ])?;
    assert_eq!(command.output()?.stdout, b"first, second");
    Ok(())
}

#[test]
fn rustix_works_on_our_files() -> Outcome {
    use rustix::fs::SealFlags;

    let file = sealed(b"content")?;
    let seals = rustix::fs::fcntl_get_seals(&file)?;
    assert!(seals.contains(SealFlags::WRITE | SealFlags::SHRINK));
    assert_eq!(seals.bits(), file.seals()?.bits());
    let error = Errno::from(rustix::io::pwrite(&file, b"x", 0).unwrap_err());
    assert_eq!(error, Errno::EPERM);
    // Its files are ours.
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let file = OwnedMemFd::try_from(rustix::fs::memfd_create("rustix", flags)?)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::GROW)?;
    assert_eq!(file.seals()?, Seals::GROW);
    Ok(())
}

/// Written for embedded-io alone.
fn upper_case<R: embedded_io::BufRead, W: embedded_io::Write<Error = R::Error>>(
    mut from: R,
    mut to: W,
) -> Result<(), R::Error> {
    loop {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return to.flush();
        }
        let count = piece.len();
        for byte in piece {
            to.write_all(&[byte.to_ascii_uppercase()])?;
        }
        from.consume(count);
    }
}

#[test]
fn code_for_embedded_io_reads_and_writes_memory_files() -> Outcome {
    let text = sealed(&b"some text, ".repeat(1000))?;
    let (mut room, mut buffer) = ([0; 64], [0; 100]);
    let mut writer = MemFdOptions::new().writer("upper", &mut buffer)?;
    upper_case(text.reader(&mut room), &mut writer)?;
    assert_eq!(writer.finish()?.map()?[..], b"SOME TEXT, ".repeat(1000));
    let file = MemFdOptions::new().create("upper")?;
    upper_case(text.reader(&mut room), &file)?;
    assert_eq!(file.len()?, 11_000);
    Ok(())
}

#[test]
fn an_errno_is_of_the_same_kind_as_in_std() {
    use embedded_io::{Error, ErrorKind};

    // embedded-io wants to know this from `write`, for which std has other kinds.
    let full = [Errno::ENOSPC, Errno::EFBIG, Errno::EDQUOT];
    // std has no kind for it before Rust 1.87.
    let unsupported = Errno::EOPNOTSUPP;
    for number in 1..=4095 {
        let errno = Errno::from_raw_os_error(number);
        let expected = if full.contains(&errno) {
            ErrorKind::WriteZero
        } else if errno == unsupported {
            ErrorKind::Unsupported
        } else {
            io::Error::from(errno).kind().into()
        };
        assert_eq!(errno.kind(), expected, "{errno:?}");
    }
}

#[test]
fn yoke_borrows_from_the_map_that_it_owns() -> Outcome {
    use yoke::Yoke;

    let map = sealed(b"words that are borrowed")?.map()?;
    let range = map.as_ptr_range();
    let words = Yoke::<&'static str, SealedMap>::try_attach_to_cart(map, std::str::from_utf8)?;
    let boxed = Box::new(words.map_project(|words, _| &words[15..]));
    let last: Yoke<&'static str, SealedMap> = *boxed;
    assert_eq!(*last.get(), "borrowed");
    assert!(range.contains(&last.get().as_ptr()));
    // Shared, and read by another thread.
    let map = Arc::new(sealed(b"shared words")?.map()?);
    let words = Yoke::<&'static str, Arc<SealedMap>>::try_attach_to_cart(map, |map| {
        std::str::from_utf8(map)
    })?;
    let other = words.clone();
    drop(words);
    let read = thread::spawn(move || *other.get() == "shared words");
    assert!(read.join().is_ok_and(|equal| equal));
    // What can be written is a cart too.
    let mut copy = sealed(b"some words")?.map_copy()?;
    copy[..4].copy_from_slice(b"many");
    let words = Yoke::<&'static str, CopyMap>::try_attach_to_cart(copy, std::str::from_utf8)?;
    assert_eq!(*words.get(), "many words");
    Ok(())
}

#[test]
fn std_reads_a_map_as_a_cursor() -> Outcome {
    let mut cursor = io::Cursor::new(sealed(b"hello, world")?.map()?);
    cursor.seek(SeekFrom::Start(7))?;
    let mut text = String::new();
    cursor.read_to_string(&mut text)?;
    assert_eq!(text, "world");
    Ok(())
}

#[test]
fn a_file_of_stds_is_borrowed_as_a_memory_file() -> Outcome {
    let mut file = std::fs::File::from(MemFdOptions::new().create("crates")?);
    file.write_all(b"by std")?;
    let borrowed = BorrowedMemFd::try_from(file.as_fd())?;
    assert_eq!(borrowed.len()?, 6);
    assert_eq!(borrowed.as_raw_fd(), file.as_raw_fd());
    Ok(())
}
