use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::EventTime;
use crate::batch::{Batch, Place, Places};
use crate::control::{Control, Health, Signal};
use crate::flow::{Flow, Origin};
use crate::keyed::changes::Changes;
use crate::keyed::timers::Clocks;
use crate::keyed::{Both, Compose, Context, Describe, Detector, Then, Verdict, Wiring};
use crate::time::OnSkew;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    key: u32,
    at_ms: i64,
    number: i64,
}

impl Timed for Row {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

/// Everything that a detector can know in a call, after what the call was.
type Heard = (u32, Vec<i64>);

/// What it has heard so far, in short, and how often.
#[derive(Clone, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Memory {
    sum: i64,
    calls: i64,
}

impl State for Memory {
    const NAME: &'static str = "memory";
    const VERSION: u32 = 1;
}

/// Says all that it hears, so that nothing forgotten stays unnoticed, and wishes for this and that.
struct Echo<T>(i64, std::marker::PhantomData<fn(T)>);

impl<T> Echo<T> {
    fn new(salt: i64) -> Self {
        Echo(salt, std::marker::PhantomData)
    }

    fn say(&self, memory: &mut Memory, call: i64, cx: &mut Context<'_, u32, Heard>) {
        memory.calls += 1;
        memory.sum = memory.sum.wrapping_mul(31).wrapping_add(call * self.0).wrapping_add(cx.event_time_ms());
        let heard =
            vec![call, memory.calls, memory.sum, cx.event_time_ms(), cx.watermark_ms(), cx.arrival_ms(), cx.quiet_ms()];
        let (wish, wait_ms) = (memory.sum.rem_euclid(7), memory.sum.rem_euclid(211));
        cx.emit((*cx.key(), heard));
        match wish {
            0 => cx.wake_at_event_ms(cx.watermark_ms().saturating_add(wait_ms)),
            1 => cx.wake_at_quiet_ms(cx.quiet_ms().saturating_add(wait_ms)),
            2 => cx.wake_at_arrival_ms(cx.arrival_ms().saturating_add(wait_ms)),
            _ => {}
        }
    }
}

impl<T: crate::Data> Detector for Echo<T> {
    type Key = u32;
    type In = T;
    type Out = Heard;
    type State = Memory;

    fn describe(&self) -> Describe {
        Describe { kind: "echo", params: String::new(), ordered: true }
    }

    fn on_row(&self, memory: &mut Memory, _: &T, cx: &mut Context<'_, u32, Heard>) -> Verdict {
        self.say(memory, 1, cx);
        if memory.sum % 5 == 0 { Verdict::Late } else { Verdict::Applied }
    }

    fn on_watermark(&self, memory: &mut Memory, cx: &mut Context<'_, u32, Heard>) {
        self.say(memory, 2, cx);
    }

    fn on_quiet(&self, memory: &mut Memory, cx: &mut Context<'_, u32, Heard>) {
        self.say(memory, 3, cx);
    }

    fn on_arrival(&self, memory: &mut Memory, cx: &mut Context<'_, u32, Heard>) {
        self.say(memory, 4, cx);
    }
}

type Three = Both<Then<Echo<Row>, Echo<Heard>>, Echo<Row>>;
type Keyed = Core<Three, fn(&Row) -> u32>;

fn core(on_skew: OnSkew) -> Keyed {
    let origin = Origin { flow: Flow::new(None), node: 0, depth: 1 };
    let mut wiring = Wiring { builder: None, origin };
    let fused = Echo::new(1).then(Echo::new(2)).both(Echo::new(3));
    let (ports, _) = fused.ports(&mut wiring);
    let (late, skewed) = (wiring.port().0, wiring.port().0);
    let bounds = EventTime { disorder_ms: 50, max_skew_ms: 1_000, on_skew, clock_wrong_after: 3 };
    Core::new(fused, |row| row.key, bounds, 1, ports, (late, skewed), Changes::new(true))
}

