//! Tower cranes: readings, rated load charts, overload.

mod alarms;
mod chart;
mod episode;
mod golden;
mod reading;
mod sim;
mod stats;
mod timed;

pub use alarms::*;
pub use chart::*;
pub use episode::*;
pub use golden::*;
pub use reading::*;
pub use sim::*;
pub use stats::*;
