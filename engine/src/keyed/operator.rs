//! The one keyed operator: rows of an epoch, in ingest order, through the detectors of their keys.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, InputCapability};
use timely::scheduling::Activator;

use super::admission::{Admitted, Late, Skewed, WrongClocks};
use super::changes::Changes;
use super::slots::{Slot, Slots};
use super::snapshot::Recovery;
use super::timers::{Clocks, Instants, Timers};
use super::{Caps, Cause, Clock, Fused, Moment, Now, Port, Wiring};
use crate::batch::{Batch, NO_SPLIT, Place, Places};
use crate::control::{Control, Health, Signal};
use crate::flow::{Live, Origin, Stream};
use crate::job::metrics::KeyedStats;
use crate::time::{END_MS, EventTime};
use crate::{Data, Key, Timed};

/// So many rows are processed while memory that was asked for comes. 8 and 12 measured alike.
const AHEAD: usize = 12;

/// More than the rows between the look-up of a slot and its use; a power of two.
const RING: usize = 32;

/// Tables are built anew from so many keys at a time.
const REBUILT_AT_ONCE: u32 = 4_096;

/// Up to so many keys only the next row's slot is asked for: their states stay near the core by themselves.
const FITS_IN_CACHE: u32 = 4_096;

/// What `KeyedStream::detect` builds.
#[derive(Debug)]
pub struct Detected<'f, O, T: 'static> {
    /// The outputs of the detectors, nested as they were composed.
    pub out: O,
    /// Rows that came too late for at least one detector.
    pub late: Stream<'f, Late<T>>,
    /// Rows from the future.
    pub skewed: Stream<'f, Skewed<T>>,
}

pub(super) struct Core<F: Fused, KF> {
    fused: F,
    key_of: KF,
    pub(super) bounds: EventTime,
    depth: usize,
    pub(super) slots: Slots<F::Key, F::States>,
    pub(super) timers: Timers,
    pub(super) instants: Instants,
    pub(super) clocks: Clocks,
    pub(super) wrong_clocks: WrongClocks,
    pub(super) changes: Changes<F>,
    /// Event times above this are from the future.
    pub(super) limit_ms: i64,
    pub(super) ports: F::Ports,
    pub(super) late: Port<Late<F::In>>,
    pub(super) skewed: Port<Skewed<F::In>>,
    rows_in: u64,
    diverted: u64,
    out_of_bound: u64,
}

/// The ports of what no detector took: rows that came too late, and rows from the future.
type AsidePorts<T> = (Port<Late<T>>, Port<Skewed<T>>);

impl<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key> Core<F, KF> {
    pub(super) fn new(
        fused: F,
        key_of: KF,
        bounds: EventTime,
        depth: usize,
        ports: F::Ports,
        aside: AsidePorts<F::In>,
        changes: Changes<F>,
    ) -> Self {
        let (late, skewed) = aside;
        Core {
            fused,
            key_of,
            bounds,
            depth,
            slots: Slots::new(),
            timers: Timers::default(),
            instants: Instants::default(),
            clocks: Clocks::new(),
            wrong_clocks: WrongClocks::default(),
            changes,
            limit_ms: i64::MAX,
            ports,
            late,
            skewed,
            rows_in: 0,
            diverted: 0,
            out_of_bound: 0,
        }
    }

    /// Rows of one batch, in their order.
    pub(super) fn batch(&mut self, batch: &Batch<F::In>) {
        self.rows_in += batch.rows.len() as u64;
        F::feed(&mut self.ports, batch.split);
        self.late.feed(batch.split);
        self.skewed.feed(batch.split);
        if batch.late {
            self.out_of_bound += batch.rows.len() as u64;
            for (i, row) in batch.rows.iter().enumerate() {
                push_late(&mut self.late, row, batch.places.place(i), i64::MIN, self.clocks.arrival_ms());
            }
            return;
        }
        match &batch.places {
            Places::Dense(first) => self.rows(batch, |i| Cause::Row(first + i as u64)),
            Places::Sparse(first, offsets) => self.rows(batch, |i| Cause::Row(first + u64::from(offsets[i]))),
            Places::Tagged(places) => self.rows(batch, |i| Cause::Derived(places[i])),
        }
    }

