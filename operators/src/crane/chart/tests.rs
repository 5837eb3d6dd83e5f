use proptest::prelude::*;

use super::*;

fn kg(rated: Rated) -> f64 {
    rated.kg().unwrap_or_else(|| panic!("{rated:?} is no load"))
}

fn spec(points: &[(f64, f64)]) -> CurveSpec {
    CurveSpec { falls: 4, cap_kg: 6_000.0, points: points.to_vec() }
}

fn findings(points: &[(f64, f64)]) -> Vec<ChartFinding> {
    RatedLoad::new("T", &[spec(points)]).unwrap_err().findings().to_vec()
}

fn codes(errors: &ChartErrors) -> Vec<&'static str> {
    errors.findings().iter().map(|finding| finding.code).collect()
}

fn book_codes(text: &str) -> Vec<&'static str> {
    codes(&ChartBook::from_toml(text).unwrap_err())
}

const GOOD: &str = r#"
default_model = "QTZ63"
[[model]]
name = "QTZ63"
[[model.reeving]]
falls = 4
cap_kg = 6000
points = [[13.72, 6000], [15, 5430.0], [20, 3920], [30, 2450], [50, 1300]]
[[model.reeving]]
falls = 2
cap_kg = 3000
points = [[25.23, 3000], [30, 2450], [50, 1300]]
[[model]]
name = "TC7032"
[[model.reeving]]
falls = 2
cap_kg = 8000
points = [[20, 8000], [70, 3200]]
[cranes]
QTZ63 = [1, 2]
TC7032 = [40, 30]
"#;

#[test]
fn shipped_charts_pass_their_own_checks() {
    for chart in [RatedLoad::qtz63(), RatedLoad::qtz80()] {
        let specs: Vec<CurveSpec> = chart
            .curves()
            .iter()
            .map(|curve| CurveSpec { falls: curve.falls(), cap_kg: curve.cap_kg(), points: curve.points().collect() })
            .collect();
        assert_eq!(RatedLoad::new(chart.model(), &specs), Ok(chart));
    }
}

#[test]
fn qtz63_is_the_published_table() {
    let table = [
        (13.72, 6_000.0, 3_000.0),
        (15.0, 5_430.0, 3_000.0),
        (18.0, 4_420.0, 3_000.0),
        (20.0, 3_920.0, 3_000.0),
        (22.0, 3_510.0, 3_000.0),
        (25.23, 3_000.0, 3_000.0),
        (28.0, 2_660.0, 2_660.0),
        (30.0, 2_450.0, 2_450.0),
        (35.0, 2_040.0, 2_040.0),
        (40.0, 1_730.0, 1_730.0),
        (45.0, 1_490.0, 1_490.0),
        (50.0, 1_300.0, 1_300.0),
    ];
    let chart = RatedLoad::qtz63();
    for (radius_m, four_kg, two_kg) in table {
        assert_eq!(chart.rated_kg(4, radius_m), Rated::Kg(four_kg), "{radius_m} m");
        assert_eq!(chart.rated_kg(2, radius_m), Rated::Kg(two_kg), "{radius_m} m");
    }
    assert_eq!(chart.rated_kg(4, 0.0), Rated::Kg(6_000.0));
    assert_eq!(chart.rated_kg(2, 3.0), Rated::Kg(3_000.0));
    assert_eq!(chart.max_kg(), 6_000.0);
    assert_eq!(chart.curve(4).unwrap().reach_m(), 50.0);
}

#[test]
fn shipped_charts_follow_their_formulas_between_points() {
    let qtz63 = |radius_m: f64| 1_000.0 * (82.73 / (radius_m - 0.752) - 0.380);
    let qtz80 = |radius_m: f64| 1_000.0 * (93.93 / (radius_m - 0.75) - 0.40);
    for step in 1_372..=5_000 {
        let radius_m = f64::from(step) / 100.0;
        let error = kg(RatedLoad::qtz63().rated_kg(4, radius_m)) / qtz63(radius_m) - 1.0;
        assert!(error.abs() < 0.006, "QTZ63 {radius_m} m: {error}");
    }
    for step in 1_190..=5_600 {
        let radius_m = f64::from(step) / 100.0;
        let error = kg(RatedLoad::qtz80().rated_kg(4, radius_m)) / qtz80(radius_m) - 1.0;
        assert!(error.abs() < 0.006, "QTZ80 {radius_m} m: {error}");
    }
}

