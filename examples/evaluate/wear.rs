//! Lifts that wear, simulated: what breaks within 1, 7 and 30 days, what is a list of visits worth, and what do mending and cost come to?
//!
//! No public data hold lifts for months with what was mended in them, so this is judged on made-up ones: it says whether signs that are there are found, and nothing of how often there are any. The
//! regression learns in one pass, of seven lifts in ten; trees are grown on these before the days that are judged. Judged are the other three.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use watchfire::connect::datagen::Draw;
use watchfire::detect::{
    Example, Foretells, Foretold, Ftrl, Horizon, InOrder, Judged, Label, Life, Score, Trees, Weibull, WeibullState,
};
use watchfire::elevator::{Breaks, FaultClass, LiftRow, WEAR_FEATURES, Wear, WearDay, WearSim, WearSimConfig};
use watchfire::{Compose, EventTime, Job, TickSource};

use crate::Failed;
use crate::metrics;
use crate::train::{self, Growth, Model};
use crate::wear_tables;

pub const DAY_MS: i64 = 86_400_000;

/// How far ahead, days.
pub const HORIZONS: [i64; 3] = [1, 7, 30];

/// A lift that is not seen for longer is offline.
const GAP_MS: i64 = DAY_MS * 3 / 2;

/// Ways to tell, the plain ones first.
pub const WAYS: [&str; 8] = [
    "random",
    "busiest",
    "faults so far",
    "use since mended",
    "age, by lives of parts",
    "all signs together",
    "ftrl, one pass",
    "trees",
];

pub const RANDOM: usize = 0;
pub const BUSIEST: usize = 1;
pub const PLAIN: usize = 2;
pub const SIGNS: usize = 5;
pub const FTRL: usize = 6;
pub const TREES: usize = 7;

/// How long ago it was mended or first seen, door cycles and days, and all signs together: of a day's features.
const USED: usize = 10;
const AGE: usize = 11;
const TOGETHER: usize = 13;

/// Grown on what is known of lifts that are not judged. A lift's days are alike, so leaves are large.
pub const GROWTH: Growth = Growth { trees: 60, depth: 3, rate: 0.1, leaf: 5.0, l2: 1.0 };

/// A lift, a class of faults, and a day.
pub type Of = (u32, FaultClass, i64);

/// Never learned from: three in ten.
pub fn is_held_out(lift: u32) -> bool {
    Draw::new(11, lift, 0).unit() < 0.3
}

/// All that came of a run.
pub struct Run {
    pub sim: WearSim,
    pub days: u32,
    /// From then on it is judged.
    pub from_ms: i64,
    pub all: BTreeMap<Of, WearDay>,
    /// How often a lift has had faults of a class until then, a day: drawn towards what lifts that are learned from have had of that class, as if that had been so for two years.
    pub so_far: HashMap<Of, f64>,
    /// How long parts last, of each class, days.
    lives: HashMap<FaultClass, Weibull>,
    pub labels: [HashMap<Of, Label>; 3],
    pub by_ftrl: [HashMap<Of, f64>; 3],
    pub by_trees: [HashMap<Of, f64>; 3],
    pub breaks: Vec<Breaks>,
}

/// Judges so many days; trees for a week are kept in `keep`, if it is given.
pub fn evaluate(config: WearSimConfig, days: u32, growth: &Growth, keep: Option<&Path>) -> Result<String, Failed> {
    let mut run = Run::of(WearSim::new(config), days)?;
    for (nth, horizon) in HORIZONS.into_iter().enumerate() {
        let trees = run.grow(nth, growth)?;
        if let Some(path) = keep.filter(|_| horizon == 7) {
            std::fs::write(path, serde_json::to_string(&trees)?)?;
        }
    }
    Ok(wear_tables::all(&run))
}

/// The lift and the class of what is known, and for which horizon it is: 0 to 2.
type Asked = (u8, Example<(u32, FaultClass)>);

