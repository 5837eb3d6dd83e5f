//! People who fall: told whatever order the rows come in, with what is missing, and taken back where it was none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use watchfire_engine::{Change, EventTime, Job, TickSource};
use watchfire_operators::wristband::{
    Acceleration, Concern, Evidence, FallModel, FallRule, FallTells, FallTrial, FallWatch, Grade, MotionRow, Scale,
    Sign, Wearer,
};

const PERSON: Wearer = Wearer::Person(7);
/// Somebody whose rows move the clock.
const OTHER: Wearer = Wearer::Person(8);
const DAY: i64 = 86_400_000;

fn job(watch: FallWatch) -> Job {
    let job = Job::new(move |flow| {
        let any_time = EventTime { max_skew_ms: 400 * DAY, ..MotionRow::EVENT_TIME };
        let rows = flow.channel::<MotionRow>("motions").key_by(|row| row.wearer).event_time(any_time);
        rows.detect("people", watch.clone()).out.to_channel("falls");
    });
    job.ticks(TickSource::FromEvents { interval_ms: 1_000, max_jump_ms: 400 * DAY })
}

/// What is told, in its order, and whether it was taken back; and how many rows were late and came twice.
fn changes(watch: &FallWatch, rows: &[MotionRow], batch: usize) -> (Vec<(FallTells, bool)>, (u64, u64)) {
    let mut running = job(watch.clone()).start().unwrap();
    let (sender, falls) = (running.sender("motions").unwrap(), running.receiver("falls").unwrap());
    rows.chunks(batch).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    let told = falls.rows().map(|change| match change {
        Change::Insert(of) => (of, false),
        Change::Retract(of) => (of, true),
    });
    let told = told.collect();
    let counts = running.wait().unwrap().operators["people"].detectors[0];
    (told, (counts.late, counts.duplicate))
}

/// What is told in the end.
fn told(watch: &FallWatch, rows: &[MotionRow], batch: usize) -> Vec<FallTells> {
    let mut told = changes(watch, rows, batch).0;
    told.sort_unstable();
    let mut kept = Vec::new();
    for of in told.chunk_by(|a, b| a.0 == b.0) {
        let count = of.iter().map(|(_, back)| if *back { -1 } else { 1 }).sum::<i32>();
        assert!((0..=1).contains(&count), "{of:?}");
        kept.extend((count == 1).then_some(of[0].0));
    }
    kept
}

fn concerns(told: &[FallTells]) -> Vec<(i64, Grade)> {
    let of = told.iter().filter_map(|of| match of {
        FallTells::Concern(Concern { at_ms, sign: Sign::Fall, grade, .. }) => Some((*at_ms, *grade)),
        _ => None,
    });
    of.collect()
}

fn row(at_ms: i64, g: [f64; 3]) -> MotionRow {
    MotionRow { wearer: PERSON, device: 1, at_ms, acceleration: Acceleration::from_g(g).unwrap() }
}

/// What a band says at rest, with a little noise.
fn rest(ms: i64, down: [f64; 3]) -> [f64; 3] {
    let noise = (ms / 20 * 7 % 11) as f64 / 1_000.0;
    down.map(|of| of + noise)
}

/// Standing; at 20 s a fall, and lying on the side.
fn fall(ms: i64) -> [f64; 3] {
    match ms {
        19_700..20_000 => rest(ms, [0.1, 0.1, 0.2]),
        20_000 => [0.5, 1.0, 3.0],
        20_001.. => rest(ms, [1.0, 0.0, 0.0]),
        _ => rest(ms, [0.0, 0.0, 1.0]),
    }
}

/// From one time to before another, fifty a second.
fn stream(of: impl Fn(i64) -> [f64; 3], from_ms: i64, until_ms: i64) -> Vec<MotionRow> {
    (from_ms..until_ms).step_by(20).map(|ms| row(ms, of(ms))).collect()
}

/// The clock goes on while nothing comes of the person.
fn others(from_ms: i64, until_ms: i64) -> Vec<MotionRow> {
    let rows = (from_ms..until_ms).step_by(500).map(|ms| row(ms, rest(ms, [0.0, 0.0, 1.0])));
    rows.map(|row| MotionRow { wearer: OTHER, ..row }).collect()
}

const FELL: (i64, Grade) = (24_500, Grade::CallBack);
const LIES: (i64, Grade) = (80_000, Grade::Urgent);

