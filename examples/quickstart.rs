//! From made-up readings to one-minute means per crane, in fifteen lines. `cargo run --example quickstart`

use watchfire::connect::{
    datagen::{Datagen, DatagenConfig},
    format::JsonLines,
    stdout::StdoutSink,
};
use watchfire::{
    Change, Job,
    crane::CraneReading,
    window::{Sliding, WindowRow, mean},
};

fn main() -> Result<(), watchfire::Error> {
    let minute = Sliding::tumbling(60_000, mean(|r: &CraneReading| (r.load_kg * 1e3) as i64))?;
    let job = Job::new(move |flow| {
        let made_up = Datagen::new(DatagenConfig::new(600), |draw| {
            CraneReading::new(
                draw.n as u32 % 3,
                1_700_000_000_000 + draw.n as i64 * 1_000,
                4_000.0 * draw.unit(),
                20.0,
                4,
            )
        });
        let readings = flow.source("readings", made_up, JsonLines::<CraneReading>::new());
        let minutes = readings.rows.key_by(|r| r.crane).detect("minutes", minute.clone());
        minutes.out.to_sink("print", StdoutSink::default(), JsonLines::<Change<WindowRow<_, _>>>::new());
    });
    job.start()?.wait()?;
    Ok(())
}
