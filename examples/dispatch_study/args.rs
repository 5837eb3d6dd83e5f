//! What the program is told.

use clap::Parser;

use crate::world::Traffic;

/// Compares prices of turning crews around, in a district under stress.
#[derive(Debug, Parser)]
#[command(name = "dispatch_study")]
pub struct Args {
    /// Worlds that are drawn; every policy meets each of them.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Hours of each world in which fires break out; it is followed until the last crew has left.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub hours: u64,
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Each crew meets the same traffic on all its ways, in place of each way having its own for all crews.
    #[arg(long)]
    pub traffic_of_crews: bool,
    /// Times are reckoned as if traffic stayed as it is, in place of as if it were median from the next step on.
    #[arg(long)]
    pub traffic_stays: bool,
}

impl Args {
    pub fn traffic(&self) -> Traffic {
        Traffic { of_crews: self.traffic_of_crews, stays: self.traffic_stays }
    }
}
