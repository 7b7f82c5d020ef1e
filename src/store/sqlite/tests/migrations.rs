//! Databases of every schema that was ever released, stored as SQL in `fixtures/store`, open as the newest
//! one with everything that was in them.

use std::path::PathBuf;

use rusqlite::Connection;

use super::super::schema::NEWEST;
use super::{Folder, fresh};
use crate::store::sqlite::Sqlite;
use crate::store::suite::history::{history, is_there, patients, patients_are_there};

/// The schema before the one that knows who makes a patient.
const BEFORE_PATIENTS: u32 = 4;

fn fixture(schema: u32, of: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/store");
    folder.join(format!("sqlite-{schema}{of}.sql"))
}

/// A database of a schema, opened as the newest.
fn opened(schema: u32, of: &str) -> (Sqlite, Folder) {
    let file = fixture(schema, of);
    let sql = std::fs::read_to_string(&file)
        .unwrap_or_else(|_| panic!("{} is missing: see `write_the_fixtures`", file.display()));
    let folder = Folder::new();
    let connection = Connection::open(folder.file()).expect("a file");
    connection.execute_batch(&sql).expect("the fixture");
    let number = |connection: Connection| -> u32 {
        let number = connection.query_row("PRAGMA user_version", [], |r| r.get(0));
        number.expect("a number")
    };
    assert_eq!(number(connection), schema);
    let store = Sqlite::open_for_tests(&folder.file()).expect("migrated");
    let connection = Connection::open(folder.file()).expect("a file");
    assert_eq!(number(connection), NEWEST);
    (store, folder)
}

#[tokio::test]
async fn a_database_of_every_schema_opens_as_the_newest_with_all_that_was_in_it() {
    for schema in 1..=NEWEST {
        let (store, _folder) = opened(schema, "");
        is_there(&store).await;
    }
    for schema in BEFORE_PATIENTS..=NEWEST {
        let (store, _folder) = opened(schema, "-patients");
        patients_are_there(&store).await;
    }
}

#[tokio::test]
async fn what_a_later_program_wrote_is_left_alone() {
    let (store, folder) = fresh();
    drop(store);
    let connection = Connection::open(folder.file()).expect("a file");
    connection
        .pragma_update(None, "user_version", NEWEST + 1)
        .expect("a number");
    drop(connection);
    let opened = Sqlite::open_for_tests(&folder.file());
    let error = opened.err().expect("refused");
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(
        cause.is_some_and(|c| c.contains("later version")),
        "{error}"
    );
}

/// Writes the fixtures of the schema as it is: to be run once when a migration was added, their files
/// committed, and never again.
#[tokio::test]
#[ignore = "writes fixtures/store/sqlite-N*.sql of a new schema"]
async fn write_the_fixtures() {
    for of in ["", "-patients"] {
        let file = fixture(NEWEST, of);
        if file.exists() {
            continue; // released: it never changes
        }
        let (store, folder) = fresh();
        match of {
            "" => history(&store).await,
            _ => patients(&store).await,
        }
        drop(store);
        let connection = Connection::open(folder.file()).expect("a file");
        std::fs::write(&file, dumped(&connection)).expect("written");
    }
}

/// A database as SQL.
fn dumped(connection: &Connection) -> String {
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect("SQL");
        let rows = statement.query_map([], |r| r.get(0)).expect("rows");
        rows.map(|r| r.expect("a text")).collect()
    };
    let mut out = String::from("BEGIN;\n");
    for sql in
        texts("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    {
        out.push_str(&sql);
        out.push_str(";\n");
    }
    let mut tables =
        texts("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    tables.push("sqlite_sequence".to_owned());
    for table in tables {
        if table == "sqlite_sequence" {
            // The rows above have made some of their own.
            out.push_str("DELETE FROM sqlite_sequence;\n");
        }
        let columns = texts(&format!(
            "SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')"
        ));
        let values = columns.join(" || ',' || ");
        for row in texts(&format!(
            "SELECT 'INSERT INTO \"{table}\" VALUES (' || {values} || ');' FROM \"{table}\""
        )) {
            out.push_str(&row);
            out.push('\n');
        }
    }
    for sql in texts("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL") {
        out.push_str(&sql);
        out.push_str(";\n");
    }
    for pragma in ["user_version", "application_id"] {
        let n: i64 = connection
            .query_row(&format!("PRAGMA {pragma}"), [], |r| r.get(0))
            .expect("a number");
        out.push_str(&format!("PRAGMA {pragma} = {n};\n"));
    }
    out.push_str("COMMIT;\n");
    out
}
