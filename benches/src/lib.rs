//! The hand-written loops that the engine is measured against, and what the benches share.

pub mod args;
pub mod city;
pub mod crane_by_hand;
pub mod detectors_by_hand;
pub mod iterated;
pub mod others_by_hand;
pub mod pairs;
pub mod yardstick;
