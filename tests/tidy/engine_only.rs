//! timely and differential are named by the engine alone, and by nothing that a user of the engine sees.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{Source, imported};
use crate::{Breach, checkout, found_at, none};

fn foreign(full: &str) -> bool {
    full.split(' ').any(|path| {
        let first = path.split("::").next().unwrap_or_default();
        first.starts_with("timely") || first.starts_with("differential")
    })
}

fn named(source: &Source) -> Vec<Breach> {
    if source.file.starts_with("engine/") {
        return Vec::new();
    }
    let breach = |(line, path): (usize, &String)| Breach { file: source.file.clone(), line, what: path.clone() };
    source.mentions().filter(|m| m.path.contains("::") && foreign(&m.full)).map(|m| breach((m.line, &m.path))).collect()
}

/// The door for experts: what comes through it are types of timely and differential, and it says so.
const DOOR: &str = "engine/src/table/expert.rs";

fn in_signatures(source: &Source) -> Vec<Breach> {
    if source.file == DOOR {
        return Vec::new();
    }
    let mut surface = Surface { source, found: Vec::new() };
    surface.visit_file(&source.tree);
    surface.found
}

/// Walks over what is public: signatures, fields, bounds, re-exports; never into bodies.
struct Surface<'s> {
    source: &'s Source,
    found: Vec<Breach>,
}

impl Surface<'_> {
    fn breach(&mut self, line: usize, what: String) {
        self.found.push(Breach { file: self.source.file.clone(), line, what });
    }

    fn fields<'a>(&mut self, fields: impl IntoIterator<Item = &'a syn::Field>, all: bool) {
        for field in fields {
            if all || public(&field.vis) {
                self.visit_type(&field.ty);
            }
        }
    }

    /// What a user sees of an impl: the trait, its types, and public functions and constants.
    fn implementation(&mut self, item: &syn::ItemImpl) {
        let of_sealed = |path: &syn::Path| path.segments.first().is_some_and(|first| first.ident == "sealed");
        if item.trait_.as_ref().is_some_and(|(path, _)| of_sealed(path)) {
            return;
        }
        if let Some((path, _)) = &item.trait_ {
            self.visit_path(path);
        }
        for member in &item.items {
            match member {
                syn::ImplItem::Fn(function) if public(&function.vis) => self.visit_signature(&function.sig),
                syn::ImplItem::Const(constant) if public(&constant.vis) => self.visit_type(&constant.ty),
                syn::ImplItem::Type(of) if item.trait_.is_some() => self.visit_type(&of.ty),
                _ => {}
            }
        }
    }
}

fn public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

impl<'a> Visit<'a> for Surface<'_> {
    fn visit_item(&mut self, item: &'a syn::Item) {
        match item {
            // Public for the compiler alone: nobody can name what is in it.
            syn::Item::Mod(inner) if inner.ident == "sealed" && !matches!(inner.vis, syn::Visibility::Public(_)) => {}
            syn::Item::Mod(_) => visit::visit_item(self, item),
            syn::Item::Impl(item) => self.implementation(item),
            syn::Item::Trait(item) if public(&item.vis) => visit::visit_item_trait(self, item),
            syn::Item::Fn(item) if public(&item.vis) => self.visit_signature(&item.sig),
            syn::Item::Const(item) if public(&item.vis) => self.visit_type(&item.ty),
            syn::Item::Static(item) if public(&item.vis) => self.visit_type(&item.ty),
            syn::Item::Type(item) if public(&item.vis) => visit::visit_item_type(self, item),
            syn::Item::Struct(item) if public(&item.vis) => {
                self.visit_generics(&item.generics);
                self.fields(&item.fields, false);
            }
            syn::Item::Enum(item) if public(&item.vis) => {
                self.visit_generics(&item.generics);
                item.variants.iter().for_each(|variant| self.fields(&variant.fields, true));
            }
            syn::Item::Use(item) if public(&item.vis) => {
                for (_, path) in imported(&item.tree, "").into_iter().filter(|(_, path)| foreign(path)) {
                    self.breach(item.span().start().line, format!("re-exports {path}"));
                }
            }
            _ => {}
        }
    }

    fn visit_block(&mut self, _body: &'a syn::Block) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        let full = self.source.full(path);
        if foreign(&full) {
            self.breach(path.span().start().line, format!("{full} in a public signature"));
        }
        visit::visit_path(self, path);
    }
}

#[test]
fn only_the_engine_names_timely_and_differential() {
    none("Only the engine names timely and differential.", checkout::rust().iter().flat_map(named));
}

#[test]
fn no_public_signature_has_timely_or_differential_types() {
    let library = checkout::library();
    let engine = library.iter().filter(|source| source.file.starts_with("engine/"));
    none("No timely or differential type is public: wrap it.", engine.flat_map(in_signatures));
}

#[test]
fn names_outside_the_engine_are_found() {
    let text =
        "use timely::dataflow::Scope;\n// timely::x\nfn f() {\n    differential_dataflow::f();\n    let timely = 1;\n}";
    found_at(&named(&Source::parse("operators/src/a.rs", text)), &[1, 4]);
    found_at(&named(&Source::parse("engine/src/a.rs", text)), &[]);
}

#[test]
fn foreign_types_in_public_signatures_are_found() {
    let text = "use timely::dataflow::{Scope as S, StreamVec};\n\
                pub fn a(x: Vec<StreamVec<u64>>) {}\n\
                pub(crate) fn b(x: StreamVec<u64>) {}\n\
                pub struct C { x: S, pub y: S }\n\
                impl C {\n    pub fn d() -> Option<S> { None }\n    fn e(x: S) {}\n}\n\
                pub trait F: timely::Data {\n    fn g(&self, x: S) { let y: S; }\n}\n\
                pub use differential_dataflow::Collection;\n\
                pub enum H { I(S) }\n\
                pub type J = S;\n\
                struct K(pub S);\n\
                impl Iterator for K { type Item = S; }\n\
                mod sealed {\n    pub trait L { type M: timely::Data; }\n}\nimpl sealed::L for C { type M = S; }\n\
                pub mod sealed {\n    pub trait N { type O: timely::Data; }\n}\n";
    let found = in_signatures(&Source::parse("engine/src/a.rs", text));
    found_at(&found, &[2, 4, 6, 9, 10, 12, 13, 14, 16, 22]);
}
