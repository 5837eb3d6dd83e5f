//! What comes of a lift that wears, day by day.

use std::ops::Range;

use super::wear::{KINDS, WearSimConfig};
use super::{DAY_MS, HOUR_MS};
use crate::alarm::Private;
use crate::dispatch::Person;
use crate::draw::{Draws, Purpose, sin_turns};
use crate::elevator::{Breaks, CodeMap, FaultClass, LiftRow, LiftSays, LiftStatus, LiftTotals, LiftTrip};

/// Draws by number, after those of what breaks and drifts (`wear.rs`).
const RECORDS: u64 = 48;
const VISITS: u64 = 49;

/// A lift of a [`WearSim`](super::WearSim).
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{WearSim, WearSimConfig};
/// let lift = WearSim::new(WearSimConfig { offline_a_day: 0.3, ..WearSimConfig::default() }).lift(7, 30);
/// assert!((0..30).any(|day| lift.is_offline(day)));
/// assert!((0..30).all(|day| lift.day(day).is_empty() == lift.is_offline(day)));
/// assert!((0..30).all(|day| lift.day(day).is_sorted_by_key(|row| row.at_ms)));
/// ```
#[derive(Clone, Debug)]
pub struct WornLift {
    pub(super) config: WearSimConfig,
    pub(super) lift: u32,
    pub(super) draws: Draws,
    pub(super) days: u32,
    pub(super) breaks: Vec<Breaks>,
    pub(super) drifts: Vec<Drift>,
    /// When mechanics come, rising.
    pub(super) visits: Vec<i64>,
}

/// Something that drifts, and will not break.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drift {
    pub(super) class: FaultClass,
    pub(super) from_ms: i64,
    /// From then on it is as large as it gets.
    pub(super) full_ms: i64,
    pub(super) until_ms: i64,
    pub(super) size: f64,
}

impl Drift {
    fn severity(&self, at_ms: i64) -> f64 {
        if !(self.from_ms..self.until_ms).contains(&at_ms) {
            return 0.0;
        }
        self.size * ((at_ms - self.from_ms) as f64 / (self.full_ms - self.from_ms).max(1) as f64).min(1.0)
    }
}

/// For so long a mechanic is there.
const VISIT_MS: i64 = 40 * 60_000;

impl WornLift {
    /// All that breaks, or would have, rising by when.
    #[must_use]
    pub fn breaks(&self) -> &[Breaks] {
        &self.breaks
    }

    /// Nothing comes of it on that day.
    #[must_use]
    pub fn is_offline(&self, day: u32) -> bool {
        let begins = |at: u32| {
            let nth = (2 << 32) | (u64::from(at) * 2);
            let lasts = 1 + (self.draws.unit(nth + 1) * 4.0) as u32;
            self.draws.chance(nth, self.config.offline_a_day) && day - at < lasts
        };
        (day.saturating_sub(3)..=day).any(begins)
    }

    fn trips_of(&self, day: u32) -> u64 {
        let weekend = if day % 7 >= 5 { 0.8 } else { 1.0 };
        let busy = 0.6 + 0.8 * self.draws.unit(2);
        let nth = (3 << 32) | u64::from(day);
        (self.config.trips_a_day * busy * weekend * self.draws.between(nth, 0.85, 1.15)).round() as u64
    }

    /// What comes of it on a day, from 0, in the order of time.
    #[must_use]
    pub fn day(&self, day: u32) -> Vec<LiftRow> {
        if self.is_offline(day) || day >= self.days {
            return Vec::new();
        }
        let from_ms = self.config.first_day_ms + i64::from(day) * DAY_MS;
        let today = from_ms..from_ms + DAY_MS;
        let mut rows = self.trips(day, from_ms);
        rows.extend(self.broken(&today));
        rows.extend(self.visited(&today));
        // Half of all lifts say what they have counted; one in ten of these begins anew some day.
        if self.draws.chance(3, 0.5) {
            let anew = self.draws.chance(4, 0.1).then(|| (self.draws.unit(5) * f64::from(self.days)) as u32);
            let since = anew.filter(|anew| *anew <= day);
            let counted: u64 = (since.unwrap_or(0)..=day).map(|of| self.trips_of(of)).sum();
            let before = if since.is_some() { 0 } else { 200_000 };
            let totals = LiftTotals { runs: None, door_cycles: Some(before + counted) };
            rows.push(LiftRow { lift: self.lift, at_ms: today.end - 1_800_000, says: LiftSays::Totals(totals) });
        }
        rows.sort_by_key(|row| row.at_ms);
        rows
    }

