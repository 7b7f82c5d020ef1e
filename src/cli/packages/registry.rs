//! A FHIR package registry, by npm's protocol: `GET URL/NAME` lists the versions with their archives.
//!
//! Answers are read up to a cap, a few redirects are followed (none that gives up TLS), and a hash that the
//! registry states (`integrity`, SHA-512; else `shasum`, SHA-1, which is all that some state) must be the
//! archive's.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest as _, Sha512};

use crate::clock::{Clock as _, System};
use crate::definitions::folder::{self, Name, order};
use crate::json::{self, Limits};
use crate::partner::wire::{Ask, Heard, Http, HttpSettings};

/// Bytes of an archive, or of a list of versions, at most.
const ANSWER_MAX: usize = 64 << 20;

/// Redirects on the way to one answer at most.
const REDIRECTS_MAX: usize = 5;

/// A registry.
pub(super) struct Registry {
    base: reqwest::Url,
    http: Http,
    runtime: tokio::runtime::Runtime,
}

impl Registry {
    pub(super) fn new(url: &str, ca_file: Option<PathBuf>) -> anyhow::Result<Registry> {
        let with_slash = format!("{}/", url.trim_end_matches('/'));
        let base: reqwest::Url = with_slash.parse().context("the registry's URL")?;
        anyhow::ensure!(
            matches!(base.scheme(), "https" | "http"),
            "the registry's URL begins with https:// or http://"
        );
        let settings = HttpSettings {
            timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(15),
            body_max: ANSWER_MAX,
            ca_file,
            ..HttpSettings::default()
        };
        let http = Http::new(&settings).map_err(|wrong| anyhow::anyhow!(wrong.join("; ")))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting")?;
        Ok(Registry {
            base,
            http,
            runtime,
        })
    }

    /// The archive of a package, and where it came from.
    pub(super) fn fetch(&self, name: &Name) -> anyhow::Result<(Vec<u8>, String)> {
        let url = self
            .base
            .join(&name.name)
            .context("the package's address")?;
        let listed = self.get(url)?;
        let limits = Limits {
            bytes_max: ANSWER_MAX,
            ..Limits::default()
        };
        let listed = json::read(&listed, &limits)
            .map_err(|issue| anyhow::anyhow!("the registry's answer is not JSON ({})", issue.rule))?
            .value;
        let versions = listed.get("versions").and_then(Value::as_object);
        let versions = versions.context("the registry's answer lists no versions")?;
        let latest = listed.pointer("/dist-tags/latest").and_then(Value::as_str);
        let wanted = |version: &str| match name.version.as_str() {
            "latest" => Some(version) == latest,
            _ => name.means(version),
        };
        let (version, found) = versions
            .iter()
            .filter(|(version, _)| wanted(version))
            .max_by_key(|(version, _)| order(version))
            .with_context(|| {
                let all: Vec<&str> = versions.keys().map(String::as_str).collect();
                format!("the registry has other versions only: {}", all.join(", "))
            })?;
        let tarball = found.pointer("/dist/tarball").and_then(Value::as_str);
        let address = match tarball {
            Some(text) => self.base.join(text).context("the archive's address")?,
            None => self.base.join(&format!("{}/{version}", name.name))?,
        };
        anyhow::ensure!(
            address.scheme() == "https" || self.base.scheme() == "http",
            "the registry names an archive that would come without TLS"
        );
        let bytes = self.get(address.clone())?;
        let stated = |key: &str| found.pointer(key).and_then(Value::as_str);
        let integrity = stated("/dist/integrity").and_then(|text| text.strip_prefix("sha512-"));
        let whole = match (integrity, stated("/dist/shasum")) {
            (Some(wanted), _) => {
                base64::engine::general_purpose::STANDARD.encode(Sha512::digest(&bytes)) == wanted
            }
            (None, Some(wanted)) => folder::hex(&Sha1::digest(&bytes)).eq_ignore_ascii_case(wanted),
            (None, None) => true,
        };
        anyhow::ensure!(
            whole,
            "the archive is not what the registry says: its hash differs"
        );
        Ok((bytes, address.to_string()))
    }

    fn get(&self, mut url: reqwest::Url) -> anyhow::Result<Vec<u8>> {
        let mut heard = self.once(&url)?;
        let mut followed = 0;
        while (300..400).contains(&heard.status)
            && let Some(place) = &heard.location
        {
            followed += 1;
            anyhow::ensure!(
                followed <= REDIRECTS_MAX,
                "{url} leads from one address to the next"
            );
            let next = url
                .join(place)
                .with_context(|| format!("where {url} leads to"))?;
            anyhow::ensure!(
                next.scheme() == "https" || (next.scheme() == "http" && url.scheme() == "http"),
                "{url} leads to an address without TLS"
            );
            url = next;
            heard = self.once(&url)?;
        }
        let shown = url;
        anyhow::ensure!(heard.status != 404, "{shown} is not there");
        anyhow::ensure!(heard.is_success(), "{shown} answers {}", heard.status);
        anyhow::ensure!(
            heard.complete,
            "{shown} is longer than {ANSWER_MAX} bytes, or broke off"
        );
        Ok(heard.body)
    }

    fn once(&self, url: &reqwest::Url) -> anyhow::Result<Heard> {
        let now = System::default().now();
        self.runtime
            .block_on(self.http.send(Ask::get(url.clone()), now))
            .map_err(|answer| anyhow::anyhow!("no answer from {url}: {}", answer.reason.what()))
    }
}