#[test]
fn who_lies_where_they_fell_is_told_of_and_who_gets_up_once() {
    let watch = FallWatch::default();
    let lies = changes(&watch, &stream(fall, 0, 90_000), 500).0;
    let told: Vec<FallTells> = lies.iter().map(|of| of.0).collect();
    assert_eq!(concerns(&told), [FELL, LIES]);
    let FallTells::Concern(of) = told[0] else { panic!("{told:?}") };
    let Evidence::Fall { impact_ms, impact_mg, tilt_deg } = of.evidence else { panic!("{of:?}") };
    assert_eq!((impact_ms, impact_mg, tilt_deg), (20_000, 3_201, Some(89)));
    assert!(!format!("{told:?}").contains("3201"), "how somebody fell is nobody's business");
    // Up again after half a minute, and about.
    let up = |ms: i64| match ms {
        50_000..58_000 => [1.0, 0.4 * ((ms / 20) % 3) as f64, 0.3],
        _ => fall(ms),
    };
    assert_eq!(concerns(&told_of(&stream(up, 0, 90_000))), [FELL]);
}

fn told_of(rows: &[MotionRow]) -> Vec<FallTells> {
    told(&FallWatch::default(), rows, 500)
}

#[test]
fn sitting_down_hard_and_clapping_are_none() {
    let sits = |ms: i64| match ms {
        20_000 => [0.5, 1.0, 3.0],
        _ => rest(ms, [0.0, 0.0, 1.0]),
    };
    let claps = |ms: i64| if ms > 2_000 && ms % 400 == 0 { [0.0, 2.5, 1.0] } else { rest(ms, [0.0, 0.2, 0.7]) };
    assert_eq!(told_of(&stream(sits, 0, 90_000)), []);
    assert_eq!(told_of(&stream(claps, 0, 90_000)), []);
}

/// A snippet that was cut, or a band that is silent after the impact: silence is not safe.
#[test]
fn what_is_missing_speaks_for_nobody() {
    let rows = [stream(fall, 0, 20_500), others(20_500, 100_000)].concat();
    assert_eq!(concerns(&told_of(&rows)), [FELL, LIES]);
    // What was before is missing too.
    let rows = [stream(fall, 19_600, 20_500), others(20_500, 100_000)].concat();
    assert_eq!(concerns(&told_of(&rows)), [FELL, LIES]);
    // Of the fall itself, and of all before it.
    let rows = [stream(fall, 20_000, 26_000), others(26_000, 100_000)].concat();
    assert_eq!(concerns(&told_of(&rows)), [FELL, LIES]);
    let mut rows = stream(fall, 0, 90_000);
    rows.retain(|row| !(19_700..20_000).contains(&row.at_ms));
    assert_eq!(concerns(&told_of(&rows)), [FELL, LIES]);
    // It is told ten seconds after, not when the next row comes.
    let (first, _) = changes(&FallWatch::default(), &[stream(fall, 0, 20_500), others(20_500, 31_500)].concat(), 500);
    assert_eq!(concerns(&first.iter().map(|of| of.0).collect::<Vec<_>>())[0], FELL);
}

#[test]
fn what_comes_late_takes_back_what_was_told_and_tells_what_was_not() {
    let up = |ms: i64| if ms > 20_200 { rest(ms, [0.0, 0.0, 1.0]) } else { fall(ms) };
    let all = stream(up, 0, 90_000);
    assert_eq!(told_of(&all), [], "down is where it was: no fall");
    let (late, early): (Vec<MotionRow>, Vec<MotionRow>) =
        all.iter().partition(|row| (20_300..31_000).contains(&row.at_ms));
    let (told, _) = changes(&FallWatch::default(), &[early, late].concat(), 500);
    let seen: Vec<(i64, bool)> = told.iter().map(|(of, back)| (concerns(&[*of])[0].0, *back)).collect();
    assert_eq!(seen, [(24_500, false), (80_000, false), (24_500, true), (80_000, true)]);
    // A fall of this morning that the band brings in the evening, in two halves, the second before the first.
    let evening = DAY / 2;
    let live: Vec<MotionRow> = stream(|ms| rest(ms, [0.0, 0.0, 1.0]), evening, evening + 30_000);
    let mut rows = live.clone();
    rows.extend(stream(fall, 20_400, 85_000).iter().chain(&stream(fall, 15_000, 20_400)));
    rows.extend(stream(|ms| rest(ms, [0.0, 0.0, 1.0]), evening + 30_000, evening + 60_000));
    assert_eq!(concerns(&told_of(&rows)), [FELL, LIES]);
}

