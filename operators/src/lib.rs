//! What happens to rows between the way in and the way out: pure, deterministic, no I/O.
//!
//! Generic rooms ([`window`], [`detect`], [`pattern`], [`alarm`], [`geo`], [`road`], [`calendar`]) know nothing of any domain; domain rooms ([`crane`], [`elevator`], [`wristband`], [`dispatch`]) are built only on them.

pub mod alarm;
pub mod calendar;
pub mod crane;
pub mod detect;
pub mod dispatch;
mod draw;
pub mod elevator;
pub mod geo;
pub mod pattern;
pub mod road;
pub mod window;
pub mod wristband;
