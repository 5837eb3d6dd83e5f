//! The answer does not depend on batches, epochs or workers: raw outputs are equal row by row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::Config;
use support::detectors::{Memory, Silence, Tally};
use support::{BY_ROWS, Row, SOON, recorded, replayed, rest, row, settles};
use watchfire_engine::{EventTime, Flow, Job, Key, Recording, Stream, TickSource};

const BOUNDS: EventTime = EventTime {
    disorder_ms: 300,
    max_skew_ms: 60_000,
    on_skew: watchfire_engine::OnSkew::Divert,
    clock_wrong_after: 5,
};

/// Ticks by which the gaps between some rows are jumps that others must confirm.
const JUMPY: TickSource = TickSource::FromEvents { interval_ms: 100, max_jump_ms: 300 };

#[derive(Clone, Debug)]
enum Op {
    Map(i64),
    Filter(i64),
    FilterMap(i64),
    FlatMap(i64),
    /// With channel `b`.
    UnionOther,
    /// With itself.
    UnionSelf,
    /// With itself, changed.
    UnionChanged,
    /// With a keyed operator over channel `b` alone: ticks cause rows on both sides.
    UnionKeyed,
    Keyed(u32),
}

impl Op {
    fn words(&self) -> usize {
        match self {
            Op::Map(_) | Op::Filter(_) | Op::FilterMap(_) => 0,
            Op::FlatMap(_) | Op::UnionOther | Op::UnionSelf | Op::UnionChanged => 1,
            Op::UnionKeyed => 3,
            Op::Keyed(_) => 2,
        }
    }
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        (2i64..5).prop_map(Op::Map),
        (2i64..5).prop_map(Op::Filter),
        (2i64..5).prop_map(Op::FilterMap),
        (2i64..4).prop_map(Op::FlatMap),
        Just(Op::UnionOther),
        Just(Op::UnionSelf),
        Just(Op::UnionChanged),
        Just(Op::UnionKeyed),
        (1u32..8).prop_map(Op::Keyed),
        (1u32..8).prop_map(Op::Keyed),
    ];
    prop::collection::vec(op, 1..8).prop_map(|all| {
        let mut words = 0;
        all.into_iter()
            .take_while(|op| {
                words += op.words();
                words <= 10
            })
            .collect()
    })
}

fn tally(n: usize) -> Tally {
    Tally { close_after_ms: 200 + 70 * n as i64, quiet_after_ms: 400 + 30 * n as i64 }
}

fn keyed<'f>(rows: Stream<'f, Row>, keys: u32, name: &str, n: usize) -> Stream<'f, Row> {
    rows.key_by(move |r| r.key % keys).event_time(BOUNDS).detect(name, tally(n)).out
}

fn build(flow: &Flow<'_>, ops: &[Op]) {
    let (mut rows, b) = (flow.channel::<Row>("in"), flow.channel::<Row>("b"));
    for (n, op) in ops.iter().enumerate() {
        let name = format!("op {n}");
        rows = match op.clone() {
            Op::Map(m) => rows.map(move |r| Row { value: r.value + m, ..r }),
            Op::Filter(m) => rows.filter(move |r| r.value % m != 0),
            Op::FilterMap(m) => rows.filter_map(move |r| (r.value % m != 1).then(|| Row { key: r.key + 1, ..r })),
            Op::FlatMap(m) => {
                rows.flat_map(move |r| (0..r.value.rem_euclid(m)).map(move |n| Row { value: r.value + n, ..r }))
            }
            Op::UnionOther => rows.union(b.clone()),
            Op::UnionSelf => rows.clone().union(rows),
            Op::UnionChanged => rows.clone().union(rows.map(|r| Row { key: r.key + 2, value: r.value + 1, ..r })),
            Op::UnionKeyed => rows.union(keyed(b.clone(), 3, &format!("{name} b"), n)),
            Op::Keyed(keys) => keyed(rows, keys, &name, n),
        };
    }
    rows.to_channel("out");
}

/// Rows whose event times mostly rise, with jitter and gaps.
fn draw(seeds: &[(u16, u8)]) -> Vec<Row> {
    let mut at_ms = 0;
    let each = seeds.iter().map(|(seed, key)| {
        at_ms += i64::from(seed % 97) + if seed % 41 == 0 { 700 } else { 0 };
        row(at_ms - i64::from(seed % 13) * 20, u32::from(*key), i64::from(*seed))
    });
    each.collect()
}

