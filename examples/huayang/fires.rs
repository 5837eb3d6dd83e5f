//! What dispatching came to: how soon help was there, how well the district was covered meanwhile, how often plans changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use tabled::{Table, Tabled};
use watchfire::Metrics;
use watchfire::dispatch::{By, Coverage, Dispatch, IncidentTold, Move, Stage, Standing, Tells};

/// What is known of a fire.
#[derive(Clone, Copy, Debug, Default)]
struct Fire {
    level: u8,
    opened_ms: i64,
    first_ms: Option<i64>,
    full_ms: Option<i64>,
    brigade_ms: Option<i64>,
}

/// An incident: each theatre numbers its own.
type Id = (u32, u64);

/// Gathers what the desks tell.
#[derive(Debug, Default)]
pub struct Fires {
    fires: BTreeMap<Id, Fire>,
    /// What is real and no fire.
    others: BTreeSet<Id>,
    exercises: BTreeSet<Id>,
    sent: u32,
    turned: u32,
    /// By people: when, and from where.
    called_back: Vec<(i64, Id)>,
    moved_up: u32,
    aid: u32,
    refused: u32,
    /// The coverage of each theatre that holds, and since when.
    covered: BTreeMap<u32, (i64, Coverage)>,
    /// Milliseconds, by how much was covered, thousandths.
    covered_ms: BTreeMap<u32, i64>,
    last_ms: Option<i64>,
}

#[derive(Tabled)]
struct Row {
    level: String,
    fires: usize,
    #[tabled(rename = "first crew p50")]
    first_p50: String,
    #[tabled(rename = "p90")]
    first_p90: String,
    #[tabled(rename = "in 3 min")]
    in_3: String,
    #[tabled(rename = "in 5 min")]
    in_5: String,
    #[tabled(rename = "full force p50")]
    full_p50: String,
    #[tabled(rename = "p90")]
    full_p90: String,
    #[tabled(rename = "brigade p50")]
    brigade_p50: String,
}

impl Fires {
    /// Of all that a job has written, in however many lives.
    pub fn written(file: &Path) -> Result<Fires, Box<dyn std::error::Error>> {
        let mut fires = Fires::default();
        let lines = BufReader::new(std::fs::File::open(file).map_err(|e| format!("{}: {e}", file.display()))?).lines();
        for (line, nth) in lines.zip(1..) {
            let told = serde_json::from_str(&line?).map_err(|e| format!("{}:{nth}: {e}", file.display()))?;
            fires.told(&told);
        }
        Ok(fires)
    }

    fn told(&mut self, told: &Dispatch) {
        self.last_ms = self.last_ms.max(Some(told.at_ms));
        let id = |incident: u64| (told.theatre, incident);
        match &told.tells {
            // Whoever was still under way to what is over was not called back for another.
            Tells::Incident { incident, what: IncidentTold::Closed { .. } } => {
                self.called_back.retain(|called| *called != (told.at_ms, id(*incident)));
            }
            Tells::Incident { incident, what } => self.incident(told.at_ms, id(*incident), what),
            Tells::Plan(change) => match (change.to, &change.standing) {
                (Move::MoveUp { .. }, Standing::Done { .. }) => self.moved_up += 1,
                (Move::Assign { incident } | Move::Reassign { incident, .. }, Standing::Done { .. })
                    if self.exercises.contains(&id(incident)) => {}
                (Move::Assign { .. }, Standing::Done { .. }) => self.sent += 1,
                (Move::Reassign { .. }, Standing::Done { .. }) => self.turned += 1,
                // Whoever leaves by its own word was not called back.
                (Move::Release { from }, Standing::Done { by: By::Plan | By::Person(_) })
                    if !self.exercises.contains(&id(from)) =>
                {
                    self.called_back.push((told.at_ms, id(from)));
                }
                _ => {}
            },
            Tells::Coverage(coverage) => self.covers(told.theatre, told.at_ms, Some(coverage.clone())),
            Tells::Refused(_) => self.refused += 1,
            _ => {}
        }
    }

    fn incident(&mut self, at_ms: i64, id: Id, what: &IncidentTold) {
        match what {
            IncidentTold::Opened(of) if of.drill => {
                self.exercises.insert(id);
            }
            IncidentTold::Opened(of) if of.cause == "fire" => {
                self.fires.insert(id, Fire { level: of.level, opened_ms: at_ms, ..Fire::default() });
            }
            IncidentTold::Opened(_) => {
                self.others.insert(id);
            }
            IncidentTold::Missing { slots } if !self.exercises.contains(&id) => {
                self.aid += u32::from(!slots.is_empty());
            }
            _ => {}
        }
        let Some(fire) = self.fires.get_mut(&id) else { return };
        match what {
            // A higher level asks for more crews.
            IncidentTold::Level { to, .. } if *to > fire.level => (fire.level, fire.full_ms) = (*to, None),
            IncidentTold::Reached { stage: Stage::Joins, after_ms } => fire.first_ms = Some(*after_ms),
            IncidentTold::Reached { stage: Stage::Brigade, after_ms } => fire.brigade_ms = Some(*after_ms),
            IncidentTold::Full { after_ms } => fire.full_ms = Some(*after_ms),
            _ => {}
        }
    }

