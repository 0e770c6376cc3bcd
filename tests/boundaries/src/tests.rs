//! A small library in which all is well, and what is reported when a line is added to it.

use crate::{Files, Violation, check, read};
use std::path::Path;

/// What nothing is to be said about, the traps included.
const CLEAN: [(&str, &str); 16] = [
    ("Cargo.toml", "[package]\nname = \"owned-memfd\"\n"),
    (
        "arch/mod.rs",
        r#"
#![allow(unsafe_code)]
macro_rules! cfg_if {
    (if #[cfg(supported)] { $($kept:item)* } $(else { $($otherwise:item)* })?) => { $($kept)* };
}
cfg_if! {
    if #[cfg(supported)] {
        #[cfg(target_arch = "x86_64")]
        #[macro_use]
        mod x86_64;
        macro_rules! system_calls { ($($line:tt)*) => { system_call! { $($line)* } }; }
        pub(crate) unsafe fn close(fd: u32) -> usize { unsafe { sc::syscall!(CLOSE, fd) } }
    } else {
        compile_error!("not supported");
    }
}
"#,
    ),
    (
        "arch/x86_64.rs",
        "//! `ecall`\nmacro_rules! system_call { ($($f:tt)*) => { $($f)* }; }\n",
    ),
    (
        "src/lib.rs",
        r#"
#![no_std]
#![deny(unsafe_code)]
#[cfg(feature = "std")]
extern crate std;

// what differs between CPUs
#[macro_use]
#[path = "../arch/mod.rs"]
mod arch;

cfg_if! {
    if #[cfg(supported)] {
        mod errno; // numbers and names
        pub mod fd; // owns a descriptor
        /// one function a call
        mod sys;
        // judges a descriptor,
        // by its seals
        #[cfg(feature = "boot")]
        mod proof;
        #[cfg(feature = "boot")]
        // what the user holds
        pub(crate) mod memfd;
        #[cfg(feature = "std")]
        mod with_std; // the traits of std

        pub use errno::Errno;
        pub use self::fd::OwnedFd;
    }
}
"#,
    ),
    (
        "src/errno.rs",
        r#"
//! [`OwnedFd`](crate::fd::OwnedFd) is above: text is no code. `x.unwrap()`, `x[0]`.
pub struct Errno(i32);
const NAMES: [&str; 2] = ["EPERM // no comment", "sc:: target_arch unsafe #[ignore]"];
const FIRST: &str = NAMES[0];
const LEN: usize = 2;
const _: () = assert!(NAMES.len() == 2, "as many as there are");
/* x.unwrap() /* nested */ panic!() */
impl Errno {
    pub fn name(&self, default: &'static str) -> &'static str {
        const { assert!(NAMES.len() == 2) };
        let index = usize::try_from(self.0).unwrap_or_default() / 2 % LEN;
        NAMES.get(index).copied().unwrap_or(default)
    }
}
"#,
    ),
    (
        "src/fd.rs",
        r"
#![allow(unsafe_code)]
pub struct OwnedFd(u32);
mod ours {
    use super::OwnedFd;
    use crate::arch;
    impl Drop for OwnedFd {
        fn drop(&mut self) { let _ = unsafe { arch::close(self.0) }; }
    }
}
",
    ),
    (
        "src/sys/mod.rs",
        r"
#![allow(unsafe_code)]
mod pipe;
use crate::{arch, errno::{self, Errno}, fd::*};
pub(crate) struct Number;
",
    ),
    (
        "src/sys/pipe.rs",
        r"
use super::{Number, Errno};
use super::super::fd::OwnedFd;
pub(in crate::sys) fn pipe<'a>(of: &'a [u8; 2]) -> [u8; 2] {
    match of { [] => {} [first] => {} }
    #[inline] #[cold] fn inner() {}
    for byte in [1, 2] {}
    return [1, 2];
}
macro_rules! calls {
    ($($lent:lifetime $name:ident [$($of:ty),*];)*) => {$(
        #[doc = $name] #[inline]
        fn $name(bytes: &'static [u8], mut all: [u8; 2]) -> $crate::errno::Errno {
            const { assert!(size_of::<u8>() == 1) };
            let [a, b] = [1, 2]; vec![1, 2]
        }
    )*};
}
",
    ),
    (
        "src/proof.rs",
        "use crate::sys;\npub(super) struct Proof;\n",
    ),
    (
        "src/memfd.rs",
        "use crate::{proof, fd::OwnedFd};\npub(crate) fn own() {} fn private() {} #[doc(hidden)] #[cold] pub fn nobody() {} pub struct F(pub fn(u8));\nmacro_rules! m { () => { pub const fn bytes() {} } }",
    ),
    (
        "src/with_std.rs",
        "#![allow(unsafe_code)]\nuse std::io; use crate::{errno::Errno as E, memfd};\npub fn of_std() {}\n",
    ),
    (
        "examples/init/src/sys.rs",
        "#[cfg(target_arch = \"x86_64\")] fn start() { Option::<u8>::None.unwrap(); system_call(); }\n",
    ),
    (
        "tests/footprint/src/bin/surface.rs",
        "fn main() { let lost = 1; errno.name(\"more\"); vec![Bytes::bytes(lost)]; }\n",
    ),
    (
        "tests/hostile/src/operations/memfd.rs",
        "fn f(trial: &mut Trial) { trial.call(|| vec![Bytes::bytes(1)]); }\n",
    ),
    (
        "tests/hostile/src/operations/values.rs",
        "fn f(trial: &mut Trial) { trial.call(|| { x.name(); }); }\n",
    ),
    (
        "tests/hostile/src/operations/with_std.rs",
        "fn f(trial: &mut Trial) { g.prepared(); }
fn of_std(trial: &mut Trial) -> Verdict { trial.judge(trial.call(with_std::of_std), &[]) }\n",
    ),
];

