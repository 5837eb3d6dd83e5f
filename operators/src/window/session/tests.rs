use super::*;

const GOLDEN: &str = concat!(
    "2823000000000000f0230000000000000200000000000000e80300000000000008070000000000000300000000000000",
    "01000000ccffffff00000000000000002823000000000000e425000000000000050000000000000000000000a4ffffff",
    "0100000000000000b0ffffff02000000fbffffffffffffff28230000000000000000000000000080",
);

fn example() -> SessionState<u64> {
    let session = Session { start_ms: 1_000, last_ms: 1_800, part: 3, emitted: true, outdated: Vec::new() };
    let joined =
        Session { start_ms: 9_000, last_ms: 9_700, part: 5, emitted: false, outdated: vec![(9_000, 9_200, 2)] };
    let (floor_ms, last_quiet_ms, last_correction_ms) = (-5, 9_000, i64::MIN);
    SessionState { sessions: vec![session, joined], floor_ms, last_quiet_ms, last_correction_ms }
}

#[test]
fn the_bytes_stay_the_same() {
    let bytes = example().encode().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN, "the stored form changed: states need a new version");
    let back = SessionState::<u64>::decode(&bytes).unwrap();
    assert_eq!(format!("{back:?}"), format!("{:?}", example()));
    assert!(SessionState::<u64>::decode(&bytes[..bytes.len() - 8]).is_err());
    assert!(SessionState::<u64>::decode(&vec![0xff; bytes.len()]).is_err());
}
