//! What an impact is like, and what was before and after it.

use super::track::Sample;

/// What is looked at of an impact reaches so far back and forth.
pub(super) const BEFORE_MS: i64 = 3_000;
pub(super) const AFTER_MS: i64 = 4_500;

/// An impact is the greatest of this long before and after.
pub(super) const APART_MS: i64 = 1_000;

/// So many of the samples, at least, over this share of the time: less is not known.
const KNOWN_SAMPLES: usize = 5;
const KNOWN_SHARE: f64 = 0.25;

/// Whoever falls from standing height falls freely for this long, or longer.
const FREE_FALL_MS: i64 = 200;

/// Changes are told as of this long, whatever the rate of the device; what comes in bursts is not divided by nothing.
const CHANGE_MS: f64 = 20.0;
const CHANGE_MIN_MS: i64 = 10;

/// What is told of an impact, in g where it has a unit. "Before" is from 3 s to 1 s before it, "after" from 1 s to 3.5 s after, "around" the second before and the second after.
pub(super) const FEATURES: [&str; 28] = [
    "impact_g",
    "least_just_before_g",
    "least_around_g",
    "spread_after_log",
    "spread_before_log",
    "tilt_deg",
    "jerk_around_g",
    "change_around_g",
    "change_around_most_g",
    "change_after_g",
    "change_before_g",
    "most_after_g",
    "least_after_g",
    "most_before_g",
    "least_before_g",
    "share_over_1.5_around",
    "share_over_2_around",
    "share_under_0.7_around",
    "share_over_1.5_before",
    "share_over_1.4_after",
    "spread_around_g",
    "off_1_around_g",
    "sway_later_g",
    "sway_just_before_g",
    "sway_just_after_g",
    "impacts",
    "turned_by_then_cos",
    "turned_since_cos",
];

/// In the order of [`FEATURES`]; none that is not known.
pub(super) type Features = [f64; FEATURES.len()];

/// Whether what is said at a place is the greatest around it: of equals the first.
pub(super) fn is_peak(samples: &[Sample], at: usize, apart_ms: i64) -> bool {
    let (at_ms, is) = (samples[at].0, samples[at].1.square());
    let before = samples[..at].iter().rev().take_while(|of| of.0 >= at_ms - apart_ms);
    let after = samples[at + 1..].iter().take_while(|of| of.0 <= at_ms + apart_ms);
    before.map(|of| of.1.square()).all(|of| of < is) && after.map(|of| of.1.square()).all(|of| of <= is)
}

/// Samples with how much they are.
struct Seen {
    at_ms: i64,
    /// In g.
    axes: [f64; 3],
    norm: f64,
}

/// Those of a stretch of time.
struct Stretch<'s> {
    of: &'s [Seen],
    is_known: bool,
}

impl<'s> Stretch<'s> {
    fn of(all: &'s [Seen], from_ms: i64, until_ms: i64) -> Self {
        let at = |ms: i64| all.partition_point(|of| of.at_ms < ms);
        let of = &all[at(from_ms)..at(until_ms)];
        let spans = of.last().zip(of.first()).map_or(0, |(last, first)| last.at_ms - first.at_ms);
        let is_known = of.len() >= KNOWN_SAMPLES && spans as f64 >= KNOWN_SHARE * (until_ms - from_ms) as f64;
        Stretch { of, is_known }
    }

    /// The same, taken as known whatever it holds.
    fn whatever(self) -> Self {
        Stretch { is_known: !self.of.is_empty(), ..self }
    }

    /// The same, not known if nothing was said for so long that somebody may have fallen freely in it: up to a time.
    fn without_holes(self, until_ms: i64) -> Self {
        let times = self.of.iter().map(|of| of.at_ms);
        let next = times.clone().skip(1).chain(std::iter::once(until_ms));
        let is_whole = times.zip(next).all(|(at_ms, next_ms)| next_ms - at_ms < FREE_FALL_MS);
        Stretch { is_known: self.is_known && is_whole, ..self }
    }

    fn known(&self, of: impl FnOnce(&[Seen]) -> f64) -> f64 {
        if self.is_known { of(self.of) } else { f64::NAN }
    }

    fn mean(&self, of: impl Fn(&Seen) -> f64) -> f64 {
        self.known(|seen| seen.iter().map(&of).sum::<f64>() / seen.len() as f64)
    }

    fn share(&self, is: impl Fn(f64) -> bool) -> f64 {
        self.mean(|of| f64::from(u8::from(is(of.norm))))
    }

    fn least(&self) -> f64 {
        self.known(|seen| seen.iter().map(|of| of.norm).fold(f64::INFINITY, f64::min))
    }

    fn most(&self) -> f64 {
        self.known(|seen| seen.iter().map(|of| of.norm).fold(0.0, f64::max))
    }

    fn spread(&self) -> f64 {
        let mean = self.mean(|of| of.norm);
        self.mean(|of| (of.norm - mean).powi(2)).sqrt()
    }

    fn axes(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| self.mean(|of| of.axes[axis]))
    }

    /// The spread in whatever direction.
    fn sway(&self) -> f64 {
        let mean = self.axes();
        self.mean(|of| of.axes.iter().zip(mean).map(|(of, mean)| (of - mean).powi(2)).sum()).sqrt()
    }

    /// From each to the next, as of [`CHANGE_MS`]: the mean, and the greatest.
    fn changes(&self, change: impl Fn(&Seen, &Seen) -> f64) -> (f64, f64) {
        let (mut sum, mut most, mut count) = (0.0, 0.0_f64, 0.0);
        for of in self.of.windows(2) {
            let ms = (of[1].at_ms - of[0].at_ms).max(CHANGE_MIN_MS) as f64;
            let is = change(&of[0], &of[1]) * CHANGE_MS / ms;
            (sum, most, count) = (sum + is, most.max(is), count + 1.0);
        }
        if self.is_known { (sum / f64::max(count, 1.0), most) } else { (f64::NAN, f64::NAN) }
    }
}

