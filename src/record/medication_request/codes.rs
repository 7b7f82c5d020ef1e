//! Codes of an order in FHIR: status, intent, category, reasons. Verified codes only; the clinic's own
//! list stands beside them.

use super::{DeclineReason, Delivery, DispenseLimit, ReasonCode, State};

pub(super) const CATEGORY: &str =
    "http://terminology.hl7.org/CodeSystem/medicationrequest-category";
pub(super) const STATUS_REASON: &str =
    "http://terminology.hl7.org/CodeSystem/medicationrequest-status-reason";

/// `MedicationRequest.status`. A declined order is cancelled, never `doNotPerform`.
pub(super) const fn status(state: State) -> &'static str {
    match state {
        State::Proposed | State::ClientConsidering => "draft",
        State::Declined | State::Cancelled => "cancelled",
        State::Signed | State::Sent | State::Acked | State::Filled | State::PartiallyFilled => {
            "active"
        }
        State::OnHold => "on-hold",
        State::Discontinued => "stopped",
        State::Completed => "completed",
        State::Error => "entered-in-error",
    }
}

/// The state that a status means where nobody says more; `None` for `unknown`.
pub(super) fn state(status: &str) -> Option<State> {
    Some(match status {
        "draft" => State::Proposed,
        "active" => State::Signed,
        "on-hold" => State::OnHold,
        "cancelled" => State::Cancelled,
        "stopped" => State::Discontinued,
        "completed" => State::Completed,
        "entered-in-error" => State::Error,
        _ => return None,
    })
}

/// `MedicationRequest.intent`: an order only if somebody ordered it (us-core-21).
pub(super) const fn intent(state: State, has_requester: bool) -> &'static str {
    match state {
        State::Proposed | State::ClientConsidering | State::Declined => "proposal",
        _ if has_requester => "order",
        _ => "plan",
    }
}

/// US Core's category.
pub(super) const fn category(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Pharmacy | Delivery::HomeReported | Delivery::Outside => "community",
        Delivery::ClinicDispensed | Delivery::Otp | Delivery::InjectionInClinic => "outpatient",
    }
}

/// Days between two pick-ups.
pub(super) const fn interval(limit: DispenseLimit) -> u32 {
    match limit {
        DispenseLimit::DailyPickup => 1,
        DispenseLimit::WeeklyPickup => 7,
        DispenseLimit::BiweeklyPickup => 14,
        DispenseLimit::FourWeeklyPickup => 28,
    }
}

/// SNOMED CT: drug declined by patient, or a child of it that says why.
pub(super) const fn snomed_decline(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::SideEffects => "182897004",
        DeclineReason::Beliefs => "182900006",
        DeclineReason::Taste => "182896008",
        DeclineReason::Unknown => "182903008",
        DeclineReason::AlternativeRequested | DeclineReason::Cost | DeclineReason::Other => {
            "182895007"
        }
    }
}

/// The code of HL7's list of reasons, where there is one.
pub(super) const fn status_reason(reason: ReasonCode) -> Option<&'static str> {
    Some(match reason {
        ReasonCode::AlternativeChosen => "altchoice",
        ReasonCode::Clarification => "clarif",
        ReasonCode::LevelTooHigh => "drughigh",
        ReasonCode::HospitalAdmission => "hospadm",
        ReasonCode::LabInterference => "labint",
        ReasonCode::ClientNotAvailable => "non-avail",
        ReasonCode::Pregnancy => "preg",
        ReasonCode::Allergy => "salg",
        ReasonCode::Interaction => "sddi",
        ReasonCode::Duplicate => "sdupther",
        ReasonCode::SideEffects => "sintol",
        ReasonCode::Surgery => "surg",
        ReasonCode::Washout => "washout",
        ReasonCode::NotAvailable
        | ReasonCode::ClientChoice
        | ReasonCode::Ineffective
        | ReasonCode::Replaced
        | ReasonCode::Mistake
        | ReasonCode::Other => return None,
    })
}

/// The clinic's reason for a code of HL7's list.
pub(super) fn reason_of(code: &str) -> Option<ReasonCode> {
    ReasonCode::ALL
        .iter()
        .copied()
        .find(|r| status_reason(*r) == Some(code))
}
