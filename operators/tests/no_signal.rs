//! Of whom nothing is heard: after how long that is told, and what takes it back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/played.rs"]
mod played;

use std::sync::mpsc::SyncSender;

use played::{Json, Played, Scene};
use proptest::prelude::*;
use watchfire_engine::{Change, EventTime, Job, Running, Sender, TickSource};
use watchfire_operators::wristband::{BandSays, Concern, Evidence, Measured, NoSignal, Sign, Supply, Wearer, WornRow};

const MIN: i64 = 60_000;
const HOUR: i64 = 60 * MIN;
const DAY: i64 = 24 * HOUR;

const PERSON: Wearer = Wearer::Person(7);
/// Somebody whose rows move the clock.
const OTHER: Wearer = Wearer::Person(8);

fn job(watch: NoSignal) -> Job {
    let job = Job::new(move |flow| {
        let any_time = EventTime { max_skew_ms: 400 * DAY, ..WornRow::EVENT_TIME };
        let rows = flow.channel::<WornRow>("bands").key_by(|row| row.wearer).event_time(any_time);
        rows.detect("no signal", watch.clone()).out.to_channel("concerns");
    });
    job.ticks(TickSource::FromEvents { interval_ms: MIN, max_jump_ms: 400 * DAY })
}

/// What is told of the person, and whether it was taken back.
fn taken(running: &mut Running) -> Vec<(Concern, bool)> {
    let concerns = running.receiver::<Change<Concern>>("concerns").unwrap();
    let told = concerns.rows().map(|change| match change {
        Change::Insert(of) => (of, false),
        Change::Retract(of) => (of, true),
    });
    let told = told.filter(|(of, _)| of.wearer == PERSON).collect();
    running.wait().unwrap();
    told
}

