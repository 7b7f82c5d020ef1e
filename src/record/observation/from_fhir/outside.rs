//! An Observation that we did not write, in its own codes. Elements that have no place stay behind.

use serde_json::Value;

use crate::record::observation::When;
use crate::record::reading::{Fields, Reading};

/// Reads the member `outside`.
pub(super) fn read(r: &mut Reading) -> Value {
    let mut outside = Fields::default();
    outside.list("categories", concepts(r, "/category"));
    outside.put("code", concept(r, "/code"));
    outside.put("value", measured(r, ""));
    outside.list("interpretation", concepts(r, "/interpretation"));
    outside.put("body_site", concept(r, "/bodySite"));
    outside.put("method", concept(r, "/method"));
    outside.list("reference_ranges", reference_ranges(r, "/referenceRange"));
    let mut components = Vec::new();
    for n in 0..r.count("/component") {
        let at = format!("/component/{n}");
        let mut component = Fields::default();
        component.put("code", concept(r, &format!("{at}/code")));
        component.put("value", measured(r, &at));
        component.list(
            "interpretation",
            concepts(r, &format!("{at}/interpretation")),
        );
        let ranges = reference_ranges(r, &format!("{at}/referenceRange"));
        component.list("reference_ranges", ranges);
        components.extend(some(component));
    }
    outside.list("components", components);
    outside.done()
}

fn some(fields: Fields) -> Option<Value> {
    (!fields.is_empty()).then(|| fields.done())
}

/// Takes a value of the expected JSON type; leaves any other.
fn take(r: &mut Reading, at: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
    r.peek(at).is_some_and(fits).then(|| r.take(at)).flatten()
}

fn concepts(r: &mut Reading, at: &str) -> Vec<Value> {
    (0..r.count(at))
        .filter_map(|n| concept(r, &format!("{at}/{n}")))
        .collect()
}

fn concept(r: &mut Reading, at: &str) -> Option<Value> {
    let mut concept = Fields::default();
    let mut codings = Vec::new();
    for n in 0..r.count(&format!("{at}/coding")) {
        let mut coding = Fields::default();
        for field in ["system", "code", "display"] {
            coding.put(field, r.text(&format!("{at}/coding/{n}/{field}")));
        }
        codings.extend(some(coding));
    }
    concept.list("codings", codings);
    concept.put("text", r.text(&format!("{at}/text")));
    some(concept)
}

fn quantity(r: &mut Reading, at: &str) -> Option<Value> {
    let mut quantity = Fields::default();
    quantity.put("value", take(r, &format!("{at}/value"), Value::is_number));
    for field in ["comparator", "unit", "system", "code"] {
        quantity.put(field, r.text(&format!("{at}/{field}")));
    }
    some(quantity)
}

fn reference_ranges(r: &mut Reading, at: &str) -> Vec<Value> {
    (0..r.count(at))
        .filter_map(|n| {
            let at = format!("{at}/{n}");
            let mut range = Fields::default();
            range.put("low", quantity(r, &format!("{at}/low")));
            range.put("high", quantity(r, &format!("{at}/high")));
            range.put("kind", concept(r, &format!("{at}/type")));
            range.put("text", r.text(&format!("{at}/text")));
            some(range)
        })
        .collect()
}

/// The value of an Observation or of a component.
fn measured(r: &mut Reading, at: &str) -> Option<Value> {
    let mut value = Fields::default();
    value.put("quantity", quantity(r, &format!("{at}/valueQuantity")));
    value.put("concept", concept(r, &format!("{at}/valueCodeableConcept")));
    value.put("text", r.text(&format!("{at}/valueString")));
    let yes_no = take(r, &format!("{at}/valueBoolean"), Value::is_boolean);
    value.put("yes_no", yes_no);
    value.put(
        "whole",
        take(r, &format!("{at}/valueInteger"), Value::is_i64),
    );
    let mut range = Fields::default();
    for end in ["low", "high"] {
        range.put(end, quantity(r, &format!("{at}/valueRange/{end}")));
    }
    value.put("range", some(range));
    let moment = format!("{at}/valueDateTime");
    let fits = |v: &Value| v.as_str().is_some_and(|t| When::parse(t).is_some());
    value.put("moment", take(r, &moment, fits));
    value.put("time", r.text(&format!("{at}/valueTime")));
    value.put("missing", concept(r, &format!("{at}/dataAbsentReason")));
    some(value)
}
