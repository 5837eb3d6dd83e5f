//! Where rows enter: split queues, the leader that cuts epochs, the ticker, and the record of what entered.
//!
//! One leader, on worker 0, gives every row and tick its place in the ingest order and cuts that order into epochs.

mod ahead;
pub(crate) mod commits;
pub(crate) mod held;
pub(crate) mod intake;
pub(crate) mod leader;
pub(crate) mod merge;
mod pace;
pub(crate) mod queue;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod saved;
pub(crate) mod splits;
pub(crate) mod streamed;
pub(crate) mod ticker;
mod unacknowledged;

pub use merge::MergeSplits;
pub use queue::{ChannelIn, SendError, Sender};
pub use record::Recording;