/// Runs a job live on two channels, sending by turns, and returns what left and the recording.
fn live(job: &Job, a: &[Row], b: &[Row], cut: usize) -> (Vec<Row>, Recording) {
    let mut running = job.clone().record().start().unwrap();
    let (to_a, to_b) = (running.sender::<Row>("in").unwrap(), running.sender::<Row>("b").unwrap());
    let out = running.receiver::<Row>("out").unwrap();
    let reading = std::thread::spawn(move || rest(&out));
    let (mut a, mut b) = (a.chunks(cut), b.chunks(cut + 3));
    loop {
        let (x, y) = (a.next(), b.next());
        if let Some(x) = x {
            to_a.send(x.to_vec()).unwrap();
        }
        if let Some(y) = y {
            to_b.send(y.to_vec()).unwrap();
        }
        if x.is_none() && y.is_none() {
            break;
        }
    }
    drop((to_a, to_b));
    running.wait().unwrap();
    (reading.join().unwrap(), running.recording().unwrap())
}

proptest! {
    #![proptest_config(Config { cases: 32, failure_persistence: None, ..Config::default() })]

    #[test]
    fn raw_outputs_do_not_depend_on_workers_or_cuts(
        ops in ops(),
        a in prop::collection::vec((any::<u16>(), 0u8..6), 20..120),
        b in prop::collection::vec((any::<u16>(), 0u8..6), 0..60),
        cut in 1usize..40,
        seed in any::<u64>(),
        jumps in any::<bool>(),
    ) {
        let of = ops.clone();
        let job = Job::new(move |flow| build(flow, &of)).ticks(if jumps { JUMPY } else { BY_ROWS });
        let (a, b) = (draw(&a), draw(&b));
        let (left, recording) = live(&job, &a, &b, cut);
        prop_assert_eq!(recording.rows(), a.len() + b.len());
        for workers in 1..=4 {
            let job = job.clone().workers(workers);
            prop_assert_eq!(&replayed(&job, &recording), &left, "{} workers", workers);
            let recut = recording.recut(seed ^ workers as u64, 1 + seed % 9);
            prop_assert_eq!(&replayed(&job, &recut), &left, "{} workers, recut", workers);
        }
        // A live run on several workers, in epochs of one row, is what its own recording says.
        let small = job.clone().workers(3).epoch_rows_max(1).epochs_in_flight_max(1 + seed % 3);
        let (left, recording) = live(&small, &a, &b, cut + 5);
        prop_assert_eq!(&replayed(&job, &recording), &left);
    }
}

#[test]
fn every_row_a_cut_gives_the_same() {
    let job =
        Job::new(|flow| build(flow, &[Op::FlatMap(3), Op::Keyed(5), Op::UnionSelf, Op::Keyed(2), Op::UnionKeyed]));
    let job = job.ticks(BY_ROWS);
    let rows = draw(&(0..200u16).map(|n| (n * 37, (n % 6) as u8)).collect::<Vec<_>>());
    let (left, recording) = live(&job, &rows, &rows[..80], 11);
    assert!(left.len() > 200, "{} rows left", left.len());
    let every_row = recording.recut(3, 1);
    assert!(every_row.epochs() >= 280, "{}", every_row.epochs());
    assert!(recording.recut(3, u64::MAX).epochs() < 3);
    for workers in 1..=4 {
        let job = job.clone().workers(workers);
        assert_eq!(replayed(&job, &every_row), left);
        assert_eq!(replayed(&job.epochs_in_flight_max(1), &recording.recut(3, u64::MAX)), left);
    }
}

/// The rows of one channel alone decide, however epochs are bounded: also live.
#[test]
fn epochs_may_be_bounded_in_any_way() {
    let job = Job::new(|flow| {
        let rows = keyed(flow.channel::<Row>("in").flat_map(|r| [r.clone(), r]), 5, "one", 1);
        keyed(rows, 3, "two", 2).to_channel("out");
    });
    let all = draw(&(0..300u16).map(|n| (n * 53, (n % 7) as u8)).collect::<Vec<_>>());
    let batches = |cut: usize| all.chunks(cut).map(<[Row]>::to_vec).collect::<Vec<_>>();
    for ticks in [BY_ROWS, JUMPY] {
        let job = job.clone().ticks(ticks);
        let (left, _) = recorded(&job, batches(300));
        assert!(left.len() > 100, "{} rows left", left.len());
        for (rows_max, in_flight, cut, workers) in [
            (1, 8, 10, 1),
            (1, 1, 300, 2),
            (1, 64, 1, 3),
            (1 << 40, 1, 7, 2),
            (1 << 40, 1 << 40, 300, 4),
            (17, 2, 5, 4),
        ] {
            let job = job.clone().epoch_rows_max(rows_max).epochs_in_flight_max(in_flight).workers(workers);
            assert_eq!(recorded(&job, batches(cut)).0, left, "{rows_max} {in_flight} {cut} {workers}");
        }
    }
}

