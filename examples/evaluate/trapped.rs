//! People who are trapped in lifts that do not exist: is each told in time, and how often is it told of nobody?
//!
//! No public data hold this, so what is judged here is the rules, by a simulator that does to its sensors what they do in the field, and not how often people are trapped.

use std::collections::BTreeMap;
use std::sync::Arc;

use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::dispatch::Person;
use watchfire::elevator::{
    LiftRow, LiftSays, LiftSim, LiftSimConfig, LiftTold, PersonSensor, RescueStep, Tells, Trap, TrapConfig, Trapped,
    Trapping,
};
use watchfire::{Compose, Job, TickSource};

use crate::Failed;

/// So many lifts at most, and days, in one job.
const LIFTS: u32 = 40;
const DAYS: u32 = 10;

/// Rows are out of order by less.
const DISORDER_MS: i64 = 2_000;

/// What is allowed beyond the rule and one poll, milliseconds.
const ALLOWED_MS: i64 = 5_000;

/// How many there were, in time, late, and never.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u32,
    in_time: u32,
    late: u32,
    missed: u32,
}

#[derive(Debug, Default)]
struct Judged {
    /// By what they have in common: how people were trapped, the sensor, the poll.
    counts: BTreeMap<(u8, String), Count>,
    /// Who was not told in time: how many, and how much later at most, milliseconds.
    wanting: BTreeMap<String, (u32, i64)>,
    /// Told of nobody, by sensor: for sure, and possibly.
    false_trapped: BTreeMap<PersonSensor, u32>,
    false_possibly: BTreeMap<PersonSensor, u32>,
    days: BTreeMap<PersonSensor, u32>,
}

/// Judges so many days of lifts, of which each has so many trappings a day.
pub fn evaluate(seed: u64, lift_days: u32, trappings_a_day: f64) -> Result<String, Failed> {
    let mut judged = Judged::default();
    let lifts = LIFTS.min(lift_days.max(1));
    let blocks = lift_days.div_ceil(lifts * DAYS);
    for block in 0..blocks {
        let days = DAYS.min(lift_days.div_ceil(lifts * blocks));
        let sim = LiftSim::new(LiftSimConfig {
            seed: seed.wrapping_add(u64::from(block)),
            lifts,
            trappings_a_day,
            cuts_a_day: trappings_a_day / 2.0,
            ..LiftSimConfig::default()
        });
        judge(&sim, days, &mut judged)?;
    }
    Ok(judged.table(trappings_a_day))
}

/// What people do: they answer, come, and close; and every half hour somebody closes what nobody is in.
fn people(lift: u32, day_ms: i64, trappings: &[Trapping]) -> Vec<(i64, LiftRow)> {
    let by = Person::named("on duty", "looked");
    let row = |at_ms, step| {
        let says = LiftSays::Rescue { step, nth: None, by: by.clone() };
        (at_ms, LiftRow { lift, at_ms, says })
    };
    let mut rows = Vec::new();
    for trapping in trappings {
        if trapping.case.has_somebody_at_it() {
            let (at_ms, until_ms) = (trapping.from_ms - 60_000, trapping.until_ms);
            rows.push((at_ms, LiftRow { lift, at_ms, says: LiftSays::OnSite { who: "mechanic".into(), until_ms } }));
        }
        rows.push(row(trapping.from_ms + 240_000, RescueStep::Answered));
        rows.push(row(trapping.until_ms - 60_000, RescueStep::Arrived));
        rows.push(row(trapping.until_ms + 90_000, RescueStep::Closed { false_alarm: false }));
    }
    for half_hour in 0..48 {
        let at_ms = day_ms + half_hour * 1_800_000;
        if !trappings.iter().any(|of| (of.from_ms - 1_000..of.until_ms + 90_000).contains(&at_ms)) {
            rows.push(row(at_ms, RescueStep::Closed { false_alarm: true }));
        }
    }
    rows
}

fn judge(sim: &LiftSim, days: u32, judged: &mut Judged) -> Result<(), Failed> {
    let book = Arc::new(sim.book());
    let trapped = Trapped::new(TrapConfig::default(), book.clone())?;
    let job = Job::new(move |flow| {
        let book = book.clone();
        let rows = flow.channel::<LiftRow>("lifts").key_by(move |row| book.site(row.lift));
        let rows = rows.event_time(LiftRow::EVENT_TIME);
        let told = rows.detect("trapped", LiftRow::in_order(DISORDER_MS + 100).then(trapped.clone()));
        told.out.1.to_channel("told");
    });
    let mut running =
        job.workers(2).ticks(TickSource::FromEvents { interval_ms: 250, max_jump_ms: 3_600_000 }).start()?;
    let (lifts, told) = (running.sender::<LiftRow>("lifts")?, running.receiver::<LiftTold>("told")?);
    let (mut trappings, mut all) = (Vec::new(), Vec::new());
    // Rows go in while what is told is taken out, so that neither waits for the other.
    std::thread::scope(|scope| -> Result<(), Failed> {
        let collected = scope.spawn(move || told.rows().collect::<Vec<_>>());
        for day in 0..days {
            let mut rows = Vec::new();
            for lift in 1..=sim.config().lifts {
                let lived = sim.day(lift, day);
                let day_ms = sim.config().first_day_ms + i64::from(day) * 86_400_000;
                rows.extend(people(lift, day_ms, &lived.trappings));
                rows.extend(lived.rows);
                trappings.extend(lived.trappings);
            }
            rows.sort_by_key(|(arrives_ms, _)| *arrives_ms);
            for some in rows.chunks(20_000) {
                lifts.send(some.iter().map(|(_, row)| row.clone()).collect()).map_err(|e| e.to_string())?;
            }
        }
        drop(lifts);
        all = collected.join().map_err(|_| "what was told could not be collected")?;
        Ok(())
    })?;
    running.wait()?;
    judged.take(sim, days, &trappings, &all);
    Ok(())
}