/// A line that is added to a file, and what is to be reported of it.
#[rustfmt::skip]
const VIOLATIONS: &[(&str, &str, &str)] = &[
    // The layers.
    ("src/errno.rs", "use super::fd::OwnedFd;", "`errno` uses `fd`, whose `mod` line is below"),
    ("src/errno.rs", "use super::{fd as descriptors};", "`errno` uses `fd`"),
    ("src/errno.rs", "use crate::{errno::Errno as E, fd::{self}};", "`errno` uses `fd`"),
    ("src/errno.rs", "use crate::{with_std::{self as traits}};", "`errno` uses `with_std`"),
    ("src/errno.rs", "fn f() { let _ = crate::sys::Number; }", "`errno` uses `sys`"),
    ("src/errno.rs", "fn f(x: &dyn Fn(crate::sys::Number)) {}", "`errno` uses `sys`"),
    ("src/errno.rs", "mod inner { fn f() { super::super::sys::x::<u8>() } }", "`errno` uses `sys`"),
    ("src/errno.rs", "mod inner { use super::super::sys; }", "`errno` uses `sys`"),
    ("src/errno.rs", "pub(in crate::sys) fn f() {}", "`errno` uses `sys`"),
    ("src/errno.rs", "impl Into<u8> for <E as crate::sys::T>::Of {}", "`errno` uses `sys`"),
    ("src/errno.rs", "#[cfg(feature = \"std\")] impl From<crate::memfd::X> for Errno {}", "`errno` uses `memfd`"),
    ("src/errno.rs", "macro_rules! m { () => { $crate::sys::Number } }", "`errno` uses `sys`"),
    ("src/errno.rs", "macro_rules! m { () => { use crate::{fd::{self, x}}; } }", "`errno` uses `fd`"),
    ("src/errno.rs", "fn f() { write!(f, \"{}\", crate::sys::NUMBER); }", "`errno` uses `sys`"),
    ("src/errno.rs", "#[derive(crate::sys::Derive)] struct X;", "`errno` uses `sys`"),
    ("src/sys/pipe.rs", "use super::super::memfd;", "`sys` uses `memfd`"),
    ("src/fd.rs", "use super::sys;", "and is used by it: a circle"),
    ("src/memfd.rs", "use crate::Errno;", "goes through the crate's root"),
    ("src/memfd.rs", "use super::Errno;", "goes through the crate's root"),
    ("src/memfd.rs", "use crate as root;", "goes through the crate's root"),
    ("src/memfd.rs", "use super::*;", "goes through the crate's root"),
    ("src/memfd.rs", "use crate::{self as root};", "goes through the crate's root"),
    ("src/memfd.rs", "macro_rules! m { () => { use crate as root; } }", "goes through the crate's root"),
    ("src/memfd.rs", "macro_rules! m { ($m:ident) => { crate::$m::X } }", "goes through the crate's root"),
    ("src/memfd.rs", "use crate::arch;", "uses `arch`, which only"),
    ("src/memfd.rs", "fn f() { super::arch::close(1) }", "uses `arch`, which only"),
    ("src/lib.rs", "pub use arch::close;", "uses `arch`, which only"),
    ("src/memfd.rs", "extern crate self as owned_memfd;", "names a crate"),
    ("arch/x86_64.rs", "use crate::errno::Errno;", "`arch` uses `errno`"),
    // The modules.
    ("src/lib.rs", "mod errno;", "`mod errno` has no phrase"),
    ("src/lib.rs", "mod errno; //", "`mod errno` has no phrase"),
    ("src/lib.rs", "mod fd; // first\nmod errno;", "`mod errno` has no phrase"),
    ("src/lib.rs", "// the user's part\n\nmod errno;", "`mod errno` has no phrase"),
    ("src/memfd.rs", "#[path = \"x.rs\"] mod sub;", "by `path`"),
    ("src/memfd.rs", "include!(\"x.rs\");", "includes code"),
    ("src/memfd.rs", "fn f( {", "cannot be"),
    // What panics.
    ("src/memfd.rs", "fn f() { g(\"http://\").unwrap(); }", "`unwrap` can panic"),
    ("src/memfd.rs", "fn f() { g(\"//\")\n.expect(\"\"); }", "`expect` can panic"),
    ("src/memfd.rs", "fn f() { g().unwrap_err(); }", "`unwrap_err` can panic"),
    ("src/memfd.rs", "fn f() { g().map(Option::unwrap); }", "`unwrap` can panic"),
    ("src/memfd.rs", "macro_rules! m { ($e:expr) => { $e.unwrap() } }", "`unwrap` can panic"),
    ("src/memfd.rs", "fn f() { write!(f, \"\", x.unwrap()); }", "`unwrap` can panic"),
    ("src/memfd.rs", "fn f() { assert!(true); }", "`assert!` can panic"),
    ("src/memfd.rs", "fn f() { core::assert_eq!(1, 1); }", "`assert_eq!` can panic"),
    ("src/memfd.rs", "fn f() { debug_assert!(true); }", "`debug_assert!` can panic"),
    ("src/memfd.rs", "fn f() { match x { _ => unreachable!() } }", "`unreachable!` can panic"),
    ("src/memfd.rs", "fn f() { todo!() }", "`todo!` can panic"),
    ("src/memfd.rs", "macro_rules! m { () => { panic!() } }", "`panic!` can panic"),
    ("src/memfd.rs", "const fn f() { assert!(true); }", "`assert!` can panic"),
    ("src/memfd.rs", "const F: fn() = || panic!();", "`panic!` can panic"),
    ("src/memfd.rs", "const _: () = { fn f() { assert!(true); } };", "`assert!` can panic"),
    ("src/memfd.rs", "const _: () = { impl X { fn f() { assert!(true); } } };", "`assert!` can panic"),
    ("src/memfd.rs", "const _: () = { impl X { fn f() { g().unwrap(); } } };", "`unwrap` can panic"),
    ("src/memfd.rs", "const _: () = { impl X { fn f(x: &[u8]) { x[0]; } } };", "indexing can panic"),
    ("src/memfd.rs", "const _: () = { trait X { fn f() { assert!(true); } } };", "`assert!` can panic"),
    ("src/memfd.rs", "impl X { fn f<const N: usize>() { assert!(N > 0); } }", "`assert!` can panic"),
    ("src/memfd.rs", "fn f(x: &[u8]) -> u8 { x[0] }", "indexing can panic"),
    ("src/memfd.rs", "fn f(x: &[u8]) -> &[u8] { &x[1..] }", "indexing can panic"),
    ("src/memfd.rs", "fn f() { g()?[0] }", "indexing can panic"),
    ("src/memfd.rs", "fn f() { ({ x })[0] }", "indexing can panic"),
    ("src/fd.rs", "fn f() { let x = unsafe { g() }[0]; }", "indexing can panic"),
    ("src/memfd.rs", "macro_rules! m { ($e:expr) => { $e[0] } }", "indexing can panic"),
    ("src/memfd.rs", "macro_rules! m { () => { g()[..2] } }", "indexing can panic"),
    ("src/memfd.rs", "fn f(a: u8, b: u8) -> u8 { a / b }", "division"),
    ("src/memfd.rs", "fn f(mut a: u8, b: u8) { a %= b; }", "division"),
    // Unsafe code.
    ("src/proof.rs", "fn f() { unsafe { g() } }", "has unsafe code"),
    ("src/proof.rs", "unsafe impl Send for X {}", "has unsafe code"),
    ("src/proof.rs", "macro_rules! m { () => { unsafe {} } }", "has unsafe code"),
    ("src/proof.rs", "#[allow(unsafe_code)] fn f() {}", "lifts the ban"),
    ("src/proof.rs", "#[expect(dead_code, unsafe_code)] fn f() {}", "lifts the ban"),
    ("src/proof.rs", "#[cfg_attr(feature = \"std\", allow(unsafe_code))] fn f() {}", "lifts the ban"),
    ("src/lib.rs", "#[allow(unsafe_code)] fn f() {}", "lifts the ban"),
    // Public functions that surface.rs does not call.
    ("src/memfd.rs", "impl X { pub fn lost(&self) {} }", "`lost` is public, but not called"),
    ("src/memfd.rs", "mod inner { pub const unsafe extern \"C\" fn lost() {} }", "`lost` is public, but not called"),
    ("src/memfd.rs", "macro_rules! m { () => { pub async fn lost() {} } }", "`lost` is public, but not called"),
    ("src/memfd.rs", "#[doc(hidden)] fn f() {} pub fn lost() {}", "`lost` is public, but not called"),
    ("src/memfd.rs", "pub fn more() {}", "`more` is public, but not called"),
    ("src/memfd.rs", "impl X { pub fn name(&self) {} }", "often enough for all that have this name"),
    // Public functions that no trial calls.
    ("src/with_std.rs", "pub fn lost() {}", "`lost` is public, but not called in a `trial.call(…)` of tests/hostile/src/operations/with_std.rs"),
    ("src/with_std.rs", "pub fn prepared() {}", "`prepared` is public, but not called in a `trial.call(…)`"),
    ("src/with_std/more.rs", "pub fn name() {}", "`name` is public, but not called in a `trial.call(…)`"),
    ("src/memfd.rs", "pub fn name() {}", "`name` is public, but not called in a `trial.call(…)` of tests/hostile/src/operations/memfd.rs"),
    ("src/with_std.rs", "pub fn of_std() {}", "often enough for all that have this name"),
    ("src/memfd.rs", "pub fn lost() {}", "`lost` is public, but not called in a `trial.call(…)` of tests/hostile/src/operations/memfd.rs"),
    // Examples.
    ("examples/ring/side.rs", "fn f() { unsafe { g() } }", "has unsafe code, which no example"),
    ("examples/run.rs", "#![allow(unsafe_code)]", "has unsafe code, which no example"),
    // CPUs, symbols, tests.
    ("src/memfd.rs", "#[cfg(target_arch = \"x86_64\")] fn f() {}", "names a CPU"),
    ("src/memfd.rs", "fn f() { if cfg!(target_arch = \"x86_64\") {} }", "names a CPU"),
    ("examples/init/src/main.rs", "#[cfg(target_arch = \"x86_64\")] fn f() {}", "names a CPU"),
    ("src/sys/mod.rs", "fn f() { sc::syscall!(CLOSE) }", "names `sc`"),
    ("src/sys/mod.rs", "use ::sc;", "names `sc`"),
    ("src/sys/mod.rs", "use ::{core::mem, sc as calls};", "names `sc`"),
    ("src/memfd.rs", "system_calls! { fn pid = GETPID() -> usize; }", "uses the macro `system_calls`"),
    ("src/sys/mod.rs", "system_call! { fn pid() {} }", "uses the macro `system_call`"),
    ("src/memfd.rs", "use system_calls as calls;", "uses the macro `system_calls`"),
    ("src/memfd.rs", "macro_rules! m { () => { system_call! {} } }", "uses the macro `system_call`"),
    ("src/sys/pipe.rs", "fn f() { unsafe { core::arch::asm!(\"nop\") } }", "has machine code"),
    ("src/memfd.rs", "#[unsafe(no_mangle)] fn memcpy() {}", "defines a symbol with `no_mangle`"),
    ("arch/x86_64.rs", "core::arch::global_asm!(\"x:\");", "defines a symbol with `global_asm`"),
    ("arch/x86_64.rs", "#[cfg_attr(a, export_name = \"x\")] fn f() {}", "defines a symbol with `export_name`"),
    ("tests/suite/src/lib.rs", "#[test] #[ignore] fn f() {}", "is ignored"),
    ("tests/crowd.rs", "#[cfg_attr(miri, ignore = \"slow\")] fn f() {}", "is ignored"),
];

