//! The slow reference: it keeps the whole history and works every answer out anew from it. The arrival clock is
//! walked one ms at a time.

use super::*;

/// One event with what is known about it once it has been applied.
struct Entry {
    event: Event,
    arrival_ms: i64,
    late: bool,
    level: usize,
    /// Set if this entry raised: the steps proven and the event time covered.
    raised: Option<(usize, i64, i64)>,
}

pub(super) struct Reference {
    ladder: Ladder,
    log: Vec<Entry>,
    pub(super) out: Vec<AlarmChange>,
    clock_ms: i64,
    unknown_shown: bool,
    hidden: bool,
    acknowledged: bool,
    /// Owner is the same in all tests: begin, end, in force, hidden changes, worst.
    suppression: Option<(i64, i64, bool, u32, Option<Severity>)>,
    unacked: Option<(i64, usize)>,
    worse_ms: i64,
    next_id: (u32, u32),
}

impl Reference {
    pub(super) fn new(ladder: Ladder, start_ms: i64) -> Self {
        Reference {
            ladder,
            log: Vec::new(),
            out: Vec::new(),
            clock_ms: start_ms,
            unknown_shown: false,
            hidden: false,
            acknowledged: false,
            suppression: None,
            unacked: None,
            worse_ms: 0,
            next_id: (0, 0),
        }
    }

    fn up(&self, value: f64) -> f64 {
        if self.ladder.direction == Direction::Falls { -value } else { value }
    }

    /// The dangerous size of an entry, if it is a trustworthy value.
    fn danger(&self, i: usize) -> Option<f64> {
        let Event::Sample { value, .. } = self.log[i].event else { return None };
        let danger = self.up(value);
        (danger > f64::NEG_INFINITY).then_some(danger.min(f64::MAX))
    }

    fn time(&self, i: usize) -> Option<i64> {
        match self.log[i].event {
            Event::Sample { at_ms, .. } | Event::Unknown { at_ms, .. } => Some(at_ms),
            _ => None,
        }
    }

    fn at(&self, i: usize) -> i64 {
        self.time(i).unwrap()
    }

    fn newest_before(&self, i: usize) -> Option<i64> {
        (0..i).filter_map(|j| self.time(j)).max()
    }

    fn in_order(&self, range: std::ops::Range<usize>) -> Vec<usize> {
        range.filter(|&i| self.danger(i).is_some() && !self.log[i].late).collect()
    }

    fn meets(&self, i: usize, step: usize) -> bool {
        let (step, danger) = (&self.ladder.steps[step], self.danger(i).unwrap());
        let raise = self.up(step.raise_at);
        danger > raise || (danger == raise && step.bound == Bound::Inclusive)
    }

    fn released(&self, i: usize, step: usize) -> bool {
        self.danger(i).unwrap() < self.up(self.ladder.steps[step].release_at)
    }

    fn level(&self) -> usize {
        self.log.iter().rev().nth(1).map_or(0, |e| e.level)
    }

    /// Unproven ms between a sample in order and the one before it.
    fn unproven(&self, i: usize) -> i64 {
        let Some(&before) = self.in_order(0..i).last() else { return 0 };
        let mut until = self.at(i).min(self.at(before) + self.ladder.max_gap_ms);
        for j in before + 1..i {
            if self.danger(j).is_none() && !self.log[j].late {
                until = until.min(self.time(j).unwrap_or(i64::MAX));
            }
        }
        self.at(i) - until
    }

    /// Proven ms, begin and number of the samples in a row, back from `i`, that meet a step.
    fn run(&self, i: usize, step: usize) -> (i64, i64, u32) {
        let samples = self.in_order(0..i + 1);
        let met: Vec<usize> = samples.into_iter().rev().take_while(|&j| self.meets(j, step)).collect();
        let Some(&first) = met.last() else { return (-1, self.at(i), 0) };
        let unproven: i64 = met.iter().filter(|&&j| j != first).map(|&j| self.unproven(j)).sum();
        (self.at(i) - self.at(first) - unproven, self.at(first) + unproven, met.len() as u32)
    }

