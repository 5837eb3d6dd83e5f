//! Utilisation in fixed point, so that sums do not depend on the order of readings.

use watchfire_engine::{Real, rkyv};

use crate::crane::Utilisation;

/// What a reading says of the load, in 32 bits: a utilisation in millionths of the rated load, or one of two answers that
/// are none. The order is that of danger, with "unknown" lowest: of two readings of one instant the higher counts.
///
/// Rounding to the nearest millionth keeps order, so a ratio that reaches a threshold of whole millionths still does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub(in crate::crane) struct Level(i32);

/// Parts of the rated load in one.
const PER_UNIT: f64 = 1_000_000.0;

impl Level {
    /// No chart, no reeving, or no usable number.
    pub(in crate::crane) const UNKNOWN: Level = Level(i32::MIN);
    /// Lower than any ratio that is known: for the place of a value that does not matter.
    pub(in crate::crane) const LEAST: Level = Level(i32::MIN + 1);
    /// A load where nothing may hang: above every threshold.
    pub(in crate::crane) const BEYOND_JIB: Level = Level(i32::MAX);
    /// Ratios are clamped to plus and minus this.
    pub(in crate::crane) const RATIO_MAX: f64 = 2_147.0;
    const RAW_MAX: i32 = 2_147_000_000;

    #[inline]
    pub(in crate::crane) fn of(utilisation: Utilisation) -> Level {
        match utilisation {
            Utilisation::Ratio(ratio) => Level::ratio(ratio),
            Utilisation::BeyondJib => Level::BEYOND_JIB,
            Utilisation::NoReeving | Utilisation::Unknown => Level::UNKNOWN,
        }
    }

    /// A ratio, to the nearest millionth, halves away from zero.
    #[inline]
    pub(in crate::crane) fn ratio(ratio: f64) -> Level {
        // Truncation after adding a half: `round` is a call into the mathematics library. The cast itself saturates.
        Level(((ratio * PER_UNIT + 0.5f64.copysign(ratio)) as i32).clamp(-Self::RAW_MAX, Self::RAW_MAX))
    }

    #[inline]
    pub(in crate::crane) fn raw(self) -> i32 {
        self.0
    }

    pub(in crate::crane) fn from_raw(raw: i32) -> Level {
        Level(raw)
    }

    /// The same order in a number without a sign.
    #[inline]
    pub(in crate::crane) fn ordinal(self) -> u32 {
        self.0.cast_unsigned() ^ 1 << 31
    }

    #[inline]
    pub(in crate::crane) fn from_ordinal(ordinal: u32) -> Level {
        Level((ordinal ^ 1 << 31).cast_signed())
    }

    #[inline]
    pub(in crate::crane) fn is_ratio(self) -> bool {
        self != Level::UNKNOWN && self != Level::BEYOND_JIB
    }

    /// Millionths of the rated load; `None` where there is no ratio.
    #[inline]
    pub(in crate::crane) fn millionths(self) -> Option<i64> {
        self.is_ratio().then_some(i64::from(self.0))
    }
}

/// Millionths as a measured value.
#[inline]
pub(in crate::crane) fn real_of(millionths: i64) -> Option<Real> {
    Real::new(millionths as f64 / PER_UNIT).ok()
}

/// A mean of millionths over time, as a measured value; `None` over no time.
#[inline]
pub(in crate::crane) fn mean_of(millionth_ms: i64, over_ms: i64) -> Option<Real> {
    if over_ms > 0 { Real::new(millionth_ms as f64 / over_ms as f64 / PER_UNIT).ok() } else { None }
}

/// A duration as a share of a longer one, 0 to 1; 0 of nothing.
#[inline]
pub(in crate::crane) fn share_of(part_ms: i64, whole_ms: i64) -> Real {
    let share = if whole_ms > 0 { part_ms as f64 / whole_ms as f64 } else { 0.0 };
    Real::new(share).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounding_keeps_order_and_is_near(a in -3_000.0f64..3_000.0, b in -3_000.0f64..3_000.0) {
            let (low, high) = (Level::ratio(a.min(b)), Level::ratio(a.max(b)));
            prop_assert!(low <= high);
            prop_assert!(Level::LEAST < low && high < Level::BEYOND_JIB);
            if a.abs() < Level::RATIO_MAX {
                let back = Level::ratio(a).millionths().unwrap() as f64 / PER_UNIT;
                prop_assert!((back - a).abs() <= 0.500_001e-6, "{} {}", a, back);
            }
        }
    }

    #[test]
    fn what_is_no_ratio_has_no_number() {
        assert_eq!(Level::of(Utilisation::BeyondJib).millionths(), None);
        assert_eq!(Level::of(Utilisation::NoReeving), Level::UNKNOWN);
        assert_eq!(Level::of(Utilisation::Ratio(1.0)).millionths(), Some(1_000_000));
        assert_eq!(Level::ratio(f64::NAN).millionths(), Some(0));
    }
}
