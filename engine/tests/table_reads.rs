//! How tables are read: by rows of a stream as of their epoch, by the host as of one closed epoch, by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{BY_ROWS, Gate, OpensAtEnd, Row, SOON, STANDING, in_time, row, settles};
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{CallKind, FaultyStore, Hooked};
use watchfire_engine::{Change, ChannelIn, Checkpointing, Flow, Job, Snapshot, Stream, Table};

/// Rows of few keys, some of which take a key away.
fn input(rows: i64) -> Vec<Row> {
    (0..rows).map(|n| row(n * 10, (n * 7 % 11) as u32, n * n % 13 - 2)).collect()
}

fn held(rows: &[Row]) -> BTreeMap<u32, i64> {
    let mut held = BTreeMap::new();
    for row in rows {
        if row.value < 0 {
            held.remove(&row.key)
        } else {
            held.insert(row.key, row.value)
        };
    }
    held
}

fn latest<'f>(flow: &Flow<'f>, replay: Replay) -> Table<'f, u32, i64> {
    let rows = flow.channel_with::<Row>("in", ChannelIn { replay, ..ChannelIn::default() }).key_by(|row| row.key);
    rows.latest("latest", |row| (row.value >= 0).then_some(row.value)).out
}

/// Each row with what its neighbour is worth.
fn beside(flow: &Flow<'_>) {
    beside_of(flow.channel::<Row>("in"));
}

fn beside_of(rows: Stream<'_, Row>) {
    let values = rows.clone().key_by(|row| row.key).latest("latest", |row| (row.value >= 0).then_some(row.value)).out;
    let seen = rows.key_by(|row| (row.key + 1) % 11).join_as_of(values, |of: Row, values| {
        assert!(values.len() <= 1);
        let value = values.first().map_or(-1, |(value, times)| **value * *times as i64);
        [row(of.at_ms, of.key, value), row(of.at_ms, of.key, of.value)]
    });
    seen.to_channel("out");
}

/// The same from scratch, where each epoch holds so many rows.
fn as_of(rows: &[Row], of_epoch: usize) -> Vec<Row> {
    let mut all = Vec::new();
    for (n, of) in rows.iter().enumerate() {
        let upto = (n / of_epoch + 1) * of_epoch;
        let values = held(&rows[..upto.min(rows.len())]);
        let value = values.get(&((of.key + 1) % 11)).copied().unwrap_or(-1);
        all.extend([row(of.at_ms, of.key, value), of.clone()]);
    }
    all
}

#[test]
fn a_row_finds_what_a_table_holds_at_the_end_of_its_epoch_and_stays_where_it_was() {
    let rows = input(500);
    for (workers, rows_max) in [(1, 1), (2, 1), (3, 4)] {
        let job = Job::new(beside).ticks(STANDING).workers(workers).epoch_rows_max(rows_max);
        let out = support::run(&job, rows.chunks(rows_max).map(<[Row]>::to_vec).collect()).unwrap().0;
        assert!(out == as_of(&rows, rows_max), "{workers} workers");
    }
    let (first, recording) =
        support::recorded(&Job::new(beside).ticks(BY_ROWS), rows.chunks(9).map(<[Row]>::to_vec).collect());
    for workers in 1..4 {
        let job = Job::new(beside).ticks(BY_ROWS).workers(workers);
        assert!(support::replayed(&job, &recording) == first, "{workers} workers");
    }
}

#[test]
fn a_job_that_comes_back_finds_what_the_table_held() {
    let store = Arc::new(FaultyStore::default());
    let (rows, mut out) = (input(60), Vec::new());
    for (life, part) in rows.chunks(20).enumerate() {
        let flow = |flow: &Flow<'_>| {
            let rows = flow.channel_with::<Row>("in", ChannelIn { replay: Replay::Exact, ..ChannelIn::default() });
            beside_of(rows);
        };
        let config = Checkpointing { every_ms: 3_600_000, ..Checkpointing::named("site") };
        let job =
            Job::new(flow).ticks(STANDING).workers(1 + life).epoch_rows_max(1).checkpoint_to(store.clone(), config);
        let mut running = job.start().unwrap();
        let (sender, seen) = (running.sender::<Row>("in").unwrap(), running.receiver::<Row>("out").unwrap());
        assert_eq!(sender.resumes_at(), 20 * life as u64);
        part.iter().for_each(|of| sender.send(vec![of.clone()]).unwrap());
        let host = std::thread::spawn(move || support::rest(&seen));
        running.stop(SOON).unwrap();
        out.extend(host.join().unwrap());
    }
    assert!(out == as_of(&rows, 1));
}

