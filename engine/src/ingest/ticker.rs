//! The ticker: the one place that reads the wall clock on behalf of a job.

use std::time::{Duration, Instant, SystemTime};

use crate::time::TickSource;

/// Rows in a row that must agree before event times move the arrival clock by more than `max_jump_ms`.
const AGREEING_ROWS: usize = 8;

pub(crate) struct Ticker {
    source: TickSource,
    started: Instant,
    /// The latest tick given out.
    last_ms: Option<i64>,
    /// `FromEvents`: the event times of rows that are further ahead than a single row may move the clock.
    ahead: Vec<i64>,
    latest_ms: i64,
}

impl Ticker {
    pub(crate) fn new(source: TickSource) -> Self {
        Ticker { source, started: Instant::now(), last_ms: None, ahead: Vec::new(), latest_ms: i64::MIN }
    }

    pub(crate) fn follows_rows(&self) -> bool {
        matches!(self.source, TickSource::FromEvents { .. })
    }

    /// The tick that is due by the clock, if there is one.
    pub(crate) fn by_clock(&mut self) -> Option<i64> {
        let (now_ms, interval_ms) = match self.source {
            TickSource::Wall { interval_ms } => (wall_ms(), interval_ms),
            TickSource::Scaled { interval_ms, start_ms, speed } => {
                (start_ms + (self.started.elapsed().as_secs_f64() * 1e3 * speed) as i64, interval_ms)
            }
            TickSource::FromEvents { .. } => return None,
        };
        // A wall clock that is set back holds the arrival clock; it never runs backwards.
        let due = self.last_ms.is_none_or(|last| now_ms - last >= interval_ms);
        due.then(|| {
            self.last_ms = Some(now_ms);
            now_ms
        })
    }

    /// Looks at the event time of the next row. `Some` is a tick that follows the row.
    #[inline]
    pub(crate) fn by_row(&mut self, event_ms: i64) -> Option<i64> {
        let TickSource::FromEvents { interval_ms, max_jump_ms } = self.source else { return None };
        if self.last_ms.is_some() && event_ms <= self.latest_ms.saturating_add(max_jump_ms) {
            self.ahead.clear();
            if event_ms <= self.latest_ms {
                return None;
            }
            self.latest_ms = event_ms;
        } else {
            self.ahead.push(event_ms);
            if self.ahead.len() < AGREEING_ROWS {
                return None;
            }
            self.latest_ms = self.ahead.drain(..).min().unwrap_or(event_ms);
        }
        let tick_ms = self.latest_ms - self.latest_ms.rem_euclid(interval_ms.max(1));
        (self.last_ms.is_none_or(|last| tick_ms > last)).then(|| {
            self.last_ms = Some(tick_ms);
            tick_ms
        })
    }

    /// How long a worker may sleep before the next tick is due.
    pub(crate) fn patience(&self) -> Duration {
        match self.source {
            TickSource::Wall { interval_ms } => Duration::from_millis(interval_ms.clamp(1, 100) as u64),
            TickSource::Scaled { interval_ms, speed, .. } => {
                Duration::from_secs_f64((interval_ms as f64 / speed.max(1e-9) / 1e3).clamp(0.001, 0.1))
            }
            TickSource::FromEvents { .. } => Duration::from_millis(100),
        }
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z; negative before.
fn wall_ms() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(rows: &[i64]) -> Vec<i64> {
        let mut ticker = Ticker::new(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 60_000 });
        rows.iter().filter_map(|row| ticker.by_row(*row)).collect()
    }

    #[test]
    fn ticks_are_a_function_of_the_rows() {
        let rows: Vec<i64> = (0..50).map(|n| 10_000 + n * 100).collect();
        assert_eq!(ticks(&rows), [10_000, 11_000, 12_000, 13_000, 14_000]);
    }

    #[test]
    fn one_wrong_clock_does_not_drag_the_arrival_clock_along() {
        let year_9999 = 253_370_764_800_000;
        let mut rows = vec![year_9999, 10_000, 10_100, 10_200, 10_300, 10_400, 10_500, 10_600];
        rows.extend([11_000, year_9999, 12_000]);
        assert_eq!(ticks(&rows), [10_000, 11_000, 12_000]);
    }

    #[test]
    fn a_gap_that_all_rows_share_is_believed() {
        let mut rows: Vec<i64> = (0..8).map(|n| n * 100).collect();
        rows.extend((0..9).map(|n| 3_600_000 + n * 100));
        assert_eq!(ticks(&rows), [0, 3_600_000]);
    }
}
