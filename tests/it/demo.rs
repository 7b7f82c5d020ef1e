//! The demonstration as others run it: its one line of JSON, its journal, and that it leaves no gateway
//! behind, however it ends.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The keys of the one line, in its order.
const KEYS: [&str; 16] = [
    "accepted",
    "refused",
    "jobs",
    "delivered",
    "waiting",
    "parked",
    "cancelled",
    "superseded",
    "busy",
    "unsure",
    "asked",
    "kills",
    "lost",
    "duplicates",
    "order_violations",
    "seconds",
];
/// How long a gateway may live on once whoever started it is gone.
const GONE: Duration = Duration::from_secs(20);

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"));
    command.arg("demo");
    command
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for a real process, by the real clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_week_with_three_kills_loses_doubles_and_disorders_nothing() {
    let journal = std::env::temp_dir().join(format!("fhir-gateway-{}.ndjson", std::process::id()));
    let output = demo()
        .args(["--once", "--json", "--kill", "3", "--journal"])
        .arg(&journal)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let out = String::from_utf8(output.stdout).expect("text");
    assert_eq!(out.lines().count(), 1, "{out}");
    let line: Value = serde_json::from_str(&out).expect("JSON");
    let keys: Vec<&str> = line
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, KEYS);
    let number = |key: &str| line[key].as_u64().expect("a whole number");
    assert!(number("accepted") >= 200, "{line}");
    assert!(number("refused") >= 10, "{line}");
    assert_eq!(number("kills"), 3);
    for zero in ["lost", "duplicates", "order_violations"] {
        assert_eq!(number(zero), 0, "{said}");
    }
    let states = ["delivered", "waiting", "parked", "cancelled", "superseded"];
    let sum: u64 = states.into_iter().map(number).sum();
    assert_eq!(sum, number("jobs"), "{line}");
    assert!(line["seconds"].is_number());
    recount(&journal);
    std::fs::remove_file(&journal).expect("the journal");
}

/// What others can tell from the journal alone: each version of a record took effect after the ones
/// before it, and the three kinds of receivers are all there.
fn recount(journal: &PathBuf) {
    let text = std::fs::read_to_string(journal).expect("a journal");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert!(lines.len() > 250, "{}", lines.len());
    let mut newest = std::collections::HashMap::new();
    for line in &lines {
        let outcome = line["outcome"].as_str().expect("an outcome");
        let took = ["created", "updated", "transaction", "accepted"]
            .iter()
            .any(|word| outcome.starts_with(word));
        if let (true, Some(record)) = (took, line["record"].as_str()) {
            let (name, version) = record.rsplit_once('/').expect("kind/id/version");
            let version: u64 = version.parse().expect("a version");
            let key = (line["partner"].to_string(), name.to_owned());
            let before = newest.insert(key, version).unwrap_or(0);
            assert!(before <= version, "{record} after {before}");
        }
    }
    let partners: std::collections::BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["partner"].as_str())
        .collect();
    assert_eq!(partners.len(), 3, "{partners:?}");
    assert!(!text.contains("Canary"));
}

/// A play under way; ended at the latest when the test is.
struct Play {
    parent: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    gateway: String,
}

impl Play {
    /// One whose gateway is up.
    fn begin(arguments: &[&str]) -> Play {
        let mut parent = demo()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let out = parent.stdout.take().expect("its output");
        let mut play = Play {
            parent,
            lines: BufReader::new(out).lines(),
            gateway: String::new(),
        };
        let told = play.read_until("gateway  ");
        let address = told.split("http://").nth(1).expect("an address");
        play.gateway = address.split_whitespace().next().expect("one").to_owned();
        play.read_until("the gateway is up");
        assert!(play.answers(), "it listens");
        play
    }

    fn read_until(&mut self, text: &str) -> String {
        for line in &mut self.lines {
            let line = line.expect("a line");
            if line.contains(text) {
                return line;
            }
        }
        panic!("it ended before it said: {text}");
    }

    fn answers(&self) -> bool {
        TcpStream::connect(&self.gateway).is_ok()
    }

    /// Sends a signal to the play, and to it alone.
    fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([name, &self.parent.id().to_string()])
            .status()
            .expect("kill is installed");
        assert!(done.success());
    }

    /// Waits until the play and its gateway are gone.
    fn gone(&mut self) {
        let begun = now();
        loop {
            let ended = self.parent.try_wait().expect("a child").is_some();
            if ended && !self.answers() {
                return;
            }
            assert!(begun.elapsed() < GONE, "something is left behind");
            std::thread::yield_now();
        }
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // If it has ended there is nothing to end.
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

#[test]
fn no_gateway_is_left_behind_however_the_play_ends() {
    for signal in ["-INT", "-TERM", "-HUP", "-KILL"] {
        let name = format!("fhir-gateway-left{signal}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let mut play = Play::begin(&["--data", &folder.to_string_lossy()]);
        play.signal(signal);
        play.gone();
        std::fs::remove_dir_all(&folder).expect("what the play kept");
    }
}

#[test]
fn a_folder_that_is_in_use_is_refused() {
    let folder = std::env::temp_dir().join(format!("fhir-gateway-used-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("something"), "here").expect("a file");
    let output = demo()
        .args(["--once", "--data"])
        .arg(&folder)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("is not empty"), "{said}");
    assert!(folder.join("something").exists());
    std::fs::remove_dir_all(&folder).expect("the folder");
}
