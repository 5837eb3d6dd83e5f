//! The chart of NEWS2 (Royal College of Physicians, *National Early Warning Score (NEWS) 2*, London 2017): what each measurement scores, and what they add up to.

use serde::{Deserialize, Serialize};
use watchfire_engine::rkyv;

use super::{Consciousness, Measured, Spo2Scale, Supply, Vital, VitalSet};

/// What is known of a person at one instant, at the resolution of the chart; what is `None` is not known, which is not the same as normal.
///
/// # Examples
/// A band knows the pulse and the saturation alone:
/// ```
/// use watchfire_operators::wristband::{News2Risk, News2Vitals, Vital};
/// let of = News2Vitals { pulse_per_min: Some(115), spo2_pct: Some(93), ..News2Vitals::default() }.score();
/// assert_eq!((of.partial, of.lowest, of.highest), (4, 4, 18));
/// assert!(of.missing.contains(Vital::Oxygen) && of.missing.len() == 5);
/// assert_eq!((of.risk_at_least(), of.risk_at_most()), (News2Risk::Low, News2Risk::High));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct News2Vitals {
    /// Which scale the saturation is judged by.
    pub scale: Spo2Scale,
    /// Breaths a minute.
    pub respiration_per_min: Option<u16>,
    /// Oxygen saturation, per cent.
    pub spo2_pct: Option<u16>,
    /// Whether oxygen is given.
    pub oxygen: Option<Supply>,
    /// Systolic blood pressure, millimetres of mercury.
    pub systolic_mmhg: Option<u16>,
    /// Heart beats a minute.
    pub pulse_per_min: Option<u16>,
    /// Whether somebody is awake, and themselves.
    pub consciousness: Option<Consciousness>,
    /// The temperature of the body, tenths of a degree Celsius.
    pub temperature_tenth_celsius: Option<u16>,
}

impl std::fmt::Debug for News2Vitals {
    /// Which are known, and no value: health data do not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known: VitalSet = Vital::ALL.into_iter().filter(|vital| self.knows(*vital)).collect();
        write!(f, "News2Vitals(of {known:?}, ..)")
    }
}

/// What the seven add up to, as far as they are known.
///
/// # Examples
/// Without oxygen being known, a saturation of 97 % on scale 2 may score nothing, or 3 and 2 for the oxygen:
/// ```
/// use watchfire_operators::wristband::{Consciousness, News2Vitals, Spo2Scale, Supply, Vital};
/// let vitals = News2Vitals {
///     scale: Spo2Scale::Two, spo2_pct: Some(97), respiration_per_min: Some(16), systolic_mmhg: Some(120), pulse_per_min: Some(70),
///     consciousness: Some(Consciousness::Alert), temperature_tenth_celsius: Some(370), oxygen: None,
/// };
/// let score = vitals.score();
/// assert_eq!((score.partial, score.lowest, score.highest), (0, 0, 5));
/// assert_eq!(score.missing.iter().collect::<Vec<_>>(), [Vital::Oxygen]);
/// assert_eq!(score.points[1], None, "what the saturation scores depends on the oxygen");
/// let on_oxygen = News2Vitals { oxygen: Some(Supply::Oxygen), ..vitals }.score();
/// assert_eq!((on_oxygen.partial, on_oxygen.lowest, on_oxygen.highest, on_oxygen.red), (5, 5, 5, true));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct News2Score {
    /// What is known adds up to so much, 0 to 20. What is missing counts for nothing here: with [`missing`](News2Score::missing), or not at all, is it to be shown.
    pub partial: u8,
    /// It can be no less, whatever the missing ones are.
    pub lowest: u8,
    /// It can be no more.
    pub highest: u8,
    /// Some single one scores 3.
    pub red: bool,
    /// Which are not known.
    pub missing: VitalSet,
    /// What each scores, in the order of [`Vital::ALL`]; none where that is not known.
    pub points: [Option<u8>; 7],
}

impl std::fmt::Debug for News2Score {
    /// What is missing, and no number: health data do not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "News2Score(without {:?}, ..)", self.missing)
    }
}

/// How a person is to be looked after, by the score.
///
/// # Examples
/// ```
/// use watchfire_operators::wristband::News2Risk;
/// assert_eq!([(0, false), (4, false), (3, true), (5, false), (6, true), (7, false)].map(|(score, red)| News2Risk::of(score, red)), [
///     News2Risk::Low, News2Risk::Low, News2Risk::LowMedium, News2Risk::Medium, News2Risk::Medium, News2Risk::High,
/// ]);
/// assert_eq!(News2Risk::High.review_within_ms(), Some(30 * 60_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News2Risk {
    /// 0 to 4, and no single one scores 3: measured again every 12 hours, or 4 to 6 from 1 on.
    Low,
    /// Less than 5, and a single one scores 3: a clinician reviews it urgently; measured every hour.
    LowMedium,
    /// 5 or 6: the threshold of an urgent answer, review within an hour; measured every hour.
    Medium,
    /// 7 and more: the threshold of an emergency, within half an hour; watched without a break.
    High,
}

