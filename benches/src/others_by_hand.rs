//! More detectors by hand, each for the readings of its bench and nothing else: no gaps, no late rows but where that is what it is about, no checks of what cannot be.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;
use watchfire_operators::detect::Label;

use crate::detectors_by_hand::{Measured, Told, note};
pub use crate::yardstick::T0_MS;
use crate::yardstick::draw;

/// What is further above what is usual is odd.
pub const ODD_A: f64 = 15.0;

/// Events and exposure, both as they have faded.
pub type EventRate = (f64, f64);
/// How often an odd reading is usual, a reading.
pub const ODD_RATE: f64 = 1.0 / 5_000.0;
/// For so many readings that is believed, and after so many an odd one has faded to 1/e.
pub const READINGS: f64 = 600.0;

/// How often there are odd readings.
#[inline(always)]
pub fn event_rate((events, exposure): &mut EventRate, [more, readings]: [f64; 2]) -> f64 {
    let left = (-readings / READINGS).exp();
    (*events, *exposure) = (*events * left + more, *exposure * left + readings);
    (ODD_RATE * READINGS + *events) / (READINGS + *exposure)
}

/// What is young fails. A whole power of a half is a root, which is another sum.
pub const SHAPE: f64 = 0.6;
/// The use by which 63 % have failed.
pub const SCALE: f64 = 20_000.0;
/// How much more use is looked ahead.
pub const WITHIN: f64 = 100.0;

/// How likely a part fails soon, by how much it was used.
#[inline(always)]
pub fn weibull(used: &mut f64, more: f64) -> f64 {
    let hazard = |used: f64| (used / SCALE).powf(SHAPE);
    *used += more;
    1.0 - (hazard(*used) - hazard(*used + WITHIN)).exp()
}

/// Who was not heard for longer is silent, milliseconds.
pub const AFTER_MS: i64 = 10_000;

/// A lift in fifty pauses for half a minute of each minute, but for the last two: nobody is silent at the end.
#[must_use]
pub fn with_pauses(mut rows: Vec<Measured>) -> Vec<Measured> {
    let until_ms = rows.last().map_or(0, |row| row.at_ms) - 120_000;
    rows.retain(|row| {
        let second = ((row.at_ms - T0_MS) / 1_000) as u64;
        let pauses = draw(u64::from(row.lift), second / 60, 4).is_multiple_of(50);
        row.at_ms > until_ms || !pauses || !(20..50).contains(&(second % 60))
    });
    rows
}

/// Who falls silent and who comes back, and the seconds at which they were heard last. All lifts are looked at once a second.
#[must_use]
pub fn silence(rows: &[Measured]) -> Told {
    let (mut lifts, mut told): (FxHashMap<u32, (i64, bool)>, Told) = Default::default();
    let mut looked_ms = 0;
    let mut tell = |heard_ms: i64| note(&mut told, Some((heard_ms - T0_MS) as f64 / 1e3), |_| true);
    for row in rows {
        if row.at_ms >= looked_ms + 1_000 {
            looked_ms = row.at_ms;
            let silent = lifts.values_mut().filter(|of| !of.1 && looked_ms - of.0 >= AFTER_MS);
            silent.for_each(|of| {
                of.1 = true;
                tell(of.0);
            });
        }
        let of = lifts.entry(row.lift).or_default();
        if of.1 {
            tell(of.0);
        }
        *of = (row.at_ms, false);
    }
    told
}

/// So far rows are out of order at most, milliseconds.
pub const DISORDER_MS: i64 = 3_000;

/// The latest time of a lift, and its rows that wait.
pub type Waiting = (i64, BTreeMap<i64, Measured>);

/// Lets rows go on in order.
#[inline(always)]
pub fn in_order((latest_ms, waiting): &mut Waiting, row: &Measured, mut goes_on: impl FnMut(&Measured)) {
    waiting.insert(row.at_ms, *row);
    *latest_ms = row.at_ms.max(*latest_ms);
    while let Some(first) = waiting.first_entry().filter(|first| *first.key() < *latest_ms - DISORDER_MS) {
        goes_on(&first.remove());
    }
}

/// What comes of it within so long, milliseconds.
pub const HORIZON_MS: i64 = 60_000;

/// Tells of each reading at once, and again when it is known what came of it.
#[inline(always)]
pub fn horizon<F>(open: &mut VecDeque<(i64, F)>, row: &Measured, features: F, mut tell: impl FnMut(i64, &F, Label)) {
    let (at_ms, failed) = (row.at_ms, row.current_a > ODD_A);
    while let Some((from_ms, of)) = open.front() {
        if !failed && from_ms + HORIZON_MS > at_ms {
            break;
        }
        tell(*from_ms, of, Label::Known(failed));
        open.pop_front();
    }
    tell(at_ms, &features, Label::Open);
    open.push_back((at_ms, features));
}

/// Whether a reading begins, goes on to its end, or is ruled out in between.
pub mod steps {
    use crate::detectors_by_hand::Measured;

    /// The first: much current.
    #[inline(always)]
    #[must_use]
    pub fn begins(row: &Measured) -> bool {
        row.current_a > 3.48
    }

    /// The last: warm.
    #[inline(always)]
    #[must_use]
    pub fn ends(row: &Measured) -> bool {
        row.celsius > 40.48
    }

    /// What must not come in between: little current.
    #[inline(always)]
    #[must_use]
    pub fn rules_out(row: &Measured) -> bool {
        row.current_a < 2.55
    }
}

/// No more lies between the first step and the last, milliseconds.
pub const STEPS_MS: i64 = 10_000;

/// When each that has begun did.
pub type Begun = VecDeque<i64>;

/// How long a match took, if the reading ends one. No row is in two.
#[inline(always)]
pub fn sequence(begun: &mut Begun, row: &Measured) -> Option<f64> {
    while begun.front().is_some_and(|first_ms| row.at_ms - first_ms > STEPS_MS) {
        begun.pop_front();
    }
    if let Some(first_ms) = begun.front().copied().filter(|_| steps::ends(row)) {
        begun.clear();
        return Some((row.at_ms - first_ms) as f64 / 1e3);
    }
    if steps::rules_out(row) {
        begun.clear();
    }
    if steps::begins(row) {
        begun.push_back(row.at_ms);
    }
    None
}
