//! What a sign of a lift came to, day after day.

use watchfire_engine::rkyv;

use super::{Wear, WearSign};
use crate::detect::{Cusum, CusumState, Holt, HoltState, Judged, Score, Side};

const DAY_MS: i64 = 86_400_000;

/// What a sign was on the trips of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct DaySums {
    /// Of trips downward and upward: how many say something, how far they are off in sum, and what they say.
    trips: [u32; 2],
    off: [f64; 2],
    values: [f64; 2],
}

impl DaySums {
    pub(super) fn add(&mut self, upward: bool, off: f64, value: f64) {
        let way = usize::from(upward);
        self.trips[way] = self.trips[way].saturating_add(1);
        self.off[way] += off;
        self.values[way] += value;
    }

    fn trips(&self) -> f64 {
        self.trips.iter().copied().map(f64::from).sum()
    }

    /// How far it was off on average; of what is worse to both sides the worse of both directions, for one may make up for the other.
    fn off(&self, sign: WearSign) -> Option<f64> {
        let mean = |sum: f64, trips: u32| (trips >= 3).then(|| sum / f64::from(trips));
        if sign.both_sides() {
            let [down, up] = [0, 1].map(|way| mean(self.off[way], self.trips[way]).map(f64::abs));
            return down.into_iter().chain(up).max_by(f64::total_cmp);
        }
        mean(self.off.iter().sum(), self.trips[0].saturating_add(self.trips[1]))
    }

    fn furthest_value(&self) -> Option<f64> {
        let mean = |way: usize| (self.trips[way] >= 3).then(|| (self.values[way] / f64::from(self.trips[way])).abs());
        mean(0).into_iter().chain(mean(1)).max_by(f64::total_cmp)
    }
}

/// A mean of which the newest counts most, and nothing at all a little: so one day alone is not believed altogether.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Faded {
    sum: f64,
    weight: f64,
}

/// How much nothing counts.
const NOTHING: f64 = 0.5;

impl Faded {
    pub(super) fn add(&mut self, value: f64, days: f64) {
        let stays = (-1.0 / days).exp();
        (self.sum, self.weight) = (self.sum * stays + value, self.weight * stays + 1.0);
    }

    pub(super) fn mean(self) -> f64 {
        self.sum / (self.weight + NOTHING)
    }
}

/// What is known of a sign.
#[derive(Clone, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct SignState {
    pub(super) two_days: Faded,
    pub(super) week: Faded,
    cusum: CusumState,
    /// What the sum came to.
    pub(super) summed: f64,
    holt: HoltState,
    /// How long until it reaches its limit, if that is to be seen.
    pub(super) left_ms: f64,
    /// What is usual of what is counted: on so many trips, of so many days.
    usual: (f64, f64, u32),
    /// How far it was off for the last weeks.
    weeks: Faded,
    /// What is counted a trip lately.
    lately: Faded,
}

impl Default for SignState {
    fn default() -> Self {
        let none = Faded::default();
        let (cusum, holt) = (CusumState::default(), HoltState::default());
        SignState {
            two_days: none,
            week: none,
            cusum,
            summed: 0.0,
            holt,
            left_ms: f64::INFINITY,
            usual: (0.0, 0.0, 0),
            weeks: none,
            lately: none,
        }
    }
}

/// For so many trips what is usual of all lifts is believed.
const BELIEVED_TRIPS: f64 = 200.0;

/// How far off a day counts.
const FAR: f64 = 8.0;

impl SignState {
    /// It was mended. What was usual of what is counted stays: it was so when the lift was well, and who has mended something else has changed nothing in it.
    pub(super) fn mended(&mut self) {
        *self = SignState { usual: self.usual, ..SignState::default() };
    }

    /// How often it is counted a trip, usually.
    pub(super) fn usual(&self, sign: WearSign) -> f64 {
        (sign.usual_of_all() * BELIEVED_TRIPS + self.usual.0) / (BELIEVED_TRIPS + self.usual.1)
    }

    /// How often it is counted a trip, lately.
    pub(super) fn lately(&self) -> f64 {
        self.lately.mean()
    }

    /// A day is over.
    pub(super) fn day(&mut self, wear: &Wear, sign: WearSign, day_ms: i64, sums: &DaySums) {
        let off = if sign.is_counted() { self.counted(wear, sign, sums) } else { sums.off(sign) };
        if let Some(mut off) = off {
            if sign.follows_weather() {
                let before = self.weeks.mean();
                self.weeks.add(off, 14.0);
                off -= before;
            }
            self.two_days.add(off, 2.0);
            self.week.add(off, 7.0);
            let cusum =
                Cusum { k: wear.cusum_k, warm_up: wear.warm_up_days, sd_min: 0.1, most: 16.0, side: Side::Above };
            if let Judged::Score(summed, _) = cusum.score(&mut self.cusum, day_ms, off) {
                self.summed = summed;
            }
        }
        let limit = match sign {
            WearSign::LevelError => wear.level_limit_um,
            WearSign::Slip => wear.slip_limit_um,
            _ => return,
        };
        if let Some(value) = sums.furthest_value() {
            let (level_ms, trend_ms, horizon_ms) = (3 * DAY_MS, 10 * DAY_MS, 365 * DAY_MS);
            let warm_up = wear.warm_up_days.max(2);
            let holt = Holt { level_ms, trend_ms, limit, side: Side::Above, horizon_ms, warm_up };
            if let Judged::Score(left_ms, _) = holt.score(&mut self.holt, day_ms, value) {
                self.left_ms = left_ms;
            }
        }
    }

    /// How far a count is off what is usual, as the square root of what is usual goes.
    fn counted(&mut self, wear: &Wear, sign: WearSign, sums: &DaySums) -> Option<f64> {
        let (trips, count) = (sums.trips(), sums.values.iter().sum::<f64>());
        if trips == 0.0 {
            return None;
        }
        let expected = self.usual(sign) * trips;
        let (events, of_trips, days) = self.usual;
        if days < wear.warm_up_days {
            self.usual = (events + count, of_trips + trips, days + 1);
        }
        self.lately.add(count / trips, 2.0);
        Some(((count - expected) / (expected + 0.25).sqrt()).clamp(-FAR, FAR))
    }
}
