//! What a faulty EHR keeps: resources under ids of its own, found by identifier, created conditionally
//! and in transactions where it can, updated under `If-Match`. Reads and writes nothing but its own memory.

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
    /// Whether it honours `If-None-Exist`, takes transactions, and understands chained searches.
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

    pub(crate) fn handle(&mut self, request: &Request) -> (Answer, Vec<Took>) {
        // The base's own segment stands first.
        let path: Vec<&str> = request.path.iter().skip(1).map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["metadata"]) => (
                said(
                    200,
                    &json!({"resourceType": "CapabilityStatement", "status": "active"}),
                ),
                Vec::new(),
            ),
            ("GET", [kind]) => (self.search(kind, &request.query), Vec::new()),
            ("GET", [kind, id]) => match self.kept.get(&key(kind, id)) {
                Some(kept) => {
                    let answer = with_version(said(200, &kept.resource), kept.version);
                    (answer, Vec::new())
                }
                None => nothing(404),
            },
            ("POST", []) if self.conditional => self.transaction(&request.body),
            ("POST", [kind]) => self.create(kind, request),
            ("PUT", [kind, id]) => self.update(kind, id, request),
            _ => nothing(405),
        }
    }

    fn found(&self, kind: &str, query: &[(String, String)]) -> Vec<String> {
        let value = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let (about, moment) = (value("target"), value("recorded"));
        let names = match (value("identifier"), about, moment, self.chained(query)) {
            (Some(identifier), ..) => vec![identifier.replace('\\', "")],
            (None, Some(target), Some(recorded), _) => vec![format!("{target} {recorded}")],
            (None, None, Some(recorded), targets) => {
                let of = |target: &String| format!("{target} {recorded}");
                targets.iter().map(of).collect()
            }
            _ => Vec::new(),
        };
        let named = |name| self.named.get(&(kind.to_owned(), name)).cloned();
        names.into_iter().filter_map(named).flatten().collect()
    }

    /// What `target:Type.identifier` names here (R4, search.html#chaining), as `Type/id`.
    fn chained(&self, query: &[(String, String)]) -> Vec<String> {
        let chain = query
            .iter()
            .filter(|_| self.conditional)
            .find_map(|(name, value)| {
                let kind = name.strip_prefix("target:")?.strip_suffix(".identifier")?;
                Some((kind.to_owned(), value.replace('\\', "")))
            });
        let Some(chain) = chain else {
            return Vec::new();
        };
        let ids = self.named.get(&chain).into_iter().flatten();
        ids.map(|id| format!("{}/{id}", chain.0)).collect()
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

    /// What a create under this condition finds there: id and version. `Err`: the status that refuses it.
    pub(super) fn there(
        &self,
        kind: &str,
        condition: Option<&str>,
    ) -> Result<Option<(String, u64)>, u16> {
        let Some(condition) = condition.filter(|_| self.conditional) else {
            return Ok(None);
        };
        let mut found = self.found(kind, &pairs(condition));
        match (found.len(), found.pop()) {
            (0, _) => Ok(None),
            (1, Some(id)) => {
                let version = self.kept.get(&key(kind, &id)).map_or(1, |k| k.version);
                Ok(Some((id, version)))
            }
            _ => Err(412),
        }
    }

    /// The version that an update is made over. `Err`: the status that refuses it.
    pub(super) fn current(&self, kind: &str, id: &str, if_match: Option<&str>) -> Result<u64, u16> {
        let version = self.kept.get(&key(kind, id)).ok_or(404_u16)?.version;
        match if_match == Some(format!("W/\"{version}\"").as_str()) {
            true => Ok(version),
            false => Err(412),
        }
    }

    /// Somebody there changes it.
    pub(super) fn changed_there(&mut self, kind: &str, id: &str) {
        if let Some(kept) = self.kept.get_mut(&key(kind, id)) {
            kept.version += 1;
            kept.resource["meta"]["versionId"] = json!(kept.version.to_string());
            kept.resource["language"] = json!("en-US");
        }
    }

    /// The id of the resource that is created after so many others.
    pub(super) fn id(&self, after: u64) -> String {
        format!("e{:07}", self.next + after)
    }

    fn create(&mut self, kind: &str, request: &Request) -> (Answer, Vec<Took>) {
        let Some(resource) = body(kind, request) else {
            return nothing(400);
        };
        match self.there(kind, request.header("if-none-exist")) {
            Err(status) => return nothing(status),
            Ok(Some((id, version))) => {
                let mut answer = with_version(Answer::new(200), version);
                answer.headers.push(("location", at(kind, &id, version)));
                return (answer, Vec::new());
            }
            Ok(None) => {}
        }
        let id = self.id(0);
        let took = self.put(kind, &id, None, resource);
        let mut answer = with_version(Answer::new(201), 1);
        answer.headers.push(("location", at(kind, &id, 1)));
        (answer, vec![took])
    }

    fn update(&mut self, kind: &str, id: &str, request: &Request) -> (Answer, Vec<Took>) {
        let Some(resource) = body(kind, request).filter(|r| r["id"] == id) else {
            return nothing(400);
        };
        match self.current(kind, id, request.header("if-match")) {
            Err(status) => nothing(status),
            Ok(version) => {
                let took = self.put(kind, id, Some(version), resource);
                (with_version(Answer::new(200), version + 1), vec![took])
            }
        }
    }

    /// Keeps it: over that version, or as something new, whose id is the next one then.
    pub(super) fn put(
        &mut self,
        kind: &str,
        id: &str,
        over: Option<u64>,
        mut resource: Value,
    ) -> Took {
        let version = over.unwrap_or(0) + 1;
        self.next += u64::from(over.is_none());
        resource["id"] = json!(id);
        resource["meta"]["versionId"] = json!(version.to_string());
        for name in names(&resource) {
            let ids = self.named.entry((kind.to_owned(), name)).or_default();
            if !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        }
        self.kept.insert(key(kind, id), Kept { version, resource });
        took(format!("{kind}/{id}"), over.is_none())
    }
}

fn key(kind: &str, id: &str) -> (String, String) {
    (kind.to_owned(), id.to_owned())
}

pub(super) fn said(status: u16, body: &Value) -> Answer {
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

/// A refusal: it did nothing.
pub(super) fn nothing(status: u16) -> (Answer, Vec<Took>) {
    (refused(status), Vec::new())
}

fn with_version(mut answer: Answer, version: u64) -> Answer {
    answer.headers.push(("etag", format!("W/\"{version}\"")));
    answer
}

pub(super) fn at(kind: &str, id: &str, version: u64) -> String {
    format!("{kind}/{id}/_history/{version}")
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
