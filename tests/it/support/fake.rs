//! A fake partner: answers what a test mounts, and remembers what it was not meant to get.

use std::sync::{Arc, Mutex, PoisonError};

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A partner on loopback. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fake {
    server: Arc<MockServer>,
    url: String,
    odd: Arc<Mutex<Vec<String>>>,
}

struct Odd(Arc<Mutex<Vec<String>>>);

impl Respond for Odd {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(format!("{} {}", request.method, request.url.path()));
        ResponseTemplate::new(418)
    }
}

impl Fake {
    /// One that expects nothing yet.
    pub(crate) async fn start() -> Self {
        let server = MockServer::start().await;
        let odd = Arc::new(Mutex::new(Vec::new()));
        Mock::given(any())
            .respond_with(Odd(Arc::clone(&odd)))
            .with_priority(u8::MAX)
            .mount(&server)
            .await;
        Fake {
            url: server.uri(),
            server: Arc::new(server),
            odd,
        }
    }

    /// Its address, without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Expects what the mock says.
    pub(crate) async fn expects(&self, mock: Mock) {
        mock.mount(&self.server).await;
    }

    /// What it got and was not meant to: method and path.
    pub(crate) fn unexpected(&self) -> Vec<String> {
        self.odd
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
