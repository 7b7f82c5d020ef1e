//! The folder that a play runs in: config, key, secrets, tokens, database, log.
//!
//! Every file is for this user alone. The token of the status page is the only one that is written
//! down in the clear; it is good for nothing once the folder is gone.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::Config;
use crate::web::TokenHash;

/// The tenant's base address: the root of its identifier systems.
pub const BASE: &str = "https://clinic.example";
/// The clinic's time zone.
pub const ZONE: &str = "America/New_York";
/// The EHR's partner id; consents name it so.
pub const EHR: &str = "ehr-north";
/// How consents may name the EHR.
pub const EHR_NAMES: [&str; 2] = [EHR, "treating_providers"];
/// The pharmacy's partner id.
pub const PHARMACY: &str = "mortar-pestle";
/// How consents may name the pharmacy.
pub const PHARMACY_NAMES: [&str; 2] = [PHARMACY, "pharmacies"];
/// The laboratory's partner id.
pub const LABORATORY: &str = "clearwater-lab";
/// The partner id of the clinic's own system.
pub const CLINIC: &str = "clinic-system";
/// What a route brings to the EHR.
pub const TO_EHR: [&str; 5] = [
    "client",
    "evaluation",
    "medication-request",
    "observation",
    "care-plan",
];
/// The schedule of the play; the real one is 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
pub const SCHEDULE: &str = "1 s, 1 s, 2 s, 2 s, 3 s, 5 s, 5 s";

/// Where the simulated partners listen.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The EHR's base.
    pub ehr: String,
    /// The pharmacy's door.
    pub pharmacy: String,
    /// The clinic's webhook.
    pub webhook: String,
}

/// The folder.
#[derive(Debug)]
pub struct Site {
    folder: PathBuf,
    /// Whether it goes when the play ends.
    fleeting: bool,
    address: SocketAddr,
    secret: String,
    tokens: Vec<(&'static str, String)>,
}

impl Site {
    /// Makes a fresh folder, or uses `data`, which must be empty or not there.
    ///
    /// # Errors
    /// It cannot be made, or is not empty.
    pub fn new(data: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match data {
            Some(folder) => folder.to_owned(),
            None => std::env::temp_dir().join(format!("fhir-gateway-demo-{}", random(6)?)),
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let folder = folder.canonicalize().context("no such folder")?;
        if std::fs::read_dir(&folder)
            .context("cannot read the folder")?
            .next()
            .is_some()
        {
            bail!(
                "{} is not empty: the play begins with a fresh folder",
                folder.display()
            );
        }
        let mut tokens = Vec::new();
        for caller in ["clinic", "you", LABORATORY, PHARMACY] {
            tokens.push((caller, random(32)?));
        }
        Ok(Site {
            fleeting: data.is_none(),
            folder,
            address: free_address()?,
            secret: random(32)?,
            tokens,
        })
    }

    /// Writes the config and what it names, and checks it as `serve` will.
    ///
    /// # Errors
    /// A file cannot be written, or the config is not one (a mistake at build time).
    pub fn write(&self, at: &Addresses) -> anyhow::Result<()> {
        self.file("clinic.key", &random(32)?)?;
        self.file("webhook.secret", &self.secret)?;
        self.file("status.token", self.token("you"))?;
        let text = self.config(at);
        self.file("gateway.toml", &text)?;
        Config::parse(&text, &self.folder)
            .map_err(|faults| anyhow::anyhow!("the demo's own config is wrong: {faults}"))?;
        Ok(())
    }

    fn file(&self, name: &str, content: &str) -> anyhow::Result<()> {
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.folder.join(name))
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .with_context(|| format!("cannot write {name} in {}", self.folder.display()))
    }

    fn config(&self, at: &Addresses) -> String {
        let mut text = format!(
            r#"# Written by `fhir-gateway demo`. What a key means: fhir-gateway check-config --print-default
[server]
listen = "{address}"
drain_ms = 2000

[store]
path = "data/gateway.db"
free_mb_min = 1

[delivery]
# Shortened for the play, as is [retry]: leases and schedules of a real gateway are minutes and hours.
lease_s = 8
poll_ms = 100
cancel_silence_s = 60

[retry]
schedule_s = [1, 1, 2, 2, 3, 5, 5]
overload_s = 1
outage_s = 1
ask_every_s = 1

[[tenants]]
id = "clinic"
base = "{BASE}"
zone = "{ZONE}"
key_file = "clinic.key"

[[partners]]
id = "{EHR}"
kind = "ehr-fhir"
url = "{ehr}"
patients = "created"
create = "conditional"
transaction_entries_max = 50
chained_search = true
timeout_ms = 2000

[[partners]]
id = "{PHARMACY}"
kind = "ncpdp-script"
url = "{pharmacy}"
ncpdp_ids = ["7701630"]
duplicates = "answers-220"
timeout_ms = 2000

[[partners]]
id = "{LABORATORY}"
kind = "ehr-fhir"
# It only sends; nothing is routed to it.
url = "http://127.0.0.1:9"
class = "laboratories"
timeout_ms = 2000

[[partners]]
id = "{CLINIC}"
kind = "clinic-webhook"
url = "{webhook}"
secret_file = "webhook.secret"
timeout_ms = 2000

[[routes]]
kinds = [{to_ehr}]
to = "{EHR}"

[[routes]]
kinds = ["medication-request"]
to = "{PHARMACY}"

[[routes]]
kinds = ["observation", "dispense", "order-event"]
to = "{CLINIC}"
"#,
            address = self.address,
            ehr = at.ehr,
            pharmacy = at.pharmacy,
            webhook = at.webhook,
            to_ehr = TO_EHR.map(|kind| format!("\"{kind}\"")).join(", "),
        );
        for (caller, token) in &self.tokens {
            let rights = match *caller {
                "clinic" => "\"submit\", \"feed\", \"read\"".to_owned(),
                "you" => "\"read\", \"operate\"".to_owned(),
                partner => format!("\"inbound:{partner}\""),
            };
            let _ = write!(
                text,
                "\n[[tokens]]\nname = \"{caller}\"\nsha256 = \"{}\"\nrights = [{rights}]\n",
                TokenHash::of(token).hex()
            );
        }
        text
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the gateway listens: its base address.
    #[must_use]
    pub fn gateway(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The webhook's shared secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The token of a caller.
    #[must_use]
    pub fn token(&self, caller: &str) -> &str {
        self.tokens
            .iter()
            .find(|(name, _)| *name == caller)
            .map_or("", |(_, token)| token)
    }

    /// Keeps the folder when the play ends.
    pub fn keep(&mut self) {
        self.fleeting = false;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.fleeting {
            // What is left behind in the folder for temporary files does no harm.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Random characters of an address's alphabet, from so many random bytes.
fn random(bytes: usize) -> anyhow::Result<String> {
    let mut raw = vec![0; bytes];
    getrandom::fill(&mut raw)
        .map_err(|e| anyhow::anyhow!("no random bytes were to be had: {e}"))?;
    Ok(URL_SAFE_NO_PAD.encode(raw))
}

/// A free port of loopback below those that the system hands out by itself, so that nobody is given it
/// while the gateway is down between a kill and its next start.
fn free_address() -> anyhow::Result<SocketAddr> {
    let mut random = fastrand::Rng::new();
    for _ in 0..200 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, random.u16(15_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port on loopback")
}
