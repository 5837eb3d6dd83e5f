//! Rules beside one another and after one another, and the same answer however the work is cut.

use super::*;
use watchfire_engine::{Change, Compose, Real, Recording};
use watchfire_operators::alarm::Step;
use watchfire_operators::crane::Site;
use watchfire_operators::crane::{CraneAlarmConfig, SimConfig, crane_alarms, creep};
use watchfire_operators::window::{Close, Sliding, WindowRow, extremes};

fn wind_alarms() -> Alarms<u32, CraneReading, impl Fn(&CraneReading) -> Signal + Send + Sync + 'static> {
    let steps = vec![
        Step::new("strong", Severity::PreWarn, 6.0, 5.0).held_ms(1_000).cleared_ms(10_000),
        Step::new("gale", Severity::Alarm, 8.0, 7.0).held_ms(1_000).cleared_ms(10_000),
    ];
    let signal = |reading: &CraneReading| reading.wind_mps.map_or(Signal::None, Signal::Value);
    Alarms::new(Ladder::rises("wind_gust", steps), signal).unwrap()
}

/// Overload and wind in one operator, all that leaves in one channel.
fn two_rules(flow: &Flow<'_>) {
    let rows = flow.channel::<CraneReading>("readings").key_by(|r| r.crane);
    let both = crane_alarms(book(), CraneAlarmConfig::default()).unwrap().both(wind_alarms());
    let detected = rows.detect("site", both);
    let (overload, wind) = detected.out;
    overload.union(wind).to_channel("alarms");
}

fn bytes(alarms: &[Alarm<u32>]) -> String {
    serde_json::to_string(alarms).unwrap()
}

fn replayed(job: &Job, recording: &Recording) -> String {
    let mut running = job.replay(recording).unwrap();
    let rx = running.receiver::<Alarm<u32>>("alarms").unwrap();
    let out: Vec<Alarm<u32>> = rx.rows().collect();
    running.wait().unwrap();
    bytes(&out)
}

/// A busy quarter of an hour of eight cranes, with every fault.
fn busy_site() -> Vec<CraneReading> {
    let mut config = SimConfig { seed: 11, duration_ms: 900_000, sample_period_ms: 500, ..SimConfig::default() };
    config.work.overload_share = 0.5;
    config.link.replay_per_s = 20.0;
    (config.link.outage_every_h, config.sensor.stuck_every_h, config.link.clock_jump_every_h) = (0.2, 0.5, 0.5);
    config.link.outage_ms = watchfire_operators::crane::SimRange::new(20_000.0, 120_000.0);
    config.work.shifts_min = vec![];
    Site::new(config).unwrap().map(|arrival| arrival.reading).collect()
}

#[test]
fn the_same_bytes_for_any_workers_and_any_cut() {
    let job = Job::new(two_rules).ticks(TICKS);
    let rows = busy_site();
    let mut running = job.clone().record().start().unwrap();
    let (tx, rx) = (running.sender("readings").unwrap(), running.receiver::<Alarm<u32>>("alarms").unwrap());
    rows.chunks(777).for_each(|part| tx.send(part.to_vec()).unwrap());
    drop(tx);
    let out: Vec<Alarm<u32>> = rx.rows().collect();
    running.wait().unwrap();
    let recording = running.recording().unwrap();
    let expected = bytes(&out);
    for rule in ["crane_overload", "wind_gust"] {
        let count = out.iter().filter(|alarm| alarm.id().is_some_and(|id| id.id.rule == rule)).count();
        assert!(count >= 5, "{rule}: {count} changes are too few to prove anything");
    }
    assert!(out.iter().filter_map(Alarm::change).any(|c| c.kind == ChangeKind::UnknownRaised));
    for workers in 1..=4 {
        assert_eq!(replayed(&job.clone().workers(workers), &recording), expected, "{workers} workers");
    }
    for (seed, one_in) in [(1, 3), (2, 100), (3, 5_000)] {
        let recut = recording.recut(seed, one_in);
        assert_eq!(
            replayed(&job.clone().workers(1 + seed as usize).rehearse_recovery(1), &recut),
            expected,
            "recut {seed}"
        );
    }
    let ids: Vec<String> = out.iter().filter_map(|alarm| Some(alarm.id()?.to_string())).collect();
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "an id names one change");
}

