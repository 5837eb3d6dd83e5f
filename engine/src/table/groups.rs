//! What can be asked of the rows of each key together.

use std::cmp::Reverse;
use std::marker::PhantomData;
use std::panic::Location;

use serde::{Deserialize, Serialize};

use super::closed::RowsOf;
use super::grouped::Group;
use super::level::Around;
use super::{Level, Rows, Table};
use crate::{Key, Row};

impl<'f, K: Key, V: Row, L: Level> Table<'f, K, V, L> {
    /// For each key that has rows, what `group` makes of them: it is given each row with how often it is there, at least once,
    /// rising. Called again whenever a row of the key changes: O(rows of the key).
    #[track_caller]
    pub fn reduce<W: Row, I: IntoIterator<Item = W>>(
        self,
        group: impl Fn(&K, &[(&V, isize)]) -> I + 'static,
    ) -> Table<'f, K, W, L> {
        self.view(("reduce", String::new()), Location::caller(), |around, rows| {
            L::group(around, "reduce", rows, Whole { group, says: PhantomData })
        })
    }

    /// How many rows each key has; a key without any is not there. O(log keys) for each change; in a loop, O(rows of the key).
    #[track_caller]
    pub fn count(self) -> Table<'f, K, u64, L> {
        self.view(("count", String::new()), Location::caller(), |around, rows| {
            L::group(around, "count", rows, Total { number: |_: &K, _: &V| 0, total: |count, _| count })
        })
    }

    /// The sum of a number of each row, for each key that has rows. O(log keys) for each change, in a loop O(rows of the key); what no
    /// `i64` holds is the nearest that one does.
    #[track_caller]
    pub fn sum(self, number: impl Fn(&K, &V) -> i64 + 'static) -> Table<'f, K, i64, L> {
        let nearest = |_, sum: i128| sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        self.view(("sum", String::new()), Location::caller(), |around, rows| {
            L::group(around, "sum", rows, Total { number, total: nearest })
        })
    }

    /// Each row once. O(log rows) for each change.
    #[track_caller]
    pub fn distinct(self) -> Table<'f, K, V, L> {
        self.view(("distinct", String::new()), Location::caller(), |around, rows| {
            let rows = rows.map(|(key, row)| (Of(key, row), ()));
            once::<_, _, L>(around, rows).map(|(Of(key, row), ())| (key, row))
        })
    }

    /// The least row of each key, once. O(log rows of the key) for each change; in a loop, O(rows of the key).
    #[track_caller]
    pub fn min(self) -> Table<'f, K, V, L> {
        self.view(("min", String::new()), Location::caller(), |around, rows| L::group(around, "min", rows, First(1)))
    }

    /// The greatest row of each key, once. As [`min`](Table::min).
    #[track_caller]
    pub fn max(self) -> Table<'f, K, V, L> {
        self.view(("max", String::new()), Location::caller(), |around, rows| {
            let turned = rows.map(|(key, row)| (key, Reverse(row)));
            L::group(around, "max", turned, First(1)).map(|(key, Reverse(row))| (key, row))
        })
    }

    /// The `k` rows of each key that have the greatest rank; of equal ranks the lesser row. A row that is there more than once
    /// counts as often. O(k + log rows of the key) for each change; in a loop, O(rows of the key).
    ///
    /// # Examples
    /// The two kinds with the most incidents:
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use watchfire_engine::{Change, Job, Timed};
    /// # #[derive(Clone, Debug, Serialize, Deserialize)]
    /// # struct Report { at_ms: i64, incident: u32, kind: String }
    /// # impl Timed for Report { fn event_time_ms(&self) -> i64 { self.at_ms } }
    /// let job = Job::new(|flow| {
    ///     let reports = flow.channel::<Report>("reports").key_by(|report| report.incident);
    ///     let kinds = reports.latest("kinds", |report| Some(report.kind.clone())).out.rekey(|_, kind| kind.clone()).count();
    ///     let busiest = kinds.flat_map(|kind, count| [((), (count, kind))]).top_k(2, |(), (count, _)| *count);
    ///     busiest.changes().to_channel("busiest");
    /// });
    /// let mut running = job.start()?;
    /// let (reports, busiest) = (running.sender("reports")?, running.receiver::<Change<((), (u64, String))>>("busiest")?);
    /// let report = |incident, kind: &str| Report { at_ms: 0, incident, kind: kind.to_owned() };
    /// reports.send(vec![report(1, "fire"), report(2, "lift"), report(3, "lift"), report(4, "gas")])?;
    /// drop(reports);
    /// let busiest = Change::consolidate(busiest.rows());
    /// assert_eq!(busiest, [(((), (1, "fire".to_owned())), 1), (((), (2, "lift".to_owned())), 1)]);
    /// running.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn top_k<R: Row>(self, k: usize, rank: impl Fn(&K, &V) -> R + 'static) -> Table<'f, K, V, L> {
        self.view(("top_k", k.to_string()), Location::caller(), |around, rows| {
            let here = around.clone();
            let ranked = rows.map(move |(key, row)| {
                here.mark();
                let rank = Reverse(rank(&key, &row));
                (key, (rank, row))
            });
            L::group(around, "top_k", ranked, First(k)).map(|(key, (_, row))| (key, row))
        })
    }
}

