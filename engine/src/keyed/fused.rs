//! Detectors of one key composed into one operator, statically: `a.then(b)`, `a.both(b)`.

use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::detector::{Context, Describe, Detector, Now, Verdict};
use super::port::Port;
use crate::durable::StateType;
use crate::flow::{Origin, Stream};
use crate::{Data, Error, Key, State};

/// One detector, or several that share an operator. Sealed: implement [`Detector`], compose with [`Compose`].
pub trait Fused: Send + Sync + Sized + 'static {
    /// The key that rows are grouped by.
    type Key: Key;
    /// The rows that go in.
    type In: Data;
    /// The rows that a following [`then`](Compose::then) reads.
    type Produced: Data;
    /// The stream handles that come out, nested as the detectors are.
    type Out<'f>;
    #[doc(hidden)]
    type States: Default + Clone + Send + 'static;
    #[doc(hidden)]
    type Ports: 'static;

    /// Only detectors that share their operator with no other are built anew.
    #[doc(hidden)]
    const REBUILDS: bool = false;

    #[doc(hidden)]
    fn describe_into(&self, all: &mut Vec<Describe>);
    /// The types of the states, in the order of the detectors.
    #[doc(hidden)]
    fn types_into(all: &mut Vec<Reads>);
    #[doc(hidden)]
    fn ports<'f>(&self, wiring: &mut Wiring<'f, '_>) -> (Self::Ports, Self::Out<'f>);
    #[doc(hidden)]
    fn row(
        &self,
        st: &mut Self::States,
        key: &Self::Key,
        row: &Self::In,
        now: &mut Moment<'_>,
        ports: &mut Self::Ports,
    ) -> bool;
    #[doc(hidden)]
    fn wake(&self, st: &mut Self::States, key: &Self::Key, clock: Clock, now: &mut Moment<'_>, ports: &mut Self::Ports);
    #[doc(hidden)]
    fn rebuild(&self, st: &Self::States, key: &Self::Key, now: &mut Moment<'_>, ports: &mut Self::Ports) {
        let _ = (st, key, now, ports);
    }
    #[doc(hidden)]
    fn warm(&self, st: &Self::States, event_ms: i64);
    /// What is emitted from here on is caused by this split.
    #[doc(hidden)]
    fn feed(ports: &mut Self::Ports, split: u32);
    /// Starts a call: what is produced from here on belongs to it, if `is_read`, and what is read within.
    #[doc(hidden)]
    fn mark(ports: &mut Self::Ports, is_read: bool);
    #[doc(hidden)]
    fn produced(ports: &Self::Ports) -> &[Self::Produced];
    #[doc(hidden)]
    fn flush(ports: &mut Self::Ports, caps: &mut Caps<'_>);
    #[doc(hidden)]
    fn books(ports: &Self::Ports, all: &mut Vec<Book>);
    /// The states as bytes, in the order of the detectors.
    #[doc(hidden)]
    fn encode(st: &Self::States, all: &mut Vec<Vec<u8>>) -> Result<(), Error>;
    /// The states from what is stored of a key.
    #[doc(hidden)]
    fn decode(from: &mut Found<'_>) -> Result<Self::States, Error>;
}

/// The type of a state, and what of it can be read.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Reads {
    pub(crate) writes: StateType,
    /// Earlier versions that are migrated.
    pub(crate) also: &'static [u32],
}

/// What is stored of the states of one key, with their types.
#[doc(hidden)]
#[derive(Debug)]
pub struct Found<'a> {
    all: Vec<Option<(&'a StateType, &'a [u8])>>,
}

impl<'a> Found<'a> {
    pub(crate) fn new(types: &'a [StateType], states: &'a [Vec<u8>]) -> Self {
        Found { all: types.iter().zip(states).map(|(of, bytes)| Some((of, bytes.as_slice()))).collect() }
    }

