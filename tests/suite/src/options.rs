//! Claims about `MemFdOptions`: what a caller requests holds on every kernel. A filter plays the
//! kernels that this one is not, by failing calls as they do.

use crate::{
    Verdict, World,
    children::{self, Supervisor},
    flags::NAMED,
    kernel::{self, PAGE},
    raw::{self, Response, Which},
    world,
};
use owned_memfd::{CreateError, Errno, HugePageSize, MemFdFlags, MemFdOptions, SealedMemFd, Seals};
use rustix::thread::UnshareFlags;

claims!(
    the_defaults_are_close_on_exec_sealable_and_not_executable,
    each_option_does_what_it_says_and_nothing_else,
    not_sealable_is_true_of_every_file,
    every_combination_can_be_made_and_is_what_was_asked_for,
    new_and_default_are_the_same,
    names_are_strings_with_and_without_an_end,
    names_are_any_bytes_but_nul,
    a_nul_inside_a_name_is_refused_before_the_call,
    a_longer_name_is_refused_before_the_call,
    kernels_without_the_exec_flags_get_none_and_the_mode_is_set,
    a_refusal_that_is_not_of_the_exec_flags_comes_back,
    only_einval_is_tried_again,
    a_file_that_cannot_be_made_as_asked_is_not_made,
    the_exec_setting_refuses_and_the_refusal_comes_back,
    a_filter_that_does_not_know_the_exec_flags_changes_no_file,
    not_sealable_is_true_where_the_exec_setting_allows_sealing,
    a_file_without_the_exec_seal_has_exactly_the_seals_of_sealing,
    a_file_without_the_exec_seal_is_made_where_the_setting_allows_it,
    a_file_without_the_exec_seal_is_made_on_every_kernel,
    a_file_without_the_exec_seal_is_not_executable_or_not_made,
    the_exec_setting_of_a_running_child_is_the_tightest_above_it,
    the_exec_setting_of_the_machine_applies_to_what_runs_below,
    a_size_of_huge_pages_that_is_not_there_is_enodev,
    the_last_size_of_huge_pages_counts,
    sealable_huge_pages_have_all_that_was_asked_for,
);

/// The visible properties of a file: mode, seals, close-on-exec.
type Seen = (u32, Seals, bool);

fn seen(options: MemFdOptions) -> Result<Seen, CreateError> {
    let file = options.create(c"options")?;
    Ok((
        kernel::mode(&file)?,
        Seals::from_bits_retain(raw::seals(&file)?),
        kernel::close_on_exec(&file)?,
    ))
}

/// The seal of a file that is created as not executable, if the kernel knows that seal.
fn exec_seal(world: &World) -> Seals {
    if world.exec_flags {
        Seals::EXEC
    } else {
        Seals::empty()
    }
}

fn the_defaults_are_close_on_exec_sealable_and_not_executable(world: &World) -> Verdict {
    same!(
        seen(MemFdOptions::new()),
        Ok((0o666, exec_seal(world), true))
    );
    let file = ok!(MemFdOptions::new().create(c"defaults"));
    ok!(file.add_seals(Seals::WRITE | Seals::SEAL));
    if world.exec_flags {
        refused!(file.set_mode(0o777), Errno::EPERM);
    }
    Ok(())
}

fn each_option_does_what_it_says_and_nothing_else(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let exec = exec_seal(world);
    let new = MemFdOptions::new;
    same!(
        seen(new().executable(true)),
        Ok((0o777, Seals::empty(), true))
    );
    same!(seen(new().executable(false)), Ok((0o666, exec, true)));
    same!(
        seen(new().sealable(false)),
        Ok((0o666, exec | Seals::SEAL, true))
    );
    same!(seen(new().sealable(true)), Ok((0o666, exec, true)));
    same!(seen(new().close_on_exec(false)), Ok((0o666, exec, false)));
    same!(seen(new().close_on_exec(true)), Ok((0o666, exec, true)));
    // The last call of each option counts.
    same!(
        seen(new().executable(true).executable(false)),
        Ok((0o666, exec, true))
    );
    same!(
        seen(new().sealable(false).sealable(true)),
        Ok((0o666, exec, true))
    );
    Ok(())
}

