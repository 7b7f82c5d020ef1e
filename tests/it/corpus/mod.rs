//! Published resources that nobody here wrote, through the doors of a whole gateway: every
//! MedicationRequest, Observation and CarePlan of the shared corpus comes in from one partner under a
//! fresh id, with a stand-in for every reference, and arrives at another by a relay with the same
//! content; and what becomes a record of ours, and how much of it the record's own FHIR says again.
//!
//! Prints the tables. The counts may only go up: what does not arrive or become a record stands with
//! its reason in `not-relayed.tsv` and `no-record.tsv` beside this file (`UPDATE_FIXTURES=1` writes them
//! anew, for review). FHIR that HL7's own validator finds faulty may be parked, and is counted apart.
//! The corpus is third-party material: it is read from `GATEWAY_SHARED` and never copied here.

mod exceptions;
mod facts;
mod stand_in;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fhir_gateway::clock::System;
use fhir_gateway::demo::sim::Journal;
use fhir_gateway::demo::sim::ehr::{EhrSim, Options};
use fhir_gateway::ids::{Key, PartnerId};
use fhir_gateway::sync::relay;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::support::{Gateway, Setup, TENANT_KEY, fixture};
use exceptions::Exceptions;

/// The system of our identifier of what is relayed.
const OURS: &str = "https://clinic.example/id/other";
/// Requests at once at the doors.
const AT_ONCE: usize = 8;
/// Lines of the three files.
const KINDS: [(&str, usize); 3] = [
    ("MedicationRequest", 225),
    ("Observation", 1057),
    ("CarePlan", 129),
];

/// A published resource.
struct Published {
    kind: &'static str,
    /// Its line in its file, from 1.
    line: usize,
    /// As it is published, under an id of this test's.
    resource: Value,
}

impl Published {
    fn id(&self) -> String {
        format!("corpus-{}-{}", self.kind.to_lowercase(), self.line)
    }
}

/// The lines of a file of the shared material; `None`, said aloud, where they cannot be had.
#[expect(
    clippy::disallowed_methods,
    reason = "where the shared material lies is said by the environment"
)]
fn lines(file: &str) -> Option<Vec<Value>> {
    let root = std::env::var("GATEWAY_SHARED").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join("conformance").join(file);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("SKIPPED: {file} is not in the shared material (set GATEWAY_SHARED)");
        return None;
    };
    let child = Command::new("zstd")
        .args(["-dc", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("SKIPPED: zstd is not installed, {file} cannot be read");
        return None;
    };
    let mut input = child.stdin.take().expect("stdin");
    let feed = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("zstd");
    feed.join().expect("fed").expect("written");
    let lines = output.stdout.split(|b| *b == b'\n');
    Some(
        lines
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).expect("a line of JSON"))
            .collect(),
    )
}

fn published() -> Option<Vec<Published>> {
    let mut all = Vec::new();
    for (kind, count) in KINDS {
        let lines = lines(&format!("corpus/{kind}.ndjson.zst"))?;
        assert_eq!(lines.len(), count, "{kind}: another corpus than ours");
        for (n, mut line) in lines.into_iter().enumerate() {
            let mut one = Published {
                kind,
                line: n + 1,
                resource: line["resource"].take(),
            };
            one.resource["id"] = json!(one.id());
            all.push(one);
        }
    }
    Some(all)
}

/// Which of them HL7's own validator finds faulty: (kind, line).
fn faulty() -> Option<Vec<(String, usize)>> {
    let lines = lines("oracle/corpus.ndjson.zst")?;
    let wrong = lines.iter().filter(|l| l["java"]["valid"] == false);
    Some(
        wrong
            .map(|l| {
                let line = l["line"].as_u64().and_then(|n| usize::try_from(n).ok());
                (
                    l["kind"].as_str().expect("a kind").to_owned(),
                    line.expect("a line"),
                )
            })
            .collect(),
    )
}