    /// The next state of this name, with its version.
    fn take(&mut self, name: &str) -> Option<(u32, &'a [u8])> {
        let next = self.all.iter_mut().find(|one| one.is_some_and(|(of, _)| of.name == name))?;
        next.take().map(|(of, bytes)| (of.version, bytes))
    }
}

/// The present call, opaque outside the engine.
#[doc(hidden)]
#[derive(Debug)]
pub struct Moment<'a>(pub(crate) &'a mut Now);

/// Which clock wakes a detector.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    Event,
    Quiet,
    Arrival,
}

/// What one detector did with its rows: `applied + late + duplicate` is what it was given.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Book {
    pub applied: u64,
    pub late: u64,
    pub duplicate: u64,
    pub emitted: u64,
}

/// The capabilities of an epoch, one an output port, in the order of the ports.
#[doc(hidden)]
#[derive(Debug)]
pub struct Caps<'a>(pub(crate) std::slice::Iter<'a, Capability<u64>>);

/// Makes ports: real ones on a worker, names alone in plan mode.
#[doc(hidden)]
#[derive(Debug)]
pub struct Wiring<'f, 'b> {
    pub(crate) builder: Option<&'b mut OperatorBuilder<'f, u64>>,
    pub(crate) origin: Origin<'f>,
}

impl<'f> Wiring<'f, '_> {
    pub(crate) fn port<O: Data>(&mut self) -> (Port<O>, Stream<'f, O>) {
        let (out, inner) = match &mut self.builder {
            Some(builder) => {
                let (out, stream) = builder.new_output();
                (Some(OutputBuilder::from(out)), Some(stream))
            }
            None => (None, None),
        };
        (Port::new(out), self.origin.stream(inner))
    }
}

impl<D: Detector> Fused for D {
    type Key = D::Key;
    type In = D::In;
    type Produced = D::Out;
    type Out<'f> = Stream<'f, D::Out>;
    type States = D::State;
    type Ports = Port<D::Out>;
    const REBUILDS: bool = D::REBUILDS;

    fn describe_into(&self, all: &mut Vec<Describe>) {
        all.push(self.describe());
    }

    fn types_into(all: &mut Vec<Reads>) {
        let writes = StateType { name: D::State::NAME.to_owned(), version: D::State::VERSION };
        all.push(Reads { writes, also: D::State::MIGRATES });
    }

    fn ports<'f>(&self, wiring: &mut Wiring<'f, '_>) -> (Self::Ports, Self::Out<'f>) {
        wiring.port()
    }

    // Into the operator's loop: the call itself would cost a tenth of a light detector.
    #[inline(always)]
    fn row(&self, st: &mut D::State, key: &D::Key, row: &D::In, now: &mut Moment<'_>, port: &mut Self::Ports) -> bool {
        let mut cx = Context { key, now: now.0, rows: &mut port.rows, places: &mut port.places };
        match self.on_row(st, row, &mut cx) {
            Verdict::Applied => port.book.applied += 1,
            Verdict::Duplicate => port.book.duplicate += 1,
            Verdict::Late => {
                port.book.late += 1;
                return true;
            }
        }
        false
    }

    fn wake(&self, st: &mut D::State, key: &D::Key, clock: Clock, now: &mut Moment<'_>, port: &mut Self::Ports) {
        let mut cx = Context { key, now: now.0, rows: &mut port.rows, places: &mut port.places };
        match clock {
            Clock::Event => self.on_watermark(st, &mut cx),
            Clock::Quiet => self.on_quiet(st, &mut cx),
            Clock::Arrival => self.on_arrival(st, &mut cx),
        }
    }

    fn rebuild(&self, st: &D::State, key: &D::Key, now: &mut Moment<'_>, port: &mut Self::Ports) {
        let mut cx = Context { key, now: now.0, rows: &mut port.rows, places: &mut port.places };
        Detector::rebuild(self, st, &mut cx);
    }

    #[inline(always)]
    fn warm(&self, st: &D::State, event_ms: i64) {
        Detector::warm(self, st, event_ms);
    }

    fn feed(port: &mut Self::Ports, split: u32) {
        port.feed(split);
    }

    #[inline]
    fn mark(port: &mut Self::Ports, is_read: bool) {
        if is_read {
            port.fresh = port.rows.len();
        }
    }

    fn produced(port: &Self::Ports) -> &[D::Out] {
        &port.rows[port.fresh..]
    }

    fn flush(port: &mut Self::Ports, caps: &mut Caps<'_>) {
        port.send(caps);
    }

    fn books(port: &Self::Ports, all: &mut Vec<Book>) {
        all.push(port.book);
    }

    fn encode(st: &D::State, all: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        all.push(st.encode()?);
        Ok(())
    }

    fn decode(from: &mut Found<'_>) -> Result<D::State, Error> {
        match from.take(D::State::NAME) {
            Some((version, bytes)) if version == D::State::VERSION => D::State::decode(bytes),
            Some((version, bytes)) => D::State::migrate(version, bytes),
            // A detector that was added since begins anew; whether it may is decided before.
            None => Ok(D::State::default()),
        }
    }
}

