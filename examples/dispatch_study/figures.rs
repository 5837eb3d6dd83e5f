//! What the policies came to: a table, and the bars that turning around for 60 s is held to.

use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use tabled::{Table, Tabled};
use watchfire::connect::datagen::Draw;

use crate::simulation::{Outcome, Policy};

/// The price that is judged, and the one that it is judged by.
pub const JUDGED: Policy = Policy::Price { ms: 60_000 };
pub const FOR_NOTHING: Policy = Policy::Price { ms: 0 };
/// At no price, two plans that cost the same may take turns. Along straight streets that is common: two crews that swap their
/// fires halfway often drive as far as before. At this price they go on.
pub const FOR_ALMOST_NOTHING: Policy = Policy::Price { ms: 1 };

/// Of the seconds by which the first crew comes sooner if turning around costs nothing, the judged price keeps this share
/// at least.
const KEPT_BAR: f64 = 0.85;
/// The lower end of the interval of that share is this at least.
const KEPT_LOW_BAR: f64 = 0.75;
/// Of the repeat diversions of turning around for nothing, the judged price leaves this share at most.
const AGAIN_BAR: f64 = 0.15;

/// Samples of worlds that an interval is found from, and what they are drawn from.
const SAMPLES: u64 = 10_000;
const SAMPLES_SEED: u64 = 1;

/// What came of each policy in each world.
pub struct Figures {
    policies: Vec<Policy>,
    /// By world, then by policy.
    worlds: Vec<Vec<Outcome>>,
}

#[derive(Tabled)]
struct Row {
    #[tabled(rename = "price")]
    policy: String,
    #[tabled(rename = "first crew, s")]
    first_mean: String,
    #[tabled(rename = "p90")]
    first_p90: String,
    #[tabled(rename = "full force, s")]
    full_mean: String,
    #[tabled(rename = "p90 ")]
    full_p90: String,
    #[tabled(rename = "diversions a fire")]
    diversions: String,
    #[tabled(rename = "repeat a fire")]
    again: String,
    #[tabled(rename = "never at once")]
    never_at_once: u64,
}

/// A figure with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Estimate {
    is: f64,
    low: f64,
    high: f64,
}

impl Figures {
    pub fn new(policies: &[Policy], worlds: Vec<Vec<Outcome>>) -> Figures {
        Figures { policies: policies.to_vec(), worlds }
    }

    pub fn text(&self) -> String {
        let rows = self.policies.iter().map(|policy| self.row(*policy));
        let mut table = Table::new(rows);
        table.with(Style::psql()).modify(Columns::new(..), Alignment::right());
        format!("{table}\n{}", self.bars())
    }

    fn row(&self, policy: Policy) -> Row {
        let all = |of: fn(&Outcome) -> &Vec<u64>| self.of(policy).flat_map(of).copied().collect::<Vec<u64>>();
        let (first, full) = (all(|of| &of.first_ms), all(|of| &of.full_ms));
        let a_fire = |of: fn(&Outcome) -> u64| self.of(policy).map(of).sum::<u64>() as f64 / first.len() as f64;
        Row {
            policy: match policy {
                Policy::Never => "never".to_owned(),
                Policy::Price { ms } if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
                Policy::Price { ms } => format!("{ms} ms"),
            },
            first_mean: format!("{:.1}", mean_s(&first)),
            first_p90: format!("{:.0}", p90_s(&first)),
            full_mean: format!("{:.1}", mean_s(&full)),
            full_p90: format!("{:.0}", p90_s(&full)),
            diversions: format!("{:.3}", a_fire(|of| of.diversions)),
            again: format!("{:.3}", a_fire(|of| of.again)),
            never_at_once: self.of(policy).map(|of| of.never_at_once).sum(),
        }
    }

    fn bars(&self) -> String {
        let first_s = |policy| self.sums(policy, |of| of.first_ms.iter().sum::<u64>() as f64 / 1e3);
        let again = |policy| self.sums(policy, |of| of.again as f64);
        let fires = self.sums(Policy::Never, |of| of.first_ms.len() as f64);
        let (never, free, judged) = (first_s(Policy::Never), first_s(FOR_NOTHING), first_s(JUDGED));
        let (again_free, again_almost, again_judged) = (again(FOR_NOTHING), again(FOR_ALMOST_NOTHING), again(JUDGED));
        let gain = self.estimate(|sum| (sum(&never) - sum(&free)) / sum(&fires));
        let kept = self.estimate(|sum| kept(sum(&never), sum(&free), sum(&judged)));
        let repeated = self.estimate(|sum| sum(&again_judged) / sum(&again_free));
        let of_almost = self.estimate(|sum| sum(&again_judged) / sum(&again_almost));
        format!(
            "Turned around for nothing, the first crew comes {} sooner than never turned around.\n\
             Of that 60 s keep {}; bar {:.0} %, and {:.0} % for the lower end: {}\n\
             Of the repeat diversions 60 s leave {}; bar {:.0} %: {}{}\n\
             Of those at 1 ms, where nobody turns around for nothing, 60 s leave {}.\n\
             In brackets: 95 % of {SAMPLES} samples of as many worlds, each with all policies (paired bootstrap).",
            gain.text(1.0, "s"),
            kept.text(100.0, "%"),
            KEPT_BAR * 100.0,
            KEPT_LOW_BAR * 100.0,
            verdict(kept.is >= KEPT_BAR && kept.low >= KEPT_LOW_BAR),
            repeated.text(100.0, "%"),
            AGAIN_BAR * 100.0,
            verdict(repeated.is <= AGAIN_BAR),
            if repeated.holds(AGAIN_BAR) { ", but not for certain" } else { "" },
            of_almost.text(100.0, "%"),
        )
    }

