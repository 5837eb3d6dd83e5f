//! Dispatch: who goes where, so that nobody waits longer than they must.
//!
//! All open incidents are planned together: each asks for crews in slots, and [`Problem`] finds the assignment that costs least, exactly.
//! What matters more is a place of its own in a [`Cost`], so that no number of seconds outweighs it.

mod assign;
mod cost;

pub use assign::{Assignment, Problem};
pub use cost::Cost;