/// Hours that a band brings while somebody falls: nothing of now is forgotten for that.
#[test]
fn what_is_brought_of_the_past_takes_nothing_from_now() {
    let now = DAY / 2;
    let live: Vec<MotionRow> =
        stream(fall, 0, 90_000).into_iter().map(|row| MotionRow { at_ms: now + row.at_ms, ..row }).collect();
    let past = stream(|ms| rest(ms, [0.0, 0.0, 1.0]), 0, 3_600_000);
    // Between two halves of a second of now ten seconds of the past.
    let mut rows = Vec::new();
    let (mut live, mut past) = (live.chunks(25), past.chunks(500));
    loop {
        let (now, before) = (live.next(), past.next());
        rows.extend(now.into_iter().chain(before).flatten().copied());
        if now.is_none() && before.is_none() {
            break;
        }
    }
    let told: Vec<(i64, Grade)> =
        concerns(&told_of(&rows)).into_iter().map(|(at_ms, grade)| (at_ms - now, grade)).collect();
    assert_eq!(told, [FELL, LIES]);
}

/// A clock that stands still fills no memory.
#[test]
fn what_no_band_can_say_is_late() {
    let still: Vec<MotionRow> = (0..9_000)
        .map(|nth| row(5_000, [0.0, f64::from(nth / 100) / 1_000.0, f64::from(nth % 100) / 1_000.0]))
        .collect();
    assert_eq!(changes(&FallWatch::default(), &still, 500).1, (9_000 - 4_096, 0), "and as many are kept");
}

#[test]
fn what_comes_twice_is_dropped_and_what_comes_too_late_is_kept() {
    let watch = FallWatch::default();
    let all = stream(fall, 0, 300_000);
    let (told, counts) = changes(&watch, &[all.clone(), all.clone()].concat(), 500);
    assert_eq!(told.len(), 2, "{told:?}");
    // Of 300 seconds 120 are kept; the others have gone to the late output.
    assert_eq!(counts, (180 * 50, 120 * 50));
    let too_old = row(-27 * 3_600_000, [0.0, 0.0, 1.0]);
    assert_eq!(changes(&watch, &[all, vec![too_old]].concat(), 500).1, (1, 0));
}

#[test]
fn metres_a_second_squared_are_told_and_no_falls() {
    let wrong = |ms: i64| fall(ms).map(|of| of * 9.806_65);
    let (told, _) = changes(&FallWatch::default(), &stream(wrong, 0, 90_000), 500);
    let scales: Vec<&Scale> =
        told.iter().map(|(of, _)| if let FallTells::Scale(of) = of { of } else { panic!("{of:?}") }).collect();
    let [Scale { mean_mg: 9_000..=10_500, plausible: false, .. }] = scales[..] else { panic!("{scales:?}") };
    // And g that was taken for metres a second squared: nothing is hard enough to be looked at.
    let soft = |ms: i64| fall(ms).map(|of| of / 9.806_65);
    let right = |ms: i64| if ms < 200_000 { soft(ms) } else { fall(ms) };
    let (told, _) = changes(&FallWatch::default(), &stream(right, 0, 500_000), 500);
    let scales: Vec<(bool, i64)> = told
        .iter()
        .map(|(of, _)| if let FallTells::Scale(of) = of { (of.plausible, of.from_ms) } else { panic!("{of:?}") })
        .collect();
    assert_eq!(scales, [(false, 0), (true, 200_000)], "as soon as the first ten seconds are over");
}

