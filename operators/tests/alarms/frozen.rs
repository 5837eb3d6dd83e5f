//! A source that is cut off: its silence means nothing, but people's time goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender as Stage;

use super::played::{Json, Played, Scene};
use super::*;
use watchfire_engine::{Context, Describe, Detector, Receiver, Running, Sender, Verdict};

/// Cranes behind a line that can be cut, and a host that keeps the clock and passes on what people do.
struct Line {
    job: Job,
    running: Running,
    stage: Stage<Scene<SiteRow>>,
    host: Sender<SiteRow>,
    alarms: Receiver<Alarm<u32>>,
    sent: u64,
    now_ms: i64,
}

impl Line {
    fn new() -> Self {
        let (played, stage) = Played::new();
        let job = Job::new(move |flow| {
            let cranes = flow.source::<SiteRow, _, _>("cranes", played.clone(), Json).rows;
            let rows = cranes.union(flow.channel("host")).key_by(SiteRow::crane);
            rows.detect("overload", site_alarms(Ladder::crane_overload())).out.to_channel("alarms");
        });
        let job = job.ticks(TICKS);
        let mut running = job.clone().record().start().unwrap();
        let (host, alarms) = (running.sender("host").unwrap(), running.receiver("alarms").unwrap());
        Line { job, running, stage, host, alarms, sent: 0, now_ms: 0 }
    }

    /// The outside does these things, and all of them have entered the job.
    fn play(&mut self, scenes: Vec<Scene<SiteRow>>) {
        for scene in scenes {
            if let Scene::Rows(rows) = &scene {
                self.sent += rows.len() as u64;
            }
            self.stage.send(scene).unwrap();
        }
        while self.running.metrics().sources["cranes"].rows < self.sent {
            assert!(!self.running.failed());
            std::thread::yield_now();
        }
    }

    fn host(&mut self, rows: Vec<SiteRow>) {
        let before = self.running.metrics().sources["host"].rows;
        let count = rows.len() as u64;
        self.host.send(rows).unwrap();
        while self.running.metrics().sources["host"].rows < before + count {
            std::thread::yield_now();
        }
    }

    fn beat_until(&mut self, to_ms: i64) {
        let beats = (self.now_ms..=to_ms).step_by(100).map(|at_ms| SiteRow::Beat { at_ms }).collect();
        self.now_ms = to_ms;
        self.host(beats);
    }

    /// The crane is heard through the host's channel instead of the line.
    fn host_reads(&mut self, rows: Vec<CraneReading>) {
        self.host(readings(rows));
    }

    fn act(&mut self, crane: u32, event: Event) {
        self.host(vec![SiteRow::Person { crane, at_ms: self.now_ms, event }]);
    }

    /// All that left, which must be the same to the byte with any number of workers and however it is cut.
    fn end(mut self) -> Vec<Alarm<u32>> {
        drop((self.stage, self.host));
        let all: Vec<Alarm<u32>> = self.alarms.rows().collect();
        self.running.wait().unwrap();
        let recording = self.running.recording().unwrap();
        let expected = serde_json::to_string(&all).unwrap();
        for workers in 1..=4 {
            for recording in [recording.clone(), recording.recut(workers as u64, 7)] {
                let mut running = self.job.clone().workers(workers).rehearse_recovery(1).replay(&recording).unwrap();
                let rx = running.receiver::<Alarm<u32>>("alarms").unwrap();
                let again: Vec<Alarm<u32>> = rx.rows().collect();
                running.wait().unwrap();
                assert_eq!(serde_json::to_string(&again).unwrap(), expected, "{workers} workers");
            }
        }
        all
    }
}

fn of(crane: u32, kind: ChangeKind, all: &[Alarm<u32>]) -> Vec<i64> {
    let mine = all.iter().filter(|alarm| *alarm.key() == crane).filter_map(Alarm::change);
    mine.filter(|change| change.kind == kind).map(|change| change.at_arrival_ms).collect()
}

