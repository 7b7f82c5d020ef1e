//! The bell between nodes: a hint that there may be work, given outside of every transaction that writes
//! data (inside, NOTIFY makes all commits of a server wait for each other), at most once in a while, and
//! never needed: workers look by themselves, too.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::connection::{Connection, Way};
use super::failure::Failure;

/// Changes within so long ring once.
const TOGETHER: Duration = Duration::from_millis(20);
/// Between attempts to listen again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Rings when told that something has `moved` here, and tells `changed` when others rang. For ever.
pub(super) async fn listen(way: Arc<Way>, moved: Arc<Notify>, changed: Arc<Notify>) {
    let me = format!("{:016x}", fastrand::u64(..));
    let mut pause = AGAIN.0;
    loop {
        match open(&way, &changed, &me).await {
            Ok(mut connection) => {
                pause = AGAIN.0;
                // What rang while nobody listened was missed.
                changed.notify_one();
                if let Err(error) = until_it_ends(&mut connection, &moved, &me).await {
                    tracing::warn!(
                        ?error,
                        "nodes cannot ring each other: they look by themselves"
                    );
                }
            }
            Err(error) => tracing::debug!(?error, "no bell"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN.1);
    }
}

async fn open(way: &Way, changed: &Arc<Notify>, me: &str) -> Result<Connection, Failure> {
    let rung = (Arc::clone(changed), me.to_owned());
    let connection = Connection::open(way, Some(rung)).await?;
    connection.run("LISTEN fhir_gateway").await?;
    Ok(connection)
}

async fn until_it_ends(
    connection: &mut Connection,
    moved: &Notify,
    me: &str,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            () = connection.ended() => return Err(Failure::gone("the connection ended")),
            () = moved.notified() => {}
        }
        tokio::time::sleep(TOGETHER).await;
        connection
            .rows("SELECT pg_notify('fhir_gateway', $1)", &[&me])
            .await?;
    }
}
