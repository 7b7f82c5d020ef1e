//! The keys of a pharmacy's block, and the client that they make.
//!
//! Messages name keys and never values.

use std::time::Duration;

use crate::partner::settings::Settings;
use crate::partner::wire::HttpSettings;

/// The manual's page of this kind.
pub const DOC: &str = r#"# A pharmacy, or a network of pharmacies, that speaks NCPDP SCRIPT 2017071 over HTTP.
# Where messages are posted to.
url = "https://pharmacy.example/script"
# The pharmacies that are reached there, by NCPDP provider id: an order goes only where its pharmacy is.
# Left out: all pharmacies (a network).
#ncpdp_ids = ["7701630"]
# What it does with a MessageID that it has had already: "answers-220" says so and dispenses nothing, so
# that an unclear message may be sent again to find out; "unknown": a person decides. Ask the pharmacy;
# a wrong "answers-220" can hand a drug out twice.
duplicates = "unknown"
# Who we are in its directory, with SCRIPT's qualifier: C clinic, D prescriber, ZZZ agreed upon.
# Left out: the prescriber's NPI, as D.
#from = "1003000134001"
#from_qualifier = "C"
# Whether it is asked to tell of each fill (RxFillIndicator).
fill_statuses = true
# What is read (GET) to see whether it is up again after an outage; left out: url. Any answer counts but
# 401, 408, 429, a redirect and 5xx.
#probe_url = "https://pharmacy.example/health"
# Media type of what is posted.
media_type = "application/xml"
# The bearer token: the first line of a file, read at each attempt, or, less well, `bearer` itself.
#bearer_file = "pharmacy.token"
# Certificates that are trusted besides the system's.
#ca_file = "pharmacy-ca.pem"
# Name look-up, connecting and TLS at most; what fails here is charged to the partner, not the message.
connect_timeout_ms = 5000
# Bytes of an answer that are read at most.
answer_bytes_max = 1048576
# Headers sent with every request.
#headers = { "x-account" = "clinic" }
"#;

/// What a pharmacy does with a MessageID that it has had already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// Nobody knows.
    Unknown,
    /// Error 220, and nothing else.
    Answers220,
}

/// Who we are in the receiver's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Qualifier of `From`.
    pub qualifier: &'static str,
    /// `From`; the prescriber's NPI where there is none.
    pub id: Option<String>,
}

impl Default for Sender {
    fn default() -> Self {
        Sender {
            qualifier: "D",
            id: None,
        }
    }
}

/// What messages of ours look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Who we are.
    pub sender: Sender,
    /// Whether fills are asked for.
    pub fill_statuses: bool,
}

/// A pharmacy's address and habits.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where messages go.
    pub url: String,
    /// What is read to see whether it is up.
    pub probe_url: String,
    /// The pharmacies there; empty: all.
    pub ncpdp_ids: Vec<String>,
    /// Repeats.
    pub duplicates: Duplicates,
    /// Our messages.
    pub manner: Manner,
    /// Their media type.
    pub media_type: String,
    /// The client.
    pub http: HttpSettings,
}

impl Config {
    /// Reads the block.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(mut s: Settings, timeout: Duration) -> Result<Config, Vec<String>> {
        let ncpdp_ids = s.texts("ncpdp_ids");
        let seven = |id: &String| id.len() == 7 && id.bytes().all(|b| b.is_ascii_digit());
        if !ncpdp_ids.iter().all(seven) {
            s.fault("ncpdp_ids", "must be ids of 7 digits each");
        }
        let url = s.url("url");
        let probe_url = if s.has("probe_url") {
            s.url("probe_url")
        } else {
            url.clone()
        };
        let media_type = s.text_or("media_type", "application/xml");
        let printable = |b: u8| b.is_ascii_graphic() || b == b' ';
        if !media_type.contains('/') || !media_type.bytes().all(printable) {
            s.fault("media_type", "must be a media type");
        }
        let config = Config {
            url,
            probe_url,
            ncpdp_ids,
            duplicates: s.one_of(
                "duplicates",
                &[
                    ("unknown", Duplicates::Unknown),
                    ("answers-220", Duplicates::Answers220),
                ],
                Duplicates::Unknown,
            ),
            manner: Manner {
                sender: sender(&mut s),
                fill_statuses: s.flag("fill_statuses", true),
            },
            media_type,
            http: HttpSettings::read(&mut s, timeout, 1 << 20, 4 << 20),
        };
        s.finish(config)
    }
}

fn sender(s: &mut Settings) -> Sender {
    let id = s.text_opt("from");
    let told = s.has("from_qualifier");
    let qualifier = s.one_of(
        "from_qualifier",
        &[("C", "C"), ("D", "D"), ("ZZZ", "ZZZ")],
        if id.is_some() { "C" } else { "D" },
    );
    match &id {
        None if told => s.fault("from_qualifier", "says nothing without from"),
        Some(id) if id.chars().count() > 35 => s.fault("from", "must be at most 35 characters"),
        _ => {}
    }
    Sender { qualifier, id }
}