/// Two operators that one tick wakes say what they say in one place: the order of the union decides.
#[test]
fn what_one_tick_causes_on_both_sides_of_a_union_is_told_apart() {
    for left_first in [true, false] {
        let job = Job::new(move |flow| {
            let side = |channel: &str, mark: i64| {
                let keyed = flow.channel::<Row>(channel).key_by(|r| r.key);
                let silent = keyed.detect(&format!("{channel} silent"), Silence { after_ms: 300 }).out;
                silent.map(move |r| Row { value: mark, ..r })
            };
            let (left, right) = (side("in", 1), side("b", 2));
            if left_first { left.union(right) } else { right.union(left) }.to_channel("out");
        });
        let job = job.ticks(BY_ROWS);
        let mut running = job.clone().record().start().unwrap();
        let ends = ["in", "b"].map(|name| running.sender::<Row>(name).unwrap());
        let out = running.receiver::<Row>("out").unwrap();
        ends.iter().for_each(|end| end.send((0..50).map(|key| row(0, key, 0)).collect()).unwrap());
        assert!(settles(|| running.metrics().sources.values().all(|source| source.read == 50)));
        ends[0].send((1..8).map(|n| row(n * 100, 99, 0)).collect()).unwrap();
        drop(ends);
        running.wait().unwrap();
        let (left, recording) = (rest(&out), running.recording().unwrap());
        let mut expected: Vec<u32> = (0..50).collect();
        expected.sort_by_key(|key| key.stable_hash() >> 32);
        let marks = if left_first { [1, 2] } else { [2, 1] };
        let expected: Vec<(u32, i64)> = expected.iter().flat_map(|key| marks.map(|mark| (*key, mark))).collect();
        let pairs = |rows: &[Row]| rows.iter().map(|r| (r.key, r.value)).collect::<Vec<_>>();
        assert_eq!(pairs(&left), expected);
        for workers in 1..=4 {
            assert_eq!(replayed(&job.clone().workers(workers), &recording), left, "{workers} workers");
        }
    }
}

/// A slow, plain account of what a keyed operator does: one row or tick after another, each key in a map.
struct Plain {
    keys: u32,
    tally: Tally,
    arrival_ms: i64,
    states: BTreeMap<u32, PlainKey>,
}

struct PlainKey {
    memory: Memory,
    latest_ms: i64,
    due_event_ms: i64,
    due_quiet_ms: i64,
    due_arrival_ms: i64,
}

impl Plain {
    fn new(keys: u32, n: usize) -> Self {
        Plain { keys, tally: tally(n), arrival_ms: i64::MIN, states: BTreeMap::new() }
    }

    fn row(&mut self, r: &Row) -> Vec<Row> {
        let (key, mut out) = (r.key % self.keys, Vec::new());
        let memory = Memory::default();
        let (due_event_ms, due_quiet_ms, due_arrival_ms) = (i64::MAX, i64::MAX, i64::MAX);
        let new = PlainKey { memory, latest_ms: i64::MIN, due_event_ms, due_quiet_ms, due_arrival_ms };
        let s = self.states.entry(key).or_insert(new);
        if r.at_ms > s.latest_ms {
            s.latest_ms = r.at_ms;
            if r.at_ms - BOUNDS.disorder_ms >= s.due_event_ms {
                s.due_event_ms = i64::MAX;
                s.memory.mixed = (s.memory.mixed * 7 - 1) & 0xFFFF_FFFF;
                out.push(row(r.at_ms, key, -s.memory.mixed));
            }
        }
        s.memory.rows += 1;
        s.memory.mixed = (s.memory.mixed * 31 + r.value) & 0xFFFF_FFFF;
        s.memory.last_ms = self.arrival_ms;
        out.extend((0..s.memory.mixed % 3).map(|n| row(r.at_ms, key, s.memory.mixed + n)));
        s.due_event_ms = s.due_event_ms.min(r.at_ms + self.tally.close_after_ms);
        if self.arrival_ms != i64::MIN {
            s.due_quiet_ms = s.due_quiet_ms.min(self.arrival_ms + self.tally.quiet_after_ms);
            if r.value % 4 == 0 {
                s.memory.at_ms = self.arrival_ms + self.tally.quiet_after_ms / 2;
                s.due_arrival_ms = s.due_arrival_ms.min(s.memory.at_ms);
            }
        }
        out
    }

