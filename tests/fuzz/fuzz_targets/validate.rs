//! Any bytes as a resource, against its type and a profile that the first byte names: issues, within a time that goes
//! with the size, without a panic; and what is printed of them is itself a sound resource.

#![no_main]

use std::sync::OnceLock;

use fhir_gateway::fhir::validate::{Options, Validator, outcome};
use libfuzzer_sys::fuzz_target;

const PROFILES: &[&str] = &[
    "http://hl7.org/fhir/StructureDefinition/bp",
    "http://hl7.org/fhir/StructureDefinition/vitalsigns",
    "http://hl7.org/fhir/StructureDefinition/familymemberhistory-genetic",
    "http://hl7.org/fhir/StructureDefinition/Observation",
    "http://hl7.org/fhir/StructureDefinition/no-such",
];

fn validator() -> &'static Validator {
    static MADE: OnceLock<Validator> = OnceLock::new();
    MADE.get_or_init(|| {
        Validator::load(Options {
            known_extensions_only: true,
            example_addresses: false,
            ..Options::default()
        })
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let profile = PROFILES.get(usize::from(*first)).copied();
    let asked: Vec<&str> = profile.into_iter().collect();
    let read = validator().check_text(rest, &asked);
    let told = outcome(&read.issues);
    if read.issues.len() < 50 {
        let wrong = validator().check(&told, &[]);
        // Paths hold names that came with the input: odd ones may break lexical rules of a text, never structure.
        assert!(!wrong.iter().any(|issue| issue.code == "structure" && issue.is_error()), "{wrong:?}");
    }
});