impl Judged {
    fn take(&mut self, sim: &LiftSim, days: u32, trappings: &[Trapping], told: &[LiftTold]) {
        for lift in 1..=sim.config().lifts {
            *self.days.entry(sim.gateway(lift).sensor).or_default() += days;
            let mine: Vec<&Trapping> = trappings.iter().filter(|of| of.lift == lift).collect();
            let raised: Vec<(i64, u32, Trap)> = told
                .iter()
                .filter_map(|told| match &told.tells {
                    Tells::Raised { lift: of, nth, trap, .. } if *of == lift => Some((told.at_ms, *nth, *trap)),
                    _ => None,
                })
                .collect();
            let closed = |nth: u32| {
                let is = |tells: &Tells| matches!(tells, Tells::Step { lift: of, nth: this, step: RescueStep::Closed { .. }, .. } if *of == lift && *this == nth);
                told.iter().find(|told| is(&told.tells)).map_or(i64::MAX, |told| told.at_ms)
            };
            for trapping in &mine {
                self.one(sim, trapping, &raised, closed);
            }
            let during = |at_ms: i64| mine.iter().any(|of| (of.from_ms..of.until_ms + 90_000).contains(&at_ms));
            for (_, _, trap) in raised.iter().filter(|(at_ms, _, _)| !during(*at_ms)) {
                let of = if *trap == Trap::Trapped { &mut self.false_trapped } else { &mut self.false_possibly };
                *of.entry(sim.gateway(lift).sensor).or_default() += 1;
            }
        }
    }

    fn one(&mut self, sim: &LiftSim, trapping: &Trapping, raised: &[(i64, u32, Trap)], closed: impl Fn(u32) -> i64) {
        let gateway = sim.gateway(trapping.lift);
        let config = TrapConfig::default();
        let unknown = matches!(gateway.sensor, PersonSensor::Missing | PersonSensor::Failed);
        let hold_ms = if trapping.level { config.level_ms } else { config.off_level_ms };
        let due_ms = trapping.from_ms + hold_ms * if unknown { 2 } else { 1 } + gateway.poll_ms + ALLOWED_MS;
        // What was open before is told already.
        let of = |(at_ms, nth, _): &&(i64, u32, Trap)| {
            (trapping.from_ms..trapping.until_ms).contains(at_ms)
                || *at_ms < trapping.from_ms && closed(*nth) > trapping.from_ms
        };
        let first_ms = raised.iter().filter(of).map(|(at_ms, _, _)| *at_ms).min();
        let (case, sensor) = (format!("{:?}", trapping.case), format!("{:?}", gateway.sensor));
        let poll = format!("polled every {} s", gateway.poll_ms / 1_000);
        let how = match first_ms {
            Some(first_ms) if first_ms <= due_ms => None,
            Some(_) => Some("late"),
            None => Some("never"),
        };
        if let Some(how) = how {
            let (count, most_ms) = self.wanting.entry(format!("{how}: {case}, sensor {sensor}, {poll}")).or_default();
            (*count, *most_ms) = (*count + 1, first_ms.map_or(0, |first_ms| first_ms - due_ms).max(*most_ms));
        }
        // The shortest poll first.
        let poll = format!("{:>21}", poll);
        for of in [(0, case), (1, format!("sensor {sensor}")), (2, poll)] {
            let count = self.counts.entry(of).or_default();
            count.all += 1;
            match how {
                None => count.in_time += 1,
                Some("late") => count.late += 1,
                Some(_) => count.missed += 1,
            }
        }
    }

    fn table(&self, trappings_a_day: f64) -> String {
        let mut table = Builder::default();
        table.push_record(["trapped", "people", "in time", "late", "never"]);
        for ((_, what), count) in &self.counts {
            let numbers = [count.all, count.in_time, count.late, count.missed].map(|of| of.to_string());
            table.push_record(std::iter::once(what.trim().to_owned()).chain(numbers));
        }
        let mut falsely = Builder::default();
        falsely.push_record(["sensor", "lift-days", "\"trapped\" of nobody", "\"possibly\" of nobody", "a lift-day"]);
        for (sensor, days) in &self.days {
            let of = |counts: &BTreeMap<PersonSensor, u32>| counts.get(sensor).copied().unwrap_or_default();
            let (sure, possibly) = (of(&self.false_trapped), of(&self.false_possibly));
            let rate = f64::from(possibly) / f64::from(*days);
            falsely.push_record([
                format!("{sensor:?}"),
                days.to_string(),
                sure.to_string(),
                possibly.to_string(),
                format!("{rate:.3}"),
            ]);
        }
        let wanting = |(of, (count, most_ms)): (&String, &(u32, i64))| match most_ms {
            0 => format!("\n  {count:>3} {of}"),
            _ => format!("\n  {count:>3} {of}, by {:.1} s at most", *most_ms as f64 / 1e3),
        };
        let wanting: Vec<String> = self.wanting.iter().map(wanting).collect();
        let style = |builder: Builder| {
            let mut table: Table = builder.build();
            table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
            table.to_string()
        };
        let days: u32 = self.days.values().sum();
        format!(
            "{days} simulated lift-days, {trappings_a_day} trappings a day and lift. In time is within the rule, one poll and {} s:\n{}\nNot in time:{}\n{}",
            ALLOWED_MS / 1_000,
            style(table),
            if self.wanting.is_empty() { " nobody.".to_owned() } else { wanting.concat() },
            style(falsely)
        )
    }
}
