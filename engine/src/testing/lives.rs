//! A job that dies again and again, and what is seen outside in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::sink::FaultySink;
use super::world::{Chances, World};
use crate::checkpoint::Checkpointing;
use crate::decode::EncodedRow;
use crate::durable::{Chain, Checkpoints, Entry, Known, log};
use crate::io::{IoRuntime, ThreadIo};
use crate::job::Job;
use crate::sink::CommitMode;
use crate::{Error, source::Fut, turns};

/// Longer than any life.
const SOON: Duration = Duration::from_secs(120);

/// Lets a flow die at every step of what it writes, come back with another number of workers, and die again, and compares what its
/// sinks show in the end with a run to which nothing happened.
///
/// Each seed is a world of its own: its store, sources and sinks fail now and then, the store crashes or the process is killed or
/// a sink fails for good, power goes and takes what was not durable, and where epochs are always logged the newest checkpoint is
/// damaged. In lock-step the seed also draws which thread goes on next and how fast time passes, so a seed that fails, fails
/// again; without it the seed draws the same faults, as far as threads come to them in the same order.
///
/// Ticks should come from the rows ([`TickSource::FromEvents`](crate::TickSource)): by another clock what is shown depends on when
/// a row comes, and a job that has died is late. For those there is [`judge`](Lives::judge).
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::decode::{Decoder, EncodedRow, Encoder};
/// use watchfire_engine::source::{RawRow, Replay};
/// use watchfire_engine::{Error, Job, TickSource, Timed, sink::CommitMode, testing::Lives};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Reading(u8);
/// impl Timed for Reading {
///     fn event_time_ms(&self) -> i64 { i64::from(self.0) }
/// }
/// struct Byte;
/// impl Decoder<Reading> for Byte {
///     fn decode(&self, raw: &RawRow, out: &mut Vec<Reading>) -> Result<(), Error> { Ok(out.push(Reading(raw.body[0]))) }
/// }
/// impl Encoder<Reading> for Byte {
///     fn encode(&self, row: &Reading) -> Result<EncodedRow, Error> {
///         Ok(EncodedRow { body: vec![row.0], ..EncodedRow::default() })
///     }
/// }
/// let lives = Lives { deaths_max: 3, ..Lives::default() };
/// let deaths = lives.check("a_doctest", 0..3, |world| {
///     let readings = world.source("readings", Replay::Exact, [("a", (0..200u8).map(|n| vec![n]).collect())]);
///     let high = world.sink("high", CommitMode::TwoPhase);
///     let job = Job::new(move |flow| {
///         let rows = flow.source("readings", readings.clone(), Byte).rows;
///         rows.filter(|reading: &Reading| reading.0 > 99).to_sink("high", high.clone(), Byte);
///     });
///     job.ticks(TickSource::FROM_EVENTS)
/// });
/// assert!(deaths <= 9);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lives {
    /// So often a job may die before it is left alone. Default 8.
    pub deaths_max: u32,
    /// A life has from one to so many workers. Default 4.
    pub workers_max: usize,
    /// Whether [epochs are logged](Checkpointing::log_epochs); nothing leaves that to each life, which is only good for sources that
    /// replay and sinks that commit in two phases. Default always.
    pub log_epochs: Option<bool>,
    /// Whether sources lose their connection now and then. Silence does not count while a source is away, so a flow that measures
    /// silence shows something else then. Default yes.
    pub outages: bool,
    /// Whether the threads of the job take turns, as the seed draws them, by a clock that their turns move: each run of a seed is
    /// the same, and the order of what threads do is stranger than on a machine with time. Rows and code of the flow must not wait
    /// for anything outside of it. Else threads run as they like, on all cores. Default yes.
    pub lock_step: bool,
}

impl Default for Lives {
    fn default() -> Self {
        Lives { deaths_max: 8, workers_max: 4, log_epochs: Some(true), outages: true, lock_step: true }
    }
}

