//! Reports each line of owned-memfd's code that stands where it must not, as
//! `FILE:LINE: what is wrong`. `ci/boundaries.sh` runs it at the repository's root.
//!
//! The order of the `mod` lines in `src/lib.rs` is the architecture, and is read from there.
//! The other rules stand in `rules.rs`. Code is parsed, not searched: comments
//! and strings are no code. Of a macro's body only the tokens are known, so the rules for
//! those are stricter.

mod paths;
mod policy;
mod rules;
mod surface;
#[cfg(test)]
mod tests;
mod tree;

use std::{collections::BTreeMap, env, fs, io, path::Path, process::ExitCode};

/// The Rust files and the manifest of a repository: their text by their path.
type Files = BTreeMap<String, String>;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    file: String,
    line: usize,
    what: String,
}

/// The violations in these files, ordered by place, and the modules of the library in their
/// order.
fn check(files: &Files) -> (Vec<Violation>, Vec<String>) {
    let (mut violations, modules) = tree::check(files);
    violations.extend(policy::check(files));
    violations.extend(surface::check(files));
    violations.sort();
    violations.dedup();
    (violations, modules)
}

/// Reads what is checked of the repository at `root`.
fn read(root: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    files.insert(
        "Cargo.toml".into(),
        fs::read_to_string(root.join("Cargo.toml"))?,
    );
    for directory in ["arch", "src", "examples", "tests"] {
        read_directory(root, directory, &mut files)?;
    }
    Ok(files)
}

fn read_directory(root: &Path, directory: &str, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{directory}/{name}");
        if entry.path().is_dir() {
            if name != "target" {
                read_directory(root, &path, files)?;
            }
        } else if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs")
        {
            files.insert(path, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let root = env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let root = Path::new(&root);
    let files = match read(root) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{}: {error}", root.display());
            return ExitCode::from(2);
        }
    };
    let (violations, modules) = check(&files);
    for Violation { file, line, what } in &violations {
        println!("{file}:{line}: {what}");
    }
    if violations.is_empty() {
        println!("{}", modules.join(" "));
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
