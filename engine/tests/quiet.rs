//! The quiet clock: silence is noticed by ticks, and means nothing while its source is away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use support::detectors::{Alarmclock, Repeats, Silence};
use support::source::{Lines, Scripted, Step};
use support::{BY_ROWS, Gate, OpensAtEnd, Row, SOON, in_time, replayed, rest, row, settles};
use watchfire_engine::{Job, Key, Receiver, Running, Sender, Stream, TickSource};

const AFTER_MS: i64 = 600;

/// The host's hand on the arrival clock: a channel whose rows move it.
struct Clock {
    to: Sender<Row>,
    from: Receiver<Row>,
}

impl Clock {
    fn of(running: &mut Running) -> Self {
        Clock { to: running.sender("clock").unwrap(), from: running.receiver("clock out").unwrap() }
    }

    /// The first tick, at 0: it takes eight rows that agree.
    fn start(&self) {
        self.to.send(vec![row(0, 0, 0); 8]).unwrap();
        assert_eq!(self.from.recv().unwrap().rows.len(), 8);
    }

    /// Moves the clock, and waits until its tick has its place.
    fn advance(&self, to_ms: i64) {
        self.to.send(vec![row(to_ms, 0, 0)]).unwrap();
        assert_eq!(self.from.recv().unwrap().rows[0].at_ms, to_ms);
    }
}

fn by_key(mut rows: Vec<Row>) -> Vec<(i64, u32, i64)> {
    rows.sort();
    rows.iter().map(|r| (r.at_ms, r.key, r.value)).collect()
}

#[test]
fn a_scaled_clock_wakes_the_silent() {
    let job = Job::new(|flow| {
        flow.channel::<Row>("in")
            .key_by(|r| r.key)
            .detect("silent", Silence { after_ms: AFTER_MS })
            .out
            .to_channel("out");
    });
    let ticks = TickSource::Scaled { interval_ms: 50, start_ms: 1_000_000, speed: 50.0 };
    let mut running = job.ticks(ticks).start().unwrap();
    let sender = running.sender::<Row>("in").unwrap();
    let out = running.receiver::<Row>("out").unwrap();
    sender.send(vec![row(1_000_000, 1, 0), row(1_000_000, 2, 0)]).unwrap();
    let silent = in_time(move || (out.recv().unwrap(), out)).0;
    assert_eq!(silent.rows.len(), 2, "both at one tick");
    assert!(silent.rows.iter().all(|r| r.value >= 1_000_000 + AFTER_MS && r.at_ms == r.value));
}

/// A source that is read when the gates open, one after another.
struct Outage {
    discovered: Arc<Gate>,
    live: Arc<Gate>,
    speaks: Arc<Gate>,
    away: Arc<Gate>,
    back: Arc<Gate>,
}

impl Outage {
    fn new() -> (Self, Vec<OpensAtEnd>) {
        let gates: Vec<Arc<Gate>> = (0..5).map(|_| Arc::default()).collect();
        let outage = Outage {
            discovered: gates[0].clone(),
            live: gates[1].clone(),
            speaks: gates[2].clone(),
            away: gates[3].clone(),
            back: gates[4].clone(),
        };
        (outage, gates.into_iter().map(OpensAtEnd).collect())
    }

    /// `lost` is how the source falls silent: its connection breaks, or it says that it is behind.
    fn source(&self, lost: &Step) -> Scripted {
        let (both, one) = (Step::Rows(vec![row(0, 0, 0), row(0, 1, 0)]), |key| Step::Rows(vec![row(0, key, 0)]));
        let source = Scripted::endless(vec![(
            "a",
            vec![
                both.clone(),
                Step::Wait(self.live.clone()),
                Step::Idle,
                // A row after a change of health shows that the change has its place.
                one(9),
                Step::Wait(self.speaks.clone()),
                both,
                Step::Wait(self.away.clone()),
                lost.clone(),
                one(8),
                Step::Wait(self.back.clone()),
                Step::Idle,
                one(7),
            ],
        )]);
        source.discovery.lock().unwrap().push_back(Step::Wait(self.discovered.clone()));
        source
    }
}