/// By the rule, from all rows at once.
fn reference(watch: &FallWatch, rows: &[MotionRow]) -> Vec<(i64, Grade)> {
    let mut samples: Vec<(i64, [i16; 3])> = rows.iter().map(|row| (row.at_ms, row.acceleration.mg)).collect();
    samples.sort_unstable();
    samples.dedup();
    let square = |of: &[i16; 3]| of.iter().map(|of| i64::from(*of).pow(2)).sum::<i64>();
    let norm = |of: &[i16; 3]| (square(of) as f64).sqrt() / 1_000.0;
    let between = |from: i64, until: i64| -> Vec<[i16; 3]> {
        samples.iter().filter(|of| (from..until).contains(&of.0)).map(|of| of.1).collect()
    };
    let spread = |of: &[[i16; 3]]| {
        let mean = of.iter().map(norm).sum::<f64>() / of.len() as f64;
        (of.iter().map(|of| (norm(of) - mean).powi(2)).sum::<f64>() / of.len() as f64).sqrt()
    };
    let known = |from: i64, until: i64| {
        let times: Vec<i64> = samples.iter().map(|of| of.0).filter(|of| (from..until).contains(of)).collect();
        times.len() >= 5 && (times[times.len() - 1] - times[0]) * 4 >= until - from
    };
    let down = |from: i64, until: i64| {
        let of = between(from, until);
        [0, 1, 2].map(|axis| of.iter().map(|of| f64::from(of[axis])).sum::<f64>() / of.len() as f64)
    };
    let tilt = |a: [f64; 3], b: [f64; 3]| {
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        (dot(a, b) / dot(a, a).sqrt() / dot(b, b).sqrt()).acos().to_degrees()
    };
    let rule = FallRule::default();
    let mut told = Vec::new();
    for (nth, (p, is)) in samples.iter().enumerate() {
        let first = |other: usize, of: &(i64, [i16; 3])| {
            (of.0 - p).abs() > 1_000 || square(&of.1) < square(is) || (square(&of.1) == square(is) && nth <= other)
        };
        let is_impact = norm(is) >= rule.impact_g && samples.iter().enumerate().all(|(other, of)| first(other, of));
        let mut times: Vec<i64> = samples.iter().map(|of| of.0).filter(|at| (p - 1_000..*p).contains(at)).collect();
        times.push(*p);
        let has_hole = times.windows(2).any(|two| two[1] - two[0] >= 200);
        let falls_freely =
            !known(p - 1_000, *p) || has_hole || between(p - 1_000, *p).iter().any(|of| norm(of) <= rule.free_fall_g);
        let after = between(p + 1_000, p + 3_500);
        let is_still = !known(p + 1_000, p + 3_500) || spread(&after) <= rule.still_g;
        let is_turned = !known(p + 1_000, p + 3_500)
            || !known(p - 3_000, p - 1_000)
            || tilt(down(p - 3_000, p - 1_000), down(p + 1_000, p + 3_500)) >= rule.tilt_deg;
        if !(is_impact && falls_freely && is_still && is_turned) {
            continue;
        }
        told.push((p + 4_500, Grade::CallBack));
        let moved = (p + 4_500..p + 60_000)
            .filter(|ms| ms.rem_euclid(1_000) == 0 || *ms == p + 4_500)
            .filter(|ms| {
                let second = between(*ms, ((ms.div_euclid(1_000) + 1) * 1_000).min(p + 60_000));
                !second.is_empty() && spread(&second) >= watch.moving_g
            })
            .count();
        if moved < usize::from(watch.moving_s) {
            told.push((p + 60_000, Grade::Urgent));
        }
    }
    told.sort_unstable();
    told
}