#[test]
fn the_host_sees_all_views_at_the_end_of_one_epoch() {
    let rows = input(20_000);
    let job = Job::new(|flow: &Flow<'_>| {
        let values = latest(flow, Replay::None);
        values.clone().to_view("values");
        values.clone().rekey(|_, value| value % 3).count().to_view("counts");
        values.to_view("again");
    });
    let mut running = job.ticks(BY_ROWS).workers(2).start().unwrap();
    let (sender, views) = (running.sender::<Row>("in").unwrap(), running.views());
    let more = rows.clone();
    std::thread::spawn(move || more.chunks(7).for_each(|rows| sender.send(rows.to_vec()).unwrap()));
    let (mut seen, mut epoch) = (0, 0);
    let agrees = |now: &Snapshot| {
        let (values, counts) = (now.view::<u32, i64>("values").unwrap(), now.view::<i64, u64>("counts").unwrap());
        let mut expected: BTreeMap<i64, u64> = BTreeMap::new();
        values.iter().for_each(|(_, value, times)| *expected.entry(value % 3).or_default() += times);
        assert_eq!(counts.iter().map(|(kind, count, _)| (*kind, *count)).collect::<BTreeMap<_, _>>(), expected);
        let again = now.view::<u32, i64>("again").unwrap();
        assert!(again.iter().eq(values.iter()) && again.keys_len() == values.keys_len());
        assert!(again.iter().all(|(key, value, _)| again.get(key).eq([(value, 1)])));
    };
    while running.wait_timeout(Duration::ZERO).unwrap().is_none() {
        let Some(now) = views.snapshot() else { continue };
        agrees(&now);
        assert!(now.epoch() >= epoch);
        seen += usize::from(now.epoch() > epoch);
        epoch = now.epoch();
    }
    assert!(seen > 1, "{seen}");
    let last = views.snapshot().unwrap();
    agrees(&last);
    let values = last.view::<u32, i64>("values").unwrap();
    assert_eq!(values.iter().map(|(key, value, _)| (*key, *value)).collect::<BTreeMap<_, _>>(), held(&rows));
    assert_eq!(last.view::<u32, i64>("what").unwrap_err().code(), "E0409");
    assert_eq!(last.view::<u32, u64>("values").unwrap_err().code(), "E0409");
    // Nothing of the rows is in what a log would be given.
    assert_eq!(format!("{values:?}"), format!("View({} keys)", values.keys_len()));
}

