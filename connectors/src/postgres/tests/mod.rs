//! Against a real server, which each test starts for itself.

mod sinks;
mod support;
