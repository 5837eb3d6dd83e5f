//! A source that follows a script, and remembers what was done to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use watchfire_engine::Error;
use watchfire_engine::decode::Decoder;
use watchfire_engine::source::{Failure, Fut, KeyPlacement, Next, RawRow, Reader, Replay, Source};

use super::{Gate, Row, row};

/// What a split does next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Rows(Vec<Row>),
    /// Bodies that need not be rows.
    Raw(Vec<&'static str>),
    Idle,
    Behind,
    Retry,
    Fatal,
    Expired,
    Fenced,
    Panic,
    /// Waits for a gate.
    Wait(Arc<Gate>),
}

/// What was done to a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Opened(&'static str, Option<u64>),
    Gave(&'static str, u64),
    Durable(&'static str, u64),
}

#[derive(Debug)]
struct Split {
    name: &'static str,
    steps: Mutex<VecDeque<Step>>,
    /// The offset after the rows that were given.
    offset: Mutex<u64>,
}

#[derive(Clone)]
pub(crate) struct Scripted {
    splits: Vec<Arc<Split>>,
    bounded: bool,
    placement: KeyPlacement,
    pub(crate) discovery: Arc<Mutex<VecDeque<Step>>>,
    pub(crate) log: Arc<Mutex<Vec<Done>>>,
    /// Failures of `durable`, from the first call on.
    pub(crate) durable_fails: Arc<Mutex<u32>>,
    /// What was done, in one order with what was done to the sinks that share it.
    pub(crate) events: Events,
}

/// What happened outside the job.
pub(crate) type Events = Arc<Mutex<Vec<Event>>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// So many rows can be seen in the sink of this name.
    Visible(&'static str, usize),
    /// A source was told that everything up to here is safe.
    Acknowledged(u64),
}

impl Scripted {
    /// Splits that end after their script.
    pub(crate) fn bounded(splits: Vec<(&'static str, Vec<Step>)>) -> Self {
        Scripted {
            splits: splits
                .into_iter()
                .map(|(name, steps)| Arc::new(Split { name, steps: Mutex::new(steps.into()), offset: Mutex::new(0) }))
                .collect(),
            bounded: true,
            placement: KeyPlacement::OneSplit,
            discovery: Arc::default(),
            log: Arc::default(),
            durable_fails: Arc::default(),
            events: Arc::default(),
        }
    }

    /// Splits that go on waiting after their script.
    pub(crate) fn endless(splits: Vec<(&'static str, Vec<Step>)>) -> Self {
        Scripted { bounded: false, ..Scripted::bounded(splits) }
    }

    /// A key may come from any split.
    pub(crate) fn any_split(self) -> Self {
        Scripted { placement: KeyPlacement::AnySplit, ..self }
    }

    pub(crate) fn log(&self) -> Vec<Done> {
        self.log.lock().unwrap().clone()
    }

    /// The offsets that were acknowledged, in their order.
    pub(crate) fn acknowledged(&self) -> Vec<u64> {
        self.log()
            .iter()
            .filter_map(|done| if let Done::Durable(_, upto) = done { Some(*upto) } else { None })
            .collect()
    }
}

fn failure(step: &Step) -> Option<Failure> {
    let outside = |what: &str| Error::new("E0499", what).at("the script");
    match step {
        Step::Retry => Some(Failure::Retry(outside("away for a while"))),
        Step::Fatal => Some(Failure::Fatal(outside("away for ever"))),
        Step::Expired => Some(Failure::OffsetExpired { earliest: "row 90".into() }),
        Step::Fenced => Some(Failure::Fenced),
        _ => None,
    }
}

impl Source for Scripted {
    type Split = String;
    type Offset = u64;

    fn replay(&self) -> Replay {
        Replay::None
    }

    fn key_placement(&self) -> KeyPlacement {
        self.placement
    }

    fn bounded(&self) -> bool {
        self.bounded
    }

    fn discover(&self) -> Fut<'_, Result<Vec<String>, Failure>> {
        Box::pin(async {
            let step = self.discovery.lock().unwrap().pop_front();
            match step {
                Some(Step::Panic) => panic!("discovery met the script"),
                Some(Step::Wait(gate)) => gate.pass(),
                Some(step) => return Err(failure(&step).unwrap()),
                None => {}
            }
            Ok(self.splits.iter().map(|split| split.name.to_owned()).collect())
        })
    }

    fn open(&self, split: String, from: Option<u64>) -> Fut<'_, Result<Box<dyn Reader<u64>>, Failure>> {
        Box::pin(async move {
            let split = self.splits.iter().find(|known| known.name == split).unwrap().clone();
            assert_eq!(from.unwrap_or(0), *split.offset.lock().unwrap(), "reopened at the last offset given out");
            self.log.lock().unwrap().push(Done::Opened(split.name, from));
            let reader: Box<dyn Reader<u64>> = Box::new(Reads { split, source: self.clone() });
            Ok(reader)
        })
    }
}

struct Reads {
    split: Arc<Split>,
    source: Scripted,
}

impl Reads {
    fn gave(&self, bodies: Vec<String>, room: usize) -> Next<u64> {
        assert!(bodies.len() <= room);
        let mut offset = self.split.offset.lock().unwrap();
        let first = *offset;
        *offset += bodies.len() as u64;
        self.source.log.lock().unwrap().push(Done::Gave(self.split.name, *offset));
        let raw = |(n, body): (usize, String)| RawRow { place: first + n as u64 + 1, key: None, body: body.into() };
        Next::Rows { rows: bodies.into_iter().enumerate().map(raw).collect(), after: *offset }
    }
}

impl Reader<u64> for Reads {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        Box::pin(async move {
            loop {
                let step = self.split.steps.lock().unwrap().front().cloned();
                let next = match step {
                    None if self.source.bounded => return Ok(Next::End),
                    None => {
                        std::future::pending::<()>().await;
                        continue;
                    }
                    Some(Step::Wait(gate)) => {
                        while !gate.is_open() {
                            async_io::Timer::after(std::time::Duration::from_millis(2)).await;
                        }
                        None
                    }
                    Some(Step::Rows(rows)) => Some(Ok(self.gave(rows.iter().map(written).collect(), room))),
                    Some(Step::Raw(bodies)) => {
                        Some(Ok(self.gave(bodies.iter().map(|body| (*body).to_owned()).collect(), room)))
                    }
                    Some(Step::Idle) => Some(Ok(Next::Idle)),
                    Some(Step::Behind) => Some(Ok(Next::Behind)),
                    Some(Step::Panic) => panic!("the reader met the script"),
                    Some(step) => Some(Err(failure(&step).unwrap())),
                };
                self.split.steps.lock().unwrap().pop_front();
                if let Some(next) = next {
                    return next;
                }
            }
        })
    }

    fn durable(&mut self, upto: u64) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut fails = self.source.durable_fails.lock().unwrap();
            if *fails > 0 {
                *fails -= 1;
                return Err(failure(&Step::Retry).unwrap());
            }
            self.source.log.lock().unwrap().push(Done::Durable(self.split.name, upto));
            self.source.events.lock().unwrap().push(Event::Acknowledged(upto));
            Ok(())
        })
    }
}

/// A row as the scripted source gives it.
pub(crate) fn written(row: &Row) -> String {
    format!("{},{},{}", row.at_ms, row.key, row.value)
}

/// Reads what [`written`] writes; panics on the word `panic`.
pub(crate) struct Lines;

impl Decoder<Row> for Lines {
    fn decode(&self, raw: &RawRow, out: &mut Vec<Row>) -> Result<(), Error> {
        let text = std::str::from_utf8(&raw.body).unwrap_or("");
        assert!(text != "panic", "the decoder met the script");
        let parts: Vec<&str> = text.split(',').collect();
        // Half a row is appended before the error, as a careless decoder does.
        out.push(row(0, 0, 0));
        let [at_ms, key, value] = parts.as_slice() else { return Err(Error::new("E0498", "not three fields")) };
        match (at_ms.parse(), key.parse(), value.parse()) {
            (Ok(at_ms), Ok(key), Ok(value)) => {
                out.pop();
                out.push(row(at_ms, key, value));
                Ok(())
            }
            _ => Err(Error::new("E0497", "a field is not a number").at("somewhere")),
        }
    }
}