    #[inline]
    fn rows(&mut self, batch: &Batch<F::In>, cause: impl Fn(usize) -> Cause) {
        if self.slots.len() > FITS_IN_CACHE {
            return self.rows_far(batch, cause);
        }
        let mut now = self.now(batch.split);
        // The slot of the next row is looked up, and on its way, while a row is processed.
        let mut next = batch.rows.first().map_or(u32::MAX, |row| self.slots.likely(self.hash(row)));
        for (i, row) in batch.rows.iter().enumerate() {
            let slot = next;
            if let Some(row) = batch.rows.get(i + 1) {
                next = self.slots.likely(self.hash(row));
                self.slots.ask(next);
            }
            now.cause = cause(i);
            now.emitted = 0;
            self.row(row, slot, batch.split, &mut now);
        }
    }

    /// As [`rows`](Core::rows), where states come from far away. What a row will touch is asked for while others are
    /// processed: first its entry of the index, then its slot, then what its detectors read.
    #[inline(never)]
    fn rows_far(&mut self, batch: &Batch<F::In>, cause: impl Fn(usize) -> Cause) {
        let mut now = self.now(batch.split);
        let rows = &batch.rows[..];
        let mut slots = [0; RING];
        for at in 0..rows.len() + 2 * AHEAD {
            if let Some(row) = rows.get(at + AHEAD) {
                self.slots.ask_index(self.hash(row));
            }
            if let Some(row) = rows.get(at) {
                slots[at % RING] = self.slots.likely(self.hash(row));
                self.slots.ask(slots[at % RING]);
            }
            let warm = at.wrapping_sub(AHEAD);
            if let Some((row, s)) = rows.get(warm).zip(self.slots.peek(slots[warm % RING])) {
                self.fused.warm(&s.states, row.event_time_ms());
            }
            let due = at.wrapping_sub(2 * AHEAD);
            if let Some(row) = rows.get(due) {
                now.cause = cause(due);
                now.emitted = 0;
                self.row(row, slots[due % RING], batch.split, &mut now);
            }
        }
    }

    #[inline]
    fn now(&self, split: u32) -> Now {
        Now {
            cause: Cause::Row(0),
            event_ms: 0,
            watermark_ms: 0,
            arrival_ms: self.clocks.arrival_ms(),
            quiet_ms: self.clocks.quiet_ms(split),
            due_event_ms: 0,
            due_quiet_ms: 0,
            due_arrival_ms: i64::MAX,
            emitted: 0,
            depth: self.depth,
        }
    }

    #[inline(always)]
    fn hash(&self, row: &F::In) -> u64 {
        (self.key_of)(row).stable_hash()
    }

