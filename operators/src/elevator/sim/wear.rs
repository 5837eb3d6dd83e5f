//! Lifts that wear: what their trips measure while something breaks slowly, when it breaks, and who mends it.

use serde::{Deserialize, Serialize};

use super::DAY_MS;
use crate::dispatch::Person;
use crate::draw::{Draws, Purpose, exp, ln, sin_turns};
use crate::elevator::{CodeMap, FaultClass, LiftRow, LiftSays, LiftTotals, LiftTrip};

/// What is simulated.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::WearSimConfig;
/// let config: WearSimConfig = toml::from_str("seed = 9\nlifts = 40")?;
/// assert_eq!((config.lifts, config.visit_every_days), (40, 15));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WearSimConfig {
    /// What all draws are made from.
    pub seed: u64,
    /// How many lifts, numbered from 1.
    pub lifts: u32,
    /// When the first day begins, milliseconds since 1970-01-01 UTC.
    pub first_day_ms: i64,
    /// Trips of a lift a day, on average.
    pub trips_a_day: f64,
    /// Faults of all classes together in a lift-year, if nobody prevents them.
    pub faults_a_year: f64,
    /// The share of faults that show before they come.
    pub shown_share: f64,
    /// How often a lift goes offline, a day; for up to four days.
    pub offline_a_day: f64,
    /// A mechanic comes so often.
    pub visit_every_days: u32,
    /// The share of visits at which somebody notices what is half broken, and mends it.
    pub noticed_share: f64,
}

impl Default for WearSimConfig {
    /// 400 lifts, 100 trips, 1.25 faults a lift-year, where 0.5 to 2 are found in well-kept lifts; seven in ten show before; offline once in a hundred days; a visit in 15 days, as TSG T5002 has it, and half
    /// of what is half broken is noticed then. All but the rates are assumptions.
    fn default() -> Self {
        WearSimConfig {
            seed: 1,
            lifts: 400,
            first_day_ms: 20_000 * DAY_MS,
            trips_a_day: 100.0,
            faults_a_year: 1.25,
            shown_share: 0.7,
            offline_a_day: 0.01,
            visit_every_days: 15,
            noticed_share: 0.5,
        }
    }
}

/// Something that breaks: the right answer.
///
/// # Examples
/// See [`WearSim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaks {
    /// The lift.
    pub lift: u32,
    /// What.
    pub class: FaultClass,
    /// Since when its trips show it, milliseconds; none if they do not.
    pub shows_ms: Option<i64>,
    /// When it breaks, milliseconds, unless somebody mends it before.
    pub breaks_ms: i64,
    /// When it is mended, milliseconds.
    pub mended_ms: i64,
}

impl Breaks {
    /// Somebody mended it before it broke.
    #[must_use]
    pub fn is_prevented(&self) -> bool {
        self.mended_ms < self.breaks_ms
    }

    /// How far it has come, from 0 to 1, if it shows.
    fn severity(&self, at_ms: i64) -> f64 {
        let Some(shows_ms) = self.shows_ms else { return 0.0 };
        if !(shows_ms..self.breaks_ms.min(self.mended_ms)).contains(&at_ms) {
            return 0.0;
        }
        let share = (at_ms - shows_ms) as f64 / (self.breaks_ms - shows_ms).max(1) as f64;
        share * share.sqrt()
    }
}

/// What is simulated of a class: its share of all faults, the shape of its life (1 is by chance alone), for how many days it shows, and the code by which it is told.
struct Kind {
    class: FaultClass,
    share: f64,
    shape: f64,
    days: (f64, f64),
    code: &'static str,
}

const fn kind(class: FaultClass, share: f64, shape: f64, days: (f64, f64), code: &'static str) -> Kind {
    Kind { class, share, shape, days, code }
}

