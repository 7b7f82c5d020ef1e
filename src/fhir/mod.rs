//! Floor 1: the language of FHIR R4, and nothing of ours.
//!
//! Resources stay JSON (`serde_json::Value`): what we do not know is carried, not dropped. This floor
//! is pure, synchronous, `Send + Sync`; it never reads a clock and never opens a socket.

pub mod artefact;
pub mod facts;
pub mod package;
pub mod path;
#[cfg(test)]
pub(crate) mod shared;
pub mod validate;

/// Well-known system addresses (FHIR R4 terminologies page).
pub mod system {
    /// RxNorm.
    pub const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
    /// LOINC.
    pub const LOINC: &str = "http://loinc.org";
    /// SNOMED CT.
    pub const SNOMED: &str = "http://snomed.info/sct";
    /// National Drug Code.
    pub const NDC: &str = "http://hl7.org/fhir/sid/ndc";
    /// ICD-10-CM.
    pub const ICD10CM: &str = "http://hl7.org/fhir/sid/icd-10-cm";
    /// UCUM units.
    pub const UCUM: &str = "http://unitsofmeasure.org";
    /// US National Provider Identifier.
    pub const NPI: &str = "http://hl7.org/fhir/sid/us-npi";
    /// v3 ActCode (security labels among them).
    pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    /// v3 ActReason.
    pub const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
    /// v3 Confidentiality.
    pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    /// Observation categories.
    pub const OBSERVATION_CATEGORY: &str =
        "http://terminology.hl7.org/CodeSystem/observation-category";
    /// Why a value is missing.
    pub const DATA_ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    /// Observation interpretation.
    pub const INTERPRETATION: &str =
        "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
    /// Identifier types (v2 table 0203).
    pub const V2_0203: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
}
