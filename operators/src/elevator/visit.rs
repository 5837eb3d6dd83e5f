//! Which lifts are worth a visit tomorrow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchfire_engine::{Compose, Error, Real, Stream, Table, Timed};

use super::wear::OF_THE_LIFT;
use super::{CostConfig, FaultClass, LiftBook, LiftRow, WEAR_FEATURES, Wear, WearDay};
use crate::detect::{Foretold, Frozen, Likely, Trees};

/// What is foretold of a lift's faults of a class.
///
/// # Examples
/// A model goes by one sign; `of` is what a job with [`Visits`] lists of the lift.
/// ```
/// # use std::sync::Arc;
/// # use watchfire_engine::{Job, TickSource};
/// # use watchfire_operators::elevator::{LiftBook, Visit, Visits, WearDay};
/// use watchfire_operators::detect::{Foretold, Likely};
/// use watchfire_operators::elevator::{FaultClass, WEAR_FEATURES};
/// # let visits = Visits::new(Arc::new(LiftBook::default()));
/// # let job = Job::new(move |flow| {
/// #     let (days, foretold) = (flow.channel::<WearDay>("days"), flow.channel::<Foretold<(u32, FaultClass)>>("foretold"));
/// #     visits.clone().list(days, foretold).to_view("visits");
/// # });
/// # let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// # let views = running.views();
/// # let (_, foretold) = (running.sender::<WearDay>("days")?, running.sender::<Foretold<(u32, FaultClass)>>("foretold")?);
/// let mut why = vec![0.0; 1 + WEAR_FEATURES.len()];
/// (why[0], why[8]) = (-2.0, 1.5);
/// let doors = Foretold { asset: (31, FaultClass::DoorTrack), at_ms: 86_400_000, likely: Likely { p: 0.375, why } };
/// # foretold.send(vec![doors])?;
/// # drop(foretold);
/// # running.wait()?;
/// # let list = views.snapshot().ok_or("nothing was listed")?.view::<u32, Visit>("visits")?;
/// # let (visit, _) = list.get(&0).next().ok_or("nothing was listed")?;
/// # let of = &visit.outlooks[0];
/// assert_eq!((of.class, of.p.get(), of.day_ms), (FaultClass::DoorTrack, 0.375, 86_400_000));
/// assert_eq!(of.why, ["how near the limit is"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Outlook {
    /// The class.
    pub class: FaultClass,
    /// How likely a fault is within the horizon, from 0 to 1.
    pub p: Real,
    /// The day by which it was foretold, as [`WearDay`] has it: an older one than those of other lifts is of a lift that has not been seen since.
    pub day_ms: i64,
    /// Which signs are off, in words, the furthest first; where none is, what the model goes by.
    pub why: Vec<String>,
}

/// A lift that is worth a visit.
///
/// # Examples
/// Doors are likelier to fail than the drive, and cost less; `foretold` and `views` are of a job with [`Visits`].
/// ```
/// # use std::sync::Arc;
/// # use watchfire_engine::{Job, TickSource};
/// # use watchfire_operators::elevator::{LiftBook, Visits, WearDay};
/// use watchfire_operators::detect::{Foretold, Likely};
/// use watchfire_operators::elevator::{FaultClass, Visit};
/// # let visits = Visits::new(Arc::new(LiftBook::default()));
/// # let job = Job::new(move |flow| {
/// #     let (days, foretold) = (flow.channel::<WearDay>("days"), flow.channel::<Foretold<(u32, FaultClass)>>("foretold"));
/// #     visits.clone().list(days, foretold).to_view("visits");
/// # });
/// # let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// # let views = running.views();
/// # let (_, foretold) = (running.sender::<WearDay>("days")?, running.sender::<Foretold<(u32, FaultClass)>>("foretold")?);
/// let of = |class, p| Foretold { asset: (31, class), at_ms: 0, likely: Likely { p, why: vec![] } };
/// foretold.send(vec![of(FaultClass::DoorTrack, 0.5), of(FaultClass::Drive, 0.25)])?;
/// drop(foretold);
/// running.wait()?;
/// let list = views.snapshot().ok_or("nothing was listed")?.view::<u32, Visit>("visits")?;
/// let (visit, _) = list.get(&0).next().ok_or("nothing was listed")?;
/// assert_eq!((visit.lift, visit.outlooks.iter().map(|of| of.class).collect::<Vec<_>>()), (31, vec![FaultClass::Drive, FaultClass::DoorTrack]));
/// // Half of 600 yuan and a quarter of 6,000 in the middle, times what the mean is above that.
/// assert!((visit.worth_yuan.get() - 1_800.0 * 0.32_f64.exp()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Visit {
    /// What faults of all classes within the horizon are expected to cost, yuan: what lists are ranked by.
    pub worth_yuan: Real,
    /// The lift.
    pub lift: u32,
    /// What that is made of, the costliest first.
    pub outlooks: Vec<Outlook>,
}

