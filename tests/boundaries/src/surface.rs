//! Whether each public function is called where its calls are examined.
//!
//! `ci/footprint.sh` links what `surface.rs` calls: only of that it is known that it cannot panic.
//! `ci/faults.sh` and `ci/steps.sh` run the operations of `tests/hostile`: only of what these call
//! it is known that it is right whatever the kernel and other processes do.

use crate::{Files, Violation, policy::is_punct};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

/// The program that calls every function of the library.
const SURFACE: &str = "tests/footprint/src/bin/surface.rs";

/// The operations that meet a hostile kernel and hostile processes.
const OPERATIONS: &str = "tests/hostile/src/operations/";

/// Compares names: a name that several functions have must be called as often. Functions in the
/// bodies of macros count too; those of traits do not.
pub fn check(files: &Files) -> Vec<Violation> {
    let mut violations = Vec::new();
    // `surface.rs` has no std and only the crate's own dependencies, so what is in a file `with_…`
    // is not called there.
    let mut called = BTreeMap::new();
    if let Some(text) = files.get(SURFACE) {
        count_calls(tokens(text), &mut called);
    }
    compare(
        files,
        |file| !file.contains("/with_"),
        called,
        SURFACE,
        &mut violations,
    );

    // A module's operations are in a file of their own, so that a name which other modules have too
    // is not taken for theirs. What is called in `trial.call(…)` counts: with the rest nobody meddles.
    let rooms: BTreeSet<String> = files.keys().filter_map(|file| room(file)).collect();
    for room_of_operations in rooms {
        let mut called = BTreeMap::new();
        let place = format!("{OPERATIONS}{room_of_operations}.rs");
        if let Some(text) = files.get(&place) {
            count_traced_calls(tokens(text), &mut called);
        }
        compare(
            files,
            |file| room(file).as_deref() == Some(&room_of_operations),
            called,
            &format!("a `trial.call(…)` of {place}"),
            &mut violations,
        );
    }
    violations
}

/// The file, without its ending, that has the operations of a file of the library: the one of the
/// same name. What std adds has one, and so have the values that stand for numbers and paths.
fn room(file: &str) -> Option<String> {
    let name = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    let room = match name {
        _ if name.contains("with_std") => "with_std",
        "errno" | "flags" | "path" => "values",
        _ => name,
    };
    Some(room.into())
}

/// Reports each public function of these files of the library that is not called.
fn compare(
    files: &Files,
    of_interest: impl Fn(&str) -> bool,
    mut called: BTreeMap<String, usize>,
    place: &str,
    violations: &mut Vec<Violation>,
) {
    for (file, text) in files
        .iter()
        .filter(|(file, _)| file.starts_with("src/") && of_interest(file))
    {
        let mut functions = Vec::new();
        find_functions(tokens(text), &mut functions);
        for (name, line) in functions {
            match called.get_mut(&name) {
                Some(left @ 1..) => *left -= 1,
                known => {
                    let often = known.map_or("", |_| " often enough for all that have this name");
                    violations.push(Violation {
                        file: file.clone(),
                        line,
                        what: format!("`{name}` is public, but not called in {place}{often}"),
                    });
                }
            }
        }
    }
}

/// What cannot be split into tokens is reported elsewhere.
fn tokens(text: &str) -> Vec<TokenTree> {
    Vec::from_iter(text.parse::<TokenStream>().unwrap_or_default())
}

/// Counts the names that follow a `.` or a `::`.
fn count_calls(tokens: Vec<TokenTree>, called: &mut BTreeMap<String, usize>) {
    let mut before = None;
    for token in tokens {
        match &token {
            TokenTree::Ident(name)
                if is_punct(before.as_ref(), '.') || is_punct(before.as_ref(), ':') =>
            {
                *called.entry(name.to_string()).or_default() += 1;
            }
            TokenTree::Group(group) => count_calls(Vec::from_iter(group.stream()), called),
            _ => {}
        }
        before = Some(token);
    }
}

/// Counts the names as above, in what is given to a function `call`. What is given there by its
/// name, such as `MemFdOptions::new`, is called too.
fn count_traced_calls(tokens: Vec<TokenTree>, called: &mut BTreeMap<String, usize>) {
    let (mut is_call, mut before) = (false, None);
    for token in tokens {
        match &token {
            TokenTree::Group(group) if is_call => {
                count_calls(Vec::from_iter(group.stream()), called);
            }
            TokenTree::Group(group) => {
                count_traced_calls(Vec::from_iter(group.stream()), called);
            }
            _ => {}
        }
        is_call = matches!(&token, TokenTree::Ident(name) if name == "call")
            && is_punct(before.as_ref(), '.');
        before = Some(token);
    }
}

/// Finds each `pub fn`, and its line. A `pub(…)` is not public, and what is hidden from the
/// documentation nobody can call.
fn find_functions(tokens: Vec<TokenTree>, found: &mut Vec<(String, usize)>) {
    const QUALIFIERS: [&str; 4] = ["const", "async", "unsafe", "extern"];

    // After `pub` and what may stand between that and `fn`; and after that `fn`.
    let (mut public, mut function) = (false, false);
    let mut hidden = false;
    for token in tokens {
        (public, function) = match token {
            TokenTree::Ident(name) if function => {
                if !hidden {
                    found.push((name.to_string(), name.span().start().line));
                }
                (false, false)
            }
            TokenTree::Ident(word) if word == "pub" => (true, false),
            TokenTree::Ident(word) if word == "fn" => (false, public),
            TokenTree::Ident(word) => {
                let qualifies = QUALIFIERS.contains(&word.to_string().as_str());
                (public && qualifies, false)
            }
            // Of `extern "C"`.
            TokenTree::Literal(_) => (public, false),
            TokenTree::Group(group) => {
                match group.delimiter() {
                    Delimiter::Bracket if group.stream().to_string() == "doc (hidden)" => {
                        hidden = true;
                    }
                    // A body ends what an attribute is about.
                    Delimiter::Brace => hidden = false,
                    _ => {}
                }
                find_functions(Vec::from_iter(group.stream()), found);
                (false, false)
            }
            TokenTree::Punct(_) => (false, false),
        };
    }
}