fn not_sealable_is_true_of_every_file(world: &World) -> Verdict {
    for executable in [false, true] {
        if executable && !world.exec_is_free {
            continue;
        }
        let options = MemFdOptions::new().executable(executable).sealable(false);
        let file = ok!(options.create(c"closed"));
        let before = ok!(file.seals());
        holds!(before.contains(Seals::SEAL), "sealable: {before}");
        for seal in [Seals::WRITE, Seals::GROW, Seals::empty()] {
            refused!(file.add_seals(seal), Errno::EPERM);
        }
        same!(file.seals(), Ok(before));
        // The file can still be written: "not sealable" promises this to its users.
        ok!(file.write_all(b"x"));
    }
    Ok(())
}

fn every_combination_can_be_made_and_is_what_was_asked_for(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    for choice in 0..8 {
        let [executable, sealable, close] = [1, 2, 4].map(|bit| choice & bit != 0);
        let (mode, seals, closes) = ok!(seen(
            MemFdOptions::new()
                .executable(executable)
                .sealable(sealable)
                .close_on_exec(close)
        ));
        same!(mode, if executable { 0o777 } else { 0o666 });
        same!(seals.contains(Seals::SEAL), !sealable);
        same!(seals.contains(Seals::EXEC), world.exec_flags && !executable);
        same!(closes, close);
    }
    Ok(())
}

fn new_and_default_are_the_same(_: &World) -> Verdict {
    const CONSTANT: MemFdOptions = MemFdOptions::new().close_on_exec(false);
    same!(MemFdOptions::default(), MemFdOptions::new());
    same!(CONSTANT, MemFdOptions::new().close_on_exec(false));
    holds!(CONSTANT != MemFdOptions::new());
    Ok(())
}

fn names_are_strings_with_and_without_an_end(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let create = MemFdOptions::new;
    let long = core::str::from_utf8(&[b'n'; 249]).unwrap_or_default();
    for (file, name) in [
        (ok!(create().create(c"")), ""),
        (ok!(create().create("")), ""),
        (ok!(create().create(c"name")), "name"),
        (ok!(create().create("name")), "name"),
        (ok!(create().create("größe/€")), "größe/€"),
        (ok!(create().create(long)), long),
    ] {
        let mut room = [0; 512];
        let link = ok!(kernel::link_of(&file, &mut room));
        holds!(
            link.strip_prefix(b"/memfd:")
                .and_then(|rest| rest.strip_suffix(b" (deleted)"))
                == Some(name.as_bytes()),
            "{name:?} shows as {link:?}"
        );
    }
    Ok(())
}

fn names_are_any_bytes_but_nul(world: &World) -> Verdict {
    let create = MemFdOptions::new;
    for (at, name) in [(0, &b"\0"[..]), (3, b"\xff\xfe\xfd\0")] {
        same!(
            create().create(name).err(),
            Some(CreateError::NameHasNul { at })
        );
    }
    same!(
        create().create(&[b'n'; 250]).err(),
        Some(CreateError::NameTooLong { len: 250 })
    );
    same!(
        create().create(&[b'n'; 4096][..]).err(),
        Some(CreateError::NameTooLong { len: 4096 })
    );
    needs!(world.proc, world::NO_PROC);
    for (file, name) in [
        (ok!(create().create(b"")), &b""[..]),
        (ok!(create().create(b"name")), b"name"),
        (
            ok!(create().create(&b"\xff no text \x01"[..])),
            b"\xff no text \x01",
        ),
        (ok!(create().create(&[b'n'; 249])), &[b'n'; 249]),
    ] {
        let mut room = [0; 512];
        let link = ok!(kernel::link_of(&file, &mut room));
        let shown = link
            .strip_prefix(b"/memfd:")
            .and_then(|rest| rest.strip_suffix(b" (deleted)"));
        same!(shown, Some(name));
    }
    Ok(())
}

