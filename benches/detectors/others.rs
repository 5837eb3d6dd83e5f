//! What is no score, each alone.

use std::collections::VecDeque;

use watchfire_benches::detectors_by_hand::{Measured, Told, each, generate, generate_out_of_order, note};
use watchfire_benches::others_by_hand::{
    self as by_hand, AFTER_MS, Begun, DISORDER_MS, HORIZON_MS, ODD_A, STEPS_MS, Waiting, steps,
};
use watchfire_engine::{Change, EventTime};
use watchfire_operators::detect::{
    Example, Foretells, Foretold, Frozen, Ftrl, FtrlState, Horizon, InOrder, Label, Node, Observed, Reading, Rolled,
    Rolling, RollingState, Rolls, Sign, Silence, Silent, Split, Tree, Trees,
};
use watchfire_operators::pattern::{Found, Sequence, Steps};

use crate::alone::{Asked, LIFTS, Name};

const BY_LIFT: fn(&Measured) -> u32 = |row| row.lift;

pub fn run(asked: Asked) {
    let rows = generate(LIFTS, asked.rows);
    silence(asked, by_hand::with_pauses(rows.clone()));
    let mixed = generate_out_of_order(LIFTS, asked.rows);
    in_order(asked, &mixed);
    sequence(asked, &mixed);
    rolls(asked, &rows[..rows.len() / 5]);
    horizon(asked, &rows[..rows.len() / 2]);
    foretells(asked, &rows[..rows.len() / 10]);
}

fn silence(asked: Asked, rows: Vec<Measured>) {
    let silence = Silence::new(|_: &u32| AFTER_MS, |_: &Measured| Sign::Life);
    let says = |silent: &Silent<u32>| silent.heard_ms.map(|heard_ms| (heard_ms - by_hand::T0_MS) as f64 / 1e3);
    let key = (|row: &Measured| row.lift, EventTime::default());
    asked.detector(Name::hand("silence"), &rows, key, silence, says, || by_hand::silence(&rows));
}

fn out_of_order() -> EventTime {
    EventTime { disorder_ms: DISORDER_MS, ..EventTime::default() }
}

/// What `update` makes of rows that are put in order before, by hand.
fn ordered<S: Default>(rows: &[Measured], update: impl Fn(&mut S, &Measured, &mut Told)) -> Told {
    let in_turn = |of: &mut (Waiting, S), row: &Measured, told: &mut Told| {
        by_hand::in_order(&mut of.0, row, |row| update(&mut of.1, row, told));
    };
    let (mut lifts, mut told) = each(rows, BY_LIFT, in_turn);
    for (waiting, state) in lifts.values_mut() {
        waiting.1.values().for_each(|row| update(state, row, &mut told));
    }
    told
}

fn in_order(asked: Asked, rows: &[Measured]) {
    let key = (|row: &Measured| row.lift, out_of_order());
    let update = |(): &mut (), row: &Measured, told: &mut Told| note(told, Some(row.current_a), |_| true);
    let in_order = InOrder::new(|row: &Measured| row.at_ms);
    let base = || ordered(rows, update);
    asked.detector(Name::hand("in_order"), rows, key, in_order, |row| Some(row.current_a), base);
}

fn sequence(asked: Asked, rows: &[Measured]) {
    let steps = Steps::new().step("much", steps::begins).without("little", steps::rules_out).step("warm", steps::ends);
    let sequence = Sequence::new(steps.within_ms(STEPS_MS).apart(), |row: &Measured| row.at_ms).expect("sound");
    let says = |change: &Change<Found<u32, Measured>>| {
        let rows = &change.row().matched()?.rows;
        Some((rows.last()?.at_ms - rows.first()?.at_ms) as f64 / 1e3)
    };
    let update = |of: &mut Begun, row: &Measured, told: &mut Told| note(told, by_hand::sequence(of, row), |_| true);
    let key = (|row: &Measured| row.lift, out_of_order());
    asked.detector(Name::hand("sequence"), rows, key, sequence, says, || ordered(rows, update));
}

fn rolling() -> Rolling {
    Rolling { lengths_ms: vec![60_000, 300_000], ..Rolling::default() }
}

fn rolls(asked: Asked, rows: &[Measured]) {
    let rolling = rolling();
    let rolls = Rolls::new(rolling.clone(), |row: &Measured| Reading::Value([row.current_a, row.celsius]));
    let says = |rolled: &Rolled<Measured>| rolled.features.known().map(|features| features[1]);
    let update = |of: &mut RollingState, row: &Measured, told: &mut Told| {
        let features = rolling.roll(of, row.at_ms, &[row.current_a, row.celsius]);
        note(told, Some(features[1]), |_| true);
    };
    let key = (|row: &Measured| row.lift, EventTime::default());
    asked.detector(Name::score("rolling"), rows, key, rolls, says, || each(rows, BY_LIFT, update).1);
}