#[test]
fn a_straight_line_overstates_and_the_product_does_not() {
    let truth = |radius_m: f64| 1_000.0 * (82.73 / (radius_m - 0.752) - 0.380);
    let sparse = RatedLoad::new("sparse", &[spec(&[(15.0, truth(15.0)), (20.0, truth(20.0))])]).unwrap();
    let product = kg(sparse.rated_kg(4, 17.5)) / truth(17.5) - 1.0;
    let line = f64::midpoint(truth(15.0), truth(20.0)) / truth(17.5) - 1.0;
    assert!(product.abs() < 0.002, "product {product}");
    assert!((0.023..0.027).contains(&line), "line {line}");
    let strict = kg(sparse.curve(4).unwrap().rated_strict(17.5));
    assert_eq!(strict, truth(20.0));
}

#[test]
fn nothing_without_evidence_reads_as_safe() {
    let chart = RatedLoad::qtz63();
    assert_eq!(chart.rated_kg(4, 50.000_001), Rated::BeyondJib);
    assert_eq!(chart.rated_kg(4, f64::INFINITY), Rated::BeyondJib);
    assert_eq!(chart.rated_kg(4, f64::NAN), Rated::Unknown);
    assert_eq!(chart.rated_kg(4, -0.1), Rated::Unknown);
    assert_eq!(chart.rated_kg(0, 20.0), Rated::NoReeving);
    assert_eq!(chart.curve(4).unwrap().rated_strict(51.0), Rated::BeyondJib);
    let unsafe_cases = [
        chart.utilisation(4, 0.0, 51.0),
        chart.utilisation(4, 0.0, f64::NAN),
        chart.utilisation(4, f64::NAN, 20.0),
        chart.utilisation(4, f64::INFINITY, 20.0),
        chart.utilisation(4, f64::NEG_INFINITY, 20.0),
        chart.utilisation(3, 0.0, 20.0),
    ];
    for case in unsafe_cases {
        assert_eq!(case.ratio(), None);
        assert!(case.reaches(1.0) && case.reaches(f64::INFINITY), "{case:?}");
    }
    assert!(Utilisation::Ratio(0.1).reaches(f64::NAN));
    assert!(!chart.utilisation(4, -50.0, 20.0).reaches(0.0));
}

#[test]
fn the_cap_holds_over_points_above_it() {
    let chart =
        RatedLoad::new("T", &[CurveSpec { cap_kg: 4_000.0, ..spec(&[(15.0, 5_430.0), (30.0, 2_450.0)]) }]).unwrap();
    let curve = chart.curve(4).unwrap();
    assert_eq!(curve.rated(15.0), Rated::Kg(4_000.0));
    assert_eq!(curve.rated(5.0), Rated::Kg(4_000.0));
    assert_eq!(chart.max_kg(), 4_000.0);
}

#[test]
fn below_the_first_point_nothing_more_is_assumed() {
    let chart = RatedLoad::new("T", &[spec(&[(15.0, 5_430.0), (30.0, 2_450.0)])]).unwrap();
    assert_eq!(chart.rated_kg(4, 4.0), Rated::Kg(5_430.0));
    assert_eq!(chart.rated_kg(4, 0.0), Rated::Kg(5_430.0));
}

#[test]
fn order_findings() {
    let swapped = findings(&[(14.0, 6_000.0), (18.0, 4_420.0), (15.0, 4_400.0)]);
    assert_eq!(swapped.len(), 1, "{swapped:?}");
    assert_eq!(
        swapped[0].to_string(),
        "E0421 radii must rise (model \"T\", 4 falls, point 3): 15.0 m after 18.0 m. Remedy: sort the points by radius."
    );
    let twice = findings(&[(14.0, 6_000.0), (18.0, 4_420.0), (18.0, 4_000.0)]);
    assert_eq!((twice.len(), twice[0].code), (1, "E0422"));
    let rising = findings(&[(14.0, 5_000.0), (18.0, 5_100.0)]);
    assert_eq!((rising.len(), rising[0].code), (1, "E0425"));
    assert!(rising[0].what.contains("5100.0 kg at 18.0 m"), "{}", rising[0]);
}

