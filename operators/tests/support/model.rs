//! What tumbling and sliding windows must do, as plainly as it can be said: every window is a list of rows.

use std::collections::BTreeMap;
use std::fmt::Debug;

use watchfire_engine::{Change, Data};
use watchfire_operators::window::{Close, Span, TIME_MAX_MS, WindowRow};

use super::{Ran, Reading, Seen};

/// A window's value from its rows and those of the pane before it, both in order of arrival.
pub type Value<V> = fn(Span, &[Reading], &[Reading]) -> Option<V>;

/// What is to be modelled.
#[derive(Clone, Copy, Debug)]
pub struct Model<V> {
    pub size_ms: i64,
    pub slide_ms: i64,
    pub disorder_ms: i64,
    pub close: Close,
    /// Panes that end by the watermark take no rows.
    pub shut: bool,
    pub value: Value<V>,
}

/// The rows of a key that were taken, each with the windows it was taken into.
#[derive(Default)]
struct Taken {
    windows: BTreeMap<i64, Vec<Reading>>,
    all: Vec<Reading>,
    late: Vec<u32>,
}

impl<V: Data + Ord> Model<V> {
    fn span(&self, end_ms: i64) -> Span {
        Span { start_ms: end_ms - self.size_ms, end_ms }
    }

    fn pane_ms(&self) -> i64 {
        (1..=self.slide_ms).rev().find(|pane| self.size_ms % pane == 0 && self.slide_ms % pane == 0).unwrap()
    }

    /// The ends of the windows that hold a time.
    fn ends_of(&self, at_ms: i64) -> Vec<i64> {
        let last_start = at_ms.div_euclid(self.slide_ms) * self.slide_ms;
        let starts = (0..).map(|n| last_start - n * self.slide_ms).take_while(|start| start + self.size_ms > at_ms);
        let mut ends: Vec<i64> = starts.map(|start| start + self.size_ms).collect();
        ends.sort_unstable();
        ends
    }

