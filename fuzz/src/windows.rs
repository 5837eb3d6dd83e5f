//! Sliding and session windows, through jobs.

use watchfire_engine::{Change, Detector, EventTime, MergeSplits, OnSkew};
use watchfire_operators::window::{Close, LENGTH_MAX_MS, Sessions, Sliding, TIME_MAX_MS, WindowRow};

use crate::input::{Input, Walk};
use crate::restored::Restored;
use crate::support::aggregates::{Ids, ids};
use crate::support::{Feed, Ran, Reading, Setting, again, books_balance, job, model, run, sessions};

/// Rows of one input: what the plain reference makes of more takes long.
const ROWS_MAX: usize = 48;

/// Settings, then rows of three keys over one to three splits, with cuts between them, at times of all kinds: the outputs
/// are the same to the row when the input is cut otherwise, run by other workers, and every state is written down and
/// read back after every call; books balance; and of one split without skew, the outputs are those of the plain reference.
pub fn windows(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let plan = Plan::draw(&mut input);
    if plan.gap_ms > 0 {
        let Plan { gap_ms, close, .. } = plan;
        let detector = move || Sessions::new(gap_ms, Ids).expect("a sound gap").close(close);
        let ran = plan.run(detector);
        if plan.is_plain() {
            let disorder_ms = plan.setting.bounds.disorder_ms;
            sessions::Model { gap_ms, disorder_ms, close }.check(&ran);
        }
    } else {
        let Plan { size_ms, slide_ms, close, .. } = plan;
        let detector = move || Sliding::new(size_ms, slide_ms, Ids).expect("a sound window").close(close);
        let ran = plan.run(detector);
        if plan.is_plain() {
            let disorder_ms = plan.setting.bounds.disorder_ms;
            let value = ids as model::Value<_>;
            model::Model { size_ms, slide_ms, disorder_ms, close, shut: false, value }.check(&ran);
        }
    }
}

struct Plan {
    /// 0 for sliding windows.
    gap_ms: i64,
    size_ms: i64,
    slide_ms: i64,
    close: Close,
    setting: Setting,
    seed: u64,
    feeds: Vec<Feed>,
}

impl Plan {
    fn draw(input: &mut Input<'_>) -> Plan {
        let shape = input.u8();
        let slide_ms = i64::from(input.u8()) + 1;
        let (gap_ms, slide_ms, size_ms) = match shape % 8 {
            0 => (slide_ms * 4, 0, 0),
            1 => (LENGTH_MAX_MS, 0, 0),
            2 => (0, LENGTH_MAX_MS, LENGTH_MAX_MS),
            3 => (0, 60_000, 3_600_000),
            4 => (0, slide_ms, slide_ms + i64::from(input.u8())),
            _ => (0, slide_ms, slide_ms * (i64::from(shape) / 8 + 1)),
        };
        let close = match input.below(3) {
            0 => Close::Final,
            1 => Close::Hold { max_ms: input.span_ms().clamp(0, i64::MAX / 4) },
            _ => Close::Provisional {
                after_quiet_ms: input.span_ms().clamp(0, i64::MAX / 4),
                every_ms: input.span_ms().clamp(0, i64::MAX / 4),
                allowed_lateness_ms: i64::from(input.u16()) / 8,
            },
        };
        let mut setting = Setting::disorder(i64::from(input.u8()) * 4);
        let ways = input.u8();
        if ways & 3 == 3 {
            let on_skew = if ways & 4 == 0 { OnSkew::Divert } else { OnSkew::CorrectOffset };
            setting.bounds =
                EventTime { max_skew_ms: input.span_ms().clamp(0, i64::MAX / 4), on_skew, ..setting.bounds };
        }
        let splits = if ways & 24 == 24 { 3 } else { 1 };
        if splits > 1 {
            let disorder_ms = i64::from(input.u8());
            setting.merge = Some(MergeSplits { disorder_ms, idle_after_ms: i64::MAX, ..MergeSplits::default() });
        }
        setting.epoch_rows = 1 + usize::from(ways >> 5) * 3;
        let seed = u64::from(input.u8());
        let feeds = draw_feeds(input, splits);
        Plan { gap_ms, size_ms, slide_ms, close, setting, seed, feeds }
    }

    /// One split, no row is taken for one from the future, and every time is one: of the rest the reference knows nothing.
    /// (Near the least time clocks take themselves for unread, at the greatest a watermark is the end.)
    fn is_plain(&self) -> bool {
        let strange = |row: &Reading| !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&row.at_ms);
        let far = |feed: &Feed| matches!(feed, Feed::Rows(_, rows) if rows.iter().any(strange));
        self.setting.merge.is_none() && self.setting.bounds.max_skew_ms == i64::MAX && !self.feeds.iter().any(far)
    }

    fn run<D>(&self, detector: impl Fn() -> D + Clone + Send + Sync + 'static) -> Ran<Vec<u32>>
    where
        D: Detector<Key = u32, In = Reading, Out = Change<WindowRow<u32, Vec<u32>>>>,
    {
        let ran = run::<Vec<u32>>(&job(self.setting, detector.clone()), &self.feeds);
        books_balance(&ran);
        let one_in = [1, 2, 5, 1 << 30][(self.seed % 4) as usize];
        let workers = 1 + (self.seed / 4 % 3) as usize;
        let restored = job(self.setting, move || Restored(detector()));
        let other = again::<Vec<u32>>(&restored, &ran.recording.recut(self.seed, one_in), workers);
        model::same(&other.log, &ran.log, &format!("log, restored, cut one in {one_in}, {workers} workers"));
        assert_eq!((&other.late, &other.skewed), (&ran.late, &ran.skewed), "restored and cut one in {one_in}");
        assert_eq!(other.metrics.operators, ran.metrics.operators, "restored and cut one in {one_in}");
        ran
    }
}

fn draw_feeds(input: &mut Input<'_>, splits: u32) -> Vec<Feed> {
    let mut walk = Walk::from(input.span_ms());
    let mut feeds: Vec<Feed> = (0..splits).map(|split| Feed::Rows(split, Vec::new())).collect();
    let mut last: Option<Reading> = None;
    let mut id = 0;
    while !input.is_empty() && (id as usize) < ROWS_MAX {
        let op = input.u8();
        let key = u32::from(op % 3);
        let split = u32::from(op) / 3 % splits;
        let row = match last {
            // The same row again.
            Some(row) if op >= 248 => row,
            _ => Reading { key, at_ms: walk.next(input), value: i64::from(op), id },
        };
        (last, id) = (Some(row), id + 1);
        match feeds.last_mut() {
            Some(Feed::Rows(same, rows)) if *same == split && op & 64 == 0 => rows.push(row),
            _ => feeds.push(Feed::Rows(split, vec![row])),
        }
    }
    feeds
}
