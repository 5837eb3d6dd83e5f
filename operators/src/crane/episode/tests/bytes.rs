//! The stored form: fixed bytes for fixed readings, and nothing taken on trust.

use watchfire_engine::State;

use crate::crane::CraneReading;
use crate::crane::episode::machine::{Machine, Rules};
use crate::crane::episode::point::{Point, Run};
use crate::crane::episode::row::Found;
use crate::crane::episode::state::{EpisodeState, Rare, Told};
use crate::crane::stats::level::Level;

const RULES: Rules = Rules {
    enter_at: Level::LEAST,
    excess_above: Level::LEAST,
    merge_gap_ms: 3_000,
    min_duration_ms: 0,
    max_gap_ms: 3_000,
    max_silence_ms: 60_000,
};

fn point(at_ms: i64, ratio: f64) -> Point {
    let reading =
        CraneReading { operator: Some(7), wind_mps: Some(3.25), ..CraneReading::new(1, at_ms, 1.0, 20.125, 4) };
    Point::new(at_ms, Level::ratio(ratio), Level::ratio(0.97), &reading)
}

fn example() -> EpisodeState {
    let mut st = EpisodeState { settled_ms: 9_000, ..EpisodeState::default() };
    let mut found: Vec<Found> = Vec::new();
    for (at_ms, ratio) in [(1_000, 0.5), (2_000, 0.5), (3_000, 1.02), (4_000, 1.1), (6_000, 0.5), (7_500, 0.5)] {
        st.trace.append(Run::one(point(at_ms, ratio)));
        st.tip.feed(&Run::one(point(at_ms, ratio)), &RULES, &mut found);
    }
    found.extend(st.tip.open(&RULES));
    st.base = Machine::default();
    st.pending.push_back(point(9_500, 1.0));
    let told = found.into_iter().map(|found| Told { found, is_early: true }).collect();
    st.rare = Some(Box::new(Rare { told, tell_at_ms: 20_000, ..Rare::default() }));
    st
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const GOLDEN: &str = "\
    1c2500000000000040420f009d4e0000450104010700000007e80700110413bec1fc8010baba028a0507041380e2090000070000000000\
    00e803000000000000a00f000000000000e0c81000ccffffff1a00000000000000e803000000000000a00f000000000000e0c810009d4e\
    00004501040107000000e850edbf0cfeffffa00f0000000000004841edbfdc050000a00f00000000000000000000000000006419000000\
    000000000000000000000004000000000000004c1d000000000000010000800000000000000400000000004c1d00000000000070170000\
    00000000ffffffffffffff7f00000000000000000000000000000000e80300000000000004290000000000000000000000000000a00f00\
    0000000000e0c810009d4e00004501040107000000a05cedbf30f8ffff581b0000000000004841edbfdc050000581b0000000000000000\
    0000000000001c2500000000000000000000000000000400000000000000010000000000000088ffffff010000000000000000000000ff\
    ffffffffffff7f0000000000000080204e00000000000068feffff010000002823000000000000000000000000008088feffff01000000\
    a00f000000000000e803000000000000e0c810009d4e00004501040107000000e0c810009d4e0000450104010700000070170000000000\
    00dc050000020000000100008000000000000004000000000000000000000000000100000044feffff0100000054ffffff";

#[test]
fn the_bytes_stay_the_same() {
    let bytes = example().encode().unwrap();
    assert_eq!(hex(&bytes), GOLDEN, "the stored form changed: states need a new version");
    assert_eq!(EpisodeState::decode(&bytes).unwrap(), example());
}

#[test]
fn damaged_bytes_are_refused_or_harmless() {
    let bytes = example().encode().unwrap();
    assert!(EpisodeState::decode(&bytes[1..]).is_err());
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        if let Ok(st) = EpisodeState::decode(&damaged) {
            assert!(st.trace_bytes() < 10_000);
        }
    }
}

#[test]
fn an_idle_crane_is_small() {
    assert!(size_of::<EpisodeState>() <= 176, "{}", size_of::<EpisodeState>());
    assert_eq!(size_of::<Point>(), 24);
    assert!(size_of::<Told>() <= 120, "{}", size_of::<Told>());
}
