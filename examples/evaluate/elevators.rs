//! Lifts of which daily counters are known: do their doors fail tomorrow, does their safety chain open?
//!
//! Every day is foretold by what was known before it, in one pass: labels that came to be known teach the model, and what is asked on the last two days is
//! judged. Beside it, trees that are grown on the days before these. Both also without any label of the lifts that they are judged by: as a fleet that is new. Onsets are failures of lifts whose doors have not failed on any day that was seen: repeats are easy, and are not shown as if they were onsets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::calendar::Zone;
use watchfire::connect::datagen::Draw;
use watchfire::detect::{Example, Foretells, Foretold, Ftrl, Horizon, InOrder, Label, Observed};
use watchfire::elevator::{DailyCounters, FEATURES, History, LiftDay};
use watchfire::{Compose, EventTime, Job, TickSource};

use crate::Failed;
use crate::metrics::{self, Ranked, bootstrap, precision_at};
use crate::train::{self, Growth, Model};

const DAY_MS: i64 = 86_400_000;

/// Days that are asked on and judged.
const TEST_DAYS: i64 = 2;

/// The share of lifts that a crew can visit in a day.
const VISITS: f64 = 0.05;

/// Ways to tell, the plain ones first.
const WAYS: [&str; 9] = [
    "random",
    "busiest",
    "as today",
    "share of days",
    "today and before",
    "ftrl, one pass",
    "trees of the days before",
    "ftrl, of other lifts",
    "trees of the days before, of other lifts",
];
const BUSIEST: usize = 1;

/// Lifts are parted so, and those of each part judged by what was learned from the others.
const PARTS: u32 = 5;

fn part(lift: u32) -> u32 {
    (Draw::new(11, lift, 0).unit() * f64::from(PARTS)) as u32
}

/// By five parts of the lifts in turn, within the days that are learned from.
pub const GROWTH: Growth = Growth { trees: 200, depth: 4, rate: 0.05, leaf: 5.0, l2: 1.0 };

/// What is foretold.
struct Target {
    name: &'static str,
    /// What happened in a day.
    observe: fn(&LiftDay) -> Observed,
    /// The features that plain ways go by: today, before, and the share of days.
    plain: [usize; 3],
    /// Only those to whom it has not happened, as the second table has them.
    fresh: fn(&LiftDay) -> bool,
    fresh_name: &'static str,
}

const TARGETS: [Target; 2] = [
    Target {
        name: "doors fail tomorrow",
        observe: LiftDay::doors,
        plain: [0, 1, 2],
        fresh: |day| !day.failed_before && !day.door_failed,
        fresh_name: "of lifts whose doors have not failed yet",
    },
    Target {
        name: "the safety chain opens tomorrow",
        observe: LiftDay::safety_chain,
        plain: [12, 13, 14],
        fresh: |day| !day.chain_opened,
        fresh_name: "of lifts where it did not open today",
    },
];

pub fn evaluate(days: Vec<DailyCounters>, growth: &Growth) -> Result<String, Failed> {
    let last_ms = last_of_fleet(&days);
    let from_ms = last_ms - TEST_DAYS * DAY_MS;
    let mut text = String::new();
    for target in &TARGETS {
        let mut run = Run::of(target, days.clone(), None)?;
        run.grow(growth, from_ms)?;
        for unseen in 0..PARTS {
            let others = Run::of(target, days.clone(), Some(unseen))?;
            run.of_others.extend(others.likely.into_iter().filter(|((lift, _), _)| part(*lift) == unseen));
        }
        let asked = |at_ms: i64| (from_ms..last_ms).contains(&at_ms);
        let all: Vec<(metrics::Foretold, &LiftDay)> = run
            .days
            .iter()
            .filter(|((_, at_ms), _)| asked(*at_ms))
            .filter_map(|(of, day)| run.judged(target, *of, day))
            .collect();
        let nobody = run.days.keys().filter(|(_, at_ms)| asked(*at_ms)).count() - all.len();
        let share = 100.0 * nobody as f64 / (all.len() + nobody).max(1) as f64;
        let _ = writeln!(
            text,
            "{}: {share:.1} % of {} lift-days have no day after them, and are not judged",
            target.name,
            all.len() + nobody
        );
        let fresh: Vec<metrics::Foretold> =
            all.iter().filter(|(_, day)| (target.fresh)(day)).map(|(of, _)| of.clone()).collect();
        let all: Vec<metrics::Foretold> = all.into_iter().map(|(of, _)| of).collect();
        for (whose, of) in [("of all lifts", &all), (target.fresh_name, &fresh)] {
            let _ = writeln!(text, "{}", table(whose, of));
        }
    }
    Ok(text.trim_end().to_owned())
}

