//! ValueSet and CodeSystem to facts. Codes only; displays and texts are passed over.

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
        };
        let mut named = Vec::new();
        facts.walk(list(resource, "concept"), None, &mut named);
        for (at, code) in named {
            let parent = facts.codes.iter().position(|(each, _)| *each == code);
            if let Some(parent) = parent.and_then(|parent| u32::try_from(parent).ok())
                && let Some((_, parents)) = facts.codes.get_mut(at)
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
            for property in list(concept, "property") {
                if matches!(text(property, "code").as_str(), "parent" | "subsumedBy") {
                    let code = property.get("valueCode").and_then(Value::as_str);
                    named.extend(code.map(|code| (at, code.to_owned())));
                }
            }
            self.walk(children, u32::try_from(at).ok(), named);
        }
    }
}
