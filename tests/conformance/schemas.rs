//! The JSON Schemas that partners get, held against the validator: for every resource type of R4 and every profile of
//! US Core 7.0.0, official examples, resources made by chance from the schema, and mutations of both.
//!
//! What a schema refuses the validator must refuse, too; what the validator finds structurally sound the schema must
//! take. The same seed gives the same resources.

use std::collections::BTreeMap;

use fastrand::Rng;
use fhir_gateway::fhir::facts::Kind;
use fhir_gateway::fhir::validate::Validator;
use serde_json::{Map, Value, json};

use crate::figures::Figures;
use crate::material::Material;

/// Rules about structure, all of which a schema can tell.
const STRUCTURAL: &[&str] = &[
    "resource-type",
    "type",
    "unknown-element",
    "array",
    "null",
    "empty-array",
    "empty-object",
    "choice",
    "cardinality-min",
    "cardinality-max",
];

/// Resources made by chance for one schema, and mutations of each resource.
const MADE: usize = 12;
const MUTATIONS: usize = 8;
/// How deep what is made by chance goes.
const DEPTH: usize = 4;

const US_CORE: &str = "hl7.fhir.us.core#7.0.0";

pub(crate) fn run(material: &Material, figures: &mut Figures) {
    let core = material.package("hl7.fhir.r4.core#4.0.1");
    let us_core = material.package(US_CORE);
    let base = material.validator(&[]);
    let with_profiles = material.validator(&[US_CORE.to_owned()]);
    let examples = examples(material);
    let mut all = Held::default();
    let is_type = |kind: Kind, is_abstract: bool| kind == Kind::Resource && !is_abstract;
    for each in &core.structures {
        if is_type(each.kind, each.is_abstract) && !each.profile {
            all.hold(&base, &each.type_name, None, &examples);
        }
    }
    for each in &us_core.structures {
        if is_type(each.kind, each.is_abstract) && each.profile {
            all.hold(&with_profiles, &each.type_name, Some(&each.url), &examples);
        }
    }
    if figures.verbose {
        println!(
            "{} schemas, {} resources, {} refused by both",
            all.schemas, all.of, all.refused
        );
        let both = all.odd.iter().take(40).chain(&all.missed);
        both.for_each(|line| println!("SCHEMA {line}"));
    }
    figures.row(
        "schemas: faults of structure found",
        all.found,
        all.faulty,
        95.0,
    );
    figures.row(
        "schemas: as the validator says",
        all.of - all.odd.len(),
        all.of,
        100.0,
    );
}

/// Published resources by type, a few of each.
fn examples(material: &Material) -> BTreeMap<String, Vec<Value>> {
    let mut out: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for kind in ["MedicationRequest", "Observation", "CarePlan", "referenced"] {
        for line in material.lines(&format!("conformance/corpus/{kind}.ndjson.zst")) {
            let mut line: Value = serde_json::from_str(&line).expect("a line of JSON");
            let resource = line["resource"].take();
            let kind = resource["resourceType"].as_str().unwrap_or_default();
            let own = out.entry(kind.to_owned()).or_default();
            if own.len() < 40 {
                own.push(resource);
            }
        }
    }
    out
}

#[derive(Default)]
struct Held {
    schemas: usize,
    of: usize,
    refused: usize,
    faulty: usize,
    found: usize,
    odd: Vec<String>,
    missed: Vec<String>,
}

impl Held {
    fn hold(
        &mut self,
        validator: &Validator,
        kind: &str,
        profile: Option<&str>,
        examples: &BTreeMap<String, Vec<Value>>,
    ) {
        let name = profile.unwrap_or(kind);
        let Some(schema) = validator.schema(name) else {
            self.of += 1;
            self.odd.push(format!("{name} has no schema"));
            return;
        };
        let compiled = jsonschema::validator_for(&schema).expect("a schema that compiles");
        self.schemas += 1;
        let seed = name
            .bytes()
            .fold(7_u64, |sum, b| sum.wrapping_mul(31) + u64::from(b));
        let mut chance = Rng::with_seed(seed);
        let made = (0..MADE).map(|_| {
            let mut made = object(&schema, kind, &mut chance, DEPTH);
            made.insert("resourceType".to_owned(), kind.into());
            Value::Object(made)
        });
        let mut seeds: Vec<Value> = made.collect();
        seeds.extend(examples.get(kind).into_iter().flatten().cloned());
        let asked: Vec<&str> = profile.into_iter().collect();
        for seed in seeds {
            for n in 0..=MUTATIONS {
                let mut one = seed.clone();
                for _ in 0..n.min(1 + n / 4) {
                    mutate(&mut one, &mut chance);
                }
                self.one(validator, &compiled, name, &asked, &one);
            }
        }
    }

