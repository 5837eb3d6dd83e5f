//! What several sensors were like over the last minutes and hours.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Context, Data, Describe, Detector, Key, State, Timed, Verdict, rkyv};

use super::{Measured, Reading};
use crate::alarm::UnknownCause;

#[cfg(test)]
mod tests;

/// Features of several sensors that are measured together: of each the value, and of each window that ends with it [six figures](Rolling::FIGURES). So they tell nothing
/// of what comes later. A window takes what is less than its length old; what comes after a longer gap begins anew, and knows nothing of what was before.
///
/// No sum is ever taken back: what leaves a window leaves no rounding behind.
///
/// O(sensors x windows) a row, in the mean over many. Memory a key: of each row in the longest window 8 bytes, and 8 a sensor; and of each sensor and window 72 a row in
/// it, at most; no more than [`rows_max`](Rolling::rows_max) rows. Four sensors, once a minute, over 5, 15, 60 and 240 minutes: 102 KB.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Rolling, RollingState};
/// let rolling = Rolling { lengths_ms: vec![180_000], ..Rolling::default() };
/// let mut state = RollingState::default();
/// let features = (0..9).map(|minute| rolling.roll(&mut state, minute * 60_000, &[minute as f64])).last();
/// // The value; mean, deviation, lowest, highest, slope a second, value less mean, of 6, 7 and 8.
/// let expected = [8.0, 7.0, (2.0_f64 / 3.0).sqrt(), 6.0, 8.0, 1.0 / 60.0, 1.0];
/// assert!(features.unwrap_or_default().iter().zip(expected).all(|(is, of)| (is - of).abs() < 1e-12));
/// assert_eq!(rolling.names(&["bar"])[5], "bar: slope a second of 180 s");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rolling {
    /// How long each window is.
    pub lengths_ms: Vec<i64>,
    /// A row more than this after the one before begins anew.
    pub gap_max_ms: i64,
    /// So many rows are kept of a key; 1 at least. Beyond that the oldest leave their windows early.
    pub rows_max: usize,
}

impl Default for Rolling {
    /// Over 5 and 15 minutes, one hour and four; anew after five minutes without a row; 100,000 rows at most.
    fn default() -> Self {
        Rolling { lengths_ms: vec![300_000, 900_000, 3_600_000, 14_400_000], gap_max_ms: 300_000, rows_max: 100_000 }
    }
}

/// What is known of values that follow one another: it can be put together, and nothing has to be taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Summary {
    rows: f64,
    first_ms: i64,
    /// Of the times, seconds after the first: since 1970 they would be too coarse. And of the values.
    mean_s: f64,
    mean: f64,
    /// Sums of squares off the means, and of products; times in seconds.
    times: f64,
    values: f64,
    both: f64,
    low: f64,
    high: f64,
}

impl Summary {
    fn one(at_ms: i64, value: f64) -> Summary {
        Summary { rows: 1.0, first_ms: at_ms, mean: value, low: value, high: value, ..Summary::default() }
    }

    /// With all that came later (Chan, Golub and LeVeque 1979).
    fn then(&self, later: &Summary) -> Summary {
        if self.rows == 0.0 || later.rows == 0.0 {
            return if self.rows == 0.0 { *later } else { *self };
        }
        let rows = self.rows + later.rows;
        let (share, weight) = (later.rows / rows, self.rows * later.rows / rows);
        let later_s = later.first_ms.saturating_sub(self.first_ms) as f64 / 1e3;
        let (off_s, off) = (later_s + later.mean_s - self.mean_s, later.mean - self.mean);
        Summary {
            rows,
            first_ms: self.first_ms,
            mean_s: self.mean_s + off_s * share,
            mean: self.mean + off * share,
            times: self.times + later.times + off_s * off_s * weight,
            values: self.values + later.values + off * off * weight,
            both: self.both + later.both + off_s * off * weight,
            low: self.low.min(later.low),
            high: self.high.max(later.high),
        }
    }

