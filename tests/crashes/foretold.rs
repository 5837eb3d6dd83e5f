//! Weeks of a few lifts that wear: what is foretold of them, listed for mechanics, kept on record and learned is the same after every crash.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use watchfire::connect::format::JsonLines;
use watchfire::detect::{Example, Foretells, Foretold, Frozen, Ftrl, Horizon, Node, Split, Tree, Trees};
use watchfire::dispatch::Person;
use watchfire::elevator::{
    CodeMap, FaultClass, Faults, Lift, LiftBook, LiftRecords, LiftRow, LiftSays, RescueStep, Tally, TrapConfig,
    Trapped, Visit, Visits, WEAR_FEATURES, Wear, WearDay, WearSim, WearSimConfig,
};
use watchfire::sink::CommitMode;
use watchfire::testing::{FaultySink, Lives, World};
use watchfire::{Change, Compose, Job, TickSource};

use crate::Draw;
use crate::flows::{source, two_phase};

const DAY_MS: i64 = 86_400_000;
const LIFTS: u32 = 3;
const DAYS: u32 = 16;

/// Tables say what is left at the end of each epoch, so of these only what is left in the end is the same.
const TABLES: [&str; 2] = ["visits", "records"];
const STREAMS: [&str; 2] = ["examples", "learned"];

/// What each sink shows: rows, and how often each is there.
type Shown = BTreeMap<&'static str, BTreeMap<String, i64>>;

pub(crate) struct Lifts {
    book: Arc<LiftBook>,
    rows: Vec<LiftRow>,
    expected: Shown,
}

/// Somebody presses the button; help comes after 20 minutes, or never. Who is out is told days later.
fn call(lift: u32, at_ms: i64, comes: bool) -> Vec<LiftRow> {
    let row = |after_ms: i64, says| LiftRow { lift, at_ms: at_ms + after_ms, says };
    let step = |minutes: i64, step| {
        let by = Person::named("mechanic 7", "went there");
        row(minutes * 60_000, LiftSays::Rescue { step, nth: None, by })
    };
    let mut rows = vec![row(0, LiftSays::Code(CodeMap::city().read("15")))];
    if comes {
        rows.extend([step(2, RescueStep::Answered), step(20, RescueStep::Arrived)]);
        rows.push(step(3 * 24 * 60, RescueStep::Released));
    }
    rows.push(step(4 * 24 * 60, RescueStep::Closed { false_alarm: false }));
    rows
}

/// In the order in which they arrive, up to 1.9 s late.
fn rows(config: WearSimConfig) -> Vec<LiftRow> {
    let (at, sim) = (|hour: i64| config.first_day_ms + hour * 3_600_000, WearSim::new(config.clone()));
    let lifts = (1..=LIFTS).map(|lift| sim.lift(lift, DAYS));
    let mut rows: Vec<LiftRow> = lifts.flat_map(|lift| (0..DAYS).flat_map(move |day| lift.day(day))).collect();
    rows.extend(
        [call(2, at(2 * 24 + 9), true), call(3, at(5 * 24 + 11), false), call(1, at(8 * 24 + 9), true)].concat(),
    );
    let power = |hour: i64, lost| LiftRow { lift: 1, at_ms: at(hour), says: LiftSays::Power { lost } };
    rows.extend([power(11 * 24 + 10, true), power(11 * 24 + 12, false)]);
    let mut draw = Draw(4);
    let mut arrive: Vec<(i64, LiftRow)> =
        rows.into_iter().map(|row| (row.at_ms + draw.below(1_900) as i64, row)).collect();
    arrive.sort_by_key(|(arrives_ms, row)| (*arrives_ms, row.lift));
    arrive.into_iter().map(|(_, row)| row).collect()
}

/// Trees of one question each.
fn trees() -> Trees {
    let stump = |name: &str, below: f64| {
        let feature = WEAR_FEATURES.iter().position(|of| *of == name).unwrap() as u32;
        let split = Split { feature, below, left: 1, right: 2, missing_left: true };
        Tree { nodes: vec![Node { value: 0.0, split: Some(split) }, Node::leaf(-0.5), Node::leaf(1.0)] }
    };
    let stumps = [
        ("all signs together", 0.5),
        ("faults lately", 0.05),
        ("it failed today", 0.5),
        ("door cycles since it was mended or first seen", 0.04),
    ];
    let trees = stumps.map(|(name, below)| stump(name, below)).to_vec();
    Trees::new(WEAR_FEATURES.map(str::to_owned).to_vec(), -2.0, trees).unwrap()
}

impl Lifts {
    pub(crate) fn new() -> Self {
        let lift = |lift: u32| Lift { building: (lift < 3).then_some(7), firm: lift.div_ceil(2), ..Lift::default() };
        let book = Arc::new(LiftBook::new((1..=LIFTS).map(|number| (number, lift(number)))));
        let config = WearSimConfig {
            seed: 6,
            trips_a_day: 8.0,
            faults_a_year: 150.0,
            offline_a_day: 0.03,
            visit_every_days: 4,
            told_share: 0.6,
            ..WearSimConfig::default()
        };
        let mut of = Lifts { book, rows: rows(config), expected: Shown::new() };
        let (never, kept) = (Lives { deaths_max: 0, outages: false, ..Lives::default() }, RefCell::default());
        never.judge(
            "--test crashes foretold",
            [0],
            |world| of.job(world),
            |world| shown(world).map(|shown| _ = kept.replace(shown)),
        );
        of.expected = kept.into_inner();
        of.says_something();
        of
    }