impl News2Risk {
    /// By the score, and whether some single one scores 3.
    #[must_use]
    pub fn of(score: u8, red: bool) -> Self {
        match score {
            7.. => News2Risk::High,
            5..=6 => News2Risk::Medium,
            _ if red => News2Risk::LowMedium,
            _ => News2Risk::Low,
        }
    }

    /// Somebody who can judge it is to do so within so long, milliseconds; none where it is measured again and that is all.
    #[must_use]
    pub fn review_within_ms(self) -> Option<i64> {
        match self {
            News2Risk::Low => None,
            News2Risk::LowMedium | News2Risk::Medium => Some(3_600_000),
            News2Risk::High => Some(1_800_000),
        }
    }
}

impl News2Score {
    /// The risk, whatever the missing ones are, is no less.
    #[must_use]
    pub fn risk_at_least(&self) -> News2Risk {
        News2Risk::of(self.lowest, self.red)
    }

    /// The risk, whatever the missing ones are, is no more.
    #[must_use]
    pub fn risk_at_most(&self) -> News2Risk {
        // Each missing one but the oxygen can score 3.
        let may_be_red =
            self.red || self.points.iter().zip(Vital::ALL).any(|(of, vital)| of.is_none() && vital != Vital::Oxygen);
        News2Risk::of(self.highest, may_be_red)
    }
}

/// What a measurement becomes on the chart: a number at its resolution, or which one of what is no number; or why there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
pub(super) struct Charted(u16);

/// What can be true of a person who lives, per vital: breaths and beats a minute, per cent, mmHg, and tenths of a degree. The coldest who was brought back had 13.7 degrees
/// (Gilbert et al., Lancet 2000); Fahrenheit begins above the hottest (46.5, Slovis 1982). Nobody has a saturation of 0, and a pulse of less than 10 is a lost signal.
const POSSIBLE: [(Vital, i64, i64); 5] = [
    (Vital::Respiration, 0, 120),
    (Vital::Spo2, 1, 100),
    (Vital::Systolic, 20, 350),
    (Vital::Pulse, 10, 350),
    (Vital::Temperature, 130, 470),
];

impl Charted {
    /// The sensor has lost it.
    pub(super) const LOST: Charted = Charted(u16::MAX);
    /// No person lives so: the sensor, or its unit, is wrong.
    pub(super) const IMPOSSIBLE: Charted = Charted(u16::MAX - 1);

    /// What a measurement of one of the seven becomes.
    pub(super) fn of(vital: Vital, measured: &Measured) -> Charted {
        let (value, to_chart) = match measured {
            Measured::Oxygen(is) => return is.map_or(Charted::LOST, |is| Charted(is as u16)),
            Measured::Consciousness(is) => return is.map_or(Charted::LOST, |is| Charted(is as u16)),
            Measured::Respiration { per_min } | Measured::Pulse { per_min } => (*per_min, 1.0),
            Measured::Spo2 { pct } => (*pct, 1.0),
            Measured::Systolic { mmhg } => (*mmhg, 1.0),
            Measured::Temperature { celsius } | Measured::SkinTemperature { celsius } => (*celsius, 10.0),
        };
        let Some(value) = value.filter(|value| !value.is_nan()) else { return Charted::LOST };
        let charted = half_up(value * to_chart);
        let is_possible = |(of, low, high): &(Vital, i64, i64)| *of == vital && (*low..=*high).contains(&charted);
        match u16::try_from(charted) {
            Ok(number) if POSSIBLE.iter().any(is_possible) => Charted(number),
            _ => Charted::IMPOSSIBLE,
        }
    }

    /// A scale, which is none of the seven.
    pub(super) fn scale(scale: Spo2Scale) -> Charted {
        Charted(scale as u16)
    }

    /// The number, if there is one.
    pub(super) fn number(self) -> Option<u16> {
        (self < Charted::IMPOSSIBLE).then_some(self.0)
    }