    /// As [`Rolling::FIGURES`] names them.
    fn figures(&self, last: f64) -> [f64; 6] {
        // Values that are all alike do not move, whatever rounding says.
        if self.low == self.high {
            return [last, 0.0, last, last, 0.0, 0.0];
        }
        let mean = self.mean.clamp(self.low, self.high);
        let slope = if self.times > 0.0 { self.both / self.times } else { 0.0 };
        [mean, (self.values / self.rows).sqrt(), self.low, self.high, slope, last - mean]
    }
}

/// One sensor over one length: a queue of two stacks, of which each knows what all of it comes to.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
struct Window {
    /// Of each of the older rows what it and all older ones after it come to; the oldest last.
    older: Vec<Summary>,
    newer: Summary,
    newer_rows: u32,
}

impl Window {
    fn rows(&self) -> usize {
        self.older.len() + self.newer_rows as usize
    }

    /// The oldest row leaves; `newest` are those that were taken in, the newest first.
    fn leave(&mut self, newest: impl Iterator<Item = (i64, f64)>) {
        if self.older.is_empty() {
            let mut all = Summary::default();
            for (at_ms, value) in newest.take(self.newer_rows as usize) {
                all = Summary::one(at_ms, value).then(&all);
                self.older.push(all);
            }
            (self.newer, self.newer_rows) = (Summary::default(), 0);
        }
        self.older.pop();
    }

    fn take(&mut self, at_ms: i64, value: f64) {
        self.newer = self.newer.then(&Summary::one(at_ms, value));
        self.newer_rows = self.newer_rows.saturating_add(1);
    }

    fn all(&self) -> Summary {
        self.older.last().map_or(self.newer, |older| older.then(&self.newer))
    }
}

/// What [`Rolling`] remembers of a key.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct RollingState {
    last_ms: i64,
    /// Of the rows in the longest window, the oldest first; and their values, those of a row one after another.
    times: VecDeque<i64>,
    values: VecDeque<f64>,
    /// Those of a sensor one after another.
    windows: Vec<Window>,
}

impl Default for RollingState {
    fn default() -> Self {
        RollingState { last_ms: i64::MIN, times: VecDeque::new(), values: VecDeque::new(), windows: Vec::new() }
    }
}

impl State for RollingState {
    const NAME: &'static str = "watchfire.rolling";
    const VERSION: u32 = 1;
}

impl Rolling {
    /// What is known of a window, in this order; the deviation is by the number of rows.
    pub const FIGURES: [&str; 6] = ["mean", "deviation", "lowest", "highest", "slope a second", "last less mean"];

    /// What the features are called, of sensors of these names, in the order of [`roll`](Rolling::roll).
    ///
    /// # Examples
    /// See [`Rolling`].
    #[must_use]
    pub fn names(&self, sensors: &[&str]) -> Vec<String> {
        let mut names = Vec::new();
        for sensor in sensors {
            names.push((*sensor).to_owned());
            for length_ms in &self.lengths_ms {
                let of = |figure| format!("{sensor}: {figure} of {} s", *length_ms as f64 / 1e3);
                names.extend(Self::FIGURES.iter().map(of));
            }
        }
        names
    }

    /// Takes sound values in, one a sensor, no older than those before, and says what is known then. Values of another number of sensors than before begin anew.
    ///
    /// # Examples
    /// See [`Rolling`].
    pub fn roll(&self, state: &mut RollingState, at_ms: i64, values: &[f64]) -> Vec<f64> {
        let windows = values.len() * self.lengths_ms.len();
        let gap = state.times.back().is_none_or(|last_ms| at_ms.saturating_sub(*last_ms) > self.gap_max_ms);
        if gap || state.windows.len() != windows || state.values.len() != state.times.len() * values.len() {
            let windows = vec![Window::default(); windows];
            *state = RollingState { windows, last_ms: state.last_ms, ..RollingState::default() };
        }
        state.last_ms = state.last_ms.max(at_ms);
        self.leave(state, at_ms, values.len());
        state.times.push_back(at_ms);
        state.values.extend(values);
        let mut features = Vec::with_capacity(values.len() + windows * Self::FIGURES.len());
        let mut windows = state.windows.iter_mut();
        for value in values {
            features.push(*value);
            for window in windows.by_ref().take(self.lengths_ms.len()) {
                window.take(at_ms, *value);
                features.extend(window.all().figures(*value));
            }
        }
        features
    }

