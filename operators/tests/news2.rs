//! NEWS2: the chart as it is printed, what may be missing, and the score of each instant whatever comes late.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::cases;
use watchfire_engine::{Change, DetectorMetrics, EventTime, Job, Running, TickSource};
use watchfire_operators::wristband::{
    Clinician, Consciousness, EarlyWarning, Measured, Missing, News2, News2Score, News2Vitals, Spo2Scale, Supply,
    Validity, Vital, VitalRow, VitalSays,
};

const MIN: i64 = 60_000;
const HOUR: i64 = 60 * MIN;

/// The chart of the Royal College of Physicians, column by column as it is printed: 3 2 1 0 1 2 3.
const CHART: [(&str, [&str; 7]); 6] = [
    ("respiration", ["..8", "", "9..11", "12..20", "", "21..24", "25.."]),
    ("spo2 scale 1", ["..91", "92..93", "94..95", "96..", "", "", ""]),
    ("spo2 scale 2 on oxygen", ["..83", "84..85", "86..87", "88..92", "93..94", "95..96", "97.."]),
    ("systolic", ["..90", "91..100", "101..110", "111..219", "", "", "220.."]),
    ("pulse", ["..40", "", "41..50", "51..90", "91..110", "111..130", "131.."]),
    ("temperature", ["..350", "", "351..360", "361..380", "381..390", "391..", ""]),
];

/// What a number scores by a line of the chart.
fn charted(line: &str, number: u16) -> u8 {
    let (_, columns) = CHART.into_iter().find(|(of, _)| *of == line).unwrap();
    let is_in = |range: &str| {
        let Some((low, high)) = range.split_once("..") else { return false };
        let at = |text: &str, open: u16| if text.is_empty() { open } else { text.parse().unwrap() };
        (at(low, 0)..=at(high, u16::MAX)).contains(&number)
    };
    let found: Vec<usize> = (0..7).filter(|n| is_in(columns[*n])).collect();
    assert_eq!(found.len(), 1, "{line} {number}");
    [3, 2, 1, 0, 1, 2, 3][found[0]]
}

#[test]
fn every_number_scores_what_the_chart_says() {
    let of = |vitals: News2Vitals| vitals.score().partial;
    for number in 0..=500 {
        let some = Some(number);
        assert_eq!(
            of(News2Vitals { respiration_per_min: some, ..News2Vitals::default() }),
            charted("respiration", number)
        );
        assert_eq!(of(News2Vitals { systolic_mmhg: some, ..News2Vitals::default() }), charted("systolic", number));
        assert_eq!(of(News2Vitals { pulse_per_min: some, ..News2Vitals::default() }), charted("pulse", number));
        let temperature = News2Vitals { temperature_tenth_celsius: some, ..News2Vitals::default() };
        assert_eq!(of(temperature), charted("temperature", number));
    }
    for pct in 0..=100 {
        let on = |scale, oxygen| {
            of(News2Vitals { scale, spo2_pct: Some(pct), oxygen: Some(oxygen), ..News2Vitals::default() })
        };
        assert_eq!(on(Spo2Scale::One, Supply::Air), charted("spo2 scale 1", pct));
        assert_eq!(on(Spo2Scale::One, Supply::Oxygen), charted("spo2 scale 1", pct) + 2);
        assert_eq!(on(Spo2Scale::Two, Supply::Oxygen), charted("spo2 scale 2 on oxygen", pct) + 2);
        let on_air = if pct >= 93 { 0 } else { charted("spo2 scale 2 on oxygen", pct) };
        assert_eq!(on(Spo2Scale::Two, Supply::Air), on_air);
    }
    for is in Consciousness::ALL {
        let points = if is == Consciousness::Alert { 0 } else { 3 };
        assert_eq!(of(News2Vitals { consciousness: Some(is), ..News2Vitals::default() }), points);
    }
}

