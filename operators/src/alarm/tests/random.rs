//! Random histories: the machine against the slow reference, and promises that hold whatever comes.

use super::reference::Reference;
use super::*;
use proptest::prelude::*;

/// What happens next: event-time move, arrival-clock move, and what it is.
#[derive(Debug, Clone)]
enum Move {
    Sample(f64),
    Unknown(UnknownCause),
    Silent(i64),
    Acknowledge(i64),
    Suppress(i64, i64),
    Release,
    Tick,
}

fn moves() -> impl Strategy<Value = Vec<(i64, i64, Move)>> {
    let near = prop::sample::select(vec![0.1, 0.1, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 9.0]);
    let value = prop_oneof![
        8 => near,
        2 => 0.0..4.0,
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ];
    let what = prop_oneof![
        30 => value.prop_map(Move::Sample),
        2 => Just(Move::Unknown(UnknownCause::Stuck)),
        1 => (0..80i64).prop_map(Move::Silent),
        2 => (-20..5i64).prop_map(Move::Acknowledge),
        2 => (-10..60i64, 0..120i64).prop_map(|(from, length)| Move::Suppress(from, length)),
        1 => Just(Move::Release),
        2 => Just(Move::Tick),
    ];
    let event_ms = prop_oneof![12 => 0..12i64, 2 => 15..60i64, 3 => -50..0i64];
    let arrival_ms = prop_oneof![8 => 0..10i64, 1 => 10..90i64];
    // Stretches of one kind of weather, or random values would hardly ever hold a step.
    let calm = (1..12usize, event_ms, arrival_ms, what);
    prop::collection::vec(calm, 1..40).prop_map(|stretches| {
        stretches
            .into_iter()
            .flat_map(|(n, event_ms, arrival_ms, what)| vec![(event_ms, arrival_ms, what); n])
            .collect()
    })
}

fn ladder() -> impl Strategy<Value = Ladder> {
    let step = (0..40i64, 1..4u32, 0..40i64, any::<bool>());
    (prop::collection::vec(step, 1..=5), any::<bool>(), any::<bool>(), 1..40i64, 0..60i64).prop_map(
        |(steps, falls, suppress_critical, max_gap_ms, unknown_after_ms)| {
            let turn = |danger: f64| if falls { 10.0 - danger } else { danger };
            let severities =
                [Severity::Caution, Severity::PreWarn, Severity::Alarm, Severity::Violation, Severity::Critical];
            // A ladder of two steps ends with the critical one, so that this case is not rare.
            let skip = severities.len() - steps.len();
            let step = |(i, (hold, n, clear, exclusive)): (usize, (i64, u32, i64, bool))| {
                let raise = 1.0 + i as f64;
                let step = Step::new(format!("s{i}"), severities[skip + i], turn(raise), turn(raise - 0.7));
                let step = step.held_ms(hold).cleared_ms(clear).consecutive(n);
                if exclusive { step.exclusive() } else { step }
            };
            let steps = steps.into_iter().enumerate().map(step).collect();
            let base = if falls { Ladder::falls("r", steps) } else { Ladder::rises("r", steps) };
            let (max_suppress_ms, escalate_after_ms) = (100, vec![30, 90]);
            Ladder { suppress_critical, max_gap_ms, unknown_after_ms, max_suppress_ms, escalate_after_ms, ..base }
        },
    )
}

/// Turns moves into events with absolute times.
fn play(moves: Vec<(i64, i64, Move)>, falls: bool) -> Vec<(Event, i64)> {
    let (mut newest, mut arrival) = (1_000, 1_000);
    let mut late = 0;
    let event = |(event_ms, arrival_ms, what): (i64, i64, Move)| {
        arrival += arrival_ms;
        let at_ms = match event_ms {
            0.. => {
                late = 0;
                newest + event_ms
            }
            // A stretch of late ones goes on from where it began.
            _ => {
                late += 1;
                newest + event_ms - 25 + 5 * late
            }
        };
        let event = match what {
            Move::Sample(value) => Event::Sample { at_ms, value: if falls { 10.0 - value } else { value } },
            Move::Unknown(cause) => Event::Unknown { at_ms, cause },
            Move::Silent(for_ms) => Event::Silent { for_ms },
            Move::Acknowledge(before) => acknowledge(arrival + before),
            Move::Suppress(from, length) => suppress(arrival + from, arrival + from + length),
            Move::Release => Event::Release { at_ms: arrival, who: "duty".into() },
            Move::Tick => Event::Tick,
        };
        if matches!(event, Event::Sample { .. } | Event::Unknown { .. }) {
            newest = newest.max(at_ms);
        }
        (event, arrival)
    };
    moves.into_iter().map(event).collect()
}

proptest! {
    #[test]
    fn machine_equals_reference(ladder in ladder(), moves in moves()) {
        let machine = AlarmMachine::new(ladder.clone()).unwrap();
        let mut reference = Reference::new(ladder.clone(), 1_000);
        let (mut state, mut out) = (AlarmState::default(), Vec::new());
        for (event, arrival_ms) in play(moves, ladder.direction == Direction::Falls) {
            let told = out.len();
            let expected = reference.step(event.clone(), arrival_ms);
            let outcome = machine.step(&mut state, event.clone(), arrival_ms, &mut out);
            prop_assert_eq!(&out[told..], &reference.out[told..], "after {:?}", event);
            prop_assert_eq!(outcome, expected, "of {:?}", event);
        }
    }

    #[test]
    fn promises_hold(ladder in ladder(), moves in moves()) {
        let machine = AlarmMachine::new(ladder.clone()).unwrap();
        let (mut state, mut out) = (AlarmState::default(), Vec::new());
        let mut ids = std::collections::BTreeSet::new();
        for (event, arrival_ms) in play(moves, ladder.direction == Direction::Falls) {
            let (before, told) = (machine.severity(&state), out.len());
            let last_ms = state.last_ms();
            let outcome = machine.step(&mut state, event.clone(), arrival_ms, &mut out);
            // Severity falls by a trustworthy sample in order alone.
            if machine.severity(&state) < before {
                let Event::Sample { at_ms, value } = event else { panic!("{event:?} lowered an alarm") };
                prop_assert!(!value.is_nan() && Some(at_ms) >= last_ms && outcome == Ok(Outcome::Applied));
            }
            // After a call nothing is overdue.
            prop_assert!(machine.next_due(&state).is_none_or(|due| due.arrival_ms > arrival_ms));
            for change in &out[told..] {
                prop_assert!(ids.insert(change.id.clone()), "an id came twice");
                prop_assert_eq!(change.at_arrival_ms, arrival_ms);
            }
            // The bytes carry everything.
            let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&state).unwrap();
            prop_assert_eq!(&rkyv::from_bytes::<AlarmState, rkyv::rancor::Error>(&bytes).unwrap(), &state);
            prop_assert_eq!(machine.check(&state), Ok(()));
        }
        // No holes: each revision follows the one before or starts the next episode.
        for pair in out.windows(2) {
            let (a, b) = (&pair[0].id, &pair[1].id);
            let follows = b.episode == a.episode && b.revision == a.revision + 1;
            prop_assert!(follows || (b.episode == a.episode + 1 && b.revision == 0));
        }
    }
}
