//! Gateways that are away: one incident each, nobody is sought for it, and what happened meanwhile is told when it is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/played.rs"]
mod played;

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use played::{Json, Played, Scene};
use watchfire_engine::{Change, Compose, EventTime, Flow, Job, Receiver, Running, Sender, Stream, TickSource};
use watchfire_operators::dispatch::Person;
use watchfire_operators::wristband::{
    BandRow, BandSays, BandTold, Bands, CareRow, CareTells, CareTold, Concern, Confirm, GatewayRow, GatewaySays,
    Measured, NoSignal, OutageTells, OutageTold, Outages, PulseTells, PulseWatch, Sends, Sign, Unprotected, Wearer,
    WornRow,
};

const MIN: i64 = 60_000;
const HOUR: i64 = 60 * MIN;
const DAY: i64 = 24 * HOUR;
const PEOPLE: u32 = 235;
/// A band whose rows move the clock.
const CLOCK: u32 = 1_000;

fn job(outages: Outages) -> Job {
    let job = Job::new(move |flow| {
        let rows = flow.channel::<GatewayRow>("rows").key_by(|row| row.gateway).event_time(GatewayRow::EVENT_TIME);
        rows.detect("outages", outages).out.to_channel("told");
    });
    job.ticks(TickSource::FROM_EVENTS)
}

fn gateway(gateway: u32, second: i64, says: GatewaySays) -> (i64, GatewayRow) {
    (second, GatewayRow { gateway, at_ms: second * 1_000, says })
}

fn heard(second: i64, person: u32) -> (i64, GatewayRow) {
    gateway(3, second, GatewaySays::Heard { wearer: Wearer::Person(person) })
}

fn serves(second: i64, person: u32, risk: u8) -> (i64, GatewayRow) {
    gateway(3, second, GatewaySays::Serves { wearer: Wearer::Person(person), risk })
}

/// What is told of the gateway 3, in seconds, while another goes on; whatever order rows are cut in.
fn told(rows: Vec<(i64, GatewayRow)>, until: i64) -> Vec<OutageTold> {
    told_by(Outages::default(), rows, until)
}

fn told_by(outages: Outages, mut rows: Vec<(i64, GatewayRow)>, until: i64) -> Vec<OutageTold> {
    rows.extend((0..until).map(|second| gateway(4, second, GatewaySays::Alive)));
    rows.sort_by_key(|(second, row)| (*second, row.gateway == 3));
    let mut running = job(outages).record().start().unwrap();
    let (sender, told) = (running.sender("rows").unwrap(), running.receiver::<OutageTold>("told").unwrap());
    let rows: Vec<GatewayRow> = rows.into_iter().map(|(_, row)| row).collect();
    rows.chunks(50).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    let straight: Vec<OutageTold> = told.rows().collect();
    running.wait().unwrap();
    let recording = running.recording().unwrap();
    let mut again = job(outages).workers(2).rehearse_recovery(1).replay(&recording.recut(3, 20)).unwrap();
    let told = again.receiver::<OutageTold>("told").unwrap();
    assert_eq!(told.rows().collect::<Vec<_>>(), straight);
    again.wait().unwrap();
    straight
}

#[test]
fn an_outage_lists_who_is_unprotected_by_risk() {
    let mut rows = vec![serves(0, 7, 1), serves(0, 8, 5), serves(0, 9, 5), serves(0, 10, 9)];
    // 9 was silent for more than an hour; of 11 nobody has recorded anything; 10 has gone.
    rows.extend((0..5_000).step_by(60).flat_map(|second| [heard(second, 7), heard(second, 8), heard(second, 11)]));
    rows.push(heard(5, 9));
    rows.push(gateway(3, 6, GatewaySays::Leaves { wearer: Wearer::Person(10) }));
    rows.push(heard(6_000, 7));
    let told = told(rows, 6_200);
    let [began, over] = &told[..] else { panic!("{told:?}") };
    let OutageTells::Began { since_ms, people } = &began.tells else { panic!("{told:?}") };
    assert_eq!((*since_ms, began.at_ms), (4_980_000, 5_220_000), "within five minutes");
    let listed: Vec<(Wearer, Option<u8>, bool)> =
        people.iter().map(|Unprotected { wearer, risk, was_silent, .. }| (*wearer, *risk, *was_silent)).collect();
    let of = |person: u32, risk, was_silent| (Wearer::Person(person), risk, was_silent);
    assert_eq!(listed, [of(11, None, false), of(9, Some(5), true), of(8, Some(5), false), of(7, Some(1), false)]);
    assert_eq!((over.nth, over.at_ms, over.tells.clone()), (1, 6_000_000, OutageTells::Over { lasted_ms: 1_020_000 }));
}