    #[inline(always)]
    fn row(&mut self, row: &F::In, likely: u32, split: u32, now: &mut Now) {
        let Core {
            fused,
            key_of,
            bounds,
            slots,
            timers,
            instants,
            wrong_clocks,
            changes,
            limit_ms,
            ports,
            late: late_port,
            skewed,
            diverted,
            ..
        } = self;
        let (slot, s) = slots.find(key_of(row), likely);
        if !changes.knows(s.time.changed_in) {
            changes.note(slot, s, instants, wrong_clocks);
        }
        if s.time.split != split
            && let Some(before) = s.time.fed_by(split)
        {
            timers.moved(before, split, s.time.due_quiet_ms, s.key.stable_hash(), slot);
        }
        let mut event_ms = row.event_time_ms();
        if !s.time.is_good(event_ms, *limit_ms) {
            match wrong_clocks.judge(slot, &mut s.time, event_ms, now.arrival_ms, bounds) {
                Admitted::Good(at_ms) => event_ms = at_ms,
                Admitted::Skewed { at_ms, ahead_ms, clock_wrong } => {
                    push_skewed(skewed, row, now, at_ms.is_some(), ahead_ms, clock_wrong);
                    let Some(at_ms) = at_ms else {
                        *diverted += 1;
                        return;
                    };
                    event_ms = at_ms;
                }
            }
        }
        now.event_ms = event_ms;
        now.due_event_ms = s.time.due_event_ms;
        now.due_quiet_ms = s.time.due_quiet_ms;
        if event_ms > s.time.max_event_ms {
            s.time.max_event_ms = event_ms;
            now.watermark_ms = s.time.watermark_ms(bounds);
            if now.watermark_ms >= now.due_event_ms {
                now.due_event_ms = i64::MAX;
                F::mark(ports, false);
                fused.wake(&mut s.states, &s.key, Clock::Event, &mut Moment(now), ports);
            }
        } else {
            now.watermark_ms = s.time.watermark_ms(bounds);
        }
        F::mark(ports, false);
        let late = fused.row(&mut s.states, &s.key, row, &mut Moment(now), ports);
        s.time.due_event_ms = now.due_event_ms;
        if now.due_quiet_ms != s.time.due_quiet_ms {
            arm(timers, s, slot, now.due_quiet_ms);
        }
        if now.due_arrival_ms != i64::MAX {
            wish(instants, s, slot, now);
        }
        if late {
            push_late(late_port, row, place_of(now.cause), now.watermark_ms, now.arrival_ms);
        }
    }

    pub(super) fn control(&mut self, control: &Control) {
        match control.signal {
            Signal::Tick { arrival_ms } => {
                self.clocks.tick(arrival_ms);
                self.limit_ms = self.clocks.limit_ms(&self.bounds);
                // Both before the first is woken: what is wished for now is for the next tick.
                let (quiet, instants) = (self.timers.due(&self.clocks), self.instants.due(self.clocks.arrival_ms()));
                instants.iter().for_each(|(_, _, slot)| self.about_to_change(*slot));
                self.instants.take(&instants);
                quiet.into_iter().for_each(|slot| self.wake(slot, control.at, Clock::Quiet));
                instants.into_iter().for_each(|(_, _, slot)| self.wake(slot, control.at, Clock::Arrival));
            }
            Signal::Split { split, health } => {
                self.clocks.health(split, health);
                if health == Health::Ended {
                    self.end(control.at, Some(split));
                }
            }
            Signal::End => self.end(control.at, None),
            Signal::Commit { .. } | Signal::Closed => {}
        }
    }

    /// Lifts the end of a split, or of the job, from the watermarks of its keys.
    fn end(&mut self, at: u64, split: Option<u32>) {
        for slot in 0..self.slots.len() {
            let time = &self.slots.get(slot).time;
            let ends = split.is_none_or(|split| time.split == split && !time.many_splits);
            if ends && time.due_event_ms != i64::MAX {
                self.wake(slot, at, Clock::Event);
            }
        }
    }

