//! Merging the splits of a source into one order, for detectors that depend on the order of a key's rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::queue::Acknowledge;
use crate::checkpoint::{SaveMerge, SavedMerge};
use crate::control::{Health, Signal};
use crate::data::{row_from_bytes, row_to_bytes};
use crate::{Data, Error, Timed};

/// How the splits of a source are merged.
///
/// Rows wait until every live split's watermark has passed them, and then go on in the order (event time, split, place
/// in the split): the same order however the splits were interleaved. A row that breaks its own split's bound goes on as
/// late. Memory: the rows of `disorder_ms`, plus what the fastest split is ahead of the slowest, up to `held_rows_max`.
///
/// The merged rows count as one split: their silence is frozen while any split of the source is disconnected or behind,
/// and it ends with the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeSplits {
    /// A split's watermark is its latest event time less this. Default 5,000 ms.
    pub disorder_ms: i64,
    /// A split that was silent for so long on the arrival clock holds the others back no more. Default 10,000 ms. Of no
    /// effect with [`TickSource::FromEvents`](crate::TickSource::FromEvents), whose ticks wait with the rows: there a
    /// split holds the others back until it speaks or ends.
    pub idle_after_ms: i64,
    /// Above so many waiting rows only the splits that lag are read. Default 1,000,000.
    pub held_rows_max: usize,
}

impl Default for MergeSplits {
    fn default() -> Self {
        MergeSplits { disorder_ms: 5_000, idle_after_ms: 10_000, held_rows_max: 1_000_000 }
    }
}

pub(crate) struct Merger<T> {
    config: MergeSplits,
    /// The one split that all merged rows belong to.
    pub(crate) split: u32,
    splits: BTreeMap<u32, SplitState>,
    held: BTreeMap<(i64, u32, u64), T>,
    released_ms: i64,
    arrived: u64,
    /// What acknowledges rows that are held, in the order in which they came.
    unacknowledged: VecDeque<Unacknowledged>,
    /// Splits that are disconnected or behind.
    frozen: BTreeSet<u32>,
    ended: bool,
}

/// What acknowledges everything that came of a split until then.
struct Unacknowledged {
    split: u32,
    /// The number of the last row before those that came with it, and of the last of them.
    after: u64,
    upto: u64,
    /// So many of the rows that came with it are held.
    held: u64,
    acknowledge: Acknowledge,
}

struct SplitState {
    latest_ms: i64,
    seen_ms: i64,
}

impl<T: Timed> Merger<T> {
    pub(crate) fn new(config: MergeSplits, split: u32) -> Self {
        Merger {
            config,
            split,
            splits: BTreeMap::new(),
            held: BTreeMap::new(),
            released_ms: i64::MIN,
            arrived: 0,
            unacknowledged: VecDeque::new(),
            frozen: BTreeSet::new(),
            ended: false,
        }
    }

    /// A split has been opened: it holds the others back until it speaks, falls idle or ends.
    pub(crate) fn open(&mut self, split: u32, arrival_ms: i64) {
        self.splits.entry(split).or_insert(SplitState { latest_ms: i64::MIN, seen_ms: arrival_ms });
    }

    pub(crate) fn end(&mut self, split: u32) {
        self.splits.remove(&split);
    }

    /// The split has rows waiting, though none were taken. Whether that is news.
    pub(crate) fn seen(&mut self, split: u32, arrival_ms: i64) -> bool {
        let Some(state) = self.splits.get_mut(&split) else { return false };
        std::mem::replace(&mut state.seen_ms, arrival_ms) != arrival_ms
    }

    /// What a change in the health of one split means for the merged one: its silence counts only while all are live.
    pub(crate) fn health(&mut self, split: u32, health: Health) -> Option<Signal> {
        let before = self.frozen.is_empty();
        match health {
            Health::Frozen => self.frozen.insert(split),
            Health::Live | Health::Ended => self.frozen.remove(&split),
        };
        let health = match (before, self.frozen.is_empty()) {
            (true, false) => Health::Frozen,
            (false, true) => Health::Live,
            _ => return None,
        };
        Some(Signal::Split { split: self.split, health })
    }

    /// No split is left and none will come. Says so once.
    pub(crate) fn ended(&mut self) -> Option<Signal> {
        let told = std::mem::replace(&mut self.ended, true);
        (!told).then_some(Signal::Split { split: self.split, health: Health::Ended })
    }

    /// Whether more rows of this split are wanted now. The one that holds the others back always is.
    pub(crate) fn wants(&self, split: u32, arrival_ms: i64) -> bool {
        self.held.len() < self.config.held_rows_max
            || self.splits.get(&split).is_none_or(|s| {
                self.is_idle(s, arrival_ms)
                    || s.latest_ms <= self.low_ms(arrival_ms).saturating_add(self.config.disorder_ms)
            })
    }

