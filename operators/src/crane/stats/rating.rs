//! Which curve judges a reading, found without hashing.

use std::sync::Arc;

use super::level::Level;
use crate::crane::{ChartBook, ChartMode, CraneReading, Curve, RatedLoad, Utilisation};

/// Reevings of up to so many falls, less one, are in the table.
const FALLS: usize = 8;

/// The place of the curve of each reeving, or `NONE`.
type Reevings = [u8; FALLS];
const NONE: u8 = u8::MAX;

/// Up to so many unused numbers per crane are kept in the table.
const SPARSE_UP_TO: usize = 16;

/// A [`ChartBook`] prepared for one look-up a reading: a table by crane number where numbers are close together.
#[derive(Clone, Debug)]
pub(in crate::crane) struct Rating {
    book: Arc<ChartBook>,
    mode: ChartMode,
    /// Of all charts.
    curves: Box<[Curve]>,
    /// By crane number. Empty where numbers lie too far apart or curves are too many.
    by_crane: Box<[Reevings]>,
    /// Of cranes beyond the table. `None`: the book is asked, O(log cranes).
    otherwise: Option<Reevings>,
}

impl Rating {
    pub(in crate::crane) fn new(book: Arc<ChartBook>, mode: ChartMode) -> Self {
        let curves: Box<[Curve]> = book.charts().iter().flat_map(|chart| chart.curves().iter().cloned()).collect();
        let listed: Vec<u32> = book.cranes().collect();
        let len = listed.last().map_or(0, |last| *last as usize + 1);
        if curves.len() >= usize::from(NONE) || len > SPARSE_UP_TO * listed.len() + 64 {
            return Rating { book, mode, curves, by_crane: Box::default(), otherwise: None };
        }
        let mut next = 0;
        let by_chart: Vec<Reevings> = book.charts().iter().map(|chart| reevings_of(chart, &mut next)).collect();
        let reevings = |crane: u32| {
            let chart = book.chart(crane);
            let at = chart.and_then(|chart| book.charts().iter().position(|known| std::ptr::eq(known, chart)));
            at.and_then(|at| by_chart.get(at)).copied().unwrap_or([NONE; FALLS])
        };
        let unlisted = u32::try_from(len).map_or([NONE; FALLS], reevings);
        let mut by_crane = vec![unlisted; len];
        for crane in listed {
            if let Some(slot) = by_crane.get_mut(crane as usize) {
                *slot = reevings(crane);
            }
        }
        Rating { mode, curves, by_crane: by_crane.into(), otherwise: Some(unlisted), book }
    }

    /// What the reading says of its load. Unknown without a chart for the crane: that is never a normal state.
    #[inline]
    pub(in crate::crane) fn level(&self, reading: &CraneReading) -> Level {
        let known = self.by_crane.get(reading.crane as usize).or(self.otherwise.as_ref());
        let Some(place) = known.and_then(|places| places.get(usize::from(reading.reeving))) else {
            return self.asked(reading);
        };
        match self.curves.get(usize::from(*place)) {
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

/// Where the curves of a chart stand, the first of them at `next`.
fn reevings_of(chart: &RatedLoad, next: &mut u8) -> Reevings {
    let mut places = [NONE; FALLS];
    for curve in chart.curves() {
        if let Some(place) = places.get_mut(usize::from(curve.falls())) {
            *place = *next;
        }
        *next += 1;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crane::CurveSpec;
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

    #[test]
    fn many_falls_are_judged_as_few() {
        let curve = |falls| CurveSpec { falls, cap_kg: 9_000.0, points: vec![(10.0, 9_000.0), (50.0, 1_000.0)] };
        let chart = RatedLoad::new("many", &[2, 7, 8, 200].map(curve)).unwrap();
        let rating = Rating::new(ChartBook::new(vec![chart], &[], Some("many")).unwrap().into(), ChartMode::Product);
        for falls in [2, 7, 8, 200] {
            assert_eq!(rating.level(&CraneReading::new(1, 0, 4_500.0, 10.0, falls)), Level::ratio(0.5));
        }
        assert_eq!(rating.level(&CraneReading::new(1, 0, 4_500.0, 10.0, 9)), Level::UNKNOWN);
    }
}