/// Seven in ten are of doors; for how long they show is an estimate.
const KINDS: [Kind; 7] = [
    kind(FaultClass::DoorLock, 0.27, 1.5, (4.0, 21.0), "01"),
    kind(FaultClass::DoorTrack, 0.31, 1.5, (7.0, 28.0), "02"),
    kind(FaultClass::LightCurtain, 0.12, 1.0, (0.2, 3.0), "14"),
    kind(FaultClass::Levelling, 0.10, 1.5, (14.0, 42.0), "04"),
    kind(FaultClass::Traction, 0.02, 2.0, (30.0, 90.0), "11"),
    kind(FaultClass::Encoder, 0.07, 1.0, (1.0, 5.0), "07"),
    kind(FaultClass::Drive, 0.11, 1.0, (1.0, 6.0), "06"),
];

/// Before the first day, so that not all lifts are new on it.
const BEFORE_DAYS: f64 = 900.0;

/// Lifts that wear.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{LiftSays, WearSim, WearSimConfig};
/// let sim = WearSim::new(WearSimConfig { faults_a_year: 40.0, ..WearSimConfig::default() });
/// let lift = sim.lift(7, 60);
/// assert!(!lift.breaks().is_empty());
/// let trips = lift.day(3).into_iter().filter(|row| matches!(row.says, LiftSays::Trip(_))).count();
/// assert!(trips == 0 || (50..200).contains(&trips));
/// ```
#[derive(Clone, Debug)]
pub struct WearSim {
    config: WearSimConfig,
}

impl WearSim {
    /// By this configuration.
    #[must_use]
    pub fn new(config: WearSimConfig) -> Self {
        WearSim { config }
    }

    /// What is simulated.
    #[must_use]
    pub fn config(&self) -> &WearSimConfig {
        &self.config
    }

    /// A lift, and all that breaks in it within so many days.
    #[must_use]
    pub fn lift(&self, lift: u32, days: u32) -> WornLift {
        let draws = Draws::new(self.config.seed, lift, Purpose::LiftWear);
        let frailty = exp(0.6 * draws.normal(0));
        let (visits, until_ms) = (self.visits(draws, days), self.config.first_day_ms + i64::from(days) * DAY_MS);
        let mut breaks = Vec::new();
        for (nth, kind) in (1..).zip(&KINDS) {
            let mut now_ms = self.config.first_day_ms - (BEFORE_DAYS * DAY_MS as f64) as i64;
            for life in 1_u64.. {
                let of = self.life(draws, (nth << 32) | (life << 4), kind, frailty, now_ms);
                let mended =
                    Breaks { lift, mended_ms: self.mended_ms(draws, (nth << 32) | (life << 4), &of, &visits), ..of };
                if now_ms >= until_ms {
                    break;
                }
                let shows_ms = mended.shows_ms.unwrap_or(mended.breaks_ms);
                if mended.mended_ms >= self.config.first_day_ms && shows_ms < until_ms {
                    breaks.push(mended);
                }
                now_ms = mended.mended_ms;
            }
        }
        breaks.sort_by_key(|of| (of.breaks_ms, of.class));
        WornLift { config: self.config.clone(), lift, draws, days, breaks, visits }
    }

    fn visits(&self, draws: Draws, days: u32) -> Vec<i64> {
        let every_ms = i64::from(self.config.visit_every_days.max(1)) * DAY_MS;
        let phase_ms = (draws.unit(1) * every_ms as f64) as i64;
        let nine_ms = 9 * 3_600_000;
        let each = |nth: i64| {
            let day_ms = (phase_ms + nth * every_ms) / DAY_MS * DAY_MS;
            let into_ms = draws.between(1_000 + nth as u64, 0.0, 7.0 * 3_600_000.0) as i64;
            self.config.first_day_ms + day_ms + nine_ms + into_ms
        };
        (0..i64::from(days) * DAY_MS / every_ms + 1).map(each).collect()
    }

