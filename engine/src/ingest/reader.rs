//! Runs a connector's readers: discovery, decoding, credits, retries with back-off, acknowledgements.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::future::{FutureExt, or};
use serde_json::Value;

use super::queue::{Acknowledge, Arrival, BATCH_ROWS, Gate, Hold, Inlet};
use crate::control::Health;
use crate::decode::{DeadLetter, Decoder};
use crate::io::IoRuntime;
use crate::job::shared::{Shared, TaskGuard, panic_text};
use crate::source::{Failure, Next, RawRow, Reader, Source};
use crate::{Data, Error};

/// The first pause after a failure, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// The pause after a reader had nothing.
const IDLE: Duration = Duration::from_millis(5);

/// One source being read.
pub(crate) struct Reading<S, D, T> {
    pub(crate) name: String,
    pub(crate) source: S,
    pub(crate) decoder: D,
    pub(crate) gate: Arc<Gate<T>>,
    pub(crate) io: Arc<dyn IoRuntime>,
    pub(crate) shared: Arc<Shared>,
}

impl<T: Data, S: Source, D: Decoder<T>> Reading<S, D, T> {
    /// Discovers the splits and starts a task for each. `hold` keeps the source open until all have been.
    pub(crate) fn start(self: Arc<Self>, hold: Hold<T>) -> Result<(), Error> {
        let io = self.io.clone();
        let name = format!("watchfire-{}", self.name);
        // A task that is dropped must fail the job before it lets go of the source: else that would seem to have ended.
        let discovery = (self.guard("the discovery"), hold);
        let discover = async move {
            let (guard, hold) = discovery;
            match AssertUnwindSafe(self.discover()).catch_unwind().await {
                Ok(Ok(Some(splits))) => self.start_splits(splits),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => self.shared.fail(error),
                Err(panic) => self.shared.fail(self.panicked("the discovery", "discovery", &*panic)),
            }
            guard.done();
            drop(hold);
        };
        io.spawn(&name, Box::pin(discover))
    }

    /// The splits; `None` if the job was told to end meanwhile.
    async fn discover(&self) -> Result<Option<Vec<S::Split>>, Error> {
        let mut pause = BACK_OFF.0;
        loop {
            let found = or(async { Some(self.source.discover().await) }, async {
                self.shared.reading_over().await;
                None
            });
            match found.await {
                None => return Ok(None),
                Some(Ok(splits)) => return Ok(Some(splits)),
                Some(Err(Failure::Retry(error))) => {
                    tracing::warn!(source = %self.name, %error, "discovery failed, trying again");
                    if self.pause(&mut pause).await {
                        return Ok(None);
                    }
                }
                Some(Err(failure)) => return Err(self.error_of(failure, "discovery")),
            }
        }
    }

    fn start_splits(self: &Arc<Self>, mut splits: Vec<S::Split>) {
        // Splits are numbered in the order of their names, not in the order in which they answer.
        splits.sort();
        splits.dedup();
        let named = splits.iter().map(written).collect::<Result<Vec<Value>, Error>>();
        let names = match named {
            Ok(names) => names,
            Err(error) => return self.shared.fail(error.at(format!("source \"{}\"", self.name))),
        };
        if let Some(lost) = self.gate.missing(&names) {
            let what = format!("split {} was not read to its end, and is not there any more", lost.split);
            let remedy = "bring it back, or begin anew with an empty store and accept what that loses and repeats";
            return self.shared.fail(Error::new("E0405", what).at(format!("source \"{}\"", self.name)).remedy(remedy));
        }
        let opened: Vec<(S::Split, Inlet<T>)> =
            splits.into_iter().zip(names).map(|(split, name)| (split, self.gate.open(name))).collect();
        for (split, inlet) in opened.into_iter().filter(|(_, inlet)| !inlet.has_ended()) {
            let name = format!("watchfire-{}-{}", self.name, inlet.split);
            let task = self.clone().split(split, self.guard("the reader"), inlet);
            if let Err(error) = self.io.spawn(&name, Box::pin(task)) {
                self.shared.fail(error);
            }
        }
    }

    fn guard(&self, who: &str) -> TaskGuard {
        TaskGuard::new(self.shared.clone(), format!("{who} of source \"{}\"", self.name))
    }

    fn panicked(&self, who: &str, label: &str, panic: &(dyn std::any::Any + Send)) -> Error {
        let what = format!("{who} of source \"{}\" panicked: {}", self.name, panic_text(panic));
        Error::new("E0903", what).at(format!("split {label}")).remedy("mend the connector or decoder")
    }

