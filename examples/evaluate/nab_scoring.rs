//! How the Numenta Anomaly Benchmark scores, by its paper (Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms"), standard profile; and its windowed
//! Gaussian, of which 39.6 was published.
//!
//! At a threshold every row that scores as much is an alarm. The best placed alarm in a window earns up to 1, the first row of it all of that; a window without any
//! costs 1, and every alarm outside of windows up to 0.11, less soon after one. The first rows of a series are there to learn from, and count for nothing.

/// What an alarm outside of windows costs at most.
const FALSE_ALARM: f64 = 0.11;
/// So many widths of a window after it an alarm costs all of that.
const FAR: f64 = 3.0;

/// Rows from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub first: usize,
    pub last: usize,
}

/// What was said of each row of a series, and where something is odd, in the order of rows.
#[derive(Clone, Debug, Default)]
pub struct Marked {
    pub scores: Vec<f64>,
    pub windows: Vec<Window>,
}

/// What an alarm on a row would mean.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    Learns,
    Inside { window: usize, earns: f64 },
    Outside { costs: f64 },
}

/// How many rows of a series are there to learn from: 15 %, of 5,000 at most.
pub fn probation(rows: usize) -> usize {
    rows.min(5_000) * 15 / 100
}

/// From 1 well before the end of a window to -1 well after it; `position` in widths of the window from there.
fn sigmoid(position: f64) -> f64 {
    if position > FAR { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

impl Marked {
    fn meanings(&self) -> Vec<Meaning> {
        let (learns, mut next) = (probation(self.scores.len()), 0);
        let meaning = |row: usize| {
            while self.windows.get(next).is_some_and(|window| window.last < row) {
                next += 1;
            }
            if row < learns {
                return Meaning::Learns;
            }
            match self.windows.get(next).filter(|window| window.first <= row) {
                Some(Window { first, last }) => {
                    let position = -((last - row + 1) as f64) / (last - first + 1) as f64;
                    Meaning::Inside { window: next, earns: sigmoid(position) / sigmoid(-1.0) }
                }
                None => {
                    let past = next.checked_sub(1).map(|before| self.windows[before]);
                    let far = |Window { first, last }| (row - last) as f64 / (last - first).max(1) as f64;
                    Meaning::Outside { costs: -FALSE_ALARM * past.map_or(-1.0, |window| sigmoid(far(window))) }
                }
            }
        };
        (0..self.scores.len()).map(meaning).collect()
    }

    /// What alarms from a threshold on come to.
    pub fn raw(&self, threshold: f64) -> f64 {
        let (mut windows, mut sum) = (vec![None; self.windows.len()], 0.0);
        for (meaning, score) in self.meanings().iter().zip(&self.scores) {
            match *meaning {
                Meaning::Inside { window, earns } => {
                    let earns = if *score >= threshold { earns } else { -1.0 };
                    windows[window] = Some(windows[window].map_or(earns, |best: f64| best.max(earns)));
                }
                Meaning::Outside { costs } if *score >= threshold => sum -= costs,
                Meaning::Outside { .. } | Meaning::Learns => {}
            }
        }
        sum + windows.iter().flatten().sum::<f64>()
    }

    /// The same without any alarm, and with one on the first row of each window.
    pub fn null_and_perfect(&self) -> (f64, f64) {
        (self.raw(f64::INFINITY), self.windows.len() as f64)
    }

    /// How many alarms there are from a threshold on.
    pub fn alarms(&self, threshold: f64) -> usize {
        self.scores.iter().skip(probation(self.scores.len())).filter(|score| **score >= threshold).count()
    }
}

/// The one threshold for all series that comes to most, and how much that is. What scores 0 is no alarm at any.
pub fn sweep(all: &[&Marked]) -> (f64, f64) {
    let mut alarms: Vec<(f64, usize, Meaning)> = Vec::new();
    for (series, of) in all.iter().enumerate() {
        let scored = of.meanings().into_iter().zip(&of.scores).filter(|(meaning, _)| *meaning != Meaning::Learns);
        alarms.extend(scored.filter(|(_, score)| **score > 0.0).map(|(meaning, score)| (*score, series, meaning)));
    }
    alarms.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut windows: Vec<Vec<f64>> = all.iter().map(|of| vec![-1.0; of.windows.len()]).collect();
    let mut raw: f64 = all.iter().map(|of| of.null_and_perfect().0).sum();
    let mut best = (f64::INFINITY, raw);
    // Rows that score the same are alarms together.
    for equals in alarms.chunk_by(|a, b| a.0 == b.0) {
        for (_, series, meaning) in equals {
            match *meaning {
                Meaning::Inside { window, earns } => {
                    let earned = &mut windows[*series][window];
                    raw += (earns - *earned).max(0.0);
                    *earned = earned.max(earns);
                }
                Meaning::Outside { costs } => raw -= costs,
                Meaning::Learns => {}
            }
        }
        if raw > best.1 {
            best = (equals[0].0, raw);
        }
    }
    best
}

/// How far in the tail of a normal distribution values lie, which is fitted to the last so many of them, and again after each step of so many.
#[derive(Clone, Debug)]
pub struct WindowedGaussian {
    window: usize,
    step: usize,
    values: Vec<f64>,
    waiting: Vec<f64>,
    mean: f64,
    sd: f64,
}

impl WindowedGaussian {
    pub fn new(window: usize, step: usize) -> Self {
        WindowedGaussian { window, step, values: Vec::new(), waiting: Vec::new(), mean: 0.0, sd: 1.0 }
    }

    /// From 0.5 at the mean to 1 far from it; 0 of the first value.
    pub fn score(&mut self, value: f64) -> f64 {
        let score = if self.values.is_empty() { 0.0 } else { 1.0 - tail((value - self.mean).abs() / self.sd) };
        if self.values.len() < self.window {
            self.values.push(value);
            self.fit();
        } else {
            self.waiting.push(value);
            if self.waiting.len() == self.step {
                self.values.drain(..self.step);
                self.values.append(&mut self.waiting);
                self.fit();
            }
        }
        score
    }

    fn fit(&mut self) {
        let count = self.values.len() as f64;
        self.mean = self.values.iter().sum::<f64>() / count;
        let squares = self.values.iter().map(|value| (value - self.mean).powi(2)).sum::<f64>();
        self.sd = (squares / count).sqrt();
        if self.sd == 0.0 {
            self.sd = 1e-6;
        }
    }
}

/// How likely a standard normal value is above `z`, 0 or more.
fn tail(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z < 3.0 {
        // z + z^3 / 3 + z^5 / (3 * 5) + ...
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        return 0.5 - density * sum;
    }
    // Laplace's continued fraction, from within.
    density / (1..=100).rev().fold(z, |inner, depth| z + f64::from(depth) / inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 rows, 15 of them to learn from, and a window of rows 50 to 59.
    fn marked(alarms: &[usize]) -> Marked {
        let mut scores = vec![0.0; 100];
        alarms.iter().for_each(|row| scores[*row] = 1.0);
        Marked { scores, windows: vec![Window { first: 50, last: 59 }] }
    }

    fn raw(alarms: &[usize]) -> f64 {
        marked(alarms).raw(0.5)
    }

    fn is(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn nothing_said_and_all_said_right_are_the_ends_of_the_scale() {
        assert_eq!((raw(&[]), marked(&[]).null_and_perfect()), (-1.0, (-1.0, 1.0)));
        is(raw(&[50]), 1.0);
    }

    #[test]
    fn the_first_rows_count_for_nothing() {
        assert_eq!([100, 1_127, 22_695].map(probation), [15, 169, 750]);
        assert_eq!((raw(&[0, 3, 14]), marked(&[0, 3, 14]).alarms(0.5)), (-1.0, 0));
        is(raw(&[15]), -1.0 - FALSE_ALARM);
    }

    #[test]
    fn the_earliest_alarm_in_a_window_counts() {
        assert_eq!(raw(&[52, 53, 58]), raw(&[52]));
        assert!(raw(&[58]) < raw(&[52]));
        // Five rows from the end of a window of ten: -(59 - 55 + 1) / 10.
        let at = |position: f64| 2.0 / (1.0 + (5.0 * position).exp()) - 1.0;
        is(raw(&[55]), at(-0.5) / at(-1.0));
    }

    #[test]
    fn false_alarms_cost_less_soon_after_a_window() {
        is(raw(&[20]), -1.0 - FALSE_ALARM);
        // Nine rows past the end of a window of ten: 9 / (10 - 1).
        is(raw(&[68]), -1.0 + FALSE_ALARM * (2.0 / (1.0 + 5.0_f64.exp()) - 1.0));
        is(raw(&[99]), -1.0 - FALSE_ALARM);
    }

    #[test]
    fn the_threshold_is_the_one_that_pays() {
        let mut noisy = marked(&[]);
        (20..40).for_each(|row| noisy.scores[row] = 0.8);
        noisy.scores[50] = 0.9;
        let (threshold, best) = sweep(&[&noisy, &marked(&[])]);
        assert_eq!(threshold, 0.9);
        is(best, noisy.raw(0.9) - 1.0);
        assert_eq!(sweep(&[&marked(&[])]), (f64::INFINITY, -1.0), "silence pays nothing");
    }

    #[test]
    fn tails_are_those_of_tables() {
        for (z, of) in [(0.0, 0.5), (1.0, 0.158_655_253_931_457), (3.0, 0.001_349_898_031_630)] {
            is(tail(z), of);
        }
        assert!((tail(6.0) / 9.865_876_450_377e-10 - 1.0).abs() < 1e-9);
        let mut gaussian = WindowedGaussian::new(10, 2);
        assert_eq!([5.0, 5.0, 6.0].map(|value| gaussian.score(value)), [0.0, 0.5, 1.0]);
    }
}
