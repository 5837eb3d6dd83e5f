//! Water and supplies: who has what, and which incident gets it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use watchfire_engine::Verdict;

use super::turn::Turn;
use crate::dispatch::notice::Notice;
use crate::dispatch::supply::Share;
use crate::dispatch::{About, Incident, IncidentTold, Recipient, SupplyFrom, WaterFrom, WaterSource};
use crate::geo::Position;
use crate::road::NodeId;

/// How much a depot has of an item.
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Stock {
    /// What was counted last, and when, by the clock of the source, milliseconds.
    count: u32,
    at_ms: i64,
    /// The same by the clock of the source, however far ahead.
    said_ms: i64,
    /// What was handed out since: when it was heard to be, for which incident, and when by the clock of the source.
    handed: BTreeMap<(i64, u64, i64), u32>,
}

impl Default for Stock {
    fn default() -> Self {
        Stock { count: 0, at_ms: i64::MIN, said_ms: i64::MIN, handed: BTreeMap::new() }
    }
}

impl Stock {
    fn has(&self) -> u32 {
        self.handed.values().fold(self.count, |left, count| left.saturating_sub(*count))
    }

    /// Some was handed out, and that was heard before.
    fn knows(&self, incident: u64, said_ms: i64) -> bool {
        self.handed.keys().any(|(_, of, known_ms)| (*of, *known_ms) == (incident, said_ms))
    }

    /// Some is handed out; what was before the last count is in it already. True if it had so much.
    fn hands_out(&mut self, at_ms: i64, incident: u64, said_ms: i64, count: u32) -> bool {
        if at_ms < self.at_ms {
            return true;
        }
        let had = self.has();
        self.handed.insert((at_ms, incident, said_ms), count);
        count <= had
    }

    /// What was handed out before has been left out of the count; of what was in the same instant nobody knows.
    fn is_counted(&mut self, count: u32, at_ms: i64, said_ms: i64) {
        (self.count, self.at_ms, self.said_ms) = (count, at_ms, said_ms);
        self.handed.retain(|(handed_ms, ..), _| *handed_ms >= at_ms);
    }

    /// Nothing that was told lies far ahead of the clock.
    pub(super) fn bring_back(&mut self, ahead_ms: i64) {
        self.at_ms = self.at_ms.min(ahead_ms);
        let handed = std::mem::take(&mut self.handed).into_iter();
        self.handed = handed.map(|((at_ms, of, said_ms), count)| ((at_ms.min(ahead_ms), of, said_ms), count)).collect();
    }
}

/// Water that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Water {
    is: WaterSource,
    pub(super) at_ms: i64,
}

/// What is free, by item, and by who has it.
type Free<I> = BTreeMap<String, BTreeMap<I, u32>>;

/// What an incident asks for of an item, and has.
struct Asks<I> {
    id: u64,
    item: String,
    has: BTreeMap<I, u32>,
    share: Share<I>,
}

/// First what each has stays with it, then each in turn takes what it lacks.
fn give<I: Copy + Ord>(asks: &mut [Asks<I>], free: &mut Free<I>) {
    for of in asks.iter_mut() {
        of.share.keeps(&of.has, free.entry(of.item.clone()).or_default());
    }
    for of in asks {
        of.share.takes(free.entry(of.item.clone()).or_default());
    }
}

