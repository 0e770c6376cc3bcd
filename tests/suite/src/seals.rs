//! Claims about which seals a file has, which can be added by whom, and why adding one failed.
//! `sealing` is about what the seals then forbid.

use crate::{
    Verdict, World,
    children::{Child, PATIENCE, Steps},
    claim::Text,
    kernel::{self, PAGE, READ, WRITE},
    raw::{self, Descriptors, Mapping, Stores},
    world,
};
use owned_memfd::{
    Errno, HugePageSize, MemFdFlags, MemFdOptions, OwnedMemFd, SealError, Seals, TransferCause,
};
use rustix::fs::OFlags;

claims!(
    a_file_made_without_sealing_has_the_seal_of_seals,
    a_file_made_without_sealing_takes_not_even_no_seal,
    a_file_made_for_sealing_has_none,
    seals_add_up_and_may_be_added_again,
    several_seals_are_added_in_one_call,
    the_seal_of_seals_ends_sealing,
    an_unknown_seal_is_einval_and_changes_nothing,
    an_unknown_seal_is_noticed_before_the_seal_of_seals,
    future_write_is_added_or_unknown,
    each_seal_is_added_alone_and_reported,
    duplicates_share_the_seals,
    a_file_opened_again_shares_the_seals,
    a_child_sees_the_seals_of_its_parent_and_the_reverse,
    a_reader_sees_the_seals_and_adds_none,
    seals_read_as_the_kernel_has_them,
    refusals_are_told_apart_read_only,
    refused_writes_are_told_apart,
    refused_writes_are_told_apart_read_only,
    refused_writes_are_told_apart_on_huge_pages,
    refusals_are_told_apart_sealing_closed,
    refusals_are_told_apart_mapped,
    refusals_are_told_apart_pinned,
    refusals_are_told_apart_unknown_seal,
    refusals_are_told_apart_no_memory_file,
    what_is_no_refusal_of_a_seal_is_passed_on,
    an_explanation_that_no_longer_holds_is_not_given,
    every_explanation_says_something_else,
);

fn closed() -> Result<OwnedMemFd, Errno> {
    OwnedMemFd::create(c"closed", MemFdFlags::CLOEXEC)
}

fn a_file_made_without_sealing_has_the_seal_of_seals(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let file = ok!(closed());
    same!(file.seals(), Ok(Seals::SEAL));
    refused!(file.add_seals(Seals::WRITE), Errno::EPERM);
    same!(file.seals(), Ok(Seals::SEAL));
    ok!(file.write_all(b"still written"));
    Ok(())
}

fn a_file_made_without_sealing_takes_not_even_no_seal(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    refused!(ok!(closed()).add_seals(Seals::empty()), Errno::EPERM);
    // A sealable file accepts it.
    ok!(ok!(kernel::sealable()).add_seals(Seals::empty()));
    Ok(())
}

fn a_file_made_for_sealing_has_none(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    same!(ok!(kernel::sealable()).seals(), Ok(Seals::empty()));
    Ok(())
}

/// The seals of a new file on this machine: `vm.memfd_noexec` may add one.
fn first_seals() -> Result<Seals, Errno> {
    kernel::sealable()?.seals()
}

fn seals_add_up_and_may_be_added_again(_: &World) -> Verdict {
    let first = ok!(first_seals());
    let file = ok!(kernel::sealable());
    let two = Seals::SHRINK | Seals::WRITE;
    for _ in 0..2 {
        ok!(file.add_seals(two));
        same!(file.seals(), Ok(first | two));
    }
    ok!(file.add_seals(Seals::empty()));
    ok!(file.add_seals(Seals::GROW));
    same!(file.seals(), Ok(first | two | Seals::GROW));
    Ok(())
}

fn several_seals_are_added_in_one_call(_: &World) -> Verdict {
    let first = ok!(first_seals());
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::GROW | Seals::SEAL));
    same!(file.seals(), Ok(first | Seals::GROW | Seals::SEAL));
    let file = ok!(kernel::sealable());
    let four = Seals::SEAL | Seals::SHRINK | Seals::GROW | Seals::WRITE;
    ok!(file.add_seals(four));
    same!(file.seals(), Ok(first | four));
    Ok(())
}

fn the_seal_of_seals_ends_sealing(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::SHRINK));
    ok!(file.add_seals(Seals::SEAL));
    let before = file.seals();
    for seals in [
        Seals::GROW,
        Seals::empty(),
        Seals::SHRINK,
        Seals::SEAL,
        Seals::SHRINK | Seals::WRITE,
    ] {
        refused!(file.add_seals(seals), Errno::EPERM);
        same!(file.seals(), before);
    }
    Ok(())
}