fn job() -> Job {
    let job = Job::new(|flow| {
        let rows = flow.channel::<LiftRow>("lifts").key_by(|row| row.lift).event_time(LiftRow::EVENT_TIME);
        let days = rows.detect("wear", LiftRow::in_order(3_000).then(Wear::default())).out.1;
        days.clone().to_channel("days");
        let within = |of: usize| Horizon::new(HORIZONS[of] * DAY_MS, GAP_MS, WearDay::observed).about("wear");
        let asked =
            days.key_by(|day| (day.lift, day.class)).detect("horizons", within(0).both(within(1)).both(within(2)));
        let ((one, seven), thirty) = asked.out;
        let of = |nth: u8| move |example| -> Asked { (nth, example) };
        let asked = one.map(of(0)).union(seven.map(of(1))).union(thirty.map(of(2)));
        asked.clone().to_channel("examples");
        // What comes of lifts that are judged teaches nothing.
        let taught = asked.filter(|(_, of)| of.label == Label::Open || !is_held_out(of.asset.0));
        let taught = taught.map(|(nth, of)| Example {
            asset: (nth, of.asset.0, of.asset.1),
            at_ms: of.at_ms,
            said_ms: of.said_ms,
            features: of.features,
            label: of.label,
        });
        let said = InOrder::new(|of: &Example<(u8, u32, FaultClass)>| (of.label == Label::Open, of.asset, of.at_ms));
        let bounds = EventTime { disorder_ms: 2 * DAY_MS, ..EventTime::default() };
        // Signs are told in the same units whatever breaks, so all classes learn from each other.
        let model = taught.key_by(|of| of.asset.0).event_time(bounds);
        let foretells = said.quiet_ms(1_000 * DAY_MS).then(Foretells::new(Ftrl::default()));
        model.detect("models", foretells).out.1.to_channel("foretold");
    });
    job.workers(2).ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 30 * DAY_MS })
}

impl Run {
    fn of(sim: WearSim, days: u32) -> Result<Run, Failed> {
        let lifts: Vec<_> = (1..=sim.config().lifts).map(|lift| sim.lift(lift, days)).collect();
        let breaks = lifts.iter().flat_map(|lift| lift.breaks().to_vec()).collect();
        let mut running = job().start()?;
        let sender = running.sender::<LiftRow>("lifts")?;
        let (of_days, examples) = (running.receiver::<WearDay>("days")?, running.receiver::<Asked>("examples")?);
        let foretold = running.receiver::<Foretold<(u8, u32, FaultClass)>>("foretold")?;
        let send = std::thread::spawn(move || {
            (0..days).all(|day| {
                let mut rows: Vec<LiftRow> = lifts.iter().flat_map(|lift| lift.day(day)).collect();
                rows.sort_by_key(|row| (row.at_ms, row.lift));
                rows.chunks(4_096).all(|rows| sender.send(rows.to_vec()).is_ok())
            })
        });
        let (all, labels, by_ftrl) = std::thread::scope(|scope| {
            let all = scope.spawn(|| of_days.rows().map(|day| ((day.lift, day.class, day.day_ms), day)).collect());
            let labels = scope.spawn(|| {
                let mut labels: [HashMap<Of, Label>; 3] = Default::default();
                for (nth, of) in examples.rows().filter(|(_, of)| of.label != Label::Open) {
                    labels[usize::from(nth)].insert((of.asset.0, of.asset.1, of.at_ms), of.label);
                }
                labels
            });
            let mut by_ftrl: [HashMap<Of, f64>; 3] = Default::default();
            for of in foretold.rows() {
                let (nth, lift, class) = of.asset;
                by_ftrl[usize::from(nth)].insert((lift, class, of.at_ms), of.likely.p);
            }
            (all.join(), labels.join(), by_ftrl)
        });
        let gone = |_| "a thread that takes what leaves the job has panicked";
        if !send.join().unwrap_or(false) {
            return Err("the job took no more rows".into());
        }
        running.wait()?;
        let from_ms = sim.config().first_day_ms + i64::from(days) * 6 / 10 * DAY_MS;
        let (all, labels) = (all.map_err(gone)?, labels.map_err(gone)?);
        let (so_far, lives) = (so_far(&all, from_ms), lives(&all, from_ms));
        Ok(Run { sim, days, from_ms, all, so_far, lives, labels, by_ftrl, by_trees: Default::default(), breaks })
    }

