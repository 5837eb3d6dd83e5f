//! What is made for lifts, with what puts its rows in order, as it is meant to run. By hand it would be the algorithm again.

use std::sync::Arc;

use watchfire_engine::{Compose, Data, Detector, EventTime, Flow, Job, Stream};
use watchfire_operators::elevator::{
    DailyCounters, Faults, History, LiftBook, LiftDay, LiftFault, LiftRecords, LiftRow, LiftSim, LiftSimConfig,
    LiftTold, Site, Tally, TrapConfig, Trapped, Trouble, Troubles, Wear, WearDay, WearSim, WearSimConfig,
};

use crate::ROWS;
use crate::alone::{Asked, LIFTS, OUT, wants};

/// Nothing of a lift waits for longer for what was before it, milliseconds.
const WAIT_MS: i64 = 3_000;
const DAY_MS: i64 = 86_400_000;

pub fn run(asked: Asked) {
    live(asked, asked.rows / 5);
    worn(asked, asked.rows / 5);
    daily(asked, asked.rows / 5);
}

/// What lifts do from eight in the morning on: a status every 1 to 30 s.
fn live(asked: Asked, rows: usize) {
    const FROM_MS: i64 = 8 * 3_600_000;
    let names = ["in_order+trapped", "in_order+troubles", "in_order+trapped+troubles"];
    // Days of so many lifts take long to make up.
    if !names.into_iter().any(wants) {
        return;
    }
    let sim = LiftSim::new(LiftSimConfig { lifts: LIFTS, ..LiftSimConfig::default() });
    let from_ms = sim.config().first_day_ms + FROM_MS;
    let mut lived: Vec<(i64, LiftRow)> =
        (1..=LIFTS).flat_map(|lift| sim.part(lift, 0, from_ms..from_ms + FROM_MS).rows).collect();
    lived.sort_by_key(|(arrives_ms, _)| *arrives_ms);
    let rows: Vec<LiftRow> = lived.into_iter().take(rows).map(|(_, row)| row).collect();
    let book = Arc::new(sim.book());
    let trapped = Trapped::new(TrapConfig::default(), book.clone()).expect("sound");
    let [told, ails, both] = names;
    let of_told = |told: &LiftTold| told.tells.lift().map(f64::from);
    let of_ails = |trouble: &Trouble| trouble.lift.map(f64::from);
    asked.flow(told, &rows, || by_site(&book, trapped.clone(), |out| out.to_channel(OUT)), of_told);
    asked.flow(ails, &rows, || by_site(&book, Troubles::default(), |out| out.to_channel(OUT)), of_ails);
    let two = || by_site(&book, trapped.clone().both(Troubles::default()), |out| out.0.to_channel(OUT));
    asked.flow(both, &rows, two, of_told);
}

/// A job that watches the lifts of each site.
fn by_site<F>(book: &Arc<LiftBook>, fused: F, leave: impl Fn(F::Out<'_>) + Send + Sync + 'static) -> Job
where
    F: Compose<Key = Site, In = LiftRow> + Clone,
{
    let book = book.clone();
    Job::new(move |flow| {
        let book = book.clone();
        let lifts = flow.channel::<LiftRow>(ROWS).key_by(move |row| book.site(row.lift));
        let lifts = lifts.event_time(LiftRow::EVENT_TIME);
        leave(lifts.detect("alone", LiftRow::in_order(WAIT_MS).then(fused.clone())).out.1);
    })
}

/// What trips of lifts measure.
fn worn(asked: Asked, rows: usize) {
    let names = ["in_order+wear", "in_order+faults", "records"];
    if !names.into_iter().any(wants) {
        return;
    }
    let sim = WearSim::new(WearSimConfig { lifts: LIFTS, ..WearSimConfig::default() });
    let days = (rows / (LIFTS as usize * 100)).max(2) as u32;
    let lifts: Vec<_> = (1..=LIFTS).map(|lift| sim.lift(lift, days)).collect();
    let mut rows: Vec<LiftRow> = (0..days).flat_map(|day| lifts.iter().flat_map(move |lift| lift.day(day))).collect();
    rows.sort_by_key(|row| (row.at_ms, row.lift));
    let [wear, faults, records] = names;
    asked.flow(wear, &rows, || by_lift(Wear::default()), |day: &WearDay| day.features.first().copied());
    asked.flow(faults, &rows, || by_lift(Faults::default()), |fault: &LiftFault| Some(f64::from(fault.times)));
    let of_firms = || {
        Job::new(|flow: &Flow<'_>| {
            let rows = flow.channel::<LiftRow>(ROWS);
            let told = rows.clone().filter_map(|_| None::<LiftTold>);
            let book = Arc::new(LiftBook::default());
            let lifts = LiftRecords::default().of_lifts(book.clone(), rows, Faults::default(), told);
            Tally::by_firm(lifts, book).changes().to_channel(OUT);
        })
    };
    asked.flow(records, &rows, of_firms, |_: &watchfire_engine::Change<(u32, Tally)>| Some(1.0));
}

/// A job that watches each lift.
fn by_lift<D>(detector: D) -> Job
where
    D: Detector<Key = u32, In = LiftRow> + Clone,
    D::Out: Data,
{
    Job::new(move |flow| {
        let lifts = flow.channel::<LiftRow>(ROWS).key_by(|row| row.lift).event_time(LiftRow::EVENT_TIME);
        let out: Stream<'_, D::Out> = lifts.detect("alone", LiftRow::in_order(WAIT_MS).then(detector.clone())).out.1;
        out.to_channel(OUT);
    })
}

/// A row a lift and day, in the order of days.
fn daily(asked: Asked, rows: usize) {
    const NAME: &str = "history";
    let of = |nth: usize| DailyCounters {
        lift: nth as u32 % LIFTS,
        day_ms: (nth / LIFTS as usize) as i64 * DAY_MS,
        total_door_operations: 200.0 + (nth * 7 % 100) as f64,
        total_door_cycles: 150.0 + (nth * 7 % 100) as f64,
        total_door_reversals: (nth * 5 % 11) as f64,
        door_failure_events: f64::from(u8::from(nth.is_multiple_of(13))),
        average_run_time: 30_000.0,
        total_run_starts: 90.0,
        ..DailyCounters::default()
    };
    let rows: Vec<DailyCounters> = (0..rows).map(of).collect();
    let flow = || {
        Job::new(|flow: &Flow<'_>| {
            let bounds = EventTime { disorder_ms: DAY_MS, ..EventTime::default() };
            let days = flow.channel::<DailyCounters>(ROWS).key_by(|day| day.lift).event_time(bounds);
            days.detect("alone", History::default()).out.to_channel(OUT);
        })
    };
    asked.flow(NAME, &rows, flow, |day: &LiftDay| day.features.first().copied());
}