/// Two minutes at most, in which people fall, sit down hard, move or lie, and of which some is lost.
fn streams() -> impl Strategy<Value = Vec<MotionRow>> {
    let sample = (0..6_u8, -300..300_i16, -300..300_i16, -300..300_i16);
    let pieces = prop::collection::vec((0..5_u8, 1..12_usize, prop::collection::vec(sample, 50)), 2..14);
    pieces.prop_map(|pieces| {
        let mut rows = Vec::new();
        let mut at_ms = 5_000;
        for (kind, seconds, noise) in pieces {
            let last = noise.len() - 1;
            for nth in 0..seconds * 50 {
                at_ms += 20;
                let (luck, x, y, z) = noise[nth % noise.len()];
                let mg = match kind {
                    // Moving about, hitting things.
                    0 if luck == 0 => [x * 10, y * 10, 1_000 + z * 10],
                    0 => [x * 3, y, 1_000 + z * 2],
                    // Lying, standing.
                    1 => [1_000 + x / 10, y / 10, z / 10],
                    2 => [x / 10, y / 10, 1_000 + z / 10],
                    // A fall: nothing weighs at the end of the piece, then it hits the ground.
                    3 if nth + 16 > seconds * 50 && nth + 1 < seconds * 50 => [x / 3, y / 3, z / 3],
                    3 if nth + 1 == seconds * 50 => [500 + x, 500 + y, 2_600 + z.max(-100)],
                    3 => [x / 10, y / 10, 1_000 + z / 10],
                    // Nothing is known.
                    _ if nth <= last * 8 => continue,
                    _ => [x, y, 1_000 + z],
                };
                rows.push(MotionRow { wearer: PERSON, device: 1, at_ms, acceleration: Acceleration { mg } });
            }
        }
        rows.retain(|row| row.at_ms < 115_000);
        rows
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_order_rows_come_in_what_is_told_is_by_the_definition(
        rows in streams(),
        batch in 1..400_usize,
        far in 1..4_000_usize,
        luck in prop::collection::vec(any::<u16>(), 64),
    ) {
        let watch = FallWatch::default();
        let expected = reference(&watch, &rows);
        prop_assert_eq!(concerns(&told(&watch, &rows, batch)), expected.clone());
        // Shuffled so far, and one in eight twice.
        let mut places: Vec<(usize, usize)> = (0..rows.len())
            .flat_map(|nth| {
                let by = usize::from(luck[nth % 64].wrapping_mul(nth as u16 | 1)) % far;
                let again = (luck[nth % 61] % 8 == 0).then_some((nth + by / 2, nth));
                std::iter::once((nth + by, nth)).chain(again)
            })
            .collect();
        places.sort_unstable();
        let shuffled: Vec<MotionRow> = places.iter().map(|(_, nth)| rows[*nth]).collect();
        prop_assert_eq!(concerns(&told(&watch, &shuffled, batch)), expected);
    }
}

#[test]
fn it_is_the_same_however_it_was_cut() {
    let mut rows = Vec::new();
    for nth in 0..3 {
        let of =
            |row: MotionRow| MotionRow { wearer: Wearer::Person(nth), at_ms: row.at_ms + i64::from(nth) * 700, ..row };
        rows.extend(stream(fall, 15_000, 40_000 + i64::from(nth) * 30_000).into_iter().map(of));
    }
    rows.sort_by_key(|row| row.at_ms);
    let mut running = job(FallWatch::default()).workers(2).record().start().unwrap();
    let (sender, falls) = (running.sender("motions").unwrap(), running.receiver::<Change<FallTells>>("falls").unwrap());
    rows.chunks(700).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    let straight = Change::consolidate(falls.rows());
    assert_eq!(straight.len(), 6);
    running.wait().unwrap();
    let recording = running.recording().unwrap();
    for (cut, workers) in [(recording.clone(), 1), (recording.recut(5, 60), 2), (recording.recut(9, 200), 1)] {
        let mut again = job(FallWatch::default()).workers(workers).rehearse_recovery(1).replay(&cut).unwrap();
        let falls = again.receiver::<Change<FallTells>>("falls").unwrap();
        assert_eq!(Change::consolidate(falls.rows()), straight);
        again.wait().unwrap();
    }
}

/// People who fall and people who do not, on another band of which half is lost: more than before is told right.
#[test]
fn another_band_is_learned_from_twenty_trials() {
    let trial = |nth: i64, fell: bool, gain: f64| {
        let hard = 2.0 + (nth % 11) as f64 / 4.0;
        let samples = (0..9_000).step_by(20).filter_map(|ms| {
            let g = match ms {
                2_600..3_000 if fell || nth % 3 == 0 => rest(ms, [0.1, 0.1, 0.4]),
                3_000 => [0.2, 0.3, hard],
                3_001.. if fell || nth % 4 == 0 => rest(ms * (nth + 1), [0.9, 0.1, 0.2 + (nth % 5) as f64 / 20.0]),
                _ => rest(ms * (nth + 3), [0.0, 0.1, 1.0]),
            };
            Some((ms, Acceleration::from_g(g.map(|of| of * gain))?))
        });
        FallTrial { samples: samples.collect(), fell }
    };
    let trials =
        |count: i64, gain: f64| -> Vec<FallTrial> { (0..count).map(|nth| trial(nth, nth % 2 == 0, gain)).collect() };
    let right = |model: &FallModel, of: &[FallTrial]| of.iter().filter(|of| model.tells(of) == of.fell).count();
    let model = FallModel::learn(&trials(60, 1.0)).unwrap();
    assert!(right(&model, &trials(60, 1.0)) > 54, "{}", right(&model, &trials(60, 1.0)));
    let other = trials(200, 0.8);
    let adapted = model.adapt(&other[..20]).unwrap();
    assert!(right(&adapted, &other) >= right(&model, &other), "{} {}", right(&adapted, &other), right(&model, &other));
    // It is kept as it is.
    let text = serde_json::to_string(&adapted).unwrap();
    let kept: FallModel = serde_json::from_str(&text).unwrap();
    assert!(other.iter().all(|of| kept.tells(of) == adapted.tells(of)));
    let watch = FallWatch { models: [(1, adapted.clone())].into(), ..FallWatch::default() };
    assert!(watch.check().is_ok());
    assert_eq!(FallModel::learn(&trials(18, 1.0)).unwrap_err().code(), "E0636");
    let renamed = text.replace("tilt_deg", "tilt_rad");
    let renamed: FallModel = serde_json::from_str(&renamed).unwrap();
    assert_eq!(
        FallWatch { models: [(1, renamed)].into(), ..FallWatch::default() }.check().unwrap_err().code(),
        "E0636"
    );
}