fn clean() -> Files {
    CLEAN
        .iter()
        .map(|&(file, text)| (file.into(), text.into()))
        .collect()
}

/// With this text at the end of the file.
fn with(mut files: Files, file: &str, text: &str) -> Files {
    let content = files.entry(file.into()).or_default();
    content.push('\n');
    content.push_str(text);
    content.push('\n');
    files
}

fn violations(files: &Files) -> Vec<Violation> {
    check(files).0
}

/// Whether this, and nothing in another file, is reported.
fn is_reported(files: &Files, file: &str, what: &str) -> bool {
    let violations = violations(files);
    violations.iter().all(|violation| violation.file == file)
        && violations
            .iter()
            .any(|violation| violation.what.contains(what))
}

#[test]
fn nothing_is_reported_where_all_is_well() {
    let (violations, modules) = check(&clean());
    assert_eq!(violations, []);
    assert_eq!(
        modules,
        ["arch", "errno", "fd", "sys", "proof", "memfd", "with_std"]
    );
}

#[test]
fn each_violation_is_reported_by_name() {
    for &(file, line, what) in VIOLATIONS {
        let files = with(clean(), file, line);
        let found = violations(&files);
        assert!(
            is_reported(&files, file, what),
            "{file}, {line}: expected {what}, found {found:#?}"
        );
    }
}

