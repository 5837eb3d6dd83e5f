//! People who fall on purpose, and who do not, with an accelerometer at the wrist: is it told which is which, as a stream, by what was learned from others?
//!
//! Each person's trials follow each other, a minute apart, and nothing tells the detector where one begins. What is told of a person is by what was learned from all others. Old people did not fall: of them it is told how
//! often they would be troubled for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::connect::datagen::Draw;
use watchfire::wristband::{
    Acceleration, Concern, Evidence, FallModel, FallTells, FallTrial, FallWatch, Grade, MotionRow, Wearer,
};
use watchfire::{Change, EventTime, Job, TickSource};

use crate::metrics::bootstrap;
use crate::{Failed, archive};

const DAY_MS: i64 = 86_400_000;

/// 1 January 2020: all begin then.
const FIRST_MS: i64 = 1_577_836_800_000;

/// Between two trials of a person.
const APART_MS: i64 = 60_000;

/// Who is numbered from here on is old: eleven people of 77 to 95 years in the published set.
const OLD_FROM: u32 = 21;

/// From so many trials of another band it is learned anew: half of them falls.
const FEW: usize = 20;

/// Somebody who did something once.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What: as the set has it, F and a number for falls, D and a number for what is none.
    pub activity: String,
    pub person: u32,
    /// In the order of time.
    pub samples: Vec<(i64, Acceleration)>,
}

impl Trial {
    fn fell(&self) -> bool {
        self.activity.starts_with('F')
    }

    fn hours(&self) -> f64 {
        let ends = self.samples.first().zip(self.samples.last());
        ends.map_or(0.0, |(first, last)| (last.0 - first.0) as f64) / 3_600_000.0
    }

    fn labelled(&self) -> FallTrial {
        FallTrial { samples: self.samples.clone(), fell: self.fell() }
    }

    /// As another model of band might have told it: half as often, a fifth less, and no more than 3 g along an axis.
    fn of_another_band(&self) -> Trial {
        let weaker = |of: Acceleration| Acceleration { mg: of.mg.map(|mg| (mg / 5 * 4).clamp(-3_000, 3_000)) };
        let samples = self.samples.iter().step_by(2).map(|(ms, is)| (*ms, weaker(*is))).collect();
        Trial { samples, ..self.clone() }
    }
}

/// By what is told of each person.
type Models = BTreeMap<u32, FallModel>;

/// A trial, and whether a fall was told of it.
type Told<'t> = (&'t Trial, bool);

pub fn evaluate(trials: &[Trial], seed: u64) -> Result<String, Failed> {
    let people: BTreeSet<u32> = trials.iter().map(|of| of.person).collect();
    let labelled: Vec<(u32, FallTrial)> = trials.iter().map(|of| (of.person, of.labelled())).collect();
    let learned = of_each(&people, |person| {
        let others: Vec<FallTrial> = labelled.iter().filter(|of| of.0 != person).map(|of| of.1.clone()).collect();
        Ok(FallModel::learn(&others)?)
    })?;
    let another: Vec<Trial> = trials.iter().map(Trial::of_another_band).collect();
    let adapted = of_each(&people, |person| {
        let before = learned.get(&person).ok_or("a person without a model")?;
        Ok(before.adapt(&few(&another, person, seed))?)
    })?;
    let by_rule: Models = people.iter().map(|person| (*person, FallModel::default())).collect();
    let ways = [
        ("the rule", trials, &by_rule),
        (LEARNED, trials, &learned),
        ("another band, the rule", &another[..], &by_rule),
        ("another band, as learned with this", &another, &learned),
        ("another band, adapted by 20 trials", &another, &adapted),
    ];
    let mut table = Builder::default();
    table.push_record([
        "way",
        "sensitivity",
        "by person",
        "specificity",
        "by person",
        "of the old",
        "told for nothing",
    ]);
    let mut wrong = String::new();
    for (way, trials, models) in ways {
        let told: Vec<Told<'_>> = trials.iter().zip(told(trials, models)?).collect();
        table.push_record(std::iter::once(way.to_owned()).chain(record(&told, seed)));
        if way == LEARNED {
            wrong = activities(&told);
        }
    }
    let mut table: Table = table.build();
    table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
    let falls = trials.iter().filter(|of| of.fell()).count();
    Ok(format!(
        "{falls} falls and {} trials without of {} people, told as a stream, each by what was learned from all others; of nineteen in twenty draws of people in between:\n{table}\n{wrong}\n\
         The other band is made of this one: half as often, a fifth less, at most 3 g. Nobody old has fallen: of them nothing is said but how seldom they are told of for nothing.",
        trials.len() - falls,
        people.len(),
    ))
}

const LEARNED: &str = "learned";

