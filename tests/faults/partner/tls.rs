//! TLS before a partner, with the certificate that a test wants: the right one, one that has expired, one
//! of another host. All are made here, by an authority that is made here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shows {
    Right,
    Expired,
    AnotherHost,
}

/// The front. Serves until the process ends.
pub(crate) struct Front {
    address: SocketAddr,
    shows: Arc<AtomicUsize>,
    authority: String,
}

impl Front {
    /// Starts it before this address.
    pub(crate) async fn before(partner: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("an authority").pem();
        let issuer = Issuer::new(params, key);
        let configs: Vec<Arc<ServerConfig>> = [
            ("127.0.0.1", date_time_ymd(2100, 1, 1)),
            ("127.0.0.1", date_time_ymd(2021, 1, 1)),
            ("other.example", date_time_ymd(2100, 1, 1)),
        ]
        .into_iter()
        .map(|(host, until)| {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = until;
            let leaf = params.signed_by(&key, &issuer).expect("a certificate");
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            provider();
            let config = ServerConfig::builder()
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], key);
            Arc::new(config.expect("a TLS server"))
        })
        .collect();
        let front = Front {
            address: listener.local_addr().expect("an address"),
            shows: Arc::default(),
            authority,
        };
        let shows = front.shows.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let at = shows.load(Ordering::SeqCst);
                let acceptor = TlsAcceptor::from(configs[at].clone());
                let shows = shows.clone();
                tokio::spawn(async move {
                    let Ok(mut inner) = acceptor.accept(stream).await else {
                        return;
                    };
                    let Ok(mut outer) = TcpStream::connect(partner).await else {
                        return;
                    };
                    let changed = async {
                        while shows.load(Ordering::SeqCst) == at {
                            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                        // Who was let in by another certificate has to come again.
                        () = changed => {}
                    }
                });
            }
        });
        front
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority's certificate, PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Shows this certificate from now on; connections that there are end.
    pub(crate) fn show(&self, shows: Shows) {
        let at = match shows {
            Shows::Right => 0,
            Shows::Expired => 1,
            Shows::AnotherHost => 2,
        };
        self.shows.store(at, Ordering::SeqCst);
    }
}

/// The process's provider of cryptography, set once.
fn provider() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    });
}
