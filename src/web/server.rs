//! Listens, bounds what a connection may cost, and drains.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What connections may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// Until the head of a request must be there; the connection is closed otherwise.
    pub header_timeout: Duration,
    /// How long a stop waits for requests in hand.
    pub drain: Duration,
}

/// Serves until `stop`; then takes no new requests and waits for those in hand.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, stop: CancellationToken) {
    let room = std::sync::Arc::new(Semaphore::new(bounds.connections_max));
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, permit)) = accepted else {
            break;
        };
        let router = router.clone();
        let stop = stop.clone();
        open.spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(bounds.header_timeout)
                .max_headers(64)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
            tokio::pin!(connection);
            // What goes wrong on a connection is the other side's: it sees it, and no line is due.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(bounds.drain, open.wait())
        .await
        .is_err()
    {
        tracing::warn!(open = open.len(), "stopped with requests in hand");
    }
}

/// The next connection, once there is room for one. `None`: the doors are shut.
async fn accept(
    listener: &TcpListener,
    room: &std::sync::Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = std::sync::Arc::clone(room).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, permit)),
            Err(e) => {
                // Out of file descriptors, or the other side went away: neither ends the server.
                tracing::warn!(cause = %e.kind(), "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
