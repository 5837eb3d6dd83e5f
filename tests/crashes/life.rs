//! The life of a job: it runs until it ends, or until something outside kills it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use watchfire::connect::memory::{Step, TwoPhaseSink};
use watchfire::durable::{Chain, Checkpoints, Damage, Entry, Known, log};
use watchfire::source::Failure;
use watchfire::testing::{Faults, FaultyStore};
use watchfire::{Checkpointing, Error, Job, Running, Sender};

use crate::flows::Flow;

/// Longer than any life.
const SOON: Duration = Duration::from_secs(60);

/// Numbers from a seed (splitmix64).
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// What a job leaves behind when it dies.
pub(crate) struct Outside {
    store: FaultyStore,
    sinks: Vec<TwoPhaseSink>,
    every_ms: u64,
    /// In how many lives of four epochs are logged.
    logs: u64,
    /// What was damaged.
    damaged: RefCell<BTreeSet<String>>,
}

impl Outside {
    pub(crate) fn new<F: Flow>(draw: &mut Draw) -> Self {
        let faults = Faults {
            seed: draw.below(u64::MAX),
            before_per_mille: draw.below(2) as u16 * 10,
            after_per_mille: draw.below(2) as u16 * 10,
            full_per_mille: draw.below(2) as u16 * 10,
            // A store promises that it tears nothing.
            torn: false,
        };
        let sinks = (0..F::SINKS).map(|_| TwoPhaseSink::new()).collect();
        let logs = [0, 2, 4, 4][draw.below(4) as usize];
        Outside { store: FaultyStore::new(faults), sinks, every_ms: draw.below(3), logs, damaged: RefCell::default() }
    }

    pub(crate) fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(Arc::new(self.store.clone()))
    }

    /// What is damaged, but for what was damaged on purpose.
    pub(crate) fn damages(&self) -> Vec<Damage> {
        // The store has its faults until the end, and this makes a call for every object.
        let mut found = (0..99_999).find_map(|_| self.checkpoints().verify().ok()).unwrap();
        let meant = self.damaged.borrow();
        found.retain(|damage| !damage.error.place().is_some_and(|place| meant.contains(place)));
        found
    }

    /// Damages the newest checkpoint, if there is an older one to go back to.
    fn damage(&self, draw: &mut Draw) {
        let log = (0..99_999).find_map(|_| log::read(&self.store).ok()).unwrap();
        let whole = log.iter().filter_map(Known::record).filter_map(|record| match &record.entry {
            Entry::Checkpoint(manifest) => Some((record.number, manifest.ingest.as_ref()?.name.clone())),
            _ => None,
        });
        let whole: Vec<_> = whole.filter(|(_, ingest)| !self.damaged.borrow().contains(ingest)).collect();
        let (Some((record, ingest)), true) = (whole.last(), whole.len() > 1) else { return };
        let name = if draw.below(2) == 0 { format!("log/{record:020}") } else { ingest.clone() };
        let done = if draw.below(2) == 0 { self.store.flip(&name) } else { self.store.truncate(&name, 40) };
        assert!(done, "{name}");
        self.damaged.borrow_mut().insert(name);
    }

    /// By sink.
    pub(crate) fn visible(&self) -> Vec<Vec<String>> {
        let text = |sink: &TwoPhaseSink| {
            sink.visible().into_iter().map(|row| String::from_utf8(row.body).unwrap()).collect::<Vec<_>>()
        };
        self.sinks.iter().map(text).collect()
    }
}

/// What a run without checkpoints shows.
pub(crate) fn calm<F: Flow>(flow: &F) -> Vec<Vec<String>> {
    let outside = Outside::new::<F>(&mut Draw(0));
    let mut running = flow.job(&outside.sinks).start().unwrap();
    for feed in feed(flow, &mut running, 64) {
        feed.join().unwrap();
    }
    running.drain(SOON).unwrap();
    outside.visible()
}

type Feed = std::thread::JoinHandle<()>;

