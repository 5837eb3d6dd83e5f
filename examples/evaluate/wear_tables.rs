//! What came of lifts that wear, as tables.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::detect::{brier, reliability};
use watchfire::elevator::{Breaks, CostConfig, FaultClass, LiftRecord, WearDay};

use crate::metrics::{self, Ranked, average_precision, bootstrap};
use crate::wear::{CLASSES, DAY_MS, HORIZONS, Run, WAYS, is_held_out};

const FTRL: usize = 5;
const TREES: usize = 6;
const PLAIN: usize = 2;

/// The share of lifts that a crew can visit in a day.
const VISITS: f64 = 0.02;

/// Which horizon a list of visits goes by: seven days.
const WEEK: usize = 1;

fn table(rows: Builder) -> String {
    let mut table = rows.build();
    table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
    format!("{table}\n")
}

/// A lift that has not failed lately: repeats are easy.
fn is_fresh(day: &WearDay) -> bool {
    !day.failed && !day.failed_lately
}

pub fn all(run: &Run) -> String {
    let mut text = String::new();
    let (lifts, faults) = (run.sim.config().lifts, run.breaks.iter().filter(|of| !of.is_prevented()).count());
    let held_out = (1..=lifts).filter(|lift| is_held_out(*lift)).count();
    let _ = writeln!(
        text,
        "{lifts} simulated lifts for {} days, {faults} faults, {} prevented by visits. Judged: {held_out} lifts that nothing is learned from, from day {} on, where there was no fault of the class for 30 days.",
        run.days,
        run.breaks.len() - faults,
        (run.from_ms - run.sim.config().first_day_ms) / DAY_MS
    );
    for (nth, days) in HORIZONS.into_iter().enumerate() {
        let (judged, nobody) = run.judged(nth, is_fresh);
        let all: Vec<metrics::Foretold> = judged.iter().map(|(_, of)| of.clone()).collect();
        let happened = all.iter().filter(|of| of.happened).count();
        let _ = writeln!(
            text,
            "A fault within {days} days: of {} days of a lift and class, after {happened} ({:.4}); of {:.1} % more nobody knows.",
            all.len(),
            happened as f64 / all.len().max(1) as f64,
            100.0 * nobody
        );
        text.push_str(&by_way(&all));
    }
    text.push_str(&by_class(run));
    text.push_str(&visits(run));
    text.push_str(&probabilities(run));
    text.push_str(&mended(run));
    text.push_str(&costs(run));
    text.trim_end().to_owned()
}

fn by_way(all: &[metrics::Foretold]) -> String {
    let (once, lifts) = (vec![1.0; all.len()], all.iter().map(|of| of.asset).collect::<Vec<_>>());
    let mut rows = Builder::default();
    rows.push_record(["of lifts that are judged", "average precision", "95 %, by lift", "above faults so far, 95 %"]);
    let ranks: Vec<Ranked> = (0..WAYS.len()).map(|by| Ranked::of(all, by)).collect();
    for (by, way) in WAYS.iter().enumerate() {
        let ranked = &ranks[by];
        let ap = ranked.average_precision(&once);
        let of = bootstrap(&lifts, 1, |times| ranked.average_precision(times));
        let above =
            bootstrap(&lifts, 1, |times| ranked.average_precision(times) - ranks[PLAIN].average_precision(times));
        let above = if by == PLAIN { String::new() } else { format!("{:+.3} to {:+.3}", above.0, above.1) };
        rows.push_record([(*way).to_owned(), format!("{ap:.3}"), format!("{:.3} to {:.3}", of.0, of.1), above]);
    }
    table(rows)
}

fn by_class(run: &Run) -> String {
    let (judged, _) = run.judged(WEEK, is_fresh);
    let mut rows = Builder::default();
    rows.push_record(["within 7 days", "happened", "share", WAYS[PLAIN], WAYS[4], WAYS[FTRL], WAYS[TREES]]);
    for class in CLASSES {
        let of: Vec<metrics::Foretold> =
            judged.iter().filter(|((_, of, _), _)| *of == class).map(|(_, of)| of.clone()).collect();
        let happened = of.iter().filter(|of| of.happened).count();
        let mut row = vec![
            format!("{class:?}"),
            happened.to_string(),
            format!("{:.4}", happened as f64 / of.len().max(1) as f64),
        ];
        row.extend([PLAIN, 4, FTRL, TREES].map(|by| match average_precision(&of, by) {
            ap if ap.is_nan() => "none".to_owned(),
            ap => format!("{ap:.3}"),
        }));
        rows.push_record(row);
    }
    table(rows)
}