/// The last day on which the fleet was seen, and not a few lifts whose clocks are ahead.
fn last_of_fleet(days: &[DailyCounters]) -> i64 {
    let mut lifts: BTreeMap<i64, usize> = BTreeMap::new();
    days.iter().for_each(|day| *lifts.entry(day.day_ms).or_default() += 1);
    let most = lifts.values().copied().max().unwrap_or(0);
    lifts.iter().rev().find(|(_, lifts)| **lifts * 10 >= most).map_or(0, |(day_ms, _)| *day_ms)
}

fn table(whose: &str, all: &[metrics::Foretold]) -> String {
    let happened = all.iter().filter(|of| of.happened).count();
    let once = vec![1.0; all.len()];
    let lifts: Vec<u32> = all.iter().map(|of| of.asset).collect();
    let visits = (all.len() as f64 * VISITS / TEST_DAYS as f64).round().max(1.0) as usize * TEST_DAYS as usize;
    let mut table = Builder::default();
    let heads = ["average precision", "95 %", "above busiest, 95 %", "precision of the first 5 %"];
    table.push_record(std::iter::once(whose).chain(heads));
    let ranks: Vec<Ranked> = (0..WAYS.len()).map(|by| Ranked::of(all, by)).collect();
    for (by, way) in WAYS.iter().enumerate() {
        let ranked = &ranks[by];
        let ap = ranked.average_precision(&once);
        let of = bootstrap(&lifts, 1, |times| ranked.average_precision(times));
        let above =
            bootstrap(&lifts, 1, |times| ranked.average_precision(times) - ranks[BUSIEST].average_precision(times));
        let above = if by == BUSIEST { String::new() } else { format!("{:+.3} to {:+.3}", above.0, above.1) };
        let precision = precision_at(all, by, visits);
        table.push_record([
            (*way).to_owned(),
            format!("{ap:.3}"),
            format!("{:.3} to {:.3}", of.0, of.1),
            above,
            format!("{precision:.3}"),
        ]);
    }
    let mut table = table.build();
    table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
    format!("{happened} of {} happened: {:.4}\n{table}", all.len(), happened as f64 / all.len().max(1) as f64)
}

/// What came of a run.
#[derive(Default)]
struct Run {
    days: BTreeMap<(u32, i64), LiftDay>,
    labels: BTreeMap<(u32, i64), Label>,
    likely: BTreeMap<(u32, i64), f64>,
    by_trees: BTreeMap<(u32, i64), f64>,
    /// The same, by what was learned from lifts of other parts.
    of_others: BTreeMap<(u32, i64), f64>,
    by_trees_of_others: BTreeMap<(u32, i64), f64>,
}