    /// Wakes a key by one of its clocks, which takes its wish on that clock.
    fn wake(&mut self, slot: u32, at: u64, clock: Clock) {
        self.about_to_change(slot);
        let s = self.slots.get(slot);
        match clock {
            Clock::Event => s.time.due_event_ms = i64::MAX,
            Clock::Quiet => s.time.due_quiet_ms = i64::MAX,
            Clock::Arrival => {}
        }
        let mut now = Now {
            cause: Cause::Clock(at, (s.key.stable_hash() >> 32) as u32),
            event_ms: s.time.max_event_ms,
            watermark_ms: match clock {
                Clock::Event => END_MS,
                Clock::Quiet | Clock::Arrival => s.time.watermark_ms(&self.bounds),
            },
            arrival_ms: self.clocks.arrival_ms(),
            quiet_ms: self.clocks.quiet_ms(s.time.split),
            due_event_ms: s.time.due_event_ms,
            due_quiet_ms: s.time.due_quiet_ms,
            due_arrival_ms: i64::MAX,
            // One tick can wake a key by both of its clocks, and what it emits must not share places.
            emitted: if let Clock::Arrival = clock { 1 << 31 } else { 0 },
            depth: self.depth,
        };
        F::feed(&mut self.ports, s.time.split);
        F::mark(&mut self.ports, false);
        self.fused.wake(&mut s.states, &s.key, clock, &mut Moment(&mut now), &mut self.ports);
        s.time.due_event_ms = now.due_event_ms;
        if now.due_quiet_ms != s.time.due_quiet_ms {
            arm(&mut self.timers, s, slot, now.due_quiet_ms);
        }
        if now.due_arrival_ms != i64::MAX {
            wish(&mut self.instants, s, slot, &mut now);
        }
    }

    /// One closed epoch: rows and signals in ingest order, however they were cut into batches.
    fn epoch(&mut self, mut batches: Vec<Batch<F::In>>, mut controls: Vec<Control>, caps: &[Capability<u64>]) {
        for control in controls.iter_mut().filter(|control| control.signal == Signal::End) {
            // What the operators before emit at the end comes before the end of this one.
            control.at += self.depth as u64;
        }
        controls.sort_unstable_by_key(|control| control.at);
        batches.sort_by_key(|batch| batch.places.first());
        let mut batches = batches.into_iter().peekable();
        for control in &controls {
            // What a signal caused stands at the signal's own place, and comes after it.
            self.segment(std::iter::from_fn(|| batches.next_if(|batch| batch.places.first() < control.at)));
            self.flush(caps);
            self.control(control);
            self.flush(caps);
        }
        self.segment(batches);
        self.flush(caps);
    }

    /// Batches between two signals. What operators emitted on several workers, or for several splits, interleaves row by
    /// row.
    fn segment(&mut self, batches: impl Iterator<Item = Batch<F::In>>) {
        let batches: Vec<Batch<F::In>> = batches.filter(|batch| !batch.rows.is_empty()).collect();
        if batches.windows(2).all(|two| two[0].is_before(&two[1])) {
            batches.iter().for_each(|batch| self.batch(batch));
            return;
        }
        let mut rows: Vec<(Place, (u32, bool), F::In)> = Vec::new();
        for Batch { split, late, places, rows: part, .. } in batches {
            rows.extend(part.into_iter().enumerate().map(|(i, row)| (places.place(i), (split, late), row)));
        }
        rows.sort_by_key(|(place, _, _)| *place);
        let mut rows = rows.into_iter().peekable();
        while let Some((first, of, row)) = rows.next() {
            let mut run = Batch { target: 0, split: of.0, late: of.1, places: Places::Dense(0), rows: vec![row] };
            let mut places = vec![first];
            while let Some((place, _, row)) = rows.next_if(|(_, next, _)| *next == of) {
                places.push(place);
                run.rows.push(row);
            }
            run.places = Places::Tagged(places);
            self.batch(&run);
        }
    }

    /// Emits what the keys in some slots hold, as it was emitted before.
    fn rebuild(&mut self, slots: Range<u32>, caps: &[Capability<u64>]) {
        let mut now = self.now(NO_SPLIT);
        F::feed(&mut self.ports, NO_SPLIT);
        for slot in slots {
            let Slot { key, states, .. } = self.slots.get(slot);
            self.fused.rebuild(states, key, &mut Moment(&mut now), &mut self.ports);
        }
        self.flush(caps);
    }

    fn flush(&mut self, caps: &[Capability<u64>]) {
        let mut caps = Caps(caps.iter());
        F::flush(&mut self.ports, &mut caps);
        self.late.send(&mut caps);
        self.skewed.send(&mut caps);
    }

