//! Tables: views that agree with each other and with a computation from scratch, at every epoch, and after every crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::detectors::{Sums, Tally};
use support::source::{Lines, written};
use support::{BY_ROWS, Row, SOON, STANDING, in_time, row};
use watchfire_engine::decode::{EncodedRow, Encoder};
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{Lives, World};
use watchfire_engine::{Change, ChannelOut, Error, Flow, Job, Key, Stream, Table, Timed};

/// Rows below this key say what a key is worth, the others how much it weighs. Less than nothing takes it away.
const WEIGHTS: u32 = 100;

/// Rounds of a loop.
const ROUNDS: u64 = 3;

/// Rows that set, change and take away values and weights of a few keys.
fn input(rows: i64) -> Vec<Row> {
    let mut draw = 7_u64;
    let mut next = |n: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % n
    };
    let mut one = |n: i64| {
        let key = next(12) as u32 + if next(3) == 0 { WEIGHTS } else { 0 };
        row(n * 10, key, next(9) as i64 - 2)
    };
    (0..rows).map(&mut one).collect()
}

/// A view of the test: its name, key and value.
type Line = (&'static str, i64, i64);

/// What views say of a state of the two tables, from scratch.
fn views(state: &BTreeMap<u32, i64>) -> BTreeSet<Line> {
    let values = || state.iter().filter(|(key, _)| **key < WEIGHTS);
    let (mut counts, mut sums): (BTreeMap<i64, i64>, BTreeMap<i64, i64>) = Default::default();
    values().for_each(|(_, value)| *counts.entry(value % 3).or_default() += 1);
    values().for_each(|(_, value)| *sums.entry(value % 3).or_default() += value);
    let worth = values().filter_map(|(key, value)| Some((i64::from(*key), value * state.get(&(key + WEIGHTS))?)));
    let worth: Vec<(i64, i64)> = worth.collect();
    // A key without a weight counts for minus its value.
    let maybe = values().map(|(key, value)| {
        ("maybe", i64::from(*key), state.get(&(key + WEIGHTS)).map_or(-value, |weight| value * weight))
    });
    let has_weight = |key: &u32| state.contains_key(&(key + WEIGHTS));
    let split = values().map(|(key, value)| (if has_weight(key) { "heavy" } else { "light" }, i64::from(*key), *value));
    let total = (!worth.is_empty()).then(|| ("total", 0, worth.iter().map(|(_, worth)| worth).sum()));
    let kinds = values().map(|(_, value)| ("kinds", 0, *value));
    let top = ranked(values().map(|(key, value)| (value % 3, *value, i64::from(*key))).collect());
    let again: Vec<Line> = counts.iter().map(|(kind, count)| ("again", *kind, *count)).collect();
    let lines = counts.into_iter().map(|(kind, count)| ("counts", kind, count)).chain(again);
    let lines = lines.chain(sums.into_iter().map(|(kind, sum)| ("sums", kind, sum)));
    let worth = worth.into_iter().map(|(key, worth)| ("worth", key, worth));
    lines.chain(maybe).chain(split).chain(worth).chain(total).chain(kinds).chain(top).chain(reached(state)).collect()
}

/// Of rows (kind, value, key): the least and the greatest value of each kind, and the three keys with the greatest.
fn ranked(mut rows: Vec<(i64, i64, i64)>) -> Vec<Line> {
    rows.sort_by_key(|(kind, value, key)| (*kind, -value, *key));
    let of_kind = |kind: &[(i64, i64, i64)]| {
        let (of, most, _) = kind[0];
        let least = kind.iter().map(|(_, value, _)| *value).min().unwrap();
        let top = kind.iter().take(3).map(|(of, _, key)| ("top", *of, *key));
        top.chain([("most", of, most), ("least", of, least)]).collect::<Vec<Line>>()
    };
    rows.chunk_by(|a, b| a.0 == b.0).flat_map(of_kind).collect()
}

/// Keys that can be reached by going from each key to the one that its value names; and where that has not ended after the last round.
fn reached(state: &BTreeMap<u32, i64>) -> Vec<Line> {
    let next = |of: i64| state.get(&u32::try_from(of).ok()?).copied().filter(|_| of < i64::from(WEIGHTS));
    let mut all: BTreeSet<(i64, i64)> =
        state.keys().filter_map(|key| Some((i64::from(*key), next(i64::from(*key))?))).collect();
    let mut further: BTreeMap<i64, i64> = BTreeMap::new();
    for _ in 0..ROUNDS {
        further.clear();
        for (of, to) in all.clone() {
            if let Some(to) = next(to).filter(|to| !all.contains(&(of, *to))) {
                all.insert((of, to));
                *further.entry(of).or_default() += 1;
            }
        }
    }
    let reached = all.into_iter().map(|(of, to)| ("reached", of, to));
    reached.chain(further.into_iter().map(|(of, rows)| ("further", of, rows))).collect()
}

fn apply(state: &mut BTreeMap<u32, i64>, row: &Row) {
    if row.value < 0 {
        state.remove(&row.key);
    } else {
        state.insert(row.key, row.value);
    }
}

/// A view among others.
fn lines<'f, K: Key + Into<i64>>(name: &'static str, table: Table<'f, K, i64>) -> Table<'f, (String, i64), i64> {
    table.rekey(move |key, _| (name.to_owned(), key.clone().into()))
}

/// The same views as tables.
fn tables<'f>(rows: Stream<'f, Row>) -> Stream<'f, Change<(String, i64, i64)>> {
    let held = |row: &Row| (row.value >= 0).then_some(row.value);
    let values = rows.clone().filter(|row| row.key < WEIGHTS).key_by(|row| row.key).latest("values", held).out;
    let weights = rows.filter(|row| row.key >= WEIGHTS).key_by(|row| row.key - WEIGHTS).latest("weights", held).out;
    let counts = values.clone().rekey(|_, value| value % 3).count().map(|_, count| count as i64);
    // A table behind a table.
    let said = counts.clone().changes().map(|change| match change {
        Change::Insert((kind, count)) => Change::Insert(Said(row(0, kind as u32, count))),
        Change::Retract((kind, count)) => Change::Retract(Said(row(0, kind as u32, count))),
    });
    let behind = said.key_by(|change| i64::from(change.row().0.key)).changelog("again").out.map(|_, said| said.0.value);
    let sums = values.clone().rekey(|_, value| value % 3).sum(|_, value| *value);
    let maybe = values.clone().left_join(weights.clone(), |_, value, weight| weight.map_or(-value, |w| value * w));
    let heavy = values.clone().semijoin(weights.clone());
    let light = values.clone().antijoin(weights.clone());
    let worth = values.clone().join(weights, |_, value, weight| value * weight);
    let sum = |_: &i64, rows: &[(&i64, isize)]| [rows.iter().map(|(row, times)| **row * *times as i64).sum::<i64>()];
    let total = worth.clone().rekey(|_, _| 0_i64).reduce(sum);
    let kinds = values.clone().rekey(|_, _| 0_i64).distinct();
    let of_kind = values.clone().flat_map(|key, value| [(value % 3, (value, i64::from(key)))]);
    let ends = of_kind.clone().map(|_, (value, _)| value);
    let top = of_kind.top_k(3, |_, (value, _)| *value).map(|_, (_, key)| key);
    let next = values.clone().rekey(|key, _| i64::from(*key));
    let reached = next.clone().iterate(ROUNDS, |inside, reached| {
        let ends = reached.clone().flat_map(|of, to| [(to, of)]);
        let further = ends.join(inside.enter(next), |_, of, to| (*of, *to)).flat_map(|_, (of, to)| [(of, to)]);
        further.union(reached).distinct()
    });
    // Two ways to the same number: where they differ at the end of an epoch, there is a row.
    let once = values.rekey(|_, _| 0_i64).count();
    let again = counts.clone().rekey(|_, _| 0_i64).reduce(sum);
    let differ = once.join(again, |_, once, again| *once as i64 - again).filter(|_, by| *by != 0);
    let all = lines("counts", counts)
        .union(lines("again", behind))
        .union(lines("sums", sums))
        .union(lines("maybe", maybe))
        .union(lines("heavy", heavy))
        .union(lines("light", light))
        .union(lines("worth", worth))
        .union(lines("total", total))
        .union(lines("kinds", kinds))
        .union(lines("top", top))
        .union(lines("most", ends.clone().max()))
        .union(lines("least", ends.min()))
        .union(lines("reached", reached.rows))
        .union(lines("further", reached.unsettled.map(|_, rows| rows as i64)))
        .union(lines("differ", differ));
    all.changes().map(|change| {
        let line = |((name, key), value)| (name, key, value);
        match change {
            Change::Insert(row) => Change::Insert(line(row)),
            Change::Retract(row) => Change::Retract(line(row)),
        }
    })
}