fn an_unknown_seal_is_einval_and_changes_nothing(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let before = file.seals();
    for bits in [0x40, 0x48, 0x8000_0000, u32::MAX] {
        refused!(file.add_seals(Seals::from_bits_retain(bits)), Errno::EINVAL);
        same!(file.seals(), before);
    }
    ok!(file.add_seals(Seals::WRITE));
    Ok(())
}

fn an_unknown_seal_is_noticed_before_the_seal_of_seals(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::SEAL));
    let unknown = Seals::from_bits_retain(0x40);
    refused!(file.add_seals(unknown), Errno::EINVAL);
    refused!(file.add_seals(unknown | Seals::WRITE), Errno::EINVAL);
    refused!(file.add_seals(Seals::WRITE), Errno::EPERM);
    Ok(())
}

fn future_write_is_added_or_unknown(world: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let before = ok!(file.seals());
    if world.future_write {
        ok!(file.add_seals(Seals::FUTURE_WRITE));
        same!(file.seals(), Ok(before | Seals::FUTURE_WRITE));
    } else {
        refused!(file.add_seals(Seals::FUTURE_WRITE), Errno::EINVAL);
        refused!(
            file.add_seals(Seals::FUTURE_WRITE | Seals::GROW),
            Errno::EINVAL
        );
        same!(file.seals(), Ok(before));
        ok!(file.add_seals(Seals::GROW));
    }
    Ok(())
}

fn each_seal_is_added_alone_and_reported(world: &World) -> Verdict {
    let first = ok!(first_seals());
    for seal in [
        Seals::SEAL,
        Seals::SHRINK,
        Seals::GROW,
        Seals::WRITE,
        Seals::FUTURE_WRITE,
        Seals::EXEC,
    ] {
        if seal == Seals::FUTURE_WRITE && !world.future_write
            || seal == Seals::EXEC && !world.exec_flags
        {
            continue;
        }
        let file = ok!(kernel::sealable());
        // If the file has execute bits, the kernel adds more than F_SEAL_EXEC.
        ok!(file.set_mode(0o600));
        ok!(file.add_seals(seal));
        same!(file.seals(), Ok(first | seal));
    }
    Ok(())
}

fn duplicates_share_the_seals(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    let clone = ok!(file.try_clone());
    let dup = raw::disguise(ok!(kernel::dup(&file)));
    ok!(clone.add_seals(Seals::SHRINK));
    ok!(file.add_seals(Seals::GROW));
    ok!(dup.add_seals(Seals::WRITE));
    let late = ok!(file.try_clone());
    for fd in [&file, &clone, &dup, &late] {
        let seals = ok!(fd.seals());
        holds!(
            seals.contains(Seals::SHRINK | Seals::GROW | Seals::WRITE),
            "{seals}"
        );
        refused!(fd.write(b"x"), Errno::EPERM);
        refused!(fd.set_len(3), Errno::EPERM);
        refused!(fd.set_len(5), Errno::EPERM);
    }
    ok!(late.add_seals(Seals::SEAL));
    refused!(file.add_seals(Seals::empty()), Errno::EPERM);
    // Another file is not affected.
    ok!(ok!(kernel::holding(b"0123")).set_len(3));
    Ok(())
}

fn a_file_opened_again_shares_the_seals(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::holding(b"0123"));
    let again = raw::disguise(ok!(kernel::reopen(&file, OFlags::RDWR)));
    ok!(again.add_seals(Seals::SHRINK));
    holds!(ok!(file.seals()).contains(Seals::SHRINK));
    refused!(file.set_len(3), Errno::EPERM);
    ok!(file.add_seals(Seals::WRITE));
    refused!(again.write(b"x"), Errno::EPERM);
    // A sealed file can be opened for writing, but not written.
    let late = raw::disguise(ok!(kernel::reopen(&file, OFlags::RDWR)));
    same!(late.seals(), file.seals());
    refused!(late.write(b"x"), Errno::EPERM);
    ok!(late.add_seals(Seals::SEAL));
    refused!(file.add_seals(Seals::empty()), Errno::EPERM);
    Ok(())
}

fn a_child_sees_the_seals_of_its_parent_and_the_reverse(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    let steps = ok!(Steps::new());
    let child = ok!(Child::start(Descriptors::Copied, || {
        steps.wait_for(1)?;
        refused!(file.set_len(3), Errno::EPERM);
        ok!(file.add_seals(Seals::SEAL));
        refused!(file.add_seals(Seals::WRITE), Errno::EPERM);
        ok!(file.write_all_at(b"x", 0));
        Ok(())
    }));
    ok!(file.add_seals(Seals::SHRINK));
    steps.reach(1);
    child.finish(PATIENCE)?;
    // The child's seals remain after it has exited.
    let seals = ok!(file.seals());
    holds!(seals.contains(Seals::SHRINK | Seals::SEAL), "{seals}");
    holds!(!seals.contains(Seals::WRITE), "{seals}");
    refused!(file.add_seals(Seals::WRITE), Errno::EPERM);
    same!(kernel::holds_exactly(&file, b"x123"), Ok(true));
    Ok(())
}

