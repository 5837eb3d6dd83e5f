//! Pulses that are far from what is usual: by the definitions, in whatever order rows come, cut otherwise and with every state read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::cases;
use watchfire_engine::{Change, DetectorMetrics, EventTime, Job, Key, Running, TickSource};
use watchfire_operators::wristband::{
    Above, BandSays, Concern, Evidence, Grade, Lasting, Measured, PulseTells, PulseWatch, Sign, Watched, Wearer,
    WornRow,
};

/// Draws from a seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.stable_hash();
        self.0 % end
    }
}

const MIN: i64 = 60_000;
const HOUR: i64 = 60 * MIN;
const ANY_TIME: EventTime = EventTime { max_skew_ms: 400 * 24 * HOUR, ..WornRow::EVENT_TIME };

fn job(watch: PulseWatch, tick_ms: i64) -> Job {
    let job = Job::new(move |flow| {
        let rows = flow.channel::<WornRow>("bands").key_by(|row| row.wearer).event_time(ANY_TIME);
        rows.detect("pulses", watch.clone()).out.to_channel("told");
    });
    job.ticks(TickSource::FromEvents { interval_ms: tick_ms, max_jump_ms: 400 * 24 * HOUR })
}

fn taken(running: &mut Running) -> (Vec<PulseTells>, DetectorMetrics) {
    let told = running.receiver::<Change<PulseTells>>("told").unwrap();
    let told = Change::consolidate(told.rows());
    assert!(told.iter().all(|(_, count)| *count == 1), "what is told is told once");
    let counts = running.wait().unwrap().operators["pulses"].detectors[0];
    (told.into_iter().map(|(of, _)| of).collect(), counts)
}

fn watched(watch: &PulseWatch, rows: &[WornRow]) -> (Vec<PulseTells>, DetectorMetrics) {
    let mut running = job(watch.clone(), MIN).start().unwrap();
    let sender = running.sender::<WornRow>("bands").unwrap();
    rows.chunks(500).for_each(|rows| sender.send(rows.to_vec()).unwrap());
    drop(sender);
    taken(&mut running)
}

fn concerns(told: &[PulseTells]) -> Vec<Concern> {
    let of = |tells: &PulseTells| match tells {
        PulseTells::Concern(of) => Some(*of),
        PulseTells::Watched(_) => None,
    };
    told.iter().filter_map(of).collect()
}

/// The sign, the grade and the minute of each.
fn short(told: &[PulseTells]) -> Vec<(Sign, Grade, i64)> {
    concerns(told).iter().map(|of| (of.sign, of.grade, of.at_ms / MIN)).collect()
}

const PERSON: Wearer = Wearer::Person(7);

fn row(minute: i64, says: BandSays) -> WornRow {
    WornRow { wearer: PERSON, at_ms: minute * MIN + 30_000, says }
}

fn pulse(minute: i64, per_min: f64) -> WornRow {
    row(minute, BandSays::Measured(Measured::Pulse { per_min: Some(per_min) }))
}

/// Two days of 70 and a little, and from there on what is asked for.
fn after_two_days(minutes: i64, per_min: impl Fn(i64) -> f64) -> Vec<WornRow> {
    let usual = |minute: i64| 69.0 + (minute % 3) as f64;
    (0..2 * 1_440 + minutes)
        .map(|minute| pulse(minute, if minute < 2 * 1_440 { usual(minute) } else { per_min(minute - 2 * 1_440) }))
        .collect()
}

const START: i64 = 2 * 1_440;

