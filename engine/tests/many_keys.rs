//! More keys than stay near the core: their memory is asked for ahead of their rows, and nothing else changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::detectors::Memory;
use support::{Row, SOON, STANDING, row};
use watchfire_engine::{Context, Describe, Detector, Job, Verdict};

const KEYS: u32 = 9_000;

/// Emits the sum of a key's rows so far.
struct Sums;

impl Detector for Sums {
    type Key = u32;
    type In = Row;
    type Out = Row;
    type State = Memory;

    fn describe(&self) -> Describe {
        Describe { kind: "sums", params: String::new(), ordered: true }
    }

    fn on_row(&self, memory: &mut Memory, of: &Row, cx: &mut Context<'_, u32, Row>) -> Verdict {
        memory.mixed += of.value;
        cx.emit(row(of.at_ms, of.key, memory.mixed));
        Verdict::Applied
    }
}

#[test]
fn every_row_reaches_the_state_of_its_key() {
    let mut sums = vec![0; KEYS as usize];
    // New keys come to the end, and those that were come again at all distances.
    let draw = |n: u32| match n % 3 {
        0 => n / 3 % KEYS,
        _ => (n.wrapping_mul(2_654_435_769) >> 8) % KEYS.min(n / 3 + 1),
    };
    let sent: Vec<Row> = (0..60_000).map(|n| row(i64::from(n), draw(n), i64::from(n % 97 + 1))).collect();
    let expected = sent.iter().map(|of| {
        sums[of.key as usize] += of.value;
        row(of.at_ms, of.key, sums[of.key as usize])
    });
    let expected: Vec<Row> = expected.collect();
    assert!(sums.iter().all(|sum| *sum > 0), "every key has rows");
    for workers in 1..=3 {
        let job =
            Job::new(|flow| flow.channel::<Row>("in").key_by(|of| of.key).detect("sums", Sums).out.to_channel("out"));
        let mut running = job.workers(workers).ticks(STANDING).start().unwrap();
        let (sender, out) = (running.sender::<Row>("in").unwrap(), running.receiver::<Row>("out").unwrap());
        let sends = std::thread::spawn({
            let sent = sent.clone();
            move || sender.send(sent).unwrap()
        });
        assert!(out.rows().eq(expected.iter().cloned()), "{workers} workers");
        sends.join().unwrap();
        running.drain(SOON).unwrap();
    }
}
