//! The blocks that there are many of: `[[tenants]]`, `[[partners]]`, `[[routes]]`, `[[tokens]]`; and
//! what must hold between them.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::reader::Reader;
use super::{PartnerBlock, is_name, partners as kinds, settings, validation};
use crate::ids::{Key, PartnerId, TenantId};
use crate::record::Kind;
use crate::record::consent::Purpose;
use crate::sync::attempt::LEASE_MARGIN;
use crate::sync::house::{Route, Settings, Tenant};
use crate::sync::judge::Rulings;
use crate::sync::room::Pace;
use crate::web::{Right, Token, TokenHash};

const NAME_RULE: &str = "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -";
const KEY_BYTES_MIN: usize = 32;

/// An id that may stand in addresses and logs, told once if it is missing or odd.
fn name(t: &mut Reader, key: &str) -> Option<String> {
    let text = t.need(key)?;
    if is_name(&text) {
        return Some(text);
    }
    t.fault(key, NAME_RULE);
    None
}

/// The tenant that a block names; it may be left out where there is only one.
fn tenant_of(t: &mut Reader, names: &[String]) -> Option<TenantId> {
    match (t.text("tenant"), names) {
        (Some(said), _) if names.contains(&said) => Some(TenantId::new(&said)),
        (Some(_), _) => {
            t.fault("tenant", "no such tenant");
            None
        }
        (None, [only]) => Some(TenantId::new(only)),
        (None, _) => {
            t.fault("tenant", "is missing (there are several tenants, or none)");
            None
        }
    }
}

fn http_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// The tenants that are right, and the names of all.
pub(super) fn tenants(root: &mut Reader, folder: &Path) -> (Vec<Tenant>, Vec<String>) {
    let mut tenants = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for mut t in root.tables("tenants", "id") {
        let id = name(&mut t, "id");
        let base = t.need("base").filter(|text| {
            let fine = http_address(text) && !text.ends_with('/');
            if !fine {
                t.fault(
                    "base",
                    "must be an http(s) address without a slash at its end",
                );
            }
            fine
        });
        let zone = t.need("zone").and_then(|text| {
            let zone = TimeZone::get(&text).ok();
            if zone.is_none() {
                t.fault("zone", "no such IANA time zone (like America/New_York)");
            }
            zone
        });
        let key = t.need("key_file").and_then(|file| {
            let bytes = match std::fs::read(folder.join(file)) {
                Ok(bytes) => bytes,
                Err(e) => {
                    t.fault("key_file", &format!("cannot be read: {}", e.kind()));
                    return None;
                }
            };
            if bytes.len() < KEY_BYTES_MIN {
                t.fault("key_file", "must hold at least 32 bytes");
                return None;
            }
            Some(Key::new(&bytes))
        });
        if let Some(id) = id {
            if names.contains(&id) {
                t.fault("id", "stands twice");
            }
            names.push(id.clone());
            if let (Some(base), Some(zone), Some(key)) = (base, zone, key) {
                tenants.push(Tenant {
                    id: TenantId::new(&id),
                    base,
                    zone,
                    key,
                });
            }
        }
        t.finish();
    }
    if names.is_empty() {
        root.fault("tenants", "there must be at least one [[tenants]] block");
    }
    (tenants, names)
}

/// A partner as far as its block could be read: enough for routes and tokens to name it.
pub(super) struct Read {
    tenant: TenantId,
    id: PartnerId,
    pub(super) block: Option<PartnerBlock>,
}

/// A partner's own keys that name files, by their ending: found beside the config, and they must be
/// there.
fn find_files(own: &mut toml::Table, folder: &Path, shown: &str, complain: &dyn Fn(&str)) {
    for (key, value) in own.iter_mut() {
        if let toml::Value::Table(inner) = value {
            find_files(inner, folder, &format!("{shown}.{key}"), complain);
        }
        let Some(file) = value.as_str().filter(|_| key.ends_with("_file")) else {
            continue;
        };
        let path = folder.join(file);
        if let Err(e) = std::fs::File::open(&path) {
            complain(&format!("{shown}.{key}: cannot be read: {}", e.kind()));
        }
        *value = toml::Value::String(path.to_string_lossy().into_owned());
    }
}

