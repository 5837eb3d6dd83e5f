//! Files and functions that a reader can take in at once.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::Source;
use crate::{Breach, checkout, found_at, none};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

fn long_file(source: &Source) -> Option<Breach> {
    let lines = source.text.lines().count();
    let what = format!("{lines} lines");
    (lines > FILE_LINES_MAX).then(|| Breach { file: source.file.clone(), line: lines, what })
}

fn long_functions(source: &Source) -> Vec<Breach> {
    let mut lengths = Lengths::default();
    lengths.visit_file(&source.tree);
    let long = lengths.0.into_iter().filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX);
    let breach =
        |(line, name, lines)| Breach { file: source.file.clone(), line, what: format!("{name}: {lines} lines") };
    long.map(breach).collect()
}

/// The first line, name and length of each function, from its signature to its last brace.
#[derive(Default)]
struct Lengths(Vec<(usize, String, usize)>);

impl Lengths {
    fn note(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        self.0.push((first, signature.ident.to_string(), last + 1 - first));
    }
}

impl<'a> Visit<'a> for Lengths {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.note(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.note(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.note(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[test]
fn no_file_is_long() {
    none("A file has at most 600 lines: split it by concept.", checkout::rust().iter().filter_map(long_file));
}

#[test]
fn no_function_is_long() {
    none("A function has at most 70 lines: split it by step.", checkout::rust().iter().flat_map(long_functions));
}

#[test]
fn a_long_file_is_found() {
    let lines = |n: usize| Source::parse("src/a.rs", &"// a\n".repeat(n));
    assert_eq!(long_file(&lines(FILE_LINES_MAX)), None);
    assert!(long_file(&lines(FILE_LINES_MAX + 1)).is_some());
}

#[test]
fn a_long_function_is_found() {
    let body = |n: usize| format!("/// About it.\n#[inline]\npub fn f() {{\n{}}}\n", "    g();\n".repeat(n));
    found_at(&long_functions(&Source::parse("src/a.rs", &body(FUNCTION_LINES_MAX - 2))), &[]);
    found_at(&long_functions(&Source::parse("src/a.rs", &body(FUNCTION_LINES_MAX - 1))), &[3]);
    let inside = format!("impl A {{\n{}}}\n", body(FUNCTION_LINES_MAX));
    found_at(&long_functions(&Source::parse("src/a.rs", &inside)), &[4]);
}
