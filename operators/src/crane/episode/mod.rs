//! Overload episodes: from when to when a crane was overloaded, how badly, and how sure that is.
//!
//! Readings wait until the watermark has passed them, then go in time order through a small machine and into a
//! compressed trace. A late reading is put into the trace, and at the next tick the machine runs over it again; what
//! has become of the episodes is told as retractions and insertions.

mod config;
mod machine;
mod point;
mod row;
mod state;
#[cfg(test)]
mod tests;
mod trace;

use std::marker::PhantomData;
use std::sync::Arc;

use watchfire_engine::{Change, Context, Describe, Detector, END_MS, Error, Key, Verdict, ask_for};

pub use config::EpisodeConfig;
pub use row::{EpisodeEnd, EpisodeId, OverloadEpisode};
pub use state::EpisodeState;

use super::stats::level::Level;
use super::stats::rating::Rating;
use super::{ChartBook, CraneReading};
use machine::Rules;
use point::{Point, Put, Run};
use row::Found;
use state::Told;

/// Event times beyond this (4.5 million years) are none: they are late.
const TIME_BOUND_MS: i64 = 1 << 57;
/// A wish that only the end of the input grants.
const AT_THE_END_MS: i64 = END_MS - 1;

/// Finds the overload episodes of each crane; see [`OverloadEpisode`] for what one is and [`EpisodeConfig`] for when it
/// begins and ends.
///
/// **When a row comes.** An episode is inserted for good when the key's watermark has passed its end and the gap over
/// which another would join it. Before that, `open_after_ms` after it was noticed on the key's quiet clock, it is
/// inserted as [`EpisodeEnd::Open`], and replaced every `update_every_ms` while it changes: so a crane that falls silent
/// in an overload is told of. Late readings within `allowed_lateness_ms` extend, shorten, split and join episodes: by
/// retraction and insertion, at most once a tick and every `correct_every_ms`. A retraction repeats its row bit for bit.
/// When the input ends, what is open is told as [`EpisodeEnd::Silent`].
///
/// **Order does not matter**: once the last correction is out, the rows that hold are a function of the set of readings
/// that were not late. Of several readings of one instant the worst counts; one that says no more than one that is known
/// is a [`Verdict::Duplicate`] (two readings of one instant below the release threshold are not told apart).
///
/// **An unknown reading** begins no episode and ends none: while evidence is missing an episode goes on, up to
/// `max_silence_ms`. It lowers the coverage.
///
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::{Change, Job};
/// use watchfire_operators::crane::{
///     ChartBook, CraneReading, EpisodeConfig, OverloadEpisode, OverloadEpisodes, RatedLoad, steady_overload,
/// };
/// let book = Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63"))?);
/// let episodes = OverloadEpisodes::<u32>::new(EpisodeConfig::default(), book)?;
/// let job = Job::new(move |flow| {
///     let readings = flow.channel::<CraneReading>("readings").key_by(|r| r.crane);
///     readings.detect("overload", episodes.clone()).out.to_channel("episodes");
/// });
/// let mut running = job.start()?;
/// let readings = running.sender("readings")?;
/// let episodes = running.receiver::<Change<OverloadEpisode<u32>>>("episodes")?;
/// readings.send(steady_overload())?;
/// drop(readings);
/// let held = Change::consolidate(episodes.rows());
/// assert_eq!(held.len(), 1);
/// assert_eq!(held[0].0.end_ms - held[0].0.start_ms, 40_000);
/// assert_eq!(held[0].0.peak_radius_m.get(), 22.0);
/// # running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OverloadEpisodes<K> {
    rating: Rating,
    config: EpisodeConfig,
    release_at: Level,
    rules: Rules,
    key: PhantomData<fn(K)>,
}

type Cx<'a, 'b, K> = &'a mut Context<'b, K, Change<OverloadEpisode<K>>>;

impl<K: Key> OverloadEpisodes<K> {
    /// Episodes by the charts of a book.
    ///
    /// # Errors
    /// `E0162`, see [`EpisodeConfig::check`].
    pub fn new(config: EpisodeConfig, book: Arc<ChartBook>) -> Result<Self, Error> {
        config.check()?;
        let rules = Rules {
            enter_at: Level::ratio(config.enter_at),
            excess_above: Level::ratio(config.excess_above),
            merge_gap_ms: config.merge_gap_ms,
            min_duration_ms: config.min_duration_ms,
            max_gap_ms: config.max_gap_ms,
            max_silence_ms: config.max_silence_ms,
        };
        let release_at = Level::ratio(config.release_at);
        Ok(OverloadEpisodes {
            rating: Rating::new(book, config.chart_mode),
            config,
            release_at,
            rules,
            key: PhantomData,
        })
    }

