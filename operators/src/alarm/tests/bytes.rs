//! The stored form: fixed bytes for a fixed state, and nothing taken on trust.

use super::*;
use rkyv::rancor::Error;

fn example() -> AlarmState {
    let mut bench = Bench::crane();
    bench.hold(1_000, 3_000, 1.06);
    bench.at(3_000, acknowledge(3_000)).unwrap();
    bench.at(3_100, suppress(5_000, 9_000)).unwrap();
    bench.sample(3_200, 0.5);
    bench.sample(2_050, 1.07);
    bench.at(3_300, Event::Unknown { at_ms: 3_300, cause: UnknownCause::Stuck }).unwrap();
    bench.state
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const GOLDEN: &str = concat!(
    "74657374206c69667400000000000000010000000000000064757479ffffffffb80b0000000000000100000000000000",
    "6d616e61676572ff89000000c8ffffff8813000000000000282300000000000000000000000000000000000000000000",
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "000000000000000000000000000000000000000000000000020800000000000002080000000000000100000000000000",
    "000000000000000000000000000000000000000000000000e40c00000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000e40c000000000000e40c000000000000",
    "f6285c8fc2f5f03fc4090000000000000000000000000000e803000000000000540b000000000000540b000000000000",
    "540b00000000000000000000000000000000000000000000000000000000000000000000000000000000000001000000",
    "0200000003000703000101000100000080feffff00000000",
);

#[test]
fn the_bytes_stay_the_same() {
    let bytes = rkyv::to_bytes::<Error>(&example()).unwrap();
    assert_eq!(hex(&bytes), GOLDEN, "the stored form changed: states need a new version");
    let mut aligned = rkyv::util::AlignedVec::<16>::new();
    aligned.extend_from_slice(&bytes);
    assert_eq!(rkyv::from_bytes::<AlarmState, Error>(&aligned).unwrap(), example());
}

#[test]
fn damaged_bytes_are_refused() {
    let bytes = rkyv::to_bytes::<Error>(&example()).unwrap();
    let cut = bytes.len() - 8;
    assert!(rkyv::from_bytes::<AlarmState, Error>(&bytes[..cut]).is_err());
    assert!(rkyv::from_bytes::<AlarmState, Error>(&vec![0xff; bytes.len()]).is_err());
}

#[test]
fn a_state_of_a_longer_ladder_is_noticed() {
    let mut bench = Bench::crane();
    bench.hold(0, 2_000, 1.06);
    let short = AlarmMachine::new(Ladder::rises("r", vec![Step::new("s", Severity::Alarm, 1.0, 0.9)])).unwrap();
    assert_eq!(bench.machine.check(&bench.state), Ok(()));
    let error = short.check(&bench.state).unwrap_err();
    assert_eq!(error, StateMismatch { used: 4, steps: 1 });
    assert!(error.to_string().starts_with(error.code()));
    assert_eq!(short.check(&AlarmState::default()), Ok(()));
    let hidden_by_nobody = AlarmState { flags: super::super::state::HIDDEN, ..AlarmState::default() };
    assert!(short.check(&hidden_by_nobody).is_err());
    // Even unasked it does not fail, and the alarm stays on.
    short.sample(&mut bench.state, 2_100, 1.2, 2_100, &mut bench.out);
    assert_eq!(short.severity(&bench.state), Some(Severity::Alarm));
}

#[test]
fn it_is_small_and_survives_json() {
    assert!(std::mem::size_of::<AlarmState>() <= 200, "{}", std::mem::size_of::<AlarmState>());
    let json = serde_json::to_string(&example()).unwrap();
    assert_eq!(serde_json::from_str::<AlarmState>(&json).unwrap(), example());
}
