//! The only file that names the PostgreSQL crate, but for statements: a connection on a thread of its own, and what its errors mean.

use std::time::Duration;

use futures_lite::future::or;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use watchfire_engine::Error;
use watchfire_engine::source::Failure;

use super::config::PostgresConnection;
use crate::io_thread::IoThread;

/// How long a client that is dropped may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection. Dropped in this order: the client says goodbye, the thread is told, and then waited for.
pub(super) struct Session {
    pub(super) client: Client,
    _closing: async_channel::Sender<()>,
    _thread: IoThread,
}

impl Session {
    pub(super) async fn open(about: &PostgresConnection) -> Result<Session, Failure> {
        let config = config_of(about)?;
        let (closing, closed) = async_channel::bounded::<()>(1);
        let (tell, told) = async_channel::bounded(1);
        let drive = async move {
            match config.connect(NoTls).await {
                Ok((client, connection)) => {
                    if tell.send(Ok(client)).await.is_err() {
                        return;
                    }
                    let gone = async {
                        let _ = closed.recv().await;
                        tokio::time::sleep(CLOSE_TIMEOUT).await;
                    };
                    let live = async {
                        // Every statement that waits is told of its end.
                        let _ = connection.await;
                    };
                    or(live, gone).await;
                }
                Err(error) => _ = tell.send(Err(error)).await,
            }
        };
        let thread = IoThread::run("watchfire-pg", "E0365", drive).map_err(Failure::Retry)?;
        match told.recv().await {
            Ok(Ok(client)) => Ok(Session { client, _closing: closing, _thread: thread }),
            Ok(Err(error)) => Err(failure_of(&error, about)),
            Err(_) => Err(Failure::Retry(unreachable("the client has ended", about))),
        }
    }
}

fn config_of(about: &PostgresConnection) -> Result<Config, Failure> {
    let wait = Duration::from_secs(about.timeout_s.into());
    let mut config = Config::new();
    config.host(&about.host).port(about.port).dbname(&about.database).user(&about.user);
    config.connect_timeout(wait).tcp_user_timeout(wait).keepalives_idle(wait).application_name("watchfire");
    // A lock that others hold is waited for by trying again, so that the job can be stopped meanwhile.
    config.options("-c lock_timeout=5s");
    if let Some(password) = &about.password {
        if !is_local(&about.host) {
            tracing::warn!(server = about.place(), "the PostgreSQL password goes over the network without TLS");
        }
        config.password(password.read().map_err(Failure::Fatal)?.0);
    }
    Ok(config)
}

/// What a URL says of one server, and nothing of a password.
pub(super) fn parts_of(url: &str) -> Option<PostgresConnection> {
    let config: Config = url.parse().ok()?;
    let ([host], None) = (config.get_hosts(), config.get_password()) else { return None };
    let host = match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.to_str()?.to_owned(),
    };
    let mut about = PostgresConnection::new(host, config.get_dbname()?, config.get_user()?);
    about.port = config.get_ports().first().copied().unwrap_or(about.port);
    Some(about)
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.starts_with('/')
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn unreachable(why: &str, about: &PostgresConnection) -> Error {
    Error::new("E0362", format!("no connection to the server ({why})"))
        .at(about.place())
        .remedy("see whether the server runs and can be reached; the job tries again")
}

/// Whether a row caused it: a value that its column does not take, or a constraint.
pub(super) fn is_of_row(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| matches!(class_of(state), "22" | "23"))
}

/// Whether what was to be made is there already.
pub(super) fn is_there(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(state) if *state == SqlState::DUPLICATE_TABLE || *state == SqlState::DUPLICATE_OBJECT)
}

fn class_of(state: &SqlState) -> &str {
    state.code().get(..2).unwrap_or_default()
}

/// What an error means for the job. The text of errors that a row causes repeats its values, so it is left out.
pub(super) fn failure_of(error: &tokio_postgres::Error, about: &PostgresConnection) -> Failure {
    let Some(db) = error.as_db_error() else {
        // What the client itself finds wrong before it sends anything does not pass.
        return Failure::Retry(unreachable(&error.to_string(), about));
    };
    let state = db.code();
    match class_of(state) {
        "22" | "23" => Failure::Fatal(refused_row(error)),
        "08" | "40" | "53" | "55" | "57" | "25" => Failure::Retry(
            Error::new("E0362", format!("the server cannot now (SQLSTATE {}: {})", state.code(), db.message()))
                .at(about.place())
                .remedy("see the server's log; the job tries again"),
        ),
        _ => Failure::Fatal(
            Error::new("E0363", format!("the server refuses (SQLSTATE {}: {})", state.code(), db.message()))
                .at(about.place())
                .remedy("check the role, its rights, the table and its columns"),
        ),
    }
}

/// Why the table does not take a row: no value of it.
pub(super) fn refused_row(error: &tokio_postgres::Error) -> Error {
    let db = error.as_db_error();
    let state = db.map_or("", |db| db.code().code());
    let parts = [
        db.and_then(|db| db.column()).map(|name| format!(", column {name:?}")),
        db.and_then(|db| db.constraint()).map(|name| format!(", constraint {name:?}")),
        db.and_then(|db| db.datatype()).map(|name| format!(", type {name:?}")),
    ];
    let where_: String = parts.into_iter().flatten().collect();
    Error::new("E0364", format!("the table does not take the row (SQLSTATE {state}{where_})"))
        .remedy("compare the row's fields with the columns and constraints of the table")
}