    /// Takes rows of one split, and what acknowledges them; returns those that are late by the split's own bound.
    pub(crate) fn push(
        &mut self,
        split: u32,
        rows: Vec<T>,
        arrival_ms: i64,
        acknowledge: Option<Acknowledge>,
    ) -> Vec<T> {
        let before = self.arrived;
        let mut late = Vec::new();
        let state = self.splits.entry(split).or_insert(SplitState { latest_ms: i64::MIN, seen_ms: arrival_ms });
        state.seen_ms = arrival_ms;
        for row in rows {
            let event_ms = row.event_time_ms();
            let watermark_ms = state.latest_ms.saturating_sub(self.config.disorder_ms);
            if event_ms < watermark_ms || event_ms < self.released_ms {
                late.push(row);
            } else {
                state.latest_ms = state.latest_ms.max(event_ms);
                self.arrived += 1;
                self.held.insert((event_ms, split, self.arrived), row);
            }
        }
        if let Some(acknowledge) = acknowledge {
            let (after, upto) = (before, self.arrived);
            self.acknowledge_later(Unacknowledged { split, after, upto, held: upto - after, acknowledge });
        }
        late
    }

    fn acknowledge_later(&mut self, new: Unacknowledged) {
        // Where no row came with it, it stands for what came of its split since the last rows.
        let since = self.unacknowledged.iter().rposition(|before| before.held > 0).map_or(0, |at| at + 1);
        if new.held == 0
            && let Some(at) = self.unacknowledged.range(since..).position(|before| before.split == new.split)
        {
            self.unacknowledged.remove(since + at);
        }
        self.unacknowledged.push_back(new);
    }

    /// What acknowledges rows of which none is held any more, nor any that came before them.
    pub(crate) fn acknowledged(&mut self) -> impl Iterator<Item = (u32, Acknowledge)> {
        let ready = self.unacknowledged.iter().position(|each| each.held > 0).unwrap_or(self.unacknowledged.len());
        self.unacknowledged.drain(..ready).map(|each| (each.split, each.acknowledge))
    }

    /// The rows that every live split's watermark has passed; nothing if it has not moved.
    pub(crate) fn release(&mut self, arrival_ms: i64) -> Option<Vec<T>> {
        let low_ms = self.low_ms(arrival_ms);
        if low_ms <= self.released_ms {
            return None;
        }
        let rest = self.held.split_off(&(low_ms, 0, 0));
        let ready = std::mem::replace(&mut self.held, rest);
        // Where no split holds back, what was released says how far the order has come.
        let last_ms = ready.last_key_value().map(|((event_ms, _, _), _)| *event_ms);
        let released_ms = if low_ms == i64::MAX { last_ms.unwrap_or(self.released_ms) } else { low_ms };
        if std::mem::replace(&mut self.released_ms, released_ms) == released_ms && ready.is_empty() {
            return None;
        }
        for (_, _, arrived) in ready.keys() {
            let at = self.unacknowledged.partition_point(|each| each.upto < *arrived);
            if let Some(each) = self.unacknowledged.get_mut(at).filter(|each| each.after < *arrived) {
                each.held -= 1;
            }
        }
        Some(ready.into_values().collect())
    }

    /// The lowest watermark of the splits that are not idle; past the end if there are none.
    fn low_ms(&self, arrival_ms: i64) -> i64 {
        let live = self.splits.values().filter(|s| !self.is_idle(s, arrival_ms));
        live.map(|s| s.latest_ms.saturating_sub(self.config.disorder_ms)).min().unwrap_or(i64::MAX)
    }

    fn is_idle(&self, split: &SplitState, arrival_ms: i64) -> bool {
        arrival_ms != i64::MIN && split.seen_ms < arrival_ms.saturating_sub(self.config.idle_after_ms)
    }
}

impl<T: Data + Timed> Merger<T> {
    /// What it holds, to be encoded where that may take its time. O(rows held).
    pub(crate) fn remember(&self) -> SaveMerge {
        let splits = self.splits.iter().map(|(split, state)| (*split, (state.latest_ms, state.seen_ms))).collect();
        let (at, rows): (Vec<_>, Vec<T>) = self.held.iter().map(|(at, row)| (*at, row.clone())).unzip();
        let mut saved = SavedMerge {
            split: self.split,
            splits,
            frozen: self.frozen.clone(),
            released_ms: self.released_ms,
            arrived: self.arrived,
            ended: self.ended,
            at,
            rows: Bytes::new(),
        };
        Box::new(move || {
            saved.rows = row_to_bytes(&rows)?.into();
            Ok(saved)
        })
    }