impl Run {
    /// Of lifts of an unseen part the model learns nothing.
    fn of(target: &Target, days: Vec<DailyCounters>, unseen: Option<u32>) -> Result<Run, Failed> {
        let observe = target.observe;
        let job = Job::new(move |flow| {
            let sorted = InOrder::new(|day: &DailyCounters| day.lift).quiet_ms(1_000 * DAY_MS);
            // A day that is missing is none on which nothing happened.
            let horizon = Horizon::new(DAY_MS, DAY_MS, observe).about("lift days");
            let days = flow.channel::<DailyCounters>("days").key_by(|day| day.lift);
            let ((_, days), examples) = days.detect("lifts", sorted.then(History::default()).then(horizon)).out;
            days.to_channel("lift days");
            examples.clone().to_channel("examples");
            // Lifts are heard one after another: what is foretold of a day knows what came of all lifts until then, and nothing of later days.
            let said = InOrder::new(|of: &Example<u32>| (of.label == Label::Open, of.asset, of.at_ms))
                .quiet_ms(1_000 * DAY_MS);
            let bounds = EventTime { disorder_ms: 2 * DAY_MS, ..EventTime::default() };
            let learned = examples.filter(move |of| of.label == Label::Open || unseen != Some(part(of.asset)));
            let model = learned.key_by(|_| 0_u8).event_time(bounds);
            model.detect("model", said.then(Foretells::new(Ftrl::default()))).out.1.to_channel("foretold");
        });
        let ticks = TickSource::FromEvents { interval_ms: DAY_MS, max_jump_ms: 1_000 * DAY_MS };
        let mut running = job.ticks(ticks).start()?;
        let sender = running.sender::<DailyCounters>("days")?;
        let (of_days, examples) =
            (running.receiver::<LiftDay>("lift days")?, running.receiver::<Example<u32>>("examples")?);
        let foretold = running.receiver::<Foretold<u32>>("foretold")?;
        let send =
            std::thread::spawn(move || days.chunks(4_096).try_for_each(|days| sender.send(days.to_vec())).is_ok());
        let (days, labels, likely) = std::thread::scope(|scope| {
            let days = scope.spawn(|| of_days.rows().map(|day| ((day.lift, day.day_ms), day)).collect());
            let labels = scope.spawn(|| {
                let known = examples.rows().filter(|example| example.label != Label::Open);
                known.map(|example| ((example.asset, example.at_ms), example.label)).collect()
            });
            let likely = foretold.rows().map(|of| ((of.asset, of.at_ms), of.likely.p)).collect();
            (days.join(), labels.join(), likely)
        });
        let gone = |_| "a thread that takes what leaves the job has panicked";
        let (days, labels) = (days.map_err(gone)?, labels.map_err(gone)?);
        let run = Run { days, labels, likely, ..Run::default() };
        if !send.join().unwrap_or(false) {
            return Err("the job took no more days".into());
        }
        running.wait()?;
        Ok(run)
    }

    /// Grows trees on what is known of the days before `from_ms`, and foretells those from then on: of all lifts, and of each part by the others.
    fn grow(&mut self, growth: &Growth, from_ms: i64) -> Result<(), Failed> {
        self.by_trees = self.grown(growth, from_ms, |_| true, |_| true)?;
        for unseen in 0..PARTS {
            let foretold = self.grown(growth, from_ms, |lift| part(lift) != unseen, |lift| part(lift) == unseen)?;
            self.by_trees_of_others.extend(foretold);
        }
        Ok(())
    }

    fn grown(
        &self,
        growth: &Growth,
        from_ms: i64,
        learns: impl Fn(u32) -> bool,
        asks: impl Fn(u32) -> bool,
    ) -> Result<BTreeMap<(u32, i64), f64>, Failed> {
        let known: Vec<(&[f64], bool)> = self
            .days
            .iter()
            .filter(|((lift, at_ms), _)| *at_ms < from_ms && learns(*lift))
            .filter_map(|(of, day)| match self.labels.get(of)? {
                Label::Known(happened) => Some((day.features.as_slice(), *happened)),
                Label::Open | Label::Censored => None,
            })
            .collect();
        let trees = train::grow(growth, &FEATURES.map(str::to_owned), &known)?;
        let asked = self.days.iter().filter(|((lift, at_ms), _)| *at_ms >= from_ms && asks(*lift));
        let asked = asked.map(|((asset, at_ms), day)| Example {
            asset: *asset,
            at_ms: *at_ms,
            said_ms: *at_ms,
            features: day.features.clone(),
            label: Label::Open,
        });
        train::foretold(Model::Trees(trees), asked.collect())
    }

    /// What was foretold of a lift on a day, by every way, if anybody knows what came of it.
    fn judged<'d>(
        &self,
        target: &Target,
        of: (u32, i64),
        day: &'d LiftDay,
    ) -> Option<(metrics::Foretold, &'d LiftDay)> {
        let Some(Label::Known(happened)) = self.labels.get(&of).copied() else { return None };
        let feature = |name: &str| FEATURES.iter().position(|of| *of == name).map_or(0.0, |at| day.features[at]);
        let [today, before, share] = target.plain.map(|at| day.features[at]);
        let random = Draw::new(7, of.0, of.1 as u64).unit();
        let mut scores = vec![random, feature("door operations today"), today, share, today + before];
        for learned in [&self.likely, &self.by_trees, &self.of_others, &self.by_trees_of_others] {
            scores.push(*learned.get(&of)?);
        }
        debug_assert_eq!(scores.len(), WAYS.len());
        Some((metrics::Foretold { asset: of.0, scores, happened }, day))
    }
}

