//! What the day came to, as a table: a line a crane.

use std::collections::BTreeMap;

use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};
use tabled::{Table, Tabled};
use watchfire::alarm::{ChangeKind, Severity};
use watchfire::{Change, Metrics};

use crate::flow::{Alarms, Episode, Window};

/// The threshold that counts as overload, among those of the windows: 1.00.
const OVERLOAD: usize = 1;

/// The sums of one crane.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    windows: i64,
    overload_windows: i64,
    /// By window, so that retractions take back what they added.
    max_permille: i64,
    episodes: i64,
    warnings: u32,
    alarms: u32,
    violations: u32,
    criticals: u32,
    unknowns: u32,
    cleared: u32,
}

#[derive(Tabled)]
struct Row {
    crane: u32,
    windows: i64,
    #[tabled(rename = "with overload")]
    overload_windows: i64,
    #[tabled(rename = "highest load")]
    max: String,
    episodes: i64,
    warn: u32,
    alarm: u32,
    violation: u32,
    critical: u32,
    unknown: u32,
    cleared: u32,
}

/// Gathers what leaves the job.
#[derive(Debug, Default)]
pub struct Report {
    cranes: BTreeMap<u32, Sums>,
    pub retractions: u64,
}

impl Report {
    pub fn window(&mut self, change: Window) {
        self.retractions += u64::from(matches!(change, Change::Retract(_)));
        let (row, n) = change.into_parts();
        let sums = self.cranes.entry(row.key).or_default();
        sums.windows += n;
        sums.overload_windows += if row.value.reaches(OVERLOAD) { n } else { 0 };
        let max = row.value.stretches().filter_map(|stretch| stretch.max_utilisation).max();
        if let (Some(max), 1) = (max, n) {
            sums.max_permille = sums.max_permille.max((max.get() * 1e3).round() as i64);
        }
    }

    pub fn episode(&mut self, change: Episode) {
        self.retractions += u64::from(matches!(change, Change::Retract(_)));
        let (row, n) = change.into_parts();
        self.cranes.entry(row.key).or_default().episodes += n;
    }

    pub fn alarm(&mut self, alarm: &Alarms) {
        let Some(change) = alarm.change() else { return };
        let sums = self.cranes.entry(*alarm.key()).or_default();
        match change.kind {
            ChangeKind::Raised | ChangeKind::Escalated => match change.severity {
                Some(Severity::Critical) => sums.criticals += 1,
                Some(Severity::Violation) => sums.violations += 1,
                Some(Severity::Alarm) => sums.alarms += 1,
                Some(Severity::PreWarn) => sums.warnings += 1,
                _ => {}
            },
            ChangeKind::UnknownRaised => sums.unknowns += 1,
            ChangeKind::Cleared => sums.cleared += 1,
            _ => {}
        }
    }

    /// The table, and a line of totals; nothing if there were no cranes.
    pub fn text(&self, metrics: &Metrics) -> Option<String> {
        if self.cranes.is_empty() {
            return None;
        }
        let rows = self.cranes.iter().map(|(crane, s)| Row {
            crane: *crane,
            windows: s.windows,
            overload_windows: s.overload_windows,
            max: format!("{:.1} %", s.max_permille as f64 / 10.0),
            episodes: s.episodes,
            warn: s.warnings,
            alarm: s.alarms,
            violation: s.violations,
            critical: s.criticals,
            unknown: s.unknowns,
            cleared: s.cleared,
        });
        let mut table = Table::new(rows);
        table.with(Style::psql()).modify(Columns::new(..), Alignment::right());
        let sum = |of: fn(&Sums) -> i64| self.cranes.values().map(of).sum::<i64>();
        let operator = metrics.operators.get("cranes").cloned().unwrap_or_default();
        let late: u64 = operator.detectors.iter().map(|d| d.late).max().unwrap_or(0);
        Some(format!(
            "{table}\n{} cranes, {} readings: {} windows ({} with overload), {} episodes, {} alarms or worse; {} retractions, \
             {late} late rows, {} from wrong clocks",
            self.cranes.len(),
            operator.rows_in,
            sum(|s| s.windows),
            sum(|s| s.overload_windows),
            sum(|s| s.episodes),
            sum(|s| i64::from(s.alarms + s.violations + s.criticals)),
            self.retractions,
            operator.skewed
        ))
    }
}
