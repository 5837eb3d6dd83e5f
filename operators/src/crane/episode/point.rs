//! What episodes need to know of one reading.

use watchfire_engine::{Real, rkyv};

use crate::crane::CraneReading;
use crate::crane::stats::level::Level;

/// No wind was measured.
const NO_WIND: u16 = u16::MAX;

/// One instant of one crane, in 24 bytes. Of several readings of one instant the greatest counts, which is the worst.
///
/// A reading below the release threshold is kept only as that (`LEAST`), one that says nothing only as that
/// (`UNKNOWN`): nothing else of them can ever matter, and equal points compress to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Point {
    pub(super) at_ms: i64,
    pub(super) says: Says,
}

/// A point without its time. Fields in order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Says {
    pub(super) level: Level,
    pub(super) radius_mm: u32,
    /// Centimetres per second.
    pub(super) wind: u16,
    pub(super) reeving: u8,
    /// Whether `operator` holds.
    pub(super) logged_in: bool,
    pub(super) operator: u32,
}

impl Says {
    /// Below the release threshold.
    pub(super) fn low(reeving: u8) -> Self {
        Says { level: Level::LEAST, radius_mm: 0, wind: 0, reeving, logged_in: false, operator: 0 }
    }

    /// Nothing.
    pub(super) fn nothing(reeving: u8) -> Self {
        Says { level: Level::UNKNOWN, ..Says::low(reeving) }
    }

    /// What a reading says whose level is at or above the release threshold.
    fn loaded(level: Level, reading: &CraneReading) -> Self {
        Says {
            level,
            radius_mm: (reading.radius_m * 1_000.0 + 0.5) as u32,
            wind: reading.wind_mps.map_or(NO_WIND, |mps| ((mps * 100.0 + 0.5) as u16).min(NO_WIND - 1)),
            reeving: reading.reeving,
            logged_in: reading.operator.is_some(),
            operator: reading.operator.unwrap_or(0),
        }
    }

    #[inline]
    pub(super) fn is_low(&self) -> bool {
        self.level == Level::LEAST
    }

    /// Whether nothing but time, class and reeving is kept.
    pub(super) fn is_plain(&self) -> bool {
        self.level <= Level::LEAST
    }

    pub(super) fn radius_m(&self) -> Real {
        Real::new(f64::from(self.radius_mm) / 1_000.0).unwrap_or_default()
    }

    pub(super) fn wind_mps(&self) -> Option<Real> {
        if self.wind == NO_WIND { None } else { Real::new(f64::from(self.wind) / 100.0).ok() }
    }

    pub(super) fn operator(&self) -> Option<u32> {
        self.logged_in.then_some(self.operator)
    }
}

impl Point {
    #[inline]
    pub(super) fn new(at_ms: i64, level: Level, release_at: Level, reading: &CraneReading) -> Self {
        let says = match level {
            Level::UNKNOWN => Says::nothing(reading.reeving),
            level if level < release_at => Says::low(reading.reeving),
            level => Says::loaded(level, reading),
        };
        Point { at_ms, says }
    }
}

/// Equal points at equal distances: `count` of them, `step_ms` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Run {
    pub(super) first_ms: i64,
    pub(super) step_ms: u32,
    /// At least 1.
    pub(super) count: u32,
    pub(super) says: Says,
}

impl Run {
    pub(super) fn one(point: Point) -> Self {
        Run { first_ms: point.at_ms, step_ms: 0, count: 1, says: point.says }
    }

    pub(super) fn at_ms(&self, n: u32) -> i64 {
        self.first_ms + i64::from(self.step_ms) * i64::from(n)
    }

    pub(super) fn last_ms(&self) -> i64 {
        self.at_ms(self.count - 1)
    }

    /// The points `from..to` of it, if any.
    fn part(&self, from: u32, to: u32) -> Option<Run> {
        (from < to).then(|| Run { first_ms: self.at_ms(from), count: to - from, ..*self })
    }

    /// Takes in a later run if both together are one.
    #[inline]
    pub(super) fn take_in(&mut self, next: &Run) -> bool {
        let apart_ms = next.first_ms - self.last_ms();
        let step_ms = if self.count > 1 { i64::from(self.step_ms) } else { apart_ms };
        if self.says != next.says
            || apart_ms != step_ms
            || (next.count > 1 && i64::from(next.step_ms) != step_ms)
            || self.count.checked_add(next.count).is_none()
        {
            return false;
        }
        let Ok(step_ms) = u32::try_from(step_ms) else { return false };
        (self.step_ms, self.count) = (step_ms, self.count + next.count);
        true
    }
}

/// What became of a point that was put among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    New,
    /// There is one of that instant that is worse.
    Hidden,
    /// There is one of that instant that says the same.
    Known,
}

/// Puts a point into runs in time order, splitting one if it must.
pub(super) fn put(runs: &mut Vec<Run>, point: Point) -> Put {
    let at = runs.partition_point(|run| run.last_ms() < point.at_ms);
    let inside = runs.get(at).copied().filter(|run| run.first_ms <= point.at_ms);
    let Some(run) = inside else {
        runs.insert(at, Run::one(point));
        return Put::New;
    };
    let n = ((point.at_ms - run.first_ms) / i64::from(run.step_ms.max(1))) as u32;
    let same_instant = run.at_ms(n) == point.at_ms;
    if same_instant && run.says >= point.says {
        return if run.says == point.says { Put::Known } else { Put::Hidden };
    }
    let before = run.part(0, if same_instant { n } else { n + 1 });
    let parts = [before, Some(Run::one(point)), run.part(n + 1, run.count)];
    runs.splice(at..=at, parts.into_iter().flatten());
    Put::New
}
