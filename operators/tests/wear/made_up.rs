//! Lifts that wear, made up: whatever is asked for, and what is no fault.

use super::*;

#[test]
fn whatever_is_asked_for_is_made_up() {
    let usual = WearSimConfig::default();
    let wild = [
        WearSimConfig { trips_a_day: f64::NAN, ..usual.clone() },
        WearSimConfig { trips_a_day: 1e300, first_day_ms: i64::MAX, ..usual.clone() },
        WearSimConfig { trips_a_day: -1.0, first_day_ms: i64::MIN, visit_every_days: 0, ..usual.clone() },
        WearSimConfig { faults_a_year: 1e9, drifts_a_year: f64::INFINITY, offline_a_day: 0.0, ..usual.clone() },
        WearSimConfig {
            faults_a_year: f64::NAN,
            drifts_a_year: f64::NAN,
            told_share: 7.0,
            misnamed_share: -7.0,
            ..usual
        },
    ];
    for config in wild {
        let lift = WearSim::new(config.clone()).lift(u32::MAX, 3);
        let rows: Vec<LiftRow> = (0..4).flat_map(|day| lift.day(day)).collect();
        assert!(rows.len() < 60_000 && rows.is_sorted_by_key(|row| row.at_ms), "{config:?}");
    }
}

#[test]
fn what_drifts_and_does_not_break_is_no_fault_nor_is_what_mechanics_do() {
    let config = WearSimConfig {
        faults_a_year: 0.0,
        drifts_a_year: 60.0,
        offline_a_day: 0.0,
        told_share: 1.0,
        trips_a_day: 40.0,
        ..WearSimConfig::default()
    };
    let lifts: Vec<_> = (1..=4).map(|lift| WearSim::new(config.clone()).lift(lift, 60)).collect();
    assert!(lifts.iter().all(|lift| lift.breaks().is_empty()));
    let rows = sorted(lifts.iter().flat_map(|lift| (0..60).flat_map(|day| lift.day(day))).collect());
    let codes = rows.iter().filter(|row| matches!(&row.says, LiftSays::Code(coded) if coded.code.class().is_some()));
    assert!(codes.count() > 4, "mechanics open the safety chain");
    let said = said(&rows);
    assert_eq!(said.days.len(), 4 * 59 * 7);
    assert!(said.days.iter().all(|day| !day.failed && !day.renewed));
    assert!(said.days.iter().any(|day| !day.why.is_empty()), "and yet they are off");
    // The trips of a mechanic are not counted.
    let trips = |rows: &[LiftRow]| rows.iter().filter(|row| matches!(row.says, LiftSays::Trip(_))).count();
    let seen: usize = said.days.iter().filter(|day| day.class == FaultClass::Drive).map(|day| day.trips as usize).sum();
    let told = trips(&rows) - lifts.iter().map(|lift| trips(&lift.day(59))).sum::<usize>();
    assert!(seen < told && told - seen < told / 50, "{seen} of {told}");
}