    /// A life of a part that is new now, if nobody mends it before it breaks.
    fn life(&self, draws: Draws, nth: u64, kind: &Kind, frailty: f64, now_ms: i64) -> Breaks {
        let mean_days = 365.0 / (self.config.faults_a_year * kind.share * frailty).max(1e-6);
        // The mean of such lives is the scale times the gamma function of 1 + 1 / shape: 0.90 for 1.5, 0.89 for 2.
        let scale_days = if kind.shape > 1.0 { mean_days / 0.9 } else { mean_days };
        let life_days = scale_days * exp(ln((-ln(1.0 - draws.unit(nth))).max(1e-12)) / kind.shape);
        let breaks_ms = now_ms + ((life_days * DAY_MS as f64).min(1e13) as i64).max(3_600_000);
        let shown_ms = (draws.between(nth + 1, kind.days.0, kind.days.1) * DAY_MS as f64) as i64;
        let shows = draws.chance(nth + 2, self.config.shown_share);
        let shows_ms = shows.then(|| now_ms.max(breaks_ms - shown_ms));
        Breaks { lift: 0, class: kind.class, shows_ms, breaks_ms, mended_ms: breaks_ms }
    }

    /// When somebody mends it: at a visit when it is half broken, or some hours after it broke.
    fn mended_ms(&self, draws: Draws, nth: u64, of: &Breaks, visits: &[i64]) -> i64 {
        let half_ms = of.shows_ms.map_or(i64::MAX, |shows_ms| shows_ms + (of.breaks_ms - shows_ms) / 2);
        let noticed = visits.iter().zip(0_u64..).find(|(at_ms, visit)| {
            (half_ms..of.breaks_ms).contains(at_ms) && draws.chance((nth << 8) | visit, self.config.noticed_share)
        });
        noticed.map_or_else(|| of.breaks_ms + (draws.between(nth + 3, 2.0, 20.0) * HOUR_MS) as i64, |(at_ms, _)| *at_ms)
    }
}

/// A lift of a [`WearSim`].
///
/// # Examples
/// See [`WearSim`].
#[derive(Clone, Debug)]
pub struct WornLift {
    config: WearSimConfig,
    lift: u32,
    draws: Draws,
    days: u32,
    breaks: Vec<Breaks>,
    visits: Vec<i64>,
}

const HOUR_MS: f64 = 3_600_000.0;

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
        let mut row = |at_ms: i64, says: LiftSays| rows.push(LiftRow { lift: self.lift, at_ms, says });
        let (map, by) = (CodeMap::city(), Person::named("mechanic", ""));
        for of in &self.breaks {
            let code = KINDS.iter().find(|kind| kind.class == of.class).map_or("99", |kind| kind.code);
            if today.contains(&of.breaks_ms) && !of.is_prevented() {
                row(of.breaks_ms, LiftSays::Code(map.read(code)));
                row(of.breaks_ms + 120_000, LiftSays::Code(map.read(code)));
            }
            if today.contains(&of.mended_ms) {
                row(of.mended_ms, LiftSays::Visited { mended: vec![of.class], by: by.clone() });
                row(of.mended_ms + 60_000, LiftSays::Code(map.read("40")));
            }
        }
        for at_ms in self.visits.iter().filter(|at_ms| today.contains(at_ms)) {
            row(at_ms + 1_800_000, LiftSays::Visited { mended: Vec::new(), by: by.clone() });
        }
        // Half of all lifts say what they have counted; one in ten of these begins anew some day.
        if self.draws.chance(3, 0.5) {
            let anew = self.draws.chance(4, 0.1).then(|| (self.draws.unit(5) * f64::from(self.days)) as u32);
            let since = anew.filter(|anew| *anew <= day);
            let counted: u64 = (since.unwrap_or(0)..=day).map(|of| self.trips_of(of)).sum();
            let before = if since.is_some() { 0 } else { 200_000 };
            let totals = LiftTotals { runs: None, door_cycles: Some(before + counted) };
            row(today.end - 1_800_000, LiftSays::Totals(totals));
        }
        rows.sort_by_key(|row| row.at_ms);
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
            of_class.map(|of| of.severity(at_ms)).fold(0.0, f64::max)
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
        let reversals = self.like(8, (0.02, 0.06), 0) + 0.06 * track + if curtain > 0.0 { 0.15 } else { 0.0 };
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
            chain_opens: self.count(12, 0.0005 + 0.04 * lock),
            relevels: self.count(13, 0.02 + 0.1 * level),
            corrections: self.count(14, 0.001 + 0.04 * encoder),
        }
    }
}
