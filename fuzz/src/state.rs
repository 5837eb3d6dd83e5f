//! States of detectors, as a checkpoint holds them.

use watchfire_engine::State;
use watchfire_operators::alarm::{AlarmMachine, AlarmState, AlarmsState, Ladder};
use watchfire_operators::crane::{EpisodeState, OverloadPart};
use watchfire_operators::detect::{
    CusumState, Discord, DiscordState, EventRateState, EwmaState, FtrlState, HalfSpaceTreesState, HoltState,
    HorizonState, InOrderState, Judged, PageHinkleyState, RateState, RobustZState, RollingState, Score, ScoresState,
    SilenceState, StuckState, WeibullState,
};
use watchfire_operators::elevator::{FaultsState, HistoryState, LiftRecordState, SiteState, TroublesState, WearState};
use watchfire_operators::pattern::SequenceState;
use watchfire_operators::window::{Bounds, SessionState, WindowState};

use crate::alarms::draw_event;
use crate::input::{Input, Walk};

/// A kind in a byte, and bytes as a state of that kind: refused with `E0502`, or a state that is the same after it was
/// written and read again. A machine goes on from any alarm that its ladder accepts.
pub fn state(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.u8();
    let bytes = input.rest();
    match kind % 33 {
        0 => drop(decoded::<WindowState<OverloadPart>>(bytes)),
        1 => drop(decoded::<EpisodeState>(bytes)),
        2 => drop(decoded::<AlarmsState>(bytes)),
        3 => drop(decoded::<SessionState<Vec<(i64, u32)>>>(bytes)),
        4 => drop(decoded::<WindowState<Vec<(i64, u32)>>>(bytes)),
        5 => drop(decoded::<SessionState<OverloadPart>>(bytes)),
        6 => drop(decoded::<WindowState<Option<Bounds>>>(bytes)),
        7 => drop(decoded::<SessionState<(i128, u64)>>(bytes)),
        9 => drop(decoded::<ScoresState<EwmaState>>(bytes)),
        10 => drop(decoded::<ScoresState<CusumState>>(bytes)),
        11 => drop(decoded::<ScoresState<PageHinkleyState>>(bytes)),
        12 => drop(decoded::<ScoresState<HoltState>>(bytes)),
        13 => drop(decoded::<ScoresState<RateState>>(bytes)),
        14 => drop(decoded::<ScoresState<StuckState>>(bytes)),
        15 => held::<InOrderState<(i64, String)>>(bytes),
        16 => drop(decoded::<FtrlState>(bytes)),
        17 => drop(decoded::<HorizonState>(bytes)),
        18 => drop(decoded::<ScoresState<EventRateState>>(bytes)),
        19 => drop(decoded::<ScoresState<WeibullState>>(bytes)),
        20 => drop(decoded::<ScoresState<RobustZState>>(bytes)),
        21 => drop(decoded::<ScoresState<HalfSpaceTreesState>>(bytes)),
        22 => drop(decoded::<SilenceState>(bytes)),
        23 => held::<SequenceState<(i64, String)>>(bytes),
        24 => drop(decoded::<ScoresState<DiscordState>>(bytes)),
        25 => discord(bytes),
        26 => drop(decoded::<SiteState>(bytes)),
        27 => drop(decoded::<FaultsState>(bytes)),
        28 => drop(decoded::<RollingState>(bytes)),
        29 => drop(decoded::<WearState>(bytes)),
        30 => drop(decoded::<LiftRecordState>(bytes)),
        31 => drop(decoded::<HistoryState>(bytes)),
        32 => drop(decoded::<TroublesState>(bytes)),
        _ => alarm(bytes),
    }
}

/// Lists in a state may have any length, and their numbers be none: a score goes on from it, or begins anew.
fn discord(bytes: &[u8]) {
    let Some(mut state) = decoded::<DiscordState>(bytes) else { return };
    let discord = Discord { warm_up: 4, stretch: 3, memory: 8, ..Discord::default() };
    for nth in 0..20 {
        if let Judged::Score(score, why) = discord.score(&mut state, nth, (nth % 5) as f64) {
            assert!(score.is_finite() && why.excess.is_finite(), "{score} {why:?}");
        }
    }
}

/// Rows that wait are stored with serde, which refuses with a code of its own.
fn held<S: State>(bytes: &[u8]) {
    match S::decode(bytes) {
        Ok(state) => drop(state.encode().expect("a state can be written")),
        Err(error) => assert_eq!(error.code(), "E0526", "{error}"),
    }
}

fn decoded<S: State>(bytes: &[u8]) -> Option<S> {
    let state = match S::decode(bytes) {
        Ok(state) => state,
        Err(error) => {
            assert_eq!(error.code(), "E0502", "{error}");
            return None;
        }
    };
    let written = state.encode().expect("a state can be written");
    let again = S::decode(&written).expect("what was written can be read");
    assert_eq!(again.encode().expect("a state can be written"), written, "written, read and written again");
    Some(state)
}

fn alarm(bytes: &[u8]) {
    let mut aligned = rkyv::util::AlignedVec::<16>::new();
    aligned.extend_from_slice(bytes);
    let Ok(mut state) = rkyv::from_bytes::<AlarmState, rkyv::rancor::Error>(&aligned) else { return };
    let machine = AlarmMachine::new(Ladder::crane_overload()).expect("a sound ladder");
    if machine.check(&state).is_err() {
        return;
    }
    let (mut input, mut events, mut out) = (Input::new(bytes), Walk::from(0), Vec::new());
    for arrival_ms in (0..20_000).step_by(1_000) {
        let event = draw_event(&mut input, &mut events, arrival_ms);
        // A refused wish of a person is an answer like another.
        let _ = machine.step(&mut state, event, arrival_ms, &mut out);
        let _ = machine.next_due(&state);
    }
}
