//! The stored form: fixed bytes for fixed readings, and the sizes that the memory bound rests on.

use watchfire_engine::State;

use super::harness::book;
use crate::crane::stats::part::{OverloadPart, Sample};
use crate::crane::{CraneReading, CraneStats, OverloadConfig};
use crate::window::{Aggregate, WindowState};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stats() -> CraneStats {
    CraneStats::new(&OverloadConfig::default(), book()).unwrap()
}

fn part(is_shut: bool) -> OverloadPart {
    let (stats, mut part) = (stats(), OverloadPart::default());
    for (n, (load_kg, reeving)) in [(3_920.0, 4), (1_960.0, 4), (3_300.0, 2), (9.0, 3)].into_iter().enumerate() {
        let at_ms = 1_000 * n as i64;
        stats.add(&mut part, &CraneReading::new(1, at_ms, load_kg, 20.0, reeving), at_ms);
    }
    if is_shut {
        stats.seal(&mut part, &mut OverloadPart::default());
    }
    part
}

const OPEN: &str = "\
    00000000000000000400000040420f80e8030000000000000400000020a10780d00700000000000002000000e0c81080b80b0000000000\
    0003000000000000000100000000000000b80b000000000000b0ffffff0400000000000000000000000000000000000000000000000000\
    0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";
const SHUT: &str = "\
    0000000000000000e803000000000000002f685900000000e8030000e80300000000000000000000000000000000000000000000000000\
    00d00700000200000040420f000000000020a1070004000000d007000000000000d00700000000000000ab904100000000e8030000e803\
    0000e8030000e803000000000000000000000000000000000000e803000001000000e0c8100000000000e0c810000200000060ffffff02\
    0000000200000000000000b80b000000000000b80b00000000000000000000000000000000000000000000000000000000000000000000\
    000000000100000000000000000000000100000001000080000000000000008003000000010000009cffffff";

#[test]
fn the_bytes_stay_the_same() {
    for (is_shut, golden) in [(false, OPEN), (true, SHUT)] {
        let bytes = watchfire_engine::rkyv::to_bytes::<watchfire_engine::rkyv::rancor::Error>(&part(is_shut)).unwrap();
        assert_eq!(hex(&bytes), golden, "the stored form changed: states need a new version");
    }
}

#[test]
fn damaged_bytes_are_refused() {
    let bytes = WindowState::<OverloadPart>::default().encode().unwrap();
    assert!(WindowState::<OverloadPart>::decode(&bytes).is_ok());
    assert!(WindowState::<OverloadPart>::decode(&bytes[1..]).is_err());
}

#[test]
fn a_sample_and_a_pane_are_small() {
    assert_eq!(size_of::<Sample>(), 16);
    assert!(size_of::<OverloadPart>() <= 96, "{}", size_of::<OverloadPart>());
}

/// Windows and episodes of one crane at one reading a second, five seconds of disorder: what is live at most, without
/// the allocator's own share. The rest of the 2 KiB a crane belongs to its alarm and to the engine's slot.
#[test]
fn a_crane_at_one_hertz_fits_its_share() {
    let windows = size_of::<WindowState<OverloadPart>>() + 2 * 12 * size_of::<Sample>();
    let pending = 8 * 24;
    let episodes = size_of::<crate::crane::EpisodeState>() + pending;
    assert!(windows + episodes <= 1_664, "windows {windows}, episodes {episodes}");
}