    /// Takes what the watermark has passed into the trace, and tells the episodes that ended.
    #[inline]
    fn settle(&self, st: &mut EpisodeState, watermark_ms: i64, cx: Cx<'_, '_, K>) {
        let is_stale = st.is_stale();
        let mut found = Vec::new();
        while let Some(point) = st.settled_before(watermark_ms) {
            let run = Run::one(point);
            st.trace.append(run);
            if !is_stale {
                st.tip.feed(&run, &self.rules, &mut found);
            }
        }
        st.settled_ms = watermark_ms;
        if is_stale {
            return;
        }
        st.tip.advance(watermark_ms, &self.rules, &mut found);
        if !found.is_empty() {
            self.conclude(st, found, cx);
        }
        let horizon_ms = watermark_ms.saturating_sub(self.config.allowed_lateness_ms);
        if st.trace.reaches_behind(horizon_ms) {
            self.forget(st, horizon_ms);
        }
    }

    /// Tells episodes that ended, in place of what was told of them early.
    #[cold]
    fn conclude(&self, st: &mut EpisodeState, found: Vec<Found>, cx: Cx<'_, '_, K>) {
        let rare = st.rare.get_or_insert_default();
        for found in found {
            if let Some(told) = rare.told.iter_mut().find(|told| told.found == found) {
                told.is_early = false;
                continue;
            }
            let key = cx.key().clone();
            let replaced = |told: &mut Told| told.is_early && told.found.start_ms <= found.end_ms;
            for told in rare.told.extract_if(.., replaced) {
                cx.emit(Change::Retract(told.found.row(&key)));
            }
            cx.emit(Change::Insert(found.row(&key)));
            let place = rare.told.partition_point(|told| told.found < found);
            rare.told.insert(place, Told { found, is_early: false });
        }
    }

    /// Forgets what lies behind the horizon, and the episodes that nothing can change any more.
    #[cold]
    fn forget(&self, st: &mut EpisodeState, horizon_ms: i64) {
        let mut settled = Vec::new();
        let last_ms = st.trace.forget(horizon_ms, &mut st.base, &self.rules, &mut settled);
        st.forgotten_ms = last_ms.unwrap_or(st.forgotten_ms);
        if let Some(rare) = &mut st.rare {
            rare.told.retain(|told| told.is_early || !settled.contains(&told.found));
            let is_idle = rare.told.is_empty() && !rare.is_stale && rare.tell_at_ms == i64::MAX;
            if is_idle && rare.corrected_ms == i64::MIN {
                st.rare = None;
            }
        }
    }

    /// Puts a reading that the watermark has passed into the trace.
    #[cold]
    fn late(&self, st: &mut EpisodeState, point: Point, cx: Cx<'_, '_, K>) -> Put {
        let put = st.trace.insert(point);
        if put == Put::New {
            let rare = st.rare.get_or_insert_default();
            rare.is_stale = true;
            if rare.correct_at_ms == i64::MAX {
                let earliest_ms = rare.corrected_ms.saturating_add(self.config.correct_every_ms);
                rare.correct_at_ms = earliest_ms.max(cx.quiet_ms().saturating_add(1));
            }
            cx.wake_at_quiet_ms(rare.correct_at_ms);
        }
        put
    }

    /// Notes that an episode may be under way, to be told if it lasts.
    #[cold]
    fn notice(&self, st: &mut EpisodeState, cx: Cx<'_, '_, K>) {
        let rare = st.rare.get_or_insert_default();
        if rare.tell_at_ms == i64::MAX {
            rare.tell_at_ms = cx.quiet_ms().saturating_add(self.config.open_after_ms);
        }
        cx.wake_at_quiet_ms(rare.tell_at_ms);
    }

    /// Runs over the trace again. The episodes in it that have ended.
    fn again(&self, st: &mut EpisodeState, until_ms: i64) -> Vec<Found> {
        let mut found = Vec::new();
        st.tip = st.base.clone();
        st.trace.replay(&mut st.tip, &self.rules, &mut found);
        st.tip.advance(until_ms, &self.rules, &mut found);
        found
    }

    /// What would be found if the watermark had passed everything that came. With `is_end`, nothing is open.
    fn ahead(&self, st: &EpisodeState, is_end: bool) -> Vec<Found> {
        let (mut tip, mut found) = (st.tip.clone(), Vec::new());
        for point in &st.pending {
            tip.feed(&Run::one(*point), &self.rules, &mut found);
        }
        if is_end {
            tip.close(&self.rules, &mut found);
        }
        found.extend(tip.open(&self.rules));
        found
    }

