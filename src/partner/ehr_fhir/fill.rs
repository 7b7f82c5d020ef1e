//! Fills a payload's holes from the crosswalk, and tells whether what an EHR keeps is what we sent.
//! Pure; must change nothing but references and `id`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::decimal::Decimal;
use crate::sync::job::{Hole, Payload};
use crate::sync::ports::Rows;

/// What is sent: one JSON object, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes with the partner's id at its end; what we keep has none at its top.
    pub fn with_id(&self, id: &str) -> Vec<u8> {
        let more = format!(",\"id\":{}}}", Value::from(id));
        let end = self.0.len().saturating_sub(1);
        [&self.0[..end], more.as_bytes()].concat()
    }

    /// As JSON, to be compared with their copy.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

/// Names by (type, our id) that hold within one transaction only: the `fullUrl` of what it creates.
pub type Within = HashMap<(String, String), String>;

/// What holes are filled with.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// What the partner calls things.
    pub rows: &'a Rows,
    /// What else goes in the same transaction.
    pub within: Option<&'a Within>,
}

impl<'a> From<&'a Rows> for Names<'a> {
    fn from(rows: &'a Rows) -> Self {
        Names { rows, within: None }
    }
}

impl Names<'_> {
    /// The literal reference to what a hole names; `None`: the partner does not know it.
    fn literal(self, hole: &Hole) -> Option<String> {
        let name = (hole.resource_type.clone(), hole.our_id.clone());
        match self.rows.get(&name) {
            Some((id, _)) => Some(format!("{}/{id}", hole.resource_type)),
            None => self.within?.get(&name).cloned(),
        }
    }
}

/// The body to send: each hole filled with their id, or left as a logical reference.
///
/// # Errors
/// The patient that has no row: its reference never degrades. Or a payload that is none any more.
pub fn fill<'a>(payload: &Payload, names: impl Into<Names<'a>>) -> Result<Body, Unfilled> {
    let names = names.into();
    let unknown = |h: &Hole| h.required() && names.literal(h).is_none();
    if payload.holes.iter().any(unknown) {
        return Err(Unfilled::Patient);
    }
    match spliced(payload, names) {
        Some(bytes) => Ok(Body(bytes)),
        None => by_pointers(payload, names).map(|body| Body(body.to_string().into_bytes())),
    }
}

/// Fills the holes in the text, without reading the whole as JSON. A quotation mark within a JSON string is
/// escaped, so that what looks like the beginning of a reference is one. `None`: there are not as many
/// references to what the holes name as there are holes, so that the text does not tell which are meant.
fn spliced(payload: &Payload, names: Names<'_>) -> Option<Vec<u8>> {
    const BEGIN: &str = "\"reference\":\"";
    let text = std::str::from_utf8(&payload.bytes).ok()?;
    let mut out = String::with_capacity(text.len() + 64);
    let (mut rest, mut filled) = (text, 0);
    while let Some(at) = rest.find(BEGIN) {
        let named = &rest[at + BEGIN.len()..];
        let end = named.find('"')?;
        let (name, after) = (&named[..end], &named[end + 1..]);
        let hole = name.split_once('/').and_then(|(resource_type, id)| {
            let same = |h: &&Hole| h.resource_type == resource_type && h.our_id == id;
            payload.holes.iter().find(same)
        });
        out.push_str(&rest[..at]);
        rest = after;
        let Some(hole) = hole else {
            out.extend([BEGIN, name, "\""]);
            continue;
        };
        filled += 1;
        match names.literal(hole) {
            Some(literal) => {
                out.push_str("\"reference\":");
                out.push_str(&Value::from(literal).to_string());
            }
            None => match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => drop(out.ends_with(',').then(|| out.pop())),
            },
        }
    }
    out.push_str(rest);
    (filled == payload.holes.len()).then(|| out.into_bytes())
}

