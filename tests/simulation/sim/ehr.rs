//! An EHR's book: copies under ids of its own, conditional creates, versions, searches by identifier; what
//! took effect, in its order.

use std::collections::{BTreeMap, HashMap};

use fhir_gateway::partner::wire::Heard;
use serde_json::{Value, json};

use super::network::{Request, heard};
use super::watch::Watch;

/// A copy.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) version: u64,
    pub(crate) resource: Value,
    /// The record version (kind/id, version) that wrote it last, and that job.
    pub(crate) by: (String, u64),
    pub(crate) job: String,
}

/// The book.
pub(crate) struct Ehr {
    pub(crate) name: &'static str,
    conditional: bool,
    if_match: bool,
    /// Whether it understands chained search parameters.
    chains: bool,
    next: u64,
    pub(crate) kept: BTreeMap<(String, String), Kept>,
    /// The newest version of each record that took effect.
    pub(crate) newest: HashMap<String, u64>,
    pub(crate) effects: u64,
}

impl Ehr {
    pub(crate) fn new(name: &'static str, conditional: bool, if_match: bool, chains: bool) -> Self {
        Ehr {
            name,
            conditional,
            if_match,
            chains,
            next: 1,
            kept: BTreeMap::new(),
            newest: HashMap::new(),
            effects: 0,
        }
    }

    /// Somebody at the EHR registers a client of the clinic's.
    pub(crate) fn register(&mut self, client: &str) {
        let id = format!("p{client}");
        let resource = json!({"resourceType": "Patient", "id": id, "identifier": [
            {"system": "https://clinic.example/id/client", "value": client}]});
        let kept = Kept {
            version: 1,
            resource,
            by: (String::new(), 0),
            job: String::new(),
        };
        self.kept.insert(key("Patient", &id), kept);
    }

