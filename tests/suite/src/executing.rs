//! Claims about running a memory file: what the program receives, and what each error means.
//!
//! The program comes from `parties`. It prints what it received.

use crate::{
    Verdict, World, attacks,
    children::{self, Supervisor},
    claim::Text,
    kernel, parties,
    parties::{Ended, Execution, Outcome, Program},
    raw::{self, Buffer, Response, Which, number},
    world,
};
use core::{error::Error, ffi::CStr};
use owned_memfd::{
    Errno, MemFdFlags, MemFdOptions, OwnedMemFd, SealedMemFd, Seals,
    exec::{Arg, Args, ExecError, ensure_sealed},
};
use rustix::fs::OFlags;

claims!(
    a_list_without_an_end_is_none,
    a_list_ends_at_its_first_none,
    a_list_of_the_kernels_is_a_list,
    an_argument_shows_its_text,
    a_program_gets_its_arguments_and_its_environment,
    a_program_runs_without_arguments_and_without_environment,
    a_program_gets_ten_thousand_arguments,
    a_longer_argument_than_the_kernel_takes_is_e2big,
    more_arguments_than_the_kernel_takes_are_e2big,
    a_sealed_program_runs,
    a_program_runs_while_the_descriptor_that_made_it_is_open,
    a_program_runs_by_a_reading_descriptor,
    the_text_of_a_running_program_changes_unless_it_is_sealed,
    a_program_runs_when_the_table_is_full,
    a_program_runs_without_execveat,
    a_program_runs_where_only_proc_finds_it,
    a_program_runs_where_only_the_process_has_a_path,
    a_program_does_not_run_where_there_is_no_way,
    a_false_proc_runs_no_other_file,
    a_thread_with_descriptors_of_its_own_runs_its_own_file,
    a_file_that_is_not_executable_is_refused,
    a_file_that_is_not_executable_becomes_so_by_an_access_list,
    a_file_that_is_no_program_is_refused,
    an_empty_file_is_named,
    a_program_that_is_cut_in_its_headers_is_named,
    a_program_for_another_cpu_is_named,
    a_program_for_another_word_size_or_byte_order_is_named,
    a_file_that_is_open_for_writing_elsewhere_is_refused,
    a_script_runs_while_its_descriptor_stays_open,
    a_script_whose_descriptor_is_closed_is_refused,
    a_script_whose_descriptor_is_closed_is_refused_without_execveat,
    a_script_may_have_blanks_before_its_interpreter,
    a_file_that_names_no_interpreter_is_no_script,
    a_file_that_names_nothing_is_no_script_that_lacks_its_descriptor,
    a_missing_interpreter_is_named,
    a_missing_interpreter_is_named_without_execveat,
    a_missing_interpreter_is_named_when_the_table_is_full,
    a_missing_interpreter_is_named_without_dev_fd,
    a_pipe_in_the_place_of_dev_fd_is_not_opened,
    a_missing_dev_fd_is_named,
    a_file_on_huge_pages_is_refused,
    a_file_that_may_be_longer_than_was_proven_is_refused,
    what_was_proven_of_a_longer_file_runs_as_a_copy,
    a_check_looks_at_the_mode_and_not_at_the_content,
    a_check_is_refused_where_an_execution_would_be,
    a_check_that_the_kernel_does_not_know_says_so,
    this_program_goes_on_from_a_sealed_copy_and_from_no_emulators,
    this_program_is_opened_where_it_was_looked_for,
    this_program_does_not_go_on_without_proc,
    this_program_does_not_go_on_by_a_false_proc,
    this_program_does_not_go_on_as_another_process,
    this_program_does_not_go_on_if_its_link_is_hidden,
    this_program_does_not_go_on_if_another_link_hides_its_own,
    every_refusal_says_what_it_is,
);

const NOTHING: Args<'static> = Args::EMPTY;

/// The program for this machine's CPU. Skips the claim if it cannot run.
fn program(world: &World) -> Result<Program, crate::Stop> {
    needs!(world.exec_is_free || world.exec_flags, world::NOEXEC_SET);
    needs!(world.proc, world::NO_PROC);
    match Program::of_this_machine() {
        Some(program) => Ok(program),
        None => Err(crate::Stop::Skipped(parties::NO_PROGRAMS)),
    }
}

/// The file runs with this list of `count` arguments, prints `expected`, and exits.
fn says(file: &OwnedMemFd, args: Args<'_>, env: Args<'_>, count: i32, expected: &[u8]) -> Verdict {
    let output = ok!(kernel::sealable());
    match ok!(parties::outcome(&output, file, args, env)) {
        Outcome::Ran(ended) => same!(ended, Ended::Exited(count)),
        Outcome::Refused(error) => fail!("refused with {error:?}"),
    }
    let mut room = [0; 256];
    let len = ok!(kernel::pread(&output, &mut room, 0));
    same!(
        Text::of(room[..len].escape_ascii()).as_str(),
        Text::of(expected.escape_ascii()).as_str()
    );
    Ok(())
}

/// The file runs.
fn runs(file: &OwnedMemFd) -> Verdict {
    let list = [Some(Arg::new(c"name")), None];
    let Some(args) = Args::new(&list) else {
        fail!("a list that has an end is refused");
    };
    says(file, args, NOTHING, 1, b"name\0")
}

/// Executing the file fails, in a process that continues with the file unchanged.
fn is_refused(file: &OwnedMemFd, expected: ExecError) -> Verdict {
    is_refused_with(file, NOTHING, NOTHING, expected)
}