fn a_reader_sees_the_seals_and_adds_none(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::sealable());
    let reader = ok!(file.reopen_read_only());
    same!(reader.seals(), file.seals());
    refused!(reader.add_seals(Seals::WRITE), Errno::EPERM);
    // This is so even for an unknown seal, and for no seal.
    refused!(
        reader.add_seals(Seals::from_bits_retain(0x40)),
        Errno::EPERM
    );
    refused!(reader.add_seals(Seals::empty()), Errno::EPERM);
    ok!(file.add_seals(Seals::WRITE));
    same!(reader.seals(), file.seals());
    // A write-only descriptor can add seals.
    let writer = raw::disguise(ok!(kernel::reopen(&file, OFlags::WRONLY)));
    ok!(writer.add_seals(Seals::GROW));
    holds!(ok!(reader.seals()).contains(Seals::GROW));
    Ok(())
}

fn seals_read_as_the_kernel_has_them(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    for seal in [
        Seals::empty(),
        Seals::GROW,
        Seals::SHRINK,
        Seals::WRITE,
        Seals::SEAL,
    ] {
        ok!(file.add_seals(seal));
        same!(file.seals().map(|seals| seals.bits()), raw::seals(&file));
    }
    Ok(())
}

/// Adds seals, which must fail, and returns the explanation.
fn explained(file: &OwnedMemFd, seals: Seals, expected: Errno) -> Result<SealError, crate::Stop> {
    match file.add_seals(seals) {
        Err(errno) if errno == expected => Ok(file.explain_seal_error(errno)),
        result => fail!("{seals}: {result:?}, not {expected:?}"),
    }
}

fn refused_writes_are_told_apart(_: &World) -> Verdict {
    for seals in [
        Seals::WRITE,
        Seals::FUTURE_WRITE,
        Seals::GROW,
        Seals::SHRINK,
        Seals::WRITE | Seals::SHRINK | Seals::GROW,
    ] {
        let file = ok!(kernel::holding(b"content"));
        if file.add_seals(seals).is_err() {
            // This one is since Linux 5.1.
            same!(seals, Seals::FUTURE_WRITE);
            continue;
        }
        ok!(file.add_seals(Seals::SEAL));
        let mut refused = 0;
        for result in [
            file.write_at(b"x", 0).map(drop),
            file.write_at(b"x", 100).map(drop),
            file.set_len(0),
            file.set_len(100),
            file.punch_hole(0, 1),
            file.allocate(0, 100),
        ] {
            if let Err(errno) = result {
                refused += 1;
                same!(errno, Errno::EPERM);
                same!(
                    file.explain_write_error(errno),
                    TransferCause::Sealed(seals)
                );
            }
        }
        holds!(refused > 0, "{seals} forbids nothing");
    }
    // What forbids nothing is no cause, and what no file explains stays what it is.
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::SEAL));
    for errno in [Errno::EPERM, Errno::EBADF, Errno::EINVAL, Errno::ENOSPC] {
        same!(
            file.explain_write_error(errno),
            TransferCause::Kernel(errno)
        );
    }
    same!(
        Text::of(TransferCause::Kernel(Errno::ENOSPC)).as_str(),
        Text::of(Errno::ENOSPC).as_str()
    );
    Ok(())
}

fn refused_writes_are_told_apart_read_only(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let reader = ok!(ok!(kernel::holding(b"content")).reopen_read_only());
    for result in [
        reader.write(b"x").map(drop),
        reader.write_at(b"x", 0).map(drop),
        reader.set_len(0),
        reader.punch_hole(0, 1),
        reader.allocate(0, 100),
    ] {
        let Err(errno) = result else {
            fail!("written without permission");
        };
        same!(reader.explain_write_error(errno), TransferCause::ReadOnly);
    }
    same!(reader.set_len(0), Err(Errno::EINVAL));
    Ok(())
}

fn refused_writes_are_told_apart_on_huge_pages(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let options = MemFdOptions::new().huge_pages(HugePageSize::DEFAULT);
    let file = ok!(options.create(c"suite"));
    same!(file.write(b"x"), Err(Errno::EINVAL));
    let cause = file.explain_write_error(Errno::EINVAL);
    same!(cause, TransferCause::HugePages);
    Ok(())
}

