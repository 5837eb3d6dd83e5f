//! The stream on which keyed operators hold a checkpoint's epoch open until their keys are durable.

use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::{ProbeHandle, Scope, StreamVec};

use crate::durable::StateFile;
use crate::job::shared::Shared;

/// All that one operator on one worker has stored for a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handed {
    pub(crate) operator: String,
    pub(crate) files: Vec<StateFile>,
    /// Every key of the operator on this worker is in them.
    pub(crate) complete: bool,
}

/// Brings what operators have handed over to the leader's worker, and tells by the probe which epochs are durable everywhere.
pub(crate) fn gather<'f>(
    scope: Scope<'f, u64>,
    streams: Vec<StreamVec<'f, u64, Handed>>,
    probe: &ProbeHandle<u64>,
    shared: &std::sync::Arc<Shared>,
) {
    if streams.is_empty() {
        return;
    }
    let shared = shared.clone();
    let held = scope.concatenate(streams).unary::<timely::container::CapacityContainerBuilder<Vec<()>>, _, _, _>(
        Exchange::new(|_: &Handed| 0),
        "checkpoints",
        move |_, _| {
            move |input, _output| {
                input.for_each(|cap, data| {
                    if let Some(epoch) = cap.least() {
                        shared.handed(*epoch, data.drain(..));
                    }
                });
            }
        },
    );
    held.probe_with(probe);
}
