//! The assignment that costs least.

use std::ops::Range;

use super::Cost;
use super::cost::{Amount, Packed};

/// No node.
const NONE: u32 = u32::MAX;

/// Who may fill which slot, and what that costs.
///
/// Each slot is filled by one crew or by none, each crew fills one slot or none. A crew that leaves its area makes that area's next price
/// due: the first to leave the first price, and so on. Prices of an area must not fall, for an area that has less to lose has more to
/// fear; then the cheapest assignment is a flow of least cost, and [`solve`](Problem::solve) finds it exactly.
///
/// # Examples
/// One crew is nearest to both fires; the one for whom it matters less gets the other.
/// ```
/// use watchfire_operators::dispatch::{Cost, Problem};
/// let ms = |rest_ms| Cost { rest_ms, ..Cost::ZERO };
/// let mut problem = Problem::new(2);
/// let nobody = Cost { unfilled: 1, ..Cost::ZERO };
/// let (north, south) = (problem.slot(nobody), problem.slot(nobody));
/// problem.may_fill(0, north, ms(60_000));
/// problem.may_fill(0, south, ms(80_000));
/// problem.may_fill(1, north, ms(240_000));
/// problem.may_fill(1, south, ms(90_000));
/// let plan = problem.solve();
/// assert_eq!((plan.crews, plan.cost), (vec![Some(0), Some(1)], ms(150_000)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Problem {
    crews: usize,
    /// What it costs to leave each slot unfilled.
    unfilled: Vec<Cost>,
    /// Who may fill each slot, and for what.
    may: Vec<Vec<(u32, Cost)>>,
    /// The area of each crew.
    area: Vec<u32>,
    /// The prices of each area.
    prices: Vec<Vec<Cost>>,
}

/// Who fills which slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The crew of each slot.
    pub crews: Vec<Option<usize>>,
    /// What all of it costs, slots that are unfilled and prices of areas included.
    pub cost: Cost,
}

impl Problem {
    /// Of so many crews, and nothing for them to do.
    #[must_use]
    pub fn new(crews: usize) -> Self {
        Problem { crews, area: vec![NONE; crews], ..Problem::default() }
    }

    /// Another slot, and what it costs to leave it unfilled. Its number.
    pub fn slot(&mut self, unfilled: Cost) -> usize {
        self.unfilled.push(unfilled);
        // As many crews, it is likely, may fill it as may fill the one before.
        self.may.push(Vec::with_capacity(self.may.last().map_or(0, Vec::len)));
        self.unfilled.len() - 1
    }

    /// A crew may fill a slot. Said twice, the cheaper holds.
    ///
    /// # Panics
    /// If there is no such crew or slot: numbers are those that this problem gave out.
    pub fn may_fill(&mut self, crew: usize, slot: usize, cost: Cost) {
        assert!(crew < self.crews, "crew {crew} of {}", self.crews);
        self.may[slot].push((crew as u32, cost));
    }

    /// Another area, with the crews that it has and the price of each that leaves; of those after the last price it is the last. Prices that fall
    /// are taken as if they did not. A crew is in one area at most, the last that was said.
    ///
    /// # Panics
    /// If there is no such crew.
    pub fn area(&mut self, crews: impl IntoIterator<Item = usize>, prices: impl IntoIterator<Item = Cost>) {
        let mut prices: Vec<Cost> = prices.into_iter().collect();
        (1..prices.len()).for_each(|n| prices[n] = prices[n].max(prices[n - 1]));
        for crew in crews {
            self.area[crew] = self.prices.len() as u32;
        }
        self.prices.push(prices);
    }

    /// The assignment that costs least; of several the one that is found first, which ties in [`Cost::tie`] should rule out.
    ///
    /// Slots are added one by one, each by the cheapest chain of changes: O(slots x (pairs + areas x crews + (slots + areas)^2)) at worst, and in practice
    /// the pairs of a few slots for each. Where a place of a cost is larger than anything in a plan, it takes some times as long.
    #[must_use]
    pub fn solve(&self) -> Assignment {
        let crews = if self.packs() { Flow::<Packed>::new(self).solve() } else { Flow::<Cost>::new(self).solve() };
        let cost = self.cost(&crews);
        Assignment { crews, cost }
    }

