//! How good an order is, and how sure that is.

use watchfire::connect::datagen::Draw;

/// Something that was foretold, by several ways of telling: the higher, the likelier.
#[derive(Clone, Debug)]
pub struct Foretold {
    /// Whose it is: what is drawn in the bootstrap.
    pub asset: u32,
    pub scores: Vec<f64>,
    pub happened: bool,
}

/// Things that were foretold by one way, the likeliest first: ranked once, however often they are drawn.
pub struct Ranked {
    /// Of each: where it stands among all, whether it happened, and whether the next one is equal.
    each: Vec<(usize, bool, bool)>,
}

impl Ranked {
    pub fn of(all: &[Foretold], by: usize) -> Ranked {
        let mut ranked: Vec<usize> = (0..all.len()).collect();
        ranked.sort_by(|a, b| all[*b].scores[by].total_cmp(&all[*a].scores[by]));
        let is_equal =
            |nth: usize| ranked.get(nth + 1).is_some_and(|next| all[*next].scores[by] == all[ranked[nth]].scores[by]);
        Ranked { each: ranked.iter().enumerate().map(|(nth, at)| (*at, all[*at].happened, is_equal(nth))).collect() }
    }

    /// Average precision: the mean, over all that happened, of the share that happened of what is ranked no lower (of equals all, so that no order among them
    /// helps). `times` says how often each counts.
    pub fn average_precision(&self, times: &[f64]) -> f64 {
        let (mut seen, mut hits, mut sum, mut more) = (0.0, 0.0, 0.0, 0.0);
        for (at, happened, next_is_equal) in &self.each {
            seen += times[*at];
            more += if *happened { times[*at] } else { 0.0 };
            if !next_is_equal && more > 0.0 {
                hits += more;
                sum += more * hits / seen;
                more = 0.0;
            }
        }
        if hits > 0.0 { sum / hits } else { f64::NAN }
    }
}

/// [`Ranked::average_precision`] of each, once.
pub fn average_precision(all: &[Foretold], by: usize) -> f64 {
    Ranked::of(all, by).average_precision(&vec![1.0; all.len()])
}

/// The share that happened of the first so many; of equals of which not all are among them, as many as happened of all of these.
pub fn precision_at(all: &[Foretold], by: usize, first: usize) -> f64 {
    let mut ranked: Vec<&Foretold> = all.iter().collect();
    ranked.sort_by(|a, b| b.scores[by].total_cmp(&a.scores[by]));
    let (mut left, mut hits) = (first.min(ranked.len()), 0.0);
    for equals in ranked.chunk_by(|a, b| a.scores[by] == b.scores[by]) {
        let taken = left.min(equals.len());
        let happened = equals.iter().filter(|of| of.happened).count();
        hits += happened as f64 * taken as f64 / equals.len() as f64;
        left -= taken;
    }
    hits / first.min(ranked.len()).max(1) as f64
}

/// How often assets are drawn anew.
const DRAWS: u32 = 1_000;

/// The middle 95 % of a figure when assets are drawn with replacement, as many as there are; draws that have no figure, for nothing happened in them, are left out. `of` says whose each thing is, and the figure is told how often each counts.
pub fn bootstrap(of: &[u32], seed: u64, figure: impl Fn(&[f64]) -> f64) -> (f64, f64) {
    let mut assets = of.to_vec();
    assets.sort_unstable();
    assets.dedup();
    let at: Vec<usize> = of.iter().map(|of| assets.partition_point(|asset| asset < of)).collect();
    let mut figures: Vec<f64> = (0..DRAWS)
        .map(|n| {
            let mut drawn = vec![0.0; assets.len()];
            for nth in 0..assets.len() as u64 {
                drawn[Draw::new(seed, n, nth).between(0, assets.len() as i64) as usize] += 1.0;
            }
            figure(&at.iter().map(|at| drawn[*at]).collect::<Vec<_>>())
        })
        .collect();
    figures.retain(|figure| !figure.is_nan());
    figures.sort_by(f64::total_cmp);
    let part = |share: f64| {
        figures.get((figures.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
    };
    (part(0.025), part(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scores: &[(f64, bool)]) -> Vec<Foretold> {
        let one = |(asset, (score, happened)): (u32, &(f64, bool))| Foretold {
            asset,
            scores: vec![*score],
            happened: *happened,
        };
        (0..).zip(scores).map(one).collect()
    }

    #[test]
    fn precision_is_averaged_over_what_happened() {
        let all = of(&[(0.9, true), (0.8, false), (0.7, true), (0.1, false)]);
        assert_eq!(average_precision(&all, 0), (1.0 + 2.0 / 3.0) / 2.0);
        // Equals help nobody, in whatever order they stand.
        let equal = of(&[(0.5, false), (0.5, true), (0.5, false), (0.5, true)]);
        assert_eq!(average_precision(&equal, 0), 0.5);
        // Drawn twice, or not at all.
        assert_eq!(Ranked::of(&all, 0).average_precision(&[1.0, 2.0, 1.0, 0.0]), (1.0 + 0.5) / 2.0);
        assert_eq!((precision_at(&all, 0, 1), precision_at(&all, 0, 4)), (1.0, 0.5));
        assert_eq!(precision_at(&equal, 0, 1), 0.5);
    }
}