    /// Takes a row into those of its windows that end after `closed_ms`.
    fn take(&self, taken: &mut Taken, row: Reading, closed_ms: i64) -> bool {
        // No time at all.
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&row.at_ms) {
            taken.late.push(row.id);
            return false;
        }
        let ends: Vec<i64> = self.ends_of(row.at_ms).into_iter().filter(|end| *end > closed_ms).collect();
        let pane_end_ms = (row.at_ms.div_euclid(self.pane_ms()) + 1) * self.pane_ms();
        if ends.is_empty() || (self.shut && pane_end_ms <= closed_ms) {
            taken.late.push(row.id);
            return false;
        }
        taken.all.push(row);
        for end in ends {
            taken.windows.entry(end).or_default().push(row);
        }
        true
    }

    fn value_of(&self, taken: &Taken, end_ms: i64) -> Option<V> {
        let span = self.span(end_ms);
        let pane = span.start_ms - self.pane_ms()..span.start_ms;
        let before: Vec<Reading> = taken.all.iter().filter(|row| pane.contains(&row.at_ms)).copied().collect();
        (self.value)(span, taken.windows.get(&end_ms)?, &before)
    }

    fn row_of(&self, taken: &Taken, key: u32, end_ms: i64) -> Option<WindowRow<u32, V>> {
        Some(WindowRow { key, span: self.span(end_ms), value: self.value_of(taken, end_ms)? })
    }

    /// The windows over the rows in any order, none of them late.
    pub fn of_all(&self, rows: &[Reading]) -> Vec<(WindowRow<u32, V>, i64)> {
        let mut by_key: BTreeMap<u32, Taken> = BTreeMap::new();
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| (row.at_ms, row.id));
        for row in rows {
            self.take(by_key.entry(row.key).or_default(), row, i64::MIN);
        }
        let mut windows = Vec::new();
        for (key, taken) in &by_key {
            windows.extend(taken.windows.keys().filter_map(|end| self.row_of(taken, *key, *end)).map(|row| (row, 1)));
        }
        windows
    }

    /// Checks every key of a run.
    pub fn check(&self, ran: &Ran<V>) {
        let keys = ran.log.iter().filter_map(|seen| if let Seen::Row(row) = seen { Some(row.key) } else { None });
        for key in keys.collect::<std::collections::BTreeSet<u32>>() {
            match self.close {
                Close::Provisional { .. } => self.check_provisional(ran, key),
                _ => self.check_once(ran, key),
            }
        }
    }

    /// `Final` and `Hold`: the changes and the late rows of a key, one by one.
    fn check_once(&self, ran: &Ran<V>, key: u32) {
        let (mut taken, mut expected) = (Taken::default(), Vec::new());
        let (mut max_ms, mut floor_ms) = (i64::MIN, i64::MIN);
        let (mut tick, mut heard): (Option<i64>, Option<Option<i64>>) = (None, None);
        let log = ran.log_of(key);
        for seen in &log {
            match seen {
                Seen::Row(row) => {
                    max_ms = max_ms.max(row.at_ms);
                    let closed_ms = (max_ms.saturating_sub(self.disorder_ms)).max(floor_ms);
                    self.emit_until(&mut taken, key, closed_ms, &mut expected);
                    if self.take(&mut taken, *row, closed_ms) {
                        heard = Some(tick);
                    }
                }
                Seen::Tick(now) => {
                    tick = Some(*now);
                    // Silence that began before the first tick is measured from there.
                    heard = heard.map(|since| since.or(tick));
                    if let (Close::Hold { max_ms }, Some(Some(since))) = (self.close, heard)
                        && now.saturating_sub(since) >= max_ms
                        && let Some(last) = taken.windows.keys().last().copied()
                    {
                        self.emit_until(&mut taken, key, last, &mut expected);
                        floor_ms = floor_ms.max(last);
                    }
                }
                Seen::Change(_) | Seen::TickBefore(_) | Seen::End => {}
            }
        }
        self.emit_until(&mut taken, key, i64::MAX, &mut expected);
        let changes: Vec<_> =
            log.into_iter().filter_map(|s| if let Seen::Change(c) = s { Some(c) } else { None }).collect();
        same(&changes, &expected, &format!("changes of key {key}"));
        same(&ran.late_of(key), &taken.late, &format!("late rows of key {key}"));
    }

    /// Emits and forgets the windows that end by `upto_ms`.
    fn emit_until(&self, taken: &mut Taken, key: u32, upto_ms: i64, expected: &mut Vec<Change<WindowRow<u32, V>>>) {
        while let Some(end) = taken.windows.keys().next().copied().filter(|end| *end <= upto_ms) {
            expected.extend(self.row_of(taken, key, end).map(Change::Insert));
            taken.windows.remove(&end);
        }
    }

    /// `Provisional`: a legal changelog that is right when it must be, and changes no more often than it may.
    fn check_provisional(&self, ran: &Ran<V>, key: u32) {
        let Close::Provisional { after_quiet_ms, every_ms, allowed_lateness_ms } = self.close else { return };
        let mut watch = Watch::default();
        let (mut max_ms, mut now, mut heard): (_, Option<i64>, Option<Option<i64>>) = (i64::MIN, None, None);
        for (cause, changes) in causes(ran.log_of(key)) {
            let emitted_ms = watch.emitted_ms;
            let corrected = watch.apply(&changes);
            match cause {
                Seen::Row(row) => {
                    max_ms = max_ms.max(row.at_ms);
                    let watermark_ms = max_ms.saturating_sub(self.disorder_ms);
                    let closed_ms = watermark_ms.saturating_sub(allowed_lateness_ms);
                    assert!(corrected.iter().all(|end| *end <= closed_ms), "{corrected:?} corrected without a tick");
                    watch.emitted_ms = emitted_ms.max(watermark_ms);
                    self.must_be_right(&watch, |end| end <= closed_ms || (emitted_ms < end && end <= watermark_ms));
                    watch.corrected = if corrected.is_empty() { watch.corrected } else { now };
                    watch.close(closed_ms);
                    if self.take(&mut watch.taken, row, closed_ms) {
                        heard = Some(now);
                    }
                }
                Seen::Tick(tick) => {
                    now = Some(tick);
                    heard = heard.map(|since| since.or(now));
                    let due = watch.corrected.is_none_or(|last| tick.saturating_sub(last) >= every_ms);
                    assert!(due || corrected.is_empty(), "corrected at {tick}, again after {:?}", watch.corrected);
                    watch.corrected = if corrected.is_empty() { watch.corrected } else { now };
                    if heard.flatten().is_some_and(|since| tick.saturating_sub(since) >= after_quiet_ms) {
                        let last_ms = watch.taken.windows.keys().last().copied().unwrap_or(i64::MIN);
                        watch.emitted_ms = emitted_ms.max(last_ms);
                    }
                    let frontier_ms = watch.emitted_ms;
                    self.must_be_right(&watch, |end| end <= frontier_ms && (due || end > emitted_ms));
                }
                Seen::End => self.must_be_right(&watch, |_| true),
                Seen::Change(_) | Seen::TickBefore(_) => panic!("a change without a cause"),
            }
            let early = watch.shown.keys().find(|end| **end > watch.emitted_ms && cause_is_not_end(&cause));
            assert_eq!(early, None, "a window was emitted before its time");
        }
        same(&ran.late_of(key), &watch.taken.late, &format!("late rows of key {key}"));
        let found: Vec<_> = ran.consolidated().into_iter().filter(|(row, _)| row.key == key).collect();
        same(&found, &self.in_the_end(ran, key, allowed_lateness_ms), &format!("what holds of key {key} in the end"));
    }

    /// The windows for which `due` holds are shown as they are.
    fn must_be_right(&self, watch: &Watch<V>, due: impl Fn(i64) -> bool) {
        for end in watch.taken.windows.keys().copied().filter(|end| due(*end)) {
            let shown = watch.shown.get(&end).map(|row| row.value.clone());
            assert_eq!(shown, self.value_of(&watch.taken, end), "the window that ends at {end}");
        }
    }

    /// The windows over all rows of a key that were not late by the allowed lateness.
    fn in_the_end(&self, ran: &Ran<V>, key: u32, lateness_ms: i64) -> Vec<(WindowRow<u32, V>, i64)> {
        let (mut taken, mut max_ms) = (Taken::default(), i64::MIN);
        for seen in ran.log_of(key) {
            if let Seen::Row(row) = seen {
                max_ms = max_ms.max(row.at_ms);
                self.take(&mut taken, row, max_ms.saturating_sub(self.disorder_ms + lateness_ms));
            }
        }
        let ends = taken.windows.keys();
        ends.filter_map(|end| self.row_of(&taken, key, *end)).map(|row| (row, 1)).collect()
    }
}

