//! What is refused, and what states are as bytes. What is found stands in `operators/tests/patterns.rs`.

use watchfire_engine::{Key, State};

use super::run::{Run, Told};
use super::*;

type Row = (i64, u32);

fn one() -> Steps<Row> {
    Steps::new().step("one", |(_, of): &Row| *of == 1)
}

#[test]
fn what_cannot_be_looked_for_is_refused() {
    let two = |steps: Steps<Row>| steps.step("two", |(_, of)| *of == 2);
    let not = |steps: Steps<Row>| steps.without("three", |(_, of)| *of == 3);
    let none = |steps: Steps<Row>, for_ms| steps.absent("four", for_ms, |(_, of)| *of == 4);
    let many = (0..=STEPS_MAX).fold(Steps::new().within_ms(5), |steps, _| two(steps));
    let wrong = [
        Steps::new(),
        two(one()),
        two(one()).within_ms(0),
        two(one()).within_ms(i64::MAX),
        two(one()).within_ms(5).gap_max_ms(-1),
        not(one()),
        not(Steps::new()).step("one", |_| true),
        two(none(one(), 5)).within_ms(5),
        none(none(one(), 5), 5),
        none(not(one()), 5),
        none(one(), 0),
        none(one(), i64::MAX),
        many,
    ];
    for steps in wrong {
        let text = format!("{steps:?}");
        let error = Sequence::<u32, Row, _>::new(steps, |row: &Row| *row).unwrap_err();
        assert_eq!(error.code(), "E0621", "{text}");
        assert!(error.to_string().contains("Remedy: "), "{error}");
    }
    for steps in [one(), none(one(), 5), two(not(one())).within_ms(5), none(two(one()).within_ms(5), 5)] {
        assert!(Sequence::<u32, Row, _>::new(steps, |row: &Row| *row).is_ok());
    }
}

/// One row after another through a run, up to a time.
fn ran(steps: &Steps<Row>, rows: &[Row], upto_ms: i64) -> (Run<Row>, Vec<Told<Row>>) {
    let (mut run, mut told) = (Run::default(), Vec::new());
    rows.iter().for_each(|row| run.row(steps, row.0, row, 8, &mut told));
    run.pass(steps, upto_ms, &mut told);
    (run, told)
}

#[test]
fn what_is_absent_is_known_when_its_time_is_over() {
    let steps = one().absent("four", 10, |(_, of)| *of == 4);
    let count = |rows: &[Row], upto_ms| ran(&steps, rows, upto_ms).1.len();
    assert_eq!([110, 111].map(|upto_ms| count(&[(100, 1)], upto_ms)), [0, 1]);
    // At its last moment it comes in time.
    assert_eq!((count(&[(100, 1), (110, 4)], 999), count(&[(100, 1), (111, 4)], 999)), (0, 1));
    assert_eq!(ran(&steps, &[(100, 1), (104, 1)], 111).0.due_ms(&steps), Some(114));
}

#[test]
fn what_can_no_longer_end_is_forgotten() {
    let steps = one().step("two", |(_, of)| *of == 2).within_ms(10);
    let bytes = |next_ms| format!("{:?}", ran(&steps, &[(100, 1), (next_ms, 3)], next_ms).0).len();
    assert!(bytes(111) < bytes(110));
}

#[test]
fn states_are_stored_as_they_always_were() {
    let state = SequenceState::<Row>::example();
    let bytes = state.encode().unwrap();
    let words: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (bytes.len(), words.stable_hash()),
        (228, 9_416_314_172_928_039_691),
        "the stored form changed: states need a new version"
    );
    let back = SequenceState::<Row>::decode(&bytes).unwrap();
    assert_eq!(format!("{back:?}"), format!("{state:?}"));
    assert_eq!(SequenceState::<Row>::decode(&bytes[1..]).unwrap_err().code(), "E0526");
    assert_eq!((SequenceState::<Row>::NAME, SequenceState::<Row>::VERSION), ("watchfire.sequence", 1));
}
