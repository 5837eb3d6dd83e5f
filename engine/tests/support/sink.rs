//! A sink that keeps what it is given, and fails when it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use watchfire_engine::Error;
use watchfire_engine::decode::{EncodedRow, Encoder};
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Fut};

use super::{Gate, Row};
use crate::support::source::{Event, Events, written};

/// What was done to a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    Opened(u64),
    Aborted,
    Wrote(u64, Vec<String>),
    Prepared(u64),
    Committed(u64),
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Retry,
    Fatal,
    Fenced,
    Poison,
    Panic,
}

#[derive(Debug, Default)]
struct Kept {
    did: Vec<Did>,
    visible: Vec<String>,
    /// By generation.
    staged: BTreeMap<u64, Vec<String>>,
    committed: BTreeSet<u64>,
    /// Faults of the coming calls of open, write, prepare and commit.
    faults: [VecDeque<Fault>; 4],
    gate: Option<Arc<Gate>>,
    tells: Option<(&'static str, Events)>,
}

impl Kept {
    fn tell(&self) {
        if let Some((name, events)) = &self.tells {
            events.lock().unwrap().push(Event::Visible(name, self.visible.len()));
        }
    }
}

/// Where a fault strikes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Open,
    Write,
    Prepare,
    Commit,
}

#[derive(Clone)]
pub(crate) struct Keeps {
    mode: CommitMode,
    /// Of a writer.
    generation: u64,
    kept: Arc<Mutex<Kept>>,
}

impl Keeps {
    pub(crate) fn new(mode: CommitMode) -> Self {
        Keeps { mode, generation: 0, kept: Arc::default() }
    }

    /// The coming calls fail so; a call after them succeeds.
    pub(crate) fn fails(self, on: On, faults: &[Fault]) -> Self {
        self.kept.lock().unwrap().faults[on as usize] = faults.iter().copied().collect();
        self
    }

    /// Every write waits for the gate.
    pub(crate) fn gated(self, gate: Arc<Gate>) -> Self {
        self.kept.lock().unwrap().gate = Some(gate);
        self
    }

    /// Tells what can be seen in it, under a name.
    pub(crate) fn tells(self, name: &'static str, events: &Events) -> Self {
        self.kept.lock().unwrap().tells = Some((name, events.clone()));
        self
    }

    pub(crate) fn did(&self) -> Vec<Did> {
        self.kept.lock().unwrap().did.clone()
    }

    pub(crate) fn visible(&self) -> Vec<String> {
        self.kept.lock().unwrap().visible.clone()
    }

    /// How many rows were written and are not visible.
    pub(crate) fn staged(&self) -> usize {
        self.kept.lock().unwrap().staged.values().map(Vec::len).sum()
    }

    /// Faults that have not struck yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.kept.lock().unwrap().faults.iter().map(VecDeque::len).sum()
    }

    fn strike(&self, on: On) -> Result<(), Failure> {
        let fault = self.kept.lock().unwrap().faults[on as usize].pop_front().unwrap_or(Fault::None);
        let outside = |what: &str| Error::new("E0399", what).at("the outside");
        match fault {
            Fault::None => Ok(()),
            Fault::Retry => Err(Failure::Retry(outside("away for a while"))),
            Fault::Fatal => Err(Failure::Fatal(outside("away for ever"))),
            Fault::Fenced => Err(Failure::Fenced),
            Fault::Poison => Err(Failure::Poison { index: 1, why: outside("will not have it") }),
            Fault::Panic => panic!("the writer met its fault"),
        }
    }
}

impl Sink for Keeps {
    fn commit_mode(&self) -> CommitMode {
        self.mode
    }

    fn open(&self, _part: usize, generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        Box::pin(async move {
            self.strike(On::Open)?;
            self.kept.lock().unwrap().did.push(Did::Opened(generation));
            let writer: Box<dyn Writer> = Box::new(Keeps { generation, ..self.clone() });
            Ok(writer)
        })
    }
}

impl Writer for Keeps {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            let gate = self.kept.lock().unwrap().gate.clone();
            if let Some(gate) = gate {
                gate.pass();
            }
            self.strike(On::Write)?;
            let texts: Vec<String> = rows.iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect();
            let mut kept = self.kept.lock().unwrap();
            match self.mode {
                CommitMode::TwoPhase => kept.staged.entry(self.generation).or_default().extend(texts.clone()),
                _ => kept.visible.extend(texts.clone()),
            }
            kept.tell();
            kept.did.push(Did::Wrote(epoch, texts));
            Ok(())
        })
    }

    fn prepare(&mut self, commit: u64) -> Fut<'_, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            self.strike(On::Prepare)?;
            let mut kept = self.kept.lock().unwrap();
            kept.did.push(Did::Prepared(commit));
            let staged = kept.staged.remove(&self.generation).unwrap_or_default();
            Ok((self.mode == CommitMode::TwoPhase).then(|| staged.join("\n").into_bytes()))
        })
    }

    fn commit<'a>(&'a mut self, commit: u64, committable: &'a [u8]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            let mut kept = self.kept.lock().unwrap();
            if kept.committed.insert(commit) {
                let text = String::from_utf8_lossy(committable).into_owned();
                kept.visible.extend(text.split('\n').filter(|line| !line.is_empty()).map(str::to_owned));
            }
            kept.tell();
            kept.did.push(Did::Committed(commit));
            drop(kept);
            // The answer may be lost after the work was done: the repeated call finds it done.
            self.strike(On::Commit)
        })
    }

    fn abort_older(&mut self) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut kept = self.kept.lock().unwrap();
            kept.did.push(Did::Aborted);
            kept.staged.retain(|generation, _| *generation >= self.generation);
            Ok(())
        })
    }
}

/// Writes rows as the scripted source gives them.
pub(crate) struct AsText {
    pub(crate) ids: bool,
}

/// The value that [`AsText`] panics on, and the one that it refuses.
pub(crate) const BREAKS_ENCODER: i64 = 77_000_077;
pub(crate) const REFUSED_BY_ENCODER: i64 = 78_000_078;

impl Encoder<Row> for AsText {
    fn encode(&self, row: &Row) -> Result<EncodedRow, Error> {
        assert!(row.value != BREAKS_ENCODER, "the encoder met {BREAKS_ENCODER}");
        if row.value == REFUSED_BY_ENCODER {
            return Err(Error::new("E0398", "cannot be written"));
        }
        let id = self.ids.then(|| format!("{}-{}", row.key, row.at_ms));
        Ok(EncodedRow { id, retract: false, body: written(row).into_bytes() })
    }

    fn gives_ids(&self) -> bool {
        self.ids
    }
}
