//! A recording that is written into a store while the job runs, by a thread that may wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_channel::{Receiver, Sender};

use super::record::Item;
use super::saved::{Segments, check_free, holds_one};
use crate::Error;
use crate::durable::{Store, patiently};
use crate::job::shared::Shared;
use crate::job::writing::{Urgency, start_writing};
use crate::turns;

/// Epochs that wait to be written before no more are cut.
const EPOCHS_WAITING: usize = 64;

/// What entered in one epoch, and whether it is the last.
type Epoch = (Vec<Item>, bool);

/// The leader's end.
pub(crate) struct Streamed {
    tx: Sender<Epoch>,
    /// The last segment is durable.
    done: Arc<AtomicBool>,
}

impl Streamed {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// `E0527` if the store holds a recording already; `E0902` if the thread cannot be started; a
    /// [`StoreError`](crate::durable::StoreError) as an [`Error`].
    pub(crate) fn start(store: Arc<dyn Store>, fingerprint: u64, shared: Arc<Shared>) -> Result<Self, Error> {
        check_free(&*store)?;
        let (tx, rx) = async_channel::bounded(EPOCHS_WAITING);
        let done = Arc::new(AtomicBool::new(false));
        let writes =
            Writes { store, segments: Segments::of(fingerprint), rx, done: done.clone(), shared: shared.clone() };
        let name = ("watchfire-recording", "writing the recording");
        start_writing(name, Urgency::Waited, &tx, &shared, move || writes.all())?;
        Ok(Streamed { tx, done })
    }

    /// Whether an epoch can be taken; the leader is woken when one can again.
    pub(crate) fn has_room(&self) -> bool {
        !self.tx.is_full()
    }

    /// Takes an epoch. There must be room.
    pub(crate) fn take(&self, items: Vec<Item>, last: bool) {
        // It is refused only when the thread has ended, and then the job has failed.
        let _ = self.tx.try_send((items, last));
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }
}

/// The thread's end.
struct Writes {
    store: Arc<dyn Store>,
    segments: Segments,
    rx: Receiver<Epoch>,
    done: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Writes {
    /// Writes until the last epoch. A job that fails leaves a recording that is not whole.
    fn all(mut self) -> Result<(), Error> {
        while let Ok((items, last)) = turns::receive(&self.rx) {
            self.shared.wake(0);
            for item in &items {
                if self.segments.push(item)? {
                    let segment = self.segments.end(false)?;
                    self.write(segment)?;
                }
            }
            if last {
                let segment = self.segments.end(true)?;
                self.write(segment)?;
                self.done.store(true, Ordering::SeqCst);
                self.shared.wake(0);
            }
        }
        Ok(())
    }

    fn write(&self, (name, bytes): (String, Vec<u8>)) -> Result<(), Error> {
        let mut again = false;
        patiently(&self.shared, &self.shared.recording_waits, || {
            // A try that failed may have written it all the same.
            let first = !std::mem::replace(&mut again, true);
            let mine = self.store.put_if_absent(&name, &bytes)?;
            let written = mine || !first && self.store.get(&name)?.as_ref() == Some(&bytes);
            if written { Ok(()) } else { Err(holds_one(name.clone())) }
        })
    }
}
