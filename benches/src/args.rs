//! What a bench was asked for.

/// The value of `--name`, or a default.
#[must_use]
pub fn arg(name: &str, default: &str) -> String {
    let mut args = std::env::args().skip_while(|arg| *arg != format!("--{name}"));
    args.nth(1).unwrap_or_else(|| default.to_owned())
}
