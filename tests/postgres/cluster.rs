//! A PostgreSQL of our own for a test run: made in a folder of its own, with a socket there and a port on
//! loopback, gone when the process that started it is, however that ends: a shell waits for the end of a
//! pipe, stops the server and removes the folder.
//!
//! Nothing waits for the disk in it (`fsync = off`), unless it is asked for. As root it runs as a user
//! without rights.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Makes a cluster, starts it, says so, and ends it when its input ends. Arguments: binaries, folder,
/// port, more settings.
const SCRIPT: &str = r#"
set -u
bin=$1 folder=$2 port=$3 more=$4
cd "$folder" || exit 1
"$bin/initdb" -D data -U gateway -A trust -E UTF8 --locale=C --no-sync >init.log 2>&1 || { cat init.log; exit 1; }
cat >>data/postgresql.conf <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 200
shared_buffers = 64MB
fsync = off
full_page_writes = off
autovacuum_naptime = 10s
$more
END
"$bin/pg_ctl" -D data -l server.log -w -t 60 start >start.log 2>&1 || { cat start.log server.log; exit 1; }
echo ready
cat >/dev/null
"$bin/pg_ctl" -D data -m immediate -w -t 30 stop >/dev/null 2>&1
cd / && rm -rf "$folder"
"#;

/// A running cluster.
pub struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
    port: u16,
    user: Option<&'static str>,
    /// The shell that ends it, when its input ends.
    shell: Mutex<Option<(Child, ChildStdin)>>,
}

impl Cluster {
    /// The cluster of this process, started when it is first asked for. `None`, and told so: there is no
    /// PostgreSQL on this machine. Where `GATEWAY_TEST_POSTGRES` is `needed`, that is an error.
    pub fn shared() -> Option<&'static Cluster> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start("")).as_ref()
    }

    /// One more, with more lines of `postgresql.conf`.
    pub fn start(more: &str) -> Option<Cluster> {
        let Some(bin) = binaries() else {
            let needed = std::env::var_os("GATEWAY_TEST_POSTGRES").is_some_and(|v| v == "needed");
            assert!(!needed, "no PostgreSQL server is installed");
            eprintln!("SKIPPED: no PostgreSQL server is installed (package postgresql)");
            return None;
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("fgw-pg-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let root = std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
        let user = root.then(unprivileged);
        if let Some(user) = user {
            let done = Command::new("chown").arg(user).arg(&folder).status();
            assert!(done.is_ok_and(|s| s.success()), "a folder for {user}");
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a port")
            .port();
        let mut shell = as_user(user, "sh")
            .args(["-c", SCRIPT, "cluster"])
            .arg(&bin)
            .arg(&folder)
            .args([&port.to_string(), more])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let input = shell.stdin.take().expect("its input");
        let mut said = String::new();
        let mut lines = BufReader::new(shell.stdout.take().expect("its output")).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            said.push('\n');
            line == "ready"
        });
        assert!(ready, "no PostgreSQL: {said}");
        Some(Cluster {
            folder,
            bin,
            port,
            user,
            shell: Mutex::new(Some((shell, input))),
        })
    }

    /// The address of a database, by the port on loopback.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://gateway@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs `pg_ctl` on it.
    pub fn control(&self, arguments: &[&str]) {
        let done = as_user(self.user, &self.bin.join("pg_ctl").to_string_lossy())
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-l"])
            .arg(self.folder.join("server.log"))
            .args(["-w", "-t", "60"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(done.is_ok_and(|s| s.success()), "pg_ctl {arguments:?}");
    }

    /// Runs SQL in a database; what it says, row by row, columns parted by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let done = Command::new(self.bin.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "gateway",
            ])
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .env(
                "PGOPTIONS",
                "-c search_path=fhir_gateway -c client_min_messages=warning",
            )
            .output()
            .expect("psql");
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{sql}: {errors}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.folder.join("server.log"));
        String::from_utf8_lossy(&log.expect("a log")).into_owned()
    }

    /// A database with a name of its own, made like `template` if one is named.
    pub fn database(&'static self, template: Option<&str>) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let like = template.map_or(String::new(), |t| format!(" TEMPLATE {t}"));
        self.sql("postgres", &format!("CREATE DATABASE {name}{like}"));
        Database {
            cluster: self,
            name,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((mut shell, input)) = shell.take() {
            drop(input);
            drop(shell.wait());
        }
    }
}

/// A database that is gone with its test.
pub struct Database {
    cluster: &'static Cluster,
    name: String,
}

impl Database {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn address(&self) -> String {
        self.cluster.address(&self.name)
    }

    /// Runs SQL in it.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            self.cluster.sql("postgres", &sql);
        }
    }
}

/// A command, as somebody else if a user is named.
fn as_user(user: Option<&str>, program: &str) -> Command {
    match user {
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--", program]);
            command
        }
        None => Command::new(program),
    }
}

/// A user without rights: PostgreSQL does not run as root.
fn unprivileged() -> &'static str {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if users.lines().any(|l| l.starts_with("postgres:")) {
        "postgres"
    } else {
        "nobody"
    }
}

/// Where the server's binaries are.
fn binaries() -> Option<PathBuf> {
    let holds = |folder: &Path| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
    if let Some(folder) = told.filter(|f| holds(f)) {
        return Some(folder);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let mut installed: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|folder| holds(folder))
        .collect();
    installed.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    installed
        .pop()
        .or_else(|| std::env::split_paths(&path).find(|folder| holds(folder)))
}
