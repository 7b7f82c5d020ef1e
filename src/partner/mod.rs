//! Floor 4: partners, each kind a folder, known to the rest by one line in [`KINDS`].
//!
//! A partner is stateless: it encodes, delivers, asks and decodes (see
//! [`Partner`]). It never stores, never retries and never names another kind; what two kinds share
//! stands in `wire/`. Building one opens no connection, so that `check-config` needs no network.
//!
//! Adding a partner kind:
//! 1. a folder `partner/<kind>/` with a `config.rs` (its keys, and a `DOC` snippet for the manual);
//! 2. a line in [`KINDS`];
//! 3. one file per message or interaction, one that classifies answers, and `tests.rs`;
//! 4. a simulated one in `demo/sim/`, so that tests meet it over real HTTP.
//!
//! Adding a partner of a known kind is a block in the config and no code.

pub mod clinic;
pub mod ehr_fhir;
pub mod ncpdp_script;
pub mod settings;
pub mod wire;

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::ids::PartnerId;
use crate::sync::ports::{Facts, Partner, Style};

/// A kind of partner: its line in the table.
#[derive(Clone, Copy)]
pub struct PartnerKind {
    /// The word in the config: `kind = "ncpdp-script"`.
    pub name: &'static str,
    /// Its own keys, as a commented TOML snippet: a page of the default config.
    pub doc: &'static str,
    /// Whether FHIR can be relayed from it and to it.
    pub relays: bool,
    /// Reads the kind's own keys and builds it. Opens no connection.
    pub build: fn(Common, toml::Table) -> Result<Built, Vec<String>>,
}

/// A partner, built.
pub type Built = Arc<dyn Partner>;

/// All kinds.
pub const KINDS: &[PartnerKind] = &[ehr_fhir::KIND, ncpdp_script::KIND, clinic::KIND];

/// What every partner block has, whatever its kind; read by the config.
#[derive(Clone, Debug)]
pub struct Common {
    /// Its id.
    pub id: PartnerId,
    /// How consents name it (default: its id).
    pub party: Option<String>,
    /// How consents name its class (default: what the kind usually is).
    pub class: Option<String>,
    /// One line per patient instead of one per chain.
    pub order_by_patient: bool,
    /// Requests at once, at most.
    pub concurrency_max: usize,
    /// The longest an attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// What a document that it sends us may be at most.
    pub json: crate::json::Limits,
    /// The tenant's base address, without a slash at its end.
    pub base: String,
    /// The tenant's zone.
    pub zone: TimeZone,
    /// Who carries its requests instead of the network: none but in a simulation.
    pub carrier: Option<Arc<dyn wire::Carrier>>,
}

impl Common {
    /// What the core must know of a partner of this style.
    #[must_use]
    pub fn facts(&self, style: Style, class: &str, told_of_merges: bool) -> Facts {
        Facts {
            id: self.id.clone(),
            party: self
                .party
                .clone()
                .unwrap_or_else(|| self.id.as_str().to_owned()),
            class: self.class.clone().unwrap_or_else(|| class.to_owned()),
            style,
            order_by_patient: self.order_by_patient,
            concurrency_max: self.concurrency_max,
            together_max: 1,
            reads_back: false,
            told_of_merges,
            timeout_ms: self.timeout_ms,
        }
    }
}

/// Builds a partner of the named kind from its block in the config.
///
/// # Errors
/// Everything that is wrong with the block at once, each naming its key; an unknown key is a mistake.
pub fn build(kind: &str, common: Common, settings: toml::Table) -> Result<Built, Vec<String>> {
    match KINDS.iter().find(|k| k.name == kind) {
        Some(found) => (found.build)(common, settings),
        None => {
            let known: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
            Err(vec![format!(
                "kind: not a kind of partner; known: {}",
                known.join(", ")
            )])
        }
    }
}
