use super::*;
use crate::window::{Count, count};
use proptest::prelude::*;
use std::fmt::Write as _;

fn windows(size_ms: i64, slide_ms: i64) -> Sliding<u32, Count<u8>> {
    Sliding::new(size_ms, slide_ms, count()).unwrap()
}

proptest! {
    /// Ends are the multiples of the slide, offset by the size; the first after a time is at most a slide away.
    #[test]
    fn ends_are_aligned_and_the_next_is_the_nearest(
        slide_ms in 1i64..5_000, more in 0i64..5_000, at_ms in -1_000_000_000i64..1_000_000_000,
    ) {
        let windows = windows(slide_ms + more, slide_ms);
        let end_ms = windows.first_end_after(at_ms);
        prop_assert!(at_ms < end_ms && end_ms <= at_ms + slide_ms);
        prop_assert_eq!((end_ms - windows.size_ms).rem_euclid(slide_ms), 0);
        prop_assert_eq!(windows.first_end_after(end_ms), end_ms + slide_ms);
    }

    /// The multiplication divides exactly, for panes of any length and distances of any size.
    #[test]
    fn panes_are_found_by_multiplication(
        pane_ms in prop_oneof![1i64..100, 1i64..10_000_000_000], near in 0i64..(1 << 34), panes in 0i64..1 << 20,
    ) {
        let windows = windows(pane_ms, pane_ms);
        let edge_ms = panes.saturating_mul(pane_ms).min(1 << 40);
        for from_head_ms in [near, edge_ms, (edge_ms - 1).max(0), i64::from(u32::MAX), i64::from(u32::MAX) + 1] {
            prop_assert_eq!(windows.pane_of(from_head_ms), (from_head_ms / pane_ms) as usize, "{} of {}", from_head_ms, pane_ms);
        }
    }
}

#[test]
fn far_times_stay_within_what_can_be_reckoned_with() {
    for at_ms in [i64::MIN, i64::MAX, -FAR_MS, FAR_MS] {
        for (size_ms, slide_ms) in [(1, 1), (60_000, 7_000), (LENGTH_MAX_MS, LENGTH_MAX_MS)] {
            let windows = windows(size_ms, slide_ms);
            let end_ms = windows.first_end_after(at_ms);
            assert_eq!((end_ms - size_ms).rem_euclid(slide_ms), 0);
            assert!(end_ms.abs() <= FAR_MS + LENGTH_MAX_MS);
        }
    }
}

fn set(panes: &mut Panes<u64>, k: usize, value: u64) {
    let (part, made) = panes.open(k);
    *part = value;
    panes.settle(k, made, true);
}

fn example() -> WindowState<u64> {
    let mut panes = Panes::default();
    set(&mut panes, 1, 7);
    set(&mut panes, 3, 9);
    let was = Some(Emitted { part: 7, before: Some(3) });
    let corrections = Some(Box::new(Corrections { changed: vec![(1_000, was), (2_000, None)], last_quiet_ms: 1_500 }));
    WindowState { open_end_ms: 1_000, panes, next_end_ms: 3_000, floor_ms: -5, last_quiet_ms: 2_500, corrections }
}

/// Hexadecimal, with runs of more than eight zeros as `(how many)`.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        if run[0] == 0 && run.len() > 8 {
            write!(text, "({})", run.len()).unwrap();
        } else {
            run.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        }
    }
    text
}

const GOLDEN: &str = concat!(
    "e8030000000000000100000000000000070000000000000001000000000000000300000000000000d007(38)b0ffffff",
    "02000000dc05000000000000e803000000000000fbffffffffffffff00000a(13)07(15)09(39)b80b000000000000c4",
    "090000000000000100000084ffffff",
);
const GOLDEN_RING: &str = concat!(
    "(56)01(71)ffffffffffffff7f0000000000000080010200008000000068ffffff10(59)ffffffffffffff7f00000000",
    "000000800000000000000000",
);
const GOLDEN_TREE: &str = concat!(
    "(1136)010000000000000001(907)07000000020000000100000006000000ecf7ffff80000000e4ffffff02000000000",
    "00000ffffffffffffff7f000000000000008002000000ccffffff(64)ffffffffffffff7f00000000000000800000000",
    "000000000",
);

#[test]
fn the_bytes_stay_the_same() {
    let larger = |panes| {
        let mut state = WindowState::<u64>::default();
        state.panes.reserve(panes);
        state.panes.advance(2, &mut 0);
        set(&mut state.panes, 5, 1);
        state
    };
    for (state, golden) in [(example(), GOLDEN), (larger(9), GOLDEN_RING), (larger(33), GOLDEN_TREE)] {
        let bytes = state.encode().unwrap();
        assert_eq!(hex(&bytes), golden, "the stored form changed: states need a new version");
        let back = WindowState::<u64>::decode(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{state:?}"));
        assert!(WindowState::<u64>::decode(&bytes[1..]).is_err());
    }
}
