//! What dispatching came to: how soon help was there, how well the district was covered meanwhile, how often plans changed.

use std::collections::BTreeMap;

use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use tabled::{Table, Tabled};
use watchfire::dispatch::{Coverage, Dispatch, IncidentTold, Move, Stage, Standing, Tells};

/// What is known of a fire.
#[derive(Clone, Copy, Debug, Default)]
struct Fire {
    level: u8,
    first_ms: Option<i64>,
    full_ms: Option<i64>,
    brigade_ms: Option<i64>,
}

/// Gathers what the desk tells.
#[derive(Debug, Default)]
pub struct Fires {
    fires: BTreeMap<u64, Fire>,
    exercises: BTreeMap<u64, ()>,
    sent: u32,
    turned: u32,
    /// When, and from where.
    called_back: Vec<(i64, u64)>,
    moved_up: u32,
    aid: u32,
    refused: u32,
    /// The coverage that holds, and since when.
    covered: Option<(i64, Coverage)>,
    /// Milliseconds, by how much was covered, thousandths.
    covered_ms: BTreeMap<u32, i64>,
    last_ms: i64,
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
    pub fn told(&mut self, told: &Dispatch) {
        self.last_ms = told.at_ms;
        match &told.tells {
            // Whoever was still under way to what is over was not called back for another.
            Tells::Incident { incident, what: IncidentTold::Closed { .. } } => {
                self.called_back.retain(|called| *called != (told.at_ms, *incident));
            }
            Tells::Incident { incident, what } => self.incident(*incident, what),
            Tells::Plan(change) if matches!(change.standing, Standing::Done { .. }) => match change.to {
                Move::Assign { .. } => self.sent += 1,
                Move::Reassign { .. } => self.turned += 1,
                Move::Release { from } => self.called_back.push((told.at_ms, from)),
                Move::MoveUp { .. } => self.moved_up += 1,
            },
            Tells::Coverage(coverage) => self.covers(told.at_ms, Some(coverage.clone())),
            Tells::Refused(_) => self.refused += 1,
            _ => {}
        }
    }

    fn incident(&mut self, id: u64, what: &IncidentTold) {
        match what {
            IncidentTold::Opened(of) if of.drill => {
                self.exercises.insert(id, ());
            }
            IncidentTold::Opened(of) => {
                self.fires.insert(id, Fire { level: of.level, ..Fire::default() });
            }
            IncidentTold::Missing { slots } => self.aid += u32::from(!slots.is_empty()),
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

    fn covers(&mut self, at_ms: i64, next: Option<Coverage>) {
        if let Some((since_ms, coverage)) = self.covered.take().filter(|(since_ms, _)| at_ms > *since_ms) {
            *self.covered_ms.entry(coverage.covered_permille).or_default() += at_ms - since_ms;
        }
        self.covered = next.map(|coverage| (at_ms, coverage));
    }

    /// The table, and a line of what it took; nothing if nothing was dispatched.
    pub fn text(mut self) -> Option<String> {
        if self.last_ms == 0 {
            return None;
        }
        self.covers(self.last_ms, None);
        let all: Vec<Fire> = self.fires.values().copied().collect();
        let levels: std::collections::BTreeSet<u8> = all.iter().map(|fire| fire.level).collect();
        let of = |level: u8| all.iter().filter(|fire| fire.level == level).copied().collect::<Vec<_>>();
        let rows = levels.into_iter().map(|level| row(&level.to_string(), &of(level)));
        let mut table = Table::new(rows.chain([row("all", &all)]));
        table.with(Style::psql()).modify(Columns::new(..), Alignment::right());
        let (whole_ms, covered) = (self.covered_ms.values().sum::<i64>().max(1), &self.covered_ms);
        let sum = covered.iter().fold(0.0, |sum, (permille, ms)| sum + f64::from(*permille) * *ms as f64);
        let mean = sum / whole_ms as f64;
        let a_fire = |count: u32| f64::from(count) / all.len().max(1) as f64;
        Some(format!(
            "{table}\n{} fires and {} exercises: {:.2} crews sent a fire, {:.2} turned around, {:.2} called back; {} moves between stations; \
             short of crews {} times; {} reports refused\n{:.1} % of the district covered, {:.1} % at the least",
            all.len(),
            self.exercises.len(),
            a_fire(self.sent),
            a_fire(self.turned),
            a_fire(self.called_back.len() as u32),
            self.moved_up,
            self.aid,
            self.refused,
            mean / 10.0,
            covered.keys().next().map_or(0.0, |least| f64::from(*least) / 10.0),
        ))
    }
}

fn row(level: &str, fires: &[Fire]) -> Row {
    let [first, full, brigade] =
        [|fire: &Fire| fire.first_ms, |fire: &Fire| fire.full_ms, |fire: &Fire| fire.brigade_ms].map(|of| {
            let mut times: Vec<i64> = fires.iter().filter_map(of).collect();
            times.sort_unstable();
            times
        });
    let within = |minutes: i64| {
        let soon = first.iter().filter(|ms| **ms <= minutes * 60_000).count();
        format!("{:.0} %", 100.0 * soon as f64 / fires.len().max(1) as f64)
    };
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

/// The time within which a part of them were, as minutes and seconds.
fn part(times_ms: &[i64], share: f64) -> String {
    let at = (times_ms.len() as f64 * share).ceil() as usize;
    let Some(ms) = at.checked_sub(1).and_then(|at| times_ms.get(at)) else { return "-".to_owned() };
    format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60)
}
