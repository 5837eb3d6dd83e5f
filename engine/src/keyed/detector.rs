//! The trait that windows, alarms and every other keyed detector implement.

use crate::batch::Place;
use crate::{Data, Key, State};

/// What became of a row in one detector. The books of the operator are kept from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The row changed the state, or was looked at and found not to matter.
    Applied,
    /// The row came after everything it could have changed was closed. It goes to the late output.
    Late,
    /// The row repeats one that was applied.
    Duplicate,
}

/// What a detector is and needs; the plan is checked and fingerprinted from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Describe {
    /// What it is, in a word: `sliding_window`, `alarm`.
    pub kind: &'static str,
    /// Its parameters as text: part of the fingerprint, shown by `explain`.
    pub params: String,
    /// Its results depend on the order of a key's rows, not only on their event times.
    pub ordered: bool,
}

/// A keyed detector: pure, deterministic, and blind to everything but its key's state, the row and the context.
///
/// The engine calls it with the rows of each key in ingest order, keeps its state, wakes it when a clock passes a time
/// that it asked for, and restores it after a crash. It never reads a wall clock and does no I/O.
///
/// Calls are compiled into the operator's loop over a batch: a row costs a few nanoseconds, not a virtual call.
///
/// # Examples
/// Counts rows per key, and emits every hundredth:
/// ```
/// use watchfire_engine::{Context, Describe, Detector, Verdict};
/// struct EveryHundredth;
/// impl Detector for EveryHundredth {
///     type Key = u32;
///     type In = f64;
///     type Out = (u32, u64);
///     type State = Count;
///     fn describe(&self) -> Describe {
///         Describe { kind: "every_hundredth", params: String::new(), ordered: false }
///     }
///     fn on_row(&self, count: &mut Count, _row: &f64, cx: &mut Context<'_, u32, (u32, u64)>) -> Verdict {
///         count.0 += 1;
///         if count.0 % 100 == 0 {
///             cx.emit((*cx.key(), count.0));
///         }
///         Verdict::Applied
///     }
/// }
/// # use watchfire_engine::{State, rkyv};
/// #[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
/// struct Count(u64);
/// impl State for Count {
///     const NAME: &'static str = "count";
///     const VERSION: u32 = 1;
/// }
/// ```
pub trait Detector: Send + Sync + 'static {
    /// The key that rows are grouped by.
    type Key: Key;
    /// The rows it reads.
    type In: Data;
    /// The rows it emits.
    type Out: Data;
    /// What it remembers of a key.
    type State: State;

    /// What it emits is built anew, by [`rebuild`](Detector::rebuild), when the job comes back.
    #[doc(hidden)]
    const REBUILDS: bool = false;

    /// What it is and needs.
    fn describe(&self) -> Describe;

    /// One row of one key.
    fn on_row(&self, state: &mut Self::State, row: &Self::In, cx: &mut Context<'_, Self::Key, Self::Out>) -> Verdict;

    /// [Asks for the memory](ask_for) that a row at `event_ms` is going to touch beyond the first line of the state. Called
    /// a few rows ahead, so that it comes while others are processed; may do nothing.
    #[inline]
    fn warm(&self, state: &Self::State, event_ms: i64) {
        let _ = (state, event_ms);
    }

    /// Emits all that holds of a key, as it was emitted before. Called for each key, before the first row, when the job comes back.
    #[doc(hidden)]
    fn rebuild(&self, state: &Self::State, cx: &mut Context<'_, Self::Key, Self::Out>) {
        let _ = (state, cx);
    }

    /// The key's watermark has reached a time given to [`Context::wake_at_event_ms`], or its end
    /// ([`END_MS`](crate::END_MS)). Whatever is still to come must be asked for again.
    fn on_watermark(&self, state: &mut Self::State, cx: &mut Context<'_, Self::Key, Self::Out>) {
        let _ = (state, cx);
    }

    /// The key's quiet clock has reached a time given to [`Context::wake_at_quiet_ms`] by this or another detector of
    /// the operator; compare before acting. Whatever is still to come must be asked for again.
    fn on_quiet(&self, state: &mut Self::State, cx: &mut Context<'_, Self::Key, Self::Out>) {
        let _ = (state, cx);
    }

    /// The arrival clock has reached a time given to [`Context::wake_at_arrival_ms`] by this or another detector of the
    /// operator, whether or not the key's source is connected; compare before acting. Whatever is still to come must be
    /// asked for again.
    fn on_arrival(&self, state: &mut Self::State, cx: &mut Context<'_, Self::Key, Self::Out>) {
        let _ = (state, cx);
    }
}

