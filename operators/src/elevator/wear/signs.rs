//! What a sign of a lift came to, day after day.

use watchfire_engine::rkyv;

use super::{Wear, WearSign};
use crate::detect::{Cusum, CusumState, Holt, HoltState, Judged, Score, Side};

const DAY_MS: i64 = 86_400_000;

/// What a sign was on the trips of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct DaySums {
    trips: u32,
    off: f64,
    value: f64,
}

/// Of fewer trips a day says nothing of what is measured.
const TRIPS_MIN: u32 = 3;

impl DaySums {
    pub(super) fn add(&mut self, (off, value): (f64, f64)) {
        self.trips = self.trips.saturating_add(1);
        self.off += off;
        self.value += value;
    }

    /// How far it was off on average, and what it was.
    fn means(&self) -> Option<(f64, f64)> {
        let trips = f64::from(self.trips);
        (self.trips >= TRIPS_MIN).then(|| (self.off / trips, self.value / trips))
    }
}

/// A mean of which the newest counts most, by the days that have gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Faded {
    sum: f64,
    weight: f64,
}

/// How much nothing counts.
const NOTHING: f64 = 0.5;

impl Faded {
    /// A day, `gone` days after the last, with a value or without; after `days` one counts 1/e.
    pub(super) fn day(&mut self, value: Option<f64>, days: f64, gone: f64) {
        let stays = (-gone / days).exp();
        (self.sum, self.weight) = (self.sum * stays, self.weight * stays);
        if let Some(value) = value {
            (self.sum, self.weight) = (self.sum + value, self.weight + 1.0);
        }
    }

    /// The mean, drawn towards 0 as if half a day had been so: one day alone is not believed altogether.
    pub(super) fn drawn(self) -> f64 {
        self.sum / (self.weight + NOTHING)
    }

    fn mean(self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
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
            lately: none,
        }
    }
}

/// For so many trips what is usual of all lifts is believed, and on so many what is usual of one is learned, if not on more by days.
const BELIEVED_TRIPS: f64 = 200.0;
const LEARNED_TRIPS: f64 = 1_000.0;

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

    /// A day is over, so many days after the last.
    pub(super) fn day(&mut self, wear: &Wear, sign: WearSign, (day_ms, gone): (i64, f64), sums: &DaySums) {
        let off =
            if sign.is_counted() { self.counted(wear, sign, sums, gone) } else { sums.means().map(|(off, _)| off) };
        self.two_days.day(off, 2.0, gone);
        self.week.day(off, 7.0, gone);
        if let Some(off) = off {
            let cusum =
                Cusum { k: wear.cusum_k, warm_up: wear.warm_up_days, sd_min: 0.1, most: 16.0, side: Side::Above };
            if let Judged::Score(summed, _) = cusum.score(&mut self.cusum, day_ms, off) {
                self.summed = summed;
            }
        } else {
            self.summed *= (-gone / 7.0).exp();
        }
        let limit = match sign {
            WearSign::LevelError => wear.level_limit_um,
            WearSign::Slip => wear.slip_limit_um,
            _ => return,
        };
        let Some((_, value)) = sums.means() else {
            self.left_ms *= (gone / 7.0).exp();
            return;
        };
        let (level_ms, trend_ms, horizon_ms) = (3 * DAY_MS, 10 * DAY_MS, 365 * DAY_MS);
        let warm_up = wear.warm_up_days.max(2);
        let holt = Holt { level_ms, trend_ms, limit, side: Side::Above, horizon_ms, warm_up };
        if let Judged::Score(left_ms, _) = holt.score(&mut self.holt, day_ms, value) {
            self.left_ms = left_ms;
        }
    }

    /// How far a count is off what is usual, as the square root of what is usual goes.
    fn counted(&mut self, wear: &Wear, sign: WearSign, sums: &DaySums, gone: f64) -> Option<f64> {
        let (trips, count) = (f64::from(sums.trips), sums.value);
        self.lately.day((trips > 0.0).then_some(count / trips), 2.0, gone);
        if trips == 0.0 {
            return None;
        }
        let expected = self.usual(sign) * trips;
        let (events, of_trips, days) = self.usual;
        if days < wear.warm_up_days || of_trips < LEARNED_TRIPS {
            self.usual = (events + count, of_trips + trips, days.saturating_add(1));
        }
        Some(((count - expected) / (expected + 0.25).sqrt()).clamp(-FAR, FAR))
    }
}