/// Two detectors that read the same rows. Made by [`Compose::both`].
#[derive(Clone, Debug)]
pub struct Both<A, B>(A, B);

/// Two detectors of which the second reads what the first produces, on the same row. Made by [`Compose::then`].
#[derive(Clone, Debug)]
pub struct Then<A, B>(A, B);

impl<A: Fused, B: Fused<Key = A::Key, In = A::In>> Fused for Both<A, B> {
    type Key = A::Key;
    type In = A::In;
    type Produced = B::Produced;
    type Out<'f> = (A::Out<'f>, B::Out<'f>);
    type States = (A::States, B::States);
    type Ports = (A::Ports, B::Ports);

    fn describe_into(&self, all: &mut Vec<Describe>) {
        self.0.describe_into(all);
        self.1.describe_into(all);
    }

    fn types_into(all: &mut Vec<Reads>) {
        A::types_into(all);
        B::types_into(all);
    }

    fn ports<'f>(&self, wiring: &mut Wiring<'f, '_>) -> (Self::Ports, Self::Out<'f>) {
        let ((p, s), (q, t)) = (self.0.ports(wiring), self.1.ports(wiring));
        ((p, q), (s, t))
    }

    #[inline]
    fn row(
        &self,
        st: &mut Self::States,
        key: &A::Key,
        row: &A::In,
        now: &mut Moment<'_>,
        ports: &mut Self::Ports,
    ) -> bool {
        let late = self.0.row(&mut st.0, key, row, now, &mut ports.0);
        self.1.row(&mut st.1, key, row, now, &mut ports.1) | late
    }

    fn wake(&self, st: &mut Self::States, key: &A::Key, clock: Clock, now: &mut Moment<'_>, ports: &mut Self::Ports) {
        self.0.wake(&mut st.0, key, clock, now, &mut ports.0);
        self.1.wake(&mut st.1, key, clock, now, &mut ports.1);
    }

    #[inline]
    fn warm(&self, st: &Self::States, event_ms: i64) {
        self.0.warm(&st.0, event_ms);
        self.1.warm(&st.1, event_ms);
    }

    fn feed(ports: &mut Self::Ports, split: u32) {
        A::feed(&mut ports.0, split);
        B::feed(&mut ports.1, split);
    }

    #[inline]
    fn mark(ports: &mut Self::Ports, is_read: bool) {
        A::mark(&mut ports.0, false);
        B::mark(&mut ports.1, is_read);
    }

    fn produced(ports: &Self::Ports) -> &[B::Produced] {
        B::produced(&ports.1)
    }

    fn flush(ports: &mut Self::Ports, caps: &mut Caps<'_>) {
        A::flush(&mut ports.0, caps);
        B::flush(&mut ports.1, caps);
    }

    fn books(ports: &Self::Ports, all: &mut Vec<Book>) {
        A::books(&ports.0, all);
        B::books(&ports.1, all);
    }

    fn encode(st: &Self::States, all: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        A::encode(&st.0, all)?;
        B::encode(&st.1, all)
    }

    fn decode(from: &mut Found<'_>) -> Result<Self::States, Error> {
        Ok((A::decode(from)?, B::decode(from)?))
    }
}

