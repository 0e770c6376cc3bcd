//! Creating files that are the same on every kernel.

use super::operations;
use crate::{
    checks::{Named, THEY_SEALED, holds, is_close_on_exec, mode_of, same, seals_of, stat_of},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{CreateError, Errno, HugePageSize, MemFdOptions, OwnedMemFd, Seals};

operations! { "options":
    create, create_executable, create_unsealable, create_unsealable_executable,
    create_without_exec_seal, create_inherited, create_on_huge_pages, create_with_a_bad_name,
}

/// Creates a file, and checks that it is what the options say.
fn is_created(
    trial: &mut Trial,
    make: impl FnOnce() -> Result<OwnedMemFd, CreateError>,
    mode: u32,
    seals: Seals,
    without: Seals,
) -> Verdict {
    let created = trial.call(make);
    // A kernel that does not know the flags gives files another mode than one that does.
    let named = [
        Named::Fault(Errno::EACCES, "the kernel makes no file with such a mode"),
        Named::Race(Errno::EACCES, "another process has sealed the execute bits"),
        THEY_SEALED,
    ];
    trial.judge(created, &named, |file| {
        let found = seals_of(&file)?;
        // A kernel that says that it does not know this seal gives none.
        let seals = if trial.has_fault() {
            seals - Seals::EXEC
        } else {
            seals
        };
        let has_seals = found.contains(seals) && !found.intersects(without);
        holds(has_seals || trial.has_lie() || trial.has_company(), || {
            format!("it has {found:?}, not {seals:?}")
        })?;
        let found = mode_of(&file)?;
        holds(
            found == mode || trial.has_lie() || trial.has_company(),
            || format!("mode {found:o}, not {mode:o}"),
        )
    })
}

fn create(trial: &mut Trial) -> Verdict {
    let options = trial.call(MemFdOptions::new);
    is_created(
        trial,
        || options.create(c"new"),
        0o666,
        Seals::EXEC,
        Seals::SEAL,
    )
}

fn create_executable(trial: &mut Trial) -> Verdict {
    let options = trial.call(|| MemFdOptions::new().executable(true));
    let without = Seals::SEAL | Seals::EXEC;
    is_created(
        trial,
        || options.create("new"),
        0o777,
        Seals::empty(),
        without,
    )
}

fn create_unsealable(trial: &mut Trial) -> Verdict {
    let options = trial.call(|| MemFdOptions::new().sealable(false));
    is_created(
        trial,
        || options.create(b"new"),
        0o666,
        Seals::SEAL,
        Seals::empty(),
    )
}

fn create_unsealable_executable(trial: &mut Trial) -> Verdict {
    let options = MemFdOptions::new().executable(true).sealable(false);
    is_created(
        trial,
        || options.create("new"),
        0o777,
        Seals::SEAL,
        Seals::empty(),
    )
}

fn create_without_exec_seal(trial: &mut Trial) -> Verdict {
    let options = trial.call(|| MemFdOptions::new().exec_seal(false));
    let without = Seals::SEAL | Seals::EXEC;
    is_created(
        trial,
        || options.create("new"),
        0o666,
        Seals::empty(),
        without,
    )
}

fn create_inherited(trial: &mut Trial) -> Verdict {
    let options = trial.call(|| MemFdOptions::new().close_on_exec(false).collapse(false));
    let created = trial.call(|| options.create("new"));
    trial.judge(created, &[], |file| {
        holds(!is_close_on_exec(&file)?, || "close-on-exec".into())
    })
}

fn create_on_huge_pages(trial: &mut Trial) -> Verdict {
    let options = trial.call(|| MemFdOptions::new().huge_pages(HugePageSize::MB_2));
    let created = trial.call(|| options.create("new"));
    let named = [Named::Always(
        Errno::ENODEV,
        "this machine has no huge pages of 2 MiB",
    )];
    trial.judge(created, &named, |file| {
        same(stat_of(&file)?.st_blksize, 2 << 20, "the size of a page")
    })
}

fn create_with_a_bad_name(trial: &mut Trial) -> Verdict {
    let options = MemFdOptions::new();
    let nul = trial.call(|| options.create("a\0b").err());
    same(
        nul,
        Some(CreateError::NameHasNul { at: 1 }),
        "the error of a NUL",
    )?;
    let long = [b'x'; 250];
    let long = trial.call(|| options.create(&long).err());
    same(
        long,
        Some(CreateError::NameTooLong { len: 250 }),
        "the error of a long name",
    )
}
