//! Which store the gateways of these tests have: the embedded one, or a PostgreSQL.

use crate::cluster::{Cluster, Database};

/// Whether these tests run over PostgreSQL: `GATEWAY_TEST_STORE` is `postgres`.
fn over_postgres() -> bool {
    std::env::var_os("GATEWAY_TEST_STORE").is_some_and(|v| v == "postgres")
}

/// Whether a test is only for the embedded store, and these run over the other; then it says so.
pub(crate) fn only_embedded(why: &str) -> bool {
    let skipped = over_postgres();
    if skipped {
        eprintln!("SKIPPED over PostgreSQL: {why}");
    }
    skipped
}

/// A database for a gateway, where these tests run over PostgreSQL.
pub(super) fn database() -> Option<Database> {
    over_postgres().then(|| Cluster::shared().expect("a PostgreSQL").database(None))
}
