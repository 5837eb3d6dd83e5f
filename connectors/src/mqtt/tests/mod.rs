//! Both connectors against a real broker, in both versions of the protocol.

mod sinks;
mod sources;
mod support;