#[test]
fn what_lasts_is_told_once_and_what_lasts_longer_is_urgent() {
    let usual = |minute: i64| 69.0 + (minute % 3) as f64;
    let high = |from: std::ops::Range<i64>, per_min: f64| {
        watched(
            &PulseWatch::default(),
            &after_two_days(240, |minute| if from.contains(&minute) { per_min } else { usual(minute) }),
        )
        .0
    };
    assert_eq!(short(&high(10..20, 104.0)), [], "ten minutes are not four fifths of thirteen");
    let call_back = (Sign::PulseHigh, Grade::CallBack, START + 21);
    assert_eq!(short(&high(10..21, 104.0)), [call_back], "eleven are");
    assert_eq!(short(&high(10..60, 102.0)), [], "32 above what is usual is not high");
    assert_eq!(short(&high(10..60, 104.0)), [call_back, (Sign::PulseHigh, Grade::Urgent, START + 34)]);
    assert_eq!(short(&high(10..20, 40.0)), [(Sign::PulseLow, Grade::Urgent, START + 18)]);
    assert_eq!(short(&high(10..20, 41.0)), []);
    let evidence = Evidence::Pulse { per_min: 104, usual_per_min: Some(70), at_rest: true };
    assert_eq!(concerns(&high(10..21, 104.4))[0].evidence, evidence, "rounded as the chart is");
    // Again within the hour is the same, and after it is not.
    let twice = |again: i64| {
        let is_high = move |minute: i64| (10..22).contains(&minute) || (again..again + 13).contains(&minute);
        let rows = after_two_days(240, |minute| if is_high(minute) { 110.0 } else { usual(minute) });
        short(&watched(&PulseWatch::default(), &rows).0).len()
    };
    assert_eq!((twice(74), twice(73)), (2, 1), "told until the 23rd minute, and again 61 after it or not");
}

#[test]
fn nobody_knows_what_is_usual_of_a_stranger_and_hard_limits_hold() {
    let rows = |per_min: f64| (0..60).map(|minute| pulse(minute, per_min)).collect::<Vec<_>>();
    assert_eq!(short(&watched(&PulseWatch::default(), &rows(130.0)).0), []);
    let told = watched(&PulseWatch::default(), &rows(131.0)).0;
    assert_eq!(
        short(&told),
        [(Sign::PulseHigh, Grade::CallBack, 8)],
        "eight of thirteen minutes are enough to know it"
    );
    assert_eq!(concerns(&told)[0].evidence, Evidence::Pulse { per_min: 131, usual_per_min: None, at_rest: true });
    assert_eq!(short(&watched(&PulseWatch::default(), &rows(40.0)).0), [(Sign::PulseLow, Grade::Urgent, 6)]);
    let impossible = |per_min: Option<f64>| {
        let rows: Vec<WornRow> =
            (0..60).map(|minute| row(minute, BandSays::Measured(Measured::Pulse { per_min }))).collect();
        watched(&PulseWatch::default(), &rows).0
    };
    let none = [None, Some(0.0), Some(9.4), Some(f64::NAN), Some(1_000.0), Some(-70.0), Some(f64::INFINITY)];
    assert!(none.into_iter().all(|per_min| impossible(per_min).is_empty()), "no person has such a pulse");
}

#[test]
fn who_walks_may_have_a_higher_pulse_and_a_band_that_is_off_has_none() {
    let high = |minute: i64| (10..30).contains(&minute);
    let of = |more: &dyn Fn(i64) -> Option<BandSays>| {
        let mut rows = after_two_days(120, |minute| if high(minute) { 105.0 } else { 70.0 });
        let more: Vec<WornRow> =
            (0..START + 120).filter_map(|minute| Some(row(minute, more(minute - START)?))).collect();
        rows.extend(more);
        rows.sort_by_key(|row| row.at_ms);
        short(&watched(&PulseWatch::default(), &rows).0)
    };
    let told = [(Sign::PulseHigh, Grade::CallBack, START + 21)];
    assert_eq!(of(&|_| None), told);
    let steps = |per_min: i64| {
        move |minute: i64| Some(BandSays::Steps { total: (100_000 + minute.max(0) * per_min).try_into().unwrap() })
    };
    assert_eq!(of(&steps(0)), told, "a counter that stands still is one of somebody at rest");
    assert_eq!(of(&steps(50)), [], "35 above what is usual at rest is nothing to somebody who walks");
    // Backwards is begun anew, and no walk; the steps of the first row are not of its minute.
    let anew = |minute: i64| Some(BandSays::Steps { total: if minute < 5 { 100_000 } else { 0 } });
    assert_eq!(of(&anew), told);
    assert_eq!(of(&|minute| (minute == 12).then_some(BandSays::Worn(false))), [], "it was taken off");
    let off_and_on = |minute: i64| match minute {
        2 => Some(BandSays::Worn(false)),
        8 => Some(BandSays::Worn(true)),
        _ => None,
    };
    let sooner = [(Sign::PulseHigh, Grade::CallBack, START + 18), (Sign::PulseHigh, Grade::Urgent, START + 30)];
    assert_eq!(of(&off_and_on), sooner, "four fifths of the minutes in which it was on");
}

