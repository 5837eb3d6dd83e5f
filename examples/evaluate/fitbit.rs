//! People with bands, for months: how often are they troubled for nothing, for how much of the time are they watched over, and is it seen when they are unwell?
//!
//! Nothing is learned beforehand: of each person the detector learns what is usual while it goes on. That they are unwell is made up, since nobody was; see [`Episodes`](crate::fitbit_episodes::Episodes).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::connect::datagen::Draw;
use watchfire::wristband::{
    BandSays, Concern, Grade, Measured, NoSignal, PulseTells, PulseWatch, Sign, Watched, Wearer, WornRow,
};
use watchfire::{Change, Compose, EventTime, Job, TickSource};

use crate::Failed;
use crate::fitbit_episodes::{Episodes, Growth};

pub const MINUTE_MS: i64 = 60_000;
pub const DAY_MS: i64 = 1_440 * MINUTE_MS;

/// 1 January 2020: all begin on that day, so that they go on side by side.
const FIRST_MS: i64 = 1_577_836_800_000;

/// What was told of a person, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub name: String,
    /// When, and beats a minute.
    pub pulses: Vec<(i64, f64)>,
    /// Which minute, and how many steps in it.
    pub steps: Vec<(i64, u32)>,
}

impl Person {
    /// Days on which anything was measured.
    fn worn_days(&self) -> usize {
        self.pulses.iter().map(|(at_ms, _)| at_ms.div_euclid(DAY_MS)).collect::<BTreeSet<_>>().len()
    }

    /// What their band would have told: the pulse as it is measured, and at the end of each minute the count of steps so far.
    fn rows(&self, wearer: Wearer) -> impl Iterator<Item = WornRow> {
        let pulse = move |(at_ms, per_min): &(i64, f64)| {
            let says = BandSays::Measured(Measured::Pulse { per_min: Some(*per_min) });
            WornRow { wearer, at_ms: *at_ms, says }
        };
        let mut total = 0;
        let counter = move |(minute_ms, steps): &(i64, u32)| {
            total += steps;
            WornRow { wearer, at_ms: minute_ms + MINUTE_MS - 1_000, says: BandSays::Steps { total } }
        };
        self.pulses.iter().map(pulse).chain(self.steps.iter().map(counter))
    }
}

/// All that is told of people, by their number.
#[derive(Debug, Default)]
pub struct Told {
    pub concerns: Vec<Concern>,
    pub watched: Vec<Watched>,
}

/// What is told of people, through the engine.
pub fn told(people: &[Person]) -> Result<Told, Failed> {
    let job = Job::new(|flow| {
        let any_time = EventTime { max_skew_ms: 400 * DAY_MS, ..WornRow::EVENT_TIME };
        let rows = flow.channel::<WornRow>("bands").key_by(|row| row.wearer).event_time(any_time);
        let (pulses, silences) = rows.detect("people", PulseWatch::default().both(NoSignal::default())).out;
        let silences = silences.map(|of| match of {
            Change::Insert(of) => Change::Insert(PulseTells::Concern(of)),
            Change::Retract(of) => Change::Retract(PulseTells::Concern(of)),
        });
        pulses.union(silences).to_channel("told");
    });
    let ticks = TickSource::FromEvents { interval_ms: MINUTE_MS, max_jump_ms: 400 * DAY_MS };
    let mut running = job.ticks(ticks).start()?;
    let (bands, tells) = (running.sender::<WornRow>("bands")?, running.receiver::<Change<PulseTells>>("told")?);
    let mut rows: Vec<WornRow> =
        people.iter().zip(0..).flat_map(|(person, nth)| person.rows(Wearer::Person(nth))).collect();
    rows.sort_by_key(|row| row.at_ms);
    let sent = std::thread::spawn(move || rows.chunks(4_096).try_for_each(|rows| bands.send(rows.to_vec())));
    let mut told = Told::default();
    for (tells, _) in Change::consolidate(tells.rows()) {
        match tells {
            PulseTells::Concern(of) => told.concerns.push(of),
            PulseTells::Watched(of) => told.watched.push(of),
        }
    }
    sent.join().map_err(|_| "the sender has failed")?.map_err(|e| e.to_string())?;
    running.wait()?;
    Ok(told)
}