/// Each day the lifts that are likeliest to fail within a week, one visit each: by the sum over their classes.
fn visits(run: &Run) -> String {
    let online: HashMap<(u32, i64), f64> = HashMap::new();
    let mut by_day: [BTreeMap<i64, Vec<(f64, u32)>>; 3] = Default::default();
    let mut sums: [HashMap<(u32, i64), f64>; 3] = [online.clone(), online.clone(), online];
    for (of, day) in run.all.iter().filter(|((lift, _, at_ms), _)| *at_ms >= run.from_ms && is_held_out(*lift)) {
        let key = (of.0, of.2);
        let trees = run.by_trees[WEEK].get(of).map_or(0.0, |logit| 1.0 / (1.0 + (-logit).exp()));
        let each = [day.features[9].exp(), run.by_ftrl[WEEK].get(of).copied().unwrap_or(0.0), trees];
        sums.iter_mut().zip(each).for_each(|(sums, p)| *sums.entry(key).or_default() += p);
    }
    for (by_day, sums) in by_day.iter_mut().zip(&sums) {
        for ((lift, at_ms), p) in sums {
            by_day.entry(*at_ms).or_default().push((*p, *lift));
        }
    }
    let mut rows = Builder::default();
    rows.push_record([
        "a list of visits a day, by",
        "visits",
        "something would break within 7 days",
        "faults listed before",
        "days before: half, one in ten",
        "false a lift-month",
    ]);
    for (name, by_day) in [WAYS[PLAIN], WAYS[FTRL], WAYS[TREES]].into_iter().zip(&mut by_day) {
        rows.push_record(Listed::of(run, by_day).row(name));
    }
    table(rows)
}

/// What a list of visits came to.
#[derive(Debug, Default)]
struct Listed {
    visits: usize,
    right: usize,
    faults: usize,
    /// How long before each that was listed, days, rising.
    before: Vec<i64>,
    false_runs: usize,
    lift_months: f64,
}

impl Listed {
    fn of(run: &Run, by_day: &mut BTreeMap<i64, Vec<(f64, u32)>>) -> Listed {
        let mut listed = Listed::default();
        let mut when: HashMap<u32, Vec<i64>> = HashMap::new();
        for (at_ms, lifts) in by_day.iter_mut() {
            lifts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            listed.lift_months += lifts.len() as f64 / 30.0;
            let first = ((lifts.len() as f64 * VISITS).round() as usize).max(1);
            lifts.iter().take(first).for_each(|(_, lift)| when.entry(*lift).or_default().push(*at_ms));
        }
        let last_ms = by_day.keys().last().copied().unwrap_or_default();
        let real = |of: &&Breaks| !of.is_prevented() && is_held_out(of.lift);
        let faults: Vec<_> = run.breaks.iter().filter(real).collect();
        for (lift, days) in &mut when {
            days.sort_unstable();
            let mine: Vec<&Breaks> = run.breaks.iter().filter(|of| of.lift == *lift).collect();
            // A day is told at its end. What somebody else has mended by then was right, and what was mended before was not.
            let follows = |day_ms: i64| {
                let end_ms = day_ms + DAY_MS;
                mine.iter().any(|of| (end_ms..end_ms + 7 * DAY_MS).contains(&of.breaks_ms) && end_ms <= of.mended_ms)
            };
            listed.visits += days.len();
            listed.right += days.iter().filter(|day_ms| follows(**day_ms)).count();
            listed.false_runs += days
                .chunk_by(|a, b| b - a <= 2 * DAY_MS)
                .filter(|run| !run.iter().any(|day_ms| follows(*day_ms)))
                .count();
        }
        for fault in faults.iter().filter(|of| (run.from_ms + 7 * DAY_MS..last_ms).contains(&of.breaks_ms)) {
            listed.faults += 1;
            let before =
                |day_ms: &&i64| (fault.breaks_ms - 30 * DAY_MS..fault.breaks_ms).contains(&(**day_ms + DAY_MS));
            let first = when.get(&fault.lift).and_then(|days| days.iter().find(before));
            listed.before.extend(first.map(|day_ms| (fault.breaks_ms - day_ms - DAY_MS) / DAY_MS));
        }
        listed.before.sort_unstable();
        listed
    }

    fn row(&self, name: &str) -> Vec<String> {
        let at = |share: f64| self.before.get((self.before.len() as f64 * share) as usize).copied().unwrap_or(0);
        vec![
            name.to_owned(),
            self.visits.to_string(),
            format!("{:.3}", self.right as f64 / self.visits.max(1) as f64),
            format!("{} of {}", self.before.len(), self.faults),
            format!("{}, {}", at(0.5), at(0.1)),
            format!("{:.2}", self.false_runs as f64 / self.lift_months.max(1e-9)),
        ]
    }
}

