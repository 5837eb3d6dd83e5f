//! How lifts wear: what a day says of what was measured on it, and what it does not say when something is missing, wrong, late, repeated or mended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod days;
mod made_up;
mod records;
mod signs;
#[path = "../support/mod.rs"]
mod support;
mod visits;

use proptest::prelude::*;
use support::cases;
use watchfire_engine::{Compose, EventTime, Job, Running, TickSource};
use watchfire_operators::alarm::Private;
use watchfire_operators::calendar::Zone;
use watchfire_operators::detect::{Example, Horizon, Label};
use watchfire_operators::dispatch::Person;
use watchfire_operators::elevator::{
    CodeMap, FaultClass, LiftMode, LiftRow, LiftSays, LiftStatus, LiftTotals, LiftTrip, RescueStep, WEAR_FEATURES,
    Wear, WearDay, WearSign, WearSim, WearSimConfig,
};

const DAY_MS: i64 = 86_400_000;
/// Midnight in Shanghai.
const FIRST_MS: i64 = 20_000 * DAY_MS - 8 * 3_600_000;
const S: i64 = 1_000;

fn job() -> Job {
    let job = Job::new(|flow| {
        let bounds = EventTime { disorder_ms: 2 * S, ..EventTime::default() };
        let rows = flow.channel::<LiftRow>("lifts").key_by(|row| row.lift).event_time(bounds);
        let found = rows.detect("wear", LiftRow::in_order(2_100).then(Wear::default()));
        found.out.1.clone().to_channel("days");
        let week = Horizon::new(7 * DAY_MS, DAY_MS * 3 / 2, WearDay::observed).slack_ms(3_600 * S);
        found.out.1.key_by(|day| (day.lift, day.class)).detect("within a week", week).out.to_channel("week");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 60 * DAY_MS })
}

#[derive(Debug, Default, PartialEq)]
struct Said {
    days: Vec<WearDay>,
    week: Vec<Example<(u32, FaultClass)>>,
    late: u64,
}

fn taken(running: &mut Running) -> Said {
    let (days, week) =
        (running.receiver::<WearDay>("days").unwrap(), running.receiver::<Example<(u32, FaultClass)>>("week").unwrap());
    let week = std::thread::spawn(move || week.rows().collect::<Vec<_>>());
    let (mut days, mut week): (Vec<_>, _) = (days.rows().collect(), week.join().unwrap());
    let late = running.wait().unwrap().operators["wear"].detectors[1].late;
    days.sort_by_key(|day: &WearDay| (day.lift, day.day_ms, day.class));
    week.sort_by_key(|of| (of.asset, of.at_ms, of.label == Label::Open));
    Said { days, week, late }
}

fn said(rows: &[LiftRow]) -> Said {
    let mut running = job().start().unwrap();
    let sender = running.sender::<LiftRow>("lifts").unwrap();
    rows.chunks(500).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

fn row(lift: u32, at_ms: i64, says: LiftSays) -> LiftRow {
    LiftRow { lift, at_ms, says }
}

fn code(lift: u32, at_ms: i64, raw: &str) -> LiftRow {
    row(lift, at_ms, LiftSays::Code(CodeMap::city().read(raw)))
}

/// Half past three on a day, from 0.
fn at(day: i64) -> i64 {
    FIRST_MS + day * DAY_MS + 12_600 * S
}

/// Forty trips to the fourth floor on each of so many days, of which `trip` says what was measured.
fn days_of(lift: u32, days: std::ops::Range<i64>, trip: impl Fn(i64, LiftTrip) -> LiftTrip) -> Vec<LiftRow> {
    let one = |n: i64| {
        let usual = LiftTrip {
            from: 1,
            floor: 4,
            door_close_ms: Some(3_000 + (n * 7 % 11) as u32 * 20),
            lock_ms: Some(250 + (n * 5 % 7) as u32 * 10),
            reversals: Some(u16::from(n % 25 == 0)),
            chain_opens: Some(0),
            ..LiftTrip::default()
        };
        let at_ms = at(n.div_euclid(40)) + n.rem_euclid(40) * 900 * S;
        row(lift, at_ms, LiftSays::Trip(Box::new(trip(n.div_euclid(40), usual))))
    };
    (days.start * 40..days.end * 40).map(one).collect()
}

fn usual(_day: i64, trip: LiftTrip) -> LiftTrip {
    trip
}

fn feature(day: &WearDay, name: &str) -> f64 {
    day.features[WEAR_FEATURES.iter().position(|of| *of == name).unwrap()]
}

/// The days of a class, by number.
fn of_class(said: &Said, lift: u32, class: FaultClass) -> Vec<(i64, &WearDay)> {
    let of = said.days.iter().filter(|day| day.lift == lift && day.class == class);
    of.map(|day| ((day.day_ms - FIRST_MS) / DAY_MS, day)).collect()
}

fn visited(lift: u32, at_ms: i64, mended: &[FaultClass]) -> LiftRow {
    let by = Person::named("mechanic 7", "");
    row(lift, at_ms, LiftSays::Visited { mended: mended.to_vec(), by })
}

fn sorted(mut rows: Vec<LiftRow>) -> Vec<LiftRow> {
    rows.sort_by_key(|row| (row.at_ms, row.lift));
    rows
}

proptest! {
    #![proptest_config(cases(6))]

    /// Simulated lifts over days: whatever order rows come in within their bound, however they are cut, and with every state stored and read back.
    #[test]
    fn order_within_the_bound_cuts_and_crashes_change_nothing(seed in 0_u64..1_000, swaps in prop::collection::vec(0_i64..1_900, 1..30)) {
        let config = WearSimConfig { seed, lifts: 3, trips_a_day: 30.0, faults_a_year: 60.0, ..WearSimConfig::default() };
        let sim = WearSim::new(config);
        let lifts: Vec<_> = (1..=3).map(|lift| sim.lift(lift, 12)).collect();
        let mut rows: Vec<LiftRow> = lifts.iter().flat_map(|lift| (0..12).flat_map(|day| lift.day(day))).collect();
        rows.sort_by_key(|row| (row.at_ms, row.lift));
        let run = |rows: &[LiftRow]| {
            let mut running = job().record().start().unwrap();
            let sender = running.sender::<LiftRow>("lifts").unwrap();
            rows.chunks(40).for_each(|rows| sender.send(rows.to_vec()).unwrap());
            drop(sender);
            let said = taken(&mut running);
            let recording = running.recording().unwrap();
            let mut again = job().workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
            assert_eq!(taken(&mut again), said, "cut otherwise");
            said
        };
        let straight = run(&rows);
        let mut arrive: Vec<(i64, &LiftRow)> = rows.iter().zip(swaps.iter().cycle()).map(|(row, late_ms)| (row.at_ms + late_ms, row)).collect();
        arrive.sort_by_key(|(arrives_ms, _)| *arrives_ms);
        let arrived: Vec<LiftRow> = arrive.into_iter().map(|(_, row)| row.clone()).collect();
        prop_assert_eq!(run(&arrived), straight);
    }
}