    /// Waits out a pause and doubles it. True if the job stopped meanwhile.
    async fn pause(&self, pause: &mut Duration) -> bool {
        let wait = async { self.io.sleep(*pause).await };
        let stopped = or(
            async {
                wait.await;
                false
            },
            async {
                self.shared.reading_over().await;
                true
            },
        )
        .await;
        *pause = (*pause * 2).min(BACK_OFF.1);
        stopped
    }

    async fn split(self: Arc<Self>, split: S::Split, guard: TaskGuard, inlet: Inlet<T>) {
        let label = format!("{split:?}");
        let (acks, acknowledged) = AckCell::new();
        let body = AssertUnwindSafe(self.read(&split, &label, &inlet, &acks, &acknowledged)).catch_unwind().await;
        let (mut reader, result) = match body {
            Ok(done) => done,
            Err(panic) => (None, Err(self.panicked("the reader", &label, &*panic))),
        };
        if let Err(error) = result {
            inlet.send(Arrival::Failed(error)).await;
        }
        guard.done();
        drop(inlet);
        // Reading is over, but what was read may still be on its way: its acknowledgement must reach the outside. What
        // the job holds keeps the channel open, so the wait ends when nothing can come any more.
        let upto = acks.upto.clone();
        drop(acks);
        while let Some(open) = &mut reader {
            if acknowledged.recv().await.is_err() {
                break;
            }
            if let Some(upto) = take(&upto)
                && let Err(failure) = open.durable(upto).await
            {
                tracing::warn!(source = %self.name, split = %label, ?failure, "could not acknowledge after reading had ended");
            }
        }
    }

    /// Reads until the split ends, the job stops, or a failure that no retry mends. Returns the reader for its last
    /// acknowledgements.
    async fn read(
        &self,
        split: &S::Split,
        label: &str,
        inlet: &Inlet<T>,
        acks: &Arc<AckCell<S::Offset>>,
        acknowledged: &Receiver<()>,
    ) -> (Option<Box<dyn Reader<S::Offset>>>, Result<(), Error>) {
        let mut reader: Option<Box<dyn Reader<S::Offset>>> = None;
        let (mut pause, mut live) = (BACK_OFF.0, self.source.bounded());
        let mut from = match inlet.resumes_at() {
            Ok(from) => from,
            Err(error) => return (None, Err(error.at(format!("source \"{}\", split {label}", self.name)))),
        };
        if !live {
            inlet.send(Arrival::Health(Health::Frozen)).await;
        }
        loop {
            let step = match &mut reader {
                None => self.open(split, from.clone()).await,
                Some(open) => self.step(open, acks, acknowledged).await,
            };
            match step {
                Ok(Step::Opened(open)) => reader = Some(open),
                Ok(Step::Acknowledged) => {}
                Ok(Step::Read(Next::Rows { rows, after })) => {
                    pause = BACK_OFF.0;
                    from = Some(after.clone());
                    let arrival = match self.decode(label, rows, after, acks) {
                        Ok(arrival) => arrival,
                        Err(error) => return (reader, Err(error)),
                    };
                    if !inlet.send(arrival).await {
                        return (reader, Ok(()));
                    }
                }
                Ok(Step::Read(Next::Idle)) => {
                    pause = BACK_OFF.0;
                    if !live {
                        live = true;
                        inlet.send(Arrival::Health(Health::Live)).await;
                    }
                    self.io.sleep(IDLE).await;
                }
                Ok(Step::Read(Next::Behind)) => {
                    live = false;
                    inlet.send(Arrival::Health(Health::Frozen)).await;
                }
                Ok(Step::Read(Next::End) | Step::Stopped) => return (reader, Ok(())),
                Err(Failure::Retry(error)) => {
                    tracing::warn!(source = %self.name, split = %label, %error, "reading failed, reopening");
                    (reader, live) = (None, false);
                    inlet.send(Arrival::Health(Health::Frozen)).await;
                    if self.pause(&mut pause).await {
                        return (reader, Ok(()));
                    }
                }
                Err(failure) => return (reader, Err(self.error_of(failure, label))),
            }
        }
    }

    async fn open(&self, split: &S::Split, from: Option<S::Offset>) -> Result<Step<S::Offset>, Failure> {
        let opened = async { self.source.open(split.clone(), from).await.map(Step::Opened) };
        let stopped = async {
            self.shared.reading_over().await;
            Ok(Step::Stopped)
        };
        or(opened, stopped).await
    }

