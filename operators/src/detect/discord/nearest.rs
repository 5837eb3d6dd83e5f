//! The nearest of the stretches that are remembered, gathered in one pass.

/// The nearest found so far, nearest first.
pub(super) struct Nearest {
    wanted: usize,
    /// A stretch is familiar whose squared differences add up to no more.
    familiar_sum: f64,
    /// The sum of squared differences of each, and how many rows ago it ended.
    found: Vec<(f64, usize)>,
    pub(super) compared: u32,
    pub(super) familiar: u32,
}

impl Nearest {
    pub(super) fn new(wanted: usize, familiar_sum: f64) -> Self {
        Nearest { wanted, familiar_sum, found: Vec::with_capacity(wanted + 1), compared: 0, familiar: 0 }
    }

    /// Takes the stretch that ended `lag` rows ago among the nearest, if it is one of them. Of equals the latest counts.
    #[inline]
    pub(super) fn offer(&mut self, sum: f64, lag: usize) {
        self.compared += 1;
        self.familiar += u32::from(sum <= self.familiar_sum);
        let full = self.found.len() >= self.wanted;
        if full && self.found.last().is_none_or(|furthest| sum >= furthest.0) {
            return;
        }
        let place = self.found.partition_point(|other| other.0 <= sum);
        self.found.insert(place, (sum, lag));
        self.found.truncate(self.wanted);
    }

    /// How far the found are on average, a row, if there are any.
    pub(super) fn distance(&self, rows: usize) -> Option<f64> {
        // Running sums of what is equal may come to less than nothing.
        let total: f64 = self.found.iter().map(|(sum, _)| (sum.max(0.0) / rows as f64).sqrt()).sum();
        (!self.found.is_empty()).then(|| total / self.found.len() as f64)
    }

    /// The mean of the values that the found ended with, if there are any.
    pub(super) fn expected(&self, values: &[f64]) -> Option<f64> {
        let ends = self.found.iter().filter_map(|(_, lag)| values.iter().rev().nth(*lag));
        (!self.found.is_empty()).then(|| ends.sum::<f64>() / self.found.len() as f64)
    }
}
