//! One Rust file: its syntax tree, the paths that its tokens mention, and which lines are test code.
//!
//! Tokens are looked at beside the tree because the tree is blind inside macro calls; unlike a search in the text they
//! never mistake a string or a comment for code.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A Rust file.
pub(crate) struct Source {
    /// Its path from the root of the checkout.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) tree: syn::File,
    /// Every line of it is test code.
    pub(crate) all_test: bool,
    test_lines: Vec<RangeInclusive<usize>>,
    imports: BTreeMap<String, Vec<String>>,
    mentions: Vec<Mention>,
}

/// Identifiers joined by `::`, somewhere in the code.
#[derive(Clone, Debug)]
pub(crate) struct Mention {
    /// The path as it is written.
    pub(crate) path: String,
    /// The path with its first word replaced by what the file imports under that word.
    pub(crate) full: String,
    pub(crate) line: usize,
    /// It is a method or field: a dot comes before it.
    pub(crate) after_dot: bool,
    /// What comes after it: `(`, `!`, or another character; a blank at the end.
    pub(crate) next: char,
}

impl Source {
    pub(crate) fn parse(file: &str, text: &str) -> Source {
        let tree = syn::parse_file(text).unwrap_or_else(|e| panic!("{file}:{}: {e}", e.span().start().line));
        let mut outline = Outline::default();
        outline.visit_file(&tree);
        let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
        let mut flat = Vec::new();
        flatten(tokens, &mut flat);
        let mentions = mentions(&flat, &outline.imports);
        let all_test = file.starts_with("tests/") || file.contains("/tests/");
        let (test_lines, imports) = (outline.test_lines, outline.imports);
        Source { file: file.to_owned(), text: text.to_owned(), tree, all_test, test_lines, imports, mentions }
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.all_test || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// All paths that the code mentions, test code included.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.mentions.iter()
    }

    /// A path of the tree, with its first word replaced by what the file imports under that word.
    pub(crate) fn full(&self, path: &syn::Path) -> String {
        let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        full(&words.join("::"), &self.imports)
    }

    /// Whether the file is the module at `module` (a path without `.rs`) or one below it.
    pub(crate) fn is_in_module(&self, module: &str) -> bool {
        self.file.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

/// The modules in files of their own that are compiled for tests alone, as paths without `.rs`.
pub(crate) fn test_modules(source: &Source) -> Vec<String> {
    let home = match source.file.rsplit_once('/') {
        Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder,
        _ => source.file.trim_end_matches(".rs"),
    };
    let modules = source.tree.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && module.attrs.iter().any(is_for_tests) => Some(module),
        _ => None,
    });
    modules.map(|module| format!("{home}/{}", module.ident)).collect()
}

/// Paths of a use tree, each with the name under which it is imported.
pub(crate) fn imported(tree: &syn::UseTree, before: &str) -> Vec<(String, String)> {
    let join = |name: &str| match (before, name) {
        ("", name) => name.to_owned(),
        (before, "self") => before.to_owned(),
        (before, name) => format!("{before}::{name}"),
    };
    let last = |path: &str| path.rsplit("::").next().unwrap_or(path).to_owned();
    match tree {
        syn::UseTree::Path(path) => imported(&path.tree, &join(&path.ident.to_string())),
        syn::UseTree::Name(name) => {
            let path = join(&name.ident.to_string());
            vec![(last(&path), path)]
        }
        syn::UseTree::Rename(rename) => vec![(rename.rename.to_string(), join(&rename.ident.to_string()))],
        syn::UseTree::Group(group) => group.items.iter().flat_map(|tree| imported(tree, before)).collect(),
        _ => vec![("*".to_owned(), join("*"))],
    }
}

/// Whether an attribute takes what it stands on out of the library: `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, ..))]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
    let mut flat = Vec::new();
    flatten(list.tokens.clone(), &mut flat);
    let has = |word: &str| flat.iter().any(|(token, _)| matches!(token, Token::Word(w) if w == word));
    list.path.is_ident("cfg") && has("test") && !has("not") && !has("any")
}

/// What is gathered in one walk over the tree.
#[derive(Default)]
struct Outline {
    test_lines: Vec<RangeInclusive<usize>>,
    imports: BTreeMap<String, Vec<String>>,
}