    /// What an assignment costs, by the definition; slots of which a crew may not fill them are unfilled, and what is said of more slots than there are counts
    /// for nothing.
    #[must_use]
    pub fn cost(&self, crews: &[Option<usize>]) -> Cost {
        let mut gone = vec![0; self.prices.len()];
        let slot = |(slot, crew): (usize, &Option<usize>)| {
            let pair = crew.and_then(|crew| self.pair(slot, crew as u32));
            let crew = crew.filter(|_| pair.is_some());
            if let Some(gone) = crew.and_then(|crew| gone.get_mut(self.area[crew] as usize)) {
                *gone += 1;
            }
            pair.unwrap_or(self.unfilled[slot])
        };
        let slots: Cost = crews.iter().take(self.unfilled.len()).enumerate().map(slot).sum();
        let areas: Cost =
            gone.iter().enumerate().map(|(area, gone)| (0..*gone).map(|n| self.price(area, n)).sum()).sum();
        slots + areas
    }

    /// Whether packed costs tell assignments apart as costs do.
    fn packs(&self) -> bool {
        let most = Packed::most(self.unfilled.len());
        let pairs = self.may.iter().flatten().map(|(_, cost)| cost);
        pairs.chain(&self.unfilled).chain(self.prices.iter().flatten()).all(|cost| cost.within(&most))
    }

    fn pair(&self, slot: usize, crew: u32) -> Option<Cost> {
        self.may[slot].iter().filter(|(of, _)| *of == crew).map(|(_, cost)| *cost).min()
    }

    /// The price of the crew that leaves after so many others have; nothing if there is no such area.
    fn price(&self, area: usize, gone: usize) -> Cost {
        let price = self.prices.get(area).and_then(|prices| prices.get(gone).or(prices.last()));
        price.copied().unwrap_or_default()
    }
}

/// An assignment of some slots, and the search for the cheapest way to add one (successive shortest paths, each by Dijkstra 1959 with potentials).
///
/// Nodes are the areas, then the slots that were added; crews without an area share one more that has no price. A chain of changes goes from the slot
/// that is added from node to node: from a slot over a crew that it takes, to the area or the slot that the crew leaves; from an area over a crew of it
/// that stays instead, to the slot that is left by that. It ends at a slot that is unfilled then, or at an area whose next price is due.
///
/// Potentials are such that no step of any chain costs less than they differ by. They stay so: each search changes those of the nodes that it was at.
struct Flow<'p, A> {
    of: &'p Problem,
    /// Who may fill a slot and for what, slot by slot.
    pairs: Vec<(u32, A)>,
    /// Where those of each slot are.
    rows: Vec<Range<usize>>,
    /// Which pair each slot has.
    held: Vec<Option<usize>>,
    /// The area of each crew, and how many crews have left each.
    home: Vec<u32>,
    gone: Vec<usize>,
    /// What a chain costs that ends at a node.
    ending: Vec<A>,
    potential: Vec<A>,
    /// To which node a chain over each crew leads, and what that adds: less what is saved there, and less the potential.
    leads: Vec<(u32, A)>,
    /// How far each node is, beyond what potentials say; of nodes that were not reached, as far as the end was at first.
    dist: Vec<A>,
    /// From which node it was reached, and by which pair, or of an area over which crew.
    from: Vec<(u32, u32)>,
    is_done: Vec<bool>,
    done: Vec<usize>,
}

impl<'p, A: Amount> Flow<'p, A> {
    fn new(of: &'p Problem) -> Self {
        let (areas, zero) = (of.prices.len() + 1, A::of(Cost::ZERO));
        let ending: Vec<A> = (0..areas).map(|area| A::of(of.price(area, 0))).collect();
        Flow {
            of,
            pairs: Vec::with_capacity(of.may.iter().map(Vec::len).sum()),
            rows: Vec::new(),
            held: Vec::new(),
            home: of.area.iter().map(|area| (*area).min(areas as u32 - 1)).collect(),
            gone: vec![0; areas],
            // Nobody has left, so it is as far to the end from an area as its first price says.
            potential: ending.iter().map(|price| zero - *price).collect(),
            ending,
            leads: vec![(NONE, zero); of.crews],
            dist: Vec::new(),
            from: Vec::new(),
            is_done: Vec::new(),
            done: Vec::new(),
        }
    }

    /// The crew of each slot.
    fn solve(mut self) -> Vec<Option<usize>> {
        (0..self.of.unfilled.len()).for_each(|slot| self.add(slot));
        self.held.iter().map(|held| held.map(|pair| self.pairs[pair].0 as usize)).collect()
    }