/// A day is uploaded after the next: what it takes to know what is usual comes late, and so does a high pulse; then a higher count of steps takes that back.
#[test]
fn what_comes_late_corrects_what_was_told() {
    let rows = after_two_days(60, |minute| if minute < 20 { 108.0 } else { 70.0 });
    let (told, _) = watched(&PulseWatch::default(), &rows);
    assert_eq!(short(&told), [(Sign::PulseHigh, Grade::CallBack, START + 11)]);
    let bulk = [&rows[..60], &rows[1_440..], &rows[60..1_440]].concat();
    let (late, counts) = watched(&PulseWatch { late_ms: 49 * HOUR, ..PulseWatch::default() }, &bulk);
    assert_eq!((late, counts.late), (told.clone(), 0));
    let (late, counts) = watched(&PulseWatch::default(), &bulk);
    assert_eq!((short(&late), counts.late), (short(&told), 1_379 - 60), "26 hours before the newest");
    let walk = (START - 30..START + 20)
        .map(|minute| row(minute, BandSays::Steps { total: (1_000 + 60 * (minute - START + 30)).try_into().unwrap() }));
    let all = [rows, walk.collect()].concat();
    assert_eq!(
        short(&watched(&PulseWatch::default(), &all).0),
        [],
        "they were out for a walk, as was told an hour later"
    );
}

/// The clock tells of somebody whose band says nothing more, before another row does; also where something came late just before.
#[test]
fn the_last_minute_does_not_wait_for_the_next_row() {
    for late in [None, Some(pulse(START + 3, 68.0))] {
        let rows = after_two_days(30, |minute| if (10..21).contains(&minute) { 110.0 } else { 70.0 });
        let mut until = rows[..START as usize + 21].to_vec();
        let last = until.len() - 1;
        until.splice(last..last, late);
        let others = (0..10).map(|minute| WornRow { wearer: Wearer::Band(8), ..pulse(START + 21 + minute, 70.0) });
        let mut running = job(PulseWatch::default(), MIN).start().unwrap();
        let sender = running.sender::<WornRow>("bands").unwrap();
        let told = running.receiver::<Change<PulseTells>>("told").unwrap();
        sender.send(until).unwrap();
        sender.send(others.collect()).unwrap();
        let first = told.rows().find_map(|change| match change {
            Change::Insert(PulseTells::Concern(of)) => Some(of),
            _ => None,
        });
        assert_eq!(first.map(|of| (of.wearer, of.at_ms)), Some((PERSON, (START + 21) * MIN)), "while the job goes on");
        drop(sender);
        running.wait().unwrap();
    }
}

/// Minutes of which nothing is known make the others fewer, and tell of nobody.
#[test]
fn nothing_is_told_of_a_minute_of_which_nothing_is_known() {
    // Ten of thirteen are high, and then nothing: of the twelve that are left ten would be enough.
    let high = |minute: i64| (3..13).contains(&minute);
    let mut rows = after_two_days(13, |minute| if high(minute) { 110.0 } else { 70.0 });
    rows.push(pulse(START + 40, 70.0));
    assert_eq!(short(&watched(&PulseWatch::default(), &rows).0), []);
    rows.insert(START as usize + 13, pulse(START + 14, 110.0));
    let told = [(Sign::PulseHigh, Grade::CallBack, START + 15)];
    assert_eq!(short(&watched(&PulseWatch::default(), &rows).0), told);
}

