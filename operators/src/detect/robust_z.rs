//! How far a value is from the median of those of the same part of the day.

use serde::{Deserialize, Serialize};
use watchfire_engine::{Change, State, rkyv};

use super::ewma::clamped;
use super::{Judged, Measured, Score, Side};
use crate::alarm::UnknownCause;
use crate::calendar::Zone;

/// A value that counts, or one that does no more.
///
/// # Examples
/// What a window says, and takes back when a late row changes it:
/// ```
/// use watchfire_engine::Change;
/// use watchfire_operators::detect::Entry;
/// assert_eq!(Entry::of(&Change::Insert(2.5), |mean_s| *mean_s), Entry::Add(2.5));
/// assert_eq!(Entry::of(&Change::Retract(2.5), |mean_s| *mean_s), Entry::Retract(2.5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry {
    /// A value. It may be older than others, where it replaces one that was taken back.
    Add(f64),
    /// A value that was added with the same event time, bit for bit, was none. Of what is not known (any more) nothing changes.
    Retract(f64),
}

impl Entry {
    /// What a change of a row says, by the value of the row.
    #[must_use]
    pub fn of<T>(change: &Change<T>, value: impl FnOnce(&T) -> f64) -> Entry {
        match change {
            Change::Insert(row) => Entry::Add(value(row)),
            Change::Retract(row) => Entry::Retract(value(row)),
        }
    }
}

impl Measured for Entry {
    #[inline]
    fn unsound(&self) -> Option<UnknownCause> {
        match self {
            Entry::Add(value) => value.unsound(),
            // What was no value was never added.
            Entry::Retract(_) => None,
        }
    }
}

/// How far a value is from the median of the others of the same part of the day, in units of `1.4826 x MAD`, the median of how far those are from their median: what a
/// standard deviation is if they are normal (Hampel 1974; Iglewicz and Hoaglin 1993, who call 3.5 far). Up to half of them may be wrong and the score hardly moves.
///
/// The day has `bins_a_day` parts, by the clocks of `zone`: eight in the morning is that before and after they are set. A part knows its last `keep` values, of those
/// no older than `keep_ms` before the newest of the key; so give it what a window makes of an hour rather than each reading. Median and MAD are exact, those of all these
/// values and no others: they leave as they came, and an [`Entry::Retract`] takes one out as if it had never been, as long as it is known; what left before does not come back for
/// it. Values may come in any order: each is judged by what is known then, and what is older than the last `keep` counts for nothing.
///
/// O(keep) a value. Memory a key: 16 bytes a value, `bins_a_day x keep` of them at most, 38 KB if nothing else is said.
///
/// # Examples
/// A lift is busy at eight and still at night; forty runs are usual at one hour and not at the other.
/// ```
/// use watchfire_operators::calendar::Zone;
/// use watchfire_operators::detect::{Entry, Judged, RobustZ, RobustZState, Score};
/// let zone = Zone::named("Europe/Berlin")?;
/// let midnight_ms = zone.instant_ms("2026-03-20 00:00:00")?;
/// let runs = RobustZ { zone, warm_up: 5, mad_min: 1.0, ..RobustZ::default() };
/// let mut state = RobustZState::default();
/// let at = |day: i64, hour: i64| midnight_ms + (day * 24 + hour) * 3_600_000;
/// for day in 0..7 {
///     runs.score(&mut state, at(day, 3), Entry::Add((day % 3) as f64));
///     runs.score(&mut state, at(day, 8), Entry::Add(40.0 + (day % 3) as f64));
/// }
/// let (night, day) = (runs.score(&mut state, at(7, 3), Entry::Add(40.0)), runs.score(&mut state, at(7, 8), Entry::Add(40.0)));
/// assert!(matches!(night, Judged::Score(score, why) if score > 20.0 && why.median == 1.0 && why.bin == 3), "{night:?}");
/// assert!(matches!(day, Judged::Score(score, _) if score < 1.0), "{day:?}");
/// // It was a mistake, and counts no more.
/// runs.score(&mut state, at(7, 3), Entry::Retract(40.0));
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RobustZ {
    /// In how many parts of the same length the day falls, 1 to 1,440.
    pub bins_a_day: u32,
    /// By whose clocks.
    pub zone: Zone,
    /// So many values are known of each part, 1 to 10,000.
    pub keep: u32,
    /// Values so much older than the newest of the key are forgotten, milliseconds; above 0.
    pub keep_ms: i64,
    /// How many others of its part there are before a value is judged; 1 at least, and no more than `keep`.
    pub warm_up: u32,
    /// The MAD is taken to be no less, in the unit of the value; above 0. What lies closer together than that is noise of the sensor.
    pub mad_min: f64,
    /// Which way is unusual.
    pub side: Side,
}

impl Default for RobustZ {
    /// Hours in Shanghai, the last 100 of each within 90 days, after 10, on both sides.
    fn default() -> Self {
        let (keep_ms, zone) = (90 * 86_400_000, Zone::default());
        RobustZ { bins_a_day: 24, zone, keep: 100, keep_ms, warm_up: 10, mad_min: 1e-9, side: Side::Both }
    }
}

/// What [`RobustZ`] remembers of a key.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct RobustZState {
    newest_ms: i64,
    /// The values of each part of the day with their event times, rising by both.
    bins: Vec<Vec<(f64, i64)>>,
}

