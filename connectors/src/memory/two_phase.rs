//! A transactional target that a test can look into.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use watchfire_engine::Error;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Fut};

/// A call of the sink that a test can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// [`Sink::open`].
    Open,
    /// [`Writer::write`].
    Write,
    /// [`Writer::prepare`].
    Prepare,
    /// [`Writer::commit`].
    Commit,
    /// [`Writer::abort_older`].
    AbortOlder,
}

/// A sink with [`CommitMode::TwoPhase`]: rows are invisible until their commit.
///
/// Clones share their target, so one goes into the job and one stays with the test. The target is as strict as a real
/// one: an older generation is [`Failure::Fenced`] at every call as soon as a newer one opened the part; a commit may be
/// repeated, also by a writer of a newer generation, and shows its rows once; a write that is repeated for the same epoch
/// replaces the rows; what an older generation prepared and [`abort_older`](Writer::abort_older) removed cannot be
/// committed any more (`E0353`), so a recovery that aborts before it commits is caught.
///
/// # Examples
/// ```
/// use futures_lite::future::block_on;
/// use watchfire_connectors::memory::TwoPhaseSink;
/// use watchfire_engine::{decode::EncodedRow, sink::Sink};
///
/// let sink = TwoPhaseSink::new();
/// let row = EncodedRow { body: b"alarm".to_vec(), ..EncodedRow::default() };
/// let mut writer = block_on(sink.open(0, 1)).expect("not scripted to fail");
/// block_on(writer.write(7, &[row])).expect("not fenced");
/// let ticket = block_on(writer.prepare(1)).expect("not fenced").expect("two phases have a ticket");
/// assert!(sink.visible().is_empty());
///
/// drop(writer); // a crash; the ticket was kept with the checkpoint
/// let mut writer = block_on(sink.open(0, 2)).expect("not scripted to fail");
/// for _ in 0..2 {
///     block_on(writer.commit(1, &ticket)).expect("the rows were prepared");
/// }
/// assert_eq!(sink.visible()[0].body, b"alarm");
/// assert_eq!(sink.visible().len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct TwoPhaseSink {
    target: Arc<Mutex<Target>>,
}

/// Who prepared what: part, generation, commit.
type Ticket = (u64, u64, u64);

#[derive(Debug, Default)]
struct Target {
    /// The newest generation that opened each part.
    generation: BTreeMap<u64, u64>,
    /// Rows written and not prepared: by part and generation, then by epoch.
    written: BTreeMap<(u64, u64), BTreeMap<u64, Vec<EncodedRow>>>,
    prepared: BTreeMap<Ticket, Vec<EncodedRow>>,
    committed: BTreeSet<Ticket>,
    visible: Vec<EncodedRow>,
    script: BTreeMap<Step, VecDeque<Scripted>>,
}

#[derive(Debug)]
struct Scripted {
    failure: Failure,
    /// The call takes effect all the same, and only its answer is lost.
    effective: bool,
}

impl TwoPhaseSink {
    /// An empty target.
    pub fn new() -> Self {
        TwoPhaseSink::default()
    }

    /// All committed rows, in the order of their commits.
    pub fn visible(&self) -> Vec<EncodedRow> {
        self.target().visible.clone()
    }

    /// How many rows are written or prepared but not committed.
    pub fn pending(&self) -> usize {
        let target = self.target();
        let written = target.written.values().flat_map(BTreeMap::values).map(Vec::len).sum::<usize>();
        written + target.prepared.values().map(Vec::len).sum::<usize>()
    }

    /// Lets the next call of `step` fail, on any part, without any effect.
    pub fn fail_before(&self, step: Step, failure: Failure) {
        self.target().script.entry(step).or_default().push_back(Scripted { failure, effective: false });
    }

    /// Lets the next call of `step` take effect and still fail, as when the answer is lost on its way.
    pub fn fail_after(&self, step: Step, failure: Failure) {
        self.target().script.entry(step).or_default().push_back(Scripted { failure, effective: true });
    }

    fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for TwoPhaseSink {
    fn commit_mode(&self) -> CommitMode {
        CommitMode::TwoPhase
    }

    fn open(&self, part: usize, generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        Box::pin(async move {
            let writer = TwoPhaseWriter { sink: self.clone(), part: part as u64, generation };
            self.target().run(Step::Open, |target| {
                let newest = target.generation.entry(writer.part).or_insert(generation);
                if *newest > generation {
                    return Err(Failure::Fenced);
                }
                *newest = generation;
                Ok(())
            })?;
            Ok(Box::new(writer) as Box<dyn Writer>)
        })
    }
}

struct TwoPhaseWriter {
    sink: TwoPhaseSink,
    part: u64,
    generation: u64,
}

impl TwoPhaseWriter {
    /// Runs one step, unless a newer generation has opened the part.
    fn run<R>(&self, step: Step, work: impl FnOnce(&mut Target) -> Result<R, Failure>) -> Result<R, Failure> {
        self.sink.target().run(step, |target| {
            if target.generation.get(&self.part).is_some_and(|newest| *newest > self.generation) {
                return Err(Failure::Fenced);
            }
            work(target)
        })
    }
}

impl Writer for TwoPhaseWriter {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.run(Step::Write, |target| {
                target.written.entry((self.part, self.generation)).or_default().insert(epoch, rows.to_vec());
                Ok(())
            })
        })
    }

    fn prepare(&mut self, commit: u64) -> Fut<'_, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            self.run(Step::Prepare, |target| {
                let rows = target.written.remove(&(self.part, self.generation)).unwrap_or_default();
                let ticket = (self.part, self.generation, commit);
                // Repeated after a lost answer, there is nothing new, and the first rows must stay.
                target.prepared.entry(ticket).or_default().extend(rows.into_values().flatten());
                Ok(Some(to_bytes(ticket)))
            })
        })
    }

    fn commit<'a>(&'a mut self, commit: u64, committable: &'a [u8]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.run(Step::Commit, |target| {
                let lost = |what: &str| {
                    Failure::Fatal(
                        Error::new("E0353", what)
                            .at(format!("part {}, commit {commit}", self.part))
                            .remedy("commit what a checkpoint holds before aborting older generations"),
                    )
                };
                let ticket = from_bytes(committable).ok_or_else(|| lost("these bytes are no commit of this sink"))?;
                if ticket.2 != commit || ticket.0 != self.part {
                    return Err(lost("these bytes belong to another commit or part"));
                }
                if target.committed.contains(&ticket) {
                    return Ok(());
                }
                let rows =
                    target.prepared.remove(&ticket).ok_or_else(|| lost("nothing is prepared under this commit"))?;
                target.visible.extend(rows);
                target.committed.insert(ticket);
                Ok(())
            })
        })
    }

    fn abort_older(&mut self) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.run(Step::AbortOlder, |target| {
                let mine = |part: u64, generation: u64| part != self.part || generation >= self.generation;
                target.written.retain(|(part, generation), _| mine(*part, *generation));
                target.prepared.retain(|(part, generation, _), _| mine(*part, *generation));
                Ok(())
            })
        })
    }
}

impl Target {
    fn run<R>(&mut self, step: Step, work: impl FnOnce(&mut Target) -> Result<R, Failure>) -> Result<R, Failure> {
        match self.script.get_mut(&step).and_then(VecDeque::pop_front) {
            Some(Scripted { failure, effective: true }) => work(self).and(Err(failure)),
            Some(Scripted { failure, effective: false }) => Err(failure),
            None => work(self),
        }
    }
}

fn to_bytes(ticket: Ticket) -> Vec<u8> {
    [ticket.0, ticket.1, ticket.2].iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Option<Ticket> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    match (numbers, rest) {
        ([part, generation, commit], []) => {
            Some((u64::from_le_bytes(*part), u64::from_le_bytes(*generation), u64::from_le_bytes(*commit)))
        }
        _ => None,
    }
}