    /// Adds a slot by the cheapest chain.
    fn add(&mut self, slot: usize) {
        self.lead();
        let (begin, unfilled) = (self.pairs.len(), A::of(self.of.unfilled[slot]));
        self.pairs.extend(self.of.may[slot].iter().map(|(crew, cost)| (*crew, A::of(*cost))));
        self.rows.push(begin..self.pairs.len());
        self.held.push(None);
        self.ending.push(unfilled);
        self.potential.push(A::of(Cost::ZERO));
        let (end, last) = self.search();
        for node in &self.done {
            self.potential[*node] = self.potential[*node] + self.dist[*node] - end;
        }
        self.change(last);
    }

    /// Where crews lead, as they are assigned now.
    fn lead(&mut self) {
        let (areas, zero) = (self.gone.len(), A::of(Cost::ZERO));
        for (leads, home) in self.leads.iter_mut().zip(&self.home) {
            *leads = (*home, zero - self.potential[*home as usize]);
        }
        for (slot, pair) in self.held.iter().enumerate() {
            if let Some((crew, cost)) = pair.map(|pair| self.pairs[pair]) {
                let node = areas + slot;
                self.leads[crew as usize] = (node as u32, zero - cost - self.potential[node]);
            }
        }
    }

    /// Finds the cheapest chain from the newest slot: what it costs, and the node at which it ends.
    fn search(&mut self) -> (A, usize) {
        let (nodes, newest) = (self.ending.len(), self.ending.len() - 1);
        let (mut end, mut last, mut next) = (self.ending[newest], newest, Some(newest));
        self.done.clear();
        self.is_done.clear();
        self.is_done.resize(nodes, false);
        self.from.resize(nodes, (NONE, NONE));
        self.dist.clear();
        self.dist.resize(nodes, end);
        self.dist[newest] = A::of(Cost::ZERO);
        while let Some(node) = next {
            self.is_done[node] = true;
            self.done.push(node);
            let base = self.dist[node] + self.potential[node];
            if base + self.ending[node] < end {
                (end, last) = (base + self.ending[node], node);
            }
            self.leave(node, base);
            let mut nearest = end;
            next = None;
            for (node, dist) in self.dist.iter().enumerate() {
                if *dist < nearest && !self.is_done[node] {
                    (nearest, next) = (*dist, Some(node));
                }
            }
        }
        (end, last)
    }

    fn leave(&mut self, node: usize, base: A) {
        if let Some(slot) = node.checked_sub(self.gone.len()) {
            for pair in self.rows[slot].clone() {
                let (crew, cost) = self.pairs[pair];
                let (to, adds) = self.leads[crew as usize];
                self.reach(to, base + cost + adds, (node as u32, pair as u32));
            }
            return;
        }
        for crew in 0..self.home.len() {
            let (to, adds) = self.leads[crew];
            if self.home[crew] == node as u32 && to != node as u32 {
                self.reach(to, base + adds, (node as u32, crew as u32));
            }
        }
    }

    #[inline]
    fn reach(&mut self, node: u32, dist: A, from: (u32, u32)) {
        let at = node as usize;
        if dist < self.dist[at] {
            (self.dist[at], self.from[at]) = (dist, from);
        }
    }

