//! The schema, by migrations: each runs once, in a transaction of its own, and is never edited after it
//! was released. They live in a PostgreSQL schema of their own, `fhir_gateway`.
//!
//! Tables come by migrations. The functions are written anew with each migration, so a change of theirs
//! needs one, too, if an empty one. Nodes that start at once take turns; a node of an earlier version
//! does not start on a later schema.

use super::connection::Connection;
use super::failure::{Failure, at_start};
use crate::fault::{self, Point};

/// The migrations, in order; `program.version` says how many have run.
const MIGRATIONS: &[&str] = &[
    include_str!("sql/tables.sql"),
    include_str!("sql/tables_2.sql"),
    include_str!("sql/tables_3.sql"),
];

/// How many there are: the number of the newest schema.
#[cfg(test)]
pub(super) const NEWEST: usize = MIGRATIONS.len();

/// The functions, all of them.
const FUNCTIONS: &[&str] = &[
    include_str!("sql/makers.sql"),
    include_str!("sql/lanes.sql"),
    include_str!("sql/jobs.sql"),
    include_str!("sql/locks.sql"),
    include_str!("sql/admit.sql"),
    include_str!("sql/work.sql"),
    include_str!("sql/people.sql"),
    include_str!("sql/anew.sql"),
    include_str!("sql/raws.sql"),
    include_str!("sql/keeping.sql"),
];

/// Takes away the functions that there are.
const NO_FUNCTIONS: &str = "DO $$ DECLARE f regprocedure; BEGIN
  FOR f IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'fhir_gateway' LOOP EXECUTE format('DROP FUNCTION %s', f); END LOOP; END $$";

/// The oldest server that is supported.
const SERVER_MIN: i32 = 140_000;

/// Brings a database to the newest schema.
///
/// # Errors
/// A migration fails (nothing of it is kept), the server is too old, or the database is of another or a
/// later program.
pub(super) async fn migrate(connection: &Connection) -> Result<(), Failure> {
    // Waiting for another node's migration may take longer than any statement.
    connection
        .run("SET statement_timeout = 0; SET lock_timeout = 0")
        .await?;
    for n in 1..=MIGRATIONS.len() {
        connection
            .run("BEGIN; SELECT pg_advisory_xact_lock(1229934662, 0)")
            .await?;
        let step = step(connection, n).await;
        let end = if step.is_ok() { "COMMIT" } else { "ROLLBACK" };
        connection.run(end).await?;
        step?;
    }
    Ok(())
}

/// The n-th migration, if it has not run.
async fn step(connection: &Connection, n: usize) -> Result<(), Failure> {
    let have = usize::try_from(version(connection).await?).unwrap_or(usize::MAX);
    if have > MIGRATIONS.len() {
        return Err(Failure::other(
            "the database was made by a later version of this program",
        ));
    }
    if have >= n {
        return Ok(());
    }
    let Some(tables) = MIGRATIONS.get(n - 1) else {
        return Ok(());
    };
    let mut sql = format!(
        "CREATE SCHEMA IF NOT EXISTS fhir_gateway;
         CREATE TABLE IF NOT EXISTS program (version integer NOT NULL);
         {tables};
         {NO_FUNCTIONS};"
    );
    for functions in FUNCTIONS {
        sql.push_str(functions);
    }
    sql.push_str(&format!(
        "DELETE FROM program; INSERT INTO program VALUES ({n})"
    ));
    connection
        .client()
        .batch_execute(&sql)
        .await
        .map_err(|e| at_start(&e))?;
    fault::here(Point::InMigration);
    Ok(())
}

/// How many migrations have run.
async fn version(connection: &Connection) -> Result<i32, Failure> {
    let client = connection.client();
    let facts = client
        .query_one(
            "SELECT current_setting('server_version_num')::integer,
               EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'fhir_gateway'),
               to_regclass('fhir_gateway.program') IS NOT NULL,
               EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'fhir_gateway')",
            &[],
        )
        .await
        .map_err(|e| at_start(&e))?;
    let (server, schema, marked, filled): (i32, bool, bool, bool) =
        (facts.get(0), facts.get(1), facts.get(2), facts.get(3));
    if server < SERVER_MIN {
        return Err(Failure::other("PostgreSQL 14 or later is needed"));
    }
    if !marked && schema && filled {
        return Err(Failure::other(
            "its schema fhir_gateway is of another program",
        ));
    }
    if !marked {
        return Ok(0);
    }
    let row = client
        .query_one("SELECT version FROM fhir_gateway.program", &[])
        .await
        .map_err(|e| at_start(&e))?;
    row.try_get(0).map_err(|e| at_start(&e))
}