#[test]
fn number_findings() {
    assert_eq!(findings(&[(0.0, 6_000.0), (18.0, 4_420.0)])[0].code, "E0423");
    assert_eq!(findings(&[(14.0, 6_000.0), (18.0, 0.0)])[0].code, "E0424");
    assert_eq!(findings(&[(14.0, 6_000.0), (18.0, -1.0)])[0].code, "E0424");
    for bad in [f64::NAN, f64::INFINITY] {
        let radius = findings(&[(14.0, 6_000.0), (bad, 4_420.0)]);
        assert_eq!((radius.len(), radius[0].code), (1, "E0429"), "{radius:?}");
        assert!(radius[0].place.ends_with("point 2, radius"), "{}", radius[0]);
        let load = findings(&[(14.0, 6_000.0), (18.0, bad)]);
        assert_eq!((load.len(), load[0].code), (1, "E0429"), "{load:?}");
    }
    let cap = |cap_kg| codes(&RatedLoad::new("T", &[CurveSpec { cap_kg, ..spec(&[(15.0, 5_000.0)]) }]).unwrap_err());
    assert_eq!(cap(0.0), ["E0428"]);
    assert_eq!(cap(-5.0), ["E0428"]);
    assert_eq!(cap(f64::NAN), ["E0429"]);
    assert_eq!(findings(&[])[0].code, "E0427");
    assert_eq!(codes(&RatedLoad::new("T", &[]).unwrap_err()), ["E0427"]);
}

#[test]
fn reeving_findings() {
    let one = spec(&[(15.0, 5_000.0)]);
    assert_eq!(codes(&RatedLoad::new("T", &[one.clone(), one.clone()]).unwrap_err()), ["E0435"]);
    assert_eq!(codes(&RatedLoad::new("T", &[CurveSpec { falls: 0, ..one }]).unwrap_err()), ["E0433"]);
}

#[test]
fn moment_findings() {
    let tonnes = findings(&[(13.72, 6.0), (20.0, 3.92), (50.0, 1.3)]);
    assert_eq!((tonnes.len(), tonnes[0].code), (1, "E0426"), "{tonnes:?}");
    assert!(tonnes[0].remedy.contains("kilograms"));
    let slipped_low = findings(&[(13.72, 6_000.0), (20.0, 392.0), (50.0, 130.0)]);
    assert_eq!((slipped_low.len(), slipped_low[0].code), (1, "E0426"), "{slipped_low:?}");
    assert!(slipped_low[0].place.ends_with("point 2"));
    let slipped_high = findings(&[(13.72, 6_000.0), (20.0, 3_920.0), (30.0, 3_450.0)]);
    assert_eq!((slipped_high.len(), slipped_high[0].code), (1, "E0426"), "{slipped_high:?}");
    let wide = ChartLimits { moment_rise_max: 0.5, ..ChartLimits::default() };
    assert!(RatedLoad::new_within("T", &[spec(&[(13.72, 6_000.0), (20.0, 3_920.0), (30.0, 3_450.0)])], &wide).is_ok());
    let plateau = spec(&[(5.0, 5_000.0), (15.0, 5_000.0), (20.0, 4_500.0)]);
    assert!(RatedLoad::new("T", &[plateau]).is_ok(), "the moment may rise over a plateau and on leaving it");
}

#[test]
fn a_good_book_answers_for_its_cranes() {
    let book = ChartBook::from_toml(GOOD).unwrap();
    assert_eq!(book.charts().len(), 2);
    assert_eq!(book.cranes().collect::<Vec<_>>(), [1, 2, 30, 40]);
    assert_eq!(book.chart(30).unwrap().model(), "TC7032");
    assert_eq!(book.chart(2).unwrap().rated_kg(2, 10.0), Rated::Kg(3_000.0));
    assert_eq!(book.chart(999).unwrap().model(), "QTZ63");
    let without_default = ChartBook::from_toml(&GOOD.replace("default_model = \"QTZ63\"", "")).unwrap();
    assert!(without_default.chart(999).is_none());
}

#[test]
fn a_book_reports_everything_at_once() {
    let text = r#"
        default_model = "QTZ36"
        colour = "red"
        [[model]]
        name = "QTZ63"
        [[model.reeving]]
        falls = 4
        cap = 6000
        points = [[15, 5430], [13.72, 6000], [20, 3920], [20, 3900], [-1, 0], [nan, 10]]
        [[model]]
        name = "QTZ63"
        [cranes]
        QTZ63 = [1, 2, -3]
        QTZ80 = [2, 5, 6]
    "#;
    let errors = ChartBook::from_toml(text).unwrap_err();
    let mut found = codes(&errors);
    found.sort_unstable();
    let expected = [
        "E0421", "E0421", "E0422", "E0423", "E0424", "E0427", "E0428", "E0429", "E0430", "E0430", "E0431", "E0432",
        "E0432", "E0433", "E0435",
    ];
    assert_eq!(found, expected, "{errors}");
    let text = errors.to_string();
    assert!(text.contains("did you mean \"QTZ63\"?"), "{text}");
    assert!(text.contains("did you mean cap_kg?"), "{text}");
    assert!(text.contains("crane 2): under \"QTZ63\" and under \"QTZ80\""), "{text}");
    assert_eq!(text.lines().count(), expected.len() + 1);
}

