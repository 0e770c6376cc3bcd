//! The library's modules: which there are, in which order, and what each one's code does.

use crate::{
    Files, Violation,
    paths::{Arrow, Order, arrows_of_tokens, arrows_of_use},
    policy::is_punct,
    rules::{PANICKING_MACROS, PANICKING_METHODS},
};
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::{
    Attribute, BinOp, Expr, File, ImplItemConst, ItemConst, ItemMod, ItemStatic, ItemUse, Lit,
    Macro, Meta, TraitItemConst, VisRestricted,
    spanned::Spanned,
    visit::{self, Visit},
};

/// The front page, which declares the modules.
const LIBRARY: &str = "src/lib.rs";

/// Follows the `mod` lines from `src/lib.rs` and looks at each file's code. Returns the
/// modules in their order, too.
pub fn check(files: &Files) -> (Vec<Violation>, Vec<String>) {
    let mut violations = Vec::new();
    let mut report = |file: &str, line: usize, what: String| {
        violations.push(Violation {
            file: file.into(),
            line,
            what,
        });
    };

    let mut order = Order::default();
    let mut arrows = Vec::new();
    let mut seen = BTreeSet::new();
    // Files to look at, each with its module's path and the directory of its children.
    let mut found = vec![(LIBRARY.to_owned(), Vec::new(), "src".to_owned())];
    while let Some((file, module, directory)) = found.pop() {
        let Some(text) = files.get(&file) else {
            report(&file, 1, "is not there".into());
            continue;
        };
        seen.insert(file.clone());
        let parsed = match syn::parse_file(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                report(
                    &file,
                    error.span().start().line,
                    format!("cannot be parsed: {error}"),
                );
                continue;
            }
        };
        let mut code = Code {
            module,
            ..Code::default()
        };
        code.visit_file(&parsed);
        for (line, what) in code.violations {
            report(&file, line, what);
        }
        for declared in &code.children {
            if file == LIBRARY {
                order.modules.push(declared.name.clone());
                if !declared.has_phrase(text) {
                    let what =
                        format!("`mod {}` has no phrase that says what it is", declared.name);
                    report(&file, declared.line, what);
                }
            }
            let mut module = declared.parents.clone();
            module.push(declared.name.clone());
            let mut base = directory.clone();
            let nested = declared
                .parents
                .get(code.module.len()..)
                .unwrap_or_default();
            for parent in nested {
                base = format!("{base}/{parent}");
            }
            let inside = format!("{base}/{}", declared.name);
            let alone = format!("{inside}.rs");
            let folder = format!("{inside}/mod.rs");
            found.push(match &declared.path {
                // Only `arch` may have a path: see policy.rs.
                Some(path) if path == "../arch/mod.rs" && declared.name == "arch" => {
                    ("arch/mod.rs".into(), module, "arch".into())
                }
                Some(path) => {
                    report(&file, declared.line, format!("takes a module from {path}"));
                    continue;
                }
                None if files.contains_key(&folder) => (folder, module, inside),
                None => (alone, module, inside),
            });
        }
        arrows.extend(
            code.arrows
                .into_iter()
                .map(|arrow| (file.clone(), code.module.clone(), arrow)),
        );
    }

    for file in files.keys() {
        if (file.starts_with("src/") || file.starts_with("arch/")) && !seen.contains(file) {
            report(file, 1, "is no module: no `mod` line leads to it".into());
        }
    }
    for (file, line, what) in order.judge(&arrows) {
        report(&file, line, what);
    }
    (violations, order.modules)
}

/// A `mod` line.
struct Declared {
    name: String,
    parents: Vec<String>,
    path: Option<String>,
    /// The first line, which may be an attribute's, and the line of the name.
    first: usize,
    line: usize,
}

impl Declared {
    /// Whether a comment follows on the line, or stands directly above it.
    fn has_phrase(&self, text: &str) -> bool {
        let lines: Vec<_> = text.lines().collect();
        let line = |number: usize| {
            number
                .checked_sub(1)
                .and_then(|at| lines.get(at))
                .unwrap_or(&"")
        };
        let says = |comment: &str| comment.contains(char::is_alphabetic);
        let behind = line(self.line)
            .split_once(';')
            .and_then(|(_, rest)| rest.split_once("//"));
        behind.is_some_and(|(_, comment)| says(comment))
            || (self.first.saturating_sub(1)..self.line)
                .filter_map(|number| line(number).trim().strip_prefix("//"))
                .any(says)
    }
}