    fn tick(&mut self, arrival_ms: i64) -> Vec<Row> {
        self.arrival_ms = arrival_ms;
        let mut fired = Vec::new();
        for (key, s) in self.states.iter_mut().filter(|(_, s)| s.due_quiet_ms <= arrival_ms) {
            s.due_quiet_ms = i64::MAX;
            let due_ms = s.memory.last_ms.saturating_add(self.tally.quiet_after_ms);
            if arrival_ms < due_ms {
                s.due_quiet_ms = due_ms;
            } else {
                s.memory.mixed = (s.memory.mixed * 5 + 3) & 0xFFFF_FFFF;
                fired.push((key.stable_hash() >> 32, row(s.latest_ms, *key, -3 * s.memory.mixed)));
            }
        }
        for (key, s) in self.states.iter_mut().filter(|(_, s)| s.due_arrival_ms <= arrival_ms) {
            s.due_arrival_ms = i64::MAX;
            if arrival_ms < s.memory.at_ms {
                s.due_arrival_ms = s.memory.at_ms;
            } else if std::mem::take(&mut s.memory.at_ms) != 0 {
                s.memory.mixed = (s.memory.mixed * 3 + 7) & 0xFFFF_FFFF;
                fired.push((key.stable_hash() >> 32, row(s.latest_ms, *key, -4 * s.memory.mixed)));
            }
        }
        // What a key says on its quiet clock comes before what it says on the arrival clock.
        fired.sort_by_key(|(hash, _)| *hash);
        fired.into_iter().map(|(_, r)| r).collect()
    }
}

/// The tick before row `n`, by its description: the first is the least of eight rows, then there is one at every 100 ms
/// that is passed.
fn tick_before(rows: &[Row], n: usize, last_ms: &mut Option<i64>) -> Option<i64> {
    let least_ms = rows[..8].iter().map(|r| r.at_ms).min()?;
    let latest_ms = if last_ms.is_none() { least_ms } else { rows[..=n].iter().map(|r| r.at_ms).max()? };
    let tick_ms = latest_ms - latest_ms.rem_euclid(100);
    if last_ms.is_some_and(|last| tick_ms <= last) {
        return None;
    }
    *last_ms = Some(tick_ms);
    Some(tick_ms)
}

#[test]
fn the_order_is_that_of_a_plain_account() {
    let job = Job::new(|flow| {
        let doubled =
            flow.channel::<Row>("in").flat_map(|r| (0..r.value % 3).map(move |n| Row { value: r.value + n, ..r }));
        keyed(keyed(doubled, 5, "one", 1), 3, "two", 2).to_channel("out");
    });
    let rows = draw(&(0..400u16).map(|n| (n.wrapping_mul(7_919), (n * 31 % 6) as u8)).collect::<Vec<_>>());
    let (mut one, mut two, mut last_ms) = (Plain::new(5, 1), Plain::new(3, 2), None);
    let mut expected = Vec::new();
    for (n, r) in rows.iter().enumerate() {
        while let Some(tick_ms) = tick_before(&rows, n, &mut last_ms) {
            let made = one.tick(tick_ms);
            expected.extend(two.tick(tick_ms));
            made.iter().for_each(|r| expected.extend(two.row(r)));
        }
        for more in 0..r.value % 3 {
            let made = one.row(&Row { value: r.value + more, ..r.clone() });
            made.iter().for_each(|r| expected.extend(two.row(r)));
        }
    }
    assert!(expected.len() > 200 && expected.iter().any(|r| r.value < 0), "{} rows", expected.len());
    for workers in 1..=4 {
        for cut in [400, 13, 1] {
            let mut running = job.clone().ticks(BY_ROWS).workers(workers).start().unwrap();
            let sender = running.sender::<Row>("in").unwrap();
            let out = running.receiver::<Row>("out").unwrap();
            rows.chunks(cut).for_each(|batch| sender.send(batch.to_vec()).unwrap());
            // Stopped, not drained: the account says nothing of the end.
            running.stop(SOON).unwrap();
            assert_eq!(rest(&out), expected, "{workers} workers, batches of {cut}");
        }
    }
}
