//! Rolling features, and trees that foretell by them, in flows: as reckoned by hand, however rows were cut, and wherever a job was killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::draw::walks;
use support::{Reading as Row, cases};
use watchfire_engine::{Compose, Flow, Job, Late, Running, TickSource};
use watchfire_operators::alarm::UnknownCause;
use watchfire_operators::detect::{
    Example, Features, Foretold, Frozen, Horizon, Label, Node, Observed, Reading, Rolled, Rolling, RollingState, Rolls,
    Split, Tree, Trees,
};

/// Every value that divides by 13 resets, of 11 is unknown, of 7 no number, and of 5 about something else.
fn reading(row: &Row) -> Reading<[f64; 2]> {
    match row.value {
        value if value % 13 == 0 => Reading::Reset,
        value if value % 11 == 0 => Reading::Unknown(UnknownCause::SensorNotOk),
        value if value % 7 == 0 => Reading::Value([0.0, f64::NAN]),
        value if value % 5 == 0 => Reading::None,
        value => Reading::Value([value as f64, (value % 10) as f64]),
    }
}

fn rolling() -> Rolling {
    Rolling { lengths_ms: vec![500, 2_000], gap_max_ms: 900, rows_max: 8 }
}

/// By the mean of the first sensor over the longer window, and by the second sensor.
fn trees() -> Trees {
    let stump = |feature, below| {
        let split = Split { feature, below, left: 1, right: 2, missing_left: false };
        Tree { nodes: vec![Node { value: 0.1, split: Some(split) }, Node::leaf(-1.0), Node::leaf(1.0)] }
    };
    Trees::new(rolling().names(&["value", "digit"]), -0.5, vec![stump(7, 40.0), stump(13, 5.0)]).unwrap()
}

fn job() -> Job {
    let build = |flow: &Flow<'_>| {
        let rows = flow.channel::<Row>("rows").key_by(|row| row.key);
        let observe = |rolled: &Rolled<Row>| Observed {
            features: rolled.features.known().map(<[f64]>::to_vec),
            failed: rolled.row.value % 3 == 0,
            renewed: false,
        };
        let rolls = Rolls::new(rolling(), reading).about("values and their last digits");
        let found = rows.detect("all", rolls.then(Horizon::new(700, 900, observe)).then(Frozen::new(trees())));
        let ((rolled, _), foretold) = found.out;
        rolled.to_channel("rolled");
        foretold.to_channel("foretold");
        found.late.to_channel("late");
    };
    Job::new(build).ticks(TickSource::FROM_EVENTS)
}

type Told = (Vec<Rolled<Row>>, Vec<Foretold<u32>>, usize);

fn told(running: &mut Running) -> Told {
    let rolled = running.receiver::<Rolled<Row>>("rolled").unwrap();
    let foretold = running.receiver::<Foretold<u32>>("foretold").unwrap();
    let late = running.receiver::<Late<Row>>("late").unwrap();
    let told = (rolled.rows().collect(), foretold.rows().collect(), late.rows().count());
    running.wait().unwrap();
    told
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn what_is_foretold_is_what_trees_say_of_what_was(rows in walks(), seed in 0_u64..1_000) {
        let mut running = job().record().start().unwrap();
        let sender = running.sender::<Row>("rows").unwrap();
        rows.chunks(20).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        let said = told(&mut running);
        let recording = running.recording().unwrap();
        let mut again = job().workers(2).rehearse_recovery(1).replay(&recording.recut(seed, 3)).unwrap();
        prop_assert_eq!(format!("{:?}", told(&mut again)), format!("{said:?}"));
        let (rolled, foretold, late) = said;
        // By hand, of each key one after another.
        let (mut states, mut last, mut by_hand, mut behind) = (BTreeMap::new(), BTreeMap::new(), Vec::new(), 0);
        for row in &rows {
            let (state, last_ms) = (states.entry(row.key).or_insert_with(RollingState::default), last.entry(row.key).or_insert(i64::MIN));
            let reading = reading(row);
            if reading == Reading::None {
                continue;
            }
            if row.at_ms < *last_ms {
                behind += 1;
                continue;
            }
            *last_ms = row.at_ms;
            let features = match reading {
                Reading::Value(values) if values[1].is_nan() => Features::Unknown(UnknownCause::NotANumber),
                Reading::Value(values) => Features::Known(rolling().roll(state, row.at_ms, &values)),
                Reading::Unknown(cause) => Features::Unknown(cause),
                _ => {
                    *state = RollingState::default();
                    continue;
                }
            };
            by_hand.push(Rolled { row: *row, features });
        }
        prop_assert_eq!(late, behind);
        prop_assert_eq!(&rolled, &by_hand);
        let known = by_hand.iter().filter_map(|of| Some((of.row.key, of.row.at_ms, of.features.known()?)));
        let expected: Vec<Foretold<u32>> =
            known.map(|(asset, at_ms, of)| Foretold { asset, at_ms, likely: trees().predict(of) }).collect();
        prop_assert_eq!(foretold, expected);
    }
}

#[test]
fn nothing_is_foretold_of_what_is_no_row_of_the_trees() {
    let job = Job::new(|flow| {
        let examples = flow.channel::<Example<u32>>("examples").key_by(|example| example.asset);
        examples.detect("trees", Frozen::new(trees())).out.to_channel("foretold");
    });
    let mut running = job.ticks(TickSource::FROM_EVENTS).start().unwrap();
    let (sender, foretold) =
        (running.sender("examples").unwrap(), running.receiver::<Foretold<u32>>("foretold").unwrap());
    let width = trees().features().len();
    let example = |asset: u32, features: Vec<f64>, label| Example { asset, at_ms: 0, said_ms: 0, features, label };
    let mut unknown = vec![1.0; width];
    unknown[3] = f64::NAN;
    sender
        .send(vec![
            example(1, vec![1.0; width], Label::Open),
            example(2, vec![1.0; width], Label::Known(true)),
            example(3, vec![1.0; width], Label::Censored),
            example(4, vec![1.0; width - 1], Label::Open),
            example(5, vec![1.0; width + 1], Label::Open),
            example(6, unknown, Label::Open),
        ])
        .unwrap();
    drop(sender);
    assert_eq!(foretold.rows().map(|of| of.asset).collect::<Vec<_>>(), [1]);
    running.wait().unwrap();
}
