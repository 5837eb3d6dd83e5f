//! A nitrogen generator of which four sensors are known each minute: does it fail within the hour?
//!
//! By what the sensors were like over windows of 5 minutes to 4 hours, by no clock and no calendar. What is learned is learned from the months that come first,
//! the threshold of the alarm is chosen in those after them, and what comes last is judged.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::calendar::Zone;
use watchfire::connect::datagen::Draw;
use watchfire::detect::{
    Example, Foretells, Foretold, Ftrl, Horizon, Label, Measured, Observed, Reading, Rolled, Rolling, Rolls,
};
use watchfire::{Compose, Job, TickSource, Timed};

use crate::Failed;
use crate::alarmed::{self, MINUTE_MS, Part};
use crate::metrics::{self, Ranked, bootstrap};
use crate::train::{self, Growth, Known, Model};

const HORIZON_MS: i64 = 60 * MINUTE_MS;
/// A longer silence is a gap.
const GAP_MS: i64 = 5 * MINUTE_MS;
const DAY_MS: i64 = 86_400_000;

const SENSORS: [&str; 4] =
    ["CMS air pressure", "Concentrazione ossigeno base", "Nitrogen pressure", "Oxygen over threshold"];
const WITHIN: &str = "PW_1.0h";
const PARTS: [&str; 3] = ["train", "val", "test"];

/// By training in blocks of days, on those of the first part, and of one part for another; the last had no say.
pub const GROWTH: Growth = Growth { trees: 300, depth: 3, rate: 0.05, leaf: 20.0, l2: 1.0 };

/// What the sensors say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Minute {
    pub at_ms: i64,
    sensors: [f64; 4],
    /// It failed since the minute before.
    failed: bool,
}

impl Timed for Minute {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// The minutes of a part in the order of time, and whether it fails within the hour after each.
pub type Minutes = Vec<(Minute, bool)>;

/// The logarithm of the odds, by time.
type Scores = BTreeMap<i64, f64>;

pub fn evaluate(parts: [Minutes; 3], growth: &Growth) -> Result<String, Failed> {
    let minutes: Vec<Minute> = parts.iter().flatten().map(|(minute, _)| minute.clone()).collect();
    let run = Run::of(minutes.clone())?;
    let [train, val, test] = &parts.map(|of| Part::of(of.into_iter().map(|(minute, within)| (minute.at_ms, within))));
    let mut ways = vec![by_hour(train, [val, test])?, by_time_since(&minutes, train, [val, test])];
    ways.push(("ftrl, one pass", run.ftrl.clone()));
    ways.extend(run.learned(train, [val, test], growth)?);
    let mut text = String::new();
    for (name, part) in PARTS.iter().zip([train, val, test]) {
        text += &format!("{name}: {part}\n");
    }
    let mut table = Builder::default();
    let heads = ["average precision", "95 %, by day", "caught", "false a day", "minutes before", "caught in val"];
    table.push_record(std::iter::once("within the hour").chain(heads));
    for (name, scores) in &ways {
        let chosen = alarmed::choose(val, scores);
        let came = alarmed::alarms(test, scores, chosen.threshold);
        let judged = test.judged(scores);
        let ranked = Ranked::of(&judged, 0);
        let ap = ranked.average_precision(&vec![1.0; judged.len()]);
        let days: Vec<u32> = judged.iter().map(|of| of.asset).collect();
        let of = bootstrap(&days, 1, |times| ranked.average_precision(times));
        table.push_record([
            (*name).to_owned(),
            format!("{ap:.3}"),
            format!("{:.3} to {:.3}", of.0, of.1),
            format!("{} of {}", came.caught, came.of),
            format!("{:.2}", came.false_alarms as f64 / test.days()),
            came.before.map_or_else(|| "none".to_owned(), |minutes| format!("{minutes:.0}")),
            format!("{} of {}", chosen.caught, chosen.of),
        ]);
    }
    let mut table = table.build();
    table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
    Ok(format!("{text}{table}"))
}

/// What the engine has made of the minutes.
struct Run {
    features: BTreeMap<i64, Vec<f64>>,
    ftrl: Scores,
}

impl Run {
    fn of(minutes: Vec<Minute>) -> Result<Run, Failed> {
        let job = Job::new(|flow| {
            let rolls = Rolls::new(Rolling::default(), |minute: &Minute| Reading::Value(minute.sensors));
            let within_the_hour = Horizon::new(HORIZON_MS, GAP_MS, |rolled: &Rolled<Minute>| Observed {
                features: rolled.features.known().map(<[f64]>::to_vec),
                failed: rolled.row.failed,
                renewed: false,
            });
            let minutes = flow.channel::<Minute>("minutes").key_by(|_| 0_u32);
            // A label is known when the hour is over, or it has failed: until then nothing is learned from it.
            let model = rolls.then(within_the_hour).then(Foretells::new(Ftrl::default()));
            let ((_, examples), foretold) = minutes.detect("generator", model).out;
            examples.to_channel("examples");
            foretold.to_channel("foretold");
        });
        let sound = minutes.iter().filter(|minute| minute.sensors.unsound().is_none()).count();
        let ticks = TickSource::FromEvents { interval_ms: MINUTE_MS, max_jump_ms: 1_000 * DAY_MS };
        let mut running = job.ticks(ticks).start()?;
        let (sender, examples) = (running.sender::<Minute>("minutes")?, running.receiver::<Example<u32>>("examples")?);
        let foretold = running.receiver::<Foretold<u32>>("foretold")?;
        let send =
            std::thread::spawn(move || minutes.chunks(1_024).try_for_each(|of| sender.send(of.to_vec())).is_ok());
        let (features, ftrl) = std::thread::scope(|scope| {
            let open = scope.spawn(|| {
                let open = examples.rows().filter(|example| example.label == Label::Open);
                open.map(|example| (example.at_ms, example.features)).collect()
            });
            let ftrl = foretold.rows().map(|of| (of.at_ms, of.likely.why.iter().sum())).collect();
            (open.join(), ftrl)
        });
        let features = features.map_err(|_| "a thread that takes what leaves the job has panicked")?;
        if !send.join().unwrap_or(false) {
            return Err("the job took no more minutes".into());
        }
        running.wait()?;
        let run = Run { features, ftrl };
        if run.features.len() == sound { Ok(run) } else { Err("two rows are of the same minute".into()) }
    }

