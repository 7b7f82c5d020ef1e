//! Databases of every schema that was ever released, stored as SQL in `fixtures/store`, open as the newest
//! one with everything that was in them.

use std::path::PathBuf;
use std::process::Command;

use super::cluster::Database;
use super::{Cluster, Connection, Postgres, Way, block_on, fresh, node, settings};
use crate::store::postgres::schema::NEWEST;
use crate::store::suite::history::{history, is_there, patients, patients_are_there};

const ALL: [&str; 2] = ["", "-patients"];

fn fixture(schema: usize, of: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/store");
    folder.join(format!("postgres-{schema}{of}.sql"))
}

/// A database of a schema, opened as the newest.
fn opened(cluster: &'static Cluster, schema: usize, of: &str) -> (Postgres, Database) {
    let file = fixture(schema, of);
    let sql = std::fs::read_to_string(&file)
        .unwrap_or_else(|_| panic!("{} is missing: see `write_the_fixtures`", file.display()));
    let database = cluster.database(None);
    block_on(async {
        let way = Way::of(settings(&database.address())).expect("a way");
        let connection = Connection::open(&way, None).await.expect("a connection");
        let client = connection.client();
        client.batch_execute(&sql).await.expect("the fixture");
    });
    let version = || database.sql("SELECT version FROM fhir_gateway.program");
    assert_eq!(version(), schema.to_string());
    block_on(async {
        let opened = Postgres::open(settings(&database.address())).await;
        opened.expect("migrated");
    });
    assert_eq!(version(), NEWEST.to_string());
    (node(&database), database)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_database_of_every_schema_opens_as_the_newest_with_all_that_was_in_it() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    for schema in 1..=NEWEST {
        let (store, _database) = opened(cluster, schema, "");
        is_there(&store).await;
        let (store, _database) = opened(cluster, schema, "-patients");
        patients_are_there(&store).await;
    }
}

/// Writes the fixtures of the schema as it is, as `pg_dump` has it: to be run once when a migration was
/// added, their files committed, and never again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "writes fixtures/store/postgres-N*.sql of a new schema"]
async fn write_the_fixtures() {
    for of in ALL {
        let file = fixture(NEWEST, of);
        if file.exists() {
            continue; // released: it never changes
        }
        let (store, database) = fresh().expect("a server");
        match of {
            "" => history(&store).await,
            _ => patients(&store).await,
        }
        let done = Command::new("pg_dump")
            .args([
                "--schema=fhir_gateway",
                "--inserts",
                "--no-owner",
                "--no-comments",
                "-d",
            ])
            .arg(database.address())
            .output()
            .expect("pg_dump");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let all = String::from_utf8(done.stdout).expect("UTF-8");
        // What only this server's tools know of is left out.
        let own = |line: &&str| {
            let set = line.starts_with("SET ") && !line.contains("check_function_bodies");
            let path = line.contains("pg_catalog.set_config");
            !(set || path || line.starts_with('\\') || line.starts_with("--") || line.is_empty())
        };
        let mut kept: Vec<&str> = all.lines().filter(own).collect();
        kept.push("");
        std::fs::write(&file, kept.join("\n")).expect("written");
    }
}