impl Outline {
    fn note(&mut self, attributes: &[syn::Attribute], node: &impl Spanned) {
        if attributes.iter().any(is_for_tests) {
            self.test_lines.push(node.span().start().line..=node.span().end().line);
        }
    }
}

impl<'a> Visit<'a> for Outline {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.note(&item.attrs, item);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.note(&item.attrs, item);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        self.note(&item.attrs, item);
        visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.note(&item.attrs, item);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.note(&item.attrs, item);
        for (name, path) in imported(&item.tree, "") {
            self.imports.entry(name).or_default().push(path);
        }
    }
}

enum Token {
    Word(String),
    Mark(char),
    Literal,
}

/// Tokens in a row, with their lines; groups become their brackets and what is between them.
fn flatten(tokens: TokenStream, flat: &mut Vec<(Token, usize)>) {
    for token in tokens {
        let line = token.span().start().line;
        match token {
            TokenTree::Ident(word) => flat.push((Token::Word(word.to_string()), line)),
            TokenTree::Punct(mark) => flat.push((Token::Mark(mark.as_char()), line)),
            TokenTree::Literal(_) => flat.push((Token::Literal, line)),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::None => (' ', ' '),
                };
                flat.push((Token::Mark(open), line));
                flatten(group.stream(), flat);
                flat.push((Token::Mark(close), group.span_close().start().line));
            }
        }
    }
}

fn mentions(flat: &[(Token, usize)], imports: &BTreeMap<String, Vec<String>>) -> Vec<Mention> {
    let mark = |at: usize| match flat.get(at) {
        Some((Token::Mark(mark), _)) => *mark,
        Some((Token::Word(_), _)) => 'a',
        Some((Token::Literal, _)) => '0',
        None => ' ',
    };
    let mut all = Vec::new();
    let mut at = 0;
    while let Some((token, _)) = flat.get(at) {
        let Token::Word(first) = token else {
            at += 1;
            continue;
        };
        let after_dot = at > 0 && mark(at - 1) == '.' && (at < 2 || mark(at - 2) != '.');
        let mut path = first.clone();
        let mut end = at;
        while mark(end + 1) == ':'
            && mark(end + 2) == ':'
            && let Some((Token::Word(word), _)) = flat.get(end + 3)
        {
            path = format!("{path}::{word}");
            end += 3;
        }
        let full = if after_dot { path.clone() } else { full(&path, imports) };
        all.push(Mention { path, full, line: flat[end].1, after_dot, next: mark(end + 1) });
        at = end + 1;
    }
    all
}

/// Where a file imports one name twice, in different modules, the paths are all given, with a blank between them.
fn full(path: &str, imports: &BTreeMap<String, Vec<String>>) -> String {
    let (first, rest) = path.split_once("::").map_or((path, String::new()), |(f, rest)| (f, format!("::{rest}")));
    match imports.get(first) {
        Some(paths) => paths.iter().map(|import| format!("{import}{rest}")).collect::<Vec<_>>().join(" "),
        None => path.to_owned(),
    }
}

#[test]
fn paths_are_followed_through_imports_and_into_macros() {
    let text = "use std::time::{self, Instant as I};\nfn f() {\n    g!(I::now());\n    time::SystemTime::now();\n}\n";
    let source = Source::parse("engine/src/a.rs", text);
    let seen: Vec<(&str, usize)> = source.mentions().map(|m| (m.full.as_str(), m.line)).collect();
    assert!(seen.contains(&("std::time::Instant::now", 3)), "{seen:?}");
    assert!(seen.contains(&("std::time::SystemTime::now", 4)), "{seen:?}");
}

#[test]
fn test_code_is_told_from_library_code() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}\n";
    let source = Source::parse("engine/src/a.rs", text);
    assert_eq!((1..=7).filter(|line| source.is_test(*line)).collect::<Vec<_>>(), [2, 3, 4, 5]);
    let outside = Source::parse("engine/src/room/mod.rs", "#[cfg(test)]\nmod tests;\n");
    assert_eq!(test_modules(&outside), ["engine/src/room/tests"]);
    assert!(Source::parse("engine/src/room/tests.rs", "").is_in_module("engine/src/room/tests"));
    assert!(!Source::parse("engine/src/room/tests_of.rs", "").is_in_module("engine/src/room/tests"));
}
