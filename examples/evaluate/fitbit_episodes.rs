//! People who are made to be unwell: their pulses are written over for a quarter of an hour, or all that they say is taken away for half a day, and what is told is looked at.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use watchfire::connect::datagen::Draw;
use watchfire::wristband::{Concern, Grade, Sign, Wearer};

use crate::Failed;
use crate::fitbit::{MINUTE_MS, Person, told};

/// Nobody is unwell in the first days, when nobody knows what is usual of them.
const DAYS_BEFORE: i64 = 7;

/// How often it is drawn for a minute of an hour of the day at which somebody is well, and how many times as many hours are tried as there are to be episodes.
const DRAWS: usize = 20;
const TRIES: usize = 4;

/// Who is well has had a pulse less far above what is usual.
const WELL_PER_MIN: f64 = 20.0;

/// Who falls silent is to be told within so long of the twelfth hour.
const WITHIN_SILENT: i64 = 30;

/// How many there are.
pub struct Growth {
    /// Of each kind and person.
    pub episodes: usize,
}

/// As many as the evaluation is judged by, and more.
pub const FULL: Growth = Growth { episodes: 36 };

/// To see that it works.
pub const FEW: Growth = Growth { episodes: 4 };

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// 40 beats over what is usual at rest, at that time of day.
    High,
    /// 40 beats or fewer.
    Low,
    /// Nothing is heard of somebody who wears the band 70 % of the time.
    Silent,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::High, Kind::Low, Kind::Silent];

    fn name(self) -> &'static str {
        match self {
            Kind::High => "pulse 40 above what is usual: call-back",
            Kind::Low => "pulse of 40 or less: urgent",
            Kind::Silent => "nothing for 12 hours: call-back",
        }
    }

    /// It lasts so long, minutes.
    fn lasts(self) -> i64 {
        if self == Kind::Silent { 12 * 60 + WITHIN_SILENT } else { 15 }
    }

    /// After how many minutes it is to be told.
    fn within(self) -> RangeInclusive<i64> {
        if self == Kind::Silent { 12 * 60..=12 * 60 + WITHIN_SILENT } else { 1..=20 }
    }

    /// Episodes of a person in one run are so many minutes apart: they must not become what is usual. Half a day of silence makes four weeks another four weeks.
    fn apart(self) -> i64 {
        if self == Kind::Silent { i64::MAX } else { 2_160 }
    }

    fn is_told(self, concern: &Concern) -> bool {
        match self {
            Kind::High => concern.sign == Sign::PulseHigh,
            Kind::Low => concern.sign == Sign::PulseLow && concern.grade == Grade::Urgent,
            Kind::Silent => concern.sign == Sign::NoSignal,
        }
    }
}

/// Somebody is unwell.
#[derive(Clone, Copy, Debug)]
struct Episode {
    person: usize,
    /// From that minute on.
    from: i64,
    /// What is usual at rest then.
    usual_per_min: f64,
}

/// When people are made to be unwell: while they rest and wear the band, at every hour of the day that they do.
pub struct Episodes {
    seed: u64,
    /// Runs, in each of which a person is seldom unwell.
    runs: Vec<(Kind, Vec<Episode>)>,
}

/// A person, minute by minute.
struct Minutes {
    first: i64,
    pulse: Vec<Option<f64>>,
    /// In how many of those before each a pulse is known.
    known: Vec<usize>,
    steps: Vec<u32>,
    /// The median of all at rest: where a band lay on a table in most nights, what is usual of a night is nothing.
    at_rest: f64,
}

