//! A source that plays what a test says, and can be cut off.
#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

use std::sync::mpsc::{Receiver as Script, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use watchfire_engine::decode::Decoder;
use watchfire_engine::source::{Failure, Fut, KeyPlacement, Next, Opened, RawRow, Reader, Replay, Source};
use watchfire_engine::{Data, Error};

/// What the outside does next.
pub enum Scene<T> {
    Rows(Vec<T>),
    Idle,
    Lost,
}

/// A source that plays what the test says.
pub struct Played<T>(Arc<Mutex<Script<Scene<T>>>>);

impl<T> Clone for Played<T> {
    fn clone(&self) -> Self {
        Played(self.0.clone())
    }
}

impl<T> Played<T> {
    /// The source, and the stage on which what it plays is put.
    pub fn new() -> (Self, SyncSender<Scene<T>>) {
        let (stage, script) = sync_channel(1_024);
        (Played(Arc::new(Mutex::new(script))), stage)
    }
}

impl<T: Data> Source for Played<T> {
    type Split = u8;
    type Offset = u64;

    fn replay(&self) -> Replay {
        Replay::None
    }

    fn key_placement(&self) -> KeyPlacement {
        KeyPlacement::OneSplit
    }

    fn bounded(&self) -> bool {
        false
    }

    fn discover(&self) -> Fut<'_, Result<Vec<u8>, Failure>> {
        Box::pin(async { Ok(vec![0]) })
    }

    fn open(&self, _split: u8, _from: Option<u64>) -> Fut<'_, Opened<u64>> {
        let reader: Box<dyn Reader<u64>> = Box::new(self.clone());
        Box::pin(async { Ok(reader) })
    }
}

impl<T: Data> Reader<u64> for Played<T> {
    fn next(&mut self, _room: usize) -> Fut<'_, Result<Next<u64>, Failure>> {
        // The reader has a thread of its own, so it may simply wait.
        let scene = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Box::pin(async {
            match scene {
                Ok(Scene::Rows(rows)) => {
                    let raw = |row| RawRow { body: serde_json::to_vec(row).unwrap().into(), ..RawRow::default() };
                    Ok(Next::Rows { rows: rows.iter().map(raw).collect(), after: 0 })
                }
                Ok(Scene::Idle) => Ok(Next::Idle),
                Ok(Scene::Lost) => Err(Failure::Retry(Error::new("E0499", "the line is cut"))),
                Err(_) => Ok(Next::End),
            }
        })
    }
}

pub struct Json;

impl<T: DeserializeOwned> Decoder<T> for Json {
    fn decode(&self, raw: &RawRow, out: &mut Vec<T>) -> Result<(), Error> {
        let row = serde_json::from_slice(&raw.body);
        out.push(row.map_err(|e| Error::new("E0498", "not a row").because(e))?);
        Ok(())
    }
}