#[test]
fn one_that_was_never_heard_is_away_and_one_that_serves_nobody_is_not_missed() {
    let never = told(vec![serves(10, 7, 1)], 1_000);
    assert!(matches!(never[..], [OutageTold { nth: 1, at_ms: 250_000, .. }]), "{never:?}");
    assert_eq!(told(vec![gateway(3, 10, GatewaySays::Alive)], 1_000), []);
    // It says itself that it is there.
    let alive = (0..1_000).step_by(200).map(|second| gateway(3, second, GatewaySays::Alive));
    assert_eq!(told(alive.chain([serves(10, 7, 1)]).collect(), 1_000), []);
}

#[test]
fn whoever_was_heard_once_is_not_listed_for_ever() {
    let outages = Outages { forget_ms: 2_000_000, silent_ms: 1_000_000, ..Outages::default() };
    // 11 is heard once, and 9 as well, of whom it is recorded that they count on it.
    let mut rows = vec![heard(0, 11), heard(0, 9), serves(1, 9, 2)];
    rows.extend((0..3_000).step_by(200).map(|second| heard(second, 7)));
    let told = told_by(outages, rows, 3_200);
    let [OutageTold { tells: OutageTells::Began { people, .. }, .. }] = &told[..] else { panic!("{told:?}") };
    let listed: Vec<Wearer> = people.iter().map(|of| of.wearer).collect();
    assert_eq!(listed, [7, 9].map(Wearer::Person));
}

fn row(band: u32, at_ms: i64, sends: Sends) -> BandRow {
    BandRow { band, boot: 1, seq: 0, at_ms, sends }
}

fn pulse(person: u32, at_ms: i64, per_min: f64) -> BandRow {
    row(person, at_ms, Sends::Says(BandSays::Measured(Measured::Pulse { per_min: Some(per_min) })))
}

fn any_time() -> EventTime {
    EventTime { max_skew_ms: 400 * DAY, ..BandRow::EVENT_TIME }
}

/// Everything from bands to those who are asked.
fn district<'f>(flow: &Flow<'f>, bands: Stream<'f, BandRow>) {
    let told = bands.key_by(|row| row.band).event_time(any_time()).detect("owners", Bands::default()).out;
    let worn = told.clone().filter_map(BandTold::worn);
    let through = worn.clone().filter_map(|WornRow { wearer, at_ms, .. }| {
        let is_of_it = wearer != Wearer::Person(CLOCK);
        is_of_it.then_some(GatewayRow { gateway: 3, at_ms, says: GatewaySays::Heard { wearer } })
    });
    let gateways = through.union(flow.channel("roll")).key_by(|row| row.gateway).event_time(any_time());
    gateways.detect("gateways", Outages::default()).out.to_channel("outages");
    let people = worn.key_by(|row| row.wearer).event_time(any_time());
    let (pulses, silences) = people.detect("people", PulseWatch::default().both(NoSignal::default())).out;
    pulses.clone().to_channel("pulses");
    silences.clone().to_channel("silences");
    let pulses = pulses.filter_map(|change| match change {
        Change::Insert(PulseTells::Concern(of)) => Some(CareRow::of(Change::Insert(of))),
        Change::Retract(PulseTells::Concern(of)) => Some(CareRow::of(Change::Retract(of))),
        _ => None,
    });
    let care = pulses.union(silences.map(CareRow::of)).union(told.filter_map(BandTold::care));
    let care = care.key_by(|row| row.wearer).event_time(any_time());
    care.detect("confirm", Confirm::default()).out.to_channel("care");
}

