//! The overload alarm of a tower crane: from a reading, by its chart and reeving, to what the alarm is told.

use std::fmt::Write as _;
use std::sync::Arc;

use watchfire_engine::Key;

use super::{ChartBook, ChartMode, CraneReading, RatedLoad, ReadingLimits, Utilisation};
use crate::alarm::{Alarms, Ladder, LadderError, Signal, UnknownCause};

/// Settings of the overload alarm.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::DEFAULT_UNKNOWN_AFTER_MS;
/// use watchfire_operators::crane::CraneAlarmConfig;
/// let config = CraneAlarmConfig::default();
/// assert_eq!((config.ladder.rule.as_str(), config.silence_ms), ("crane_overload", DEFAULT_UNKNOWN_AFTER_MS));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CraneAlarmConfig {
    /// The ladder over the ratio of load to rated load (1.0 is the rated load). Default [`Ladder::crane_overload`].
    pub ladder: Ladder,
    /// A crane of which nothing new was heard for so many ms is unknown. Default [`Ladder::unknown_after_ms`] of the
    /// default ladder, 10,000 ms. A device that only reports every 30 s needs more, and a wider `max_gap_ms`.
    pub silence_ms: i64,
    /// How charts answer between their points. Default [`ChartMode::Product`].
    pub mode: ChartMode,
    /// A lighter load, kilograms, comes from a broken load cell: unknown, not safe. Default
    /// [`ReadingLimits::load_min_kg`], -300. There is no upper limit: a load too heavy to be true still raises.
    pub load_min_kg: f64,
}

impl Default for CraneAlarmConfig {
    fn default() -> Self {
        let ladder = Ladder::crane_overload();
        let silence_ms = ladder.unknown_after_ms;
        let load_min_kg = ReadingLimits::default().load_min_kg;
        CraneAlarmConfig { ladder, silence_ms, mode: ChartMode::default(), load_min_kg }
    }
}

/// The overload alarm of every crane in the book: [`Alarms`] over the ratio of load to rated load, keyed by crane.
///
/// What a reading says is told by [`crane_signal`]. To let people acknowledge and suppress through the same stream, build
/// [`Alarms`] over a row type of your own with that function in it. A crane that has never sent anything has no alarm:
/// compare the book's cranes with those heard.
///
/// **No filter goes before it**, on purpose. Whatever smooths the load delays the beginning of a real overload by its
/// own lag, on top of the hold of the step: 0.2 s for a median of five at 10 Hz, 0.5-1 s for the usual EMA. One that only
/// ever raises a value (the greater of the reading and the median) is not late, but stretches every peak by the same
/// 0.2 s, and a snatch of 0.4 s above 110 % then passes for the 0.5 s that are critical. The holds of the ladder already
/// ride out spikes and snatches: no single sample raises any step. The price: an overload whose readings keep dipping
/// below the step, because it is within the noise of 100 %, can pass as a warning.
///
/// # Errors
/// Everything wrong with the ladder at once, see [`Ladder::validate`].
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::alarm::{Alarm, Severity};
/// use watchfire_operators::crane::{ChartBook, CraneAlarmConfig, CraneReading, RatedLoad, crane_alarms, reeving_change};
/// let book = Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &[(1, "QTZ63")], None)?);
/// let job = Job::new(move |flow| {
///     let Ok(alarms) = crane_alarms(book.clone(), CraneAlarmConfig::default()) else { return };
///     let readings = flow.channel::<CraneReading>("readings").key_by(|r| r.crane);
///     readings.detect("overload", alarms).out.to_channel("alarms");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (readings, alarms) = (running.sender("readings")?, running.receiver::<Alarm<u32>>("alarms")?);
/// readings.send(reeving_change())?;
/// drop(readings);
/// let changes: Vec<_> = alarms.rows().filter_map(Alarm::into_change).collect();
/// assert_eq!(changes.last().unwrap().severity, Some(Severity::Critical)); // 3.5 t where two falls carry 3 t
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn crane_alarms(
    book: Arc<ChartBook>,
    config: CraneAlarmConfig,
) -> Result<Alarms<u32, CraneReading, impl Fn(&CraneReading) -> Signal + Clone + Send + Sync + 'static>, LadderError> {
    let CraneAlarmConfig { ladder, silence_ms, mode, load_min_kg } = config;
    let about = about(&book, mode, load_min_kg);
    let alarms = Alarms::new(ladder, move |reading: &CraneReading| crane_signal(&book, mode, load_min_kg, reading))?;
    Ok(alarms.silent_after_ms(silence_ms).about(about))
}