    /// Publishes the books, and checks that they balance: every row that came in is accounted for exactly once.
    fn close_books(&self, stats: &KeyedStats, worker: usize) {
        let mut books = Vec::new();
        F::books(&self.ports, &mut books);
        let unread = self.diverted + self.out_of_bound;
        if let Some(first) = books.first() {
            let sum = first.applied + first.late + first.duplicate + unread;
            assert!(sum == self.rows_in, "the books do not balance: {} rows in, {sum} accounted for", self.rows_in);
        }
        stats.publish(worker, self.rows_in, self.diverted, self.out_of_bound, u64::from(self.slots.len()), &books);
    }
}

#[cold]
fn push_skewed<T: Data>(
    port: &mut Port<Skewed<T>>,
    row: &T,
    now: &Now,
    corrected: bool,
    ahead_ms: i64,
    clock_wrong: bool,
) {
    let arrival_ms = now.arrival_ms;
    port.rows.push(Skewed { row: row.clone(), ahead_ms, arrival_ms, corrected, clock_wrong });
    port.places.push(place_of(now.cause));
}

#[cold]
fn push_late<T: Data>(port: &mut Port<Late<T>>, row: &T, place: Place, watermark_ms: i64, arrival_ms: i64) {
    port.rows.push(Late { row: row.clone(), watermark_ms, arrival_ms });
    port.places.push(place);
}

/// Replaces the key's entry in the timers.
#[cold]
fn arm<K: Key, S>(timers: &mut Timers, s: &mut Slot<K, S>, slot: u32, due_ms: i64) {
    let hash = s.key.stable_hash();
    timers.disarm(s.time.split, s.time.due_quiet_ms, hash, slot);
    s.time.due_quiet_ms = due_ms;
    timers.arm(s.time.split, due_ms, hash, slot);
}

/// Takes over the wish on the arrival clock that was made in a call.
#[cold]
fn wish<K: Key, S>(instants: &mut Instants, s: &Slot<K, S>, slot: u32, now: &mut Now) {
    instants.wish(std::mem::replace(&mut now.due_arrival_ms, i64::MAX), s.key.stable_hash(), slot);
}

fn place_of(cause: Cause) -> Place {
    match cause {
        Cause::Row(at) | Cause::Clock(at, _) => Place::top(at),
        Cause::Derived(place) => place,
    }
}

/// What a worker gives to the operator.
pub(crate) struct Ground<'a, 'f, T: 'static> {
    pub(crate) live: &'a Live<'f>,
    pub(crate) rows: StreamVec<'f, u64, Batch<T>>,
    pub(crate) stats: Arc<KeyedStats>,
}