#[test]
fn fused_rules_say_what_each_says_alone() {
    let rows = busy_site();
    let alone = |which: &'static str| {
        let job = Job::new(move |flow| {
            let rows = flow.channel::<CraneReading>("readings").key_by(|r| r.crane);
            let out = match which {
                "overload" => rows.detect("one", crane_alarms(book(), CraneAlarmConfig::default()).unwrap()).out,
                _ => rows.detect("one", wind_alarms()).out,
            };
            out.to_channel("alarms");
        });
        run(&job.ticks(TICKS), "readings", rows.clone()).0
    };
    let (fused, _) = run(&Job::new(two_rules).ticks(TICKS), "readings", rows.clone());
    let of = |rule: &str| -> Vec<Alarm<u32>> {
        fused.iter().filter(|alarm| alarm.id().is_some_and(|id| id.id.rule == rule)).cloned().collect()
    };
    assert_eq!(of("crane_overload"), alone("overload"));
    assert_eq!(of("wind_gust"), alone("wind"));
}

#[test]
fn an_alarm_reads_the_windows_before_it() {
    type Peak = Change<WindowRow<u32, watchfire_operators::window::Bounds>>;
    let job = Job::new(|flow| {
        let ratio = |r: &CraneReading| {
            let used = RatedLoad::qtz63().utilisation(r.reeving, r.load_kg, r.radius_m).ratio();
            Real::new(used.unwrap_or(9.0)).unwrap_or_default()
        };
        let windows = Sliding::new(2_000, 1_000, extremes(ratio)).unwrap().close(Close::Final);
        // The whole of a window lies above the step, and so does that of the next.
        let step = Step::new("two windows", Severity::Alarm, 1.0, 0.95).held_ms(1_000).consecutive(2);
        let signal = |peak: &Peak| match peak {
            Change::Insert(row) => Signal::Value(row.value.min.get()),
            Change::Retract(_) => Signal::None,
        };
        let alarms = Alarms::new(Ladder::rises("sustained", vec![step]), signal).unwrap();
        let rows = flow.channel::<CraneReading>("readings").key_by(|r| r.crane);
        rows.detect("site", windows.then(alarms)).out.1.to_channel("alarms");
    });
    let (out, _) = run(&job.ticks(TICKS), "readings", creep());
    let start_ms = watchfire_operators::crane::GOLDEN_START_MS;
    let changes: Vec<AlarmChange> = out.into_iter().filter_map(Alarm::into_change).collect();
    assert_eq!(kinds(&changes), [(ChangeKind::Raised, Some(Severity::Alarm))]);
    // 1.00 is met at 16.4 s: [17, 19) is the first window wholly above it, [18, 20) the second, each at its last ms.
    assert_eq!(changes[0].at_event_ms, Some(start_ms + 19_999));
}

#[test]
fn the_plan_tells_charts_and_ladders_apart() {
    let plan = |config: CraneAlarmConfig, book: Arc<ChartBook>| {
        Job::new(move |flow| {
            let alarms = crane_alarms(book.clone(), config.clone()).unwrap();
            flow.channel::<CraneReading>("readings").key_by(|r| r.crane).detect("overload", alarms).out.to_channel("a");
        })
    };
    let base = plan(CraneAlarmConfig::default(), book());
    assert_eq!(base.fingerprint(), plan(CraneAlarmConfig::default(), book()).fingerprint());
    let mut later = CraneAlarmConfig::default();
    later.ladder.steps[2].hold_ms = 2_000;
    assert_ne!(base.fingerprint(), plan(later, book()).fingerprint());
    let longer = CraneAlarmConfig { silence_ms: 60_000, ..CraneAlarmConfig::default() };
    assert_ne!(base.fingerprint(), plan(longer, book()).fingerprint());
    let other = Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63")).unwrap());
    assert_ne!(base.fingerprint(), plan(CraneAlarmConfig::default(), other).fingerprint());
    assert!(base.explain().text().contains("crane_overload"));
}
