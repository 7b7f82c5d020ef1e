//! The server over real sockets: a head that does not come, a stop while a request is in hand.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;

struct Serving {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn serving(router: Router, connections_max: usize, header_ms: u64) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let bounds = Bounds {
        connections_max,
        header_timeout: Duration::from_millis(header_ms),
        drain: Duration::from_secs(20),
    };
    let task = tokio::spawn(serve(listener, router, bounds, stop.clone()));
    Serving {
        address,
        stop,
        task,
    }
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn a_head_that_does_not_come_closes_the_connection() {
    let serving = serving(doors().router, 1, 50).await;
    let mut slow = TcpStream::connect(serving.address).await.expect("connect");
    slow.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        .await
        .expect("write");
    // There is room for one connection only: the next is served once the slow one was closed.
    let mut next = TcpStream::connect(serving.address).await.expect("connect");
    next.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("write");
    assert!(rest(&mut next).await.starts_with("HTTP/1.1 200 OK"));
    assert!(!rest(&mut slow).await.contains("200"));
    serving.stop.cancel();
    serving.task.await.expect("ends");
}

#[tokio::test]
async fn a_stop_lets_a_request_in_hand_finish_and_takes_no_other() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun2, go2) = (Arc::clone(&begun), Arc::clone(&go));
    let router = Router::new().route(
        "/slow",
        get(move || async move {
            begun2.notify_one();
            go2.notified().await;
            "finished"
        }),
    );
    let serving = serving(router, 10, 5000).await;
    let mut stream = TcpStream::connect(serving.address).await.expect("connect");
    let mut idle = TcpStream::connect(serving.address).await.expect("connect");
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("write");
    begun.notified().await;
    serving.stop.cancel();
    go.notify_one();
    assert!(rest(&mut stream).await.ends_with("finished"));
    assert_eq!(rest(&mut idle).await, "");
    serving.task.await.expect("ends");
    assert!(TcpStream::connect(serving.address).await.is_err());
}