fn far(a: &Seen, b: &Seen) -> f64 {
    a.axes.iter().zip(b.axes).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The cosine between two directions.
fn cos(a: [f64; 3], b: [f64; 3]) -> f64 {
    let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-6)
}

/// What an impact is like, of all that is known from [`BEFORE_MS`] before to [`AFTER_MS`] after it, in order.
pub(super) fn features(samples: &[Sample], at: usize) -> Features {
    let p = samples[at].0;
    let seen: Vec<Seen> = samples
        .iter()
        .map(|(at_ms, is)| Seen {
            at_ms: *at_ms,
            axes: is.mg.map(|of| f64::from(of) / 1_000.0),
            norm: is.norm_mg() / 1_000.0,
        })
        .collect();
    let stretch = |from_ms: i64, until_ms: i64| Stretch::of(&seen, p + from_ms, p + until_ms);
    let (before, after) = (stretch(-3_000, -1_000), stretch(1_000, 3_500));
    let around = stretch(-1_000, 1_001).whatever();
    let just_before = stretch(-1_000, 0).without_holes(p);
    let (change_around, change_around_most) = around.changes(far);
    let (down_before, down_after) = (before.axes(), after.axes());
    // Where it hardly moves, the difference between little and less counts as well.
    let log = |spread: f64| (spread + 0.01).ln();
    let impacts = (0..samples.len()).filter(|of| {
        let (at_ms, is) = &samples[*of];
        (at_ms - p).abs() < 2_000 && is.square() >= 1_400 * 1_400 && is_peak(samples, *of, 250)
    });
    [
        seen[at].norm,
        just_before.least(),
        around.least(),
        log(after.spread()),
        log(before.spread()),
        cos(down_before, down_after).clamp(-1.0, 1.0).acos().to_degrees(),
        around.changes(|a, b| (a.norm - b.norm).abs()).1,
        change_around,
        change_around_most,
        after.changes(far).0,
        before.changes(far).0,
        after.most(),
        after.least(),
        before.most(),
        before.least(),
        around.share(|of| of > 1.5),
        around.share(|of| of > 2.0),
        around.share(|of| of < 0.7),
        stretch(-3_000, -300).share(|of| of > 1.5),
        stretch(500, 3_500).share(|of| of > 1.4),
        around.spread(),
        around.mean(|of| (of.norm - 1.0).abs()),
        stretch(2_000, 4_500).sway(),
        stretch(-1_000, 0).sway(),
        stretch(0, 1_001).sway(),
        impacts.count() as f64,
        cos(down_before, stretch(-800, -200).axes()),
        cos(down_after, stretch(200, 800).axes()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wristband::Acceleration;

    fn of(name: &str, features: &Features) -> f64 {
        features[FEATURES.iter().position(|of| *of == name).unwrap()]
    }

    /// Upright, nothing for 0.2 s, 3 g, and on the side: as anybody can count.
    #[test]
    fn an_impact_is_told_as_it_was() {
        let mg = |ms: i64| match ms {
            -200..0 => [0, 0, 500],
            0 => [0, 3_000, 0],
            1.. => [1_000, 0, 0],
            _ => [0, 0, 1_000],
        };
        let samples: Vec<Sample> = (-4_000..5_000).step_by(20).map(|ms| (ms, Acceleration { mg: mg(ms) })).collect();
        let at = samples.iter().position(|of| of.0 == 0).unwrap();
        assert!(is_peak(&samples, at, APART_MS) && !is_peak(&samples, at + 1, APART_MS));
        let features = features(&samples, at);
        let near =
            |name: &str, is: f64| assert!((of(name, &features) - is).abs() < 1e-9, "{name}: {}", of(name, &features));
        near("impact_g", 3.0);
        near("least_just_before_g", 0.5);
        near("tilt_deg", 90.0);
        near("spread_after_log", 0.01_f64.ln());
        near("jerk_around_g", 2.5);
        near("change_around_most_g", 10.0_f64.sqrt());
        near("change_around_g", (0.5 + 9.25_f64.sqrt() + 10.0_f64.sqrt()) / 100.0);
        near("share_over_2_around", 1.0 / 101.0);
        near("share_under_0.7_around", 10.0 / 101.0);
        near("off_1_around_g", (10.0 * 0.5 + 2.0) / 101.0);
        near("impacts", 1.0);
        near("turned_by_then_cos", 1.0);
        near("turned_since_cos", 1.0);
        near("sway_later_g", 0.0);
    }

    #[test]
    fn what_is_not_known_is_told_as_such() {
        let samples: Vec<Sample> =
            (-500..1_200).step_by(20).map(|ms| (ms, Acceleration { mg: [0, 1_600, 0] })).collect();
        let features = features(&samples, 25);
        let unknown: Vec<&str> = FEATURES.iter().zip(features).filter(|of| of.1.is_nan()).map(|of| *of.0).collect();
        let of_both_sides = [
            "spread_after_log",
            "spread_before_log",
            "tilt_deg",
            "change_after_g",
            "change_before_g",
            "turned_by_then_cos",
            "turned_since_cos",
        ];
        assert!(of_both_sides.iter().all(|of| unknown.contains(of)), "{unknown:?}");
        assert!(!unknown.contains(&"impact_g") && !unknown.contains(&"spread_around_g"), "{unknown:?}");
    }
}
