//! Where rows come in: host channels and connectors.

use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use timely::dataflow::operators::core::Input as _;
use timely::dataflow::{InputHandle, StreamVec};

use super::{Flow, InputType, Kind, Live, Origin, Stream};
use crate::batch::Batch;
use crate::decode::{DeadLetter, Decoder};
use crate::ingest::intake::SourceIntake;
use crate::ingest::merge::Merger;
use crate::ingest::queue::Gate;
use crate::ingest::reader::Reading;
use crate::ingest::{ChannelIn, MergeSplits, Sender};
use crate::ingest::{held, saved};
use crate::job::parts::Start;
use crate::job::worker::Input;
use crate::source::{Replay, Source};
use crate::{Data, Error, Timed};

/// What a connector's source gives.
#[derive(Clone, Debug)]
pub struct Sourced<'f, T: 'static> {
    /// The decoded rows.
    pub rows: Stream<'f, T>,
    /// The rows that could not be decoded.
    pub dead: Stream<'f, DeadLetter>,
}

impl<'f> Flow<'f> {
    /// A channel that the host sends rows into, by [`Running::sender`](crate::Running::sender).
    #[track_caller]
    pub fn channel<T: Data + Timed>(&self, name: &str) -> Stream<'f, T> {
        self.channel_at(name, ChannelIn::default(), None, Location::caller())
    }

    /// As [`channel`](Flow::channel), with its bounds and promises set.
    #[track_caller]
    pub fn channel_with<T: Data + Timed>(&self, name: &str, config: ChannelIn) -> Stream<'f, T> {
        self.channel_at(name, config, None, Location::caller())
    }

    /// As [`channel_with`](Flow::channel_with), with the channel's splits merged into one order.
    #[track_caller]
    pub fn channel_merged<T: Data + Timed>(&self, name: &str, config: ChannelIn, merge: MergeSplits) -> Stream<'f, T> {
        self.channel_at(name, config, Some(merge), Location::caller())
    }

    fn channel_at<T: Data + Timed>(
        &self,
        name: &str,
        config: ChannelIn,
        merge: Option<MergeSplits>,
        at: &'static Location<'static>,
    ) -> Stream<'f, T> {
        let kind = Kind::Source {
            replay: config.replay,
            placement: config.key_placement,
            bounded: false,
            merged: merge.map(|m| format!("{m:?}")),
        };
        let node = self.add(name, kind, Vec::new(), at);
        let input = self.next_input::<T>();
        let name = name.to_owned();
        self.part(move |start| {
            let gate = start.gate::<T>(&name, config.capacity_batches);
            start.ends.insert(name.clone(), Box::new(Some(Sender::new(&gate))));
            let counts = config.replay != Replay::None || start.logs;
            let splits = Splits { counts, always_live: true, replay: config.replay };
            start.intake(&name, gate, Inputs { rows: input, dead: None }, merge, splits)
        });
        self.input(node)
    }

    /// A connector's source. Nothing is opened before the job starts.
    #[track_caller]
    pub fn source<T, S, D>(&self, name: &str, source: S, decoder: D) -> Sourced<'f, T>
    where
        T: Data + Timed,
        S: Source,
        D: Decoder<T>,
    {
        self.source_at(name, source, decoder, None, Location::caller())
    }

    /// As [`source`](Flow::source), with its splits merged into one order.
    #[track_caller]
    pub fn source_merged<T, S, D>(&self, name: &str, source: S, decoder: D, merge: MergeSplits) -> Sourced<'f, T>
    where
        T: Data + Timed,
        S: Source,
        D: Decoder<T>,
    {
        self.source_at(name, source, decoder, Some(merge), Location::caller())
    }

    fn source_at<T, S, D>(
        &self,
        name: &str,
        source: S,
        decoder: D,
        merge: Option<MergeSplits>,
        at: &'static Location<'static>,
    ) -> Sourced<'f, T>
    where
        T: Data + Timed,
        S: Source,
        D: Decoder<T>,
    {
        let kind = Kind::Source {
            replay: source.replay(),
            placement: source.key_placement(),
            bounded: source.bounded(),
            merged: merge.map(|m| format!("{m:?}")),
        };
        let node = self.add(name, kind, Vec::new(), at);
        let dead_node = self.add(&format!("{name} dead letters"), Kind::DeadLetters, vec![node], at);
        let (input, dead_input) = (self.next_input::<T>(), self.next_input::<DeadLetter>());
        let name = name.to_owned();
        self.part(move |start| {
            let gate = start.gate::<T>(&name, ChannelIn::default().capacity_batches);
            let hold = gate.hold();
            let splits = Splits { counts: false, always_live: source.bounded(), replay: source.replay() };
            start.intake(&name, gate.clone(), Inputs { rows: input, dead: Some(dead_input) }, merge, splits)?;
            let (io, shared) = (start.io.clone(), start.shared.clone());
            let reading = Arc::new(Reading { name, source, decoder, gate, io, shared });
            if !start.replaying {
                start.later.push(Box::new(move || reading.start(hold)));
            }
            Ok(())
        });
        Sourced { rows: self.input(node), dead: self.input(dead_node) }
    }

    fn next_input<T: Data>(&self) -> usize {
        let mut inputs = self.0.inputs.borrow_mut();
        inputs.push(InputType { read_rows: saved::read_rows::<T>, read_held: held::read_held::<T> });
        inputs.len() - 1
    }

    pub(crate) fn part(&self, part: impl FnOnce(&mut Start) -> Result<(), crate::Error> + 'static) {
        if self.0.live.is_none() {
            self.0.parts.borrow_mut().push(Box::new(part));
        }
    }

    fn input<T: Data>(&self, node: usize) -> Stream<'f, T> {
        let inner = self.0.live.as_ref().map(|live| input_of(live));
        Origin { flow: self.clone(), node, depth: 0 }.stream(inner)
    }
}

