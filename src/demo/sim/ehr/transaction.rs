//! A transaction at the simulated EHR: all of its entries, or nothing (R4, http.html#transaction). No I/O.

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::keep::{Done, Keep, refused, text};
use super::{Request, pairs};

impl Keep {
    /// Carries out a transaction.
    pub(super) fn transaction(&mut self, request: &Request<'_>) -> Done {
        let bundle: Option<Value> = serde_json::from_slice(request.body).ok();
        let bundle = bundle.filter(|b| b["resourceType"] == "Bundle" && b["type"] == "transaction");
        let Some(entries) = bundle.as_ref().and_then(|b| b["entry"].as_array()) else {
            return refused(400, "structure");
        };
        let before = self.clone();
        let resolved = self.resolved(entries);
        let mut said = Vec::with_capacity(entries.len());
        let mut names = Vec::new();
        for (entry, resource) in entries.iter().zip(resolved) {
            let done = self.entry(&entry["request"], &resource, request);
            if !(200..300).contains(&done.status) {
                *self = before;
                return done;
            }
            names.extend(done.ours.clone());
            said.push(response(&done));
        }
        self.promised.clear();
        Done {
            status: 200,
            body: Some(json!({
                "resourceType": "Bundle", "type": "transaction-response", "entry": said,
            })),
            ours: Some(names.join(", ")),
            outcome: "transaction",
            ..Done::default()
        }
    }

    /// The entries' resources as text, with their names here in the place of each `fullUrl`.
    fn resolved(&mut self, entries: &[Value]) -> Vec<String> {
        let mut next = self.next;
        let mut names = Vec::new();
        for entry in entries {
            let (url, request) = (text(&entry["fullUrl"]), &entry["request"]);
            if request["method"] != "POST" {
                continue;
            }
            let resource_type = text(&request["url"]);
            let condition = pairs(request["ifNoneExist"].as_str().unwrap_or_default());
            let there = self.matches(&resource_type, &condition);
            let id = match (condition.is_empty(), there.as_slice()) {
                (false, [one]) => one.id.clone(),
                _ => {
                    next += 1;
                    format!("e{:06}", next - 1)
                }
            };
            self.promised.push((resource_type.clone(), id.clone()));
            names.push((format!("\"{url}\""), format!("\"{resource_type}/{id}\"")));
        }
        let resolve = |entry: &Value| {
            let resource = entry["resource"].to_string();
            names
                .iter()
                .fold(resource, |text, (url, name)| text.replace(url, name))
        };
        entries.iter().map(resolve).collect()
    }

    fn entry(&mut self, asked: &Value, resource: &str, request: &Request<'_>) -> Done {
        let mut headers: HeaderMap = request.headers.clone();
        for (name, value) in [
            ("if-none-exist", &asked["ifNoneExist"]),
            ("if-match", &asked["ifMatch"]),
        ] {
            headers.remove(name);
            if let Some(value) = value.as_str().and_then(|v| v.parse().ok()) {
                headers.insert(name, value);
            }
        }
        let method: Method = text(&asked["method"]).parse().unwrap_or_default();
        let url = text(&asked["url"]);
        self.handle(&Request {
            method: &method,
            path: url.split('/').collect(),
            query: Vec::new(),
            headers: &headers,
            body: resource.as_bytes(),
        })
    }
}

fn response(done: &Done) -> Value {
    let mut response = json!({"status": done.status.to_string()});
    if let Some(location) = &done.location {
        response["location"] = json!(location);
    }
    if let Some(version) = done.version {
        response["etag"] = json!(format!("W/\"{version}\""));
    }
    json!({"response": response})
}
