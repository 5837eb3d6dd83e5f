//! Rehearsed recovery: it changes nothing where states are whole, and shows where they are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::marker::PhantomData;

use support::{Row, SOON, STANDING, in_time, rows};
use watchfire_engine::{Context, Describe, Detector, Error, Job, State, Verdict, rkyv};

/// Counts in a state, and emits the count as the row's value.
struct Counts<S>(PhantomData<fn() -> S>);

trait Counter: State {
    fn next(&mut self) -> i64;
}

impl<S: Counter> Detector for Counts<S> {
    type Key = u32;
    type In = Row;
    type Out = i64;
    type State = S;

    fn describe(&self) -> Describe {
        Describe { kind: "counts", params: String::new(), ordered: false }
    }

    fn on_row(&self, count: &mut S, _: &Row, cx: &mut Context<'_, u32, i64>) -> Verdict {
        cx.emit(count.next());
        Verdict::Applied
    }
}

macro_rules! counters {
    ($($name:ident: $note:meta),*) => {$(
        #[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
        struct $name {
            #[$note]
            count: i64,
        }
        impl Counter for $name {
            fn next(&mut self) -> i64 {
                self.count += 1;
                self.count
            }
        }
    )*};
}
counters!(Whole: doc = "Stored.", Forgets: rkyv(with = rkyv::with::Skip), Unreadable: doc = "Stored, in vain.");

impl State for Whole {
    const NAME: &'static str = "whole";
    const VERSION: u32 = 1;
}

impl State for Forgets {
    const NAME: &'static str = "forgets";
    const VERSION: u32 = 1;
}

impl State for Unreadable {
    const NAME: &'static str = "unreadable";
    const VERSION: u32 = 1;

    fn decode(_: &[u8]) -> Result<Self, Error> {
        Err(Error::new("E0502", "cannot be read"))
    }
}

/// The counts of nine rows of one key, an epoch each.
fn counts<S: Counter>(rehearse_every: u64) -> Result<Vec<i64>, Error> {
    let job = Job::new(|flow| {
        let counted = flow.channel::<Row>("in").key_by(|_| 7).detect("counts", Counts::<S>(PhantomData));
        counted.out.to_channel("out");
    });
    let job = job.ticks(STANDING).epoch_rows_max(1).rehearse_recovery(rehearse_every);
    in_time(move || {
        let mut running = job.start()?;
        let (sender, out) = (running.sender::<Row>("in")?, running.receiver::<i64>("out")?);
        for n in 0..9 {
            let _ = sender.send(rows(n..n + 1));
        }
        drop(sender);
        let all = out.rows().collect();
        running.drain(SOON)?;
        Ok(all)
    })
}

#[test]
fn a_state_that_is_stored_whole_is_not_changed() {
    for every in [0, 1, 2, u64::MAX] {
        assert_eq!(counts::<Whole>(every).unwrap(), (1..=9).collect::<Vec<_>>());
    }
}

#[test]
fn a_state_that_forgets_is_found() {
    assert_eq!(counts::<Forgets>(0).unwrap(), (1..=9).collect::<Vec<_>>());
    assert_eq!(counts::<Forgets>(1).unwrap(), [1; 9]);
}

#[test]
fn a_state_that_cannot_be_read_ends_the_job_with_the_name_of_the_operator() {
    let error = counts::<Unreadable>(1).unwrap_err();
    assert!(error.code() == "E0502" && error.to_string().contains("operator \"counts\""), "{error}");
}
