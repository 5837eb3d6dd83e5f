//! What people do comes through a channel of its own, united with the readings.

use super::*;
use watchfire_engine::{Receiver, Running, Sender};
use watchfire_operators::alarm::Why;

/// A site whose readings and people come through two channels.
struct Site {
    running: Running,
    readings: Sender<SiteRow>,
    people: Sender<SiteRow>,
    alarms: Receiver<Alarm<u32>>,
    seen: Vec<Alarm<u32>>,
}

impl Site {
    fn new() -> Self {
        let job = Job::new(|flow| {
            let (readings, people) = (flow.channel::<SiteRow>("readings"), flow.channel::<SiteRow>("people"));
            let rows = readings.union(people).key_by(SiteRow::crane);
            rows.detect("overload", site_alarms(Ladder::crane_overload())).out.to_channel("alarms");
        });
        let mut running = job.ticks(TICKS).start().unwrap();
        let (readings, people) = (running.sender("readings").unwrap(), running.sender("people").unwrap());
        let alarms = running.receiver("alarms").unwrap();
        Site { running, readings, people, alarms, seen: Vec::new() }
    }

    fn read(&self, rows: Vec<CraneReading>) {
        self.readings.send(readings(rows)).unwrap();
    }

    fn beat(&self, from_ms: i64, to_ms: i64) {
        self.readings.send((from_ms..to_ms).step_by(100).map(|at_ms| SiteRow::Beat { at_ms }).collect()).unwrap();
    }

    fn act(&self, at_ms: i64, event: Event) {
        self.people.send(vec![SiteRow::Person { crane: 1, at_ms, event }]).unwrap();
    }

    /// Waits for the alarm that the test needs to have left before it goes on.
    fn until(&mut self, wanted: impl Fn(&Alarm<u32>) -> bool) -> Alarm<u32> {
        loop {
            let rows = self.alarms.recv().expect("the job goes on").rows;
            let found = rows.iter().find(|alarm| wanted(alarm)).cloned();
            self.seen.extend(rows);
            if let Some(found) = found {
                return found;
            }
        }
    }

    fn kind(&mut self, kind: ChangeKind) -> AlarmChange {
        self.until(|alarm| alarm.change().is_some_and(|change| change.kind == kind)).into_change().unwrap()
    }

    fn end(mut self) -> Vec<Alarm<u32>> {
        drop((self.readings, self.people));
        self.seen.extend(self.alarms.rows());
        self.running.wait().unwrap();
        self.seen
    }
}

fn acknowledge(at_ms: i64) -> Event {
    Event::Acknowledge { at_ms, who: "duty".into() }
}

fn suppress(from_ms: i64, until_ms: i64) -> Event {
    Event::Suppress { owner: "site manager".into(), reason: "test lift".into(), from_ms, until_ms }
}

fn is_alarm(alarm: &Alarm<u32>) -> bool {
    alarm.change().is_some_and(|change| change.severity == Some(Severity::Alarm))
}

#[test]
fn an_acknowledgement_stops_the_escalation_but_not_the_alarm() {
    let mut site = Site::new();
    site.read(steady(1, 0, 5_000, 1.02));
    site.until(is_alarm);
    site.act(5_000, acknowledge(5_000));
    let seen = site.kind(ChangeKind::Acknowledged);
    assert_eq!((seen.severity, seen.acknowledged), (Some(Severity::Alarm), true));
    site.read(steady(1, 5_000, 100_000, 1.02));
    let all = site.end();
    assert!(all.iter().filter_map(Alarm::change).all(|c| c.kind != ChangeKind::EscalatedUnacknowledged));
    assert_eq!(all.last().unwrap().change().unwrap().kind, ChangeKind::Acknowledged);
}

#[test]
fn without_one_it_escalates_in_time_even_from_a_crane_that_fell_silent() {
    let mut site = Site::new();
    site.read(steady(1, 0, 5_000, 1.02));
    let raised = site.until(is_alarm).into_change().unwrap();
    site.beat(5_000, 400_000);
    let all = site.end();
    let told: Vec<&AlarmChange> =
        all.iter().filter_map(Alarm::change).filter(|c| c.kind == ChangeKind::EscalatedUnacknowledged).collect();
    let after: Vec<i64> = told.iter().map(|c| c.at_arrival_ms - raised.at_arrival_ms).collect();
    assert_eq!(after, [60_000, 300_000]);
}

#[test]
fn a_suppression_hides_and_its_end_shows_again() {
    let mut site = Site::new();
    site.read(steady(1, 0, 1_000, 0.3));
    site.act(1_000, suppress(0, 30_000));
    site.kind(ChangeKind::Suppressed);
    site.read(steady(1, 1_000, 40_000, 1.02));
    let ended = site.kind(ChangeKind::SuppressionEnded);
    assert!((30_000..=30_100).contains(&ended.at_arrival_ms));
    assert!(matches!(ended.why, Why::SuppressionOver { hidden, .. } if hidden >= 1));
    let all = site.end();
    let changes: Vec<AlarmChange> = all.into_iter().filter_map(Alarm::into_change).collect();
    assert_eq!(
        kinds(&changes),
        [
            (ChangeKind::Suppressed, None),
            (ChangeKind::SuppressionEnded, Some(Severity::Alarm)),
            (ChangeKind::Raised, Some(Severity::Alarm)),
        ]
    );
}

#[test]
fn what_is_refused_is_answered() {
    let mut site = Site::new();
    site.read(steady(1, 0, 5_000, 1.02));
    site.until(is_alarm);
    site.act(5_000, Event::Suppress { owner: " ".into(), reason: "r".into(), from_ms: 0, until_ms: 60_000 });
    let refused = site.until(|alarm| alarm.change().is_none());
    let Alarm::Refused { key: 1, code, why, .. } = &refused else { panic!("{refused:?}") };
    assert!(code == "E0151" && why.starts_with("E0151") && why.contains("Remedy: "));
    site.act(5_000, acknowledge(1_000));
    let refused = site.until(|alarm| alarm.change().is_none());
    assert!(matches!(refused, Alarm::Refused { code, .. } if code == "E0158"));
    site.end();
}

#[test]
fn an_acknowledgement_is_no_sign_of_life() {
    let mut site = Site::new();
    site.read(steady(1, 0, 5_000, 1.02));
    site.until(is_alarm);
    // Somebody presses the button every second; the crane says nothing.
    for at_ms in (6_000..=20_000).step_by(1_000) {
        site.beat(at_ms - 1_000, at_ms);
        site.act(at_ms, acknowledge(at_ms));
    }
    site.beat(20_000, 30_000);
    let unknown = site.kind(ChangeKind::UnknownRaised);
    assert!(unknown.at_arrival_ms <= 20_000, "{}", unknown.at_arrival_ms);
    assert_eq!(unknown.severity, Some(Severity::Alarm));
    site.end();
}
