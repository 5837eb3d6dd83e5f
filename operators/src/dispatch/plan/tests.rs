//! Plans of a few crews, each with what it should be.

use super::*;

const PUMP: Skills = Skills(1);
const LADDER: Skills = Skills(2);

type Needs = BTreeMap<u64, Need>;

fn asks(slots: &[Skills]) -> Need {
    Need { gravity: 1, slots: slots.iter().map(|asks| Slot { asks: *asks, weight_pct: 100 }).collect() }
}

/// Incidents 1, 2 and so on, each with so many slots.
fn needs(slots: &[usize]) -> Needs {
    (1..).zip(slots).map(|(incident, slots)| (incident, asks(&vec![PUMP; *slots]))).collect()
}

/// A crew, with its times in seconds to incidents 1, 2, and so on; 0 is no way.
fn crew(duty: Duty, etas_s: &[u32]) -> Crew {
    let etas = (1..).zip(etas_s).filter(|(_, s)| **s > 0);
    let eta_ms = etas.map(|(incident, s)| (incident, s * 1_000)).collect();
    Crew { skills: PUMP, duty, eta_ms, order: None, offered: None }
}

/// One of an area of its own.
fn stands(area: u64, etas_s: &[u32]) -> Crew {
    crew(Duty::Stands { area }, etas_s)
}

fn free(etas_s: &[u32]) -> Crew {
    crew(Duty::Free, etas_s)
}

fn sent(incident: u64, etas_s: &[u32]) -> Crew {
    crew(Duty::Sent { incident }, etas_s)
}

fn there(incident: u64) -> Crew {
    crew(Duty::OnScene { incident }, &[])
}

/// The plan for crews 1, 2 and so on.
fn plan<const N: usize>(needs: &Needs, crews: [Crew; N]) -> Plan {
    PlanConfig::default().plan(needs, &(1..).zip(crews).collect())
}

/// Incident, slot and crew.
fn who<const N: usize>(needs: &Needs, crews: [Crew; N]) -> Vec<(u64, usize, u64)> {
    plan(needs, crews).going.iter().map(|going| (going.incident, going.slot, going.crew)).collect()
}

#[test]
fn incidents_are_planned_together() {
    // The nearest of the first fire is needed more at the second.
    assert_eq!(who(&needs(&[1, 1]), [stands(1, &[60, 70]), stands(2, &[80, 300])]), [(1, 0, 2), (2, 0, 1)]);
}

#[test]
fn first_crews_come_before_everything_else() {
    // The last crew of its area, and nearer by a second than one that nobody would miss.
    assert_eq!(who(&needs(&[1]), [stands(1, &[100]), free(&[101])]), [(1, 0, 1)]);
    // As the second it is left where it is.
    assert_eq!(who(&needs(&[2]), [stands(1, &[100]), free(&[101]), free(&[10])]), [(1, 0, 3), (1, 1, 2)]);
    // With one crew for two incidents the graver has it, and the other is told of.
    let mut two = needs(&[2, 1]);
    two.get_mut(&2).unwrap().gravity = 2;
    let alone = plan(&two, [stands(1, &[10, 900])]);
    assert_eq!((alone.going[0].incident, alone.going.len()), (2, 1));
    assert_eq!(alone.missing, [Missing { incident: 1, slot: 0 }, Missing { incident: 1, slot: 1 }]);
}

#[test]
fn first_is_who_fills_the_first_slot_that_anybody_can() {
    // Nobody has a ladder: the pump is the first, and its area's price does not delay it.
    let need = BTreeMap::from([(1, asks(&[LADDER, PUMP]))]);
    let first = plan(&need, [stands(1, &[100]), free(&[101])]);
    assert_eq!((first.going[0].crew, &first.missing[..]), (1, &[Missing { incident: 1, slot: 0 }][..]));
    assert_eq!(first.cost.first_unfilled, 0);
}

#[test]
fn a_crew_on_scene_fills_what_it_can_do_and_the_rest_is_sent_for() {
    let ladder = |eta_s| Crew { skills: LADDER, ..free(&[eta_s]) };
    let both = BTreeMap::from([(1, asks(&[LADDER, PUMP]))]);
    assert_eq!(who(&both, [there(1), ladder(300)]), [(1, 0, 2), (1, 1, 1)]);
    let one = BTreeMap::from([(1, asks(&[LADDER]))]);
    assert_eq!(who(&one, [there(1), ladder(300)]), [(1, 0, 2)]);
    assert_eq!(plan(&one, [there(1)]).missing, [Missing { incident: 1, slot: 0 }]);
    // More on scene than slots: they stay, and nobody else is sent.
    assert_eq!(who(&needs(&[1]), [there(1), there(1), free(&[5])]).len(), 1);
}

