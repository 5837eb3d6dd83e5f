//! What does not fit anything that was seen before.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::{Judged, Score};

mod nearest;

use nearest::Nearest;

const DAY_MS: i64 = 86_400_000;
/// Further beyond its record than this nothing is said to be.
const SCORE_MAX: f64 = 100.0;
/// A distance below this share of the range is none.
const NO_DISTANCE: f64 = 0.01;
/// The range of what hardly moves, far from zero, is no narrower than this share of it: less is rounding.
const WIDTH_MIN: f64 = 1e-9;

/// By which share a row goes beyond all that was seen before it, by four questions:
///
/// - value: is it out of the range of all values?
/// - level: is the mean of the last `stretch / 2` of them out of the range of such means?
/// - shape: are the last `stretch` values further from the nearest of the stretches that are remembered than any stretch was from those before it? Such a one is a left discord (Lu
///   et al. 2022, DAMP; nearest by the distances of the matrix profile, Yeh et al. 2016; here of values as they are, as a pump that does the same at half the strength is no
///   usual one).
/// - hour: the same among the stretches of about that time of other days.
///
/// The score is the largest of the four. Records have no unit, so the four can be compared, and they are rare by themselves: of n values that are alike about `ln n` set one. The
/// records of distance fade, so that what has become calmer is held to that; and a row widens a range by no more than the share `widening` of it, so a single wild value neither
/// deafens the detector nor fills what it remembers. How far out of a range something lies is told in halves of its width; no score is above 100.
///
/// What goes beyond by less than `margin` scores 0, and so does what comes within `quiet` values of one that did not: each score above 0 is news. Any such score is worth an
/// alarm, as `margin` says what is. Scale, sign and offset of values make no difference. Values count by their order; their times say the time of day and nothing else.
///
/// O(memory) a value. Memory a key: 24 bytes for each of `memory` values and 16 for each of `stretch`: 49 KB if nothing else is said.
///
/// # Examples
/// A pump that is busy from eight to four every day, and one day is not. Nothing is wrong with any of its values.
/// ```
/// use watchfire_operators::detect::{Discord, DiscordCheck, DiscordState, Judged, Score};
/// let discord = Discord { warm_up: 480, ..Discord::default() };
/// let mut state = DiscordState::default();
/// let mut first = None;
/// // Every 10 minutes for two weeks, with a little noise.
/// for n in 0..14 * 144_i64 {
///     let busy = (48..96).contains(&(n % 144)) && n / 144 != 10;
///     let bar = if busy { 6.0 } else { 2.0 } + (n * n % 17) as f64 / 50.0;
///     if let Judged::Score(score, why) = discord.score(&mut state, n * 600_000, bar) {
///         if score > 0.0 && first.is_none() {
///             first = Some((n / 144, n % 144 / 6, why.check));
///         }
///     }
/// }
/// assert_eq!(first, Some((10, 9, DiscordCheck::Hour)), "on day 10, an hour after it should have begun");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Discord {
    /// How many values there are before one is judged. Records are set from the middle of it on: before, little is remembered, and all seems far.
    pub warm_up: u32,
    /// So many values after one that scored none scores.
    pub quiet: u32,
    /// How many values are a stretch, 1 to 10,000.
    pub stretch: u32,
    /// So many values back stretches are remembered, 1 to 1,000,000; those that share a value with the last are not compared with it.
    pub memory: u32,
    /// After so many values a record of distance has faded to half, 1 at least.
    pub half_life: u32,
    /// How many of the nearest stretches count, by their mean distance, 1 to 1,000.
    pub neighbours: u32,
    /// Times of day no further apart are about the same, milliseconds, 0 to half a day.
    pub same_time_ms: i64,
    /// A row widens a range by no more than this share of it, to either side; 0 at least.
    pub widening: f64,
    /// The least score above 0.
    pub margin: f64,
}