    fn one(
        &mut self,
        validator: &Validator,
        compiled: &jsonschema::Validator,
        name: &str,
        asked: &[&str],
        resource: &Value,
    ) {
        let issues = validator.check(resource, asked);
        // A narrative with nothing in it is refused as a narrative.
        let structural = |rule: &str| {
            STRUCTURAL.contains(&rule) || rule.starts_with("primitive-") || rule == "narrative"
        };
        let wrong = issues
            .iter()
            .find(|issue| issue.is_error() && structural(&issue.rule));
        let takes = compiled.is_valid(resource);
        self.of += 1;
        match (takes, wrong) {
            (false, None) => {
                let why = compiled
                    .iter_errors(resource)
                    .next()
                    .map(|error| error.instance_path().to_string());
                self.odd.push(format!(
                    "{name}: the schema alone refuses at {why:?}: {resource}"
                ));
            }
            (false, Some(_)) => self.refused += 1,
            (true, _) => {}
        }
        let of_the_type = issues.iter().any(|issue| {
            let inside = ["contained", ".resource", ".outcome"]
                .iter()
                .any(|name| issue.path.contains(name));
            issue.profile.is_none() && !inside && STRUCTURAL.contains(&&*issue.rule)
        });
        self.faulty += usize::from(of_the_type);
        self.found += usize::from(of_the_type && !takes);
        if of_the_type && takes && self.missed.len() < 40 {
            let rules: Vec<&str> = issues.iter().map(|issue| &*issue.rule).collect();
            self.missed
                .push(format!("{name}: the schema takes {rules:?}: {resource}"));
        }
    }
}

/// An object of a definition: what it needs, and some of what it may have.
fn object(schema: &Value, path: &str, chance: &mut Rng, depth: usize) -> Map<String, Value> {
    let definition = &schema["$defs"][path];
    let mut wanted: Vec<String> = Vec::new();
    for rule in definition["allOf"].as_array().into_iter().flatten() {
        let any = rule["anyOf"].as_array().into_iter().flatten();
        let names: Vec<&str> = any
            .filter_map(|each| each["required"][0].as_str())
            .collect();
        let plain = names.iter().find(|name| !name.starts_with('_')).copied();
        wanted.extend(plain.map(str::to_owned));
    }
    let properties = definition["properties"].as_object();
    let names: Vec<&String> = properties.into_iter().flat_map(Map::keys).collect();
    let more = if depth == 0 { 0 } else { chance.usize(0..4) };
    for _ in 0..more {
        if let Some(name) = chance.choice(&names) {
            wanted.push((*name).clone());
        }
    }
    if wanted.is_empty() {
        wanted.extend(
            names
                .iter()
                .find(|name| name.as_str() == "id")
                .map(|name| (*name).clone()),
        );
    }
    let mut out = Map::new();
    for name in wanted {
        if let Some(made) = value(schema, &definition["properties"][&name], chance, depth) {
            out.insert(name, made);
        }
    }
    out
}

/// A value of a property's schema; `None` for what is not made (resources, what would go too deep).
fn value(schema: &Value, of: &Value, chance: &mut Rng, depth: usize) -> Option<Value> {
    if let Some(reference) = of["$ref"].as_str() {
        let path = reference.rsplit('/').next().unwrap_or_default();
        let inner = object(schema, path, chance, depth.checked_sub(1)?);
        return (!inner.is_empty()).then_some(Value::Object(inner));
    }
    if let Some(any) = of["anyOf"].as_array() {
        return value(schema, any.first()?, chance, depth);
    }
    if let Some(only) = of.get("const") {
        return Some(only.clone());
    }
    match of["type"].as_str()? {
        "array" => Some(json!([value(schema, &of["items"], chance, depth)?])),
        "boolean" => Some(json!(chance.bool())),
        "integer" => Some(json!(1)),
        "number" => Some(json!(1.5)),
        "string" => {
            const TRIED: &[&str] = &["a", "2026-01-01", "2026-01-01T00:00:00Z", "10:00:00"];
            let Some(pattern) = of["pattern"].as_str() else {
                return Some(json!("text"));
            };
            let pattern = regex::Regex::new(pattern).ok()?;
            TRIED
                .iter()
                .find(|text| pattern.is_match(text))
                .map(|text| json!(text))
        }
        _ => None,
    }
}

/// One change at a place by chance.
fn mutate(value: &mut Value, chance: &mut Rng) {
    let mut places = Vec::new();
    pointers(value, String::new(), &mut places);
    let Some(place) = chance.choice(&places).cloned() else {
        return;
    };
    let Some(target) = value.pointer_mut(&place) else {
        return;
    };
    match chance.u8(0..12) {
        0 => *target = Value::Null,
        1 => *target = json!([]),
        2 => *target = json!({}),
        3 => *target = json!([target.clone()]),
        4 => *target = json!("text"),
        5 => *target = json!(7),
        6 => *target = json!(true),
        7 => *target = json!(""),
        8 => {
            if let Value::Array(items) = target {
                *target = items.first().cloned().unwrap_or_default();
            }
        }
        9 => {
            if let Value::Array(items) = target {
                let again = items.clone();
                items.extend(again);
            }
        }
        10 => {
            if let Value::Object(map) = target {
                let name = [
                    "stray",
                    "value",
                    "_status",
                    "valueString",
                    "id",
                    "extension",
                ];
                let name = chance.choice(name).unwrap_or("stray");
                map.insert(name.to_owned(), json!("text"));
            }
        }
        _ => {
            if let Value::Object(map) = target {
                let names: Vec<String> = map.keys().cloned().collect();
                if let Some(name) = chance.choice(&names) {
                    map.shift_remove(name);
                }
            }
        }
    }
}

/// The places of a document, its root included.
fn pointers(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                pointers(
                    inner,
                    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
                    into,
                );
            }
        }
        Value::Array(items) => {
            for (n, inner) in items.iter().enumerate() {
                pointers(inner, format!("{at}/{n}"), into);
            }
        }
        _ => {}
    }
    into.push(at);
}
