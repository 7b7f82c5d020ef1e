//! A relay: FHIR from partner A becomes what goes to partner B. Pure.
//!
//! Adds one identifier of ours and rewrites references to resources of A; nothing else: decimals keep
//! their digits, unknown elements and extensions stay (contracts section 4). The identity of a relayed
//! resource is (source partner, type, source id), which is also its chain; `id` becomes our id of it,
//! which the partner's encoder replaces by B's. References that name a place outside A (absolute
//! addresses, `urn:`, `#contained`) and searches (`Patient?…`) are left as they are.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::ids::PartnerId;
use crate::issue::Issue;
use crate::record::MapEnv;

/// The kind of a relayed thing, in chains, versions and identifiers.
pub const OTHER: &str = "other";

/// Types that have no `identifier` in R4.
const NO_IDENTIFIER: &[&str] = &[
    "AuditEvent",
    "Binary",
    "CapabilityStatement",
    "CompartmentDefinition",
    "GraphDefinition",
    "ImplementationGuide",
    "Linkage",
    "MessageHeader",
    "NamingSystem",
    "OperationDefinition",
    "OperationOutcome",
    "Parameters",
    "Provenance",
    "SearchParameter",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "TerminologyCapabilities",
];

/// Types whose `identifier` is one, not a list.
const ONE_IDENTIFIER: &[&str] = &[
    "Bundle",
    "Composition",
    "QuestionnaireResponse",
    "SubstanceSpecification",
];

/// Something of the source's that is known as ours: what one of our records became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// Our id of it.
    pub our_id: String,
    /// Our identifier of it, as FHIR.
    pub identifier: Value,
}

/// Something that a relayed resource refers to, by relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its type.
    pub resource_type: String,
    /// Our id of it.
    pub our_id: String,
    /// `partner/type/id`: its record id, of kind [`OTHER`].
    pub record_id: String,
}

/// A resource, ready to be checked and encoded for another partner.
#[derive(Clone, Debug)]
pub struct Relayed {
    /// The resource.
    pub resource: Value,
    /// Its type.
    pub resource_type: String,
    /// Our id of it: its `id`.
    pub our_id: String,
    /// `partner/type/id`: its record id, of kind [`OTHER`]; its chain is `other/` and this.
    pub record_id: String,
    /// What it refers to, each once, itself aside.
    pub needs: Vec<Need>,
}

/// The record id of something of a partner's: `partner/type/id`.
#[must_use]
pub fn record_id(source: &PartnerId, resource_type: &str, source_id: &str) -> String {
    format!("{source}/{resource_type}/{source_id}")
}

/// Our id of something of a partner's.
#[must_use]
pub fn our_id(env: &MapEnv, source: &PartnerId, resource_type: &str, source_id: &str) -> String {
    env.key
        .resource_id(OTHER, &record_id(source, resource_type, source_id), "")
}

/// Our identifier of something that is relayed. Its value is our id, which tells B nothing of A.
#[must_use]
pub fn identifier(env: &MapEnv, our_id: &str) -> Value {
    json!({"system": format!("{}/id/{OTHER}", env.base), "value": our_id})
}

/// Makes of a resource of `source` what goes on. `lookup` answers for (type, id at the source) whether
/// that is a copy of something of ours (by the source's crosswalk).
///
/// # Errors
/// It has no type or no id, or a field that is no FHIR in the place of `identifier`.
pub fn relay(
    resource: &Value,
    source: &PartnerId,
    env: &MapEnv,
    lookup: &dyn Fn(&str, &str) -> Option<Ours>,
) -> Result<Relayed, Issue> {
    let missing = |rule, path, message| Issue::error("required", rule, path, message);
    let Some(resource_type) = resource["resourceType"].as_str() else {
        return Err(missing("resource-type", "", "it is no FHIR resource"));
    };
    let resource_type = resource_type.to_owned();
    let Some(source_id) = resource["id"].as_str() else {
        return Err(missing(
            "relay-id",
            "id",
            "a resource without an id has no name to be relayed under",
        ));
    };
    let own = our_id(env, source, &resource_type, source_id);
    let mut out = Relayed {
        resource: resource.clone(),
        our_id: own,
        record_id: record_id(source, &resource_type, source_id),
        resource_type,
        needs: Vec::new(),
    };
    let mut rewriting = Rewriting {
        source,
        env,
        lookup,
        needs: Vec::new(),
    };
    rewriting.walk(&mut out.resource);
    out.needs = rewriting.needs;
    out.needs.retain(|n| n.our_id != out.our_id);
    if let Some(fields) = out.resource.as_object_mut() {
        fields.insert("id".to_owned(), Value::from(out.our_id.clone()));
        add_identifier(fields, &out.resource_type, identifier(env, &out.our_id))?;
    }
    Ok(out)
}

