//! People in intensive care, second by second: what does the part of NEWS2 add up to that a monitor knows, and how often does it change?
//!
//! Nothing is learned, and nothing is foretold: this shows that the chart is read as it is printed, and that only changes are told.

use std::collections::BTreeMap;
use std::path::Path;

use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::connect::datagen::Draw;
use watchfire::wristband::{EarlyWarning, Measured, News2, News2Risk, VitalRow, VitalSays};
use watchfire::{Change, Job, TickSource};

use crate::{Failed, archive};

/// What is read of a person, by the heads of columns: the pulse by the electrocardiogram, breaths, and the saturation.
const COLUMNS: [&str; 3] = ["HR", "RESP", "SpO2"];

/// 1 January 2020: the files count seconds from when each begins.
const FIRST_MS: i64 = 1_577_836_800_000;

/// What was measured of a person, second by second, in the order of time.
type Seconds = Vec<(i64, [Option<f64>; 3])>;

/// By the number of the person.
pub type People = BTreeMap<u32, Seconds>;

pub fn evaluate(people: People) -> Result<String, Failed> {
    let scores = scored(&people)?;
    let (mut points, mut red, mut dropped, mut changed) = (BTreeMap::<u8, usize>::new(), 0, 0, 0);
    for (person, seconds) in &people {
        let (of, mut last) = (scores.get(person).map_or(&[][..], Vec::as_slice), None);
        for (at_ms, measured) in seconds {
            let nth = of.partition_point(|of| of.from_ms <= *at_ms).checked_sub(1).ok_or("a second without a score")?;
            let score = &of[nth].score;
            // Not measured, lost, or nothing that a person lives with.
            if measured.iter().any(Option::is_none) || score.missing.len() != 7 - COLUMNS.len() {
                dropped += 1;
                continue;
            }
            *points.entry(score.partial).or_default() += 1;
            red += usize::from(score.red);
            changed += usize::from(last.is_some_and(|last| last != score.partial));
            last = Some(score.partial);
        }
    }
    let usable: usize = points.values().sum();
    let share = |count: usize| format!("{:.1} %", 100.0 * count as f64 / usable.max(1) as f64);
    let mut table = Builder::default();
    table.push_record(["pulse, breaths and saturation add up to", "seconds", "share"]);
    for (points, seconds) in &points {
        table.push_record([points.to_string(), seconds.to_string(), share(*seconds)]);
    }
    let mut table: Table = table.build();
    table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
    let urgent = points.iter().filter(|(points, _)| News2Risk::of(**points, false) >= News2Risk::Medium);
    let urgent: usize = urgent.map(|(_, seconds)| seconds).sum();
    let told: usize = scores.values().map(Vec::len).sum();
    Ok(format!(
        "{} people, {usable} seconds of which all three are known, {dropped} of which not:\n{table}\n\
         5 and more: {}; some single one scores 3: {}.\n\
         The sum becomes another {changed} times after the first of each person; {told} rows are told in all, of whatever changes, with what is missing.",
        people.len(),
        share(urgent),
        share(red),
    ))
}

/// What is told of each person, in the order of time.
fn scored(people: &People) -> Result<BTreeMap<u32, Vec<EarlyWarning>>, Failed> {
    let job = Job::new(|flow| {
        let vitals = flow.channel::<VitalRow>("vitals").key_by(|row| row.person).event_time(VitalRow::EVENT_TIME);
        vitals.detect("news2", News2::default()).out.to_channel("scores");
    });
    let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
    let (vitals, scores) = (running.sender::<VitalRow>("vitals")?, running.receiver::<Change<EarlyWarning>>("scores")?);
    let row = |person: u32, (at_ms, [per_min, breaths, pct]): &(i64, [Option<f64>; 3])| {
        let measured = vec![
            Measured::Pulse { per_min: *per_min },
            Measured::Respiration { per_min: *breaths },
            Measured::Spo2 { pct: *pct },
        ];
        VitalRow { person, at_ms: *at_ms, says: VitalSays::Measured(measured) }
    };
    let mut rows: Vec<VitalRow> =
        people.iter().flat_map(|(person, seconds)| seconds.iter().map(|second| row(*person, second))).collect();
    rows.sort_by_key(|row| (row.at_ms, row.person));
    vitals.send(rows).map_err(|e| e.to_string())?;
    drop(vitals);
    let mut of_people = BTreeMap::<u32, Vec<EarlyWarning>>::new();
    for (score, _) in Change::consolidate(scores.rows()) {
        of_people.entry(score.person).or_default().push(score);
    }
    running.wait()?;
    of_people.values_mut().for_each(|scores| scores.sort_by_key(|score| score.from_ms));
    Ok(of_people)
}

/// A packed archive, or a folder, of tables `NAME_Numerics.csv`, one a person.
pub fn read(path: &Path) -> Result<People, Failed> {
    read_tables(path).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn read_tables(path: &Path) -> Result<People, Failed> {
    let tables = archive::texts(path, is_table)?;
    if tables.is_empty() {
        return Err("no table of the name ..._Numerics.csv".into());
    }
    let people = (1..).zip(&tables).map(|(person, (name, table))| {
        let seconds = read_person(table).map_err(|e| format!("{}: {e}", name.display()))?;
        Ok((person, seconds))
    });
    people.collect()
}

fn is_table(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with("_Numerics.csv"))
}

/// A table of a second and what was measured in it: what is no number was not.
fn read_person(table: &str) -> Result<Seconds, Failed> {
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table.as_bytes());
    let heads = table.headers()?.clone();
    let place = |name: &str| heads.iter().position(|head| head == name).ok_or(format!("no column {name}"));
    let mut columns = [0; 3];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        *column = place(name)?;
    }
    let mut seconds = Seconds::new();
    for (record, nth) in table.records().zip(2..) {
        let record = record?;
        let number =
            |column: usize| record.get(column).and_then(|of| of.parse::<f64>().ok()).filter(|of| of.is_finite());
        let second = number(0).ok_or(format!("line {nth}: no time"))?;
        seconds.push((FIRST_MS + (second * 1_000.0).round() as i64, columns.map(number)));
    }
    seconds.sort_by_key(|(at_ms, _)| *at_ms);
    Ok(seconds)
}

pub fn drawn(seed: u64) -> People {
    let person = |person: u32| {
        let (mut levels, mut seconds) = ([80.0, 16.0, 96.0], Seconds::new());
        for second in 0..300 {
            let mut draw = Draw::new(seed, person, second);
            for (level, step) in levels.iter_mut().zip([3.0, 1.0, 0.5]) {
                *level += step * (draw.unit() - 0.5);
            }
            let measured = levels.map(|level| Some(level.min(100.0)).filter(|_| draw.unit() > 0.01));
            seconds.push((FIRST_MS + second as i64 * 1_000, measured));
        }
        seconds
    };
    (1..=5).map(|of| (of, person(of))).collect()
}
