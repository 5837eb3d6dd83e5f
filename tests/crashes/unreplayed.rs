//! What comes from a broker that forgets what was acknowledged, under a clock that runs on: nothing is lost, an epoch is seen
//! once, and what a tick caused is never seen twice under two names.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use watchfire::connect::format::JsonLines;
use watchfire::decode::{EncodedRow, Encoder};
use watchfire::sink::{CommitMode, Sink, Writer};
use watchfire::source::{Failure, Fut, KeyPlacement, Next, Opened, RawRow, Reader, Replay, Source};
use watchfire::testing::{Faults, FaultyStore};
use watchfire::{
    Checkpointing, Context, Describe, Detector, Error, EventTime, Job, OnSkew, Running, State, TickSource, Timed,
    Verdict, rkyv,
};

use crate::Draw;

/// Messages of each key.
const MESSAGES: u64 = 400;
const KEYS: u32 = 5;

/// A message of a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Reading {
    key: u32,
    n: u64,
}

impl Timed for Reading {
    fn event_time_ms(&self) -> i64 {
        self.n as i64
    }
}

/// A broker that gives a message again until it is acknowledged, and never after.
#[derive(Clone, Default)]
struct Broker(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    /// A reader opened last; what older ones say counts for nothing.
    session: u64,
    acknowledged: u64,
}

impl Broker {
    fn publish(&self, reading: &Reading) {
        self.0.lock().unwrap().waiting.push_back(serde_json::to_vec(reading).unwrap());
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().waiting.is_empty()
    }
}

impl Source for Broker {
    type Split = String;
    type Offset = u64;

    fn replay(&self) -> Replay {
        Replay::None
    }

    fn key_placement(&self) -> KeyPlacement {
        KeyPlacement::OneSplit
    }

    fn bounded(&self) -> bool {
        false
    }

    fn discover(&self) -> Fut<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { Ok(vec!["session".to_owned()]) })
    }

    fn open(&self, _split: String, from: Option<u64>) -> Fut<'_, Opened<u64>> {
        Box::pin(async move {
            let mut queue = self.0.lock().unwrap();
            queue.session += 1;
            let from = from.unwrap_or(0);
            let reader = Reads { broker: self.clone(), session: queue.session, from, given: 0, gone: 0 };
            Ok(Box::new(reader) as Box<dyn Reader<u64>>)
        })
    }
}

/// Counts its messages from where the last reader came to.
struct Reads {
    broker: Broker,
    session: u64,
    from: u64,
    /// How many of those that waited when it was opened, or have come since, it has given; how many are acknowledged.
    given: u64,
    gone: u64,
}

impl Reader<u64> for Reads {
    fn next(&mut self, room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        Box::pin(async move {
            let queue = self.broker.0.lock().unwrap();
            if queue.session != self.session {
                // By a reader of a job that is dying: whoever lives takes it back.
                return Err(Failure::Retry(Error::new("E0399", "another client has taken the session")));
            }
            let unread = queue.waiting.iter().skip((self.given - self.gone) as usize).take(room.min(9));
            let rows: Vec<RawRow> =
                unread.map(|body| RawRow { body: body.clone().into(), ..RawRow::default() }).collect();
            if rows.is_empty() {
                return Ok(Next::Idle);
            }
            self.given += rows.len() as u64;
            Ok(Next::Rows { rows, after: self.from + self.given })
        })
    }

    fn durable(&mut self, upto: u64) -> Fut<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut queue = self.broker.0.lock().unwrap();
            while queue.session == self.session && self.from + self.gone < upto {
                queue.waiting.pop_front();
                queue.acknowledged += 1;
                self.gone += 1;
            }
            Ok(())
        })
    }
}

/// What is known of a device.
#[derive(Clone, Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = watchfire::rkyv)]
struct Device {
    next: u64,
    last_ms: i64,
}

impl State for Device {
    const NAME: &'static str = "device";
    const VERSION: u32 = 1;
}

/// Says each message once, and when a device has been silent, and on what it has ended.
struct Watch;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Said {
    /// The message, if none before it is missing.
    Heard(u32, u64),
    Missing(u32, u64),
    /// After this message, at this time of the clock.
    Silent(u32, u64, i64),
}

impl Timed for Said {
    fn event_time_ms(&self) -> i64 {
        0
    }
}

const SILENT_MS: i64 = 4_000;

impl Detector for Watch {
    type Key = u32;
    type In = Reading;
    type Out = Said;
    type State = Device;

    fn describe(&self) -> Describe {
        Describe { kind: "watch", params: String::new(), ordered: true }
    }