fn cause_is_not_end<V>(cause: &Seen<V>) -> bool {
    !matches!(cause, Seen::End)
}

/// What a reader of the changes knows, and what he should.
struct Watch<V> {
    taken: Taken,
    shown: BTreeMap<i64, WindowRow<u32, V>>,
    /// Windows that end by then have been emitted, or had no rows.
    emitted_ms: i64,
    /// Windows that end by then change no more.
    closed_ms: i64,
    /// The tick of the last correction.
    corrected: Option<i64>,
}

impl<V> Default for Watch<V> {
    fn default() -> Self {
        let (emitted_ms, closed_ms) = (i64::MIN, i64::MIN);
        Watch { taken: Taken::default(), shown: BTreeMap::new(), emitted_ms, closed_ms, corrected: None }
    }
}

impl<V: Data + Ord> Watch<V> {
    /// Follows changes, each of them legal. Returns the windows that were corrected.
    fn apply(&mut self, changes: &[Change<WindowRow<u32, V>>]) -> Vec<i64> {
        let mut corrected = Vec::new();
        for change in changes {
            let end = change.row().span.end_ms;
            assert!(end > self.closed_ms, "a closed window changes: {change:?}");
            match change {
                Change::Retract(row) => {
                    assert_eq!(self.shown.remove(&end).as_ref(), Some(row), "what was never inserted is retracted");
                    corrected.push(end);
                }
                Change::Insert(row) => {
                    let before = self.shown.insert(end, row.clone());
                    assert_eq!(before, None, "a window is inserted twice");
                    if end <= self.emitted_ms && corrected.last() != Some(&end) {
                        corrected.push(end);
                    }
                }
            }
        }
        let mut each = corrected.clone();
        each.dedup();
        assert_eq!(each, corrected, "a window is corrected once at a time");
        corrected
    }

    fn close(&mut self, closed_ms: i64) {
        self.closed_ms = self.closed_ms.max(closed_ms);
        self.shown.retain(|end, _| *end > closed_ms);
        self.taken.windows.retain(|end, _| *end > closed_ms);
    }
}

/// A row, a tick or the end, and the changes that it caused.
pub type Caused<V> = (Seen<V>, Vec<Change<WindowRow<u32, V>>>);

/// Each entry of a log that is not a change, with the changes that it caused.
pub fn causes<V: Clone>(log: Vec<Seen<V>>) -> Vec<Caused<V>> {
    let mut all: Vec<Caused<V>> = Vec::new();
    for seen in log {
        match seen {
            Seen::Change(change) => all.last_mut().expect("a change has a cause").1.push(change),
            cause => all.push((cause, Vec::new())),
        }
    }
    all
}

/// As `assert_eq`, with a name to what differs, from the first difference on.
pub fn same<T: PartialEq + Debug>(found: &[T], expected: &[T], what: &str) {
    if found != expected {
        let at = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
        let part = |all: &[T]| format!("{:?}", all.iter().skip(at).take(3).collect::<Vec<_>>());
        panic!("{what}, entry {at}:\n   found {}\nexpected {}", part(found), part(expected));
    }
}
