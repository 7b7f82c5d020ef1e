//! The callers: so and so many at once, each on a connection of its own that it keeps, one request after
//! the other. Spends as little as can be on it: requests are bytes that were made before, and of an
//! answer only status and length are read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fhir_gateway::clock::{Clock, System};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The bytes of a POST of JSON.
pub(crate) fn post(path: &str, token: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    out.extend_from_slice(body);
    out
}

/// The bytes of a GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n").into_bytes()
}

/// How it went.
pub(crate) struct Flood {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Of each request, sorted.
    latencies: Vec<Duration>,
}

impl Flood {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// A percentile of the latencies, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        self.latencies[at].as_secs_f64() * 1e3
    }
}

/// Sends all requests; each must be answered with 202.
pub(crate) async fn flood(
    address: SocketAddr,
    clients: usize,
    requests: &Arc<Vec<Vec<u8>>>,
) -> Flood {
    flood_all(&[address], clients, requests).await
}

/// The same, by callers who have an address each, in turns.
pub(crate) async fn flood_all(
    addresses: &[SocketAddr],
    clients: usize,
    requests: &Arc<Vec<Vec<u8>>>,
) -> Flood {
    let next = Arc::new(AtomicUsize::new(0));
    let clock = Arc::new(System::default());
    let begun = clock.monotonic();
    let all: Vec<_> = (0..clients)
        .map(|n| {
            let address = addresses[n % addresses.len()];
            let (requests, next, clock) = (requests.clone(), next.clone(), clock.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut latencies = Vec::new();
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = clock.monotonic();
                    let (status, body) = connection.ask(request).await;
                    assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
                    latencies.push(clock.monotonic() - begun);
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for one in all {
        latencies.extend(one.await.expect("a caller"));
    }
    let took = clock.monotonic() - begun;
    latencies.sort_unstable();
    Flood { took, latencies }
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Connection {
            stream,
            buffer: Vec::with_capacity(8 << 10),
        }
    }

    /// One request: the answer's status and body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.stream.write_all(request).await.expect("written");
        self.buffer.clear();
        let head = loop {
            assert!(self.more().await > 0, "the connection was closed");
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
        let status = text.get(9..12).and_then(|s| s.parse().ok()).expect("HTTP");
        let length: usize = text
            .lines()
            .filter_map(|l| l.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, n)| n.trim().parse().ok())
            .unwrap_or(0);
        while self.buffer.len() < head + length {
            assert!(self.more().await > 0, "the connection was closed");
        }
        (status, self.buffer[head..].to_vec())
    }

    async fn more(&mut self) -> usize {
        self.stream.read_buf(&mut self.buffer).await.expect("read")
    }
}
