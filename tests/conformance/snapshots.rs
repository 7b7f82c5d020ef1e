//! Snapshots generated from differentials, beside the published ones of the same profiles.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fhir_gateway::fhir::facts::{Definitions, Element, Structure};
use fhir_gateway::fhir::package::{self, Caps, Package};
use fhir_gateway::fhir::validate::{Options, Validator};
use fhir_gateway::issue::Issue;
use serde_json::Value;

use crate::figures::Figures;
use crate::material::Material;

const PACKAGES: &[&str] = &[
    "hl7.fhir.r4.core-4.0.1",
    "hl7.fhir.uv.extensions.r4-5.3.0-ballot-tc1",
    "hl7.fhir.us.core-3.1.1",
    "hl7.fhir.us.core-6.1.0",
    "hl7.fhir.us.core-7.0.0",
    "hl7.fhir.us.core-8.0.0",
];

const US_CORE_7: &str = "hl7.fhir.us.core#7.0.0";

const MARK: &str = "#generated";

pub(crate) fn run(material: &Material, figures: &mut Figures) {
    let (mut same, mut all) = (0, 0);
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    for name in PACKAGES {
        let mut shown = 0;
        let mut definitions = Definitions::default();
        let mut read = |name: &str, twice: bool| {
            let bytes = material.bytes(&format!("packages/{name}.tgz"));
            package::files(&bytes, &Caps::default(), |file, bytes| {
                if !file.starts_with("StructureDefinition-") {
                    return Ok(());
                }
                let mut value: Value = package::parse(bytes)?;
                definitions.add(&value);
                let profile = value["derivation"] == "constraint";
                if twice && profile && value.get("differential").is_some() {
                    let map = value.as_object_mut().expect("an object");
                    map.remove("snapshot");
                    let url = format!("{}{MARK}", value["url"].as_str().unwrap_or_default());
                    value["url"] = url.into();
                    definitions.add(&value);
                }
                Ok(())
            })
            .expect("a package");
        };
        if name.contains("us.core") || name.contains("extensions") {
            read(PACKAGES[0], false);
        }
        if name.contains("us.core") {
            read(PACKAGES[1], false);
        }
        read(name, true);
        // What is derived from something that is in none of the packages cannot be made.
        let orphans = definitions.complete();
        let published: HashMap<&str, &Structure> = definitions
            .structures
            .iter()
            .map(|each| (each.url.as_str(), each))
            .collect();
        for made in &definitions.structures {
            let Some(url) = made.url.strip_suffix(MARK) else {
                continue;
            };
            let Some(wanted) = published.get(url).filter(|_| !orphans.contains(&made.url)) else {
                continue;
            };
            let own: HashMap<&str, &Element> = made
                .elements
                .iter()
                .map(|each| (each.id.as_str(), each))
                .collect();
            for element in &wanted.elements {
                all += 1;
                let wrong = own
                    .get(element.id.as_str())
                    .map_or(Some("missing"), |own| differs(element, own));
                match wrong {
                    None => same += 1,
                    Some(kind) => {
                        *kinds.entry(kind).or_default() += 1;
                        if figures.verbose && shown < 80 {
                            shown += 1;
                            println!("SNAPSHOT {name} {kind} {url} {}", element.id);
                        }
                    }
                }
            }
        }
    }
    if figures.verbose {
        println!("snapshots differ by {kinds:?}");
    }
    figures.row("snapshots: elements as published", same, all, 99.0);
}

