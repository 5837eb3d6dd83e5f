//! Those who dispatch, as a detector of the engine.

use std::fmt;

use watchfire_engine::{Context, Describe, Detector, Verdict};

use super::{Desk, DeskState, Dispatch, Report};

/// Dispatches each theatre by its [`Desk`]: reports in, what is to be done out, as keyed state that survives.
///
/// - **When**: a change leaves with the report or the tick that causes it, in its place of the ingest order.
/// - **Clock**: deadlines, notices and shifts are on the arrival clock; an outage of a source does not put them off.
/// - **Exactly once**: numbers of incidents, changes and notices are part of the state, so they are the same after a crash, and in every run of the
///   same input.
/// - **The end** of the input closes nothing, and calls nobody back.
///
/// Order matters: reports of a theatre come through one split, or through merged ones. What the engine sets aside as late or skewed never comes to the
/// desk: somebody has to watch these outputs, for an alarm may be among it.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::dispatch::{Desk, Dispatch, DispatchConfig, Dispatching, Report, Responder, Says, Skills, Station};
/// use watchfire_operators::geo::Position;
/// use watchfire_operators::road::Network;
/// let mut map = Network::builder();
/// let here = Position::from_degrees(30.50, 104.07)?;
/// map.node("station", here, true);
/// let mut config = DispatchConfig::default();
/// config.stations.insert(4, Station { place: here, district: 1 });
/// let desk = Dispatching::new(Desk::new(config, Arc::new(map.build()?))?);
/// let job = Job::new(move |flow| {
///     let reports = flow.channel::<Report>("reports").key_by(|report| report.theatre);
///     reports.detect("dispatch", desk.clone()).out.to_channel("dispatched");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let (reports, dispatched) = (running.sender::<Report>("reports")?, running.receiver::<Dispatch>("dispatched")?);
/// let joins = |id| Report { theatre: 1, at_ms: id as i64, says: Says::Joined(Responder::crew(id, 9, Skills(1))) };
/// reports.send((0..8).map(joins).collect())?;
/// drop(reports);
/// assert_eq!(dispatched.rows().filter(|told| told.id().starts_with("dispatch/1/")).count(), 8, "no station 9");
/// running.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Dispatching {
    desk: Desk,
}

impl fmt::Debug for Dispatching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.desk.fmt(f)
    }
}

impl Dispatching {
    /// Dispatches by a desk.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Dispatching { desk }
    }
}

impl Detector for Dispatching {
    type Key = u32;
    type In = Report;
    type Out = Dispatch;
    type State = DeskState;

    fn describe(&self) -> Describe {
        Describe { kind: "dispatch", params: self.desk.params(), ordered: true }
    }

    fn on_row(&self, state: &mut DeskState, report: &Report, cx: &mut Context<'_, u32, Dispatch>) -> Verdict {
        let mut told = Vec::new();
        let verdict = self.desk.report(state, report, cx.arrival_ms(), &mut told);
        self.leave(state, told, cx);
        verdict
    }

    fn on_arrival(&self, state: &mut DeskState, cx: &mut Context<'_, u32, Dispatch>) {
        let mut told = Vec::new();
        if self.desk.due_ms(state).is_some_and(|due_ms| due_ms <= cx.arrival_ms()) {
            let theatre = *cx.key();
            self.desk.tick(state, theatre, cx.arrival_ms(), &mut told);
        }
        self.leave(state, told, cx);
    }
}

impl Dispatching {
    fn leave(&self, state: &DeskState, told: Vec<Dispatch>, cx: &mut Context<'_, u32, Dispatch>) {
        told.into_iter().for_each(|told| cx.emit(told));
        if let Some(due_ms) = self.desk.due_ms(state) {
            cx.wake_at_arrival_ms(due_ms);
        }
    }
}
