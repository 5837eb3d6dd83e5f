//! A real broker on a free port, with its files in a directory of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future::{Future, block_on, or};
use tempfile::TempDir;
use watchfire_engine::source::{Failure, Next, RawRow, Reader};

use super::super::*;

/// mosquitto, killed by its process id when dropped.
pub(super) struct Broker {
    pub(super) port: u16,
    dir: TempDir,
    child: Option<Child>,
}

fn mosquitto() -> Option<PathBuf> {
    let places =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
    places.iter().map(PathBuf::from).find(|path| path.exists())
}

impl Broker {
    /// A broker with these lines added to its config; `None`, and loudly so, where mosquitto is not installed.
    pub(super) fn start(lines: &str) -> Option<Broker> {
        if mosquitto().is_none() {
            eprintln!("\n*** SKIPPED: this test needs the program mosquitto (Debian: apt-get install mosquitto) ***\n");
            return None;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let open_door = if lines.contains("allow_anonymous") { "" } else { "allow_anonymous true\n" };
        let config = format!(
            "listener {port} 127.0.0.1\nuser root\npersistence true\npersistence_location {}/\n{open_door}{lines}\n",
            dir.path().display()
        );
        std::fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Broker { port, dir, child: None };
        broker.up();
        Some(broker)
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the broker (again), on the same port and with what it stored.
    pub(super) fn up(&mut self) {
        let mut command = Command::new(mosquitto().unwrap());
        command.arg("-c").arg(self.dir.path().join("mosquitto.conf"));
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("mosquitto does not listen on port {}", self.port);
    }

    /// Ends the broker, which stores its sessions before.
    pub(super) fn down(&mut self) {
        let mut child = self.child.take().unwrap();
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        child.wait().unwrap();
    }

    pub(super) fn connection(&self, version: MqttVersion, client_id: &str) -> MqttConnection {
        MqttConnection { version, ..MqttConnection::new("127.0.0.1", self.port, client_id) }
    }

    pub(super) fn source(&self, version: MqttVersion, topics: &str) -> MqttSourceConfig {
        let connection = self.connection(version, "source");
        let quick = MqttSourceConfig::new(connection, [topics]);
        MqttSourceConfig { settle_ms: 100, reconnect_min_ms: 20, reconnect_max_ms: 100, ..quick }
    }

    /// Publishes with QoS 0 over a bare MQTT 3.1.1 connection, written byte by byte.
    pub(super) fn publish_plainly(&self, topic: &str, payload: &[u8], retain: bool) {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        socket.write_all(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04bare").unwrap();
        let mut connack = [0; 4];
        socket.read_exact(&mut connack).unwrap();
        assert_eq!(connack, [0x20, 2, 0, 0]);
        let length = 2 + topic.len() + payload.len();
        assert!(length < 128, "one byte of length");
        let mut packet = vec![0x30 | u8::from(retain), length as u8, 0, topic.len() as u8];
        packet.extend_from_slice(topic.as_bytes());
        packet.extend_from_slice(payload);
        packet.extend_from_slice(&[0xe0, 0]);
        socket.write_all(&packet).unwrap();
        // The broker closes after our goodbye, and has the message then.
        let _ = socket.read(&mut connack);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server that answers the first packets of each client with these bytes, whatever the packets are, then waits.
pub(super) struct Script {
    pub(super) port: u16,
    /// Everything that each client sent before it closed.
    pub(super) heard: Arc<Mutex<Vec<Vec<u8>>>>,
    ended: Option<std::thread::JoinHandle<()>>,
}

impl Script {
    pub(super) fn start(clients: &[&[&[u8]]]) -> Script {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let clients: Vec<Vec<Vec<u8>>> =
            clients.iter().map(|answers| answers.iter().map(|answer| answer.to_vec()).collect()).collect();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&heard);
        let serve = move || {
            for answers in clients {
                let (mut socket, _) = listener.accept().unwrap();
                let (mut packet, mut said) = ([0; 1024], Vec::new());
                let mut answers = answers.into_iter();
                while let Some(n) = socket.read(&mut packet).ok().filter(|n| *n > 0) {
                    said.extend_from_slice(&packet[..n]);
                    if let Some(answer) = answers.next() {
                        socket.write_all(&answer).unwrap();
                    }
                }
                record.lock().unwrap().push(said);
            }
        };
        Script { port, heard, ended: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Clients that never came.
        let ended = self.ended.take().unwrap();
        while !ended.is_finished() {
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs a future to its end, but not for ever.
pub(super) fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    let timeout = async {
        async_io::Timer::after(Duration::from_secs(seconds)).await;
        panic!("not done within {seconds} s");
    };
    block_on(or(future, timeout))
}

/// Rows until there are `want` of them, whatever else the reader says between; and the offset after them.
pub(super) fn rows(reader: &mut Box<dyn Reader<u64>>, want: usize) -> (Vec<RawRow>, u64) {
    let (mut all, mut last) = (Vec::new(), 0);
    while all.len() < want {
        if let Next::Rows { rows, after } = within(20, reader.next(7)).unwrap() {
            assert!(rows.len() <= 7);
            all.extend(rows);
            last = after;
        }
    }
    assert_eq!(all.len(), want);
    (all, last)
}

/// The reader has caught up, and no row came before it said so.
pub(super) fn idle(reader: &mut Box<dyn Reader<u64>>) {
    loop {
        match within(20, reader.next(7)).unwrap() {
            Next::Idle => return,
            Next::Behind => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn bodies(rows: &[RawRow]) -> Vec<String> {
    rows.iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
}

pub(super) fn code<T>(result: Result<T, Failure>) -> (&'static str, &'static str) {
    match result {
        Ok(_) => ("ok", ""),
        Err(Failure::Retry(e)) => ("retry", e.code()),
        Err(Failure::Fatal(e)) => ("fatal", e.code()),
        Err(Failure::Poison { why, .. }) => ("poison", why.code()),
        Err(Failure::Fenced) => ("fenced", ""),
        Err(_) => ("other", ""),
    }
}