/// Ranks the lifts of each firm by what their faults are expected to cost if nobody comes: the list of visits for tomorrow, as a table that is always there. It changes at the end of the
/// epoch in which a day ends, or something else is foretold.
///
/// A lift stays on the list, with the day by which it was last foretold, when it falls silent: no news is no reason not to go. A class that the costs do not name costs nothing.
/// Memory: a row a lift and class, and some words more. O(log lifts) for each that changes.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_engine::{Job, TickSource};
/// use watchfire_operators::detect::{Foretold, Likely};
/// use watchfire_operators::elevator::{FaultClass, Lift, LiftBook, Visit, Visits, WEAR_FEATURES, WearDay};
/// let book = Arc::new(LiftBook::new((1..=9).map(|lift| (lift, Lift { firm: lift % 2, ..Lift::default() }))));
/// let visits = Visits { a_day: 2, ..Visits::new(book) };
/// let job = Job::new(move |flow| {
///     let (days, foretold) = (flow.channel::<WearDay>("days"), flow.channel::<Foretold<(u32, FaultClass)>>("foretold"));
///     visits.clone().list(days, foretold).to_view("visits");
/// });
/// let mut running = job.ticks(TickSource::FROM_EVENTS).start()?;
/// let views = running.views();
/// let (_, foretold) = (running.sender::<WearDay>("days")?, running.sender::<Foretold<(u32, FaultClass)>>("foretold")?);
/// let of = |lift: u32, p: f64| Foretold { asset: (lift, FaultClass::DoorTrack), at_ms: 0, likely: Likely { p, why: vec![] } };
/// foretold.send((1..=9).map(|lift| of(lift, f64::from(lift) / 10.0)).collect())?;
/// drop(foretold);
/// running.wait()?;
/// let list = views.snapshot().ok_or("nothing was listed")?.view::<u32, Visit>("visits")?;
/// let of_firm: Vec<u32> = list.get(&1).map(|(visit, _)| visit.lift).collect();
/// assert_eq!(of_firm, [7, 9], "rising by what they are worth");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Visits {
    /// How many a firm can make in a day.
    pub a_day: usize,
    /// What faults cost; the loading is left out.
    pub costs: CostConfig,
    /// Which firm maintains a lift. Those that nobody knows are those of firm 0.
    pub book: Arc<LiftBook>,
}

/// Trees that foretell faults of lifts from [`WearDay`]s, and nothing else.
///
/// # Examples
/// ```
/// use watchfire_operators::detect::Trees;
/// use watchfire_operators::elevator::WearModel;
/// let of_something_else = Trees::new(vec!["celsius".to_owned()], 0.0, vec![])?;
/// assert_eq!(WearModel::new(of_something_else).unwrap_err().code(), "E0622");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WearModel {
    trees: Trees,
}