fn is_refused_with(
    file: &OwnedMemFd,
    args: Args<'_>,
    env: Args<'_>,
    expected: ExecError,
) -> Verdict {
    let output = ok!(kernel::sealable());
    let before = (kernel::close_on_exec(file), raw::seals(file), file.len());
    match ok!(parties::outcome(&output, file, args, env)) {
        Outcome::Refused(error) => same!(error, expected),
        Outcome::Ran(ended) => fail!("executed, and {ended:?}"),
    }
    // A direct call fails too, and does not replace the process.
    children::apart(|| {
        same!(file.exec(args, env).err(), Some(expected));
        let after = (kernel::close_on_exec(file), raw::seals(file), file.len());
        same!(after, before);
        Ok(())
    })?;
    same!(output.len(), Ok(0));
    Ok(())
}

// Lists.

fn a_list_without_an_end_is_none(_: &World) -> Verdict {
    let arg = Some(Arg::new(c"a"));
    holds!(Args::new(&[]).is_none());
    holds!(Args::new(&[arg]).is_none());
    holds!(Args::new(&[arg, None, arg]).is_none());
    holds!(Args::new(&[None]).is_some());
    holds!(Args::new(&[arg, None]).is_some());
    holds!(Args::new(&[arg, None, arg, None]).is_some());
    Ok(())
}

fn a_list_ends_at_its_first_none(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let list = [c"a", c"b", c"", c"c"].map(|text| Some(Arg::new(text)));
    let [a, b, empty, c] = list;
    let (args, env) = ([a, empty, b, None, c, None], [None, c, None]);
    let (Some(args), Some(env)) = (Args::new(&args), Args::new(&env)) else {
        fail!("a list that has an end is refused");
    };
    says(&file, args, env, 3, b"a\0\0b\0")
}

fn a_list_of_the_kernels_is_a_list(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let args = [c"one".as_ptr(), c"two".as_ptr(), core::ptr::null()];
    let env = [c"A=b".as_ptr(), core::ptr::null()];
    let (args, env) = (parties::args(&args), parties::args(&env));
    says(&file, args, env, 2, b"one\0two\0A=b\0")
}

