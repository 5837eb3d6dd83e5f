//! The same windows, plainly: every millisecond of every window is asked which reading is in force.

use std::collections::BTreeMap;

use watchfire_engine::Real;

use crate::crane::{ChartBook, CraneReading, OverloadConfig, OverloadWindow, ReevingStats, Utilisation};
use crate::window::{Span, WindowRow};

type Row = WindowRow<u32, OverloadWindow>;

/// Danger of a reading: nothing known, then ratios in millionths, then beyond the jib.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Danger {
    Unknown,
    Millionths(i64),
    Beyond,
}

fn danger(book: &ChartBook, r: &CraneReading) -> Danger {
    match book.chart(r.crane).map(|chart| chart.utilisation(r.reeving, r.load_kg, r.radius_m)) {
        Some(Utilisation::Ratio(ratio)) => Danger::Millionths((ratio * 1e6).round() as i64),
        Some(Utilisation::BeyondJib) => Danger::Beyond,
        _ => Danger::Unknown,
    }
}

/// All windows with a reading, by key and end.
pub(super) fn windows(config: &OverloadConfig, book: &ChartBook, all: &[CraneReading]) -> Vec<Row> {
    let mut by_crane: BTreeMap<u32, Vec<(i64, Danger, CraneReading)>> = BTreeMap::new();
    for r in all {
        let of_crane = by_crane.entry(r.crane).or_default();
        let says = (r.event_time_ms, danger(book, r));
        if !of_crane
            .iter()
            .any(|(at_ms, danger, known)| (*at_ms, *danger, known.reeving) == (says.0, says.1, r.reeving))
        {
            of_crane.push((says.0, says.1, r.clone()));
        }
    }
    let mut rows = Vec::new();
    for (crane, mut of_crane) in by_crane {
        of_crane.sort_by_key(|a| (a.0, a.1, a.2.reeving));
        let (first_ms, last_ms) = (of_crane[0].0, of_crane[of_crane.len() - 1].0);
        let mut start_ms = (first_ms - config.size_ms).div_euclid(config.slide_ms) * config.slide_ms;
        while start_ms <= last_ms {
            let span = Span { start_ms, end_ms: start_ms + config.size_ms };
            rows.extend(window(config, span, &of_crane).map(|value| WindowRow { key: crane, span, value }));
            start_ms += config.slide_ms;
        }
    }
    rows.sort();
    rows
}

#[derive(Debug)]
struct Stretch {
    reeving: u8,
    from_ms: i64,
    readings: Vec<Danger>,
    max: Option<(i64, i64)>,
    /// For every millisecond what was in force.
    ms: Vec<Danger>,
}

fn window(config: &OverloadConfig, span: Span, all: &[(i64, Danger, CraneReading)]) -> Option<OverloadWindow> {
    let inside = |at_ms: i64| (span.start_ms..span.end_ms).contains(&at_ms);
    if !all.iter().any(|(at_ms, ..)| inside(*at_ms)) {
        return None;
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for (n, (at_ms, danger, r)) in all.iter().enumerate() {
        let until_ms = all.get(n + 1).map_or(i64::MAX, |next| next.0).min(at_ms + config.max_gap_ms);
        let in_force = (*at_ms..until_ms).filter(|ms| inside(*ms)).count();
        if !inside(*at_ms) && in_force == 0 {
            continue;
        }
        let from_ms = (*at_ms).max(span.start_ms);
        if stretches.last().is_none_or(|last| last.reeving != r.reeving) {
            stretches.push(Stretch { reeving: r.reeving, from_ms, readings: vec![], max: None, ms: vec![] });
        }
        let stretch = stretches.last_mut().unwrap();
        stretch.readings.extend(inside(*at_ms).then_some(*danger));
        stretch.ms.extend(std::iter::repeat_n(*danger, in_force));
        if let Danger::Millionths(level) = danger
            && stretch.max.is_none_or(|(most, _)| *level > most)
        {
            stretch.max = Some((*level, from_ms));
        }
    }
    let mut stats: Vec<ReevingStats> = stretches.iter().map(|stretch| of(config, stretch)).collect();
    let latest = stats.pop()?;
    let sum = |of: fn(&ReevingStats) -> i64| of(&latest) + stats.iter().map(of).sum::<i64>();
    let (covered_ms, unknown_ms) = (sum(|s| s.covered_ms), sum(|s| s.unknown_ms));
    let coverage = Real::new(covered_ms as f64 / config.size_ms as f64).unwrap();
    Some(OverloadWindow { latest, earlier: stats, covered_ms, unknown_ms, coverage })
}

fn of(config: &OverloadConfig, stretch: &Stretch) -> ReevingStats {
    let count = |of: &[Danger], want: &dyn Fn(Danger) -> bool| of.iter().filter(|danger| want(**danger)).count();
    let ratios: Vec<i64> =
        stretch.ms.iter().filter_map(|d| if let Danger::Millionths(m) = d { Some(*m) } else { None }).collect();
    let above = |limit: f64| {
        let limit = Danger::Millionths((limit * 1e6).round() as i64);
        count(&stretch.ms, &|danger| danger >= limit) as i64
    };
    let beyond_jib_ms = count(&stretch.ms, &|danger| danger == Danger::Beyond) as i64;
    let sum: i64 = ratios.iter().sum();
    ReevingStats {
        reeving: stretch.reeving,
        from_ms: stretch.from_ms,
        readings: stretch.readings.len() as u32,
        unknown_readings: count(&stretch.readings, &|danger| danger == Danger::Unknown) as u32,
        beyond_jib_readings: count(&stretch.readings, &|danger| danger == Danger::Beyond) as u32,
        mean_utilisation: (!ratios.is_empty()).then(|| Real::new(sum as f64 / ratios.len() as f64 / 1e6).unwrap()),
        max_utilisation: stretch.max.map(|(most, _)| Real::new(most as f64 / 1e6).unwrap()),
        max_at_ms: stretch.max.map(|(_, at_ms)| at_ms),
        above_ms: config.thresholds.map(above),
        covered_ms: ratios.len() as i64 + beyond_jib_ms,
        beyond_jib_ms,
        unknown_ms: count(&stretch.ms, &|danger| danger == Danger::Unknown) as i64,
    }
}
