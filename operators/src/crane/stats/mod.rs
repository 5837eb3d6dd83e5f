//! Sliding statistics of a crane: how loaded it was, for how long above which threshold, and how much of the time is
//! known at all.

mod config;
pub(in crate::crane) mod level;
mod part;
pub(in crate::crane) mod rating;
mod row;
#[cfg(test)]
pub(in crate::crane) mod tests;

use std::sync::Arc;

use watchfire_engine::{Error, Verdict};

pub use config::{OVERLOAD_THRESHOLDS, OverloadConfig};
pub use part::OverloadPart;
pub use row::{OverloadWindow, ReevingStats};

use super::{ChartBook, CraneReading};
use crate::window::{Aggregate, Sliding, Span};
use level::Level;
use part::{Rules, Sample};
use rating::Rating;

/// Statistics of the readings of one crane, for [`Sliding`] windows; see [`OverloadWindow`] for what they say.
///
/// The result depends on the set of readings alone, not on their order: an open pane keeps them sorted by time and
/// utilisation (16 bytes each), and a pane that is shut keeps the sums (96 bytes). A reading repeats another, and is a
/// [`Verdict::Duplicate`], if its time, its utilisation in millionths and its reeving are equal: it then tells the
/// statistics nothing, whatever else it holds. One behind the watermark whose pane is shut is [`Verdict::Late`] even while later windows are open, because the pane
/// no longer knows its readings.
///
/// Windows without a reading give no row, and a reading reaches over the edge of one pane only: make windows by
/// [`overload_windows`], which checks that. The silence of a crane is the alarm's business.
///
/// ```
/// use watchfire_operators::crane::{ChartBook, CraneStats, OverloadConfig, RatedLoad};
/// let book = ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63"))?;
/// assert!(CraneStats::new(&OverloadConfig::default(), book.into()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CraneStats {
    rating: Rating,
    rules: Rules,
    params: String,
}

impl CraneStats {
    /// Statistics by the charts of a book.
    ///
    /// # Errors
    /// `E0161`, see [`OverloadConfig::check`].
    pub fn new(config: &OverloadConfig, book: Arc<ChartBook>) -> Result<Self, Error> {
        config.check()?;
        let rating = Rating::new(book, config.chart_mode);
        let rules = Rules { thresholds: config.thresholds.map(Level::ratio), max_gap_ms: config.max_gap_ms };
        let (limits, gap_ms) = (config.thresholds, config.max_gap_ms);
        let params = format!("crane_stats at {limits:?}, gap {gap_ms} ms, {}", rating.params());
        Ok(CraneStats { rating, rules, params })
    }
}

/// The sliding windows of cranes that a configuration asks for; [`Sliding::close`] then says when they close.
///
/// The key is the crane, or whatever the flow groups by: a reading's chart is found by its own crane number.
///
/// # Errors
/// `E0161`, see [`OverloadConfig::check`].
///
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::Job;
/// use watchfire_operators::crane::{
///     ChartBook, CraneReading, GOLDEN_START_MS, OverloadConfig, RatedLoad, overload_windows, steady_overload,
/// };
/// let book = Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63"))?);
/// overload_windows::<u32>(&OverloadConfig::default(), book.clone())?; // a mistake is told here, before the job
/// let job = Job::new(move |flow| {
///     let Ok(windows) = overload_windows::<u32>(&OverloadConfig::default(), book.clone()) else { return };
///     let readings = flow.channel::<CraneReading>("readings").key_by(|r| r.crane);
///     readings.detect("overload", windows).out.to_channel("windows");
/// });
/// let mut running = job.start()?;
/// let readings = running.sender("readings")?;
/// let windows = running.receiver::<watchfire_engine::Change<
///     watchfire_operators::window::WindowRow<u32, watchfire_operators::crane::OverloadWindow>,
/// >>("windows")?;
/// readings.send(steady_overload())?;
/// drop(readings);
/// let full = windows.rows().map(|change| change.into_parts().0).find(|row| row.span.start_ms == GOLDEN_START_MS);
/// assert_eq!(full.unwrap().value.latest.above_ms, [40_000, 40_000, 0, 0]);
/// # running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn overload_windows<K: watchfire_engine::Key>(
    config: &OverloadConfig,
    book: Arc<ChartBook>,
) -> Result<Sliding<K, CraneStats>, Error> {
    Sliding::new(config.size_ms, config.slide_ms, CraneStats::new(config, book)?)
}

impl Aggregate for CraneStats {
    type In = CraneReading;
    type Part = OverloadPart;
    type Out = OverloadWindow;

    fn params(&self) -> String {
        self.params.clone()
    }

    fn sealed_is_shut(&self) -> bool {
        true
    }

    fn reads_before(&self) -> bool {
        true
    }

    #[inline(always)]
    fn add(&self, part: &mut OverloadPart, reading: &CraneReading, at_ms: i64) -> Verdict {
        part.add(Sample::new(at_ms, self.rating.level(reading), reading.reeving))
    }

    #[inline]
    fn seal(&self, part: &mut OverloadPart, spare: &mut OverloadPart) {
        part.shut(spare, &self.rules);
    }

    #[inline(always)]
    fn merge(&self, into: &mut OverloadPart, next: &OverloadPart) {
        into.append(next, &self.rules);
    }

    #[inline]
    fn finish(&self, span: Span, part: &OverloadPart, before: Option<&OverloadPart>) -> Option<OverloadWindow> {
        row::window(span, part, before, &self.rules)
    }
}
