//! Steps through resources: choices, companions, types, children, references inside.

use serde_json::{Value, json};

use super::super::{Env, Expression, Node, TypeId, Types};
use super::on;

fn observation() -> Value {
    json!({
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "_status": {"extension": [{"url": "http://example.org/why", "valueString": "because"}]},
        "contained": [{"resourceType": "Patient", "id": "p", "birthDate": "1970-05"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "#p"},
        "_issued": {"extension": [{"url": "http://example.org/absent", "valueCode": "unknown"}]},
        "valueQuantity": {
            "value": serde_json::from_str::<Value>("72.50").expect("a number"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"
        },
        "component": [
            {"code": {"text": "a"}, "valueString": "x"},
            {"code": {"text": "b"}, "valueInteger": 3},
            {"code": {"text": "c"}, "_valueString": {"id": "only"}}
        ]
    })
}

#[test]
fn choices_are_found_by_their_name_and_known_by_their_type() {
    let o = observation();
    for (text, expected) in [
        ("value.unit", "string kg"),
        ("Observation.value.value", "decimal 72.50"),
        ("valueQuantity", ""),
        ("component.value", "string x; integer 3; string null"),
        ("component.value.ofType(integer)", "integer 3"),
        ("component.value.ofType(string).count()", "integer 2"),
        ("component.value.hasValue()", "boolean false"),
        ("component[2].value.id", "string only"),
        ("value is Quantity", "boolean true"),
        ("value is System.Quantity", "boolean false"),
        ("value = 72500 'g'", "boolean true"),
        ("value > 72 'kg'", "boolean true"),
        ("value.type().name", "string Quantity"),
        ("component.first().type().name", "string BackboneElement"),
        ("component.first() is Element", "boolean true"),
        (
            "is(DomainResource) and is(Observation) and is(Patient).not()",
            "boolean true",
        ),
        ("ofType(Resource).id", "id o1"),
    ] {
        assert_eq!(on(text, &o).join("; "), expected, "{text}");
    }
}

#[test]
fn primitives_have_their_companions() {
    let o = observation();
    for (text, expected) in [
        (
            "status.extension('http://example.org/why').value",
            "string because",
        ),
        ("status.hasValue() and status = 'final'", "boolean true"),
        ("issued.exists()", "boolean true"),
        ("issued.hasValue()", "boolean false"),
        ("issued.getValue()", ""),
        ("issued.extension.value", "code unknown"),
        ("issued.toString()", ""),
        ("issued < now()", ""),
        ("issued + 1 day", ""),
        ("issued.lowBoundary()", ""),
    ] {
        assert_eq!(on(text, &o).join("; "), expected, "{text}");
    }
    let names = json!({
        "resourceType": "Patient",
        "name": [{
            "given": ["Ann", null, "Lou"],
            "_given": [null, {"extension": [{"url": "u", "valueBoolean": true}]}, {"id": "3"}]
        }]
    });
    assert_eq!(on("name.given.count()", &names), ["integer 3"]);
    assert_eq!(on("name.given.select(hasValue())", &names).len(), 3);
    assert_eq!(
        on("name.given[1].extension.value", &names),
        ["boolean true"]
    );
    assert_eq!(on("name.given[2].id", &names), ["string 3"]);
}

#[test]
fn children_know_their_types() {
    let o = observation();
    for (text, expected) in [
        ("children().count()", "integer 10"),
        (
            "children().ofType(CodeableConcept).coding.code",
            "code 8867-4",
        ),
        ("descendants().ofType(Reference).reference", "string #p"),
        ("descendants().as(date)", "date 1970-05"),
        (
            "descendants().where($this is Patient).birthDate < @1980",
            "boolean true",
        ),
        ("status.children().count()", "integer 1"),
    ] {
        assert_eq!(on(text, &o).join("; "), expected, "{text}");
    }
}

#[test]
fn as_filters_a_collection_since_dom_3_needs_it() {
    assert_eq!(on("component.value.as(string)", &observation()).len(), 2);
    let dom_3 = "contained.where((('#'+id in (%resource.descendants().reference | \
        %resource.descendants().as(canonical) | %resource.descendants().as(uri) | \
        %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or \
        descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()";
    let mut o = observation();
    assert_eq!(on(dom_3, &o), ["boolean true"]);
    o["subject"] = json!({"reference": "Patient/p"});
    assert_eq!(on(dom_3, &o), ["boolean false"]);
    o["contained"][0]["managingOrganization"] = json!({"reference": "#"});
    assert_eq!(on(dom_3, &o), ["boolean true"]);
    o["contained"][0] = json!({"resourceType": "Library", "id": "l", "url": "#"});
    o["instantiatesCanonical"] = json!("#l");
    assert_eq!(
        on(dom_3, &o),
        ["boolean false"],
        "R4's Observation has no such element"
    );
}

#[test]
fn decimals_keep_their_digits() {
    let o: Value = serde_json::from_str(
        r#"{"resourceType":"Observation","valueQuantity":{"value":1.000000000000000000000000000000000001}}"#,
    )
    .expect("JSON");
    let text = "1.000000000000000000000000000000000001";
    assert_eq!(on("value.value", &o), [format!("decimal {text}")]);
    assert_eq!(on("value.value.toString()", &o), [format!("string {text}")]);
}

#[test]
fn what_the_type_does_not_have_is_empty_and_what_has_no_type_is_read_as_it_stands() {
    let o = json!({"resourceType": "Observation", "colour": "red", "code": {"text": "a"}});
    assert!(on("colour", &o).is_empty());
    let loose = json!({"a": [{"b": 1, "valueString": "x"}, {"b": 2.5}], "_c": {"id": "i"}});
    for (text, expected) in [
        ("a.b", "integer 1; decimal 2.5"),
        ("a.value", "string x"),
        ("a.valueString", "string x"),
        ("c.id", "string i"),
        ("a.b.where($this is Integer)", "integer 1"),
        ("descendants().count()", "integer 7"),
    ] {
        assert_eq!(on(text, &loose).join("; "), expected, "{text}");
    }
    for odd in [
        json!(null),
        json!(1),
        json!([1, [2]]),
        json!({"resourceType": 1}),
    ] {
        assert!(on("a.b.c", &odd).is_empty());
        assert!(on("descendants().a", &odd).is_empty());
    }
}

#[test]
fn an_element_can_be_what_is_evaluated_on() {
    let types = Types::r4();
    let component = json!({"code": {"text": "a"}, "valueInteger": 3});
    let kind = types.id("Observation.component").expect("a backbone");
    let env = Env::new(types);
    let holds = |text: &str, node: Node<'_>| {
        let expression = Expression::compile(text).expect(text);
        expression.holds(&env, node).expect(text)
    };
    let node = Node::element(Some(&component), None, kind);
    assert!(holds(
        "value is integer and value = 3 and code.text = 'a'",
        node
    ));
    let status = json!("final");
    let companion = json!({"id": "x"});
    let code = types.id("code").expect("a type");
    let node = Node::element(Some(&status), Some(&companion), code);
    assert!(holds("$this = 'final' and id = 'x' and hasValue()", node));
    let ele_1 = "hasValue() or (children().count() > id.count())";
    assert!(holds(ele_1, node));
    assert!(!holds(ele_1, Node::element(None, Some(&companion), code)));
    assert!(!holds(
        ele_1,
        Node::element(Some(&json!({})), None, TypeId::UNKNOWN)
    ));
}
