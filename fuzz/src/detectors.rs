//! Detectors over values of every kind, through jobs.

use serde::{Deserialize, Serialize};
use watchfire_engine::Change;
use watchfire_engine::{Compose, EventTime, Flow, Job, Metrics, Running, TickSource, Timed};
use watchfire_operators::detect::{
    Cusum, Discord, Entry, EventRate, Ewma, Example, Foretells, Foretold, Frozen, Ftrl, HalfSpaceTrees, Holt, Horizon,
    InOrder, Label, Node, Observed, PageHinkley, Rate, Reading, RobustZ, Rolled, Rolling, Rolls, Score, Scored, Scores,
    Side, Sign, Silence, Silent, Split, Stuck, Tree, Trees, Weibull,
};
use watchfire_operators::pattern::{Found, Sequence, Steps};
use watchfire_operators::window::Close;

use crate::input::{Input, Walk};
use crate::restored::Restored;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    key: u32,
    at_ms: i64,
    value: f64,
    id: u32,
}

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// Settings, then values of three keys at times of all kinds: what is said is the same however rows are cut, by other workers, and with every state written down
/// and read back after every call; rows go on in order, each once, or are late, or came before; every score is finite; and what is asked is answered once at most.
pub fn detectors(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let plan = Plan::draw(&mut input);
    let rows = draw_rows(&mut input);
    let count = rows.len() as u64;
    let mut running = plan.plain().record().start().expect("a sound flow");
    running.sender::<Row>("rows").expect("its sender").send(rows).expect("it takes rows");
    let (straight, metrics) = said(&mut running);
    let recording = running.recording().expect("it was recorded");
    let restored =
        plan.restored().workers(1 + usize::from(plan.seed % 3)).replay(&recording.recut(plan.seed.into(), 2));
    assert_eq!(said(&mut restored.expect("a sound flow")).0, straight, "cut otherwise, and restored");
    let book = metrics.operators["detectors"].detectors[0];
    let gone = book.emitted + book.late + book.duplicate + metrics.operators["detectors"].skewed;
    assert_eq!(gone, count, "every row has gone on, or is told of: {:?}", metrics.operators["detectors"]);
}

#[derive(Clone, Copy)]
struct Plan {
    disorder_ms: i64,
    held_max: usize,
    quiet_ms: i64,
    warm_up: u32,
    side: Side,
    tau_ms: i64,
    seed: u8,
}

/// What a value is to a score.
fn reading(row: &Row) -> Reading<f64> {
    if row.id % 7 == 6 { Reading::Reset } else { Reading::Value(row.value) }
}

/// Now and then a value is taken back, of the same row or of none.
fn entry(row: &Row) -> Reading<Entry> {
    match row.id % 7 {
        6 => Reading::Reset,
        3 => Reading::Value(Entry::Retract(row.value)),
        _ => Reading::Value(Entry::Add(row.value)),
    }
}

fn both(row: &Row) -> Reading<[f64; 2]> {
    if row.id % 7 == 6 { Reading::Reset } else { Reading::Value([row.value, f64::from(row.id % 5)]) }
}

fn sign(row: &Row) -> Sign {
    [Sign::Life, Sign::Life, Sign::Expected, Sign::Life, Sign::None, Sign::Life, Sign::Retired][row.id as usize % 7]
}

fn observe(row: &Row) -> Observed {
    let features = (row.id % 5 != 4).then(|| vec![row.value, f64::from(row.id % 7)]);
    Observed { features, failed: row.id.is_multiple_of(3), renewed: row.id % 11 == 10 }
}

/// By the value, and by what it comes with.
fn grown() -> Trees {
    let stump = |feature, below| {
        let split = Split { feature, below, left: 1, right: 2, missing_left: feature == 1 };
        Tree { nodes: vec![Node { value: 0.1, split: Some(split) }, Node::leaf(-1.0), Node::leaf(1.0)] }
    };
    let names = ["value", "rest"].map(str::to_owned).to_vec();
    Trees::new(names, -0.5, vec![stump(0, 50.0), stump(1, 3.0)]).expect("sound trees")
}

/// Two that come near each other with no third between, and nothing like the first after them.
fn steps(tau_ms: i64) -> Steps<Row> {
    let near_ms = tau_ms.clamp(1, 1 << 40);
    let steps = Steps::new().step("even", |row: &Row| row.id.is_multiple_of(2)).without("third", |row| row.id % 3 == 2);
    let steps = steps.step("odd", |row| row.id % 2 == 1).within_ms(near_ms);
    if near_ms % 2 == 0 { steps.absent("fifth", near_ms, |row| row.id.is_multiple_of(5)) } else { steps.apart() }
}