/// Rows of the beginning of time, and of months apart, take neither memory nor time.
#[test]
fn rows_that_are_far_apart_are_borne() {
    let far = [-(1 << 44), -(1 << 43), 0, 1_440 * 20, 1_440 * 400, 1_440 * 800];
    let rows: Vec<WornRow> = far.iter().flat_map(|minute| (0..30).map(move |nth| pulse(minute + nth, 140.0))).collect();
    let told = short(&watched(&PulseWatch::default(), &rows).0);
    assert_eq!(told.iter().map(|of| of.2 - 8).collect::<Vec<_>>(), far, "a stranger each time, and never forgotten");
}

#[test]
fn after_a_long_absence_everything_begins_anew() {
    let mut rows = after_two_days(0, |_| 70.0);
    let after = 40 * 1_440;
    rows.extend((0..60).map(|minute| pulse(after + minute, 120.0)));
    assert_eq!(short(&watched(&PulseWatch::default(), &rows).0), [], "nobody knows what is usual any more");
    let sooner: Vec<WornRow> = rows
        .iter()
        .map(|row| if row.at_ms > after * MIN { WornRow { at_ms: row.at_ms - 20 * 24 * HOUR, ..*row } } else { *row })
        .collect();
    assert_eq!(short(&watched(&PulseWatch::default(), &sooner).0).len(), 1, "after 20 days it is still known");
}

/// What was told of a minute.
#[derive(Clone, Copy, Default)]
struct Of {
    pulse: Option<(f32, f32)>,
    wear: Option<(i64, bool)>,
    total: Option<u32>,
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { (values[n / 2 - 1] + values[n / 2]) / 2.0 }
}

fn median_and_mad(values: &[f32], to_whole: bool) -> (f32, f32) {
    let whole = |of: f32| if to_whole { of.round() } else { of };
    let of = whole(median(&mut values.to_vec()));
    (of, whole(median(&mut values.iter().map(|value| (value - of).abs()).collect::<Vec<_>>())))
}

type Period = [Option<(f32, f32)>; 5];

fn usual(periods: &BTreeMap<i64, Period>, period: i64, days: i64) -> [Option<(f32, f32)>; 5] {
    let known = |level: usize| {
        periods.range(period - days * 12..period).filter_map(move |(of, levels)| Some((*of, levels[level]?)))
    };
    let of = |all: Vec<(f32, f32)>| {
        let (middle, between) = median_and_mad(&all.iter().map(|of| of.0).collect::<Vec<_>>(), false);
        let within = median(&mut all.iter().map(|of| of.1).collect::<Vec<_>>());
        (middle, (1.4826 * within).hypot(1.4826 * between).max(2.0))
    };
    let same_time: Vec<_> =
        known(0).filter(|(of, _)| [11, 0, 1].contains(&(of - period).rem_euclid(12))).map(|(_, of)| of).collect();
    let any_time: Vec<_> = known(0).map(|(_, of)| of).collect();
    let mut all = [None; 5];
    all[0] = if same_time.len() >= 9 { Some(of(same_time)) } else { (any_time.len() >= 3).then(|| of(any_time)) };
    for level in 1..5 {
        let mut newest: Vec<_> = known(level).map(|(_, of)| of).collect();
        newest.drain(..newest.len().saturating_sub(12));
        all[level] = match (newest.len() >= 5, all[level - 1]) {
            (true, _) => Some(of(newest)),
            (_, Some((middle, spread))) if level == 1 => Some((middle + 10.0, spread * 1.5)),
            (_, lower) => lower,
        };
    }
    all
}