/// Sends resources in by a partner's door, each of which must get its receipt; those receipts, in order.
async fn send_in(gateway: &Gateway, door: &str, resources: Vec<Value>) -> Vec<String> {
    let path = format!("/in/{door}");
    let receipts = futures_util::stream::iter(resources)
        .map(|resource| {
            let path = &path;
            async move {
                let body = serde_json::to_vec(&resource).expect("JSON");
                let body = Some(("application/fhir+json", body));
                let got = gateway
                    .send(reqwest::Method::POST, path, door, &[], body)
                    .await;
                assert_eq!(got.status, 201, "{}", got.text());
                let said = got.json()["issue"][0]["diagnostics"].take();
                let said = said.as_str().and_then(|s| s.strip_prefix("receipt "));
                said.expect("a receipt").to_owned()
            }
        })
        .buffered(AT_ONCE);
    receipts.collect().await
}

/// Why messages were parked: their rules, by receipt.
async fn parked(gateway: &Gateway) -> BTreeMap<String, String> {
    let status = gateway.get("/status", "admin").await.json();
    let parked = status["parked_inbound"].as_array().expect("a list");
    parked
        .iter()
        .map(|p| {
            let rules = p["rules"].as_array().expect("rules").iter();
            let mut rules: Vec<&str> = rules.filter_map(Value::as_str).collect();
            rules.sort_unstable();
            rules.dedup();
            (p["id"].as_str().expect("an id").to_owned(), rules.join(" "))
        })
        .collect()
}

const SOURCE: &str = r#"kind = "ehr-fhir"
url = "{url}"
"#;

/// What the receiver has, by our identifier of it.
fn arrived(ehr: &EhrSim) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for kept in ehr.kept() {
        let all = match &kept.resource["identifier"] {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut mine = all.iter().filter(|i| i["system"] == OURS);
        let ours = mine.next_back().and_then(|i| i["value"].as_str());
        if let Some(ours) = ours {
            let before = found.insert(ours.to_owned(), kept.resource.clone());
            assert!(before.is_none(), "it is there twice");
        }
    }
    found
}

/// Our id of something of a source's.
fn our_id(source: &str, resource_type: &str, id: &str) -> String {
    let name = relay::record_id(&PartnerId::new(source), resource_type, id);
    Key::new(&TENANT_KEY).resource_id(relay::OTHER, &name, "")
}

/// What must have arrived of a resource: the same, with the receiver's names of what it refers to, and
/// what stands beside such a name. `None`: it refers to something that is not there.
fn expected(source: &str, resource: &Value, there: &BTreeMap<String, Value>) -> Option<Value> {
    let mut out = resource.clone();
    rename(source, &mut out, there)?;
    Some(plain(out))
}

fn rename(source: &str, value: &mut Value, there: &BTreeMap<String, Value>) -> Option<()> {
    match value {
        Value::Object(fields) => {
            let local = fields.get("reference").and_then(Value::as_str);
            if let Some((t, id)) = local.and_then(stand_in::local) {
                let ours = our_id(source, t, id);
                let theirs = there.get(&ours)?["id"].as_str()?;
                let t = t.to_owned();
                fields.insert("reference".to_owned(), json!(format!("{t}/{theirs}")));
                fields.entry("type").or_insert(json!(t));
                let identifier = json!({"system": OURS, "value": ours});
                fields.entry("identifier").or_insert(identifier);
            }
            fields
                .values_mut()
                .try_for_each(|child| rename(source, child, there))
        }
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| rename(source, item, there)),
        _ => Some(()),
    }
}

/// Without what a server gives a resource itself, and without our identifier.
fn plain(mut resource: Value) -> Value {
    let fields = resource.as_object_mut().expect("a resource");
    fields.shift_remove("id");
    if let Some(meta) = fields.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            fields.shift_remove("meta");
        }
    }
    if let Some(Value::Array(items)) = fields.get_mut("identifier") {
        items.retain(|i| i["system"] != OURS);
        if items.is_empty() {
            fields.shift_remove("identifier");
        }
    }
    resource
}