/// Each key that has rows, once.
pub(super) fn once<'f, K: Key, V: Row, L: Level>(
    around: &Around,
    rows: Rows<'f, K, V, L::Time>,
) -> Rows<'f, K, (), L::Time> {
    L::group(around, "keys", rows, Total { number: |_: &K, _: &V| 0, total: |_, _| () })
}

/// A row as a key, which is where the key of the row is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Of<K, V>(K, V);

impl<K: Key, V: Row> Key for Of<K, V> {
    fn stable_hash(&self) -> u64 {
        self.0.stable_hash()
    }
}

/// How many rows there are, and the sum of a number of each.
struct Total<N, T> {
    number: N,
    total: T,
}

impl<K, V, W: Row, N, T> Group<K, V> for Total<N, T>
where
    N: Fn(&K, &V) -> i64 + 'static,
    T: Fn(u64, i128) -> W + 'static,
{
    type Kept = (isize, i128);
    type Says = W;

    fn add(&self, (count, sum): &mut Self::Kept, key: &K, row: &V, by: isize) {
        *count += by;
        *sum += i128::from((self.number)(key, row)) * by as i128;
    }

    fn is_empty(&self, kept: &Self::Kept) -> bool {
        *kept == (0, 0)
    }

    fn say(&self, (count, sum): &mut Self::Kept, _: &K, says: &mut dyn FnMut(W, isize)) {
        if *count > 0 {
            says((self.total)(count.unsigned_abs() as u64, *sum), 1);
        }
    }
}

/// So many of the least rows.
struct First(usize);

impl<K, V: Row> Group<K, V> for First {
    type Kept = RowsOf<V>;
    type Says = V;

    fn add(&self, kept: &mut RowsOf<V>, _: &K, row: &V, by: isize) {
        kept.add(row, by);
    }

    fn is_empty(&self, kept: &RowsOf<V>) -> bool {
        kept.is_empty()
    }

    fn say(&self, kept: &mut RowsOf<V>, _: &K, says: &mut dyn FnMut(V, isize)) {
        let mut left = isize::try_from(self.0).unwrap_or(isize::MAX);
        for (row, times) in kept.iter() {
            if left == 0 {
                break;
            }
            let times = times.min(left);
            left -= times;
            says(row.clone(), times);
        }
    }
}

/// What a function makes of all rows.
struct Whole<F, W> {
    group: F,
    says: PhantomData<fn() -> W>,
}

impl<K: 'static, V: Row, W: Row, I: IntoIterator<Item = W>, F> Group<K, V> for Whole<F, W>
where
    F: Fn(&K, &[(&V, isize)]) -> I + 'static,
{
    type Kept = Grouped<V, W>;
    type Says = W;

    fn add(&self, kept: &mut Grouped<V, W>, _: &K, row: &V, by: isize) {
        kept.rows.add(row, by);
        kept.said = None;
    }

    fn is_empty(&self, kept: &Grouped<V, W>) -> bool {
        kept.rows.is_empty()
    }

    fn say(&self, kept: &mut Grouped<V, W>, key: &K, says: &mut dyn FnMut(W, isize)) {
        let Grouped { rows, said } = kept;
        let said = said.get_or_insert_with(|| {
            let rows: Vec<(&V, isize)> = rows.iter().collect();
            if rows.is_empty() { Vec::new() } else { (self.group)(key, &rows).into_iter().collect() }
        });
        said.iter().for_each(|row| says(row.clone(), 1));
    }
}

/// The rows of a key, and what was made of them: that is asked for once.
struct Grouped<V, W> {
    rows: RowsOf<V>,
    said: Option<Vec<W>>,
}

impl<V, W> Default for Grouped<V, W> {
    fn default() -> Self {
        Grouped { rows: RowsOf::default(), said: None }
    }
}