impl Minutes {
    fn of(person: &Person) -> Minutes {
        let minute = |at_ms: i64| at_ms.div_euclid(MINUTE_MS);
        let (first, last) = (person.pulses.first(), person.pulses.last());
        let (first, last) = (first.map_or(0, |of| minute(of.0)), last.map_or(0, |of| minute(of.0)));
        let len = usize::try_from(last - first + 1).unwrap_or_default();
        let (mut pulse, mut steps) = (vec![None; len], vec![0; len]);
        let at = |at_ms: i64| usize::try_from(minute(at_ms) - first).ok().filter(|nth| *nth < len);
        for (at_ms, per_min) in &person.pulses {
            if let Some(nth) = at(*at_ms) {
                pulse[nth] = Some(*per_min);
            }
        }
        for (at_ms, count) in &person.steps {
            if let Some(nth) = at(*at_ms) {
                steps[nth] += count;
            }
        }
        let mut count = 0;
        let before = |of: &Option<f64>| {
            let before = count;
            count += usize::from(of.is_some());
            before
        };
        let known = pulse.iter().map(before).collect();
        let mut minutes = Minutes { first, pulse, known, steps, at_rest: 0.0 };
        let at_rest = (0..len).filter(|nth| minutes.rests(*nth, *nth + 1)).filter_map(|nth| minutes.pulse[nth]);
        minutes.at_rest = median(at_rest.collect()).unwrap_or_default();
        minutes
    }

    fn hour(&self, nth: usize) -> i64 {
        (self.first + nth as i64).div_euclid(60).rem_euclid(24)
    }

    fn rests(&self, from: usize, until: usize) -> bool {
        self.steps[from.saturating_sub(12)..until].iter().all(|steps| *steps == 0)
    }

    /// Whether somebody can be made unwell from a minute on: they have been known for a while, they rest and wear the band; or they wear it nearly always.
    fn fits(&self, kind: Kind, nth: usize) -> bool {
        let until = nth + kind.lasts() as usize;
        if (nth as i64) < DAYS_BEFORE * 1_440 || until + 60 > self.pulse.len() {
            return false;
        }
        if kind == Kind::Silent {
            let from = nth.saturating_sub(28 * 1_440);
            return self.pulse[nth - 1].is_some() && (self.known[nth] - self.known[from]) * 10 >= (nth - from) * 7;
        }
        self.rests(nth, until) && self.pulse[nth..until].iter().flatten().count() >= 12
    }

    /// Whether nothing was the matter in the two hours before: of somebody whose pulse is high already it is not told again.
    fn is_well(&self, nth: usize, usual_per_min: f64) -> bool {
        let most = usual_per_min.min(self.at_rest) + WELL_PER_MIN;
        let before = self.pulse[nth - 120..nth].iter().flatten();
        let (well, all) = before.fold((0, 0), |(well, all), of| (well + usize::from(*of < most), all + 1));
        usual_per_min < most && well * 10 >= all * 9
    }

    /// The median of the four weeks before, at rest, in that hour of the day and those beside it.
    fn usual(&self, nth: usize) -> Option<f64> {
        let same_time = |of: &usize| (self.hour(*of) - self.hour(nth) + 1).rem_euclid(24) <= 2;
        let before = (nth.saturating_sub(28 * 1_440)..nth).filter(same_time).filter(|of| self.rests(*of, *of + 1));
        let pulses: Vec<f64> = before.filter_map(|of| self.pulse[of]).collect();
        if pulses.len() >= 60 { median(pulses) } else { None }
    }
}

fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied()
}

impl Episodes {
    pub fn draw(people: &[Person], growth: &Growth, seed: u64) -> Episodes {
        let mut runs = BTreeMap::<(Kind, usize), Vec<Episode>>::new();
        for (person, of) in people.iter().enumerate() {
            let minutes = Minutes::of(of);
            for kind in Kind::ALL {
                let mut by_hour = vec![Vec::new(); 24];
                for nth in (0..minutes.pulse.len()).filter(|nth| minutes.fits(kind, *nth)) {
                    by_hour[minutes.hour(nth) as usize].push(nth);
                }
                by_hour.retain(|of| !of.is_empty());
                let mut draw = Draw::new(seed, person as u32, kind as u64);
                let (mut count, tries) = (0, if by_hour.is_empty() { 0 } else { TRIES * growth.episodes });
                for nth in 0..tries {
                    if count == growth.episodes {
                        break;
                    }
                    // Of every hour in turn.
                    let of_hour = &by_hour[nth % by_hour.len()];
                    let pick = |_| of_hour[((draw.unit() * of_hour.len() as f64) as usize).min(of_hour.len() - 1)];
                    let well = |from| Some((from, minutes.usual(from).filter(|usual| minutes.is_well(from, *usual))?));
                    let Some((from, usual_per_min)) = (0..DRAWS).map(pick).find_map(well) else { continue };
                    let episode = Episode { person, from: minutes.first + from as i64, usual_per_min };
                    let is_apart = |of: &Episode| of.person != person || (of.from - episode.from).abs() >= kind.apart();
                    count += 1;
                    let run = (0..).find(|run| runs.get(&(kind, *run)).is_none_or(|of| of.iter().all(is_apart)));
                    runs.entry((kind, run.unwrap_or_default())).or_default().push(episode);
                }
            }
        }
        Episodes { seed, runs: runs.into_iter().map(|((kind, _), of)| (kind, of)).collect() }
    }