/// What leaves by `out` while the source of a flow is away and comes back, and the same with any number of workers.
fn through_an_outage(
    workers: usize,
    lost: &Step,
    opened: usize,
    build: impl for<'f> Fn(Stream<'f, Row>) -> Stream<'f, Row> + Send + Sync + 'static,
) -> Vec<(i64, u32, i64)> {
    let (outage, _open) = Outage::new();
    let source = outage.source(lost);
    let of = source.clone();
    let job = Job::new(move |flow| {
        flow.channel::<Row>("clock").to_channel("clock out");
        build(flow.source("lines", of.clone(), Lines).rows).to_channel("out");
    });
    let job = job.ticks(BY_ROWS);
    let mut running = job.clone().workers(workers).record().start().unwrap();
    let clock = Clock::of(&mut running);
    let out = running.receiver::<Row>("out").unwrap();
    let read = |rows: u64| assert!(settles(|| running.metrics().sources["lines"].read == rows));
    clock.start();
    outage.discovered.open();
    read(2);
    // It has not caught up yet: what is silent now may be on its way.
    clock.advance(1_000);
    outage.live.open();
    read(3);
    clock.advance(1_500);
    clock.advance(1_600);
    outage.speaks.open();
    read(5);
    outage.away.open();
    // It is connected again, and still behind: nothing counts yet.
    read(6);
    clock.advance(50_000);
    clock.advance(90_000);
    outage.back.open();
    read(7);
    clock.advance(90_500);
    clock.advance(90_600);
    clock.advance(99_000);
    running.stop(SOON).unwrap();
    let all = rest(&out);
    assert_eq!(source.log().iter().filter(|done| matches!(done, support::source::Done::Opened(..))).count(), opened);
    let recording = running.recording().unwrap();
    for workers in 1..=4 {
        for recording in [recording.clone(), recording.recut(workers as u64, 2)] {
            // Stopped, a job says nothing of the end, but its record ends as a job does that has come to its end.
            let replayed = replayed(&job.clone().workers(workers), &recording);
            assert_eq!(replayed, all, "{workers} workers");
        }
    }
    by_key(all)
}

/// Seven rows after which keys are silent at 1,600, and again, of those that spoke before the outage, at 90,600.
const CASES: [(usize, Step, usize); 3] = [(1, Step::Retry, 2), (2, Step::Retry, 2), (1, Step::Behind, 1)];

fn silent<'f>(rows: Stream<'f, Row>, name: &str) -> Stream<'f, Row> {
    rows.key_by(|r| r.key).detect(name, Silence { after_ms: AFTER_MS }).out
}

fn passed<'f>(rows: Stream<'f, Row>, name: &str) -> Stream<'f, Row> {
    rows.key_by(|r| r.key / 2).detect(name, Repeats).out
}

#[test]
fn silence_is_frozen_while_the_source_is_away() {
    // Also of keys that are fed by what other operators emit.
    for chained in [false, true] {
        for (workers, lost, opened) in CASES {
            let all = through_an_outage(workers, &lost, opened, move |rows| match chained {
                false => silent(rows, "silent"),
                true => silent(passed(passed(rows, "one").map(|r| r), "two"), "silent"),
            });
            let expected = [(1_600, 0, 600), (1_600, 1, 600), (1_600, 9, 600)];
            assert_eq!(all[..3], expected, "after it had caught up at 1,000");
            let expected = [(90_600, 0, 1_200), (90_600, 1, 1_200), (90_600, 7, 1_200), (90_600, 8, 1_200)];
            assert_eq!(all[3..], expected, "no storm after the outage, and no silence lost");
        }
    }
}

/// What a key says because it was woken belongs to the split that fed it.
#[test]
fn silence_is_frozen_after_what_a_timer_said() {
    for (workers, lost, opened) in CASES {
        let all = through_an_outage(workers, &lost, opened, |rows| silent(silent(rows, "first"), "second"));
        // The first said at 1,600 (a quiet clock of 600) who was silent, and from there on it is silent itself.
        let expected = [(90_600, 0, 1_200), (90_600, 1, 1_200), (90_600, 9, 1_200)];
        assert_eq!(all[..3], expected);
        let later: Vec<(i64, u32)> = all[3..].iter().map(|(at_ms, key, _)| (*at_ms, *key)).collect();
        assert_eq!(later, [(99_000, 0), (99_000, 1), (99_000, 7), (99_000, 8)]);
    }
}