impl<A: Fused, B: Fused<Key = A::Key, In = A::Produced>> Fused for Then<A, B> {
    type Key = A::Key;
    type In = A::In;
    type Produced = B::Produced;
    type Out<'f> = (A::Out<'f>, B::Out<'f>);
    type States = (A::States, B::States);
    type Ports = (A::Ports, B::Ports);

    fn describe_into(&self, all: &mut Vec<Describe>) {
        self.0.describe_into(all);
        self.1.describe_into(all);
    }

    fn types_into(all: &mut Vec<Reads>) {
        A::types_into(all);
        B::types_into(all);
    }

    fn ports<'f>(&self, wiring: &mut Wiring<'f, '_>) -> (Self::Ports, Self::Out<'f>) {
        let ((p, s), (q, t)) = (self.0.ports(wiring), self.1.ports(wiring));
        ((p, q), (s, t))
    }

    #[inline]
    fn row(
        &self,
        st: &mut Self::States,
        key: &A::Key,
        row: &A::In,
        now: &mut Moment<'_>,
        ports: &mut Self::Ports,
    ) -> bool {
        let late = self.0.row(&mut st.0, key, row, now, &mut ports.0);
        for made in A::produced(&ports.0) {
            // What the first produced stays visible on its own output, so the second's verdict loses nothing.
            self.1.row(&mut st.1, key, made, now, &mut ports.1);
        }
        late
    }

    fn wake(&self, st: &mut Self::States, key: &A::Key, clock: Clock, now: &mut Moment<'_>, ports: &mut Self::Ports) {
        self.0.wake(&mut st.0, key, clock, now, &mut ports.0);
        for made in A::produced(&ports.0) {
            self.1.row(&mut st.1, key, made, now, &mut ports.1);
        }
        self.1.wake(&mut st.1, key, clock, now, &mut ports.1);
    }

    #[inline]
    fn warm(&self, st: &Self::States, event_ms: i64) {
        self.0.warm(&st.0, event_ms);
        self.1.warm(&st.1, event_ms);
    }

    fn feed(ports: &mut Self::Ports, split: u32) {
        A::feed(&mut ports.0, split);
        B::feed(&mut ports.1, split);
    }

    #[inline]
    fn mark(ports: &mut Self::Ports, is_read: bool) {
        A::mark(&mut ports.0, true);
        B::mark(&mut ports.1, is_read);
    }

    fn produced(ports: &Self::Ports) -> &[B::Produced] {
        B::produced(&ports.1)
    }

    fn flush(ports: &mut Self::Ports, caps: &mut Caps<'_>) {
        A::flush(&mut ports.0, caps);
        B::flush(&mut ports.1, caps);
    }

    fn books(ports: &Self::Ports, all: &mut Vec<Book>) {
        A::books(&ports.0, all);
        B::books(&ports.1, all);
    }

    fn encode(st: &Self::States, all: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        A::encode(&st.0, all)?;
        B::encode(&st.1, all)
    }

    fn decode(from: &mut Found<'_>) -> Result<Self::States, Error> {
        Ok((A::decode(from)?, B::decode(from)?))
    }
}

/// Composes detectors into one operator.
///
/// `windows.then(alarms).both(counts)` is one operator with three outputs, `((windows, alarms), counts)`: one look-up
/// of the key's state serves all three.
pub trait Compose: Fused {
    /// `next` reads what `self` produces, on the same row.
    fn then<B: Fused<Key = Self::Key, In = Self::Produced>>(self, next: B) -> Then<Self, B> {
        Then(self, next)
    }

    /// `other` reads the same rows as `self`.
    fn both<B: Fused<Key = Self::Key, In = Self::In>>(self, other: B) -> Both<Self, B> {
        Both(self, other)
    }
}
impl<F: Fused> Compose for F {}
