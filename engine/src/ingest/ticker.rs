//! The ticker: the one place that reads the wall clock on behalf of a job.

use std::time::{Duration, Instant, SystemTime};

use crate::time::TickSource;
use crate::turns;

/// What the wall clock says where lock-step begins: 2026-01-01T00:00:00Z.
const LOCK_STEP_BEGAN: Duration = Duration::from_secs(1_767_225_600);

pub(crate) struct Ticker {
    source: TickSource,
    started: Instant,
    /// The latest tick given out.
    last_ms: Option<i64>,
    /// When that was.
    last_at: Instant,
    /// `FromEvents`: the latest event time that has been believed.
    latest_ms: i64,
}

/// What the event time of the next row means for the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Nothing.
    Passes,
    /// The clock reads this before the row comes.
    Ticks(i64),
    /// Further ahead than a single row may move the clock, or the clock has not begun.
    Ahead,
}

impl Ticker {
    pub(crate) fn new(source: TickSource) -> Self {
        let now = turns::now();
        Ticker { source, started: now, last_ms: None, last_at: now, latest_ms: i64::MIN }
    }

    /// The latest tick, and the latest event time that is believed.
    pub(crate) fn remember(&self) -> (Option<i64>, i64) {
        (self.last_ms, self.latest_ms)
    }

    /// Goes on from what was remembered.
    pub(crate) fn resume(&mut self, (last_ms, latest_ms): (Option<i64>, i64)) {
        if let (TickSource::Scaled { start_ms, .. }, Some(last_ms)) = (&mut self.source, last_ms) {
            *start_ms = last_ms;
        }
        (self.last_ms, self.last_at, self.latest_ms) = (last_ms, turns::now(), latest_ms);
    }

    /// A tick is heard again.
    pub(crate) fn ticked(&mut self, arrival_ms: i64) {
        (self.last_ms, self.last_at) = (Some(arrival_ms), turns::now());
    }

    /// Ticks that were heard again are over: the clock goes on from the last.
    pub(crate) fn goes_on(&mut self) {
        self.started = turns::now();
        self.resume(self.remember());
    }

    pub(crate) fn follows_rows(&self) -> bool {
        matches!(self.source, TickSource::FromEvents { .. })
    }

    /// Whether a tick has been given out.
    pub(crate) fn has_begun(&self) -> bool {
        self.last_ms.is_some()
    }

    /// The tick that is due by the clock, if there is one.
    pub(crate) fn by_clock(&mut self) -> Option<i64> {
        let (now_ms, interval_ms) = match self.source {
            TickSource::Wall { interval_ms } => (wall_ms().max(self.least_ms()), interval_ms),
            TickSource::Scaled { interval_ms, start_ms, speed } => {
                (start_ms + (turns::now().duration_since(self.started).as_secs_f64() * 1e3 * speed) as i64, interval_ms)
            }
            TickSource::FromEvents { .. } => return None,
        };
        let due = self.last_ms.is_none_or(|last| now_ms - last >= interval_ms);
        due.then(|| {
            (self.last_ms, self.last_at) = (Some(now_ms), turns::now());
            now_ms
        })
    }

    /// What the arrival clock reads at least: a wall clock that was set back must neither turn it back nor stop it, for then
    /// no silence would be noticed. It runs a tenth slower until the wall clock has caught up.
    fn least_ms(&self) -> i64 {
        let passed_ms = i64::try_from(turns::now().duration_since(self.last_at).as_millis()).unwrap_or(i64::MAX);
        self.last_ms.map_or(i64::MIN, |last_ms| last_ms.saturating_add(passed_ms - passed_ms / 10))
    }

    /// Looks at the event time of the next row, and moves the clock if it may. Asked again about the same row, or about
    /// one that is ahead, it moves nothing.
    #[inline]
    pub(crate) fn by_row(&mut self, event_ms: i64) -> Sight {
        let TickSource::FromEvents { max_jump_ms, .. } = self.source else { return Sight::Passes };
        match self.last_ms {
            Some(_) if event_ms <= self.latest_ms => return Sight::Passes,
            Some(_) if event_ms <= self.latest_ms.saturating_add(max_jump_ms) => {}
            _ => return Sight::Ahead,
        }
        self.believe(event_ms).map_or(Sight::Passes, Sight::Ticks)
    }

    /// Moves the clock to an event time, however far it is ahead. The tick, unless that is one that was given out.
    pub(crate) fn believe(&mut self, event_ms: i64) -> Option<i64> {
        let TickSource::FromEvents { interval_ms, .. } = self.source else { return None };
        self.latest_ms = self.latest_ms.max(event_ms);
        let tick_ms = self.latest_ms.saturating_sub(self.latest_ms.rem_euclid(interval_ms.max(1)));
        if self.last_ms.is_some_and(|last| tick_ms <= last) {
            return None;
        }
        self.last_ms = Some(tick_ms);
        self.last_ms
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
    let now = turns::elapsed().map_or_else(SystemTime::now, |passed| SystemTime::UNIX_EPOCH + LOCK_STEP_BEGAN + passed);
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_back_neither_turns_nor_stops_the_arrival_clock() {
        let mut ticker = Ticker::new(TickSource::Wall { interval_ms: 10 });
        let hour_ahead_ms = wall_ms() + 3_600_000;
        ticker.resume((Some(hour_ahead_ms), i64::MIN));
        assert_eq!(ticker.by_clock(), None);
        std::thread::sleep(Duration::from_millis(40));
        let tick_ms = ticker.by_clock().map(|tick_ms| tick_ms - hour_ahead_ms);
        assert!(tick_ms.is_some_and(|ms| (36..3_000).contains(&ms)), "{tick_ms:?}");
        // Nor does it run away from one that is right.
        let mut right = Ticker::new(TickSource::Wall { interval_ms: 1 });
        assert!(right.by_clock().is_some_and(|ms| (ms - wall_ms()).abs() < 3_000));
    }

    #[test]
    fn a_scaled_clock_goes_on_where_it_was() {
        let source = TickSource::Scaled { interval_ms: 1, start_ms: 0, speed: 1e-9 };
        let mut ticker = Ticker::new(source);
        ticker.resume((Some(5_000), i64::MIN));
        assert_eq!((ticker.by_clock(), ticker.remember()), (None, (Some(5_000), i64::MIN)));
    }
}