fn shows(replay: Replay) -> Job {
    Job::new(move |flow: &Flow<'_>| latest(flow, replay).to_view("values")).ticks(STANDING)
}

fn values(now: &Snapshot) -> BTreeMap<u32, i64> {
    now.view::<u32, i64>("values").unwrap().iter().map(|(key, value, _)| (*key, *value)).collect()
}

#[test]
fn a_job_that_comes_back_shows_its_views_whole_or_not_at_all() {
    // What is logged is heard again; without a log the host sends again what came after the checkpoint.
    for (replay, log_epochs) in [(Replay::Exact, false), (Replay::None, true)] {
        let store = Arc::new(FaultyStore::default());
        let config = Checkpointing { every_ms: 3_600_000, log_epochs, ..Checkpointing::named("site") };
        let (rows, mut was) = (input(900), 0);
        for (life, upto) in [300, 600, 900].into_iter().enumerate() {
            let job = shows(replay).workers(1 + life).checkpoint_to(store.clone(), config.clone());
            let mut running = job.start().unwrap();
            let (sender, views) = (running.sender::<Row>("in").unwrap(), running.views());
            let from = if log_epochs { was } else { sender.resumes_at() as usize };
            if life > 0 {
                assert!(settles(|| views.snapshot().is_some()));
                assert_eq!(values(&views.snapshot().unwrap()), held(&rows[..from]), "{log_epochs}");
            }
            sender.send(rows[from..upto].to_vec()).unwrap();
            let shown = || views.snapshot().is_some_and(|now| values(&now) == held(&rows[..upto]));
            assert!(settles(shown), "{log_epochs}");
            was = upto;
            if life == 1 {
                running.stop(SOON).unwrap();
            } else {
                running.abort();
            }
        }
    }
}

/// What is in the log only as a number of rows is not there before the host has sent them again.
#[test]
fn a_job_that_waits_for_rows_to_come_again_shows_nothing() {
    let store = Arc::new(FaultyStore::default());
    let config = Checkpointing { every_ms: 3_600_000, log_epochs: true, ..Checkpointing::named("site") };
    let job = shows(Replay::Exact).epoch_rows_max(10).checkpoint_to(store, config);
    let rows = input(50);
    let mut running = job.start().unwrap();
    let (sender, views) = (running.sender::<Row>("in").unwrap(), running.views());
    rows[..40].chunks(10).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    let shown = |rows: &[Row]| settles(|| views.snapshot().is_some_and(|now| values(&now) == held(rows)));
    assert!(shown(&rows[..40]));
    running.abort();

    // Stopped in the midst of it, at each of the four epochs, and then for good.
    for again in [0, 10, 20, 30, 40] {
        let mut running = job.start().unwrap();
        let (sender, views) = (running.sender::<Row>("in").unwrap(), running.views());
        assert_eq!(sender.resumes_at(), 0);
        rows[..again].chunks(10).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        assert!(settles(|| running.metrics().sources["in"].rows == again as u64));
        if again < 40 {
            std::thread::sleep(Duration::from_millis(20));
            assert!(views.snapshot().is_none(), "after {again} rows");
            running.stop(SOON).unwrap();
            assert!(views.snapshot().is_none(), "after {again} rows and a stop");
        } else {
            let shown = |rows: &[Row]| settles(|| views.snapshot().is_some_and(|now| values(&now) == held(rows)));
            assert!(shown(&rows[..40]));
            sender.send(rows[40..].to_vec()).unwrap();
            assert!(shown(&rows));
            drop(sender);
            in_time(move || running.wait()).unwrap();
        }
    }

    // Drained: nothing is left to do, and nothing is known.
    let mut running = job.start().unwrap();
    let views = running.views();
    in_time(move || running.wait()).unwrap();
    assert!(views.snapshot().is_none());
}

#[test]
fn what_a_crash_could_take_back_is_not_shown() {
    let (gate, holds) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let _opens = OpensAtEnd(gate.clone());
    let (at, held_back) = (gate.clone(), holds.clone());
    let store = Hooked::new(Arc::new(FaultyStore::default()), move |call| {
        let writes = call.kind == CallKind::Put && !call.done && call.name.starts_with("epochs/");
        if writes && held_back.load(Ordering::SeqCst) {
            at.pass();
        }
        Ok(())
    });
    let config = Checkpointing { every_ms: 3_600_000, log_epochs: true, ..Checkpointing::named("site") };
    let mut running = shows(Replay::None).checkpoint_to(Arc::new(store), config).start().unwrap();
    let (sender, views) = (running.sender::<Row>("in").unwrap(), running.views());
    let shows = |value| settles(|| views.snapshot().is_some_and(|now| values(&now) == BTreeMap::from([(1, value)])));
    sender.send(vec![row(0, 1, 5)]).unwrap();
    assert!(shows(5));
    holds.store(true, Ordering::SeqCst);
    sender.send(vec![row(0, 1, 6)]).unwrap();
    assert!(settles(|| gate.come() > 0));
    std::thread::sleep(Duration::from_millis(50));
    assert!(shows(5));
    gate.open();
    assert!(shows(6));
    drop(sender);
    in_time(move || running.wait()).unwrap();
}

#[test]
fn what_is_built_by_hand_is_a_view_like_others() {
    let job = Job::new(|flow: &Flow<'_>| {
        let values = latest(flow, Replay::None);
        let both = values.clone().by_hand_with("pairs", values, |values, others| {
            values.concat(others.negate()).map(|(key, value)| (value, key)).consolidate()
        });
        both.changes().to_channel("none");
        latest_of(flow).by_hand("turned", |rows| rows.map(|(key, value)| (value, key))).changes().to_channel("turned");
    });
    assert!(job.check().is_empty(), "{:?}", job.check());
    let mut running = job.ticks(BY_ROWS).start().unwrap();
    running.sender::<Row>("in").unwrap().send(input(100)).unwrap();
    running.sender::<Row>("other").unwrap().send(vec![row(0, 3, 9)]).unwrap();
    let turned = running.receiver::<Change<(i64, u32)>>("turned").unwrap();
    let none = running.receiver::<Change<(i64, u32)>>("none").unwrap();
    assert_eq!(Change::consolidate(turned.rows()), [((9, 3), 1)]);
    assert_eq!(none.rows().count(), 0);
    in_time(move || running.wait()).unwrap();
}

fn latest_of<'f>(flow: &Flow<'f>) -> Table<'f, u32, i64> {
    flow.channel::<Row>("other").key_by(|row| row.key).latest("others", |row| Some(row.value)).out
}