fn an_argument_shows_its_text(_: &World) -> Verdict {
    const LIST: [Option<Arg<'static>>; 2] = [Some(Arg::new(c"constant")), None];

    let text = Text::of(format_args!("{:?}", LIST[0]));
    same!(text.as_str(), "Some(\"constant\")");
    let text = Text::of(format_args!("{:?}", Arg::from(c"a\xff\"")));
    same!(text.as_str(), "\"a\\xff\\\"\"");
    same!(size_of::<Option<Arg<'_>>>(), size_of::<*const u8>());
    Ok(())
}

// Programs that run.

fn a_program_gets_its_arguments_and_its_environment(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let (args, env) = (
        [c"own name", c"", c"\xff\n", c"--last"].map(|text| Some(Arg::new(text))),
        [c"A=b", c"no equals sign", c"=", c"A=b"].map(|text| Some(Arg::new(text))),
    );
    let end = |list: [Option<Arg<'static>>; 4]| {
        let [a, b, c, d] = list;
        [a, b, c, d, None]
    };
    let (args, env) = (end(args), end(env));
    let (Some(args), Some(env)) = (Args::new(&args), Args::new(&env)) else {
        fail!("a list that has an end is refused");
    };
    says(
        &file,
        args,
        env,
        4,
        b"own name\0\0\xff\n\0--last\0A=b\0no equals sign\0=\0A=b\0",
    )
}

/// Since Linux 5.18, and in kernels with its backport, a program always gets a first argument,
/// even if only an empty one.
fn a_program_runs_without_arguments_and_without_environment(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let env = [Some(Arg::new(c"A=b")), None];
    let Some(env) = Args::new(&env) else {
        fail!("a list that has an end is refused");
    };
    let output = ok!(kernel::sealable());
    match ok!(parties::outcome(&output, &file, NOTHING, env)) {
        Outcome::Ran(Ended::Exited(0 | 1)) => {}
        other => fail!("{other:?}"),
    }
    runs(&file)
}

fn a_program_gets_ten_thousand_arguments(world: &World) -> Verdict {
    const MANY: usize = 10_000;
    static LIST: [Option<Arg<'static>>; MANY + 1] = {
        let mut list = [Some(Arg::new(c"argument")); MANY + 1];
        list[MANY] = None;
        list
    };

    let file = ok!(program(world)?.file());
    let Some(args) = Args::new(&LIST) else {
        fail!("a list that has an end is refused");
    };
    let output = ok!(kernel::sealable());
    match ok!(parties::outcome(&output, &file, args, NOTHING)) {
        Outcome::Ran(ended) => same!(ended, Ended::Exited((MANY % 256) as i32)),
        Outcome::Refused(error) => fail!("refused with {error:?}"),
    }
    same!(output.len(), Ok(9 * MANY as u64));
    let mut room = [0; 9];
    for at in [0, MANY / 2, MANY - 1] {
        same!(output.read_at(&mut room, 9 * at as u64), Ok(9));
        same!(&room, b"argument\0");
    }
    Ok(())
}

/// `MAX_ARG_STRLEN`, include/uapi/linux/binfmts.h, is 32 pages; the largest page is 64 KiB.
const TOO_LONG: usize = (32 << 16) + 1;

fn a_longer_argument_than_the_kernel_takes_is_e2big(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let mut text = ok!(Buffer::new(TOO_LONG + 1));
    text[..TOO_LONG].fill(b'x');
    let text = ok!(CStr::from_bytes_until_nul(&text));
    let list = [Some(Arg::new(c"name")), Some(Arg::new(text)), None];
    let Some(list) = Args::new(&list) else {
        fail!("a list that has an end is refused");
    };
    let expected = ExecError::Kernel(Errno::E2BIG);
    is_refused_with(&file, list, NOTHING, expected)?;
    is_refused_with(&file, NOTHING, list, expected)?;
    runs(&file)
}

fn more_arguments_than_the_kernel_takes_are_e2big(world: &World) -> Verdict {
    const LEN: usize = 100_000;
    const MANY: usize = 100;

    let file = ok!(program(world)?.file());
    let mut text = ok!(Buffer::new(LEN + 1));
    text[..LEN].fill(b'x');
    let text = ok!(CStr::from_bytes_until_nul(&text));
    // More than the 6 MiB that the kernel accepts at most: three quarters of its stack limit.
    let mut list = [Some(Arg::new(text)); MANY + 1];
    list[MANY] = None;
    let Some(list) = Args::new(&list) else {
        fail!("a list that has an end is refused");
    };
    is_refused_with(&file, list, NOTHING, ExecError::Kernel(Errno::E2BIG))?;
    runs(&file)
}

fn a_sealed_program_runs(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let sealed = ok!(file.seal());
    let list = [Some(Arg::new(c"sealed")), None];
    let Some(args) = Args::new(&list) else {
        fail!("a list that has an end is refused");
    };
    let output = ok!(kernel::sealable());
    let execution = ok!(Execution::start(&output, || sealed.exec(args, NOTHING)));
    match ok!(execution.finish()) {
        Outcome::Ran(ended) => same!(ended, Ended::Exited(1)),
        Outcome::Refused(error) => fail!("refused with {error:?}"),
    }
    same!(kernel::holds_exactly(&output, b"sealed\0"), Ok(true));
    Ok(())
}

fn a_program_runs_while_the_descriptor_that_made_it_is_open(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    same!(kernel::close_on_exec(&file), Ok(true));
    runs(&file)?;
    ok!(file.set_close_on_exec(false));
    runs(&file)?;
    // The offset does not matter.
    same!(file.seek(owned_memfd::SeekFrom::Start(100)), Ok(100));
    runs(&file)
}

fn a_program_runs_by_a_reading_descriptor(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let reader = ok!(file.reopen_read_only());
    runs(&reader)?;
    drop(file);
    runs(&reader)
}

fn the_text_of_a_running_program_changes_unless_it_is_sealed(world: &World) -> Verdict {
    let program = program(world)?;
    for seal in [false, true] {
        let file = ok!(program.file());
        if seal {
            let seals = Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL;
            ok!(file.add_seals(seals));
        }
        // The program will block on a full pipe when it writes.
        let (read, write) = ok!(kernel::pipe());
        ok!(kernel::set_status_flags(&write, OFlags::NONBLOCK));
        while kernel::write(&write, &[b'x'; 4096]).is_ok() {}
        ok!(kernel::set_status_flags(&write, OFlags::empty()));
        let list = [Some(Arg::new(c"name")), None];
        let Some(args) = Args::new(&list) else {
            fail!("a list that has an end is refused");
        };
        // The other end is closed when the program starts, or when the attempt fails.
        let (started, starting) = ok!(kernel::pipe());
        let running = ok!(Execution::start(&write, || file.exec(args, NOTHING)));
        drop(starting);
        same!(kernel::read(&started, &mut [0]), Ok(0));
        refused!(kernel::reopen(&file, OFlags::RDWR), Errno::ETXTBSY);
        let len = ok!(file.len());
        if seal {
            same!(file.write_at(b"x", len - 1), Err(Errno::EPERM));
        } else {
            same!(file.write_at(b"x", len - 1), Ok(1));
        }
        let mut room = [0; 4096];
        while ok!(kernel::read(&read, &mut room)) == room.len() {}
        match ok!(running.finish()) {
            Outcome::Ran(_) => {}
            Outcome::Refused(error) => fail!("refused with {error:?}"),
        }
    }
    Ok(())
}

fn a_program_runs_when_the_table_is_full(world: &World) -> Verdict {
    let program = program(world)?;
    let file = ok!(program.file());
    let output = ok!(kernel::sealable());
    let execution = ok!(Execution::start(&output, || {
        kernel::fill_the_table()?;
        file.exec(NOTHING, NOTHING)
    }));
    match ok!(execution.finish()) {
        Outcome::Ran(Ended::Exited(0 | 1)) => Ok(()),
        other => fail!("{other:?}"),
    }
}

// Without `execveat`.

/// The outcome if `execveat` fails with this error.
fn outcome_with(file: &OwnedMemFd, error: Errno) -> Result<Outcome, Errno> {
    let output = kernel::sealable()?;
    Execution::start(&output, || {
        raw::refuse(Which::All(sc::nr::EXECVEAT), error)?;
        file.exec(NOTHING, NOTHING)
    })?
    .finish()
}

fn a_program_runs_without_execveat(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(program(world)?.file());
    match ok!(outcome_with(&file, Errno::ENOSYS)) {
        Outcome::Ran(Ended::Exited(0 | 1)) => {}
        other => fail!("{other:?}"),
    }
    // Any other error of the call is returned.
    match ok!(outcome_with(&file, Errno::EACCES)) {
        Outcome::Refused(ExecError::NotExecutable) => {}
        other => fail!("{other:?}"),
    }
    match ok!(outcome_with(&file, Errno::ENOMEM)) {
        Outcome::Refused(ExecError::Kernel(Errno::ENOMEM)) => Ok(()),
        other => fail!("{other:?}"),
    }
}

/// Here `execveat` fails as under TOMOYO, which finds no `/dev/fd`.
fn a_program_runs_where_only_proc_finds_it(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    let file = ok!(program(world)?.file());
    if parties::dev_fd() {
        ok!(parties::hide(c"/dev"));
    }
    match ok!(outcome_with(&file, Errno::ENOENT)) {
        Outcome::Ran(Ended::Exited(0 | 1)) => Ok(()),
        other => fail!("{other:?}"),
    }
}

fn a_program_does_not_run_where_there_is_no_way(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    let file = ok!(program(world)?.file());
    ok!(parties::hide(c"/proc"));
    match ok!(outcome_with(&file, Errno::ENOSYS)) {
        Outcome::Refused(ExecError::Kernel(Errno::ENOSYS)) => {}
        other => fail!("{other:?}"),
    }
    // `/dev/fd` leads through `/proc`.
    match ok!(outcome_with(&file, Errno::ENOENT)) {
        Outcome::Refused(ExecError::NoDevFd) => {}
        other => fail!("{other:?}"),
    }
    needs!(parties::has_execveat(), parties::NO_EXECVEAT);
    // Only TOMOYO needs what is hidden here, as in Debian's 5.10.
    let output = ok!(kernel::sealable());
    let attempt = ok!(Execution::start(&output, || {
        Err(parties::execveat(number(&file)).into())
    }));
    match ok!(attempt.finish()) {
        Outcome::Refused(ExecError::Kernel(Errno::ENOENT)) => is_refused(&file, ExecError::NoDevFd),
        Outcome::Ran(Ended::Exited(0 | 1)) => runs(&file),
        other => fail!("{other:?}"),
    }
}

/// Without `execveat`, by whatever it is missing.
fn outcome_by_path(file: &OwnedMemFd) -> Result<Outcome, Errno> {
    if parties::has_execveat() {
        outcome_with(file, Errno::ENOSYS)
    } else {
        parties::outcome(&kernel::sealable()?, file, NOTHING, NOTHING)
    }
}

fn can_do_without_execveat(world: &World) -> Verdict {
    needs!(world.filters || !parties::has_execveat(), world::NO_FILTERS);
    Ok(())
}

fn a_program_runs_where_only_the_process_has_a_path(world: &World) -> Verdict {
    can_do_without_execveat(world)?;
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    let file = ok!(program(world)?.file());
    let runs = || match ok!(outcome_by_path(&file)) {
        Outcome::Ran(Ended::Exited(0 | 1)) => Ok(()),
        other => fail!("{other:?}"),
    };
    ok!(parties::falsify_proc());
    ok!(kernel::link(c"real/self", c"/proc/self"));
    // A thread has no path of its own before Linux 3.17.
    runs()?;
    ok!(parties::false_directories(&["thread-self"]));
    runs()?;
    let [of_thread, _] = parties::paths_of(&file);
    ok!(kernel::named_pipe(of_thread.path()));
    runs()
}

fn a_false_proc_runs_no_other_file(world: &World) -> Verdict {
    can_do_without_execveat(world)?;
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    let program = program(world)?;
    let file = ok!(program.file());
    ok!(parties::hide(c"/proc"));
    ok!(parties::false_directories(&["self", "thread-self"]));
    let is_refused = || match ok!(outcome_by_path(&file)) {
        Outcome::Refused(ExecError::Kernel(Errno::ENOSYS)) => Ok(()),
        other => fail!("{other:?}"),
    };
    // A program that would run.
    let paths = parties::paths_of(&file);
    for path in &paths {
        let flags = OFlags::CREATE | OFlags::RDWR;
        let decoy = raw::disguise(ok!(kernel::open(path.path(), flags)));
        ok!(program.copy_to(&decoy));
        ok!(decoy.set_mode(0o700));
    }
    is_refused()?;
    // A pipe, which nobody writes.
    for path in &paths {
        ok!(kernel::unlink(path.path()));
        ok!(kernel::named_pipe(path.path()));
    }
    is_refused()
}

fn a_thread_with_descriptors_of_its_own_runs_its_own_file(world: &World) -> Verdict {
    can_do_without_execveat(world)?;
    let program = program(world)?;
    // What the first thread has under the same number. It would run too.
    let (place, _interpreter) = ok!(script(program));
    ok!(place.set_close_on_exec(false));
    let outcome = |file: &OwnedMemFd| {
        let output = kernel::sealable()?;
        Execution::start(&output, || {
            if parties::has_execveat() {
                raw::refuse(Which::All(sc::nr::EXECVEAT), Errno::ENOSYS)?;
            }
            raw::in_thread(|| parties::take_place(file, &place)?.exec(NOTHING, NOTHING))?
        })?
        .finish()
    };
    match ok!(outcome(&ok!(program.file()))) {
        Outcome::Ran(Ended::Exited(0 | 1)) => {}
        other => fail!("{other:?}"),
    }
    for file in without_interpreter(world)? {
        match ok!(outcome(&file)) {
            Outcome::Refused(ExecError::NoInterpreter) => {}
            other => fail!("{other:?}"),
        }
    }
    Ok(())
}

// Files that do not run.

fn a_file_that_is_not_executable_is_refused(world: &World) -> Verdict {
    let program = program(world)?;
    let file = ok!(program.file());
    for mode in [0o666, 0o600] {
        ok!(file.set_mode(mode));
        is_refused(&file, ExecError::NotExecutable)?;
    }
    // Any execute bit is enough for root; the owner's bit is enough for the owner.
    ok!(file.set_mode(0o700));
    runs(&file)?;
    let file = ok!(MemFdOptions::new().create(c"default"));
    ok!(program.copy_to(&file));
    is_refused(&file, ExecError::NotExecutable)?;
    let sealed = ok!(file.seal());
    same!(
        sealed.exec(NOTHING, NOTHING).err(),
        Some(ExecError::NotExecutable)
    );
    Ok(())
}

fn a_file_that_is_not_executable_becomes_so_by_an_access_list(world: &World) -> Verdict {
    let program = program(world)?;
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.access_lists, world::NO_ACCESS_LISTS);
    let file = ok!(MemFdOptions::new().create(c"default"));
    ok!(program.copy_to(&file));
    let file = ok!(file.seal()).into_memfd();
    holds!(ok!(file.seals()).contains(Seals::EXEC));
    refused!(file.set_mode(0o777), Errno::EPERM);
    is_refused(&file, ExecError::NotExecutable)?;
    ok!(kernel::allow_execution(&file));
    same!(kernel::mode(&file), Ok(0o777));
    runs(&file)
}

fn a_file_that_is_no_program_is_refused(world: &World) -> Verdict {
    program(world)?;
    for content in [&b"x"[..], b"\x7fELV", b"no program\n", &[0; 300]] {
        let file = ok!(parties::executable(content));
        is_refused(&file, ExecError::InvalidExecutable)?;
    }
    // A whole ELF file for this CPU that is an object file: ET_REL.
    let file = ok!(Program::of_this_cpu().file());
    same!(file.write_at(&[1], 16), Ok(1));
    is_refused(&file, ExecError::InvalidExecutable)
}

fn an_empty_file_is_named(world: &World) -> Verdict {
    program(world)?;
    is_refused(&ok!(parties::executable(b"")), ExecError::Empty)
}

fn a_program_that_is_cut_in_its_headers_is_named(world: &World) -> Verdict {
    program(world)?;
    for len in [1, 4, 16, 19, 20, 63, 64, 65, 119] {
        let file = ok!(Program::of_this_cpu().cut_to(len));
        is_refused(&file, ExecError::Truncated)?;
    }
    // Program headers at an offset that no file has.
    let file = ok!(Program::of_this_cpu().file());
    same!(file.write_at(&[0xff; 8], 32), Ok(8));
    is_refused(&file, ExecError::Truncated)
}

fn a_program_for_another_cpu_is_named(world: &World) -> Verdict {
    // No CPU has this number, and no emulator runs its programs.
    const NONE: u16 = 0xfedc;

    program(world)?;
    let expected = ExecError::OtherMachine { machine: NONE };
    let file = ok!(Program::of_this_cpu().file());
    same!(file.write_at(&NONE.to_le_bytes(), 18), Ok(2));
    is_refused(&file, expected)?;
    // That is so whether it is cut or not, and in either byte order.
    ok!(file.set_len(20));
    is_refused(&file, expected)?;
    same!(file.write_at(&NONE.to_be_bytes(), 18), Ok(2));
    same!(file.write_at(&[2], 5), Ok(1));
    is_refused(&file, expected)
}

fn a_program_for_another_word_size_or_byte_order_is_named(world: &World) -> Verdict {
    program(world)?;
    let machine = Program::of_this_cpu().machine();
    let expected = ExecError::OtherMachine { machine };
    // ELFCLASS32, and program headers of its size.
    let file = ok!(Program::of_this_cpu().file());
    same!(file.write_at(&[1], 4), Ok(1));
    same!(file.write_at(&32_u16.to_le_bytes(), 54), Ok(2));
    is_refused(&file, expected)?;
    // ELFDATA2MSB.
    let file = ok!(Program::of_this_cpu().file());
    same!(file.write_at(&[2], 5), Ok(1));
    same!(file.write_at(&machine.to_be_bytes(), 18), Ok(2));
    is_refused(&file, expected)
}

fn a_file_that_is_open_for_writing_elsewhere_is_refused(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    let writer = ok!(kernel::reopen(&file, OFlags::RDWR));
    is_refused(&file, ExecError::ExecutableFileBusy)?;
    drop(writer);
    runs(&file)?;
    let writer = ok!(kernel::reopen(&file, OFlags::WRONLY));
    is_refused(&file, ExecError::ExecutableFileBusy)?;
    // Sealing does not close the writer's descriptor.
    let sealed = ok!(file.seal());
    same!(
        sealed.exec(NOTHING, NOTHING).err(),
        Some(ExecError::ExecutableFileBusy)
    );
    drop(writer);
    runs(&sealed.into_memfd())
}

// Scripts.

/// A script whose interpreter is the program, in a second file, and that file.
fn script(program: Program) -> Result<(OwnedMemFd, OwnedMemFd), Errno> {
    let interpreter = program.file()?;
    let line = Text::of(format_args!("#!/proc/self/fd/{}\n", number(&interpreter)));
    Ok((parties::executable(line.as_str().as_bytes())?, interpreter))
}

fn a_script_runs_while_its_descriptor_stays_open(world: &World) -> Verdict {
    let (script, interpreter) = ok!(script(program(world)?));
    ok!(script.set_close_on_exec(false));
    let list = [Some(Arg::new(c"name")), Some(Arg::new(c"given")), None];
    let Some(args) = Args::new(&list) else {
        fail!("a list that has an end is refused");
    };
    let directory = if parties::has_execveat() {
        "/dev/fd"
    } else {
        "/proc/thread-self/fd"
    };
    let expected = Text::of(format_args!(
        "/proc/self/fd/{}\0{directory}/{}\0given\0",
        number(&interpreter),
        number(&script)
    ));
    says(&script, args, NOTHING, 3, expected.as_str().as_bytes())
}

/// The interpreter would find the descriptor closed, when there is no way back.
fn a_script_whose_descriptor_is_closed_is_refused(world: &World) -> Verdict {
    let (script, _interpreter) = ok!(script(program(world)?));
    same!(kernel::close_on_exec(&script), Ok(true));
    is_refused(&script, ExecError::ScriptCloseOnExec)?;
    let sealed = ok!(script.seal());
    is_refused(&sealed.into_memfd(), ExecError::ScriptCloseOnExec)
}

fn a_script_whose_descriptor_is_closed_is_refused_without_execveat(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let (script, _interpreter) = ok!(script(program(world)?));
    for error in [Errno::ENOSYS, Errno::ENOENT] {
        match ok!(outcome_with(&script, error)) {
            Outcome::Refused(ExecError::ScriptCloseOnExec) => {}
            other => fail!("{error:?}: {other:?}"),
        }
    }
    Ok(())
}

/// `#! /bin/sh` is as usual as `#!/bin/sh`.
fn a_script_may_have_blanks_before_its_interpreter(world: &World) -> Verdict {
    let interpreter = ok!(program(world)?.file());
    for blanks in [" ", "\t", " \t "] {
        let path = number(&interpreter);
        let line = Text::of(format_args!("#!{blanks}/proc/self/fd/{path}\n"));
        let script = ok!(parties::executable(line.as_str().as_bytes()));
        is_refused(&script, ExecError::ScriptCloseOnExec)?;
        if world.filters {
            match ok!(outcome_with(&script, Errno::ENOSYS)) {
                Outcome::Refused(ExecError::ScriptCloseOnExec) => {}
                other => fail!("{other:?}"),
            }
        }
        ok!(script.set_close_on_exec(false));
        let output = ok!(kernel::sealable());
        match ok!(parties::outcome(&output, &script, NOTHING, NOTHING)) {
            Outcome::Ran(_) => {}
            Outcome::Refused(error) => fail!("refused with {error:?}"),
        }
    }
    Ok(())
}

fn a_file_that_names_no_interpreter_is_no_script(world: &World) -> Verdict {
    program(world)?;
    for content in [&b"#!\n/bin/sh\n"[..], b"#! \n/bin/sh\n", b"#!\t \t\n"] {
        let file = ok!(parties::executable(content));
        is_refused(&file, ExecError::InvalidExecutable)?;
        if world.filters {
            match ok!(outcome_with(&file, Errno::ENOSYS)) {
                Outcome::Refused(ExecError::InvalidExecutable) => {}
                other => fail!("{content:?}: {other:?}"),
            }
        }
    }
    Ok(())
}

/// The kernel takes a NUL, and the end of the file, for the end of a name without a letter. No
/// descriptor would help such a file.
fn a_file_that_names_nothing_is_no_script_that_lacks_its_descriptor(world: &World) -> Verdict {
    program(world)?;
    for content in [&b"#!"[..], b"#!  ", b"#!\0", b"#! \0/bin/sh\n"] {
        let file = ok!(parties::executable(content));
        let output = ok!(kernel::sealable());
        let mut outcomes = [
            Some(ok!(parties::outcome(&output, &file, NOTHING, NOTHING))),
            None,
        ];
        if world.filters {
            outcomes[1] = Some(ok!(outcome_with(&file, Errno::ENOSYS)));
        }
        for outcome in outcomes.into_iter().flatten() {
            match outcome {
                Outcome::Refused(error) if error != ExecError::ScriptCloseOnExec => {}
                other => fail!("{content:?}: {other:?}"),
            }
        }
    }
    Ok(())
}

/// Files whose interpreter does not exist.
fn without_interpreter(world: &World) -> Result<[OwnedMemFd; 2], crate::Stop> {
    let program = program(world)?;
    let script = ok!(parties::executable(b"#!/nowhere/interpreter\n"));
    ok!(script.set_close_on_exec(false));
    Ok([ok!(program.linked_by(c"/nowhere/linker")), script])
}

fn a_missing_interpreter_is_named(world: &World) -> Verdict {
    for file in without_interpreter(world)? {
        is_refused(&file, ExecError::NoInterpreter)?;
    }
    Ok(())
}

fn a_missing_interpreter_is_named_without_execveat(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    for file in without_interpreter(world)? {
        match ok!(outcome_with(&file, Errno::ENOSYS)) {
            Outcome::Refused(ExecError::NoInterpreter) => {}
            other => fail!("{other:?}"),
        }
    }
    Ok(())
}

fn a_missing_interpreter_is_named_when_the_table_is_full(world: &World) -> Verdict {
    let files = without_interpreter(world)?;
    children::apart(|| {
        ok!(kernel::fill_the_table());
        for file in &files {
            same!(
                file.exec(NOTHING, NOTHING).err(),
                Some(ExecError::NoInterpreter)
            );
        }
        Ok(())
    })
}

fn a_missing_interpreter_is_named_without_dev_fd(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    let files = without_interpreter(world)?;
    if parties::dev_fd() {
        ok!(parties::hide(c"/dev"));
    }
    for file in &files {
        is_refused(file, ExecError::NoInterpreter)?;
        if world.filters {
            match ok!(outcome_by_path(file)) {
                Outcome::Refused(ExecError::NoInterpreter) => {}
                other => fail!("{other:?}"),
            }
        }
    }
    Ok(())
}

fn a_pipe_in_the_place_of_dev_fd_is_not_opened(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    let files = without_interpreter(world)?;
    // Where the kernel mounts nothing, it may not be there.
    let _ = kernel::directory(c"/dev");
    ok!(parties::hide(c"/dev"));
    ok!(kernel::named_pipe(c"/dev/fd"));
    for file in files {
        is_refused(&file, ExecError::NoInterpreter)?;
    }
    Ok(())
}

/// Without a way through `/proc` either, it is one of two causes.
fn a_missing_dev_fd_is_named(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(parties::has_execveat(), parties::NO_EXECVEAT);
    let files = without_interpreter(world)?;
    if parties::dev_fd() {
        ok!(parties::hide(c"/dev"));
    }
    ok!(parties::hide(c"/proc"));
    for file in files {
        is_refused(&file, ExecError::NoDevFd)?;
    }
    Ok(())
}

fn a_file_on_huge_pages_is_refused(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let flags = MemFdFlags::CLOEXEC | MemFdFlags::HUGETLB;
    let exec = if world.exec_flags {
        MemFdFlags::EXEC
    } else {
        MemFdFlags::empty()
    };
    let file = match OwnedMemFd::create(c"huge", flags | exec) {
        Err(Errno::EACCES) if !world.exec_is_free => {
            return Err(crate::Stop::Skipped(world::NOEXEC_SET));
        }
        file => ok!(file),
    };
    same!(file.check_exec(), Err(ExecError::HugePages));
    is_refused(&file, ExecError::HugePages)
}

// Checking without executing.

/// Whether the kernel supports the check: since Linux 6.14.
fn can_check(file: &OwnedMemFd) -> Verdict {
    match file.check_exec() {
        Err(ExecError::Kernel(Errno::EINVAL | Errno::ENOSYS)) => {
            Err(crate::Stop::Skipped(parties::NO_CHECK))
        }
        _ => Ok(()),
    }
}

fn a_file_that_may_be_longer_than_was_proven_is_refused(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    let refusal = Some(ExecError::UnprovenLength);
    attacks::with_unproven_lengths(
        b"#! no interpreter",
        3 << 30,
        |sealed| {
            same!(sealed.exec(NOTHING, NOTHING).err(), refusal);
            same!(sealed.check_exec().err(), refusal);
            Ok(())
        },
        |sealed| {
            holds!(sealed.exec(NOTHING, NOTHING).err() != refusal);
            holds!(sealed.check_exec().err() != refusal);
            Ok(())
        },
    )
}

fn what_was_proven_of_a_longer_file_runs_as_a_copy(world: &World) -> Verdict {
    let sender = ok!(program(world)?.file());
    ok!(sender.add_seals(Seals::WRITE | Seals::SHRINK));
    let sealed = ok!(SealedMemFd::try_from(ok!(kernel::dup(&sender))));
    same!(
        sealed.exec(NOTHING, NOTHING).err(),
        Some(ExecError::UnprovenLength)
    );
    let content = ok!(sealed.map());
    let options = MemFdOptions::new().executable(true);
    let copy = ok!(options.create_with(c"copy", content.len(), |bytes| {
        bytes.copy_from_slice(&content);
    }));
    runs(&copy.into_memfd())
}

fn a_check_looks_at_the_mode_and_not_at_the_content(world: &World) -> Verdict {
    let program = program(world)?;
    for file in [
        ok!(program.file()),
        ok!(parties::executable(b"")),
        ok!(parties::executable(b"no program")),
    ] {
        can_check(&file)?;
        same!(file.check_exec(), Ok(()));
        ok!(file.set_mode(0o666));
        same!(file.check_exec(), Err(ExecError::NotExecutable));
        ok!(file.set_mode(0o777));
        let sealed = ok!(file.seal());
        same!(sealed.check_exec(), Ok(()));
    }
    let refused = ok!(SealedMemFd::copy_from_slice(c"default", b""));
    same!(refused.check_exec(), Err(ExecError::NotExecutable));
    Ok(())
}

fn a_check_is_refused_where_an_execution_would_be(world: &World) -> Verdict {
    let file = ok!(program(world)?.file());
    can_check(&file)?;
    let writer = ok!(kernel::reopen(&file, OFlags::RDWR));
    same!(file.check_exec(), Err(ExecError::ExecutableFileBusy));
    drop(writer);
    same!(file.check_exec(), Ok(()));
    Ok(())
}

fn a_check_that_the_kernel_does_not_know_says_so(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(program(world)?.file());
    for error in [Errno::EINVAL, Errno::ENOSYS] {
        children::apart(|| {
            ok!(raw::refuse(Which::All(sc::nr::EXECVEAT), error));
            same!(file.check_exec(), Err(ExecError::Kernel(error)));
            Ok(())
        })?;
    }
    Ok(())
}

// A sealed copy of this program.

/// What happens if this program goes on from a copy that only lists the claims, and how much that
/// prints. `prepare` is called in the process that does.
fn going_on(prepare: impl FnOnce() -> Result<(), Errno>) -> Result<(Outcome, u64), Errno> {
    let list = [Some(Arg::new(c"suite")), Some(Arg::new(c"--list")), None];
    let output = kernel::sealable()?;
    let args = Args::new(&list).ok_or(Errno::EINVAL)?;
    let execution = Execution::start(&output, || {
        prepare()?;
        ensure_sealed(args, NOTHING).and(Err(STAYS))
    })?;
    Ok((execution.finish()?, output.len()?))
}

/// What says that this program already runs from a sealed copy: machines that are booted do, since
/// `examples/init` carries it there.
const STAYS: ExecError = ExecError::Kernel(Errno::EEXIST);

fn runs_from_a_sealed_copy() -> Result<bool, Errno> {
    let program = kernel::open(c"/proc/self/exe", OFlags::RDONLY)?;
    let seals = raw::seals(&program).unwrap_or(0);
    Ok(Seals::from_bits_retain(seals).contains(Seals::WRITE | Seals::SHRINK))
}

/// The CPU for which the file is that the kernel runs: this program, or an emulator of it.
fn machine_that_runs_this() -> Result<u16, Errno> {
    // By the usual path, an emulator shows this program.
    let file = kernel::open(c"/proc/thread-self/exe", OFlags::RDONLY)?;
    let mut machine = [0; 2];
    kernel::pread(&file, &mut machine, 18)?;
    Ok(u16::from_le_bytes(machine))
}

/// That it makes no copy of the copy, `tests/exec.rs` shows.
fn this_program_goes_on_from_a_sealed_copy_and_from_no_emulators(world: &World) -> Verdict {
    program(world)?;
    let is_sealed = ok!(runs_from_a_sealed_copy());
    let machine = ok!(machine_that_runs_this());
    let is_emulated = machine != Program::of_this_cpu().machine();
    // An emulator of this CPU would be executed.
    needs!(parties::has_execveat() || is_emulated, parties::NO_EXECVEAT);
    match ok!(going_on(|| Ok(()))) {
        (Outcome::Refused(error), 0) if is_emulated => {
            same!(error, ExecError::OtherMachine { machine });
            Ok(())
        }
        (Outcome::Ran(Ended::Exited(0)), len) if len > 0 && !is_sealed => Ok(()),
        (Outcome::Refused(STAYS), 0) if is_sealed => Ok(()),
        other => fail!("{other:?}"),
    }
}

/// What is opened is what was looked at, whatever is mounted on `/proc` meanwhile: no other path is
/// walked after the one that leads there.
fn this_program_is_opened_where_it_was_looked_for(world: &World) -> Verdict {
    /// `AT_FDCWD`, from linux/fcntl.h.
    const CURRENT_DIRECTORY: u32 = -100_i32 as u32;

    program(world)?;
    needs!(parties::has_execveat(), parties::NO_EXECVEAT);
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let is_sealed = ok!(runs_from_a_sealed_copy());
    // The directory of this process, and any further one.
    let responses = [Response::LetThrough, Response::Error(Errno::EACCES)];
    let by_path = Which::Equal(sc::nr::OPENAT, 0, CURRENT_DIRECTORY);
    children::apart(|| {
        let supervisor = Supervisor::of(by_path, &responses)?;
        let copied = going_on(|| {
            // The copy is made, and then not executed: it would open its libraries.
            raw::refuse(Which::All(sc::nr::EXECVEAT), Errno::EPERM)
        });
        match ok!(copied) {
            (Outcome::Refused(ExecError::Kernel(Errno::EPERM)), 0) if !is_sealed => {}
            (Outcome::Refused(STAYS), 0) if is_sealed => {}
            other => fail!("{other:?}"),
        }
        same!(supervisor.calls(), 1);
        Ok(())
    })
}

fn does_not_go_on(prepare: impl FnOnce() -> Result<(), Errno>) -> Verdict {
    match ok!(going_on(prepare)) {
        (Outcome::Refused(ExecError::NoProc), 0) => Ok(()),
        other => fail!("{other:?}"),
    }
}

fn this_program_does_not_go_on_without_proc(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    does_not_go_on(|| parties::hide(c"/proc"))
}

/// Whose `exe` would be this program for ever.
fn this_program_does_not_go_on_by_a_false_proc(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    let falsify = || {
        parties::falsify_proc()?;
        parties::false_directories(&["self"])?;
        kernel::link(c"/proc/real/self/exe", c"/proc/self/exe")
    };
    does_not_go_on(falsify)?;
    // It shows the descriptors too.
    does_not_go_on(|| {
        falsify()?;
        rustix::mount::mount_bind(c"/proc/real/self/fd", c"/proc/self/fd").map_err(raw::errno)
    })
}

/// A procfs is there, but it shows another process, which might run the same program.
fn this_program_does_not_go_on_as_another_process(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    does_not_go_on(|| {
        parties::falsify_proc()?;
        kernel::directory(c"/proc/self")?;
        rustix::mount::mount_bind(c"/proc/real/1", c"/proc/self").map_err(raw::errno)
    })
}

/// Another file is mounted over the link of this process.
fn a_hidden_link_stops_this_program(world: &World, source: &CStr) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(world.proc, world::NO_PROC);
    does_not_go_on(|| {
        rustix::process::chdir(c"/proc/self").map_err(raw::errno)?;
        parties::mount_over(source, c"exe")
    })
}