/// All of them, each made by `make`, in one operator.
macro_rules! build {
    ($flow:expr, $plan:expr, $make:expr) => {{
        let Plan { disorder_ms, held_max, quiet_ms, warm_up, side, tau_ms, seed } = $plan;
        let bounds = EventTime { disorder_ms, ..EventTime::default() };
        let rows = $flow.channel::<Row>("rows").key_by(|row| row.key).event_time(bounds);
        let sorted = $make(InOrder::new(|row: &Row| row.id).quiet_ms(quiet_ms).held_max(held_max));
        let ewma = $make(Scores::new(Ewma { tau_ms, warm_up, side, ..Ewma::default() }, reading));
        let cusum = $make(Scores::new(Cusum { warm_up, side, ..Cusum::default() }, reading).at_least(1.0));
        let hinkley = $make(Scores::new(PageHinkley { warm_up, side, ..PageHinkley::default() }, reading));
        let holt = Holt { level_ms: tau_ms, warm_up, side, ..Holt::default() };
        let holt = $make(Scores::new(holt, reading).at_most(1e10));
        let rate = $make(Scores::new(Rate { gap_max_ms: tau_ms, side }, reading));
        let stuck = $make(Scores::new(Stuck { gap_max_ms: tau_ms, ..Stuck::default() }, reading));
        let robust = RobustZ { warm_up, side, keep: 5, bins_a_day: 4, ..RobustZ::default() };
        let robust = $make(Scores::new(robust, entry));
        let trees =
            HalfSpaceTrees { trees: 3, depth: 4, window: 4, warm_up, seed: seed.into(), ..HalfSpaceTrees::default() };
        let trees = $make(Scores::new(trees, both));
        let rolling = Rolling { lengths_ms: vec![tau_ms, quiet_ms], gap_max_ms: quiet_ms, rows_max: held_max };
        let rolls = $make(Rolls::new(rolling, both));
        let discord = Discord { warm_up, stretch: 3, memory: 8, same_time_ms: tau_ms, ..Discord::default() };
        let discord = $make(Scores::new(discord, reading).at_least(0.1));
        let shape = 0.5 + f64::from(seed % 8) / 2.0;
        let weibull = $make(Scores::new(Weibull { shape, scale: 500.0, within: tau_ms as f64 }, reading));
        let event_rate = $make(Scores::new(EventRate { fades_after: tau_ms as f64, ..EventRate::default() }, both));
        let horizon = $make(Horizon::new(tau_ms, quiet_ms, observe).slack_ms(disorder_ms));
        let foretells = $make(Foretells::new(Ftrl::default()).positive_weight(3.0));
        let foretold = horizon.then(foretells.both($make(Frozen::new(grown()))));
        let silence = $make(Silence::new(move |_: &u32| tau_ms, sign));
        let allowed_lateness_ms = held_max as i64 * 16;
        let close = match seed % 3 {
            0 => Close::Final,
            1 => Close::Hold { max_ms: quiet_ms },
            _ => Close::Provisional { after_quiet_ms: quiet_ms, every_ms: tau_ms, allowed_lateness_ms },
        };
        let sequence = Sequence::new(steps(tau_ms), |row: &Row| row.id).expect("sound steps");
        let sequence = $make(sequence.close(close).matches_max(3).held_max(held_max));
        let all = ewma
            .both(cusum)
            .both(hinkley)
            .both(holt.both(rate).both(stuck))
            .both(robust.both(trees).both(silence.both(discord)).both(rolls))
            .both(weibull.both(event_rate).both(foretold));
        let found = rows.detect("detectors", sorted.then(all).both(sequence));
        let ((sorted, (scores, ((weibull, event_rate), (examples, (learned, frozen))))), sequence) = found.out;
        let ((((ewma, cusum), hinkley), ((holt, rate), stuck)), (((robust, trees), (silent, discord)), rolled)) =
            scores;
        weibull.to_channel("weibull");
        event_rate.to_channel("event_rate");
        examples.to_channel("examples");
        learned.to_channel("learned");
        frozen.to_channel("frozen");
        robust.to_channel("robust_z");
        trees.to_channel("half_space_trees");
        discord.to_channel("discord");
        silent.to_channel("silent");
        rolled.to_channel("rolled");
        sequence.to_channel("sequence");
        sorted.to_channel("sorted");
        ewma.to_channel("ewma");
        cusum.to_channel("cusum");
        hinkley.to_channel("page_hinkley");
        holt.to_channel("holt");
        rate.to_channel("rate");
        stuck.to_channel("stuck");
    }};
}

impl Plan {
    fn draw(input: &mut Input<'_>) -> Plan {
        Plan {
            disorder_ms: i64::from(input.u8()) * 8,
            held_max: 1 + usize::from(input.u8()),
            quiet_ms: input.span_ms(),
            warm_up: u32::from(input.below(8)),
            side: [Side::Both, Side::Above, Side::Below][usize::from(input.below(3))],
            tau_ms: input.span_ms(),
            seed: input.u8(),
        }
    }

