//! Why the plan is as it is: what it costs, and what it would be otherwise.

use std::collections::BTreeMap;

use super::scene::Scene;
use super::{Crew, Need, Plan, PlanConfig};

impl PlanConfig {
    /// The plan if a crew did not go to an incident: who would go instead, and what that costs more. By so much the way of the crew must
    /// become longer for the plan to change, by the weight of its slot, as long as the same slots lead and nobody else is passed over.
    ///
    /// # Examples
    /// ```
    /// use std::collections::BTreeMap;
    /// use watchfire_operators::dispatch::{Crew, Duty, Need, PlanConfig, Skills, Slot};
    /// let needs = BTreeMap::from([(7, Need { gravity: 1, slots: vec![Slot { asks: Skills(1), weight_pct: 100 }] })]);
    /// let crew = |eta_ms| Crew { skills: Skills(1), duty: Duty::Free, eta_ms: BTreeMap::from([(7, eta_ms)]), order: None, offered: None };
    /// let crews = BTreeMap::from([(1, crew(120_000)), (2, crew(90_000))]);
    /// let config = PlanConfig::default();
    /// let plan = config.plan(&needs, &crews);
    /// let without = config.without(&plan, &needs, &crews, 7, 2);
    /// assert_eq!((without.going[0].crew, (without.cost - plan.cost).first_ms), (1, 30_000));
    /// ```
    #[must_use]
    pub fn without(
        &self,
        plan: &Plan,
        needs: &BTreeMap<u64, Need>,
        crews: &BTreeMap<u64, Crew>,
        incident: u64,
        crew: u64,
    ) -> Plan {
        let mut scene = Scene::new(self, needs, crews).led_as(plan);
        scene.barred = Some((incident, crew));
        let mut without = self.settled(&mut scene);
        scene.in_rank(&mut without);
        without
    }
}
