//! Writing a resource: each element is set together with the field that made it.
//!
//! A map that writes this way cannot forget to say what made what. It knows JSON and names, nothing
//! of any kind; and it never decides whether a field may leave.

use serde_json::{Map, Value, json};

use crate::record::{Kind, MapEnv, Mapped};

/// Where our profiles and extensions live.
pub const OURS: &str = "https://fhir-gateway.example/StructureDefinition/";

/// US Core profiles, without a version.
pub const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";

/// A resource being written.
#[derive(Debug)]
pub struct Writing<'m> {
    mapped: &'m mut Mapped,
    part: String,
    kind: &'static str,
    profile: Option<&'static str>,
    value: Value,
}

impl<'m> Writing<'m> {
    /// Begins the resource that `part` of the record `kind`/`id` becomes: type, id, identifier.
    /// `id_from` is the pointer of the field that holds the record's id.
    pub fn begin(
        mapped: &'m mut Mapped,
        resource_type: &'static str,
        env: &MapEnv,
        (kind, id, part): (Kind, &str, &str),
        id_from: &str,
    ) -> Self {
        let mut writing = Writing {
            mapped,
            part: part.to_owned(),
            kind: resource_type,
            profile: None,
            value: json!({"resourceType": resource_type, "id": env.id(kind, id, part)}),
        };
        let identifier = env.identifier(kind, id, part);
        writing.set("identifier[0]", id_from, identifier);
        writing
    }

    /// Claims profiles. `ours` (the name behind [`OURS`]) is the one it must pass.
    pub fn profiles(&mut self, ours: Option<&'static str>, us_core: Option<&str>) {
        self.profile = ours;
        let mut claimed: Vec<String> = ours.into_iter().map(str::to_owned).collect();
        claimed.extend(us_core.map(|name| format!("{US_CORE}{name}")));
        if !claimed.is_empty() {
            self.fixed("meta.profile", json!(claimed));
        }
    }

    /// Sets an element (`name[0].given[1]`) and says which field made it.
    pub fn set(&mut self, element: &str, from: &str, value: impl Into<Value>) {
        self.fixed(element, value);
        self.note(element, from);
    }

    /// Sets an element if there is a value.
    pub fn set_some(&mut self, element: &str, from: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(element, from, value);
        }
    }

    /// Sets an element that no field made.
    pub fn fixed(&mut self, element: &str, value: impl Into<Value>) {
        *place(&mut self.value, element) = value.into();
    }

    /// Says that a field made an element that stands there already.
    pub fn note(&mut self, element: &str, from: &str) {
        self.mapped
            .made(&self.part, format!("{}.{element}", self.kind), from);
    }

    /// Adds an extension of ours under an element (`""`: the resource), with one value
    /// (`valueString`…), and says which field made it.
    pub fn extend(&mut self, under: &str, name: &str, (key, value): (&str, Value), from: &str) {
        self.extend_with(
            under,
            json!({"url": format!("{OURS}{name}"), key: value}),
            from,
        );
    }

    /// Writes the record's version (`record-version`), which `meta.versionId` cannot carry: that one is
    /// the server's.
    pub fn version(&mut self, from: &str, version: u64) {
        self.extend(
            "",
            "record-version",
            ("valuePositiveInt", json!(version)),
            from,
        );
    }

    /// Adds an extension as it stands.
    pub fn extend_with(&mut self, under: &str, extension: Value, from: &str) {
        let list = if under.is_empty() {
            "extension".to_owned()
        } else {
            format!("{under}.extension")
        };
        let slot = place(&mut self.value, &list);
        if !slot.is_array() {
            *slot = json!([]);
        }
        let at = slot.as_array_mut().map_or(0, |all| {
            all.push(extension);
            all.len() - 1
        });
        self.note(&format!("{list}[{at}]"), from);
    }

    /// How many items a list has so far.
    #[must_use]
    pub fn count(&self, element: &str) -> usize {
        pointer(element)
            .and_then(|p| self.value.pointer(&p))
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    /// The resource so far.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Ends it: the resource stands in the result.
    pub fn end(self) {
        let Writing {
            mapped,
            part,
            profile,
            mut value,
            ..
        } = self;
        order(&mut value);
        mapped.push(&part, profile, value);
    }
}

