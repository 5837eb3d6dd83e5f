//! Between a keyed operator, which must not wait, and the thread that stores what it has written down.

use std::sync::{Mutex, PoisonError};

use crate::durable::StateFile;
use crate::job::outlet::Nudge;
use crate::keyed::Entry;

/// Keys of one operator on one worker, on their way to the store.
pub(crate) struct Part {
    /// Where what became of it is laid.
    pub(crate) tray: std::sync::Arc<Tray>,
    pub(crate) checkpoint: u64,
    pub(crate) entries: Vec<Entry>,
}

/// Where one operator on one worker finds what became of its parts.
#[derive(Debug, Default)]
pub(crate) struct Tray {
    /// The operator, and the names and versions of its states.
    pub(crate) operator: String,
    pub(crate) types: Vec<(String, u32)>,
    pub(crate) nudge: Nudge,
    /// Checkpoint and object of each part that is durable.
    stored: Mutex<Vec<(u64, StateFile)>>,
}

impl Tray {
    pub(crate) fn new(operator: String, types: Vec<(String, u32)>) -> Self {
        Tray { operator, types, ..Tray::default() }
    }

    /// A part is durable.
    pub(crate) fn lay(&self, checkpoint: u64, file: StateFile) {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).push((checkpoint, file));
        self.nudge.give();
    }

    pub(crate) fn take(&self) -> Vec<(u64, StateFile)> {
        std::mem::take(&mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
