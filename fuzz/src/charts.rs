//! Rated load charts in TOML.

use watchfire_operators::crane::{ChartBook, ChartMode, Curve, Rated, ReadingLimits, Utilisation};

/// Bytes as a chart book: refused with findings that say what and where, or every curve answers for every radius with a
/// finite load above 0, never more than the rope carries, never more for a longer radius, and never more in strict mode.
pub fn charts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let book = match ChartBook::from_toml(text) {
        Ok(book) => book,
        Err(errors) => {
            assert!(!errors.findings().is_empty(), "refused without a reason");
            for finding in errors.findings() {
                let told = !finding.place.is_empty() && !finding.what.is_empty() && !finding.remedy.is_empty();
                assert!(told && ("E0421"..="E0435").contains(&finding.code), "{finding:?}");
            }
            return;
        }
    };
    assert!(!book.charts().is_empty() && book.charts().iter().all(|chart| !chart.curves().is_empty()));
    assert!(book.cranes().is_sorted_by(|a, b| a < b), "a crane has one chart");
    assert!(book.cranes().all(|crane| book.chart(crane).is_some()));
    for chart in book.charts() {
        assert!(chart.max_kg().is_finite() && chart.max_kg() > 0.0);
        for curve in chart.curves() {
            check(curve, bytes);
        }
    }
}

fn check(curve: &Curve, bytes: &[u8]) {
    assert!(curve.falls() > 0 && curve.cap_kg().is_finite() && curve.cap_kg() > 0.0);
    for (radius_m, kg) in curve.points() {
        let kg = kg.min(curve.cap_kg());
        assert_eq!((curve.rated(radius_m), curve.rated_strict(radius_m)), (Rated::Kg(kg), Rated::Kg(kg)));
    }
    let mut before_kg = f64::INFINITY;
    for radius_m in radii_m(curve, bytes) {
        let rated = curve.rated(radius_m);
        if radius_m.is_nan() || radius_m < 0.0 {
            assert_eq!(rated, Rated::Unknown);
        } else if radius_m > curve.reach_m() {
            assert_eq!(rated, Rated::BeyondJib);
        }
        let Rated::Kg(kg) = rated else {
            assert_eq!(curve.rated_strict(radius_m), rated);
            continue;
        };
        assert!(kg.is_finite() && 0.0 < kg && kg <= curve.cap_kg(), "{kg} kg at {radius_m} m");
        assert!(kg <= before_kg, "{kg} kg at {radius_m} m, after {before_kg} kg nearer by");
        before_kg = kg;
        let strict = curve.rated_in(ChartMode::Strict, radius_m);
        assert!(strict.kg().is_some_and(|strict_kg| 0.0 < strict_kg && strict_kg <= kg), "{strict:?} over {kg} kg");
        let limits = ReadingLimits::default();
        for load_kg in [0.0, limits.load_min_kg, limits.load_max_kg, kg] {
            let Utilisation::Ratio(ratio) = curve.utilisation(load_kg, radius_m) else {
                panic!("{load_kg} kg is known")
            };
            assert!(ratio.is_finite(), "{load_kg} kg is {ratio} of {kg} kg");
        }
        assert_eq!(curve.utilisation(f64::NAN, radius_m), Utilisation::Unknown);
    }
}

/// Radii in rising order: round ones, the points and what is next to them, and some drawn from the bytes; at the end those
/// that are none.
fn radii_m(curve: &Curve, bytes: &[u8]) -> Vec<f64> {
    let mut all: Vec<f64> = (0..=130).map(f64::from).collect();
    all.extend([f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY]);
    let points: Vec<f64> = curve.points().map(|point| point.0).collect();
    all.extend(points.iter().flat_map(|at_m| [at_m.next_down(), *at_m, at_m.next_up()]));
    all.extend(points.windows(2).flat_map(|pair| (1..8).map(|n| pair[0] + (pair[1] - pair[0]) * f64::from(n) / 8.0)));
    let draw =
        |chunk: &[u8]| chunk.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(0x100_0000_01B3) ^ u64::from(*byte));
    all.extend(bytes.chunks(16).take(64).map(|chunk| curve.reach_m() * (draw(chunk) % 100_003) as f64 / 100_003.0));
    all.sort_by(f64::total_cmp);
    all.extend([-1.0, -5e-324, f64::NEG_INFINITY, f64::NAN]);
    all
}
