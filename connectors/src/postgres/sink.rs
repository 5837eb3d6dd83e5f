//! The sink: rows of an epoch, and the epoch, in one transaction.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokio_postgres::types::ToSql;
use watchfire_engine::Error;
use watchfire_engine::decode::EncodedRow;
use watchfire_engine::sink::{CommitMode, Sink, Writer};
use watchfire_engine::source::{Failure, Fut};

use super::client::{Session, failure_of, is_of_row, refused_row};
use super::config::PostgresSinkConfig;
use super::statements::Statements;

/// Writes rows into a table, those of an epoch with the number of the epoch in one transaction: [`CommitMode::ByEpoch`]. An epoch
/// that comes again after a crash is there already, and changes nothing.
///
/// # Rows and columns
/// The encoder must give JSON objects ([`JsonLines`](crate::format::JsonLines) over structs does). Fields fill the columns of their
/// names, as `jsonb_populate_recordset` of PostgreSQL reads them; other fields are passed over, and columns without a field are null.
///
/// # Ids and retractions
/// With [`id_column`](PostgresSinkConfig::id_column) the table shows what is so now: a row replaces the one with its id, a
/// retraction deletes it, and of several rows of one id in an epoch the last counts. Without it rows are added, and a retraction is
/// refused.
///
/// # Generations
/// The row of the [progress table](PostgresSinkConfig::progress_table) holds generation and epoch of the writer. A newer generation
/// of the job that opens the sink fences this one. A job that begins anew with an empty store has a low generation: it is
/// refused as fenced, and whoever wants that deletes the row of its writer first.
///
/// # Errors
/// [`Failure::Retry`] if the server cannot be reached, or cannot now (`E0362`): the same call connects again, and finds out whether
/// the epoch was written. [`Failure::Poison`] for a row that is no JSON object or has no id, for a retraction without ids, and for one
/// that the table does not take (`E0364`; the row is looked for one by one, and no value of it is shown). [`Failure::Fatal`] for a
/// table, column or right that is missing (`E0363`), and for constraints that are only checked together.
///
/// Memory: the rows of one epoch as JSON, twice; PostgreSQL takes at most 255 MB of them.
///
/// # Examples
/// ```no_run
/// use futures_lite::future::block_on;
/// use watchfire_connectors::postgres::{PostgresConnection, PostgresSink, PostgresSinkConfig};
/// use watchfire_engine::{decode::EncodedRow, sink::Sink};
///
/// // CREATE TABLE alarms (id text PRIMARY KEY, crane int, severity text)
/// let server = PostgresConnection::new("localhost", "district", "watchfire");
/// let config = PostgresSinkConfig::new(server, "alarms", "site/alarms");
/// let sink = PostgresSink::new(PostgresSinkConfig { id_column: Some("id".into()), ..config })?;
/// let body = br#"{"crane":1,"severity":"high"}"#.to_vec();
/// let raised = EncodedRow { id: Some("overload-K1-3".into()), retract: false, body };
/// block_on(async {
///     let mut writer = sink.open(0, 1).await?;
///     writer.write(1_048_577, &[raised]).await
/// }).expect("a server on this host");
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PostgresSink {
    config: PostgresSinkConfig,
}

impl PostgresSink {
    /// A sink that writes as `config` says. Does not connect yet.
    ///
    /// # Errors
    /// `E0361` for a config that cannot work.
    pub fn new(config: PostgresSinkConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(PostgresSink { config })
    }
}

impl Sink for PostgresSink {
    fn commit_mode(&self) -> CommitMode {
        CommitMode::ByEpoch
    }

    fn open(&self, part: usize, generation: u64) -> Fut<'_, Result<Box<dyn Writer>, Failure>> {
        Box::pin(async move {
            let (part, generation) = (part as i32, signed(generation)?);
            let mut writer = PostgresWriter { config: self.config.clone(), part, generation, open: None };
            writer.connect().await?;
            Ok(Box::new(writer) as Box<dyn Writer>)
        })
    }
}

/// A number as PostgreSQL knows them.
fn signed(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| {
        let what = format!("{number} is beyond the numbers of PostgreSQL");
        Failure::Fatal(Error::new("E0364", what).remedy("begin anew, with an empty store and another writer"))
    })
}

struct PostgresWriter {
    config: PostgresSinkConfig,
    part: i32,
    generation: i64,
    open: Option<(Session, Statements)>,
}

/// What is left of an epoch's rows.
struct Changes {
    /// A list of JSON objects.
    come: String,
    /// Ids.
    gone: Vec<String>,
    /// Each object by itself, and the row that it comes from.
    each: Vec<(usize, Value)>,
}

