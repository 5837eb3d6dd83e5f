//! Rows made up from a seed: for first steps, demonstrations and load tests without a service.

mod config;
mod source;

pub use config::DatagenConfig;
pub use source::{Datagen, Draw};
