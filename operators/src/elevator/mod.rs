//! Elevators: daily counters, what of a lift's past says something of its future, and what is foretold from that.
//!
//! Shape: per lift, [`DailyCounters`] in; [`History`] makes [`LiftDay`]s of them, each with the features that
//! [`Foretells`](crate::detect::Foretells) learns from and names for people to read ([`FEATURES`]).

mod daily;
mod history;
#[cfg(test)]
mod tests;

pub use daily::{CounterError, DailyCounters};
pub use history::{FEATURES, History, HistoryState, LiftDay};