/// A thread for each split, which sends what the job has not.
fn feed<F: Flow>(flow: &F, running: &mut Running, batch: usize) -> Vec<Feed> {
    let first: Sender<F::Row> = running.sender("in").unwrap();
    let others: Vec<_> = flow.splits().iter().skip(1).map(|_| first.another_split()).collect();
    let senders = std::iter::once(first).chain(others);
    let feeds = senders.zip(flow.splits()).map(|(sender, rows)| {
        let rest = rows[sender.resumes_at() as usize..].to_vec();
        std::thread::spawn(move || _ = rest.chunks(batch).all(|rows| sender.send(rows.to_vec()).is_ok()))
    });
    feeds.collect()
}

/// How a job is to die.
enum Death {
    /// The store crashes, and the process with it.
    Store,
    /// The process is killed after so long.
    Kill(Instant),
    /// A sink fails for good.
    Sink,
    /// Not at all.
    None,
}

/// Runs a job until its end. False if it died before.
pub(crate) fn live<F: Flow>(flow: &F, outside: &Outside, draw: &mut Draw, dies: bool) -> bool {
    let death = match draw.below(10) {
        _ if !dies => Death::None,
        0 | 1 => Death::Kill(Instant::now() + Duration::from_micros(draw.below(60_000))),
        2 => {
            doom(&outside.sinks[draw.below(F::SINKS as u64) as usize], draw);
            Death::Sink
        }
        _ => {
            outside.store.crash_after(draw.below(60));
            Death::Store
        }
    };
    let config = Checkpointing {
        every_ms: outside.every_ms,
        keep: 1 + draw.below(3) as usize,
        log_epochs: draw.below(4) < outside.logs,
        // Short chains, so that they are put together often.
        chain: Chain { deltas_min_bytes: 2_000, files_max: 6, slice_bytes: 10_000 },
        ..Checkpointing::named("crashes")
    };
    let job = flow.job(&outside.sinks).workers(1 + draw.below(4) as usize).epoch_rows_max(1 + draw.below(300) as usize);
    let job = job.checkpoint_to(Arc::new(outside.store.clone()), config);
    let ended = run(flow, &job, outside, &death, 1 + draw.below(200) as usize);
    if !ended && draw.below(2) == 0 {
        outside.store.power_cut();
    }
    outside.store.restart();
    if !ended && outside.logs == 4 && draw.below(8) == 0 {
        outside.damage(draw);
    }
    ended
}

/// Lets one call of a sink fail, done or not.
fn doom(sink: &TwoPhaseSink, draw: &mut Draw) {
    let steps = [Step::Open, Step::Write, Step::Prepare, Step::Commit, Step::AbortOlder];
    let step = steps[draw.below(steps.len() as u64) as usize];
    let failure = Failure::Fatal(Error::new("E0399", "this is the end"));
    if draw.below(2) == 0 { sink.fail_before(step, failure) } else { sink.fail_after(step, failure) }
}

fn run<F: Flow>(flow: &F, job: &Job, outside: &Outside, death: &Death, batch: usize) -> bool {
    let until = Instant::now() + SOON;
    let mut running = loop {
        match job.start() {
            Ok(running) => break running,
            Err(_) if outside.store.is_down() => return false,
            // A store that does not answer for once.
            Err(error) => assert!(matches!(error.code(), "E0510" | "E0511") && Instant::now() < until, "{error}"),
        }
    };
    let feeds = feed(flow, &mut running, batch);
    let ended = loop {
        let killed = matches!(death, Death::Kill(at) if *at < Instant::now());
        if killed || outside.store.is_down() {
            running.abort();
        }
        if running.failed() {
            let error = running.drain(SOON).unwrap_err();
            let meant = match death {
                Death::Store | Death::Kill(_) => error.code() == "E0906",
                Death::Sink => error.code() == "E0399",
                Death::None => false,
            };
            assert!(meant, "{error}");
            break false;
        }
        if !feeds.iter().all(Feed::is_finished) {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        match running.drain(Duration::from_millis(2)) {
            Ok(_) => break true,
            Err(error) => assert!(running.failed() || error.code() == "E0904" && Instant::now() < until, "{error}"),
        }
    };
    feeds.into_iter().for_each(|feed| feed.join().unwrap());
    ended
}