fn watched(watch: NoSignal, rows: &[WornRow]) -> Vec<(Concern, bool)> {
    let mut running = job(watch).start().unwrap();
    let sender = running.sender::<WornRow>("bands").unwrap();
    rows.chunks(500).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

/// Since when and after how many hours, when it was told, and whether it was taken back.
fn hours(told: &[(Concern, bool)]) -> Vec<(i64, i64, i64, bool)> {
    let of = |(of, back): &(Concern, bool)| match of.evidence {
        Evidence::Silence { since_ms, after_ms, .. } => {
            assert_eq!(of.sign, Sign::NoSignal);
            (since_ms / HOUR, after_ms / HOUR, of.at_ms / HOUR, *back)
        }
        other => panic!("{other:?} of what is not looked at"),
    };
    told.iter().map(of).collect()
}

fn row(at_ms: i64, says: BandSays) -> WornRow {
    WornRow { wearer: PERSON, at_ms, says }
}

fn pulse(at_ms: i64) -> WornRow {
    row(at_ms, BandSays::Measured(Measured::Pulse { per_min: Some(70.0) }))
}

/// The person is heard every five minutes in which it is asked for, and the other always.
fn while_it(is_heard: impl Fn(i64) -> bool, days: i64) -> Vec<WornRow> {
    let five = (0..days * DAY / (5 * MIN)).map(|nth| nth * 5 * MIN);
    five.flat_map(|at_ms| {
        [Some(pulse(at_ms)).filter(|_| is_heard(at_ms)), Some(WornRow { wearer: OTHER, ..pulse(at_ms) })]
    })
    .flatten()
    .collect()
}

#[test]
fn after_half_a_day_of_those_who_are_always_heard_and_of_those_who_are_new() {
    let days = |until: i64| while_it(move |at_ms| at_ms < until, until / DAY + 2);
    assert_eq!(hours(&watched(NoSignal::default(), &days(3 * DAY))), [(72, 12, 84, false)]);
    assert_eq!(hours(&watched(NoSignal::default(), &days(2 * HOUR))), [(2, 12, 14, false)]);
}

#[test]
fn who_takes_it_off_every_night_is_not_sought_every_morning() {
    // Heard from 7 to 21: ten hours are not.
    let by_day = |at_ms: i64| (7..21).contains(&(at_ms % DAY / HOUR));
    assert_eq!(hours(&watched(NoSignal::default(), &while_it(by_day, 8))), []);
    let gone = |at_ms: i64| by_day(at_ms) && at_ms < 8 * DAY;
    let told = watched(NoSignal::default(), &while_it(gone, 10));
    assert_eq!(hours(&told), [(7 * 24 + 21, 15, 8 * 24 + 12, false)], "one and a half of their longest silence");
    // Who is heard one day a week only is sought after three days.
    let weekly = |at_ms: i64| at_ms / DAY % 7 == 0 && by_day(at_ms);
    let told = watched(NoSignal::default(), &while_it(weekly, 21));
    assert_eq!(hours(&told).iter().map(|of| of.1).collect::<Vec<_>>(), [12, 72, 72], "at first they are new");
}

#[test]
fn what_a_band_tells_of_itself_is_no_sign_of_life() {
    let silent_with = |says: &dyn Fn(i64) -> Option<BandSays>| {
        let mut rows = while_it(|at_ms| at_ms < DAY, 3);
        rows.extend((DAY / HOUR..3 * DAY / HOUR).filter_map(|hour| Some(row(hour * HOUR, says(hour - 24)?))));
        rows.sort_by_key(|row| row.at_ms);
        hours(&watched(NoSignal::default(), &rows)).first().map(|of| of.2)
    };
    let told = Some(36);
    assert_eq!(silent_with(&|_| None), told);
    assert_eq!(silent_with(&|_| Some(BandSays::Steps { total: 900 })), told, "a counter that stands still");
    let counts = |hour: i64| Some(BandSays::Steps { total: 900 + hour as u32 });
    assert_eq!(silent_with(&counts), None, "somebody walks");
    let lost = BandSays::Measured(Measured::Pulse { per_min: None });
    assert_eq!(silent_with(&|_| Some(lost)), told, "no pulse");
    let skin = BandSays::Measured(Measured::SkinTemperature { celsius: Some(21.0) });
    assert_eq!(silent_with(&|_| Some(skin)), told, "the temperature of a table");
    let off = |hour: i64| match hour {
        4 => Some(BandSays::Worn(false)),
        _ => Some(BandSays::Measured(Measured::Pulse { per_min: Some(120.0) })),
    };
    assert_eq!(silent_with(&off), Some(24 + 4 + 12), "a pulse of a band that was taken off is none");
    let oxygen = BandSays::Measured(Measured::Oxygen(Some(Supply::Air)));
    assert_eq!(silent_with(&|_| Some(oxygen)), None, "somebody has seen to them");
}

#[test]
fn a_sign_of_life_that_comes_late_takes_it_back_and_the_silence_counts_from_there() {
    let mut rows = while_it(|at_ms| at_ms < DAY, 3);
    // At 38 hours it comes out that they were heard at 30: so it is told at 42.
    let at = rows.iter().position(|row| row.at_ms >= 38 * HOUR).unwrap();
    rows.insert(at, pulse(30 * HOUR - MIN));
    assert_eq!(
        hours(&watched(NoSignal::default(), &rows)),
        [(24, 12, 36, false), (24, 12, 36, true), (30, 12, 42, false)]
    );
    // That they were heard at 37 is no word of the half day before, which is one of their silences from now on.
    rows[at] = pulse(37 * HOUR - MIN);
    assert_eq!(hours(&watched(NoSignal::default(), &rows)), [(24, 12, 36, false), (37, 19, 56, false)]);
    // Back, and only then is the day uploaded.
    let mut rows = while_it(|at_ms| !(DAY..2 * DAY).contains(&at_ms), 3);
    let at = rows.iter().position(|row| row.at_ms >= 49 * HOUR).unwrap();
    let bulk: Vec<WornRow> = (0..24 * 12).map(|nth| pulse(DAY + nth * 5 * MIN)).collect();
    rows.splice(at..at, bulk);
    assert_eq!(hours(&watched(NoSignal::default(), &rows)), [(24, 12, 36, false), (24, 12, 36, true)]);
}

/// Bands behind a gateway that can be cut off, and somebody else whose rows move the clock.
struct Gateway {
    running: Running,
    stage: SyncSender<Scene<WornRow>>,
    host: Sender<WornRow>,
    sent: u64,
    now_ms: i64,
}

impl Gateway {
    fn new() -> Self {
        let (played, stage) = Played::new();
        let job = Job::new(move |flow| {
            let any_time = EventTime { max_skew_ms: 400 * DAY, ..WornRow::EVENT_TIME };
            let bands = flow.source::<WornRow, _, _>("bands", played.clone(), Json).rows;
            let rows = bands.union(flow.channel("host")).key_by(|row| row.wearer).event_time(any_time);
            rows.detect("no signal", NoSignal::default()).out.to_channel("concerns");
        });
        let ticks = TickSource::FromEvents { interval_ms: MIN, max_jump_ms: 400 * DAY };
        let mut running = job.ticks(ticks).start().unwrap();
        let host = running.sender("host").unwrap();
        Gateway { running, stage, host, sent: 0, now_ms: 0 }
    }

    /// The gateway does these things, and all of them have entered the job.
    fn plays(&mut self, scenes: Vec<Scene<WornRow>>) {
        for scene in scenes {
            if let Scene::Rows(rows) = &scene {
                self.sent += rows.len() as u64;
            }
            self.stage.send(scene).unwrap();
        }
        while self.running.metrics().sources["bands"].rows < self.sent {
            assert!(!self.running.failed());
            std::thread::yield_now();
        }
    }

    /// The clock goes on until then.
    fn until(&mut self, to_ms: i64) {
        let rows: Vec<WornRow> = (self.now_ms..=to_ms)
            .step_by(5 * MIN as usize)
            .map(|at_ms| WornRow { wearer: OTHER, ..pulse(at_ms) })
            .collect();
        let sent = self.running.metrics().sources["host"].rows + rows.len() as u64;
        self.host.send(rows).unwrap();
        while self.running.metrics().sources["host"].rows < sent {
            std::thread::yield_now();
        }
        self.now_ms = to_ms;
    }

    /// The person is heard every five minutes, and the clock goes on beside it.
    fn hears(&mut self, from_ms: i64, to_ms: i64) {
        for from_ms in (from_ms..to_ms).step_by(HOUR as usize) {
            let rows = (from_ms..from_ms + HOUR).step_by(5 * MIN as usize).map(pulse).collect();
            self.plays(vec![Scene::Rows(rows)]);
            self.until(from_ms + HOUR);
        }
    }

    /// Cut off, with a last row that was under way, so that this has surely entered the job.
    fn is_lost(&mut self) {
        let last = WornRow { wearer: Wearer::Person(9), ..pulse(self.now_ms) };
        self.plays(vec![Scene::Lost, Scene::Rows(vec![last])]);
    }

    /// Back, with these.
    fn is_back(&mut self, rows: Vec<WornRow>) {
        let heard = WornRow { wearer: Wearer::Person(9), ..pulse(self.now_ms) };
        self.plays(vec![Scene::Rows(rows), Scene::Idle, Scene::Rows(vec![heard])]);
    }

    fn end(mut self) -> Vec<(i64, i64, i64, bool)> {
        drop((self.stage, self.host));
        hours(&taken(&mut self.running))
    }
}

#[test]
fn an_outage_of_ours_is_no_silence_of_theirs_and_who_was_silent_before_keeps_the_time() {
    // Silent from 26 h on; cut off from 34 h to 54 h: 8 of the 12 hours were over, and 4 are to come.
    let mut gateway = Gateway::new();
    gateway.plays(vec![Scene::Idle]);
    gateway.hears(0, 26 * HOUR);
    gateway.until(34 * HOUR);
    gateway.is_lost();
    gateway.until(54 * HOUR);
    gateway.is_back(Vec::new());
    gateway.until(60 * HOUR);
    assert_eq!(gateway.end(), [(26, 12, 58, false)]);
}

#[test]
fn what_a_gateway_brings_after_an_outage_is_no_word_of_a_silence_before_it() {
    // Cut off from 26 h to 46 h, and all is brought then, the oldest first and an hour at a time.
    let mut gateway = Gateway::new();
    gateway.plays(vec![Scene::Idle]);
    gateway.hears(0, 26 * HOUR);
    gateway.is_lost();
    gateway.until(46 * HOUR);
    for hour in 26..46 {
        let rows = (0..12).map(|nth| pulse(hour * HOUR + nth * 5 * MIN)).collect();
        gateway.plays(vec![Scene::Rows(rows)]);
        gateway.until(46 * HOUR + (hour - 25) * MIN);
    }
    gateway.is_back(Vec::new());
    gateway.until(60 * HOUR);
    let told = gateway.end();
    assert!(matches!(told[..], [(46, 12, 58, false)]), "after 12 hours, of which the outage was none: {told:?}");
}

/// A row of the beginning of time takes no memory.
#[test]
fn rows_that_are_far_apart_are_borne() {
    let mut rows = while_it(|at_ms| at_ms < DAY, 2);
    rows.insert(0, pulse(-(1 << 60)));
    assert_eq!(hours(&watched(NoSignal::default(), &rows)).last(), Some(&(24, 12, 36, false)));
}

#[test]
fn that_it_was_taken_off_is_told_and_excuses_nobody() {
    let mut rows = while_it(|at_ms| at_ms < DAY, 2);
    rows.push(row(DAY - MIN, BandSays::Worn(false)));
    rows.sort_by_key(|row| row.at_ms);
    let told = watched(NoSignal::default(), &rows);
    assert!(matches!(told[..], [(Concern { evidence: Evidence::Silence { taken_off: true, .. }, .. }, false)]));
    assert!(!format!("{told:?}").contains("since"), "when somebody was away is nobody's business");
}

/// Whoever has handed the band back is not missed, until another band of theirs says something.
#[test]
fn who_has_handed_the_band_back_is_not_missed() {
    let (back, again) = (DAY - 5 * MIN + 1, 3 * DAY);
    let mut rows = while_it(|at_ms| at_ms < DAY || (again..again + HOUR).contains(&at_ms), 7);
    rows.push(row(back, BandSays::Returned));
    rows.sort_by_key(|row| row.at_ms);
    let told = hours(&watched(NoSignal::default(), &rows));
    assert_eq!(told, [(73, 72, 145, false)], "of the other band, by the longest silence so far");
    // Recorded late, it takes back what was told.
    let mut rows = while_it(|at_ms| at_ms < DAY, 3);
    let at = rows.iter().position(|row| row.at_ms > 2 * DAY).unwrap();
    rows.insert(at, row(back, BandSays::Returned));
    assert_eq!(hours(&watched(NoSignal::default(), &rows)), [(24, 12, 36, false), (24, 12, 36, true)]);
    // Of somebody to whom another was given before it is not their last.
    let mut rows = while_it(|at_ms| at_ms < DAY, 3);
    rows.insert(5, row(HOUR, BandSays::Given));
    rows.insert(6, row(HOUR, BandSays::Given));
    rows.push(row(back, BandSays::Returned));
    rows.sort_by_key(|row| row.at_ms);
    assert_eq!(hours(&watched(NoSignal::default(), &rows)), [(24, 12, 36, false)]);
    // That the old one was off says nothing of the new one.
    let mut rows = while_it(|at_ms| at_ms < DAY || (2 * DAY..3 * DAY).contains(&at_ms), 5);
    rows.extend([row(back - 1, BandSays::Worn(false)), row(back, BandSays::Returned)]);
    rows.sort_by_key(|row| row.at_ms);
    assert_eq!(hours(&watched(NoSignal::default(), &rows)).len(), 1, "told again of the silence after it");
    // What was heard after it counts.
    let mut rows = while_it(|at_ms| at_ms < DAY, 3);
    rows.insert(5, row(HOUR, BandSays::Returned));
    assert_eq!(hours(&watched(NoSignal::default(), &rows)), [(24, 12, 36, false)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// However rows were cut, on however many workers, and with every state read back.
    #[test]
    fn it_is_the_same_however_it_was_cut(on in prop::collection::vec(any::<bool>(), 40), late in prop::collection::vec((0_usize..2_000, 0_usize..300), 0..8), seed in any::<u64>()) {
        let watch = NoSignal { after_ms: 2 * HOUR, most_ms: 6 * HOUR, days: 1, ..NoSignal::default() };
        let mut rows = while_it(|at_ms| on[(at_ms / (2 * HOUR)) as usize % on.len()], 3);
        for (at, by) in late {
            let (at, to) = (at % rows.len(), (at + by) % rows.len());
            let row = rows.remove(at.min(to));
            rows.insert(at.max(to).min(rows.len()), row);
        }
        let mut running = job(watch.clone()).record().start().unwrap();
        let sender = running.sender::<WornRow>("bands").unwrap();
        rows.chunks(50).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        let told = taken(&mut running);
        let recording = running.recording().unwrap();
        let mut again = job(watch).workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 9)).unwrap();
        prop_assert_eq!(taken(&mut again), told);
    }
}