fn job() -> Job {
    let by_epoch = ChannelOut { by_epoch: true, ..ChannelOut::default() };
    Job::new(move |flow: &Flow<'_>| tables(flow.channel::<Row>("in")).to_channel_with("out", by_epoch)).ticks(BY_ROWS)
}

type Told = Change<(String, i64, i64)>;

/// What leaves, epoch by epoch.
fn run(job: &Job, rows: Vec<Row>) -> Vec<Vec<Told>> {
    let mut running = job.start().unwrap();
    let (sender, out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Told>("out").unwrap());
    std::thread::spawn(move || rows.into_iter().for_each(|row| sender.send(vec![row]).unwrap()));
    let mut all = Vec::new();
    while let Some(output) = out.recv() {
        all.push(output.rows);
    }
    in_time(move || running.wait()).unwrap();
    all
}

fn left(changes: impl IntoIterator<Item = Told>) -> BTreeSet<(String, i64, i64)> {
    let rows = Change::consolidate(changes);
    assert!(rows.iter().all(|(_, times)| *times == 1), "{rows:?}");
    rows.into_iter().map(|(row, _)| row).collect()
}

fn owned(lines: BTreeSet<Line>) -> BTreeSet<(String, i64, i64)> {
    lines.into_iter().map(|(name, key, value)| (name.to_owned(), key, value)).collect()
}

#[test]
fn each_epoch_brings_what_a_computation_from_scratch_would() {
    let rows = input(400);
    let (mut state, mut expected) = (BTreeMap::new(), Vec::new());
    let mut before = BTreeSet::new();
    for row in &rows {
        apply(&mut state, row);
        let after = owned(views(&state));
        let mut changes: Vec<Told> = before.difference(&after).cloned().map(Change::Retract).collect();
        changes.extend(after.difference(&before).cloned().map(Change::Insert));
        changes.sort();
        expected.extend((!changes.is_empty()).then_some(changes));
        before = after;
    }
    for workers in 1..4 {
        let mut all = run(&job().ticks(STANDING).workers(workers).epoch_rows_max(1), rows.clone());
        all.iter_mut().for_each(|changes| changes.sort());
        assert!(all == expected, "{workers} workers");
    }
}

#[test]
fn what_is_left_depends_neither_on_epochs_nor_on_workers() {
    let rows = input(3_000);
    let mut state = BTreeMap::new();
    rows.iter().for_each(|row| apply(&mut state, row));
    for (workers, rows_max) in [(1, 7), (2, 50), (3, 10_000)] {
        let all = run(&job().workers(workers).epoch_rows_max(rows_max), rows.clone());
        assert_eq!(left(all.into_iter().flatten()), owned(views(&state)), "{workers} workers, {rows_max} rows");
    }
}

#[test]
fn a_recording_gives_the_same_bytes_with_other_workers() {
    let mut first = Vec::new();
    let job = job().epoch_rows_max(20);
    let recording = {
        let mut running = job.clone().record().start().unwrap();
        let (sender, out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Told>("out").unwrap());
        let host = std::thread::spawn(move || out.rows().collect::<Vec<Told>>());
        input(1_000).chunks(13).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        running.wait().unwrap();
        first.extend(host.join().unwrap());
        running.recording().unwrap()
    };
    let again = |recording: &watchfire_engine::Recording, workers| {
        let mut running = job.clone().workers(workers).rehearse_recovery(3).replay(recording).unwrap();
        let out = running.receiver::<Told>("out").unwrap();
        let again: Vec<Told> = out.rows().collect();
        running.wait().unwrap();
        again
    };
    for workers in 1..4 {
        assert!(again(&recording, workers) == first, "{workers} workers");
        // Cut otherwise, what is left is the same.
        assert_eq!(left(again(&recording.recut(workers as u64, 5), workers)), left(first.clone()));
    }
}

/// A change as a line, and whether it takes it away.
struct AsLine;

impl Encoder<Told> for AsLine {
    fn encode(&self, change: &Told) -> Result<EncodedRow, Error> {
        let retract = matches!(change, Change::Retract(_));
        Ok(EncodedRow { id: None, retract, body: format!("{:?}", change.row()).into_bytes() })
    }
}

const SINKS: [(&str, CommitMode); 3] = [
    ("two phases", CommitMode::TwoPhase),
    ("by epoch", CommitMode::ByEpoch),
    ("at least once", CommitMode::AtLeastOnce),
];

fn judged(world: &World, expected: &BTreeMap<String, i64>) -> Result<(), String> {
    for (name, mode) in SINKS {
        let mut net: BTreeMap<String, i64> = BTreeMap::new();
        for EncodedRow { retract, body, .. } in world.sink(name, mode).visible() {
            let times = net.entry(String::from_utf8_lossy(&body).into_owned()).or_default();
            // What comes more than once comes again in its order: the last of it holds.
            let before = if mode == CommitMode::AtLeastOnce { i64::from(retract) } else { *times };
            *times = before + if retract { -1 } else { 1 };
        }
        net.retain(|_, times| *times != 0);
        let odd = net.iter().chain(expected).find(|(line, _)| net.get(*line) != expected.get(*line));
        if let Some((line, _)) = odd {
            return Err(format!("\"{name}\" shows {:?} times, not {:?}: {line}", net.get(line), expected.get(line)));
        }
    }
    Ok(())
}

#[test]
fn after_a_crash_tables_are_built_anew_and_nothing_of_that_leaves() {
    let rows = input(1_500);
    let mut state = BTreeMap::new();
    rows.iter().for_each(|row| apply(&mut state, row));
    let expected = owned(views(&state)).into_iter().map(|line| (format!("{line:?}"), 1)).collect();
    let lines: Vec<Vec<u8>> = rows.iter().map(|row| written(row).into_bytes()).collect();
    let build = |world: &World| {
        let source = world.source("in", Replay::Exact, [("a", lines.clone())]);
        let sinks = SINKS.map(|(name, mode)| (name, world.sink(name, mode)));
        let job = Job::new(move |flow| {
            let views = tables(flow.source::<Row, _, _>("in", source.clone(), Lines).rows);
            sinks.iter().for_each(|(name, sink)| views.clone().to_sink(name, sink.clone(), AsLine));
        });
        job.ticks(BY_ROWS)
    };
    let mut deaths = 0;
    for lock_step in [true, false] {
        let lives = Lives { lock_step, ..Lives::default() };
        deaths += lives.judge("--test tables", 0..8, build, |world| judged(world, &expected));
    }
    assert!(deaths > 20, "{deaths}");
}

/// A row that says when it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
struct Said(Row);

impl Timed for Said {
    fn event_time_ms(&self) -> i64 {
        self.0.at_ms
    }
}

#[test]
fn a_changelog_holds_rows_as_often_as_they_were_inserted_and_puts_aside_what_is_not_there() {
    let job = Job::new(|flow: &Flow<'_>| {
        let said = flow.channel::<Change<Said>>("in").key_by(|change| change.row().0.key).changelog("said");
        said.out.map(|_, said| said.0.value).changes().to_channel("out");
        said.late.map(|late| late.row).to_channel("late");
    });
    let mut running = job.ticks(BY_ROWS).start().unwrap();
    let sender = running.sender::<Change<Said>>("in").unwrap();
    let (out, late) = (running.receiver::<Change<(u32, i64)>>("out").unwrap(), running.receiver("late").unwrap());
    let one = |value| Said(row(10, 1, value));
    let [insert, retract] = [Change::Insert, Change::Retract];
    let all = vec![insert(one(5)), insert(one(5)), insert(one(6)), retract(one(5)), retract(one(7)), retract(one(6))];
    sender.send(all).unwrap();
    drop(sender);
    assert_eq!(Change::consolidate(out.rows()), [((1, 5), 1)]);
    assert_eq!(late.rows().collect::<Vec<Change<Said>>>(), [Change::Retract(one(7))]);
    in_time(move || running.wait()).unwrap();
}

