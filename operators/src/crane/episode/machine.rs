//! Points in time order in, episodes out.

use watchfire_engine::rkyv;

use super::point::{Point, Run};
use super::row::{EpisodeEnd, Found, Sums};
use crate::crane::stats::level::Level;

/// What the machine goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) enter_at: Level,
    pub(super) excess_above: Level,
    pub(super) merge_gap_ms: i64,
    pub(super) min_duration_ms: i64,
    pub(super) max_gap_ms: i64,
    pub(super) max_silence_ms: i64,
}

/// The episode under way, if any. Without one it remembers nothing, for nothing that is past can matter.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Machine(Option<Box<Draft>>);

/// An episode under way, or one that ended and may yet be joined by another.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Draft {
    start_ms: i64,
    sums: Sums,
    last: Point,
    /// The last point that says how the load is, while the episode goes on.
    last_known_ms: i64,
    /// Where its evidence ends, as far as it is known.
    evident_ms: i64,
    /// When it ended; `i64::MAX` while it goes on.
    ended_ms: i64,
    /// Time that belongs to the episode only if it goes on: unknown readings that no known one has followed, and the gap
    /// since it ended.
    then_covered_ms: i64,
    then_unknown_ms: i64,
}

impl Draft {
    fn begin(point: Point) -> Self {
        Draft {
            start_ms: point.at_ms,
            sums: Sums::begin(point),
            last: point,
            last_known_ms: point.at_ms,
            evident_ms: point.at_ms,
            ended_ms: i64::MAX,
            then_covered_ms: 0,
            then_unknown_ms: 0,
        }
    }

    fn goes_on(&self) -> bool {
        self.ended_ms == i64::MAX
    }

    /// The last point speaks until `until_ms` or for the gap.
    fn account(&mut self, until_ms: i64, rules: &Rules) {
        let for_ms = until_ms.saturating_sub(self.last.at_ms).min(rules.max_gap_ms);
        let level = self.last.says.level;
        if level == Level::UNKNOWN {
            self.then_unknown_ms += for_ms;
            return;
        }
        if !self.goes_on() {
            self.then_covered_ms += for_ms;
            return;
        }
        self.evident_ms = self.last.at_ms.saturating_add(for_ms);
        let sums = &mut self.sums;
        sums.covered_ms += for_ms;
        sums.over_ms += if level >= rules.enter_at { for_ms } else { 0 };
        match level.millionths() {
            Some(millionths) => {
                let excess = (millionths - i64::from(rules.excess_above.raw())).max(0);
                sums.ratio_ms += for_ms;
                sums.weighted = sums.weighted.saturating_add(millionths * for_ms);
                sums.excess = sums.excess.saturating_add(excess * for_ms);
            }
            None => sums.beyond_ms += for_ms,
        }
    }

    /// What would belong to the episode if it went on does.
    fn confirm(&mut self) {
        self.sums.covered_ms += std::mem::take(&mut self.then_covered_ms);
        self.sums.unknown_ms += std::mem::take(&mut self.then_unknown_ms);
    }

    fn read(&mut self, point: Point) {
        self.last_known_ms = point.at_ms;
        self.sums.readings = self.sums.readings.saturating_add(1);
        if point.says.level > self.sums.peak.says.level {
            self.sums.peak = point;
        }
    }

    /// The next point, of the same reeving and in time.
    fn step(&mut self, point: Point, rules: &Rules) {
        let level = point.says.level;
        if self.goes_on() {
            if level == Level::UNKNOWN {
                // Not known to have ended, so it goes on.
            } else if point.says.is_low() {
                self.confirm();
                self.ended_ms = point.at_ms;
            } else {
                self.confirm();
                self.read(point);
            }
        } else if level >= rules.enter_at {
            self.confirm();
            self.ended_ms = i64::MAX;
            self.read(point);
        }
        self.last = point;
    }

    /// The end, if no point before `now_ms` keeps it from having come.
    fn end_by(&self, now_ms: i64, rules: &Rules) -> Option<(i64, EpisodeEnd)> {
        if !self.goes_on() {
            let over = now_ms.saturating_sub(self.ended_ms) > rules.merge_gap_ms;
            return over.then_some((self.ended_ms, EpisodeEnd::Released));
        }
        let silent = now_ms.saturating_sub(self.last_known_ms) > rules.max_silence_ms;
        silent.then_some((self.evident_ms, EpisodeEnd::Silent))
    }

    fn found(self, end_ms: i64, end: EpisodeEnd, rules: &Rules) -> Option<Found> {
        let Draft { start_ms, sums, .. } = self;
        (end_ms - start_ms >= rules.min_duration_ms).then_some(Found { start_ms, end_ms, end, sums })
    }
}

impl Machine {
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// The next points in time order.
    pub(super) fn feed(&mut self, run: &Run, rules: &Rules, found: &mut Vec<Found>) {
        for n in 0..run.count {
            if self.is_idle() && run.says.level < rules.enter_at {
                return;
            }
            self.point(Point { at_ms: run.at_ms(n), says: run.says }, rules, found);
        }
    }

    #[cold]
    fn point(&mut self, point: Point, rules: &Rules, found: &mut Vec<Found>) {
        if let Some(draft) = &mut self.0 {
            draft.account(point.at_ms, rules);
            let changed = draft.sums.peak.says.reeving != point.says.reeving;
            let end = draft.end_by(point.at_ms, rules).or_else(|| {
                let end = if draft.goes_on() {
                    draft.confirm();
                    (point.at_ms, EpisodeEnd::ReevingChanged)
                } else {
                    (draft.ended_ms, EpisodeEnd::Released)
                };
                changed.then_some(end)
            });
            match end {
                Some((end_ms, end)) => self.end(end_ms, end, rules, found),
                None => return draft.step(point, rules),
            }
        }
        if point.says.level >= rules.enter_at {
            self.0 = Some(Box::new(Draft::begin(point)));
        }
    }

    fn end(&mut self, end_ms: i64, end: EpisodeEnd, rules: &Rules, found: &mut Vec<Found>) {
        let draft = self.0.take();
        found.extend(draft.and_then(|draft| draft.found(end_ms, end, rules)));
    }

    /// No point before `now_ms` is to come any more.
    #[inline]
    pub(super) fn advance(&mut self, now_ms: i64, rules: &Rules, found: &mut Vec<Found>) {
        if !self.is_idle() {
            self.advance_draft(now_ms, rules, found);
        }
    }

    #[cold]
    fn advance_draft(&mut self, now_ms: i64, rules: &Rules, found: &mut Vec<Found>) {
        let Some(draft) = &mut self.0 else { return };
        if draft.end_by(now_ms, rules).is_some() {
            draft.account(now_ms, rules);
            if let Some((end_ms, end)) = draft.end_by(now_ms, rules) {
                self.end(end_ms, end, rules, found);
            }
        }
    }

    /// No point is to come at all: what is under way falls silent.
    pub(super) fn close(&mut self, rules: &Rules, found: &mut Vec<Found>) {
        self.advance(i64::MAX, rules, found);
    }

    /// The episode under way as far as it is known.
    pub(super) fn open(&self, rules: &Rules) -> Option<Found> {
        let mut draft = Draft::clone(self.0.as_ref()?);
        draft.account(i64::MAX, rules);
        let end_ms = if draft.goes_on() { draft.evident_ms } else { draft.ended_ms };
        draft.found(end_ms, EpisodeEnd::Open, rules)
    }
}
