//! How the clinic and the simulated partners hand something in at the gateway: the same request again
//! until there is a clear answer, whatever breaks meanwhile.
//!
//! Must never take a broken connection, a 5xx or a 429 for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, Url};

use crate::clock::Clock;
use crate::partner::wire::{Ask, Credential, Heard, Http, HttpSettings};
use crate::phi::Secret;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request is repeated before its sender gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// A caller of the gateway with its token. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    base: String,
    http: Http,
    clock: Arc<dyn Clock>,
    broken: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
}

impl Door {
    /// A caller of the gateway at `base` (no slash at its end).
    ///
    /// # Errors
    /// No client can be built.
    pub fn new(base: &str, token: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let http = Http::new(&HttpSettings {
            timeout: TIMEOUT,
            body_max: 16 << 20,
            credential: Credential::Fixed(Secret::new(token.to_owned())),
            ..HttpSettings::default()
        })
        .map_err(|wrong| anyhow::anyhow!(wrong.join("; ")))?;
        Ok(Door {
            base: base.to_owned(),
            http,
            clock,
            broken: Arc::default(),
            answered: Arc::default(),
        })
    }

    /// How many tries got no clear answer.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    /// How many requests got a clear answer.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Posts the same bytes until there is a clear answer. `None`: there was none for a long time.
    pub async fn hand_in(
        &self,
        path: &str,
        media_type: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Option<Heard> {
        let begun = self.clock.monotonic();
        let mut wait = Duration::from_millis(40);
        loop {
            if let Some(heard) = self.once(path, media_type, headers, body).await {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Some(heard);
            }
            self.broken.fetch_add(1, Ordering::Relaxed);
            if self.clock.monotonic().saturating_sub(begun) > PATIENCE {
                return None;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(320));
        }
    }

    /// One try. `None`: no clear answer.
    async fn once(
        &self,
        path: &str,
        media_type: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Option<Heard> {
        let ask = Ask {
            method: Method::POST,
            url: self.url(path)?,
            headers: headers.to_vec(),
            body: Some((media_type, body.to_vec())),
        };
        let heard = self.http.send(ask, self.clock.now()).await.ok()?;
        let unclear = heard.status >= 500 || matches!(heard.status, 408 | 429);
        (!unclear && heard.complete).then_some(heard)
    }

    /// Reads something. `None`: no clear answer at the moment.
    pub async fn read(&self, path: &str) -> Option<Heard> {
        let ask = Ask {
            headers: vec![("accept", "application/json".to_owned())],
            ..Ask::get(self.url(path)?)
        };
        let heard = self.http.send(ask, self.clock.now()).await.ok()?;
        (heard.status < 500 && heard.complete).then_some(heard)
    }

    fn url(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{}{path}", self.base)).ok()
    }
}
