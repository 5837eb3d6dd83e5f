//! Sequences in flows against a plain look at all rows: whatever order rows came in, however they were cut, and wherever a job was killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use support::draw::{provisional, shuffled, walks};
use support::log::{self, Log, Said, all_ways};
use support::{Reading as Row, Seen, cases, readings};
use watchfire_engine::{Change, Compose, Job, Timed};
use watchfire_operators::detect::InOrder;
use watchfire_operators::pattern::{Found, Matched, Sequence, Steps};
use watchfire_operators::window::Close;

type Out = Change<Found<u32, Row>>;

/// What is looked for, in words that both understand.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Each step holds for values that leave this by three.
    steps: [i64; 3],
    count: usize,
    /// Before this step no value that divides by five.
    without: Option<usize>,
    /// No value that divides by four for so long after the last.
    absent_ms: Option<i64>,
    within_ms: i64,
    gap_max_ms: i64,
    strict: bool,
    apart: bool,
}

fn plans() -> impl Strategy<Value = Plan> {
    let ways = (prop::option::of(1_usize..3), prop::option::of(1_i64..3_000), any::<bool>(), any::<bool>());
    let times = (200_i64..6_000, prop_oneof![Just(i64::MAX), 0_i64..900]);
    (prop::array::uniform3(0_i64..3), 1_usize..=3, ways, times).prop_map(
        |(steps, count, (without, absent_ms, strict, apart), (within_ms, gap_max_ms))| {
            let without = without.filter(|at| *at < count);
            Plan { steps, count, without, absent_ms, within_ms, gap_max_ms, strict, apart }
        },
    )
}

impl Plan {
    fn is(self, step: usize, row: &Row) -> bool {
        row.value.rem_euclid(3) == self.steps[step]
    }

    fn sequence(self, close: Close) -> Sequence<u32, Row, fn(&Row) -> u32> {
        let mut steps = Steps::new().within_ms(self.within_ms).gap_max_ms(self.gap_max_ms);
        for step in 0..self.count {
            if self.without == Some(step) {
                steps = steps.without("fifth", |row: &Row| row.value % 5 == 0);
            }
            steps = steps.step(format!("step {step}"), move |row: &Row| self.is(step, row));
        }
        if let Some(absent_ms) = self.absent_ms {
            steps = steps.absent("fourth", absent_ms, |row: &Row| row.value % 4 == 0);
        }
        steps = if self.strict { steps.strictly() } else { steps };
        steps = if self.apart { steps.apart() } else { steps };
        Sequence::new(steps, (|row| row.id) as fn(&Row) -> u32).unwrap().close(close).matches_max(usize::MAX)
    }

    fn job(self, disorder_ms: i64, close: Close) -> Job {
        log::job(disorder_ms, move || self.sequence(close))
    }

    /// The match that begins with a row of all rows of a key in order, as numbers of rows, and when it is known.
    fn from(self, rows: &[Row], first: usize) -> Option<(i64, Vec<usize>)> {
        let mut of = vec![first];
        if !self.is(0, &rows[first]) {
            return None;
        }
        while of.len() < self.count {
            let (step, last) = (of.len(), of[of.len() - 1]);
            let mut after = last + 1..rows.len();
            let next = after.find(|at| self.strict || self.is(step, &rows[*at]))?;
            let between = || (last + 1..next).any(|at| rows[at].value % 5 == 0);
            let in_time = rows[next].at_ms - rows[first].at_ms <= self.within_ms
                && rows[next].at_ms - rows[last].at_ms <= self.gap_max_ms;
            if !self.is(step, &rows[next]) || !in_time || (self.without == Some(step) && between()) {
                return None;
            }
            of.push(next);
        }
        let last = of[of.len() - 1];
        let Some(absent_ms) = self.absent_ms else { return Some((rows[last].at_ms, of)) };
        let until_ms = rows[last].at_ms + absent_ms;
        let comes = rows[last + 1..].iter().any(|row| row.at_ms <= until_ms && row.value % 4 == 0);
        (!comes).then_some((until_ms, of))
    }