fn record(told: &[Told<'_>], seed: u64) -> [String; 6] {
    let people: Vec<u32> = told.iter().map(|of| of.0.person).collect();
    let once = vec![1.0; told.len()];
    let (fell, did_not) = (|of: &Trial| of.fell(), |of: &Trial| !of.fell());
    let spread = |is_it: fn(&Trial) -> bool| {
        let (low, high) = bootstrap(&people, seed, |counts| share_right(told, counts, is_it));
        format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high)
    };
    let share = |is_it: fn(&Trial) -> bool| format!("{:.1} %", 100.0 * share_right(told, &once, is_it));
    let hours: f64 = told.iter().filter(|of| !of.0.fell()).map(|of| of.0.hours()).sum();
    let wrong = told.iter().filter(|of| of.1 && !of.0.fell()).count();
    [
        share(fell),
        spread(fell),
        share(did_not),
        spread(did_not),
        share(|of| of.person >= OLD_FROM && !of.fell()),
        format!("{wrong} in {hours:.2} h: {:.1} an hour", wrong as f64 / hours.max(1e-9)),
    ]
}

/// Of how many of a kind it is told right, each counted so often.
fn share_right(told: &[Told<'_>], counts: &[f64], is_it: fn(&Trial) -> bool) -> f64 {
    let sum = |of: &dyn Fn(&Told<'_>) -> bool| -> f64 {
        told.iter().zip(counts).filter(|(told, _)| of(told)).map(|(_, count)| count).sum()
    };
    sum(&|of| is_it(of.0) && of.1 == of.0.fell()) / sum(&|of| is_it(of.0))
}

fn of_each(people: &BTreeSet<u32>, model: impl Fn(u32) -> Result<FallModel, Failed>) -> Result<Models, Failed> {
    people.iter().map(|person| Ok((*person, model(*person)?))).collect()
}

/// Some trials of others than a person: half of them falls.
fn few(trials: &[Trial], person: u32, seed: u64) -> Vec<FallTrial> {
    let of = |fell: bool| {
        let mut drawn: Vec<(i64, &Trial)> = (0..)
            .zip(trials)
            .filter(|(_, of)| of.person != person && of.fell() == fell)
            .map(|(nth, of)| (Draw::new(seed, person, nth).between(0, i64::MAX), of))
            .collect();
        drawn.sort_by_key(|of| of.0);
        drawn.into_iter().take(FEW / 2).map(|of| of.1.labelled())
    };
    of(true).chain(of(false)).collect()
}

/// What is missed, and what is told for nothing.
fn activities(all: &[Told<'_>]) -> String {
    let mut of = BTreeMap::<&str, (bool, usize, usize)>::new();
    for (trial, told) in all {
        let (fell, wrong, count) = of.entry(&trial.activity).or_default();
        (*fell, *wrong, *count) = (trial.fell(), *wrong + usize::from(*told != trial.fell()), *count + 1);
    }
    let list = |fell: bool| {
        let wrong = of.iter().filter(|of| of.1.0 == fell && of.1.1 > 0);
        wrong
            .map(|(activity, (_, wrong, count))| format!("{activity} {wrong} of {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!("By what was learned, missed: {}; told for nothing: {}.", list(true), list(false))
}

/// Whether a fall is told of each trial, through the engine.
fn told(trials: &[Trial], models: &Models) -> Result<Vec<bool>, Failed> {
    // Each person has a model of band of their own, which was learned without them.
    let device = |person: u32| u16::try_from(person).unwrap_or_default();
    let watch = FallWatch {
        models: models.iter().map(|(of, model)| (device(*of), model.clone())).collect(),
        ..FallWatch::default()
    };
    watch.check()?;
    let job = Job::new(move |flow| {
        let any_time = EventTime { max_skew_ms: 400 * DAY_MS, ..MotionRow::EVENT_TIME };
        let rows = flow.channel::<MotionRow>("motions").key_by(|row| row.wearer).event_time(any_time);
        rows.detect("people", watch.clone()).out.to_channel("falls");
    });
    let (mut rows, mut spans, mut ends) = (Vec::new(), Vec::new(), BTreeMap::<u32, i64>::new());
    for Trial { person, samples, .. } in trials {
        let end_ms = ends.entry(*person).or_insert(FIRST_MS);
        let (first_ms, begin_ms) = (samples.first().map_or(0, |of| of.0), *end_ms);
        let (wearer, device) = (Wearer::Person(*person), device(*person));
        rows.extend(samples.iter().map(|(ms, acceleration)| MotionRow {
            wearer,
            device,
            at_ms: begin_ms + ms - first_ms,
            acceleration: *acceleration,
        }));
        *end_ms += samples.last().map_or(0, |of| of.0 - first_ms) + APART_MS;
        spans.push((*person, begin_ms, *end_ms));
    }
    rows.sort_by_key(|row| row.at_ms);
    let mut running = job.ticks(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 400 * DAY_MS }).start()?;
    let (motions, falls) = (running.sender::<MotionRow>("motions")?, running.receiver::<Change<FallTells>>("falls")?);
    let sent = std::thread::spawn(move || rows.chunks(4_096).try_for_each(|rows| motions.send(rows.to_vec())));
    let mut impacts = BTreeSet::new();
    for (told, _) in Change::consolidate(falls.rows()) {
        match told {
            FallTells::Concern(Concern {
                wearer: Wearer::Person(person), grade: Grade::CallBack, evidence, ..
            }) => {
                if let Evidence::Fall { impact_ms, .. } = evidence {
                    impacts.insert((person, impact_ms));
                }
            }
            FallTells::Concern(_) => {}
            FallTells::Scale(scale) => return Err(format!("what the band says cannot be in g: {scale:?}").into()),
        }
    }
    sent.join().map_err(|_| "the sender has failed")?.map_err(|e| e.to_string())?;
    running.wait()?;
    Ok(spans.into_iter().map(|(of, from, until)| impacts.range((of, from)..(of, until)).next().is_some()).collect())
}

/// A packed archive, or a folder, of tables `ACTIVITY/UPERSON_RNTH_accel.csv`: a time in seconds, and three accelerations in m/s².
pub fn read(path: &Path) -> Result<Vec<Trial>, Failed> {
    read_trials(path).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn read_trials(path: &Path) -> Result<Vec<Trial>, Failed> {
    let texts = archive::texts(path, |at| named(at).is_some())?;
    let mut trials = Vec::new();
    for (at, text) in &texts {
        let Some((activity, person)) = named(at) else { continue };
        let samples = read_samples(text).map_err(|e| format!("{}: {e}", at.display()))?;
        trials.push(Trial { activity, person, samples });
    }
    if trials.is_empty() {
        return Err("no table of the name F01/U01_R01_accel.csv".into());
    }
    Ok(trials)
}

/// The activity and the person by the path of a table.
fn named(at: &Path) -> Option<(String, u32)> {
    let activity = at.parent()?.file_name()?.to_str()?;
    let (person, rest) = at.file_name()?.to_str()?.strip_prefix('U')?.split_once('_')?;
    let is_it = activity.starts_with(['D', 'F']) && rest.ends_with("_accel.csv");
    Some((activity.to_owned(), person.parse().ok()?)).filter(|_| is_it)
}

fn read_samples(text: &str) -> Result<Vec<(i64, Acceleration)>, Failed> {
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut samples = Vec::new();
    for (record, nth) in table.records().zip(2..) {
        let record = record?;
        let number = |column: usize| {
            let of = record.get(column).and_then(|of| of.parse::<f64>().ok()).filter(|of| of.is_finite());
            of.ok_or(format!("line {nth}: no number in column {}", column + 1))
        };
        let acceleration = Acceleration::from_m_s2([number(1)?, number(2)?, number(3)?]).ok_or("no number")?;
        samples.push(((number(0)? * 1_000.0).round() as i64, acceleration));
    }
    samples.sort_unstable();
    Ok(samples)
}

/// Six people who fall and who sit down, clap or walk, all at another strength.
pub fn drawn(seed: u64) -> Vec<Trial> {
    let trial = |person: u32, nth: u32| {
        let mut draw = Draw::new(seed, person, nth.into());
        let (kind, hard) = (nth % 4, 1.8 + 1.5 * draw.unit());
        let samples = (0..8_000).step_by(20).filter_map(|ms| {
            let (noise, still) = (0.5 * draw.unit(), 0.02 * draw.unit());
            let g = match ms {
                3_000 if kind < 3 => [0.3, 0.5, hard],
                2_700..3_000 if kind == 0 => [0.1 * noise, 0.1, 0.3],
                3_001.. if kind == 0 => [1.0 + still, 0.1, still],
                _ if kind == 1 && ms % 400 == 0 => [0.2, hard, noise],
                _ if kind == 2 => [still, 0.1, 1.0 + still],
                _ => [noise, 0.2, 0.8 + noise],
            };
            Some((ms, Acceleration::from_g(g)?))
        });
        let activity = ["F01", "D01", "D02", "D03"][kind as usize].to_owned();
        Trial { activity, person, samples: samples.collect() }
    };
    (17..23)
        .flat_map(|person| (0..16).map(move |nth| trial(person, nth)))
        .filter(|of| of.person < OLD_FROM || !of.fell())
        .collect()
}
