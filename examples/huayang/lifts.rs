//! The lifts of the street: what their trips measure, for weeks before the day and on it, and which of them are worth a visit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use tabled::{Table as TextTable, Tabled};
use watchfire::calendar::Zone;
use watchfire::elevator::{
    Ails, CostConfig, Faults, FirmScoring, LiftBook, LiftRecords, LiftRow, LiftTold, Site, Tally, Trouble, Visit,
    Visits, Wear, WearModel, WearSim, WearSimConfig, WornLift,
};
use watchfire::{Stream, Table, Views};

use crate::trapped::FIRMS;
use crate::world::World;

const DAY_MS: i64 = 86_400_000;

/// Visits that each firm can make in a day.
const VISITS_A_DAY: usize = 3;

/// Trips of a lift a day: fewer than in life, so that weeks of them are soon sent.
const TRIPS_A_DAY: f64 = 40.0;

/// What comes of all lifts, in the order of time: nothing if there are no days before.
#[derive(Debug, Default)]
pub struct Trips {
    lifts: Vec<WornLift>,
    day: u32,
    days: u32,
    rows: std::vec::IntoIter<LiftRow>,
}

impl Trips {
    /// From so many days before the day of `start_ms` until `end_ms`.
    pub fn new(world: &World, seed: u64, days_before: u32, (start_ms, end_ms): (i64, i64)) -> Trips {
        if days_before == 0 {
            return Trips::default();
        }
        let first_day_ms = Zone::default().day_of(start_ms).start - i64::from(days_before) * DAY_MS;
        let days = ((end_ms - first_day_ms) / DAY_MS) as u32 + 1;
        let config = WearSimConfig {
            seed,
            lifts: world.counts.lifts,
            first_day_ms,
            trips_a_day: TRIPS_A_DAY,
            ..WearSimConfig::default()
        };
        let sim = WearSim::new(config);
        let lifts = (1..=world.counts.lifts).map(|lift| sim.lift(lift, days)).collect();
        Trips { lifts, day: 0, days, rows: Vec::new().into_iter() }
    }
}

impl Iterator for Trips {
    type Item = LiftRow;

    fn next(&mut self) -> Option<LiftRow> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(row);
            }
            if self.day == self.days {
                return None;
            }
            let mut rows: Vec<LiftRow> = self.lifts.iter().flat_map(|lift| lift.day(self.day)).collect();
            rows.sort_by_key(|row| (row.at_ms, row.lift));
            (self.rows, self.day) = (rows.into_iter(), self.day + 1);
        }
    }
}

/// The model: grown by `evaluate wear --keep` on other lifts of the same simulator.
pub fn model() -> Result<WearModel, Box<dyn std::error::Error>> {
    Ok(WearModel::new(serde_json::from_str(include_str!("wear.json"))?)?)
}

/// From what lifts tell to the visits that are worth most, by firm.
pub fn visits<'f>(rows: Stream<'f, LiftRow>, model: WearModel, book: Arc<LiftBook>) -> Table<'f, u32, Visit> {
    Visits { a_day: VISITS_A_DAY, ..Visits::new(book) }.of_lifts(rows, Wear::default(), model)
}

/// What is on record of the firms: from the same rows, and from what was told of people in cars.
pub fn firms<'f>(rows: Stream<'f, LiftRow>, told: Stream<'f, LiftTold>, book: Arc<LiftBook>) -> Table<'f, u32, Tally> {
    Tally::by_firm(LiftRecords::default().of_lifts(book.clone(), rows, Faults::default(), told), book)
}

/// What was found to ail lifts, of all that a job has written, in however many lives; nothing if nothing was.
pub fn ailing(file: &Path) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let lines = BufReader::new(File::open(file).map_err(|e| format!("{}: {e}", file.display()))?).lines();
    let mut lifts: BTreeMap<&str, BTreeSet<(Site, Option<u32>)>> = BTreeMap::new();
    for line in lines {
        let trouble: Trouble = serde_json::from_str(&line?)?;
        let what = match trouble.ails {
            Ails::Silent => "silent",
            Ails::PersonFlaps { .. } => "with a sensor that flaps",
            Ails::PersonConstant { .. } => "with a sensor that says the same for ever",
            Ails::PersonUnknown { .. } => "with a sensor that says nothing any more",
            Ails::PowerPoor { .. } => "where power was lost too often",
            Ails::Misused { .. } => "whose doors were held",
        };
        lifts.entry(what).or_default().insert((trouble.site, trouble.lift));
    }
    let of = |(what, which): (&&str, &BTreeSet<_>)| format!("{} {what}", which.len());
    Ok((!lifts.is_empty()).then(|| format!("lifts found {}", lifts.iter().map(of).collect::<Vec<_>>().join(", "))))
}

