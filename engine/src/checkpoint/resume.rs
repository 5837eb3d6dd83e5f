//! What a start finds in its store, and makes of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::{Checkpointing, Ingest};
use crate::Error;
use crate::durable::{
    Action, Body, Entry, Facts, Known, Log, Manifest, OperatorState, Refusal, SplitAt, StateType, Store, bodies,
    decide, log,
};
use crate::epochs::{self, GoesOn, Logged, Tail};
use crate::flow::{Kind, Plan};
use crate::ingest::splits::SplitBook;
use crate::keyed::Reads;
use crate::sink::CommitMode;
use crate::time::FIRST_EPOCH;

/// A start that others forestall looks again so often.
const TRIES: usize = 8;

/// What a start makes of its store.
pub(crate) enum Begin {
    /// The job was drained: nothing is left to do.
    Done {
        /// The last generation.
        generation: u64,
    },
    /// It begins, or goes on.
    Goes(Box<Goes>),
}

/// By sink: number and bytes of what earlier runs have prepared and not known to be committed, rising.
pub(crate) type Owed = HashMap<String, Vec<(u64, Vec<u8>)>>;

/// A job that begins, or goes on.
pub(crate) struct Goes {
    pub(crate) log: Log,
    /// What every manifest says of the job and its flow; the chains so far.
    pub(crate) flow: Manifest,
    pub(crate) resumed: Option<Resumed>,
    /// By operator: the types that are stored, and the keys.
    pub(crate) states: BTreeMap<String, (Vec<StateType>, Vec<Body>)>,
    /// What is to be committed first.
    pub(crate) owed: Owed,
    /// The highest of those numbers.
    pub(crate) owed_upto: u64,
    /// What two-phase sinks have of epochs up to this one is visible, or will be when they have committed what they owe.
    pub(crate) visible_upto: u64,
    /// Where the epoch log goes on.
    pub(crate) goes_on: GoesOn,
    /// Checkpoints that a later start may choose, rising.
    pub(crate) kept: Vec<u64>,
}

/// Where the ingest goes on.
pub(crate) struct Resumed {
    pub(crate) sources: BTreeMap<String, Vec<SplitAt>>,
    pub(crate) ingest: Ingest,
    /// Epochs that were logged since, to be heard again.
    pub(crate) epochs: VecDeque<Logged>,
    /// Where splits are read on.
    pub(crate) read_on: BTreeMap<String, Vec<SplitAt>>,
    /// The number of the next split after those.
    pub(crate) next_split: u32,
    /// The first epoch that was neither in the checkpoint nor logged.
    pub(crate) next_epoch: u64,
}

impl Resumed {
    fn new(from: &Manifest, ingest: Ingest, tail: Tail, next_epoch: u64) -> Self {
        let heard = tail.epochs.iter().flat_map(|(_, logged)| &logged.heard);
        let read_on = SplitBook::resumed(&from.sources).read_on(heard);
        let next_split = tail.highest_split().map_or(0, |split| split + 1).max(ingest.next_split);
        let epochs = tail.epochs.into_iter().map(|(_, logged)| logged).collect();
        Resumed { sources: from.sources.clone(), ingest, epochs, read_on, next_split, next_epoch }
    }

    /// The number of the first epoch that this run cuts.
    pub(crate) fn first_epoch(&self) -> u64 {
        self.epochs.front().map_or(self.next_epoch, |logged| logged.epoch)
    }
}

/// Decides what to do, loads the checkpoint that is gone on from, and begins a generation.
///
/// # Errors
/// `E0524` if others write the log again and again meanwhile; `E0528` if the checkpoint is of another flow; `E0530` if going back past a
/// damaged checkpoint would repeat outputs; `E0531` if there are checkpoints and none can be loaded; `E0532` if the state is
/// another job's; `E0533` or `E0521` if logged epochs are missing or damaged, `E0534` if another flow logged them; `E0522` if a later
/// release wrote something; those of the store.
pub(crate) fn begin(store: &Arc<dyn Store>, config: &Checkpointing, plan: &Plan) -> Result<Begin, Error> {
    let mut tries = 0;
    loop {
        let log = log::read(&**store)?;
        match try_begin(store, &log, config, plan) {
            // An earlier run was still writing: what it has written counts. It may also have collected what this start was
            // about to read, for it has newer checkpoints.
            Err(error) if tries < TRIES && (error.code() == "E0524" || log::read(&**store)? != log) => tries += 1,
            done => return done,
        }
    }
}

