//! Lifts that wear: what breaks in them and when, since when it shows, what only looks like it, and who mends it.

use serde::{Deserialize, Serialize};

use super::worn::{Drift, WornLift};
use super::{DAY_MS, HOUR_MS};
use crate::draw::{Draws, Purpose, exp, ln};
use crate::elevator::FaultClass;
use crate::window::TIME_MAX_MS;

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
    /// When the first day begins, milliseconds since 1970-01-01 UTC: midnight where the lifts stand.
    pub first_day_ms: i64,
    /// Trips of a lift a day, on average; at most 10,000.
    pub trips_a_day: f64,
    /// Faults of all classes together in a lift-year, if nobody prevents them.
    pub faults_a_year: f64,
    /// The share of faults that show before they come.
    pub shown_share: f64,
    /// How often something drifts in a lift for weeks that will not break, a year: dirt that is swept away, doors that are adjusted, another oil.
    pub drifts_a_year: f64,
    /// How often a lift goes offline, a day; for up to four days.
    pub offline_a_day: f64,
    /// A mechanic comes so often.
    pub visit_every_days: u32,
    /// The share of visits at which somebody notices what is half broken, and mends it.
    pub noticed_share: f64,
    /// The share of visits that are told, and of what was mended.
    pub told_share: f64,
    /// The share of what is told of what was mended that names something else.
    pub misnamed_share: f64,
}

impl Default for WearSimConfig {
    /// 400 lifts from a midnight in Shanghai on, 100 trips, 1.25 faults a lift-year, where 0.5 to 2 are found in well-kept lifts; seven in ten show before; one drift a year that is none; offline once in a
    /// hundred days; a visit in 15 days, as TSG T5002 has it, and half of what is half broken is noticed then; nine in ten records are kept, and one in twenty is wrong. All but the rates are assumptions.
    fn default() -> Self {
        WearSimConfig {
            seed: 1,
            lifts: 400,
            first_day_ms: 20_000 * DAY_MS - 8 * 3_600_000,
            trips_a_day: 100.0,
            faults_a_year: 1.25,
            shown_share: 0.7,
            drifts_a_year: 1.0,
            offline_a_day: 0.01,
            visit_every_days: 15,
            noticed_share: 0.5,
            told_share: 0.9,
            misnamed_share: 0.05,
        }
    }
}

/// Something that breaks: the right answer.
///
/// # Examples
/// What nobody notices breaks; where mechanics notice all that is half broken, some of it never does.
/// ```
/// use watchfire_operators::elevator::{Breaks, WearSim, WearSimConfig};
/// let breaks = |noticed_share: f64| -> Vec<Breaks> {
///     let sim = WearSim::new(WearSimConfig { faults_a_year: 40.0, noticed_share, ..WearSimConfig::default() });
///     (1..=5).flat_map(|lift| sim.lift(lift, 365).breaks().to_vec()).collect()
/// };
/// assert!(breaks(0.0).iter().all(|of| !of.is_prevented() && of.breaks_ms < of.mended_ms));
/// assert!(breaks(1.0).iter().any(|of| of.is_prevented() && of.shows_ms.is_some_and(|shows_ms| shows_ms < of.mended_ms)));
/// ```
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
    pub(super) fn severity(&self, at_ms: i64) -> f64 {
        let Some(shows_ms) = self.shows_ms else { return 0.0 };
        if !(shows_ms..self.breaks_ms.min(self.mended_ms)).contains(&at_ms) {
            return 0.0;
        }
        let share = (at_ms - shows_ms) as f64 / (self.breaks_ms - shows_ms).max(1) as f64;
        share * share.sqrt()
    }
}

/// What is simulated of a class: its share of all faults, the shape of its life (1 is by chance alone), for how many days it shows, and the code by which it is told.
pub(super) struct Kind {
    pub(super) class: FaultClass,
    share: f64,
    shape: f64,
    days: (f64, f64),
    pub(super) code: &'static str,
}

const fn kind(class: FaultClass, share: f64, shape: f64, days: (f64, f64), code: &'static str) -> Kind {
    Kind { class, share, shape, days, code }
}

