//! R4 inside the binary: one compact file of facts, made from `hl7.fhir.r4.core` by a command of ours.
//!
//! Gzipped JSON lines: a heading, then one definition a line in FHIR's own shape, cut down to facts
//! (see [`super::facts`]), ordered by address. The same package gives the same bytes. No text meant
//! for people is in it, and no code list of LOINC or SNOMED but those that R4 binds as required.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use serde_json::Value;

use super::facts::{Definitions, reduce};
use super::package::{self, Caps, PackageError};

/// The artefact that is embedded: `fhir-profiles/r4.jsonl.gz`.
const EMBEDDED: &[u8] = include_bytes!("../../fhir-profiles/r4.jsonl.gz");

/// Code systems whose lists belong to others than HL7: taken only as far as a value set names codes.
const NOT_OURS_TO_COPY: &[&str] = &["http://dicom.nema.org/resources/ontology/DCM"];

/// Makes the artefact's bytes from a package.
///
/// # Errors
/// What is wrong with the package.
pub fn build(tgz: &[u8]) -> Result<Vec<u8>, PackageError> {
    let mut kept: BTreeMap<(u8, String), Value> = BTreeMap::new();
    let mut name = String::new();
    let mut sets: BTreeMap<String, Value> = BTreeMap::new();
    let mut required = BTreeSet::new();
    package::files(tgz, &Caps::default(), |file, bytes| {
        if package::passed_over(file) {
            return Ok(());
        }
        let value = package::parse(bytes)?;
        let url = text(&value, "url");
        match value.get("resourceType").and_then(Value::as_str) {
            Some("StructureDefinition") if wanted(&value) => {
                required_sets(&value, &mut required);
                kept.insert((0, url), reduce::structure(&value));
            }
            Some("CodeSystem") if !NOT_OURS_TO_COPY.contains(&url.as_str()) => {
                kept.insert((2, url), reduce::system(&value));
            }
            Some("ValueSet") => {
                sets.insert(url, value);
            }
            _ if file == "package.json" => {
                name = format!("{}#{}", text(&value, "name"), text(&value, "version"));
            }
            _ => {}
        }
        Ok(())
    })?;
    add_imports(&sets, &mut required);
    for (url, set) in sets {
        if required.contains(&url) || small(&set) {
            kept.insert((1, url), reduce::set(&set));
        }
    }
    let write = |out: &mut dyn Write| -> std::io::Result<()> {
        let heading = serde_json::json!({"artefact": 1, "source": name, "licence": "CC0-1.0"});
        writeln!(out, "{heading}")?;
        for value in kept.values() {
            writeln!(out, "{value}")?;
        }
        Ok(())
    };
    let best = flate2::Compression::best();
    let mut gz = flate2::GzBuilder::new().mtime(0).write(Vec::new(), best);
    write(&mut gz)
        .and_then(|()| gz.finish())
        .map_err(PackageError::Archive)
}

/// All definitions of the embedded artefact.
///
/// # Panics
/// Never in a built binary: a test reads the same bytes.
#[must_use]
pub fn embedded() -> Definitions {
    let mut lines = String::new();
    let read = flate2::read::GzDecoder::new(EMBEDDED).read_to_string(&mut lines);
    debug_assert!(read.is_ok(), "the embedded artefact is whole");
    let mut definitions = Definitions::default();
    for line in lines.lines().skip(1) {
        if let Ok(value) = serde_json::from_str::<Value>(line) {
            definitions.add(&value);
        }
    }
    definitions
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Types, data type profiles, extensions and resource profiles; no logical models, no examples, and
/// of the profiles on results, which fix codes of LOINC, the vital signs only.
fn wanted(structure: &Value) -> bool {
    let vital = |key: &str| text(structure, key).ends_with("/StructureDefinition/vitalsigns");
    let results = ["Observation", "DiagnosticReport"].contains(&text(structure, "type").as_str())
        && text(structure, "derivation") == "constraint";
    (!results || vital("url") || vital("baseDefinition"))
        && text(structure, "kind") != "logical"
        && structure.get("snapshot").is_some()
        && !text(structure, "id").starts_with("example-")
}

fn required_sets(structure: &Value, required: &mut BTreeSet<String>) {
    let elements = structure.pointer("/snapshot/element");
    for element in elements.and_then(Value::as_array).into_iter().flatten() {
        if let Some(binding) = element.get("binding")
            && text(binding, "strength") == "required"
        {
            let url = text(binding, "valueSet");
            let plain = url.split('|').next().unwrap_or(&url);
            required.insert(plain.to_owned());
        }
    }
}

fn parts(set: &Value) -> impl Iterator<Item = &Value> {
    ["/compose/include", "/compose/exclude"]
        .into_iter()
        .filter_map(|pointer| set.pointer(pointer)?.as_array())
        .flatten()
}

fn add_imports(sets: &BTreeMap<String, Value>, required: &mut BTreeSet<String>) {
    let mut open: Vec<String> = required.iter().cloned().collect();
    while let Some(url) = open.pop() {
        let Some(set) = sets.get(&url) else { continue };
        for part in parts(set) {
            for import in part
                .get("valueSet")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let import = import.as_str().unwrap_or_default();
                let plain = import.split('|').next().unwrap_or(import).to_owned();
                if required.insert(plain.clone()) {
                    open.push(plain);
                }
            }
        }
    }
}

/// A set that is built from HL7's own systems and names none of their codes: a few words.
fn small(set: &Value) -> bool {
    let mut parts = parts(set).peekable();
    parts.peek().is_some()
        && parts.all(|part| {
            let system = text(part, "system");
            let own = system.starts_with("http://hl7.org/")
                || system.starts_with("http://terminology.hl7.org/");
            own && part.get("valueSet").is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_artefact_holds_all_types_and_the_vital_signs_profiles() {
        let definitions = embedded();
        let urls: BTreeSet<&str> = definitions
            .structures
            .iter()
            .map(|structure| structure.url.as_str())
            .collect();
        for name in [
            "Observation",
            "MedicationRequest",
            "CarePlan",
            "Quantity",
            "SimpleQuantity",
        ]
        .iter()
        .chain(&[
            "string",
            "vitalsigns",
            "bp",
            "bmi",
            "patient-birthPlace",
            "Extension",
        ]) {
            let url = format!("http://hl7.org/fhir/StructureDefinition/{name}");
            assert!(urls.contains(url.as_str()), "{name}");
        }
        assert!(definitions.systems.len() > 900 && definitions.sets.len() > 250);
        assert!(
            definitions
                .structures
                .iter()
                .all(|each| !each.elements.is_empty())
        );
    }

    #[test]
    fn the_embedded_artefact_holds_no_prose() {
        let mut lines = String::new();
        flate2::read::GzDecoder::new(EMBEDDED)
            .read_to_string(&mut lines)
            .expect("whole");
        for key in [
            "definition",
            "comment",
            "short",
            "human",
            "requirements",
            "description",
            "title",
        ] {
            assert!(!lines.contains(&format!("\"{key}\":")), "{key}");
        }
    }

    /// Needs the shared material; says so where it is not there.
    #[test]
    fn building_it_again_gives_the_same_bytes() {
        let file = "hl7.fhir.r4.core-4.0.1.tgz";
        let Some(tgz) = crate::fhir::shared::read(&format!("packages/{file}")) else {
            return;
        };
        assert!(
            build(&tgz).expect("builds") == EMBEDDED,
            "run build-artefact again"
        );
    }
}
