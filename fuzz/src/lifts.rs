//! Rows of lifts through everything that reads them, in one job.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Compose, Data, EventTime, Flow, Job, Late, Metrics, Running, Skewed, TickSource, Timed};
use watchfire_operators::detect::InOrder;
use watchfire_operators::dispatch::Person;
use watchfire_operators::elevator::{
    CodeMap, DailyCounters, Doors, FaultClass, Faults, History, Lift, LiftBook, LiftDay, LiftFault, LiftMode, LiftNews,
    LiftRecords, LiftRow, LiftSays, LiftStatus, LiftTold, LiftTotals, LiftTrip, Recorded, RescueStep, Site, Tally,
    Tells, TrapConfig, Trapped, Trouble, Troubles, Wear, WearDay,
};

use crate::input::{EDGES_MS, Input};
use crate::restored::Restored;
use crate::support::ROOM;

/// Rows of one input.
const ROWS_MAX: usize = 96;

const DAY_MS: i64 = 86_400_000;

/// What lifts tell, and what they have counted in a day.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Row {
    Lift(LiftRow),
    Day(DailyCounters),
}

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        match self {
            Row::Lift(row) => row.event_time_ms(),
            Row::Day(day) => day.event_time_ms(),
        }
    }
}

/// Settings, then rows of every kind of four lifts at times of all kinds, and days with counts of all kinds: what is told is the same however rows are cut, by other
/// workers, and with every state written down and read back after every call; numbers are finite, faults end once, trappings end by people alone, records only grow,
/// and books balance.
pub fn lifts(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let plan = Plan::draw(&mut input);
    let rows = draw_rows(&mut input);
    let is_trip = |row: &&Row| matches!(row, Row::Lift(LiftRow { says: LiftSays::Trip(_), .. }));
    let (count, trips) = (rows.len(), rows.iter().filter(is_trip).count());
    let mut running = plan.plain().record().start().expect("a sound flow");
    running.sender::<Row>("rows").expect("its sender").send(rows).expect("it takes rows");
    let straight = Said::of(&mut running);
    let recording = running.recording().expect("it was recorded");
    let seed = u64::from(plan.seed);
    let again = plan.restored().workers(1 + usize::from(plan.seed % 3)).replay(&recording.recut(seed, 1 + seed % 4));
    let again = Said::of(&mut again.expect("a sound flow"));
    assert_eq!(again.text(), straight.text(), "cut otherwise, and restored");
    assert_eq!(again.metrics.operators, straight.metrics.operators, "books, cut otherwise, and restored");
    straight.check(count, trips as u32);
}

#[derive(Clone, Copy)]
struct Plan {
    seed: u8,
    disorder_ms: i64,
    /// Some times are short, so that few rows bring much about.
    hasty: bool,
}

/// All of them, each made by `make`.
macro_rules! build {
    ($flow:expr, $plan:expr, $make:expr) => {{
        let (plan, book): (Plan, Arc<LiftBook>) = ($plan, Arc::new(book()));
        let trapped = Trapped::new(plan.trap(), book.clone()).expect("sound rules");
        let wear = Wear { first_trips: 2, warm_up_days: 2, ..Wear::default() };
        let records = LiftRecords { visit_every_days: 3, gone_days: 9, ..LiftRecords::default() };
        let rows = $flow.channel::<Row>("rows");
        let days = rows.clone().flat_map(|row| if let Row::Day(day) = row { Some(day) } else { None });
        let bounds = EventTime { disorder_ms: plan.disorder_ms, ..EventTime::default() };
        let sorted = $make(InOrder::new(|day: &DailyCounters| day.lift));
        let days =
            days.key_by(|day| day.lift).event_time(bounds).detect("days", sorted.then($make(History::default())));
        let (of_site, of_lift) = (book.clone(), book);
        let rows = rows.flat_map(|row| if let Row::Lift(row) = row { Some(row) } else { None });
        let sites = rows.clone().key_by(move |row| of_site.site(row.lift)).event_time(LiftRow::EVENT_TIME);
        let of_site = $make(trapped).both($make(plan.troubles()));
        let told = sites.detect("trapped", $make(LiftRow::in_order(3_000)).then(of_site));
        let (told, troubles) = told.out.1;
        let lifts = rows.flat_map(move |row| of_lift.each(row)).key_by(|row| row.lift);
        let of_rows = $make(wear).both($make(Faults::default()));
        let lifts = lifts.event_time(LiftRow::EVENT_TIME);
        let found = lifts.detect("lifts", $make(LiftRow::in_order(3_000)).then(of_rows));
        let (rows, (wear, faults)) = found.out;
        let news = rows.map(LiftNews::Row).union(faults.clone().map(LiftNews::Fault));
        let news = news.union(told.clone().map(LiftNews::Told)).filter(|news| news.lift().is_some());
        let news = news.key_by(|news| news.lift().unwrap_or_default()).event_time(LiftRow::EVENT_TIME);
        news.detect("records", $make(records)).out.to_channel_with("recorded", ROOM);
        told.to_channel_with("told", ROOM);
        troubles.to_channel_with("troubles", ROOM);
        wear.to_channel_with("wear", ROOM);
        faults.to_channel_with("faults", ROOM);
        found.late.to_channel_with("late", ROOM);
        found.skewed.to_channel_with("skewed", ROOM);
        days.out.1.to_channel_with("histories", ROOM);
    }};
}

