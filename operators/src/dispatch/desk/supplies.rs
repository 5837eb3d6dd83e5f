//! Water and supplies: who has what, and which incident gets it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use watchfire_engine::Verdict;

use super::turn::Turn;
use crate::dispatch::supply::Share;
use crate::dispatch::{About, Incident, IncidentTold, Recipient, SupplyFrom, WaterFrom, WaterSource};
use crate::road::NodeId;

/// How much there is of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Stock {
    pub(super) count: u32,
    /// When that was told, by the clock of the source, milliseconds.
    pub(super) at_ms: i64,
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
        let at_ms = self.heard_ms;
        match self.state.water.get(&source) {
            Some(known) if known.at_ms > at_ms => return Verdict::Late,
            Some(known) if known.is == is => return Verdict::Duplicate,
            _ => {}
        }
        self.state.water.insert(source, Water { is, at_ms });
        self.stale = true;
        Verdict::Applied
    }

    pub(super) fn stock(&mut self, depot: u32, item: &str, count: u32) -> Verdict {
        if !self.desk.config.depots.contains_key(&depot) {
            return self.no_depot(depot);
        }
        let at_ms = self.heard_ms;
        let known = self.state.stock.entry(item.to_owned()).or_default().entry(depot);
        let known = known.or_insert(Stock { count: 0, at_ms: i64::MIN });
        if known.at_ms > at_ms {
            return Verdict::Late;
        }
        if *known == (Stock { count, at_ms }) {
            return Verdict::Duplicate;
        }
        *known = Stock { count, at_ms };
        self.stale = true;
        Verdict::Applied
    }

    /// A depot has handed out something for an incident: it has so much less, and the incident has it.
    pub(super) fn handed(&mut self, incident: u64, depot: u32, item: &str, count: u32) -> Verdict {
        if !self.desk.config.depots.contains_key(&depot) {
            return self.no_depot(depot);
        }
        let at_ms = self.heard_ms;
        let Some(of) = self.state.incidents.get_mut(&incident) else { return self.no_incident(incident) };
        let supply = of.supplies.entry(item.to_owned()).or_default();
        if supply.handed_ms.get(&depot).is_some_and(|last_ms| *last_ms >= at_ms) {
            return Verdict::Duplicate;
        }
        supply.handed_ms.insert(depot, at_ms);
        supply.handed = supply.handed.saturating_add(count);
        if let Some(aside) = supply.set_aside.get_mut(&depot) {
            *aside = aside.saturating_sub(count);
        }
        // What was counted since has it left out already.
        let stock = self.state.stock.get_mut(item).and_then(|stock| stock.get_mut(&depot));
        if let Some(stock) = stock.filter(|stock| stock.at_ms <= at_ms) {
            stock.count = stock.count.saturating_sub(count);
        }
        self.stale = true;
        Verdict::Applied
    }

    fn no_depot(&mut self, depot: u32) -> Verdict {
        let why = format!("depot {depot} is not known. Remedy: add the depot, or mend the report.");
        self.refuse("E0493", why)
    }

    /// Gives water and supplies to those who need them: what is real first, the graver first, and of these the older. What is laid or set aside stays
    /// where it is, but for an exercise.
    pub(super) fn supplies(&mut self) {
        let mut water = Free::from([(String::new(), self.flows())]);
        let mut stock = self.stocks();
        for drill in [false, true] {
            let ids = self.in_need(drill);
            let lacked: Vec<_> = ids.iter().map(|id| (*id, self.lacks(*id))).collect();
            let mut waters: Vec<Asks<u64>> = ids.iter().filter_map(|id| self.asks_water(*id)).collect();
            let mut items: Vec<Asks<u32>> = ids.iter().flat_map(|id| self.asks_items(*id)).collect();
            give(&mut waters, &mut water);
            give(&mut items, &mut stock);
            waters.into_iter().for_each(|asks| self.has_water(asks));
            items.into_iter().for_each(|asks| self.has_item(asks));
            lacked.into_iter().for_each(|(id, lacked)| self.tell_lacks(id, lacked));
        }
    }

    fn flows(&self) -> BTreeMap<u64, u32> {
        self.state.water.iter().map(|(id, of)| (*id, of.is.flow_lps)).collect()
    }

    fn stocks(&self) -> Free<u32> {
        let counts = |depots: &BTreeMap<u32, Stock>| depots.iter().map(|(depot, of)| (*depot, of.count)).collect();
        self.state.stock.iter().map(|(item, depots)| (item.clone(), counts(depots))).collect()
    }

    fn in_need(&self, drill: bool) -> Vec<u64> {
        let gravity = |of: &Incident| self.desk.config.demand.gravity.get(&of.severity).copied();
        let of = self.state.incidents.iter().filter(|(_, of)| of.drill == drill);
        of.map(|(id, of)| (Reverse(gravity(of)), *id)).collect::<BTreeSet<_>>().into_iter().map(|(_, id)| id).collect()
    }

    fn asks_water(&self, id: u64) -> Option<Asks<u64>> {
        let (incident, reach_m) = (self.state.incidents.get(&id)?, self.desk.config.water_reach_m);
        // Where nobody has told of any water, nobody counts on being told.
        let is_told = !self.state.water.is_empty();
        let demand = self.desk.config.demand.level(&incident.cause, incident.level);
        let needed = demand.map_or(0, |demand| demand.water_lps) * u32::from(is_told);
        let away_m = |of: &Water| incident.place.map(|place| of.is.place.distance_m(place)).filter(|m| *m <= reach_m);
        let near = self.state.water.iter().filter_map(|(of, water)| Some((away_m(water)? as u32, *of)));
        Some(Asks { id, item: String::new(), has: incident.water.clone(), share: Share::of(needed, near.collect()) })
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
        if (&share.given, share.lacks) == (&has, supply.lacks) {
            return;
        }
        let from = |(way_ms, depot): &(u32, u32)| {
            share.given.get(depot).map(|count| SupplyFrom { depot: *depot, count: *count, way_ms: *way_ms })
        };
        let (from, lacks, drill) = (share.near.iter().filter_map(from).collect(), share.lacks, incident.drill);
        (supply.set_aside, supply.lacks) = (share.given.clone(), lacks);
        self.tell_of(id, IncidentTold::Supplies { item, from, lacks });
        // Whoever is to bring more than before has to know.
        for (depot, count) in share.given {
            if has.get(&depot).is_none_or(|had| *had < count) {
                let meant_for = Recipient::Depot(depot);
                self.state.notices.retain(|_, of| of.incident != Some(id) || of.meant_for() != meant_for);
                let district = self.desk.config.depots.get(&depot).map(|depot| depot.district).unwrap_or_default();
                let rungs = self.rungs(meant_for, district);
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
