//! Each detector alone: 1,000 lifts, one worker.

use std::time::Duration;

use watchfire_benches::args::arg;
use watchfire_benches::detectors_by_hand::Told;
use watchfire_engine::{Data, Detector, EventTime, Job, Timed};

use crate::{ROWS, compare, lifts, others, scores, timed, told};

pub const LIFTS: u32 = 1_000;
/// The channel of what is told.
pub const OUT: &str = "told";

/// How many rows there are for what costs nothing, and how often both sides run. What costs much takes a part of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub rows: usize,
    pub pairs: usize,
}

pub fn run(rows: usize, pairs: usize) {
    let asked = Asked { rows: rows / 3, pairs };
    scores::run(asked);
    others::run(asked);
    lifts::run(asked);
}

/// Whether a detector is wanted: no wish means all.
pub fn wants(detector: &str) -> bool {
    arg("detector", detector) == detector
}

/// What a detector is called, and what it is measured against.
pub struct Name {
    pub detector: &'static str,
    pub against: &'static str,
}

impl Name {
    pub fn hand(detector: &'static str) -> Name {
        Name { detector, against: "hand" }
    }

    /// Against a loop around the function that the detector calls.
    pub fn score(detector: &'static str) -> Name {
        Name { detector, against: "score" }
    }

    /// The head of its line, if it is wanted.
    fn line(&self) -> Option<String> {
        let Name { detector, against } = self;
        wants(detector).then(|| format!("workload=alone detector={detector} against={against}"))
    }
}

impl Asked {
    /// A detector over the rows of each key, against `base`; `says` what counts of what it tells.
    pub fn detector<D: Detector + Clone, K>(
        self,
        name: Name,
        rows: &[D::In],
        (key, bounds): (K, EventTime),
        detector: D,
        says: impl Fn(&D::Out) -> Option<f64> + Copy + Send + 'static,
        mut base: impl FnMut() -> Told,
    ) where
        D::In: Timed,
        K: Fn(&D::In) -> D::Key + Copy + Send + Sync + 'static,
    {
        let Some(line) = name.line() else { return };
        let engine = || {
            let detector = detector.clone();
            let job = Job::new(move |flow| {
                let keyed = flow.channel::<D::In>(ROWS).key_by(key).event_time(bounds);
                keyed.detect("alone", detector.clone()).out.to_channel(OUT);
            });
            one(job, rows, says)
        };
        compare(&line, (rows.len(), self.pairs), Some(&mut || [base()]), engine);
    }

    /// A flow alone, where there is nothing to measure it against.
    pub fn flow<T: Data + Timed, O: Data>(
        self,
        detector: &'static str,
        rows: &[T],
        flow: impl Fn() -> Job,
        says: impl Fn(&O) -> Option<f64> + Copy + Send + 'static,
    ) {
        let Some(line) = (Name { detector, against: "none" }).line() else { return };
        compare(&line, (rows.len(), self.pairs), None, || one(flow(), rows, says));
    }
}

fn one<T: Data + Timed, O: Data>(
    job: Job,
    rows: &[T],
    says: impl Fn(&O) -> Option<f64> + Send + 'static,
) -> (Duration, [Told; 1]) {
    timed(job, 1, rows, |running| [told(running, OUT, says)])
}