#[test]
fn wrong_types_are_findings_with_a_place() {
    let cases = [
        ("model = 3", "[[model]]"),
        ("model = [3]", "[[model]]"),
        ("default_model = 3\nmodel = []", "default_model"),
        ("[[model]]\nreeving = []", "model 1"),
        ("[[model]]\nname = 1", "model 1, name"),
        ("[[model]]\nname = \"A\"\nreeving = 5", "model \"A\", [[model.reeving]]"),
        ("[[model]]\nname = \"A\"\n[[model.reeving]]\ncap_kg = 1\npoints = []", "model \"A\", reeving 1"),
        ("[[model]]\nname = \"A\"\n[[model.reeving]]\nfalls = 300\ncap_kg = 1", "model \"A\", reeving 1"),
        ("[[model]]\nname = \"A\"\n[[model.reeving]]\nfalls = 2\ncap_kg = \"x\"", "model \"A\", 2 falls, cap_kg"),
        ("[[model]]\nname = \"A\"\n[[model.reeving]]\nfalls = 2\ncap_kg = 1\npoints = 1", "model \"A\", 2 falls"),
        ("[[model]]\nname = \"A\"\n[[model.reeving]]\nfalls = 2\ncap_kg = 1\npoints = [[1, 2, 3]]", "2 falls, point 1"),
        ("[[model]]\nname = \"A\"\n[[model.reeving]]\nfalls = 2\ncap_kg = 1\npoints = [[1, \"2\"]]", "point 1, load"),
        ("cranes = 5", "cranes"),
        ("[cranes]\nA = 5", "cranes, \"A\""),
        ("[cranes]\nA = [\"5\"]", "cranes, \"A\", entry 1"),
    ];
    for (text, place) in cases {
        let errors = ChartBook::from_toml(text).unwrap_err();
        let hit = errors.findings().iter().any(|finding| finding.code == "E0433" && finding.place.ends_with(place));
        assert!(hit, "{text}\n{errors}");
    }
}

#[test]
fn text_that_is_not_toml_names_the_line() {
    let errors = ChartBook::from_toml("[[model]]\nname = \"A\"\ncolour = = 3\n").unwrap_err();
    assert_eq!(codes(&errors), ["E0434"]);
    assert_eq!(errors.findings()[0].place, "line 3");
    assert_eq!(book_codes("[cranes]\nA = [1]\nA = [2]\n"), ["E0434"], "TOML itself refuses a repeated key");
}

#[test]
fn one_unknown_model_is_told_once() {
    let text = format!("{GOOD}\nQTZ8O = {:?}", (100..200).collect::<Vec<_>>());
    assert_eq!(book_codes(&text), ["E0430"]);
}

#[test]
fn a_book_from_charts_checks_names() {
    let two = vec![RatedLoad::qtz63(), RatedLoad::qtz63()];
    assert_eq!(codes(&ChartBook::new(two, &[], None).unwrap_err()), ["E0435"]);
    let one = || vec![RatedLoad::qtz63()];
    assert_eq!(
        codes(&ChartBook::new(one(), &[(1, "zzz"), (1, "QTZ63")], Some("QTZ6")).unwrap_err()),
        ["E0430", "E0430", "E0431"]
    );
    assert_eq!(codes(&ChartBook::new(vec![], &[], None).unwrap_err()), ["E0427"]);
}

/// Curves as the checks accept them: falling loads whose moment changes little from point to point.
fn any_curve() -> impl Strategy<Value = CurveSpec> {
    let start = (3.0..30.0_f64, 1_000.0..20_000.0_f64, 0.3..1.5_f64);
    (start, prop::collection::vec((0.01..8.0_f64, 0.6..1.0_f64), 0..60)).prop_map(
        |((first_m, first_kg, cap), steps)| {
            let mut points = vec![(first_m, first_kg)];
            for (step_m, keep) in steps {
                let &(radius_m, kg) = points.last().unwrap();
                // The moment keeps its size times `keep`, so the load falls at least as fast as the radius rises.
                points.push((radius_m + step_m, kg * radius_m / (radius_m + step_m) * keep));
            }
            CurveSpec { falls: 4, cap_kg: first_kg * cap, points }
        },
    )
}

