//! Both connectors against a real broker, in both versions of the protocol.

mod inboxes;
mod sinks;
mod sources;
mod support;
