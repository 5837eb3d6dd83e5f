//! Sessions against a plain reference, through real jobs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use support::aggregates::Ids;
use support::draw::{provisional, shuffled, walks};
use support::model::same;
use support::sessions::Model;
use support::{Feed, Ran, Setting, batches, job, readings, run_all_ways};
use watchfire_engine::Change;
use watchfire_operators::window::{Close, Sessions};

fn run_model(model: Model, feeds: &[Feed], seed: u64) -> Ran<Vec<u32>> {
    let detector = move || Sessions::new(model.gap_ms, Ids).unwrap().close(model.close);
    run_all_ways(&job(Setting::disorder(model.disorder_ms), detector), feeds, seed)
}

proptest! {
    #![proptest_config(support::cases(24))]

    #[test]
    fn final_sessions_are_the_reference(
        gap_ms in 1i64..600, disorder_ms in 0i64..400, rows in walks(), batch in 1usize..50, seed in 0u64..1_000,
    ) {
        let model = Model { gap_ms, disorder_ms, close: Close::Final };
        model.check(&run_model(model, &batches(&rows, batch), seed));
    }

    #[test]
    fn final_sessions_do_not_depend_on_arrival(
        gap_ms in 1i64..600, disorder_ms in 0i64..400, rows in walks(), delays in prop::collection::vec(0i64..400, 1..20),
    ) {
        let rows = shuffled(&rows, disorder_ms, &delays);
        let model = Model { gap_ms, disorder_ms, close: Close::Final };
        let ran = run_model(model, &batches(&rows, 30), 1);
        same(&ran.consolidated(), &model.of_all(&rows), "sessions of the sorted rows");
        prop_assert!(ran.late.is_empty());
    }

    #[test]
    fn held_sessions_are_the_reference(
        gap_ms in 1i64..600, disorder_ms in 0i64..400, rows in walks(), max_ms in 0i64..9_000, seed in 0u64..1_000,
    ) {
        let model = Model { gap_ms, disorder_ms, close: Close::Hold { max_ms } };
        model.check(&run_model(model, &batches(&rows, 20), seed));
    }

    #[test]
    fn provisional_sessions_are_the_reference(
        gap_ms in 1i64..600, disorder_ms in 0i64..400, rows in walks(), close in provisional(), seed in 0u64..1_000,
    ) {
        let model = Model { gap_ms, disorder_ms, close };
        model.check(&run_model(model, &batches(&rows, 20), seed));
    }
}

/// What a run over one key gave, as `+` or `-`, span and rows.
fn told(ran: &Ran<Vec<u32>>) -> Vec<(char, i64, i64, Vec<u32>)> {
    let tell = |change: Change<_>| {
        let sign = if matches!(change, Change::Insert(_)) { '+' } else { '-' };
        let row: watchfire_operators::window::WindowRow<u32, Vec<u32>> = change.into_parts().0;
        (sign, row.span.start_ms, row.span.end_ms, row.value)
    };
    ran.changes().into_iter().map(tell).collect()
}

#[test]
fn a_row_that_touches_two_sessions_joins_them() {
    let model = Model { gap_ms: 100, disorder_ms: 1_000, close: Close::Final };
    let ran = run_model(model, &batches(&readings(1, &[0, 150, 75]), 10), 0);
    assert_eq!(told(&ran), [('+', 0, 250, vec![0, 2, 1])]);
    // A gap apart is apart: spans are half-open.
    let ran = run_model(model, &batches(&readings(1, &[0, 200, 100]), 10), 0);
    assert_eq!(told(&ran), [('+', 0, 100, vec![0]), ('+', 100, 200, vec![2]), ('+', 200, 300, vec![1])]);
}

#[test]
fn a_late_row_that_joins_two_emitted_sessions_takes_both_back() {
    let close = Close::Provisional { after_quiet_ms: 100_000, every_ms: 0, allowed_lateness_ms: 60_000 };
    let model = Model { gap_ms: 100, disorder_ms: 0, close };
    let times = [0, 150, 400, 500, 600, 700, 800, 900, 75, 2_100];
    let ran = run_model(model, &batches(&readings(1, &times), 3), 5);
    model.check(&ran);
    let told = told(&ran);
    assert_eq!(told[..2], [('+', 0, 100, vec![0]), ('+', 150, 250, vec![1])]);
    let joined = [('-', 0, 100, vec![0]), ('-', 150, 250, vec![1]), ('+', 0, 250, vec![0, 8, 1])];
    assert!(told.windows(3).any(|part| part == joined), "{told:?}");
}

#[test]
fn a_repeated_row_reopens_nothing() {
    let close = Close::Provisional { after_quiet_ms: 100_000, every_ms: 0, allowed_lateness_ms: 60_000 };
    let model = Model { gap_ms: 100, disorder_ms: 0, close };
    let mut rows = readings(1, &[0, 50, 400, 800, 1_200, 1_600, 2_000, 2_400, 2_800, 3_200]);
    rows.insert(6, rows[1]);
    let ran = run_model(model, &batches(&rows, 4), 2);
    assert_eq!(ran.metrics.operators["windows"].detectors[0].duplicate, 1);
    assert!(told(&ran).iter().all(|(sign, ..)| *sign == '+'), "{:?}", told(&ran));
}

#[test]
fn an_emitted_session_that_goes_on_is_extended() {
    let close = Close::Provisional { after_quiet_ms: 2_000, every_ms: 0, allowed_lateness_ms: 0 };
    let model = Model { gap_ms: 10_000, disorder_ms: 0, close };
    // Another key moves the clock while the first is quiet.
    let mut rows = readings(1, &[0, 1_000]);
    rows.extend(readings(2, &(0..8).map(|n| 1_000 * n).collect::<Vec<_>>()));
    rows.push(support::Reading { key: 1, at_ms: 7_500, value: 0, id: 9 });
    rows.extend(readings(2, &[8_000, 9_000]));
    let ran = run_model(model, &batches(&rows, 1), 4);
    model.check(&ran);
    let of_one: Vec<_> = ran.changes().into_iter().filter(|change| change.row().key == 1).collect();
    assert_eq!(of_one.len(), 3, "{of_one:?}");
    assert!(matches!(&of_one[2], Change::Insert(row) if row.value == [0, 1, 9] && row.span.end_ms == 17_500));
}
