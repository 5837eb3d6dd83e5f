//! What happens to rows between the way in and the way out: pure, deterministic, no I/O.
//!
//! Generic rooms ([`window`], [`alarm`]) know nothing of any domain; domain rooms ([`crane`]) are built only on them.

pub mod alarm;
pub mod crane;
pub mod window;
