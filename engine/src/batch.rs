//! Rows in flight, and the place of each in the ingest order.
//!
//! Every row and every tick that enters a job is given one number, its place in the *ingest order*. Operators act in
//! that order and what they emit inherits the place of its cause, so results depend neither on how the input was cut
//! into batches and epochs nor on how many workers ran.

use serde::{Deserialize, Serialize};

/// Words of sub-order under a place; a keyed operator uses two, a `flat_map` one.
pub(crate) const DEPTH_MAX: usize = 10;

/// Where a row stands: the ingest place of what caused it, then which emission of which operator it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) path: [u32; DEPTH_MAX],
}

impl Place {
    pub(crate) fn top(at: u64) -> Self {
        Place { at, path: [0; DEPTH_MAX] }
    }

    /// Puts `word` at `depth`. Plans deeper than `DEPTH_MAX` are refused by `check`.
    #[inline]
    pub(crate) fn set(&mut self, depth: usize, word: u32) {
        if let Some(slot) = self.path.get_mut(depth) {
            *slot = word;
        }
    }

    /// The same place with `word` at `depth`.
    pub(crate) fn with(mut self, depth: usize, word: u32) -> Self {
        self.set(depth, word);
        self
    }
}

/// The places of the rows of a batch, in the cheapest form that says them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Places {
    /// Row `i` is at `first + i`.
    Dense(u64),
    /// Row `i` is at `first + offsets[i]`, rising.
    Sparse(u64, Vec<u32>),
    /// Row `i` is at `places[i]`, in the order of emission.
    Tagged(Vec<Place>),
}

impl Places {
    /// The ingest place of row `i`.
    #[inline]
    pub(crate) fn at(&self, i: usize) -> u64 {
        match self {
            Places::Dense(first) => first + i as u64,
            Places::Sparse(first, offsets) => first + u64::from(offsets[i]),
            Places::Tagged(places) => places[i].at,
        }
    }

    /// The full place of row `i`.
    #[inline]
    pub(crate) fn place(&self, i: usize) -> Place {
        match self {
            Places::Tagged(places) => places[i],
            _ => Place::top(self.at(i)),
        }
    }

    /// The place before which nothing in the batch stands; `0` for an empty tagged batch.
    pub(crate) fn first(&self) -> u64 {
        match self {
            Places::Dense(first) | Places::Sparse(first, _) => *first,
            Places::Tagged(places) => places.first().map_or(0, |place| place.at),
        }
    }
}

/// Rows of one split (or of one operator's output), with their places.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Batch<T> {
    /// The worker that is to process the rows; set by the partitioner, ignored elsewhere.
    pub(crate) target: u32,
    /// The split that the rows came from, with `DERIVED` if an operator emitted them; `NO_SPLIT` if they have none.
    pub(crate) split: u32,
    /// The rows broke their split's own disorder bound: they are late wherever they go.
    pub(crate) late: bool,
    pub(crate) places: Places,
    pub(crate) rows: Vec<T>,
}

/// Stands for rows that belong to no split.
pub(crate) const NO_SPLIT: u32 = u32::MAX;

/// Set in the split of rows that a keyed operator emitted. They have the split of their cause, by whose clock their
/// silence is measured, but more of them may come when that split has ended.
pub(crate) const DERIVED: u32 = 1 << 31;

impl<T> Batch<T> {
    /// Rows that are in order already and have no further use for their places.
    pub(crate) fn in_order(rows: Vec<T>) -> Self {
        Batch { target: 0, split: NO_SPLIT, late: false, places: Places::Dense(0), rows }
    }

    /// Whether all of `self` stands before all of `other`. Neither may be empty.
    pub(crate) fn is_before<U>(&self, other: &Batch<U>) -> bool {
        self.places.place(self.rows.len().saturating_sub(1)) <= other.places.place(0)
    }

    /// Keeps, transforms and drops rows one by one; places follow.
    pub(crate) fn filter_map<U>(self, mut each: impl FnMut(T) -> Option<U>) -> Batch<U> {
        let Batch { target, split, late, places, rows } = self;
        let total = rows.len();
        let mut kept = Vec::with_capacity(total);
        let mut out = Vec::with_capacity(total);
        for (i, row) in rows.into_iter().enumerate() {
            if let Some(row) = each(row) {
                kept.push(i as u32);
                out.push(row);
            }
        }
        let places = if out.len() == total { places } else { select(places, kept) };
        Batch { target, split, late, places, rows: out }
    }