    fn covers(&mut self, theatre: u32, at_ms: i64, next: Option<Coverage>) {
        if let Some((since_ms, coverage)) = self.covered.remove(&theatre).filter(|(since_ms, _)| at_ms > *since_ms) {
            let weighs_ms = self.covered_ms.entry(coverage.covered_permille).or_default();
            *weighs_ms = weighs_ms.saturating_add(at_ms.saturating_sub(since_ms));
        }
        if let Some(coverage) = next {
            self.covered.insert(theatre, (at_ms, coverage));
        }
    }

    /// The table, and a line of what it took; nothing if nothing was dispatched. `end_ms` is when it ended, if anybody knows; else it is what was told last.
    pub fn text(mut self, end_ms: Option<i64>) -> Option<String> {
        let end_ms = end_ms.max(self.last_ms).filter(|_| self.last_ms.is_some())?;
        self.covered.keys().copied().collect::<Vec<_>>().into_iter().for_each(|of| self.covers(of, end_ms, None));
        let all: Vec<Fire> = self.fires.values().copied().collect();
        let levels: BTreeSet<u8> = all.iter().map(|fire| fire.level).collect();
        let of = |level: u8| all.iter().filter(|fire| fire.level == level).copied().collect::<Vec<_>>();
        let rows = levels.into_iter().map(|level| row(&level.to_string(), &of(level), end_ms));
        let mut table = Table::new(rows.chain([row("all", &all, end_ms)]));
        table.with(Style::psql()).modify(Columns::new(..), Alignment::right());
        let real = all.len() + self.others.len();
        let each = |count: usize| if real > 0 { format!("{:.2}", count as f64 / real as f64) } else { "-".to_owned() };
        let others = if self.others.is_empty() { String::new() } else { format!(", {} others", self.others.len()) };
        Some(format!(
            "{table}\n{} fires{others} and {} exercises: {} crews sent to each that is real, {} turned around, {} called back; {} moves between \
             stations; short of crews {} times; {} reports refused\n{}",
            all.len(),
            self.exercises.len(),
            each(self.sent as usize),
            each(self.turned as usize),
            each(self.called_back.len()),
            self.moved_up,
            self.aid,
            self.refused,
            self.coverage(),
        ))
    }

    /// How much was covered, each instant weighing the same.
    fn coverage(&self) -> String {
        let whole_ms = self.covered_ms.values().fold(0.0, |sum, ms| sum + *ms as f64);
        let sum = self.covered_ms.iter().fold(0.0, |sum, (permille, ms)| sum + f64::from(*permille) * *ms as f64);
        let Some(least) = self.covered_ms.keys().next().filter(|_| whole_ms > 0.0) else {
            return "nobody has looked at how much is covered".to_owned();
        };
        format!(
            "{:.1} % of the district covered, {:.1} % at the least",
            sum / whole_ms / 10.0,
            f64::from(*least) / 10.0
        )
    }
}

/// What was set aside of what was reported, and is in files of its own; nothing if nothing was.
pub fn not_taken(metrics: &Metrics) -> Option<String> {
    let operator = metrics.operators.get("dispatch").cloned().unwrap_or_default();
    let dead = metrics.sources.get("reports").map_or(0, |source| source.dead);
    let late: u64 = operator.detectors.iter().map(|detector| detector.late).sum();
    let is_some = dead + late + operator.skewed > 0;
    is_some.then(|| format!("of reports {dead} dead, {late} late, {} from wrong clocks", operator.skewed))
}

fn row(level: &str, fires: &[Fire], end_ms: i64) -> Row {
    let [first, full, brigade] =
        [|fire: &Fire| fire.first_ms, |fire: &Fire| fire.full_ms, |fire: &Fire| fire.brigade_ms].map(|of| {
            let mut times: Vec<i64> = fires.iter().filter_map(of).collect();
            times.sort_unstable();
            times
        });
    let within = |minutes: i64| {
        let within_ms = minutes * 60_000;
        // One that was not yet open for so long when it ended says nothing, unless somebody was there.
        let soon = first.iter().filter(|ms| **ms <= within_ms).count();
        let late = fires.iter().filter(|fire| fire.first_ms.is_none_or(|ms| ms > within_ms));
        let known = soon + late.filter(|fire| end_ms.saturating_sub(fire.opened_ms) >= within_ms).count();
        if known > 0 { format!("{:.0} %", 100.0 * soon as f64 / known as f64) } else { "-".to_owned() }
    };
    let part = |times: &[i64], share: f64| part(times, fires.len(), share);
    Row {
        level: level.to_owned(),
        fires: fires.len(),
        first_p50: part(&first, 0.5),
        first_p90: part(&first, 0.9),
        in_3: within(3),
        in_5: within(5),
        full_p50: part(&full, 0.5),
        full_p90: part(&full, 0.9),
        brigade_p50: part(&brigade, 0.5),
    }
}

/// The time within which a part of so many were, as minutes and seconds; nothing if that part has not been.
fn part(times_ms: &[i64], of: usize, share: f64) -> String {
    let at = (of as f64 * share).ceil() as usize;
    let Some(ms) = at.checked_sub(1).and_then(|at| times_ms.get(at)) else { return "-".to_owned() };
    format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)
}
