//! Those who dispatch: what is reported, what they know, and what they tell.

mod coverage;
mod incidents;
mod people;
mod plan;
mod reach;
mod responders;
mod supplies;
mod turn;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use watchfire_engine::{Error, Key, State, Verdict};

use super::cover::Cover;
use super::notice::Notice;
use super::{Coverage, Dispatch, DispatchConfig, Incident, Member, Mode, NoticeId, Report, Says};
use crate::calendar::Calendar;
use crate::geo::Position;
use crate::road::{Network, NodeId, RoadState};

pub use plan::Planned;
pub(super) use reach::Reach;
use supplies::{Stock, Water};
use turn::Turn;

/// Takes reports of a theatre, and tells who is to go where, until they are there.
///
/// - **Incidents** are opened by alarms, merged where they are the same, raised by whatever is worse, and lowered and closed by people alone.
/// - **The plan** is made anew with every report that matters: all incidents together, exactly ([`PlanConfig::plan`](super::PlanConfig::plan)), exercises after all that is
///   real. What it would change is recommended, or, in a district in [`Mode::Auto`], done. It never calls anybody back:
///   that it only recommends.
/// - **A responder** is claimed by one incident alone, whatever the district and the cause.
/// - **People** order, decide and change their minds; what they order holds until they take it back.
/// - **Water and supplies** are given to what is graver, from the nearest that have some: what is laid or set aside stays, and what is lacking is told.
/// - **Notices** go out until somebody has read them, up a ladder that ends at the governance centre.
///
/// Pure and deterministic: the same reports at the same instants give the same changes. A report costs O(open incidents x responders), the coverage
/// (O(stations^3 x points) where a move is looked for), and the plan, once more for each change that it explains; one of water or stock O(open incidents);
/// a closure what [`Trees::follow`](crate::road::Trees::follow) takes for each station, and each incident that somebody is under way to.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use watchfire_operators::alarm::Severity;
/// use watchfire_operators::dispatch::{
///     Desk, DeskState, DispatchConfig, Move, Raised, Report, Responder, Says, Skills, Standing, Station, Tells,
/// };
/// use watchfire_operators::geo::Position;
/// use watchfire_operators::road::Network;
/// let [station, fire] = [30.50, 30.51].map(|lat| Position::from_degrees(lat, 104.07));
/// let (station, fire) = (station?, fire?);
/// let mut map = Network::builder();
/// (map.node("station", station, true), map.node("corner", fire, true));
/// map.arc("north", "station", "corner", 60_000.0);
/// let mut config = DispatchConfig::default();
/// config.stations.insert(4, Station { place: station, district: 1 });
/// let desk = Desk::new(config, Arc::new(map.build()?))?;
/// let (mut state, mut told) = (DeskState::default(), Vec::new());
/// let raised = Raised {
///     source: "panel 31".into(), cause: "fire".into(), place: Some(fire), severity: Severity::Alarm, level: 1,
///     district: 1, asks: Skills(0), asset: None, drill: false,
/// };
/// for says in [Says::Joined(Responder::crew(12, 4, Skills(1))), Says::Raised(raised)] {
///     desk.report(&mut state, &Report { theatre: 1, at_ms: 1_000, says }, 1_000, &mut told);
/// }
/// let plan = told.iter().find_map(|told| match &told.tells { Tells::Plan(change) => Some(change), _ => None });
/// let plan = plan.ok_or("nobody goes")?;
/// assert_eq!((plan.responder, plan.to, &plan.standing), (12, Move::Assign { incident: 1 }, &Standing::Recommended));
/// // A minute to get going, a minute on the way.
/// assert_eq!(plan.because.and_then(|because| because.eta).map(|eta| eta.ms), Some(120_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Desk {
    config: DispatchConfig,
    network: Arc<Network>,
    shifts: Option<Arc<Calendar>>,
    /// The stations in the order of their trees.
    stations: Vec<(u32, NodeId)>,
    /// The depots, and the tree of each.
    depots: Vec<(u32, usize)>,
    /// Where trees begin: stations, then depots that are elsewhere.
    roots: Vec<NodeId>,
    /// The nodes that are to be covered.
    points: Vec<(NodeId, u32)>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("config", &self.config).field("network", &self.network).finish()
    }
}