    pub(crate) fn take(&mut self, request: &Request, watch: &Watch) -> Heard {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["metadata"]) => said(200, &json!({"resourceType": "CapabilityStatement"})),
            ("GET", [kind]) => self.search(kind, request),
            ("GET", [kind, id]) => match self.kept.get(&key(kind, id)) {
                Some(kept) => Heard {
                    etag: Some(format!("W/\"{}\"", kept.version)),
                    ..said(200, &kept.resource)
                },
                None => refused(404),
            },
            ("POST", [] | [""]) if self.conditional => self.transaction(request, watch),
            ("POST", [kind]) => self.create(kind, request, watch),
            ("PUT", [kind, id]) => self.update(kind, id, request, watch),
            _ => refused(405),
        }
    }

    fn matching(&self, kind: &str, query: &[(String, String)]) -> Vec<(&String, &Kept)> {
        let has = |resource: &Value| {
            query
                .iter()
                .all(|(name, value)| self.has(resource, name, value))
        };
        let all = self.kept.iter().filter(|((k, _), _)| k == kind);
        all.filter(|(_, kept)| has(&kept.resource))
            .map(|((_, id), kept)| (id, kept))
            .collect()
    }

    /// Whether a resource has what a parameter asks for; one that is not known is ignored.
    fn has(&self, resource: &Value, name: &str, value: &str) -> bool {
        let about = |reference: &str| targets(resource).any(|t| t == reference);
        match name {
            "identifier" => names(resource).any(|n| n == value.replace('\\', "")),
            "recorded" => resource["recorded"] == value,
            "target" => about(value),
            _ => match chain(name).filter(|_| self.chains) {
                Some((kind, name)) => self
                    .matching(kind, &[(name.to_owned(), value.to_owned())])
                    .iter()
                    .any(|(id, _)| about(&format!("{kind}/{id}"))),
                None => true,
            },
        }
    }

    fn search(&self, kind: &str, request: &Request) -> Heard {
        let found = self.matching(kind, &request.query);
        let entries: Vec<Value> = found
            .into_iter()
            .map(|(_, kept)| json!({"resource": kept.resource, "search": {"mode": "match"}}))
            .collect();
        said(
            200,
            &json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}),
        )
    }

    fn create(&mut self, kind: &str, request: &Request, watch: &Watch) -> Heard {
        let Ok(resource) = serde_json::from_slice::<Value>(&request.body) else {
            return refused(400);
        };
        if let Some(condition) = request.header("if-none-exist").filter(|_| self.conditional) {
            let query = pairs(condition);
            let found = self.matching(kind, &query);
            match found.as_slice() {
                [] => {}
                [(id, kept)] => return written(200, kind, id, kept.version),
                _ => return refused(412),
            }
        }
        let again = |kept: &Kept| {
            names(&kept.resource).any(|n| names(&resource).any(|m| m == n))
                || is_same_provenance(&kept.resource, &resource)
        };
        let of_kind = self.kept.iter().filter(|((k, _), _)| k == kind);
        if of_kind.map(|(_, kept)| kept).any(again) {
            watch.fail(format!("{}: a {kind} of ours was made twice", self.name));
        }
        let id = format!("e{:06}", self.next);
        self.next += 1;
        self.write(kind, &id, 1, resource, request, watch);
        written(201, kind, &id, 1)
    }

    fn update(&mut self, kind: &str, id: &str, request: &Request, watch: &Watch) -> Heard {
        let Ok(resource) = serde_json::from_slice::<Value>(&request.body) else {
            return refused(400);
        };
        let Some(version) = self.kept.get(&key(kind, id)).map(|k| k.version) else {
            return refused(404);
        };
        match request.header("if-match") {
            Some(known) if self.if_match && known != format!("W/\"{version}\"") => {
                return refused(412);
            }
            None if self.if_match => return refused(400),
            _ => {}
        }
        self.write(kind, id, version + 1, resource, request, watch);
        written(200, kind, id, version + 1)
    }

    /// A transaction: all of its entries, or none.
    fn transaction(&mut self, request: &Request, watch: &Watch) -> Heard {
        let Ok(bundle) = serde_json::from_slice::<Value>(&request.body) else {
            return refused(400);
        };
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let resolved = self.resolved(&entries);
        let parts = entries
            .iter()
            .zip(resolved)
            .map(|(e, body)| part(&e["request"], body, request));
        let parts: Vec<Request> = parts.collect();
        // Looked at before anything is done; nothing in one transaction names the same twice.
        if let Some(refusal) = parts.iter().find_map(|part| self.refuses(part)) {
            return refusal;
        }
        let said = parts.iter().map(|part| {
            let heard = self.take(part, watch);
            json!({"response": {
                "status": heard.status.to_string(), "location": heard.location, "etag": heard.etag,
            }})
        });
        let said: Vec<Value> = said.collect();
        said_bundle(&said)
    }

    /// What a part of a transaction would be refused with.
    fn refuses(&self, part: &Request) -> Option<Heard> {
        let path: Vec<&str> = part.path.iter().map(String::as_str).collect();
        match (part.method.as_str(), path.as_slice()) {
            ("POST", [kind]) => {
                let query = pairs(part.header("if-none-exist").unwrap_or_default());
                (self.matching(kind, &query).len() > 1).then(|| refused(412))
            }
            ("PUT", [kind, id]) => {
                let version = self.kept.get(&key(kind, id)).map(|k| k.version);
                let known = part.header("if-match");
                match version {
                    None => Some(refused(404)),
                    Some(v) => (known != Some(&format!("W/\"{v}\""))).then(|| refused(412)),
                }
            }
            _ => Some(refused(400)),
        }
    }

    /// The entries' resources, with their names here in the place of each `fullUrl`.
    fn resolved(&self, entries: &[Value]) -> Vec<String> {
        let mut next = self.next;
        let mut names = Vec::new();
        for entry in entries.iter().filter(|e| e["request"]["method"] == "POST") {
            let kind = entry["request"]["url"].as_str().unwrap_or_default();
            let query = pairs(entry["request"]["ifNoneExist"].as_str().unwrap_or_default());
            let id = match self.matching(kind, &query).as_slice() {
                [(id, _)] => (*id).clone(),
                _ => {
                    next += 1;
                    format!("e{:06}", next - 1)
                }
            };
            names.push((entry["fullUrl"].to_string(), format!("\"{kind}/{id}\"")));
        }
        let resolve = |entry: &Value| {
            let body = entry["resource"].to_string();
            names
                .iter()
                .fold(body, |text, (url, name)| text.replace(url, name))
        };
        entries.iter().map(resolve).collect()
    }

    fn write(
        &mut self,
        kind: &str,
        id: &str,
        version: u64,
        mut resource: Value,
        request: &Request,
        watch: &Watch,
    ) {
        let record = request.header("gateway-record").unwrap_or_default();
        let (name, by) = record.rsplit_once('/').unwrap_or((record, "0"));
        let by: u64 = by.parse().unwrap_or(0);
        // A patient that was made for a record's sake is nothing of the record.
        if kind != "Patient" || name.starts_with("client/") {
            let newest = self.newest.entry(name.to_owned()).or_default();
            if by < *newest {
                let (who, newest) = (self.name, *newest);
                watch.fail(format!(
                    "{who}: version {by} of {name} took effect after version {newest}"
                ));
            }
            *newest = (*newest).max(by);
        }
        watch.effect_of(self.name, name, by);
        resource["id"] = json!(id);
        resource["meta"]["versionId"] = json!(version.to_string());
        self.effects += 1;
        let kept = Kept {
            version,
            resource,
            by: (name.to_owned(), by),
            job: request
                .header("x-request-id")
                .unwrap_or_default()
                .to_owned(),
        };
        self.kept.insert(key(kind, id), kept);
    }

    /// How many patients a client is there.
    pub(crate) fn patients(&self, client: &str) -> usize {
        let is = |resource: &Value| {
            names(resource).any(|n| n.ends_with(&format!("/id/client|{client}")))
        };
        let all = self.kept.iter().filter(|((k, _), _)| k == "Patient");
        all.filter(|(_, kept)| is(&kept.resource)).count()
    }

    /// The copy that carries an identifier of ours with this value.
    pub(crate) fn by_identifier(&self, kind: &str, value: &str) -> Option<&Kept> {
        let of = |i: &Value| i["value"] == value;
        let has = |r: &Value| match &r["identifier"] {
            Value::Array(all) => all.iter().any(of),
            one => of(one),
        };
        let all = self.kept.iter().filter(|((k, _), _)| k == kind);
        all.map(|(_, kept)| kept).find(|kept| has(&kept.resource))
    }
}

