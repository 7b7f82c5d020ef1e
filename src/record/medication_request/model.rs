//! The shape of an order, typed. No rules, no mapping: see the neighbours.

use serde::{Deserialize, Serialize};

use crate::clock::{Date, Instant};
use crate::decimal::Decimal;
use crate::record::codes::codes;
use crate::record::drug::{Drug, Unit};

codes! {
    /// What an order is for.
    DrugClass {
        /// Antidepressant.
        Antidepressant = "antidepressant",
        /// Mood stabilizer.
        MoodStabilizer = "mood_stabilizer",
        /// Anxiolytic.
        Anxiolytic = "anxiolytic",
        /// Antipsychotic.
        Antipsychotic = "antipsychotic",
        /// Medication-assisted treatment of a substance use disorder.
        Mat = "MAT",
        /// Anything else.
        Other = "other",
    }
}

codes! {
    /// How often.
    Frequency {
        /// Once a day.
        QD = "QD",
        /// Twice a day.
        BID = "BID",
        /// Three times a day.
        TID = "TID",
        /// Four times a day.
        QID = "QID",
        /// In the morning.
        QAM = "QAM",
        /// In the evening.
        QPM = "QPM",
        /// At bedtime.
        QHS = "QHS",
        /// Every other day.
        QOD = "QOD",
        /// Every 4 hours.
        Q4H = "Q4H",
        /// Every 6 hours.
        Q6H = "Q6H",
        /// Every 8 hours.
        Q8H = "Q8H",
        /// Every 12 hours.
        Q12H = "Q12H",
        /// Once a week.
        Weekly = "WEEKLY",
        /// Every four weeks.
        Q4W = "Q4W",
        /// Once a month.
        Monthly = "MONTHLY",
        /// One time.
        Once = "ONCE",
        /// When needed, without a set frequency.
        Prn = "PRN",
        /// By `taper_steps`.
        Taper = "TAPER",
    }
}

codes! {
    /// By which road the drug reaches the client.
    Delivery {
        /// A retail pharmacy fills it: the only one that makes a SCRIPT message.
        Pharmacy = "pharmacy",
        /// The clinic hands it over.
        ClinicDispensed = "clinic_dispensed",
        /// A registered opioid treatment programme.
        Otp = "otp",
        /// Injected in the clinic.
        InjectionInClinic = "injection_in_clinic",
        /// The client says that they take it.
        HomeReported = "home_reported",
        /// Somebody else ordered it; an EHR told us.
        Outside = "outside",
    }
}

codes! {
    /// Where an order stands. From `sent` on it is derived from what comes back; a clinic may send its
    /// own view of it all the same.
    State {
        /// Proposed, not decided.
        Proposed = "proposed",
        /// The client is thinking it over.
        ClientConsidering = "client_considering",
        /// Not started, by the client or on the clinic's side; see `decline`.
        Declined = "declined",
        /// Signed by the prescriber.
        Signed = "signed",
        /// Sent to the pharmacy.
        Sent = "sent",
        /// The pharmacy has it.
        Acked = "acked",
        /// Filled.
        Filled = "filled",
        /// Filled in part.
        PartiallyFilled = "partially_filled",
        /// On hold.
        OnHold = "on_hold",
        /// Taken back before anything was handed over.
        Cancelled = "cancelled",
        /// Stopped.
        Discontinued = "discontinued",
        /// Over as planned.
        Completed = "completed",
        /// Entered in error.
        Error = "error",
    }
}

codes! {
    /// How often the pharmacy hands over a part.
    DispenseLimit {
        /// Every day.
        DailyPickup = "daily_pickup",
        /// Every week.
        WeeklyPickup = "weekly_pickup",
        /// Every two weeks.
        BiweeklyPickup = "biweekly_pickup",
        /// Every four weeks.
        FourWeeklyPickup = "four_weekly_pickup",
    }
}

codes! {
    /// Yes or no, as the clinic's tables write it.
    YesNo {
        /// Yes.
        Yes = "Y",
        /// No.
        No = "N",
    }
}

codes! {
    /// Why an order stands where it stands.
    ReasonCode {
        /// Another therapy was tried first or is better.
        AlternativeChosen = "alternative_chosen",
        /// Needs to be clarified.
        Clarification = "clarification",
        /// Level or dose too high.
        LevelTooHigh = "level_too_high",
        /// Admitted to a hospital.
        HospitalAdmission = "hospital_admission",
        /// Would disturb a laboratory test.
        LabInterference = "lab_interference",
        /// The client could not be reached.
        ClientNotAvailable = "client_not_available",
        /// Cannot be had.
        NotAvailable = "not_available",
        /// Pregnancy or breast-feeding.
        Pregnancy = "pregnancy",
        /// Allergy.
        Allergy = "allergy",
        /// Interacts with another drug.
        Interaction = "interaction",
        /// The same therapy is ordered already.
        Duplicate = "duplicate",
        /// Not tolerated.
        SideEffects = "side_effects",
        /// Surgery ahead.
        Surgery = "surgery",
        /// Washout.
        Washout = "washout",
        /// The client wishes so.
        ClientChoice = "client_choice",
        /// Did not help.
        Ineffective = "ineffective",
        /// Replaced by another order.
        Replaced = "replaced",
        /// Written by mistake.
        Mistake = "mistake",
        /// Anything else; see the text.
        Other = "other",
    }
}

