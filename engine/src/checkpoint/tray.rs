//! Between a keyed operator, which must not wait, and the thread that stores what it has set aside.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::durable::StateFile;
use crate::job::outlet::Nudge;
use crate::keyed::Entry;

/// Keys that are yet to be written down.
pub(crate) type Entries = Box<dyn FnOnce() -> Result<Vec<Entry>, Error> + Send>;

/// Keys of one operator on one worker, on their way to the store.
pub(crate) struct Part {
    /// Where what became of them is laid.
    pub(crate) tray: Arc<Tray>,
    pub(crate) checkpoint: u64,
    pub(crate) entries: Entries,
    /// No part follows for this checkpoint.
    pub(crate) last: bool,
}

/// Where one operator on one worker finds what became of its parts.
#[derive(Debug, Default)]
pub(crate) struct Tray {
    pub(crate) operator: String,
    /// The names and versions of its states.
    pub(crate) types: Vec<(String, u32)>,
    pub(crate) nudge: Nudge,
    /// What is being gathered for an object; the thread's alone.
    pub(crate) gathered: Mutex<Gathered>,
    /// The objects of each checkpoint that is durable.
    stored: Mutex<Vec<(u64, Vec<StateFile>)>>,
}

/// Keys that are written down, and what was stored of those before.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: usize,
    pub(crate) files: Vec<StateFile>,
}

impl Tray {
    pub(crate) fn new(operator: String, types: Vec<(String, u32)>) -> Self {
        Tray { operator, types, ..Tray::default() }
    }

    /// All keys of a checkpoint are durable.
    pub(crate) fn lay(&self, checkpoint: u64, files: Vec<StateFile>) {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).push((checkpoint, files));
        self.nudge.give();
    }

    pub(crate) fn take(&self) -> Vec<(u64, Vec<StateFile>)> {
        std::mem::take(&mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