/// Cranes 1 and 2 overloaded, crane 3 not, all seen until 3 s; the line is live.
fn three_cranes() -> Line {
    let mut line = Line::new();
    line.beat_until(0);
    let rows = |from_ms, to_ms| {
        let each = [(1, 1.02), (2, 1.02), (3, 0.3)];
        in_order(each.iter().flat_map(|(crane, ratio)| readings(steady(*crane, from_ms, to_ms, *ratio))).collect())
    };
    line.play(vec![Scene::Idle, Scene::Rows(rows(0, 3_000))]);
    line.now_ms = 3_000;
    let owner = || ("site manager".into(), "test lift".into());
    let (owner, reason) = owner();
    line.act(2, Event::Suppress { owner, reason, from_ms: 0, until_ms: 40_000 });
    line.play(vec![Scene::Rows(rows(3_000, 4_000))]);
    line.now_ms = 4_000;
    line
}

#[test]
fn an_outage_is_no_silence_but_escalations_and_suppressions_go_on() {
    let mut line = three_cranes();
    // Cut off, and a last row that was still under way, so that the cut has surely entered the job.
    line.play(vec![Scene::Lost, Scene::Rows(readings([at_ratio(3, 4_100, 0.3)]))]);
    line.beat_until(120_000);
    // Back, with one sign of life of each, and then nothing.
    let back = [at_ratio(1, 120_000, 1.02), at_ratio(2, 120_000, 1.02), at_ratio(3, 120_000, 0.3)];
    line.play(vec![Scene::Idle, Scene::Rows(readings(back))]);
    line.beat_until(125_000);
    line.play(vec![Scene::Rows(readings([at_ratio(1, 125_000, 1.02)]))]);
    line.beat_until(133_000);
    let all = line.end();
    // While the line was cut: no silence, but every instant of the arrival clock was kept to the tick.
    assert_eq!(of(2, ChangeKind::SuppressionEnded, &all), [40_000]);
    assert_eq!(of(2, ChangeKind::Raised, &all).last(), Some(&40_000));
    let raised_ms = of(1, ChangeKind::Raised, &all)[0];
    let escalated = of(1, ChangeKind::EscalatedUnacknowledged, &all);
    assert_eq!(escalated.first(), Some(&(raised_ms + 60_000)), "{escalated:?}");
    assert_eq!(of(2, ChangeKind::EscalatedUnacknowledged, &all), [100_000]);
    // After it: 10 s of silence are 10 s again.
    for crane in [2, 3] {
        assert_eq!(of(crane, ChangeKind::UnknownRaised, &all), [130_000], "crane {crane}");
    }
    assert!(of(1, ChangeKind::UnknownRaised, &all).is_empty());
}

#[test]
fn after_a_person_acted_silence_is_measured_although_the_line_is_cut() {
    let mut line = three_cranes();
    line.play(vec![Scene::Lost, Scene::Rows(readings([at_ratio(3, 4_100, 0.3)]))]);
    line.beat_until(8_000);
    line.act(1, Event::Acknowledge { at_ms: 8_000, who: "duty".into() });
    line.beat_until(60_000);
    let all = line.end();
    assert_eq!(of(1, ChangeKind::Acknowledged, &all), [8_000]);
    // Crane 1 was last heard at 3.9 s, seen by the clock at 3 s at the earliest.
    let unknown = of(1, ChangeKind::UnknownRaised, &all);
    assert!(unknown.len() == 1 && (13_000..=14_000).contains(&unknown[0]), "{unknown:?}");
    assert!(of(3, ChangeKind::UnknownRaised, &all).is_empty());
}