codes! {
    /// Why a drug was declined.
    DeclineReason {
        /// Another treatment was asked for.
        AlternativeRequested = "alternative_requested",
        /// Side effects are feared.
        SideEffects = "side_effects",
        /// Beliefs.
        Beliefs = "beliefs",
        /// The taste.
        Taste = "taste",
        /// The cost.
        Cost = "cost",
        /// No reason was given.
        Unknown = "unknown",
        /// Anything else; see the text.
        Other = "other",
    }
}

codes! {
    /// A factor of two-factor signing (21 CFR 1311.115).
    Factor {
        /// Something known: a password.
        Knowledge = "knowledge",
        /// Something that one is.
        Biometric = "biometric",
        /// Something had: a hard token.
        HardToken = "hard_token",
    }
}

/// Days of a taper: `amount` of the order's dose unit from one day to another, day 1 being the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaperStep {
    /// First day, from 1.
    pub day_from: u32,
    /// Last day.
    pub day_to: u32,
    /// How much each time.
    pub amount: Decimal,
    /// How often; once a day where nothing stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_code: Option<Frequency>,
}

/// Why an order stands where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateReason {
    /// The reason.
    pub code: ReasonCode,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// That a drug was declined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// Whether the client declined (else the clinic).
    pub by_client: bool,
    /// Why.
    pub reason_code: DeclineReason,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_text: Option<String>,
    /// Whether the client was told what the drug does and what going without means.
    pub education_given: bool,
    /// When.
    pub date: Date,
}

/// Evidence of an electronic signature for a controlled drug (21 CFR part 1311).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epcs {
    /// When both factors were given: the moment of signing.
    pub signed_at: Instant,
    /// First factor.
    pub factor1: Factor,
    /// Second factor, another than the first.
    pub factor2: Factor,
    /// SHA-256, lower-case hex, of the canonical signed content.
    pub signature_hash: String,
    /// The registration it was signed under.
    pub dea_no: String,
}

/// One entry of the clinic's own history of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryEntry {
    /// When.
    pub at: Instant,
    /// What it became.
    pub state: State,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff_id: Option<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// An order for a drug. See the module for each field's place in FHIR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MedicationRequest {
    /// The clinic's order number.
    pub order_no: String,
    /// Version, from 1.
    pub version: u64,
    /// The client, where no episode says it (what an EHR tells us).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
    /// The stay it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode_id: Option<String>,
    /// The evaluation that found the problem it treats; with `problem_no`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_id: Option<String>,
    /// Which problem of the evaluation, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem_no: Option<u32>,
    /// Who prescribes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prescriber_staff_id: Option<String>,
    /// Who supervises the prescriber.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervising_id: Option<String>,
    /// Who ordered it outside, in words (`delivery` `outside` or `home_reported`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_prescriber: Option<String>,
    /// The drug.
    pub drug: Drug,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<DrugClass>,
    /// Why: ICD-10-CM code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indication_code: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indication_text: Option<String>,
    /// How much each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose_amount: Option<Decimal>,
    /// At most how much each time, where a range is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose_max: Option<Decimal>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose_unit: Option<Unit>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_code: Option<Frequency>,
    /// Only when needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_needed: bool,
    /// Needed for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_needed_reason: Option<String>,
    /// At most this much of the dose unit in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_day: Option<Decimal>,
    /// The steps of a taper, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taper_steps: Vec<TaperStep>,
    /// The directions as the client reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig_text: Option<String>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Date>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_date: Option<Date>,
    /// Not to be filled before (a series of schedule II prescriptions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_fill_date: Option<Date>,
    /// Not to be filled after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<Date>,
    /// For how many days one fill lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_supply: Option<u32>,
    /// How much one fill is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Decimal>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty_unit: Option<Unit>,
    /// Fills after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refills: Option<u32>,
    /// How often a part is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispense_limit: Option<DispenseLimit>,
    /// Whether the pharmacy may substitute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitute_ok: Option<YesNo>,
    /// Where it is filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pharmacy_id: Option<String>,
    /// By which road it reaches the client.
    pub delivery: Delivery,
    /// A note to the pharmacist; at most 210 characters (SCRIPT `Note`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pharmacy_note: Option<String>,
    /// A note for those who care.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Why it stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<StateReason>,
    /// That it was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline: Option<Decline>,
    /// When it was signed; not beside `epcs`, which says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Instant>,
    /// The day it was signed, where the moment is not known; not beside `epcs` or `signed_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_on: Option<Date>,
    /// Evidence of the signature for a controlled drug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epcs: Option<Epcs>,
    /// When the state's prescription monitoring programme was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdmp_checked_on: Option<Date>,
    /// The order that this one replaces or renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_order_no: Option<String>,
    /// To be reviewed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_due: Option<Date>,
    /// The clinic's own history of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
}