    /// All matches over these rows of a key, in any order, as they are known one after another.
    fn matches(self, rows: &[Row]) -> Vec<Found<u32, Row>> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| (row.at_ms, row.id));
        let mut all: Vec<(i64, Vec<usize>)> = (0..rows.len()).filter_map(|first| self.from(&rows, first)).collect();
        // Without anything absent it is known with its last row.
        all.sort_by_key(|(at_ms, of)| (*at_ms, if self.absent_ms.is_none() { of[of.len() - 1] } else { 0 }, of[0]));
        let mut taken: Vec<(i64, Vec<usize>)> = Vec::new();
        for (at_ms, of) in all {
            if !self.apart || taken.iter().all(|(_, other)| of[0] > other[other.len() - 1]) {
                taken.push((at_ms, of));
            }
        }
        let found = |(at_ms, of): (i64, Vec<usize>)| {
            Found::Match(Matched { key: rows[of[0]].key, at_ms, rows: of.iter().map(|at| rows[*at]).collect() })
        };
        taken.into_iter().map(found).collect()
    }
}

/// The rows of a key that counted: neither late nor repeated.
fn counted(said: &Said<Out>, key: u32) -> Vec<Row> {
    let late: BTreeSet<u32> = said.late.iter().map(|late| late.row.id).collect();
    let mut rows = said.rows();
    rows.retain(|row| row.key == key && !late.contains(&row.id));
    rows
}

fn key_of(change: &Out) -> u32 {
    let (Found::Match(of) | Found::Dropped(of)) = change.row();
    of.key
}

fn of_key(said: &Said<Out>, key: u32) -> Vec<Out> {
    said.told().into_iter().filter(|change| key_of(change) == key).cloned().collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn order_within_the_bound_cuts_and_crashes_change_nothing(
        rows in walks(), plan in plans(), disorder_ms in 0_i64..3_000, delays in prop::collection::vec(0_i64..3_000, 1..20), seed in 0_u64..1_000,
    ) {
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| (row.at_ms, row.id));
        let straight = all_ways::<Out>(&plan.job(disorder_ms, Close::Final), &sorted, seed);
        let arrived = all_ways::<Out>(&plan.job(disorder_ms, Close::Final), &shuffled(&sorted, disorder_ms, &delays), seed + 1);
        prop_assert!(straight.late.is_empty() && arrived.late.is_empty());
        for key in 0..3 {
            let rows: Vec<Row> = sorted.iter().filter(|row| row.key == key).copied().collect();
            let expected: Vec<Out> = plan.matches(&rows).into_iter().map(Change::Insert).collect();
            prop_assert_eq!(&of_key(&straight, key), &expected);
            prop_assert_eq!(&of_key(&arrived, key), &expected);
        }
        prop_assert!(at_their_time(&arrived, plan, disorder_ms));
    }

    #[test]
    fn what_holds_in_the_end_is_what_all_rows_that_counted_say(
        rows in walks(), plan in plans(), disorder_ms in 0_i64..1_000,
        close in prop_oneof![1 => Just(Close::Final), 2 => (0_i64..4_000).prop_map(|max_ms| Close::Hold { max_ms }), 4 => provisional()], seed in 0_u64..1_000,
    ) {
        let said = all_ways::<Out>(&plan.job(disorder_ms, close), &rows, seed);
        let lateness_ms = if let Close::Provisional { allowed_lateness_ms, .. } = close { allowed_lateness_ms } else { 0 };
        for late in &said.late {
            let is_late = late.row.at_ms < late.watermark_ms.saturating_sub(lateness_ms);
            prop_assert!(is_late || matches!(close, Close::Hold { .. }), "{late:?}");
        }
        for key in 0..3 {
            let expected = plan.matches(&counted(&said, key));
            let changes = of_key(&said, key);
            if !matches!(close, Close::Provisional { .. }) {
                prop_assert_eq!(changes, expected.into_iter().map(Change::Insert).collect::<Vec<Out>>());
                continue;
            }
            let mut shown = BTreeSet::new();
            for change in &changes {
                match change {
                    Change::Insert(found) => prop_assert!(shown.insert(found.clone()), "twice: {found:?}"),
                    Change::Retract(found) => prop_assert!(shown.remove(found), "never told: {found:?}"),
                }
            }
            prop_assert_eq!(shown, expected.into_iter().collect::<BTreeSet<_>>());
        }
    }

    /// What puts rows in order may stand before it.
    #[test]
    fn rows_that_were_put_in_order_before_say_the_same(rows in walks(), plan in plans(), delays in prop::collection::vec(0_i64..900, 1..20)) {
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| (row.at_ms, row.id));
        let build = move |flow: &watchfire_engine::Flow<'_>| {
            let bounds = watchfire_engine::EventTime { disorder_ms: 900, max_skew_ms: i64::MAX, ..Default::default() };
            let rows = flow.channel::<Row>("rows").key_by(|row| row.key).event_time(bounds);
            let in_order = InOrder::new(|row: &Row| row.id).quiet_ms(1_000_000);
            let (_, found) = rows.detect("both", in_order.then(plan.sequence(Close::Final))).out;
            found.to_channel_with("found", support::ROOM);
        };
        let mut running = Job::new(build).ticks(watchfire_engine::TickSource::FROM_EVENTS).start().unwrap();
        running.sender::<Row>("rows").unwrap().send(shuffled(&sorted, 900, &delays)).unwrap();
        let mut found = BTreeMap::<u32, Vec<Out>>::new();
        for change in running.receiver::<Out>("found").unwrap().rows() {
            found.entry(key_of(&change)).or_default().push(change);
        }
        running.wait().unwrap();
        for key in 0..3 {
            let rows: Vec<Row> = sorted.iter().filter(|row| row.key == key).copied().collect();
            let expected: Vec<Out> = plan.matches(&rows).into_iter().map(Change::Insert).collect();
            prop_assert_eq!(found.remove(&key).unwrap_or_default(), expected);
        }
    }
}

