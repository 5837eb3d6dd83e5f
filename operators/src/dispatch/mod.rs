//! Dispatch: who goes where, so that nobody waits longer than they must.
//!
//! All open incidents are planned together: each asks for crews in slots ([`Need`]), and [`PlanConfig::plan`] says who goes, by the assignment that
//! costs least ([`Problem`]), exactly.
//! What matters more is a place of its own in a [`Cost`], so that no number of seconds outweighs it.

mod assign;
mod cost;
mod plan;

pub use assign::{Assignment, Problem};
pub use cost::Cost;
pub use plan::{Crew, Duty, Going, Missing, Need, Order, Plan, PlanConfig, Skills, Slot};
