//! Words that may stand in some files only, whatever surrounds them.

use crate::{
    Files, Violation,
    rules::{FOR_MODULES, KNOWS_CPUS, LONGEST_EXAMPLE, SYMBOLS, may_be_unsafe},
};
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Looks for these words in all files.
pub fn check(files: &Files) -> Vec<Violation> {
    let mut violations = Vec::new();
    let macros = macros_of_arch(files);
    for (file, text) in files {
        if !is_rust(file) {
            continue;
        }
        let lines = text.lines().count();
        if is_simple(file) && lines > LONGEST_EXAMPLE {
            violations.push(Violation {
                file: file.clone(),
                line: lines,
                what: format!("is an example of more than {LONGEST_EXAMPLE} lines"),
            });
        }
        match text.parse::<TokenStream>() {
            Ok(tokens) => {
                let mut words = Words {
                    file,
                    macros: &macros,
                    violations: &mut violations,
                };
                words.look(tokens, Context::default());
            }
            Err(error) => violations.push(Violation {
                file: file.clone(),
                line: error.span().start().line,
                what: format!("cannot be split into tokens: {error}"),
            }),
        }
    }
    let denied = ["unsafe_code = \"deny\"", "unsafe_code = \"forbid\""];
    let manifest = files.get("Cargo.toml").map_or("", String::as_str);
    let library = files.get("src/lib.rs").map_or("", String::as_str);
    if !manifest.lines().any(|line| denied.contains(&line))
        && !library
            .lines()
            .any(|line| line.starts_with("#![deny(unsafe_code"))
    {
        violations.push(Violation {
            file: "src/lib.rs".into(),
            line: 1,
            what: "does not deny unsafe code for the whole crate".into(),
        });
    }
    violations
}

fn is_rust(file: &str) -> bool {
    file.rsplit_once('.')
        .is_some_and(|(_, extension)| extension == "rs")
}

/// Whether it is an example for a program with std.
fn is_simple(file: &str) -> bool {
    file.starts_with("examples/") && !file.starts_with("examples/init/")
}

/// The module of the library that a file belongs to.
fn module(file: &str) -> Option<&str> {
    if file.starts_with("arch/") {
        return Some("arch");
    }
    let file = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    Some(file.split('/').next().unwrap_or(file))
}

/// The names of the macros that `arch` keeps for itself. Since `src/lib.rs` has `#[macro_use]` for
/// the sake of `cfg_if`, every module could use them without a path.
fn macros_of_arch(files: &Files) -> BTreeSet<String> {
    fn walk(tokens: TokenStream, names: &mut BTreeSet<String>) {
        let tokens = Vec::from_iter(tokens);
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(word) if word == "macro_rules" => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(index + 2) {
                        names.insert(name.to_string());
                    }
                }
                TokenTree::Group(group) => walk(group.stream(), names),
                _ => {}
            }
        }
    }
    let mut names = BTreeSet::new();
    for (_, text) in files.iter().filter(|(file, _)| file.starts_with("arch/")) {
        // A file that cannot be split into tokens is reported elsewhere.
        walk(text.parse().unwrap_or_default(), &mut names);
    }
    names.remove(FOR_MODULES);
    names
}

/// What surrounds a token.
#[derive(Clone, Copy, Default)]
struct Context {
    /// `#[…]` or `#![…]`
    attribute: bool,
    /// `deny(…)` or `forbid(…)`
    denied: bool,
}

struct Words<'a> {
    file: &'a str,
    /// Those that only `arch` may use.
    macros: &'a BTreeSet<String>,
    violations: &'a mut Vec<Violation>,
}

impl Words<'_> {
    fn look(&mut self, tokens: TokenStream, context: Context) {
        let tokens = Vec::from_iter(tokens);
        for (index, token) in tokens.iter().enumerate() {
            let before = |count: usize| index.checked_sub(count).and_then(|at| tokens.get(at));
            match token {
                TokenTree::Group(group) => {
                    let mut within = context;
                    if group.delimiter() == Delimiter::Bracket {
                        within.attribute |= is_punct(before(1), '#')
                            || is_punct(before(1), '!') && is_punct(before(2), '#');
                    }
                    within.denied = matches!(before(1), Some(TokenTree::Ident(level))
                        if level == "deny" || level == "forbid");
                    self.look(group.stream(), within);
                }
                TokenTree::Ident(word) => self.judge(word, tokens.get(index + 1), context),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn judge(&mut self, word: &Ident, next: Option<&TokenTree>, context: Context) {
        let name = word.to_string();
        let module = module(self.file);
        let library = module.is_some();
        let outside_arch = library && module != Some("arch") || self.file.starts_with("examples/");
        let what = match name.as_str() {
            "target_arch" if outside_arch && self.file != KNOWS_CPUS => {
                "names a CPU: only `arch` does".into()
            }
            "sc" if outside_arch => "names `sc`: only `arch` does".into(),
            word if outside_arch && library && self.macros.contains(word) => {
                format!("uses the macro `{word}`: only `arch` does")
            }
            "asm" | "naked_asm" if outside_arch && library && is_punct(next, '!') => {
                "has machine code: only `arch` does".into()
            }
            "ignore" if context.attribute => "is a test that is ignored".into(),
            "path" if library && context.attribute && is_punct(next, '=') => {
                if self.file == "src/lib.rs" {
                    return;
                }
                "takes a module from elsewhere by `path`".into()
            }
            "include" if library && is_punct(next, '!') => {
                "includes code from a file that is no module".into()
            }
            "unsafe" if module.is_some_and(|module| !may_be_unsafe(module)) => {
                "has unsafe code, which this module may not have".into()
            }
            "unsafe_code"
                if module.is_some_and(|module| !may_be_unsafe(module)) && !context.denied =>
            {
                "lifts the ban on unsafe code, which this module may not do".into()
            }
            "unsafe" | "unsafe_code" if is_simple(self.file) => {
                "has unsafe code, which no example with std needs".into()
            }
            symbol if library && SYMBOLS.contains(&symbol) => {
                format!("defines a symbol with `{symbol}`")
            }
            _ => return,
        };
        self.violations.push(Violation {
            file: self.file.into(),
            line: word.span().start().line,
            what,
        });
    }
}

pub fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}