#[derive(Clone, Debug)]
enum Step {
    /// Rows of a split: keys, and event times from now.
    Rows(u32, Vec<(u32, i64)>),
    Tick(i64),
    Health(u32, Health),
    End,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ahead = prop_oneof![9 => -200i64..200, 1 => Just(3_600_000i64)];
    let health = prop_oneof![Just(Health::Frozen), Just(Health::Live), Just(Health::Ended)];
    let step = prop_oneof![
        6 => (0u32..3, prop::collection::vec((0u32..5, ahead), 1..6)).prop_map(|(split, rows)| Step::Rows(split, rows)),
        4 => (0i64..300).prop_map(Step::Tick),
        1 => (0u32..3, health).prop_map(|(split, health)| Step::Health(split, health)),
    ];
    prop::collection::vec(step, 1..40).prop_map(|mut steps| {
        steps.insert(0, Step::Tick(0));
        steps.push(Step::End);
        steps
    })
}

/// The place in the ingest order and the arrival clock, before each step.
#[derive(Clone, Copy)]
struct At {
    place: u64,
    now_ms: i64,
}

/// Takes a step; what came out of it, port by port and in the order of places.
fn take(core: &mut Keyed, step: &Step, at: &mut At) -> Vec<String> {
    let signal = |core: &mut Keyed, at: &mut At, signal| {
        core.control(&Control { at: at.place, signal });
        at.place += 1;
    };
    match step {
        Step::Rows(split, rows) => {
            let row = |(n, (key, from_ms)): (usize, &(u32, i64))| Row {
                key: *key,
                at_ms: at.now_ms + from_ms,
                number: at.place as i64 + n as i64,
            };
            let rows: Vec<Row> = rows.iter().enumerate().map(row).collect();
            let (split, places, count) = (*split, Places::Dense(at.place), rows.len());
            core.batch(&Batch { target: 0, split, late: false, places, rows });
            at.place += count as u64;
        }
        Step::Tick(ms) => {
            at.now_ms += ms;
            signal(core, at, Signal::Tick { arrival_ms: at.now_ms });
        }
        Step::Health(split, health) => signal(core, at, Signal::Split { split: *split, health: *health }),
        Step::End => signal(core, at, Signal::End),
    }
    fn drain<T: std::fmt::Debug>(rows: &mut Vec<T>, places: &mut Vec<Place>, into: &mut Vec<String>) {
        let mut all: Vec<(Place, T)> = places.drain(..).zip(rows.drain(..)).collect();
        all.sort_by_key(|(place, _)| *place);
        into.extend(all.into_iter().map(|one| format!("{one:?}")));
    }
    let mut out = Vec::new();
    let ((a, b), c) = &mut core.ports;
    for port in [a, b, c] {
        drain(&mut port.rows, &mut port.places, &mut out);
        port.fresh = 0;
    }
    drain(&mut core.late.rows, &mut core.late.places, &mut out);
    drain(&mut core.skewed.rows, &mut core.skewed.places, &mut out);
    out
}

/// The types of the states of [`Three`].
fn types() -> Vec<StateType> {
    let mut all = Vec::new();
    Three::types_into(&mut all);
    all.into_iter().map(|one| one.writes).collect()
}

/// A key as it is now.
fn entry(core: &mut Keyed, slot: u32) -> Entry {
    let (due_ms, clock) = (core.instants.of(slot), core.wrong_clocks.of(slot));
    SetAside::<Three>::of(core.slots.get(slot), due_ms, clock).entry().unwrap()
}

/// The same core, from what a checkpoint holds of it, its keys in another order.
fn again(mut core: Keyed, on_skew: OnSkew) -> Keyed {
    let mut next = self::core(on_skew);
    for slot in (0..core.slots.len()).rev() {
        let entry = entry(&mut core, slot);
        next.restore(&[(&entry.key, &entry.state)], &types(), false).unwrap();
        let key = row_from_bytes::<u32>(&entry.key).unwrap();
        assert_eq!(entry.group, key_group(key.stable_hash()));
    }
    next.resume(std::mem::replace(&mut core.clocks, Clocks::new()));
    next
}

/// What an operator has written down, and what it should have.
#[derive(Default)]
struct Books {
    stored: BTreeMap<Vec<u8>, Vec<u8>>,
    /// All keys as they were when the last checkpoint began.
    expected: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Keys that were written down since.
    written: usize,
}

impl Books {
    fn begin(&mut self, core: &mut Keyed) {
        core.begin_checkpoint();
        self.collect(core);
        assert_eq!(self.stored, self.expected, "the one before is complete");
        assert!(self.written <= self.expected.len(), "no key is written down twice");
        let all = (0..core.slots.len()).map(|slot| entry(core, slot));
        self.expected = all.map(|entry| (entry.key, entry.state)).collect();
        self.written = 0;
    }

