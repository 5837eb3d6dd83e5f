//! What one window says.

use serde::{Deserialize, Serialize};
use watchfire_engine::Real;

use super::OVERLOAD_THRESHOLDS;
use super::level::{Level, mean_of, real_of, share_of};
use super::part::{OverloadPart, Rules, Stretch};
use crate::window::Span;

/// How one crane was loaded during one window.
///
/// A change of the reeving begins the statistics anew: [`latest`](Self::latest) holds what came since the last change in
/// the window, and each stretch before a change stands by itself in [`earlier`](Self::earlier). Nothing is added up
/// across a change, and nothing before it is lost.
///
/// `covered_ms + unknown_ms` and the uncovered rest make up the window. **A low coverage is no evidence of a low load.**
///
/// ```
/// use watchfire_operators::crane::{CraneReading, CraneStats, ChartBook, OverloadConfig, RatedLoad};
/// use watchfire_operators::window::{Aggregate, Span};
/// let book = ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63"))?;
/// let stats = CraneStats::new(&OverloadConfig::default(), book.into())?;
/// let mut part = Default::default();
/// stats.add(&mut part, &CraneReading::new(1, 0, 3_920.0, 20.0, 4), 0);
/// stats.add(&mut part, &CraneReading::new(1, 1_000, 1_960.0, 20.0, 4), 1_000);
/// let window = stats.finish(Span { start_ms: 0, end_ms: 4_000 }, &part, None).unwrap();
/// assert_eq!(window.latest.max_utilisation.unwrap().get(), 1.0);
/// assert_eq!(window.latest.mean_utilisation.unwrap().get(), 0.625); // 1 s at 1.0, 3 s at 0.5
/// assert_eq!(window.latest.above_ms, [1_000, 1_000, 0, 0]);
/// assert_eq!(window.coverage.get(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OverloadWindow {
    /// Since the last change of the reeving, or since the start of the window.
    pub latest: ReevingStats,
    /// Before the changes of the reeving in this window, in time order; nearly always empty.
    pub earlier: Vec<ReevingStats>,
    /// Milliseconds for which a reading says how the load was: as a ratio, or that it hung beyond the jib.
    pub covered_ms: i64,
    /// Milliseconds for which a reading is there but says nothing: no chart, no curve for the reeving.
    pub unknown_ms: i64,
    /// `covered_ms` as a share of the window, 0 to 1.
    pub coverage: Real,
}

impl OverloadWindow {
    /// Changes of the reeving within the window.
    ///
    /// ```
    /// # use watchfire_operators::crane::{CraneReading, CraneStats, ChartBook, OverloadConfig, RatedLoad};
    /// # use watchfire_operators::window::{Aggregate, Span};
    /// # let book = ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63"))?;
    /// # let stats = CraneStats::new(&OverloadConfig::default(), book.into())?;
    /// # let mut part = Default::default();
    /// stats.add(&mut part, &CraneReading::new(1, 0, 2_700.0, 15.0, 4), 0);
    /// stats.add(&mut part, &CraneReading::new(1, 500, 2_700.0, 15.0, 2), 500);
    /// let window = stats.finish(Span { start_ms: 0, end_ms: 1_000 }, &part, None).unwrap();
    /// assert_eq!((window.reeving_changes(), window.latest.reeving, window.earlier[0].reeving), (1, 2, 4));
    /// assert_eq!(window.latest.mean_utilisation.unwrap().get(), 0.9); // of the two-fall curve alone
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reeving_changes(&self) -> usize {
        self.earlier.len()
    }

    /// The statistics of all stretches, in time order.
    pub fn stretches(&self) -> impl Iterator<Item = &ReevingStats> {
        self.earlier.iter().chain(std::iter::once(&self.latest))
    }

    /// Whether any stretch of the window must be treated as at or above the threshold of this place in
    /// [`OverloadConfig::thresholds`](super::OverloadConfig::thresholds): some time was spent there. Time that is
    /// unknown or uncovered is not counted and must be looked at by itself.
    ///
    /// ```
    /// # use watchfire_operators::crane::{CraneReading, CraneStats, ChartBook, OverloadConfig, RatedLoad};
    /// # use watchfire_operators::window::{Aggregate, Span};
    /// # let book = ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63"))?;
    /// # let stats = CraneStats::new(&OverloadConfig::default(), book.into())?;
    /// # let mut part = Default::default();
    /// stats.add(&mut part, &CraneReading::new(1, 0, 0.0, 51.0, 4), 0); // no load at all, but beyond the jib
    /// let window = stats.finish(Span { start_ms: 0, end_ms: 1_000 }, &part, None).unwrap();
    /// assert!(window.reaches(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reaches(&self, threshold: usize) -> bool {
        self.stretches().any(|stretch| stretch.above_ms.get(threshold).is_some_and(|ms| *ms > 0))
    }
}