    fn of(&self, policy: Policy) -> impl Iterator<Item = &Outcome> {
        let nth = self.policies.iter().position(|of| *of == policy);
        self.worlds.iter().filter_map(move |world| world.get(nth?))
    }

    /// A sum of each world.
    fn sums(&self, policy: Policy, of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.of(policy).map(of).collect()
    }

    /// A figure of sums over worlds, and its 95 % interval: what it is in samples of as many worlds, drawn with replacement
    /// (percentile bootstrap). A world is drawn with all its policies.
    fn estimate(&self, figure: impl Fn(&dyn Fn(&[f64]) -> f64) -> f64) -> Estimate {
        let worlds = self.worlds.len();
        let mut sampled: Vec<f64> = (0..SAMPLES)
            .map(|n| {
                let mut draw = Draw::new(SAMPLES_SEED, 0, n);
                let drawn: Vec<usize> = (0..worlds).map(|_| draw.between(0, worlds as i64) as usize).collect();
                figure(&|sums| drawn.iter().map(|world| sums[*world]).sum())
            })
            .collect();
        sampled.sort_by(f64::total_cmp);
        let at = |share: f64| sampled[(share * (SAMPLES - 1) as f64).round() as usize];
        Estimate { is: figure(&|sums| sums.iter().sum()), low: at(0.025), high: at(0.975) }
    }
}

impl Estimate {
    /// Whether a bar is in the interval, so that other worlds may be on its other side.
    fn holds(self, bar: f64) -> bool {
        self.low <= bar && bar <= self.high
    }

    fn text(self, scale: f64, unit: &str) -> String {
        let Estimate { is, low, high } = self;
        format!("{:.1} {unit} ({:.1} to {:.1} {unit})", is * scale, low * scale, high * scale)
    }
}

/// The share of a gain that is kept. Where nothing was gained, nothing is kept, however it is reckoned.
fn kept(never: f64, free: f64, judged: f64) -> f64 {
    if never > free { (never - judged) / (never - free) } else { f64::NEG_INFINITY }
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

fn mean_s(all_ms: &[u64]) -> f64 {
    all_ms.iter().sum::<u64>() as f64 / all_ms.len() as f64 / 1e3
}

/// What nine in ten are no later than.
fn p90_s(all_ms: &[u64]) -> f64 {
    let mut sorted = all_ms.to_vec();
    sorted.sort_unstable();
    let nth = (sorted.len() * 9).div_ceil(10).saturating_sub(1);
    sorted.get(nth).map_or(f64::NAN, |ms| *ms as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worlds of two fires each, which are served so many seconds sooner if crews turn around for nothing, and for 60 s a
    /// little less.
    fn figures(sooner_s: &[u64]) -> Figures {
        let outcome = |first_s: u64, again| Outcome {
            first_ms: vec![first_s * 1_000, first_s * 1_000 + 2_000],
            full_ms: vec![400_000; 2],
            diversions: 2 * again,
            again,
            never_at_once: 0,
        };
        let (free, judged) = (|s: &u64, again| outcome(300 - s, again), |s: &u64| outcome(300 - s * 9 / 10, 1));
        let world = |s: &u64| vec![outcome(300, 0), free(s, 20), free(s, 10), judged(s)];
        let policies = [Policy::Never, FOR_NOTHING, FOR_ALMOST_NOTHING, JUDGED];
        Figures::new(&policies, sooner_s.iter().map(world).collect())
    }

    #[test]
    fn a_figure_that_all_worlds_agree_on_is_certain() {
        let text = figures(&[100, 50, 30, 80]).text();
        assert!(
            text.contains("Of that 60 s keep 90.0 % (90.0 to 90.0 %); bar 85 %, and 75 % for the lower end: reached"),
            "{text}"
        );
        assert!(text.contains("60 s leave 5.0 % (5.0 to 5.0 %); bar 15 %: reached"), "{text}");
        assert!(text.contains("for nothing, 60 s leave 10.0 % (10.0 to 10.0 %)"), "{text}");
        let estimate = |high| Estimate { is: 0.12, low: 0.11, high };
        assert!(estimate(0.16).holds(AGAIN_BAR) && !estimate(0.14).holds(AGAIN_BAR));
        assert!(text.contains("comes 65.0 s ("), "{text}");
    }

    #[test]
    fn where_nothing_is_gained_the_bar_is_missed() {
        let text = figures(&[0, 0, 0]).text();
        assert!(text.contains("Of that 60 s keep -inf %"), "{text}");
        assert!(text.contains("for the lower end: missed"), "{text}");
    }

    #[test]
    fn nine_in_ten_are_no_later() {
        let tenths: Vec<u64> = (1..=10).rev().map(|s| s * 1_000).collect();
        assert_eq!((p90_s(&tenths), p90_s(&tenths[..1]), mean_s(&tenths)), (9.0, 10.0, 5.5));
    }
}
