//! The scene of a plan: who could fill which slot, and what that costs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cost, Crew, Duty, Going, Missing, Need, Offered, Order, Plan, PlanConfig, Problem, Skills, Slot};

/// A scene as it is planned.
pub(super) struct Scene<'s> {
    pub(super) crews: Vec<(u64, &'s Crew)>,
    pub(super) needs: Vec<Asked<'s>>,
    /// Crews that would be the first of an incident by less than it is worth pushing another out for.
    pub(super) passed_over: BTreeSet<(u64, u64)>,
    /// Incidents at which that spared nobody from turning around, so all may be the first.
    spares_nobody: BTreeSet<u64>,
    /// An incident, and a crew that does not go there: to see what the plan would be without it.
    pub(super) barred: Option<(u64, u64)>,
}

/// An incident as it is planned.
pub(super) struct Asked<'s> {
    pub(super) incident: u64,
    pub(super) need: &'s Need,
    /// The slot of the crew that must be there first; none if somebody is there.
    lead: Option<usize>,
    /// Of the crews that were sent, the one that would be there first.
    first: Option<u64>,
}

impl PlanConfig {
    /// What it costs that a crew fills a slot that it may fill; `bound` is the incident that it is bound for.
    pub(super) fn pair(
        &self,
        asked: &Asked<'_>,
        nth: usize,
        (crew, of): (u64, &Crew),
        eta_ms: u32,
        bound: Option<&Asked<'_>>,
    ) -> Cost {
        let (incident, leads) = (asked.incident, asked.leads(nth));
        let (weight, price_ms) = (asked.need.slots[nth].weight(), more_than_ms(self.switching_ms, 100));
        let mut cost = Cost {
            orders_broken: -i64::from(of.is_owed(incident)),
            tie: Cost::tie_of(crew, incident.wrapping_mul(1 << 16).wrapping_add(nth as u64)),
            ..Cost::ZERO
        };
        let (first_ms, rest_ms) = (&mut cost.first_ms, &mut cost.rest_ms);
        if leads {
            *first_ms = eta_ms.into();
        } else {
            *rest_ms = i64::from(eta_ms) * weight / 100;
        }
        // Going on is paid for, so that turning around costs the same whoever goes instead, and wherever it goes then.
        match bound {
            Some(to) if to.incident == incident && to.first == Some(crew) => *first_ms -= price_ms,
            Some(to) if to.incident == incident => {
                *rest_ms -= more_than_ms(self.switching_ms, weight);
            }
            // The first of another incident loses what it is paid there.
            Some(to) if leads && to.first != Some(crew) => *first_ms += price_ms,
            _ => {}
        }
        let (place, weight) = if leads { (first_ms, 100) } else { (rest_ms, weight) };
        match of.offered {
            Some(Offered::Goes { incident: to }) if to == incident => {
                *place -= more_than_ms(self.rethinking_ms, weight)
            }
            // Whoever is to come back is no more than others are, so that those do not take turns who pass each other.
            Some(Offered::Back) if bound.is_some_and(|to| to.incident == incident) => {
                *place += more_than_ms(self.rethinking_ms, weight);
            }
            _ => {}
        }
        cost
    }
}

/// The least that is more than a price, so that saving just that is not enough, of a slot of such a weight.
fn more_than_ms(price_ms: u32, weight_pct: i64) -> i64 {
    (i64::from(price_ms) * weight_pct + 99) / 100 + 1
}

impl<'s> Scene<'s> {
    pub(super) fn new(config: &PlanConfig, needs: &'s BTreeMap<u64, Need>, crews: &'s BTreeMap<u64, Crew>) -> Self {
        let crews: Vec<(u64, &Crew)> = crews.iter().map(|(of, crew)| (*of, crew)).collect();
        let asked = |(incident, need): (&u64, &'s Need)| {
            // Who is there and can do nothing that is asked for is no first crew.
            let can = |crew: &Crew| need.slots.iter().any(|slot| crew.skills.cover(slot.asks));
            let is_there =
                |crew: &Crew| matches!(crew.duty, Duty::OnScene { incident: at } if at == *incident) && can(crew);
            let may = |slot: &Slot| crews.iter().any(|(_, crew)| crew.may_fill(*incident, *slot));
            // If nobody can fill any, the first is as good as another.
            let lead = need.slots.iter().position(may).unwrap_or_default();
            let lead = Some(lead).filter(|_| !crews.iter().any(|(_, crew)| is_there(crew)));
            Asked { incident: *incident, need, lead, first: None }
        };
        let needs = needs.iter().map(asked).collect();
        let (passed_over, spares_nobody) = (BTreeSet::new(), BTreeSet::new());
        let mut scene = Scene { crews, needs, passed_over, spares_nobody, barred: None };
        scene.choose_leads(config);
        scene.find_firsts();
        scene
    }