pub(super) fn partners(
    root: &mut Reader,
    folder: &Path,
    tenants: &[Tenant],
    names: &[String],
    core: &Settings,
) -> Vec<Read> {
    let mut out: Vec<Read> = Vec::new();
    for mut t in root.tables("partners", "id") {
        let tenant = tenant_of(&mut t, names);
        let id = name(&mut t, "id").map(|id| PartnerId::new(&id));
        let kind = t.need("kind");
        let party = t.text("party");
        let class = t.text("class");
        let order_by_patient = t.word("order", &[("chain", false), ("patient", true)], false);
        let pace = pace(&mut t);
        let timeout = Duration::from_millis(t.number("timeout_ms", 30_000, 10, 600_000));
        if timeout + LEASE_MARGIN >= core.lease {
            t.fault(
                "timeout_ms",
                "must be more than 2 s shorter than delivery.lease_s: nothing is sent under a lease that may end during the request",
            );
        }
        let policy = match t.table_if("retry") {
            None => core.policy.clone(),
            Some(mut retry) => {
                let policy = settings::policy(&mut retry, &core.policy);
                retry.finish();
                policy
            }
        };
        let rulings = validation::rulings(&mut t, Rulings::default());
        let named = tenant.clone().zip(id.clone());
        let twice = |(tenant, id): &(TenantId, PartnerId)| {
            out.iter().any(|p| p.tenant == *tenant && p.id == *id)
        };
        if named.as_ref().is_some_and(twice) {
            t.fault("id", "stands twice");
        }
        // What is wrong with its tenant or its name is told; its own keys are read all the same.
        let facts = tenants.iter().find(|x| Some(&x.id) == tenant.as_ref());
        let facts = facts.cloned().unwrap_or_else(nobody);
        let block = kind.map(|kind| PartnerBlock {
            tenant: facts.id.clone(),
            id: id.unwrap_or_else(|| PartnerId::new("unnamed")),
            kind,
            party,
            class,
            order_by_patient,
            pace,
            timeout,
            json: core.json,
            own: toml::Table::new(),
            policy,
            rulings,
        });
        let block = block.map(|mut block| {
            let shown = t.shown().to_owned();
            let complain = t.complainer();
            block.own = t.rest();
            find_files(&mut block.own, folder, &shown, &complain);
            if let Err(wrong) = kinds::build(&block, &facts) {
                wrong.iter().for_each(|w| complain(&format!("{shown}.{w}")));
            }
            block
        });
        if let Some((tenant, id)) = named {
            out.push(Read { tenant, id, block });
        }
    }
    out
}

/// How much a partner takes.
fn pace(t: &mut Reader) -> Pace {
    let concurrency_max = t.count("concurrency_max", 4, 1, 256);
    let concurrency_min = t.count("concurrency_min", 1, 1, 256);
    if concurrency_min > concurrency_max {
        t.fault("concurrency_min", "must not be more than concurrency_max");
    }
    Pace {
        concurrency_max,
        concurrency_min,
        rate_per_minute: t.number("rate_per_minute", 0, 0, 1_000_000),
        burst: t.number("burst", 10, 1, 10_000),
    }
}

/// A tenant to read a partner's keys by, where its own could not be read.
fn nobody() -> Tenant {
    Tenant {
        id: TenantId::new("unnamed"),
        base: "https://tenant.invalid".to_owned(),
        zone: TimeZone::UTC,
        key: Key::new(&[]),
    }
}

/// What routes and tokens may name.
pub(super) struct Known<'a> {
    tenants: &'a [String],
    /// Whether each can take part in a relay.
    partners: HashMap<(TenantId, PartnerId), bool>,
}

impl<'a> Known<'a> {
    pub(super) fn new(tenants: &'a [String], partners: &[Read]) -> Self {
        Known {
            tenants,
            partners: partners
                .iter()
                .map(|p| {
                    let kind = p.block.as_ref().map(|b| b.kind.as_str());
                    let relays = kind.is_none_or(kinds::relays);
                    ((p.tenant.clone(), p.id.clone()), relays)
                })
                .collect(),
        }
    }

    fn relays(&self, tenant: Option<&TenantId>, id: &PartnerId) -> bool {
        let known = tenant.and_then(|t| self.partners.get(&(t.clone(), id.clone())));
        *known.unwrap_or(&true)
    }

    fn partner(&self, tenant: Option<&TenantId>, id: &PartnerId) -> bool {
        tenant.is_none_or(|t| self.partners.contains_key(&(t.clone(), id.clone())))
    }
}