    /// What is told of what breaks and is mended.
    fn broken(&self, today: &Range<i64>) -> Vec<LiftRow> {
        let (map, by, mut rows) = (CodeMap::city(), Person::named("mechanic", ""), Vec::new());
        let mut row = |at_ms: i64, says: LiftSays| rows.push(LiftRow { lift: self.lift, at_ms, says });
        for (nth, of) in (0_u64..).zip(&self.breaks) {
            let code = KINDS.iter().find(|kind| kind.class == of.class).map_or("99", |kind| kind.code);
            if today.contains(&of.breaks_ms) && !of.is_prevented() {
                row(of.breaks_ms, LiftSays::Code(map.read(code)));
                row(of.breaks_ms + 120_000, LiftSays::Code(map.read(code)));
            }
            if !today.contains(&of.mended_ms) {
                continue;
            }
            let draw = |what: u64| (RECORDS << 32) | (nth << 4) | what;
            let misnamed = self.draws.chance(draw(0), self.config.misnamed_share);
            let other = KINDS[(self.draws.unit(draw(1)) * KINDS.len() as f64) as usize % KINDS.len()].class;
            if self.draws.chance(draw(2), self.config.told_share) {
                let mended = vec![if misnamed { other } else { of.class }];
                row(of.mended_ms, LiftSays::Visited { mended, by: by.clone() });
            }
            row(of.mended_ms + 60_000, LiftSays::Code(map.read("40")));
        }
        rows
    }

    /// What mechanics and the controller tell of visits: on half of them somebody opens the safety chain, which is reported as ever.
    fn visited(&self, today: &Range<i64>) -> Vec<LiftRow> {
        let (map, mut rows) = (CodeMap::city(), Vec::new());
        let mut row = |at_ms: i64, says: LiftSays| rows.push(LiftRow { lift: self.lift, at_ms, says });
        for (nth, at_ms) in (0_u64..).zip(&self.visits).filter(|(_, at_ms)| today.contains(at_ms)) {
            let (draw, leaves_ms) = (|what: u64| (VISITS << 32) | (nth << 4) | what, at_ms + VISIT_MS);
            let told = self.draws.chance(draw(0), self.config.told_share);
            if told {
                let who = Private::from("mechanic");
                row(*at_ms, LiftSays::OnSite { who, until_ms: at_ms + 4 * VISIT_MS });
                row(leaves_ms, LiftSays::OffSite);
                row(leaves_ms, LiftSays::Visited { mended: Vec::new(), by: Person::named("mechanic", "") });
            }
            // Nineteen controllers in twenty tell it themselves.
            if self.draws.chance(7, 0.95) {
                row(at_ms + 60_000, LiftSays::Code(map.read("43")));
                // Many a status says nothing of what the lift is used for.
                row(at_ms + 120_000, LiftSays::Status(LiftStatus { moving: Some(true), ..LiftStatus::default() }));
                row(leaves_ms - 60_000, LiftSays::Code(map.read("40")));
            }
            if self.draws.chance(draw(1), 0.5) {
                row(at_ms + 600_000, LiftSays::Code(map.read("01")));
            }
        }
        rows
    }

    fn trips(&self, day: u32, from_ms: i64) -> Vec<LiftRow> {
        let count = self.trips_of(day);
        let (mut rows, mut at) = (Vec::with_capacity(count as usize + 4), 1_i16);
        for nth in 0..count {
            let draws = Draws::new(self.config.seed ^ (u64::from(day) << 32), self.lift, Purpose::LiftTrip);
            let of = Trips { lift: self, draws, nth: nth << 6, day };
            let into_ms = 6.0 * HOUR_MS + 17.0 * HOUR_MS * (nth as f64 + of.unit(0)) / count.max(1) as f64;
            let at_ms = from_ms + into_ms as i64;
            let floor = if of.unit(1) < 0.45 { 1 } else { 2 + (of.unit(2) * 17.0) as i16 };
            let floor = if floor == at { at % 18 + 1 } else { floor };
            let from = std::mem::replace(&mut at, floor);
            // Nobody rides while it is broken.
            if self.breaks.iter().any(|of| (of.breaks_ms..of.mended_ms).contains(&at_ms)) {
                continue;
            }
            let trip = of.trip(from, floor, at_ms);
            let is_visited = self.visits.iter().any(|visit_ms| (*visit_ms..visit_ms + VISIT_MS).contains(&at_ms));
            // A mechanic runs it slowly, with the chain open.
            let slowly = |ms: Option<u32>| ms.map(|ms| ms * 3);
            let chain_opens = if is_visited { trip.chain_opens.map(|_| 1) } else { trip.chain_opens };
            let run_ms = if is_visited { slowly(trip.run_ms) } else { trip.run_ms };
            let trip = LiftTrip { run_ms, chain_opens, ..trip };
            rows.push(LiftRow { lift: self.lift, at_ms, says: LiftSays::Trip(Box::new(trip)) });
        }
        rows
    }
}

/// What is measured on a trip.
struct Trips<'a> {
    lift: &'a WornLift,
    draws: Draws,
    nth: u64,
    day: u32,
}

