//! The same episodes, plainly: from the sorted list of all readings, in passes.

use std::collections::BTreeMap;

use watchfire_engine::Real;

use crate::crane::{ChartBook, CraneReading, EpisodeConfig, EpisodeEnd, OverloadEpisode, RatedLoad, Utilisation};

/// One instant of one crane.
#[derive(Clone, Debug)]
struct Instant {
    at_ms: i64,
    /// `None` if it says nothing; `i64::MAX` beyond the jib, else millionths.
    level: Option<i64>,
    reading: CraneReading,
}

/// A stretch of instants `from..to` that ends at `end_ms`.
#[derive(Clone, Debug)]
struct Stretch {
    from: usize,
    to: usize,
    end_ms: i64,
    end: EpisodeEnd,
}

fn millionths(ratio: f64) -> i64 {
    (ratio * 1e6).round() as i64
}

fn level(chart: Option<&RatedLoad>, r: &CraneReading) -> Option<i64> {
    match chart?.utilisation(r.reeving, r.load_kg, r.radius_m) {
        Utilisation::Ratio(ratio) => Some(millionths(ratio)),
        Utilisation::BeyondJib => Some(i64::MAX),
        Utilisation::NoReeving | Utilisation::Unknown => None,
    }
}

/// All episodes of all cranes once every reading is in, sorted.
pub(super) fn episodes(config: &EpisodeConfig, book: &ChartBook, all: &[CraneReading]) -> Vec<OverloadEpisode<u32>> {
    let release = millionths(config.release_at);
    let mut cranes: BTreeMap<u32, BTreeMap<i64, Instant>> = BTreeMap::new();
    for r in all {
        let instant = Instant { at_ms: r.event_time_ms, level: level(book.chart(r.crane), r), reading: r.clone() };
        let known = cranes.entry(r.crane).or_default().entry(r.event_time_ms).or_insert_with(|| instant.clone());
        if weight(&instant, release) > weight(known, release) {
            *known = instant;
        }
    }
    let mut found = Vec::new();
    for (crane, instants) in cranes {
        let instants: Vec<Instant> = instants.into_values().collect();
        for episode in joined(config, &instants, stretches(config, &instants)) {
            found.extend(row(config, crane, &instants, &episode));
        }
    }
    found.sort();
    found
}

/// The order in which readings of one instant count. What is below the release threshold is not told apart.
fn weight(i: &Instant, release: i64) -> (i32, i64, u64, u64, u8, bool, u32) {
    let r = &i.reading;
    let wind = r.wind_mps.map_or(u64::MAX, |mps| (mps * 100.0).round() as u64);
    let millimetres = (r.radius_m * 1_000.0).round() as u64;
    match i.level {
        None => (0, 0, 0, 0, r.reeving, false, 0),
        Some(level) if level < release => (1, 0, 0, 0, r.reeving, false, 0),
        Some(level) => (2, level, millimetres, wind, r.reeving, r.operator.is_some(), r.operator.unwrap_or(0)),
    }
}

/// Where instant `n` stops to speak.
fn reach_ms(config: &EpisodeConfig, all: &[Instant], n: usize) -> i64 {
    all.get(n + 1).map_or(i64::MAX, |next| next.at_ms).min(all[n].at_ms + config.max_gap_ms)
}

fn stretches(config: &EpisodeConfig, all: &[Instant]) -> Vec<Stretch> {
    let (enter, release) = (millionths(config.enter_at), millionths(config.release_at));
    let (mut found, mut at) = (Vec::new(), 0);
    while at < all.len() {
        if all[at].level.is_none_or(|level| level < enter) {
            at += 1;
            continue;
        }
        let (from, mut last_known, mut next) = (at, at, at + 1);
        let (end_ms, end) = loop {
            let evident_ms = reach_ms(config, all, last_known);
            let Some(instant) = all.get(next) else { break (evident_ms, EpisodeEnd::Silent) };
            if instant.at_ms - all[last_known].at_ms > config.max_silence_ms {
                break (evident_ms, EpisodeEnd::Silent);
            }
            if instant.reading.reeving != all[from].reading.reeving {
                break (instant.at_ms, EpisodeEnd::ReevingChanged);
            }
            match instant.level {
                Some(level) if level < release => break (instant.at_ms, EpisodeEnd::Released),
                Some(_) => last_known = next,
                None => {}
            }
            next += 1;
        };
        found.push(Stretch { from, to: next, end_ms, end });
        at = next;
    }
    found
}

