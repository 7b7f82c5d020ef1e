//! The shape of a fill, typed.

use serde::{Deserialize, Serialize};

use crate::clock::{Date, Instant};
use crate::decimal::Decimal;
use crate::record::codes::codes;
use crate::record::drug::{Drug, Unit};

codes! {
    /// By which road we know of it.
    Source {
        /// SCRIPT RxFill.
        RxFill = "rxfill",
        /// HL7 v2 RDS.
        Rds = "rds",
        /// FHIR MedicationDispense.
        Fhir = "fhir",
        /// By telephone.
        Phone = "phone",
        /// The clinic handed it over, or gave it.
        Clinic = "clinic",
    }
}

codes! {
    /// What became of the fill.
    Status {
        /// Ready, not picked up yet.
        Ready = "ready",
        /// Handed over.
        Filled = "filled",
        /// Handed over in part.
        PartiallyFilled = "partially_filled",
        /// Not filled.
        NotFilled = "not_filled",
        /// Filled, never picked up, back in stock.
        Returned = "returned",
        /// Went to another pharmacy.
        Transferred = "transferred",
        /// Told in error.
        Error = "error",
    }
}

codes! {
    /// Why it was not filled, or not as ordered.
    ReasonCode {
        /// Too soon.
        TooSoon = "too_soon",
        /// No refills left, or expired.
        NoRefills = "no_refills",
        /// Not in stock.
        OutOfStock = "out_of_stock",
        /// Not made any more, or recalled.
        OffMarket = "off_market",
        /// Prior authorization missing or denied.
        NotCovered = "not_covered",
        /// The client did not want it, or did not come.
        ClientDeclined = "client_declined",
        /// Not the pharmacy the client wants.
        OtherPharmacy = "other_pharmacy",
        /// The client is not known there.
        ClientNotFound = "client_not_found",
        /// The prescription was stopped.
        Stopped = "stopped",
        /// The prescription is incomplete.
        Incomplete = "incomplete",
        /// Interaction or allergy.
        Safety = "safety",
        /// Anything else; see the text.
        Other = "other",
    }
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The reason.
    pub code: ReasonCode,
    /// The code as the pharmacy wrote it (SCRIPT `ReasonCode`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_code: Option<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A fill: what a pharmacy (or the clinic) handed over, or did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispense {
    /// Our id of the fill.
    pub fill_no: String,
    /// Version, from 1.
    pub version: u64,
    /// The order it answers.
    pub order_no: String,
    /// The client, where the order does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
    /// Who filled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pharmacy_id: Option<String>,
    /// By which road we know.
    pub source: Source,
    /// What became of it.
    pub status: Status,
    /// When we were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Instant>,
    /// When it was handed over, or was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_date: Option<Date>,
    /// Which fill of the order: 0 the first, 1 the first refill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_number: Option<u32>,
    /// How much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Decimal>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty_unit: Option<Unit>,
    /// For how many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Refills that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refills_left: Option<u32>,
    /// The pharmacy's prescription number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pharmacy_rx_no: Option<String>,
    /// What was handed over, where the pharmacy says it (a substitute may differ from the order).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drug: Option<Drug>,
    /// Whether something else than ordered was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substituted: Option<bool>,
    /// The directions on the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig_text: Option<String>,
    /// Why it was not filled, or not as ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The pharmacy's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