/// What those who dispatch know of a theatre.
///
/// Memory: about 1 KiB for an incident, a responder and a notice that is open; 100 bytes for a road that something was told of, for a source of what was
/// over not long ago (of one that told of several such, at most eight times), and for who has left not long ago. Times on the roads are worked out again when a job comes back: 8 bytes a node for each station, and for each
/// incident that somebody is not at a station for; so do those from depots that are no stations. About 100 bytes for each source of water, each item of a
/// depot, and each time that some of it was handed out since it was counted: items and sources are as many as are told of.
#[derive(Clone, Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct DeskState {
    /// The open incidents.
    pub incidents: BTreeMap<u64, Incident>,
    /// The responders.
    pub members: BTreeMap<u64, Member>,
    /// Who decides in a district, and when that was said by the clock of the source, milliseconds.
    modes: BTreeMap<u32, (Mode, i64)>,
    roads: BTreeMap<String, Road>,
    water: BTreeMap<u64, Water>,
    /// By item and depot.
    stock: BTreeMap<String, BTreeMap<u32, Stock>>,
    notices: BTreeMap<NoticeId, Notice>,
    /// Sources of what is over, each with what it was about: when they told of it, and since when it is over.
    over: BTreeMap<String, Vec<Over>>,
    /// Responders that have left, not long ago.
    gone: BTreeMap<u64, Gone>,
    coverage: Coverage,
    /// When the plan was made last, arrival clock, milliseconds.
    planned_ms: i64,
    numbers: Numbers,
    /// An event time stood in for an arrival clock that had no reading yet.
    stood_in: bool,
    #[rkyv(with = rkyv::with::Skip)]
    reach: Reach,
}

impl State for DeskState {
    const NAME: &'static str = "watchfire.dispatch";
    const VERSION: u32 = 1;
}

/// The last numbers that were given out.
#[derive(Clone, Copy, Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Numbers {
    told: u64,
    incident: u64,
    change: u64,
    notice: u64,
}

/// A road that is not as the map says.
#[derive(Clone, Copy, Debug, Default, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Road {
    closed: bool,
    /// When it was told last whether it is closed, by the clock of the source, milliseconds.
    closed_at_ms: Option<i64>,
    takes_ms: Option<i64>,
    takes_at_ms: Option<i64>,
}

impl Road {
    /// Whether nothing newer is known. Closures and times come from sources of their own, so each is compared with its like.
    fn is_news(&self, becomes: RoadState, at_ms: i64) -> bool {
        let known_ms = if matches!(becomes, RoadState::Takes(_)) { self.takes_at_ms } else { self.closed_at_ms };
        known_ms.is_none_or(|known_ms| at_ms >= known_ms)
    }

    fn hears(&mut self, becomes: RoadState, at_ms: i64) {
        match becomes {
            RoadState::Takes(ms) => (self.takes_ms, self.takes_at_ms) = (Some(ms), Some(at_ms)),
            RoadState::Closed | RoadState::Open => {
                (self.closed, self.closed_at_ms) = (becomes == RoadState::Closed, Some(at_ms));
            }
        }
    }
}

#[derive(Clone, Copy, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Over {
    first_ms: i64,
    last_ms: i64,
    since_ms: i64,
}

/// When somebody was said to have left, by the clock of the source, and when that was heard.
#[derive(Clone, Copy, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Gone {
    said_ms: i64,
    since_ms: i64,
}

impl DeskState {
    /// Who decides in a district.
    #[must_use]
    pub fn mode(&self, district: u32) -> Mode {
        self.modes.get(&district).map(|(mode, _)| *mode).unwrap_or_default()
    }
}