    fn plain(self) -> Job {
        Job::new(move |flow: &Flow<'_>| build!(flow, self, std::convert::identity)).ticks(TickSource::FROM_EVENTS)
    }

    fn restored(self) -> Job {
        Job::new(move |flow: &Flow<'_>| build!(flow, self, Restored)).ticks(TickSource::FROM_EVENTS)
    }
}

/// Values of one input: more take long and show nothing else.
const ROWS_MAX: usize = 64;

fn draw_rows(input: &mut Input<'_>) -> Vec<Row> {
    let (mut walk, mut rows) = (Walk::from(input.span_ms()), Vec::new());
    while !input.is_empty() && rows.len() < ROWS_MAX {
        let op = input.u8();
        let id = if op >= 248 { rows.len().saturating_sub(1) } else { rows.len() } as u32;
        rows.push(Row { key: u32::from(op % 3), at_ms: walk.next(input), value: input.number(), id });
    }
    rows
}

/// What was said, row by row, as text: what is not a number is not equal to itself.
fn said(running: &mut Running) -> (Vec<String>, Metrics) {
    fn each<S: Score>(running: &mut Running, name: &str, all: &mut Vec<String>) {
        for said in running.receiver::<Scored<u32, S::Why>>(name).expect("its receiver").rows() {
            assert!(said.score().is_none_or(f64::is_finite), "{name}: {said:?}");
            all.push(format!("{said:?}"));
        }
    }
    let (mut all, mut last) = (Vec::new(), [i64::MIN; 3]);
    for row in running.receiver::<Row>("sorted").expect("its receiver").rows() {
        let last_ms = &mut last[row.key as usize];
        assert!(row.at_ms >= *last_ms, "out of order: {row:?}");
        *last_ms = row.at_ms;
        all.push(format!("{row:?}"));
    }
    each::<Ewma>(running, "ewma", &mut all);
    each::<Cusum>(running, "cusum", &mut all);
    each::<PageHinkley>(running, "page_hinkley", &mut all);
    each::<Holt>(running, "holt", &mut all);
    each::<Rate>(running, "rate", &mut all);
    each::<Stuck>(running, "stuck", &mut all);
    each::<RobustZ>(running, "robust_z", &mut all);
    each::<HalfSpaceTrees<2>>(running, "half_space_trees", &mut all);
    each::<Discord>(running, "discord", &mut all);
    each::<Weibull>(running, "weibull", &mut all);
    each::<EventRate>(running, "event_rate", &mut all);
    all.extend(running.receiver::<Silent<u32>>("silent").expect("its receiver").rows().map(|row| format!("{row:?}")));
    for rolled in running.receiver::<Rolled<Row>>("rolled").expect("its receiver").rows() {
        assert!(rolled.features.known().is_none_or(|of| of.iter().all(|of| of.is_finite())), "{rolled:?}");
        all.push(format!("{rolled:?}"));
    }
    foretold(running, &mut all);
    // What is taken back was told before, as it was, and once.
    let mut holds = Vec::new();
    for change in running.receiver::<Change<Found<u32, Row>>>("sequence").expect("its receiver").rows() {
        let found = format!("{:?}", change.row());
        let at = holds.iter().position(|held| *held == found);
        match (&change, at) {
            (Change::Insert(_), None) => holds.push(found),
            (Change::Retract(_), Some(at)) => drop(holds.swap_remove(at)),
            _ => panic!("told twice, or taken back and never told: {change:?}"),
        }
        all.push(format!("{change:?}"));
    }
    (all, running.wait().expect("it ends"))
}

/// What was asked, what came of it, and what was foretold: an answer belongs to a question, and is given once.
fn foretold(running: &mut Running, all: &mut Vec<String>) {
    let mut asked = Vec::new();
    for example in running.receiver::<Example<u32>>("examples").expect("its receiver").rows() {
        let is = format!("{:?}", (example.asset, example.at_ms, &example.features));
        if example.label == Label::Open {
            asked.push(is);
        } else {
            let at = asked.iter().position(|of| *of == is).expect("it was asked, and not answered yet");
            asked.swap_remove(at);
        }
        all.push(format!("{example:?}"));
    }
    for name in ["learned", "frozen"] {
        for said in running.receiver::<Foretold<u32>>(name).expect("its receiver").rows() {
            let sound = said.likely.why.iter().all(|of| of.is_finite());
            assert!(sound && (0.0..=1.0).contains(&said.likely.p), "{name}: {said:?}");
            all.push(format!("{said:?}"));
        }
    }
}