/// Seven in ten are of doors; for how long they show is an estimate.
pub(super) const KINDS: [Kind; 7] = [
    kind(FaultClass::DoorLock, 0.27, 1.5, (4.0, 21.0), "01"),
    kind(FaultClass::DoorTrack, 0.31, 1.5, (7.0, 28.0), "02"),
    kind(FaultClass::LightCurtain, 0.12, 1.0, (0.2, 3.0), "14"),
    kind(FaultClass::Levelling, 0.10, 1.5, (14.0, 42.0), "04"),
    kind(FaultClass::Traction, 0.02, 2.0, (30.0, 90.0), "11"),
    kind(FaultClass::Encoder, 0.07, 1.0, (1.0, 5.0), "07"),
    kind(FaultClass::Drive, 0.11, 1.0, (1.0, 6.0), "06"),
];

/// Draws by number: of what a lift is like below, then of days and floors (`worn.rs`), then of what breaks in it, class by class, then of what drifts.
const LIVES: u64 = 16;
const DRIFTS: u64 = 32;

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
    /// By this configuration, with what cannot be taken for the nearest that can.
    #[must_use]
    pub fn new(config: WearSimConfig) -> Self {
        let trips_a_day = if config.trips_a_day.is_nan() { 0.0 } else { config.trips_a_day.clamp(0.0, 10_000.0) };
        let first_day_ms = config.first_day_ms.clamp(-TIME_MAX_MS, TIME_MAX_MS);
        WearSim { config: WearSimConfig { trips_a_day, first_day_ms, ..config } }
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
        let visits = self.visits(draws, days);
        let breaks = self.breaks(draws, lift, days, &visits);
        let drifts = self.drifts(draws, days);
        WornLift { config: self.config.clone(), lift, draws, days, breaks, drifts, visits }
    }

    fn breaks(&self, draws: Draws, lift: u32, days: u32, visits: &[i64]) -> Vec<Breaks> {
        let frailty = exp(0.6 * draws.normal(0));
        let until_ms = self.config.first_day_ms + i64::from(days) * DAY_MS;
        let mut breaks = Vec::new();
        for (nth, kind) in (LIVES..).zip(&KINDS) {
            let mut now_ms = self.config.first_day_ms - (BEFORE_DAYS * DAY_MS as f64) as i64;
            for life in 0_u64.. {
                let nth = (nth << 32) | (life << 4);
                let of = self.life(draws, nth, kind, frailty, now_ms);
                let mended = Breaks { lift, mended_ms: self.mended_ms(draws, nth, &of, visits), ..of };
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
        breaks
    }

    /// What drifts and will not break: it comes within days or weeks, stays for weeks, and is gone.
    fn drifts(&self, draws: Draws, days: u32) -> Vec<Drift> {
        let a_day = (self.config.drifts_a_year / 365.0).clamp(0.0, 1.0);
        let begun = (0..u64::from(days)).filter(|day| draws.chance((DRIFTS << 32) | (day << 4), a_day));
        let drift = |day: u64| {
            let nth = (DRIFTS << 32) | (day << 4);
            let days = |what: u64, low, high| (draws.between(nth + what, low, high) * DAY_MS as f64) as i64;
            let from_ms = self.config.first_day_ms + day as i64 * DAY_MS;
            let full_ms = from_ms + days(1, 3.0, 30.0);
            let class = KINDS[(draws.unit(nth + 2) * KINDS.len() as f64) as usize % KINDS.len()].class;
            Drift {
                class,
                from_ms,
                full_ms,
                until_ms: full_ms + days(3, 5.0, 60.0),
                size: draws.between(nth + 4, 0.1, 0.6),
            }
        };
        begun.map(drift).collect()
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
            (half_ms..of.breaks_ms).contains(at_ms) && draws.chance((nth << 16) | visit, self.config.noticed_share)
        });
        noticed.map_or_else(|| of.breaks_ms + (draws.between(nth + 3, 2.0, 20.0) * HOUR_MS) as i64, |(at_ms, _)| *at_ms)
    }
}