/// Statistics of a stretch of one window in which the reeving did not change.
///
/// Times are event time by each reading counting until the next, at most `max_gap_ms`, and never outside the window. A
/// reading from before the window counts in its first milliseconds in the same way, without being a reading of it. Of
/// several readings of one instant the worst counts on.
///
/// Sums are exact whatever order readings came in: utilisation is taken in millionths of the rated load (nearest; ratios
/// beyond 2,147 are cut to that), times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReevingStats {
    /// Falls of rope.
    pub reeving: u8,
    /// Where the stretch begins within the window, milliseconds since 1970: its first reading, or the window's start.
    pub from_ms: i64,
    /// Readings in it. Of those of one instant that say the same of the load, one is counted.
    pub readings: u32,
    /// Those of them that say nothing: no chart, no curve for the reeving. **Not a normal state.**
    pub unknown_readings: u32,
    /// Those of them with a load beyond the end of the jib.
    pub beyond_jib_readings: u32,
    /// Mean utilisation over the time for which there is a ratio; `None` if there is none.
    pub mean_utilisation: Option<Real>,
    /// Highest utilisation; `None` if there is no ratio. A load beyond the jib has none and is worse than any.
    pub max_utilisation: Option<Real>,
    /// When that was first reached, milliseconds since 1970; the window's start if the reading came before it.
    pub max_at_ms: Option<i64>,
    /// Milliseconds at or above each of the thresholds. A load beyond the jib is above all of them.
    pub above_ms: [i64; OVERLOAD_THRESHOLDS],
    /// Milliseconds with a ratio or a load beyond the jib.
    pub covered_ms: i64,
    /// Milliseconds with a load beyond the jib.
    pub beyond_jib_ms: i64,
    /// Milliseconds with readings that say nothing.
    pub unknown_ms: i64,
}

impl ReevingStats {
    #[inline]
    fn of(stretch: &Stretch) -> Self {
        let has_ratio = stretch.max != Level::LEAST;
        let notable = &stretch.notable;
        ReevingStats {
            reeving: stretch.reeving,
            from_ms: stretch.first_ms,
            readings: stretch.readings,
            unknown_readings: notable.unknown,
            beyond_jib_readings: notable.beyond,
            mean_utilisation: mean_of(stretch.weighted, i64::from(stretch.ratio_ms)),
            max_utilisation: if has_ratio { real_of(i64::from(stretch.max.raw())) } else { None },
            max_at_ms: has_ratio.then(|| stretch.first_ms + i64::from(stretch.max_after_ms)),
            above_ms: notable.above_ms.map(i64::from),
            covered_ms: i64::from(stretch.ratio_ms) + i64::from(notable.beyond_ms),
            beyond_jib_ms: i64::from(notable.beyond_ms),
            unknown_ms: i64::from(notable.unknown_ms),
        }
    }
}

/// The row of a window from its merged panes and the pane before it; `None` without readings.
#[inline]
pub(super) fn window(
    span: Span,
    part: &OverloadPart,
    before: Option<&OverloadPart>,
    rules: &Rules,
) -> Option<OverloadWindow> {
    let folded = part.folded(rules)?;
    let mut latest = folded.latest;
    let mut earlier = folded.earlier().to_vec();
    let first = earlier.first_mut().unwrap_or(&mut latest);
    if let Some((at_ms, level, reeving)) = before.and_then(OverloadPart::last)
        && first.first_ms > span.start_ms
        && at_ms.saturating_add(rules.max_gap_ms) > span.start_ms
    {
        // Only what is left of its reach falls into the window.
        let left_ms = at_ms + rules.max_gap_ms - span.start_ms;
        if first.reeving == reeving {
            first.carry(span.start_ms, level, left_ms, rules);
        } else {
            let left = Rules { max_gap_ms: left_ms, ..*rules };
            let carried = Stretch::carried(span.start_ms, level, reeving, first.first_ms, &left);
            earlier.insert(0, carried);
        }
    }
    latest.reach(span.end_ms, rules);
    Some(row(span, &latest, &earlier))
}

#[inline]
fn row(span: Span, latest: &Stretch, earlier: &[Stretch]) -> OverloadWindow {
    let latest = ReevingStats::of(latest);
    let (mut covered_ms, mut unknown_ms) = (latest.covered_ms, latest.unknown_ms);
    let earlier: Vec<ReevingStats> = earlier.iter().map(ReevingStats::of).collect();
    for stretch in &earlier {
        covered_ms += stretch.covered_ms;
        unknown_ms += stretch.unknown_ms;
    }
    let coverage = share_of(covered_ms, span.end_ms - span.start_ms);
    OverloadWindow { latest, earlier, covered_ms, unknown_ms, coverage }
}
