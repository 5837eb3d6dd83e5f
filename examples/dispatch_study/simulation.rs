//! A world under one policy: who is sent where, and when they are there.

use std::collections::BTreeMap;

use watchfire::dispatch::{self, Duty, Need, Order, Plan, PlanConfig, Skills, Slot};

use crate::crew::{Crew, Does, Now};
use crate::world::{CREWS_A_STATION, Fire, STEP_MS, World};

/// When a crew that was sent may be sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Never: it goes where it was sent first.
    Never,
    /// When that saves more than so many milliseconds.
    Price { ms: u32 },
}

impl Policy {
    fn has_price(self) -> bool {
        matches!(self, Policy::Price { ms } if ms > 0)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// From the call of each fire until a crew was there, milliseconds.
    pub first_ms: Vec<u64>,
    /// From its call until as many crews had come as it asked for in the end, milliseconds.
    pub full_ms: Vec<u64>,
    /// Crews that were on their way to a fire and did not go there any more.
    pub diversions: u64,
    /// Those of them that had been diverted before, and had come to no fire and not to their station since.
    pub again: u64,
    /// Fires that never had all crews at once: the first had done its work before the last came.
    pub never_at_once: u64,
}

/// What has come to a fire so far.
#[derive(Clone, Debug, Default)]
struct Served {
    first_ms: Option<u64>,
    full_ms: Option<u64>,
    came: usize,
    left: usize,
    /// The first had left before the last came.
    never_at_once: bool,
}

/// A world that goes on from one time at which something happens to the next. All is planned at each of them, but where a crew
/// comes to its station and nothing else happens.
struct Simulation<'w> {
    world: &'w World,
    policy: Policy,
    now: Now,
    crews: Vec<Crew>,
    served: Vec<Served>,
    diversions: u64,
    again: u64,
}

/// Follows a world until its last fire is out.
pub fn follow(world: &World, policy: Policy) -> Outcome {
    let mut simulation = Simulation::new(world, policy);
    while let Some(ms) = simulation.next_ms() {
        simulation.go_on(ms);
    }
    simulation.outcome()
}

impl<'w> Simulation<'w> {
    fn new(world: &'w World, policy: Policy) -> Self {
        let crews = (0..world.stations.len() * CREWS_A_STATION).map(|n| Crew::new(world, n));
        Simulation {
            world,
            policy,
            now: Now::at(0),
            crews: crews.collect(),
            served: vec![Served::default(); world.fires.len()],
            diversions: 0,
            again: 0,
        }
    }

    fn go_on(&mut self, ms: u64) {
        self.now = Now::at(ms);
        if self.happens() {
            let plan = self.plan();
            self.obey(&plan);
        }
    }

    /// Fires that have been called and are not out.
    fn open(&self) -> impl Iterator<Item = usize> {
        let called = self.world.fires.iter().take_while(|fire| fire.called_ms <= self.now.ms);
        let open = called.zip(&self.served).enumerate();
        open.filter(|(_, (fire, served))| served.left < fire.asks_at_last()).map(|(n, _)| n)
    }

    /// When fires are called and grow.
    fn tidings(&self) -> impl Iterator<Item = u64> {
        self.world.fires.iter().flat_map(|fire| [Some(fire.called_ms), fire.grows_ms()]).flatten()
    }

    /// When something happens next; nothing if all fires are out.
    fn next_ms(&self) -> Option<u64> {
        if self.world.fires.iter().zip(&self.served).all(|(fire, served)| served.left == fire.asks_at_last()) {
            return None;
        }
        let now_ms = self.now.ms;
        let next_step = (now_ms / STEP_MS + 1) * STEP_MS;
        let of_crews = self.crews.iter().filter_map(Crew::next_ms).map(|ms| ms.max(now_ms + 1));
        Some(self.tidings().filter(|ms| *ms > now_ms).chain(of_crews).fold(next_step, u64::min))
    }

    /// Lets happen what happens now. Whether something is to be planned for.
    fn happens(&mut self) -> bool {
        let now = self.now;
        let mut stirs = now.begins_step();
        for crew in &mut self.crews {
            if crew.next_ms().is_some_and(|ms| ms <= now.ms) {
                match (&crew.does, crew.bound_for()) {
                    (Does::Works { fire, .. }, _) => {
                        self.served[*fire].left += 1;
                        crew.send(self.world, now, None);
                        stirs = true;
                    }
                    (_, Some(fire)) => {
                        let until_ms = self.served[fire].comes(&self.world.fires[fire], now.ms);
                        crew.work(fire, until_ms);
                        stirs = true;
                    }
                    (_, None) => crew.stand(),
                }
            }
            if now.begins_step() {
                crew.step(self.world, now);
            }
        }
        stirs || self.tidings().any(|ms| ms == now.ms)
    }

    /// What the library plans.
    fn plan(&self) -> Plan {
        let switching_ms = match self.policy {
            Policy::Never => 0,
            Policy::Price { ms } => ms,
        };
        let open: Vec<usize> = self.open().collect();
        let needs = open.iter().map(|fire| (*fire as u64, self.need(*fire))).collect();
        let crews = (0..).zip(&self.crews).map(|(n, crew)| (n, self.as_planned(crew, &open))).collect();
        // Areas have no price: what is studied is that of turning around alone.
        PlanConfig { switching_ms, area_ms: Vec::new(), ..PlanConfig::default() }.plan(&needs, &crews)
    }

    /// As many slots as crews that are there or are still to come, all alike.
    fn need(&self, fire: usize) -> Need {
        let slots = self.world.fires[fire].asks(self.now.ms).saturating_sub(self.served[fire].left);
        Need { gravity: 1, slots: vec![Slot { asks: Skills::default(), weight_pct: 100 }; slots] }
    }