/// Whether what is foretold of a week is as often true as it says.
fn probabilities(run: &Run) -> String {
    let (judged, _) = run.judged(WEEK, |_| true);
    let happened = judged.iter().filter(|(_, of)| of.happened).count() as f64 / judged.len().max(1) as f64;
    let trees = |of: &metrics::Foretold| 1.0 / (1.0 + (-of.scores[TREES]).exp());
    let ftrl = |of: &metrics::Foretold| of.scores[FTRL];
    let each: [(&str, Vec<(f64, bool)>); 3] = [
        ("always the share of all", judged.iter().map(|(_, of)| (happened, of.happened)).collect()),
        (WAYS[FTRL], judged.iter().map(|(_, of)| (ftrl(of), of.happened)).collect()),
        (WAYS[TREES], judged.iter().map(|(_, of)| (trees(of), of.happened)).collect()),
    ];
    let mut rows = Builder::default();
    rows.push_record([
        "within 7 days, as a probability",
        "Brier score",
        "foretold and happened, five parts of the scale",
    ]);
    for (name, all) in each {
        let parts = reliability(all.iter().copied(), 5);
        let parts: Vec<String> =
            parts.iter().map(|part| format!("{:.2}: {:.2} ({})", part.foretold, part.happened, part.count)).collect();
        rows.push_record([name.to_owned(), format!("{:.5}", brier(all)), parts.join("; ")]);
    }
    table(rows)
}

/// What is foretold of a lift before somebody mended what had not broken yet, and after.
fn mended(run: &Run) -> String {
    let mut rows = Builder::default();
    rows.push_record(["mended before it broke", "foretold the day before", "the day after", "the fifth day after"]);
    let at = |of: &Breaks, days: i64| -> Option<f64> {
        let day_ms = of.mended_ms.div_euclid(DAY_MS) * DAY_MS;
        let key = (run.all.keys().next()?.2 - day_ms).rem_euclid(DAY_MS);
        let first = day_ms + key - if key > 0 { DAY_MS } else { 0 };
        let first = if first + DAY_MS <= of.mended_ms { first + DAY_MS } else { first };
        run.by_ftrl[WEEK].get(&(of.lift, of.class, first + days * DAY_MS)).copied()
    };
    let mut all: Vec<[f64; 3]> = Vec::new();
    for of in run.breaks.iter().filter(|of| of.is_prevented() && of.mended_ms >= run.from_ms) {
        all.extend(
            [-1, 1, 5]
                .map(|days| at(of, days))
                .into_iter()
                .collect::<Option<Vec<f64>>>()
                .and_then(|of| <[f64; 3]>::try_from(of).ok()),
        );
    }
    let mean = |nth: usize| all.iter().map(|of| of[nth]).sum::<f64>() / all.len().max(1) as f64;
    rows.push_record([
        all.len().to_string(),
        format!("{:.3}", mean(0)),
        format!("{:.3}", mean(1)),
        format!("{:.3}", mean(2)),
    ]);
    table(rows)
}

/// What lifts were expected to cost by their record before the days that are judged, and what they came to then, at the mean cost of each class.
fn costs(run: &Run) -> String {
    let config = CostConfig { loading: 0.0, ..CostConfig::default() };
    // Before, and after.
    let mut seen: BTreeMap<u32, [LiftRecord; 2]> = BTreeMap::new();
    for ((lift, class, at_ms), day) in &run.all {
        let part = &mut seen.entry(*lift).or_default()[usize::from(*at_ms >= run.from_ms)];
        part.years += 1.0 / 365.0 / CLASSES.len() as f64;
        *part.faults.entry(*class).or_default() += u32::from(day.failed);
    }
    let mut each: Vec<(f64, f64, f64, f64)> = Vec::new();
    for [before, after] in seen.into_values() {
        let Ok(cost) = config.a_year(&before) else { continue };
        let mean = |class: &FaultClass| config.classes.get(class).map_or(0.0, |of| of.mean_yuan());
        let came: f64 = after.faults.iter().map(|(class, faults)| f64::from(*faults) * mean(class)).sum();
        each.push((cost.expected_yuan, (cost.high_yuan - cost.low_yuan) / cost.expected_yuan, came, after.years));
    }
    each.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut rows = Builder::default();
    rows.push_record([
        "lifts, by what they are expected to cost",
        "expected, yuan a year",
        "interval of 90 %, of it",
        "came to, yuan a year",
    ]);
    let third = each.len().div_ceil(3).max(1);
    for (name, part) in ["least", "middle", "most"].iter().zip(each.chunks(third)) {
        let mean = |of: fn(&(f64, f64, f64, f64)) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
        let came = mean(|of| of.2) / mean(|of| of.3).max(1e-9);
        rows.push_record([
            (*name).to_owned(),
            format!("{:.0}", mean(|of| of.0)),
            format!("{:.0} %", 100.0 * mean(|of| of.1)),
            format!("{came:.0}"),
        ]);
    }
    table(rows)
}