    /// What is told by what is learned from the first part.
    fn learned(&self, train: &Part, asked: [&Part; 2], growth: &Growth) -> Result<Vec<(&'static str, Scores)>, Failed> {
        let features = Rolling::default().names(&SENSORS);
        let known: Vec<(&[f64], bool)> =
            train.iter().filter_map(|(at_ms, within)| Some((self.features.get(&at_ms)?.as_slice(), within))).collect();
        let known: &Known<'_> = &known;
        let asked: Vec<Example<u32>> = asked
            .iter()
            .flat_map(|part| part.iter())
            .filter_map(|(at_ms, _)| {
                let features = self.features.get(&at_ms)?.clone();
                Some(Example { asset: 0, at_ms, said_ms: at_ms, features, label: Label::Open })
            })
            .collect();
        let models = [
            ("logistic on windows", Model::Line(train::line(&features, known)?)),
            ("logistic on bins of windows", Model::Trees(train::bins(&features, known)?)),
            ("trees on windows", Model::Trees(train::grow(growth, &features, known)?)),
        ];
        let told = models.into_iter().map(|(name, model)| {
            let of_time = train::foretold(model, asked.clone())?.into_iter().map(|((_, at_ms), of)| (at_ms, of));
            Ok((name, of_time.collect()))
        });
        told.collect()
    }
}

/// How often it failed within the hour, of all minutes of a kind: what is told of a minute by that alone.
fn by_kind(train: &Part, asked: [&Part; 2], kind: impl Fn(i64) -> i64) -> Scores {
    let mut seen: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for (at_ms, within) in train.iter() {
        let of = seen.entry(kind(at_ms)).or_default();
        (of.0, of.1) = (of.0 + f64::from(u8::from(within)), of.1 + 1.0);
    }
    let of = |at_ms: i64| {
        let (happened, all) = seen.get(&kind(at_ms)).copied().unwrap_or_default();
        let p = (happened / f64::max(all, 1.0)).clamp(1e-6, 1.0 - 1e-6);
        (p / (1.0 - p)).ln()
    };
    asked.iter().flat_map(|part| part.iter()).map(|(at_ms, _)| (at_ms, of(at_ms))).collect()
}

fn by_hour(train: &Part, asked: [&Part; 2]) -> Result<(&'static str, Scores), Failed> {
    let zone = Zone::named("UTC")?;
    Ok(("hour of the day alone", by_kind(train, asked, |at_ms| zone.day_ms(at_ms) / HORIZON_MS)))
}

/// In half hours, up to four days.
fn by_time_since(minutes: &[Minute], train: &Part, asked: [&Part; 2]) -> (&'static str, Scores) {
    let failed: Vec<i64> = minutes.iter().filter(|minute| minute.failed).map(|minute| minute.at_ms).collect();
    let since = |at_ms: i64| {
        let before = failed.partition_point(|failed_ms| *failed_ms <= at_ms);
        before.checked_sub(1).map_or(-1, |last| ((at_ms - failed[last]) / (30 * MINUTE_MS)).min(4 * 48))
    };
    ("time since the last failure alone", by_kind(train, asked, since))
}

impl Part {
    fn judged(&self, scores: &Scores) -> Vec<metrics::Foretold> {
        let of = |(at_ms, happened): (i64, bool)| {
            let asset = at_ms.div_euclid(DAY_MS) as u32;
            Some(metrics::Foretold { asset, scores: vec![*scores.get(&at_ms)?], happened })
        };
        self.iter().filter_map(of).collect()
    }
}

pub fn read(folder: &Path) -> Result<[Minutes; 3], Failed> {
    let of = |part: &str| {
        let path = folder.join(format!("nitrogen_{part}.csv.gz"));
        read_part(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    Ok([of(PARTS[0])?, of(PARTS[1])?, of(PARTS[2])?])
}

fn read_part(path: &Path) -> Result<Minutes, Failed> {
    let mut text = String::new();
    MultiGzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let (mut table, zone, mut minutes) = (csv::Reader::from_reader(text.as_bytes()), Zone::named("UTC")?, Vec::new());
    let heads = table.headers()?.clone();
    let column = |name: &str| heads.iter().position(|head| head == name).ok_or_else(|| format!("no column {name}"));
    let (time, within) = (column("timestamp")?, column(WITHIN)?);
    let [a, b, c, d] = SENSORS.map(column);
    let columns = [a?, b?, c?, d?];
    for (line, nth) in table.records().zip(2..) {
        let line = line?;
        let field = |at: usize| line.get(at).unwrap_or_default().trim();
        let at_ms = zone.instant_ms(field(time)).map_err(|e| format!("line {nth}: {e}"))?;
        let sensors = columns.map(|at| field(at).parse().unwrap_or(f64::NAN));
        if let Some(cause) = sensors.unsound() {
            eprintln!("evaluate: line {nth}: {cause:?}: nothing is foretold of it");
        }
        let within: f64 = field(within).parse().map_err(|e| format!("line {nth}: {WITHIN}: {e}"))?;
        minutes.push((Minute { at_ms, sensors, failed: false }, within > 0.0));
    }
    if minutes.is_empty() {
        return Err("no minutes".into());
    }
    minutes.sort_by_key(|(minute, _)| minute.at_ms);
    Ok(with_failures(minutes))
}

/// It has failed when the hour before is over.
fn with_failures(mut minutes: Minutes) -> Minutes {
    for nth in 1..minutes.len() {
        minutes[nth].0.failed = minutes[nth - 1].1 && !minutes[nth].1;
    }
    minutes
}

/// Twelve days, a row every five minutes, of a generator whose pressure sinks before it fails: nothing like a real one, but with noise, a failure that comes unawares now
/// and then, and one sensor that says nothing.
pub fn drawn(seed: u64) -> [Minutes; 3] {
    let mut draw = Draw::new(seed, 0_u32, 0);
    let mut fails = Vec::new();
    let mut at = 0;
    while at < 12 * 288 {
        at += draw.between(50, 250);
        fails.push((at, draw.unit() < 0.8));
    }
    let row = |nth: i64| {
        let mut draw = Draw::new(seed, 1_u32, nth as u64);
        let (next, shows) = fails.iter().find(|(at, _)| *at >= nth).copied().unwrap_or_default();
        let sinks = if shows && next - nth < 20 { 1.0 - (next - nth) as f64 / 20.0 } else { 0.0 };
        let [pressure, oxygen, nitrogen] = [(); 3].map(|()| draw.unit() - 0.5);
        let sensors = [pressure - sinks, 0.5 * oxygen, nitrogen - 0.5 * sinks, 0.0];
        (Minute { at_ms: 20_000 * DAY_MS + nth * GAP_MS, sensors, failed: false }, next - nth < 12)
    };
    let part = |days: std::ops::Range<i64>| with_failures((days.start * 288..days.end * 288).map(row).collect());
    [part(0..6), part(6..9), part(9..12)]
}