#[test]
fn a_crew_that_was_sent_turns_around_only_for_more_than_the_price() {
    for (saves_s, turns) in [(59, false), (61, true)] {
        let by = if turns { 2 } else { 1 };
        // The first, replaced by one that has become free; the second, where one is on scene.
        assert_eq!(who(&needs(&[1]), [sent(1, &[300]), free(&[300 - saves_s])]), [(1, 0, by)], "{saves_s} s");
        let second = who(&needs(&[2]), [sent(1, &[300]), free(&[300 - saves_s]), there(1)]);
        assert!(second.iter().any(|(_, _, crew)| *crew == by), "{saves_s} s: {second:?}");
        // To be the first elsewhere, where another would be there later: one of two, and one beside a crew on scene.
        for beside in [sent(1, &[250]), there(1)] {
            let elsewhere = who(&needs(&[2, 1]), [stands(1, &[900, 100 + saves_s]), sent(1, &[300, 100]), beside]);
            assert_eq!(elsewhere.last(), Some(&(2, 0, by)), "{saves_s} s");
        }
        // The first itself.
        let first = who(&needs(&[1, 1]), [stands(1, &[300, 100 + saves_s]), sent(1, &[300, 100])]);
        assert_eq!(first, [(1, 0, 3 - by), (2, 0, by)], "{saves_s} s");
    }
}

