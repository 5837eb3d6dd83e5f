//! The alarm machine.

use watchfire_operators::alarm::{
    AlarmChange, AlarmMachine, AlarmState, Event, Ladder, Outcome, Severity, Step, UnknownCause,
};

use crate::input::{Input, Walk};

/// Events of one input.
const EVENTS_MAX: usize = 200;

/// A ladder, then samples with numbers and times of all kinds, silences, and what people do: a trustworthy sample in order
/// alone lowers an alarm; nothing is overdue after a call; ids have no holes; a critical alarm is never hidden unless the
/// ladder allows it; and the state goes on the same after it was written down and read back.
pub fn alarms(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let ladder = draw_ladder(&mut input);
    let machine = match AlarmMachine::new(ladder) {
        Ok(machine) => machine,
        Err(error) => return assert!(!error.findings().is_empty()),
    };
    let (mut state, mut out) = (AlarmState::default(), Vec::new());
    let mut arrivals = Walk::from(1_000);
    let mut events = Walk::from(1_000);
    let mut arrival_ms = i64::MIN;
    for _ in 0..EVENTS_MAX {
        if input.is_empty() {
            break;
        }
        // The arrival clock never runs back.
        arrival_ms = arrivals.next(&mut input).max(arrival_ms);
        let event = draw_event(&mut input, &mut events, arrival_ms);
        step(&machine, &mut state, event, arrival_ms, &mut out);
    }
    for pair in out.windows(2) {
        let (a, b) = (&pair[0].id, &pair[1].id);
        let goes_on = b.episode == a.episode && b.revision == a.revision + 1;
        assert!(goes_on || (b.episode == a.episode + 1 && b.revision == 0), "{b:?} after {a:?}");
    }
}

/// One event, and what must hold after it.
fn step(machine: &AlarmMachine, state: &mut AlarmState, event: Event, arrival_ms: i64, out: &mut Vec<AlarmChange>) {
    let (before, last_ms, told) = (machine.severity(state), state.last_ms(), out.len());
    let outcome = machine.step(state, event.clone(), arrival_ms, out);
    if machine.severity(state) < before {
        let Event::Sample { at_ms, value } = event else { panic!("{event:?} lowered an alarm") };
        assert!(!value.is_nan() && Some(at_ms) >= last_ms && outcome == Ok(Outcome::Applied), "{event:?} lowered it");
    }
    if let Err(error) = outcome {
        let told = error.to_string();
        assert!(told.starts_with(error.code()) && !told.contains("Ms. Secret"), "{told}");
    }
    let due = machine.next_due(state);
    // What is due beyond the end of time is due at its end.
    let future = |at_ms: i64| at_ms > arrival_ms || at_ms == i64::MAX;
    assert!(due.is_none_or(|due| future(due.arrival_ms)), "{due:?} is overdue at {arrival_ms}");
    assert!(out[told..].iter().all(|change| change.at_arrival_ms == arrival_ms));
    assert!(out[told..].iter().all(|change| !format!("{change:?}").contains("Ms. Secret")), "a name leaks");
    let critical = machine.severity(state) == Some(Severity::Critical);
    assert!(!(critical && state.is_hidden() && !machine.ladder().suppress_critical), "a critical alarm is hidden");
    machine.check(state).expect("the ladder can go on from its own state");
    let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(state).expect("a state can be written");
    let again = rkyv::from_bytes::<AlarmState, rkyv::rancor::Error>(&bytes).expect("what was written can be read");
    assert!(again == *state, "{again:?} was {state:?}");
    *state = again;
}

fn draw_ladder(input: &mut Input<'_>) -> Ladder {
    let severities = [Severity::Caution, Severity::PreWarn, Severity::Alarm, Severity::Violation, Severity::Critical];
    let falls = input.flag();
    let turn = |danger: f64| if falls { -danger } else { danger };
    let count = usize::from(input.below(6));
    let mut raise = input.number();
    let mut steps = Vec::new();
    for (n, severity) in severities.into_iter().skip(severities.len().saturating_sub(count)).enumerate() {
        let release = raise - f64::from(input.u8()) / 16.0;
        let step = Step::new(format!("step {n}"), severity, turn(raise), turn(release));
        let step = step.held_ms(input.span_ms()).cleared_ms(input.span_ms()).consecutive(u32::from(input.below(4)));
        steps.push(if input.flag() { step.exclusive() } else { step });
        raise += f64::from(input.u8()) / 8.0;
    }
    let base = if falls { Ladder::falls("rule", steps) } else { Ladder::rises("rule", steps) };
    let (max_gap_ms, unknown_after_ms) = (input.span_ms(), input.span_ms());
    let (max_suppress_ms, suppress_critical) = (input.span_ms(), input.flag());
    Ladder { max_gap_ms, unknown_after_ms, max_suppress_ms, suppress_critical, ..base }
}

pub(crate) fn draw_event(input: &mut Input<'_>, events: &mut Walk, arrival_ms: i64) -> Event {
    let causes = [UnknownCause::Stuck, UnknownCause::NoLimit, UnknownCause::NotANumber, UnknownCause::Silent];
    match input.u8() {
        0..170 => Event::Sample { at_ms: events.next(input), value: input.number() },
        170..190 => Event::Unknown { at_ms: events.next(input), cause: causes[usize::from(input.below(4))] },
        190..200 => Event::Silent { for_ms: input.span_ms() },
        200..220 => Event::Acknowledge { at_ms: arrival_ms.saturating_sub(input.span_ms()), who: "Ms. Secret".into() },
        220..240 => {
            let from_ms = arrival_ms.saturating_add(input.span_ms());
            let until_ms = from_ms.saturating_add(input.span_ms());
            Event::Suppress { owner: "Ms. Secret".into(), reason: "a test of Ms. Secret".into(), from_ms, until_ms }
        }
        240..248 => Event::Release { at_ms: arrival_ms, who: "Ms. Secret".into() },
        _ => Event::Tick,
    }
}
