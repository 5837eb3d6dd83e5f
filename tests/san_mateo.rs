//! A fire dispatch board of fourteen months, as a changing table: what views say of it is what a computation from scratch says.
//!
//! `WATCHFIRE_SAN_MATEO` names the file, by default `../shared/data/san_mateo_cad/changes_2022-04_to_2023-06.jsonl.gz`; without it the test skips,
//! and says so. In release and with `--nocapture` it tells how long it took and how much memory.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use peak_alloc::PeakAlloc;
use serde::{Deserialize, Serialize};
use watchfire::{Change, ChannelOut, Flow, Job, Key, Table, TickSource, Timed};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const FILE: &str = "../shared/data/san_mateo_cad/changes_2022-04_to_2023-06.jsonl.gz";

/// A clock that stands still, ahead of every row.
const STANDING: TickSource = TickSource::Scaled { interval_ms: 1_000, start_ms: 4_000_000_000_000, speed: 1e-9 };

/// Changes between two comparisons.
const EVERY: usize = 1_000;

/// What the board shows of an incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Incident {
    category: String,
    units: BTreeSet<String>,
}

/// An incident is shown, shown otherwise, or taken off.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shown {
    at_ms: i64,
    id: String,
    incident: Option<Incident>,
}

impl Timed for Shown {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// A line of the file.
#[derive(Deserialize)]
struct Line(i64, String, Raw);

#[derive(Deserialize)]
struct Raw {
    id: String,
    category: String,
    units: String,
}

/// The file, if it is there.
fn changes() -> Option<Vec<Shown>> {
    let path = std::env::var("WATCHFIRE_SAN_MATEO").unwrap_or_else(|_| FILE.to_owned());
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: no file {path} (set WATCHFIRE_SAN_MATEO)");
        return None;
    };
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    let shown = |line: String| {
        let Line(at_s, change, Raw { id, category, units }) = serde_json::from_str(&line).unwrap();
        let units = units.split_whitespace().map(str::to_owned).collect();
        Shown { at_ms: at_s * 1_000, id, incident: (change != "-").then_some(Incident { category, units }) }
    };
    Some(lines.map(|line| shown(line.unwrap())).collect())
}

/// A row of a view: its name, its key, a number.
type Told = ((String, String), i64);

/// A view among others.
fn named<'f, K: Key>(
    name: &'static str,
    table: Table<'f, K, i64>,
    key: impl Fn(&K) -> String + 'static,
) -> Table<'f, (String, String), i64> {
    table.rekey(move |of, _| (name.to_owned(), key(of)))
}

fn board(flow: &Flow<'_>) {
    let shown = flow.channel::<Shown>("board").key_by(|shown| shown.id.clone());
    let incidents = shown.latest("incidents", |shown| shown.incident.clone()).out;
    let categories = incidents.clone().rekey(|_, incident| incident.category.clone()).count();
    let units = incidents.clone().map(|_, incident| incident.units.len() as i64);
    let busy =
        incidents.flat_map(|id, incident| incident.units.into_iter().map(move |unit| (unit, id.clone()))).count();
    let ranked = categories.clone().flat_map(|category, live| [((), (live, category))]);
    let top = ranked.top_k(10, |(), (live, _)| *live).flat_map(|(), (live, category)| [(category, live as i64)]);
    let all = named("categories", categories.map(|_, live| live as i64), String::clone)
        .union(named("units", units, String::clone))
        .union(named("busy", busy.map(|_, incidents| incidents as i64), String::clone))
        .union(named("top", top, String::clone));
    all.changes().to_channel_with("views", ChannelOut { by_epoch: true, ..ChannelOut::default() });
}

/// What the views say of the incidents that are shown, from scratch.
fn from_scratch(live: &BTreeMap<&str, &Incident>) -> BTreeMap<(String, String), i64> {
    let mut all = BTreeMap::new();
    let (mut categories, mut busy): (BTreeMap<&str, i64>, BTreeMap<&str, i64>) = Default::default();
    for (id, incident) in live {
        *categories.entry(&incident.category).or_default() += 1;
        incident.units.iter().for_each(|unit| *busy.entry(unit).or_default() += 1);
        all.insert(("units".to_owned(), (*id).to_owned()), incident.units.len() as i64);
    }
    let mut top: Vec<(&str, i64)> = categories.iter().map(|(category, live)| (*category, *live)).collect();
    top.sort_by_key(|(category, live)| (-live, *category));
    top.truncate(10);
    let views = [("categories", categories.into_iter().collect()), ("busy", busy.into_iter().collect()), ("top", top)];
    for (name, rows) in views {
        all.extend(rows.into_iter().map(|(key, number)| ((name.to_owned(), key.to_owned()), number)));
    }
    all
}

/// Sends batches, each of which becomes an epoch, and gives what each epoch changed to `take`. The time from the first send to the last row.
fn run(batches: Vec<Vec<Shown>>, mut take: impl FnMut(Vec<Change<Told>>) + Send) -> Duration {
    let of_epoch = batches.first().map_or(1, Vec::len);
    let mut running = Job::new(board).ticks(STANDING).epoch_rows_max(of_epoch).start().unwrap();
    let (sender, views) = (running.sender("board").unwrap(), running.receiver::<Change<Told>>("views").unwrap());
    std::thread::scope(|threads| {
        let began = Instant::now();
        threads.spawn(move || batches.into_iter().for_each(|batch| sender.send(batch).unwrap()));
        while let Some(output) = views.recv() {
            take(output.rows);
        }
        running.wait().unwrap();
        began.elapsed()
    })
}

#[test]
fn a_dispatch_board_is_what_a_computation_from_scratch_says() {
    let Some(changes) = changes() else { return };
    // An epoch of a tick alone says nothing.
    let mut told = Vec::new();
    run(changes.chunks(EVERY).map(<[Shown]>::to_vec).collect(), |rows| told.push(rows));
    assert_eq!(told.len(), changes.len().div_ceil(EVERY));
    let mut views: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut live: BTreeMap<&str, &Incident> = BTreeMap::new();
    for (n, (batch, told)) in changes.chunks(EVERY).zip(told).enumerate() {
        for shown in batch {
            match &shown.incident {
                Some(incident) => live.insert(&shown.id, incident),
                None => live.remove(shown.id.as_str()),
            };
        }
        // Retractions come first, so what a key has is what was inserted last.
        for change in told {
            match change {
                Change::Insert((key, number)) => assert_eq!(views.insert(key, number), None),
                Change::Retract((key, number)) => assert_eq!(views.remove(&key), Some(number)),
            }
        }
        let anew = from_scratch(&live);
        let odd = views.iter().chain(&anew).find(|(key, _)| views.get(*key) != anew.get(*key));
        assert!(odd.is_none(), "after {} changes {odd:?}", (n + 1) * EVERY);
    }
    measured(&changes);
}

/// Each change in an epoch of its own, as the board would send it.
fn measured(changes: &[Shown]) {
    let changes = if cfg!(debug_assertions) { &changes[..10_000.min(changes.len())] } else { changes };
    let batches: Vec<Vec<Shown>> = changes.iter().map(|shown| vec![shown.clone()]).collect();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let mut rows_out = 0;
    let took = run(batches, |rows| rows_out += rows.len());
    let peak_kib = ALLOCATOR.peak_usage().saturating_sub(before) >> 10;
    let (took_s, each_us) = (took.as_secs_f64(), took.as_secs_f64() * 1e6 / changes.len() as f64);
    println!(
        "changes={} rows_out={rows_out} took_s={took_s:.2} each_us={each_us:.1} peak_kib={peak_kib}",
        changes.len()
    );
}