/// Numbers of every column of each line.
fn representatives(vital: Vital) -> Vec<News2Vitals> {
    let number = |of: fn(u16) -> News2Vitals, numbers: &[u16]| numbers.iter().map(|n| of(*n)).collect();
    match vital {
        Vital::Respiration => {
            number(|n| News2Vitals { respiration_per_min: Some(n), ..News2Vitals::default() }, &[8, 10, 15, 22, 30])
        }
        Vital::Spo2 => number(
            |n| News2Vitals { spo2_pct: Some(n), ..News2Vitals::default() },
            &[80, 84, 86, 90, 92, 93, 94, 95, 96, 97],
        ),
        Vital::Oxygen => {
            [Supply::Air, Supply::Oxygen].map(|is| News2Vitals { oxygen: Some(is), ..News2Vitals::default() }).to_vec()
        }
        Vital::Systolic => {
            number(|n| News2Vitals { systolic_mmhg: Some(n), ..News2Vitals::default() }, &[80, 95, 105, 150, 230])
        }
        Vital::Pulse => {
            number(|n| News2Vitals { pulse_per_min: Some(n), ..News2Vitals::default() }, &[40, 50, 70, 100, 120, 140])
        }
        Vital::Consciousness => {
            Consciousness::ALL.map(|is| News2Vitals { consciousness: Some(is), ..News2Vitals::default() }).to_vec()
        }
        Vital::Temperature => number(
            |n| News2Vitals { temperature_tenth_celsius: Some(n), ..News2Vitals::default() },
            &[340, 355, 370, 385, 395],
        ),
    }
}

fn with(vitals: News2Vitals, other: News2Vitals) -> News2Vitals {
    News2Vitals {
        scale: vitals.scale,
        respiration_per_min: other.respiration_per_min.or(vitals.respiration_per_min),
        spo2_pct: other.spo2_pct.or(vitals.spo2_pct),
        oxygen: other.oxygen.or(vitals.oxygen),
        systolic_mmhg: other.systolic_mmhg.or(vitals.systolic_mmhg),
        pulse_per_min: other.pulse_per_min.or(vitals.pulse_per_min),
        consciousness: other.consciousness.or(vitals.consciousness),
        temperature_tenth_celsius: other.temperature_tenth_celsius.or(vitals.temperature_tenth_celsius),
    }
}

