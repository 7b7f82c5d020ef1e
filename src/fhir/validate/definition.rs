//! Rule `definition-path`: an element of a StructureDefinition's differential is one that its type has.

use serde_json::Value;

use super::at::At;
use super::check::Check;
use super::model::{Content, ShapeId};
use super::questionnaire::{list, text};

impl<'a> Check<'a> {
    /// A StructureDefinition as a whole.
    pub(super) fn definition(&mut self, value: &'a Value, at: &At<'_>) {
        let (kind, derivation) = (text(value, "type"), text(value, "derivation"));
        let core = self.core;
        let Some(&shape) = core.model.types.get(kind) else {
            return;
        };
        let Some(differential) = value.get("differential") else {
            return;
        };
        if derivation != "constraint" {
            return;
        }
        let above = at.name("differential");
        let named = above.name("element");
        for (index, element) in list(differential, "element").iter().enumerate() {
            let mut steps = text(element, "path").split('.');
            if steps.next() != Some(kind) || !self.path_exists(shape, steps) {
                let words = format!("{kind} has no element of this path");
                self.error("invalid", "definition-path", &named.index(index), words);
            }
        }
    }

    /// Whether steps lead to an element; beyond a type that is not known, all do.
    fn path_exists<'s>(&self, from: ShapeId, steps: impl Iterator<Item = &'s str>) -> bool {
        let model = &self.core.model;
        let mut at = vec![from];
        for step in steps {
            let stem = step.strip_suffix("[x]").unwrap_or(step);
            let mut next = Vec::new();
            let mut found = false;
            for id in at {
                for element in &model.shapes[id].elements {
                    let whole = *element.name == *stem;
                    for kind in &element.types {
                        if !whole && *kind.key != *stem {
                            continue;
                        }
                        found = true;
                        match kind.content {
                            Content::Shape(inner) => next.push(inner),
                            Content::Primitive(_) => next.push(model.element),
                            Content::Resource | Content::Unknown => return true,
                        }
                    }
                }
            }
            if !found {
                return false;
            }
            at = next;
        }
        true
    }
}
