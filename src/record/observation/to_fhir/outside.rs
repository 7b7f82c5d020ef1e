//! What an EHR or a laboratory told us, back in FHIR's words.

use serde_json::{Map, Value, json};

use crate::record::observation::{
    Coded, Component, Concept, Measured, Outside, Quantity, Range, ReferenceRange,
};
use crate::record::writing::Writing;

pub(super) fn write(w: &mut Writing<'_>, outside: &Outside) {
    // The kind of measure stands first, their categories behind it.
    let kind = w.count("category");
    for (n, category) in outside.categories.iter().enumerate() {
        let place = format!("category[{}]", kind + n);
        w.set(
            &place,
            &format!("/outside/categories/{n}"),
            concept(category),
        );
    }
    w.set_some("code", "/outside/code", outside.code.as_ref().map(concept));
    if let Some(value) = &outside.value {
        for (element, value) in measured(value) {
            w.set(element, "/outside/value", value);
        }
    }
    for (n, found) in outside.interpretation.iter().enumerate() {
        let from = format!("/outside/interpretation/{n}");
        w.set(&format!("interpretation[{n}]"), &from, concept(found));
    }
    w.set_some(
        "bodySite",
        "/outside/body_site",
        outside.body_site.as_ref().map(concept),
    );
    w.set_some(
        "method",
        "/outside/method",
        outside.method.as_ref().map(concept),
    );
    for (n, found) in outside.reference_ranges.iter().enumerate() {
        let from = format!("/outside/reference_ranges/{n}");
        w.set(
            &format!("referenceRange[{n}]"),
            &from,
            reference_range(found),
        );
    }
    for (n, found) in outside.components.iter().enumerate() {
        let from = format!("/outside/components/{n}");
        w.set(&format!("component[{n}]"), &from, component(found));
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

fn list<T>(map: &mut Map<String, Value>, key: &str, items: &[T], one: impl Fn(&T) -> Value) {
    if !items.is_empty() {
        let items: Vec<Value> = items.iter().map(one).collect();
        map.insert(key.to_owned(), Value::Array(items));
    }
}

fn coding(coded: &Coded) -> Value {
    let mut map = Map::new();
    put(&mut map, "system", coded.system.as_deref());
    put(&mut map, "code", coded.code.as_deref());
    put(&mut map, "display", coded.display.as_deref());
    Value::Object(map)
}

fn concept(concept: &Concept) -> Value {
    let mut map = Map::new();
    list(&mut map, "coding", &concept.codings, coding);
    put(&mut map, "text", concept.text.as_deref());
    Value::Object(map)
}

fn quantity(quantity: &Quantity) -> Value {
    let mut map = Map::new();
    put(
        &mut map,
        "value",
        quantity.value.as_ref().map(|v| v.number()),
    );
    put(&mut map, "comparator", quantity.comparator.as_deref());
    put(&mut map, "unit", quantity.unit.as_deref());
    put(&mut map, "system", quantity.system.as_deref());
    put(&mut map, "code", quantity.code.as_deref());
    Value::Object(map)
}

fn range(range: &Range) -> Value {
    let mut map = Map::new();
    put(&mut map, "low", range.low.as_ref().map(quantity));
    put(&mut map, "high", range.high.as_ref().map(quantity));
    Value::Object(map)
}

fn reference_range(found: &ReferenceRange) -> Value {
    let mut map = Map::new();
    put(&mut map, "low", found.low.as_ref().map(quantity));
    put(&mut map, "high", found.high.as_ref().map(quantity));
    put(&mut map, "type", found.kind.as_ref().map(concept));
    put(&mut map, "text", found.text.as_deref());
    Value::Object(map)
}

/// The element names of what was measured, with their values.
fn measured(value: &Measured) -> Vec<(&'static str, Value)> {
    [
        ("valueQuantity", value.quantity.as_ref().map(quantity)),
        ("valueCodeableConcept", value.concept.as_ref().map(concept)),
        ("valueString", value.text.as_deref().map(Value::from)),
        ("valueBoolean", value.yes_no.map(Value::from)),
        ("valueInteger", value.whole.map(Value::from)),
        ("valueRange", value.range.as_ref().map(range)),
        (
            "valueDateTime",
            value.moment.as_ref().map(|m| json!(m.text())),
        ),
        ("valueTime", value.time.as_deref().map(Value::from)),
        ("dataAbsentReason", value.missing.as_ref().map(concept)),
    ]
    .into_iter()
    .filter_map(|(element, value)| Some((element, value?)))
    .collect()
}

fn component(component: &Component) -> Value {
    let mut map = Map::new();
    put(&mut map, "code", component.code.as_ref().map(concept));
    for (element, value) in component.value.iter().flat_map(measured) {
        map.insert(element.to_owned(), value);
    }
    list(
        &mut map,
        "interpretation",
        &component.interpretation,
        concept,
    );
    let ranges = &component.reference_ranges;
    list(&mut map, "referenceRange", ranges, reference_range);
    Value::Object(map)
}