/// Puts `meta`, `text` and `extension` where FHIR writes them: behind `id`, before the rest.
fn order(value: &mut Value) {
    if let Value::Object(map) = value {
        let mut sorted = Map::new();
        for key in [
            "resourceType",
            "id",
            "meta",
            "text",
            "contained",
            "extension",
        ] {
            if let Some(value) = map.shift_remove(key) {
                sorted.insert(key.to_owned(), value);
            }
        }
        sorted.append(map);
        *map = sorted;
    }
}

/// The JSON pointer of an element path; `None` if it is not one.
fn pointer(element: &str) -> Option<String> {
    let mut out = String::new();
    for step in element.split('.') {
        let (name, rest) = step.split_once('[').unwrap_or((step, ""));
        out.push('/');
        out.push_str(name);
        if !rest.is_empty() {
            out.push('/');
            out.push_str(rest.strip_suffix(']')?);
        }
    }
    Some(out)
}

/// The place of an element, made where it is missing.
fn place<'v>(root: &'v mut Value, element: &str) -> &'v mut Value {
    let mut at = root;
    for step in element.split('.') {
        let (name, index) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (step, None),
        };
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[name];
        if let Some(index) = index {
            if !at.is_array() {
                *at = json!([]);
            }
            if let Value::Array(items) = at {
                while items.len() <= index {
                    items.push(Value::Null);
                }
            }
            at = &mut at[index];
        }
    }
    at
}

/// A coding in a local list of the tenant, with its words: `{base}/code/<list>`.
#[must_use]
pub fn local(env: &MapEnv, list: &str, code: &str, text: &str) -> Value {
    json!({"coding": [local_coding(env, list, code)], "text": text})
}

/// A coding of a local list.
#[must_use]
pub fn local_coding(env: &MapEnv, list: &str, code: &str) -> Value {
    json!({"system": format!("{}/code/{list}", env.base), "code": code})
}

/// A concept with one coding.
#[must_use]
pub fn concept(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

/// A complex extension of ours from plain fields: one sub-extension per field (per item of a list), in
/// order; and the field of each (`field` or `field/n`). References are told by being objects, dates by
/// their fields' names.
#[must_use]
pub fn complex(name: &str, fields: &Value) -> (Value, Vec<String>) {
    let (mut parts, mut made) = (Vec::new(), Vec::new());
    for (field, value) in fields.as_object().into_iter().flatten() {
        let (items, list) = match value {
            Value::Array(items) => (items.as_slice(), true),
            one => (std::slice::from_ref(one), false),
        };
        for (n, item) in items.iter().enumerate() {
            let key = match item {
                Value::Bool(_) => "valueBoolean",
                Value::Number(_) => "valueUnsignedInt",
                Value::Object(_) => "valueReference",
                _ if matches!(field.as_str(), "start" | "end" | "date" | "first_appt") => {
                    "valueDate"
                }
                _ => "valueString",
            };
            parts.push(json!({"url": field, key: item}));
            made.push(if list {
                format!("{field}/{n}")
            } else {
                field.clone()
            });
        }
    }
    (
        json!({"url": format!("{OURS}{name}"), "extension": parts}),
        made,
    )
}

/// The fields of a complex extension, in order: name and value.
#[must_use]
pub fn members(extension: &Value) -> Vec<(&str, Value)> {
    extension["extension"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|part| {
            let value = part
                .as_object()?
                .iter()
                .find(|(k, _)| k.starts_with("value"))?;
            Some((part["url"].as_str()?, value.1.clone()))
        })
        .collect()
}

/// The code that a typed value is written as in its contract (`snake_case` words).
#[must_use]
pub fn code_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(code)) => code,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_set_where_their_path_says_and_their_makers_are_known() {
        let mut mapped = Mapped::default();
        let env = MapEnv::example();
        let mut w = Writing::begin(
            &mut mapped,
            "Patient",
            &env,
            (Kind::Client, "C", ""),
            "/client_no",
        );
        w.set("name[0].given[1]", "/name/middle", "M");
        w.set("name[0].given[0]", "/name/first", "F");
        w.extend("name[0]", "x", ("valueString", json!("v")), "/x");
        assert_eq!(w.count("name[0].given"), 2);
        w.end();
        let value = &mapped.resources[0].value;
        assert_eq!(value["name"][0]["given"], json!(["F", "M"]));
        assert_eq!(mapped.made[1].element, "Patient.name[0].given[1]");
        assert_eq!(mapped.made[3].element, "Patient.name[0].extension[0]");
    }
}