#[test]
fn the_line_is_the_right_one() {
    let files = with(
        clean(),
        "src/proof.rs",
        "use crate::{\n    errno,\n    memfd::{\n        X,\n    },\n};",
    );
    assert_eq!(
        violations(&files),
        [Violation {
            file: "src/proof.rs".into(),
            // After the two that are there, and an empty one.
            line: 7,
            what: "`proof` uses `memfd`, whose `mod` line is below its own, and is used by it: a circle".into(),
        }]
    );
}

#[test]
fn a_long_example_is_reported() {
    for (file, lines, is_long) in [
        ("examples/run.rs", 119, false),
        ("examples/run.rs", 120, true),
        ("examples/init/src/main.rs", 120, false),
    ] {
        let mut files = clean();
        files.insert(file.into(), "//! More.\n".repeat(lines));
        let found = is_reported(&files, file, "is an example of more than 119 lines");
        assert_eq!(found, is_long, "{file} of {lines} lines");
    }
}

#[test]
fn a_file_without_a_mod_line_is_reported() {
    for file in ["src/stray.rs", "src/sys/stray.rs", "arch/stray.rs"] {
        assert!(
            is_reported(&with(clean(), file, ""), file, "is no module"),
            "{file}"
        );
    }
}

#[test]
fn a_mod_line_without_a_file_is_reported() {
    let files = with(clean(), "src/lib.rs", "mod lost; // nobody knows where");
    assert!(is_reported(&files, "src/lost.rs", "is not there"));
}