/// The clocks and the cause of the present call, shared by all detectors of one operator.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) cause: Cause,
    pub(crate) event_ms: i64,
    pub(crate) watermark_ms: i64,
    pub(crate) arrival_ms: i64,
    pub(crate) quiet_ms: i64,
    pub(crate) due_event_ms: i64,
    pub(crate) due_quiet_ms: i64,
    /// The earliest wish of this call alone, `i64::MAX` if there is none: those from before are kept apart from the key.
    pub(crate) due_arrival_ms: i64,
    pub(crate) emitted: u32,
    pub(crate) depth: usize,
}

/// What a call was caused by; emissions take their place from it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    /// A row that came from a source, at this ingest place.
    Row(u64),
    /// A row that another operator emitted.
    Derived(Place),
    /// A tick or the end, at this ingest place, for the key with this hash.
    Clock(u64, u32),
}

impl Now {
    /// Appends the place of the next emission.
    #[inline]
    fn place_into(&mut self, places: &mut Vec<Place>) {
        let (base, hash) = match self.cause {
            Cause::Row(at) => (Place::top(at), 0),
            Cause::Derived(place) => (place, 0),
            Cause::Clock(at, hash) => (Place::top(at), hash),
        };
        places.push(base);
        // In place: a copy made right after would wait until the single words have been stored.
        if let Some(place) = places.last_mut() {
            place.set(self.depth, hash);
            place.set(self.depth + 1, self.emitted);
        }
        self.emitted += 1;
    }
}

/// What a detector may know and do during one call.
#[derive(Debug)]
pub struct Context<'a, K, O> {
    pub(crate) key: &'a K,
    pub(crate) now: &'a mut Now,
    pub(crate) rows: &'a mut Vec<O>,
    pub(crate) places: &'a mut Vec<Place>,
}

impl<K, O> Context<'_, K, O> {
    /// The key whose state this is.
    #[inline]
    pub fn key(&self) -> &K {
        self.key
    }

    /// The event time of the row, corrected where the key's clock error is known; for a detector that reads what
    /// another produced, and in the calls without a row, the event time of the row that came last.
    #[inline]
    pub fn event_time_ms(&self) -> i64 {
        self.now.event_ms
    }

    /// The key's watermark: no row before it is expected any more. [`END_MS`](crate::END_MS) at the end.
    #[inline]
    pub fn watermark_ms(&self) -> i64 {
        self.now.watermark_ms
    }

    /// The arrival clock at the last tick, or `i64::MIN` before the first. Never the wall clock.
    #[inline]
    pub fn arrival_ms(&self) -> i64 {
        self.now.arrival_ms
    }

    /// The key's quiet clock: the arrival clock without the time during which the key's split was disconnected or
    /// behind. The split is that of the key's last row, or of what caused it in the operators before. Only for measuring
    /// silence: compare it with itself alone.
    #[inline]
    pub fn quiet_ms(&self) -> i64 {
        self.now.quiet_ms
    }

    /// Emits a row. It leaves when its epoch closes, in the place of the row or tick that caused it.
    #[inline]
    pub fn emit(&mut self, row: O) {
        self.rows.push(row);
        self.now.place_into(self.places);
    }

    /// Asks for [`Detector::on_watermark`] when the key's watermark reaches `at_ms`. Of several wishes the earliest
    /// holds; it is forgotten when it has been granted.
    #[inline]
    pub fn wake_at_event_ms(&mut self, at_ms: i64) {
        self.now.due_event_ms = self.now.due_event_ms.min(at_ms);
    }

    /// Asks for [`Detector::on_quiet`] when the key's quiet clock reaches `at_ms`. Of several wishes the earliest
    /// holds; it is forgotten when it has been granted. Cheap enough to call on every row.
    #[inline]
    pub fn wake_at_quiet_ms(&mut self, at_ms: i64) {
        self.now.due_quiet_ms = self.now.due_quiet_ms.min(at_ms);
    }

    /// Asks for [`Detector::on_arrival`] when the arrival clock reaches `at_ms`, at a tick after this call. For instants
    /// that an outage of the source does not put off: an end that somebody set, a deadline for people. Silence is for
    /// [`wake_at_quiet_ms`](Context::wake_at_quiet_ms).
    ///
    /// Of several wishes of a key the earliest holds; it is forgotten when it has been granted. Ordered and capped as the
    /// wishes on the quiet clock are. Kept apart from the key, in a tree and a map, so ask when there is something to come
    /// and not on every row.
    #[inline]
    pub fn wake_at_arrival_ms(&mut self, at_ms: i64) {
        self.now.due_arrival_ms = self.now.due_arrival_ms.min(at_ms);
    }
}

/// Asks for the memory of a value, which will be used soon: its first cache line is on its way while the caller goes on.
///
/// # Examples
/// ```
/// let levels = vec![0.0; 1_000];
/// watchfire_engine::ask_for(&levels[900]);
/// ```
#[inline]
pub fn ask_for<T>(value: &T) {
    prefetch_index::prefetch_index(std::slice::from_ref(value), 0);
}
