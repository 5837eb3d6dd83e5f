//! What a serde error says, without the values that serde puts into it.

/// The kind of a data error and a text that holds only names and types of the Rust type, never bytes of the row.
///
/// `message` is the text of a serde error, as serde's own constructors write it. Whatever else it is (a custom error may
/// say anything, values included) becomes "refused by the type".
pub(super) fn describe(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        return format!("wrong type: found {}{}", found(rest), expected(rest));
    }
    if let Some(rest) = message.strip_prefix("invalid value: ") {
        return format!("out of range: found {}{}", found(rest), expected(rest));
    }
    if let Some(rest) = message.strip_prefix("invalid length ") {
        return format!("wrong length{}", expected(rest));
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return format!("missing field{}", quoted_name(rest));
    }
    if let Some(rest) = message.strip_prefix("duplicate field ") {
        return format!("duplicate field{}", quoted_name(rest));
    }
    // The name of an unknown field or variant comes from the bytes, so it stays out.
    if message.starts_with("unknown field ") {
        return "unknown field".into();
    }
    if message.starts_with("unknown variant ") {
        return "unknown variant".into();
    }
    if message.starts_with("number out of range") {
        return "out of range: a number beyond 64-bit floating point".into();
    }
    "refused by the type".into()
}

/// What serde found, by kind only.
fn found(rest: &str) -> &'static str {
    const KINDS: [(&str, &str); 13] = [
        ("string", "a string"),
        ("integer", "an integer"),
        ("floating point", "a number with a fraction, or beyond 64 bits"),
        ("boolean", "a boolean"),
        ("map", "an object"),
        ("sequence", "an array"),
        ("null", "null"),
        ("unit", "null"),
        ("Option", "an option"),
        ("byte array", "bytes"),
        ("character", "a character"),
        ("newtype", "a wrapped value"),
        ("number", "a number"),
    ];
    KINDS.iter().find(|(start, _)| rest.starts_with(start)).map_or("another kind of value", |(_, text)| text)
}

/// What the type wants. The last occurrence is the type's own: a value that holds the same words comes before it.
fn expected(rest: &str) -> String {
    rest.rfind(", expected ").map_or_else(String::new, |at| rest[at..].to_string())
}

/// The name between backticks, if it looks like a field of a Rust type.
fn quoted_name(rest: &str) -> String {
    let name = rest.strip_prefix('`').and_then(|r| r.split('`').next()).unwrap_or("");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) { format!(" `{name}`") } else { String::new() }
}
