//! Tower cranes: readings, rated load charts, overload.

mod alarms;
mod chart;
mod golden;
mod reading;
mod sim;
mod timed;

pub use alarms::*;
pub use chart::*;
pub use golden::*;
pub use reading::*;
pub use sim::*;