/// Each match is told with the row whose watermark passes it, and not before.
fn at_their_time(said: &Said<Out>, plan: Plan, disorder_ms: i64) -> bool {
    (0..3).all(|key| {
        let (mut rows, mut told, mut watermark_ms) = (Vec::<Row>::new(), 0, i64::MIN);
        for entry in &said.log {
            match entry {
                Log::Row(row) if row.key == key => {
                    let passed: Vec<Row> = rows.iter().filter(|row| row.at_ms < watermark_ms).copied().collect();
                    let known = plan.matches(&passed);
                    if told != known.iter().filter(|found| found.event_time_ms() < watermark_ms).count() {
                        return false;
                    }
                    rows.push(*row);
                    watermark_ms = watermark_ms.max(row.at_ms - disorder_ms);
                }
                Log::Told(change) if key_of(change) == key => told += 1,
                _ => {}
            }
        }
        true
    })
}

const LIT: Plan = Plan {
    steps: [1, 0, 0],
    count: 1,
    without: None,
    absent_ms: Some(5_000),
    within_ms: 1,
    gap_max_ms: i64::MAX,
    strict: false,
    apart: false,
};

/// Rows of key 1 by time and value, then another key that keeps the clock going.
fn rows_and_clock(of: &[(i64, i64)], until_s: i64) -> Vec<Row> {
    let row = |(id, (at_ms, value)): (usize, &(i64, i64))| Row { key: 1, at_ms: *at_ms, value: *value, id: id as u32 };
    let mut rows: Vec<Row> = of.iter().enumerate().map(row).collect();
    let clock = readings(2, &(0..until_s).map(|n| n * 1_000).collect::<Vec<_>>());
    rows.extend(clock.iter().map(|row| Row { value: 2, id: row.id + 1_000, ..*row }));
    rows.sort_by_key(|row| row.at_ms);
    rows
}

/// When, by the clock, a change of key 1 was told.
fn told_at(said: &Said<Out>) -> Vec<(i64, Out)> {
    let (mut now, mut all) = (0, Vec::new());
    for entry in &said.log {
        match entry {
            Log::Clock(Seen::Tick(ms)) => now = *ms,
            Log::Told(change) => all.push((now, change.clone())),
            _ => {}
        }
    }
    all
}

#[test]
fn what_is_absent_of_a_key_that_falls_silent_is_told_by_the_policy() {
    let rows = rows_and_clock(&[(10_000, 1), (12_000, 2)], 40);
    // Nobody moves the watermark of a silent key: it is told at the end.
    let last = all_ways::<Out>(&LIT.job(1_000, Close::Final), &rows, 1);
    assert_eq!(told_at(&last).iter().map(|(at_ms, _)| *at_ms).collect::<Vec<_>>(), [39_000]);
    // Three seconds of patience after the last row, and three more until the time is over.
    let hold = all_ways::<Out>(&LIT.job(1_000, Close::Hold { max_ms: 3_000 }), &rows, 2);
    let told = told_at(&hold);
    assert!(told.len() == 1 && (18_000..=19_000).contains(&told[0].0), "{told:?}");
    assert_eq!(told[0].1.row().event_time_ms(), 15_000);
}