fn try_begin(store: &Arc<dyn Store>, log: &[Known], config: &Checkpointing, plan: &Plan) -> Result<Begin, Error> {
    let mut damaged = BTreeSet::new();
    loop {
        match decide(&Facts { job: &config.job, log, damaged: &damaged }) {
            Action::Done => {
                let generation = log.last().and_then(Known::record).map_or(1, |record| record.generation);
                return Ok(Begin::Done { generation });
            }
            Action::Refuse(refusal) => return Err(refused(refusal, &config.job)),
            Action::Fresh => return fresh(store, log, config, plan),
            Action::Resume { from, commit, next_epoch, passed_over, unknown } => {
                check_flow(&from, config, plan)?;
                let loaded = match load(&**store, &from) {
                    Ok(loaded) => loaded,
                    Err(error) if error.code() == "E0521" => {
                        tracing::error!(checkpoint = from.checkpoint, %error, "a checkpoint is damaged, going back to an older one");
                        damaged.insert(from.checkpoint);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let before = Before { log, damaged, from: *from, commit, next_epoch, passed_over, unknown };
                return before.resume(store, config, plan, loaded);
            }
        }
    }
}

fn fresh(store: &Arc<dyn Store>, log: &[Known], config: &Checkpointing, plan: &Plan) -> Result<Begin, Error> {
    if log.is_empty() && !store.list(epochs::FOLDER)?.is_empty() {
        let damaged = vec!["epochs are logged, and the log of checkpoints is empty".to_owned()];
        return Err(refused(Refusal::NothingWhole { damaged }, &config.job));
    }
    let flow = flow_of(config, plan, BTreeMap::new());
    let is_logged = config.log_epochs || were_logged(log);
    let log = Log::begin(store.clone(), log, &config.job, None, log::nonce(), config.log_epochs)?;
    let mut goes_on = GoesOn { generation: log.generation(), after: None, before: FIRST_EPOCH - 1 };
    if is_logged {
        goes_on = goes_on.mark(&**store, plan.fingerprint())?;
    }
    let (states, owed, kept) = (BTreeMap::new(), HashMap::new(), Vec::new());
    let goes = Goes { log, flow, resumed: None, states, owed, owed_upto: 0, visible_upto: 0, goes_on, kept };
    Ok(Begin::Goes(Box::new(goes)))
}

/// Whether an earlier run may still be writing to the epoch log.
fn were_logged(log: &[Known]) -> bool {
    log.iter().any(|known| match known {
        Known::Good(record) => matches!(record.entry, Entry::Started { logs_epochs: true, .. }),
        Known::Damaged { .. } => true,
    })
}

/// What a start that goes on has decided.
struct Before<'a> {
    log: &'a [Known],
    damaged: BTreeSet<u64>,
    from: Manifest,
    commit: Vec<Manifest>,
    next_epoch: u64,
    passed_over: Vec<u64>,
    unknown: Vec<u64>,
}

impl Before<'_> {
    fn resume(
        self,
        store: &Arc<dyn Store>,
        config: &Checkpointing,
        plan: &Plan,
        (ingest, states): Loaded,
    ) -> Result<Begin, Error> {
        let checkpoint = self.from.checkpoint;
        let mut tail = Tail::since(&**store, checkpoint)?;
        check_logged(&tail, plan)?;
        self.check_doubles(&tail, plan)?;
        let log = Log::begin(store.clone(), self.log, &config.job, Some(checkpoint), log::nonce(), config.log_epochs)?;
        // What an earlier run logged until it was fenced counts.
        if !tail.is_current(&**store)? {
            tail = Tail::since(&**store, checkpoint)?;
            check_logged(&tail, plan)?;
        }
        tail.settle(&**store)?;
        let upto = tail.upto().unwrap_or(checkpoint);
        let (owed, owed_upto) = self.owed(&tail)?;
        let visible_upto = tail.prepared.keys().chain(&self.passed_over).copied().max().unwrap_or(0).max(owed_upto);
        let after = tail.newest.filter(|newest| newest.epoch() >= checkpoint);
        let mut goes_on = GoesOn { generation: log.generation(), after, before: upto };
        if config.log_epochs || tail.newest.is_some() || were_logged(self.log) {
            goes_on = goes_on.mark(&**store, plan.fingerprint())?;
        }
        let kept = kept(self.log, &self.damaged, checkpoint, config.keep);
        let flow = flow_of(config, plan, self.from.operators.clone());
        let resumed = Some(Resumed::new(&self.from, ingest, tail, self.next_epoch.max(upto + 1)));
        let goes = Goes { log, flow, resumed, states, owed, owed_upto, visible_upto, goes_on, kept };
        Ok(Begin::Goes(Box::new(goes)))
    }

    /// Refuses to repeat what sinks have committed. What was logged comes again under its own epochs, and is passed over.
    fn check_doubles(&self, tail: &Tail, plan: &Plan) -> Result<(), Error> {
        let two_phase = |kind: &Kind| matches!(kind, Kind::Sink { commit: Some(CommitMode::TwoPhase), .. });
        let sinks: Vec<String> = plan
            .named()
            .filter(|(_, node)| two_phase(&node.kind))
            .map(|(_, node)| format!("\"{}\"", node.name))
            .collect();
        let logged = tail.upto().unwrap_or(self.from.checkpoint);
        let known = self.passed_over.iter().filter(|n| **n > logged && may_double(self.log, **n)).map(u64::to_string);
        let unknown = self.unknown.iter().filter(|_| !self.was_logged()).map(|n| format!("that of record {n}"));
        let doubles: Vec<String> = known.chain(unknown).collect();
        if doubles.is_empty() || sinks.is_empty() {
            return Ok(());
        }
        let what = format!(
            "going back to checkpoint {} would repeat what {} committed for checkpoint {}, which is damaged",
            self.from.checkpoint,
            sinks.join(", "),
            doubles.join(", ")
        );
        let remedy = "restore the damaged objects from a backup; a job that logs its epochs can go back";
        Err(Error::new("E0530", what).remedy(remedy))
    }

    /// Whether every generation since the checkpoint has logged its epochs.
    fn was_logged(&self) -> bool {
        self.from.logs_epochs
            && self.log.iter().filter_map(Known::record).all(|record| match &record.entry {
                Entry::Started { from, logs_epochs, .. } => *logs_epochs || *from < Some(self.from.checkpoint),
                _ => true,
            })
    }

    /// What sinks have prepared and not known to be committed, and the highest checkpoint of it.
    fn owed(&self, tail: &Tail) -> Result<(Owed, u64), Error> {
        let mut owed = owed(&self.commit)?;
        let mut upto = self.commit.last().map_or(0, |manifest| manifest.checkpoint);
        let committed = self.log.iter().filter_map(Known::record).filter_map(|record| match record.entry {
            Entry::Committed { checkpoint } => Some(checkpoint),
            _ => None,
        });
        let committed = committed.max().unwrap_or(0);
        // Logged before the record was written, which may be damaged, or never have been.
        for (checkpoint, sinks) in tail.prepared.range(committed + 1..) {
            for (sink, bytes) in sinks {
                let mine = owed.entry(sink.clone()).or_default();
                if mine.iter().all(|(of, _)| of != checkpoint) {
                    mine.push((*checkpoint, bytes.to_vec()));
                }
            }
            upto = upto.max(*checkpoint);
        }
        owed.values_mut().for_each(|mine| mine.sort());
        Ok((owed, upto))
    }
}

