//! PostgreSQL against the suite, on a server of its own; and what only a database for many nodes has to
//! answer for: their clocks, their races, its plans.

#[path = "../../../../tests/postgres/cluster.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the integration tests use it, too"
)]
mod cluster;
mod histories;
mod migrations;
mod nodes;
mod plans;
mod races;

mod conforms {
    crate::store::suite::conformance!(crate::store::postgres::tests::fresh);
    crate::store::suite::conformance!(anew crate::store::postgres::tests::fresh);
}

use std::sync::OnceLock;
use std::time::Duration;

use self::cluster::{Cluster, Database};
use super::connection::{Address, Connection, Settings, Way};
use super::{Postgres, schema};

fn settings(address: &str) -> Settings {
    Settings {
        address: Address::parse(address).expect("an address"),
        password: None,
        tls: false,
        ca_file: None,
        readers_max: 4,
        queue_max: 4096,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(30),
        start_wait: Duration::from_secs(10),
    }
}

/// Runs what is asynchronous to its end, also from within another runtime.
fn block_on<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(work)
        });
        thread.join().expect("it goes well")
    })
}

/// A database with the schema, from which the others are copied.
fn template(cluster: &'static Cluster) -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        cluster.sql("postgres", "CREATE DATABASE template_gateway");
        block_on(async {
            let way = Way::of(settings(&cluster.address("template_gateway"))).expect("a way");
            let connection = Connection::open(&way, None).await.expect("a connection");
            schema::migrate(&connection).await.expect("a schema");
        });
    });
    "template_gateway"
}

/// An empty database of this test's own.
fn database() -> Option<Database> {
    let cluster = Cluster::shared()?;
    Some(cluster.database(Some(template(cluster))))
}

/// A node on a database, whose leases go by the time that the test makes up.
fn node(database: &Database) -> Postgres {
    let way = Way::of(settings(&database.address())).expect("a way");
    Postgres::over(way, true)
}

/// An empty store.
fn fresh() -> Option<(Postgres, Database)> {
    let database = database()?;
    Some((node(&database), database))
}
