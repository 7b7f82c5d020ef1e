//! Several nodes on one PostgreSQL.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fhir_gateway::clock::Clock;
use fhir_gateway::fault::Point;

use super::Run;
use super::crash::fault;
use crate::check::{Found, Wrong};
use crate::clinic::Mix;
use crate::cluster::Cluster;
use crate::stage::{EHR, Outcome, PHARMACY, STRICT, Setup, Stage};

const SECOND: Duration = Duration::from_secs(1);
/// As a server that is asked to keep what it was given.
const SAFE: &str = "fsync = on\nfull_page_writes = on";

/// The server for what leaves it standing, started once.
pub(super) fn standing() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(SAFE)).as_ref()
}

/// A fresh database; its name lives as long as the process.
fn database(cluster: &Cluster) -> &'static str {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("f{}", NEXT.fetch_add(1, Ordering::Relaxed));
    cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
    name.leak()
}

/// A database of its own for a scenario that is not about PostgreSQL.
pub(super) fn anew() -> Option<(&'static Cluster, &'static str)> {
    standing().map(|cluster| (cluster, database(cluster)))
}

/// Two nodes on it.
async fn two(run: Run, name: &'static str, cluster: &'static Cluster) -> Stage {
    let mut stage = Stage::new(Setup {
        partners: &[EHR, PHARMACY],
        nodes: 2,
        postgres: Some((cluster, database(cluster))),
        ..run.setup(name)
    })
    .await;
    stage.open().await;
    stage
}

/// Where there is no server to be had.
fn skipped() -> Outcome {
    Outcome {
        found: Found::default(),
        messages: 0,
        kills: 0,
        faults: 0,
        transactions: 0,
        rss_mb: 0,
        notes: vec!["SKIPPED: no PostgreSQL server is installed".to_owned()],
    }
}

/// F2: one node after the other dies at each named place, under load, and the other goes on.
pub(crate) async fn marks(run: Run) -> Outcome {
    let Some(cluster) = standing() else {
        return skipped();
    };
    let mut random = fastrand::Rng::with_seed(run.seed);
    let mut found = Found::default();
    let mut stage = Stage::new(Setup {
        partners: &[EHR, STRICT, PHARMACY],
        nodes: 2,
        postgres: Some((cluster, database(cluster))),
        ..run.setup("marks")
    })
    .await;
    if stage.start(&fault(Point::InMigration, 1, "kill")).await {
        found.add(Wrong::Held, "no migration was killed");
    }
    stage.kills += 1;
    stage.open().await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 6, Duration::from_millis(8));
    for round in 0..run.of(1, 6) {
        for (at, point) in Point::ALL.into_iter().enumerate() {
            // The log is the server's own.
            if matches!(point, Point::InMigration | Point::InCheckpoint) {
                continue;
            }
            let rest = match point {
                Point::AfterAnswer => "kill:5",
                _ => "kill",
            };
            let node = (round + at) % 2;
            stage.kill_node(node);
            let args = fault(point, random.u64(1..40), rest);
            if !stage.start_node(node, &args).await {
                stage.kills += 1;
            } else if !stage.dies(20 * SECOND).await {
                found.add(Wrong::Held, format!("{} was never passed", point.as_str()));
            }
            stage.start_node(node, &[]).await;
        }
        // What was to be committed fails: nobody is told yes.
        stage.kill_node(0);
        stage
            .start_node(0, &fault(Point::BeforeCommit, 9, "fail"))
            .await;
        tokio::time::sleep(SECOND / 2).await;
    }
    traffic.stop().await;
    stage.finish(run.rest(), found).await
}

