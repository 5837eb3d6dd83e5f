//! What came of lifts that wear, as tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::detect::{Calibration, brier, reliability};
use watchfire::elevator::{Breaks, CostConfig, FaultClass, LiftRecord, Wear, WearDay};

use crate::metrics::{self, Ranked, average_precision, bootstrap};
use crate::wear::{BUSIEST, DAY_MS, FTRL, HORIZONS, Of, PLAIN, RANDOM, Run, SIGNS, TREES, WAYS, is_held_out};

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
    let (lifts, first_ms) = (run.sim.config().lifts, run.sim.config().first_day_ms);
    let within = first_ms..first_ms + i64::from(run.days) * DAY_MS;
    let faults = run.breaks.iter().filter(|of| !of.is_prevented() && within.contains(&of.breaks_ms)).count();
    let prevented = run.breaks.iter().filter(|of| of.is_prevented() && within.contains(&of.mended_ms)).count();
    let held_out = (1..=lifts).filter(|lift| is_held_out(*lift)).count();
    let _ = writeln!(
        text,
        "{lifts} simulated lifts for {} days, {faults} faults, {prevented} prevented by visits. Judged: {held_out} lifts that nothing is learned from, from day {} on, where there was no fault of the class for 30 days.",
        run.days,
        (run.from_ms - first_ms) / DAY_MS
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
    rows.push_record(["within 7 days", "happened", "share", WAYS[PLAIN], WAYS[SIGNS], WAYS[FTRL], WAYS[TREES]]);
    for class in Wear::CLASSES {
        let of: Vec<metrics::Foretold> =
            judged.iter().filter(|((_, of, _), _)| *of == class).map(|(_, of)| of.clone()).collect();
        let happened = of.iter().filter(|of| of.happened).count();
        let mut row = vec![
            format!("{class:?}"),
            happened.to_string(),
            format!("{:.4}", happened as f64 / of.len().max(1) as f64),
        ];
        row.extend([PLAIN, SIGNS, FTRL, TREES].map(|by| match average_precision(&of, by) {
            ap if ap.is_nan() => "none".to_owned(),
            ap => format!("{ap:.3}"),
        }));
        rows.push_record(row);
    }
    table(rows)
}

/// Each day the lifts that are likeliest to fail within a week, by the sum over their classes; who was visited is not visited again for a week.
fn visits(run: &Run) -> String {
    let mut rows = Builder::default();
    rows.push_record([
        "a list of visits a day, by",
        "visits",
        "what was expected breaks within 7 days",
        "faults visited before",
        "days before: half, one in ten",
        "wrong visits a lift-month",
    ]);
    for by in [RANDOM, BUSIEST, PLAIN, SIGNS, FTRL, TREES] {
        rows.push_record(Listed::of(run, by).row(WAYS[by]));
    }
    table(rows)
}

/// A lift that may be visited: its day, how likely it is to fail, itself, and what of it is likeliest.
type Candidate = (i64, f64, u32, FaultClass);