fn add_identifier(
    fields: &mut Map<String, Value>,
    resource_type: &str,
    ours: Value,
) -> Result<(), Issue> {
    if NO_IDENTIFIER.contains(&resource_type) {
        return Ok(());
    }
    let single = ONE_IDENTIFIER.contains(&resource_type);
    match fields.get_mut("identifier") {
        None if single => {
            fields.insert("identifier".to_owned(), ours);
        }
        None => {
            fields.insert("identifier".to_owned(), Value::Array(vec![ours]));
        }
        // There is room for one only, and theirs stays.
        Some(Value::Object(_)) if single => {}
        Some(Value::Array(items)) if !single => items.push(ours),
        Some(_) => {
            return Err(Issue::error(
                "structure",
                "relay-identifier",
                "identifier",
                "the identifier has not the shape that the type asks for",
            ));
        }
    }
    Ok(())
}

/// What a resource refers to at its source: (type, id), each once.
#[must_use]
pub fn references(resource: &Value) -> Vec<(String, String)> {
    fn walk(value: &Value, out: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => {
                let found = fields
                    .get("reference")
                    .and_then(Value::as_str)
                    .and_then(local)
                    .map(|(resource_type, id)| (resource_type.to_owned(), id.to_owned()));
                out.extend(found);
                fields.values().for_each(|child| walk(child, out));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut out = Vec::new();
    walk(resource, &mut out);
    out.sort_unstable();
    out.dedup();
    out
}

/// Names what a resource refers to of ours as we name it; everything else stays.
pub fn name_ours(value: &mut Value, ours: &HashMap<(String, String), Ours>) {
    match value {
        Value::Object(fields) => {
            let found = fields
                .get("reference")
                .and_then(Value::as_str)
                .and_then(local)
                .and_then(|(t, id)| {
                    let key = (t.to_owned(), id.to_owned());
                    Some((ours.get(&key)?, key.0))
                });
            if let Some((found, resource_type)) = found {
                let reference = format!("{resource_type}/{}", found.our_id);
                fields.insert("reference".to_owned(), Value::from(reference));
                fields.insert("type".to_owned(), Value::from(resource_type));
                fields.insert("identifier".to_owned(), found.identifier.clone());
            }
            fields.values_mut().for_each(|child| name_ours(child, ours));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_ours(item, ours)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Rewriting<'a> {
    source: &'a PartnerId,
    env: &'a MapEnv,
    lookup: &'a dyn Fn(&str, &str) -> Option<Ours>,
    needs: Vec<Need>,
}

impl Rewriting<'_> {
    fn walk(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                // An Expression has a `reference`, too, which is an address and no Reference.
                let expression = fields.contains_key("language");
                if !expression {
                    self.rewrite(fields);
                }
                fields.values_mut().for_each(|child| self.walk(child));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Names what a Reference refers to by our id, with its type and, where it has none, our identifier
    /// beside it, so that it can stand without the address.
    fn rewrite(&mut self, fields: &mut Map<String, Value>) {
        let local = fields
            .get("reference")
            .and_then(Value::as_str)
            .and_then(local)
            .map(|(resource_type, id)| (resource_type.to_owned(), id.to_owned()));
        let Some((resource_type, source_id)) = local else {
            return;
        };
        let (our_id, identifier) = match (self.lookup)(&resource_type, &source_id) {
            Some(ours) => (ours.our_id, ours.identifier),
            None => {
                let our_id = our_id(self.env, self.source, &resource_type, &source_id);
                let need = Need {
                    record_id: record_id(self.source, &resource_type, &source_id),
                    resource_type: resource_type.clone(),
                    our_id: our_id.clone(),
                };
                if !self.needs.contains(&need) {
                    self.needs.push(need);
                }
                let identifier = identifier(self.env, &our_id);
                (our_id, identifier)
            }
        };
        fields.insert(
            "reference".to_owned(),
            Value::from(format!("{resource_type}/{our_id}")),
        );
        fields
            .entry("type")
            .or_insert_with(|| Value::from(resource_type));
        fields.entry("identifier").or_insert(identifier);
    }
}

/// Type and id of `Type/id`, with a version or without; `None` for any other address.
fn local(reference: &str) -> Option<(&str, &str)> {
    let mut parts = reference.split('/');
    let (resource_type, id) = (parts.next()?, parts.next()?);
    match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) | (Some("_history"), Some(_), None) => {}
        _ => return None,
    }
    let is_type = resource_type.starts_with(|c: char| c.is_ascii_uppercase())
        && resource_type.bytes().all(|b| b.is_ascii_alphabetic());
    let is_id = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    (is_type && is_id).then_some((resource_type, id))
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
