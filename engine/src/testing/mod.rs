//! What users test their own flows and stores with: a store that fails on purpose, and what every store must promise.

mod conformance;
mod faulty;

pub use conformance::check_store;
pub use faulty::{Faults, FaultyStore};