#[test]
fn changes_go_on_into_detectors_in_one_order() {
    let flow = |flow: &Flow<'_>| {
        let rows = flow.channel::<Row>("in").key_by(|row: &Row| row.key);
        let values = rows.latest("values", |row| (row.value >= 0).then_some(row.value)).out;
        let changed = values.rekey(|_, value| *value).count().changes().map(|change| {
            let ((value, count), times) = change.into_parts();
            row(0, (value % 4) as u32, count as i64 * times)
        });
        changed.key_by(|row: &Row| row.key).detect("sums", Sums).out.to_channel("out");
    };
    let job = Job::new(flow).ticks(BY_ROWS).epoch_rows_max(30);
    let (first, recording) = support::recorded(&job, input(600).chunks(11).map(<[Row]>::to_vec).collect());
    assert!(first.len() > 100);
    for workers in 1..4 {
        assert_eq!(support::replayed(&job.clone().workers(workers), &recording), first, "{workers} workers");
    }
}

#[test]
fn a_job_with_tables_stops_and_goes_on() {
    let store = std::sync::Arc::new(watchfire_engine::testing::FaultyStore::default());
    let again = watchfire_engine::ChannelIn { replay: Replay::Exact, ..Default::default() };
    let rows = input(900);
    let mut all = Vec::new();
    for (life, upto) in [300, 600, 900].into_iter().enumerate() {
        let job = Job::new(move |flow| tables(flow.channel_with::<Row>("in", again)).to_channel("out"));
        let config = watchfire_engine::Checkpointing { every_ms: 0, ..watchfire_engine::Checkpointing::named("site") };
        let mut running = job.ticks(BY_ROWS).workers(1 + life).checkpoint_to(store.clone(), config).start().unwrap();
        let (sender, out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Told>("out").unwrap());
        let host = std::thread::spawn(move || out.rows().collect::<Vec<Told>>());
        let from = sender.resumes_at() as usize;
        assert_eq!(from, 300 * life);
        sender.send(rows[from..upto].to_vec()).unwrap();
        running.stop(SOON).unwrap();
        all.extend(host.join().unwrap());
    }
    let mut state = BTreeMap::new();
    rows.iter().for_each(|row| apply(&mut state, row));
    assert_eq!(left(all), owned(views(&state)));
}