#[test]
fn the_order_of_the_mod_lines_counts() {
    let line = "mod errno; // numbers and names";
    let mut files = clean();
    let library = library_of(&mut files);
    *library = library
        .replace(line, "")
        .replace("mod proof;", "mod proof;\n        mod errno; // late");
    let found = violations(&files);
    assert!(
        found
            .iter()
            .any(|violation| violation.file == "src/sys/mod.rs"
                && violation.what == "`sys` uses `errno`, whose `mod` line is below its own"),
        "{found:#?}"
    );
}

fn library_of(files: &mut Files) -> &mut String {
    files.get_mut("src/lib.rs").unwrap()
}

#[test]
fn the_ban_on_unsafe_code_is_asked_for() {
    let mut files = clean();
    *library_of(&mut files) = library_of(&mut files).replace("#![deny(unsafe_code)]", "");
    assert!(is_reported(
        &files,
        "src/lib.rs",
        "does not deny unsafe code"
    ));
}

/// Of the repository itself: nothing is left out.
#[test]
fn every_file_is_looked_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = read(&root).unwrap();
    let mut expected = Vec::new();
    for (file, text) in &mut files {
        let (line, what) = match file.split('/').next() {
            Some("src" | "arch") => ("fn f() { let _ = g()[0]; }", "indexing can panic"),
            Some("examples") => ("use ::sc;", "names `sc`: only `arch` does"),
            Some("tests") => ("#[ignore] fn f() {}", "is a test that is ignored"),
            _ => continue,
        };
        text.push_str(line);
        expected.push(Violation {
            file: file.clone(),
            line: text.lines().count(),
            what: what.into(),
        });
    }
    let found = violations(&files);
    for violation in &expected {
        assert!(
            found.contains(violation),
            "{violation:?} is not in {found:#?}"
        );
    }
    assert!(expected.len() > 60, "{}", expected.len());
}