    /// Since when the value is proven to be beyond the release value of the top step.
    fn clear_since(&self, i: usize, top: usize) -> Option<i64> {
        let level = top + 1;
        let from = (0..i).rev().take_while(|&j| self.log[j].level == level).last().unwrap_or(i);
        let mut since = None;
        for j in from..=i {
            let is_sample = self.danger(j).is_some();
            match self.time(j) {
                None => {}
                Some(at) if self.log[j].late => {
                    let disturbs = j > from && (!is_sample || !self.released(j, top));
                    since = since.map(|s| if disturbs && at >= s { self.newest_before(j).unwrap() } else { s });
                }
                Some(at) if is_sample && self.released(j, top) => {
                    since = since.filter(|_| self.unproven(j) == 0).or(Some(at));
                }
                Some(_) => since = None,
            }
        }
        since
    }

    fn episode_start(&self, i: usize) -> Option<usize> {
        (0..i).rev().find(|&j| self.log[j].level > 0 && (j == 0 || self.log[j - 1].level == 0))
    }

    fn is_told(&self, i: usize, step: usize) -> bool {
        let Some(start) = self.episode_start(i) else { return false };
        let raised = || (start..i).filter_map(|j| self.log[j].raised);
        let from = raised().map(|(_, from, _)| from).min();
        let proofs = raised().filter(|r| r.0 > step).map(|(_, _, to)| to);
        let seen = self.in_order(start..i).into_iter().filter(|&j| self.log[j].level > step && self.meets(j, step));
        let until = proofs.chain(seen.map(|j| self.at(j))).max();
        from.is_some_and(|from| self.at(i) >= from) && until.is_some_and(|until| self.at(i) <= until)
    }

    /// The run of late samples that meet a step, as their times.
    fn late_run(&self, i: usize, step: usize) -> Vec<i64> {
        let mut run: Vec<i64> = Vec::new();
        for j in 0..=i {
            let before = if j == 0 { 0 } else { self.log[j - 1].level };
            if self.danger(j).is_some() && self.log[j].late && step >= before && !self.is_told(j, step) {
                let (low, high) = (run.iter().min().copied(), run.iter().max().copied());
                let gap_ms = self.ladder.max_gap_ms;
                let near =
                    low.is_some_and(|t| self.at(j) >= t - gap_ms) && high.is_some_and(|t| self.at(j) <= t + gap_ms);
                match (self.meets(j, step), near) {
                    (true, true) => run.push(self.at(j)),
                    (true, false) => run = vec![self.at(j)],
                    (false, true) => run.clear(),
                    (false, false) => {}
                }
            }
            if j < i && self.log[j].late && self.log[j].raised.is_some_and(|(steps, ..)| steps > step) {
                run.clear();
            }
        }
        run
    }

    /// Whether nothing is on or pending once the first `end` entries are in.
    fn is_quiet(&self, end: usize) -> bool {
        let on = self.log[..end].last().is_some_and(|e| e.level > 0);
        !on && self.in_order(0..end).last().is_none_or(|&j| !self.meets(j, 0) || self.gone(j, end))
    }

    /// Whether an alarm came and went after sample `j`.
    fn gone(&self, j: usize, end: usize) -> bool {
        self.log[j..end].iter().any(|e| e.level > 0)
    }

    /// The most dangerous value since nothing was on or pending, for a change after the first `end` entries.
    fn peak(&self, end: usize, kind: ChangeKind) -> Option<f64> {
        if self.is_quiet(end) && kind != ChangeKind::Cleared {
            return None;
        }
        // The sample that clears still belongs to what it ends.
        let from = (1..end).rfind(|&j| self.is_quiet(j)).unwrap_or(0);
        let counts = |j: &usize| !self.log[*j].late || self.log[*j].raised.is_some();
        let worst = (from..end).filter(counts).filter_map(|j| self.danger(j)).reduce(f64::max);
        worst.map(|danger| self.up(danger))
    }