/// As many keys as are not built anew at once, and a grouping that must see its table whole.
#[test]
fn a_large_table_is_built_anew_as_a_whole() {
    let store = std::sync::Arc::new(watchfire_engine::testing::FaultyStore::default());
    let mut all = Vec::new();
    for (workers, rows) in [(1, (0..10_000).collect::<Vec<i64>>()), (2, vec![3, 77, 9_000]), (1, vec![5_000])] {
        let full = !all.is_empty();
        let flow = move |flow: &Flow<'_>| {
            let again = watchfire_engine::ChannelIn { replay: Replay::Exact, ..Default::default() };
            let rows = flow.channel_with::<Row>("in", again).key_by(|row: &Row| row.key);
            let even = rows.latest("even", |row| (row.at_ms == 0).then_some(row.value % 2)).out;
            let whole = even.rekey(|_, even| *even).reduce(move |_, rows| {
                let count: isize = rows.iter().map(|(_, times)| *times).sum();
                assert!(!full || count > 4_990, "{count} of 5,000 rows");
                [count as i64]
            });
            whole.changes().to_channel("out");
        };
        let config =
            watchfire_engine::Checkpointing { every_ms: 3_600_000, ..watchfire_engine::Checkpointing::named("site") };
        let job =
            Job::new(flow).ticks(STANDING).workers(workers).epoch_rows_max(10_000).checkpoint_to(store.clone(), config);
        let mut running = job.start().unwrap();
        let (sender, out) =
            (running.sender::<Row>("in").unwrap(), running.receiver::<Change<(i64, i64)>>("out").unwrap());
        // The first life fills the table, the others take something away.
        let gone = i64::from(sender.resumes_at() > 0);
        sender.send(rows.iter().map(|key| row(gone, *key as u32, *key)).collect()).unwrap();
        let host = std::thread::spawn(move || out.rows().collect::<Vec<_>>());
        running.stop(SOON).unwrap();
        all.extend(host.join().unwrap());
    }
    assert_eq!(Change::consolidate(all), [((0, 4_998), 1), ((1, 4_998), 1)]);
}