/// Creations with a flag that Linux 3.17 to 6.2 do not know, but for the sizes of huge pages.
const NEW_FLAGS: Which = Which::WithBits(
    sc::nr::MEMFD_CREATE,
    1,
    MemFdFlags::EXEC.union(MemFdFlags::NOEXEC_SEAL).bits(),
);

/// From now on `memfd_create` fails, with an error that it never returns otherwise.
fn refuse_creation() -> Result<(), Errno> {
    raw::refuse(Which::All(sc::nr::MEMFD_CREATE), Errno::EIO)
}

fn a_nul_inside_a_name_is_refused_before_the_call(world: &World) -> Verdict {
    let create = |name: &str| MemFdOptions::new().create(name).err();
    if world.filters {
        ok!(refuse_creation());
        same!(create("fine"), Some(CreateError::Kernel(Errno::EIO)));
    }
    for (name, at) in [("\0", 0), ("a\0b", 1), ("end\0", 3), ("two\0nul\0", 3)] {
        same!(create(name), Some(CreateError::NameHasNul { at }));
    }
    // The NUL is the last byte of a name of the greatest length.
    let mut bytes = [b'n'; 249];
    bytes[248] = 0;
    let name = core::str::from_utf8(&bytes).unwrap_or_default();
    same!(create(name), Some(CreateError::NameHasNul { at: 248 }));
    Ok(())
}

fn a_longer_name_is_refused_before_the_call(world: &World) -> Verdict {
    if world.filters {
        ok!(refuse_creation());
        same!(
            MemFdOptions::new().create("fine").err(),
            Some(CreateError::Kernel(Errno::EIO))
        );
    }
    let bytes = [b'n'; 5000];
    for len in [250, 251, 4096, 4999] {
        let name = core::str::from_utf8(&bytes[..len]).unwrap_or_default();
        let expected = Some(CreateError::NameTooLong { len });
        same!(MemFdOptions::new().create(name).err(), expected);
        let mut terminated = [b'n'; 5001];
        terminated[len] = 0;
        let name = core::ffi::CStr::from_bytes_until_nul(&terminated).unwrap_or_default();
        same!(MemFdOptions::new().create(name).err(), expected);
    }
    // 84 euro signs are fewer than 250 characters and more than 249 bytes.
    let mut euros = [0; 252];
    for sign in euros.chunks_exact_mut(3) {
        sign.copy_from_slice("€".as_bytes());
    }
    let name = core::str::from_utf8(&euros).unwrap_or_default();
    same!(
        MemFdOptions::new().create(name).err(),
        Some(CreateError::NameTooLong { len: 252 })
    );
    Ok(())
}

fn kernels_without_the_exec_flags_get_none_and_the_mode_is_set(world: &World) -> Verdict {
    if world.exec_flags {
        // The filters make this look like a kernel before Linux 6.3.
        needs!(world.filters, world::NO_FILTERS);
        needs!(world.exec_is_free, world::NOEXEC_SET);
        ok!(raw::refuse(NEW_FLAGS, Errno::EINVAL));
        let unknown = Which::Sealing(Seals::EXEC.bits());
        ok!(raw::refuse(unknown, Errno::EINVAL));
    }
    let new = MemFdOptions::new;
    let none = Seals::empty();
    same!(seen(new()), Ok((0o666, none, true)));
    same!(seen(new().executable(true)), Ok((0o777, none, true)));
    same!(seen(new().sealable(false)), Ok((0o666, Seals::SEAL, true)));
    same!(
        seen(new().sealable(false).executable(true)),
        Ok((0o777, Seals::SEAL, true))
    );
    same!(seen(new().close_on_exec(false)), Ok((0o666, none, false)));
    Ok(())
}

fn a_refusal_that_is_not_of_the_exec_flags_comes_back(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let responses = [Response::Error(Errno::EINVAL); 8];
    let supervisor = Supervisor::of(Which::All(sc::nr::MEMFD_CREATE), &responses)?;
    for executable in [false, true] {
        let before = supervisor.calls();
        let options = MemFdOptions::new().executable(executable);
        same!(
            options.create("x").err(),
            Some(CreateError::Kernel(Errno::EINVAL))
        );
        let calls = supervisor.calls() - before;
        holds!(calls <= 2, "{calls} calls");
    }
    Ok(())
}

