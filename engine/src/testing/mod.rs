//! What users test their own flows and stores with: an outside that fails on purpose, a job that dies again and again in it, and
//! what every store must promise.

mod conformance;
mod faulty;
mod hooked;
mod lives;
mod sink;
mod source;
mod world;

pub use conformance::check_store;
pub use faulty::{Faults, FaultyStore};
pub use hooked::{Call, CallKind, Hooked};
pub use lives::Lives;
pub use sink::FaultySink;
pub use source::FaultySource;
pub use world::World;
