use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let count = all.len();
    f64::midpoint(all[(count - 1) / 2], all[count / 2])
}

/// Everything that was ever said, as a list.
#[derive(Default)]
struct Plain {
    known: Vec<(usize, i64, f64)>,
    newest_ms: i64,
}

impl Plain {
    fn say(&mut self, z: &RobustZ, at_ms: i64, entry: Entry) -> Option<(f64, f64, f64)> {
        let bin = (at_ms.rem_euclid(24 * HOUR_MS) * i64::from(z.bins_a_day) / (24 * HOUR_MS)) as usize;
        let value = match entry {
            Entry::Add(value) => value,
            Entry::Retract(value) => {
                if let Some(at) = self.known.iter().position(|known| *known == (bin, at_ms, value)) {
                    self.known.remove(at);
                }
                return None;
            }
        };
        self.newest_ms = self.newest_ms.max(at_ms);
        let since_ms = self.newest_ms - z.keep_ms;
        self.known.retain(|(of, known_ms, _)| *of != bin || *known_ms > since_ms);
        let others: Vec<f64> = self.known.iter().filter(|(of, ..)| *of == bin).map(|(.., value)| *value).collect();
        if at_ms > since_ms {
            self.known.push((bin, at_ms, value));
        }
        while self.known.iter().filter(|(of, ..)| *of == bin).count() > z.keep as usize {
            let of_bin = self.known.iter().enumerate().filter(|(_, (of, ..))| *of == bin);
            let oldest = of_bin.min_by(|(_, a), (_, b)| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2))).unwrap().0;
            self.known.remove(oldest);
        }
        let middle = (others.len() >= z.warm_up as usize).then(|| median(others.clone()))?;
        let mad = median(others.iter().map(|value| (value - middle).abs()).collect()).max(z.mad_min);
        Some(((value - middle) / (1.4826 * mad), middle, mad))
    }
}

proptest! {
    #[test]
    fn it_is_median_and_mad_of_what_stands(
        of in prop::collection::vec((0_i64..12, 0_i64..9, -6_i32..6, 0_usize..8), 1..150), keep in 1_u32..12, keep_days in 1_i64..6, warm_up in 1_u32..4,
    ) {
        let z = RobustZ {
            bins_a_day: 4, zone: Zone::named("UTC").unwrap(), keep, keep_ms: keep_days * 24 * HOUR_MS,
            warm_up: warm_up.min(keep), mad_min: 0.5, side: Side::Above,
        };
        let (mut state, mut plain, mut now_ms, mut said) = (RobustZState::default(), Plain::default(), 0, Vec::new());
        for (hours, back, value, take_back) in of {
            now_ms += hours * HOUR_MS;
            // Now and then one from before, and one that is taken back.
            let at_ms = if back > 6 { (now_ms - back * 5 * HOUR_MS).max(0) } else { now_ms };
            let (at_ms, entry) = match said.get(take_back) {
                Some((at_ms, value)) if take_back < 2 => (*at_ms, Entry::Retract(*value)),
                _ => (at_ms, Entry::Add(f64::from(value) / 2.0)),
            };
            if let Entry::Add(value) = entry {
                said.insert(0, (at_ms, value));
            }
            let found = z.score(&mut state, at_ms, entry);
            state = RobustZState::decode(&state.encode().unwrap()).unwrap();
            match (plain.say(&z, at_ms, entry), found) {
                (Some((score, median, mad)), Judged::Score(found, why)) => {
                    prop_assert_eq!((why.median, why.mad), (median, mad));
                    prop_assert!((score - found).abs() < 1e-9);
                }
                (None, Judged::WarmsUp) => prop_assert!(matches!(entry, Entry::Add(_))),
                (None, Judged::Nothing) => prop_assert!(matches!(entry, Entry::Retract(_))),
                (expected, found) => prop_assert!(false, "{expected:?} {found:?}"),
            }
            prop_assert!(state.bins.iter().all(|values| values.len() <= keep as usize));
        }
    }

    /// What was taken back leaves no trace.
    #[test]
    fn what_is_taken_back_was_never_there(values in prop::collection::vec(-9_i32..9, 0..30), wrong in -100_i32..100) {
        let z = RobustZ { warm_up: 1, zone: Zone::named("UTC").unwrap(), ..RobustZ::default() };
        let fill = |state: &mut RobustZState, days: std::ops::Range<usize>| {
            days.for_each(|day| _ = z.score(state, day as i64 * 24 * HOUR_MS, Entry::Add(f64::from(values[day]))));
        };
        let (mut plain, mut mended) = (RobustZState::default(), RobustZState::default());
        fill(&mut plain, 0..values.len());
        fill(&mut mended, 0..values.len() / 2);
        let at_ms = (values.len() / 2) as i64 * 24 * HOUR_MS;
        z.score(&mut mended, at_ms, Entry::Add(f64::from(wrong)));
        fill(&mut mended, values.len() / 2..values.len());
        z.score(&mut mended, at_ms, Entry::Retract(f64::from(wrong)));
        prop_assert_eq!(mended.bins.concat(), plain.bins.concat());
    }

    #[test]
    fn no_sound_value_makes_a_score_that_is_not_finite(
        values in prop::collection::vec(prop_oneof![any::<f64>(), Just(1e100), Just(-1e100), Just(5e-324)], 1..60), mad_min in prop_oneof![Just(0.0), Just(f64::NAN), Just(1.0)],
    ) {
        let (z, mut state) = (RobustZ { warm_up: 1, mad_min, bins_a_day: 0, keep: 7, ..RobustZ::default() }, RobustZState::default());
        for (n, value) in values.into_iter().enumerate().filter(|(_, value)| value.unsound().is_none()) {
            if let Judged::Score(score, _) = z.score(&mut state, n as i64 * HOUR_MS, Entry::Add(value)) {
                prop_assert!(score.is_finite());
            }
        }
    }
}

#[test]
fn the_clocks_that_are_set_move_no_hour() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let z = RobustZ { zone: zone.clone(), ..RobustZ::default() };
    let bin = |text: &str| z.bin(zone.instant_ms(text).unwrap());
    assert_eq!(["2026-03-28 08:30:00", "2026-03-29 08:30:00", "2026-10-25 08:30:00"].map(bin), [8, 8, 8]);
    // The hour that comes twice is one.
    assert_eq!(["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"].map(bin), [2, 2]);
    assert_eq!(["2026-10-24 00:00:00", "2026-10-24 23:59:59.999"].map(bin), [0, 23]);
    // Times that are none have a part of the day too.
    assert!([i64::MIN, i64::MAX].into_iter().all(|at_ms| z.bin(at_ms) < 24));
}
