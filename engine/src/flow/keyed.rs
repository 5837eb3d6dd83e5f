//! `KeyedStream`: rows grouped by key, ready for detectors.

use std::fmt;
use std::panic::Location;

use super::{Kind, Origin, Stream};
use crate::keyed::Fused;
use crate::keyed::operator::{Detected, Ground, build};
use crate::time::EventTime;
use crate::{Data, Timed};

/// Rows grouped by key.
pub struct KeyedStream<'f, T: 'static, F> {
    pub(crate) stream: Stream<'f, T>,
    pub(crate) key: F,
    pub(crate) bounds: EventTime,
}

impl<T: 'static, F> fmt::Debug for KeyedStream<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyedStream(node {}, {:?})", self.stream.origin.node, self.bounds)
    }
}

impl<'f, T: Data + Timed, F> KeyedStream<'f, T, F> {
    /// Sets how far event time may be out of order, and how far ahead.
    #[must_use]
    pub fn event_time(self, bounds: EventTime) -> Self {
        KeyedStream { bounds, ..self }
    }

    /// Runs detectors over the rows of each key, all in one operator.
    ///
    /// `name` names the operator and its state; it must be unique and stay the same from release to release.
    #[track_caller]
    pub fn detect<D>(self, name: &str, detectors: D) -> Detected<'f, D::Out<'f>, T>
    where
        D: Fused<In = T>,
        F: Fn(&T) -> D::Key + Clone + 'static,
    {
        self.detect_at(name, detectors, Location::caller())
    }

    pub(crate) fn detect_at<D>(
        self,
        name: &str,
        detectors: D,
        at: &'static Location<'static>,
    ) -> Detected<'f, D::Out<'f>, T>
    where
        D: Fused<In = T>,
        F: Fn(&T) -> D::Key + Clone + 'static,
    {
        let KeyedStream { stream: Stream { origin, inner }, key, bounds } = self;
        let mut described = Vec::new();
        detectors.describe_into(&mut described);
        let mut states = Vec::new();
        D::types_into(&mut states);
        let kind = Kind::Keyed { detectors: described, bounds: format!("{bounds:?}"), states };
        let node = origin.flow.add(name, kind, vec![origin.node], at);
        let origin = Origin { node, ..origin };
        let flow = origin.flow.clone();
        let ground = flow.0.live.as_ref().zip(inner);
        let ground = ground.map(|(live, rows)| Ground { live, rows, stats: live.shared.metrics.keyed(name) });
        build(origin, name, ground, detectors, key, bounds)
    }
}