    fn on_row(&self, state: &mut Device, row: &Reading, cx: &mut Context<'_, u32, Said>) -> Verdict {
        if row.n < state.next {
            return Verdict::Duplicate;
        }
        let missing = row.n > state.next;
        cx.emit(if missing { Said::Missing(row.key, state.next) } else { Said::Heard(row.key, row.n) });
        (state.next, state.last_ms) = (row.n + 1, cx.quiet_ms());
        cx.wake_at_quiet_ms(cx.quiet_ms().saturating_add(SILENT_MS));
        Verdict::Applied
    }

    fn on_quiet(&self, state: &mut Device, cx: &mut Context<'_, u32, Said>) {
        let due_ms = state.last_ms.saturating_add(SILENT_MS);
        if cx.quiet_ms() < due_ms {
            return cx.wake_at_quiet_ms(due_ms);
        }
        cx.emit(Said::Silent(*cx.key(), state.next, cx.arrival_ms()));
    }
}

/// An encoder whose ids name what is said.
#[derive(Clone)]
struct Named;

impl Encoder<Said> for Named {
    fn encode(&self, row: &Said) -> Result<EncodedRow, Error> {
        let id = match row {
            Said::Heard(key, n) => format!("{key} heard {n}"),
            Said::Missing(key, n) => format!("{key} missing {n}"),
            Said::Silent(key, n, at_ms) => format!("{key} silent {n} {at_ms}"),
        };
        Ok(EncodedRow { id: Some(id), retract: false, body: serde_json::to_vec(row).unwrap() })
    }

    fn gives_ids(&self) -> bool {
        true
    }
}

/// A table that either replaces rows by id, or keeps the epoch with them.
#[derive(Clone)]
struct Table {
    mode: CommitMode,
    kept: Arc<Mutex<Kept>>,
    generation: u64,
}

#[derive(Default)]
struct Kept {
    generation: u64,
    epochs: BTreeMap<u64, Vec<Vec<u8>>>,
    ids: BTreeMap<String, Vec<u8>>,
}

impl Table {
    fn new(mode: CommitMode) -> Self {
        Table { mode, kept: Arc::default(), generation: 0 }
    }
}

impl Sink for Table {
    fn commit_mode(&self) -> CommitMode {
        self.mode
    }

    fn open(&self, _part: usize, generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        Box::pin(async move {
            let mut kept = self.kept.lock().unwrap();
            if generation < kept.generation {
                return Err(Failure::Fenced);
            }
            kept.generation = generation;
            Ok(Box::new(Table { generation, ..self.clone() }) as Box<dyn Writer>)
        })
    }
}

impl Writer for Table {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            let mut kept = self.kept.lock().unwrap();
            let bodies: Vec<Vec<u8>> = rows.iter().map(|row| row.body.clone()).collect();
            if self.mode == CommitMode::ByKey {
                for row in rows {
                    let before = kept.ids.insert(row.id.clone().unwrap(), row.body.clone());
                    assert!(before.is_none_or(|before| before == row.body), "{:?} has other bytes", row.id);
                }
            } else if kept.generation != self.generation {
                return Err(Failure::Fenced);
            } else if kept.epochs.last_key_value().is_some_and(|(last, _)| *last >= epoch) {
                assert_eq!(kept.epochs.get(&epoch), Some(&bodies), "epoch {epoch} comes again with other rows");
            } else {
                kept.epochs.insert(epoch, bodies);
            }
            Ok(())
        })
    }
}

/// What outlives the job.
struct World {
    broker: Broker,
    store: FaultyStore,
    by_epoch: Table,
    by_key: Table,
    every_ms: u64,
    start_ms: i64,
}

fn job(world: &World) -> Job {
    let (broker, by_epoch, by_key) = (world.broker.clone(), world.by_epoch.clone(), world.by_key.clone());
    let job = Job::new(move |flow| {
        let readings = flow.source::<Reading, _, _>("readings", broker.clone(), JsonLines::new());
        let bounds = EventTime { disorder_ms: 0, max_skew_ms: i64::MAX, on_skew: OnSkew::Divert, clock_wrong_after: 3 };
        let watch = readings.rows.key_by(|reading| reading.key).event_time(bounds).detect("watch", Watch);
        watch.out.clone().to_sink("by epoch", by_epoch.clone(), Named);
        watch.out.to_sink("by key", by_key.clone(), Named);
    });
    // A thousand times as fast as the clock on the wall.
    job.ticks(TickSource::Scaled { interval_ms: 500, start_ms: world.start_ms, speed: 1_000.0 })
}

