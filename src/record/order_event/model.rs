//! The shape of an order's event, typed.

use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::record::codes::codes;

codes! {
    /// What happened.
    EventKind {
        /// The pharmacy's system took the message (Status).
        Acknowledged = "acknowledged",
        /// The pharmacy looked at it (Verify).
        Verified = "verified",
        /// The pharmacy refused it, or could not take it (Error).
        Error = "error",
        /// A cancel was done.
        CancelApproved = "cancel_approved",
        /// A cancel was not done.
        CancelDenied = "cancel_denied",
        /// It went to another pharmacy.
        Transferred = "transferred",
        /// The pharmacy asks to renew it.
        RenewalRequested = "renewal_requested",
        /// The pharmacy asks to change it.
        ChangeRequested = "change_requested",
        /// Somebody changed our order in an EHR.
        ChangedOutside = "changed_outside",
        /// The client refused it at the counter.
        PatientRefused = "patient_refused",
    }
}

codes! {
    /// By which road we know.
    EventSource {
        /// SCRIPT Status.
        Status = "status",
        /// SCRIPT Verify.
        Verify = "verify",
        /// SCRIPT Error.
        Error = "error",
        /// SCRIPT CancelRxResponse.
        CancelRxResponse = "cancel_rx_response",
        /// SCRIPT RxFill.
        RxFill = "rxfill",
        /// SCRIPT RxRenewalRequest or RxChangeRequest.
        PharmacyRequest = "pharmacy_request",
        /// FHIR.
        Fhir = "fhir",
        /// HL7 v2.
        Hl7v2 = "hl7v2",
        /// By telephone.
        Phone = "phone",
        /// The clinic.
        Clinic = "clinic",
    }
}

/// An event of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderEvent {
    /// Our id of the event.
    pub event_id: String,
    /// Version, from 1.
    pub version: u64,
    /// The order it is about.
    pub order_no: String,
    /// The client, where the order does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
    /// What happened.
    pub event: EventKind,
    /// By which road we know.
    pub source: EventSource,
    /// When it happened, or when we were told.
    pub at: Instant,
    /// The pharmacy it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pharmacy_id: Option<String>,
    /// The partner it comes from, by its name in the config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// The partner's main code (SCRIPT `Code`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The partner's further codes (SCRIPT `DescriptionCode`, `ReasonCode`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail_codes: Vec<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The pharmacy's prescription number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pharmacy_rx_no: Option<String>,
    /// The partner's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Our message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relates_to: Option<String>,
    /// Changed outside: the FHIR status it has there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_status: Option<String>,
    /// Changed outside: the elements that differ, by name, never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_elements: Vec<String>,
}