pub(super) fn routes(root: &mut Reader, known: &Known<'_>) -> Vec<Route> {
    let mut out: Vec<Route> = Vec::new();
    for mut t in root.tables("routes", "to") {
        let tenant = tenant_of(&mut t, known.tenants);
        let to = t.need("to").map(|id| PartnerId::new(&id));
        if to
            .as_ref()
            .is_some_and(|p| !known.partner(tenant.as_ref(), p))
        {
            t.fault("to", "no such partner");
        }
        let relay_from = t.text("relay_from").map(|id| PartnerId::new(&id));
        if relay_from
            .as_ref()
            .is_some_and(|p| !known.partner(tenant.as_ref(), p))
        {
            t.fault("relay_from", "no such partner");
        }
        for (key, end) in [("relay_from", &relay_from), ("to", &to)] {
            let relays = |p| known.relays(tenant.as_ref(), p);
            if relay_from.is_some() && !end.as_ref().is_none_or(relays) {
                t.fault(key, "a relay goes from and to partners that speak FHIR");
            }
        }
        if relay_from.is_some() && relay_from == to {
            t.fault("relay_from", "is the partner that it goes to");
        }
        let words = t.texts("kinds");
        let kinds: Vec<Kind> = words.iter().filter_map(|w| Kind::parse(w)).collect();
        if kinds.len() != words.len() {
            let all: Vec<&str> = Kind::ALL.iter().map(|k| k.as_str()).collect();
            t.fault("kinds", &format!("must be some of: {}", all.join(", ")));
        }
        let relay_types = t.texts("relay_types");
        let relay_part2 = t.flag("relay_part2", false);
        let relay_as_is = t.word("relay_check", &[("park", false), ("warn", true)], false);
        match (&relay_from, words.is_empty()) {
            (None, true) => t.fault("kinds", "is missing (or relay_from, for a relay)"),
            (Some(_), false) => t.fault("kinds", "a relay does not go by way of records"),
            (None, false) if !relay_types.is_empty() || relay_part2 || relay_as_is => {
                t.fault(
                    "relay_from",
                    "is missing: relay_types, relay_part2 and relay_check are of relays",
                );
            }
            _ => {}
        }
        let purpose = t.word(
            "purpose",
            &[
                ("treatment", Purpose::Treatment),
                ("payment", Purpose::Payment),
                ("operations", Purpose::Operations),
                ("family", Purpose::Family),
            ],
            Purpose::Treatment,
        );
        if let (Some(tenant), Some(to)) = (tenant, to) {
            let twice = out.iter().any(|r| {
                r.tenant == tenant
                    && r.to == to
                    && r.relay_from == relay_from
                    && (relay_from.is_some() || r.kinds.iter().any(|k| kinds.contains(k)))
            });
            if twice {
                t.fault("to", "an earlier route brings the same there");
            }
            out.push(Route {
                tenant,
                to,
                kinds,
                purpose,
                relay_from,
                relay_types,
                relay_part2,
                relay_as_is,
            });
        }
        t.finish();
    }
    out
}

pub(super) fn tokens(root: &mut Reader, known: &Known<'_>) -> Vec<Token> {
    let mut out = Vec::new();
    let mut names = BTreeSet::new();
    let mut hashes = BTreeSet::new();
    for mut t in root.tables("tokens", "name") {
        let tenant = tenant_of(&mut t, known.tenants);
        let caller = name(&mut t, "name");
        if caller.as_ref().is_some_and(|n| !names.insert(n.clone())) {
            t.fault("name", "stands twice");
        }
        let hash = t.need("sha256").and_then(|text| {
            let hash = TokenHash::parse(&text);
            if hash.is_none() {
                t.fault("sha256", "must be 64 characters of 0-9 a-f: the hash that `fhir-gateway token` prints, not the token");
            }
            hash
        });
        if hash.is_some_and(|h| !hashes.insert(h.hex())) {
            t.fault("sha256", "stands twice: one token, one caller");
        }
        let words = t.texts("rights");
        if words.is_empty() {
            t.fault("rights", "is missing or empty");
        }
        let mut rights = Vec::new();
        for word in &words {
            match Right::parse(word) {
                Some(Right::Inbound(p)) if !known.partner(tenant.as_ref(), &p) => {
                    t.fault("rights", "inbound: no such partner");
                }
                Some(right) => rights.push(right),
                None => t.fault(
                    "rights",
                    "must be some of: submit, read, operate, feed, metrics, inbound:<partner>",
                ),
            }
        }
        t.finish();
        if let (Some(tenant), Some(name), Some(hash)) = (tenant, caller, hash) {
            out.push(Token {
                name,
                tenant,
                hash,
                rights,
            });
        }
    }
    if out.is_empty() && names.is_empty() {
        root.fault(
            "tokens",
            "there must be at least one [[tokens]] block: without one nobody may do anything",
        );
    }
    out
}