#[test]
fn what_was_offline_and_comes_in_order_is_not_late() {
    let plan = Plan { steps: [1, 2, 0], count: 2, absent_ms: None, within_ms: 5_000, ..LIT };
    let stored =
        [(13_000, 1), (15_000, 2), (17_000, 1)].map(|(at_ms, value)| Row { key: 1, at_ms, value, id: at_ms as u32 });
    let mut rows = rows_and_clock(&[(10_000, 1), (11_000, 3)], 60);
    let at = rows.iter().position(|row| row.at_ms == 50_000).unwrap();
    rows.splice(at..at, stored);
    let provisional = Close::Provisional { after_quiet_ms: 2_000, every_ms: 0, allowed_lateness_ms: 0 };
    for close in [Close::Final, Close::Hold { max_ms: 2_000 }, provisional] {
        let said = all_ways::<Out>(&plan.job(1_000, close), &rows, 8);
        let told: Vec<i64> = of_key(&said, 1).iter().map(Timed::event_time_ms).collect();
        assert_eq!((told, said.late.len()), (vec![15_000, 15_000], 0), "{close:?}");
    }
}

#[test]
fn what_comes_late_takes_a_match_back() {
    let close = Close::Provisional { after_quiet_ms: 60_000, every_ms: 0, allowed_lateness_ms: 20_000 };
    let mut rows = rows_and_clock(&[(10_000, 1), (17_000, 2)], 40);
    // What was awaited happened in time, and is heard of late.
    let late = Row { key: 1, at_ms: 14_000, value: 8, id: 77 };
    let at = rows.iter().position(|row| row.at_ms == 25_000).unwrap();
    rows.insert(at, late);
    let said = all_ways::<Out>(&LIT.job(1_000, close), &rows, 3);
    let changes: Vec<Out> = of_key(&said, 1);
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(Change::consolidate(changes.clone()), []);
    assert!(matches!(changes[0], Change::Insert(_)));
    // Too late for `Final`.
    let last = all_ways::<Out>(&LIT.job(1_000, Close::Final), &rows, 4);
    assert_eq!((of_key(&last, 1).len(), last.late.len()), (1, 1));
}

#[test]
fn what_begins_too_often_is_given_up_and_told() {
    let plan = Plan { steps: [1, 2, 0], count: 2, absent_ms: None, within_ms: 60_000, ..LIT };
    let rows: Vec<Row> = rows_and_clock(&[(1_000, 1), (2_000, 1), (3_000, 1), (4_000, 2), (4_000, 2)], 1);
    let said = all_ways::<Out>(&log::job(0, move || plan.sequence(Close::Final).matches_max(2)), &rows, 5);
    let told: Vec<(bool, i64, usize)> = of_key(&said, 1)
        .iter()
        .map(|change| match change.row() {
            Found::Match(of) => (true, of.at_ms, of.rows.len()),
            Found::Dropped(of) => (false, of.at_ms, of.rows.len()),
        })
        .collect();
    assert_eq!(told, [(false, 3_000, 1), (true, 4_000, 2), (true, 4_000, 2)]);
}

#[test]
fn what_comes_twice_counts_once_and_no_more_is_held_than_may_be() {
    let plan = Plan { steps: [1, 1, 0], count: 2, absent_ms: None, within_ms: 60_000, ..LIT };
    let mut rows = rows_and_clock(&[(5_000, 1), (4_000, 1), (3_000, 1)], 1);
    rows.retain(|row| row.key == 1);
    rows.sort_by_key(|row| std::cmp::Reverse(row.at_ms));
    rows.insert(1, rows[0]);
    let said = all_ways::<Out>(&plan.job(10_000, Close::Final), &rows, 6);
    assert_eq!((said.duplicates, of_key(&said, 1).len(), said.late.len()), (1, 2, 0));
    // Of two rows the older one is settled at once, and what is older yet is late.
    let said = all_ways::<Out>(&log::job(10_000, move || plan.sequence(Close::Final).held_max(1)), &rows, 7);
    assert_eq!((of_key(&said, 1).len(), said.late.len()), (1, 1));
}