fn this_program_does_not_go_on_if_its_link_is_hidden(world: &World) -> Verdict {
    a_hidden_link_stops_this_program(world, c"/proc/version")
}

/// It is told from its own by the mount, which the emulator does not tell.
fn this_program_does_not_go_on_if_another_link_hides_its_own(world: &World) -> Verdict {
    needs!(parties::has_execveat(), parties::NO_EXECVEAT);
    a_hidden_link_stops_this_program(world, c"/proc/1/exe")
}

fn every_refusal_says_what_it_is(_: &World) -> Verdict {
    let machine = Program::of_this_cpu().machine();
    let own = [
        ExecError::NotExecutable,
        ExecError::ExecutableFileBusy,
        ExecError::Empty,
        ExecError::Truncated,
        ExecError::OtherMachine { machine },
        ExecError::OtherMachine { machine: 1234 },
        ExecError::InvalidExecutable,
        ExecError::NoProc,
        ExecError::UnsealedCopy,
        ExecError::ScriptCloseOnExec,
        ExecError::NoInterpreter,
        ExecError::NoDevFd,
        ExecError::HugePages,
        ExecError::UnprovenLength,
    ];
    for (index, error) in own.iter().enumerate() {
        let text = Text::of(error);
        holds!(!text.as_str().is_empty());
        holds!(error.source().is_none());
        for other in &own[..index] {
            holds!(Text::of(other).as_str() != text.as_str());
        }
    }
    let other = Text::of(ExecError::OtherMachine { machine: 1234 });
    let this_one = match machine {
        62 => "this one is 62 (x86_64)",
        183 => "this one is 183 (aarch64)",
        _ => "this one is 243 (riscv)",
    };
    holds!(other.as_str().ends_with(this_one));
    for (number, name) in [
        (3, "3 (i386)"),
        (40, "40 (arm)"),
        (62, "62 (x86_64)"),
        (183, "183 (aarch64)"),
        (243, "243 (riscv)"),
    ] {
        // This one would be of another word size or byte order.
        let said = Text::of(ExecError::OtherMachine { machine: number });
        holds!(
            number == machine || said.as_str().contains(name),
            "{said:?}"
        );
    }
    let kernel = ExecError::from(Errno::E2BIG);
    same!(Text::of(kernel).as_str(), "argument list too long");
    holds!(kernel.source().is_none());
    Ok(())
}
