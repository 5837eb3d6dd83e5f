//! How well those who stand by cover what may happen, and who should move up.

use serde::{Deserialize, Serialize};

use super::Coverage;
use crate::geo::Position;

/// How a theatre is to be covered.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::CoverConfig;
/// let config: CoverConfig = toml::from_str("busy_pct = 20\npoints = [[[305000000, 1040700000], 120]]")?;
/// assert_eq!((config.points[0].1, config.within_ms), (120, 240_000));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoverConfig {
    /// Where something may happen, and how much of it: any unit, 1 to 1,000,000. None are the stations themselves, all alike.
    pub points: Vec<(Position, u32)>,
    /// A station covers what an engine reaches from it in so long, milliseconds.
    pub within_ms: u32,
    /// How much of the time a crew is busy, in hundredths: 0 to 99.
    pub busy_pct: u32,
    /// How many moves are recommended at a time, at most: a few bring nearly all there is to gain (van Barneveld 2016).
    pub moves_max: usize,
    /// A move that brings less of the expected coverage is not worth it, thousandths.
    pub gain_permille: u32,
    /// A move that takes longer is not worth it, milliseconds.
    pub move_max_ms: u32,
}

impl Default for CoverConfig {
    /// 240 s, the travel time of the first engine by NFPA 1710; busy a third of the time; two moves at most, of 2 % and within ten minutes.
    fn default() -> Self {
        CoverConfig {
            points: Vec::new(),
            within_ms: 240_000,
            busy_pct: 33,
            moves_max: 2,
            gain_permille: 20,
            move_max_ms: 600_000,
        }
    }
}

impl CoverConfig {
    /// What is wrong with it.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.busy_pct > 99 {
            wrong.push(format!("busy_pct is {}, which is not 0 to 99", self.busy_pct));
        }
        if self.points.iter().any(|(_, weight)| !(1..=1_000_000).contains(weight)) {
            wrong.push("a point of the coverage weighs less than 1 or more than 1,000,000".to_owned());
        }
        wrong
    }
}

/// Which stations cover which points.
#[derive(Clone, Debug, Default)]
pub(super) struct Cover {
    /// By station, then by point.
    pub(super) covers: Vec<Vec<bool>>,
    pub(super) weights: Vec<u32>,
}

/// A crew should go from one station to another: their indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MoveUp {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Cover {
    /// The coverage by so many crews at each station.
    pub(super) fn by(&self, standing: &[u32], busy_pct: u32) -> Coverage {
        let all = self.weights.iter().map(|weight| f64::from(*weight)).sum::<f64>().max(1.0);
        let covered = self.crews(standing).zip(&self.weights).filter(|(crews, _)| *crews > 0);
        let covered: f64 = covered.map(|(_, weight)| f64::from(*weight)).sum();
        let permille = |part: f64| (part * 1e3 / all) as u32;
        Coverage {
            covered_permille: permille(covered),
            expected_permille: permille(self.expected(standing, busy_pct)),
            bare: Vec::new(),
        }
    }

    /// The demand that is expected to find a crew: MEXCLP (Daskin 1983), of which the k-th crew adds (1 - q) q^(k-1).
    fn expected(&self, standing: &[u32], busy_pct: u32) -> f64 {
        let busy = f64::from(busy_pct) / 100.0;
        let expected = |(crews, weight): (u32, &u32)| f64::from(*weight) * (1.0 - busy.powi(crews as i32));
        self.crews(standing).zip(&self.weights).map(expected).sum()
    }

    /// How many crews cover each point.
    fn crews(&self, standing: &[u32]) -> impl Iterator<Item = u32> {
        let covers = |point: usize| move |(station, _): &(&Vec<bool>, &u32)| station[point];
        let crews = move |point| self.covers.iter().zip(standing).filter(covers(point)).map(|(_, crews)| *crews).sum();
        (0..self.weights.len()).map(crews)
    }

    /// What a move costs of the coverage that is expected, thousandths; less than nothing if it brings some.
    pub(super) fn loses_permille(&self, standing: &[u32], way: MoveUp, config: &CoverConfig) -> f64 {
        let all: f64 = self.weights.iter().map(|weight| f64::from(*weight)).sum();
        let (now, then) =
            (self.expected(standing, config.busy_pct), self.expected(&moved(standing, way), config.busy_pct));
        (now - then) * 1e3 / all.max(1.0)
    }

    /// The move that brings most, of those that `may` be; of equal ones the first by station. O(stations^2 x stations x points).
    pub(super) fn best_move(
        &self,
        standing: &[u32],
        config: &CoverConfig,
        may: impl Fn(MoveUp) -> bool,
    ) -> Option<MoveUp> {
        let now = self.expected(standing, config.busy_pct);
        let all: f64 = self.weights.iter().map(|weight| f64::from(*weight)).sum();
        let least = all * f64::from(config.gain_permille) / 1e3;
        let mut best: Option<(f64, MoveUp)> = None;
        for from in (0..standing.len()).filter(|from| standing[*from] > 0) {
            for to in (0..standing.len()).filter(|to| *to != from) {
                let move_up = MoveUp { from, to };
                let gain = self.expected(&moved(standing, move_up), config.busy_pct) - now;
                if gain >= least && gain > 0.0 && best.is_none_or(|(most, _)| gain > most) && may(move_up) {
                    best = Some((gain, move_up));
                }
            }
        }
        best.map(|(_, move_up)| move_up)
    }
}

/// Who stands by where after a move.
fn moved(standing: &[u32], MoveUp { from, to }: MoveUp) -> Vec<u32> {
    let mut standing = standing.to_vec();
    standing[from] -= 1;
    standing[to] += 1;
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three stations in a row: each covers its own point, the middle one all.
    fn row() -> Cover {
        Cover {
            covers: vec![vec![true, false, false], vec![true, true, true], vec![false, false, true]],
            weights: vec![1, 1, 2],
        }
    }

    #[test]
    fn coverage_is_what_somebody_reaches_and_what_finds_somebody() {
        let cover = row();
        let by = |standing: [u32; 3]| {
            let Coverage { covered_permille, expected_permille, .. } = cover.by(&standing, 50);
            (covered_permille, expected_permille)
        };
        assert_eq!(by([0, 0, 0]), (0, 0));
        assert_eq!(by([1, 0, 0]), (250, 125));
        assert_eq!(by([0, 1, 0]), (1_000, 500));
        // Two crews for the first and the third point: 3/4; one for the second.
        assert_eq!(by([1, 1, 1]), (1_000, 687));
    }

    #[test]
    fn a_crew_moves_up_where_it_is_needed_most() {
        let (cover, config) = (row(), CoverConfig { busy_pct: 50, ..CoverConfig::default() });
        assert_eq!(cover.best_move(&[2, 0, 0], &config, |_| true), Some(MoveUp { from: 0, to: 1 }));
        assert_eq!(cover.best_move(&[2, 0, 0], &config, |way| way.to != 1), Some(MoveUp { from: 0, to: 2 }));
        assert_eq!(cover.best_move(&[0, 1, 0], &config, |_| true), None, "it stands where it covers all");
        assert_eq!(cover.best_move(&[0, 0, 0], &config, |_| true), None);
        let picky = CoverConfig { gain_permille: 900, ..config };
        assert_eq!(cover.best_move(&[2, 0, 0], &picky, |_| true), None);
    }
}