/// Builds the operator on a worker, or its handles alone in plan mode.
pub(crate) fn build<'f, F, KF>(
    origin: Origin<'f>,
    name: &str,
    ground: Option<Ground<'_, 'f, F::In>>,
    fused: F,
    key_of: KF,
    bounds: EventTime,
) -> Detected<'f, F::Out<'f>, F::In>
where
    F: Fused<In: Timed>,
    KF: Fn(&F::In) -> F::Key + Clone + 'static,
{
    let depth = origin.depth;
    let node = origin.node;
    let outputs = origin.deeper(2);
    let Some(Ground { live, rows, stats }) = ground else {
        let mut wiring = Wiring { builder: None, origin: outputs };
        let (_, out) = fused.ports(&mut wiring);
        return Detected { out, late: wiring.port().1, skewed: wiring.port().1 };
    };
    let mut builder = OperatorBuilder::new(name.to_owned(), live.scope);
    let mut rows_in = if live.peers() > 1 {
        let rows = crate::flow::route(live, node, rows, key_of.clone());
        builder.new_input(rows, Exchange::new(|batch: &Batch<F::In>| u64::from(batch.target)))
    } else {
        builder.new_input(rows, Exchange::new(|_: &Batch<F::In>| 0))
    };
    let mut controls_in = builder.new_input(live.controls.clone(), Pipeline);
    let mut wiring = Wiring { builder: Some(&mut builder), origin: outputs };
    let (ports, out) = fused.ports(&mut wiring);
    let ((late, late_out), (skewed, skewed_out)) = (wiring.port(), wiring.port());
    let mut recovery = Recovery::wire::<F>(&mut builder, live, name);
    let ports_count = builder.shape().outputs();
    let (current, worker) = (live.current.clone(), live.scope.index());
    let changes = Changes::new(recovery.needs_changes());
    let mut core = Core::new(fused, key_of, bounds, depth, ports, (late, skewed), changes);
    recovery.come_back(&mut core, (worker, live.peers()));
    let again = live.scope.activator_for(builder.operator_info().address);
    builder.build(move |caps| {
        let mut rebuilding = F::REBUILDS.then_some(Rebuilding { caps, done: 0, again });
        let mut waiting: BTreeMap<u64, Waiting<F::In>> = BTreeMap::new();
        move |frontiers| {
            current.set(node);
            rebuilding.take_if(|rebuilding| rebuilding.is_done(&mut core));
            rows_in.for_each(|cap, data| {
                if let Some(open) = Waiting::at(&cap, ports_count, &mut waiting) {
                    open.batches.append(data);
                }
            });
            controls_in.for_each(|cap, data| {
                if let Some(open) = Waiting::at(&cap, ports_count, &mut waiting) {
                    // It stands where the last row does, and means nothing here.
                    open.controls.extend(data.drain(..).filter(|control| control.signal != Signal::Closed));
                }
            });
            while let Some(first) = waiting.first_entry().filter(|_| rebuilding.is_none()) {
                if frontiers.iter().any(|frontier| frontier.less_equal(first.key())) {
                    break;
                }
                let (epoch, Waiting { mut caps, batches, controls }) = first.remove_entry();
                let is_checkpoint = controls.iter().any(|control| matches!(control.signal, Signal::Commit { .. }));
                core.epoch(batches, controls, &caps);
                core.close_books(&stats, worker);
                recovery.after(&mut core, epoch, caps.pop().filter(|_| is_checkpoint));
            }
            recovery.go_on(&mut core);
        }
    });
    Detected { out, late: late_out, skewed: skewed_out }
}

/// What tables behind the operator are built anew from leaves before the first epoch: some keys at a time, but all in one epoch, for
/// views are to see a table whole or not at all.
struct Rebuilding {
    caps: Vec<Capability<u64>>,
    /// Slots that have said what they hold.
    done: u32,
    again: Activator,
}

impl Rebuilding {
    fn is_done<F: Fused<In: Timed>, KF: Fn(&F::In) -> F::Key>(&mut self, core: &mut Core<F, KF>) -> bool {
        let upto = core.slots.len().min(self.done + REBUILT_AT_ONCE);
        core.rebuild(self.done..upto, &self.caps);
        self.done = upto;
        // For the next, or for the rows that have come meanwhile.
        self.again.activate();
        upto == core.slots.len()
    }
}

/// What an open epoch has brought so far.
struct Waiting<T> {
    caps: Vec<Capability<u64>>,
    batches: Vec<Batch<T>>,
    controls: Vec<Control>,
}

impl<T> Waiting<T> {
    /// The epoch of what has come, of which all outputs are kept open.
    fn at<'a>(cap: &InputCapability<u64>, ports: usize, all: &'a mut BTreeMap<u64, Self>) -> Option<&'a mut Self> {
        let epoch = cap.least().copied()?;
        let caps = || (0..ports).map(|port| cap.delayed(&epoch, port)).collect();
        Some(all.entry(epoch).or_insert_with(|| Waiting { caps: caps(), batches: Vec::new(), controls: Vec::new() }))
    }
}