pub fn read(path: &Path) -> Result<Vec<DailyCounters>, Failed> {
    read_table(path).map_err(|e| format!("{}: {e}", path.display()).into())
}

/// A table of a line a lift and day, packed or not.
fn read_table(path: &Path) -> Result<Vec<DailyCounters>, Failed> {
    let (file, mut text) = (std::fs::File::open(path)?, String::new());
    if path.extension().is_some_and(|of| of == "gz") {
        MultiGzDecoder::new(file).read_to_string(&mut text)?;
    } else {
        std::io::BufReader::new(file).read_to_string(&mut text)?;
    }
    let (mut table, zone, mut days) = (csv::Reader::from_reader(text.as_bytes()), Zone::named("UTC")?, Vec::new());
    for (line, nth) in table.deserialize::<BTreeMap<String, String>>().zip(2..) {
        let line = line?;
        let wrong = |what: &str| format!("line {nth}: {what}");
        let field =
            |name: &str| line.get(name).map(|text| text.trim()).ok_or_else(|| wrong(&format!("no column {name}")));
        let count = |name: &str| Ok::<f64, String>(field(name)?.parse().unwrap_or(f64::NAN));
        let day = DailyCounters {
            lift: field("elevatorunitId")?.parse().map_err(|e| wrong(&format!("elevatorunitId: {e}")))?,
            day_ms: zone.instant_ms(&format!("{} 00:00", field("Date")?)).map_err(|e| wrong(&e.to_string()))?,
            slow_door_operations: count("slow_door_operations")?,
            total_door_cycles: count("total_door_cycles")?,
            total_door_operations: count("total_door_operations")?,
            total_door_reversals: count("total_door_reversals")?,
            door_failure_events: count("door_failure_events")?,
            hoistway_faults: count("hoistway_faults")?,
            safety_chain_issues: count("safety_chain_issues")?,
            levelling_total_errors: count("levelling_total_errors")?,
            startup_delays: count("startup_delays")?,
            average_run_time: count("average_run_time")?,
            total_run_starts: count("total_run_starts")?,
        };
        match day.validate() {
            Ok(()) => days.push(day),
            Err(error) => eprintln!("evaluate: line {nth}: {error}: left out"),
        }
    }
    days.sort_by_key(|day| (day.day_ms, day.lift));
    Ok(days)
}

/// A fleet for a week, drawn from a seed: nothing like a real one, but lifts differ, and what fails has turned back more often the day before.
pub fn drawn(seed: u64) -> Vec<DailyCounters> {
    let mut days = Vec::new();
    for day in 0..7 {
        for lift in 0..600_u32 {
            let (mut of_lift, mut draw) = (Draw::new(seed, lift, 0), Draw::new(seed, lift, 1 + day as u64));
            let (frailty, operations) = (of_lift.unit().powi(4), 100.0 + (of_lift.unit() * 900.0).round());
            let wears = Draw::new(seed, lift, 100 + day as u64).unit() < 0.03;
            let worn_before = day > 0 && Draw::new(seed, lift, 99 + day as u64).unit() < 0.03;
            if draw.unit() < 0.02 {
                continue;
            }
            let fails = draw.unit() < frailty * 0.6 + if worn_before { 0.5 } else { 0.0 };
            let reversals = operations * (0.01 + 0.02 * draw.unit() + if wears { 0.05 } else { 0.0 });
            days.push(DailyCounters {
                lift,
                day_ms: (20_000 + day) * DAY_MS,
                total_door_operations: operations,
                total_door_cycles: (operations * 0.9).round(),
                total_door_reversals: reversals.round(),
                door_failure_events: if fails { 1.0 + (draw.unit() * 4.0).floor() } else { 0.0 },
                safety_chain_issues: f64::from(u8::from(draw.unit() < 0.05 + frailty * 0.2)),
                average_run_time: 30_000.0,
                total_run_starts: (operations / 3.0).round(),
                ..DailyCounters::default()
            });
        }
    }
    days.sort_by_key(|day| (day.day_ms, day.lift));
    days
}
