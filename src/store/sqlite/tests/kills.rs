//! A process that is killed: what it was told yes for is there, nothing is there by half, and it goes on.
//!
//! The child is this very test program, running [`child`] alone. It says what it was told, line by line;
//! what it did not get to say may be there or not.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use futures_util::future::join_all;

use super::super::Sqlite;
use super::Folder;
use crate::store::suite::make::{Clinic, Drafted, at, draft, job};
use crate::sync::job::State;
use crate::sync::ports::Store;

/// Names the database to the child.
const FILE: &str = "FHIR_GATEWAY_TEST_DATABASE";
/// Which life of it this is, so that no two use the same names.
const LIFE: &str = "FHIR_GATEWAY_TEST_LIFE";

/// Admits and delivers until it is killed.
#[test]
#[ignore = "the other half of `what_was_told_survives_a_kill`, which starts it"]
fn child() {
    let (Some(file), Some(life)) = (std::env::var_os(FILE), std::env::var_os(LIFE)) else {
        return;
    };
    let life = life.to_string_lossy().into_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = Sqlite::open(&PathBuf::from(file)).expect("a database");
        let clinic = Clinic::of(&store);
        store.rescue(at(1_000_000)).await.expect("rescue");
        for round in 0.. {
            let admits = (0..8).map(|n| {
                let id = format!("M-{life}-{round}-{n}");
                let clinic = clinic.clone();
                async move {
                    let two = draft("observation", &id, 1);
                    clinic
                        .accept(
                            two.with(job(&format!("{id}e"), "ehr"))
                                .with(job(&format!("{id}l"), "lab")),
                        )
                        .await;
                    say(&format!("stored {id}"));
                }
            });
            let delivers = async {
                for job in clinic.claim_some("ehr", 4, 1).await {
                    clinic.done(&job, 2).await;
                    say(&format!("done {}", job.id));
                }
            };
            futures_util::future::join(join_all(admits), delivers).await;
        }
    });
}

fn say(line: &str) {
    // One write, so that a kill cuts between lines and not within.
    let mut out = std::io::stdout().lock();
    let said = out.write_all(format!("{line}\n").as_bytes());
    said.and_then(|()| out.flush()).expect("somebody listens");
}

/// One life of the child: killed after so many lines. What it said.
fn life(file: &Path, number: usize, lines: usize) -> Vec<String> {
    let name = concat!(module_path!(), "::child");
    let name = name.split_once("::").expect("a crate").1;
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            name,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FILE, file)
        .env(LIFE, number.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a child");
    let out = child.stdout.take().expect("its output");
    let mut said = Vec::new();
    for line in BufReader::new(out).lines() {
        let line = line.expect("text");
        if line.starts_with("stored ") || line.starts_with("done ") {
            said.push(line);
            if said.len() == lines {
                child.kill().expect("a kill");
            }
        }
    }
    assert!(!child.wait().expect("an end").success(), "it was killed");
    assert!(said.len() >= lines, "it ended by itself");
    said
}

#[tokio::test]
async fn what_was_told_survives_a_kill() {
    let folder = Folder::new();
    let mut said = Vec::new();
    for (number, lines) in [1, 30, 77, 200].into_iter().enumerate() {
        said.extend(life(&folder.file(), number, lines));

        let store = Sqlite::open(&folder.file()).expect("it opens again");
        let clinic = Clinic::of(&store);
        let whole = |c: &rusqlite::Connection| {
            c.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0))
        };
        assert_eq!(store.read("integrity_check", whole).unwrap(), "ok");
        let mut stored = BTreeSet::new();
        for line in &said {
            let (what, id) = line.split_once(' ').expect("two words");
            if what == "stored" {
                let story = store
                    .story(&clinic.tenant, "observation", id)
                    .await
                    .unwrap();
                let jobs = story.unwrap_or_else(|| panic!("{id} is lost")).jobs;
                assert_eq!(jobs.len(), 2, "{id} is there by half");
                assert!(stored.insert(id.to_owned()), "{id} was told twice");
            } else {
                let record = id.strip_suffix('e').expect("a job at the EHR");
                assert_eq!(clinic.state("observation", record, id).await, State::Done);
            }
        }
        clinic.adds_up().await;
        // What nobody heard of is there as a whole or not at all.
        let status = store.status(&clinic.tenant, at(0), 0).await.unwrap();
        assert!(status.versions >= stored.len() as u64);
        assert_eq!(status.jobs_made, 2 * status.versions);
        let counted = |c: &rusqlite::Connection| {
            c.query_row("SELECT count(*) FROM version", [], |r| r.get::<_, i64>(0))
        };
        let rows = store.read("count", counted).unwrap();
        assert_eq!(u64::try_from(rows).unwrap(), status.versions);
        // Every job is in a state that somebody takes up.
        store.rescue(at(1_000_000)).await.unwrap();
        let open: u64 = status.partners.iter().map(|p| p.jobs["sending"]).sum();
        let status = store.status(&clinic.tenant, at(0), 0).await.unwrap();
        let asking: u64 = status.partners.iter().map(|p| p.jobs["asking"]).sum();
        let sending: u64 = status.partners.iter().map(|p| p.jobs["sending"]).sum();
        assert!(asking >= open);
        assert_eq!(sending, 0);
    }
}
