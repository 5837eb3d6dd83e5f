#![cfg_attr(fuzzing, no_main)]
//! `cargo +nightly fuzz run lifts`. A plain build runs the files that its arguments name, once each.

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| watchfire_fuzz::lifts(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    watchfire_fuzz::run_files(watchfire_fuzz::lifts)
}