/// Refuses epochs that another flow has logged: what has left of them would come again otherwise.
fn check_logged(tail: &Tail, plan: &Plan) -> Result<(), Error> {
    let now = plan.fingerprint();
    let Some((by, logged)) = tail.epochs.iter().find(|(by, _)| *by != now) else { return Ok(()) };
    let what = format!("epochs from {} on were logged by flow {by:016x}, and this is {now:016x}", logged.epoch);
    let remedy = "run the flow that logged them, stop it, which ends with a checkpoint, and change it then";
    Err(Error::new("E0534", what).remedy(remedy))
}

fn flow_of(config: &Checkpointing, plan: &Plan, mut before: BTreeMap<String, OperatorState>) -> Manifest {
    let operators = types(plan).map(|(name, states)| {
        let files = before.remove(name).map(|operator| operator.files).unwrap_or_default();
        let states = states.iter().map(|one| one.writes.clone()).collect();
        (name.to_owned(), OperatorState { states, files })
    });
    Manifest {
        job: config.job.clone(),
        fingerprint: plan.fingerprint(),
        operators: operators.collect(),
        flow: plan.text(),
        logs_epochs: config.log_epochs,
        ..Manifest::default()
    }
}

/// Keyed operators, and the types of their states.
fn types(plan: &Plan) -> impl Iterator<Item = (&str, &[Reads])> {
    plan.named().filter_map(|(_, node)| match &node.kind {
        Kind::Keyed { states, .. } => Some((node.name.as_str(), states.as_slice())),
        _ => None,
    })
}

/// The ingest and, by operator, the types that are stored and what holds the keys, oldest first.
type Loaded = (Ingest, BTreeMap<String, (Vec<StateType>, Vec<Body>)>);

/// What is loaded of a checkpoint.
fn load(store: &dyn Store, from: &Manifest) -> Result<Loaded, Error> {
    let missing = || {
        let what = "a checkpoint that does not say what the ingest remembers";
        Error::new("E0521", what).at(format!("checkpoint {}", from.checkpoint)).remedy("restore it from a backup")
    };
    let ingest = Ingest::read(store, from.ingest.as_ref().ok_or_else(missing)?)?;
    let mut all = BTreeMap::new();
    for (name, operator) in &from.operators {
        all.insert(name.clone(), (operator.states.clone(), bodies(store, &operator.files)?));
    }
    Ok((ingest, all))
}

