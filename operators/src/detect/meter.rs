//! What a running total went up by.

use serde::{Deserialize, Serialize};
use watchfire_engine::rkyv;

/// Reads a device that tells what it has counted so far, and says what was counted in between: of hours, runs, door cycles.
///
/// A total that does not go up by 0 to [`most`](Meter::most) is not believed at once, whichever way it went: a device that begins at 0 again, one that was replaced by another, and a reading that
/// is wrong look alike. The next one decides: if it goes on from there, so does the meter; if it goes on from before, it was a mistake. What a device had counted since it began anew counts, if it is no more
/// than `most`. So nothing is counted twice, and what is lost at a change is what was counted between the last reading of the old device and the first of the new one. O(1) a reading.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::{Meter, MeterState};
/// let (meter, mut state) = (Meter { most: 500 }, MeterState::default());
/// let mut added = |totals: [u64; 9]| totals.map(|total| meter.add(&mut state, total));
/// // It ran backwards once, began anew after 140, and jumped ahead once.
/// assert_eq!(added([100, 120, 20, 140, 3, 5, 99_999, 9, 12]), [0, 20, 0, 20, 0, 5, 0, 4, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// No more is counted between two readings.
    pub most: u64,
}

/// What [`Meter`] remembers of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub struct MeterState {
    last: Option<u64>,
    /// The last that was not believed.
    doubted: Option<u64>,
}

impl Meter {
    /// What was counted since the reading before; 0 at the first, and as long as nobody knows.
    pub fn add(&self, state: &mut MeterState, total: u64) -> u64 {
        let since = |before: u64| total.checked_sub(before).filter(|added| *added <= self.most);
        let Some(last) = state.last else {
            state.last = Some(total);
            return 0;
        };
        if let Some(added) = since(last) {
            (state.last, state.doubted) = (Some(total), None);
            return added;
        }
        let Some((doubted, added)) = state.doubted.and_then(|doubted| Some((doubted, since(doubted)?))) else {
            state.doubted = Some(total);
            return 0;
        };
        (state.last, state.doubted) = (Some(total), None);
        let began_anew = doubted < last && doubted <= self.most;
        added + if began_anew { doubted } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is sent, no more is counted than devices have counted; without mistakes all is, but for what was lost between devices.
        #[test]
        fn nothing_is_counted_twice(runs in prop::collection::vec(prop::collection::vec(0_u64..100, 2..20), 1..5)) {
            let (meter, mut state, mut added, mut truth) = (Meter { most: 100 }, MeterState::default(), 0, 0);
            for (nth, steps) in runs.iter().enumerate() {
                // Each device is far from the one before it.
                let mut total = if nth % 2 == 0 { 1_000_000 + nth as u64 * 1_000 } else { 0 };
                for (at, step) in steps.iter().enumerate() {
                    total += step;
                    added += meter.add(&mut state, total);
                    truth += if at == 0 && nth % 2 == 0 { 0 } else { *step };
                }
            }
            prop_assert_eq!(added, truth);
        }

        #[test]
        fn one_that_is_wrong_costs_nothing(steps in prop::collection::vec(0_u64..100, 2..20), at in 1_usize..19, wrong: u64) {
            let (meter, mut state, mut total, mut added) = (Meter { most: 100 }, MeterState::default(), 5_000, 0);
            for (nth, step) in steps.iter().enumerate() {
                if nth == at && !(total..=total + 300).contains(&wrong) {
                    added += meter.add(&mut state, wrong);
                }
                total += step;
                added += meter.add(&mut state, total);
            }
            prop_assert_eq!(added, steps[1..].iter().sum::<u64>());
        }
    }
}