impl Default for Discord {
    /// After 600 values, and an eighth of that quiet; stretches of 32 among the last 2,000 values, the five nearest; half a record after 3,000 values; an hour; a fifth, and a twentieth.
    fn default() -> Self {
        Discord {
            warm_up: 600,
            quiet: 75,
            stretch: 32,
            memory: 2_000,
            half_life: 3_000,
            neighbours: 5,
            same_time_ms: 3_600_000,
            widening: 0.2,
            margin: 0.05,
        }
    }
}

/// The least and the greatest of what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Range {
    seen: u64,
    low: f64,
    high: f64,
}

impl Range {
    fn width(&self) -> f64 {
        (self.high - self.low).max(self.low.abs().max(self.high.abs()) * WIDTH_MIN)
    }

    /// How far out of it a number lies, in halves of its width.
    fn excess(&self, number: f64) -> f64 {
        let out = (number - self.high).max(self.low - number);
        if self.seen == 0 { 0.0 } else { share(out, self.width() / 2.0) }
    }

    /// Takes a number in, moved to no further than `widening` widths out of it if it has any, and gives that.
    fn widen(&mut self, number: f64, widening: f64) -> f64 {
        let reach = widening.max(0.0) * self.width();
        let is_wide = self.seen > 0 && self.high > self.low;
        let kept = if is_wide { number.min(self.high + reach).max(self.low - reach) } else { number };
        self.low = if self.seen == 0 { kept } else { self.low.min(kept) };
        self.high = if self.seen == 0 { kept } else { self.high.max(kept) };
        self.seen = self.seen.saturating_add(1);
        kept
    }
}

/// The largest distance so far, which fades.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Record {
    seen: u64,
    distance: f64,
}

impl Record {
    /// The share by which a distance is above the record, which it then enters. What fades does so by a product, the same on every machine, where a power need not be.
    fn beat(&mut self, distance: f64, least: f64, half_life: u32) -> f64 {
        let bar = self.distance.max(least);
        let fades = 1.0 - std::f64::consts::LN_2 / f64::from(half_life.max(1));
        self.distance = (self.distance * fades).max(distance);
        self.seen = self.seen.saturating_add(1);
        share(distance - bar, bar)
    }
}

/// `part / whole`, from 0 to [`SCORE_MAX`] whatever they are.
fn share(part: f64, whole: f64) -> f64 {
    if part <= 0.0 {
        0.0
    } else if part < whole * SCORE_MAX {
        part / whole
    } else {
        SCORE_MAX
    }
}

/// What [`Discord`] remembers of a key.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct DiscordState {
    /// How many values there were.
    seen: u64,
    /// The last of them, as they entered the range, oldest first, and their event times.
    values: Vec<f64>,
    at_ms: Vec<i64>,
    /// The sums of squared differences between the last stretch and the one that ended a row before it, two rows, and so on.
    sums: Vec<f64>,
    of_values: Range,
    of_levels: Range,
    shape: Record,
    hour: Record,
    /// How many values more none scores.
    quiet: u32,
}

impl State for DiscordState {
    const NAME: &'static str = "watchfire.discord";
    const VERSION: u32 = 1;
}

/// Which question has made a score of [`Discord`].
///
/// # Examples
/// ```
/// use watchfire_operators::detect::DiscordCheck;
/// assert_eq!(serde_json::to_string(&DiscordCheck::Level)?, "\"level\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscordCheck {
    /// The value is out of range. Said too where nothing is odd at all.
    Value,
    /// The mean of the last half stretch is out of range.
    Level,
    /// The last stretch is unlike any that is remembered.
    Shape,
    /// The last stretch is unlike those about that time of other days.
    Hour,
}

