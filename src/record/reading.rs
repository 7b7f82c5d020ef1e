//! Reading a resource: what is taken is gone, and what is left has no place in the record.
//!
//! So no element can be overlooked in silence: the leftovers become `not-mapped` warnings. It never
//! puts a value into a warning.

use serde_json::{Map, Value};

use crate::issue::Issue;
use crate::record::writing::OURS;
use crate::record::{Kind, MapEnv};

/// A resource being read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `CarePlan`.
    kind: String,
    value: Value,
    /// JSON pointers of what was taken only in part.
    cut: Vec<String>,
}

impl Reading {
    /// Begins to read. Type, id, meta and narrative are nobody's fields.
    #[must_use]
    pub fn begin(resource: &Value) -> Self {
        let kind = resource["resourceType"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut value = resource.clone();
        if let Value::Object(map) = &mut value {
            for key in ["resourceType", "id", "meta", "text"] {
                map.shift_remove(key);
            }
        }
        Reading {
            kind,
            value,
            cut: Vec::new(),
        }
    }

    /// Looks without taking.
    #[must_use]
    pub fn peek(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer).filter(|v| !v.is_null())
    }

    /// Takes what stands at a JSON pointer.
    pub fn take(&mut self, pointer: &str) -> Option<Value> {
        let value = self.value.pointer_mut(pointer)?.take();
        (!value.is_null()).then_some(value)
    }

