//! The shipped crane window against a hand loop of the same statistics.

use crate::Args;

pub fn run(_args: &Args) {}