/// What was told of each minute of a person.
fn told_of(wearer: Wearer, rows: &[WornRow]) -> BTreeMap<i64, Of> {
    let mut told: BTreeMap<i64, Of> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.wearer == wearer) {
        let of = told.entry(row.at_ms.div_euclid(MIN)).or_default();
        match row.says {
            BandSays::Measured(Measured::Pulse { per_min: Some(per_min) }) => {
                let (lowest, highest) = of.pulse.unwrap_or((f32::MAX, 0.0));
                of.pulse = Some((lowest.min(per_min as f32), highest.max(per_min as f32)));
            }
            BandSays::Worn(is_on) => of.wear = of.wear.max(Some((row.at_ms.rem_euclid(MIN) / 1_000, is_on))),
            BandSays::Steps { total } => of.total = of.total.max(Some(total)),
            BandSays::Measured(_) | BandSays::Given | BandSays::Returned => {}
        }
    }
    told
}

/// A minute: at rest or how much they walked lately, and the lowest and highest pulse of a band that is worn.
type Seen = (usize, Option<(f32, f32)>);

/// Minute by minute, from one to another.
fn seen(told: &BTreeMap<i64, Of>, minutes: std::ops::RangeInclusive<i64>, rest_minutes: u8) -> Vec<Seen> {
    let (mut counter, mut unheard, mut off) = (None::<u32>, 0_u32, false);
    let (mut still, mut per_min) = (1_000_000_u32, 0.0_f32);
    let one = |minute: i64| {
        let of = told.get(&minute).copied().unwrap_or_default();
        unheard += 1;
        let steps = match (counter, of.total) {
            (Some(before), Some(after)) if (before..=before + 300 * unheard).contains(&after) => after - before,
            (Some(_), Some(after)) if after <= 300 * unheard => after,
            _ => 0,
        };
        (counter, unheard) = if of.total.is_some() { (of.total, 0) } else { (counter, unheard) };
        still = if steps > 0 { 0 } else { still + 1 };
        per_min = per_min * 0.818_730_8 + steps as f32 * (1.0 - 0.818_730_8);
        per_min = if per_min < 0.01 { 0.0 } else { per_min };
        off = of.wear.map_or(off && steps == 0, |(_, is_on)| !is_on);
        let walks = 1 + [2.0, 10.0, 30.0].iter().filter(|from| per_min >= **from).count();
        (if still >= u32::from(rest_minutes) { 0 } else { walks }, of.pulse.filter(|_| !off))
    };
    minutes.map(one).collect()
}

/// Whether a pulse is high, by what is usual.
fn is_high(watch: &PulseWatch, level: usize, usual: Option<(f32, f32)>, lowest: f32) -> bool {
    let above = if level == 0 { watch.at_rest } else { watch.moving };
    let far =
        |(middle, spread): (f32, f32)| lowest - middle >= above.per_min && lowest - middle >= above.spreads * spread;
    usual.is_some_and(far) || level == 0 && lowest >= f32::from(watch.high_per_min)
}

/// Whether it is so for long enough at the end of these minutes.
fn lasts(lasting: Lasting, known: &[bool], so: &[bool]) -> bool {
    let count = |of: &[bool], minutes: u8| of.iter().rev().take(usize::from(minutes)).filter(|is| **is).count() as f64;
    let (in_all, is_so) = (count(known, lasting.minutes), count(so, lasting.minutes));
    known.last() == Some(&true)
        && is_so > 0.0
        && is_so / in_all >= f64::from(lasting.share_pct) / 100.0
        && count(known, lasting.known_minutes) / f64::from(lasting.known_minutes)
            >= f64::from(lasting.known_pct) / 100.0
}

/// What the minutes of a period were like.
fn period_of(minutes: &[Seen]) -> Period {
    std::array::from_fn(|level| {
        let middle = |(lowest, highest): (f32, f32)| ((lowest + highest) / 2.0 + 0.5).floor();
        let of: Vec<f32> = minutes.iter().filter(|of| of.0 == level).filter_map(|of| of.1.map(middle)).collect();
        (of.len() >= 10).then(|| median_and_mad(&of, true))
    })
}

