//! A drain closes the windows of every keyed operator, also of one that reads what another emits at its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::detectors::CountsAtEnd;
use support::{Row, SOON, job, rest, row, rows};

#[test]
fn the_end_reaches_what_the_end_itself_brings() {
    for (workers, levels) in [(1, 2), (2, 2), (1, 4), (4, 3)] {
        let job = job(move |flow| {
            let mut stream = flow.channel::<Row>("in");
            for level in 0..levels {
                stream = stream.key_by(|r| r.key / 2).detect(&format!("level {level}"), CountsAtEnd).out;
            }
            stream.to_channel("out");
        });
        let mut running = job.workers(workers).start().unwrap();
        let sender = running.sender::<Row>("in").unwrap();
        let out = running.receiver::<Row>("out").unwrap();
        sender.send(rows(0..5)).unwrap();
        sender.send((0..8).map(|n| row(n, n as u32, n)).collect()).unwrap();
        running.drain(SOON).unwrap();
        let counts: i64 = rest(&out).iter().map(|r| r.value).sum();
        assert!(counts > 0, "{levels} levels on {workers} workers: nothing came of the last level");
    }
}