fn only_einval_is_tried_again(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let errors = [
        Errno::EACCES,
        Errno::EPERM,
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENODEV,
        Errno::ENOMEM,
        Errno::ENOSYS,
        Errno::EFAULT,
        Errno::EINTR,
    ];
    let responses = errors.map(Response::Error);
    let supervisor = Supervisor::of(Which::All(sc::nr::MEMFD_CREATE), &responses)?;
    for (calls, error) in (1..).zip(errors) {
        let options = MemFdOptions::new().executable(calls % 2 == 0);
        same!(options.create("x").err(), Some(CreateError::Kernel(error)));
        same!(supervisor.calls(), calls);
    }
    // A creation that works at once takes one call.
    let before = supervisor.calls();
    ok!(MemFdOptions::new().create("x"));
    if world.exec_flags {
        same!(supervisor.calls(), before + 1);
    }
    Ok(())
}

fn a_file_that_cannot_be_made_as_asked_is_not_made(world: &World) -> Verdict {
    // `Claim::run` checks that no descriptor is left open.
    needs!(world.filters, world::NO_FILTERS);
    // Setting the mode fails.
    children::apart(|| {
        let before = kernel::open_descriptors();
        ok!(raw::refuse(NEW_FLAGS, Errno::EINVAL));
        ok!(raw::refuse(Which::All(sc::nr::FCHMOD), Errno::EPERM));
        same!(
            MemFdOptions::new().create("x").err(),
            Some(CreateError::Kernel(Errno::EPERM))
        );
        same!(kernel::open_descriptors(), before);
        Ok(())
    })?;
    // Adding `F_SEAL_EXEC` fails, and not because the kernel does not know it.
    for error in [Errno::EPERM, Errno::EBUSY, Errno::ENOSYS] {
        children::apart(|| {
            let before = kernel::open_descriptors();
            ok!(raw::refuse(NEW_FLAGS, Errno::EINVAL));
            ok!(raw::refuse(Which::Sealing(Seals::EXEC.bits()), error));
            for sealable in [false, true] {
                same!(
                    MemFdOptions::new().sealable(sealable).create("x").err(),
                    Some(CreateError::Kernel(error))
                );
            }
            same!(kernel::open_descriptors(), before);
            Ok(())
        })?;
    }
    // Adding `F_SEAL_SEAL` fails.
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    children::apart(|| {
        let before = kernel::open_descriptors();
        ok!(raw::refuse(
            Which::Equal(sc::nr::FCNTL, 1, linux_raw_sys::general::F_ADD_SEALS),
            Errno::EIO
        ));
        same!(
            MemFdOptions::new().sealable(false).create("x").err(),
            Some(CreateError::Kernel(Errno::EIO))
        );
        same!(kernel::open_descriptors(), before);
        Ok(())
    })
}

/// Runs `body` in a pid namespace in which `vm.memfd_noexec` is `value`. The machine's own setting
/// stays.
fn with_exec_setting(world: &World, value: u32, body: impl FnOnce() -> Verdict) -> Verdict {
    needs!(world.own_noexec, world::NO_OWN_NOEXEC);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    children::apart(|| {
        ok!(raw::unshare(UnshareFlags::NEWPID));
        children::apart(|| {
            ok!(kernel::write_number(world::NOEXEC, value));
            body()
        })
    })
}