impl Writer for PostgresWriter {
    fn write<'a>(&'a mut self, epoch: u64, rows: &'a [EncodedRow]) -> Fut<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (epoch, changes) = (signed(epoch)?, self.changes(rows)?);
            self.connect().await?;
            let done = self.put(epoch, &changes).await;
            if matches!(done, Err(Failure::Retry(_))) {
                self.open = None;
            }
            done
        })
    }
}

impl PostgresWriter {
    /// Makes sure that there is a connection, and that nobody newer writes.
    async fn connect(&mut self) -> Result<(), Failure> {
        if self.open.as_ref().is_some_and(|(session, _)| !session.client.is_closed()) {
            return Ok(());
        }
        self.open = None;
        let session = Session::open(&self.config.connection).await?;
        let statements = Statements::open(&session.client, &self.config, self.part, self.generation).await?;
        self.open = Some((session, statements));
        Ok(())
    }

    fn changes(&self, rows: &[EncodedRow]) -> Result<Changes, Failure> {
        let poison = |index: usize, what: &str, remedy: &str| Failure::Poison {
            index,
            why: Error::new("E0364", what).remedy(remedy),
        };
        let mut last: BTreeMap<&str, (usize, Option<Value>)> = BTreeMap::new();
        let mut each = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let no_id = || poison(index, "a row without an id", "use an encoder that gives ids, or set no id_column");
            let id = match &self.config.id_column {
                Some(column) => Some((column, row.id.as_deref().ok_or_else(no_id)?)),
                None if row.retract => {
                    return Err(poison(index, "a retraction, but rows have no ids here", "set id_column"));
                }
                None => None,
            };
            let mut object = None;
            if !row.retract {
                let mut map: Map<String, Value> = serde_json::from_slice(&row.body)
                    .map_err(|_| poison(index, "a row that is no JSON object", "encode rows as JSON objects"))?;
                map.extend(id.map(|(column, id)| (column.clone(), id.into())));
                object = Some(Value::Object(map));
            }
            match id {
                Some((_, id)) => _ = last.insert(id, (index, object)),
                None => each.extend(object.map(|object| (index, object))),
            }
        }
        let gone = last.iter().filter(|(_, (_, object))| object.is_none()).map(|(id, _)| (*id).to_owned()).collect();
        each.extend(last.into_values().filter_map(|(index, object)| Some((index, object?))));
        each.sort_by_key(|(index, _)| *index);
        let come = Value::Array(each.iter().map(|(_, object)| object.clone()).collect()).to_string();
        Ok(Changes { come, gone, each })
    }

    async fn put(&mut self, epoch: i64, changes: &Changes) -> Result<(), Failure> {
        let PostgresWriter { config, part, generation, open } = self;
        let Some((session, statements)) = open else { return Ok(()) };
        let failed = |e: &tokio_postgres::Error| failure_of(e, &config.connection);
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&config.writer, part, generation, &epoch, &changes.come];
        if config.id_column.is_some() {
            params.push(&changes.gone);
        }
        let written: i64 = match session.client.query_one(&statements.write, &params).await {
            Ok(row) => row.try_get(0).map_err(|e| failed(&e))?,
            Err(e) if is_of_row(&e) => return Err(culprit(session, statements, changes, &e).await),
            Err(e) => return Err(failed(&e)),
        };
        if written > 0 {
            return Ok(());
        }
        // It is there already, or somebody newer writes.
        let who: [&(dyn ToSql + Sync); 2] = [&config.writer, part];
        let progress = session.client.query_opt(&statements.progress, &who).await;
        let row = progress.map_err(|e| failed(&e))?.ok_or(Failure::Fenced)?;
        let (owner, last): (i64, i64) =
            (row.try_get(0).map_err(|e| failed(&e))?, row.try_get(1).map_err(|e| failed(&e))?);
        if owner != *generation || last < epoch { Err(Failure::Fenced) } else { Ok(()) }
    }
}

/// Finds the row that the table does not take, by trying one after the other. Nothing of it stays.
async fn culprit(
    session: &mut Session,
    statements: &Statements,
    changes: &Changes,
    error: &tokio_postgres::Error,
) -> Failure {
    if let Ok(transaction) = session.client.transaction().await {
        for (index, object) in &changes.each {
            let one = Value::Array(vec![object.clone()]).to_string();
            if let Err(e) = transaction.execute(&statements.insert, &[&one]).await
                && is_of_row(&e)
            {
                return Failure::Poison { index: *index, why: refused_row(&e) };
            }
        }
    }
    Failure::Fatal(refused_row(error))
}