    /// What has become too old, or is too much, leaves the windows; and is forgotten when it has left all.
    fn leave(&self, state: &mut RollingState, at_ms: i64, sensors: usize) {
        let RollingState { times, values, windows, .. } = state;
        let mut kept = 0;
        for (nth, window) in windows.iter_mut().enumerate() {
            let (sensor, length_ms) = (nth / self.lengths_ms.len(), self.lengths_ms[nth % self.lengths_ms.len()]);
            // Not more than there are, whatever was stored.
            while let Some(oldest) = times.len().checked_sub(window.rows()).and_then(|at| times.get(at)) {
                if at_ms.saturating_sub(*oldest) < length_ms && window.rows() < self.rows_max.max(1) {
                    break;
                }
                let of_sensor = values.iter().rev().skip(sensors - 1 - sensor).step_by(sensors);
                window.leave(times.iter().rev().copied().zip(of_sensor.copied()));
            }
            kept = kept.max(window.rows());
        }
        let gone = times.len().saturating_sub(kept);
        times.drain(..gone);
        values.drain(..gone * sensors);
    }
}

/// What [`Rolls`] makes of a row.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::UnknownCause;
/// use watchfire_operators::detect::Features;
/// assert_eq!(Features::Known(vec![2.5]).known(), Some([2.5].as_slice()));
/// assert_eq!(Features::Unknown(UnknownCause::NotANumber).known(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// As [`Rolling::names`] calls them.
    Known(Vec<f64>),
    /// A sensor says nothing, or nothing to be trusted.
    Unknown(UnknownCause),
}

impl Features {
    /// The features, if they are known.
    #[must_use]
    pub fn known(&self) -> Option<&[f64]> {
        match self {
            Features::Known(features) => Some(features),
            Features::Unknown(_) => None,
        }
    }
}

/// A row, and what is known with it.
///
/// # Examples
/// ```
/// use watchfire_engine::Timed;
/// use watchfire_operators::detect::{Features, Rolled};
/// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
/// # struct Bar { at_ms: i64 }
/// # impl Timed for Bar { fn event_time_ms(&self) -> i64 { self.at_ms } }
/// let rolled = Rolled { row: Bar { at_ms: 60_000 }, features: Features::Known(vec![2.5]) };
/// assert_eq!(rolled.event_time_ms(), 60_000);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rolled<T> {
    /// The row.
    pub row: T,
    /// What is known.
    pub features: Features,
}

impl<T: Timed> Timed for Rolled<T> {
    fn event_time_ms(&self) -> i64 {
        self.row.event_time_ms()
    }
}

