//! The configuration file, read and checked without touching the network.
//!
//! Everything that is wrong is told at once; nothing of a value is ever shown. The manual of the
//! file is `default.toml` beside this one, and a test keeps it complete.

mod blocks;
pub mod partners;
mod reader;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod validation;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::ids::{PartnerId, TenantId};
use crate::sync::house::{Route, Settings, Tenant};
use crate::sync::judge::Rulings;
use crate::sync::retry::Policy;
use crate::sync::room::Pace;
use crate::web::Token;
use reader::{Notes, Reader};
pub use validation::Validation;

/// The shipped default: the manual, with every key and what it means.
pub const DEFAULT: &str = include_str!("default.toml");

/// The manual: the shipped default, and a page for each kind of partner, all of it examples.
#[must_use]
pub fn manual() -> String {
    let mut text = DEFAULT.trim_end().to_owned();
    for (kind, doc) in partners::pages() {
        text.push_str(&format!(
            "\n\n# ---- partners of kind \"{kind}\": their own keys ----\n"
        ));
        for line in doc.trim().lines() {
            let example = !(line.is_empty() || line.starts_with('#'));
            text.push_str(if example { "#" } else { "" });
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// `[server]`: the listening side.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Connections at once, at most.
    pub connections_max: usize,
    /// Requests at once, at most; the next gets 503.
    pub requests_max: usize,
    /// Until the head of a request must be there.
    pub header_timeout: Duration,
    /// Until the body of a request must be there.
    pub body_timeout: Duration,
    /// How long a stop waits for what is in hand.
    pub drain: Duration,
}

/// `[store]`: where it is all kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// Where it is.
    pub place: Place,
    /// `/ready` says no with less room than this on the disk of a database file, in MiB.
    pub free_mb_min: u64,
}

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file of ours.
    Sqlite(PathBuf),
    /// On a server.
    Postgres(Box<crate::store::postgres::Settings>),
}

impl Store {
    /// The database file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(file) => Some(file),
            Place::Postgres(_) => None,
        }
    }
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// JSON lines, or text for people.
    pub json: bool,
    /// Which lines, as `tracing` reads it: `info`, `fhir_gateway=debug`.
    pub filter: String,
}

/// A partner's block.
#[derive(Clone)]
pub struct PartnerBlock {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: PartnerId,
    /// Its kind, a line in the table of `crate::partner`.
    pub kind: String,
    /// How consents name it; its id where it is not said.
    pub party: Option<String>,
    /// How consents name its class; what the kind usually is where it is not said.
    pub class: Option<String>,
    /// One line per patient instead of one per chain.
    pub order_by_patient: bool,
    /// How much it takes at once and a minute.
    pub pace: Pace,
    /// The longest an attempt may take.
    pub timeout: Duration,
    /// What a document that it sends us may be at most.
    pub json: crate::json::Limits,
    /// The kind's own keys.
    pub own: toml::Table,
    /// Its retry schedule.
    pub policy: Policy,
    /// Its own words on the validator's rules.
    pub rulings: Rulings,
}

/// What the doors may be asked for at most.
#[derive(Clone, Debug)]
pub struct Pages {
    /// Jobs that `/status` lists.
    pub status_rows_max: usize,
    /// Entries of one page of `/feed`.
    pub feed_rows_max: usize,
    /// Entries of one page of `/jobs`, `/lanes`, `/holds`.
    pub list_rows_max: usize,
}

/// The file, read and checked.
#[derive(Clone)]
pub struct Config {
    /// The listening side.
    pub server: Server,
    /// The store.
    pub store: Store,
    /// The log.
    pub log: Log,
    /// Pages.
    pub pages: Pages,
    /// Limits and clocks of the core.
    pub settings: Settings,
    /// The validator.
    pub validation: Validation,
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Partners.
    pub partners: Vec<PartnerBlock>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Callers.
    pub tokens: Vec<Token>,
    /// What is allowed but looks odd.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub Vec<String>);

impl Config {
    /// Reads and checks a file. Files that it names are found beside it.
    ///
    /// # Errors
    /// Everything that is wrong, each complaint naming its key.
    pub fn read(file: &Path) -> Result<Config, Faults> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Faults(vec![format!("cannot read {}: {e}", file.display())]))?;
        Config::parse(&text, file.parent().unwrap_or(Path::new("")))
    }

    /// Checks the text of a file; `folder` is where the files that it names are found.
    ///
    /// # Errors
    /// Everything that is wrong, each complaint naming its key.
    pub fn parse(text: &str, folder: &Path) -> Result<Config, Faults> {
        Config::parse_noting(text, folder, &Rc::default())
    }

    fn parse_noting(text: &str, folder: &Path, notes: &Rc<Notes>) -> Result<Config, Faults> {
        // The parser's own message shows the line, and with it what may be a credential.
        let table: toml::Table = toml::from_str(text).map_err(|e: toml::de::Error| {
            let line = e.span().map_or(0, |s| {
                text.get(..s.start).unwrap_or("").matches('\n').count() + 1
            });
            Faults(vec![format!(
                "line {line}: {}",
                without_quotes(e.message())
            )])
        })?;
        let mut root = Reader::root(table, notes);
        let server = settings::server(&mut root);
        let store = store::read(&mut root, folder);
        let log = settings::log(&mut root);
        let (settings, pages) = settings::core(&mut root);
        let validation = validation::validation(&mut root, folder);
        let (tenants, tenant_names) = blocks::tenants(&mut root, folder);
        let partners = blocks::partners(&mut root, folder, &tenants, &tenant_names, &settings);
        let known = blocks::Known::new(&tenant_names, &partners);
        let routes = blocks::routes(&mut root, &known);
        let tokens = blocks::tokens(&mut root, &known);
        root.finish();
        let faults = notes.faults();
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let (Some(server), Some(store)) = (server, store) else {
            return Err(Faults(vec!["the file could not be read".to_owned()]));
        };
        let partners: Vec<PartnerBlock> = partners.into_iter().filter_map(|p| p.block).collect();
        let mut config = Config {
            server,
            store,
            log,
            pages,
            settings,
            validation,
            tenants,
            partners,
            routes,
            tokens,
            warnings: Vec::new(),
        };
        config.warnings = config.odd();
        Ok(config)
    }

    /// What is allowed but looks like a mistake.
    fn odd(&self) -> Vec<String> {
        let mut odd = Vec::new();
        if let Place::Postgres(postgres) = &self.store.place
            && postgres.address.is_remote()
            && !postgres.tls
        {
            odd.push("store.tls: what goes to the database can be read on the way".to_owned());
        }
        for p in &self.partners {
            let named = self.routes.iter().any(|r| {
                r.tenant == p.tenant && (r.to == p.id || r.relay_from.as_ref() == Some(&p.id))
            });
            if !named {
                odd.push(format!(
                    "partners[{}]: no route names it: it gets nothing",
                    p.id
                ));
            }
        }
        for (right, word) in [
            (crate::web::Right::Submit, "submit"),
            (crate::web::Right::Operate, "operate"),
        ] {
            if !self.tokens.iter().any(|t| t.rights.contains(&right)) {
                odd.push(format!("tokens: nobody has the right \"{word}\""));
            }
        }
        odd
    }
}

/// What may stand in an address and in a log: 1 to 64 characters of `[A-Za-z0-9._-]`.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// A parser's message without what it quotes from the file.
fn without_quotes(message: &str) -> String {
    message
        .split(['`', '"'])
        .step_by(2)
        .collect::<Vec<_>>()
        .join("…")
        .replace('\n', " ")
}
