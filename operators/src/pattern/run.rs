//! What has begun of a key, as its rows pass by in order.

use serde::{Deserialize, Serialize};

use super::Steps;

/// The first steps of a match, or all of them while something must be absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Begun<T> {
    /// One a step, with their event times.
    rows: Vec<(i64, T)>,
    /// The numbers of the first row and of the last, in the order of all rows.
    first: u64,
    last: u64,
}

impl<T> Begun<T> {
    fn first_ms(&self) -> i64 {
        self.rows.first().map_or(i64::MIN, |(at_ms, _)| *at_ms)
    }

    fn last_ms(&self) -> i64 {
        self.rows.last().map_or(i64::MIN, |(at_ms, _)| *at_ms)
    }
}

/// A match, or what was given up, with the event times of its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Told<T> {
    pub(super) is_match: bool,
    pub(super) at_ms: i64,
    pub(super) rows: Vec<(i64, T)>,
}

/// What has begun, after some rows and up to some time. What it tells is in the order of `at_ms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Run<T> {
    /// In the order in which they began.
    begun: Vec<Begun<T>>,
    rows: u64,
}

impl<T> Default for Run<T> {
    fn default() -> Self {
        Run { begun: Vec::new(), rows: 0 }
    }
}

impl<T: Clone> Run<T> {
    /// When the first time is over in which something must be absent.
    pub(super) fn due_ms(&self, steps: &Steps<T>) -> Option<i64> {
        let absent_ms = steps.absent_ms()?;
        let waits = self.begun.iter().filter(|begun| begun.rows.len() >= steps.len());
        waits.map(|begun| begun.last_ms().saturating_add(absent_ms)).min()
    }

    /// No more rows come before this time.
    pub(super) fn pass(&mut self, steps: &Steps<T>, before_ms: i64, told: &mut Vec<Told<T>>) {
        while let Some(due_ms) = self.due_ms(steps).filter(|due_ms| *due_ms < before_ms) {
            let is_due = |begun: &Begun<T>| {
                begun.rows.len() >= steps.len()
                    && steps.absent_ms().is_some_and(|ms| begun.last_ms().saturating_add(ms) == due_ms)
            };
            let Some(at) = self.begun.iter().position(is_due) else { break };
            let Begun { rows, last, .. } = self.begun.remove(at);
            told.push(Told { is_match: true, at_ms: due_ms, rows });
            if steps.apart {
                self.begun.retain(|begun| begun.first > last);
            }
        }
    }

    /// The next row. Of what has begun by then no more than `most` is kept.
    pub(super) fn row(&mut self, steps: &Steps<T>, at_ms: i64, row: &T, most: usize, told: &mut Vec<Told<T>>) {
        self.pass(steps, at_ms, told);
        // Not sooner: of a key that is waited for no longer rows may come all the same.
        let goes_on = |begun: &Begun<T>| {
            begun.rows.len() >= steps.len() || !steps.is_over(begun.first_ms(), begun.last_ms(), at_ms)
        };
        self.begun.retain(goes_on);
        let number = self.rows;
        self.rows = self.rows.saturating_add(1);
        // Of what has begun the first is never behind, so with it all are given up that must be.
        let (mut ended, mut whole) = (false, Vec::new());
        self.begun.retain_mut(|begun| {
            let step = begun.rows.len();
            if steps.apart && ended {
                return false;
            }
            if step >= steps.len() {
                return steps.absent_ms().is_some() && !steps.is_absent(row);
            }
            if !steps.is(step, row) {
                return !steps.strict && !steps.is_ruled_out(step, row);
            }
            begun.rows.push((at_ms, row.clone()));
            begun.last = number;
            let is_whole = step + 1 == steps.len() && steps.absent_ms().is_none();
            if is_whole {
                ended = true;
                whole.push(std::mem::take(&mut begun.rows));
            }
            !is_whole
        });
        if !(steps.apart && ended) && steps.is(0, row) {
            let rows = vec![(at_ms, row.clone())];
            if steps.len() == 1 && steps.absent_ms().is_none() {
                whole.push(rows);
            } else {
                self.begun.push(Begun { rows, first: number, last: number });
            }
        }
        told.extend(whole.into_iter().map(|rows| Told { is_match: true, at_ms, rows }));
        let many = self.begun.len().saturating_sub(most);
        told.extend(self.begun.drain(..many).map(|begun| Told { is_match: false, at_ms, rows: begun.rows }));
    }
}