#[test]
fn a_table_in_a_flow_changes_the_order_of_no_detector() {
    let flow = |flow: &Flow<'_>| {
        let rows = flow.channel::<Row>("in");
        let apart = rows.clone().flat_map(|of: Row| [1, 0].map(|part| row(of.at_ms, 2 * of.key + part, of.value)));
        let told =
            apart.key_by(|row: &Row| row.key).detect("tally", Tally { close_after_ms: 300, quiet_after_ms: 500 }).out;
        let both = told.union(rows);
        let held = both.clone().key_by(|_: &Row| 0_u32).latest("held", |row| Some(row.value)).out.changes();
        let held = held.map(|change| row(0, 1, if let Change::Insert((_, value)) = change { value } else { -1 }));
        both.key_by(|_: &Row| 0_u32)
            .detect("second", Tally { close_after_ms: 300, quiet_after_ms: 500 })
            .out
            .union(held)
            .to_channel("out");
    };
    let job = Job::new(flow).ticks(BY_ROWS).epoch_rows_max(7);
    let (first, recording) = support::recorded(&job, input(300).chunks(5).map(<[Row]>::to_vec).collect());
    assert!(first.len() > 300);
    for workers in 1..5 {
        assert!(support::replayed(&job.clone().workers(workers), &recording) == first, "{workers} workers");
    }
}

#[test]
fn rows_that_are_replaced_by_id_behind_a_table_need_an_epoch_log() {
    let job = |log_epochs| {
        let sink = support::sink::Keeps::new(CommitMode::ByKey);
        let job = Job::new(move |flow: &Flow<'_>| {
            let rows = flow.channel::<Row>("in").key_by(|row: &Row| row.key);
            let changes = rows.latest("latest", |row| Some(row.value)).out.changes();
            let newest = changes.map(|change| row(0, change.row().0, change.row().1));
            newest.to_sink("out", sink.clone(), support::sink::AsText { ids: true });
        });
        let store = watchfire_engine::testing::FaultyStore::default();
        let config = watchfire_engine::Checkpointing { log_epochs, ..watchfire_engine::Checkpointing::named("site") };
        job.ticks(BY_ROWS).checkpoint_to(std::sync::Arc::new(store), config)
    };
    assert!(job(false).check().iter().any(|finding| finding.code == "E0113"), "{:?}", job(false).check());
    assert!(job(true).check().iter().all(|finding| finding.code != "E0113"));
}