impl Lives {
    /// Checks a flow in the world of each seed, or, where the environment variable `WATCHFIRE_SEED` holds one, in that alone.
    /// `build` is called for every life; what it takes from its world is the same in all of them. How often the job died.
    ///
    /// # Panics
    /// If sinks show something else than without a death, or something that no real sink would forgive, with the seed and the
    /// command that repeats it: `cargo test NAME` with the `name` given here.
    #[track_caller]
    pub fn check(&self, name: &str, seeds: impl IntoIterator<Item = u64>, build: impl Fn(&World) -> Job) -> u64 {
        let table = self.lock_step.then(|| turns::sit_down(0));
        let calm = self.calm(&World::calm(), &build);
        drop(table);
        let failed = |error| format!("the flow fails even if nothing happens: {error}");
        let done = calm.map_err(failed).and_then(|expected| {
            self.all(name, seeds, &build, &|world| difference(world, &expected).map_or(Ok(()), Err))
        });
        assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
        done.unwrap_or_default()
    }

    /// As [`check`](Lives::check), for a flow of which no run without a death can say what its sinks should show, because it depends on
    /// when rows come: `judge` says what is wrong with what they show in the end, if anything.
    ///
    /// # Panics
    /// As [`check`](Lives::check).
    ///
    /// # Examples
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// use std::time::Duration;
    /// # use watchfire_engine::decode::{Decoder, EncodedRow, Encoder};
    /// # use watchfire_engine::source::{RawRow, Replay};
    /// # use watchfire_engine::{Error, Job, TickSource, Timed, sink::CommitMode, testing::Lives};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Reading(u8);
    /// # impl Timed for Reading {
    /// #     fn event_time_ms(&self) -> i64 { i64::from(self.0) }
    /// # }
    /// # struct Byte;
    /// # impl Decoder<Reading> for Byte {
    /// #     fn decode(&self, raw: &RawRow, out: &mut Vec<Reading>) -> Result<(), Error> { Ok(out.push(Reading(raw.body[0]))) }
    /// # }
    /// # impl Encoder<Reading> for Byte {
    /// #     fn encode(&self, row: &Reading) -> Result<EncodedRow, Error> {
    /// #         Ok(EncodedRow { body: vec![row.0], ..EncodedRow::default() })
    /// #     }
    /// # }
    /// let build = |world: &watchfire_engine::testing::World| {
    ///     let readings = world.source("readings", Replay::Exact, [("a", (0..200u8).map(|n| vec![n]).collect())]);
    ///     let (readings, all) = (readings.paused(20, Duration::from_millis(5)), world.sink("all", CommitMode::TwoPhase));
    ///     let job = Job::new(move |flow| flow.source("readings", readings.clone(), Byte).rows.to_sink("all", all.clone(), Byte));
    ///     job.ticks(TickSource::Wall { interval_ms: 10 })
    /// };
    /// Lives { deaths_max: 3, ..Lives::default() }.judge("a_doctest", 0..3, build, |world| {
    ///     let rows = world.sink("all", CommitMode::TwoPhase).visible().len();
    ///     if rows == 200 { Ok(()) } else { Err(format!("{rows} rows")) }
    /// });
    /// ```
    #[track_caller]
    pub fn judge(
        &self,
        name: &str,
        seeds: impl IntoIterator<Item = u64>,
        build: impl Fn(&World) -> Job,
        judge: impl Fn(&World) -> Result<(), String>,
    ) -> u64 {
        let done = self.all(name, seeds, &build, &judge);
        assert!(done.is_ok(), "{}", done.err().unwrap_or_default());
        done.unwrap_or_default()
    }

    fn all(
        &self,
        name: &str,
        seeds: impl IntoIterator<Item = u64>,
        build: &impl Fn(&World) -> Job,
        judge: &dyn Fn(&World) -> Result<(), String>,
    ) -> Result<u64, String> {
        let wished = std::env::var("WATCHFIRE_SEED").ok().and_then(|seed| seed.parse().ok());
        let mut deaths = 0;
        for seed in seeds {
            let seed = wished.unwrap_or(seed);
            let again = |what: String| format!("{what}\nagain by: WATCHFIRE_SEED={seed} cargo test {name}");
            let _table = self.lock_step.then(|| turns::sit_down(seed));
            let world = World::faulty(seed, self.outages);
            deaths += self.outlives(&world, seed, build).map_err(again)?;
            unforgiven(&world).and_then(|()| judge(&world)).map_err(again)?;
            if wished.is_some() {
                break;
            }
        }
        Ok(deaths)
    }

    fn damages(&self) -> bool {
        self.log_epochs == Some(true)
    }

