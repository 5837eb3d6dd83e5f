//! A detector whose states are written down and read back after every call, as a restart would.

use watchfire_engine::{Context, Describe, Detector, State, Verdict};

/// Behaves as the detector in it, or states do not hold all that it remembers.
pub(crate) struct Restored<D>(pub(crate) D);

fn restore<S: State>(state: &mut S) {
    let bytes = state.encode().expect("a state can be written");
    *state = S::decode(&bytes).expect("what was written can be read");
    assert_eq!(state.encode().expect("a state can be written"), bytes, "the bytes of a restored state");
}

impl<D: Detector> Detector for Restored<D> {
    type Key = D::Key;
    type In = D::In;
    type Out = D::Out;
    type State = D::State;

    fn describe(&self) -> Describe {
        self.0.describe()
    }

    fn on_row(&self, state: &mut D::State, row: &D::In, cx: &mut Context<'_, D::Key, D::Out>) -> Verdict {
        let verdict = self.0.on_row(state, row, cx);
        restore(state);
        verdict
    }

    fn warm(&self, state: &D::State, event_ms: i64) {
        self.0.warm(state, event_ms);
    }

    fn on_watermark(&self, state: &mut D::State, cx: &mut Context<'_, D::Key, D::Out>) {
        self.0.on_watermark(state, cx);
        restore(state);
    }

    fn on_quiet(&self, state: &mut D::State, cx: &mut Context<'_, D::Key, D::Out>) {
        self.0.on_quiet(state, cx);
        restore(state);
    }
    fn on_arrival(&self, state: &mut D::State, cx: &mut Context<'_, D::Key, D::Out>) {
        self.0.on_arrival(state, cx);
        restore(state);
    }
}