fn the_exec_setting_refuses_and_the_refusal_comes_back(world: &World) -> Verdict {
    with_exec_setting(world, 2, || {
        let executable = MemFdOptions::new().executable(true);
        same!(seen(executable), Err(CreateError::Kernel(Errno::EACCES)));
        same!(
            seen(executable.sealable(false)),
            Err(CreateError::Kernel(Errno::EACCES))
        );
        same!(seen(MemFdOptions::new()), Ok((0o666, Seals::EXEC, true)));
        Ok(())
    })?;
    // With 1, a file is executable only if that is requested, which the options do.
    with_exec_setting(world, 1, || {
        let executable = MemFdOptions::new().executable(true);
        same!(seen(executable), Ok((0o777, Seals::empty(), true)));
        same!(seen(MemFdOptions::new()), Ok((0o666, Seals::EXEC, true)));
        Ok(())
    })
}

fn a_filter_that_does_not_know_the_exec_flags_changes_no_file(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    for setting in [0, 1, 2] {
        with_exec_setting(world, setting, || {
            ok!(raw::refuse(NEW_FLAGS, Errno::EINVAL));
            let new = MemFdOptions::new;
            let closed = Seals::EXEC | Seals::SEAL;
            same!(seen(new()), Ok((0o666, Seals::EXEC, true)));
            same!(seen(new().sealable(false)), Ok((0o666, closed, true)));
            // Without the flag, 1 and 2 make a file that is not executable.
            let executable = |seals| match setting {
                0 => Ok((0o777, seals, true)),
                _ => Err(CreateError::Kernel(Errno::EACCES)),
            };
            let new = || MemFdOptions::new().executable(true);
            let before = kernel::open_descriptors();
            same!(seen(new()), executable(Seals::empty()));
            same!(seen(new().sealable(false)), executable(Seals::SEAL));
            same!(kernel::open_descriptors(), before);
            Ok(())
        })?;
    }
    Ok(())
}

fn not_sealable_is_true_where_the_exec_setting_allows_sealing(world: &World) -> Verdict {
    for setting in [0, 1, 2] {
        with_exec_setting(world, setting, || {
            let plain = ok!(owned_memfd::OwnedMemFd::create(
                c"plain",
                MemFdFlags::empty()
            ));
            // The kernel makes a file sealable although that was not requested.
            let expected = if setting == 0 {
                Seals::SEAL
            } else {
                Seals::EXEC
            };
            same!(plain.seals(), Ok(expected));

            let file = ok!(MemFdOptions::new().sealable(false).create(c"closed"));
            same!(file.seals(), Ok(Seals::SEAL | Seals::EXEC));
            refused!(file.add_seals(Seals::WRITE), Errno::EPERM);
            Ok(())
        })?;
    }
    Ok(())
}

/// Without the seal about execution.
fn without() -> MemFdOptions {
    MemFdOptions::new().exec_seal(false)
}

/// What a file has that this crate has sealed, and nothing else.
const FINAL: Seals = Seals::SEAL
    .union(Seals::SHRINK)
    .union(Seals::GROW)
    .union(Seals::WRITE);

/// The file is sealed, and neither its mode nor its seals say more.
fn is_final(sealed: &SealedMemFd) -> Verdict {
    same!(FINAL.bits(), 0xf);
    same!(raw::seals(sealed), Ok(0xf));
    same!(kernel::mode(sealed), Ok(0o666));
    Ok(())
}

fn every_way_of_filling_is_final() -> Verdict {
    let Ok(sealed) = ok!(without().create("x")).seal() else {
        fail!("it is not sealed");
    };
    is_final(&sealed)?;
    is_final(&ok!(without().copy_from_slice("x", b"x")))?;
    is_final(&ok!(without().create_with("x", 1, |_| {})))?;
    is_final(&ok!(without().create_with("x", PAGE, |_| {})))?;
    let mut buffer = [0; 8];
    is_final(&ok!(ok!(without().writer("x", &mut buffer)).finish()))?;
    // What the other options say is true too.
    let none = Seals::empty();
    same!(seen(without()), Ok((0o666, none, true)));
    same!(
        seen(without().close_on_exec(false)),
        Ok((0o666, none, false))
    );
    same!(
        seen(without().sealable(false)),
        Ok((0o666, Seals::SEAL, true))
    );
    let executable = without().executable(true);
    same!(seen(executable), Ok((0o777, none, true)));
    same!(
        seen(executable.sealable(false)),
        Ok((0o777, Seals::SEAL, true))
    );
    Ok(())
}