    fn severity_at(&self, level: usize) -> Option<Severity> {
        match level {
            0 => self.unknown_shown.then_some(Severity::Unknown),
            level => Some(self.ladder.steps[level - 1].severity),
        }
    }

    /// First cause and arrival-clock begin of the present stretch without a trustworthy value.
    fn unknown(&self) -> Option<(UnknownCause, i64)> {
        let from = self.in_order(0..self.log.len()).last().map_or(0, |j| j + 1);
        let spell = self.log[from..].iter().filter(|e| !e.late);
        let causes = spell.filter_map(|e| match e.event {
            Event::Unknown { cause, .. } => Some((cause, e.arrival_ms)),
            Event::Sample { .. } => Some((UnknownCause::NotANumber, e.arrival_ms)),
            Event::Silent { for_ms } => Some((UnknownCause::Silent, e.arrival_ms - for_ms.max(0))),
            _ => None,
        });
        causes.reduce(|first, next| (first.0, first.1.min(next.1)))
    }

    pub(super) fn step(&mut self, event: Event, arrival_ms: i64) -> Result<Outcome, EventError> {
        self.walk_clock(arrival_ms);
        let level = self.log.last().map_or(0, |e| e.level);
        let was_unknown = self.unknown();
        self.log.push(Entry { event: event.clone(), arrival_ms, late: false, level, raised: None });
        let i = self.log.len() - 1;
        self.log[i].late = self.time(i).is_some_and(|at| self.newest_before(i).is_some_and(|newest| at < newest));
        let outcome = match event {
            Event::Sample { value, .. } if self.danger(i).is_some() => {
                self.read(i, value, was_unknown);
                Ok(if self.log[i].late { Outcome::Late } else { Outcome::Applied })
            }
            Event::Acknowledge { at_ms, who } => self.acknowledge(at_ms, who, arrival_ms),
            Event::Suppress { from_ms, until_ms, .. } => self.suppress(from_ms, until_ms, arrival_ms),
            Event::Release { who, .. } => Ok(self.end_suppression(Some(who), arrival_ms)),
            _ => Ok(if self.log[i].late { Outcome::Late } else { Outcome::Applied }),
        };
        self.walk_clock(arrival_ms);
        outcome
    }

    fn read(&mut self, i: usize, value: f64, was_unknown: Option<(UnknownCause, i64)>) {
        let (arrival_ms, late) = (self.log[i].arrival_ms, self.log[i].late);
        let value = self.up(self.up(value).min(f64::MAX));
        let cause = (Some(self.at(i)), arrival_ms, Some(value));
        let level = self.level();
        if let (false, true, Some((_, since))) = (late, self.unknown_shown, was_unknown) {
            let previous = self.severity_at(level);
            self.unknown_shown = false;
            self.tell(ChangeKind::UnknownCleared, previous, Why::Back { after_ms: arrival_ms - since }, cause);
        }
        let mut proven = None;
        for step in level..self.ladder.steps.len() {
            let rule = &self.ladder.steps[step];
            if late {
                let run = self.late_run(i, step);
                let (low, high) = (run.iter().min().copied(), run.iter().max().copied());
                let (Some(low), Some(high)) = (low, high) else { continue };
                let joined = self.meets(i, step) && !self.is_told(i, step);
                if joined && high - low >= rule.hold_ms && run.len() as u32 >= rule.min_consecutive {
                    proven = Some((step, high - low, low, high, run.len() as u32));
                }
            } else {
                let (held, begin, count) = self.run(i, step);
                if count > 0 && held >= rule.hold_ms && count >= rule.min_consecutive {
                    proven = Some((step, held, begin, self.at(i), count));
                }
            }
        }
        let previous = self.severity_at(level);
        if let Some((step, held_ms, from, to, samples)) = proven {
            (self.log[i].level, self.log[i].raised) = (step + 1, Some((step + 1, from, to)));
            let kind = if previous.is_some() { ChangeKind::Escalated } else { ChangeKind::Raised };
            let rule = &self.ladder.steps[step];
            let why = Why::Held { step: rule.name.clone(), raise_at: rule.raise_at, held_ms, samples, late };
            self.tell(kind, previous, why, cause);
        } else if level > 0 && !late {
            let rule = self.ladder.steps[level - 1].clone();
            let Some(held_ms) = self.clear_since(i, level - 1).map(|since| self.at(i) - since) else { return };
            if held_ms >= rule.clear_hold_ms {
                self.log[i].level = level - 1;
                let kind = if level == 1 { ChangeKind::Cleared } else { ChangeKind::Deescalated };
                self.tell(
                    kind,
                    previous,
                    Why::Released { step: rule.name, release_at: rule.release_at, held_ms },
                    cause,
                );
            }
        }
    }

