//! How a job starts: plans, finds what it comes back to, makes the parts of the flow, and launches the workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Job;
use super::parts::{Part, Start};
use super::running::Running;
use super::shared::{KeyStates, Shared};
use crate::Error;
use crate::checkpoint::{Begin, Goes, Ledger, Scribe, begin};
use crate::epochs::EpochLog;
use crate::flow::{Finding, Flow, InputType, Plan, Weight};
use crate::ingest::leader::Leader;
use crate::ingest::record::{Player, Recorder, Recording};
use crate::ingest::streamed::Streamed;
use crate::time::TickSource;

/// What the build function gives without a worker.
pub(super) struct Planned {
    pub(super) plan: Plan,
    parts: Vec<Part>,
    pub(super) inputs: Vec<InputType>,
}

impl Job {
    pub(super) fn planned(&self) -> Planned {
        let flow = Flow::new(None);
        (self.build)(&flow);
        Planned {
            plan: Plan { made_at: Some(self.made_at), ..flow.0.plan.take() },
            parts: flow.0.parts.take(),
            inputs: flow.0.inputs.take(),
        }
    }

    pub(super) fn start_with(&self, recording: Option<Recording>) -> Result<Running, Error> {
        let planned = self.planned();
        let findings = self.findings(&planned.plan);
        let errors: Vec<Finding> = findings.into_iter().filter(|f| f.weight == Weight::Error).collect();
        if !errors.is_empty() {
            let all: Vec<String> = errors.iter().map(Finding::to_string).collect();
            return Err(Error::new("E0100", format!("the flow cannot run: {}", all.join(" | "))));
        }
        let nodes = planned.plan.nodes.iter().enumerate();
        let nodes = nodes.map(|(id, node)| (node.name.clone(), planned.plan.place(id)));
        let shared = Shared::new(nodes, self.workers);
        shared.metrics.begin_at_zero(&planned.plan);
        shared.rehearse_every(self.rehearse_every);
        let running = self.launch(planned, recording, &shared);
        if let Err(error) = &running {
            // What was started already ends by it.
            shared.fail(error.clone());
        }
        running
    }

    fn launch(&self, planned: Planned, recording: Option<Recording>, shared: &Arc<Shared>) -> Result<Running, Error> {
        let Planned { plan, parts, inputs } = planned;
        let mut start = Start {
            shared: shared.clone(),
            io: self.io.clone(),
            intakes: Vec::new(),
            sinks: Vec::new(),
            ends: HashMap::new(),
            later: Vec::new(),
            replaying: recording.is_some(),
            resumed: None,
            generation: 1,
            owed: HashMap::new(),
            owed_upto: 0,
            visible_upto: 0,
            logs: false,
        };
        let mut recording = recording;
        let replays = recording.is_some();
        let books = if recording.is_none() { self.come_back(&plan, &mut start, &mut recording)? } else { None };
        for part in parts {
            part(&mut start)?;
        }
        let ticks = self.ticks.unwrap_or(if plan.bounded() { TickSource::FROM_EVENTS } else { TickSource::WALL });
        let mut leader = Leader::new(shared.clone(), self.workers, ticks, self.bounds);
        leader.intakes = std::mem::take(&mut start.intakes);
        leader.closes = plan.has_tables();
        leader.commits.sinks = std::mem::take(&mut start.sinks);
        if let Some((ledger, log)) = books {
            (leader.commits.ledger, leader.commits.log) = (Some(ledger), log);
        }
        leader.recorder = self.record.then(Recorder::default);
        if let Some(store) = self.record_to.clone().filter(|_| recording.is_none()) {
            let into = Some(Streamed::start(store, plan.fingerprint(), shared.clone())?);
            leader.recorder = Some(Recorder { into, ..Recorder::default() });
        }
        if let Some(resumed) = start.resumed {
            if leader.recorder.is_some() {
                let what =
                    "a job that comes back to a checkpoint is to be recorded, but what entered before is not there";
                return Err(Error::new("E0112", what).remedy("record it from its beginning, or not at all"));
            }
            let read: Vec<_> = inputs.iter().map(|input| input.read_held).collect();
            leader.resume(resumed, &read, start.owed_upto)?;
        }
        if recording.is_some() && !replays {
            // Drained before: its states are not loaded, so there is nothing to show.
            leader.back_at = None;
        }
        if let Some(recording) = recording {
            // Nothing but the record enters: senders are told so.
            leader.intakes.drain(..).for_each(|mut intake| intake.close());
            leader.player = Some(Player::new(recording));
        }
        let (build, fingerprint) = (self.build.clone(), plan.fingerprint());
        let running = Running::launch(shared.clone(), build, fingerprint, self.workers, leader, start.ends)?;
        for later in start.later {
            later()?;
        }
        Ok(running)
    }

    /// Finds the checkpoint that the job goes on from, and starts the threads that write those to come and the epoch log. A job
    /// that was drained replays nothing.
    fn come_back(
        &self,
        plan: &Plan,
        start: &mut Start,
        nothing: &mut Option<Recording>,
    ) -> Result<Option<(Ledger, Option<EpochLog>)>, Error> {
        let Some((store, config)) = &self.checkpoints else { return Ok(None) };
        let shared = &start.shared;
        let goes = match begin(store, config, plan)? {
            Begin::Done { generation } => {
                tracing::info!(job = %config.job, "the job was drained before: nothing is left to do");
                (start.generation, start.replaying) = (generation, true);
                *nothing = Some(Recording::default());
                return Ok(None);
            }
            Begin::Goes(goes) => *goes,
        };
        let Goes { log, flow, resumed, states, owed, owed_upto, visible_upto, goes_on, kept } = goes;
        start.generation = log.generation();
        // Where states are of other types than are stored, all keys are written anew.
        let now = flow.operators.clone();
        let (orders, status) = Scribe::start(store.clone(), log, config.clone(), flow, self.workers, shared)?;
        let owes = (owed_upto > 0).then_some(owed_upto);
        let ledger = Ledger::new(config, orders.clone(), status, shared.clone(), kept, owes);
        let _ = shared.checkpoints.set(orders);
        let mut log = None;
        if config.log_epochs {
            shared.set_logged(0);
            log = Some(EpochLog::start(store.clone(), plan.fingerprint(), goes_on, shared)?);
        }
        if let Some(resumed) = &resumed {
            shared.set_first_epoch(resumed.first_epoch());
            shared.next_split.store(resumed.next_split, Ordering::Relaxed);
            let _ = shared.clocks.set(resumed.ingest.clocks.clone());
        }
        for (operator, (types, bodies)) in states {
            // Of one that the flow has no more nothing comes back.
            let Some(anew) = now.get(&operator).map(|now| now.states != types) else { continue };
            let states = KeyStates { types, bodies: bodies.into(), anew };
            (0..self.workers).for_each(|worker| shared.set_states(&operator, worker, states.clone()));
        }
        (start.resumed, start.owed, start.owed_upto, start.visible_upto) = (resumed, owed, owed_upto, visible_upto);
        start.logs = config.log_epochs;
        Ok(Some((ledger, log)))
    }
}
