//! Claims about reading, writing, the offset and the size of a file that nothing limits.

use crate::{
    Verdict, World, attacks, children,
    kernel::{self, PAGE, READ, WRITE},
    raw::{Mapping, Stores},
    world,
};
use owned_memfd::{Errno, OwnedMemFd, SeekFrom, TransferCause, TransferError};
use rustix::fs::OFlags;

claims!(
    what_is_written_is_read_back_after_a_seek,
    reading_right_after_writing_reads_nothing,
    seeking_counts_from_start_end_and_here,
    seeking_before_the_start_is_einval,
    reading_and_writing_by_position_leave_the_offset_alone,
    reading_past_the_end_reads_nothing,
    a_hole_reads_as_zeros_and_stays_a_hole,
    reading_exactly_fills_the_buffer_or_says_how_far_it_came,
    writing_all_writes_all,
    empty_transfers_do_nothing,
    the_length_is_what_was_set,
    cutting_and_lengthening_again_reads_zeros,
    writing_after_a_cut_goes_on_at_the_offset,
    allocating_takes_memory_and_lengthens,
    punching_a_hole_gives_memory_back_and_reads_zeros,
    the_mode_is_what_was_set,
    the_size_of_the_pages_is_the_machines,
    what_is_stored_through_a_mapping_is_read,
    appending_writes_at_the_end_wherever_the_offset_is,
    flags_and_offset_survive_other_operations,
    huge_pages_are_not_written_and_read_as_zeros,
);

fn what_is_written_is_read_back_after_a_seek(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    same!(file.write(b"hello"), Ok(5));
    same!(file.seek(SeekFrom::Start(0)), Ok(0));
    let mut buffer = [0; 8];
    same!(file.read(&mut buffer), Ok(5));
    same!(&buffer, b"hello\0\0\0");
    Ok(())
}

fn reading_right_after_writing_reads_nothing(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    same!(file.write(b"hello"), Ok(5));
    let mut buffer = *b"kept";
    same!(file.read(&mut buffer), Ok(0));
    same!(&buffer, b"kept");
    Ok(())
}

fn seeking_counts_from_start_end_and_here(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123456789"));
    let mut byte = [0];
    for (to, at) in [
        (SeekFrom::Start(4), 4),
        (SeekFrom::Current(3), 7),
        (SeekFrom::Current(-2), 5),
        (SeekFrom::End(-1), 9),
        (SeekFrom::Current(0), 9),
        (SeekFrom::Start(0), 0),
    ] {
        same!(file.seek(to), Ok(at));
        same!(file.read_at(&mut byte, at), Ok(1));
        let expected = byte;
        same!(file.read(&mut byte), Ok(1));
        same!(byte, expected);
        same!(file.seek(SeekFrom::Current(-1)), Ok(at));
    }
    // The offset can be past the end; the file keeps its length.
    same!(file.seek(SeekFrom::End(90)), Ok(100));
    same!(file.read(&mut byte), Ok(0));
    same!(file.len(), Ok(10));
    Ok(())
}

fn seeking_before_the_start_is_einval(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    same!(file.seek(SeekFrom::Start(2)), Ok(2));
    refused!(file.seek(SeekFrom::Current(-3)), Errno::EINVAL);
    refused!(file.seek(SeekFrom::End(-5)), Errno::EINVAL);
    refused!(file.seek(SeekFrom::Current(i64::MIN)), Errno::EINVAL);
    same!(file.seek(SeekFrom::Current(0)), Ok(2));
    Ok(())
}

fn reading_and_writing_by_position_leave_the_offset_alone(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123456789"));
    same!(file.seek(SeekFrom::Start(3)), Ok(3));
    same!(file.write_at(b"ab", 7), Ok(2));
    ok!(file.write_all_at(b"c", 0));
    let mut buffer = [0; 4];
    same!(file.read_at(&mut buffer, 6), Ok(4));
    same!(&buffer, b"6ab9");
    ok!(file.read_exact_at(&mut buffer, 0));
    same!(&buffer, b"c123");
    same!(file.seek(SeekFrom::Current(0)), Ok(3));
    Ok(())
}

fn reading_past_the_end_reads_nothing(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    let mut buffer = *b"kept";
    for offset in [4, 5, 4096, 1 << 40, i64::MAX as u64 - 4] {
        same!(file.read_at(&mut buffer, offset), Ok(0));
    }
    same!(&buffer, b"kept");
    // A read across the end returns the bytes that exist.
    same!(file.read_at(&mut buffer, 2), Ok(2));
    same!(&buffer, b"23pt");
    Ok(())
}

fn a_hole_reads_as_zeros_and_stays_a_hole(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.set_len(64 * 1024));
    let mut buffer = [1; 4096];
    same!(file.read_at(&mut buffer, 8192), Ok(4096));
    holds!(buffer == [0; 4096]);
    same!(kernel::memory_of(&file), Ok(0));
    // A byte does take memory.
    ok!(file.write_all_at(b"x", 8192));
    holds!(ok!(kernel::memory_of(&file)) > 0);
    Ok(())
}