pub fn evaluate(people: Vec<Person>, growth: &Growth, seed: u64) -> Result<String, Failed> {
    let told_of = told(&people)?;
    let mut table = Builder::default();
    table.push_record([
        "person",
        "worn days",
        "known h a day",
        "judged h a day",
        "judged",
        "call-back",
        "a day",
        "urgent: high",
        "urgent: low",
        "a day",
        "no signal",
        "a day",
    ]);
    let mut all = [0.0; 7];
    for (person, nth) in people.iter().zip(0..) {
        let is_of = |wearer: Wearer| wearer == Wearer::Person(nth);
        // That their record ends is no silence of theirs.
        let last_ms = person.pulses.last().map_or(i64::MIN, |of| of.0);
        let count = |sign: Sign, grade: Grade| {
            let is_it = |of: &&Concern| {
                is_of(of.wearer) && of.sign == sign && of.grade == grade && of.at_ms <= last_ms + MINUTE_MS
            };
            told_of.concerns.iter().filter(is_it).count() as f64
        };
        let hours = |minutes: fn(&Watched) -> u8| {
            told_of.watched.iter().filter(|of| is_of(of.wearer)).map(|of| f64::from(minutes(of))).sum::<f64>() / 60.0
        };
        let of = [
            person.worn_days() as f64,
            hours(|of| of.known_minutes),
            hours(|of| of.judged_minutes),
            count(Sign::PulseHigh, Grade::CallBack),
            count(Sign::PulseHigh, Grade::Urgent),
            count(Sign::PulseLow, Grade::Urgent),
            count(Sign::NoSignal, Grade::CallBack),
        ];
        table.push_record(record(&person.name, of));
        all.iter_mut().zip(of).for_each(|(all, of)| *all += of);
    }
    table.push_record(record("all", all));
    let mut table: Table = table.build();
    table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
    let episodes = Episodes::draw(&people, growth, seed);
    Ok(format!(
        "{} people with bands. What is told of nobody who was known to be unwell, a worn day:\n{table}\n{}",
        people.len(),
        episodes.evaluate(&people)?
    ))
}

fn record(name: &str, [days, known, judged, call_backs, high, low, silent]: [f64; 7]) -> Vec<String> {
    let a_day = |of: f64| of / days.max(1.0);
    vec![
        name.to_owned(),
        format!("{days}"),
        format!("{:.1}", a_day(known)),
        format!("{:.1}", a_day(judged)),
        format!("{:.1} %", 100.0 * judged / known.max(1e-9)),
        format!("{call_backs}"),
        format!("{:.3}", a_day(call_backs)),
        format!("{high}"),
        format!("{low}"),
        format!("{:.3}", a_day(high + low)),
        format!("{silent}"),
        format!("{:.3}", a_day(silent)),
    ]
}

