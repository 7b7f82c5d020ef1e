//! What the simulated EHR keeps, and the interactions on it. No I/O.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Options, Request, pairs};
use crate::demo::sim::order::Order;

/// A resource that the EHR keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Type.
    pub resource_type: String,
    /// Its id there.
    pub id: String,
    /// Its version there.
    pub version: u64,
    /// The content, with `id` and `meta.versionId` of the EHR.
    pub resource: Value,
}

/// What was done, and what is answered.
#[derive(Debug, Default)]
pub struct Done {
    pub status: u16,
    pub body: Option<Value>,
    pub location: Option<String>,
    pub version: Option<u64>,
    pub retry_after: Option<u64>,
    pub ours: Option<String>,
    pub theirs: Option<String>,
    pub outcome: &'static str,
}

#[derive(Clone, Debug)]
pub struct Keep {
    options: Options,
    pub(super) next: u64,
    kept: BTreeMap<(String, String), Kept>,
    /// What a transaction under way makes, or has found.
    pub(super) promised: Vec<(String, String)>,
    pub order: Order,
}

impl Keep {
    pub fn new(options: Options) -> Self {
        Keep {
            options,
            next: 1,
            kept: BTreeMap::new(),
            promised: Vec::new(),
            order: Order::default(),
        }
    }

    pub fn all(&self) -> Vec<Kept> {
        self.kept.values().cloned().collect()
    }

    pub fn insert(&mut self, resource: Value) -> String {
        let resource_type = text(&resource["resourceType"]);
        let id = format!("e{:06}", self.next);
        self.next += 1;
        self.store(&resource_type, &id, 1, resource);
        id
    }

    pub fn edit(&mut self, resource_type: &str, id: &str, change: impl FnOnce(&mut Value)) {
        if let Some(kept) = self.kept.get(&key(resource_type, id)).cloned() {
            let mut resource = kept.resource;
            change(&mut resource);
            self.store(resource_type, id, kept.version + 1, resource);
        }
    }

    pub fn delete(&mut self, resource_type: &str, id: &str) {
        self.kept.remove(&key(resource_type, id));
    }

    fn store(&mut self, resource_type: &str, id: &str, version: u64, mut resource: Value) {
        if let Some(fields) = resource.as_object_mut() {
            fields.insert("id".to_owned(), json!(id));
            let meta = fields.entry("meta").or_insert_with(|| json!({}));
            meta["versionId"] = json!(version.to_string());
        }
        self.kept.insert(
            key(resource_type, id),
            Kept {
                resource_type: resource_type.to_owned(),
                id: id.to_owned(),
                version,
                resource,
            },
        );
    }

    pub fn duplicates(&self) -> u64 {
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for kept in self.kept.values() {
            for name in names(&kept.resource) {
                *seen.entry(name).or_default() += 1;
            }
        }
        seen.values().map(|n| n - 1).sum()
    }

    pub fn handle(&mut self, request: &Request<'_>) -> Done {
        match (request.method, request.path.as_slice()) {
            (&Method::GET, ["metadata"]) => Done {
                status: 200,
                body: Some(json!({
                    "resourceType": "CapabilityStatement",
                    "status": "active",
                    "kind": "instance",
                    "fhirVersion": "4.0.1",
                    "format": ["application/fhir+json"],
                })),
                outcome: "metadata",
                ..Done::default()
            },
            (&Method::GET, [resource_type]) => self.search(resource_type, &request.query),
            (&Method::GET, [resource_type, id]) => self.read(resource_type, id),
            (&Method::POST, []) if self.options.transactions => self.transaction(request),
            (&Method::POST, [resource_type]) => self.create(resource_type, request),
            (&Method::PUT, [resource_type, id]) => self.update(resource_type, id, request),
            _ => refused(405, "not-supported"),
        }
    }

