//! Which curve judges a reading, found without hashing.

use std::sync::Arc;

use super::level::Level;
use crate::crane::{ChartBook, ChartMode, CraneReading, Utilisation};

/// No chart belongs to the crane.
const NONE: u32 = u32::MAX;

/// Up to so many unused numbers per crane are kept in the table.
const SPARSE_UP_TO: usize = 16;

/// A [`ChartBook`] prepared for one look-up a reading: a table by crane number where numbers are close together.
#[derive(Clone, Debug)]
pub(in crate::crane) struct Rating {
    book: Arc<ChartBook>,
    mode: ChartMode,
    /// Place of the chart by crane number, or `NONE`. Empty where numbers lie too far apart.
    by_crane: Box<[u32]>,
    /// Of cranes beyond the table.
    otherwise: Otherwise,
}

#[derive(Clone, Copy, Debug)]
enum Otherwise {
    /// The book is asked: O(log cranes).
    Ask,
    /// They are not listed: this chart, or `NONE`.
    Chart(u32),
}

impl Rating {
    pub(in crate::crane) fn new(book: Arc<ChartBook>, mode: ChartMode) -> Self {
        let listed: Vec<u32> = book.cranes().collect();
        let place = |crane: u32| {
            let chart = book.chart(crane);
            let place = chart.and_then(|chart| book.charts().iter().position(|known| std::ptr::eq(known, chart)));
            place.map_or(NONE, |place| place as u32)
        };
        let table_len = listed.last().map_or(0, |last| *last as usize + 1);
        let (by_crane, otherwise): (Box<[u32]>, _) = if table_len <= SPARSE_UP_TO * listed.len() + 64 {
            let unlisted = u32::try_from(table_len).map_or(NONE, place);
            let mut table = vec![unlisted; table_len];
            for crane in &listed {
                if let Some(slot) = table.get_mut(*crane as usize) {
                    *slot = place(*crane);
                }
            }
            (table.into(), Otherwise::Chart(unlisted))
        } else {
            (Box::default(), Otherwise::Ask)
        };
        Rating { book, mode, by_crane, otherwise }
    }

    /// What the reading says of its load. Unknown without a chart for the crane: that is never a normal state.
    #[inline]
    pub(in crate::crane) fn level(&self, reading: &CraneReading) -> Level {
        let place = match (self.by_crane.get(reading.crane as usize), self.otherwise) {
            (Some(place), _) => *place,
            (None, Otherwise::Chart(place)) => place,
            (None, Otherwise::Ask) => return self.asked(reading),
        };
        let Some(chart) = self.book.charts().get(place as usize) else { return Level::UNKNOWN };
        match chart.curve(reading.reeving) {
            Some(curve) => Level::of(curve.utilisation_in(self.mode, reading.load_kg, reading.radius_m)),
            None => Level::UNKNOWN,
        }
    }

    #[cold]
    fn asked(&self, reading: &CraneReading) -> Level {
        let curve = self.book.chart(reading.crane).and_then(|chart| chart.curve(reading.reeving));
        Level::of(
            curve.map_or(Utilisation::Unknown, |curve| {
                curve.utilisation_in(self.mode, reading.load_kg, reading.radius_m)
            }),
        )
    }

    /// A text that names what the results depend on: the charts and the cranes are part of the fingerprint.
    pub(in crate::crane) fn params(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in format!("{:?}", self.book).bytes() {
            // FNV-1a.
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        format!("charts {hash:016x} {:?}", self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crane::RatedLoad;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_table_answers_as_the_book(
            cranes in prop::collection::btree_set(prop_oneof![0u32..40, any::<u32>()], 0..8),
            with_default in any::<bool>(),
            asked in prop::collection::vec(prop_oneof![0u32..40, any::<u32>()], 1..20),
        ) {
            let listed: Vec<(u32, &str)> =
                cranes.iter().map(|crane| (*crane, if crane % 2 == 0 { "QTZ63" } else { "QTZ80" })).collect();
            let charts = vec![RatedLoad::qtz63(), RatedLoad::qtz80()];
            let book = Arc::new(ChartBook::new(charts, &listed, with_default.then_some("QTZ80")).unwrap());
            let rating = Rating::new(book.clone(), ChartMode::Product);
            for crane in asked.into_iter().chain(cranes) {
                let reading = CraneReading::new(crane, 0, 2_000.0, 20.0, 4);
                let expected = match book.chart(crane) {
                    Some(chart) => Level::of(chart.utilisation(4, 2_000.0, 20.0)),
                    None => Level::UNKNOWN,
                };
                prop_assert_eq!(rating.level(&reading), expected);
            }
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_unknown() {
        let book = ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63")).unwrap();
        let rating = Rating::new(Arc::new(book), ChartMode::Strict);
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(rating.level(&CraneReading::new(1, 0, bad, 20.0, 4)), Level::UNKNOWN);
        }
        assert_eq!(rating.level(&CraneReading::new(1, 0, 1.0, f64::NAN, 4)), Level::UNKNOWN);
        assert_eq!(rating.level(&CraneReading::new(1, 0, 1.0, 99.0, 4)), Level::BEYOND_JIB);
        assert_eq!(rating.level(&CraneReading::new(1, 0, 1.0, 20.0, 3)), Level::UNKNOWN);
    }
}