const TICKS: TickSource = TickSource::FromEvents { interval_ms: 5_000, max_jump_ms: 400 * DAY };

/// What the bands of all measure, every five minutes for a day, and then every minute, in the order of time.
fn measured() -> Vec<BandRow> {
    let mut rows = Vec::new();
    for at_ms in (0..DAY).step_by(5 * MIN as usize).chain((DAY..DAY + 3 * HOUR).step_by(MIN as usize)) {
        for person in 1..=PEOPLE {
            // The true emergency, an hour into the outage.
            let is_unwell = person == 7 && (DAY + HOUR..DAY + HOUR + 25 * MIN).contains(&at_ms);
            let per_min = if is_unwell { 150.0 } else { 70.0 + (at_ms / MIN % 7) as f64 };
            rows.push(pulse(person, at_ms + i64::from(person) * 200, per_min));
        }
    }
    rows
}

/// Who has which band.
fn hands() -> Vec<BandRow> {
    let by = || Person::named("officer 3", "new band");
    let handed = |band: u32| row(band, 0, Sends::Handed { to: Some(band), by: by() });
    (1..=PEOPLE).chain([CLOCK]).map(handed).collect()
}

fn clock(from_ms: i64, until_ms: i64) -> Vec<BandRow> {
    (from_ms..=until_ms).step_by(5_000).map(|at_ms| pulse(CLOCK, at_ms, 70.0)).collect()
}

/// What is told of the pulses of those who have bands, in the end.
fn pulses(told: Receiver<Change<PulseTells>>) -> BTreeMap<PulseTells, i64> {
    let is_theirs = |of: &PulseTells| match of {
        PulseTells::Concern(of) => of.wearer != Wearer::Person(CLOCK),
        PulseTells::Watched(of) => of.wearer != Wearer::Person(CLOCK),
    };
    Change::consolidate(told.rows()).into_iter().filter(|(of, _)| is_theirs(of)).collect()
}

/// All that was told of people without an outage.
fn straight() -> BTreeMap<PulseTells, i64> {
    let job = Job::new(|flow| district(flow, flow.channel("bands"))).ticks(TICKS);
    let mut running = job.start().unwrap();
    let (sender, told) = (running.sender("bands").unwrap(), running.receiver("pulses").unwrap());
    sender.send(hands()).unwrap();
    let mut rows = measured();
    rows.extend(clock(0, DAY + 3 * HOUR));
    rows.sort_by_key(|row| row.at_ms);
    rows.chunks(4_096).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    drop(running.sender::<GatewayRow>("roll").unwrap());
    let told = pulses(told);
    running.wait().unwrap();
    told
}

/// The gateway of all, and a clock beside it.
struct Street {
    running: Running,
    stage: SyncSender<Scene<BandRow>>,
    host: Sender<BandRow>,
    sent: [u64; 2],
}

impl Street {
    fn plays(&mut self, scene: Scene<BandRow>) {
        if let Scene::Rows(rows) = &scene {
            self.sent[0] += rows.len() as u64;
        }
        self.stage.send(scene).unwrap();
        self.has_entered("bands", self.sent[0]);
    }

    fn clock(&mut self, from_ms: i64, until_ms: i64) {
        let rows = clock(from_ms, until_ms);
        self.sent[1] += rows.len() as u64;
        self.host.send(rows).unwrap();
        self.has_entered("host", self.sent[1]);
    }

    fn has_entered(&self, source: &str, rows: u64) {
        while self.running.metrics().sources[source].rows < rows {
            assert!(!self.running.failed());
            std::thread::yield_now();
        }
    }
}