/// Two lifts of a building, one that stands alone and has no sensor, and a fourth that nobody knows.
fn book() -> LiftBook {
    let in_building = Lift { building: Some(7), ..Lift::default() };
    LiftBook::new([(1, in_building), (2, in_building), (3, Lift { senses_people: false, ..Lift::default() })])
}

impl Plan {
    fn draw(input: &mut Input<'_>) -> Plan {
        Plan { seed: input.u8(), disorder_ms: i64::from(input.below(4)) * DAY_MS, hasty: input.flag() }
    }

    fn trap(self) -> TrapConfig {
        let rules = TrapConfig::default();
        if self.hasty { TrapConfig { off_level_ms: 4_000, level_ms: 3_000, ..rules } } else { rules }
    }

    fn troubles(self) -> Troubles {
        let rules = Troubles::default();
        let few = Troubles {
            silent_ms: 5_000,
            flaps: 2,
            constant_runs: 2,
            losses: 2,
            held_ms: 500,
            odd: 0.1,
            ..rules.clone()
        };
        if self.hasty { few } else { rules }
    }

    fn ticks(self) -> TickSource {
        TickSource::FromEvents { interval_ms: if self.hasty { 500 } else { 60_000 }, max_jump_ms: 60 * DAY_MS }
    }

    fn plain(self) -> Job {
        Job::new(move |flow: &Flow<'_>| build!(flow, self, std::convert::identity)).ticks(self.ticks())
    }

    fn restored(self) -> Job {
        Job::new(move |flow: &Flow<'_>| build!(flow, self, Restored)).ticks(self.ticks())
    }
}

/// What was told.
struct Said {
    told: Vec<LiftTold>,
    troubles: Vec<Trouble>,
    wear: Vec<WearDay>,
    faults: Vec<LiftFault>,
    records: Vec<Recorded>,
    histories: Vec<LiftDay>,
    late: Vec<Late<LiftRow>>,
    skewed: Vec<Skewed<LiftRow>>,
    metrics: Metrics,
}

impl Said {
    fn of(running: &mut Running) -> Said {
        fn rest<T: Data>(running: &mut Running, name: &str) -> Vec<T> {
            running.receiver(name).expect("its receiver").rows().collect()
        }
        let (told, wear, faults) = (rest(running, "told"), rest(running, "wear"), rest(running, "faults"));
        let (records, histories) = (rest(running, "recorded"), rest(running, "histories"));
        let (late, skewed, troubles) = (rest(running, "late"), rest(running, "skewed"), rest(running, "troubles"));
        let metrics = running.wait().expect("it ends");
        Said { told, troubles, wear, faults, records, histories, late, skewed, metrics }
    }

    /// As text: what is not a number is not equal to itself.
    fn text(&self) -> Vec<String> {
        fn each<T: Debug>(rows: &[T]) -> impl Iterator<Item = String> {
            rows.iter().map(|row| format!("{row:?}"))
        }
        let Said { told, troubles, wear, faults, records, histories, late, skewed, metrics: _ } = self;
        let all = each(told)
            .chain(each(troubles))
            .chain(each(wear))
            .chain(each(faults))
            .chain(each(records))
            .chain(each(histories));
        all.chain(each(late)).chain(each(skewed)).collect()
    }

    fn check(&self, rows: usize, trips: u32) {
        assert!(self.told.len() <= 64 * rows, "{} rows were told of {rows}", self.told.len());
        assert!(self.text().iter().all(|row| !row.contains("Ms. Secret")), "a name leaks");
        let finite = |features: &[f64]| features.iter().all(|of| of.is_finite());
        assert!(self.histories.iter().all(|day| finite(&day.features)), "{:?}", self.histories);
        for day in &self.wear {
            let why = day.why.iter().all(|of| finite(&[of.off_sd, of.lately, of.usual]));
            assert!(finite(&day.features) && why && day.trips <= trips, "{day:?}");
        }
        faults_end_once(&self.faults);
        people_end_trappings(&self.told);
        troubles_end_once(&self.troubles);
        records_grow(&self.records);
        for (name, book) in &self.metrics.operators {
            let of = book.detectors[0];
            let sum = of.applied + of.late + of.duplicate + book.skewed + book.out_of_bound;
            assert_eq!(book.rows_in, sum, "{name}: {book:?}");
        }
        let (book, late) = (&self.metrics.operators["lifts"], self.late.len() as u64);
        let skewed = self.skewed.iter().filter(|row| !row.corrected).count() as u64;
        assert_eq!((late, skewed), (book.detectors[0].late + book.out_of_bound, book.skewed), "{book:?}");
    }
}

/// A fault that is over has begun, and is over once.
fn faults_end_once(faults: &[LiftFault]) {
    let mut open: BTreeSet<(u32, &str, i64)> = BTreeSet::new();
    for fault in faults {
        let is = (fault.lift, fault.raw.as_str(), fault.from_ms);
        let was_open = if fault.until_ms.is_some() { open.remove(&is) } else { !open.insert(is) };
        assert_eq!(was_open, fault.until_ms.is_some(), "{fault:?}");
        assert!(fault.until_ms.is_none_or(|until_ms| until_ms >= fault.from_ms) && fault.times > 0, "{fault:?}");
    }
}

/// What is over has begun, as it was told, and begins anew only after that.
fn troubles_end_once(troubles: &[Trouble]) {
    let mut open: Vec<(Site, Option<u32>, &Trouble)> = Vec::new();
    for trouble in troubles {
        assert!(trouble.at_ms >= trouble.from_ms, "{trouble:?}");
        let is_same = |(site, lift, of): &(Site, Option<u32>, &Trouble)| {
            let same_kind = std::mem::discriminant(&of.ails) == std::mem::discriminant(&trouble.ails);
            (*site, *lift) == (trouble.site, trouble.lift) && same_kind
        };
        match (open.iter().position(is_same), trouble.over) {
            (Some(at), true) => assert_eq!(open.swap_remove(at).2.ails, trouble.ails),
            (None, false) => open.push((trouble.site, trouble.lift, trouble)),
            (was, _) => panic!("{trouble:?} while it was told: {was:?}"),
        }
    }
}

/// A lift has one trapping until people say that it is over.
fn people_end_trappings(told: &[LiftTold]) {
    let mut last: BTreeMap<u32, (u32, bool)> = BTreeMap::new();
    for LiftTold { tells, .. } in told {
        match tells {
            Tells::Raised { lift, nth, .. } => {
                let (before, over) = last.insert(*lift, (*nth, false)).unwrap_or((0, true));
                let goes_on = *nth == before && !over;
                assert!(goes_on || (*nth == before + 1 && over), "{tells:?} after {before}, which is over: {over}");
            }
            Tells::Step { lift, nth, step: RescueStep::Closed { .. }, after_ms } => {
                assert_eq!(last.insert(*lift, (*nth, true)), Some((*nth, false)), "{tells:?} after {after_ms} ms");
            }
            Tells::Refused { code, why, .. } => assert!(!code.is_empty() && !why.is_empty(), "{tells:?}"),
            _ => {}
        }
    }
}

/// What is on record stays.
fn records_grow(records: &[Recorded]) {
    let counts = |of: &Tally| {
        let faults = of.faults.values().sum::<u32>();
        [of.days, faults, of.unclassed, of.repeats, of.trappings, of.calls, of.in_time, of.visits, of.visits_on_time]
    };
    let mut last: BTreeMap<u32, Tally> = BTreeMap::new();
    for Recorded { lift, tally, .. } in records {
        let before = last.insert(*lift, tally.clone()).unwrap_or_default();
        let grows = counts(&before).iter().zip(counts(tally)).all(|(before, now)| *before <= now);
        assert!(
            grows && before.repairs <= tally.repairs && before.repair_ms <= tally.repair_ms,
            "{tally:?}, {before:?}"
        );
        assert!(tally.in_time <= tally.calls && tally.visits_on_time <= tally.visits && tally.lifts == 1, "{tally:?}");
    }
}

fn draw_rows(input: &mut Input<'_>) -> Vec<Row> {
    let (mut now_ms, mut rows): (i64, Vec<Row>) = (20_000 * DAY_MS, Vec::new());
    while !input.is_empty() && rows.len() < ROWS_MAX {
        let op = input.u8();
        if let (252.., Some(row)) = (op, rows.len().checked_sub(1 + usize::from(op % 2))) {
            rows.push(rows[row].clone());
            continue;
        }
        let (lift, at_ms) = (1 + u32::from(op % 4), draw_ms(&mut now_ms, input));
        rows.push(match op / 4 {
            60.. => Row::Day(draw_day(lift, at_ms, input)),
            kind => Row::Lift(LiftRow { lift, at_ms, says: draw_says(kind, at_ms, input) }),
        });
    }
    rows
}

/// Steps of moments, of hours and of days, some back; an edge is of one row alone, unless it stays.
fn draw_ms(now_ms: &mut i64, input: &mut Input<'_>) -> i64 {
    match input.u8() {
        step @ 0..130 => *now_ms = now_ms.saturating_add(i64::from(step) * 125),
        step @ 130..180 => *now_ms = now_ms.saturating_add(i64::from(step - 129) * 600_000),
        step @ 180..215 => *now_ms = now_ms.saturating_add(i64::from(step - 179) * DAY_MS / 2),
        215..240 => return now_ms.saturating_sub(i64::from(input.u16()) * 100),
        240..248 => return EDGES_MS[usize::from(input.below(12))],
        248..251 => *now_ms = EDGES_MS[usize::from(input.below(12))],
        _ => return input.i64(),
    }
    *now_ms
}

fn draw_says(kind: u8, at_ms: i64, input: &mut Input<'_>) -> LiftSays {
    // Somebody without a name, or without a reason, is refused.
    let by = |of: u8| {
        Person::named(["Ms. Secret", " "][usize::from(of & 1)], ["for Ms. Secret", ""][usize::from(of >> 1 & 1)])
    };
    match kind {
        0..20 => LiftSays::Status(draw_status(input)),
        20..30 => {
            let raws = ["00", "01", "02", "04", "07", "14", "15", "40", "41", "42", "43", "45", "90", "E-77", ""];
            let map = if input.flag() { CodeMap::city() } else { CodeMap::gbt_24476() };
            LiftSays::Code(map.read(raws[usize::from(input.below(15))]))
        }
        30..42 => LiftSays::Trip(Box::new(draw_trip(input))),
        42..44 => {
            let (runs, door_cycles) = (draw_total(input), draw_total(input));
            LiftSays::Totals(LiftTotals { runs, door_cycles })
        }
        44..47 => {
            let classes = input.u16();
            let mended = (0..).zip(FaultClass::ALL).filter(|(nth, _)| classes >> nth & 1 == 1);
            LiftSays::Visited { mended: mended.map(|(_, class)| class).collect(), by: by(input.u8()) }
        }
        47 => LiftSays::Intercom,
        48..50 => LiftSays::Power { lost: input.flag() },
        50 => LiftSays::OnSite { who: "Ms. Secret".into(), until_ms: at_ms.saturating_add(draw_long_ms(input)) },
        51 => LiftSays::OffSite,
        52 => {
            let until_ms = at_ms.saturating_add(draw_long_ms(input));
            LiftSays::SensorOut { until_ms, by: by(input.u8()) }
        }
        _ => {
            let closed = |false_alarm| RescueStep::Closed { false_alarm };
            let steps = [RescueStep::Answered, RescueStep::Arrived, RescueStep::Released, closed(false), closed(true)];
            let (step, nth) = (steps[usize::from(input.below(5))], input.below(6));
            LiftSays::Rescue { step, nth: (nth < 3).then_some(nth.into()), by: by(input.u8()) }
        }
    }
}

/// A time of hours, or any.
fn draw_long_ms(input: &mut Input<'_>) -> i64 {
    if input.flag() { i64::from(input.u8()) * 600_000 } else { input.span_ms() }
}

/// None, a small one, or any.
fn draw_total(input: &mut Input<'_>) -> Option<u64> {
    match input.below(4) {
        0 => None,
        1 => Some(input.i64() as u64),
        _ => Some(u64::from(input.u16())),
    }
}

fn draw_status(input: &mut Input<'_>) -> LiftStatus {
    let (of, mode) = (input.u8(), input.u8());
    let known = |shift: u8| [None, Some(false), Some(true), Some(true)][usize::from(of >> shift & 3)];
    let doors = [None, Some(Doors::Closed), Some(Doors::Moving), Some(Doors::Open)][usize::from(of >> 6)];
    let modes = [
        LiftMode::Normal,
        LiftMode::Inspection,
        LiftMode::Maintenance,
        LiftMode::Fire,
        LiftMode::OutOfService,
        LiftMode::EmergencyPower,
    ];
    let floor = (mode & 64 != 0).then_some(i16::from(mode & 15));
    // Most lifts are used by anybody.
    let mode = if mode & 128 == 0 { LiftMode::Normal } else { modes[usize::from(mode & 63) % 6] };
    LiftStatus { moving: known(0), level: known(2), doors, person: known(4), floor, mode }
}

/// What is measured is mostly of a usual size; a fourth of it is not measured.
fn draw_trip(input: &mut Input<'_>) -> LiftTrip {
    let (from, floor, wild) = (i16::from(input.below(6)), i16::from(input.below(6)), input.u8());
    let mut value = |usual: u32| match input.u8() {
        0..64 => None,
        any @ 64..68 => Some(if any % 2 == 0 { 0 } else { u32::MAX }),
        near => Some(usual + usual / 200 * u32::from(near)),
    };
    let (door_close_ms, door_current_ma, lock_ms) = (value(2_000), value(1_000), value(200));
    let (slip_um, run_ms, start_delay_ms) = (value(400), value(8_000), value(400));
    let level_error_um = value(2_000).map(|um| if wild & 1 == 0 { um as i32 } else { -((um / 2) as i32) });
    let drive_celsius = value(200).map(|tenths| (tenths / 10) as i16);
    let mut count =
        || Some(u16::from(input.u8())).filter(|of| *of < 200).map(|of| if wild & 2 == 0 { of / 64 } else { of });
    let (reversals, chain_opens, relevels, corrections) = (count(), count(), count(), count());
    let (from, floor) = if wild < 250 { (from, floor) } else { (i16::MIN, i16::MAX) };
    LiftTrip {
        from,
        floor,
        door_close_ms,
        door_current_ma,
        lock_ms,
        level_error_um,
        slip_um,
        run_ms,
        start_delay_ms,
        drive_celsius,
        reversals,
        chain_opens,
        relevels,
        corrections,
    }
}

fn draw_day(lift: u32, at_ms: i64, input: &mut Input<'_>) -> DailyCounters {
    let mut count = || if input.flag() { input.number() } else { f64::from(input.u8() / 32) };
    DailyCounters {
        lift,
        day_ms: at_ms,
        slow_door_operations: count(),
        total_door_cycles: count(),
        total_door_operations: count(),
        total_door_reversals: count(),
        door_failure_events: count(),
        safety_chain_issues: count(),
        levelling_total_errors: count(),
        ..DailyCounters::default()
    }
}
