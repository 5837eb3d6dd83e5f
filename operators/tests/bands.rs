//! Whose rows a band's are: by who had it when, with events once each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use watchfire_engine::{Change, Job, TickSource};
use watchfire_operators::dispatch::Person;
use watchfire_operators::wristband::{
    BandRow, BandSays, BandTold, Bands, CareRow, CareSays, Concern, Evidence, Measured, Misread, Refusal, Sends,
    Wearer, WornRow,
};

fn job() -> Job {
    let job = Job::new(|flow| {
        let rows = flow.channel::<BandRow>("rows").key_by(|row| row.band).event_time(BandRow::EVENT_TIME);
        rows.detect("bands", Bands::default()).out.to_channel("told");
    });
    job.ticks(TickSource::FROM_EVENTS)
}

/// What is told of the band 12, and how many of its rows came twice.
fn told(rows: &[BandRow]) -> (Vec<BandTold>, u64) {
    let mut running = job().start().unwrap();
    let (sender, told) = (running.sender("rows").unwrap(), running.receiver::<BandTold>("told").unwrap());
    rows.chunks(7).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    let told = told.rows().collect();
    (told, running.wait().unwrap().operators["bands"].detectors[0].duplicate)
}

fn row(at_ms: i64, sends: Sends) -> BandRow {
    BandRow { band: 12, boot: 1, seq: at_ms as u32, at_ms, sends }
}

fn says(at_ms: i64, says: BandSays) -> BandRow {
    row(at_ms, Sends::Says(says))
}

fn pulse(at_ms: i64) -> BandRow {
    says(at_ms, BandSays::Measured(Measured::Pulse { per_min: Some(70.0) }))
}

fn handed(at_ms: i64, to: Option<u32>) -> BandRow {
    row(at_ms, Sends::Handed { to, by: Person::named("officer 3", "new band") })
}

/// Whose rows they were, and when; and who has handed it back. To whom it was given is told apart.
fn worn(told: &[BandTold]) -> Vec<(Wearer, i64, bool)> {
    let of = |of: &BandTold| match of {
        BandTold::Worn(WornRow { says: BandSays::Given, .. }) => None,
        BandTold::Worn(WornRow { wearer, at_ms, says }) => Some((*wearer, *at_ms, *says == BandSays::Returned)),
        _ => None,
    };
    told.iter().filter_map(of).collect()
}

#[test]
fn rows_are_of_whoever_had_it_then() {
    let rows = [
        pulse(500),
        handed(1_000, Some(7)),
        pulse(1_500),
        handed(2_000, Some(8)),
        pulse(2_500),
        pulse(1_700),
        handed(3_000, None),
        pulse(3_500),
    ];
    let (told, _) = told(&rows);
    let (of_7, of_8, nobodys) = (Wearer::Person(7), Wearer::Person(8), Wearer::Band(12));
    let expected = [
        (nobodys, 500, false),
        (of_7, 1_500, false),
        (of_7, 2_000, true),
        (of_8, 2_500, false),
        // What comes late is of whoever had it when it was measured.
        (of_7, 1_700, false),
        (of_8, 3_000, true),
        (nobodys, 3_500, false),
    ];
    assert_eq!(worn(&told), expected);
    assert_eq!(told.len(), expected.len() + 2, "two were given it");
}

#[test]
fn what_is_recorded_late_tells_what_was_misread() {
    let rows = [
        handed(1_000, Some(7)),
        pulse(1_500),
        pulse(5_000),
        handed(2_000, Some(8)),
        handed(1_200, Some(9)),
        handed(1_200, Some(9)),
    ];
    let (told, _) = told(&rows);
    let misread: Vec<Misread> =
        told.iter().filter_map(|of| if let BandTold::Misread(of) = of { Some(*of) } else { None }).collect();
    let (was, of_8, of_9) = (Wearer::Person(7), Wearer::Person(8), Wearer::Person(9));
    let of = |from_ms, until_ms, is| Misread { band: 12, from_ms, until_ms, was, is };
    assert_eq!(misread, [of(2_000, 5_001, of_8), of(1_200, 2_000, of_9)]);
}

#[test]
fn events_come_once_and_as_often_as_they_were() {
    let sos = |at_ms: i64, boot: u32, seq: u32| BandRow { boot, seq, ..row(at_ms, Sends::Sos) };
    let rows = [
        handed(0, Some(7)),
        sos(1_000, 1, 1),
        sos(1_000, 1, 1),
        sos(1_000, 1, 2),
        sos(1_000, 2, 1),
        sos(2_000, 1, 1),
        row(3_000, Sends::SosCancelled),
        row(4_000, Sends::Fell),
        row(4_000, Sends::Fell),
        row(3_000, Sends::SosCancelled),
    ];
    let (told, duplicates) = told(&rows);
    let care: Vec<&CareRow> =
        told.iter().filter_map(|of| if let BandTold::Care(of) = of { Some(of) } else { None }).collect();
    assert_eq!((care.len(), duplicates), (6, 3));
    assert!(care.iter().all(|of| of.wearer == Wearer::Person(7)));
    let CareSays::Concern(Change::Insert(Concern { at_ms: 4_000, evidence: Evidence::Band, .. })) = care[5].says else {
        panic!("{:?}", care[5])
    };
}

