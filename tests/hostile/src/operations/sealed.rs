//! What is done with a file whose content is proven immutable.

use super::{LARGE, PAGE, SMALL, operations};
use crate::{
    checks::{Named, holds, ready, same, seals_of},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{
    BorrowedMemFd, BorrowedSealedMemFd, Errno, MapError, OwnedMemFd, SealedMap, SealedMemFd,
    VerifyErrorKind,
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

operations! { "sealed":
    len, map, map_nothing, map_large, map_range, map_range_out_of_bounds, map_copy, map_exec,
    populate, collapse, collapse_copy, collapse_exec, drop_map, read_at, seals, try_clone,
    proc_path, as_memfd, into_memfd, lend, lend_fd, lend_again,
}

fn len(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let (len, is_empty) = trial.call(|| (sealed.len(), sealed.is_empty()));
    same((len, is_empty), (SMALL.len(), false), "the length")?;
    let (right, wrong) = trial.call(|| (sealed.require_len(len), sealed.require_len(1)));
    same(right, Ok(()), "the length that it has")?;
    let required = VerifyErrorKind::WrongLen { len, required: 1 };
    same(wrong, Err(required), "another length")
}

/// Demands that a map has these bytes, also when others try to change them.
fn is_map(trial: &Trial, map: &[u8], expected: &[u8]) -> Verdict {
    holds(map == expected, || "the map has other bytes".into())?;
    trial.attack();
    holds(map == expected, || "mapped bytes have changed".into())
}

fn map_content(trial: &mut Trial, content: &[u8]) -> Verdict {
    let sealed = trial.sealed(content)?;
    let map = trial.call(|| sealed.map());
    trial.judge(map, &[], |map| is_map(trial, &map, content))
}

fn map(trial: &mut Trial) -> Verdict {
    map_content(trial, SMALL)
}

fn map_nothing(trial: &mut Trial) -> Verdict {
    map_content(trial, b"")
}

fn map_large(trial: &mut Trial) -> Verdict {
    map_content(trial, &LARGE)
}

fn map_range(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(&LARGE)?;
    let map = trial.call(|| sealed.map_range(4095..9000));
    trial.judge(map, &[], |map| is_map(trial, &map, &LARGE[4095..9000]))
}

fn map_range_out_of_bounds(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let bound = SMALL.len() + 1;
    let map = trial.call(|| sealed.map_range(..bound).map(drop));
    let len = SMALL.len();
    same(
        map,
        Err(MapError::OutOfBounds { bound, len }),
        "a range that is too long",
    )
}

fn map_copy(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let map = trial.call(|| sealed.map_copy());
    trial.judge(map, &[], |mut map| {
        is_map(trial, &map, SMALL)?;
        map.fill(b'x');
        trial.is_sealed(&sealed, SMALL)
    })
}

fn map_exec(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(&PAGE)?;
    let map = trial.call(|| sealed.map_exec());
    trial.judge(map, &[], |map| is_map(trial, &map, &PAGE))
}

fn populate(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(&PAGE)?;
    let map = ready(sealed.map())?;
    let populated = trial.call(|| map.populate());
    trial.judge(populated, &[], |()| is_map(trial, &map, &PAGE))
}

/// What a kernel without huge pages of this kind, or a map without a place for them, returns.
const NOT_COLLAPSED: [Named; 4] = [
    Named::Always(Errno::EINVAL, "no huge page can be there"),
    Named::Always(Errno::EAGAIN, "a page is in use"),
    Named::Always(Errno::ENOMEM, "no huge page is free"),
    Named::Always(Errno::EBUSY, "the control group has no room"),
];

/// Whatever it returns, no byte is lost.
fn is_collapsed(trial: &Trial, collapsed: Result<(), Errno>, map: &[u8]) -> Verdict {
    is_map(trial, map, &LARGE)?;
    trial.judge(collapsed, &NOT_COLLAPSED, Ok)
}

fn collapse(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(&LARGE)?;
    let map = ready(sealed.map())?;
    let collapsed = trial.call(|| map.collapse());
    is_collapsed(trial, collapsed, &map)
}

fn collapse_copy(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(&LARGE)?;
    let map = ready(sealed.map_copy())?;
    let collapsed = trial.call(|| map.collapse());
    is_collapsed(trial, collapsed, &map)
}

fn collapse_exec(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(&LARGE)?;
    let map = ready(sealed.map_exec())?;
    let collapsed = trial.call(|| map.collapse());
    is_collapsed(trial, collapsed, &map)
}

/// An error of unmapping has nobody to be told to.
fn drop_map(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let map: SealedMap = ready(sealed.map())?;
    trial.call(|| drop(map));
    trial.is_sealed(&sealed, SMALL)
}

fn read_at(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let mut buffer = [0xee; 32];
    let read = trial.call(|| sealed.read_at(&mut buffer, 7));
    trial.judge(read, &[], |count| {
        trial.has_read(&buffer, count, &SMALL[7..])?;
        holds(count == 8 || trial.has_fault(), || format!("{count} bytes"))
    })
}

fn seals(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let seals = trial.call(|| sealed.seals());
    trial.judge(seals, &[], |seals| {
        same(seals, seals_of(&sealed)?, "the seals")
    })
}

fn try_clone(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let clone = trial.call(|| sealed.try_clone());
    drop(sealed);
    trial.judge(clone, &[], |clone| trial.is_sealed(&clone, SMALL))
}

fn proc_path(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let path = trial.call(|| sealed.proc_path());
    let expected = format!("/proc/self/fd/{}", sealed.as_raw_fd());
    same(path.to_bytes(), expected.as_bytes(), "the path")
}

/// Nothing that is done with the file itself touches its bytes.
fn as_memfd(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let written = trial.call(|| sealed.as_memfd().write_at(b"x", 0));
    let is_sealed = [Named::Always(Errno::EPERM, "it is sealed")];
    trial.judge(written, &is_sealed, |count| {
        holds(count == 0 || trial.has_lie(), || {
            "a sealed file was written".into()
        })
    })?;
    trial.is_sealed(&sealed, SMALL)
}

fn into_memfd(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let number = sealed.as_raw_fd();
    let file = trial.call(|| sealed.into_memfd());
    same(file.as_raw_fd(), number, "the descriptor")?;
    let sealed = ready(SealedMemFd::try_from(OwnedFd::from(file)))?;
    let file = trial.call(|| OwnedMemFd::from(sealed));
    same(file.as_raw_fd(), number, "the descriptor")
}

/// What a kernel that hides seals makes of a file.
const HIDDEN: [Named; 2] = [
    Named::Fault(Errno::EINVAL, "a file without seals can change"),
    Named::Fault(Errno::EPERM, "the seals are missing"),
];

fn lend(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let lent = trial.call(|| BorrowedSealedMemFd::verify(&sealed, SMALL.len()));
    trial.judge(lent, &HIDDEN, |lent| trial.is_sealed(&lent, SMALL))
}

fn lend_fd(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let lent = trial.call(|| BorrowedSealedMemFd::verify_fd(sealed.as_fd(), SMALL.len()));
    trial.judge(lent, &HIDDEN, |lent| trial.is_sealed(&lent, SMALL))?;
    let lent = trial.call(|| BorrowedSealedMemFd::try_from(sealed.as_fd()));
    trial.judge(lent, &HIDDEN, |lent| trial.is_sealed(&lent, SMALL))
}

fn lend_again(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let lent = trial.call(|| BorrowedSealedMemFd::from(&sealed));
    trial.is_sealed(&lent, SMALL)?;
    let numbers = trial.call(|| {
        [
            lent.as_raw_fd(),
            BorrowedFd::from(lent).as_raw_fd(),
            BorrowedMemFd::from(lent).as_raw_fd(),
        ]
    });
    same(numbers, [sealed.as_raw_fd(); 3], "the descriptor")
}
