//! Configs in TOML, as hosts read them from files.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use watchfire_connectors::datagen::DatagenConfig;
use watchfire_connectors::file::{FileSinkConfig, FileSource, FileSourceConfig};
use watchfire_connectors::format::{Csv, CsvConfig};
use watchfire_connectors::mqtt::{MqttSinkConfig, MqttSourceConfig};
use watchfire_operators::alarm::{AlarmMachine, Ladder};
use watchfire_operators::calendar::Calendar;
use watchfire_operators::crane::{
    ChartBook, ChartLimits, EpisodeConfig, OverloadConfig, OverloadEpisodes, RatedLoad, ReadingLimits, overload_windows,
};
use watchfire_operators::detect::{Calibration, Discord, HalfSpaceTrees, RobustZ, Rolling, Trees};
use watchfire_operators::geo::Declares;
use watchfire_operators::road::{CsvNetwork, OsmNetwork};

use crate::input::EDGES_MS;
use crate::row::Vital;

/// Bytes as every config there is: refused by its type, or the same after it was written down and read again; and what is
/// built from it is built, or refused with a code of its own.
pub fn configs(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let book = || Arc::new(ChartBook::new(vec![RatedLoad::qtz63()], &[], Some("QTZ63")).expect("a sound book"));
    if let Some(config) = read::<OverloadConfig>(text) {
        let built = overload_windows::<u32>(&config, book());
        assert!(built.is_ok() == config.check().is_ok(), "checked, and not built: {config:?}");
        refused(built.err(), &["E0161", "E0121"]);
    }
    if let Some(config) = read::<EpisodeConfig>(text) {
        refused(OverloadEpisodes::<u32>::new(config, book()).err(), &["E0162"]);
    }
    if let Some(config) = read::<CsvConfig>(text) {
        refused(Csv::<Vital>::new(config).err(), &["E0449"]);
    }
    if let Some(config) = read::<FileSourceConfig>(text) {
        refused(FileSource::new(config).err(), &["E0436"]);
    }
    if let Some(ladder) = read::<Ladder>(text) {
        match AlarmMachine::new(ladder) {
            Ok(machine) => assert!(machine.ladder().validate().is_ok()),
            Err(error) => {
                assert!(!error.findings().is_empty());
                assert!(error.findings().iter().all(|finding| ("E0131"..="E0140").contains(&finding.code)), "{error}");
            }
        }
    }
    if let Some(calendar) = read::<Calendar>(text) {
        calendar_answers(&calendar);
    }
    if let Some(Declares { datum, .. }) = read::<Declares>(text) {
        for (first, second) in [(30.5, 104.07), (-90.0, 180.0), (0.0, f64::NAN), (f64::MAX, 1.0)] {
            refused(datum.position(first, second).err(), &["E0472", "E0473"]);
        }
    }
    read::<Calibration>(text);
    read::<Rolling>(text);
    read::<Trees>(text);
    read::<RobustZ>(text);
    read::<Discord>(text);
    read::<HalfSpaceTrees<2>>(text);
    read::<CsvNetwork>(text);
    read::<OsmNetwork>(text);
    read::<ReadingLimits>(text);
    read::<ChartLimits>(text);
    read::<DatagenConfig>(text);
    read::<FileSinkConfig>(text);
    read::<MqttSourceConfig>(text);
    read::<MqttSinkConfig>(text);
}

fn read<T: Serialize + DeserializeOwned + Debug>(text: &str) -> Option<T> {
    let config = toml::from_str::<T>(text).ok()?;
    let written = toml::to_string(&config).expect("what was read can be written");
    let again: T = toml::from_str(&written).expect("what was written can be read");
    // As texts, in which NaN equals itself.
    assert_eq!(format!("{config:?}"), format!("{again:?}"), "the config that was written and read again");
    Some(config)
}

fn refused(error: Option<watchfire_engine::Error>, codes: &[&str]) {
    if let Some(error) = error {
        assert!(codes.contains(&error.code()) && error.to_string().contains("Remedy: "), "{error}");
    }
}

/// A calendar answers for every instant, or says that it does not know.
fn calendar_answers(calendar: &Calendar) {
    for at_ms in EDGES_MS.into_iter().chain([1_767_225_600_000]) {
        refused(calendar.is_work_day(at_ms).err(), &["E0211"]);
        refused(calendar.shifts_at(at_ms).err(), &["E0211"]);
        refused(calendar.after_work_days(at_ms, 3).err(), &["E0211"]);
        refused(calendar.work_ms_between(at_ms, 1_767_225_600_000).err(), &["E0211"]);
        match calendar.after_work_ms(at_ms, 3_600_000) {
            Ok(due_ms) => assert_eq!(calendar.work_ms_between(at_ms, due_ms).ok(), Some(3_600_000)),
            Err(error) => refused(Some(error), &["E0211"]),
        }
    }
}
