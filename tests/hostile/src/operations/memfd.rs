//! What is done with a memory file through its descriptor.
#![allow(unsafe_code)]

use super::{SMALL, operations};
use crate::{
    checks::{
        Named, THEY_HOLD_IT, THEY_SEALED, holds, is_close_on_exec, mode_of, offset_of, ready, same,
        seals_of, stat_of, status_of,
    },
    orders::Verdict,
    trial::Trial,
};
use nix::fcntl::OFlag;
use owned_memfd::{
    BorrowedMemFd, Errno, HugePageSize, MemFdFlags, OwnedMemFd, SealError, Seals, SeekFrom,
    fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
};

operations! { "memfd":
    create, create_on_huge_pages, read, read_at, write, write_at, seek, len, set_len, lengthen,
    punch_hole, mode, page_size, set_mode, seals, add_seals, explain_seal_error, try_clone,
    reopen_read_only, proc_path, duplicate_onto, duplicate_onto_itself, close_on_exec,
    set_close_on_exec, close, drop_file, borrowed,
}

/// The shared offset can be where no byte can be.
const THEY_MOVED_FAR: Named = Named::Race(
    Errno::EINVAL,
    "another process has moved the offset to the end of all offsets",
);

fn create(trial: &mut Trial) -> Verdict {
    let flags = MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING;
    let created = trial.call(|| OwnedMemFd::create(c"created", flags));
    trial.judge(created, &[], |file| {
        let seals = seals_of(&file)?;
        holds(seals.is_empty() || trial.has_company(), || {
            format!("it has {seals:?}")
        })?;
        trial.contains(&file, b"")
    })
}

fn create_on_huge_pages(trial: &mut Trial) -> Verdict {
    let flags = trial.call(|| MemFdFlags::huge_pages(HugePageSize::MB_2)) | MemFdFlags::CLOEXEC;
    let created = trial.call(|| OwnedMemFd::create(c"created", flags));
    let named = [Named::Always(
        Errno::ENODEV,
        "this machine has no huge pages of 2 MiB",
    )];
    trial.judge(created, &named, |file| {
        same(stat_of(&file)?.st_blksize, 2 << 20, "the size of a page")
    })
}

fn read(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mut buffer = [0xee; 32];
    let read = trial.call(|| file.read(&mut buffer));
    trial.judge(read, &[THEY_MOVED_FAR], |count| {
        trial.has_read(&buffer, count, SMALL)
    })
}

fn read_at(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mut buffer = [0xee; 32];
    let read = trial.call(|| file.read_at(&mut buffer, 7));
    trial.judge(read, &[], |count| {
        trial.has_read(&buffer, count, &SMALL[7..])
    })
}

fn write(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"")?;
    let written = trial.call(|| file.write(SMALL));
    trial.judge(written, &[THEY_SEALED, THEY_MOVED_FAR], |count| {
        trial.contains(&file, &SMALL[..count.min(SMALL.len())])
    })
}

fn write_at(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let written = trial.call(|| file.write_at(b"STRANGER", 7));
    trial.judge(written, &[THEY_SEALED], |count| {
        let mut expected = SMALL.to_vec();
        for (to, from) in expected[7..].iter_mut().zip(b"STRANGER").take(count) {
            *to = *from;
        }
        trial.contains(&file, &expected)
    })
}

fn seek(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    for (to, offset) in [
        (SeekFrom::Start(3), 3),
        (SeekFrom::Current(2), 5),
        (SeekFrom::End(-1), 14),
    ] {
        let sought = trial.call(|| file.seek(to));
        // A file that another process has cut ends before what is counted from there.
        let cut = [Named::Race(
            Errno::EINVAL,
            "the offset would be negative, or too large",
        )];
        let is_done = sought.is_ok();
        trial.judge(sought, &cut, |found| {
            holds(found == offset || trial.may_differ(), || {
                format!("{found} after {to:?}")
            })
        })?;
        if !is_done {
            break;
        }
    }
    Ok(())
}

fn len(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let len = trial.call(|| file.len());
    trial.judge(len, &[], |len| {
        holds(len == SMALL.len() as u64 || trial.may_differ(), || {
            format!("{len} bytes")
        })
    })
}

fn set_len(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let cut = trial.call(|| file.set_len(5));
    trial.judge(cut, &[THEY_SEALED], |()| trial.contains(&file, &SMALL[..5]))
}

fn lengthen(trial: &mut Trial) -> Verdict {
    let file = trial.file(b"")?;
    let lengthened = trial.call(|| file.set_len(4096));
    trial.judge(lengthened, &[THEY_SEALED], |()| {
        trial.contains(&file, &[0; 4096])
    })
}

fn punch_hole(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let punched = trial.call(|| file.punch_hole(0, 5));
    trial.judge(punched, &[THEY_SEALED], |()| {
        trial.contains(&file, b"\0\0\0\0\0, stranger")
    })
}

fn mode(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let mode = trial.call(|| file.mode());
    trial.judge(mode, &[], |mode| {
        holds(mode == 0o666 || trial.has_company(), || {
            format!("mode {mode:o}")
        })
    })
}

fn page_size(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let size = trial.call(|| file.page_size());
    trial.judge(size, &[], |size| same(size, 4096, "the size of a page"))
}

fn set_mode(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let set = trial.call(|| file.set_mode(0o600));
    trial.judge(set, &[], |()| {
        let mode = mode_of(&file)?;
        holds(mode == 0o600 || trial.has_company(), || {
            format!("mode {mode:o}")
        })
    })
}