    fn read(&self, resource_type: &str, id: &str) -> Done {
        match self.kept.get(&key(resource_type, id)) {
            Some(kept) => Done {
                status: 200,
                body: Some(kept.resource.clone()),
                version: Some(kept.version),
                theirs: Some(id.to_owned()),
                outcome: "found",
                ..Done::default()
            },
            None => Done {
                outcome: "nothing",
                ..refused(404, "not-found")
            },
        }
    }

    /// What matches.
    pub(super) fn matches(&self, resource_type: &str, query: &[(String, String)]) -> Vec<&Kept> {
        self.kept
            .values()
            .filter(|k| k.resource_type == resource_type)
            .filter(|k| query.iter().all(|(name, value)| self.has(k, name, value)))
            .collect()
    }

    /// Whether it has what a parameter asks for; one that is not known is ignored, as most EHRs do.
    fn has(&self, kept: &Kept, name: &str, value: &str) -> bool {
        let resource = &kept.resource;
        let about = |reference: &str| {
            let targets = resource["target"].as_array();
            targets.is_some_and(|all| all.iter().any(|t| t["reference"] == reference))
        };
        match name {
            "identifier" => identifiers(resource)
                .any(|(system, v)| format!("{system}|{v}") == value.replace('\\', "")),
            "target" => about(value),
            "recorded" => resource["recorded"] == value,
            "_id" => kept.id == value,
            _ => match chain(name).filter(|_| self.options.chains) {
                Some((resource_type, name)) => self
                    .matches(resource_type, &[(name.to_owned(), value.to_owned())])
                    .iter()
                    .any(|target| about(&format!("{resource_type}/{}", target.id))),
                None => true,
            },
        }
    }

    fn search(&self, resource_type: &str, query: &[(String, String)]) -> Done {
        let offset = query
            .iter()
            .find(|(name, _)| name == "_offset")
            .and_then(|(_, v)| v.parse().ok())
            .unwrap_or(0);
        let found = self.matches(resource_type, query);
        let total = found.len();
        let entries: Vec<Value> = found
            .into_iter()
            .skip(offset)
            .take(self.options.page)
            .map(|k| json!({"resource": k.resource, "search": {"mode": "match"}}))
            .collect();
        let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": total});
        if offset + self.options.page < total {
            let mut next: Vec<String> = query
                .iter()
                .filter(|(name, _)| name != "_offset")
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            next.push(format!("_offset={}", offset + self.options.page));
            bundle["link"] = json!([{
                "relation": "next",
                "url": format!("{resource_type}?{}", next.join("&")),
            }]);
        }
        if !entries.is_empty() {
            bundle["entry"] = Value::Array(entries);
        }
        Done {
            status: 200,
            body: Some(bundle),
            outcome: if total == 0 { "nothing" } else { "found" },
            ..Done::default()
        }
    }

    fn create(&mut self, resource_type: &str, request: &Request<'_>) -> Done {
        let resource = match self.body(resource_type, request) {
            Ok(resource) => resource,
            Err(done) => return done,
        };
        let condition = header(request, "if-none-exist").filter(|_| self.options.conditional);
        if let Some(condition) = condition {
            let found = self.matches(resource_type, &pairs(&condition));
            match found.as_slice() {
                [] => {}
                [one] => {
                    return Done {
                        status: 200,
                        location: Some(format!(
                            "{resource_type}/{}/_history/{}",
                            one.id, one.version
                        )),
                        version: Some(one.version),
                        ours: names(&resource).into_iter().next(),
                        theirs: Some(one.id.clone()),
                        outcome: "there-already",
                        ..Done::default()
                    };
                }
                _ => return refused(412, "multiple-matches"),
            }
        }
        self.took_effect(request);
        let ours = names(&resource).into_iter().next();
        let id = self.insert(resource);
        Done {
            status: 201,
            location: Some(format!("{resource_type}/{id}/_history/1")),
            version: Some(1),
            ours,
            theirs: Some(id),
            outcome: "created",
            ..Done::default()
        }
    }