    fn now(&self) -> Option<Severity> {
        self.severity_at(self.log.last().map_or(0, |e| e.level))
    }

    fn push(
        &mut self,
        kind: ChangeKind,
        previous: Option<Severity>,
        why: Why,
        (at_event_ms, at_arrival_ms, value): (Option<i64>, i64, Option<f64>),
    ) {
        let id = AlarmId { rule: self.ladder.rule.clone(), episode: self.next_id.0, revision: self.next_id.1 };
        self.next_id.1 += 1;
        // A value that ends an unknown state does so before it counts itself.
        let end = self.log.len() - usize::from(kind == ChangeKind::UnknownCleared);
        let (severity, acknowledged, peak) = (self.now(), self.acknowledged, self.peak(end, kind));
        self.out.push(AlarmChange {
            id,
            kind,
            severity,
            previous,
            acknowledged,
            at_event_ms,
            at_arrival_ms,
            value,
            peak,
            why,
        });
    }

    fn tell(
        &mut self,
        mut kind: ChangeKind,
        mut previous: Option<Severity>,
        why: Why,
        cause: (Option<i64>, i64, Option<f64>),
    ) {
        let now = self.now();
        if self.hidden && now == Some(Severity::Critical) && !self.ladder.suppress_critical {
            (self.hidden, kind, previous) = (false, ChangeKind::Raised, None);
        }
        if self.hidden {
            let suppression = self.suppression.as_mut().unwrap();
            suppression.3 += 1;
            suppression.4 = suppression.4.max(now);
        } else {
            let raised = [ChangeKind::Raised, ChangeKind::Escalated].contains(&kind);
            if previous.is_none() && (raised || kind == ChangeKind::UnknownRaised) {
                self.next_id = (self.next_id.0 + 1, 0);
            }
            if now > previous {
                self.worse_ms = cause.1;
            }
            self.acknowledged &= !raised;
            self.push(kind, previous, why, cause);
        }
        if now.is_none() {
            self.acknowledged = false;
            self.hidden = self.suppression.is_some_and(|s| s.2);
        }
        self.look(cause.1);
    }

    fn look(&mut self, arrival_ms: i64) {
        let needed = !self.hidden && !self.acknowledged && self.now() >= Some(self.ladder.escalate_from);
        self.unacked = needed.then_some(self.unacked.unwrap_or((arrival_ms, 0)));
    }