impl WearModel {
    /// Trees that go by [`WEAR_FEATURES`], in their order.
    ///
    /// # Errors
    /// `E0622` if they go by something else.
    pub fn new(trees: Trees) -> Result<WearModel, Error> {
        let of = trees.features();
        if let Some(nth) = (0..of.len().max(WEAR_FEATURES.len()))
            .find(|nth| of.get(*nth).map(String::as_str) != WEAR_FEATURES.get(*nth).copied())
        {
            let named = |name: Option<&str>| name.map_or_else(|| "nothing".to_owned(), |name| format!("\"{name}\""));
            let (is, ought) = (named(of.get(nth).map(String::as_str)), named(WEAR_FEATURES.get(nth).copied()));
            return Err(Error::new(
                "E0622",
                format!("the model's feature {nth} is {is}, where days of lifts have {ought}"),
            )
            .remedy("grow the trees anew, with this release, from days of lifts"));
        }
        Ok(WearModel { trees })
    }
}

/// What is said of a lift and a class on a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Signs(Vec<String>);

/// So many reasons are told of each class.
const REASONS_MAX: usize = 3;

/// What a model of [`WEAR_FEATURES`] goes by, in words: what adds most to the odds, if it adds a tenth or more. Nothing of a model of something else.
fn goes_by(likely: &Likely) -> Vec<String> {
    let [_, adds @ ..] = likely.why.as_slice() else { return Vec::new() };
    if adds.len() != WEAR_FEATURES.len() {
        return Vec::new();
    }
    let of_lift = adds.iter().copied().zip(WEAR_FEATURES).take(OF_THE_LIFT);
    let mut most: Vec<(f64, &str)> = of_lift.filter(|(adds, _)| *adds >= 0.1).collect();
    most.sort_by(|a, b| b.0.total_cmp(&a.0));
    most.into_iter().take(REASONS_MAX).map(|(_, name)| name.to_owned()).collect()
}

impl<A> Timed for Foretold<A> {
    fn event_time_ms(&self) -> i64 {
        self.at_ms
    }
}

impl Visits {
    /// Ten visits a day, at the costs that are assumed if nothing else is said.
    #[must_use]
    pub fn new(book: Arc<LiftBook>) -> Self {
        Visits { a_day: 10, costs: CostConfig::default(), book }
    }