fn input_of<'f, T: Data>(live: &Live<'f>) -> StreamVec<'f, u64, Batch<T>> {
    let (handle, stream) = live.scope.new_input::<Vec<Batch<T>>>();
    live.inputs.borrow_mut().push(Box::new(TypedInput { handle, misfed: false }));
    stream
}

/// A worker's input for batches of one type.
struct TypedInput<T: Data> {
    handle: InputHandle<u64, timely::container::CapacityContainerBuilder<Vec<Batch<T>>>>,
    misfed: bool,
}

impl<T: Data> Input for TypedInput<T> {
    fn feed(&mut self, payload: Box<dyn Any + Send>) -> bool {
        match payload.downcast::<Batch<T>>() {
            Ok(batch) => self.handle.send_batch(&mut vec![*batch]),
            Err(_) => self.misfed = true,
        }
        !self.misfed
    }

    fn advance_to(&mut self, epoch: u64) {
        self.handle.advance_to(epoch);
    }
}

/// The inputs of a source. Host channels have none for dead letters.
struct Inputs {
    rows: usize,
    dead: Option<usize>,
}

/// What the engine sees to for the splits of a source.
struct Splits {
    counts: bool,
    always_live: bool,
    replay: Replay,
}

impl Start {
    fn gate<T>(&self, name: &str, capacity: usize) -> Arc<Gate<T>> {
        let resumed = self.resumed.as_ref().and_then(|resumed| resumed.read_on.get(name).cloned());
        Gate::new(name, capacity, self.shared.clone(), resumed.unwrap_or_default())
    }

    fn intake<T: Data + Timed>(
        &mut self,
        name: &str,
        gate: Arc<Gate<T>>,
        inputs: Inputs,
        merge: Option<MergeSplits>,
        splits: Splits,
    ) -> Result<(), Error> {
        let stats = self.shared.metrics.source(name);
        let saved = self.resumed.as_mut().and_then(|resumed| resumed.ingest.merges.remove(name));
        let merger = match (merge, saved) {
            (Some(config), Some(saved)) => {
                Some(Merger::resume(config, saved).map_err(|e| e.at(format!("source \"{name}\"")))?)
            }
            // What a merge lets go belongs to no split of the outside, so it gets a split of its own.
            (Some(config), None) => Some(Merger::new(config, self.shared.next_split.fetch_add(1, Ordering::Relaxed))),
            (None, _) => None,
        };
        self.intakes.push(Box::new(SourceIntake {
            name: name.to_owned(),
            gate,
            splits: Vec::new(),
            input: inputs.rows,
            dead_input: inputs.dead,
            merger,
            stats,
            counts: splits.counts,
            always_live: splits.always_live,
            comes_back: self.shared.checkpoints.get().is_some(),
            keeps: splits.replay == Replay::Exact,
            logs: self.logs,
        }));
        Ok(())
    }
}
