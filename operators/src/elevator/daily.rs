//! What a lift counted in a day.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use watchfire_engine::Timed;

/// What a lift counted in a day, from midnight to midnight where it stands. Counts begin anew each day.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::DailyCounters;
/// let day = DailyCounters { lift: 31, total_door_operations: 820.0, total_door_reversals: 12.0, ..DailyCounters::default() };
/// assert!(day.validate().is_ok());
/// assert_eq!(DailyCounters { door_failure_events: -1.0, ..day }.validate().unwrap_err().code(), "E0601");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DailyCounters {
    /// The lift.
    pub lift: u32,
    /// When the day begins, milliseconds since 1970-01-01 UTC.
    pub day_ms: i64,
    /// Door operations that took longer than they should.
    pub slow_door_operations: f64,
    /// Times that doors opened and closed.
    pub total_door_cycles: f64,
    /// Times that doors were moved.
    pub total_door_operations: f64,
    /// Times that doors turned back while they closed.
    pub total_door_reversals: f64,
    /// Times that doors failed.
    pub door_failure_events: f64,
    /// Faults in the hoistway.
    pub hoistway_faults: f64,
    /// Times that the safety chain opened when it should not.
    pub safety_chain_issues: f64,
    /// Times that the car did not stop where it should.
    pub levelling_total_errors: f64,
    /// Times that the car set out late.
    pub startup_delays: f64,
    /// How long a run takes, milliseconds.
    pub average_run_time: f64,
    /// Runs.
    pub total_run_starts: f64,
}

impl Timed for DailyCounters {
    fn event_time_ms(&self) -> i64 {
        self.day_ms
    }
}

/// What no lift can have counted.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::DailyCounters;
/// let day = DailyCounters { lift: 31, total_run_starts: f64::NAN, ..DailyCounters::default() };
/// let error = day.validate().unwrap_err();
/// assert_eq!(error.code(), "E0601");
/// assert!(error.to_string().starts_with("E0601 lift 31: total_run_starts is no count."), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("E0601 lift {lift}: {field} is no count. Remedy: send what was counted in the day, 0 or more.")]
pub struct CounterError {
    lift: u32,
    field: &'static str,
}

impl CounterError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "E0601"
    }
}

impl DailyCounters {
    /// The counts by name.
    pub(super) fn counts(&self) -> [(&'static str, f64); 11] {
        [
            ("slow_door_operations", self.slow_door_operations),
            ("total_door_cycles", self.total_door_cycles),
            ("total_door_operations", self.total_door_operations),
            ("total_door_reversals", self.total_door_reversals),
            ("door_failure_events", self.door_failure_events),
            ("hoistway_faults", self.hoistway_faults),
            ("safety_chain_issues", self.safety_chain_issues),
            ("levelling_total_errors", self.levelling_total_errors),
            ("startup_delays", self.startup_delays),
            ("average_run_time", self.average_run_time),
            ("total_run_starts", self.total_run_starts),
        ]
    }

    /// Refuses what no lift can have counted: anything but numbers from 0 to 1e12.
    ///
    /// # Errors
    /// `E0601` with the first count that is none.
    pub fn validate(&self) -> Result<(), CounterError> {
        let wrong = self.counts().into_iter().find(|(_, count)| !(0.0..=1e12).contains(count));
        wrong.map_or(Ok(()), |(field, _)| Err(CounterError { lift: self.lift, field }))
    }
}
