//! What a faulty EHR keeps: resources under ids of its own, found by identifier, created conditionally
//! where it can, updated under `If-Match`. Reads and writes nothing but its own memory.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::http::{Answer, Request, pairs};
use super::took;
use crate::check::Took;

struct Kept {
    version: u64,
    resource: Value,
}

/// The EHR's side of the book.
pub(crate) struct Ehr {
    /// Whether it honours `If-None-Exist`.
    conditional: bool,
    next: u64,
    kept: HashMap<(String, String), Kept>,
    /// Ids by type and what names a resource.
    named: HashMap<(String, String), Vec<String>>,
}

impl Ehr {
    pub(crate) fn new(conditional: bool) -> Self {
        Ehr {
            conditional,
            next: 1,
            kept: HashMap::new(),
            named: HashMap::new(),
        }
    }

    /// All that it keeps: `Type/id`, and what names it.
    pub(crate) fn all(&self) -> Vec<(String, Vec<String>)> {
        self.kept
            .iter()
            .map(|((kind, id), kept)| (format!("{kind}/{id}"), names(&kept.resource)))
            .collect()
    }

    pub(crate) fn handle(&mut self, request: &Request) -> (Answer, Option<Took>) {
        // The base's own segment stands first.
        let path: Vec<&str> = request.path.iter().skip(1).map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["metadata"]) => (
                said(
                    200,
                    &json!({"resourceType": "CapabilityStatement", "status": "active"}),
                ),
                None,
            ),
            ("GET", [kind]) => (self.search(kind, &request.query), None),
            ("GET", [kind, id]) => match self.kept.get(&key(kind, id)) {
                Some(kept) => (with_version(said(200, &kept.resource), kept.version), None),
                None => (refused(404), None),
            },
            ("POST", [kind]) => self.create(kind, request),
            ("PUT", [kind, id]) => self.update(kind, id, request),
            _ => (refused(405), None),
        }
    }

    fn found(&self, kind: &str, query: &[(String, String)]) -> Vec<String> {
        let value = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let name = match (value("identifier"), value("target"), value("recorded")) {
            (Some(identifier), _, _) => identifier.replace('\\', ""),
            (None, Some(target), Some(recorded)) => format!("{target} {recorded}"),
            _ => return Vec::new(),
        };
        let named = self.named.get(&(kind.to_owned(), name));
        named.cloned().unwrap_or_default()
    }

    fn search(&self, kind: &str, query: &[(String, String)]) -> Answer {
        let entry: Vec<Value> = self
            .found(kind, query)
            .iter()
            .filter_map(|id| self.kept.get(&key(kind, id)))
            .map(|kept| json!({"resource": kept.resource, "search": {"mode": "match"}}))
            .collect();
        said(
            200,
            &json!({"resourceType": "Bundle", "type": "searchset", "total": entry.len(), "entry": entry}),
        )
    }

    fn create(&mut self, kind: &str, request: &Request) -> (Answer, Option<Took>) {
        let Some(resource) = body(kind, request) else {
            return (refused(400), None);
        };
        if let Some(condition) = request.header("if-none-exist").filter(|_| self.conditional) {
            let found = self.found(kind, &pairs(condition));
            match found.as_slice() {
                [] => {}
                [id] => {
                    let version = self.kept.get(&key(kind, id)).map_or(1, |k| k.version);
                    let mut answer = with_version(Answer::new(200), version);
                    answer.headers.push(at(kind, id, version));
                    return (answer, None);
                }
                _ => return (refused(412), None),
            }
        }
        let id = format!("e{:07}", self.next);
        self.next += 1;
        self.put(kind, &id, 1, resource);
        let mut answer = with_version(Answer::new(201), 1);
        answer.headers.push(at(kind, &id, 1));
        (answer, took(format!("{kind}/{id}"), true))
    }

    fn update(&mut self, kind: &str, id: &str, request: &Request) -> (Answer, Option<Took>) {
        let Some(resource) = body(kind, request).filter(|r| r["id"] == id) else {
            return (refused(400), None);
        };
        let Some(version) = self.kept.get(&key(kind, id)).map(|k| k.version) else {
            return (refused(404), None);
        };
        if request.header("if-match") != Some(format!("W/\"{version}\"").as_str()) {
            return (refused(412), None);
        }
        self.put(kind, id, version + 1, resource);
        (
            with_version(Answer::new(200), version + 1),
            took(format!("{kind}/{id}"), false),
        )
    }

    fn put(&mut self, kind: &str, id: &str, version: u64, mut resource: Value) {
        resource["id"] = json!(id);
        resource["meta"]["versionId"] = json!(version.to_string());
        for name in names(&resource) {
            let ids = self.named.entry((kind.to_owned(), name)).or_default();
            if !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        }
        self.kept.insert(key(kind, id), Kept { version, resource });
    }
}

fn key(kind: &str, id: &str) -> (String, String) {
    (kind.to_owned(), id.to_owned())
}

fn said(status: u16, body: &Value) -> Answer {
    Answer {
        body: body.to_string().into_bytes(),
        ..Answer::new(status)
    }
}

fn refused(status: u16) -> Answer {
    let issue = json!([{"severity": "error", "code": "processing"}]);
    said(
        status,
        &json!({"resourceType": "OperationOutcome", "issue": issue}),
    )
}

fn with_version(mut answer: Answer, version: u64) -> Answer {
    answer.headers.push(("etag", format!("W/\"{version}\"")));
    answer
}

fn at(kind: &str, id: &str, version: u64) -> (&'static str, String) {
    ("location", format!("{kind}/{id}/_history/{version}"))
}

fn body(kind: &str, request: &Request) -> Option<Value> {
    let resource: Value = serde_json::from_slice(&request.body).ok()?;
    (resource["resourceType"] == kind).then_some(resource)
}

/// What names a resource at its sender: its identifiers; a Provenance has none, and is found by what it is
/// about and when that was recorded.
fn names(resource: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if resource["resourceType"] == "Provenance" {
        let recorded = text(&resource["recorded"]);
        let targets = resource["target"].as_array().into_iter().flatten();
        return targets
            .map(|t| format!("{} {recorded}", text(&t["reference"])))
            .collect();
    }
    let items = match &resource["identifier"] {
        Value::Array(items) => items.clone(),
        Value::Object(_) => vec![resource["identifier"].clone()],
        _ => Vec::new(),
    };
    items
        .iter()
        .map(|i| format!("{}|{}", text(&i["system"]), text(&i["value"])))
        .collect()
}
