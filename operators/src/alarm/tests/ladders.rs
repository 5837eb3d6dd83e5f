//! What a ladder refuses, and how it reads as configuration.

use super::*;

fn codes(ladder: &Ladder) -> Vec<&'static str> {
    ladder.validate().err().map_or(Vec::new(), |e| e.findings().iter().map(|f| f.code).collect())
}

#[test]
fn everything_wrong_is_found_at_once() {
    let mut ladder = Ladder::rises(
        "No Good",
        vec![
            Step::new("a", Severity::Unknown, 1.0, 0.9).held_ms(-1),
            Step::new("a", Severity::Unknown, 0.5, 0.8).consecutive(0),
        ],
    );
    ladder.max_gap_ms = 0;
    ladder.unknown_after_ms = -1;
    ladder.escalate_after_ms = vec![5, 5];
    ladder.max_suppress_ms = 0;
    let expected =
        ["E0131", "E0134", "E0137", "E0133", "E0134", "E0135", "E0136", "E0138", "E0137", "E0137", "E0139", "E0140"];
    assert_eq!(codes(&ladder), expected);
    let text = ladder.validate().unwrap_err().to_string();
    assert_eq!(text.lines().count(), expected.len());
    assert!(text.lines().all(|line| line.contains("Remedy: ") && line.contains("(ladder \"No Good\"")));
    assert!(AlarmMachine::new(ladder).is_err());
}

#[test]
fn numbers_that_are_none_are_refused() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(codes(&Ladder::rises("r", vec![Step::new("s", Severity::Alarm, bad, 0.0)])).contains(&"E0135"));
        assert!(codes(&Ladder::rises("r", vec![Step::new("s", Severity::Alarm, 1.0, bad)])).contains(&"E0136"));
    }
    assert_eq!(codes(&Ladder::rises("r", vec![Step::new("s", Severity::Alarm, 1.0, 1.0)])), ["E0136"]);
    assert_eq!(codes(&Ladder::rises("r", vec![])), ["E0132"]);
    let six = (0..6).map(|i| Step::new(format!("{i}"), Severity::Alarm, f64::from(i), -1.0)).collect();
    assert!(codes(&Ladder::rises("r", six)).contains(&"E0132"));
}

#[test]
fn a_falling_ladder_descends() {
    let steps =
        |a: f64, b: f64| vec![Step::new("a", Severity::Caution, a, 95.0), Step::new("b", Severity::Alarm, b, 93.0)];
    assert_eq!(codes(&Ladder::falls("spo2", steps(92.0, 90.0))), [""; 0]);
    assert_eq!(codes(&Ladder::falls("spo2", steps(90.0, 92.0))), ["E0135"]);
}

#[test]
fn configuration_has_defaults_and_no_typos() {
    let text = r#"{"rule":"wind","steps":[{"name":"gale","severity":"alarm","raise_at":13.8,"release_at":12.0}]}"#;
    let ladder: Ladder = serde_json::from_str(text).unwrap();
    assert_eq!(ladder, Ladder::rises("wind", vec![Step::new("gale", Severity::Alarm, 13.8, 12.0)]));
    let typo = text.replace("release_at", "relaese_at");
    assert!(serde_json::from_str::<Ladder>(&typo).is_err());
    let crane = Ladder::crane_overload();
    let back: Ladder = serde_json::from_str(&serde_json::to_string(&crane).unwrap()).unwrap();
    assert_eq!(back, crane);
}