#[test]
fn an_outage_of_two_hours_hides_nobody_and_makes_nobody_sought() {
    let (played, stage) = Played::new();
    let job = Job::new(move |flow| {
        let bands = flow.source::<BandRow, _, _>("bands", played.clone(), Json).rows;
        district(flow, bands.union(flow.channel("host")));
    });
    let mut running = job.ticks(TICKS).start().unwrap();
    let host = running.sender("host").unwrap();
    let roll = running.sender::<GatewayRow>("roll").unwrap();
    let serves = |person: u32| GatewaySays::Serves { wearer: Wearer::Person(person), risk: (person % 10) as u8 };
    roll.send((1..=PEOPLE).map(|person| GatewayRow { gateway: 3, at_ms: 0, says: serves(person) }).collect()).unwrap();
    let [told, silences, care, outages] = ["pulses", "silences", "care", "outages"];
    let (told, silences) = (running.receiver(told).unwrap(), running.receiver::<Change<Concern>>(silences).unwrap());
    let (care, outages) =
        (running.receiver::<CareTold>(care).unwrap(), running.receiver::<OutageTold>(outages).unwrap());
    let told = std::thread::spawn(move || pulses(told));
    let silences = std::thread::spawn(move || silences.rows().collect::<Vec<_>>());
    let care = std::thread::spawn(move || care.rows().collect::<Vec<_>>());
    let mut street = Street { running, stage, host, sent: [0; 2] };
    street.plays(Scene::Idle);
    street.plays(Scene::Rows(hands()));
    let rows = measured();
    let (cut_ms, back_ms) = (DAY, DAY + 2 * HOUR);
    for hour in 0..24 {
        let of_hour = rows.iter().filter(|row| row.at_ms.div_euclid(HOUR) == hour).cloned().collect();
        street.plays(Scene::Rows(of_hour));
        street.clock(hour * HOUR, (hour + 1) * HOUR - 5_000);
    }
    // Cut off, with a last row that was under way, so that this has surely entered the job.
    street.plays(Scene::Lost);
    street.plays(Scene::Rows(vec![pulse(1, cut_ms, 70.0)]));
    street.clock(cut_ms, back_ms);
    // All of two hours at once, band by band, and then on.
    let mut held: Vec<BandRow> = rows.iter().filter(|row| (cut_ms..back_ms).contains(&row.at_ms)).cloned().collect();
    held.sort_by_key(|row| (row.band, row.at_ms));
    street.plays(Scene::Rows(held));
    street.plays(Scene::Idle);
    let rest: Vec<BandRow> = rows.into_iter().filter(|row| row.at_ms >= back_ms).collect();
    for minute in 0..60 {
        let now_ms = back_ms + minute * MIN;
        street.clock(now_ms, now_ms + MIN - 5_000);
        street
            .plays(Scene::Rows(rest.iter().filter(|row| row.at_ms.div_euclid(MIN) * MIN == now_ms).cloned().collect()));
    }
    let Street { mut running, stage, host, .. } = street;
    drop((stage, host, roll));
    // Before that it brought an hour at once: it was away in between.
    let outages: Vec<OutageTold> = outages.rows().filter(|of| of.at_ms > cut_ms).collect();
    let [began, over] = &outages[..] else { panic!("{}", outages.len()) };
    let OutageTells::Began { people, .. } = &began.tells else { panic!("it begins") };
    assert_eq!((people.len(), people[0].risk), (PEOPLE as usize, Some(9)));
    assert!(began.at_ms - cut_ms <= 5 * MIN && matches!(over.tells, OutageTells::Over { .. }), "{outages:?}");
    let silences: Vec<Change<Concern>> = silences.join().unwrap();
    assert_eq!(silences.len(), 0, "nobody is sought: {silences:?}");
    let care: Vec<CareTold> = care.join().unwrap();
    assert!(care.iter().all(|of| of.wearer == Wearer::Person(7)), "{care:?}");
    let opened = care.iter().find(|of| matches!(of.tells, CareTells::Opened { .. })).unwrap();
    assert!((back_ms..=back_ms + MIN).contains(&opened.at_ms), "{opened:?}");
    let told = told.join().unwrap();
    assert!(told.keys().any(|of| matches!(of, PulseTells::Concern(Concern { sign: Sign::PulseHigh, .. }))));
    assert_eq!(told, straight(), "every correction is made");
    running.wait().unwrap();
}
