//! Public items that show how they are used.

use crate::source::Source;
use crate::{Breach, checkout, found_at, none};

/// Rooms in which every public item does; in the others some are shown by what they belong to alone.
const ROOMS: [&str; 4] =
    ["operators/src/detect", "operators/src/elevator", "operators/src/pattern", "operators/src/wristband"];

/// The name, visibility and attributes of what a module gives away by itself.
fn given(item: &syn::Item) -> Option<(&syn::Ident, &syn::Visibility, &[syn::Attribute])> {
    Some(match item {
        syn::Item::Const(of) => (&of.ident, &of.vis, &of.attrs),
        syn::Item::Enum(of) => (&of.ident, &of.vis, &of.attrs),
        syn::Item::Fn(of) => (&of.sig.ident, &of.vis, &of.attrs),
        syn::Item::Struct(of) => (&of.ident, &of.vis, &of.attrs),
        syn::Item::Trait(of) => (&of.ident, &of.vis, &of.attrs),
        syn::Item::Type(of) => (&of.ident, &of.vis, &of.attrs),
        _ => return None,
    })
}

/// The documentation that stands on an item.
fn documentation(attributes: &[syn::Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(of) if of.path.is_ident("doc") => match &of.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value() + "\n"),
            _ => None,
        },
        _ => None,
    });
    lines.collect()
}

/// Items without an example, or a word of where it stands. What a detector remembers is its own business.
fn not_shown(source: &Source) -> Vec<Breach> {
    let bare = source.tree.items.iter().filter_map(|item| {
        let (name, visibility, attributes) = given(item)?;
        let text = documentation(attributes);
        let is_shown = text.contains("```") || text.contains("# Examples") && text.contains("See [");
        let is_public = matches!(visibility, syn::Visibility::Public(_));
        (is_public && !is_shown && !name.to_string().ends_with("State")).then(|| Breach {
            file: source.file.clone(),
            line: name.span().start().line,
            what: format!("{name} has no example"),
        })
    });
    bare.collect()
}

#[test]
fn public_items_have_examples() {
    let of_rooms = |source: &&Source| ROOMS.iter().any(|room| source.is_in_module(room)) && !source.all_test;
    let all = checkout::rust();
    none(
        "A public item has an example, or names the item whose example shows it.",
        all.iter().filter(of_rooms).flat_map(not_shown),
    );
    for room in ROOMS {
        assert!(all.iter().any(|source| source.is_in_module(room)), "{room} is not there");
    }
}

#[test]
fn an_item_without_an_example_is_found() {
    let text = "/// A.\npub struct A;\n/// B.\n/// ```\n/// ```\npub const B: u8 = 1;\n/// C.\n///\n/// # Examples\n/// See [`B`].\npub enum C {}\nstruct D;\n/// E.\npub struct EState;\n/// F.\npub fn f() {}\n";
    found_at(&not_shown(&Source::parse("operators/src/detect/a.rs", text)), &[2, 16]);
}