/// All that is told of a person, by the definitions alone, minute by minute over all rows.
fn reference(watch: &PulseWatch, wearer: Wearer, rows: &[WornRow]) -> Vec<PulseTells> {
    let told = told_of(wearer, rows);
    let (Some(first), Some(last)) = (told.keys().next(), told.keys().last()) else { return Vec::new() };
    let offset = (wearer.stable_hash() >> 32) as i64 % 120;
    let first = (first + offset).div_euclid(120) * 120 - offset;
    let until = (last + offset).div_euclid(120) * 120 - offset + 120;
    let minutes = seen(&told, first..=until - 1, watch.rest_minutes);
    let (mut known, mut high, mut low, mut lasted) = (Vec::new(), Vec::new(), Vec::new(), [None::<i64>; 3]);
    let (mut periods, mut all, mut judged) = (BTreeMap::new(), Vec::new(), 0);
    let mut levels = usual(&periods, (first + offset) / 120, i64::from(watch.days));
    for (nth, (level, pulse)) in minutes.iter().copied().enumerate() {
        let minute = first + nth as i64;
        known.push(pulse.is_some());
        high.push(pulse.is_some_and(|(lowest, _)| is_high(watch, level, levels[level], lowest)));
        low.push(pulse.is_some_and(|(_, highest)| highest <= f32::from(watch.low_per_min)));
        judged += u8::from(pulse.is_some() && levels[level].is_some());
        let rules = [(watch.call_back, &high), (watch.urgent, &high), (watch.low, &low)];
        for (rule, _) in rules.into_iter().enumerate().filter(|(_, (of, so))| lasts(*of, &known, so)) {
            if lasted[rule].is_none_or(|last: i64| minute - last > i64::from(watch.quiet_minutes)) {
                let (lowest, highest) = pulse.unwrap();
                let per_min = if rule == 2 { highest } else { lowest } as u8;
                let usual_per_min = levels[level].map(|(middle, _)| middle.round() as u8);
                let sign = if rule == 2 { Sign::PulseLow } else { Sign::PulseHigh };
                let grade = if rule == 0 { Grade::CallBack } else { Grade::Urgent };
                let evidence = Evidence::Pulse { per_min, usual_per_min, at_rest: level == 0 };
                all.push(PulseTells::Concern(Concern { wearer, at_ms: (minute + 1) * MIN, sign, grade, evidence }));
            }
            lasted[rule] = Some(minute);
        }
        if (minute + 1 + offset).rem_euclid(120) == 0 {
            let (period, of_period) = ((minute + offset).div_euclid(120), &minutes[nth - 119..=nth]);
            let known_minutes = of_period.iter().filter(|of| of.1.is_some()).count() as u8;
            let judged_minutes = std::mem::take(&mut judged);
            if known_minutes > 0 {
                let (from_ms, until_ms) = ((minute - 119) * MIN, (minute + 1) * MIN);
                all.push(PulseTells::Watched(Watched { wearer, from_ms, until_ms, known_minutes, judged_minutes }));
                periods.insert(period, period_of(of_period));
            }
            levels = usual(&periods, period + 1, i64::from(watch.days));
        }
    }
    all
}