    /// People as they would be, were they unwell then.
    fn unwell(&self, people: &[Person], kind: Kind, episodes: &[Episode]) -> Vec<Person> {
        let mut people = people.to_vec();
        for (episode, nth) in episodes.iter().zip(0..) {
            let person = &mut people[episode.person];
            let during = episode.from * MINUTE_MS..(episode.from + kind.lasts()) * MINUTE_MS;
            if kind == Kind::Silent {
                person.pulses.retain(|(at_ms, _)| !during.contains(at_ms));
                person.steps.retain(|(at_ms, _)| !during.contains(at_ms));
                continue;
            }
            let mut draw = Draw::new(self.seed, nth, 7);
            for (_, per_min) in person.pulses.iter_mut().filter(|(at_ms, _)| during.contains(at_ms)) {
                let above = if kind == Kind::High { episode.usual_per_min + 38.0 } else { 36.0 };
                *per_min = above + 4.0 * draw.unit();
            }
        }
        people
    }

    pub fn evaluate(&self, people: &[Person]) -> Result<String, Failed> {
        let mut waits = BTreeMap::<(Kind, usize), Vec<Option<i64>>>::new();
        for (kind, episodes) in &self.runs {
            let told = told(&self.unwell(people, *kind, episodes))?;
            for episode in episodes {
                let wait = |of: &Concern| of.at_ms.div_euclid(MINUTE_MS) - episode.from;
                let is_of = |of: &&Concern| of.wearer == Wearer::Person(episode.person as u32) && kind.is_told(of);
                let first =
                    told.concerns.iter().filter(is_of).map(wait).filter(|wait| kind.within().contains(wait)).min();
                waits.entry((*kind, episode.person)).or_default().push(first);
            }
        }
        let mut table = Builder::default();
        table.push_record([
            "unwell for 15 minutes, at rest",
            "episodes",
            "told within 20 min",
            "of the worst person",
            "after, median",
        ]);
        for kind in Kind::ALL {
            let of_kind: Vec<&Vec<Option<i64>>> = waits.iter().filter(|of| of.0.0 == kind).map(|of| of.1).collect();
            let share = |of: &[Option<i64>]| 100.0 * of.iter().flatten().count() as f64 / of.len().max(1) as f64;
            let worst = of_kind.iter().map(|of| share(of)).fold(100.0, f64::min);
            let all: Vec<Option<i64>> = of_kind.into_iter().flatten().copied().collect();
            let mut told: Vec<i64> = all.iter().flatten().copied().collect();
            told.sort_unstable();
            let median = told.get(told.len() / 2).map_or("-".to_owned(), |of| format!("{of} min"));
            table.push_record([
                kind.name().to_owned(),
                all.len().to_string(),
                format!("{:.1} %", share(&all)),
                format!("{worst:.1} %"),
                median,
            ]);
        }
        let mut table: Table = table.build();
        table.with(Style::psql()).modify(Columns::new(1..), Alignment::right());
        Ok(format!(
            "People who are made to be unwell, of every hour of the day in turn (runs: {}):\n{table}",
            self.runs.len()
        ))
    }
}