    /// Tells the difference between what was told and what is known now: of the past from the trace if it changed, and
    /// of what is open if that is due.
    fn tell(&self, st: &mut EpisodeState, with_open: bool, is_end: bool, cx: Cx<'_, '_, K>) {
        let past = st.is_stale().then(|| self.again(st, st.settled_ms));
        let ahead = if with_open { self.ahead(st, is_end) } else { Vec::new() };
        let is_open = !st.tip.is_idle() || st.pending.iter().any(|point| point.says.level >= self.rules.enter_at);
        let quiet_ms = cx.quiet_ms();
        let rare = st.rare.get_or_insert_default();
        if past.is_some() {
            (rare.is_stale, rare.correct_at_ms, rare.corrected_ms) = (false, i64::MAX, quiet_ms);
        }
        let before = std::mem::take(&mut rare.told);
        let mut now: Vec<Told> = match past {
            Some(past) => past.into_iter().map(|found| Told { found, is_early: false }).collect(),
            None => before.iter().filter(|told| !told.is_early).cloned().collect(),
        };
        now.extend(ahead.into_iter().map(|found| Told { found, is_early: true }));
        now.sort_by(|a, b| a.found.cmp(&b.found));
        for told in without(&before, &now) {
            cx.emit(Change::Retract(told.found.row(cx.key())));
        }
        for told in without(&now, &before) {
            cx.emit(Change::Insert(told.found.row(cx.key())));
        }
        rare.told = now;
        let has_early = rare.told.iter().any(|told| told.is_early);
        if with_open {
            let again = (is_open || has_early) && !is_end;
            rare.tell_at_ms = if again { quiet_ms.saturating_add(self.config.update_every_ms) } else { i64::MAX };
        } else if is_open && rare.tell_at_ms == i64::MAX {
            rare.tell_at_ms = quiet_ms.saturating_add(self.config.open_after_ms);
        }
        if rare.tell_at_ms != i64::MAX {
            cx.wake_at_quiet_ms(rare.tell_at_ms);
        }
    }

    /// No more readings: everything that was ever open is told.
    fn end(&self, st: &mut EpisodeState, cx: Cx<'_, '_, K>) {
        if st.rare.is_some() || !st.tip.is_idle() {
            self.tell(st, true, true, cx);
        }
    }
}

/// The episodes of one list that the other has not; both rise.
fn without<'a>(these: &'a [Told], those: &'a [Told]) -> impl Iterator<Item = &'a Told> {
    these.iter().filter(|told| those.binary_search_by(|known| known.found.cmp(&told.found)).is_err())
}

impl<K: Key> Detector for OverloadEpisodes<K> {
    type Key = K;
    type In = CraneReading;
    type Out = Change<OverloadEpisode<K>>;
    type State = EpisodeState;

    fn describe(&self) -> Describe {
        let params = format!("{:?}, {}", self.config, self.rating.params());
        Describe { kind: "overload_episodes", params, ordered: false }
    }

    #[inline]
    fn on_row(&self, st: &mut EpisodeState, reading: &CraneReading, cx: Cx<'_, '_, K>) -> Verdict {
        let (at_ms, watermark_ms) = (cx.event_time_ms(), cx.watermark_ms());
        let horizon_ms = watermark_ms.saturating_sub(self.config.allowed_lateness_ms);
        if at_ms < horizon_ms || at_ms <= st.forgotten_ms || at_ms.unsigned_abs() > TIME_BOUND_MS.unsigned_abs() {
            return Verdict::Late;
        }
        let point = Point::new(at_ms, self.rating.level(reading), self.release_at, reading);
        let put = if at_ms < st.settled_ms { self.late(st, point, cx) } else { st.hold(point) };
        if watermark_ms > st.settled_ms {
            self.settle(st, watermark_ms, cx);
        }
        if point.says.level >= self.rules.enter_at || st.is_told_early_only() {
            self.notice(st, cx);
        }
        cx.wake_at_event_ms(AT_THE_END_MS);
        if put == Put::Known { Verdict::Duplicate } else { Verdict::Applied }
    }

    #[inline]
    fn warm(&self, st: &EpisodeState, _event_ms: i64) {
        st.pending.back().into_iter().for_each(ask_for);
    }

    fn on_watermark(&self, st: &mut EpisodeState, cx: Cx<'_, '_, K>) {
        if cx.watermark_ms() == END_MS {
            return self.end(st, cx);
        }
        if cx.watermark_ms() > st.settled_ms {
            self.settle(st, cx.watermark_ms(), cx);
        }
        cx.wake_at_event_ms(AT_THE_END_MS);
    }

    fn on_quiet(&self, st: &mut EpisodeState, cx: Cx<'_, '_, K>) {
        let Some(rare) = &mut st.rare else { return };
        let quiet_ms = cx.quiet_ms();
        let correct_at_ms = rare.correct_at_ms;
        // What was noticed before the clock had a reading is counted from its first.
        let unread = rare.tell_at_ms == i64::MIN.saturating_add(self.config.open_after_ms);
        let tell_at_ms = if unread { quiet_ms.saturating_add(self.config.open_after_ms) } else { rare.tell_at_ms };
        rare.tell_at_ms = tell_at_ms;
        let is_told_early = rare.told.iter().any(|told| told.is_early);
        if rare.is_stale {
            if quiet_ms < correct_at_ms {
                return cx.wake_at_quiet_ms(correct_at_ms);
            }
            self.tell(st, is_told_early || quiet_ms >= tell_at_ms, false, cx);
        } else if quiet_ms >= tell_at_ms {
            self.tell(st, true, false, cx);
        } else if tell_at_ms != i64::MAX {
            cx.wake_at_quiet_ms(tell_at_ms);
        }
    }
}
