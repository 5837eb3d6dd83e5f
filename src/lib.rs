//! Turns live streams from a city district into safety decisions, incrementally and within milliseconds.
//!
//! **The answer never depends on how the input was batched, how many workers ran, or how fast it was replayed.**
//! (What a [`Table`] says in between, it says of its epochs; what is left of that is the same.)
//!
//! This crate only re-exports: the engine at the top, and below it what happens to rows ([`window`], [`detect`], [`pattern`], [`alarm`],
//! [`crane`], [`dispatch`], [`geo`], [`road`], [`calendar`]) and how they come in and go out ([`connect`]).

pub use watchfire_connectors as connect;
pub use watchfire_engine::*;
pub use watchfire_operators::{
    alarm, calendar, crane, detect, dispatch, elevator, geo, pattern, road, window, wristband,
};

/// The how-to pages: their programs run as documentation tests.
#[cfg(doctest)]
mod how_to {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/add-a-connector.md")]
    mod add_a_connector {}
    #[doc = include_str!("../docs/add-a-detector.md")]
    mod add_a_detector {}
    #[doc = include_str!("../docs/add-an-operator.md")]
    mod add_an_operator {}
}