impl Default for RobustZState {
    fn default() -> Self {
        RobustZState { newest_ms: i64::MIN, bins: Vec::new() }
    }
}

impl State for RobustZState {
    const NAME: &'static str = "watchfire.robust_z";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`RobustZ`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Entry, Judged, RobustZ, RobustZState, RobustZWhy, Score};
/// let (runs, mut state) = (RobustZ { warm_up: 3, ..RobustZ::default() }, RobustZState::default());
/// let said = [8.0, 10.0, 12.0, 20.0].map(|value| runs.score(&mut state, 0, Entry::Add(value)));
/// let Judged::Score(score, why) = said[3] else { panic!("it is warm") };
/// assert_eq!(why, RobustZWhy { value: 20.0, median: 10.0, mad: 2.0, values: 3, bin: 8 }, "at eight in Shanghai");
/// assert!((score - (why.value - why.median) / (1.4826 * why.mad)).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobustZWhy {
    /// The value.
    pub value: f64,
    /// The median of the others.
    pub median: f64,
    /// The median of how far they are from it, no less than `mad_min`.
    pub mad: f64,
    /// How many they were.
    pub values: u32,
    /// The part of the day, from 0 on.
    pub bin: u32,
}

/// A normal standard deviation by the MAD: 1 / (the 75th percentile of the standard normal distribution).
const SD_BY_MAD: f64 = 1.4826;

impl RobustZ {
    fn bin(&self, at_ms: i64) -> usize {
        let bins = i64::from(self.bins_a_day.clamp(1, 1_440));
        (self.zone.day_ms(at_ms) * bins / 86_400_000) as usize
    }

    fn keep(&self) -> usize {
        self.keep.clamp(1, 10_000) as usize
    }
}

impl Score for RobustZ {
    type Value = Entry;
    type Why = RobustZWhy;
    type State = RobustZState;
    const KIND: &'static str = "robust_z";
    const TAKES_OLDER: bool = true;

    fn score(&self, st: &mut RobustZState, at_ms: i64, entry: Entry) -> Judged<RobustZWhy> {
        let bin = self.bin(at_ms);
        if st.bins.len() <= bin {
            st.bins.resize(bin + 1, Vec::new());
        }
        let values = &mut st.bins[bin];
        let (Entry::Add(value) | Entry::Retract(value)) = entry;
        let place =
            values.partition_point(|(known, known_ms)| known.total_cmp(&value).then(known_ms.cmp(&at_ms)).is_lt());
        if let Entry::Retract(_) = entry {
            if values
                .get(place)
                .is_some_and(|(known, known_ms)| known.to_bits() == value.to_bits() && *known_ms == at_ms)
            {
                values.remove(place);
            }
            return Judged::Nothing;
        }
        st.newest_ms = st.newest_ms.max(at_ms);
        let since_ms = st.newest_ms.saturating_sub(self.keep_ms.max(1));
        let before = values.len();
        values.retain(|(_, known_ms)| *known_ms > since_ms);
        let place = if values.len() == before {
            place
        } else {
            values.partition_point(|(known, known_ms)| known.total_cmp(&value).then(known_ms.cmp(&at_ms)).is_lt())
        };
        let said = self.judge(values, bin, value);
        if at_ms > since_ms {
            values.insert(place, (value, at_ms));
        }
        while values.len() > self.keep() {
            // Of several of one instant the least.
            let Some(oldest) = (0..values.len()).min_by_key(|n| (values[*n].1, *n)) else { break };
            values.remove(oldest);
        }
        said
    }
}

impl RobustZ {
    fn judge(&self, values: &[(f64, i64)], bin: usize, value: f64) -> Judged<RobustZWhy> {
        if values.len() < (self.warm_up.max(1) as usize).min(self.keep()) {
            return Judged::WarmsUp;
        }
        let median = middle(values.len(), |n| values[n].0);
        let mad = mad(values, median).max(self.mad_min.max(f64::MIN_POSITIVE));
        let score = clamped(self.side.of((value - median) / (SD_BY_MAD * mad)));
        Judged::Score(score, RobustZWhy { value, median, mad, values: values.len() as u32, bin: bin as u32 })
    }
}

/// The median of `count` values, 1 at least, of which `nth` tells the nth from below.
fn middle(count: usize, nth: impl Fn(usize) -> f64) -> f64 {
    if count % 2 == 1 { nth(count / 2) } else { f64::midpoint(nth(count / 2 - 1), nth(count / 2)) }
}

/// The median of how far sorted values are from their median: outward from it to both sides, the nearer one first.
fn mad(values: &[(f64, i64)], median: f64) -> f64 {
    let mut above = values.partition_point(|(value, _)| *value < median);
    let mut below = above;
    let (mut before, mut last) = (0.0, 0.0);
    for _ in 0..=values.len() / 2 {
        let down = below.checked_sub(1).map_or(f64::INFINITY, |n| median - values[n].0);
        let up = values.get(above).map_or(f64::INFINITY, |(value, _)| value - median);
        before = last;
        if down < up {
            (last, below) = (down, below - 1);
        } else {
            (last, above) = (up, above + 1);
        }
    }
    if values.len() % 2 == 1 { last } else { f64::midpoint(before, last) }
}

#[cfg(test)]
mod tests;