    /// What shows nothing proves nothing.
    fn says_something(&self) {
        let says = |name: &str, what: &str| self.expected[name].keys().filter(|row| row.contains(what)).count();
        assert!(
            says("visits", r#""worth_yuan""#) == 2 && says("visits", "usually") > 0,
            "{:?}",
            self.expected["visits"]
        );
        let none = |what: &str| format!(r#""{what}":0,"#);
        for what in ["days", "repeats", "trappings", "calls", "in_time", "visits", "visits_on_time", "repairs"] {
            let zero = says("records", &none(what));
            assert!(zero < LIFTS as usize, "no lift has {what}: {:?}", self.expected["records"]);
        }
        for label in [r#"{"known":true}"#, r#"{"known":false}"#, r#""censored""#, r#""open""#] {
            assert!(says("examples", label) > 5, "{label}");
        }
        assert!(says("learned", "") > 200);
    }

    pub(crate) fn job(&self, world: &World) -> Job {
        let source = source(world, std::slice::from_ref(&self.rows));
        let [to_visits, to_records] = TABLES.map(|name| two_phase(world, name));
        let [to_examples, to_learned] = STREAMS.map(|name| two_phase(world, name));
        let trapped = Trapped::new(TrapConfig::default(), self.book.clone()).unwrap();
        let (book, trees) = (self.book.clone(), trees());
        let wear = Wear { first_trips: 3, warm_up_days: 3, ..Wear::default() };
        let visits = Visits { a_day: 1, ..Visits::new(book.clone()) };
        let records = LiftRecords { visit_every_days: 4, ..LiftRecords::default() };
        let job = Job::new(move |flow| {
            let (of_site, of_lift) = (book.clone(), book.clone());
            let rows = flow.source::<LiftRow, _, _>("in", source.clone(), JsonLines::new()).rows;
            let lifts = rows.clone().flat_map(move |row| of_lift.each(row)).key_by(|row| row.lift);
            let lifts = lifts.event_time(LiftRow::EVENT_TIME);
            let days = lifts.detect("wear", LiftRow::in_order(3_000).then(wear.clone())).out.1;
            let asked = days.clone().map(WearDay::asked).key_by(|of| of.asset.0);
            let foretold = asked.detect("foretold", Frozen::new(trees.clone())).out;
            let list = visits.clone().list(days.clone(), foretold).changes();
            list.to_sink(TABLES[0], to_visits.clone(), JsonLines::<Change<(u32, Visit)>>::new());
            let soon = Horizon::new(3 * DAY_MS, DAY_MS * 3 / 2, WearDay::observed).slack_ms(3_600_000);
            let examples = days.key_by(|day| (day.lift, day.class)).detect("soon", soon).out;
            examples.clone().to_sink(STREAMS[0], to_examples.clone(), JsonLines::<Example<(u32, FaultClass)>>::new());
            let learns = Foretells::new(Ftrl::default()).positive_weight(3.0);
            let learned = examples.key_by(|_| 0_u8).detect("learns", learns).out;
            learned.to_sink(STREAMS[1], to_learned.clone(), JsonLines::<Foretold<(u32, FaultClass)>>::new());
            let sites = rows.clone().key_by(move |row| of_site.site(row.lift)).event_time(LiftRow::EVENT_TIME);
            let told = sites.detect("trapped", LiftRow::in_order(3_000).then(trapped.clone())).out.1;
            let lifts = records.clone().of_lifts(book.clone(), rows, Faults::default(), told).changes();
            lifts.to_sink(TABLES[1], to_records.clone(), JsonLines::<Change<(u32, Tally)>>::new());
        });
        job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 60 * DAY_MS })
    }

    /// What sinks show otherwise than without a crash.
    pub(crate) fn judge(&self, world: &World) -> Result<(), String> {
        for (name, shown) in shown(world)? {
            let expected = &self.expected[name];
            let odd = shown.keys().chain(expected.keys()).find(|row| shown.get(*row) != expected.get(*row));
            if let Some(row) = odd {
                let [is, should] = [&shown, expected].map(|all| all.get(row).copied().unwrap_or(0));
                return Err(format!("sink \"{name}\" shows {is} times, not {should}: {row}"));
            }
        }
        Ok(())
    }
}

fn shown(world: &World) -> Result<Shown, String> {
    let sink = |name| (name, world.sink(name, CommitMode::TwoPhase));
    TABLES.into_iter().chain(STREAMS).map(sink).map(|(name, sink)| Ok((name, left(name, &sink)?))).collect()
}

/// What is left of the changes that a sink shows; a stream has none. Nothing is taken back before it is shown.
fn left(name: &str, sink: &FaultySink) -> Result<BTreeMap<String, i64>, String> {
    let mut left = BTreeMap::new();
    for row in sink.visible() {
        let text = String::from_utf8(row.body).unwrap();
        let (row, times) = match text.strip_prefix(r#"{"Retract":"#) {
            Some(row) => (format!(r#"{{"Insert":{row}"#), -1),
            None => (text, 1),
        };
        let sum = left.entry(row.clone()).or_insert(0);
        *sum += times;
        match *sum {
            ..0 => return Err(format!("sink \"{name}\" takes back what it does not show: {row}")),
            0 => _ = left.remove(&row),
            1.. => {}
        }
    }
    Ok(left)
}