#[test]
fn steps_that_run_backwards_are_a_counter_that_began_anew() {
    let totals = [(0, 100), (1, 119), (2, 121), (3, 130), (4, 5), (5, 24), (6, 26), (7, 26)];
    let mut rows: Vec<BandRow> =
        totals.iter().map(|(s, total)| says(s * 1_000, BandSays::Steps { total: *total })).collect();
    // One from before says nothing of what was made since.
    rows.push(says(500, BandSays::Steps { total: 0 }));
    let walked: Vec<i64> = told(&rows).0.into_iter().filter_map(BandTold::care).map(|of| of.at_ms / 1_000).collect();
    assert_eq!(walked, [0, 4], "as of when they are counted from");
}

#[test]
fn what_nobody_has_recorded_and_what_no_band_can_say_does_not_count() {
    let nobody = row(1_000, Sends::Handed { to: Some(9), by: Person::named(" ", "") });
    let (told, _) = told(&[handed(0, Some(7)), nobody, pulse(1_500), says(1_600, BandSays::Returned), pulse(1_700)]);
    assert!(told.iter().any(|of| matches!(of, BandTold::Refused { band: 12, why: Refusal::Nobody, .. })));
    assert_eq!(worn(&told), [(Wearer::Person(7), 1_500, false), (Wearer::Person(7), 1_700, false)]);
}

/// Recorded late, in between: nobody is taken to have handed back what they had not.
#[test]
fn hand_overs_are_undone_where_they_were_none() {
    let (told, _) = told(&[handed(1_000, Some(7)), handed(3_000, None), handed(2_000, Some(8))]);
    let mut bands = std::collections::BTreeMap::new();
    for of in told.into_iter().filter_map(BandTold::worn) {
        *bands.entry((of.wearer, of.at_ms)).or_insert(0) += if of.says == BandSays::Given { 1 } else { -1 };
    }
    bands.retain(|_, count| *count != 0);
    let (of_7, of_8) = (Wearer::Person(7), Wearer::Person(8));
    assert_eq!(
        bands.into_iter().collect::<Vec<_>>(),
        [((of_7, 1_000), 1), ((of_7, 2_000), -1), ((of_8, 2_000), 1), ((of_8, 3_000), -1)]
    );
}

/// A call of a band whose clock was reset is of whoever has it now.
#[test]
fn an_event_without_a_clock_is_of_whoever_has_it() {
    let begin = 100 * 86_400_000;
    let mut rows: Vec<BandRow> = (0..20).map(|s| BandRow { band: 13, ..pulse(begin + s * 1_000) }).collect();
    rows.push(handed(begin + 15_000, Some(7)));
    rows.push(row(5_000, Sends::Sos));
    rows.push(handed(begin + 86_400_000, Some(9)));
    let (told, _) = told(&rows);
    assert!(
        told.iter()
            .any(|of| matches!(of, BandTold::Care(CareRow { wearer: Wearer::Person(7), says: CareSays::Sos(_), .. }))),
        "{told:?}"
    );
    assert!(told.iter().any(|of| matches!(of, BandTold::Refused { why: Refusal::Ahead, .. })), "{told:?}");
}

/// A clock that is a day fast harms nobody: the error is learned, and rows are of now.
#[test]
fn a_clock_that_is_a_day_fast_is_corrected() {
    let day = 86_400_000;
    let other = |s: i64| BandRow { band: 13, ..pulse(s * 1_000) };
    let mut rows: Vec<BandRow> = (0..60).map(other).collect();
    for s in 60..120 {
        rows.push(other(s));
        rows.push(pulse(s * 1_000 + day));
    }
    rows.push(row(119_500 + day, Sends::Sos));
    let (told, _) = told(&rows);
    let of_12 = told.into_iter().filter_map(BandTold::care).collect::<Vec<_>>();
    assert!(matches!(of_12[..], [CareRow { wearer: Wearer::Band(12), at_ms: 110_000..=121_000, .. }]), "{of_12:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever order hand-overs are recorded in, what comes after them is of whoever had it then; and it is the same however it was cut.
    #[test]
    fn whoever_had_it_last_has_it(hands in prop::collection::vec((0..40_i64, prop::option::of(1..4_u32)), 1..12), at in prop::collection::vec(0..40_000_i64, 20), seed in any::<u64>()) {
        let rows: Vec<BandRow> = hands.iter().map(|(s, to)| handed(s * 1_000, *to)).chain(at.iter().map(|at_ms| pulse(*at_ms))).collect();
        let mut running = job().record().start().unwrap();
        let (sender, out) = (running.sender("rows").unwrap(), running.receiver::<BandTold>("told").unwrap());
        rows.chunks(5).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        let straight: Vec<BandTold> = out.rows().collect();
        running.wait().unwrap();
        let had = |at_ms: i64| {
            let before = hands.iter().enumerate().filter(|(_, (s, _))| s * 1_000 <= at_ms);
            before.max_by_key(|(nth, (s, _))| (*s, *nth)).and_then(|(_, (_, to))| *to).map_or(Wearer::Band(12), Wearer::Person)
        };
        let expected: Vec<(Wearer, i64, bool)> = at.iter().map(|at_ms| (had(*at_ms), *at_ms, false)).collect();
        let rows: Vec<(Wearer, i64, bool)> = worn(&straight).into_iter().filter(|of| !of.2).collect();
        prop_assert_eq!(rows, expected);
        let recording = running.recording().unwrap();
        let mut again = job().workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
        let out = again.receiver::<BandTold>("told").unwrap();
        prop_assert_eq!(out.rows().collect::<Vec<_>>(), straight);
        again.wait().unwrap();
    }
}