/// Fills each hole where its pointer says.
fn by_pointers(payload: &Payload, names: Names<'_>) -> Result<Value, Unfilled> {
    let mut body: Value = serde_json::from_slice(&payload.bytes).map_err(|_| Unfilled::Broken)?;
    for hole in &payload.holes {
        let Some(reference) = body
            .pointer_mut(&hole.pointer)
            .and_then(Value::as_object_mut)
        else {
            return Err(Unfilled::Broken);
        };
        match names.literal(hole) {
            Some(literal) => {
                reference.insert("reference".to_owned(), Value::String(literal));
            }
            None => {
                reference.shift_remove("reference");
            }
        }
    }
    Ok(body)
}

/// Why a payload could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// The patient has no row at the partner.
    Patient,
    /// The stored bytes are not what was made at acceptance.
    Broken,
}

/// Whether their copy is what we send: the same, apart from what a server gives itself (`id`, `meta`, a
/// narrative where ours has none). Additions count as differences: ours with less in it is another
/// version, and writing it again does no harm.
pub fn alike(ours: &Value, theirs: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) else {
        return false;
    };
    let strip = |map: &Map<String, Value>, text: bool| {
        let mut map = map.clone();
        map.shift_remove("id");
        map.shift_remove("meta");
        if text {
            map.shift_remove("text");
        }
        Value::Object(map)
    };
    let text = !ours.contains_key("text");
    same(&strip(ours, text), &strip(theirs, text))
}

/// Whether their copy has all that we send, with additions or without; `id`, `meta` and a narrative aside.
pub fn within(ours: &Value, theirs: &Value) -> bool {
    let Some(ours) = ours.as_object() else {
        return false;
    };
    ours.iter()
        .filter(|(name, _)| !matches!(name.as_str(), "id" | "meta" | "text"))
        .all(|(name, x)| theirs.get(name).is_some_and(|y| compared(x, y, false)))
}

fn same(ours: &Value, theirs: &Value) -> bool {
    compared(ours, theirs, true)
}

/// `exactly`: an element that is only theirs is a difference.
fn compared(ours: &Value, theirs: &Value, exactly: bool) -> bool {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            (!exactly || a.len() == b.len())
                && a.iter().all(|(name, x)| {
                    b.get(name).is_some_and(|y| {
                        if name == "reference" && x.is_string() && y.is_string() {
                            tail(x) == tail(y)
                        } else {
                            compared(x, y, exactly)
                        }
                    })
                })
        }
        (Value::Array(a), Value::Array(b)) if exactly => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same(x, y))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.iter().all(|x| b.iter().any(|y| compared(x, y, exactly)))
        }
        (Value::Number(a), Value::Number(b)) => {
            let value = |n: &serde_json::Number| Decimal::parse(&n.to_string());
            a == b || (value(a).is_some() && value(a) == value(b))
        }
        (a, b) => a == b,
    }
}

