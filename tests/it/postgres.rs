//! Two real gateways on one PostgreSQL: they share the work; one is killed, one hangs past its leases and
//! comes back; the database stops at once and starts again. What each partner has at the end is counted by
//! the simulated EHR itself.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::ehr::Options;
use fhir_gateway::demo::sim::{EhrSim, Fault, Journal};
use fhir_gateway::partner::wire::{Ask, Credential, Http, HttpSettings};
use fhir_gateway::phi::Secret;
use fhir_gateway::web::TokenHash;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Database};
use crate::support::{BEGIN, fixture, until};

/// A folder, a database in `cluster`, an EHR; gone when it is dropped.
struct Site {
    folder: PathBuf,
    database: Option<Database>,
    address: String,
    ehr: EhrSim,
    journal: Journal,
    http: Http,
}

impl Site {
    async fn new(name: &str, address: String, database: Option<Database>) -> Site {
        let folder =
            std::env::temp_dir().join(format!("fhir-gateway-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("clinic.key"), [7; 32]).expect("a key");
        let journal = Journal::new(Arc::new(System::default()));
        let ehr = EhrSim::start("ehr", journal.clone(), Options::default());
        let settings = HttpSettings {
            credential: Credential::Fixed(Secret::new("all-token".to_owned())),
            body_max: 16 << 20,
            ..HttpSettings::default()
        };
        Site {
            folder,
            database,
            address,
            ehr: ehr.await.expect("an EHR"),
            journal,
            http: Http::new(&settings).expect("a client"),
        }
    }

    /// Starts a gateway and waits until it listens.
    async fn node(&self, name: &str) -> Node {
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{}\"\nconnect_timeout_ms = 2000\n\
             [delivery]\nnode = \"{name}\"\nlease_s = 5\npoll_ms = 50\n\
             [retry]\nschedule_s = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\noutage_s = 1\nask_every_s = 1\n\
             [[tenants]]\nid = \"clinic\"\nbase = \"https://clinic.example\"\nzone = \"America/New_York\"\n\
             key_file = \"clinic.key\"\n[[tokens]]\nname = \"all\"\nsha256 = \"{}\"\n\
             rights = [\"submit\", \"read\", \"operate\"]\n\
             [[partners]]\nid = \"ehr\"\nkind = \"ehr-fhir\"\nurl = \"{}\"\nbearer = \"x\"\n\
             create = \"conditional\"\nclass = \"treating_providers\"\npatients = \"created\"\n\
             timeout_ms = 1500\n\
             [[routes]]\nto = \"ehr\"\nkinds = [\"client\"]\n",
            self.address,
            TokenHash::of("all-token").hex(),
            self.ehr.url()
        );
        let file = self.folder.join(format!("{name}.toml"));
        let listens = self.folder.join(format!("{name}.address"));
        let _ = std::fs::remove_file(&listens);
        std::fs::write(&file, config).expect("a config");
        let log = std::fs::File::create(self.folder.join(format!("{name}.log")));
        let child = Command::new(env!("CARGO_BIN_EXE_fhir-gateway"))
            .args(["serve", "--until-input-ends", "--config"])
            .arg(&file)
            .arg("--address-file")
            .arg(&listens)
            .stdin(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("it starts");
        let mut node = Node {
            child,
            url: String::new(),
            stopped: false,
        };
        until("it listens", async || {
            let ended = node.child.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended: {}", self.log(name));
            node.url = read(&listens);
            !node.url.is_empty()
        })
        .await;
        node.url = format!("http://{}", node.url);
        node
    }

    fn log(&self, name: &str) -> String {
        read(&self.folder.join(format!("{name}.log")))
    }

    fn sql(&self, sql: &str) -> String {
        self.database.as_ref().expect("a database").sql(sql)
    }

    /// Posts a version of a client; whether it was accepted.
    async fn accepts(&self, node: &Node, client: usize, version: u64) -> bool {
        let mut record = fixture("client", "C-1001");
        record["client_no"] = json!(format!("C-{client}"));
        record["version"] = json!(version);
        let ask = Ask {
            method: reqwest::Method::POST,
            url: reqwest::Url::parse(&format!("{}/records/client", node.url)).expect("an address"),
            headers: Vec::new(),
            body: Some(("application/json", record.to_string().into_bytes())),
        };
        match self.http.send(ask, BEGIN).await {
            Ok(heard) => {
                assert!(
                    matches!(heard.status, 202 | 503),
                    "{}: {}",
                    heard.status,
                    String::from_utf8_lossy(&heard.body)
                );
                heard.status == 202
            }
            // It was killed, or hangs.
            Err(_) => false,
        }
    }

    /// A page of a gateway, as JSON; what there is of it where it does not answer.
    async fn get(&self, node: &Node, path: &str) -> (u16, Value) {
        let ask = Ask {
            method: reqwest::Method::GET,
            url: reqwest::Url::parse(&format!("{}{path}", node.url)).expect("an address"),
            headers: vec![("accept", "application/json".to_owned())],
            body: None,
        };
        match self.http.send(ask, BEGIN).await {
            Ok(heard) => (
                heard.status,
                serde_json::from_slice(&heard.body).unwrap_or(Value::Null),
            ),
            Err(_) => (0, Value::Null),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}

/// A gateway's process, ended when it is dropped.
struct Node {
    child: Child,
    url: String,
    stopped: bool,
}

impl Node {
    fn kill(&mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("an end");
    }

    fn signal(&mut self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(done.is_ok_and(|s| s.success()), "{name}");
        self.stopped = name == "STOP";
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SIGKILL ends what is stopped, too.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Posts version after version of some clients, by one gateway or the other, until each was accepted.
async fn submits(site: &Site, nodes: [&Node; 2], clients: std::ops::Range<usize>) {
    for version in 1..=3 {
        for client in clients.clone() {
            let mut n = client;
            until("it is accepted", async || {
                n += 1;
                site.accepts(nodes[n % 2], client, version).await
            })
            .await;
        }
    }
}

/// Everything has come to rest as it should: the counts behind it.
async fn all_is_well(site: &Site, clients: usize) {
    until("all is delivered", async || {
        site.sql("SELECT count(*) FROM job") == "0"
    })
    .await;
    let states = site.sql("SELECT state, count(*) > 0 FROM job_ended GROUP BY 1 ORDER BY 1");
    for line in states.lines() {
        assert!(matches!(line, "done|t" | "superseded|t"), "{states}");
    }
    assert_eq!(
        site.sql("SELECT count(*) FROM version"),
        (clients * 3).to_string(),
        "each version once"
    );
    assert_eq!(site.ehr.of_type("Patient").len(), clients);
    assert_eq!((site.ehr.duplicates(), site.ehr.order_violations()), (0, 0));
    let wrong = site.sql(
        "SELECT tenant, partner, state, n FROM count WHERE n <> 0 AND state <> 'made'
         EXCEPT SELECT tenant, partner, state, count(*) FROM any_job GROUP BY 1, 2, 3",
    );
    assert_eq!(wrong, "", "counters that are not as the rows are");
    let unnewest = site.sql(
        "SELECT count(*) FROM (SELECT record, max(version) v FROM job_ended WHERE state = 'done'
           GROUP BY 1) d WHERE v <> 3",
    );
    assert_eq!(unnewest, "0", "the newest version has arrived everywhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_share_the_work_and_one_may_die_or_hang() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let database = cluster.database(None);
    let site = Site::new("nodes", database.address(), Some(database)).await;
    // Both start on an empty database at once.
    let (mut one, mut other) = tokio::join!(site.node("one"), site.node("other"));
    submits(&site, [&one, &other], 0..15).await;
    let by_one = site.sql("SELECT count(*) FROM version WHERE origin = 'clinic'");
    assert_eq!(by_one, "45");

    one.kill();
    submits(&site, [&other, &other], 15..25).await;
    one = site.node("one").await;
    other.signal("STOP");
    submits(&site, [&one, &one], 25..40).await;
    // Longer than its leases.
    let wall = "SELECT extract(epoch FROM clock_timestamp())::bigint";
    let stopped: i64 = site.sql(wall).parse().expect("a time");
    until("its leases are over", async || {
        site.sql(wall).parse::<i64>().expect("a time") > stopped + 6
    })
    .await;
    other.signal("CONT");
    submits(&site, [&one, &other], 40..50).await;
    all_is_well(&site, 50).await;
    let (status, page) = site.get(&other, "/status").await;
    assert_eq!((status, &page["adds_up"]), (200, &json!(true)));
    for name in ["one", "other"] {
        assert!(
            !site.log(name).contains("Canary"),
            "a name in the log of {name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_step_one_replay_and_make_each_job_once() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let database = cluster.database(None);
    let site = Site::new("replays", database.address(), Some(database)).await;
    let (one, other) = tokio::join!(site.node("one"), site.node("other"));
    for client in 0..4 {
        assert!(site.accepts(&one, client, 1).await);
    }
    let done = "SELECT count(*) FROM job_ended WHERE state = 'done'";
    until("all is delivered", async || site.sql(done) == "4").await;
    let begin = || {
        Ask {
        method: reqwest::Method::POST,
        url: reqwest::Url::parse(&format!("{}/replays", one.url)).expect("an address"),
        headers: Vec::new(),
        body: Some((
            "application/json",
            json!({"id": "R-1", "partner": "ehr", "rate_per_s": 2, "why": "they restored a backup"})
                .to_string()
                .into_bytes(),
        )),
    }
    };
    for status in [202, 200] {
        let heard = site.http.send(begin(), BEGIN).await.expect("an answer");
        assert_eq!(heard.status, status);
    }
    until("it is through", async || {
        site.get(&other, "/replays/R-1").await.1["state"] == "done"
    })
    .await;
    let (_, end) = site.get(&other, "/replays/R-1").await;
    assert_eq!((&end["made"], &end["skipped"]), (&json!(4), &json!({})));
    until("all is delivered again", async || site.sql(done) == "8").await;
    assert_eq!(site.sql("SELECT count(DISTINCT source) FROM made"), "4");
    assert_eq!(site.ehr.of_type("Patient").len(), 4, "they are the same");
    let (_, page) = site.get(&other, "/status").await;
    assert_eq!(page["adds_up"], json!(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_past_its_lease_and_comes_back_writes_nothing() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let database = cluster.database(None);
    let site = Site::new("hangs", database.address(), Some(database)).await;
    let mut one = site.node("one").await;
    // The EHR takes it, and answers late; meanwhile the gateway hangs.
    site.ehr.faults().writes([Some(Fault::Slow(1000))]);
    let before = site.journal.count();
    assert!(site.accepts(&one, 1, 1).await);
    let writes = || {
        let lines = site.journal.lines();
        lines
            .iter()
            .skip(before)
            .any(|l| l.outcome.starts_with("created"))
    };
    until("it has arrived", async || writes()).await;
    one.signal("STOP");
    assert_eq!(site.sql("SELECT state, worker FROM job"), "sending|one");
    let mut other = site.node("other").await;
    until("the other has asked and settled it", async || {
        site.sql("SELECT count(*) FROM job_ended WHERE state = 'done'") == "1"
    })
    .await;
    let tries =
        "SELECT string_agg(verdict || CASE WHEN asked THEN ' asked' ELSE '' END, ',' ORDER BY n)
        FROM attempt";
    assert_eq!(
        site.sql(tries),
        "unsure,accepted asked",
        "it was read back, not sent again"
    );

    // The first comes back, and hears the answer. By the time it has delivered something else, it has
    // tried to report.
    other.kill();
    one.signal("CONT");
    until("it answers again", async || {
        site.get(&one, "/health").await.0 == 200
    })
    .await;
    assert!(site.accepts(&one, 2, 1).await);
    until("it delivers again", async || {
        site.sql("SELECT count(*) FROM job_ended WHERE state = 'done'") == "2"
    })
    .await;
    assert_eq!(
        site.sql(tries),
        "unsure,accepted asked,accepted",
        "its report was refused"
    );
    assert_eq!(
        (site.ehr.duplicates(), site.ehr.of_type("Patient").len()),
        (0, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_stays_up_while_its_database_is_away() {
    let Some(cluster) = Cluster::start("") else {
        return;
    };
    cluster.sql("postgres", "CREATE DATABASE gateway");
    let site = Site::new("away", cluster.address("gateway"), None).await;
    let one = site.node("one").await;
    assert!(site.accepts(&one, 1, 1).await);
    assert_eq!(site.get(&one, "/ready").await.0, 200);
    cluster.control(&["-m", "immediate", "stop"]);
    until("it is not ready", async || {
        site.get(&one, "/ready").await.0 == 503
    })
    .await;
    assert_eq!(site.get(&one, "/health").await.0, 200);
    assert!(!site.accepts(&one, 2, 1).await, "nothing is taken in");
    cluster.control(&["start"]);
    until("it is ready", async || {
        site.get(&one, "/ready").await.0 == 200
    })
    .await;
    until("it takes in again", async || site.accepts(&one, 2, 1).await).await;
    until("both are delivered", async || {
        cluster.sql(
            "gateway",
            "SELECT count(*) FROM job_ended WHERE state = 'done'",
        ) == "2"
    })
    .await;
    assert_eq!(
        (site.ehr.duplicates(), site.ehr.of_type("Patient").len()),
        (0, 2)
    );
    let log = site.log("one");
    for told in ["the database is away", "the database is back"] {
        assert_eq!(log.matches(told).count(), 1, "{told}");
    }
}
