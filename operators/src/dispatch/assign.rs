//! The assignment that costs least.

use super::Cost;

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
        self.may.push(Vec::new());
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
    /// Slots are added one by one, each by the cheapest chain of changes (successive shortest paths): O(slots x (crews + slots) x pairs) at worst,
    /// and in practice a few times the pairs for each slot.
    #[must_use]
    pub fn solve(&self) -> Assignment {
        let mut flow = Flow::new(self);
        (0..self.unfilled.len()).for_each(|slot| flow.add(slot));
        let crews: Vec<Option<usize>> =
            flow.crew_of.iter().map(|crew| (*crew != NONE).then_some(*crew as usize)).collect();
        let cost = self.cost(&crews);
        Assignment { crews, cost }
    }

    /// What an assignment costs, by the definition; slots of which a crew may not fill them are unfilled.
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
        let slots: Cost = crews.iter().enumerate().map(slot).sum();
        let areas: Cost =
            gone.iter().enumerate().map(|(area, gone)| (0..*gone).map(|n| self.price(area, n)).sum()).sum();
        slots + areas
    }

    fn pair(&self, slot: usize, crew: u32) -> Option<Cost> {
        self.may[slot].iter().filter(|(of, _)| *of == crew).map(|(_, cost)| *cost).min()
    }

    /// The price of the crew that leaves after so many others have.
    fn price(&self, area: usize, gone: usize) -> Cost {
        let prices = &self.prices[area];
        prices.get(gone).or(prices.last()).copied().unwrap_or_default()
    }
}

/// An assignment of some slots, and the search for the cheapest way to add one. Nodes are the slots, then the crews, then the areas, then the
/// end, where every chain of changes ends.
struct Flow<'p> {
    of: &'p Problem,
    crew_of: Vec<u32>,
    slot_of: Vec<u32>,
    /// Crews that have left each area.
    gone: Vec<usize>,
    dist: Vec<Option<Cost>>,
    before: Vec<u32>,
    waits: Vec<bool>,
    queue: std::collections::VecDeque<u32>,
}

impl<'p> Flow<'p> {
    fn new(of: &'p Problem) -> Self {
        let nodes = of.unfilled.len() + of.crews + of.prices.len() + 1;
        Flow {
            of,
            crew_of: vec![NONE; of.unfilled.len()],
            slot_of: vec![NONE; of.crews],
            gone: vec![0; of.prices.len()],
            dist: vec![None; nodes],
            before: vec![NONE; nodes],
            waits: vec![false; nodes],
            queue: std::collections::VecDeque::new(),
        }
    }

    fn crew(&self, crew: u32) -> u32 {
        self.of.unfilled.len() as u32 + crew
    }

    fn area(&self, area: u32) -> u32 {
        self.crew(self.of.crews as u32) + area
    }

    fn end(&self) -> u32 {
        self.area(self.of.prices.len() as u32)
    }

    /// Adds a slot by the cheapest chain: it takes a free crew, or that of another slot which takes another, or stays unfilled, or lets another
    /// be that.
    fn add(&mut self, slot: usize) {
        self.dist.fill(None);
        self.reach(slot as u32, Cost::ZERO, NONE);
        while let Some(node) = self.queue.pop_front() {
            self.waits[node as usize] = false;
            if let Some(dist) = self.dist[node as usize] {
                self.leave(node, dist);
            }
        }
        self.change();
    }

    fn leave(&mut self, node: u32, dist: Cost) {
        let (slots, first_area, end) = (self.of.unfilled.len() as u32, self.area(0), self.end());
        if node < slots {
            let slot = node as usize;
            self.reach(end, dist + self.of.unfilled[slot], node);
            for (crew, cost) in &self.of.may[slot] {
                if self.crew_of[slot] != *crew {
                    self.reach(self.crew(*crew), dist + *cost, node);
                }
            }
        } else if node < first_area {
            let crew = (node - slots) as usize;
            let (slot, area) = (self.slot_of[crew], self.of.area[crew]);
            if slot != NONE {
                // It leaves its slot, whose cost is saved.
                let saved = self.of.pair(slot as usize, crew as u32).unwrap_or_default();
                self.reach(slot, dist - saved, node);
            } else if area == NONE {
                self.reach(end, dist, node);
            } else {
                self.reach(self.area(area), dist, node);
            }
        } else if node < end {
            let area = (node - first_area) as usize;
            self.reach(end, dist + self.of.price(area, self.gone[area]), node);
            self.stay(area as u32, node, dist);
        }
    }

    /// One goes from the area, and one that had gone stays: no price becomes due.
    fn stay(&mut self, area: u32, node: u32, dist: Cost) {
        for crew in 0..self.of.crews {
            let slot = self.slot_of[crew];
            if slot != NONE && self.of.area[crew] == area {
                let saved = self.of.pair(slot as usize, crew as u32).unwrap_or_default();
                self.reach(slot, dist - saved, node);
            }
        }
    }

    fn reach(&mut self, node: u32, dist: Cost, before: u32) {
        let at = node as usize;
        if self.dist[at].is_none_or(|was| dist < was) {
            (self.dist[at], self.before[at]) = (Some(dist), before);
            if node != self.end() && !std::mem::replace(&mut self.waits[at], true) {
                self.queue.push_back(node);
            }
        }
    }

    /// Carries out the chain that was found.
    fn change(&mut self) {
        let (slots, first_area) = (self.of.unfilled.len() as u32, self.area(0));
        let mut chain = vec![self.end()];
        while let Some(node) = chain.last().map(|node| self.before[*node as usize]).filter(|node| *node != NONE) {
            chain.push(node);
        }
        chain.reverse();
        // First everyone of the chain lets go, then everyone takes.
        for node in chain.iter().filter(|node| **node < slots) {
            let crew = std::mem::replace(&mut self.crew_of[*node as usize], NONE);
            if crew != NONE {
                self.slot_of[crew as usize] = NONE;
                self.count(crew, false);
            }
        }
        for pair in chain.windows(2).filter(|pair| pair[0] < slots && (slots..first_area).contains(&pair[1])) {
            let crew = pair[1] - slots;
            (self.crew_of[pair[0] as usize], self.slot_of[crew as usize]) = (crew, pair[0]);
            self.count(crew, true);
        }
    }

    fn count(&mut self, crew: u32, leaves: bool) {
        if let Some(gone) = self.gone.get_mut(self.of.area[crew as usize] as usize) {
            *gone = if leaves { *gone + 1 } else { *gone - 1 };
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

    fn any_cost() -> impl Strategy<Value = Cost> + Clone {
        let place = || -2_i64..3;
        (place(), place(), place(), place(), place(), place()).prop_map(
            |(orders_broken, first_unfilled, first_ms, unfilled, rest_ms, tie)| Cost {
                orders_broken,
                first_unfilled,
                first_ms,
                unfilled,
                rest_ms,
                tie,
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_that_can_be_tried_costs_less(drawn in drawn(4, 4, any_cost())) {
            let problem = problem(&drawn);
            let plan = problem.solve();
            sound(&problem, &plan)?;
            prop_assert_eq!(plan.cost, tried(&problem, &mut Vec::new()));
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