    fn calm(&self, world: &World, build: &impl Fn(&World) -> Job) -> Result<BTreeMap<String, Shown>, String> {
        run(&build(world).io(Quick), world, &Death::None)?;
        Ok(world.sinks().into_iter().map(|(name, sink)| (name, Shown::by(&sink))).collect())
    }

    /// One job from its beginning to its end.
    fn outlives(&self, world: &World, seed: u64, build: &impl Fn(&World) -> Job) -> Result<u64, String> {
        let draw = Chances::new(!seed, 0);
        let every_ms = draw.below(3);
        let mut damaged = (BTreeSet::new(), 0);
        let mut deaths = 0;
        loop {
            let dies = deaths < u64::from(self.deaths_max);
            if self.live(world, &draw, every_ms, dies, build)? {
                break;
            }
            deaths += 1;
            if draw.below(2) == 0 {
                world.store.power_cut();
            }
            world.store.restart();
            if self.damages() && draw.below(8) == 0 {
                damage(world, &draw, &mut damaged);
            }
        }
        world.store.restart();
        let checkpoints = Checkpoints::new(Arc::new(world.store.clone()));
        let found = (0..99_999).find_map(|_| checkpoints.verify().ok()).unwrap_or_default();
        match found.iter().find(|damage| !damage.error.place().is_some_and(|place| damaged.0.contains(place))) {
            Some(damage) => Err(format!("the store is not whole: {}", damage.error)),
            None => Ok(deaths),
        }
    }

    /// One life: whether it came to the end of the job.
    fn live(
        &self,
        world: &World,
        draw: &Chances,
        every_ms: u64,
        dies: bool,
        build: &impl Fn(&World) -> Job,
    ) -> Result<bool, String> {
        let config = Checkpointing {
            every_ms,
            // Where the newest is damaged there must be another.
            keep: 1 + usize::from(self.damages()) + draw.below(2) as usize,
            // Short chains, so that they are put together often.
            chain: Chain { deltas_min_bytes: 2_000, files_max: 6, slice_bytes: 10_000 },
            log_epochs: self.log_epochs.unwrap_or_else(|| draw.below(2) == 0),
            ..Checkpointing::named("lives")
        };
        let sinks: Vec<FaultySink> = world.sinks().into_values().collect();
        sinks.iter().for_each(|sink| sink.doom(None));
        let death = Death::draw(world, draw, &sinks, dies);
        let job = build(world).io(Quick).workers(1 + draw.below(self.workers_max as u64) as usize);
        let job = job.epoch_rows_max(1 + draw.below(300) as usize);
        run(&job.checkpoint_to(Arc::new(world.store.clone()), config), world, &death)
    }
}

/// How a job is to die.
enum Death {
    /// The store crashes, and the process with it.
    Store,
    /// The process is killed after so long.
    Kill(Duration),
    /// A sink fails for good.
    Sink,
    /// The host stops the job after so long, as for a new release.
    Stop(Duration),
    /// Not at all.
    None,
}

impl Death {
    fn draw(world: &World, draw: &Chances, sinks: &[FaultySink], dies: bool) -> Self {
        match draw.below(10) {
            _ if !dies => Death::None,
            0 | 1 => Death::Kill(Duration::from_micros(draw.below(60_000))),
            2 if !sinks.is_empty() => {
                sinks[draw.below(sinks.len() as u64) as usize].doom(Some(1 + draw.below(40)));
                Death::Sink
            }
            3 => Death::Stop(Duration::from_micros(draw.below(60_000))),
            _ => {
                world.store.crash_after(draw.below(90));
                Death::Store
            }
        }
    }
}

fn run(job: &Job, world: &World, death: &Death) -> Result<bool, String> {
    let until = turns::now() + SOON;
    world.begin();
    let mut running = loop {
        match job.start() {
            Ok(running) => break running,
            Err(_) if world.store.is_down() => return Ok(false),
            // A store that does not answer for once.
            Err(error) if matches!(error.code(), "E0510" | "E0511") && turns::now() < until => {}
            Err(error) => return Err(error.to_string()),
        }
    };
    let began = turns::now();
    let mut drained = false;
    loop {
        let wait = if turns::pass() { Duration::ZERO } else { Duration::from_micros(200) };
        match running.wait_timeout(wait) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) => {}
            Err(error) => return is_meant(&error, world, death),
        }
        let lived = turns::now().duration_since(began);
        let killed = matches!(death, Death::Kill(after) if lived > *after);
        if matches!(death, Death::Stop(after) if lived > *after) {
            return running.stop(SOON).map(|_| false).map_err(|error| error.to_string());
        }
        if killed || world.store.is_down() {
            running.abort();
        } else if !drained && world.is_over() {
            drained = true;
            // It is waited for like one that ends by itself.
            let _ = running.drain(Duration::ZERO);
        }
        if turns::now() > until {
            return Err(format!("the job stands still: {:?}", running.metrics()));
        }
    }
}

