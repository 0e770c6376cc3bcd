//! Claims about running real programs from memory: static and dynamic programs, scripts, and files
//! that are no program.
//!
//! The claims that need no std are in `tests/suite`. Under QEMU user-mode, the programs here are
//! those of the host, whose kernel executes them.

use libtest_mimic::{Arguments, Completion, Trial};
use owned_memfd::{
    CreateError, Errno, MemFdOptions, OwnedMemFd, SealedMemFd,
    exec::{Arg, Args, ExecError, ensure_sealed},
    fd::AsRawFd,
};
// With the feature `std`, it is the crate's own.
#[cfg(not(feature = "std"))]
use std::os::fd::AsRawFd as _;
use std::{
    env,
    error::Error,
    ffi::{CStr, CString},
    fmt,
    fs::{self, File},
    io,
    os::unix::{
        ffi::OsStringExt,
        fs::MetadataExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{self, Command, ExitCode, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use suite::{Stop, skips};

type Outcome = Result<(), Box<dyn Error>>;

/// This machine lacks something that a test needs, for a reason of `suite::skips`.
#[derive(Debug)]
struct Skipped(&'static str);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Skipped {}

/// A test and its name.
type Test = (&'static str, fn() -> Outcome);

/// Lists tests. One that is missing here is dead code.
macro_rules! tests {
    ($prefix:literal: $($test:ident),+ $(,)?) => {
        &[$((concat!($prefix, stringify!($test)), $test)),+]
    };
}

const TESTS: &[Test] = tests!["":
    a_static_program_runs,
    a_dynamic_program_runs,
    ten_thousand_arguments_arrive,
    too_long_a_list_is_e2big,
    a_script_runs_while_its_descriptor_stays_open,
    a_script_whose_descriptor_is_closed_is_refused,
    what_is_not_executable_is_refused,
    what_is_no_program_is_refused,
    a_program_that_is_cut_is_refused_or_dies,
    what_is_open_for_writing_elsewhere_is_refused,
    what_the_program_is_not_to_have_is_closed,
    a_program_goes_on_from_a_sealed_copy_and_from_no_copy_of_it,
    a_program_does_not_go_on_from_an_unsealed_copy,
];

/// Runs the tests as `tests/suite.rs` runs the claims: a skip is counted, and where `suite::skips`
/// does not allow it, it is a failure.
fn main() -> ExitCode {
    let name = env::var("OWNED_MEMFD_PLACE").unwrap_or_default();
    let place = match skips::place(&name) {
        Ok(place) => place,
        Err(error) => {
            eprintln!("OWNED_MEMFD_PLACE={name}: {error}");
            return ExitCode::from(2);
        }
    };
    #[cfg(feature = "std")]
    let more = with_std::TESTS;
    #[cfg(not(feature = "std"))]
    let more: &[Test] = &[];
    let trials = TESTS.iter().chain(more).map(|&(name, test)| {
        Trial::ignorable_test(name, move || {
            let Err(error) = test() else {
                return Ok(Completion::Completed);
            };
            let Some(&Skipped(reason)) = error.downcast_ref() else {
                return Err(error.into());
            };
            if let Err(Stop::Failed(failure)) = skips::bounded(Err(Stop::Skipped(reason)), place) {
                return Err(failure.into());
            }
            // `driver` in ci/common.sh collects these lines.
            println!("\nskip {name}: {reason}");
            Ok(Completion::ignored_with(reason))
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// `e_machine` of programs for the CPU that this was compiled for.
const OWN_MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    243
};

/// The errors, by the numbers with which a child reports them. No errno has these numbers.
const REFUSALS: [ExecError; 10] = [
    ExecError::NotExecutable,
    ExecError::ExecutableFileBusy,
    ExecError::Empty,
    ExecError::Truncated,
    ExecError::InvalidExecutable,
    ExecError::ScriptCloseOnExec,
    ExecError::NoInterpreter,
    ExecError::NoDevFd,
    ExecError::HugePages,
    ExecError::UnprovenLength,
];
const FIRST: i32 = 10_000;
/// The number of `OtherMachine`, to which the machine is added.
const OTHER_MACHINE: i32 = 20_000;

fn number(error: ExecError) -> i32 {
    match error {
        ExecError::Kernel(errno) => errno.raw_os_error(),
        ExecError::OtherMachine { machine } => OTHER_MACHINE + i32::from(machine),
        error => (0..)
            .zip(REFUSALS)
            .find_map(|(at, refusal)| (refusal == error).then_some(FIRST + at))
            .unwrap_or(FIRST - 1),
    }
}

fn refusal(number: i32) -> ExecError {
    if let Ok(machine) = u16::try_from(number - OTHER_MACHINE) {
        return ExecError::OtherMachine { machine };
    }
    usize::try_from(number - FIRST)
        .ok()
        .and_then(|at| REFUSALS.get(at).copied())
        .unwrap_or(ExecError::Kernel(Errno::from_raw_os_error(number)))
}

/// A list of strings in the kernel's form, which owns them: std's `pre_exec` takes no closure that
/// borrows.
struct List {
    /// Each is one of `_strings`.
    pointers: Vec<Option<Arg<'static>>>,
    _strings: Vec<CString>,
}

impl List {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings
            .iter()
            // SAFETY: the string stays where it is on the heap while this list, which alone has
            // the pointer, has it.
            .map(|text| Some(Arg::new(unsafe { CStr::from_ptr(text.as_ptr()) })))
            .chain([None])
            .collect();
        Self {
            pointers,
            _strings: strings,
        }
    }

    fn as_args(&self) -> Args<'_> {
        Args::new(&self.pointers).unwrap_or(Args::EMPTY)
    }
}

/// Executes the file in a child that std starts, between fork and exec. Returns what it prints, or
/// why it fails.
fn run(
    file: &OwnedMemFd,
    args: Vec<CString>,
    env: Vec<CString>,
) -> Result<Result<Output, ExecError>, Box<dyn Error>> {
    let (args, env) = (List::new(args), List::new(env));
    let inherited = !file.close_on_exec()?;
    // A duplicate that std makes is always close-on-exec.
    let file = file.try_clone()?;
    let exec = move || {
        if inherited {
            file.set_close_on_exec(false)?;
        }
        file.exec(args.as_args(), env.as_args())
    };
    let mut command = Command::new("never executed");
    // SAFETY: the closure makes system calls and nothing else.
    unsafe {
        command.pre_exec(move || {
            let Err(error) = exec();
            Err(io::Error::from_raw_os_error(number(error)))
        });
    }
    match command.output() {
        Ok(output) => Ok(Ok(output)),
        Err(error) => match error.raw_os_error() {
            Some(number) => Ok(Err(refusal(number))),
            None => Err(error.into()),
        },
    }
}

fn strings(list: &[&str]) -> Result<Vec<CString>, std::ffi::NulError> {
    list.iter().map(|text| CString::new(*text)).collect()
}

/// An executable memory file. Where `vm.memfd_noexec` forbids to create one, it is made executable
/// by an access control list.
fn empty_executable() -> Result<OwnedMemFd, Box<dyn Error>> {
    executable_named("program")
}

fn executable_named(name: &str) -> Result<OwnedMemFd, Box<dyn Error>> {
    match MemFdOptions::new().executable(true).create(name) {
        Err(CreateError::Kernel(Errno::EACCES)) => {
            let file = MemFdOptions::new().create(name)?;
            suite::allow_execution(&file)?;
            Ok(file)
        }
        file => Ok(file?),
    }
}

/// An executable memory file with this content.
fn executable(content: &[u8]) -> Result<OwnedMemFd, Box<dyn Error>> {
    let file = empty_executable()?;
    file.write_all(content)?;
    Ok(file)
}

/// What the program prints with these arguments. It must succeed.
fn printed(file: &OwnedMemFd, args: &[&str], env: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = run(file, strings(args)?, strings(env)?)??;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn is_refused(file: &OwnedMemFd, expected: ExecError) -> Outcome {
    assert_eq!(
        run(file, strings(&["name"])?, vec![])?.unwrap_err(),
        expected
    );
    Ok(())
}

/// A static program that prints its arguments and its environment, a line each.
fn static_program() -> Result<Vec<u8>, Box<dyn Error>> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);

    let name = format!(
        "owned-memfd-{}-{}",
        process::id(),
        NUMBER.fetch_add(1, Relaxed)
    );
    let directory = env::temp_dir().join(name);
    fs::create_dir(&directory)?;
    let (source, program) = (directory.join("static.c"), directory.join("static"));
    fs::write(
        &source,
        r"
#include <stdio.h>
int main(int argc, char **argv, char **envp) {
    while (*argv) puts(*argv++);
    while (*envp) puts(*envp++);
}
",
    )?;
    let output = Command::new("cc")
        .arg("-static")
        .arg("-o")
        .args([&program, &source])
        .output()?;
    assert!(output.status.success(), "{output:?}");
    let content = fs::read(&program)?;
    fs::remove_dir_all(&directory)?;
    Ok(content)
}

fn a_static_program_runs() -> Outcome {
    let content = static_program()?;
    let file = executable(&content)?;
    let text = printed(&file, &["own name", "", "last"], &["A=b"])?;
    assert_eq!(text, "own name\n\nlast\nA=b\n");
    // The file is sealed, and this process still has it: a child executed it.
    let sealed = file.seal()?;
    assert_eq!(&sealed.map()?[..], content);
    let text = printed(&sealed.into_memfd(), &["sealed"], &[])?;
    assert_eq!(text, "sealed\n");
    Ok(())
}

fn a_dynamic_program_runs() -> Outcome {
    let file = empty_executable()?;
    let source = File::open("/bin/echo")?;
    // SAFETY: the file stays open as long as it is borrowed.
    let lent = unsafe { owned_memfd::fd::BorrowedFd::borrow_raw(source.as_raw_fd()) };
    file.copy_from(lent, u64::MAX)?;
    let text = printed(&file, &["echo", "hello", "there"], &[])?;
    assert_eq!(text, "hello there\n");
    Ok(())
}

fn ten_thousand_arguments_arrive() -> Outcome {
    let file = executable(&fs::read("/bin/echo")?)?;
    let numbers: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let list: Vec<&str> = ["echo"]
        .into_iter()
        .chain(numbers.iter().map(String::as_str))
        .collect();
    assert_eq!(printed(&file, &list, &[])?, numbers.join(" ") + "\n");
    Ok(())
}

fn too_long_a_list_is_e2big() -> Outcome {
    let file = executable(&fs::read("/bin/echo")?)?;
    let refused = |args, env| -> Outcome {
        let expected = ExecError::Kernel(Errno::E2BIG);
        assert_eq!(run(&file, args, env)?.unwrap_err(), expected);
        Ok(())
    };
    let much = CString::new(vec![b'x'; 100_000])?;
    refused(vec![much.clone(); 1000], vec![])?;
    refused(strings(&["echo"])?, vec![much; 1000])?;
    // A single argument that is too long on every page size.
    refused(vec![CString::new(vec![b'x'; 3 << 20])?], vec![])?;
    assert_eq!(printed(&file, &["echo", "still"], &[])?, "still\n");
    Ok(())
}

fn a_script_runs_while_its_descriptor_stays_open() -> Outcome {
    let file = executable(b"#!/bin/sh\necho \"$1 and $2, $HOME\"\n")?;
    file.set_close_on_exec(false)?;
    let text = printed(&file, &["name", "one", "two"], &["HOME=here"])?;
    assert_eq!(text, "one and two, here\n");
    // A file that is sealed first can be executed.
    let file = file.seal()?.into_memfd();
    assert_eq!(printed(&file, &["name"], &["HOME=here"])?, " and , here\n");
    Ok(())
}

fn a_script_whose_descriptor_is_closed_is_refused() -> Outcome {
    let file = executable(b"#!/bin/sh\necho never\n")?;
    is_refused(&file, ExecError::ScriptCloseOnExec)
}

fn what_is_not_executable_is_refused() -> Outcome {
    let file = SealedMemFd::copy_from_slice("echo", &fs::read("/bin/echo")?)?;
    is_refused(&file.into_memfd(), ExecError::NotExecutable)
}

fn what_is_no_program_is_refused() -> Outcome {
    for content in [&b"text\n"[..], b"#!\n"] {
        is_refused(&executable(content)?, ExecError::InvalidExecutable)?;
    }
    is_refused(&executable(b"")?, ExecError::Empty)
}

fn a_program_that_is_cut_is_refused_or_dies() -> Outcome {
    let content = static_program()?;
    for len in [4, 16, 63, 64, 100] {
        // An emulator's programs are for another CPU than the one that runs these.
        let expected = match content[18..20].try_into().map(u16::from_le_bytes)? {
            machine if len >= 20 && machine != OWN_MACHINE => ExecError::OtherMachine { machine },
            _ => ExecError::Truncated,
        };
        is_refused(&executable(&content[..len])?, expected)?;
    }
    // The headers are complete, and the kernel checks nothing else.
    match run(&executable(&content[..8192])?, strings(&["cut"])?, vec![])? {
        Ok(output) => assert!(output.status.signal().is_some(), "{output:?}"),
        Err(error) => assert!(matches!(error, ExecError::Kernel(_)), "{error:?}"),
    }
    Ok(())
}

fn what_is_open_for_writing_elsewhere_is_refused() -> Outcome {
    let file = executable(&fs::read("/bin/echo")?)?;
    let _writer = File::options()
        .write(true)
        .open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    is_refused(&file, ExecError::ExecutableFileBusy)
}

fn what_the_program_is_not_to_have_is_closed() -> Outcome {
    let file = executable(b"#!/bin/sh\nls -l /proc/self/fd\n")?;
    file.set_close_on_exec(false)?;
    let secret = MemFdOptions::new().create("secret")?;
    let text = printed(&file, &["ls"], &["PATH=/bin:/usr/bin"])?;
    assert!(text.contains("/memfd:program"), "{text}");
    assert!(!text.contains("/memfd:secret"), "{text}");
    drop(secret);
    Ok(())
}

// A sealed copy of the running program.

/// The variable that tells a test that it runs in a process of its own, which another test started.
const ROLE: &str = "OWNED_MEMFD_TEST_ROLE";

/// The name of the copies.
const COPY: &str = "owned-memfd-sealed-exe";

/// Calls `ensure_sealed` with the arguments and the environment of this process.
fn go_on() -> Result<Result<SealedMemFd, ExecError>, Box<dyn Error>> {
    let args = env::args_os().map(|text| CString::new(text.into_vec()));
    let variables = env::vars_os().map(|(name, value)| [name, value].join("=".as_ref()));
    let variables = variables.map(|text| CString::new(text.into_vec()));
    let (args, variables) = (
        List::new(args.collect::<Result<_, _>>()?),
        List::new(variables.collect::<Result<_, _>>()?),
    );
    Ok(ensure_sealed(args.as_args(), variables.as_args()))
}

/// Skips the test where this kernel cannot execute the program again that runs the tests.
fn can_go_on() -> Outcome {
    if suite::has_execveat() {
        Ok(())
    } else {
        Err(Skipped(suite::NO_EXECVEAT).into())
    }
}

fn a_program_goes_on_from_a_sealed_copy_and_from_no_copy_of_it() -> Outcome {
    const TEST: &str = "a_program_goes_on_from_a_sealed_copy_and_from_no_copy_of_it";

    if env::var_os(ROLE).is_some() {
        println!("\nprocess {} begins", process::id());
        let program = go_on()??;
        let (exe, own) = (fs::metadata("/proc/self/exe")?, program.as_raw_fd());
        assert_eq!(
            fs::metadata(format!("/proc/self/fd/{own}"))?.ino(),
            exe.ino()
        );
        let link = fs::read_link("/proc/self/exe")?;
        assert_eq!(link, Path::new(&format!("/memfd:{COPY} (deleted)")));
        assert!(File::options().write(true).open("/proc/self/exe").is_err());
        assert!(go_on()?.is_ok());
        println!("\nprocess {} goes on", process::id());
        return Ok(());
    }
    can_go_on()?;
    let child = Command::new(env::current_exe()?)
        .args(["--exact", TEST, "--nocapture"])
        .env(ROLE, "goes on")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = child.id();
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stdout.clone())?;
    let begins = format!("process {id} begins");
    let possible = MemFdOptions::new().executable(true).create(COPY);
    if possible.err() == Some(CreateError::Kernel(Errno::EACCES)) {
        // vm.memfd_noexec forbids it, and it ends at once.
        assert_eq!(text.matches(&begins).count(), 1, "{output:?}");
        assert!(!output.status.success(), "{output:?}");
        return Ok(());
    }
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text.matches(&begins).count(), 2, "{text}");
    assert!(text.contains(&format!("process {id} goes on")), "{text}");
    Ok(())
}

fn a_program_does_not_go_on_from_an_unsealed_copy() -> Outcome {
    const TEST: &str = "a_program_does_not_go_on_from_an_unsealed_copy";

    if env::var_os(ROLE).is_some() {
        assert_eq!(go_on()?.err(), Some(ExecError::UnsealedCopy));
        return Ok(());
    }
    can_go_on()?;
    let copy = executable_named(COPY)?;
    copy.write_all(&fs::read("/proc/self/exe")?)?;
    let role = format!("{ROLE}=unsealed");
    let text = printed(&copy, &["test", "--exact", TEST, "--nocapture"], &[&role])?;
    assert!(text.contains("1 passed"), "{text}");
    Ok(())
}

/// What only std's strings and processes make possible.
#[cfg(feature = "std")]
mod with_std {
    use super::{Outcome, ROLE, Skipped, Test, can_go_on, executable, static_program};
    use owned_memfd::{
        CreateError, Errno, MemFdOptions, OwnedMemFd, SealedMemFd, Seals,
        exec::{ExecError, OwnedArgs},
    };
    use std::{
        env,
        error::Error,
        ffi::{CString, OsString},
        fs, io,
        os::unix::process::CommandExt,
        process::{Command, Output, Stdio},
    };

    fn memfd() -> Result<OwnedMemFd, CreateError> {
        MemFdOptions::new().create("claim")
    }

    pub(crate) const TESTS: &[Test] = tests!["with_std::":
        owned_arguments_are_the_strings_that_they_are_made_of,
        the_arguments_and_the_environment_of_this_process_are_lists,
        a_child_has_the_arguments_of_its_command_and_the_environment_beside_it,
        a_command_with_variables_of_its_own_is_rejected_and_starts_nothing,
        the_hooks_of_a_command_run_before_the_file_is_executed,
        a_child_has_the_directory_and_the_input_that_its_command_is_given,
        a_child_that_executes_a_sealed_file_gets_what_is_passed_by_number,
        a_child_runs_a_script_and_changes_no_descriptor_of_this_process,
        a_childs_program_gets_no_descriptor_of_it,
        what_a_child_cannot_execute_is_explained_to_its_parent,
        what_is_not_proven_is_not_executed_in_a_child,
        a_child_runs_without_proc,
    ];

    fn sealed(content: &[u8]) -> Result<SealedMemFd, Box<dyn Error>> {
        Ok(executable(content)?.seal()?)
    }

    /// A command whose output is kept.
    fn command(args: &[&str]) -> Result<Command, Box<dyn Error>> {
        let (name, args) = args.split_first().ok_or("no name")?;
        let mut command = Command::new(name);
        command.args(args).stdout(Stdio::piped());
        Ok(command)
    }

    fn output(file: &SealedMemFd, args: &[&str], env: &[&str]) -> Result<Output, Box<dyn Error>> {
        let child = file.spawn(command(args)?, OwnedArgs::new(env)?)?;
        Ok(child.wait_with_output()?)
    }

    /// The explained error by which starting this fails.
    fn refusal(file: &SealedMemFd, command: Command) -> Result<ExecError, Box<dyn Error>> {
        let refused = file.spawn(command, OwnedArgs::new([""; 0])?);
        let error = refused.map(drop).err().ok_or("it was started")?;
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let cause: ExecError = *inner.ok_or("not explained")?;
        let errno = io::Error::from(Errno::from(cause));
        assert_eq!(error.kind(), errno.kind(), "{cause}");
        assert_eq!(error.to_string(), cause.to_string());
        Ok(cause)
    }

    fn owned_arguments_are_the_strings_that_they_are_made_of() -> Outcome {
        fn is_for_all_threads<T: Send + Sync + 'static>(_: &T) {}

        let args = OwnedArgs::new(["a", "", "b c"])?;
        is_for_all_threads(&args);
        assert_eq!(format!("{args:?}"), r#"["a", "", "b c"]"#);
        assert_eq!(format!("{:?}", OwnedArgs::new([""; 0])?), "[]");
        let strings: Vec<OsString> = vec!["own".into(), "ed".into()];
        assert_eq!(
            format!("{:?}", OwnedArgs::new(&strings)?),
            r#"["own", "ed"]"#
        );
        // A clone outlives what it was made of.
        let clone = args.clone();
        drop(args);
        assert_eq!(format!("{clone:?}"), r#"["a", "", "b c"]"#);
        let strings = [c"x".to_owned(), c"".to_owned(), c"y z".to_owned()];
        let collected: OwnedArgs = strings.into_iter().collect();
        assert_eq!(format!("{collected:?}"), r#"["x", "", "y z"]"#);
        let _ended = collected.as_args();
        let empty: OwnedArgs = [].into_iter().collect();
        assert_eq!(format!("{empty:?}"), "[]");
        let refused = OwnedArgs::new(["fine", "cut\0off"]).unwrap_err();
        assert_eq!(refused.nul_position(), 3);
        Ok(())
    }

    fn the_arguments_and_the_environment_of_this_process_are_lists() -> Outcome {
        let list = |strings: &[OsString]| -> Result<String, Box<dyn Error>> {
            let strings = strings
                .iter()
                .map(|text| CString::new(text.as_encoded_bytes()));
            Ok(format!("{:?}", strings.collect::<Result<Vec<_>, _>>()?))
        };
        let args: Vec<OsString> = env::args_os().collect();
        assert!(!args.is_empty());
        assert_eq!(format!("{:?}", OwnedArgs::current()), list(&args)?);
        let variables: Vec<OsString> = env::vars_os()
            .map(|(name, value)| [name, value].join("=".as_ref()))
            .collect();
        assert!(!variables.is_empty());
        assert_eq!(format!("{:?}", OwnedArgs::environment()), list(&variables)?);
        Ok(())
    }

    fn a_child_has_the_arguments_of_its_command_and_the_environment_beside_it() -> Outcome {
        let file = sealed(&static_program()?)?;
        for _ in 0..2 {
            let output = output(&file, &["own name", "", "last"], &["A=b"])?;
            assert!(output.status.success(), "{output:?}");
            assert_eq!(output.stdout, b"own name\n\nlast\nA=b\n");
        }
        Ok(())
    }

    fn a_command_with_variables_of_its_own_is_rejected_and_starts_nothing() -> Outcome {
        let file = sealed(b"#!/bin/sh\n")?;
        let mut added = command(&["sh"])?;
        added.env("COLOUR", "blue");
        let mut removed = command(&["sh"])?;
        removed.env_remove("HOME");
        let started = memfd()?;
        let hook = started.try_clone()?;
        let hook = move || Ok(hook.write_all(b"started")?);
        // SAFETY: the closure makes a system call and nothing else.
        unsafe { added.pre_exec(hook) };
        for command in [added, removed] {
            let refused = file.spawn(command, OwnedArgs::environment());
            let error = refused.map(drop).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("variables"), "{error}");
        }
        assert_eq!(started.len(), Ok(0));
        // What std says of a NUL.
        let mut cut = command(&["sh"])?;
        cut.arg("cut\0off");
        let refused = file.spawn(cut, OwnedArgs::environment());
        assert_eq!(
            refused.map(drop).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        Ok(())
    }

    fn the_hooks_of_a_command_run_before_the_file_is_executed() -> Outcome {
        let file = sealed(b"#!/bin/sh\necho \"$1\"\n")?;
        let seen = memfd()?;
        let passed = seen.try_clone()?;
        let mut hooked = command(&["sh", "executed"])?;
        // SAFETY: the closure makes a system call and nothing else.
        unsafe { hooked.pre_exec(move || Ok(passed.write_all(b"hook")?)) };
        let child = file.spawn(hooked, OwnedArgs::environment())?;
        assert_eq!(child.wait_with_output()?.stdout, b"executed\n");
        assert_eq!(seen.len(), Ok(4));
        // One that fails, such as a sandbox, is not passed over. Its errno is not an execution's.
        let mut hooked = command(&["sh"])?;
        let fail = || Err(Errno::ENOEXEC.into());
        // SAFETY: the closure does nothing.
        unsafe { hooked.pre_exec(fail) };
        let error = file.spawn(hooked, OwnedArgs::environment());
        let error = error.map(drop).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::ENOEXEC.raw_os_error()));
        Ok(())
    }

    fn a_child_has_the_directory_and_the_input_that_its_command_is_given() -> Outcome {
        let file = sealed(b"#!/bin/sh\npwd\ncat\n")?;
        let input = SealedMemFd::copy_from_slice("input", b"from memory\n")?;
        let mut command = command(&["sh"])?;
        command.current_dir("/").stdin(input);
        let child = file.spawn(command, OwnedArgs::environment())?;
        let output = child.wait_with_output()?;
        assert_eq!(String::from_utf8(output.stdout)?, "/\nfrom memory\n");
        Ok(())
    }

    fn a_child_that_executes_a_sealed_file_gets_what_is_passed_by_number() -> Outcome {
        let file = sealed(b"#!/bin/sh\ncat \"/proc/self/fd/$1\"\n")?;
        let passed = SealedMemFd::copy_from_slice("passed", b"by number")?;
        let mut command = command(&["sh"])?;
        let number = passed.pass_to(&mut command)?;
        command.arg(number.to_string());
        let child = file.spawn(command, OwnedArgs::environment())?;
        assert_eq!(child.wait_with_output()?.stdout, b"by number");
        Ok(())
    }

    fn a_child_runs_a_script_and_changes_no_descriptor_of_this_process() -> Outcome {
        let script = sealed(b"#!/bin/sh\necho \"$1 and $2, $HOME\"\n")?;
        let output = output(&script, &["name", "one", "two"], &["HOME=here"])?;
        assert_eq!(String::from_utf8(output.stdout)?, "one and two, here\n");
        assert_eq!(script.into_memfd().close_on_exec(), Ok(true));
        Ok(())
    }

    fn a_childs_program_gets_no_descriptor_of_it() -> Outcome {
        let file = sealed(&fs::read("/bin/ls")?)?;
        let output = output(&file, &["ls", "-l", "/proc/self/fd"], &[])?;
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout)?;
        assert!(!text.contains("/memfd:program"), "{text}");
        Ok(())
    }

    fn what_a_child_cannot_execute_is_explained_to_its_parent() -> Outcome {
        // No CPU has this number, and no emulator runs its programs.
        const NONE: u16 = 0xfedc;

        let mut other = fs::read("/bin/true")?;
        other[18..20].copy_from_slice(&NONE.to_le_bytes());
        for (content, cause) in [
            (&b""[..], ExecError::Empty),
            (b"text\n", ExecError::InvalidExecutable),
            (b"\x7fELF", ExecError::Truncated),
            (&other, ExecError::OtherMachine { machine: NONE }),
            (b"#!/nowhere/interpreter\n", ExecError::NoInterpreter),
        ] {
            assert_eq!(refusal(&sealed(content)?, command(&["name"])?)?, cause);
        }
        let plain = SealedMemFd::copy_from_slice("plain", &fs::read("/bin/true")?)?;
        let cause = refusal(&plain, command(&["name"])?)?;
        assert_eq!(cause, ExecError::NotExecutable);
        // The command's own failure is not taken for the file's.
        let mut nowhere = command(&["name"])?;
        nowhere.current_dir("/nowhere");
        let missing = plain.spawn(nowhere, OwnedArgs::environment());
        let missing = missing.map(drop).unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(Errno::ENOENT.raw_os_error()));
        Ok(())
    }

    fn what_is_not_proven_is_not_executed_in_a_child() -> Outcome {
        let file = executable(b"#!/bin/sh\n")?;
        file.add_seals(Seals::WRITE | Seals::SHRINK)?;
        let file = SealedMemFd::try_from(file)?;
        let cause = refusal(&file, command(&["name"])?)?;
        assert_eq!(cause, ExecError::UnprovenLength);
        Ok(())
    }

    fn a_child_runs_without_proc() -> Outcome {
        const TEST: &str = "with_std::a_child_runs_without_proc";

        if env::var_os(ROLE).is_some() {
            assert!(fs::metadata("/proc/self").is_err());
            let file = sealed(&static_program()?)?;
            let output = output(&file, &["without", "proc"], &[])?;
            assert_eq!(output.stdout, b"without\nproc\n");
            return Ok(());
        }
        can_go_on()?;
        let hide = "mount -t tmpfs none /proc && exec \"$@\"";
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", hide, "sh"])
            .arg(env::current_exe()?)
            .args(["--exact", TEST, "--nocapture"])
            .env(ROLE, "without proc")
            .output()?;
        let (text, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        if errors.contains("unshare failed") || errors.contains("mount: ") {
            return Err(Skipped(suite::NO_OWN_MOUNTS).into());
        }
        assert!(text.contains("1 passed"), "{text}{errors}");
        Ok(())
    }
}