/// A part of a transaction as a request of its own.
fn part(asked: &Value, body: String, whole: &Request) -> Request {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let conditions = [
        ("if-none-exist", text(&asked["ifNoneExist"])),
        ("if-match", text(&asked["ifMatch"])),
    ];
    let conditions = conditions.into_iter().filter_map(|(n, v)| Some((n, v?)));
    let url = text(&asked["url"]).unwrap_or_default();
    Request {
        method: text(&asked["method"]).unwrap_or_default(),
        path: url.split('/').map(str::to_owned).collect(),
        query: Vec::new(),
        headers: whole.headers.iter().cloned().chain(conditions).collect(),
        body: body.into_bytes(),
        ..whole.clone()
    }
}

fn said_bundle(entries: &[Value]) -> Heard {
    said(
        200,
        &json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}),
    )
}

fn key(kind: &str, id: &str) -> (String, String) {
    (kind.to_owned(), id.to_owned())
}

/// `system|value` of each identifier that names a record of ours.
fn names(resource: &Value) -> impl Iterator<Item = String> {
    let all = match &resource["identifier"] {
        Value::Array(all) => all.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    all.into_iter().filter_map(|i| {
        let system = i["system"].as_str().filter(|s| s.contains("/id/"))?;
        Some(format!("{system}|{}", i["value"].as_str()?))
    })
}

/// What a Provenance is about.
fn targets(resource: &Value) -> impl Iterator<Item = &str> {
    let all = resource["target"].as_array().into_iter().flatten();
    all.filter_map(|t| t["reference"].as_str())
}

/// Whether two say the same moment of the same: it has no identifier.
fn is_same_provenance(one: &Value, other: &Value) -> bool {
    one["resourceType"] == "Provenance"
        && one["recorded"] == other["recorded"]
        && targets(one).eq(targets(other))
}

/// Type and parameter of `target:Type.parameter` (R4, search.html#chaining).
fn chain(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("target:")?.split_once('.')
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://h/?{query}"));
    url.map(|u| {
        u.query_pairs()
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect()
    })
    .unwrap_or_default()
}

fn said(status: u16, body: &Value) -> Heard {
    Heard {
        media_type: "application/fhir+json".to_owned(),
        ..heard(status, body.to_string().into_bytes())
    }
}

fn written(status: u16, kind: &str, id: &str, version: u64) -> Heard {
    Heard {
        location: Some(format!("http://ehr/{kind}/{id}/_history/{version}")),
        etag: Some(format!("W/\"{version}\"")),
        ..heard(status, Vec::new())
    }
}

fn refused(status: u16) -> Heard {
    said(
        status,
        &json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}),
    )
}