impl Turn<'_> {
    pub(super) fn water(&mut self, source: u64, is: WaterSource) -> Verdict {
        let (at_ms, reach_m) = (self.heard_ms, self.desk.config.water_reach_m);
        let before = self.state.water.insert(source, Water { is, at_ms });
        match before {
            Some(known) if known.at_ms > at_ms => {
                self.state.water.insert(source, known);
                return Verdict::Late;
            }
            Some(known) if known.is == is => return Verdict::Duplicate,
            _ => {}
        }
        let places = [Some(is.place), before.map(|before| before.is.place)];
        for (id, incident) in &self.state.incidents {
            let is_near = |place: Position| incident.place.is_some_and(|at| at.distance_m(place) <= reach_m);
            if places.into_iter().flatten().any(is_near) {
                self.state.reach.near_water.remove(id);
                self.short = true;
            }
        }
        // The first that is told of makes that water is lacking where there is none.
        self.short |= self.state.water.len() == 1;
        Verdict::Applied
    }

    pub(super) fn stock(&mut self, depot: u32, item: &str, count: u32) -> Verdict {
        if !self.desk.config.depots.contains_key(&depot) {
            return self.no_depot(depot);
        }
        let (at_ms, said_ms) = (self.heard_ms, self.reported_ms);
        let known = self.state.stock.entry(item.to_owned()).or_default().entry(depot).or_default();
        if known.at_ms > at_ms {
            return Verdict::Late;
        }
        if (known.count, known.said_ms) == (count, said_ms) {
            return Verdict::Duplicate;
        }
        known.is_counted(count, at_ms, said_ms);
        self.short = true;
        Verdict::Applied
    }

    /// A depot has handed out something for an incident: it has so much less, whatever has become of the incident, and the incident has it.
    pub(super) fn handed(&mut self, incident: u64, depot: u32, item: &str, count: u32) -> Verdict {
        if !self.desk.config.depots.contains_key(&depot) {
            return self.no_depot(depot);
        }
        let (at_ms, said_ms) = (self.heard_ms, self.reported_ms);
        let stock = self.state.stock.entry(item.to_owned()).or_default().entry(depot).or_default();
        let supply = self.state.incidents.get_mut(&incident).map(|of| of.supplies.entry(item.to_owned()).or_default());
        let had_it = supply.as_ref().is_some_and(|supply| supply.handings.contains(&(depot, said_ms)));
        if had_it || stock.knows(incident, said_ms) {
            return Verdict::Duplicate;
        }
        let before = stock.has();
        if !stock.hands_out(at_ms, incident, said_ms, count) {
            let why = format!(
                "depot {depot} has handed out {count} of \"{item}\", and was known to have {before}: it has none now. Remedy: count what is there, or mend the report."
            );
            self.refuse("E0493", why);
        }
        self.short = true;
        let Some(of) = self.state.incidents.get_mut(&incident) else { return self.no_incident(incident) };
        let supply = of.supplies.entry(item.to_owned()).or_default();
        supply.handings.insert((depot, said_ms));
        (supply.handed, supply.untold) = (supply.handed.saturating_add(count), true);
        if let Some(aside) = supply.set_aside.get_mut(&depot) {
            *aside = aside.saturating_sub(count);
        }
        let waits = of.supplies.values().any(|supply| supply.set_aside.get(&depot).is_some_and(|aside| *aside > 0));
        if !waits {
            self.brings(incident, depot);
        }
        Verdict::Applied
    }

    /// A depot brings nothing more to an incident than it has brought, and need not be told.
    fn brings(&mut self, incident: u64, depot: u32) {
        let to = |notice: &Notice| notice.meant_for() == Recipient::Depot(depot) && notice.about == About::Bring;
        self.state.notices.retain(|_, notice| notice.incident != Some(incident) || !to(notice));
    }

    fn no_depot(&mut self, depot: u32) -> Verdict {
        let why = format!("depot {depot} is not known. Remedy: add the depot, or mend the report.");
        self.refuse("E0493", why)
    }

    /// Gives water and supplies to those who need them: what is real first, the graver first, and of these the older. What is laid or set aside stays
    /// where it is, but for an exercise.
    pub(super) fn supplies(&mut self) {
        let (mut water, mut stock) = (Free::new(), self.stocks());
        for drill in [false, true] {
            let ids = self.in_need(drill);
            let lacked: Vec<_> = ids.iter().map(|id| (*id, self.lacks(*id))).collect();
            let mut waters: Vec<Asks<u64>> = ids.iter().filter_map(|id| self.asks_water(*id)).collect();
            let mut items: Vec<Asks<u32>> = ids.iter().flat_map(|id| self.asks_items(*id)).collect();
            let flows = waters
                .iter()
                .flat_map(|asks| &asks.share.near)
                .filter_map(|(_, source)| self.state.water.get(source).map(|water| (*source, water.is.flow_lps)));
            let free = water.entry(String::new()).or_default();
            flows.for_each(|(source, flow_lps)| {
                free.entry(source).or_insert(flow_lps);
            });
            give(&mut waters, &mut water);
            give(&mut items, &mut stock);
            waters.into_iter().for_each(|asks| self.has_water(asks));
            items.into_iter().for_each(|asks| self.has_item(asks));
            lacked.into_iter().for_each(|(id, lacked)| self.tell_lacks(id, lacked));
        }
    }

    fn stocks(&self) -> Free<u32> {
        let counts = |depots: &BTreeMap<u32, Stock>| depots.iter().map(|(depot, of)| (*depot, of.has())).collect();
        self.state.stock.iter().map(|(item, depots)| (item.clone(), counts(depots))).collect()
    }

    fn in_need(&self, drill: bool) -> Vec<u64> {
        let gravity = |of: &Incident| self.desk.config.demand.gravity.get(&of.severity).copied();
        let of = self.state.incidents.iter().filter(|(_, of)| of.drill == drill);
        of.map(|(id, of)| (Reverse(gravity(of)), *id)).collect::<BTreeSet<_>>().into_iter().map(|(_, id)| id).collect()
    }

    fn asks_water(&mut self, id: u64) -> Option<Asks<u64>> {
        let incident = self.state.incidents.get(&id)?;
        let (place, has) = (incident.place, incident.water.clone());
        // Where nobody has told of any water, nobody counts on being told.
        let is_told = !self.state.water.is_empty();
        let demand = self.desk.config.demand.level(&incident.cause, incident.level);
        let needed = demand.map_or(0, |demand| demand.water_lps) * u32::from(is_told);
        let near = self.water_near(id, place);
        Some(Asks { id, item: String::new(), has, share: Share::of(needed, near) })
    }

    /// Water within reach of an incident, and how far it is, metres. Looked for once, and when some is told of that is near.
    fn water_near(&mut self, id: u64, place: Option<Position>) -> Vec<(u32, u64)> {
        let (Some(place), reach_m) = (place, self.desk.config.water_reach_m) else { return Vec::new() };
        let (near_water, water) = (&mut self.state.reach.near_water, &self.state.water);
        let look = || {
            let near = water.iter().map(|(source, of)| (of.is.place.distance_m(place), *source));
            near.filter(|(away_m, _)| *away_m <= reach_m).map(|(away_m, source)| (away_m as u32, source)).collect()
        };
        near_water.entry(id).or_insert_with(look).clone()
    }

    fn asks_items(&mut self, id: u64) -> Vec<Asks<u32>> {
        let Some(incident) = self.state.incidents.get(&id) else { return Vec::new() };
        let demand = self.desk.config.demand.level(&incident.cause, incident.level);
        let mut needed: BTreeMap<String, u32> = demand.map(|demand| demand.supplies.clone()).unwrap_or_default();
        // What is not needed any more is given back.
        incident.supplies.keys().for_each(|item| {
            needed.entry(item.clone()).or_default();
        });
        if needed.is_empty() {
            return Vec::new();
        }
        let (node, supplies, mut asks) = (incident.node, incident.supplies.clone(), Vec::new());
        let near = self.depots_near(node);
        for (item, needed) in needed {
            let supply = supplies.get(&item).cloned().unwrap_or_default();
            let share = Share::of(needed.saturating_sub(supply.handed), near.clone());
            asks.push(Asks { id, item, has: supply.set_aside, share });
        }
        asks
    }

    /// Depots from which there is a way, and how long it takes.
    fn depots_near(&mut self, node: Option<NodeId>) -> Vec<(u32, u32)> {
        let (desk, Some(node)) = (self.desk, node) else { return Vec::new() };
        let (reach, ..) = self.state.parts(desk);
        let way_ms = |tree: usize| reach.stations.time_ms(tree, node);
        desk.depots.iter().filter_map(|(depot, tree)| Some((way_ms(*tree)?, *depot))).collect()
    }

    fn has_water(&mut self, Asks { id, share, .. }: Asks<u64>) {
        let Some(incident) = self.state.incidents.get_mut(&id) else { return };
        if (&share.given, share.lacks) == (&incident.water, incident.lacks_lps) {
            return;
        }
        let from = |(away_m, source): &(u32, u64)| {
            share.given.get(source).map(|flow_lps| WaterFrom { source: *source, away_m: *away_m, flow_lps: *flow_lps })
        };
        let (from, lacks_lps) = (share.near.iter().filter_map(from).collect(), share.lacks);
        (incident.water, incident.lacks_lps) = (share.given, lacks_lps);
        self.tell_of(id, IncidentTold::Water { from, lacks_lps });
    }

    fn has_item(&mut self, Asks { id, item, has, share }: Asks<u32>) {
        let Some(incident) = self.state.incidents.get_mut(&id) else { return };
        let supply = incident.supplies.entry(item.clone()).or_default();
        if (&share.given, share.lacks) == (&has, supply.lacks) && !supply.untold {
            return;
        }
        let from = |(way_ms, depot): &(u32, u32)| {
            share.given.get(depot).map(|count| SupplyFrom { depot: *depot, count: *count, way_ms: *way_ms })
        };
        let (from, lacks, drill) = (share.near.iter().filter_map(from).collect(), share.lacks, incident.drill);
        (supply.set_aside, supply.lacks, supply.untold) = (share.given.clone(), lacks, false);
        let set_aside = |depot: &u32| incident.supplies.values().any(|supply| supply.set_aside.contains_key(depot));
        let no_more: Vec<u32> = has.keys().filter(|depot| !set_aside(depot)).copied().collect();
        no_more.into_iter().for_each(|depot| self.brings(id, depot));
        self.tell_of(id, IncidentTold::Supplies { item, from, lacks });
        // Whoever is to bring more than before has to know.
        for (depot, count) in share.given {
            if has.get(&depot).is_none_or(|had| *had < count) {
                self.brings(id, depot);
                let district = self.desk.config.depots.get(&depot).map(|depot| depot.district).unwrap_or_default();
                let rungs = self.rungs(Recipient::Depot(depot), district);
                self.notify(About::Bring, Some(id), drill, rungs);
            }
        }
    }

    /// What an incident lacks: water, and how much of each item.
    fn lacks(&self, id: u64) -> BTreeMap<String, u32> {
        let Some(incident) = self.state.incidents.get(&id) else { return BTreeMap::new() };
        let items = incident.supplies.iter().map(|(item, supply)| (item.clone(), supply.lacks));
        items.chain([(String::new(), incident.lacks_lps)]).filter(|(_, lacks)| *lacks > 0).collect()
    }

    /// Whoever can bring what nobody near has is told as long as something is lacking, and again when that is more.
    fn tell_lacks(&mut self, id: u64, lacked: BTreeMap<String, u32>) {
        let lacks = self.lacks(id);
        let more = lacks.iter().any(|(item, count)| lacked.get(item).is_none_or(|lacked| lacked < count));
        if more || lacks.is_empty() {
            self.forget_notices(id, |about| about == About::Lacks);
        }
        let of = self.state.incidents.get(&id).map(|of| (of.district, of.drill)).filter(|_| more);
        if let Some((district, drill)) = of {
            let rungs = self.rungs(Recipient::HeadStation, district);
            self.notify(About::Lacks, Some(id), drill, rungs);
        }
    }
}