impl Desk {
    /// Those who dispatch over a road network, by what they have agreed on.
    ///
    /// # Errors
    /// `E0191` with all that is wrong: with the configuration, and stations, depots and points of the coverage that are off the map.
    pub fn new(config: DispatchConfig, network: Arc<Network>) -> Result<Self, Error> {
        let mut wrong = config.findings();
        let on_road = |place: Position| on_road(&network, place, config.off_map_m);
        let mut stations = Vec::new();
        for (number, station) in &config.stations {
            match on_road(station.place) {
                Some(node) => stations.push((*number, node)),
                None => wrong.push(format!("station {number} is more than {} m from every road", config.off_map_m)),
            }
        }
        let (mut depots, mut roots) = (Vec::new(), stations.iter().map(|(_, node)| *node).collect::<Vec<_>>());
        for (number, depot) in &config.depots {
            let Some(node) = on_road(depot.place) else {
                wrong.push(format!("depot {number} is more than {} m from every road", config.off_map_m));
                continue;
            };
            let tree = roots.iter().position(|root| *root == node);
            depots.push((*number, tree.unwrap_or(roots.len())));
            roots.extend(tree.is_none().then_some(node));
        }
        let mut points = Vec::new();
        for (nth, (place, weight)) in config.cover.points.iter().enumerate() {
            match on_road(*place) {
                Some(node) => points.push((node, *weight)),
                None => wrong.push(format!("point {nth} of the coverage is off the map")),
            }
        }
        if !wrong.is_empty() {
            let remedy = "mend the configuration, or load the map that it belongs to";
            return Err(Error::new("E0191", wrong.join("; ")).remedy(remedy));
        }
        if points.is_empty() {
            points.extend(stations.iter().map(|(_, node)| (*node, 1)));
        }
        Ok(Desk { config, network, shifts: None, stations, depots, roots, points })
    }

    /// Sets the calendar that knows the shifts of responders. Without one, all are on duty always.
    #[must_use]
    pub fn shifts(self, calendar: Arc<Calendar>) -> Self {
        Desk { shifts: Some(calendar), ..self }
    }

    /// What was agreed on.
    #[must_use]
    pub fn config(&self) -> &DispatchConfig {
        &self.config
    }

    /// Takes a report in, and tells what follows from it. `now_ms` is the arrival clock, `i64::MIN` before its first tick.
    ///
    /// [`Verdict::Duplicate`] for what was heard before, [`Verdict::Late`] for what newer reports have overtaken; what is wrong with a report is told
    /// as [`Tells::Refused`](super::Tells::Refused), by these codes: `E0490` what people said before something that is known; `E0481` a travel time that cannot be, `E0491` a responder, `E0492` an incident,
    /// `E0493` a station or a depot, `E0494` a road, `E0495` a notice, `E0496` a change that is not known; `E0497` a person without a name or a reason; `E0498` a responder that
    /// is registered elsewhere under the same number; `E0499` a place that cannot be, or
    /// at which nothing is known to be.
    pub fn report(&self, state: &mut DeskState, report: &Report, now_ms: i64, out: &mut Vec<Dispatch>) -> Verdict {
        let mut turn = Turn::begin(self, state, report.theatre, (report.at_ms, now_ms), out);
        let verdict = match &report.says {
            Says::Raised(raised) => turn.raised(raised),
            Says::Level { incident, level, by } => turn.level(*incident, *level, by.as_ref()),
            Says::Closed { incident, false_alarm, by } => turn.closed(*incident, *false_alarm, by),
            Says::Brigade { incident } => turn.brigade(*incident),
            Says::Joined(responder) => turn.joined(responder),
            Says::Left { responder, by } => turn.left(*responder, by),
            Says::Status { responder, status, incident } => turn.status(*responder, *status, *incident),
            Says::Fix { responder, place } => turn.fix(*responder, *place),
            Says::Roads(roads) => turn.roads(roads),
            Says::Order { responder, order, by } => turn.order(*responder, *order, by),
            Says::Answer { notice, answer } => turn.answer(*notice, *answer),
            Says::Decided { change, accept, by } => turn.decided(*change, *accept, by),
            Says::Water { source, is } => turn.water(*source, *is),
            Says::Stock { depot, item, count } => turn.stock(*depot, item, *count),
            Says::Handed { incident, depot, item, count } => turn.handed(*incident, *depot, item, *count),
            Says::Mode { district, mode, by } => turn.mode(*district, *mode, by),
        };
        turn.end();
        verdict
    }