    /// The same, with the leads and the crews that are passed over of a plan: what it comes to if a crew is missing can be compared with that.
    pub(super) fn led_as(mut self, plan: &Plan) -> Self {
        for asked in &mut self.needs {
            let leads = plan.going.iter().find(|going| going.incident == asked.incident && going.leads);
            asked.lead = leads.map(|leads| leads.slot).or(asked.lead);
        }
        self.passed_over = plan.passed_over.iter().copied().collect();
        self.find_firsts();
        self
    }

    /// Where slots ask for different things, whoever is there first decides which of them must be. As few incidents as can be have nobody, and
    /// somebody is soon at each; whoever would turn around for that is as much later as turning around costs.
    fn choose_leads(&mut self, config: &PlanConfig) {
        if self.needs.iter().all(|asked| asked.lead.is_none() || asked.asks_alike()) {
            return;
        }
        let (mut problem, mut of) = (Problem::new(self.crews.len()), Vec::new());
        for (at, asked) in self.needs.iter().enumerate().filter(|(_, asked)| asked.lead.is_some()) {
            let slot = problem.slot(Cost { first_unfilled: asked.gravity(), ..Cost::ZERO });
            of.push(at);
            for (number, (crew, of)) in self.crews.iter().enumerate() {
                let rank = asked.need.slots.iter().position(|slot| of.may_fill(asked.incident, *slot));
                let Some((rank, eta_ms)) = rank.zip(of.eta_ms(asked.incident)) else { continue };
                let turns = self.bound_for(of).is_some_and(|to| to.incident != asked.incident);
                let waits = of.offered == Some(Offered::Goes { incident: asked.incident });
                let costs_ms = if turns { more_than_ms(config.switching_ms, 100) } else { 0 }
                    - if waits { more_than_ms(config.rethinking_ms, 100) } else { 0 };
                let (first_ms, rest_ms) = (i64::from(eta_ms) + costs_ms, rank as i64);
                let tie = Cost::tie_of(*crew, asked.incident);
                problem.may_fill(number, slot, Cost { first_ms, rest_ms, tie, ..Cost::ZERO });
            }
        }
        for (at, crew) in of.into_iter().zip(problem.solve().crews) {
            let Some((_, crew)) = crew.map(|crew| self.crews[crew]) else { continue };
            let asked = &mut self.needs[at];
            asked.lead = asked.need.slots.iter().position(|slot| crew.may_fill(asked.incident, *slot));
        }
    }

    fn find_firsts(&mut self) {
        for asked in &mut self.needs {
            let (incident, slot) = (asked.incident, asked.lead.and_then(|lead| asked.need.slots.get(lead)));
            let bound = |crew: &Crew| matches!(crew.duty, Duty::Sent { incident: to } if to == incident);
            let on_way = self
                .crews
                .iter()
                .filter(|(_, crew)| bound(crew) && slot.is_some_and(|slot| crew.may_fill(incident, *slot)));
            let soonest =
                |(of, crew): &&(u64, &Crew)| (crew.offered == Some(Offered::Back), crew.eta_ms(incident), *of);
            asked.first = on_way.min_by_key(soonest).map(|(of, _)| *of);
        }
    }

    /// Of an incident, passes over all who would be its first where that only pushes out another that is under way, and saves no more than the price of
    /// that: the first of those under way goes on there, as one of the others. Costs cannot tell this, for what each crew costs does not depend on
    /// where others go. The incidents at which that is so.
    pub(super) fn passes_over(&mut self, config: &PlanConfig, going: &[Going]) -> BTreeSet<u64> {
        let (pushed_out, mut found) = (self.pushed_out(going), Vec::new());
        for asked in self.needs.iter().filter(|asked| pushed_out.contains_key(&asked.incident)) {
            let is_new = !self.spares_nobody.contains(&asked.incident)
                && !self.passed_over.iter().any(|(incident, _)| *incident == asked.incident);
            let leads = going.iter().find(|going| going.incident == asked.incident && going.leads);
            if is_new && leads.is_some_and(|leads| self.is_newcomer(config, asked, going, leads.crew)) {
                let newcomers = self.crews.iter().filter(|(crew, _)| self.is_newcomer(config, asked, going, *crew));
                found.extend(newcomers.map(|(crew, _)| (asked.incident, *crew)));
            }
        }
        self.passed_over.extend(&found);
        found.into_iter().map(|(incident, _)| incident).collect()
    }

