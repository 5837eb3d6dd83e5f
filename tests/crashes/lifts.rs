//! A morning of simulated lifts: whoever is trapped is told once, and detectors that remember say the same after every crash.

use std::sync::Arc;

use watchfire::connect::format::JsonLines;
use watchfire::detect::{Cusum, Ewma, InOrder, Reading, Scores};
use watchfire::dispatch::Person;
use watchfire::elevator::{
    LiftBook, LiftRow, LiftRowId, LiftSays, LiftSim, LiftSimConfig, RescueStep, Site, TrapConfig, Trapped,
};
use watchfire::testing::World;
use watchfire::{Compose, Job, TickSource};

use crate::flows::{source, two_phase};

pub(crate) struct Lifts {
    book: Arc<LiftBook>,
    rows: Vec<LiftRow>,
}

/// From half past seven, for 40 minutes.
const FROM_MS: i64 = 27_000_000;
const FOR_MS: i64 = 2_400_000;

impl Lifts {
    pub(crate) fn new() -> Self {
        let config =
            LiftSimConfig { seed: 4, lifts: 12, trappings_a_day: 40.0, cuts_a_day: 1.0, ..LiftSimConfig::default() };
        let (sim, first_ms) = (LiftSim::new(config), LiftSimConfig::default().first_day_ms + FROM_MS);
        let slow = (1..=12).filter(|lift| sim.gateway(*lift).poll_ms > 1_000);
        let mut rows: Vec<(i64, LiftRow)> = Vec::new();
        for lift in slow {
            let day = sim.day(lift, 0);
            for (nth, trapping) in (0..).zip(day.trappings) {
                let at_ms = trapping.from_ms + 200_000 + nth;
                let says = LiftSays::Rescue {
                    step: RescueStep::Answered,
                    nth: None,
                    by: Person::named("mechanic 7", "goes there"),
                };
                rows.push((at_ms, LiftRow { lift, at_ms, says }));
            }
            rows.extend(day.rows);
        }
        rows.retain(|(arrives_ms, _)| (first_ms..first_ms + FOR_MS).contains(arrives_ms));
        rows.sort_by_key(|(arrives_ms, row)| (*arrives_ms, row.lift));
        Lifts { book: Arc::new(sim.book()), rows: rows.into_iter().map(|(_, row)| row).collect() }
    }

    pub(crate) fn job(&self, world: &World) -> Job {
        let source = source(world, std::slice::from_ref(&self.rows));
        let [to_told, to_scores] = ["told", "scores"].map(|name| two_phase(world, name));
        let trapped = Trapped::new(TrapConfig::default(), self.book.clone()).unwrap();
        let book = self.book.clone();
        let floor = |row: &LiftRow| match row.says {
            LiftSays::Status(status) => status.floor.map_or(Reading::None, |floor| Reading::Value(f64::from(floor))),
            _ => Reading::None,
        };
        let job = Job::new(move |flow| {
            let book = book.clone();
            let rows = flow.source::<LiftRow, _, _>("in", source.clone(), JsonLines::new()).rows;
            let in_order: InOrder<Site, LiftRow, fn(&LiftRow) -> LiftRowId> = LiftRow::in_order(2_100);
            let far = Scores::new(Ewma::default(), floor)
                .at_least(2.0)
                .both(Scores::new(Cusum::default(), floor).at_least(8.0));
            let told = rows.key_by(move |row| book.site(row.lift)).event_time(LiftRow::EVENT_TIME);
            let (_, (told, (far, _))) = told.detect("lifts", in_order.then(trapped.clone().both(far))).out;
            told.to_sink("told", to_told.clone(), JsonLines::new());
            far.to_sink("scores", to_scores.clone(), JsonLines::new());
        });
        job.ticks(TickSource::FromEvents { interval_ms: 500, max_jump_ms: 3_600_000 })
    }
}