    /// The arrival clock has reached an instant: repeats notices, tells of stages that were missed, looks at the plan again.
    pub fn tick(&self, state: &mut DeskState, theatre: u32, now_ms: i64, out: &mut Vec<Dispatch>) {
        let mut turn = Turn::begin(self, state, theatre, (now_ms, now_ms), out);
        turn.tick();
        turn.end();
    }

    /// The instant at which [`tick`](Desk::tick) is needed next, arrival clock, milliseconds; none while nothing is open, and nobody is there or still to be told.
    /// O(incidents + notices).
    #[must_use]
    pub fn due_ms(&self, state: &DeskState) -> Option<i64> {
        // The first tick shows what is due by the clock that stood in.
        if state.stood_in {
            return Some(i64::MIN);
        }
        let notices = state.notices.values().filter_map(|notice| notice.next_ms);
        let stages = state.incidents.values().flat_map(|incident| self.stages(incident)).map(|(_, _, due_ms)| due_ms);
        let plan = state.planned_ms.saturating_add(self.config.replan_every_ms);
        let plan = (!state.incidents.is_empty() || !state.members.is_empty()).then_some(plan);
        notices.chain(stages).chain(plan).min()
    }

    /// What it was made of, as text: a job comes back only to the same.
    pub(super) fn params(&self) -> String {
        let config = format!("{:?} {:?}", self.config, self.shifts.as_ref().map(|shifts| shifts.version().to_owned()));
        let (stations, causes) = (self.stations.len(), self.config.demand.causes.keys());
        let causes = causes.map(String::as_str).collect::<Vec<_>>().join(", ");
        let (network, config) = (self.network.fingerprint(), config.stable_hash());
        format!("{stations} stations, demand of {causes}, configuration {config:016x}, roads {network:016x}")
    }

    /// Stages of an incident that are neither reached nor told to be missed, within how long they should be, and when that is over.
    fn stages(&self, incident: &Incident) -> impl Iterator<Item = (super::Stage, u32, i64)> {
        let (timeline, missed, opened_ms) = (incident.timeline, incident.missed, incident.opened_ms);
        let within = self.config.demand.of(&incident.cause).within_ms.iter();
        let open = within.filter(move |(stage, _)| timeline.reached_ms(**stage).is_none() && missed & stage.bit() == 0);
        open.map(move |(stage, within_ms)| (*stage, *within_ms, opened_ms.saturating_add(i64::from(*within_ms))))
    }

    fn cover(&self, times: impl Fn(usize, NodeId) -> Option<u32>) -> Cover {
        let within_ms = self.config.cover.within_ms;
        let covers = |tree| {
            self.points
                .iter()
                .map(|(node, _)| times(tree, *node))
                .map(|time| time.is_some_and(|ms| ms <= within_ms))
                .collect()
        };
        Cover {
            covers: (0..self.stations.len()).map(covers).collect(),
            weights: self.points.iter().map(|(_, weight)| *weight).collect(),
        }
    }
}

/// The place on the road from which a place is reached; none if it is off the map.
fn on_road(network: &Network, place: Position, off_map_m: f64) -> Option<NodeId> {
    network.nearest(place).filter(|(_, away_m)| *away_m <= off_map_m).map(|(node, _)| node)
}