/// A folder of tables, two a person, as they are or packed one by one.
pub fn read(path: &Path) -> Result<Vec<Person>, Failed> {
    read_people(path).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn read_people(path: &Path) -> Result<Vec<Person>, Failed> {
    let mut people = BTreeMap::<String, Person>::new();
    for entry in std::fs::read_dir(path)? {
        let at = entry?.path();
        let Some(file) = at.file_name().and_then(|name| name.to_str()) else { continue };
        let stem = file.trim_end_matches(".zip").trim_end_matches(".csv");
        let Some((name, what)) = stem.rsplit_once('_').filter(|(_, what)| ["hr", "steps"].contains(what)) else {
            continue;
        };
        let person =
            people.entry(name.to_owned()).or_insert_with(|| Person { name: name.to_owned(), ..Person::default() });
        let rows = text_of(&at)
            .and_then(|text| if what == "hr" { column(&text, "heartrate") } else { column(&text, "steps") });
        let rows = rows.map_err(|e| format!("{file}: {e}"))?;
        if what == "hr" {
            person.pulses = rows;
        } else {
            person.steps = rows.into_iter().map(|(at_ms, steps)| (at_ms, steps.clamp(0.0, 1e6) as u32)).collect();
        }
    }
    let mut people: Vec<Person> = people.into_values().filter(|person| !person.pulses.is_empty()).collect();
    if people.is_empty() {
        return Err("no table of the name ..._hr.csv or ..._hr.csv.zip".into());
    }
    people.iter_mut().for_each(from_the_first_day);
    Ok(people)
}

fn text_of(at: &Path) -> Result<String, Failed> {
    if at.extension().is_none_or(|of| of != "zip") {
        return Ok(std::fs::read_to_string(at)?);
    }
    let mut archive = zip::ZipArchive::new(std::fs::File::open(at)?)?;
    let mut text = String::new();
    archive.by_index(0)?.read_to_string(&mut text)?;
    Ok(text)
}

/// The time and a number of each line, in the order of time. Lines without either say nothing.
fn column(text: &str, name: &str) -> Result<Vec<(i64, f64)>, Failed> {
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let heads = table.headers()?.clone();
    let place = |name: &str| heads.iter().position(|head| head == name).ok_or(format!("no column {name}"));
    let (time, number) = (place("datetime")?, place(name)?);
    let mut rows = Vec::new();
    for (record, line) in table.records().zip(2..) {
        let record = record?;
        let Some(is) = record.get(number).and_then(|of| of.parse::<f64>().ok()).filter(|of| of.is_finite()) else {
            continue;
        };
        let at = record.get(time).unwrap_or_default();
        let at: DateTime = at.parse().map_err(|e| format!("line {line}: {e}"))?;
        rows.push((TimeZone::UTC.to_timestamp(at)?.as_millisecond(), is));
    }
    rows.sort_by_key(|(at_ms, _)| *at_ms);
    Ok(rows)
}

/// Moves all of a person by whole days, so that the first is the first of all.
fn from_the_first_day(person: &mut Person) {
    let first_ms = person.pulses.first().map(|of| of.0).into_iter().chain(person.steps.first().map(|of| of.0)).min();
    let by_ms = FIRST_MS - first_ms.unwrap_or(FIRST_MS).div_euclid(DAY_MS) * DAY_MS;
    person.pulses.iter_mut().for_each(|(at_ms, _)| *at_ms += by_ms);
    person.steps.iter_mut().for_each(|(at_ms, _)| *at_ms += by_ms);
}

/// Two people who sleep at night and walk now and then by day, for two weeks.
pub fn drawn(seed: u64) -> Vec<Person> {
    let person = |nth: u32| {
        let (mut person, mut walks) = (Person { name: format!("person {nth}"), ..Person::default() }, 0.0);
        for minute in 0..14 * 1_440_i64 {
            let mut draw = Draw::new(seed, nth, minute as u64);
            let (at_ms, is_day) = (FIRST_MS + minute * MINUTE_MS, (420..1_320).contains(&(minute % 1_440)));
            walks = if is_day && draw.unit() < 0.01 { 20.0 * draw.unit() } else { walks - 1.0 };
            let level = if is_day { 72.0 } else { 60.0 } + if walks > 0.0 { 25.0 } else { 0.0 };
            if draw.unit() > 0.05 {
                person.pulses.push((at_ms + 20_000, (level + 8.0 * draw.unit()).round()));
            }
            person.steps.push((at_ms, if walks > 0.0 { 90 } else { 0 }));
        }
        person
    };
    (1..=2).map(person).collect()
}
