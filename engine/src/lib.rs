//! What a watchfire flow is, and how it runs, stops and comes back.
//!
//! Reading order is data order: [`source`] and [`decode`] bring rows in, `ingest` gives them their places and cuts
//! epochs, [`Flow`] and [`Stream`] carry them, keyed operators run [`Detector`]s over them, and [`sink`]s or host
//! channels let them out. [`Job`] runs the whole.
//!
//! This is the only crate that names timely and differential dataflow, and neither appears in a public signature, but for those of
//! [`expert`].
//!
//! **Stability.** The traits in [`source`] and [`sink`], and what [`durable`] holds, are unstable.

mod batch;
mod checkpoint;
mod control;
mod data;
pub mod decode;
pub mod durable;
mod epochs;
mod error;
mod flow;
mod ingest;
pub mod io;
mod job;
mod key;
mod keyed;
pub mod sink;
pub mod source;
mod state;
mod table;
pub mod testing;
mod time;
mod turns;

pub use checkpoint::Checkpointing;
pub use data::{Change, Data, Real, Row, Timed, row_from_bytes, row_to_bytes};
pub use error::Error;
pub use flow::{Finding, Flow, KeyedStream, Plan, Sourced, Stream, Weight};
pub use ingest::{ChannelIn, MergeSplits, Recording, SendError, Sender};
pub use job::{
    ChannelOut, DetectorMetrics, Ended, Job, Metrics, OperatorMetrics, Output, Receiver, Running, SourceMetrics,
};
pub use key::{KEY_GROUPS, Key};
pub use keyed::operator::Detected;
pub use keyed::{Both, Compose, Context, Describe, Detector, Fused, Late, Skewed, Then, Verdict, ask_for};
pub use rkyv;
pub use state::{State, Stored};
pub use table::{Epochs, Iterated, Level, Loop, Rounds, Snapshot, Table, View, Views, expert};
pub use time::{END_MS, EventTime, FIRST_EPOCH, OnSkew, TickSource};