#[test]
fn to_save_just_the_price_or_to_push_another_out_nobody_turns_around() {
    // Whatever numbers break ties.
    for by in 2..12 {
        let crews = BTreeMap::from([(1, sent(1, &[300])), (by, free(&[240]))]);
        assert_eq!(PlanConfig::default().plan(&needs(&[1]), &crews).going[0].crew, 1, "{by}");
    }
    // The newcomer would be there a second before the first of two, and the second would have to turn around.
    let pushes = |by_s: u32| [sent(1, &[300]), sent(1, &[310]), free(&[300 - by_s])];
    let passed = plan(&needs(&[2]), pushes(1));
    assert_eq!(passed.going.iter().map(|going| going.crew).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(passed.passed_over, [(1, 3)]);
    assert_eq!(who(&needs(&[2]), pushes(61)), [(1, 0, 3), (1, 1, 1)], "for more than the price it has to");
    // Where there is room it comes too, and nobody has to turn around.
    assert_eq!(who(&needs(&[3]), pushes(1)).len(), 3);
    // A newcomer that turns from elsewhere turns two around, so it has to save both prices.
    let twice =
        |by_s: u32| plan(&needs(&[2, 2]), [sent(1, &[500]), sent(1, &[510]), sent(2, &[500 - by_s, 900]), there(2)]);
    assert_eq!((twice(119).passed_over, twice(122).going[0].crew), (vec![(1, 3)], 3));
    // An order is an order.
    let ordered = Crew { order: Some(Order::Goes { incident: 1 }), ..free(&[299]) };
    assert!(who(&needs(&[2]), [sent(1, &[300]), sent(1, &[310]), ordered]).iter().any(|(_, _, crew)| *crew == 3));
}

#[test]
fn who_can_do_what_is_rare_does_not_leave_another_incident_with_nobody() {
    let both = |skills, etas_s: &[u32]| Crew { skills, ..free(etas_s) };
    let two = BTreeMap::from([(1, asks(&[LADDER, PUMP])), (2, asks(&[LADDER, PUMP]))]);
    // Both are nearer to the first; each incident gets one, in the way that is shortest.
    let crews = || [both(LADDER, &[100, 400]), both(PUMP, &[100, 300])];
    assert_eq!(who(&two, crews()), [(1, 0, 1), (2, 1, 2)]);
    // Where only a ladder helps, the ladder goes there.
    let rare = BTreeMap::from([(1, asks(&[LADDER, PUMP])), (2, asks(&[LADDER]))]);
    assert_eq!(who(&rare, crews()), [(1, 1, 2), (2, 0, 1)]);
    assert_eq!(plan(&rare, crews()).cost.first_unfilled, 0);
    // And a crew under way is not turned around for a second.
    let rolls = [Crew { skills: LADDER, ..sent(2, &[100, 101]) }, both(PUMP, &[100, 100])];
    assert_eq!(who(&two, rolls), [(1, 1, 2), (2, 0, 1)]);
}

#[test]
fn what_waits_for_people_to_decide_does_not_waver() {
    let offered = |saves_s: u32| {
        let waits = Crew { offered: Some(Offered::Goes { incident: 1 }), ..free(&[300]) };
        who(&needs(&[1]), [waits, free(&[300 - saves_s])])[0].2
    };
    assert_eq!((offered(10), offered(11)), (1, 2));
    // One of two that are under way is enough; which of them comes back does not change when they pass each other.
    let back = |s: u32| [sent(1, &[300]), Crew { offered: Some(Offered::Back), ..sent(1, &[300 - s]) }];
    assert_eq!((who(&needs(&[1]), back(10))[0].2, who(&needs(&[1]), back(75))[0].2), (1, 2));
    // Nor does who goes where, of those who can do different things.
    let two = BTreeMap::from([(1, asks(&[LADDER, PUMP])), (2, asks(&[LADDER, PUMP]))]);
    let offered = |incident, of| Crew { offered: Some(Offered::Goes { incident }), ..of };
    for s in [92, 108] {
        let ladder = offered(1, Crew { skills: LADDER, ..free(&[s, 100]) });
        assert_eq!(who(&two, [ladder, offered(2, free(&[100, 100]))]), [(1, 0, 1), (2, 1, 2)], "{s}");
    }
}

#[test]
fn turning_from_what_is_over_or_cannot_be_reached_is_free() {
    // Incident 1 is closed; or its road is; or people have ordered the crew not to go there.
    assert_eq!(who(&BTreeMap::from([(2, asks(&[PUMP]))]), [sent(1, &[300, 100]), free(&[0, 159])]), [(2, 0, 1)]);
    assert_eq!(who(&needs(&[1, 1]), [sent(1, &[0, 100]), free(&[0, 159])]), [(2, 0, 1)]);
    let not = Crew { order: Some(Order::GoesNot { incident: 1 }), ..sent(1, &[300, 100]) };
    assert_eq!(who(&needs(&[1, 1]), [not, free(&[0, 159])]), [(2, 0, 1)]);
}

#[test]
fn who_is_on_scene_stays_and_orders_are_kept() {
    assert_eq!(who(&needs(&[1, 1]), [there(1), stands(2, &[500, 500])]), [(1, 0, 1), (2, 0, 2)]);
    // Ordered away it still is where it is: only people release it.
    let ordered = Crew { order: Some(Order::Goes { incident: 2 }), ..crew(Duty::OnScene { incident: 1 }, &[0, 1]) };
    let kept = plan(&needs(&[1, 1]), [ordered]);
    assert_eq!((kept.going[0].incident, kept.unkept), (1, vec![1]));
    let order = |order| Crew { order: Some(order), ..stands(1, &[10, 10]) };
    let first = |of: Crew| who(&needs(&[1]), [of, stands(2, &[900, 900])])[0].2;
    assert_eq!(first(order(Order::Stays)), 2);
    assert_eq!(first(order(Order::GoesNot { incident: 1 })), 2);
    assert_eq!(first(order(Order::Goes { incident: 2 })), 2);
    let pinned = Crew { order: Some(Order::Goes { incident: 1 }), ..stands(3, &[2_000, 2_000]) };
    assert_eq!(who(&needs(&[1, 1]), [stands(1, &[10, 10]), pinned]), [(1, 0, 2), (2, 0, 1)]);
    // What cannot be kept is told, and nobody goes elsewhere instead.
    for of in [order(Order::Goes { incident: 9 }), Crew { skills: LADDER, ..order(Order::Goes { incident: 1 }) }] {
        let told = plan(&needs(&[1]), [of]);
        assert_eq!((told.going, told.unkept), (vec![], vec![1]));
    }
}

#[test]
fn who_cannot_do_it_or_get_there_does_not_go() {
    let nobody = plan(&needs(&[1]), [Crew { skills: LADDER, ..stands(1, &[10]) }, stands(2, &[])]);
    assert_eq!((nobody.going, nobody.missing), (vec![], vec![Missing { incident: 1, slot: 0 }]));
    assert_eq!(plan(&Needs::new(), [stands(1, &[1])]), Plan::default());
    assert_eq!(plan(&needs(&[0]), [stands(1, &[1])]), Plan::default());
}

#[test]
fn areas_that_can_spare_a_crew_send_it() {
    let crews = [stands(1, &[10]), stands(2, &[100]), stands(3, &[110]), stands(3, &[400]), stands(3, &[400])];
    // The second crew: the last of area 2, or the first of three of area 3, ten seconds later.
    assert_eq!(who(&needs(&[2]), crews), [(1, 0, 1), (1, 1, 3)]);
}

#[test]
fn extremes_are_planned_as_the_nearest_that_is_meant() {
    let mut all = needs(&[3]);
    all.insert(u64::MAX, Need { gravity: u32::MAX, slots: vec![Slot { asks: PUMP, weight_pct: u32::MAX }; 2] });
    let slow = Crew { eta_ms: BTreeMap::from([(1, u32::MAX), (u64::MAX, u32::MAX)]), ..free(&[]) };
    let told = plan(&all, [slow.clone(), slow.clone(), slow]);
    assert_eq!((told.going.len(), told.missing.len()), (3, 2), "nobody is left at home for being slow");
    assert!(told.going.iter().filter(|going| going.incident == u64::MAX).count() == 2);
}

#[test]
fn whoever_people_keep_on_their_way_keeps_nobody_nearer_away() {
    // Ordered there and under way, it goes on; the nearer one has the slot.
    let pinned = |duty| Crew { order: Some(Order::Goes { incident: 1 }), ..crew(duty, &[300]) };
    let both = plan(&needs(&[1]), [pinned(Duty::Sent { incident: 1 }), sent(1, &[60])]);
    assert_eq!((both.going[0].crew, both.unkept), (2, vec![]));
    // Who was ordered and has not set out yet has it first.
    assert_eq!(who(&needs(&[1]), [pinned(Duty::Free), sent(1, &[60])]), [(1, 0, 1)]);
    // What it cannot reach any more it does not go to, and that is told.
    let shut = Crew { eta_ms: BTreeMap::new(), ..pinned(Duty::Sent { incident: 1 }) };
    assert_eq!(plan(&needs(&[1]), [shut, sent(1, &[60])]).unkept, [1]);
}

#[test]
fn the_price_of_an_area_delays_nobody_who_would_be_first_in_whatever_slot() {
    // A ladder is under way, and the last pump of an area would be there before it.
    let both = BTreeMap::from([(1, asks(&[LADDER, PUMP]))]);
    let ladder = Crew { skills: LADDER, ..sent(1, &[300]) };
    assert_eq!(who(&both, [ladder, stands(1, &[250]), free(&[310])]), [(1, 0, 1), (1, 1, 2)]);
}

#[test]
fn who_is_passed_over_is_no_runner_up() {
    let config = PlanConfig::default();
    let crews: BTreeMap<u64, Crew> =
        (1..).zip([sent(1, &[300]), sent(1, &[301]), free(&[235]), free(&[260])]).collect();
    let needs = needs(&[2]);
    let plan = config.plan(&needs, &crews);
    assert_eq!(plan.going.iter().map(|going| going.crew).collect::<Vec<_>>(), [3, 1]);
    // Without the newcomer those who are under way go on: the other newcomer would save less than the price.
    let without = config.without(&plan, &needs, &crews, 1, 3);
    assert_eq!(without.going.iter().map(|going| going.crew).collect::<Vec<_>>(), [1, 2]);
    assert!(without.cost > plan.cost);
}

#[test]
fn a_plan_without_somebody_costs_no_less() {
    // Who stays at the first because turning around costs too much.
    let (config, needs) = (PlanConfig::default(), needs(&[2, 1]));
    let crews = BTreeMap::from([(1, sent(1, &[200])), (2, sent(1, &[300, 50])), (3, free(&[0, 100]))]);
    let plan = config.plan(&needs, &crews);
    assert!(plan.going.iter().any(|going| (going.incident, going.crew) == (1, 2)));
    for going in &plan.going {
        let without = config.without(&plan, &needs, &crews, going.incident, going.crew);
        assert!(without.cost >= plan.cost, "{going:?}");
    }
}

#[test]
fn passing_over_at_one_incident_does_not_undo_it_at_another() {
    let ladder = |of: Crew| Crew { skills: LADDER, ..of };
    let needs = BTreeMap::from([(1, asks(&[PUMP, PUMP, LADDER])), (2, asks(&[PUMP, PUMP]))]);
    let crews = [
        sent(1, &[300]),
        sent(1, &[301]),
        ladder(sent(1, &[500])),
        free(&[299, 299]),
        ladder(free(&[400])),
        sent(2, &[0, 300]),
        sent(2, &[0, 301]),
    ];
    let plan = plan(&needs, crews);
    let at = |incident| plan.going.iter().filter(move |going| going.incident == incident).map(|going| going.crew);
    assert_eq!((at(1).collect::<Vec<_>>(), at(2).collect::<Vec<_>>()), (vec![1, 2, 5], vec![6, 7]));
    assert_eq!(plan.passed_over, [(1, 4), (2, 4)]);
}