/// `Type/id` of a reference that may be absolute or versioned.
fn tail(reference: &Value) -> Option<String> {
    let text = reference.as_str()?;
    let text = text.split("/_history/").next().unwrap_or(text);
    let mut last: Vec<&str> = text.rsplitn(3, '/').take(2).collect();
    last.reverse();
    Some(last.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Key;
    use crate::sync::job::payload_hash;
    use serde_json::json;

    fn payload(body: &Value, holes: &[(&str, &str, &str)]) -> Payload {
        let holes: Vec<Hole> = holes
            .iter()
            .map(|(pointer, resource_type, our_id)| Hole {
                pointer: (*pointer).to_owned(),
                resource_type: (*resource_type).to_owned(),
                our_id: (*our_id).to_owned(),
            })
            .collect();
        let bytes = serde_json::to_vec(body).expect("JSON");
        Payload {
            media_type: "application/fhir+json".to_owned(),
            hash: payload_hash(&Key::new(&[7; 32]), &bytes, &holes),
            bytes,
            holes,
        }
    }

    fn rows(names: &[(&str, &str, &str)]) -> Rows {
        let row = |(t, ours, theirs): &(&str, &str, &str)| {
            (
                ((*t).to_owned(), (*ours).to_owned()),
                ((*theirs).to_owned(), None),
            )
        };
        names.iter().map(row).collect()
    }

    /// References in every place of an object, some of them ours, some with text that looks like one.
    fn example() -> Payload {
        let body = json!({
            "resourceType": "Observation",
            "note": [{"text": "\"reference\":\"Patient/p1\", and a \\ at the end \\"}],
            "subject": {"reference": "Patient/p1", "type": "Patient"},
            "performer": [
                {"reference": "Practitioner/d1", "type": "Practitioner", "identifier": {"value": "d"}},
                {"type": "Practitioner", "reference": "Practitioner/d2", "identifier": {"value": "e"}},
                {"identifier": {"value": "f"}, "reference": "Practitioner/d1"},
                {"reference": "Organization/o1"},
                {"reference": "https://elsewhere.example/Patient/p1"},
                {"reference": "#c\"1"},
            ],
            "valueQuantity": {"value": 72.50},
        });
        payload(
            &body,
            &[
                ("/subject", "Patient", "p1"),
                ("/performer/0", "Practitioner", "d1"),
                ("/performer/1", "Practitioner", "d2"),
                ("/performer/2", "Practitioner", "d1"),
                ("/performer/3", "Organization", "o1"),
            ],
        )
    }

    #[test]
    fn what_is_filled_in_the_text_is_what_is_filled_by_pointers() {
        let names = [
            ("Practitioner", "d1", "theirs-1"),
            ("Practitioner", "d2", "a \"2\""),
            ("Organization", "o1", "9"),
        ];
        for some in 0..1 << names.len() {
            let mut known = vec![("Patient", "p1", "77")];
            known.extend(
                (0..names.len())
                    .filter(|n| some >> n & 1 == 1)
                    .map(|n| names[n]),
            );
            let (payload, rows) = (example(), rows(&known));
            let wanted = by_pointers(&payload, (&rows).into())
                .expect("filled")
                .to_string();
            let spliced = spliced(&payload, (&rows).into()).expect("the text tells");
            assert_eq!(String::from_utf8(spliced).expect("text"), wanted);
        }
    }

    #[test]
    fn where_the_text_does_not_tell_the_pointers_do() {
        // A reference that is no hole, to what a hole names.
        let body = json!({"resourceType": "Observation", "subject": {"reference": "Patient/p1"},
            "focus": [{"reference": "Patient/p1"}]});
        let payload = payload(&body, &[("/subject", "Patient", "p1")]);
        let rows = rows(&[("Patient", "p1", "77")]);
        assert_eq!(spliced(&payload, (&rows).into()), None);
        let filled = fill(&payload, &rows).expect("filled").value();
        assert_eq!(filled["subject"]["reference"], "Patient/77");
        assert_eq!(filled["focus"][0]["reference"], "Patient/p1");
    }

    #[test]
    fn what_goes_in_the_same_transaction_is_named_by_it() {
        let rows = rows(&[("Patient", "p1", "77"), ("Practitioner", "d1", "8")]);
        let name = |t: &str, id: &str| (t.to_owned(), id.to_owned());
        let within = Within::from([
            (name("Organization", "o1"), "urn:uuid:1".to_owned()),
            (name("Practitioner", "d1"), "urn:uuid:2".to_owned()),
        ]);
        let names = Names {
            rows: &rows,
            within: Some(&within),
        };
        let filled = fill(&example(), names).expect("filled").value();
        assert_eq!(filled["performer"][3]["reference"], "urn:uuid:1");
        // What the partner has a name for is called by it.
        assert_eq!(filled["performer"][0]["reference"], "Practitioner/8");
        assert!(filled["performer"][1].get("reference").is_none());
    }

    #[test]
    fn a_patient_without_a_row_and_bytes_that_are_none_are_told() {
        assert_eq!(fill(&example(), &Rows::new()), Err(Unfilled::Patient));
        let mut broken = example();
        broken.bytes = b"{\"subject\":".to_vec();
        let rows = rows(&[("Patient", "p1", "77")]);
        assert_eq!(fill(&broken, &rows), Err(Unfilled::Broken));
    }

    #[test]
    fn their_id_stands_at_the_end() {
        let rows = rows(&[("Patient", "p1", "77")]);
        let body = fill(&example(), &rows).expect("filled");
        let mut wanted = body.value();
        wanted["id"] = json!("a\"b");
        assert_eq!(body.with_id("a\"b"), wanted.to_string().into_bytes());
    }
}
