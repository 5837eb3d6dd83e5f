//! What a lift is expected to cost in a year.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Gamma};
use watchfire_engine::Error;

use super::FaultClass;

/// What faults of a class are assumed to be like.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::ClassCost;
/// let of = ClassCost { rate_a_year: 0.5, median_yuan: 600.0, log_sd: 0.8 };
/// assert!((of.mean_yuan() - 826.3).abs() < 0.1, "some cost far more than the one in the middle");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCost {
    /// How many a lift of the kind has in a year; above 0.
    pub rate_a_year: f64,
    /// What the one in the middle costs, yuan; above 0.
    pub median_yuan: f64,
    /// The standard deviation of the logarithm of what one costs; 0 or more.
    pub log_sd: f64,
}

impl ClassCost {
    /// What one costs on average: the mean of a lognormal distribution.
    #[must_use]
    pub fn mean_yuan(&self) -> f64 {
        self.median_yuan * (self.log_sd * self.log_sd / 2.0).exp()
    }
}

/// How a lift is insured: what is assumed of faults, and what is added. All of it is an assumption, to be replaced by what a market really pays.
///
/// # Examples
/// A lift of which nothing is known costs what its kind does, and one with a long record what it has shown.
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::elevator::{CostConfig, FaultClass, LiftRecord};
/// let config = CostConfig::default();
/// let unknown = config.a_year(&LiftRecord::default())?;
/// let bad = LiftRecord { years: 10.0, faults: BTreeMap::from([(FaultClass::DoorTrack, 80)]) };
/// let bad = config.a_year(&bad)?;
/// assert!(bad.expected_yuan > 2.0 * unknown.expected_yuan);
/// assert!(bad.low_yuan < bad.expected_yuan && bad.expected_yuan < bad.high_yuan);
/// assert!((bad.by_class.values().sum::<f64>() - bad.expected_yuan).abs() < 1e-9);
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostConfig {
    /// By class; what is not named costs nothing.
    pub classes: BTreeMap<FaultClass, ClassCost>,
    /// For how many lift-years what is assumed of a rate is believed; above 0.
    pub prior_years: f64,
    /// What the insurer adds for its work and its risk, of what is expected: 0.25 is a quarter.
    pub loading: f64,
    /// How much the interval holds; above 0 and below 1.
    pub interval: f64,
}

impl Default for CostConfig {
    /// 1.25 faults a lift-year, where 0.5 to 2 are found in well-kept lifts, 72 % of them of doors; prices are guesses. Believed like two lift-years; a quarter added; an interval of 90 %.
    fn default() -> Self {
        let classes = [
            (FaultClass::DoorLock, 0.35, 400.0),
            (FaultClass::DoorTrack, 0.40, 600.0),
            (FaultClass::LightCurtain, 0.15, 900.0),
            (FaultClass::Levelling, 0.08, 2_500.0),
            (FaultClass::Traction, 0.01, 18_000.0),
            (FaultClass::Encoder, 0.04, 3_000.0),
            (FaultClass::Drive, 0.06, 6_000.0),
            (FaultClass::Power, 0.08, 200.0),
            (FaultClass::Comms, 0.06, 500.0),
            (FaultClass::Misuse, 0.02, 700.0),
        ];
        let cost = |(class, rate_a_year, median_yuan)| (class, ClassCost { rate_a_year, median_yuan, log_sd: 0.8 });
        let classes = classes.into_iter().map(cost).collect();
        CostConfig { classes, prior_years: 2.0, loading: 0.25, interval: 0.9 }
    }
}

/// What has happened to a lift.
///
/// # Examples
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::elevator::{CostConfig, FaultClass, LiftRecord};
/// let faults = BTreeMap::from([(FaultClass::DoorTrack, 4)]);
/// let of = |years: f64| CostConfig::default().a_year(&LiftRecord { years, faults: faults.clone() });
/// assert!(of(6.0)?.expected_yuan < of(3.0)?.expected_yuan, "as many faults in twice the time");
/// assert_eq!(of(-1.0).unwrap_err().code(), "E0606");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiftRecord {
    /// For how long it was watched, years; 0 or more. Time in which it was offline is none.
    pub years: f64,
    /// How many faults it had.
    pub faults: BTreeMap<FaultClass, u32>,
}

/// What a lift is expected to cost in a year.
///
/// # Examples
/// What costs most of a lift whose drive has failed once in five years?
/// ```
/// use std::collections::BTreeMap;
/// use watchfire_operators::elevator::{CostConfig, FaultClass, LiftRecord};
/// let record = LiftRecord { years: 5.0, faults: BTreeMap::from([(FaultClass::Drive, 1)]) };
/// let cost = CostConfig::default().a_year(&record)?;
/// let most = cost.by_class.iter().max_by(|a, b| a.1.total_cmp(b.1)).map(|(class, _)| *class);
/// assert_eq!(most, Some(FaultClass::Drive));
/// assert!((cost.low_yuan..cost.high_yuan).contains(&cost.expected_yuan), "{cost:?}");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostOfYear {
    /// What is expected, with the loading, yuan.
    pub expected_yuan: f64,
    /// Below so much it is expected with half of what the interval leaves out, yuan.
    pub low_yuan: f64,
    /// The same above, yuan.
    pub high_yuan: f64,
    /// What each class adds, yuan.
    pub by_class: BTreeMap<FaultClass, f64>,
}