    /// Takes back what was `passed` over at incidents where those who were pushed out `before` do not go on for all that. Whether there was such an
    /// incident.
    pub(super) fn takes_back(&mut self, passed: &BTreeSet<u64>, before: &[Going], going: &[Going]) -> bool {
        let (were_out, are_out) = (self.pushed_out(before), self.pushed_out(going));
        let in_vain = passed.iter().copied().filter(|incident| {
            let out = are_out.get(incident);
            were_out.get(incident).is_some_and(|were| were.iter().all(|crew| out.is_some_and(|out| out.contains(crew))))
        });
        let in_vain: BTreeSet<u64> = in_vain.collect();
        self.passed_over.retain(|(incident, _)| !in_vain.contains(incident));
        self.spares_nobody.extend(&in_vain);
        !in_vain.is_empty()
    }

    /// Crews that are under way and would not go on, nor be the first elsewhere, by the incident that they are bound for.
    fn pushed_out(&self, going: &[Going]) -> BTreeMap<u64, BTreeSet<u64>> {
        let to: BTreeMap<u64, &Going> = going.iter().map(|going| (going.crew, going)).collect();
        let mut pushed_out: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for (crew, of) in &self.crews {
            let goes_on = |incident: u64| to.get(crew).is_some_and(|to| to.incident == incident || to.leads);
            if let Some(incident) = self.bound_for(of).map(|to| to.incident).filter(|to| !goes_on(*to)) {
                pushed_out.entry(incident).or_default().insert(*crew);
            }
        }
        pushed_out
    }

    /// Whether a crew that comes anew would be sooner than the first of those under way, who goes on, and by no more than turning another around costs.
    fn is_newcomer(&self, config: &PlanConfig, asked: &Asked<'_>, going: &[Going], crew: u64) -> bool {
        let goes_on = |first: &u64| going.iter().any(|of| of.crew == *first && of.incident == asked.incident);
        let Some(first) = asked.first.filter(goes_on) else { return false };
        let of = |crew: u64| self.crews.binary_search_by_key(&crew, |(of, _)| *of).ok().map(|at| self.crews[at].1);
        let (Some(first), Some(newcomer)) = (of(first), of(crew)) else { return false };
        let slot = asked.lead.and_then(|lead| asked.need.slots.get(lead));
        if newcomer.is_held() || !slot.is_some_and(|slot| newcomer.may_fill(asked.incident, *slot)) {
            return false;
        }
        let bound = self.bound_for(newcomer);
        let (turned, [first_ms, comes_ms]) = (
            1 + i64::from(bound.is_some()),
            [first, newcomer].map(|of| of.eta_ms(asked.incident).map_or(0, i64::from)),
        );
        bound.is_none_or(|to| to.incident != asked.incident)
            && first_ms - comes_ms < turned * more_than_ms(config.switching_ms, 100)
    }

    /// Of slots that are alike the first are filled, by who is there first: the solver cannot tell them apart.
    pub(super) fn in_rank(&self, plan: &mut Plan) {
        let of: BTreeMap<u64, &Asked<'_>> = self.needs.iter().map(|asked| (asked.incident, asked)).collect();
        let kind = |incident: u64, slot: usize| {
            let asked = of[&incident];
            let Slot { asks, weight_pct } = asked.need.slots[slot];
            (incident, asked.leads(slot), asks, weight_pct)
        };
        let mut crews: BTreeMap<_, BTreeSet<(u32, u64)>> = BTreeMap::new();
        for going in plan.going.drain(..) {
            crews.entry(kind(going.incident, going.slot)).or_default().insert((going.eta_ms, going.crew));
        }
        plan.missing.clear();
        for asked in &self.needs {
            for slot in 0..asked.need.slots.len() {
                let incident = asked.incident;
                match crews.get_mut(&kind(incident, slot)).and_then(BTreeSet::pop_first) {
                    Some((eta_ms, crew)) => {
                        plan.going.push(Going { incident, slot, crew, eta_ms, leads: asked.leads(slot) })
                    }
                    None => plan.missing.push(Missing { incident, slot }),
                }
            }
        }
    }