fn reading_exactly_fills_the_buffer_or_says_how_far_it_came(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123456789"));
    let mut buffer = [0; 6];
    ok!(file.read_exact_at(&mut buffer, 4));
    same!(&buffer, b"456789");
    same!(
        file.read_exact_at(&mut buffer, 7),
        Err(TransferError {
            done: 3,
            cause: TransferCause::EndOfFile
        })
    );
    same!(&buffer[..3], b"789");
    same!(
        file.read_exact_at(&mut buffer, 10),
        Err(TransferError {
            done: 0,
            cause: TransferCause::EndOfFile
        })
    );
    ok!(file.read_exact_at(&mut [], 10));
    Ok(())
}

fn writing_all_writes_all(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.write_all(b"hello"));
    ok!(file.write_all(b", world"));
    same!(kernel::holds_exactly(&file, b"hello, world"), Ok(true));
    ok!(file.write_all_at(b"HELLO", 0));
    same!(kernel::holds_exactly(&file, b"HELLO, world"), Ok(true));
    same!(file.seek(SeekFrom::Current(0)), Ok(12));
    // A write beyond the end leaves a hole.
    ok!(file.write_all_at(b"!", 14));
    same!(kernel::holds_exactly(&file, b"HELLO, world\0\0!"), Ok(true));
    Ok(())
}

fn empty_transfers_do_nothing(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    same!(file.read(&mut []), Ok(0));
    same!(file.write(&[]), Ok(0));
    same!(file.read_at(&mut [], 2), Ok(0));
    same!(file.write_at(&[], 9), Ok(0));
    ok!(file.write_all(&[]));
    ok!(file.write_all_at(&[], 9));
    same!(file.seek(SeekFrom::Current(0)), Ok(0));
    same!(kernel::holds_exactly(&file, b"0123"), Ok(true));
    Ok(())
}

fn the_length_is_what_was_set(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let file = ok!(kernel::sealable());
    for len in [0, 1, 4095, 4096, 4097, 1 << 32, 100, 0] {
        ok!(file.set_len(len));
        same!(file.len(), Ok(len));
        same!(ok!(kernel::stat(&file)).st_size as u64, len);
    }
    Ok(())
}

fn cutting_and_lengthening_again_reads_zeros(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123456789"));
    ok!(file.set_len(4));
    ok!(file.set_len(8));
    same!(kernel::holds_exactly(&file, b"0123\0\0\0\0"), Ok(true));
    Ok(())
}

fn writing_after_a_cut_goes_on_at_the_offset(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.write_all(b"0123456789"));
    ok!(file.set_len(4));
    ok!(file.write_all(b"x"));
    same!(file.len(), Ok(11));
    same!(kernel::holds_exactly(&file, b"0123\0\0\0\0\0\0x"), Ok(true));
    Ok(())
}

fn allocating_takes_memory_and_lengthens(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.allocate(0, 100_000));
    same!(file.len(), Ok(100_000));
    holds!(ok!(kernel::memory_of(&file)) >= 100_000);
    // Within the file, it changes neither the length nor the content.
    ok!(file.allocate(0, 50_000));
    same!(file.len(), Ok(100_000));
    let mut start = [0; 6];
    ok!(file.read_exact_at(&mut start, 0));
    same!(&start, b"0123\0\0");
    ok!(file.allocate(200_000, 1));
    same!(file.len(), Ok(200_001));
    refused!(file.allocate(0, 0), Errno::EINVAL);
    Ok(())
}

fn punching_a_hole_gives_memory_back_and_reads_zeros(_: &World) -> Verdict {
    const LEN: usize = 1 << 18;
    let file = ok!(kernel::sealable());
    for _ in 0..LEN / 4096 {
        ok!(file.write_all(&[7; 4096]));
    }
    let before = ok!(kernel::memory_of(&file));
    ok!(file.punch_hole(1 << 16, 1 << 17));
    same!(file.len(), Ok(LEN as u64));
    same!(kernel::memory_of(&file), Ok(before - (1 << 17)));
    for (offset, byte) in [
        (0, 7),
        ((1 << 16) - 1, 7),
        (1 << 16, 0),
        (3 << 16, 7),
        ((3 << 16) - 1, 0),
        (LEN as u64 - 1, 7),
    ] {
        let mut found = [1];
        same!(file.read_at(&mut found, offset), Ok(1));
        holds!(found == [byte], "{found:?} at {offset}");
    }
    // This frees a part of a page, which stays allocated, and a range past the end, which holds
    // nothing.
    ok!(file.punch_hole(10, 1));
    let mut found = [1; 3];
    ok!(file.read_exact_at(&mut found, 9));
    same!(found, [7, 0, 7]);
    ok!(file.punch_hole(LEN as u64, 1 << 16));
    same!(file.len(), Ok(LEN as u64));
    refused!(file.punch_hole(0, 0), Errno::EINVAL);
    Ok(())
}

