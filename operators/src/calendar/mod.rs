//! Civil time: zones, work days, holidays, shifts.
//!
//! Administrative limits run in work hours and work days of a [`Calendar`]. Safety clocks never do: an alarm, a dispatch, a
//! notification counts wall minutes, by day and by night.

mod days;
mod zone;

pub use days::{Calendar, Hours, Shift, ShiftDays, Weekday};
pub use zone::Zone;