    /// Transforms every row; places stay.
    pub(crate) fn map<U>(self, each: impl FnMut(T) -> U) -> Batch<U> {
        let Batch { target, split, late, places, rows } = self;
        Batch { target, split, late, places, rows: rows.into_iter().map(each).collect() }
    }

    /// Sets a word of sub-order on every row.
    pub(crate) fn tag(self, depth: usize, word: u32) -> Batch<T> {
        let places = (0..self.rows.len()).map(|i| self.places.place(i).with(depth, word)).collect();
        Batch { places: Places::Tagged(places), ..self }
    }

    /// Replaces every row by none, one or many; the emissions of one row are told apart at `depth`.
    pub(crate) fn flat_map<U, I: IntoIterator<Item = U>>(self, depth: usize, mut each: impl FnMut(T) -> I) -> Batch<U> {
        let Batch { target, split, late, places, rows } = self;
        let (mut out, mut tags) = (Vec::new(), Vec::new());
        for (i, row) in rows.into_iter().enumerate() {
            let place = places.place(i);
            for (n, made) in each(row).into_iter().enumerate() {
                tags.push(place.with(depth, n as u32));
                out.push(made);
            }
        }
        Batch { target, split, late, places: Places::Tagged(tags), rows: out }
    }
}

/// The places of the rows with the (rising) indices `kept`.
fn select(places: Places, mut kept: Vec<u32>) -> Places {
    match places {
        Places::Dense(first) => Places::Sparse(first, kept),
        Places::Sparse(first, offsets) => {
            kept.iter_mut().for_each(|i| *i = offsets[*i as usize]);
            Places::Sparse(first, kept)
        }
        Places::Tagged(places) => Places::Tagged(kept.iter().map(|i| places[*i as usize]).collect()),
    }
}

/// Deals the rows of a batch out to `peers` workers by `owner_of`; order and places are kept. Empty parts are left out.
pub(crate) fn partition<T>(
    batch: Batch<T>,
    peers: usize,
    owner_of: impl Fn(&T) -> usize,
) -> impl Iterator<Item = Batch<T>> {
    let Batch { split, late, places, rows, .. } = batch;
    let share = rows.len() / peers + rows.len() / (4 * peers) + 16;
    let mut parts: Vec<(Vec<u32>, Vec<T>)> =
        (0..peers).map(|_| (Vec::with_capacity(share), Vec::with_capacity(share))).collect();
    for (i, row) in rows.into_iter().enumerate() {
        let (kept, part) = &mut parts[owner_of(&row)];
        kept.push(i as u32);
        part.push(row);
    }
    parts.into_iter().enumerate().filter(|(_, (_, rows))| !rows.is_empty()).map(move |(target, (kept, rows))| {
        let places = select(places.clone(), kept);
        Batch { target: target as u32, split, late, places, rows }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: Vec<u32>) -> Batch<u32> {
        Batch { target: 0, split: 3, late: false, places: Places::Dense(100), rows }
    }

    #[test]
    fn places_follow_filters_and_partitions() {
        let odd = batch((0..10).collect()).filter_map(|n| (n % 2 == 1).then_some(n));
        assert_eq!((0..5).map(|i| odd.places.at(i)).collect::<Vec<_>>(), [101, 103, 105, 107, 109]);
        let parts: Vec<_> = partition(odd, 3, |n| *n as usize % 3).collect();
        let mut seen: Vec<(u64, u32)> =
            parts.iter().flat_map(|p| p.rows.iter().enumerate().map(|(i, n)| (p.places.at(i), *n))).collect();
        seen.sort_unstable();
        assert_eq!(seen, [(101, 1), (103, 3), (105, 5), (107, 7), (109, 9)]);
        assert!(parts.iter().all(|p| p.rows.iter().all(|n| *n as usize % 3 == p.target as usize)));
    }

    #[test]
    fn emissions_of_one_row_stay_apart_and_in_order() {
        let twice = batch(vec![1, 2]).flat_map(0, |n| [n, n * 10]);
        let places: Vec<Place> = (0..4).map(|i| twice.places.place(i)).collect();
        assert!(places.is_sorted() && places.windows(2).all(|w| w[0] != w[1]));
        assert_eq!(twice.rows, [1, 10, 2, 20]);
    }
}