    /// Takes a text; leaves what is none.
    pub fn text(&mut self, pointer: &str) -> Option<String> {
        self.peek(pointer)?.as_str()?;
        match self.take(pointer) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Takes a text that is exactly this; whether it was there.
    pub fn exactly(&mut self, pointer: &str, expected: &str) -> bool {
        let there = self.peek(pointer).is_some_and(|v| v == expected);
        if there {
            self.take(pointer);
        }
        there
    }

    /// Takes a full date, or the date of a date-time (and says that the time of day was left); leaves
    /// partial dates.
    pub fn date(&mut self, pointer: &str) -> Option<String> {
        let text = self.peek(pointer)?.as_str()?;
        let day = text.get(..10)?.to_owned();
        crate::clock::Date::parse(&day)?;
        if text.len() > 10 {
            self.cut.push(pointer.to_owned());
        }
        self.take(pointer);
        Some(day)
    }

    /// How many items a list has.
    #[must_use]
    pub fn count(&self, pointer: &str) -> usize {
        self.peek(pointer)
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    /// Takes the value of an extension of ours under an element (`""`: the resource).
    pub fn extension(&mut self, under: &str, name: &str, key: &str) -> Option<Value> {
        let at = self.extension_at(under, name)?;
        let value = self.take(&format!("{at}/{key}"))?;
        self.take(&at);
        Some(value)
    }

    /// Where an extension of ours stands under an element.
    #[must_use]
    pub fn extension_at(&self, under: &str, name: &str) -> Option<String> {
        let url = format!("{OURS}{name}");
        let list = format!("{under}/extension");
        let at = self
            .peek(&list)?
            .as_array()?
            .iter()
            .position(|e| e["url"] == *url)?;
        Some(format!("{list}/{at}"))
    }

    /// Takes the record's version; 1 where there is none.
    pub fn version(&mut self) -> Value {
        self.extension("", "record-version", "valuePositiveInt")
            .unwrap_or_else(|| Value::from(1))
    }

    /// Takes `active`, if it is true: every record of ours is.
    pub fn active(&mut self) {
        if self.peek("/active") == Some(&Value::Bool(true)) {
            self.take("/active");
        }
    }

    /// Takes the first coding in a concept whose system is this; returns its code.
    pub fn coding(&mut self, concept: &str, system: &str) -> Option<String> {
        let list = format!("{concept}/coding");
        let at = self
            .peek(&list)?
            .as_array()?
            .iter()
            .position(|c| c["system"] == *system)?;
        let code = self.text(&format!("{list}/{at}/code"))?;
        self.take(&format!("{list}/{at}"));
        Some(code)
    }

    /// Takes the record id out of an identifier of this kind and tenant in a list of identifiers
    /// (id and part).
    pub fn own_identifier(&mut self, env: &MapEnv, kind: Kind) -> Option<(String, String)> {
        let system = env.system(kind);
        let at = self
            .peek("/identifier")?
            .as_array()?
            .iter()
            .position(|i| i["system"] == *system)?;
        let value = self.text(&format!("/identifier/{at}/value"))?;
        self.take(&format!("/identifier/{at}"));
        let (id, part) = crate::record::map::split_identifier(&value);
        Some((id.to_owned(), part.to_owned()))
    }

    /// Takes a reference to something of ours, whole; leaves any other.
    pub fn own_reference(
        &mut self,
        env: &MapEnv,
        pointer: &str,
        kind: Kind,
    ) -> Option<(String, String)> {
        let found = own_id(env, self.peek(pointer)?, kind)?;
        self.take(pointer);
        Some(found)
    }

    /// What is left: one warning per element that the record has no place for.
    #[must_use]
    pub fn leftovers(self) -> Vec<Issue> {
        let mut left = Vec::new();
        walk(&self.value, &self.kind, &mut left);
        left.extend(
            self.cut
                .iter()
                .map(|p| format!("{}{}", self.kind, as_path(p))),
        );
        left.into_iter().map(not_mapped).collect()
    }
}

/// The warning that an element has no place in the record.
#[must_use]
pub fn not_mapped(path: String) -> Issue {
    Issue::warning(
        "not-supported",
        "not-mapped",
        path,
        "the record has no place for this element",
    )
}

/// The record id and part of a reference to something of ours, by its identifier.
#[must_use]
pub fn own_id(env: &MapEnv, reference: &Value, kind: Kind) -> Option<(String, String)> {
    let identifier = &reference["identifier"];
    if identifier["system"] != *env.system(kind) {
        return None;
    }
    let (id, part) = crate::record::map::split_identifier(identifier["value"].as_str()?);
    Some((id.to_owned(), part.to_owned()))
}

/// A record id for what has none of ours: its own id where that fits, else a keyed digest of it.
#[must_use]
pub fn foreign_id(env: &MapEnv, kind: Kind, resource: &Value) -> String {
    let id = resource["id"].as_str().unwrap_or_default();
    let fits = (1..=32).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits {
        id.to_owned()
    } else {
        env.id(kind, id, "foreign")
    }
}

/// A JSON pointer as the rest of a FHIRPath.
fn as_path(pointer: &str) -> String {
    let mut out = String::new();
    for step in pointer.split('/').skip(1) {
        if step.bytes().all(|b| b.is_ascii_digit()) {
            out.push_str(&format!("[{step}]"));
        } else {
            out.push('.');
            out.push_str(step);
        }
    }
    out
}

/// Leaves below a place, each as a FHIRPath.
fn walk(value: &Value, path: &str, left: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                walk(value, &format!("{path}.{key}"), left);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                walk(value, &format!("{path}[{i}]"), left);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => left.push(path.to_owned()),
    }
}

/// A record being put together: fields that are absent stay absent.
#[derive(Clone, Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Puts a field, if there is a value.
    pub fn put(&mut self, field: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(field.to_owned(), value.into());
        }
    }

    /// Puts a list, if it is not empty.
    pub fn list(&mut self, field: &str, items: Vec<Value>) {
        if !items.is_empty() {
            self.0.insert(field.to_owned(), Value::Array(items));
        }
    }

    /// The record.
    #[must_use]
    pub fn done(self) -> Value {
        Value::Object(self.0)
    }

    /// Whether nothing was put.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first resource of a type in a bundle's resources.
