//! What bands tell of old people who live alone: scores, and what is wrong with them.
//!
//! [`News2`] scores what is known of their vitals. What a person's body tells is nobody's business who does not care for them: it is in no `Debug`.

mod chart;
mod news2;
mod row;
mod timeline;
mod vital;

pub use chart::{News2Risk, News2Score, News2Vitals};
pub use news2::{EarlyWarning, Missing, News2, News2Input, News2State, Validity};
pub use row::{Clinician, VitalRow, VitalSays};
pub use vital::{Consciousness, Measured, Spo2Scale, Supply, Vital, VitalSet};
