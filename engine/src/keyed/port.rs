//! One output of a keyed operator: what was emitted, and from which splits it came.

use std::collections::BTreeMap;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::OutputBuilder;

use super::fused::{Book, Caps};
use crate::Data;
use crate::batch::{Batch, DERIVED, Place, Places};

pub(crate) type Output<O> = OutputBuilder<u64, CapacityContainerBuilder<Vec<Batch<O>>>>;

/// Up to so many rows a run on average, runs are worth gathering by split.
const SHORT_RUN: usize = 8;

/// One output of an operator: what was emitted and not yet sent, and the book of the detector behind it.
#[doc(hidden)]
pub struct Port<O: 'static> {
    out: Option<Output<O>>,
    pub(crate) rows: Vec<O>,
    pub(crate) places: Vec<Place>,
    /// From which row on rows are caused by which split.
    runs: Vec<(usize, u32)>,
    pub(crate) fresh: usize,
    pub(crate) book: Book,
}

impl<O: 'static> std::fmt::Debug for Port<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port").field("waiting", &self.rows.len()).field("book", &self.book).finish()
    }
}

impl<O: Data> Port<O> {
    pub(crate) fn new(out: Option<Output<O>>) -> Self {
        Port { out, rows: Vec::new(), places: Vec::new(), runs: Vec::new(), fresh: 0, book: Book::default() }
    }

    /// What is emitted from here on is caused by this split.
    pub(crate) fn feed(&mut self, split: u32) {
        let (from, split) = (self.rows.len(), split | DERIVED);
        match self.runs.last_mut() {
            Some((_, of)) if *of == split => {}
            Some((begun, of)) if *begun == from => *of = split,
            _ => self.runs.push((from, split)),
        }
    }

    /// Sends what was emitted since the last flush: a batch for each run of a split or, where runs are short, for each
    /// split. Each batch is in order; whoever reads them puts them together by their places.
    pub(crate) fn send(&mut self, caps: &mut Caps<'_>) {
        self.fresh = 0;
        let cap = caps.0.next();
        if self.rows.is_empty() {
            return;
        }
        let count = self.rows.len();
        self.book.emitted += count as u64;
        // The next epoch will emit about as many.
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(count));
        let places = std::mem::replace(&mut self.places, Vec::with_capacity(count));
        let runs = std::mem::take(&mut self.runs);
        self.runs.extend(runs.last().map(|(_, split)| (0, *split)));
        let Some((out, cap)) = self.out.as_mut().zip(cap) else { return };
        let mut out = out.activate();
        let mut session = out.session(cap);
        in_batches(rows, places, &runs, |batch| session.give(batch));
    }
}

fn in_batches<O>(mut rows: Vec<O>, mut places: Vec<Place>, runs: &[(usize, u32)], mut give: impl FnMut(Batch<O>)) {
    let mut give = |split, places, rows| {
        give(Batch { target: 0, split, late: false, places: Places::Tagged(places), rows });
    };
    let sorted = places.is_sorted();
    if sorted && (runs.len() < 2 || rows.len() > SHORT_RUN * runs.len()) {
        // From behind, so that each row is moved once.
        let mut all = Vec::with_capacity(runs.len());
        for (from, split) in runs.iter().skip(1).rev() {
            all.push((*split, places.split_off(*from), rows.split_off(*from)));
        }
        all.push((runs.first().map_or(crate::batch::NO_SPLIT, |(_, split)| *split), places, rows));
        all.into_iter().rev().filter(|(_, _, rows)| !rows.is_empty()).for_each(|(split, p, r)| give(split, p, r));
        return;
    }
    let ends = runs.iter().skip(1).map(|(from, _)| *from).chain([rows.len()]);
    let splits = runs.iter().zip(ends).flat_map(|((from, split), end)| std::iter::repeat_n(*split, end - from));
    let mut each: Vec<(Place, u32, O)> =
        places.into_iter().zip(splits).zip(rows).map(|((place, split), row)| (place, split, row)).collect();
    // Timers fire by due time, but the order of what one tick causes must not depend on who fired what.
    each.sort_by_key(|(place, _, _)| *place);
    let mut by_split: BTreeMap<u32, (Vec<Place>, Vec<O>)> = BTreeMap::new();
    for (place, split, row) in each {
        let (places, rows) = by_split.entry(split).or_default();
        places.push(place);
        rows.push(row);
    }
    by_split.into_iter().for_each(|(split, (places, rows))| give(split, places, rows));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(places: &[u64], runs: &[(usize, u32)]) -> Vec<(u32, Vec<u64>)> {
        let mut all = Vec::new();
        in_batches(places.to_vec(), places.iter().map(|at| Place::top(*at)).collect(), runs, |batch| {
            assert!((0..batch.rows.len()).all(|i| batch.places.at(i) == batch.rows[i]), "rows keep their places");
            all.push((batch.split, batch.rows));
        });
        all
    }

    #[test]
    fn long_runs_stay_and_short_ones_are_gathered() {
        let places: Vec<u64> = (0..40).collect();
        let long = batches(&places, &[(0, 3), (15, 4), (29, 3)]);
        assert_eq!(long, [(3, (0..15).collect()), (4, (15..29).collect()), (3, (29..40).collect::<Vec<u64>>())]);
        let short = batches(&places[..6], &[(0, 9), (1, 4), (3, 9)]);
        assert_eq!(short, [(4, vec![1, 2]), (9, vec![0, 3, 4, 5])]);
        assert_eq!(batches(&places, &[(0, 3)]), [(3, places.clone())]);
        // What timers caused is put into order first.
        let woken: Vec<u64> = (0..40).rev().collect();
        assert_eq!(batches(&woken, &[(0, 3)]), [(3, places)]);
        assert_eq!(batches(&woken[35..], &[(0, 3), (2, 4), (5, 3)]), [(3, vec![3, 4]), (4, vec![0, 1, 2])]);
    }

    #[test]
    fn a_port_keeps_the_split_of_what_comes_next() {
        let mut port: Port<u64> = Port::new(None);
        port.feed(1);
        port.feed(2);
        assert_eq!(port.runs, [(0, 2 | DERIVED)], "nothing was emitted for the first");
        port.rows.push(0);
        port.places.push(Place::top(0));
        port.feed(2);
        port.feed(1 | DERIVED);
        assert_eq!(port.runs, [(0, 2 | DERIVED), (1, 1 | DERIVED)]);
        port.send(&mut Caps([].iter()));
        assert_eq!((port.runs, port.rows.len()), (vec![(0, 1 | DERIVED)], 0));
    }
}
