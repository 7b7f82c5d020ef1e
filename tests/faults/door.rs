//! One request to the gateway, on a connection of its own; whoever calls decides what silence means.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A caller of the gateway with its token.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

/// Status and body.
type Heard = (u16, Vec<u8>);

impl Door {
    /// Hands a record in, under a key.
    pub(crate) async fn submit(
        &self,
        path: &str,
        key: &str,
        body: &[u8],
    ) -> std::io::Result<Heard> {
        let headers = format!("content-type: application/json\r\nidempotency-key: {key}\r\n");
        self.ask("POST", path, &headers, body).await
    }

    /// What a person does.
    pub(crate) async fn act(&self, path: &str) -> std::io::Result<Heard> {
        let headers = "content-type: application/json\r\naccept: application/json\r\n";
        self.ask("POST", path, headers, b"{\"why\":\"a test\"}")
            .await
    }

    /// A partner's message.
    pub(crate) async fn tell(&self, path: &str, body: &[u8]) -> std::io::Result<Heard> {
        self.ask("POST", path, "content-type: application/xml\r\n", body)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> std::io::Result<Heard> {
        self.ask("GET", path, "", b"").await
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> std::io::Result<Heard> {
        let heard = tokio::time::timeout(TIMEOUT, async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let mut bytes = format!(
                "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\
                 authorization: Bearer {}\r\ncontent-length: {}\r\n{headers}\r\n",
                self.token,
                body.len()
            )
            .into_bytes();
            bytes.extend_from_slice(body);
            stream.write_all(&bytes).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            parsed(&answer).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
        });
        heard
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

/// A whole answer; `None`: it broke off.
fn parsed(bytes: &[u8]) -> Option<Heard> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    (length.unwrap_or(0) <= body.len()).then(|| (status, body.to_vec()))
}