    fn as_planned(&self, crew: &Crew, open: &[usize]) -> dispatch::Crew {
        let to = crew.bound_for().map(|fire| fire as u64);
        let duty = match (&crew.does, to) {
            (Does::Stands, _) => Duty::Stands { area: crew.station() as u64 },
            (Does::Works { fire, .. }, _) => Duty::OnScene { incident: *fire as u64 },
            // At no price a crew that is under way is planned with like one that is not.
            (Does::Drives(_), Some(incident)) if self.policy.has_price() => Duty::Sent { incident },
            (Does::Drives(_), _) => Duty::Free,
        };
        let eta_ms = match duty {
            Duty::OnScene { .. } => BTreeMap::new(),
            _ => open.iter().map(|fire| (*fire as u64, crew.eta_ms(self.world, self.now, *fire) as u32)).collect(),
        };
        // To the planner, a crew that must not turn around is one that people order, each time anew, where it goes.
        let order = to.filter(|_| self.policy == Policy::Never).map(|incident| Order::Goes { incident });
        dispatch::Crew { skills: Skills::default(), duty, eta_ms, order, offered: None }
    }

    /// Sends everyone where the plan has them.
    fn obey(&mut self, plan: &Plan) {
        let goes: BTreeMap<u64, usize> = plan.going.iter().map(|going| (going.crew, going.incident as usize)).collect();
        for (n, crew) in (0..).zip(&mut self.crews) {
            let fire = goes.get(&n).copied();
            let works = matches!(crew.does, Does::Works { .. });
            if works || fire.is_none() && crew.bound_for().is_none() {
                continue;
            }
            if let Some(diversion) = crew.send(self.world, self.now, fire) {
                self.diversions += 1;
                self.again += u64::from(diversion.again);
            }
        }
    }

    fn outcome(self) -> Outcome {
        let mut outcome = Outcome { diversions: self.diversions, again: self.again, ..Outcome::default() };
        for (fire, served) in self.world.fires.iter().zip(self.served) {
            let since_call = |ms: Option<u64>| ms.map(|ms| ms - fire.called_ms);
            outcome.first_ms.extend(since_call(served.first_ms));
            outcome.full_ms.extend(since_call(served.full_ms));
            outcome.never_at_once += u64::from(served.never_at_once);
        }
        outcome
    }
}

impl Served {
    /// Another crew has come. Until when it works.
    fn comes(&mut self, fire: &Fire, now_ms: u64) -> u64 {
        let until_ms = now_ms + fire.works_ms[self.came];
        self.came += 1;
        self.first_ms.get_or_insert(now_ms);
        if self.came == fire.asks_at_last() {
            self.full_ms = Some(now_ms);
            self.never_at_once = self.left > 0;
        }
        until_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Traffic;

    fn world(seed: u64, hours: u64) -> World {
        World::new(seed, hours, Traffic::default())
    }

    const POLICIES: [Policy; 3] = [Policy::Never, Policy::Price { ms: 0 }, Policy::Price { ms: 300_000 }];

    #[test]
    fn never_is_never_and_for_nothing_is_often() {
        let world = world(1, 6);
        let [never, free, dear] = POLICIES.map(|policy| follow(&world, policy));
        assert_eq!((never.diversions, never.again), (0, 0));
        assert!(free.diversions > dear.diversions && free.again > dear.again, "{free:?} {dear:?}");
        assert_eq!(follow(&world, POLICIES[1]), free, "a run is its world and its policy");
        for outcome in [never, free, dear] {
            assert_eq!((outcome.first_ms.len(), outcome.full_ms.len()), (world.fires.len(), world.fires.len()));
            assert!(outcome.first_ms.iter().zip(&outcome.full_ms).all(|(first, full)| first <= full));
        }
    }

    #[test]
    fn policies_that_decide_alike_come_to_the_same() {
        let mut world = world(2, 6);
        let mut alike = 0;
        for fire in world.fires.clone() {
            world.fires = vec![fire];
            let [never, others @ ..] = POLICIES.map(|policy| follow(&world, policy));
            for other in others.iter().filter(|other| other.diversions == 0) {
                assert_eq!(&never, other);
                alike += 1;
            }
        }
        assert!(alike > 20, "{alike} of fires by themselves are served without a diversion");
    }

    #[test]
    fn crews_come_as_they_are_asked_for_and_stay_as_long_as_they_work() {
        let world = world(4, 3);
        for policy in POLICIES {
            let mut simulation = Simulation::new(&world, policy);
            let mut working: BTreeMap<usize, (usize, u64)> = BTreeMap::new();
            let mut worked_ms = 0;
            while let Some(ms) = simulation.next_ms() {
                simulation.go_on(ms);
                let mut sent = vec![0; world.fires.len()];
                for (n, crew) in simulation.crews.iter().enumerate() {
                    if let Some(fire) = crew.bound_for() {
                        sent[fire] += 1;
                    }
                    match crew.does {
                        Does::Works { fire, .. } => {
                            working.entry(n).or_insert((fire, ms));
                        }
                        _ => worked_ms += working.remove(&n).map_or(0, |(_, since_ms)| ms - since_ms),
                    }
                }
                for (fire, served) in simulation.served.iter().enumerate() {
                    assert!(served.came + sent[fire] <= world.fires[fire].asks(ms), "fire {fire} at {ms}");
                }
            }
            let works = world.fires.iter().map(|fire| fire.works_ms[..fire.asks_at_last()].iter().sum::<u64>());
            assert_eq!(worked_ms, works.sum::<u64>());
        }
    }
}