/// Days of somebody who sleeps, walks, takes the band off, and is unwell now and then; of some minutes there are two readings, of some none.
fn life(wearer: Wearer, days: i64, draws: &mut Draws) -> Vec<WornRow> {
    let (mut rows, mut total, mut walks, mut away, mut unwell) = (Vec::new(), 1_000_u32, 0, 0, (0, 0.0));
    for minute in 0..days * 1_440 {
        let mut say = |second: i64, says| rows.push(WornRow { wearer, at_ms: minute * MIN + second * 1_000, says });
        walks = if draws.below(60) == 0 { draws.below(40) } else { walks.max(1) - 1 };
        let was_away = away;
        away = if draws.below(1_000) == 0 { draws.below(200) } else { away.max(1) - 1 };
        unwell.0 = if draws.below(400) == 0 { draws.below(60) } else { unwell.0.max(1) - 1 };
        if unwell.0 == 0 {
            unwell.1 = [45.0, -35.0, 28.0, 70.0][draws.below(4) as usize];
        }
        if (was_away > 0) != (away > 0) && draws.below(3) > 0 {
            say(draws.below(60) as i64, BandSays::Worn(away == 0));
        }
        if walks > 0 {
            total = if draws.below(200) == 0 { 0 } else { total + draws.below(120) as u32 };
        }
        if draws.below(10) > 0 {
            say(59, BandSays::Steps { total });
        }
        for second in [5, 40] {
            if draws.below(3) > 0 && (away == 0 || draws.below(10) == 0) {
                let hour = (minute / 60 % 24) as f64;
                let level = 65.0 + (hour - 12.0).abs() + if walks > 0 { 25.0 } else { 0.0 };
                let odd = if unwell.0 > 0 { unwell.1 } else { 0.0 };
                let per_min = (level + odd + draws.below(7) as f64).round();
                say(second, BandSays::Measured(Measured::Pulse { per_min: Some(per_min) }));
            }
        }
    }
    rows
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn whatever_order_rows_come_in_what_is_told_is_by_the_definitions(seed in any::<u64>(), tick_min in 10_i64..200) {
        let lasting = |minutes, share_pct, known_pct| Lasting { minutes, share_pct, known_pct, known_minutes: minutes };
        let watch = PulseWatch {
            moving: Above { per_min: 35.0, spreads: 4.0 },
            call_back: lasting(6, 70, 50),
            urgent: Lasting { known_minutes: 40, ..lasting(15, 80, 60) },
            low: lasting(5, 80, 60),
            quiet_minutes: 30,
            days: 2,
            late_ms: 5 * HOUR,
            ..PulseWatch::default()
        };
        let draws = &mut Draws(seed);
        let wearers = [Wearer::Person(draws.below(1_000) as u32), Wearer::Band(draws.below(1_000) as u32)];
        let mut rows: Vec<(i64, WornRow)> = wearers.into_iter().flat_map(|of| life(of, 3, draws)).map(|row| (row.at_ms, row)).collect();
        // Up to five hours late, some in bulk, and some twice.
        let bulk = draws.below(3 * 24) as i64 * HOUR;
        for (comes_ms, _) in &mut rows {
            let by = [0, 0, 0, draws.below(5 * 3_600) as i64 * 1_000][draws.below(4) as usize];
            *comes_ms = if (bulk..bulk + 5 * HOUR).contains(comes_ms) { bulk + 5 * HOUR } else { *comes_ms + by };
        }
        let again: Vec<_> = rows.iter().filter(|_| draws.below(20) == 0).copied().collect();
        rows.extend(again);
        rows.sort_by_key(|(comes_ms, _)| *comes_ms);
        let rows: Vec<WornRow> = rows.into_iter().map(|(_, row)| row).collect();
        let mut running = job(watch.clone(), tick_min * MIN).record().start().unwrap();
        let sender = running.sender::<WornRow>("bands").unwrap();
        rows.chunks(61).for_each(|rows| sender.send(rows.to_vec()).unwrap());
        drop(sender);
        let (told, counts) = taken(&mut running);
        prop_assert_eq!(counts.late, 0);
        let mut expected: Vec<PulseTells> = wearers.into_iter().flat_map(|of| reference(&watch, of, &rows)).collect();
        expected.sort();
        prop_assert!(expected.iter().any(|of| matches!(of, PulseTells::Concern(_))));
        prop_assert_eq!(&told, &expected);
        let recording = running.recording().unwrap();
        let again = job(watch, tick_min * MIN).workers(2).rehearse_recovery(1);
        let mut again = again.replay(&recording.recut(seed, 3)).unwrap();
        prop_assert_eq!(taken(&mut again).0, told, "cut otherwise");
    }
}
