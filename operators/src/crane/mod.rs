//! Tower cranes: readings, rated load charts, overload.

mod chart;
mod golden;
mod reading;
mod sim;

pub use chart::*;
pub use golden::*;
pub use reading::*;
pub use sim::*;