/// Stretches of one episode each.
fn joined(config: &EpisodeConfig, all: &[Instant], stretches: Vec<Stretch>) -> Vec<Vec<Stretch>> {
    let mut episodes: Vec<Vec<Stretch>> = Vec::new();
    for stretch in stretches {
        let reeving = all[stretch.from].reading.reeving;
        let joins = episodes.last().and_then(|episode| episode.last()).is_some_and(|last| {
            last.end == EpisodeEnd::Released
                && all[stretch.from].at_ms - last.end_ms <= config.merge_gap_ms
                && all[last.from..stretch.from].iter().all(|instant| instant.reading.reeving == reeving)
        });
        match episodes.last_mut() {
            Some(episode) if joins => episode.push(stretch),
            _ => episodes.push(vec![stretch]),
        }
    }
    episodes
}

fn row(config: &EpisodeConfig, key: u32, all: &[Instant], of: &[Stretch]) -> Option<OverloadEpisode<u32>> {
    let (start_ms, last) = (all[of[0].from].at_ms, of.last()?);
    if last.end_ms - start_ms < config.min_duration_ms {
        return None;
    }
    let (mut sum, mut ratio_ms, mut excess, mut over_ms, mut beyond_ms) = (0i64, 0i64, 0i64, 0i64, 0i64);
    let (mut covered_ms, mut unknown_ms, mut readings) = (0, 0, 0);
    let mut peak: Option<usize> = None;
    for n in of[0].from..all.len() {
        let instant = &all[n];
        let for_ms = reach_ms(config, all, n).min(last.end_ms) - instant.at_ms;
        if for_ms < 0 || instant.at_ms >= last.end_ms {
            break;
        }
        let Some(level) = instant.level else {
            unknown_ms += for_ms;
            continue;
        };
        covered_ms += for_ms;
        if !of.iter().any(|stretch| (stretch.from..stretch.to).contains(&n)) {
            continue;
        }
        readings += 1;
        over_ms += if level >= millionths(config.enter_at) { for_ms } else { 0 };
        if level == i64::MAX {
            beyond_ms += for_ms;
        } else {
            (sum, ratio_ms) = (sum + level * for_ms, ratio_ms + for_ms);
            excess += (level - millionths(config.excess_above)).max(0) * for_ms;
        }
        if peak.is_none_or(|most| Some(level) > all[most].level) {
            peak = Some(n);
        }
    }
    let peak = &all[peak?];
    let rounded = |value: f64, per_unit: f64| Real::new((value * per_unit).round() / per_unit).unwrap();
    Some(OverloadEpisode {
        key,
        start_ms,
        end_ms: last.end_ms,
        end: last.end,
        reeving: peak.reading.reeving,
        peak: peak.level.filter(|level| *level != i64::MAX).map(|level| Real::new(level as f64 / 1e6).unwrap()),
        peak_at_ms: peak.at_ms,
        peak_radius_m: rounded(peak.reading.radius_m, 1_000.0),
        peak_wind_mps: peak.reading.wind_mps.map(|mps| rounded(mps, 100.0)),
        peak_operator: peak.reading.operator,
        mean: (ratio_ms > 0).then(|| Real::new(sum as f64 / ratio_ms as f64 / 1e6).unwrap()),
        excess_millionth_ms: excess,
        over_ms,
        beyond_jib_ms: beyond_ms,
        covered_ms,
        unknown_ms,
        coverage: Real::new(covered_ms as f64 / (last.end_ms - start_ms) as f64).unwrap(),
        readings,
    })
}