    /// The lists, by firm, from what lifts tell: how each [wears](Wear), day by day, and what a model foretells from that, of the horizon for which it was grown.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use watchfire_engine::{Job, TickSource};
    /// use watchfire_operators::detect::{Node, Split, Tree, Trees};
    /// use watchfire_operators::elevator::{LiftBook, LiftRow, LiftSays, LiftTrip, Visit, Visits, WEAR_FEATURES, Wear, WearModel};
    /// // A model of one question: are all signs of a class together off by more than two standard deviations?
    /// let split = Split { feature: 13, below: 2.0, left: 1, right: 2, missing_left: true };
    /// let tree = Tree { nodes: vec![Node { value: 0.0, split: Some(split) }, Node::leaf(-4.0), Node::leaf(0.5)] };
    /// let model = WearModel::new(Trees::new(WEAR_FEATURES.map(str::to_owned).to_vec(), 0.0, vec![tree])?)?;
    /// let visits = Visits::new(Arc::new(LiftBook::default()));
    /// let job = Job::new(move |flow| {
    ///     visits.clone().of_lifts(flow.channel::<LiftRow>("lifts"), Wear::default(), model.clone()).to_view("visits");
    /// });
    /// let mut running = job.ticks(TickSource::FromEvents { interval_ms: 60_000, max_jump_ms: 30 * 86_400_000 }).start()?;
    /// let views = running.views();
    /// let lifts = running.sender::<LiftRow>("lifts")?;
    /// // Doors that close in three seconds, and those of lift 31 from the 21st day on in 0.4 s more.
    /// let close_ms = |lift: u32, n: i64| 3_000 + (n % 7) as u32 * 20 + if lift == 31 && n >= 20 * 144 { 400 } else { 0 };
    /// let trip = |lift, n| LiftTrip { from: 1, floor: 4, door_close_ms: Some(close_ms(lift, n)), ..LiftTrip::default() };
    /// let says = |lift, n| LiftRow { lift, at_ms: n * 600_000, says: LiftSays::Trip(Box::new(trip(lift, n))) };
    /// lifts.send((0..25 * 144).flat_map(|n| [30, 31].map(|lift| says(lift, n))).collect())?;
    /// drop(lifts);
    /// running.wait()?;
    /// let lists = views.snapshot().ok_or("nothing was listed")?.view::<u32, Visit>("visits")?;
    /// let (worth_most, _) = lists.get(&0).last().ok_or("nothing was listed")?;
    /// assert_eq!((worth_most.lift, worth_most.outlooks[0].p.get() > 0.6), (31, true));
    /// assert_eq!(worth_most.outlooks[0].why[0], "doors take long to close: 3.46 s, usually 3.06 s, most on floor 4 coming up");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn of_lifts<'f>(self, rows: Stream<'f, LiftRow>, wear: Wear, model: WearModel) -> Table<'f, u32, Visit> {
        let book = self.book.clone();
        let rows = rows.flat_map(move |row| book.each(row));
        let lifts = rows.key_by(|row| row.lift).event_time(LiftRow::EVENT_TIME);
        let days = lifts.detect("wear of lifts", LiftRow::in_order(LiftRow::IN_ORDER_MS).then(wear)).out.1;
        let asked = days.clone().map(WearDay::asked).key_by(|of| of.asset.0);
        let foretold = asked.detect("foretold by wear", Frozen::new(model.trees)).out;
        self.list(days, foretold)
    }

    /// The lists, by firm. `foretold` is what one model says, of one horizon; `days` says why.
    #[track_caller]
    pub fn list<'f>(
        self,
        days: Stream<'f, WearDay>,
        foretold: Stream<'f, Foretold<(u32, FaultClass)>>,
    ) -> Table<'f, u32, Visit> {
        let signs = days.key_by(|day| (day.lift, day.class)).latest("signs of lifts", |day| {
            Some(Signs(day.why.iter().take(REASONS_MAX).map(ToString::to_string).collect()))
        });
        let chances = foretold
            .key_by(|of| of.asset)
            .latest("foretold of lifts", |of| Some((Real::new(of.likely.p).ok()?, of.at_ms, goes_by(&of.likely))));
        let outlooks = chances.out.left_join(signs.out, |(_, class), (p, day_ms, goes_by), signs| {
            let signs = signs.filter(|Signs(why)| !why.is_empty());
            let why = signs.map_or_else(|| goes_by.clone(), |Signs(why)| why.clone());
            Outlook { class: *class, p: *p, day_ms: *day_ms, why }
        });
        let Visits { a_day, costs, book } = self;
        let of_lift = outlooks.flat_map(|(lift, _), outlook| [(lift, outlook)]);
        let visits = of_lift.reduce(move |lift, outlooks| {
            let all = outlooks.iter().map(|(outlook, _)| (*outlook).clone()).collect();
            [Visit::of(*lift, all, &costs)]
        });
        let of_firm = visits.rekey(move |lift, _| book.lift(*lift).map_or(0, |lift| lift.firm));
        of_firm.top_k(a_day, |_, visit| visit.worth_yuan)
    }
}

impl Visit {
    /// What visiting a lift is worth, by what is foretold of it.
    fn of(lift: u32, mut outlooks: Vec<Outlook>, costs: &CostConfig) -> Visit {
        let cost = |of: &Outlook| of.p.get() * costs.classes.get(&of.class).map_or(0.0, |class| class.mean_yuan());
        outlooks.sort_by(|a, b| cost(b).total_cmp(&cost(a)).then(a.class.cmp(&b.class)));
        let worth = outlooks.iter().map(cost).sum();
        Visit { worth_yuan: Real::new(worth).unwrap_or_default(), lift, outlooks }
    }
}
