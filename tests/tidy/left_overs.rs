//! What the code does without: `unsafe`, panics in the libraries, left-overs, and switched-off lints.

use syn::visit::{self, Visit};

use crate::source::{Mention, Source};
use crate::{Breach, checkout, found_at, none};

/// Lints that hold in the libraries: their levels stand in the root `Cargo.toml`, for all.
const LINTS: &[&str] = &[
    "missing_docs",
    "unsafe_code",
    "clippy::dbg_macro",
    "clippy::expect_used",
    "clippy::panic",
    "clippy::print_stderr",
    "clippy::print_stdout",
    "clippy::todo",
    "clippy::unimplemented",
    "clippy::unwrap_used",
];

fn breaches(source: &Source, what: &str, broken: impl Fn(&Mention) -> bool) -> Vec<Breach> {
    let breach = |m: &Mention| Breach { file: source.file.clone(), line: m.line, what: format!("{}: {what}", m.path) };
    source.mentions().filter(|m| broken(m)).map(breach).collect()
}

fn not_safe(source: &Source) -> Vec<Breach> {
    breaches(source, "not in this project", |m| m.path == "unsafe")
}

fn unwraps(source: &Source) -> Vec<Breach> {
    let unwrap = |m: &Mention| {
        let (owner, last) = m.path.rsplit_once("::").unwrap_or(("", &m.path));
        matches!(last, "unwrap" | "expect" | "unwrap_err" | "expect_err")
            && ((m.after_dot && m.next == '(') || !owner.is_empty())
    };
    breaches(source, "return an error instead", |m| !source.is_test(m.line) && unwrap(m))
}

fn left_overs(source: &Source) -> Vec<Breach> {
    let macros = ["todo", "unimplemented", "dbg"];
    let mut all = breaches(source, "finish it", |m| m.next == '!' && macros.contains(&m.path.as_str()));
    let marker = concat!("FIX", "ME");
    for (line, _) in source.text.lines().enumerate().filter(|(_, text)| text.contains(marker)) {
        all.push(Breach { file: source.file.clone(), line: line + 1, what: "a marker: finish it".into() });
    }
    let mut ignored = Ignored::default();
    ignored.visit_file(&source.tree);
    let breach = |line| Breach { file: source.file.clone(), line, what: "a test that never runs".into() };
    all.extend(ignored.0.into_iter().map(breach));
    all
}

/// The lines of `#[ignore]`.
#[derive(Default)]
struct Ignored(Vec<usize>);

impl<'a> Visit<'a> for Ignored {
    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        if attribute.path().is_ident("ignore") {
            self.0.push(attribute.pound_token.spans[0].start().line);
        }
        visit::visit_attribute(self, attribute);
    }
}

fn lints_off(source: &Source) -> Vec<Breach> {
    let lint = |m: &Mention| LINTS.contains(&m.path.as_str()) && !source.is_test(m.line);
    breaches(source, "this lint holds everywhere; its level stands in the root Cargo.toml", lint)
}

#[test]
fn all_code_is_safe_rust() {
    none("No unsafe code.", checkout::rust().iter().flat_map(not_safe));
}

#[test]
fn libraries_return_errors() {
    none("No unwrap and no expect in library code.", checkout::library().iter().flat_map(unwraps));
}

#[test]
fn nothing_is_left_over() {
    none("Nothing unfinished, nothing for debugging, no ignored test.", checkout::rust().iter().flat_map(left_overs));
}

#[test]
fn lints_hold_in_all_libraries() {
    none("No lint is switched off in a library.", checkout::library().iter().flat_map(lints_off));
}

#[test]
fn unsafe_code_is_found() {
    let text = "#![forbid(unsafe_code)]\nfn f() {\n    // unsafe\n    unsafe { g() }\n}";
    found_at(&not_safe(&Source::parse("benches/a.rs", text)), &[4]);
}

#[test]
fn unwraps_are_found() {
    let text = "fn f() {\n    g().unwrap();\n    g().map(Option::unwrap);\n    h!(g().expect(\"x\"));\n    unwrap_or(expect);\n}\n\
                #[cfg(test)]\nmod tests {\n    fn f() {\n        g().unwrap();\n    }\n}";
    found_at(&unwraps(&Source::parse("engine/src/a.rs", text)), &[2, 3, 4]);
}

#[test]
fn left_overs_are_found() {
    let text = format!(
        "fn f() {{\n    todo!();\n    dbg!(1);\n    \"todo!()\";\n}}\n// {}: later\n#[test]\n#[ignore]\nfn g() {{}}",
        concat!("FIX", "ME")
    );
    found_at(&left_overs(&Source::parse("engine/src/a.rs", &text)), &[2, 3, 6, 8]);
}

#[test]
fn lints_that_are_off_are_found() {
    let text = "#![allow(missing_docs)]\n#[expect(clippy::unwrap_used)]\nfn f() {}\n#[allow(clippy::type_complexity)]\nfn g() {}";
    found_at(&lints_off(&Source::parse("engine/src/a.rs", text)), &[1, 2]);
}
