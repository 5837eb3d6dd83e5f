//! What a plan asks the job to make: intakes for its sources, outlets for its sinks, ends for the host.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use super::shared::Shared;
use crate::Error;
use crate::checkpoint::{Owed, Resumed};
use crate::ingest::intake::Intake;
use crate::io::IoRuntime;

/// What a part makes when the job starts. Run once, on the thread that starts the job.
pub(crate) type Part = Box<dyn FnOnce(&mut Start) -> Result<(), Error>>;

/// The job as its parts see it while it starts.
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) io: Arc<dyn IoRuntime>,
    pub(crate) intakes: Vec<Box<dyn Intake>>,
    pub(crate) sinks: Vec<Arc<dyn SinkHandle>>,
    /// Typed host ends by name.
    pub(crate) ends: Ends,
    /// Started last, when everything else is in place.
    pub(crate) later: Vec<Box<dyn FnOnce() -> Result<(), Error>>>,
    /// No source is opened: the job replays a record, or has been drained before.
    pub(crate) replaying: bool,
    /// What the job comes back to.
    pub(crate) resumed: Option<Resumed>,
    /// By it sinks know this run from earlier ones.
    pub(crate) generation: u64,
    pub(crate) owed: Owed,
    /// The highest of those numbers, 0 if there is none.
    pub(crate) owed_upto: u64,
    /// What two-phase sinks have of epochs up to this one is visible, or will be by what they owe.
    pub(crate) visible_upto: u64,
    /// Everything that enters is logged.
    pub(crate) logs: bool,
}

/// The host's ends of channels, by the names of the channels.
pub(crate) type Ends = HashMap<String, Box<dyn HostEnd>>;

/// A typed end of a channel, until the host takes it.
pub(crate) trait HostEnd: Send {
    /// An `Option` of the end.
    fn as_any(&mut self) -> &mut dyn Any;
    /// Nobody will take it any more: what would keep the job from ending lets go of it.
    fn give_up(&mut self);
}

/// A connector's sink as the leader sees it.
pub(crate) trait SinkHandle: Send + Sync {
    fn name(&self) -> &str;
    /// What was prepared under a number, if anything.
    fn prepared(&self, number: u64) -> Option<Vec<u8>>;
    fn two_phase(&self) -> bool;
    /// Hands over a commit; false if the sink is busy and must be asked again.
    fn commit(&self, number: u64) -> bool;
    fn committed(&self) -> u64;
}