    /// Waits for whichever comes first: rows, an acknowledgement to pass on, or the end of reading.
    async fn step(
        &self,
        open: &mut Box<dyn Reader<S::Offset>>,
        acks: &Arc<AckCell<S::Offset>>,
        acknowledged: &Receiver<()>,
    ) -> Result<Step<S::Offset>, Failure> {
        enum First<O> {
            Acknowledge,
            Stopped,
            Next(Result<Next<O>, Failure>),
        }
        let stopped = async {
            self.shared.reading_over().await;
            First::Stopped
        };
        let acknowledge = async {
            let _ = acknowledged.recv().await;
            First::Acknowledge
        };
        let first = or(or(stopped, acknowledge), async { First::Next(open.next(BATCH_ROWS).await) }).await;
        match first {
            First::Stopped => Ok(Step::Stopped),
            First::Next(next) => next.map(Step::Read),
            First::Acknowledge => {
                if let Some(upto) = take(&acks.upto)
                    && let Err(failure) = open.durable(upto.clone()).await
                {
                    // The outside still has to hear of it, from the next reader.
                    acks.put_back(upto);
                    return Err(failure);
                }
                Ok(Step::Acknowledged)
            }
        }
    }

    fn decode(
        &self,
        label: &str,
        raw: Vec<RawRow>,
        after: S::Offset,
        acks: &Arc<AckCell<S::Offset>>,
    ) -> Result<Arrival<T>, Error> {
        let written = match self.shared.checkpoints.get() {
            Some(_) => Some(written(&after).map_err(|e| e.at(format!("source \"{}\", split {label}", self.name)))?),
            None => None,
        };
        let (mut rows, mut dead, mut decoded) = (Vec::with_capacity(raw.len()), Vec::new(), 0);
        let read = raw.len() as u64;
        for raw in raw {
            let kept = rows.len();
            match self.decoder.decode(&raw, &mut rows) {
                Ok(()) => decoded += 1,
                Err(error) => {
                    rows.truncate(kept);
                    dead.push(DeadLetter {
                        source: self.name.clone(),
                        split: label.to_owned(),
                        place: raw.place,
                        bytes: raw.body,
                        code: error.code().to_owned(),
                        what: error.what().to_owned(),
                        attempt: 1,
                    });
                }
            }
        }
        let acknowledge = Some(acks.set_later(after));
        Ok(Arrival::Rows { rows, dead, read, decoded, after: written, acknowledge })
    }

    fn error_of(&self, failure: Failure, label: &str) -> Error {
        let place = format!("source \"{}\", split {label}", self.name);
        match failure {
            Failure::Retry(error) | Failure::Fatal(error) => match error.place() {
                Some(at) => {
                    let place = format!("{place}, {at}");
                    error.at(place)
                }
                None => error.at(place),
            },
            Failure::OffsetExpired { earliest } => {
                Error::new("E0403", format!("the offset to resume from has expired; the earliest left is {earliest}"))
                    .at(place)
                    .remedy("decide whether to start from the earliest offset and accept the gap")
            }
            Failure::Fenced => Error::new("E0404", "a newer generation of this job reads this source").at(place),
            Failure::Poison { why, .. } => why.at(place),
        }
    }
}

/// A split or an offset as a checkpoint holds it.
fn written<W: serde::Serialize>(value: &W) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|e| {
        let remedy = "use maps with text or whole numbers as keys only";
        Error::new("E0523", "an offset or split that has no form in JSON").because(e).remedy(remedy)
    })
}

enum Step<O> {
    Opened(Box<dyn Reader<O>>),
    Read(Next<O>),
    Acknowledged,
    Stopped,
}

/// The latest offset that may be acknowledged: later ones replace it, so nothing queues.
struct AckCell<O> {
    upto: Arc<Mutex<Option<O>>>,
    tell: Sender<()>,
}

fn take<O>(upto: &Mutex<Option<O>>) -> Option<O> {
    upto.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl<O: Send + 'static> AckCell<O> {
    fn new() -> (Arc<Self>, Receiver<()>) {
        let (tell, told) = async_channel::bounded(1);
        (Arc::new(AckCell { upto: Arc::default(), tell }), told)
    }

    /// What to call when everything up to `upto` has left the job.
    fn set_later(self: &Arc<Self>, upto: O) -> Acknowledge {
        let cell = self.clone();
        Box::new(move || {
            *cell.upto.lock().unwrap_or_else(PoisonError::into_inner) = Some(upto);
            // A full channel means that the reader has been told already.
            let _ = cell.tell.try_send(());
        })
    }

    /// Keeps an offset that could not be acknowledged, unless a later one has come.
    fn put_back(&self, upto: O) {
        self.upto.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(upto);
        let _ = self.tell.try_send(());
    }
}