/// Refuses a checkpoint of another flow that nobody has looked at, or of states that cannot be read, and says what is
/// different.
fn check_flow(from: &Manifest, config: &Checkpointing, plan: &Plan) -> Result<(), Error> {
    let same = from.fingerprint == plan.fingerprint();
    let mut changes = Vec::new();
    if !same && !config.from_flows.contains(&from.fingerprint) {
        changes.extend(changed_lines(&from.flow, &plan.text()));
    }
    for (name, states) in types(plan) {
        let Some(stored) = from.operators.get(name) else { continue };
        let reads = |reads: &Reads, found: &StateType| {
            reads.writes.name == found.name
                && (reads.writes.version == found.version || reads.also.contains(&found.version))
        };
        let unread = stored.states.iter().filter(|found| !states.iter().any(|one| reads(one, found)));
        // Of an accepted flow a detector may have gone; a version that cannot be read is never passed over.
        let lost = unread.filter(|found| same || states.iter().any(|one| one.writes.name == found.name));
        changes.extend(lost.map(|found| {
            let now: Vec<String> = states.iter().map(|one| written(&one.writes)).collect();
            format!("\"{name}\" has stored {}, and reads {}", written(found), now.join(", "))
        }));
    }
    if changes.is_empty() {
        return Ok(());
    }
    let what = format!("the checkpoint is of another flow: {}", changes.join("; "));
    let remedy = format!(
        "run the flow that wrote it; or, if what it has stored means the same here, list {:#018x} in Checkpointing::from_flows and let states migrate; or begin anew with an empty store",
        from.fingerprint
    );
    Err(Error::new("E0528", what).at(format!("checkpoint {}", from.checkpoint)).remedy(remedy))
}

fn written(of: &StateType) -> String {
    format!("{} version {}", of.name, of.version)
}

/// What is different between the plans of two flows.
fn changed_lines(before: &str, now: &str) -> Vec<String> {
    let (before, now): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let gone = before.iter().filter(|line| !now.contains(line)).map(|line| format!("- {line}"));
    let come = now.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    let changes: Vec<String> = gone.chain(come).collect();
    if changes.is_empty() { vec!["the order of its steps".to_owned()] } else { changes }
}

/// Whether sinks may have committed something for a checkpoint that is passed over.
fn may_double(log: &[Known], checkpoint: u64) -> bool {
    let mut manifests = log.iter().filter_map(Known::record).filter_map(|record| record.manifest());
    manifests.find(|manifest| manifest.checkpoint == checkpoint).is_none_or(Manifest::owes_commit)
}

/// The newest checkpoints that a later start may choose.
fn kept(log: &[Known], damaged: &BTreeSet<u64>, from: u64, keep: usize) -> Vec<u64> {
    let manifests = log.iter().filter_map(Known::record).filter_map(|record| record.manifest());
    let mut all: Vec<u64> = manifests.map(|manifest| manifest.checkpoint).collect();
    all.retain(|checkpoint| *checkpoint <= from && !damaged.contains(checkpoint));
    all.split_off(all.len().saturating_sub(keep.max(1)))
}

/// By sink, what it has prepared for each of these checkpoints.
fn owed(commit: &[Manifest]) -> Result<Owed, Error> {
    let mut owed: Owed = HashMap::new();
    for manifest in commit {
        for (sink, parts) in &manifest.sinks {
            for text in parts.iter().filter_map(|part| part.committable.as_ref()) {
                let bytes = from_hex(text).ok_or_else(|| {
                    let what = format!("what sink \"{sink}\" has prepared is not written in hexadecimal");
                    Error::new("E0521", what).at(format!("checkpoint {}", manifest.checkpoint))
                })?;
                owed.entry(sink.clone()).or_default().push((manifest.checkpoint, bytes));
            }
        }
    }
    Ok(owed)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

fn refused(refusal: Refusal, job: &str) -> Error {
    match refusal {
        Refusal::OtherJob { name } => {
            let what = format!("the store holds the state of job \"{name}\", and this is \"{job}\"");
            Error::new("E0532", what).remedy("give each job a store of its own, and the name under which it began")
        }
        Refusal::NothingWhole { damaged } => {
            let what = format!("no checkpoint can be loaded: {}", damaged.join("; "));
            let remedy = "restore the objects from a backup; beginning anew, with an empty store, repeats all outputs";
            Error::new("E0531", what).remedy(remedy)
        }
    }
}
