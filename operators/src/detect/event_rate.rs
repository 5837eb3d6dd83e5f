//! How often something happens.

use serde::{Deserialize, Serialize};
use watchfire_engine::{State, rkyv};

use super::ewma::clamped;
use super::{Judged, Score};
use crate::alarm::UnknownCause;

/// How often something happens to an asset, drawn towards how often it happens to those of its kind: a Poisson rate with a gamma prior, `(a + events) / (b +
/// exposure)`. So one event of a new asset is not a hundred percent, and one with a long record speaks for itself.
///
/// A value is how many events there were since the one before, and for how much exposure: days, runs, door cycles; less than none of either is out of range, and
/// counts for nothing. There is no warming up: what is not known is the prior. O(1) a value.
///
/// # Examples
/// Half a breakdown a lift-year is usual, and that is believed like two years of record.
/// ```
/// use watchfire_operators::detect::{EventRate, EventRateState, Judged, Score};
/// let rate = EventRate { prior_rate: 0.5, prior_exposure: 2.0, ..EventRate::default() };
/// let mut state = EventRateState::default();
/// let Judged::Score(a_year, why) = rate.score(&mut state, 0, [3.0, 1.0]) else { return };
/// assert!((a_year - 4.0 / 3.0).abs() < 1e-12, "(0.5 x 2 + 3) / (2 + 1), and not 3");
/// assert!((why.sd - 2.0 / 3.0).abs() < 1e-12, "square root of 4, by 3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventRate {
    /// How often it happens to one of the kind, for one unit of exposure; above 0.
    pub prior_rate: f64,
    /// For how much exposure that is believed; above 0.
    pub prior_exposure: f64,
    /// After so much exposure an event counts 1/e of what it did; infinite is never less.
    pub fades_after: f64,
}

impl Default for EventRate {
    /// Once a unit, believed like one unit; nothing fades.
    fn default() -> Self {
        EventRate { prior_rate: 1.0, prior_exposure: 1.0, fades_after: f64::INFINITY }
    }
}

/// What [`EventRate`] remembers of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct EventRateState {
    events: f64,
    exposure: f64,
}

impl State for EventRateState {
    const NAME: &'static str = "watchfire.event_rate";
    const VERSION: u32 = 1;
}

/// The numbers behind a score of [`EventRate`].
///
/// # Examples
/// Once a year is usual, believed like one year; in two years it was eight times.
/// ```
/// use watchfire_operators::detect::{EventRate, EventRateState, EventRateWhy, Judged, Score};
/// let (rate, mut state) = (EventRate::default(), EventRateState::default());
/// let said = [[2.0, 1.0], [6.0, 1.0]].map(|value| rate.score(&mut state, 0, value));
/// assert_eq!(said[1], Judged::Score(3.0, EventRateWhy { events: 8.0, exposure: 2.0, sd: 1.0 }), "three a year, give or take one");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRateWhy {
    /// How many events there were, those that fade by what is left of them.
    pub events: f64,
    /// For how much exposure.
    pub exposure: f64,
    /// The standard deviation of the rate.
    pub sd: f64,
}

impl Score for EventRate {
    type Value = [f64; 2];
    type Why = EventRateWhy;
    type State = EventRateState;
    const KIND: &'static str = "event_rate";

    #[inline]
    fn score(&self, st: &mut EventRateState, _at_ms: i64, [events, exposure]: [f64; 2]) -> Judged<EventRateWhy> {
        if events < 0.0 || exposure < 0.0 {
            return Judged::Unknown(UnknownCause::OutOfRange);
        }
        let left = if self.fades_after > 0.0 { (-exposure / self.fades_after).exp() } else { 1.0 };
        (st.events, st.exposure) = (st.events * left + events, st.exposure * left + exposure);
        let prior = self.prior_exposure.max(f64::MIN_POSITIVE);
        let (shape, rate) = (self.prior_rate.max(0.0) * prior + st.events, prior + st.exposure);
        let why = EventRateWhy { events: st.events, exposure: st.exposure, sd: clamped(shape.sqrt() / rate) };
        Judged::Score(clamped(shape / rate), why)
    }
}