    fn walk_clock(&mut self, arrival_ms: i64) {
        for ms in self.clock_ms..=arrival_ms {
            let clock = (None, arrival_ms, None);
            if self.suppression.is_some_and(|s| !s.2 && s.0 <= ms) {
                self.begin_suppression(arrival_ms);
            }
            if self.suppression.is_some_and(|s| s.2 && s.1 <= ms) {
                self.end_suppression(None, arrival_ms);
            }
            if let Some((cause, since)) = self.unknown().filter(|_| !self.unknown_shown)
                && since + self.ladder.unknown_after_ms <= ms
            {
                let previous = self.now();
                self.unknown_shown = true;
                let why = Why::Unknown { cause, for_ms: arrival_ms - since };
                self.tell(ChangeKind::UnknownRaised, previous, why, clock);
            }
            while let Some((since, stage)) = self.unacked
                && self.ladder.escalate_after_ms.get(stage).is_some_and(|after| since + after <= ms)
            {
                self.unacked = Some((since, stage + 1));
                let why = Why::Unacknowledged { stage: stage as u8 + 1, for_ms: arrival_ms - since };
                self.push(ChangeKind::EscalatedUnacknowledged, self.now(), why, clock);
            }
        }
        self.clock_ms = self.clock_ms.max(arrival_ms);
    }

    fn acknowledge(&mut self, at_ms: i64, who: Private, arrival_ms: i64) -> Result<Outcome, EventError> {
        if self.now().is_none() || self.hidden || self.acknowledged {
            return Ok(Outcome::Ignored);
        }
        if at_ms < self.worse_ms {
            return Err(EventError::SeenBeforeWorse { at_ms, worse_ms: self.worse_ms });
        }
        self.acknowledged = true;
        self.look(arrival_ms);
        self.push(ChangeKind::Acknowledged, self.now(), Why::Seen { who, at_ms }, (None, arrival_ms, None));
        Ok(Outcome::Applied)
    }

    fn suppress(&mut self, from_ms: i64, until_ms: i64, arrival_ms: i64) -> Result<Outcome, EventError> {
        let max_ms = self.ladder.max_suppress_ms;
        if until_ms <= from_ms || until_ms <= arrival_ms {
            return Err(EventError::NoEnd { until_ms });
        }
        if until_ms - from_ms > max_ms {
            return Err(EventError::TooLong { asked_ms: until_ms - from_ms, max_ms });
        }
        if let Some(present) = self.suppression {
            return Err(EventError::AlreadySuppressed { until_ms: present.1 });
        }
        if from_ms <= arrival_ms && self.now() == Some(Severity::Critical) && !self.ladder.suppress_critical {
            return Err(EventError::CriticalIsOn);
        }
        self.suppression = Some((from_ms, until_ms, false, 0, None));
        Ok(Outcome::Applied)
    }

    fn begin_suppression(&mut self, arrival_ms: i64) {
        let (from_ms, until_ms, ..) = self.suppression.unwrap();
        self.suppression = Some((from_ms, until_ms, true, 0, None));
        self.acknowledged = false;
        let why = Why::Suppression { owner: "manager".into(), reason: "test lift".into(), from_ms, until_ms };
        self.push(ChangeKind::Suppressed, self.now(), why, (None, arrival_ms, None));
        self.hidden = true;
        if self.now() == Some(Severity::Critical) && !self.ladder.suppress_critical {
            self.hidden = false;
            self.show_again(arrival_ms);
        }
        self.look(arrival_ms);
    }

    fn end_suppression(&mut self, released_by: Option<Private>, arrival_ms: i64) -> Outcome {
        let Some((_, _, in_force, hidden, worst)) = self.suppression.take() else { return Outcome::Ignored };
        if in_force {
            let shown = !std::mem::take(&mut self.hidden);
            let why = Why::SuppressionOver { released_by, hidden, worst };
            self.push(ChangeKind::SuppressionEnded, self.now(), why, (None, arrival_ms, None));
            if !shown && self.now().is_some() {
                self.show_again(arrival_ms);
            }
        }
        Outcome::Applied
    }

    fn show_again(&mut self, arrival_ms: i64) {
        let level = self.log.last().map_or(0, |e| e.level);
        let step = level.checked_sub(1).map(|top| self.ladder.steps[top].name.clone());
        let kind = if level > 0 { ChangeKind::Raised } else { ChangeKind::UnknownRaised };
        self.tell(kind, None, Why::StillOn { step }, (None, arrival_ms, None));
    }
}
