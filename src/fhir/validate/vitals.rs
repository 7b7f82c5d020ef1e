//! R4's vital-signs profiles by LOINC code: they hold for an Observation that has the code, whether
//! it claims them or not (R4 says so, on the page of the vital signs).

use serde_json::Value;

use crate::fhir::system;

const PROFILES: &[(&str, &str)] = &[
    (
        "85353-1",
        "http://hl7.org/fhir/StructureDefinition/vitalspanel",
    ),
    ("9279-1", "http://hl7.org/fhir/StructureDefinition/resprate"),
    (
        "8867-4",
        "http://hl7.org/fhir/StructureDefinition/heartrate",
    ),
    (
        "2708-6",
        "http://hl7.org/fhir/StructureDefinition/oxygensat",
    ),
    ("8310-5", "http://hl7.org/fhir/StructureDefinition/bodytemp"),
    (
        "8302-2",
        "http://hl7.org/fhir/StructureDefinition/bodyheight",
    ),
    (
        "9843-4",
        "http://hl7.org/fhir/StructureDefinition/headcircum",
    ),
    (
        "29463-7",
        "http://hl7.org/fhir/StructureDefinition/bodyweight",
    ),
    ("39156-5", "http://hl7.org/fhir/StructureDefinition/bmi"),
    ("85354-9", "http://hl7.org/fhir/StructureDefinition/bp"),
    // Kinds of a sign, known by their own codes: the profile wants the general code beside them.
    ("8331-1", "http://hl7.org/fhir/StructureDefinition/bodytemp"),
    (
        "8306-3",
        "http://hl7.org/fhir/StructureDefinition/bodyheight",
    ),
    (
        "59408-5",
        "http://hl7.org/fhir/StructureDefinition/oxygensat",
    ),
    // A systolic pressure, or the old panel, as the own code: the profile wants the panel.
    ("8480-6", "http://hl7.org/fhir/StructureDefinition/bp"),
    ("55284-4", "http://hl7.org/fhir/StructureDefinition/bp"),
];

/// Codes of SNOMED CT that stand for a sign as well as its LOINC code does, as HL7's validator has it.
const BY_SNOMED: &[(&str, &str)] = &[(
    "276885007",
    "http://hl7.org/fhir/StructureDefinition/bodytemp",
)];

/// The profiles that an Observation must meet for its code.
pub(super) fn profiles(resource: &Value) -> Vec<&'static str> {
    let codings = resource.pointer("/code/coding").and_then(Value::as_array);
    let mut out = Vec::new();
    for coding in codings.into_iter().flatten() {
        let table = match coding.get("system").and_then(Value::as_str) {
            Some(system::LOINC) => PROFILES,
            Some(system::SNOMED) => BY_SNOMED,
            _ => continue,
        };
        let Some(code) = coding.get("code").and_then(Value::as_str) else {
            continue;
        };
        for (own, profile) in table {
            if *own == code && !out.contains(profile) {
                out.push(*profile);
            }
        }
    }
    out
}