    /// Grows trees on what was known of lifts that are not judged before the days that are.
    fn grow(&mut self, nth: usize, growth: &Growth) -> Result<Trees, Failed> {
        let until_ms = self.from_ms - HORIZONS[nth] * DAY_MS;
        let mut known: Vec<(Of, bool)> = self.labels[nth]
            .iter()
            .filter_map(|(of, label)| match label {
                Label::Known(happened) => Some((*of, *happened)),
                Label::Open | Label::Censored => None,
            })
            .filter(|((lift, _, at_ms), _)| *at_ms < until_ms && !is_held_out(*lift))
            .collect();
        known.sort_unstable_by_key(|(of, _)| *of);
        let rows: Vec<(&[f64], bool)> =
            known.iter().map(|(of, happened)| (self.all[of].features.as_slice(), *happened)).collect();
        let trees = train::grow(growth, &WEAR_FEATURES.map(str::to_owned), &rows)?;
        let asked = self.all.keys().filter(|(lift, _, at_ms)| *at_ms >= self.from_ms && is_held_out(*lift));
        let mut asked: Vec<Of> = asked.copied().collect();
        asked.sort_by_key(|(lift, class, at_ms)| (*at_ms, *lift, *class));
        // Trees are asked of an asset by number.
        let examples = asked.iter().zip(0..).map(|(of, asset)| Example {
            asset,
            at_ms: of.2,
            said_ms: of.2,
            features: self.all[of].features.clone(),
            label: Label::Open,
        });
        for ((asset, _), logit) in train::foretold(Model::Trees(trees.clone()), examples.collect())? {
            self.by_trees[nth].insert(asked[asset as usize], logit);
        }
        Ok(trees)
    }

    /// What was foretold of lifts that are judged, by every way, where somebody knows what came of it; and the share of which nobody does.
    pub fn judged(&self, nth: usize, is_asked: impl Fn(&WearDay) -> bool) -> (Vec<(Of, metrics::Foretold)>, f64) {
        let (mut judged, mut nobody) = (Vec::new(), 0);
        let mut broke: HashMap<(u32, FaultClass), Vec<i64>> = HashMap::new();
        for of in self.breaks.iter().filter(|of| !of.is_prevented()) {
            broke.entry((of.lift, of.class)).or_default().push(of.breaks_ms);
        }
        // A fault is known when it comes, and none only at the end of the horizon: days whose horizon is not over would all have faults.
        let last_ms = self.all.keys().map(|of| of.2).max().unwrap_or_default();
        let asked_ms = self.from_ms..=last_ms - HORIZONS[nth] * DAY_MS;
        for (of, day) in &self.all {
            let (lift, _, at_ms) = *of;
            if !asked_ms.contains(&at_ms) || !is_held_out(lift) || !is_asked(day) {
                continue;
            }
            if !matches!(self.labels[nth].get(of), Some(Label::Known(_))) {
                nobody += 1;
                continue;
            }
            // By what broke, not by what was told of it.
            let end_ms = at_ms + DAY_MS;
            let within_ms = end_ms..end_ms + HORIZONS[nth] * DAY_MS;
            let faults = broke.get(&(lift, of.1)).map_or(&[][..], Vec::as_slice);
            let happened = faults.iter().any(|breaks_ms| within_ms.contains(breaks_ms));
            judged.push((*of, metrics::Foretold { asset: lift, scores: self.scores(nth, of, day), happened }));
        }
        let share = f64::from(nobody) / (judged.len() as f64 + f64::from(nobody)).max(1.0);
        (judged, share)
    }

