//! How a stage is set up: who is there, and the gateway's config.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use fhir_gateway::fault::Mutant;
use fhir_gateway::web::TokenHash;

use crate::cluster::Cluster;
use crate::door::TOKEN;
use crate::partner::Partner;

/// An EHR that honours `If-None-Exist`, takes transactions and understands chained searches, in the order of
/// each record.
pub(crate) const EHR: &str = "ehr-a";
/// One that is searched first, in the order of each patient.
pub(crate) const STRICT: &str = "ehr-b";
/// A pharmacy that answers 220 to a message that it has had.
pub(crate) const PHARMACY: &str = "pharmacy-a";
/// One that takes it for another prescription.
pub(crate) const UNKNOWING: &str = "pharmacy-b";

/// What is routed to an EHR.
pub(super) const TO_EHR: [&str; 4] = ["medication-request", "observation", "care-plan", "client"];
/// How a stage is set up.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) partners: &'static [&'static str],
    pub(crate) patients: usize,
    pub(crate) lease_s: u64,
    pub(crate) timeout_ms: u64,
    /// Seconds after each failed attempt.
    pub(crate) schedule_s: &'static [u64],
    /// Where the database is, if not in the stage's folder.
    pub(crate) data: Option<PathBuf>,
    /// Further lines for the block of a partner.
    pub(crate) more: Vec<(&'static str, String)>,
    pub(crate) mutant: Option<Mutant>,
    /// Gateways on one database.
    pub(crate) nodes: usize,
    /// The PostgreSQL that they share, and their database in it.
    pub(crate) postgres: Option<(&'static Cluster, &'static str)>,
}

impl Setup {
    pub(crate) fn new(name: &'static str, seed: u64, mutant: Option<Mutant>) -> Self {
        Setup {
            name,
            seed,
            partners: &[EHR, STRICT, PHARMACY],
            patients: 6,
            lease_s: 4,
            timeout_ms: 800,
            schedule_s: &[1; 30],
            data: None,
            more: Vec::new(),
            mutant,
            nodes: 1,
            postgres: None,
        }
    }

    /// The config of a node.
    pub(super) fn config(&self, at: &At<'_>) -> String {
        let At {
            node,
            listen,
            database,
            partners,
            addresses,
        } = *at;
        let store = match self.postgres {
            Some((cluster, database)) => format!(
                // Short, so that what a stopped node holds is given up while it is stopped.
                "url = \"{}\"\nstatement_timeout_ms = 2000",
                cluster.address(database)
            ),
            None => format!("path = \"{}\"", database.display()),
        };
        let mut text = format!(
            "[server]\nlisten = \"{}\"\ndrain_ms = 2000\n[store]\n{store}\nfree_mb_min = 1\n\
             [log]\nfilter = \"info\"\n[people]\ntwo_resolve = false\n[audit]\nevery_s = 10\ngrace_s = 86400\n\
             [delivery]\nnode = \"node-{node}\"\nlease_s = {}\npoll_ms = 50\ncancel_silence_s = 86400\n\
             [retry]\nschedule_s = {:?}\noverload_s = 1\noutage_s = 1\nask_every_s = 0\nasks_max = 500\n\
             [[tenants]]\nid = \"clinic\"\nbase = \"https://clinic.example\"\nzone = \"America/New_York\"\n\
             key_file = \"tenant.key\"\n",
            listen, self.lease_s, self.schedule_s,
        );
        let mut rights = vec!["submit", "read", "operate"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        for partner in partners {
            let name = partner.name();
            let told = addresses.iter().find(|(n, _)| *n == name);
            let base = told.map_or_else(
                || format!("http://{}", partner.address()),
                |(_, address)| address.clone(),
            );
            let block = match name {
                EHR => format!(
                    "kind = \"ehr-fhir\"\nurl = \"{base}/fhir\"\ncreate = \"conditional\"\n\
                     transaction_entries_max = 50\nchained_search = true\npatients = \"created\"\n"
                ),
                STRICT => format!(
                    "kind = \"ehr-fhir\"\nurl = \"{base}/fhir\"\norder = \"patient\"\npatients = \"created\"\n"
                ),
                PHARMACY => format!(
                    "kind = \"ncpdp-script\"\nurl = \"{base}/script\"\nncpdp_ids = [\"7701630\"]\n\
                     duplicates = \"answers-220\"\n"
                ),
                _ => format!(
                    "kind = \"ncpdp-script\"\nurl = \"{base}/script\"\nncpdp_ids = [\"7701648\"]\n"
                ),
            };
            let kinds: &[&str] = match name {
                EHR | STRICT => &TO_EHR,
                _ => &TO_EHR[..1],
            };
            let _ = write!(
                text,
                "[[partners]]\nid = \"{name}\"\ntimeout_ms = {}\n{block}",
                self.timeout_ms
            );
            for (_, line) in self.more.iter().filter(|(n, _)| *n == name) {
                let _ = writeln!(text, "{line}");
            }
            let _ = write!(text, "[[routes]]\nto = \"{name}\"\nkinds = {kinds:?}\n");
            rights.push(format!("inbound:{name}"));
        }
        let hash = TokenHash::of(TOKEN).hex();
        let _ = write!(
            text,
            "[[tokens]]\nname = \"clinic\"\nsha256 = \"{hash}\"\nrights = {rights:?}\n"
        );
        text
    }
}

/// What a node's config says of here and now.
pub(super) struct At<'a> {
    pub(super) node: usize,
    pub(super) listen: SocketAddr,
    pub(super) database: &'a Path,
    pub(super) partners: &'a [Partner],
    /// Addresses instead of partners' own.
    pub(super) addresses: &'a [(&'a str, String)],
}