fn a_file_without_the_exec_seal_has_exactly_the_seals_of_sealing(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    every_way_of_filling_is_final()?;
    // The last call counts.
    same!(without().exec_seal(true), MemFdOptions::new());
    let usual = ok!(without().exec_seal(true).copy_from_slice("x", b"x"));
    same!(usual.seals(), Ok(FINAL | exec_seal(world)));
    Ok(())
}

/// No way of filling makes a file, and none leaves one open.
fn no_way_of_filling_makes_one(error: Errno) -> Verdict {
    let refused = Some(CreateError::Kernel(error));
    let before = kernel::open_descriptors();
    same!(without().create("x").err(), refused);
    same!(without().sealable(false).create("x").err(), refused);
    same!(without().copy_from_slice("x", b"x").err(), refused);
    same!(without().create_with("x", 1, |_| {}).err(), refused);
    same!(without().writer("x", &mut [0; 8]).err(), refused);
    same!(kernel::open_descriptors(), before);
    Ok(())
}

fn a_file_without_the_exec_seal_is_made_where_the_setting_allows_it(world: &World) -> Verdict {
    for setting in [0, 1] {
        with_exec_setting(world, setting, every_way_of_filling_is_final)?;
    }
    with_exec_setting(world, 2, || {
        no_way_of_filling_makes_one(Errno::EACCES)?;
        // It says nothing about an executable file.
        same!(
            seen(without().executable(true)),
            Err(CreateError::Kernel(Errno::EACCES))
        );
        Ok(())
    })
}

/// Before Linux 6.3, or where a filter says that this were so.
fn a_file_without_the_exec_seal_is_made_on_every_kernel(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    if world.exec_flags {
        needs!(world.filters, world::NO_FILTERS);
        ok!(raw::refuse(NEW_FLAGS, Errno::EINVAL));
    }
    every_way_of_filling_is_final()
}

fn a_file_without_the_exec_seal_is_not_executable_or_not_made(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    // Where a filter hides the flags, 1 and 2 make every file with the seal.
    for setting in [1, 2] {
        with_exec_setting(world, setting, || {
            ok!(raw::refuse(NEW_FLAGS, Errno::EINVAL));
            no_way_of_filling_makes_one(Errno::EACCES)
        })?;
    }
    // The file is executable until its mode is set.
    ok!(raw::refuse(Which::All(sc::nr::FCHMOD), Errno::EIO));
    needs!(world.exec_is_free, world::NOEXEC_SET);
    no_way_of_filling_makes_one(Errno::EIO)
}

/// The effect of `vm.memfd_noexec` at this value on this process.
fn has_exec_setting(value: u64) -> Verdict {
    let plain = ok!(owned_memfd::OwnedMemFd::create(
        c"plain",
        MemFdFlags::empty()
    ));
    let mode = if value == 0 { 0o777 } else { 0o666 };
    same!(kernel::mode(&plain), Ok(mode));
    let executable = MemFdOptions::new().executable(true).create("x").err();
    let refused = (value == 2).then_some(CreateError::Kernel(Errno::EACCES));
    same!(executable, refused);
    same!(kernel::read_number(world::NOEXEC), Ok(value));
    Ok(())
}

