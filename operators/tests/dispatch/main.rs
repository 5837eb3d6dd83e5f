//! Those who dispatch: what they do with what they are told.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod again;
mod coming_back;
mod crossing;
mod evidence;
mod exact;
mod incidents;
mod notices;
mod people;
mod planned;
mod responders;
mod supplies;
mod support;