impl Trips<'_> {
    fn unit(&self, what: u64) -> f64 {
        self.draws.unit(self.nth | what)
    }

    /// Noise of so many hundredths.
    fn noise(&self, what: u64, of: f64) -> f64 {
        1.0 + of / 100.0 * self.draws.normal(self.nth | what)
    }

    /// What the lift is like, from `low` to `high`: of each floor a little different.
    fn like(&self, what: u64, (low, high): (f64, f64), floor: i16) -> f64 {
        let of_lift = self.lift.draws.between(10 + what, low, high);
        of_lift * (1.0 + 0.06 * self.lift.draws.normal((4 << 32) | (what << 16) | u64::from(floor.unsigned_abs())))
    }

    /// One lift in ten does not measure it; one value in 500 is wild.
    fn told(&self, what: u64, value: f64) -> Option<f64> {
        let fitted = !self.lift.draws.chance(30 + what, 0.1);
        let wild = self.draws.chance(self.nth | 32 | what, 0.002);
        fitted.then_some(if wild { value * 40.0 } else { value })
    }

    fn count(&self, what: u64, rate: f64) -> Option<u16> {
        self.told(what, 0.0)?;
        let draw = self.unit(what);
        Some(u16::from(draw < rate) + u16::from(draw < rate * rate / 2.0))
    }

    fn trip(&self, from: i16, floor: i16, at_ms: i64) -> LiftTrip {
        let how_far = |class: FaultClass| {
            let of_class = self.lift.breaks.iter().filter(|of| of.class == class);
            let drifts = self.lift.drifts.iter().filter(|of| of.class == class).map(|of| of.severity(at_ms));
            of_class.map(|of| of.severity(at_ms)).chain(drifts).fold(0.0, f64::max)
        };
        let (lock, track, curtain) =
            (how_far(FaultClass::DoorLock), how_far(FaultClass::DoorTrack), how_far(FaultClass::LightCurtain));
        let (level, ropes) = (how_far(FaultClass::Levelling), how_far(FaultClass::Traction));
        let (encoder, drive) = (how_far(FaultClass::Encoder), how_far(FaultClass::Drive));
        // Dirt lies at one floor more than at others.
        let dirty = (self.lift.draws.unit(6) * 18.0) as i16 + 1 == floor;
        let track = track * if dirty { 1.5 } else { 0.7 };
        let (floors, season) = (f64::from(floor.abs_diff(from)), sin_turns(f64::from(self.day) / 365.0));
        let closes = self.like(0, (2_500.0, 4_000.0), floor) * (1.0 + 0.02 * season) * self.noise(3, 4.0);
        let draws_ma = self.like(1, (900.0, 1_800.0), floor) * (1.0 + 0.02 * season) * self.noise(4, 6.0);
        let locks = self.like(2, (150.0, 400.0), floor) * self.noise(5, 8.0);
        let off_um = 1_800.0 * self.lift.draws.normal((5 << 32) | u64::from(floor.unsigned_abs()));
        let sinks = if floor > from { 9_000.0 } else { 3_000.0 };
        let stops_um = off_um + 1_500.0 * self.draws.normal(self.nth | 6) - sinks * level;
        let slips_um = floors * (self.like(4, (150.0, 400.0), 0) * self.noise(7, 30.0).max(0.0) + 2_500.0 * ropes);
        let runs =
            (4_000.0 + 2_200.0 * floors) * self.like(5, (0.9, 1.1), 0) * self.noise(8, 2.0) * (1.0 + 0.04 * ropes);
        let sets_out = self.like(6, (400.0, 900.0), 0) * self.noise(9, 10.0) * (1.0 + 0.4 * drive);
        let warm = self.like(7, (32.0, 44.0), 0) + 8.0 * season + 3.0 * self.draws.normal(self.nth | 10) + 12.0 * drive;
        let reversals = self.like(8, (0.01, 0.12), 0) + 0.06 * track + if curtain > 0.0 { 0.15 } else { 0.0 };
        let whole = |value: f64| value.round().max(0.0) as u32;
        LiftTrip {
            from,
            floor,
            door_close_ms: self.told(0, closes * (1.0 + 0.2 * track)).map(whole),
            door_current_ma: self.told(1, draws_ma * (1.0 + 0.25 * track)).map(whole),
            lock_ms: self.told(2, locks * (1.0 + 0.5 * lock)).map(whole),
            level_error_um: self.told(3, stops_um).map(|value| value.round() as i32),
            slip_um: self.told(4, slips_um).map(whole),
            run_ms: self.told(5, runs).map(whole),
            start_delay_ms: self.told(6, sets_out).map(whole),
            drive_celsius: self.told(7, warm).map(|value| value.round() as i16),
            reversals: self.count(11, reversals),
            chain_opens: self.count(12, self.like(9, (0.000_2, 0.004), 0) + 0.04 * lock),
            relevels: self.count(13, self.like(15, (0.005, 0.06), 0) + 0.1 * level),
            corrections: self.count(14, self.like(16, (0.000_5, 0.006), 0) + 0.04 * encoder),
        }
    }
}
