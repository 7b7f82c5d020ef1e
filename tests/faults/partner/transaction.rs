//! A FHIR transaction at a faulty EHR (R4, http.html#transaction): first all of it is looked at, then all of
//! it is done; whatever is wrong with one entry refuses the whole. Reads and writes the EHR's memory only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ehr::{Ehr, at, nothing, said};
use super::http::Answer;
use crate::check::Took;

/// What becomes of an entry.
enum Becomes {
    Created,
    /// Its condition finds this version.
    There(u64),
    /// It is written over this version.
    Changed(u64),
}

struct Entry {
    kind: String,
    id: String,
    becomes: Becomes,
    resource: Value,
}

impl Ehr {
    /// Carries it out, or nothing of it.
    pub(super) fn transaction(&mut self, body: &[u8]) -> (Answer, Vec<Took>) {
        let entries = match self.looked_at(body) {
            Ok(entries) => entries,
            Err(status) => return nothing(status),
        };
        let (mut answers, mut took) = (Vec::new(), Vec::new());
        for Entry {
            kind,
            id,
            becomes,
            resource,
        } in entries
        {
            let (status, version) = match becomes {
                Becomes::Created => {
                    took.push(self.put(&kind, &id, None, resource));
                    ("201 Created", 1)
                }
                Becomes::There(version) => ("200 OK", version),
                Becomes::Changed(over) => {
                    took.push(self.put(&kind, &id, Some(over), resource));
                    ("200 OK", over + 1)
                }
            };
            let (location, etag) = (at(&kind, &id, version), format!("W/\"{version}\""));
            answers
                .push(json!({"response": {"status": status, "location": location, "etag": etag}}));
        }
        let answer =
            json!({"resourceType": "Bundle", "type": "transaction-response", "entry": answers});
        (said(200, &answer), took)
    }

    /// Somebody there changes all that it means to update.
    pub(super) fn edit(&mut self, body: &[u8]) {
        for (kind, id) in updated(body) {
            self.changed_there(&kind, &id);
        }
    }

    /// What its entries become, with the names that they have here. `Err`: the status that refuses it.
    fn looked_at(&self, body: &[u8]) -> Result<Vec<Entry>, u16> {
        let bundle: Value = serde_json::from_slice(body).map_err(|_| 400_u16)?;
        let given = bundle["entry"].as_array().filter(|given| {
            bundle["resourceType"] == "Bundle"
                && bundle["type"] == "transaction"
                && !given.is_empty()
        });
        let mut entries = Vec::new();
        let (mut known, mut names, mut created) = (BTreeSet::new(), BTreeMap::new(), 0);
        for one in given.ok_or(400_u16)? {
            let asked = &one["request"];
            let text = |field: &str| asked[field].as_str();
            let url = text("url").ok_or(400_u16)?;
            let (kind, id, becomes) = match (text("method"), url.split_once('/')) {
                (Some("POST"), None) => match self.there(url, text("ifNoneExist"))? {
                    Some((id, version)) => (url, id, Becomes::There(version)),
                    None => {
                        created += 1;
                        (url, self.id(created - 1), Becomes::Created)
                    }
                },
                (Some("PUT"), Some((kind, id))) => {
                    let over = self.current(kind, id, text("ifMatch"))?;
                    (kind, id.to_owned(), Becomes::Changed(over))
                }
                _ => return Err(400),
            };
            let resource = &one["resource"];
            let its_own = matches!(becomes, Becomes::Changed(_)) && resource["id"] != id.as_str();
            // Nothing stands in a transaction twice.
            let twice = !known.insert((kind.to_owned(), id.clone()));
            if its_own || twice || resource["resourceType"] != kind {
                return Err(400);
            }
            let full_url = one["fullUrl"].as_str().ok_or(400_u16)?;
            let name = format!("{kind}/{id}");
            if names.insert(full_url.to_owned(), name).is_some() {
                return Err(400);
            }
            entries.push(Entry {
                kind: kind.to_owned(),
                id,
                becomes,
                resource: resource.clone(),
            });
        }
        for entry in &mut entries {
            resolve(&mut entry.resource, &names)?;
        }
        Ok(entries)
    }
}

/// Whether a transaction has an update.
pub(super) fn updates(body: &[u8]) -> bool {
    !updated(body).is_empty()
}

/// Type and id of all that a transaction updates.
fn updated(body: &[u8]) -> Vec<(String, String)> {
    let bundle: Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let asked = entries.map(|entry| &entry["request"]);
    asked
        .filter(|asked| asked["method"] == "PUT")
        .filter_map(|asked| asked["url"].as_str()?.split_once('/'))
        .map(|(kind, id)| (kind.to_owned(), id.to_owned()))
        .collect()
}

/// Puts the names here in the place of each `fullUrl`. `Err`: a name that nothing in the transaction has.
fn resolve(value: &mut Value, names: &BTreeMap<String, String>) -> Result<(), u16> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| resolve(item, names)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(field, value)| {
            let Some(reference) = value.as_str().filter(|_| field == "reference") else {
                return resolve(value, names);
            };
            match names.get(reference) {
                Some(name) => *value = json!(name),
                None if reference.starts_with("urn:") => return Err(400),
                None => {}
            }
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// The same answer, which says nothing of what became of the second half.
pub(super) fn half_said(answer: Answer) -> Answer {
    let mut said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(entries) = said["entry"].as_array_mut() {
        let half = entries.len() / 2;
        entries[half..].fill(json!({}));
    }
    Answer {
        body: said.to_string().into_bytes(),
        ..answer
    }
}
