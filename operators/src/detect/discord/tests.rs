use proptest::prelude::*;

use super::*;

/// What the four questions say, the records, and what is expected and how many were compared, for each of both distances.
type Reckoned = ([f64; 4], [f64; 2], [(Option<f64>, u32); 2]);

const FIVE_MINUTES_MS: i64 = 300_000;
/// Values of a day, five minutes apart.
const DAY: usize = 288;

/// Noise between -1 and 1, the same for ever.
fn noise(nth: u64) -> f64 {
    let bits = nth.wrapping_add(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Ten days with a hump in the middle of each, and noise.
fn days() -> Vec<f64> {
    let hump = |nth: usize| if (96..192).contains(&(nth % DAY)) { 10.0 } else { 0.0 };
    (0..10 * DAY).map(|nth| hump(nth) + noise(nth as u64)).collect()
}

type Said = Vec<Judged<DiscordWhy>>;

fn run_every(step_ms: i64, discord: Discord, values: &[f64]) -> (DiscordState, Said) {
    let mut state = DiscordState::default();
    let said = (0..).zip(values).map(|(nth, value)| discord.score(&mut state, nth * step_ms, *value)).collect();
    (state, said)
}

fn run(discord: Discord, values: &[f64]) -> (DiscordState, Said) {
    run_every(FIVE_MINUTES_MS, discord, values)
}

/// What scores above 0: where, how much, and by which question.
fn odd(said: &Said) -> Vec<(usize, f64, DiscordCheck)> {
    let scores = said.iter().enumerate().filter_map(|(nth, said)| match said {
        Judged::Score(score, why) if *score > 0.0 => Some((nth, *score, why.check)),
        _ => None,
    });
    scores.collect()
}

fn first_odd(discord: Discord, values: &[f64]) -> Option<(usize, DiscordCheck)> {
    odd(&run(discord, values).1).first().map(|(nth, _, check)| (*nth, *check))
}

/// By definition: everything from the first value on, for each value anew.
struct Plain<'v> {
    of: Discord,
    at_ms: &'v [i64],
    values: &'v [f64],
}

/// The range of some numbers, and how far out of it another is.
fn excess(before: &[f64], number: f64) -> f64 {
    let (low, high) = range(before);
    let half = (high - low).max(low.abs().max(high.abs()) * 1e-9) / 2.0;
    let out = (number - high).max(low - number);
    if before.is_empty() || out <= 0.0 { 0.0 } else { (out / half).min(100.0) }
}

fn range(of: &[f64]) -> (f64, f64) {
    (of.iter().copied().fold(f64::INFINITY, f64::min), of.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

impl Plain<'_> {
    /// Numbers as they enter their range, of which the first `free` do as they are.
    fn kept(&self, numbers: &[f64], free: usize) -> Vec<f64> {
        let mut kept: Vec<f64> = Vec::new();
        for (nth, number) in numbers.iter().enumerate() {
            let (low, high) = range(&kept);
            let reach = self.of.widening * (high - low);
            kept.push(if nth < free || low >= high { *number } else { number.clamp(low - reach, high + reach) });
        }
        kept
    }

    /// The distances of the stretch that ends at `end` from the nearest, of any time or of this time of day, and how many there are.
    fn distance(&self, kept: &[f64], end: usize, by_hour: bool) -> (Option<f64>, u32) {
        let (stretch, memory) = (self.of.stretch as usize, self.of.memory as usize);
        let mut all = Vec::new();
        for lag in stretch..=memory {
            let Some(other) = end.checked_sub(lag).filter(|other| other + 1 >= stretch) else { continue };
            let ago_ms = self.at_ms[end] - self.at_ms[other];
            let off_ms = ago_ms.rem_euclid(DAY_MS);
            let is_near = off_ms.min(DAY_MS - off_ms) <= self.of.same_time_ms && ago_ms >= DAY_MS / 2;
            if is_near || !by_hour {
                let sum: f64 = (0..stretch).map(|n| (kept[end - n] - kept[other - n]).powi(2)).sum();
                all.push((sum / stretch as f64).sqrt());
            }
        }
        all.sort_by(f64::total_cmp);
        let nearest = &all[..all.len().min(self.of.neighbours as usize)];
        let mean = nearest.iter().sum::<f64>() / nearest.len() as f64;
        ((!nearest.is_empty()).then_some(mean), all.len() as u32)
    }

    /// By how much the last of the distances is above the record of those before, and that record.
    fn above_record(&self, distances: &[Option<f64>], least: f64) -> (f64, f64) {
        let half_life = f64::from(self.of.half_life);
        let fades = 1.0 - 2_f64.ln() / half_life;
        let from = self.of.warm_up as usize / 2;
        let last = distances.len() - 1;
        let set: Vec<f64> = distances[from.min(last)..last].iter().flatten().copied().collect();
        let faded = set.iter().rev().zip(0..).map(|(distance, n)| distance * fades.powi(n));
        let record = faded.fold(0.0, f64::max);
        let Some(distance) = distances[last] else { return (0.0, record) };
        let bar = record.max(least);
        (if set.len() < from { 0.0 } else { ((distance - bar) / bar).clamp(0.0, 100.0) }, record)
    }

    /// For each value what the four questions say, and what is compared and expected.
    fn all(&self) -> Vec<Reckoned> {
        let (warm_up, half) = (self.of.warm_up as usize, (self.of.stretch as usize / 2).max(1));
        let kept = self.kept(self.values, warm_up);
        let levels: Vec<f64> = kept.windows(half).map(|of| of.iter().sum::<f64>() / half as f64).collect();
        let kept_levels = self.kept(&levels, (warm_up + 1).saturating_sub(half));
        let (mut said, mut shapes, mut hours) = (Vec::new(), Vec::new(), Vec::new());
        for nth in 0..kept.len() {
            let by_value = excess(&kept[..nth], self.values[nth]);
            let by_level =
                (nth + 1).checked_sub(half).map_or(0.0, |level| excess(&kept_levels[..level], levels[level]));
            let found = [false, true].map(|by_hour| self.distance(&kept, nth, by_hour));
            shapes.push(found[0].0);
            hours.push(found[1].0);
            let (low, high) = if nth == 0 { (0.0, 0.0) } else { range(&kept[..nth]) };
            let least = 0.01 * (high - low).max(low.abs().max(high.abs()) * 1e-9);
            let (shape, hour) = (self.above_record(&shapes, least), self.above_record(&hours, least));
            said.push(([by_value, by_level, shape.0, hour.0], [shape.1, hour.1], found));
        }
        said
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_is_what_all_values_say_worked_out_anew(
        seed in 0_u64..1_000_000, count in 1_usize..160, wild in prop::collection::vec((0_usize..160, -40.0_f64..40.0), 0..4),
        (stretch, memory, neighbours) in (1_u32..7, 1_u32..60, 1_u32..5), warm_up in 0_u32..40, quiet in 0_u32..6,
    ) {
        let of = Discord {
            warm_up, quiet, stretch, memory, neighbours, half_life: 20, same_time_ms: 5_000_000, widening: 0.3, margin: 0.05,
        };
        let mut values: Vec<f64> = (0..count).map(|n| (n % 9) as f64 + noise(seed + n as u64)).collect();
        wild.iter().for_each(|(at, by)| if let Some(value) = values.get_mut(*at) { *value += by });
        // Nine values a day, or nearly so.
        let at_ms: Vec<i64> = (0..count as i64).map(|n| n * 9_600_000 + (noise(n as u64) * 3e6) as i64).collect();
        let plain = Plain { of, at_ms: &at_ms, values: &values }.all();
        let (mut state, mut quiet_until) = (DiscordState::default(), 0);
        for (nth, (excesses, records, found)) in plain.iter().enumerate() {
            let said = of.score(&mut state, at_ms[nth], values[nth]);
            state = DiscordState::decode(&state.encode().unwrap()).unwrap();
            if nth < warm_up as usize {
                prop_assert_eq!(said, Judged::WarmsUp);
                continue;
            }
            let Judged::Score(score, why) = said else { return Err(TestCaseError::fail("it is warm")) };
            let most = excesses.iter().copied().fold(0.0, f64::max);
            prop_assert!(near(why.excess, most), "{nth}: {why:?} {excesses:?}");
            prop_assert!(near(excesses[why.check as usize], most), "{nth}: {why:?} {excesses:?}");
            let among = usize::from(why.check == DiscordCheck::Hour);
            prop_assert!(near(why.record, records[among]) && why.compared == found[among].1, "{nth}: {why:?} {records:?} {found:?}");
            prop_assert!(near(why.distance.unwrap_or(-1.0), found[among].0.unwrap_or(-1.0)), "{nth}: {why:?} {found:?}");
            let is_news = nth >= quiet_until && why.excess >= 0.05;
            prop_assert_eq!(score, if is_news { why.excess } else { 0.0 });
            quiet_until = if is_news { nth + 1 + quiet as usize } else { quiet_until };
        }
    }

    /// Whatever a store gives back: lists of any length, numbers that are none.
    #[test]
    fn no_state_that_can_be_read_makes_it_panic_or_say_what_is_no_number(
        (values, at_ms, sums) in (0_usize..9, 0_usize..9, 0_usize..9), fits in any::<bool>(),
        numbers in prop::collection::vec(any::<f64>(), 16), counts in (any::<u64>(), any::<u64>(), any::<u32>()), some_ms in any::<i64>(),
    ) {
        let of = Discord { warm_up: 2, quiet: 1, stretch: 2, memory: 4, neighbours: 2, ..Discord::default() };
        let (seen, values, at_ms, sums) = if fits { (counts.0.max(6), 6, 6, 4) } else { (counts.0, values, at_ms, sums) };
        let mut state = DiscordState {
            seen,
            values: numbers[..values].to_vec(),
            at_ms: vec![some_ms; at_ms],
            sums: numbers[..sums].to_vec(),
            of_values: Range { seen: counts.1, low: numbers[10], high: numbers[11] },
            of_levels: Range { seen: counts.1, low: numbers[12], high: numbers[13] },
            shape: Record { seen: counts.1, distance: numbers[14] },
            hour: Record { seen: counts.1, distance: numbers[15] },
            quiet: counts.2,
        };
        for (n, value) in [1.0, -1e100, 0.0, 1e100, 5.0, 2.0, 2.0, 2.0].into_iter().enumerate() {
            state = DiscordState::decode(&state.encode().unwrap()).unwrap();
            if let Judged::Score(score, why) = of.score(&mut state, n as i64, value) {
                prop_assert!((0.0..=100.0).contains(&score) && (0.0..=100.0).contains(&why.excess), "{score} {why:?}");
            }
        }
    }
}

#[test]
fn what_was_stored_under_other_settings_begins_anew() {
    let (mut state, _) = run(Discord::default(), &days());
    let other = Discord { memory: 500, ..Discord::default() };
    assert_eq!(other.score(&mut state, 0, 5.0), Judged::WarmsUp);
    assert_eq!((state.seen, state.values.len(), state.sums.len()), (1, 1, 0));
}

#[test]
fn days_that_are_alike_are_not_odd() {
    assert_eq!(odd(&run(Discord::default(), &days()).1), []);
}

#[test]
fn a_wild_value_is_out_of_range_and_hardly_widens_it() {
    let mut values = days();
    values[2_000] = 100.0;
    let (_, said) = run(Discord::default(), &values);
    assert_eq!(odd(&said)[0].2, DiscordCheck::Value);
    let Judged::Score(score, why) = said[2_000] else { panic!("it is warm") };
    assert!(near(score, (100.0 - why.high) / ((why.high - why.low) / 2.0)), "{score} {why:?}");
    let Judged::Score(_, next) = said[2_001] else { panic!("it is warm") };
    assert!(near(next.high, why.high + 0.2 * (why.high - why.low)), "{next:?}");
}

#[test]
fn a_day_without_its_hump_is_odd_for_the_hour() {
    let mut values = days();
    let without = 7 * DAY + 96..7 * DAY + 192;
    without.clone().for_each(|nth| values[nth] = noise(1_000_000 + nth as u64));
    let (nth, check) = first_odd(Discord::default(), &values).unwrap();
    assert!(check == DiscordCheck::Hour && (without.start..without.start + 32).contains(&nth), "{check:?} at {nth}");
}

#[test]
fn a_new_shape_is_odd_though_its_values_are_not() {
    let mut values = days();
    (2_000..2_032).for_each(|nth| values[nth] = if nth % 2 == 0 { 0.0 } else { 10.0 });
    // A value a second: no time of day comes back within an hour.
    let said = run_every(1_000, Discord::default(), &values).1;
    let (nth, _, check) = odd(&said)[0];
    assert!(check == DiscordCheck::Shape && (2_000..2_032).contains(&nth), "{check:?} at {nth}");
}

#[test]
fn what_comes_soon_after_is_no_news() {
    let mut values = days();
    [2_000, 2_010, 2_075, 2_076].into_iter().for_each(|nth| values[nth] = 40.0 * nth as f64);
    let found: Vec<usize> = odd(&run(Discord::default(), &values).1).iter().map(|(nth, _, _)| *nth).collect();
    assert_eq!(found[..2], [2_000, 2_076]);
}

#[test]
fn scale_sign_and_offset_make_no_difference() {
    let mut values = days();
    values[2_000] = 14.0;
    let places = |values: &[f64]| -> Vec<(usize, DiscordCheck)> {
        odd(&run(Discord::default(), values).1).iter().map(|(nth, _, check)| (*nth, *check)).collect()
    };
    let as_they_are = places(&values);
    assert!(!as_they_are.is_empty());
    assert_eq!(places(&values.iter().map(|value| value * -1_024.0).collect::<Vec<_>>()), as_they_are);
    assert_eq!(places(&values.iter().map(|value| value + 1_000.0).collect::<Vec<_>>()), as_they_are);
}

#[test]
fn what_never_moved_is_not_odd_and_its_first_move_is_as_odd_as_can_be() {
    let mut values = vec![45.0; 2_000];
    assert_eq!(odd(&run(Discord::default(), &values).1), []);
    values[1_000] = 46.0;
    assert_eq!(odd(&run(Discord::default(), &values).1)[0], (1_000, SCORE_MAX, DiscordCheck::Value));
}

#[test]
fn memory_is_bounded_and_sums_stay_exact() {
    let mut values = days();
    values[300] = 1e4;
    values.extend_from_within(..);
    let (state, _) = run(Discord::default(), &values);
    assert_eq!((state.sums.len(), state.values.len(), state.at_ms.len()), (2_000, 2_032, 2_032));
    // As the table of the room has it; lists grow to the next power of two.
    assert!(2_048 * (2 * size_of::<f64>() + size_of::<i64>()) + size_of::<DiscordState>() < 49_500);
    let newest: Vec<f64> = state.values.iter().rev().copied().collect();
    for (nth, sum) in state.sums.iter().enumerate() {
        let exact: f64 = (0..32).map(|row| squared(newest[row] - newest[nth + 1 + row])).sum();
        assert!((sum - exact).abs() < 1e-6 * exact.max(1.0), "{nth}: {sum} {exact}");
    }
}

#[test]
fn settings_that_make_no_sense_make_no_nonsense() {
    for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for (stretch, memory, neighbours) in [(0, 0, 0), (1, 1, 1), (64, 3, 2), (5, 5_000, 0)] {
            let of = Discord { warm_up: 0, stretch, memory, neighbours, half_life: 0, ..Discord::default() };
            let of = Discord { same_time_ms: i64::MAX, widening: none, margin: none, ..of };
            let extremes = [1e100, -1e100, 0.0, f64::MIN_POSITIVE, -0.0];
            let values: Vec<f64> = extremes.into_iter().cycle().take(200).chain(days().into_iter().take(300)).collect();
            for said in run(of, &values).1 {
                assert!(matches!(said, Judged::Score(score, _) if (0.0..=100.0).contains(&score)), "{said:?}");
            }
        }
    }
}

#[test]
fn what_is_not_said_is_the_default_and_what_is_wrong_is_refused() {
    let of: Discord = toml::from_str("stretch = 16\nmargin = 0.1").unwrap();
    assert_eq!(of, Discord { stretch: 16, margin: 0.1, ..Discord::default() });
    assert_eq!(toml::from_str::<Discord>(&toml::to_string(&of).unwrap()).unwrap(), of);
    assert!(toml::from_str::<Discord>("strech = 16").is_err());
}