/// What failed in time counts.
fn worth(label: Label) -> Option<f64> {
    Some(f64::from(u8::from(label == Label::Known(true))))
}

fn horizon(asked: Asked, rows: &[Measured]) {
    let horizon = Horizon::new(HORIZON_MS, HORIZON_MS, |row: &Measured| Observed {
        features: Some(vec![row.current_a, row.celsius]),
        failed: row.current_a > ODD_A,
        renewed: false,
    });
    let says = |example: &Example<u32>| worth(example.label);
    let update = |open: &mut VecDeque<(i64, [f64; 2])>, row: &Measured, told: &mut Told| {
        let tell = |_: i64, _: &[f64; 2], label: Label| note(told, worth(label), |_| true);
        by_hand::horizon(open, row, [row.current_a, row.celsius], tell);
    };
    let key = (|row: &Measured| row.lift, EventTime::default());
    asked.detector(Name::hand("horizon"), rows, key, horizon, says, || each(rows, BY_LIFT, update).1);
}

/// What a horizon tells of rows and what they are like over windows.
fn examples(rows: &[Measured]) -> Vec<Example<u32>> {
    let (rolling, mut all) = (rolling(), Vec::new());
    let update = |of: &mut (RollingState, VecDeque<(i64, Vec<f64>)>), row: &Measured, _: &mut Told| {
        let features = rolling.roll(&mut of.0, row.at_ms, &[row.current_a, row.celsius]);
        by_hand::horizon(&mut of.1, row, features, |at_ms, features, label| {
            let (asset, said_ms, features) = (row.lift, row.at_ms, features.clone());
            all.push(Example { asset, at_ms, said_ms, features, label });
        });
    };
    each(rows, BY_LIFT, update);
    all
}

/// So many models learn, each from lifts of its own.
const MODELS: u32 = 10;

fn foretells(asked: Asked, rows: &[Measured]) {
    let mut rows = examples(rows);
    let says = |foretold: &Foretold<u32>| Some(foretold.likely.p);
    let ftrl = Ftrl::default();
    let model = |example: &Example<u32>| example.asset % MODELS;
    let update = |of: &mut FtrlState, row: &Example<u32>, told: &mut Told| match row.label {
        Label::Open => note(told, Some(ftrl.predict(of, &row.features).p), |_| true),
        Label::Known(label) => ftrl.learn(of, &row.features, label, 1.0),
        Label::Censored => {}
    };
    let key = (model, EventTime::default());
    asked.detector(Name::score("ftrl"), &rows, key, Foretells::new(ftrl), says, || each(&rows, model, update).1);
    // What came of it changes nothing where nobody learns.
    rows.retain(|row| row.label == Label::Open);
    let trees = trees(rows[0].features.len());
    let base = || {
        let mut told = Told::default();
        rows.iter().for_each(|row| note(&mut told, Some(trees.predict(&row.features).p), |_| true));
        told
    };
    let key = (|example: &Example<u32>| example.asset, EventTime::default());
    asked.detector(Name::score("trees"), &rows, key, Frozen::new(trees.clone()), says, base);
}

/// 200 trees that cut four times, as `evaluate` grows them, but by lot.
fn trees(features: usize) -> Trees {
    // Where features of `examples` lie: last value, last less mean of both windows, of both sensors.
    const CUTS: [(u32, f64); 6] = [(0, 3.0), (6, 0.0), (12, 0.0), (13, 40.0), (19, 0.0), (25, 0.0)];
    let node = |tree: usize, nth: usize| {
        let ((feature, about), lot) = (CUTS[(tree + nth * 5) % CUTS.len()], (tree * 31 + nth * 17) % 19);
        let below = about + (lot as f64 - 9.0) / 50.0;
        let (left, right) = (2 * nth as u32 + 1, 2 * nth as u32 + 2);
        let split = (nth < 15).then_some(Split { feature, below, left, right, missing_left: true });
        Node { value: (lot as f64 - 9.0) / 200.0, split }
    };
    let trees = (0..200).map(|tree| Tree { nodes: (0..31).map(|nth| node(tree, nth)).collect() }).collect();
    Trees::new((0..features).map(|nth| format!("feature {nth}")).collect(), -2.0, trees).expect("sound")
}