/// Whatever is missing is tried out in every column: the least and the most that may come of it are those that are told.
#[test]
fn the_lowest_and_the_highest_are_those_of_all_that_may_be() {
    let mut tried = 0;
    for scale in [Spo2Scale::One, Spo2Scale::Two] {
        for known in 0_u8..128 {
            // Two that are known in turn, so that not all are 0.
            for turn in 0..2 {
                let is_known = |vital: &Vital| known & 1 << Vital::ALL.iter().position(|of| of == vital).unwrap() != 0;
                let mut of = News2Vitals { scale, ..News2Vitals::default() };
                for vital in Vital::ALL.into_iter().filter(is_known) {
                    let all = representatives(vital);
                    of = with(of, all[(all.len() - 1) * turn]);
                }
                let mut whole = vec![of];
                for vital in Vital::ALL.into_iter().filter(|vital| !is_known(vital)) {
                    let all = representatives(vital);
                    // The others do not depend on each other: the best and the worst of each are enough.
                    let some: Vec<News2Vitals> = match vital {
                        Vital::Spo2 | Vital::Oxygen => all,
                        _ => vec![
                            *all.iter().min_by_key(|of| of.score().partial).unwrap(),
                            *all.iter().max_by_key(|of| of.score().partial).unwrap(),
                        ],
                    };
                    whole = whole.iter().flat_map(|of| some.iter().map(|other| with(*of, *other))).collect();
                }
                let all: Vec<News2Score> = whole.iter().map(News2Vitals::score).collect();
                assert!(
                    all.iter().all(|of| of.missing.is_empty() && of.lowest == of.partial && of.highest == of.partial)
                );
                let told = of.score();
                let (least, most) = (all.iter().map(|of| of.partial).min(), all.iter().map(|of| of.partial).max());
                assert_eq!((Some(told.lowest), Some(told.highest)), (least, most), "{scale:?} {known:07b} {turn}");
                assert!(told.partial <= told.highest && told.missing.len() == 7 - known.count_ones() as usize);
                let risks = |of: &News2Score| (of.risk_at_least(), of.risk_at_most());
                assert_eq!(
                    Some(risks(&told).1),
                    all.iter().map(|of| risks(of).1).max(),
                    "{scale:?} {known:07b} {turn}"
                );
                assert!(all.iter().all(|of| risks(of).0 >= risks(&told).0));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 512);
}

fn job(news2: News2) -> Job {
    timed(news2, VitalRow::EVENT_TIME)
}

fn timed(news2: News2, event_time: EventTime) -> Job {
    let job = Job::new(move |flow| {
        let rows = flow.channel::<VitalRow>("vitals").key_by(|row| row.person).event_time(event_time);
        let scored = rows.detect("news2", news2.clone());
        scored.out.to_channel("scores");
        scored.late.to_channel("late");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 400 * 24 * HOUR })
}

fn taken(running: &mut Running) -> (Vec<EarlyWarning>, DetectorMetrics) {
    let scores = running.receiver::<Change<EarlyWarning>>("scores").unwrap();
    let scores = Change::consolidate(scores.rows());
    assert!(scores.iter().all(|(_, count)| *count == 1), "what is told is told once");
    let counts = running.wait().unwrap().operators["news2"].detectors[0];
    (scores.into_iter().map(|(of, _)| of).collect(), counts)
}

fn scored(news2: News2, rows: &[VitalRow]) -> (Vec<EarlyWarning>, DetectorMetrics) {
    let mut running = job(news2).start().unwrap();
    let sender = running.sender::<VitalRow>("vitals").unwrap();
    rows.chunks(500).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

fn measured(person: u32, at_ms: i64, measured: impl Into<Vec<Measured>>) -> VitalRow {
    VitalRow { person, at_ms, says: VitalSays::Measured(measured.into()) }
}

fn pulse(person: u32, at_ms: i64, per_min: f64) -> VitalRow {
    measured(person, at_ms, [Measured::Pulse { per_min: Some(per_min) }])
}

/// The instants at which the score becomes another, what it adds up to, and what is missing of one vital.
fn told(of: &[EarlyWarning], vital: usize) -> Vec<(i64, u8, Option<Missing>)> {
    of.iter().map(|of| (of.from_ms, of.score.partial, of.inputs[vital].missing)).collect()
}

const PULSE: usize = 4;
const TEMPERATURE: usize = 6;

/// Half up, to the tenth and to the whole; and units that are mixed up are no measurements.
#[test]
fn measurements_are_rounded_to_the_chart() {
    let celsius = |celsius: f64| Measured::Temperature { celsius: Some(celsius) };
    let at = [36.05, 36.04, 38.05, 38.049, 39.05, 35.05, 98.6, 310.15, f64::NAN, f64::INFINITY, -4.0, 0.0];
    let rows: Vec<VitalRow> = at.iter().zip(0..).map(|(of, person)| measured(person, 0, [celsius(*of)])).collect();
    let (of, _) = scored(News2::default(), &rows);
    let points: Vec<Option<u8>> = of.iter().map(|of| of.score.points[TEMPERATURE]).collect();
    assert_eq!(points[..6], [0, 1, 1, 0, 2, 1].map(Some), "36.1, 36.0, 38.1, 38.0, 39.1, 35.1");
    let missing: Vec<Option<Missing>> = of[6..].iter().map(|of| of.inputs[TEMPERATURE].missing).collect();
    let wrong = Some(Missing::Impossible);
    assert_eq!(missing, [wrong, wrong, Some(Missing::Lost), wrong, wrong, wrong]);
    let spo2 = |pct: f64| measured(8, 0, [Measured::Spo2 { pct: Some(pct) }]);
    let score = |pct: f64| scored(News2::default(), &[spo2(pct)]).0[0].score;
    assert_eq!([95.5, 95.4, 91.5, 91.49].map(|pct| score(pct).partial), [0, 1, 2, 3]);
    assert_eq!([0.0, 0.97, 101.0].map(|pct| score(pct).missing.contains(Vital::Spo2)), [true, false, true]);
}

/// What was measured holds for an hour, by our clock if nothing more is heard, and that is told as of then; and what is measured late sets it right.
#[test]
fn what_is_too_old_is_missing() {
    let hours = |from_min: i64| (from_min..400).map(|minute| pulse(2, minute * MIN, 70.0));
    let mut rows = vec![pulse(1, 0, 112.0), pulse(1, 10 * MIN, 118.0)];
    rows.extend(hours(11));
    let (of, _) = scored(News2::default(), &rows);
    let of_one = |of: &[EarlyWarning]| of.iter().filter(|of| of.person == 1).cloned().collect::<Vec<_>>();
    assert_eq!(told(&of_one(&of), PULSE), [(0, 2, None), (70 * MIN, 0, Some(Missing::TooOld))]);
    assert_eq!(of_one(&of)[1].inputs[PULSE].age_ms(71 * MIN), Some(61 * MIN));
    // Half an hour before it was too old it was measured again, which is told after five hours.
    rows.extend([pulse(1, 40 * MIN, 135.0), pulse(2, 401 * MIN, 70.0)]);
    let (of, counts) = scored(News2::default(), &rows);
    assert_eq!(told(&of_one(&of), PULSE), [(0, 2, None), (40 * MIN, 3, None), (100 * MIN, 0, Some(Missing::TooOld))]);
    assert_eq!((counts.late, counts.duplicate), (0, 0));
}

#[test]
fn what_comes_twice_is_dropped_and_what_comes_too_late_is_kept() {
    let rows = [
        pulse(1, 0, 70.0),
        pulse(1, 30 * HOUR, 70.0),
        pulse(1, 30 * HOUR, 70.2),
        pulse(1, 3 * HOUR, 140.0),
        pulse(1, 5 * HOUR, 140.0),
    ];
    let mut running = job(News2::default()).start().unwrap();
    let sender = running.sender::<VitalRow>("vitals").unwrap();
    sender.send(rows.to_vec()).unwrap();
    drop(sender);
    let late = running.receiver::<watchfire_engine::Late<VitalRow>>("late").unwrap();
    let late: Vec<VitalRow> = late.rows().map(|of| of.row).collect();
    assert_eq!(late, [rows[3].clone()], "27 hours before the newest");
    let (of, counts) = taken(&mut running);
    assert_eq!((counts.late, counts.duplicate), (1, 1));
    let hours = |of: &[EarlyWarning]| {
        told(of, PULSE).into_iter().map(|(ms, points, _)| (ms / HOUR, points)).collect::<Vec<_>>()
    };
    assert_eq!(hours(&of), [(0, 0), (1, 0), (5, 3), (6, 0), (30, 0)]);
}

/// Scale 2 holds from when a clinician has recorded it, whenever that is told; and unknown oxygen is neither air nor oxygen.
#[test]
fn scales_are_what_clinicians_have_recorded() {
    let scale = |hour: i64, scale| VitalRow {
        person: 1,
        at_ms: hour * HOUR,
        says: VitalSays::Scale { scale, by: Clinician::new("Dr Li").unwrap() },
    };
    let spo2 = |minute: i64| measured(1, minute * MIN, [Measured::Spo2 { pct: Some(90.0) }]);
    let oxygen = measured(1, 90 * MIN, [Measured::Oxygen(Some(Supply::Oxygen))]);
    let mut rows: Vec<VitalRow> = (0..180).map(spo2).collect();
    rows.extend([oxygen, scale(2, Spo2Scale::One), scale(1, Spo2Scale::Two)]);
    let (of, _) = scored(News2::default(), &rows);
    let is: Vec<(i64, u8, u8, u8)> =
        of.iter().map(|of| (of.from_ms / MIN, of.score.partial, of.score.lowest, of.score.highest)).collect();
    assert_eq!(is, [(0, 3, 3, 20), (60, 0, 0, 17), (90, 2, 2, 17), (120, 5, 5, 20)]);
}

/// Everything that is told of a person, at every instant at which it can change, by the definitions alone.
fn reference(news2: &News2, rows: &[VitalRow]) -> Vec<EarlyWarning> {
    let mut of_person: BTreeMap<u32, Vec<&VitalRow>> = BTreeMap::new();
    rows.iter().for_each(|row| of_person.entry(row.person).or_default().push(row));
    let mut all = Vec::new();
    for (person, rows) in of_person {
        let newest_ms = rows.iter().map(|row| row.at_ms).max().unwrap();
        let mut instants: Vec<i64> = rows.iter().map(|row| row.at_ms).collect();
        instants.extend(rows.iter().flat_map(|row| Vital::ALL.map(|vital| row.at_ms + news2.valid.of(vital))));
        instants.retain(|ms| *ms <= newest_ms);
        instants.sort_unstable();
        instants.dedup();
        let mut last = None;
        for at_ms in instants {
            let (mut vitals, mut inputs) =
                (News2Vitals::default(), [watchfire_operators::wristband::News2Input::default(); 7]);
            for (slot, vital) in Vital::ALL.into_iter().enumerate() {
                // The last instant at which something was told of it, and of that the worst.
                let of = |row: &&VitalRow| match &row.says {
                    VitalSays::Measured(all) => {
                        all.iter().filter(|of| of.vital() == Some(vital)).map(|of| (row.at_ms, *of)).collect()
                    }
                    VitalSays::Scale { .. } => Vec::new(),
                };
                let told: Vec<(i64, Measured)> = rows.iter().filter(|row| row.at_ms <= at_ms).flat_map(of).collect();
                let Some(latest_ms) = told.iter().map(|(ms, _)| *ms).max() else { continue };
                let worst = |(ms, of): &(i64, Measured)| (*ms == latest_ms).then(|| single(of));
                let is = told
                    .iter()
                    .filter_map(worst)
                    .max_by_key(|of| (of.1.is_none(), of.0.score().partial, of.2))
                    .unwrap();
                let too_old = (at_ms >= latest_ms + news2.valid.of(vital)).then_some(Missing::TooOld);
                let missing = is.1.or(too_old);
                inputs[slot] = watchfire_operators::wristband::News2Input { at_ms: Some(latest_ms), missing };
                if missing.is_none() {
                    vitals = with(vitals, is.0);
                }
            }
            let score = vitals.score();
            if last != Some(score) {
                all.push(EarlyWarning { person, from_ms: at_ms, score, vitals, inputs });
            }
            last = Some(score);
        }
    }
    all.sort();
    all
}

/// One measurement as it is charted, why it is none, and what tells apart two that score the same.
fn single(of: &Measured) -> (News2Vitals, Option<Missing>, i64) {
    let none = News2Vitals::default();
    match of {
        Measured::Pulse { per_min: None } | Measured::Spo2 { pct: None } => (none, Some(Missing::Lost), 0),
        Measured::Pulse { per_min: Some(per_min) } if *per_min > 350.0 => (none, Some(Missing::Impossible), -1),
        Measured::Pulse { per_min: Some(per_min) } => {
            (News2Vitals { pulse_per_min: Some(*per_min as u16), ..none }, None, *per_min as i64)
        }
        Measured::Spo2 { pct: Some(pct) } => (News2Vitals { spo2_pct: Some(*pct as u16), ..none }, None, *pct as i64),
        Measured::Oxygen(Some(is)) => {
            (News2Vitals { oxygen: Some(*is), ..none }, None, i64::from(*is == Supply::Oxygen))
        }
        other => panic!("{other:?} is not drawn"),
    }
}

fn drawn() -> impl Strategy<Value = Vec<VitalRow>> {
    let one = prop_oneof![
        4 => prop::sample::select(vec![35.0, 45.0, 70.0, 71.0, 100.0, 120.0, 140.0, 900.0]).prop_map(|of| Measured::Pulse { per_min: Some(of) }),
        1 => Just(Measured::Pulse { per_min: None }),
        3 => (88..=99_i32).prop_map(|pct| Measured::Spo2 { pct: Some(f64::from(pct)) }),
        1 => Just(Measured::Spo2 { pct: None }),
        1 => prop::sample::select(vec![Supply::Air, Supply::Oxygen]).prop_map(|is| Measured::Oxygen(Some(is))),
    ];
    let row = (1_u32..3, 0_i64..60, prop::collection::vec(one, 1..4));
    let row = row.prop_map(|(person, minute, of)| measured(person, minute * MIN / 2, of));
    prop::collection::vec(row, 1..60)
}

proptest! {
    #![proptest_config(cases(200))]

    /// Rows of half an hour in any order, many of one instant, that are soon too old.
    #[test]
    fn whatever_order_rows_come_in_the_scores_are_those_of_the_definition(rows in drawn(), seed in 0_u64..1_000) {
        let valid = Validity { pulse_ms: 4 * MIN, spo2_ms: 7 * MIN + 1, oxygen_ms: 10 * MIN, ..Validity::default() };
        let news2 = News2 { valid, ..News2::default() };
        // Without ticks: what is too old then shows by rows alone.
        let never = TickSource::FromEvents { interval_ms: 100 * 24 * HOUR, max_jump_ms: 400 * 24 * HOUR };
        let any_time = EventTime { max_skew_ms: 24 * HOUR, ..VitalRow::EVENT_TIME };
        let mut running = timed(news2.clone(), any_time).ticks(never).record().start().unwrap();
        let sender = running.sender::<VitalRow>("vitals").unwrap();
        rows.chunks(7).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        let (told, counts) = taken(&mut running);
        prop_assert_eq!(counts.late, 0);
        prop_assert_eq!(&told, &reference(&news2, &rows));
        let recording = running.recording().unwrap();
        let mut again = timed(news2, any_time).ticks(never).workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
        prop_assert_eq!(taken(&mut again).0, told, "cut otherwise");
    }
}