impl CostConfig {
    /// What a lift with this record is expected to cost in a year.
    ///
    /// The rate of each class has a gamma distribution: what is assumed of it, and what was seen (`(rate x prior_years + faults) / (prior_years + years)` on average, see
    /// [`EventRate`](crate::detect::EventRate)). The interval is of the expected cost: how far that is not known, not how far one year may be from it. It is that of the
    /// gamma distribution with the mean and the variance of the sum (Welch 1947, Satterthwaite 1946), which is exact for one class; of two whose prices lie tenfold apart its ends are within a tenth of those of sums that were drawn. O(classes).
    ///
    /// # Errors
    /// `E0606` if what is assumed, or the record, cannot be: a rate, price or time that is no number above 0, an interval that is none.
    pub fn a_year(&self, record: &LiftRecord) -> Result<CostOfYear, Error> {
        self.check(record)?;
        let exposure = self.prior_years + record.years;
        let (mut by_class, mut variance) = (BTreeMap::new(), 0.0);
        for (class, cost) in &self.classes {
            let faults = f64::from(record.faults.get(class).copied().unwrap_or_default());
            let shape = cost.rate_a_year * self.prior_years + faults;
            let each_yuan = cost.mean_yuan() * (1.0 + self.loading);
            by_class.insert(*class, shape / exposure * each_yuan);
            variance += shape * (each_yuan / exposure).powi(2);
        }
        let expected_yuan: f64 = by_class.values().sum();
        let (mut low_yuan, mut high_yuan) = (expected_yuan, expected_yuan);
        if let Ok(gamma) = Gamma::new(expected_yuan * expected_yuan / variance, expected_yuan / variance) {
            let tail = (1.0 - self.interval) / 2.0;
            (low_yuan, high_yuan) = (gamma.inverse_cdf(tail), gamma.inverse_cdf(1.0 - tail));
        }
        Ok(CostOfYear { expected_yuan, low_yuan, high_yuan, by_class })
    }

    fn check(&self, record: &LiftRecord) -> Result<(), Error> {
        let is_above = |number: f64| number.is_finite() && number > 0.0;
        let of_class = self.classes.iter().find(|(_, of)| {
            !is_above(of.rate_a_year) || !is_above(of.median_yuan) || !(0.0..=5.0).contains(&of.log_sd)
        });
        let wrong = match of_class {
            Some((class, _)) => Some(format!("what is assumed of {class:?} cannot be")),
            None if self.classes.is_empty() => Some("no class of faults has a cost".to_owned()),
            None if !is_above(self.prior_years) => Some(format!("prior_years is {}", self.prior_years)),
            None if !(0.0..=100.0).contains(&self.loading) => Some(format!("loading is {}", self.loading)),
            None if !(self.interval > 0.0 && self.interval < 1.0) => Some(format!("interval is {}", self.interval)),
            None if !(0.0..=1e6).contains(&record.years) => Some(format!("it was watched for {} years", record.years)),
            None => None,
        };
        let remedy =
            "give rates, prices and times above 0, spreads up to 5, a loading from 0, an interval between 0 and 1";
        wrong.map_or(Ok(()), |wrong| Err(Error::new("E0606", format!("cost of a lift: {wrong}")).remedy(remedy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Draws, Purpose};

    /// A gamma variate of a whole shape: the sum of so many exponentials.
    fn gamma(draws: Draws, nth: &mut u64, shape: u32) -> f64 {
        (0..shape)
            .map(|_| {
                *nth += 1;
                draws.exponential(*nth, 1.0)
            })
            .sum()
    }

    #[test]
    fn the_interval_is_that_of_rates_that_are_drawn() {
        let two = [(FaultClass::DoorTrack, 0.5, 600.0), (FaultClass::Drive, 0.5, 6_000.0)];
        let classes =
            two.map(|(class, rate_a_year, median_yuan)| (class, ClassCost { rate_a_year, median_yuan, log_sd: 0.8 }));
        let config = CostConfig { classes: classes.into(), prior_years: 2.0, ..CostConfig::default() };
        let record =
            LiftRecord { years: 3.0, faults: BTreeMap::from([(FaultClass::DoorTrack, 6), (FaultClass::Drive, 2)]) };
        let cost = config.a_year(&record).unwrap();
        let (draws, mut nth) = (Draws::new(7, 0, Purpose::Phase), 0);
        let each = |class: FaultClass| config.classes[&class].mean_yuan() * 1.25 / 5.0;
        let mut drawn: Vec<f64> = (0..20_000)
            .map(|_| {
                gamma(draws, &mut nth, 7) * each(FaultClass::DoorTrack)
                    + gamma(draws, &mut nth, 3) * each(FaultClass::Drive)
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!((cost.expected_yuan / mean - 1.0).abs() < 0.02, "{cost:?}, drawn {mean}");
        for (is, share) in [(cost.low_yuan, 0.05), (cost.high_yuan, 0.95)] {
            let of = drawn[(drawn.len() as f64 * share) as usize];
            assert!((is / of - 1.0).abs() < 0.1, "{is}, drawn {of}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |config: CostConfig, years: f64| {
            config.a_year(&LiftRecord { years, ..LiftRecord::default() }).unwrap_err().code()
        };
        let is = CostConfig::default;
        assert_eq!(refused(CostConfig { prior_years: 0.0, ..is() }, 1.0), "E0606");
        assert_eq!(refused(CostConfig { interval: 1.0, ..is() }, 1.0), "E0606");
        assert_eq!(refused(CostConfig { classes: BTreeMap::new(), ..is() }, 1.0), "E0606");
        assert_eq!(refused(is(), f64::NAN), "E0606");
        assert_eq!(refused(is(), -1.0), "E0606");
    }
}