/// Whether the job was to die so.
fn is_meant(error: &Error, world: &World, death: &Death) -> Result<bool, String> {
    let meant = match death {
        Death::Store | Death::Kill(_) => error.code() == "E0906" || world.store.is_down(),
        Death::Sink => error.code() == "E0599",
        Death::Stop(_) | Death::None => false,
    };
    if meant { Ok(false) } else { Err(error.to_string()) }
}

/// Damages the newest checkpoint, if there is an older one to go back to. `damaged`: what was damaged, and the last record.
fn damage(world: &World, draw: &Chances, damaged: &mut (BTreeSet<String>, u64)) {
    let Some(log) = (0..99_999).find_map(|_| log::read(&world.store).ok()) else { return };
    let whole = log.iter().filter_map(Known::record).filter_map(|record| match &record.entry {
        Entry::Checkpoint(manifest) => Some((record.number, manifest.ingest.as_ref()?.name.clone())),
        _ => None,
    });
    let whole: Vec<(u64, String)> = whole.filter(|(_, ingest)| !damaged.0.contains(ingest)).collect();
    // Never two in a row without a whole one between: sources have forgotten what those before the first need.
    if let (Some((record, ingest)), true) = (whole.last().filter(|last| last.0 > damaged.1), whole.len() > 1) {
        let name = if draw.below(2) == 0 { format!("log/{record:020}") } else { ingest.clone() };
        if draw.below(2) == 0 {
            world.store.flip(&name)
        } else {
            world.store.truncate(&name, 40)
        };
        damaged.0.insert(name);
        damaged.1 = *record;
    }
}

/// What a sink shows: its rows, and how often each is there, where that counts.
#[derive(Debug, PartialEq, Eq)]
struct Shown(BTreeMap<String, u64>);

impl Shown {
    fn by(sink: &FaultySink) -> Self {
        let mut all = BTreeMap::new();
        for EncodedRow { id, retract, body } in sink.visible() {
            let (id, taken) = (id.map_or(String::new(), |id| format!("{id} ")), if retract { "- " } else { "" });
            let times = all.entry(format!("{id}{taken}{}", String::from_utf8_lossy(&body))).or_insert(0);
            *times = if sink.mode() == CommitMode::AtLeastOnce { 1 } else { *times + 1 };
        }
        Shown(all)
    }
}

/// What no real sink would forgive.
fn unforgiven(world: &World) -> Result<(), String> {
    let wrong = world.sinks().into_iter().find_map(|(name, sink)| Some((name, sink.wrong().into_iter().next()?)));
    wrong.map_or(Ok(()), |(name, wrong)| Err(format!("sink \"{name}\": {wrong}")))
}

/// What the sinks of a world show otherwise than they should.
fn difference(world: &World, expected: &BTreeMap<String, Shown>) -> Option<String> {
    for (name, sink) in world.sinks() {
        let (shown, expected) = (Shown::by(&sink).0, &expected.get(&name)?.0);
        let odd = shown.keys().chain(expected.keys()).find(|row| shown.get(*row) != expected.get(*row));
        if let Some(row) = odd {
            let [is, should] = [&shown, expected].map(|all| all.get(row).copied().unwrap_or(0));
            return Some(format!("sink \"{name}\" shows {is} times, not {should}: {row}"));
        }
    }
    None
}

/// Sleeps a thousand times shorter, so that no test waits for an outside that comes back.
struct Quick;

impl IoRuntime for Quick {
    fn spawn(&self, name: &str, task: Fut<'static, ()>) -> Result<(), Error> {
        ThreadIo.spawn(name, task)
    }

    fn sleep(&self, wait: Duration) -> Fut<'static, ()> {
        ThreadIo.sleep(wait / 1_000)
    }
}
