use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn config() -> SimConfig {
    SimConfig { seed: 11, cranes: 3, ..SimConfig::default() }
}

fn arrivals(config: &SimConfig) -> Vec<Arrival> {
    Site::new(config.clone()).unwrap().collect()
}

fn of_crane(arrivals: &[Arrival], crane: u32) -> Vec<CraneReading> {
    arrivals.iter().map(|arrival| &arrival.reading).filter(|reading| reading.crane == crane).cloned().collect()
}

/// Frequent outages, so that a short run meets several.
fn cut_off_often() -> SimConfig {
    let link =
        LinkSettings { outage_every_h: 0.2, outage_ms: SimRange::new(60_000.0, 300_000.0), ..LinkSettings::default() };
    SimConfig { faults: SimFaults { outages: true, ..SimFaults::none() }, link, ..config() }
}

#[test]
fn same_seed_same_site_and_another_seed_another() {
    let once = arrivals(&config());
    assert_eq!(once, arrivals(&config()));
    assert_ne!(once, arrivals(&SimConfig { seed: 12, ..config() }));
}

/// FNV-1a over every bit of every arrival. A change of this number means that all recorded seeds mean something else.
#[test]
fn the_site_is_pinned_bit_for_bit() {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |word: u64| {
        for byte in word.to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    let everything_often = SimConfig {
        faults: SimFaults::all(),
        sensor: SensorSettings { stuck_every_h: 0.5, ..SensorSettings::default() },
        link: LinkSettings { clock_jump_every_h: 0.5, ..cut_off_often().link },
        ..config()
    };
    for Arrival { arrival_ms, reading } in Site::new(everything_often).unwrap() {
        add(arrival_ms as u64);
        add(u64::from(reading.crane));
        add(reading.event_time_ms as u64);
        add(reading.load_kg.to_bits());
        add(reading.radius_m.to_bits());
        add(u64::from(reading.reeving));
        add(reading.wind_mps.unwrap().to_bits());
        add(reading.hook_height_m.unwrap().to_bits());
        add(u64::from(reading.operator.unwrap_or(0)));
    }
    assert_eq!(hash, PINNED, "{hash:#018x}");
}

const PINNED: u64 = 0xc6e0_832b_8ce6_d8b6;

#[test]
fn a_crane_does_not_depend_on_its_neighbours() {
    let alone = SimConfig { cranes: 1, ..config() };
    assert_eq!(of_crane(&arrivals(&config()), 1), of_crane(&arrivals(&alone), 1));
}

#[test]
fn arrivals_come_in_order_and_validate() {
    let arrived = arrivals(&SimConfig { duration_ms: 3 * HOUR_MS, ..config() });
    assert!(arrived.is_sorted_by_key(|arrival| arrival.arrival_ms));
    for arrival in &arrived {
        assert_eq!(arrival.reading.validate(), Ok(()));
        assert!((1..=3).contains(&arrival.reading.crane));
        assert!(arrival.reading.operator.is_none_or(|number| (1..=99).contains(&number)));
    }
}

#[test]
fn without_faults_the_truth_arrives() {
    let plain = SimConfig { faults: SimFaults::none(), ..config() };
    let arrived = arrivals(&plain);
    let site = Site::new(plain).unwrap();
    for crane in 1..=3 {
        let truth: Vec<CraneReading> = site.truth(crane).unwrap().collect();
        assert_eq!(truth.len(), 36_000);
        assert_eq!(of_crane(&arrived, crane), truth);
        assert!(truth.is_sorted_by(|a, b| a.event_time_ms < b.event_time_ms));
        assert_eq!(site.recorded(crane).unwrap().collect::<Vec<_>>(), truth);
    }
    for Arrival { arrival_ms, reading } in &arrived {
        assert_eq!(arrival_ms - reading.event_time_ms, 20);
    }
}

#[test]
fn outages_lose_nothing_and_keep_the_order_of_one_crane() {
    let plain = cut_off_often();
    let site = Site::new(plain.clone()).unwrap();
    let arrived = arrivals(&plain);
    for crane in 1..=3 {
        assert!(site.fault_spans(crane).len() >= 2, "no outage to test");
        assert_eq!(of_crane(&arrived, crane), site.recorded(crane).unwrap().collect::<Vec<_>>());
    }
    let latest_ms = arrived.iter().map(|arrival| arrival.arrival_ms - arrival.reading.event_time_ms).max().unwrap();
    assert!((60_000..=320_000).contains(&latest_ms), "{latest_ms}");
}

#[test]
fn live_first_brings_old_readings_between_new_ones() {
    let mut mixed = cut_off_often();
    mixed.link.replay_order = ReplayOrder::LiveFirst;
    let site = Site::new(mixed.clone()).unwrap();
    let mut arrived = of_crane(&arrivals(&mixed), 1);
    let back_ms = arrived.windows(2).map(|pair| pair[0].event_time_ms - pair[1].event_time_ms).max().unwrap();
    assert!(back_ms > 60_000, "{back_ms}");
    arrived.sort_by_key(|reading| reading.event_time_ms);
    assert_eq!(arrived, site.recorded(1).unwrap().collect::<Vec<_>>());
}

#[test]
fn nothing_arrives_during_an_outage() {
    let plain = cut_off_often();
    let site = Site::new(plain.clone()).unwrap();
    for Arrival { arrival_ms, reading } in arrivals(&plain) {
        for span in site.fault_spans(reading.crane) {
            // What was sent just before the outage is still on its way for the least latency.
            assert!(arrival_ms < span.start_ms + 20 || arrival_ms >= span.end_ms, "{arrival_ms} in {span:?}");
        }
    }
}

#[test]
fn what_arrives_is_what_was_recorded_less_dropouts_plus_duplicates() {
    let mut lossy = cut_off_often();
    lossy.faults = SimFaults { clock_jumps: false, ..SimFaults::all() };
    lossy.sensor.stuck_every_h = 0.5;
    let site = Site::new(lossy.clone()).unwrap();
    let arrived = arrivals(&lossy);
    for crane in 1..=3 {
        let recorded: BTreeMap<i64, CraneReading> =
            site.recorded(crane).unwrap().map(|reading| (reading.event_time_ms, reading)).collect();
        let mut seen = BTreeSet::new();
        let mut twice = 0;
        for reading in of_crane(&arrived, crane) {
            assert_eq!(recorded.get(&reading.event_time_ms), Some(&reading));
            twice += usize::from(!seen.insert(reading.event_time_ms));
        }
        let dropped = 1.0 - seen.len() as f64 / recorded.len() as f64;
        assert!((0.008..0.055).contains(&dropped), "dropped {dropped}");
        let doubled = twice as f64 / seen.len() as f64;
        assert!((0.008..0.012).contains(&doubled), "doubled {doubled}");
    }
}

#[test]
fn jitter_makes_neighbours_overtake() {
    let jittery = SimConfig { faults: SimFaults { jitter: true, ..SimFaults::none() }, ..config() };
    let mut arrived = of_crane(&arrivals(&jittery), 1);
    assert!(!arrived.is_sorted_by_key(|reading| reading.event_time_ms));
    arrived.sort_by_key(|reading| reading.event_time_ms);
    assert_eq!(arrived, Site::new(jittery).unwrap().truth(1).unwrap().collect::<Vec<_>>());
}

#[test]
fn clocks_err_within_their_bounds() {
    let mut off = SimConfig { duration_ms: 2 * DAY_MS, sample_period_ms: 10_000, cranes: 30, ..config() };
    off.faults = SimFaults { clock_offset: true, clock_jumps: true, ..SimFaults::none() };
    off.link.clock_jump_every_h = 12.0;
    let site = Site::new(off).unwrap();
    let mut offsets = BTreeSet::new();
    let mut jumped = 0;
    for crane in 1..=30 {
        let spans = site.fault_spans(crane);
        for (told, truth) in site.recorded(crane).unwrap().zip(site.truth(crane).unwrap()) {
            let error_ms = told.event_time_ms - truth.event_time_ms;
            let in_jump = spans.iter().any(|span| (span.start_ms..span.end_ms).contains(&truth.event_time_ms));
            if in_jump {
                assert!((3_000..=602_000).contains(&error_ms.abs()), "{error_ms}");
                jumped += 1;
            } else {
                assert!(error_ms.abs() <= 2_000, "{error_ms}");
                offsets.insert((crane, error_ms));
            }
        }
    }
    assert_eq!(offsets.len(), 30, "one constant error per crane");
    assert!(jumped > 100);
}

#[test]
fn a_stuck_cell_repeats_its_value_and_nothing_else_sticks() {
    let mut stuck = config();
    stuck.faults = SimFaults { stuck: true, noise: true, ..SimFaults::none() };
    stuck.sensor.stuck_every_h = 0.1;
    stuck.sensor.stuck_ms = SimRange::new(200_000.0, 400_000.0);
    let site = Site::new(stuck).unwrap();
    let spans = site.fault_spans(2);
    assert!(!spans.is_empty());
    let readings: Vec<CraneReading> = site.recorded(2).unwrap().collect();
    for span in &spans {
        let held: Vec<&CraneReading> =
            readings.iter().filter(|reading| (span.start_ms..span.end_ms).contains(&reading.event_time_ms)).collect();
        assert!(held.len() > 1_000);
        assert!(held.iter().all(|reading| reading.load_kg == held[0].load_kg));
        assert!(held.iter().any(|reading| reading.radius_m != held[0].radius_m));
    }
}

#[test]
fn noise_and_steps_are_as_set() {
    let noisy = SimConfig { faults: SimFaults { noise: true, ..SimFaults::none() }, ..config() };
    let site = Site::new(noisy).unwrap();
    let errors: Vec<f64> = site
        .recorded(1)
        .unwrap()
        .zip(site.truth(1).unwrap())
        .map(|(told, truth)| told.load_kg - truth.load_kg)
        .collect();
    let mean_kg = errors.iter().sum::<f64>() / errors.len() as f64;
    let spread_kg = (errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64).sqrt();
    assert!(mean_kg.abs() < 1.0 && (spread_kg - 30.0).abs() < 1.0, "{mean_kg} {spread_kg}");

    let stepped = SimConfig { faults: SimFaults { quantisation: true, ..SimFaults::none() }, ..config() };
    for reading in Site::new(stepped).unwrap().recorded(1).unwrap() {
        assert_eq!(reading.load_kg % 10.0, 0.0);
        assert_eq!((reading.radius_m * 10.0).round() / 10.0, reading.radius_m);
    }
}

#[test]
fn drift_stays_within_its_rate() {
    let drifting = SimConfig {
        duration_ms: 10 * HOUR_MS,
        sample_period_ms: 60_000,
        cranes: 20,
        faults: SimFaults { drift: true, ..SimFaults::none() },
        ..config()
    };
    let site = Site::new(drifting).unwrap();
    let mut widest_kg = 0.0_f64;
    for crane in 1..=20 {
        for (told, truth) in site.recorded(crane).unwrap().zip(site.truth(crane).unwrap()) {
            let hours = (truth.event_time_ms - site.config().start_ms) as f64 / HOUR_MS as f64;
            let drift_kg = (told.load_kg - truth.load_kg).abs();
            assert!(drift_kg <= 30.0 * hours + 1e-6, "{drift_kg} after {hours} h");
            widest_kg = widest_kg.max(drift_kg);
        }
    }
    assert!(widest_kg > 200.0, "{widest_kg}");
}

#[test]
fn snatch_and_swing_move_the_load_as_much_as_the_standard_says() {
    let moving = SimFaults { snatch: true, swing: true, ..SimFaults::none() };
    let site = Site::new(SimConfig { faults: moving, duration_ms: 8 * HOUR_MS, ..config() }).unwrap();
    let mut peak = 1.0_f64;
    for (told, truth) in site.recorded(1).unwrap().zip(site.truth(1).unwrap()) {
        let factor = told.load_kg / truth.load_kg;
        assert!((0.85..1.164).contains(&factor), "{factor}");
        peak = peak.max(factor);
    }
    assert!(peak > 1.08, "{peak}");

    let swing = SimFaults { swing: true, ..SimFaults::none() };
    let mut site = SimConfig { faults: swing, duration_ms: 8 * HOUR_MS, ..config() };
    let factor_and_shift = |config: &SimConfig| {
        let site = Site::new(config.clone()).unwrap();
        let pairs = site.recorded(1).unwrap().zip(site.truth(1).unwrap());
        pairs.fold((0.0_f64, 0.0_f64), |widest, (told, truth)| {
            let shift_m = (told.radius_m - truth.radius_m).abs();
            (widest.0.max(told.load_kg / truth.load_kg - 1.0), widest.1.max(shift_m))
        })
    };
    let (force, shift_m) = factor_and_shift(&site);
    assert!((0.004..0.012).contains(&force) && shift_m == 0.0, "{force} {shift_m}");
    site.motion.radius_follows_swing = true;
    let (_, shift_m) = factor_and_shift(&site);
    assert!((1.0..4.2).contains(&shift_m), "{shift_m}");
}

#[test]
fn lifts_are_as_the_settings_say() {
    let month = SimConfig { cranes: 40, duration_ms: 30 * DAY_MS, ..config() };
    let site = Site::new(month).unwrap();
    let chart = crate::crane::RatedLoad::qtz63();
    let (mut ratios, mut low_reeving) = (Vec::new(), 0);
    for crane in 1..=40 {
        let mut last_end_ms = 0;
        for lift in site.lifts(crane).unwrap() {
            assert!(lift.start_ms >= last_end_ms);
            last_end_ms = lift.end_ms;
            assert!((179_999..=480_000).contains(&(lift.end_ms - lift.start_ms)));
            let minute = (lift.start_ms + 8 * HOUR_MS).rem_euclid(DAY_MS) / 60_000;
            assert!((420..720).contains(&minute) || (780..1_080).contains(&minute), "minute {minute}");
            let worst = chart.utilisation(lift.reeving, lift.payload_kg + 200.0, lift.pick_m.max(lift.drop_m));
            assert!((worst.ratio().unwrap() - lift.worst_ratio).abs() < 1e-9);
            ratios.push(lift.worst_ratio);
            low_reeving += usize::from(lift.reeving == 2);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let per_day = ratios.len() as f64 / 1_200.0;
    assert!((90.0..130.0).contains(&per_day), "{per_day}");
    let over = ratios.iter().filter(|ratio| **ratio > 1.0).count() as f64 / ratios.len() as f64;
    assert!((0.018..0.022).contains(&over), "{over}");
    let median = ratios[ratios.len() / 2];
    assert!((0.46..0.53).contains(&median), "the hook block adds a few points: {median}");
    assert!(*ratios.last().unwrap() <= 1.41);
    let low = low_reeving as f64 / ratios.len() as f64;
    assert!((0.27..0.33).contains(&low), "{low}");
}

#[test]
fn the_truth_exceeds_the_chart_only_in_overloaded_lifts() {
    let site = Site::new(SimConfig { duration_ms: 10 * HOUR_MS, ..config() }).unwrap();
    let chart = crate::crane::RatedLoad::qtz63();
    for crane in 1..=3 {
        let over: Vec<SimLift> = site.lifts(crane).unwrap().filter(|lift| lift.worst_ratio > 1.0).collect();
        let mut met = BTreeSet::new();
        for reading in site.truth(crane).unwrap() {
            if chart.utilisation(reading.reeving, reading.load_kg, reading.radius_m).reaches(1.0) {
                let lift =
                    over.iter().find(|lift| (lift.load_on_ms..lift.load_off_ms).contains(&reading.event_time_ms));
                met.insert(lift.expect("an overload outside an overloaded lift").start_ms);
            }
        }
        assert_eq!(met.len(), over.len());
    }
}

#[test]
fn trolley_and_hook_keep_to_their_speeds() {
    let site = Site::new(config()).unwrap();
    let truth: Vec<CraneReading> = site.truth(1).unwrap().collect();
    for pair in truth.windows(2) {
        let trolley_mps = (pair[1].radius_m - pair[0].radius_m).abs() * 10.0;
        assert!(trolley_mps <= 0.54, "{trolley_mps}");
        let hook_mps = (pair[1].hook_height_m.unwrap() - pair[0].hook_height_m.unwrap()).abs() * 10.0;
        assert!(hook_mps <= 1.5, "{hook_mps}");
    }
}

#[test]
fn wind_is_mostly_calm_and_sometimes_strong() {
    let month = SimConfig { cranes: 1, duration_ms: 30 * DAY_MS, sample_period_ms: 3_000, ..config() };
    let site = Site::new(month).unwrap();
    let winds: Vec<f64> = site.truth(1).unwrap().map(|reading| reading.wind_mps.unwrap()).collect();
    let mean_mps = winds.iter().sum::<f64>() / winds.len() as f64;
    assert!((2.3..3.0).contains(&mean_mps), "{mean_mps}");
    let top_mps = winds.iter().copied().fold(0.0, f64::max);
    assert!((10.0..40.0).contains(&top_mps), "{top_mps}");
}

#[test]
fn memory_stays_within_the_outage_backlog() {
    let mut site = Site::new(cut_off_often()).unwrap();
    let (mut kept, mut in_air) = (0, 0);
    while site.next().is_some() {
        kept = kept.max(site.stations.iter().map(|station| station.kept.len()).max().unwrap());
        in_air = in_air.max(site.air.heap.len());
    }
    assert!((600..=3_001).contains(&kept), "{kept}");
    assert!(in_air <= 200, "{in_air}");
    assert!(site.next().is_none());
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut SimConfig)| {
        let mut config = config();
        change(&mut config);
        Site::new(config).unwrap_err().to_string()
    };
    assert!(refused(&|c| c.cranes = 0).starts_with("E0441 setting cranes"));
    assert!(refused(&|c| c.sample_period_ms = 0).starts_with("E0441 setting sample_period_ms"));
    assert!(refused(&|c| c.duration_ms = -1).starts_with("E0441 setting duration_ms"));
    assert!(refused(&|c| c.work.overload_share = f64::NAN).starts_with("E0441 setting work.overload_share"));
    assert!(refused(&|c| c.link.latency_ms = SimRange::new(5.0, 4.0)).starts_with("E0441 setting link.latency_ms"));
    assert!(refused(&|c| c.link.replay_per_s = 19.0).starts_with("E0441 setting link.replay_per_s"));
    assert!(refused(&|c| c.work.tare_kg = 1_300.0).starts_with("E0441 setting work.tare_kg"));
    assert!(refused(&|c| c.work.radius_min_m = 30.0).starts_with("E0441 setting work.radius_min_m"));
    for shifts in [vec![(0, 600), (500, 700)], vec![(10, 10)], vec![(900, 1_441)], vec![(0, 5), (10, 15)]] {
        assert!(refused(&|c| c.work.shifts_min.clone_from(&shifts)).starts_with("E0442"), "{shifts:?}");
    }
}

#[test]
fn an_empty_run_and_work_around_the_clock() {
    assert_eq!(arrivals(&SimConfig { duration_ms: 0, ..config() }), []);
    let mut day_and_night = SimConfig { duration_ms: DAY_MS, ..config() };
    day_and_night.work.shifts_min.clear();
    assert!(Site::new(day_and_night).unwrap().lifts(1).unwrap().count() > 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_site_is_ordered_and_complete(
        seed in any::<u64>(), cranes in 1..5_u32, period in 50..2_000_u32, live_first in any::<bool>(),
        jitter in any::<bool>()
    ) {
        let mut any = cut_off_often();
        (any.seed, any.cranes, any.sample_period_ms, any.duration_ms) = (seed, cranes, period, 1_200_000);
        any.faults.jitter = jitter;
        any.link.replay_order = if live_first { ReplayOrder::LiveFirst } else { ReplayOrder::OldestFirst };
        let arrived = arrivals(&any);
        prop_assert!(arrived.is_sorted_by_key(|arrival| arrival.arrival_ms));
        let site = Site::new(any).unwrap();
        for crane in 1..=cranes {
            let mut readings = of_crane(&arrived, crane);
            readings.sort_by_key(|reading| reading.event_time_ms);
            prop_assert_eq!(readings, site.truth(crane).unwrap().collect::<Vec<_>>());
        }
    }
}
