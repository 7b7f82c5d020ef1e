//! ValueSet and CodeSystem to facts. Codes only; displays and texts are passed over.

use std::collections::HashMap;

use serde_json::Value;

use super::{Include, SetFacts, SystemFacts, list, text};

impl SetFacts {
    /// Reads a ValueSet; `None` if it has no address.
    #[must_use]
    pub fn read(resource: &Value) -> Option<SetFacts> {
        let url = text(resource, "url");
        let part = |key: &str| -> Vec<Include> {
            resource
                .get("compose")
                .map(|compose| list(compose, key).iter().map(include).collect())
                .unwrap_or_default()
        };
        (!url.is_empty()).then(|| SetFacts {
            url,
            version: text(resource, "version"),
            include: part("include"),
            exclude: part("exclude"),
            expansion: resource.get("expansion").and_then(expansion),
        })
    }
}

fn include(value: &Value) -> Include {
    Include {
        system: text(value, "system"),
        codes: list(value, "concept")
            .iter()
            .map(|concept| match concept {
                Value::String(code) => code.clone(),
                other => text(other, "code"),
            })
            .collect(),
        filters: list(value, "filter")
            .iter()
            .map(|filter| {
                (
                    text(filter, "property"),
                    text(filter, "op"),
                    text(filter, "value"),
                )
            })
            .collect(),
        sets: list(value, "valueSet")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    }
}

/// The codes of an expansion; `None` if it says that it holds only a part, or holds nothing.
fn expansion(value: &Value) -> Option<Vec<(String, String)>> {
    fn walk(items: &[Value], out: &mut Vec<(String, String)>) {
        for item in items {
            let code = text(item, "code");
            if !code.is_empty() && item.get("abstract") != Some(&Value::Bool(true)) {
                out.push((text(item, "system"), code));
            }
            walk(list(item, "contains"), out);
        }
    }
    let items = list(value, "contains");
    let mut out = Vec::new();
    walk(items, &mut out);
    let total = value.get("total").and_then(Value::as_u64).unwrap_or(0);
    let whole = u64::try_from(out.len()).unwrap_or(0) >= total && !out.is_empty();
    let cut = list(value, "extension")
        .iter()
        .any(|extension| text(extension, "url").ends_with("valueset-toocostly"))
        || list(value, "parameter")
            .iter()
            .any(|parameter| text(parameter, "name") == "limitedExpansion");
    (whole && !cut).then_some(out)
}

impl SystemFacts {
    /// Reads a CodeSystem; `None` if it has no address or only supplements another.
    #[must_use]
    pub fn read(resource: &Value) -> Option<SystemFacts> {
        let url = text(resource, "url");
        let content = text(resource, "content");
        if url.is_empty() || content == "supplement" {
            return None;
        }
        let mut facts = SystemFacts {
            url,
            version: text(resource, "version"),
            complete: content == "complete",
            case_sensitive: resource.get("caseSensitive") != Some(&Value::Bool(false)),
            codes: Vec::new(),
            properties: Vec::new(),
        };
        let mut named = Vec::new();
        facts.walk(list(resource, "concept"), None, &mut named);
        let mut places: HashMap<&str, u32> = HashMap::new();
        if !named.is_empty() {
            for (at, (code, _)) in (0..).zip(&facts.codes) {
                places.entry(code).or_insert(at);
            }
        }
        let found = named
            .into_iter()
            .filter_map(|(at, code)| Some((at, *places.get(code.as_str())?)));
        let found: Vec<(usize, u32)> = found.collect();
        for (at, parent) in found {
            if let Some((_, parents)) = facts.codes.get_mut(at)
                && !parents.contains(&parent)
            {
                parents.push(parent);
            }
        }
        Some(facts)
    }

    fn walk(&mut self, concepts: &[Value], parent: Option<u32>, named: &mut Vec<(usize, String)>) {
        for concept in concepts {
            let (code, children) = match concept {
                Value::String(code) => (code.clone(), &[][..]),
                other => (text(other, "code"), list(other, "concept")),
            };
            let at = self.codes.len();
            self.codes.push((code, parent.into_iter().collect()));
            let index = u32::try_from(at).ok();
            for property in list(concept, "property") {
                let name = text(property, "code");
                if matches!(name.as_str(), "parent" | "subsumedBy") {
                    let code = property.get("valueCode").and_then(Value::as_str);
                    named.extend(code.map(|code| (at, code.to_owned())));
                } else if let (Some(index), Some(value)) = (index, valued(property)) {
                    self.properties.push((index, name, value));
                }
            }
            self.walk(children, index, named);
        }
    }
}

/// A property's value as a filter writes it.
fn valued(property: &Value) -> Option<String> {
    let mut keys = property.as_object()?.iter();
    let (_, value) = keys.find(|(key, _)| key.starts_with("value"))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Object(_) => Some(text(value, "code")),
        _ => None,
    }
}