/// The numbers behind a score of [`Discord`].
///
/// # Examples
/// It went 0, 1, 2 over and over, and then came 82.
/// ```
/// use watchfire_operators::detect::{Discord, DiscordCheck, DiscordState, Judged, Score};
/// let (discord, mut state) = (Discord { warm_up: 60, stretch: 3, ..Discord::default() }, DiscordState::default());
/// let value = |n: i64| if n < 60 { (n % 3) as f64 } else { 82.0 };
/// let said = (0..=60).map(|n| discord.score(&mut state, n * 60_000, value(n))).last();
/// let Some(Judged::Score(score, why)) = said else { panic!("it is warm") };
/// assert_eq!((why.check, why.low, why.high, why.expected), (DiscordCheck::Value, 0.0, 2.0, Some(2.0)));
/// assert_eq!((score, why.excess), (80.0, 80.0), "80 above the range, which is 2 wide, in halves of that");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiscordWhy {
    /// The value.
    pub value: f64,
    /// Which question it is.
    pub check: DiscordCheck,
    /// By which share it goes beyond what was seen, though that be less than `margin`, or all be quiet.
    pub excess: f64,
    /// The least of the values before it, and the greatest, as far as these have widened the range.
    pub low: f64,
    /// See there.
    pub high: f64,
    /// What the nearest stretches ended with, the mean, if there are any.
    pub expected: Option<f64>,
    /// How far they are, the mean, a row, in the unit of the value.
    pub distance: Option<f64>,
    /// The record of that before.
    pub record: f64,
    /// How many stretches were compared.
    pub compared: u32,
    /// How many of these are no further than the record: how often the like was seen.
    pub familiar: u32,
}

impl Discord {
    fn sound(self) -> Self {
        Discord {
            stretch: self.stretch.clamp(1, 10_000),
            memory: self.memory.clamp(1, 1_000_000),
            neighbours: self.neighbours.clamp(1, 1_000),
            same_time_ms: self.same_time_ms.clamp(0, DAY_MS / 2),
            ..self
        }
    }

    fn filled_after(self) -> u64 {
        u64::from(self.warm_up / 2)
    }

    /// Whether a state can have come of these settings. Else it was stored under others, or is none.
    fn made(self, st: &DiscordState) -> bool {
        let most = self.memory as usize + self.stretch as usize;
        let values = usize::try_from(st.seen).map_or(most, |seen| seen.min(most));
        let sums = values.saturating_sub(1).min(self.memory as usize);
        (st.values.len(), st.at_ms.len(), st.sums.len()) == (values, values, sums)
    }

    /// Puts the sums right for a value that comes in, and lets the oldest go.
    fn remember(self, st: &mut DiscordState, at_ms: i64, value: f64) {
        let (memory, stretch) = (self.memory as usize, self.stretch as usize);
        if st.sums.len() < memory && !st.values.is_empty() {
            st.sums.push(0.0);
        }
        // It enters each sum with the value so many rows before it, and the value of a stretch ago leaves with that so many before that.
        for (sum, earlier) in st.sums.iter_mut().zip(st.values.iter().rev()) {
            *sum += squared(value - earlier);
        }
        if let Some((before, [leaves, ..])) = st.values.len().checked_sub(stretch).map(|at| st.values.split_at(at)) {
            for (sum, earlier) in st.sums.iter_mut().zip(before.iter().rev()) {
                *sum -= squared(leaves - earlier);
            }
        }
        if st.values.len() >= memory + stretch {
            st.values.remove(0);
            st.at_ms.remove(0);
        }
        st.values.push(value);
        st.at_ms.push(at_ms);
        self.renew_one(st);
    }

    /// Works out one of the sums anew, each in its turn, so that the rounding of many rows does not add up.
    fn renew_one(self, st: &mut DiscordState) {
        let Some(nth) = st.seen.checked_rem(st.sums.len() as u64) else { return };
        let nth = nth as usize;
        let (last, earlier) = (st.values.iter().rev(), st.values.iter().rev().skip(nth + 1));
        st.sums[nth] = last.zip(earlier).take(self.stretch as usize).map(|(a, b)| squared(a - b)).sum();
    }

    /// How far the mean of the last half stretch is out of the range of those before.
    fn level(self, st: &mut DiscordState, widening: f64) -> f64 {
        let rows = (self.stretch as usize / 2).max(1);
        if st.values.len() < rows {
            return 0.0;
        }
        let level = st.values.iter().rev().take(rows).sum::<f64>() / rows as f64;
        let excess = st.of_levels.excess(level);
        st.of_levels.widen(level, widening);
        excess
    }