#[test]
fn timers_above_the_cap_are_carried_over_in_order() {
    let group = |key: &u32| key.stable_hash() >> 54;
    let mut keys: Vec<u32> = (0..).filter(|key| group(key) == 700).take(300).collect();
    let elsewhere = (0..).find(|key| group(key) == 3).unwrap();
    for workers in [1, 2] {
        let job = Job::new(|flow| {
            flow.channel::<Row>("clock").to_channel("clock out");
            let rows = flow.channel::<Row>("in");
            rows.clone().to_channel("seen");
            rows.key_by(|r| r.key).detect("silent", Silence { after_ms: AFTER_MS }).out.to_channel("out");
        });
        let mut running = job.ticks(BY_ROWS).workers(workers).start().unwrap();
        let clock = Clock::of(&mut running);
        let sender = running.sender::<Row>("in").unwrap();
        let (out, seen) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("seen").unwrap());
        clock.start();
        sender.send(keys.iter().chain([&elsewhere]).map(|key| row(0, *key, 0)).collect()).unwrap();
        assert_eq!(seen.recv().unwrap().rows.len(), 301);
        for ms in [500, 600, 700, 800] {
            clock.advance(ms);
        }
        running.stop(SOON).unwrap();
        let all = rest(&out);
        let at = |ms: i64| -> Vec<u32> { all.iter().filter(|r| r.at_ms == ms).map(|r| r.key).collect() };
        keys.sort_by_key(Key::stable_hash);
        let (mut first, expected) = (at(600), [&[elsewhere], &keys[..256]].concat());
        // What one tick causes is ordered by a part of the hash: as sets they must be the same.
        first.sort_by_key(Key::stable_hash);
        assert_eq!(first, expected, "{workers} workers: the cap holds for each group alone");
        let mut second = at(700);
        second.sort_by_key(Key::stable_hash);
        assert_eq!(second, keys[256..], "{workers} workers: the rest at the next tick");
        assert_eq!(all.len(), 301);
    }
}

/// Instants of the arrival clock come in their time, once each, also while the source is away, and whoever waits longest
/// comes first.
#[test]
fn no_outage_puts_off_an_instant_of_the_arrival_clock() {
    let mut keys: Vec<u32> = (0..).filter(|key: &u32| key.stable_hash() >> 54 == 700).take(300).collect();
    keys.sort_by_key(Key::stable_hash);
    for workers in [1, 2] {
        // The highest hash has its time first, and half of the keys change their minds.
        let mut rows: Vec<Row> = (1..).zip(keys.iter().rev()).map(|(n, key)| row(0, *key, n * 1_000)).collect();
        rows.extend(keys.iter().step_by(2).map(|key| row(0, *key, 500_000)));
        // Two keys more than may be woken at once, of which the two that come last asked last.
        let crowd: Vec<Row> = (0..258).map(|n| row(0, keys[n], if n < 2 { 900_001 } else { 900_000 })).collect();
        let source = Scripted::endless(vec![("a", vec![Step::Rows(rows), Step::Rows(crowd.clone()), Step::Retry])]);
        let of = source.clone();
        let job = Job::new(move |flow| {
            flow.channel::<Row>("clock").to_channel("clock out");
            let lines = flow.source("lines", of.clone(), Lines).rows;
            lines.clone().to_channel("seen");
            let early = lines.clone().filter(|r| r.value < 900_000).key_by(|r| r.key);
            early.detect("early", Alarmclock).out.to_channel("out");
            let crowd = lines.filter(|r| r.value >= 900_000).key_by(|r| r.key);
            crowd.detect("crowd", Alarmclock).out.to_channel("crowd out");
        });
        let mut running = job.ticks(BY_ROWS).workers(workers).start().unwrap();
        let clock = Clock::of(&mut running);
        let (out, crowd_out) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("crowd out").unwrap());
        let seen = running.receiver::<Row>("seen").unwrap();
        clock.start();
        let mut come = 0;
        while come < 708 {
            come += seen.recv().unwrap().rows.len();
        }
        (1..=300).for_each(|n| clock.advance(n * 1_000));
        [500_000, 950_000, 950_100].into_iter().for_each(|ms| clock.advance(ms));
        running.stop(SOON).unwrap();
        let all = by_key(rest(&out));
        let mut expected: Vec<(i64, u32, i64)> =
            (1..).zip(keys.iter().rev()).filter(|(n, _)| n % 2 == 1).map(|(n, key)| (n * 1_000, *key, 1)).collect();
        expected.extend(keys.iter().step_by(2).map(|key| (500_000, *key, 2)));
        expected.sort_unstable();
        assert_eq!(all, expected, "{workers} workers");
        let last: Vec<(i64, u32)> = rest(&crowd_out)[256..].iter().map(|r| (r.at_ms, r.key)).collect();
        assert_eq!(last, [(950_100, keys[0]), (950_100, keys[1])], "{workers} workers");
    }
}
