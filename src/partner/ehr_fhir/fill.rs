//! Fills a payload's holes from the crosswalk, and tells whether what an EHR keeps is what we sent.
//! Pure; must change nothing but references and `id`.

use serde_json::{Map, Value};

use crate::decimal::Decimal;
use crate::sync::job::{Find, Payload};
use crate::sync::ports::Rows;

/// The body to send: each hole filled with their id, or left as a logical reference.
///
/// # Errors
/// The patient that has no row: its reference never degrades. Or a payload that is none any more.
pub fn fill(payload: &Payload, rows: &Rows) -> Result<Value, Unfilled> {
    let mut body: Value = serde_json::from_slice(&payload.bytes).map_err(|_| Unfilled::Broken)?;
    for hole in &payload.holes {
        let Some(reference) = body
            .pointer_mut(&hole.pointer)
            .and_then(Value::as_object_mut)
        else {
            return Err(Unfilled::Broken);
        };
        match rows.get(&(hole.resource_type.clone(), hole.our_id.clone())) {
            Some((their_id, _)) => {
                let literal = format!("{}/{their_id}", hole.resource_type);
                reference.insert("reference".to_owned(), Value::String(literal));
            }
            None if hole.required() => return Err(Unfilled::Patient),
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

/// The search parameters that find a resource, as a query; `None` where there are none or where what
/// they name has no row yet.
pub fn query(find: &Find, rows: &Rows) -> Option<String> {
    let pairs = match find {
        Find::Identifier { system, value } => vec![(
            "identifier".to_owned(),
            format!("{}|{}", escape(system), escape(value)),
        )],
        Find::Search(pairs) => pairs
            .iter()
            .map(|(name, value)| Some((name.clone(), named(value, rows)?)))
            .collect::<Option<Vec<_>>>()?,
        Find::SameMessage | Find::None => return None,
    };
    let encoded: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect();
    (!encoded.is_empty()).then(|| encoded.join("&"))
}

/// `{Type/our-id}` becomes `Type/their-id`.
fn named(value: &str, rows: &Rows) -> Option<String> {
    let Some(name) = value.strip_prefix('{').and_then(|v| v.strip_suffix('}')) else {
        return Some(escape(value));
    };
    let (resource_type, our_id) = name.split_once('/')?;
    let (their_id, _) = rows.get(&(resource_type.to_owned(), our_id.to_owned()))?;
    Some(format!("{resource_type}/{their_id}"))
}

/// FHIR's escapes within a search value.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | '|' | ',' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Percent-encodes all that a query does not take as it stands; `|`, `/` and `:` are left, because
/// servers that read `If-None-Exist` without decoding it meet them in every request.
fn percent(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/|,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
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
