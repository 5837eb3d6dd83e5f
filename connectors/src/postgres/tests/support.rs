//! A real server on a free port, with its files in a directory of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_lite::future::block_on;
use tempfile::TempDir;

use super::super::client::Session;
use super::super::{PostgresConnection, PostgresSinkConfig};

/// PostgreSQL, ended by its process id when dropped.
pub(super) struct Server {
    pub(super) port: u16,
    dir: TempDir,
    child: Option<Child>,
}

/// Where its programs are: the newest that Debian has, or what is on the path.
fn bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut all: Vec<PathBuf> =
        versions.map(|path| path.join("bin")).filter(|bin| bin.join("postgres").exists()).collect();
    all.sort();
    all.pop()
}

/// It does not run as root.
fn as_its_user(command: &mut Command) {
    let number = |flag: &str, user: &[&str]| -> u32 {
        let out = Command::new("id").arg(flag).args(user).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
    };
    if number("-u", &[]) == 0 {
        command.uid(number("-u", &["postgres"])).gid(number("-g", &["postgres"]));
    }
}

impl Server {
    /// `None`, and loudly so, where PostgreSQL is not installed.
    pub(super) fn start() -> Option<Server> {
        let Some(bin) = bin() else {
            eprintln!("\n*** SKIPPED: this test needs PostgreSQL (Debian: apt-get install postgresql) ***\n");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        // Its user makes its files; the folder of ours is closed to others.
        std::fs::create_dir(&data).unwrap();
        let opened = Command::new("chmod").arg("755").arg(dir.path()).status().unwrap();
        assert!(opened.success());
        if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
            assert!(Command::new("chown").arg("postgres:postgres").arg(&data).status().unwrap().success());
        }
        let mut init = Command::new(bin.join("initdb"));
        init.args(["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data)
            .current_dir("/");
        as_its_user(&mut init);
        let made = init.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = Server { port, dir, child: None };
        server.up();
        Some(server)
    }

    /// Starts it (again), on the same port and with what it stored.
    pub(super) fn up(&mut self) {
        let mut command = Command::new(bin().unwrap().join("postgres"));
        command.arg("-D").arg(self.dir.path().join("data")).current_dir("/");
        command.args(["-p", &self.port.to_string(), "-k", "", "-h", "127.0.0.1"]);
        as_its_user(&mut command);
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        for _ in 0..400 {
            if block_on(Session::open(&self.connection())).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("PostgreSQL does not answer on port {}", self.port);
    }

    /// Ends it at once, as a crash does.
    pub(super) fn down(&mut self) {
        let mut child = self.child.take().unwrap();
        // Immediate shutdown: nothing is written any more, and the next start recovers from its log.
        let asked = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        child.wait().unwrap();
    }

    pub(super) fn connection(&self) -> PostgresConnection {
        let connection = PostgresConnection::new("127.0.0.1", "postgres", "postgres");
        PostgresConnection { port: self.port, timeout_s: 5, ..connection }
    }

    pub(super) fn config(&self, table: &str) -> PostgresSinkConfig {
        PostgresSinkConfig::new(self.connection(), table, "test")
    }

    pub(super) fn run(&self, sql: &str) {
        block_on(async {
            let session = Session::open(&self.connection()).await.unwrap();
            session.client.batch_execute(sql).await.unwrap();
        });
    }

    /// The first column, as text, of all rows.
    pub(super) fn ask(&self, sql: &str) -> Vec<String> {
        block_on(async {
            let session = Session::open(&self.connection()).await.unwrap();
            let rows = session.client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}