/// What a reading says about overload: the load over what the crane's chart allows in its reeving at its radius.
///
/// - A ratio is a [`Value`](Signal::Value); 1.0 is the rated load.
/// - Beyond the end of the jib nothing may hang: infinity, above every step (the alarm shows `f64::MAX`).
/// - A crane without chart, or a reeving that the chart does not have: unknown, [`UnknownCause::NoLimit`].
/// - Load or radius not a finite number: [`UnknownCause::NotANumber`]. A negative radius, or a load below `load_min_kg`:
///   [`UnknownCause::OutOfRange`].
///
/// O(log cranes + points of a curve), no allocation.
///
/// # Examples
/// ```
/// use watchfire_operators::alarm::{Signal, UnknownCause};
/// use watchfire_operators::crane::{ChartBook, ChartMode, CraneReading, RatedLoad, crane_signal};
/// let book = ChartBook::new(vec![RatedLoad::qtz63()], &[(1, "QTZ63")], None)?;
/// let says = |crane, load_kg, radius_m, reeving| {
///     crane_signal(&book, ChartMode::Product, -300.0, &CraneReading::new(crane, 0, load_kg, radius_m, reeving))
/// };
/// assert_eq!(says(1, 1_960.0, 20.0, 4), Signal::Value(0.5));
/// assert_eq!(says(1, 1_960.0, 50.1, 4), Signal::Value(f64::INFINITY));
/// assert_eq!(says(1, 1_960.0, 20.0, 3), Signal::Unknown(UnknownCause::NoLimit));
/// assert_eq!(says(2, 1_960.0, 20.0, 4), Signal::Unknown(UnknownCause::NoLimit));
/// assert_eq!(says(1, f64::NAN, 20.0, 4), Signal::Unknown(UnknownCause::NotANumber));
/// assert_eq!(says(1, -900.0, 20.0, 4), Signal::Unknown(UnknownCause::OutOfRange));
/// # Ok::<(), watchfire_operators::crane::ChartErrors>(())
/// ```
#[inline]
#[must_use]
pub fn crane_signal(book: &ChartBook, mode: ChartMode, load_min_kg: f64, reading: &CraneReading) -> Signal {
    let CraneReading { load_kg, radius_m, .. } = *reading;
    let Some(chart) = book.chart(reading.crane) else { return Signal::Unknown(UnknownCause::NoLimit) };
    let Some(curve) = chart.curve(reading.reeving) else { return Signal::Unknown(UnknownCause::NoLimit) };
    match curve.utilisation_in(mode, load_kg, radius_m) {
        Utilisation::Ratio(_) if load_kg < load_min_kg => Signal::Unknown(UnknownCause::OutOfRange),
        Utilisation::Ratio(ratio) => Signal::Value(ratio),
        // The end of the jib is a place; an infinite radius is none.
        Utilisation::BeyondJib if radius_m.is_finite() => Signal::Value(f64::INFINITY),
        Utilisation::NoReeving => Signal::Unknown(UnknownCause::NoLimit),
        Utilisation::Unknown | Utilisation::BeyondJib if radius_m.is_finite() && load_kg.is_finite() => {
            Signal::Unknown(UnknownCause::OutOfRange)
        }
        Utilisation::Unknown | Utilisation::BeyondJib => Signal::Unknown(UnknownCause::NotANumber),
    }
}

/// Everything that the signal depends on besides the reading, for the flow's fingerprint.
fn about(book: &ChartBook, mode: ChartMode, load_min_kg: f64) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    for chart in book.charts() {
        let _ = write!(text, "{:?}", chart.model());
        for curve in chart.curves() {
            let points: Vec<(f64, f64)> = curve.points().collect();
            let _ = write!(text, " {} falls {:?} kg {points:?}", curve.falls(), curve.cap_kg());
        }
    }
    let model = |crane| book.chart(crane).map(RatedLoad::model);
    // The numbers rise, so the first that is not its own place comes after a number that is not listed.
    let unlisted = (0..).zip(book.cranes()).find(|(place, crane)| place != crane);
    let unlisted = unlisted.map_or(book.cranes().count() as u32, |(place, _)| place);
    let _ = write!(text, " others {:?}", model(unlisted));
    for crane in book.cranes() {
        let _ = write!(text, " {crane} {:?}", model(crane));
    }
    let (charts, cranes) = (book.charts().len(), book.cranes().count());
    let hash = text.stable_hash();
    format!("load / rated load, {mode:?}, from {load_min_kg:?} kg, book {hash:016x} ({charts} charts, {cranes} cranes)")
}