    /// Of two that are told of the same instant: the one that scores more; and what is known before what is not. Of two scales the one that is recorded for a reason.
    pub(super) fn graver(self, other: Charted, vital: Option<Vital>) -> Charted {
        let rank = |charted: Charted| {
            let mut of = News2Vitals::default();
            if let (Some(number), Some(vital)) = (charted.number(), vital) {
                of.set(vital, number);
            }
            (charted.number().is_some(), of.score().partial, charted)
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Rounded half up, as people write down 36.05: to the millionth first, because no double is that number.
fn half_up(value: f64) -> i64 {
    let millionths = (value * 1e6).round() as i64;
    millionths.saturating_add(500_000).div_euclid(1_000_000)
}

impl News2Vitals {
    /// Takes in the number of a [`Charted`].
    pub(super) fn set(&mut self, vital: Vital, number: u16) {
        match vital {
            Vital::Respiration => self.respiration_per_min = Some(number),
            Vital::Spo2 => self.spo2_pct = Some(number),
            Vital::Oxygen => self.oxygen = [Supply::Air, Supply::Oxygen].into_iter().find(|is| *is as u16 == number),
            Vital::Systolic => self.systolic_mmhg = Some(number),
            Vital::Pulse => self.pulse_per_min = Some(number),
            Vital::Consciousness => {
                self.consciousness = Consciousness::ALL.into_iter().find(|is| *is as u16 == number);
            }
            Vital::Temperature => self.temperature_tenth_celsius = Some(number),
        }
    }

    /// Takes in that of a scale.
    pub(super) fn set_scale(&mut self, number: u16) {
        self.scale = if number == Spo2Scale::Two as u16 { Spo2Scale::Two } else { Spo2Scale::One };
    }

    fn knows(&self, vital: Vital) -> bool {
        match vital {
            Vital::Respiration => self.respiration_per_min.is_some(),
            Vital::Spo2 => self.spo2_pct.is_some(),
            Vital::Oxygen => self.oxygen.is_some(),
            Vital::Systolic => self.systolic_mmhg.is_some(),
            Vital::Pulse => self.pulse_per_min.is_some(),
            Vital::Consciousness => self.consciousness.is_some(),
            Vital::Temperature => self.temperature_tenth_celsius.is_some(),
        }
    }

    /// What it adds up to, by table 1 of the standard.
    #[must_use]
    pub fn score(&self) -> News2Score {
        let saturation = |supply| self.spo2_pct.map(|pct| spo2(self.scale, pct, supply));
        // What the saturation scores may depend on an oxygen that nobody knows.
        let (on_air, on_oxygen) = (saturation(Supply::Air), saturation(Supply::Oxygen));
        let spo2 = match self.oxygen {
            Some(Supply::Air) => on_air,
            Some(Supply::Oxygen) => on_oxygen,
            None => on_air.filter(|_| on_air == on_oxygen),
        };
        let points = [
            self.respiration_per_min.map(respiration),
            spo2,
            self.oxygen.map(oxygen),
            self.systolic_mmhg.map(systolic),
            self.pulse_per_min.map(pulse),
            self.consciousness.map(consciousness),
            self.temperature_tenth_celsius.map(temperature),
        ];
        let partial: u8 = points.iter().flatten().sum();
        // The two that depend on each other, by whichever supply there may be.
        let both = |supply: Supply| {
            let gives = self.oxygen.is_none_or(|is| is == supply);
            let [low, high] = saturation(supply).map_or([0, 3], |points| [points; 2]);
            gives.then(|| [low, high].map(|points| points + oxygen(supply)))
        };
        let pair: Vec<[u8; 2]> = [Supply::Air, Supply::Oxygen].into_iter().filter_map(both).collect();
        let others = [0, 3, 4, 5, 6].map(|of| points[of]);
        let known: u8 = others.iter().flatten().sum();
        let unknown = 3 * others.iter().filter(|of| of.is_none()).count() as u8;
        News2Score {
            partial,
            lowest: known + pair.iter().map(|[low, _]| *low).min().unwrap_or_default(),
            highest: known + unknown + pair.iter().map(|[_, high]| *high).max().unwrap_or_default(),
            red: points.contains(&Some(3)),
            missing: Vital::ALL.into_iter().filter(|vital| !self.knows(*vital)).collect(),
            points,
        }
    }
}

fn respiration(per_min: u16) -> u8 {
    match per_min {
        0..=8 | 25.. => 3,
        9..=11 => 1,
        12..=20 => 0,
        21..=24 => 2,
    }
}

fn spo2(scale: Spo2Scale, pct: u16, supply: Supply) -> u8 {
    match (scale, pct, supply) {
        (Spo2Scale::One, 0..=91, _) | (Spo2Scale::Two, 0..=83, _) | (Spo2Scale::Two, 97.., Supply::Oxygen) => 3,
        (Spo2Scale::One, 92..=93, _) | (Spo2Scale::Two, 84..=85, _) | (Spo2Scale::Two, 95..=96, Supply::Oxygen) => 2,
        (Spo2Scale::One, 94..=95, _) | (Spo2Scale::Two, 86..=87, _) | (Spo2Scale::Two, 93..=94, Supply::Oxygen) => 1,
        (Spo2Scale::One, 96.., _) | (Spo2Scale::Two, 88..=92, _) | (Spo2Scale::Two, 93.., Supply::Air) => 0,
    }
}

fn oxygen(supply: Supply) -> u8 {
    match supply {
        Supply::Air => 0,
        Supply::Oxygen => 2,
    }
}

fn systolic(mmhg: u16) -> u8 {
    match mmhg {
        0..=90 | 220.. => 3,
        91..=100 => 2,
        101..=110 => 1,
        111..=219 => 0,
    }
}

fn pulse(per_min: u16) -> u8 {
    match per_min {
        0..=40 | 131.. => 3,
        41..=50 | 91..=110 => 1,
        51..=90 => 0,
        111..=130 => 2,
    }
}

fn consciousness(is: Consciousness) -> u8 {
    match is {
        Consciousness::Alert => 0,
        Consciousness::Confused | Consciousness::Voice | Consciousness::Pain | Consciousness::Unresponsive => 3,
    }
}

fn temperature(tenth_celsius: u16) -> u8 {
    match tenth_celsius {
        0..=350 => 3,
        351..=360 | 381..=390 => 1,
        361..=380 => 0,
        391.. => 2,
    }
}
