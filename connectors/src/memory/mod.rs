//! Doubles for tests: a source that a test pushes into and a sink that it can look into, both able to fail on demand.
//!
//! They keep the contracts of the real ones: [`PushSource`] that of a session that cannot seek (MQTT, a webhook),
//! [`TwoPhaseSink`] that of a transactional target. Codes: `E0438` a push into a full split, `E0353` a commit of
//! something that was never prepared or was aborted.

mod push;
#[cfg(test)]
mod tests;
mod two_phase;

pub use push::{PushSource, Redelivery};
pub use two_phase::{Step, TwoPhaseSink};
