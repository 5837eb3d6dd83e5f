//! Jobs that log what enters before anything outside relies on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::detectors::{Silence, Sums};
use support::sink::{AsText, Keeps};
use support::source::{Lines, Scripted, Step};
use support::{BY_ROWS, Gate, OpensAtEnd, Row, SOON, in_time, rows, settles};
use watchfire_engine::durable::Store;
use watchfire_engine::sink::CommitMode;
use watchfire_engine::source::Replay;
use watchfire_engine::testing::{CallKind, Faults, FaultyStore, Hooked};
use watchfire_engine::{Change, ChannelIn, ChannelOut, Checkpointing, Flow, Job, Output, Running, TickSource, Weight};

fn store() -> FaultyStore {
    FaultyStore::new(Faults::default())
}

/// Logs epochs; checkpoints come seldom, but for the first and the last.
fn logs(job: Job, store: impl Store) -> Job {
    let config = Checkpointing { every_ms: 3_600_000, log_epochs: true, ..Checkpointing::named("site") };
    job.ticks(BY_ROWS).checkpoint_to(Arc::new(store), config)
}

fn sums(flow: &Flow<'_>, out: ChannelOut) {
    flow.channel::<Row>("in").key_by(|row: &Row| row.key).detect("sums", Sums).out.to_channel_with("out", out);
}

fn by_epoch() -> Job {
    Job::new(|flow| sums(flow, ChannelOut { by_epoch: true, ..ChannelOut::default() })).epoch_rows_max(10)
}

/// Sends rows from where the job is, and receives what leaves for so many rows.
fn sent(running: &mut Running, upto: i64) -> (i64, Vec<Output<Row>>) {
    let (sender, out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Row>("out").unwrap());
    let from = sender.resumes_at() as i64;
    for batch in rows(from..upto).chunks(7) {
        sender.send(batch.to_vec()).unwrap();
    }
    let mut all: Vec<Output<Row>> = Vec::new();
    while all.last().and_then(|output| output.rows.last()).is_none_or(|row| row.value < sum(upto)) {
        all.push(out.recv_timeout(SOON).unwrap().expect("it stands still"));
    }
    std::mem::forget((sender, out));
    (from, all)
}

/// What `Sums` says after so many rows of one key.
fn sum(upto: i64) -> i64 {
    (0..upto).sum()
}

#[test]
fn outputs_come_again_under_the_same_epochs_and_hosts_need_not_replay() {
    let store = store();
    let mut running = logs(by_epoch(), store.clone()).start().unwrap();
    let (from, first) = sent(&mut running, 100);
    assert_eq!(from, 0);
    // Everything that left is logged, though no checkpoint holds it.
    running.abort();
    store.power_cut();
    store.restart();
    for workers in 1..=3 {
        let mut running = logs(by_epoch().workers(workers), store.clone()).start().unwrap();
        let (from, again) = sent(&mut running, 100);
        assert!(from == 100 && again == first, "{from}: {again:?}");
        running.abort();
    }
    let mut running = logs(by_epoch(), store.clone()).start().unwrap();
    let (_, more) = sent(&mut running, 130);
    assert!(more.starts_with(&first) && more.len() > first.len());
    running.stop(SOON).unwrap();
    // A job that was stopped has nothing to hear again.
    let mut running = logs(by_epoch(), store.clone()).start().unwrap();
    let (from, after) = sent(&mut running, 140);
    assert!(from == 130 && after[0].epoch > more.last().unwrap().epoch, "{after:?}");
    running.abort();
}

/// A store that keeps parts of the epoch log waiting at a gate, once it holds them.
struct Held {
    store: Hooked,
    gate: Arc<Gate>,
    holds: Arc<AtomicBool>,
}

fn held(store: &FaultyStore) -> (Held, OpensAtEnd) {
    let (gate, holds) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let (at, held) = (gate.clone(), holds.clone());
    let store = Hooked::new(Arc::new(store.clone()), move |call| {
        if call.kind == CallKind::Put && !call.done && call.name.starts_with("epochs/") && held.load(Ordering::SeqCst) {
            at.pass();
        }
        Ok(())
    });
    (Held { store, gate: gate.clone(), holds }, OpensAtEnd(gate))
}

fn unreplayed(source: &Scripted, sink: &Keeps) -> Job {
    let (source, sink) = (source.clone(), sink.clone());
    Job::new(move |flow| {
        let read = flow.source("in", source.clone(), Lines);
        read.rows.key_by(|row: &Row| row.key).detect("sums", Sums).out.to_sink(
            "out",
            sink.clone(),
            AsText { ids: false },
        );
    })
}

fn script(values: Range<i64>, wait: &Arc<Gate>) -> Vec<Step> {
    vec![Step::Idle, Step::Wait(wait.clone()), Step::Rows(rows(values)), Step::Idle]
}

