//! What people do to deliveries: everything that a button or a command sets going and that is more than
//! one verb of the store.
//!
//! Decides and reads; writes only by verbs that keep who did it and why. Never shows a value of a record.

mod again;
mod dry;
mod edit;
mod partners;
pub mod replay;
mod reroute;
pub mod second;

use serde::Serialize;

pub(in crate::sync) use partners::again;
pub use partners::{PartnerState, overview, probe};
pub use reroute::reroute;

/// Limits of what people set going, each a key of the config.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Jobs a second of one replay, at most.
    pub replay_rate_max: u32,
    /// Jobs of one replay, at most.
    pub replay_jobs_max: u64,
    /// Jobs that a dry run compares with what was sent.
    pub replay_compared_max: usize,
    /// A replay of more jobs takes two people.
    pub two_replay_above: u64,
    /// Whether an edit takes two people.
    pub two_edit: bool,
    /// Whether it takes two people to say what became of an unclear prescription, or to send one whose
    /// earlier one may be live.
    pub two_resolve: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            replay_rate_max: 50,
            replay_jobs_max: 100_000,
            replay_compared_max: 200,
            two_replay_above: 100,
            two_edit: true,
            two_resolve: true,
        }
    }
}

macro_rules! refused {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $says:literal;)*) => {
        /// Why a person's wish is not carried out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Refused {
            $(#[doc = $says] $name,)*
        }

        impl Refused {
            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Refused::$name => $word,)* }
            }

            /// What is told.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Refused::$name => $says,)* }
            }
        }
    };
}

refused! {
    NoJob = "no-job", "there is no such job";
    NoPartner = "no-partner", "there is no such partner";
    NoEffect = "no-effect", "the job has no such resource that is still to be sent";
    Unreadable = "unreadable", "the stored record cannot be read any more";
    BytesGone = "bytes-gone", "the bytes of the job are past their retention";
    Signed = "signed", "an order is never edited here: its prescriber signs a new version in the clinic's system";
    Controlled = "controlled", "an order for a controlled drug goes elsewhere only with a new signature: its prescriber signs a new version that names the other pharmacy";
    NotEditable = "not-editable", "only copies for partners that speak FHIR are edited";
    NotParked = "not-parked", "only a parked job is edited";
    NotReroutable = "not-reroutable", "this job cannot go to a partner of that kind";
    NotAtRest = "not-at-rest", "the job is on its way, or has ended without being sent";
    SamePartner = "same-partner", "the job goes to that partner already";
    Unclear = "unclear", "an attempt of it was unclear: it may have arrived";
    MayBeThere = "may-be-there", "the first pharmacy did not refuse it and has not confirmed its cancel: cancel the order there first";
    Newer = "newer", "the clinic has ended or changed the order since: only what it holds now is prescribed";
    NoPharmacy = "no-pharmacy", "a prescription names the pharmacy record at the other partner";
    NotTaken = "not-taken", "that partner does not take this record";
    NoRoute = "no-route", "no route brings this kind of record to that partner";
    Consent = "consent", "no active consent covers that partner";
    NotValid = "not-valid", "what would be sent does not pass its profiles, or that partner's rules";
    Patch = "patch", "the patch must be a JSON object (RFC 7386) that changes something, and leaves alone the resource's type, id, identifiers, meta, patient, extensions, contained resources and references to what is ours";
    Moved = "moved", "the job or its record has moved meanwhile, or the record has a job at that partner already: look again";
}
