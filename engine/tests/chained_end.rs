//! A drain closes the windows of every keyed operator, also of one that reads what another emits at its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::detectors::{CountsAtEnd, Repeats};
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

/// A key that operators feed may be fed by them when the split that caused it has ended: it ends with the job.
#[test]
fn a_key_fed_by_an_operator_ends_with_the_job_alone() {
    for workers in [1, 2] {
        let job = job(|flow| {
            let rows = flow.channel::<Row>("in");
            rows.clone().key_by(|r| r.key).detect("ends", CountsAtEnd).out.to_channel("ended");
            let repeated = rows.key_by(|r| r.key).detect("repeats", Repeats).out;
            repeated.key_by(|_| 0).detect("all", CountsAtEnd).out.to_channel("out");
        });
        let mut running = job.workers(workers).start().unwrap();
        let first = running.sender::<Row>("in").unwrap();
        let second = first.another_split();
        let (out, ended) = (running.receiver::<Row>("out").unwrap(), running.receiver::<Row>("ended").unwrap());
        first.send(vec![row(0, 1, 0); 3]).unwrap();
        drop(first);
        // The key of the source has ended with its split.
        assert_eq!(ended.recv().unwrap().rows, [row(0, 1, 3)]);
        assert_eq!(out.try_recv(), Ok(None));
        second.send(vec![row(0, 2, 0); 2]).unwrap();
        drop(second);
        assert_eq!(rest(&out), [row(0, 0, 5)]);
        running.wait().unwrap();
    }
}
