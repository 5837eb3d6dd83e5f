//! The golden cases, by the numbers beside them.

use watchfire_engine::{Change, Real};

use super::reference;
use crate::crane::stats::tests::harness::{assert_same, batches, book, held, job, retractions, run, run_every_way};
use crate::crane::{
    CraneReading, EpisodeConfig, EpisodeEnd, GOLDEN_START_MS, OverloadEpisode, OverloadEpisodes, chatter, creep,
    late_burst, reeving_change, snatch, sparse_poll, sparse_poll_truth, steady_overload,
};

type Episode = OverloadEpisode<u32>;

fn detector() -> OverloadEpisodes<u32> {
    OverloadEpisodes::new(EpisodeConfig::default(), book()).unwrap()
}

fn episodes(readings: Vec<CraneReading>) -> Vec<Episode> {
    let expected = reference::episodes(&EpisodeConfig::default(), &book(), &readings);
    let job = job(detector, 5_000, 1_000);
    let rows = held(run_every_way::<Change<Episode>>(&job, batches(readings, &[7, 300]), 1).out);
    assert_same(&rows, &expected);
    rows
}

/// Start and end, from the begin of the case.
fn span(episode: &Episode) -> (i64, i64) {
    (episode.start_ms - GOLDEN_START_MS, episode.end_ms - GOLDEN_START_MS)
}

#[test]
fn case_1_creep() {
    let found = episodes(creep());
    assert_eq!(found.len(), 1);
    let (start_ms, end_ms) = span(&found[0]);
    assert!((start_ms - 16_500).abs() <= 200, "{start_ms}");
    // The readings end at 29.9 s, still overloaded, and the last counts on for 3 s.
    assert_eq!((end_ms, found[0].end), (32_900, EpisodeEnd::Silent));
    assert_eq!(found[0].peak_at_ms, GOLDEN_START_MS + 24_000);
    assert_eq!(found[0].peak_radius_m, Real::new(27.0).unwrap());
}

#[test]
fn case_2_steady_overload() {
    let found = episodes(steady_overload());
    assert_eq!(found.len(), 1);
    let episode = &found[0];
    assert_eq!(span(episode), (5_000, 45_000));
    assert_eq!((episode.end, episode.readings, episode.over_ms), (EpisodeEnd::Released, 400, 40_000));
    assert_eq!((episode.peak, episode.mean), (Real::new(1.025_641).ok(), Real::new(1.025_641).ok()));
    // 0.025641 above the rated load for 40 s.
    assert_eq!(episode.excess_millionth_ms, 25_641 * 40_000);
    assert_eq!(episode.coverage.get(), 1.0);
}

#[test]
fn cases_3_and_5_snatch_and_chatter() {
    assert!(episodes(snatch()).is_empty(), "0.4 s is too short");
    let found = episodes(chatter());
    assert_eq!(found.len(), 1, "0.99 is above the release threshold");
    assert_eq!(span(&found[0]), (1_000, 60_000));
    assert_eq!(found[0].over_ms, 30_000);
}

#[test]
fn case_6_reeving_change() {
    let found = episodes(reeving_change());
    assert_eq!(found.len(), 1);
    assert_eq!(span(&found[0]), (30_000, 62_900));
    assert_eq!((found[0].reeving, found[0].peak), (2, Real::new(1.166_667).ok()));
    // Changed while it is overloaded: two episodes that meet.
    let mut changed = reeving_change();
    changed.iter_mut().for_each(|reading| reading.load_kg = 6_000.0);
    let found = episodes(changed);
    assert_eq!(found.iter().map(span).collect::<Vec<_>>(), [(0, 30_000), (30_000, 62_900)]);
    assert_eq!((found[0].end, found[0].reeving, found[1].reeving), (EpisodeEnd::ReevingChanged, 4, 2));
}

#[test]
fn case_7_sparse_poll() {
    assert!(episodes(sparse_poll()).is_empty());
    let truth = episodes(sparse_poll_truth());
    assert_eq!(truth.iter().map(span).collect::<Vec<_>>(), [(310_000, 315_000)]);
    // A poll that hits an overload says little, and says so.
    let mut hit = sparse_poll();
    hit[10].load_kg *= 1.5;
    let found = episodes(hit);
    assert_eq!(found.iter().map(span).collect::<Vec<_>>(), [(300_000, 330_000)]);
    assert_eq!((found[0].covered_ms, found[0].coverage.get()), (3_000, 0.1));
}

#[test]
fn case_8_late_burst() {
    let (ran, _) = run::<Change<Episode>>(&job(detector, 5_000, 1_000), batches(late_burst(), &[512]));
    assert!(ran.late.is_empty());
    let mut sorted = late_burst();
    sorted.reverse();
    let expected = episodes(sorted);
    let retracted = retractions(&ran.out);
    let found = held(ran.out);
    assert_same(&found, &expected);
    let spans: Vec<(i64, i64)> = (0..12).map(|n| (600_000 * n + 300_000, 600_000 * n + 320_000)).collect();
    assert_eq!(found.iter().map(span).collect::<Vec<_>>(), spans);
    assert!(found.iter().all(|episode| episode.readings == 200 && episode.peak == Real::new(1.06).ok()));
    println!("late burst: {} episodes, {retracted} retractions", found.len());
}

/// The same, while another crane keeps the clock going: the burst is corrected tick by tick.
#[test]
fn case_8_while_time_goes_on() {
    let burst = late_burst();
    let last_ms = burst[0].event_time_ms;
    let mut rows = Vec::new();
    for (n, reading) in burst.into_iter().enumerate() {
        rows.push(reading);
        if n.is_multiple_of(70) {
            rows.push(CraneReading::new(2, last_ms + n as i64 * 7, 200.0, 20.0, 4));
        }
    }
    let expected = reference::episodes(&EpisodeConfig::default(), &book(), &rows);
    let (ran, _) = run::<Change<Episode>>(&job(detector, 5_000, 1_000), batches(rows, &[512]));
    let retracted = retractions(&ran.out);
    println!("late burst over time: {retracted} retractions");
    assert!(retracted > 5, "{retracted}");
    assert_same(&held(ran.out), &expected);
}