/// A detector that puts [`Rolling`] features to every row that `reading` makes values of: for a [`Horizon`](super::Horizon) to tell what came of it, and trees or a
/// regression to foretell by.
///
/// Where one sensor has no sound value ([`Measured`]), nothing is known of the row: that is told, enters no window, and counts as part of a gap. A row
/// that is older than the last of its key is [`Late`](Verdict::Late): put [`InOrder`](super::InOrder) before where rows may overtake each other.
///
/// # Examples
/// ```
/// use serde::{Deserialize, Serialize};
/// use watchfire_engine::{Compose, Job, TickSource, Timed};
/// use watchfire_operators::detect::{Example, Horizon, Observed, Reading, Rolled, Rolling, Rolls};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Pump { pump: u32, at_ms: i64, bar: f64, amperes: f64, tripped: bool }
/// impl Timed for Pump {
///     fn event_time_ms(&self) -> i64 { self.at_ms }
/// }
/// let job = Job::new(|flow| {
///     let rolls = Rolls::new(Rolling::default(), |pump: &Pump| Reading::Value([pump.bar, pump.amperes]));
///     let within_the_hour = Horizon::new(3_600_000, 300_000, |rolled: &Rolled<Pump>| Observed {
///         features: rolled.features.known().map(<[f64]>::to_vec),
///         failed: rolled.row.tripped,
///         renewed: false,
///     });
///     let pumps = flow.channel::<Pump>("pumps").key_by(|pump| pump.pump);
///     pumps.detect("within the hour", rolls.then(within_the_hour)).out.1.to_channel("examples");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (pumps, examples) = (running.sender("pumps")?, running.receiver::<Example<u32>>("examples")?);
/// pumps.send((0..3).map(|n| Pump { pump: 7, at_ms: n * 60_000, bar: 2.5, amperes: 9.0, tripped: false }).collect())?;
/// drop(pumps);
/// assert_eq!(examples.rows().map(|example| example.features.len()).collect::<Vec<_>>(), [2 * (1 + 4 * 6); 3]);
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rolls<K, T, X> {
    rolling: Rolling,
    reading: X,
    about: String,
    rows: PhantomData<fn(&T) -> K>,
}

impl<K, T, X: Clone> Clone for Rolls<K, T, X> {
    fn clone(&self) -> Self {
        let Rolls { rolling, reading, about, rows } = self;
        Rolls { rolling: rolling.clone(), reading: reading.clone(), about: about.clone(), rows: *rows }
    }
}

impl<K, T, X> fmt::Debug for Rolls<K, T, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rolls({})", self.params())
    }
}

impl<K, T, X> Rolls<K, T, X> {
    /// Windows over what `reading` makes of a row, a pure function of it.
    #[must_use]
    pub fn new<const N: usize>(rolling: Rolling, reading: X) -> Self
    where
        X: Fn(&T) -> Reading<[f64; N]>,
    {
        Rolls { rolling, reading, about: String::new(), rows: PhantomData }
    }

    /// Says in words what `reading` reads: part of the flow's fingerprint, which cannot look into a function.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Rolls { about: about.into(), ..self }
    }

    fn params(&self) -> String {
        format!("of \"{}\": {:?}", self.about, self.rolling)
    }
}

impl<K, T, X, V> Detector for Rolls<K, T, X>
where
    K: Key,
    T: Data + Timed,
    X: Fn(&T) -> Reading<V> + Send + Sync + 'static,
    V: Measured + AsRef<[f64]>,
{
    type Key = K;
    type In = T;
    type Out = Rolled<T>;
    type State = RollingState;

    fn describe(&self) -> Describe {
        Describe { kind: "rolling", params: self.params(), ordered: true }
    }

    fn on_row(&self, st: &mut RollingState, row: &T, cx: &mut Context<'_, K, Rolled<T>>) -> Verdict {
        // Of a key whose clock is ahead the engine knows better.
        let at_ms = row.event_time_ms().min(cx.event_time_ms());
        let reading = (self.reading)(row);
        if matches!(reading, Reading::None) {
            return Verdict::Applied;
        }
        if at_ms < st.last_ms {
            return Verdict::Late;
        }
        st.last_ms = at_ms;
        let features = match reading {
            Reading::Value(values) => match values.unsound() {
                None => Features::Known(self.rolling.roll(st, at_ms, values.as_ref())),
                Some(cause) => Features::Unknown(cause),
            },
            Reading::Unknown(cause) => Features::Unknown(cause),
            Reading::Reset | Reading::None => {
                *st = RollingState { last_ms: at_ms, ..RollingState::default() };
                return Verdict::Applied;
            }
        };
        cx.emit(Rolled { row: row.clone(), features });
        Verdict::Applied
    }
}