#[must_use]
pub fn first<'b>(bundle: &'b [Value], resource_type: &str) -> Option<&'b Value> {
    bundle.iter().find(|r| r["resourceType"] == *resource_type)
}

/// Whether a list of references names this resource: by its type and id, or, where it is contained or
/// stood in a bundle beside them, by `#id` or `urn:uuid:id`.
#[must_use]
pub fn refers(list: &Value, resource: &Value) -> bool {
    let (Some(kind), Some(id)) = (resource["resourceType"].as_str(), resource["id"].as_str())
    else {
        return false;
    };
    list.as_array().into_iter().flatten().any(|reference| {
        reference["reference"].as_str().is_some_and(|named| {
            let literal = named.split("/_history/").next().unwrap_or(named);
            literal.strip_suffix(id).is_some_and(|front| {
                front == "#" || front == "urn:uuid:" || front.ends_with(&format!("{kind}/"))
            })
        })
    })
}

/// What is said when the principal resource is not of the expected type.
#[must_use]
pub fn wrong_type() -> Vec<Issue> {
    vec![Issue::error(
        "structure",
        "resource-type",
        "",
        "the first resource is not of the type that this kind of record becomes",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_taken_is_told_by_its_path_and_without_its_value() {
        let mut r = Reading::begin(&json!({
            "resourceType": "Patient", "id": "1", "gender": "male",
            "name": [{"family": "F", "given": ["A", "B"]}],
        }));
        assert_eq!(r.text("/name/0/family").as_deref(), Some("F"));
        assert_eq!(r.text("/name/0/given/1").as_deref(), Some("B"));
        assert_eq!(r.text("/name/0/family"), None);
        let issues = r.leftovers();
        let paths: Vec<&str> = issues.iter().map(|i| i.path.as_str()).collect();
        assert_eq!(paths, ["Patient.gender", "Patient.name[0].given[0]"]);
        assert!(
            issues
                .iter()
                .all(|i| !i.is_error() && !i.message.contains('A'))
        );
    }

    #[test]
    fn partial_dates_and_foreign_references_are_left() {
        let env = MapEnv::example();
        let mut r = Reading::begin(&json!({
            "resourceType": "X", "a": "2020-05", "b": "2020-05-06T10:00:00Z",
            "c": {"reference": "Patient/9"},
            "d": env.reference("Patient", Kind::Client, "C-1", ""),
        }));
        assert_eq!(r.date("/a"), None);
        assert_eq!(r.date("/b").as_deref(), Some("2020-05-06"));
        assert_eq!(r.own_reference(&env, "/c", Kind::Client), None);
        assert_eq!(
            r.own_reference(&env, "/d", Kind::Client),
            Some(("C-1".to_owned(), String::new()))
        );
        let left: Vec<String> = r.leftovers().into_iter().map(|i| i.path).collect();
        assert_eq!(left, ["X.a", "X.c.reference", "X.b"]);
    }

    #[test]
    fn a_resource_is_referred_to_by_its_type_and_whole_id() {
        let goal = json!({"resourceType": "Goal", "id": "1"});
        let named = |reference: &str| refers(&json!([{"reference": reference}]), &goal);
        for yes in [
            "Goal/1",
            "#1",
            "urn:uuid:1",
            "https://ehr.example/fhir/Goal/1/_history/2",
        ] {
            assert!(named(yes), "{yes}");
        }
        for no in ["Goal/11", "Goal/21", "CareTeam/1", "1", "#11"] {
            assert!(!named(no), "{no}");
        }
        assert!(!refers(&Value::Null, &goal));
    }

    #[test]
    fn a_foreign_id_that_fits_no_record_becomes_a_digest() {
        let env = MapEnv::example();
        let id = |id: &str| foreign_id(&env, Kind::CarePlan, &json!({"id": id}));
        assert_eq!(id("plan-1"), "plan-1");
        assert_eq!(id("7b6a1e7d-0000-0000-0000-000000000000").len(), 20);
    }
}
