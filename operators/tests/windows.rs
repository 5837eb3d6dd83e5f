//! Tumbling and sliding windows against plain references, through real jobs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use support::aggregates::{Ids, Integral, ids, integral};
use support::draw::{provisional, shuffled, walks};
use support::model::{Model, same};
use support::{Feed, Ran, Reading, Setting, batches, job, run_all_ways};
use watchfire_engine::Data;
use watchfire_operators::window::{Aggregate, Close, Sliding};

/// Size, slide and disorder bound, all in milliseconds.
type Shape = (i64, i64, i64);

fn run_model<V: Data + Ord>(
    model: &Model<V>,
    aggregate: impl Aggregate<In = Reading, Out = V> + Copy,
    feeds: &[Feed],
    seed: u64,
) -> Ran<V> {
    let Model { size_ms, slide_ms, disorder_ms, close, .. } = *model;
    let detector = move || Sliding::new(size_ms, slide_ms, aggregate).unwrap().close(close);
    run_all_ways::<V>(&job(Setting::disorder(disorder_ms), detector), feeds, seed)
}

fn of_ids((size_ms, slide_ms, disorder_ms): Shape, close: Close) -> Model<Vec<u32>> {
    Model { size_ms, slide_ms, disorder_ms, close, shut: false, value: ids }
}

fn of_integral((size_ms, slide_ms, disorder_ms): Shape, close: Close) -> Model<(i128, i64)> {
    Model { size_ms, slide_ms, disorder_ms, close, shut: true, value: integral }
}

/// Shapes: tumbling, sliding, sizes that are no multiple of the slide (down to panes of 1 ms), and more panes than a flat
/// ring holds.
fn shapes() -> impl Strategy<Value = Shape> {
    let lengths = prop_oneof![
        (1i64..300).prop_map(|size| (size, size)),
        (1i64..40, 1i64..8).prop_map(|(slide, n)| (slide * n, slide)),
        (1i64..200, 1i64..200).prop_map(|(a, b)| (a.max(b), a.min(b))),
        (9i64..90, 1i64..9).prop_map(|(n, slide)| (slide * n, slide)),
    ];
    (lengths, 0i64..400).prop_map(|((size, slide), disorder)| (size, slide, disorder))
}

proptest! {
    #![proptest_config(support::cases(24))]

    #[test]
    fn final_windows_are_the_reference(shape in shapes(), rows in walks(), batch in 1usize..50, seed in 0u64..1_000) {
        let model = of_ids(shape, Close::Final);
        model.check(&run_model(&model, Ids, &batches(&rows, batch), seed));
    }

    #[test]
    fn final_windows_do_not_depend_on_arrival(
        shape in shapes(),
        rows in walks(),
        delays in prop::collection::vec(0i64..400, 1..20),
    ) {
        let rows = shuffled(&rows, shape.2, &delays);
        let model = of_ids(shape, Close::Final);
        let ran = run_model(&model, Ids, &batches(&rows, 30), 1);
        same(&ran.consolidated(), &model.of_all(&rows), "windows of the sorted rows");
        prop_assert!(ran.late.is_empty());
        let model = of_integral(shape, Close::Final);
        let ran = run_model(&model, Integral, &batches(&rows, 30), 2);
        same(&ran.consolidated(), &model.of_all(&rows), "integrals of the sorted rows");
        prop_assert!(ran.late.is_empty());
    }

    #[test]
    fn held_windows_are_the_reference(
        shape in shapes(), rows in walks(), max_ms in 0i64..9_000, batch in 1usize..50, seed in 0u64..1_000,
    ) {
        let model = of_ids(shape, Close::Hold { max_ms });
        model.check(&run_model(&model, Ids, &batches(&rows, batch), seed));
    }

    #[test]
    fn provisional_windows_are_the_reference(
        shape in shapes(), rows in walks(), close in provisional(), batch in 1usize..50, seed in 0u64..1_000,
    ) {
        let model = of_ids(shape, close);
        model.check(&run_model(&model, Ids, &batches(&rows, batch), seed));
    }

    #[test]
    fn shut_panes_and_samples_that_reach_over_are_the_reference(
        shape in shapes(), rows in walks(), max_ms in 0i64..9_000, corrected in provisional(), which in 0..3,
    ) {
        let close = [Close::Final, Close::Hold { max_ms }, corrected][which as usize];
        let model = of_integral(shape, close);
        model.check(&run_model(&model, Integral, &batches(&rows, 20), 3));
    }
}