/// The elements that differ, by name.
fn differing(a: &Value, b: &Value) -> String {
    let names = |v: &Value| v.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    let mut all: Vec<String> = names(a).into_iter().chain(names(b)).flatten().collect();
    all.sort();
    all.dedup();
    all.retain(|n| a.get(n) != b.get(n));
    all.join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_published_resource_arrives_by_a_relay_as_it_came() {
    let (Some(published), Some(faulty)) = (published(), faulty()) else {
        return;
    };
    let clock = std::sync::Arc::new(System::default());
    let ehr = EhrSim::start("there", Journal::new(clock), Options::default())
        .await
        .expect("a simulated EHR");
    let types: Vec<String> = stand_in::TYPES.iter().map(|t| format!("\"{t}\"")).collect();
    let types = types.join(", ");
    let receiver = format!(
        "kind = \"ehr-fhir\"\nurl = \"{{url}}\"\ncreate = \"conditional\"\npatients = \"created\"\n\
         concurrency_max = 64\ntakes = [{types}]\n"
    );
    // Two sources: one whose faulty FHIR parks, one whose FHIR goes on whatever it is.
    let route = |from: &str, check: &str| {
        format!(
            "[[routes]]\nrelay_from = \"{from}\"\nto = \"there\"\nrelay_types = [{types}]\n\
             relay_check = \"{check}\"\n"
        )
    };
    let gateway = Setup::new()
        .partner_at("there", &ehr.url(), &receiver)
        .partner_at("strict", "http://127.0.0.1:9/fhir", SOURCE)
        .partner_at("lax", "http://127.0.0.1:9/fhir", SOURCE)
        .config(&route("strict", "park"))
        .config(&route("lax", "warn"))
        .start()
        .await;
    let mut exceptions = Exceptions::read("not-relayed");
    let mut sent: BTreeMap<&str, Vec<(usize, Value)>> = BTreeMap::new();
    for source in ["strict", "lax"] {
        // One after the other: they refer to each other.
        for resource in stand_in::resources() {
            send_in(&gateway, source, vec![resource]).await;
        }
        gateway.work().await;
    }
    for (n, one) in published.iter().enumerate() {
        let resource = stand_in::with_stand_ins(&one.resource);
        for source in ["strict", "lax"] {
            sent.entry(source).or_default().push((n, resource.clone()));
        }
    }
    let bodies = |source: &str, of: &dyn Fn(usize) -> bool| -> Vec<Value> {
        let all = sent[source].iter().filter(|(n, _)| of(*n));
        all.map(|(_, r)| r.clone()).collect()
    };
    send_in(&gateway, "strict", bodies("strict", &|_| true)).await;
    gateway.work().await;
    let there = arrived(&ehr);
    let came = |source: &str, n: usize| {
        let one = &published[n];
        there.get(&our_id(source, one.kind, &one.id()))
    };
    // What the strict source's relay parked goes on by the other one.
    let parked: Vec<usize> = (0..published.len())
        .filter(|n| came("strict", *n).is_none())
        .collect();
    send_in(&gateway, "lax", bodies("lax", &|n| parked.contains(&n))).await;
    gateway.work().await;
    let there = arrived(&ehr);
    let mut table: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (n, one) in published.iter().enumerate() {
        let row = table.entry(one.kind).or_default();
        row[0] += 1;
        let by = if parked.contains(&n) { "lax" } else { "strict" };
        if by == "lax" {
            let agreed = faulty.contains(&(one.kind.to_owned(), one.line));
            row[2] += usize::from(agreed);
            row[3] += usize::from(!agreed);
            if !agreed {
                exceptions.met(
                    one.kind,
                    one.line,
                    "parked as no R4, HL7's validator finds no fault",
                );
            }
        }
        let resource = &sent[by][n].1;
        let Some(copy) = there.get(&our_id(by, one.kind, &one.id())) else {
            exceptions.met(one.kind, one.line, "did not arrive");
            continue;
        };
        let Some(wanted) = expected(by, resource, &there) else {
            exceptions.met(one.kind, one.line, "refers to what did not arrive");
            continue;
        };
        let got = plain(copy.clone());
        if got == wanted {
            row[1] += 1;
        } else {
            let what = format!("arrived changed: {}", differing(&got, &wanted));
            exceptions.met(one.kind, one.line, &what);
        }
    }
    println!(
        "by a relay: kind | of | arrived as they came | of these parked by a strict route, HL7's validator agrees | it does not"
    );
    for (kind, [of, same, agreed, alone]) in &table {
        println!("  {kind} | {of} | {same} | {agreed} | {alone}");
    }
    exceptions.settle();
    assert_eq!(ehr.duplicates(), 0);
    let status = gateway.get("/status", "admin").await.json();
    for state in ["waiting", "sending", "asking", "parked"] {
        assert_eq!(status["totals"][state], 0, "{state}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_resources_become_records_that_say_the_same() {
    let (Some(published), Some(faulty)) = (published(), faulty()) else {
        return;
    };
    let gateway = Setup::new()
        .partner_at("ehr", "http://127.0.0.1:9/fhir", SOURCE)
        .config("[limits]\nstatus_rows_max = 10000\n")
        .start()
        .await;
    let got = gateway.submit("client", &fixture("client", "C-1001")).await;
    assert_eq!(got.status, 202, "{}", got.text());
    let mut exceptions = Exceptions::read("no-record");
    let bodies = published
        .iter()
        .map(|one| {
            let mut resource = one.resource.clone();
            resource["subject"] = json!({"identifier":
                {"system": "https://clinic.example/id/client", "value": "C-1001"}});
            resource
        })
        .collect();
    let receipts = send_in(&gateway, "ehr", bodies).await;
    let parked = parked(&gateway).await;
    let records = feed(&gateway).await;
    let key = Key::new(&TENANT_KEY);
    let mut table: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut kept: BTreeMap<&str, BTreeMap<String, [usize; 2]>> = BTreeMap::new();
    for (one, receipt) in published.iter().zip(&receipts) {
        let row = table.entry(one.kind).or_default();
        row[0] += 1;
        let kind = facts::kind(one.kind);
        let name = format!("{kind}/{}", one.id());
        let id = format!("in-{}", key.resource_id("inbound", "ehr", &name));
        let Some(record) = records.get(&id) else {
            if faulty.contains(&(one.kind.to_owned(), one.line)) {
                row[2] += 1;
                continue;
            }
            let why = parked.get(receipt).map_or("", String::as_str);
            exceptions.met(one.kind, one.line, why);
            continue;
        };
        row[1] += 1;
        let said = kept.entry(one.kind).or_default();
        facts::compare(kind, record, &one.resource, said);
    }
    println!(
        "to records: kind | of | become a record of ours | are faulty FHIR, HL7's validator agrees"
    );
    for (kind, [of, became, faulty]) in &table {
        println!("  {kind} | {of} | {became} | {faulty}");
    }
    println!("facts (leaves) of the published ones that the record's own FHIR says again:");
    for (kind, elements) in &kept {
        let (of, again) = elements
            .values()
            .fold((0, 0), |(a, b), [of, again]| (a + of, b + again));
        println!("  {kind}: {again} of {of}");
        for (element, [of, again]) in elements {
            println!("    {element}: {again} of {of}");
        }
        let floor = facts::floor(kind);
        assert!(
            again * 1000 >= of * floor,
            "{kind}: {again} of {of}, {floor} per mille before"
        );
    }
    exceptions.settle();
}

/// All records that came back, by id.
async fn feed(gateway: &Gateway) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut after = 0;
    loop {
        let path = format!("/feed?after={after}&limit=500");
        let mut page = gateway.get(&path, "clinic-system").await.json();
        let Value::Array(entries) = page["entries"].take() else {
            panic!("no page of the feed");
        };
        for mut entry in entries {
            let id = entry["id"].as_str().expect("an id").to_owned();
            all.insert(id, entry["record"].take());
        }
        after = page["next"].as_i64().expect("a cursor");
        if page["more"] != true {
            return all;
        }
    }
}
