//! The epoch log: what the leader heard, in its order, so that a start can hear it again.
//!
//! A checkpoint holds what the job knew at the end of one epoch. The epoch log holds what entered since, before anything outside
//! relies on it: rows are acknowledged to a source that cannot give them again, and outputs that another order of rows and
//! ticks would change leave, only when their epoch is logged. Hearing the same again, the leader gives the same places and cuts
//! the same epochs, so the same outputs leave under the same numbers.

mod heard;
mod part;
mod tail;
mod writer;

pub(crate) use heard::{Given, Heard, Hears, Logged};
pub(crate) use part::{FOLDER, Place};
pub(crate) use tail::Tail;
pub(crate) use writer::{EpochLog, GoesOn};

/// By checkpoint, what each sink has prepared for it.
pub(crate) type PreparedFor = std::collections::BTreeMap<String, bytes::Bytes>;