/// In this process's pid namespace, the setting is `first` when a child namespace is made, and
/// then becomes `second`. The child tightens its own setting to `own` before that.
fn a_child_has_the_tightest(first: u64, own: u64, second: u64) -> Verdict {
    let steps = ok!(children::Steps::new());
    ok!(kernel::write_number(world::NOEXEC, first));
    let mut child = ok!(children::Child::start(raw::Descriptors::Copied, || {
        ok!(raw::unshare(UnshareFlags::NEWPID));
        children::apart(|| {
            has_exec_setting(first)?;
            for looser in 0..first {
                refused!(kernel::write_number(world::NOEXEC, looser), Errno::EINVAL);
            }
            ok!(kernel::write_number(world::NOEXEC, own));
            has_exec_setting(own)?;
            steps.reach(1);
            steps.wait_for(2)?;
            // Only what tightens it comes down.
            has_exec_setting(own.max(second))?;
            for looser in 0..second {
                refused!(kernel::write_number(world::NOEXEC, looser), Errno::EINVAL);
            }
            steps.reach(3);
            steps.wait_for(4)?;
            // The parent has the first setting again.
            has_exec_setting(own)?;
            ok!(kernel::write_number(world::NOEXEC, 2));
            has_exec_setting(2)
        })
    }));
    child.reaches(1, &steps)?;
    // The child's setting stays below.
    has_exec_setting(first)?;
    ok!(kernel::write_number(world::NOEXEC, second));
    has_exec_setting(second)?;
    steps.reach(2);
    child.reaches(3, &steps)?;
    ok!(kernel::write_number(world::NOEXEC, first));
    steps.reach(4);
    child.finish(children::PATIENCE)?;
    has_exec_setting(first)
}

/// Every order of settings, with every setting that a child may have.
fn a_child_has_the_tightest_in_every_order() -> Verdict {
    for first in 0..=2 {
        for second in 0..=2 {
            for own in first..=2 {
                a_child_has_the_tightest(first, own, second)?;
            }
        }
    }
    Ok(())
}

fn the_exec_setting_of_a_running_child_is_the_tightest_above_it(world: &World) -> Verdict {
    with_exec_setting(world, 0, a_child_has_the_tightest_in_every_order)
}

fn the_exec_setting_of_the_machine_applies_to_what_runs_below(world: &World) -> Verdict {
    needs!(world.machine, world::NO_OWN_MACHINE);
    needs!(world.own_noexec, world::NO_OWN_NOEXEC);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let verdict = a_child_has_the_tightest_in_every_order();
    // Only here may it be loosened.
    ok!(kernel::write_number(world::NOEXEC, 0));
    has_exec_setting(0)?;
    verdict
}

fn a_size_of_huge_pages_that_is_not_there_is_enodev(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    // No CPU has pages of 2, 2 KiB or 2^63 bytes.
    for bytes in [2, 2048, 1 << 63] {
        let Some(size) = HugePageSize::from_bytes(bytes) else {
            fail!("no size of {bytes} bytes");
        };
        let options = MemFdOptions::new().huge_pages(size);
        same!(
            options.create("x").err(),
            Some(CreateError::Kernel(Errno::ENODEV))
        );
    }
    // Each named size works or is not available.
    for (size, _) in NAMED {
        match MemFdOptions::new().huge_pages(size).create("x") {
            Ok(_) | Err(CreateError::Kernel(Errno::ENODEV)) => {}
            Err(error) => fail!("{size:?}: {error:?}"),
        }
    }
    Ok(())
}

fn the_last_size_of_huge_pages_counts(world: &World) -> Verdict {
    let [two, four] = [2, 4].map(HugePageSize::from_bytes);
    let (Some(two), Some(four)) = (two, four) else {
        fail!("no size of 2 bytes");
    };
    let new = MemFdOptions::new;
    same!(
        new().huge_pages(two).huge_pages(four),
        new().huge_pages(four)
    );
    same!(
        new().huge_pages(two).huge_pages(HugePageSize::DEFAULT),
        new().huge_pages(HugePageSize::DEFAULT)
    );
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    ok!(new()
        .huge_pages(two)
        .huge_pages(HugePageSize::DEFAULT)
        .create("x"));
    Ok(())
}

fn sealable_huge_pages_have_all_that_was_asked_for(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let huge = MemFdOptions::new().huge_pages(HugePageSize::DEFAULT);
    same!(seen(huge), Ok((0o666, exec_seal(world), true)));
    let closed = huge.sealable(false).close_on_exec(false);
    same!(
        seen(closed),
        Ok((0o666, exec_seal(world) | Seals::SEAL, false))
    );
    ok!(kernel::fill_the_table());
    same!(seen(huge), Err(CreateError::Kernel(Errno::EMFILE)));
    Ok(())
}
