//! Random readings in random order, in random batches and epochs, on one to four workers.

use proptest::prelude::*;
use watchfire_engine::{Change, Job};

use super::reference;
use crate::crane::stats::tests::harness::{
    assert_same, batches, book, held, job, readings, retractions, run, run_every_way, shuffled,
};
use crate::crane::{CraneReading, EpisodeConfig, EpisodeEnd, OverloadEpisode, OverloadEpisodes};

type Row = Change<OverloadEpisode<u32>>;

fn config() -> EpisodeConfig {
    EpisodeConfig {
        merge_gap_ms: 50,
        min_duration_ms: 25,
        max_gap_ms: 60,
        max_silence_ms: 400,
        open_after_ms: 100,
        update_every_ms: 100,
        correct_every_ms: 150,
        ..EpisodeConfig::default()
    }
}

fn episodes(config: &EpisodeConfig, disorder_ms: i64) -> Job {
    let config = config.clone();
    job(move || OverloadEpisodes::<u32>::new(config.clone(), book()).unwrap(), disorder_ms, 50)
}

fn orders() -> impl Strategy<Value = (Vec<i64>, Vec<usize>, u64)> {
    (prop::collection::vec(0i64..10_000, 1..50), prop::collection::vec(1usize..60, 1..8), any::<u64>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_within_the_bound(rows in readings(1..250, 20), (jitter, lengths, seed) in orders()) {
        let expected = reference::episodes(&config(), &book(), &rows);
        let arrived = shuffled(rows, &jitter, 70);
        let ran = run_every_way::<Row>(&episodes(&config(), 70), batches(arrived, &lengths), seed);
        prop_assert!(ran.late.is_empty());
        assert_same(&held(ran.out), &expected);
    }

    #[test]
    fn late_rows_extend_split_and_join(
        rows in readings(1..250, 20), (jitter, lengths, seed) in orders(), bound_ms in 0i64..3_000,
    ) {
        let expected = reference::episodes(&config(), &book(), &rows);
        let arrived = shuffled(rows, &jitter, bound_ms);
        let ran = run_every_way::<Row>(&episodes(&config(), 10), batches(arrived, &lengths), seed);
        prop_assert!(ran.late.is_empty());
        assert_same(&held(ran.out), &expected);
    }

    /// What is behind the horizon is late, is forgotten, and what holds is what the other rows make.
    #[test]
    fn rows_behind_the_horizon_are_late(
        rows in readings(1..400, 20), (jitter, lengths, seed) in orders(), lateness_ms in 0i64..1_500,
    ) {
        let config = EpisodeConfig { allowed_lateness_ms: lateness_ms, ..config() };
        let arrived = shuffled(rows, &jitter, 2_000);
        let mut latest = std::collections::BTreeMap::new();
        let (mut kept, mut late) = (Vec::new(), Vec::new());
        for row in &arrived {
            let latest: &mut i64 = latest.entry(row.crane).or_insert(i64::MIN);
            *latest = (*latest).max(row.event_time_ms);
            let is_late = row.event_time_ms < *latest - 10 - lateness_ms;
            if is_late { late.push(row.clone()) } else { kept.push(row.clone()) }
        }
        let ran = run_every_way::<Row>(&episodes(&config, 10), batches(arrived, &lengths), seed);
        prop_assert_eq!(ran.late, late);
        assert_same(&held(ran.out), &reference::episodes(&config, &book(), &kept));
    }
}

fn at(at_ms: i64, ratio: f64) -> CraneReading {
    CraneReading::new(1, at_ms, ratio * 3_920.0, 20.0, 4)
}

/// Ten readings a second of one ratio.
fn held_at(ratio: f64, from_ms: i64, to_ms: i64) -> Vec<CraneReading> {
    (from_ms..to_ms).step_by(100).map(|at_ms| at(at_ms, ratio)).collect()
}

fn spans(changes: Vec<Row>) -> Vec<(i64, i64, EpisodeEnd)> {
    held(changes).iter().map(|episode| (episode.start_ms, episode.end_ms, episode.end)).collect()
}

fn default_job(tick_ms: i64) -> Job {
    job(|| OverloadEpisodes::<u32>::new(EpisodeConfig::default(), book()).unwrap(), 1_000, tick_ms)
}

#[test]
fn a_late_reading_splits_an_episode_and_another_joins_it_again() {
    let mut rows = held_at(1.02, 0, 20_000);
    rows.retain(|row| !(8_000..14_000).contains(&row.event_time_ms));
    rows.extend(held_at(0.5, 20_000, 30_000));
    let (whole, _) = run::<Row>(&default_job(1_000), vec![rows.clone()]);
    let told_early = retractions(&whole.out);
    assert_eq!(spans(whole.out), [(0, 20_000, EpisodeEnd::Released)]);
    rows.push(at(8_500, 0.5));
    rows.extend(held_at(0.5, 30_000, 33_000));
    let (split, _) = run::<Row>(&default_job(1_000), vec![rows.clone()]);
    assert_eq!(retractions(&split.out), told_early + 1, "one retraction of the whole");
    assert_eq!(spans(split.out), [(0, 8_500, EpisodeEnd::Released), (14_000, 20_000, EpisodeEnd::Released)]);
    rows.push(at(11_000, 1.0));
    rows.extend(held_at(0.5, 33_000, 36_000));
    let (joined, _) = run::<Row>(&default_job(1_000), vec![rows]);
    assert_eq!(spans(joined.out), [(0, 20_000, EpisodeEnd::Released)]);
}

#[test]
fn what_is_open_is_told_in_time_and_every_so_often() {
    let mut rows = held_at(1.02, 0, 30_000);
    rows.extend(held_at(0.5, 30_000, 40_000));
    let (ran, _) = run::<Row>(&default_job(1_000), vec![rows]);
    let inserted: Vec<(i64, EpisodeEnd)> = ran
        .out
        .iter()
        .filter_map(|change| if let Change::Insert(row) = change { Some((row.end_ms, row.end)) } else { None })
        .collect();
    let ends: Vec<EpisodeEnd> = inserted.iter().map(|told| told.1).collect();
    assert_eq!(ends, [EpisodeEnd::Open, EpisodeEnd::Open, EpisodeEnd::Open, EpisodeEnd::Released]);
    assert_eq!(inserted[3].0, 30_000);
    // Told 5 s after it was noticed, then every 10 s; each reading so far counts on for 3 s.
    assert!((7_000..=9_100).contains(&inserted[0].0), "{inserted:?}");
    assert!((17_000..=19_100).contains(&inserted[1].0), "{inserted:?}");
    assert_eq!(spans(ran.out), [(0, 30_000, EpisodeEnd::Released)]);
}

#[test]
fn an_unknown_reading_does_not_end_an_episode_and_a_repeated_one_is_a_duplicate() {
    let mut rows = held_at(1.02, 0, 5_000);
    // An infinite load is unknown: decoding refuses it, and here it must do no harm.
    rows.push(CraneReading { load_kg: f64::INFINITY, ..at(5_000, 1.0) });
    rows.extend([at(7_000, 1.3), at(7_000, 1.3), at(7_000, 1.1), at(8_000, 0.5)]);
    let (ran, _) = run::<Row>(&default_job(1_000), vec![rows]);
    let books = ran.metrics.operators["crane"].detectors[0];
    assert_eq!((books.applied, books.duplicate, books.late), (54, 1, 0));
    let episode = &held(ran.out)[0];
    assert_eq!((episode.start_ms, episode.end_ms), (0, 8_000));
    assert_eq!((episode.unknown_ms, episode.covered_ms, episode.peak_at_ms), (2_000, 6_000, 7_000));
    assert_eq!(episode.coverage.get(), 0.75);
}

#[test]
fn impossible_event_times_are_late() {
    let rows = vec![at(0, 1.5), CraneReading { event_time_ms: i64::MIN, ..at(0, 1.5) }];
    let (ran, _) = run::<Row>(&default_job(1_000), vec![rows]);
    assert_eq!(ran.late.len(), 1);
}