    fn collect(&mut self, core: &mut Keyed) {
        let entries = core.written_down().unwrap();
        self.written += entries.len();
        self.stored.extend(entries.into_iter().map(|entry| (entry.key, entry.state)));
    }
}

proptest! {
    /// Stopped after any step and gone on with from its bytes, an operator says what it would have said.
    #[test]
    fn nothing_is_forgotten(steps in steps(), correct in any::<bool>(), cuts in prop::collection::vec(any::<bool>(), 42)) {
        let on_skew = if correct { OnSkew::CorrectOffset } else { OnSkew::Divert };
        let (mut whole, mut cut) = (core(on_skew), core(on_skew));
        let mut at = At { place: 1, now_ms: 1_000_000 };
        for (step, stop) in steps.iter().zip(cuts) {
            let mut same = at;
            prop_assert_eq!(take(&mut whole, step, &mut at), take(&mut cut, step, &mut same));
            if stop {
                cut = again(cut, on_skew);
            }
        }
    }
}

proptest! {
    /// A checkpoint holds every key as it was when it began, whatever happens while it is written down.
    #[test]
    fn a_checkpoint_is_of_one_moment(steps in steps(), correct in any::<bool>(), acts in prop::collection::vec(0usize..8, 42)) {
        let mut core = core(if correct { OnSkew::CorrectOffset } else { OnSkew::Divert });
        let (mut books, mut at) = (Books::default(), At { place: 1, now_ms: 1_000_000 });
        for (step, act) in steps.iter().zip(acts) {
            take(&mut core, step, &mut at);
            match act {
                0 | 1 => books.begin(&mut core),
                2..6 => _ = core.set_aside(act - 1),
                _ => books.collect(&mut core),
            }
        }
        books.begin(&mut core);
    }
}

#[test]
fn only_what_changed_is_written_down() {
    let mut core = core(OnSkew::Divert);
    let mut at = At { place: 1, now_ms: 0 };
    let rows = |keys: &[u32]| Step::Rows(0, keys.iter().map(|key| (*key, 0)).collect());
    let keys = |core: &mut Keyed| -> Vec<u32> {
        core.begin_checkpoint();
        assert!(core.set_aside(usize::MAX));
        let mut entries = core.written_down().unwrap();
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        entries.into_iter().map(|entry| row_from_bytes(&entry.key).unwrap()).collect()
    };
    for (changed, expected) in [(&[1, 2, 3][..], &[1, 2, 3][..]), (&[2, 2], &[2]), (&[], &[]), (&[3, 2], &[2, 3])] {
        take(&mut core, &rows(changed), &mut at);
        assert_eq!(keys(&mut core), expected);
    }
}

#[test]
fn what_is_no_such_key_is_refused() {
    let mut core = core(OnSkew::Divert);
    let mut at = At { place: 1, now_ms: 0 };
    take(&mut core, &Step::Rows(0, vec![(3, 0)]), &mut at);
    let Entry { key, state, .. } = entry(&mut core, 0);
    let mut next = self::core(OnSkew::Divert);
    let refused = |result: Result<(), Error>, code| assert_eq!(result.unwrap_err().code(), code);
    refused(next.restore(&[(&[], &state)], &types(), false), "E0526");
    refused(next.restore(&[(&[&key[..], &[0]].concat(), &state)], &types(), false), "E0526");
    refused(next.restore(&[(&key, &state[1..])], &types(), false), "E0502");
    assert_eq!(next.slots.len(), 0);
    next.restore(&[(&key, &state)], &types(), false).unwrap();
}

#[test]
fn the_bytes_stay_the_same() {
    let key = Remembered {
        max_event_ms: 1,
        due_event_ms: 2,
        due_quiet_ms: 3,
        due_arrival_ms: Some(4),
        split: 5,
        many_splits: true,
        wrong_clock: Some((6, 7)),
        states: vec![vec![8; 9]],
    };
    let bytes = key.encode().unwrap();
    assert_eq!(Remembered::decode(&bytes).unwrap(), key);
    assert_eq!((bytes.len(), xxhash_rust::xxh3::xxh3_64(&bytes)), (104, 4_876_927_962_291_611_048));
    assert_eq!(row_to_bytes(&(300u32, "crane 7".to_owned())).unwrap(), b"\x92\xcd\x01\x2c\xa7crane 7");
}