    fn update(&mut self, resource_type: &str, id: &str, request: &Request<'_>) -> Done {
        let resource = match self.body(resource_type, request) {
            Ok(resource) => resource,
            Err(done) => return done,
        };
        if resource["id"] != id {
            return refused(400, "invalid");
        }
        let Some(version) = self.kept.get(&key(resource_type, id)).map(|k| k.version) else {
            return refused(404, "not-found");
        };
        match header(request, "if-match") {
            Some(known) if known != format!("W/\"{version}\"") => {
                return Done {
                    outcome: "stale",
                    ..refused(412, "conflict")
                };
            }
            None if self.options.if_match => return refused(400, "required"),
            _ => {}
        }
        self.took_effect(request);
        let ours = names(&resource).into_iter().next();
        self.store(resource_type, id, version + 1, resource);
        Done {
            status: 200,
            version: Some(version + 1),
            ours,
            theirs: Some(id.to_owned()),
            outcome: "updated",
            ..Done::default()
        }
    }

    fn took_effect(&mut self, request: &Request<'_>) {
        if let Some(record) = header(request, "gateway-record") {
            self.order.note(&record);
        }
    }

    fn body(&self, resource_type: &str, request: &Request<'_>) -> Result<Value, Done> {
        let resource: Value =
            serde_json::from_slice(request.body).map_err(|_| refused(400, "structure"))?;
        if resource["resourceType"] != resource_type {
            return Err(refused(400, "invalid"));
        }
        if self.options.integrity {
            let mut named = Vec::new();
            references(&resource, &mut named);
            let known = |name: &&str| {
                name.split_once('/')
                    .map(|(t, id)| key(t, id))
                    .is_some_and(|k| self.kept.contains_key(&k) || self.promised.contains(&k))
            };
            if !named.iter().all(known) {
                return Err(Done {
                    outcome: "refused-reference",
                    ..refused(400, "not-found")
                });
            }
        }
        Ok(resource)
    }
}

fn key(resource_type: &str, id: &str) -> (String, String) {
    (resource_type.to_owned(), id.to_owned())
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Type and parameter of `target:Type.parameter` (R4, search.html#chaining).
fn chain(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("target:")?.split_once('.')
}

fn header(request: &Request<'_>, name: &str) -> Option<String> {
    Some(request.headers.get(name)?.to_str().ok()?.to_owned())
}

pub(super) fn refused(status: u16, code: &str) -> Done {
    Done {
        status,
        body: Some(json!({
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": code}],
        })),
        outcome: "refused",
        ..Done::default()
    }
}

fn identifiers(resource: &Value) -> impl Iterator<Item = (&str, &str)> {
    let items = match &resource["identifier"] {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => std::slice::from_ref(&resource["identifier"]),
        _ => &[],
    };
    items.iter().filter_map(|i| {
        Some((
            i["system"].as_str().unwrap_or_default(),
            i["value"].as_str()?,
        ))
    })
}

/// What must not be there twice: `Type system|value` of each identifier that names a record at its
/// sender (`…/id/<kind>`; accession numbers and the like may be shared); a Provenance by targets and time.
fn names(resource: &Value) -> Vec<String> {
    let resource_type = text(&resource["resourceType"]);
    if resource_type == "Provenance" {
        let targets = resource["target"].as_array().map_or(0, Vec::len);
        let target = text(&resource["target"][0]["reference"]);
        let recorded = text(&resource["recorded"]);
        return vec![format!("Provenance {target} {targets} {recorded}")];
    }
    identifiers(resource)
        .filter(|(system, _)| system.contains("/id/"))
        .map(|(system, value)| format!("{resource_type} {system}|{value}"))
        .collect()
}

/// Literal references to resources of this server.
fn references<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields {
                match child {
                    Value::String(text)
                        if name == "reference" && !text.starts_with('#') && !text.contains(':') =>
                    {
                        out.push(text);
                    }
                    child => references(child, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
