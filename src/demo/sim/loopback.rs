//! A listener on loopback that can go down and come back at the same address, and whose connections can
//! be broken off in the middle: what a simulated partner is served on.
//!
//! ```text
//! let loopback = Loopback::bind().await?;          // port 0
//! let (address, switch) = (loopback.address(), loopback.switch());
//! axum::serve(loopback, app.into_make_service_with_connect_info::<Peer>())
//! switch.down();  switch.up();                     // refuses connections; is back
//! peer.break_off();                                // in a handler with ConnectInfo(peer)
//! ```
//!
//! Must never listen on anything but loopback.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The listener.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    listener: Option<TcpListener>,
    up: watch::Receiver<bool>,
    switch: Switch,
    era: CancellationToken,
}

/// Takes a simulated partner down and up again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Switch {
    up: watch::Sender<bool>,
}

impl Switch {
    /// Refuses connections from now on, and breaks those that there are.
    pub fn down(&self) {
        self.up.send_replace(false);
    }

    /// Listens again, at the same address.
    pub fn up(&self) {
        self.up.send_replace(true);
    }
}

impl Loopback {
    /// Listens on a free port.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (sender, up) = watch::channel(true);
        Ok(Loopback {
            address: listener.local_addr()?,
            listener: Some(listener),
            up,
            switch: Switch { up: sender },
            era: CancellationToken::new(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its switch.
    #[must_use]
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    async fn back(&mut self) {
        self.listener = None;
        self.era.cancel();
        // The sender lives in `self`, so that waiting never fails.
        let _ = self.up.wait_for(|up| *up).await;
        self.era = CancellationToken::new();
        while self.listener.is_none() {
            match TcpListener::bind(self.address).await {
                Ok(listener) => self.listener = Some(listener),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Listener for Loopback {
    type Io = Line;
    type Addr = Peer;

    async fn accept(&mut self) -> (Line, Peer) {
        loop {
            let Some(listener) = &self.listener else {
                self.back().await;
                continue;
            };
            if !*self.up.borrow_and_update() {
                self.back().await;
                continue;
            }
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        let end = self.era.child_token();
                        let line = Line {
                            stream,
                            ended: Box::pin(end.clone().cancelled_owned()),
                            end: end.clone(),
                        };
                        return (line, Peer { end });
                    }
                }
                _ = self.up.changed() => {}
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer {
            end: self.era.clone(),
        })
    }
}

/// The other end of a connection, in a handler: `ConnectInfo(peer): ConnectInfo<Peer>`.
#[derive(Clone, Debug)]
pub struct Peer {
    end: CancellationToken,
}

impl Peer {
    /// Breaks the connection off: what the handler returns is never sent.
    pub fn break_off(&self) {
        self.end.cancel();
    }
}

impl Connected<IncomingStream<'_, Loopback>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Loopback>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection that can be broken off.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    end: CancellationToken,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

fn broken<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)))
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return broken();
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end.is_cancelled() {
            return broken();
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.end.is_cancelled() {
            return broken();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::ConnectInfo;
    use axum::routing::get;

    #[tokio::test]
    async fn it_goes_down_and_comes_back_at_the_same_address_and_breaks_lines() {
        let loopback = Loopback::bind().await.expect("bind");
        let (address, switch) = (loopback.address(), loopback.switch());
        let app = Router::new().route("/", get(|| async { "here" })).route(
            "/break",
            get(|ConnectInfo(peer): ConnectInfo<Peer>| async move {
                peer.break_off();
                "never"
            }),
        );
        tokio::spawn(async move {
            axum::serve(loopback, app.into_make_service_with_connect_info::<Peer>()).await
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()
            .expect("client");
        let url = format!("http://{address}/");
        let fetch = |url: String| {
            let client = client.clone();
            async move { client.get(url).send().await.map(|r| r.status().as_u16()) }
        };
        assert_eq!(fetch(url.clone()).await.ok(), Some(200));
        let broken = fetch(format!("{url}break")).await.expect_err("broken");
        assert!(!broken.is_connect());
        switch.down();
        let mut refused = false;
        for _ in 0..200 {
            refused = fetch(url.clone()).await.is_err_and(|e| e.is_connect());
            if refused {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(refused);
        switch.up();
        let mut back = false;
        for _ in 0..200 {
            back = fetch(url.clone()).await.is_ok();
            if back {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(back);
    }
}