    /// The incident to which a crew was sent, if it is still open and the crew could still fill a slot of it.
    pub(super) fn bound_for(&self, crew: &Crew) -> Option<&Asked<'s>> {
        let Duty::Sent { incident: to } = crew.duty else { return None };
        let asked = self.needs.iter().find(|asked| asked.incident == to)?;
        asked.need.slots.iter().any(|slot| crew.may_fill(to, *slot)).then_some(asked)
    }
}

impl Asked<'_> {
    /// Whether the crew of a slot must be there first.
    pub(super) fn leads(&self, nth: usize) -> bool {
        self.lead == Some(nth)
    }

    fn asks_alike(&self) -> bool {
        self.need.slots.windows(2).all(|two| two[0].asks == two[1].asks)
    }

    fn gravity(&self) -> i64 {
        self.need.gravity.clamp(1, 1_000).into()
    }

    /// What it costs that nobody fills a slot.
    pub(super) fn unfilled(&self, nth: usize) -> Cost {
        if self.leads(nth) {
            Cost { first_unfilled: self.gravity(), ..Cost::ZERO }
        } else {
            Cost { unfilled: self.gravity() * self.need.slots[nth].weight(), ..Cost::ZERO }
        }
    }
}

impl Slot {
    fn weight(self) -> i64 {
        self.weight_pct.clamp(1, 10_000).into()
    }
}

impl Crew {
    /// Whether it is where it is by more than the plan: it is there, or people have sent it.
    fn is_held(&self) -> bool {
        matches!(self.duty, Duty::OnScene { .. }) || matches!(self.order, Some(Order::Goes { .. }))
    }

    /// Whether a slot of an incident is its own, whoever else could be there sooner: it is there, or people have ordered it there and it is not yet under
    /// way. Once it is, it goes on whether it fills a slot or not, and who is nearer need not stay away.
    fn is_owed(&self, incident: u64) -> bool {
        self.is_held() && self.duty != Duty::Sent { incident }
    }

    /// When it is at an incident, milliseconds from now; nothing if there is no way.
    pub(super) fn eta_ms(&self, incident: u64) -> Option<u32> {
        match self.duty {
            Duty::OnScene { incident: at } if at == incident => Some(0),
            _ => self.eta_ms.get(&incident).copied(),
        }
    }

    /// Whether it can fill a slot, and no order and no scene keeps it from that.
    fn may_fill(&self, incident: u64, slot: Slot) -> bool {
        self.may_do(incident, slot.asks)
    }

    /// Whether it can do something at an incident, and no order and no scene keeps it from that.
    pub(super) fn may_do(&self, incident: u64, asks: Skills) -> bool {
        self.skills.cover(asks) && self.may_go(incident).is_some()
    }

    /// When it is at an incident, milliseconds from now, if there is a way and no order and no scene keeps it from there.
    pub(super) fn may_go(&self, incident: u64) -> Option<u32> {
        let free = match (self.duty, self.order) {
            // Who is there stays there, whatever is ordered of where to go.
            (Duty::OnScene { incident: at }, _) => at == incident,
            (_, Some(Order::Goes { incident: to })) => to == incident,
            (_, Some(Order::GoesNot { incident: not })) => not != incident,
            (_, Some(Order::Stays)) => false,
            (_, None) => true,
        };
        free.then(|| self.eta_ms(incident)).flatten()
    }
}

/// Crews that were ordered to an incident, and neither fill a slot of it nor are under way to one that they could fill.
pub(super) fn unkept(scene: &Scene<'_>, going: &[Going]) -> Vec<u64> {
    let goes = |of: u64, to: u64| going.iter().any(|going| going.crew == of && going.incident == to);
    let is_kept =
        |of: u64, crew: &Crew, to: u64| goes(of, to) || scene.bound_for(crew).is_some_and(|of| of.incident == to);
    let unkept = scene
        .crews
        .iter()
        .filter(|(of, crew)| matches!(crew.order, Some(Order::Goes { incident }) if !is_kept(*of, crew, incident)));
    unkept.map(|(of, _)| *of).collect()
}