/// A generation that is fenced while it logs an epoch neither acknowledges its rows nor lets anything out, and the next one
/// does not take the epoch for logged.
#[test]
fn a_zombie_that_logs_an_epoch_is_fenced_before_anything_relies_on_it() {
    let store = store();
    let (zombie_store, _opens) = held(&store);
    let go = Arc::new(Gate::default());
    let (source, sink) = (Scripted::endless(vec![("a", script(0..20, &go))]), Keeps::new(CommitMode::ByEpoch));
    let mut zombie = logs(unreplayed(&source, &sink), zombie_store.store.clone()).start().unwrap();
    // It has begun, with a checkpoint to go on from.
    assert!(settles(|| !store.list("state").unwrap().is_empty() && store.list("log").unwrap().len() == 2));
    zombie_store.holds.store(true, Ordering::SeqCst);
    go.open();
    assert!(settles(|| zombie_store.gate.come() == 1), "it is about to log the rows");

    // The broker gives the next one what it has not acknowledged.
    let (again, seen) = (Scripted::endless(vec![("a", script(0..20, &go))]), Keeps::new(CommitMode::ByEpoch));
    let mut next = logs(unreplayed(&again, &seen), store.clone()).start().unwrap();
    assert!(settles(|| again.acknowledged() == [20] && seen.visible().len() == 20));

    zombie_store.gate.open();
    let error = in_time(move || zombie.wait()).unwrap_err();
    assert_eq!(error.code(), "E0524", "{error}");
    assert!(source.acknowledged().is_empty() && sink.visible().is_empty(), "{:?}", sink.visible());
    next.stop(SOON).unwrap();
}

#[test]
fn rows_are_acknowledged_and_leave_by_epoch_when_they_are_logged_and_not_before() {
    let store = store();
    let (slow, _opens) = held(&store);
    let go = Arc::new(Gate::default());
    let (source, sink) = (Scripted::endless(vec![("a", script(0..20, &go))]), Keeps::new(CommitMode::ByEpoch));
    let mut running = logs(unreplayed(&source, &sink), slow.store.clone()).start().unwrap();
    assert!(settles(|| store.list("log").unwrap().len() == 2));
    slow.holds.store(true, Ordering::SeqCst);
    go.open();
    assert!(settles(|| slow.gate.come() > 0 && running.metrics().sources["in"].rows == 20));
    std::thread::sleep(Duration::from_millis(50));
    assert!(source.acknowledged().is_empty() && sink.visible().is_empty());
    slow.gate.open();
    assert!(settles(|| source.acknowledged() == [20] && sink.visible().len() == 20));
    // Long before a checkpoint holds them.
    assert_eq!(store.list("log").unwrap().len(), 2);
    running.stop(SOON).unwrap();
}

/// A crash takes back a tick that is not logged, and the next clock may tick otherwise.
#[test]
fn what_a_tick_caused_waits_until_the_tick_is_logged() {
    let store = store();
    let (slow, _opens) = held(&store);
    let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
    let job = Job::new(move |flow| {
        let rows = flow.channel_with::<Row>("in", again).key_by(|row: &Row| row.key);
        rows.detect("silence", Silence { after_ms: 50 }).out.to_channel("silent");
    });
    let config = Checkpointing { every_ms: 3_600_000, log_epochs: true, ..Checkpointing::named("site") };
    let ticks = TickSource::Scaled { interval_ms: 10, start_ms: 1_000, speed: 1.0 };
    let mut running = job.ticks(ticks).checkpoint_to(Arc::new(slow.store.clone()), config).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let silent = running.receiver::<Row>("silent").unwrap();
    assert!(settles(|| store.list("log").unwrap().len() == 2));
    slow.holds.store(true, Ordering::SeqCst);
    sender.send(rows(0..1)).unwrap();
    assert!(silent.recv_timeout(Duration::from_millis(500)).unwrap().is_none());
    slow.gate.open();
    assert_eq!(silent.recv_timeout(SOON).unwrap().map(|output| output.rows.len()), Some(1));
    running.stop(SOON).unwrap();
}

/// Cut otherwise, an epoch makes a table say something else, so what it says rests on the cut.
#[test]
fn what_a_table_says_waits_until_its_epoch_is_logged() {
    let store = store();
    let (slow, _opens) = held(&store);
    let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
    let job = Job::new(move |flow| {
        let rows = flow.channel_with::<Row>("in", again).key_by(|row: &Row| row.key);
        rows.latest("latest", |row| Some(row.value)).out.changes().to_channel("said");
    });
    let config = Checkpointing { every_ms: 3_600_000, log_epochs: true, ..Checkpointing::named("site") };
    // No tick is in the way.
    let ticks = TickSource::Scaled { interval_ms: 3_600_000, start_ms: 1_000, speed: 1.0 };
    let mut running = job.ticks(ticks).checkpoint_to(Arc::new(slow.store.clone()), config).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let said = running.receiver::<Change<(u32, i64)>>("said").unwrap();
    assert!(settles(|| store.list("log").unwrap().len() == 2));
    slow.holds.store(true, Ordering::SeqCst);
    sender.send(rows(0..1)).unwrap();
    assert!(said.recv_timeout(Duration::from_millis(500)).unwrap().is_none());
    slow.gate.open();
    assert_eq!(said.recv_timeout(SOON).unwrap().map(|output| output.rows.len()), Some(1));
    running.stop(SOON).unwrap();
}