/// What the code of a file does.
#[derive(Default)]
struct Code {
    module: Vec<String>,
    /// Inside a constant, which is evaluated when the library is compiled.
    constant: bool,
    children: Vec<Declared>,
    arrows: Vec<Arrow>,
    violations: Vec<(usize, String)>,
}

impl Code {
    fn report(&mut self, span: Span, what: impl Into<String>) {
        self.violations.push((span.start().line, what.into()));
    }

    fn panics(&mut self, span: Span, what: &str) {
        if !self.constant {
            self.report(span, format!("{what} can panic"));
        }
    }

    /// Looks at what `inner` visits as a constant, or as code that runs.
    fn within(&mut self, constant: bool, inner: impl FnOnce(&mut Self)) {
        let before = self.constant;
        self.constant = constant;
        inner(self);
        self.constant = before;
    }

    fn is_method(&mut self, name: &Ident) {
        if PANICKING_METHODS.contains(&name.to_string().as_str()) {
            self.panics(name.span(), &format!("`{name}`"));
        }
    }

    /// Looks for what panics among tokens, of which it is not known what they will be.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens = Vec::from_iter(tokens);
        for (index, token) in tokens.iter().enumerate() {
            let before = |count: usize| index.checked_sub(count).and_then(|at| tokens.get(at));
            match token {
                TokenTree::Ident(name) => {
                    let called = is_punct(tokens.get(index + 1), '!')
                        && matches!(tokens.get(index + 2), Some(TokenTree::Group(_)));
                    if called && PANICKING_MACROS.contains(&name.to_string().as_str()) {
                        self.panics(name.span(), &format!("`{name}!`"));
                    }
                    if is_punct(before(1), '.') || is_punct(before(1), ':') {
                        self.is_method(name);
                    }
                }
                TokenTree::Group(group) => {
                    if group.delimiter() == Delimiter::Bracket
                        && indexes(tokens.get(..index).unwrap_or_default())
                    {
                        self.panics(group.span_open(), "indexing");
                    }
                    let constant = self.constant
                        || group.delimiter() == Delimiter::Brace && is_ident(before(1), "const");
                    self.within(constant, |code| code.tokens(group.stream()));
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn declare(&mut self, node: &ItemMod) {
        let path = node
            .attrs
            .iter()
            .find_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                    Expr::Lit(literal) => match &literal.lit {
                        Lit::Str(path) => Some(path.value()),
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            });
        let line = node.ident.span().start().line;
        let first = node
            .attrs
            .first()
            .map_or(node.mod_token.span(), Spanned::span);
        self.children.push(Declared {
            name: node.ident.to_string(),
            parents: self.module.clone(),
            path,
            first: first.start().line.min(line),
            line,
        });
    }
}

/// Whether brackets after these tokens would be an index.
fn indexes(before: &[TokenTree]) -> bool {
    const KEYWORDS: [&str; 21] = [
        "as", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let", "loop", "match",
        "move", "mut", "pub", "raw", "ref", "return", "unsafe", "where", "while",
    ];
    let mut before = before.iter().rev();
    let last = before.next();
    let earlier = before.next();
    match last {
        Some(TokenTree::Ident(name)) => {
            // `&'a [u8]`, and what a macro's variable is: `$name:ident [$kind:ty]`
            let lifetime = is_punct(earlier, '\'');
            let kind = is_punct(earlier, ':') && !is_punct(before.next(), ':');
            !lifetime && !kind && !KEYWORDS.contains(&name.to_string().as_str())
        }
        Some(TokenTree::Group(group)) => {
            // Two attributes.
            !(group.delimiter() == Delimiter::Bracket && is_punct(earlier, '#'))
        }
        Some(TokenTree::Punct(punct)) => punct.as_char() == '?',
        Some(TokenTree::Literal(_)) => true,
        None => false,
    }
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

/// Whether this is a number that cannot be zero because it is written out or named as a
/// constant, which the compiler checks.
fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Lit(_) | Expr::Const(_) => true,
        Expr::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| !segment.ident.to_string().contains(char::is_lowercase)),
        Expr::Paren(inner) => is_constant(&inner.expr),
        Expr::Group(inner) => is_constant(&inner.expr),
        Expr::Cast(inner) => is_constant(&inner.expr),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item_mod(&mut self, node: &'ast ItemMod) {
        if node.content.is_none() {
            self.declare(node);
            visit::visit_item_mod(self, node);
        } else {
            self.module.push(node.ident.to_string());
            visit::visit_item_mod(self, node);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, node: &'ast ItemUse) {
        if node.leading_colon.is_none() {
            arrows_of_use(&self.module, &node.tree, &mut self.arrows);
        }
        visit::visit_item_use(self, node);
    }

    fn visit_item_extern_crate(&mut self, node: &'ast syn::ItemExternCrate) {
        if node.ident != "std" {
            self.report(node.span(), "names a crate with `extern crate`");
        }
    }

    fn visit_path(&mut self, node: &'ast syn::Path) {
        if node.leading_colon.is_none() && node.segments.len() > 1 {
            let names = node
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            let line = node.span().start().line;
            self.arrows
                .extend(Arrow::of(&self.module, names.collect(), line));
        }
        if let (Some(last), true) = (node.segments.last(), node.segments.len() > 1) {
            self.is_method(&last.ident);
        }
        visit::visit_path(self, node);
    }

    fn visit_vis_restricted(&mut self, node: &'ast VisRestricted) {
        // `pub(crate)` is no use of anything.
        if node.in_token.is_some() {
            visit::visit_vis_restricted(self, node);
        }
    }

    fn visit_attribute(&mut self, node: &'ast Attribute) {
        // `expect` is a lint level here.
        if let Meta::List(list) = &node.meta {
            arrows_of_tokens(&self.module, &list.tokens, &mut self.arrows);
        }
    }

    fn visit_macro(&mut self, node: &'ast Macro) {
        let name = node
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string());
        let name = name.unwrap_or_default();
        if PANICKING_MACROS.contains(&name.as_str()) {
            self.panics(node.path.span(), &format!("`{name}!`"));
        }
        if name != "cfg_if" {
            visit::visit_macro(self, node);
            return;
        }
        // What it keeps are items.
        self.visit_path(&node.path);
        for token in node.tokens.clone() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    match syn::parse2::<File>(group.stream()) {
                        Ok(parsed) => {
                            let mut inner = Code {
                                module: self.module.clone(),
                                ..Code::default()
                            };
                            inner.visit_file(&parsed);
                            self.children.append(&mut inner.children);
                            self.arrows.append(&mut inner.arrows);
                            self.violations.append(&mut inner.violations);
                        }
                        Err(error) => {
                            self.report(error.span(), format!("cannot be parsed: {error}"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn visit_token_stream(&mut self, node: &'ast TokenStream) {
        arrows_of_tokens(&self.module, node, &mut self.arrows);
        self.tokens(node.clone());
    }

    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        self.is_method(&node.method);
        visit::visit_expr_method_call(self, node);
    }

    fn visit_expr_index(&mut self, node: &'ast syn::ExprIndex) {
        self.panics(node.bracket_token.span.open(), "indexing");
        visit::visit_expr_index(self, node);
    }

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let divides = matches!(
            node.op,
            BinOp::Div(_) | BinOp::Rem(_) | BinOp::DivAssign(_) | BinOp::RemAssign(_)
        );
        if divides && !is_constant(&node.right) {
            self.panics(node.op.span(), "division by what may be zero");
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_const(&mut self, node: &'ast syn::ExprConst) {
        self.within(true, |code| visit::visit_expr_const(code, node));
    }

    fn visit_item_const(&mut self, node: &'ast ItemConst) {
        self.within(true, |code| visit::visit_item_const(code, node));
    }

    fn visit_impl_item_const(&mut self, node: &'ast ImplItemConst) {
        self.within(true, |code| visit::visit_impl_item_const(code, node));
    }

    fn visit_trait_item_const(&mut self, node: &'ast TraitItemConst) {
        self.within(true, |code| visit::visit_trait_item_const(code, node));
    }

    fn visit_item_static(&mut self, node: &'ast ItemStatic) {
        self.within(true, |code| visit::visit_item_static(code, node));
    }

    fn visit_expr_closure(&mut self, node: &'ast syn::ExprClosure) {
        self.within(false, |code| visit::visit_expr_closure(code, node));
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.within(false, |code| visit::visit_item_fn(code, node));
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.within(false, |code| visit::visit_impl_item_fn(code, node));
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        self.within(false, |code| visit::visit_trait_item_fn(code, node));
    }
}