#[test]
fn an_outage_of_the_readings_in_the_past_makes_no_silence_when_a_person_acts() {
    let mut line = three_cranes();
    line.play(vec![Scene::Lost, Scene::Rows(readings([at_ratio(3, 4_100, 0.3)]))]);
    line.beat_until(100_000);
    // The clock of the line is now some 96 s behind that of the host, through which the acknowledgement comes.
    line.play(vec![Scene::Idle, Scene::Rows(readings(steady(1, 98_000, 100_100, 1.02)))]);
    line.beat_until(101_000);
    line.act(1, Event::Acknowledge { at_ms: 101_000, who: "duty".into() });
    line.beat_until(105_000);
    line.play(vec![Scene::Rows(readings([at_ratio(1, 105_000, 1.02)]))]);
    line.beat_until(112_000);
    let all = line.end();
    assert_eq!(of(1, ChangeKind::Acknowledged, &all).len(), 1);
    assert!(of(1, ChangeKind::UnknownRaised, &all).is_empty());
}

#[test]
fn an_outage_of_the_people_hides_no_silence_of_a_crane() {
    let mut line = Line::new();
    line.beat_until(0);
    line.host_reads(steady(1, 0, 3_000, 1.02));
    line.now_ms = 3_000;
    // Here the people are behind the line, which is cut right after the acknowledgement.
    let seen = Event::Acknowledge { at_ms: 3_000, who: "duty".into() };
    let other = || SiteRow::Person { crane: 9, at_ms: 3_000, event: Event::Tick };
    line.play(vec![Scene::Idle, Scene::Rows(vec![SiteRow::Person { crane: 1, at_ms: 3_000, event: seen }])]);
    line.play(vec![Scene::Lost, Scene::Rows(vec![other()])]);
    line.beat_until(60_000);
    let all = line.end();
    assert_eq!(of(1, ChangeKind::Acknowledged, &all).len(), 1);
    let unknown = of(1, ChangeKind::UnknownRaised, &all);
    assert!(unknown.len() == 1 && (12_000..=14_000).contains(&unknown[0]), "{unknown:?}");
}

/// Counts how often the alarms are woken.
struct Counted<D> {
    of: D,
    wakes: Arc<AtomicUsize>,
}

impl<D: Detector> Detector for Counted<D> {
    type Key = D::Key;
    type In = D::In;
    type Out = D::Out;
    type State = D::State;

    fn describe(&self) -> Describe {
        self.of.describe()
    }

    fn on_row(&self, state: &mut D::State, row: &D::In, cx: &mut Context<'_, D::Key, D::Out>) -> Verdict {
        self.of.on_row(state, row, cx)
    }

    fn on_quiet(&self, state: &mut D::State, cx: &mut Context<'_, D::Key, D::Out>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.of.on_quiet(state, cx);
    }

    fn on_arrival(&self, state: &mut D::State, cx: &mut Context<'_, D::Key, D::Out>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.of.on_arrival(state, cx);
    }
}

#[test]
fn a_pending_instant_costs_no_wake_until_it_comes() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let count = wakes.clone();
    let job = Job::new(move |flow| {
        let rows = flow.channel::<SiteRow>("site").key_by(SiteRow::crane);
        let counted = Counted { of: site_alarms(Ladder::crane_overload()), wakes: count.clone() };
        rows.detect("overload", counted).out.to_channel("alarms");
    });
    // Overloaded and not acknowledged, and suppressed; then 300 s of ticks, ten a second.
    let mut rows = readings(steady(1, 0, 3_000, 1.02));
    rows.extend(readings(steady(2, 0, 3_000, 1.02)));
    let (owner, reason) = ("site manager".into(), "test lift".into());
    let event = Event::Suppress { owner, reason, from_ms: 0, until_ms: 200_000 };
    rows.push(SiteRow::Person { crane: 2, at_ms: 3_000, event });
    rows.extend((3_000..300_000).step_by(100).map(|at_ms| SiteRow::Beat { at_ms }));
    let (out, _) = run(&job.ticks(TICKS), "site", in_order(rows));
    assert!(!of(1, ChangeKind::EscalatedUnacknowledged, &out).is_empty());
    assert_eq!(of(2, ChangeKind::SuppressionEnded, &out), [200_000]);
    assert_eq!(of(1, ChangeKind::UnknownRaised, &out).len(), 1);
    let wakes = wakes.load(Ordering::SeqCst);
    assert!((3..20).contains(&wakes), "{wakes} wakes in 3,000 ticks");
}