#[derive(Tabled)]
struct Firm {
    firm: u32,
    lifts: u32,
    #[tabled(rename = "lift-months")]
    months: String,
    faults: u32,
    again: u32,
    #[tabled(rename = "visits on time")]
    visits: String,
    #[tabled(rename = "in time for who is trapped")]
    in_time: String,
    #[tabled(rename = "hours a repair")]
    repair: String,
    #[tabled(rename = "of 100 points")]
    points: String,
    #[tabled(rename = "yuan a lift-year, 90 %")]
    cost: String,
}

/// How well firms maintain their lifts, and what these are expected to cost; nothing if nothing is on record.
pub fn scored(views: &Views) -> Result<Option<String>, watchfire::Error> {
    let Some(snapshot) = views.snapshot() else { return Ok(None) };
    let view = snapshot.view::<u32, Tally>("firms")?;
    let firms: BTreeMap<u32, &Tally> = view.iter().map(|(firm, tally, _)| (*firm, tally)).collect();
    let scores = FirmScoring::default().score(&firms.iter().map(|(firm, tally)| (*firm, tally.firm())).collect());
    let mut rows = Vec::new();
    for (firm, tally) in &firms {
        let (record, cost) = (tally.firm(), CostConfig::default().a_year(&tally.lift())?);
        let Some(score) = scores.get(firm) else { continue };
        rows.push(Firm {
            firm: *firm,
            lifts: tally.lifts,
            months: format!("{:.0}", record.lift_months),
            faults: record.faults,
            again: record.repeats,
            visits: format!("{} of {}", record.visits_on_time, record.visits),
            in_time: format!("{} of {}", record.in_time, record.calls),
            repair: format!("{:.1}", record.repair_hours / f64::from(record.repairs.max(1))),
            points: format!("{:.0}", score.points),
            cost: format!("{:.0} ({:.0} to {:.0})", cost.expected_yuan, cost.low_yuan, cost.high_yuan),
        });
    }
    let mut table = TextTable::new(rows);
    table.with(Style::psql()).modify(Columns::new(..), Alignment::right());
    Ok((!firms.is_empty()).then(|| table.to_string()))
}

#[derive(Tabled)]
struct Row {
    lift: u32,
    firm: u32,
    #[tabled(rename = "worth, yuan")]
    worth: String,
    class: String,
    #[tabled(rename = "within a week")]
    p: String,
    why: String,
}

/// So many are printed.
const PRINTED: usize = 5;

/// The lists as they are now, the visit that is worth most first; nothing if there are none.
pub fn listed(views: &Views) -> Result<Option<String>, watchfire::Error> {
    let Some(snapshot) = views.snapshot() else { return Ok(None) };
    let lists = snapshot.view::<u32, Visit>("visits")?;
    let mut visits: Vec<(&Visit, u32)> = lists.iter().map(|(firm, visit, _)| (visit, *firm)).collect();
    visits.sort_by(|a, b| b.cmp(a));
    let rows = visits.iter().take(PRINTED).filter_map(|(visit, firm)| {
        let of = visit.outlooks.first()?;
        Some(Row {
            lift: visit.lift,
            firm: *firm,
            worth: format!("{:.0}", visit.worth_yuan.get()),
            class: format!("{:?}", of.class),
            p: format!("{:.0} %", 100.0 * of.p.get()),
            why: of.why.join("; "),
        })
    });
    let mut table = TextTable::new(rows);
    table.with(Style::psql()).modify(Columns::new(..5), Alignment::right());
    let more = visits.len().saturating_sub(PRINTED);
    let text =
        format!("{table}\nthese and {more} more visits are worth most to {FIRMS} firms, by what was known at midnight");
    Ok((!visits.is_empty()).then_some(text))
}