fn seals(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let file = sealed.as_memfd();
    let seals = trial.call(|| file.seals());
    trial.judge(seals, &[], |seals| {
        same(seals, seals_of(file)?, "the seals")
    })
}

fn add_seals(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let wanted = Seals::WRITE | Seals::GROW;
    let added = trial.call(|| file.add_seals(wanted));
    trial.judge(added, &[THEY_SEALED, THEY_HOLD_IT], |()| {
        // It is the only operation that is no more than the call: it believes it.
        let seals = seals_of(&file)?;
        holds(seals.contains(wanted) || trial.has_lie(), || {
            format!("added, but it has {seals:?}")
        })
    })
}

fn explain_seal_error(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    for errno in [Errno::EBUSY, Errno::EINVAL, Errno::EPERM, Errno::EIO] {
        let cause = trial.call(|| file.explain_seal_error(errno));
        let is_known = match cause {
            SealError::MappedOrPinned => errno == Errno::EBUSY,
            SealError::UnknownSeal => errno == Errno::EINVAL,
            SealError::NotMemFd => errno == Errno::EINVAL && trial.has_fault(),
            SealError::SealingClosed => errno == Errno::EPERM && trial.has_company(),
            SealError::Kernel(kept) => kept == errno,
            _ => false,
        };
        holds(is_known, || format!("{errno:?} is explained by {cause:?}"))?;
    }
    Ok(())
}

/// Both descriptors share the offset.
fn is_clone(file: &OwnedMemFd, clone: &OwnedMemFd) -> Verdict {
    ready(file.seek(SeekFrom::Start(9)))?;
    same(offset_of(clone)?, 9, "the shared offset")?;
    holds(is_close_on_exec(clone)?, || "not close-on-exec".into())?;
    holds(clone.as_raw_fd() >= 3, || "it is a standard stream".into())
}

fn try_clone(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let clone = trial.call(|| file.try_clone());
    trial.judge(clone, &[], |clone| is_clone(&file, &clone))
}

fn reopen_read_only(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let reopened = trial.call(|| file.reopen_read_only());
    let named = [
        Named::Fault(
            Errno::EOPNOTSUPP,
            "no path leads there, and it has no handle",
        ),
        Named::Fault(
            Errno::EPERM,
            "no path leads there, and handles are for the privileged",
        ),
        Named::Fault(Errno::ENOENT, "the path leads to another file"),
        Named::Race(Errno::EACCES, "another process has changed the mode"),
    ];
    trial.judge(reopened, &named, |reopened| {
        let flags = status_of(&reopened)?;
        same(flags & OFlag::O_ACCMODE, OFlag::O_RDONLY, "the access mode")?;
        // That it no longer is like this is asked of the kernel, which may lie.
        holds(
            !flags.contains(OFlag::O_NONBLOCK) || trial.has_lie() || trial.has_company(),
            || "it is non-blocking".into(),
        )?;
        let (ours, found) = (stat_of(&file)?, stat_of(&reopened)?);
        same(
            (found.st_dev, found.st_ino),
            (ours.st_dev, ours.st_ino),
            "the file",
        )
    })
}

fn proc_path(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let path = trial.call(|| file.proc_path());
    let expected = format!("/proc/self/fd/{}", file.as_raw_fd());
    same(path.to_bytes(), expected.as_bytes(), "the path")
}

fn duplicate_onto(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let target = ready(file.try_clone())?;
    let number = target.as_raw_fd();
    // SAFETY: `target` is used for nothing but this.
    let duplicated = trial.call(|| unsafe { file.duplicate_onto(number) });
    trial.judge(duplicated, &[], |()| {
        holds(!is_close_on_exec(&target)? || trial.has_lie(), || {
            "close-on-exec".into()
        })
    })
}

fn duplicate_onto_itself(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    // SAFETY: it stays what it is.
    let duplicated = trial.call(|| unsafe { file.duplicate_onto(file.as_raw_fd()) });
    trial.judge(duplicated, &[], |()| {
        holds(!is_close_on_exec(&file)? || trial.has_lie(), || {
            "close-on-exec".into()
        })
    })
}

fn close_on_exec(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let is_closed = trial.call(|| file.close_on_exec());
    trial.judge(is_closed, &[], |is_closed| {
        same(is_closed, true, "close-on-exec")
    })
}

fn set_close_on_exec(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let set = trial.call(|| file.set_close_on_exec(false));
    trial.judge(set, &[], |()| {
        holds(!is_close_on_exec(&file)? || trial.has_lie(), || {
            "close-on-exec".into()
        })
    })
}

fn close(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let closed = trial.call(|| file.close());
    trial.judge(closed, &[], |()| Ok(()))
}

/// An error of closing has nobody to be told to.
fn drop_file(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    trial.call(|| drop(file));
    Ok(())
}

fn borrowed(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let number = file.as_raw_fd();
    let len = trial.call(|| {
        let lent = BorrowedMemFd::from(&file);
        assert_eq!(
            (lent.as_raw_fd(), BorrowedFd::from(lent).as_raw_fd()),
            (number, number)
        );
        assert_eq!(lent.as_fd().as_raw_fd(), number);
        lent.len()
    });
    trial.judge(len, &[], |len| {
        holds(len == SMALL.len() as u64 || trial.may_differ(), || {
            format!("{len} bytes")
        })
    })?;
    let owner = trial.call(|| {
        let number = OwnedFd::from(file).into_raw_fd();
        // SAFETY: it has just been given up.
        let file = unsafe { OwnedMemFd::from_raw_fd(number) };
        file.into_raw_fd()
    });
    // SAFETY: as above.
    drop(unsafe { OwnedFd::from_raw_fd(owner) });
    same(owner, number, "the number")
}