fn the_mode_is_what_was_set(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    for mode in [0o600, 0o444, 0, 0o640, 0o1644] {
        ok!(file.set_mode(mode));
        same!(kernel::mode(&file), Ok(mode));
        same!(file.mode(), Ok(mode));
    }
    // The mode does not affect descriptors that are open already.
    ok!(file.set_mode(0));
    ok!(file.write_all(b"x"));
    Ok(())
}

fn the_size_of_the_pages_is_the_machines(_: &World) -> Verdict {
    let size = ok!(attacks::page_size());
    let file = ok!(kernel::sealable());
    same!(file.page_size(), Ok(size));
    ok!(file.set_len(1 << 22));
    same!(file.page_size(), Ok(size));
    // What a reader has is no different.
    let Ok(sealed) = file.seal() else {
        fail!("it is not sealed");
    };
    same!(sealed.as_memfd().page_size(), Ok(size));
    Ok(())
}

fn what_is_stored_through_a_mapping_is_read(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let copy = ok!(file.try_clone());
    ok!(file.set_len(PAGE as u64));
    let one = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    let two = ok!(Mapping::of(&copy, PAGE, Stores::Shared, READ));
    one.put(10, 42);
    same!(two.get(10), 42);
    for fd in [&file, &copy] {
        let mut byte = [0];
        same!(fd.read_at(&mut byte, 10), Ok(1));
        same!(byte, [42]);
    }
    // The same in the other direction.
    ok!(copy.write_all_at(&[43], 11));
    same!(one.get(11), 43);
    // Stores into a private mapping do not reach the file.
    let private = ok!(Mapping::of(&file, PAGE, Stores::Private, READ | WRITE));
    private.put(10, 1);
    same!(one.get(10), 42);
    Ok(())
}

fn appending_writes_at_the_end_wherever_the_offset_is(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(kernel::set_status_flags(&file, OFlags::APPEND));
    ok!(file.write_all(b"ab"));
    same!(file.seek(SeekFrom::Start(1)), Ok(1));
    ok!(file.write_all(b"cd"));
    // Linux appends even when a position is given, as pwrite(2) says under BUGS.
    ok!(file.write_all_at(b"ef", 0));
    same!(kernel::holds_exactly(&file, b"0123abcdef"), Ok(true));
    // Without the flag, it no longer appends.
    ok!(kernel::set_status_flags(&file, OFlags::empty()));
    ok!(file.write_all_at(b"X", 0));
    same!(kernel::holds_exactly(&file, b"X123abcdef"), Ok(true));
    Ok(())
}

fn flags_and_offset_survive_other_operations(_: &World) -> Verdict {
    let file: OwnedMemFd = ok!(kernel::holding(b"0123456789"));
    ok!(kernel::set_status_flags(&file, OFlags::APPEND));
    same!(file.seek(SeekFrom::Start(5)), Ok(5));
    ok!(file.set_mode(0o640));
    ok!(file.set_len(20));
    ok!(file.allocate(0, 4096));
    ok!(file.punch_hole(0, 4096));
    ok!(file.add_seals(owned_memfd::Seals::SHRINK));
    let copy = ok!(file.try_clone());
    ok!(copy.set_close_on_exec(false));
    drop(copy);
    children::apart(|| {
        same!(file.seek(SeekFrom::Current(0)), Ok(5));
        Ok(())
    })?;
    same!(file.seek(SeekFrom::Current(0)), Ok(5));
    same!(kernel::mode(&file), Ok(0o640));
    same!(file.close_on_exec(), Ok(true));
    let flags = ok!(kernel::status_flags(&file));
    holds!(flags.contains(OFlags::APPEND), "{flags:?}");
    same!(flags & OFlags::ACCMODE, OFlags::RDWR);
    Ok(())
}

fn huge_pages_are_not_written_and_read_as_zeros(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let flags = owned_memfd::MemFdFlags::HUGETLB | owned_memfd::MemFdFlags::CLOEXEC;
    let file = ok!(OwnedMemFd::create(c"huge", flags));
    let page = ok!(kernel::piece_size(&file));
    refused!(file.write(b"x"), Errno::EINVAL);
    same!(
        file.write_all(b"x"),
        Err(TransferError {
            done: 0,
            cause: TransferCause::HugePages
        })
    );
    for len in [1, 4096, page - 1, page + 1] {
        refused!(file.set_len(len), Errno::EINVAL);
    }
    ok!(file.set_len(page));
    same!(file.len(), Ok(page));
    let mut buffer = [1; 16];
    ok!(file.read_exact_at(&mut buffer, page - 16));
    same!(buffer, [0; 16]);
    same!(file.read_at(&mut buffer, page), Ok(0));
    Ok(())
}
