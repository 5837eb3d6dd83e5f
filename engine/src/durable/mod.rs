//! What survives a job: where it is kept, in which form, and what a start makes of it. The form is written down byte by
//! byte in `engine/FORMAT.md`.
//!
//! A job keeps a *log* of records, each written once: generations that began, checkpoints, commits. The log fences: who
//! writes the next record first owns the job. A checkpoint's record names everything that it is made of.
//!
//! **Unstable**.

mod checkpoints;
mod collect;
mod compact;
mod decide;
mod directory;
mod frame;
pub mod log;
mod patience;
mod record;
mod savepoints;
mod states;
mod store;

pub use checkpoints::{Checkpoint, Checkpoints, Damage};
pub(crate) use checkpoints::{bodies, body_of};
pub(crate) use collect::name_of as states_name;
pub use compact::{Chain, compact};
pub use decide::{Action, Facts, Refusal, decide};
pub use directory::Directory;
pub(crate) use frame::{Kind as FrameKind, framed, sum_of, unframed};
pub(crate) use log::Fence;
pub use log::{Known, Log};
pub(crate) use patience::patiently;
pub use record::{Entry, Manifest, OperatorState, Prepared, Record, SplitAt, StateFile, StateType};
pub use savepoints::Savepoint;
pub(crate) use states::{Body, newest_first};
pub use states::{GroupStates, Merged, States, merge};
pub use store::{Store, StoreError, check_name};