proptest! {
    #[test]
    fn curves_keep_their_promises(spec in any_curve(), radii in prop::collection::vec(0.0..1.05_f64, 2..40)) {
        let free = ChartLimits { moment_min_kgm: 0.0, ..ChartLimits::default() };
        let chart = RatedLoad::new_within("P", std::slice::from_ref(&spec), &free).unwrap();
        let curve = chart.curve(4).unwrap();
        for &(radius_m, kg) in &spec.points {
            prop_assert_eq!(curve.rated(radius_m), Rated::Kg(kg.min(spec.cap_kg)));
            prop_assert_eq!(curve.rated_strict(radius_m), Rated::Kg(kg.min(spec.cap_kg)));
        }
        let mut radii: Vec<f64> = radii.iter().map(|share| share * curve.reach_m()).collect();
        radii.sort_by(f64::total_cmp);
        let mut last_kg = f64::INFINITY;
        for radius_m in radii {
            match (curve.rated(radius_m), curve.rated_strict(radius_m)) {
                (Rated::Kg(kg), Rated::Kg(strict_kg)) => {
                    prop_assert!(radius_m <= curve.reach_m());
                    prop_assert!(strict_kg <= kg && kg <= spec.cap_kg && kg > 0.0);
                    prop_assert!(kg <= last_kg * (1.0 + 1e-12), "{kg} after {last_kg}");
                    last_kg = kg;
                }
                other => {
                    prop_assert_eq!(other, (Rated::BeyondJib, Rated::BeyondJib));
                    prop_assert!(radius_m > curve.reach_m());
                }
            }
        }
    }

    #[test]
    fn moments_compare_as_loads_do(
        spec in any_curve(), load_kg in -100.0..9_000.0_f64, share in prop_oneof![0.0..1.1_f64, 0.0..1e-6_f64]
    ) {
        let free = ChartLimits { moment_min_kgm: 0.0, ..ChartLimits::default() };
        let chart = RatedLoad::new_within("P", &[spec], &free).unwrap();
        let curve = chart.curve(4).unwrap();
        let radius_m = share * curve.reach_m();
        for mode in [ChartMode::Product, ChartMode::Strict] {
            match (curve.rated_in(mode, radius_m), curve.utilisation_in(mode, load_kg, radius_m)) {
                (Rated::Kg(kg), Utilisation::Ratio(ratio)) => {
                    prop_assert!((ratio - load_kg / kg).abs() <= 1e-13 * ratio.abs(), "{ratio} at {kg}");
                }
                (rated, other) => prop_assert_eq!(rated.utilisation(load_kg), other),
            }
        }
    }

    #[test]
    fn the_index_finds_what_a_scan_finds(
        steps in prop::collection::vec(prop_oneof![0.001..0.01_f64, 0.1..9.0_f64], 1..40),
        asked in prop::collection::vec(0.0..1.1_f64, 1..20)
    ) {
        let mut points = Vec::new();
        let mut radius_m = 0.0;
        for step_m in steps {
            radius_m += step_m;
            points.push((radius_m, 1_000.0));
        }
        let curve = Curve::from_sound(4, 6_000.0, &points);
        let near = points.iter().flat_map(|point| [point.0.next_down(), point.0, point.0.next_up()]);
        for asked_m in near.chain(asked.iter().map(|share| share * radius_m)).chain([0.0, f64::INFINITY]) {
            let scanned = points.iter().map(|point| point.0).find(|point_m| *point_m >= asked_m);
            prop_assert_eq!(curve.at_or_beyond(asked_m).ok().map(|point| point.radius_m), scanned);
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = ChartBook::from_toml(&text);
    }

    #[test]
    fn a_curve_is_refused_exactly_if_a_rule_is_broken(
        points in prop::collection::vec((any_number(), any_number()), 0..5), cap_kg in any_number(),
        radius_m in 0.0..60.0_f64
    ) {
        let any_moment = ChartLimits {
            moment_min_kgm: 0.0, moment_max_kgm: f64::MAX, moment_rise_max: f64::MAX, moment_fall_max: 1.0
        };
        let spec = CurveSpec { falls: 4, cap_kg, points: points.clone() };
        let above_zero = |number: f64| number.is_finite() && number > 0.0;
        let sound = above_zero(cap_kg) && !points.is_empty()
            && points.iter().all(|point| above_zero(point.0) && above_zero(point.1))
            && points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 >= pair[1].1);
        let built = RatedLoad::new_within("P", &[spec], &any_moment);
        prop_assert_eq!(built.is_ok(), sound, "{:?}", built);
        if let Ok(chart) = built && let Rated::Kg(kg) = chart.rated_kg(4, radius_m) {
            prop_assert!(kg > 0.0 && kg <= cap_kg && kg <= points[0].1);
        }
    }
}

/// Mostly numbers that a curve may hold, so that sound curves come up too.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => prop::sample::select(vec![5.0, 10.0, 20.0, 30.0, 50.0]),
        1 => prop::sample::select(vec![0.0, -1.0, f64::NAN, f64::INFINITY]),
    ]
}