/// Lifts by day, those that are to be visited first first.
fn candidates(run: &Run, by: usize) -> Vec<Candidate> {
    let mut of_lifts: BTreeMap<(i64, u32), (f64, f64, FaultClass)> = BTreeMap::new();
    let judged = run.all.iter().filter(|((lift, _, at_ms), _)| *at_ms >= run.from_ms && is_held_out(*lift));
    for (of, day) in judged {
        let scores = run.scores(WEEK, of, day);
        // What tells nothing of classes expects what has been most often.
        let of_class = if matches!(by, RANDOM | BUSIEST) { scores[PLAIN] } else { scores[by] };
        let (sum, most, class) = of_lifts.entry((of.2, of.0)).or_insert((0.0, f64::NEG_INFINITY, of.1));
        *sum += scores[by];
        if of_class > *most {
            (*most, *class) = (of_class, of.1);
        }
    }
    let mut all: Vec<Candidate> =
        of_lifts.into_iter().map(|((at_ms, lift), (sum, _, class))| (at_ms, sum, lift, class)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    all
}

/// What a list of visits came to.
#[derive(Debug, Default)]
struct Listed {
    visits: usize,
    right: usize,
    faults: usize,
    /// How long before each fault that somebody was there for it, days, rising.
    before: Vec<i64>,
    lift_months: f64,
}

impl Listed {
    fn of(run: &Run, by: usize) -> Listed {
        let (mut listed, mut visits) = (Listed::default(), Vec::<(i64, u32, FaultClass)>::new());
        let all = candidates(run, by);
        let last_ms = all.last().map_or(0, |of| of.0);
        let mut rests_until: BTreeMap<u32, i64> = BTreeMap::new();
        for day in all.chunk_by(|a, b| a.0 == b.0) {
            if day[0].0 + 8 * DAY_MS <= last_ms {
                listed.lift_months += day.len() as f64 / 30.0;
            }
            let so_many = ((day.len() as f64 * VISITS).round() as usize).max(1);
            let rested = day.iter().filter(|of| rests_until.get(&of.2).is_none_or(|until_ms| *until_ms <= of.0));
            let today: Vec<_> = rested.take(so_many).map(|(at_ms, _, lift, class)| (*at_ms, *lift, *class)).collect();
            rests_until.extend(today.iter().map(|(at_ms, lift, _)| (*lift, at_ms + 7 * DAY_MS)));
            visits.extend(today);
        }
        // A day is told at its end. What somebody else has mended by then was right, and what was mended before was not.
        let is_for = |(at_ms, lift, class): &(i64, u32, FaultClass), of: &Breaks| {
            let end_ms = at_ms + DAY_MS;
            let is_of = (of.lift, of.class) == (*lift, *class) && end_ms <= of.mended_ms;
            is_of && (end_ms..end_ms + 7 * DAY_MS).contains(&of.breaks_ms)
        };
        let known = visits.iter().filter(|(at_ms, ..)| at_ms + 8 * DAY_MS <= last_ms);
        for visit in known {
            listed.visits += 1;
            listed.right += usize::from(run.breaks.iter().any(|of| is_for(visit, of)));
        }
        let real = run.breaks.iter().filter(|of| !of.is_prevented() && is_held_out(of.lift));
        for fault in real.filter(|of| (run.from_ms + 8 * DAY_MS..last_ms).contains(&of.breaks_ms)) {
            listed.faults += 1;
            let first = visits.iter().find(|visit| is_for(visit, fault));
            listed.before.extend(first.map(|(at_ms, ..)| (fault.breaks_ms - at_ms - DAY_MS) / DAY_MS));
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
            format!("{:.2}", (self.visits - self.right) as f64 / self.lift_months.max(1e-9)),
        ]
    }
}

/// Whether what is foretold of a week is as often true as it says: as it comes, and by what came of it in the first third of the days that are judged. All of it on the others.
fn probabilities(run: &Run) -> String {
    let (judged, _) = run.judged(WEEK, |_| true);
    let last_ms = judged.iter().map(|((_, _, at_ms), _)| *at_ms).max().unwrap_or(run.from_ms);
    let third_ms = run.from_ms + (last_ms - run.from_ms) / 3;
    // What came of a day is known a week later.
    let first: Vec<_> = judged.iter().filter(|((_, _, at_ms), _)| *at_ms + 8 * DAY_MS <= third_ms).collect();
    let rest: Vec<_> = judged.iter().filter(|((_, _, at_ms), _)| *at_ms >= third_ms).collect();
    let happened = rest.iter().filter(|(_, of)| of.happened).count() as f64 / rest.len().max(1) as f64;
    let by = |way: usize| move |(_, of): &&(Of, metrics::Foretold)| (of.scores[way], of.happened);
    let mut each: Vec<(String, Vec<(f64, bool)>)> = vec![(
        "always their share, which nobody knew".into(),
        rest.iter().map(|(_, of)| (happened, of.happened)).collect(),
    )];
    for way in [FTRL, TREES] {
        let raw: Vec<(f64, bool)> = rest.iter().map(by(way)).collect();
        each.push((WAYS[way].into(), raw.clone()));
        if let Ok(map) = Calibration::isotonic(first.iter().map(by(way))) {
            let mapped = raw.into_iter().map(|(p, happened)| (map.of(p), happened)).collect();
            each.push((format!("{}, calibrated", WAYS[way]), mapped));
        }
    }
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
        rows.push_record([name, format!("{:.5}", brier(all)), parts.join("; ")]);
    }
    table(rows)
}

/// What is foretold of a lift before somebody mended what had not broken yet, and after.
fn mended(run: &Run) -> String {
    let mut rows = Builder::default();
    rows.push_record(["mended before it broke", "foretold the day before", "the day after", "the fifth day after"]);
    let first_ms = run.sim.config().first_day_ms;
    let at = |of: &Breaks, days: i64| -> Option<f64> {
        let day_ms = of.mended_ms - (of.mended_ms - first_ms).rem_euclid(DAY_MS) + days * DAY_MS;
        run.by_ftrl[WEEK].get(&(of.lift, of.class, day_ms)).copied()
    };
    let mut all: Vec<[f64; 3]> = Vec::new();
    let judged = |of: &&Breaks| of.is_prevented() && of.mended_ms >= run.from_ms && is_held_out(of.lift);
    for of in run.breaks.iter().filter(judged) {
        let [before, after, later] = [-1, 1, 5].map(|days| at(of, days));
        all.extend(before.zip(after).zip(later).map(|((before, after), later)| [before, after, later]));
    }
    let mean = |nth: usize| match all.len() {
        0 => "none".to_owned(),
        count => format!("{:.3}", all.iter().map(|of| of[nth]).sum::<f64>() / count as f64),
    };
    rows.push_record([all.len().to_string(), mean(0), mean(1), mean(2)]);
    table(rows)
}

/// What lifts were expected to cost by their record before the days that are judged, and what they came to then, at the mean cost of each class.
fn costs(run: &Run) -> String {
    let config = CostConfig { loading: 0.0, ..CostConfig::default() };
    // Before, and after.
    let mut seen: BTreeMap<u32, [LiftRecord; 2]> = BTreeMap::new();
    for ((lift, class, at_ms), day) in &run.all {
        let part = &mut seen.entry(*lift).or_default()[usize::from(*at_ms >= run.from_ms)];
        part.years += 1.0 / 365.0 / Wear::CLASSES.len() as f64;
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
