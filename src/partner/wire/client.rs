//! The client: one per partner, because each has its own certificates, pool and times.
//!
//! Must never follow a redirect, repeat a request, or read more of an answer than its cap.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use reqwest::{Certificate, Method, Response};

use crate::clock::Time;
use crate::partner::settings::Settings;
use crate::partner::wire::{Credential, retry_after, unsent};
use crate::phi::Secret;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Verdict};

/// What a client is built with.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The longest a request may take, answer included.
    pub timeout: Duration,
    /// The longest that name look-up, connecting and the TLS handshake may take; at most half of
    /// `timeout` is used, so that a failure to connect is never taken for a lost answer.
    pub connect_timeout: Duration,
    /// Bytes of an answer's body that are read at most.
    pub body_max: usize,
    /// The bearer token.
    pub credential: Credential,
    /// Further headers, which may be credentials.
    pub headers: Vec<(String, Secret<String>)>,
    /// A file of PEM certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Who carries requests instead of the network.
    pub carrier: Option<Arc<dyn Carrier>>,
}

/// Carries requests instead of the network: to a partner in this very process, in a simulation whose time
/// and order of events nobody else decides. What the network would keep (time limits, caps) it keeps.
#[async_trait]
pub trait Carrier: std::fmt::Debug + Send + Sync {
    /// Brings one request there and its answer back; as [`Http::send`].
    async fn carry(&self, ask: Ask<'_>) -> Result<Heard, Answer>;
}

impl HttpSettings {
    /// Reads the keys that every partner over HTTP has: `bearer` or `bearer_file`, `ca_file`, `headers`,
    /// `connect_timeout_ms`, and `answer_bytes_max` with its default and its highest value.
    pub fn read(s: &mut Settings, timeout: Duration, answer: u64, answer_max: u64) -> Self {
        let credential = match (s.secret_opt("bearer"), s.text_opt("bearer_file")) {
            (Some(_), Some(_)) => {
                s.fault("bearer_file", "cannot stand beside bearer");
                Credential::None
            }
            (Some(token), None) => Credential::Fixed(token),
            (None, Some(path)) => Credential::File(PathBuf::from(path)),
            (None, None) => Credential::None,
        };
        HttpSettings {
            timeout,
            connect_timeout: Duration::from_millis(s.number("connect_timeout_ms", 5000, 1, 60_000)),
            body_max: usize::try_from(s.number("answer_bytes_max", answer, 1024, answer_max))
                .unwrap_or(usize::MAX),
            credential,
            headers: s.secrets("headers"),
            ca_file: s.text_opt("ca_file").map(PathBuf::from),
            carrier: None,
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            body_max: 4 << 20,
            credential: Credential::None,
            headers: Vec::new(),
            ca_file: None,
            carrier: None,
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Method.
    pub method: Method,
    /// The whole address.
    pub url: reqwest::Url,
    /// Headers of this request.
    pub headers: Vec<(&'static str, String)>,
    /// Media type and body.
    pub body: Option<(&'a str, Vec<u8>)>,
}

impl Ask<'_> {
    /// A `GET` without headers.
    #[must_use]
    pub fn get(url: reqwest::Url) -> Self {
        Ask {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: None,
        }
    }
}

/// What was answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Heard {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, lower case, without parameters; empty where there is none.
    pub media_type: String,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// `Retry-After`, from the moment of the attempt.
    pub retry_after: Option<Duration>,
    /// Whether the answer says that it is the token that was refused (`WWW-Authenticate: Bearer`).
    pub token_refused: bool,
    /// The body, up to the cap.
    pub body: Vec<u8>,
    /// Whether the body was read to its end: not cut at the cap, not broken off.
    pub complete: bool,
}

impl Heard {
    /// Whether the status is a 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heard")
            .field("status", &self.status)
            .field("media_type", &self.media_type)
            .field("bytes", &self.body.len())
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

/// How requests get there.
#[derive(Clone, Debug)]
enum Road {
    Network(reqwest::Client),
    Carried(Arc<dyn Carrier>),
}

/// A partner's HTTP client.
#[derive(Clone, Debug)]
pub struct Http {
    road: Road,
    headers: HeaderMap,
    credential: Credential,
    body_max: usize,
}

impl Http {
    /// Builds it; opens no connection.
    ///
    /// # Errors
    /// What is wrong with the settings, naming the key and never a value.
    pub fn new(settings: &HttpSettings) -> Result<Self, Vec<String>> {
        if let Some(carrier) = &settings.carrier {
            return Ok(Http {
                road: Road::Carried(carrier.clone()),
                headers: HeaderMap::new(),
                credential: Credential::None,
                body_max: settings.body_max,
            });
        }
        // The first one stays; any number of clients may ask for it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut wrong = Vec::new();
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            match (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value.reveal()),
            ) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.insert(name, value);
                }
                _ => wrong.push("headers: not a header name or value".to_owned()),
            }
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("fhir-gateway/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .timeout(settings.timeout)
            .connect_timeout(settings.connect_timeout.min(settings.timeout / 2))
            .pool_idle_timeout(Duration::from_secs(20));
        if let Some(path) = &settings.ca_file {
            let pem = std::fs::read(path).unwrap_or_default();
            match Certificate::from_pem_bundle(&pem) {
                Ok(certificates) if !certificates.is_empty() => {
                    builder = builder.tls_certs_merge(certificates);
                }
                _ => wrong.push("ca_file: no PEM certificates can be read from it".to_owned()),
            }
        }
        match builder.build() {
            Ok(client) if wrong.is_empty() => Ok(Http {
                road: Road::Network(client),
                headers,
                credential: settings.credential.clone(),
                body_max: settings.body_max,
            }),
            Ok(_) => Err(wrong),
            Err(_) => {
                wrong.push("ca_file: no TLS client can be made of these settings".to_owned());
                Err(wrong)
            }
        }
    }

    /// Sends one request and reads the answer, whatever its status; a body that breaks off or is too
    /// long leaves the answer [incomplete](Heard::complete).
    ///
    /// # Errors
    /// What it means that there was no answer: an outage, or unclear.
    pub async fn send(&self, ask: Ask<'_>, now: Time) -> Result<Heard, Answer> {
        let client = match &self.road {
            Road::Network(client) => client,
            Road::Carried(carrier) => return carrier.carry(ask).await,
        };
        let mut request = client.request(ask.method, ask.url);
        request = request.headers(self.headers.clone());
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        if let Some(token) = self.credential.read().await? {
            let bearer = format!("Bearer {}", token.reveal());
            let Ok(mut value) = HeaderValue::from_str(&bearer) else {
                return Err(Answer::outage(Reason::Token));
            };
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some((media_type, body)) = ask.body {
            request = request.header(CONTENT_TYPE, media_type).body(body);
        }
        match request.send().await {
            Ok(response) => Ok(self.read(response, now).await),
            Err(error) => Err(unsent(&error)),
        }
    }

    async fn read(&self, mut response: Response, now: Time) -> Heard {
        let headers = response.headers();
        let text = |name| {
            headers
                .get(name)
                .and_then(|v: &HeaderValue| v.to_str().ok())
                .map(str::to_owned)
        };
        let media_type = text(CONTENT_TYPE).unwrap_or_default();
        let mut heard = Heard {
            status: response.status().as_u16(),
            media_type: media_type
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
            etag: text(ETAG),
            location: text(LOCATION),
            retry_after: text(RETRY_AFTER).and_then(|t| retry_after(&t, now)),
            token_refused: text(WWW_AUTHENTICATE)
                .is_some_and(|t| t.to_ascii_lowercase().starts_with("bearer")),
            body: Vec::new(),
            complete: false,
        };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = self.body_max - heard.body.len();
                    heard
                        .body
                        .extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        return heard;
                    }
                }
                Ok(None) => {
                    heard.complete = true;
                    return heard;
                }
                Err(_) => return heard,
            }
        }
    }
}

/// An answer for a request that was cut off by our own time limit: unclear if it may have had an effect
/// by then, else safe again.
#[must_use]
pub fn cut_off(may_have_effect: bool) -> Answer {
    let verdict = if may_have_effect {
        Verdict::Unsure
    } else {
        Verdict::Busy
    };
    Answer::new(verdict, Reason::TimedOut)
}