/// What is read of the log when a job comes back may not be durable yet: a power cut after that must not take it away.
#[test]
fn a_part_that_was_being_written_is_made_sure_of_before_anything_rests_on_it() {
    let mut in_the_middle = 0;
    for calls in 0..40 {
        let store = store();
        let mut running = logs(by_epoch(), store.clone()).start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let _out = running.receiver::<Row>("out").unwrap();
        store.crash_after(calls);
        for n in 0..2_000 {
            if store.is_down() {
                break;
            }
            let _ = sender.send(rows(7 * n..7 * n + 7));
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(store.is_down());
        running.abort();
        assert!(in_time(move || running.wait()).is_err());
        store.restart();
        let mut before = 0;
        for cut in [true, false] {
            let mut running = logs(by_epoch(), store.clone()).start().unwrap();
            let (sender, _out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Row>("out").unwrap());
            if cut {
                before = sender.resumes_at();
            } else {
                assert_eq!(sender.resumes_at(), before, "after {calls} calls");
                in_the_middle += u64::from(before > 0);
            }
            running.abort();
            assert!(in_time(move || running.wait()).is_err());
            if cut {
                store.power_cut();
                store.restart();
            }
        }
    }
    assert!(in_the_middle > 5, "{in_the_middle}");
}

#[test]
fn a_log_that_has_lost_a_part_is_not_passed_over() {
    let store = store();
    let mut of_first = Vec::new();
    for upto in [60, 90] {
        let mut running = logs(by_epoch(), store.clone()).start().unwrap();
        sent(&mut running, upto);
        running.abort();
        assert!(in_time(move || running.wait()).is_err());
        of_first = if of_first.is_empty() { store.list("epochs").unwrap() } else { of_first };
    }
    let parts = store.list("epochs").unwrap();
    let newest = store.get(parts.last().unwrap()).unwrap().unwrap();
    assert!(store.flip(parts.last().unwrap()));
    let error = logs(by_epoch(), store.clone()).start().unwrap_err();
    assert!(error.code() == "E0521" && error.to_string().contains(parts.last().unwrap()), "{error}");
    store.put(parts.last().unwrap(), &newest).unwrap();
    // The flow may not change while epochs are to be heard again: what left of them would come otherwise.
    let changed = Job::new(|flow| sums(flow, ChannelOut::default())).epoch_rows_max(10);
    let sum_of_more = Job::new(|flow| {
        flow.channel::<Row>("more").to_channel("all of more");
        sums(flow, ChannelOut { by_epoch: true, ..ChannelOut::default() });
    });
    let from = by_epoch().fingerprint();
    let config = Checkpointing { from_flows: vec![from], log_epochs: true, ..Checkpointing::named("site") };
    let error = sum_of_more.checkpoint_to(Arc::new(store.clone()), config).start().unwrap_err();
    assert_eq!(error.code(), "E0534", "{error}");
    // How outputs leave is no part of what a flow computes.
    assert_eq!(changed.fingerprint(), from);
    store.delete(of_first.last().unwrap()).unwrap();
    assert_eq!(logs(by_epoch(), store.clone()).start().unwrap_err().code(), "E0533");
    // Nor does a log of epochs without a log of checkpoints begin anew.
    for record in store.list("log").unwrap() {
        store.delete(&record).unwrap();
    }
    assert_eq!(logs(by_epoch(), store).start().unwrap_err().code(), "E0531");
}

#[test]
fn what_needs_the_log_is_refused_without_it() {
    let findings = |log_epochs: bool| {
        let again = ChannelIn { replay: Replay::Exact, ..ChannelIn::default() };
        let job = Job::new(move |flow| {
            let rows = flow.channel::<Row>("in").map(|row| row);
            for (name, mode) in
                [("epoch", CommitMode::ByEpoch), ("key", CommitMode::ByKey), ("two", CommitMode::TwoPhase)]
            {
                rows.clone().to_sink(name, Keeps::new(mode), AsText { ids: true });
            }
            flow.channel_with::<Row>("again", again).to_channel("out");
        });
        let config = Checkpointing { log_epochs, ..Checkpointing::named("site") };
        let found = job.checkpoint_to(Arc::new(store()), config).check();
        let told = found.into_iter().map(|finding| (finding.code, finding.weight == Weight::Error));
        told.collect::<Vec<_>>()
    };
    let without = [("E0111", true), ("E0113", true), ("E0115", false), ("E0116", false), ("E0114", false)];
    assert_eq!(findings(false), without);
    assert_eq!(findings(true), [("E0114", false)]);
}
