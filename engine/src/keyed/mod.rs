//! Keyed operators: event time per key, timers, state, and the detectors fused into them.

pub(crate) mod admission;
mod changes;
mod detector;
mod fused;
pub(crate) mod operator;
mod port;
mod slots;
mod snapshot;
mod stored;
mod timers;

pub use admission::{Late, Skewed};
pub(crate) use detector::{Cause, Now};
pub use detector::{Context, Describe, Detector, Verdict, ask_for};
pub(crate) use fused::{Book, Caps, Clock, Moment, Reads, Wiring};
pub use fused::{Both, Compose, Fused, Then};
pub(crate) use port::{Output, Port};
pub(crate) use stored::Entry;
pub(crate) use timers::Clocks;