fn refusals_are_told_apart_read_only(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(kernel::sealable());
    let reader = ok!(file.reopen_read_only());
    same!(
        explained(&reader, Seals::WRITE, Errno::EPERM)?,
        SealError::ReadOnly
    );
    // If there are two causes, the explanation is the one that the kernel checks first.
    ok!(file.add_seals(Seals::SEAL));
    same!(
        explained(&reader, Seals::WRITE, Errno::EPERM)?,
        SealError::ReadOnly
    );
    same!(
        explained(&file, Seals::WRITE, Errno::EPERM)?,
        SealError::SealingClosed
    );
    let writer = raw::disguise(ok!(kernel::reopen(&file, OFlags::WRONLY)));
    same!(
        explained(&writer, Seals::WRITE, Errno::EPERM)?,
        SealError::SealingClosed
    );
    Ok(())
}

fn refusals_are_told_apart_sealing_closed(world: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(Seals::SEAL));
    same!(
        explained(&file, Seals::WRITE, Errno::EPERM)?,
        SealError::SealingClosed
    );
    needs!(world.exec_is_free, world::NOEXEC_SET);
    same!(
        explained(&ok!(closed()), Seals::WRITE, Errno::EPERM)?,
        SealError::SealingClosed
    );
    Ok(())
}

fn refusals_are_told_apart_mapped(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.set_len(PAGE as u64));
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    same!(
        explained(&file, Seals::WRITE, Errno::EBUSY)?,
        SealError::MappedOrPinned
    );
    drop(mapping);
    ok!(file.add_seals(Seals::WRITE));
    Ok(())
}

fn refusals_are_told_apart_pinned(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.write_all(&[7; PAGE]));
    let (read_end, write_end) = ok!(kernel::pipe());
    let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
    same!(mapping.pin_into(&write_end), Ok(PAGE));
    drop(mapping);
    // No mapping is left, but the pipe still uses the page.
    same!(
        explained(&file, Seals::WRITE, Errno::EBUSY)?,
        SealError::MappedOrPinned
    );
    let mut drained = [0; PAGE];
    same!(kernel::read(&read_end, &mut drained), Ok(PAGE));
    holds!(drained == [7; PAGE]);
    ok!(file.add_seals(Seals::WRITE));
    Ok(())
}

fn refusals_are_told_apart_unknown_seal(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let unknown = Seals::from_bits_retain(0x40);
    same!(
        explained(&file, unknown, Errno::EINVAL)?,
        SealError::UnknownSeal
    );
    ok!(file.add_seals(Seals::SEAL));
    same!(
        explained(&file, unknown, Errno::EINVAL)?,
        SealError::UnknownSeal
    );
    Ok(())
}

fn refusals_are_told_apart_no_memory_file(_: &World) -> Verdict {
    let (_read_end, write_end) = ok!(kernel::pipe());
    let (socket, _other_end) = ok!(kernel::socket_pair());
    for fd in [write_end, socket, ok!(kernel::event_counter())] {
        let file = raw::disguise(fd);
        same!(
            explained(&file, Seals::WRITE, Errno::EINVAL)?,
            SealError::NotMemFd
        );
    }
    Ok(())
}

fn what_is_no_refusal_of_a_seal_is_passed_on(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    for errno in [Errno::EBADF, Errno::ENOSYS, Errno::from_raw_os_error(4000)] {
        same!(file.explain_seal_error(errno), SealError::Kernel(errno));
    }
    Ok(())
}

fn an_explanation_that_no_longer_holds_is_not_given(_: &World) -> Verdict {
    // A filter may return EPERM although none of the kernel's causes applies.
    let file = ok!(kernel::sealable());
    same!(
        file.explain_seal_error(Errno::EPERM),
        SealError::Kernel(Errno::EPERM)
    );
    ok!(file.add_seals(Seals::SEAL));
    same!(
        file.explain_seal_error(Errno::EPERM),
        SealError::SealingClosed
    );
    Ok(())
}

fn every_explanation_says_something_else(_: &World) -> Verdict {
    let all = [
        SealError::ReadOnly,
        SealError::SealingClosed,
        SealError::MappedOrPinned,
        SealError::UnknownSeal,
        SealError::NotMemFd,
        SealError::Kernel(Errno::EIO),
    ]
    .map(Text::of);
    for (index, text) in all.iter().enumerate() {
        holds!(
            text.as_str().len() > 3 && !text.as_str().ends_with('.'),
            "{text:?}"
        );
        holds!(
            all[..index]
                .iter()
                .all(|other| other.as_str() != text.as_str()),
            "{text:?} twice"
        );
    }
    Ok(())
}