    /// The nearest of all stretches, and of those of about that time of other days.
    fn nearest(self, st: &DiscordState) -> [Nearest; 2] {
        let stretch = self.stretch as usize;
        let [mut shape, mut hour] = [st.shape, st.hour]
            .map(|record| Nearest::new(self.neighbours as usize, squared(record.distance) * f64::from(self.stretch)));
        let now_ms = st.at_ms.last().copied().unwrap_or(0);
        // Of values that are not yet a stretch long there are none; the first that ends where the last begins shares no value with it.
        let whole = (st.values.len() + 1).saturating_sub(stretch);
        let ended = st.sums.iter().zip(st.at_ms.iter().rev().skip(1)).zip(1..whole);
        for ((sum, at_ms), lag) in ended.skip(stretch - 1) {
            shape.offer(*sum, lag);
            let ago_ms = now_ms.saturating_sub(*at_ms);
            let apart_ms = ago_ms.saturating_add(self.same_time_ms).rem_euclid(DAY_MS);
            if apart_ms <= 2 * self.same_time_ms && ago_ms >= DAY_MS / 2 {
                hour.offer(*sum, lag);
            }
        }
        [shape, hour]
    }

    /// The share by which the nearest are further than the record, which does not count until it has stood for half a warm-up.
    fn beaten(self, record: &mut Record, nearest: &Nearest, least: f64) -> f64 {
        let Some(distance) = nearest.distance(self.stretch as usize) else { return 0.0 };
        let counts = record.seen >= self.filled_after();
        let excess = record.beat(distance, least, self.half_life);
        if counts { excess } else { 0.0 }
    }

    /// What is left of an excess where small ones do not count, and none so soon after another.
    fn news(self, st: &mut DiscordState, excess: f64) -> f64 {
        if st.quiet > 0 {
            st.quiet -= 1;
            return 0.0;
        }
        if excess < self.margin {
            return 0.0;
        }
        if excess > 0.0 {
            st.quiet = self.quiet;
        }
        excess
    }
}

fn squared(number: f64) -> f64 {
    number * number
}

impl Score for Discord {
    type Value = f64;
    type Why = DiscordWhy;
    type State = DiscordState;
    const KIND: &'static str = "discord";

    fn score(&self, st: &mut DiscordState, at_ms: i64, value: f64) -> Judged<DiscordWhy> {
        let of = self.sound();
        if !of.made(st) {
            *st = DiscordState::default();
        }
        let warm = st.seen >= u64::from(of.warm_up);
        let widening = if warm { of.widening } else { f64::INFINITY };
        let (before, records) = (st.of_values, [st.shape.distance, st.hour.distance]);
        let by_value = before.excess(value);
        let kept = st.of_values.widen(value, widening);
        of.remember(st, at_ms, kept);
        let by_level = of.level(st, widening);
        let nearest = of.nearest(st);
        let (mut by_shape, mut by_hour) = (0.0, 0.0);
        if st.seen >= of.filled_after() {
            let least = NO_DISTANCE * before.width();
            by_shape = of.beaten(&mut st.shape, &nearest[0], least);
            by_hour = of.beaten(&mut st.hour, &nearest[1], least);
        }
        st.seen = st.seen.saturating_add(1);
        if !warm {
            return Judged::WarmsUp;
        }
        let mut most = (DiscordCheck::Value, by_value);
        let others = [(DiscordCheck::Level, by_level), (DiscordCheck::Shape, by_shape), (DiscordCheck::Hour, by_hour)];
        for other in others {
            // Of equals the first.
            most = if other.1 > most.1 { other } else { most };
        }
        let (check, excess) = most;
        let among = usize::from(check == DiscordCheck::Hour);
        let why = DiscordWhy {
            value,
            check,
            excess,
            low: before.low,
            high: before.high,
            expected: nearest[among].expected(&st.values),
            distance: nearest[among].distance(of.stretch as usize),
            record: records[among],
            compared: nearest[among].compared,
            familiar: nearest[among].familiar,
        };
        Judged::Score(of.news(st, excess), why)
    }
}

#[cfg(test)]
mod tests;
