//! Which module uses which: paths that begin with `crate`, `super` or `self`.

use crate::{policy::is_punct, rules::ARCH_USERS};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::UseTree;

/// A path, from the crate's root, and its line.
pub struct Arrow {
    to: Vec<String>,
    line: usize,
}

impl Arrow {
    /// The path with these names in this module, unless it leads out of the crate or to
    /// what the file has brought in by another one.
    pub fn of(module: &[String], names: Vec<String>, line: usize) -> Option<Self> {
        let mut names = names.into_iter().peekable();
        let mut to = match names.peek()?.as_str() {
            "crate" => {
                names.next();
                Vec::new()
            }
            "self" => {
                names.next();
                module.to_vec()
            }
            "super" => module.to_vec(),
            // Of the root itself, every name may be a module.
            _ if module.is_empty() => Vec::new(),
            _ => return None,
        };
        while names.next_if(|name| name == "super").is_some() {
            to.pop();
        }
        to.extend(names);
        Some(Self { to, line })
    }
}

/// Adds what a `use` brings in.
pub fn arrows_of_use(module: &[String], tree: &UseTree, arrows: &mut Vec<Arrow>) {
    fn walk(module: &[String], names: &[String], tree: &UseTree, arrows: &mut Vec<Arrow>) {
        let (name, rest) = match tree {
            UseTree::Path(path) => (path.ident.clone(), Some(&*path.tree)),
            UseTree::Name(name) => (name.ident.clone(), None),
            UseTree::Rename(rename) => (rename.ident.clone(), None),
            UseTree::Glob(glob) => {
                let line = glob
                    .star_token
                    .spans
                    .first()
                    .map_or(0, |span| span.start().line);
                arrows.extend(Arrow::of(module, with(names, "*"), line));
                return;
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    walk(module, names, tree, arrows);
                }
                return;
            }
        };
        let names = if name == "self" && !names.is_empty() {
            names.to_vec()
        } else {
            with(names, &name.to_string())
        };
        match rest {
            Some(tree) => walk(module, &names, tree, arrows),
            None => arrows.extend(Arrow::of(module, names, name.span().start().line)),
        }
    }
    walk(module, &[], tree, arrows);
}

fn with(names: &[String], name: &str) -> Vec<String> {
    let mut names = names.to_vec();
    names.push(name.to_owned());
    names
}

/// Adds the paths among tokens.
pub fn arrows_of_tokens(module: &[String], tokens: &TokenStream, arrows: &mut Vec<Arrow>) {
    let tokens = Vec::from_iter(tokens.clone());
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        match token {
            TokenTree::Ident(name) if name == "crate" || name == "super" || name == "self" => {
                let renamed =
                    matches!(tokens.get(index + 1), Some(TokenTree::Ident(next)) if next == "as");
                if is_separator(&tokens, index + 1) || renamed {
                    index = path(module, &[], &tokens, index, arrows);
                    continue;
                }
            }
            TokenTree::Group(group) => arrows_of_tokens(module, &group.stream(), arrows),
            _ => {}
        }
        index += 1;
    }
}

fn is_separator(tokens: &[TokenTree], index: usize) -> bool {
    is_punct(tokens.get(index), ':') && is_punct(tokens.get(index + 1), ':')
}

/// Adds the path, or the paths of a group, that begins at `index` after these names. Returns
/// the index of what follows.
fn path(
    module: &[String],
    names: &[String],
    tokens: &[TokenTree],
    mut index: usize,
    arrows: &mut Vec<Arrow>,
) -> usize {
    let mut names = names.to_vec();
    let mut line = 0;
    while let Some(token) = tokens.get(index) {
        line = token.span().start().line;
        match token {
            TokenTree::Ident(name) if name == "self" && !names.is_empty() => {}
            TokenTree::Ident(name) => names.push(name.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner = Vec::from_iter(group.stream());
                for part in inner.split(|token| is_punct(Some(token), ',')) {
                    if !part.is_empty() {
                        path(module, &names, part, 0, arrows);
                    }
                }
                return index + 1;
            }
            // A glob, or a macro's variable.
            TokenTree::Punct(punct) if "*$".contains(punct.as_char()) => {
                names.push(punct.as_char().to_string());
            }
            _ => break,
        }
        index += 1;
        if !is_separator(tokens, index) {
            break;
        }
        index += 2;
    }
    arrows.extend(Arrow::of(module, names, line));
    index
}

/// The modules in the order of their `mod` lines.
#[derive(Default)]
pub struct Order {
    pub modules: Vec<String>,
}

impl Order {
    fn position(&self, module: &str) -> Option<usize> {
        self.modules.iter().position(|name| name == module)
    }

    /// What is wrong with these arrows, each of which has the file and the module that it
    /// starts from.
    pub fn judge(&self, arrows: &[(String, Vec<String>, Arrow)]) -> Vec<(String, usize, String)> {
        let mut uses = BTreeMap::<&str, BTreeSet<&str>>::new();
        for (_, from, arrow) in arrows {
            if let (Some(from), Some(to)) = (from.first(), arrow.to.first()) {
                uses.entry(from).or_default().insert(to);
            }
        }
        let mut wrong = Vec::new();
        for (file, from, arrow) in arrows {
            let to = arrow.to.first().map_or("", String::as_str);
            let what = match from.first() {
                // The root declares all, and stands above all.
                None if to == "arch" => "uses `arch`, which only `fd` and `sys` do".into(),
                None => continue,
                Some(from) if from == to => continue,
                Some(from) => match (self.position(from), self.position(to)) {
                    (_, None) => {
                        format!("goes through the crate's root: name the module that has `{to}`")
                    }
                    _ if to == "arch" && !ARCH_USERS.contains(&from.as_str()) => {
                        "uses `arch`, which only `fd` and `sys` do".into()
                    }
                    (Some(own), Some(other)) if own < other => {
                        let circle = if reaches(&uses, to, from) {
                            ", and is used by it: a circle"
                        } else {
                            ""
                        };
                        format!("`{from}` uses `{to}`, whose `mod` line is below its own{circle}")
                    }
                    _ => continue,
                },
            };
            wrong.push((file.clone(), arrow.line, what));
        }
        wrong
    }
}

/// Whether a module uses another, be it through others.
fn reaches(uses: &BTreeMap<&str, BTreeSet<&str>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            next.extend(uses.get(module).into_iter().flatten());
        }
    }
    false
}