/// US Core 7.0.0 without its snapshots, as a package of differentials ships: the same issues on its own examples.
pub(crate) fn from_differentials(material: &Material, figures: &mut Figures) {
    let published = material.validator(&[US_CORE_7.to_owned()]);
    let bytes = material.bytes("packages/hl7.fhir.us.core-7.0.0.tgz");
    let mut package = Package::default();
    package::files(&bytes, &Caps::default(), |file, bytes| {
        if package::passed_over(file) {
            return Ok(());
        }
        let mut value = package::parse(bytes)?;
        if value["resourceType"] == "StructureDefinition" {
            let map = value.as_object_mut().expect("an object");
            assert!(map.contains_key("differential"), "{file} has one");
            map.remove("snapshot");
        }
        package.definitions.add(&value);
        Ok(())
    })
    .expect("a package");
    let generated = Validator::load(Options {
        packages: vec![package],
        ..Options::default()
    });
    // One is derived from a profile of a package that is not in the material.
    let orphan = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-questionnaireresponse";
    assert_eq!(generated.unusable(), [orphan]);
    let (mut same, mut all) = (0, 0);
    let told = |validator: &Validator, resource: &Value| -> BTreeSet<String> {
        let issues = validator.check(resource, &[]).into_iter();
        let one = |issue: Issue| format!("{:?} {} {}", issue.severity, issue.rule, issue.path);
        issues.map(one).collect()
    };
    for kind in ["MedicationRequest", "Observation", "CarePlan"] {
        for line in material.lines(&format!("conformance/corpus/{kind}.ndjson.zst")) {
            let line: Value = serde_json::from_str(&line).expect("a line of JSON");
            if !line["src"]
                .as_str()
                .is_some_and(|src| src.starts_with(US_CORE_7))
            {
                continue;
            }
            let resource = &line["resource"];
            // As it is, and with each of its elements taken away: sound and faulty ones.
            let names: Vec<String> = resource
                .as_object()
                .expect("an object")
                .keys()
                .cloned()
                .collect();
            for without in std::iter::once("").chain(names.iter().map(String::as_str)) {
                let mut less = resource.clone();
                less.as_object_mut().expect("an object").remove(without);
                let (ours, theirs) = (told(&generated, &less), told(&published, &less));
                all += 1;
                same += usize::from(ours == theirs);
                if ours != theirs && figures.verbose {
                    let only: Vec<_> = ours.symmetric_difference(&theirs).collect();
                    println!(
                        "DIFFERENTIAL {} without {without}: {only:?}",
                        resource["id"]
                    );
                }
            }
        }
    }
    figures.row("US Core 7.0.0 by its differentials: same", same, all, 100.0);
}

fn plain(url: &str) -> &str {
    url.split('|').next().unwrap_or(url)
}

/// By what an element differs from the published one, if it does.
fn differs(wanted: &Element, own: &Element) -> Option<&'static str> {
    let codes = |element: &Element| -> Vec<(String, Vec<String>, Vec<String>)> {
        let strip = |all: &[String]| all.iter().map(|url| plain(url).to_owned()).collect();
        element
            .types
            .iter()
            .map(|kind| {
                // A resource's id: R4's own definitions say string, later ones id.
                let own_id =
                    element.path.matches('.').count() == 1 && element.path.ends_with(".id");
                let code = if own_id { "id" } else { &kind.code };
                (code.to_owned(), strip(&kind.profiles), strip(&kind.targets))
            })
            .collect()
    };
    let bound = |element: &Element| {
        let (strength, set) = element.binding.as_ref()?;
        Some((*strength, plain(set).to_owned()))
    };
    if wanted.min != own.min || wanted.max != own.max {
        return Some("cardinality");
    }
    if codes(wanted) != codes(own) {
        return Some("types");
    }
    if wanted.fixed != own.fixed || wanted.pattern != own.pattern {
        return Some("fixed");
    }
    if bound(wanted) != bound(own) {
        return Some("binding");
    }
    if wanted.slice != own.slice {
        return Some("slice name");
    }
    let slicing = |element: &Element| {
        let facts = element.slicing.as_ref()?;
        Some((facts.discriminators.clone(), facts.rules.clone()))
    };
    if slicing(wanted) != slicing(own) {
        return Some("slicing");
    }
    let lacks = wanted
        .constraints
        .iter()
        .any(|each| own.constraints.iter().all(|other| other.key != each.key));
    lacks.then_some("constraints")
}
