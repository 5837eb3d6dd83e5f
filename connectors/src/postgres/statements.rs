//! The SQL of one writer, made for the columns that its table has.

use tokio_postgres::{Client, Statement};
use watchfire_engine::Error;
use watchfire_engine::source::Failure;

use super::client::{failure_of, is_of_row, is_there};
use super::config::PostgresSinkConfig;

/// What a writer runs.
pub(super) struct Statements {
    /// Rows of one epoch, and that it is there, if neither was.
    pub(super) write: Statement,
    /// The same rows alone, to find one that is not taken.
    pub(super) insert: Statement,
    /// Generation and epoch that the server has of the writer.
    pub(super) progress: Statement,
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Statements {
    /// Fences older generations, and prepares what this one runs.
    pub(super) async fn open(
        client: &Client,
        config: &PostgresSinkConfig,
        part: i32,
        generation: i64,
    ) -> Result<Statements, Failure> {
        let failed = |e: tokio_postgres::Error| failure_of(&e, &config.connection);
        let progress = match known(client, config, &config.progress_table).await? {
            Some(progress) => progress,
            None => {
                client.batch_execute(&create(&config.progress_table)).await.map_err(|e| not_made(&e, config))?;
                known(client, config, &config.progress_table)
                    .await?
                    .ok_or_else(|| missing(config, &config.progress_table))?
            }
        };
        let table = known(client, config, &config.table).await?.ok_or_else(|| missing(config, &config.table))?;
        let fence = format!(
            "INSERT INTO {progress} AS mine (writer, part, generation, epoch) VALUES ($1, $2, $3, 0) \
             ON CONFLICT (writer, part) DO UPDATE SET generation = $3 WHERE mine.generation <= $3"
        );
        if client.execute(&fence, &[&config.writer, &part, &generation]).await.map_err(failed)? == 0 {
            return Err(Failure::Fenced);
        }
        let columns = columns(client, config, &table).await?;
        let insert = insert(config, &table, &columns);
        let deletes = config.id_column.as_ref().map_or(String::new(), |id| {
            format!(
                ", gone AS (DELETE FROM {table} WHERE {} = ANY ($6::text[]) AND EXISTS (SELECT FROM mine))",
                quoted(id)
            )
        });
        // One statement is one transaction, and one way there and back. Whoever was fenced, and epochs that are there, change nothing.
        let write = format!(
            "WITH mine AS (UPDATE {progress} SET epoch = $4 WHERE writer = $1 AND part = $2 AND generation = $3 AND epoch < $4 \
             RETURNING 1), come AS ({} RETURNING 1){deletes} SELECT count(*) FROM mine",
            insert.replace("$1::text", "$5::text").replace("/*mine*/", "WHERE EXISTS (SELECT FROM mine)")
        );
        let insert = insert.replace("/*mine*/", "WHERE true");
        // Rights and indexes are only looked at when a plan is made.
        let plan = format!("EXPLAIN {}", insert.replace("$1", "'[]'"));
        client.batch_execute(&plan).await.map_err(failed)?;
        let look = format!("SELECT generation, epoch FROM {progress} WHERE writer = $1 AND part = $2");
        Ok(Statements {
            write: client.prepare(&write).await.map_err(failed)?,
            insert: client.prepare(&insert).await.map_err(failed)?,
            progress: client.prepare(&look).await.map_err(failed)?,
        })
    }
}

/// Rows from a list of JSON objects.
fn insert(config: &PostgresSinkConfig, table: &str, columns: &[String]) -> String {
    let names = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let mut insert = format!(
        "INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_recordset(null::{table}, $1::text::jsonb) /*mine*/"
    );
    if let Some(id) = &config.id_column {
        let sets: Vec<String> =
            columns.iter().filter(|name| *name != id).map(|name| format!("{0} = EXCLUDED.{0}", quoted(name))).collect();
        let then = if sets.is_empty() { "DO NOTHING".to_owned() } else { format!("DO UPDATE SET {}", sets.join(", ")) };
        insert.push_str(&format!(" ON CONFLICT ({}) {then}", quoted(id)));
    }
    insert
}

/// Of two that make a table at once one is told that it, its type or a row of the catalogue is there already; it finds the table
/// at its next try.
fn not_made(error: &tokio_postgres::Error, config: &PostgresSinkConfig) -> Failure {
    match failure_of(error, &config.connection) {
        Failure::Fatal(why) if is_of_row(error) || is_there(error) => Failure::Retry(why),
        failure => failure,
    }
}

fn create(progress: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {progress} (writer text, part int, generation bigint NOT NULL, epoch bigint NOT NULL, \
         PRIMARY KEY (writer, part))"
    )
}

/// A table by its full and quoted name, as the server knows it.
async fn known(client: &Client, config: &PostgresSinkConfig, table: &str) -> Result<Option<String>, Failure> {
    let found = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.oid = to_regclass($1::text)";
    let rows = client.query(found, &[&table]).await.map_err(|e| failure_of(&e, &config.connection))?;
    rows.first().map(|row| row.try_get(0)).transpose().map_err(|e| failure_of(&e, &config.connection))
}

fn missing(config: &PostgresSinkConfig, table: &str) -> Failure {
    let what = format!("there is no table {table}");
    Failure::Fatal(
        Error::new("E0363", what)
            .at(config.connection.place())
            .remedy("create it, or correct its name or the search path"),
    )
}

/// The columns to fill.
async fn columns(client: &Client, config: &PostgresSinkConfig, table: &str) -> Result<Vec<String>, Failure> {
    let failed = |e: tokio_postgres::Error| failure_of(&e, &config.connection);
    let mut columns = config.columns.clone();
    if columns.is_empty() {
        let all = "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped \
                   AND NOT atthasdef AND attidentity = '' AND attgenerated = '' ORDER BY attnum";
        let rows = client.query(all, &[&table]).await.map_err(failed)?;
        columns = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)?;
    }
    columns.extend(config.id_column.iter().filter(|id| !columns.contains(id)).cloned().collect::<Vec<_>>());
    if columns.is_empty() {
        return Err(Failure::Fatal(
            Error::new("E0363", format!("table {table} has no column to fill"))
                .at(config.connection.place())
                .remedy("name the columns in the config"),
        ));
    }
    Ok(columns)
}