    /// Carries out the chain that was found, from its last node back to the newest slot.
    fn change(&mut self, last: usize) {
        let (areas, newest) = (self.gone.len(), self.ending.len() - 1);
        if last < areas {
            self.gone[last] += 1;
            self.ending[last] = A::of(self.of.price(last, self.gone[last]));
        } else {
            self.held[last - areas] = None;
        }
        let mut node = last;
        while node != newest {
            let (before, by) = self.from[node];
            node = before as usize;
            if node >= areas {
                self.held[node - areas] = Some(by as usize);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use good_lp::{Expression, ProblemVariables, Solution, SolverModel, constraint, microlp, variable};
    use proptest::prelude::*;

    use super::*;

    fn ms(rest_ms: i64) -> Cost {
        Cost { rest_ms, ..Cost::ZERO }
    }

    /// The least cost by trying everything.
    fn tried(problem: &Problem, crews: &mut Vec<Option<usize>>) -> Cost {
        if crews.len() == problem.unfilled.len() {
            return problem.cost(crews);
        }
        let may: Vec<usize> = problem.may[crews.len()].iter().map(|(crew, _)| *crew as usize).collect();
        let free = may.into_iter().filter(|crew| !crews.contains(&Some(*crew))).map(Some).collect::<Vec<_>>();
        let each = free.into_iter().chain([None]).map(|crew| {
            crews.push(crew);
            let cost = tried(problem, crews);
            crews.pop();
            cost
        });
        each.collect::<Vec<_>>().into_iter().min().unwrap()
    }

    /// The places of a cost, first to last.
    const PLACES: [fn(&Cost) -> i64; 6] = [
        |cost| cost.orders_broken,
        |cost| cost.first_unfilled,
        |cost| cost.first_ms,
        |cost| cost.unfilled,
        |cost| cost.rest_ms,
        |cost| cost.tie,
    ];

    /// The least cost by an independent solver of mixed integer programs: place by place, each with those before it held at their least.
    fn by_milp(problem: &Problem) -> [i64; 6] {
        let mut least: Vec<i64> = Vec::new();
        for _ in PLACES {
            least.push(least_by_milp(problem, &least));
        }
        std::array::from_fn(|place| least[place])
    }

    fn least_by_milp(problem: &Problem, before: &[i64]) -> i64 {
        let mut all = ProblemVariables::new();
        let (mut costs, mut rules) = (vec![Expression::from(0); before.len() + 1], Vec::new());
        let mut of_crew = vec![Expression::from(0); problem.crews];
        let mut due = |costs: &mut Vec<Expression>, cost: &Cost| {
            let chosen = all.add(variable().binary());
            costs.iter_mut().zip(PLACES).for_each(|(sum, place)| *sum += place(cost) as f64 * chosen);
            chosen
        };
        for (slot, may) in problem.may.iter().enumerate() {
            let mut filled = Expression::from(due(&mut costs, &problem.unfilled[slot]));
            for (crew, cost) in may {
                let goes = due(&mut costs, cost);
                filled += goes;
                of_crew[*crew as usize] += goes;
            }
            rules.push(constraint!(filled == 1));
        }
        for area in 0..problem.prices.len() {
            let mut gone = Expression::from(0);
            let crews = (0..problem.crews).filter(|crew| problem.area[*crew] == area as u32);
            let mut prices = Vec::new();
            for (n, crew) in crews.enumerate() {
                gone += of_crew[crew].clone();
                prices.push(due(&mut costs, &problem.price(area, n)));
                gone -= prices[n];
            }
            // Prices become due one after the other.
            rules.extend(prices.windows(2).map(|two| constraint!(two[0] >= two[1])));
            rules.push(constraint!(gone == 0));
        }
        rules.extend(of_crew.into_iter().map(|goes| constraint!(goes <= 1)));
        rules.extend(costs.iter().zip(before).map(|(cost, least)| constraint!(cost.clone() == *least as f64)));
        let cost = costs.remove(before.len());
        let model = rules.into_iter().fold(all.minimise(cost.clone()).using(microlp), |model, rule| model.with(rule));
        model.solve().unwrap().eval(cost).round() as i64
    }

    type Drawn = (Vec<Vec<Option<Cost>>>, Vec<Cost>, Vec<(Vec<Cost>, u32)>);

    /// Pairs, costs of unfilled slots, and areas: their prices, and which crews are theirs, by bits.
    fn drawn(crews: usize, slots: usize, cost: impl Strategy<Value = Cost> + Clone) -> impl Strategy<Value = Drawn> {
        let pair = prop::option::weighted(0.7, cost.clone());
        let pairs = prop::collection::vec(prop::collection::vec(pair, crews), 1..=slots);
        let unfilled = prop::collection::vec(cost.clone(), slots);
        let areas = prop::collection::vec((prop::collection::vec(cost, 0..4), 0_u32..1 << crews), 0..4);
        (pairs, unfilled, areas)
    }

    fn problem((pairs, unfilled, areas): &Drawn) -> Problem {
        let crews = pairs[0].len();
        let mut problem = Problem::new(crews);
        for (slot, may) in pairs.iter().enumerate() {
            let slot = problem.slot(unfilled[slot]);
            for (crew, cost) in may.iter().enumerate() {
                if let Some(cost) = cost {
                    problem.may_fill(crew, slot, *cost);
                }
            }
        }
        for (prices, of) in areas {
            problem.area((0..crews).filter(|crew| of >> crew & 1 == 1), prices.iter().copied());
        }
        problem
    }

    fn sound(problem: &Problem, plan: &Assignment) -> Result<(), TestCaseError> {
        let mut crews: Vec<usize> = plan.crews.iter().flatten().copied().collect();
        crews.sort_unstable();
        let before = crews.len();
        crews.dedup();
        prop_assert_eq!(crews.len(), before, "a crew fills two slots");
        for (slot, crew) in plan.crews.iter().enumerate() {
            prop_assert!(crew.is_none_or(|crew| problem.pair(slot, crew as u32).is_some()));
        }
        prop_assert_eq!(plan.cost, problem.cost(&plan.crews));
        Ok(())
    }

    /// Costs with places of so much, none, or up to twice it, of either sign.
    fn of_places(places: impl Strategy<Value = [i64; 6]> + Clone) -> impl Strategy<Value = Cost> + Clone {
        let drawn = (places, prop::array::uniform6(-2_i64..3));
        drawn.prop_map(|(places, times)| {
            let [orders_broken, first_unfilled, first_ms, unfilled, rest_ms, tie] =
                std::array::from_fn(|at| places[at] * times[at]);
            Cost { orders_broken, first_unfilled, first_ms, unfilled, rest_ms, tie }
        })
    }

    fn any_cost() -> impl Strategy<Value = Cost> + Clone {
        of_places(Just([1; 6]))
    }

    /// Costs of which some are too large to be packed.
    fn large_cost() -> impl Strategy<Value = Cost> + Clone {
        of_places(prop::array::uniform6(prop_oneof![Just(1), Just(1 << 20), Just(1 << 54)]))
    }

    /// The largest costs that a plan knows, of pairs that are told apart.
    fn planned_cost() -> impl Strategy<Value = Cost> + Clone {
        let largest = of_places(Just([1, 500, i64::from(u32::MAX) / 2, 5_000_000, i64::from(u32::MAX) * 50, 0]));
        (largest, 0..1_i64 << 32).prop_map(|(cost, tie)| Cost { tie, ..cost })
    }

    proptest! {
        #[test]
        fn nothing_that_can_be_tried_costs_less(drawn in drawn(4, 4, any_cost())) {
            let problem = problem(&drawn);
            let plan = problem.solve();
            sound(&problem, &plan)?;
            prop_assert_eq!(plan.cost, tried(&problem, &mut Vec::new()));
        }

        #[test]
        fn nor_where_costs_are_as_large_as_can_be(
            large in drawn(4, 4, large_cost()),
            planned in drawn(4, 4, planned_cost()),
        ) {
            for drawn in [large, planned] {
                let problem = problem(&drawn);
                let plan = problem.solve();
                sound(&problem, &plan)?;
                prop_assert_eq!(plan.cost, tried(&problem, &mut Vec::new()));
            }
        }

        #[test]
        fn packed_costs_find_what_costs_find(drawn in drawn(20, 16, planned_cost())) {
            let problem = problem(&drawn);
            prop_assert!(problem.packs());
            prop_assert_eq!(Flow::<Packed>::new(&problem).solve(), Flow::<Cost>::new(&problem).solve());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn an_independent_solver_finds_nothing_cheaper(
            times in drawn(12, 10, (0_i64..600).prop_map(ms)),
            places in drawn(7, 6, any_cost()),
        ) {
            for drawn in [times, places] {
                let problem = problem(&drawn);
                let plan = problem.solve();
                sound(&problem, &plan)?;
                prop_assert_eq!(PLACES.map(|place| place(&plan.cost)), by_milp(&problem));
            }
        }
    }

    #[test]
    fn a_crew_that_nobody_needs_stays_and_a_slot_that_nobody_can_fill_is_told() {
        let mut problem = Problem::new(2);
        let unfilled = Cost { first_unfilled: 3, ..Cost::ZERO };
        let slot = problem.slot(unfilled);
        assert_eq!(problem.solve(), Assignment { crews: vec![None], cost: unfilled });
        problem.may_fill(1, slot, ms(5));
        problem.may_fill(1, slot, ms(4));
        assert_eq!(problem.solve(), Assignment { crews: vec![Some(1)], cost: ms(4) });
        assert_eq!(Problem::new(3).solve(), Assignment::default());
    }

    #[test]
    fn an_area_is_not_left_bare_where_another_can_spare_a_crew() {
        let mut problem = Problem::new(3);
        let slot = problem.slot(Cost { unfilled: 1, ..Cost::ZERO });
        [(0, 100), (1, 130), (2, 300)].into_iter().for_each(|(crew, time)| problem.may_fill(crew, slot, ms(time)));
        problem.area([0], [ms(60)]);
        problem.area([1, 2], [ms(10), ms(60)]);
        assert_eq!(problem.solve().crews, [Some(1)]);
    }
}