/// F10: nodes are killed and come back; one is stopped until long after its leases, and goes on.
pub(crate) async fn nodes(run: Run) -> Outcome {
    let Some(cluster) = standing() else {
        return skipped();
    };
    let mut found = Found::default();
    let mut stage = two(run, "nodes", cluster).await;
    for name in [EHR, PHARMACY] {
        stage.partner(name).shaky(4);
    }
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 5, Duration::from_millis(15));
    for _ in 0..run.of(1, 8) {
        for node in [0, 1] {
            tokio::time::sleep(SECOND).await;
            stage.kill_node(node);
            tokio::time::sleep(SECOND).await;
            stage.start_node(node, &[]).await;
        }
        tokio::time::sleep(SECOND).await;
        let before = stage.partner(EHR).asked();
        stage.signal(1, "-STOP");
        stage.faults += 1;
        // A lease, and as long as its end may go unnoticed.
        tokio::time::sleep(10 * SECOND).await;
        if stage.partner(EHR).asked() < before + 20 {
            found.add(
                Wrong::Held,
                "one node was stopped, and the other stood still",
            );
        }
        stage.signal(1, "-CONT");
    }
    traffic.stop().await;
    stage.finish(run.rest(), found).await
}

/// F11: the server stops at once, as if its machine had died, and starts again.
pub(crate) async fn server(run: Run) -> Outcome {
    let Some(cluster) = Cluster::start(SAFE) else {
        return skipped();
    };
    let cluster: &'static Cluster = Box::leak(Box::new(cluster));
    let mut stage = two(run, "server", cluster).await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 5, Duration::from_millis(15));
    for _ in 0..run.of(3, 12) {
        tokio::time::sleep(2 * SECOND).await;
        cluster.control(&["-m", "immediate", "stop"]);
        stage.faults += 1;
        tokio::time::sleep(SECOND).await;
        cluster.control(&["start"]);
    }
    traffic.stop().await;
    let outcome = stage.finish(run.rest(), Found::default()).await;
    cluster.control(&["-m", "immediate", "stop"]);
    outcome
}

/// A session that holds a snapshot until it is dropped.
struct Snapshot(Child);

impl Snapshot {
    fn hold(address: &str) -> Self {
        use std::io::Write;
        let mut child = Command::new("psql")
            .args(["-X", "-q", "-d", address])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql");
        let input = child.stdin.as_mut().expect("its input");
        let sql =
            b"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM fhir_gateway.job;\n";
        input.write_all(sql).expect("told");
        input.flush().expect("told");
        Snapshot(child)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// F12: somebody reads and goes to lunch: nothing that was deleted since can be swept up.
pub(crate) async fn snapshot(run: Run) -> Outcome {
    let Some(cluster) = standing() else {
        return skipped();
    };
    let mut found = Found::default();
    let mut stage = two(run, "snapshot", cluster).await;
    let Some((_, database)) = stage.postgres() else {
        return skipped();
    };
    stage.drained(None, 10 * SECOND).await;
    let traffic = stage
        .clinic
        .traffic(Mix::default(), 3, Duration::from_millis(30));
    let mut measured = Vec::new();
    for held in [false, true] {
        let snapshot = held.then(|| Snapshot::hold(&cluster.address(database)));
        if held {
            // What it costs comes with the time that it is held.
            tokio::time::sleep(run.of(6, 60) * SECOND).await;
        }
        let since = stage.clock.now().micros();
        tokio::time::sleep(run.of(4, 20) * SECOND).await;
        let lags = stage.look().lags(EHR, since, "");
        measured.push((lags.p99(), lags.count()));
        drop(snapshot);
    }
    traffic.stop().await;
    stage.faults += 1;
    let dead = cluster.sql(
        database,
        "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname IN ('job', 'lane', 'need')",
    );
    let [(before, _), (held, n)] = measured[..] else {
        unreachable!("two were measured")
    };
    let says = format!(
        "while a snapshot was held: p99 of the lag {before:?} → {held:?} ({n} jobs), {dead} dead rows"
    );
    if n < 20 || held > 3 * before + SECOND {
        found.add(Wrong::Held, says.clone());
    }
    stage.note(says);
    stage.finish(run.rest(), found).await
}
