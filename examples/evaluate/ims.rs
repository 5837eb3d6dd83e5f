//! Bearings that run until one of them fails: how long before the end is the first alarm?
//!
//! The cumulative sum with k = 0.5 and h = 8, as textbooks have it, upward: what wears out shakes more. How long it learns what is normal is the one thing
//! that is left to choose, so every choice is shown. Beside it, what three and six standard deviations of the same baseline would have said.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::alarm::UnknownCause;
use watchfire::calendar::Zone;
use watchfire::connect::datagen::Draw;
use watchfire::detect::{Cusum, CusumWhy, Finding, Reading, Scored, Scores, Side};
use watchfire::{Job, TickSource, Timed};

use crate::Failed;

/// The allowance and the threshold, standard deviations.
const K: f64 = 0.5;
const H: f64 = 8.0;

/// How many values are taken for normal.
const WARM_UPS: [u32; 6] = [50, 100, 150, 200, 250, 300];

/// How far beyond the baseline plain limits are, standard deviations.
const LIMITS: [f64; 2] = [3.0, 6.0];

/// How strongly a bearing shakes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shakes {
    bearing: u32,
    at_ms: i64,
    /// None is not measured, or no number.
    by: Option<f64>,
}

impl Timed for Shakes {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

type Found = Scored<u32, CusumWhy>;

/// The names of the bearings, and what was measured, in the order of time.
pub type Bearings = (Vec<String>, Vec<Shakes>);

pub fn evaluate((names, rows): Bearings) -> Result<String, Failed> {
    let (first_ms, last_ms) = (rows.first().map_or(0, |row| row.at_ms), rows.last().map_or(0, |row| row.at_ms));
    let unknown = rows.iter().filter(|row| row.by.is_none()).count();
    let hours = |ms: i64| ms as f64 / 3_600_000.0;
    let before_end = |at_ms: i64| format!("{:.1}", hours(last_ms - at_ms));
    let (mut table, mut of_cusum) = (Builder::default(), BTreeMap::new());
    let limits = LIMITS.map(|limit| format!("{limit} sd"));
    let heads = ["bearing".to_owned(), "normal is".to_owned(), format!("cusum from {H}")];
    table.push_record(heads.into_iter().chain(limits));
    let firsts = WARM_UPS.into_iter().map(|warm_up| firsts(warm_up, rows.clone())).collect::<Result<Vec<_>, _>>()?;
    for (bearing, name) in (0..).zip(&names) {
        for (warm_up, firsts) in WARM_UPS.iter().zip(&firsts) {
            let cell =
                |what: usize| firsts.get(&(bearing, what)).map_or("never".to_owned(), |at_ms| before_end(*at_ms));
            table.push_record(
                [name.clone(), format!("{warm_up} values")].into_iter().chain((0..=LIMITS.len()).map(cell)),
            );
            if let Some(at_ms) = firsts.get(&(bearing, 0)) {
                of_cusum.entry(*at_ms).or_insert(name);
            }
        }
    }
    let mut table: Table = table.build();
    table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
    let earliest = of_cusum.first_key_value().map_or("No cusum has raised an alarm.".to_owned(), |(at_ms, name)| {
        format!("The earliest of all cusums: {name}, {} hours before the end.", before_end(*at_ms))
    });
    Ok(format!(
        "{} bearings, {} values each over {:.1} hours, {unknown} unknown. First alarm, hours before the end:\n{table}\n{earliest}",
        names.len(),
        rows.len() / names.len().max(1),
        hours(last_ms - first_ms)
    ))
}

/// When each bearing first raises each alarm.
fn firsts(warm_up: u32, rows: Vec<Shakes>) -> Result<BTreeMap<(u32, usize), i64>, Failed> {
    let job = Job::new(move |flow| {
        let cusum = Cusum { k: K, warm_up, most: 2.0 * H, side: Side::Above, ..Cusum::default() };
        let reading = |row: &Shakes| row.by.map_or(Reading::Unknown(UnknownCause::NotANumber), Reading::Value);
        let bearings = flow.channel::<Shakes>("bearings").key_by(|row| row.bearing);
        bearings.detect("cusum", Scores::new(cusum, reading)).out.to_channel("scores");
    });
    // Ten minutes lie between two values, and days where a test was interrupted.
    let ticks = TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 30 * 86_400_000 };
    let mut running = job.ticks(ticks).start()?;
    let (bearings, scores) = (running.sender::<Shakes>("bearings")?, running.receiver::<Found>("scores")?);
    bearings.send(rows).map_err(|e| e.to_string())?;
    drop(bearings);
    let mut firsts = BTreeMap::new();
    for Scored { key, at_ms, finding } in scores.rows() {
        let Finding::Score { score, why } = finding else { continue };
        let beyond = LIMITS.map(|limit| why.value > why.mean + limit * why.sd);
        let alarms = std::iter::once(score >= H).chain(beyond).enumerate();
        for (what, _) in alarms.filter(|(_, is_on)| *is_on) {
            firsts.entry((key, what)).or_insert(at_ms);
        }
    }
    running.wait()?;
    Ok(firsts)
}

pub fn read(path: &Path) -> Result<Bearings, Failed> {
    read_table(path).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn read_table(path: &Path) -> Result<Bearings, Failed> {
    let mut table = csv::Reader::from_path(path)?;
    let names: Vec<String> = table.headers()?.iter().skip(1).map(str::to_owned).collect();
    let (zone, mut rows) = (Zone::named("UTC")?, Vec::new());
    for (record, nth) in table.records().zip(2..) {
        let record = record?;
        let at_ms = zone.instant_ms(record.get(0).unwrap_or_default()).map_err(|e| format!("line {nth}: {e}"))?;
        for (value, bearing) in record.iter().skip(1).zip(0..) {
            rows.push(Shakes { bearing, at_ms, by: value.trim().parse().ok().filter(|by: &f64| by.is_finite()) });
        }
    }
    if rows.is_empty() {
        return Err("no values".into());
    }
    rows.sort_by_key(|row| row.at_ms);
    Ok((names, rows))
}

/// A week of three bearings, a value every ten minutes, of which the first wears out in its second half: nothing like a real one, but with noise, a value that is
/// missing now and then, and an end.
pub fn drawn(seed: u64) -> Bearings {
    let (names, mut rows) = (["worn", "sound", "loud"].map(str::to_owned).to_vec(), Vec::new());
    for nth in 0..1_000_u64 {
        for (bearing, level) in (0..).zip([0.06, 0.07, 0.2]) {
            let mut draw = Draw::new(seed, bearing, nth);
            let noise = (0..12).map(|_| draw.unit()).sum::<f64>() - 6.0;
            let wear = if bearing == 0 && nth > 500 { 1.0 + (nth - 500) as f64 / 1_000.0 } else { 1.0 };
            let by = Some(level * (wear + 0.02 * noise)).filter(|_| draw.unit() > 0.01);
            rows.push(Shakes { bearing, at_ms: nth as i64 * 600_000, by });
        }
    }
    (names, rows)
}