    /// Goes on from what was remembered.
    ///
    /// # Errors
    /// `E0526` if the rows cannot be read.
    pub(crate) fn resume(config: MergeSplits, saved: SavedMerge) -> Result<Self, Error> {
        let rows: Vec<T> = row_from_bytes(&saved.rows)?;
        if rows.len() != saved.at.len() {
            let what = format!("{} rows of a merge where {} were held", rows.len(), saved.at.len());
            return Err(Error::new("E0526", what).remedy("restore an undamaged checkpoint"));
        }
        let state = |(split, (latest_ms, seen_ms))| (split, SplitState { latest_ms, seen_ms });
        Ok(Merger {
            splits: saved.splits.into_iter().map(state).collect(),
            held: saved.at.into_iter().zip(rows).collect(),
            released_ms: saved.released_ms,
            arrived: saved.arrived,
            frozen: saved.frozen,
            ended: saved.ended,
            ..Merger::new(config, saved.split)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Row(i64, u32, u32);
    impl Timed for Row {
        fn event_time_ms(&self) -> i64 {
            self.0
        }
    }

    fn run(splits: &[Vec<Row>], order: &[usize]) -> (Vec<Row>, Vec<Row>) {
        let mut merger = Merger::new(MergeSplits { disorder_ms: 50, ..MergeSplits::default() }, 9);
        let mut at = vec![0; splits.len()];
        let (mut out, mut late) = (Vec::new(), Vec::new());
        (0..splits.len()).for_each(|s| merger.open(s as u32, 0));
        for pick in order.iter().copied().chain((0..splits.len()).cycle().take(1_000)) {
            let s = pick % splits.len();
            if at[s] < splits[s].len() {
                late.extend(merger.push(s as u32, vec![splits[s][at[s]].clone()], 0, None));
                at[s] += 1;
                if at[s] == splits[s].len() {
                    merger.end(s as u32);
                }
            }
            out.extend(merger.release(0).unwrap_or_default());
        }
        late.sort();
        (out, late)
    }

    #[test]
    fn a_split_that_is_held_back_is_not_idle() {
        let config = MergeSplits { disorder_ms: 50, idle_after_ms: 100, held_rows_max: 2 };
        let mut merger = Merger::new(config, 9);
        (0..2).for_each(|split| merger.open(split, 0));
        merger.push(0, vec![Row(1_000, 0, 0), Row(1_010, 0, 1)], 0, None);
        merger.push(1, vec![Row(0, 1, 0)], 0, None);
        for now_ms in (0..1_000).step_by(50) {
            assert!(!merger.wants(0, now_ms) && merger.wants(1, now_ms));
            merger.seen(0, now_ms);
            merger.push(1, vec![Row(now_ms / 10, 1, 0)], now_ms, None);
            merger.release(now_ms);
        }
        merger.push(1, vec![Row(9_000, 1, 0)], 1_000, None);
        assert!(
            merger.release(1_000).unwrap_or_default().iter().all(|row| row.1 == 1),
            "the fast split's own bound still holds it"
        );
        assert!(merger.wants(0, 1_000));
        assert_eq!(merger.push(0, vec![Row(970, 0, 2)], 1_000, None), [], "and its rows are not late");
    }

    #[test]
    fn one_frozen_split_freezes_the_merge() {
        let mut merger: Merger<Row> = Merger::new(MergeSplits::default(), 9);
        let signal = |health| Some(Signal::Split { split: 9, health });
        assert_eq!(merger.health(1, Health::Live), None);
        assert_eq!(merger.health(1, Health::Frozen), signal(Health::Frozen));
        assert_eq!(merger.health(2, Health::Frozen), None);
        assert_eq!(merger.health(1, Health::Live), None);
        assert_eq!(merger.health(2, Health::Ended), signal(Health::Live));
        assert_eq!((merger.ended(), merger.ended()), (signal(Health::Ended), None));
    }

    proptest! {
        #[test]
        fn any_interleaving_gives_one_order(
            times in prop::collection::vec(prop::collection::vec(0i64..300, 1..20), 1..4),
            order in prop::collection::vec(0usize..4, 0..80),
        ) {
            let splits: Vec<Vec<Row>> = times
                .iter()
                .enumerate()
                .map(|(s, times)| times.iter().enumerate().map(|(i, t)| Row(*t, s as u32, i as u32)).collect())
                .collect();
            let (out, late) = run(&splits, &order);
            prop_assert_eq!((&out, &late), (&run(&splits, &[]).0, &run(&splits, &[]).1));
            prop_assert!(out.is_sorted_by_key(|row| (row.0, row.1)));
            prop_assert_eq!(out.len() + late.len(), splits.iter().map(Vec::len).sum::<usize>());
        }
    }
}