    /// How likely a fault is, by each way: a probability where there is one.
    pub fn scores(&self, nth: usize, of: &Of, day: &WearDay) -> Vec<f64> {
        let (lift, class, at_ms) = *of;
        let random = Draw::new(7, lift, at_ms as u64 ^ class as u64).unit();
        let trees = self.by_trees[nth].get(of).map_or(0.0, |logit| 1.0 / (1.0 + (-logit).exp()));
        let ftrl = self.by_ftrl[nth].get(of).copied().unwrap_or(0.0);
        let so_far = self.so_far.get(of).copied().unwrap_or(0.0);
        let of_class = self.lives.get(&class).map(|life| Weibull { within: HORIZONS[nth] as f64, ..*life });
        let age = of_class.map(|life| life.score(&mut WeibullState::default(), at_ms, day.features[AGE]));
        let age = if let Some(Judged::Score(p, _)) = age { p } else { 0.0 };
        let (used, together) = (day.features[USED], day.features[TOGETHER]);
        vec![random, f64::from(day.trips), so_far, used, age, together, ftrl, trees]
    }
}

/// How long parts of lifts that are learned from last, by what was known of them before `from_ms`: from when they were mended, or first seen. A class of which too few have failed has none.
fn lives(all: &BTreeMap<Of, WearDay>, from_ms: i64) -> HashMap<FaultClass, Weibull> {
    let mut lives: HashMap<FaultClass, Vec<Life>> = HashMap::new();
    let before: Vec<(&Of, &WearDay)> =
        all.iter().filter(|((lift, _, at_ms), _)| *at_ms < from_ms && !is_held_out(*lift)).collect();
    for of_lift in before.chunk_by(|(a, _), (b, _)| (a.0, a.1) == (b.0, b.1)) {
        let of_class = lives.entry(of_lift[0].0.1).or_default();
        // What failed has failed until it is mended.
        let (mut age, mut has_failed, mut last_ms) = (0.0, false, of_lift[0].0.2 - DAY_MS);
        for ((_, _, at_ms), day) in of_lift {
            // It may have been offline for days.
            let used = age + (at_ms - std::mem::replace(&mut last_ms, *at_ms)) as f64 / DAY_MS as f64;
            if day.failed && !has_failed {
                of_class.push(Life { used, failed: true });
            } else if day.renewed && !has_failed {
                of_class.push(Life { used, failed: false });
            }
            (age, has_failed) = (day.features[AGE], (has_failed || day.failed) && !day.renewed);
        }
        if age > 0.0 && !has_failed {
            of_class.push(Life { used: age, failed: false });
        }
    }
    lives.into_iter().filter_map(|(class, of)| Some((class, Weibull::fit(of, 1.0).ok()?))).collect()
}

/// See [`Run::so_far`].
fn so_far(all: &BTreeMap<Of, WearDay>, from_ms: i64) -> HashMap<Of, f64> {
    const BELIEVED_DAYS: f64 = 730.0;
    let mut of_class: HashMap<FaultClass, (f64, f64)> = HashMap::new();
    for ((_, class, _), day) in all.iter().filter(|((lift, _, at_ms), _)| *at_ms < from_ms && !is_held_out(*lift)) {
        let (faults, days) = of_class.entry(*class).or_default();
        (*faults, *days) = (*faults + f64::from(u8::from(day.failed)), *days + 1.0);
    }
    let mut of_lift: HashMap<(u32, FaultClass), (f64, f64)> = HashMap::new();
    let each = all.iter().map(|(of, day)| {
        let (faults, days) = of_lift.entry((of.0, of.1)).or_default();
        (*faults, *days) = (*faults + f64::from(u8::from(day.failed)), *days + 1.0);
        let usual = of_class.get(&of.1).map_or(0.0, |(faults, days)| faults / days);
        (*of, (*faults + usual * BELIEVED_DAYS) / (*days + BELIEVED_DAYS))
    });
    each.collect()
}
