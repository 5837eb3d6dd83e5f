//! How often epochs are cut.
//!
//! An epoch costs every worker about as much as a thousand rows do, in telling the others that it has passed. Cut for every
//! few rows, epochs alone would keep all workers busy, and then rows wait for a core instead of for the next epoch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::job::shared::Shared;
use crate::turns;

/// With several workers, rows gather for this long after an epoch of few: about four times what an epoch costs.
const GATHER: Duration = Duration::from_micros(250);

/// An epoch of so many rows is worth its cost, and the next may follow at once.
pub(crate) const MANY_ROWS: usize = 1_024;

/// Says when the next epoch may be cut. A row that comes after a pause never waits.
pub(crate) struct Pace {
    shared: Arc<Shared>,
    gather: Duration,
    last_cut: Instant,
}

impl Pace {
    pub(crate) fn new(shared: Arc<Shared>, workers: usize) -> Self {
        let gather = if workers > 1 { GATHER } else { Duration::ZERO };
        Pace { shared, gather, last_cut: turns::now() }
    }

    /// An epoch has been cut, of many rows or of few.
    pub(crate) fn cut(&mut self, many: bool) {
        self.last_cut = turns::now();
        self.shared.set_gathering(!many && !self.gather.is_zero());
    }

    /// How much longer rows are to gather, unless somebody finds that enough have.
    pub(crate) fn wait(&self) -> Option<Duration> {
        if !self.shared.gathering() {
            return None;
        }
        let rest = self.gather.checked_sub(turns::now().duration_since(self.last_cut)).filter(|rest| !rest.is_zero());
        if rest.is_none() {
            self.shared.set_gathering(false);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(workers: usize) -> Pace {
        Pace::new(Shared::new(std::iter::empty(), workers), workers)
    }

    #[test]
    fn only_after_an_epoch_of_few_rows_on_several_workers() {
        let mut one = pace(1);
        one.cut(false);
        assert_eq!(one.wait(), None);
        let mut two = pace(2);
        assert_eq!(two.wait(), None, "the first row does not wait");
        two.cut(true);
        assert_eq!(two.wait(), None);
        two.gather = Duration::from_secs(3_600);
        two.cut(false);
        assert!(two.wait().is_some_and(|wait| wait <= two.gather));
    }

    #[test]
    fn many_rows_or_an_order_end_the_wait() {
        let mut pace = pace(2);
        pace.gather = Duration::from_secs(3_600);
        pace.cut(false);
        pace.shared.queued(false);
        assert!(pace.wait().is_some());
        pace.shared.queued(true);
        assert_eq!(pace.wait(), None);
        pace.cut(false);
        pace.shared.order(crate::job::shared::Command::Drain);
        assert_eq!(pace.wait(), None);
    }

    #[test]
    fn it_ends_by_itself() {
        let mut pace = pace(2);
        pace.cut(false);
        while pace.wait().is_some() {}
        assert!(!pace.shared.gathering(), "whoever sends now wakes the leader");
    }
}