/// One life: whether the job lived until everything was published and seen.
fn live(world: &World, draw: &mut Draw, dies: bool, published: impl Fn() -> bool) -> bool {
    let config = Checkpointing {
        every_ms: world.every_ms,
        keep: 1 + draw.below(3) as usize,
        log_epochs: true,
        ..Checkpointing::named("unreplayed")
    };
    let job = job(world).workers(1 + draw.below(3) as usize).epoch_rows_max(1 + draw.below(20) as usize);
    let job = job.checkpoint_to(Arc::new(world.store.clone()), config);
    let until = Instant::now() + Duration::from_micros(draw.below(40_000));
    if dies && draw.below(3) > 0 {
        world.store.crash_after(draw.below(150));
    }
    let mut running = match job.start() {
        Ok(running) => running,
        Err(error) => {
            assert!(world.store.is_down(), "only a store that is down keeps a job from its start: {error}");
            world.store.restart();
            return false;
        }
    };
    let limit = Instant::now() + Duration::from_secs(60);
    let lived = loop {
        if running.failed() || world.store.is_down() || dies && Instant::now() > until {
            running.abort();
            break false;
        }
        if published() && world.broker.is_empty() {
            break true;
        }
        assert!(Instant::now() < limit, "the job stands still: {:?}", running.metrics());
        std::thread::sleep(Duration::from_micros(200));
    };
    let ended = stopped(&mut running, world);
    if let Err(error) = &ended {
        assert!(!lived && error.code() == "E0906" || world.store.is_down(), "{error}");
    }
    if !lived && draw.below(2) == 0 {
        world.store.power_cut();
    }
    world.store.restart();
    lived && ended.is_ok()
}

/// Stops a job, or ends it with its store: that would wait until the store answers.
fn stopped(running: &mut Running, world: &World) -> Result<(), Error> {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        match running.stop(Duration::from_millis(50)) {
            Err(error) if error.code() == "E0904" && Instant::now() < limit => {
                if world.store.is_down() {
                    running.abort();
                }
            }
            ended => return ended.map(|_| ()),
        }
    }
}

/// One job through many deaths. How often it died, and how often a device was silent.
fn outlives(seed: u64) -> (u64, usize) {
    let mut draw = Draw(seed);
    let world = World {
        broker: Broker::default(),
        store: FaultyStore::new(Faults { seed, ..Faults::default() }),
        by_epoch: Table::new(CommitMode::ByEpoch),
        by_key: Table::new(CommitMode::ByKey),
        every_ms: draw.below(4),
        start_ms: 1_000_000,
    };
    let broker = world.broker.clone();
    let mut pauses = Draw(seed ^ 1);
    let publisher = std::thread::spawn(move || {
        for n in 0..MESSAGES {
            for key in 0..KEYS {
                broker.publish(&Reading { key, n });
            }
            if pauses.below(8) == 0 {
                // Often longer than a device may be silent.
                std::thread::sleep(Duration::from_micros(pauses.below(9_000)));
            }
        }
    });
    let mut deaths = 0;
    while !live(&world, &mut draw, deaths < 12, || publisher.is_finished()) {
        deaths += 1;
    }
    publisher.join().unwrap();
    (deaths, check(&world, seed))
}

fn check(world: &World, seed: u64) -> usize {
    let by_epoch = world.by_epoch.kept.lock().unwrap();
    let mut said: Vec<Said> =
        by_epoch.epochs.values().flatten().map(|body| serde_json::from_slice(body).unwrap()).collect();
    let rows = said.len();
    said.sort();
    said.dedup();
    assert_eq!(said.len(), rows, "seed {seed}: something is said twice");
    let heard: Vec<Said> = (0..KEYS).flat_map(|key| (0..MESSAGES).map(move |n| Said::Heard(key, n))).collect();
    let (silent, rest): (Vec<Said>, Vec<Said>) = said.into_iter().partition(|said| matches!(said, Said::Silent(..)));
    assert!(rest == heard, "seed {seed}: {:?}", rest.iter().find(|said| !heard.contains(said)));
    let ids: BTreeMap<String, Vec<u8>> = heard
        .iter()
        .chain(&silent)
        .map(|said| Named.encode(said).unwrap())
        .map(|row| (row.id.unwrap(), row.body))
        .collect();
    let by_key = world.by_key.kept.lock().unwrap();
    let odd = by_key.ids.iter().find(|(id, body)| ids.get(*id) != Some(*body));
    assert!(odd.is_none(), "seed {seed}: {odd:?} was seen by its key, and no epoch has it");
    let lost = ids.keys().find(|id| !by_key.ids.contains_key(*id));
    assert!(lost.is_none(), "seed {seed}: {lost:?} is missing by its key");
    silent.len()
}

#[test]
fn unreplayed() {
    if let Some(seed) = super::number("WATCHFIRE_SEED") {
        outlives(seed);
        return;
    }
    let (crashes, mut suffered, mut silences) = (super::number("CRASHES").unwrap_or(super::CRASHES), 0, 0);
    for seed in super::seeds() {
        let (deaths, silent) = outlives(seed);
        (suffered, silences) = (suffered + deaths, silences + silent);
        if suffered >= crashes {
            break;
        }
    }
    assert!(silences > 0, "nobody was silent, which proves nothing");
    println!("unreplayed: {suffered} crashes");
}
